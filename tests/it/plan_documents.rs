//! `plan -o json` against the schema that `schema plan` prints, judged by a validator that is not ours, on plans of real hosts.

use std::collections::BTreeSet;

use runbook::lab::Incident;
use serde_json::{Value as Json, json};

use crate::site::{Site, project};

/// One of everything that a plan can hold.
const RICH: &str = "runbook: rich
language: 1
description: One of everything.
params: { word: { type: string, default: x } }
run_as: root
invariants:
  - { name: Two members, pool.status: { pool: web }, that: result.members.size() == 2 }
steps:
  - { id: way, decide: [{ when: 'params.word == \"x\"', is: one }, { is: two }] }
  - { id: go, approve: { ask: Go on?, from: ['*'] } }
  - { id: look, hosts: web-01, facts: [memory] }
  - { id: never, hosts: web-01, when: 'params.word == \"y\"', undo: none, command: { argv: [false] } }
  - { id: made, hosts: web-01, pool_effect: none, command: { argv: [true] }, undo: [{ id: unmade, hosts: web-01, undo: none, pool_effect: none, command: { argv: [true] } }] }
  - { id: file, hosts: web-01, file.write: { path: /nowhere/x, content: 'now {{steps.look.memory.available_percent}}' } }
  - id: each
    for_each: { as: web, hosts: webservers, max_parallel: 1, pause: 1s }
    steps:
      - { id: out, pool.member: { pool: web, member: '{{web.name}}', state: drain }, owes: back }
      - { id: cut, hosts: '{{web.name}}', undo: none, pool_effect: none, command: { argv: [true] } }
      - { id: back, pool.member: { pool: web, member: '{{web.name}}', state: ready } }
  - { id: call, call: { runbook: called.yaml } }
  - { id: later, hosts: web-01, file.write: { path: /nowhere/y, content: '{{steps.made.stdout}}' } }
  - { id: hand, manual: { ask: x, to: '*' } }
";

/// The schema, and nothing beside it: what it does not name is an error here.
fn closed(schema: &mut Json) {
    if let Some(map) = schema.as_object_mut() {
        if map.contains_key("properties") {
            map.insert(String::from("additionalProperties"), json!(false));
        }
        map.values_mut().for_each(closed);
    } else if let Some(list) = schema.as_array_mut() {
        list.iter_mut().for_each(closed);
    }
}

#[test]
fn real_plans_are_as_the_schema_says() {
    let mut site = Site::up("documents");
    site.text(
        "called.yaml",
        "runbook: called\nlanguage: 1\ndescription: Look.\nsteps:\n  - { id: see, hosts: web-02, facts: [memory] }\n",
    );
    let rich = site.text("rich.yaml", RICH);
    let anna = site.person("anna");
    let open: Json = serde_json::from_str(&anna.run(&["schema", "plan"]).exits(0).out).unwrap();
    let mut strict = open.clone();
    closed(&mut strict);
    let judges = [open, strict].map(|s| jsonschema::draft7::options().should_validate_formats(true).build(&s).unwrap());

    let mut plans = Vec::new();
    let whole = ["plan", "-o", "json", rich.as_str()];
    plans.push(anna.run(&whole));
    plans.push(anna.run(&[whole.as_slice(), &["--offline"]].concat()));
    site.break_it(Incident::Imbalance);
    let anna = site.person("anna");
    for runbook in ["recover-master", "rebalance-pool", "find-forgotten-drains", "fix-config-everywhere"] {
        plans.push(anna.run(&["plan", "-o", "json", &project(&format!("runbooks/{runbook}.yaml"))]));
    }
    plans.push(anna.run(&["plan", "-o", "json", "--limit", "web-02", &project("runbooks/recover-master.yaml")]));
    let mut seen = BTreeSet::new();
    let mut documents = Vec::new();
    for told in plans {
        assert!([0, 10].contains(&told.code()), "{}", told.all());
        let plan: Json = serde_json::from_str(&told.out).unwrap_or_else(|e| panic!("{e}: {}", told.all()));
        for judge in &judges {
            let errors: Vec<String> = judge.iter_errors(&plan).map(|e| format!("{}: {e}", e.instance_path())).collect();
            assert!(errors.is_empty(), "{errors:#?}\n{}", told.all());
        }
        for node in plan["nodes"].as_array().unwrap() {
            seen.insert(node["forecast"]["certainty"].as_str().unwrap().to_owned());
            seen.insert(format!("undo {}", node["undo"]["kind"].as_str().unwrap()));
        }
        documents.push(plan);
    }
    let kinds = [
        "asks",
        "at_run_time",
        "calls",
        "decides",
        "nothing_to_do",
        "reads",
        "skipped",
        "will_change",
    ];
    let undo = ["at_run_time", "call", "impossible", "keep", "nothing", "steps"].map(|u| format!("undo {u}"));
    let all: BTreeSet<String> = kinds.map(String::from).into_iter().chain(undo).collect();
    assert_eq!(seen, all, "the plans above show everything that a plan can hold");
    assert!(documents.iter().any(|d| d["allowed"] == false) && documents.iter().any(|d| d["allowed"] == true));

    // A judge that takes anything would have said the same.
    let plan = &documents[0];
    let mut wrong = vec![json!({}), json!([])];
    for (pointer, value) in [
        ("/schema", json!("runbook.plan/2")),
        ("/digest", json!("sha256:12")),
        ("/made_at", json!("yesterday")),
        ("/nodes/0/forecast/certainty", json!("perhaps")),
        ("/nodes/0/undo", json!({ "kind": "call" })),
        ("/pools/0/now/serving", json!(-1)),
        ("/way_back/to_the_start", json!("yes")),
    ] {
        let mut copy = plan.clone();
        *copy.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = value;
        wrong.push(copy);
    }
    for field in plan.as_object().unwrap().keys() {
        let mut copy = plan.clone();
        copy.as_object_mut().unwrap().remove(field);
        wrong.push(copy);
    }
    for document in wrong {
        assert!(!judges[0].is_valid(&document), "{document}");
    }
}
