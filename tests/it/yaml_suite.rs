//! The YAML test suite: what must be refused is refused, and whatever is accepted means what the suite says it means.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use runbook::base::value::Value;
use runbook::diagnostic::Sources;
use runbook::yaml;

/// What the language leaves out of YAML on purpose.
const LEFT_OUT: &[&str] = &[
    "RB0003", // anchors and aliases
    "RB0004", // merge keys
    "RB0005", // tags
    "RB0006", // tabs in indentation
    "RB0007", // several documents
    "RB0011", // keys without a colon, where a text with a comma was nearly always meant
    "RB0014", // keys that are no text
    "RB0017", // an empty file
];

#[derive(serde::Deserialize)]
struct Case {
    id: String,
    yaml: String,
    #[serde(default)]
    error: bool,
    json: Option<String>,
}

fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("../cases/yaml-test-suite/cases.json")).unwrap()
}

fn to_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(b) => (*b).into(),
        Value::Int(n) => (*n).into(),
        Value::Float(n) => (*n).into(),
        Value::Text(t) => t.clone().into(),
        Value::List(items) => items.iter().map(to_json).collect(),
        Value::Map(map) => serde_json::Value::Object(map.iter().map(|(k, v)| (k.clone(), to_json(v))).collect()),
        other => panic!("YAML has no {other:?}"),
    }
}

/// 450 and 450.0 are one number.
fn same(a: &serde_json::Value, b: &serde_json::Value) -> bool {
    use serde_json::Value::{Array, Number, Object};
    match (a, b) {
        (Number(a), Number(b)) => a.as_f64() == b.as_f64(),
        (Array(a), Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Object(a), Object(b)) => a.len() == b.len() && a.iter().all(|(k, a)| b.get(k).is_some_and(|b| same(a, b))),
        (a, b) => a == b,
    }
}

#[test]
fn what_must_fail_fails_and_what_is_accepted_means_what_it_says() {
    let cases = cases();
    assert_eq!((cases.len(), cases.iter().filter(|c| c.error).count()), (402, 94));
    let (mut wrong, mut accepted, mut left_out) = (Vec::new(), 0, BTreeMap::<&str, usize>::new());
    for case in &cases {
        let mut sources = Sources::new();
        let id = sources.add("case.yaml", &case.yaml);
        let began = Instant::now();
        let (node, diagnostics) = yaml::read(&sources, id);
        assert!(began.elapsed() < Duration::from_secs(1), "{}", case.id);
        let codes: Vec<&str> = diagnostics.iter().map(|d| d.code).collect();
        let places_are_inside = diagnostics
            .iter()
            .all(|d| d.span.is_none_or(|s| s.end as usize <= case.yaml.len() && s.start <= s.end));
        if !places_are_inside {
            wrong.push(format!("{}: a place outside of the text: {diagnostics:?}", case.id));
        }
        match (diagnostics.has_errors(), case.error) {
            (true, true) => {}
            (false, true) => wrong.push(format!("{}: accepted, but it is no YAML:\n{}", case.id, case.yaml)),
            (true, false) => match codes.iter().find(|c| !LEFT_OUT.contains(c)) {
                Some(code) => wrong.push(format!("{}: refused by {code}, but it is YAML:\n{}", case.id, case.yaml)),
                None => *left_out.entry(codes[0]).or_default() += 1,
            },
            (false, false) => {
                accepted += 1;
                let ours = to_json(&node.unwrap().to_value());
                let theirs: Option<serde_json::Value> = case.json.as_ref().map(|j| serde_json::from_str(j).unwrap());
                if theirs.as_ref().is_some_and(|theirs| !same(&ours, theirs)) {
                    wrong.push(format!(
                        "{}: ours {ours}, the suite says {}\n{}",
                        case.id,
                        theirs.unwrap(),
                        case.yaml
                    ));
                }
            }
        }
    }
    println!("{accepted} accepted and understood, left out on purpose: {left_out:?}");
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
