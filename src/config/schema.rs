//! The JSON Schema (draft-07) of the configuration, for editors; made from the table of keys.

use serde_json::{Map, Value as Json, json};

use super::keys::{CONFIG, Key, Shape, Table};

/// The schema.
#[must_use]
pub fn schema() -> Json {
    let mut definitions = Map::new();
    define(&CONFIG, &mut definitions);
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "runbook.config",
        "description": "The configuration of runbook: people, channels, limits, and where secrets are kept.",
        "$ref": "#/definitions/configuration",
        "definitions": definitions,
    })
}

fn define(table: &'static Table, definitions: &mut Map<String, Json>) {
    if definitions.contains_key(table.definition) {
        return;
    }
    // Before its fields, which may lead back here.
    definitions.insert(table.definition.to_owned(), Json::Null);
    let properties: Map<String, Json> = table
        .keys
        .iter()
        .map(|key| (key.name.to_owned(), property(key, definitions)))
        .collect();
    let required: Vec<&str> = table.keys.iter().filter(|k| k.required).map(|k| k.name).collect();
    let whole = json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false });
    definitions.insert(table.definition.to_owned(), whole);
}

fn property(key: &Key, definitions: &mut Map<String, Json>) -> Json {
    let docs = match key.used {
        true => key.docs.to_owned(),
        false => format!("{} (Checked, but not used yet.)", key.docs),
    };
    match shape(key.shape, definitions) {
        Json::Object(mut map) if !map.contains_key("$ref") => {
            map.insert(String::from("description"), json!(docs));
            Json::Object(map)
        }
        // Draft-07 ignores what stands beside `$ref`.
        reference => json!({ "description": docs, "allOf": [reference] }),
    }
}

fn shape(shape: Shape, definitions: &mut Map<String, Json>) -> Json {
    let mut reference = |table: &'static Table| {
        define(table, definitions);
        json!({ "$ref": format!("#/definitions/{}", table.definition) })
    };
    let several = |item: Json| json!({ "type": "array", "items": item });
    let named = |item: Json| json!({ "type": "object", "additionalProperties": item });
    let secret = || json!({ "type": "string", "pattern": "^secret:(file|env|command):.|^secret:secret_sources\\.." });
    match shape {
        Shape::Text => json!({ "type": ["string", "number"] }),
        Shape::Choice(words) => json!({ "enum": words }),
        Shape::Count => json!({ "type": "integer", "minimum": 1 }),
        Shape::Counts => named(json!({ "type": "integer", "minimum": 1 })),
        Shape::Duration => json!({ "type": "string", "pattern": "^([0-9.]+(ms|s|m|h|d))+$" }),
        Shape::Time => json!({ "type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|[+-][0-9:]+)$" }),
        Shape::Texts => several(json!({ "type": ["string", "number"] })),
        Shape::TextMap => named(json!({ "type": ["string", "number"] })),
        Shape::Secret => secret(),
        Shape::Secrets => json!({ "anyOf": [secret(), { "type": "array", "items": secret(), "minItems": 1, "maxItems": 2 }] }),
        Shape::Address => json!({ "type": "string", "pattern": "^(https?://|secret:)." }),
        Shape::Map(table) => reference(table),
        Shape::List(table) => several(reference(table)),
        Shape::Named(table) => named(reference(table)),
        Shape::NamedSecrets => named(secret()),
    }
}
