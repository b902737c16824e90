//! `runbook resume`: goes on where an interrupted run stood, or pays what a finished one still owes.

use super::arguments::Format;
use super::context::Context;
use super::exit::{CliError, Exit};
use super::output::err;
use super::progress;
use crate::base::id::RunId;
use crate::engine::replay::replay;
use crate::model::event::RunOutcome;
use crate::model::run::RunSummary;
use crate::run::supervisor::Supervisor;

/// Takes a run up.
///
/// # Errors
/// An unknown run, one that somebody else drives.
pub fn run(context: &Context, run: Option<RunId>, force: bool, format: Format) -> Result<Exit, CliError> {
    let supervisor = context.supervisor()?;
    let run = match run {
        Some(run) => run,
        None => the_interrupted_one(context, &supervisor)?,
    };
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

fn the_interrupted_one(context: &Context, supervisor: &Supervisor) -> Result<RunId, CliError> {
    let (runs, now) = (
        super::runs::with_dead_claims_removed(supervisor.journal.runs(1000)?),
        context.clock().now(),
    );
    let found: Vec<&RunSummary> = runs.iter().filter(|r| r.is_interrupted(now)).collect();
    match found.as_slice() {
        [one] => Ok(one.id),
        [] => Err(CliError::Usage(String::from(
            "no run was interrupted; to pay what an ended run still owes, name it: runbook resume RUN (runbook obligations lists them)",
        ))),
        several => {
            let list: Vec<String> = several.iter().map(|r| format!("{} {}", r.id, r.runbook)).collect();
            let message = format!("{} runs were interrupted, say which: {}", several.len(), list.join(", "));
            Err(CliError::Usage(message))
        }
    }
}

/// False when its controller died after the run's end and before the pools were given up.
fn holds_nothing(supervisor: &Supervisor, run: RunId) -> Result<bool, CliError> {
    let state = replay(run, &supervisor.journal.events(run)?).map_err(|e| CliError::Internal(e.to_string()))?;
    Ok(state.leases.is_empty())
}
