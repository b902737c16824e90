//! `package.installed`: which version of a package is installed.

use super::fact::PackageFact;
use super::{NAME, Subject};
use crate::action::place::Place;
use crate::base::value::Value;
use crate::model::action::{
    Action, ActionKind, Arguments, BindError, Class, Context, Decision, Observation, ReadError, RunsOn, Signature, Verdict,
};
use crate::model::operation::{Operation, Output};
use crate::model::types::Type;

/// See the signature.
pub struct Installed;

static SIGNATURE: Signature = Signature {
    name: "package.installed",
    summary: "Tells which version of a package is installed.",
    docs: "For Debian, Ubuntu and their relatives. A package of which only configuration files are left is not installed: `installed` is \
           false then, and `version` is null. A package that dpkg has left half done counts as not installed.",
    parameters: &[NAME],
    shorthand: Some("name"),
    results,
    class: Class::Probe,
    class_of: None,
    runs_on: RunsOn::HostOrControl,
    repeatable: true,
    pool_effect: None,
    example: r#"
id: version
name: Every server runs the wanted version
hosts: webservers
package.installed: { name: nginx }
that: result.version == '1.22.1-9'
"#,
};

fn results() -> Type {
    Type::record([("installed", Type::Bool), ("version", Type::Text), ("held", Type::Bool)])
}

impl ActionKind for Installed {
    fn signature(&self) -> &'static Signature {
        &SIGNATURE
    }

    fn bind(&self, arguments: &Arguments, context: &Context<'_>) -> Result<Box<dyn Action>, BindError> {
        Ok(Box::new(Bound(Subject::bind(Place::of(context), arguments)?)))
    }
}

#[derive(Debug)]
struct Bound(Subject);

impl Action for Bound {
    fn probe(&self) -> Vec<Operation> {
        vec![self.0.look("", "")]
    }

    fn read(&self, outputs: &[Output]) -> Result<Observation, ReadError> {
        let mut seen = Observation::default();
        let ended = self.0.answer(outputs.first())?;
        seen.set(self.0.key(), PackageFact::read(ended.stdout).to_value());
        Ok(seen)
    }

    fn decide(&self, _seen: &Observation) -> Decision {
        Decision::InDesiredState
    }

    fn judge(&self, _before: &Observation, _performed: &[Output], _after: &Observation) -> Verdict {
        Verdict::Done
    }

    fn result(&self, seen: &Observation, _performed: &[Output]) -> Value {
        fields(&PackageFact::of(seen.get(&self.0.key())))
    }
}

/// The fields of `steps.ID` that tell what is installed.
#[must_use]
pub fn fields(fact: &PackageFact) -> Value {
    let whole = fact.status.as_ref().map(|s| s == "installed");
    let version = match (&fact.version, whole) {
        (Some(version), Some(true)) => Value::text(version),
        (Some(_), Some(false)) => Value::Null,
        _ => Value::Unknown,
    };
    let known = |b: Option<bool>| b.map_or(Value::Unknown, Value::Bool);
    Value::map([("installed", known(whole)), ("version", version), ("held", known(fact.held))])
}
