//! What should be going on, given the state. The dispatcher starts what is missing.

use super::Now;
use super::run::{Phase, RunState};
use super::step::StepState;
use crate::base::clock::Timestamp;
use crate::base::id::NodeId;
use crate::model::obligation::ObligationId;

/// Something that should be going on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// An attempt of a node.
    Attempt {
        /// Which.
        node: NodeId,
        /// From 1.
        attempt: u32,
        /// The change was intended: a new controller must find out what became of it.
        intended: bool,
        /// The debt it pays, when it runs on the way back: its guard comes first.
        pays: Option<ObligationId>,
    },
    /// Taking a change back.
    Undo {
        /// Whose change.
        node: NodeId,
        /// From 1.
        attempt: u32,
        /// Which step of its `undo:`, from 0; of what an action takes back by itself there is one.
        step: usize,
    },
}

/// Everything that should be going on now.
#[must_use]
pub fn effects(state: &RunState) -> Vec<Effect> {
    if matches!(state.phase, Phase::Created | Phase::Finished(_)) {
        return Vec::new();
    }
    let of = |(id, step): (&NodeId, &StepState)| match step {
        StepState::Running { attempt, intended, .. } => {
            let pays = state
                .open_obligations()
                .find(|o| o.return_node.as_ref() == Some(id))
                .map(|o| o.id.clone());
            let pays = pays.filter(|_| state.started_unwinding.contains(id));
            Some(Effect::Attempt {
                node: id.clone(),
                attempt: *attempt,
                intended: *intended,
                pays,
            })
        }
        StepState::Undoing { attempt } if state.asked_to_undo(id).is_none() => Some(Effect::Undo {
            node: id.clone(),
            attempt: *attempt,
            step: state.undo_progress(id),
        }),
        _ => None,
    };
    state.steps.iter().filter_map(of).collect()
}

/// When the engine wants to be asked again although nothing happens: a retry, a pause, an expiry, the deadline.
#[must_use]
pub fn wake_at(state: &RunState, now: Now<'_>) -> Option<Timestamp> {
    let retries = state.steps.values().filter_map(|s| match s {
        StepState::WaitingRetry { until, .. } => Some(*until),
        _ => None,
    });
    let questions = state.questions.values().filter(|q| q.open()).map(|q| q.request.expires_at);
    let pauses = state
        .created
        .plan
        .nodes
        .iter()
        .filter(|n| n.pause.is_some() && *state.step(&n.id) == StepState::Blocked)
        .filter_map(|n| {
            let pause = n.pause?;
            state.waited_until(n).map(|last| last.after(pause))
        });
    let (busy, most) = (state.busy(now.at), now.knowledge.runbook.deadline);
    // Over means over: what still runs then is `finally`, and ends by itself. At the very deadline it is not over yet.
    let deadline = (state.phase == Phase::Running && busy <= most).then(|| now.at.after(most - busy + std::time::Duration::from_millis(1)));
    retries.chain(questions).chain(pauses).filter(|t| *t > now.at).chain(deadline).min()
}
