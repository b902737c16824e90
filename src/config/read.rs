//! Reads the files of a configuration and merges them: named things by name, everything else as a whole.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::check::{Reference, Wanted};
use super::keys::{self, Table};
use super::{Config, Freeze, Group, Origin, Person, calendar, channel, check, secret, source, ssh};
use crate::base::clock::friendly;
use crate::base::sanitise::one_line;
use crate::diagnostic::{Diagnostic, Diagnostics, SourceId, Sources, Span, Spanned};
use crate::model::secret::SecretSource;
use crate::yaml::fields::{Fields, text};
use crate::yaml::{self, Entry, Node};

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
    check::check(&config, &references, &mut diagnostics);
    ((!diagnostics.has_errors()).then_some(config), diagnostics)
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

    /// A freeze of one file does not lift that of another.
    pub fn freeze(&mut self, freeze: Spanned<Freeze>, shown: String) {
        self.origin("freeze", shown, freeze.span);
        self.config.freeze.push(freeze.value);
    }

    /// A path as written, seen from the folder of its file.
    pub fn path(&self, written: &str) -> String {
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
    let top = fields(node, &keys::CONFIG, "the configuration", d);
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
        let Some(channel) = channel::read(entry, merge, d) else { continue };
        let (name, shown) = (&entry.key.value, channel.to_string());
        let channel = Spanned::new(channel, entry.key.span);
        merge.named(&format!("channels.{name}"), name, channel, shown, |config| &mut config.channels);
    }
    for entry in named(&top, "sources", d) {
        let Some(source) = source::source(entry, merge, d) else { continue };
        let (name, shown) = (&entry.key.value, format!("{} for {}", source.kind, source.runbooks.join(", ")));
        let source = Spanned::new(source, entry.key.span);
        merge.named(&format!("sources.{name}"), name, source, shown, |config| &mut config.sources);
    }
    if let Some(section) = top.get("limits") {
        limits(section, merge, d);
    }
    if top.get("freeze").is_some() {
        for node in top.list("freeze", d).unwrap_or_default() {
            let except = calendar::freeze(node, merge, d);
            merge.refer(Wanted::Answerer, &except);
        }
    }
    if let Some(section) = top.get("ssh") {
        ssh::read(section, merge, d);
    }
    if let Some(section) = top.get("retention") {
        retention(section, merge, d);
    }
    if let Some(section) = top.get("serve") {
        source::serve(section, merge, d);
    }
    for entry in named(&top, "secret_sources", d) {
        let name = &entry.key.value;
        let kept = text(&entry.value, name, d).and_then(|w| secret::reference(&w, name, merge, d).map(|s| (s, w.span)));
        let Some((kept, span)) = kept else { continue };
        if matches!(kept, SecretSource::Configured(_)) {
            let message = format!("`secret_sources.{name}` names another name, not a place");
            d.push(
                Diagnostic::error("RB0605", span, message)
                    .help("say where it is kept: `secret:file:PATH`, `secret:env:NAME` or `secret:command:…`"),
            );
            continue;
        }
        let shown = format!("secret:{kept}");
        let kept = Spanned::new(kept, entry.key.span);
        merge.named(&format!("secret_sources.{name}"), name, kept, shown, |config| {
            &mut config.secret_sources
        });
    }
}

/// The fields of a map; what nothing acts on yet is warned of, for it would promise what is not kept.
pub(super) fn fields<'n>(node: &'n Node, table: &Table, what: &str, d: &mut Diagnostics) -> Fields<'n> {
    let idle = |entry: &&Entry| table.get(&entry.key.value).is_some_and(|k| !k.used) && !entry.value.is_null();
    for entry in node.as_map().unwrap_or_default().iter().filter(idle) {
        let message = format!("`{}` is checked, but nothing acts on it yet", entry.key.value);
        d.push(
            Diagnostic::error("RB0602", entry.key.span, message)
                .label("without effect")
                .warning(),
        );
    }
    Fields::of(node, &table.names(), what, d)
}

fn limits(node: &Node, merge: &mut Merge<'_>, d: &mut Diagnostics) {
    let fields = fields(node, &keys::LIMITS, "limits", d);
    let most = fields.int("max_hosts", 1..=1_000_000, d).map(count);
    merge.value("limits.max_hosts", most, usize::to_string, |config| &mut config.limits.max_hosts);
    let runs = fields.int("runs_per_hour", 1..=1_000_000, d).map(count);
    merge.value("limits.runs_per_hour", runs, usize::to_string, |config| {
        &mut config.limits.runs_per_hour
    });
    if let Some(node) = fields.get("pool_member_minutes_per_day") {
        let pools = Fields::any(node, "pool_member_minutes_per_day", d);
        for entry in node.as_map().unwrap_or_default() {
            let name = &entry.key.value;
            let Some(minutes) = pools.int(name, 1..=1_000_000, d).map(count) else {
                continue;
            };
            let (key, shown) = (format!("limits.pool_member_minutes_per_day.{name}"), minutes.value.to_string());
            merge.named(&key, name, minutes, shown, |config| &mut config.limits.pool_member_minutes_per_day);
        }
    }
}

fn retention(node: &Node, merge: &mut Merge<'_>, d: &mut Diagnostics) {
    let fields = fields(node, &keys::RETENTION, "retention", d);
    let (runs, output) = (fields.duration("runs", d), fields.duration("output", d));
    for zero in [&runs, &output].into_iter().flatten().filter(|t| t.value.is_zero()) {
        d.push(Diagnostic::error("RB0605", zero.span, "nothing would be kept at all").label("must be longer than nothing"));
    }
    if let (Some(runs), Some(output)) = (&runs, &output)
        && output.value > runs.value
    {
        let message = "what a run wrote cannot be kept longer than the run";
        d.push(Diagnostic::error("RB0605", output.span, message).also(runs.span, "kept so long"));
    }
    let shown = |t: &Duration| friendly(*t);
    merge.value("retention.runs", runs, shown, |config| &mut config.retention.runs);
    merge.value("retention.output", output, shown, |config| &mut config.retention.output);
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
    let fields = fields(&entry.value, &keys::PERSON, &format!("person `{short}`"), diagnostics);
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
    let what = format!("group `{name}`");
    let fields = fields(&entry.value, &keys::GROUP, &what, diagnostics);
    let members = match fields.required("members", diagnostics) {
        Some(_) => fields.texts("members", diagnostics).unwrap_or_default(),
        None => Vec::new(),
    };
    let then = fields.texts("then", diagnostics).unwrap_or_default();
    let escalate_after = fields.duration("escalate_after", diagnostics);
    if fields.key_span("then").is_some() != fields.key_span("escalate_after").is_some() {
        let message = format!("group `{name}` needs both `escalate_after` and `then`, or neither");
        let help = "for example `escalate_after: 15m` and `then: [sysadmin_oncall]`";
        diagnostics.push(Diagnostic::error("RB0605", entry.key.span, message).help(help));
    }
    merge.refer(Wanted::Member, &members);
    merge.refer(Wanted::Next, &then);
    let (members, then) = (values(members), values(then));
    let shown = format!("[{}]", members.join(", "));
    let group = Group {
        members,
        escalate_after: escalate_after.map(|e| e.value),
        then,
    };
    let group = Spanned::new(group, entry.key.span);
    merge.named(&format!("groups.{name}"), name, group, shown, |config| &mut config.groups);
}

fn values(list: Vec<Spanned<String>>) -> Vec<String> {
    list.into_iter().map(|t| t.value).collect()
}
