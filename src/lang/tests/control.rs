//! `decide`, `manual`, and the escalation of `approve`: what compiles, what it means, and what is said about mistakes.

use std::time::Duration;

use super::{compiled, file, needs, one_mistake, right, step, wrong};
use crate::diagnostic::{Sources, render};
use crate::lang::compile;
use crate::lang::sample_catalog::SAMPLE;
use crate::model::action::Class;
use crate::model::runbook::{Body, ParamKind, Place, Within};

/// A probe, a `decide` with these lines, and a step under this condition.
fn cause(lines: &str, when: &str) -> String {
    format!(
        "hosts: control\nsteps:\n  - {{ id: look, http: {{ url: \"http://x/\" }} }}\n  - id: cause\n    decide:\n{lines}  \
         - {{ id: act, when: \"{when}\", notify: {{ to: ops, message: \"{{{{steps.cause.is}}}}\" }} }}\n"
    )
}

const LINES: &str =
    "      - { is: down, when: steps.look.status >= 500 }\n      - { is: odd, when: steps.look.status >= 400 }\n      - is: fine\n";

#[test]
fn a_decision_is_one_of_its_words() {
    let runbook = right(&cause(LINES, "steps.cause.is in ['down', 'odd']"));
    let decide = step(&runbook, "cause");
    let Body::Decide(branches) = &decide.body else {
        panic!("no decide")
    };
    let shown: Vec<(&str, bool)> = branches.iter().map(|b| (b.is.as_str(), b.when.is_some())).collect();
    assert_eq!(shown, [("down", true), ("odd", true), ("fine", false)]);
    assert_eq!((decide.class, decide.hosts.is_some()), (Class::Probe, false));
    assert_eq!((needs(decide), needs(step(&runbook, "act"))), (vec!["look"], vec!["cause"]));
}

#[test]
fn a_word_that_it_never_is_does_not_compile() {
    one_mistake(
        &cause(LINES, "steps.cause.is == 'dwon'"),
        &["RB0205 12:41", "it is never `dwon`", "-> 'down'"],
    );
    one_mistake(
        &cause(LINES, "steps.cause.is in ['fine', 'od']"),
        &["RB0205 12:50", "it is never `od`", "-> 'odd'"],
    );
    one_mistake(&cause(LINES, "steps.cause.is != 'broken'"), &["RB0205", "it is never `broken`"]);
    one_mistake(
        &cause(LINES, "steps.cause.was == 'down'"),
        &["RB0203", "`steps.cause` has no field `was`"],
    );
}

#[test]
fn the_mistake_is_underlined() {
    let text = file(&cause(LINES, "steps.cause.is == 'dwon'"));
    let mut sources = Sources::new();
    let id = sources.add("t.yaml", text.as_str());
    let (_, d) = compile(&sources, id, None, &SAMPLE);
    let shown = render::render(&d, &sources, false);
    let line = shown
        .lines()
        .position(|l| l.contains("id: act"))
        .unwrap_or_else(|| panic!("{shown}"));
    let carets = shown.lines().nth(line + 1).unwrap_or_default();
    assert!(carets.contains("^^^^^^ one of down, odd, fine"), "{shown}");
}

#[test]
fn the_lines_of_a_decision_are_an_order() {
    one_mistake(
        &cause("      - { is: down, when: steps.look.status >= 500 }\n", "true"),
        &["RB0131 9:15", "needs a last line without `when`", "add a line: `- is: unknown`"],
    );
    one_mistake(&cause("      []\n", "true"), &["RB0131 8:5", "needs a last line"]);
    one_mistake(
        &cause("      - is: fine\n      - { is: down, when: steps.look.status >= 500 }\n", "true"),
        &["RB0132 10:15", "`down` can never be decided: `fine` above it holds in any case"],
    );
    one_mistake(
        &cause(
            "      - { is: down, when: steps.look.status >= 500 }\n      - { is: down, when: steps.look.status == 0 }\n      - is: fine\n",
            "true",
        ),
        &["RB0133 10:15", "`down` stands twice"],
    );
    // What a line means is not known when something in it was refused: no second mistake.
    one_mistake(
        &cause(
            "      - { is: down, wen: steps.look.status >= 500 }\n      - is: fine\n",
            "steps.cause.is == 'x'",
        ),
        &["RB0020 9:21", "did you mean `when`"],
    );
    one_mistake(
        &cause("      - is: Fine\n", "true"),
        &["RB0101 9:13", "`Fine` cannot be a word to decide for"],
    );
    one_mistake(
        &cause("      - { is: a, when: steps.look.status }\n      - is: b\n", "true"),
        &["RB0209", "expected a bool"],
    );
    one_mistake(
        "steps:\n  - { id: a, decide: fine }\n",
        &["RB0022 5:22", "expected a list (`- is: …`), found `fine`"],
    );
}

#[test]
fn a_line_is_looked_at_only_if_those_above_are_false() {
    let text = |first: &str| {
        format!(
            "params:\n  x: {{ type: bool }}\nhosts: control\nsteps:\n  - {{ id: look, when: params.x, http: {{ url: \"http://x/\" }} }}\n  - id: cause\n    decide:\n      \
             - {{ is: none, when: {first} }}\n      - {{ is: down, when: steps.look.status >= 500 }}\n      - is: fine\n"
        )
    };
    right(&text("steps.look.skipped"));
    one_mistake(&text("params.x"), &["RB0208", "`steps.look` may be skipped"]);
}

#[test]
fn neither_runs_anywhere() {
    for (key, value) in [
        ("hosts", "web-01"),
        ("run_as", "root"),
        ("timeout", "5m"),
        ("undo", "none"),
        ("that", "true"),
    ] {
        for body in ["decide: [{ is: a }]", "manual: { ask: x, to: y }"] {
            let what = &body[..6];
            one_mistake(
                &format!("steps:\n  - id: a\n    {key}: {value}\n    {body}\n"),
                &["RB0118", &format!("`{key}` means nothing for `{what}`")],
            );
        }
    }
    one_mistake(
        "steps:\n  - id: a\n    decide: [{ is: a }]\n    approve: { ask: x, from: [y] }\n",
        &["RB0110 6:5", "exactly one thing, this one has `decide`, `approve`"],
    );
}

#[test]
fn a_manual_step_gives_typed_results() {
    let runbook = right(
        r#"params:
  patience: { type: duration, default: 15m }
  now: { type: bool, default: true }
steps:
  - id: ack
    manual:
      ask: "Look at it{{#if params.now}} now{{/if}}."
      to: oncall
      fields:
        finding: { type: choice, choices: [disk, memory], description: What it was }
        disks: { type: int, min: 0, default: 0 }
      within: "{{params.patience}}"
      then_escalate_to: [lead, boss]
  - id: tell
    when: steps.ack.finding == 'disk' && steps.ack.disks > 1
    notify: { to: ops, message: "{{steps.ack.by}} at {{steps.ack.at}}: {{steps.ack.finding}}" }
"#,
    );
    let Body::Manual(manual) = &step(&runbook, "ack").body else {
        panic!("no manual")
    };
    assert!(manual.blocking && matches!(manual.within, Within::Text(_)));
    assert_eq!(
        (manual.to.as_slice(), manual.then_escalate_to.len()),
        (["oncall".to_owned()].as_slice(), 2)
    );
    assert_eq!(manual.fields[0].kind, ParamKind::Choice(vec!["disk".into(), "memory".into()]));
    assert_eq!(needs(step(&runbook, "tell")), ["ack"]);
    let plain = right("steps:\n  - { id: a, manual: { ask: x, to: [y] } }\n");
    let Body::Manual(manual) = &step(&plain, "a").body else {
        panic!("no manual")
    };
    assert_eq!(manual.within, Within::Fixed(Duration::from_secs(3600)));
}

#[test]
fn what_is_wrong_with_a_manual_step() {
    let with = |more: &str| format!("steps:\n  - id: ack\n    manual: {{ ask: Look, to: oncall, {more} }}\n");
    let read = |more: &str, when: &str| {
        format!(
            "{}  - {{ id: b, when: \"{when}\", notify: {{ to: ops, message: x }} }}\n",
            with(more)
        )
    };
    let finding = "fields: { finding: { type: choice, choices: [disk, memory] } }";
    one_mistake(
        &read(finding, "steps.ack.finding == 'dsik'"),
        &["RB0205", "it is never `dsik`", "-> 'disk'"],
    );
    one_mistake(
        &read(finding, "steps.ack.findings == 'disk'"),
        &["RB0203", "has no field `findings`", "-> finding"],
    );
    one_mistake(
        &with("fields: { at: { type: string } }"),
        &["RB0136", "a field cannot be called `at`"],
    );
    one_mistake(
        &with("fields: { n: { type: int, pattern: x } }"),
        &["RB0114", "`pattern` means nothing"],
    );
    one_mistake(&with("fields: { n: { type: number } }"), &["RB0114", "unknown type `number`"]);
    one_mistake(&with("fields: [n]"), &["RB0022", "`fields` holds declarations by name"]);
    one_mistake(
        &with("blocking: false, fields: { n: { type: int } }"),
        &["RB0135", "`fields` means nothing with `blocking: false`"],
    );
    one_mistake(
        &with("blocking: false, then_escalate_to: [lead]"),
        &["RB0135", "`then_escalate_to` means nothing"],
    );
    one_mistake(&read("blocking: false", "steps.ack.by == 'x'"), &["RB0203", "has no field `by`"]);
    right(&with("blocking: false, within: 24h"));
    one_mistake("steps:\n  - { id: a, manual: { ask: x } }\n", &["RB0021", "`manual` needs `to`"]);
    one_mistake(&with("wihtin: 5m"), &["RB0020", "did you mean `within`"]);
}

#[test]
fn how_long_people_are_waited_for_is_a_duration() {
    let of = |within: &str| {
        format!(
            "params:\n  patience: {{ type: duration }}\n  n: {{ type: int }}\nsteps:\n  - {{ id: a, approve: {{ ask: x, from: [y], within: {within} }} }}\n  \
             - {{ id: b, manual: {{ ask: x, to: y, within: {within} }} }}\n"
        )
    };
    right(&of("90s"));
    right(&of("\"{{params.patience}}\""));
    for (within, part) in [
        ("soon", "found `soon`"),
        ("\"{{params.n}}\"", "expected a duration such as `90s`, found `{{params.n}}`"),
        ("\"{{params.patience}}0\"", "expected a duration"),
    ] {
        let problems = wrong(&of(within));
        assert!(
            problems.len() == 2 && problems.iter().all(|p| p.contains("RB0023") && p.contains(part)),
            "{problems:#?}"
        );
    }
    let problems = wrong(&of("\"{{params.patienc}}\""));
    assert!(
        problems.iter().all(|p| p.contains("RB0203") && p.contains("-> patience")),
        "{problems:#?}"
    );
}

#[test]
fn an_approval_escalates_to_somebody_or_not_at_all() {
    let of = |more: &str| format!("steps:\n  - {{ id: a, approve: {{ ask: x, from: [y], {more} }} }}\n");
    one_mistake(&of("on_timeout: escalate"), &["RB0134 5:56", "needs `then_escalate_to`"]);
    one_mistake(&of("then_escalate_to: [lead]"), &["RB0134 5:63", "without `on_timeout: escalate`"]);
    one_mistake(&of("on_timeout: deny, then_escalate_to: [lead]"), &["RB0134"]);
    right(&of("on_timeout: escalate, then_escalate_to: lead"));
    let (_, problems) = compiled(
        None,
        &file("steps:\n  - { id: a, approve: { ask: x, from: [y] } }\n  - { id: b, notify: { to: ops, message: \"{{steps.a.by}}\" } }\n"),
    );
    assert_eq!(problems, Vec::<String>::new());
}

/// A step on `hosts` that is taken back so.
fn taken_back(hosts: &str, steps: &str) -> String {
    format!("steps:\n  - id: s\n    hosts: {hosts}\n    command: {{ argv: [x] }}\n    undo:\n{steps}")
}

#[test]
fn the_way_back_has_actions_decisions_and_people_and_nothing_that_asks_leave() {
    right(&taken_back(
        "a",
        "      - { id: look, command: { argv: [x], read_only: true } }
      - id: how
        decide: [{ is: machine, when: steps.look.exit_code == 0 }, { is: person }]
      - { id: go, when: steps.how.is == 'machine', command: { argv: [x] } }
      - { id: back, when: steps.how.is == 'person', manual: { ask: x, to: y, fields: { seal: { type: string } } } }
      - { id: tell, when: steps.how.is == 'person', notify: { to: ops, message: '{{steps.back.by}} {{steps.back.seal}}' } }\n",
    ));
    let bodies = [
        ("approve", "approve: { ask: x, from: [y] }", "manual: { ask"),
        (
            "for_each",
            "for_each: { as: web, hosts: a }, steps: [{ id: look, facts: [cpu] }]",
            "hosts: web",
        ),
    ];
    for (what, body, instead) in bodies {
        one_mistake(
            &taken_back("a", &format!("      - {{ id: back, {body} }}\n")),
            &["RB0119 9:15", &format!("`{what}` cannot stand in `undo`"), instead],
        );
    }
    let keys = [
        "needs: []",
        "retry: { attempts: 2 }",
        "allow_failure: true",
        "leave: { until: 1h, reason: x }",
        "undo: [{ id: z, command: { argv: [x] } }]",
    ];
    for key in keys {
        let name = key.split(':').next().unwrap();
        one_mistake(
            &taken_back("a", &format!("      - {{ id: back, command: {{ argv: [x] }}, {key} }}\n")),
            &["RB0118 9:", &format!("`{name}` means nothing in `undo`")],
        );
    }
}

#[test]
fn a_step_back_runs_where_the_step_ran_that_it_takes_back() {
    let back = "      - { id: back, command: { argv: [y] } }\n";
    let place = |hosts: &str| {
        let runbook = right(&taken_back(hosts, back));
        step(&runbook, "back").hosts.clone()
    };
    // Which of several hosts only the run knows.
    assert_eq!(place("webservers"), None);
    assert_eq!(place("control"), Some(Place::Control));
    let as_whom = "steps:\n  - { id: s, hosts: a, run_as: app, command: { argv: [x] }, undo: [{ id: back, command: { argv: [y] } }] }\n";
    assert_eq!(step(&right(as_whom), "back").run_as.as_ref().unwrap().source, "app");
    // What runs on no host gives none.
    one_mistake(
        "steps:\n  - { id: s, pool.member: { pool: web, member: a, state: drain }, leave: { until: 1h, reason: x }, undo: [{ id: back, command: { argv: [y] } }] }\n",
        &["RB0112", "runs on hosts, and none are named"],
    );
}
