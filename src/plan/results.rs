//! Results of nodes, and what a node sees of them: the `steps` of texts and expressions.
//!
//! Used while planning (predicted results) and while running (real ones); knows nothing of either.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::clock::Timestamp;
use crate::base::id::{HostName, StepId};
use crate::base::value::Value;
use crate::lang::expression::NOW;
use crate::model::inventory::Inventory;
use crate::model::plan::{Node, Turn};
use crate::model::text::Scope;

/// All results so far. A copy is cheap: it shares what it holds.
#[derive(Clone, Debug, Default)]
pub struct Results {
    entries: BTreeMap<StepId, Arc<Vec<Arc<Entry>>>>,
}

#[derive(Clone, Debug)]
struct Entry {
    turns: Vec<Turn>,
    host: Option<HostName>,
    value: Arc<Value>,
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
        self.set_of(&node.step, &node.turns, node.host.as_ref(), value);
    }

    /// As [`Results::set`], of a step that is no node of the plan.
    pub fn set_of(&mut self, step: &StepId, turns: &[Turn], host: Option<&HostName>, value: Value) {
        let list = Arc::make_mut(self.entries.entry(step.clone()).or_default());
        let entry = Arc::new(Entry {
            turns: turns.to_vec(),
            host: host.cloned(),
            value: Arc::new(value),
        });
        match list.iter_mut().find(|e| e.turns == turns && e.host.as_ref() == host) {
            Some(former) => *former = entry,
            None => list.push(entry),
        }
    }

    /// The map `steps` as seen from a place: the steps of its own runbook, by the names that they have there.
    #[must_use]
    pub fn visible(&self, place: &Viewpoint) -> Value {
        let (turns, host) = (place.turns.as_slice(), place.host.as_ref());
        let mut steps = BTreeMap::new();
        let mut loops: BTreeMap<StepId, BTreeMap<String, Value>> = BTreeMap::new();
        for (step, entries) in &self.entries {
            let seen: Vec<&Entry> = entries.iter().map(Arc::as_ref).filter(|e| turns.starts_with(&e.turns)).collect();
            if let (Some(name), false) = (place.name_of(step), seen.is_empty()) {
                steps.insert(name.to_owned(), together(&seen, host));
            }
            for entry in entries.iter().filter(|e| !turns.starts_with(&e.turns)) {
                if let Some(turn) = entry
                    .turns
                    .iter()
                    .zip(0..)
                    .find(|(_, i)| turns.get(*i) != entry.turns.get(*i))
                    .map(|(t, _)| t)
                    .filter(|t| place.name_of(&t.step).is_some())
                {
                    let slot = loops
                        .entry(turn.step.clone())
                        .or_default()
                        .entry(turn.key.clone())
                        .or_insert(Value::Null);
                    *slot = merge_turn(slot, &turn.key, &entry.value);
                }
            }
        }
        for (step, by_key) in loops {
            let all = Value::List(by_key.into_values().collect());
            steps.insert(place.name_of(&step).unwrap_or_default().to_owned(), Value::map([("all", all)]));
        }
        Value::Map(steps)
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

/// One entry reads directly; several read as `.hosts` and `.all`, and directly for the node's own host.
fn together(entries: &[&Entry], host: Option<&HostName>) -> Value {
    let own = match entries {
        [one] => Some(*one),
        _ => entries.iter().find(|e| host.is_some() && e.host.as_ref() == host).copied(),
    };
    let mut map = match own.map(|e| e.value.as_ref()) {
        Some(Value::Map(map)) => map.clone(),
        _ => {
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
    };
    let by_host = entries
        .iter()
        .filter_map(|e| e.host.as_ref().map(|h| (h.0.clone(), e.value.as_ref().clone())))
        .collect();
    map.insert("hosts".to_owned(), Value::Map(by_host));
    map.insert(
        "all".to_owned(),
        Value::List(entries.iter().map(|e| e.value.as_ref().clone()).collect()),
    );
    Value::Map(map)
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

/// Everything a node's texts and expressions can see, but for `result` and `results`.
#[must_use]
pub fn scope(
    params: &Arc<Value>,
    inventory: &Inventory,
    results: &Results,
    run: &RunFacts,
    place: Viewpoint,
    bindings: &BTreeMap<String, Value>,
) -> Scope {
    let mut scope = Scope::new();
    scope.set("params", params.clone());
    // With many hosts this is by far the largest; most texts ask only for a parameter or a loop variable.
    let (results, empty, forgiving) = (results.clone(), run.empty_loops.clone(), run.forgiving_loops.clone());
    scope.set_when_asked("steps", move || {
        let steps = with_empty_loops(results.visible(&place), empty.iter().filter_map(|l| place.name_of(l)));
        with_unknown_turns(steps, forgiving.iter().filter_map(|l| place.name_of(l)))
    });
    scope.set(NOW, Value::Int(run.now.0.div_euclid(1000)));
    scope.set("groups", groups(inventory));
    let run = run.clone();
    scope.set_when_asked("run", move || run_value(&run));
    // `validate: [php, -l, "{{file}}"]`: whoever puts the file in place fills in its temporary name.
    scope.set("file", Value::text("{{file}}"));
    for (name, value) in bindings {
        scope.set(name.clone(), value.clone());
    }
    scope
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
