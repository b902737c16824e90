//! Texts of a runbook, and of `--param`, as typed values; every refusal says what was expected, with an example.
//!
//! What single spellings mean is `model::convert`'s; this adds parameters of runbooks and the words of choices.

use crate::base::clock::parse_duration;
use crate::base::value::Value;
use crate::diagnostic::nearest;
use crate::model::action::ParameterKind;
use crate::model::convert::{argument as conform, percent, share, size};
use crate::model::inventory::Share;
use crate::model::runbook::ParamKind;

/// A text as a parameter of a runbook. A host, hosts and a pool stay names: only the inventory knows them. A list is separated by commas.
///
/// # Errors
/// What was expected and what was found.
pub fn param(kind: &ParamKind, text: &str) -> Result<Value, String> {
    let named = |text: &str| match text.trim() {
        "" => Err(format!("expected {}, found an empty text", param_words(kind))),
        name => Ok(Value::text(name)),
    };
    match kind {
        ParamKind::Text => Ok(Value::text(text)),
        ParamKind::Int => conform(ParameterKind::Int, Value::text(text)),
        ParamKind::Float => float(text),
        ParamKind::Bool => {
            conform(ParameterKind::Bool, Value::text(text)).map_err(|_| format!("expected `true` or `false`, found `{text}`"))
        }
        ParamKind::Duration => parse_duration(text).map(Value::Duration),
        ParamKind::Size => size(text).map(Value::Size),
        ParamKind::Percent => percent(text).map(Value::Percent),
        ParamKind::CountOrPercent => share(&Value::text(text)).map(|s| match s {
            Share::Count(n) => Value::Int(i64::from(n)),
            Share::Percent(p) => Value::Percent(p),
        }),
        ParamKind::Path => conform(ParameterKind::Path, Value::text(text)),
        ParamKind::Url => conform(ParameterKind::Url, Value::text(text)),
        ParamKind::Host | ParamKind::Hosts | ParamKind::Pool => named(text),
        ParamKind::Choice(words) => choice(words.iter().map(String::as_str), text),
        ParamKind::Secret => Err(String::from("a secret is never written down; it comes from where `from` says")),
        ParamKind::List(item) => text
            .split(',')
            .map(|t| param(item, t.trim()))
            .collect::<Result<_, _>>()
            .map(Value::List),
    }
}

/// What a parameter of a runbook wants, in words.
#[must_use]
pub fn param_words(kind: &ParamKind) -> String {
    match kind {
        ParamKind::Text => "a text".into(),
        ParamKind::Int => "a whole number such as `3`".into(),
        ParamKind::Float => "a number such as `0.5`".into(),
        ParamKind::Bool => "`true` or `false`".into(),
        ParamKind::Duration => "a duration such as `90s`".into(),
        ParamKind::Size => "a size such as `500MiB`".into(),
        ParamKind::Percent => "a percentage such as `20%`".into(),
        ParamKind::CountOrPercent => "a count or a percentage such as `2` or `25%`".into(),
        ParamKind::Path => "an absolute path such as `/etc/hosts`".into(),
        ParamKind::Url => "an address such as `http://127.0.0.1/health`".into(),
        ParamKind::Host => "a host such as `web-01`".into(),
        ParamKind::Hosts => "a host pattern such as `webservers`".into(),
        ParamKind::Pool => "a pool such as `web`".into(),
        ParamKind::Choice(words) => format!("one of {}", ticked(words.iter().map(String::as_str))),
        ParamKind::Secret => "a secret".into(),
        ParamKind::List(item) => format!("a list, each item {}", param_words(item)),
    }
}

/// A scalar as a value of an action's parameter.
pub(super) fn scalar(kind: ParameterKind, text: &str) -> Result<Value, String> {
    match kind {
        ParameterKind::Choice(words) => choice(words.iter().copied(), text),
        ParameterKind::Pool | ParameterKind::Host if text.trim().is_empty() => {
            Err(format!("expected {}, found an empty text", expected(kind)))
        }
        _ => conform(kind, Value::text(text)),
    }
}

/// What a parameter of an action wants, in words, with an example.
pub(super) fn expected(kind: ParameterKind) -> String {
    match kind {
        ParameterKind::Choice(words) => format!("one of {}", ticked(words.iter().copied())),
        ParameterKind::ChoiceList(words) => format!("a list of some of {}", ticked(words.iter().copied())),
        ParameterKind::TextList => "a list of texts such as `[a, b]`".into(),
        ParameterKind::IntList => "a list of whole numbers such as `[0, 1]`".into(),
        ParameterKind::TextMap => "a map of names and texts such as `{ name: text }`".into(),
        ParameterKind::Int => "a whole number such as `3`".into(),
        ParameterKind::Expression => "an expression over `result` such as `result.exit_code == 0`".into(),
        kind => crate::model::convert::expected(kind).into(),
    }
}

/// `` `a`, `b` ``
pub(super) fn ticked<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", ")
}

fn float(text: &str) -> Result<Value, String> {
    let plain = text.trim_start_matches('-').starts_with(|c: char| c.is_ascii_digit());
    match text.parse::<f64>() {
        Ok(n) if plain && n.is_finite() => Ok(Value::Float(n)),
        _ => Err(format!("expected a number such as `0.5`, found `{text}`")),
    }
}

fn choice<'a>(words: impl Iterator<Item = &'a str> + Clone, text: &str) -> Result<Value, String> {
    if words.clone().any(|w| w == text) {
        return Ok(Value::text(text));
    }
    let meant = nearest(text, words.clone());
    let hint = meant.map_or_else(String::new, |m| format!("; did you mean `{m}`?"));
    Err(format!("expected one of {}, found `{text}`{hint}", ticked(words)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn params_read_from_text() {
        let numbers = ParamKind::List(Box::new(ParamKind::Int));
        assert_eq!(param(&numbers, "1, 2"), Ok(Value::List(vec![Value::Int(1), Value::Int(2)])));
        assert_eq!(param(&ParamKind::CountOrPercent, "25%"), Ok(Value::Percent(25.0)));
        assert_eq!(param(&ParamKind::CountOrPercent, "2"), Ok(Value::Int(2)));
        assert_eq!(param(&ParamKind::Host, "web-01"), Ok(Value::text("web-01")));
    }

    #[test]
    fn refusals_say_expected_and_found() {
        let states = ParamKind::Choice(vec!["started".into(), "stopped".into()]);
        for (kind, text, part) in [
            (ParamKind::Float, "inf", "such as `0.5`"),
            (ParamKind::Bool, "yes", "`true` or `false`"),
            (ParamKind::Path, "etc/x", "absolute path"),
            (states, "startd", "did you mean `started`"),
            (ParamKind::Pool, " ", "a pool"),
            (ParamKind::Percent, "20", "`20%`"),
        ] {
            let message = param(&kind, text).unwrap_err();
            assert!(
                message.contains(part) && message.contains("expected") && message.contains("found"),
                "{message}"
            );
        }
    }
}
