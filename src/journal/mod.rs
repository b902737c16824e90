//! The journal: append-only events of every run, and what follows from them (runs, debts, questions), kept in step.
//!
//! Assumes that one controller drives a run at a time and checks it: an append names the last sequence it knows. Knows nothing of
//! engines, hosts or terminals. Methods block for a short, bounded time; an asynchronous caller uses a blocking thread.

mod answer;
mod chain;
mod error;
mod fold;
mod memory;
mod output;
mod sqlite;

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod sample;

use std::time::Duration;

use crate::base::clock::Timestamp;
use crate::base::id::{NodeId, PoolName, RunId};
use crate::model::approval::{ApprovalAnswer, ApprovalRequest};
use crate::model::event::{Event, Record, RunCreated};
use crate::model::obligation::Obligation;
use crate::model::run::{Claim, RunSummary};

pub use chain::{Head, verify_lines};
pub use error::JournalError;
pub use memory::{MemoryJournal, Witness};
pub use output::{StoredOutput, Stream};
pub use sqlite::SqliteJournal;

/// What was found when every chain was checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChainReport {
    /// Runs looked at.
    pub runs: u64,
    /// Records whose hash and content agree.
    pub records: u64,
}

/// Where events are kept. Every method is one transaction: it happened as a whole or not at all.
pub trait Journal: Send + Sync {
    /// Whether others may write to it too, and calls may take time. One that lives in this process alone is called without a thread
    /// of its own, and nobody looks into it for others' wishes.
    fn is_shared(&self) -> bool {
        true
    }

    /// Writes a new run's first event and gives its number. Numbers ascend and are never used twice.
    ///
    /// # Errors
    /// Storage; a `uid` that is already there; a `used_plan` that another run has used.
    fn create_run(&self, created: RunCreated, at: Timestamp) -> Result<RunId, JournalError>;

    /// The run that has used a plan which may be used once.
    ///
    /// # Errors
    /// Storage.
    fn run_of_plan(&self, used: &str) -> Result<Option<RunId>, JournalError>;

    /// Adds events after `expected_sequence` and returns the new last sequence. When this returns `Ok`, they are on disk.
    ///
    /// # Errors
    /// [`JournalError::Conflict`] when somebody else has written to the run since; storage. Nothing is written then.
    fn append(&self, run: RunId, expected_sequence: u64, events: &[Event], at: Timestamp) -> Result<u64, JournalError>;

    /// All records of a run, hashes checked.
    ///
    /// # Errors
    /// An unknown run, a damaged or a newer record, storage.
    fn events(&self, run: RunId) -> Result<Vec<Record>, JournalError> {
        self.events_after(run, 0)
    }

    /// The records after `sequence`, hashes checked.
    ///
    /// # Errors
    /// As [`Journal::events`].
    fn events_after(&self, run: RunId, sequence: u64) -> Result<Vec<Record>, JournalError>;

    /// Takes the right to drive a run; `force` takes it from a controller that still holds it.
    ///
    /// # Errors
    /// [`JournalError::Claimed`] while another controller's claim lasts; an unknown run; storage.
    fn claim(&self, run: RunId, controller: &str, at: Timestamp, lease: Duration, force: bool) -> Result<Claim, JournalError>;

    /// Extends a claim that is still ours, even one that has run out but that nobody took.
    ///
    /// # Errors
    /// [`JournalError::ClaimLost`]: stop driving the run; storage.
    fn renew(&self, claim: &Claim, at: Timestamp, lease: Duration) -> Result<Claim, JournalError>;

    /// Gives a claim up; one that is no longer ours is left alone.
    ///
    /// # Errors
    /// Storage.
    fn release(&self, claim: &Claim) -> Result<(), JournalError>;

    /// The newest runs, newest first, at most `limit`.
    ///
    /// # Errors
    /// Storage.
    fn runs(&self, limit: usize) -> Result<Vec<RunSummary>, JournalError>;

    /// One run.
    ///
    /// # Errors
    /// An unknown run; storage.
    fn run(&self, run: RunId) -> Result<RunSummary, JournalError>;

    /// Debts of all runs, oldest first.
    ///
    /// # Errors
    /// Storage.
    fn obligations(&self, open_only: bool) -> Result<Vec<Obligation>, JournalError>;

    /// Open debts of one pool, oldest first.
    ///
    /// # Errors
    /// Storage.
    fn open_obligations_of_pool(&self, pool: &PoolName) -> Result<Vec<Obligation>, JournalError>;

    /// Questions that nobody has decided yet, oldest first; they may have expired.
    ///
    /// # Errors
    /// Storage.
    fn approvals_waiting(&self) -> Result<Vec<ApprovalRequest>, JournalError>;

    /// Leaves an answer for the controller that drives the run. Who may answer is for the caller to have checked.
    ///
    /// # Errors
    /// [`JournalError::Refused`] with the reason: no such question, decided, expired, another plan's digest, answered before.
    fn answer(&self, run: RunId, gate: &NodeId, answer: ApprovalAnswer) -> Result<(), JournalError>;

    /// Answers that are left for a run and are not among its events yet, oldest first.
    ///
    /// # Errors
    /// Storage.
    fn answers(&self, run: RunId) -> Result<Vec<(NodeId, ApprovalAnswer)>, JournalError>;

    /// Asks the controller that drives the run to stop. Asking again changes nothing.
    ///
    /// # Errors
    /// [`JournalError::Refused`] when the run has ended; an unknown run; storage.
    fn request_cancel(&self, run: RunId, by: &str, at: Timestamp) -> Result<(), JournalError>;

    /// Who asked the run to stop, if somebody did.
    ///
    /// # Errors
    /// Storage.
    fn cancel_requested(&self, run: RunId) -> Result<Option<String>, JournalError>;

    /// Keeps what an attempt wrote. Bytes that are already there are not stored twice; beyond `bound::OUTPUT_BYTES` they are dropped
    /// and the loss is marked.
    ///
    /// # Errors
    /// An unknown run; storage.
    fn store_output(&self, run: RunId, node: &NodeId, attempt: u32, stream: Stream, offset: u64, bytes: &[u8]) -> Result<(), JournalError>;

    /// What the attempts of a node wrote, by attempt and stream.
    ///
    /// # Errors
    /// Storage.
    fn output(&self, run: RunId, node: &NodeId) -> Result<Vec<StoredOutput>, JournalError>;

    /// The last sequence and hash of a run: what an outside anchor keeps, since a chain alone does not show that its end is missing.
    ///
    /// # Errors
    /// An unknown run; storage.
    fn head(&self, run: RunId) -> Result<Head, JournalError>;

    /// Checks every record of every run.
    ///
    /// # Errors
    /// The first record that is damaged, by run and sequence; storage.
    fn verify_chain(&self) -> Result<ChainReport, JournalError>;
}
