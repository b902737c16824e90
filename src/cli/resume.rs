//! `runbook resume`: goes on where an interrupted run stood, or pays what a finished one still owes.

use super::arguments::Format;
use super::context::Context;
use super::exit::{CliError, Exit};
use super::output::err;
use super::progress;
use crate::base::id::RunId;
use crate::engine::replay::replay;
use crate::model::event::RunOutcome;
use crate::run::supervisor::Supervisor;

/// Takes a run up.
///
/// # Errors
/// An unknown run, one that somebody else drives.
pub fn run(context: &Context, run: RunId, force: bool, format: Format) -> Result<Exit, CliError> {
    let supervisor = context.supervisor()?;
    let summary = supervisor.journal.run(run)?;
    if let Some(outcome) = summary.outcome()
        && !matches!(outcome, RunOutcome::Stuck | RunOutcome::Lost)
        && holds_nothing(&supervisor, run)?
    {
        err(&format!(
            "run {run} has ended and owes nothing; there is nothing to resume (runbook show {})\n",
            run.0
        ));
        return Ok(outcome.into());
    }
    progress::drive(
        context,
        &supervisor,
        run,
        progress::Options {
            force,
            detach: false,
            format,
        },
    )
}

/// False when its controller died after the run's end and before the pools were given up.
fn holds_nothing(supervisor: &Supervisor, run: RunId) -> Result<bool, CliError> {
    let state = replay(run, &supervisor.journal.events(run)?).map_err(|e| CliError::Internal(e.to_string()))?;
    Ok(state.leases.is_empty())
}
