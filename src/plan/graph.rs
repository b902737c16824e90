//! The dependency graph of a plan: order and reachability.

use std::collections::HashMap;

use petgraph::algo::toposort;
use petgraph::graph::{DiGraph, NodeIndex};

use crate::base::id::RowId;
use crate::model::plan::Node;

/// Which node surely ends before which other one starts. All nodes of a row stand at the same place in the order.
#[derive(Clone, Debug)]
pub struct Reach {
    row_of: Vec<usize>,
    words: usize,
    bits: Vec<u64>,
}

impl Reach {
    /// The transitive closure of `needs`. Rows needed but not in the list are ignored.
    ///
    /// # Panics
    /// On a cycle: the compiler refuses those, and the planner adds edges from earlier to later nodes only.
    #[must_use]
    pub fn of(nodes: &[Node]) -> Reach {
        let mut index: HashMap<&RowId, usize> = HashMap::new();
        let mut needs: Vec<&[RowId]> = Vec::new();
        let mut row_of = Vec::with_capacity(nodes.len());
        for node in nodes {
            let row = *index.entry(&node.row).or_insert(needs.len());
            if row == needs.len() {
                needs.push(&node.needs);
            }
            row_of.push(row);
        }
        let before = |row: usize| needs[row].iter().filter_map(|id| index.get(id)).copied();
        let mut graph: DiGraph<(), ()> = DiGraph::with_capacity(needs.len(), needs.len());
        needs.iter().for_each(|_| {
            graph.add_node(());
        });
        for row in 0..needs.len() {
            for earlier in before(row) {
                graph.add_edge(NodeIndex::new(earlier), NodeIndex::new(row), ());
            }
        }
        let order = toposort(&graph, None).expect("the compiler refuses cycles and the planner adds edges forwards only");
        let words = needs.len().div_ceil(64);
        let mut bits = vec![0; words * needs.len()];
        for row in order.into_iter().map(NodeIndex::index) {
            for earlier in before(row) {
                for w in 0..words {
                    bits[row * words + w] |= bits[earlier * words + w];
                }
                bits[row * words + earlier / 64] |= 1 << (earlier % 64);
            }
        }
        Reach { row_of, words, bits }
    }

    /// True when `first` ends before `second` starts, whatever the order of the rest.
    #[must_use]
    pub fn precedes(&self, first: usize, second: usize) -> bool {
        let (first, second) = (self.row_of[first], self.row_of[second]);
        self.bits[second * self.words + first / 64] >> (first % 64) & 1 == 1
    }
}
