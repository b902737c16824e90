//! Calls of other runbooks: what is found, what is refused and where it is said, what the caller sees of them.

use super::{compiled_with, file, step};
use crate::diagnostic::Sources;
use crate::lang::missing_files;
use crate::model::runbook::{ArgumentKind, Body, CallMode, Called, Runbook};

const DRAIN: &str = "runbook: drain\nlanguage: 1\ndescription: Take a server out and put it back.\nparams:\n  master: { type: host }\n  \
                     wait: { type: duration, default: 90s }\n  servers: { type: list of string, default: [] }\nhosts: \"{{params.master.name}}\"\nrequire:\n  \
                     - { name: It is there, facts: [memory], that: result.memory.available_percent > 0 }\nsteps:\n  \
                     - { id: before, facts: [memory] }\n  - id: out\n    pool.member: { pool: web, member: \"{{params.master.name}}\", state: drain, wait_drained: \"{{params.wait}}\" }\n    \
                     owes: back\n  - id: loud\n    when: params.wait.seconds > 60\n    facts: [cpu]\n  - id: back\n    \
                     pool.member: { pool: web, member: \"{{params.master.name}}\", state: ready }\non_failure:\n  \
                     - { id: page, escalate: { to: ops, message: \"{{params.master.name}}\" } }\noutputs:\n  was: steps.before.memory.available_percent\n  \
                     changed_hosts: run.hosts.changed\n";

/// Compiles `rest` as `runbooks/t.yaml` beside other files.
fn calling(rest: &str, others: &[(&str, &str)]) -> (Option<Runbook>, Vec<String>) {
    compiled_with(Some("t"), "runbooks/t.yaml", &file(rest), others)
}

/// `rest` calls `drain.yaml`; expects one mistake that holds all the parts.
fn refused(rest: &str, parts: &[&str]) {
    let (_, problems) = calling(rest, &[("runbooks/drain.yaml", DRAIN)]);
    assert_eq!(problems.len(), 1, "{problems:#?} in\n{rest}");
    for part in parts {
        assert!(problems[0].contains(part), "`{part}` is missing in\n{}", problems[0]);
    }
}

fn good(rest: &str) -> Runbook {
    let (runbook, problems) = calling(rest, &[("runbooks/drain.yaml", DRAIN)]);
    assert_eq!(problems, Vec::<String>::new(), "in\n{rest}");
    runbook.unwrap()
}

fn called<'r>(runbook: &'r Runbook, id: &str) -> &'r Called {
    runbook.called(&id.into()).unwrap_or_else(|| panic!("no call {id}"))
}

const CALL: &str = "steps:\n  - id: remedy\n    call: { runbook: drain.yaml, params: { master: web-01 } }\n";

#[test]
fn a_called_runbook_stands_at_its_place_under_names_of_its_own() {
    let runbook = good(&format!(
        "{CALL}  - id: out\n    hosts: web-01\n    facts: [memory]\n    when: steps.remedy.was > 3.0 && steps.remedy.changed\n"
    ));
    let remedy = called(&runbook, "remedy");
    assert_eq!((remedy.runbook.name.as_str(), remedy.mode), ("drain", CallMode::Run));
    assert!(matches!(remedy.params["master"].kind, ArgumentKind::Value(_)));
    let inner = step(&runbook, "remedy.out");
    assert_eq!(inner.owes.as_ref().unwrap().step.value.as_str(), "remedy.back");
    assert_eq!(inner.needs[0].as_str(), "remedy.before");
    assert_eq!(remedy.runbook.require[0].id.as_str(), "remedy.require.1");
    assert_eq!(remedy.runbook.on_failure[0].id.as_str(), "remedy.page");
    assert!(
        matches!(step(&runbook, "out").body, Body::Action(_)),
        "an outer namesake stays what it is"
    );
    assert_eq!(runbook.home_of(&"remedy.require.1".into()).name, "drain");
    assert_eq!(runbook.home_of(&"out.verify.1".into()).name, "t");
    assert_eq!(step(&runbook, "out").needs[0].as_str(), "remedy");
}

#[test]
fn the_file_is_in_the_callers_folder_or_below_and_is_there() {
    let call = |file: &str| format!("steps:\n  - id: a\n    call: {{ runbook: {file}, params: {{ master: web-01 }} }}\n");
    refused(
        &call("nowhere.yaml"),
        &[
            "RB0150 6:22",
            "there is no runbook `nowhere.yaml`",
            "looked for `runbooks/nowhere.yaml`",
        ],
    );
    refused(&call("drain"), &["RB0150", "did you mean `drain.yaml`"]);
    refused(
        &call("../runbooks/drain.yaml"),
        &["RB0150", "not a file in the folder of this runbook"],
    );
    refused(&call("/etc/drain.yaml"), &["RB0150", "not a file in the folder of this runbook"]);
    refused(&call("\"{{params.x}}.yaml\""), &["RB0022", "no placeholder is possible here"]);
    let (_, problems) = calling(&call("parts/drain.yaml"), &[("runbooks/parts/drain.yaml", DRAIN)]);
    assert_eq!(problems, Vec::<String>::new());
}

#[test]
fn a_call_stands_in_steps_only() {
    let steps = "steps:\n  - { id: one, hosts: web-01, facts: [cpu] }\n";
    for list in ["on_failure", "finally"] {
        let text = format!("{steps}{list}:\n  - {{ id: a, call: {{ runbook: drain.yaml, params: {{ master: web-01 }} }} }}\n");
        refused(&text, &["RB0150", "a call stands in `steps`"]);
    }
    let undo =
        "steps:\n  - id: one\n    hosts: web-01\n    command: { argv: [a] }\n    undo:\n      - { id: a, call: { runbook: drain.yaml } }\n";
    refused(undo, &["RB0150", "a call stands in `steps`"]);
    good(
        "steps:\n  - id: each\n    for_each: { as: web, hosts: webservers }\n    steps:\n      - { id: a, call: { runbook: drain.yaml, params: { master: \"{{web.name}}\" } } }\n",
    );
}

#[test]
fn parameters_are_checked_against_the_called_declarations() {
    let call = |params: &str| {
        format!(
            "params:\n  n: {{ type: int, default: 1 }}\n  d: {{ type: duration, default: 1s }}\n  h: {{ type: host }}\nsteps:\n  - id: a\n    call: {{ runbook: drain.yaml, params: {{ {params} }} }}\n"
        )
    };
    refused(
        &call("wait: 3s"),
        &["RB0152 10:22", "runbook `drain` needs parameter `master`: a host such as `web-01`"],
    );
    refused(
        &call("master: web-01, wiat: 3s"),
        &["RB0152 10:60", "has no parameter `wiat`", "did you mean `wait`", "-> wait"],
    );
    refused(
        &call("master: web-01, wait: soon"),
        &["RB0152 10:66", "parameter `wait`", "expected a duration", "found `soon`"],
    );
    refused(
        &call("master: \"{{params.n}}\""),
        &["RB0152", "parameter `master`: expected a host", "found a int"],
    );
    refused(
        &call("master: [web-01]"),
        &["RB0152", "parameter `master`: expected a host", "found a list"],
    );
    refused(&call("master: \"{{params.m}}\""), &["RB0203", "`params` has no field `m`"]);
    good(&call(
        "master: \"{{params.h.name}}\", wait: \"{{params.d}}\", servers: [a, \"{{params.n}}\"]",
    ));
}

#[test]
fn runbooks_do_not_call_each_other_in_a_circle() {
    let head = |name: &str| format!("runbook: {name}\nlanguage: 1\ndescription: Calls.\n");
    let calls = |name: &str, other: &str| format!("{}steps:\n  - id: x\n    call: {{ runbook: {other}.yaml }}\n", head(name));
    let (a, b, c) = (calls("a", "b"), calls("b", "c"), calls("c", "a"));
    let (_, problems) = compiled_with(Some("a"), "in/a.yaml", &a, &[("in/b.yaml", &b), ("in/c.yaml", &c)]);
    assert_eq!(problems.len(), 1, "{problems:#?}");
    assert!(
        problems[0].contains("RB0151 6:22 runbooks call each other in a circle: `a.yaml` → `b.yaml` → `c.yaml` → `a.yaml`"),
        "{problems:?}"
    );

    let end = format!("{}hosts: web-01\nsteps:\n  - {{ id: look, facts: [cpu] }}\n", head("z"));
    let chain = |length: usize| {
        let name = |n: usize| if n == length { String::from("z") } else { format!("c{n}") };
        let files: Vec<(String, String)> = (1..length)
            .map(|n| (format!("{}.yaml", name(n)), calls(&name(n), &name(n + 1))))
            .collect();
        let mut all: Vec<(&str, &str)> = files.iter().map(|(n, t)| (n.as_str(), t.as_str())).collect();
        all.push(("z.yaml", &end));
        compiled_with(Some("t"), "t.yaml", &calls("t", &name(1)), &all).1
    };
    assert_eq!(chain(4), Vec::<String>::new());
    assert!(
        matches!(chain(5).as_slice(), [one] if one.contains("RB0151") && one.contains("at most 4 deep")),
        "{:?}",
        chain(5)
    );

    // What has been compiled for a shallow call must not smuggle depth into a deep one.
    let top = format!(
        "{}steps:\n  - {{ id: direct, call: {{ runbook: c3.yaml }} }}\n  - {{ id: x, call: {{ runbook: c1.yaml }} }}\n",
        head("t")
    );
    let files: Vec<(String, String)> = (1..=4)
        .map(|n| {
            (
                format!("c{n}.yaml"),
                calls(&format!("c{n}"), &if n == 4 { String::from("z") } else { format!("c{}", n + 1) }),
            )
        })
        .collect();
    let mut all: Vec<(&str, &str)> = files.iter().map(|(n, t)| (n.as_str(), t.as_str())).collect();
    all.push(("z.yaml", &end));
    let (_, problems) = compiled_with(Some("t"), "t.yaml", &top, &all);
    assert!(problems.iter().any(|p| p.contains("at most 4 deep")), "{problems:?}");
}

#[test]
fn calls_do_not_multiply_without_end() {
    let call = |id: usize, file: &str| format!("  - {{ id: s{id}, call: {{ runbook: {file}.yaml }} }}\n");
    let text = |name: &str, other: &str| {
        let steps: String = (0..9).map(|n| call(n, other)).collect();
        format!("runbook: {name}\nlanguage: 1\ndescription: Many.\nsteps:\n{steps}")
    };
    let end = "runbook: z\nlanguage: 1\ndescription: The end.\nhosts: web-01\nsteps:\n  - { id: look, facts: [cpu] }\n";
    let (_, problems) = compiled_with(
        Some("a"),
        "a.yaml",
        &text("a", "b"),
        &[("b.yaml", &text("b", "z")), ("z.yaml", end)],
    );
    assert!(
        problems.iter().all(|p| p.contains("RB0151") && p.contains("at most 64 calls")),
        "{problems:?}"
    );
    assert!(!problems.is_empty());
}

#[test]
fn mistakes_of_a_called_file_are_told_at_their_place_and_once() {
    let broken = DRAIN.replace("  - { id: before, facts: [memory] }", "  - { id: before, fcts: [memory] }");
    let rest = format!(
        "{CALL}  - id: again\n    call: {{ runbook: drain.yaml, params: {{ master: web-02 }} }}\n  - id: see\n    hosts: web-01\n    facts: [cpu]\n    when: steps.remedy.was > 3.0\n"
    );
    let (runbook, problems) = calling(&rest, &[("runbooks/drain.yaml", &broken)]);
    assert!(runbook.is_none());
    assert_eq!(problems.len(), 1, "{problems:#?}");
    assert!(problems[0].starts_with("RB0106 12:19"), "{problems:?}");
    let (_, problems) = calling(CALL, &[("runbooks/drain.yaml", &DRAIN.replace("runbook: drain", "runbook: drian"))]);
    assert!(matches!(problems.as_slice(), [one] if one.starts_with("RB0103")), "{problems:?}");
}

#[test]
fn outputs_are_fields_of_the_calling_step() {
    let after = |line: &str| format!("{CALL}  - id: see\n    hosts: web-01\n    facts: [cpu]\n    when: {line}\n");
    refused(
        &after("steps.remedy.gained > 3.0"),
        &["RB0203", "`steps.remedy` has no field `gained`"],
    );
    refused(&after("steps.remedy.was == 'much'"), &["RB02"]);
    good(&after("steps.remedy.was > 3.0 && steps.remedy.ok"));
    let maybe = format!("{}    when: params.go\nparams:\n  go: {{ type: bool, default: true }}\n", CALL);
    let see = |line: &str| {
        maybe.replacen(
            "params:\n  go",
            &format!("  - id: see\n    hosts: web-01\n    facts: [cpu]\n    when: {line}\nparams:\n  go"),
            1,
        )
    };
    refused(&see("steps.remedy.was > 3.0"), &["`steps.remedy` may be skipped"]);
    good(&see("steps.remedy.ok && steps.remedy.was > 3.0"));
    let shown = after("steps.remedy.was > 3.0").replace("web-01 } }", "web-01 }, mode: plan }");
    refused(&shown, &["only shown (`mode: plan`)"]);
}

#[test]
fn an_output_is_known_when_all_steps_are_done() {
    let with = |outputs: &str| {
        format!(
            "params:\n  s: {{ type: host, default: web-01 }}\nhosts: \"{{{{params.s.name}}}}\"\nsteps:\n  - {{ id: a, facts: [memory] }}\n  - {{ id: b, when: steps.a.memory.available_percent > 3.0, facts: [cpu] }}\noutputs:\n{outputs}"
        )
    };
    refused(&with("  x: steps.b.cpu.count\n"), &["`steps.b` may be skipped"]);
    refused(&with("  x: steps.c.cpu.count\n"), &["RB02", "c"]);
    refused(&with("  ok: steps.a.ok\n"), &["RB0153", "an output cannot be called `ok`"]);
    refused(&with("  Big: steps.a.ok\n"), &["RB0101", "the name of an output"]);
    let runbook = good(&with("  x: \"steps.b.ok ? steps.b.cpu.count : 0\"\n"));
    assert_eq!(runbook.outputs["x"].kind.to_string(), "int");
}

#[test]
fn keys_that_mean_nothing_for_a_call_are_refused() {
    for key in [
        "hosts: web-01",
        "timeout: 3s",
        "allow_failure: true",
        "undo: keep",
        "retry: { attempts: 2 }",
    ] {
        refused(&format!("{CALL}    {key}\n"), &["RB0118", "means nothing for `call`"]);
    }
    refused(
        &CALL.replace(" } }", " }, mode: auto }"),
        &["RB0023", "expected one of `plan`, `approve`, `run`"],
    );
    refused(&format!("{CALL}    facts: [cpu]\n"), &["RB0110", "exactly one thing"]);
}

#[test]
fn an_alert_starts_no_destruction_by_a_call_without_asking() {
    let wipe = "runbook: wipe\nlanguage: 1\ndescription: No way back.\nhosts: web-01\nsteps:\n  - { id: rm, command: { argv: [rm, x] }, undo: none }\n";
    let text = |mode: &str| {
        format!(
            "triggers:\n  - alertmanager: {{ match: {{ a: b }} }}\n    mode: auto\nsteps:\n  - id: a\n    call: {{ runbook: wipe.yaml{mode} }}\n"
        )
    };
    let problems = |mode: &str| calling(&text(mode), &[("runbooks/wipe.yaml", wipe)]).1;
    assert!(
        matches!(problems("").as_slice(), [one] if one.starts_with("RB0407") && one.contains("step `a`")),
        "{:?}",
        problems("")
    );
    assert_eq!(problems(", mode: approve"), Vec::<String>::new());
    assert_eq!(problems(", mode: plan"), Vec::<String>::new());
}

#[test]
fn files_are_asked_for_until_none_is_missing() {
    let call = |name: &str, other: &str| {
        format!("runbook: {name}\nlanguage: 1\ndescription: x\nsteps:\n  - {{ id: x, call: {{ runbook: {other} }} }}\n")
    };
    let mut sources = Sources::new();
    sources.add("in/a.yaml", call("a", "parts/b.yaml"));
    assert_eq!(missing_files(&sources), ["in/parts/b.yaml"]);
    sources.add("in/parts/b.yaml", call("b", "../c.yaml"));
    assert_eq!(missing_files(&sources), Vec::<String>::new(), "what may not be called is not read");
    sources.add("d.yaml", "steps: [");
    assert_eq!(missing_files(&sources), Vec::<String>::new());
}

#[test]
fn a_secret_is_handed_on_alone_and_from_a_secret() {
    let called = "runbook: drain\nlanguage: 1\ndescription: x\nparams:\n  token: { type: secret, from: env.TOKEN }\nsteps:\n  \
        - { id: a, hosts: web-01, command: { argv: [x], stdin: '{{params.token}}', read_only: true } }\n";
    let of = |given: &str| {
        let caller = format!(
            "params:\n  pw: {{ type: secret, from: env.PW }}\n  who: {{ type: string, default: x }}\nsteps:\n  - {{ id: c, call: {{ runbook: drain.yaml, params: {{ {given} }} }} }}\n"
        );
        calling(&caller, &[("runbooks/drain.yaml", called)])
    };
    let (runbook, problems) = of("token: '{{params.pw}}'");
    assert_eq!(problems, Vec::<String>::new());
    assert!(runbook.is_some());
    // A literal could be the secret itself: it is not repeated.
    for given in [
        "token: hunter2",
        "token: '{{params.who}}'",
        "token: 'x{{params.pw}}'",
        "token: ['{{params.pw}}']",
    ] {
        let (_, problems) = of(given);
        assert!(
            problems.len() == 1 && problems[0].starts_with("RB0139") && !problems[0].contains("hunter2"),
            "{given}: {problems:#?}"
        );
    }
    let (_, problems) = of("");
    assert!(
        problems.len() == 1 && problems[0].starts_with("RB0152") && problems[0].contains("hand on a secret"),
        "{problems:#?}"
    );
    let plain = called
        .replace("{ type: secret, from: env.TOKEN }", "{ type: string }")
        .replace("stdin: '{{params.token}}', ", "");
    let caller = "params:\n  pw: { type: secret, from: env.PW }\nsteps:\n  - { id: c, call: { runbook: drain.yaml, params: { token: '{{params.pw}}' } } }\n";
    let (_, problems) = calling(caller, &[("runbooks/drain.yaml", &plain)]);
    assert!(problems.len() == 1 && problems[0].contains("holds a secret"), "{problems:#?}");
}
