//! Steps × hosts × turns into nodes, in an order in which they may run, each forecast on the predicted state of those before it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::alike::Kinds;
use super::bind::{self, Hosts, World};
use super::capacity;
use super::forecast::Site;
use super::invariants::Watching;
use super::judge::{self, Truth};
use super::predicted::Predicted;
use super::races::{self, Races, Touch};
use super::results::{self, Ground, Results, RunFacts, Viewpoint};
use super::{PlanInput, Seen, digest, returns};
use crate::base::id::{HostName, RowId, StepId};
use crate::base::value::Value;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::lang::expression;
use crate::model::convert;
use crate::model::inventory::Share;
use crate::model::operation::Operation;
use crate::model::plan::{Forecast, Node, Plan, Refusal, Section, Shared, Turn, row_id};
use crate::model::runbook::{Batch, Body, Call, Loop, LoopOver, Pace, Runbook, Step};
use crate::model::text::{Expression, Scope};

/// What came of going through the steps once.
pub(super) enum Round {
    Done(Box<Plan>),
    Needs(Vec<Operation>),
    /// Go through them again: the forecasts of these are left to the run.
    Races(Races),
}

pub(super) struct Planner<'a> {
    pub(super) input: PlanInput<'a>,
    pub(super) seen: &'a Seen,
    pub(super) world: World<'a>,
    ground: Ground,
    pub(super) predicted: Predicted,
    pub(super) results: Results,
    pub(super) nodes: Vec<Node>,
    pub(super) needs: Vec<Operation>,
    pub(super) refusals: Vec<Refusal>,
    pub(super) warnings: BTreeSet<String>,
    empty_loops: Vec<StepId>,
    pub(super) forgiving_loops: Vec<StepId>,
    pub(super) watching: Vec<Watching<'a>>,
    pub(super) diagnostics: Diagnostics,
    /// Hosts that the nodes so far touch.
    pub(super) planned: PlannedHosts,
    /// Calls that will or may happen, in the order of the plan.
    pub(super) calls: Vec<Place>,
    pub(super) races: &'a Races,
    pub(super) touches: Vec<Touch>,
    pub(super) kinds: Kinds,
    /// Those of the last step that had one result for all; the next step's are often the same.
    pub(super) last_hosts: Option<Arc<[HostName]>>,
}

/// The hosts that the work touches. Asked for at every node, so it goes on where it stopped.
#[derive(Default)]
pub(super) struct PlannedHosts(RefCell<Counted>);

#[derive(Default)]
struct Counted {
    nodes: usize,
    known: HashSet<HostName>,
    hosts: Arc<Vec<HostName>>,
}

impl PlannedHosts {
    /// In the order in which `nodes` meet them; nodes are only ever added.
    pub(super) fn so_far(&self, nodes: &[Node]) -> Arc<Vec<HostName>> {
        let counted = &mut *self.0.borrow_mut();
        let new = nodes.get(counted.nodes..).unwrap_or_default();
        counted.nodes = nodes.len();
        for host in new.iter().filter(|n| n.section.is_work()).flat_map(Node::touches) {
            if !counted.known.contains(host) {
                counted.known.insert(host.clone());
                Arc::make_mut(&mut counted.hosts).push(host.clone());
            }
        }
        counted.hosts.clone()
    }
}

/// Where in the runbook we are.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) section: Section,
    pub(super) turns: Vec<Turn>,
    pub(super) bindings: BTreeMap<String, Value>,
    pub(super) loop_host: Option<HostName>,
    /// `when` of the loops around that stand in the same runbook, outermost first.
    pub(super) conditions: Vec<Expression>,
    /// The call around it.
    pub(super) call: Option<StepId>,
    /// It is what a called runbook requires.
    pub(super) require: bool,
    /// Conditions of the calls around it that only the run can judge.
    pub(super) perhaps: Vec<String>,
}

impl Place {
    /// Outside all loops and calls.
    pub(super) fn at(section: Section) -> Place {
        Place {
            section,
            turns: Vec::new(),
            bindings: BTreeMap::new(),
            loop_host: None,
            conditions: Vec::new(),
            call: None,
            require: false,
            perhaps: Vec::new(),
        }
    }
}

/// What must have ended before the first nodes of a list start.
#[derive(Clone, Default)]
pub(super) struct Entry {
    pub(super) needs: Vec<RowId>,
    pub(super) pause: Option<Duration>,
}

/// One turn to be expanded.
struct PlannedTurn {
    key: String,
    value: Value,
    host: Option<HostName>,
}

impl<'a> Planner<'a> {
    pub(super) fn new(input: PlanInput<'a>, seen: &'a Seen, races: &'a Races) -> Planner<'a> {
        Planner {
            input,
            seen,
            world: World {
                runbook: input.runbook,
                inventory: input.inventory,
                catalog: input.catalog,
            },
            ground: Ground::new(input.params, input.inventory),
            predicted: Predicted::default(),
            results: Results::default(),
            nodes: Vec::new(),
            needs: Vec::new(),
            refusals: Vec::new(),
            warnings: BTreeSet::new(),
            empty_loops: Vec::new(),
            forgiving_loops: Vec::new(),
            watching: input.runbook.invariants.iter().map(Watching::new).collect(),
            diagnostics: Diagnostics::new(),
            planned: PlannedHosts::default(),
            calls: Vec::new(),
            races,
            touches: Vec::new(),
            kinds: Kinds::of(input.inventory),
            last_hosts: None,
        }
    }

    pub(super) fn run(mut self) -> Result<Round, Diagnostics> {
        let runbook = self.input.runbook;
        let mut before = Entry::default();
        let sections = [
            (Section::Require, &runbook.require),
            (Section::Steps, &runbook.steps),
            (Section::Verify, &runbook.verify),
            (Section::OnFailure, &runbook.on_failure),
            (Section::Finally, &runbook.finally),
        ];
        for (section, steps) in sections {
            let place = Place::at(section);
            if section == Section::Steps {
                self.watch_from(None);
            }
            self.aftermath_of_calls(section);
            // What happens after a failure does not wait for the road to success; the engine starts it.
            let entry = if section.is_work() { before.clone() } else { Entry::default() };
            let nodes = self.list(steps, &place, &entry);
            if !nodes.is_empty() {
                before.needs = nodes;
            }
        }
        // What looks wrong now may be right once everything has been seen.
        if self.diagnostics.has_errors() && self.needs.is_empty() {
            return Err(self.diagnostics);
        }
        self.finish()
    }

    fn finish(mut self) -> Result<Round, Diagnostics> {
        returns::link(self.input.runbook, &mut self.nodes);
        let invariants = self.watches();
        let pools = self.pools_now();
        if !self.needs.is_empty() {
            self.needs.dedup();
            return Ok(Round::Needs(self.needs));
        }
        // Without a look nothing is forecast by what stands there now.
        let mut races = match self.input.offline {
            true => Races::new(),
            false => races::find(&self.nodes, &self.touches),
        };
        races.retain(|node, _| !self.races.contains_key(node));
        if !races.is_empty() {
            return Ok(Round::Races(races));
        }
        // Work comes first in the list.
        let work = self.nodes.iter().take_while(|n| n.section.is_work()).count();
        self.refusals.extend(capacity::refusals(&self.nodes[..work], &pools));
        let timeline = capacity::timeline(&self.nodes[..work], &pools);
        for (node, after) in self.nodes.iter_mut().zip(timeline).filter(|(_, after)| !after.is_empty()) {
            node.after = after;
        }
        let forecasts = self.pool_forecasts(&pools);
        // One cause is told once, however many steps meet it.
        let mut told = BTreeSet::new();
        self.refusals.retain(|r| told.insert(r.message.clone()));
        let mut plan = Plan {
            runbook: self.input.runbook.name.clone(),
            description: self.input.runbook.description.clone(),
            digest: String::new(),
            made_at: self.input.now,
            offline: self.input.offline,
            params: self.input.params.clone(),
            nodes: self.nodes,
            pools: forecasts,
            refusals: self.refusals,
            warnings: self.warnings.into_iter().collect(),
            invariants,
            empty_loops: self.empty_loops,
            kept_turns: Vec::new(),
        };
        plan.kept_turns = kept_turns(self.input.runbook, &plan);
        let hosts = plan.changed_hosts().len();
        if let Some(most) = self.input.max_hosts.filter(|most| hosts > *most) {
            plan.refusals.push(Refusal {
                node: None,
                message: format!("the plan changes {hosts} hosts; at most {most} are allowed"),
                counterexample: Vec::new(),
                order: Vec::new(),
                instead: Some(String::from(
                    "narrow it with --limit, or raise `limits: { max_hosts }` in the configuration",
                )),
            });
        }
        plan.digest = digest::digest(&plan, self.input.text, self.input.inventory);
        Ok(Round::Done(Box::new(plan)))
    }

    /// Expands a list of steps; gives what must have ended for all of it to be over.
    pub(super) fn list(&mut self, steps: &[Step], place: &Place, entry: &Entry) -> Vec<RowId> {
        let mut made: HashMap<StepId, Entry> = HashMap::new();
        let mut all = Vec::new();
        for step in in_order(steps) {
            let before = self.before(step, &made, entry);
            if place.section == Section::Steps {
                self.watch_from(Some(&step.id));
            }
            let nodes = match &step.body {
                Body::Loop(l) => self.turns(step, l, place, &before),
                Body::Action(call) => self.action(step, call, place, &before),
                Body::Approve(_) | Body::Manual(_) | Body::Decide(_) => vec![self.control(step, steps, place, &before)],
                Body::Call(called) => self.call(step, called, place, &before),
            };
            all.extend(nodes.iter().cloned());
            // A step that means no host at all passes its own predecessors on.
            let after = if nodes.is_empty() {
                before
            } else {
                Entry { needs: nodes, pause: None }
            };
            made.insert(step.id.clone(), after);
        }
        all
    }

    fn before(&self, step: &Step, made: &HashMap<StepId, Entry>, entry: &Entry) -> Entry {
        let known: Vec<&Entry> = step.needs.iter().filter_map(|id| made.get(id)).collect();
        if known.is_empty() {
            return entry.clone();
        }
        let mut needs: Vec<RowId> = known.iter().flat_map(|e| e.needs.iter().cloned()).collect();
        needs.sort();
        needs.dedup();
        Entry {
            needs,
            pause: known.iter().filter_map(|e| e.pause).max(),
        }
    }

    pub(super) fn scope(&self, place: &Place, host: Option<&HostName>) -> Scope {
        let facts = RunFacts {
            planned: self.planned.so_far(&self.nodes),
            now: self.input.now,
            empty_loops: self.empty_loops.clone(),
            forgiving_loops: self.forgiving_loops.clone(),
            ahead: true,
            ..RunFacts::default()
        };
        results::scope(
            &self.ground,
            &self.results,
            &facts,
            Viewpoint {
                call: place.call.clone(),
                turns: place.turns.clone(),
                host: host.cloned(),
            },
            &place.bindings,
        )
    }

    fn action(&mut self, step: &Step, call: &Call, place: &Place, before: &Entry) -> Vec<RowId> {
        let scope = self.scope(place, place.loop_host.as_ref());
        let hosts = bind::kind(self.world, call)
            .and_then(|kind| bind::hosts(self.world, step, kind.signature().runs_on, &scope, place.loop_host.as_ref()));
        let hosts = match hosts {
            Ok(hosts) => hosts,
            Err(diagnostic) => {
                self.diagnostics.push(diagnostic);
                return Vec::new();
            }
        };
        let over_all = step.that.as_ref().is_some_and(|t| t.over_all);
        let mut node = new_node(step, place, None, before);
        node.action = call.action.value.clone();
        let row = node.row.clone();
        if let Hosts::Each(list) = hosts {
            let list = self.limited(step, list);
            if list.is_empty() && !over_all {
                return Vec::new();
            }
            if !over_all {
                self.on_each(step, call, place, &node, list);
                return vec![row];
            }
            node.reaches = list;
        }
        let scope = self.scope(place, None);
        match self.forecast_at(step, call, place, &scope, &mut node) {
            Ok(result) => self.results.set(&node, result),
            Err(diagnostic) => self.diagnostics.push(diagnostic),
        }
        self.watch(&node);
        self.nodes.push(node);
        vec![row]
    }

    pub(super) fn forecast_at(
        &mut self,
        step: &Step,
        call: &Call,
        place: &Place,
        scope: &Scope,
        node: &mut Node,
    ) -> Result<Value, Diagnostic> {
        let site = Site { step, call, place, scope };
        let result = self.forecast(&site, node);
        self.way_back(step, node, scope);
        result
    }

    /// Rights that come from the inventory stand nowhere in the runbook.
    fn say_who_works(&mut self, step: &Step, host: &HostName) {
        let named = step.run_as.is_some() || self.input.runbook.home_of(&step.id).run_as.is_some();
        let default = self.input.inventory.hosts.get(host).and_then(|h| h.run_as.as_ref());
        if let Some(user) = default.filter(|_| !named) {
            self.warnings.insert(format!(
                "{host}: steps without `run_as` work as `{user}` there, as the inventory says"
            ));
        }
    }

    /// Leaves out hosts under maintenance and those beyond `--limit`.
    fn limited(&mut self, step: &Step, hosts: Vec<HostName>) -> Vec<HostName> {
        let wanted = hosts.len();
        let mut kept = Vec::new();
        for host in hosts {
            let maintenance = self.input.inventory.hosts.get(&host).and_then(|h| h.maintenance.clone());
            if let Some(reason) = maintenance {
                self.warnings.insert(format!("{host} is left out: under maintenance ({reason})"));
            } else if self.input.limit.is_none_or(|limit| limit.contains(&host)) {
                self.say_who_works(step, &host);
                kept.push(host);
            }
        }
        if kept.is_empty() && wanted > 0 && !step.allow_empty {
            self.refusals.push(Refusal {
                node: None,
                message: format!("step `{}` has no host left after --limit and maintenance", step.id),
                counterexample: Vec::new(),
                order: Vec::new(),
                instead: Some(String::from("widen --limit, or say `allow_empty: true` if the step may do nothing")),
            });
        }
        kept
    }

    fn turns(&mut self, step: &Step, l: &Loop, place: &Place, before: &Entry) -> Vec<RowId> {
        let turns = match self.planned_turns(step, l, place) {
            Ok(turns) => turns,
            Err(diagnostic) => {
                self.diagnostics.push(diagnostic);
                return Vec::new();
            }
        };
        if turns.is_empty() {
            self.empty_loops.push(step.id.clone());
        }
        if l.max_failures != Share::Count(0) {
            self.forgiving_loops.push(step.id.clone());
        }
        let sizes = match self.batches(l, place, turns.len()) {
            Ok(sizes) => sizes,
            Err(diagnostic) => {
                self.diagnostics.push(diagnostic);
                return Vec::new();
            }
        };
        let mut done: Vec<Vec<RowId>> = Vec::new();
        for (i, turn) in turns.into_iter().enumerate() {
            let waits = sizes.waits_for(i);
            let mut entry = before.clone();
            if !waits.is_empty() {
                entry.needs = waits.clone().flat_map(|t| done[t].iter().cloned()).chain(entry.needs).collect();
                entry.needs.dedup();
                entry.pause = (l.pause > Duration::ZERO).then_some(l.pause);
            }
            let mut inner = place.clone();
            inner.turns.push(Turn {
                step: step.id.clone(),
                key: turn.key,
            });
            inner.bindings.insert(l.variable.clone(), turn.value);
            inner.loop_host = turn.host.or(inner.loop_host);
            inner.conditions.extend(step.when.clone());
            done.push(self.list(&l.steps, &inner, &entry));
        }
        done.concat()
    }

    fn planned_turns(&mut self, step: &Step, l: &Loop, place: &Place) -> Result<Vec<PlannedTurn>, Diagnostic> {
        let scope = self.scope(place, place.loop_host.as_ref());
        match &l.over {
            LoopOver::Hosts(text) => {
                let hosts = bind::select(self.world, text, &scope, step.allow_empty)?;
                let hosts = self.limited(step, hosts);
                let value = |h: &HostName| {
                    self.input
                        .inventory
                        .hosts
                        .get(h)
                        .map_or(Value::text(h.as_str()), |host| host.to_value())
                };
                Ok(hosts
                    .into_iter()
                    .map(|h| PlannedTurn {
                        key: h.to_string(),
                        value: value(&h),
                        host: Some(h),
                    })
                    .collect())
            }
            // What the items are read from may not be there, either.
            LoopOver::Items(_) if self.is_skipped(step, place, &scope)? => Ok(Vec::new()),
            LoopOver::Items(e) => {
                let value = expression::eval(e, &scope)
                    .map_err(|error| Diagnostic::error("RB0707", e.span, format!("cannot evaluate `items`: {error}")))?;
                match value {
                    Value::List(items) => Ok(item_turns(items)),
                    _ if self.input.offline => {
                        self.warnings.insert(format!(
                            "the turns of `{}` depend on what a probe shows; offline they are left out",
                            step.id
                        ));
                        Ok(Vec::new())
                    }
                    // The probe it depends on has not been looked at yet; the next round knows.
                    _ if !self.needs.is_empty() => Ok(Vec::new()),
                    // It could not look; that is why the plan is refused.
                    _ if !self.refusals.is_empty() => Ok(Vec::new()),
                    other => Err(
                        Diagnostic::error("RB0708", e.span, "the items of a loop must be known before the run")
                            .label(format!("this is {}", convert::describe(&other)))
                            .help("use a literal, a parameter, or the result of a probe that does not depend on a change"),
                    ),
                }
            }
        }
    }

    fn is_skipped(&self, step: &Step, place: &Place, scope: &Scope) -> Result<bool, Diagnostic> {
        for condition in place.conditions.iter().chain(&step.when) {
            if matches!(judge::condition(condition, scope)?, Truth::False(_)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn batches(&self, l: &Loop, place: &Place, turns: usize) -> Result<Batches, Diagnostic> {
        let list = match &l.pace {
            Pace::Parallel(n) => return Ok(Batches::Window((*n).max(1) as usize)),
            Pace::Batches(list) => list,
        };
        let scope = self.scope(place, None);
        let mut sizes = Vec::new();
        for batch in list {
            let share = match batch {
                Batch::Share(share) => *share,
                Batch::Text(text) => {
                    let value = bind::render(text, &scope)?;
                    convert::share(&value)
                        .map_err(|message| Diagnostic::error("RB0701", text.span, format!("`max_unavailable`: {message}")))?
                }
            };
            sizes.push(count(share, turns));
        }
        Ok(Batches::Groups(sizes))
    }
}

/// Which turns must have ended before a turn starts.
enum Batches {
    /// At most so many at once.
    Window(usize),
    /// Batch after batch; the last size repeats.
    Groups(Vec<usize>),
}

impl Batches {
    fn waits_for(&self, turn: usize) -> std::ops::Range<usize> {
        match self {
            Batches::Window(n) if turn >= *n => turn - n..turn - n + 1,
            Batches::Window(_) => 0..0,
            Batches::Groups(sizes) => {
                let (mut start, mut before, mut next) = (0, 0..0, sizes.iter());
                let mut size = 1;
                loop {
                    size = next.next().copied().unwrap_or(size).max(1);
                    if turn < start + size {
                        return before;
                    }
                    before = start..start + size;
                    start += size;
                }
            }
        }
    }
}

/// A percentage of turns is rounded down, but is at least one.
fn count(share: Share, turns: usize) -> usize {
    match share {
        Share::Count(n) => (n as usize).max(1),
        #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        Share::Percent(p) => ((turns as f64 * p / 100.0).floor() as usize).max(1),
    }
}

fn item_turns(items: Vec<Value>) -> Vec<PlannedTurn> {
    let keys = item_keys(&items);
    let turn = |(key, value)| PlannedTurn { key, value, host: None };
    keys.into_iter().zip(items).map(turn).collect()
}

/// Turns are told apart by name; a name that occurs again is numbered.
#[must_use]
pub fn item_keys(items: &[Value]) -> Vec<String> {
    let mut taken = BTreeSet::new();
    let key = |(i, value): (usize, &Value)| {
        let mut key = item_key(i, value);
        if !taken.insert(key.clone()) {
            key = format!("{key}#{}", i + 1);
            taken.insert(key.clone());
        }
        key
    };
    items.iter().enumerate().map(key).collect()
}

fn item_key(position: usize, item: &Value) -> String {
    match item.field("name").or_else(|| Some(item.clone())) {
        Some(Value::Text(name)) => name,
        Some(Value::Int(n)) => n.to_string(),
        _ => (position + 1).to_string(),
    }
}

/// File order, but a step that needs a later one comes after it. The compiler has refused cycles.
/// The unit of undo in a loop is the turn, unless the loop says `undo: all`.
fn kept_turns(runbook: &Runbook, plan: &Plan) -> Vec<StepId> {
    let loops: BTreeSet<&StepId> = plan.nodes.iter().flat_map(|n| &n.turns).map(|t| &t.step).collect();
    let kept = |id: &&StepId| matches!(runbook.step(id).map(|s| &s.body), Some(Body::Loop(l)) if !l.undo_finished);
    loops.into_iter().filter(kept).cloned().collect()
}

fn in_order(steps: &[Step]) -> Vec<&Step> {
    let mut left: Vec<&Step> = steps.iter().collect();
    let mut ordered: Vec<&Step> = Vec::new();
    while !left.is_empty() {
        let ready = left.iter().position(|s| {
            !s.needs
                .iter()
                .any(|need| left.iter().any(|other| &other.id == need && other.id != s.id))
        });
        ordered.push(left.remove(ready.unwrap_or(0)));
    }
    ordered
}

pub(super) fn new_node(step: &Step, place: &Place, host: Option<HostName>, before: &Entry) -> Node {
    let shared = Shared {
        row: row_id(&step.id, &place.turns),
        step: step.id.clone(),
        section: place.section,
        turns: place.turns.clone(),
        call: place.call.clone(),
        bindings: place.bindings.clone(),
        reaches: Vec::new(),
        needs: before.needs.clone(),
        name: String::new(),
        action: String::new(),
        arguments: crate::model::action::Arguments::default(),
        pause: before.pause,
        class: step.class,
        forecast: Forecast::AtRunTime { why: String::new() },
        diff: None,
        notes: Vec::new(),
        undo: crate::model::action::Undo::Nothing,
        owes: None,
        pool_effects: Vec::new(),
        after: Vec::new(),
    };
    Node::new(host, shared)
}
