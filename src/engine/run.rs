//! The state of a run and the only function that writes it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

pub use super::phase::Phase;
use super::question::Question;
use super::step::{StepState, node_of};
use crate::base::clock::Timestamp;
use crate::base::id::{NodeId, PoolName, RowId, RunId};
use crate::base::value::Value;
use crate::model::action::{ResourceKey, Undo};
use crate::model::event::{Event, Failure, FailureKind, Record, RunCreated};
use crate::model::obligation::{Obligation, ObligationId, ObligationState};
use crate::model::plan::{self, Node, Section, Turn};
use crate::plan::results::{self, Ground, Results, RunFacts};

/// A change that was sent or was about to be.
#[derive(Clone, Debug)]
pub struct Intended {
    /// Whose.
    pub node: NodeId,
    /// Of that attempt.
    pub attempt: u32,
    /// For people.
    pub summary: String,
    /// How to take it back.
    pub undo: Undo,
    /// What was observed before.
    pub before: Vec<(ResourceKey, Value)>,
    /// Made while unwinding: it is part of the way back and never taken back itself.
    pub unwinding: bool,
}

/// A turn in which something failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedTurn {
    /// The step that failed first.
    pub node: NodeId,
    /// Why.
    pub why: String,
    /// What it had changed is taken back, and nothing of it is under way.
    pub is_back: bool,
}

/// Everything there is to know about a run; a fold over its events.
#[derive(Clone, Debug)]
pub struct RunState {
    /// Its number.
    pub id: RunId,
    /// What it is about.
    pub created: Arc<RunCreated>,
    /// Of the last event.
    pub sequence: u64,
    /// When that was.
    pub last_at: Timestamp,
    /// Which part of its life.
    pub phase: Phase,
    /// When it first started.
    pub started_at: Option<Timestamp>,
    /// Every node of the plan.
    pub steps: BTreeMap<NodeId, StepState>,
    /// Attempts made, per node.
    pub attempts: BTreeMap<NodeId, u32>,
    /// When a node last ended.
    pub ended_at: BTreeMap<NodeId, Timestamp>,
    /// Changes, oldest first.
    pub intended: Vec<Intended>,
    /// What later nodes see.
    pub results: Results,
    /// Nodes that changed something.
    pub changed: BTreeSet<NodeId>,
    /// Debts of this run.
    pub obligations: Vec<Obligation>,
    /// Debts whose return was refused or failed while unwinding.
    pub refused: BTreeMap<ObligationId, String>,
    /// It had ended, and a person has started it again to have given back what it owes.
    pub reopened: bool,
    /// Nodes started while unwinding.
    pub started_unwinding: BTreeSet<NodeId>,
    /// Times that taking a node's change back was begun.
    pub undo_attempts: BTreeMap<NodeId, u32>,
    /// What became of the steps of a node's `undo:` that are over, in their order.
    pub undo_steps: BTreeMap<NodeId, Vec<String>>,
    /// Questions by gate.
    pub questions: BTreeMap<NodeId, Question>,
    /// Pools we hold.
    pub leases: BTreeMap<PoolName, u64>,
    /// Turns of loops in which something failed.
    pub turns: BTreeMap<Vec<Turn>, FailedTurn>,
    /// The first failure that counts.
    pub failure: Option<(NodeId, Failure)>,
    /// Every failure, per node.
    pub failures: BTreeMap<NodeId, Failure>,
    /// Who wants it to stop.
    pub cancelled_by: Option<String>,
    /// Why it unwinds.
    pub unwind_reason: Option<String>,
    /// What all its texts see alike.
    pub ground: Ground,
    /// The work had been done when it began to unwind: only what `finally` and `on_failure` owe is given back.
    pub work_stays: bool,
    index: HashMap<NodeId, usize>,
    rows: HashMap<RowId, Vec<usize>>,
}

/// Records that do not fit together: a bug, or a damaged journal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// An event that cannot happen there.
    #[error("run {run}, event {sequence}: {what}")]
    Illegal {
        /// The run.
        run: RunId,
        /// The event.
        sequence: u64,
        /// Why.
        what: String,
    },
    /// No events at all.
    #[error("the journal has no run {0}")]
    Empty(RunId),
}

impl RunState {
    /// The state right after `run_created`.
    #[must_use]
    pub fn new(id: RunId, created: RunCreated) -> RunState {
        let steps = created.plan.nodes.iter().map(|n| (n.id.clone(), StepState::Blocked)).collect();
        let index = created.plan.nodes.iter().enumerate().map(|(i, n)| (n.id.clone(), i)).collect();
        let mut rows: HashMap<RowId, Vec<usize>> = HashMap::new();
        for (i, node) in created.plan.nodes.iter().enumerate() {
            match rows.get_mut(&node.row) {
                Some(row) => row.push(i),
                None => {
                    rows.insert(node.row.clone(), vec![i]);
                }
            }
        }
        RunState {
            id,
            ground: Ground::new(&created.params, &created.inventory),
            created: Arc::new(created),
            sequence: 1,
            last_at: Timestamp::default(),
            phase: Phase::Created,
            started_at: None,
            steps,
            attempts: BTreeMap::new(),
            ended_at: BTreeMap::new(),
            intended: Vec::new(),
            results: Results::default(),
            changed: BTreeSet::new(),
            obligations: Vec::new(),
            refused: BTreeMap::new(),
            reopened: false,
            started_unwinding: BTreeSet::new(),
            undo_attempts: BTreeMap::new(),
            undo_steps: BTreeMap::new(),
            questions: BTreeMap::new(),
            leases: BTreeMap::new(),
            turns: BTreeMap::new(),
            failure: None,
            failures: BTreeMap::new(),
            cancelled_by: None,
            unwind_reason: None,
            work_stays: false,
            index,
            rows,
        }
    }

    /// The node with that id.
    #[must_use]
    pub fn node(&self, id: &NodeId) -> Option<&Node> {
        self.index.get(id).map(|i| &self.created.plan.nodes[*i])
    }

    /// The nodes of a row, on all its hosts.
    pub fn row(&self, id: &RowId) -> impl Iterator<Item = &Node> {
        let row = self.rows.get(id).map_or(&[] as &[usize], Vec::as_slice);
        row.iter().map(|i| &self.created.plan.nodes[*i])
    }

    /// When the last of what a node waits for ended.
    #[must_use]
    pub fn waited_until(&self, node: &Node) -> Option<Timestamp> {
        let before = node.needs.iter().flat_map(|row| self.row(row));
        before.filter_map(|n| self.ended_at.get(&n.id)).max().copied()
    }

    /// The state of a node; unknown nodes are blocked for ever.
    #[must_use]
    pub fn step(&self, id: &NodeId) -> &StepState {
        self.steps.get(id).unwrap_or(&StepState::Blocked)
    }

    /// True when a turn around the node has failed: nothing of it goes on but the way back.
    #[must_use]
    pub fn goes_back(&self, id: &NodeId) -> bool {
        let within = |turns: &[Turn]| (1..=turns.len()).any(|k| self.turns.contains_key(&turns[..k]));
        !self.turns.is_empty() && self.node(id).is_some_and(|n| n.section.is_work() && within(&n.turns))
    }

    /// How many steps of a node's `undo:` are over.
    #[must_use]
    pub fn undo_progress(&self, id: &NodeId) -> usize {
        self.undo_steps.get(id).map_or(0, Vec::len)
    }

    /// The question of a step of a node's `undo:` that people have still to answer.
    #[must_use]
    pub fn asked_to_undo(&self, id: &NodeId) -> Option<&Question> {
        let mut questions = self.questions.values();
        questions.find(|q| q.open() && plan::asks_to_undo(&q.request.gate, id))
    }

    /// Debts that are open.
    pub fn open_obligations(&self) -> impl Iterator<Item = &Obligation> {
        self.obligations.iter().filter(|o| o.is_open())
    }

    /// Gates at which somebody's answer would mean something.
    #[must_use]
    pub fn listens_at(&self) -> Vec<NodeId> {
        let questions = self.questions.iter().filter(|(_, q)| q.open()).map(|(gate, _)| gate);
        let tasks = self.open_obligations().map(|o| &o.taker);
        let tasks = tasks.filter(|taker| self.obligations.iter().any(|o| o.waits_for_people(taker)));
        questions.chain(tasks).cloned().collect()
    }

    /// What `run.*` shows to texts.
    #[must_use]
    pub fn facts(&self) -> RunFacts {
        let nodes = &self.created.plan.nodes;
        RunFacts {
            id: self.id.to_string(),
            now: self.last_at,
            empty_loops: self.created.plan.empty_loops.clone(),
            forgiving_loops: Vec::new(),
            planned: Arc::new(plan::hosts_of(nodes.iter().filter(|n| n.section.is_work()))),
            changed: plan::hosts_of(nodes.iter().filter(|n| self.changed.contains(&n.id))),
            failure: self.told_failure(),
            ahead: false,
        }
    }

    /// Step, host and reason of the first failure, or why else the run turned back.
    fn told_failure(&self) -> Option<(String, String, String)> {
        let Some((id, failure)) = &self.failure else {
            let gate = self.questions.values().find(|q| !q.open() && !q.granted());
            let step = gate.map(|q| q.request.gate.0.clone()).unwrap_or_default();
            return self.unwind_reason.clone().map(|why| (step, String::new(), why));
        };
        let host = self
            .node(id)
            .and_then(|n| n.host.clone())
            .map(|h| h.to_string())
            .unwrap_or_default();
        Some((id.0.clone(), host, failure.message.clone()))
    }

    /// Applies one record. The only writer of the state.
    ///
    /// # Errors
    /// When the event cannot happen in this state.
    pub fn apply(&mut self, record: &Record) -> Result<(), ReplayError> {
        let illegal = |what: String| ReplayError::Illegal {
            run: self.id,
            sequence: record.sequence,
            what,
        };
        if record.sequence != self.sequence + 1 {
            return Err(illegal(format!("expected event {}, the records have a gap", self.sequence + 1)));
        }
        if let Some(id) = node_of(&record.event)
            && let Some(state) = self.steps.get(id)
        {
            let next = state
                .next(&record.event, record.at)
                .map_err(|e| illegal(format!("step `{id}`: {e}")))?;
            if next.ended() {
                self.ended_at.insert(id.clone(), record.at);
            }
            self.steps.insert(id.clone(), next);
        }
        self.sequence = record.sequence;
        self.last_at = record.at;
        let phase = self.phase.next(&record.event).map_err(|e| illegal(format!("the run: {e}")))?;
        if matches!(self.phase, Phase::Finished(_)) && phase == Phase::Unwinding {
            self.reopen();
        }
        self.phase = phase;
        self.note(&record.event, record.at);
        Ok(())
    }

    fn note(&mut self, event: &Event, at: Timestamp) {
        match event {
            Event::RunStarted { .. } => {
                self.started_at.get_or_insert(at);
            }
            Event::LeaseTaken { pool, fence } => {
                self.leases.insert(pool.clone(), *fence);
            }
            Event::LeaseReleased { pool } => {
                self.leases.remove(pool);
            }
            Event::StepStarted { node, attempt } => {
                self.attempts.insert(node.clone(), *attempt);
                if self.phase == Phase::Unwinding || self.goes_back(node) {
                    self.started_unwinding.insert(node.clone());
                }
            }
            Event::ChangeIntended {
                node,
                attempt,
                summary,
                undo,
                before,
            } => {
                let work = self.node(node).is_some_and(|n| n.section.is_work());
                let unwinding = self.started_unwinding.contains(node) || (self.phase == Phase::Unwinding && !work);
                let (node, summary, undo, before) = (node.clone(), summary.clone(), undo.clone(), before.clone());
                self.intended.push(Intended {
                    node,
                    attempt: *attempt,
                    summary,
                    undo,
                    before,
                    unwinding,
                });
            }
            Event::UndoStarted { node, attempt, .. } => {
                self.undo_attempts.insert(node.clone(), *attempt);
            }
            Event::UndoStepDone {
                node,
                step,
                results,
                summary,
            } => {
                let turns = self.node(node).map(|n| n.turns.clone()).unwrap_or_default();
                for (host, result) in results {
                    self.results.set_of(step, &turns, host.as_ref(), result.clone());
                }
                self.undo_steps.entry(node.clone()).or_default().push(summary.clone());
            }
            Event::UnwindStarted { reason, step } => {
                let nodes = &self.created.plan.nodes;
                let begun = |n: &Node| n.section == Section::Finally && *self.step(&n.id) != StepState::Blocked;
                self.work_stays = nodes.iter().any(begun);
                let counts = step.as_ref().and_then(|id| Some((id.clone(), self.failures.get(id)?.clone())));
                self.failure = counts.or(self.failure.take());
                self.unwind_reason = Some(reason.clone());
            }
            Event::TurnFailed { turns, node, why } => {
                let failed = FailedTurn {
                    node: node.clone(),
                    why: why.clone(),
                    is_back: false,
                };
                self.turns.insert(turns.clone(), failed);
            }
            Event::TurnTakenBack { turns } => {
                if let Some(turn) = self.turns.get_mut(turns) {
                    turn.is_back = true;
                }
            }
            Event::CancelRequested { by } => self.cancelled_by = Some(by.clone()),
            Event::ApprovalRequested { request } => {
                self.questions.insert(
                    request.gate.clone(),
                    Question {
                        request: request.clone(),
                        answers: Vec::new(),
                        within: request.expires_at.since(request.asked_at),
                        expired: false,
                        not_counted: (request.quorum > 1).then(|| self.created.by.clone()),
                    },
                );
            }
            Event::ApprovalAnswered { gate, answer } => {
                if let Some(question) = self.questions.get_mut(gate) {
                    question.answers.retain(|a| a.by != answer.by);
                    question.answers.push(answer.clone());
                }
            }
            Event::ApprovalEscalated { request, .. } => {
                if let Some(question) = self.questions.get_mut(&request.gate) {
                    question.request = request.clone();
                }
            }
            Event::ApprovalExpired { gate } => {
                if let Some(question) = self.questions.get_mut(gate) {
                    question.expired = true;
                }
            }
            _ => {
                self.note_ending(event);
                self.note_obligation(event, at);
            }
        }
    }

    /// A finished run that still owes something is started again: everything on the way back may be tried once more.
    fn reopen(&mut self) {
        self.reopened = true;
        self.refused.clear();
        self.started_unwinding.clear();
        for step in self.steps.values_mut().filter(|s| **s == StepState::UndoFailed) {
            *step = StepState::Failed {
                kind: FailureKind::Unexpected,
            };
        }
    }

    fn note_ending(&mut self, event: &Event) {
        let (id, ending, fields) = match event {
            Event::StepSucceeded {
                node,
                attempt,
                changed,
                result,
                ..
            } => {
                if *changed {
                    self.changed.insert(node.clone());
                }
                let ending = results::Ending {
                    ok: true,
                    changed: Some(*changed),
                    attempts: *attempt,
                    ..results::Ending::default()
                };
                (node, ending, result.clone())
            }
            Event::StepFailed { node, attempt, failure } | Event::StepLost { node, attempt, failure } => {
                self.failures.insert(node.clone(), failure.clone());
                let ending = results::Ending {
                    failed: true,
                    changed: Some(false),
                    attempts: *attempt,
                    ..results::Ending::default()
                };
                (node, ending, Value::Null)
            }
            Event::StepSkipped { node, .. } => (
                node,
                results::Ending {
                    skipped: true,
                    changed: Some(false),
                    ..results::Ending::default()
                },
                Value::Null,
            ),
            _ => return,
        };
        if let Some(node) = self.index.get(id).map(|i| self.created.plan.nodes[*i].clone()) {
            self.results.set(&node, ending.onto(fields));
        }
        if let Event::StepFailed { failure, .. } | Event::StepLost { failure, .. } = event
            && self.failure.is_none()
        {
            self.failure = Some((id.clone(), failure.clone()));
        }
    }

    fn note_obligation(&mut self, event: &Event, at: Timestamp) {
        let state = match event {
            Event::ObligationOpened { obligation } => {
                self.obligations.push(obligation.clone());
                return;
            }
            Event::ReturnRefused { id, why } => {
                self.refused.insert(id.clone(), why.clone());
                if let Some(node) = self.obligations.iter().find(|o| &o.id == id).and_then(|o| o.return_node.clone()) {
                    self.steps.insert(
                        node,
                        StepState::Failed {
                            kind: FailureKind::Refused,
                        },
                    );
                }
                return;
            }
            Event::ObligationDischarged { id, how } => (id, ObligationState::Discharged { at, how: how.clone() }),
            Event::ObligationWaived { id, by, reason } => (
                id,
                ObligationState::Waived {
                    at,
                    by: by.clone(),
                    reason: reason.clone(),
                },
            ),
            _ => return,
        };
        if let Some(obligation) = self.obligations.iter_mut().find(|o| &o.id == state.0) {
            obligation.state = state.1;
        }
    }

    /// Time the run has spent since its start, without the time it waited for people.
    #[must_use]
    pub fn busy(&self, now: Timestamp) -> Duration {
        let total = self.started_at.map_or(Duration::ZERO, |start| now.since(start));
        let mut waits: Vec<(Timestamp, Timestamp)> = self.questions.values().map(|q| (q.request.asked_at, q.until(now))).collect();
        waits.sort();
        // Two questions open at the same time are waited for once.
        let (mut waited, mut counted) = (Duration::ZERO, Timestamp(i64::MIN));
        for (from, until) in waits {
            waited += until.since(from.max(counted));
            counted = counted.max(until);
        }
        total.saturating_sub(waited)
    }
}
