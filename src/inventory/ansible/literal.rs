//! Python's literals, as Ansible reads the values of its INI inventories: `1`, `[1, 2]`, `None`, `'text'`. Everything else is text
//! as it stands.

use std::collections::BTreeMap;

use crate::base::value::Value;

/// Lists in lists in lists; more is no value that a person wrote.
const DEEPEST: usize = 32;

/// The value of a text: a literal if the whole of it is one, else the text itself.
pub(super) fn value(text: &str) -> Value {
    let mut reader = Reader {
        text: text.trim_start_matches([' ', '\t']),
        at: 0,
    };
    reader.whole().unwrap_or_else(|| Value::text(text))
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Reader<'t> {
    /// One value, or several with commas between them, up to the end or a comment.
    fn whole(&mut self) -> Option<Value> {
        let first = self.value(0)?;
        if !self.take(',') {
            return self.at_end().then_some(first);
        }
        let mut items = vec![first];
        while !self.at_end() {
            items.push(self.value(0)?);
            if !self.take(',') && !self.at_end() {
                return None;
            }
        }
        Some(Value::List(items))
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn blanks(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start_matches([' ', '\t', '\u{c}']).len();
    }

    fn at_end(&mut self) -> bool {
        self.blanks();
        self.rest().is_empty() || self.rest().starts_with('#')
    }

    fn take(&mut self, mark: char) -> bool {
        self.blanks();
        let found = self.rest().starts_with(mark);
        self.at += if found { mark.len_utf8() } else { 0 };
        found
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        self.blanks();
        if depth > DEEPEST {
            return None;
        }
        match self.rest().chars().next()? {
            '[' => self.items(']', depth).map(|(items, _)| Value::List(items)),
            '(' => {
                let (mut items, comma) = self.items(')', depth)?;
                // parentheses around one value are no tuple
                if items.len() == 1 && !comma {
                    items.pop()
                } else {
                    Some(Value::List(items))
                }
            }
            '{' => self.braces(depth),
            '+' | '-' => {
                let minus = self.rest().starts_with('-');
                self.at += 1;
                self.blanks();
                match (self.number()?, minus) {
                    (Value::Int(n), true) => n.checked_neg().map(Value::Int),
                    (Value::Float(n), true) => Some(Value::Float(-n)),
                    (number, _) => Some(number),
                }
            }
            c if c.is_ascii_digit() || c == '.' => self.number(),
            _ => self.word(),
        }
    }

    /// Values up to the closing bracket, and whether a comma stood behind the last one.
    fn items(&mut self, close: char, depth: usize) -> Option<(Vec<Value>, bool)> {
        self.at += 1;
        let mut items = Vec::new();
        let mut comma = false;
        while !self.take(close) {
            if !items.is_empty() && !comma {
                return None;
            }
            items.push(self.value(depth + 1)?);
            comma = self.take(',');
        }
        Some((items, comma))
    }

    /// A dictionary, or a set, which becomes a list.
    fn braces(&mut self, depth: usize) -> Option<Value> {
        self.at += 1;
        let mut map = BTreeMap::new();
        let mut set = Vec::new();
        let mut comma = true;
        while !self.take('}') {
            if !comma {
                return None;
            }
            let key = self.value(depth + 1)?;
            if self.take(':') {
                let value = self.value(depth + 1)?;
                map.insert(key.to_string(), value);
            } else {
                set.push(key);
            }
            comma = self.take(',');
        }
        match (map.is_empty(), set.is_empty()) {
            (_, true) => Some(Value::Map(map)),
            (true, false) => Some(Value::List(set)),
            (false, false) => None,
        }
    }

    fn number(&mut self) -> Option<Value> {
        let rest = self.rest();
        let length = rest.len()
            - rest
                .trim_start_matches(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'))
                .len();
        let mut end = length;
        let lower = rest[..end].to_ascii_lowercase();
        let prefixed = ["0x", "0o", "0b"].iter().position(|p| lower.starts_with(p));
        // `1e+5`: the sign belongs to the exponent
        if prefixed.is_none() && lower.ends_with('e') && rest[end..].starts_with(['+', '-']) {
            let digits = rest[end + 1..].len() - rest[end + 1..].trim_start_matches(|c: char| c.is_ascii_digit() || c == '_').len();
            end += 1 + digits;
        }
        let written = &rest[..end];
        let underscores = written.contains("__") || written.ends_with('_') || written.contains("_.") || written.contains("._");
        if underscores || written.starts_with('_') {
            return None;
        }
        self.at += end;
        let plain = written.replace('_', "");
        if let Some(which) = prefixed {
            return i64::from_str_radix(&plain[2..], [16, 8, 2][which]).ok().map(Value::Int);
        }
        if plain.bytes().all(|b| b.is_ascii_digit()) {
            // Python refuses `0755`, yet takes `00`.
            let zeros = plain.len() > 1 && plain.starts_with('0') && plain.bytes().any(|b| b != b'0');
            return if zeros { None } else { plain.parse().ok().map(Value::Int) };
        }
        let shape = plain
            .bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
        let float: f64 = plain.parse().ok().filter(|_| shape && plain.bytes().any(|b| b.is_ascii_digit()))?;
        float.is_finite().then_some(Value::Float(float))
    }

    /// `None`, `True`, `False`, or texts in quotes, which join.
    fn word(&mut self) -> Option<Value> {
        for (word, value) in [("None", Value::Null), ("True", Value::Bool(true)), ("False", Value::Bool(false))] {
            if let Some(rest) = self.rest().strip_prefix(word)
                && !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_')
            {
                self.at += word.len();
                return Some(value);
            }
        }
        let mut joined = self.quoted()?;
        while !self.at_end() {
            match self.quoted() {
                Some(more) => joined.push_str(&more),
                None => break,
            }
        }
        Some(Value::Text(joined))
    }

    /// One text in quotes; nothing is read if there is none.
    fn quoted(&mut self) -> Option<String> {
        let before = self.at;
        let rest = self.rest();
        let prefix = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        let raw = match rest[..prefix].to_ascii_lowercase().as_str() {
            "" | "u" | "b" => false,
            "r" | "br" | "rb" => true,
            _ => return None,
        };
        self.at += prefix;
        let read = self.inside(raw);
        if read.is_none() {
            self.at = before;
        }
        read
    }

    fn inside(&mut self, raw: bool) -> Option<String> {
        let rest = self.rest();
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let triple = quote.to_string().repeat(3);
        let close = if rest.starts_with(&triple) { triple } else { quote.to_string() };
        let mut at = close.len();
        let mut text = String::new();
        loop {
            let left = rest.get(at..)?;
            if left.starts_with(&close) {
                self.at += at + close.len();
                return Some(text);
            }
            let c = left.chars().next()?;
            at += c.len_utf8();
            if c != '\\' {
                text.push(c);
                continue;
            }
            if raw {
                let next = rest[at..].chars().next()?;
                text.extend([c, next]);
                at += next.len_utf8();
                continue;
            }
            at += escape(&rest[at..], &mut text)?;
        }
    }
}

/// Reads what stands behind a backslash; how many bytes that were.
fn escape(rest: &str, text: &mut String) -> Option<usize> {
    let c = rest.chars().next()?;
    let code = |from: usize, digits: usize, radix: u32| {
        let number = u32::from_str_radix(rest.get(from..from + digits)?, radix).ok()?;
        Some((char::from_u32(number)?, from + digits))
    };
    let (read, length) = match c {
        'n' => ('\n', 1),
        't' => ('\t', 1),
        'r' => ('\r', 1),
        'a' => ('\u{7}', 1),
        'b' => ('\u{8}', 1),
        'f' => ('\u{c}', 1),
        'v' => ('\u{b}', 1),
        '\\' | '\'' | '"' => (c, 1),
        'x' => code(1, 2, 16)?,
        'u' => code(1, 4, 16)?,
        'U' => code(1, 8, 16)?,
        'N' => return None,
        '0'..='7' => {
            let digits = rest.bytes().take(3).take_while(|b| (b'0'..=b'7').contains(b)).count();
            code(0, digits, 8)?
        }
        other => {
            text.push('\\');
            (other, other.len_utf8())
        }
    };
    text.push(read);
    Some(length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn literals_are_read_and_the_rest_is_text() {
        let list = |items: &[i64]| Value::List(items.iter().map(|n| Value::Int(*n)).collect());
        let table = [
            ("1", Value::Int(1)),
            ("-1", Value::Int(-1)),
            (" 1", Value::Int(1)),
            ("1_000", Value::Int(1000)),
            ("0x1f", Value::Int(31)),
            ("0b11", Value::Int(3)),
            ("00", Value::Int(0)),
            ("1.50", Value::Float(1.5)),
            (".5", Value::Float(0.5)),
            ("1e+3", Value::Float(1000.0)),
            ("[1,2]", list(&[1, 2])),
            ("[1,2,]", list(&[1, 2])),
            ("(1,)", list(&[1])),
            ("(1)", Value::Int(1)),
            ("1,2", list(&[1, 2])),
            ("22,", list(&[22])),
            ("{1,2}", list(&[1, 2])),
            ("{}", Value::Map(BTreeMap::new())),
            ("{'a': [1]}", Value::map([("a", list(&[1]))])),
            ("None", Value::Null),
            ("True", Value::Bool(true)),
            ("'a' \"b\"", Value::text("ab")),
            ("\"a b\"", Value::text("a b")),
            ("'a' # why", Value::text("a")),
            ("5 # why", Value::Int(5)),
            (r"'\x41\u00e9\n\q\101'", Value::text("Aé\n\\qA")),
            // after one octal digit stands a letter of two bytes
            (r"'\101é\0xé'", Value::text("Aé\0xé")),
            (r"r'\n'", Value::text(r"\n")),
            ("b'x'", Value::text("x")),
        ];
        for (text, expected) in table {
            assert_eq!(value(text), expected, "{text}");
        }
        for text in [
            "true",
            "no",
            "0755",
            "09",
            "1.2.3",
            "192.0.2.1",
            "1abc",
            "abc # why",
            "Nonesuch",
            "a,b",
            "[a]",
            "[1",
            "[1 2]",
            "{1: 2, 3}",
            "'a",
            "1 2",
            "1__0",
            "_1",
            "1_",
            "1e999",
            "99999999999999999999",
            "--1",
            "-'a'",
            "f'x'",
            "'a' b",
            "",
            "#x",
            "[,]",
            "1+2",
            "\\",
            "'\\",
        ] {
            assert_eq!(value(text), Value::text(text), "{text}");
        }
        let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
        assert_eq!(value(&deep), Value::text(&deep));
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "[\\[\\](){},:'\"a1x0_e.+# \\\\é-]{0,24}") {
            let _ = value(&text);
        }
    }
}
