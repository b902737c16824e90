//! Debts: opened with the intent of the change that makes them, closed by the step that gives back.

use std::time::Duration;

use super::run::RunState;
use super::step::StepState;
use super::{Intent, Now};
use crate::base::id::NodeId;
use crate::lang::template;
use crate::model::action::Undo;
use crate::model::approval::ApprovalRequest;
use crate::model::event::Event;
use crate::model::obligation::{Obligation, ObligationId, ObligationState};
use crate::model::plan::{EffectKind, Node};
use crate::plan::control;

/// The debts that a change of this node makes; on disk before the change is sent.
#[must_use]
pub fn opened_by(state: &RunState, now: Now<'_>, node: &Node, intent: &Intent) -> Vec<Event> {
    let step = now.knowledge.step(node);
    // A repeated attempt owes the same debt, not a second one.
    let already = state.open_obligations().any(|o| o.taker == node.id);
    if already || (step.owes.is_none() && step.leave.is_none()) {
        return Vec::new();
    }
    vec![debt(state, now, node, intent)]
}

fn debt(state: &RunState, now: Now<'_>, node: &Node, intent: &Intent) -> Event {
    let step = now.knowledge.step(node);
    let scope = super::schedule::scope(state, node);
    let (deadline, reason) = match &step.leave {
        Some(leave) => (leave.until, template::render_for_people(&leave.reason, &scope)),
        None => (remaining(state, now), node.name.clone()),
    };
    let taken = node.pool_effects.iter().find(|e| e.kind == EffectKind::Takes);
    let what = match taken {
        Some(e) => format!("{} is out of pool {}", e.member, e.pool),
        None => format!("{} after {}", node.owes.as_ref().map_or("a return", NodeId::as_str), intent.summary),
    };
    let obligation = Obligation {
        id: ObligationId(format!("{}.{}", state.id.0, state.obligations.len() + 1)),
        run: state.id,
        taker: node.id.clone(),
        return_node: node.owes.clone(),
        resource: taken.map_or_else(|| format!("step/{}", node.id), |e| format!("pool/{}/member/{}", e.pool, e.member)),
        pool: taken.map(|e| e.pool.clone()),
        member: taken.map(|e| e.member.clone()),
        what,
        reason,
        owner: state.created.by.clone(),
        previous: intent.undo.clone(),
        people: Vec::new(),
        opened_at: now.at,
        deadline: now.at.after(deadline),
        state: ObligationState::Open,
    };
    Event::ObligationOpened { obligation }
}

/// Something that a person is to do while the run goes on: theirs from now on.
#[must_use]
pub fn handed_over(state: &RunState, taker: NodeId, reason: String, request: ApprovalRequest) -> Event {
    let obligation = Obligation {
        id: ObligationId(format!("{}.{}", state.id.0, state.obligations.len() + 1)),
        run: state.id,
        resource: format!("step/{taker}"),
        taker,
        return_node: None,
        pool: None,
        member: None,
        what: request.ask,
        reason,
        owner: control::people(&request.from),
        previous: Undo::Nothing,
        people: request.from,
        opened_at: request.asked_at,
        deadline: request.expires_at,
        state: ObligationState::Open,
    };
    Event::ObligationOpened { obligation }
}

fn remaining(state: &RunState, now: Now<'_>) -> Duration {
    now.knowledge.runbook.deadline.saturating_sub(state.busy(now.at))
}

/// The debts that the success of this node pays.
#[must_use]
pub fn discharged_by(state: &RunState, node: &NodeId) -> Vec<Event> {
    let paid = state.open_obligations().filter(|o| o.return_node.as_ref() == Some(node));
    paid.map(|o| Event::ObligationDischarged {
        id: o.id.clone(),
        how: format!("step {node}"),
    })
    .collect()
}

/// A change whose return had been made on the way out and that was then taken back: the return is due once more, so that a
/// service also reads the former content of its file.
#[must_use]
pub fn owed_again(state: &RunState, now: Now<'_>, taker: &NodeId) -> Option<Event> {
    let former = state.obligations.iter().rev().find(|o| &o.taker == taker && o.pool.is_none())?;
    let giver = former.return_node.as_ref()?;
    let paid = matches!(former.state, ObligationState::Discharged { .. });
    let returned = matches!(state.step(giver), StepState::Succeeded { .. });
    if !paid || !returned || state.started_unwinding.contains(giver) {
        return None;
    }
    let obligation = Obligation {
        id: ObligationId(format!("{}.{}", state.id.0, state.obligations.len() + 1)),
        what: format!("{giver} after {taker} was taken back"),
        opened_at: now.at,
        state: ObligationState::Open,
        ..former.clone()
    };
    Some(Event::ObligationOpened { obligation })
}

/// The debt that this attempt has made, where it is known to have changed nothing: a service need not read a file that was not
/// written. What takes a member has marked the balancer before, so its debt is paid in any case.
#[must_use]
pub fn of_nothing(state: &RunState, taker: &NodeId) -> Vec<Event> {
    let StepState::Running { since, .. } = state.step(taker) else {
        return Vec::new();
    };
    let of_attempt = |o: &&Obligation| &o.taker == taker && o.pool.is_none() && o.opened_at >= *since;
    let made = state.open_obligations().filter(of_attempt);
    made.map(|o| Event::ObligationDischarged {
        id: o.id.clone(),
        how: String::from("nothing was changed"),
    })
    .collect()
}

/// A debt whose taking change was taken back by its own undo needs no return; an owed step that is no return runs again.
#[must_use]
pub fn void(state: &RunState, taker: &NodeId) -> Vec<Event> {
    let paid = state
        .open_obligations()
        .filter(|o| &o.taker == taker && (o.pool.is_some() || o.return_node.is_none()));
    paid.map(|o| Event::ObligationDischarged {
        id: o.id.clone(),
        how: String::from("the change was taken back"),
    })
    .collect()
}
