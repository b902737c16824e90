//! One life of a runbook in a simulated world: planned, created, driven and, after each death of its controller, taken up again, by the
//! very code that does it in earnest. Only the way to hosts, the clock and the people are simulated. No real time passes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::matching::means_id;
use super::syntax::{Answer, Case, Fault, Suite};
use super::world::{BEGINNING, Death, Deed, Follow, PoolNow, Told, World};
use crate::action::CATALOG;
use crate::base::clock::{Clock, Timestamp};
use crate::base::id::{NodeId, RunId};
use crate::base::value::Value;
use crate::diagnostic::{Diagnostics, Sources};
use crate::engine::Input;
use crate::journal::{Journal, JournalError, MemoryJournal};
use crate::model::action::Catalog;
use crate::model::approval::{ApprovalAnswer, ApprovalRequest, Task};
use crate::model::event::{Event, Record, RunCreated, RunOutcome};
use crate::model::inventory::Inventory;
use crate::model::obligation::Obligation;
use crate::model::plan::Plan;
use crate::model::runbook::Runbook;
use crate::notify::{Channel, WebhookStyle};
use crate::plan::PlanInput;
use crate::plan::params::{self, value};
use crate::run::channels::EVERYBODY_ELSE;
use crate::run::connections::Connections;
use crate::run::dispatcher::{INBOX, RunError};
use crate::run::observe::Observer;
use crate::run::planning;
use crate::run::supervisor::Supervisor;
use crate::secrets::Vault;
use crate::transport::Transport;

/// The identity of every rehearsed run.
pub const UID: &str = "rehearsal";
/// Who starts it.
const STARTER: &str = "noor";
/// A life that goes on for longer has no end.
const LONGEST: Duration = Duration::from_secs(14 * 86_400);
/// Until somebody notices that the controller died and takes the run up.
const NOTICED: Duration = Duration::from_secs(20);
/// A controller that dies more often than this dies of something that the test did not say.
const DEATHS: usize = 8;

/// A runbook with its text.
pub struct Script<'a> {
    /// Compiled.
    pub runbook: &'a Runbook,
    /// Its text is source 0.
    pub sources: &'a Sources,
    /// Its text.
    pub text: &'a str,
}

/// What came of a life.
#[derive(Default)]
pub struct Life {
    /// What was planned.
    pub plan: Option<Plan>,
    /// Why nothing was planned.
    pub mistakes: Diagnostics,
    /// Everything that was recorded.
    pub records: Vec<Record>,
    /// The first record of each write to the journal.
    pub writes: Vec<u64>,
    /// How it ended.
    pub outcome: Option<RunOutcome>,
    /// Why it has no end, or ended otherwise than a run ends.
    pub error: Option<String>,
    /// Debts open at the end.
    pub obligations: Vec<Obligation>,
    /// What was really done.
    pub deeds: Vec<Deed>,
    /// Pools below their minimum by our hand.
    pub breaches: Vec<String>,
    /// The least members in service of each pool.
    pub lowest: BTreeMap<String, usize>,
    /// What people were told.
    pub told: Vec<Told>,
    /// Programs without an answer.
    pub unanswered: Vec<String>,
    /// Pools at the beginning.
    pub before: BTreeMap<String, PoolNow>,
    /// Pools at the end.
    pub after: BTreeMap<String, PoolNow>,
    /// Marks on the balancers at the end, of whatever run: pool, server, run.
    pub marks: Vec<(String, String, String)>,
    /// What Alertmanager is silent about at the end.
    pub silences: Vec<String>,
    /// How often the controller died.
    pub deaths: usize,
    /// How long it took.
    pub took: Duration,
    /// The world at the end.
    pub world: Option<World>,
}

/// A case that has been planned, ready to be lived as often as one likes.
pub struct Staged<'a> {
    script: &'a Script<'a>,
    suite: &'a Suite,
    case: &'a Case,
    world: World,
    before: BTreeMap<String, PoolNow>,
    params: BTreeMap<String, Value>,
    plan: Result<Plan, Diagnostics>,
}

/// Plans a case.
///
/// # Errors
/// This machine grants no threads or memory.
pub fn stage<'a>(script: &'a Script<'a>, suite: &'a Suite, case: &'a Case) -> Result<Staged<'a>, String> {
    stage_with(script, suite, case, &CATALOG)
}

/// Plans a case with these actions.
///
/// # Errors
/// As [`stage`].
pub fn stage_with<'a>(script: &'a Script<'a>, suite: &'a Suite, case: &'a Case, catalog: &dyn Catalog) -> Result<Staged<'a>, String> {
    let world = World::new(&suite.inventory, &[&suite.state, &case.state], &case.meanwhile);
    let before = world.lock().pools_now();
    let (params, mistakes) = params::resolve(script.runbook, &suite.inventory, &case.params);
    let plan = if mistakes.has_errors() {
        Err(mistakes)
    } else {
        quietly(|| runtime().map(|runtime| runtime.block_on(plan(script, suite, &params, (&world, Arc::new(world.clone())), catalog))))?
    };
    Ok(Staged {
        script,
        suite,
        case,
        world,
        before,
        params,
        plan,
    })
}

/// What the program logs about hosts that do not answer is no news here.
pub(super) fn quietly<T>(work: impl FnOnce() -> T) -> T {
    tracing::subscriber::with_default(tracing::subscriber::NoSubscriber::default(), work)
}

impl Staged<'_> {
    /// Somebody looks at the world right after each record of every life.
    #[cfg(test)]
    pub fn witnessed(&self, witness: super::world::Witness) {
        self.world.witnessed(witness);
    }

    /// Lives it once, with further faults, and a death of the controller.
    #[must_use]
    pub fn live(&self, more: &[Fault], death: Option<Death>) -> Life {
        let faults = self.case.faults.iter().chain(more).cloned().collect();
        let world = self.world.fork(faults, death);
        let mut life = Life {
            before: self.before.clone(),
            ..Life::default()
        };
        match &self.plan {
            Err(mistakes) => life.mistakes = mistakes.clone(),
            Ok(plan) => {
                life.plan = Some(plan.clone());
                if plan.refusals.is_empty() {
                    quietly(|| self.run(plan, &world, &mut life));
                } else {
                    life.outcome = Some(RunOutcome::Refused);
                }
            }
        }
        let inner = world.lock();
        life.deeds.clone_from(&inner.deeds);
        life.breaches.clone_from(&inner.breaches);
        life.lowest.clone_from(&inner.lowest);
        life.told.clone_from(&inner.told);
        life.unanswered = inner.unanswered.iter().cloned().collect();
        life.after = inner.pools_now();
        life.writes = inner.writes().to_vec();
        life.marks = inner.marks();
        life.silences = inner.silences();
        drop(inner);
        life.world = Some(world);
        life
    }

    fn run(&self, plan: &Plan, world: &World, life: &mut Life) {
        let witness = world.clone();
        let watch = move |kept: bool, records: &[Record]| match witness.lock().hear_of(records, kept) {
            true => Ok(()),
            false => Err(JournalError::Refused(String::from("the controller has died"))),
        };
        let journal: Arc<dyn Journal> = Arc::new(MemoryJournal::watched(Box::new(watch)));
        let created = RunCreated {
            uid: String::from(UID),
            runbook: self.script.runbook.name.clone(),
            sources: self.script.sources.clone(),
            inventory: self.suite.inventory.clone(),
            params: self.params.clone(),
            plan: plan.clone(),
            by: String::from(STARTER),
            reason: None,
            gate: false,
            used_plan: None,
        };
        match journal.create_run(created.clone(), BEGINNING) {
            Ok(run) => drive(&journal, run, created, self.case, world, life),
            Err(error) => life.error = Some(error.to_string()),
        }
    }
}

pub(super) fn runtime() -> Result<tokio::runtime::Runtime, String> {
    let built = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    built.map_err(|e| format!("no runtime: {e}"))
}

/// Plans a runbook for a fleet in a world that is reached through `transport`.
pub(super) async fn plan(
    script: &Script<'_>,
    suite: &Suite,
    params: &BTreeMap<String, Value>,
    (world, transport): (&World, Arc<dyn Transport>),
    catalog: &dyn Catalog,
) -> Result<Plan, Diagnostics> {
    let clock = Follow::from(BEGINNING);
    world.begin(clock, None);
    let input = PlanInput {
        runbook: script.runbook,
        text: script.text,
        inventory: &suite.inventory,
        params,
        catalog,
        limit: None,
        max_hosts: None,
        offline: false,
        now: clock.now(),
    };
    let connections = Arc::new(Connections::new(transport, Arc::new(suite.inventory.clone()), Vec::new()));
    planning::make(input, &Observer::new(connections).with(Arc::new(Vault::rehearsed()))).await
}

/// Drives the run to its end, however often its controller dies.
fn drive(journal: &Arc<dyn Journal>, run: RunId, created: RunCreated, case: &Case, world: &World, life: &mut Life) {
    let mut at = BEGINNING;
    life.records.push(Record {
        run,
        sequence: 1,
        at,
        event: Event::RunCreated(Box::new(created)),
    });
    loop {
        let ended = runtime().map(|runtime| runtime.block_on(one_controller(journal, run, case, world, life.plan.as_ref(), at)));
        life.records.truncate(1);
        life.records.extend_from_slice(world.lock().records());
        at = life.records.last().map_or(at, |r| r.at).after(NOTICED);
        match ended {
            Ok(Ok(outcome)) => {
                life.outcome = Some(outcome);
                break;
            }
            Ok(Err(RunError::Journal(_))) if world.lock().died() && life.deaths < DEATHS => life.deaths += 1,
            Ok(Err(RunError::Held(words))) => {
                life.outcome = Some(RunOutcome::Refused);
                life.error = (life.deaths > 0).then_some(words);
                break;
            }
            Ok(Err(error)) => {
                life.error = Some(error.to_string());
                break;
            }
            Err(error) => {
                life.error = Some(error);
                break;
            }
        }
    }
    life.obligations = journal.obligations(true).unwrap_or_default();
    let moments = life.records.iter().map(|r| r.at);
    let (first, last) = (moments.clone().min(), moments.max());
    life.took = last.unwrap_or(BEGINNING).since(first.unwrap_or(BEGINNING));
}

async fn one_controller(
    journal: &Arc<dyn Journal>,
    run: RunId,
    case: &Case,
    world: &World,
    plan: Option<&Plan>,
    at: Timestamp,
) -> Result<RunOutcome, RunError> {
    let clock = Follow::from(at);
    world.begin(clock, plan);
    let people = vec![Channel::Webhook {
        url: String::from(super::world::PEOPLE),
        style: WebhookStyle::Plain,
    }];
    let supervisor = Supervisor {
        journal: journal.clone(),
        clock: Arc::new(clock),
        transport: Arc::new(world.clone()),
        catalog: &CATALOG,
        channels: Arc::new(BTreeMap::from([(String::from(EVERYBODY_ELSE), people)])),
        ssh_options: Vec::new(),
        opened: None,
        secret_sources: Arc::default(),
        vault: Some(Arc::new(Vault::rehearsed())),
    };
    let (news, heard) = mpsc::channel(INBOX);
    let waiting = journal.approvals_waiting()?;
    let answers = case.answers.iter().map(|(step, list)| (step.value.clone(), list.clone())).collect();
    let people = People {
        world: world.clone(),
        clock,
        inventory: world.lock().inventory().clone(),
        answers,
    };
    let wishes = move |inbox: mpsc::Sender<Input>| {
        tokio::spawn(people.live(heard, waiting, inbox));
    };
    match tokio::time::timeout(LONGEST, supervisor.drive(run, true, news, wishes)).await {
        Ok(driven) => driven.map(|d| d.outcome),
        Err(_) => Err(RunError::Held(String::from("the run has not ended after two weeks"))),
    }
}

/// The people of a case: they answer what they are asked, and stop what they were told to stop.
struct People {
    world: World,
    clock: Follow,
    inventory: Inventory,
    answers: Vec<(String, Vec<Answer>)>,
}

impl People {
    async fn live(self, mut heard: mpsc::Receiver<Record>, waiting: Vec<ApprovalRequest>, inbox: mpsc::Sender<Input>) {
        for request in waiting {
            self.answer(&request, &inbox);
        }
        while let Some(record) = heard.recv().await {
            match &record.event {
                Event::ApprovalRequested { request } => self.answer(request, &inbox),
                // The run goes on, and somebody does it all the same.
                Event::ObligationOpened { obligation } if !obligation.people.is_empty() => self.say(&obligation.taker, "", None, &inbox),
                _ => {}
            }
            let cancels = self.world.lock().cancels();
            for by in cancels {
                // A run that has ended needs no stopping.
                let _ = inbox.send(Input::CancelRequested { by }).await;
            }
        }
    }

    fn answer(&self, request: &ApprovalRequest, inbox: &mpsc::Sender<Input>) {
        self.say(&request.gate, &request.digest, request.task.as_ref(), inbox);
    }

    fn say(&self, gate: &NodeId, digest: &str, task: Option<&Task>, inbox: &mpsc::Sender<Input>) {
        let given = self
            .answers
            .iter()
            .filter(|(step, _)| means_id(step, gate))
            .flat_map(|(_, list)| list.clone());
        for answer in given {
            let fields = self.fields(gate, &answer, task);
            let (inbox, clock, gate, digest) = (inbox.clone(), self.clock, gate.clone(), digest.to_owned());
            tokio::spawn(async move {
                tokio::time::sleep(answer.after).await;
                let answer = ApprovalAnswer {
                    granted: answer.granted,
                    by: answer.by,
                    digest,
                    at: clock.now(),
                    reason: answer.because,
                    fields,
                };
                // Nobody waits for it any more.
                let _ = inbox.send(Input::Answered { gate, answer }).await;
            });
        }
    }

    /// What a person tells, typed as the step declares it; what `runbook done` would refuse is a mistake of the test.
    fn fields(&self, gate: &NodeId, answer: &Answer, task: Option<&Task>) -> BTreeMap<String, Value> {
        let declared = task.map(|t| t.fields.as_slice()).unwrap_or_default();
        let mut fields = BTreeMap::new();
        let refuse = |why: String| {
            self.world.lock().unanswered.insert(format!("`{gate}`: {why}"));
        };
        for name in answer.fields.keys().filter(|n| !declared.iter().any(|p| p.name == **n)) {
            refuse(format!("it has no field `{name}`"));
        }
        for field in declared.iter().filter(|_| answer.granted) {
            let text = answer.fields.get(&field.name);
            match (text.map(|t| value(field, &self.inventory, t)), &field.default) {
                (Some(Ok(value)), _) => _ = fields.insert(field.name.clone(), value),
                (Some(Err(why)), _) => refuse(format!("field `{}`: {why}", field.name)),
                (None, Some(default)) => _ = fields.insert(field.name.clone(), default.clone()),
                (None, None) => refuse(format!("the answer lacks field `{}`", field.name)),
            }
        }
        fields
    }
}
