//! Where a secret may stand and where not: each way out is closed by one message at its place.

use super::{argument, one_mistake, right, step, wrong};
use crate::model::runbook::{ArgumentKind, ParamKind};

const PARAMS: &str = "params:\n  pw: { type: secret, from: env.DB_PASSWORD }\n  who: { type: string, default: x }\n";

/// A runbook with one step after the secret; line 7 of the file is `steps:`.
fn steps(text: &str) -> String {
    format!("{PARAMS}steps:\n{text}")
}

#[test]
fn a_secret_reaches_environment_input_and_headers() {
    let runbook = right(&steps(
        "  - id: a\n    hosts: web-01\n    command: { argv: [x], env: { PW: \"{{params.pw}}\" }, stdin: \"pw={{params.pw}} for {{params.who}}\", read_only: true }\n",
    ));
    assert_eq!(runbook.params[0].kind, ParamKind::Secret);
    assert!(matches!(argument(step(&runbook, "a"), "env"), ArgumentKind::Map(map) if matches!(map["PW"].kind, ArgumentKind::Text(_))));
    assert!(matches!(argument(step(&runbook, "a"), "stdin"), ArgumentKind::Text(_)));
}

#[test]
fn every_other_place_is_refused_where_it_stands() {
    let read = "hosts: web-01\n    command: { argv: [x], read_only: true }\n";
    let cases = [
        (
            "an argument",
            String::from("  - id: a\n    hosts: web-01\n    command: { argv: [x, \"{{params.pw}}\"], read_only: true }\n"),
        ),
        (
            "a part of one",
            String::from("  - id: a\n    hosts: web-01\n    command: { argv: [x, \"-p{{params.pw}}\"], read_only: true }\n"),
        ),
        (
            "a path",
            String::from("  - id: a\n    hosts: web-01\n    command: { argv: [x], cwd: \"/{{params.pw}}\", read_only: true }\n"),
        ),
        (
            "a script",
            String::from("  - id: a\n    hosts: web-01\n    shell: { script: \"x {{params.pw}}\", read_only: true }\n"),
        ),
        ("a name", format!("  - id: a\n    name: \"Use {{{{params.pw}}}}\"\n    {read}")),
        (
            "a host",
            String::from("  - id: a\n    hosts: \"{{params.pw}}\"\n    command: { argv: [x], read_only: true }\n"),
        ),
        ("a user", format!("  - id: a\n    run_as: \"{{{{params.pw}}}}\"\n    {read}")),
        ("a condition", format!("  - id: a\n    when: params.pw != ''\n    {read}")),
        ("an index", format!("  - id: a\n    when: params['pw'] == 'x'\n    {read}")),
        ("the whole of params", format!("  - id: a\n    when: params == null\n    {read}")),
        (
            "a test for being there",
            format!("  - id: a\n    when: \"[params.pw].size() > 0\"\n    {read}"),
        ),
        (
            "a message",
            String::from("  - id: a\n    notify: { to: ops, message: \"pw {{params.pw}}\" }\n"),
        ),
        (
            "a message's condition",
            String::from("  - id: a\n    notify: { to: ops, message: \"{{json params}}\" }\n"),
        ),
        (
            "a question",
            String::from("  - id: a\n    approve: { ask: \"{{params.pw}}?\", from: [x] }\n"),
        ),
        (
            "items",
            String::from(
                "  - id: a\n    for_each: { as: i, items: \"[params.pw]\" }\n    steps:\n      - id: b\n        hosts: web-01\n        facts: [memory]\n",
            ),
        ),
        (
            "a helper",
            String::from("  - id: a\n    hosts: web-01\n    command: { argv: [x], stdin: \"{{upper params.pw}}\", read_only: true }\n"),
        ),
        (
            "json in input",
            String::from("  - id: a\n    hosts: web-01\n    command: { argv: [x], stdin: \"{{json params}}\", read_only: true }\n"),
        ),
    ];
    for (what, text) in cases {
        let problems = wrong(&steps(&text));
        assert!(problems.len() == 1 && problems[0].starts_with("RB0320 "), "{what}: {problems:#?}");
    }
    let command = "  - id: a\n    hosts: web-01\n    command: { argv: [x, \"-p{{params.pw}}\"], read_only: true }\n";
    one_mistake(
        &steps(command),
        &[
            "RB0320 10:31",
            "`params.pw` holds a secret, which cannot stand here",
            "a secret may reach `env`, `stdin`, `headers` and `password`",
        ],
    );
}

#[test]
fn a_secret_says_where_it_is_kept() {
    let declared = |text: &str| format!("params:\n  pw: {text}\nsteps:\n  - id: a\n    hosts: web-01\n    facts: [memory]\n");
    for (text, parts) in [
        ("{ type: secret }", ["RB0139 5:3", "does not say where it is kept", "env.NAME"]),
        (
            "{ type: secret, from: hunter2 }",
            ["RB0139 5:29", "this does not say", "file:/absolute/path"],
        ),
        (
            "{ type: secret, default: hunter2 }",
            ["RB0139 5:32", "no place to keep one", "remove `default`"],
        ),
        ("{ type: secret, from: \"file:here\" }", ["RB0139", "absolute path", ""]),
        ("{ type: secret, from: \"command:sh -c 'x'\" }", ["RB0139", "no shell reads", ""]),
        ("{ type: list of secret, from: env.A }", ["RB0114", "no lists of secrets", ""]),
        ("{ type: secret, from: env.A, min: 3 }", ["RB0114", "`min` means nothing", ""]),
    ] {
        one_mistake(&declared(text), &parts);
        assert!(!wrong(&declared(text))[0].contains("hunter2"), "{text}");
    }
    right(&declared("{ type: secret, from: \"command:/usr/bin/pass show db\" }"));
    right(&declared("{ type: secret, from: secret_sources.db }"));
}

#[test]
fn an_alert_gives_no_secret() {
    let text = format!(
        "{PARAMS}triggers:\n  - alertmanager: {{ match: {{ a: b }} }}\n    params: {{ pw: \"{{{{alert.labels.x}}}}\" }}\nsteps:\n  - id: a\n    hosts: web-01\n    facts: [memory]\n"
    );
    one_mistake(&text, &["RB0117", "secret", "from"]);
    right(&text.replace("    params: { pw: \"{{alert.labels.x}}\" }\n", ""));
}

#[test]
fn nobody_is_asked_to_type_a_secret() {
    let text = "steps:\n  - id: a\n    manual: { ask: \"?\", to: [x], fields: { pw: { type: secret } } }\n";
    one_mistake(text, &["RB0139 6:44", "field `pw` cannot be a secret", "declare it under `params`"]);
}
