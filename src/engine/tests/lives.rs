//! Thousands of lives from seeds, every rule after each, and planted bugs that the rules must catch.

use std::collections::BTreeMap;

use super::generate::{self, Luck};
use super::life::{Decide, Life, REAL, fingerprint};
use super::rules;
use super::sample::Sample;
use crate::base::id::RunId;
use crate::engine::decide::decide;
use crate::engine::run::RunState;
use crate::engine::{Input, Now, replay};
use crate::model::event::{Event, Record, RunOutcome};

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
    let watched = seed.is_multiple_of(5);
    let life = Life::live(sample, &mut Luck::new(seed), decide, watched)?;
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
        let next = state
            .created
            .plan
            .nodes
            .iter()
            .find(|n| n.needs.iter().any(blocked) && blocked(&n.id) && !["approve", "manual", "decide"].contains(&n.action.as_str()));
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

#[test]
fn planted_bugs_are_caught() {
    // Each is caught by the rule that is about it, not by chance.
    let bugs: [(Decide, &str); 6] = [
        (starts_too_early, "starts before"),
        (forgets_debts, "before its debt is on record"),
        (oldest_first, "is taken back before"),
        (calls_it_failed, "the outcome is Failed, not Stuck"),
        (hears_no_cancel, "starts although the run goes back"),
        (intends_too_late, "nothing is under way"),
    ];
    for (bug, words) in bugs {
        let caught = (0..40).any(|round| {
            let sample = sample(round);
            (0..EACH).any(|luck| live(&sample, round * EACH + luck, bug).is_err_and(|why| why.contains(words)))
        });
        assert!(caught, "no life of 400 ends with `{words}`");
    }
}
