//! `db.proxy`: pauses, resumes and repoints a database in PgBouncer.

use std::time::Duration;

use super::ini::Entry;
use super::{PASSWORD, Way, csv};
use crate::action::declare::{optional, required};
use crate::action::file::fact::FileFact;
use crate::action::file::{difference, sha256};
use crate::action::outcome::first_failure;
use crate::base::clock::friendly;
use crate::base::sanitise::one_line;
use crate::base::value::Value;
use crate::model::action::{
    Action, ActionKind, Arguments, BindError, Change, Class, Context, Decision, Observation, ParameterKind, ReadError, ResourceKey, RunsOn,
    Settle, Signature, Undo, Verdict,
};
use crate::model::operation::{Operation, Output, PutFile};
use crate::model::types::Type;

/// Pauses a database.
pub const PAUSE: &str = include_str!("pause.sh");
/// What the console is asked.
pub const LOOK: &str = "SHOW DATABASES;\n\\echo @@\nSHOW POOLS;\n";
/// If the step says nothing.
const WAIT: Duration = Duration::from_secs(60);
/// What psql needs beside the waiting.
const SLACK: Duration = Duration::from_secs(20);
const CONSOLE: &str = "host=/var/run/postgresql port=6432 user=pgbouncer dbname=pgbouncer";
/// Where the file is, if the inventory says nothing.
pub const CONFIG: &str = "/etc/pgbouncer/pgbouncer.ini";

/// See the signature.
pub struct Proxy;

static SIGNATURE: Signature = Signature {
    name: "db.proxy",
    summary: "Pauses, resumes or repoints a database in PgBouncer.",
    docs: "`pool` is the database's name in section `[databases]` of PgBouncer's file. Where that file and the admin console are, the \
           inventory says by two variables of the proxy's host: `pgbouncer_config` (default `/etc/pgbouncer/pgbouncer.ini`) and \
           `pgbouncer_dsn` (default `host=/var/run/postgresql port=6432 user=pgbouncer dbname=pgbouncer`, the console's own socket, \
           which lets in the user that PgBouncer runs as: on Debian `run_as: postgres`).\n\n\
           `state: paused` waits until no query is under way; at the end of `wait_drained` with queries left the database goes on and \
           the step has failed. Clients that come meanwhile wait. A pause is something taken, so say `owes:` with the step that resumes. \
           `server` changes host, and port where given, in the file, which must name the database in a line of its own, and reloads \
           PgBouncer. It does not pause by itself: clients that are at work keep the old server until they let go of it.\n\n\
           Taken back by resuming, or by the previous server. Resuming is a return and stays.",
    parameters: &[
        required("pool", ParameterKind::Text, "The database, as PgBouncer calls it."),
        optional(
            "state",
            ParameterKind::Choice(&["paused", "active"]),
            "Whether queries are held back. Either this or `server`.",
        ),
        optional(
            "server",
            ParameterKind::Text,
            "The database server: `HOST` or `HOST:PORT`, an IPv6 address in brackets.",
        ),
        optional(
            "wait_drained",
            ParameterKind::Duration,
            "How long `state: paused` waits for queries to end. Default: 60s.",
        ),
        optional(
            "dsn",
            ParameterKind::Text,
            "The admin console, as libpq writes it, without a password. Default: the host's variable `pgbouncer_dsn`.",
        ),
        PASSWORD,
    ],
    shorthand: None,
    results,
    class: Class::Reversible,
    class_of: None,
    runs_on: RunsOn::Host,
    repeatable: true,
    pool_effect: None,
    example: r#"
id: stop_writes
name: Hold queries back while the primary changes
hosts: proxyservers
run_as: postgres
db.proxy: { pool: main, state: paused, wait_drained: 30s }
owes: resume_writes
"#,
};

fn results() -> Type {
    Type::record([("paused", Type::Bool), ("server", Type::Text), ("busy", Type::Int)])
}

impl ActionKind for Proxy {
    fn signature(&self) -> &'static Signature {
        &SIGNATURE
    }

    fn bind(&self, arguments: &Arguments, context: &Context<'_>) -> Result<Box<dyn Action>, BindError> {
        let way = Way::bind(arguments, context, "pgbouncer_dsn", CONSOLE)?;
        let pool = arguments.text("pool").unwrap_or_default();
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        if pool.is_empty() || !pool.chars().all(plain) {
            return Err(BindError::new(
                "pool",
                format!("`{pool}` is no name of a database that PgBouncer could have"),
            ));
        }
        let wanted = match (arguments.text("state"), arguments.text("server")) {
            (Some("paused"), None) => Wanted::Paused(arguments.duration("wait_drained").unwrap_or(WAIT)),
            (Some(_), None) => Wanted::Active,
            (None, Some(server)) => Wanted::Server(Server::parse(server)?),
            (None, None) => return Err(BindError::new("state", "neither `state` nor `server` is given")),
            (Some(_), Some(_)) => {
                let message = "`state` and `server` are two changes";
                return Err(BindError::new("server", message).help("make two steps of them, so that each can be taken back"));
            }
        };
        if arguments.get("wait_drained").is_some() && !matches!(wanted, Wanted::Paused(_)) {
            return Err(BindError::new("wait_drained", "it makes sense for `state: paused` only"));
        }
        let config = context.host.and_then(|h| h.setting("pgbouncer_config")).unwrap_or(CONFIG);
        let mut base = arguments.clone();
        for name in ["state", "server", "wait_drained"] {
            base.0.remove(name);
        }
        Ok(Box::new(Bound {
            way,
            pool: pool.to_owned(),
            config: config.to_owned(),
            wanted,
            base,
        }))
    }
}

/// Where a database server is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Server {
    host: String,
    port: Option<String>,
}

impl Server {
    fn parse(text: &str) -> Result<Server, BindError> {
        let wrong = || BindError::new("server", format!("`{text}` is neither `HOST` nor `HOST:PORT`"));
        let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, rest)) => (host, Some(rest.strip_prefix(':').ok_or_else(wrong)?)),
            None => match text.rsplit_once(':') {
                Some((host, port)) if !host.contains(':') => (host, Some(port)),
                Some(_) => (text, None),
                None => (text, None),
            },
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/".contains(c);
        if host.is_empty() || !host.chars().all(plain) || port.is_some_and(|p| p.parse::<u16>().is_err()) {
            return Err(wrong());
        }
        Ok(Server {
            host: host.to_owned(),
            port: port.map(str::to_owned),
        })
    }

    fn shown(host: &str, port: &str) -> String {
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        if port.is_empty() { host } else { format!("{host}:{port}") }
    }

    fn is(&self, host: Option<&str>, port: Option<&str>) -> bool {
        let same_port = self.port.as_deref().is_none_or(|wanted| port.unwrap_or("5432") == wanted);
        host == Some(self.host.as_str()) && same_port
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Wanted {
    Paused(Duration),
    Active,
    Server(Server),
}

#[derive(Debug)]
struct Bound {
    way: Way,
    pool: String,
    config: String,
    wanted: Wanted,
    /// What every call for this database says.
    base: Arguments,
}

impl Bound {
    fn key(&self) -> ResourceKey {
        self.way.place.key(format!("proxy/{}", self.pool))
    }

    fn file_key(&self) -> ResourceKey {
        self.way.place.key(format!("file/{}", self.config))
    }

    fn fact(&self, seen: &Observation, name: &str) -> Value {
        seen.get(&self.key()).and_then(|f| f.field(name)).unwrap_or_default()
    }

    fn unknown(&self) -> Decision {
        Decision::Unknown(format!(
            "what PgBouncer on {} does with {} is known at run time",
            self.way.place.name(),
            self.pool
        ))
    }

    fn undo(&self, name: &str, value: String) -> Undo {
        let mut arguments = self.base.clone();
        arguments.0.insert(name.to_owned(), Value::Text(value));
        Undo::Call {
            action: String::from("db.proxy"),
            arguments,
        }
    }

    /// The fact with some fields changed.
    fn predicted(&self, seen: &Observation, changes: &[(&str, Value)]) -> (ResourceKey, Value) {
        let fields = ["paused", "host", "port", "busy"];
        let field = |name: &str| {
            let changed = changes.iter().find(|(n, _)| *n == name).map(|(_, v)| v.clone());
            changed.unwrap_or_else(|| self.fact(seen, name))
        };
        (self.key(), Value::map(fields.map(|name| (name, field(name)))))
    }

    fn pause(&self, seen: &Observation, wait: Duration) -> Change {
        let seconds = wait.as_secs().max(1).to_string();
        let name = format!("\"{}\"", self.pool);
        let mut operation = self.way.script(PAUSE, &[&name, &seconds], &self.way.input(""));
        operation.timeout = wait + SLACK;
        let paused = [("paused", Value::Bool(true)), ("busy", Value::Int(0))];
        self.change(
            format!("active → paused, waits {} for queries to end", friendly(wait)),
            vec![operation],
            vec![self.predicted(seen, &paused)],
            self.undo("state", String::from("active")),
        )
    }

    fn resume(&self, seen: &Observation) -> Change {
        let operation = self.way.change(&format!("RESUME \"{}\";\n", self.pool));
        let active = [("paused", Value::Bool(false)), ("busy", Value::Unknown)];
        self.change(
            String::from("paused → active"),
            vec![operation],
            vec![self.predicted(seen, &active)],
            Undo::Keep,
        )
    }

    fn change(&self, what: String, operations: Vec<Operation>, predicted: Vec<(ResourceKey, Value)>, undo: Undo) -> Change {
        Change {
            summary: format!("{} in PgBouncer on {}: {what}", self.pool, self.way.place.name()),
            diff: None,
            notes: Vec::new(),
            operations,
            predicted,
            taints: Vec::new(),
            undo,
        }
    }

    fn repoint(&self, seen: &Observation, server: &Server) -> Decision {
        let file = FileFact::of(seen.get(&self.file_key()));
        let host = self.way.place.name();
        let Some(text) = file.text() else {
            let why = format!("{} on {host} is not there, or no text", self.config);
            return if file.exists.is_none() {
                self.unknown()
            } else {
                Decision::Refused(why)
            };
        };
        let entry = match Entry::find(text, &self.pool) {
            Ok(entry) => entry,
            Err(why) => return Decision::Refused(format!("{} on {host}: {why}", self.config)),
        };
        let (Value::Text(was_host), Value::Text(was_port)) = (self.fact(seen, "host"), self.fact(seen, "port")) else {
            return self.unknown();
        };
        let in_file = server.is(entry.get("host"), entry.get("port"));
        if in_file && server.is(Some(was_host.as_str()), Some(was_port.as_str())) {
            return Decision::InDesiredState;
        }
        let new = entry.repointed(text, &server.host, server.port.as_deref());
        let mut operations = Vec::new();
        let mut predicted = Vec::new();
        if new != text {
            operations.push(self.way.place.put_file(PutFile {
                path: self.config.clone(),
                content: new.clone(),
                expect: Some(sha256(text)),
                ..PutFile::default()
            }));
            let fact = FileFact {
                content: Some(new.clone()),
                ..file.clone()
            };
            predicted.push((self.file_key(), fact.to_value()));
        }
        operations.push(self.way.change("RELOAD;\n"));
        let port = server.port.clone().unwrap_or_else(|| was_port.clone());
        let moved = [("host", Value::text(&server.host)), ("port", Value::text(&port))];
        predicted.push(self.predicted(seen, &moved));
        let former = Server::shown(entry.get("host").unwrap_or(&was_host), entry.get("port").unwrap_or(&was_port));
        // A reload that only makes PgBouncer read what its file says already leaves nothing to take back.
        let undo = if new == text { Undo::Nothing } else { self.undo("server", former) };
        let what = format!("{} → {}", Server::shown(&was_host, &was_port), Server::shown(&server.host, &port));
        let mut change = self.change(what, operations, predicted, undo);
        change.diff = (new != text).then(|| difference::unified(&self.config, text, &new));
        Decision::Change(change)
    }
}

impl Action for Bound {
    fn probe(&self) -> Vec<Operation> {
        let mut operations = vec![self.way.look(LOOK)];
        if matches!(self.wanted, Wanted::Server(_)) {
            operations.push(self.way.place.read_file(&self.config));
        }
        operations
    }

    fn read(&self, outputs: &[Output]) -> Result<Observation, ReadError> {
        let host = self.way.place.name();
        let ended = self.way.answer(outputs.first())?.map_err(|why| {
            ReadError::new(format!(
                "PgBouncer's console on {host} does not answer: {why}; its place is the variable `pgbouncer_dsn` of the host"
            ))
        })?;
        let (databases, pools) = ended.stdout.split_once("@@\n").unwrap_or((ended.stdout, ""));
        let (databases, pools) = (csv::rows(databases), csv::rows(pools));
        let field = |name: &str| csv::field_where(&databases, "name", &self.pool, name);
        let Some(paused) = field("paused") else {
            return Err(ReadError::new(format!("PgBouncer on {host} has no database {}", self.pool)));
        };
        let mut seen = Observation::default();
        seen.set(
            self.key(),
            Value::map([
                ("paused", Value::Bool(paused == "1")),
                ("host", Value::Text(one_line(field("host").unwrap_or(""), 200))),
                ("port", Value::Text(one_line(field("port").unwrap_or(""), 20))),
                ("busy", Value::Int(busy(&pools, &self.pool))),
            ]),
        );
        if let Some(output) = outputs.get(1) {
            seen.set(self.file_key(), FileFact::read(Some(output))?.to_value());
        }
        Ok(seen)
    }

    fn decide(&self, seen: &Observation) -> Decision {
        let paused = self.fact(seen, "paused").as_bool();
        match (&self.wanted, paused) {
            (Wanted::Server(server), _) => self.repoint(seen, server),
            (_, None) => self.unknown(),
            (Wanted::Paused(_), Some(true)) | (Wanted::Active, Some(false)) => Decision::InDesiredState,
            (Wanted::Paused(wait), Some(false)) => Decision::Change(self.pause(seen, *wait)),
            (Wanted::Active, Some(true)) => Decision::Change(self.resume(seen)),
        }
    }

    fn judge(&self, _before: &Observation, performed: &[Output], after: &Observation) -> Verdict {
        let words = match &self.wanted {
            Wanted::Paused(_) => "PAUSE",
            Wanted::Active => "RESUME",
            Wanted::Server(_) => "RELOAD",
        };
        if let Some(failed) = first_failure(performed, &|_| words.to_owned()) {
            return failed;
        }
        let fact = |name: &str| self.fact(after, name);
        let not_yet = |what: String| Verdict::NotYet(format!("{} {what}", self.pool));
        match &self.wanted {
            Wanted::Paused(_) if fact("paused") != Value::Bool(true) => not_yet(String::from("is not paused")),
            Wanted::Paused(_) if fact("busy") != Value::Int(0) => not_yet(format!("has {} queries under way", fact("busy"))),
            Wanted::Active if fact("paused") != Value::Bool(false) => not_yet(String::from("is still paused")),
            Wanted::Server(server) if !server.is(fact("host").as_text(), fact("port").as_text()) => {
                not_yet(format!("is still at {}", fact("host")))
            }
            _ => Verdict::Done,
        }
    }

    fn settle(&self) -> Settle {
        Settle {
            within: Duration::from_secs(10),
            every: Duration::from_millis(500),
        }
    }

    fn result(&self, seen: &Observation, _performed: &[Output]) -> Value {
        let server = match (self.fact(seen, "host"), self.fact(seen, "port")) {
            (Value::Text(host), Value::Text(port)) => Value::Text(Server::shown(&host, &port)),
            _ => Value::Unknown,
        };
        Value::map([
            ("paused", self.fact(seen, "paused")),
            ("server", server),
            ("busy", self.fact(seen, "busy")),
        ])
    }
}

/// Server connections of a database that are at work, over its users.
fn busy(pools: &[Vec<String>], database: &str) -> i64 {
    let Some((names, rows)) = pools.split_first() else { return 0 };
    let at = |name: &str| names.iter().position(|n| n == name);
    let (Some(key), Some(active)) = (at("database"), at("sv_active")) else {
        return 0;
    };
    let of = rows.iter().filter(|r| r.get(key).is_some_and(|d| d == database));
    of.filter_map(|r| r.get(active)?.parse::<i64>().ok()).sum()
}
