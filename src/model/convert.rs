//! Texts into typed values: one place for what `90s`, `500MiB`, `20%` and `"0644"` mean.

use crate::base::clock;
use crate::base::value::Value;
use crate::model::action::ParameterKind;
use crate::model::inventory::Share;

/// Reads `500MiB`, `20GB`, `1024`; units B, KB, MB, GB, TB (powers of 1000) and KiB, MiB, GiB, TiB (powers of 1024).
///
/// # Errors
/// A sentence for people.
pub fn size(text: &str) -> Result<u64, String> {
    let refuse = || format!("expected a size such as `500MiB` or `20GB`, found `{text}`");
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
    let number: f64 = text[..digits].parse().map_err(|_| refuse())?;
    let unit: f64 = match text[digits..].trim() {
        "" | "B" => 1.0,
        "KB" | "kB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        "TB" => 1e12,
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        "GiB" => 1024.0 * 1024.0 * 1024.0,
        "TiB" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return Err(refuse()),
    };
    let bytes = number * unit;
    // 2^62: every sum of two sizes still fits a signed 64-bit number.
    if !(0.0..=4.6e18).contains(&bytes) {
        return Err(refuse());
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    Ok(bytes.round() as u64)
}

/// Reads `20%`, `12.5%`; the sign is required.
///
/// # Errors
/// A sentence for people.
pub fn percent(text: &str) -> Result<f64, String> {
    let refuse = || format!("expected a percentage such as `20%`, found `{text}`");
    let number: f64 = text
        .trim()
        .strip_suffix('%')
        .ok_or_else(refuse)?
        .trim()
        .parse()
        .map_err(|_| refuse())?;
    if number.is_finite() && (0.0..=1000.0).contains(&number) {
        Ok(number)
    } else {
        Err(refuse())
    }
}

/// Reads `2` or `25%`.
///
/// # Errors
/// A sentence for people.
pub fn share(value: &Value) -> Result<Share, String> {
    let refuse = || format!("expected a count such as `2` or a percentage such as `25%`, found `{value}`");
    match value {
        Value::Int(n) => u32::try_from(*n).map(Share::Count).map_err(|_| refuse()),
        Value::Percent(p) => Ok(Share::Percent(*p)),
        Value::Text(text) => match text.trim().parse::<u32>() {
            Ok(n) => Ok(Share::Count(n)),
            Err(_) => percent(text).map(Share::Percent).map_err(|_| refuse()),
        },
        _ => Err(refuse()),
    }
}

/// Turns a rendered value into what the parameter's kind asks for. The unknown stays unknown.
///
/// # Errors
/// What was expected and what was found.
pub fn argument(kind: ParameterKind, value: Value) -> Result<Value, String> {
    use ParameterKind as Kind;
    if value == Value::Unknown {
        return Ok(value);
    }
    let found = describe(&value);
    match (kind, value) {
        (Kind::Bool, Value::Bool(b)) => Ok(Value::Bool(b)),
        (Kind::Bool, Value::Text(t)) if t == "true" || t == "false" => Ok(Value::Bool(t == "true")),
        (Kind::Int, Value::Int(n)) => Ok(Value::Int(n)),
        (Kind::Int, Value::Text(t)) => t
            .trim()
            .parse()
            .map(Value::Int)
            .map_err(|_| format!("expected a whole number, found `{t}`")),
        (Kind::Duration, Value::Duration(d)) => Ok(Value::Duration(d)),
        (Kind::Duration, Value::Text(t)) => clock::parse_duration(&t).map(Value::Duration),
        (Kind::Size, Value::Size(n)) => Ok(Value::Size(n)),
        (Kind::Size, Value::Text(t)) => size(&t).map(Value::Size),
        (Kind::Percent, Value::Percent(p)) => Ok(Value::Percent(p)),
        (Kind::Percent, Value::Text(t)) => percent(&t).map(Value::Percent),
        (Kind::Path, Value::Text(t)) if t.starts_with('/') => Ok(Value::Text(t)),
        (Kind::Path, Value::Text(t)) => Err(format!("expected an absolute path, found `{t}`")),
        (Kind::Url, Value::Text(t)) if t.starts_with("http://") || t.starts_with("https://") => Ok(Value::Text(t)),
        (Kind::Url, Value::Text(t)) => Err(format!("expected an address that begins with `http://` or `https://`, found `{t}`")),
        (Kind::Choice(words), Value::Text(t)) if words.contains(&t.as_str()) => Ok(Value::Text(t)),
        (Kind::Choice(words), Value::Text(t)) => Err(format!("expected one of {}, found `{t}`", words.join(", "))),
        (Kind::Mode, Value::Text(t)) if (3..=4).contains(&t.len()) && t.bytes().all(|b| (b'0'..=b'7').contains(&b)) => Ok(Value::Text(t)),
        (Kind::Mode, _) => Err(format!("expected a mode in quotes such as `\"0644\"`, found {found}")),
        (Kind::Sql, v @ Value::Text(_)) => Ok(v),
        (Kind::Pool | Kind::Host | Kind::Text | Kind::Script, v @ (Value::Text(_) | Value::Int(_) | Value::Float(_) | Value::Bool(_))) => {
            Ok(Value::Text(v.to_string()))
        }
        (Kind::Host, Value::Map(map)) => map.get("name").cloned().ok_or_else(|| String::from("expected the name of a host")),
        (Kind::Text, v @ Value::Secret(_)) => Ok(v),
        (Kind::Text, v @ (Value::Duration(_) | Value::Size(_) | Value::Percent(_) | Value::List(_))) => Ok(Value::Text(v.to_string())),
        (Kind::TextList, Value::List(list)) => Ok(Value::List(
            list.into_iter()
                .map(|v| if v == Value::Unknown { v } else { Value::Text(v.to_string()) })
                .collect(),
        )),
        (Kind::IntList, Value::List(list)) => list
            .into_iter()
            .map(|v| argument(Kind::Int, v))
            .collect::<Result<_, _>>()
            .map(Value::List),
        (Kind::ChoiceList(words), Value::List(list)) => list
            .into_iter()
            .map(|v| argument(Kind::Choice(words), v))
            .collect::<Result<_, _>>()
            .map(Value::List),
        (Kind::TextMap, Value::Map(map)) => Ok(Value::Map(
            map.into_iter()
                .map(|(k, v)| {
                    (
                        k,
                        if matches!(v, Value::Unknown | Value::Secret(_)) {
                            v
                        } else {
                            Value::Text(v.to_string())
                        },
                    )
                })
                .collect(),
        )),
        (Kind::Json, v) => Ok(v),
        (kind, _) => Err(format!("expected {}, found {found}", expected(kind))),
    }
}

/// What a kind of parameter wants, in words.
#[must_use]
pub fn expected(kind: ParameterKind) -> &'static str {
    use ParameterKind as Kind;
    match kind {
        Kind::Text => "text",
        Kind::Script => "a script",
        Kind::Bool => "`true` or `false`",
        Kind::Int => "a whole number",
        Kind::Duration => "a duration such as `30s`",
        Kind::Size => "a size such as `500MiB`",
        Kind::Percent => "a percentage such as `20%`",
        Kind::Path => "an absolute path",
        Kind::Url => "an address such as `http://…`",
        Kind::Choice(_) => "one of the listed words",
        Kind::Pool => "the name of a pool",
        Kind::Host => "the name of a host",
        Kind::Mode => "a mode in quotes such as `\"0644\"`",
        Kind::TextList | Kind::ChoiceList(_) => "a list of texts",
        Kind::IntList => "a list of whole numbers",
        Kind::TextMap => "a map of texts",
        Kind::Json => "any value",
        Kind::Sql => "SQL without placeholders",
        Kind::Expression => "an expression",
    }
}

/// A value in words, for "found …".
#[must_use]
pub fn describe(value: &Value) -> String {
    match value {
        Value::Unknown => String::from("a value known at run time"),
        Value::Null => String::from("nothing"),
        Value::List(_) => String::from("a list"),
        Value::Map(_) => String::from("a map"),
        Value::Text(t) => format!("`{t}`"),
        other => format!("`{other}`"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_percentages() {
        assert_eq!(size("500MiB"), Ok(524_288_000));
        assert_eq!(size("20GB"), Ok(20_000_000_000));
        for text in [
            "0B", "1B", "1MiB", "1048577B", "1536B", "1536MiB", "20GB", "1500KB", "500MiB", "1TiB",
        ] {
            assert_eq!(crate::base::size::written(size(text).unwrap()), text);
        }
        assert!(size("20G").is_err() && size("-1").is_err() && size("").is_err());
        assert_eq!(percent("12.5%"), Ok(12.5));
        assert!(percent("20").is_err() && percent("-5%").is_err());
    }

    #[test]
    fn a_bare_number_is_no_mode() {
        assert!(argument(ParameterKind::Mode, Value::Int(644)).unwrap_err().contains("in quotes"));
        assert_eq!(argument(ParameterKind::Mode, Value::text("0644")), Ok(Value::text("0644")));
    }
}
