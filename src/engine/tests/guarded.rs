//! Which invariants are judged around which change, and what a broken one may stop.

use super::sample::Sample;
use super::scripted::{lived, well};
use crate::base::value::Value;
use crate::engine::invariants::{Around, Doing, around};
use crate::engine::run::Phase;
use crate::model::action::{Arguments, Undo};

const STEPS: &str = "invariants:\n  - { name: always, hosts: db-01, facts: [memory], that: result.memory.available_percent > 1 }\n  \
    - { name: later, from: edit, hosts: db-01, facts: [memory], that: result.memory.available_percent > 2 }\n\
    steps:\n  - { id: look, hosts: db-01, facts: [memory] }\n  - { id: drain, pool.member: { pool: web, member: web-01, state: drain }, owes: back }\n  \
    - { id: edit, hosts: web-01, file.write: { path: /etc/x, content: x } }\n  - { id: tell, notify: { to: ops, message: x } }\n  \
    - { id: back, pool.member: { pool: web, member: web-01, state: ready }, undo: auto }\n\
    on_failure:\n  - { id: kick, hosts: webservers, service: { name: app, state: restarted } }\n  - { id: note, hosts: db-01, file.write: { path: /etc/y, content: y } }\n  \
    - { id: page, escalate: { to: ops, message: x } }\n";

fn ids(around: &Around) -> Vec<&str> {
    around.invariants.iter().map(|i| i.check.as_str()).collect()
}

#[test]
fn what_changes_is_guarded_from_the_first_step_that_is_named() {
    let sample = Sample::good(STEPS);
    let life = lived(&sample, well());
    let of = |node: &str| around(&life.state, life.now(), &node.into(), Doing::Attempt);
    assert_eq!(ids(&of("look@db-01")), Vec::<&str>::new());
    assert_eq!((ids(&of("drain")), of("drain").strict), (vec!["invariants.1"], true));
    assert_eq!(
        (ids(&of("edit@web-01")), of("edit@web-01").strict),
        (vec!["invariants.1", "invariants.2"], true)
    );
    assert_eq!(of("tell"), Around::default(), "a message is never held back");
    assert_eq!(of("page"), Around::default());
}

#[test]
fn on_the_way_back_only_what_takes_is_stopped() {
    let sample = Sample::good(STEPS);
    let life = lived(&sample, well());
    let mut state = life.state.clone();
    state.phase = Phase::Unwinding;
    let strict = |state: &_, node: &str, doing| around(state, life.now(), &node.into(), doing).strict;
    assert!(strict(&state, "kick@web-01", Doing::Attempt), "it disturbs a member in service");
    assert!(!strict(&state, "note@db-01", Doing::Attempt));
    assert!(!strict(&state, "edit@web-01", Doing::Undo));
    assert!(
        !ids(&around(&state, life.now(), &"edit@web-01".into(), Doing::Undo)).is_empty(),
        "but what held must hold"
    );

    // Undoing a return to what was observed before takes the member out again.
    for (former, expected) in [("drain", true), ("ready", false)] {
        let pairs = [("pool", "web"), ("member", "web-01"), ("state", former)];
        let arguments = Arguments::from_pairs(pairs.map(|(k, v)| (k, Value::text(v))));
        let intended = state.intended.iter_mut().find(|i| i.node.as_str() == "back").unwrap();
        intended.undo = Undo::Call {
            action: String::from("pool.member"),
            arguments,
        };
        assert_eq!(strict(&state, "back", Doing::Undo), expected, "{former}");
    }
    state.started_unwinding.insert("back".into());
    assert_eq!(
        around(&state, life.now(), &"back".into(), Doing::Attempt),
        Around::default(),
        "a return is never held back"
    );
}
