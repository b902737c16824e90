//! Running a program of the user's: what `command` and `shell` have in common.
//!
//! Assumes an argument vector; knows nothing about how it was written. Never builds a command line out of texts.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::action::outcome::{Exited, exited, unexpected};
use crate::action::place::Place;
use crate::base::quote;
use crate::base::sanitise::one_line;
use crate::base::secret::Sensitive;
use crate::base::value::Value;
use crate::model::action::{
    Action, Arguments, BindError, Change, Class, Context, Decision, Observation, PoolEffect, ReadError, ResourceKey, Settle, Undo, Verdict,
};
use crate::model::operation::{Act, Operation, Output};
use crate::model::types::Type;

/// Parameters that every program takes, after those given.
macro_rules! program_parameters {
    ($($own:expr),* $(,)?) => {{
        use $crate::action::declare::{may_be_secret, optional};
        use $crate::model::action::ParameterKind as Kind;
        &[
            $($own,)*
            optional("cwd", Kind::Path, "Working directory. Default: the home directory of the user it runs as."),
            may_be_secret(optional("env", Kind::TextMap, "Variables added to its environment; a `secret` may stand here.")),
            may_be_secret(optional("stdin", Kind::Text, "Its standard input; a `secret` may stand here. Default: empty.")),
            optional("creates", Kind::Path, "What the program makes: when this path exists, there is nothing to do, and afterwards it must exist."),
            optional("removes", Kind::Path, "What the program takes away: when this path does not exist, there is nothing to do, and afterwards it must not exist."),
            optional("read_only", Kind::Bool, "Your word that it changes nothing: it then also runs when a plan is made, and the step needs no `undo`. Default: false."),
            optional("ok_exit_codes", Kind::IntList, "Exit codes that are no failure. Default: [0]."),
            optional("changed", Kind::Expression, "Whether something was changed, told from `result`. Default: always, unless `read_only`."),
            optional("max_lines", Kind::Int, "Keep only so many lines of each stream, the first ones. Default: all, up to 1 MiB."),
        ]
    }};
}
pub(crate) use program_parameters;

/// What both say about themselves, after their own docs.
macro_rules! program_docs {
    ($own:literal) => {
        concat!(
            $own,
            "\n\nIts effect is not known beforehand: a plan shows what would run and says so, and takes everything about the host as \
             unknown afterwards. Unless it is `read_only`, the step must say how to take it back (`undo:` with steps, `keep` or `none`), \
             and it counts as a disturbance of the pools its host is a member of (`pool_effect: none` says otherwise).\n\nA step fails \
             when the exit code is not among `ok_exit_codes`; the message repeats the last lines of standard error. When `creates` or \
             `removes` says that there is nothing to do, `exit_code` is 0 and the rest is empty."
        )
    };
}
pub(crate) use program_docs;

/// The fields of `steps.ID` for a program.
#[must_use]
pub fn results() -> Type {
    Type::record([
        ("exit_code", Type::Int),
        ("stdout", Type::Text),
        ("stderr", Type::Text),
        ("stdout_lines", Type::list(Type::Text)),
    ])
}

/// A probe when the author says so, else something that cannot be taken back by itself.
#[must_use]
pub fn class_of(literal: &dyn Fn(&str) -> Option<Value>) -> Class {
    match literal("read_only") {
        Some(Value::Bool(true)) => Class::Probe,
        _ => Class::Destructive,
    }
}

/// A program that changes something may disturb what its host serves.
#[must_use]
pub fn pool_effect(literal: &dyn Fn(&str) -> Option<Value>) -> PoolEffect {
    match class_of(literal) {
        Class::Probe => PoolEffect::None,
        _ => PoolEffect::DisturbsHost,
    }
}

/// A bound program.
#[derive(Debug)]
pub struct Program {
    place: Place,
    argv: Vec<String>,
    /// For people: the argument vector, or the script.
    shown: String,
    cwd: Option<String>,
    env: BTreeMap<String, Sensitive>,
    stdin: Sensitive,
    creates: Option<String>,
    removes: Option<String>,
    read_only: bool,
    ok_exit_codes: Vec<i64>,
    max_lines: Option<usize>,
}

impl Program {
    /// Binds the common parameters.
    ///
    /// # Errors
    /// `creates` or `removes` on a read-only program, a variable name that no environment can hold, fewer lines than none.
    pub fn bind(argv: Vec<String>, shown: String, arguments: &Arguments, context: &Context<'_>) -> Result<Program, BindError> {
        let read_only = arguments.bool("read_only", false);
        for name in ["creates", "removes"] {
            if read_only && arguments.get(name).is_some() {
                return Err(BindError::new(
                    name,
                    format!("a `read_only` program has nothing that `{name}` could stand for"),
                ));
            }
        }
        let max_lines = match arguments.int("max_lines") {
            None => None,
            Some(n) => Some(usize::try_from(n).map_err(|_| BindError::new("max_lines", format!("expected 0 or more, found {n}")))?),
        };
        Ok(Program {
            place: Place::of(context),
            argv,
            shown,
            cwd: arguments.text("cwd").map(str::to_owned),
            env: environment(arguments)?,
            stdin: arguments.sensitive("stdin").unwrap_or_default(),
            creates: arguments.text("creates").map(str::to_owned),
            removes: arguments.text("removes").map(str::to_owned),
            read_only,
            ok_exit_codes: exit_codes(arguments),
            max_lines,
        })
    }

    fn key(&self) -> ResourceKey {
        self.place.key(format!("program/{}", self.shown))
    }

    fn watched(&self) -> impl Iterator<Item = (&str, bool)> {
        let creates = self.creates.as_deref().map(|path| (path, true));
        creates.into_iter().chain(self.removes.as_deref().map(|path| (path, false)))
    }

    /// The whole probe of a read-only program. A probe has no directory of its own, so `sh` sets it.
    fn probe_argv(&self) -> Vec<String> {
        let mut argv = Vec::new();
        if let Some(cwd) = &self.cwd {
            let enter = ["sh", "-c", "cd -- \"$1\" && shift && exec \"$@\"", "sh", cwd];
            argv.extend(enter.map(str::to_owned));
        }
        argv.extend(self.argv.iter().cloned());
        argv
    }

    fn fields(&self, ended: Exited<'_>) -> Value {
        let stdout = self.first_lines(ended.stdout);
        Value::map([
            ("exit_code", Value::Int(i64::from(ended.code))),
            ("stdout_lines", Value::List(stdout.lines().map(Value::text).collect())),
            ("stdout", Value::Text(stdout)),
            ("stderr", Value::Text(self.first_lines(ended.stderr))),
        ])
    }

    fn first_lines(&self, text: &str) -> String {
        match self.max_lines {
            Some(most) => text.split_inclusive('\n').take(most).collect(),
            None => text.to_owned(),
        }
    }

    fn refuse_exit_code(&self, ended: Exited<'_>) -> Option<String> {
        (!self.ok_exit_codes.contains(&i64::from(ended.code))).then(|| format!("`{}` {}", one_line(&self.shown, 80), ended.ending()))
    }

    fn change(&self) -> Change {
        let act = Act::Run {
            argv: self.argv.clone(),
            stdin: self.stdin.clone(),
            env: self.env.clone(),
            cwd: self.cwd.clone(),
        };
        let existence = |(path, exists): (&str, bool)| (self.place.key(format!("file/{path}")), unread_file(exists));
        let mut predicted: Vec<(ResourceKey, Value)> = self.watched().map(existence).collect();
        predicted.push((self.key(), Value::Unknown));
        Change {
            summary: format!("run {}", one_line(&self.shown, 200)),
            diff: None,
            notes: vec![String::from("effect unknown")],
            operations: vec![self.place.operation(act)],
            predicted,
            taints: vec![self.place.scope()],
            undo: Undo::Impossible,
        }
    }
}

impl Action for Program {
    fn probe(&self) -> Vec<Operation> {
        if !self.read_only {
            return self.watched().map(|(path, _)| self.place.probe(["test", "-e", path])).collect();
        }
        vec![self.place.operation(Act::Probe {
            argv: self.probe_argv(),
            stdin: self.stdin.clone(),
            env: self.env.clone(),
        })]
    }

    fn read(&self, outputs: &[Output]) -> Result<Observation, ReadError> {
        let mut seen = Observation::default();
        if self.read_only {
            let ended = exited(outputs.first())?;
            if let Some(why) = self.refuse_exit_code(ended) {
                return Err(ReadError::new(why));
            }
            seen.set(self.key(), self.fields(ended));
        }
        for ((path, _), output) in self.watched().zip(outputs) {
            let exists = match exited(Some(output))?.code {
                0 => true,
                1 => false,
                _ => return Err(unexpected(Some(output), "whether a path exists")),
            };
            seen.set(self.place.key(format!("file/{path}")), unread_file(exists));
        }
        Ok(seen)
    }

    fn decide(&self, seen: &Observation) -> Decision {
        if self.read_only {
            return Decision::InDesiredState;
        }
        for (path, wanted) in self.watched() {
            match seen
                .get(&self.place.key(format!("file/{path}")))
                .and_then(|file| file.field("exists"))
            {
                Some(Value::Bool(exists)) if exists == wanted => return Decision::InDesiredState,
                Some(Value::Bool(_)) => {}
                _ => return Decision::Unknown(format!("whether {path} exists is known at run time")),
            }
        }
        Decision::Change(self.change())
    }

    fn judge(&self, _before: &Observation, performed: &[Output], after: &Observation) -> Verdict {
        let ended = match exited(performed.last()) {
            Ok(ended) => ended,
            Err(error) => return Verdict::Failed(error.message),
        };
        if let Some(why) = self.refuse_exit_code(ended) {
            return Verdict::Failed(why);
        }
        for (path, wanted) in self.watched() {
            let exists = after
                .get(&self.place.key(format!("file/{path}")))
                .and_then(|file| file.field("exists"));
            if exists != Some(Value::Bool(wanted)) {
                let state = if wanted { "does not exist" } else { "still exists" };
                return Verdict::NotYet(format!("the program ended with {}, but {path} {state}", ended.code));
            }
        }
        Verdict::Done
    }

    fn settle(&self) -> Settle {
        Settle {
            within: Duration::from_secs(5),
            every: Duration::from_millis(500),
        }
    }

    fn result(&self, seen: &Observation, performed: &[Output]) -> Value {
        if let Ok(ended) = exited(performed.last()) {
            return self.fields(ended);
        }
        let nothing_ran = Exited {
            code: 0,
            stdout: "",
            stderr: "",
        };
        match seen.get(&self.key()) {
            Some(value) if !matches!(value, Value::Unknown) => value.clone(),
            None if self.decide(seen) == Decision::InDesiredState => self.fields(nothing_ran),
            _ => Value::map(["exit_code", "stdout", "stderr", "stdout_lines"].map(|name| (name, Value::Unknown))),
        }
    }
}

/// Of a file only its existence is known.
fn unread_file(exists: bool) -> Value {
    let unknown = if exists { Value::Unknown } else { Value::Null };
    Value::map([
        ("exists", Value::Bool(exists)),
        ("content", unknown.clone()),
        ("utf8", unknown.clone()),
        ("sha256", unknown.clone()),
        ("mode", unknown.clone()),
        ("owner", unknown.clone()),
        ("group", unknown),
    ])
}

fn exit_codes(arguments: &Arguments) -> Vec<i64> {
    match arguments.get("ok_exit_codes").and_then(Value::as_list) {
        Some(codes) => codes.iter().filter_map(Value::as_int).collect(),
        None => vec![0],
    }
}

fn environment(arguments: &Arguments) -> Result<BTreeMap<String, Sensitive>, BindError> {
    let variables = arguments.sensitive_map("env");
    for name in variables.keys() {
        let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !plain || name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(
                BindError::new("env", format!("`{name}` is no name of an environment variable")).help("use letters, digits and `_`")
            );
        }
    }
    Ok(variables)
}

/// Shows an argument vector to a person.
#[must_use]
pub fn shown(argv: &[String]) -> String {
    quote::show(argv.iter().map(String::as_str))
}
