//! Edges that a picture can do without: whoever waits for a step waits for what that step waited for.

use petgraph::algo::toposort;
use petgraph::graph::DiGraph;

/// More nodes than this keep all their edges: what each reaches is kept as one bit for every other.
const MOST: usize = 6000;

/// For each edge whether no longer way leads from its beginning to its end. All are kept if the edges form a circle.
pub(super) fn needed(count: usize, edges: &[(usize, usize)]) -> Vec<bool> {
    let graph: DiGraph<(), ()> = DiGraph::from_edges(edges.iter().map(|(a, b)| (node(*a), node(*b))));
    let Ok(order) = toposort(&graph, None) else {
        return vec![true; edges.len()];
    };
    if count > MOST {
        return vec![true; edges.len()];
    }
    let mut place = vec![0; count];
    for (at, found) in order.iter().enumerate() {
        place[found.index()] = at;
    }
    let mut out: Vec<Vec<(usize, usize)>> = vec![Vec::new(); count];
    for (n, (from, to)) in edges.iter().enumerate() {
        out[*from].push((*to, n));
    }
    let mut reached = vec![vec![0u64; count.div_ceil(64)]; count];
    let mut keep = vec![true; edges.len()];
    for from in order.iter().rev().map(|n| n.index()) {
        // The nearest first: the others may be reached through them.
        out[from].sort_by_key(|(to, n)| (place[*to], *n));
        let mut own = std::mem::take(&mut reached[from]);
        for (to, n) in &out[from] {
            let (word, bit) = (to / 64, 1u64 << (to % 64));
            if own[word] & bit != 0 {
                keep[*n] = false;
                continue;
            }
            own[word] |= bit;
            own.iter_mut().zip(&reached[*to]).for_each(|(mine, theirs)| *mine |= theirs);
        }
        reached[from] = own;
    }
    keep
}

fn node(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detours_make_an_edge_superfluous() {
        let edges = [(0, 1), (1, 2), (0, 2), (2, 3), (0, 3), (4, 3), (0, 1)];
        assert_eq!(needed(5, &edges), [true, true, false, true, false, true, false]);
        assert_eq!(needed(2, &[(0, 1), (1, 0)]), [true, true]);
        assert_eq!(needed(0, &[]), Vec::<bool>::new());
    }
}
