//! A question to people and its answers.

use serde::{Deserialize, Serialize};

use crate::base::clock::Timestamp;
use crate::base::id::{NodeId, RunId};

/// A question that holds a run until it is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalRequest {
    /// The run that waits.
    pub run: RunId,
    /// The gate: the approve step's node, or `gate` for the one that `--gate approve` puts before the first change.
    pub gate: NodeId,
    /// The question.
    pub ask: String,
    /// Digest of the plan that was shown; the answer must name it.
    pub digest: String,
    /// Who may answer: names or groups; `*` for anybody (only `--gate approve` without `--from`).
    pub from: Vec<String>,
    /// How many must say yes.
    pub quorum: u32,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// When nobody's yes counts any more.
    pub expires_at: Timestamp,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalAnswer {
    /// yes or no
    pub granted: bool,
    /// Who answered, as recorded by the channel it came through.
    pub by: String,
    /// The digest the person saw.
    pub digest: String,
    /// When.
    pub at: Timestamp,
    /// What they said.
    pub reason: Option<String>,
}
