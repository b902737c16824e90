//! One life of the whole program in bad weather: the real planner, supervisor, dispatcher, attempts, actions, leases and journal, on tokio's
//! paused clock. Only hosts, people and the clock on the wall are simulated.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;

use super::Spoiled;
use super::hosts::{Shared, Storm};
use crate::action::CATALOG;
use crate::base::clock::{Clock, Timestamp};
use crate::base::id::{NodeId, RunId};
use crate::diagnostic::{SourceId, Sources};
use crate::engine::Input;
use crate::engine::tests::generate::{self, Dice};
use crate::engine::tests::sample::HEAD;
use crate::engine::tests::sim::weather::{Fault, Weather};
use crate::journal::{Journal, JournalError, MemoryJournal};
use crate::lang;
use crate::model::approval::{ApprovalAnswer, ApprovalRequest};
use crate::model::event::{Event, Record, RunCreated, RunOutcome};
use crate::model::obligation::Obligation;
use crate::model::plan::Plan;
use crate::model::runbook::Runbook;
use crate::rehearsal::life::{Life, Script, plan, quietly, runtime};
use crate::rehearsal::read::{self, Known};
use crate::rehearsal::syntax::{MemberState, PoolState, State, Suite};
use crate::rehearsal::world::{BEGINNING, Follow, World};
use crate::run::attempt::short_name;
use crate::run::dispatcher::{INBOX, RunError};
use crate::run::supervisor::Supervisor;
use crate::secrets::Vault;

/// Deaths after which controllers live on.
const MOST_DEATHS: usize = 6;
/// A life that goes on for longer has no end.
const LONGEST: Duration = Duration::from_secs(3 * 86_400);
const DAY_MS: i64 = 86_400_000;

/// A generated runbook, planned against the simulated fleet, with the life that it has in good weather.
pub struct Stage {
    pub runbook: Runbook,
    pub sources: Sources,
    pub suite: Suite,
    pub world: World,
    pub plan: Plan,
    /// It was planned twice and came to the same, and nothing was done for it.
    pub dry: Result<(), String>,
    gate: bool,
}

/// The clock on a wall that people set.
struct Wall {
    time: Follow,
    off_ms: Arc<AtomicI64>,
}

impl Clock for Wall {
    fn now(&self) -> Timestamp {
        Timestamp(self.time.now().0 + self.off_ms.load(Ordering::Relaxed))
    }
}

fn fleet() -> String {
    let answers = "commands: [{ run: x }, { run: fix }, { run: flag }, { run: sorry }]";
    let host = |name: &str| format!("      {name}: {{ services: {{ app: started, haproxy: started }}, {answers}, http: {{ /: 200 }} }}\n");
    let names = ["web-01", "web-02", "web-03", "web-04", "db-01"];
    let hosts: String = names.into_iter().map(host).collect();
    let members = names[..4].iter().map(|n| format!("{n}: ready")).collect::<Vec<_>>().join(", ");
    format!(
        "tests: example\nfleet:\n  inventory:\n    hosts: {{ lb-01: {{}}, web-01: {{}}, web-02: {{}}, web-03: {{}}, web-04: {{}}, db-01: {{}} }}\n    \
         groups: {{ webservers: {{ hosts: ['web-[01:04]'] }} }}\n    pools:\n      web: {{ kind: haproxy, balancers: lb-01, members: webservers, min_in_service: 1 }}\n  \
         state:\n    hosts:\n{hosts}    pools: {{ web: {{ members: {{ {members} }} }} }}\ncases:\n  - {{ name: any, expect: {{}} }}\n"
    )
}

impl Stage {
    /// The runbook of that number; `None`: its plan is refused, so that it has no lives.
    pub fn of(round: u64, spoiled: Spoiled) -> Option<Stage> {
        let text = format!("{HEAD}{}", generate::runbook(round));
        let mut sources = Sources::new();
        sources.add("example.yaml", text.as_str());
        let (runbook, mistakes) = lang::compile(&sources, SourceId(0), None, &CATALOG);
        let runbook = runbook.unwrap_or_else(|| panic!("{text}\n{mistakes:#?}"));
        let mut both = sources.clone();
        let id = both.add("example.test.yaml", fleet());
        let known = Known {
            runbook: runbook.name.clone(),
            steps: Vec::new(),
            params: Vec::new(),
        };
        let (suite, mistakes) = read::read(&both, id, &known);
        let suite = suite.unwrap_or_else(|| panic!("{mistakes:#?}"));
        let world = World::new(&suite.inventory, &[&suite.state], &[]);
        let script = Script {
            runbook: &runbook,
            sources: &sources,
            text: &text,
        };
        let params = BTreeMap::new();
        let storm = Storm::new(Dice::new(round), Weather::calm(), BTreeMap::new(), spoiled);
        let shared = Shared::new(world.clone(), storm);
        let planned = || {
            quietly(|| {
                runtime()
                    .unwrap()
                    .block_on(plan(&script, &suite, &params, (&shared.world, Arc::new(shared.clone())), &CATALOG))
            })
        };
        let (first, second) = (planned(), planned());
        let plan = first.unwrap_or_else(|mistakes| panic!("{text}\n{mistakes:#?}"));
        let done = world.lock().deeds.len();
        let dry = match second.is_ok_and(|second| second.digest == plan.digest) {
            true if done == 0 => Ok(()),
            true => Err(format!("planning changed something: {done} deeds")),
            false => Err(String::from("the same plan has two digests")),
        };
        world.lock().deeds.clear();
        let stage = Stage {
            plan,
            dry,
            world,
            suite,
            sources,
            runbook,
            gate: round.is_multiple_of(7),
        };
        stage.plan.refusals.is_empty().then_some(stage)
    }

    fn created(&self, uid: &str) -> RunCreated {
        RunCreated {
            uid: uid.to_owned(),
            runbook: self.runbook.name.clone(),
            sources: self.sources.clone(),
            inventory: self.suite.inventory.clone(),
            params: BTreeMap::new(),
            plan: self.plan.clone(),
            by: String::from("noor"),
            reason: None,
            gate: self.gate,
            used_plan: None,
        }
    }

    /// Lives it.
    pub fn live(&self, dice: Dice, weather: Weather, spoiled: Spoiled) -> Lived {
        let names = self.plan.nodes.iter().map(|n| (short_name(&n.id), n.id.clone())).collect();
        let world = self.world.fork(Vec::new(), None);
        let before = world.lock().pools_now();
        let mut storm = Storm::new(dice, weather, names, spoiled);
        let takers = self.plan.nodes.iter().filter(|n| !n.pool_effects.is_empty());
        storm.takers = takers.map(|n| n.id.clone()).collect();
        let shared = Shared::new(world.clone(), storm);
        let witness = shared.clone();
        let watch = move |kept: bool, records: &[Record]| witness.append(kept, records);
        let journal: Arc<dyn Journal> = Arc::new(MemoryJournal::watched(Box::new(watch)));
        let mut life = Life {
            plan: Some(self.plan.clone()),
            before,
            ..Life::default()
        };
        let created = self.created(super::UID);
        let run = journal.create_run(created, BEGINNING).unwrap();
        quietly(|| self.controllers(&shared, &journal, run, &mut life));
        life.obligations = journal.obligations(true).unwrap();
        life.records = journal.events(run).unwrap();
        let inner = world.lock();
        life.deeds.clone_from(&inner.deeds);
        life.breaches.clone_from(&inner.breaches);
        life.after = inner.pools_now();
        life.marks = inner.marks();
        life.unanswered = inner.unanswered.iter().cloned().collect();
        drop(inner);
        Lived { life, shared }
    }

    fn controllers(&self, shared: &Shared, journal: &Arc<dyn Journal>, run: RunId, life: &mut Life) {
        let mut at = BEGINNING;
        loop {
            let one = self.controller(shared, journal, run, at);
            let (ended, now) = runtime().unwrap().block_on(one);
            at = now.after(Duration::from_secs(30));
            let mut storm = shared.lock();
            storm.another();
            match ended {
                Ok(outcome) => {
                    life.outcome = Some(outcome);
                    return;
                }
                Err(RunError::Journal(_)) => life.deaths += 1,
                // Another run has the pool.
                Err(RunError::Held(_)) if life.deaths == 0 => {
                    life.outcome = Some(RunOutcome::Refused);
                    return;
                }
                Err(RunError::Held(why)) if life.deaths > 40 => {
                    life.error = Some(why);
                    return;
                }
                Err(RunError::Held(_)) => life.deaths += 1,
                Err(error) => {
                    life.error = Some(error.to_string());
                    return;
                }
            }
            if life.deaths >= MOST_DEATHS {
                use Fault::{Blackhole, CrashAfter, CrashBefore, JournalAmbiguous, JournalRefuses, Refused, Takeover, TwoRuns};
                let passing = [
                    CrashAfter,
                    CrashBefore,
                    JournalAmbiguous,
                    JournalRefuses,
                    Takeover,
                    TwoRuns,
                    Blackhole,
                    Refused,
                ];
                storm.weather.clears(&passing);
            }
        }
    }

    /// One controller, or two at a time when another one takes the run; how the last one ended, and when.
    async fn controller(
        &self,
        shared: &Shared,
        journal: &Arc<dyn Journal>,
        run: RunId,
        at: Timestamp,
    ) -> (Result<RunOutcome, RunError>, Timestamp) {
        let time = Follow::from(at);
        shared.world.begin(time, Some(&self.plan));
        let wall = || -> Arc<dyn Clock> {
            Arc::new(Wall {
                time,
                off_ms: shared.off_ms.clone(),
            })
        };
        let rival = shared
            .lock()
            .struck(Fault::TwoRuns)
            .then(|| tokio::spawn(self.rival(shared, wall())));
        let driven = self.drive(shared, journal.clone(), run, wall());
        tokio::pin!(driven);
        let taken = async {
            while !shared.lock().takeover {
                tokio::time::sleep(Duration::from_millis(700)).await;
            }
        };
        // The first one goes on until the journal refuses it; what it says then counts nothing.
        let mut ended = tokio::select! {
            biased;
            ended = &mut driven => ended,
            () = taken => {
                let (_, second) = tokio::join!(driven, self.drive(shared, journal.clone(), run, wall()));
                second
            }
        };
        if shared.lock().dead {
            ended = Err(RunError::Journal(JournalError::Refused(String::from("dead"))));
        } else if let Some(rival) = rival {
            // Who only waits for the other's end waits for ever.
            let _ = tokio::time::timeout(Duration::from_secs(3600), rival).await;
        }
        (ended, time.now())
    }

    fn supervisor(&self, shared: &Shared, journal: Arc<dyn Journal>, clock: Arc<dyn Clock>) -> Supervisor {
        Supervisor {
            journal,
            clock,
            transport: Arc::new(shared.clone()),
            catalog: &CATALOG,
            channels: Arc::default(),
            ssh_options: Vec::new(),
            opened: None,
            secret_sources: Arc::default(),
            vault: Some(Arc::new(Vault::rehearsed())),
        }
    }

    async fn drive(&self, shared: &Shared, journal: Arc<dyn Journal>, run: RunId, clock: Arc<dyn Clock>) -> Result<RunOutcome, RunError> {
        let supervisor = self.supervisor(shared, journal.clone(), clock.clone());
        let (news, heard) = mpsc::channel(INBOX);
        let people = People {
            shared: shared.clone(),
            journal,
            run,
            clock,
        };
        let wishes = move |inbox: mpsc::Sender<Input>| _ = tokio::spawn(people.live(heard, inbox));
        match tokio::time::timeout(LONGEST, supervisor.drive(run, true, news, wishes)).await {
            Ok(driven) => driven.map(|d| d.outcome),
            Err(_) => Err(RunError::Replay(crate::engine::run::ReplayError::Empty(run))),
        }
    }

    /// The same runbook from another machine: another journal, the same pools.
    fn rival(&self, shared: &Shared, clock: Arc<dyn Clock>) -> impl Future<Output = ()> + Send + 'static + use<> {
        let journal: Arc<dyn Journal> = Arc::new(MemoryJournal::new());
        let run = journal.create_run(self.created("rival"), clock.now()).unwrap();
        let supervisor = self.supervisor(shared, journal, clock);
        async move {
            let (news, mut heard) = mpsc::channel(INBOX);
            tokio::spawn(async move { while heard.recv().await.is_some() {} });
            // It may be refused, and nobody answers its questions.
            let _ = supervisor.drive(run, true, news, |_| ()).await;
        }
    }
}

/// A life that has ended.
pub struct Lived {
    pub life: Life,
    pub shared: Shared,
}

/// The pool when somebody has taken so many members out.
fn without(members: usize) -> State {
    let drained = MemberState {
        state: Some("maint"),
        ..MemberState::default()
    };
    let members = ["web-04", "web-03", "web-02"].into_iter().take(members);
    let pool = PoolState {
        members: members.map(|name| (name.to_owned(), drained.clone())).collect(),
        ..PoolState::default()
    };
    State {
        pools: BTreeMap::from([(String::from("web"), pool)]),
        ..State::default()
    }
}

impl Shared {
    pub fn new(world: World, storm: Storm) -> Shared {
        Shared {
            world,
            storm: Arc::new(std::sync::Mutex::new(storm)),
            off_ms: Arc::default(),
        }
    }

    /// The journal is about to write, or has written.
    fn append(&self, kept: bool, records: &[Record]) -> Result<(), JournalError> {
        let mut storm = self.lock();
        let refused = |why: &str| Err(JournalError::Refused(why.to_owned()));
        if storm.dead {
            return refused("this controller is dead");
        }
        if !kept {
            if storm.struck(Fault::CrashBefore) {
                storm.dead = true;
                return refused("this controller dies");
            }
            return match storm.struck(Fault::JournalRefuses) {
                true => refused("no space left on device"),
                false => Ok(()),
            };
        }
        records.iter().for_each(|r| storm.note(r));
        self.world.lock().hear_of(records, true);
        if storm.struck(Fault::CrashAfter) {
            storm.dead = true;
            return refused("this controller dies");
        }
        if storm.struck(Fault::ClockJump) {
            let off = [-DAY_MS, DAY_MS][storm.dice.below(2)];
            self.off_ms.store(off, Ordering::Relaxed);
        }
        // Between our look and our hand nobody without the lease can be kept off.
        let taking = storm.active.iter().any(|n| storm.takers.contains(n));
        if !taking && storm.struck(Fault::Shrinks) {
            self.world.lock().overlay(&without(2 + storm.dice.below(2)));
        }
        if storm.struck(Fault::Cancel) {
            storm.cancels = true;
        }
        if storm.struck(Fault::Takeover) {
            storm.takeover = true;
        }
        match storm.struck(Fault::JournalAmbiguous) {
            true => refused("nobody knows whether it is written"),
            false => Ok(()),
        }
    }
}

/// Those who are asked, and who may stop the run.
struct People {
    shared: Shared,
    journal: Arc<dyn Journal>,
    run: RunId,
    clock: Arc<dyn Clock>,
}

impl People {
    async fn live(self, mut heard: mpsc::Receiver<Record>, inbox: mpsc::Sender<Input>) {
        let waiting = self.journal.approvals_waiting().unwrap_or_default();
        waiting.iter().for_each(|request| self.answer(request, &inbox));
        while let Some(record) = heard.recv().await {
            if let Event::ApprovalRequested { request } | Event::ApprovalEscalated { request, .. } = &record.event {
                self.answer(request, &inbox);
            }
            if std::mem::take(&mut self.shared.lock().cancels) {
                let by = String::from("mira");
                let _ = inbox.send(Input::CancelRequested { by }).await;
            }
        }
    }

    fn answer(&self, request: &ApprovalRequest, inbox: &mpsc::Sender<Input>) {
        let mut storm = self.shared.lock();
        if storm.struck(Fault::ApproverLeaves) {
            return;
        }
        for by in ["mira", "lead"].into_iter().take(request.quorum as usize) {
            let other = storm.struck(Fault::OtherPlan);
            let digest = if other { "0".repeat(64) } else { request.digest.clone() };
            let thinks = Duration::from_secs(1 + storm.dice.below(100) as u64);
            let believed = storm.spoiled == Spoiled::AnyPlan;
            let (journal, run, gate, clock, inbox) = (
                self.journal.clone(),
                self.run,
                request.gate.clone(),
                self.clock.clone(),
                inbox.clone(),
            );
            tokio::spawn(async move {
                tokio::time::sleep(thinks).await;
                say(journal, run, gate, clock.now(), by, digest, believed, inbox).await;
            });
        }
    }
}

/// As `runbook approve` does it: the journal judges the answer first.
#[allow(clippy::too_many_arguments)]
async fn say(
    journal: Arc<dyn Journal>,
    run: RunId,
    gate: NodeId,
    at: Timestamp,
    by: &str,
    digest: String,
    believed: bool,
    inbox: mpsc::Sender<Input>,
) {
    let answer = ApprovalAnswer {
        granted: true,
        by: by.to_owned(),
        digest,
        at,
        reason: None,
        fields: BTreeMap::new(),
    };
    if journal.answer(run, &gate, answer.clone()).is_ok() || believed {
        let _ = inbox.send(Input::Answered { gate, answer }).await;
    }
}

/// Debts that somebody has to give back.
pub fn owed(life: &Life) -> Vec<&Obligation> {
    life.obligations.iter().filter(|o| o.return_node.is_some()).collect()
}
