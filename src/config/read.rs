//! Reads the files of a configuration and merges them: named things by name, everything else as a whole.

use std::collections::BTreeMap;

use crate::base::sanitise::one_line;
use crate::config::{Config, Group, Person, channel, ssh};
use crate::diagnostic::{Diagnostic, Diagnostics, SourceId, Sources, Span, Spanned, nearest};
use crate::yaml::fields::Fields;
use crate::yaml::{self, Entry, Node};

const SECTIONS: &[&str] = &["inventory", "identity", "journal", "people", "groups", "channels", "limits", "ssh"];

/// Sections, and keys of sections, that are planned; accepted without effect they would promise what is not kept.
const PLANNED: &[&str] = &["sources", "serve", "freeze", "retention", "secret_sources"];
const PLANNED_LIMITS: &[&str] = &["runs_per_hour", "pool_member_minutes_per_day"];
const PLANNED_GROUP: &[&str] = &["escalate_after", "then"];
const PLANNED_SSH: &[&str] = &["key_exchange"];

/// Reads a configuration from several files, the one of highest precedence first. It is there only without errors; no file at all
/// is the empty configuration.
#[must_use]
pub fn parse(sources: &Sources, files: &[SourceId]) -> (Option<Config>, Diagnostics) {
    let mut diagnostics = Diagnostics::new();
    let mut config = Config::default();
    let mut references = Vec::new();
    for id in files {
        let (node, mistakes) = yaml::read(sources, *id);
        // a file that holds nothing yet says nothing
        let empty = node.is_none() && mistakes.iter().all(|m| m.code == "RB0017");
        if !empty {
            diagnostics.extend(mistakes);
        }
        if let Some(node) = node {
            file(&node, &mut config, &mut references, &mut diagnostics);
        }
    }
    check(&config, &references, &mut diagnostics);
    ((!diagnostics.has_errors()).then_some(config), diagnostics)
}

/// What a name in a list must be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Person,
    Channel,
}

/// A name that must be declared somewhere, in whichever file.
struct Reference {
    wanted: Wanted,
    name: Spanned<String>,
}

fn file(node: &Node, config: &mut Config, references: &mut Vec<Reference>, diagnostics: &mut Diagnostics) {
    let d = diagnostics;
    let known: Vec<&str> = SECTIONS.iter().chain(PLANNED).copied().collect();
    let top = Fields::of(node, &known, "the configuration", d);
    planned(node, PLANNED, d);
    let inventory = top.texts("inventory", d);
    config.inventory = config.inventory.take().or(inventory);
    let identity = identity(&top, d);
    config.identity = config.identity.take().or(identity);
    let journal = journal(&top, d);
    config.journal = config.journal.take().or(journal);
    for entry in named(&top, "people", d) {
        let person = person(entry, references, d);
        config
            .people
            .entry(entry.key.value.clone())
            .or_insert(Spanned::new(person, entry.key.span));
    }
    for entry in named(&top, "groups", d) {
        let group = group(entry, references, d);
        config
            .groups
            .entry(entry.key.value.clone())
            .or_insert(Spanned::new(group, entry.key.span));
    }
    for entry in named(&top, "channels", d) {
        if let Some(channel) = channel::read(entry, d) {
            config
                .channels
                .entry(entry.key.value.clone())
                .or_insert(Spanned::new(channel, entry.key.span));
        }
    }
    if let Some(limits) = top.get("limits") {
        planned(limits, PLANNED_LIMITS, d);
        let fields = Fields::of(limits, &["max_hosts", PLANNED_LIMITS[0], PLANNED_LIMITS[1]], "limits", d);
        let most = fields.int("max_hosts", 1..=1_000_000, d);
        let most = most.map(|m| Spanned::new(usize::try_from(m.value).unwrap_or(usize::MAX), m.span));
        config.limits.max_hosts = config.limits.max_hosts.take().or(most);
    }
    if let Some(section) = top.get("ssh") {
        planned(section, PLANNED_SSH, d);
        ssh::read(section, &mut config.ssh, d);
    }
}

fn planned(node: &Node, keys: &[&str], diagnostics: &mut Diagnostics) {
    for entry in node
        .as_map()
        .unwrap_or_default()
        .iter()
        .filter(|e| keys.contains(&e.key.value.as_str()))
    {
        let message = format!("`{}` is not supported yet", entry.key.value);
        diagnostics.push(Diagnostic::error("RB0602", entry.key.span, message).help("remove it: it would have no effect"));
    }
}

fn identity(top: &Fields<'_>, diagnostics: &mut Diagnostics) -> Option<Spanned<String>> {
    let identity = top.text("identity", diagnostics)?;
    if identity.value.trim().is_empty() || identity.value.chars().any(char::is_control) {
        let message = "`identity` must be a name on one line";
        diagnostics.push(Diagnostic::error("RB0605", identity.span, message));
        return None;
    }
    Some(identity)
}

fn journal(top: &Fields<'_>, diagnostics: &mut Diagnostics) -> Option<Spanned<String>> {
    let journal = top.text("journal", diagnostics)?;
    if journal.value.contains("://") || matches!(journal.value.as_str(), "sqlite" | "postgres") {
        let message = format!(
            "`{}` is no path; other kinds of journals are not supported yet",
            one_line(&journal.value, 60)
        );
        let help = "give the path of a file: `journal: /var/lib/runbook/journal.db`";
        diagnostics.push(Diagnostic::error("RB0602", journal.span, message).help(help));
        return None;
    }
    if journal.value.trim().is_empty() || journal.value.chars().any(char::is_control) {
        diagnostics.push(Diagnostic::error("RB0605", journal.span, "`journal` must be a path"));
        return None;
    }
    Some(journal)
}

/// The entries of a section of named things whose names are fit.
fn named<'n>(top: &Fields<'n>, key: &str, diagnostics: &mut Diagnostics) -> Vec<&'n Entry> {
    if top.get(key).is_none() {
        return Vec::new();
    }
    let entries = top.map(key, diagnostics).unwrap_or_default();
    let fit = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '@'))
    };
    let (good, bad): (Vec<_>, Vec<_>) = entries.iter().partition(|e| fit(&e.key.value));
    for entry in bad {
        let message = format!("`{}` is no name for one of the {key}", one_line(&entry.key.value, 60));
        let help = "names hold letters, digits, `_`, `-`, `.` and `@`";
        diagnostics.push(Diagnostic::error("RB0603", entry.key.span, message).help(help));
    }
    good
}

fn person(entry: &Entry, references: &mut Vec<Reference>, diagnostics: &mut Diagnostics) -> Person {
    let what = format!("person `{}`", entry.key.value);
    let fields = Fields::of(&entry.value, &["name", "approve", "notify"], &what, diagnostics);
    let name = fields.text("name", diagnostics).map(|n| n.value);
    let approve = fields.texts("approve", diagnostics).unwrap_or_default();
    let notify = fields.texts("notify", diagnostics).unwrap_or_default();
    references.extend(notify.iter().map(|c| Reference {
        wanted: Wanted::Channel,
        name: c.clone(),
    }));
    let texts = |list: Vec<Spanned<String>>| list.into_iter().map(|t| t.value).collect();
    Person {
        name,
        approve: texts(approve),
        notify: texts(notify),
    }
}

fn group(entry: &Entry, references: &mut Vec<Reference>, diagnostics: &mut Diagnostics) -> Group {
    let what = format!("group `{}`", entry.key.value);
    planned(&entry.value, PLANNED_GROUP, diagnostics);
    let fields = Fields::of(&entry.value, &["members", PLANNED_GROUP[0], PLANNED_GROUP[1]], &what, diagnostics);
    let members = match fields.required("members", diagnostics) {
        Some(_) => fields.texts("members", diagnostics).unwrap_or_default(),
        None => Vec::new(),
    };
    references.extend(members.iter().map(|m| Reference {
        wanted: Wanted::Person,
        name: m.clone(),
    }));
    Group {
        members: members.into_iter().map(|m| m.value).collect(),
    }
}

/// Names that mean two things, and names that mean nothing.
fn check(config: &Config, references: &[Reference], diagnostics: &mut Diagnostics) {
    let mut names: BTreeMap<&str, (&str, Span)> = BTreeMap::new();
    let people = config.people.iter().map(|(n, p)| ("person", n, p.span));
    let groups = config.groups.iter().map(|(n, g)| ("group", n, g.span));
    let channels = config.channels.iter().map(|(n, c)| ("channel", n, c.span));
    for (what, name, span) in people.chain(groups).chain(channels) {
        if let Some((other, first)) = names.insert(name, (what, span)) {
            let message = format!("`{name}` is both a {other} and a {what}");
            let mistake = Diagnostic::error("RB0603", span, message).also(first, format!("the {other}"));
            diagnostics.push(mistake.help("a recipient could mean either: rename one of them"));
        }
    }
    for reference in references {
        let name = &reference.name;
        let (what, declared): (_, Vec<&str>) = match reference.wanted {
            Wanted::Person => ("person", config.people.keys().map(String::as_str).collect()),
            Wanted::Channel => ("channel", config.channels.keys().map(String::as_str).collect()),
        };
        if declared.contains(&name.value.as_str()) {
            continue;
        }
        let message = format!("no {what} is named `{}`", one_line(&name.value, 60));
        let mistake = Diagnostic::error("RB0601", name.span, message);
        diagnostics.push(match nearest(&name.value, declared) {
            Some(near) => mistake.help(format!("did you mean `{near}`?")).replacement(near),
            None => mistake,
        });
    }
}
