//! `db.status`: whether a database server answers, what its role is, and how far its replicas are behind.

use serde_json::Value as Json;

use super::{DSN, KIND, PASSWORD, Way, csv};
use crate::base::sanitise::one_line;
use crate::base::value::Value;
use crate::model::action::{
    Action, ActionKind, Arguments, BindError, Class, Context, Decision, Observation, ReadError, ResourceKey, RunsOn, Signature, Verdict,
};
use crate::model::operation::{Operation, Output};
use crate::model::types::Type;

/// What psql is asked.
pub const QUERY: &str = include_str!("status.sql");

/// See the signature.
pub struct Status;

static SIGNATURE: Signature = Signature {
    name: "db.status",
    summary: "Tells whether a database server answers, its role, and how far its replicas are behind.",
    docs: "Asked with psql on the server's own host, as the user of `run_as` (`postgres`, as a rule). No answer is an answer too: a host \
           that cannot be reached and a server that is down or refuses the connection give `reachable: false` and `role: unknown`, and \
           `error` says why, so that a check over several servers still works when one is gone.\n\n`lag_bytes` of a replica is the \
           write-ahead log that it has heard of and not yet replayed; whether it still hears from its primary is in `streaming`. On a \
           primary it is 0, and `replicas` has the lag of each. Seeing these needs a superuser or a member of `pg_monitor`. PostgreSQL 10 \
           or newer.",
    parameters: &[KIND, DSN, PASSWORD],
    shorthand: None,
    results,
    class: Class::Probe,
    class_of: None,
    runs_on: RunsOn::Host,
    repeatable: true,
    pool_effect: None,
    example: r#"
id: role
name: The new primary is a replica and close enough behind
hosts: db-02
run_as: postgres
db.status: { kind: postgresql }
that: result.role == 'replica' && result.lag_bytes <= 1048576
"#,
};

/// What a server can be.
const ROLES: &[&str] = &["primary", "replica", "unknown"];

fn results() -> Type {
    let replica = Type::record([
        ("name", Type::Text),
        ("address", Type::Text),
        ("state", Type::Text),
        ("sync", Type::Text),
        ("lag_bytes", Type::Int),
    ]);
    Type::record([
        ("reachable", Type::Bool),
        ("role", Type::Enum(ROLES.iter().map(|r| (*r).to_owned()).collect())),
        ("writable", Type::Bool),
        ("lag_bytes", Type::Int),
        ("streaming", Type::Bool),
        ("replicas", Type::list(replica)),
        ("version", Type::Text),
        ("error", Type::Text),
    ])
}

impl ActionKind for Status {
    fn signature(&self) -> &'static Signature {
        &SIGNATURE
    }

    fn bind(&self, arguments: &Arguments, context: &Context<'_>) -> Result<Box<dyn Action>, BindError> {
        Ok(Box::new(Bound(server(arguments, context)?)))
    }
}

/// The server of the step's host.
///
/// # Errors
/// As [`Way::bind`].
pub fn server(arguments: &Arguments, context: &Context<'_>) -> Result<Way, BindError> {
    Way::bind(arguments, context, "postgres_dsn", "dbname=postgres")
}

/// The key of what is known of a server.
#[must_use]
pub fn key(way: &Way) -> ResourceKey {
    way.place.key(format!("database/{}", way.dsn))
}

/// A look at a server.
#[must_use]
pub fn look(way: &Way) -> Operation {
    way.look(QUERY)
}

/// What a look has shown, as a fact with the fields of the result.
///
/// # Errors
/// No psql, or an answer that makes no sense.
pub fn read(way: &Way, output: Option<&Output>) -> Result<Value, ReadError> {
    let ended = match way.answer(output)? {
        Ok(ended) => ended,
        Err(words) => return Ok(silent(&words)),
    };
    let rows = csv::rows(ended.stdout);
    let status = rows
        .get(1)
        .and_then(|r| r.first())
        .and_then(|text| serde_json::from_str::<Json>(text).ok());
    let status = status.ok_or_else(|| {
        let said = one_line(ended.stdout, 200);
        ReadError::new(format!("{}: the server's status is not understood: {said}", way.place.name()))
    })?;
    let is = |name: &str| status.get(name).and_then(Json::as_bool).unwrap_or(false);
    let replica = is("recovery");
    let replicas = status.get("replicas").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    Ok(Value::map([
        ("reachable", Value::Bool(true)),
        ("role", Value::text(if replica { "replica" } else { "primary" })),
        ("writable", Value::Bool(!replica && !is("read_only"))),
        ("lag_bytes", if replica { bytes(status.get("lag")) } else { Value::Int(0) }),
        ("streaming", Value::Bool(is("streaming"))),
        ("replicas", Value::List(replicas.iter().map(of_replica).collect())),
        ("version", text(&status, "version")),
        ("error", Value::text("")),
    ]))
}

fn text(json: &Json, name: &str) -> Value {
    json.get(name)
        .and_then(Json::as_str)
        .map_or(Value::Null, |t| Value::Text(one_line(t, 200)))
}

/// Never below zero: what is replayed may be ahead of what was last heard of.
fn bytes(json: Option<&Json>) -> Value {
    json.and_then(Json::as_i64).map_or(Value::Null, |n| Value::Int(n.max(0)))
}

fn of_replica(json: &Json) -> Value {
    Value::map([
        ("name", text(json, "name")),
        ("address", text(json, "address")),
        ("state", text(json, "state")),
        ("sync", text(json, "sync")),
        ("lag_bytes", bytes(json.get("lag"))),
    ])
}

fn silent(why: &str) -> Value {
    Value::map([
        ("reachable", Value::Bool(false)),
        ("role", Value::text("unknown")),
        ("writable", Value::Bool(false)),
        ("lag_bytes", Value::Null),
        ("streaming", Value::Bool(false)),
        ("replicas", Value::List(Vec::new())),
        ("version", Value::Null),
        ("error", Value::text(why)),
    ])
}

/// The fields of a fact, unknown where the fact is.
#[must_use]
pub fn fields(fact: Option<&Value>) -> Value {
    let Type::Record(declared) = results() else { return Value::Unknown };
    let field = |name: &String| (name.clone(), fact.and_then(|f| f.field(name)).unwrap_or_default());
    Value::Map(declared.keys().map(field).collect())
}

#[derive(Debug)]
struct Bound(Way);

impl Action for Bound {
    fn probe(&self) -> Vec<Operation> {
        vec![look(&self.0)]
    }

    fn read(&self, outputs: &[Output]) -> Result<Observation, ReadError> {
        let mut seen = Observation::default();
        seen.set(key(&self.0), read(&self.0, outputs.first())?);
        Ok(seen)
    }

    fn decide(&self, _seen: &Observation) -> Decision {
        Decision::InDesiredState
    }

    fn judge(&self, _before: &Observation, _performed: &[Output], _after: &Observation) -> Verdict {
        Verdict::Done
    }

    fn result(&self, seen: &Observation, _performed: &[Output]) -> Value {
        fields(seen.get(&key(&self.0)))
    }
}
