//! Thousands of lives from seeds, every rule after each, and planted bugs that the rules must catch.

use std::collections::BTreeMap;

use super::generate::{self, Luck};
use super::life::{AroundOf, Decide, Life, REAL, fingerprint};
use super::rules;
use super::sample::Sample;
use crate::base::id::{NodeId, RunId};
use crate::engine::decide::decide;
use crate::engine::invariants::{Around, Doing, around};
use crate::engine::run::{Phase, RunState};
use crate::engine::step::StepState;
use crate::engine::{Input, Now, replay};
use crate::model::event::{Event, Record, RunOutcome};
use crate::model::plan::Node;

const LIVES: u64 = 2500;
/// Lives of one runbook: compiling takes longer than living.
const EACH: u64 = 10;

fn sample(seed: u64) -> Sample {
    let text = generate::runbook(seed);
    let sample = Sample::good(&text);
    if seed.is_multiple_of(7) { sample.gated() } else { sample }
}

/// A crash after any record loses nothing: read back from their stored form, the records give the state that lived, and so what should
/// be going on.
pub fn every_prefix_replays(life: &Life<'_>) -> Result<(), String> {
    let stored = serde_json::to_string(&life.records).map_err(|e| e.to_string())?;
    let records: Vec<Record> = serde_json::from_str(&stored).map_err(|e| e.to_string())?;
    let mut read = replay::replay(RunId(7), &records[..1]).map_err(|e| e.to_string())?;
    for (record, mark) in records[1..].iter().zip(&life.marks) {
        read.apply(record).map_err(|e| e.to_string())?;
        if &fingerprint(&read) != mark {
            return Err(format!("after record {} the state read back differs", record.sequence));
        }
    }
    match life.marks.len() == records.len() - 1 {
        true => Ok(()),
        false => Err(String::from("the life was not watched")),
    }
}

/// Lives one life and holds every rule against it.
pub fn live(sample: &Sample, seed: u64, decide: Decide) -> Result<RunOutcome, String> {
    guarded(sample, seed, decide, around)
}

fn guarded(sample: &Sample, seed: u64, decide: Decide, around: AroundOf) -> Result<RunOutcome, String> {
    let watched = seed.is_multiple_of(5);
    let life = Life::guarded(sample, &mut Luck::new(seed), decide, around, watched)?;
    rules::check(&life).map_err(|why| format!("{why}\n{}", story(&life)))?;
    if watched {
        every_prefix_replays(&life)?;
    }
    match &life.records.last().map(|r| &r.event) {
        Some(Event::RunFinished { outcome, .. }) => Ok(*outcome),
        other => Err(format!("the last record is {other:?}")),
    }
}

fn story(life: &Life<'_>) -> String {
    let lines = life.records.iter().skip(1).map(|r| format!("{} {:?}", r.sequence, r.event));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn thousands_of_lives_keep_every_rule() {
    let mut outcomes: BTreeMap<String, u64> = BTreeMap::new();
    for round in 0..LIVES / EACH {
        let sample = sample(round);
        for seed in round * EACH..(round + 1) * EACH {
            match live(&sample, seed, REAL) {
                Ok(outcome) => *outcomes.entry(format!("{outcome:?}")).or_default() += 1,
                Err(why) => panic!("runbook {round}, luck {seed}: {why}\n{}", generate::runbook(round)),
            }
        }
    }
    // A way to end that hardly ever happens is a way that is not tested.
    assert_eq!(outcomes.len(), 7, "{outcomes:?}");
    assert!(outcomes.values().all(|n| *n >= LIVES / 100), "{outcomes:?}");
}

fn starts_too_early(state: &RunState, now: Now<'_>, input: Input) -> Vec<Event> {
    let mut events = decide(state, now, input);
    if let Some(at) = events.iter().position(|e| matches!(e, Event::StepStarted { .. })) {
        let blocked = |id: &crate::base::id::NodeId| *state.step(id) == crate::engine::step::StepState::Blocked;
        let next = state.created.plan.nodes.iter().find(|n| {
            n.needs.iter().flat_map(|row| state.row(row)).any(|n| blocked(&n.id))
                && blocked(&n.id)
                && !["approve", "manual", "decide"].contains(&n.action.as_str())
        });
        if let Some(next) = next {
            let (node, attempt) = (next.id.clone(), 1);
            events.insert(at, Event::StepStarted { node, attempt });
        }
    }
    events
}

fn forgets_debts(state: &RunState, now: Now<'_>, input: Input) -> Vec<Event> {
    let mut events = decide(state, now, input);
    events.retain(|e| !matches!(e, Event::ObligationOpened { .. }));
    events
}

fn oldest_first(state: &RunState, now: Now<'_>, input: Input) -> Vec<Event> {
    let mut events = decide(state, now, input);
    for event in &mut events {
        if let Event::UndoStarted { node, .. } = event
            && let Some(oldest) = state
                .intended
                .iter()
                .find(|i| matches!(i.undo, crate::model::action::Undo::Call { .. }))
            && matches!(state.step(&oldest.node), crate::engine::step::StepState::Succeeded { .. })
        {
            *node = oldest.node.clone();
        }
    }
    events
}

fn calls_it_failed(state: &RunState, now: Now<'_>, input: Input) -> Vec<Event> {
    let mut events = decide(state, now, input);
    for event in &mut events {
        if let Event::RunFinished { outcome, .. } = event
            && *outcome == RunOutcome::Stuck
        {
            *outcome = RunOutcome::Failed;
        }
    }
    events
}

fn hears_no_cancel(state: &RunState, now: Now<'_>, input: Input) -> Vec<Event> {
    let mut blind = state.clone();
    blind.cancelled_by = None;
    decide(if matches!(input, Input::Tick) { &blind } else { state }, now, input)
}

fn intends_too_late(state: &RunState, now: Now<'_>, input: Input) -> Vec<Event> {
    let mut events = decide(state, now, input);
    events.retain(|e| !matches!(e, Event::ChangeIntended { .. }));
    events
}

/// When the run stops for its failed turns, one more turn begins.
fn begins_one_more_turn(state: &RunState, now: Now<'_>, input: Input) -> Vec<Event> {
    let mut events = decide(state, now, input);
    let stops = events.iter().position(|e| matches!(e, Event::UnwindStarted { .. }));
    if let Some(at) = stops.filter(|_| !state.turns.is_empty() && state.cancelled_by.is_none()) {
        let blocked = |n: &&Node| !n.turns.is_empty() && *state.step(&n.id) == StepState::Blocked;
        if let Some(next) = state.created.plan.nodes.iter().find(blocked) {
            let (node, attempt) = (next.id.clone(), 1);
            events.insert(at, Event::StepStarted { node, attempt });
        }
    }
    events
}

/// The failed turn is not taken back, and the loop goes on.
fn leaves_failed_turns(state: &RunState, now: Now<'_>, input: Input) -> Vec<Event> {
    let mut events = decide(state, now, input);
    for event in &mut events {
        if let Event::StepStarted { node, .. } | Event::UndoStarted { node, .. } = event
            && let Some(turns) = state
                .turns
                .keys()
                .find(|t| state.node(node).is_some_and(|n| n.turns.starts_with(t)))
            && state.phase == Phase::Running
        {
            *event = Event::TurnTakenBack { turns: turns.clone() };
        }
    }
    events
}

/// Tolerated failures pass for success.
fn forgets_failed_turns(state: &RunState, now: Now<'_>, input: Input) -> Vec<Event> {
    let mut events = decide(state, now, input);
    for event in &mut events {
        if let Event::RunFinished { outcome, .. } = event
            && !state.turns.is_empty()
        {
            *outcome = RunOutcome::Succeeded;
        }
    }
    events
}

fn no_invariants_on_the_way_back(state: &RunState, now: Now<'_>, node: &NodeId, doing: Doing) -> Around {
    match state.phase {
        Phase::Unwinding => Around::default(),
        _ => around(state, now, node, doing),
    }
}

fn no_invariants_at_all(_: &RunState, _: Now<'_>, _: &NodeId, _: Doing) -> Around {
    Around::default()
}

/// What gives back is treated like any other step.
fn invariants_stop_returns(state: &RunState, now: Now<'_>, node: &NodeId, doing: Doing) -> Around {
    let mut forgetful = state.clone();
    forgetful.started_unwinding.clear();
    around(&forgetful, now, node, doing)
}

#[test]
fn invariants_that_are_ignored_or_stop_returns_are_caught() {
    let bugs: [(AroundOf, &str); 3] = [
        (no_invariants_at_all, "although an invariant did not hold"),
        (no_invariants_on_the_way_back, "although an invariant did not hold"),
        (invariants_stop_returns, "gives back, and an invariant stops it"),
    ];
    for (bug, words) in bugs {
        let caught = (0..60).any(|round| {
            let sample = sample(round);
            (0..EACH).any(|luck| guarded(&sample, round * EACH + luck, REAL, bug).is_err_and(|why| why.contains(words)))
        });
        assert!(caught, "no life of 600 ends with `{words}`");
    }
}

#[test]
fn planted_bugs_are_caught() {
    // Each is caught by the rule that is about it, not by chance.
    let bugs: [(Decide, &str); 9] = [
        (starts_too_early, "starts before"),
        (forgets_debts, "before its debt is on record"),
        (oldest_first, "is taken back before"),
        (calls_it_failed, "the outcome is Failed, not Stuck"),
        (hears_no_cancel, "starts although the run goes back"),
        (intends_too_late, "nothing is under way"),
        (begins_one_more_turn, "too many failed turns"),
        (leaves_failed_turns, "is back, and"),
        (forgets_failed_turns, "the outcome is Succeeded, not"),
    ];
    for (bug, words) in bugs {
        let caught = (0..80).any(|round| {
            let sample = sample(round);
            (0..EACH).any(|luck| live(&sample, round * EACH + luck, bug).is_err_and(|why| why.contains(words)))
        });
        assert!(caught, "no life of 800 ends with `{words}`");
    }
}
