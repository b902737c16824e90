//! The dependency graph of a plan: order and reachability.

use std::collections::HashMap;

use petgraph::algo::toposort;
use petgraph::graph::{DiGraph, NodeIndex};

use crate::base::id::NodeId;
use crate::model::plan::Node;

/// Which node surely ends before which other one starts.
#[derive(Clone, Debug)]
pub struct Reach {
    words: usize,
    bits: Vec<u64>,
}

impl Reach {
    /// The transitive closure of `needs`. Nodes needed but not in the list are ignored.
    ///
    /// # Panics
    /// On a cycle: the compiler refuses those, and the planner adds edges from earlier to later nodes only.
    #[must_use]
    pub fn of(nodes: &[Node]) -> Reach {
        let index: HashMap<&NodeId, usize> = nodes.iter().enumerate().map(|(i, n)| (&n.id, i)).collect();
        let mut graph: DiGraph<(), ()> = DiGraph::with_capacity(nodes.len(), nodes.len());
        (0..nodes.len()).for_each(|_| {
            graph.add_node(());
        });
        for (i, node) in nodes.iter().enumerate() {
            for before in node.needs.iter().filter_map(|id| index.get(id)) {
                graph.add_edge(NodeIndex::new(*before), NodeIndex::new(i), ());
            }
        }
        let order = toposort(&graph, None).expect("the compiler refuses cycles and the planner adds edges forwards only");
        let words = nodes.len().div_ceil(64);
        let mut reach = Reach {
            words,
            bits: vec![0; words * nodes.len()],
        };
        for node in order {
            let i = node.index();
            for before in nodes[i].needs.iter().filter_map(|id| index.get(id)) {
                for w in 0..words {
                    reach.bits[i * words + w] |= reach.bits[before * words + w];
                }
                reach.bits[i * words + before / 64] |= 1 << (before % 64);
            }
        }
        reach
    }

    /// True when `first` ends before `second` starts, whatever the order of the rest.
    #[must_use]
    pub fn precedes(&self, first: usize, second: usize) -> bool {
        self.bits[second * self.words + first / 64] >> (first % 64) & 1 == 1
    }
}
