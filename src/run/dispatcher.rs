//! The only owner of a run's state. Its turn, always: select, decide, append durably, apply, start effects, report.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::attempt::{Attempt, Shared};
use super::checks::Guard;
use super::crash_point::{self, Side};
use super::invariants::Guarded;
use super::on_journal::{on_journal, poll_every};
use super::steady::Steady;
use super::take_back::TakeBack;
use crate::base::clock::Clock;
use crate::base::id::NodeId;
use crate::engine::Input;
use crate::engine::decide::decide;
use crate::engine::effects::{Effect, effects, wake_at};
use crate::engine::invariants::{self, Doing};
use crate::engine::run::{Phase, ReplayError, RunState};
use crate::engine::schedule;
use crate::engine::unwind;
use crate::journal::JournalError;
use crate::model::event::{Event, Failure, FailureKind, Record, RunOutcome};
use crate::model::obligation::ObligationId;
use crate::model::plan::Node;
use crate::plan::returns;

/// Messages waiting for the dispatcher: each attempt has at most two on the way, and 256 attempts run at once.
pub const INBOX: usize = 512;

/// Where the news goes. Bounded and lossless: a slow terminal slows the run's news, not its hosts.
pub type News = mpsc::Sender<Record>;

/// Drives one run.
pub struct Dispatcher {
    shared: Arc<Shared>,
    clock: Steady,
    state: RunState,
    inbox: mpsc::Receiver<Input>,
    sender: mpsc::Sender<Input>,
    news: News,
    tasks: BTreeMap<Key, Task>,
    /// Ways back that another process began.
    begun_elsewhere: BTreeSet<(NodeId, u32, usize)>,
}

/// Of the way back: which step of it.
type Key = (NodeId, u32, Option<usize>);

struct Task {
    leave: Option<oneshot::Sender<()>>,
}

/// Why a run cannot be driven on. What it has done so far is in the journal.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The journal does not take events any more; nothing more was sent.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The journal's records do not fit together.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The runbook in the journal does not compile with this version.
    #[error("the runbook of run {0} does not compile with this version of runbook: {1}")]
    Runbook(crate::base::id::RunId, String),
    /// Somebody else drives it.
    #[error("{0}")]
    Held(String),
}

impl Dispatcher {
    /// Drives a run from this state on; wishes come through `inbox`.
    #[must_use]
    pub fn new(shared: Arc<Shared>, wall: &dyn Clock, state: RunState, news: News) -> (Dispatcher, mpsc::Sender<Input>) {
        let (sender, inbox) = mpsc::channel(INBOX);
        let begun_elsewhere = effects(&state).into_iter().filter_map(|e| match e {
            Effect::Undo { node, attempt, step } => Some((node, attempt, step)),
            Effect::Attempt { .. } => None,
        });
        let begun_elsewhere = begun_elsewhere.collect();
        let dispatcher = Dispatcher {
            shared,
            clock: Steady::after(state.last_at, wall),
            state,
            inbox,
            sender: sender.clone(),
            news,
            tasks: BTreeMap::new(),
            begun_elsewhere,
        };
        (dispatcher, sender)
    }

    /// Appends facts that do not come from the engine (a lease, the start).
    ///
    /// # Errors
    /// When the journal does not take them.
    pub async fn record(&mut self, events: Vec<Event>) -> Result<(), RunError> {
        let records = self.apply(&events)?;
        self.append(records).await
    }

    /// Runs to the end.
    ///
    /// # Errors
    /// When the journal does not take an event. Attempts under way are left to the hosts' own deadlines.
    pub async fn run(mut self) -> Result<(RunOutcome, RunState), RunError> {
        self.heed_early_wishes().await?;
        let mut input = Input::Tick;
        let mut poll = tokio::time::interval(poll_every(self.shared.journal.as_ref()));
        poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let records = self.turn(input)?;
            self.append(records).await?;
            if let Phase::Finished(outcome) = self.state.phase {
                return Ok((outcome, self.state));
            }
            self.start_effects();
            let wake = self.wake_in();
            input = tokio::select! {
                biased;
                message = self.inbox.recv() => message.unwrap_or(Input::Tick),
                () = tokio::time::sleep(wake) => Input::Tick,
                _ = poll.tick() => self.wishes().await?,
            };
        }
    }

    /// An answer that was given in time, while nobody drove the run, counts however late it is read.
    async fn heed_early_wishes(&mut self) -> Result<(), RunError> {
        loop {
            let wish = self.wishes().await?;
            let shared = self.shared.clone();
            let now = shared.at(self.clock.now());
            let events = if matches!(wish, Input::Tick) {
                Vec::new()
            } else {
                decide(&self.state, now, wish)
            };
            if events.is_empty() {
                return Ok(());
            }
            self.record(events).await?;
        }
    }

    /// Everything that follows from an input, applied to the state, not yet durable.
    fn turn(&mut self, input: Input) -> Result<Vec<Record>, RunError> {
        let shared = self.shared.clone();
        let now = shared.at(self.clock.now());
        let mut records = Vec::new();
        let mut events = decide(&self.state, now, input);
        loop {
            records.extend(self.apply(&events)?);
            events = decide(&self.state, now, Input::Tick);
            if events.is_empty() {
                return Ok(records);
            }
        }
    }

    fn apply(&mut self, events: &[Event]) -> Result<Vec<Record>, RunError> {
        let at = self.clock.now();
        let mut records = Vec::with_capacity(events.len());
        for event in events {
            let record = Record {
                run: self.state.id,
                sequence: self.state.sequence + 1,
                at,
                event: event.clone(),
            };
            self.state.apply(&record)?;
            records.push(record);
        }
        Ok(records)
    }

    /// Makes facts durable, then tells the world. Nothing that follows from them starts before this returns.
    async fn append(&self, records: Vec<Record>) -> Result<(), RunError> {
        let Some(first) = records.first() else { return Ok(()) };
        let (journal, run, expected, at) = (self.shared.journal.clone(), self.state.id, first.sequence - 1, first.at);
        let events: Vec<Event> = records.iter().map(|r| r.event.clone()).collect();
        let numbers = first.sequence..=expected + records.len() as u64;
        crash_point::pass(Side::Before, numbers.clone());
        let appended = on_journal(&journal, move |journal| journal.append(run, expected, &events, at)).await;
        appended.map_err(|e| RunError::Held(format!("the journal's writer stopped: {e}")))??;
        crash_point::pass(Side::After, numbers);
        for record in records {
            // Nobody listening is fine.
            let _ = self.news.send(record).await;
        }
        Ok(())
    }

    fn start_effects(&mut self) {
        let wanted = effects(&self.state);
        let mut keys = Vec::new();
        for effect in wanted {
            match effect {
                Effect::Attempt {
                    node,
                    attempt,
                    intended,
                    pays,
                } => {
                    let key = (node.clone(), attempt, None);
                    keys.push(key.clone());
                    match self.tasks.get_mut(&key) {
                        Some(task) if intended => {
                            if let Some(leave) = task.leave.take() {
                                let _ = leave.send(());
                            }
                        }
                        Some(_) => {}
                        None => self.start_attempt(key, intended, pays),
                    }
                }
                Effect::Undo { node, attempt, step } => {
                    let key = (node, attempt, Some(step));
                    keys.push(key.clone());
                    if !self.tasks.contains_key(&key) {
                        self.start_undo(key, step);
                    }
                }
            }
        }
        // A task that has ended stays listed until its message has been heard, or it would be started a second time.
        self.tasks.retain(|key, _| keys.contains(key));
    }

    fn start_attempt(&mut self, key: Key, intended: bool, pays: Option<ObligationId>) {
        let Some(node) = self.state.node(&key.0).cloned() else { return };
        let recover = intended
            .then(|| {
                self.state
                    .intended
                    .iter()
                    .rev()
                    .find(|i| i.node == node.id && i.attempt == key.1)
                    .map(|i| i.before.clone())
            })
            .flatten();
        let pays = pays.map(|id| {
            let guards = self.guards(&id);
            (id, guards)
        });
        let (send, leave) = oneshot::channel();
        let scope = schedule::scope(&self.state, &node);
        let guarded = self.guarded(&node.id, Doing::Attempt);
        let attempt = Attempt {
            guarded,
            shared: self.shared.clone(),
            node,
            attempt: key.1,
            scope,
            recover,
            pays_debt: pays.is_some(),
            pays,
            inbox: self.sender.clone(),
            leave: Some(leave),
        };
        let (inbox, node, number) = (self.sender.clone(), key.0.clone(), key.1);
        tokio::spawn(async move {
            // A panic ends this attempt as lost, not the process.
            if let Err(error) = tokio::spawn(attempt.go()).await {
                let failure = own_fault(&error);
                let _ = inbox
                    .send(Input::Ended {
                        node,
                        attempt: number,
                        ending: crate::engine::Ending::Lost(failure),
                    })
                    .await;
            }
        });
        self.tasks.insert(key, Task { leave: Some(send) });
    }

    fn start_undo(&mut self, key: Key, step: usize) {
        let Some(node) = self.state.node(&key.0).cloned() else { return };
        let Some(undo) = unwind::change_of(&self.state, &key.0).map(|i| i.undo.clone()) else {
            return;
        };
        let take_back = TakeBack {
            guarded: self.guarded(&node.id, Doing::Undo),
            shared: self.shared.clone(),
            scope: schedule::scope(&self.state, &node),
            node,
            undo,
            attempt: key.1,
            step,
            recovering: self.begun_elsewhere.contains(&(key.0.clone(), key.1, step)),
        };
        let (inbox, node) = (self.sender.clone(), key.0.clone());
        tokio::spawn(async move {
            let result = match tokio::spawn(take_back.go()).await {
                Ok(result) => result,
                Err(error) => Err(own_fault(&error)),
            };
            let _ = inbox.send(Input::UndoEnded { node, step, result }).await;
        });
        self.tasks.insert(key, Task { leave: None });
    }

    fn guarded(&self, node: &NodeId, doing: Doing) -> Guarded {
        let shared = self.shared.clone();
        let now = shared.at(self.clock.now());
        let around = invariants::around(&self.state, now, node, doing);
        Guarded::new(around, |watched| invariants::scope(&self.state, watched))
    }

    /// The checks that say whether it is safe to give back: those of `owes: { guard }`, else what stands between taker and return.
    fn guards(&self, id: &ObligationId) -> Vec<Guard> {
        let Some(debt) = self.state.obligations.iter().find(|o| &o.id == id) else {
            return Vec::new();
        };
        let (Some(taker), Some(giver)) = (self.state.node(&debt.taker), debt.return_node.as_ref()) else {
            return Vec::new();
        };
        let explicit = self.shared.step(taker).owes.as_ref().and_then(|o| o.guard.clone());
        let of = |node: &Node, step: crate::model::runbook::Step| Guard {
            host: node.host.clone(),
            scope: schedule::scope(&self.state, node),
            step: Arc::new(step),
            on: None,
        };
        if let Some(explicit) = explicit {
            return explicit.into_iter().map(|check| of(taker, check)).collect();
        }
        let mut guards = Vec::new();
        for node in returns::between(&self.state.created.plan.nodes, &debt.taker, giver) {
            let step = self.shared.step(node);
            if let Some(that) = &step.that {
                // The plan has chosen this probe's hosts; a pattern would choose again.
                let all = that.over_all.then(|| node.touches().to_vec());
                let on = node.host.clone().map(|h| vec![h]).or(all);
                guards.push(Guard {
                    on,
                    ..of(node, step.clone())
                });
            }
            guards.extend(step.verify.iter().map(|check| of(node, check.clone())));
        }
        guards
    }

    fn wake_in(&self) -> Duration {
        let shared = self.shared.clone();
        let now = shared.at(self.clock.now());
        // With nothing to wait for, the poll ticks anyway; an hour is as good as never.
        wake_at(&self.state, now).map_or(Duration::from_secs(3600), |wake| wake.since(now.at))
    }

    /// What other processes left in the journal for this run.
    async fn wishes(&self) -> Result<Input, RunError> {
        let (journal, run) = (self.shared.journal.clone(), self.state.id);
        let open = self.state.listens_at();
        let cancelled = self.state.cancelled_by.is_some();
        let found = on_journal(&journal, move |journal| {
            let answer = if open.is_empty() {
                None
            } else {
                journal.answers(run)?.into_iter().find(|(gate, _)| open.contains(gate))
            };
            let cancel = if cancelled { None } else { journal.cancel_requested(run)? };
            Ok::<_, JournalError>((answer, cancel))
        });
        let (answer, cancel) = found.await.map_err(|e| RunError::Held(e.to_string()))??;
        Ok(match (answer, cancel) {
            (_, Some(by)) => Input::CancelRequested { by },
            (Some((gate, answer)), None) => Input::Answered { gate, answer },
            (None, None) => Input::Tick,
        })
    }
}

/// A panic is our bug, not the host's fault; what it left behind is unknown.
fn own_fault(error: &tokio::task::JoinError) -> Failure {
    Failure {
        kind: FailureKind::Unexpected,
        message: format!("runbook itself failed in this step (please report it): {error}"),
    }
}
