//! A test file as data: the fleet as it stands, what happens meanwhile, and what must come of it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::stores::Stores;
use crate::base::value::Value;
use crate::diagnostic::{Span, Spanned};
use crate::model::inventory::Inventory;

/// A whole test file.
#[derive(Clone, Debug)]
pub struct Suite {
    /// The runbook's name.
    pub runbook: Spanned<String>,
    /// The fleet, as the inventory has it.
    pub inventory: Inventory,
    /// How the fleet stands before every case.
    pub state: State,
    /// The cases, in the order written.
    pub cases: Vec<Case>,
}

/// One case.
#[derive(Clone, Debug)]
pub struct Case {
    /// What it is about.
    pub name: Spanned<String>,
    /// Parameters, as on the command line.
    pub params: BTreeMap<String, String>,
    /// Where the fleet stands differently.
    pub state: State,
    /// What people answer, by step.
    pub answers: Vec<(Spanned<String>, Vec<Answer>)>,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// What else happens while the run goes on.
    pub meanwhile: Vec<Meanwhile>,
    /// What must come of it.
    pub expect: Expect,
    /// Sweeps: the same case once for each failure, once for each crash.
    pub sweep: Vec<Spanned<Sweep>>,
}

/// A person's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// yes or no, done or failed
    pub granted: bool,
    /// Who.
    pub by: String,
    /// What they tell beside it.
    pub fields: BTreeMap<String, String>,
    /// Why.
    pub because: Option<String>,
    /// How long they thought.
    pub after: Duration,
}

/// Which way of repeating a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sweep {
    /// Each step fails, is lost, is lost though done; each probe gets no answer.
    Failures,
    /// The controller dies right before and right after each write to the journal, and the run is taken up again.
    Crashes,
}

/// One step of the run, as people write it: `drain`, `drain@web-01`, `others[web-02].ready`.
pub type Which = Spanned<String>;

/// Something goes wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// At which step.
    pub at: Which,
    /// What.
    pub what: Trouble,
    /// Of the step's changing operations, from 1; `None`: the first.
    pub operation: Option<u32>,
    /// Only that attempt; `None`: every one.
    pub attempt: Option<u32>,
    /// While the step's change is taken back, not while it is made.
    pub undo: bool,
    /// How long a lost or unreachable host stays away.
    pub lasts: Option<Duration>,
}

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// It answers that it failed, and did nothing.
    Fails,
    /// It answers that it failed, though it was done.
    FailsButDone,
    /// The connection is lost before anything was done.
    Lost,
    /// The connection is lost after it was done.
    LostButDone,
    /// It does not end in time and is killed.
    Timeout,
    /// Nobody answers any more.
    Unreachable,
    /// The controller dies when the change is about to be sent.
    Crash,
    /// A person asks the run to stop.
    Cancel,
}

impl Trouble {
    /// All, by their words.
    pub const WORDS: [(&'static str, Trouble); 8] = [
        ("fails", Trouble::Fails),
        ("fails_but_done", Trouble::FailsButDone),
        ("lost", Trouble::Lost),
        ("lost_but_done", Trouble::LostButDone),
        ("timeout", Trouble::Timeout),
        ("unreachable", Trouble::Unreachable),
        ("crash", Trouble::Crash),
        ("cancel", Trouble::Cancel),
    ];

    /// As people write it.
    #[must_use]
    pub fn word(self) -> &'static str {
        Trouble::WORDS.iter().find(|(_, t)| *t == self).map_or("", |(word, _)| word)
    }
}

/// The fleet changes when a step begins.
#[derive(Clone, Debug)]
pub struct Meanwhile {
    /// Which step begins.
    pub at: Which,
    /// What is different from then on.
    pub state: State,
}

/// How a fleet stands, or where it stands differently: what is not named stays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// By host.
    pub hosts: BTreeMap<String, HostState>,
    /// By pool.
    pub pools: BTreeMap<String, PoolState>,
    /// Answers of the rest of the world, by URL.
    pub http: BTreeMap<String, Page>,
}

/// How a host stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HostState {
    /// Nobody can connect to it.
    pub unreachable: Option<bool>,
    /// By name.
    pub services: BTreeMap<String, ServiceState>,
    /// By name.
    pub packages: BTreeMap<String, PackageState>,
    /// All memory, bytes.
    pub memory_total: Option<u64>,
    /// Available, bytes.
    pub memory_available: Option<u64>,
    /// By path; `None`: there is none.
    pub files: BTreeMap<String, Option<FileState>>,
    /// Answers of programs, the first that fits counts.
    pub commands: Vec<Command>,
    /// What its web server answers, by `/path` or `:8080/path`.
    pub http: BTreeMap<String, Page>,
    /// Ports on which something listens beside the web server.
    pub ports: Option<Vec<u16>>,
    /// File systems, databases and proxies.
    pub stores: Stores,
    /// Load over one minute.
    pub load: Option<f64>,
    /// Processors.
    pub cpus: Option<u64>,
}

/// How a service stands and behaves.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServiceState {
    /// started, stopped, failed
    pub state: Option<&'static str>,
    /// Whether it starts at boot.
    pub enabled: Option<bool>,
    /// What a start comes to: works, fails, flaps.
    pub start: Option<&'static str>,
    /// What its host is like after each start.
    pub after_start: Option<Box<HostState>>,
    /// What its host is like after each reload.
    pub after_reload: Option<Box<HostState>>,
}

/// A package of apt.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PackageState {
    /// Installed; `None` inside: it is not.
    pub version: Option<Option<String>>,
    /// Versions on offer, newest first; `None`: the one that is installed.
    pub offered: Option<Vec<String>>,
    /// Kept at its version.
    pub held: Option<bool>,
    /// By version: what its host is like after it was installed.
    pub after_install: BTreeMap<String, Box<HostState>>,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileState {
    /// All of it.
    pub content: String,
    /// Octal.
    pub mode: u32,
    /// Owner's name.
    pub owner: String,
    /// Group's name.
    pub group: String,
}

/// What a program answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Command {
    /// Part of its command line.
    pub run: String,
    /// Its exit status.
    pub exit: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
    /// How long it takes.
    pub takes: Option<Duration>,
    /// Answers so only so often.
    pub times: Option<u32>,
    /// Only while a file it is given holds this text.
    pub when_given: Option<String>,
    /// What the fleet is like afterwards.
    pub then: Option<Box<State>>,
}

/// What a web server answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// Status; 0: it takes the request and never answers.
    pub status: u16,
    /// Body.
    pub body: String,
    /// How long it takes.
    pub takes: Option<Duration>,
}

/// How a pool stands on all of its balancers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PoolState {
    /// The algorithm that its file and its process have.
    pub algorithm: Option<String>,
    /// By member.
    pub members: BTreeMap<String, MemberState>,
    /// Another controller holds its lease.
    pub held_by: Option<String>,
    /// The balancer refuses every new file.
    pub invalid_file: Option<bool>,
}

/// How a member of a pool stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MemberState {
    /// ready, drain, maint, absent
    pub state: Option<&'static str>,
    /// Its weight.
    pub weight: Option<i64>,
    /// Whether the balancer's checks succeed; `None`: as the pool's health address answers.
    pub up: Option<bool>,
    /// Connections while it takes traffic.
    pub sessions: Option<i64>,
    /// How long they last after a drain; `None` inside: for ever.
    pub drains_in: Option<Option<Duration>>,
    /// Requests a minute while it takes traffic.
    pub requests: Option<u64>,
    /// Who else took it out.
    pub owner: Option<String>,
}

/// What must come of a case; what is not named is not looked at.
#[derive(Clone, Debug, Default)]
pub struct Expect {
    /// Where it stands.
    pub span: Span,
    /// Of the plan.
    pub plan: Option<ExpectPlan>,
    /// How the run ends, or `refused`.
    pub outcome: Option<Spanned<String>>,
    /// Part of the first failure's words.
    pub failure: Option<Spanned<String>>,
    /// Steps that end well (or are taken back: `undo drain`), in this order, others between them.
    pub order: Vec<Which>,
    /// Steps that run.
    pub happens: Vec<Which>,
    /// Steps that do not even begin.
    pub never: Vec<Which>,
    /// Parts of the words of the obligations open at the end, one each; an empty list: none is.
    pub obligations: Option<Spanned<Vec<Spanned<String>>>>,
    /// Messages that were sent.
    pub messages: Vec<(Option<String>, Spanned<String>)>,
    /// By pool.
    pub pools: Vec<(Spanned<String>, Vec<Spanned<PoolPromise>>)>,
    /// By host and path: parts of its content that must, or must not be there.
    pub files: Vec<FilePromise>,
    /// By host: services and their state.
    pub services: Vec<(String, Spanned<String>, Spanned<&'static str>)>,
    /// By host: packages and the version that is installed, or `absent`.
    pub packages: Vec<(String, Spanned<String>, Spanned<String>)>,
    /// Parts of the silences that are on at the end, one each; an empty list: none is.
    pub silences: Option<Spanned<Vec<Spanned<String>>>>,
    /// By `step.field`: what a step's result holds.
    pub results: Vec<(Spanned<String>, Spanned<String>)>,
    /// How long the run may take.
    pub within: Option<Spanned<Duration>>,
}

/// What is promised of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PoolPromise {
    /// A member's state at the end.
    Member(String, &'static str),
    /// The algorithm at the end.
    Algorithm(String),
    /// Never fewer members in service, at no moment.
    NeverBelow(usize),
}

/// What is promised of a file.
#[derive(Clone, Debug)]
pub struct FilePromise {
    /// On which host.
    pub host: String,
    /// Which file.
    pub path: Spanned<String>,
    /// It holds this.
    pub has: Option<Spanned<String>>,
    /// It does not hold this.
    pub lacks: Option<Spanned<String>>,
}

/// What is promised of the plan.
#[derive(Clone, Debug, Default)]
pub struct ExpectPlan {
    /// Exactly these will change.
    pub will_change: Option<Spanned<Vec<Which>>>,
    /// For these there is nothing to do.
    pub nothing_to_do: Vec<Which>,
    /// These are known at run time.
    pub at_run_time: Vec<Which>,
    /// These are skipped.
    pub skipped: Vec<Which>,
    /// Part of the reason why it is refused.
    pub refused: Option<Spanned<String>>,
    /// Part of what it says to do instead.
    pub instead: Option<Spanned<String>>,
}

/// What is named counts.
pub(super) fn put<T: Clone>(slot: &mut Option<T>, new: &Option<T>) {
    if new.is_some() {
        slot.clone_from(new);
    }
}

impl PackageState {
    /// Overlays another state: what it names counts.
    pub fn overlay(&mut self, other: &PackageState) {
        put(&mut self.version, &other.version);
        put(&mut self.offered, &other.offered);
        put(&mut self.held, &other.held);
        self.after_install.extend(other.after_install.clone());
    }
}

impl HostState {
    /// Overlays another state: what it names counts.
    pub fn overlay(&mut self, other: &HostState) {
        put(&mut self.unreachable, &other.unreachable);
        put(&mut self.memory_total, &other.memory_total);
        put(&mut self.memory_available, &other.memory_available);
        put(&mut self.ports, &other.ports);
        put(&mut self.load, &other.load);
        put(&mut self.cpus, &other.cpus);
        for (name, new) in &other.services {
            let service = self.services.entry(name.clone()).or_default();
            put(&mut service.state, &new.state);
            put(&mut service.enabled, &new.enabled);
            put(&mut service.start, &new.start);
            put(&mut service.after_start, &new.after_start);
            put(&mut service.after_reload, &new.after_reload);
        }
        for (name, new) in &other.packages {
            self.packages.entry(name.clone()).or_default().overlay(new);
        }
        self.files.extend(other.files.clone());
        self.http.extend(other.http.clone());
        self.stores.overlay(&other.stores);
        // The newer answer is asked first.
        self.commands.splice(0..0, other.commands.iter().cloned());
    }
}

/// A body written as a map or a list becomes JSON.
#[must_use]
pub fn json(value: &Value) -> String {
    value.to_json().to_string()
}
