//! Debts that are made in `finally` or `on_failure`: paid by their own steps, in their order, and never forgotten.

use super::life::{Fate, Life};
use super::sample::Sample;
use super::scripted::{Script, lived, outcome, well, with};
use crate::model::event::{Event, FailureKind, RunOutcome};

const FAILS: Fate = Fate::FailsAfter(FailureKind::Exit);

/// In this section a member is drained and returned, with something between.
fn sample(section: &str) -> Sample {
    let other = if section == "finally" { "on_failure" } else { "finally" };
    Sample::good(&format!(
        "steps:\n  - {{ id: work, hosts: db-01, file.write: {{ path: /etc/x, content: x }} }}\n  \
         - {{ id: more, hosts: db-01, command: {{ argv: [more] }}, undo: keep }}\n\
         {section}:\n  - {{ id: out, pool.member: {{ pool: web, member: web-01, state: drain }}, owes: in }}\n  \
         - {{ id: between, hosts: db-01, command: {{ argv: [between] }}, undo: keep }}\n  \
         - {{ id: in, pool.member: {{ pool: web, member: web-01, state: ready }} }}\n\
         {other}:\n  - {{ id: other, hosts: db-01, command: {{ argv: [other] }}, undo: keep }}\n"
    ))
}

fn executed<'l>(life: &'l Life<'_>) -> Vec<&'l str> {
    life.world.executed.iter().map(|(node, ..)| node.as_str()).collect()
}

fn unwinds(life: &Life<'_>) -> bool {
    life.records.iter().any(|r| matches!(r.event, Event::UnwindStarted { .. }))
}

#[test]
fn finally_takes_and_gives_back_in_its_own_order() {
    let sample = sample("finally");
    let life = lived(&sample, Script { watched: true, ..well() });
    assert_eq!((outcome(&life), unwinds(&life)), (RunOutcome::Succeeded, false));
    assert_eq!(executed(&life), ["work@db-01", "more@db-01", "out", "between@db-01", "in"]);
    for turn in 0..life.records.len() {
        let life = lived(
            &sample,
            Script {
                crash: Some(turn),
                ..well()
            },
        );
        assert_eq!(
            (outcome(&life), life.world.out.len()),
            (RunOutcome::Succeeded, 0),
            "crash at {turn}"
        );
    }
}

#[test]
fn what_finally_took_is_given_back_when_a_step_between_fails_and_the_work_stays() {
    let sample = sample("finally");
    let between = || with(&[("between@db-01", 1, FAILS)]);
    let life = lived(
        &sample,
        Script {
            watched: true,
            ..between()
        },
    );
    assert_eq!(outcome(&life), RunOutcome::Failed);
    assert_eq!(executed(&life), ["work@db-01", "more@db-01", "out", "between@db-01", "in"]);
    assert!(
        life.world.undone.is_empty(),
        "the work was done and verified: {:?}",
        life.world.undone
    );
    for turn in 0..life.records.len() {
        let life = lived(
            &sample,
            Script {
                crash: Some(turn),
                ..between()
            },
        );
        assert_eq!((outcome(&life), life.world.out.len()), (RunOutcome::Failed, 0), "crash at {turn}");
    }
    // A guard that says no leaves it owed, and the run says so.
    let refused = lived(&sample, Script { guard: false, ..between() });
    assert_eq!(outcome(&refused), RunOutcome::Stuck);
    assert_eq!((refused.state.open_obligations().count(), refused.world.undone.len()), (1, 0));
    // So does a return that fails twice.
    let broken = lived(
        &sample,
        Script {
            every: Some(("in".into(), Fate::FailsBefore(FailureKind::Check))),
            ..well()
        },
    );
    assert_eq!((outcome(&broken), broken.state.open_obligations().count()), (RunOutcome::Stuck, 1));
}

#[test]
fn after_a_failure_it_is_the_same_in_both() {
    for section in ["finally", "on_failure"] {
        let sample = sample(section);
        let life = lived(&sample, with(&[("more@db-01", 1, Fate::FailsBefore(FailureKind::Exit))]));
        assert_eq!(outcome(&life), RunOutcome::Failed, "{section}");
        assert!(
            life.world.out.is_empty() && executed(&life).contains(&"in"),
            "{section}: {:?}",
            executed(&life)
        );
        let script = || with(&[("more@db-01", 1, Fate::FailsBefore(FailureKind::Exit)), ("between@db-01", 1, FAILS)]);
        let life = lived(&sample, script());
        assert_eq!(
            (outcome(&life), life.world.out.len()),
            (RunOutcome::Failed, 0),
            "{section}: {:?}",
            executed(&life)
        );
        for turn in 0..life.records.len() {
            let life = lived(
                &sample,
                Script {
                    crash: Some(turn),
                    ..script()
                },
            );
            assert_eq!(
                (outcome(&life), life.world.out.len()),
                (RunOutcome::Failed, 0),
                "{section}, crash at {turn}"
            );
        }
    }
}
