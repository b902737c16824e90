//! From text, as people write it, to typed values: literals when compiling, rendered texts and `--param` later.
//!
//! Knows kinds and their spelling; not where a value comes from. Every refusal says what was expected, with an example.

use crate::base::clock::parse_duration;
use crate::model::action::ParameterKind;
use crate::model::runbook::ParamKind;
use crate::model::value::Value;

/// A text as an argument of an action. Lists take it as their only item.
///
/// # Errors
/// What was expected and what was found.
pub fn argument(kind: ParameterKind, text: &str) -> Result<Value, String> {
    match kind {
        ParameterKind::Text | ParameterKind::Script | ParameterKind::Expression | ParameterKind::Json => Ok(Value::text(text)),
        ParameterKind::Bool => truth(text),
        ParameterKind::Int => int(text),
        ParameterKind::Duration => parse_duration(text).map(Value::Duration),
        ParameterKind::Size => size(text).map(Value::Size),
        ParameterKind::Percent => percent(text).map(Value::Percent),
        ParameterKind::Path => path(text),
        ParameterKind::Url => url(text),
        ParameterKind::Choice(words) => choice(words.iter().copied(), text),
        ParameterKind::Pool => name(text, "a pool of the inventory such as `web`"),
        ParameterKind::Host => name(text, "a host of the inventory such as `web-01`"),
        ParameterKind::Mode => mode(text),
        ParameterKind::TextList => Ok(Value::List(vec![Value::text(text)])),
        ParameterKind::ChoiceList(words) => Ok(Value::List(vec![choice(words.iter().copied(), text)?])),
        ParameterKind::IntList => Ok(Value::List(vec![int(text)?])),
        ParameterKind::TextMap => Err(format!("expected a map of names and texts, found `{text}`")),
    }
}

/// A rendered value (a text with only one placeholder keeps its type) as an argument of an action. The unknown stays unknown.
///
/// # Errors
/// What was expected and what was found.
pub fn conform(kind: ParameterKind, value: Value) -> Result<Value, String> {
    match (kind, value) {
        (_, Value::Unknown) => Ok(Value::Unknown),
        (ParameterKind::Json, value)
        | (ParameterKind::Duration, value @ Value::Duration(_))
        | (ParameterKind::Size, value @ Value::Size(_))
        | (ParameterKind::Percent, value @ Value::Percent(_))
        | (ParameterKind::Int, value @ Value::Int(_))
        | (ParameterKind::Bool, value @ Value::Bool(_))
        | (ParameterKind::TextMap, value @ Value::Map(_)) => Ok(value),
        (ParameterKind::TextList, Value::List(items)) => conform_all(ParameterKind::Text, items),
        (ParameterKind::IntList, Value::List(items)) => conform_all(ParameterKind::Int, items),
        (ParameterKind::ChoiceList(words), Value::List(items)) => conform_all(ParameterKind::Choice(words), items),
        // A host is named where a name is wanted.
        (ParameterKind::Host, Value::Map(host)) if host.contains_key("name") => conform(kind, host["name"].clone()),
        (_, value @ (Value::Null | Value::Map(_) | Value::List(_))) => Err(format!("expected {}, found `{value}`", expected(kind))),
        (_, value) => argument(kind, &value.to_string()),
    }
}

/// A text as a parameter of a runbook. A host, hosts and a pool stay names: only the inventory knows them. A list is separated by commas.
///
/// # Errors
/// What was expected and what was found.
pub fn param(kind: &ParamKind, text: &str) -> Result<Value, String> {
    match kind {
        ParamKind::Text => Ok(Value::text(text)),
        ParamKind::Int => int(text),
        ParamKind::Float => float(text),
        ParamKind::Bool => truth(text),
        ParamKind::Duration => parse_duration(text).map(Value::Duration),
        ParamKind::Size => size(text).map(Value::Size),
        ParamKind::Percent => percent(text).map(Value::Percent),
        ParamKind::CountOrPercent => count_or_percent(text),
        ParamKind::Path => path(text),
        ParamKind::Url => url(text),
        ParamKind::Host => name(text, "a host of the inventory such as `web-01`"),
        ParamKind::Hosts => name(text, "a host pattern such as `webservers:!web-01`"),
        ParamKind::Pool => name(text, "a pool of the inventory such as `web`"),
        ParamKind::Choice(words) => choice(words.iter().map(String::as_str), text),
        ParamKind::List(item) => text.split(',').map(|t| param(item, t.trim())).collect::<Result<_, _>>().map(Value::List),
    }
}

/// `500MiB` in bytes: B, and kB/MB/GB/TB by 1000, KiB/MiB/GiB/TiB by 1024.
///
/// # Errors
/// What was expected and what was found.
pub fn size(text: &str) -> Result<u64, String> {
    let refuse = || format!("expected a size such as `500MiB` or `2GB`, found `{text}`");
    let trimmed = text.trim();
    let digits = trimmed.len() - trimmed.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
    let number: f64 = trimmed[..digits].parse().map_err(|_| refuse())?;
    let unit: f64 = match trimmed[digits..].trim_start() {
        "B" => 1.0,
        "kB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        "TB" => 1e12,
        "KiB" => 1024.0,
        "MiB" => 1_048_576.0,
        "GiB" => 1_073_741_824.0,
        "TiB" => 1_099_511_627_776.0,
        _ => return Err(refuse()),
    };
    let bytes = number * unit;
    // Above this a float no longer counts single bytes; eight petabytes are enough.
    if !bytes.is_finite() || bytes > 9_007_199_254_740_992.0 {
        return Err(format!("`{text}` is more than 8 PiB"));
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    Ok(bytes.round() as u64)
}

/// `20%`.
///
/// # Errors
/// What was expected and what was found.
pub fn percent(text: &str) -> Result<f64, String> {
    let refuse = || format!("expected a percentage such as `20%`, found `{text}`");
    let number = text.trim().strip_suffix('%').ok_or_else(refuse)?.trim_end();
    if !number.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(refuse());
    }
    number.parse().ok().filter(|p: &f64| p.is_finite()).ok_or_else(refuse)
}

/// What a parameter of that kind wants, with an example.
#[must_use]
pub fn expected(kind: ParameterKind) -> String {
    match kind {
        ParameterKind::Text => "a text".into(),
        ParameterKind::Script => "a `sh` script".into(),
        ParameterKind::Bool => "`true` or `false`".into(),
        ParameterKind::Int => "a whole number such as `3`".into(),
        ParameterKind::Duration => "a duration such as `90s`, `5m` or `1h30m`".into(),
        ParameterKind::Size => "a size such as `500MiB` or `2GB`".into(),
        ParameterKind::Percent => "a percentage such as `20%`".into(),
        ParameterKind::Path => "an absolute path such as `/etc/hosts`".into(),
        ParameterKind::Url => "a URL such as `http://127.0.0.1/health`".into(),
        ParameterKind::Choice(words) => format!("one of {}", ticked(words.iter().copied())),
        ParameterKind::Pool => "a pool of the inventory such as `web`".into(),
        ParameterKind::Host => "a host of the inventory such as `web-01`".into(),
        ParameterKind::Mode => "an octal mode as a string such as `\"0644\"`".into(),
        ParameterKind::TextList => "a list of texts such as `[a, b]`".into(),
        ParameterKind::ChoiceList(words) => format!("a list of some of {}", ticked(words.iter().copied())),
        ParameterKind::IntList => "a list of whole numbers such as `[0, 1]`".into(),
        ParameterKind::TextMap => "a map of names and texts such as `{ name: text }`".into(),
        ParameterKind::Json => "any value".into(),
        ParameterKind::Expression => "an expression over `result` such as `result.exit_code == 0`".into(),
    }
}

/// `` `a`, `b` ``
pub(super) fn ticked<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", ")
}

fn conform_all(kind: ParameterKind, items: Vec<Value>) -> Result<Value, String> {
    items.into_iter().map(|i| conform(kind, i)).collect::<Result<_, _>>().map(Value::List)
}

fn truth(text: &str) -> Result<Value, String> {
    match text {
        "true" => Ok(Value::Bool(true)),
        "false" => Ok(Value::Bool(false)),
        _ => Err(format!("expected `true` or `false`, found `{text}`")),
    }
}

fn int(text: &str) -> Result<Value, String> {
    text.parse()
        .map(Value::Int)
        .map_err(|_| format!("expected a whole number such as `3`, found `{text}`"))
}

fn float(text: &str) -> Result<Value, String> {
    let digits = text.trim_start_matches('-');
    let plain = digits.starts_with(|c: char| c.is_ascii_digit());
    match text.parse::<f64>() {
        Ok(n) if plain && n.is_finite() => Ok(Value::Float(n)),
        _ => Err(format!("expected a number such as `0.5`, found `{text}`")),
    }
}

fn count_or_percent(text: &str) -> Result<Value, String> {
    if text.ends_with('%') {
        return percent(text).map(Value::Percent);
    }
    match text.parse::<u32>() {
        Ok(n) => Ok(Value::Int(i64::from(n))),
        Err(_) => Err(format!("expected a count or a percentage such as `2` or `25%`, found `{text}`")),
    }
}

fn path(text: &str) -> Result<Value, String> {
    if !text.starts_with('/') || text.contains('\0') {
        return Err(format!("expected an absolute path such as `/etc/hosts`, found `{text}`"));
    }
    Ok(Value::text(text))
}

fn url(text: &str) -> Result<Value, String> {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let sound = rest.is_some_and(|r| !r.is_empty() && !r.starts_with('/') && !r.contains(|c: char| c.is_whitespace() || c.is_control()));
    if !sound {
        return Err(format!("expected a URL such as `http://127.0.0.1/health`, found `{text}`"));
    }
    Ok(Value::text(text))
}

fn mode(text: &str) -> Result<Value, String> {
    let octal = (3..=4).contains(&text.len()) && text.bytes().all(|b| (b'0'..=b'7').contains(&b));
    if !octal {
        return Err(format!("expected an octal mode as a string such as `\"0644\"`, found `{text}`"));
    }
    Ok(Value::text(text))
}

fn name(text: &str, wanted: &str) -> Result<Value, String> {
    if text.trim().is_empty() {
        return Err(format!("expected {wanted}, found an empty text"));
    }
    Ok(Value::text(text))
}

fn choice<'a>(words: impl Iterator<Item = &'a str> + Clone, text: &str) -> Result<Value, String> {
    if words.clone().any(|w| w == text) {
        return Ok(Value::text(text));
    }
    let meant = crate::diagnostic::nearest(text, words.clone());
    let hint = meant.map_or_else(String::new, |m| format!("; did you mean `{m}`?"));
    Err(format!("expected one of {}, found `{text}`{hint}", ticked(words)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn sizes_and_percentages_read_as_people_write_them() {
        for (text, bytes) in [("500MiB", 524_288_000), ("2GB", 2_000_000_000), ("1.5KiB", 1536), ("0B", 0), ("10 kB", 10_000)] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "500", "MiB", "-1B", "1e9B", "5 M", "99999999TiB"] {
            assert!(size(text).is_err(), "{text} must be refused");
        }
        assert_eq!(percent("20%"), Ok(20.0));
        for text in ["20", "%", "-1%", "inf%", "NaN%"] {
            assert!(percent(text).is_err(), "{text} must be refused");
        }
    }

    #[test]
    fn arguments_are_of_their_kind_or_say_what_was_expected() {
        const STATES: &[&str] = &["started", "stopped"];
        let good = [
            (ParameterKind::Duration, "90s", Value::Duration(Duration::from_secs(90))),
            (ParameterKind::Mode, "0644", Value::text("0644")),
            (ParameterKind::Path, "/etc", Value::text("/etc")),
            (ParameterKind::Choice(STATES), "started", Value::text("started")),
            (ParameterKind::IntList, "3", Value::List(vec![Value::Int(3)])),
        ];
        for (kind, text, value) in good {
            assert_eq!(argument(kind, text), Ok(value));
        }
        for (kind, text, part) in [
            (ParameterKind::Path, "etc/x", "absolute path"),
            (ParameterKind::Url, "ftp://x", "http://"),
            (ParameterKind::Url, "http:///x", "http://"),
            (ParameterKind::Mode, "0888", "octal"),
            (ParameterKind::Choice(STATES), "startd", "did you mean `started`"),
            (ParameterKind::Bool, "yes", "`true` or `false`"),
            (ParameterKind::Pool, " ", "pool"),
        ] {
            let message = argument(kind, text).unwrap_err();
            assert!(message.contains(part) && message.contains("found"), "{message}");
        }
    }

    #[test]
    fn rendered_values_keep_their_type_or_are_read_again() {
        let host = Value::map([("name", Value::text("web-01"))]);
        assert_eq!(conform(ParameterKind::Host, host), Ok(Value::text("web-01")));
        assert_eq!(conform(ParameterKind::Duration, Value::Unknown), Ok(Value::Unknown));
        assert_eq!(conform(ParameterKind::Text, Value::Int(3)), Ok(Value::text("3")));
        assert_eq!(conform(ParameterKind::Duration, Value::text("2m")), Ok(Value::Duration(Duration::from_secs(120))));
        let list = Value::List(vec![Value::Int(1)]);
        assert_eq!(conform(ParameterKind::TextList, list.clone()), Ok(Value::List(vec![Value::text("1")])));
        assert!(conform(ParameterKind::Path, list).is_err());
    }

    #[test]
    fn params_of_lists_are_separated_by_commas() {
        let kind = ParamKind::List(Box::new(ParamKind::Int));
        assert_eq!(param(&kind, "1, 2"), Ok(Value::List(vec![Value::Int(1), Value::Int(2)])));
        assert_eq!(param(&ParamKind::CountOrPercent, "25%"), Ok(Value::Percent(25.0)));
        assert_eq!(param(&ParamKind::CountOrPercent, "2"), Ok(Value::Int(2)));
        assert!(param(&ParamKind::Float, "inf").is_err());
    }
}
