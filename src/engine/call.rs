//! A called runbook during a run: whether its steps happen, what it gives, and what it does after the caller's work.
//!
//! Its first and last node are decided here, without an attempt.

use std::collections::BTreeMap;

use super::run::RunState;
use super::schedule::{self, failed};
use super::step::StepState;
use super::{Now, START_GATE_WITHIN, people};
use crate::base::id::NodeId;
use crate::base::value::Value;
use crate::lang::expression;
use crate::model::approval::ApprovalRequest;
use crate::model::event::{Event, FailureKind};
use crate::model::plan::{self, Forecast, Node, Section};
use crate::model::runbook::{CallMode, Called};
use crate::model::text::{Expression, Scope};
use crate::plan::results::{self, Viewpoint};

/// Why a step of a called runbook does not happen: the call does not, or never began.
pub(super) fn left_out(state: &RunState, node: &Node) -> Option<String> {
    let first = node.caller()?;
    if node.section.is_work() {
        return (*state.step(&first) == StepState::Skipped).then(|| format!("the call `{first}` is skipped"));
    }
    let opening = state.node(&first)?;
    let nodes = &state.created.plan.nodes;
    let begun = nodes
        .iter()
        .any(|n| n.section.is_work() && opening.opens(n) && state.attempts.contains_key(&n.id));
    (!begun).then(|| format!("the call `{first}` had not begun"))
}

/// The first node of a call whose `when` holds.
pub(super) fn begin(state: &RunState, now: Now<'_>, node: &Node, called: &Called) -> Event {
    // What was approved is what runs: the plan has not looked at steps that it left out.
    let planned = !matches!(node.forecast, Forecast::Skipped { .. });
    match called.mode {
        CallMode::Plan => Event::StepSkipped {
            node: node.id.clone(),
            why: String::from("`mode: plan`: it is only shown"),
        },
        _ if !planned => failed(
            node,
            FailureKind::Refused,
            format!(
                "the plan said that {} would not be called, but now its `when` holds; plan again",
                called.runbook.name
            ),
        ),
        CallMode::Approve => Event::ApprovalRequested {
            request: question(state, now, node, called),
        },
        CallMode::Run => Event::StepSucceeded {
            node: node.id.clone(),
            attempt: 0,
            changed: false,
            result: Value::Null,
            summary: format!("calls {}", called.runbook.name),
        },
    }
}

/// Anybody may answer, as for the whole run.
fn question(state: &RunState, now: Now<'_>, node: &Node, called: &Called) -> ApprovalRequest {
    let plan = &state.created.plan;
    let asked = |n: &&Node| n.section.is_work() && n.may_change() && node.opens(n);
    let changes: Vec<&Node> = plan.nodes.iter().filter(asked).collect();
    let hosts: Vec<String> = plan::hosts_of(changes).into_iter().map(|h| h.to_string()).collect();
    let hosts = match hosts.as_slice() {
        [] => String::from("no host"),
        some => some.join(" "),
    };
    ApprovalRequest {
        ask: format!("Call {}? It changes {hosts}", crate::plan::call::shown(called, &node.arguments.0)),
        from: vec![String::from("*")],
        ..people::blank(state, now, node.id.clone(), START_GATE_WITHIN)
    }
}

/// The last node of a call: its outputs become the fields of the calling step.
pub(super) fn end(state: &RunState, node: &Node, called: &Called, scope: &Scope) -> Event {
    let first = node.caller().and_then(|id| state.node(&id));
    let changed = first.is_some_and(|first| state.changed.iter().filter_map(|id| state.node(id)).any(|n| first.opens(n)));
    match outputs(&called.runbook.outputs, scope) {
        Ok(values) => Event::StepSucceeded {
            node: node.id.clone(),
            attempt: 0,
            changed,
            result: Value::Map(values),
            summary: format!("{} done", called.runbook.name),
        },
        Err(why) => failed(node, FailureKind::Unexpected, why),
    }
}

/// The values of outputs, or which one cannot be told, and why.
fn outputs(declared: &BTreeMap<String, Expression>, scope: &Scope) -> Result<BTreeMap<String, Value>, String> {
    let one = |(name, e): (&String, &Expression)| match expression::eval(e, scope) {
        Ok(value) if value.has_unknown() => Err(format!("output `{name}` depends on a value that no step has given")),
        Ok(value) => Ok((name.clone(), value)),
        Err(why) => Err(format!("output `{name}` cannot be told: {why}")),
    };
    declared.iter().map(one).collect()
}

/// The outputs of the runbook itself, when all its steps have been done.
pub(super) fn outputs_of_run(state: &RunState, now: Now<'_>) -> Result<BTreeMap<String, Value>, String> {
    let top = Viewpoint::default();
    let scope = results::scope(&state.ground, &state.results, &state.facts(), top, &BTreeMap::new());
    outputs(&now.knowledge.runbook.outputs, &scope)
}

/// What follows in `on_failure` or `finally`: those of the called runbooks one after the other, in the order of the plan, then the
/// caller's own, however the ones before ended. `None`: all of it is over.
pub(super) fn next_stage(state: &RunState, now: Now<'_>, section: Section) -> Option<Vec<Event>> {
    let mut stages: Vec<Option<NodeId>> = Vec::new();
    for node in state.created.plan.nodes.iter().filter(|n| n.section == section) {
        let stage = node.caller();
        if !stages.contains(&stage) {
            stages.push(stage);
        }
    }
    stages.into_iter().find_map(|stage| {
        let of = |n: &Node| n.section == section && n.caller() == stage;
        (!schedule::all_over_among(state, now, &of)).then(|| schedule::start_among(state, now, &of))
    })
}
