//! Invariants in the plan: judged on what is there now and on what each step will have made of it.

use super::{HEAD, planned_on, planned_seeing};
use crate::model::operation::{Act, Operation, Output};
use crate::model::plan::Plan;

/// Every file holds `old`; nothing else answers.
pub fn old(operation: &Operation) -> Option<Output> {
    matches!(operation.act, Act::ReadFile { .. }).then(|| Output::File {
        content: String::from("old\n"),
        utf8: true,
        mode: String::from("0644"),
        owner: String::from("root"),
        group: String::from("root"),
        sha256: String::new(),
    })
}

fn plan(invariant: &str, steps: &str) -> Plan {
    let text = format!("{HEAD}hosts: webservers\ninvariants:\n  - {{ name: The file says so, {invariant} }}\nsteps:\n{steps}");
    planned_seeing(&text, &[], false, &old).unwrap_or_else(|d| panic!("{text}\n{d:#?}"))
}

fn refusals(plan: &Plan) -> Vec<&str> {
    plan.refusals.iter().map(|r| r.message.as_str()).collect()
}

const OLD: &str = "file.search: { path: /etc/x, text: old }, that: result.found";
const NEW: &str = "file.search: { path: /etc/x, text: new }, that: result.found";
const STEPS: &str = "  - { id: look, file.search: { path: /etc/x, text: old } }\n  - { id: other, file.write: { path: /etc/y, content: y } }\n  \
    - { id: edit, file.write: { path: /etc/x, content: new } }\n  - { id: after, file.write: { path: /etc/z, content: z } }\n";

#[test]
fn what_a_step_will_break_is_refused_with_that_step() {
    let plan = plan(OLD, STEPS);
    assert_eq!(refusals(&plan), ["`edit@web-01` breaks the invariant \"The file says so\""]);
    let refusal = &plan.refusals[0];
    assert_eq!(refusal.node.as_ref().map(|n| n.as_str()), Some("edit@web-01"));
    assert_eq!(refusal.counterexample.len(), 2, "{refusal:?}");
    assert!(
        refusal.counterexample[0].contains("it holds") && refusal.counterexample[1].contains("`result.found` is false"),
        "{refusal:?}"
    );
    assert_eq!(plan.invariants[0].standing, "BROKEN by this plan");
}

#[test]
fn one_that_does_not_hold_now_stops_the_first_change() {
    let refused = plan(NEW, STEPS);
    assert_eq!(
        refusals(&refused),
        ["the invariant \"The file says so\" does not hold before `other@web-01`, which would change something"]
    );
    assert!(refused.refusals[0].instead.as_ref().unwrap().contains("from: STEP"));
    // What changes nothing is not stopped, and the plan shows how things are.
    let reads = plan(NEW, "  - { id: look, file.search: { path: /etc/x, text: old } }\n");
    assert_eq!(refusals(&reads), Vec::<&str>::new());
    assert!(
        reads.invariants[0].standing.starts_with("does not hold: "),
        "{:?}",
        reads.invariants
    );
    // With time to come to hold it is known at run time only.
    assert_eq!(
        refusals(&plan(
            &format!("{NEW}, within: 10s"),
            "  - { id: other, file.write: { path: /etc/y, content: y } }\n"
        )),
        Vec::<&str>::new()
    );
}

#[test]
fn from_a_step_on_it_is_judged_on_what_that_step_finds() {
    let repaired = plan(&format!("{NEW}, from: after"), STEPS);
    assert_eq!(refusals(&repaired), Vec::<&str>::new());
    let watch = &repaired.invariants[0];
    assert_eq!(
        (watch.standing.as_str(), watch.since.as_ref().unwrap().as_str()),
        ("will hold from there on", "after@web-01")
    );
    let whole = plan(
        OLD,
        "  - { id: look, file.search: { path: /etc/x, text: old } }\n  - { id: other, file.write: { path: /etc/y, content: y } }\n",
    );
    let watch = &whole.invariants[0];
    assert_eq!(
        (watch.standing.as_str(), watch.since.as_ref().unwrap().as_str()),
        ("holds now and after each step", "look@web-01")
    );
}

#[test]
fn what_nobody_can_know_is_known_at_run_time() {
    let shell = "  - { id: run, shell: { script: make }, undo: none, pool_effect: none }\n";
    let blurred = plan(OLD, shell);
    assert_eq!(refusals(&blurred), Vec::<&str>::new());
    assert_eq!(
        blurred.invariants[0].standing,
        "known at run time: after `run@web-01` only the run can tell"
    );
    let blind = plan("facts: [memory], that: result.memory.available_percent > 1", shell);
    assert!(
        refusals(&blind)[0].starts_with("the invariant \"The file says so\" cannot be judged: "),
        "{:?}",
        blind.refusals
    );
    let offline = planned_seeing(
        &format!("{HEAD}hosts: webservers\ninvariants:\n  - {{ name: x, {OLD} }}\nsteps:\n{STEPS}"),
        &[],
        true,
        &old,
    );
    assert_eq!(offline.unwrap().invariants[0].standing, "known at run time: planned offline");
}

#[test]
fn all_hosts_together_are_judged_once() {
    let both = "file.search: { path: /etc/x, text: old }, that: \"results.filter(r, r.found).size() >= 1\"";
    let refused = plan(both, STEPS);
    assert_eq!(
        refusals(&refused),
        ["`edit@web-02` breaks the invariant \"The file says so\""],
        "one of two may go"
    );
    let unasked = plan(&format!("{OLD}, when: 1 == 2"), STEPS);
    assert_eq!(
        (refusals(&unasked).len(), unasked.invariants[0].standing.as_str()),
        (0, "not asked for: its `when` is false")
    );
}

/// What a called runbook would break is told at its step; what is only shown breaks nothing.
#[test]
fn the_steps_of_a_call_are_judged_too() {
    let called = "runbook: part\nlanguage: 1\ndescription: Edits.\nhosts: webservers\nsteps:\n  \
                  - { id: edit, file.write: { path: /etc/x, content: new } }\n";
    let text = |mode: &str| {
        format!(
            "{HEAD}hosts: webservers\ninvariants:\n  - {{ name: The file says so, {OLD} }}\nsteps:\n  \
             - {{ id: look, file.search: {{ path: /etc/x, text: old }} }}\n  - {{ id: it, call: {{ runbook: part.yaml, mode: {mode} }} }}\n"
        )
    };
    let plan = |mode: &str| planned_on((&text(mode), &[("part.yaml", called)]), &[], false, &old).unwrap_or_else(|d| panic!("{d:#?}"));
    let refused = plan("run");
    assert_eq!(refusals(&refused), ["`it.edit@web-01` breaks the invariant \"The file says so\""]);
    let shown = plan("plan");
    assert_eq!(refusals(&shown), Vec::<&str>::new());
    assert_eq!(shown.invariants[0].standing, "holds now and after each step");
}
