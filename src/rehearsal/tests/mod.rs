//! Tests of rehearsals: the pages of their codes, the schema, what a simulated life promises, and what is said of mistakes.

mod called;
mod pages;
mod preview;
mod sim;
mod way_back;

use std::time::{Duration, Instant};

use serde_json::Value as Json;

use super::report;
use super::suite::{Tested, test};
use crate::diagnostic::{Diagnostics, Sources};

/// A runbook with a probe and a change.
pub const EXAMPLE: &str = include_str!("example.yaml");

/// A test file of it, with these cases.
pub fn with(cases: &str) -> String {
    format!(
        "tests: example\nfleet:\n  inventory: {{ hosts: {{ web-01: {{}} }} }}\n  state: {{ hosts: {{ web-01: {{ services: {{ app: started }}, commands: [{{ run: app-check }}] }} }} }}\ncases:\n{cases}"
    )
}

fn alone(runbook: &str) -> Sources {
    let mut sources = Sources::new();
    sources.add("example.yaml", runbook);
    sources
}

/// What is broken, mistakes of the file included: code, line, message.
pub fn broken(runbook: &str, text: &str) -> Vec<String> {
    let lines = |d: &Diagnostics| -> Vec<String> {
        let place = |d: &crate::diagnostic::Diagnostic| match d.span {
            Some(span) => text[..(span.start as usize).min(text.len())].lines().count().max(1),
            None => 0,
        };
        d.sorted()
            .iter()
            .map(|d| format!("{} at {}: {}", d.code, place(d), d.message))
            .collect()
    };
    match test(alone(runbook), ("example.test.yaml", text), "example", "") {
        Ok(tested) => tested.cases.iter().flat_map(|c| lines(&c.broken)).collect(),
        Err((d, _)) => lines(&d),
    }
}

fn tested(text: &str) -> Tested {
    test(alone(EXAMPLE), ("example.test.yaml", text), "example", "")
        .map_err(|(d, _)| format!("{d:?}"))
        .unwrap()
}

#[test]
fn hours_of_waiting_take_no_time() {
    let failing = r#"  - name: it never comes back
    state: { hosts: { web-01: { commands: [{ run: app-check, exit: 1 }] } } }
    expect: { outcome: failed, failure: waited 6h, never: [restart] }
  - name: it takes long
    state: { hosts: { web-01: { commands: [{ run: app-check, exit: 1, times: 200 }] } } }
    expect: { outcome: succeeded, order: [check, restart] }
"#;
    let began = Instant::now();
    let tested = tested(&with(failing));
    // Six hours and more than three; on the busiest machine they take seconds.
    assert!(began.elapsed() < Duration::from_secs(60));
    assert!(tested.passed(), "{}", report::text(&[tested], Duration::ZERO, false));
}

#[test]
fn every_mistake_of_a_file_is_told_at_its_place_and_nothing_is_lived() {
    let text = with(
        r#"  - name: a
    parms: {}
    faults: [{ at: restart, what: explodes }]
    expect: { outcome: fine, never: [chek], within: soon }
    answers: { restart: perhaps }
"#,
    );
    let found = broken(EXAMPLE, &text);
    let codes: Vec<&str> = found.iter().map(|l| l.split(':').next().unwrap()).collect();
    assert_eq!(
        codes,
        [
            "RB0020 at 7",
            "RB0023 at 8",
            "RB0023 at 9",
            "RB0801 at 9",
            "RB0023 at 9",
            "RB0802 at 10"
        ],
        "{found:#?}"
    );
}

#[test]
fn a_failed_expectation_says_what_was_expected_what_happened_and_where() {
    let text = with(
        r#"  - name: a
    expect:
      outcome: failed
      order: [restart, check]
      obligations: [web-01]
"#,
    );
    let tested = tested(&text);
    assert!(!tested.passed());
    let shown = report::text(std::slice::from_ref(&tested), Duration::from_secs(1), false);
    for part in [
        "FAILED  a",
        "example.test.yaml:8:16",
        "expected outcome `failed`, found `succeeded`",
        "expected `check` after `restart`, found check@web-01, restart@web-01",
        "expected an open obligation with `web-01`, found none",
        "what happened:",
        "1 FAILED",
    ] {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
    let xml = report::junit(std::slice::from_ref(&tested), Duration::from_secs(1));
    assert!(
        xml.contains("failures=\"1\"") && xml.contains("<failure message=\"expected") && !xml.contains("found `<"),
        "{xml}"
    );
    assert_eq!(report::json(&[tested], Duration::from_secs(1))["failed"], 1);
}

#[test]
fn steps_that_no_case_reaches_are_named() {
    let text = with(
        r#"  - name: a
    state: { hosts: { web-01: { commands: [{ run: app-check, exit: 1 }] } } }
    expect: { outcome: failed }
"#,
    );
    assert_eq!(tested(&text).unreached, ["restart"]);
}

#[test]
fn lost_is_lost_and_dead_is_dead() {
    let text = with(
        r#"  - name: lost and not done
    faults: [{ at: restart, what: lost }]
    expect: { outcome: failed, failure: unknown }
  - name: lost for a moment
    faults: [{ at: restart, what: lost, attempt: 1, lasts: 2s }]
    expect: { outcome: failed, failure: before it started }
  - name: it does not end
    faults: [{ at: restart, what: timeout }]
    expect: { outcome: failed, failure: not end in time }
  - name: said to have failed
    faults: [{ at: restart, what: fails_but_done }]
    expect: { outcome: failed, failure: simulated }
  - name: the controller dies
    faults: [{ at: restart, what: crash }]
    expect: { outcome: succeeded }
    sweep: [failures, crashes]
  - name: stopped
    faults: [{ at: restart, what: cancel }]
    expect: { outcome: cancelled, never: [restart] }
"#,
    );
    assert_eq!(broken(EXAMPLE, &text), Vec::<String>::new());
}

#[test]
fn people_answer_as_they_are_told() {
    let runbook = EXAMPLE.replace(
        "  - id: restart",
        "  - id: go\n    approve: { ask: Restart?, from: [mira], within: 15m }\n  - id: restart",
    );
    let text = with(
        r#"  - name: yes
    answers: { go: yes by mira after 10m }
    expect: { outcome: succeeded, order: [go, restart] }
  - name: no
    answers: { go: no by mira }
    expect: { outcome: denied, never: [restart] }
  - name: too late
    answers: { go: yes by mira after 20m }
    expect: { outcome: denied, never: [restart] }
  - name: nobody
    answers: { go: nobody }
    expect: { outcome: denied, never: [restart] }
    sweep: [crashes]
"#,
    );
    assert_eq!(broken(&runbook, &text), Vec::<String>::new());
}

#[test]
fn the_schema_describes_every_key_and_its_references_lead_somewhere() {
    fn references(json: &Json, found: &mut Vec<String>) {
        match json {
            Json::Object(map) => {
                found.extend(map.get("$ref").and_then(Json::as_str).map(str::to_owned));
                map.values().for_each(|v| references(v, found));
            }
            Json::Array(list) => list.iter().for_each(|v| references(v, found)),
            _ => {}
        }
    }
    let schema = super::schema();
    let mut found = Vec::new();
    references(&schema, &mut found);
    assert!(found.len() > 15);
    for reference in found {
        let name = reference.strip_prefix("#/definitions/").unwrap();
        let definition = &schema["definitions"][name];
        assert!(definition["properties"].as_object().is_some_and(|p| !p.is_empty()), "{reference}");
        for (key, property) in definition["properties"].as_object().unwrap() {
            assert!(property["description"].as_str().is_some_and(|d| !d.is_empty()), "{name}.{key}");
        }
    }
}

#[test]
fn people_do_what_they_are_given_and_decisions_can_be_looked_at() {
    let runbook = EXAMPLE.replace(
        "  - id: restart",
        "  - id: cause\n    decide:\n      - { is: sick, when: \"steps.check.hosts['web-01'].exit_code == 0\" }\n      - { is: unknown }\n  - id: walk\n    manual: { ask: Look at the lamp., to: [ops], within: 1h, fields: { colour: { type: string } } }\n  - id: restart",
    );
    let text = with(
        r#"  - name: done
    answers: { walk: { done: mira, after: 5m, fields: { colour: red } } }
    expect: { outcome: succeeded, order: [cause, walk, restart], results: { cause.is: sick, walk.colour: red }, within: 10m }
  - name: failed
    answers: { walk: failed by mira }
    expect: { never: [restart] }
  - name: nobody does it
    expect: { never: [restart] }
"#,
    );
    assert_eq!(broken(&runbook, &text), Vec::<String>::new());
    let wrong = text.replace("colour: red } } }", "color: red } } }");
    let found = broken(&runbook, &wrong);
    assert!(found.iter().all(|l| l.starts_with("RB0805")) && found.len() == 2, "{found:?}");
}

#[test]
fn a_file_that_was_not_there_is_gone_again_after_its_undo() {
    let runbook = EXAMPLE.replace(
        "  - id: restart",
        "  - id: note\n    file.write: { path: /etc/note, content: x }\n  - id: restart",
    );
    let text = with(
        r#"  - name: taken back
    faults: [{ at: restart, what: fails }]
    expect: { outcome: failed, order: [note, undo note] }
"#,
    );
    assert_eq!(broken(&runbook, &text), Vec::<String>::new());
}

#[test]
fn what_finally_takes_it_gives_back_and_the_work_stays() {
    let last = "finally:\n  - id: edit\n    file.write: { path: /etc/motd, content: x }\n    owes: load\n  \
        - id: between\n    command: { argv: [/usr/bin/between] }\n    undo: keep\n  \
        - id: load\n    service: { name: app, state: reloaded }\non_failure:\n  - id: sorry\n    notify: { to: ops, message: Sorry }\n";
    let text = with(
        r#"  - name: all well
    state: { hosts: { web-01: { commands: [{ run: app-check }, { run: /usr/bin/between }] } } }
    expect: { outcome: succeeded, order: [restart, edit, between, load], never: [sorry] }
    sweep: [failures, crashes]
  - name: what stands between fails
    state: { hosts: { web-01: { commands: [{ run: app-check }, { run: /usr/bin/between, exit: 1 }] } } }
    expect: { outcome: failed, order: [restart, edit, load], never: [undo restart, undo edit, sorry], obligations: [], files: { web-01: { /etc/motd: x } } }
    sweep: [crashes]
"#,
    );
    assert_eq!(broken(&format!("{EXAMPLE}{last}"), &text), Vec::<String>::new());
}
