//! Starts runs, takes them up again, and sees to what surrounds the dispatcher: the claim, the leases, the people to be told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::attempt::Shared;
use super::channels::Channels;
use super::connections::{Connections, SshOptions};
use super::crash_point::{self, Side};
use super::dispatcher::{Dispatcher, News, RunError};
use super::observe::Observer;
use super::people;
use super::perform::Performer;
use super::pools::{Pools, RENEW_EVERY};
use super::system;
use crate::base::clock::Clock;
use crate::base::id::{PoolName, RunId};
use crate::diagnostic::SourceId;
use crate::engine::run::{Phase, RunState};
use crate::engine::{Input, replay};
use crate::journal::{Journal, JournalError};
use crate::lang;
use crate::lang::template;
use crate::model::action::{Catalog, Class};
use crate::model::event::{Event, Record, RunCreated, RunOutcome};
use crate::model::operation::{Act, Operation, Output, Target};
use crate::model::plan::Plan;
use crate::model::run::Claim;
use crate::model::runbook::Runbook;
use crate::notify::Channel;
use crate::report::approval::answer_with;
use crate::secrets::{self, Vault};
use crate::transport::Transport;

/// A controller that dies holds its run for at most so long.
const CLAIM: Duration = Duration::from_secs(60);

/// Everything a controller is assembled from.
#[derive(Clone)]
pub struct Supervisor {
    /// Where events are kept.
    pub journal: Arc<dyn Journal>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The way to hosts.
    pub transport: Arc<dyn Transport>,
    /// The actions.
    pub catalog: &'static dyn Catalog,
    /// People's channels, by name.
    pub channels: Arc<BTreeMap<String, Vec<Channel>>>,
    /// Options for `ssh`.
    pub ssh_options: SshOptions,
    /// Connections to the hosts of the run's own inventory that planning has opened; they end with the run.
    pub opened: Option<Arc<Connections>>,
    /// Where the configuration keeps secrets.
    pub secret_sources: Arc<secrets::Configured>,
    /// The run's secrets, if planning has read them.
    pub vault: Option<Arc<Vault>>,
}

/// A run that was started or taken up.
pub struct Driven {
    /// How it ended.
    pub outcome: RunOutcome,
    /// Its last state.
    pub state: RunState,
}

impl Supervisor {
    /// Writes a new run down. Nothing is sent to any host.
    ///
    /// # Errors
    /// When the journal does not take it.
    pub fn create(&self, created: RunCreated) -> Result<RunId, JournalError> {
        crash_point::pass(Side::Before, 1..=1);
        let run = self.journal.create_run(created, self.clock.now())?;
        crash_point::pass(Side::After, 1..=1);
        Ok(run)
    }

    /// Drives a run from where its records end: a new one from its beginning, an interrupted one from where it stood, a finished one
    /// that still owes something from its way back.
    ///
    /// `wishes` gives the caller a way to send a cancel or an answer; `force` takes the run from a controller that still holds it.
    ///
    /// # Errors
    /// When somebody else drives it, when a pool is not to be had, when the journal fails.
    pub async fn drive(&self, run: RunId, force: bool, news: News, wishes: impl FnOnce(mpsc::Sender<Input>)) -> Result<Driven, RunError> {
        let claim = self.claim(run, force)?;
        let state = replay::replay(run, &self.journal.events(run)?)?;
        if let Phase::Finished(outcome) = state.phase
            && !matches!(outcome, RunOutcome::Stuck | RunOutcome::Lost)
        {
            let given_up = self.give_up_leases(&state).await;
            self.journal.release(&claim)?;
            given_up?;
            return Ok(Driven { outcome, state });
        }
        let driven = self.drive_claimed(&claim, state, news, wishes).await;
        self.journal.release(&claim)?;
        driven
    }

    fn claim(&self, run: RunId, force: bool) -> Result<Claim, RunError> {
        let (me, now) = (system::controller(), self.clock.now());
        match self.journal.claim(run, &me, now, CLAIM, force) {
            Err(JournalError::Claimed { controller, .. }) if system::controller_is_dead(&controller) => {
                Ok(self.journal.claim(run, &me, now, CLAIM, true)?)
            }
            other => Ok(other?),
        }
    }

    async fn drive_claimed(
        &self,
        claim: &Claim,
        state: RunState,
        news: News,
        wishes: impl FnOnce(mpsc::Sender<Input>),
    ) -> Result<Driven, RunError> {
        let created = state.created.clone();
        let runbook = Arc::new(compile(state.id, &created, self.catalog)?);
        let inventory = Arc::new(created.inventory.clone());
        let fresh = || {
            Arc::new(Connections::new(
                self.transport.clone(),
                inventory.clone(),
                self.ssh_options.clone(),
            ))
        };
        let connections = self.opened.clone().unwrap_or_else(fresh);
        let read = || Arc::new(Vault::of(&runbook, &self.secret_sources));
        let observer = Observer::new(connections.clone())
            .knowing(Some(self.journal.clone()))
            .with(self.vault.clone().unwrap_or_else(read));
        let channels = Channels::new(
            self.channels.clone(),
            (connections.clone(), &observer),
            &created.runbook,
            Some(state.id),
        );
        let what = format!("run {} {} on {}", state.id, created.runbook, system::hostname());
        let pools = Pools::new(connections.clone(), inventory, self.clock.clone(), &created.by, &created.uid, &what);
        let shared = Arc::new(Shared {
            run: state.id,
            created: created.clone(),
            runbook: runbook.clone(),
            catalog: self.catalog,
            performer: Performer::new(connections.clone(), observer, channels.clone()),
            pools: pools.clone(),
            journal: self.journal.clone(),
            invariants: Default::default(),
        });
        let again = people::asked_still(&state);
        let (news, announced) = announce(news, channels, created.clone(), runbook, again);
        let result = self.with_leases(claim, state, shared, &pools, news, wishes).await;
        // The last message, "somebody must act", is the one that must not be lost.
        let _ = announced.await;
        connections.close().await;
        result
    }

    /// A run that ended right before its controller died still holds its pools.
    async fn give_up_leases(&self, state: &RunState) -> Result<(), RunError> {
        if state.leases.is_empty() {
            return Ok(());
        }
        let (created, inventory) = (&state.created, Arc::new(state.created.inventory.clone()));
        let connections = Arc::new(Connections::new(
            self.transport.clone(),
            inventory.clone(),
            self.ssh_options.clone(),
        ));
        let pools = Pools::new(
            connections.clone(),
            inventory,
            self.clock.clone(),
            &created.by,
            &created.uid,
            &created.runbook,
        );
        release(&pools, &state.leases).await;
        connections.close().await;
        let released: Vec<Event> = state.leases.keys().cloned().map(|pool| Event::LeaseReleased { pool }).collect();
        self.journal
            .append(state.id, state.sequence, &released, self.clock.now().max(state.last_at))?;
        Ok(())
    }

    async fn with_leases(
        &self,
        claim: &Claim,
        state: RunState,
        shared: Arc<Shared>,
        pools: &Pools,
        news: News,
        wishes: impl FnOnce(mpsc::Sender<Input>),
    ) -> Result<Driven, RunError> {
        let mut events = vec![Event::RunStarted {
            controller: system::controller(),
        }];
        let (run, fresh) = (state.id, state.phase == Phase::Created);
        let wanted = pools_of(&shared.created.plan, self.catalog);
        let had = state.leases.clone();
        let (mut dispatcher, sender) = Dispatcher::new(shared, self.clock.as_ref(), state, news);
        let mut held = BTreeMap::new();
        for pool in wanted {
            match pools.take(&pool, had.get(&pool).copied()).await {
                Ok(fence) => {
                    held.insert(pool.clone(), fence);
                    events.push(Event::LeaseTaken { pool, fence });
                }
                Err(refused) => {
                    release(pools, &held).await;
                    if fresh {
                        dispatcher
                            .record(vec![Event::RunFinished {
                                outcome: RunOutcome::Refused,
                                summary: refused.to_string(),
                                outputs: BTreeMap::new(),
                            }])
                            .await?;
                    }
                    return Err(RunError::Held(refused.to_string()));
                }
            }
        }
        dispatcher.record(events).await?;
        wishes(sender);
        let keeper = tokio::spawn(keep(self.clone(), claim.clone(), pools.clone()));
        let driven = dispatcher.run().await;
        keeper.abort();
        let (outcome, state) = driven?;
        release(pools, &held).await;
        let released: Vec<Event> = held.into_keys().map(|pool| Event::LeaseReleased { pool }).collect();
        if !released.is_empty() {
            let numbers = state.sequence + 1..=state.sequence + released.len() as u64;
            crash_point::pass(Side::Before, numbers.clone());
            self.journal
                .append(run, state.sequence, &released, self.clock.now().max(state.last_at))?;
            crash_point::pass(Side::After, numbers);
        }
        Ok(Driven { outcome, state })
    }
}

async fn release(pools: &Pools, held: &BTreeMap<PoolName, u64>) {
    for (pool, fence) in held {
        pools.release(pool, *fence).await;
    }
}

/// Renews the claim and the leases for as long as the run goes on.
async fn keep(supervisor: Supervisor, mut claim: Claim, pools: Pools) {
    let mut beat = tokio::time::interval(RENEW_EVERY);
    beat.tick().await;
    loop {
        beat.tick().await;
        // The claim first: balancers that do not answer must not make us lose the run to another controller.
        match supervisor.journal.renew(&claim, supervisor.clock.now(), CLAIM) {
            Ok(renewed) => claim = renewed,
            // Whoever took the run writes to its journal now, and our next append is refused.
            Err(error) => tracing::warn!(%error, "the claim on the run was not renewed"),
        }
        pools.renew().await;
    }
}

/// Compiles the text that the journal kept.
fn compile(run: RunId, created: &RunCreated, catalog: &'static dyn Catalog) -> Result<Runbook, RunError> {
    let (runbook, diagnostics) = lang::compile(&created.sources, SourceId(0), None, catalog);
    runbook.ok_or_else(|| {
        let first = diagnostics
            .sorted()
            .into_iter()
            .next()
            .map(|d| format!("{}: {}", d.code, d.message))
            .unwrap_or_default();
        RunError::Runbook(run, first)
    })
}

/// Pools that a plan changes: it needs their leases.
#[must_use]
pub fn pools_of(plan: &Plan, catalog: &dyn Catalog) -> Vec<PoolName> {
    let mut names = Vec::new();
    for node in plan.nodes.iter().filter(|n| n.class != Class::Probe && n.may_change()) {
        let balancers = catalog
            .get(&node.action)
            .is_some_and(|k| k.signature().runs_on == crate::model::action::RunsOn::Balancers);
        let named = node.arguments.text("pool").filter(|_| balancers).map(PoolName::from);
        for pool in node.pool_effects.iter().map(|e| e.pool.clone()).chain(named) {
            if !names.contains(&pool) {
                names.push(pool);
            }
        }
    }
    names
}

/// Passes the news on and tells people: those who are asked, and those whom the runbook's `notify:` names. `again`: what they were
/// asked before this controller took the run up.
fn announce(
    news: News,
    channels: Channels,
    created: Arc<RunCreated>,
    runbook: Arc<Runbook>,
    again: Vec<(RunId, Event)>,
) -> (News, tokio::task::JoinHandle<()>) {
    let (sender, mut records) = mpsc::channel::<Record>(super::dispatcher::INBOX);
    let task = tokio::spawn(async move {
        let called = |run: RunId, event: &Event| people::called(run, event, &created, |name| channels.reach(name));
        for (run, event) in again {
            tell(&channels, called(run, &event)).await;
        }
        while let Some(record) = records.recv().await {
            let mut told = called(record.run, &record.event);
            told.extend(message(&record, &runbook));
            let _ = news.send(record).await;
            tell(&channels, told).await;
        }
    });
    (sender, task)
}

async fn tell(channels: &Channels, messages: Vec<Operation>) {
    for operation in messages {
        if let Output::Failed(trouble) = channels.tell(&operation).await {
            tracing::error!("nobody was told: {}", trouble.message);
        }
    }
}

fn message(record: &Record, runbook: &Runbook) -> Option<Operation> {
    let rule = runbook.notify.as_ref()?;
    let (event, severity, text) = match &record.event {
        Event::RunStarted { .. } => ("start", "info", format!("run {} {} started", record.run, runbook.name)),
        Event::ApprovalRequested { request } => (
            "approval",
            "warning",
            format!("run {} waits: {} ({})", record.run, request.ask, answer_with(request)),
        ),
        Event::RunFinished {
            outcome: RunOutcome::Succeeded,
            summary,
            ..
        } => ("success", "info", format!("run {} {}: {summary}", record.run, runbook.name)),
        Event::RunFinished {
            outcome: RunOutcome::Stuck,
            summary,
            ..
        } => (
            "obligation",
            "critical",
            format!("run {} {} FAILED, somebody must act: {summary}", record.run, runbook.name),
        ),
        Event::RunFinished { summary, .. } => (
            "failure",
            "critical",
            format!("run {} {} FAILED: {summary}", record.run, runbook.name),
        ),
        _ => return None,
    };
    // A failure that leaves debts is a failure too.
    let wanted = rule.events.iter().any(|e| e == event || (event == "obligation" && e == "failure"));
    if !wanted {
        return None;
    }
    let extra = rule.message.as_ref().and_then(|m| m.as_literal().map(str::to_owned));
    let message = match extra.or_else(|| {
        rule.message
            .as_ref()
            .map(|m| template::render_for_people(m, &crate::model::text::Scope::new()))
    }) {
        Some(extra) if event == "success" => format!("{text} — {extra}"),
        _ => text,
    };
    let act = Act::Notify {
        to: rule.to.clone(),
        message,
        severity: severity.to_owned(),
        attach: Vec::new(),
    };
    Some(Operation {
        target: Target::Controller,
        run_as: Default::default(),
        act,
        timeout: Duration::from_secs(30),
    })
}
