//! The canonical form, held against the plan as it is written out: every field that matters, changed alone, moves the digest; those
//! listed here do not. A field that comes later and is in neither turns this red.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value as Json, json};

use super::{HEAD, hosts, planned_on};
use crate::model::operation::{Act, Operation, Output};
use crate::model::plan::{Capacity, Plan, PoolForecast, Refusal};
use crate::model::value::Value;
use crate::plan::digest::digest;

/// What does not count, and why. A path ends where everything below it is meant.
const FREE: &[(&str, &str)] = &[
    ("digest", "it is the digest"),
    ("made_at", "time passes"),
    ("description", "stands in the text, which counts as a whole"),
    ("warnings", "words that follow from the rest"),
    ("kept_turns", "follows from the text"),
    ("invariants[].name", "stands in the text; its placeholders hold measured numbers"),
    (
        "invariants[].standing",
        "words with measured numbers; judged again around every change",
    ),
    ("refusals[].message", "words that count seconds; a refused plan never runs"),
    ("refusals[].counterexample", "likewise"),
    ("refusals[].instead", "likewise"),
    ("pools[].members[].map.seconds_in_state", "an age"),
    ("pools[].members[].map.sessions", "a counter"),
    ("pools[].members[].map.check", "the words of the last health check"),
    (
        "nodes[].bindings",
        "what of them reaches a host stands in the arguments, which item it is in the turn",
    ),
    ("nodes[].name", "stands in the text"),
    ("nodes[].notes", "words that follow from the rest"),
    ("nodes[].after", "follows from the pools as they are and the effects"),
    ("nodes[].forecast.why", "words with measured numbers; the certainty counts"),
];
/// Where the same words count for one kind of step and not for another; each is proved by a test of its own.
const MIXED: &[&str] = &["nodes[].forecast.summary", "nodes[].arguments"];

const LOOK: &str = "runbook: look
language: 1
description: Look at one server.
params:
  server: { type: host, from: all_web }
hosts: '{{params.server.name}}'
steps:
  - { id: a, facts: [memory] }
  - { id: write, file.write: { path: /etc/motd, content: 'new' } }
";
const STEPS: &str = "params: { text: { type: string, default: x }, wait: { type: duration, default: 3s } }
hosts: webservers
invariants:
  - { name: The file says so, file.search: { path: /etc/x, text: old }, that: result.found }
  - { name: It does so later, from: it, file.search: { path: /etc/x, text: old }, that: result.found }
steps:
  - { id: before, file.search: { path: /etc/x, text: old } }
  - { id: way, decide: [{ when: 'params.text == \"x\"', is: one }, { is: two }] }
  - { id: ask, approve: { ask: Go on?, from: [anna] } }
  - { id: never, when: 'params.text == \"y\"', file.write: { path: /etc/z, content: z } }
  - { id: it, call: { runbook: look.yaml, params: { server: web-03 } } }
  - id: each
    for_each: { as: web, hosts: webservers, max_parallel: 1, pause: 10s }
    steps:
      - { id: drain, pool.member: { pool: web, member: '{{web.name}}', state: drain }, owes: back }
      - { id: cut, undo: none, command: { argv: [cut, '{{params.text}}'] } }
      - { id: back, pool.member: { pool: web, member: '{{web.name}}', state: ready } }
  - { id: tell, notify: { to: ops, message: 'about {{params.text}}' } }
  # Nothing is foretold of what comes after a person.
  - { id: hand, manual: { ask: x, to: y } }
";

fn sees(operation: &Operation) -> Option<Output> {
    matches!(operation.act, Act::ReadFile { .. }).then(|| Output::File {
        content: String::from("old\n"),
        utf8: true,
        mode: String::from("0644"),
        owner: String::from("root"),
        group: String::from("root"),
        sha256: String::new(),
    })
}

fn web(serving: usize) -> PoolForecast {
    let member = |name: &str| {
        Value::map([
            ("name", Value::text(name)),
            ("state", Value::text("ready")),
            ("up", Value::Bool(true)),
            ("weight", Value::Int(100)),
            ("seconds_in_state", Value::Int(7)),
            ("sessions", Value::Int(3)),
            ("check", Value::text("L7OK/200")),
        ])
    };
    PoolForecast {
        now: Capacity {
            pool: "web".into(),
            serving,
            enabled: 2,
            total: 2,
            minimum: 1,
        },
        members: vec![member("web-01"), member("web-02")],
    }
}

/// A plan in which every field holds something.
fn rich() -> Plan {
    let text = format!("{HEAD}{STEPS}");
    let mut plan = planned_on((&text, &[("look.yaml", LOOK)]), &[], false, &sees).unwrap_or_else(|d| panic!("{d:#?}"));
    plan.pools = vec![web(2)];
    plan.empty_loops = vec!["none".into()];
    plan.refusals.push(Refusal {
        order: Vec::new(),
        node: Some("cut".into()),
        message: String::from("for 3m50s"),
        counterexample: vec![String::from("one")],
        instead: Some(String::from("two")),
    });
    plan
}

fn of(plan: &Plan) -> String {
    digest(plan, STEPS, &hosts())
}

fn read(document: &Json) -> Option<Plan> {
    serde_json::from_value(document.clone()).ok()
}

/// `nodes[].touches[]`: places that mean the same.
fn kind_of(path: &[String]) -> String {
    let mut kind = String::new();
    for part in path {
        match part.parse::<usize>() {
            Ok(_) => kind.push_str("[]"),
            Err(_) if kind.is_empty() => kind.push_str(part),
            Err(_) => kind.push_str(&format!(".{part}")),
        }
    }
    kind
}

fn is_under(kind: &str, top: &str) -> bool {
    kind.strip_prefix(top)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

fn places(document: &Json, at: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    let children: Vec<(String, &Json)> = match document {
        Json::Object(map) => map.iter().map(|(k, v)| (k.clone(), v)).collect(),
        Json::Array(list) => list.iter().enumerate().map(|(i, v)| (i.to_string(), v)).collect(),
        _ => Vec::new(),
    };
    if !at.is_empty() {
        found.push(at.clone());
    }
    for (name, child) in children {
        at.push(name);
        places(child, at, found);
        at.pop();
    }
}

fn all_places(document: &Json) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    places(document, &mut Vec::new(), &mut found);
    found
}

fn pointer(path: &[String]) -> String {
    path.iter()
        .map(|p| format!("/{}", p.replace('~', "~0").replace('/', "~1")))
        .collect()
}

/// What may stand at a place instead, whatever it is; what does not fit is not read.
fn others(now: &Json, seen: &[Json]) -> Vec<Json> {
    const WORDS: [&str; 8] = [
        "probe",
        "destructive",
        "steps",
        "finally",
        "takes",
        "disturbs",
        "keep",
        "impossible",
    ];
    let mut others: Vec<Json> = match now {
        Json::String(text) => vec![json!(format!("{text}x"))],
        Json::Number(n) => n.as_i64().map(|n| json!(n + 1)).into_iter().collect(),
        Json::Bool(b) => vec![json!(!b)],
        Json::Null => vec![json!("x"), json!({ "secs": 1, "nanos": 0 })],
        Json::Array(list) => {
            let more = list.first().cloned().unwrap_or(json!("x"));
            vec![list.iter().cloned().chain([more]).collect(), list.iter().skip(1).cloned().collect()]
        }
        Json::Object(map) if map.is_empty() => vec![json!({ "x": { "text": "y" } })],
        Json::Object(_) => Vec::new(),
    };
    // Of a map every field is changed by itself.
    others.extend(seen.iter().filter(|_| !now.is_object()).cloned());
    others.extend(WORDS.map(|w| json!(w)));
    others.push(json!([{ "pool": "web", "serving": 1, "enabled": 1, "total": 2, "minimum": 1 }]));
    others.push(json!([{ "pool": "web", "member": "web-05", "kind": "takes" }]));
    others.retain(|o| o != now);
    others
}

/// Plans that differ from this document at one place.
fn changed<'d>(document: &'d Json, path: &'d [String], seen: &[Json]) -> impl Iterator<Item = Plan> + 'd {
    let now = document.pointer(&pointer(path)).cloned().unwrap_or_default();
    others(&now, seen).into_iter().filter_map(|other| {
        let mut copy = document.clone();
        if let Some(place) = copy.pointer_mut(&pointer(path)) {
            *place = other;
        }
        // What reading drops was no change.
        read(&copy).filter(|plan| json!(plan) != *document)
    })
}

fn samples(document: &Json) -> BTreeMap<String, Vec<Json>> {
    let mut samples: BTreeMap<String, Vec<Json>> = BTreeMap::new();
    for path in all_places(document) {
        let value = document.pointer(&pointer(&path)).filter(|v| !v.is_object());
        let known = samples.entry(kind_of(&path)).or_default();
        known.extend(value.filter(|v| known.len() < 6 && !known.contains(v)).cloned());
    }
    samples
}

static RICH: LazyLock<(Json, BTreeMap<String, Vec<Json>>)> = LazyLock::new(|| {
    let document = json!(rich());
    let samples = samples(&document);
    (document, samples)
});

#[test]
fn every_field_counts_but_those_listed() {
    let plan = rich();
    let (document, before) = (json!(plan), of(&plan));
    let samples = samples(&document);
    let (mut tried, mut stuck, mut wrong) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut often: BTreeMap<String, usize> = BTreeMap::new();
    for path in all_places(&document) {
        let kind = kind_of(&path);
        // Two places of a kind tell what a hundred tell.
        let times = often.entry(kind.clone()).or_default();
        *times += 1;
        if *times > 2 && tried.contains(&kind) {
            continue;
        }
        if MIXED.iter().any(|top| is_under(&kind, top)) {
            continue;
        }
        let free = FREE.iter().any(|(top, _)| is_under(&kind, top));
        let plans: Vec<Plan> = changed(&document, &path, &samples[&kind]).collect();
        match plans.is_empty() {
            true => stuck.insert(kind.clone()),
            false => tried.insert(kind.clone()),
        };
        for other in plans {
            if (of(&other) == before) != free {
                wrong.insert(format!(
                    "{kind} at {}: {}",
                    path.join("/"),
                    if free { "moves it" } else { "does not count" }
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // An object is changed by its fields; everything else must have been changed at least once.
    let stuck: Vec<_> = stuck.iter().filter(|k| !tried.iter().any(|t| is_under(t, k))).collect();
    assert!(stuck.is_empty(), "nothing else was found that may stand at {stuck:#?}");
    for (top, why) in FREE {
        assert!(!why.is_empty() && tried.iter().any(|k| is_under(k, top)), "nothing stands at {top}");
    }
    // Who adds a field to the plan comes by here: it must hold something in `rich`.
    let Plan {
        runbook: _,
        description: _,
        digest: _,
        made_at: _,
        offline: _,
        params: _,
        nodes: _,
        pools: _,
        refusals: _,
        warnings: _,
        invariants: _,
        empty_loops: _,
        kept_turns: _,
    } = &plan;
    for field in [
        "params.text",
        "nodes[].call",
        "nodes[].pause.secs",
        "nodes[].diff",
        "nodes[].owes",
        "nodes[].turns[].key",
        "nodes[].undo.call.action",
        "nodes[].pool_effects[].kind",
        "invariants[].since",
        "invariants[].from",
        "empty_loops[]",
        "kept_turns[]",
        "nodes[].forecast.is",
        "pools[].members[].map.weight.int",
        "pools[].now.minimum",
    ] {
        assert!(tried.iter().any(|k| is_under(k, field)), "{field} never held anything: {tried:#?}");
    }
}

#[test]
fn arguments_and_words_count_where_they_decide_what_is_done() {
    let plan = rich();
    let before = of(&plan);
    let moved = |id: &str, change: &dyn Fn(&mut Json)| {
        let mut document = json!(plan);
        let nodes = document["nodes"].as_array_mut().unwrap();
        let node = nodes.iter_mut().find(|n| n["row"] == id).unwrap_or_else(|| panic!("no {id}"));
        let was = node.clone();
        change(node);
        assert_ne!(&was, node, "{id}");
        of(&read(&document).unwrap()) != before
    };
    let summary = |node: &mut Json| node["forecast"]["summary"] = json!("other words");
    let argument = |name: &'static str| move |node: &mut Json| node["arguments"][name] = json!({ "text": "other" });
    for id in ["each[web-01].cut", "it.write"] {
        assert!(moved(id, &summary), "{id}");
    }
    assert!(moved("it.write", &argument("content")));
    assert!(moved("it.write", &argument("more")));
    assert!(moved("tell", &argument("to")));
    // Words to people, with numbers of this moment.
    assert!(!moved("tell", &argument("message")) && !moved("tell", &summary));
    assert!(!moved("ask", &summary) && !moved("hand", &summary));
    assert!(!moved("before", &summary) && !moved("before", &argument("text")));
}

#[test]
fn what_is_around_the_plan_counts() {
    let plan = rich();
    assert_ne!(digest(&plan, "another text", &hosts()), of(&plan));
    let mut moved = hosts();
    moved.hosts.get_mut("web-01").unwrap().address = Some(String::from("192.0.2.99"));
    assert_ne!(digest(&plan, STEPS, &moved), of(&plan));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// As above for plans that nobody wrote: a few places of the rich one are changed, and then one more.
    #[test]
    fn generated_plans_are_judged_alike(
        edits in proptest::collection::vec((any::<Index>(), any::<Index>()), 1..6),
        last in any::<(Index, Index)>(),
    ) {
        let mut document = RICH.0.clone();
        let change = |document: &Json, (at, which): &(Index, Index)| {
            let paths = all_places(document);
            let path = at.get(&paths);
            let seen = RICH.1.get(&kind_of(path)).map_or(&[][..], Vec::as_slice);
            (kind_of(path), changed(document, path, seen).nth(which.index(3)))
        };
        for edit in &edits {
            if let (_, Some(plan)) = change(&document, edit) {
                document = json!(plan);
            }
        }
        let before = read(&document).unwrap();
        let (kind, after) = change(&document, &last);
        if let Some(after) = after && !MIXED.iter().any(|top| is_under(&kind, top)) {
            let free = FREE.iter().any(|(top, _)| is_under(&kind, top));
            prop_assert_eq!(of(&before) == of(&after), free, "{}", kind);
        }
        // The order in which maps are written, and a way through text, change nothing.
        let text = serde_json::to_string_pretty(&document).unwrap();
        let again: Plan = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(of(&again), of(&before));
    }
}
