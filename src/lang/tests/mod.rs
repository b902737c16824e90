//! Whole runbooks, right and wrong, through [`compile`](super::compile).
#![allow(clippy::unwrap_used)]

use super::compile;
use super::sample_catalog::SAMPLE;
use crate::base::id::StepId;
use crate::base::value::Value;
use crate::diagnostic::{Diagnostic, Diagnostics, Sources};
use crate::model::action::Class;
use crate::model::inventory::Share;
use crate::model::runbook::{Argument, ArgumentKind, Batch, Body, LoopOver, Pace, ParamKind, Place, Runbook, Step, UndoRule};
use crate::model::text::{Operand, Part};

mod braces;
mod calls;
mod control;
mod invariants;
mod loops;
mod messages;
mod obligations;
mod pages;
mod references;
mod secrets;
mod triggers;

const SHIPPED: &[(&str, &str)] = &[
    ("recover-master", include_str!("../../../runbooks/recover-master.yaml")),
    ("rebalance-pool", include_str!("../../../runbooks/rebalance-pool.yaml")),
    (
        "fix-config-everywhere",
        include_str!("../../../runbooks/fix-config-everywhere.yaml"),
    ),
];

/// Compiles a file called `test.yaml`.
fn compiled(stem: Option<&str>, text: &str) -> (Option<Runbook>, Vec<String>) {
    compiled_with(stem, "test.yaml", text, &[])
}

/// Compiles a file of that name among others.
fn compiled_with(stem: Option<&str>, name: &str, text: &str, others: &[(&str, &str)]) -> (Option<Runbook>, Vec<String>) {
    let mut sources = Sources::new();
    let id = sources.add(name, text);
    for (name, text) in others {
        sources.add(*name, *text);
    }
    let (runbook, d) = compile(&sources, id, stem, &SAMPLE);
    assert_eq!(runbook.is_none(), d.has_errors(), "a runbook, or errors: {:?}", shown(&sources, &d));
    (runbook, shown(&sources, &d))
}

/// `RB0102 4:5 message | help | -> replacement`
fn shown(sources: &Sources, d: &Diagnostics) -> Vec<String> {
    let line = |d: Diagnostic| {
        let at = d.span.and_then(|s| sources.position(s)).unwrap_or_default();
        let mut text = format!("{} {}:{} {}", d.code, at.0, at.1, d.message);
        if let Some(help) = d.help {
            text.push_str(&format!(" | {help}"));
        }
        if let Some(replacement) = d.replacement {
            text.push_str(&format!(" | -> {replacement}"));
        }
        text
    };
    d.sorted().into_iter().map(line).collect()
}

/// A runbook whose text is right up to what the test is about; line 1 of `rest` is line 4 of the file.
fn file(rest: &str) -> String {
    format!("runbook: t\nlanguage: 1\ndescription: A test.\n{rest}")
}

/// Compiles `rest` and expects no mistakes.
fn right(rest: &str) -> Runbook {
    let (runbook, problems) = compiled(None, &file(rest));
    assert_eq!(problems, Vec::<String>::new(), "in\n{rest}");
    runbook.unwrap()
}

/// Compiles `rest` and gives the mistakes.
fn wrong(rest: &str) -> Vec<String> {
    let (_, problems) = compiled(None, &file(rest));
    assert!(!problems.is_empty(), "nothing wrong in\n{rest}");
    problems
}

/// Expects exactly one mistake, whose line holds all the parts.
fn one_mistake(rest: &str, parts: &[&str]) {
    let problems = wrong(rest);
    assert_eq!(problems.len(), 1, "{problems:#?} in\n{rest}");
    for part in parts {
        assert!(problems[0].contains(part), "`{part}` is missing in\n{}", problems[0]);
    }
}

fn step<'r>(runbook: &'r Runbook, id: &str) -> &'r Step {
    runbook.step(&StepId::from(id)).unwrap_or_else(|| panic!("no step {id}"))
}

fn argument<'r>(step: &'r Step, name: &str) -> &'r ArgumentKind {
    match &step.body {
        Body::Action(call) => &call.arguments[name].kind,
        other => panic!("no action: {other:?}"),
    }
}

fn needs(step: &Step) -> Vec<&str> {
    step.needs.iter().map(StepId::as_str).collect()
}

#[test]
fn shipped_runbooks_compile() {
    for (name, text) in SHIPPED {
        let (runbook, problems) = compiled(Some(name), text);
        assert_eq!(problems, Vec::<String>::new(), "{name}");
        assert_eq!(runbook.unwrap().name, *name);
    }
}

#[test]
fn recover_master_is_what_it_says() {
    let (runbook, _) = compiled(None, SHIPPED[0].1);
    let runbook = runbook.unwrap();
    assert_eq!(runbook.deadline.as_secs(), 45 * 60);
    assert_eq!(runbook.params[0].kind, ParamKind::Host);
    assert_eq!(runbook.params[0].default, Some(Value::text("web-01")));
    assert_eq!(runbook.require[0].id.as_str(), "require.1");
    assert_eq!(runbook.require[0].class, Class::Probe);
    assert_eq!(runbook.verify[0].id.as_str(), "verify.1");

    let Body::Loop(others) = &step(&runbook, "return_others").body else {
        panic!("no loop")
    };
    assert!(matches!(&others.over, LoopOver::Hosts(pattern) if pattern.parts.len() == 2));
    assert_eq!((others.variable.as_str(), &others.pace), ("other", &Pace::Parallel(1)));
    assert_eq!(step(&runbook, "other_healthy").hosts, Some(Place::Control));
    assert_eq!(needs(step(&runbook, "other_ready")), ["other_healthy"]);

    let drain = step(&runbook, "drain_master");
    assert_eq!(drain.owes.as_ref().unwrap().step.value.as_str(), "return_master");
    assert_eq!(needs(drain), ["return_others"]);
    assert_eq!(drain.undo, UndoRule::Auto);
    assert_eq!(
        argument(drain, "wait_drained"),
        &ArgumentKind::Value(Value::Duration(std::time::Duration::from_secs(120)))
    );
    assert_eq!(step(&runbook, "return_master").undo, UndoRule::Keep);

    let free = step(&runbook, "free_memory");
    let check = &free.verify[0];
    assert_eq!((check.id.as_str(), check.hosts.is_some()), ("free_memory.verify.1", true));
    assert_eq!(check.hosts, free.hosts, "a check runs where its step does");
    assert_eq!(free.class, Class::Passing);
    assert_eq!(runbook.triggers[0].mode, "approve");
    assert_eq!(runbook.triggers[0].labels["severity"], "critical");
    assert_eq!(runbook.notify.as_ref().unwrap().events, ["start", "success", "failure"]);
}

#[test]
fn fix_config_everywhere_keeps_its_own_placeholder() {
    let (runbook, _) = compiled(None, SHIPPED[2].1);
    let runbook = runbook.unwrap();
    let ArgumentKind::List(validate) = argument(step(&runbook, "edit"), "validate") else {
        panic!("no list")
    };
    let [.., placeholder] = validate.as_slice() else {
        panic!("an empty list")
    };
    let last = Argument {
        span: placeholder.span,
        kind: ArgumentKind::Value(Value::text("{{file}}")),
    };
    assert_eq!(placeholder, &last);
    let Body::Loop(fix) = &step(&runbook, "fix").body else {
        panic!("no loop")
    };
    assert_eq!(
        fix.pace,
        Pace::Batches(vec![Batch::Share(Share::Count(1)), Batch::Share(Share::Percent(25.0))])
    );
}

#[test]
fn a_condition_on_results_is_judged_once() {
    let text = "runbook: t\nlanguage: 1\ndescription: d\nhosts: webservers\nrequire:\n\
        \x20 - { name: a, file.search: { path: /a, text: b }, that: \"results.exists(r, r.found)\" }\nsteps:\n\
        \x20 - { id: s, command: { argv: [a], read_only: true } }\nverify:\n\
        \x20 - { name: c, file.search: { path: /a, text: b }, that: \"!result.found\" }\n";
    let (runbook, diagnostics) = compiled(None, text);
    let runbook = runbook.unwrap_or_else(|| panic!("{diagnostics:?}"));
    assert!(runbook.require[0].that.as_ref().unwrap().over_all);
    assert!(!runbook.verify[0].that.as_ref().unwrap().over_all);
}

#[test]
fn a_loop_variable_as_hosts_is_its_host() {
    let runbook = right(
        "steps:\n  - id: all\n    for_each: { as: web, hosts: webservers }\n    steps:\n      - id: look\n        hosts: web\n        facts: [memory]\n",
    );
    let Some(Place::Pattern(text)) = &step(&runbook, "look").hosts else {
        panic!("no pattern")
    };
    let Part::Placeholder(placeholder) = &text.parts[0] else {
        panic!("no placeholder")
    };
    assert_eq!(placeholder.arguments, [Operand::Path(vec!["web".into(), "name".into()])]);
}

#[test]
fn all_the_keys_of_a_step_arrive() {
    let runbook = right(
        r#"hosts: webservers
steps:
  - id: work
    name: Work on it
    command: { argv: [make, "{{params.what}}"], changed: "!result.stdout.contains('up to date')" }
    run_as: builder
    retry: { attempts: 3, delay: 1s, backoff: 2, when: result.exit_code == 75 }
    timeout: 10m
    undo:
      - id: unmake
        command: { argv: [make, clean] }
        undo: none
    allow_failure: true
    allow_empty: true
    pool_effect: none
  - id: ask
    approve: { ask: "Go on?", from: [owners], quorum: 2, show: none, within: 5m, on_timeout: escalate, then_escalate_to: [boss] }
params:
  what: { type: string }
"#,
    );
    let work = step(&runbook, "work");
    assert!(work.changed.is_some() && work.allow_failure.is_some() && work.allow_empty && work.pool_effect_none);
    assert_eq!((work.retry.attempts, work.retry.backoff, work.timeout.as_secs()), (3, 2.0, 600));
    assert!(work.retry.when.is_some());
    assert!(matches!(&work.undo, UndoRule::Steps(steps) if steps[0].id.as_str() == "unmake"));
    assert_eq!(work.class, Class::Destructive);
    let Body::Approve(ask) = &step(&runbook, "ask").body else {
        panic!("no approve")
    };
    assert_eq!((ask.quorum, ask.show_plan, ask.then_escalate_to.len()), (2, false, 1));
    assert_eq!(step(&runbook, "ask").name.source, "ask");
}
