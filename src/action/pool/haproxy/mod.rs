//! HAProxy: its file, its runtime socket, and what a reload keeps and loses. Tried against version 2.6.
//!
//! Texts in, texts out. Must not know of runbooks, plans or hosts' names in the inventory.

pub mod config;
pub mod edit;
pub mod runtime;
pub mod words;

/// True for a name that HAProxy accepts and that is safe inside a request to its socket.
#[must_use]
pub fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= 255 && text.chars().all(|c| c.is_ascii_alphanumeric() || ".:_-".contains(c))
}
