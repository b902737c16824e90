//! What the characters of a text alone can tell: bytes that are not UTF-8, invisible characters, tabs in indentation.

use crate::diagnostic::{Diagnostic, Diagnostics, SourceId, Span};

/// More of one kind than this are not worth a line each.
const MOST_OF_A_KIND: usize = 10;

/// Control characters, and those that make a text look different from what it says, hide in every editor: refused.
pub fn invisible(text: &str, id: SourceId, diagnostics: &mut Diagnostics) -> bool {
    let mut found = 0;
    let body = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    for (at, c) in text[body..].char_indices().map(|(at, c)| (at + body, c)) {
        let hidden = match c {
            '\n' | '\t' => false,
            '\r' => text.as_bytes().get(at + 1) != Some(&b'\n'),
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => true,
            c => c.is_control(),
        };
        if !hidden {
            continue;
        }
        found += 1;
        if found <= MOST_OF_A_KIND {
            let message = format!("invisible character U+{:04X}", u32::from(c));
            let span = Span::new(id, at, at + c.len_utf8());
            let help = "delete it; inside double quotes it can be written as `\\u` and four digits";
            diagnostics.push(Diagnostic::error("RB0016", span, message).help(help));
        }
    }
    found > 0
}

/// Lines that are indented with a tab, unless the line lies inside one of `blocks` (sorted byte ranges of scalars that span lines).
pub(super) fn tabs(text: &str, id: SourceId, blocks: &[(usize, usize)], diagnostics: &mut Diagnostics) {
    let mut start = 0;
    let mut found = 0;
    for line in text.split_inclusive('\n') {
        if let Some(tab) = indenting_tab(line).map(|t| start + t) {
            let before = blocks.partition_point(|b| b.0 < start);
            let inside = before > 0 && blocks[before - 1].1 > tab;
            if !inside && found < MOST_OF_A_KIND {
                found += 1;
                diagnostics.push(tab_error(Span::new(id, tab, tab + 1)));
            }
        }
        start += line.len();
    }
}

/// The first tab among the leading blanks of a line that says something.
pub(super) fn indenting_tab(line: &str) -> Option<usize> {
    let rest = line.trim_start_matches([' ', '\t']);
    let blank = rest.trim_end().is_empty() || rest.starts_with('#');
    if blank { None } else { line[..line.len() - rest.len()].find('\t') }
}

/// The sentence for a tab.
pub(super) fn tab_error(span: Span) -> Diagnostic {
    Diagnostic::error("RB0006", span, "a tab where YAML wants spaces")
        .label("tab")
        .help("indent with spaces; two per level are usual")
}
