//! The two ways in: bytes to text, text to tree.

use crate::base::bound::TEXT_BYTES;
use crate::diagnostic::{Diagnostic, Diagnostics, SourceId, Sources, Span};
use crate::yaml::build::Builder;
use crate::yaml::{Node, screen};

/// Reads one text. The tree is there, with the best reading of what was refused, whenever its shape is clear; it may be used
/// further only to find more mistakes when the diagnostics hold errors.
#[must_use]
pub fn read(sources: &Sources, id: SourceId) -> (Option<Node>, Diagnostics) {
    read_with(sources, id, &[], false)
}

/// As [`read`] for a file of another tool: anchors, aliases and merge keys are resolved, and the given tags passed over. A plain
/// value behind a tag keeps it in its text.
#[must_use]
pub fn read_foreign(sources: &Sources, id: SourceId, tags: &[&str]) -> (Option<Node>, Diagnostics) {
    read_with(sources, id, tags, true)
}

fn read_with(sources: &Sources, id: SourceId, tags: &[&str], anchors: bool) -> (Option<Node>, Diagnostics) {
    let mut diagnostics = Diagnostics::new();
    let text = sources.get(id).map_or("", |s| s.text.as_str());
    if text.len() > TEXT_BYTES {
        let message = format!("this file has {} bytes; at most {TEXT_BYTES} (4 MiB) are read", text.len());
        diagnostics.push(Diagnostic::error("RB0008", Span::new(id, 0, 0), message));
        return (None, diagnostics);
    }
    if screen::invisible(text, id, &mut diagnostics) {
        return (None, diagnostics);
    }
    let mut builder = Builder::new(text, id, diagnostics, anchors.then_some(tags));
    let clean = builder.run();
    let Builder {
        root,
        mut blocks,
        mut diagnostics,
        ..
    } = builder;
    if clean {
        blocks.sort_unstable();
        screen::tabs(text, id, &blocks, &mut diagnostics);
        if root.is_none() && !diagnostics.has_errors() {
            diagnostics.push(Diagnostic::error("RB0017", Span::new(id, 0, 0), "this file is empty"));
        }
    }
    (root.filter(|_| clean), diagnostics)
}

/// Bytes of a file as text.
///
/// # Errors
/// A diagnostic without a place (the text cannot be shown) that names the line of the first byte that is not UTF-8.
pub fn decode(bytes: &[u8]) -> Result<String, Diagnostics> {
    String::from_utf8(bytes.to_vec()).map_err(|e| {
        let good = e.utf8_error().valid_up_to();
        let line = bytes[..good].iter().filter(|b| **b == b'\n').count() + 1;
        Diagnostic::nowhere("RB0015", format!("not UTF-8: byte {} on line {line}", good + 1))
            .help("save the file as UTF-8, or convert it with `iconv -t UTF-8`")
            .into()
    })
}
