//! Bad weather between the program and the simulated fleet: a transport that refuses, hangs, breaks, lies and is late, around the rehearsal's
//! world, which keeps count of what was really done. It also checks what is sent against what is durable at that moment.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Spoiled;
use crate::action::pool::haproxy::runtime;
use crate::base::id::{HostName, NodeId};
use crate::engine::tests::generate::Dice;
use crate::engine::tests::sim::weather::{Fault, Strikes, Weather};
use crate::model::event::{Event, Record};
use crate::rehearsal::world::World;
use crate::transport::{
    Attached, AttemptId, BoxFuture, BoxStream, Captured, Certainty, ConnectError, ConnectErrorKind, EndReason, Exec, FileError, Host,
    HostSpec, KillReport, LinkError, LostReason, Outcome, Output, OutputSink, Program, Put, PutOutcome, RemoteFile, Run, RunAs,
    SocketError, SocketErrorKind, StartError, StartErrorKind, TcpError, Transport,
};

const GIVEN_UP: Duration = Duration::from_secs(30);
const LATE: Duration = Duration::from_secs(300);

/// What goes wrong in a life, and what was seen.
pub struct Storm {
    pub dice: Dice,
    pub weather: Weather,
    pub strikes: Strikes,
    pub log: Vec<String>,
    /// Which node a name on hosts stands for.
    pub names: BTreeMap<String, NodeId>,
    /// Everything durable, of the run that is watched.
    pub durable: Vec<Record>,
    /// Attempts that begun and have not ended, as far as is durable.
    pub active: BTreeSet<NodeId>,
    /// Commands that a host has carried out, by their names there; twice the same is a breach.
    pub executed: Vec<(NodeId, String)>,
    /// Nodes that change a pool.
    pub takers: BTreeSet<NodeId>,
    pub breaches: Vec<String>,
    /// The controller is dead: whatever it still does has no effect.
    pub dead: bool,
    /// Another controller is to take the run.
    pub takeover: bool,
    pub cancels: bool,
    pub spoiled: Spoiled,
    old_look: Option<Vec<u8>>,
    away: BTreeMap<HostName, Instant>,
    rebooted: BTreeSet<AttemptId>,
}

/// Shared by everything that lives in it.
#[derive(Clone)]
pub struct Shared {
    pub world: World,
    pub storm: Arc<Mutex<Storm>>,
    /// How far off the clocks on the walls are, in milliseconds.
    pub off_ms: Arc<AtomicI64>,
}

impl Storm {
    pub fn new(dice: Dice, weather: Weather, names: BTreeMap<String, NodeId>, spoiled: Spoiled) -> Storm {
        Storm {
            dice,
            weather,
            names,
            spoiled,
            strikes: Strikes::default(),
            log: Vec::new(),
            durable: Vec::new(),
            active: BTreeSet::new(),
            executed: Vec::new(),
            takers: BTreeSet::new(),
            breaches: Vec::new(),
            dead: false,
            takeover: false,
            cancels: false,
            old_look: None,
            away: BTreeMap::new(),
            rebooted: BTreeSet::new(),
        }
    }

    /// Another controller takes over after a while; hosts that stayed away are back.
    pub fn another(&mut self) {
        (self.dead, self.takeover) = (false, false);
        self.away.clear();
    }

    /// Whether it strikes now; noted.
    pub fn struck(&mut self, fault: Fault) -> bool {
        let strikes = self.weather.strikes(fault, &mut self.dice);
        if strikes {
            self.strikes.note(fault, !self.active.is_empty());
            self.log.push(format!("after record {}: {fault:?}", self.durable.len() + 1));
        }
        strikes
    }

    /// A record is durable.
    pub fn note(&mut self, record: &Record) {
        match &record.event {
            Event::StepStarted { node, .. } | Event::UndoStarted { node, .. } => _ = self.active.insert(node.clone()),
            Event::StepSucceeded { node, .. }
            | Event::StepFailed { node, .. }
            | Event::StepLost { node, .. }
            | Event::StepRetryScheduled { node, .. }
            | Event::StepCancelled { node, .. }
            | Event::UndoSucceeded { node, .. }
            | Event::UndoFailed { node, .. } => _ = self.active.remove(node),
            Event::ApprovalRequested { request } => _ = self.active.insert(request.gate.clone()),
            _ => {}
        }
        self.durable.push(record.clone());
    }

    /// A command is about to run: its intent must be durable. `uid.node.attempt[u].index`
    fn sent(&mut self, id: &AttemptId) -> Option<NodeId> {
        let mut parts = id.as_str().split('.');
        let (run, name, attempt) = (parts.next()?, parts.next()?, parts.next()?);
        let node = self.names.get(name).filter(|_| run == super::UID)?.clone();
        let intended = self.durable.iter().any(|r| match &r.event {
            Event::ChangeIntended {
                node: of, attempt: number, ..
            } => *of == node && number.to_string() == attempt,
            Event::UndoStarted { node: of, .. } => *of == node && attempt.contains('u'),
            _ => false,
        });
        if !intended {
            self.breaches.push(format!("{} was sent without an intent on record", id.as_str()));
        }
        Some(node)
    }

    fn does(&mut self, node: NodeId, id: &AttemptId) {
        let again = self.executed.iter().any(|(_, other)| other == id.as_str());
        if again {
            self.breaches.push(format!("{} was executed twice", id.as_str()));
        }
        self.executed.push((node, id.as_str().to_owned()));
    }
}

impl Shared {
    pub fn lock(&self) -> MutexGuard<'_, Storm> {
        self.storm.lock().unwrap()
    }

    fn struck(&self, fault: Fault) -> bool {
        self.lock().struck(fault)
    }

    async fn alive(&self) {
        if self.lock().dead {
            std::future::pending::<()>().await;
        }
    }
}

impl Transport for Shared {
    fn connect<'a>(&'a self, host: &'a HostSpec) -> BoxFuture<'a, Result<Arc<dyn Host>, ConnectError>> {
        Box::pin(async move {
            self.alive().await;
            let error = |kind| ConnectError {
                kind,
                detail: String::from("simulated"),
            };
            if self.struck(Fault::Refused) {
                return Err(error(ConnectErrorKind::Refused));
            }
            if self.struck(Fault::Blackhole) {
                sleep(GIVEN_UP).await;
                return Err(error(ConnectErrorKind::Timeout));
            }
            let inner = self.world.connect(host).await?;
            let (name, shared) = (host.name.clone(), self.clone());
            Ok(Arc::new(Exposed { inner, name, shared }) as Arc<dyn Host>)
        })
    }

    fn dial<'a>(&'a self, address: &'a str, port: u16) -> BoxFuture<'a, std::io::Result<BoxStream>> {
        Box::pin(async move {
            self.alive().await;
            self.world.dial(address, port).await
        })
    }
}

/// A connection that is exposed to the weather.
struct Exposed {
    inner: Arc<dyn Host>,
    name: HostName,
    shared: Shared,
}

fn gone() -> LinkError {
    LinkError::Lost(String::from("simulated"))
}

fn unsent(certainty: Certainty) -> StartError {
    StartError {
        certainty,
        kind: StartErrorKind::Link(gone()),
        detail: String::new(),
    }
}

fn ended(code: i32, why: EndReason, stderr: &str) -> Captured {
    let output = |text: &str| Output {
        bytes: text.as_bytes().to_vec(),
        truncated: false,
    };
    Captured {
        code,
        why,
        stdout: output(""),
        stderr: output(stderr),
    }
}

impl Exposed {
    /// The host is there; `Err`: it stays away.
    async fn reach(&self) -> Result<(), LinkError> {
        self.shared.alive().await;
        let until = self.shared.lock().away.get(&self.name).copied();
        if until.is_some_and(|until| Instant::now() < until) {
            sleep(Duration::from_secs(1)).await;
            return Err(gone());
        }
        Ok(())
    }

    /// The link breaks; in half of the cases the host stays away for long enough that nobody learns anything.
    fn breaks(&self) {
        let mut storm = self.shared.lock();
        if storm.dice.one_in(2) {
            storm.away.insert(self.name.clone(), Instant::now() + Duration::from_secs(90));
        }
    }

    /// What befalls a change; `None`: nothing.
    fn blow(&self) -> Option<Fault> {
        use Fault::{DiskFull, Hung, Reboot, Refused, ResetAfter, ResetBefore, SaidFailed, ToldLate};
        let mut storm = self.shared.lock();
        let kinds = [Refused, ResetBefore, ResetAfter, SaidFailed, ToldLate, Reboot, Hung, DiskFull];
        kinds.into_iter().find(|fault| storm.struck(*fault))
    }

    /// The host carries it out.
    async fn really(&self, request: Run) -> Result<Outcome, StartError> {
        let (id, twice) = {
            let mut storm = self.shared.lock();
            let node = storm.sent(&request.id);
            if let Some(node) = node {
                storm.does(node, &request.id);
            }
            (request.id.clone(), storm.spoiled == Spoiled::HostsForget)
        };
        let (sink, _) = tokio::sync::mpsc::channel(1);
        let result = self.inner.run(request.clone(), sink).await;
        if matches!(&result, Err(e) if matches!(e.kind, StartErrorKind::Duplicate | StartErrorKind::Fenced)) {
            // It was kept from being done a second time.
            let mut storm = self.shared.lock();
            storm.executed.retain(|(_, name)| name != id.as_str());
            storm.breaches.retain(|b| !b.contains("twice") || !b.starts_with(id.as_str()));
        } else if twice {
            let mut storm = self.shared.lock();
            let node = storm.sent(&id);
            if let Some(node) = node {
                storm.does(node, &id);
            }
        }
        result
    }

    async fn run_one(&self, request: Run) -> Result<Outcome, StartError> {
        self.reach().await.map_err(|_| unsent(Certainty::NotStarted))?;
        let (id, timeout) = (request.id.clone(), request.exec.timeout);
        match self.blow() {
            None => self.really(request).await,
            Some(Fault::Refused) => Err(unsent(Certainty::NotStarted)),
            Some(Fault::ResetBefore) => {
                self.breaks();
                Err(unsent(Certainty::Unknown))
            }
            Some(Fault::ResetAfter) => {
                self.really(request).await?;
                self.breaks();
                Err(unsent(Certainty::Unknown))
            }
            Some(Fault::SaidFailed) => {
                self.really(request).await?;
                Ok(ended(1, EndReason::Exited, "simulated: it says that it failed"))
            }
            Some(Fault::ToldLate) => {
                let outcome = self.really(request).await;
                sleep(LATE).await;
                self.shared.alive().await;
                outcome
            }
            Some(Fault::Reboot) => {
                let half = self.shared.lock().dice.one_in(2);
                if half {
                    self.really(request).await?;
                }
                let mut storm = self.shared.lock();
                storm.rebooted.insert(id);
                storm.away.insert(self.name.clone(), Instant::now() + Duration::from_secs(10));
                Err(unsent(Certainty::Unknown))
            }
            Some(Fault::Hung) => {
                let half = self.shared.lock().dice.one_in(2);
                if half {
                    self.really(request).await?;
                }
                sleep(timeout).await;
                Ok(ended(137, EndReason::Timeout, ""))
            }
            Some(_) => Ok(ended(1, EndReason::Exited, "simulated: no space left on device")),
        }
    }

    async fn put_one(&self, request: Put) -> Result<PutOutcome, FileError> {
        let path = request.path.clone();
        let denied = |reason: &str| FileError::Denied {
            path: path.clone(),
            reason: reason.to_owned(),
        };
        self.reach().await.map_err(|_| FileError::Start(unsent(Certainty::NotStarted)))?;
        match self.blow() {
            None => self.inner.put(request).await,
            Some(Fault::Refused) => Err(FileError::Start(unsent(Certainty::NotStarted))),
            Some(Fault::ResetBefore) => {
                self.breaks();
                Err(FileError::Start(unsent(Certainty::Unknown)))
            }
            Some(Fault::ResetAfter | Fault::Reboot) => {
                self.inner.put(request).await?;
                self.breaks();
                Err(FileError::Start(unsent(Certainty::Unknown)))
            }
            Some(Fault::SaidFailed) => {
                self.inner.put(request).await?;
                Err(denied("simulated: it says that it failed"))
            }
            Some(Fault::ToldLate) => {
                let outcome = self.inner.put(request).await;
                sleep(LATE).await;
                self.shared.alive().await;
                outcome
            }
            Some(Fault::Hung) => {
                sleep(GIVEN_UP).await;
                Err(FileError::Timeout { path: path.clone() })
            }
            Some(_) => Err(denied("simulated: no space left on device")),
        }
    }

    async fn ask(&self, path: &str, request: &[u8], run_as: RunAs, timeout: Duration) -> Result<Vec<u8>, SocketError> {
        let error = |kind| SocketError {
            path: path.to_owned(),
            kind,
            detail: String::from("simulated"),
        };
        self.reach().await.map_err(|e| error(SocketErrorKind::Link(e)))?;
        let inner = self.inner.socket(path, request, run_as, timeout);
        if request == runtime::LOOK.as_bytes() {
            let answer = inner.await?;
            let mut storm = self.shared.lock();
            let old = storm.old_look.get_or_insert_with(|| answer.clone()).clone();
            return Ok(if storm.spoiled == Spoiled::OldLooks { old } else { answer });
        }
        match self.blow() {
            None => inner.await,
            Some(Fault::Refused) => Err(error(SocketErrorKind::Refused)),
            Some(Fault::ResetBefore) => {
                self.breaks();
                Err(error(SocketErrorKind::Link(gone())))
            }
            Some(Fault::ResetAfter | Fault::Reboot) => {
                inner.await?;
                self.breaks();
                Err(error(SocketErrorKind::Link(gone())))
            }
            Some(Fault::ToldLate) => {
                let answer = inner.await;
                sleep(LATE).await;
                self.shared.alive().await;
                answer
            }
            Some(Fault::Hung) => {
                sleep(timeout).await;
                Err(error(SocketErrorKind::Timeout))
            }
            Some(Fault::SaidFailed) => {
                inner.await?;
                Ok(b"Internal error (simulated)\n\n".to_vec())
            }
            Some(_) => Ok(b"No such command (simulated)\n\n".to_vec()),
        }
    }

    async fn look(&self, request: Exec) -> Result<Captured, StartError> {
        self.reach().await.map_err(|_| unsent(Certainty::NotStarted))?;
        let spoiled = self.shared.lock().spoiled;
        if spoiled == Spoiled::LooksChange {
            let id = AttemptId::new(format!("look.{}", self.shared.world.lock().deeds.len())).unwrap();
            let exec = Exec {
                program: Program::Argv(vec![String::from("x")]),
                ..request.clone()
            };
            let (sink, _) = tokio::sync::mpsc::channel(1);
            // Whatever comes of it, a deed was done.
            let _ = self.inner.run(Run { id, exec, grace: GIVEN_UP }, sink).await;
        }
        self.inner.exec(request).await
    }
}

impl Host for Exposed {
    fn exec(&self, request: Exec) -> BoxFuture<'_, Result<Captured, StartError>> {
        Box::pin(self.look(request))
    }

    fn exec_many(&self, requests: Vec<Exec>) -> BoxFuture<'_, Vec<Result<Captured, StartError>>> {
        Box::pin(async move {
            let mut answers = Vec::with_capacity(requests.len());
            for request in requests {
                answers.push(self.look(request).await);
            }
            answers
        })
    }

    fn run(&self, request: Run, _sink: OutputSink) -> BoxFuture<'_, Result<Outcome, StartError>> {
        Box::pin(self.run_one(request))
    }

    fn attach<'a>(&'a self, id: &'a AttemptId, wait: Duration) -> BoxFuture<'a, Result<Attached, LinkError>> {
        Box::pin(async move {
            self.reach().await?;
            if self.shared.lock().rebooted.contains(id) {
                return Ok(Attached::Lost(LostReason::Reboot));
            }
            self.inner.attach(id, wait).await
        })
    }

    fn cancel<'a>(&'a self, id: &'a AttemptId, grace: Duration) -> BoxFuture<'a, Result<KillReport, LinkError>> {
        Box::pin(async move {
            self.reach().await?;
            self.inner.cancel(id, grace).await
        })
    }

    fn read_file<'a>(&'a self, path: &'a str, run_as: RunAs, max: usize) -> BoxFuture<'a, Result<Option<RemoteFile>, FileError>> {
        Box::pin(async move {
            self.reach().await.map_err(|_| FileError::Start(unsent(Certainty::NotStarted)))?;
            self.inner.read_file(path, run_as, max).await
        })
    }

    fn put(&self, request: Put) -> BoxFuture<'_, Result<PutOutcome, FileError>> {
        Box::pin(self.put_one(request))
    }

    fn socket<'a>(
        &'a self,
        path: &'a str,
        request: &'a [u8],
        run_as: RunAs,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<Vec<u8>, SocketError>> {
        Box::pin(self.ask(path, request, run_as, timeout))
    }

    fn open_tcp<'a>(&'a self, address: &'a str, port: u16, timeout: Duration) -> BoxFuture<'a, Result<BoxStream, TcpError>> {
        Box::pin(async move {
            self.reach().await.map_err(TcpError::Link)?;
            self.inner.open_tcp(address, port, timeout).await
        })
    }

    fn boot_id(&self) -> &str {
        self.inner.boot_id()
    }

    fn user(&self) -> &str {
        self.inner.user()
    }

    fn alive(&self) -> BoxFuture<'_, bool> {
        Box::pin(async { self.reach().await.is_ok() && self.inner.alive().await })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.inner.close()
    }
}
