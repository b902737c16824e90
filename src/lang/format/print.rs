//! Parts as lines: two blanks for each level, sections apart, what is too long for a line in lines of its own.

use super::part::{Line, Part};
use super::scalar;
use crate::yaml::NodeKind;

/// Characters of a line before its map or list in brackets is broken up.
const WIDTH: usize = 120;
/// Lengths of keys up to which values are aligned.
const ALIGNED: usize = 24;
/// Comments beside each other's lines are aligned if the lines differ at most so much.
const RAGGED: usize = 40;

/// The text.
pub(super) fn print(root: &Part<'_>) -> String {
    let mut page = Page::default();
    root.before.iter().for_each(|c| page.comment(c, 0));
    let value = inline(root, 0);
    if value.is_none() && !root.children.is_empty() {
        for word in &root.beside {
            page.push((*word).to_owned(), None);
        }
        if root.blank {
            page.blank();
        }
        page.children(root, 0, None, matches!(root.node.kind, NodeKind::Map(_)));
        return page.finish();
    }
    match value {
        Some(line) => page.push(line, root.beside.last().copied()),
        None => page.part(root, String::new(), 0, 0),
    }
    root.after.iter().for_each(|c| page.comment(c, 0));
    page.finish()
}

#[derive(Default)]
struct Page<'t> {
    lines: Vec<(String, Option<&'t str>)>,
    /// The last value would take an empty line as its own.
    no_blank: bool,
}

impl<'t> Page<'t> {
    fn push(&mut self, line: String, comment: Option<&'t str>) {
        self.no_blank = false;
        self.lines.push((line, comment));
    }

    fn blank(&mut self) {
        let doubled = self.lines.last().is_none_or(|(line, comment)| line.is_empty() && comment.is_none());
        if !doubled && !self.no_blank {
            self.lines.push((String::new(), None));
        }
    }

    fn comment(&mut self, comment: &Line<'t>, indent: usize) {
        if comment.blank {
            self.blank();
        }
        self.push(format!("{:indent$}{}", "", comment.text), None);
    }

    /// The children of a map or list. `lead`: what stands already on the first one's line; its comments have been printed then.
    fn children(&mut self, parent: &Part<'t>, indent: usize, mut lead: Option<String>, sections: bool) {
        let (dash, column) = match &parent.node.kind {
            NodeKind::List(_) => ("- ", indent + 2),
            _ => ("", indent),
        };
        let pad = padding(parent, column);
        let mut long = false;
        for (n, child) in parent.children.iter().enumerate() {
            let was_long = std::mem::replace(&mut long, inline(child, column).is_none());
            let lead = lead.take().unwrap_or_else(|| {
                let section = sections && (long || was_long);
                self.heading(child, (indent, column), n > 0, section);
                " ".repeat(indent)
            });
            self.part(child, format!("{lead}{dash}"), column, pad);
        }
        for (n, comment) in parent.after.iter().enumerate() {
            let blank = comment.blank && (n > 0 || !parent.children.is_empty());
            self.comment(&Line { blank, ..*comment }, indent);
        }
    }

    /// The comments above a child, and the empty lines around them. `apart`: something stands above it; `section`: it is set apart.
    fn heading(&mut self, child: &Part<'t>, (indent, column): (usize, usize), apart: bool, section: bool) {
        let above = heading(child, column);
        if apart && (section || above.first().map_or(child.blank, |c| c.blank)) {
            self.blank();
        }
        for (n, comment) in above.iter().enumerate() {
            let blank = comment.blank && n > 0;
            self.comment(&Line { blank, ..*comment }, indent);
        }
        if !above.is_empty() && child.blank {
            self.blank();
        }
    }

    /// An entry or item that starts at column `indent`, where `lead` ends. Its comments above have been printed.
    fn part(&mut self, part: &Part<'t>, lead: String, indent: usize, pad: usize) {
        let key = key(part);
        let lead = match (&key, part.name()) {
            (Some(key), _) => format!("{lead}{key}:"),
            (None, _) => lead,
        };
        let gap = |aligned: bool| {
            let width = key.as_ref().map_or(0, |k| k.chars().count());
            let more = if aligned { pad.saturating_sub(width) } else { 0 };
            " ".repeat(if key.is_some() { 1 + more } else { 0 })
        };
        let beside = part.beside.last().copied();
        if let Some(value) = inline(part, indent) {
            let line = format!("{lead}{}{value}", gap(one_line_map(part)));
            self.push(line.trim_end().to_owned(), beside);
            self.left_out(part, indent);
        } else if part.children.is_empty() {
            self.scalar(part, &format!("{lead}{}", gap(false)), indent, beside);
        } else if key.is_some() {
            self.push(lead, beside);
            self.children(part, indent + 2, None, false);
        } else {
            self.children(part, indent, Some(lead), false);
        }
    }

    /// What stands below a key without a value: comments only.
    fn left_out(&mut self, part: &Part<'t>, indent: usize) {
        for (i, c) in part.after.iter().enumerate() {
            self.comment(
                &Line {
                    blank: c.blank && i > 0,
                    ..*c
                },
                indent + 2,
            );
        }
    }

    fn scalar(&mut self, part: &Part<'t>, lead: &str, indent: usize, beside: Option<&'t str>) {
        let (first, more) = scalar::lines(part);
        let block = part.written().starts_with(['|', '>']);
        let last = more.len();
        let at = |n: usize| beside.filter(|_| if block { n == 0 } else { n == last });
        self.push(format!("{lead}{first}"), at(0));
        // Of an item its dash's column counts, of an entry its key's.
        let indent = if part.key.is_some() { indent + 2 } else { indent };
        for (n, line) in more.iter().enumerate() {
            let line = if line.is_empty() {
                String::new()
            } else {
                format!("{:indent$}{line}", "")
            };
            self.push(line, at(n + 1));
        }
        self.no_blank = scalar::keeps_empty_lines(part);
    }

    /// Comments beside lines that follow each other stand below each other.
    fn finish(self) -> String {
        let mut text = String::new();
        let width = |line: &str| line.chars().count();
        for run in self.lines.chunk_by(|a, b| a.1.is_some() == b.1.is_some()) {
            let widest = run.iter().map(|(l, _)| width(l)).max().unwrap_or(0);
            let narrowest = run.iter().map(|(l, _)| width(l)).min().unwrap_or(0);
            for (line, comment) in run {
                text.push_str(line);
                if let Some(comment) = comment {
                    let column = if widest - narrowest <= RAGGED { widest } else { width(line) };
                    text.push_str(&" ".repeat(column - width(line) + 2));
                    text.push_str(comment);
                }
                text.push('\n');
            }
        }
        text
    }
}

fn key(part: &Part<'_>) -> Option<String> {
    part.key.map(|(written, meant)| scalar::key(written, meant))
}

/// The comments above an entry: its own, those beside it for which it has no line, and those of what starts on its line.
fn heading<'t>(part: &Part<'t>, indent: usize) -> Vec<Line<'t>> {
    let mut lines = part.before.clone();
    let on_dash = part.key.is_none() && !part.children.is_empty() && inline(part, indent).is_none();
    let kept = usize::from(!on_dash);
    let hoisted = part.beside.len().saturating_sub(kept);
    lines.extend(part.beside[..hoisted].iter().map(|text| Line { text, blank: false }));
    if let Some(first) = part.children.first().filter(|_| on_dash) {
        lines.extend(heading(first, indent + 2));
    }
    lines
}

/// The value on one line, if that is how it is to be written.
fn inline(part: &Part<'_>, indent: usize) -> Option<String> {
    let value = match &part.node.kind {
        NodeKind::Scalar(_) => return scalar::inline(part, false),
        _ => in_brackets(part)?,
    };
    let before = indent + key(part).map_or(0, |k| k.chars().count() + 2);
    (before + value.chars().count() <= WIDTH).then_some(value)
}

/// A map or list that was written in brackets and can stay so.
fn in_brackets(part: &Part<'_>) -> Option<String> {
    let list = match &part.node.kind {
        NodeKind::Scalar(_) => return scalar::inline(part, true),
        NodeKind::List(_) => true,
        NodeKind::Map(_) => false,
    };
    let commented = |p: &Part<'_>| !(p.before.is_empty() && p.beside.is_empty());
    if !part.flow || !part.after.is_empty() || part.children.iter().any(commented) {
        return None;
    }
    let mut inside = Vec::new();
    for child in &part.children {
        let value = in_brackets(child)?;
        inside.push(key(child).map_or_else(|| value.clone(), |k| format!("{k}: {value}")));
    }
    Some(match (list, inside.is_empty()) {
        (true, _) => format!("[{}]", inside.join(", ")),
        (false, true) => "{}".to_owned(),
        (false, false) => format!("{{ {} }}", inside.join(", ")),
    })
}

fn one_line_map(part: &Part<'_>) -> bool {
    matches!(part.node.kind, NodeKind::Map(_))
}

/// The width of the keys of a map whose values are to be aligned.
fn padding(parent: &Part<'_>, indent: usize) -> usize {
    if !parent.place.aligns() {
        return 0;
    }
    let one_line = |c: &&Part<'_>| one_line_map(c) && inline(c, indent).is_some();
    let keys = parent.children.iter().filter(one_line).filter_map(key);
    keys.map(|k| k.chars().count()).filter(|n| *n <= ALIGNED).max().unwrap_or(0)
}
