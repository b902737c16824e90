//! The same case again and again, each time with another failure or another death of the controller, held against the promises that always
//! hold: nothing stays taken unless an open obligation names it, no pool falls below its minimum by our hand, a success is a success.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::life::{Life, Staged, UID};
use super::syntax::{Fault, Sweep, Trouble};
use super::world::{Death, Deed, MemberNow, PoolNow};
use crate::action::CATALOG;
use crate::base::id::NodeId;
use crate::diagnostic::{Span, Spanned};
use crate::model::action::{Catalog, Class};
use crate::model::event::{Event, RunOutcome};

/// One repetition of a case.
#[derive(Clone, Debug)]
pub struct Scene {
    /// For people.
    pub name: String,
    faults: Vec<Fault>,
    death: Option<Death>,
}

/// The repetitions that follow from a life in which all went as the case says.
#[must_use]
pub fn scenes(sweep: Sweep, plain: &Life) -> Vec<Scene> {
    match sweep {
        Sweep::Failures => failures(plain),
        Sweep::Crashes => crashes(plain),
    }
}

fn fault(at: &NodeId, what: Trouble, deed: Option<&Deed>) -> Fault {
    // What was lost may be tried again; what fails, fails every time.
    let once = matches!(what, Trouble::Lost | Trouble::LostButDone);
    Fault {
        at: Spanned::new(at.0.clone(), Span::default()),
        what,
        operation: deed.map(|d| d.operation),
        attempt: once.then_some(1),
        undo: deed.is_some_and(|d| d.undo),
        // A probe gets no answer for as long as it asks.
        lasts: (what == Trouble::Unreachable).then_some(Duration::ZERO),
    }
}

fn failures(plain: &Life) -> Vec<Scene> {
    const TROUBLES: [Trouble; 4] = [Trouble::Fails, Trouble::FailsButDone, Trouble::Lost, Trouble::LostButDone];
    let mut all: BTreeMap<(NodeId, bool, u32), Vec<Scene>> = BTreeMap::new();
    for deed in &plain.deeds {
        let Some(node) = &deed.node else { continue };
        let way = if deed.undo { "undo of " } else { "" };
        let scene = |what: Trouble| Scene {
            name: format!("{way}{node}: {} {}", deed.what, what.word()),
            faults: vec![fault(node, what, Some(deed))],
            death: None,
        };
        let key = (node.clone(), deed.undo, deed.operation);
        all.entry(key).or_insert_with(|| TROUBLES.into_iter().map(scene).collect());
    }
    let probes = plain.records.iter().filter_map(|r| match &r.event {
        Event::StepStarted { node, .. } => Some(node),
        _ => None,
    });
    let is_probe = |id: &&NodeId| {
        plain
            .plan
            .as_ref()
            .and_then(|p| p.node(id))
            .is_some_and(|n| n.class == Class::Probe)
    };
    for node in probes.filter(is_probe) {
        let scene = Scene {
            name: format!("{node}: no answer"),
            faults: vec![fault(node, Trouble::Unreachable, None)],
            death: None,
        };
        all.entry((node.clone(), false, 0)).or_insert_with(|| vec![scene]);
    }
    all.into_values().flatten().collect()
}

fn crashes(plain: &Life) -> Vec<Scene> {
    // Within one write no death differs from another.
    let sides = plain
        .writes
        .iter()
        .flat_map(|&sequence| [false, true].map(|after| Death { sequence, after }));
    let scene = |death: Death| Scene {
        name: format!(
            "the controller dies right {} record {}{}",
            if death.after { "after" } else { "before" },
            death.sequence,
            of(plain, death.sequence)
        ),
        faults: Vec::new(),
        death: Some(death),
    };
    sides.map(scene).collect()
}

/// ` (change intended, drain)`
fn of(plain: &Life, sequence: u64) -> String {
    let record = plain.records.iter().find(|r| r.sequence == sequence);
    let json = record.and_then(|r| serde_json::to_value(&r.event).ok()).unwrap_or_default();
    let what = json["type"].as_str().unwrap_or_default().replace('_', " ");
    let whose = json["node"].as_str().map(|node| format!(", {node}")).unwrap_or_default();
    format!(" ({what}{whose})")
}

/// Lives all scenes, on all processors; gives those that break a promise, in order, with what they break.
#[must_use]
pub fn play(staged: &Staged<'_>, plain: &Life, scenes: &[Scene]) -> Vec<(Scene, String, Life)> {
    let (next, broken) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(scenes.len().max(1));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(scene) = scenes.get(number) else { return };
                    let life = staged.live(&scene.faults, scene.death);
                    if let Some(why) = breaks(&life, plain) {
                        let mut broken = broken.lock().expect("no thread panics with this lock");
                        broken.push((number, scene.clone(), why, life));
                    }
                }
            });
        }
    });
    let mut broken = broken.into_inner().expect("no thread panics with this lock");
    broken.sort_by_key(|(number, ..)| *number);
    broken.into_iter().map(|(_, scene, why, life)| (scene, why, life)).collect()
}

/// The first promise that a life breaks.
#[must_use]
pub fn breaks(life: &Life, plain: &Life) -> Option<String> {
    if let Some(error) = &life.error {
        return Some(error.clone());
    }
    if life.mistakes.has_errors() {
        return life.mistakes.iter().next().map(|m| format!("no plan: {}", m.message));
    }
    if let Some(breach) = life.breaches.first() {
        return Some(breach.clone());
    }
    still_taken(life, plain)
        .or_else(|| false_word(life, plain))
        .or_else(|| twice(life, plain))
}

/// What is out at the end and was in at the beginning is named by an open obligation; so is every mark that is left.
pub(super) fn still_taken(life: &Life, plain: &Life) -> Option<String> {
    let named = |host: &str| {
        life.obligations
            .iter()
            .any(|o| o.member.as_ref().is_some_and(|m| m.as_str() == host))
    };
    for (pool, before) in &life.before {
        let after = life.after.get(pool)?;
        for (was, is) in before.members.iter().zip(&after.members) {
            let out = (was.state == "ready" && is.state != "ready") || (was.weight > 0 && is.weight == 0);
            if out && !named(was.host.as_str()) {
                return Some(format!(
                    "{} is out of pool `{pool}` at the end ({}, weight {}), and no open obligation names it",
                    is.host, is.state, is.weight
                ));
            }
        }
    }
    // A success leaves nobody silent, so neither does a failure, unless that is owed.
    let silent = life.silences.first().filter(|_| plain.silences.is_empty());
    if let (Some(silence), true) = (silent, life.obligations.is_empty()) {
        return Some(format!(
            "Alertmanager is still silent about {silence} at the end, and nothing is owed"
        ));
    }
    let left = life.marks.iter().find(|(_, _, run)| run == UID);
    let (pool, server, _) = left.filter(|_| life.obligations.is_empty())?;
    Some(format!(
        "the balancer still says that this run has taken {server} out of pool `{pool}`, and nothing is owed"
    ))
}

/// A success leaves what a success leaves; an open debt is never called by another name.
pub(super) fn false_word(life: &Life, plain: &Life) -> Option<String> {
    let outcome = life.outcome?;
    if outcome == RunOutcome::Succeeded && plain.outcome == Some(RunOutcome::Succeeded) && life.after != plain.after {
        return Some(format!(
            "the run says that it succeeded, but not all is as after a success: {}",
            differences(&life.after, &plain.after)
        ));
    }
    let owed = life.obligations.iter().find(|o| o.return_node.is_some());
    match (owed, outcome) {
        (Some(debt), RunOutcome::Succeeded | RunOutcome::Failed | RunOutcome::Denied | RunOutcome::Cancelled) => Some(format!(
            "the run ended as `{}` though something is owed: {}",
            super::judge::word(outcome),
            debt.what
        )),
        _ => None,
    }
}

/// `pool web: web-02 is drain, weight 1 instead of ready, weight 1`
fn differences(found: &BTreeMap<String, PoolNow>, expected: &BTreeMap<String, PoolNow>) -> String {
    let mut all = Vec::new();
    for (name, is) in found {
        let Some(was) = expected.get(name) else { continue };
        if is.algorithm != was.algorithm {
            all.push(format!("pool `{name}` balances by {} instead of {}", is.algorithm, was.algorithm));
        }
        for (member, wanted) in is.members.iter().zip(&was.members).filter(|(a, b)| a != b) {
            let words = |m: &MemberNow| format!("{}, weight {}, {}", m.state, m.weight, if m.up { "up" } else { "down" });
            all.push(format!(
                "{} in pool `{name}` is {} instead of {}",
                member.host,
                words(member),
                words(wanted)
            ));
        }
    }
    all.join("; ")
}

/// What must not simply be repeated was done no more often than when all went well.
fn twice(life: &Life, plain: &Life) -> Option<String> {
    let plan = life.plan.as_ref()?;
    for node in &plan.nodes {
        if CATALOG.get(&node.action).is_none_or(|k| k.signature().repeatable) {
            continue;
        }
        let times = |l: &Life| {
            let of_node = l.deeds.iter().filter(|d| d.done && !d.undo && d.node.as_ref() == Some(&node.id));
            of_node.fold(BTreeMap::<u32, usize>::new(), |mut all, d| {
                *all.entry(d.operation).or_default() += 1;
                all
            })
        };
        let most = times(plain).into_values().max().unwrap_or(1).max(1);
        if let Some(count) = times(life).into_values().find(|n| *n > most) {
            return Some(format!("`{}` must not be repeated and was done {count} times", node.id));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_that_differ_are_told_in_words() {
        let member = |name: &str, state, up| MemberNow {
            host: name.into(),
            state,
            up,
            weight: 1,
        };
        let pool = |algorithm: &str, second| PoolNow {
            algorithm: algorithm.to_owned(),
            members: vec![member("web-01", "ready", true), second],
        };
        let of = |pool| BTreeMap::from([(String::from("web"), pool)]);
        let (found, wanted) = (
            of(pool("source", member("web-02", "drain", false))),
            of(pool("roundrobin", member("web-02", "ready", true))),
        );
        assert_eq!(
            differences(&found, &wanted),
            "pool `web` balances by source instead of roundrobin; \
             web-02 in pool `web` is drain, weight 1, down instead of ready, weight 1, up"
        );
        assert_eq!(differences(&wanted, &wanted), "");
    }
}
