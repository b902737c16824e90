//! Rules for every entry of the catalogue.

use std::collections::BTreeSet;

use saphyr_parser::{Event, Parser};

use super::cases::overlaid;
use super::fixture::{Case, World, arguments, cases, folder, outputs};
use crate::action::CATALOG;
use crate::base::value::Value;
use crate::model::action::{Action, Catalog, Class, Decision, Signature};
use crate::model::operation::Output;
use crate::model::types::Type;

/// Keys of a step that are not the action's.
const STEP_KEYS: &[&str] = &[
    "id",
    "name",
    "hosts",
    "run_as",
    "needs",
    "when",
    "that",
    "within",
    "every",
    "retry",
    "timeout",
    "verify",
    "owes",
    "leave",
    "undo",
    "allow_failure",
    "allow_empty",
    "pool_effect",
];

#[test]
fn names_are_unique_sorted_and_found() {
    let names = CATALOG.names();
    let unique: BTreeSet<_> = names.iter().collect();
    assert_eq!(unique.len(), names.len(), "{names:?}");
    assert!(names.is_sorted());
    for name in names {
        assert_eq!(CATALOG.get(name).map(|k| k.signature().name), Some(name));
    }
    assert!(CATALOG.get("no.such").is_none());
}

#[test]
fn every_declaration_is_complete() {
    for kind in CATALOG.all() {
        let s = kind.signature();
        let plain = |c: char| c.is_ascii_lowercase() || c == '.' || c == '_';
        assert!(s.name.chars().all(plain), "{}", s.name);
        assert!(sentence(s.summary), "{}: summary", s.name);
        assert!(s.docs.split("\n\n").all(sentence), "{}: docs", s.name);
        let mut seen = BTreeSet::new();
        for p in s.parameters {
            assert!(seen.insert(p.name), "{}.{} twice", s.name, p.name);
            assert!(sentence(p.docs), "{}.{}: docs are a sentence", s.name, p.name);
        }
        if let Some(short) = s.shorthand {
            assert!(seen.contains(short), "{}: shorthand", s.name);
        }
        assert!(
            matches!((s.results)(), Type::Record(fields) if !fields.is_empty()),
            "{}: results",
            s.name
        );
        assert_eq!(
            s.class == Class::Probe,
            class(s, &|_| None) == Class::Probe,
            "{}: class without arguments",
            s.name
        );
    }
}

fn sentence(text: &str) -> bool {
    text.starts_with(|c: char| c.is_uppercase() || c == '`') && text.ends_with('.') && text.trim() == text
}

fn class(signature: &Signature, literal: &dyn Fn(&str) -> Option<Value>) -> Class {
    signature.class_of.map_or(signature.class, |of| of(literal))
}

/// The class that the compiler gives the step of a case.
fn case_class(signature: &Signature, case: &Case) -> Class {
    let given = arguments(signature, case.json.get("arguments"));
    class(signature, &|name| given.get(name).cloned())
}

/// Top-level keys of the example, and those below the action.
fn example_keys(s: &Signature) -> (Vec<String>, Option<Vec<String>>) {
    let (mut top, mut below) = (Vec::new(), None);
    // One entry per open collection: is it a map, and is a key expected next.
    let mut open: Vec<(bool, bool)> = Vec::new();
    let mut inside = false;
    for event in Parser::new_from_str(s.example) {
        let (event, _) = event.unwrap_or_else(|e| panic!("{}: example: {e}", s.name));
        let key = open.last().is_some_and(|(map, key)| *map && *key);
        match event {
            Event::Scalar(text, ..) => {
                if key && open.len() == 1 {
                    inside = text == s.name;
                    top.push(text.into_owned());
                } else if key && open.len() == 2 && inside {
                    below.get_or_insert_with(Vec::new).push(text.into_owned());
                }
                flip(&mut open);
            }
            Event::MappingStart(..) => {
                if open.len() == 1 && inside {
                    below = Some(Vec::new());
                }
                flip(&mut open);
                open.push((true, true));
            }
            Event::SequenceStart(..) => {
                flip(&mut open);
                open.push((false, false));
            }
            Event::MappingEnd | Event::SequenceEnd => {
                open.pop();
            }
            _ => {}
        }
    }
    (top, below)
}

fn flip(open: &mut [(bool, bool)]) {
    if let Some((true, key)) = open.last_mut() {
        *key = !*key;
    }
}

#[test]
fn every_example_is_a_step() {
    for kind in CATALOG.all() {
        let s = kind.signature();
        let (top, below) = example_keys(s);
        assert!(top.iter().any(|k| k == s.name), "{}: the example does not use it: {top:?}", s.name);
        for key in top.iter().filter(|k| *k != s.name) {
            assert!(
                STEP_KEYS.contains(&key.as_str()),
                "{}: `{key}` in the example is no key of a step",
                s.name
            );
        }
        let given: BTreeSet<String> = match below {
            Some(keys) => keys.into_iter().collect(),
            None => s.shorthand.into_iter().map(str::to_owned).collect(),
        };
        for name in &given {
            assert!(
                s.parameters.iter().any(|p| p.name == name),
                "{}: `{name}` in the example is not declared",
                s.name
            );
        }
        for p in s.parameters.iter().filter(|p| p.required) {
            assert!(given.contains(p.name), "{}: the example lacks `{}`", s.name, p.name);
        }
    }
}

#[test]
fn every_action_has_its_cases() {
    for kind in CATALOG.all() {
        let s = kind.signature();
        let cases = cases(s.name);
        let changes = s.class != Class::Probe || cases.iter().any(|c| case_class(s, c) != Class::Probe);
        let wanted: &[&str] = if changes {
            &["changes", "already-right", "fails", "undo"]
        } else {
            &["reads", "fails"]
        };
        let found: Vec<String> = cases.into_iter().map(|c| c.file).collect();
        for kind in wanted {
            assert!(
                found.iter().any(|f| f.starts_with(kind)),
                "{}: no case `{kind}*.json` among {found:?}",
                s.name
            );
        }
        for file in &found {
            let known = ["reads", "changes", "already-right", "fails", "undo"]
                .iter()
                .any(|k| file.starts_with(k));
            assert!(known, "{}: `{file}` is of no known kind", s.name);
        }
    }
}

#[test]
fn no_folder_of_cases_is_forgotten() {
    let names = CATALOG.names();
    for entry in std::fs::read_dir(folder("")).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        assert!(names.contains(&name.as_str()), "cases/{name} belongs to no action");
    }
}

/// A case, bound.
struct Bound<'a> {
    signature: &'static Signature,
    class: Class,
    action: &'a dyn Action,
    outputs: &'a [Output],
    name: &'a str,
}

fn each_bound(check: &dyn Fn(Bound<'_>)) {
    for kind in CATALOG.all() {
        let signature = kind.signature();
        for case in cases(signature.name) {
            let given = arguments(signature, case.json.get("arguments"));
            if let Ok(action) = World::of(&case.json).bind(signature.name, &given) {
                check(Bound {
                    signature,
                    class: case_class(signature, &case),
                    action: action.as_ref(),
                    outputs: &outputs(case.json.get("probe")),
                    name: &format!("{}/{}", signature.name, case.file),
                });
            }
        }
    }
}

#[test]
fn probing_and_verifying_only_read() {
    each_bound(&|b| {
        for operation in b.action.probe().iter().chain(&b.action.verify()) {
            assert!(operation.act.reads(), "{}: {operation:?}", b.name);
        }
    });
}

#[test]
fn doing_it_twice_equals_once() {
    each_bound(&|b| {
        let Ok(seen) = b.action.read(b.outputs) else { return };
        let Decision::Change(change) = b.action.decide(&seen) else { return };
        let acts_always = !b.signature.repeatable || b.class == Class::Passing;
        let again = b.action.decide(&overlaid(&seen, &change));
        assert!(
            acts_always || again == Decision::InDesiredState,
            "{}: after the change: {again:?}",
            b.name
        );
    });
}

#[test]
fn a_probe_never_decides_to_change() {
    each_bound(&|b| {
        let Ok(seen) = b.action.read(b.outputs) else { return };
        let changes = matches!(b.action.decide(&seen), Decision::Change(_));
        assert!(b.class != Class::Probe || !changes, "{}", b.name);
    });
}

/// Results are what the signature declares, also where everything is unknown.
#[test]
fn results_are_of_the_declared_type() {
    each_bound(&|b| {
        let declared = (b.signature.results)();
        let Ok(seen) = b.action.read(b.outputs) else { return };
        let mut unknown = seen.clone();
        unknown.0.values_mut().for_each(|v| *v = Value::Unknown);
        for facts in [&seen, &unknown] {
            let result = b.action.result(facts, &[]);
            assert!(fits(&declared, &result), "{}: {result:?} is no {declared}", b.name);
        }
        if let Decision::Change(change) = b.action.decide(&unknown) {
            assert!(!change.operations.is_empty(), "{}: a change without operations", b.name);
        }
    });
}

fn fits(declared: &Type, value: &Value) -> bool {
    match (declared, value) {
        (_, Value::Unknown | Value::Null) | (Type::Dynamic, _) => true,
        (Type::Record(fields), Value::Map(map)) => {
            map.keys().all(|k| fields.contains_key(k)) && fields.iter().all(|(k, t)| map.get(k).is_some_and(|v| fits(t, v)))
        }
        (Type::Map(item), Value::Map(map)) => map.values().all(|v| fits(item, v)),
        (Type::List(item), Value::List(list)) => list.iter().all(|v| fits(item, v)),
        (Type::Enum(words), Value::Text(text)) => words.contains(text),
        (Type::Bool, Value::Bool(_))
        | (Type::Int, Value::Int(_))
        | (Type::Float, Value::Float(_))
        | (Type::Text, Value::Text(_))
        | (Type::Duration, Value::Duration(_))
        | (Type::Size, Value::Size(_))
        | (Type::Percent, Value::Percent(_)) => true,
        _ => false,
    }
}
