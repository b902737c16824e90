//! Links what takes to what gives back, for each turn and host.

use crate::base::id::NodeId;
use crate::model::plan::Node;
use crate::model::runbook::{Owes, Runbook};

/// Fills in `owes` of every node whose step owes another.
pub(super) fn link(runbook: &Runbook, nodes: &mut [Node]) {
    let owing: Vec<(usize, Owes)> = nodes
        .iter()
        .enumerate()
        .filter_map(|(i, n)| Some((i, runbook.step(&n.step)?.owes.clone()?)))
        .collect();
    for (i, owes) in owing {
        let taker = &nodes[i];
        let found = nodes
            .iter()
            .filter(|n| n.step == owes.step.value && n.turns == taker.turns)
            .collect::<Vec<_>>();
        let same_host = found.iter().find(|n| n.host == taker.host).or(found.first());
        let id: Option<NodeId> = same_host.map(|n| n.id.clone());
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
