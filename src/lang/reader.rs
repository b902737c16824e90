//! Typed reading of maps against a table of keys. Every mistake is reported at its place; the rest is read on.
//!
//! Knows shapes; not what a key means.

use std::time::Duration;

use super::convert::ticked;
use super::keys::{Key, Need, Table};
use super::syntax::Written;
use crate::base::clock::parse_duration;
use crate::base::value::Value;
use crate::diagnostic::{Diagnostic, Diagnostics, Span, Spanned, nearest};
use crate::model::inventory::Share;
use crate::yaml::{Entry, Node, NodeKind};

/// Durations that may be left out by writing `0s`; a deadline or a pace of nothing would mean never or always.
const MAY_BE_NOTHING: &[&str] = &["delay", "pause"];

/// A map whose keys are those of a table.
pub(super) struct Map<'n> {
    /// The whole map.
    pub span: Span,
    /// Entries with keys of the table.
    known: Vec<&'n Entry>,
    /// Entries with other keys, not yet reported.
    pub others: Vec<&'n Entry>,
    /// Unknown keys that were reported.
    pub misspelt: Vec<String>,
}

impl<'n> Map<'n> {
    /// Reads a map; unknown keys are mistakes.
    pub fn read(node: &'n Node, table: &Table, d: &mut Diagnostics) -> Option<Map<'n>> {
        let mut map = Map::open(node, table, d)?;
        for entry in std::mem::take(&mut map.others) {
            map.misspelt.push(entry.key.value.clone());
            d.push(unknown_key(entry, table, &[]));
        }
        Some(map)
    }

    /// Reads a map; keys that are not of the table are left in `others`.
    pub fn open(node: &'n Node, table: &Table, d: &mut Diagnostics) -> Option<Map<'n>> {
        let NodeKind::Map(entries) = &node.kind else {
            let wanted = format!("{} is a map", table.of);
            d.push(mismatch(node, &wanted, "a map"));
            return None;
        };
        let mut map = Map {
            span: node.span,
            known: Vec::new(),
            others: Vec::new(),
            misspelt: Vec::new(),
        };
        for entry in entries {
            match table.get(&entry.key.value) {
                Some(_) => map.known.push(entry),
                None => map.others.push(entry),
            }
        }
        for key in table.keys.iter().filter(|k| k.need == Need::Required) {
            let replaced = map.others.iter().any(|e| nearest(&e.key.value, [key.name]).is_some());
            if map.get(key.name).is_none() && !replaced {
                d.push(missing(node, key, table));
            }
        }
        Some(map)
    }

    /// The value at a key.
    pub fn get(&self, name: &str) -> Option<&'n Node> {
        self.entry(name).map(|e| &e.value)
    }

    /// The known keys that are given.
    pub fn names(&self) -> impl Iterator<Item = String> {
        self.known.iter().map(|e| e.key.value.clone())
    }

    /// Key and value.
    pub fn entry(&self, name: &str) -> Option<&'n Entry> {
        self.known.iter().copied().find(|e| e.key.value == name)
    }

    /// A scalar.
    pub fn written(&self, name: &str, d: &mut Diagnostics) -> Option<Written> {
        written(self.get(name)?, d)
    }

    /// A text without placeholders.
    pub fn word(&self, name: &str, d: &mut Diagnostics) -> Option<Written> {
        word(self.get(name)?, d)
    }

    /// A duration.
    pub fn duration(&self, name: &str, d: &mut Diagnostics) -> Option<Spanned<Duration>> {
        let text = self.word(name, d)?;
        let read = |t: &str| match parse_duration(t) {
            Ok(span) if span.is_zero() && !MAY_BE_NOTHING.contains(&name) => {
                Err(format!("expected a duration longer than nothing, found `{t}`"))
            }
            other => other,
        };
        converted(text, read, d)
    }

    /// A whole number of at least `least`.
    pub fn count(&self, name: &str, least: u32, d: &mut Diagnostics) -> Option<u32> {
        let text = self.word(name, d)?;
        let read = |t: &str| match t.parse::<u32>() {
            Ok(n) if n >= least => Ok(n),
            _ => Err(format!("expected a whole number of at least {least}, found `{t}`")),
        };
        converted(text, read, d).map(|n| n.value)
    }

    /// true or false.
    pub fn bool(&self, name: &str, d: &mut Diagnostics) -> Option<bool> {
        let node = self.get(name)?;
        match node.as_scalar().map(|s| s.text.as_str()) {
            Some("true") => Some(true),
            Some("false") => Some(false),
            _ => {
                d.push(mismatch(node, &format!("`{name}` is a yes-or-no"), "`true` or `false`"));
                None
            }
        }
    }

    /// One of some words.
    pub fn choice(&self, name: &str, words: &[&'static str], d: &mut Diagnostics) -> Option<Spanned<&'static str>> {
        choice(self.word(name, d)?, words, d)
    }

    /// Words without placeholders; one may stand alone.
    pub fn words(&self, name: &str, d: &mut Diagnostics) -> Option<Vec<Written>> {
        let texts = self.texts(name, d)?;
        Some(texts.into_iter().filter_map(|t| plain(t, d)).collect())
    }

    /// Texts; one may stand alone.
    pub fn texts(&self, name: &str, d: &mut Diagnostics) -> Option<Vec<Written>> {
        let node = self.get(name)?;
        match &node.kind {
            NodeKind::List(items) => Some(items.iter().filter_map(|n| written(n, d)).collect()),
            _ => written(node, d).map(|one| vec![one]),
        }
    }

    /// Names and texts.
    pub fn text_map(&self, name: &str, d: &mut Diagnostics) -> Option<Vec<(Written, Written)>> {
        let node = self.get(name)?;
        let NodeKind::Map(entries) = &node.kind else {
            d.push(mismatch(node, &format!("`{name}` is a map of names and texts"), "a map"));
            return None;
        };
        let pair = |e: &Entry, d: &mut Diagnostics| written(&e.value, d).map(|v| (e.key.clone(), v));
        Some(entries.iter().filter_map(|e| pair(e, d)).collect())
    }
}

/// A scalar's content.
pub(super) fn written(node: &Node, d: &mut Diagnostics) -> Option<Written> {
    match node.as_scalar() {
        Some(scalar) if !node.is_null() => Some(Spanned::new(scalar.text.clone(), node.content_span())),
        _ => {
            d.push(mismatch(node, "wrong type of value", "a text"));
            None
        }
    }
}

/// A scalar without placeholders.
pub(super) fn word(node: &Node, d: &mut Diagnostics) -> Option<Written> {
    let text = written(node, d)?;
    plain(text, d)
}

/// One of some words.
pub(super) fn choice(text: Written, words: &[&'static str], d: &mut Diagnostics) -> Option<Spanned<&'static str>> {
    if let Some(found) = words.iter().find(|w| **w == text.value) {
        return Some(Spanned::new(*found, text.span));
    }
    let meant = nearest(&text.value, words.iter().copied());
    let message = format!("expected {}, found `{}`", one_of(words), text.value);
    let mut diagnostic = Diagnostic::error("RB0023", text.span, message).label(format!("not {}", one_of(words)));
    if let Some(meant) = meant {
        diagnostic = diagnostic.help(format!("did you mean `{meant}`?")).replacement(meant);
    }
    d.push(diagnostic);
    None
}

/// An identifier or a runbook's name.
pub(super) fn identifier(text: Written, dash: char, what: &str, d: &mut Diagnostics) -> Option<Written> {
    let mut chars = text.value.chars();
    let first = chars.next().is_some_and(|c| c.is_ascii_lowercase());
    if first && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == dash) {
        return Some(text);
    }
    let message = format!("`{}` cannot be {what}", text.value);
    let rule = format!("a lower-case letter, then lower-case letters, digits and `{dash}`");
    let mut diagnostic = Diagnostic::error("RB0101", text.span, message).label(format!("expected {rule}"));
    if let Some(possible) = possible(&text.value, dash) {
        diagnostic = diagnostic.help(format!("for example `{possible}`")).replacement(possible);
    }
    d.push(diagnostic);
    None
}

/// The identifier that a text is nearest to.
fn possible(text: &str, dash: char) -> Option<String> {
    let letters = text
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { dash });
    let name: String = letters.collect();
    let name = name.trim_start_matches(|c: char| !c.is_ascii_lowercase()).trim_end_matches(dash);
    (!name.is_empty() && name.len() <= 60).then(|| name.to_owned())
}

/// `2` or `25%`.
pub(super) fn share(text: &str) -> Result<Share, String> {
    crate::model::convert::share(&Value::text(text))
}

/// Converts a text or reports why it cannot be.
pub(super) fn converted<T>(text: Written, read: impl Fn(&str) -> Result<T, String>, d: &mut Diagnostics) -> Option<Spanned<T>> {
    match read(&text.value) {
        Ok(value) => Some(Spanned::new(value, text.span)),
        Err(message) => {
            let mut diagnostic = Diagnostic::error("RB0023", text.span, &message).label("not possible here");
            let example = message.split_once(" such as ").and_then(|(_, rest)| rest.split_once(", found "));
            if let Some((example, _)) = example {
                diagnostic = diagnostic.help(format!("write, for example, {example}"));
            }
            d.push(diagnostic);
            None
        }
    }
}

/// Something else stands where `wanted` should.
pub(super) fn mismatch(node: &Node, message: &str, wanted: &str) -> Diagnostic {
    let found = describe(node);
    Diagnostic::error("RB0022", node.span, format!("{message}: expected {wanted}, found {found}")).label(format!("found {found}"))
}

/// What a node is, in words.
pub(super) fn describe(node: &Node) -> String {
    match node.as_scalar() {
        Some(scalar) if !node.is_null() => format!("`{}`", crate::base::sanitise::one_line(&scalar.text, 40)),
        _ => node.describe().into(),
    }
}

/// A key that is not of the table; `more` are further names that could be meant.
pub(super) fn unknown_key(entry: &Entry, table: &Table, more: &[&'static str]) -> Diagnostic {
    let found = &entry.key.value;
    let names: Vec<&'static str> = table.keys.iter().map(|k| k.name).collect();
    let message = format!("unknown key `{found}` in {}", table.of);
    let diagnostic = Diagnostic::error("RB0020", entry.key.span, message).label("not a key of the language here");
    match nearest(found, names.iter().copied().chain(more.iter().copied())) {
        Some(meant) => diagnostic.help(format!("did you mean `{meant}`?")).replacement(meant),
        None => diagnostic.help(format!("known here: {}", ticked(names))),
    }
}

fn missing(node: &Node, key: &Key, table: &Table) -> Diagnostic {
    let start = Span {
        end: node.span.start.saturating_add(1).min(node.span.end),
        ..node.span
    };
    Diagnostic::error("RB0021", start, format!("{} needs `{}`", table.of, key.name))
        .label(format!("`{}` is missing", key.name))
        .help(format!("add `{}: …`: {}", key.name, key.docs))
}

fn plain(text: Written, d: &mut Diagnostics) -> Option<Written> {
    if !text.value.contains("{{") {
        return Some(text);
    }
    let message = "no placeholder is possible here: the value must be known when the runbook is compiled";
    d.push(Diagnostic::error("RB0022", text.span, message).label("a placeholder"));
    None
}

fn one_of(words: &[&'static str]) -> String {
    match words {
        [one] => format!("`{one}`"),
        _ => format!("one of {}", ticked(words.iter().copied())),
    }
}
