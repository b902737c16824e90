//! How a single value is written: without quotes where nothing could read it otherwise, else as its author wrote it.

use super::order::Place;
use super::part::Part;
use crate::yaml::{NodeKind, Scalar, Style};

/// What some reader of YAML takes for something else than text.
const WORDS: &[&str] = &["y", "n", "yes", "no", "on", "off", "true", "false", "null"];

/// A scalar on one line; `None` if it needs several. `flow`: in brackets.
pub(super) fn inline(part: &Part<'_>, flow: bool) -> Option<String> {
    let NodeKind::Scalar(scalar) = &part.node.kind else { return None };
    let written = part.written();
    if part.is_left_out() {
        return (!flow).then(String::new);
    }
    if matches!(scalar.style, Style::Literal | Style::Folded) {
        return only_newlines(&scalar.text).then(|| escaped(&scalar.text));
    }
    if flow && matches!(part.place, Place::Expression) && !plain_in_flow(&scalar.text) && plain(&scalar.text) {
        return None;
    }
    if written.contains('\n') {
        let bare = if flow { plain_in_flow(&scalar.text) } else { plain(&scalar.text) };
        let one_line = || if bare { scalar.text.clone() } else { escaped(&scalar.text) };
        return (scalar.style == Style::Double && written.contains('\\')).then(one_line);
    }
    Some(one_line(scalar, written, flow))
}

/// A key.
pub(super) fn key(written: &str, meant: &str) -> String {
    match written.chars().next() {
        _ if written.contains('\n') => escaped(meant),
        Some('"' | '\'') if plain_in_flow(meant) => meant.to_owned(),
        Some('|' | '>') => escaped(meant),
        _ => written.to_owned(),
    }
}

fn one_line(scalar: &Scalar, written: &str, flow: bool) -> String {
    let text = &scalar.text;
    let quoted = matches!(scalar.style, Style::Single | Style::Double);
    if quoted && if flow { plain_in_flow(text) } else { plain(text) } {
        return text.clone();
    }
    let simple = !text.contains(['"', '\\']) && !text.chars().any(char::is_control);
    if scalar.style == Style::Single && simple {
        return format!("\"{text}\"");
    }
    written.to_owned()
}

/// The first line of a scalar that needs several, and the others, each with its indent within the scalar.
pub(super) fn lines(part: &Part<'_>) -> (String, Vec<String>) {
    let NodeKind::Scalar(scalar) = &part.node.kind else {
        return (String::new(), Vec::new());
    };
    let written = part.written();
    match scalar.style {
        Style::Literal => literal(&scalar.text),
        Style::Folded => folded(&scalar.text, written),
        Style::Plain | Style::Single | Style::Double => {
            let mut all = written.lines().enumerate().map(|(i, line)| {
                let line = line.trim_end_matches(['\r', ' ', '\t']);
                if i == 0 { line } else { line.trim_start() }.to_owned()
            });
            let first = all.next().unwrap_or_default();
            (first, all.collect())
        }
    }
}

/// True for a block that takes the empty lines below it as its own.
pub(super) fn keeps_empty_lines(part: &Part<'_>) -> bool {
    let block = |s: &Scalar| matches!(s.style, Style::Literal | Style::Folded) && s.text.ends_with("\n\n");
    part.node.as_scalar().is_some_and(block)
}

fn literal(text: &str) -> (String, Vec<String>) {
    let lines: Vec<String> = text.strip_suffix('\n').unwrap_or(text).split('\n').map(str::to_owned).collect();
    // Blanks at the beginning would be taken for the indent.
    let first = lines.iter().find(|l| !l.trim().is_empty());
    let blanks = [first, lines.first()].into_iter().flatten().any(|l| l.starts_with(' '));
    let indent = if blanks { "2" } else { "" };
    (format!("|{indent}{}", chomping(text)), lines)
}

/// The lines stay as written: where they are joined depends on how far each is indented.
fn folded(text: &str, written: &str) -> (String, Vec<String>) {
    let mut lines = written.lines();
    let header = lines.next().unwrap_or_default();
    let lines: Vec<&str> = lines.map(|l| l.trim_end_matches('\r')).collect();
    let blanks = |l: &str| l.len() - l.trim_start_matches(' ').len();
    let indent = lines.iter().find(|l| !l.trim().is_empty()).map_or(0, |l| blanks(l));
    let marks = header.split_whitespace().next().unwrap_or_default();
    if marks.contains(|c: char| c.is_ascii_digit()) {
        return (escaped(text), Vec::new());
    }
    let mut lines: Vec<String> = lines.iter().map(|l| l[indent.min(blanks(l))..].to_owned()).collect();
    let more = text.len() - text.trim_end_matches('\n').len();
    lines.extend((1..more).map(|_| String::new()));
    (format!(">{}", chomping(text)), lines)
}

fn chomping(text: &str) -> &'static str {
    match text.len() - text.trim_end_matches('\n').len() {
        0 => "-",
        1 => "",
        _ => "+",
    }
}

fn only_newlines(text: &str) -> bool {
    text.chars().all(|c| c == '\n')
}

/// In double quotes, on one line.
fn escaped(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// Reads as this very text without quotes, to any reader and to people: starts like a word, holds no placeholder and nothing
/// that YAML gives a meaning.
fn plain(text: &str) -> bool {
    let starts = text.starts_with(|c: char| c.is_alphabetic() || "/_(".contains(c));
    let word = WORDS.contains(&text.to_ascii_lowercase().as_str());
    let meaning = [": ", " #", "{{", "}}"].iter().any(|m| text.contains(m)) || text.ends_with([':', ' ']);
    starts && !word && !meaning && !text.chars().any(char::is_control) && text.parse::<f64>().is_err()
}

fn plain_in_flow(text: &str) -> bool {
    plain(text) && !text.contains([',', '[', ']', '{', '}', ':', '?', '"', '\'', '#'])
}
