//! Values of parameters, results and expressions; also what a YAML scalar means.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::secret::Sensitive;

/// One value. `Unknown` stands for what only a real run can tell ("known at run time").
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// Known at run time.
    Unknown,
    /// Nothing (JSON's null).
    #[default]
    Null,
    /// true or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// Text.
    Text(String),
    /// A span of time; `.seconds` (whole seconds).
    Duration(Duration),
    /// A size; `.bytes`.
    Size(u64),
    /// A percentage as people write it, 20.0 for `20%`; `.percent` and `.ratio`.
    Percent(f64),
    /// Several values.
    List(Vec<Value>),
    /// Named values.
    Map(BTreeMap<String, Value>),
    /// Text that holds a secret, by name; shown as `***`.
    Secret(Sensitive),
}

/// A count or a percentage.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Share {
    /// That many.
    Count(u32),
    /// That part of all, in percent.
    Percent(f64),
}

impl Value {
    /// A map from name–value pairs.
    #[must_use]
    pub fn map<const N: usize>(pairs: [(&str, Value); N]) -> Value {
        Value::Map(pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
    }

    /// Text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Value {
        Value::Text(text.into())
    }

    /// The field of a map, or a unit of a typed value (`seconds`, `bytes`, `percent`, `ratio`). A field of the unknown is unknown.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<Value> {
        match (self, name) {
            (Value::Unknown, _) => Some(Value::Unknown),
            (Value::Map(map), _) => map.get(name).cloned(),
            (Value::Duration(d), "seconds") => Some(Value::Int(i64::try_from(d.as_secs()).unwrap_or(i64::MAX))),
            (Value::Size(n), "bytes") => Some(Value::Int(i64::try_from(*n).unwrap_or(i64::MAX))),
            (Value::Percent(p), "percent") => Some(Value::Float(*p)),
            (Value::Percent(p), "ratio") => Some(Value::Float(*p / 100.0)),
            _ => None,
        }
    }

    /// As its author would write it: `1MiB`, `1h30m20s`; everything else as it stands in a text.
    #[must_use]
    pub fn written(&self) -> String {
        match self {
            Value::Duration(span) => super::clock::written(*span),
            Value::Size(bytes) => super::size::written(*bytes),
            Value::List(items) => items.iter().map(Value::written).collect::<Vec<_>>().join(", "),
            other => other.to_string(),
        }
    }

    /// The text, if it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The text, with or without secrets, if it is one.
    #[must_use]
    pub fn to_sensitive(&self) -> Option<Sensitive> {
        match self {
            Value::Text(text) => Some(Sensitive::from(text.as_str())),
            Value::Secret(text) => Some(text.clone()),
            _ => None,
        }
    }

    /// The whole number, if it is one.
    #[must_use]
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(n) => Some(*n),
            _ => None,
        }
    }

    /// The truth value, if it is one.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(b) => Some(*b),
            _ => None,
        }
    }

    /// The list, if it is one.
    #[must_use]
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Value::List(list) => Some(list),
            _ => None,
        }
    }

    /// True when this is, or holds, something unknown.
    #[must_use]
    pub fn has_unknown(&self) -> bool {
        match self {
            Value::Unknown => true,
            Value::List(list) => list.iter().any(Value::has_unknown),
            Value::Map(map) => map.values().any(Value::has_unknown),
            _ => false,
        }
    }

    /// Plain JSON for machines: durations in seconds, sizes in bytes, the unknown as `null`.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match self {
            Value::Unknown | Value::Null => Json::Null,
            Value::Bool(b) => Json::Bool(*b),
            Value::Int(n) => Json::from(*n),
            Value::Float(n) | Value::Percent(n) => Json::from(*n),
            Value::Text(t) => Json::from(t.as_str()),
            Value::Duration(d) => Json::from(d.as_secs_f64()),
            Value::Size(n) => Json::from(*n),
            Value::List(list) => Json::Array(list.iter().map(Value::to_json).collect()),
            Value::Map(map) => Json::Object(map.iter().map(|(k, v)| (k.clone(), v.to_json())).collect()),
            Value::Secret(text) => Json::from(text.to_string()),
        }
    }

    /// From plain JSON; a number without fraction that fits becomes `Int`.
    #[must_use]
    pub fn from_json(json: &serde_json::Value) -> Value {
        use serde_json::Value as Json;
        match json {
            Json::Null => Value::Null,
            Json::Bool(b) => Value::Bool(*b),
            Json::Number(n) => n.as_i64().map_or_else(|| Value::Float(n.as_f64().unwrap_or(f64::NAN)), Value::Int),
            Json::String(t) => Value::Text(t.clone()),
            Json::Array(list) => Value::List(list.iter().map(Value::from_json).collect()),
            Json::Object(map) => Value::Map(map.iter().map(|(k, v)| (k.clone(), Value::from_json(v))).collect()),
        }
    }
}

/// As it stands in a text: a list joins with `, `; the unknown shows as `(known at run time)`.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Unknown => f.write_str("(known at run time)"),
            Value::Null => Ok(()),
            Value::Bool(b) => write!(f, "{b}"),
            Value::Int(n) => write!(f, "{n}"),
            Value::Float(n) => write!(f, "{n}"),
            Value::Text(t) => f.write_str(t),
            Value::Duration(d) => f.write_str(&super::clock::friendly(*d)),
            Value::Size(n) => write!(f, "{n}"),
            Value::Percent(p) => write!(f, "{p}%"),
            Value::List(list) => {
                for (i, item) in list.iter().enumerate() {
                    if i > 0 {
                        f.write_str(", ")?;
                    }
                    write!(f, "{item}")?;
                }
                Ok(())
            }
            Value::Map(_) => write!(f, "{}", self.to_json()),
            Value::Secret(text) => write!(f, "{text}"),
        }
    }
}
