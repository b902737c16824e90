//! What stands in the place of an action, as written: `approve`, `manual`, `decide`.

use std::time::Duration;

use super::keys;
use super::parse::params;
use super::reader::{Map, converted, identifier, mismatch};
use super::syntax::{Approve, Body, Branch, Decide, Manual, Within};
use crate::base::clock::parse_duration;
use crate::diagnostic::Diagnostics;
use crate::yaml::{Entry, Node, NodeKind};

/// `approve:`
pub(super) fn approve(node: &Node, d: &mut Diagnostics) -> Body {
    let Some(map) = Map::read(node, &keys::APPROVE, d) else {
        return Body::Broken;
    };
    let from = map.words("from", d).unwrap_or_default();
    let quorum = map.count("quorum", 1, d).unwrap_or(1);
    let show = map.choice("show", &["plan", "none"], d);
    let within = within(&map, Duration::from_secs(15 * 60), d);
    let on_timeout = map.choice("on_timeout", &["deny", "escalate"], d);
    let then_escalate_to = map.words("then_escalate_to", d).unwrap_or_default();
    let Some(ask) = map.written("ask", d) else { return Body::Broken };
    Body::Approve(Approve {
        ask,
        from,
        quorum,
        show_plan: show.is_none_or(|s| s.value == "plan"),
        within,
        escalate_on_timeout: on_timeout.filter(|s| s.value == "escalate").map(|s| s.span),
        then_escalate_to,
    })
}

/// `manual:`
pub(super) fn manual(node: &Node, d: &mut Diagnostics) -> Body {
    let Some(map) = Map::read(node, &keys::MANUAL, d) else {
        return Body::Broken;
    };
    let manual = Manual {
        to: map.words("to", d).unwrap_or_default(),
        fields: map.get("fields").map(|n| params(n, "fields", d)).unwrap_or_default(),
        within: within(&map, Duration::from_secs(60 * 60), d),
        then_escalate_to: map.words("then_escalate_to", d).unwrap_or_default(),
        blocking: map.bool("blocking", d).unwrap_or(true),
        ask: match map.written("ask", d) {
            Some(ask) => ask,
            None => return Body::Broken,
        },
    };
    Body::Manual(Box::new(manual))
}

/// `decide:`
pub(super) fn decide(entry: &Entry, d: &mut Diagnostics) -> Body {
    let NodeKind::List(lines) = &entry.value.kind else {
        d.push(mismatch(&entry.value, "`decide` is a list of lines", "a list (`- is: …`)"));
        return Body::Broken;
    };
    let mut decide = Decide {
        span: entry.key.span,
        branches: Vec::new(),
        broken: false,
    };
    for line in lines {
        match branch(line, d) {
            Some(branch) => decide.branches.push(branch),
            None => decide.broken = true,
        }
    }
    Body::Decide(decide)
}

/// `None`: something about it was refused.
fn branch(node: &Node, d: &mut Diagnostics) -> Option<Branch> {
    let map = Map::read(node, &keys::BRANCH, d)?;
    let is = map.word("is", d).and_then(|w| identifier(w, '_', "a word to decide for", d));
    let when = map.written("when", d);
    let whole = map.misspelt.is_empty() && when.is_some() == map.get("when").is_some();
    is.filter(|_| whole).map(|is| Branch { is, when })
}

/// A duration, or a text with a placeholder that the compiler looks at.
fn within(map: &Map<'_>, default: Duration, d: &mut Diagnostics) -> Within {
    match map.written("within", d) {
        None => Within::Fixed(default),
        Some(text) if text.value.contains("{{") => Within::Text(text),
        Some(text) => Within::Fixed(converted(text, parse_duration, d).map_or(default, |s| s.value)),
    }
}
