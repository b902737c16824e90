//! Called runbooks in a plan: their place, their names, what they see, and what counts against the pools.

use super::{HEAD, names, node, planned_with};
use crate::model::plan::{Forecast, Plan, Section};

const LOOK: &str = "runbook: look
language: 1
description: Look at one server.
params:
  server: { type: host, from: all_web }
  text: { type: string, default: hello }
hosts: '{{params.server.name}}'
run_as: root
require:
  - { name: There, facts: [memory], that: result.memory.available_percent > 1 }
steps:
  - { id: a, facts: [memory] }
  - { id: write, file.write: { path: /etc/motd, content: '{{params.text}} {{params.server.name}}' } }
  - id: each
    for_each: { as: web, hosts: webservers, max_parallel: 1 }
    steps:
      - { id: b, file.write: { path: '/tmp/{{web.name}}', content: '{{params.server.address}}' } }
verify:
  - { name: Fine, facts: [memory], that: result.memory.available_percent > 1 }
on_failure:
  - { id: sorry, file.write: { path: /etc/sorry, content: '{{params.text}}' } }
finally:
  - { id: bye, facts: [memory] }
outputs:
  changed_text: steps.write.changed
";

fn plan(steps: &str) -> Plan {
    plan_of(steps, LOOK)
}

fn plan_of(steps: &str, look: &str) -> Plan {
    let text = format!("{HEAD}{steps}");
    planned_with(&text, &[("look.yaml", look)], &[], true).unwrap_or_else(|d| panic!("{text}\n{d:#?}"))
}

const CALL: &str = "hosts: lb-01
steps:
  - { id: a, facts: [memory] }
  - { id: it, call: { runbook: look.yaml, params: { server: web-03, text: x } } }
  - { id: z, facts: [memory], when: steps.it.changed_text }
on_failure:
  - { id: sorry, facts: [memory] }
finally:
  - { id: bye, facts: [memory] }
";

fn ids(plan: &Plan) -> Vec<&str> {
    plan.nodes.iter().map(|n| n.id.as_str()).collect()
}

#[test]
fn the_steps_of_a_call_stand_between_its_ends() {
    let plan = plan(CALL);
    assert_eq!(
        ids(&plan),
        [
            "a@lb-01",
            "it",
            "it.require.1@web-03",
            "it.a@web-03",
            "it.write@web-03",
            "it.each[web-01].b",
            "it.each[web-02].b",
            "it.verify.1@web-03",
            "it-end",
            "z@lb-01",
            "it.sorry@web-03",
            "sorry@lb-01",
            "it.bye@web-03",
            "bye@lb-01"
        ]
    );
    let needs = |id: &str| node(&plan, id).needs.iter().map(|n| n.as_str()).collect::<Vec<_>>();
    assert_eq!(needs("it"), ["a"]);
    assert_eq!(needs("it.require.1@web-03"), ["it"]);
    assert_eq!(needs("it.a@web-03"), ["it.require.1"]);
    assert_eq!(needs("z@lb-01"), ["it-end"]);
    assert_eq!(node(&plan, "it.verify.1@web-03").section, Section::Steps);
    assert_eq!(node(&plan, "it.sorry@web-03").section, Section::OnFailure);
    let Forecast::Calls { summary } = &node(&plan, "it").forecast else {
        panic!()
    };
    assert_eq!(summary, "calls look with server=web-03 text=x");
    assert!(!node(&plan, "it").may_change());
}

#[test]
fn inner_texts_see_their_own_parameters_and_hosts() {
    let plan = plan(CALL);
    let write = node(&plan, "it.write@web-03");
    assert_eq!(write.arguments.text("content"), Some("x web-03"));
    assert_eq!(names(write.touches()), ["web-03"]);
    let b = node(&plan, "it.each[web-02].b");
    assert_eq!(
        (b.arguments.text("path"), b.arguments.text("content")),
        (Some("/tmp/web-02"), Some("192.0.2.13"))
    );
    assert_eq!(node(&plan, "it.sorry@web-03").arguments.text("content"), Some("x"));
}

/// A loop of the caller neither lends its host nor its variable to the steps inside.
#[test]
fn a_call_in_a_loop_has_its_own_hosts_in_each_turn() {
    let plan = plan(
        "steps:\n  - id: roll\n    for_each: { as: web, hosts: 'web-04:web-05', max_parallel: 1 }\n    steps:\n      - { id: it, call: { runbook: look.yaml, params: { server: '{{web.name}}' } } }\n",
    );
    let write = node(&plan, "roll[web-04].it.write");
    assert_eq!(write.arguments.text("content"), Some("hello web-04"));
    let b = node(&plan, "roll[web-05].it.each[web-01].b");
    assert_eq!(
        (b.arguments.text("content"), names(b.touches())),
        (Some("192.0.2.15"), vec!["web-01"])
    );
    assert_eq!(node(&plan, "roll[web-05].it").needs[0].as_str(), "roll[web-04].it-end");
    let aftermath: Vec<&str> = ids(&plan).into_iter().filter(|id| id.ends_with("sorry")).collect();
    assert_eq!(
        aftermath,
        ["roll[web-05].it.sorry", "roll[web-04].it.sorry"],
        "the last call's first"
    );
}

#[test]
fn parameters_are_held_against_the_inventory() {
    let refused = |params: &str| {
        let text = format!("{HEAD}steps:\n  - {{ id: it, call: {{ runbook: look.yaml, params: {{ {params} }} }} }}\n");
        let d = planned_with(&text, &[("look.yaml", LOOK)], &[], true).unwrap_err();
        d.sorted()
            .iter()
            .map(|d| format!("{} {}", d.code, d.message))
            .collect::<Vec<_>>()
            .join("; ")
    };
    assert!(refused("server: lb-01").contains("RB0712 parameter `server`: host `lb-01` is not in `all_web`"));
    assert!(refused("server: web-99").contains("the inventory has no host `web-99`"));
}

#[test]
fn a_condition_known_only_at_run_time_makes_all_of_it_uncertain() {
    let plan = plan(
        "steps:\n  - { id: a, hosts: control, command: { argv: [x] }, undo: keep }\n  - { id: it, when: steps.a.exit_code == 3, call: { runbook: look.yaml, params: { server: web-03 } } }\n",
    );
    let first = node(&plan, "it");
    assert!(matches!(first.forecast, Forecast::Calls { .. }));
    assert!(matches!(node(&plan, "it.write@web-03").forecast, Forecast::AtRunTime { .. }));
}

#[test]
fn a_call_whose_condition_is_false_is_one_line() {
    let plan = plan(
        &CALL
            .replace("call: {", "when: 1 > 2, call: {")
            .replace("steps.it.changed_text", "steps.it.ok && steps.it.changed_text"),
    );
    assert_eq!(ids(&plan), ["a@lb-01", "it", "z@lb-01", "sorry@lb-01", "bye@lb-01"]);
    assert!(matches!(node(&plan, "it").forecast, Forecast::Skipped { .. }));
    assert!(matches!(node(&plan, "z@lb-01").forecast, Forecast::Skipped { .. }));
}

/// A step that may fail and let the run go on: whether it did is not foretold, or a call on its failure could never be planned.
#[test]
fn whether_a_tolerated_step_fails_is_known_at_run_time() {
    let plan = plan(
        "steps:\n  - { id: a, hosts: control, command: { argv: [x] }, undo: keep, allow_failure: true }\n  - { id: it, when: steps.a.failed, call: { runbook: look.yaml, params: { server: web-03 } } }\n",
    );
    assert!(matches!(node(&plan, "it").forecast, Forecast::Calls { .. }));
}

#[test]
fn mode_plan_shows_everything_and_counts_nothing() {
    let taking = "runbook: look\nlanguage: 1\ndescription: Take.\nparams:\n  server: { type: host }\n  text: { type: string, default: x }\nsteps:\n  \
                  - { id: out, pool.member: { pool: web, member: '{{params.server.name}}', state: drain }, leave: { until: 1h, reason: x } }\n";
    let call =
        |mode: &str| format!("steps:\n  - {{ id: it, call: {{ runbook: look.yaml, params: {{ server: web-03 }}, mode: {mode} }} }}\n");
    let shown = plan_of(&call("plan"), taking);
    assert!(
        shown
            .nodes
            .iter()
            .all(|n| matches!(n.forecast, Forecast::Skipped { .. }) && n.pool_effects.is_empty())
    );
    assert_eq!(ids(&shown), ["it", "it.out", "it-end"]);
    assert!(shown.nothing_to_do());
    assert_eq!(node(&plan_of(&call("run"), taking), "it.out").pool_effects.len(), 1);
    assert!(matches!(
        node(&plan_of(&call("approve"), taking), "it").forecast,
        Forecast::Asks { .. }
    ));
}

#[test]
fn the_digest_covers_the_called_file() {
    let digest = |look: &str| plan_of(CALL, look).digest;
    assert_eq!(digest(LOOK), digest(LOOK));
    assert_ne!(
        digest(LOOK),
        digest(&LOOK.replace("Look at one server.", "Look at a server.")),
        "a word of the called file"
    );
    assert_ne!(digest(LOOK), digest(&LOOK.replace("/etc/motd", "/etc/issue")));
}

#[test]
fn offline_a_call_whose_parameters_a_probe_decides_is_left_out_with_a_warning() {
    let plan = plan(
        "steps:\n  - { id: p, pool.status: { pool: web } }\n  \
         - { id: it, call: { runbook: look.yaml, params: { server: web-03, text: '{{steps.p.algorithm}}' } } }\n  \
         - { id: z, hosts: web-01, facts: [memory], when: steps.it.changed_text }\n",
    );
    assert_eq!(ids(&plan), ["p", "it", "z@web-01"]);
    assert!(
        plan.warnings
            .iter()
            .any(|w| w.contains("parameter `text` of the call of look depends on what a probe shows")),
        "{:?}",
        plan.warnings
    );
}

/// Nobody answers in this plan: what is required inside is refused as what is required outside is.
#[test]
fn a_called_runbook_that_cannot_look_refuses_the_plan_and_only_shows_in_mode_plan() {
    let online = |mode: &str| {
        let text = format!("{HEAD}steps:\n  - {{ id: it, call: {{ runbook: look.yaml, params: {{ server: web-03 }}, mode: {mode} }} }}\n");
        planned_with(&text, &[("look.yaml", LOOK)], &[], false).unwrap_or_else(|d| panic!("{text}\n{d:#?}"))
    };
    assert!(online("run").refusals.iter().any(|r| r.message.contains("nobody answers")));
    let shown = online("plan");
    assert_eq!(shown.refusals, []);
    assert!(
        node(&shown, "it")
            .notes
            .iter()
            .any(|n| n.contains("would be refused: cannot look: ")),
        "{:?}",
        node(&shown, "it").notes
    );
}

#[test]
fn what_breaks_an_invariant_of_the_called_runbook_is_refused_and_what_stands_outside_is_not() {
    let guarded = "runbook: look\nlanguage: 1\ndescription: x\nparams:\n  path: { type: path }\nhosts: web-01\n\
        invariants:\n  - { name: 'It says old in {{params.path}}', file.search: { path: '{{params.path}}', text: old }, that: result.found }\n\
        steps:\n  - { id: edit, file.write: { path: '{{params.path}}', content: CONTENT } }\n";
    let steps = "hosts: web-01\nsteps:\n  - { id: before, file.write: { path: /etc/y, content: old } }\n  \
        - { id: one, call: { runbook: look.yaml, params: { path: /etc/x } } }\n  \
        - { id: two, call: { runbook: look.yaml, params: { path: /etc/y } } }\n  \
        - { id: after, file.write: { path: /etc/x, content: new } }\n";
    let of = |content: &str| {
        let text = format!("{HEAD}{steps}");
        let files: &[(&str, &str)] = &[("look.yaml", &guarded.replace("CONTENT", content))];
        super::planned_on((&text, files), &[], false, &super::invariants::old).unwrap_or_else(|d| panic!("{d:#?}"))
    };
    let kept = of("old and x");
    assert_eq!(kept.refusals, []);
    let standings: Vec<_> = kept
        .invariants
        .iter()
        .map(|w| {
            (
                w.name.as_str(),
                w.since.as_ref().map(|n| n.as_str()),
                w.until.as_ref().map(|n| n.as_str()),
            )
        })
        .collect();
    assert_eq!(
        standings,
        [
            ("It says old in /etc/x", Some("one.edit@web-01"), Some("one.edit@web-01")),
            ("It says old in /etc/y", Some("two.edit@web-01"), Some("two.edit@web-01")),
        ]
    );
    let broken: Vec<String> = of("new").refusals.iter().map(|r| r.message.clone()).collect();
    assert_eq!(
        broken,
        [
            "`one.edit@web-01` breaks the invariant \"It says old in /etc/x\"",
            "`two.edit@web-01` breaks the invariant \"It says old in /etc/y\"",
        ]
    );
}
