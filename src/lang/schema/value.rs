//! How single values look: what the parser reads, written as JSON Schema.

use serde_json::{Value as Json, json};

use crate::model::action::ParameterKind;

/// A plain number is a text too, where a text is wanted.
pub(super) fn text() -> Json {
    json!({ "type": ["string", "number", "boolean"] })
}

/// A text without a placeholder.
pub(super) fn word() -> Json {
    json!({ "type": ["string", "number", "boolean"], "not": { "type": "string", "pattern": "\\{\\{" } })
}

/// A text with a placeholder.
pub(super) fn placeholder() -> Json {
    json!({ "type": "string", "pattern": "\\{\\{" })
}

/// A whole number of at least `least`, quoted or not.
pub(super) fn whole(least: i64) -> Json {
    choices(&[
        json!({ "type": "integer", "minimum": least }),
        json!({ "type": "string", "pattern": "^[0-9]+$" }),
    ])
}

pub(super) fn yes_or_no() -> Json {
    choices(&[
        json!({ "type": "boolean" }),
        json!({ "type": "string", "pattern": "^(true|false)$" }),
    ])
}

pub(super) fn duration() -> Json {
    json!({ "type": "string", "pattern": "^([0-9.]+(ms|s|m|h|d))+$" })
}

/// A count or a percentage.
pub(super) fn share() -> Json {
    choices(&[
        json!({ "type": "integer", "minimum": 0 }),
        json!({ "type": "string", "pattern": "^([0-9]+|[0-9.]+ ?%)$" }),
    ])
}

/// One, or a list of them.
pub(super) fn several(item: &Json) -> Json {
    choices(&[item.clone(), json!({ "type": "array", "items": item })])
}

/// One of several ways; the only one as it is.
pub(super) fn choices(ways: &[Json]) -> Json {
    match ways {
        [only] => only.clone(),
        _ => json!({ "anyOf": ways }),
    }
}

/// A value of an action's parameter. Where a placeholder may stand, a text with one is allowed too.
pub(super) fn kind(kind: ParameterKind) -> Json {
    let like = |pattern: &str| choices(&[json!({ "type": "string", "pattern": pattern }), placeholder()]);
    let or_placeholder = |schema: Json| choices(&[schema, placeholder()]);
    let number = || json!({ "anyOf": [{ "type": "integer" }, { "type": "string", "pattern": "^-?[0-9]+$" }, placeholder()] });
    match kind {
        ParameterKind::Text | ParameterKind::Script | ParameterKind::Sql | ParameterKind::Pool | ParameterKind::Host => text(),
        ParameterKind::Bool => yes_or_no(),
        ParameterKind::Int => number(),
        ParameterKind::Duration => or_placeholder(duration()),
        ParameterKind::Size => choices(&[json!({ "type": "number", "minimum": 0 }), like("^[0-9.]+ ?([kKMGT]i?B|B)?$")]),
        ParameterKind::Percent => like("^[0-9.]+ ?%$"),
        ParameterKind::Path => like("^/"),
        ParameterKind::Url => like("^https?://"),
        ParameterKind::Choice(words) => or_placeholder(json!({ "enum": words })),
        ParameterKind::Mode => like("^[0-7]{3,4}$"),
        ParameterKind::TextList => several(&text()),
        ParameterKind::ChoiceList(words) => several(&or_placeholder(json!({ "enum": words }))),
        ParameterKind::IntList => several(&number()),
        ParameterKind::TextMap => choices(&[json!({ "type": "object", "additionalProperties": text() }), placeholder()]),
        ParameterKind::Json => json!({}),
        ParameterKind::Expression => json!({ "type": ["string", "boolean"] }),
    }
}
