//! `invariants:`: what they may say, and from which step on they hold.

use super::{one_mistake, right};
use crate::base::id::StepId;
use crate::lang::sample_catalog::SAMPLE;
use crate::lang::schema;
use crate::model::action::Class;

const STEPS: &str = "steps:\n  - { id: look, pool.status: { pool: web } }\n  - id: roll\n    for_each: { as: web, hosts: webs }\n    steps:\n      - { id: fix, service: { name: app, state: restarted } }\non_failure:\n  - { id: page, escalate: { to: ops, message: x } }\n";

fn with(invariant: &str) -> String {
    format!("invariants:\n  - {{ name: Somebody serves, {invariant} }}\n{STEPS}")
}

const SERVES: &str = "pool.status: { pool: web }, that: result.serving >= 1";

#[test]
fn an_invariant_is_a_check_that_may_begin_at_a_step() {
    for (from, expected) in [
        ("", None),
        (", from: look", Some("look")),
        (", from: roll", Some("roll")),
        (", from: fix", Some("fix")),
    ] {
        let runbook = right(&with(&format!("{SERVES}{from}")));
        let [invariant] = runbook.invariants.as_slice() else {
            panic!("{from}")
        };
        assert_eq!((invariant.check.id.as_str(), invariant.check.class), ("invariants.1", Class::Probe));
        assert_eq!(invariant.from.as_ref().map(StepId::as_str), expected);
        assert_eq!(
            runbook.step(&"invariants.1".into()),
            Some(&invariant.check),
            "the run finds it as it finds a step"
        );
    }
    let runbook = right(&with(
        "hosts: webs, facts: [memory], within: 10s, that: \"results.exists(r, r.memory.available_percent > 5)\"",
    ));
    let check = &runbook.invariants[0].check;
    assert!(check.hosts.is_some() && check.within.is_some() && check.that.as_ref().unwrap().over_all);
}

#[test]
fn its_first_step_must_be_one_of_steps() {
    one_mistake(
        &with(&format!("{SERVES}, from: lok")),
        &["RB0130", "unknown step `lok`", "did you mean `look`", "-> look"],
    );
    one_mistake(
        &with(&format!("{SERVES}, from: page")),
        &["RB0130", "from step `page` on, which is no step of `steps`", "remove `from`"],
    );
    let required = format!("require:\n  - {{ name: x, {SERVES}, from: look }}\n{STEPS}");
    one_mistake(&required, &["RB0020", "unknown key `from` in a check"]);
}

#[test]
fn it_only_reads_and_sees_no_step() {
    one_mistake(
        &with("service: { name: app, state: restarted }, hosts: a, that: \"true\""),
        &["RB0113"],
    );
    one_mistake(
        &with("pool.status: { pool: web }, that: result.serving >= steps.look.serving"),
        &["RB0208", "`steps.look` need not have run: an invariant is judged around every step"],
    );
    one_mistake(&with("pool.status: { pool: web }"), &["RB0021", "an invariant needs `that`"]);
    one_mistake(&with("that: 1 == 1"), &["RB0110", "a check needs a probe"]);
}

#[test]
fn editors_know_its_keys() {
    let schema = schema(&SAMPLE);
    let definition = &schema["definitions"]["invariant"];
    for key in ["name", "that", "from", "within", "pool.status"] {
        assert!(definition["properties"][key].is_object(), "{key}");
    }
    assert_eq!(schema["definitions"]["check"]["properties"]["from"], serde_json::Value::Null);
}
