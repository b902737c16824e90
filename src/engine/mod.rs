//! Floor 5: the run as a pure state machine.
//!
//! Three functions: [`decide`](decide::decide) turns an input into facts, [`RunState::apply`](run::RunState::apply) is the only writer
//! of the state, [`effects`](effects::effects) says what should be going on. All three are used live, in replay and in tests. What
//! should be going on is a function of the state, so a crash loses nothing: replay the facts and look again.
#![doc = include_str!("states.md")]

pub mod call;
pub mod decide;
pub mod drift;
pub mod effects;
pub mod invariants;
pub mod obligations;
mod people;
pub mod phase;
pub mod question;
pub mod replay;
pub mod run;
pub mod schedule;
pub mod step;
pub mod turns;
pub mod unwind;
pub mod way_back;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests;

use crate::base::clock::Timestamp;
use crate::base::id::{HostName, NodeId};
use crate::base::value::Value;
use crate::model::action::{Catalog, ResourceKey, Undo};
use crate::model::approval::ApprovalAnswer;
use crate::model::event::Failure;
use crate::model::obligation::ObligationId;
use crate::model::plan::Node;
use crate::model::runbook::{Runbook, Step};

/// What the engine knows beside the state: the compiled runbook and the actions. Never changes during a run.
#[derive(Clone, Copy)]
pub struct Knowledge<'a> {
    /// Compiled from the text in the journal.
    pub runbook: &'a Runbook,
    /// The actions.
    pub catalog: &'a dyn Catalog,
}

impl<'a> Knowledge<'a> {
    /// The step of a node.
    ///
    /// # Panics
    /// When the plan was made from another runbook; the digest forbids it.
    #[must_use]
    pub fn step(&self, node: &Node) -> &'a Step {
        self.runbook
            .step(&node.step)
            .expect("every node of the plan comes from a step of its runbook")
    }

    /// Whether the node's action may simply be repeated when its outcome is lost.
    #[must_use]
    pub fn repeatable(&self, node: &Node) -> bool {
        self.catalog.get(&node.action).is_some_and(|k| k.signature().repeatable)
    }
}

/// Something that happened to the engine.
#[derive(Clone, Debug)]
pub enum Input {
    /// Time passed, or the state changed: go on.
    Tick,
    /// An attempt has looked and wants to change something.
    Prepared {
        /// Which.
        node: NodeId,
        /// Of that attempt.
        attempt: u32,
        /// What it wants.
        intent: Intent,
    },
    /// An attempt ended.
    Ended {
        /// Which.
        node: NodeId,
        /// Of that attempt.
        attempt: u32,
        /// How.
        ending: Ending,
    },
    /// Taking back ended.
    UndoEnded {
        /// Whose change.
        node: NodeId,
        /// Which step of its `undo:`.
        step: usize,
        /// What was done, or why not.
        result: Result<TakenBack, Failure>,
    },
    /// A guard kept an owed step from running.
    ReturnRefused {
        /// The debt.
        id: ObligationId,
        /// The return's attempt ends with it.
        node: NodeId,
        /// Which check, what it saw.
        why: String,
    },
    /// Somebody answered a question.
    Answered {
        /// The gate.
        gate: NodeId,
        /// The answer.
        answer: ApprovalAnswer,
    },
    /// A person wants the run to stop.
    CancelRequested {
        /// Who.
        by: String,
    },
}

/// A change about to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct Intent {
    /// For people.
    pub summary: String,
    /// How to restore what was observed.
    pub undo: Undo,
    /// What was observed.
    pub before: Vec<(ResourceKey, Value)>,
}

/// What one step back came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TakenBack {
    /// For people.
    pub summary: String,
    /// Of a step of `undo:`: what those after it read of it, on each of its hosts.
    pub results: Vec<(Option<HostName>, Value)>,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    /// It did what it says.
    Succeeded {
        /// Something was changed.
        changed: bool,
        /// The fields of `steps.ID`.
        result: Value,
        /// For people.
        summary: String,
    },
    /// It did not.
    Failed(Failure),
    /// It did not, and what it had announced is known not to have happened, not even in part.
    Unchanged(Failure),
    /// Started, outcome unknown.
    Lost(Failure),
    /// A controller that took over found that it never started and never will: it may be made anew.
    NotStarted(Failure),
}

/// The gate that `--gate approve` puts before the first change; no step can have this name.
#[must_use]
pub fn start_gate() -> NodeId {
    NodeId::from("@start")
}

/// How long the start gate waits for an answer.
pub const START_GATE_WITHIN: std::time::Duration = std::time::Duration::from_secs(15 * 60);

/// A moment, kept together with what the engine knows.
#[derive(Clone, Copy)]
pub struct Now<'a> {
    /// What never changes.
    pub knowledge: Knowledge<'a>,
    /// The time.
    pub at: Timestamp,
}
