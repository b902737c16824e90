//! Actions on files, and what they have in common: a file as a fact, its new content, the difference.
//!
//! All of them share the key `file/PATH`, so that each sees in a plan what another will have written.

pub mod difference;
pub mod edited;
pub mod fact;
pub mod line;
pub mod place_fact;
pub mod put;
pub mod replace;
pub mod search;
pub mod stand;
pub mod stat;
pub mod write;

use sha2::{Digest, Sha256};

/// SHA-256 of a text, in hex.
#[must_use]
pub fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
