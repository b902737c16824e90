//! What people are asked or told to do, and what follows from their answers and from their silence.

use std::time::Duration;

use super::obligations;
use super::question::Question;
use super::run::RunState;
use super::schedule::failed;
use super::{Now, START_GATE_WITHIN, start_gate};
use crate::base::id::NodeId;
use crate::base::value::Value;
use crate::lang::template;
use crate::model::approval::{ApprovalAnswer, ApprovalRequest, Task};
use crate::model::event::{Event, Failure, FailureKind};
use crate::model::plan::Node;
use crate::model::runbook::{Approve, Manual, Within};
use crate::model::text::Scope;
use crate::plan::control;

/// Asks for a yes.
pub(super) fn ask(state: &RunState, now: Now<'_>, node: &Node, approve: &Approve, scope: &Scope) -> Event {
    let made = request(state, now, node.id.clone(), &approve.within, scope).map(|request| ApprovalRequest {
        ask: template::render_for_people(&approve.ask, scope),
        from: approve.from.clone(),
        quorum: approve.quorum,
        then: approve.then_escalate_to.clone(),
        bare: !approve.show_plan,
        ..request
    });
    asked(node, made)
}

/// Gives a person something to do: the run waits for it, or it is an obligation and the run goes on.
pub(super) fn assign(state: &RunState, now: Now<'_>, node: &Node, manual: &Manual, scope: &Scope) -> Vec<Event> {
    match task(state, now, node.id.clone(), manual, scope) {
        Ok(request) if !manual.blocking => {
            let who = control::people(&request.from);
            let done = Event::StepSucceeded {
                node: node.id.clone(),
                attempt: 0,
                changed: false,
                result: Value::Null,
                summary: format!("handed to {who}; the run goes on"),
            };
            vec![obligations::handed_over(state, node.id.clone(), node.name.clone(), request), done]
        }
        made => vec![asked(node, made)],
    }
}

/// What a person is to do, at that gate.
pub(super) fn task(state: &RunState, now: Now<'_>, gate: NodeId, manual: &Manual, scope: &Scope) -> Result<ApprovalRequest, String> {
    Ok(ApprovalRequest {
        ask: template::render_for_people(&manual.ask, scope),
        from: manual.to.clone(),
        then: manual.then_escalate_to.clone(),
        task: Some(Task::of(&manual.fields)),
        ..request(state, now, gate, &manual.within, scope)?
    })
}

fn asked(node: &Node, made: Result<ApprovalRequest, String>) -> Event {
    match made {
        Ok(request) => Event::ApprovalRequested { request },
        Err(why) => failed(node, FailureKind::Unexpected, why),
    }
}

fn request(state: &RunState, now: Now<'_>, gate: NodeId, within: &Within, scope: &Scope) -> Result<ApprovalRequest, String> {
    let span = control::within(within, scope).map_err(|why| format!("how long to wait is not known: {why}"))?;
    Ok(blank(state, now, gate, span))
}

/// A question that nobody may answer yet.
pub(super) fn blank(state: &RunState, now: Now<'_>, gate: NodeId, within: Duration) -> ApprovalRequest {
    ApprovalRequest {
        run: state.id,
        gate,
        ask: String::new(),
        digest: state.created.plan.digest.clone(),
        from: Vec::new(),
        quorum: 1,
        asked_at: now.at,
        expires_at: now.at.after(within),
        then: Vec::new(),
        bare: false,
        task: None,
    }
}

/// The question before the first change.
pub(super) fn ask_to_start(state: &RunState, now: Now<'_>) -> ApprovalRequest {
    let plan = &state.created.plan;
    ApprovalRequest {
        ask: format!("Run {} ({} hosts to change)?", plan.runbook, plan.changed_hosts().len()),
        from: vec![String::from("*")],
        ..blank(state, now, start_gate(), START_GATE_WITHIN)
    }
}

/// What follows from an answer that was left for the run.
pub(super) fn heard(state: &RunState, gate: NodeId, answer: ApprovalAnswer) -> Vec<Event> {
    if let Some(question) = state.questions.get(&gate) {
        let counts = question.open() && answer.at < question.request.expires_at;
        return if counts {
            vec![Event::ApprovalAnswered { gate, answer }]
        } else {
            Vec::new()
        };
    }
    let task = state.open_obligations().find(|o| answer.granted && o.waits_for_people(&gate));
    task.map(|o| Event::ObligationDischarged {
        id: o.id.clone(),
        how: answer.done_words(),
    })
    .into_iter()
    .collect()
}

/// What follows from the answers to an `approve` or `manual` step, or from the time.
pub(super) fn judged(state: &RunState, now: Now<'_>, gate: &NodeId) -> Vec<Event> {
    let Some(question) = state.questions.get(gate) else {
        return Vec::new();
    };
    let node = gate.clone();
    let ends = |failure| Event::StepFailed {
        node: node.clone(),
        attempt: 0,
        failure,
    };
    match word(question, now) {
        Word::None => Vec::new(),
        Word::Next(event) => vec![*event],
        Word::Yes { result, summary } => vec![Event::StepSucceeded {
            node,
            attempt: 0,
            changed: false,
            result,
            summary,
        }],
        Word::No(failure) => vec![ends(failure)],
        Word::Nothing(failure) => vec![Event::ApprovalExpired { gate: gate.clone() }, ends(failure)],
    }
}

/// What people have said to a question.
pub(super) enum Word {
    /// Nothing yet.
    None,
    /// Nothing; somebody else is asked too.
    Next(Box<Event>),
    /// Yes, or done.
    Yes {
        /// What they told.
        result: Value,
        /// For people.
        summary: String,
    },
    /// No, or failed.
    No(Failure),
    /// Nothing, and nobody is left to be asked.
    Nothing(Failure),
}

/// What the answers so far, or the time, come to.
pub(super) fn word(question: &Question, now: Now<'_>) -> Word {
    if question.granted() {
        let (result, summary) = outcome(question);
        return Word::Yes { result, summary };
    }
    let task = question.request.task.is_some();
    let failure = |kind, message| Failure { kind, message };
    if let Some(no) = question.answers.iter().find(|a| !a.granted) {
        let reason = no.reason.as_ref().map(|r| format!(": {r}")).unwrap_or_default();
        return Word::No(match task {
            true => failure(FailureKind::ByHand, format!("{} says that it failed{reason}", no.by)),
            false => failure(FailureKind::NotApproved, format!("denied by {}{reason}", no.by)),
        });
    }
    if question.request.expires_at > now.at {
        return Word::None;
    }
    if let Some((to, request)) = question.request.escalated(now.at.after(question.within)) {
        return Word::Next(Box::new(Event::ApprovalEscalated { to, request }));
    }
    let kind = if task { FailureKind::Timeout } else { FailureKind::NotApproved };
    Word::Nothing(failure(kind, String::from("nobody answered in time")))
}

/// The result of a step that people have granted or done, and its summary.
fn outcome(question: &Question) -> (Value, String) {
    let by: Vec<&str> = question.answers.iter().map(|a| a.by.as_str()).collect();
    let by = by.join(", ");
    let Some(task) = &question.request.task else {
        return (Value::map([("by", Value::text(by.as_str()))]), format!("approved by {by}"));
    };
    let answer = question.answers.last();
    let told = |name: &str| answer.and_then(|a| a.fields.get(name).cloned()).unwrap_or_default();
    let mut fields: std::collections::BTreeMap<String, Value> = task.fields.iter().map(|f| (f.name.clone(), told(&f.name))).collect();
    let at = answer.map(|a| a.at.rfc3339()).unwrap_or_default();
    fields.extend([("by", by), ("at", at)].map(|(name, text)| (name.to_owned(), Value::Text(text))));
    let summary = answer.map(ApprovalAnswer::done_words).unwrap_or_default();
    (Value::Map(fields), summary)
}
