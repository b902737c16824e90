//! `for_each`: how many turns may fail, what is taken back, what a turn may name.

use super::{one_mistake, right, step};
use crate::model::inventory::Share;
use crate::model::runbook::{Body, Loop, Runbook};

fn looped(keys: &str, inner: &str) -> String {
    format!(
        "params:\n  batch: {{ type: count_or_percent }}\nsteps:\n  - {{ id: pool, pool.status: {{ pool: web }} }}\n  - id: l\n    for_each: {{ as: web, {keys} }}\n    steps:\n      - {{ id: s, {inner} }}\n"
    )
}

fn the_loop(runbook: &Runbook) -> &Loop {
    match &step(runbook, "l").body {
        Body::Loop(l) => l,
        other => panic!("{other:?}"),
    }
}

#[test]
fn failed_turns_are_counted_as_written() {
    let cases = [
        ("", Share::Count(0)),
        (", max_failures: 0", Share::Count(0)),
        (", max_failures: 2", Share::Count(2)),
        (", max_failures: 25%", Share::Percent(25.0)),
    ];
    for (keys, expected) in cases {
        let runbook = right(&looped(&format!("hosts: webs{keys}"), "facts: [cpu]"));
        assert_eq!(
            (the_loop(&runbook).max_failures, the_loop(&runbook).undo_finished),
            (expected, false),
            "{keys}"
        );
    }
    one_mistake(&looped("hosts: webs, max_failures: some", "facts: [cpu]"), &["RB0023"]);
    let all = right(&looped(
        "hosts: webs, undo: all, max_unavailable: [1, 25%, \"{{params.batch}}\"]",
        "facts: [cpu]",
    ));
    assert!(the_loop(&all).undo_finished);
    assert!(!the_loop(&right(&looped("hosts: webs, undo: turn", "facts: [cpu]"))).undo_finished);
}

#[test]
fn a_loop_that_may_fail_says_how_often() {
    let text = looped("hosts: webs", "facts: [cpu]").replace("    steps:\n      ", "    allow_failure: true\n    steps:\n      ");
    one_mistake(&text, &["RB0118", "`allow_failure` means nothing for a loop", "max_failures: 1"]);
}

#[test]
fn loops_stand_two_deep() {
    let deep = |inner: &str| {
        format!(
            "steps:\n  - id: a\n    for_each: {{ as: x, hosts: webs }}\n    steps:\n      - id: b\n        for_each: {{ as: y, items: \"[1, 2]\" }}\n        steps:\n{inner}"
        )
    };
    right(&deep("          - { id: s, hosts: x, facts: [cpu] }\n"));
    let third = "          - id: c\n            for_each: { as: z, items: \"[1]\" }\n            steps:\n              - { id: s, hosts: x, facts: [cpu] }\n";
    one_mistake(&deep(third), &["RB0116", "at most 2 deep"]);
}

#[test]
fn an_item_names_its_host_by_a_field() {
    let keys = "items: steps.pool.members.filter(m, m.up)";
    let keys = keys.replace("items: ", "items: \"") + "\"";
    right(&looped(&keys, "hosts: \"{{web.name}}\", facts: [cpu]"));
    one_mistake(
        &looped(&keys, "hosts: web, facts: [cpu]"),
        &["RB0112", "`web` is an item, not a host", "{{web.name}}"],
    );
}
