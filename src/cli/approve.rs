//! `runbook approve`, `runbook deny`, `runbook cancel`: wishes left in the journal for the process that drives the run.

use super::arguments::AnswerArguments;
use super::context::Context;
use super::exit::{CliError, Exit};
use super::output::out;
use crate::base::id::RunId;
use crate::base::sanitise;
use crate::journal::JournalError;
use crate::model::approval::{ApprovalAnswer, ApprovalRequest};
use crate::run::system;

/// Answers a question.
///
/// # Errors
/// No such question; several and none named; another digest; expired; not one of those who may answer.
pub fn run(context: &Context, arguments: &AnswerArguments, granted: bool) -> Result<Exit, CliError> {
    let journal = context.journal()?;
    let waiting: Vec<ApprovalRequest> = journal
        .approvals_waiting()?
        .into_iter()
        .filter(|r| r.run == arguments.run)
        .collect();
    let request = choose(arguments, &waiting)?;
    let me = system::person();
    if !context.config.may_approve(&me, &request.from) {
        let from = if request.from.is_empty() {
            String::from("nobody")
        } else {
            request.from.join(", ")
        };
        return Err(CliError::Refused(format!("{me} may not answer this question; it is for {from}")));
    }
    let digest = match &arguments.digest {
        Some(seen) => {
            let seen = seen.strip_prefix("sha256:").unwrap_or(seen);
            if seen.len() < 8 || !request.digest.starts_with(seen) {
                return Err(CliError::Refused(format!(
                    "the run asks about plan {}, not {seen}; look again with `runbook show {}`",
                    short(&request.digest),
                    arguments.run.0
                )));
            }
            request.digest.clone()
        }
        None => request.digest.clone(),
    };
    let answer = ApprovalAnswer {
        granted,
        by: me.clone(),
        digest,
        at: context.clock().now(),
        reason: arguments.reason.clone(),
    };
    match journal.answer(arguments.run, &request.gate, answer) {
        Ok(()) => {}
        Err(JournalError::Refused(reason)) => return Err(CliError::Refused(reason)),
        Err(error) => return Err(error.into()),
    }
    let word = if granted { "approved" } else { "denied" };
    out(&format!(
        "{word} by {me}: {} (run {}, plan {})\n",
        sanitise::one_line(&request.ask, 200),
        arguments.run,
        short(&request.digest)
    ));
    Ok(Exit::Done)
}

fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

fn choose(arguments: &AnswerArguments, waiting: &[ApprovalRequest]) -> Result<ApprovalRequest, CliError> {
    match (&arguments.gate, waiting) {
        (_, []) => Err(CliError::Refused(format!(
            "run {} does not ask anything now (runbook show {})",
            arguments.run, arguments.run.0
        ))),
        (Some(gate), all) => all.iter().find(|r| r.gate.as_str() == gate).cloned().ok_or_else(|| {
            let known: Vec<&str> = all.iter().map(|r| r.gate.as_str()).collect();
            CliError::Usage(format!("run {} does not ask `{gate}`; it asks {}", arguments.run, known.join(", ")))
        }),
        (None, [only]) => Ok(only.clone()),
        (None, several) => {
            let known: Vec<&str> = several.iter().map(|r| r.gate.as_str()).collect();
            Err(CliError::Usage(format!(
                "run {} asks several questions; name one: {}",
                arguments.run,
                known.join(", ")
            )))
        }
    }
}

/// Asks a run to stop.
///
/// # Errors
/// An unknown run; one that has ended.
pub fn cancel(context: &Context, run: RunId) -> Result<Exit, CliError> {
    let journal = context.journal()?;
    match journal.request_cancel(run, &system::person(), context.clock().now()) {
        Ok(()) => {}
        Err(JournalError::Refused(reason)) => return Err(CliError::Refused(reason)),
        Err(error) => return Err(error.into()),
    }
    out(&format!(
        "run {run} was asked to stop; it gives back what it has taken (runbook show {})\n",
        run.0
    ));
    Ok(Exit::Done)
}
