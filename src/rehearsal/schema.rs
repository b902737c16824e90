//! The JSON Schema (draft-07) of test files, for editors: made from the table of keys.

use serde_json::{Map, Value as Json, json};

use super::keys::{self, Key, Shape, Table};
use super::stores;

/// The JSON Schema (draft-07) of test files, for editors.
#[must_use]
pub fn schema() -> Json {
    let mut definitions = Map::new();
    let tables = [
        &keys::SUITE,
        &keys::FLEET,
        &keys::STATE,
        &keys::HOST,
        &keys::MEMORY,
        &stores::DISK,
        &stores::DISK_FILE,
        &stores::POSTGRES,
        &stores::PROXIED,
        &keys::SERVICE,
        &keys::PACKAGE,
        &keys::FILE,
        &keys::COMMAND,
        &keys::PAGE,
        &keys::POOL,
        &keys::MEMBER,
        &keys::CASE,
        &keys::ANSWER,
        &keys::FAULT,
        &keys::MEANWHILE,
        &keys::EXPECT,
        &keys::EXPECT_PLAN,
    ];
    for table in tables {
        let properties: Map<String, Json> = table.keys.iter().map(|k| (k.name.to_owned(), property(k))).collect();
        let required: Vec<&str> = table.keys.iter().filter(|k| k.required).map(|k| k.name).collect();
        let object = json!({ "type": "object", "description": format!("Keys of {}.", table.of), "properties": properties, "required": required, "additionalProperties": false });
        definitions.insert(table.definition.to_owned(), object);
    }
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "runbook test",
        "description": "Tests of a runbook against a simulated fleet.",
        "$ref": "#/definitions/suite",
        "definitions": definitions,
    })
}

/// Draft-07 ignores what stands beside `$ref`, hence `allOf`.
fn property(key: &Key) -> Json {
    json!({ "description": key.docs, "allOf": [shape(key.shape)] })
}

fn shape(shape: Shape) -> Json {
    let text = || json!({ "type": ["string", "number", "boolean"] });
    let reference = |table: &Table| json!({ "$ref": format!("#/definitions/{}", table.definition) });
    match shape {
        Shape::Text => text(),
        Shape::Choice(words) => json!({ "enum": words }),
        Shape::Bool => json!({ "type": "boolean" }),
        Shape::Int => json!({ "type": "integer" }),
        Shape::Number => json!({ "type": "number" }),
        Shape::Duration => json!({ "type": "string", "pattern": "^([0-9.]+(ms|s|m|h|d))+$" }),
        Shape::Texts => json!({ "type": "array", "items": text() }),
        Shape::Ints => json!({ "type": "array", "items": { "type": "integer" } }),
        Shape::Named => json!({ "type": "object" }),
        Shape::Any => json!({}),
        Shape::Map(table) => reference(table),
        Shape::List(table) => json!({ "type": "array", "items": reference(table) }),
        Shape::Each(table) => json!({ "type": "object", "additionalProperties": reference(table) }),
        Shape::EachOr(table) => json!({ "type": "object", "additionalProperties": { "anyOf": [reference(table), text()] } }),
    }
}
