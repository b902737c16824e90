//! Looks a pattern's names up in an inventory. Whatever would silently mean too many or too few hosts is an error.

use std::collections::BTreeSet;
use std::fmt;

use crate::base::id::HostName;
use crate::diagnostic::{Diagnostic, Span, nearest};
use crate::model::inventory::Inventory;
use crate::model::pattern::{Atom, Index, Pattern, Role, Term, glob, parse};

/// Why a pattern gives no hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError {
    /// The reason.
    pub kind: PatternErrorKind,
    /// The term at fault, or the whole pattern.
    pub span: Span,
    /// One sentence.
    pub message: String,
    /// What to do, if we know.
    pub help: Option<String>,
    /// Text to put in place of the span.
    pub replacement: Option<String>,
}

/// Reasons why a pattern gives no hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatternErrorKind {
    /// A name, glob or expression that fits nothing.
    Unknown,
    /// A name that is both a host and a group.
    Clash,
    /// A position that does not exist.
    OutOfRange,
    /// A position of something that is no group.
    IndexOnHost,
    /// All terms are fine, yet nothing is left; `allow_empty` steps accept this one.
    Empty,
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for PatternError {}

impl PatternError {
    fn new(kind: PatternErrorKind, span: Span, message: String) -> PatternError {
        PatternError {
            kind,
            span,
            message,
            help: None,
            replacement: None,
        }
    }

    fn help(mut self, help: impl Into<String>) -> PatternError {
        self.help = Some(help.into());
        self
    }

    /// With its code, for a text that holds the pattern.
    #[must_use]
    pub fn diagnostic(&self) -> Diagnostic {
        let code = match self.kind {
            PatternErrorKind::Unknown => "RB0503",
            PatternErrorKind::Clash => "RB0504",
            PatternErrorKind::OutOfRange => "RB0505",
            PatternErrorKind::IndexOnHost => "RB0506",
            PatternErrorKind::Empty => "RB0507",
        };
        Diagnostic {
            help: self.help.clone(),
            replacement: self.replacement.clone(),
            ..Diagnostic::error(code, self.span, self.message.clone())
        }
    }
}

/// The hosts of a pattern, each once: terms in the order written; within a term a group's own order, else the inventory's.
///
/// # Errors
/// The first term that does not fit the inventory, or [`PatternErrorKind::Empty`].
pub fn resolve(pattern: &Pattern, inventory: &Inventory) -> Result<Vec<HostName>, PatternError> {
    let mut chosen: Vec<HostName> = Vec::new();
    let mut seen = BTreeSet::new();
    let of_role = |role: Role| pattern.terms.iter().filter(move |t| t.role == role);
    for term in of_role(Role::Union) {
        for host in hosts(term, inventory)? {
            if seen.insert(host.clone()) {
                chosen.push(host);
            }
        }
    }
    for (role, keep) in [(Role::Intersection, true), (Role::Exclusion, false)] {
        for term in of_role(role) {
            let named: BTreeSet<HostName> = hosts(term, inventory)?.into_iter().collect();
            chosen.retain(|h| named.contains(h) == keep);
        }
    }
    if chosen.is_empty() {
        let message = format!("`{}` selects no host", pattern.source);
        return Err(PatternError::new(PatternErrorKind::Empty, pattern.span, message));
    }
    Ok(chosen)
}

/// [`parse`] and [`resolve`] in one, for a text without a place.
///
/// # Errors
/// A sentence for people.
pub fn select(text: &str, inventory: &Inventory) -> Result<Vec<HostName>, String> {
    let (pattern, diagnostics) = parse(text, Span::new(crate::diagnostic::SourceId(0), 0, text.len()));
    let Some(pattern) = pattern else {
        return Err(diagnostics.iter().next().map_or_else(
            || String::from("not a pattern"),
            |d| match &d.help {
                Some(help) => format!("{} ({help})", d.message),
                None => d.message.clone(),
            },
        ));
    };
    resolve(&pattern, inventory).map_err(|e| e.to_string())
}

fn hosts(term: &Term, inventory: &Inventory) -> Result<Vec<HostName>, PatternError> {
    let found = match &term.atom {
        Atom::All => inventory.order.clone(),
        Atom::Name(name) => named(name, term, inventory)?,
        Atom::Glob(pattern) => {
            confused(pattern, term, inventory)?;
            matching(term, inventory, |name| glob::matches(pattern, name))?
        }
        Atom::Regex(expression) => {
            // Parsed before; `(?:…)` keeps the anchor in front of every alternative.
            let anchored = regex_lite::Regex::new(&format!("^(?:{expression})"))
                .map_err(|e| PatternError::new(PatternErrorKind::Unknown, term.span, e.to_string()))?;
            matching(term, inventory, |name| anchored.is_match(name))?
        }
    };
    match term.index {
        None => Ok(found),
        Some(index) => at(&found, index, term),
    }
}

fn named(name: &str, term: &Term, inventory: &Inventory) -> Result<Vec<HostName>, PatternError> {
    match (inventory.groups.get(name), inventory.hosts.contains_key(name)) {
        // A group of the host of the same name alone: both mean the same.
        (Some(hosts), true) if matches!(hosts.as_slice(), [one] if one.as_str() == name) => Ok(hosts.clone()),
        (Some(_), true) => {
            let message = format!("`{name}` is both a host and a group");
            Err(PatternError::new(PatternErrorKind::Clash, term.span, message).help("rename one of them in the inventory"))
        }
        (Some(hosts), false) => Ok(hosts.clone()),
        (None, true) if term.index.is_some() => {
            let message = format!("`{name}` is a host: it has no positions");
            Err(PatternError::new(PatternErrorKind::IndexOnHost, term.span, message).help("positions are for groups: `webservers[0]`"))
        }
        (None, true) => Ok(vec![HostName::from(name)]),
        (None, false) => Err(unknown(name, term, inventory)),
    }
}

fn unknown(name: &str, term: &Term, inventory: &Inventory) -> PatternError {
    // `web-0[12]`: the set of characters at the end reads as position 12 of a group.
    if term.index.is_some() && inventory.hosts.keys().any(|h| h.as_str().starts_with(name)) {
        let message = format!("`{name}` is no group, so it has no positions");
        return PatternError::new(PatternErrorKind::IndexOnHost, term.span, message).help(format!(
            "digits in brackets at the end are a position; for a set of characters write `~{name}[12]$`"
        ));
    }
    let known = inventory
        .groups
        .keys()
        .map(|g| g.as_str())
        .chain(inventory.order.iter().map(HostName::as_str));
    let message = format!("no host and no group is named `{name}`");
    let error = PatternError::new(PatternErrorKind::Unknown, term.span, message);
    match nearest(name, known) {
        Some(near) if term.index.is_none() => PatternError {
            replacement: Some(near.to_owned()),
            ..error.help(format!("did you mean `{near}`?"))
        },
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None => error,
    }
}

/// `webservers[0-2]`: a set of characters here, positions elsewhere; refused where it could be either.
fn confused(pattern: &str, term: &Term, inventory: &Inventory) -> Result<(), PatternError> {
    let Some((name, inside)) = pattern.strip_suffix(']').and_then(|p| p.rsplit_once('[')) else {
        return Ok(());
    };
    let numbers = inside.split_once('-').filter(|(a, b)| {
        let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
        !a.is_empty() && digits(a) && digits(b)
    });
    match numbers {
        Some((a, b)) if inventory.groups.contains_key(name) => {
            let message = format!("`{name}` is a group, and `[{inside}]` is a set of characters");
            Err(PatternError::new(PatternErrorKind::Unknown, term.span, message).help(format!("for positions write `{name}[{a}:{b}]`")))
        }
        _ => Ok(()),
    }
}

/// Hosts of the groups whose name fits, and hosts whose own name fits, in the inventory's order.
fn matching(term: &Term, inventory: &Inventory, fits: impl Fn(&str) -> bool) -> Result<Vec<HostName>, PatternError> {
    let mut groups = inventory.groups.iter().filter(|(g, _)| fits(g.as_str())).peekable();
    let some_group = groups.peek().is_some();
    let members: BTreeSet<&HostName> = groups.flat_map(|(_, hosts)| hosts).collect();
    let found: Vec<HostName> = inventory
        .order
        .iter()
        .filter(|h| members.contains(h) || fits(h.as_str()))
        .cloned()
        .collect();
    if found.is_empty() && !some_group {
        let message = String::from("no name of a host or group fits this term");
        return Err(PatternError::new(PatternErrorKind::Unknown, term.span, message));
    }
    Ok(found)
}

fn at(found: &[HostName], index: Index, term: &Term) -> Result<Vec<HostName>, PatternError> {
    let refuse = |message: String| Err(PatternError::new(PatternErrorKind::OutOfRange, term.span, message));
    let last = match found.len().checked_sub(1) {
        Some(last) => last,
        None => return refuse(String::from("a position of nothing: no host there")),
    };
    let range = format!("positions here are 0 to {last}");
    match index {
        Index::At(n) => {
            let place = if n < 0 {
                found.len().checked_sub(usize::try_from(n.unsigned_abs()).unwrap_or(usize::MAX))
            } else {
                usize::try_from(n).ok()
            };
            match place.and_then(|p| found.get(p)) {
                Some(host) => Ok(vec![host.clone()]),
                None => refuse(format!("no position {n}: {range}")),
            }
        }
        Index::Between(a, Some(b)) if a > b => refuse(format!("`[{a}:{b}]` counts backwards")),
        Index::Between(a, b) => {
            let b = b.unwrap_or(last.max(a));
            if a > last || b > last {
                return refuse(format!("no position {}: {range}", if a > last { a } else { b }));
            }
            Ok(found[a..=b].to_vec())
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::base::id::GroupName;
    use crate::model::inventory::Host;

    fn inventory() -> Inventory {
        let order: Vec<HostName> = ["web-02", "web-01", "web-03", "db-01", "node02x", "node03x", "beta"]
            .map(HostName::from)
            .into();
        let group = |name: &str, hosts: &[&str]| (GroupName::from(name), hosts.iter().map(|h| HostName::from(*h)).collect());
        Inventory {
            hosts: order
                .iter()
                .map(|n| {
                    (
                        n.clone(),
                        Host {
                            name: n.clone(),
                            ..Host::default()
                        },
                    )
                })
                .collect(),
            order,
            groups: [
                group("webservers", &["web-01", "web-02", "web-03"]),
                group("prod", &["web-03", "db-01"]),
                group("empty", &[]),
                group("beta", &["web-01"]),
                group("alpha", &["beta", "web-01"]),
            ]
            .into(),
            ..Inventory::default()
        }
    }

    #[test]
    fn patterns_select_in_order() {
        let table: &[(&str, &[&str])] = &[
            ("web-01", &["web-01"]),
            ("webservers", &["web-01", "web-02", "web-03"]),
            ("all", &["web-02", "web-01", "web-03", "db-01", "node02x", "node03x", "beta"]),
            ("*", &["web-02", "web-01", "web-03", "db-01", "node02x", "node03x", "beta"]),
            ("prod:webservers", &["web-03", "db-01", "web-01", "web-02"]),
            ("web-03,web-01", &["web-03", "web-01"]),
            ("web-01,web-01", &["web-01"]),
            ("webservers:&prod", &["web-03"]),
            ("webservers:!web-02", &["web-01", "web-03"]),
            ("!web-02:webservers", &["web-01", "web-03"]),
            ("!prod,&webservers,all", &["web-02", "web-01"]),
            ("web-*", &["web-02", "web-01", "web-03"]),
            ("web*", &["web-02", "web-01", "web-03"]),
            ("prod*:!web*", &["db-01"]),
            ("node0[24]x", &["node02x"]),
            ("web-0[1-2]", &["web-02", "web-01"]),
            ("web-0[!2]", &["web-01", "web-03"]),
            ("webservers[0]", &["web-01"]),
            ("webservers[-1]", &["web-03"]),
            ("webservers[0:1]", &["web-01", "web-02"]),
            ("webservers[1:]", &["web-02", "web-03"]),
            ("webservers[2:2]", &["web-03"]),
            ("all[0]", &["web-02"]),
            ("web-*[-1]", &["web-03"]),
            ("webservers:!webservers[0]", &["web-02", "web-03"]),
            ("~web-0[12]", &["web-02", "web-01"]),
            ("~(db|node)", &["db-01", "node02x", "node03x"]),
            ("~web-01|db", &["web-01", "db-01"]),
            ("~eb", &[]),
            ("empty:web-01", &["web-01"]),
            ("webservers:!empty", &["web-01", "web-02", "web-03"]),
        ];
        for (text, expected) in table {
            match select(text, &inventory()) {
                Ok(found) => assert_eq!(found.iter().map(HostName::as_str).collect::<Vec<_>>(), *expected, "{text}"),
                Err(why) => assert!(expected.is_empty(), "{text}: {why}"),
            }
        }
    }

    #[test]
    fn what_would_silently_mean_other_hosts_is_an_error() {
        use PatternErrorKind::{Clash, Empty, IndexOnHost, OutOfRange, Unknown};
        let table = [
            // selects nothing, or excludes nothing, with a warning only
            ("web-0[12]", IndexOnHost),
            ("prod:!web-0[12]", IndexOnHost),
            // runs on everything
            ("webservers:!nosuch", Unknown),
            ("webservers:!nosuch*", Unknown),
            ("webservers:&nosuch", Unknown),
            ("webservrs", Unknown),
            ("~nosuch", Unknown),
            // gives element 1; cut; nothing
            ("webservers[1:0]", OutOfRange),
            ("webservers[0:99]", OutOfRange),
            ("webservers[9]", OutOfRange),
            ("webservers[-4]", OutOfRange),
            ("webservers[3:]", OutOfRange),
            ("webservers[99999999999999999999]", OutOfRange),
            ("empty[0]", OutOfRange),
            // host or group
            ("beta", Clash),
            ("beta[0]", Clash),
            ("alpha:!beta", Clash),
            ("web-01[0]", IndexOnHost),
            ("webservers[0-1]", Unknown),
            // from nowhere
            ("localhost", Unknown),
            ("127.0.0.1", Unknown),
            // nothing left
            ("empty", Empty),
            ("webservers:!web-*", Empty),
            ("web-01:&db-01", Empty),
        ];
        for (text, kind) in table {
            let pattern = parse(text, Span::default()).0.unwrap();
            assert_eq!(resolve(&pattern, &inventory()).map_err(|e| e.kind), Err(kind), "{text}");
        }
        for text in [",", "!web-01", ""] {
            assert!(select(text, &inventory()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_typing_error_is_mended() {
        let pattern = parse("prod:!web-11", Span::default()).0.unwrap();
        let error = resolve(&pattern, &inventory()).unwrap_err();
        assert_eq!(error.replacement.as_deref(), Some("web-01"));
        assert_eq!((error.span.start, error.diagnostic().code), (6, "RB0503"));
        assert_eq!(
            select("webservrs", &inventory()),
            Err("no host and no group is named `webservrs` (did you mean `webservers`?)".to_owned())
        );
    }

    #[test]
    fn an_anchor_holds_for_every_alternative() {
        assert!(select("~x|eb", &inventory()).is_err());
    }
}
