//! Floor 3: the configuration: what must never stand in a runbook (people, channels, keys, limits), merged from several files.
//!
//! Every value keeps its place, so `config show --origin` can say where it came from. Secrets are named here, never held. Relative
//! paths stay as written; they start from the folder of the file that [`Spanned::span`] names. Knows nothing of runbooks.

mod channel;
mod read;
mod ssh;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub use channel::{Channel, Secret, Template};
pub use read::parse;

use crate::diagnostic::{Span, Spanned};

/// The configuration; what no file says is absent, and the one who uses it knows the default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// Files and folders, as `-i` takes them.
    pub inventory: Option<Vec<Spanned<String>>>,
    /// Who "we" are when a run is recorded; absent: the user of the operating system.
    pub identity: Option<Spanned<String>>,
    /// File of the journal.
    pub journal: Option<Spanned<String>>,
    /// People by their short names.
    pub people: BTreeMap<String, Spanned<Person>>,
    /// Groups of people.
    pub groups: BTreeMap<String, Spanned<Group>>,
    /// Ways to reach people.
    pub channels: BTreeMap<String, Spanned<Channel>>,
    /// What no run may exceed.
    pub limits: Limits,
    /// How we connect.
    pub ssh: Ssh,
}

/// A person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// Full name; absent: the short one.
    pub name: Option<String>,
    /// Roles in which this person may approve.
    pub approve: Vec<String>,
    /// Channels that reach this person.
    pub notify: Vec<String>,
}

/// People who share a duty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// Short names of people.
    pub members: Vec<String>,
}

/// What no run may exceed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Limits {
    /// Hosts that one run may change.
    pub max_hosts: Option<Spanned<usize>>,
}

/// How we connect.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ssh {
    /// Until an attempt is given up.
    pub connect_timeout: Option<Spanned<Duration>>,
    /// Connections that may be opened at the same time.
    pub max_connects: Option<Spanned<usize>>,
    /// `-o NAME=VALUE`; only options that cannot run anything or weaken the check of host keys.
    pub options: BTreeMap<String, Spanned<String>>,
}

/// Whom a name in `notify: { to: … }` means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient<'c> {
    /// What the name is.
    pub kind: RecipientKind,
    /// The channels, by name, each once; empty if the person or group can be reached by none.
    pub channels: Vec<(&'c str, &'c Channel)>,
}

/// What a recipient's name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecipientKind {
    /// A channel.
    Channel,
    /// A person.
    Person,
    /// A group.
    Group,
}

impl Config {
    /// Whom `name` means: a channel, a person or a group; `None` if nobody.
    #[must_use]
    pub fn recipients(&self, name: &str) -> Option<Recipient<'_>> {
        let (kind, names): (_, Vec<&str>) = if let Some((name, _)) = self.channels.get_key_value(name) {
            (RecipientKind::Channel, vec![name])
        } else if let Some(person) = self.people.get(name) {
            (RecipientKind::Person, person.value.notify.iter().map(String::as_str).collect())
        } else {
            let members = self.groups.get(name)?.value.members.iter().filter_map(|m| self.people.get(m));
            let channels = members.flat_map(|p| p.value.notify.iter().map(String::as_str)).collect();
            (RecipientKind::Group, channels)
        };
        let mut seen = BTreeSet::new();
        let each_once = names.into_iter().filter(|n| seen.insert(*n));
        let channels = each_once
            .filter_map(|n| self.channels.get_key_value(n))
            .map(|(n, c)| (n.as_str(), &c.value));
        Some(Recipient {
            kind,
            channels: channels.collect(),
        })
    }

    /// True if `person` may answer a question to one of `from`: short names, groups, roles of `approve`, or `*` for anybody.
    #[must_use]
    pub fn may_approve(&self, person: &str, from: &[String]) -> bool {
        let roles = self.people.get(person).map(|p| p.value.approve.as_slice()).unwrap_or_default();
        let in_group = |name: &str| {
            let group = self.groups.get(name);
            group.is_some_and(|g| g.value.members.iter().any(|m| m == person))
        };
        from.iter().any(|f| f == "*" || f == person || roles.contains(f) || in_group(f))
    }

    /// Every value that some file gives: its key, the value as text (secrets by reference only), and where it was written.
    #[must_use]
    pub fn origins(&self) -> Vec<(String, String, Span)> {
        let mut all = Vec::new();
        let mut add = |key: String, value: String, span: Span| all.push((key, value, span));
        for path in self.inventory.iter().flatten() {
            add("inventory".into(), path.value.clone(), path.span);
        }
        for (key, value) in [("identity", &self.identity), ("journal", &self.journal)] {
            if let Some(value) = value {
                add(key.into(), value.value.clone(), value.span);
            }
        }
        for (name, person) in &self.people {
            let shown = format!(
                "approve [{}], notify [{}]",
                person.value.approve.join(", "),
                person.value.notify.join(", ")
            );
            add(format!("people.{name}"), shown, person.span);
        }
        for (name, group) in &self.groups {
            add(
                format!("groups.{name}"),
                format!("[{}]", group.value.members.join(", ")),
                group.span,
            );
        }
        for (name, channel) in &self.channels {
            add(format!("channels.{name}"), channel.value.to_string(), channel.span);
        }
        if let Some(most) = &self.limits.max_hosts {
            add("limits.max_hosts".into(), most.value.to_string(), most.span);
        }
        if let Some(timeout) = &self.ssh.connect_timeout {
            add(
                "ssh.connect_timeout".into(),
                crate::base::clock::friendly(timeout.value),
                timeout.span,
            );
        }
        if let Some(most) = &self.ssh.max_connects {
            add("ssh.max_connects".into(), most.value.to_string(), most.span);
        }
        for (name, value) in &self.ssh.options {
            add(format!("ssh.options.{name}"), value.value.clone(), value.span);
        }
        all
    }
}
