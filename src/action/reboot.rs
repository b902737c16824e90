//! `reboot`: restarts a host and waits until it is back.

use std::time::Duration;

use crate::action::declare::optional;
use crate::action::outcome::{exited, first_failure};
use crate::action::place::{Place, host_of};
use crate::action::program::shown;
use crate::base::clock::friendly;
use crate::base::value::Value;
use crate::model::action::{
    Action, ActionKind, Arguments, BindError, Change, Class, Context, Decision, Observation, ParameterKind, PoolEffect, ReadError,
    ResourceKey, RunsOn, Settle, Signature, Undo, Verdict,
};
use crate::model::operation::{Operation, Output};
use crate::model::types::Type;

/// If the step says nothing.
const WITHIN: Duration = Duration::from_secs(600);
/// The kernel's name for this boot, and whether an upgrade has asked for another one.
const PROBE: &str = r#"cat /proc/sys/kernel/random/boot_id || exit
if [ -e /run/reboot-required ] || [ -e /var/run/reboot-required ]; then echo required; fi"#;
/// A moment later and on its own, so that the host can still say that it has understood.
const REBOOT: &str = r#"[ "$(id -u)" = 0 ] || { echo 'only root may reboot; add `run_as: root`' >&2; exit 1; }
setsid sh -c 'sleep 2; [ ! -d /run/systemd/system ] || exec systemctl reboot; shutdown -r now || reboot' </dev/null >/dev/null 2>&1 &"#;

/// See the signature.
pub struct Reboot;

static SIGNATURE: Signature = Signature {
    name: "reboot",
    summary: "Restarts a host and waits until it is back.",
    docs: "The host is back when it answers with another boot id and `test` has ended with 0 there. It counts as a disturbance of the pools \
           the host is a member of, for as long as the step runs; drain it first where that matters. With `only_if: required` there is \
           nothing to do unless an upgrade has left `/run/reboot-required` (Debian and its relatives).\n\nA reboot is never repeated by \
           itself: where its outcome is lost, look with `facts` first. There is nothing to take back.",
    parameters: &[
        optional(
            "timeout",
            ParameterKind::Duration,
            "How long the host may take to be back, `test` included. Default: 10m.",
        ),
        optional(
            "test",
            ParameterKind::TextList,
            "A program that only reads and ends with 0 once the host is ready: `[systemctl, is-system-running, --wait]`. Default: that it \
             answers is enough.",
        ),
        optional(
            "only_if",
            ParameterKind::Choice(&["required"]),
            "Reboot only if an upgrade asks for it. Default: always.",
        ),
    ],
    shorthand: None,
    results,
    class: Class::Passing,
    class_of: None,
    runs_on: RunsOn::Host,
    repeatable: false,
    pool_effect: Some(|_| PoolEffect::DisturbsHost),
    example: r#"
id: reboot
name: Start with the new kernel
hosts: web-01
run_as: root
reboot: { only_if: required, test: [systemctl, is-active, --quiet, nginx] }
"#,
};

fn results() -> Type {
    Type::record([("boot_id", Type::Text), ("required", Type::Bool)])
}

impl ActionKind for Reboot {
    fn signature(&self) -> &'static Signature {
        &SIGNATURE
    }

    fn bind(&self, arguments: &Arguments, context: &Context<'_>) -> Result<Box<dyn Action>, BindError> {
        host_of(context)?;
        let within = arguments.duration("timeout").unwrap_or(WITHIN);
        if within < Duration::from_secs(10) {
            let message = format!("expected 10s or more, found {}: no host is back so soon", friendly(within));
            return Err(BindError::new("timeout", message));
        }
        Ok(Box::new(Bound {
            place: Place::of(context),
            within,
            test: arguments.texts("test"),
            only_if_required: arguments.get("only_if").is_some(),
        }))
    }
}

#[derive(Debug)]
struct Bound {
    place: Place,
    within: Duration,
    test: Vec<String>,
    only_if_required: bool,
}

impl Bound {
    fn key(&self) -> ResourceKey {
        self.place.key("boot")
    }

    fn field(&self, seen: &Observation, name: &str) -> Value {
        seen.get(&self.key()).and_then(|f| f.field(name)).unwrap_or_default()
    }

    /// Looking must not wait as long as the step may: a host that goes down does not always say so.
    fn look(&self) -> Operation {
        let mut operation = self.place.clone().as_login().probe_script(PROBE, &[]);
        operation.timeout = operation.timeout.min(Duration::from_secs(20));
        operation
    }
}

impl Action for Bound {
    fn probe(&self) -> Vec<Operation> {
        vec![self.look()]
    }

    fn verify(&self) -> Vec<Operation> {
        let test = (!self.test.is_empty()).then(|| self.place.probe(self.test.clone()));
        std::iter::once(self.look()).chain(test).collect()
    }

    fn read(&self, outputs: &[Output]) -> Result<Observation, ReadError> {
        let ended = exited(outputs.first())?;
        let host = self.place.name();
        let mut lines = ended.stdout.lines();
        let id = lines.next().unwrap_or("").trim();
        if ended.code != 0 || id.is_empty() {
            return Err(ReadError::new(format!("asking {host} for its boot id {}", ended.ending())));
        }
        let test = match outputs.get(1) {
            None => String::new(),
            Some(output) => match exited(Some(output))? {
                ended if ended.code == 0 => String::new(),
                ended => format!("`{}` {}", shown(&self.test), ended.ending()),
            },
        };
        let mut seen = Observation::default();
        seen.set(
            self.key(),
            Value::map([
                ("boot_id", Value::text(id)),
                ("required", Value::Bool(lines.any(|l| l == "required"))),
                ("test", Value::Text(test)),
            ]),
        );
        Ok(seen)
    }

    fn decide(&self, seen: &Observation) -> Decision {
        let host = self.place.name();
        match self.field(seen, "required") {
            Value::Bool(false) if self.only_if_required => return Decision::InDesiredState,
            Value::Unknown if self.only_if_required => {
                return Decision::Unknown(format!("whether {host} asks for a reboot is known at run time"));
            }
            _ => {}
        }
        let then = Value::map([
            ("boot_id", Value::Unknown),
            ("required", Value::Bool(false)),
            ("test", Value::text("")),
        ]);
        Decision::Change(Change {
            summary: format!("reboots {host}, waits {} for it to be back", friendly(self.within)),
            diff: None,
            notes: vec![String::from("everything that runs there ends")],
            operations: vec![self.place.run(["sh", "-c", REBOOT])],
            predicted: vec![(self.key(), then)],
            taints: vec![self.place.scope()],
            undo: Undo::Nothing,
        })
    }

    fn judge(&self, before: &Observation, performed: &[Output], after: &Observation) -> Verdict {
        if let Some(failed) = first_failure(performed, &|_| String::from("reboot")) {
            return failed;
        }
        let host = self.place.name();
        let (was, is, test) = (
            self.field(before, "boot_id"),
            self.field(after, "boot_id"),
            self.field(after, "test"),
        );
        match (was == is, test.as_text()) {
            (true, _) => Verdict::NotYet(format!("{host} has not gone down")),
            (false, Some("")) => Verdict::Done,
            (false, why) => Verdict::NotYet(format!("{host} is back, but not ready: {}", why.unwrap_or("no answer"))),
        }
    }

    fn settle(&self) -> Settle {
        Settle {
            within: self.within,
            every: Duration::from_secs(3),
        }
    }

    fn result(&self, seen: &Observation, _performed: &[Output]) -> Value {
        Value::map(["boot_id", "required"].map(|name| (name, self.field(seen, name))))
    }
}
