//! The comments of a text: the YAML library drops them, so they are found again between the values of its tree.

use crate::yaml::{Node, NodeKind, Style};

/// One comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Comment<'t> {
    /// The byte of its `#`.
    pub start: usize,
    /// From `#` to the last character that is no blank.
    pub text: &'t str,
    /// Nothing but blanks stands before it on its line.
    pub own_line: bool,
    /// Bytes before it on its line.
    pub column: usize,
    /// The line above is empty.
    pub blank_before: bool,
}

/// All comments, in the order written. `root` is the tree of `text`, read without errors: between its scalars stand only
/// punctuation, blanks and comments.
#[must_use]
pub fn comments<'t>(text: &'t str, root: &Node) -> Vec<Comment<'t>> {
    let mut scalars = Vec::new();
    spans(text, root, &mut scalars);
    scalars.sort_unstable();
    scalars.push((text.len(), text.len()));
    let mut found = Vec::new();
    let mut at = 0;
    for (start, end) in scalars {
        between(text, at, start, &mut found);
        at = at.max(end);
    }
    found
}

/// True when the line above the one that holds byte `at` is empty.
#[must_use]
pub fn blank_above(text: &str, at: usize) -> bool {
    let mut above = text[..at].rsplit('\n').skip(1);
    above.next().is_some_and(|line| line.trim().is_empty())
}

fn between<'t>(text: &'t str, mut at: usize, end: usize, found: &mut Vec<Comment<'t>>) {
    while let Some(mark) = text.get(at..end).and_then(|gap| gap.find('#')).map(|n| at + n) {
        let stop = text[mark..].find('\n').map_or(text.len(), |n| mark + n);
        let column = mark - text[..mark].rfind('\n').map_or(0, |n| n + 1);
        let own_line = text[mark - column..mark].trim_start_matches('\u{feff}').trim().is_empty();
        found.push(Comment {
            start: mark,
            text: text[mark..stop].trim_end(),
            own_line,
            column,
            blank_before: own_line && blank_above(text, mark),
        });
        at = stop;
    }
}

/// The bytes of all scalars and keys; of a block scalar not what stands behind its `|` on the same line.
fn spans(text: &str, node: &Node, found: &mut Vec<(usize, usize)>) {
    let (start, end) = (node.span.start as usize, node.span.end as usize);
    match &node.kind {
        NodeKind::Scalar(scalar) if matches!(scalar.style, Style::Literal | Style::Folded) => {
            found.push((start, start));
            let lines = text[start..end].find('\n').map_or(end, |n| start + n);
            found.push((lines, end));
        }
        NodeKind::Scalar(_) => found.push((start, end)),
        NodeKind::List(items) => items.iter().for_each(|item| spans(text, item, found)),
        NodeKind::Map(entries) => {
            for entry in entries {
                found.push((entry.key.span.start as usize, entry.key.span.end as usize));
                spans(text, &entry.value, found);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::diagnostic::Sources;

    fn found(text: &str) -> Vec<String> {
        let mut sources = Sources::new();
        let id = sources.add("t.yaml", text);
        let (node, problems) = crate::yaml::read(&sources, id);
        assert!(problems.is_empty(), "{problems:?}");
        let shown = |c: &Comment| format!("{}{}:{}", c.text, if c.own_line { "" } else { "<" }, c.column);
        comments(text, &node.unwrap()).iter().map(shown).collect()
    }

    #[test]
    fn comments_are_found_and_nothing_else() {
        let text = "# one\na: \"# no\" # two\nb: |  # three\n  # no\n\n  x # no\n # four\nc: [x#no, # five\n  'y # no' ]   # six  \nd: x\n  y#no # seven\n# eight";
        let expected = [
            "# one:0",
            "# two<:10",
            "# three<:6",
            "# four:1",
            "# five<:10",
            "# six<:15",
            "# seven<:7",
            "# eight:0",
        ];
        assert_eq!(found(text), expected);
        assert_eq!(
            found("a: >-\n    x # no\n\n\n  # yes\n\n# yes\nb: # yes\n- # yes\n  c\n"),
            ["# yes:2", "# yes:0", "# yes<:3", "# yes<:2"]
        );
    }

    #[test]
    fn block_scalars_with_an_explicit_indent_are_no_comments() {
        assert_eq!(found("a: |2\n    # no\n  # no\n# yes\n"), ["# yes:0"]);
        assert_eq!(found("a:\n  - |1+\n     # no\n\n   # no\n  # yes\n"), ["# yes:2"]);
    }
}
