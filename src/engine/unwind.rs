//! The way back: newest change first, each either taken back, given back, kept, or a point of no return.

use super::Now;
use super::run::{Intended, RunState};
use super::step::StepState;
use super::{schedule, turns};
use crate::base::id::NodeId;
use crate::model::action::Undo;
use crate::model::event::Event;
use crate::model::obligation::ObligationId;
use crate::model::plan::{EffectKind, Node, Turn};

/// The next thing to do on the way back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turnback {
    /// Something is under way.
    Wait,
    /// Take this node's change back.
    Undo(NodeId),
    /// Run this owed node, after its guard, to pay this debt.
    Return(ObligationId, NodeId),
    /// Nothing is left that can be done.
    Done,
}

/// What to do next; a function of the state.
#[must_use]
pub fn next(state: &RunState, now: Now<'_>) -> Turnback {
    match state.work_stays {
        true => Turnback::Done,
        false => next_within(state, now, &[]),
    }
}

/// What steps of `on_failure` or `finally` took and those after them have not given back, once all of them are over.
#[must_use]
pub fn left_by_last_steps(state: &RunState, now: Now<'_>) -> Turnback {
    let running = |s: &StepState| {
        matches!(
            s,
            StepState::Running { .. } | StepState::Undoing { .. } | StepState::WaitingRetry { .. }
        )
    };
    if state.steps.values().any(running) {
        return Turnback::Wait;
    }
    let of_last_steps = |id: &NodeId| state.node(id).is_some_and(|n| !n.section.is_work());
    let debts = state.obligations.iter().rev().filter(|o| o.is_open() && of_last_steps(&o.taker));
    let mut untried = debts.filter_map(|o| {
        let giver = o.return_node.clone()?;
        let tried = state.refused.contains_key(&o.id) || state.started_unwinding.contains(&giver);
        (!tried && !gone(state, now, &giver)).then(|| Turnback::Return(o.id.clone(), giver))
    });
    untried.next().unwrap_or(Turnback::Done)
}

/// As [`next`], of one failed turn only.
#[must_use]
pub fn next_within(state: &RunState, now: Now<'_>, turns: &[Turn]) -> Turnback {
    let within = |id: &NodeId| state.node(id).is_some_and(|n| n.turns.starts_with(turns));
    let mut under_way = state
        .steps
        .iter()
        .filter(|(_, s)| matches!(s, StepState::Running { .. } | StepState::Undoing { .. }));
    if under_way.any(|(id, _)| within(id)) {
        return Turnback::Wait;
    }
    let mut no_way_back = false;
    for intended in latest(state) {
        let Some(node) = state.node(&intended.node).filter(|n| n.turns.starts_with(turns)) else {
            continue;
        };
        if no_way_back {
            match owed(state, now, node) {
                Some(turnback) => return turnback,
                None => continue,
            }
        }
        match consider(state, now, node, intended) {
            Verdict::Pass => {}
            Verdict::Do(turnback) => return turnback,
            // What is older is not taken back. Whoever has looked and asks for it gets what is owed given back, where its guard holds.
            Verdict::Stop if state.reopened => no_way_back = true,
            Verdict::Stop => return Turnback::Done,
        }
    }
    Turnback::Done
}

/// The return of what a node has taken, unless it was tried.
fn owed(state: &RunState, now: Now<'_>, node: &Node) -> Option<Turnback> {
    let debt = state.open_obligations().find(|o| o.taker == node.id)?;
    let giver = node.owes.as_ref()?;
    let tried = state.refused.contains_key(&debt.id) || state.started_unwinding.contains(giver);
    (!tried && !gone(state, now, giver)).then(|| Turnback::Return(debt.id.clone(), giver.clone()))
}

/// The fact that begins it.
#[must_use]
pub fn begin(state: &RunState, step: Turnback) -> Option<Event> {
    match step {
        Turnback::Undo(node) => {
            let summary = change_of(state, &node).map(|i| i.summary.clone()).unwrap_or_default();
            let attempt = state.undo_attempts.get(&node).copied().unwrap_or(0) + 1;
            Some(Event::UndoStarted { node, attempt, summary })
        }
        Turnback::Return(_, node) => {
            let attempt = state.attempts.get(&node).copied().unwrap_or(0) + 1;
            Some(Event::StepStarted { node, attempt })
        }
        Turnback::Wait | Turnback::Done => None,
    }
}

enum Verdict {
    Pass,
    Do(Turnback),
    Stop,
}

/// The change of a node that is to be taken back. A repeated attempt observes what the one before has left behind; the value to restore
/// is the one before the first.
#[must_use]
pub fn change_of<'a>(state: &'a RunState, node: &NodeId) -> Option<&'a Intended> {
    state.intended.iter().find(|i| &i.node == node && !i.unwinding)
}

/// The changes of the way out, one for each node, newest first.
fn latest(state: &RunState) -> Vec<&Intended> {
    let mut seen: Vec<&NodeId> = Vec::new();
    for intended in state.intended.iter().rev().filter(|i| !i.unwinding) {
        if !seen.contains(&&intended.node) {
            seen.push(&intended.node);
        }
    }
    seen.into_iter().filter_map(|node| change_of(state, node)).collect()
}

fn consider(state: &RunState, now: Now<'_>, node: &Node, intended: &Intended) -> Verdict {
    let takes = node.pool_effects.iter().any(|e| e.kind == EffectKind::Takes);
    let debt = state.open_obligations().find(|o| o.taker == node.id);
    // What is not taken back by itself is given back by the owed step.
    let stays = takes || matches!(intended.undo, Undo::Nothing | Undo::Keep);
    if debt.is_some() && node.owes.is_some() && (stays || matches!(state.step(&node.id), StepState::Undone)) {
        return owed(state, now, node).map_or(Verdict::Pass, Verdict::Do);
    }
    if kept(state, now, node) || (takes && node.owes.is_some()) {
        return Verdict::Pass;
    }
    match (&intended.undo, state.step(&node.id)) {
        (_, StepState::Undone | StepState::UndoFailed) | (Undo::Nothing | Undo::Keep, _) => Verdict::Pass,
        (Undo::Impossible, _) => Verdict::Stop,
        (Undo::Call { .. } | Undo::Steps, _) => Verdict::Do(Turnback::Undo(node.id.clone())),
    }
}

/// It was sent and nobody knows what became of it, and it must not be done twice: a person has to look.
fn gone(state: &RunState, now: Now<'_>, giver: &NodeId) -> bool {
    let lost = matches!(state.step(giver), StepState::Lost { .. });
    lost && !state.node(giver).is_some_and(|n| now.knowledge.repeatable(n))
}

/// A turn of a loop that has come to its end is kept: the unit of undo in a loop is the turn. With `undo: all` it is not.
fn kept(state: &RunState, now: Now<'_>, node: &Node) -> bool {
    let Some(turn) = node.turns.last() else { return false };
    if turns::looped(now, &node.turns).is_some_and(|l| l.undo_finished) {
        return false;
    }
    let depth = node.turns.len();
    state
        .created
        .plan
        .nodes
        .iter()
        .filter(|n| n.section.is_work() && n.turns.get(depth - 1) == Some(turn) && n.turns.starts_with(&node.turns[..depth - 1]))
        .all(|n| schedule::done(state, now, &n.id))
}

/// True when unwinding stops at a change that cannot be taken back, with something older still to do.
#[must_use]
pub fn stopped_at<'a>(state: &'a RunState, now: Now<'_>) -> Option<&'a NodeId> {
    latest(state).into_iter().find_map(|i| {
        let node = state.node(&i.node)?;
        (matches!(i.undo, Undo::Impossible) && !kept(state, now, node)).then_some(&i.node)
    })
}
