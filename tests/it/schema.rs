//! The JSON Schemas, judged by a validator that is not ours: they accept what the parser accepts, refuse what it refuses for its
//! structure, and offer an editor exactly the keys that the parser knows.

use std::collections::BTreeSet;

use jsonschema::Validator;
use runbook::action::CATALOG;
use runbook::diagnostic::{Diagnostic, Sources};
use runbook::model::action::Catalog;
use runbook::yaml::{Node, NodeKind};
use runbook::{inventory, lang, yaml};
use serde_json::{Map, Value as Json, json};

use crate::source;

const HEAD: &str = "runbook: t\nlanguage: 1\ndescription: A test.\n";
const STEP: &str = "steps:\n  - id: one\n    hosts: web-01\n    facts: [memory]\n";

fn runbooks() -> Validator {
    jsonschema::draft7::new(&lang::schema(&CATALOG)).unwrap()
}

fn inventories() -> Validator {
    jsonschema::draft7::new(&inventory::schema()).unwrap()
}

/// What an editor would hand to its validator.
fn json_of(text: &str) -> Json {
    let mut sources = Sources::new();
    let id = sources.add("t.yaml", text);
    let (node, problems) = yaml::read(&sources, id);
    assert!(!problems.has_errors(), "{problems:?}\n{text}");
    plain(&node.unwrap())
}

fn plain(node: &Node) -> Json {
    use runbook::base::value::Value;
    match &node.kind {
        NodeKind::List(items) => items.iter().map(plain).collect(),
        NodeKind::Map(entries) => Json::Object(entries.iter().map(|e| (e.key.value.clone(), plain(&e.value))).collect()),
        NodeKind::Scalar(scalar) => match scalar.value() {
            Value::Null => Json::Null,
            Value::Bool(b) => json!(b),
            Value::Int(n) => json!(n),
            Value::Float(n) => json!(n),
            _ => json!(scalar.text),
        },
    }
}

/// The parser's mistakes, with the line of each.
fn mistakes(text: &str) -> Vec<(usize, Diagnostic)> {
    let mut sources = Sources::new();
    let id = sources.add("t.yaml", text);
    let found = lang::compile(&sources, id, None, &CATALOG).1;
    let line = |d: &Diagnostic| d.span.and_then(|s| sources.position(s)).map_or(0, |at| at.0);
    found
        .iter()
        .filter(|d| d.severity == runbook::diagnostic::Severity::Error)
        .map(|d| (line(d), d.clone()))
        .collect()
}

fn texts(folder: &str) -> Vec<(String, String)> {
    let yaml = source::files(folder)
        .into_iter()
        .filter(|f| f.ends_with(".yaml") && !f.ends_with(".test.yaml"));
    yaml.map(|f| (f.clone(), source::text(&f))).collect()
}

/// Runbooks that compile: the shipped ones, that of the README, the right examples of the pages, and the examples of the actions.
fn good_runbooks() -> Vec<(String, String)> {
    let mut good = texts("runbooks");
    let pages = runbook::diagnostic::code::pages();
    let everything = pages
        .iter()
        .map(|(code, page)| (*code, *page))
        .chain([("README", include_str!("../../README.md"))]);
    for (name, page) in everything {
        for block in page.split("\n```").skip(1).step_by(2) {
            let (tag, text) = block.split_once('\n').unwrap();
            if (tag == "right" || tag == "yaml") && text.starts_with("runbook:") && mistakes(text).is_empty() {
                good.push((name.to_owned(), text.to_owned()));
            }
        }
    }
    good
}

#[test]
fn what_compiles_is_valid() {
    let (judge, good) = (runbooks(), good_runbooks());
    assert!(good.len() > 30, "{}", good.len());
    for (name, text) in good {
        let document = json_of(&text);
        let errors: Vec<String> = judge
            .iter_errors(&document)
            .map(|e| format!("{}: {e}", e.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{name}: {errors:#?}\n{text}");
    }
    let judge = inventories();
    for (name, text) in texts("inventory") {
        assert!(judge.is_valid(&json_of(&text)), "{name}");
    }
}

/// Structure only: unknown keys, missing ones, wrong types. What stands here is added to a good runbook, or stands for its steps.
const BAD: &[&str] = &[
    // the runbook's own keys
    "stepz: []",
    "hosts: [a]",
    "hosts:",
    "run_as: { user: root }",
    "lock: { a: b }",
    "deadline: 5",
    "deadline: soon",
    "deadline: [1h]",
    "params: []",
    "params: { a: string }",
    "params: { a: {} }",
    "params: { a: { type: strin } }",
    "params: { a: { type: list of x } }",
    "params: { a: { typ: string } }",
    "params: { a: { type: string, defalt: x } }",
    "params: { a: { type: [string] } }",
    "params: { a: { type: choice, choices: { a: b } } }",
    "triggers: {}",
    "triggers: [{}]",
    "triggers: [{ alertmanager: {} }]",
    "triggers: [{ alertmanager: { match: [a] } }]",
    "triggers: [{ alertmanager: { match: { a: b } }, mode: sometimes }]",
    "triggers: [{ alertmanager: { match: { a: b } }, dedupe: { by: [a] } }]",
    "notify: ops",
    "notify: { to: ops }",
    "notify: { to: ops, events: [begin] }",
    "notify: { to: ops, events: [start], massage: x }",
    "require: { name: x }",
    "require: [{ name: x, that: true }]",
    "require: [{ that: true, facts: [memory], hosts: web-01 }]",
    "require: [{ name: x, facts: [memory], hosts: web-01 }]",
    "verify: [{ name: x, that: true, facts: [memory], id: y }]",
    "verify: yes",
    "on_failure: { id: x }",
    "finally: [x]",
    // steps
    "steps: []",
    "steps: {}",
    "steps: [{}]",
    "steps: [{ facts: [memory] }]",
    "steps: [{ id: one }]",
    "steps: [{ id: One, facts: [memory] }]",
    "steps: [{ id: one, facts: [memory], tcp: { port: 80 } }]",
    "steps: [{ id: one, fakts: [memory] }]",
    "steps: [{ id: one, hosts: a, facts: [memory], nedes: [] }]",
    "steps: [{ id: one, hosts: a, facts: [memory], needs: { a: b } }]",
    "steps: [{ id: one, hosts: a, facts: [memory], when: [true] }]",
    "steps: [{ id: one, hosts: a, facts: [memory], allow_empty: maybe }]",
    "steps: [{ id: one, hosts: a, facts: [memory], retry: 3 }]",
    "steps: [{ id: one, hosts: a, facts: [memory], retry: { delay: 1s } }]",
    "steps: [{ id: one, hosts: a, facts: [memory], retry: { attempts: 0 } }]",
    "steps: [{ id: one, hosts: a, facts: [memory], undo: never }]",
    "steps: [{ id: one, hosts: a, facts: [memory], owes: {} }]",
    "steps: [{ id: one, hosts: a, facts: [memory], leave: { until: 1h } }]",
    "steps: [{ id: one, hosts: a, facts: [memory], pool_effect: some }]",
    "steps: [{ id: one, for_each: { as: x, hosts: a } }]",
    "steps: [{ id: one, for_each: { as: x }, steps: [{ id: two, facts: [memory] }] }]",
    "steps: [{ id: one, for_each: { as: x, hosts: a, items: b }, steps: [{ id: two, facts: [memory] }] }]",
    "steps: [{ id: one, for_each: { as: x, hosts: a, max_parallel: 1, max_unavailable: 1 }, steps: [{ id: two, facts: [memory] }] }]",
    "steps: [{ id: one, for_each: { hosts: a }, steps: [{ id: two, facts: [memory] }] }]",
    "steps: [{ id: one, for_each: { as: x, hosts: a, max_parallel: 0 }, steps: [{ id: two, facts: [memory] }] }]",
    "steps: [{ id: one, for_each: { as: x, hosts: a, max_unavailable: few }, steps: [{ id: two, facts: [memory] }] }]",
    "steps: [{ id: one, facts: [memory], steps: [{ id: two, facts: [memory] }] }]",
    "steps: [{ id: one, approve: { ask: x } }]",
    "steps: [{ id: one, approve: { ask: x, from: [y], quorum: none } }]",
    "steps: [{ id: one, approve: { ask: x, from: [y], on_timeout: approve } }]",
    // parameters of actions
    "steps: [{ id: one, hosts: a, facts: [weather] }]",
    "steps: [{ id: one, hosts: a, service: app }]",
    "steps: [{ id: one, hosts: a, service: { name: app, stat: started } }]",
    "steps: [{ id: one, hosts: a, service: { name: app, state: gone } }]",
    "steps: [{ id: one, hosts: a, service: { state: started } }]",
    "steps: [{ id: one, hosts: a, tcp: { port: http } }]",
    "steps: [{ id: one, pool.member: { pool: web, member: a, state: drain, wait_drained: long } }]",
    "steps: [{ id: one, hosts: a, undo: none, command: { argv: { a: b } } }]",
    "steps: [{ id: one, hosts: a, undo: none, command: { argv: [a], env: [b] } }]",
    "steps: [{ id: one, hosts: a, file.write: { path: etc/motd, content: x } }]",
    "steps: [{ id: one, hosts: a, file.write: { path: /etc/motd, content: x, mode: 644 } }]",
    "steps: [{ id: one, hosts: a, http: { url: \"example.org\" } }]",
    "steps: [{ id: one, hosts: a, undo: none, shell: { script: [a] } }]",
    "steps: [{ id: one, hosts: a, file.write: { path: /etc/motd, content: x, backup: perhaps } }]",
];

#[test]
fn what_has_the_wrong_structure_is_refused_by_both() {
    let judge = runbooks();
    assert!(judge.is_valid(&json_of(&format!("{HEAD}{STEP}"))) && mistakes(&format!("{HEAD}{STEP}")).is_empty());
    let whole = [
        "runbook: t\nlanguage: 1\n",
        "runbook: T\nlanguage: 1\ndescription: x\n",
        "runbook: t\nlanguage: 2\ndescription: x\n",
    ];
    let mut texts: Vec<String> = whole.iter().map(|head| format!("{head}{STEP}")).collect();
    texts.push(HEAD.to_owned());
    for bad in BAD {
        let steps = if bad.starts_with("steps:") { "" } else { STEP };
        texts.push(format!("{HEAD}{bad}\n{steps}"));
    }
    assert!(texts.len() >= 60);
    for text in texts {
        assert!(!mistakes(&text).is_empty(), "the parser accepts\n{text}");
        assert!(!judge.is_valid(&json_of(&text)), "the schema accepts\n{text}");
    }
}

/// Every place of a document, with every change that could be made there.
fn mutations(document: &Json, at: &mut Vec<String>, found: &mut Vec<(Vec<String>, Option<Json>)>) {
    let replacements = [Json::Null, json!([[1]]), json!({ "strange": { "key": [] } }), json!(-1.5)];
    if !at.is_empty() {
        found.push((at.clone(), None));
        found.extend(replacements.into_iter().map(|r| (at.clone(), Some(r))));
    }
    let children: Vec<(String, &Json)> = match document {
        Json::Object(map) => map.iter().map(|(k, v)| (k.clone(), v)).collect(),
        Json::Array(list) => list.iter().enumerate().map(|(i, v)| (i.to_string(), v)).collect(),
        _ => return,
    };
    if document.is_object() {
        let mut inside = at.clone();
        inside.push(String::from("strange_key"));
        found.push((inside, Some(json!("x"))));
    }
    for (name, child) in children {
        at.push(name);
        mutations(child, at, found);
        at.pop();
    }
}

fn changed(document: &Json, at: &[String], to: Option<&Json>) -> Json {
    let [name, rest @ ..] = at else {
        return to.cloned().unwrap_or_default();
    };
    let mut copy = document.clone();
    let index = name.parse::<usize>();
    match (&mut copy, rest.is_empty() && to.is_none()) {
        (Json::Object(map), true) => drop(map.remove(name)),
        (Json::Array(list), true) => drop(list.remove(index.unwrap())),
        (Json::Object(map), false) => {
            let inner = map.get(name).cloned().unwrap_or_default();
            map.insert(name.clone(), changed(&inner, rest, to));
        }
        (Json::Array(list), false) => {
            let at = index.unwrap();
            list[at] = changed(&list[at].clone(), rest, to);
        }
        _ => {}
    }
    copy
}

/// Shipped runbooks with one thing changed: what the schema refuses the parser refuses, too; and the parser's mistakes of structure
/// are the schema's.
#[test]
fn changed_runbooks_are_judged_alike() {
    const STRUCTURE: [&str; 6] = ["RB0020", "RB0021", "RB0022", "RB0107", "RB0108", "RB0110"];
    let judge = runbooks();
    let (mut refused, mut accepted, mut wrong) = (0, 0, Vec::new());
    for (name, text) in texts("runbooks") {
        let document = json_of(&text);
        assert_eq!(mistakes(&serde_json::to_string_pretty(&document).unwrap()), []);
        let mut all = Vec::new();
        mutations(&document, &mut Vec::new(), &mut all);
        for (at, to) in all {
            let mutant = changed(&document, &at, to.as_ref());
            // JSON is YAML.
            let found = mistakes(&serde_json::to_string_pretty(&mutant).unwrap());
            let valid = judge.is_valid(&mutant);
            let structure: Vec<String> = found
                .iter()
                .filter(|(_, d)| STRUCTURE.contains(&d.code))
                .map(|(_, d)| format!("{}: {}", d.code, d.message))
                .collect();
            match valid {
                true => accepted += 1,
                false => refused += 1,
            }
            if !valid && found.is_empty() {
                wrong.push(format!("{name} {} = {to:?}: only the schema refuses", at.join("/")));
            }
            if valid && !structure.is_empty() {
                wrong.push(format!("{name} {} = {to:?}: only the parser refuses: {structure:?}", at.join("/")));
            }
        }
    }
    assert!(refused > 500 && accepted > 50, "{refused} refused, {accepted} accepted");
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

/// Places in a runbook as an editor's cursor finds them: the schema's pointer, and a text in which `@` stands for a key.
const PLACES: &[(&str, &str)] = &[
    ("runbook", "@\n"),
    ("param", "params:\n  p:\n    @\n"),
    ("trigger", "triggers:\n  - @\n"),
    ("alert", "triggers:\n  - alertmanager:\n      @\n"),
    ("pagerduty", "triggers:\n  - pagerduty:\n      @\n"),
    ("webhook", "triggers:\n  - webhook:\n      @\n"),
    ("schedule", "triggers:\n  - schedule:\n      @\n"),
    ("dedupe", "triggers:\n  - dedupe:\n      @\n"),
    ("notify", "notify:\n  @\n"),
    ("step", "steps:\n  - @\n"),
    ("check", "verify:\n  - @\n"),
    ("invariant", "invariants:\n  - @\n"),
    ("call", "steps:\n  - call:\n      @\n"),
    ("for_each", "steps:\n  - for_each:\n      @\n"),
    ("retry", "steps:\n  - retry:\n      @\n"),
    ("owes", "steps:\n  - owes:\n      @\n"),
    ("leave", "steps:\n  - leave:\n      @\n"),
    ("call", "steps:\n  - call:\n      @\n"),
    ("manual", "steps:\n  - manual:\n      @\n"),
    ("call", "steps:\n  - call:\n      @\n"),
    ("branch", "steps:\n  - decide:\n      - @\n"),
    ("approve", "steps:\n  - approve:\n      @\n"),
];

fn properties(definition: &Json) -> Map<String, Json> {
    let long = definition["anyOf"].get(0).unwrap_or(definition);
    long["properties"].as_object().cloned().unwrap_or_default()
}

/// True if the parser knows the key at `@`.
fn known(text: &str, key: &str) -> bool {
    let line = text.lines().position(|l| l.contains('@')).unwrap() + 1;
    let text = text.replace('@', &format!("{key}: x"));
    let unknown = ["RB0020", "RB0106", "RB0107"];
    !mistakes(&text)
        .iter()
        .any(|(at, d)| *at == line && unknown.contains(&d.code) && d.message.contains(&format!("`{key}`")))
}

#[test]
fn an_editor_offers_exactly_the_keys_that_are_read() {
    let schema = lang::schema(&CATALOG);
    let definitions = schema["definitions"].as_object().unwrap();
    let mut places: Vec<(String, String)> = PLACES.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    for name in CATALOG.names() {
        places.push((format!("action:{name}"), format!("steps:\n  - id: one\n    {name}:\n      @\n")));
    }
    let visited: BTreeSet<&str> = places.iter().map(|(name, _)| name.as_str()).collect();
    let missed: Vec<&String> = definitions.keys().filter(|k| !visited.contains(k.as_str())).collect();
    // A table that has come since needs a line in PLACES.
    assert!(missed.is_empty(), "never visited: {missed:?}");
    let every: BTreeSet<String> = definitions
        .values()
        .flat_map(|d| properties(d).into_iter().map(|(k, _)| k))
        .collect();
    // What the schema forgot altogether is among the keys of the language.
    let more: Vec<String> = lang::reference::key_names()
        .into_iter()
        .chain(["strange"])
        .map(String::from)
        .collect();
    for (name, text) in places {
        let offered = properties(&definitions[&name]);
        for (key, schema) in &offered {
            assert!(
                schema["description"].as_str().is_some_and(|d| d.len() > 3),
                "{name}.{key} has no description"
            );
        }
        for key in every.iter().chain(&more) {
            // Any probe may stand in a check; which actions can be one, only their parameters tell.
            if ["check", "invariant"].contains(&name.as_str()) && CATALOG.get(key).is_some() {
                continue;
            }
            assert_eq!(offered.contains_key(key), known(&text, key), "`{key}` at {name}: offered, and read");
        }
    }
}

#[test]
fn inventories_are_judged_alike() {
    let judge = inventories();
    let head = "hosts:\n  web-01: { address: 192.0.2.1 }\n  lb-01:\n";
    let refused = |text: &str| {
        let mut sources = Sources::new();
        let id = sources.add("t.yaml", text);
        inventory::parse(&sources, &[(id, String::new())]).1.has_errors()
    };
    for good in [
        "",
        "groups:\n",
        "groups: { a: { hosts: [web-01], groups: [b] }, b: { vars: { x: [1] } } }\n",
        "pools: { web: { kind: haproxy, balancers: lb-01, members: web-01, min_in_service: 50% } }\n",
    ] {
        let text = format!("{head}{good}");
        assert!(!refused(&text) && judge.is_valid(&json_of(&text)), "{text}");
    }
    for bad in [
        "host: {}\n",
        "groups: []\n",
        "groups: { a: }\n",
        "groups: { a: { host: [web-01] } }\n",
        "groups: { a: { hosts: web-01 } }\n",
        "groups: { a: { port: x } }\n",
        "groups: { a: { port: 0 } }\n",
        "groups: { a: { service_manager: upstart } }\n",
        "groups: { a: { run_as: root } }\n",
        "groups: { a: { memory_from: swap } }\n",
        "groups: { a: { memory_from: { service: a, cgroup: b } } }\n",
        "groups: { a: { vars: [x] } }\n",
        "groups: { a: { ansible_host: x } }\n",
        "groups: { a: { address: [x] } }\n",
        "groups: { a: { address: } }\n",
        "pools: { web: { kind: haproxy } }\n",
        "pools: { web: { kind: nginx, balancers: lb-01, members: web-01, min_in_service: 1 } }\n",
        "pools: { web: { kind: haproxy, balancers: lb-01, members: web-01, min_in_service: few } }\n",
        "pools: { web: { kind: haproxy, balancers: lb-01, members: web-01, min_in_service: 1, healht: x } }\n",
        "pools: { web: { kind: haproxy, balancers: lb-01, members: web-01, min_in_service: 1, config: haproxy.cfg } }\n",
        "pools: { web: { kind: haproxy, balancers: [lb-01], members: web-01, min_in_service: 1 } }\n",
    ] {
        let text = format!("{head}{bad}");
        assert!(refused(&text), "the parser accepts\n{text}");
        assert!(!judge.is_valid(&json_of(&text)), "the schema accepts\n{text}");
    }
}
