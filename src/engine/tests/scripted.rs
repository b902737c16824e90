//! Lives with one thing going wrong: at every node, at every turn, at every question.

use super::life::{Fate, Life, Plot, REAL, every_prefix_replays};
use super::rules;
use super::sample::Sample;
use crate::base::clock::Timestamp;
use crate::base::id::NodeId;
use crate::engine::decide::decide;
use crate::engine::run::Phase;
use crate::engine::{Input, start_gate};
use crate::model::event::{Event, FailureKind, RunOutcome};
use crate::model::obligation::ObligationId;

/// What goes wrong; all else works.
pub struct Script {
    pub fates: Vec<(&'static str, u32, Fate)>,
    /// Whatever the attempt.
    pub every: Option<(NodeId, Fate)>,
    pub cancel: Option<usize>,
    pub crash: Option<usize>,
    pub answer: Option<bool>,
    pub guard: bool,
    pub undo: bool,
    /// Every prefix of the records is read back.
    pub watched: bool,
}

pub fn well() -> Script {
    Script {
        fates: Vec::new(),
        every: None,
        cancel: None,
        crash: None,
        answer: Some(true),
        guard: true,
        undo: true,
        watched: false,
    }
}

pub fn with(fates: &[(&'static str, u32, Fate)]) -> Script {
    Script {
        fates: fates.to_vec(),
        ..well()
    }
}

impl Plot for Script {
    fn fate(&mut self, node: &NodeId, attempt: u32) -> Fate {
        let one = self
            .fates
            .iter()
            .find(|(n, a, _)| *n == node.as_str() && *a == attempt)
            .map(|f| f.2);
        let all = self.every.iter().find(|(n, _)| n == node).map(|f| f.1);
        one.or(all).unwrap_or(Fate::Works)
    }
    fn undo_works(&mut self, _: &NodeId) -> bool {
        self.undo
    }
    fn guard_holds(&mut self, _: &ObligationId) -> bool {
        self.guard
    }
    fn answer(&mut self, _: &NodeId) -> Option<bool> {
        self.answer
    }
    fn cancels(&mut self, turn: usize) -> bool {
        self.cancel == Some(turn)
    }
    fn crashes(&mut self, turn: usize) -> bool {
        self.crash == Some(turn)
    }
}

pub fn lived<'a>(sample: &'a Sample, mut script: Script) -> Life<'a> {
    let watched = script.watched;
    let life = Life::live(sample, &mut script, REAL, watched).unwrap_or_else(|why| panic!("{why}"));
    let told = || {
        let lines = life.records.iter().skip(1).map(|r| format!("{:?}", r.event));
        lines.collect::<Vec<_>>().join("\n")
    };
    rules::check(&life).unwrap_or_else(|why| panic!("{why}\n{}", told()));
    if watched {
        every_prefix_replays(&life).unwrap_or_else(|why| panic!("{why}\n{}", told()));
    }
    life
}

pub fn outcome(life: &Life<'_>) -> RunOutcome {
    match life.state.phase {
        Phase::Finished(outcome) => outcome,
        other => panic!("it is {other:?}"),
    }
}

pub fn lived_to(sample: &Sample, script: Script) -> RunOutcome {
    outcome(&lived(sample, script))
}

/// Drain, edit, restart, question, return; a loop; a debt that is no pool's; and what comes after.
pub const STEPS: &str = "\
steps:
  - { id: note, hosts: db-01, file.write: { path: /etc/motd, content: x }, undo: auto }
  - { id: drain, pool.member: { pool: web, member: web-01, state: drain }, owes: back }
  - { id: edit, hosts: web-01, file.write: { path: /etc/x, content: x }, owes: reload }
  - { id: reload, hosts: web-01, service: { name: app, state: reloaded } }
  - { id: restart, hosts: web-01, service: { name: app, state: restarted }, retry: { attempts: 3, delay: 10s, backoff: 2 } }
  - { id: ask, approve: { ask: Go on?, from: [ops], within: 10m } }
  - { id: back, pool.member: { pool: web, member: web-01, state: ready } }
  - id: roll
    for_each: { as: web, hosts: 'web-02:web-03', max_unavailable: 1 }
    steps:
      - { id: out, pool.member: { pool: web, member: '{{web.name}}', state: drain }, owes: in }
      - { id: fix, file.write: { path: /etc/y, content: y } }
      - { id: in, pool.member: { pool: web, member: '{{web.name}}', state: ready } }
verify:
  - { name: fine, hosts: db-01, facts: [memory], that: result.memory.available_percent > 1 }
on_failure:
  - { id: sorry, hosts: db-01, command: { argv: [sorry] }, undo: keep }
finally:
  - { id: bye, hosts: db-01, file.write: { path: /tmp/bye, content: x } }
";

const EVERY_FATE: [Fate; 5] = [
    Fate::FailsBefore(FailureKind::Check),
    Fate::FailsAfter(FailureKind::Exit),
    Fate::FailsAfter(FailureKind::Refused),
    Fate::LostAfter,
    Fate::LostBefore,
];

#[test]
fn when_all_goes_well_everything_is_done_once() {
    let sample = Sample::good(STEPS);
    let life = lived(&sample, Script { watched: true, ..well() });
    assert_eq!(outcome(&life), RunOutcome::Succeeded);
    assert!(life.world.out.is_empty() && life.world.undone.is_empty());
    assert_eq!(life.world.executed.len(), 13, "{:?}", life.world.executed);
    assert_eq!(life.state.open_obligations().count(), 0);
}

#[test]
fn every_node_fails_in_every_way_once_and_always() {
    let sample = Sample::good(STEPS);
    let nodes: Vec<NodeId> = sample.created.plan.nodes.iter().map(|n| n.id.clone()).collect();
    for node in nodes.iter().filter(|n| n.as_str() != "ask") {
        for fate in EVERY_FATE {
            let name: &'static str = Box::leak(node.0.clone().into_boxed_str());
            let watched = matches!(fate, Fate::FailsAfter(FailureKind::Exit) | Fate::LostAfter);
            lived(
                &sample,
                Script {
                    watched,
                    ..with(&[(name, 1, fate)])
                },
            );
            for (guard, undo) in [(true, true), (false, true), (true, false), (false, false)] {
                let every = Some((node.clone(), fate));
                lived(
                    &sample,
                    Script {
                        every,
                        guard,
                        undo,
                        ..well()
                    },
                );
            }
        }
    }
}

#[test]
fn a_cancel_or_a_crash_at_every_turn_is_survived() {
    let sample = Sample::good(STEPS);
    for turn in 0..90 {
        let cancelled = lived(
            &sample,
            Script {
                cancel: Some(turn),
                ..well()
            },
        );
        let late = cancelled.world.undone.is_empty() && outcome(&cancelled) == RunOutcome::Succeeded;
        assert!(
            late || outcome(&cancelled) == RunOutcome::Cancelled,
            "{turn}: {:?}",
            outcome(&cancelled)
        );
        assert!(cancelled.world.out.is_empty(), "{turn}");
        let crashed = lived(
            &sample,
            Script {
                crash: Some(turn),
                ..well()
            },
        );
        assert_eq!(outcome(&crashed), RunOutcome::Succeeded, "{turn}");
        let both = Script {
            crash: Some(turn),
            every: Some(("bye@db-01".into(), Fate::FailsAfter(FailureKind::Exit))),
            ..well()
        };
        assert_eq!(lived_to(&sample, both), RunOutcome::Failed, "{turn}");
    }
}

#[test]
fn people_say_no_or_nothing() {
    let sample = Sample::good(STEPS);
    for answer in [Some(false), None] {
        let life = lived(&sample, Script { answer, ..well() });
        assert_eq!(outcome(&life), RunOutcome::Denied);
        assert!(life.world.out.is_empty());
        let undone: Vec<&str> = life.world.undone.iter().map(NodeId::as_str).collect();
        assert_eq!(undone, ["edit@web-01", "note@db-01"]);
        let expired = life.records.iter().any(|r| matches!(r.event, Event::ApprovalExpired { .. }));
        assert_eq!(expired, answer.is_none());
    }
}

#[test]
fn the_start_gate_holds_every_change_and_a_late_yes_counts_nothing() {
    let sample = Sample::good(STEPS).gated();
    assert_eq!(lived_to(&sample, well()), RunOutcome::Succeeded);
    for answer in [Some(false), None] {
        let life = lived(&sample, Script { answer, ..well() });
        assert_eq!(outcome(&life), RunOutcome::Denied);
        assert!(
            life.world
                .executed
                .iter()
                .all(|(n, ..)| ["sorry@db-01", "bye@db-01"].contains(&n.as_str()))
        );
        let answer = crate::model::approval::ApprovalAnswer {
            granted: true,
            by: String::from("late"),
            digest: String::new(),
            at: Timestamp(0),
            reason: None,
            fields: Default::default(),
        };
        let gate = start_gate();
        assert_eq!(decide(&life.state, life.now(), Input::Answered { gate, answer }), Vec::new());
    }
}
