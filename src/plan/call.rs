//! A called runbook in the plan: its steps between a first node, which says whether they happen, and a last one, which gives the
//! outputs; what it does after a failure and at the end stands with that of the caller.

use std::collections::BTreeMap;

use super::bind;
use super::expand::{Entry, Place, Planner, new_node};
use super::forecast;
use super::judge::Truth;
use super::params;
use super::results::Ending;
use crate::base::id::RowId;
use crate::base::sanitise;
use crate::base::value::Value;
use crate::diagnostic::Diagnostic;
use crate::lang::{expression, template};
use crate::model::action::{Arguments, Class, Undo};
use crate::model::convert;
use crate::model::plan::{CALL, CALL_END, Forecast, Node, Section};
use crate::model::runbook::{CallMode, Called, Step};
use crate::model::text::Scope;

impl Planner<'_> {
    /// Expands a call; gives its last node, which waits for all of it.
    pub(super) fn call(&mut self, step: &Step, called: &Called, place: &Place, before: &Entry) -> Vec<RowId> {
        let scope = self.scope(place, place.loop_host.as_ref());
        let mut first = new_node(step, place, None, before);
        first.action = CALL.to_owned();
        first.class = Class::Probe;
        first.name = template::render_for_people(&step.name, &scope);
        let mut inside = Place {
            bindings: BTreeMap::new(),
            loop_host: None,
            conditions: Vec::new(),
            call: Some(step.id.clone()),
            require: false,
            ..place.clone()
        };
        // What loops around the call read is not seen in the called runbook, so all conditions are judged here.
        match forecast::conditions(place, step, &scope) {
            Ok(Truth::True) => {}
            Ok(Truth::Unknown) => {
                let all = place.conditions.iter().chain(&step.when);
                inside.perhaps.extend(all.map(|w| w.source.clone()));
            }
            Ok(Truth::False(why)) => return self.not_called(first, why),
            Err(diagnostic) => {
                self.diagnostics.push(diagnostic);
                return Vec::new();
            }
        }
        let params = match self.call_params(called, &scope) {
            Ok(Some(params)) => params,
            Ok(None) => return self.not_known_yet(first, called),
            Err(diagnostic) => {
                self.diagnostics.push(diagnostic);
                return Vec::new();
            }
        };
        first.forecast = opening(called, &params);
        first.arguments = Arguments(params.clone());
        inside.bindings.insert(String::from("params"), Value::Map(params));
        let (start, refused, calls, predicted) = (self.nodes.len(), self.refusals.len(), self.calls.len(), self.predicted.clone());
        let mut entry = Entry {
            needs: vec![first.row.clone()],
            pause: None,
        };
        let first_id = first.id.clone();
        self.nodes.push(first);
        // What is only shown breaks nothing.
        let watching = match called.mode {
            CallMode::Plan => std::mem::take(&mut self.watching),
            CallMode::Approve | CallMode::Run => Vec::new(),
        };
        let runbook = &called.runbook;
        for (list, require) in [(&runbook.require, true), (&runbook.steps, false), (&runbook.verify, false)] {
            inside.require = require;
            if std::ptr::eq(list, &runbook.steps) && called.mode != CallMode::Plan {
                self.watch_call(&step.id, &first_id, &inside);
            }
            let nodes = self.list(list, &inside, &entry);
            if !nodes.is_empty() {
                entry.needs = nodes;
            }
            if std::ptr::eq(list, &runbook.steps) {
                self.unwatch_call(&first_id);
            }
        }
        inside.require = false;
        let last = self.last_of_call(step, called, &inside, &entry, start);
        if called.mode == CallMode::Plan {
            self.predicted = predicted;
            self.watching = watching;
            self.calls.truncate(calls);
            self.only_shown(start, refused);
        } else {
            self.calls.push(inside);
        }
        vec![last]
    }

    /// `when` is false: none of it is planned, and none of it will be run.
    fn not_called(&mut self, mut first: Node, why: String) -> Vec<RowId> {
        first.forecast = Forecast::Skipped { why };
        self.results.set(&first, skipped());
        let row = first.row.clone();
        self.nodes.push(first);
        vec![row]
    }

    /// Its parameters are not known, so its steps are not either.
    fn not_known_yet(&mut self, mut first: Node, called: &Called) -> Vec<RowId> {
        first.forecast = Forecast::AtRunTime {
            why: format!("calls {}; its parameters depend on what a probe shows", called.runbook.name),
        };
        let outputs = called.runbook.outputs.keys().map(|name| (name.clone(), Value::Unknown)).collect();
        let ending = Ending {
            ok: true,
            ..Ending::default()
        };
        self.results.set(&first, ending.onto(Value::Map(outputs)));
        let row = first.row.clone();
        self.nodes.push(first);
        vec![row]
    }

    /// The parameters of the called runbook. `None`: a probe that they depend on is still to be looked at, or cannot be.
    fn call_params(&mut self, called: &Called, scope: &Scope) -> Result<Option<BTreeMap<String, Value>>, Diagnostic> {
        let mut params = BTreeMap::new();
        for param in &called.runbook.params {
            let (raw, span) = match (called.params.get(&param.name), &param.default) {
                (Some(argument), _) => (bind::value_of(argument, scope)?, argument.span),
                (None, Some(default)) => (default.clone(), param.span),
                (None, None) => unreachable!("the compiler refuses a call without a required parameter"),
            };
            if raw.has_unknown() {
                if self.input.offline {
                    self.warnings.insert(format!(
                        "parameter `{}` of the call of {} depends on what a probe shows; offline its steps are left out",
                        param.name, called.runbook.name
                    ));
                    return Ok(None);
                }
                // The next round knows, or the plan is refused because it could not look.
                if !self.needs.is_empty() || !self.refusals.is_empty() {
                    return Ok(None);
                }
                let message = format!("parameter `{}` of a call must be known before the run", param.name);
                return Err(Diagnostic::error("RB0715", span, message)
                    .label(format!("this is {}", convert::describe(&raw)))
                    .help("use a literal, a parameter, or the result of a probe that does not depend on a change"));
            }
            let value = params::adopt(param, raw, self.input.inventory)
                .map_err(|message| Diagnostic::error("RB0712", span, format!("parameter `{}`: {message}", param.name)))?;
            params.insert(param.name.clone(), value);
        }
        Ok(Some(params))
    }

    /// The last node: it gives the outputs, so its result is that of the calling step.
    fn last_of_call(&mut self, step: &Step, called: &Called, inside: &Place, entry: &Entry, start: usize) -> RowId {
        let scope = self.scope(inside, None);
        let mut node = new_node(step, inside, None, entry);
        let row = last_row(&self.nodes[start].row);
        node.row = row.clone();
        let mut node = Node::new(None, (*node).clone());
        node.action = CALL_END.to_owned();
        node.class = Class::Probe;
        node.name = format!("end of {}", called.runbook.name);
        let outputs = &called.runbook.outputs;
        // What cannot be told from predictions is told by the run.
        let of = |e| expression::eval(e, &scope).unwrap_or(Value::Unknown);
        let fields: BTreeMap<String, Value> = outputs.iter().map(|(name, e)| (name.clone(), of(e))).collect();
        let gives = match outputs.len() {
            0 => String::new(),
            _ => format!(", gives {}", outputs.keys().cloned().collect::<Vec<_>>().join(", ")),
        };
        node.forecast = Forecast::Calls {
            summary: format!("end of {}{gives}", called.runbook.name),
        };
        let work = &self.nodes[start..];
        let certain = work.iter().any(|n| matches!(n.forecast, Forecast::WillChange { .. }));
        let changed = if certain {
            Some(true)
        } else {
            (!work.iter().any(Node::may_change)).then_some(false)
        };
        let ending = Ending {
            ok: true,
            changed,
            ..Ending::default()
        };
        self.results.set(&node, ending.onto(Value::Map(fields)));
        self.nodes.push(node);
        row
    }

    /// `mode: plan`: what would be done is said, and none of it will be.
    fn only_shown(&mut self, start: usize, refused: usize) {
        let refusals = self.refusals.split_off(refused);
        let (first, rest) = self.nodes[start..].split_first_mut().expect("a call has a first node");
        first
            .notes
            .extend(refusals.into_iter().map(|r| format!("would be refused: {}", r.message)));
        if let Forecast::Calls { summary } = &first.forecast {
            first.forecast = Forecast::Skipped {
                why: format!("{summary}, only shown (`mode: plan`)"),
            };
        }
        for node in rest {
            let would = match &node.forecast {
                Forecast::WillChange { summary } => format!("would change: {summary}"),
                Forecast::AtRunTime { why } => format!("known at run time: {why}"),
                Forecast::Reads { summary } => format!("would look: {summary}"),
                Forecast::NothingToDo { summary } => format!("nothing to do: {summary}"),
                Forecast::Asks { summary } => format!("would ask {summary}"),
                Forecast::Decides { is, why } => format!("would be {is}: {why}"),
                Forecast::Calls { summary } => summary.clone(),
                Forecast::Skipped { why } => why.clone(),
            };
            node.forecast = Forecast::Skipped {
                why: format!("only shown; {would}"),
            };
            node.undo = Undo::Nothing;
            node.pool_effects.clear();
        }
        let first = self.nodes[start].clone();
        self.results.set(&first, skipped());
    }

    /// What the called runbooks do after a failure or at the end, the last call's first; before what the caller does.
    pub(super) fn aftermath_of_calls(&mut self, section: Section) {
        if section.is_work() {
            return;
        }
        for place in self.calls.clone().into_iter().rev() {
            let called = place.call.as_ref().and_then(|id| self.input.runbook.called(id));
            let Some(called) = called else { continue };
            let steps = match section {
                Section::OnFailure => &called.runbook.on_failure,
                _ => &called.runbook.finally,
            };
            self.list(steps, &Place { section, ..place }, &Entry::default());
        }
    }
}

/// The name of a call's last node; no step can be called so.
fn last_row(first: &RowId) -> RowId {
    RowId(format!("{first}-end"))
}

fn skipped() -> Value {
    Ending {
        skipped: true,
        changed: Some(false),
        ..Ending::default()
    }
    .onto(Value::Null)
}

/// `recover-master with master=web-01`
#[must_use]
pub fn shown(called: &Called, params: &BTreeMap<String, Value>) -> String {
    let one = |(name, value): (&String, &Value)| {
        let value = value.field("name").unwrap_or_else(|| value.clone());
        format!(" {name}={}", sanitise::one_line(&value.written(), 60))
    };
    let with: String = params.iter().map(one).collect();
    let word = if with.is_empty() { "" } else { " with" };
    format!("{}{word}{with}", called.runbook.name)
}

fn opening(called: &Called, params: &BTreeMap<String, Value>) -> Forecast {
    let summary = format!("calls {}", shown(called, params));
    match called.mode {
        CallMode::Approve => Forecast::Asks {
            summary: format!("anybody before it {summary}"),
        },
        CallMode::Plan | CallMode::Run => Forecast::Calls { summary },
    }
}
