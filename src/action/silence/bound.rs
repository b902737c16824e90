//! Both ways of `silence`, bound: making one that lasts long enough, and ending one.

use std::time::Duration;

use super::api::{Alertmanager, Listed, Matcher, is_id, shown};
use crate::action::outcome::unexpected;
use crate::base::clock::{Timestamp, friendly};
use crate::base::sanitise::one_line;
use crate::base::value::Value;
use crate::model::action::{
    Action, Arguments, BindError, Change, Decision, Observation, ReadError, ResourceKey, Scope, Settle, Undo, Verdict,
};
use crate::model::operation::{Operation, Output};

const SETTLE: Settle = Settle {
    within: Duration::from_secs(10),
    every: Duration::from_millis(500),
};

fn key(api: &Alertmanager, which: &str) -> ResourceKey {
    ResourceKey {
        scope: Scope::Elsewhere,
        path: format!("silence/{}/{which}", api.url),
    }
}

/// What is known of the silences that are meant.
fn fact(on: &[&Listed], now: Timestamp) -> Value {
    let longest = on.iter().max_by_key(|s| s.ends);
    let left = longest.and_then(|s| s.ends).map_or(Duration::ZERO, |ends| ends.since(now));
    Value::map([
        ("on", Value::Bool(!on.is_empty())),
        ("ids", Value::List(on.iter().map(|s| Value::text(&s.id)).collect())),
        ("longest", longest.map_or(Value::Null, |s| Value::text(&s.id))),
        ("lasts", Value::Duration(left)),
        ("asked_at", Value::Int(now.0)),
    ])
}

/// The same after a change, as far as it can be told.
fn then(on: bool, lasts: Duration) -> Value {
    let gone = |value: Value| if on { Value::Unknown } else { value };
    Value::map([
        ("on", Value::Bool(on)),
        ("ids", gone(Value::List(Vec::new()))),
        ("longest", gone(Value::Null)),
        ("lasts", Value::Duration(lasts)),
        ("asked_at", Value::Unknown),
    ])
}

fn field(seen: &Observation, key: &ResourceKey, name: &str) -> Value {
    seen.get(key).and_then(|f| f.field(name)).unwrap_or_default()
}

fn result(id: Value, on: Value) -> Value {
    Value::map([("silence_id", id), ("active", on)])
}

/// A silence that is to be on.
#[derive(Debug)]
pub struct Mute {
    pub api: Alertmanager,
    pub matchers: Vec<Matcher>,
    pub comment: String,
    pub duration: Duration,
}

impl Mute {
    fn key(&self) -> ResourceKey {
        key(&self.api, &shown(&self.matchers))
    }
}

impl Action for Mute {
    fn probe(&self) -> Vec<Operation> {
        vec![self.api.list(&self.matchers)]
    }

    fn read(&self, outputs: &[Output]) -> Result<Observation, ReadError> {
        let (list, now) = self.api.listed(outputs.first())?;
        let ours: Vec<&Listed> = list.iter().filter(|s| s.is_ours(&self.matchers)).collect();
        let mut seen = Observation::default();
        seen.set(self.key(), fact(&ours, now));
        Ok(seen)
    }

    fn decide(&self, seen: &Observation) -> Decision {
        let read = |name: &str| field(seen, &self.key(), name);
        let what = shown(&self.matchers);
        let lasts = match (read("on"), read("lasts")) {
            (Value::Bool(true), Value::Duration(lasts)) => Some(lasts),
            (Value::Bool(false), _) => None,
            _ => return Decision::Unknown(format!("whether {what} is silent is known at run time")),
        };
        if lasts.is_some_and(|lasts| lasts >= self.duration / 2) {
            return Decision::InDesiredState;
        }
        let Some(now) = read("asked_at").as_int() else {
            return Decision::Unknown(format!("how long {what} is silent is known at run time"));
        };
        let longest = read("longest");
        let id = longest.as_text().filter(|_| lasts.is_some());
        let matchers = self.matchers.iter().map(|m| {
            let mark = if m.regex { "~" } else { "" };
            (m.name.clone(), Value::Text(format!("{mark}{}", m.value)))
        });
        let undo = Arguments::from_pairs([
            ("matchers", Value::Map(matchers.collect())),
            ("state", Value::text("expired")),
            ("url", Value::text(&self.api.url)),
        ]);
        Decision::Change(Change {
            summary: format!(
                "{} {what} for {}",
                if id.is_some() { "go on silencing" } else { "silence" },
                friendly(self.duration)
            ),
            diff: None,
            notes: vec![format!("comment: {}", one_line(&self.comment, 200))],
            operations: vec![self.api.put(id, &self.matchers, Timestamp(now), self.duration, &self.comment)],
            predicted: vec![(self.key(), then(true, self.duration))],
            taints: Vec::new(),
            undo: Undo::Call {
                action: String::from("silence"),
                arguments: undo,
            },
        })
    }

    fn judge(&self, _before: &Observation, performed: &[Output], after: &Observation) -> Verdict {
        let id = match self.api.made(performed.last()) {
            Ok(id) => id,
            Err(error) => return Verdict::Failed(error.message),
        };
        let ids = field(after, &self.key(), "ids");
        if ids
            .as_list()
            .is_some_and(|list| list.iter().any(|i| i.as_text() == Some(id.as_str())))
        {
            return Verdict::Done;
        }
        Verdict::NotYet(format!("Alertmanager has taken silence {id}, but does not list it as active"))
    }

    fn settle(&self) -> Settle {
        SETTLE
    }

    fn result(&self, seen: &Observation, performed: &[Output]) -> Value {
        let id = match performed {
            [] => field(seen, &self.key(), "longest"),
            some => self.api.made(some.last()).map_or(Value::Unknown, Value::Text),
        };
        result(id, field(seen, &self.key(), "on"))
    }
}

/// Silences that are to end.
#[derive(Debug)]
pub struct Expire {
    api: Alertmanager,
    which: Which,
}

#[derive(Debug)]
enum Which {
    Id(String),
    Matchers(Vec<Matcher>),
}

impl Expire {
    pub fn by_id(api: Alertmanager, id: &str) -> Result<Expire, BindError> {
        if !is_id(id) {
            let message = format!("`{}` is no id of a silence", one_line(id, 80));
            return Err(BindError::new("id", message).help("use `\"{{steps.STEP.silence_id}}\"` of the step that made it"));
        }
        Ok(Expire {
            api,
            which: Which::Id(id.to_owned()),
        })
    }

    pub fn by_matchers(api: Alertmanager, matchers: Vec<Matcher>) -> Expire {
        Expire {
            api,
            which: Which::Matchers(matchers),
        }
    }

    fn words(&self) -> String {
        match &self.which {
            Which::Id(id) => id.clone(),
            Which::Matchers(matchers) => shown(matchers),
        }
    }

    fn key(&self) -> ResourceKey {
        key(&self.api, &self.words())
    }
}

impl Action for Expire {
    fn probe(&self) -> Vec<Operation> {
        vec![match &self.which {
            Which::Id(id) => self.api.get(id),
            Which::Matchers(matchers) => self.api.list(matchers),
        }]
    }

    fn read(&self, outputs: &[Output]) -> Result<Observation, ReadError> {
        let (list, now) = self.api.listed(outputs.first())?;
        let meant = |s: &&Listed| match &self.which {
            Which::Id(id) => s.on && s.id == *id,
            Which::Matchers(matchers) => s.is_ours(matchers),
        };
        let on: Vec<&Listed> = list.iter().filter(meant).collect();
        let mut seen = Observation::default();
        seen.set(self.key(), fact(&on, now));
        Ok(seen)
    }

    fn decide(&self, seen: &Observation) -> Decision {
        match field(seen, &self.key(), "on") {
            Value::Bool(false) => return Decision::InDesiredState,
            Value::Bool(true) => {}
            _ => return Decision::Unknown(format!("whether silence {} is on is known at run time", self.words())),
        }
        // In a preview after the step that makes it, it has no id yet.
        let ids = field(seen, &self.key(), "ids");
        let (ids, off) = match ids.as_list() {
            Some(ids) => (ids, then(false, Duration::ZERO)),
            None => (&[][..], Value::Unknown),
        };
        Decision::Change(Change {
            summary: format!("end the silence {}", self.words()),
            diff: None,
            notes: Vec::new(),
            operations: ids.iter().filter_map(Value::as_text).map(|id| self.api.end(id)).collect(),
            predicted: vec![(self.key(), off)],
            taints: Vec::new(),
            undo: Undo::Keep,
        })
    }

    fn judge(&self, _before: &Observation, performed: &[Output], after: &Observation) -> Verdict {
        for output in performed {
            match output {
                Output::Http { status: 200..300, .. } => {}
                Output::Http { status, body, .. } => {
                    let words = one_line(body, 200);
                    return Verdict::Failed(format!("Alertmanager at {} answered {status}: {words}", self.api.url));
                }
                other => return Verdict::Failed(unexpected(Some(other), "an answer of Alertmanager").message),
            }
        }
        match field(after, &self.key(), "on") {
            Value::Bool(false) => Verdict::Done,
            _ => Verdict::NotYet(String::from("Alertmanager still lists it as active")),
        }
    }

    fn settle(&self) -> Settle {
        SETTLE
    }

    fn result(&self, seen: &Observation, _performed: &[Output]) -> Value {
        let id = match &self.which {
            Which::Id(id) => Value::text(id),
            Which::Matchers(_) => field(seen, &self.key(), "longest"),
        };
        result(id, field(seen, &self.key(), "on"))
    }
}
