//! The catalogue with somebody who notes what its actions see and decide while a plan is made; and the same with a bug planted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::action::CATALOG;
use crate::base::value::Value;
use crate::model::action::{
    Action, ActionKind, Arguments, BindError, Catalog, Context, Decision, Observation, ReadError, Settle, Signature, Verdict,
};
use crate::model::operation::{Operation, Output};

/// What an action saw and decided.
#[derive(Clone, Debug)]
pub struct Note {
    pub action: &'static str,
    pub host: Option<String>,
    pub arguments: Arguments,
    pub seen: Observation,
    pub decision: Decision,
}

/// A bug in what an action says about its change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A service that is stopped is said to run.
    StoppedRuns,
    /// An edit is not told to later steps.
    EditForgotten,
    /// An edit is told with another content than is written.
    OtherContent,
    /// A member that is taken out is said to be in.
    MemberStays,
    /// A program is said to touch nothing.
    NoTaint,
    /// A file that is as wanted is said to need a change.
    AlwaysWrites,
    /// A service that does not run is said to run already.
    NeverStarts,
}

pub const BUGS: [Bug; 7] = [
    Bug::StoppedRuns,
    Bug::EditForgotten,
    Bug::OtherContent,
    Bug::MemberStays,
    Bug::NoTaint,
    Bug::AlwaysWrites,
    Bug::NeverStarts,
];

type Notes = Arc<Mutex<Vec<Note>>>;

/// The real catalogue, watched.
pub struct Spy {
    kinds: BTreeMap<&'static str, Watched>,
    notes: Notes,
}

struct Watched {
    kind: &'static dyn ActionKind,
    notes: Notes,
    bug: Option<Bug>,
}

struct WatchedAction {
    action: Box<dyn Action>,
    notes: Notes,
    bug: Option<Bug>,
    name: &'static str,
    host: Option<String>,
    arguments: Arguments,
}

impl Spy {
    pub fn new(bug: Option<Bug>) -> Spy {
        let notes = Notes::default();
        let watch = |name: &'static str| {
            let kind = CATALOG.get(name).expect("it names what it has");
            let notes = notes.clone();
            (name, Watched { kind, notes, bug })
        };
        Spy {
            kinds: CATALOG.names().into_iter().map(watch).collect(),
            notes: notes.clone(),
        }
    }

    /// What was noted since the last time.
    pub fn notes(&self) -> Vec<Note> {
        std::mem::take(&mut self.notes.lock().unwrap())
    }
}

impl Catalog for Spy {
    fn get(&self, name: &str) -> Option<&dyn ActionKind> {
        self.kinds.get(name).map(|k| k as &dyn ActionKind)
    }

    fn names(&self) -> Vec<&'static str> {
        self.kinds.keys().copied().collect()
    }
}

impl ActionKind for Watched {
    fn signature(&self) -> &'static Signature {
        self.kind.signature()
    }

    fn bind(&self, arguments: &Arguments, context: &Context<'_>) -> Result<Box<dyn Action>, BindError> {
        Ok(Box::new(WatchedAction {
            action: self.kind.bind(arguments, context)?,
            notes: self.notes.clone(),
            bug: self.bug,
            name: self.kind.signature().name,
            host: context.host.map(|h| h.name.to_string()),
            arguments: arguments.clone(),
        }))
    }
}

impl Action for WatchedAction {
    fn probe(&self) -> Vec<Operation> {
        self.action.probe()
    }

    fn read(&self, outputs: &[Output]) -> Result<Observation, ReadError> {
        self.action.read(outputs)
    }

    fn decide(&self, seen: &Observation) -> Decision {
        let mut decision = self.action.decide(seen);
        if let Some(bug) = self.bug {
            plant(bug, self.name, &self.arguments, &mut decision);
        }
        self.notes.lock().unwrap().push(Note {
            action: self.name,
            host: self.host.clone(),
            arguments: self.arguments.clone(),
            seen: seen.clone(),
            decision: decision.clone(),
        });
        decision
    }

    fn verify(&self) -> Vec<Operation> {
        self.action.verify()
    }

    fn judge(&self, before: &Observation, performed: &[Output], after: &Observation) -> Verdict {
        self.action.judge(before, performed, after)
    }

    fn settle(&self) -> Settle {
        self.action.settle()
    }

    fn result(&self, seen: &Observation, performed: &[Output]) -> Value {
        self.action.result(seen, performed)
    }
}

fn put(value: &mut Value, field: &str, new: Value) {
    if let Value::Map(map) = value {
        map.insert(field.to_owned(), new);
    }
}

fn plant(bug: Bug, name: &str, arguments: &Arguments, decision: &mut Decision) {
    let edit = name.starts_with("file.");
    match (bug, &mut *decision) {
        (Bug::StoppedRuns, Decision::Change(change)) if arguments.text("state") == Some("stopped") => {
            change
                .predicted
                .iter_mut()
                .for_each(|(_, v)| put(v, "state", Value::text("started")));
        }
        (Bug::EditForgotten, Decision::Change(change)) if edit => change.predicted.clear(),
        (Bug::OtherContent, Decision::Change(change)) if edit => {
            change.predicted.iter_mut().for_each(|(_, v)| put(v, "content", Value::text("?")));
        }
        (Bug::MemberStays, Decision::Change(change)) if name == "pool.member" => {
            change.predicted.retain(|(key, _)| !key.path.contains("member/"));
        }
        (Bug::NoTaint, Decision::Change(change)) => change.taints.clear(),
        (Bug::AlwaysWrites, Decision::InDesiredState) if name == "file.write" && arguments.text("state").is_none() => {
            *decision = Decision::Change(crate::model::action::Change {
                summary: String::from("new content"),
                diff: None,
                notes: Vec::new(),
                operations: Vec::new(),
                predicted: Vec::new(),
                taints: Vec::new(),
                undo: crate::model::action::Undo::Nothing,
            });
        }
        (Bug::NeverStarts, Decision::Change(_)) if name == "service" && arguments.text("state") == Some("started") => {
            *decision = Decision::InDesiredState;
        }
        _ => {}
    }
}
