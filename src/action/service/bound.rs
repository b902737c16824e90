//! A service, bound: looks, decides what to do, and judges whether it has really worked.

use std::time::Duration;

use super::init_system::{Deed, Manager, Unit};
use super::status::{self, Status};
use crate::action::outcome::first_failure;
use crate::action::place::Place;
use crate::base::clock::friendly;
use crate::base::value::Value;
use crate::model::action::{Action, Arguments, Change, Decision, Observation, ReadError, ResourceKey, Settle, Undo, Verdict};
use crate::model::operation::{Act, Operation, Output};

/// How long a service may take beyond that.
const PATIENCE: Duration = Duration::from_secs(30);
/// After a reload: long enough for a process that dies of its new configuration to be gone.
const RELOAD_PAUSE: Duration = Duration::from_secs(1);

/// What the step wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    Started,
    Stopped,
    Restarted,
    Reloaded,
}

/// A service of one host, and what is wanted of it.
#[derive(Debug)]
pub struct Bound {
    pub place: Place,
    pub unit: Unit,
    pub manager: Option<Manager>,
    pub wanted: Option<Wanted>,
    pub enabled: Option<bool>,
    pub stable: Duration,
}

impl Bound {
    fn key(&self) -> ResourceKey {
        self.place.key(format!("service/{}", self.unit.name))
    }

    fn status(&self, seen: &Observation) -> Status {
        seen.get(&self.key()).map_or_else(Status::default, Status::of)
    }

    fn look(&self) -> Operation {
        let word = self.manager.map_or("", Manager::word);
        let directory = self.unit.directory.as_deref().unwrap_or("");
        let arguments = [self.unit.name.as_str(), word, directory];
        // systemd answers everybody; the others keep their state where only its owner may look.
        match self.manager {
            Some(Manager::Systemd) => self.place.clone().as_login().probe_script(status::SCRIPT, &arguments),
            _ => self.place.probe_script(status::SCRIPT, &arguments),
        }
    }

    /// What has to be done, in order; the state first only where a stop must not be undone by a boot.
    fn deeds(&self, now: &Status) -> Result<Vec<Deed>, Box<Decision>> {
        let mut deeds = Vec::new();
        if let Some(wanted) = self.enabled {
            match (now.enabled, now.enabled_known) {
                (Some(is), _) if is == wanted => {}
                (Some(_), _) => deeds.push(if wanted { Deed::Enable } else { Deed::Disable }),
                (None, true) => return Err(Box::new(Decision::Refused(self.cannot_be_enabled(now)))),
                (None, false) => return Err(Box::new(self.unknown())),
            }
        }
        match (self.wanted, now.state.as_deref()) {
            (None, _) => {}
            (Some(Wanted::Restarted), _) => deeds.push(Deed::Restart),
            (Some(Wanted::Reloaded), None | Some("started")) => deeds.push(Deed::Reload),
            (Some(Wanted::Reloaded), Some(state)) => return Err(Box::new(Decision::Refused(self.nothing_to_reload(state)))),
            (Some(_), None) => return Err(Box::new(self.unknown())),
            (Some(Wanted::Started), Some("started")) | (Some(Wanted::Stopped), Some("stopped" | "failed")) => {}
            (Some(Wanted::Started), Some(_)) => deeds.push(Deed::Start),
            (Some(Wanted::Stopped), Some(_)) => deeds.push(Deed::Stop),
        }
        Ok(deeds)
    }

    fn unknown(&self) -> Decision {
        Decision::Unknown(format!(
            "the state of {} on {} is known at run time",
            self.unit.name,
            self.place.name()
        ))
    }

    fn cannot_be_enabled(&self, now: &Status) -> String {
        let why = if now.detail.is_empty() {
            String::new()
        } else {
            format!(" ({})", now.detail)
        };
        format!(
            "{} on {} has no setting for starting at boot{why}; leave `enabled` out",
            self.unit.name,
            self.place.name()
        )
    }

    fn nothing_to_reload(&self, state: &str) -> String {
        format!(
            "{} on {} is {state}, so there is nothing that could reload; use `state: started`",
            self.unit.name,
            self.place.name()
        )
    }

    fn summary(&self, now: &Status, deeds: &[Deed]) -> String {
        let state = now.state.as_deref().unwrap_or("unknown");
        let mut parts = Vec::new();
        for deed in deeds {
            parts.push(match deed {
                Deed::Start => format!("{state} → started"),
                Deed::Stop => format!("{state} → stopped"),
                Deed::Restart => String::from("restart"),
                Deed::Reload => String::from("reload"),
                Deed::Enable => String::from("enable at boot"),
                Deed::Disable => String::from("disable at boot"),
            });
        }
        format!("{} on {}: {}", self.unit.name, self.place.name(), parts.join(", "))
    }

    fn predicted(&self, manager: Manager, now: &Status, seen: &Observation) -> Value {
        let then = Status {
            manager: Some(manager),
            enabled: self.enabled.or(now.enabled),
            enabled_known: now.enabled_known || self.enabled.is_some(),
            ..now.clone()
        };
        match self.wanted {
            None => self.only_enabled(&then, seen),
            // What has failed runs no more, and nobody stops it again.
            Some(Wanted::Stopped) if now.state.as_deref() == Some("failed") => self.only_enabled(&then, seen),
            Some(Wanted::Stopped) => then.predicted("stopped"),
            Some(_) => then.predicted("started"),
        }
    }

    /// What else was seen, or foretold, stays as it was.
    fn only_enabled(&self, then: &Status, seen: &Observation) -> Value {
        let (then, mut fact) = (then.to_value(), seen.get(&self.key()).cloned().unwrap_or_default());
        if let Value::Map(fields) = &mut fact {
            fields.extend(["manager", "enabled"].map(|name| (name.to_owned(), then.field(name).unwrap_or_default())));
        }
        fact
    }

    fn undo(&self, now: &Status, deeds: &[Deed]) -> Undo {
        let mut arguments = vec![("name", Value::text(&self.unit.name))];
        if deeds.contains(&Deed::Start) {
            return Undo::Keep;
        }
        if deeds.contains(&Deed::Stop) {
            arguments.push(("state", Value::text("started")));
        }
        if let (true, Some(was)) = (deeds.iter().any(|d| matches!(d, Deed::Enable | Deed::Disable)), now.enabled) {
            arguments.push(("enabled", Value::Bool(was)));
        }
        if arguments.len() == 1 {
            return Undo::Nothing;
        }
        Undo::Call {
            action: String::from("service"),
            arguments: Arguments(arguments.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()),
        }
    }

    fn words(&self, manager: Manager, deeds: &[Deed], i: usize) -> String {
        let deed = deeds.get(i).copied().unwrap_or(Deed::Restart);
        crate::action::program::shown(&manager.argv(deed, &self.unit))
    }

    /// Up, with a main process that is old enough; `before` is the process that must be gone.
    fn judge_running(&self, before: Option<&Status>, now: &Status) -> Verdict {
        let name = &self.unit.name;
        match now.state.as_deref() {
            Some("started") => {}
            Some("failed") => return Verdict::Failed(format!("{name} has failed{}", now.aside())),
            // systemd says so only when nothing is under way that would start it again.
            Some("stopped") if now.manager == Some(Manager::Systemd) => {
                return Verdict::Failed(format!("{name} has ended by itself{}", now.aside()));
            }
            state => return Verdict::NotYet(format!("{name} is {}{}", state.unwrap_or("in no known state"), now.aside())),
        }
        if before.is_some_and(|b| b.main_pid.is_some() && (b.main_pid, b.started_at) == (now.main_pid, now.started_at)) {
            return Verdict::NotYet(format!("{name} still runs with the old main process {}", now.main_pid.unwrap_or(0)));
        }
        match (now.main_pid, now.running_for) {
            (Some(pid), Some(age)) if age < self.stable => Verdict::NotYet(format!(
                "main process {pid} of {name} has been running for {} only, expected {}",
                friendly(age),
                friendly(self.stable)
            )),
            _ => Verdict::Done,
        }
    }

    fn judge_reload(&self, before: &Status, now: &Status) -> Verdict {
        let survived = before.main_pid == now.main_pid && before.started_at == now.started_at;
        if now.state.as_deref() == Some("started") && survived {
            return Verdict::Done;
        }
        // A SysV script or an ExecReload may well put a new process in the old one's place; runit only sends a signal.
        if now.manager == Some(Manager::Runit) && before.main_pid.is_some() && !survived {
            return Verdict::Failed(format!(
                "the main process of {} did not survive the reload{}",
                self.unit.name,
                now.aside()
            ));
        }
        self.judge_running(None, now)
    }
}

impl Action for Bound {
    fn probe(&self) -> Vec<Operation> {
        vec![self.look()]
    }

    fn read(&self, outputs: &[Output]) -> Result<Observation, ReadError> {
        let looked = outputs.iter().find(|o| !matches!(o, Output::Paused));
        let status = Status::read(looked, &self.unit.name, self.place.name())?;
        let mut seen = Observation::default();
        seen.set(self.key(), status.to_value());
        Ok(seen)
    }

    fn decide(&self, seen: &Observation) -> Decision {
        let now = self.status(seen);
        let deeds = match self.deeds(&now) {
            Ok(deeds) => deeds,
            Err(decision) => return *decision,
        };
        if deeds.is_empty() {
            return Decision::InDesiredState;
        }
        let Some(manager) = now.manager.or(self.manager) else {
            return self.unknown();
        };
        if deeds.iter().any(|d| matches!(d, Deed::Start | Deed::Restart)) && now.masked() {
            return Decision::Refused(format!(
                "{} on {} is masked; `systemctl unmask` it first",
                self.unit.name,
                self.place.name()
            ));
        }
        let mut notes = Vec::new();
        if deeds.contains(&Deed::Restart) && now.state.as_deref().is_some_and(|s| s != "started") {
            notes.push(format!("{} is not running now; the restart starts it", self.unit.name));
        }
        Decision::Change(Change {
            summary: self.summary(&now, &deeds),
            diff: None,
            notes,
            operations: deeds.iter().map(|deed| self.place.run(manager.argv(*deed, &self.unit))).collect(),
            predicted: vec![(self.key(), self.predicted(manager, &now, seen))],
            // Enabling touches only a setting; anything else changes memory, ports, load.
            taints: if self.wanted.is_some() {
                vec![self.place.scope()]
            } else {
                Vec::new()
            },
            undo: self.undo(&now, &deeds),
        })
    }

    fn verify(&self) -> Vec<Operation> {
        if self.wanted == Some(Wanted::Reloaded) {
            return vec![self.place.operation(Act::Pause { span: RELOAD_PAUSE }), self.look()];
        }
        self.probe()
    }

    fn judge(&self, before: &Observation, performed: &[Output], after: &Observation) -> Verdict {
        let (before, now) = (self.status(before), self.status(after));
        let manager = now.manager.or(self.manager).unwrap_or(Manager::Systemd);
        let deeds = self.deeds(&before).unwrap_or_default();
        if let Some(failed) = first_failure(performed, &|i| self.words(manager, &deeds, i)) {
            return with_aside(failed, &now);
        }
        if self.enabled.is_some_and(|wanted| now.enabled != Some(wanted)) {
            return Verdict::NotYet(format!("{} is not yet set as wanted for the next boot", self.unit.name));
        }
        match self.wanted {
            None => Verdict::Done,
            Some(Wanted::Stopped) => match now.state.as_deref() {
                Some("stopped" | "failed") => Verdict::Done,
                state => Verdict::NotYet(format!("{} is still {}", self.unit.name, state.unwrap_or("in no known state"))),
            },
            Some(Wanted::Started) => self.judge_running(None, &now),
            Some(Wanted::Restarted) => self.judge_running(Some(&before), &now),
            Some(Wanted::Reloaded) => self.judge_reload(&before, &now),
        }
    }

    fn settle(&self) -> Settle {
        Settle {
            within: self.stable + PATIENCE,
            every: Duration::from_millis(500),
        }
    }

    fn result(&self, seen: &Observation, _performed: &[Output]) -> Value {
        let value = seen.get(&self.key()).cloned().unwrap_or_default();
        Value::map(["state", "enabled", "main_pid"].map(|name| (name, value.field(name).unwrap_or_default())))
    }
}

/// A failure together with what the manager says about the service.
fn with_aside(verdict: Verdict, now: &Status) -> Verdict {
    match verdict {
        Verdict::Failed(why) => Verdict::Failed(format!("{why}{}", now.aside())),
        other => other,
    }
}
