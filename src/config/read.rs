//! Reads the files of a configuration and merges them: named things by name, everything else as a whole.

use std::collections::BTreeMap;
use std::path::Path;

use crate::base::sanitise::one_line;
use crate::config::{Channel, Config, Group, Origin, Person, Secret, channel, ssh};
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
            let folder = sources.get(*id).and_then(|s| Path::new(&s.name).parent()).unwrap_or(Path::new(""));
            let mut merge = Merge {
                config: &mut config,
                references: &mut references,
                folder,
            };
            file(&node, &mut merge, &mut diagnostics);
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

/// Puts the values of one file where no file of higher precedence has put one.
pub(super) struct Merge<'m> {
    config: &'m mut Config,
    references: &'m mut Vec<Reference>,
    /// Of the file being read.
    folder: &'m Path,
}

impl Merge<'_> {
    /// A value that counts as a whole.
    pub fn value<T>(
        &mut self,
        key: &str,
        value: Option<Spanned<T>>,
        shown: impl Fn(&T) -> String,
        slot: impl Fn(&mut Config) -> &mut Option<T>,
    ) {
        let Some(value) = value.filter(|_| slot(self.config).is_none()) else {
            return;
        };
        self.origin(key, shown(&value.value), value.span);
        *slot(self.config) = Some(value.value);
    }

    /// A value of a section of named things.
    pub fn named<T>(
        &mut self,
        key: &str,
        name: &str,
        value: Spanned<T>,
        shown: String,
        section: impl Fn(&mut Config) -> &mut BTreeMap<String, T>,
    ) {
        if !section(self.config).contains_key(name) {
            self.origin(key, shown, value.span);
            section(self.config).insert(name.to_owned(), value.value);
        }
    }

    fn origin(&mut self, key: &str, value: String, span: Span) {
        let key = key.to_owned();
        self.config.origins.push(Origin { key, value, span });
    }

    fn path(&self, written: &str) -> String {
        // `~` is the shell's and ssh's; `join` leaves absolute paths alone
        let home = written == "~" || written.starts_with("~/");
        let whole = if home {
            Path::new(written).to_owned()
        } else {
            self.folder.join(written)
        };
        whole.to_string_lossy().into_owned()
    }

    fn refer(&mut self, wanted: Wanted, names: &[Spanned<String>]) {
        self.references.extend(names.iter().map(|name| Reference {
            wanted,
            name: name.clone(),
        }));
    }
}

/// A number that [`Fields::int`] has found positive.
pub(super) fn count(number: Spanned<i64>) -> Spanned<usize> {
    Spanned::new(usize::try_from(number.value).unwrap_or(usize::MAX), number.span)
}

fn file(node: &Node, merge: &mut Merge<'_>, diagnostics: &mut Diagnostics) {
    let d = diagnostics;
    let known: Vec<&str> = SECTIONS.iter().chain(PLANNED).copied().collect();
    let top = Fields::of(node, &known, "the configuration", d);
    planned(node, PLANNED, d);
    inventory(&top, merge, d);
    merge.value("identity", identity(&top, d), String::clone, |config| &mut config.identity);
    let journal = journal(&top, d).map(|j| Spanned::new(merge.path(&j.value), j.span));
    merge.value("journal", journal, String::clone, |config| &mut config.journal);
    for entry in named(&top, "people", d) {
        person(entry, merge, d);
    }
    for entry in named(&top, "groups", d) {
        group(entry, merge, d);
    }
    for entry in named(&top, "channels", d) {
        let Some(mut channel) = channel::read(entry, d) else { continue };
        if let Channel::Webhook {
            url: Secret::File(path), ..
        } = &mut channel
        {
            *path = merge.path(path);
        }
        let (name, shown) = (&entry.key.value, channel.to_string());
        let channel = Spanned::new(channel, entry.key.span);
        merge.named(&format!("channels.{name}"), name, channel, shown, |config| &mut config.channels);
    }
    if let Some(limits) = top.get("limits") {
        planned(limits, PLANNED_LIMITS, d);
        let fields = Fields::of(limits, &["max_hosts", PLANNED_LIMITS[0], PLANNED_LIMITS[1]], "limits", d);
        let most = fields.int("max_hosts", 1..=1_000_000, d).map(count);
        merge.value("limits.max_hosts", most, usize::to_string, |config| &mut config.limits.max_hosts);
    }
    if let Some(section) = top.get("ssh") {
        planned(section, PLANNED_SSH, d);
        ssh::read(section, merge, d);
    }
}

fn inventory(top: &Fields<'_>, merge: &mut Merge<'_>, diagnostics: &mut Diagnostics) {
    let paths = top.texts("inventory", diagnostics).unwrap_or_default();
    if !merge.config.inventory.is_empty() {
        return;
    }
    for path in paths {
        let joined = merge.path(&path.value);
        merge.origin("inventory", joined.clone(), path.span);
        merge.config.inventory.push(joined);
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

fn person(entry: &Entry, merge: &mut Merge<'_>, diagnostics: &mut Diagnostics) {
    let short = &entry.key.value;
    let fields = Fields::of(
        &entry.value,
        &["name", "approve", "notify"],
        &format!("person `{short}`"),
        diagnostics,
    );
    let name = fields.text("name", diagnostics).map(|n| n.value);
    let approve = fields.texts("approve", diagnostics).unwrap_or_default();
    let notify = fields.texts("notify", diagnostics).unwrap_or_default();
    merge.refer(Wanted::Channel, &notify);
    let (approve, notify) = (values(approve), values(notify));
    let shown = format!("approve [{}], notify [{}]", approve.join(", "), notify.join(", "));
    let person = Person { name, approve, notify };
    let key = format!("people.{short}");
    merge.named(&key, short, Spanned::new(person, entry.key.span), shown, |config| {
        &mut config.people
    });
}

fn group(entry: &Entry, merge: &mut Merge<'_>, diagnostics: &mut Diagnostics) {
    let name = &entry.key.value;
    planned(&entry.value, PLANNED_GROUP, diagnostics);
    let what = format!("group `{name}`");
    let fields = Fields::of(&entry.value, &["members", PLANNED_GROUP[0], PLANNED_GROUP[1]], &what, diagnostics);
    let members = match fields.required("members", diagnostics) {
        Some(_) => fields.texts("members", diagnostics).unwrap_or_default(),
        None => Vec::new(),
    };
    merge.refer(Wanted::Person, &members);
    let members = values(members);
    let shown = format!("[{}]", members.join(", "));
    let group = Spanned::new(Group { members }, entry.key.span);
    merge.named(&format!("groups.{name}"), name, group, shown, |config| &mut config.groups);
}

fn values(list: Vec<Spanned<String>>) -> Vec<String> {
    list.into_iter().map(|t| t.value).collect()
}

/// Names that mean two things, and names that mean nothing.
fn check(config: &Config, references: &[Reference], diagnostics: &mut Diagnostics) {
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
