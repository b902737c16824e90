//! Orders of events: carried out on the members' states, made from a bound, or looked for.

use std::collections::HashSet;

use super::allowed;
use super::proof::{Edge, Worst};
use super::story::{Keys, Layer, Story};
use crate::model::plan::{EffectKind, Happening};

/// Something that happens to an act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) act: usize,
    pub(super) what: Happening,
}

/// What a search has found.
pub(super) enum Found {
    Order(Vec<Step>),
    None,
    TooMany,
}

/// How far an act is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Stage {
    Waits,
    Runs,
    Over,
}

/// A moment: how far every act is, the last word about every member, and which conditions are known to hold or not.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Situation {
    stages: Vec<Stage>,
    last_word: Vec<Option<bool>>,
    truth: Vec<Option<bool>>,
}

impl Situation {
    fn first(story: &Story) -> Situation {
        let keys = story.acts.iter().filter_map(|a| a.keys.last()).max().map_or(0, |k| k + 1);
        Situation {
            stages: vec![Stage::Waits; story.acts.len()],
            last_word: vec![None; story.pool.members.len()],
            truth: vec![None; keys],
        }
    }

    fn step(&mut self, story: &Story, step: Step) {
        let runs = step.what == Happening::Starts;
        self.stages[step.act] = if runs { Stage::Runs } else { Stage::Over };
        for (member, kind) in &story.acts[step.act].effects {
            match (kind, step.what) {
                (EffectKind::Takes, Happening::Starts) => self.last_word[*member] = Some(false),
                (EffectKind::Returns, Happening::Ends) => self.last_word[*member] = Some(true),
                _ => {}
            }
        }
    }

    /// Nothing that runs disturbs it, and the last word is that it is in.
    fn is_in(&self, story: &Story, layer: Layer, member: usize) -> bool {
        let disturbs = |a: &usize| self.stages[*a] == Stage::Runs && story.effect(*a, member) == Some(EffectKind::Disturbs);
        self.last_word[member].unwrap_or_else(|| story.in_now(layer, member)) && !story.by_member[member].iter().any(disturbs)
    }

    /// Members in service after act `n` has started, but for `m`: serving and enabled.
    pub(super) fn others(&self, story: &Story, n: usize, m: usize) -> (usize, usize) {
        let taken = |x: usize| matches!(story.effect(n, x), Some(EffectKind::Takes | EffectKind::Disturbs));
        let others: Vec<usize> = (0..story.pool.members.len()).filter(|x| *x != m && !taken(*x)).collect();
        let count = |layer| others.iter().filter(|x| self.is_in(story, layer, **x)).count();
        (count(Layer::Serving), count(Layer::Enabled))
    }

    /// Members that are out, but for `m`.
    pub(super) fn out(&self, story: &Story, m: usize) -> Vec<usize> {
        let members = (0..story.pool.members.len()).filter(|x| *x != m);
        members.filter(|x| !self.is_in(story, Layer::Serving, *x)).collect()
    }

    /// The run would refuse that act `n` takes member `m` now.
    fn breaks(&self, story: &Story, n: usize, m: usize) -> bool {
        let (serving, enabled) = self.others(story, n, m);
        // One that nobody knows may be in.
        let lowers = |layer| self.is_in(story, layer, m) || (self.last_word[m].is_none() && !story.pool.members[m].known);
        !allowed(story.pool.minimum, serving, enabled, lowers(Layer::Serving), lowers(Layer::Enabled))
    }
}

/// The situation right before the last step.
pub(super) fn before_last(story: &Story, steps: &[Step]) -> Situation {
    let mut situation = Situation::first(story);
    steps.iter().rev().skip(1).rev().for_each(|step| situation.step(story, *step));
    situation
}

/// The order that a bound stands for, if it breaks the rule: what must have happened, with all that comes before it, and no more.
pub(super) fn of_bound(story: &Story, n: usize, m: usize, worst: &Worst) -> Option<Vec<Step>> {
    // What the bound says nothing about may hold or not.
    [false, true].into_iter().find_map(|otherwise| {
        let happens = |keys: &Keys| otherwise || keys.is_subset(&worst.holds);
        let mut steps = Vec::new();
        for (act, a) in story.acts.iter().enumerate().filter(|(act, _)| *act != n) {
            let comes_before = |later: usize| story.precedes(act, later);
            let over = comes_before(n)
                || worst.happened.iter().any(|e| comes_before(e.act))
                || worst.happened.contains(&Edge { act, start: false });
            let runs = worst.happened.contains(&Edge { act, start: true });
            let mut push = |what| steps.push(Step { act, what });
            match (over, runs, happens(&a.keys)) {
                (false, false, _) => {}
                (_, _, false) => push(Happening::Skipped),
                (true, _, true) => [Happening::Starts, Happening::Ends].into_iter().for_each(push),
                (false, true, true) => push(Happening::Starts),
            }
        }
        steps.push(Step {
            act: n,
            what: Happening::Starts,
        });
        before_last(story, &steps).breaks(story, n, m).then_some(steps)
    })
}

/// Looks at every situation that can come about before act `n` starts, at most `limit` of them.
pub(super) fn search(story: &Story, n: usize, m: usize, limit: usize) -> Found {
    let waits_for: Vec<Vec<usize>> = (0..story.acts.len())
        .map(|a| (0..story.acts.len()).filter(|b| story.precedes(*b, a)).collect())
        .collect();
    let may_come_before: Vec<usize> = (0..story.acts.len()).filter(|a| *a != n && !story.precedes(n, *a)).collect();
    let mut first = Situation::first(story);
    story.acts[n].keys.iter().for_each(|k| first.truth[*k] = Some(true));
    let mut seen = HashSet::from([first.clone()]);
    let mut all: Vec<(Situation, usize, Vec<Step>)> = vec![(first, 0, Vec::new())];
    let mut at = 0;
    while at < all.len() {
        let now = all[at].0.clone();
        let ready = |a: usize| waits_for[a].iter().all(|b| now.stages[*b] == Stage::Over);
        if ready(n) && now.breaks(story, n, m) {
            return Found::Order(way_to(&all, at, n));
        }
        for a in &may_come_before {
            let nexts = match now.stages[*a] {
                Stage::Waits if ready(*a) => begun(story, &now, *a),
                Stage::Runs => vec![ended(story, &now, *a)],
                _ => Vec::new(),
            };
            for (next, steps) in nexts {
                if seen.insert(next.clone()) {
                    all.push((next, at, steps));
                }
            }
        }
        if all.len() > limit {
            return Found::TooMany;
        }
        at += 1;
    }
    Found::None
}

fn way_to(all: &[(Situation, usize, Vec<Step>)], mut at: usize, n: usize) -> Vec<Step> {
    let mut steps = vec![Step {
        act: n,
        what: Happening::Starts,
    }];
    while at > 0 {
        steps.splice(0..0, all[at].2.iter().copied());
        at = all[at].1;
    }
    steps
}

/// An act begins, in every way that its conditions may turn out.
fn begun(story: &Story, now: &Situation, act: usize) -> Vec<(Situation, Vec<Step>)> {
    let mut worlds = vec![now.clone()];
    for key in &story.acts[act].keys {
        let split = |mut world: Situation| match world.truth[*key] {
            Some(_) => vec![world],
            None => {
                let mut other = world.clone();
                (world.truth[*key], other.truth[*key]) = (Some(true), Some(false));
                vec![world, other]
            }
        };
        worlds = worlds.into_iter().flat_map(split).collect();
    }
    // Only a disturbance differs between its start and its end.
    let passes = story.acts[act].effects.iter().all(|(_, kind)| *kind != EffectKind::Disturbs);
    let go = |mut world: Situation| {
        let happens = story.acts[act].keys.iter().all(|k| world.truth[*k] == Some(true));
        let whats: &[Happening] = match (happens, passes) {
            (false, _) => &[Happening::Skipped],
            (true, false) => &[Happening::Starts],
            (true, true) => &[Happening::Starts, Happening::Ends],
        };
        let steps: Vec<Step> = whats.iter().map(|what| Step { act, what: *what }).collect();
        steps.iter().for_each(|step| world.step(story, *step));
        (world, steps)
    };
    worlds.into_iter().map(go).collect()
}

fn ended(story: &Story, now: &Situation, act: usize) -> (Situation, Vec<Step>) {
    let (mut next, what) = (now.clone(), Happening::Ends);
    next.step(story, Step { act, what });
    (next, vec![Step { act, what }])
}
