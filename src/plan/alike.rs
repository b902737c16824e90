//! Hosts on which a step surely does the same: it is forecast on one of them, and the others share what it came to.
//!
//! Only without a look at the hosts, where nothing but the inventory tells one from another. What differs from host to host is
//! forecast on each: rights, membership of a pool, what an earlier step came to, variables, and all that names the host.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::expand::{Place, Planner};
use super::results::Viewpoint;
use crate::base::id::HostName;
use crate::base::value::Value;
use crate::model::inventory::{Inventory, SETTINGS};
use crate::model::plan::{Forecast, Node, Shared};
use crate::model::runbook::{Call, Step};

/// What of the inventory tells hosts apart for a step that is not looked at.
#[derive(Debug, Default)]
pub(super) struct Kinds(HashMap<HostName, usize>);

impl Kinds {
    pub(super) fn of(inventory: &Inventory) -> Kinds {
        let members: BTreeSet<&HostName> = inventory.pools.values().flat_map(|p| p.members.iter().map(|m| &m.host)).collect();
        let mut numbers = HashMap::new();
        let mut kinds = HashMap::new();
        for host in inventory.hosts.values().filter(|h| !members.contains(&h.name)) {
            let rights = (&host.run_as, &host.user, host.login_is_enough);
            let means = (
                &host.service_manager,
                format!("{:?}", host.memory_from),
                SETTINGS.map(|name| host.setting(name)),
            );
            let next = numbers.len();
            kinds.insert(host.name.clone(), *numbers.entry((rights, means)).or_insert(next));
        }
        Kinds(kinds)
    }
}

/// Different results of a step, each with the hosts that have it.
type Outcomes = Vec<(Value, Vec<HostName>)>;

/// A node that others may share, and which outcome it has.
struct Model {
    node: Node,
    outcome: usize,
}

impl Planner<'_> {
    /// A node of the step for each host, in their order.
    pub(super) fn on_each(&mut self, step: &Step, call: &Call, place: &Place, template: &Node, hosts: Vec<HostName>) {
        let mut models: HashMap<usize, Model> = HashMap::new();
        let mut outcomes = Outcomes::new();
        for host in &hosts {
            let kind = self.kinds.0.get(host).copied().filter(|_| self.input.offline);
            if let Some(model) = kind.and_then(|kind| models.get(&kind)) {
                outcomes[model.outcome].1.push(host.clone());
                self.put(model.node.on(host.clone()));
                continue;
            }
            let mut node = template.on(host.clone());
            let refusals = self.refusals.len();
            let scope = self.scope(place, Some(host));
            let forecast = self.forecast_at(step, call, place, &scope, &mut node);
            let asked = scope.asked();
            drop(scope);
            match forecast {
                Ok(result) => {
                    let outcome = note(&mut outcomes, result, host);
                    let view = Viewpoint::of(&node);
                    let quiet = refusals == self.refusals.len();
                    let same = !asked.whole && asked.parts.iter().all(|name| self.results.same_for(&view, name, &hosts));
                    if let Some(kind) = kind.filter(|_| quiet && same && node.pool_effects.is_empty() && !names(&node, host)) {
                        models.insert(
                            kind,
                            Model {
                                node: node.clone(),
                                outcome,
                            },
                        );
                    }
                }
                Err(diagnostic) => self.diagnostics.push(diagnostic),
            }
            self.watch(&node);
            self.put(node);
        }
        self.keep(template, hosts, outcomes);
    }

    /// The results, at once where all hosts have the same.
    fn keep(&mut self, template: &Node, hosts: Vec<HostName>, outcomes: Outcomes) {
        match <[_; 1]>::try_from(outcomes) {
            Ok([(value, on)]) if on.len() == hosts.len() => {
                let known = self.last_hosts.take().filter(|last| **last == *hosts);
                let hosts: Arc<[HostName]> = known.unwrap_or_else(|| hosts.into());
                self.last_hosts = Some(hosts.clone());
                self.results.set_on(&template.step, &template.turns, Some(hosts), value);
            }
            Ok(one) => self.keep_each(template, &hosts, &one),
            Err(several) => self.keep_each(template, &hosts, &several),
        }
    }

    fn keep_each(&mut self, template: &Node, hosts: &[HostName], outcomes: &[(Value, Vec<HostName>)]) {
        let of: HashMap<&HostName, &Value> = outcomes.iter().flat_map(|(value, on)| on.iter().map(move |h| (h, value))).collect();
        for host in hosts {
            if let Some(value) = of.get(host) {
                self.results.set(&template.on(host.clone()), (*value).clone());
            }
        }
    }

    /// Adds a node; what it has in common with its neighbour is kept once.
    fn put(&mut self, mut node: Node) {
        if let Some(neighbour) = self.nodes.last() {
            node.share_with(neighbour);
        }
        self.nodes.push(node);
    }
}

/// Files a result; gives its place.
fn note(outcomes: &mut Outcomes, value: Value, host: &HostName) -> usize {
    let at = outcomes.iter().position(|(known, _)| *known == value).unwrap_or(outcomes.len());
    if at == outcomes.len() {
        outcomes.push((value, Vec::new()));
    }
    outcomes[at].1.push(host.clone());
    at
}

/// Something of it says on which host it is.
fn names(node: &Shared, host: &HostName) -> bool {
    let told = match &node.forecast {
        Forecast::Reads { summary }
        | Forecast::WillChange { summary }
        | Forecast::NothingToDo { summary }
        | Forecast::Asks { summary }
        | Forecast::Calls { summary } => summary,
        Forecast::AtRunTime { why } | Forecast::Skipped { why } | Forecast::Decides { why, .. } => why,
    };
    let mut texts = [told, &node.name].into_iter().chain(&node.notes).chain(&node.diff);
    texts.any(|text| text.contains(host.as_str())) || format!("{:?}{:?}", node.undo, node.owes).contains(host.as_str())
}
