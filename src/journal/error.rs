//! What can go wrong with a journal, each with what to do about it.

use crate::base::clock::Timestamp;
use crate::base::id::RunId;

/// Why the journal did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// The number is not known.
    #[error("the journal has no run {0}; `runbook runs` lists them")]
    NoSuchRun(RunId),
    /// Somebody else wrote to the run.
    #[error("run {run} was continued by somebody else (event {found} is written, {expected} was the last one known here); stop driving it")]
    Conflict {
        /// The run.
        run: RunId,
        /// The last sequence the caller knew.
        expected: u64,
        /// The last sequence there is.
        found: u64,
    },
    /// A live controller drives the run.
    #[error("run {run} is driven by {controller} until {until}; wait, or stop that process first")]
    Claimed {
        /// The run.
        run: RunId,
        /// Who.
        controller: String,
        /// Unless renewed.
        until: Timestamp,
    },
    /// The claim was taken or given up.
    #[error("run {run} is no longer driven from here{}", .by.as_ref().map(|b| format!("; {b} has taken it over")).unwrap_or_default())]
    ClaimLost {
        /// The run.
        run: RunId,
        /// Who has it now.
        by: Option<String>,
    },
    /// What may be used once was used.
    #[error("this plan was used by run {0} already; plan again")]
    PlanUsed(RunId),
    /// An answer or a request that must not be taken; the text says why.
    #[error("{0}")]
    Refused(String),
    /// A record that cannot be trusted.
    #[error("the journal is damaged: run {run}, event {sequence}: {what}; nothing more is done with this run, compare it with a backup")]
    Damaged {
        /// The run.
        run: RunId,
        /// The record.
        sequence: u64,
        /// What is wrong with it.
        what: String,
    },
    /// Written by a newer program.
    #[error("the journal is newer than this program ({what} has version {found}, version {known} is known here); use the newer `runbook`")]
    Newer {
        /// A record or the database.
        what: String,
        /// Its version.
        found: u64,
        /// The newest version this program reads.
        known: u64,
    },
    /// Another process held the journal for too long.
    #[error("the journal was busy for {seconds} s; another `runbook` writes to it, try again")]
    Busy {
        /// How long was waited.
        seconds: u64,
    },
    /// The disk or the file cannot be used.
    #[error("the journal {place}: {message}; {remedy}")]
    Storage {
        /// The file.
        place: String,
        /// What happened.
        message: String,
        /// What to do.
        remedy: &'static str,
    },
}

impl JournalError {
    /// True when the same call may succeed a little later without anybody doing anything.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, JournalError::Busy { .. })
    }
}
