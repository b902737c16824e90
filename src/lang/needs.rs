//! The order of steps: edges as written, the step above, and the results that a step reads; cycles are reported with their path.

use std::collections::BTreeSet;

use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use super::outline::{At, Outline};
use crate::diagnostic::{Diagnostic, Diagnostics};

/// Indexes of the steps of the same list that come before `at`; reading a result inside a loop waits for the loop.
pub(super) fn edges(outline: &Outline<'_>, at: At, reads: &BTreeSet<String>) -> BTreeSet<usize> {
    let mut edges: BTreeSet<usize> = outline.entry(at).waits.iter().copied().collect();
    for id in reads {
        let Some(read) = outline.find(id) else { continue };
        let here = outline.chain(read).into_iter().find(|c| c.list == at.list);
        edges.extend(here.map(|c| c.index).filter(|index| *index != at.index));
    }
    edges
}

/// Reports each cycle of a list once.
pub(super) fn cycles(outline: &Outline<'_>, list: usize, edges: &[BTreeSet<usize>], d: &mut Diagnostics) {
    let entries = &outline.lists[list].entries;
    let mut graph: DiGraph<usize, ()> = DiGraph::new();
    let nodes: Vec<NodeIndex> = (0..entries.len()).map(|i| graph.add_node(i)).collect();
    for (to, before) in edges.iter().enumerate() {
        for from in before {
            graph.add_edge(nodes[to], nodes[*from], ());
        }
    }
    for component in tarjan_scc(&graph) {
        let members: BTreeSet<usize> = component.iter().map(|n| graph[*n]).collect();
        let start = members.iter().copied().next().unwrap_or_default();
        if members.len() == 1 && !edges[start].contains(&start) {
            continue;
        }
        let path = walk(start, &members, edges);
        let name = |index: &usize| entries[*index].step.id.value.as_str();
        let shown: Vec<String> = path.iter().map(|i| format!("`{}`", name(i))).collect();
        let message = format!("steps wait for each other: {}", shown.join(" needs "));
        let step = entries[start].step;
        let span = step.needs.as_ref().and_then(|n| n.first()).map_or(step.id.span, |n| n.span);
        let mut diagnostic = Diagnostic::error("RB0105", span, message).label("none of them could ever start");
        for index in path.iter().skip(1).filter(|i| **i != start) {
            diagnostic = diagnostic.also(entries[*index].step.id.span, "part of the cycle");
        }
        d.push(
            diagnostic.help(
                "take one of these needs away; a result that is read is a need too, and so is the step above where `needs` is absent",
            ),
        );
    }
}

/// A closed way through a strongly connected component: the shortest from `start` back to it.
fn walk(start: usize, members: &BTreeSet<usize>, edges: &[BTreeSet<usize>]) -> Vec<usize> {
    let mut ways = std::collections::VecDeque::from([vec![start]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        let last = way[way.len() - 1];
        for next in edges[last].iter().filter(|n| members.contains(n)) {
            let longer: Vec<usize> = way.iter().copied().chain([*next]).collect();
            if *next == start {
                return longer;
            }
            if seen.insert(*next) {
                ways.push_back(longer);
            }
        }
    }
    vec![start, start]
}
