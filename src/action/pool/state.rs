//! A pool as its balancers show it: records, and the facts they are kept under. All pool actions share them, so what one predicts another reads.
//!
//! Facts of pool `P`: `algorithm`, `lease`, `member/NAME` (the worst case over all balancers), and per balancer `balancer/LB/algorithm`,
//! `…/file`, `…/process`, `…/elsewhere`, `…/member/NAME`. NAME is the inventory's, or the balancer's for a server the inventory lacks.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::target::Target;
use crate::base::id::HostName;
use crate::base::value::Value;
use crate::model::action::{Observation, ResourceKey};

/// A server's administrative state; the later, the more it is out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Takes new connections.
    #[default]
    Ready,
    /// Takes no new ones, ends the old ones.
    Drain,
    /// Takes none and is not checked.
    Maint,
    /// The process does not know it.
    Absent,
}

impl State {
    /// As people and HAProxy write it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            State::Ready => "ready",
            State::Drain => "drain",
            State::Maint => "maint",
            State::Absent => "absent",
        }
    }
}

/// A server of the pool on one balancer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// The inventory's name, else the balancer's.
    pub name: String,
    /// The inventory's address, else the balancer's.
    pub address: String,
    /// The balancer's name.
    pub server: String,
    /// An active line of the file.
    pub configured: bool,
    /// Runs, as far as the balancer knows.
    pub up: bool,
    /// What people decided about it.
    pub state: State,
    /// The weight in use.
    pub weight: i64,
    /// The weight its process was started with.
    pub initial_weight: i64,
    /// Sessions now; `None`: known at run time.
    pub sessions: Option<i64>,
    /// `None`: known at run time.
    pub seconds_in_state: Option<i64>,
    /// `L7OK/200`, `L4CON`, `INI`; `None`: known at run time.
    pub check: Option<String>,
    /// All zero: not checked; `None`: known at run time.
    pub health: Option<Health>,
    /// The balancer checks it.
    pub checked: bool,
    /// Somebody switched its checks off at run time.
    pub check_off: bool,
    /// Address and port that the process uses; empty: absent.
    pub endpoint: String,
    /// The endpoint was resolved from a name.
    pub resolved: bool,
    /// Somebody's record says that it was taken out.
    pub owned: bool,
    /// Who, and what for; empty: nobody.
    pub owner: String,
    /// That record's run.
    pub owner_run: String,
}

/// How sure the balancer is that a server is up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// From 0 to `rise + fall - 1`.
    pub value: i64,
    /// Successes that make it up.
    pub rise: i64,
    /// Failures that make it down.
    pub fall: i64,
    /// A check is under way.
    pub checking: bool,
}

/// A server of another backend in the same process, which a reload of this one touches too.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Elsewhere {
    /// Its backend.
    pub backend: String,
    /// As the member's fields of the same names.
    pub server: String,
    /// See [`Member`].
    pub state: State,
    /// See [`Member`].
    pub weight: i64,
    /// See [`Member`].
    pub initial_weight: i64,
    /// See [`Member`].
    pub check_off: bool,
    /// See [`Member`].
    pub endpoint: String,
    /// See [`Member`].
    pub resolved: bool,
}

/// The balancer's file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// It is there.
    pub present: bool,
    /// It is UTF-8, so it may be written back.
    pub utf8: bool,
    /// Its text.
    pub content: String,
}

/// The balancer's process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Another one after a reload; `None`: known at run time.
    pub pid: Option<i64>,
    /// `None`: known at run time.
    pub uptime_s: Option<i64>,
    /// Frontends that somebody paused.
    pub paused: Vec<String>,
}

/// All of one balancer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Balancer {
    /// Its name in the inventory.
    pub host: HostName,
    /// What its process uses for this pool.
    pub algorithm: String,
    /// Its file.
    pub file: File,
    /// Its process.
    pub process: Process,
    /// Servers of other backends.
    pub elsewhere: Vec<Elsewhere>,
    /// By name.
    pub members: BTreeMap<String, Member>,
}

/// The pool on all its balancers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pool {
    /// In the inventory's order.
    pub balancers: Vec<Balancer>,
}

impl Pool {
    /// Facts from records. What a record leaves open becomes [`Value::Unknown`].
    #[must_use]
    pub fn facts(&self, target: &Target) -> Observation {
        let mut facts = Observation::default();
        let mut algorithms: Vec<&str> = self.balancers.iter().map(|b| b.algorithm.as_str()).collect();
        algorithms.dedup();
        facts.set(target.key("algorithm"), Value::text(algorithms.join(", ")));
        for balancer in &self.balancers {
            let key = |path: &str| target.key(format!("balancer/{}/{path}", balancer.host));
            facts.set(key("algorithm"), Value::text(balancer.algorithm.as_str()));
            facts.set(key("file"), encode(&balancer.file));
            facts.set(key("process"), encode(&balancer.process));
            facts.set(key("elsewhere"), encode(&balancer.elsewhere));
            for (name, member) in &balancer.members {
                facts.set(key(&format!("member/{name}")), encode(member));
            }
        }
        for (name, member) in self.members() {
            facts.set(target.key(format!("member/{name}")), encode(&member));
        }
        facts
    }

    /// Records from facts.
    ///
    /// # Errors
    /// Which fact is known only at run time.
    pub fn from_facts(facts: &Observation, target: &Target) -> Result<Pool, String> {
        let balancers = target.balancers.iter().map(|b| balancer_from_facts(facts, target, &b.host));
        Ok(Pool {
            balancers: balancers.collect::<Result<_, _>>()?,
        })
    }

    /// The facts of `after` that differ from those of `self`.
    #[must_use]
    pub fn predict(&self, after: &Pool, target: &Target) -> Vec<(ResourceKey, Value)> {
        let before = self.facts(target);
        let changed = after
            .facts(target)
            .0
            .into_iter()
            .filter(|(key, value)| before.get(key) != Some(value));
        changed.collect()
    }

    /// Every member, the worst case over all balancers: up only if up on all, in the state that is most out.
    #[must_use]
    pub fn members(&self) -> BTreeMap<String, Member> {
        let mut all: BTreeMap<String, Member> = BTreeMap::new();
        for member in self.balancers.iter().flat_map(|b| b.members.values()) {
            match all.get_mut(&member.name) {
                None => {
                    all.insert(member.name.clone(), member.clone());
                }
                Some(known) => *known = worst(known, member),
            }
        }
        all
    }
}

fn worst(a: &Member, b: &Member) -> Member {
    let severity = |m: &Member| (m.state, !m.up, !m.configured);
    let (worse, better) = if severity(b) > severity(a) { (b, a) } else { (a, b) };
    Member {
        configured: a.configured && b.configured,
        up: a.up && b.up,
        weight: a.weight.min(b.weight),
        sessions: a.sessions.zip(b.sessions).map(|(a, b)| a + b),
        owned: a.owned || b.owned,
        owner: if worse.owned { worse.owner.clone() } else { better.owner.clone() },
        owner_run: if worse.owned {
            worse.owner_run.clone()
        } else {
            better.owner_run.clone()
        },
        ..worse.clone()
    }
}

fn balancer_from_facts(facts: &Observation, target: &Target, host: &HostName) -> Result<Balancer, String> {
    let prefix = format!("balancer/{host}/");
    let known = |path: &str| {
        let key = target.key(format!("{prefix}{path}"));
        facts
            .get(&key)
            .filter(|value| **value != Value::Unknown)
            .ok_or_else(|| open(target, host))
    };
    let mut balancer = Balancer {
        host: host.clone(),
        algorithm: known("algorithm")?.as_text().ok_or_else(|| open(target, host))?.to_owned(),
        file: decode(known("file")?).ok_or_else(|| open(target, host))?,
        process: decode(known("process")?).ok_or_else(|| open(target, host))?,
        elsewhere: decode(known("elsewhere")?).ok_or_else(|| open(target, host))?,
        members: BTreeMap::new(),
    };
    let members = format!("{prefix}member/");
    let scope = target.key("").scope;
    for (key, value) in facts.0.iter().filter(|(key, _)| key.scope == scope) {
        if let Some(name) = key.path.strip_prefix(&members) {
            let member = decode(value).ok_or_else(|| open(target, host))?;
            balancer.members.insert(name.to_owned(), member);
        }
    }
    Ok(balancer)
}

fn open(target: &Target, host: &HostName) -> String {
    format!("the state of pool `{}` on {host} is known at run time", target.pool.name)
}

fn encode<T: Serialize>(record: &T) -> Value {
    let json = serde_json::to_value(record).expect("records of names, numbers and texts become JSON");
    match Value::from_json(&json) {
        Value::Map(fields) => Value::Map(fields.into_iter().map(|(name, value)| (name, or_unknown(value))).collect()),
        other => other,
    }
}

fn or_unknown(value: Value) -> Value {
    if value == Value::Null { Value::Unknown } else { value }
}

fn decode<T: DeserializeOwned>(value: &Value) -> Option<T> {
    serde_json::from_value(value.to_json()).ok()
}
