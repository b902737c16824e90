//! Names that mean two things, names that mean nothing, and duties that lead nowhere.

use std::collections::{BTreeMap, BTreeSet};

use super::Config;
use crate::base::sanitise::one_line;
use crate::diagnostic::{Diagnostic, Diagnostics, Span, Spanned, nearest};

/// What a name in a list must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// A channel.
    Channel,
    /// A person or a group.
    Member,
    /// A person or a group, that is asked when others did not answer.
    Next,
    /// A person, a group, or a role of somebody.
    Answerer,
}

/// A name that must be declared somewhere, in whichever file.
pub(super) struct Reference {
    pub wanted: Wanted,
    pub name: Spanned<String>,
}

/// Checks what only all files together can tell.
pub(super) fn check(config: &Config, references: &[Reference], d: &mut Diagnostics) {
    two_meanings(config, d);
    for reference in references {
        unknown(config, reference, d);
    }
    if d.has_errors() {
        return;
    }
    circles(config, "members", |name| config.groups.get(name).map(|g| g.members.as_slice()), d);
    circles(config, "then", |name| config.groups.get(name).map(|g| g.then.as_slice()), d);
    if d.has_errors() {
        return;
    }
    for reference in references.iter().filter(|r| r.wanted == Wanted::Next) {
        let name = &reference.name.value;
        if config.recipients(name).is_none_or(|r| r.channels.is_empty()) {
            let message = format!("an escalation leads to `{name}`, whom no channel reaches");
            d.push(
                Diagnostic::error("RB0612", reference.name.span, message)
                    .label("nobody would be told")
                    .help(format!("give `{name}`, or its members, `notify: [CHANNEL]`")),
            );
        }
    }
}

fn two_meanings(config: &Config, d: &mut Diagnostics) {
    let mut names: BTreeMap<&str, (&str, Span)> = BTreeMap::new();
    for origin in &config.origins {
        let (what, name) = match origin.key.split_once('.') {
            Some(("people", name)) => ("person", name),
            Some(("groups", name)) => ("group", name),
            Some(("channels", name)) => ("channel", name),
            _ => continue,
        };
        if let Some((other, first)) = names.insert(name, (what, origin.span)) {
            let message = format!("`{name}` is both a {other} and a {what}");
            let mistake = Diagnostic::error("RB0603", origin.span, message).also(first, format!("the {other}"));
            d.push(mistake.help("a recipient could mean either: rename one of them"));
        }
    }
}

fn unknown(config: &Config, reference: &Reference, d: &mut Diagnostics) {
    let name = &reference.name;
    let people = || config.people.keys().chain(config.groups.keys()).map(String::as_str);
    let (what, declared): (_, Vec<&str>) = match reference.wanted {
        Wanted::Channel => ("channel", config.channels.keys().map(String::as_str).collect()),
        Wanted::Member | Wanted::Next => ("person or group", people().collect()),
        Wanted::Answerer => ("person, group or role", people().chain(config.roles()).collect()),
    };
    if declared.contains(&name.value.as_str()) {
        return;
    }
    let message = format!("no {what} is named `{}`", one_line(&name.value, 60));
    let mistake = Diagnostic::error("RB0601", name.span, message);
    d.push(match nearest(&name.value, declared) {
        Some(near) => mistake.help(format!("did you mean `{near}`?")).replacement(near),
        None => mistake,
    });
}

/// A group that comes back to itself by `key`; each circle is told once, at its first group.
fn circles<'c>(config: &'c Config, key: &str, next: impl Fn(&str) -> Option<&'c [String]>, d: &mut Diagnostics) {
    let mut told: BTreeSet<&str> = BTreeSet::new();
    for start in config.groups.keys().map(String::as_str) {
        let mut path = vec![start];
        if told.contains(start) || !returns(start, start, &next, &mut path, &mut BTreeSet::new()) {
            continue;
        }
        told.extend(&path);
        path.push(start);
        let place = config.origins.iter().find(|o| o.key.strip_prefix("groups.") == Some(start));
        let message = format!("the `{key}` of group `{start}` lead back to it: {}", path.join(" → "));
        let mistake = match place {
            Some(origin) => Diagnostic::error("RB0611", origin.span, message),
            None => Diagnostic::nowhere("RB0611", message),
        };
        d.push(mistake.label("a circle").help("take one of them out of the other"));
    }
}

fn returns<'c>(
    at: &str,
    to: &str,
    next: &impl Fn(&str) -> Option<&'c [String]>,
    path: &mut Vec<&'c str>,
    seen: &mut BTreeSet<&'c str>,
) -> bool {
    for name in next(at).unwrap_or_default() {
        if name == to {
            return true;
        }
        if seen.insert(name) {
            path.push(name);
            if returns(name, to, next, path, seen) {
                return true;
            }
            path.pop();
        }
    }
    false
}
