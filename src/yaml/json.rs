//! JSON texts as the same trees: what programs print. Strict JSON, with the places of every value.

use crate::base::bound::{TEXT_BYTES, YAML_DEPTH, YAML_NODES};
use crate::base::sanitise::one_line;
use crate::diagnostic::{Diagnostic, Diagnostics, SourceId, Sources, Span, Spanned};
use crate::yaml::{Entry, Node, NodeKind, Scalar, Style};

/// Reads one JSON text. Without a tree there is at least one diagnostic.
#[must_use]
pub fn read_json(sources: &Sources, id: SourceId) -> (Option<Node>, Diagnostics) {
    let text = sources.get(id).map_or("", |s| s.text.as_str());
    if text.len() > TEXT_BYTES {
        let message = format!("this text has {} bytes; at most {TEXT_BYTES} (4 MiB) are read", text.len());
        return (None, Diagnostic::error("RB0008", Span::new(id, 0, 0), message).into());
    }
    let mut reader = Reader { text, id, at: 0, nodes: 0 };
    let read = reader.value(0).and_then(|node| {
        reader.blanks();
        if reader.at < text.len() {
            return Err(reader.wrong("text after the end of the JSON value"));
        }
        Ok(node)
    });
    match read {
        Ok(node) => (Some(node), Diagnostics::new()),
        Err(mistake) => (None, (*mistake).into()),
    }
}

type Read<T> = Result<T, Box<Diagnostic>>;

struct Reader<'t> {
    text: &'t str,
    id: SourceId,
    at: usize,
    nodes: usize,
}

impl Reader<'_> {
    fn blanks(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn span(&self, start: usize) -> Span {
        Span::new(self.id, start, self.at)
    }

    fn wrong(&self, what: &str) -> Box<Diagnostic> {
        let length = self.text[self.at..].chars().next().map_or(0, char::len_utf8);
        let span = Span::new(self.id, self.at, self.at + length);
        Box::new(Diagnostic::error("RB0001", span, format!("this is not JSON: {what}")))
    }

    fn value(&mut self, depth: usize) -> Read<Node> {
        self.blanks();
        self.nodes += 1;
        if self.nodes > YAML_NODES {
            let message = format!("more than {YAML_NODES} values in one text");
            return Err(Box::new(Diagnostic::error("RB0009", self.span(self.at), message)));
        }
        if depth > YAML_DEPTH {
            let message = format!("more than {YAML_DEPTH} lists and maps inside each other");
            return Err(Box::new(Diagnostic::error("RB0010", self.span(self.at), message)));
        }
        match self.peek() {
            Some(b'{') => self.map(depth),
            Some(b'[') => self.list(depth),
            Some(b'"') => {
                let start = self.at;
                let text = self.string()?;
                let content = Span::new(self.id, start + 1, self.at - 1);
                Ok(self.scalar(start, text, Style::Double, content))
            }
            _ => self.word(),
        }
    }

    fn scalar(&self, start: usize, text: String, style: Style, content: Span) -> Node {
        let kind = NodeKind::Scalar(Scalar { text, style, content });
        Node {
            span: self.span(start),
            kind,
        }
    }

    /// `true`, `false`, `null` or a number.
    fn word(&mut self) -> Read<Node> {
        let start = self.at;
        let rest = &self.text[start..];
        let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '+' | '-' | '.'));
        let word = &rest[..length.unwrap_or(rest.len())];
        let number = serde_json::from_str::<serde_json::Number>(word).is_ok();
        if !number && !matches!(word, "true" | "false" | "null") {
            return Err(self.wrong("a value is missing"));
        }
        self.at += word.len();
        let span = self.span(start);
        Ok(self.scalar(start, word.to_owned(), Style::Plain, span))
    }

    fn string(&mut self) -> Read<String> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let mut end = start + 1;
        while bytes.get(end).is_some_and(|b| *b != b'"') {
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        let Some(quoted) = self.text.get(start..=end) else {
            return Err(self.wrong("this quote is never closed"));
        };
        let read = serde_json::from_str(quoted).map_err(|_| self.wrong("a text that JSON does not allow"));
        self.at = end + 1;
        read
    }

    fn list(&mut self, depth: usize) -> Read<Node> {
        let start = self.at;
        let mut items = Vec::new();
        self.at += 1;
        self.blanks();
        while self.peek() != Some(b']') {
            items.push(self.value(depth + 1)?);
            self.separator(b']')?;
        }
        self.at += 1;
        Ok(Node {
            span: self.span(start),
            kind: NodeKind::List(items),
        })
    }

    fn map(&mut self, depth: usize) -> Read<Node> {
        let start = self.at;
        let mut entries: Vec<Entry> = Vec::new();
        let mut seen = std::collections::HashMap::new();
        self.at += 1;
        self.blanks();
        while self.peek() != Some(b'}') {
            if self.peek() != Some(b'"') {
                return Err(self.wrong("a key in double quotes is missing"));
            }
            let from = self.at;
            let key = Spanned::new(self.string()?, self.span(from));
            if let Some(first) = seen.insert(key.value.clone(), key.span) {
                let message = format!("key `{}` stands twice in the same map", one_line(&key.value, 60));
                let twice = Diagnostic::error("RB0002", key.span, message).label("again here");
                return Err(Box::new(twice.also(first, "first here")));
            }
            self.blanks();
            if self.peek() != Some(b':') {
                return Err(self.wrong("a `:` is missing"));
            }
            self.at += 1;
            let value = self.value(depth + 1)?;
            entries.push(Entry { key, value });
            self.separator(b'}')?;
        }
        self.at += 1;
        Ok(Node {
            span: self.span(start),
            kind: NodeKind::Map(entries),
        })
    }

    /// Steps over a comma, or stops at the closing bracket.
    fn separator(&mut self, close: u8) -> Read<()> {
        self.blanks();
        match self.peek() {
            Some(b) if b == close => Ok(()),
            Some(b',') => {
                self.at += 1;
                self.blanks();
                if self.peek() == Some(close) {
                    return Err(self.wrong("a comma before the closing bracket"));
                }
                Ok(())
            }
            _ => Err(self.wrong("a comma or a closing bracket is missing")),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;
    use crate::base::value::Value;

    fn read(text: &str) -> Result<Node, &'static str> {
        let mut sources = Sources::new();
        let id = sources.add("x.json", text);
        let (node, diagnostics) = read_json(&sources, id);
        node.ok_or_else(|| diagnostics.iter().next().unwrap().code)
    }

    #[test]
    fn values_have_their_places() {
        let text = "{\"a\":\t[1, \"\\ud83d\\ude00\"], \"b\": {\"c\": null, \"d\": -1.5e3}}";
        let node = read(text).unwrap();
        let place = |n: &Node| &text[n.span.start as usize..n.span.end as usize];
        let a = node.get("a").unwrap().as_list().unwrap();
        assert_eq!((place(&a[0]), a[1].to_value()), ("1", Value::text("😀")));
        let b = node.get("b").unwrap();
        assert_eq!(
            (place(b.get("d").unwrap()), b.get("c").unwrap().to_value()),
            ("-1.5e3", Value::Null)
        );
        assert_eq!(place(b), "{\"c\": null, \"d\": -1.5e3}");
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in [
            "",
            "{",
            "{\"a\"",
            "{\"a\":",
            "{\"a\": 1,}",
            "[1,]",
            "{a: 1}",
            "[01]",
            "\"a",
            "\"\\x\"",
            "[1] 2",
            "nul",
            "'a'",
            "[1 2]",
            "\"\\",
        ] {
            assert_eq!(read(text), Err("RB0001"), "{text}");
        }
        assert_eq!(read("{\"a\": 1, \"a\": 2}"), Err("RB0002"));
        assert_eq!(read(&"[".repeat(10_000)), Err("RB0010"));
    }

    proptest! {
        #[test]
        fn agrees_with_a_library(text in "[\\[\\]{},:\"a1 \\\\e.-]{0,24}") {
            let theirs = serde_json::from_str::<serde_json::Value>(&text).ok();
            match (read(&text), theirs) {
                (Ok(node), Some(theirs)) => prop_assert_eq!(node.to_value().to_json().to_string().is_empty(), theirs.to_string().is_empty()),
                (Err("RB0002"), _) => {}
                (ours, theirs) => prop_assert_eq!(ours.is_ok(), theirs.is_some()),
            }
        }
    }
}
