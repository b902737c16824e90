//! What was taken and must be given back, or handed to a person.

use serde::{Deserialize, Serialize};

use crate::base::clock::Timestamp;
use crate::base::id::{HostName, NodeId, PoolName, RunId};
use crate::model::action::Undo;

/// `1042.1`: the run and a number within it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ObligationId(pub String);

impl std::fmt::Display for ObligationId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

/// A debt, on disk before the action that makes it is sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Obligation {
    /// Its name for people.
    pub id: ObligationId,
    /// The run that took.
    pub run: RunId,
    /// The node that took.
    pub taker: NodeId,
    /// The node that gives back; `None` with `leave:`.
    pub return_node: Option<NodeId>,
    /// `pool/web/member/web-01`
    pub resource: String,
    /// The pool, if it is one's member.
    pub pool: Option<PoolName>,
    /// The member, if it is one.
    pub member: Option<HostName>,
    /// What was taken, for people: `web-01 out of pool web (drain)`.
    pub what: String,
    /// Why.
    pub reason: String,
    /// Who started the run.
    pub owner: String,
    /// How to restore what was observed before.
    pub previous: Undo,
    /// Of something that a person is to do: who may say that it is done. Empty: a step gives it back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub people: Vec<String>,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it should have been given back.
    pub deadline: Timestamp,
    /// open, discharged, waived, adopted
    pub state: ObligationState,
}

/// Where a debt stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObligationState {
    /// Not given back.
    Open,
    /// Given back and verified; or found so by a probe.
    Discharged {
        /// When.
        at: Timestamp,
        /// By which step, or by whom.
        how: String,
    },
    /// A person said that it need not be given back.
    Waived {
        /// When.
        at: Timestamp,
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
}

impl Obligation {
    /// Not given back yet.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state == ObligationState::Open
    }

    /// Open, and a person's word at this gate ends it.
    #[must_use]
    pub fn waits_for_people(&self, gate: &NodeId) -> bool {
        self.is_open() && !self.people.is_empty() && &self.taker == gate
    }
}
