//! What an action is: a declaration (signature) and a pure object that probes, reads, decides and judges.
//!
//! An action never performs anything: it hands out [`Operation`]s. Data in, data out; no clock, no network.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::id::{HostName, PoolName};
use crate::base::secret::Sensitive;
use crate::base::value::Value;
use crate::model::inventory::{Host, Inventory, Pool};
use crate::model::operation::{Identity, Operation, Output};
use crate::model::types::Type;

/// An entry of the catalogue.
pub trait ActionKind: Sync {
    /// Its declaration: help, schema, type checking and reference pages come from it.
    fn signature(&self) -> &'static Signature;

    /// Binds arguments (already of the declared types) to a host or pool.
    ///
    /// # Errors
    /// What the types cannot say: two parameters that exclude each other, a host without the needed variable.
    fn bind(&self, arguments: &Arguments, context: &Context<'_>) -> Result<Box<dyn Action>, BindError>;
}

/// A bound action. `run` and `plan` use it in this order:
/// probe → read → decide → (operations performed) → verify → read → judge until done, then result.
pub trait Action: Send + Sync {
    /// Read-only operations whose outputs `read` wants, in this order.
    fn probe(&self) -> Vec<Operation>;

    /// Turns the outputs of `probe` (or of `verify`) into facts. One output per operation, same order.
    ///
    /// # Errors
    /// A sentence for people when an output makes no sense or says that the thing is not there.
    fn read(&self, outputs: &[Output]) -> Result<Observation, ReadError>;

    /// What has to be done, given the facts. Probes answer `InDesiredState`.
    fn decide(&self, seen: &Observation) -> Decision;

    /// Read-only operations that show whether the change took effect.
    fn verify(&self) -> Vec<Operation> {
        self.probe()
    }

    /// Whether the change took effect. `before` are the facts that `decide` saw, `after` those read from `verify`'s outputs,
    /// `performed` the outputs of the change's operations. `NotYet` is asked again until `settle` runs out.
    fn judge(&self, before: &Observation, performed: &[Output], after: &Observation) -> Verdict;

    /// How long `judge` may say `NotYet`, and how often to look.
    fn settle(&self) -> Settle {
        Settle {
            within: Duration::from_secs(30),
            every: Duration::from_millis(500),
        }
    }

    /// The fields of `steps.ID`, as the signature declares them. `performed` is empty when nothing was changed. Fields that a
    /// prediction cannot know are [`Value::Unknown`].
    fn result(&self, seen: &Observation, performed: &[Output]) -> Value;
}

/// The arguments that are known, by name.
pub type Literals<'a> = &'a dyn Fn(&str) -> Option<Value>;

/// The declaration of an action.
#[derive(Debug)]
pub struct Signature {
    /// `pool.member`
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// Everything a user needs to know beside the parameters; paragraphs separated by blank lines.
    pub docs: &'static str,
    /// Parameters in the order to show them.
    pub parameters: &'static [Parameter],
    /// The parameter meant when the action is written as `name: value` without a map (`facts: [memory]`).
    pub shorthand: Option<&'static str>,
    /// Fields of the result.
    pub results: fn() -> Type,
    /// probe, passing, reversible, destructive. Some parameters change it: see `class_of`.
    pub class: Class,
    /// The class for given literal arguments (`http` with POST, `command` with `read_only`); `None`: `class`.
    pub class_of: Option<fn(Literals<'_>) -> Class>,
    /// Where it runs.
    pub runs_on: RunsOn,
    /// A second performance changes nothing more; such a step may be repeated when its outcome is lost.
    pub repeatable: bool,
    /// What it takes from or returns to pools, for given literal arguments; `None`: nothing ever.
    pub pool_effect: Option<fn(Literals<'_>) -> PoolEffect>,
    /// A step in YAML, complete but for the runbook around it.
    pub example: &'static str,
}

/// How dangerous an action is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Read-only; runs in a dry-run.
    Probe,
    /// Restart, reload, notify: nothing remains to be undone.
    Passing,
    /// Records the value before and can restore it.
    Reversible,
    /// Cannot be taken back by itself; the step must say `undo:`.
    Destructive,
}

/// Where an action runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunsOn {
    /// On the step's `hosts`, each by itself.
    Host,
    /// On the step's `hosts` or, with `hosts: control`, on the controller.
    HostOrControl,
    /// Once, on all balancers of its pool; no `hosts`.
    Balancers,
    /// Once, on the controller; no `hosts`, no `run_as`.
    Controller,
}

/// What an action does to the capacity of pools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolEffect {
    /// Nothing.
    None,
    /// Takes parameter `member` out of parameter `pool` until a step returns it.
    TakesMember,
    /// Returns parameter `member` to parameter `pool`.
    ReturnsMember,
    /// Takes the step's host out of the pools it is a member of, lastingly (a stopped service).
    TakesHost,
    /// Takes the step's host out for as long as the step runs (a restart).
    DisturbsHost,
}

/// A declared parameter.
#[derive(Debug)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// What it may be.
    pub kind: ParameterKind,
    /// Whether it must be given.
    pub required: bool,
    /// What it means, units and default included.
    pub docs: &'static str,
    /// A secret may reach it: its value is neither shown nor recorded nor part of a command line.
    pub secret: bool,
}

/// What a parameter may be. Texts may hold placeholders unless said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterKind {
    /// Text.
    Text,
    /// A `sh` script: placeholders are quoted, none inside quotes.
    Script,
    /// Statements for a database: no placeholders, since a value would become a part of them.
    Sql,
    /// true/false, no placeholder.
    Bool,
    /// Whole number.
    Int,
    /// `30s`
    Duration,
    /// `500MiB`
    Size,
    /// `20%`
    Percent,
    /// Absolute path.
    Path,
    /// `http://…`
    Url,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A pool of the inventory.
    Pool,
    /// A host of the inventory, by name.
    Host,
    /// Octal mode as a string, `"0644"`; a bare number is refused.
    Mode,
    /// Texts.
    TextList,
    /// Some of these words.
    ChoiceList(&'static [&'static str]),
    /// Whole numbers.
    IntList,
    /// Names and texts.
    TextMap,
    /// Anything that JSON can say; placeholders in its texts are JSON-quoted.
    Json,
    /// An expression over `result`.
    Expression,
}

/// Arguments after rendering: each of its parameter's kind. `Choice`, `Pool`, `Host`, `Path`, `Url`, `Mode`, `Script`, `Sql` are `Value::Text`,
/// lists are `Value::List`, maps `Value::Map`. A value only a run can tell is `Value::Unknown`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Arguments(pub BTreeMap<String, Value>);

impl Arguments {
    /// Arguments from name–value pairs.
    #[must_use]
    pub fn from_pairs<const N: usize>(pairs: [(&str, Value); N]) -> Arguments {
        Arguments(pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
    }

    /// The value, if given.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// A text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_text)
    }

    /// A text of a parameter that a secret may reach.
    #[must_use]
    pub fn sensitive(&self, name: &str) -> Option<Sensitive> {
        self.get(name).and_then(Value::to_sensitive)
    }

    /// Names and texts of a parameter that a secret may reach; absent is empty.
    #[must_use]
    pub fn sensitive_map(&self, name: &str) -> BTreeMap<String, Sensitive> {
        let Some(Value::Map(map)) = self.get(name) else {
            return BTreeMap::new();
        };
        map.iter()
            .map(|(k, v)| (k.clone(), v.to_sensitive().unwrap_or_else(|| Sensitive::from(v.to_string()))))
            .collect()
    }

    /// A truth value; absent is `default`.
    #[must_use]
    pub fn bool(&self, name: &str, default: bool) -> bool {
        self.get(name).and_then(Value::as_bool).unwrap_or(default)
    }

    /// A whole number.
    #[must_use]
    pub fn int(&self, name: &str) -> Option<i64> {
        self.get(name).and_then(Value::as_int)
    }

    /// A duration.
    #[must_use]
    pub fn duration(&self, name: &str) -> Option<Duration> {
        match self.get(name) {
            Some(Value::Duration(d)) => Some(*d),
            _ => None,
        }
    }

    /// Texts; absent is empty.
    #[must_use]
    pub fn texts(&self, name: &str) -> Vec<String> {
        self.get(name)
            .and_then(Value::as_list)
            .unwrap_or(&[])
            .iter()
            .map(Value::to_string)
            .collect()
    }

    /// True when there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// True when some argument is known only at run time.
    #[must_use]
    pub fn has_unknown(&self) -> bool {
        self.0.values().any(Value::has_unknown)
    }
}

/// What an action is bound to.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The step's host; `None` for the controller and for actions on balancers.
    pub host: Option<&'a Host>,
    /// The step's `run_as` after looking at the host: `Login` where the login user is enough.
    pub run_as: &'a Identity,
    /// All hosts and pools.
    pub inventory: &'a Inventory,
    /// The step's timeout: the default for operations.
    pub timeout: Duration,
}

impl<'a> Context<'a> {
    /// The pool with that name.
    ///
    /// # Errors
    /// When the inventory has none.
    pub fn pool(&self, name: &str) -> Result<&'a Pool, BindError> {
        self.inventory
            .pools
            .get(name)
            .ok_or_else(|| BindError::new("pool", format!("the inventory has no pool `{name}`")))
    }

    /// How to get the rights of `run_as` on another host than the step's (a balancer): the login user where that is enough.
    #[must_use]
    pub fn run_as_on(&self, host: &HostName) -> Identity {
        match self.inventory.hosts.get(host) {
            // Nobody was named: whoever works on that host by default.
            Some(Host {
                run_as: Some(user),
                login_is_enough: false,
                ..
            }) if *self.run_as == Identity::Login => Identity::User(user.clone()),
            Some(h) if h.login_is_enough || matches!(self.run_as, Identity::User(user) if h.user.as_ref() == Some(user)) => Identity::Login,
            _ => self.run_as.clone(),
        }
    }
}

/// Why arguments cannot be bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindError {
    /// The parameter at fault.
    pub parameter: String,
    /// Lower case, no full stop.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

impl BindError {
    /// About a parameter.
    #[must_use]
    pub fn new(parameter: &str, message: impl Into<String>) -> BindError {
        BindError {
            parameter: parameter.to_owned(),
            message: message.into(),
            help: None,
        }
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> BindError {
        self.help = Some(text.into());
        self
    }
}

/// Outputs that make no sense or tell of an absence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadError {
    /// What was found and what was expected, and what to do.
    pub message: String,
    /// The trouble of an operation, if that is the cause.
    pub trouble: Option<crate::model::operation::TroubleKind>,
}

impl ReadError {
    /// A sentence for people.
    #[must_use]
    pub fn new(message: impl Into<String>) -> ReadError {
        ReadError {
            message: message.into(),
            trouble: None,
        }
    }
}

/// What part of the world a fact is about; a change with unknown consequences taints a whole scope.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Facts of one host.
    Host(HostName),
    /// Facts of one pool, as its balancers see it.
    Pool(PoolName),
    /// Everything else: the controller, services elsewhere.
    Elsewhere,
}

/// The name of one fact: `pool web / member/web-01`, `host web-01 / service/app`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ResourceKey {
    /// Where it belongs.
    pub scope: Scope,
    /// Which one.
    pub path: String,
}

impl ResourceKey {
    /// A fact of a host.
    #[must_use]
    pub fn host(host: &HostName, path: impl Into<String>) -> ResourceKey {
        ResourceKey {
            scope: Scope::Host(host.clone()),
            path: path.into(),
        }
    }

    /// A fact of a pool.
    #[must_use]
    pub fn pool(pool: &PoolName, path: impl Into<String>) -> ResourceKey {
        ResourceKey {
            scope: Scope::Pool(pool.clone()),
            path: path.into(),
        }
    }

    /// The shared key of one member of a pool: a record as `pool.status` shows it, so that every pool action predicts for every other.
    #[must_use]
    pub fn member(pool: &PoolName, member: &HostName) -> ResourceKey {
        ResourceKey::pool(pool, format!("member/{member}"))
    }

    /// The file of one of a pool's balancers, which other pools and its host see as well.
    #[must_use]
    pub fn balancer_file(pool: &PoolName, balancer: &HostName) -> ResourceKey {
        ResourceKey::pool(pool, format!("balancer/{balancer}/file"))
    }
}

impl std::fmt::Display for ResourceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.scope {
            Scope::Host(host) => write!(f, "{host}/{}", self.path),
            Scope::Pool(pool) => write!(f, "pool/{pool}/{}", self.path),
            Scope::Elsewhere => f.write_str(&self.path),
        }
    }
}

/// Facts, as read from outputs or as predicted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observation(pub BTreeMap<ResourceKey, Value>);

impl Observation {
    /// The fact; `None`: not observed.
    #[must_use]
    pub fn get(&self, key: &ResourceKey) -> Option<&Value> {
        self.0.get(key)
    }

    /// Adds a fact.
    pub fn set(&mut self, key: ResourceKey, value: Value) {
        self.0.insert(key, value);
    }
}

/// What has to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Nothing (always the answer of a probe).
    InDesiredState,
    /// This.
    Change(Change),
    /// Cannot be said before a real run: the facts it depends on are unknown.
    Unknown(String),
    /// It must not be done: why, and what to do instead.
    Refused(String),
}

/// A change, decided but not performed.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// One line for people: `web-01: ready → drain`.
    pub summary: String,
    /// Unified diff, where there is one.
    pub diff: Option<String>,
    /// What must be known beside it: "lost on reload".
    pub notes: Vec<String>,
    /// To perform in this order; the first failure stops.
    pub operations: Vec<Operation>,
    /// Facts that will be so when the change and its verification have succeeded.
    pub predicted: Vec<(ResourceKey, Value)>,
    /// Scopes of which everything not predicted becomes unknown.
    pub taints: Vec<Scope>,
    /// How to restore what was observed.
    pub undo: Undo,
}

/// How a change is taken back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Undo {
    /// There is nothing that would have to be taken back (a restart, a message).
    Nothing,
    /// It is meant to stay (a return).
    Keep,
    /// There is no way back.
    Impossible,
    /// Perform the steps that the runbook gives under `undo:`, on the same host.
    Steps,
    /// Perform this action with these arguments, on the same host.
    Call {
        /// An action of the catalogue.
        action: String,
        /// Its arguments, values as observed.
        arguments: Arguments,
    },
}

/// Whether a change took effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It did.
    Done,
    /// Look again: what is still missing.
    NotYet(String),
    /// It did not and will not.
    Failed(String),
}

/// How long and how often to look for the effect of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settle {
    /// Until then.
    pub within: Duration,
    /// This often.
    pub every: Duration,
}

/// The list of actions, as `lang` and `plan` see it.
pub trait Catalog: Sync {
    /// The action with that name.
    fn get(&self, name: &str) -> Option<&dyn ActionKind>;

    /// All names, sorted.
    fn names(&self) -> Vec<&'static str>;
}
