//! Facts of a run, in the past tense; the journal's records, the NDJSON lines and the reports share this vocabulary.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::clock::Timestamp;
use crate::base::id::{HostName, NodeId, PoolName, RunId, StepId};
use crate::base::value::Value;
use crate::diagnostic::Sources;
use crate::model::action::{ResourceKey, Undo};
use crate::model::approval::{ApprovalAnswer, ApprovalRequest};
use crate::model::inventory::Inventory;
use crate::model::obligation::{Obligation, ObligationId};
use crate::model::operation::TroubleKind;
use crate::model::plan::{Plan, Turn};

/// Version of the records below; a reader refuses a newer one.
pub const SCHEMA_VERSION: u32 = 2;

/// A record of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The run.
    pub run: RunId,
    /// From 1, without gaps, per run.
    pub sequence: u64,
    /// When it was written.
    pub at: Timestamp,
    /// What happened.
    pub event: Event,
}

/// A fact.
// Facts are made one at a time and go to disk; boxing the larger ones would only cost clarity.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// A run exists; holds everything that a resume needs.
    RunCreated(Box<RunCreated>),
    /// The dispatcher began; also after a resume.
    RunStarted {
        /// Which controller: host name and process.
        controller: String,
    },
    /// We own a pool.
    LeaseTaken {
        /// The pool.
        pool: PoolName,
        /// Ours; an older one is refused by the balancer.
        fence: u64,
    },
    /// We gave a pool up.
    LeaseReleased {
        /// The pool.
        pool: PoolName,
    },
    /// An attempt began with its probes; nothing was changed yet.
    StepStarted {
        /// Which.
        node: NodeId,
        /// From 1.
        attempt: u32,
    },
    /// The change is about to be sent.
    ChangeIntended {
        /// Which.
        node: NodeId,
        /// Of that attempt.
        attempt: u32,
        /// What, for people.
        summary: String,
        /// How to restore what was observed.
        undo: Undo,
        /// What was observed: from it a resumed run derives the same operations again.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        before: Vec<(ResourceKey, Value)>,
    },
    /// A debt, on disk before the change is sent.
    ObligationOpened {
        /// The debt.
        obligation: Obligation,
    },
    /// Given back.
    ObligationDischarged {
        /// Which.
        id: ObligationId,
        /// By which step, or how it was found.
        how: String,
    },
    /// Declared void by a person.
    ObligationWaived {
        /// Which.
        id: ObligationId,
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// It did what it says.
    StepSucceeded {
        /// Which.
        node: NodeId,
        /// Of that attempt.
        attempt: u32,
        /// Something was changed.
        changed: bool,
        /// The fields of `steps.ID`.
        result: Value,
        /// For people.
        summary: String,
    },
    /// It did not.
    StepFailed {
        /// Which.
        node: NodeId,
        /// Of that attempt.
        attempt: u32,
        /// Why.
        failure: Failure,
    },
    /// It was started and nobody knows what became of it.
    StepLost {
        /// Which.
        node: NodeId,
        /// Of that attempt.
        attempt: u32,
        /// Why.
        failure: Failure,
    },
    /// Another attempt will be made.
    StepRetryScheduled {
        /// Which.
        node: NodeId,
        /// The attempt that failed.
        attempt: u32,
        /// Not before then.
        until: Timestamp,
        /// Why.
        failure: Failure,
    },
    /// Its `when` was false, or what it needs did not happen.
    StepSkipped {
        /// Which.
        node: NodeId,
        /// Why.
        why: String,
    },
    /// It will not run any more.
    StepCancelled {
        /// Which.
        node: NodeId,
        /// Why.
        why: String,
    },
    /// People are asked.
    ApprovalRequested {
        /// The question.
        request: ApprovalRequest,
    },
    /// Somebody answered.
    ApprovalAnswered {
        /// The gate.
        gate: NodeId,
        /// The answer.
        answer: ApprovalAnswer,
    },
    /// Nobody answered in time: somebody else is asked too. Only a person's answer counts.
    ApprovalEscalated {
        /// A group or a name.
        to: String,
        /// The question as it stands now: they may answer too, and have until then.
        request: ApprovalRequest,
    },
    /// Nobody answered in time.
    ApprovalExpired {
        /// The gate.
        gate: NodeId,
    },
    /// No new steps; those under way end; then what was taken is given back.
    UnwindStarted {
        /// Why.
        reason: String,
        /// The first step whose failure counts; one that `allow_failure` allows for does not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<NodeId>,
    },
    /// Taking back began.
    UndoStarted {
        /// Whose change.
        node: NodeId,
        /// From 1.
        attempt: u32,
        /// What, for people.
        summary: String,
    },
    /// A step of its `undo:` was done, or was not needed; the next one follows.
    UndoStepDone {
        /// Whose change.
        node: NodeId,
        /// The step.
        step: StepId,
        /// What the steps after it read of it, on each of its hosts.
        results: Vec<(Option<HostName>, Value)>,
        /// For people.
        summary: String,
    },
    /// Taken back and verified.
    UndoSucceeded {
        /// Whose change.
        node: NodeId,
        /// For people.
        summary: String,
    },
    /// Not taken back.
    UndoFailed {
        /// Whose change.
        node: NodeId,
        /// Why.
        failure: Failure,
    },
    /// A step of a loop's turn failed: nothing more of the turn is started, and what it changed is taken back. Other turns go on.
    TurnFailed {
        /// The turn, with those around it, outermost first.
        turns: Vec<Turn>,
        /// The step that failed.
        node: NodeId,
        /// Why.
        why: String,
    },
    /// What a failed turn had changed is taken back, and what it owed is given back.
    TurnTakenBack {
        /// The turn, with those around it, outermost first.
        turns: Vec<Turn>,
    },
    /// A person wants the run to stop.
    CancelRequested {
        /// Who.
        by: String,
    },
    /// A guard kept something from being given back; the debt stays open.
    ReturnRefused {
        /// The debt.
        id: ObligationId,
        /// Which check, what it saw.
        why: String,
    },
    /// The end.
    RunFinished {
        /// How.
        outcome: RunOutcome,
        /// For people.
        summary: String,
        /// What the runbook's `outputs` came to, when it succeeded.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        outputs: BTreeMap<String, Value>,
    },
}

/// Everything that a resume needs, whatever has become of the files since.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunCreated {
    /// Sorts by time, unique over controllers; used in names on hosts.
    pub uid: String,
    /// The runbook's name.
    pub runbook: String,
    /// The texts it was compiled from: the runbook, then those that it calls.
    pub sources: Sources,
    /// The hosts, as resolved.
    pub inventory: Inventory,
    /// The parameters, resolved.
    pub params: BTreeMap<String, Value>,
    /// What was previewed and is to be done.
    pub plan: Plan,
    /// Who started it.
    pub by: String,
    /// Why, if they said.
    pub reason: Option<String>,
    /// `--gate approve`: asked before the first change.
    pub gate: bool,
    /// What said yes to this plan, where that counts once: `plan ID` of a saved plan, or `digest HEX`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_plan: Option<String>,
}

/// Why something failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind.
    pub kind: FailureKind,
    /// For people: what was found, what was expected, what to do. One or more lines.
    pub message: String,
}

/// Kinds of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// `that` was false, or the change did not take effect.
    Check,
    /// A program ended with a status that is not accepted.
    Exit,
    /// The host did not answer or the connection was lost.
    Unreachable,
    /// Key, host key, sudo or permission.
    Denied,
    /// Too long.
    Timeout,
    /// A guard, a minimum, somebody else's lease.
    Refused,
    /// An invariant does not hold before or after a step.
    Invariant,
    /// A person said no, or nobody answered.
    NotApproved,
    /// Who was to do it said that it failed.
    ByHand,
    /// Stopped by a person.
    Cancelled,
    /// The world is not as the plan assumed, or an answer made no sense.
    Unexpected,
}

impl From<TroubleKind> for FailureKind {
    fn from(kind: TroubleKind) -> FailureKind {
        match kind {
            TroubleKind::Unreachable => FailureKind::Unreachable,
            TroubleKind::Denied => FailureKind::Denied,
            TroubleKind::Timeout => FailureKind::Timeout,
            TroubleKind::Invalid => FailureKind::Check,
            TroubleKind::Absent | TroubleKind::Conflict | TroubleKind::Other => FailureKind::Unexpected,
        }
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    /// Everything done and verified.
    Succeeded,
    /// Failed; what was changed is taken back or was meant to stay; nothing is owed.
    Failed,
    /// Failed, and debts are open or an undo failed: a person must act.
    Stuck,
    /// A person said no, or nobody answered.
    Denied,
    /// Stopped by a person; the remote side is known to have stopped.
    Cancelled,
    /// Stopped or lost; what the remote side does is not known.
    Lost,
    /// Refused before anything was changed.
    Refused,
}
