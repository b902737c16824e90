//! Declared parameters: their kinds, defaults and limits, and what `params.X` is to texts and expressions.

use super::convert::{param as convert, param_words as words};
use super::syntax::{Param as Written, Runbook};
use crate::base::value::Value;
use crate::diagnostic::{Diagnostic, Diagnostics, Span};
use crate::model::runbook::{Param, ParamKind};
use crate::model::secret::{FORMS, SecretSource};
use crate::model::types::Type;
use crate::yaml::{Node, NodeKind};

/// Checks all declarations.
pub(super) fn params(file: &Runbook, d: &mut Diagnostics) -> Vec<Param> {
    file.params.iter().filter_map(|p| param(p, d)).collect()
}

/// The type of `params`. A parameter whose declaration is wrong may be anything, so that its uses are not reported too.
pub(super) fn types(file: &Runbook) -> Type {
    Type::Record(file.params.iter().map(|p| (p.name.value.clone(), declared(p))).collect())
}

/// The type that a declaration gives its name.
pub(super) fn declared(param: &Written) -> Type {
    kind(param).map_or(Type::Dynamic, |k| type_of(&k))
}

/// The kind that a declaration names, if it is one.
pub(super) fn kind(param: &Written) -> Option<ParamKind> {
    let name = param.kind.as_ref()?.value.as_str();
    match name.strip_prefix("list of ") {
        Some(item) => one_kind(item, param).map(|k| ParamKind::List(Box::new(k))),
        None => one_kind(name, param),
    }
}

/// What `params.X` of that kind is to texts and expressions.
fn type_of(kind: &ParamKind) -> Type {
    match kind {
        ParamKind::Text | ParamKind::Path | ParamKind::Url | ParamKind::Pool | ParamKind::Hosts => Type::Text,
        ParamKind::Int => Type::Int,
        ParamKind::Float => Type::Float,
        ParamKind::Bool => Type::Bool,
        ParamKind::Duration => Type::Duration,
        ParamKind::Size => Type::Size,
        ParamKind::Percent => Type::Percent,
        ParamKind::CountOrPercent => Type::Dynamic,
        ParamKind::Host => Type::host(),
        ParamKind::Choice(words) => Type::Enum(words.clone()),
        ParamKind::Secret => Type::Secret,
        ParamKind::List(item) => Type::list(type_of(item)),
    }
}

fn one_kind(name: &str, param: &Written) -> Option<ParamKind> {
    Some(match name {
        "string" => ParamKind::Text,
        "int" => ParamKind::Int,
        "float" => ParamKind::Float,
        "bool" => ParamKind::Bool,
        "duration" => ParamKind::Duration,
        "size" => ParamKind::Size,
        "percent" => ParamKind::Percent,
        "count_or_percent" => ParamKind::CountOrPercent,
        "path" => ParamKind::Path,
        "url" => ParamKind::Url,
        "host" => ParamKind::Host,
        "hosts" => ParamKind::Hosts,
        "pool" => ParamKind::Pool,
        "secret" => ParamKind::Secret,
        "choice" => {
            let choices = param.choices.as_ref().filter(|c| !c.is_empty())?;
            ParamKind::Choice(choices.iter().map(|c| c.value.clone()).collect())
        }
        _ => return None,
    })
}

/// Checks one declaration.
pub(super) fn param(written: &Written, d: &mut Diagnostics) -> Option<Param> {
    let name = &written.name.value;
    let type_name = written.kind.as_ref()?;
    let Some(kind) = kind(written) else {
        let message = format!("parameter `{name}` of type `choice` needs `choices`");
        d.push(
            wrong(type_name.span, message)
                .label("one of what?")
                .help("add `choices: [first, second]`"),
        );
        return None;
    };
    unfitting_keys(written, &kind, d);
    if !secret(written, &kind, d) {
        return None;
    }
    let unit = match &kind {
        ParamKind::List(item) => item,
        other => other,
    };
    // On other types they have been refused above.
    let limit =
        |node: &Option<Node>, d: &mut Diagnostics| node.as_ref().filter(|_| is_numeric(unit)).and_then(|n| number(name, unit, n, d));
    let (min, max) = (limit(&written.min, d), limit(&written.max, d));
    if let (Some(least), Some(most), Some(node)) = (min, max, &written.max)
        && least > most
    {
        d.push(wrong(node.span, format!("`max` of parameter `{name}` is below `min`")).label("no value is possible"));
    }
    let pattern = written
        .pattern
        .as_ref()
        .and_then(|p| match crate::base::regex::compile(&format!("^(?:{})$", p.value)) {
            Ok(pattern) => Some((pattern, p.value.clone())),
            Err(e) => {
                d.push(wrong(
                    p.span,
                    format!("`pattern` of parameter `{name}` is no regular expression: {e}"),
                ));
                None
            }
        });
    let default = written.default.as_ref().and_then(|n| value(name, &kind, n, d));
    if let (Some(default), Some(node)) = (&default, &written.default) {
        let text = default.as_text();
        let unmatched = |(pattern, _): &&(regex_lite::Regex, String)| text.is_some_and(|t| !pattern.is_match(t));
        if let Some((_, source)) = pattern.as_ref().filter(unmatched) {
            d.push(wrong(
                node.span,
                format!("the default of parameter `{name}` does not match its pattern `{source}`"),
            ));
        }
        let outside = magnitude(default).is_some_and(|n| min.is_some_and(|m| n < m) || max.is_some_and(|m| n > m));
        if outside {
            d.push(wrong(
                node.span,
                format!("the default of parameter `{name}` is outside of `min` and `max`"),
            ));
        }
    }
    Some(Param {
        name: name.clone(),
        span: written.name.span,
        kind,
        default,
        description: written.description.clone(),
        pattern: pattern.map(|(_, source)| source),
        min,
        max,
        from: written.from.as_ref().map(|f| f.value.clone()),
    })
}

/// A secret says where it is kept, and nothing of what it is worth.
fn secret(written: &Written, kind: &ParamKind, d: &mut Diagnostics) -> bool {
    let name = &written.name.value;
    if matches!(kind, ParamKind::List(item) if **item == ParamKind::Secret) {
        let span = written.kind.as_ref().map_or(written.name.span, |k| k.span);
        let message = format!("parameter `{name}`: there are no lists of secrets");
        d.push(wrong(span, message).label("not a type").help("declare one parameter for each"));
        return false;
    }
    if *kind != ParamKind::Secret {
        return true;
    }
    if let Some(default) = &written.default {
        let message = format!("parameter `{name}` is a secret, and a runbook is no place to keep one");
        let help = format!("remove `default`, and say where it is kept: `from:` {FORMS}");
        d.push(
            Diagnostic::error("RB0139", default.span, message)
                .label("would be read by everybody")
                .help(help),
        );
        return false;
    }
    let Some(from) = &written.from else {
        let message = format!("secret `{name}` does not say where it is kept");
        d.push(
            Diagnostic::error("RB0139", written.name.span, message)
                .label("`from` is missing")
                .help(format!("add `from:` with {FORMS}")),
        );
        return false;
    };
    if let Err(problem) = SecretSource::parse(&from.value) {
        let message = format!("secret `{name}`: {problem}");
        d.push(
            Diagnostic::error("RB0139", from.span, message)
                .label("not a place")
                .help(format!("write {FORMS}")),
        );
        return false;
    }
    true
}

fn is_numeric(kind: &ParamKind) -> bool {
    matches!(
        kind,
        ParamKind::Int | ParamKind::Float | ParamKind::Duration | ParamKind::Size | ParamKind::Percent | ParamKind::CountOrPercent
    )
}

/// Keys that mean nothing for a type are mistakes, not decoration.
fn unfitting_keys(written: &Written, kind: &ParamKind, d: &mut Diagnostics) {
    let inner = match kind {
        ParamKind::List(item) => item,
        other => other,
    };
    let numeric = is_numeric(inner);
    let is_text = matches!(inner, ParamKind::Text | ParamKind::Path | ParamKind::Url);
    let from = matches!(inner, ParamKind::Host | ParamKind::Hosts | ParamKind::Secret);
    let choices = written.choices.as_ref().and_then(|c| c.first()).map(|c| c.span);
    let given = [
        ("choices", choices, matches!(inner, ParamKind::Choice(_)), "choice"),
        ("pattern", written.pattern.as_ref().map(|p| p.span), is_text, "string, path and url"),
        (
            "min",
            written.min.as_ref().map(|n| n.span),
            numeric,
            "numbers, duration, size and percent",
        ),
        (
            "max",
            written.max.as_ref().map(|n| n.span),
            numeric,
            "numbers, duration, size and percent",
        ),
        ("from", written.from.as_ref().map(|f| f.span), from, "host, hosts and secret"),
    ];
    for (key, span, fits, types) in given {
        if let Some(span) = span.filter(|_| !fits) {
            let message = format!("`{key}` means nothing for parameter `{}`: it is for {types}", written.name.value);
            d.push(wrong(span, message).label("remove it, or change the type"));
        }
    }
}

fn value(name: &str, kind: &ParamKind, node: &Node, d: &mut Diagnostics) -> Option<Value> {
    if let (ParamKind::List(item), NodeKind::List(items)) = (kind, &node.kind) {
        let values: Vec<Option<Value>> = items.iter().map(|n| value(name, item, n, d)).collect();
        return values.into_iter().collect::<Option<_>>().map(Value::List);
    }
    let converted = match node.as_scalar() {
        Some(scalar) if scalar.text.contains("{{") => Err("no placeholder is possible here".into()),
        Some(scalar) if !node.is_null() => convert(kind, &scalar.text),
        _ => Err(format!("expected {}, found {}", words(kind), node.describe())),
    };
    converted
        .map_err(|m| d.push(wrong(node.span, format!("the default of parameter `{name}`: {m}"))))
        .ok()
}

fn number(name: &str, kind: &ParamKind, node: &Node, d: &mut Diagnostics) -> Option<f64> {
    let text = node.as_scalar().map(|s| s.text.as_str());
    let found = text.and_then(|t| convert(kind, t).ok()).as_ref().and_then(magnitude);
    if found.is_none() {
        let message = format!(
            "a limit of parameter `{name}` must be {}, found {}",
            words(kind),
            super::reader::describe(node)
        );
        d.push(wrong(node.span, message));
    }
    found
}

/// A value as a number in its unit: seconds, bytes, percent.
fn magnitude(value: &Value) -> Option<f64> {
    #[allow(clippy::cast_precision_loss)]
    match value {
        Value::Int(n) => Some(*n as f64),
        Value::Float(n) | Value::Percent(n) => Some(*n),
        Value::Duration(span) => Some(span.as_secs_f64()),
        Value::Size(n) => Some(*n as f64),
        _ => None,
    }
}

fn wrong(span: Span, message: String) -> Diagnostic {
    Diagnostic::error("RB0114", span, message)
}
