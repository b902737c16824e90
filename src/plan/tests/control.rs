//! Who is asked, and which branch is taken, as far as a plan can tell.

use super::{HEAD, node, offline, planned};
use crate::action::CATALOG;
use crate::base::clock::Timestamp;
use crate::model::action::Undo;
use crate::model::operation::Output;
use crate::model::plan::{Forecast, Plan};
use crate::plan::{PlanInput, Planning, Seen, plan};

fn summary(plan: &Plan, id: &str) -> String {
    match &node(plan, id).forecast {
        Forecast::Asks { summary } => summary.clone(),
        other => panic!("{id} does not ask: {other:?}"),
    }
}

const BRANCHES: &str = "\
params: { load: { type: int, default: 3 }, who: { type: string, default: mira } }
steps:
  - id: cause
    decide:
      - { is: high, when: params.load > 8 }
      - { is: some, when: params.load > 2 }
      - is: none
  - { id: high, hosts: web-01, when: steps.cause.is == 'high', command: { argv: [x] }, undo: none }
  - { id: some, hosts: web-01, when: steps.cause.is == 'some', command: { argv: [x] }, undo: none }
";

#[test]
fn a_branch_is_taken_where_everything_is_known() {
    let plan = offline(BRANCHES);
    let cause = node(&plan, "cause");
    let expected = Forecast::Decides {
        is: String::from("some"),
        why: String::from("`params.load > 2` is true: `params.load` is 3"),
    };
    assert_eq!(
        (cause.action.as_str(), &cause.forecast, cause.may_change()),
        ("decide", &expected, false)
    );
    assert!(matches!(node(&plan, "high@web-01").forecast, Forecast::Skipped { .. }));
    assert!(node(&plan, "some@web-01").may_change());
    let other = |load: &str| planned(&format!("{HEAD}{BRANCHES}"), &[("load", load)], true).unwrap();
    assert!(matches!(&node(&other("0"), "cause").forecast, Forecast::Decides { is, why } if is == "none" && why == "nothing else is true"));
    assert_ne!(plan.digest, other("9").digest);
}

#[test]
fn a_branch_that_depends_on_the_run_is_known_at_run_time_and_so_is_what_follows() {
    let plan = offline(
        "params: { server: { type: host, default: web-01 } }\nhosts: '{{params.server.name}}'\nsteps:\n  - { id: look, facts: [memory] }\n  - id: cause\n    decide:\n      \
         - { is: memory, when: steps.look.memory.available_percent < 10 }\n      - is: unknown\n  \
         - { id: act, when: steps.cause.is == 'memory', command: { argv: [x] }, undo: none }\n",
    );
    let cause = node(&plan, "cause");
    assert!(
        matches!(&cause.forecast, Forecast::AtRunTime { why } if why == "decides between memory, unknown"),
        "{:?}",
        cause.forecast
    );
    assert_eq!(
        cause.notes,
        ["if steps.look.memory.available_percent < 10: memory, then act", "else: unknown"]
    );
    assert!(!cause.may_change());
    let act = node(&plan, "act@web-01");
    assert!(
        matches!(act.forecast, Forecast::AtRunTime { .. }) && act.may_change(),
        "{:?}",
        act.forecast
    );
}

#[test]
fn branches_that_are_ruled_out_are_not_told_and_each_other_one_says_what_follows() {
    let plan = offline(
        "params: { server: { type: host, default: web-01 }, forced: { type: bool, default: false } }\nhosts: '{{params.server.name}}'\nsteps:\n  - { id: look, facts: [memory] }\n  - id: cause\n    decide:\n      \
         - { is: never, when: params.forced }\n      \
         - { is: memory, when: steps.look.memory.available_percent < 10 }\n      \
         - { is: tight, when: steps.look.memory.available_percent < 20 }\n      \
         - { is: calm, when: '!params.forced' }\n      - is: unreached\n  \
         - { id: drain, when: \"steps.cause.is in ['memory', 'tight']\", command: { argv: [x] }, undo: none }\n  \
         - { id: restart, when: \"steps.cause.is == 'memory' && steps.look.memory.available_percent < 5\", command: { argv: [x] }, undo: none }\n  \
         - { id: tell, when: \"!(steps.cause.is in ['memory', 'tight'])\", command: { argv: [x] }, undo: none }\n  \
         - { id: other, when: steps.look.memory.available_percent < 5, command: { argv: [x] }, undo: none }\n",
    );
    assert_eq!(
        node(&plan, "cause").notes,
        [
            "if steps.look.memory.available_percent < 10: memory, then drain, restart",
            "else if steps.look.memory.available_percent < 20: tight, then drain",
            "else: calm, then tell",
        ]
    );
}

#[test]
fn the_plan_says_who_is_to_do_what_and_what_the_clock_does() {
    let plan = offline(
        "params: { who: { type: string, default: mira }, patience: { type: duration, default: 5m } }\nsteps:\n  \
         - { id: look, manual: { ask: 'Ask {{params.who}}', to: [oncall, lead], within: '{{params.patience}}', then_escalate_to: [boss] } }\n  \
         - { id: later, manual: { ask: Rebuild it, to: dba, within: 24h, blocking: false } }\n  \
         - { id: ask, approve: { ask: Go on?, from: [], on_timeout: escalate, then_escalate_to: [boss] } }\n  \
         - { id: never, when: params.who == 'noor', manual: { ask: x, to: y } }\n",
    );
    assert_eq!(summary(&plan, "look"), "oncall, lead to do: Ask mira");
    assert_eq!(node(&plan, "look").notes, ["waits 5m, then 5m for boss; then it has failed"]);
    assert_eq!(summary(&plan, "later"), "dba to do: Rebuild it");
    assert_eq!(
        node(&plan, "later").notes,
        ["the run goes on; until it is done, within 1d, it is an obligation"]
    );
    assert_eq!(summary(&plan, "ask"), "nobody: Go on?");
    assert_eq!(
        node(&plan, "ask").notes,
        ["waits 15m, then 15m for boss; nobody's silence is a yes"]
    );
    assert!(matches!(node(&plan, "never").forecast, Forecast::Skipped { .. }));
    assert!(node(&plan, "look").is_task() && !node(&plan, "look").may_change());
    assert!(!plan.nothing_to_do(), "a person has something to do");
    assert!(plan.changed_hosts().is_empty());
}

#[test]
fn what_a_person_finds_is_known_at_run_time() {
    let plan = offline(
        "steps:\n  - { id: look, manual: { ask: Look, to: ops, fields: { disks: { type: int } } }, allow_failure: true }\n  \
         - { id: more, when: steps.look.ok && steps.look.disks > 1, manual: { ask: 'Replace {{steps.look.disks}}', to: '{{no}}' } }\n"
            .replace("'{{no}}'", "ops")
            .as_str(),
    );
    assert_eq!(summary(&plan, "more"), "ops to do: Replace (known at run time)");
    assert_eq!(node(&plan, "more").notes[0], "only if steps.look.ok && steps.look.disks > 1");
}

#[test]
fn in_a_loop_every_turn_decides_and_asks_for_itself() {
    let plan = offline(
        "steps:\n  - id: each\n    for_each: { as: n, items: '[1, 20]' }\n    steps:\n      - { id: size, decide: [{ is: big, when: n > 9 }, { is: small }] }\n      \
         - { id: carry, when: steps.size.is == 'big', manual: { ask: 'Carry {{n}}', to: ops } }\n",
    );
    assert!(matches!(node(&plan, "each[1].carry").forecast, Forecast::Skipped { .. }));
    assert_eq!(summary(&plan, "each[20].carry"), "ops to do: Carry 20");
}

/// The plan of a text when every request is answered with 200.
fn when_all_answer(text: &str) -> Plan {
    let text = format!("{HEAD}{text}");
    let (runbook, inventory) = (super::compiled(&text, &[]), super::hosts());
    let (params, _) = super::parameters::resolve(&runbook, &inventory, &Default::default());
    let input = PlanInput {
        runbook: &runbook,
        text: &text,
        inventory: &inventory,
        params: &params,
        catalog: &CATALOG,
        limit: None,
        max_hosts: None,
        offline: false,
        now: Timestamp(0),
    };
    let mut seen = Seen::new();
    for _ in 0..9 {
        match plan(input, &seen).unwrap() {
            Planning::Done(plan) => return *plan,
            Planning::Needs(operations) => {
                for operation in operations {
                    let (status, headers, body) = (200, Vec::new(), String::new());
                    seen.record(&operation, Output::Http { status, headers, body });
                }
            }
        }
    }
    panic!("the plan does not come to an end")
}

/// Nothing that was seen before need be so after a person has been at work.
#[test]
fn after_a_person_nothing_is_foretold() {
    let text = |when: &str, blocking: bool| {
        format!(
            "params: {{ x: {{ type: int, default: 1 }} }}\nsteps:\n  - {{ id: before, hosts: control, http: {{ url: \"http://a/\" }}, that: result.status == 200 }}\n  \
             - {{ id: hand, when: {when}, manual: {{ ask: x, to: y, blocking: {blocking} }} }}\n  \
             - {{ id: after, hosts: control, http: {{ url: \"http://a/\" }}, that: result.status == 200 }}\n"
        )
    };
    let ok_now = Forecast::Reads {
        summary: String::from("ok now"),
    };
    let done = when_all_answer(&text("params.x == 1", true));
    assert_eq!(node(&done, "before").forecast, ok_now);
    assert!(matches!(node(&done, "after").forecast, Forecast::AtRunTime { .. }));
    for (when, blocking) in [("params.x == 2", true), ("params.x == 1", false)] {
        let plan = when_all_answer(&text(when, blocking));
        assert_eq!(node(&plan, "after").forecast, ok_now, "{when} {blocking}");
    }
}

#[test]
fn the_digest_is_about_the_branch_and_not_about_the_numbers_it_was_judged_on() {
    let made = offline(&format!("{BRANCHES}  - {{ id: hand, manual: {{ ask: x, to: y }} }}\n"));
    let digest = |plan: &Plan| crate::plan::digest::digest(plan, "", &super::hosts());
    let mut later = made.clone();
    for node in &mut later.nodes {
        if let Forecast::Decides { why: words, .. } | Forecast::Asks { summary: words } = &mut node.forecast {
            words.push_str(" 4.2");
        }
    }
    assert_eq!(digest(&made), digest(&later));
    for node in &mut later.nodes {
        if let Forecast::Decides { is, .. } = &mut node.forecast {
            is.push('!');
        }
    }
    assert_ne!(digest(&made), digest(&later));
}

#[test]
fn offline_too_a_step_without_a_way_back_is_called_so() {
    let plan = offline(
        "hosts: web-01\nsteps:\n  - id: clean\n    disk.clean: { below: [/srv/x], match: ['*.gz'], older_than: 1d }\n    undo: none\n  \
         - { id: stop, service: { name: app, state: stopped }, pool_effect: none }\n",
    );
    let undo = |id: &str| node(&plan, id).undo.clone();
    assert_eq!((undo("clean@web-01"), undo("stop@web-01")), (Undo::Impossible, Undo::Nothing));
}
