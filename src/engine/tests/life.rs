//! One run from its beginning to its end, without tokio: the dispatcher's turn, and a world that executes, fails and forgets as it is told.
//!
//! The world never reads the records: what it executed is the truth that the records are held against.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::sample::Sample;
use crate::action::CATALOG;
use crate::base::clock::Timestamp;
use crate::base::id::{HostName, NodeId, RunId};
use crate::engine::effects::{Effect, effects, wake_at};
use crate::engine::invariants::{Around, Doing, around};
use crate::engine::replay::replay;
use crate::engine::run::{Phase, RunState};
use crate::engine::{Ending, Input, Intent, Knowledge, Now, TakenBack, decide};
use crate::model::action::{Arguments, Class, Undo};
use crate::model::approval::{ApprovalAnswer, ApprovalRequest};
use crate::model::event::{Event, Failure, FailureKind, Record};
use crate::model::obligation::ObligationId;
use crate::model::plan::{EffectKind, Node};
use crate::model::runbook::UndoRule;
use crate::model::value::Value;

/// The function under test; tests plant bugs by wrapping it.
pub type Decide = fn(&RunState, Now<'_>, Input) -> Vec<Event>;

/// The real one.
pub const REAL: Decide = decide::decide;

/// Which invariants are judged around a change; tests plant bugs here, too.
pub type AroundOf = fn(&RunState, Now<'_>, &NodeId, Doing) -> Around;

/// Turns after which a life counts as endless.
const MOST_TURNS: usize = 3000;

/// What becomes of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Works,
    AlreadySo,
    /// Before it asks for leave.
    FailsBefore(FailureKind),
    /// After the change was made.
    FailsAfter(FailureKind),
    /// After leave was given, and known to have changed nothing.
    Unchanged(FailureKind),
    /// Made, but nobody hears of it.
    LostAfter,
    /// Not made, and nobody knows.
    LostBefore,
}

/// What happens in a life; by default all goes well, in order.
pub trait Plot {
    fn fate(&mut self, _node: &NodeId, _attempt: u32) -> Fate {
        Fate::Works
    }
    fn undo_works(&mut self, _node: &NodeId) -> bool {
        true
    }
    fn guard_holds(&mut self, _debt: &ObligationId) -> bool {
        true
    }
    /// `None`: nobody answers.
    fn answer(&mut self, _gate: &NodeId) -> Option<bool> {
        Some(true)
    }
    /// Something that is not ours breaks what all invariants demand, or repairs it.
    fn shakes(&mut self, _turn: usize) -> bool {
        false
    }
    /// As [`Plot::answer`], knowing who is asked by now.
    fn answer_to(&mut self, request: &ApprovalRequest) -> Option<bool> {
        self.answer(&request.gate)
    }
    /// Which of the waiting messages comes first.
    fn pick(&mut self, _messages: usize) -> usize {
        0
    }
    fn cancels(&mut self, _turn: usize) -> bool {
        false
    }
    fn crashes(&mut self, _turn: usize) -> bool {
        false
    }
}

/// What was really done.
#[derive(Debug, Default)]
pub struct World {
    /// What all invariants demand is not so.
    pub broken: bool,
    /// Attempts that went on although it was not so when they looked.
    pub went_on: BTreeSet<(NodeId, u32)>,
    /// Attempts that changed something, with the number of records there were at that moment.
    pub executed: Vec<(NodeId, u32, usize)>,
    /// Members that this run took out and nobody put back.
    pub out: BTreeSet<HostName>,
    /// Attempts that never started and never will, as a controller that took over was told.
    pub never: BTreeSet<(NodeId, u32)>,
    /// Taken back, in order.
    pub undone: Vec<NodeId>,
}

/// A life that has ended.
pub struct Life<'a> {
    pub sample: &'a Sample,
    pub records: Vec<Record>,
    pub state: RunState,
    pub world: World,
    /// What the state looked like after each record, if it was watched.
    pub marks: Vec<String>,
    watched: bool,
    decide: Decide,
    around: AroundOf,
    at: Timestamp,
    tasks: BTreeMap<(NodeId, u32, bool), Fate>,
    messages: VecDeque<Input>,
}

impl<'a> Life<'a> {
    /// Lives a run to its end. `Err`: it has none, or a record that cannot happen. Watching takes longer than living.
    pub fn live(sample: &'a Sample, plot: &mut dyn Plot, decide: Decide, watched: bool) -> Result<Life<'a>, String> {
        Life::guarded(sample, plot, decide, around, watched)
    }

    /// As [`Life::live`], with another judgement of what is to be guarded.
    pub fn guarded(sample: &'a Sample, plot: &mut dyn Plot, decide: Decide, around: AroundOf, watched: bool) -> Result<Life<'a>, String> {
        let created = Record {
            run: RunId(7),
            sequence: 1,
            at: Timestamp(0),
            event: Event::RunCreated(Box::new(sample.created.clone())),
        };
        let mut life = Life {
            sample,
            state: replay(RunId(7), std::slice::from_ref(&created)).map_err(|e| e.to_string())?,
            records: vec![created],
            world: World::default(),
            marks: Vec::new(),
            watched,
            decide,
            around,
            at: Timestamp(0),
            tasks: BTreeMap::new(),
            messages: VecDeque::new(),
        };
        let controller = String::from("test");
        life.apply(vec![Event::RunStarted { controller }])?;
        life.turn(Input::Tick)?;
        for turn in 0..MOST_TURNS {
            if matches!(life.state.phase, Phase::Finished(_)) {
                return Ok(life);
            }
            life.world.broken ^= plot.shakes(turn);
            life.start_effects(plot);
            if plot.crashes(turn) {
                life.crash()?;
                continue;
            }
            let input = life.next(plot, turn)?;
            life.turn(input)?;
        }
        Err(format!("no end after {MOST_TURNS} turns"))
    }

    pub fn now(&self) -> Now<'a> {
        Now {
            knowledge: Knowledge {
                runbook: &self.sample.runbook,
                catalog: &CATALOG,
            },
            at: self.at,
        }
    }

    /// The dispatcher's: decide, apply, until nothing follows any more.
    fn turn(&mut self, input: Input) -> Result<(), String> {
        let mut events = (self.decide)(&self.state, self.now(), input);
        for _ in 0..MOST_TURNS {
            if events.is_empty() {
                return Ok(());
            }
            self.apply(events)?;
            events = (self.decide)(&self.state, self.now(), Input::Tick);
        }
        Err(String::from("facts follow from facts without end"))
    }

    fn apply(&mut self, events: Vec<Event>) -> Result<(), String> {
        for event in events {
            let record = Record {
                run: RunId(7),
                sequence: self.state.sequence + 1,
                at: self.at,
                event,
            };
            self.state.apply(&record).map_err(|e| e.to_string())?;
            self.records.push(record);
            if self.watched {
                self.marks.push(fingerprint(&self.state));
            }
        }
        Ok(())
    }

    fn crash(&mut self) -> Result<(), String> {
        self.tasks.clear();
        self.messages.clear();
        self.at = self.at.after(Duration::from_secs(1));
        self.state = replay(RunId(7), &self.records).map_err(|e| e.to_string())?;
        let controller = String::from("another");
        self.apply(vec![Event::RunStarted { controller }])?;
        self.turn(Input::Tick)
    }

    /// A cancel, a message, an answer, or time.
    fn next(&mut self, plot: &mut dyn Plot, turn: usize) -> Result<Input, String> {
        if plot.cancels(turn) {
            return Ok(Input::CancelRequested { by: String::from("op") });
        }
        let answers = self.state.questions.iter().filter(|(_, q)| q.open());
        let answers = answers.filter_map(|(gate, q)| Some((gate.clone(), plot.answer_to(&q.request)?, q.request.task.clone())));
        if let Some((gate, granted, task)) = answers.collect::<Vec<_>>().into_iter().next() {
            let fields = task.unwrap_or_default().fields.into_iter();
            let told = fields.map(|f| (f.name, Value::text("told"))).collect();
            let answer = ApprovalAnswer {
                granted,
                by: String::from("lead"),
                digest: self.sample.created.plan.digest.clone(),
                at: self.at,
                reason: None,
                fields: told,
            };
            return Ok(Input::Answered { gate, answer });
        }
        if !self.messages.is_empty() {
            self.at = self.at.after(Duration::from_millis(10));
            let chosen = plot.pick(self.messages.len());
            return self.messages.remove(chosen).ok_or_else(|| String::from("the plot picks a message"));
        }
        let wake = wake_at(&self.state, self.now());
        self.at = wake.ok_or_else(|| {
            let told: Vec<String> = self.records.iter().skip(1).map(|r| format!("{:?}", r.event)).collect();
            format!("nothing is under way, yet the run is {:?}\n{}", self.state.phase, told.join("\n"))
        })?;
        Ok(Input::Tick)
    }

    fn start_effects(&mut self, plot: &mut dyn Plot) {
        let mut wanted = BTreeSet::new();
        for effect in effects(&self.state) {
            match effect {
                Effect::Attempt {
                    node,
                    attempt,
                    intended,
                    pays,
                } => {
                    let key = (node.clone(), attempt, false);
                    wanted.insert(key.clone());
                    let fresh = !self.tasks.contains_key(&key);
                    if let (true, Some(id)) = (fresh, pays.filter(|id| !plot.guard_holds(id))) {
                        self.tasks.insert(key, Fate::AlreadySo);
                        let why = String::from("the guard does not hold");
                        self.messages.push_back(Input::ReturnRefused { id, node, why });
                        continue;
                    }
                    let owed = self.node(&node).pool_effects.iter();
                    let owed = owed
                        .clone()
                        .any(|e| e.kind == EffectKind::Returns && self.world.out.contains(&e.member));
                    let mut drawn = || match plot.fate(&node, attempt) {
                        // Whoever looks sees that the member is out.
                        Fate::AlreadySo if owed => Fate::Works,
                        fate => fate,
                    };
                    let fate = *self.tasks.entry(key).or_insert_with(&mut drawn);
                    match (intended, fresh) {
                        (true, _) => self.perform(&node, attempt, fate),
                        (false, true) => self.look(node, attempt, fate),
                        (false, false) => {}
                    }
                }
                Effect::Undo { node, step, .. } => {
                    let key = (node.clone(), u32::try_from(step).unwrap(), true);
                    wanted.insert(key.clone());
                    if self.tasks.insert(key, Fate::Works).is_none() {
                        self.take_back(plot, node, step);
                    }
                }
            }
        }
        self.tasks.retain(|key, _| wanted.contains(key));
    }

    fn node(&self, id: &NodeId) -> &'a Node {
        self.sample.created.plan.node(id).expect("effects are about nodes of the plan")
    }

    /// The first half of an attempt: probe, and ask for leave if there is something to change.
    fn look(&mut self, node: NodeId, attempt: u32, fate: Fate) {
        let reads = self.node(&node).class == Class::Probe;
        let ending = match fate {
            Fate::FailsBefore(kind) => Some(Ending::Failed(failure(kind))),
            Fate::FailsAfter(kind) if reads => Some(Ending::Failed(failure(kind))),
            Fate::AlreadySo => Some(succeeded(false)),
            _ if reads => Some(succeeded(false)),
            _ => None,
        };
        let around = (self.around)(&self.state, self.now(), &node, Doing::Attempt);
        let stops = around.strict && !around.invariants.is_empty();
        let ending = match ending {
            None if self.world.broken && stops => Some(Ending::Failed(failure(FailureKind::Invariant))),
            None if self.world.broken => {
                self.world.went_on.insert((node.clone(), attempt));
                None
            }
            ending => ending,
        };
        self.messages.push_back(match ending {
            Some(ending) => Input::Ended { node, attempt, ending },
            None => Input::Prepared {
                intent: self.intent(&node, attempt),
                node,
                attempt,
            },
        });
    }

    fn intent(&self, id: &NodeId, attempt: u32) -> Intent {
        let node = self.node(id);
        let undo = match &self.now().knowledge.step(node).undo {
            UndoRule::Keep => Undo::Keep,
            UndoRule::None => Undo::Impossible,
            UndoRule::Steps(_) => Undo::Steps,
            UndoRule::Auto if node.class == Class::Passing => Undo::Nothing,
            UndoRule::Auto => Undo::Call {
                action: node.action.clone(),
                arguments: Arguments::from_pairs([("observed_by", Value::Int(i64::from(attempt)))]),
            },
        };
        Intent {
            summary: format!("changes {id}"),
            undo,
            before: Vec::new(),
        }
    }

    /// The second half: with leave, the change is made and its end is told, once.
    fn perform(&mut self, id: &NodeId, attempt: u32, fate: Fate) {
        let told = self
            .messages
            .iter()
            .any(|m| matches!(m, Input::Ended { node, attempt: of, .. } if node == id && *of == attempt));
        if told {
            return;
        }
        let done = self.world.executed.iter().any(|(node, of, _)| node == id && *of == attempt);
        if !matches!(fate, Fate::LostBefore | Fate::Unchanged(_)) && !done {
            self.world.executed.push((id.clone(), attempt, self.records.len()));
            for effect in &self.node(id).pool_effects {
                match effect.kind {
                    EffectKind::Takes => self.world.out.insert(effect.member.clone()),
                    EffectKind::Returns => self.world.out.remove(&effect.member),
                    EffectKind::Disturbs => false,
                };
            }
        }
        let around = (self.around)(&self.state, self.now(), id, Doing::Attempt);
        let held = !around.invariants.is_empty() && !self.world.went_on.contains(&(id.clone(), attempt));
        let ending = match fate {
            Fate::FailsAfter(kind) => Ending::Failed(failure(kind)),
            Fate::Unchanged(kind) => Ending::Unchanged(failure(kind)),
            Fate::Works if held && self.world.broken => Ending::Failed(failure(FailureKind::Invariant)),
            Fate::LostAfter | Fate::LostBefore => Ending::Lost(failure(FailureKind::Unreachable)),
            Fate::Works | Fate::AlreadySo | Fate::FailsBefore(_) => succeeded(true),
        };
        let node = id.clone();
        self.messages.push_back(Input::Ended { node, attempt, ending });
    }

    fn take_back(&mut self, plot: &mut dyn Plot, node: NodeId, step: usize) {
        let result = match plot.undo_works(&node) {
            true => Ok(TakenBack {
                summary: String::from("as before"),
                results: vec![(None, TakenBack::done(true, Value::Null))],
            }),
            false => Err(failure(FailureKind::Check)),
        };
        if result.is_ok() {
            for effect in self.node(&node).pool_effects.iter().filter(|e| e.kind == EffectKind::Takes) {
                self.world.out.remove(&effect.member);
            }
            self.world.undone.push(node.clone());
        }
        self.messages.push_back(Input::UndoEnded { node, step, result });
    }
}

/// A crash after any record loses nothing: read back from their stored form, the records give the state that lived, and so what should
/// be going on.
pub fn every_prefix_replays(life: &Life<'_>) -> Result<(), String> {
    let stored = serde_json::to_string(&life.records).map_err(|e| e.to_string())?;
    let records: Vec<Record> = serde_json::from_str(&stored).map_err(|e| e.to_string())?;
    let mut read = replay(RunId(7), &records[..1]).map_err(|e| e.to_string())?;
    for (record, mark) in records[1..].iter().zip(&life.marks) {
        read.apply(record).map_err(|e| e.to_string())?;
        if &fingerprint(&read) != mark {
            return Err(format!("after record {} the state read back differs", record.sequence));
        }
    }
    match life.marks.len() == records.len() - 1 {
        true => Ok(()),
        false => Err(String::from("the life was not watched")),
    }
}

/// Everything of a state but what never changes, and what should be going on in it.
pub fn fingerprint(state: &RunState) -> String {
    format!(
        "{:?}",
        (
            (
                state.sequence,
                state.phase,
                state.started_at,
                &state.steps,
                &state.attempts,
                &state.ended_at
            ),
            (&state.intended, &state.results, &state.changed, &state.obligations, &state.refused),
            (
                &state.started_unwinding,
                &state.questions,
                &state.leases,
                &state.failure,
                &state.failures,
                &state.turns
            ),
            (&state.cancelled_by, &state.unwind_reason, effects(state)),
        )
    )
}

fn failure(kind: FailureKind) -> Failure {
    Failure {
        kind,
        message: format!("as the plot says: {kind:?}"),
    }
}

fn succeeded(changed: bool) -> Ending {
    Ending::Succeeded {
        changed,
        result: Value::Null,
        summary: String::from("done"),
    }
}
