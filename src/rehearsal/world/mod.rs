//! The simulated world: hosts, balancers, web servers, people's channels. It answers operations as the real ones would, and is the
//! oracle of a life: it knows what was really done and never reads the journal for that.
//!
//! What actions send is recognised where it is our own (the service probe, the facts, the runtime socket, the pool's records); every
//! other program must be given an answer by the test file, or the case fails and says which one was missing.

mod alertmanager;
mod balancer;
mod database;
mod disk;
mod fault;
mod host;
mod link;
mod packages;
#[cfg(test)]
mod picture;
mod place;
mod programs;
mod records;
mod web;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::base::clock::{Clock, Timestamp};
use crate::base::id::{HostName, NodeId};
use crate::model::event::Record;
use crate::model::inventory::{Inventory, Pool};
use crate::model::plan::Plan;
use crate::rehearsal::syntax::{Fault, Meanwhile, Page, State};

use balancer::Balancer;
pub use fault::Death;
use fault::Plot;
#[cfg(test)]
pub use fault::Witness;
use host::Host;
#[cfg(test)]
pub use picture::Picture;
pub use web::PEOPLE;

/// Where every rehearsal begins: an ordinary afternoon.
pub const BEGINNING: Timestamp = Timestamp(1_767_276_000_000);

/// A clock that follows tokio's, which jumps to the next thing that happens.
#[derive(Clone, Copy, Debug)]
pub struct Follow {
    base: Timestamp,
    since: tokio::time::Instant,
}

impl Follow {
    /// Shows `base` now.
    #[must_use]
    pub fn from(base: Timestamp) -> Follow {
        Follow {
            base,
            since: tokio::time::Instant::now(),
        }
    }
}

impl Clock for Follow {
    fn now(&self) -> Timestamp {
        self.base.after(self.since.elapsed())
    }
}

/// Something that was really done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deed {
    /// When.
    pub at: Timestamp,
    /// By which step; `None`: nobody knows.
    pub node: Option<NodeId>,
    /// Which of that step's changing operations it was, from 1.
    pub operation: u32,
    /// While taking back.
    pub undo: bool,
    /// What, for people.
    pub what: String,
    /// It was really done; else it was kept from it.
    pub done: bool,
}

/// A message that reached people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Whom.
    pub to: String,
    /// The text.
    pub text: String,
}

/// The world, shared by everything that lives in it.
#[derive(Clone)]
pub struct World {
    inner: Arc<Mutex<Inner>>,
}

/// The world itself.
#[derive(Clone)]
pub struct Inner {
    clock: Arc<dyn Clock>,
    inventory: Arc<Inventory>,
    hosts: BTreeMap<HostName, Host>,
    controller: Host,
    balancers: Vec<Balancer>,
    http: BTreeMap<String, Page>,
    members_up: BTreeMap<(String, String), bool>,
    silences: Vec<alertmanager::Silence>,
    plot: Plot,
    /// Everything that was done, in order.
    pub deeds: Vec<Deed>,
    /// Pools that fell below their minimum by our hand.
    pub breaches: Vec<String>,
    /// The least members in service that each pool had at any moment.
    pub lowest: BTreeMap<String, usize>,
    /// What reached people.
    pub told: Vec<Told>,
    /// Programs that nobody gave an answer.
    pub unanswered: BTreeSet<String>,
}

/// A member as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberNow {
    /// Its name in the inventory.
    pub host: HostName,
    /// ready, drain, maint, absent
    pub state: &'static str,
    /// The balancers' checks succeed.
    pub up: bool,
    /// Its weight.
    pub weight: i64,
}

/// A pool as it stands, the worst of its balancers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolNow {
    /// The algorithm in use.
    pub algorithm: String,
    /// Its members.
    pub members: Vec<MemberNow>,
}

impl PoolNow {
    fn serving(&self) -> usize {
        self.members.iter().filter(|m| m.state == "ready" && m.up && m.weight > 0).count()
    }

    fn enabled(&self) -> usize {
        self.members.iter().filter(|m| m.state == "ready" && m.weight > 0).count()
    }
}

impl World {
    /// A fleet that stands as the states say, one over the other.
    #[must_use]
    pub fn new(inventory: &Inventory, states: &[&State], meanwhile: &[Meanwhile]) -> World {
        let mut inner = Inner {
            clock: Arc::new(crate::base::clock::ManualClock::at(BEGINNING)),
            inventory: Arc::new(inventory.clone()),
            hosts: inventory
                .hosts
                .values()
                .map(|h| (h.name.clone(), Host::new(h, BEGINNING)))
                .collect(),
            controller: Host::controller(BEGINNING),
            balancers: Vec::new(),
            http: BTreeMap::new(),
            members_up: BTreeMap::new(),
            silences: Vec::new(),
            plot: Plot::new(meanwhile.to_vec()),
            deeds: Vec::new(),
            breaches: Vec::new(),
            lowest: BTreeMap::new(),
            told: Vec::new(),
            unanswered: BTreeSet::new(),
        };
        for state in states {
            inner.files_and_web(state);
        }
        inner.balancers = balancer::all(&inner.inventory, states, &mut inner.hosts, BEGINNING);
        for state in states {
            inner.pools(state);
        }
        inner.measure(None);
        World {
            inner: Arc::new(Mutex::new(inner)),
        }
    }

    /// Another world that stands as this one, with a fate of its own.
    #[must_use]
    pub fn fork(&self, faults: Vec<Fault>, death: Option<Death>) -> World {
        let mut inner = self.lock().clone();
        inner.plot.destine(faults, death);
        World {
            inner: Arc::new(Mutex::new(inner)),
        }
    }

    /// The world, while nobody else has it.
    pub fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic elsewhere has been reported as the end of its attempt; the world is looked at all the same.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody looks at the world right after each record.
    #[cfg(test)]
    pub fn witnessed(&self, witness: Witness) {
        self.lock().plot.witness = Some(witness);
    }

    /// A new controller begins: at this time, with this plan once there is one.
    pub fn begin(&self, clock: impl Clock + 'static, plan: Option<&Plan>) {
        let mut inner = self.lock();
        inner.clock = Arc::new(clock);
        inner.plot.begin(plan);
    }
}

impl Inner {
    /// Now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Hosts and pools.
    #[must_use]
    pub fn inventory(&self) -> &Inventory {
        &self.inventory
    }

    /// What has been recorded.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.plot.records
    }

    /// The first record of each write to the journal.
    #[must_use]
    pub fn writes(&self) -> &[u64] {
        &self.plot.writes
    }

    /// Whether the controller has died.
    #[must_use]
    pub fn died(&self) -> bool {
        self.plot.dead
    }

    /// Who wants the run to stop, since the last time somebody asked.
    pub fn cancels(&mut self) -> Vec<String> {
        std::mem::take(&mut self.plot.cancels)
    }

    /// A host's file.
    #[must_use]
    pub fn file(&self, host: &str, path: &str) -> Option<String> {
        self.hosts.get(host)?.files.get(path).map(|f| f.content.clone())
    }

    /// A host's service.
    #[must_use]
    pub fn service(&self, host: &str, name: &str) -> Option<&'static str> {
        self.hosts.get(host)?.services.get(name).map(|s| s.state)
    }

    /// Marks on the balancers that members are out: pool, the balancer's name of the member, the run.
    #[must_use]
    pub fn marks(&self) -> Vec<(String, String, String)> {
        let of = |host: &Host| -> Vec<(String, String, String)> {
            let pools = host.records.iter();
            pools
                .flat_map(|(pool, r)| r.taken.iter().map(|(server, t)| (pool.clone(), server.clone(), t.run.clone())))
                .collect()
        };
        self.hosts.values().flat_map(of).collect()
    }

    /// Changes what a state names; pools' file and algorithm stay, for nobody changes them by talking to the process.
    pub fn overlay(&mut self, state: &State) {
        self.files_and_web(state);
        self.pools(state);
        self.measure(None);
    }

    fn files_and_web(&mut self, state: &State) {
        let now = self.now();
        for (name, new) in &state.hosts {
            if let Some(host) = self.hosts.get_mut(name.as_str()) {
                host.overlay(new, now);
            }
        }
        self.http.extend(state.http.clone());
    }

    fn pools(&mut self, state: &State) {
        let now = self.now();
        for (name, new) in &state.pools {
            let Some(pool) = self.inventory.pools.get(name.as_str()).cloned() else {
                continue;
            };
            for (host, member) in &new.members {
                let Some(listed) = pool.member(host) else { continue };
                if let Some(up) = member.up {
                    self.members_up.insert((name.clone(), host.clone()), up);
                }
                if let Some(owner) = &member.owner {
                    records::taken_by_another(&mut self.hosts, &pool, &listed.server, owner, now);
                }
                for balancer in self.balancers.iter_mut().filter(|b| pool.balancers.contains(&b.host)) {
                    balancer.set(&pool.backend, &listed.server, member, now);
                }
            }
            for balancer in self.balancers.iter_mut().filter(|b| pool.balancers.contains(&b.host)) {
                if let Some(invalid) = new.invalid_file {
                    balancer.refuses_files = invalid;
                }
            }
            if let Some(by) = &new.held_by {
                records::held_by_another(&mut self.hosts, &pool, by, now);
            }
        }
    }

    /// Whether the checks of a member succeed.
    fn is_up(&self, pool: &Pool, host: &HostName) -> bool {
        if let Some(up) = self.members_up.get(&(pool.name.0.clone(), host.to_string())) {
            return *up;
        }
        let (Some(state), Some(listed)) = (self.hosts.get(host), self.inventory.hosts.get(host)) else {
            return true;
        };
        if state.unreachable {
            return false;
        }
        let address = match &pool.health {
            Some(pattern) => web::fill(pattern, listed),
            None => return state.page(80, "/").is_none_or(|p| p.status < 400),
        };
        let (port, path) = web::port_and_path(&address);
        match state.page(port, &path) {
            Some(page) => (200..400).contains(&page.status),
            None => state.http.is_empty(),
        }
    }

    /// A pool as its balancers show it.
    #[must_use]
    pub fn pool(&self, pool: &Pool) -> PoolNow {
        let mut now = PoolNow::default();
        let balancers: Vec<&Balancer> = self.balancers.iter().filter(|b| pool.balancers.contains(&b.host)).collect();
        now.algorithm = balancers.first().map(|b| b.algorithm(&pool.backend)).unwrap_or_default();
        for member in &pool.members {
            let seen = balancers.iter().map(|b| b.member(&pool.backend, &member.server));
            let (state, weight) = seen.max_by_key(|(state, _)| rank(state)).unwrap_or(("absent", 0));
            now.members.push(MemberNow {
                host: member.host.clone(),
                state,
                weight,
                up: self.is_up(pool, &member.host),
            });
        }
        now
    }

    /// All pools as they stand.
    #[must_use]
    pub fn pools_now(&self) -> BTreeMap<String, PoolNow> {
        self.inventory.pools.values().map(|p| (p.name.0.clone(), self.pool(p))).collect()
    }

    /// Looks at every pool's capacity; `before` and a deed: by our hand, so that a fall below the minimum is a breach.
    fn measure(&mut self, before: Option<(&BTreeMap<String, PoolNow>, &str)>) {
        for pool in self.inventory.clone().pools.values() {
            let now = self.pool(pool);
            let least = self.lowest.entry(pool.name.0.clone()).or_insert(usize::MAX);
            *least = (*least).min(now.serving());
            let Some((was, deed)) = before.and_then(|(all, deed)| Some((all.get(pool.name.as_str())?, deed))) else {
                continue;
            };
            let lowered = now.serving() < was.serving() || now.enabled() < was.enabled();
            if lowered && now.serving() < pool.minimum() && now.enabled() < pool.minimum() {
                self.breach(pool, now.serving(), deed);
            }
        }
    }

    /// A service that holds a member's traffic is about to go away for a moment.
    fn disturb(&mut self, host: &HostName, deed: &str) {
        for pool in self.inventory.clone().pools.values() {
            let now = self.pool(pool);
            let serves = |m: &&MemberNow| m.state == "ready" && m.up && m.weight > 0;
            let rest = now.members.iter().filter(serves).filter(|m| m.host != *host).count();
            if now.members.iter().filter(serves).any(|m| m.host == *host) {
                let least = self.lowest.entry(pool.name.0.clone()).or_insert(usize::MAX);
                *least = (*least).min(rest);
                if rest < pool.minimum() {
                    self.breach(pool, rest, deed);
                }
            }
        }
    }

    fn breach(&mut self, pool: &Pool, serving: usize, deed: &str) {
        let words = format!(
            "pool `{}` had {serving} of {} members in service, minimum {}, after: {deed}",
            pool.name,
            pool.members.len(),
            pool.minimum()
        );
        if !self.breaches.contains(&words) {
            self.breaches.push(words);
        }
    }
}

/// The later, the more it is out.
fn rank(state: &str) -> usize {
    ["ready", "drain", "maint", "absent"].iter().position(|s| *s == state).unwrap_or(0)
}

/// What an ordinary operation takes.
const MOMENT: Duration = Duration::from_millis(10);
