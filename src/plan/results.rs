//! Results of nodes, and what a node sees of them: the `steps` of texts and expressions.
//!
//! Used while planning (predicted results) and while running (real ones); knows nothing of either.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::base::clock::Timestamp;
use crate::base::id::{HostName, StepId};
use crate::base::value::Value;
use crate::lang::expression::NOW;
use crate::model::inventory::Inventory;
use crate::model::plan::{Node, Turn};
use crate::model::text::{Parts, Scope};

/// All results so far. A copy is cheap: it shares what it holds.
#[derive(Clone, Debug, Default)]
pub struct Results {
    entries: BTreeMap<StepId, Arc<Vec<Arc<Entry>>>>,
}

#[derive(Clone, Debug)]
struct Entry {
    turns: Vec<Turn>,
    /// On each of these with the same value; `None`: once.
    hosts: Option<Arc<[HostName]>>,
    value: Arc<Value>,
}

/// One host's result, or that of a step that runs once.
#[derive(Clone, Copy)]
struct Site<'r> {
    host: Option<&'r HostName>,
    value: &'r Value,
}

impl Entry {
    fn sites(&self) -> impl Iterator<Item = Site<'_>> {
        let of = |host| Site { host, value: &self.value };
        let once = self.hosts.is_none().then(|| of(None));
        once.into_iter()
            .chain(self.hosts.iter().flat_map(|h| h.iter()).map(move |h| of(Some(h))))
    }
}

/// How a node ended, beside the fields of its action.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ending {
    /// It did what it says.
    pub ok: bool,
    /// It failed or was lost.
    pub failed: bool,
    /// It did not run.
    pub skipped: bool,
    /// It changed something; `None`: known at run time.
    pub changed: Option<bool>,
    /// Attempts made.
    pub attempts: u32,
    /// From first start to end.
    pub seconds: f64,
}

impl Ending {
    /// Adds `ok`, `failed`, `skipped`, `changed`, `attempts`, `seconds` to an action's fields.
    #[must_use]
    pub fn onto(self, fields: Value) -> Value {
        let mut map = match fields {
            Value::Map(map) => map,
            _ => BTreeMap::new(),
        };
        map.insert("ok".to_owned(), Value::Bool(self.ok));
        map.insert("failed".to_owned(), Value::Bool(self.failed));
        map.insert("skipped".to_owned(), Value::Bool(self.skipped));
        map.insert("changed".to_owned(), self.changed.map_or(Value::Unknown, Value::Bool));
        map.insert("attempts".to_owned(), Value::Int(i64::from(self.attempts)));
        map.insert("seconds".to_owned(), Value::Float(self.seconds));
        Value::Map(map)
    }
}

impl Results {
    /// Records the result of a node; a later one replaces an earlier one.
    pub fn set(&mut self, node: &Node, value: Value) {
        self.set_on(&node.step, &node.turns, node.host.clone().map(|host| Arc::from([host])), value);
    }

    /// As [`Results::set`], of a step that is no node of the plan.
    pub fn set_of(&mut self, step: &StepId, turns: &[Turn], host: Option<&HostName>, value: Value) {
        self.set_on(step, turns, host.map(|host| Arc::from([host.clone()])), value);
    }

    /// Records the same result of a step in a turn on each of these hosts; `None`: once.
    pub fn set_on(&mut self, step: &StepId, turns: &[Turn], hosts: Option<Arc<[HostName]>>, value: Value) {
        let list = Arc::make_mut(self.entries.entry(step.clone()).or_default());
        let entry = Arc::new(Entry {
            turns: turns.to_vec(),
            hosts,
            value: Arc::new(value),
        });
        match list.iter_mut().find(|e| e.turns == entry.turns && e.hosts == entry.hosts) {
            Some(former) => *former = entry,
            None => list.push(entry),
        }
    }

    /// True when all these hosts surely see the same of a step.
    #[must_use]
    pub fn same_for(&self, place: &Viewpoint, name: &str, hosts: &[HostName]) -> bool {
        match self.seen(place, &place.id_of(name)).as_slice() {
            [one] => one.hosts.as_ref().is_none_or(|on| on.len() == 1 || **on == *hosts),
            _ => false,
        }
    }

    /// The map `steps` as seen from a place: the steps of its own runbook, by the names that they have there.
    #[must_use]
    pub fn visible(&self, place: &Viewpoint) -> Value {
        let names: BTreeSet<&str> = self
            .entries
            .iter()
            .flat_map(|(step, entries)| {
                let loops = entries.iter().flat_map(|e| e.turns.iter().map(|t| &t.step));
                std::iter::once(step).chain(loops)
            })
            .filter_map(|id| place.name_of(id))
            .collect();
        let steps = names
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), self.step(place, name)?)));
        Value::Map(steps.collect())
    }

    /// What a place sees of one step or loop; `None`: nothing yet.
    fn step(&self, place: &Viewpoint, name: &str) -> Option<Value> {
        let id = place.id_of(name);
        let seen = self.seen(place, &id);
        if !seen.is_empty() {
            return Some(together(&seen, place.host.as_ref()));
        }
        // A loop is seen from outside by what its turns came to.
        let turns = place.turns.as_slice();
        let mut by_key: BTreeMap<&str, Value> = BTreeMap::new();
        for entry in self
            .entries
            .values()
            .flat_map(|list| list.iter())
            .filter(|e| !turns.starts_with(&e.turns))
        {
            let differs = entry.turns.iter().enumerate().find(|(i, turn)| turns.get(*i) != Some(*turn));
            if let Some((_, turn)) = differs.filter(|(_, turn)| turn.step == id) {
                for site in entry.sites() {
                    let slot = by_key.entry(&turn.key).or_insert(Value::Null);
                    *slot = merge_turn(slot, &turn.key, site.value);
                }
            }
        }
        let all: Vec<Value> = by_key.into_values().collect();
        (!all.is_empty()).then(|| Value::map([("all", Value::List(all))]))
    }

    /// A field of a step, where that takes no look at its other hosts.
    fn field(&self, place: &Viewpoint, name: &str, field: &str) -> Option<Value> {
        if matches!(field, "hosts" | "all") {
            return None;
        }
        let seen = self.seen(place, &place.id_of(name));
        own(&seen, place.host.as_ref())?.field(field)
    }

    fn seen(&self, place: &Viewpoint, step: &StepId) -> Vec<&Entry> {
        let entries = self.entries.get(step).into_iter().flat_map(|list| list.iter());
        entries.map(Arc::as_ref).filter(|e| place.turns.starts_with(&e.turns)).collect()
    }
}

/// From where results are looked at.
#[derive(Clone, Debug, Default)]
pub struct Viewpoint {
    /// The call around it: only the called runbook's own steps are seen.
    pub call: Option<StepId>,
    /// The turns of the loops around it.
    pub turns: Vec<Turn>,
    /// Its host.
    pub host: Option<HostName>,
}

impl Viewpoint {
    /// A node's.
    #[must_use]
    pub fn of(node: &Node) -> Viewpoint {
        Viewpoint {
            call: node.call.clone(),
            turns: node.turns.clone(),
            host: node.host.clone(),
        }
    }

    /// The step that is called so here.
    fn id_of(&self, name: &str) -> StepId {
        match &self.call {
            None => StepId(name.to_owned()),
            Some(call) => StepId(format!("{call}.{name}")),
        }
    }

    /// What a step is called here; `None`: it stands in another runbook.
    #[must_use]
    pub fn name_of<'s>(&self, step: &'s StepId) -> Option<&'s str> {
        let name = match &self.call {
            None => step.as_str(),
            Some(call) => step.as_str().strip_prefix(call.as_str())?.strip_prefix('.')?,
        };
        (!name.contains('.')).then_some(name)
    }
}

/// The result that reads directly: the only one, or that of the node's own host.
fn own<'r>(entries: &[&'r Entry], host: Option<&HostName>) -> Option<&'r Value> {
    match entries {
        [one] if one.hosts.as_ref().is_none_or(|hosts| hosts.len() == 1) => Some(&one.value),
        _ => {
            let is_own = |e: &&&Entry| host.is_some_and(|own| e.hosts.as_ref().is_some_and(|hosts| hosts.contains(own)));
            entries.iter().find(is_own).map(|e| e.value.as_ref())
        }
    }
}

/// One entry reads directly; several read as `.hosts` and `.all`, and directly for the node's own host.
fn together(entries: &[&Entry], host: Option<&HostName>) -> Value {
    let mut map = match own(entries, host) {
        Some(Value::Map(map)) => map.clone(),
        _ => flags(entries),
    };
    let sites = || entries.iter().flat_map(|e| e.sites());
    let by_host = sites().filter_map(|s| Some((s.host?.to_string(), s.value.clone()))).collect();
    map.insert("hosts".to_owned(), Value::Map(by_host));
    map.insert("all".to_owned(), Value::List(sites().map(|s| s.value.clone()).collect()));
    Value::Map(map)
}

/// What the results of several hosts come to.
fn flags(entries: &[&Entry]) -> BTreeMap<String, Value> {
    let of = |name: &str| entries.iter().map(|e| e.value.field(name)).collect::<Vec<_>>();
    let any = |name: &str| match of(name) {
        flags if flags.contains(&Some(Value::Bool(true))) => Value::Bool(true),
        flags if flags.contains(&Some(Value::Unknown)) => Value::Unknown,
        _ => Value::Bool(false),
    };
    let all_ok = match of("ok") {
        flags if flags.iter().all(|f| *f == Some(Value::Bool(true))) => Value::Bool(true),
        flags if flags.iter().all(|f| matches!(f, Some(Value::Bool(true) | Value::Unknown))) => Value::Unknown,
        _ => Value::Bool(false),
    };
    let pairs = [
        ("ok", all_ok),
        ("failed", any("failed")),
        ("skipped", any("skipped")),
        ("changed", any("changed")),
    ];
    pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()
}

/// A turn is ok when all its steps are, or were not needed; failed or changed when any is.
fn merge_turn(so_far: &Value, key: &str, step: &Value) -> Value {
    let flag = |v: &Value, name: &str, absent: bool| v.field(name).and_then(|f| f.as_bool()).unwrap_or(absent);
    Value::map([
        ("key", Value::text(key)),
        (
            "ok",
            Value::Bool(flag(so_far, "ok", true) && (flag(step, "ok", false) || flag(step, "skipped", false))),
        ),
        ("failed", Value::Bool(flag(so_far, "failed", false) || flag(step, "failed", false))),
        (
            "changed",
            Value::Bool(flag(so_far, "changed", false) || flag(step, "changed", false)),
        ),
    ])
}

/// What the run itself offers to texts: `run.id`, `run.hosts.*`, `run.failure.*`.
#[derive(Clone, Debug, Default)]
pub struct RunFacts {
    /// `#12`; empty while planning.
    pub id: String,
    /// Hosts the plan touches.
    pub planned: Arc<Vec<HostName>>,
    /// Hosts where something was changed.
    pub changed: Vec<HostName>,
    /// step, host, summary of the first failure.
    pub failure: Option<(String, String, String)>,
    /// What `now()` says.
    pub now: Timestamp,
    /// Loops that have no turn: `steps.LOOP.all` is an empty list.
    pub empty_loops: Vec<StepId>,
    /// Loops that may go on without some turns; while planning, which ones is not known.
    pub forgiving_loops: Vec<StepId>,
    /// The run is still to come: its number, what it changes and why it fails are unknown.
    pub ahead: bool,
}

/// What every text of a runbook sees alike.
#[derive(Clone, Debug, Default)]
pub struct Ground {
    params: Arc<Value>,
    groups: Arc<Value>,
}

impl Ground {
    /// Of these parameters and hosts.
    #[must_use]
    pub fn new(params: &BTreeMap<String, Value>, inventory: &Inventory) -> Ground {
        Ground {
            params: Arc::new(Value::Map(params.clone())),
            groups: Arc::new(groups(inventory)),
        }
    }

    /// The same hosts, other parameters: those of a called runbook.
    #[must_use]
    pub fn with(&self, params: &BTreeMap<String, Value>) -> Ground {
        Ground {
            params: Arc::new(Value::Map(params.clone())),
            groups: self.groups.clone(),
        }
    }
}

/// Everything a node's texts and expressions can see, but for `result` and `results`.
#[must_use]
pub fn scope(ground: &Ground, results: &Results, run: &RunFacts, place: Viewpoint, bindings: &BTreeMap<String, Value>) -> Scope {
    let mut scope = Scope::new();
    scope.set("params", ground.params.clone());
    let steps = Steps {
        results: results.clone(),
        empty: run.empty_loops.clone(),
        forgiving: run.forgiving_loops.clone(),
        place,
    };
    scope.set_in_parts("steps", Arc::new(steps));
    scope.set(NOW, Value::Int(run.now.0.div_euclid(1000)));
    scope.set("groups", ground.groups.clone());
    let run = run.clone();
    scope.set_when_asked("run", move || run_value(&run));
    // `validate: [php, -l, "{{file}}"]`: whoever puts the file in place fills in its temporary name.
    scope.set("file", Value::text("{{file}}"));
    for (name, value) in bindings {
        scope.set(name.clone(), value.clone());
    }
    scope
}

/// `steps`. With many hosts this is by far the largest of all; most texts ask for one field of one step.
#[derive(Debug)]
struct Steps {
    results: Results,
    empty: Vec<StepId>,
    forgiving: Vec<StepId>,
    place: Viewpoint,
}

impl Steps {
    /// A loop without turns has an empty list; of turns that may fail, which ones do is not known.
    fn looped(&self, steps: Value) -> Value {
        let named = |list: &'_ [StepId]| {
            list.iter()
                .filter_map(|l| self.place.name_of(l))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let steps = with_empty_loops(steps, named(&self.empty).iter().map(String::as_str));
        with_unknown_turns(steps, named(&self.forgiving).iter().map(String::as_str))
    }

    fn is_loop(&self, name: &str) -> bool {
        let id = self.place.id_of(name);
        self.empty.contains(&id) || self.forgiving.contains(&id)
    }
}

impl Parts for Steps {
    fn part(&self, name: &str, field: Option<&str>) -> Option<Value> {
        if self.is_loop(name) {
            return None;
        }
        match field {
            None => self.results.step(&self.place, name),
            Some(field) => {
                let direct = self.results.field(&self.place, name, field);
                direct.or_else(|| self.results.step(&self.place, name)?.field(field))
            }
        }
    }

    fn whole(&self) -> Value {
        self.looped(self.results.visible(&self.place))
    }
}

fn with_empty_loops<'l>(steps: Value, loops: impl Iterator<Item = &'l str>) -> Value {
    let Value::Map(mut map) = steps else { return steps };
    for name in loops {
        map.entry(name.to_owned())
            .or_insert_with(|| Value::map([("all", Value::List(Vec::new()))]));
    }
    Value::Map(map)
}

fn with_unknown_turns<'l>(steps: Value, loops: impl Iterator<Item = &'l str>) -> Value {
    let Value::Map(mut map) = steps else { return steps };
    for name in loops {
        if let Some(Value::Map(fields)) = map.get_mut(name)
            && let Some(Value::List(turns)) = fields.get_mut("all")
        {
            for turn in turns {
                if let Value::Map(turn) = turn {
                    turn.insert(String::from("ok"), Value::Unknown);
                    turn.insert(String::from("failed"), Value::Unknown);
                }
            }
        }
    }
    Value::Map(map)
}

fn names(hosts: &[HostName]) -> Value {
    Value::List(hosts.iter().map(|h| Value::text(h.as_str())).collect())
}

fn groups(inventory: &Inventory) -> Value {
    Value::Map(
        inventory
            .groups
            .iter()
            .map(|(name, hosts)| (name.0.clone(), names(hosts)))
            .collect(),
    )
}

fn run_value(run: &RunFacts) -> Value {
    let later = |value: Value| if run.ahead { Value::Unknown } else { value };
    let unchanged: Vec<HostName> = run.planned.iter().filter(|h| !run.changed.contains(h)).cloned().collect();
    let hosts = Value::map([
        ("planned", names(&run.planned)),
        ("changed", later(names(&run.changed))),
        ("unchanged", later(names(&unchanged))),
    ]);
    let (step, host, summary) = run.failure.clone().unwrap_or_default();
    let failure = Value::map([
        ("step", later(Value::text(step))),
        ("host", later(Value::text(host))),
        ("summary", later(Value::text(summary))),
    ]);
    Value::map([("id", later(Value::text(run.id.clone()))), ("hosts", hosts), ("failure", failure)])
}

/// `run` for a text that is only shown before the run: three dots stand for what the run will tell.
#[must_use]
pub fn run_in_a_preview(planned: &[HostName]) -> Value {
    let dots = || Value::text("…");
    let hosts = Value::map([("planned", names(planned)), ("changed", dots()), ("unchanged", dots())]);
    let failure = Value::map([("step", dots()), ("host", dots()), ("summary", dots())]);
    Value::map([("id", dots()), ("hosts", hosts), ("failure", failure)])
}
