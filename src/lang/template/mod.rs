//! Texts: strings with `{{placeholders}}`. Handlebars parses; we walk what it parsed, refuse most of it, and render the rest ourselves,
//! so that a value keeps its type, is quoted for its destination, and is never read as a template again.

mod check;
mod helpers;
mod json;
mod parse;
mod render;
mod shell;

pub use check::text_type;
pub use render::{RenderError, render, render_for_people};

use crate::diagnostic::{Diagnostics, Span};
use crate::lang::expression::Place;
use crate::lang::types::TypeEnv;
use crate::model::text::{Destination, Operand, Part, Text};

use parse::Node;

/// Reads and checks a text whose content stands at `at`.
///
/// `blocks_allowed`: whether `{{#if}}` and `{{#each}}` can be used (messages and template files). The text is `None` exactly when
/// there are errors.
pub fn compile_text(source: &str, at: Span, destination: Destination, env: &TypeEnv, blocks_allowed: bool) -> (Option<Text>, Diagnostics) {
    let mut text = Text::literal(source, at);
    text.destination = destination;
    if destination == Destination::Off || !source.contains("{{") {
        return (Some(text), Diagnostics::new());
    }
    let place = Place::new(source, at);
    let mut problems = Diagnostics::new();
    let nodes = parse::parse(source, place, &mut problems);
    if let Some(nodes) = &nodes {
        let blocks_allowed = blocks_allowed && destination == Destination::Plain;
        check::check(nodes, destination, env, blocks_allowed, &mut problems);
    }
    let problems = place.settle(problems);
    match nodes {
        Some(nodes) if !problems.has_errors() => {
            text.blocks = nodes.iter().any(|n| matches!(n, Node::If { .. } | Node::Each { .. }));
            text.parts = if text.blocks {
                Vec::new()
            } else {
                nodes.into_iter().filter_map(part).collect()
            };
            (Some(text), problems)
        }
        _ => (None, problems),
    }
}

/// Every path the text reads, in the order written; names bound by `{{#each}}` do not count.
#[must_use]
pub fn text_paths(text: &Text) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut add = |path: &Vec<String>| {
        if !found.contains(path) {
            found.push(path.clone());
        }
    };
    if text.blocks {
        parse::reparse(text).iter().for_each(|n| n.paths(&mut Vec::new(), &mut add));
    }
    for part in &text.parts {
        if let Part::Placeholder(placeholder) = part {
            for argument in &placeholder.arguments {
                if let Operand::Path(path) = argument {
                    add(path);
                }
            }
        }
    }
    found
}

fn part(node: Node) -> Option<Part> {
    match node {
        Node::Literal(text) => Some(Part::Literal(text)),
        Node::Placeholder(tag) => Some(Part::Placeholder(tag.placeholder())),
        Node::If { .. } | Node::Each { .. } => None,
    }
}
