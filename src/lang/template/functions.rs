//! The closed list of helpers: what each takes, and what it gives.

use std::time::Duration;

use crate::base::clock::friendly;
use crate::base::value::Value;
use crate::model::types::Type;

/// A helper of the list.
pub(super) struct Helper {
    pub name: &'static str,
    /// Least and most arguments.
    pub arguments: (usize, usize),
    pub usage: &'static str,
    takes: fn(&Type) -> bool,
    apply: fn(&[Value]) -> Result<String, String>,
}

/// How each helper is written.
pub(in crate::lang) fn usages() -> impl Iterator<Item = &'static str> {
    HELPERS.iter().map(|helper| helper.usage)
}

pub(super) const HELPERS: &[Helper] = &[
    Helper {
        name: "default",
        arguments: (2, 2),
        usage: "{{default path 'unknown'}}",
        takes: |_| true,
        apply: |a| plain(if absent(&a[0]) { &a[1] } else { &a[0] }),
    },
    Helper {
        name: "join",
        arguments: (1, 2),
        usage: "{{join list ', '}}",
        takes: |t| matches!(t, Type::List(_)),
        apply: join,
    },
    Helper {
        name: "json",
        arguments: (1, 1),
        usage: "{{json path}}",
        takes: |_| true,
        apply: |a| Ok(a[0].to_json().to_string()),
    },
    Helper {
        name: "duration",
        arguments: (1, 1),
        usage: "{{duration seconds}}",
        takes: |t| matches!(t, Type::Int | Type::Float | Type::Duration),
        apply: |a| duration(&a[0]),
    },
    Helper {
        name: "size",
        arguments: (1, 1),
        usage: "{{size bytes}}",
        takes: |t| matches!(t, Type::Int | Type::Float | Type::Size),
        apply: |a| size(&a[0]),
    },
    Helper {
        name: "upper",
        arguments: (1, 1),
        usage: "{{upper text}}",
        takes: text,
        apply: |a| Ok(word(&a[0])?.to_uppercase()),
    },
    Helper {
        name: "lower",
        arguments: (1, 1),
        usage: "{{lower text}}",
        takes: text,
        apply: |a| Ok(word(&a[0])?.to_lowercase()),
    },
    Helper {
        name: "basename",
        arguments: (1, 1),
        usage: "{{basename path}}",
        takes: text,
        apply: |a| basename(&a[0]),
    },
];

impl Helper {
    /// The helper of that name.
    pub(super) fn named(name: &str) -> Option<&'static Helper> {
        HELPERS.iter().find(|h| h.name == name)
    }

    /// True when the first argument can be of this type.
    pub(super) fn takes(&self, kind: &Type) -> bool {
        *kind == Type::Dynamic || (self.takes)(kind)
    }

    /// The text it gives. `Err` is a sentence.
    pub(super) fn apply(&self, arguments: &[Value]) -> Result<String, String> {
        if arguments.len() < self.arguments.0 {
            return Err(format!("write `{}`", self.usage));
        }
        (self.apply)(arguments)
    }
}

/// A value as it stands in a text. `Err` is a sentence: nothing and records do not stand in a text.
pub(super) fn plain(value: &Value) -> Result<String, String> {
    match value {
        Value::Null => Err(String::from(
            "there is no value; say what to write instead: `{{default path 'unknown'}}`",
        )),
        Value::Map(_) => Err(String::from(
            "a record cannot stand in a text; name one of its fields, or use `{{json path}}`",
        )),
        Value::List(items) if items.iter().any(|i| matches!(i, Value::Map(_) | Value::List(_))) => Err(String::from(
            "a list of records cannot stand in a text; use `{{#each}}` in a message, or `{{json path}}`",
        )),
        other => Ok(other.to_string()),
    }
}

fn text(kind: &Type) -> bool {
    matches!(kind, Type::Text | Type::Enum(_))
}

fn absent(value: &Value) -> bool {
    matches!(value, Value::Null)
}

fn word(value: &Value) -> Result<&str, String> {
    value.as_text().ok_or_else(|| String::from("this helper needs a text"))
}

fn join(arguments: &[Value]) -> Result<String, String> {
    let Some(items) = arguments[0].as_list() else {
        return Err(String::from("`join` needs a list"));
    };
    let separator = arguments.get(1).map_or(Ok(", "), word)?;
    let items: Result<Vec<String>, String> = items.iter().map(plain).collect();
    Ok(items?.join(separator))
}

fn duration(value: &Value) -> Result<String, String> {
    let span = match value {
        Value::Duration(span) => Some(*span),
        Value::Int(n) => u64::try_from(*n).ok().map(Duration::from_secs),
        Value::Float(n) => Duration::try_from_secs_f64(*n).ok(),
        _ => None,
    };
    span.map(friendly)
        .ok_or_else(|| String::from("`duration` needs a number of seconds, not below zero"))
}

// A size for people has three digits; a float has fifteen.
#[allow(clippy::cast_precision_loss)]
fn size(value: &Value) -> Result<String, String> {
    let number = match value {
        Value::Size(n) => *n as f64,
        Value::Int(n) if *n >= 0 => *n as f64,
        Value::Float(n) if *n >= 0.0 => *n,
        _ => return Err(String::from("`size` needs a number of bytes, not below zero")),
    };
    Ok(crate::base::size::friendly(number))
}

fn basename(value: &Value) -> Result<String, String> {
    let path = word(value)?.trim_end_matches('/');
    Ok(path.rsplit('/').next().unwrap_or_default().to_owned())
}
