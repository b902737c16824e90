//! What YAML 1.1 makes of a word: Ansible's files are read with it, ours are not.

use std::collections::BTreeMap;

use crate::base::value::Value;
use crate::yaml::{Node, NodeKind, Scalar, Style};

/// The value of a node in a file of Ansible's.
pub(super) fn value(node: &Node) -> Value {
    match &node.kind {
        NodeKind::Scalar(scalar) => of(scalar),
        NodeKind::List(list) => Value::List(list.iter().map(value).collect()),
        NodeKind::Map(entries) => match entries.as_slice() {
            // how `ansible-inventory` prints what is encrypted or must not be a template
            [one] if matches!(one.key.value.as_str(), "__ansible_vault" | "__ansible_unsafe") => value(&one.value),
            _ => {
                let pairs = entries.iter().map(|e| (e.key.value.clone(), value(&e.value)));
                Value::Map(pairs.collect::<BTreeMap<_, _>>())
            }
        },
    }
}

fn of(scalar: &Scalar) -> Value {
    if scalar.style != Style::Plain {
        return Value::Text(scalar.text.clone());
    }
    let text = scalar.text.strip_prefix("!unsafe ").unwrap_or(&scalar.text);
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Value::Bool(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Value::Bool(false),
        _ => number(text).unwrap_or_else(|| Value::text(text)),
    }
}

fn number(text: &str) -> Option<Value> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let negative = text.starts_with('-');
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let plain = unsigned.replace('_', "");
    let whole = |digits: &str, radix: u32| {
        let sign = if negative { "-" } else { "" };
        let fits = !digits.is_empty() && !digits.starts_with(['-', '+']);
        fits.then(|| i64::from_str_radix(&format!("{sign}{digits}"), radix).ok())
            .flatten()
            .map(Value::Int)
    };
    if let Some(digits) = plain.strip_prefix("0x") {
        return whole(digits, 16);
    }
    if let Some(digits) = plain.strip_prefix("0b") {
        return whole(digits, 2);
    }
    if plain.bytes().all(|b| b.is_ascii_digit()) {
        let octal = plain.len() > 1 && plain.starts_with('0');
        return if octal { whole(&plain[1..], 8) } else { whole(&plain, 10) };
    }
    if plain.contains(':') {
        return sixty(&plain).map(|n| Value::Int(if negative { -n } else { n }));
    }
    let (mantissa, exponent) = match plain.split_once(['e', 'E']) {
        Some((m, e)) => (m, Some(e)),
        None => (plain.as_str(), None),
    };
    let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    let shape = mantissa.contains('.')
        && digits(&mantissa.replacen('.', "", 1))
        // an exponent is one only with its sign
        && exponent.is_none_or(|e| e.strip_prefix(['-', '+']).is_some_and(digits));
    let float: f64 = plain.parse().ok().filter(|f: &f64| shape && f.is_finite())?;
    Some(Value::Float(if negative { -float } else { float }))
}

/// `12:30` is 750 there.
fn sixty(text: &str) -> Option<i64> {
    let mut parts = text.split(':');
    let first = parts.next().filter(|p| !p.starts_with('0'))?;
    let mut total: i64 = first.parse().ok()?;
    for part in parts {
        let digit: i64 = part.parse().ok().filter(|n| (0..60).contains(n) && part.len() <= 2)?;
        total = total.checked_mul(60)?.checked_add(digit)?;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_as_yaml_1_1() {
        let table = [
            ("22", Value::Int(22)),
            ("-3", Value::Int(-3)),
            ("0755", Value::Int(493)),
            ("1_000", Value::Int(1000)),
            ("0x1F", Value::Int(31)),
            ("-0b11", Value::Int(-3)),
            ("12:30", Value::Int(750)),
            ("1.50", Value::Float(1.5)),
            ("1.5e+3", Value::Float(1500.0)),
        ];
        for (text, expected) in table {
            assert_eq!(number(text), Some(expected), "{text}");
        }
        for text in [
            "1e3",
            "1.5e3",
            "0o17",
            "08",
            "1.2.3",
            "192.0.2.1",
            "12:99",
            "a",
            "-",
            ".",
            "12:30:",
            "0x",
            "0x-1",
            "2026-11-21",
            "9".repeat(30).as_str(),
        ] {
            assert_eq!(number(text), None, "{text}");
        }
    }
}
