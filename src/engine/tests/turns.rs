//! Loops in which something fails: what goes on, what is taken back, what does not begin any more.

use super::life::{Fate, Life};
use super::sample::Sample;
use super::scripted::{Script, lived, outcome, well, with};
use crate::base::id::NodeId;
use crate::base::value::Value;
use crate::model::event::{Event, FailureKind, RunOutcome};

const FAILS: Fate = Fate::FailsAfter(FailureKind::Exit);

/// An edit before, the loop over four servers, an edit after; what comes after a failure.
fn rolling(pace: &str) -> &'static Sample {
    let sample = Sample::good(&format!(
        "steps:\n  - {{ id: note, hosts: db-01, file.write: {{ path: /etc/motd, content: x }} }}\n  - id: roll\n    for_each: {{ as: web, hosts: webservers, {pace} }}\n    steps:\n      \
         - {{ id: out, pool.member: {{ pool: web, member: '{{{{web.name}}}}', state: drain }}, owes: in }}\n      - {{ id: fix, file.write: {{ path: /etc/y, content: y }} }}\n      \
         - {{ id: in, pool.member: {{ pool: web, member: '{{{{web.name}}}}', state: ready }} }}\n  \
         - {{ id: last, when: 'steps.roll.all.size() == 4', hosts: db-01, file.write: {{ path: /etc/z, content: z }} }}\n  \
         - {{ id: count, when: 'steps.roll.all.exists(t, t.failed)', hosts: db-01, command: {{ argv: [count] }}, undo: keep }}\n\
         on_failure:\n  - {{ id: sorry, hosts: db-01, command: {{ argv: [sorry] }}, undo: keep }}\n"
    ));
    Box::leak(Box::new(sample))
}

fn executed<'l>(life: &'l Life<'_>) -> Vec<&'l str> {
    life.world.executed.iter().map(|(n, ..)| n.as_str()).collect()
}

fn undone<'l>(life: &'l Life<'_>) -> Vec<&'l str> {
    life.world.undone.iter().map(NodeId::as_str).collect()
}

fn summary<'l>(life: &'l Life<'_>) -> &'l str {
    match life.records.last().map(|r| &r.event) {
        Some(Event::RunFinished { summary, .. }) => summary,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_failed_turn_is_taken_back_and_the_others_go_on() {
    let sample = rolling("max_failures: 1");
    let life = lived(
        sample,
        Script {
            watched: true,
            ..with(&[("roll[web-02].fix", 1, FAILS)])
        },
    );
    assert_eq!((outcome(&life), undone(&life)), (RunOutcome::Failed, vec!["roll[web-02].fix"]));
    let done = executed(&life);
    for node in [
        "roll[web-02].in",
        "roll[web-03].fix",
        "roll[web-04].in",
        "last@db-01",
        "count@db-01",
        "sorry@db-01",
    ] {
        assert!(done.contains(&node), "{node}: {done:?}");
    }
    assert!(life.world.out.is_empty());
    assert_eq!(
        summary(&life),
        "everything else done and verified; turn roll[web-02] failed and was taken back"
    );
    // The step after the loop is not taken back, and the run never went back as a whole.
    assert!(!life.records.iter().any(|r| matches!(r.event, Event::UnwindStarted { .. })));
}

#[test]
fn one_failed_turn_more_than_allowed_stops_the_loop() {
    for pace in ["max_failures: 1", "max_failures: 25%"] {
        let life = lived(
            rolling(pace),
            with(&[("roll[web-01].fix", 1, FAILS), ("roll[web-03].fix", 1, FAILS)]),
        );
        let failed = "more turns failed than `max_failures` allows: roll[web-01], roll[web-03]";
        assert_eq!((outcome(&life), summary(&life)), (RunOutcome::Failed, failed));
        assert_eq!(undone(&life), ["roll[web-01].fix", "roll[web-03].fix", "note@db-01"], "{pace}");
        let done = executed(&life);
        assert!(done.contains(&"roll[web-02].in") && done.contains(&"sorry@db-01"), "{done:?}");
        assert!(
            !done.iter().any(|n| n.starts_with("roll[web-04]") || *n == "last@db-01"),
            "{done:?}"
        );
    }
    // A part of four turns that is less than one is none.
    let life = lived(rolling("max_failures: 24%"), with(&[("roll[web-01].fix", 1, FAILS)]));
    assert!(!executed(&life).iter().any(|n| n.starts_with("roll[web-02]")));
}

#[test]
fn turns_under_way_finish_when_another_fails() {
    let life = lived(
        rolling("max_unavailable: 2"),
        with(&[("roll[web-01].out", 1, Fate::FailsBefore(FailureKind::Check))]),
    );
    let done = executed(&life);
    assert!(
        done.contains(&"roll[web-02].in") && !done.iter().any(|n| n.starts_with("roll[web-03]")),
        "{done:?}"
    );
    assert_eq!((outcome(&life), undone(&life)), (RunOutcome::Failed, vec!["note@db-01"]));
}

#[test]
fn finished_turns_are_taken_back_where_the_loop_says_so() {
    let life = lived(rolling("undo: all"), with(&[("roll[web-03].fix", 1, FAILS)]));
    assert_eq!(
        undone(&life),
        ["roll[web-03].fix", "roll[web-02].fix", "roll[web-01].fix", "note@db-01"]
    );
    assert!(life.world.out.is_empty());
}

#[test]
fn a_failure_that_its_step_allows_fails_no_turn() {
    let sample = Sample::good(
        "steps:\n  - id: roll\n    for_each: { as: web, hosts: webservers }\n    steps:\n      - { id: try, command: { argv: [try] }, undo: keep, pool_effect: none, allow_failure: true }\n      \
         - { id: fix, file.write: { path: /etc/y, content: y } }\n",
    );
    let life = lived(&sample, with(&[("roll[web-02].try", 1, FAILS)]));
    assert_eq!((outcome(&life), life.world.executed.len()), (RunOutcome::Succeeded, 8));
}

#[test]
fn a_turn_that_cannot_be_taken_back_stops_the_run() {
    let fails = [("roll[web-02].fix", 1, FAILS)];
    let script = |guard, undo| Script {
        guard,
        undo,
        ..with(&fails)
    };
    for (guard, undo) in [(false, true), (true, false)] {
        let life = lived(rolling("max_failures: 3"), script(guard, undo));
        assert_eq!(outcome(&life), RunOutcome::Stuck);
        assert!(!executed(&life).iter().any(|n| n.starts_with("roll[web-03]")));
        let stopped = life.records.iter().find_map(|r| match &r.event {
            Event::UnwindStarted { reason, .. } => Some(reason.as_str()),
            _ => None,
        });
        assert_eq!(stopped, Some("turn roll[web-02] failed and could not be taken back"));
    }
}

#[test]
fn a_refusal_or_an_unknown_outcome_is_never_one_of_the_allowed_failures() {
    for fate in [
        Fate::FailsBefore(FailureKind::Refused),
        Fate::FailsBefore(FailureKind::Invariant),
        Fate::LostAfter,
    ] {
        let every = Some((NodeId::from("roll[web-02].fix"), fate));
        let life = lived(rolling("max_failures: 3"), Script { every, ..well() });
        assert!(!executed(&life).iter().any(|n| n.starts_with("roll[web-03]")), "{fate:?}");
    }
}

#[test]
fn an_inner_loop_that_fails_is_a_failure_of_the_outer_turn() {
    let sample = Sample::good(
        "steps:\n  - id: a\n    for_each: { as: web, hosts: 'web-01:web-02', max_failures: 1 }\n    steps:\n      - { id: first, file.write: { path: /etc/x, content: x } }\n      - id: b\n        \
         for_each: { as: n, items: '[1, 2, 3]' }\n        steps:\n          - { id: s, file.write: { path: '/etc/{{n}}', content: y } }\n  - { id: last, hosts: db-01, file.write: { path: /etc/z, content: z } }\n",
    );
    let life = lived(&sample, with(&[("a[web-01].b[2].s@web-01", 1, FAILS)]));
    // Of the inner loop, the finished turn is kept.
    assert_eq!(
        (outcome(&life), undone(&life)),
        (RunOutcome::Failed, vec!["a[web-01].b[2].s@web-01", "a[web-01].first"])
    );
    let done = executed(&life);
    assert!(
        done.contains(&"a[web-02].b[3].s@web-02") && done.contains(&"last@db-01"),
        "{done:?}"
    );
    assert!(!done.contains(&"a[web-01].b[3].s@web-01"), "{done:?}");
}

#[test]
fn batches_grow() {
    let life = lived(rolling("max_unavailable: [1, 50%]"), well());
    let place = |id: &str| executed(&life).iter().position(|n| *n == id).unwrap();
    assert!(place("roll[web-01].in") < place("roll[web-02].out"));
    assert!(place("roll[web-03].out") < place("roll[web-02].in"), "the second batch is two");
    assert!(place("roll[web-03].in") < place("roll[web-04].out"));
}

#[test]
fn a_loop_whose_condition_is_false_does_nothing() {
    let sample = Sample::good(
        "steps:\n  - id: roll\n    when: 1 == 2\n    for_each: { as: web, hosts: webservers }\n    steps:\n      - { id: fix, file.write: { path: /etc/y, content: y } }\n",
    );
    let life = lived(&sample, well());
    assert_eq!((outcome(&life), life.world.executed.len()), (RunOutcome::Succeeded, 0));
}

/// A loop over the items of a parameter, which are others than those of the plan by the time of the run.
fn drifted(planned: &str, now: &[&str]) -> &'static Sample {
    let mut sample = Sample::good(&format!(
        "params:\n  names: {{ type: list of string, default: {planned} }}\nsteps:\n  - id: each\n    for_each: {{ as: n, items: params.names }}\n    steps:\n      \
         - {{ id: fix, hosts: db-01, file.write: {{ path: '/etc/{{{{n}}}}', content: y }} }}\n"
    ));
    let list = Value::List(now.iter().map(|n| Value::text(*n)).collect());
    sample.created.params.insert(String::from("names"), list);
    Box::leak(Box::new(sample))
}

#[test]
fn other_items_than_planned_are_refused() {
    let same = lived(drifted("[a, b]", &["b", "a"]), well());
    assert_eq!((outcome(&same), same.world.executed.len()), (RunOutcome::Succeeded, 2));
    for (now, words) in [(&["a", "c"][..], "new: c; gone: b"), (&["a"], "new: none; gone: b")] {
        let life = lived(drifted("[a, b]", now), well());
        assert_eq!((outcome(&life), life.world.executed.len()), (RunOutcome::Refused, 0));
        let (_, failure) = life.state.failure.as_ref().unwrap();
        assert!(
            failure.message.contains(words) && failure.message.contains("plan again"),
            "{}",
            failure.message
        );
    }
    let life = lived(drifted("[]", &["a"]), well());
    assert_eq!((outcome(&life), life.world.executed.len()), (RunOutcome::Failed, 0));
    assert!(summary(&life).contains("new: a"), "{}", summary(&life));
}
