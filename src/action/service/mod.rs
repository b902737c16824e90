//! `service`: starts, stops, restarts and reloads a service, whatever manages it.

mod bound;
mod init_system;
mod status;

use std::time::Duration;

use crate::action::declare::{optional, required};
use crate::action::place::{Place, host_of};
use crate::base::value::Value;
use crate::model::action::{Action, ActionKind, Arguments, BindError, Class, Context, ParameterKind, PoolEffect, RunsOn, Signature};
use crate::model::types::Type;

use bound::{Bound, Wanted};
use init_system::Manager;
pub use status::SCRIPT;

/// How long the same main process must run before a service counts as up.
const STABLE: Duration = Duration::from_secs(5);

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

/// `systemctl` takes patterns, so one of these could mean every service of the host.
fn not_in_names(c: char) -> bool {
    matches!(c, '/' | '*' | '?' | '[') || c.is_whitespace() || c.is_control()
}

impl ActionKind for Service {
    fn signature(&self) -> &'static Signature {
        &SIGNATURE
    }

    fn bind(&self, arguments: &Arguments, context: &Context<'_>) -> Result<Box<dyn Action>, BindError> {
        let host = host_of(context)?;
        let name = arguments.text("name").unwrap_or_default();
        if name.is_empty() || name.starts_with('-') || name.contains(not_in_names) {
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
            unit: init_system::Unit {
                name: name.to_owned(),
                directory: host.setting("service_dir").map(str::to_owned),
            },
            manager,
            wanted,
            enabled,
            stable: arguments.duration("stable_for").unwrap_or(STABLE),
        }))
    }
}
