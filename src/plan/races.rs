//! Steps that do not wait for each other and meet at the same thing: which comes first, nobody can tell before the run.
//!
//! The planner goes through the steps in the order of the file. A step that reads what another one changes, with no order between the
//! two, may find it before or after that change; its forecast is left to the run.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::graph::Reach;
use crate::base::id::NodeId;
use crate::model::action::{ResourceKey, Scope};
use crate::model::plan::{Forecast, Node};

/// Nodes whose forecast is left to the run, each with one that it does not wait for.
pub(super) type Races = BTreeMap<NodeId, NodeId>;

/// What a node goes by and what it changes.
#[derive(Clone, Debug, Default)]
pub(super) struct Touch {
    pub(super) node: NodeId,
    /// Facts on which it is decided.
    pub(super) reads: Vec<ResourceKey>,
    /// Facts that it changes.
    pub(super) writes: Vec<ResourceKey>,
    /// Of these it may change anything.
    pub(super) clouds: Vec<Scope>,
}

impl Touch {
    /// Changes something that the other one goes by.
    fn disturbs(&self, other: &Touch) -> bool {
        other
            .reads
            .iter()
            .any(|key| self.clouds.contains(&key.scope) || self.writes.contains(key))
    }

    fn scopes(&self) -> BTreeSet<&Scope> {
        let keys = self.reads.iter().chain(&self.writes);
        keys.map(|key| &key.scope).chain(&self.clouds).collect()
    }
}

/// Those of the work that meet, but for what is left to the run already.
pub(super) fn find(nodes: &[Node], touches: &[Touch]) -> Races {
    let place: HashMap<&NodeId, usize> = nodes.iter().enumerate().map(|(i, n)| (&n.id, i)).collect();
    let mut by_scope: BTreeMap<&Scope, Vec<(usize, &Touch)>> = BTreeMap::new();
    for touch in touches {
        let Some(i) = place.get(&touch.node) else { continue };
        if nodes[*i].section.is_work() && !matches!(nodes[*i].forecast, Forecast::Skipped { .. }) {
            for scope in touch.scopes() {
                by_scope.entry(scope).or_default().push((*i, touch));
            }
        }
    }
    by_scope.retain(|_, all| all.len() > 1 && all.iter().any(|(_, t)| !t.writes.is_empty() || !t.clouds.is_empty()));
    let mut races = Races::new();
    if by_scope.is_empty() {
        return races;
    }
    let reach = Reach::among(nodes, &(0..nodes.len()).collect::<Vec<_>>());
    // The same step on two hosts is one thing that people wrote.
    let ordered = |i: usize, j: usize| nodes[i].row == nodes[j].row || reach.precedes(i, j) || reach.precedes(j, i);
    for all in by_scope.values() {
        for (i, writer) in all.iter().filter(|(_, t)| !t.writes.is_empty() || !t.clouds.is_empty()) {
            for (j, reader) in all.iter().filter(|(j, _)| !ordered(*i, *j)) {
                if writer.disturbs(reader) {
                    races.entry(nodes[*j].id.clone()).or_insert_with(|| nodes[*i].id.clone());
                }
            }
        }
    }
    races
}
