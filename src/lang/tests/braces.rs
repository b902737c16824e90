//! `template: off`: in the action of a step or check, braces are ordinary characters.

use super::{argument, one_mistake, right, step};
use crate::base::value::Value;
use crate::model::action::Class;
use crate::model::runbook::{ArgumentKind, Body};

/// What the argument is, if nothing is to be filled in.
fn value(kind: &ArgumentKind) -> &Value {
    match kind {
        ArgumentKind::Value(value) => value,
        other => panic!("not as written: {other:?}"),
    }
}

/// Each is a mistake without the key, or would be filled in, quoted or unescaped.
const TEXTS: &[&str] = &[
    "{{.Names}} {{params.nobody}}",
    "{{params.who}}",
    "{{#if x}} {{{raw}}}",
    "\\{{x}} '{{x}}' {{",
    "}} {{!-- gone? --}}",
];

#[test]
fn everything_in_the_action_stays_as_written() {
    for text in TEXTS {
        let single = format!("'{}'", text.replace('\'', "''"));
        let runbook = right(&format!(
            "hosts: web-01\nparams: {{ who: {{ type: string, default: x }} }}\nsteps:\n\
             \x20 - {{ id: words, template: off, undo: none, command: {{ argv: [show, {single}], env: {{ FORM: {single} }}, stdin: {single} }} }}\n\
             \x20 - {{ id: script, template: off, undo: none, shell: {{ script: {single} }} }}\n\
             \x20 - {{ id: content, template: off, file.replace: {{ path: /etc/f, find: {single}, replace: {single} }} }}\n\
             \x20 - {{ id: body, template: off, undo: none, http: {{ url: \"http://h/\", method: POST, json: {{ a: [{single}] }} }} }}\n"
        ));
        let of = |id: &str, name: &str| value(argument(step(&runbook, id), name)).clone();
        assert_eq!(of("words", "argv"), Value::List(vec![Value::text("show"), Value::text(*text)]));
        assert_eq!(of("words", "env"), Value::map([("FORM", Value::text(*text))]));
        assert_eq!(of("words", "stdin"), Value::text(*text));
        assert_eq!(of("script", "script"), Value::text(*text));
        assert_eq!(of("content", "replace"), Value::text(*text));
        assert_eq!(of("body", "json"), Value::map([("a", Value::List(vec![Value::text(*text)]))]));
    }
}

#[test]
fn names_and_hosts_keep_their_placeholders_and_so_do_other_steps() {
    let runbook = right(
        "params: { who: { type: host, default: web-01 } }\nsteps:\n\
         \x20 - { id: a, name: \"ask {{params.who.name}}\", hosts: \"{{params.who.name}}\", template: off, command: { argv: [show, \"{{x}}\"], read_only: true } }\n\
         \x20 - { id: b, hosts: web-01, undo: none, command: { argv: [show, \"{{params.who.name}}\"] } }\n",
    );
    assert_eq!(step(&runbook, "a").name.as_literal(), None);
    assert_eq!(step(&runbook, "a").class, Class::Probe);
    assert!(matches!(argument(step(&runbook, "b"), "argv"), ArgumentKind::List(_)));
}

#[test]
fn a_check_has_it_too() {
    let runbook = right(
        "hosts: web-01\nsteps:\n\
         \x20 - id: start\n    service: { name: app, state: restarted }\n    verify:\n\
         \x20     - { name: it is there, template: off, command: { argv: [docker, ps, --format, \"{{.Names}}\"], read_only: true }, that: \"result.exit_code == 0\" }\n",
    );
    let Body::Action(call) = &step(&runbook, "start").verify[0].body else {
        panic!("no action")
    };
    assert!(value(&call.arguments["argv"].kind).to_string().contains("{{.Names}}"));
}

/// What is not a text is still checked, with the braces as what they are.
#[test]
fn a_wrong_argument_is_one_mistake() {
    let with = |call: &str| format!("hosts: web-01\nsteps:\n  - {{ id: s, template: off, {call} }}\n");
    one_mistake(
        &with("file.replace: { path: \"{{params.p}}\", find: a, replace: b }"),
        &["RB0109", "path", "{{params.p}}"],
    );
    one_mistake(&with("service: { name: app, state: \"{{x}}\" }"), &["RB0109", "started", "{{x}}"]);
    one_mistake(&with("command: { argv: [a], read_only: \"{{x}}\" }"), &["RB0109", "true"]);
    one_mistake(
        "hosts: web-01\nsteps:\n  - { id: s, template: on, facts: [cpu] }\n",
        &["RB0023", "`off`", "`on`"],
    );
}

#[test]
fn it_means_nothing_without_an_action() {
    for body in [
        "for_each: { as: w, hosts: webs }, steps: [{ id: i, facts: [cpu] }]",
        "approve: { ask: \"go on?\", from: [ops] }",
        "manual: { ask: \"do it\", to: ops }",
        "decide: [{ is: x }]",
    ] {
        one_mistake(
            &format!("hosts: web-01\nsteps:\n  - {{ id: s, template: off, {body} }}\n"),
            &["RB0118", "`template` means nothing"],
        );
    }
}
