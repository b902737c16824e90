//! `package.available`: whether a package, or one version of it, is on offer.

use super::fact::PackageFact;
use super::{NAME, Subject, version_of};
use crate::action::declare::optional;
use crate::action::place::Place;
use crate::base::value::Value;
use crate::model::action::{
    Action, ActionKind, Arguments, BindError, Class, Context, Decision, Observation, ParameterKind, ReadError, RunsOn, Signature, Verdict,
};
use crate::model::operation::{Operation, Output};
use crate::model::types::Type;

/// See the signature.
pub struct Available;

static SIGNATURE: Signature = Signature {
    name: "package.available",
    summary: "Tells whether the host's repositories offer a package, or one version of it.",
    docs: "For Debian, Ubuntu and their relatives. It reads the lists of packages as they are on the host and does not refresh them; a \
           step `package` with `update_cache: true` does. A version that is installed already counts as available, since nothing would \
           have to be fetched.",
    parameters: &[
        NAME,
        optional(
            "version",
            ParameterKind::Text,
            "The whole version, `1.22.1-9+deb12u1`. Default: any.",
        ),
    ],
    shorthand: Some("name"),
    results,
    class: Class::Probe,
    class_of: None,
    runs_on: RunsOn::HostOrControl,
    repeatable: true,
    pool_effect: None,
    example: r#"
id: on_offer
name: The wanted version is on offer on every server
hosts: webservers
package.available: { name: nginx, version: "1.22.1-9" }
that: result.available
"#,
};

fn results() -> Type {
    Type::record([
        ("available", Type::Bool),
        ("candidate", Type::Text),
        ("versions", Type::list(Type::Text)),
    ])
}

impl ActionKind for Available {
    fn signature(&self) -> &'static Signature {
        &SIGNATURE
    }

    fn bind(&self, arguments: &Arguments, context: &Context<'_>) -> Result<Box<dyn Action>, BindError> {
        Ok(Box::new(Bound {
            subject: Subject::bind(Place::of(context), arguments)?,
            version: version_of(arguments)?,
        }))
    }
}

#[derive(Debug)]
struct Bound {
    subject: Subject,
    version: Option<String>,
}

impl Bound {
    fn available(&self, fact: &PackageFact) -> Option<bool> {
        match &self.version {
            Some(version) => Some(fact.version.as_ref()? == version || fact.offers(version)?),
            None => Some(fact.installed().is_some() || !fact.candidate.as_ref()?.is_empty()),
        }
    }
}

impl Action for Bound {
    fn probe(&self) -> Vec<Operation> {
        vec![self.subject.look("", "")]
    }

    fn read(&self, outputs: &[Output]) -> Result<Observation, ReadError> {
        let mut seen = Observation::default();
        let ended = self.subject.answer(outputs.first())?;
        seen.set(self.subject.key(), PackageFact::read(ended.stdout).to_value());
        Ok(seen)
    }

    fn decide(&self, _seen: &Observation) -> Decision {
        Decision::InDesiredState
    }

    fn judge(&self, _before: &Observation, _performed: &[Output], _after: &Observation) -> Verdict {
        Verdict::Done
    }

    fn result(&self, seen: &Observation, _performed: &[Output]) -> Value {
        let value = seen.get(&self.subject.key()).cloned().unwrap_or_default();
        let fact = PackageFact::of(Some(&value));
        let field = |name: &str| value.field(name).unwrap_or_default();
        Value::map([
            ("available", self.available(&fact).map_or(Value::Unknown, Value::Bool)),
            ("candidate", field("candidate")),
            ("versions", field("offered")),
        ])
    }
}
