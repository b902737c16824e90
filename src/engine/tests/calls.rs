//! Runbooks that call others: the called steps run, fail, go back and are given back as the caller's own do.

use super::generate;
use super::life::{Fate, Life};
use super::sample::Sample;
use super::scripted::{Script, lived, outcome, well, with};
use super::sim::{Stage, live};
use crate::base::id::NodeId;
use crate::engine::invariants::{Doing, around};
use crate::model::event::{Event, FailureKind, RunOutcome};
use crate::model::value::Value;
use crate::plan::results::Viewpoint;

/// Its steps have the names of the caller's on purpose.
const FIX: &str = "runbook: fix
language: 1
description: Drain, repair, return.
params:
  server: { type: host }
hosts: '{{params.server.name}}'
require:
  - { name: It is there, facts: [memory], that: result.memory.available_percent > 0 }
steps:
  - { id: drain, pool.member: { pool: web, member: '{{params.server.name}}', state: drain }, owes: back }
  - { id: note, file.write: { path: /etc/x, content: x } }
  - { id: back, pool.member: { pool: web, member: '{{params.server.name}}', state: ready } }
verify:
  - { name: It is well, facts: [memory], that: result.memory.available_percent > 1 }
on_failure:
  - { id: sorry, hosts: db-01, command: { argv: [sorry] }, undo: keep }
finally:
  - { id: bye, hosts: db-01, command: { argv: [bye] }, undo: keep }
outputs:
  did: steps.note.changed
  whom: params.server.name
";

const STEPS: &str = "
params:
  db: { type: host, default: db-01 }
hosts: '{{params.db.name}}'
steps:
  - { id: note, file.write: { path: /etc/motd, content: x } }
  - { id: drain, file.write: { path: /etc/issue, content: x } }
  - { id: remedy, call: { runbook: fix.yaml, params: { server: web-01 } } }
  - { id: last, when: steps.remedy.did, file.write: { path: /etc/last, content: x } }
on_failure:
  - { id: told, hosts: db-01, command: { argv: [told] }, undo: keep }
finally:
  - { id: end, hosts: db-01, command: { argv: [end] }, undo: keep }
";

const FAILS: Fate = Fate::FailsAfter(FailureKind::Exit);

fn sample(steps: &str) -> Sample {
    Sample::among(steps, &[("fix.yaml", FIX)]).unwrap_or_else(|why| panic!("{why}"))
}

fn executed<'l>(life: &'l Life<'_>) -> Vec<&'l str> {
    life.world.executed.iter().map(|(node, ..)| node.as_str()).collect()
}

fn undone<'l>(life: &'l Life<'_>) -> Vec<&'l str> {
    life.world.undone.iter().map(NodeId::as_str).collect()
}

fn skipped<'l>(life: &'l Life<'_>) -> Vec<(&'l str, &'l str)> {
    let all = life.records.iter().filter_map(|r| match &r.event {
        Event::StepSkipped { node, why } => Some((node.as_str(), why.as_str())),
        _ => None,
    });
    all.collect()
}

#[test]
fn the_called_steps_stand_in_the_place_of_the_call() {
    let sample = sample(STEPS);
    let life = lived(&sample, Script { watched: true, ..well() });
    assert_eq!(outcome(&life), RunOutcome::Succeeded);
    assert_eq!(
        executed(&life),
        [
            "note@db-01",
            "drain@db-01",
            "remedy.drain",
            "remedy.note@web-01",
            "remedy.back",
            "last@db-01",
            "remedy.bye@db-01",
            "end@db-01"
        ]
    );
    let seen = life.state.results.visible(&Viewpoint::default());
    let remedy = seen.field("remedy").unwrap();
    assert_eq!(remedy.field("did"), Some(Value::Bool(true)));
    assert_eq!(remedy.field("whom"), Some(Value::text("web-01")));
    assert_eq!(remedy.field("changed"), Some(Value::Bool(true)));
    assert_eq!(seen.field("remedy.drain"), None, "a called runbook's steps are its own");
}

#[test]
fn a_failure_inside_goes_back_through_the_call_and_then_through_the_caller() {
    let sample = sample(STEPS);
    let life = lived(&sample, with(&[("remedy.note@web-01", 1, FAILS)]));
    assert_eq!((outcome(&life), life.world.out.len()), (RunOutcome::Failed, 0));
    assert_eq!(undone(&life), ["remedy.note@web-01", "drain@db-01", "note@db-01"]);
    let tail = &executed(&life)[4..];
    assert_eq!(
        tail,
        ["remedy.back", "remedy.sorry@db-01", "told@db-01", "remedy.bye@db-01", "end@db-01"]
    );
    let returned = life
        .records
        .iter()
        .position(|r| matches!(&r.event, Event::ObligationDischarged { how, .. } if how == "step remedy.back"));
    let first_back = life
        .records
        .iter()
        .position(|r| matches!(&r.event, Event::UndoStarted { node, .. } if node.as_str() == "drain@db-01"));
    assert!(
        returned < first_back,
        "the caller's change was taken back before the member was returned"
    );
}

/// What a called runbook says after a failure must not keep the caller's own word from being said.
#[test]
fn the_callers_aftermath_runs_even_if_the_called_one_fails() {
    let sample = sample(STEPS);
    let script = with(&[
        ("remedy.note@web-01", 1, FAILS),
        ("remedy.sorry@db-01", 1, FAILS),
        ("remedy.bye@db-01", 1, FAILS),
    ]);
    let life = lived(&sample, script);
    assert!(
        executed(&life).ends_with(&["told@db-01", "remedy.bye@db-01", "end@db-01"]),
        "{:?}",
        executed(&life)
    );
}

#[test]
fn what_comes_after_a_call_that_never_began_is_left_out() {
    let sample = sample(STEPS);
    let life = lived(&sample, with(&[("drain@db-01", 1, FAILS)]));
    assert_eq!(outcome(&life), RunOutcome::Failed);
    assert_eq!(executed(&life), ["note@db-01", "drain@db-01", "told@db-01", "end@db-01"]);
    let why = "the call `remedy` had not begun";
    assert_eq!(skipped(&life), [("remedy.sorry@db-01", why), ("remedy.bye@db-01", why)]);
}

/// A later failure takes the finished call back too: a call is no turn of a loop.
#[test]
fn a_finished_call_is_taken_back_with_the_rest() {
    let sample = sample(STEPS);
    let life = lived(&sample, with(&[("last@db-01", 1, FAILS)]));
    assert_eq!(undone(&life), ["last@db-01", "remedy.note@web-01", "drain@db-01", "note@db-01"]);
    assert!(life.world.out.is_empty());
}

#[test]
fn a_finished_turn_with_a_call_in_it_is_kept() {
    let sample = sample(
        "
steps:
  - id: each
    for_each: { as: web, hosts: 'web-01:web-02', max_unavailable: 1 }
    steps:
      - { id: one, call: { runbook: fix.yaml, params: { server: '{{web.name}}' } } }
",
    );
    let life = lived(&sample, with(&[("each[web-02].one.note", 1, FAILS)]));
    assert_eq!(undone(&life), ["each[web-02].one.note"]);
    assert!(life.world.out.is_empty());
}

const ROLL: &str = "
params:
  go: { type: bool, default: true }
hosts: db-01
steps:
  - { id: see, hosts: db-01, facts: [memory] }
  - id: each
    when: params.go && steps.see.ok
    for_each: { as: web, hosts: 'web-01:web-02:web-03', MANY }
    steps:
      - { id: one, call: { runbook: fix.yaml, params: { server: '{{web.name}}' } } }
  - { id: last, file.write: { path: /etc/last, content: x } }
";

/// What the called runbook does at the end is no part of the turn, and runs for the turns that failed, too.
#[test]
fn a_turn_with_a_call_that_fails_goes_back_by_itself() {
    let sample = sample(&ROLL.replace("MANY", "max_failures: 1"));
    let script = Script {
        watched: true,
        ..with(&[("each[web-02].one.note", 1, FAILS)])
    };
    let life = lived(&sample, script);
    assert_eq!((outcome(&life), undone(&life)), (RunOutcome::Failed, vec!["each[web-02].one.note"]));
    assert!(life.world.out.is_empty());
    let done = executed(&life);
    for node in ["each[web-03].one.back", "last@db-01"] {
        assert!(done.contains(&node), "{node}: {done:?}");
    }
    for name in ["one.sorry@db-01", "one.bye@db-01"] {
        let of = |server: &str| done.iter().filter(|n| **n == format!("each[{server}].{name}")).count();
        assert_eq!(["web-01", "web-02", "web-03"].map(of), [1, 1, 1], "{name}: {done:?}");
    }
}

#[test]
fn too_many_failed_turns_with_calls_stop_the_run() {
    let sample = sample(&ROLL.replace("MANY", "max_failures: 1, undo: all"));
    let life = lived(
        &sample,
        with(&[("each[web-02].one.note", 1, FAILS), ("each[web-03].one.note", 1, FAILS)]),
    );
    let undone = undone(&life);
    assert_eq!(outcome(&life), RunOutcome::Failed);
    assert!(
        undone.contains(&"each[web-01].one.note"),
        "with `undo: all` a finished turn goes back: {undone:?}"
    );
    assert!(!executed(&life).contains(&"last@db-01"));
    assert!(life.world.out.is_empty());
}

#[test]
fn an_invariant_of_the_caller_holds_around_the_called_steps() {
    let invariant =
        "invariants:\n  - { name: always, from: remedy, hosts: db-01, facts: [memory], that: result.memory.available_percent > 1 }\n";
    let sample = sample(&format!("{STEPS}{invariant}"));
    let life = lived(&sample, well());
    let of = |node: &str| around(&life.state, life.now(), &node.into(), Doing::Attempt).invariants.len();
    let nodes = ["note@db-01", "remedy", "remedy.drain", "remedy.note@web-01", "last@db-01"];
    assert_eq!(nodes.map(of), [0, 0, 1, 1, 1]);
}

#[test]
fn the_invariants_of_a_called_runbook_hold_around_its_own_steps_and_see_its_parameters() {
    let own = "invariants:\n  - { name: 'Fine for {{params.server.name}}', facts: [memory], that: result.memory.available_percent > 1 }\n  \
        - { name: later, from: back, facts: [memory], that: result.memory.available_percent > 2 }\n";
    let twice = STEPS.replace(
        "  - { id: last,",
        "  - { id: other, call: { runbook: fix.yaml, params: { server: web-02 } } }\n  - { id: last,",
    );
    let sample = Sample::among(&twice, &[("fix.yaml", &format!("{FIX}{own}"))]).unwrap();
    let life = lived(&sample, well());
    let of = |node: &str| {
        let around = around(&life.state, life.now(), &node.into(), Doing::Attempt);
        let sees = |w: &crate::engine::invariants::Watched| {
            let scope = crate::engine::invariants::scope(&life.state, w);
            scope
                .get("params")
                .and_then(|p| p.field("server"))
                .and_then(|s| s.field("name"))
                .map(|n| n.to_string())
        };
        let told = |w| (sees(w).unwrap_or_default(), w.check.0.clone());
        around.invariants.iter().map(told).collect::<Vec<_>>()
    };
    let kept = |server: &str, check: &str| (server.to_owned(), check.to_owned());
    assert_eq!(of("note@db-01"), []);
    assert_eq!(of("remedy.drain"), [kept("web-01", "remedy.invariants.1")]);
    assert_eq!(
        of("remedy.back"),
        [kept("web-01", "remedy.invariants.1"), kept("web-01", "remedy.invariants.2")]
    );
    assert_eq!(of("other.drain"), [kept("web-02", "other.invariants.1")]);
    assert_eq!(of("last@db-01"), [], "the calls are over");
    assert_eq!(of("remedy.bye@db-01"), [], "after its last step nothing of it holds");
}

#[test]
fn a_condition_of_a_call_holds_for_all_of_it() {
    let steps = STEPS
        .replace("remedy, call", "remedy, when: steps.drain.changed, call")
        .replace("when: steps.remedy.did", "when: steps.remedy.ok && steps.remedy.did");
    let sample = sample(&steps);
    let life = lived(&sample, with(&[("drain@db-01", 1, Fate::AlreadySo)]));
    assert_eq!(outcome(&life), RunOutcome::Succeeded);
    assert_eq!(executed(&life), ["note@db-01", "end@db-01"]);
    let nodes: Vec<&str> = skipped(&life).into_iter().map(|(node, _)| node).collect();
    assert_eq!(
        nodes,
        [
            "remedy",
            "remedy.require.1@web-01",
            "remedy.drain",
            "remedy.note@web-01",
            "remedy.back",
            "remedy.verify.1@web-01",
            "remedy-end",
            "last@db-01",
            "remedy.bye@db-01"
        ]
    );
    let life = lived(&sample, well());
    assert!(executed(&life).contains(&"remedy.note@web-01"));
}

/// What the plan left out was never looked at: it is not run behind anybody's back.
#[test]
fn a_call_that_the_plan_left_out_is_refused_when_its_condition_has_become_true() {
    let mut sample = sample(
        &STEPS
            .replace("remedy, call", "remedy, when: steps.drain.changed, call")
            .replace("when: steps.remedy.did, ", ""),
    );
    let left_out = |n: &mut crate::model::plan::Node| {
        n.forecast = crate::model::plan::Forecast::Skipped {
            why: String::from("it was false"),
        };
    };
    sample
        .created
        .plan
        .nodes
        .iter_mut()
        .filter(|n| n.id.as_str() == "remedy")
        .for_each(left_out);
    let life = lived(&sample, well());
    assert_eq!(outcome(&life), RunOutcome::Failed);
    let told = &life.state.failures[&NodeId::from("remedy")];
    assert!(told.message.contains("plan again"), "{told:?}");
    assert!(!executed(&life).contains(&"remedy.drain"));
}

#[test]
fn people_are_asked_before_a_call_with_mode_approve() {
    let sample = sample(&STEPS.replace("web-01 } }", "web-01 }, mode: approve }"));
    let life = lived(&sample, well());
    assert_eq!(outcome(&life), RunOutcome::Succeeded);
    let question = &life.state.questions[&NodeId::from("remedy")].request;
    assert!(
        question.ask.starts_with("Call fix with server=web-01? It changes "),
        "{}",
        question.ask
    );
    assert_eq!(question.digest, sample.created.plan.digest);
    let life = lived(
        &sample,
        Script {
            answer: Some(false),
            ..well()
        },
    );
    assert_eq!(outcome(&life), RunOutcome::Denied);
    assert_eq!(executed(&life), ["note@db-01", "drain@db-01", "told@db-01", "end@db-01"]);
    let life = lived(&sample, Script { answer: None, ..well() });
    assert_eq!(outcome(&life), RunOutcome::Denied);
}

#[test]
fn a_call_with_mode_plan_runs_nothing() {
    let sample = sample(
        &STEPS
            .replace("web-01 } }", "web-01 }, mode: plan }")
            .replace("when: steps.remedy.did, ", ""),
    );
    let life = lived(&sample, well());
    assert_eq!(outcome(&life), RunOutcome::Succeeded);
    assert_eq!(executed(&life), ["note@db-01", "drain@db-01", "last@db-01", "end@db-01"]);
}

#[test]
fn outputs_of_the_run_are_told_at_its_end() {
    let sample = sample(&format!(
        "{STEPS}outputs:\n  both: steps.remedy.did && steps.last.ok\n  whom: steps.remedy.whom\n"
    ));
    let life = lived(&sample, well());
    let Some(Event::RunFinished { outputs, .. }) = life.records.last().map(|r| &r.event) else {
        panic!("no end")
    };
    assert_eq!(outputs["both"], Value::Bool(true));
    assert_eq!(outputs["whom"], Value::text("web-01"));
}

/// A controller that dies at any moment leaves what the next one needs, in a call as elsewhere.
#[test]
fn a_crash_at_any_turn_changes_nothing_about_the_end() {
    let sample = sample(&STEPS.replace("web-01 } }", "web-01 }, mode: approve }"));
    for failing in [false, true] {
        for turn in 0..60 {
            let script = if failing { with(&[("remedy.back", 1, FAILS)]) } else { well() };
            let life = lived(
                &sample,
                Script {
                    crash: Some(turn),
                    ..script
                },
            );
            let expected = if failing { RunOutcome::Failed } else { RunOutcome::Succeeded };
            assert_eq!((outcome(&life), life.world.out.len()), (expected, 0), "crash at turn {turn}");
        }
    }
}

#[test]
fn a_call_in_a_call_resolves_its_own_names() {
    let middle = "runbook: middle
language: 1
description: Calls on.
params:
  whom: { type: host }
steps:
  - { id: look, hosts: '{{params.whom.name}}', file.write: { path: /etc/y, content: y } }
  - { id: remedy, when: steps.look.changed, call: { runbook: fix.yaml, params: { server: '{{params.whom.name}}' } } }
outputs:
  name: 'steps.remedy.ok ? steps.remedy.whom : \"nobody\"'
";
    let steps = "
steps:
  - { id: look, hosts: db-01, file.write: { path: /etc/motd, content: x } }
  - { id: remedy, call: { runbook: middle.yaml, params: { whom: web-02 } } }
outputs:
  name: steps.remedy.name
";
    let sample = Sample::among(steps, &[("fix.yaml", FIX), ("middle.yaml", middle)]).unwrap_or_else(|why| panic!("{why}"));
    let told = |life: &Life<'_>| match life.records.last().map(|r| &r.event) {
        Some(Event::RunFinished { outputs, .. }) => outputs["name"].clone(),
        _ => panic!("no end"),
    };
    let life = lived(&sample, well());
    assert_eq!(
        executed(&life),
        [
            "look@db-01",
            "remedy.look@web-02",
            "remedy.remedy.drain",
            "remedy.remedy.note@web-02",
            "remedy.remedy.back",
            "remedy.remedy.bye@db-01"
        ]
    );
    assert_eq!(told(&life), Value::text("web-02"));
    let life = lived(&sample, with(&[("remedy.look@web-02", 1, Fate::AlreadySo)]));
    assert_eq!(executed(&life), ["look@db-01"]);
    assert_eq!(told(&life), Value::text("nobody"));
}

/// The random runbooks of the other lives, each called by another one whose steps have the same names.
#[test]
fn called_runbooks_keep_every_rule_in_hundreds_of_lives() {
    let mut outcomes = std::collections::BTreeSet::new();
    for round in 0..60 {
        let text = generate::runbook(round);
        // Those of a called runbook are refused; its caller's hold around its steps.
        let (text, guarded) = match text.find("invariants:") {
            Some(at) => (&text[..at], true),
            None => (text.as_str(), false),
        };
        let called = format!("runbook: fix\nlanguage: 1\ndescription: Called.\n{text}");
        let call = ["mode: run", "mode: approve"][usize::from(round.is_multiple_of(3))];
        let steps = format!(
            "deadline: 2h\nsteps:\n  - {{ id: s0, hosts: db-01, file.write: {{ path: /etc/a, content: x }} }}\n  \
             - {{ id: fix, call: {{ runbook: fix.yaml, {call} }} }}\n  \
             - {{ id: s1, hosts: db-01, file.write: {{ path: /etc/b, content: x }} }}\n\
             on_failure:\n  - {{ id: sorry, hosts: db-01, command: {{ argv: [sorry] }}, undo: keep }}\n\
             finally:\n  - {{ id: bye, hosts: db-01, command: {{ argv: [bye] }}, undo: keep }}\n"
        );
        let always =
            "invariants:\n  - { name: whole, hosts: db-01, facts: [memory], that: result.memory.available_percent > 1, from: s0 }\n";
        let steps = if guarded { format!("{steps}{always}") } else { steps };
        let sample = Sample::among(&steps, &[("fix.yaml", &called)]).unwrap_or_else(|why| panic!("{why}"));
        let stage = Stage::of(if round.is_multiple_of(7) { sample.gated() } else { sample });
        for luck in 0..10 {
            let seed = round * 10 + luck;
            let outcome = live(&stage, seed).unwrap_or_else(|why| panic!("round {round}, luck {seed}: {why}\n{called}"));
            outcomes.insert(format!("{outcome:?}"));
        }
    }
    assert!(outcomes.len() >= 6, "{outcomes:?}");
}
