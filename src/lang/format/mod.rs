//! The canonical layout of YAML texts: runbooks with the order of keys that the language shows them in, everything else in its
//! author's order. Every comment is kept, at what it stood at.
//!
//! Never changes what a text means: what comes out is read again and compared with what went in; a difference is an error.

mod order;
mod part;
mod print;
mod scalar;

#[cfg(test)]
mod tests;

use crate::diagnostic::{Diagnostics, SourceId, Sources};
use crate::yaml::{self, Node, NodeKind, comment::comments};

use part::Part;

/// Why a text was not formatted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormatError {
    /// It is not our YAML.
    Text(Diagnostics),
    /// What came out would not say the same: a mistake of this program.
    Changed(&'static str),
}

/// The text in canonical layout.
///
/// # Errors
/// A text that is not our YAML, or one for which the result would differ in more than layout.
pub fn format(sources: &Sources, id: SourceId) -> Result<String, FormatError> {
    let (node, diagnostics) = yaml::read(sources, id);
    let Some(node) = node.filter(|_| !diagnostics.has_errors()) else {
        return Err(FormatError::Text(diagnostics));
    };
    let text = sources.get(id).map_or("", |s| s.text.as_str());
    let root = Part::of(text, &node);
    let formatted = print::print(&root);
    unchanged(text, &node, &root, &formatted)?;
    Ok(formatted)
}

/// Reads what came out and compares.
fn unchanged(text: &str, node: &Node, root: &Part<'_>, formatted: &str) -> Result<(), FormatError> {
    let mut sources = Sources::new();
    let id = sources.add("formatted", formatted);
    let (again, diagnostics) = yaml::read(&sources, id);
    let Some(again) = again.filter(|_| !diagnostics.has_errors()) else {
        return Err(FormatError::Changed("the result cannot be read"));
    };
    if !same(root, &again) {
        return Err(FormatError::Changed("the result says something else"));
    }
    let words = |text: &str, node: &Node| {
        let mut words: Vec<String> = comments(text, node).iter().map(|c| c.text.to_owned()).collect();
        words.sort_unstable();
        words
    };
    if words(text, node) != words(formatted, &again) {
        return Err(FormatError::Changed("a comment would be lost"));
    }
    Ok(())
}

/// The same values in the same order, wherever and however they are written.
fn same(part: &Part<'_>, node: &Node) -> bool {
    match (&part.node.kind, &node.kind) {
        (NodeKind::Scalar(a), NodeKind::Scalar(b)) => a.text == b.text && a.value() == b.value(),
        (NodeKind::List(_), NodeKind::List(items)) => {
            items.len() == part.children.len() && part.children.iter().zip(items).all(|(p, n)| same(p, n))
        }
        (NodeKind::Map(_), NodeKind::Map(entries)) => {
            entries.len() == part.children.len()
                && part
                    .children
                    .iter()
                    .zip(entries)
                    .all(|(p, e)| p.name() == Some(&e.key.value) && same(p, &e.value))
        }
        _ => false,
    }
}
