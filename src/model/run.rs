//! A run at a glance: what lists, tables and "may I go on with it?" need, folded from its events.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::clock::Timestamp;
use crate::base::id::{HostName, NodeId, RunId};
use crate::model::event::RunOutcome;

/// One run, in a few words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    /// Its number.
    pub id: RunId,
    /// Unique over controllers.
    pub uid: String,
    /// The runbook's name.
    pub runbook: String,
    /// Who started it.
    pub by: String,
    /// Why, if they said.
    pub reason: Option<String>,
    /// Digest of its plan.
    pub digest: String,
    /// When it was written down.
    pub created_at: Timestamp,
    /// When the dispatcher first began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Where it stands.
    pub state: RunState,
    /// The question it waits for, if it does.
    pub waiting_for: Option<String>,
    /// The step that was started last.
    pub step: Option<NodeId>,
    /// The step that failed first.
    pub first_failure: Option<NodeId>,
    /// Hosts on which the plan will or may change something.
    pub hosts: Vec<HostName>,
    /// Hosts to which a change was sent, in that order.
    pub changed: Vec<HostName>,
    /// Hosts on which a step failed or was lost.
    pub failed: Vec<HostName>,
    /// Debts not given back yet.
    pub open_obligations: u32,
    /// Who asked it to stop.
    pub cancel_by: Option<String>,
    /// Sequence of its last record.
    pub sequence: u64,
    /// When that was written.
    pub last_at: Timestamp,
    /// Who drives it; not an event, so it is added when reading.
    #[serde(skip)]
    pub claim: Option<Claim>,
}

impl RunSummary {
    /// How it ended, if it did.
    #[must_use]
    pub fn outcome(&self) -> Option<RunOutcome> {
        match self.state {
            RunState::Finished { outcome } => Some(outcome),
            _ => None,
        }
    }

    /// How long it took, or has been going on.
    #[must_use]
    pub fn took(&self, now: Timestamp) -> Duration {
        self.ended_at.unwrap_or(now).since(self.started_at.unwrap_or(self.created_at))
    }

    /// Not ended, and nobody who is alive drives it: to be resumed.
    #[must_use]
    pub fn is_interrupted(&self, now: Timestamp) -> bool {
        self.outcome().is_none() && self.claim.as_ref().is_none_or(|c| c.expires_at <= now)
    }
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum RunState {
    /// Written down, not begun.
    Created,
    /// Under way.
    Running,
    /// People are asked.
    WaitingApproval,
    /// Taking back.
    Unwinding,
    /// Ended.
    Finished {
        /// How.
        outcome: RunOutcome,
    },
}

/// The right to drive a run, until it expires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The run.
    pub run: RunId,
    /// Host name and process.
    pub controller: String,
    /// Grows with every claim of the run, so that an old holder notices.
    pub token: u64,
    /// Since when.
    pub since: Timestamp,
    /// Until then, unless renewed.
    pub expires_at: Timestamp,
}
