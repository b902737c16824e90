//! A plan: every step on every host with what it will do, and what that means for the pools.

use std::collections::{BTreeMap, HashSet};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::clock::Timestamp;
use crate::base::id::{HostName, NodeId, PoolName, RowId, StepId};
use crate::base::value::Value;
use crate::model::action::{Arguments, Class, Undo};

/// What would be done, in full.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The runbook's name.
    pub runbook: String,
    /// Its description.
    pub description: String,
    /// SHA-256 (hex) over everything that matters; see `plan::digest`.
    pub digest: String,
    /// When it was made.
    pub made_at: Timestamp,
    /// Made without touching a host.
    pub offline: bool,
    /// Parameters, as shown to people.
    pub params: BTreeMap<String, Value>,
    /// In an order in which they may run.
    #[serde(with = "super::rows")]
    pub nodes: Vec<Node>,
    /// The pools it touches, as observed.
    pub pools: Vec<PoolForecast>,
    /// Why it must not run; empty: it may.
    pub refusals: Vec<Refusal>,
    /// What people should know.
    pub warnings: Vec<String>,
    /// What must be true around every change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub invariants: Vec<Watch>,
    /// Loops that have no turn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub empty_loops: Vec<StepId>,
    /// Loops of which a finished turn stays when something fails later.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept_turns: Vec<StepId>,
}

impl Plan {
    /// The node with that id.
    #[must_use]
    pub fn node(&self, id: &NodeId) -> Option<&Node> {
        self.nodes.iter().find(|n| &n.id == id)
    }

    /// True for a gate at which something is to be done rather than to be agreed to: at a `manual` step, on the way back too.
    #[must_use]
    pub fn is_task(&self, gate: &NodeId) -> bool {
        match self.node(gate) {
            Some(node) => node.is_task(),
            None => gate.as_str().contains(UNDO),
        }
    }

    /// Hosts on which something will or may change, in the order of the nodes.
    #[must_use]
    pub fn changed_hosts(&self) -> Vec<HostName> {
        hosts_of(rows_of(&self.nodes).filter(|like| like[0].may_change()).flatten())
    }

    /// True when nothing will or may change, and nobody is given anything to do.
    #[must_use]
    pub fn nothing_to_do(&self) -> bool {
        let by_hand = |n: &Node| n.is_task() && matches!(n.forecast, Forecast::Asks { .. });
        !rows_of(&self.nodes).any(|like| like[0].section.is_work() && (like[0].may_change() || by_hand(&like[0])))
    }
}

/// An invariant, as the plan judged it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// The check: `invariants.1`.
    pub id: StepId,
    /// For people.
    pub name: String,
    /// The step that it starts at, if it names one.
    pub from: Option<StepId>,
    /// The first node that it covers, with all that stand after it; `None`: it covers none.
    pub since: Option<NodeId>,
    /// The last node that it covers; `None`: it holds to the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<NodeId>,
    /// Of a called runbook: the first node of the call, whose arguments are the parameters that it sees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<NodeId>,
    /// `holds now and after each step`, or why only the run can tell.
    pub standing: String,
}

/// The hosts that operations of these nodes go to, in their order.
#[must_use]
pub fn hosts_of<'n>(nodes: impl IntoIterator<Item = &'n Node>) -> Vec<HostName> {
    let (mut known, mut hosts): (HashSet<&HostName>, Vec<HostName>) = Default::default();
    for host in nodes.into_iter().flat_map(Node::touches) {
        if known.insert(host) {
            hosts.push(host.clone());
        }
    }
    hosts
}

/// One step on one host in one turn. What it has in common with other hosts of its step is kept once: read it as if it stood here;
/// a change to it is this node's alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its name.
    pub id: NodeId,
    /// The host it runs on; `None`: the controller or a pool's balancers.
    pub host: Option<HostName>,
    pub(super) shared: Arc<Shared>,
}

/// What a node has in common with those that do the same on other hosts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shared {
    /// The step in its turn.
    pub row: RowId,
    /// The step it comes from.
    pub step: StepId,
    /// Which part of the runbook.
    pub section: Section,
    /// The turns of the loops around it, outermost first.
    pub turns: Vec<Turn>,
    /// The call it belongs to: a step whose `params` and `steps` are the called runbook's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<StepId>,
    /// Loop variables it sees; in a called runbook, its parameters too.
    pub bindings: BTreeMap<String, Value>,
    /// Hosts its operations go to, when it has no host of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reaches: Vec<HostName>,
    /// What must have ended first, on all its hosts.
    pub needs: Vec<RowId>,
    /// For people.
    pub name: String,
    /// The action's name; `approve`, `manual` or `decide` where there is none, [`CALL`] and [`CALL_END`] around a called runbook's steps.
    pub action: String,
    /// Its arguments, rendered; what only the run can tell is unknown.
    #[serde(default, skip_serializing_if = "Arguments::is_empty")]
    pub arguments: Arguments,
    /// To wait after what it needs has ended (`pause` of a loop).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<Duration>,
    /// How dangerous.
    pub class: Class,
    /// What it will do.
    pub forecast: Forecast,
    /// Unified diff, where there is one.
    pub diff: Option<String>,
    /// What must be known beside it.
    pub notes: Vec<String>,
    /// What would be taken back if a later step failed.
    pub undo: Undo,
    /// The node that gives back what this one takes.
    pub owes: Option<NodeId>,
    /// What it does to pools.
    pub pool_effects: Vec<NodeEffect>,
    /// Members in service after it, per pool, on the path where every step does what it says.
    pub after: Vec<Capacity>,
}

impl Deref for Node {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}

impl DerefMut for Node {
    fn deref_mut(&mut self) -> &mut Shared {
        Arc::make_mut(&mut self.shared)
    }
}

/// What the first node of a call does: it says whether the called steps happen.
pub const CALL: &str = "call";
/// What the last node of a call does: it gives the outputs.
pub const CALL_END: &str = "call end";

impl Node {
    /// A step in its turn on this host.
    #[must_use]
    pub fn new(host: Option<HostName>, shared: Shared) -> Node {
        Node::of(host, Arc::new(shared))
    }

    pub(super) fn of(host: Option<HostName>, shared: Arc<Shared>) -> Node {
        Node {
            id: node_id(&shared.row, &shared.turns, host.as_ref()),
            host,
            shared,
        }
    }

    /// The same on another host.
    #[must_use]
    pub fn on(&self, host: HostName) -> Node {
        Node::of(Some(host), self.shared.clone())
    }

    /// Hosts its operations go to.
    #[must_use]
    pub fn touches(&self) -> &[HostName] {
        self.host.as_ref().map_or(&self.shared.reaches, std::slice::from_ref)
    }

    /// The same but for the host.
    #[must_use]
    pub fn is_like(&self, other: &Node) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared) || self.shared == other.shared
    }

    /// Keeps what both have in common once.
    pub fn share_with(&mut self, like: &Node) {
        if self.is_like(like) {
            self.shared = like.shared.clone();
        }
    }

    /// The first node of the call around this one.
    #[must_use]
    pub fn caller(&self) -> Option<NodeId> {
        let call = self.call.as_ref()?;
        Some(NodeId(row_id(call, outside(call, &self.turns)).0))
    }

    /// Part of the call that this first node of a call opens; calls inside it included.
    #[must_use]
    pub fn opens(&self, other: &Node) -> bool {
        let inside = |call: &StepId| *call == self.step || is_under(call, &self.step);
        self.action == CALL && other.call.as_ref().is_some_and(inside) && other.turns.starts_with(&self.turns)
    }

    /// True for something that a person does.
    #[must_use]
    pub fn is_task(&self) -> bool {
        self.action == "manual"
    }

    /// True when it will or may change something.
    #[must_use]
    pub fn may_change(&self) -> bool {
        match &self.forecast {
            Forecast::WillChange { .. } => true,
            Forecast::AtRunTime { .. } => self.class != Class::Probe,
            Forecast::Reads { .. }
            | Forecast::NothingToDo { .. }
            | Forecast::Skipped { .. }
            | Forecast::Asks { .. }
            | Forecast::Calls { .. }
            | Forecast::Decides { .. } => false,
        }
    }
}

/// `step`, `loop[key].step`, `call.step`.
#[must_use]
pub fn row_id(step: &StepId, turns: &[Turn]) -> RowId {
    // A loop in a called runbook stands in the same call as the steps of its turns; that is said once.
    let (mut path, mut said) = (String::new(), "");
    for turn in turns {
        path.push_str(&format!("{}[{}].", rest(said, &turn.step.0), turn.key));
        said = turn.step.0.rsplit_once('.').map_or("", |(call, _)| call);
    }
    path.push_str(rest(said, &step.0));
    RowId(path)
}

/// The row's name and the host's, which is left out where the turn already names it.
fn node_id(row: &RowId, turns: &[Turn], host: Option<&HostName>) -> NodeId {
    match host {
        Some(h) if turns.last().is_none_or(|t| t.key != h.as_str()) => NodeId([row.as_str(), "@", h.as_str()].concat()),
        _ => NodeId(row.0.clone()),
    }
}

/// Where people are asked for a step of a node's `undo:`; a later attempt asks anew.
#[must_use]
pub fn undo_gate(node: &NodeId, step: &str, attempt: u32) -> NodeId {
    let again = if attempt > 1 { format!(".{attempt}") } else { String::new() };
    NodeId(format!("{node}{UNDO}{step}{again}"))
}

const UNDO: &str = ".undo.";

/// True for a gate of [`undo_gate`] of this node.
#[must_use]
pub fn asks_to_undo(gate: &NodeId, node: &NodeId) -> bool {
    gate.as_str().strip_prefix(node.as_str()).is_some_and(|rest| rest.starts_with(UNDO))
}

fn rest<'s>(said: &str, id: &'s str) -> &'s str {
    id.strip_prefix(said).and_then(|r| r.strip_prefix('.')).unwrap_or(id)
}

/// True for a step of the runbook that `call` calls, and of those that it calls in turn.
fn is_under(step: &StepId, call: &StepId) -> bool {
    step.0.strip_prefix(&call.0).is_some_and(|rest| rest.starts_with('.'))
}

/// The turns of the loops around a call, without those inside it.
fn outside<'t>(call: &StepId, turns: &'t [Turn]) -> &'t [Turn] {
    let inner = turns.iter().position(|t| is_under(&t.step, call)).unwrap_or(turns.len());
    &turns[..inner]
}

/// A part of a runbook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Section {
    /// `require`
    Require,
    /// `steps`
    Steps,
    /// `verify`
    Verify,
    /// `on_failure`
    OnFailure,
    /// `finally`
    Finally,
}

impl Section {
    /// Part of the road to success.
    #[must_use]
    pub fn is_work(self) -> bool {
        matches!(self, Section::Require | Section::Steps | Section::Verify)
    }
}

/// One turn of a loop.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Turn {
    /// The loop.
    pub step: StepId,
    /// The host's name or the item's position or name.
    pub key: String,
}

/// `roll[web-02]`: the turns as they stand in the ids of nodes.
#[must_use]
pub fn turn_path(turns: &[Turn]) -> String {
    let parts: Vec<String> = turns.iter().map(|t| format!("{}[{}]", t.step, t.key)).collect();
    parts.join(".")
}

/// What only the run can tell because no host was looked at.
pub const OFFLINE: &str = "planned offline: nothing was looked at";
/// What a node that only looks says when there is nothing else to say.
pub const LOOKS: &str = "looks";

/// What a node will do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "certainty", rename_all = "snake_case")]
pub enum Forecast {
    /// Only looks; what it saw now.
    Reads {
        /// `ok now`, `200 OK`, …
        summary: String,
    },
    /// Will change something.
    WillChange {
        /// `web-01: ready → drain`
        summary: String,
    },
    /// Already as wanted.
    NothingToDo {
        /// What is so already.
        summary: String,
    },
    /// Depends on what only the run can tell.
    AtRunTime {
        /// On what.
        why: String,
    },
    /// Its condition is false.
    Skipped {
        /// Which.
        why: String,
    },
    /// Asks people.
    Asks {
        /// Whom and what.
        summary: String,
    },
    /// Begins or ends the steps of another runbook.
    Calls {
        /// Which, with which parameters; what it gives.
        summary: String,
    },
    /// Chooses a branch.
    Decides {
        /// Its word.
        is: String,
        /// What it was judged on.
        why: String,
    },
}

/// What a node does to one pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeEffect {
    /// The pool.
    pub pool: PoolName,
    /// The member.
    pub member: HostName,
    /// Takes, returns or disturbs.
    pub kind: EffectKind,
    /// What only the run can tell: it happens when all of this holds. Equal words hold together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub perhaps: Vec<String>,
}

/// Kinds of effects on a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectKind {
    /// Out until returned.
    Takes,
    /// In, verified.
    Returns,
    /// Out while the node runs.
    Disturbs,
}

/// Members in service at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capacity {
    /// The pool.
    pub pool: PoolName,
    /// Up and enabled.
    pub serving: usize,
    /// Not taken out by anybody.
    pub enabled: usize,
    /// All.
    pub total: usize,
    /// The least allowed.
    pub minimum: usize,
}

/// A pool as observed when the plan was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PoolForecast {
    /// Its numbers now.
    pub now: Capacity,
    /// Its members now, as `pool.status` shows them.
    pub members: Vec<Value>,
}

/// Something that happens to a node in an order of events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// The node.
    pub node: NodeId,
    /// What happens to it.
    pub what: Happening,
}

/// What happens to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Happening {
    /// It starts.
    Starts,
    /// It ends.
    Ends,
    /// It is left out, since a condition that only the run can judge is false.
    Skipped,
}

/// Why a plan must not run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The node at fault, if one is.
    pub node: Option<NodeId>,
    /// What is wrong.
    pub message: String,
    /// The order of events that shows it, one per line.
    pub counterexample: Vec<String>,
    /// That order as data, of the nodes that touch the pool; the last moment breaks the rule.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub order: Vec<Moment>,
    /// What would work.
    pub instead: Option<String>,
}

/// Neighbours that are the same but for the host.
pub fn rows_of(nodes: &[Node]) -> impl Iterator<Item = &[Node]> {
    nodes.chunk_by(Node::is_like)
}
