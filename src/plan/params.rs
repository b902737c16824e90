//! Parameters as given on the command line or by an alert, turned into typed values.

use std::collections::BTreeMap;

use crate::base::clock;
use crate::base::secret::Sensitive;
use crate::base::value::Value;
use crate::diagnostic::{Diagnostic, Diagnostics, nearest};
use crate::model::convert;
use crate::model::inventory::{Inventory, Share};
use crate::model::pattern;
use crate::model::runbook::{Param, ParamKind, Runbook};

/// Gives every declared parameter its value: as given, else its default.
///
/// `given` holds texts (`--param NAME=TEXT`). All mistakes are reported in one go.
#[must_use]
pub fn resolve(runbook: &Runbook, inventory: &Inventory, given: &BTreeMap<String, String>) -> (BTreeMap<String, Value>, Diagnostics) {
    let mut values = BTreeMap::new();
    let mut diagnostics = Diagnostics::new();
    for name in given.keys().filter(|n| !runbook.params.iter().any(|p| &p.name == *n)) {
        let known: Vec<&str> = runbook.params.iter().map(|p| p.name.as_str()).collect();
        let mut d = Diagnostic::nowhere("RB0710", format!("runbook `{}` has no parameter `{name}`", runbook.name));
        d = match nearest(name, known.iter().copied()) {
            Some(near) => d.help(format!("did you mean `{near}`?")),
            None => d.help(format!("it has: {}", known.join(", "))),
        };
        diagnostics.push(d);
    }
    for param in &runbook.params {
        if param.kind == ParamKind::Secret && given.contains_key(&param.name) {
            diagnostics.push(given_secret(param));
            continue;
        }
        let known_by_name = (param.kind == ParamKind::Secret).then_some(Value::Null);
        let raw = given
            .get(&param.name)
            .map(|t| Value::text(t.as_str()))
            .or_else(|| param.default.clone())
            .or(known_by_name);
        let Some(raw) = raw else {
            diagnostics.push(missing(param));
            continue;
        };
        match adopt(param, raw, inventory) {
            Ok(value) => {
                values.insert(param.name.clone(), value);
            }
            Err(message) => diagnostics.push(Diagnostic::error(
                "RB0712",
                param.span,
                format!("parameter `{}`: {message}", param.name),
            )),
        }
    }
    (values, diagnostics)
}

fn given_secret(param: &Param) -> Diagnostic {
    let message = format!(
        "secret `{}` cannot be given as a parameter: it comes from where `from` says",
        param.name
    );
    Diagnostic::error("RB0730", param.span, message)
        .help("what stands on a command line is seen by every user of this machine and kept by the shell")
}

/// A value as that of a parameter; hosts may be given as another runbook's parameter holds them.
///
/// # Errors
/// What was expected and what was found.
pub fn adopt(param: &Param, raw: Value, inventory: &Inventory) -> Result<Value, String> {
    typed(&param.kind, by_name(raw), param, inventory).and_then(|v| within_limits(param, v))
}

/// Hosts as the pattern that names them.
fn by_name(raw: Value) -> Value {
    match &raw {
        Value::List(items) if items.iter().any(|i| matches!(i, Value::Map(_))) => {
            let names = items.iter().filter_map(|i| i.field("name")).map(|n| n.to_string());
            Value::text(names.collect::<Vec<_>>().join(","))
        }
        _ => raw,
    }
}

/// A text as a value of this declaration, its limits kept.
///
/// # Errors
/// What was expected and what was found.
pub fn value(param: &Param, inventory: &Inventory, text: &str) -> Result<Value, String> {
    adopt(param, Value::text(text), inventory)
}

fn missing(param: &Param) -> Diagnostic {
    Diagnostic::error(
        "RB0711",
        param.span,
        format!("parameter `{}` has no default and was not given", param.name),
    )
    .help(format!("add `--param {}=…`", param.name))
}

fn typed(kind: &ParamKind, raw: Value, param: &Param, inventory: &Inventory) -> Result<Value, String> {
    let text = |v: &Value| v.to_string();
    match kind {
        ParamKind::Text | ParamKind::Path | ParamKind::Url => Ok(Value::Text(text(&raw))),
        ParamKind::Int => match raw {
            Value::Int(n) => Ok(Value::Int(n)),
            other => other
                .to_string()
                .trim()
                .parse()
                .map(Value::Int)
                .map_err(|_| format!("expected a whole number, found `{other}`")),
        },
        ParamKind::Float => match raw {
            Value::Int(n) => Ok(Value::Float(n.to_string().parse().unwrap_or(f64::NAN))),
            Value::Float(n) => Ok(Value::Float(n)),
            other => match other.to_string().trim().parse::<f64>() {
                Ok(n) if n.is_finite() => Ok(Value::Float(n)),
                _ => Err(format!("expected a number, found `{other}`")),
            },
        },
        ParamKind::Bool => match (&raw, text(&raw).as_str()) {
            (Value::Bool(b), _) => Ok(Value::Bool(*b)),
            (_, "true") => Ok(Value::Bool(true)),
            (_, "false") => Ok(Value::Bool(false)),
            (_, other) => Err(format!("expected `true` or `false`, found `{other}`")),
        },
        ParamKind::Duration => match raw {
            Value::Duration(_) => Ok(raw),
            other => clock::parse_duration(&other.to_string()).map(Value::Duration),
        },
        ParamKind::Size => match raw {
            Value::Size(_) => Ok(raw),
            other => convert::size(&other.to_string()).map(Value::Size),
        },
        ParamKind::Percent => match raw {
            Value::Percent(_) => Ok(raw),
            other => convert::percent(&other.to_string()).map(Value::Percent),
        },
        ParamKind::CountOrPercent => convert::share(&raw).map(|share| match share {
            Share::Count(n) => Value::Int(i64::from(n)),
            Share::Percent(p) => Value::Percent(p),
        }),
        ParamKind::Choice(words) => match text(&raw) {
            word if words.contains(&word) => Ok(Value::Text(word)),
            other => Err(format!("expected one of {}, found `{other}`", words.join(", "))),
        },
        ParamKind::Host => host(&text(&raw), param, inventory),
        ParamKind::Hosts => {
            let hosts = pattern::select(&text(&raw), inventory)?;
            Ok(Value::List(
                hosts.iter().filter_map(|h| inventory.hosts.get(h)).map(|h| h.to_value()).collect(),
            ))
        }
        ParamKind::Pool => match text(&raw) {
            name if inventory.pools.contains_key(name.as_str()) => Ok(Value::Text(name)),
            other => {
                let known: Vec<&str> = inventory.pools.keys().map(|p| p.as_str()).collect();
                Err(format!(
                    "the inventory has no pool `{other}` (it has: {})",
                    if known.is_empty() { String::from("none") } else { known.join(", ") }
                ))
            }
        },
        // What a caller hands on keeps the name that the run knows it by.
        ParamKind::Secret => Ok(match raw {
            Value::Secret(handed_on) => Value::Secret(handed_on),
            _ => Value::Secret(Sensitive::secret(&param.name)),
        }),
        ParamKind::List(item) => {
            let items = match raw {
                Value::List(items) => items,
                other => other.to_string().split(',').map(|t| Value::text(t.trim())).collect(),
            };
            items
                .into_iter()
                .map(|v| typed(item, v, param, inventory))
                .collect::<Result<_, _>>()
                .map(Value::List)
        }
    }
}

/// A name, an address, or either with a port (alerts say `web-01:9100`); exactly one host.
fn host(text: &str, param: &Param, inventory: &Inventory) -> Result<Value, String> {
    let bare = match text.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) && !host.contains(':') => host,
        _ => text,
    };
    let found: Vec<_> = inventory
        .hosts
        .values()
        .filter(|h| h.name.as_str() == bare || h.address.as_deref() == Some(bare))
        .collect();
    let host = match found.as_slice() {
        [one] => *one,
        [] => {
            let near = nearest(bare, inventory.hosts.keys().map(|h| h.as_str()))
                .map(|n| format!("; did you mean `{n}`?"))
                .unwrap_or_default();
            return Err(format!("the inventory has no host `{bare}`{near}"));
        }
        _ => {
            return Err(format!(
                "`{bare}` means several hosts: {}",
                found.iter().map(|h| h.name.as_str()).collect::<Vec<_>>().join(", ")
            ));
        }
    };
    if let Some(group) = &param.from {
        let allowed = pattern::select(group, inventory)?;
        if !allowed.contains(&host.name) {
            return Err(format!(
                "host `{}` is not in `{group}` ({})",
                host.name,
                allowed.iter().map(|h| h.as_str()).collect::<Vec<_>>().join(", ")
            ));
        }
    }
    Ok(host.to_value())
}

fn within_limits(param: &Param, value: Value) -> Result<Value, String> {
    #[allow(clippy::cast_precision_loss)]
    let number = match &value {
        Value::Int(n) => Some(*n as f64),
        Value::Float(n) | Value::Percent(n) => Some(*n),
        Value::Duration(d) => Some(d.as_secs_f64()),
        Value::Size(n) => Some(*n as f64),
        _ => None,
    };
    if let (Some(n), Some(min)) = (number, param.min)
        && n < min
    {
        return Err(format!("`{value}` is less than the least value, {min}"));
    }
    if let (Some(n), Some(max)) = (number, param.max)
        && n > max
    {
        return Err(format!("`{value}` is more than the greatest value, {max}"));
    }
    if let (Some(pattern), Value::Text(text)) = (&param.pattern, &value) {
        let whole = crate::base::regex::compile(&format!("^(?:{pattern})$"))
            .map_err(|e| format!("its pattern is not a regular expression: {e}"))?;
        if !whole.is_match(text) {
            return Err(format!("`{text}` does not match `{pattern}`"));
        }
    }
    if let ParamKind::Path = param.kind
        && value.as_text().is_some_and(|t| !t.starts_with('/'))
    {
        return Err(format!("expected an absolute path, found `{value}`"));
    }
    Ok(value)
}
