//! One attempt of one node: look, decide, ask for leave, perform, verify. Its only word to the run is the message it ends with.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::checks::{self, Site};
use super::invariants::{Guarded, Invariants};
use super::on_journal::on_journal;
use super::perform::{Identity, NEVER_STARTED, Performer, Recovery};
use super::pools::Pools;
use crate::base::clock::{Timestamp, friendly};
use crate::base::id::{HostName, NodeId, RunId};
use crate::base::sanitise;
use crate::base::value::Value;
use crate::engine::{Ending, Input, Intent, Knowledge, Now};
use crate::journal::{Journal, Stream};
use crate::model::action::{Action, Arguments, Catalog, Change, Class, Decision, Observation, ResourceKey, Verdict};
use crate::model::event::{Failure, FailureKind, RunCreated};
use crate::model::obligation::ObligationId;
use crate::model::operation::{Output, Trouble};
use crate::model::plan::{Forecast, Node};
use crate::model::runbook::{Body, Call, Runbook, Step};
use crate::model::text::Scope;
use crate::plan::bind::{self, World};
use crate::plan::forecast::undo_of;
use crate::plan::judge::{self, Truth};

/// What all attempts of a run share.
pub struct Shared {
    /// The run.
    pub run: RunId,
    /// What it is about.
    pub created: Arc<RunCreated>,
    /// Compiled from the text in the journal.
    pub runbook: Arc<Runbook>,
    /// The actions.
    pub catalog: &'static dyn Catalog,
    /// Eyes and hands.
    pub performer: Performer,
    /// Leases and marks on balancers.
    pub pools: Pools,
    /// Keeps outputs.
    pub journal: Arc<dyn Journal>,
    /// What is known of the invariants.
    pub invariants: Invariants,
}

impl Shared {
    /// For binding actions.
    #[must_use]
    pub fn world(&self) -> World<'_> {
        World {
            runbook: &self.runbook,
            inventory: &self.created.inventory,
            catalog: self.catalog,
        }
    }

    /// For asking the engine.
    pub(super) fn at(&self, at: Timestamp) -> Now<'_> {
        let knowledge = Knowledge {
            runbook: &self.runbook,
            catalog: self.catalog,
        };
        Now { knowledge, at }
    }

    pub(super) fn step(&self, node: &Node) -> &Step {
        self.runbook
            .step(&node.step)
            .expect("every node of the plan comes from a step of its runbook")
    }
}

/// One attempt, ready to go.
pub struct Attempt {
    /// What it shares with the others.
    pub shared: Arc<Shared>,
    /// The node.
    pub node: Node,
    /// From 1.
    pub attempt: u32,
    /// What its texts and expressions see.
    pub scope: Scope,
    /// A controller that takes over after the change was intended: what was observed then.
    pub recover: Option<Vec<(ResourceKey, Value)>>,
    /// It pays a debt on the way back: the debt, and the checks that come first.
    pub pays: Option<(ObligationId, Vec<checks::Guard>)>,
    /// The way to the dispatcher.
    pub inbox: mpsc::Sender<Input>,
    /// Leave to change something, given when the intent is on disk.
    pub leave: Option<oneshot::Receiver<()>>,
    /// It gives back on the way back, whatever the plan thought of it.
    pub pays_debt: bool,
    /// What must hold before and after.
    pub guarded: Guarded,
}

type Stopped = Result<Ending, Ending>;

fn fail(kind: FailureKind, message: impl Into<String>) -> Ending {
    Ending::Failed(Failure {
        kind,
        message: sanitise::for_terminal(&message.into()),
    })
}

impl Attempt {
    /// Runs to its end and reports it.
    pub async fn go(mut self) {
        if let Some((id, guards)) = self.pays.take() {
            for guard in &guards {
                if let Err(why) = checks::guard(&self.shared, guard).await {
                    let refused = Input::ReturnRefused {
                        id,
                        node: self.node.id.clone(),
                        why,
                    };
                    let _ = self.inbox.send(refused).await;
                    return;
                }
            }
        }
        let ending = match self.whole().await {
            Ok(ending) | Err(ending) => ending,
        };
        let ended = Input::Ended {
            node: self.node.id.clone(),
            attempt: self.attempt,
            ending,
        };
        // A dispatcher that is gone has no use for the news; the next one finds out by itself.
        let _ = self.inbox.send(ended).await;
    }

    async fn whole(&mut self) -> Stopped {
        let shared = self.shared.clone();
        let step = shared.step(&self.node);
        let Body::Action(call) = &step.body else {
            return Err(fail(FailureKind::Unexpected, "this step has no action"));
        };
        let told = |d: crate::diagnostic::Diagnostic| fail(FailureKind::Unexpected, d.message);
        let kind = bind::kind(shared.world(), call).map_err(told)?;
        let arguments = bind::arguments(call, kind.signature(), &self.scope).map_err(told)?;
        if arguments.has_unknown() {
            return Err(fail(
                FailureKind::Unexpected,
                "an argument depends on a value that no step has given",
            ));
        }
        if step.class == Class::Probe {
            return self.probe(step, call, &arguments).await;
        }
        let action = bind::bind(shared.world(), step, call, &arguments, self.node.host.as_ref(), &self.scope).map_err(told)?;
        let done = self.change(step, action.as_ref()).await?;
        self.afterwards(step).await?;
        if done.changed {
            self.guarded.after(&shared).await.map_err(Ending::Failed)?;
        }
        let summary = self.guarded.with_notes(done.summary.clone());
        let changed = self.counts_as_changed(step, &done)?;
        Ok(Ending::Succeeded {
            changed,
            result: done.result,
            summary,
        })
    }

    /// A probe, polled until its condition holds.
    async fn probe(&self, step: &Step, call: &Call, arguments: &Arguments) -> Stopped {
        let over_all = step.that.as_ref().is_some_and(|t| t.over_all);
        let hosts: Vec<Option<HostName>> = if over_all {
            self.node.touches().iter().cloned().map(Some).collect()
        } else {
            vec![self.node.host.clone()]
        };
        let site = Site {
            shared: &self.shared,
            step,
            call,
            arguments,
            scope: &self.scope,
        };
        let result = checks::poll(&site, &hosts).await.map_err(Ending::Failed)?;
        self.afterwards(step).await?;
        let summary = step.that.as_ref().map_or_else(
            || String::from("looked"),
            |t| format!("{} holds", sanitise::one_line(&t.expression.source, 80)),
        );
        Ok(Ending::Succeeded {
            changed: false,
            result,
            summary,
        })
    }

    async fn change(&mut self, step: &Step, action: &dyn Action) -> Result<Done, Ending> {
        let before = match self.recover.take() {
            Some(facts) => {
                let before = Observation(facts.into_iter().collect());
                return match action.decide(&before) {
                    Decision::Change(change) => self.perform(action, &before, change, Recovery::Attach).await,
                    _ => Err(fail(
                        FailureKind::Unexpected,
                        "what was observed before does not lead to the same change; the journal is from another version",
                    )),
                };
            }
            None => checks::look(&self.shared, action).await.map_err(Ending::Failed)?,
        };
        match action.decide(&before) {
            Decision::InDesiredState => {
                // What this run counts on (a member in service, a server drained) is verified even if nobody had to change it.
                if !self.node.pool_effects.is_empty() {
                    self.settle(action, &before, &[]).await?;
                    self.shared.pools.clear_taken(&self.shared, &self.node).await;
                }
                let result = action.result(&before, &[]);
                Ok(Done {
                    changed: false,
                    result,
                    summary: String::from("already so"),
                })
            }
            Decision::Change(change) => {
                self.as_planned(&change)?;
                let _taking = self.shared.pools.may_take(&self.shared, &self.node).await.map_err(Ending::Failed)?;
                self.guarded.before(&self.shared).await.map_err(Ending::Failed)?;
                self.intend(step, &before, &change).await?;
                self.perform(action, &before, change, Recovery::None).await
            }
            Decision::Unknown(why) => Err(fail(FailureKind::Unexpected, why)),
            Decision::Refused(why) => Err(fail(FailureKind::Refused, why)),
        }
    }

    /// What was approved is what runs: where the plan said "nothing to do", or showed another difference, nothing is done behind
    /// anybody's back. A refusal, so that no retry passes by it.
    fn as_planned(&self, change: &Change) -> Result<(), Ending> {
        if !self.node.section.is_work() || self.pays_debt {
            return Ok(());
        }
        if let Forecast::Skipped { why } = &self.node.forecast {
            let message = format!(
                "the plan said that this would be skipped ({why}), but now it would be: {}. Something else changed that; plan again",
                change.summary
            );
            return Err(fail(FailureKind::Refused, message));
        }
        if matches!(self.node.forecast, Forecast::NothingToDo { .. }) {
            let message = format!(
                "the plan said that there is nothing to do here, but now it would be: {}. Something else changed it; plan again",
                change.summary
            );
            return Err(fail(FailureKind::Refused, message));
        }
        // A later attempt sees what an earlier one has done.
        let differs = matches!((&self.node.diff, &change.diff), (Some(planned), Some(now)) if planned != now);
        if differs && self.attempt == 1 {
            let message = "what would be written is no longer what the plan showed; something else changed it, plan again";
            return Err(fail(FailureKind::Refused, message));
        }
        Ok(())
    }

    /// Says what is going to be changed and waits until that is on disk.
    async fn intend(&mut self, step: &Step, before: &Observation, change: &Change) -> Result<(), Ending> {
        let intent = Intent {
            summary: change.summary.clone(),
            undo: undo_of(step, change),
            before: before.0.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
        };
        let gone = || fail(FailureKind::Cancelled, "the run went on without this attempt");
        let prepared = Input::Prepared {
            node: self.node.id.clone(),
            attempt: self.attempt,
            intent,
        };
        self.inbox.send(prepared).await.map_err(|_| gone())?;
        self.leave.take().ok_or_else(gone)?.await.map_err(|_| gone())
    }

    async fn perform(&self, action: &dyn Action, before: &Observation, change: Change, recovery: Recovery) -> Result<Done, Ending> {
        self.shared
            .pools
            .mark_taken(&self.shared, &self.node)
            .await
            .map_err(Ending::Failed)?;
        let identity = Identity {
            prefix: attempt_name(&self.shared, &self.node.id, self.attempt, ""),
            recovery,
        };
        let outputs = self.shared.performer.perform(&change.operations, &identity).await;
        self.shared.invariants.changed();
        self.keep(&outputs).await;
        if let Some(Output::Failed(trouble)) = outputs.last() {
            return Err(unperformed(trouble, recovery, outputs.len() == 1));
        }
        let after = self.settle(action, before, &outputs).await?;
        self.shared.invariants.changed();
        self.shared.pools.clear_taken(&self.shared, &self.node).await;
        let result = action.result(&after, &outputs);
        Ok(Done {
            changed: true,
            result,
            summary: change.summary,
        })
    }

    /// Looks until the change has taken effect.
    async fn settle(&self, action: &dyn Action, before: &Observation, performed: &[Output]) -> Result<Observation, Ending> {
        settle(&self.shared, action, before, performed).await.map_err(Ending::Failed)
    }

    /// The step's own checks.
    async fn afterwards(&self, step: &Step) -> Result<(), Ending> {
        for check in &step.verify {
            checks::check(&self.shared, check, self.node.host.as_ref(), &self.scope)
                .await
                .map_err(Ending::Failed)?;
        }
        Ok(())
    }

    fn counts_as_changed(&self, step: &Step, done: &Done) -> Result<bool, Ending> {
        let Some(rule) = step.changed.as_ref().filter(|_| done.changed) else {
            return Ok(done.changed);
        };
        let mut scope = self.scope.clone();
        scope.set("result", done.result.clone());
        match judge::condition(rule, &scope) {
            Ok(Truth::True) => Ok(true),
            Ok(Truth::False(_) | Truth::Unknown) => Ok(false),
            Err(d) => Err(fail(FailureKind::Unexpected, d.message)),
        }
    }

    /// Stores what programs wrote beside the events.
    async fn keep(&self, outputs: &[Output]) {
        for output in outputs {
            let Output::Exited { stdout, stderr, .. } = output else { continue };
            for (stream, text) in [(Stream::Stdout, stdout), (Stream::Stderr, stderr)] {
                if text.is_empty() {
                    continue;
                }
                let (shared, node, attempt, bytes) = (self.shared.clone(), self.node.id.clone(), self.attempt, text.clone().into_bytes());
                let run = shared.run;
                let stored = on_journal(&shared.journal, move |j| j.store_output(run, &node, attempt, stream, 0, &bytes)).await;
                if let Ok(Err(error)) = stored {
                    tracing::warn!(%error, node = %self.node.id, "output was not stored");
                }
            }
        }
    }
}

struct Done {
    changed: bool,
    result: Value,
    summary: String,
}

/// Names an attempt on hosts: the run's identity, a short form of the node's name, the attempt.
pub(super) fn attempt_name(shared: &Shared, node: &NodeId, attempt: u32, kind: &str) -> String {
    format!("{}.{}.{attempt}{kind}", shared.created.uid, short_name(node))
}

/// A node's name as it stands in the names of its attempts on hosts.
#[must_use]
pub fn short_name(node: &NodeId) -> String {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(node.as_str().as_bytes());
    digest.iter().take(6).map(|b| format!("{b:02x}")).collect()
}

/// `first`: no operation was performed before it.
fn unperformed(trouble: &Trouble, recovery: Recovery, first: bool) -> Ending {
    let failure = Failure {
        kind: trouble.kind.into(),
        message: trouble.message.clone(),
    };
    if recovery == Recovery::Attach && trouble.message == NEVER_STARTED && !trouble.may_have_happened {
        return Ending::NotStarted(failure);
    }
    // A program that was killed at its deadline is known to have ended.
    match trouble.may_have_happened {
        true if failure.kind != FailureKind::Timeout => Ending::Lost(failure),
        false if first => Ending::Unchanged(failure),
        _ => Ending::Failed(failure),
    }
}

pub(super) async fn settle(
    shared: &Shared,
    action: &dyn Action,
    before: &Observation,
    performed: &[Output],
) -> Result<Observation, Failure> {
    let settle = action.settle();
    let deadline = Instant::now() + settle.within;
    let mut every = Duration::from_millis(100).min(settle.every);
    loop {
        let verdict = match checks::look_with(shared, action, &action.verify()).await {
            Ok(after) => match action.judge(before, performed, &after) {
                Verdict::Done => return Ok(after),
                Verdict::Failed(why) => {
                    return Err(Failure {
                        kind: failed_kind(performed),
                        message: why,
                    });
                }
                Verdict::NotYet(why) => why,
            },
            Err(failure) => failure.message,
        };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let message = format!("not so after {}: {verdict}", friendly(settle.within));
            return Err(Failure {
                kind: FailureKind::Check,
                message,
            });
        }
        tokio::time::sleep(every.min(left)).await;
        every = (every * 2).min(settle.every);
    }
}

fn failed_kind(performed: &[Output]) -> FailureKind {
    let bad_exit = performed.iter().any(|o| matches!(o, Output::Exited { code, .. } if *code != 0));
    if bad_exit { FailureKind::Exit } else { FailureKind::Check }
}
