//! The life of one step on one host: one total function over state and event.

use serde::{Deserialize, Serialize};

use crate::base::clock::Timestamp;
use crate::base::id::NodeId;
use crate::model::event::{Event, FailureKind};

/// Where a node stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StepState {
    /// Not started; what it needs has not ended, or nothing has started it yet.
    Blocked,
    /// People are asked.
    AwaitingApproval,
    /// An attempt is under way.
    Running {
        /// From 1.
        attempt: u32,
        /// Since when.
        since: Timestamp,
        /// The change is about to be, or has been, sent.
        intended: bool,
    },
    /// The next attempt waits.
    WaitingRetry {
        /// The attempt that failed.
        attempt: u32,
        /// Not before then.
        until: Timestamp,
    },
    /// Done.
    Succeeded {
        /// Something was changed.
        changed: bool,
    },
    /// Failed for good.
    Failed {
        /// Why.
        kind: FailureKind,
    },
    /// Started, outcome unknown.
    Lost {
        /// Of that attempt.
        attempt: u32,
    },
    /// Not needed.
    Skipped,
    /// Will not run.
    Cancelled,
    /// Its change is being taken back.
    Undoing {
        /// From 1.
        attempt: u32,
    },
    /// Its change was taken back.
    Undone,
    /// Its change could not be taken back.
    UndoFailed,
}

/// An event that cannot happen in this state: a bug, or a damaged journal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{event} cannot happen to what is {state}")]
pub struct IllegalTransition {
    state: String,
    event: &'static str,
}

impl IllegalTransition {
    pub(super) fn new(state: &str, event: &'static str) -> IllegalTransition {
        IllegalTransition {
            state: state.to_owned(),
            event,
        }
    }
}

impl StepState {
    /// The state after an event about this node, at that time.
    ///
    /// # Errors
    /// When the event cannot happen in this state.
    pub fn next(&self, event: &Event, at: Timestamp) -> Result<StepState, IllegalTransition> {
        use StepState as S;
        let same = |a: u32, b: u32| a == b;
        let next = match (self, event) {
            (S::Blocked | S::WaitingRetry { .. } | S::Lost { .. } | S::Failed { .. }, Event::StepStarted { attempt, .. }) => S::Running {
                attempt: *attempt,
                since: at,
                intended: false,
            },
            (S::Succeeded { .. } | S::Skipped | S::Cancelled | S::Undone | S::UndoFailed, Event::StepStarted { attempt, .. }) => {
                // An owed step runs on the way back, whatever has become of it on the way out.
                S::Running {
                    attempt: *attempt,
                    since: at,
                    intended: false,
                }
            }
            (S::Running { attempt, since, .. }, Event::ChangeIntended { attempt: of, .. }) if same(*attempt, *of) => S::Running {
                attempt: *attempt,
                since: *since,
                intended: true,
            },
            (S::Running { attempt, .. }, Event::StepSucceeded { attempt: of, changed, .. }) if same(*attempt, *of) => {
                S::Succeeded { changed: *changed }
            }
            (S::AwaitingApproval, Event::StepSucceeded { changed, .. }) => S::Succeeded { changed: *changed },
            // Nothing was attempted: a branch was chosen, something was handed to a person, or a call began or ended.
            (S::Blocked, Event::StepSucceeded { attempt: 0, changed, .. }) => S::Succeeded { changed: *changed },
            (S::Running { attempt, .. }, Event::StepFailed { attempt: of, failure, .. }) if same(*attempt, *of) => {
                S::Failed { kind: failure.kind }
            }
            (S::Blocked | S::AwaitingApproval, Event::StepFailed { failure, .. }) => S::Failed { kind: failure.kind },
            (S::Running { attempt, .. }, Event::StepLost { attempt: of, .. }) if same(*attempt, *of) => S::Lost { attempt: *attempt },
            (S::Running { attempt, .. }, Event::StepRetryScheduled { attempt: of, until, .. }) if same(*attempt, *of) => S::WaitingRetry {
                attempt: *attempt,
                until: *until,
            },
            (S::Blocked, Event::StepSkipped { .. }) => S::Skipped,
            (S::Blocked, Event::ApprovalRequested { .. }) => S::AwaitingApproval,
            (
                S::Blocked | S::AwaitingApproval | S::WaitingRetry { .. } | S::Running { intended: false, .. },
                Event::StepCancelled { .. },
            ) => S::Cancelled,
            // Cancelled: it waited to be repeated, and the first attempt had changed something.
            (
                S::Succeeded { .. } | S::Failed { .. } | S::Lost { .. } | S::Cancelled | S::UndoFailed,
                Event::UndoStarted { attempt, .. },
            ) => S::Undoing { attempt: *attempt },
            (S::Undoing { attempt }, Event::UndoStepDone { .. }) => S::Undoing { attempt: *attempt },
            (S::Undoing { .. }, Event::UndoSucceeded { .. }) => S::Undone,
            (S::Undoing { .. }, Event::UndoFailed { .. }) => S::UndoFailed,
            (state, event) => {
                return Err(IllegalTransition::new(state.word(), event_word(event)));
            }
        };
        Ok(next)
    }

    /// One word for tables and errors.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            StepState::Blocked => "not started",
            StepState::AwaitingApproval => "waiting for approval",
            StepState::Running { .. } => "running",
            StepState::WaitingRetry { .. } => "waiting to retry",
            StepState::Succeeded { changed: true } => "changed",
            StepState::Succeeded { changed: false } => "ok",
            StepState::Failed { .. } => "failed",
            StepState::Lost { .. } => "lost",
            StepState::Skipped => "skipped",
            StepState::Cancelled => "cancelled",
            StepState::Undoing { .. } => "undoing",
            StepState::Undone => "undone",
            StepState::UndoFailed => "undo failed",
        }
    }

    /// Nothing more will happen to it on the road to success.
    #[must_use]
    pub fn ended(&self) -> bool {
        matches!(
            self,
            StepState::Succeeded { .. }
                | StepState::Failed { .. }
                | StepState::Lost { .. }
                | StepState::Skipped
                | StepState::Cancelled
                | StepState::Undone
                | StepState::UndoFailed
        )
    }
}

/// The node an event is about, if it is about one.
#[must_use]
pub fn node_of(event: &Event) -> Option<&NodeId> {
    match event {
        Event::StepStarted { node, .. }
        | Event::ChangeIntended { node, .. }
        | Event::StepSucceeded { node, .. }
        | Event::StepFailed { node, .. }
        | Event::StepLost { node, .. }
        | Event::StepRetryScheduled { node, .. }
        | Event::StepSkipped { node, .. }
        | Event::StepCancelled { node, .. }
        | Event::UndoStarted { node, .. }
        | Event::UndoStepDone { node, .. }
        | Event::UndoSucceeded { node, .. }
        | Event::UndoFailed { node, .. } => Some(node),
        Event::ApprovalRequested { request } => Some(&request.gate),
        _ => None,
    }
}

fn event_word(event: &Event) -> &'static str {
    match event {
        Event::StepStarted { .. } => "`step_started`",
        Event::ChangeIntended { .. } => "`change_intended`",
        Event::StepSucceeded { .. } => "`step_succeeded`",
        Event::StepFailed { .. } => "`step_failed`",
        Event::StepLost { .. } => "`step_lost`",
        Event::StepRetryScheduled { .. } => "`step_retry_scheduled`",
        Event::StepSkipped { .. } => "`step_skipped`",
        Event::StepCancelled { .. } => "`step_cancelled`",
        Event::ApprovalRequested { .. } => "`approval_requested`",
        Event::UndoStarted { .. } => "`undo_started`",
        Event::UndoStepDone { .. } => "`undo_step_done`",
        Event::UndoSucceeded { .. } => "`undo_succeeded`",
        Event::UndoFailed { .. } => "`undo_failed`",
        _ => "an event of the run",
    }
}
