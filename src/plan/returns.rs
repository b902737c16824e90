//! Links what takes to what gives back, for each turn and host.

use std::collections::{HashMap, HashSet};

use crate::base::id::{NodeId, StepId};
use crate::model::plan::{Node, Turn};
use crate::model::runbook::Runbook;

/// Fills in `owes` of every node whose step owes another.
pub(super) fn link(runbook: &Runbook, nodes: &mut [Node]) {
    let steps = runbook.all_steps();
    let owed: HashMap<&StepId, &StepId> = steps.iter().filter_map(|s| Some((&s.id, &s.owes.as_ref()?.step.value))).collect();
    let givers: HashSet<&StepId> = owed.values().copied().collect();
    let mut found: HashMap<(StepId, Vec<Turn>), Vec<usize>> = HashMap::new();
    for (i, node) in nodes.iter().enumerate().filter(|(_, n)| givers.contains(&n.step)) {
        found.entry((node.step.clone(), node.turns.clone())).or_default().push(i);
    }
    for i in 0..nodes.len() {
        let Some(giver) = owed.get(&nodes[i].step) else { continue };
        let in_turn = found.get(&((*giver).clone(), nodes[i].turns.clone()));
        let same_host = in_turn.and_then(|all| all.iter().find(|g| nodes[**g].host == nodes[i].host).or(all.first()));
        let id = same_host.map(|giver| nodes[*giver].id.clone());
        nodes[i].owes = id;
    }
}

/// The nodes whose checks say when it is safe to give back: an explicit guard has none of these; by default the probes with `that`
/// standing between taker and return, and the changing steps between them, whose own `verify` counts.
#[must_use]
pub fn between<'a>(nodes: &'a [Node], taker: &NodeId, giver: &NodeId) -> Vec<&'a Node> {
    let position = |id: &NodeId| nodes.iter().position(|n| &n.id == id);
    let (Some(t), Some(g)) = (position(taker), position(giver)) else {
        return Vec::new();
    };
    super::graph::between(nodes, t, g).into_iter().map(|i| &nodes[i]).collect()
}
