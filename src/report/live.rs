//! A run while it goes on: one greppable line per change for people without a terminal, one JSON document per line for programs.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::describe::{self, name, sentence};
use super::story::Story;
use crate::base::clock::{Timestamp, friendly};
use crate::base::id::NodeId;
use crate::model::event::{Event, Record, SCHEMA_VERSION};
use crate::model::plan::{Plan, turn_path};

/// Lines for people; remembers when attempts began, so that ends say how long they took.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    started: BTreeMap<NodeId, Timestamp>,
}

impl Lines {
    /// Nothing has begun.
    #[must_use]
    pub fn new() -> Lines {
        Lines::default()
    }

    /// The line of a record, with `took` where it ends something; `None`: not worth a line.
    pub fn line(&mut self, record: &Record, plan: &Plan) -> Option<String> {
        let took = match &record.event {
            Event::StepStarted { node, .. } | Event::UndoStarted { node, .. } => {
                self.started.insert(node.clone(), record.at);
                None
            }
            Event::StepSucceeded { node, .. }
            | Event::StepFailed { node, .. }
            | Event::StepLost { node, .. }
            | Event::StepRetryScheduled { node, .. }
            | Event::UndoSucceeded { node, .. }
            | Event::UndoFailed { node, .. } => self.started.remove(node).map(|at| record.at.since(at)),
            _ => None,
        };
        write(record, plan, took)
    }
}

/// The line of a record by itself: `03:14:07 step rotate-logs host web-1 state changed`.
#[must_use]
pub fn line(record: &Record, plan: &Plan) -> Option<String> {
    write(record, plan, None)
}

fn write(record: &Record, plan: &Plan, took: Option<Duration>) -> Option<String> {
    let text = about_steps(record, plan, took)
        .or_else(|| about_debts(record))
        .or_else(|| about_people(record, plan))
        .or_else(|| about_run(record))?;
    Some(format!("{} {text}", record.at.time_of_day()))
}

fn about_steps(record: &Record, plan: &Plan, took: Option<Duration>) -> Option<String> {
    let (node, state, text) = match &record.event {
        Event::StepStarted { node, attempt: 1 } => (node, String::from("running"), String::new()),
        Event::StepStarted { node, attempt } => (node, format!("running attempt {attempt}"), String::new()),
        Event::ChangeIntended { node, summary, .. } => (node, String::from("changing"), sentence(summary)),
        Event::StepSucceeded {
            node, changed, summary, ..
        } => (node, String::from(if *changed { "changed" } else { "ok" }), sentence(summary)),
        Event::StepFailed { node, failure, .. } => (node, String::from("FAILED"), why(failure)),
        Event::StepLost { node, failure, .. } => (node, String::from("LOST"), why(failure)),
        Event::StepRetryScheduled { node, until, failure, .. } => (node, format!("retry at {}", until.time_of_day()), why(failure)),
        Event::StepSkipped { node, why } => (node, String::from("not needed"), sentence(why)),
        Event::StepCancelled { node, why } => (node, String::from("cancelled"), sentence(why)),
        Event::UndoStarted { node, summary, .. } => (node, String::from("undoing"), sentence(summary)),
        Event::UndoSucceeded { node, summary } => (node, String::from("undone"), sentence(summary)),
        Event::UndoFailed { node, failure } => (node, String::from("UNDO FAILED"), why(failure)),
        _ => return None,
    };
    let known = plan.node(node);
    let step = name(node.as_str().split('@').next().unwrap_or_default());
    let host = known.map_or_else(
        || name(node.as_str().split_once('@').map_or("control", |(_, host)| host)),
        super::node::place,
    );
    let took = took.map_or_else(String::new, |t| format!(" took {}", friendly(t)));
    let text = if text.is_empty() { text } else { format!(": {text}") };
    Some(format!("step {step} host {host} state {state}{took}{text}"))
}

fn why(failure: &crate::model::event::Failure) -> String {
    format!("{}: {}", describe::failure(failure.kind), sentence(&failure.message))
}

fn about_debts(record: &Record) -> Option<String> {
    Some(match &record.event {
        Event::ObligationOpened { obligation } => format!("obligation {} opened: {}", name(&obligation.id), sentence(&obligation.what)),
        Event::ObligationDischarged { id, how } => format!("obligation {} discharged: {}", name(id), sentence(how)),
        Event::ObligationWaived { id, by, reason } => format!("obligation {} waived by {}: {}", name(id), name(by), sentence(reason)),
        Event::ReturnRefused { id, why } => format!("obligation {} NOT given back: {}", name(id), sentence(why)),
        Event::LeaseTaken { pool, fence } => format!("pool {} lease taken (fence {fence})", name(pool)),
        Event::LeaseReleased { pool } => format!("pool {} lease released", name(pool)),
        _ => return None,
    })
}

fn about_people(record: &Record, plan: &Plan) -> Option<String> {
    let is_task = |gate: &NodeId| plan.node(gate).is_some_and(crate::model::plan::Node::is_task);
    let kind = |gate: &NodeId| if is_task(gate) { "task" } else { "approval" };
    Some(match &record.event {
        Event::ApprovalRequested { request } if request.task.is_some() => format!(
            "task {} given to {}: {} (until {})",
            name(&request.gate),
            sentence(&request.from.join(", ")),
            sentence(&request.ask),
            request.expires_at
        ),
        Event::ApprovalRequested { request } => format!(
            "approval {} asked: {} (expires {})",
            name(&request.gate),
            sentence(&request.ask),
            request.expires_at
        ),
        Event::ApprovalAnswered { gate, answer } => {
            let word = match (is_task(gate), answer.granted) {
                (false, true) => "granted",
                (false, false) => "DENIED",
                (true, true) => "done",
                (true, false) => "FAILED",
            };
            let reason = answer.told().map_or_else(String::new, |t| format!(": {}", sentence(&t)));
            format!("{} {} {word} by {}{reason}", kind(gate), name(gate), name(&answer.by))
        }
        Event::ApprovalEscalated { to, request } => format!(
            "{} {} ESCALATED to {}: nobody answered in time (until {})",
            kind(&request.gate),
            name(&request.gate),
            name(to),
            request.expires_at
        ),
        Event::ApprovalExpired { gate } => format!("{} {} EXPIRED", kind(gate), name(gate)),
        _ => return None,
    })
}

fn about_run(record: &Record) -> Option<String> {
    let run = record.run;
    Some(match &record.event {
        Event::RunCreated(created) => format!("run {run} created: {} by {}", name(&created.runbook), name(&created.by)),
        Event::RunStarted { controller } => format!("run {run} started by controller {}", name(controller)),
        Event::UnwindStarted { reason, .. } => format!("run {run} unwinding: {}", sentence(reason)),
        Event::TurnFailed { turns, why, .. } => format!("turn {} FAILED, taking it back: {}", name(turn_path(turns)), sentence(why)),
        Event::TurnTakenBack { turns } => format!("turn {} taken back", name(turn_path(turns))),
        Event::CancelRequested { by } => format!("run {run} is asked to stop by {}", name(by)),
        Event::RunFinished { outcome, summary, .. } => format!("run {run} {}: {}", describe::outcome(*outcome, 0).0, sentence(summary)),
        _ => return None,
    })
}

/// One line every now and then, so that silence is not taken for a hang: `03:14:37 run #3 running: free_memory@web-01 (28s)`.
#[must_use]
pub fn heartbeat(run: crate::base::id::RunId, running: &[(NodeId, Timestamp)], now: Timestamp) -> String {
    let shown = running
        .iter()
        .take(3)
        .map(|(n, at)| format!("{} ({})", name(n), describe::coarse(now.since(*at))));
    let list = shown.collect::<Vec<_>>().join(", ");
    let more = running.len().saturating_sub(3);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    let list = if list.is_empty() { String::from("waiting") } else { list };
    format!("{} run {run} running: {list}{rest}", now.time_of_day())
}

/// The first line for programs.
#[must_use]
pub fn version_line() -> String {
    json!({ "type": "version", "schema": format!("runbook.events/{SCHEMA_VERSION}"), "program": env!("CARGO_PKG_VERSION") }).to_string()
}

/// A record for programs: the journal's own vocabulary.
#[must_use]
pub fn record_line(record: &Record) -> String {
    let event = serde_json::to_value(&record.event).unwrap_or_else(|error| json!({ "type": "unreadable", "error": error.to_string() }));
    json!({
        "type": "event",
        "schema": SCHEMA_VERSION,
        "run": record.run,
        "sequence": record.sequence,
        "at": record.at,
        "time": record.at.rfc3339(),
        "event": event,
    })
    .to_string()
}

/// The last line for programs; without a story when no run came about.
#[must_use]
pub fn summary_line(exit_code: u8, story: Option<&Story<'_>>) -> String {
    let mut line = json!({ "type": "summary", "exit_code": exit_code });
    if let (Some(story), Json::Object(map)) = (story, &mut line) {
        map.insert(String::from("run"), json!(story.run));
        map.insert(String::from("runbook"), json!(story.created.runbook));
        map.insert(String::from("outcome"), json!(story.outcome.map(|(outcome, _)| outcome)));
        map.insert(String::from("first_failure"), json!(story.first_failure));
        if let Some(outputs) = story.outputs_json() {
            map.insert(String::from("outputs"), outputs);
        }
        let open: Vec<String> = story.open().iter().map(|o| o.id.to_string()).collect();
        map.insert(String::from("open_obligations"), json!(open));
        map.insert(
            String::from("took_ms"),
            json!(u64::try_from(story.took().as_millis()).unwrap_or(u64::MAX)),
        );
    }
    line.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn one_greppable_line_per_change() {
        let mut lines = Lines::new();
        let plan = sample::plan();
        let shown: Vec<String> = sample::stuck().iter().filter_map(|r| lines.line(r, &plan)).collect();
        let expected = r"03:14:07 run #3 created: recover-master by mira
03:14:07 run #3 started by controller ops-1/4711
03:14:07 step return_others[web-02].other_ready host lb-01 state running
03:14:07 step return_others[web-02].other_ready host lb-01 state changing: web-02: maint → ready
03:14:08 step return_others[web-02].other_ready host lb-01 state changed took 1.8s: web-02: maint → ready
03:14:09 step drain_master host lb-01 state running
03:14:09 obligation 3.1 opened: web-01 out of pool web (drain)
03:14:09 step drain_master host lb-01 state changing: web-01: ready → drain
03:14:16 step drain_master host lb-01 state changed took 7s: web-01: ready → drain
03:14:16 step free_memory host web-01 state running
03:14:16 step free_memory host web-01 state changing: restart app
03:14:16 approval approve_restart granted by noor
03:15:16 step free_memory host web-01 state FAILED took 59s: program failed: exit status 5 Unit app.service \u{1b}[31mnot found.
03:15:16 run #3 unwinding: free_memory failed on web-01
03:15:16 step return_others[web-02].other_ready host lb-01 state undoing: web-02: ready → maint
03:15:17 step return_others[web-02].other_ready host lb-01 state undone took 980ms: web-02: ready → maint
03:15:47 obligation 3.1 NOT given back: web-01 answers 503, expected 200
03:16:05 run #3 STUCK: web-01 is still out of pool web
";
        assert_eq!(shown.join("\n") + "\n", expected);
    }

    #[test]
    fn what_people_do_is_a_line_each() {
        let mut task = sample::node("look", crate::model::plan::Section::Steps, None);
        task.action = String::from("manual");
        let mut plan = sample::plan();
        plan.nodes.push(task);
        let (gate, mut request) = (NodeId::from("look"), sample::request());
        request.gate = gate.clone();
        request.then = vec![String::from("lead")];
        request.task = Some(Default::default());
        let (to, later) = request
            .escalated(sample::at(3_601_000))
            .unwrap_or_else(|| unreachable!("the lead is next"));
        let answer = |granted| crate::model::approval::ApprovalAnswer {
            granted,
            by: String::from("noor"),
            digest: String::new(),
            at: sample::at(0),
            reason: Some(String::from("a \u{1b}[31mleak")),
            fields: BTreeMap::from([(String::from("disks"), crate::base::value::Value::Int(2))]),
        };
        let answered = |granted| Event::ApprovalAnswered {
            gate: gate.clone(),
            answer: answer(granted),
        };
        let events = [
            Event::ApprovalRequested { request },
            Event::ApprovalEscalated { to, request: later },
            answered(true),
            answered(false),
            Event::ApprovalExpired { gate: gate.clone() },
        ];
        let records = sample::records(events.into_iter().map(|e| (0, e)).collect());
        let shown: Vec<String> = records.iter().filter_map(|r| line(r, &plan)).collect();
        let expected = r"03:14:07 task look given to web_owners: Restart app on web-01? (until 2026-11-21T03:44:08Z)
03:14:07 task look ESCALATED to lead: nobody answered in time (until 2026-11-21T04:14:08Z)
03:14:07 task look done by noor: disks=2; a \u{1b}[31mleak
03:14:07 task look FAILED by noor: disks=2; a \u{1b}[31mleak
03:14:07 task look EXPIRED";
        assert_eq!(shown.join("\n"), expected);
    }

    #[test]
    fn programs_get_one_document_per_line() {
        let records = sample::stuck();
        assert_eq!(
            version_line(),
            r#"{"program":"0.1.0","schema":"runbook.events/2","type":"version"}"#.replace("0.1.0", env!("CARGO_PKG_VERSION"))
        );
        assert_eq!(
            record_line(&records[1]),
            r#"{"at":1795230847005,"event":{"controller":"ops-1/4711","type":"run_started"},"run":3,"schema":2,"sequence":2,"time":"2026-11-21T03:14:07Z","type":"event"}"#
        );
        assert!(records.iter().all(|r| !record_line(r).contains('\n')));
        assert_eq!(
            summary_line(5, Story::of(&records).as_ref()),
            r#"{"exit_code":5,"first_failure":"free_memory@web-01","open_obligations":["3.1"],"outcome":"stuck","run":3,"runbook":"recover-master","took_ms":118000,"type":"summary"}"#
        );
        assert_eq!(summary_line(10, None), r#"{"exit_code":10,"type":"summary"}"#);
    }

    #[test]
    fn silence_is_broken_by_what_is_going_on() {
        let running = [(NodeId::from("free_memory@web-01"), sample::at(2_000))];
        let run = crate::base::id::RunId(3);
        assert_eq!(
            heartbeat(run, &running, sample::at(30_000)),
            "03:14:37 run #3 running: free_memory@web-01 (28s)"
        );
        assert_eq!(heartbeat(run, &[], sample::at(30_000)), "03:14:37 run #3 running: waiting");
    }
}
