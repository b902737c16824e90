//! `process`: signals processes, and makes sure that they end.

mod list;

use std::time::Duration;

use regex_lite::Regex;

use crate::action::declare::optional;
use crate::action::file::search::regex;
use crate::action::outcome::{exited, first_failure};
use crate::action::place::Place;
use crate::base::clock::friendly;
use crate::base::sanitise::one_line;
use crate::base::size;
use crate::base::value::Value;
use crate::model::action::{
    Action, ActionKind, Arguments, BindError, Change, Class, Context, Decision, Literals, Observation, ParameterKind, PoolEffect,
    ReadError, ResourceKey, RunsOn, Settle, Signature, Undo, Verdict,
};
use crate::model::operation::{Operation, Output};
use crate::model::types::Type;

use list::Process;

const LIST: &str = include_str!("list.sh");
const SIGNAL: &str = include_str!("signal.sh");
/// Signals that are meant to end a process.
const ENDING: &[&str] = &["TERM", "INT", "QUIT", "KILL"];
/// If the step says nothing.
const GRACE: Duration = Duration::from_secs(10);
/// Processes that the plan names one by one.
const SHOWN: usize = 20;

/// See the signature.
pub struct Kill;

static SIGNATURE: Signature = Signature {
    name: "process",
    summary: "Signals processes, and makes sure that they end.",
    docs: "For what no service manager looks after; a service is stopped or restarted with `service`. The plan names the processes; \
           more than `max_count` are refused, and none at all is nothing to do. A process is known by its number and its start, so that \
           a later one of the same number is never meant. The first process of the host, threads of the kernel and our own session are \
           left out.\n\n`TERM`, `INT` and `QUIT` are followed by `KILL` for whoever still runs after `grace`. The step is done when \
           those processes are gone, even if somebody has started new ones. `HUP`, `USR1` and `USR2` are sent, and that is all.\n\n\
           What has ended cannot be brought back, so the step must say `undo:`, and it counts as a disturbance of the pools its host \
           is a member of (`pool_effect: none` says otherwise).",
    parameters: &[
        optional(
            "match",
            ParameterKind::Text,
            "A regular expression for the whole command line. Either this or `pid`.",
        ),
        optional("pid", ParameterKind::Int, "The number of one process."),
        optional("user", ParameterKind::Text, "Only processes of this user. Default: anybody's."),
        optional(
            "signal",
            ParameterKind::Choice(&["TERM", "INT", "QUIT", "KILL", "HUP", "USR1", "USR2"]),
            "What to send. Default: TERM.",
        ),
        optional(
            "grace",
            ParameterKind::Duration,
            "How long a process may take to end before `KILL`. Default: 10s.",
        ),
        optional("max_count", ParameterKind::Int, "Refuse when more processes are meant. Default: 1."),
    ],
    shorthand: None,
    results,
    class: Class::Destructive,
    class_of: Some(class_of),
    runs_on: RunsOn::HostOrControl,
    repeatable: true,
    pool_effect: Some(|_| PoolEffect::DisturbsHost),
    example: r#"
id: runaway
name: End the report that has run away
hosts: web-01
run_as: root
process: { match: "^/usr/bin/php /srv/app/report\\.php", user: www-data, max_count: 3 }
undo: none
"#,
};

fn results() -> Type {
    let process = Type::record([
        ("pid", Type::Int),
        ("user", Type::Text),
        ("bytes", Type::Int),
        ("command", Type::Text),
    ]);
    Type::record([("signalled", Type::Int), ("killed", Type::Int), ("running", Type::list(process))])
}

fn class_of(literal: Literals<'_>) -> Class {
    match literal("signal") {
        Some(Value::Text(signal)) if !ENDING.contains(&signal.as_str()) => Class::Passing,
        _ => Class::Destructive,
    }
}

impl ActionKind for Kill {
    fn signature(&self) -> &'static Signature {
        &SIGNATURE
    }

    fn bind(&self, arguments: &Arguments, context: &Context<'_>) -> Result<Box<dyn Action>, BindError> {
        let who = match (arguments.text("match"), arguments.int("pid")) {
            (Some(pattern), None) => Who::Match(regex("match", pattern)?),
            (None, Some(pid)) if pid > 1 => Who::Pid(pid),
            (None, Some(pid)) => return Err(BindError::new("pid", format!("{pid} is no process that may be signalled"))),
            (None, None) => return Err(BindError::new("match", "neither `match` nor `pid` is given")),
            (Some(_), Some(_)) => return Err(BindError::new("pid", "`match` and `pid` exclude each other")),
        };
        let most = arguments.int("max_count").unwrap_or(1);
        let signal = arguments.text("signal").unwrap_or("TERM").to_owned();
        let ends = ENDING.contains(&signal.as_str());
        if !ends && arguments.get("grace").is_some() {
            return Err(BindError::new("grace", format!("{signal} is not meant to end a process")));
        }
        Ok(Box::new(Bound {
            place: Place::of(context),
            who,
            user: arguments.text("user").map(str::to_owned),
            grace: ends.then(|| arguments.duration("grace").unwrap_or(GRACE)),
            signal,
            most: usize::try_from(most).map_err(|_| BindError::new("max_count", format!("expected 0 or more, found {most}")))?,
        }))
    }
}

#[derive(Debug)]
enum Who {
    Match(Regex),
    Pid(i64),
}

#[derive(Debug)]
struct Bound {
    place: Place,
    who: Who,
    user: Option<String>,
    signal: String,
    /// `None`: the signal is not meant to end anybody.
    grace: Option<Duration>,
    most: usize,
}

impl Bound {
    fn key(&self) -> ResourceKey {
        let who = match &self.who {
            Who::Match(pattern) => pattern.to_string(),
            Who::Pid(pid) => pid.to_string(),
        };
        self.place.key(format!("processes/{} {who}", self.user.as_deref().unwrap_or("*")))
    }

    fn meant(&self, process: &Process) -> bool {
        let fits = match &self.who {
            Who::Match(pattern) => pattern.is_match(&process.command),
            Who::Pid(pid) => process.pid == *pid,
        };
        fits && self.user.as_ref().is_none_or(|user| *user == process.user)
    }

    fn processes(&self, seen: &Observation) -> Option<Vec<Process>> {
        seen.get(&self.key())?.as_list()?.iter().map(Process::of).collect()
    }

    fn send(&self, processes: &[Process]) -> Operation {
        let grace = self.grace.map_or_else(String::new, |g| g.as_secs().to_string());
        let mut argv: Vec<String> = ["sh", "-c", SIGNAL, "runbook", &self.signal, &grace].map(str::to_owned).into();
        argv.extend(processes.iter().map(|p| format!("{}:{}", p.pid, p.start)));
        let mut operation = self.place.run(argv);
        operation.timeout = operation.timeout.max(self.grace.unwrap_or_default() + Duration::from_secs(30));
        operation
    }
}

fn shown(processes: &[Process]) -> String {
    let one = |p: &Process| format!("{} ({}, {}) {}", p.pid, p.user, size::whole(p.bytes), one_line(&p.command, 100));
    let mut lines: Vec<String> = processes.iter().take(SHOWN).map(one).collect();
    if processes.len() > SHOWN {
        lines.push(format!("and {} more", processes.len() - SHOWN));
    }
    lines.join("; ")
}

impl Action for Bound {
    fn probe(&self) -> Vec<Operation> {
        // With the rights that the signal needs: `/proc` may hide other users' processes.
        vec![self.place.probe_script(LIST, &[])]
    }

    fn read(&self, outputs: &[Output]) -> Result<Observation, ReadError> {
        let ended = exited(outputs.first())?;
        let host = self.place.name();
        if ended.code != 0 || !ended.stdout.contains("@@ ps\n") {
            return Err(ReadError::new(format!("listing the processes of {host} {}", ended.ending())));
        }
        let found: Vec<Value> = list::read(ended.stdout)
            .iter()
            .filter(|p| self.meant(p))
            .map(Process::to_value)
            .collect();
        let mut seen = Observation::default();
        seen.set(self.key(), Value::List(found));
        Ok(seen)
    }

    fn decide(&self, seen: &Observation) -> Decision {
        let host = self.place.name();
        let Some(found) = self.processes(seen) else {
            return Decision::Unknown(format!("which processes of {host} are meant is known at run time"));
        };
        if found.is_empty() {
            return Decision::InDesiredState;
        }
        let some = if found.len() == 1 {
            String::from("1 process")
        } else {
            format!("{} processes", found.len())
        };
        if found.len() > self.most {
            return Decision::Refused(format!(
                "{some} of {host} are meant, more than `max_count: {}`: {}",
                self.most,
                shown(&found)
            ));
        }
        let then = self.grace.map_or_else(String::new, |g| match self.signal.as_str() {
            "KILL" => String::new(),
            _ => format!(", KILL after {}", friendly(g)),
        });
        Decision::Change(Change {
            summary: format!("{host}: {} to {some}{then}", self.signal),
            diff: None,
            notes: vec![shown(&found)],
            operations: vec![self.send(&found)],
            predicted: self.grace.map(|_| (self.key(), Value::List(Vec::new()))).into_iter().collect(),
            taints: vec![self.place.scope()],
            undo: if self.grace.is_some() { Undo::Impossible } else { Undo::Nothing },
        })
    }

    fn judge(&self, before: &Observation, performed: &[Output], after: &Observation) -> Verdict {
        if let Some(failed) = first_failure(performed, &|_| format!("kill -s {}", self.signal)) {
            return failed;
        }
        let told = Told::read(performed);
        if told.failed > 0 {
            let words = exited(performed.last()).map_or_else(|_| String::new(), |e| e.words());
            return Verdict::Failed(format!("{} of the processes could not be signalled: {words}", told.failed));
        }
        if self.grace.is_none() {
            return Verdict::Done;
        }
        let (was, is) = (
            self.processes(before).unwrap_or_default(),
            self.processes(after).unwrap_or_default(),
        );
        let left: Vec<Process> = is
            .into_iter()
            .filter(|p| was.iter().any(|w| (w.pid, w.start) == (p.pid, p.start)))
            .collect();
        match left.as_slice() {
            [] => Verdict::Done,
            some => Verdict::NotYet(format!("still there: {}", shown(some))),
        }
    }

    fn settle(&self) -> Settle {
        Settle {
            within: Duration::from_secs(5),
            every: Duration::from_millis(500),
        }
    }

    fn result(&self, seen: &Observation, performed: &[Output]) -> Value {
        let known = self.processes(seen);
        let told = match (performed, &known) {
            ([], Some(found)) if found.is_empty() => Some(Told::default()),
            ([], _) => None,
            (some, _) => Some(Told::read(some)),
        };
        let number = |n: Option<i64>| n.map_or(Value::Unknown, Value::Int);
        let process = |p: &Process| {
            Value::map([
                ("pid", Value::Int(p.pid)),
                ("user", Value::text(&p.user)),
                ("bytes", Value::Int(p.bytes)),
                ("command", Value::text(&p.command)),
            ])
        };
        let running = known.map_or(Value::Unknown, |found| Value::List(found.iter().map(process).collect()));
        Value::map([
            ("signalled", number(told.as_ref().map(|t| t.signalled))),
            ("killed", number(told.as_ref().map(|t| t.killed))),
            ("running", running),
        ])
    }
}

/// What became of each process.
#[derive(Debug, Default)]
struct Told {
    signalled: i64,
    killed: i64,
    failed: i64,
}

impl Told {
    fn read(performed: &[Output]) -> Told {
        let mut told = Told::default();
        let Ok(ended) = exited(performed.last()) else { return told };
        for line in ended.stdout.lines() {
            match line {
                "signalled" => told.signalled += 1,
                "killed" => told.killed += 1,
                "failed" => told.failed += 1,
                _ => {}
            }
        }
        told
    }
}
