//! What people do and do not do: tasks, escalation on the clock, debts of people, and the branches that follow.

use std::time::Duration;

use super::life::{Fate, Life, Plot, REAL};
use super::rules;
use super::sample::Sample;
use super::scripted::{Script, lived, lived_to, outcome, well, with};
use crate::base::clock::Timestamp;
use crate::base::id::NodeId;
use crate::base::value::Value;
use crate::engine::decide::decide;
use crate::engine::step::StepState;
use crate::engine::{Input, start_gate};
use crate::model::approval::{ApprovalAnswer, ApprovalRequest};
use crate::model::event::{Event, FailureKind, RunOutcome};

/// People who answer once so many others have been asked in vain.
struct Slow {
    after: usize,
    answer: bool,
    crash: Option<usize>,
}

impl Plot for Slow {
    fn answer_to(&mut self, request: &ApprovalRequest) -> Option<bool> {
        (request.from.len() > self.after).then_some(self.answer)
    }
    fn crashes(&mut self, turn: usize) -> bool {
        self.crash == Some(turn)
    }
}

fn slow(sample: &Sample, after: usize, answer: bool) -> Life<'_> {
    let mut plot = Slow {
        after,
        answer,
        crash: None,
    };
    let life = Life::live(sample, &mut plot, REAL, false).unwrap();
    rules::check(&life).unwrap();
    life
}

fn silent() -> Script {
    Script { answer: None, ..well() }
}

fn executed(life: &Life<'_>) -> Vec<String> {
    life.world.executed.iter().map(|(node, ..)| node.0.clone()).collect()
}

/// `(seconds, what)` of all that people were told.
fn told(life: &Life<'_>) -> Vec<(u64, String)> {
    let word = |event: &Event| match event {
        Event::ApprovalRequested { request } => Some(format!("asked {}", request.from.join(" "))),
        Event::ApprovalEscalated { to, request } => Some(format!("then {to} of {}", request.from.join(" "))),
        Event::ApprovalAnswered { answer, .. } => Some(format!("answered {}", answer.granted)),
        Event::ApprovalExpired { .. } => Some(String::from("expired")),
        Event::StepFailed { failure, .. } => Some(format!("{:?}: {}", failure.kind, failure.message)),
        _ => None,
    };
    let of = |r: &crate::model::event::Record| Some((r.at.since(Timestamp(0)).as_secs(), word(&r.event)?));
    life.records.iter().filter_map(of).collect()
}

const TASK: &str = "\
params: { patience: { type: duration, default: 10m } }
steps:
  - id: ack
    manual: { ask: Look, to: ops, fields: { finding: { type: string } }, within: '{{params.patience}}', then_escalate_to: [lead, boss] }
  - { id: act, hosts: db-01, when: steps.ack.finding == 'told', file.write: { path: /x, content: '{{steps.ack.by}}' } }
";

#[test]
fn what_a_person_tells_is_a_result() {
    let sample = Sample::good(TASK);
    let life = lived(&sample, Script { watched: true, ..well() });
    assert_eq!(
        (outcome(&life), executed(&life)),
        (RunOutcome::Succeeded, vec!["act@db-01".to_owned()])
    );
    let done = life.records.iter().find_map(|r| match &r.event {
        Event::StepSucceeded { node, result, summary, .. } if node.as_str() == "ack" => Some((result, summary)),
        _ => None,
    });
    let (result, summary) = done.unwrap();
    assert_eq!(summary, "done by lead: finding=told");
    assert_eq!(
        [result.field("finding"), result.field("by"), result.field("at")],
        ["told", "lead", "1970-01-01T00:00:00Z"].map(|text| Some(Value::text(text)))
    );
}

#[test]
fn silence_calls_one_after_the_other_and_never_counts_as_done() {
    let sample = Sample::good(TASK);
    let life = lived(&sample, silent());
    let expected = [
        (0, "asked ops"),
        (600, "then lead of ops lead"),
        (1200, "then boss of ops lead boss"),
        (1800, "expired"),
        (1800, "Timeout: nobody answered in time"),
    ];
    assert_eq!(told(&life), expected.map(|(at, what)| (at, what.to_owned())));
    assert_eq!((outcome(&life), executed(&life)), (RunOutcome::Failed, Vec::new()));
}

#[test]
fn a_question_escalates_too_and_a_timer_never_says_yes() {
    let sample = Sample::good(
        "steps:\n  - { id: ask, approve: { ask: Go?, from: [ops], within: 5m, on_timeout: escalate, then_escalate_to: [lead] } }\n  \
         - { id: act, hosts: db-01, file.write: { path: /x, content: x } }\n",
    );
    let life = lived(&sample, silent());
    let expected = [
        (0, "asked ops"),
        (300, "then lead of ops lead"),
        (600, "expired"),
        (600, "NotApproved: nobody answered in time"),
    ];
    assert_eq!(told(&life), expected.map(|(at, what)| (at, what.to_owned())));
    assert_eq!((outcome(&life), executed(&life)), (RunOutcome::Denied, Vec::new()));
    let late = slow(&sample, 1, true);
    assert_eq!((outcome(&late), executed(&late).len()), (RunOutcome::Succeeded, 1));
    assert_eq!(outcome(&slow(&sample, 1, false)), RunOutcome::Denied);
}

#[test]
fn waiting_for_people_takes_nothing_from_the_deadline() {
    let sample = Sample::good(&format!("deadline: 2m\n{TASK}"));
    let life = slow(&sample, 2, true);
    assert_eq!(outcome(&life), RunOutcome::Succeeded);
    assert!(life.records.last().unwrap().at >= Timestamp(1_200_000));
}

#[test]
fn a_controller_that_dies_keeps_everybody_waiting_where_they_were() {
    let sample = Sample::good(TASK);
    for turn in 0..8 {
        let mut plot = Slow {
            after: 2,
            answer: true,
            crash: Some(turn),
        };
        let life = Life::live(&sample, &mut plot, REAL, true).unwrap();
        rules::check(&life).unwrap();
        let words: Vec<String> = told(&life).into_iter().map(|(_, what)| what).collect();
        assert_eq!(
            words,
            ["asked ops", "then lead of ops lead", "then boss of ops lead boss", "answered true"],
            "{turn}"
        );
        assert_eq!((outcome(&life), executed(&life).len()), (RunOutcome::Succeeded, 1), "{turn}");
    }
}

#[test]
fn failed_by_hand_is_a_failure_like_any_other() {
    let no = || Script {
        answer: Some(false),
        ..well()
    };
    let sample = Sample::good(TASK);
    let life = lived(&sample, no());
    assert_eq!(told(&life).last().unwrap().1, "ByHand: lead says that it failed");
    assert_eq!(outcome(&life), RunOutcome::Failed);
    let tolerant = Sample::good(
        "steps:\n  - { id: ack, manual: { ask: Look, to: ops, within: 5m }, allow_failure: true }\n  \
         - { id: act, hosts: db-01, when: steps.ack.failed, file.write: { path: /x, content: x } }\n",
    );
    for script in [no(), silent()] {
        let life = lived(&tolerant, script);
        assert_eq!((outcome(&life), executed(&life).len()), (RunOutcome::Succeeded, 1));
    }
    let life = lived(&tolerant, well());
    assert_eq!((outcome(&life), executed(&life).len()), (RunOutcome::Succeeded, 0));
}

fn answer(granted: bool, at: Timestamp) -> ApprovalAnswer {
    ApprovalAnswer {
        granted,
        by: String::from("late"),
        digest: String::new(),
        at,
        reason: None,
        fields: Default::default(),
    }
}

/// The state after so many records, and the moment.
fn state_at(life: &Life<'_>, records: usize) -> crate::engine::run::RunState {
    crate::engine::replay::replay(life.records[0].run, &life.records[..records]).unwrap()
}

#[test]
fn an_answer_after_its_time_changes_nothing() {
    let sample = Sample::good(TASK);
    let life = lived(&sample, silent());
    let asked = life
        .records
        .iter()
        .position(|r| matches!(r.event, Event::ApprovalRequested { .. }))
        .unwrap();
    let waiting = state_at(&life, asked + 1);
    let gate = NodeId::from("ack");
    let given = |state, at| {
        let input = Input::Answered {
            gate: gate.clone(),
            answer: answer(true, at),
        };
        decide(state, life.now(), input).len()
    };
    assert_eq!(given(&waiting, Timestamp(599_999)), 1, "in time, however late it is read");
    assert_eq!(given(&waiting, Timestamp(600_000)), 0);
    assert_eq!(given(&life.state, Timestamp(599_999)), 0, "it has failed");
    let escalated = life
        .records
        .iter()
        .position(|r| matches!(r.event, Event::ApprovalEscalated { .. }))
        .unwrap();
    assert_eq!(
        given(&state_at(&life, escalated + 1), Timestamp(600_000)),
        1,
        "the next one is in time"
    );
}

const LEFT: &str = "\
steps:
  - { id: rebuild, manual: { ask: Rebuild db-01, to: [dba, ops], within: 24h, blocking: false } }
  - { id: act, hosts: db-01, file.write: { path: /x, content: x } }
";

#[test]
fn what_the_run_does_not_wait_for_is_owed_by_people() {
    let sample = Sample::good(LEFT);
    let life = lived(&sample, Script { watched: true, ..silent() });
    assert_eq!(
        (outcome(&life), executed(&life).len(), told(&life).len()),
        (RunOutcome::Succeeded, 1, 0)
    );
    let debt = life.state.open_obligations().next().unwrap();
    assert_eq!(
        (debt.owner.as_str(), debt.what.as_str(), debt.return_node.as_ref()),
        ("dba, ops", "Rebuild db-01", None)
    );
    assert_eq!(debt.deadline.since(debt.opened_at), Duration::from_secs(24 * 3600));
    let said = |granted| {
        let input = Input::Answered {
            gate: NodeId::from("rebuild"),
            answer: answer(granted, debt.deadline.after(Duration::from_secs(60))),
        };
        decide(&life.state, life.now(), input)
    };
    let expected = Event::ObligationDischarged {
        id: debt.id.clone(),
        how: String::from("done by late"),
    };
    assert_eq!((said(true), said(false)), (vec![expected], Vec::new()));
    assert_eq!(life.state.listens_at(), [NodeId::from("rebuild")]);
    // It is theirs whatever becomes of the run.
    let failing = with(&[("act@db-01", 1, Fate::FailsAfter(FailureKind::Exit))]);
    let life = lived(&sample, failing);
    assert_eq!((outcome(&life), life.state.open_obligations().count()), (RunOutcome::Failed, 1));
}

#[test]
fn nobody_is_sent_to_work_before_the_gate_is_open() {
    for text in [TASK, LEFT] {
        let sample = Sample::good(text).gated();
        let life = lived(&sample, silent());
        assert_eq!(told(&life).first().unwrap().1, "asked *");
        assert_eq!((outcome(&life), life.state.obligations.len()), (RunOutcome::Denied, 0));
        assert!(life.state.questions.contains_key(&start_gate()));
        assert_eq!(lived_to(&sample, well()), RunOutcome::Succeeded);
    }
}

#[test]
fn a_run_that_stops_waits_for_nobody() {
    let sample = Sample::good(TASK);
    let script = Script {
        cancel: Some(0),
        ..silent()
    };
    let life = lived(&sample, script);
    assert_eq!(outcome(&life), RunOutcome::Cancelled);
    assert_eq!(*life.state.step(&"ack".into()), StepState::Cancelled);
}

const BRANCHES: &str = "\
params: { db: { type: host, default: db-01 } }
steps:
  - { id: one, hosts: '{{params.db.name}}', file.write: { path: /x, content: x }, allow_failure: true }
  - id: cause
    decide:
      - { is: broken, when: steps.one.failed }
      - { is: moved, when: steps.one.changed }
      - is: fine
  - { id: mend, hosts: db-01, when: steps.cause.is == 'broken', file.write: { path: /m, content: x } }
  - { id: note, hosts: db-01, when: \"steps.cause.is in ['moved', 'broken']\", file.write: { path: /n, content: x } }
";

#[test]
fn the_run_takes_the_branch_that_its_own_results_lead_to() {
    let sample = Sample::good(BRANCHES);
    let branch = |fate: Fate| {
        let life = lived(
            &sample,
            Script {
                watched: true,
                ..with(&[("one@db-01", 1, fate)])
            },
        );
        assert_eq!(outcome(&life), RunOutcome::Succeeded);
        let summary = life.records.iter().find_map(|r| match &r.event {
            Event::StepSucceeded { node, summary, .. } if node.as_str() == "cause" => Some(summary.clone()),
            _ => None,
        });
        let done: Vec<String> = executed(&life).into_iter().filter(|n| n != "one@db-01").collect();
        (summary.unwrap(), done)
    };
    let names = |list: &[&str]| list.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        branch(Fate::FailsBefore(FailureKind::Check)),
        (
            String::from("broken: `steps.one.failed` is true: `steps.one.failed` is true"),
            names(&["mend@db-01", "note@db-01"])
        )
    );
    assert_eq!(branch(Fate::Works).1, names(&["note@db-01"]));
    assert_eq!(branch(Fate::AlreadySo), (String::from("fine: nothing else is true"), Vec::new()));
}

/// An action, a word, a person and another action take a change back, step by step.
const BACK: &str = "\
steps:
  - id: open
    hosts: db-01
    command: { argv: [open] }
    undo:
      - { id: look, command: { argv: [look], read_only: true } }
      - { id: how, decide: [{ is: by_hand, when: steps.look.ok }, { is: else_how }] }
      - { id: by_hand, when: steps.how.is == 'by_hand', manual: { ask: Close it, to: ops, within: 10m, then_escalate_to: lead } }
      - { id: by_machine, when: steps.how.is == 'else_how', manual: { ask: Start it, to: ops } }
      - { id: tell, notify: { to: ops, message: 'closed by {{steps.by_hand.by}}' }, when: steps.how.is == 'by_hand' }
  - { id: fails, hosts: db-01, command: { argv: [fails] }, undo: none }
";

fn fails() -> Script {
    Script {
        fates: vec![("fails@db-01", 1, Fate::FailsBefore(FailureKind::Exit))],
        watched: true,
        ..well()
    }
}

/// `look: as before`
fn steps_back(life: &Life<'_>) -> Vec<String> {
    let word = |r: &crate::model::event::Record| match &r.event {
        Event::UndoStepDone { step, summary, .. } => Some(format!("{step}: {summary}")),
        Event::UndoSucceeded { .. } => Some(String::from("back")),
        Event::UndoFailed { failure, .. } => Some(format!("{:?}", failure.kind)),
        _ => None,
    };
    life.records.iter().filter_map(word).collect()
}

#[test]
fn the_way_back_waits_for_a_person_where_the_runbook_says_so() {
    let sample = Sample::good(BACK);
    let life = lived(&sample, fails());
    assert_eq!(outcome(&life), RunOutcome::Failed);
    let expected = [
        "look: as before",
        "how: by_hand: `steps.look.ok` is true: `steps.look.ok` is true",
        "by_hand: done by lead",
        "by_machine: skipped: `steps.how.is == 'else_how'` is false: `steps.how.is` is by_hand",
        "tell: as before",
        "back",
    ];
    assert_eq!(steps_back(&life), expected);
    let asked = life.records.iter().find_map(|r| match &r.event {
        Event::ApprovalRequested { request } => Some(request.gate.0.clone()),
        _ => None,
    });
    assert_eq!(asked.as_deref(), Some("open@db-01.undo.by_hand"));
}

#[test]
fn a_way_back_that_a_person_cannot_walk_is_stuck_and_silence_calls_the_next() {
    let sample = Sample::good(BACK);
    for (answer, kind) in [(Some(false), "ByHand"), (None, "Timeout")] {
        let life = lived(&sample, Script { answer, ..fails() });
        assert_eq!(outcome(&life), RunOutcome::Stuck);
        assert_eq!(steps_back(&life).last().map(String::as_str), Some(kind));
        let escalated = life
            .records
            .iter()
            .any(|r| matches!(&r.event, Event::ApprovalEscalated { to, .. } if to == "lead"));
        assert_eq!(escalated, answer.is_none());
    }
}

#[test]
fn a_controller_that_dies_on_the_way_back_does_no_step_of_it_twice() {
    let sample = Sample::good(BACK);
    let turns = lived(&sample, fails()).records.len();
    for turn in 0..turns {
        let life = lived(
            &sample,
            Script {
                crash: Some(turn),
                watched: false,
                ..fails()
            },
        );
        let steps = steps_back(&life);
        assert_eq!((outcome(&life), steps.len()), (RunOutcome::Failed, 6), "crash at {turn}: {steps:?}");
    }
}
