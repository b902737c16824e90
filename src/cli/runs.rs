//! `runbook runs`, `runbook show`, `runbook logs`: the record.

use super::arguments::Format;
use super::context::Context;
use super::exit::{CliError, Exit};
use super::output::{json, out};
use crate::base::id::RunId;
use crate::base::sanitise;
use crate::model::event::Event;
use crate::model::run::RunSummary;
use crate::report::{self, Story, Style};
use crate::run::system;

/// Lists runs.
///
/// # Errors
/// The journal.
pub fn list(context: &Context, limit: usize, format: Format) -> Result<Exit, CliError> {
    let runs = with_dead_claims_removed(context.journal()?.runs(limit)?);
    match format {
        Format::Text | Format::Github => out(&report::runs::text(
            &runs,
            context.clock().now(),
            Style { color: context.colors.out },
        )),
        Format::Json => json(&serde_json::json!({ "schema": "runbook.runs/1", "runs": runs })),
        Format::Ndjson => runs.iter().for_each(|r| out(&format!("{}\n", serde_json::json!(r)))),
    }
    Ok(Exit::Done)
}

/// A claim lasts for a while after its controller has died; here that can be seen at once.
pub(super) fn with_dead_claims_removed(mut runs: Vec<RunSummary>) -> Vec<RunSummary> {
    for run in &mut runs {
        run.claim.take_if(|claim| system::controller_is_dead(&claim.controller));
    }
    runs
}

/// Shows a run.
///
/// # Errors
/// An unknown run; the journal.
pub fn show(context: &Context, run: RunId, format: Format) -> Result<Exit, CliError> {
    let records = context.journal()?.events(run)?;
    match format {
        Format::Text => {
            if let Some(story) = Story::of(&records) {
                out(&report::end::text(&story, Style { color: context.colors.out }));
                out(&format!(
                    "\nTIMELINE\n{}",
                    report::timeline::text(&records, Style { color: context.colors.out })
                ));
            }
        }
        Format::Github => {
            out(&report::timeline::markdown(&records));
        }
        Format::Json => {
            let outputs = Story::of(&records).and_then(|s| s.outputs_json());
            json(&serde_json::json!({ "schema": "runbook.run/1", "outputs": outputs, "records": records }));
        }
        Format::Ndjson => records.iter().for_each(|r| out(&format!("{}\n", report::live::record_line(r)))),
    }
    Ok(Exit::Done)
}

/// Shows what steps wrote.
///
/// # Errors
/// An unknown run; the journal.
pub fn logs(context: &Context, run: RunId, step: Option<&str>, failed: bool, format: Format) -> Result<Exit, CliError> {
    let journal = context.journal()?;
    let records = journal.events(run)?;
    let nodes = records.iter().find_map(|r| match &r.event {
        Event::RunCreated(created) => Some(&created.plan.nodes),
        _ => None,
    });
    for node in nodes.into_iter().flatten() {
        let bad = |r: &crate::model::event::Record| matches!(&r.event, Event::StepFailed { node: n, .. } | Event::StepLost { node: n, .. } if *n == node.id);
        let wanted = step.is_none_or(|s| node.step.as_str() == s || node.id.as_str() == s) && (!failed || records.iter().any(bad));
        if !wanted {
            continue;
        }
        for piece in journal.output(run, &node.id)? {
            let text = String::from_utf8_lossy(&piece.bytes);
            if format == Format::Text || format == Format::Github {
                out(&format!("── {} attempt {} {}\n", node.id, piece.attempt, piece.stream.name()));
                out(&sanitise::for_terminal(&text));
                out(if text.ends_with('\n') { "" } else { "\n" });
                if piece.truncated {
                    out("   (more was written; it was not kept)\n");
                }
            } else {
                let line = serde_json::json!({ "node": node.id, "attempt": piece.attempt, "stream": piece.stream.name(), "text": text, "truncated": piece.truncated });
                out(&format!("{line}\n"));
            }
        }
    }
    Ok(Exit::Done)
}
