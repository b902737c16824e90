//! Floor 3: the configuration: what must never stand in a runbook (people, channels, keys, limits), merged from several files.
//!
//! Every value's place is kept, so `config show --origin` can say where it came from. Secrets are best named here and not held.
//! Relative paths start from the folder of the file they stand in, and have been joined with it. Knows nothing of runbooks.

mod calendar;
mod channel;
mod check;
mod keys;
mod names;
mod read;
mod schema;
mod secret;
mod source;
mod ssh;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub use calendar::Freeze;
pub use channel::{Channel, Template};
pub use keys::is_used;
pub use names::{check_names, unchecked};
pub use read::parse;
pub use schema::schema;
pub use secret::Address;
pub use source::{Auth, Serve, Source, Token};

use crate::base::clock::Timestamp;
use crate::diagnostic::Span;
use crate::model::secret::SecretSource;

/// The configuration; what no file says is absent or empty, and the one who uses it knows the default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// Files and folders, as `-i` takes them; empty: the default.
    pub inventory: Vec<String>,
    /// Who "we" are when a run is recorded; absent: the user of the operating system.
    pub identity: Option<String>,
    /// File of the journal.
    pub journal: Option<String>,
    /// People by their short names.
    pub people: BTreeMap<String, Person>,
    /// Groups of people.
    pub groups: BTreeMap<String, Group>,
    /// Ways to reach people.
    pub channels: BTreeMap<String, Channel>,
    /// What no run may exceed.
    pub limits: Limits,
    /// Times in which nothing is applied, of all files.
    pub freeze: Vec<Freeze>,
    /// How we connect.
    pub ssh: Ssh,
    /// Who may send alerts.
    pub sources: BTreeMap<String, Source>,
    /// How long records are kept.
    pub retention: Retention,
    /// Where to listen, and for whom.
    pub serve: Serve,
    /// Where secrets are kept, by name.
    pub secret_sources: BTreeMap<String, SecretSource>,
    /// Where each value was written, in the order read.
    pub origins: Vec<Origin>,
}

/// One value that some file gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// `ssh.max_connects`, `people.mira`
    pub key: String,
    /// The value for people; of a URL no more than its host.
    pub value: String,
    /// Where it stands.
    pub span: Span,
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
    /// Short names of people, and groups.
    pub members: Vec<String>,
    /// Without an answer for so long, those of `then` are asked.
    pub escalate_after: Option<Duration>,
    /// People and groups to be asked next.
    pub then: Vec<String>,
}

/// How long records are kept; absent: for ever.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Runs.
    pub runs: Option<Duration>,
    /// What programs wrote.
    pub output: Option<Duration>,
}

/// What no run may exceed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Hosts that one run may change.
    pub max_hosts: Option<usize>,
    /// Runs that may be started within an hour.
    pub runs_per_hour: Option<usize>,
    /// Minutes that members of a pool may be out of service, all together.
    pub pool_member_minutes_per_day: BTreeMap<String, usize>,
}

/// How we connect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ssh {
    /// Until an attempt is given up.
    pub connect_timeout: Option<Duration>,
    /// Connections that may be opened at the same time.
    pub max_connects: Option<usize>,
    /// `default`, or `fast`: curve25519 alone.
    pub key_exchange: Option<&'static str>,
    /// `-o NAME=VALUE`; only options that cannot run anything or weaken the check of host keys.
    pub options: BTreeMap<String, String>,
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
    /// A group, or those who have a role.
    Group,
}

impl Config {
    /// Whom `name` means: a channel, a person, a group, or all who have that role; `None` if nobody.
    #[must_use]
    pub fn recipients(&self, name: &str) -> Option<Recipient<'_>> {
        let (kind, names): (_, Vec<&str>) = if let Some((name, _)) = self.channels.get_key_value(name) {
            (RecipientKind::Channel, vec![name])
        } else if let Some(person) = self.people.get(name) {
            (RecipientKind::Person, person.notify.iter().map(String::as_str).collect())
        } else {
            let members: Vec<&Person> = if self.groups.contains_key(name) {
                self.members(name).into_iter().filter_map(|m| self.people.get(m)).collect()
            } else {
                self.people.values().filter(|p| p.approve.iter().any(|role| role == name)).collect()
            };
            if members.is_empty() && !self.groups.contains_key(name) {
                return None;
            }
            let channels = members.iter().flat_map(|p| p.notify.iter().map(String::as_str)).collect();
            (RecipientKind::Group, channels)
        };
        let mut seen = BTreeSet::new();
        let each_once = names.into_iter().filter(|n| seen.insert(*n));
        let channels = each_once
            .filter_map(|n| self.channels.get_key_value(n))
            .map(|(n, c)| (n.as_str(), c));
        Some(Recipient {
            kind,
            channels: channels.collect(),
        })
    }

    /// True if `person` may answer a question to one of `from`: short names, groups, roles of `approve`, or `*` for anybody.
    #[must_use]
    pub fn may_approve(&self, person: &str, from: &[String]) -> bool {
        let roles = self.people.get(person).map(|p| p.approve.as_slice()).unwrap_or_default();
        from.iter()
            .any(|f| f == "*" || f == person || roles.contains(f) || self.members(f).contains(&person))
    }

    /// The people of a group, those of its groups included, in the order written; empty if there is no such group.
    #[must_use]
    pub fn members(&self, group: &str) -> Vec<&str> {
        let mut people = Vec::new();
        let mut open: Vec<&str> = self
            .groups
            .get_key_value(group)
            .map(|(name, _)| name.as_str())
            .into_iter()
            .collect();
        let mut seen = BTreeSet::new();
        while let Some(name) = open.pop() {
            match self.groups.get(name) {
                _ if !seen.insert(name) => {}
                Some(group) => open.extend(group.members.iter().rev().map(String::as_str)),
                None => people.push(name),
            }
        }
        people
    }

    /// Every role that somebody may approve in.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.people.values().flat_map(|p| p.approve.iter().map(String::as_str))
    }

    /// The freeze that forbids `person` to apply anything at that moment.
    #[must_use]
    pub fn frozen(&self, person: &str, at: Timestamp) -> Option<&Freeze> {
        self.freeze.iter().find(|f| f.holds(at) && !self.may_approve(person, &f.except))
    }

    /// What ssh gets as `-o NAME=VALUE` on every connection: the options, and the timeout in whole seconds.
    #[must_use]
    pub fn ssh_options(&self) -> Vec<(String, String)> {
        let timeout = self.ssh.connect_timeout.map(|t| {
            let seconds = t.as_secs() + u64::from(t.subsec_nanos() > 0);
            (String::from("ConnectTimeout"), seconds.to_string())
        });
        let options = self.ssh.options.iter().map(|(name, value)| (name.clone(), value.clone()));
        let fast = (self.ssh.key_exchange == Some("fast")).then(|| {
            let only = "curve25519-sha256,curve25519-sha256@libssh.org";
            (String::from("KexAlgorithms"), String::from(only))
        });
        timeout.into_iter().chain(fast).chain(options).collect()
    }

    /// Every name that [`Config::recipients`] knows.
    pub fn recipient_names(&self) -> impl Iterator<Item = &str> {
        self.channels
            .keys()
            .chain(self.people.keys())
            .chain(self.groups.keys())
            .chain(self.people.values().flat_map(|p| &p.approve))
            .map(String::as_str)
    }
}
