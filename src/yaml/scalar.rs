//! What a plain scalar means: YAML 1.2 core, minus the readings that surprise people.

use crate::base::value::Value;
use crate::yaml::{Scalar, Style};

impl Scalar {
    /// The value: quoted scalars and blocks are text; a plain one may be `true`, `false`, `null`, `~`, nothing, a whole number
    /// (`7`, `-3`, `0x1f`, `0o17`) or a number (`2.5`, `1e3`). Whatever only older YAML reads otherwise stays text: `yes`, `no`,
    /// `on`, `off`, `0755`, `1_000`, `12:30`. So does a number that would lose digits or is not finite.
    #[must_use]
    pub fn value(&self) -> Value {
        if self.style != Style::Plain {
            return Value::Text(self.text.clone());
        }
        match self.text.as_str() {
            "" | "~" | "null" => Value::Null,
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            text => number(text).unwrap_or_else(|| Value::Text(text.to_owned())),
        }
    }

    /// True when a plain number would be written otherwise than it was (`1.10`, `1e3`): the author may have meant text.
    #[must_use]
    pub fn changes_shape(&self) -> bool {
        match self.value() {
            Value::Float(_) | Value::Int(_) if self.style == Style::Plain => self.value().to_string() != self.text,
            _ => false,
        }
    }
}

fn number(text: &str) -> Option<Value> {
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(digits) = text.strip_prefix(prefix) {
            // `from_str_radix` takes a sign, YAML takes none here
            let plain = digits.bytes().all(|b| b.is_ascii_alphanumeric());
            return plain.then(|| i64::from_str_radix(digits, radix).ok().map(Value::Int)).flatten();
        }
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let whole = unsigned.len() - unsigned.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    if whole > 1 && unsigned.starts_with('0') {
        return None;
    }
    if !unsigned.is_empty() && whole == unsigned.len() {
        return text.parse().ok().map(Value::Int);
    }
    is_float(unsigned, whole)
        .then(|| text.parse().ok())
        .flatten()
        .filter(|f: &f64| f.is_finite())
        .map(Value::Float)
}

/// `2.5`, `.5`, `2.`, `1e3`, `1.5e-3`; the sign is already gone.
fn is_float(unsigned: &str, whole: usize) -> bool {
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((m, e)) => (m, Some(e.strip_prefix(['-', '+']).unwrap_or(e))),
        None => (unsigned, None),
    };
    let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    let fraction = mantissa.get(whole..).unwrap_or("");
    let fraction_fits = match fraction.strip_prefix('.') {
        Some(f) => digits(f) && whole + f.len() > 0,
        None => fraction.is_empty() && whole > 0,
    };
    fraction_fits && exponent.is_none_or(|e| !e.is_empty() && digits(e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Span;

    fn plain(text: &str) -> Scalar {
        Scalar {
            text: text.to_owned(),
            style: Style::Plain,
            content: Span::default(),
        }
    }

    #[test]
    fn plain_scalars_read_as_yaml_1_2() {
        for text in ["", "~", "null"] {
            assert_eq!(plain(text).value(), Value::Null, "{text}");
        }
        assert_eq!(plain("true").value(), Value::Bool(true));
        assert_eq!(plain("false").value(), Value::Bool(false));
        for (text, n) in [
            ("0", 0),
            ("7", 7),
            ("-3", -3),
            ("+5", 5),
            ("0x1f", 31),
            ("0o17", 15),
            ("9223372036854775807", i64::MAX),
        ] {
            assert_eq!(plain(text).value(), Value::Int(n), "{text}");
        }
        for (text, f) in [
            ("2.5", 2.5),
            (".5", 0.5),
            ("2.", 2.0),
            ("1e3", 1000.0),
            ("-1.5e-3", -0.0015),
            ("0.1", 0.1),
        ] {
            assert_eq!(plain(text).value(), Value::Float(f), "{text}");
        }
    }

    #[test]
    fn what_only_old_yaml_reads_otherwise_is_text() {
        for text in [
            "yes",
            "no",
            "on",
            "off",
            "y",
            "n",
            "True",
            "NULL",
            "0755",
            "00",
            "1_000",
            "12:30",
            "12:30:45",
            "0x",
            "0o8",
            "0x-1",
            "-0x1",
            "-",
            "+",
            ".",
            "e5",
            "1e",
            "1e+",
            "1.2.3",
            ".inf",
            ".nan",
            "inf",
            "nan",
            "1e999",
            "9223372036854775808",
            "01.5",
            "½",
            "٣",
        ] {
            assert_eq!(plain(text).value(), Value::text(text), "{text}");
        }
    }

    #[test]
    fn quoted_is_text() {
        let quoted = Scalar {
            style: Style::Double,
            ..plain("true")
        };
        assert_eq!(quoted.value(), Value::text("true"));
    }

    #[test]
    fn numbers_that_would_be_written_otherwise_are_known() {
        for (text, changes) in [
            ("1.10", true),
            ("1e3", true),
            ("0x1f", true),
            ("1.5", false),
            ("15", false),
            ("abc", false),
            ("2.0", true),
        ] {
            assert_eq!(plain(text).changes_shape(), changes, "{text}");
        }
    }
}
