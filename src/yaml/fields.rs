//! Reads the fields of a map by name and type, and collects every mistake instead of stopping at the first.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::base::clock::parse_duration;
use crate::base::sanitise::one_line;
use crate::base::value::{Share, Value};
use crate::diagnostic::{Diagnostic, Diagnostics, Span, Spanned, nearest};
use crate::yaml::{Entry, Node};

/// The fields of one map. Its getters give `None` both for a field that is absent and for one that was refused; in the second
/// case the mistake has been said.
#[derive(Clone, Debug)]
pub struct Fields<'n> {
    node: &'n Node,
    what: String,
}

impl<'n> Fields<'n> {
    /// The fields of `node`, which is `what` (`a host`, `step`). Says if it is no map, and names every key that is not in `known`.
    pub fn of(node: &'n Node, known: &[&str], what: &str, diagnostics: &mut Diagnostics) -> Fields<'n> {
        let fields = Fields::any(node, what, diagnostics);
        for entry in node.as_map().unwrap_or_default() {
            if !known.contains(&entry.key.value.as_str()) {
                diagnostics.push(unknown_key(entry, known, what));
            }
        }
        fields
    }

    /// As [`Fields::of`] for one who looks at the unknown keys himself: says only if `node` is no map.
    pub fn any(node: &'n Node, what: &str, diagnostics: &mut Diagnostics) -> Fields<'n> {
        if node.as_map().is_none() {
            diagnostics.push(wrong_type(node, what, "a map"));
        }
        Fields {
            node,
            what: what.to_owned(),
        }
    }

    /// The map itself.
    #[must_use]
    pub fn node(&self) -> &'n Node {
        self.node
    }

    /// The value of a key, whatever it is; `None` if absent or left empty.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&'n Node> {
        self.node.get(key).filter(|n| !n.is_null())
    }

    /// Where the key itself stands.
    #[must_use]
    pub fn key_span(&self, key: &str) -> Option<Span> {
        self.node.entry(key).map(|e| e.key.span)
    }

    /// The value of a key that must be there.
    pub fn required(&self, key: &str, diagnostics: &mut Diagnostics) -> Option<&'n Node> {
        let entry = self.node.entry(key);
        match entry {
            Some(e) if !e.value.is_null() => Some(&e.value),
            // no map at all was said already
            None if self.node.as_map().is_none() => None,
            _ => {
                let place = entry.map_or_else(|| first_line(self.node), |e| e.key.span);
                let message = format!("{} needs `{key}`", self.what);
                diagnostics.push(Diagnostic::error("RB0021", place, message).help(format!("add `{key}: …`")));
                None
            }
        }
    }

    /// Text: any scalar, as written (`no`, `5` and `true` included).
    pub fn text(&self, key: &str, diagnostics: &mut Diagnostics) -> Option<Spanned<String>> {
        text(self.present(key, diagnostics)?, key, diagnostics)
    }

    /// Text that must be there.
    pub fn required_text(&self, key: &str, diagnostics: &mut Diagnostics) -> Option<Spanned<String>> {
        text(self.required(key, diagnostics)?, key, diagnostics)
    }

    /// `true` or `false`.
    pub fn bool(&self, key: &str, diagnostics: &mut Diagnostics) -> Option<Spanned<bool>> {
        let node = self.present(key, diagnostics)?;
        match node.as_scalar().map(|s| s.value()) {
            Some(Value::Bool(b)) => Some(Spanned::new(b, node.span)),
            _ => {
                let mut refused = wrong_type(node, key, "`true` or `false`");
                if let Some(word) = node.as_scalar().and_then(|s| truth(&s.text)) {
                    refused = refused.help(format!("write `{word}`")).replacement(word);
                }
                diagnostics.push(refused);
                None
            }
        }
    }

    /// A whole number in `range`.
    pub fn int(&self, key: &str, range: RangeInclusive<i64>, diagnostics: &mut Diagnostics) -> Option<Spanned<i64>> {
        let node = self.present(key, diagnostics)?;
        match node.as_scalar().map(|s| s.value()) {
            Some(Value::Int(n)) if range.contains(&n) => Some(Spanned::new(n, node.span)),
            Some(Value::Int(n)) => {
                let message = format!("`{key}` must be from {} to {}, found {n}", range.start(), range.end());
                diagnostics.push(Diagnostic::error("RB0023", node.content_span(), message));
                None
            }
            _ => {
                diagnostics.push(wrong_type(node, key, "a whole number"));
                None
            }
        }
    }

    /// A duration: `90s`, `1h30m`.
    pub fn duration(&self, key: &str, diagnostics: &mut Diagnostics) -> Option<Spanned<Duration>> {
        let node = self.present(key, diagnostics)?;
        let Some(scalar) = node.as_scalar() else {
            diagnostics.push(wrong_type(node, key, "a duration such as `90s` or `1h30m`"));
            return None;
        };
        match parse_duration(&scalar.text) {
            Ok(duration) => Some(Spanned::new(duration, node.span)),
            Err(why) => {
                diagnostics.push(Diagnostic::error(
                    "RB0023",
                    node.content_span(),
                    format!("`{key}`: {}", one_line(&why, 200)),
                ));
                None
            }
        }
    }

    /// A count or a percentage: `2`, `25%`.
    pub fn share(&self, key: &str, diagnostics: &mut Diagnostics) -> Option<Spanned<Share>> {
        let node = self.present(key, diagnostics)?;
        let expected = "a count such as `2` or a percentage such as `25%`";
        let Some(scalar) = node.as_scalar() else {
            diagnostics.push(wrong_type(node, key, expected));
            return None;
        };
        let share = match scalar.text.trim().strip_suffix('%') {
            Some(percent) if percent.starts_with(|c: char| c.is_ascii_digit()) => {
                percent.parse().ok().filter(|p| (0.0..=100.0).contains(p)).map(Share::Percent)
            }
            Some(_) => None,
            None if scalar.text.bytes().all(|b| b.is_ascii_digit()) => scalar.text.parse().ok().map(Share::Count),
            None => None,
        };
        if share.is_none() {
            let message = format!("`{key}` must be {expected}, found `{}`", one_line(&scalar.text, 40));
            diagnostics.push(Diagnostic::error("RB0023", node.content_span(), message));
        }
        share.map(|s| Spanned::new(s, node.span))
    }

    /// One of some words.
    pub fn choice(&self, key: &str, words: &[&'static str], diagnostics: &mut Diagnostics) -> Option<Spanned<&'static str>> {
        let found = self.text(key, diagnostics)?;
        if let Some(word) = words.iter().find(|w| **w == found.value) {
            return Some(Spanned::new(word, found.span));
        }
        let message = format!("`{key}` must be one of {}, found `{}`", quoted(words), one_line(&found.value, 40));
        diagnostics.push(suggest(Diagnostic::error("RB0023", found.span, message), &found.value, words));
        None
    }

    /// A list.
    pub fn list(&self, key: &str, diagnostics: &mut Diagnostics) -> Option<&'n [Node]> {
        let node = self.present(key, diagnostics)?;
        if node.as_list().is_none() {
            diagnostics.push(wrong_type(node, key, "a list"));
        }
        node.as_list()
    }

    /// A list of texts.
    pub fn texts(&self, key: &str, diagnostics: &mut Diagnostics) -> Option<Vec<Spanned<String>>> {
        let list = self.list(key, diagnostics)?;
        let item = format!("{key}[]");
        Some(list.iter().filter_map(|n| text(n, &item, diagnostics)).collect())
    }

    /// A map; its keys are free.
    pub fn map(&self, key: &str, diagnostics: &mut Diagnostics) -> Option<&'n [Entry]> {
        let node = self.present(key, diagnostics)?;
        if node.as_map().is_none() {
            diagnostics.push(wrong_type(node, key, "a map"));
        }
        node.as_map()
    }

    /// As [`Fields::get`], but a key without a value is a mistake: it is written to say something.
    fn present(&self, key: &str, diagnostics: &mut Diagnostics) -> Option<&'n Node> {
        let entry = self.node.entry(key)?;
        if entry.value.is_null() {
            let message = format!("`{key}` has no value");
            diagnostics.push(Diagnostic::error("RB0022", entry.key.span, message).help("give it a value, or remove the key"));
            return None;
        }
        Some(&entry.value)
    }
}

/// The text of a node: any scalar, as written. The span is the content's, without quotes.
pub fn text(node: &Node, what: &str, diagnostics: &mut Diagnostics) -> Option<Spanned<String>> {
    match node.as_scalar() {
        Some(scalar) if !node.is_null() => Some(Spanned::new(scalar.text.clone(), node.content_span())),
        _ => {
            diagnostics.push(wrong_type(node, what, "text"));
            None
        }
    }
}

/// "`what` must be EXPECTED, found a list".
#[must_use]
pub fn wrong_type(node: &Node, what: &str, expected: &str) -> Diagnostic {
    let found = match node.as_scalar() {
        Some(s) if !node.is_null() => format!("`{}`", one_line(&s.text, 40)),
        _ => node.describe().to_owned(),
    };
    let name = if what.contains(' ') { what.to_owned() } else { format!("`{what}`") };
    Diagnostic::error("RB0022", first_line(node), format!("{name} must be {expected}, found {found}"))
}

/// "unknown key `x` in WHAT", with the nearest known one.
#[must_use]
pub fn unknown_key(entry: &Entry, known: &[&str], what: &str) -> Diagnostic {
    let key = &entry.key;
    let refused = Diagnostic::error("RB0020", key.span, format!("unknown key `{}` in {what}", one_line(&key.value, 60)));
    if nearest(&key.value, known.iter().copied()).is_some() {
        return suggest(refused, &key.value, known);
    }
    refused.help(format!("known here: {}", known.join(", ")))
}

/// Adds "did you mean" and the replacement, if a known word is near.
#[must_use]
pub fn suggest(diagnostic: Diagnostic, found: &str, known: &[&str]) -> Diagnostic {
    match nearest(found, known.iter().copied()) {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")).replacement(near),
        None => diagnostic,
    }
}

/// The first line of a node: an underline over thirty lines says nothing. Maps and lists in block style are meant.
fn first_line(node: &Node) -> Span {
    match node.as_map().and_then(<[Entry]>::first) {
        Some(entry) if entry.key.span.start == node.span.start => entry.key.span,
        _ => match node.as_list().and_then(<[Node]>::first) {
            Some(_) => Span {
                end: node.span.start + 1,
                ..node.span
            },
            None => node.span,
        },
    }
}

fn truth(word: &str) -> Option<&'static str> {
    match word.to_ascii_lowercase().as_str() {
        "yes" | "on" | "true" | "y" => Some("true"),
        "no" | "off" | "false" | "n" => Some("false"),
        _ => None,
    }
}

fn quoted(words: &[&str]) -> String {
    words.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::diagnostic::{SourceId, Sources};

    const KNOWN: &[&str] = &["address", "port", "kind", "maintenance", "wait", "tags", "vars", "least"];

    /// A reader with a field of each type: a host must have an `address`.
    pub(crate) fn read_host(sources: &Sources, id: SourceId) -> Diagnostics {
        let (node, mut diagnostics) = crate::yaml::read(sources, id);
        let Some(node) = node.filter(|_| !diagnostics.has_errors()) else {
            return diagnostics;
        };
        let d = &mut diagnostics;
        let fields = Fields::of(&node, KNOWN, "host", d);
        fields.required_text("address", d);
        fields.int("port", 1..=65_535, d);
        fields.choice("kind", &["physical", "virtual"], d);
        fields.bool("maintenance", d);
        fields.duration("wait", d);
        fields.texts("tags", d);
        fields.map("vars", d);
        fields.share("least", d);
        diagnostics
    }

    fn found(text: &str) -> Vec<(&'static str, String, String)> {
        let mut sources = Sources::new();
        let id = sources.add("t.yaml", text);
        let list = read_host(&sources, id).sorted();
        let place = |s: Span| text[s.start as usize..s.end as usize].to_owned();
        list.into_iter().map(|d| (d.code, place(d.span.unwrap()), d.message)).collect()
    }

    #[test]
    fn good_fields_are_read() {
        let text = "address: no\nport: 22\nkind: virtual\nmaintenance: false\nwait: 1h30m\ntags: [a, 5]\nvars: {a: 1}\nleast: 25%\n";
        assert_eq!(found(text), []);
    }

    #[test]
    fn mistakes_are_collected_at_their_places() {
        let text = "adress: x\nport: 0\nkind: virtul\nmaintenance: yes\nwait: 5\ntags: a\nvars:\n  - b\nleast: 5.5\n";
        let list = found(text);
        let places: Vec<_> = list.iter().map(|(code, place, _)| (*code, place.as_str())).collect();
        assert_eq!(
            places,
            [
                ("RB0020", "adress"),
                ("RB0021", "adress"),
                ("RB0023", "0"),
                ("RB0023", "virtul"),
                ("RB0022", "yes"),
                ("RB0023", "5"),
                ("RB0022", "a"),
                ("RB0022", "-"),
                ("RB0023", "5.5"),
            ]
        );
        assert_eq!(list[0].2, "unknown key `adress` in host");
        assert_eq!(list[6].2, "`tags` must be a list, found `a`");
        assert_eq!(list[7].2, "`vars` must be a map, found a list");
    }

    #[test]
    fn a_wrong_shape_is_said_once() {
        assert_eq!(
            found("[a, b]"),
            [("RB0022", "[".to_owned(), "`host` must be a map, found a list".to_owned())]
        );
        assert_eq!(found("address:\n")[0].0, "RB0021");
        assert_eq!(
            found("address: x\nport:\n"),
            [("RB0022", "port".to_owned(), "`port` has no value".to_owned())]
        );
    }

    #[test]
    fn suggestions_can_be_pasted() {
        let mut sources = Sources::new();
        let id = sources.add("t.yaml", "adress: x\naddress: x\nmaintenance: yes\n");
        let list = read_host(&sources, id).sorted();
        assert_eq!(list[0].replacement.as_deref(), Some("address"));
        assert_eq!(list[1].replacement.as_deref(), Some("true"));
    }

    #[test]
    fn shares_read_counts_and_percentages() {
        for (text, good) in [
            ("2", true),
            ("0", true),
            ("25%", true),
            ("12.5%", true),
            ("101%", false),
            ("-1", false),
            ("%", false),
            ("NaN%", false),
            ("+5%", false),
        ] {
            assert_eq!(found(&format!("address: x\nleast: {text}\n")).is_empty(), good, "{text}");
        }
    }
}
