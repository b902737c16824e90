//! The corners of the way out and of the way back, one life each; several of them once were bugs.

use super::life::Fate;
use super::sample::Sample;
use super::scripted::{STEPS, Script, lived, lived_to, outcome, well, with};
use crate::base::clock::Timestamp;
use crate::base::id::NodeId;
use crate::engine::decide::decide;
use crate::engine::{Ending, Input, unwind};
use crate::model::event::{Event, FailureKind, RunOutcome};
use crate::model::value::Value;

#[test]
fn a_failure_beside_an_open_question_is_a_failure() {
    let sample = Sample::good(
        "steps:\n  - { id: ask, approve: { ask: Go on?, from: [ops], within: 10m } }\n  \
         - { id: work, needs: [], hosts: db-01, file.write: { path: /x, content: x } }\n",
    );
    let script = Script {
        answer: None,
        ..with(&[("work@db-01", 1, Fate::FailsAfter(FailureKind::Exit))])
    };
    assert_eq!(lived_to(&sample, script), RunOutcome::Failed);
}

#[test]
fn retries_wait_longer_each_time_and_end() {
    let sample = Sample::good(STEPS);
    let fails = Fate::FailsAfter(FailureKind::Exit);
    let life = lived(
        &sample,
        Script {
            every: Some(("restart@web-01".into(), fails)),
            ..well()
        },
    );
    let starts: Vec<Timestamp> = life
        .records
        .iter()
        .filter(|r| matches!(&r.event, Event::StepStarted { node, .. } if node.as_str() == "restart@web-01"))
        .map(|r| r.at)
        .collect();
    let waits: Vec<u64> = starts.windows(2).map(|w| w[1].since(w[0]).as_secs()).collect();
    assert_eq!(waits, [10, 20]);
    assert_eq!((outcome(&life), life.world.out.len()), (RunOutcome::Failed, 0));
    assert_eq!(
        lived_to(&sample, with(&[("restart@web-01", 1, fails), ("restart@web-01", 2, fails)])),
        RunOutcome::Succeeded
    );
}

#[test]
fn finished_turns_stay_and_the_others_go_back() {
    let sample = Sample::good(STEPS);
    let life = lived(&sample, with(&[("roll[web-03].fix", 1, Fate::FailsAfter(FailureKind::Exit))]));
    let undone: Vec<&str> = life.world.undone.iter().map(NodeId::as_str).collect();
    assert_eq!(undone, ["roll[web-03].fix", "edit@web-01", "note@db-01"]);
    assert!(life.world.out.is_empty());
}

#[test]
fn nothing_behind_a_point_of_no_return_is_taken_back() {
    let sample = Sample::good(
        "hosts: db-01\nsteps:\n  - { id: one, file.write: { path: /x, content: x } }\n  - { id: burn, command: { argv: [burn] }, undo: none }\n  \
         - { id: two, file.write: { path: /y, content: y } }\n  - { id: three, command: { argv: [x] }, undo: keep }\n",
    );
    let life = lived(&sample, with(&[("three@db-01", 1, Fate::FailsAfter(FailureKind::Exit))]));
    assert_eq!(life.world.undone, [NodeId::from("two@db-01")]);
    let Some(Event::RunFinished { summary, .. }) = life.records.last().map(|r| &r.event) else {
        panic!()
    };
    assert!(summary.contains("burn@db-01"), "{summary}");
}

/// The step had only looked when the run had to stop: it gets no leave, so nothing has to be given back.
#[test]
fn a_change_that_was_not_made_yet_is_not_made_after_a_cancel() {
    let sample = Sample::good(
        "steps:\n  - { id: drain, pool.member: { pool: web, member: web-01, state: drain }, owes: back }\n  - { id: back, pool.member: { pool: web, member: web-01, state: ready } }\n",
    );
    let life = lived(&sample, Script { cancel: Some(0), ..well() });
    assert_eq!((outcome(&life), life.world.executed.len()), (RunOutcome::Cancelled, 0));
}

/// The return waits for its second attempt while another branch fails: it still runs, on the way back.
#[test]
fn a_return_that_waits_to_be_repeated_runs_on_the_way_back() {
    let sample = Sample::good(
        "steps:\n  - { id: drain, pool.member: { pool: web, member: web-01, state: drain }, owes: back }\n  \
         - { id: back, pool.member: { pool: web, member: web-01, state: ready }, retry: { attempts: 2, delay: 10m } }\n  \
         - { id: wait, needs: [drain], approve: { ask: Go on?, from: [ops], within: 1m } }\n",
    );
    let script = Script {
        answer: None,
        ..with(&[("back", 1, Fate::FailsBefore(FailureKind::Check))])
    };
    let life = lived(&sample, script);
    assert_eq!((outcome(&life), life.world.out.len()), (RunOutcome::Denied, 0));
}

/// The second attempt observes what the first has left behind; the value from before the first is restored.
#[test]
fn the_value_from_before_the_first_attempt_is_restored() {
    let sample = Sample::good(
        "hosts: db-01\nsteps:\n  - { id: one, file.write: { path: /x, content: x }, retry: { attempts: 2, delay: 1s } }\n  - { id: two, command: { argv: [x] }, undo: keep }\n",
    );
    let fails = Fate::FailsAfter(FailureKind::Exit);
    let life = lived(&sample, with(&[("one@db-01", 1, fails), ("two@db-01", 1, fails)]));
    let change = unwind::change_of(&life.state, &"one@db-01".into()).unwrap();
    assert_eq!((change.attempt, life.world.undone.len()), (1, 1));
}

#[test]
fn a_return_that_may_fail_does_not_leave_a_member_out_in_silence() {
    let sample = Sample::good(
        "steps:\n  - { id: drain, pool.member: { pool: web, member: web-01, state: drain }, owes: back }\n  \
         - { id: back, pool.member: { pool: web, member: web-01, state: ready }, allow_failure: true }\n",
    );
    let fails = Fate::FailsBefore(FailureKind::Check);
    assert_eq!(lived_to(&sample, with(&[("back", 1, fails)])), RunOutcome::Failed);
    assert_eq!(
        lived_to(&sample, with(&[("back", 1, fails), ("back", 2, fails)])),
        RunOutcome::Stuck
    );
}

#[test]
fn a_kept_flag_is_given_back_by_the_step_that_owes_it() {
    let sample = Sample::good(
        "hosts: db-01\nsteps:\n  - { id: up, command: { argv: [up] }, undo: keep, owes: down }\n  - { id: work, command: { argv: [x] }, undo: keep }\n  \
         - { id: down, command: { argv: [down] }, undo: keep }\n",
    );
    let life = lived(&sample, with(&[("work@db-01", 1, Fate::FailsAfter(FailureKind::Exit))]));
    assert_eq!((outcome(&life), life.state.open_obligations().count()), (RunOutcome::Failed, 0));
    assert!(life.world.executed.iter().any(|(n, ..)| n.as_str() == "down@db-01"));
}

#[test]
fn what_was_left_on_purpose_and_taken_back_is_no_debt() {
    let sample = Sample::good(
        "hosts: db-01\nsteps:\n  - { id: left, pool.member: { pool: web, member: web-01, state: drain }, leave: { until: 24h, reason: later } }\n  \
         - { id: work, command: { argv: [x] }, undo: keep }\n",
    );
    assert_eq!(lived(&sample, well()).state.open_obligations().count(), 1);
    let life = lived(&sample, with(&[("work@db-01", 1, Fate::FailsAfter(FailureKind::Exit))]));
    assert_eq!((life.world.undone.len(), life.state.open_obligations().count()), (1, 0));
}

#[test]
fn the_last_steps_neither_take_the_work_back_nor_pass_for_success() {
    let sample = Sample::good(STEPS);
    let life = lived(&sample, with(&[("bye@db-01", 1, Fate::FailsAfter(FailureKind::Exit))]));
    assert_eq!((outcome(&life), life.world.undone.len()), (RunOutcome::Failed, 0));
}

#[test]
fn a_lost_step_that_may_fail_is_settled_before_others_go_on() {
    let sample = Sample::good(
        "hosts: db-01\nsteps:\n  - { id: one, file.write: { path: /x, content: x }, allow_failure: true }\n  - { id: two, command: { argv: [x] }, undo: keep }\n",
    );
    let life = lived(&sample, with(&[("one@db-01", 1, Fate::LostAfter)]));
    assert_eq!(outcome(&life), RunOutcome::Succeeded);
    let done: Vec<(&str, u32)> = life.world.executed.iter().map(|(n, a, _)| (n.as_str(), *a)).collect();
    assert_eq!(done, [("one@db-01", 1), ("one@db-01", 2), ("two@db-01", 1)]);
}

#[test]
fn people_may_be_asked_after_a_failure_too() {
    let sample = Sample::good(
        "hosts: db-01\nsteps:\n  - { id: one, file.write: { path: /x, content: x } }\non_failure:\n  - { id: ask, approve: { ask: Page?, from: [ops], within: 5m } }\n  \
         - { id: page, command: { argv: [page] }, undo: keep }\n",
    );
    let fails = [("one@db-01", 1, Fate::FailsAfter(FailureKind::Exit))];
    let paged = lived(&sample, with(&fails));
    assert!(paged.world.executed.iter().any(|(n, ..)| n.as_str() == "page@db-01"));
    let silent = lived(
        &sample,
        Script {
            answer: None,
            ..with(&fails)
        },
    );
    assert!(silent.world.executed.iter().all(|(n, ..)| n.as_str() != "page@db-01"));
}

#[test]
fn two_questions_at_once_are_waited_for_once() {
    let sample = Sample::good(
        "deadline: 12m\nsteps:\n  - { id: a, approve: { ask: A?, from: [ops], within: 10m } }\n  - { id: b, needs: [], approve: { ask: B?, from: [ops], within: 10m } }\n",
    );
    let life = lived(&sample, Script { answer: None, ..well() });
    let end = life.records.last().unwrap().at;
    assert_eq!(life.state.busy(end.after(std::time::Duration::from_secs(60))).as_secs(), 60);
}

#[test]
fn an_answer_of_an_old_attempt_counts_nothing() {
    let sample = Sample::good(STEPS);
    let life = lived(&sample, well());
    let ending = Ending::Succeeded {
        changed: true,
        result: Value::Null,
        summary: String::new(),
    };
    let node = NodeId::from("drain");
    assert_eq!(
        decide(&life.state, life.now(), Input::Ended { node, attempt: 1, ending }),
        Vec::new()
    );
    let by = String::from("op");
    assert_eq!(decide(&life.state, life.now(), Input::CancelRequested { by }), Vec::new());
}

#[test]
fn the_last_step_of_all_is_made_again_when_it_was_lost() {
    let sample = Sample::good(STEPS);
    for lost in [Fate::LostAfter, Fate::LostBefore] {
        assert_eq!(
            lived_to(&sample, with(&[("bye@db-01", 1, lost)])),
            RunOutcome::Succeeded,
            "{lost:?}"
        );
    }
}

#[test]
fn a_return_that_was_lost_and_must_not_be_repeated_is_left_to_a_person() {
    let sample = Sample::good(
        "steps:\n  - { id: up, hosts: db-01, command: { argv: [flag, up] }, undo: keep, owes: down }\n  \
         - { id: down, hosts: db-01, command: { argv: [flag, down] }, undo: keep }\n",
    );
    let life = lived(&sample, with(&[("down@db-01", 1, Fate::LostAfter)]));
    let downs = life
        .world
        .executed
        .iter()
        .filter(|(node, ..)| node.as_str() == "down@db-01")
        .count();
    assert_eq!((outcome(&life), downs), (RunOutcome::Lost, 1));
    assert_eq!(life.state.open_obligations().count(), 1);
}

#[test]
fn what_was_certainly_not_changed_owes_nothing() {
    let sample = Sample::good(
        "steps:\n  - { id: edit, hosts: db-01, file.write: { path: /x, content: x }, owes: reload }\n  \
         - { id: reload, hosts: db-01, service: { name: app, state: reloaded } }\n",
    );
    for (fate, reloads) in [
        (Fate::Unchanged(FailureKind::Check), false),
        (Fate::FailsAfter(FailureKind::Check), true),
        (Fate::LostBefore, true),
    ] {
        let life = lived(
            &sample,
            Script {
                watched: true,
                every: Some(("edit@db-01".into(), fate)),
                ..well()
            },
        );
        let executed = life.world.executed.iter().any(|(n, ..)| n.as_str() == "reload@db-01");
        assert_eq!((executed, life.state.open_obligations().count()), (reloads, 0), "{fate:?}");
    }
}
