//! What may start a runbook: each kind, what it gives, and what must not happen unasked.

use super::{one_mistake, right, wrong};
use crate::model::schedule::Schedule;

const STEPS: &str = "params:\n  m: { type: host }\n  n: { type: int, default: 3 }\nsteps:\n  - { id: a, hosts: web-01, facts: [memory] }\n";

/// One trigger; its first line is line 5 of the file.
fn with(trigger: &str) -> String {
    format!("triggers:\n{trigger}{STEPS}")
}

#[test]
fn every_kind_is_read_and_gives_its_own_names() {
    for (kind, given, source) in [
        (
            "alertmanager: { match: { alertname: X, role: ~web|db } }",
            "alert.labels.host",
            "alertmanager",
        ),
        ("grafana: { match: { alertname: X } }", "alert.annotations.host", "grafana"),
        (
            "pagerduty: { match: { event_type: incident.triggered } }",
            "event.data.service.summary",
            "pagerduty",
        ),
        (
            "webhook: { match: { repository.name: site, commits.0.id: \"~[0-9a-f]+\" } }",
            "body.host",
            "webhook",
        ),
    ] {
        let trigger = |path: &str| with(&format!("  - {kind}\n    params: {{ m: \"{{{{{path}}}}}\" }}\n"));
        let runbook = right(&trigger(given));
        assert_eq!(runbook.triggers[0].source, source);
        assert!(!runbook.triggers[0].labels.is_empty() && runbook.triggers[0].schedule.is_none());
        let other = if source == "webhook" { "alert.labels.x" } else { "body.host" };
        assert!(wrong(&trigger(other))[0].starts_with("RB0203"), "{source}");
    }
}

#[test]
fn a_schedule_is_a_pace_or_a_time() {
    let at = |schedule: &str| with(&format!("  - schedule: {schedule}\n    params: {{ m: web-01 }}\n"));
    let runbook = right(&at("{ every: 1h }"));
    assert_eq!(
        runbook.triggers[0].schedule,
        Some(Schedule::Every(std::time::Duration::from_secs(3600)))
    );
    assert!(matches!(
        right(&at("{ at: \"30 3 * * 1-5\" }")).triggers[0].schedule,
        Some(Schedule::At(_))
    ));
    right(&at("{ at: \"03:30\" }"));
    for (schedule, parts) in [
        ("{}", ["RB0117 5:15", "either `every` or `at`", "for example"]),
        ("{ every: 1h, at: \"03:30\" }", ["RB0117 5:28", "either `every` or `at`", ""]),
        ("{ every: 5s }", ["RB0117 5:24", "too fast", "at least 1m"]),
        ("{ at: \"0 25 * * *\" }", ["RB0117 5:22", "hour: expected 0 to 23, found `25`", ""]),
        ("{ evry: 1h }", ["RB0020 5:17", "did you mean `every`", ""]),
    ] {
        one_mistake(&at(schedule), &parts);
    }
    one_mistake(
        &with("  - schedule: { every: 1h }\n    params: { m: \"{{alert.labels.host}}\" }\n"),
        &["RB0203", "no names can be used here"],
    );
}

#[test]
fn a_trigger_is_exactly_one_kind_with_conditions_that_can_hold() {
    let params = "    params: { m: web-01 }\n";
    for (trigger, parts) in [
        ("  - mode: plan\n", ["RB0117 5:5", "exactly one of", "none of them"]),
        (
            "  - alertmanager: { match: { a: b } }\n    schedule: { every: 1h }\n",
            ["RB0117 6:5", "exactly one of", "one entry of `triggers` for each"],
        ),
        (
            "  - alertmanager: { match: {} }\n",
            ["RB0117 5:5", "whatever is sent would start", ""],
        ),
        (
            "  - alertmanager: { match: { a-b: c } }\n",
            ["RB0117 5:30", "no name of a label", ""],
        ),
        ("  - webhook: { match: { a..b: c } }\n", ["RB0117 5:25", "no path", "commits.0.id"]),
        (
            "  - alertmanager: { match: { a: \"~[\" } }\n",
            ["RB0117", "no regular expression", ""],
        ),
        (
            "  - alertmanager: { match: { a: \"{{params.m}}\" } }\n",
            ["RB0117", "no placeholder", ""],
        ),
    ] {
        let text = with(&format!("{trigger}{params}"));
        let parts: Vec<&str> = parts.iter().copied().filter(|p| *p != "none of them").collect();
        one_mistake(&text, &parts);
    }
}

#[test]
fn what_a_trigger_gives_is_typed() {
    let with = |params: &str| {
        with(&format!(
            "  - alertmanager: {{ match: {{ a: b }} }}\n    params: {{ m: web-01{params} }}\n"
        ))
    };
    right(&with(", n: 7"));
    one_mistake(&with(", n: many"), &["RB0117", "parameter `n`: expected a whole number"]);
    one_mistake(&with(", x: 1"), &["RB0117", "no parameter `x`"]);
    let dedupe = |by: &str| {
        format!(
            "{}    dedupe: {{ by: [{by}], window: 30m }}\n",
            &with("")[..with("").find("params:\n").unwrap()]
        ) + STEPS
    };
    right(&dedupe("m"));
    one_mistake(&dedupe(""), &["RB0117", "all alerts would count as one"]);
    one_mistake(&dedupe("m").replace("30m", "0s"), &["RB0023", "longer than nothing"]);
    one_mistake(&dedupe("host"), &["RB0117", "no parameter `host`"]);
}

#[test]
fn nothing_destructive_happens_unasked_wherever_it_stands() {
    let work = "{ id: w, hosts: web-01, command: { argv: [x] }, undo: none }";
    let look = "  - { id: l, hosts: web-01, facts: [memory] }\n";
    let ask = "  - { id: ask, approve: { ask: \"?\", from: [x] } }\n";
    let auto = |steps: &str| format!("triggers:\n  - schedule: {{ every: 1h }}\n    mode: auto\n{steps}");
    let places = [
        ("a step", format!("steps:\n{look}  - {work}\n")),
        ("whatever its undo", format!("steps:\n{look}  - {}\n", work.replace("none", "keep"))),
        (
            "a loop",
            format!("steps:\n  - id: loop\n    for_each: {{ as: h, hosts: webservers }}\n    steps:\n      - {work}\n"),
        ),
        (
            "an undo",
            format!("steps:\n  - id: s\n    hosts: web-01\n    service: {{ name: app, state: restarted }}\n    undo:\n      - {work}\n"),
        ),
        ("on_failure", format!("steps:\n{look}on_failure:\n  - {work}\n")),
        ("finally", format!("steps:\n{look}finally:\n  - {work}\n")),
        (
            "beside the question",
            format!("steps:\n{ask}  - {}\n", work.replace("id: w", "id: w, needs: []")),
        ),
        (
            "after a question that may be skipped",
            format!(
                "params:\n  p: {{ type: bool, default: true }}\nsteps:\n{}  - {work}\n",
                ask.replace("id: ask", "id: ask, when: params.p")
            ),
        ),
        (
            "after a question about something else",
            format!("steps:\n{ask}{look}finally:\n  - {work}\n"),
        ),
    ];
    for (what, steps) in places {
        let problems = wrong(&auto(&steps));
        assert!(problems.len() == 1 && problems[0].starts_with("RB0407"), "{what}: {problems:#?}");
        right(&auto(&steps).replace("mode: auto", "mode: approve"));
    }
    right(&auto(&format!("steps:\n{ask}  - {work}\n")));
    right(&auto(&format!("steps:\n{look}finally:\n{ask}  - {work}\n")));
    right(&auto(&format!(
        "steps:\n  - {}\n",
        work.replace("argv: [x]", "argv: [x], read_only: true").replace(", undo: none", "")
    )));
}

#[test]
fn a_question_cannot_fail_and_go_on() {
    let ask = "steps:\n  - id: a\n    approve: { ask: \"?\", from: [x] }\n    allow_failure: true\n";
    one_mistake(ask, &["RB0118 7:20", "`allow_failure` means nothing for `approve`"]);
}

#[test]
fn a_time_limit_of_nothing_is_refused() {
    let step =
        |more: &str| format!("steps:\n  - id: a\n    hosts: web-01\n    facts: [memory]\n    that: result.memory.total_bytes > 1\n{more}");
    for key in ["timeout", "within"] {
        one_mistake(&step(&format!("    {key}: 0s\n")), &["RB0023", "longer than nothing, found `0s`"]);
    }
    one_mistake(&format!("deadline: 0s\n{}", step("")), &["RB0023"]);
    right(&step("    retry: { attempts: 2, delay: 0s }\n"));
}
