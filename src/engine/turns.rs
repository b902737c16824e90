//! Failed turns of loops: each goes back by itself, and the loop goes on while there are not too many of them.

use super::Now;
use super::run::RunState;
use super::schedule;
use super::step::StepState;
use super::unwind::{self, Turnback};
use crate::base::id::NodeId;
use crate::model::event::{Event, FailureKind};
use crate::model::inventory::Share;
use crate::model::plan::{Node, Turn, turn_path};
use crate::model::runbook::{Body, Loop};

/// What follows from the failure of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Course {
    /// It is allowed for, or its turn is on the way back.
    GoesOn,
    /// This turn around it has failed.
    Fails(Vec<Turn>),
    /// The run has failed.
    Stops,
}

/// What follows from the failure of this node. A turn that nobody may take for failed and go on (a refusal, a broken invariant, an
/// outcome that nobody knows) stops the run.
#[must_use]
pub fn course(state: &RunState, node: &Node) -> Course {
    let kind = match state.step(&node.id) {
        StepState::Failed { kind } => *kind,
        _ => return Course::Stops,
    };
    // A return on the way back of its turn: whether anything is still owed decides.
    if state.started_unwinding.contains(&node.id) {
        return Course::GoesOn;
    }
    // What was stopped because its turn goes back is no failure of its own.
    if kind == FailureKind::Cancelled && state.goes_back(&node.id) {
        return Course::GoesOn;
    }
    if !may_be_one_of_many(kind) {
        return Course::Stops;
    }
    match node.turns.as_slice() {
        [] => Course::Stops,
        _ if state.goes_back(&node.id) => Course::GoesOn,
        turns => Course::Fails(turns.to_vec()),
    }
}

/// What follows from a loop with more failed turns than it allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// The turn around the loop that has failed by it; empty: the run has.
    pub turns: Vec<Turn>,
    /// The step that failed.
    pub node: NodeId,
    /// Why.
    pub why: String,
}

/// A loop has more failed turns than it allows, and nothing of it is under way any more.
#[must_use]
pub fn exceeded(state: &RunState, now: Now<'_>) -> Option<Exceeded> {
    state.turns.iter().find_map(|(turns, failed)| {
        let outer = &turns[..turns.len() - 1];
        if state.turns.contains_key(outer) || within_limit(state, now, turns) || others_under_way(state, now, turns) {
            return None;
        }
        let all: Vec<String> = siblings(state, turns)
            .iter()
            .filter(|t| state.turns.contains_key(*t))
            .map(|t| turn_path(t))
            .collect();
        let why = match all.as_slice() {
            [_] => format!("step {} failed", failed.node),
            many => format!("more turns failed than `max_failures` allows: {}", some_of(many)),
        };
        Some(Exceeded {
            turns: outer.to_vec(),
            node: failed.node.clone(),
            why,
        })
    })
}

/// `a, b and 4 more`.
fn some_of(names: &[String]) -> String {
    const MOST: usize = 6;
    let shown = names.iter().take(MOST).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MOST) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn may_be_one_of_many(kind: FailureKind) -> bool {
    !matches!(
        kind,
        FailureKind::Refused | FailureKind::Invariant | FailureKind::NotApproved | FailureKind::Cancelled
    )
}

/// The failed turns of this turn's loop are not more than `max_failures`.
#[must_use]
pub fn within_limit(state: &RunState, now: Now<'_>, turns: &[Turn]) -> bool {
    let failed = siblings(state, turns).iter().filter(|t| state.turns.contains_key(*t)).count();
    failed <= limit(state, now, turns)
}

fn limit(state: &RunState, now: Now<'_>, turns: &[Turn]) -> usize {
    match looped(now, turns).map(|l| l.max_failures) {
        None => 0,
        Some(Share::Count(n)) => n as usize,
        #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        Some(Share::Percent(p)) => (siblings(state, turns).len() as f64 * p / 100.0).floor() as usize,
    }
}

/// The loop of a turn.
#[must_use]
pub fn looped<'a>(now: Now<'a>, turns: &[Turn]) -> Option<&'a Loop> {
    match now.knowledge.runbook.step(&turns.last()?.step).map(|s| &s.body) {
        Some(Body::Loop(l)) => Some(l),
        _ => None,
    }
}

/// All turns of the loop of this turn, itself included, in the plan's order.
fn siblings(state: &RunState, turns: &[Turn]) -> Vec<Vec<Turn>> {
    let Some((own, outer)) = turns.split_last() else {
        return Vec::new();
    };
    let mut all: Vec<Vec<Turn>> = Vec::new();
    for node in state.created.plan.nodes.iter().filter(|n| n.turns.starts_with(outer)) {
        let turn = node.turns.get(outer.len()).filter(|t| t.step == own.step);
        if turn.is_some() && all.last().is_none_or(|last| !node.turns.starts_with(last)) {
            let turn = node.turns[..=outer.len()].to_vec();
            if !all.contains(&turn) {
                all.push(turn);
            }
        }
    }
    all
}

/// The work of a turn; what a call in it does after a failure or at the end stands outside.
fn nodes<'a>(state: &'a RunState, turns: &'a [Turn]) -> impl Iterator<Item = &'a Node> {
    state
        .created
        .plan
        .nodes
        .iter()
        .filter(move |n| n.section.is_work() && n.turns.starts_with(turns))
}

/// A turn of which something has begun.
fn begun(state: &RunState, turns: &[Turn]) -> bool {
    nodes(state, turns).any(|n| *state.step(&n.id) != StepState::Blocked)
}

/// This turn or another one of its loop has begun and is not over.
fn others_under_way(state: &RunState, now: Now<'_>, turns: &[Turn]) -> bool {
    siblings(state, turns).iter().any(|turn| match state.turns.get(turn) {
        Some(failed) => !failed.is_back,
        None => begun(state, turn) && !nodes(state, turn).all(|n| schedule::done(state, now, &n.id)),
    })
}

/// A node of a failed turn that is back and may be one of the loop's failures: others go on as if it were done.
#[must_use]
pub fn is_left_behind(state: &RunState, now: Now<'_>, id: &NodeId) -> bool {
    let Some(node) = state.node(id).filter(|n| n.section.is_work() && !state.turns.is_empty()) else {
        return false;
    };
    (1..=node.turns.len()).any(|depth| {
        let turns = &node.turns[..depth];
        state.turns.get(turns).is_some_and(|t| t.is_back) && within_limit(state, now, turns)
    })
}

/// False of what does not begin any more since a loop has too many failed turns: of that loop only what is under way goes on, and
/// beside it nothing.
#[must_use]
pub fn may_begin(state: &RunState, now: Now<'_>, node: &Node) -> bool {
    if !node.section.is_work() {
        return true;
    }
    state.turns.keys().filter(|turns| !within_limit(state, now, turns)).all(|failed| {
        let depth = failed.len();
        let outer = &failed[..depth - 1];
        if !node.turns.starts_with(outer) {
            return true;
        }
        let same_loop = node.turns.get(depth - 1).is_some_and(|t| t.step == failed[depth - 1].step);
        same_loop && begun(state, &node.turns[..depth])
    })
}

/// The next facts on the way back of failed turns; `Err`: one of them cannot be taken back, which is no longer a matter of one turn.
///
/// # Errors
/// Why the run must stop.
pub fn go_back(state: &RunState, now: Now<'_>) -> Result<Vec<Event>, String> {
    let mut events = Vec::new();
    for turns in state.turns.iter().filter(|(_, failed)| !failed.is_back).map(|(turns, _)| turns) {
        let waiting = stop_waiting(state, turns);
        if !waiting.is_empty() {
            events.extend(waiting);
            continue;
        }
        match unwind::next_within(state, now, turns) {
            Turnback::Done if stuck(state, turns) => {
                return Err(format!("turn {} failed and could not be taken back", turn_path(turns)));
            }
            Turnback::Done => events.push(Event::TurnTakenBack { turns: turns.clone() }),
            step => events.extend(unwind::begin(state, step)),
        }
    }
    Ok(events)
}

/// Something that the turn took is not given back, or a change of it could not be taken back.
fn stuck(state: &RunState, turns: &[Turn]) -> bool {
    let of_turn = |id: &NodeId| state.node(id).is_some_and(|n| n.turns.starts_with(turns));
    let owed = state.open_obligations().any(|o| o.return_node.is_some() && of_turn(&o.taker));
    owed || nodes(state, turns).any(|n| *state.step(&n.id) == StepState::UndoFailed)
}

/// Nothing of a failed turn is waited for any more, and nothing new of it starts; a return under way goes on.
fn stop_waiting(state: &RunState, turns: &[Turn]) -> Vec<Event> {
    let of = |node: &Node| {
        let returning = state.started_unwinding.contains(&node.id);
        match state.step(&node.id) {
            StepState::WaitingRetry { attempt, .. } if returning => Some(Event::StepStarted {
                node: node.id.clone(),
                attempt: attempt + 1,
            }),
            StepState::Blocked
            | StepState::WaitingRetry { .. }
            | StepState::AwaitingApproval
            | StepState::Running { intended: false, .. }
                if !returning =>
            {
                Some(Event::StepCancelled {
                    node: node.id.clone(),
                    why: String::from("its turn failed"),
                })
            }
            _ => None,
        }
    };
    nodes(state, turns).filter_map(of).collect()
}

/// The failed turns in words, for the end of a run that went on without them; `None`: there are none.
#[must_use]
pub fn told(state: &RunState) -> Option<String> {
    let all: Vec<String> = state.turns.keys().map(|turns| turn_path(turns)).collect();
    match all.as_slice() {
        [] => None,
        [one] => Some(format!("everything else done and verified; turn {one} failed and was taken back")),
        many => Some(format!(
            "everything else done and verified; {} turns failed and were taken back: {}",
            many.len(),
            some_of(many)
        )),
    }
}
