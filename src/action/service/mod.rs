//! `service`: starts, stops, restarts and reloads a service, whatever manages it.

mod manager;
mod status;

use std::time::Duration;

use crate::action::declare::{optional, required};
use crate::action::outcome::first_failure;
use crate::action::place::{Place, host_of};
use crate::base::clock::friendly;
use crate::model::action::{
    Action, ActionKind, Arguments, BindError, Change, Class, Context, Decision, Observation, ParameterKind, PoolEffect, ReadError,
    ResourceKey, RunsOn, Settle, Signature, Undo, Verdict,
};
use crate::model::operation::{Act, Operation, Output};
use crate::model::types::Type;
use crate::model::value::Value;

use manager::{Deed, Manager};
use status::Status;

/// How long the same main process must run before a service counts as up.
const STABLE: Duration = Duration::from_secs(5);
/// How long a service may take beyond that.
const PATIENCE: Duration = Duration::from_secs(30);
/// After a reload: long enough for a process that dies of its new configuration to be gone.
const RELOAD_PAUSE: Duration = Duration::from_secs(1);

/// See the signature.
pub struct Service;

static SIGNATURE: Signature = Signature {
    name: "service",
    summary: "Starts, stops, restarts or reloads a service, and sets whether it starts at boot.",
    docs: "Works with systemd, with SysV scripts (`service NAME …`) and with runit (`sv`). The inventory's `service_manager` says which; \
           without it the host is asked. runit's services are looked for in the variable `service_dir` of the host, else in \
           `/etc/service`.\n\n`started` and `stopped` do nothing when the service is in that state already. `restarted` and `reloaded` \
           always act. A restart is believed when another main process than before has been running for `stable_for`: a service that \
           dies and is started again by its manager over and over has failed, whatever the manager answers. A reload is believed when \
           the service is still running a second later.\n\nA stop is taken back by a start. A start stays when a later step fails: \
           undoing it would bring the incident back. A stop takes the host out of its pools and so needs `owes`; a restart counts \
           against their minimum while it lasts.",
    parameters: &[
        required(
            "name",
            ParameterKind::Text,
            "The service: a systemd unit, the name of a SysV script, or a runit service.",
        ),
        optional(
            "state",
            ParameterKind::Choice(&["started", "stopped", "restarted", "reloaded"]),
            "What is wanted. Default: leave it as it is.",
        ),
        optional(
            "enabled",
            ParameterKind::Bool,
            "Whether it starts at boot. With runit: whether its directory lacks the file `down`. Default: leave it as it is.",
        ),
        optional(
            "stable_for",
            ParameterKind::Duration,
            "How long the same main process must run after a start or restart. Default: 5s.",
        ),
    ],
    shorthand: None,
    results,
    class: Class::Reversible,
    class_of: Some(class_of),
    runs_on: RunsOn::Host,
    repeatable: true,
    pool_effect: Some(pool_effect),
    example: r#"
id: free_memory
name: Restart the service that holds the memory
hosts: web-01
run_as: root
service: { name: app, state: restarted }
"#,
};

fn results() -> Type {
    let states = status::STATES.map(str::to_owned).to_vec();
    Type::record([("state", Type::Enum(states)), ("enabled", Type::Bool), ("main_pid", Type::Int)])
}

fn class_of(literal: &dyn Fn(&str) -> Option<Value>) -> Class {
    match literal("state").as_ref().and_then(Value::as_text) {
        Some("restarted" | "reloaded") if literal("enabled").is_none() => Class::Passing,
        _ => Class::Reversible,
    }
}

fn pool_effect(literal: &dyn Fn(&str) -> Option<Value>) -> PoolEffect {
    match literal("state").as_ref().and_then(Value::as_text) {
        Some("stopped") => PoolEffect::TakesHost,
        Some("restarted") => PoolEffect::DisturbsHost,
        _ => PoolEffect::None,
    }
}

impl ActionKind for Service {
    fn signature(&self) -> &'static Signature {
        &SIGNATURE
    }

    fn bind(&self, arguments: &Arguments, context: &Context<'_>) -> Result<Box<dyn Action>, BindError> {
        let host = host_of(context)?;
        let name = arguments.text("name").unwrap_or_default();
        if name.is_empty() || name.starts_with('-') || name.contains(|c: char| c == '/' || c.is_whitespace() || c.is_control()) {
            return Err(BindError::new("name", format!("`{name}` is no name of a service")).help("for example `haproxy`"));
        }
        let wanted = match arguments.text("state") {
            Some("started") => Some(Wanted::Started),
            Some("stopped") => Some(Wanted::Stopped),
            Some("restarted") => Some(Wanted::Restarted),
            Some("reloaded") => Some(Wanted::Reloaded),
            _ => None,
        };
        let enabled = arguments.get("enabled").and_then(Value::as_bool);
        if wanted.is_none() && enabled.is_none() {
            return Err(BindError::new(
                "state",
                "neither `state` nor `enabled` is given, so there is nothing to do",
            ));
        }
        let manager = match host.service_manager.as_deref() {
            None => None,
            Some(word) => Some(Manager::named(word).ok_or_else(|| {
                BindError::new(
                    "name",
                    format!("`service_manager` of {} is `{word}`, which is not supported", host.name),
                )
                .help("use `systemd`, `sysv` or `runit`, or leave it out")
            })?),
        };
        Ok(Box::new(Bound {
            place: Place::of(context),
            unit: manager::Unit {
                name: name.to_owned(),
                directory: host.var_text("service_dir").map(str::to_owned),
            },
            manager,
            wanted,
            enabled,
            stable: arguments.duration("stable_for").unwrap_or(STABLE),
        }))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Started,
    Stopped,
    Restarted,
    Reloaded,
}

#[derive(Debug)]
struct Bound {
    place: Place,
    unit: manager::Unit,
    manager: Option<Manager>,
    wanted: Option<Wanted>,
    enabled: Option<bool>,
    stable: Duration,
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
    fn deeds(&self, now: &Status) -> Result<Vec<Deed>, Decision> {
        let mut deeds = Vec::new();
        if let Some(wanted) = self.enabled {
            match (now.enabled, now.enabled_known) {
                (Some(is), _) if is == wanted => {}
                (Some(_), _) => deeds.push(if wanted { Deed::Enable } else { Deed::Disable }),
                (None, true) => return Err(Decision::Refused(self.cannot_be_enabled(now))),
                (None, false) => return Err(self.unknown()),
            }
        }
        match (self.wanted, now.state.as_deref()) {
            (None, _) => {}
            (Some(Wanted::Restarted), _) => deeds.push(Deed::Restart),
            (Some(Wanted::Reloaded), None | Some("started")) => deeds.push(Deed::Reload),
            (Some(Wanted::Reloaded), Some(state)) => return Err(Decision::Refused(self.nothing_to_reload(state))),
            (Some(_), None) => return Err(self.unknown()),
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

    fn predicted(&self, manager: Manager, now: &Status) -> Value {
        let then = Status {
            manager: Some(manager),
            enabled: self.enabled.or(now.enabled),
            enabled_known: now.enabled_known || self.enabled.is_some(),
            ..now.clone()
        };
        match self.wanted {
            None => then.to_value(),
            Some(Wanted::Stopped) => then.predicted("stopped"),
            Some(_) => then.predicted("started"),
        }
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
            Err(decision) => return decision,
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
            predicted: vec![(self.key(), self.predicted(manager, &now))],
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
