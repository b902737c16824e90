//! `package`: a package is there, at a version, or not there.

use std::collections::BTreeMap;
use std::time::Duration;

use super::fact::{PackageFact, lists_fresh};
use super::transaction::Transaction;
use super::{NAME, Subject, version_of};
use crate::action::declare::optional;
use crate::action::outcome::first_failure;
use crate::action::place::Place;
use crate::action::program::shown;
use crate::base::value::Value;
use crate::model::action::{
    Action, ActionKind, Arguments, BindError, Change, Class, Context, Decision, Observation, ParameterKind, PoolEffect, ReadError,
    ResourceKey, RunsOn, Settle, Signature, Undo, Verdict,
};
use crate::model::operation::{Act, Operation, Output};
use crate::model::types::Type;

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
const REFRESH: &str = r#"apt-get -q -o APT::Update::Error-Mode=any "$@" update || exit
lists=$(apt-config shell d Dir::State::lists/d)
lists=${lists#*\'}
touch -- "${lists%\'}""#;

/// See the signature.
pub struct Package;

static SIGNATURE: Signature = Signature {
    name: "package",
    summary: "Makes a package be installed, at a version, or not be installed.",
    docs: "For Debian, Ubuntu and their relatives (apt and dpkg); another host is refused. The plan shows the whole transaction as apt \
           simulates it, other packages included, and the run refuses to carry out another one. Nobody is asked anything: \
           configuration files that were edited stay as they are, the lock is waited for two minutes, and where the plan shows that \
           nothing is removed, apt may remove nothing.\n\nNothing to do when the version and `hold` are so already. A package that \
           is held is left alone unless the step says `hold`. Installing may restart what the package runs, so it counts as a \
           disturbance of the pools its host is a member of.\n\nTaken back by installing the previous version, if the host's \
           repositories still offer it (looked up before the change), or by removing what was not there; dependencies that came with \
           it stay. Removing keeps configuration files.",
    parameters: &[
        NAME,
        optional(
            "version",
            ParameterKind::Text,
            "The whole version, `1.22.1-9+deb12u1`, older than the present one or newer. Default: for a package that is not there, the \
             one that is on offer first.",
        ),
        optional(
            "state",
            ParameterKind::Choice(&["present", "absent", "latest"]),
            "`latest` upgrades to the version that is on offer first. Default: present.",
        ),
        optional(
            "hold",
            ParameterKind::Bool,
            "Whether upgrades of the system are to leave it alone. Default: as it is.",
        ),
        optional(
            "update_cache",
            ParameterKind::Bool,
            "Refresh the lists of packages first if something would be installed and they are older than an hour. Default: false.",
        ),
    ],
    shorthand: Some("name"),
    results,
    class: Class::Reversible,
    class_of: None,
    runs_on: RunsOn::HostOrControl,
    repeatable: true,
    pool_effect: Some(|_| PoolEffect::DisturbsHost),
    example: r#"
id: upgrade
name: Install the corrected version
hosts: webservers
run_as: root
package: { name: nginx, version: "1.22.1-9+deb12u1", update_cache: true }
timeout: 10m
"#,
};

fn results() -> Type {
    Type::record([("installed", Type::Bool), ("version", Type::Text), ("held", Type::Bool)])
}

impl ActionKind for Package {
    fn signature(&self) -> &'static Signature {
        &SIGNATURE
    }

    fn bind(&self, arguments: &Arguments, context: &Context<'_>) -> Result<Box<dyn Action>, BindError> {
        let version = version_of(arguments)?;
        let wanted = match (arguments.text("state"), version) {
            (Some("absent"), None) => Wanted::Absent,
            (Some("latest"), None) => Wanted::Latest,
            (Some(state @ ("absent" | "latest")), Some(_)) => {
                return Err(BindError::new("version", format!("it makes no sense together with `state: {state}`")));
            }
            (_, Some(version)) => Wanted::Version(version),
            (_, None) => Wanted::Present,
        };
        let hold = arguments.get("hold").and_then(Value::as_bool);
        if wanted == Wanted::Absent && hold == Some(true) {
            return Err(BindError::new("hold", "a package that is to be absent cannot be held"));
        }
        Ok(Box::new(Bound {
            subject: Subject::bind(Place::of(context), arguments)?,
            wanted,
            hold,
            update: arguments.bool("update_cache", false),
        }))
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Wanted {
    Present,
    Version(String),
    Latest,
    Absent,
}

#[derive(Debug)]
struct Bound {
    subject: Subject,
    wanted: Wanted,
    hold: Option<bool>,
    update: bool,
}

/// What is to be done to the package itself.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Deed {
    Nothing,
    /// The version, where it is known.
    Install(Option<String>),
    Remove,
}

impl Bound {
    fn lists(&self) -> ResourceKey {
        self.subject.place.key("package-lists")
    }

    fn request(&self) -> (&str, &str) {
        match &self.wanted {
            Wanted::Absent => ("remove", ""),
            Wanted::Version(version) => ("install", version),
            Wanted::Present | Wanted::Latest => ("install", ""),
        }
    }

    /// What apt would do for this request; another step's request has another key.
    fn transaction(&self) -> ResourceKey {
        let (word, version) = self.request();
        let mark = if version.is_empty() { "" } else { "=" };
        self.subject
            .place
            .key(format!("package-transaction/{word} {}{mark}{version}", self.subject.name))
    }

    fn fact(&self, seen: &Observation) -> PackageFact {
        PackageFact::of(seen.get(&self.subject.key()))
    }

    /// Whether the lists have to be refreshed before anything is installed.
    fn refreshes(&self, seen: &Observation) -> bool {
        let fresh = seen.get(&self.lists()).and_then(|l| l.field("fresh")).and_then(|f| f.as_bool());
        self.update && fresh != Some(true)
    }

    fn host(&self) -> &str {
        self.subject.place.name()
    }

    /// `None`: unknown.
    fn deed(&self, now: &PackageFact, refreshes: bool) -> Option<Deed> {
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
    fn refusal(&self, now: &PackageFact, deed: &Deed, refreshes: bool, transaction: Option<&Transaction>) -> Option<String> {
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
                let offered = if offered.is_empty() { String::from("nothing") } else { offered.join(", ") };
                Some(format!("no repository of {host} offers {name} {version}; on offer: {offered}; {advice}"))
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
            stdin: String::new(),
            env: ENVIRONMENT
                .iter()
                .map(|&(k, v)| (k.to_owned(), v.to_owned()))
                .collect::<BTreeMap<_, _>>(),
            cwd: None,
        })
    }

    fn operations(&self, now: &PackageFact, deed: &Deed, refreshes: bool, transaction: Option<&Transaction>) -> Vec<Operation> {
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

    fn predicted(&self, now: &PackageFact, deed: &Deed, refreshes: bool) -> PackageFact {
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

    fn summary(&self, now: &PackageFact, deed: &Deed, refreshes: bool) -> String {
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
    fn undo(&self, now: &PackageFact, deed: &Deed) -> (Undo, Option<String>) {
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

    fn differs(&self, now: &PackageFact) -> Option<String> {
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

impl Action for Bound {
    fn probe(&self) -> Vec<Operation> {
        let (word, version) = self.request();
        vec![self.subject.look(word, version)]
    }

    fn read(&self, outputs: &[Output]) -> Result<Observation, ReadError> {
        let ended = self.subject.answer(outputs.first())?;
        let mut seen = Observation::default();
        seen.set(self.subject.key(), PackageFact::read(ended.stdout).to_value());
        seen.set(self.transaction(), Transaction::read(ended.stdout).to_value());
        seen.set(self.lists(), Value::map([("fresh", Value::Bool(lists_fresh(ended.stdout)))]));
        Ok(seen)
    }

    fn decide(&self, seen: &Observation) -> Decision {
        let now = self.fact(seen);
        let refreshes = self.refreshes(seen);
        let Some(deed) = self.deed(&now, refreshes) else {
            return Decision::Unknown(format!("the version of {} on {} is known at run time", self.subject.name, self.host()));
        };
        let transaction = Transaction::of(seen.get(&self.transaction()));
        if let Some(why) = self.refusal(&now, &deed, refreshes, transaction.as_ref()) {
            return Decision::Refused(why);
        }
        let operations = self.operations(&now, &deed, refreshes, transaction.as_ref());
        if operations.is_empty() {
            return Decision::InDesiredState;
        }
        let (undo, note) = self.undo(&now, &deed);
        let mut notes: Vec<String> = note.into_iter().collect();
        let refreshes = refreshes && matches!(deed, Deed::Install(_));
        let mut predicted = vec![(self.subject.key(), self.predicted(&now, &deed, refreshes).to_value())];
        let mut diff = None;
        if refreshes {
            notes.push(String::from("which other packages come with it is known once the lists are refreshed"));
            predicted.push((self.lists(), Value::map([("fresh", Value::Bool(true))])));
        } else if deed != Deed::Nothing {
            diff = transaction.as_ref().and_then(Transaction::diff);
            if transaction.is_some_and(|t| t.removed.iter().any(|r| *r != self.subject.name)) {
                notes.push(String::from("other packages are removed with it"));
            }
        }
        Decision::Change(Change {
            summary: self.summary(&now, &deed, refreshes),
            diff,
            notes,
            operations,
            predicted,
            // A package brings files, users, services; a hold is a mark only.
            taints: if deed == Deed::Nothing {
                Vec::new()
            } else {
                vec![self.subject.place.scope()]
            },
            undo,
        })
    }

    fn judge(&self, _before: &Observation, performed: &[Output], after: &Observation) -> Verdict {
        if let Some(failed) = first_failure(performed, &|_| shown(&[String::from("apt-get"), self.subject.name.clone()])) {
            return failed;
        }
        match self.differs(&self.fact(after)) {
            None => Verdict::Done,
            Some(why) => Verdict::Failed(format!("apt ended well, but on {} {why}", self.host())),
        }
    }

    fn settle(&self) -> Settle {
        Settle {
            within: Duration::from_secs(5),
            every: Duration::from_millis(500),
        }
    }

    fn result(&self, seen: &Observation, _performed: &[Output]) -> Value {
        super::installed::fields(&self.fact(seen))
    }
}
