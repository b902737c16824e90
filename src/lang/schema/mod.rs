//! The JSON Schema (draft-07) of runbooks, for editors: made from the table of keys and the actions' declarations.
//!
//! It says what the parser says about structure: keys, which of them must be there, which exclude each other, and how values look.
//! Names, types and obligations are beyond it.

mod value;

use serde_json::{Map, Value as Json, json};

use super::keys::{self, Key, Need, Shape, Table};
use crate::model::action::{Catalog, Class, Signature};
use crate::model::runbook::TRIGGERS_SENT;
use value::{choices, duration, kind, several, share, text, whole, word};

/// The schema of a runbook that uses the actions of `catalog`.
#[must_use]
pub fn schema(catalog: &dyn Catalog) -> Json {
    let mut definitions = Map::new();
    tables(&keys::RUNBOOK, &mut definitions);
    for (table, only_probes) in [(&keys::STEP, false), (&keys::CHECK, true), (&keys::INVARIANT, true)] {
        definitions.insert(table.definition.into(), with_action(table, catalog, only_probes));
    }
    for name in catalog.names() {
        if let Some(kind) = catalog.get(name) {
            definitions.insert(format!("action:{name}"), action(kind.signature()));
        }
    }
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "runbook",
        "description": "A declarative remediation runbook, language version 1.",
        "$ref": "#/definitions/runbook",
        "definitions": definitions,
    })
}

/// The definitions of a table and of all that its keys lead to.
fn tables(table: &'static Table, definitions: &mut Map<String, Json>) {
    if definitions.contains_key(table.definition) {
        return;
    }
    definitions.insert(table.definition.into(), object(table));
    for key in table.keys {
        match key.shape {
            Shape::Map(inner) | Shape::List(inner) | Shape::Named(inner) => tables(inner, definitions),
            Shape::Steps | Shape::Undo => tables(&keys::STEP, definitions),
            Shape::Checks => tables(&keys::CHECK, definitions),
            Shape::Owes => tables(&keys::OWES, definitions),
            _ => {}
        }
    }
}

fn object(table: &Table) -> Json {
    let properties: Map<String, Json> = table.keys.iter().map(|k| (k.name.to_owned(), property(table, k))).collect();
    let required: Vec<&str> = table.keys.iter().filter(|k| k.need == Need::Required).map(|k| k.name).collect();
    let mut schema = json!({
        "type": "object",
        "description": format!("Keys of {}.", table.of),
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    });
    if table.definition == keys::FOR_EACH.definition {
        schema["oneOf"] = json!([{ "required": ["hosts"] }, { "required": ["items"] }]);
        schema["not"] = json!({ "required": ["max_parallel", "max_unavailable"] });
    }
    let one_of = |names: &[&str]| -> Json { names.iter().map(|n| json!({ "required": [n] })).collect() };
    if table.definition == keys::TRIGGER.definition {
        let kinds: Vec<&str> = TRIGGERS_SENT.iter().chain(&["schedule"]).copied().collect();
        schema["oneOf"] = one_of(&kinds);
    }
    if table.definition == keys::SCHEDULE.definition {
        schema["oneOf"] = one_of(&["every", "at"]);
    }
    schema
}

/// A step or a check: the keys of the table, and exactly one action (or, in a step, what stands for one).
fn with_action(table: &Table, catalog: &dyn Catalog, only_probes: bool) -> Json {
    let mut schema = object(table);
    let mut doing: Vec<&str> = Vec::new();
    for name in catalog.names() {
        let Some(kind) = catalog.get(name) else { continue };
        let signature = kind.signature();
        if only_probes && signature.class != Class::Probe && signature.class_of.is_none() {
            continue;
        }
        let reference = json!({ "$ref": format!("#/definitions/action:{name}") });
        schema["properties"][name] = described(reference, signature.summary);
        doing.push(name);
    }
    if !only_probes {
        let others = ["for_each", "approve", "manual", "decide", "call"];
        doing.extend(others);
        schema["dependencies"] = json!({ "for_each": ["steps"], "steps": ["for_each"] });
    }
    schema["oneOf"] = doing.iter().map(|name| json!({ "required": [name] })).collect();
    schema["errorMessage"] = json!(format!(
        "{} does exactly one thing, and has no other keys than those offered",
        table.of
    ));
    schema
}

fn property(table: &Table, key: &Key) -> Json {
    let special = match (table.definition, key.name) {
        ("runbook", "language") => Some(json!({ "enum": [1] })),
        ("runbook", "steps") | ("step", "steps") => {
            Some(json!({ "type": "array", "minItems": 1, "items": { "$ref": "#/definitions/step" } }))
        }
        ("param", "type") => Some(param_type()),
        ("notify", "events") => Some(several(&json!({ "enum": keys::EVENTS }))),
        _ => None,
    };
    described(special.unwrap_or_else(|| shape(key.shape)), key.docs)
}

fn param_type() -> Json {
    let listed = format!("^list of ({})$", keys::PARAM_TYPES.join("|"));
    json!({ "anyOf": [{ "enum": keys::PARAM_TYPES }, { "type": "string", "pattern": listed }] })
}

/// Draft-07 ignores what stands beside `$ref`, hence `allOf`.
fn described(schema: Json, docs: &str) -> Json {
    match schema {
        Json::Object(mut map) if !map.contains_key("$ref") => {
            map.insert("description".into(), json!(docs));
            Json::Object(map)
        }
        other => json!({ "description": docs, "allOf": [other] }),
    }
}

fn shape(shape: Shape) -> Json {
    let reference = |table: &Table| json!({ "$ref": format!("#/definitions/{}", table.definition) });
    let list = |item: Json| json!({ "type": "array", "items": item });
    match shape {
        Shape::Text => text(),
        Shape::Word => word(),
        Shape::Pattern(pattern) => json!({ "type": "string", "pattern": format!("^{pattern}$") }),
        Shape::Choice(words) => json!({ "enum": words }),
        Shape::Expression => json!({ "type": ["string", "boolean"] }),
        Shape::Bool => value::yes_or_no(),
        Shape::Int => whole(1),
        Shape::Number => json!({ "type": "number", "minimum": 1, "maximum": 100 }),
        Shape::Duration => duration(),
        Shape::Wait => choices(&[duration(), value::placeholder()]),
        Shape::Words => several(&word()),
        Shape::Texts => several(&text()),
        Shape::TextMap => json!({ "type": "object", "additionalProperties": text() }),
        Shape::Any => json!({ "not": { "type": "null" } }),
        Shape::Map(table) => reference(table),
        Shape::List(table) => list(reference(table)),
        Shape::Named(table) => json!({ "type": "object", "additionalProperties": reference(table) }),
        Shape::Steps => list(reference(&keys::STEP)),
        Shape::Checks => list(reference(&keys::CHECK)),
        Shape::Owes => json!({ "anyOf": [word(), reference(&keys::OWES)] }),
        Shape::Undo => json!({ "anyOf": [{ "enum": ["auto", "keep", "none"] }, list(reference(&keys::STEP))] }),
        Shape::Batches => several(&choices(&[share(), value::placeholder()])),
        Shape::Share => share(),
    }
}

fn action(signature: &Signature) -> Json {
    let parameter = |p: &crate::model::action::Parameter| (p.name.to_owned(), described(kind(p.kind), p.docs));
    let properties: Map<String, Json> = signature.parameters.iter().map(parameter).collect();
    let required: Vec<&str> = signature.parameters.iter().filter(|p| p.required).map(|p| p.name).collect();
    let mut ways = vec![json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })];
    let short = signature
        .shorthand
        .and_then(|name| signature.parameters.iter().find(|p| p.name == name));
    ways.extend(short.map(|short| kind(short.kind)));
    if required.is_empty() {
        ways.push(json!({ "type": "null" }));
    }
    described(
        choices(&ways),
        &format!("{}\n\n{}\n\n{}", signature.summary, signature.docs, signature.example),
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::lang::sample_catalog::SAMPLE;

    #[test]
    fn every_supported_key_and_parameter_is_described() {
        let schema = schema(&SAMPLE);
        let step = &schema["definitions"]["step"];
        for key in keys::STEP.keys {
            assert!(step["properties"][key.name]["description"].is_string(), "{}", key.name);
        }
        assert_eq!(step["additionalProperties"], false);
        assert!(step["properties"]["pool.member"]["description"].is_string());
        let service = &schema["definitions"]["action:service"]["properties"]["state"];
        assert!(service["description"].is_string());
        assert_eq!(service["anyOf"][0]["enum"][0], "started");
    }

    #[test]
    fn references_lead_somewhere() {
        fn walk(json: &Json, found: &mut Vec<String>) {
            match json {
                Json::Object(map) => {
                    found.extend(map.get("$ref").and_then(Json::as_str).map(str::to_owned));
                    map.values().for_each(|v| walk(v, found));
                }
                Json::Array(list) => list.iter().for_each(|v| walk(v, found)),
                _ => {}
            }
        }
        let schema = schema(&SAMPLE);
        let mut found = Vec::new();
        walk(&schema, &mut found);
        assert!(found.len() > 20);
        for reference in found {
            let name = reference.strip_prefix("#/definitions/").unwrap();
            assert!(schema["definitions"].get(name).is_some(), "{reference}");
        }
    }
}
