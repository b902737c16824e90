//! Which nodes may start now: on the road to success, and after it.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use super::run::{Phase, RunState};
use super::step::StepState;
use super::{Now, call, drift, people, start_gate, turns};
use crate::base::id::{NodeId, RowId};
use crate::base::value::Value;
use crate::lang::expression;
use crate::model::action::Class;
use crate::model::event::{Event, Failure, FailureKind};
use crate::model::plan::{CALL_END, Forecast, Node, Section};
use crate::model::runbook::{Body, Branch};
use crate::model::text::Scope;
use crate::plan::control::{self, Decided};
use crate::plan::judge::{self, Truth};
use crate::plan::results::{self, Viewpoint};

/// Steps that are under way at the same time in one run; the executor's own limits per host are lower.
const MOST_RUNNING: usize = 256;
/// Attempts after which a lost, repeatable step is given up: two more chances, then a person.
const MOST_LOST: u32 = 3;

/// What a node's texts and expressions see now.
#[must_use]
pub fn scope(state: &RunState, node: &Node) -> Scope {
    results::scope(&state.ground, &state.results, &state.facts(), Viewpoint::of(node), &node.bindings)
}

/// True when the node has ended in a way that lets others go on.
#[must_use]
pub fn done(state: &RunState, now: Now<'_>, id: &NodeId) -> bool {
    match state.step(id) {
        StepState::Succeeded { .. } | StepState::Skipped => true,
        StepState::Failed { .. } | StepState::Lost { .. } => tolerated(state, now, id) || turns::is_left_behind(state, now, id),
        _ => turns::is_left_behind(state, now, id),
    }
}

/// True when the step's `allow_failure` holds. A refusal of a minimum and a missing approval are never tolerated, nor is the failure of
/// a step that still has something to give back, nor an outcome that a repetition will settle.
#[must_use]
pub fn tolerated(state: &RunState, now: Now<'_>, id: &NodeId) -> bool {
    let Some(node) = state.node(id) else { return false };
    let settled = match state.step(id) {
        StepState::Failed { kind } => !matches!(kind, FailureKind::Refused | FailureKind::Invariant | FailureKind::NotApproved),
        StepState::Lost { attempt } => !may_repeat(state, now, id, *attempt),
        _ => true,
    };
    if !settled || state.open_obligations().any(|o| o.return_node.as_ref() == Some(id)) {
        return false;
    }
    let Some(rule) = &now.knowledge.step(node).allow_failure else {
        return false;
    };
    matches!(expression::eval(rule, &scope(state, node)), Ok(Value::Bool(true)))
}

/// True when a lost attempt is simply made again: its action is repeatable, and it was not lost too often.
#[must_use]
pub fn may_repeat(state: &RunState, now: Now<'_>, node: &NodeId, attempt: u32) -> bool {
    let on_the_way = state.phase == Phase::Running && state.cancelled_by.is_none() && !state.goes_back(node);
    on_the_way && attempt < MOST_LOST && state.node(node).is_some_and(|n| now.knowledge.repeatable(n))
}

/// Facts that follow from the state in the given sections: what is skipped, asked, started, retried.
#[must_use]
pub fn start_ready(state: &RunState, now: Now<'_>, sections: &[Section]) -> Vec<Event> {
    start_among(state, now, &|n| sections.contains(&n.section))
}

/// As [`start_ready`], of some nodes.
#[must_use]
pub fn start_among(state: &RunState, now: Now<'_>, wanted: &dyn Fn(&Node) -> bool) -> Vec<Event> {
    let mut events = Vec::new();
    let mut running = state.steps.values().filter(|s| matches!(s, StepState::Running { .. })).count();
    let rows = Rows::new(state, now);
    for node in state.created.plan.nodes.iter().filter(|n| wanted(n)) {
        match state.step(&node.id) {
            StepState::Blocked if running < MOST_RUNNING && unblocked(state, now, node, &rows) => {
                let begun = begin(state, now, node);
                running += begun.iter().filter(|e| matches!(e, Event::StepStarted { .. })).count();
                events.extend(begun);
            }
            StepState::WaitingRetry { attempt, until } if *until <= now.at => {
                events.push(Event::StepStarted {
                    node: node.id.clone(),
                    attempt: attempt + 1,
                });
            }
            StepState::AwaitingApproval => events.extend(people::judged(state, now, &node.id)),
            _ => {}
        }
    }
    // One question for the start gate, however many steps wait behind it.
    let mut asked = false;
    events.retain(|e| {
        !matches!(e, Event::ApprovalRequested { request } if request.gate == start_gate()) || !std::mem::replace(&mut asked, true)
    });
    events
}

/// Which rows have ended on all their hosts, each judged once: a thousand nodes may wait for the same thousand.
struct Rows<'s> {
    state: &'s RunState,
    now: Now<'s>,
    known: RefCell<HashMap<&'s RowId, bool>>,
}

impl<'s> Rows<'s> {
    fn new(state: &'s RunState, now: Now<'s>) -> Rows<'s> {
        Rows {
            state,
            now,
            known: RefCell::new(HashMap::new()),
        }
    }

    /// All of it has ended in a way that lets others go on.
    fn done(&self, row: &'s RowId) -> bool {
        let judge = || self.state.row(row).all(|n| done(self.state, self.now, &n.id));
        *self.known.borrow_mut().entry(row).or_insert_with(judge)
    }
}

fn unblocked<'s>(state: &'s RunState, now: Now<'_>, node: &'s Node, rows: &Rows<'s>) -> bool {
    let needs_done = node.needs.iter().all(|row| rows.done(row));
    let pause_over = || {
        let last = node.pause.and_then(|pause| Some(state.waited_until(node)?.after(pause)));
        last.is_none_or(|until| until <= now.at)
    };
    needs_done && pause_over() && turns::may_begin(state, now, node)
}

fn begin(state: &RunState, now: Now<'_>, node: &Node) -> Vec<Event> {
    let step = now.knowledge.step(node);
    if let Some(why) = call::left_out(state, node) {
        return vec![Event::StepSkipped {
            node: node.id.clone(),
            why,
        }];
    }
    let scope = scope(state, node);
    if let (Body::Call(called), CALL_END) = (&step.body, node.action.as_str()) {
        return vec![call::end(state, node, called, &scope)];
    }
    // Loops around the call are judged at its first node: what they read is not seen in the called runbook.
    let view = Viewpoint::of(node);
    let own = node.turns.iter().filter(|t| view.name_of(&t.step).is_some());
    let loops = own.filter_map(|t| now.knowledge.runbook.step(&t.step));
    for condition in loops.filter_map(|l| l.when.as_ref()).chain(&step.when) {
        match judge::condition(condition, &scope) {
            Ok(Truth::True) => {}
            Ok(Truth::False(why)) => {
                return vec![Event::StepSkipped {
                    node: node.id.clone(),
                    why,
                }];
            }
            Ok(Truth::Unknown) => {
                let message = String::from("its condition depends on a value that no step has given");
                return vec![failed(node, FailureKind::Unexpected, message)];
            }
            Err(d) => return vec![failed(node, FailureKind::Unexpected, d.message)],
        }
    }
    if let Err(failure) = drift::of_turns(state, now, node, &scope) {
        return vec![failed(node, failure.kind, failure.message)];
    }
    match &step.body {
        Body::Approve(approve) => return vec![people::ask(state, now, node, approve, &scope)],
        Body::Decide(branches) => return vec![decided(node, branches, &scope)],
        Body::Call(called) => return vec![call::begin(state, now, node, called)],
        Body::Manual(_) | Body::Action(_) | Body::Loop(_) => {}
    }
    if gated(state, node) {
        return match state.questions.get(&start_gate()) {
            None => vec![Event::ApprovalRequested {
                request: people::ask_to_start(state, now),
            }],
            Some(_) => Vec::new(),
        };
    }
    if let Body::Manual(manual) = &step.body {
        return people::assign(state, now, node, manual, &scope);
    }
    vec![Event::StepStarted {
        node: node.id.clone(),
        attempt: 1,
    }]
}

/// The branch that the results so far lead to.
fn decided(node: &Node, branches: &[Branch], scope: &Scope) -> Event {
    match control::decide(branches, scope) {
        Ok(Decided::Is(is, why)) => Event::StepSucceeded {
            node: node.id.clone(),
            attempt: 0,
            changed: false,
            summary: format!("{is}: {why}"),
            result: Value::map([("is", Value::Text(is))]),
        },
        Ok(Decided::AtRunTime(when)) => {
            let message = format!("`{when}` depends on a value that no step has given");
            failed(node, FailureKind::Unexpected, message)
        }
        Err(d) => failed(node, FailureKind::Unexpected, d.message),
    }
}

/// It ends before it has begun.
pub(super) fn failed(node: &Node, kind: FailureKind, message: String) -> Event {
    Event::StepFailed {
        node: node.id.clone(),
        attempt: 0,
        failure: Failure { kind, message },
    }
}

/// `--gate approve` holds everything that may change something until it is granted.
fn gated(state: &RunState, node: &Node) -> bool {
    let changes = node.class != Class::Probe && !matches!(node.forecast, Forecast::NothingToDo { .. });
    state.created.gate && changes && node.section.is_work() && !state.questions.get(&start_gate()).is_some_and(|q| q.granted())
}

/// Every node of these sections has ended in a way that lets the run go on.
#[must_use]
pub fn all_done(state: &RunState, now: Now<'_>, sections: &[Section]) -> bool {
    state
        .created
        .plan
        .nodes
        .iter()
        .filter(|n| sections.contains(&n.section))
        .all(|n| done(state, now, &n.id))
}

/// Every node of these sections has ended, or can never start because something it needs has failed.
#[must_use]
pub fn all_over(state: &RunState, now: Now<'_>, sections: &[Section]) -> bool {
    all_over_among(state, now, &|n| sections.contains(&n.section))
}

/// As [`all_over`], of some nodes.
#[must_use]
pub fn all_over_among(state: &RunState, now: Now<'_>, wanted: &dyn Fn(&Node) -> bool) -> bool {
    // The plan lists a node after those it needs, so one pass is enough.
    let mut hopeless: HashSet<&RowId> = HashSet::new();
    let mut failed: HashMap<&RowId, bool> = HashMap::new();
    let mut over = true;
    for node in state.created.plan.nodes.iter().filter(|n| wanted(n)) {
        let step = state.step(&node.id);
        let mut in_vain = |row| {
            let judge = || state.row(row).any(|n| state.step(&n.id).ended() && !done(state, now, &n.id));
            hopeless.contains(row) || *failed.entry(row).or_insert_with(judge)
        };
        if *step == StepState::Blocked && node.needs.iter().any(&mut in_vain) {
            hopeless.insert(&node.row);
        } else {
            over &= step.ended();
        }
    }
    over
}
