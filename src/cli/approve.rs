//! `runbook approve`, `runbook deny`, `runbook cancel`: wishes left in the journal for the process that drives the run.

use std::collections::BTreeMap;

use super::arguments::AnswerArguments;
use super::context::Context;
use super::exit::{CliError, Exit};
use super::output::out;
use crate::base::id::{NodeId, RunId};
use crate::base::sanitise;
use crate::journal::{Journal, JournalError};
use crate::model::approval::{ApprovalAnswer, ApprovalRequest};
use crate::plan::control;
use crate::run::system;

/// Answers a question.
///
/// # Errors
/// No such question; several and none named; another digest; expired; not one of those who may answer.
pub fn run(context: &Context, arguments: &AnswerArguments, granted: bool) -> Result<Exit, CliError> {
    let journal = context.journal()?;
    let request = choose(journal.as_ref(), arguments.run, arguments.gate.as_deref(), false)?;
    let me = allowed(context, &request.from)?;
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
        fields: BTreeMap::new(),
    };
    leave(journal.as_ref(), arguments.run, &request.gate, answer)?;
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

/// Who we are, if we are one of these people.
pub(super) fn allowed(context: &Context, people: &[String]) -> Result<String, CliError> {
    let me = system::person();
    if context.config.may_approve(&me, people) {
        return Ok(me);
    }
    Err(CliError::Refused(format!(
        "{me} may not answer this; it is for {}",
        control::people(people)
    )))
}

/// Leaves an answer for the process that drives the run.
pub(super) fn leave(journal: &dyn Journal, run: RunId, gate: &NodeId, answer: ApprovalAnswer) -> Result<(), CliError> {
    match journal.answer(run, gate, answer) {
        Ok(()) => Ok(()),
        Err(JournalError::Refused(reason)) => Err(CliError::Refused(reason)),
        Err(error) => Err(error.into()),
    }
}

/// What the run waits for: a yes, or that a task is done.
pub(super) fn choose(journal: &dyn Journal, run: RunId, gate: Option<&str>, task: bool) -> Result<ApprovalRequest, CliError> {
    let waiting: Vec<ApprovalRequest> = journal.approvals_waiting()?.into_iter().filter(|r| r.run == run).collect();
    let (fitting, others): (Vec<ApprovalRequest>, Vec<ApprovalRequest>) = waiting.into_iter().partition(|r| r.task.is_some() == task);
    let (known, other) = (names(&fitting), names(&others));
    let (asks, instead) = match task {
        true => ("wait for anything to be done", "it asks for a yes or no at"),
        false => ("ask anything", "it waits for something to be done (runbook done) at"),
    };
    if let Some(gate) = gate
        && let Some(found) = fitting.iter().find(|r| r.gate.as_str() == gate)
    {
        return Ok(found.clone());
    }
    let number = run.0;
    Err(match (gate, fitting.as_slice()) {
        (None, [only]) => return Ok(only.clone()),
        (_, []) if !others.is_empty() => CliError::Refused(format!("run {run} does not {asks} now; {instead} {other}")),
        (_, []) => CliError::Refused(format!("run {run} does not {asks} now (runbook show {number})")),
        (Some(gate), _) => CliError::Usage(format!("run {run} does not wait at `{gate}`; it waits at {known}")),
        (None, _) => CliError::Usage(format!("run {run} waits at several; name one: {known}")),
    })
}

fn names(requests: &[ApprovalRequest]) -> String {
    requests.iter().map(|r| r.gate.as_str()).collect::<Vec<_>>().join(", ")
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
