//! `package`: a package is there, at a version, or not there.

use std::time::Duration;

use super::fact::{PackageFact, lists_fresh};
use super::transaction::Transaction;
use super::wish::{Bound, Deed, Wanted};
use super::{NAME, Subject, version_of};
use crate::action::declare::optional;
use crate::action::outcome::first_failure;
use crate::action::place::Place;
use crate::action::program::shown;
use crate::base::value::Value;
use crate::model::action::{
    Action, ActionKind, Arguments, BindError, Change, Class, Context, Decision, Observation, ParameterKind, PoolEffect, ReadError, RunsOn,
    Settle, Signature, Verdict,
};
use crate::model::operation::{Operation, Output};
use crate::model::types::Type;

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
                return Err(BindError::new(
                    "version",
                    format!("it makes no sense together with `state: {state}`"),
                ));
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
            return Decision::Unknown(format!(
                "the version of {} on {} is known at run time",
                self.subject.name,
                self.host()
            ));
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
            notes.push(String::from(
                "which other packages come with it is known once the lists are refreshed",
            ));
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
