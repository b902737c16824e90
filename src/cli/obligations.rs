//! `runbook obligations`, and the line that every command ends with while something is owed.

use std::sync::Arc;

use super::arguments::{Format, ObligationCommand};
use super::context::Context;
use super::exit::{CliError, Exit};
use super::output::{err, json, out};
use super::resume;
use crate::base::id::RunId;
use crate::engine::replay::replay;
use crate::engine::run::Phase;
use crate::journal::Journal;
use crate::model::event::{Event, RunCreated};
use crate::model::obligation::Obligation;
use crate::model::run::RunState;
use crate::report::{self, Style};
use crate::run::pools::Pools;
use crate::run::system;

/// Lists, shows, discharges, waives.
///
/// # Errors
/// An unknown obligation; the journal.
pub fn run(context: &Context, command: Option<ObligationCommand>, format: Format) -> Result<Exit, CliError> {
    let journal = context.journal()?;
    match command.unwrap_or(ObligationCommand::List { all: false }) {
        ObligationCommand::List { all } => {
            let list = journal.obligations(!all)?;
            show(context, &list, format);
            Ok(Exit::Done)
        }
        ObligationCommand::Show { id } => {
            let one = find(journal.as_ref(), &id)?;
            match format {
                Format::Text => out(&report::obligations::show(
                    &one,
                    context.clock().now(),
                    Style { color: context.colors.out },
                )),
                _ => show(context, &[one], format),
            }
            Ok(Exit::Done)
        }
        ObligationCommand::Discharge { id } => {
            let one = find(journal.as_ref(), &id)?;
            if !one.is_open() {
                return Err(CliError::Usage(format!("obligation {id} is not open")));
            }
            if !one.people.is_empty() {
                let words = format!(
                    "a person does it, no step of run {}: runbook done {} {}",
                    one.run, one.run.0, one.taker
                );
                return Err(CliError::Usage(words));
            }
            if one.return_node.is_none() {
                let words = format!(
                    "nothing in run {} gives this back; return it with a runbook of its own, then: runbook obligations waive {id} --reason …",
                    one.run
                );
                return Err(CliError::Usage(words));
            }
            resume::run(context, Some(one.run), false, format)
        }
        ObligationCommand::Waive { id, reason } => waive(context, journal.as_ref(), &id, &reason),
    }
}

fn show(context: &Context, list: &[Obligation], format: Format) {
    match format {
        Format::Text | Format::Github => out(&report::obligations::text(
            list,
            context.clock().now(),
            Style { color: context.colors.out },
        )),
        Format::Json => json(&serde_json::json!({ "schema": "runbook.obligations/1", "obligations": list })),
        Format::Ndjson => list.iter().for_each(|o| out(&format!("{}\n", serde_json::json!(o)))),
    }
}

fn find(journal: &dyn Journal, id: &str) -> Result<Obligation, CliError> {
    let all = journal.obligations(false)?;
    all.iter().find(|o| o.id.0 == id).cloned().ok_or_else(|| {
        let open: Vec<&str> = all.iter().filter(|o| o.is_open()).map(|o| o.id.0.as_str()).collect();
        CliError::Usage(format!(
            "there is no obligation `{id}`; open are: {}",
            if open.is_empty() { String::from("none") } else { open.join(", ") }
        ))
    })
}

fn waive(context: &Context, journal: &dyn Journal, id: &str, reason: &str) -> Result<Exit, CliError> {
    let one = find(journal, id)?;
    if !one.is_open() {
        return Err(CliError::Usage(format!("obligation {id} is not open")));
    }
    let state = replay(one.run, &journal.events(one.run)?).map_err(|e| CliError::Internal(e.to_string()))?;
    if !matches!(state.phase, Phase::Finished(_)) {
        return Err(CliError::Refused(format!(
            "run {} has not ended; resume or cancel it first (runbook resume {})",
            one.run, one.run.0
        )));
    }
    let (by, at) = (system::person(), context.clock().now());
    journal.append(
        one.run,
        state.sequence,
        &[Event::ObligationWaived {
            id: one.id.clone(),
            by: by.clone(),
            reason: reason.to_owned(),
        }],
        at,
    )?;
    clear_mark(context, &one, &state.created)?;
    out(&format!("waived by {by}: {} ({})\n", one.what, one.id));
    Ok(Exit::Done)
}

/// The balancer's own record that the member is taken goes with the debt.
fn clear_mark(context: &Context, debt: &Obligation, created: &RunCreated) -> Result<(), CliError> {
    let (Some(pool), Some(member)) = (&debt.pool, &debt.member) else {
        return Ok(());
    };
    let inventory = Arc::new(created.inventory.clone());
    let connections = context.connections(inventory.clone());
    let pools = Pools::new(connections.clone(), inventory, context.clock(), &created.by, &created.uid, "");
    super::runtime()?.block_on(async {
        pools.clear(pool, member.as_str()).await;
        connections.close().await;
    });
    Ok(())
}

/// Says what is owed and what was interrupted, on stderr. Says nothing where there is no journal, and never makes one.
pub fn remind(context: &Context) {
    let exists = context.journal_path().is_ok_and(|p| p.is_file());
    if !exists {
        return;
    }
    let Ok(journal) = context.journal() else { return };
    let now = context.clock().now();
    if let Ok(open) = journal.obligations(true)
        && let Some(line) = report::obligations::reminder(&open, now, Style { color: context.colors.err })
    {
        err(&format!("{line}\n"));
    }
    // The newest fifty: an interrupted run older than that has been seen by somebody.
    let runs = super::runs::with_dead_claims_removed(journal.runs(50).unwrap_or_default());
    for run in runs.iter().filter(|r| r.is_interrupted(now)) {
        let RunId(number) = run.id;
        let what = match run.waiting_for.as_ref().filter(|_| run.state == RunState::WaitingApproval) {
            Some(gate) => format!("waits for {gate}; after the answer"),
            None => String::from("was interrupted"),
        };
        err(&format!("run {} {} {what}: runbook resume {number}\n", run.id, run.runbook));
    }
}
