//! The table of runs.

use std::time::Duration;

use super::describe::{self, count, name};
use super::style::{Style, Tint};
use super::table::{Cell, Table};
use crate::base::clock::Timestamp;
use crate::model::run::{RunState, RunSummary};

/// The table, and below it how many need a person. Without runs, a sentence.
#[must_use]
pub fn text(runs: &[RunSummary], now: Timestamp, style: Style) -> String {
    if runs.is_empty() {
        return String::from("no runs yet\n");
    }
    let mut table = Table::new(&["RUN", "RUNBOOK", "STATE", "HOSTS", "STEP", "STARTED", "TOOK", "BY"]);
    for run in runs {
        let step = run.first_failure.as_ref().or(run.step.as_ref());
        let (state, tint) = state(run, now);
        table.row(vec![
            run.id.to_string().into(),
            name(&run.runbook).into(),
            Cell::tinted(state, tint),
            hosts(run).into(),
            step.and_then(|s| s.as_str().split('@').next()).map(name).unwrap_or_default().into(),
            started(run.started_at.unwrap_or(run.created_at), now).into(),
            describe::coarse(run.took(now)).into(),
            name(&run.by).into(),
        ]);
    }
    let waiting: Vec<&RunSummary> = runs.iter().filter(|r| needs_attention(r, now)).collect();
    let mut text = table.render(style);
    if let Some(first) = waiting.first() {
        let verb = if waiting.len() == 1 { "needs" } else { "need" };
        text.push_str(&format!(
            "{} {verb} attention.  runbook show {}\n",
            count(waiting.len(), "run"),
            describe::bare(first.id)
        ));
    }
    text
}

/// Where a run stands, in words: `RUNNING`, `WAITING for approve_restart`, `STUCK, 1 to do`, `INTERRUPTED: runbook resume 3`.
#[must_use]
pub fn state_words(run: &RunSummary, now: Timestamp) -> String {
    state(run, now).0
}

fn state(run: &RunSummary, now: Timestamp) -> (String, Tint) {
    if let RunState::Finished { outcome } = run.state {
        return describe::outcome(outcome, run.open_obligations as usize);
    }
    let waits = run.state == RunState::WaitingApproval;
    if let (true, true, Some(gate)) = (run.is_interrupted(now), waits, &run.waiting_for) {
        // Left on purpose or not: somebody's answer comes first.
        return (
            format!("WAITING for {}, then resume {}", name(gate), describe::bare(run.id)),
            Tint::Notice,
        );
    }
    if run.is_interrupted(now) {
        return (format!("INTERRUPTED, resume {}", describe::bare(run.id)), Tint::Bad);
    }
    match (run.state, &run.waiting_for) {
        (RunState::WaitingApproval, Some(gate)) => (format!("WAITING for {}", name(gate)), Tint::Notice),
        (RunState::WaitingApproval, None) => (String::from("WAITING"), Tint::Notice),
        (RunState::Unwinding, _) => (String::from("UNWINDING"), Tint::Notice),
        (RunState::Created, _) => (String::from("CREATED"), Tint::Plain),
        _ if run.cancel_by.is_some() => (String::from("STOPPING"), Tint::Notice),
        _ => (String::from("RUNNING"), Tint::Plain),
    }
}

/// The time of a day that is not over, else the date.
fn started(at: Timestamp, now: Timestamp) -> String {
    let span = now.since(at);
    if span < Duration::from_secs(86_400) {
        format!("{} ({} ago)", at.time_of_day(), describe::coarse(span))
    } else {
        at.rfc3339().chars().take(10).collect()
    }
}

fn needs_attention(run: &RunSummary, now: Timestamp) -> bool {
    run.open_obligations > 0 && run.outcome().is_some() || run.is_interrupted(now) || run.state == RunState::WaitingApproval
}

/// `2 changed 1 failed 3 planned`; what is zero is left out.
fn hosts(run: &RunSummary) -> String {
    let parts = [
        (run.changed.len(), "changed"),
        (run.failed.len(), "failed"),
        (
            run.hosts
                .iter()
                .filter(|h| !run.changed.contains(h) && !run.failed.contains(h))
                .count(),
            "untouched",
        ),
    ];
    let shown: Vec<String> = parts
        .iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, word)| format!("{n} {word}"))
        .collect();
    shown.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::RunId;
    use crate::model::event::RunOutcome;
    use crate::model::run::Claim;
    use crate::report::sample::at;

    fn run(id: u64, state: RunState) -> RunSummary {
        let ended = matches!(state, RunState::Finished { .. });
        RunSummary {
            id: RunId(id),
            uid: String::new(),
            runbook: String::from("recover-master"),
            by: String::from("mira"),
            reason: None,
            digest: String::new(),
            created_at: at(0),
            started_at: Some(at(0)),
            ended_at: ended.then(|| at(41_000)),
            state,
            waiting_for: None,
            step: Some("verify.1@web-01".into()),
            first_failure: None,
            hosts: vec!["lb-01".into(), "web-01".into()],
            changed: vec!["lb-01".into()],
            failed: Vec::new(),
            open_obligations: 0,
            cancel_by: None,
            sequence: 9,
            last_at: at(41_000),
            claim: None,
        }
    }

    #[test]
    fn every_state_is_a_word() {
        let done = run(
            1,
            RunState::Finished {
                outcome: RunOutcome::Succeeded,
            },
        );
        let stuck = RunSummary {
            open_obligations: 1,
            first_failure: Some("free_memory@web-01".into()),
            failed: vec!["web-01".into()],
            ..run(
                2,
                RunState::Finished {
                    outcome: RunOutcome::Stuck,
                },
            )
        };
        let claim = Claim {
            run: RunId(3),
            controller: String::from("ops-1/4711"),
            token: 1,
            since: at(0),
            expires_at: at(400_000),
        };
        let waiting = RunSummary {
            waiting_for: Some(String::from("approve_restart")),
            claim: Some(claim),
            ..run(3, RunState::WaitingApproval)
        };
        let abandoned = run(4, RunState::Running);
        let shown = text(&[abandoned, waiting, stuck, done], at(341_000), Style::PLAIN);
        assert_eq!(started(at(0), at(90_000_000)), "2026-11-21");
        let expected = r"RUN  RUNBOOK         STATE                        HOSTS                  STEP         STARTED               TOOK   BY
#4   recover-master  INTERRUPTED, resume 4        1 changed 1 untouched  verify.1     03:14:07 (5m41s ago)  5m41s  mira
#3   recover-master  WAITING for approve_restart  1 changed 1 untouched  verify.1     03:14:07 (5m41s ago)  5m41s  mira
#2   recover-master  STUCK, 1 to do               1 changed 1 failed     free_memory  03:14:07 (5m41s ago)  41s    mira
#1   recover-master  DONE                         1 changed 1 untouched  verify.1     03:14:07 (5m41s ago)  41s    mira
3 runs need attention.  runbook show 4
";
        assert_eq!(shown, expected);
    }
}
