//! The timeline of a post-mortem: when, what, where, who. From records only; as a table or as Markdown.

use super::describe::{self, name, sentence};
use super::plan_markdown::escape;
use super::story::Story;
use super::style::{Style, Tint};
use super::table::{Cell, Table};
use crate::base::clock::Timestamp;
use crate::base::id::NodeId;
use crate::model::event::{Event, Record};
use crate::model::plan::{Plan, turn_path};

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// What happened.
    pub what: String,
    /// On which hosts.
    pub host: String,
    /// Who or what did it: a person, a controller, or `runbook`.
    pub who: String,
    bad: bool,
}

/// What matters of a run, in order. Starts of attempts, leases and the like are left out: `runbook logs` has them.
#[must_use]
pub fn entries(records: &[Record]) -> Vec<Entry> {
    let Some(story) = Story::of(records) else {
        return Vec::new();
    };
    records.iter().filter_map(|record| entry(record, story.plan())).collect()
}

/// As a table.
#[must_use]
pub fn text(records: &[Record], style: Style) -> String {
    let mut table = Table::new(&["TIME", "WHAT", "HOST", "WHO"]);
    for entry in entries(records) {
        let tint = if entry.bad { Tint::Bad } else { Tint::Plain };
        table.row(vec![
            entry.at.rfc3339().into(),
            Cell::tinted(entry.what, tint),
            entry.host.into(),
            entry.who.into(),
        ]);
    }
    table.render(style)
}

/// As Markdown.
#[must_use]
pub fn markdown(records: &[Record]) -> String {
    let rows = entries(records).into_iter().map(|e| {
        let cells = [e.at.rfc3339(), escape(&e.what), escape(&e.host), escape(&e.who)];
        format!("| {} |\n", cells.join(" | "))
    });
    format!(
        "| time (UTC) | what | host | who |\n|---|---|---|---|\n{}",
        rows.collect::<String>()
    )
}

fn entry(record: &Record, plan: &Plan) -> Option<Entry> {
    about_steps(record, plan)
        .or_else(|| about_people(record, plan))
        .or_else(|| about_run(record))
}

fn row(record: &Record, what: String, who: &str) -> Entry {
    Entry {
        at: record.at,
        what: sentence(&what),
        host: String::new(),
        who: name(who),
        bad: false,
    }
}

fn about_steps(record: &Record, plan: &Plan) -> Option<Entry> {
    let (node, what, bad) = match &record.event {
        Event::ChangeIntended { node, summary, .. } => (node, format!("begins: {summary}"), false),
        Event::StepSucceeded {
            node,
            changed: true,
            summary,
            ..
        } => (node, format!("changed: {summary}"), false),
        Event::StepSucceeded { node, summary, .. } if plan.node(node).is_some_and(|n| n.action == "decide") => {
            (node, format!("is decided: {summary}"), false)
        }
        Event::StepFailed { node, failure, .. } => (
            node,
            format!("FAILED, {}: {}", describe::failure(failure.kind), failure.message),
            true,
        ),
        Event::StepLost { node, failure, .. } => (node, format!("LOST: {}", failure.message), true),
        Event::StepRetryScheduled { node, failure, .. } => (node, format!("failed, will be tried again: {}", failure.message), false),
        Event::UndoStarted { node, summary, .. } => (node, format!("is taken back: {summary}"), false),
        Event::UndoStepDone { node, step, summary, .. } => (node, format!("is taken back, {step}: {summary}"), false),
        Event::UndoSucceeded { node, summary } => (node, format!("taken back: {summary}"), false),
        Event::UndoFailed { node, failure } => (node, format!("UNDO FAILED: {}", failure.message), true),
        _ => return None,
    };
    let step = node.as_str().split('@').next().unwrap_or_default();
    let host = plan.node(node).map_or_else(String::new, super::node::place);
    Some(Entry {
        host,
        bad,
        ..row(record, format!("{step} {what}"), "runbook")
    })
}

fn about_people(record: &Record, plan: &Plan) -> Option<Entry> {
    let is_task = |gate: &NodeId| plan.is_task(gate);
    let (what, who, bad) = match &record.event {
        Event::ApprovalRequested { request } => (format!("{} asks: {}", request.gate, request.ask), "runbook", false),
        Event::ApprovalAnswered { gate, answer } => {
            let word = match (is_task(gate), answer.granted) {
                (false, true) => "approved",
                (false, false) => "DENIED",
                (true, true) => "done by hand",
                (true, false) => "FAILED",
            };
            let reason = answer.told().map_or_else(String::new, |t| format!(": {t}"));
            (format!("{gate} {word}{reason}"), answer.by.as_str(), !answer.granted)
        }
        Event::ApprovalEscalated { to, request } => (
            format!("{}: nobody answered in time, {to} is asked too", request.gate),
            "runbook",
            true,
        ),
        Event::ApprovalExpired { gate } => (format!("{gate} EXPIRED: nobody answered"), "runbook", true),
        Event::CancelRequested { by } => (String::from("asked to stop"), by.as_str(), false),
        Event::ObligationOpened { obligation } => (format!("obligation {}: {}", obligation.id, obligation.what), "runbook", false),
        Event::ObligationDischarged { id, how } => (format!("obligation {id} discharged: {how}"), "runbook", false),
        Event::ObligationWaived { id, by, reason } => (format!("obligation {id} waived: {reason}"), by.as_str(), false),
        Event::ReturnRefused { id, why } => (format!("obligation {id} NOT given back: {why}"), "runbook", true),
        _ => return None,
    };
    Some(Entry {
        bad,
        ..row(record, what, who)
    })
}

fn about_run(record: &Record) -> Option<Entry> {
    match &record.event {
        Event::RunCreated(created) => {
            let reason = created.reason.as_deref().map_or_else(String::new, |r| format!(": {r}"));
            Some(row(
                record,
                format!("run {} of {} asked for{reason}", record.run, created.runbook),
                &created.by,
            ))
        }
        Event::RunStarted { controller } => Some(row(record, String::from("the controller begins"), controller)),
        Event::UnwindStarted { reason, .. } => Some(row(
            record,
            format!("no new steps, what was done is taken back: {reason}"),
            "runbook",
        )),
        Event::TurnFailed { turns, why, .. } => Some(Entry {
            bad: true,
            ..row(
                record,
                format!("turn {} FAILED and is taken back: {why}", turn_path(turns)),
                "runbook",
            )
        }),
        Event::TurnTakenBack { turns } => Some(row(record, format!("turn {} is taken back", turn_path(turns)), "runbook")),
        Event::RunFinished { outcome, summary, .. } => {
            let (word, tint) = describe::outcome(*outcome, 0);
            Some(Entry {
                bad: tint == Tint::Bad,
                ..row(record, format!("run {} {word}: {summary}", record.run), "runbook")
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn what_mattered_in_order() {
        let shown = text(&sample::stuck(), Style::PLAIN);
        let expected = r"TIME                  WHAT                                                                                     HOST    WHO
2026-11-21T03:14:07Z  run #3 of recover-master asked for: HostOutOfMemory                                              mira
2026-11-21T03:14:07Z  the controller begins                                                                            ops-1/4711
2026-11-21T03:14:07Z  return_others[web-02].other_ready begins: web-02: maint → ready                          lb-01   runbook
2026-11-21T03:14:08Z  return_others[web-02].other_ready changed: web-02: maint → ready                         lb-01   runbook
2026-11-21T03:14:09Z  obligation 3.1: web-01 out of pool web (drain)                                                   runbook
2026-11-21T03:14:09Z  drain_master begins: web-01: ready → drain                                               lb-01   runbook
2026-11-21T03:14:16Z  drain_master changed: web-01: ready → drain                                              lb-01   runbook
2026-11-21T03:14:16Z  free_memory begins: restart app                                                          web-01  runbook
2026-11-21T03:14:16Z  approve_restart approved                                                                         noor
2026-11-21T03:15:16Z  free_memory FAILED, program failed: exit status 5 Unit app.service \u{1b}[31mnot found.  web-01  runbook
2026-11-21T03:15:16Z  no new steps, what was done is taken back: free_memory failed on web-01                          runbook
2026-11-21T03:15:16Z  return_others[web-02].other_ready is taken back: web-02: ready → maint                   lb-01   runbook
2026-11-21T03:15:17Z  return_others[web-02].other_ready taken back: web-02: ready → maint                      lb-01   runbook
2026-11-21T03:15:47Z  obligation 3.1 NOT given back: web-01 answers 503, expected 200                                  runbook
2026-11-21T03:16:05Z  run #3 STUCK: web-01 is still out of pool web                                                    runbook
";
        assert_eq!(shown, expected);
    }

    #[test]
    fn markdown_cells_are_escaped() {
        let shown = markdown(&sample::stuck());
        let failed = shown.lines().find(|l| l.contains("FAILED")).unwrap_or_default();
        assert_eq!(
            failed,
            "| 2026-11-21T03:15:16Z | free\\_memory FAILED, program failed: exit status 5 Unit app.service \\\\u{1b}\\[31mnot found. | web-01 | runbook |"
        );
    }
}
