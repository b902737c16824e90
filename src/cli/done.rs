//! `runbook done`, `runbook failed`: a person answers for what a run gave them to do. Where the run waits, the answer is left for the
//! process that drives it; where it has gone on, the obligation ends.

use std::collections::BTreeMap;

use super::approve::{allowed, choose, leave};
use super::arguments::DoneArguments;
use super::asker;
use super::context::{Context, params};
use super::exit::{CliError, Exit};
use super::output::{interactive, out};
use crate::base::id::{NodeId, RunId};
use crate::base::sanitise;
use crate::base::value::Value;
use crate::diagnostic::nearest;
use crate::journal::{Journal, JournalError};
use crate::model::approval::{ApprovalAnswer, Task};
use crate::model::event::Event;
use crate::model::inventory::Inventory;
use crate::model::obligation::Obligation;
use crate::plan::params::value;

/// Says that something is done.
///
/// # Errors
/// Nothing to do; not one of those who were asked; too late; a field that is missing, unknown or of the wrong type.
pub fn done(context: &Context, arguments: &DoneArguments) -> Result<Exit, CliError> {
    let journal = context.journal()?;
    let (run, step) = (arguments.run, arguments.step.as_deref());
    let mut answer = ApprovalAnswer {
        granted: true,
        by: String::new(),
        digest: String::new(),
        at: context.clock().now(),
        reason: arguments.reason.clone(),
        fields: BTreeMap::new(),
    };
    if let Some(debt) = owed(journal.as_ref(), run, step)? {
        if let Some(field) = arguments.fields.first() {
            return Err(CliError::Usage(format!(
                "`{}` asks for no fields; --field {field} means nothing",
                debt.taker
            )));
        }
        answer.by = allowed(context, &debt.people)?;
        return pay(journal.as_ref(), &debt, answer);
    }
    let request = choose(journal.as_ref(), run, step, true)?;
    answer.by = allowed(context, &request.from)?;
    answer.digest.clone_from(&request.digest);
    let task = request.task.clone().unwrap_or_default();
    answer.fields = fields(context, journal.as_ref(), run, &task, &arguments.fields)?;
    // The person may have taken a while to tell.
    answer.at = context.clock().now();
    let words = answer.done_words();
    leave(journal.as_ref(), run, &request.gate, answer)?;
    tell(run, &request.gate, &words);
    Ok(Exit::Done)
}

/// Says that something has failed.
///
/// # Errors
/// As [`done`].
pub fn failed(context: &Context, run: RunId, step: Option<&str>, reason: String) -> Result<Exit, CliError> {
    let journal = context.journal()?;
    if let Some(debt) = owed(journal.as_ref(), run, step)? {
        return Err(CliError::Refused(format!(
            "run {run} has gone on without `{}`; if nobody will do it: runbook obligations waive {} --reason …",
            debt.taker, debt.id
        )));
    }
    let request = choose(journal.as_ref(), run, step, true)?;
    let by = allowed(context, &request.from)?;
    let words = format!("failed, says {by}: {reason}");
    let answer = ApprovalAnswer {
        granted: false,
        by,
        digest: request.digest.clone(),
        at: context.clock().now(),
        reason: Some(reason),
        fields: BTreeMap::new(),
    };
    leave(journal.as_ref(), run, &request.gate, answer)?;
    tell(run, &request.gate, &words);
    Ok(Exit::Done)
}

fn tell(run: RunId, step: &NodeId, words: &str) {
    out(&format!("{step} of run {run}: {}\n", sanitise::one_line(words, 300)));
}

/// The obligation that is meant: the one of that step, or the only one of a run that waits for nothing else.
fn owed(journal: &dyn Journal, run: RunId, step: Option<&str>) -> Result<Option<Obligation>, CliError> {
    let all = journal.obligations(true)?;
    let mut open: Vec<Obligation> = all.into_iter().filter(|o| o.run == run && !o.people.is_empty()).collect();
    if let Some(step) = step {
        return Ok(open.into_iter().find(|o| o.taker.as_str() == step));
    }
    let asked = journal
        .approvals_waiting()?
        .into_iter()
        .filter(|r| r.run == run && r.task.is_some());
    let waits: Vec<NodeId> = asked.map(|r| r.gate).collect();
    match (open.len(), waits.len()) {
        (0, _) => Ok(None),
        (1, 0) => Ok(open.pop()),
        _ => {
            let all: Vec<&str> = waits.iter().chain(open.iter().map(|o| &o.taker)).map(NodeId::as_str).collect();
            Err(CliError::Usage(format!(
                "run {run} has given people several things to do; name the step: {}",
                all.join(", ")
            )))
        }
    }
}

/// A run that goes on hears of it; one that has ended gets it into its record.
fn pay(journal: &dyn Journal, debt: &Obligation, answer: ApprovalAnswer) -> Result<Exit, CliError> {
    let words = answer.done_words();
    let at = answer.at;
    if journal.run(debt.run)?.outcome().is_none() {
        leave(journal, debt.run, &debt.taker, answer)?;
    }
    // It may have ended meanwhile, without looking once more.
    let summary = journal.run(debt.run)?;
    let open = journal.obligations(true)?.iter().any(|o| o.id == debt.id);
    if summary.outcome().is_some() && open {
        let discharged = Event::ObligationDischarged {
            id: debt.id.clone(),
            how: words.clone(),
        };
        match journal.append(debt.run, summary.sequence, &[discharged], at) {
            Ok(_) => {}
            Err(JournalError::Conflict { .. }) => {
                let words = format!("run {} has just been written to by somebody else; say it again", debt.run);
                return Err(CliError::Refused(words));
            }
            Err(error) => return Err(error.into()),
        }
    }
    tell(debt.run, &debt.taker, &words);
    Ok(Exit::Done)
}

/// The fields as given, by default, or as told at the terminal.
fn fields(
    context: &Context,
    journal: &dyn Journal,
    run: RunId,
    task: &Task,
    flags: &[String],
) -> Result<BTreeMap<String, Value>, CliError> {
    let mut given = params(flags)?;
    let inventory = inventory_of(journal, run)?;
    let mut values = BTreeMap::new();
    for field in &task.fields {
        let told = match given.remove(&field.name) {
            Some(text) => Some(value(field, &inventory, &text).map_err(|why| CliError::Usage(format!("--field {}: {why}", field.name)))?),
            None if field.default.is_some() => field.default.clone(),
            None if interactive(context.global.no_input) => asker::field(field, &inventory),
            None => None,
        };
        let missing = || CliError::Usage(format!("what is `{}`? add --field {}=…", field.name, field.name));
        values.insert(field.name.clone(), told.ok_or_else(missing)?);
    }
    if let Some(unknown) = given.keys().next() {
        let known: Vec<&str> = task.fields.iter().map(|f| f.name.as_str()).collect();
        let hint = match nearest(unknown, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => String::from("it asks for none"),
            None => format!("it asks for {}", known.join(", ")),
        };
        return Err(CliError::Usage(format!("the step asks for no field `{unknown}`; {hint}")));
    }
    Ok(values)
}

fn inventory_of(journal: &dyn Journal, run: RunId) -> Result<Inventory, CliError> {
    let records = journal.events(run)?;
    let created = records.iter().find_map(|r| match &r.event {
        Event::RunCreated(created) => Some(created.inventory.clone()),
        _ => None,
    });
    Ok(created.unwrap_or_default())
}
