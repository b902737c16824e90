//! Telling people: what `notify` and `escalate` have in common.

use crate::action::outcome::unexpected;
use crate::action::place::Place;
use crate::base::sanitise::one_line;
use crate::base::value::Value;
use crate::model::action::{Action, Arguments, BindError, Change, Context, Decision, Observation, ReadError, Undo, Verdict};
use crate::model::operation::{Act, Identity, Operation, Output, Target};
use crate::model::types::Type;

/// Severities, the least one first.
pub const SEVERITIES: &[&str] = &["info", "warning", "critical"];

/// The fields of `steps.ID`.
#[must_use]
pub fn results() -> Type {
    Type::record([("receipts", Type::list(Type::Text))])
}

/// A message to be sent.
#[derive(Debug)]
pub struct Telling {
    place: Place,
    to: Vec<String>,
    message: String,
    severity: String,
    attach: Vec<(String, String)>,
}

impl Telling {
    /// Binds the parameters that both share.
    ///
    /// # Errors
    /// Nobody to tell, or nothing to say.
    pub fn bind(arguments: &Arguments, context: &Context<'_>, severity: &str) -> Result<Telling, BindError> {
        let to = arguments.texts("to");
        if to.is_empty() || to.iter().any(|name| name.trim().is_empty()) {
            return Err(BindError::new("to", "it names nobody").help("name a channel or a group of people of the configuration"));
        }
        let message = arguments.text("message").unwrap_or_default();
        if message.trim().is_empty() {
            return Err(BindError::new("message", "it is empty"));
        }
        let attach = arguments.texts("attach").into_iter().zip(1..);
        Ok(Telling {
            place: Place {
                target: Target::Controller,
                run_as: Identity::Login,
                timeout: context.timeout,
            },
            message: message.to_owned(),
            severity: arguments.text("severity").unwrap_or(severity).to_owned(),
            attach: attach.map(|(text, number)| (format!("attachment {number}"), text)).collect(),
            to,
        })
    }
}

impl Action for Telling {
    fn probe(&self) -> Vec<Operation> {
        Vec::new()
    }

    fn read(&self, _outputs: &[Output]) -> Result<Observation, ReadError> {
        Ok(Observation::default())
    }

    fn decide(&self, _seen: &Observation) -> Decision {
        let tell = |to: &String| {
            self.place.operation(Act::Notify {
                to: to.clone(),
                message: self.message.clone(),
                severity: self.severity.clone(),
                attach: self.attach.clone(),
            })
        };
        Decision::Change(Change {
            summary: format!("tell {} ({}): {}", self.to.join(", "), self.severity, one_line(&self.message, 200)),
            diff: None,
            notes: Vec::new(),
            operations: self.to.iter().map(tell).collect(),
            predicted: Vec::new(),
            taints: Vec::new(),
            undo: Undo::Nothing,
        })
    }

    fn judge(&self, _before: &Observation, performed: &[Output], _after: &Observation) -> Verdict {
        for (to, output) in self.to.iter().zip(performed) {
            if !matches!(output, Output::Notified { .. }) {
                let why = unexpected(Some(output), "a receipt").message;
                return Verdict::Failed(format!("{to} was not told: {why}"));
            }
        }
        if performed.len() < self.to.len() {
            return Verdict::Failed(format!("{} was not told", self.to[performed.len()..].join(", ")));
        }
        Verdict::Done
    }

    fn result(&self, _seen: &Observation, performed: &[Output]) -> Value {
        let receipt = |output: &Output| match output {
            Output::Notified { receipt } => Some(Value::text(receipt)),
            _ => None,
        };
        let receipts = match performed {
            [] => Value::Unknown,
            some => Value::List(some.iter().filter_map(receipt).collect()),
        };
        Value::map([("receipts", receipts)])
    }
}
