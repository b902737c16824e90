//! What may be skipped, or may fail while others go on, is told to the proof about pools.

use std::collections::BTreeSet;

use super::{node, offline};
use crate::model::plan::Plan;

fn perhaps<'p>(plan: &'p Plan, id: &str) -> BTreeSet<&'p str> {
    let effects = &node(plan, id).pool_effects;
    assert_eq!(effects.len(), 1, "{id}");
    effects[0].perhaps.iter().map(String::as_str).collect()
}

const LOOK: &str = "steps:\n  - { id: a, hosts: control, command: { argv: [x] }, undo: keep }\n";
const DRAIN: &str = "pool.member: { pool: web, member: web-01, state: drain }, owes: ready";
const READY: &str = "pool.member: { pool: web, member: web-01, state: ready }";

#[test]
fn what_surely_happens_has_no_conditions() {
    let plan = offline(&format!(
        "{LOOK}  - {{ id: drain, when: 1 < 2, {DRAIN} }}\n  - {{ id: ready, when: 1 < 2, {READY} }}\n"
    ));
    assert_eq!(perhaps(&plan, "drain"), BTreeSet::new());
    assert_eq!(perhaps(&plan, "ready"), BTreeSet::new());
}

#[test]
fn equal_conditions_hold_together_and_those_on_the_run_do_not() {
    let of = |condition: &str| {
        offline(&format!(
            "{LOOK}  - {{ id: drain, when: {condition}, {DRAIN} }}\n  - {{ id: ready, when: {condition}, {READY} }}\n"
        ))
    };
    let plan = of("steps.a.exit_code == 3");
    assert_eq!(perhaps(&plan, "drain").len(), 1);
    assert_eq!(perhaps(&plan, "drain"), perhaps(&plan, "ready"));
    // What can change between the two is not the same condition.
    let plan = of("size(run.hosts.changed) > 0");
    assert_eq!((perhaps(&plan, "drain").len(), perhaps(&plan, "ready").len()), (1, 1));
    assert_ne!(perhaps(&plan, "drain"), perhaps(&plan, "ready"));
}

#[test]
fn a_return_that_may_fail_is_none_to_count_on() {
    let plan = offline(&format!("{LOOK}  - {{ id: ready, allow_failure: true, {READY} }}\n"));
    assert_eq!(perhaps(&plan, "ready"), BTreeSet::from(["ready does not fail"]));
}

#[test]
fn a_loop_that_goes_on_without_a_turn_counts_on_none_of_it() {
    let of = |limit: &str| {
        offline(&format!(
            "steps:\n  - id: roll\n    for_each: {{ as: web, hosts: all_web{limit} }}\n    steps:\n      \
             - {{ id: drain, pool.member: {{ pool: web, member: '{{{{web.name}}}}', state: drain }}, owes: ready }}\n      \
             - {{ id: ready, pool.member: {{ pool: web, member: '{{{{web.name}}}}', state: ready }} }}\n"
        ))
    };
    assert_eq!(perhaps(&of(""), "roll[web-02].ready"), BTreeSet::new());
    let plan = of(", max_failures: 1");
    // The way back of a failed turn returns what the turn has taken, so the two hold together; another turn's do not.
    assert_eq!(perhaps(&plan, "roll[web-02].drain"), perhaps(&plan, "roll[web-02].ready"));
    assert_eq!(
        perhaps(&plan, "roll[web-02].ready"),
        BTreeSet::from(["turn roll[web-02] does not fail"])
    );
    assert_ne!(perhaps(&plan, "roll[web-01].ready"), perhaps(&plan, "roll[web-02].ready"));
}
