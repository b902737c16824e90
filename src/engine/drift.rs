//! The items of a loop as they are now, held against the turns of the plan: what was approved is what runs.

use std::collections::BTreeSet;

use super::Now;
use super::run::RunState;
use super::schedule;
use super::step::StepState;
use crate::base::sanitise;
use crate::base::value::Value;
use crate::lang::expression;
use crate::model::event::{Failure, FailureKind};
use crate::model::plan::{Node, Turn};
use crate::model::runbook::{Body, LoopOver, Step};
use crate::model::text::Scope;
use crate::plan::item_keys;
use crate::plan::judge::{self, Truth};
use crate::plan::results::{self, Viewpoint};

/// Before the first node of a loop over items begins: they are still those of the plan.
///
/// # Errors
/// What differs.
pub fn of_turns(state: &RunState, now: Now<'_>, node: &Node, scope: &Scope) -> Result<(), Failure> {
    let view = Viewpoint::of(node);
    for depth in 1..=node.turns.len() {
        // Loops around a call are held against the plan at its first node.
        if view.name_of(&node.turns[depth - 1].step).is_none() {
            continue;
        }
        let Some(items) = now.knowledge.runbook.step(&node.turns[depth - 1].step).and_then(items) else {
            continue;
        };
        let planned = planned(state, &node.turns[..depth]);
        if planned.begun {
            continue;
        }
        let wrong = |kind, message: String| Err(Failure { kind, message });
        match expression::eval(items, scope) {
            Ok(Value::List(found)) => {
                let found: BTreeSet<String> = item_keys(&found).into_iter().collect();
                if found != planned.keys {
                    return wrong(FailureKind::Refused, difference(&planned.keys, &found));
                }
            }
            Ok(other) => {
                return wrong(
                    FailureKind::Unexpected,
                    format!("the items of its loop must be a list, found `{other}`"),
                );
            }
            Err(error) => {
                return wrong(
                    FailureKind::Unexpected,
                    format!("the items of its loop cannot be evaluated: {error}"),
                );
            }
        }
    }
    Ok(())
}

/// A loop that had nothing to do when the plan was made, and now has: why the run must stop.
#[must_use]
pub fn in_loops_without_turns(state: &RunState, now: Now<'_>) -> Option<String> {
    let empty = &state.created.plan.empty_loops;
    let outer = now.knowledge.runbook.steps.iter().filter(|s| empty.contains(&s.id));
    outer.filter(|s| reached(state, now, s)).find_map(|step| {
        let scope = empty_scope(state);
        let asked = step
            .when
            .as_ref()
            .is_none_or(|w| matches!(judge::condition(w, &scope), Ok(Truth::True)));
        match expression::eval(items(step).filter(|_| asked)?, &scope) {
            Ok(Value::List(found)) if !found.is_empty() => {
                let found = item_keys(&found).into_iter().collect();
                Some(format!("loop {}: {}", step.id, difference(&BTreeSet::new(), &found)))
            }
            _ => None,
        }
    })
}

fn items(step: &Step) -> Option<&crate::model::text::Expression> {
    match &step.body {
        Body::Loop(l) => match &l.over {
            LoopOver::Items(items) => Some(items),
            LoopOver::Hosts(_) => None,
        },
        _ => None,
    }
}

/// Everything that the loop waits for is done.
fn reached(state: &RunState, now: Now<'_>, step: &Step) -> bool {
    let of = |n: &&Node| step.needs.iter().any(|id| &n.step == id || n.turns.iter().any(|t| &t.step == id));
    let nodes = &state.created.plan.nodes;
    nodes.iter().filter(of).all(|n| schedule::done(state, now, &n.id))
}

fn empty_scope(state: &RunState) -> Scope {
    let bindings = std::collections::BTreeMap::new();
    results::scope(&state.ground, &state.results, &state.facts(), Viewpoint::default(), &bindings)
}

struct Planned {
    keys: BTreeSet<String>,
    /// Something of the loop has begun: it was judged then.
    begun: bool,
}

fn planned(state: &RunState, turns: &[Turn]) -> Planned {
    let (own, outer) = turns.split_last().expect("a turn around the node");
    let mut planned = Planned {
        keys: BTreeSet::new(),
        begun: false,
    };
    for node in state.created.plan.nodes.iter().filter(|n| n.turns.starts_with(outer)) {
        if let Some(turn) = node.turns.get(outer.len()).filter(|t| t.step == own.step) {
            planned.keys.insert(turn.key.clone());
            planned.begun |= *state.step(&node.id) != StepState::Blocked;
        }
    }
    planned
}

fn difference(planned: &BTreeSet<String>, found: &BTreeSet<String>) -> String {
    let names = |set: BTreeSet<&String>| match set.is_empty() {
        true => String::from("none"),
        false => sanitise::one_line(&set.into_iter().map(String::as_str).collect::<Vec<_>>().join(", "), 200),
    };
    format!(
        "the items of the loop are no longer those of the plan (new: {}; gone: {}); something else changed them, plan again",
        names(found.difference(planned).collect()),
        names(planned.difference(found).collect())
    )
}
