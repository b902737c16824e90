//! From an input to the facts that follow from it. Pure; the dispatcher makes them durable, applies them, and asks again.

use std::collections::BTreeMap;

use super::run::{Phase, RunState};
use super::schedule;
use super::step::StepState;
use super::turns::{self, Course};
use super::unwind::{self, Turnback};
use super::{Ending, Input, Intent, Now, call, drift, obligations, people, start_gate, way_back};
use crate::base::id::NodeId;
use crate::model::event::{Event, Failure, FailureKind, RunOutcome};
use crate::model::plan::{Node, Section};

const WORK: [Section; 3] = [Section::Require, Section::Steps, Section::Verify];

/// The facts that follow. An answer from an attempt that is no longer the current one has no consequence.
#[must_use]
pub fn decide(state: &RunState, now: Now<'_>, input: Input) -> Vec<Event> {
    match input {
        Input::Tick => tick(state, now),
        Input::Prepared { node, attempt, intent } if current(state, &node, attempt) => {
            if too_late(state, &node) {
                vec![stopped(node, attempt)]
            } else {
                prepared(state, now, node, attempt, intent)
            }
        }
        Input::Ended { node, attempt, ending } if current(state, &node, attempt) => ended(state, now, node, attempt, ending),
        Input::UndoEnded { node, step, result }
            if matches!(state.step(&node), StepState::Undoing { .. }) && step == state.undo_progress(&node) =>
        {
            way_back::ended(state, now, node, result)
        }
        Input::ReturnRefused { id, node, why } if matches!(state.step(&node), StepState::Running { .. }) => {
            vec![Event::ReturnRefused { id, why }]
        }
        Input::Answered { gate, answer } => people::heard(state, gate, answer),
        Input::CancelRequested { by } if state.cancelled_by.is_none() && !matches!(state.phase, Phase::Finished(_)) => {
            vec![Event::CancelRequested { by }]
        }
        _ => Vec::new(),
    }
}

/// The run began to stop while the attempt was still looking: nothing of it is sent any more.
fn too_late(state: &RunState, node: &NodeId) -> bool {
    let work = state.node(node).is_some_and(|n| n.section.is_work());
    let back = state.phase == Phase::Unwinding || state.goes_back(node);
    back && work && !state.started_unwinding.contains(node)
}

fn stopped(node: NodeId, attempt: u32) -> Event {
    let message = String::from("the run stopped before this changed anything");
    Event::StepFailed {
        node,
        attempt,
        failure: Failure {
            kind: FailureKind::Cancelled,
            message,
        },
    }
}

fn current(state: &RunState, node: &NodeId, attempt: u32) -> bool {
    matches!(state.step(node), StepState::Running { attempt: now, .. } if *now == attempt)
}

fn prepared(state: &RunState, now: Now<'_>, node: NodeId, attempt: u32, intent: Intent) -> Vec<Event> {
    let mut events = state
        .node(&node)
        .map(|n| obligations::opened_by(state, now, n, &intent))
        .unwrap_or_default();
    events.push(Event::ChangeIntended {
        node,
        attempt,
        summary: intent.summary,
        undo: intent.undo,
        before: intent.before,
    });
    events
}

fn ended(state: &RunState, now: Now<'_>, node: NodeId, attempt: u32, ending: Ending) -> Vec<Event> {
    match ending {
        Ending::Succeeded { changed, result, summary } => {
            let paid = obligations::discharged_by(state, &node);
            // What an earlier attempt of this node sent, before it was lost or failed, counts.
            let changed = changed || state.intended.iter().any(|i| i.node == node);
            let mut events = vec![Event::StepSucceeded {
                node,
                attempt,
                changed,
                result,
                summary,
            }];
            events.extend(paid);
            events
        }
        Ending::Failed(failure) => vec![failed_attempt(state, now, node, attempt, failure)],
        Ending::Unchanged(failure) => {
            let mut events = obligations::of_nothing(state, &node);
            events.push(failed_attempt(state, now, node, attempt, failure));
            events
        }
        Ending::Lost(failure) => vec![Event::StepLost { node, attempt, failure }],
        Ending::NotStarted(failure) => vec![Event::StepRetryScheduled {
            node,
            attempt,
            until: now.at,
            failure,
        }],
    }
}

fn failed_attempt(state: &RunState, now: Now<'_>, node: NodeId, attempt: u32, failure: Failure) -> Event {
    match retry_at(state, now, &node, attempt, &failure) {
        Some(until) => Event::StepRetryScheduled {
            node,
            attempt,
            until,
            failure,
        },
        None => Event::StepFailed { node, attempt, failure },
    }
}

fn retry_at(state: &RunState, now: Now<'_>, node: &NodeId, attempt: u32, failure: &Failure) -> Option<crate::base::clock::Timestamp> {
    let never = matches!(
        failure.kind,
        FailureKind::Refused | FailureKind::Invariant | FailureKind::Denied | FailureKind::Cancelled | FailureKind::NotApproved
    );
    if never || state.phase != Phase::Running || state.cancelled_by.is_some() || state.goes_back(node) {
        return None;
    }
    let retry = &now.knowledge.step(state.node(node)?).retry;
    let factor = retry
        .backoff
        .max(1.0)
        .powi(i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX));
    // An hour: longer waits belong to a person.
    let delay = retry.delay.mul_f64(factor.min(1e6)).min(std::time::Duration::from_secs(3600));
    (attempt < retry.attempts).then(|| now.at.after(delay))
}

fn tick(state: &RunState, now: Now<'_>) -> Vec<Event> {
    let back = way_back::go_on(state, now);
    match state.phase {
        Phase::Created | Phase::Finished(_) => Vec::new(),
        Phase::Running | Phase::Unwinding if !back.is_empty() => back,
        Phase::Running => running(state, now),
        Phase::Unwinding => unwinding(state, now),
    }
}

fn running(state: &RunState, now: Now<'_>) -> Vec<Event> {
    let drift = drift::in_loops_without_turns(state, now);
    if drift.is_none() && schedule::all_done(state, now, &WORK) {
        return last_steps(state, now);
    }
    let on_the_way = match stop_reason(state, now).or(drift) {
        Some(reason) => Err(reason),
        None => failed_turns(state, now),
    };
    let mut events = match on_the_way {
        Ok(events) => events,
        Err(reason) => return unwind_for(state, now, reason),
    };
    if events.is_empty() {
        events.extend(repeat_lost(state, now));
        events.extend(schedule::start_ready(state, now, &WORK));
    }
    events
}

fn unwind_for(state: &RunState, now: Now<'_>, reason: String) -> Vec<Event> {
    let expired = state
        .questions
        .get(&start_gate())
        .filter(|q| q.open() && q.request.expires_at <= now.at);
    let mut events: Vec<Event> = expired.map(|_| Event::ApprovalExpired { gate: start_gate() }).into_iter().collect();
    events.push(Event::UnwindStarted {
        reason,
        step: failed(state, now).next().map(|n| n.id.clone()),
    });
    events
}

/// Turns that have failed, and their way back; `Err`: what failed is not the matter of one turn, so the run stops.
fn failed_turns(state: &RunState, now: Now<'_>) -> Result<Vec<Event>, String> {
    for node in failed(state, now) {
        match turns::course(state, node) {
            Course::GoesOn => {}
            Course::Stops => return Err(format!("step {} failed", node.id)),
            Course::Fails(turns) => {
                let why = state
                    .failures
                    .get(&node.id)
                    .map_or("", |f| f.message.lines().next().unwrap_or_default());
                return Ok(vec![Event::TurnFailed {
                    turns,
                    node: node.id.clone(),
                    why: format!("{}: {why}", node.id),
                }]);
            }
        }
    }
    match turns::exceeded(state, now) {
        None => turns::go_back(state, now),
        Some(too_many) if too_many.turns.is_empty() => Err(too_many.why),
        Some(too_many) => Ok(vec![Event::TurnFailed {
            turns: too_many.turns,
            node: too_many.node,
            why: too_many.why,
        }]),
    }
}

/// The work is done and verified: neither a cancel nor the deadline takes it back any more, `finally` runs to its end.
fn last_steps(state: &RunState, now: Now<'_>) -> Vec<Event> {
    let of_work = |id: &NodeId| state.node(id).is_some_and(|n| n.section.is_work());
    if let Some(debt) = state.open_obligations().find(|o| o.return_node.is_some() && of_work(&o.taker)) {
        let reason = format!("{}, and no step has given it back", debt.what);
        return vec![Event::UnwindStarted { reason, step: None }];
    }
    // A run that went on without some turns has failed all the same.
    let failed = turns::told(state).is_some();
    let on_failure = match failed {
        true => call::next_stage(state, now, Section::OnFailure),
        false => None,
    };
    let next = on_failure.or_else(|| call::next_stage(state, now, Section::Finally));
    let again = repeat_lost(state, now);
    // What was lost last of all is made again as well, though nothing else is under way.
    if next.is_some() || !again.is_empty() {
        return again.into_iter().chain(next.into_iter().flatten()).collect();
    }
    if let Turnback::Return(id, _) = unwind::left_by_last_steps(state, now) {
        let what = state.open_obligations().find(|o| o.id == id).map(|o| o.what.clone());
        let reason = format!("{} at the end of `finally`", what.unwrap_or_default());
        return vec![Event::UnwindStarted { reason, step: None }];
    }
    if failed || !schedule::all_done(state, now, &[Section::Finally]) {
        return vec![finished(state, now, RunOutcome::Failed)];
    }
    vec![match call::outputs_of_run(state, now) {
        Ok(values) => match finished(state, now, RunOutcome::Succeeded) {
            Event::RunFinished { outcome, summary, .. } => Event::RunFinished {
                outcome,
                summary,
                outputs: values,
            },
            other => other,
        },
        // Who asked for it would read nothing and take it for something.
        Err(why) => Event::RunFinished {
            outcome: RunOutcome::Failed,
            summary: format!("everything done and verified, but {why}"),
            outputs: BTreeMap::new(),
        },
    }]
}

fn stop_reason(state: &RunState, now: Now<'_>) -> Option<String> {
    if let Some(by) = &state.cancelled_by {
        return Some(format!("stopped by {by}"));
    }
    if state.busy(now.at) > now.knowledge.runbook.deadline {
        return Some(format!(
            "the deadline of {} is over",
            crate::base::clock::friendly(now.knowledge.runbook.deadline)
        ));
    }
    if let Some(question) = state.questions.get(&start_gate()) {
        if let Some(no) = question.answers.iter().find(|a| !a.granted) {
            return Some(format!("denied by {}", no.by));
        }
        if question.open() && question.request.expires_at <= now.at {
            return Some(String::from("nobody approved in time"));
        }
    }
    None
}

/// Steps of the work that failed, where nothing allows for it.
fn failed<'a>(state: &'a RunState, now: Now<'a>) -> impl Iterator<Item = &'a Node> {
    let work = state.created.plan.nodes.iter().filter(|n| WORK.contains(&n.section));
    work.filter(move |n| match state.step(&n.id) {
        StepState::Failed { .. } => !schedule::tolerated(state, now, &n.id),
        StepState::Lost { attempt } => !schedule::may_repeat(state, now, &n.id, *attempt) && !schedule::tolerated(state, now, &n.id),
        _ => false,
    })
}

fn repeat_lost(state: &RunState, now: Now<'_>) -> Vec<Event> {
    let lost = state.steps.iter().filter_map(|(id, step)| match step {
        StepState::Lost { attempt } if schedule::may_repeat(state, now, id, *attempt) => Some((id, *attempt)),
        _ => None,
    });
    lost.map(|(node, attempt)| Event::StepStarted {
        node: node.clone(),
        attempt: attempt + 1,
    })
    .collect()
}

/// What no longer has to be waited for: retries, questions, probes. A return under way goes on.
fn stop_waiting(state: &RunState) -> Vec<Event> {
    let of = |(id, step): (&NodeId, &StepState)| {
        let node = state.node(id)?;
        let returning = state.started_unwinding.contains(id);
        match step {
            StepState::WaitingRetry { attempt, .. } if returning => Some(Event::StepStarted {
                node: id.clone(),
                attempt: attempt + 1,
            }),
            StepState::WaitingRetry { .. } | StepState::AwaitingApproval if node.section.is_work() => Some(Event::StepCancelled {
                node: id.clone(),
                why: String::from("the run is unwinding"),
            }),
            // What has only looked so far must not go on to change something behind the way back.
            StepState::Running { intended: false, .. } if node.section.is_work() && !returning => Some(Event::StepCancelled {
                node: id.clone(),
                why: String::from("the run is unwinding"),
            }),
            _ => None,
        }
    };
    state.steps.iter().filter_map(of).collect()
}

fn unwinding(state: &RunState, now: Now<'_>) -> Vec<Event> {
    let mut events = stop_waiting(state);
    if !events.is_empty() {
        return events;
    }
    match unwind::next(state, now) {
        Turnback::Done => events.extend(closing(state, now)),
        step => events.extend(unwind::begin(state, step)),
    }
    events
}

fn closing(state: &RunState, now: Now<'_>) -> Vec<Event> {
    // A success that only gives back what its last steps owe is no failure that `on_failure` was written for.
    let sections = [Section::OnFailure, Section::Finally]
        .into_iter()
        .skip(usize::from(state.work_stays));
    for section in sections {
        if let Some(begun) = call::next_stage(state, now, section) {
            return begun;
        }
    }
    match unwind::left_by_last_steps(state, now) {
        Turnback::Done => vec![finished(state, now, outcome(state))],
        step => unwind::begin(state, step).into_iter().collect(),
    }
}

/// How an unwound run ended; the most pressing word wins: lost, stuck, cancelled, denied, refused, failed.
fn outcome(state: &RunState) -> RunOutcome {
    let lost = state.steps.values().any(|s| matches!(s, StepState::Lost { .. }));
    let owed = state.open_obligations().any(|o| o.return_node.is_some());
    let undo_failed = state.steps.values().any(|s| *s == StepState::UndoFailed);
    let denied = state
        .questions
        .values()
        .filter(|q| q.request.task.is_none())
        .any(|q| q.denied() || q.expired || (q.request.gate == start_gate() && q.open() && state.failure.is_none()));
    let refused = state
        .failure
        .as_ref()
        .is_some_and(|(_, f)| matches!(f.kind, FailureKind::Refused | FailureKind::Invariant));
    match () {
        () if lost => RunOutcome::Lost,
        () if owed || undo_failed => RunOutcome::Stuck,
        () if state.cancelled_by.is_some() => RunOutcome::Cancelled,
        () if denied => RunOutcome::Denied,
        () if refused && state.intended.is_empty() => RunOutcome::Refused,
        () => RunOutcome::Failed,
    }
}

fn finished(state: &RunState, now: Now<'_>, outcome: RunOutcome) -> Event {
    let open = state.open_obligations().count();
    let summary = match outcome {
        RunOutcome::Succeeded => String::from("everything done and verified"),
        RunOutcome::Stuck if open > 0 => format!("{open} obligation{} open", if open == 1 { "" } else { "s" }),
        RunOutcome::Stuck => String::from("a change could not be taken back"),
        _ => state
            .unwind_reason
            .clone()
            .or_else(|| turns::told(state))
            .unwrap_or_else(|| String::from("everything done and verified, but a step of `finally` failed")),
    };
    let summary = match unwind::stopped_at(state, now) {
        Some(node) if outcome != RunOutcome::Succeeded => format!("{summary}; nothing before {node} was taken back, it has no way back"),
        _ => summary,
    };
    Event::RunFinished {
        outcome,
        summary,
        outputs: BTreeMap::new(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::base::clock::Timestamp;

    #[test]
    fn an_attempt_that_has_only_looked_is_given_up_and_one_that_has_sent_is_not() {
        let node = NodeId::from("drain");
        let at = Timestamp(0);
        let cancelled = Event::StepCancelled {
            node: node.clone(),
            why: String::new(),
        };
        let running = |intended| StepState::Running {
            attempt: 1,
            since: at,
            intended,
        };
        assert_eq!(running(false).next(&cancelled, at).unwrap(), StepState::Cancelled);
        assert!(running(true).next(&cancelled, at).is_err());
    }
}
