//! What stands in the place of an action: who is asked what (`approve`, `manual`), and which branch is taken (`decide`).
//!
//! Which branch it is, and how long people are waited for, is judged here for the plan and for the run alike.

use std::collections::BTreeMap;
use std::time::Duration;

use super::branches;
use super::expand::{Entry, Place, Planner, new_node};
use super::forecast;
use super::judge::{self, Truth};
use super::results::Ending;
use crate::base::clock::{friendly, parse_duration};
use crate::base::id::RowId;
use crate::base::value::Value;
use crate::diagnostic::Diagnostic;
use crate::lang::template;
use crate::model::plan::{Forecast, Node};
use crate::model::runbook::{Approve, Body, Branch, Manual, Step, Within};
use crate::model::text::Scope;

/// What a `decide` comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decided {
    /// This word, and why.
    Is(String, String),
    /// Only the run can tell: this condition is not known.
    AtRunTime(String),
}

/// The first branch whose condition holds.
///
/// # Errors
/// A condition that cannot be evaluated (a missing key of a dynamic value, a division by zero).
pub fn decide(branches: &[Branch], scope: &Scope) -> Result<Decided, Diagnostic> {
    for branch in branches {
        let Some(when) = &branch.when else {
            let why = match branches.len() {
                1 => String::from("in any case"),
                _ => String::from("nothing else is true"),
            };
            return Ok(Decided::Is(branch.is.clone(), why));
        };
        match judge::condition(when, scope)? {
            Truth::True => return Ok(Decided::Is(branch.is.clone(), judge::held(when, scope))),
            Truth::False(_) => {}
            Truth::Unknown => return Ok(Decided::AtRunTime(when.source.clone())),
        }
    }
    unreachable!("the compiler wants a last line without a condition")
}

/// How long people are waited for.
///
/// # Errors
/// A sentence: its placeholder has no value, or none that is a duration.
pub fn within(within: &Within, scope: &Scope) -> Result<Duration, String> {
    let text = match within {
        Within::Fixed(span) => return Ok(*span),
        Within::Text(text) => text,
    };
    match template::render(text, scope) {
        Ok(Value::Duration(span)) => Ok(span),
        Ok(other) => parse_duration(&other.to_string()),
        Err(error) => Err(error.message),
    }
}

/// Names in a sentence; an empty list is nobody.
#[must_use]
pub fn people(names: &[String]) -> String {
    match names {
        [] => String::from("nobody"),
        some => some.join(", "),
    }
}

impl Planner<'_> {
    /// The node of a step without an action, in the list it stands in; gives its row.
    pub(super) fn control(&mut self, step: &Step, list: &[Step], place: &Place, before: &Entry) -> RowId {
        let scope = self.scope(place, None);
        let mut node = new_node(step, place, None, before);
        node.name = template::render_for_people(&step.name, &scope);
        match self.forecast_control(step, place, &scope, &mut node) {
            Ok(result) => {
                if let (Body::Decide(lines), Forecast::AtRunTime { .. }) = (&step.body, &node.forecast) {
                    node.notes.extend(branches::lines(step, lines, list, &scope));
                }
                self.results.set(&node, result);
            }
            Err(diagnostic) => self.diagnostics.push(diagnostic),
        }
        let row = node.row.clone();
        self.nodes.push(node);
        row
    }

    fn forecast_control(&mut self, step: &Step, place: &Place, scope: &Scope, node: &mut Node) -> Result<Value, Diagnostic> {
        node.action = String::from(match &step.body {
            Body::Manual(_) => "manual",
            Body::Decide(_) => "decide",
            Body::Approve(_) | Body::Action(_) | Body::Loop(_) | Body::Call(_) => "approve",
        });
        let truth = forecast::conditions(place, step, scope)?;
        let ending = Ending {
            changed: Some(false),
            ..Ending::default()
        };
        if let Truth::False(why) = truth {
            node.forecast = Forecast::Skipped { why };
            return Ok(Ending { skipped: true, ..ending }.onto(Value::Null));
        }
        let fields = match &step.body {
            Body::Manual(manual) => {
                assigns(manual, scope, node);
                if manual.blocking && node.section.is_work() {
                    self.predicted.taint_all();
                }
                let own = manual.fields.iter().map(|f| f.name.as_str());
                unknown(own.chain(["by", "at"]).filter(|_| manual.blocking))
            }
            Body::Approve(approve) => {
                asks(approve, scope, node);
                unknown(["by"])
            }
            Body::Decide(branches) => foresees(branches, scope, node)?,
            Body::Action(_) | Body::Loop(_) | Body::Call(_) => Value::Null,
        };
        let uncertain = truth == Truth::Unknown;
        if uncertain {
            let when: Vec<&str> = place.conditions.iter().chain(&step.when).map(|w| w.source.as_str()).collect();
            node.notes.insert(0, format!("only if {}", when.join(" and ")));
        }
        let done = Ending {
            ok: true,
            attempts: 1,
            ..ending
        };
        let mut result = done.onto(fields);
        let may_fail = matches!(step.body, Body::Manual(_)) && step.allow_failure.is_some();
        if let (Value::Map(map), true) = (&mut result, uncertain || may_fail) {
            map.extend(["ok", "failed", "skipped"].map(|name| (name.to_owned(), Value::Unknown)));
        }
        Ok(result)
    }
}

fn asks(approve: &Approve, scope: &Scope, node: &mut Node) {
    let ask = template::render_for_people(&approve.ask, scope);
    node.forecast = Forecast::Asks {
        summary: format!("{}: {ask}", people(&approve.from)),
    };
    let last = "nobody's silence is a yes";
    node.notes.extend(clock(&approve.within, &approve.then_escalate_to, last, scope));
}

fn assigns(manual: &Manual, scope: &Scope, node: &mut Node) {
    let ask = template::render_for_people(&manual.ask, scope);
    node.forecast = Forecast::Asks {
        summary: format!("{} to do: {ask}", people(&manual.to)),
    };
    if manual.blocking {
        let last = "then it has failed";
        node.notes.extend(clock(&manual.within, &manual.then_escalate_to, last, scope));
    } else if let Ok(span) = within(&manual.within, scope) {
        node.notes.push(format!(
            "the run goes on; until it is done, within {}, it is an obligation",
            friendly(span)
        ));
    }
}

/// `waits 15m, then 15m for sysadmin_oncall; …`
fn clock(wait: &Within, next: &[String], last: &str, scope: &Scope) -> Option<String> {
    let span = friendly(within(wait, scope).ok()?);
    let each: String = next.iter().map(|who| format!(", then {span} for {who}")).collect();
    Some(format!("waits {span}{each}; {last}"))
}

fn foresees(branches: &[Branch], scope: &Scope, node: &mut Node) -> Result<Value, Diagnostic> {
    let (forecast, is) = match decide(branches, scope)? {
        Decided::Is(is, why) => (Forecast::Decides { is: is.clone(), why }, Value::Text(is)),
        Decided::AtRunTime(_) => {
            let words: Vec<&str> = branches::left(branches, scope).iter().map(|b| b.is.as_str()).collect();
            let why = format!("decides between {}", words.join(", "));
            (Forecast::AtRunTime { why }, Value::Unknown)
        }
    };
    node.forecast = forecast;
    Ok(Value::map([("is", is)]))
}

fn unknown<'n>(names: impl IntoIterator<Item = &'n str>) -> Value {
    Value::Map(
        names
            .into_iter()
            .map(|n| (n.to_owned(), Value::Unknown))
            .collect::<BTreeMap<_, _>>(),
    )
}
