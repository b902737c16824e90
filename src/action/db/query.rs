//! `db.query`: statements for a database server, with values that cannot become statements.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{DSN, KIND, PASSWORD, Way, csv, status};
use crate::action::declare::{optional, required};
use crate::action::outcome::{exited, first_failure};
use crate::base::sanitise::one_line;
use crate::base::value::Value;
use crate::model::action::{
    Action, ActionKind, Arguments, BindError, Change, Class, Context, Decision, Literals, Observation, ParameterKind, ReadError,
    ResourceKey, RunsOn, Signature, Undo, Verdict,
};
use crate::model::operation::{Operation, Output};
use crate::model::types::Type;

/// Rows that a result keeps.
const ROWS: usize = 1000;

/// See the signature.
pub struct Query;

static SIGNATURE: Signature = Signature {
    name: "db.query",
    summary: "Sends statements to a database server and gives back the rows.",
    docs: "With psql on the server's own host, as the user of `run_as`. Values go into `params` and stand in the statement as `:'name'` \
           (as a text) or `:\"name\"` (as an identifier); psql quotes them. A placeholder in `sql` itself is refused, since a value would \
           become a part of the statement.\n\n`read_only: true` is kept by the server: the statements run in a transaction that can change \
           nothing. It is a probe then, and `rows` has what the last statement gave, every field as a text, at most 1000 rows. Anything \
           else changes what nobody here can take back, so its step must say `undo:`; all its statements are one transaction, made once. \
           `unless` is a query that only reads: when it gives a row, there is nothing to do, and afterwards it must give one.",
    parameters: &[
        KIND,
        required("sql", ParameterKind::Sql, "The statements. No placeholders: see `params`."),
        optional("params", ParameterKind::TextMap, "Values for `:'name'` in the statements."),
        optional(
            "read_only",
            ParameterKind::Bool,
            "Only look; the server refuses any change. Default: false.",
        ),
        optional(
            "unless",
            ParameterKind::Sql,
            "A query that gives a row when there is nothing to do. Not with `read_only`.",
        ),
        DSN,
        PASSWORD,
    ],
    shorthand: None,
    results,
    class: Class::Destructive,
    class_of: Some(class_of),
    runs_on: RunsOn::Host,
    repeatable: false,
    pool_effect: None,
    example: r#"
id: stuck
name: Nobody waits for a lock for long
hosts: db-01
run_as: postgres
db.query:
  kind: postgresql
  sql: "SELECT pid, query FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = :'database'"
  params: { database: app }
  read_only: true
that: result.row_count == 0
"#,
};

fn results() -> Type {
    Type::record([("rows", Type::list(Type::Map(Box::new(Type::Text)))), ("row_count", Type::Int)])
}

fn class_of(literal: Literals<'_>) -> Class {
    match literal("read_only") {
        Some(Value::Bool(true)) => Class::Probe,
        _ => Class::Destructive,
    }
}

impl ActionKind for Query {
    fn signature(&self) -> &'static Signature {
        &SIGNATURE
    }

    fn bind(&self, arguments: &Arguments, context: &Context<'_>) -> Result<Box<dyn Action>, BindError> {
        let way = status::server(arguments, context)?;
        let sql = arguments.text("sql").unwrap_or_default();
        if sql.trim().is_empty() {
            return Err(BindError::new("sql", "it is empty"));
        }
        let read_only = arguments.bool("read_only", false);
        let unless = arguments.text("unless").map(str::to_owned);
        if read_only && unless.is_some() {
            return Err(BindError::new("unless", "a query that only looks is never needless"));
        }
        for (name, text) in [("sql", Some(sql)), ("unless", unless.as_deref())] {
            if text.is_some_and(|t| t.lines().any(|l| l.trim_start().starts_with('\\')) || t.contains('\0')) {
                return Err(BindError::new(
                    name,
                    "a line begins with `\\`, which speaks to psql and not to the server",
                ));
            }
        }
        Ok(Box::new(Bound {
            way,
            sql: sql.trim().trim_end_matches(';').to_owned(),
            values: values(arguments)?,
            read_only,
            unless,
        }))
    }
}

/// The lines that make psql know the values; whatever they hold, they stay values.
fn values(arguments: &Arguments) -> Result<String, BindError> {
    let none = BTreeMap::new();
    let map = match arguments.get("params") {
        Some(Value::Map(map)) => map,
        _ => &none,
    };
    let mut lines = String::new();
    for (name, value) in map {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(plain) || name.starts_with(|c: char| c.is_ascii_digit() || c.is_ascii_uppercase()) {
            let message = format!("`{name}` is no name for a value");
            return Err(BindError::new("params", message).help("use lower-case letters, digits and `_`"));
        }
        let text = value.to_string();
        if text.contains('\0') {
            return Err(BindError::new(
                "params",
                format!("`{name}` holds a NUL byte, which no database can hold"),
            ));
        }
        // In single quotes psql knows C's escapes and the doubled quote.
        let mut quoted = String::new();
        for c in text.chars() {
            match c {
                '\'' => quoted.push_str("''"),
                '\\' => quoted.push_str("\\\\"),
                '\n' => quoted.push_str("\\n"),
                '\r' => quoted.push_str("\\r"),
                c => quoted.push(c),
            }
        }
        // Writing into a String cannot fail.
        let _ = writeln!(lines, "\\set {name} '{quoted}'");
    }
    Ok(lines)
}

#[derive(Debug)]
struct Bound {
    way: Way,
    sql: String,
    values: String,
    read_only: bool,
    unless: Option<String>,
}

impl Bound {
    fn key(&self) -> ResourceKey {
        let asked = self.unless.as_deref().unwrap_or(&self.sql);
        self.way
            .place
            .key(format!("query/{} {} {asked}", self.way.dsn, self.values.replace('\n', " ")))
    }

    /// A transaction that the server lets change nothing.
    fn reading(&self, sql: &str) -> String {
        let sql = sql.trim().trim_end_matches(';');
        format!(
            "{}SET default_transaction_read_only = on;\nBEGIN READ ONLY;\n{sql}\n;\nCOMMIT;\n",
            self.values
        )
    }

    /// The rows of an answer.
    fn rows(&self, output: Option<&Output>) -> Result<Value, ReadError> {
        let host = self.way.place.name();
        let ended = self.way.answer(output)?;
        let ended = ended.map_err(|why| ReadError::new(format!("the database server on {host} does not answer: {why}")))?;
        Ok(table(ended.stdout))
    }

    fn known(&self, seen: &Observation) -> Value {
        seen.get(&self.key()).cloned().unwrap_or_default()
    }
}

/// Rows by the names of their columns, and their number.
fn table(stdout: &str) -> Value {
    let all = csv::rows(stdout);
    let Some((names, rows)) = all.split_first() else {
        return found(Vec::new(), 0);
    };
    let row = |row: &Vec<String>| {
        let fields = names.iter().zip(row).map(|(name, field)| (name.clone(), Value::text(field)));
        Value::Map(fields.collect())
    };
    found(rows.iter().take(ROWS).map(row).collect(), rows.len())
}

fn found(rows: Vec<Value>, count: usize) -> Value {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    Value::map([("rows", Value::List(rows)), ("row_count", Value::Int(count))])
}

impl Action for Bound {
    fn probe(&self) -> Vec<Operation> {
        match &self.unless {
            Some(unless) => vec![self.way.look(&self.reading(unless))],
            None if self.read_only => vec![self.way.look(&self.reading(&self.sql))],
            None => Vec::new(),
        }
    }

    fn read(&self, outputs: &[Output]) -> Result<Observation, ReadError> {
        let mut seen = Observation::default();
        if self.read_only || self.unless.is_some() {
            seen.set(self.key(), self.rows(outputs.first())?);
        }
        Ok(seen)
    }

    fn decide(&self, seen: &Observation) -> Decision {
        if self.read_only {
            return Decision::InDesiredState;
        }
        if self.unless.is_some() {
            match self.known(seen).field("row_count") {
                Some(Value::Int(0)) => {}
                Some(Value::Int(_)) => return Decision::InDesiredState,
                _ => return Decision::Unknown(String::from("what `unless` gives is known at run time")),
            }
        }
        let script = format!("{}BEGIN;\n{}\n;\nCOMMIT;\n", self.values, self.sql);
        let then = if self.unless.is_some() {
            Value::map([("rows", Value::Unknown), ("row_count", Value::Int(1))])
        } else {
            Value::Unknown
        };
        Decision::Change(Change {
            summary: format!("database server on {}: {}", self.way.place.name(), one_line(&self.sql, 200)),
            diff: None,
            notes: vec![String::from("effect unknown")],
            operations: vec![self.way.change(&script)],
            predicted: vec![(self.key(), then)],
            taints: vec![self.way.place.scope()],
            undo: Undo::Impossible,
        })
    }

    fn judge(&self, _before: &Observation, performed: &[Output], after: &Observation) -> Verdict {
        if let Some(failed) = first_failure(performed, &|_| String::from("psql")) {
            return failed;
        }
        match self.known(after).field("row_count") {
            Some(Value::Int(0)) if self.unless.is_some() => Verdict::NotYet(String::from("`unless` still gives no row")),
            _ => Verdict::Done,
        }
    }

    fn result(&self, seen: &Observation, performed: &[Output]) -> Value {
        if let Ok(ended) = exited(performed.last()) {
            return table(ended.stdout);
        }
        let known = self.known(seen);
        Value::map(["rows", "row_count"].map(|name| (name, known.field(name).unwrap_or_default())))
    }
}
