//! What a step wants of a package, and what that takes: the deed, the reasons against it, the operations, the way back.

use std::collections::BTreeMap;

use super::Subject;
use super::fact::PackageFact;
use super::transaction::Transaction;
use crate::base::value::Value;
use crate::model::action::{Arguments, Observation, ResourceKey, Undo};
use crate::model::operation::{Act, Operation};

/// For every call of apt-get that changes something: who else holds the lock is waited for, but not for ever.
pub const APT: [&str; 2] = ["-o", "DPkg::Lock::Timeout=120"];
/// Nobody is there to answer, and what restarts services is the runbook.
const ENVIRONMENT: [(&str, &str); 4] = [
    ("DEBIAN_FRONTEND", "noninteractive"),
    ("APT_LISTCHANGES_FRONTEND", "none"),
    ("NEEDRESTART_MODE", "l"),
    ("LC_ALL", "C"),
];
/// A list that could not be fetched is an error; that the lists are fresh is told by the time of their folder.
pub const REFRESH: &str = r#"apt-get -q -o APT::Update::Error-Mode=any "$@" update || exit
lists=$(apt-config shell d Dir::State::lists/d)
lists=${lists#*\'}
touch -- "${lists%\'}""#;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    Present,
    Version(String),
    Latest,
    Absent,
}

#[derive(Debug)]
pub struct Bound {
    pub subject: Subject,
    pub wanted: Wanted,
    pub hold: Option<bool>,
    pub update: bool,
}

/// What is to be done to the package itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    Nothing,
    /// The version, where it is known.
    Install(Option<String>),
    Remove,
}

impl Bound {
    pub fn lists(&self) -> ResourceKey {
        self.subject.place.key("package-lists")
    }

    pub fn request(&self) -> (&str, &str) {
        match &self.wanted {
            Wanted::Absent => ("remove", ""),
            Wanted::Version(version) => ("install", version),
            Wanted::Present | Wanted::Latest => ("install", ""),
        }
    }

    /// What apt would do for this request; another step's request has another key.
    pub fn transaction(&self) -> ResourceKey {
        let (word, version) = self.request();
        let mark = if version.is_empty() { "" } else { "=" };
        self.subject
            .place
            .key(format!("package-transaction/{word} {}{mark}{version}", self.subject.name))
    }

    pub fn fact(&self, seen: &Observation) -> PackageFact {
        PackageFact::of(seen.get(&self.subject.key()))
    }

    /// Whether the lists have to be refreshed before anything is installed.
    pub fn refreshes(&self, seen: &Observation) -> bool {
        let fresh = seen.get(&self.lists()).and_then(|l| l.field("fresh")).and_then(|f| f.as_bool());
        self.update && fresh != Some(true)
    }

    pub fn host(&self) -> &str {
        self.subject.place.name()
    }

    /// `None`: unknown.
    pub fn deed(&self, now: &PackageFact, refreshes: bool) -> Option<Deed> {
        let there = now.status.as_deref()? != "absent";
        let candidate = now.candidate.clone().filter(|c| !c.is_empty() && !refreshes);
        Some(match &self.wanted {
            Wanted::Absent if there => Deed::Remove,
            Wanted::Present if !there => Deed::Install(candidate),
            Wanted::Absent | Wanted::Present => Deed::Nothing,
            Wanted::Version(version) if now.version.as_ref()? == version => Deed::Nothing,
            Wanted::Version(version) => Deed::Install(Some(version.clone())),
            Wanted::Latest if now.newest? && !refreshes => Deed::Nothing,
            Wanted::Latest => Deed::Install(candidate),
        })
    }

    /// Why it must not or cannot be done.
    pub fn refusal(&self, now: &PackageFact, deed: &Deed, refreshes: bool, transaction: Option<&Transaction>) -> Option<String> {
        let (name, host) = (&self.subject.name, self.host());
        if let Some(status) = now.status.as_deref().filter(|s| !["installed", "absent"].contains(s)) {
            return Some(format!(
                "dpkg has left {name} on {host} half done (`{status}`); run `dpkg --configure -a` and `apt-get -f install` there first"
            ));
        }
        if *deed == Deed::Nothing {
            return None;
        }
        if now.held == Some(true) && self.hold.is_none() {
            let version = now.installed().unwrap_or_default();
            return Some(format!(
                "{name} on {host} is held at {version}; say `hold: true` to change it and keep it held, or `hold: false` to release it"
            ));
        }
        if refreshes {
            return None;
        }
        let advice = "refresh the lists of packages with `update_cache: true`, or look at the host's repositories";
        match &self.wanted {
            Wanted::Version(version) if now.offers(version) == Some(false) => {
                let offered = now.offered.clone().unwrap_or_default();
                let offered = if offered.is_empty() {
                    String::from("nothing")
                } else {
                    offered.join(", ")
                };
                Some(format!(
                    "no repository of {host} offers {name} {version}; on offer: {offered}; {advice}"
                ))
            }
            Wanted::Present | Wanted::Latest if now.candidate.as_deref() == Some("") => {
                Some(format!("no repository of {host} offers {name}; {advice}"))
            }
            _ => transaction
                .filter(|t| !t.error.is_empty())
                .map(|t| format!("apt cannot do it on {host}: {}", t.error)),
        }
    }

    fn apt(&self, words: &[&str], subject: &str) -> Operation {
        let mut argv = vec!["apt-get", "-y", "-q", "-o", "Dpkg::Options::=--force-confold"];
        argv.extend(APT);
        argv.extend(words);
        argv.extend(["--", subject]);
        self.with_environment(&argv)
    }

    fn with_environment(&self, argv: &[&str]) -> Operation {
        self.subject.place.operation(Act::Run {
            argv: argv.iter().map(|&w| w.to_owned()).collect(),
            stdin: Default::default(),
            env: ENVIRONMENT
                .iter()
                .map(|&(k, v)| (k.to_owned(), v.into()))
                .collect::<BTreeMap<_, _>>(),
            cwd: None,
        })
    }

    pub fn operations(&self, now: &PackageFact, deed: &Deed, refreshes: bool, transaction: Option<&Transaction>) -> Vec<Operation> {
        let name = self.subject.name.as_str();
        let mut operations = Vec::new();
        let installs = matches!(deed, Deed::Install(_));
        if refreshes && installs {
            let mut argv = vec!["sh", "-c", REFRESH, "runbook"];
            argv.extend(APT);
            operations.push(self.with_environment(&argv));
        }
        match deed {
            Deed::Nothing => {}
            Deed::Remove if now.held == Some(true) => operations.push(self.apt(&["--allow-change-held-packages", "remove"], name)),
            Deed::Remove => operations.push(self.apt(&["remove"], name)),
            Deed::Install(version) => {
                let mut words = Vec::new();
                if matches!(self.wanted, Wanted::Version(_)) {
                    words.push("--allow-downgrades");
                }
                if now.held == Some(true) {
                    words.push("--allow-change-held-packages");
                }
                if !refreshes && transaction.is_some_and(|t| t.removed.is_empty()) {
                    words.push("--no-remove");
                }
                words.push("install");
                let subject = version.as_ref().map_or_else(|| name.to_owned(), |v| format!("{name}={v}"));
                operations.push(self.apt(&words, &subject));
            }
        }
        match self.hold.filter(|_| *deed != Deed::Remove) {
            Some(true) if installs || now.held != Some(true) => operations.push(self.with_environment(&["apt-mark", "hold", "--", name])),
            Some(false) if now.held == Some(true) => operations.push(self.with_environment(&["apt-mark", "unhold", "--", name])),
            _ => {}
        }
        operations
    }

    pub fn predicted(&self, now: &PackageFact, deed: &Deed, refreshes: bool) -> PackageFact {
        let mut then = now.clone();
        if refreshes && matches!(deed, Deed::Install(_)) {
            (then.candidate, then.offered) = (None, None);
        }
        match deed {
            Deed::Nothing => {}
            Deed::Remove => {
                then.status = Some(String::from("absent"));
                then.version = Some(String::new());
                then.newest = Some(false);
                then.held = Some(false);
            }
            Deed::Install(version) => {
                then.status = Some(String::from("installed"));
                then.version.clone_from(version);
                then.newest = match &self.wanted {
                    Wanted::Version(version) => then.candidate.as_ref().map(|c| c == version),
                    _ => Some(true),
                };
            }
        }
        if let Some(hold) = self.hold.filter(|_| *deed != Deed::Remove) {
            then.held = Some(hold);
        }
        then
    }

    pub fn summary(&self, now: &PackageFact, deed: &Deed, refreshes: bool) -> String {
        let from = now.installed().unwrap_or("absent");
        let mut parts = Vec::new();
        match deed {
            Deed::Nothing => {}
            Deed::Remove => parts.push(format!("{from} → absent")),
            Deed::Install(Some(version)) => parts.push(format!("{from} → {version}")),
            Deed::Install(None) => parts.push(format!("{from} → the version that is on offer then")),
        }
        if refreshes && matches!(deed, Deed::Install(_)) {
            parts.push(String::from("refresh the lists of packages first"));
        }
        match self.hold {
            Some(true) if now.held != Some(true) => parts.push(String::from("hold")),
            Some(false) if now.held == Some(true) => parts.push(String::from("release from hold")),
            _ => {}
        }
        format!("{} on {}: {}", self.subject.name, self.host(), parts.join(", "))
    }

    /// The way back and what must be known about it.
    pub fn undo(&self, now: &PackageFact, deed: &Deed) -> (Undo, Option<String>) {
        let mut arguments = vec![("name", Value::text(&self.subject.name))];
        let held = now.held == Some(true);
        if self.hold.is_some_and(|hold| hold != held) || held {
            arguments.push(("hold", Value::Bool(held)));
        }
        match (deed, now.installed()) {
            (Deed::Nothing, _) => {}
            (_, None) => arguments.push(("state", Value::text("absent"))),
            (_, Some(version)) if now.offers(version) == Some(true) => arguments.push(("version", Value::text(version))),
            (_, Some(version)) => {
                let note = format!("there is no way back: no repository offers {version} any more");
                return (Undo::Impossible, Some(note));
            }
        }
        let call = Undo::Call {
            action: String::from("package"),
            arguments: Arguments(arguments.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()),
        };
        (call, None)
    }

    pub fn differs(&self, now: &PackageFact) -> Option<String> {
        let is = now.installed().unwrap_or("absent");
        let version = match &self.wanted {
            Wanted::Present => (now.installed().is_none()).then(|| String::from("it to be installed")),
            Wanted::Latest => (now.newest != Some(true)).then(|| String::from("the newest version on offer")),
            Wanted::Version(version) => (is != version).then(|| version.clone()),
            Wanted::Absent => (now.installed().is_some()).then(|| String::from("it to be absent")),
        };
        let broken = now.status.as_deref().filter(|s| !["installed", "absent"].contains(s));
        if let Some(status) = broken {
            return Some(format!("{} is left half done (`{status}`)", self.subject.name));
        }
        if let Some(wanted) = version {
            return Some(format!("{} is {is}, expected {wanted}", self.subject.name));
        }
        let hold = self.hold.filter(|hold| self.wanted != Wanted::Absent && now.held != Some(*hold))?;
        Some(format!("{} is {}held", self.subject.name, if hold { "not " } else { "still " }))
    }
}
