//! Places the YAML library does not give: of values left out, of block scalars, and of characters inside a scalar.

use crate::diagnostic::{Sources, Span};
use crate::yaml::{Node, Style};

/// The place behind the `mark` that follows `after`, blanks and comments in between skipped; `after` if something else follows.
pub(super) fn behind(text: &str, after: usize, mark: char) -> usize {
    let mut at = after;
    loop {
        let rest = &text[at..];
        at += rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
        match text[at..].chars().next() {
            Some('#') => at += text[at..].find('\n').unwrap_or(text.len() - at),
            Some(c) if c == mark => return at + 1,
            _ => return after,
        }
    }
}

/// The place behind the closing quote of a scalar that starts at `start`; `None` for one without quotes.
pub(super) fn behind_quotes(text: &str, start: usize, style: Style) -> Option<usize> {
    let quote = match style {
        Style::Single => '\'',
        Style::Double => '"',
        Style::Plain | Style::Literal | Style::Folded => return None,
    };
    let mut inside = text
        .get(start..)?
        .char_indices()
        .skip_while(|(_, c)| *c != quote)
        .skip(1)
        .peekable();
    while let Some((at, c)) = inside.next() {
        let doubled = quote == '\'' && c == quote && inside.peek().is_some_and(|(_, next)| *next == quote);
        if doubled || (quote == '"' && c == '\\') {
            inside.next();
        } else if c == quote {
            return Some(start + at + 1);
        }
    }
    None
}

/// The span of a block scalar from its `|` or `>` to its last character, and that of its lines alone. The indicator is the first
/// one after `after` that is not in a comment; `first` is where the library saw the first character.
pub(super) fn block(text: &str, after: usize, first: usize) -> ((usize, usize), (usize, usize)) {
    let start = indicator(text, after).unwrap_or(first);
    let Some(header) = text[start..].find('\n') else {
        let end = text.len();
        return ((start, end), (end, end));
    };
    let lines = start + header + 1;
    let header_end = start + text[start..lines].split(" #").next().unwrap_or("").trim_end().len();
    let line_start = text[..first].rfind('\n').map_or(0, |n| n + 1);
    let indent = if first >= lines { first - line_start } else { 0 };
    let mut end = lines;
    let mut at = lines;
    for line in text[lines..].split_inclusive('\n') {
        let said = line.trim_end();
        if !said.is_empty() {
            if indent == 0 || line.len() - line.trim_start_matches(' ').len() < indent {
                break;
            }
            end = at + said.len();
        }
        at += line.len();
    }
    if end == lines {
        return ((start, header_end), (header_end, header_end));
    }
    ((start, end), (first.min(end), end))
}

fn indicator(text: &str, after: usize) -> Option<usize> {
    let mut comment = false;
    for (at, c) in text.get(after..)?.char_indices() {
        match c {
            '\n' => comment = false,
            '#' => comment = true,
            '|' | '>' if !comment => return Some(after + at),
            _ => {}
        }
    }
    None
}

impl Node {
    /// Where characters `start..end` (bytes of a scalar's `text`) were written. Exact for plain and quoted scalars without escapes
    /// on one line and for `|` blocks; otherwise the whole content.
    #[must_use]
    pub fn place(&self, sources: &Sources, start: usize, end: usize) -> Span {
        let content = self.content_span();
        let Some(scalar) = self.as_scalar() else { return content };
        let Some(source) = sources.get(content.source) else {
            return content;
        };
        let Some(written) = source.text.get(content.start as usize..content.end as usize) else {
            return content;
        };
        if written == scalar.text {
            return content.within(start.min(written.len()), end.min(written.len()));
        }
        if scalar.style != Style::Literal {
            return content;
        }
        let before = &source.text[..content.start as usize];
        let indent = before.len() - before.rfind('\n').map_or(0, |n| n + 1);
        // the content starts below any empty lines, the text with them
        let empty = scalar.text.len() - scalar.text.trim_start_matches('\n').len();
        let (start, end) = (start.saturating_sub(empty), end.saturating_sub(empty));
        match (in_block(written, indent, start), in_block(written, indent, end)) {
            (Some(a), Some(b)) => content.within(a, b.max(a)),
            _ => content,
        }
    }
}

/// The byte of `written` (lines of a `|` block, the first without its indent) that holds byte `offset` of the block's text.
fn in_block(written: &str, indent: usize, offset: usize) -> Option<usize> {
    let mut left = offset;
    let mut at = 0;
    for (i, line) in written.split_inclusive('\n').enumerate() {
        let blanks = if i == 0 {
            0
        } else {
            indent.min(line.len() - line.trim_start_matches(' ').len())
        };
        let said = line[blanks..].trim_end_matches(['\n', '\r']).len();
        if left <= said {
            return Some(at + blanks + left);
        }
        left -= said + 1;
        at += line.len();
    }
    (left == 0).then_some(written.len())
}
