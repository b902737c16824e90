//! The one place where results become exit codes and errors become words for the operator.

use std::process::ExitCode;

use crate::diagnostic::{Diagnostics, Sources, render};
use crate::journal::JournalError;
use crate::lab::LabError;
use crate::model::event::RunOutcome;
use crate::run::dispatcher::RunError;

/// What `runbook help exit-codes` prints; the constants below are the same numbers.
pub const TABLE: &str = "\
0   done; for `plan`: nothing to do, or --detailed-exitcode not given
1   internal or I/O error; for `test`: a test failed; for `fmt --check`: something would change
2   plan --detailed-exitcode: there is something to do
3   runbook, its tests, inventory or configuration invalid
4   run failed, nothing owed
5   run failed, obligations remain: a person must act
6   waiting for approval, detached
7   denied, or approval expired
8   cancelled by the operator, remote side confirmed stopped
9   cancelled or lost, remote side not confirmed
10  refused before anything changed: capacity, a guard, a lock, a plan that is stale or used
64  usage
";

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// See [`TABLE`].
    Done = 0,
    /// See [`TABLE`].
    Internal = 1,
    /// See [`TABLE`].
    SomethingToDo = 2,
    /// See [`TABLE`].
    Invalid = 3,
    /// See [`TABLE`].
    Failed = 4,
    /// See [`TABLE`].
    Obligations = 5,
    /// See [`TABLE`].
    Waiting = 6,
    /// See [`TABLE`].
    Denied = 7,
    /// See [`TABLE`].
    Cancelled = 8,
    /// See [`TABLE`].
    Lost = 9,
    /// See [`TABLE`].
    Refused = 10,
    /// See [`TABLE`].
    Usage = 64,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

impl From<RunOutcome> for Exit {
    fn from(outcome: RunOutcome) -> Exit {
        match outcome {
            RunOutcome::Succeeded => Exit::Done,
            RunOutcome::Failed => Exit::Failed,
            RunOutcome::Stuck => Exit::Obligations,
            RunOutcome::Denied => Exit::Denied,
            RunOutcome::Cancelled => Exit::Cancelled,
            RunOutcome::Lost => Exit::Lost,
            RunOutcome::Refused => Exit::Refused,
        }
    }
}

/// Why a command did not do what it was asked to.
#[derive(Debug)]
pub enum CliError {
    /// Mistakes in texts.
    Texts(Diagnostics, Box<Sources>),
    /// The command line makes no sense.
    Usage(String),
    /// Refused before anything changed.
    Refused(String),
    /// Files, processes, the journal.
    Internal(String),
}

impl CliError {
    /// The exit code.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            CliError::Texts(..) => Exit::Invalid,
            CliError::Usage(_) => Exit::Usage,
            CliError::Refused(_) => Exit::Refused,
            CliError::Internal(_) => Exit::Internal,
        }
    }

    /// Words for the terminal.
    #[must_use]
    pub fn words(&self, color: bool) -> String {
        match self {
            CliError::Texts(diagnostics, sources) => render::render(diagnostics, sources, color),
            CliError::Usage(words) | CliError::Internal(words) => format!("runbook: {words}\n"),
            CliError::Refused(words) => format!("REFUSED: {words}\n"),
        }
    }
}

impl From<JournalError> for CliError {
    fn from(error: JournalError) -> CliError {
        match error {
            JournalError::PlanUsed(_) => CliError::Refused(error.to_string()),
            other => CliError::Internal(other.to_string()),
        }
    }
}

impl From<std::io::Error> for CliError {
    fn from(error: std::io::Error) -> CliError {
        CliError::Internal(error.to_string())
    }
}

impl From<LabError> for CliError {
    fn from(error: LabError) -> CliError {
        CliError::Internal(error.to_string())
    }
}

impl From<RunError> for CliError {
    fn from(error: RunError) -> CliError {
        match error {
            RunError::Held(words) => CliError::Refused(words),
            other => CliError::Internal(other.to_string()),
        }
    }
}
