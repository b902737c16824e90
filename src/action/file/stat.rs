//! `file.stat`: what stands at a path.

use super::place_fact::{Spot, Standing};
use crate::action::declare::required;
use crate::action::place::Place;
use crate::base::clock::Timestamp;
use crate::base::sanitise::one_line;
use crate::base::value::Value;
use crate::model::action::{
    Action, ActionKind, Arguments, BindError, Class, Context, Decision, Observation, ParameterKind, ReadError, RunsOn, Signature, Verdict,
};
use crate::model::operation::{Operation, Output};
use crate::model::types::Type;

/// See the signature.
pub struct Stat;

static SIGNATURE: Signature = Signature {
    name: "file.stat",
    summary: "Tells what stands at a path: kind, rights, size, age.",
    docs: "The content is not read. A symbolic link is told as such, with its `target`; what it leads to is not looked at. Where nothing \
           is, `exists` is false, `kind` is `absent`, and the rest is null. `age_seconds` is the time since the content was last \
           changed, by the host's own clock.",
    parameters: &[required("path", ParameterKind::Path, "What to look at.")],
    shorthand: Some("path"),
    results,
    class: Class::Probe,
    class_of: None,
    runs_on: RunsOn::HostOrControl,
    repeatable: true,
    pool_effect: None,
    example: r#"
id: backup
name: The backup is of today and not empty
hosts: db-01
file.stat: /srv/backup/latest.dump
that: result.exists && result.size_bytes > 0 && result.age_seconds < 86400
"#,
};

/// What can stand at a path.
const KINDS: &[&str] = &["absent", "file", "directory", "link", "other"];

fn results() -> Type {
    Type::record([
        ("exists", Type::Bool),
        ("kind", Type::Enum(KINDS.iter().map(|k| (*k).to_owned()).collect())),
        ("mode", Type::Text),
        ("owner", Type::Text),
        ("group", Type::Text),
        ("size_bytes", Type::Int),
        ("age_seconds", Type::Int),
        ("modified", Type::Text),
        ("target", Type::Text),
    ])
}

impl ActionKind for Stat {
    fn signature(&self) -> &'static Signature {
        &SIGNATURE
    }

    fn bind(&self, arguments: &Arguments, context: &Context<'_>) -> Result<Box<dyn Action>, BindError> {
        Ok(Box::new(Bound(Spot {
            place: Place::of(context),
            path: arguments.text("path").unwrap_or_default().to_owned(),
        })))
    }
}

#[derive(Debug)]
struct Bound(Spot);

impl Action for Bound {
    fn probe(&self) -> Vec<Operation> {
        vec![self.0.look()]
    }

    fn read(&self, outputs: &[Output]) -> Result<Observation, ReadError> {
        self.0.read(outputs.first())
    }

    fn decide(&self, _seen: &Observation) -> Decision {
        Decision::InDesiredState
    }

    fn judge(&self, _before: &Observation, _performed: &[Output], _after: &Observation) -> Verdict {
        Verdict::Done
    }

    fn result(&self, seen: &Observation, _performed: &[Output]) -> Value {
        let standing = self.0.standing(seen);
        let fact = standing.to_value();
        let field = |name: &str| fact.field(name).unwrap_or_default();
        let exists = standing.kind.as_ref().map_or(Value::Unknown, |k| Value::Bool(k != "absent"));
        Value::map([
            ("exists", exists),
            ("kind", field("kind")),
            ("mode", field("mode")),
            ("owner", field("owner")),
            ("group", field("group")),
            ("size_bytes", field("size")),
            ("age_seconds", field("age")),
            ("modified", modified(&standing, field("modified"))),
            ("target", shown(field("target"))),
        ])
    }
}

fn modified(standing: &Standing, otherwise: Value) -> Value {
    match standing.modified {
        Some(seconds) => Value::Text(Timestamp(seconds.saturating_mul(1000)).rfc3339()),
        None => otherwise,
    }
}

fn shown(text: Value) -> Value {
    match text {
        Value::Text(text) => Value::Text(one_line(&text, 1000)),
        other => other,
    }
}
