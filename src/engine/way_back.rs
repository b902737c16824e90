//! The steps of `undo:`, one after the other: what follows when one of them has ended, and what people do among them.

use super::obligations;
use super::people::{self, Word};
use super::run::RunState;
use super::step::StepState;
use super::{Now, TakenBack, schedule, unwind};
use crate::base::id::NodeId;
use crate::base::value::Value;
use crate::model::action::Undo;
use crate::model::event::{Event, Failure, FailureKind};
use crate::model::plan::{Node, undo_gate};
use crate::model::runbook::{Body, Branch, Manual, Step, UndoRule};
use crate::model::text::Scope;
use crate::plan::control::{self, Decided};
use crate::plan::judge::{self, Truth};
use crate::plan::results::Ending;

/// That step of what a step gives as its `undo:`, from 0.
#[must_use]
pub fn step(of: &Step, index: usize) -> Option<&Step> {
    match &of.undo {
        UndoRule::Steps(steps) => steps.get(index),
        UndoRule::Auto | UndoRule::Keep | UndoRule::None => None,
    }
}

impl TakenBack {
    /// A step that was done: what those after it read of it is added.
    #[must_use]
    pub fn done(changed: bool, fields: Value) -> Value {
        let ending = Ending {
            ok: true,
            changed: Some(changed),
            attempts: 1,
            ..Ending::default()
        };
        ending.onto(fields)
    }

    /// A step whose `when` is false.
    #[must_use]
    pub fn skipped(why: &str) -> TakenBack {
        let ending = Ending {
            skipped: true,
            changed: Some(false),
            ..Ending::default()
        };
        TakenBack {
            summary: format!("skipped: {why}"),
            results: vec![(None, ending.onto(Value::Null))],
        }
    }
}

/// What follows when a change, or one of the steps that take it back, was taken back or was not.
pub(super) fn ended(state: &RunState, now: Now<'_>, node: NodeId, result: Result<TakenBack, Failure>) -> Vec<Event> {
    match result {
        Ok(back) => match current(state, now, &node) {
            Some(step) => vec![done(&node, step, back)],
            None => taken_back(state, now, node, back.summary),
        },
        Err(failure) => vec![Event::UndoFailed { node, failure }],
    }
}

/// What follows without any host: people are asked or have answered, a word is chosen, or all steps are over.
pub(super) fn go_on(state: &RunState, now: Now<'_>) -> Vec<Event> {
    let undoing = state.steps.iter().filter_map(|(id, s)| match s {
        StepState::Undoing { attempt } => Some((state.node(id)?, *attempt)),
        _ => None,
    });
    let by_steps = undoing.filter(|(n, _)| unwind::change_of(state, &n.id).is_some_and(|i| i.undo == Undo::Steps));
    by_steps.flat_map(|(node, attempt)| next(state, now, node, attempt)).collect()
}

fn current<'a>(state: &RunState, now: Now<'a>, node: &NodeId) -> Option<&'a Step> {
    let by_steps = unwind::change_of(state, node).is_some_and(|i| i.undo == Undo::Steps);
    let of = state.node(node).filter(|_| by_steps)?;
    step(now.knowledge.step(of), state.undo_progress(node))
}

fn next(state: &RunState, now: Now<'_>, node: &Node, attempt: u32) -> Vec<Event> {
    let Some(step) = current(state, now, &node.id) else {
        let said = state.undo_steps.get(&node.id).map_or_else(String::new, |all| all.join("; "));
        let said = if said.is_empty() {
            String::from("nothing to take back")
        } else {
            said
        };
        return taken_back(state, now, node.id.clone(), said);
    };
    let failed = |failure| {
        vec![Event::UndoFailed {
            node: node.id.clone(),
            failure,
        }]
    };
    let unexpected = |message: String| {
        failed(Failure {
            kind: FailureKind::Unexpected,
            message,
        })
    };
    let gate = undo_gate(&node.id, step.id.as_str(), attempt);
    if let Some(question) = state.questions.get(&gate) {
        return match people::word(question, now) {
            Word::None => Vec::new(),
            Word::Next(event) => vec![*event],
            Word::Yes { result, summary } => vec![done(&node.id, step, by_people(result, summary))],
            Word::No(failure) => failed(failure),
            Word::Nothing(failure) => [vec![Event::ApprovalExpired { gate }], failed(failure)].concat(),
        };
    }
    // The steps that run on hosts judge their own `when`, once.
    if matches!(step.body, Body::Action(_)) {
        return Vec::new();
    }
    let scope = schedule::scope(state, node);
    match step.when.as_ref().map(|w| judge::condition(w, &scope)) {
        None | Some(Ok(Truth::True)) => {}
        Some(Ok(Truth::False(why))) => return vec![done(&node.id, step, TakenBack::skipped(&why))],
        Some(Ok(Truth::Unknown)) => return unexpected(format!("the condition of `{}` depends on a value that no step has given", step.id)),
        Some(Err(d)) => return unexpected(d.message),
    }
    match &step.body {
        Body::Manual(manual) => assigned(state, now, (node, step), gate, manual, &scope).unwrap_or_else(unexpected),
        Body::Decide(branches) => decided(branches, &scope).map_or_else(unexpected, |back| vec![done(&node.id, step, back)]),
        Body::Action(_) | Body::Loop(_) | Body::Approve(_) | Body::Call(_) => {
            unreachable!("the compiler refuses `for_each`, `approve` and `call` in `undo`")
        }
    }
}

/// Gives a person something to do: the way back waits for it, or it is an obligation and the way back goes on.
fn assigned(
    state: &RunState,
    now: Now<'_>,
    (node, step): (&Node, &Step),
    gate: NodeId,
    manual: &Manual,
    scope: &Scope,
) -> Result<Vec<Event>, String> {
    let request = people::task(state, now, gate.clone(), manual, scope)?;
    if manual.blocking {
        return Ok(vec![Event::ApprovalRequested { request }]);
    }
    let summary = format!("handed to {}; the run goes on", control::people(&request.from));
    let reason = format!("the way back of {}", node.id);
    let owed = obligations::handed_over(state, gate, reason, request);
    Ok(vec![owed, done(&node.id, step, by_people(Value::Null, summary))])
}

fn by_people(result: Value, summary: String) -> TakenBack {
    TakenBack {
        summary,
        results: vec![(None, TakenBack::done(false, result))],
    }
}

fn decided(branches: &[Branch], scope: &Scope) -> Result<TakenBack, String> {
    match control::decide(branches, scope).map_err(|d| d.message)? {
        Decided::Is(is, why) => Ok(by_people(Value::map([("is", Value::text(is.as_str()))]), format!("{is}: {why}"))),
        Decided::AtRunTime(when) => Err(format!("`{when}` depends on a value that no step has given")),
    }
}

fn done(node: &NodeId, step: &Step, back: TakenBack) -> Event {
    Event::UndoStepDone {
        node: node.clone(),
        step: step.id.clone(),
        results: back.results,
        summary: back.summary,
    }
}

fn taken_back(state: &RunState, now: Now<'_>, node: NodeId, summary: String) -> Vec<Event> {
    let void = obligations::void(state, &node);
    let again = obligations::owed_again(state, now, &node);
    let mut events = vec![Event::UndoSucceeded { node, summary }];
    events.extend(void);
    events.extend(again);
    events
}
