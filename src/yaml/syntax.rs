//! Sentences for what is not our YAML: the refused constructs, and the library's syntax errors in our own words.

use crate::base::bound::YAML_DEPTH;
use crate::base::sanitise::one_line;
use crate::diagnostic::{Diagnostic, SourceId, Span, Spanned};
use crate::yaml::{Entry, Node, screen};

const CUT: &str = "YAML cuts a text with a comma apart inside `{ }` and `[ ]`: put it in quotes, or on a line of its own";

/// `&x`, `*x`.
pub(super) fn anchor(span: Span) -> Diagnostic {
    Diagnostic::error(
        "RB0003",
        span,
        "YAML reads a value that starts with `&` or `*` as an anchor or alias",
    )
    .label("must be quoted")
    .help("put the value in quotes; anchors and aliases are not supported: write the value out where it is needed")
}

/// `<<: …`.
pub(super) fn merge(span: Span) -> Diagnostic {
    Diagnostic::error("RB0004", span, "merge keys are not supported").help("write the entries out where they are needed")
}

/// `!x`.
pub(super) fn tag(span: Span) -> Diagnostic {
    Diagnostic::error("RB0005", span, "YAML reads a value that starts with `!` as a type tag")
        .label("must be quoted")
        .help("put the value in quotes, or on its own line after `|`: `that: \"!result.active\"`; tags are not supported")
}

/// `{{x}}` that is not quoted.
pub(super) fn placeholder(span: Span) -> Diagnostic {
    Diagnostic::error("RB0012", span, "YAML reads a value that starts with `{{` as a map")
        .label("must be quoted")
        .help("put the whole value in double quotes: `\"{{params.name}}\"`")
}

/// Deeper than we follow.
pub(super) fn too_deep(span: Span) -> Diagnostic {
    Diagnostic::error("RB0010", span, format!("more than {YAML_DEPTH} lists and maps inside each other"))
}

/// A key that is no text.
pub(super) fn key(span: Span, node: &Node) -> Diagnostic {
    let found = if node.is_null() { "nothing" } else { node.describe() };
    let refused = Diagnostic::error("RB0014", span, format!("a key must be text, found {found}"));
    match node.as_scalar() {
        Some(scalar) if !scalar.text.is_empty() => refused.help(format!("put it in quotes: `\"{}\"`", one_line(&scalar.text, 40))),
        _ => refused,
    }
}

/// A key without a value in `{ }`.
pub(super) fn cut(key: &Spanned<String>, previous: Option<&Entry>) -> Diagnostic {
    let name = one_line(&key.value, 60);
    let open = previous
        .and_then(|p| p.value.as_scalar())
        .is_some_and(|s| "([{".chars().any(|c| s.text.contains(c)) || s.text.contains('\''));
    match previous.filter(|_| open) {
        Some(previous) => Diagnostic::error(
            "RB0011",
            key.span,
            format!("`{name}` is cut off from `{}` by a comma", previous.key.value),
        )
        .label("read as a key of its own")
        .also(previous.value.span, "the text starts here")
        .help(CUT),
        None => Diagnostic::error("RB0011", key.span, format!("key `{name}` has no value"))
            .label("no `:` follows")
            .help(CUT),
    }
}

/// A key without a colon on a line of its own: `? key`.
pub(super) fn no_colon(key: &Spanned<String>) -> Diagnostic {
    let name = one_line(&key.value, 60);
    Diagnostic::error("RB0011", key.span, format!("key `{name}` has no value"))
        .label("no `:` follows")
        .help(format!("write `{name}: …`, without a question mark"))
}

/// The word from `start` to the next blank, at most to `end` if that is later than `start`.
pub(super) fn word(text: &str, id: SourceId, start: usize, end: usize) -> Span {
    let rest = &text[start..];
    let blank = rest.find(char::is_whitespace).unwrap_or(rest.len());
    let most = if end > start { end - start } else { blank };
    Span::new(id, start, start + blank.min(most))
}

/// From `{{` to the end of the placeholder and what is glued to it; not beyond the line, nor far.
pub(super) fn placeholder_span(text: &str, id: SourceId, start: usize) -> Span {
    let mut closed = false;
    let mut before = '{';
    let mut length = 0;
    for c in text[start..].chars().take(200) {
        if c == '\n' || (closed && matches!(c, ' ' | ',' | ']' | '}' | '\t' | '\r')) {
            break;
        }
        length += c.len_utf8();
        closed |= before == '}' && c == '}';
        before = c;
    }
    Span::new(id, start, start + length)
}

/// One line of the text, and where it starts.
struct Line<'t> {
    start: usize,
    text: &'t str,
}

impl<'t> Line<'t> {
    fn at(text: &'t str, at: usize) -> Line<'t> {
        let start = text[..at].rfind('\n').map_or(0, |n| n + 1);
        let text = text[start..].lines().next().unwrap_or("");
        Line { start, text }
    }

    /// The byte of the first character that is no blank.
    fn first(&self) -> usize {
        self.start + self.text.len() - self.text.trim_start().len()
    }

    /// Where a value starts on this line with `mark`.
    fn value_with(&self, mark: &str) -> Option<usize> {
        self.text
            .match_indices(mark)
            .map(|(n, _)| n)
            .find(|n| {
                let before = self.text[..*n].trim_end();
                before.is_empty() || before.ends_with([':', '-', ',', '[', '{'])
            })
            .map(|n| self.start + n)
    }
}

/// The library's message at byte `at`, in words that say what to do.
pub(super) fn explain(text: &str, id: SourceId, at: usize, info: &str) -> Diagnostic {
    let mut at = at.min(text.len());
    // At the end of the text the last line that says something is to blame.
    if text[at..].trim().is_empty() {
        at = text.trim_end().len();
    }
    let here = &text[at..];
    let line = Line::at(text, at);
    let span = word_at(text, id, at);
    if info.contains("recursion limit") {
        return too_deep(span);
    }
    if let Some(tab) = tab(text, &line, at, info) {
        return screen::tab_error(Span::new(id, tab, tab + 1));
    }
    if let Some(start) = line.value_with("{{") {
        return placeholder(placeholder_span(text, id, start));
    }
    if info.contains("anchor") {
        return anchor(word(text, id, at, at));
    }
    if info.contains("tag") || info.contains("handle") {
        let start = line.value_with("!").unwrap_or(at);
        return tag(word(text, id, start, start));
    }
    let (message, help) = sentence(&line, here, at, info);
    // A colon alone says little: underline the key before it.
    let key = text[..at]
        .get(line.first()..)
        .filter(|k| here.starts_with(':') && !k.is_empty() && !k.contains(": "));
    let span = key.map_or(span, |k| Span::new(id, at - k.len(), at));
    let mistake = Diagnostic::error("RB0001", span, message);
    if help.is_empty() { mistake } else { mistake.help(help) }
}

fn word_at(text: &str, id: SourceId, at: usize) -> Span {
    let span = word(text, id, at, at);
    if span.start < span.end { span } else { Span::new(id, at, at) }
}

fn tab(text: &str, line: &Line<'_>, at: usize, info: &str) -> Option<usize> {
    if text[at..].starts_with('\t') {
        return Some(at);
    }
    if text[..at].ends_with('\t') {
        return Some(at - 1);
    }
    let indenting = screen::indenting_tab(line.text).map(|t| line.start + t);
    // The library may point at the value before the line with the tab.
    indenting.or_else(|| info.contains("tab").then(|| text[at..].find('\t').map(|t| at + t)).flatten())
}

fn sentence(line: &Line<'_>, here: &str, at: usize, info: &str) -> (String, &'static str) {
    let quote = "put the whole value in quotes";
    let first = here.chars().next();
    let said = |message: &str, help| (message.to_owned(), help);
    if info.contains("mapping values") || info.contains("simple key") || info.contains("illegal placement") {
        let before = &line.text[..at.saturating_sub(line.start).min(line.text.len())];
        if before.contains(": ") {
            return said("a text that holds `: ` must be quoted", quote);
        }
        return said(
            "this key does not belong here",
            "indent it as far as the other keys of its map, and close what is open above",
        );
    }
    if info.contains("escape") {
        return said(
            "unknown escape in double quotes",
            "write `\\\\` for a backslash, or use single quotes, where nothing is escaped",
        );
    }
    if info.contains("trailing content") {
        return said(
            "text after the closing quote",
            "quote the whole value; inside single quotes, write `''` for a quote",
        );
    }
    if info.contains("quoted scalar") || info.contains("end of stream") {
        return said("this quote is never closed", "close it on the same line");
    }
    if info.contains("unexpected character") {
        return (format!("a value cannot start with `{}`", first.unwrap_or('`')), quote);
    }
    if info.contains("flow") || info.contains("bracket") {
        let brackets = "inside `[ ]` and `{ }` a text that holds one of `[ ] { } ,` must be quoted; check that every bracket is closed";
        return match first {
            Some('[' | ']' | '{' | '}') => said("this bracket does not fit here", brackets),
            _ => said("a list or map in brackets is not closed, or a comma is missing", brackets),
        };
    }
    if info.contains("expected key") || info.contains("block") || info.contains("indentation") {
        if at <= line.first() {
            return said(
                "indentation that fits nothing above",
                "indent it as far as the other entries of its map or list",
            );
        }
        return said("text after the end of a value", "quote the whole value if this belongs to it");
    }
    (format!("this is not YAML: {}", one_line(info, 120)), "")
}
