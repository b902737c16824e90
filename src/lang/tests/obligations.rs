//! What is taken is given back, in every case.

use super::{SAMPLE, compile, one_mistake, right};
use crate::diagnostic::Sources;
use crate::diagnostic::render::render;

const DRAIN: &str = "pool.member: { pool: web, member: web-01, state: drain }";
const READY: &str = "pool.member: { pool: web, member: web-01, state: ready }";

#[test]
fn the_naive_runbook_does_not_compile() {
    let mut sources = Sources::new();
    let id = sources.add("naive.yaml", include_str!("../../../tests/cases/naive.yaml"));
    let (runbook, d) = compile(&sources, id, Some("naive"), &SAMPLE);
    assert!(runbook.is_none());
    assert_eq!(render(&d, &sources, false), include_str!("../../../tests/cases/naive.txt"));
}

#[test]
fn a_taking_step_without_a_return_is_shown_one() {
    one_mistake(
        &format!("steps:\n  - id: drain\n    {DRAIN}\n"),
        &[
            "RB0401 6:5",
            "owes: return_drain",
            "  - id: return_drain\n    pool.member: { pool: web, member: web-01, state: ready }",
        ],
    );
    one_mistake(
        "params:\n  s: { type: choice, choices: [ready, maint] }\nsteps:\n  - id: x\n    pool.member: { pool: web, member: web-01, state: \"{{params.s}}\" }\n",
        &["RB0401"],
    );
    one_mistake(
        "hosts: a\nsteps:\n  - id: stop\n    service: { name: app, state: stopped }\n",
        &["RB0401", "takes its host out of service"],
    );
    right("hosts: a\nsteps:\n  - id: stop\n    service: { name: app, state: stopped }\n    pool_effect: none\n");
    right(&format!(
        "steps:\n  - id: drain\n    {DRAIN}\n    leave: {{ until: 24h, reason: Broken disk }}\n"
    ));
}

#[test]
fn the_owed_step_is_known_later_and_certain() {
    let file = |owes: &str, back: &str| format!("steps:\n  - id: drain\n    {DRAIN}\n    owes: {owes}\n  - id: back\n    {READY}\n{back}");
    right(&file("back", ""));
    right(&file(
        "{ step: back, guard: [{ name: It serves, hosts: control, http: { url: \"http://x/\" }, that: result.status == 200 }] }",
        "",
    ));
    one_mistake(&file("bakc", ""), &["RB0402 7:11", "owes unknown step `bakc`", "-> back"]);
    one_mistake(&file("drain", ""), &["RB0403", "does not come later"]);
    one_mistake(&file("back", "    needs: []\n"), &["RB0403", "does not wait for it"]);
    let problems = super::wrong(&file("back", "    when: run.id == 'x'\n"));
    assert!(problems.len() == 1 && problems[0].starts_with("RB0404 10:11"), "{problems:?}");
    one_mistake(
        &file("back", "").replace("member: web-01, state: ready", "member: web-02, state: ready"),
        &["RB0409", "takes member `web-01`, but `back` gives back `web-02`"],
    );
    one_mistake(
        &file("back", "").replace(READY, "pool.status: { pool: web }"),
        &["RB0409", "only reads"],
    );
}

#[test]
fn a_debt_stays_in_its_loop() {
    let text = format!(
        "steps:\n  - id: l\n    for_each: {{ as: web, hosts: webs }}\n    steps:\n      - id: drain\n        {DRAIN}\n        owes: back\n  - id: back\n    {READY}\n"
    );
    one_mistake(&text, &["RB0403 10:15", "stands in another list"]);
}

#[test]
fn the_same_condition_on_both_is_fine() {
    right(&format!(
        "params:\n  x: {{ type: bool }}\nsteps:\n  - id: drain\n    when: params.x\n    {DRAIN}\n    owes: back\n  - id: back\n    when: params.x\n    {READY}\n"
    ));
}

#[test]
fn what_cannot_be_undone_says_so() {
    let file = |undo: &str| format!("hosts: a\nsteps:\n  - id: s\n    command: {{ argv: [x] }}\n{undo}");
    one_mistake(&file(""), &["RB0405 7:5", "step `s` must say what `undo` means", "read_only: true"]);
    one_mistake(&file("    undo: auto\n"), &["RB0408", "`undo: auto` is impossible"]);
    for undo in ["none", "keep"] {
        right(&file(&format!("    undo: {undo}\n")));
    }
    right("hosts: a\nsteps:\n  - id: s\n    command: { argv: [x], read_only: true }\n");
    one_mistake(
        "hosts: a\nsteps:\n  - id: s\n    facts: [cpu]\n    undo: keep\n",
        &["RB0406", "`undo` on a step that only reads"],
    );
    one_mistake(
        &format!("steps:\n  - id: s\n    {READY}\n    leave: {{ until: 1h, reason: x }}\n"),
        &["RB0410", "takes nothing"],
    );
    one_mistake(
        &format!("steps:\n  - id: s\n    {DRAIN}\n    pool_effect: none\n    leave: {{ until: 1h, reason: x }}\n"),
        &["RB0410", "is untrue"],
    );
}

#[test]
fn nothing_destructive_runs_unasked() {
    let file = |steps: &str| {
        format!(
            "triggers:\n  - alertmanager: {{ match: {{ alertname: X }} }}\n    mode: auto\nhosts: a\nsteps:\n{steps}  - id: s\n    command: {{ argv: [x] }}\n    undo: none\n"
        )
    };
    one_mistake(&file(""), &["RB0407 6:11", "would run step `s`"]);
    let ask = "  - id: ask\n    approve: { ask: Really?, from: [owners] }\n";
    right(&file(ask));
    one_mistake(&file(&format!("{ask}    when: run.id == 'x'\n")), &["RB0407"]);
    right(&file("").replace("mode: auto", "mode: approve"));
}
