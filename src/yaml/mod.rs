//! Floor 2: YAML texts as trees with positions. The only place that knows the YAML library.
//!
//! The subset is YAML 1.2 core without what hides meaning: no anchors, aliases, merge keys, tags, duplicate keys or tabs in
//! indentation; one document; bounded size, number of nodes and depth. Files of other tools may have anchors. Knows nothing of
//! runbooks or inventories.

mod anchors;
mod build;
pub mod comment;
pub mod fields;
mod json;
mod node;
mod place;
mod read;
mod scalar;
mod screen;
mod syntax;

#[cfg(test)]
pub(crate) mod examples;
#[cfg(test)]
mod tests;

pub use json::read_json;
pub use node::{Entry, Node, NodeKind, Scalar, Style};
pub use read::{decode, read, read_foreign};
pub use screen::invisible;
