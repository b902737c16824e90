//! A request, bound: made as a probe or as a change, and what its answer means.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::action::outcome::unexpected;
use crate::action::place::Place;
use crate::base::sanitise::one_line;
use crate::base::secret::Sensitive;
use crate::base::value::Value;
use crate::model::action::{Action, Change, Decision, Observation, ReadError, ResourceKey, Scope, Settle, Undo, Verdict};
use crate::model::operation::{Act, Operation, Output};

/// A bound request.
#[derive(Debug)]
pub struct Request {
    pub place: Place,
    /// Under which the answer is known: one per inventory host that may be the one asked, so that a restart there makes it unknown.
    pub scopes: Vec<Scope>,
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, Sensitive)>,
    pub body: String,
    pub accepted: Accepted,
    pub reads: bool,
    pub unless: Option<String>,
}

/// Status codes that are no failure.
#[derive(Debug)]
pub enum Accepted {
    Any,
    Success,
    These(Vec<i64>),
}

impl Accepted {
    fn holds(&self, status: i64) -> bool {
        match self {
            Accepted::Any => true,
            Accepted::Success => (200..300).contains(&status),
            Accepted::These(codes) => codes.contains(&status),
        }
    }
}

impl Request {
    fn operation(&self, method: &str, url: &str, read_only: bool) -> Operation {
        let own = url == self.url && method == self.method;
        self.place.operation(Act::Http {
            method: method.to_owned(),
            url: url.to_owned(),
            headers: self.headers.clone(),
            body: if own { self.body.clone() } else { String::new() },
            read_only,
        })
    }

    fn key(&self, scope: &Scope) -> ResourceKey {
        let from = self.place.name();
        let path = match &self.unless {
            _ if self.reads => format!("http/{} {} from {from}", self.method, self.url),
            Some(unless) => format!("http/GET {unless} from {from}"),
            None => format!("http/GET {} from {from}", self.url),
        };
        ResourceKey {
            scope: scope.clone(),
            path,
        }
    }

    /// The answer as far as it is still known: a restart of any host that may have been asked makes it unknown.
    fn answer(&self, seen: &Observation) -> Value {
        let answers: Vec<&Value> = self.scopes.iter().filter_map(|scope| seen.get(&self.key(scope))).collect();
        match answers.iter().find(|answer| matches!(answer, Value::Unknown)) {
            Some(_) => Value::Unknown,
            None => answers.first().copied().cloned().unwrap_or(Value::Null),
        }
    }

    fn refuses(&self, answer: &Value) -> Option<String> {
        let status = answer.field("status").and_then(|s| s.as_int()).unwrap_or(0);
        if self.accepted.holds(status) {
            return None;
        }
        let said = |name: &str| answer.field(name).and_then(|v| v.as_text().map(str::to_owned)).unwrap_or_default();
        let answered = match status {
            0 => format!("got no answer: {}", said("error")),
            _ => format!("answered {status}: {}", one_line(&said("body"), 200)),
        };
        Some(format!("{} {} {}", self.method, self.url, answered.trim_end_matches(": ")))
    }
}

impl Action for Request {
    fn probe(&self) -> Vec<Operation> {
        match &self.unless {
            _ if self.reads => vec![self.operation(&self.method, &self.url, true)],
            Some(unless) => vec![self.operation("GET", unless, true)],
            None => Vec::new(),
        }
    }

    fn read(&self, outputs: &[Output]) -> Result<Observation, ReadError> {
        let mut seen = Observation::default();
        if !self.reads && self.unless.is_none() {
            return Ok(seen);
        }
        let answer = answer(outputs.first())?;
        if let (true, Some(why)) = (self.reads, self.refuses(&answer)) {
            return Err(ReadError::new(why));
        }
        for scope in &self.scopes {
            seen.set(self.key(scope), answer.clone());
        }
        Ok(seen)
    }

    fn decide(&self, seen: &Observation) -> Decision {
        if self.reads {
            return Decision::InDesiredState;
        }
        let known = self.answer(seen);
        if let Some(unless) = &self.unless {
            match known.field("status") {
                Some(Value::Int(200..300)) => return Decision::InDesiredState,
                Some(Value::Int(_)) => {}
                _ => return Decision::Unknown(format!("what {unless} answers is known at run time")),
            }
        }
        Decision::Change(Change {
            summary: format!("{} {}", self.method, one_line(&self.url, 200)),
            diff: None,
            notes: vec![String::from("effect unknown")],
            operations: vec![self.operation(&self.method, &self.url, false)],
            predicted: self
                .scopes
                .iter()
                .map(|scope| (self.key(scope), if self.unless.is_some() { succeeded() } else { Value::Unknown }))
                .collect(),
            taints: self.scopes.clone(),
            undo: Undo::Impossible,
        })
    }

    fn judge(&self, _before: &Observation, performed: &[Output], after: &Observation) -> Verdict {
        match answer(performed.last()).map(|made| self.refuses(&made)) {
            Err(error) => return Verdict::Failed(error.message),
            Ok(Some(why)) => return Verdict::Failed(why),
            Ok(None) => {}
        }
        let Some(unless) = &self.unless else {
            return Verdict::Done;
        };
        match self.answer(after).field("status").and_then(|s| s.as_int()) {
            Some(200..300) => Verdict::Done,
            status => Verdict::NotYet(format!("GET {unless} still answers {}", status.unwrap_or(0))),
        }
    }

    fn settle(&self) -> Settle {
        Settle {
            within: Duration::from_secs(10),
            every: Duration::from_millis(500),
        }
    }

    fn result(&self, seen: &Observation, performed: &[Output]) -> Value {
        let made = match performed.last() {
            Some(output) => answer(Some(output)).unwrap_or(Value::Unknown),
            None if self.reads || self.decide(seen) == Decision::InDesiredState => self.answer(seen),
            None => Value::Unknown,
        };
        let field = |name| (name, made.field(name).unwrap_or_default());
        Value::map(["status", "headers", "body", "json", "error"].map(field))
    }
}

/// What `unless` will answer when the request has worked.
fn succeeded() -> Value {
    Value::map([
        ("status", Value::Int(200)),
        ("headers", Value::Unknown),
        ("body", Value::Unknown),
        ("json", Value::Unknown),
        ("error", Value::text("")),
    ])
}

/// An answer, or why there is none.
fn answer(output: Option<&Output>) -> Result<Value, ReadError> {
    match output {
        Some(Output::Http { status, headers, body }) => {
            let json = serde_json::from_str(body).map_or(Value::Null, |json| Value::from_json(&json));
            let headers: BTreeMap<String, Value> = headers.iter().map(|(k, v)| (k.clone(), Value::text(v))).collect();
            Ok(Value::map([
                ("status", Value::Int(i64::from(*status))),
                ("headers", Value::Map(headers)),
                ("body", Value::text(body)),
                ("json", json),
                ("error", Value::text("")),
            ]))
        }
        Some(Output::Failed(trouble)) => Ok(Value::map([
            ("status", Value::Int(0)),
            ("headers", Value::map([])),
            ("body", Value::text("")),
            ("json", Value::Null),
            ("error", Value::text(&trouble.message)),
        ])),
        other => Err(unexpected(other, "an HTTP answer")),
    }
}
