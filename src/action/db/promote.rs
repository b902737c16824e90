//! `db.promote`: makes a replica a primary.

use std::time::Duration;

use super::{DSN, KIND, PASSWORD, Way, status};
use crate::action::declare::optional;
use crate::action::outcome::{exited, first_failure};
use crate::base::clock::friendly;
use crate::base::value::Value;
use crate::model::action::{
    Action, ActionKind, Arguments, BindError, Change, Class, Context, Decision, Observation, ParameterKind, ReadError, RunsOn, Settle,
    Signature, Undo, Verdict,
};
use crate::model::operation::{Operation, Output};
use crate::model::types::Type;

/// What psql is told, but for its arguments.
pub const CALL: &str = "SELECT pg_promote(";
/// If the step says nothing.
const WAIT: Duration = Duration::from_secs(60);
/// What psql needs beside the waiting.
const SLACK: Duration = Duration::from_secs(15);

/// See the signature.
pub struct Promote;

static SIGNATURE: Signature = Signature {
    name: "db.promote",
    summary: "Makes a replica of a database server the primary.",
    docs: "Calls `pg_promote()` and waits until the server has left recovery and takes writes. Nothing to do when the server is a primary \
           already. It does not make sure that the old primary is gone: stop or fence that first, or two servers take writes.\n\n\
           There is no way back: a promoted server can only be rebuilt as a replica. Where the outcome is lost, it is not tried again by \
           itself; look with `db.status`. PostgreSQL 12 or newer, and a superuser or somebody who was granted `pg_promote`.",
    parameters: &[
        KIND,
        DSN,
        PASSWORD,
        optional("wait", ParameterKind::Duration, "How long the promotion may take. Default: 60s."),
    ],
    shorthand: None,
    results,
    class: Class::Destructive,
    class_of: None,
    runs_on: RunsOn::Host,
    repeatable: false,
    pool_effect: None,
    example: r#"
id: promote
name: Make db-02 the primary
hosts: db-02
run_as: postgres
db.promote: { kind: postgresql }
undo: none
"#,
};

fn results() -> Type {
    Type::record([("role", Type::Text), ("writable", Type::Bool)])
}

impl ActionKind for Promote {
    fn signature(&self) -> &'static Signature {
        &SIGNATURE
    }

    fn bind(&self, arguments: &Arguments, context: &Context<'_>) -> Result<Box<dyn Action>, BindError> {
        let wait = arguments.duration("wait").unwrap_or(WAIT);
        if wait < Duration::from_secs(1) {
            return Err(BindError::new(
                "wait",
                format!("expected a second or more, found {}", friendly(wait)),
            ));
        }
        Ok(Box::new(Bound {
            way: status::server(arguments, context)?,
            wait,
        }))
    }
}

#[derive(Debug)]
struct Bound {
    way: Way,
    wait: Duration,
}

impl Bound {
    fn field(&self, seen: &Observation, name: &str) -> Value {
        seen.get(&status::key(&self.way)).and_then(|f| f.field(name)).unwrap_or_default()
    }

    fn promote(&self) -> Operation {
        let mut operation = self.way.change(&format!("{CALL}true, {}) AS promoted;\n", self.wait.as_secs()));
        operation.timeout = self.wait + SLACK;
        operation
    }
}

impl Action for Bound {
    fn probe(&self) -> Vec<Operation> {
        vec![status::look(&self.way)]
    }

    fn read(&self, outputs: &[Output]) -> Result<Observation, ReadError> {
        let mut seen = Observation::default();
        seen.set(status::key(&self.way), status::read(&self.way, outputs.first())?);
        Ok(seen)
    }

    fn decide(&self, seen: &Observation) -> Decision {
        let host = self.way.place.name();
        let role = self.field(seen, "role");
        match role.as_text() {
            Some("primary") => return Decision::InDesiredState,
            Some("replica") => {}
            Some(_) => {
                let why = self.field(seen, "error");
                return Decision::Refused(format!(
                    "the database server on {host} does not answer and cannot be promoted: {why}"
                ));
            }
            None => return Decision::Unknown(format!("the role of the database server on {host} is known at run time")),
        }
        let mut notes = vec![String::from("a promotion cannot be taken back")];
        if let Some(lag) = self.field(seen, "lag_bytes").as_int().filter(|lag| *lag > 0) {
            notes.push(format!("{} of its log are not replayed yet", crate::base::size::whole(lag)));
        }
        let after = Value::map([
            ("reachable", Value::Bool(true)),
            ("role", Value::text("primary")),
            ("writable", Value::Bool(true)),
            ("lag_bytes", Value::Int(0)),
            ("streaming", Value::Bool(false)),
            ("replicas", Value::Unknown),
            ("version", self.field(seen, "version")),
            ("error", Value::text("")),
        ]);
        Decision::Change(Change {
            summary: format!("database server on {host}: replica → primary"),
            diff: None,
            notes,
            operations: vec![self.promote()],
            predicted: vec![(status::key(&self.way), after)],
            taints: Vec::new(),
            undo: Undo::Impossible,
        })
    }

    fn judge(&self, _before: &Observation, performed: &[Output], after: &Observation) -> Verdict {
        if let Some(failed) = first_failure(performed, &|_| String::from("pg_promote()")) {
            return failed;
        }
        let promoted = exited(performed.last()).is_ok_and(|e| e.stdout.lines().any(|l| l == "t"));
        let role = self.field(after, "role");
        match (role.as_text(), self.field(after, "writable").as_bool()) {
            (Some("primary"), Some(true)) => Verdict::Done,
            (Some("primary"), _) => Verdict::NotYet(String::from("it is the primary, but takes no writes")),
            (role, _) => {
                let said = if promoted {
                    ""
                } else {
                    "; pg_promote() said that it did not end in time"
                };
                Verdict::NotYet(format!("its role is {}{said}", role.unwrap_or("unknown")))
            }
        }
    }

    fn settle(&self) -> Settle {
        Settle {
            within: Duration::from_secs(20),
            every: Duration::from_secs(1),
        }
    }

    fn result(&self, seen: &Observation, _performed: &[Output]) -> Value {
        Value::map(["role", "writable"].map(|name| (name, self.field(seen, name))))
    }
}
