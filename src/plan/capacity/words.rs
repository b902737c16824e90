//! Refusals in words: what goes wrong in which order, and what would work.

use std::collections::BTreeSet;

use super::order::{Step, before_last};
use super::proof::Verdict;
use super::story::{Layer, Story};
use crate::base::id::{HostName, NodeId};
use crate::model::plan::{EffectKind, Happening, Moment, Node, Refusal};

/// So many refusals of one pool say enough.
const MOST_REFUSALS: usize = 20;
/// So many ways out are tried together.
const MOST_FIXES: usize = 16;
/// Of a plan with more acts than this, one way out is tried, and for the first refusal only.
const MANY_ACTS: usize = 140;
/// More members are only counted, and a longer order is shown without its middle.
const MOST_SHOWN: usize = 12;

/// A part of what would work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fix {
    /// A step before the refused one returns this member.
    Return(HostName),
    /// The refused node waits for this one.
    Wait(NodeId),
    /// This member is in service before the plan starts.
    Repair(HostName),
}

/// The same, by numbers that stay: of members, and of places in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Try {
    Return(usize),
    Wait(usize),
    Repair(usize),
}

/// An act that takes a member, and what is wrong with that.
struct Fault {
    act: usize,
    member: usize,
    kind: EffectKind,
    /// `None`: it could not be proved either way.
    steps: Option<Vec<Step>>,
}

/// Every refusal of a pool, with what would work.
pub(super) fn refusals(nodes: &[Node], story: &Story, limit: usize) -> Vec<(Refusal, Vec<Fix>)> {
    if story.is_never_short() {
        return Vec::new();
    }
    let mut faults = Vec::new();
    for (act, member, kind) in story.takes() {
        let steps = match story.judge(act, member, limit) {
            Verdict::Proved => continue,
            Verdict::Broken(steps) => Some(steps),
            Verdict::Unclear => None,
        };
        faults.push(Fault { act, member, kind, steps });
        if faults.len() == MOST_REFUSALS {
            break;
        }
    }
    let refused: BTreeSet<usize> = faults.iter().map(|f| story.acts[f.act].place).collect();
    let explained = |(i, fault): (usize, &Fault)| {
        let worth_it = i == 0 || story.acts.len() <= MANY_ACTS;
        let tries = if worth_it {
            ways_out(story, fault, &refused, limit)
        } else {
            Vec::new()
        };
        let told = told(nodes, story, fault);
        let fixes: Vec<Fix> = tries.iter().filter_map(|t| fix(nodes, story, *t)).collect();
        let instead = (!fixes.is_empty()).then(|| advice(nodes, story, fault, &fixes));
        (Refusal { instead, ..told }, fixes)
    };
    faults.iter().enumerate().map(explained).collect()
}

fn node_of<'n>(nodes: &'n [Node], story: &Story, act: usize) -> Option<&'n Node> {
    story.acts[act].node.and_then(|n| nodes.get(n))
}

fn told(nodes: &[Node], story: &Story, fault: &Fault) -> Refusal {
    let id = node_of(nodes, story, fault.act).map(|n| n.id.clone()).unwrap_or_default();
    let (pool, member) = (&story.pool.pool, &story.pool.members[fault.member]);
    let (total, minimum, now) = (story.pool.members.len(), story.pool.minimum, story.pool.capacity());
    let verb = if fault.kind == EffectKind::Takes { "takes" } else { "disturbs" };
    let mut lines = vec![format!(
        "now: pool `{pool}` has {} of {total} in service, {} enabled, minimum {minimum}",
        now.serving, now.enabled
    )];
    let Some(steps) = &fault.steps else {
        let message = format!(
            "`{id}` {verb} {} of pool `{pool}`, and that the pool keeps its minimum of {minimum} could not be proved: the plan has too many orders",
            member.host
        );
        return Refusal {
            node: Some(id),
            message,
            counterexample: lines,
            order: Vec::new(),
            instead: None,
        };
    };
    let situation = before_last(story, steps);
    let (serving, enabled) = situation.others(story, fault.act, fault.member);
    let out = situation.out(story, fault.member);
    for x in out.iter().copied().take(MOST_SHOWN) {
        let other = &story.pool.members[x];
        let by = steps.iter().rev().find(|s| {
            let takes = matches!(story.effect(s.act, x), Some(EffectKind::Takes | EffectKind::Disturbs));
            takes && s.what == Happening::Starts
        });
        let why = match by.and_then(|s| node_of(nodes, story, s.act)) {
            Some(node) if other.serving => format!("taken by `{}`, and not surely returned before", node.id),
            _ => other.detail.clone(),
        };
        lines.push(format!("{} is out: {why}", other.host));
    }
    if out.len() > MOST_SHOWN {
        lines.push(format!("{} more are out", out.len() - MOST_SHOWN));
    }
    if !member.serving {
        lines.push(format!("{} itself: {}", member.host, member.detail));
    }
    let order = moments(nodes, story, steps);
    if order.len() > 1 {
        lines.push(format!("in this order: {}", in_words(&order)));
    }
    lines.push(format!("after `{id}`: {serving} of {total} in service, {enabled} enabled"));
    let message = format!(
        "`{id}` {verb} {} of pool `{pool}`, which then has {serving} of {total} in service ({enabled} enabled), minimum {minimum}",
        member.host
    );
    Refusal {
        node: Some(id),
        message,
        counterexample: lines,
        order,
        instead: None,
    }
}

fn moments(nodes: &[Node], story: &Story, steps: &[Step]) -> Vec<Moment> {
    let of = |step: &Step| {
        Some(Moment {
            node: node_of(nodes, story, step.act)?.id.clone(),
            what: step.what,
        })
    };
    steps.iter().filter_map(of).collect()
}

/// `a`, `b` (still under way), `c`.
fn in_words(order: &[Moment]) -> String {
    let mut said: Vec<String> = Vec::new();
    for (i, moment) in order.iter().enumerate() {
        let ends = order[i..].iter().any(|m| m.node == moment.node && m.what == Happening::Ends);
        match moment.what {
            Happening::Ends => {}
            Happening::Skipped => said.push(format!("`{}` is left out", moment.node)),
            Happening::Starts if ends || i + 1 == order.len() => said.push(format!("`{}`", moment.node)),
            Happening::Starts => said.push(format!("`{}` (may still be under way)", moment.node)),
        }
    }
    if said.len() > MOST_SHOWN {
        let middle = said.len() - MOST_SHOWN;
        said.splice(MOST_SHOWN / 2..MOST_SHOWN / 2 + middle, [format!("{middle} more")]);
    }
    said.join(", ")
}

/// What makes this refusal go away and brings no other; nothing where nothing of the kind does.
fn ways_out(story: &Story, fault: &Fault, refused: &BTreeSet<usize>, limit: usize) -> Vec<Try> {
    let at = story.acts[fault.act].place;
    let works = |tries: &[Try]| {
        let Some(then) = tries.iter().try_fold(story.clone(), |story, t| tried(story, at, *t)) else {
            return false;
        };
        if then.is_never_short() {
            return true;
        }
        let still = |act: usize, member| !matches!(then.judge(act, member, limit), Verdict::Proved);
        let new = |place: usize| place == at || !refused.contains(&place);
        !then
            .takes()
            .into_iter()
            .any(|(act, member, _)| new(then.acts[act].place) && still(act, member))
    };
    let most = if story.acts.len() > MANY_ACTS { 1 } else { MOST_FIXES };
    let all: Vec<Try> = candidates(story, fault).into_iter().take(most).collect();
    if let Some(one) = all.iter().find(|t| works(&[**t])) {
        return vec![*one];
    }
    let returns = all.iter().take_while(|t| matches!(t, Try::Return(_))).count();
    let together = [&all[..returns], &all[..]].into_iter().filter(|tries| tries.len() > 1);
    let Some(mut tries) = together.map(<[Try]>::to_vec).find(|tries| works(tries)) else {
        return Vec::new();
    };
    // As few as possible.
    for one in tries.clone() {
        let fewer: Vec<Try> = tries.iter().filter(|t| **t != one).copied().collect();
        if works(&fewer) {
            tries = fewer;
        }
    }
    tries
}

/// What might help, the likeliest first: returns, another order, repairs.
fn candidates(story: &Story, fault: &Fault) -> Vec<Try> {
    let shown = fault.steps.as_ref().map(|steps| before_last(story, steps).out(story, fault.member));
    let shown = shown.unwrap_or_default();
    let mut others: Vec<usize> = (0..story.pool.members.len()).filter(|x| *x != fault.member).collect();
    others.sort_by_key(|x| !shown.contains(x));
    let (mut returns, mut waits, mut repairs) = (Vec::new(), Vec::new(), Vec::new());
    for x in others {
        let member = &story.pool.members[x];
        match (member.enabled, story.in_now(Layer::Serving, x)) {
            (_, true) => {}
            (true, false) => repairs.push(Try::Repair(x)),
            // What another run has taken is not ours to return; what nobody knows, nobody can.
            (false, false) if member.owned || !member.known => {}
            (false, false) => returns.push(Try::Return(x)),
        }
        for r in &story.by_member[x] {
            let unordered = *r != fault.act && !story.precedes(*r, fault.act) && !story.precedes(fault.act, *r);
            let wait = Try::Wait(story.acts[*r].place);
            if unordered && story.effect(*r, x) != Some(EffectKind::Takes) && !waits.contains(&wait) {
                waits.push(wait);
            }
        }
    }
    [returns, waits, repairs].concat()
}

/// The story with one thing changed for the node at place `at`; `None`: that cannot be.
fn tried(story: Story, at: usize, change: Try) -> Option<Story> {
    let act = |place| story.acts.iter().position(|a| a.place == place);
    let n = act(at)?;
    match change {
        Try::Return(x) => Some(story.with_return(x, n)),
        Try::Repair(x) => Some(story.with_repaired(x)),
        Try::Wait(place) => {
            let first = act(place)?;
            (!story.precedes(n, first)).then(|| story.with_order(first, n))
        }
    }
}

fn fix(nodes: &[Node], story: &Story, change: Try) -> Option<Fix> {
    let host = |x: usize| story.pool.members[x].host.clone();
    match change {
        Try::Return(x) => Some(Fix::Return(host(x))),
        Try::Repair(x) => Some(Fix::Repair(host(x))),
        Try::Wait(place) => {
            let act = story.acts.iter().position(|a| a.place == place)?;
            Some(Fix::Wait(node_of(nodes, story, act)?.id.clone()))
        }
    }
}

fn advice(nodes: &[Node], story: &Story, fault: &Fault, fixes: &[Fix]) -> String {
    let (mut hosts, mut steps, mut waits, mut repairs) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for fix in fixes {
        match fix {
            Fix::Return(host) => {
                hosts.push(host.to_string());
                steps.push(format!(
                    "`pool.member: {{ pool: {}, member: {host}, state: ready }}`",
                    story.pool.pool
                ));
            }
            Fix::Wait(id) => waits.push(format!("`{id}`")),
            Fix::Repair(host) => repairs.push(host.to_string()),
        }
    }
    let node = node_of(nodes, story, fault.act);
    let (id, step) = node.map(|n| (n.id.to_string(), n.step.to_string())).unwrap_or_default();
    let mut parts = Vec::new();
    if !hosts.is_empty() {
        parts.push(format!("return {} first: put {} before `{step}`", and(&hosts), and(&steps)));
    }
    if !waits.is_empty() {
        let have = if waits.len() == 1 { "has" } else { "have" };
        parts.push(format!("start `{id}` only after {} {have} ended", and(&waits)));
    }
    if !repairs.is_empty() {
        parts.push(format!(
            "bring {} back into service before: nobody took that out, but it is down",
            and(&repairs)
        ));
    }
    parts.join("; and ")
}

fn and(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}
