//! Bugs planted to prove that the promises can be broken and that it is seen: each wraps the real function or spoils one turn of the
//! dispatcher of the simulation.

use crate::base::id::NodeId;
use crate::engine::decide::decide;
use crate::engine::invariants::{Around, Doing, around};
use crate::engine::run::{Phase, RunState};
use crate::engine::step::StepState;
use crate::engine::tests::life::{AroundOf, Decide, REAL};
use crate::engine::{Ending, Input, Now};
use crate::model::action::Undo;
use crate::model::event::{Event, Record, RunOutcome};
use crate::model::plan::Node;
use crate::model::value::Value;

/// What a life runs on: the real thing, or something spoiled.
#[derive(Clone, Copy)]
pub struct Bugs {
    pub decide: Decide,
    pub around: AroundOf,
    /// From a run that has just been created and the records after that.
    pub replay: fn(&RunState, &[Record]) -> Result<RunState, String>,
    pub shell: Shell,
}

/// What is wrong with the dispatcher of the simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    Sound,
    /// Effects start before the facts are durable.
    SendsFirst,
    /// A refusal of the journal is taken for news.
    GoesOnAfterRefusal,
    /// A new controller sends again what the old one may have sent.
    StartsAnewOnResume,
    /// The run's time is that of the wall, wherever it jumps.
    FollowsTheWall,
}

pub const NONE: Bugs = Bugs {
    decide: REAL,
    around,
    replay: read,
    shell: Shell::Sound,
};

/// As [`replay`](crate::engine::replay::replay), which begins with a copy of the whole plan.
fn read(newborn: &RunState, records: &[Record]) -> Result<RunState, String> {
    let mut state = newborn.clone();
    for record in records {
        state.apply(record).map_err(|e| e.to_string())?;
    }
    Ok(state)
}

/// A planted bug: which promise it breaks (0: a rule beyond the list), and words of the complaint.
pub struct Planted {
    pub promise: u8,
    pub name: &'static str,
    pub bugs: Bugs,
    pub words: &'static str,
}

fn decides(promise: u8, name: &'static str, decide: Decide, words: &'static str) -> Planted {
    let bugs = Bugs { decide, ..NONE };
    Planted {
        promise,
        name,
        bugs,
        words,
    }
}

fn shell(promise: u8, shell: Shell, words: &'static str) -> Planted {
    let (name, bugs) = ("a spoiled dispatcher", Bugs { shell, ..NONE });
    Planted {
        promise,
        name,
        bugs,
        words,
    }
}

fn guards(name: &'static str, around: AroundOf, words: &'static str) -> Planted {
    let (promise, bugs) = (0, Bugs { around, ..NONE });
    Planted {
        promise,
        name,
        bugs,
        words,
    }
}

/// All of them.
pub fn all() -> Vec<Planted> {
    let forgetful = Bugs {
        replay: forgets_a_cancel,
        ..NONE
    };
    vec![
        decides(1, "starts what still waits", starts_too_early, "starts before"),
        decides(2, "repeats what was lost", repeats_lost, "was executed again"),
        decides(3, "believes its own intent", skips_the_work, "was never executed"),
        shell(4, Shell::SendsFirst, "without an intent on record"),
        decides(5, "takes lost for done", takes_lost_for_done, "did not end well"),
        Planted {
            promise: 7,
            name: "forgets a cancel when read back",
            bugs: forgetful,
            words: "the state read back differs",
        },
        decides(10, "begins the next turn at once", crowds, "at once"),
        decides(11, "calls debts paid at the end", calls_debts_paid, "no debt says so"),
        decides(12, "gives nothing back", gives_nothing_back, "nobody tried to give it back"),
        decides(13, "forgets debts", forgets_debts, "before its debt is on record"),
        decides(15, "one yes is enough", one_yes_is_enough, "before enough people agreed"),
        decides(16, "hears late answers", hears_late_answers, "was answered after it was over"),
        shell(20, Shell::FollowsTheWall, "the time goes back"),
        decides(21, "intends nothing", intends_nothing, "nothing is under way"),
        decides(22, "hears no cancel", hears_no_cancel, "starts although the run goes back"),
        shell(26, Shell::GoesOnAfterRefusal, "without an intent on record"),
        shell(2, Shell::StartsAnewOnResume, "was executed twice"),
        decides(0, "takes back the oldest first", oldest_first, "is taken back before"),
        decides(0, "calls stuck failed", calls_it_failed, "the outcome is Failed, not Stuck"),
        decides(0, "begins one more turn", begins_one_more_turn, "too many failed turns"),
        decides(0, "leaves failed turns", leaves_failed_turns, "is back, and"),
        decides(0, "forgets failed turns", forgets_failed_turns, "the outcome is Succeeded, not"),
        guards("no invariants at all", no_invariants_at_all, "although an invariant did not hold"),
        guards(
            "no invariants on the way back",
            no_invariants_on_the_way_back,
            "although an invariant did not hold",
        ),
        guards(
            "invariants stop returns",
            invariants_stop_returns,
            "gives back, and an invariant stops it",
        ),
    ]
}

fn starts_too_early(state: &RunState, now: Now<'_>, input: Input) -> Vec<Event> {
    let mut events = decide(state, now, input);
    if let Some(at) = events.iter().position(|e| matches!(e, Event::StepStarted { .. })) {
        let blocked = |id: &NodeId| *state.step(id) == StepState::Blocked;
        let asks = |n: &Node| ["approve", "manual", "decide"].contains(&n.action.as_str());
        let waits = |n: &Node| n.needs.iter().flat_map(|row| state.row(row)).any(|n| blocked(&n.id));
        let next = |n: &&Node| waits(n) && blocked(&n.id) && !asks(n);
        if let Some(next) = state.created.plan.nodes.iter().find(next) {
            let (node, attempt) = (next.id.clone(), 1);
            events.insert(at, Event::StepStarted { node, attempt });
        }
    }
    events
}

fn repeats_lost(state: &RunState, now: Now<'_>, input: Input) -> Vec<Event> {
    let lost = state.steps.iter().find_map(|(id, step)| match step {
        StepState::Lost { attempt } if *attempt < 3 && state.phase == Phase::Running => Some((id, *attempt)),
        _ => None,
    });
    match lost.filter(|_| matches!(input, Input::Tick)) {
        Some((node, attempt)) => vec![Event::StepStarted {
            node: node.clone(),
            attempt: attempt + 1,
        }],
        None => decide(state, now, input),
    }
}

fn skips_the_work(state: &RunState, now: Now<'_>, input: Input) -> Vec<Event> {
    let mut events = decide(state, now, input);
    if let Some(Event::ChangeIntended { node, attempt, .. }) = events.last().cloned() {
        events.push(Event::StepSucceeded {
            node,
            attempt,
            changed: true,
            result: Value::Null,
            summary: String::new(),
        });
    }
    events
}

fn takes_lost_for_done(state: &RunState, now: Now<'_>, input: Input) -> Vec<Event> {
    let input = match input {
        Input::Ended {
            node,
            attempt,
            ending: Ending::Lost(_),
        } => Input::Ended {
            node,
            attempt,
            ending: Ending::Succeeded {
                changed: true,
                result: Value::Null,
                summary: String::new(),
            },
        },
        other => other,
    };
    decide(state, now, input)
}

/// What another controller sent is taken for done.
pub const HOPEFUL: Bugs = Bugs {
    replay: takes_sent_for_done,
    ..NONE
};

fn takes_sent_for_done(newborn: &RunState, records: &[Record]) -> Result<RunState, String> {
    let mut state = read(newborn, records)?;
    for step in state.steps.values_mut() {
        if matches!(step, StepState::Running { intended: true, .. }) {
            *step = StepState::Succeeded { changed: true };
        }
    }
    Ok(state)
}

fn forgets_a_cancel(newborn: &RunState, records: &[Record]) -> Result<RunState, String> {
    let mut state = read(newborn, records)?;
    state.cancelled_by = None;
    Ok(state)
}

fn crowds(state: &RunState, now: Now<'_>, input: Input) -> Vec<Event> {
    let mut events = decide(state, now, input);
    let node = |e: &Event| match e {
        Event::StepStarted { node, .. } => state.node(node),
        _ => None,
    };
    let begins = events
        .iter()
        .find_map(node)
        .filter(|n| !n.turns.is_empty() && state.phase == Phase::Running);
    if let Some(begins) = begins {
        let other = |n: &&Node| n.step == begins.step && n.turns != begins.turns && *state.step(&n.id) == StepState::Blocked;
        let others = state.created.plan.nodes.iter().filter(other);
        events.extend(others.map(|n| Event::StepStarted {
            node: n.id.clone(),
            attempt: 1,
        }));
    }
    events
}

fn calls_debts_paid(state: &RunState, now: Now<'_>, input: Input) -> Vec<Event> {
    let mut events = decide(state, now, input);
    if matches!(events.last(), Some(Event::RunFinished { .. })) {
        let paid = state.open_obligations().map(|o| Event::ObligationDischarged {
            id: o.id.clone(),
            how: String::from("trust me"),
        });
        events.splice(0..0, paid.collect::<Vec<_>>());
        if let Some(Event::RunFinished { outcome, .. }) = events.last_mut()
            && *outcome == RunOutcome::Stuck
        {
            *outcome = RunOutcome::Failed;
        }
    }
    events
}

fn gives_nothing_back(state: &RunState, now: Now<'_>, input: Input) -> Vec<Event> {
    let mut events = decide(state, now, input);
    let owed = |id: &NodeId| state.open_obligations().any(|o| o.return_node.as_ref() == Some(id));
    let returns = |e: &Event| matches!(e, Event::StepStarted { node, .. } if owed(node));
    if state.phase == Phase::Unwinding && events.iter().any(returns) {
        events = vec![Event::RunFinished {
            outcome: RunOutcome::Stuck,
            summary: String::new(),
            outputs: Default::default(),
        }];
    }
    events
}

fn forgets_debts(state: &RunState, now: Now<'_>, input: Input) -> Vec<Event> {
    let mut events = decide(state, now, input);
    events.retain(|e| !matches!(e, Event::ObligationOpened { .. }));
    events
}

fn one_yes_is_enough(state: &RunState, now: Now<'_>, input: Input) -> Vec<Event> {
    let said = state.questions.values().find(|q| q.open() && !q.answers.is_empty());
    let waits = said.filter(|q| *state.step(&q.request.gate) == StepState::AwaitingApproval);
    match waits.filter(|_| matches!(input, Input::Tick)) {
        Some(question) => vec![Event::StepSucceeded {
            node: question.request.gate.clone(),
            attempt: 0,
            changed: false,
            result: Value::Null,
            summary: String::new(),
        }],
        None => decide(state, now, input),
    }
}

fn hears_late_answers(state: &RunState, now: Now<'_>, input: Input) -> Vec<Event> {
    match input {
        Input::Answered { gate, answer } if state.questions.contains_key(&gate) => vec![Event::ApprovalAnswered { gate, answer }],
        other => decide(state, now, other),
    }
}

fn intends_nothing(state: &RunState, now: Now<'_>, input: Input) -> Vec<Event> {
    let mut events = decide(state, now, input);
    events.retain(|e| !matches!(e, Event::ChangeIntended { .. }));
    events
}

fn hears_no_cancel(state: &RunState, now: Now<'_>, input: Input) -> Vec<Event> {
    let mut blind = state.clone();
    blind.cancelled_by = None;
    decide(if matches!(input, Input::Tick) { &blind } else { state }, now, input)
}

fn oldest_first(state: &RunState, now: Now<'_>, input: Input) -> Vec<Event> {
    let mut events = decide(state, now, input);
    for event in &mut events {
        if let Event::UndoStarted { node, .. } = event
            && let Some(oldest) = state.intended.iter().find(|i| matches!(i.undo, Undo::Call { .. }))
            && matches!(state.step(&oldest.node), StepState::Succeeded { .. })
        {
            *node = oldest.node.clone();
        }
    }
    events
}

fn calls_it_failed(state: &RunState, now: Now<'_>, input: Input) -> Vec<Event> {
    let mut events = decide(state, now, input);
    for event in &mut events {
        if let Event::RunFinished { outcome, .. } = event
            && *outcome == RunOutcome::Stuck
        {
            *outcome = RunOutcome::Failed;
        }
    }
    events
}

/// When the run stops for its failed turns, one more turn begins.
fn begins_one_more_turn(state: &RunState, now: Now<'_>, input: Input) -> Vec<Event> {
    let mut events = decide(state, now, input);
    let stops = events.iter().position(|e| matches!(e, Event::UnwindStarted { .. }));
    if let Some(at) = stops.filter(|_| !state.turns.is_empty() && state.cancelled_by.is_none()) {
        let blocked = |n: &&Node| !n.turns.is_empty() && *state.step(&n.id) == StepState::Blocked;
        if let Some(next) = state.created.plan.nodes.iter().find(blocked) {
            let (node, attempt) = (next.id.clone(), 1);
            events.insert(at, Event::StepStarted { node, attempt });
        }
    }
    events
}

/// The failed turn is not taken back, and the loop goes on.
fn leaves_failed_turns(state: &RunState, now: Now<'_>, input: Input) -> Vec<Event> {
    let mut events = decide(state, now, input);
    for event in &mut events {
        if let Event::StepStarted { node, .. } | Event::UndoStarted { node, .. } = event
            && let Some(turns) = state
                .turns
                .keys()
                .find(|t| state.node(node).is_some_and(|n| n.turns.starts_with(t)))
            && state.phase == Phase::Running
        {
            *event = Event::TurnTakenBack { turns: turns.clone() };
        }
    }
    events
}

/// Tolerated failures pass for success.
fn forgets_failed_turns(state: &RunState, now: Now<'_>, input: Input) -> Vec<Event> {
    let mut events = decide(state, now, input);
    for event in &mut events {
        if let Event::RunFinished { outcome, .. } = event
            && !state.turns.is_empty()
        {
            *outcome = RunOutcome::Succeeded;
        }
    }
    events
}

fn no_invariants_on_the_way_back(state: &RunState, now: Now<'_>, node: &NodeId, doing: Doing) -> Around {
    match state.phase {
        Phase::Unwinding => Around::default(),
        _ => around(state, now, node, doing),
    }
}

fn no_invariants_at_all(_: &RunState, _: Now<'_>, _: &NodeId, _: Doing) -> Around {
    Around::default()
}

/// What gives back is treated like any other step.
fn invariants_stop_returns(state: &RunState, now: Now<'_>, node: &NodeId, doing: Doing) -> Around {
    let mut forgetful = state.clone();
    forgetful.started_unwinding.clear();
    around(&forgetful, now, node, doing)
}
