//! The JSON Schema (draft-07) of runbooks, for editors: made from the table of keys and the actions' declarations.

use serde_json::{Map, Value as Json, json};

use super::keys::{self, Key, Need, Shape, Table};
use crate::model::action::{Catalog, Parameter, ParameterKind, Signature};

/// The schema of a runbook that uses the actions of `catalog`.
#[must_use]
pub fn schema(catalog: &dyn Catalog) -> Json {
    let mut definitions = Map::new();
    let tables = [
        &keys::RUNBOOK,
        &keys::PARAM,
        &keys::FOR_EACH,
        &keys::RETRY,
        &keys::OWES,
        &keys::LEAVE,
        &keys::APPROVE,
        &keys::MANUAL,
        &keys::BRANCH,
        &keys::NOTIFY,
        &keys::TRIGGER,
        &keys::ALERT,
        &keys::PAGERDUTY,
        &keys::WEBHOOK,
        &keys::SCHEDULE,
        &keys::DEDUPE,
    ];
    for table in tables {
        definitions.insert(table.definition.into(), object(table, Map::new(), false));
    }
    definitions.insert("step".into(), object(&keys::STEP, actions(catalog), false));
    definitions.insert("check".into(), object(&keys::CHECK, actions(catalog), false));
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

fn object(table: &Table, more: Map<String, Json>, open: bool) -> Json {
    let given = table.keys.iter().filter(|k| k.need != Need::Later);
    let mut properties: Map<String, Json> = given.map(|k| (k.name.to_owned(), property(k))).collect();
    properties.extend(more);
    let required: Vec<&str> = table.keys.iter().filter(|k| k.need == Need::Required).map(|k| k.name).collect();
    json!({ "type": "object", "description": format!("Keys of {}.", table.of), "properties": properties, "required": required, "additionalProperties": open })
}

fn property(key: &Key) -> Json {
    described(shape(key.shape), key.docs)
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
    let several = |item: Json| json!({ "type": "array", "items": item });
    let or_list = |item: Json| json!({ "anyOf": [item.clone(), { "type": "array", "items": item }] });
    match shape {
        Shape::Text | Shape::Word => text(),
        Shape::Pattern(pattern) => json!({ "type": "string", "pattern": format!("^{pattern}$") }),
        Shape::Choice(words) => json!({ "enum": words }),
        Shape::Expression => json!({ "type": ["string", "boolean"] }),
        Shape::Bool => json!({ "type": "boolean" }),
        Shape::Int => json!({ "type": "integer" }),
        Shape::Number => json!({ "type": "number" }),
        Shape::Duration => duration(),
        Shape::Wait => json!({ "anyOf": [duration(), { "type": "string", "pattern": "\\{\\{" }] }),
        Shape::Words | Shape::Texts => or_list(text()),
        Shape::TextMap => json!({ "type": "object", "additionalProperties": text() }),
        Shape::Any => json!({}),
        Shape::Map(table) => reference(table),
        Shape::List(table) => several(reference(table)),
        Shape::Named(table) => json!({ "type": "object", "additionalProperties": reference(table) }),
        Shape::Steps => several(json!({ "$ref": "#/definitions/step" })),
        Shape::Checks => several(json!({ "$ref": "#/definitions/check" })),
        Shape::Owes => json!({ "anyOf": [text(), reference(&keys::OWES)] }),
        Shape::Undo => json!({ "anyOf": [{ "enum": ["auto", "keep", "none"] }, several(json!({ "$ref": "#/definitions/step" }))] }),
        Shape::Batches => or_list(json!({ "type": ["string", "integer"] })),
        Shape::Share => json!({ "type": ["string", "integer"] }),
    }
}

fn actions(catalog: &dyn Catalog) -> Map<String, Json> {
    let mut properties = Map::new();
    for name in catalog.names() {
        if let Some(kind) = catalog.get(name) {
            let docs = kind.signature().summary;
            let reference = json!({ "$ref": format!("#/definitions/action:{name}") });
            properties.insert(name.to_owned(), described(reference, docs));
        }
    }
    properties
}

fn action(signature: &Signature) -> Json {
    let properties: Map<String, Json> = signature.parameters.iter().map(|p| (p.name.to_owned(), parameter(p))).collect();
    let required: Vec<&str> = signature.parameters.iter().filter(|p| p.required).map(|p| p.name).collect();
    let long = json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false });
    let short = signature
        .shorthand
        .and_then(|name| signature.parameters.iter().find(|p| p.name == name));
    let schema = match short {
        Some(short) => json!({ "anyOf": [long, kind(short.kind)] }),
        None => long,
    };
    described(
        schema,
        &format!("{}\n\n{}\n\n{}", signature.summary, signature.docs, signature.example),
    )
}

fn parameter(parameter: &Parameter) -> Json {
    described(kind(parameter.kind), parameter.docs)
}

/// Where a placeholder may stand, a text with one is allowed too.
fn kind(kind: ParameterKind) -> Json {
    let placeholder = json!({ "type": "string", "pattern": "\\{\\{" });
    let or_placeholder = |schema: Json| json!({ "anyOf": [schema, placeholder.clone()] });
    match kind {
        ParameterKind::Text | ParameterKind::Pool | ParameterKind::Host => text(),
        ParameterKind::Script => json!({ "type": "string" }),
        ParameterKind::Bool => json!({ "type": "boolean" }),
        ParameterKind::Int => or_placeholder(json!({ "type": "integer" })),
        ParameterKind::Duration => or_placeholder(duration()),
        ParameterKind::Size => or_placeholder(json!({ "type": "string", "pattern": "^[0-9.]+ ?([kKMGT]i?)?B?$" })),
        ParameterKind::Percent => or_placeholder(json!({ "type": "string", "pattern": "^[0-9.]+%$" })),
        ParameterKind::Path => or_placeholder(json!({ "type": "string", "pattern": "^/" })),
        ParameterKind::Url => or_placeholder(json!({ "type": "string", "pattern": "^https?://" })),
        ParameterKind::Choice(words) => or_placeholder(json!({ "enum": words })),
        ParameterKind::Mode => or_placeholder(json!({ "type": "string", "pattern": "^[0-7]{3,4}$" })),
        ParameterKind::TextList => json!({ "anyOf": [text(), { "type": "array", "items": text() }] }),
        ParameterKind::ChoiceList(words) => json!({ "type": "array", "items": or_placeholder(json!({ "enum": words })) }),
        ParameterKind::IntList => json!({ "type": "array", "items": or_placeholder(json!({ "type": "integer" })) }),
        ParameterKind::TextMap => json!({ "type": "object", "additionalProperties": text() }),
        ParameterKind::Json => json!({}),
        ParameterKind::Expression => json!({ "type": ["string", "boolean"] }),
    }
}

/// A plain number is a text too, where a text is wanted.
fn text() -> Json {
    json!({ "type": ["string", "number", "boolean"] })
}

fn duration() -> Json {
    json!({ "type": "string", "pattern": "^([0-9.]+(ms|s|m|h|d))+$" })
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
            let described = step["properties"][key.name]["description"].is_string();
            assert_eq!(described, key.need != Need::Later, "{}", key.name);
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
