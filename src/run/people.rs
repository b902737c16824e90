//! Calls the people who are asked, and the next ones when those did not answer. Pure; `supervisor` sends it.

use std::time::Duration;

use crate::base::id::RunId;
use crate::engine::question::Question;
use crate::engine::run::RunState;
use crate::engine::step::StepState;
use crate::model::approval::ApprovalRequest;
use crate::model::event::{Event, RunCreated};
use crate::model::operation::{Act, Operation, Target};
use crate::model::plan::asks_to_undo;
use crate::report::approval::answer_with;

/// What people were asked and have not answered yet; a controller that died may not have called them.
pub(super) fn asked_still(state: &RunState) -> Vec<(RunId, Event)> {
    let open = state.questions.values().filter(|q| {
        let back = state.steps.iter().filter(|(_, s)| matches!(s, StepState::Undoing { .. }));
        let waits = *state.step(&q.request.gate) == StepState::AwaitingApproval
            || back.map(|(id, _)| id).any(|id| asks_to_undo(&q.request.gate, id));
        q.open() && waits
    });
    let request = |q: &Question| Event::ApprovalRequested {
        request: q.request.clone(),
    };
    open.map(|q| (state.id, request(q))).collect()
}

/// The messages to those who have something to answer since this event. `reaches`: whether a name leads to a channel; one that does
/// not is left out, for it is in the record and on the terminal anyway.
pub(super) fn called(run: RunId, event: &Event, created: &RunCreated, reaches: impl Fn(&str) -> bool) -> Vec<Operation> {
    let asks = |request: &ApprovalRequest, what: &str| {
        format!(
            "run {} {} {what}: {} (until {}: {})",
            run,
            created.runbook,
            request.ask,
            request.expires_at,
            answer_with(request)
        )
    };
    let (to, text): (Vec<&String>, String) = match event {
        Event::ApprovalRequested { request } => {
            let what = if request.task.is_some() {
                "needs you"
            } else {
                "waits for your answer"
            };
            (request.from.iter().collect(), asks(request, what))
        }
        Event::ApprovalEscalated { to, request } => (vec![to], asks(request, "waits, nobody has answered, now it is up to you")),
        Event::ObligationOpened { obligation } if !obligation.people.is_empty() => {
            let words = format!(
                "run {} {} leaves you something to do: {} (until {}; when done: runbook done {} {})",
                run, created.runbook, obligation.what, obligation.deadline, run.0, obligation.taker
            );
            (obligation.people.iter().collect(), words)
        }
        _ => return Vec::new(),
    };
    let severity = match event {
        Event::ApprovalEscalated { .. } => "critical",
        _ => "warning",
    };
    let message = |to: &String| Operation {
        target: Target::Controller,
        run_as: Default::default(),
        act: Act::Notify {
            to: to.clone(),
            message: text.clone(),
            severity: severity.to_owned(),
            attach: Vec::new(),
        },
        timeout: Duration::from_secs(30),
    };
    to.into_iter().filter(|name| reaches(name)).map(message).collect()
}
