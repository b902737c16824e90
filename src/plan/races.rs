//! Steps that do not wait for each other and meet at the same thing: which comes first, nobody can tell before the run.
//!
//! The planner goes through the steps in the order of the file. A step that reads what another one changes, with no order between the
//! two, may find it before or after that change; its forecast is left to the run.

use std::collections::{BTreeMap, BTreeSet, HashMap};

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
    let order = Order::of(nodes);
    for all in by_scope.values() {
        for (i, writer) in all.iter().filter(|(_, t)| !t.writes.is_empty() || !t.clouds.is_empty()) {
            for (j, reader) in all.iter().filter(|(j, _)| !order.one_after_the_other(*i, *j)) {
                if writer.disturbs(reader) {
                    races.entry(nodes[*j].id.clone()).or_insert_with(|| nodes[*i].id.clone());
                }
            }
        }
    }
    races
}

/// Which row (a step in a turn, on all its hosts) waits for which.
struct Order {
    row: Vec<usize>,
    words: usize,
    bits: Vec<u64>,
}

impl Order {
    fn of(nodes: &[Node]) -> Order {
        let mut rows: HashMap<(&str, &[crate::model::plan::Turn], bool), usize> = HashMap::new();
        let mut row_of: HashMap<&NodeId, usize> = HashMap::new();
        let mut row = Vec::with_capacity(nodes.len());
        for node in nodes {
            let count = rows.len();
            let key = (
                node.step.as_str(),
                node.turns.as_slice(),
                node.action == crate::model::plan::CALL_END,
            );
            let number = *rows.entry(key).or_insert(count);
            row.push(number);
            row_of.insert(&node.id, number);
        }
        let words = rows.len().div_ceil(64);
        let mut bits = vec![0; words * rows.len()];
        let mut known = BTreeSet::new();
        // Nodes stand in an order in which they may run, and those of a row need the same.
        for (node, number) in nodes.iter().zip(&row) {
            if !known.insert(*number) {
                continue;
            }
            let before: BTreeSet<usize> = node.needs.iter().filter_map(|id| row_of.get(id)).copied().collect();
            for earlier in before {
                for w in 0..words {
                    bits[number * words + w] |= bits[earlier * words + w];
                }
                bits[number * words + earlier / 64] |= 1 << (earlier % 64);
            }
        }
        Order { row, words, bits }
    }

    /// One of them has ended before the other starts, or they are the same step on two hosts.
    fn one_after_the_other(&self, i: usize, j: usize) -> bool {
        let (a, b) = (self.row[i], self.row[j]);
        a == b || self.precedes(a, b) || self.precedes(b, a)
    }

    fn precedes(&self, first: usize, second: usize) -> bool {
        self.bits[second * self.words + first / 64] >> (first % 64) & 1 == 1
    }
}
