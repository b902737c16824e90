//! Secrets of the configuration: named, never held.

use std::fmt;

use super::read::Merge;
use crate::diagnostic::{Diagnostic, Diagnostics, Spanned};
use crate::model::secret::SecretSource;
use crate::yaml::Node;
use crate::yaml::fields::{Fields, text};

/// How a secret is named.
const FORMS: &str = "`secret:file:PATH`, `secret:env:NAME`, `secret:command:/absolute/program ARGUMENT…` or `secret:secret_sources.NAME`";

/// A URL, which may hold a token and so may have to stay secret.
#[derive(Clone, PartialEq, Eq)]
pub enum Address {
    /// Written in the configuration.
    Plain(String),
    /// Kept elsewhere.
    Kept(SecretSource),
}

/// The parts of a URL before its path are enough to recognise it; a path may hold a token.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Plain(url) => {
                let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
                let authority = rest.split(['/', '?', '#']).next().unwrap_or("");
                let place = authority.rsplit('@').next().unwrap_or("");
                let hidden = if place.len() < rest.len() { "/…" } else { "" };
                write!(f, "{scheme}://{place}{hidden}")
            }
            Address::Kept(source) => write!(f, "secret:{source}"),
        }
    }
}

/// As shown: a value that is logged by accident must not tell.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

/// A URL, or a secret that is one.
pub(super) fn address(node: &Node, key: &str, merge: &Merge<'_>, d: &mut Diagnostics) -> Option<Address> {
    let written = text(node, key, d)?;
    if written.value.starts_with("secret:") {
        return reference(&written, key, merge, d).map(Address::Kept);
    }
    let value = written.value.as_str();
    let rest = value
        .strip_prefix("http://")
        .or_else(|| value.strip_prefix("https://"))
        .unwrap_or("");
    if rest.is_empty() || rest.starts_with('/') || value.chars().any(|c| c.is_control() || c.is_whitespace()) {
        let message = format!("`{key}` must be an http or https URL");
        let help = format!("write a URL, or where one is kept: {FORMS}");
        d.push(Diagnostic::error("RB0605", written.span, message).help(help));
        return None;
    }
    Some(Address::Plain(value.to_owned()))
}

/// A key that names a secret.
pub(super) fn secret(fields: &Fields<'_>, key: &str, merge: &Merge<'_>, d: &mut Diagnostics) -> Option<SecretSource> {
    let written = fields.required_text(key, d)?;
    reference(&written, key, merge, d)
}

/// One secret, or two while one replaces the other.
pub(super) fn secrets(node: &Node, key: &str, merge: &Merge<'_>, d: &mut Diagnostics) -> Option<Vec<SecretSource>> {
    let Some(items) = node.as_list() else {
        return Some(vec![reference(&text(node, key, d)?, key, merge, d)?]);
    };
    if !(1..=2).contains(&items.len()) {
        let message = format!(
            "`{key}` takes one secret, or two while one replaces the other, found {}",
            items.len()
        );
        d.push(Diagnostic::error("RB0605", node.span, message));
        return None;
    }
    let found: Vec<Option<SecretSource>> = items
        .iter()
        .map(|n| text(n, key, d).and_then(|w| reference(&w, key, merge, d)))
        .collect();
    found.into_iter().collect()
}

/// Reads `secret:file:…`; whatever else stands there may be the secret itself, so it is not repeated.
pub(super) fn reference(written: &Spanned<String>, key: &str, merge: &Merge<'_>, d: &mut Diagnostics) -> Option<SecretSource> {
    let Some(named) = written.value.strip_prefix("secret:") else {
        let message = format!("`{key}` must say where the secret is kept, not hold it");
        d.push(
            Diagnostic::error("RB0610", written.span, message)
                .label("everybody who reads this file would know it")
                .help(format!("write {FORMS}")),
        );
        return None;
    };
    match SecretSource::parse_reference(named) {
        Ok(SecretSource::File(path)) => Some(SecretSource::File(merge.path(&path))),
        Ok(source) => Some(source),
        Err(why) => {
            let message = format!("`{key}` names no secret: {why}");
            d.push(Diagnostic::error("RB0605", written.span, message).help(format!("write {FORMS}")));
            None
        }
    }
}
