//! `runbook resume`: goes on where an interrupted run stood, or pays what a finished one still owes.

use super::arguments::Format;
use super::context::Context;
use super::exit::{CliError, Exit};
use super::output::err;
use super::progress;
use crate::base::id::RunId;
use crate::model::event::RunOutcome;

/// Takes a run up.
///
/// # Errors
/// An unknown run, one that somebody else drives.
pub fn run(context: &Context, run: RunId, force: bool, format: Format) -> Result<Exit, CliError> {
    let supervisor = context.supervisor()?;
    let summary = supervisor.journal.run(run)?;
    if let Some(outcome) = summary.outcome()
        && !matches!(outcome, RunOutcome::Stuck | RunOutcome::Lost)
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
