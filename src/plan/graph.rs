//! The dependency graph of a plan: which node surely ends before which other one starts.
//!
//! A plan may have millions of nodes, of which few matter to whoever asks. So nobody gets the order of all of them: what is kept is one
//! bit for each pair of the nodes asked for, and, on the way through the plan, one set of them for each node that is still needed.

use std::collections::HashMap;
use std::rc::Rc;

use crate::base::id::NodeId;
use crate::model::plan::Node;

/// Which of some nodes surely ends before which other one starts. They are named by their place among those asked for.
#[derive(Clone, Debug)]
pub struct Reach {
    words: usize,
    bits: Vec<u64>,
    most_sets: usize,
}

/// For each node the places of those that it needs. A plan lists a node after what it needs, so nothing else is an edge.
fn edges(nodes: &[Node]) -> impl Iterator<Item = Vec<usize>> + '_ {
    let index: HashMap<&NodeId, usize> = nodes.iter().enumerate().map(|(i, n)| (&n.id, i)).collect();
    nodes.iter().enumerate().map(move |(i, node)| {
        let places = node.needs.iter().filter_map(|id| index.get(id).copied());
        places.filter(|before| *before < i).collect()
    })
}

impl Reach {
    /// The order among the nodes at these places, given in rising order; what stands between them counts.
    #[must_use]
    pub fn among(nodes: &[Node], wanted: &[usize]) -> Reach {
        let words = wanted.len().div_ceil(64);
        let mut reach = Reach {
            words,
            bits: Vec::with_capacity(words * wanted.len()),
            most_sets: 0,
        };
        let mut last_use = vec![0; nodes.len()];
        for (i, needs) in edges(nodes).enumerate() {
            needs.into_iter().for_each(|before| last_use[before] = i);
        }
        let nothing = Rc::new(vec![0; words]);
        let mut ended: Vec<Option<Rc<Vec<u64>>>> = vec![None; nodes.len()];
        let (mut next, mut sets) = (wanted.iter().enumerate().peekable(), 0usize);
        for (i, needs) in edges(nodes).enumerate() {
            let mut before = nothing.clone();
            for other in needs.iter().filter_map(|n| ended[*n].as_ref()) {
                unite(&mut before, other);
            }
            for need in needs.into_iter().filter(|n| last_use[*n] == i) {
                sets -= usize::from(ended[need].take().is_some());
            }
            if let Some((place, _)) = next.next_if(|(_, at)| **at == i) {
                reach.bits.extend(before.iter());
                Rc::make_mut(&mut before)[place / 64] |= 1 << (place % 64);
            }
            if last_use[i] > i {
                ended[i] = Some(before);
                sets += 1;
            }
            reach.most_sets = reach.most_sets.max(sets);
        }
        reach
    }

    /// True when `first` ends before `second` starts, whatever the order of the rest.
    #[must_use]
    pub fn precedes(&self, first: usize, second: usize) -> bool {
        self.bits[second * self.words + first / 64] >> (first % 64) & 1 == 1
    }

    /// How many nodes it orders.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bits.len().checked_div(self.words).unwrap_or(0)
    }

    /// One more node, ordered with no other; gives its place.
    pub fn add(&mut self) -> usize {
        let (place, words) = (self.len(), (self.len() + 1).div_ceil(64));
        if words > self.words {
            let rows = self.bits.chunks(self.words.max(1));
            self.bits = rows.flat_map(|row| row.iter().copied().chain([0])).collect();
            self.words = words;
        }
        self.bits.extend(std::iter::repeat_n(0, self.words));
        place
    }

    /// From now on `first` ends before `second` starts, with all that follows from it. They must not be ordered the other way round.
    pub fn demand(&mut self, first: usize, second: usize) {
        let mut before: Vec<u64> = self.bits[first * self.words..(first + 1) * self.words].to_vec();
        before[first / 64] |= 1 << (first % 64);
        for later in 0..self.len() {
            if later == second || self.precedes(second, later) {
                let row = &mut self.bits[later * self.words..(later + 1) * self.words];
                row.iter_mut().zip(&before).for_each(|(bits, more)| *bits |= more);
            }
        }
    }

    /// Machine words that were held at most at one time; for tests of growth.
    #[cfg(test)]
    pub(super) fn most_words(&self) -> usize {
        self.bits.len() + self.most_sets * self.words
    }
}

fn unite(into: &mut Rc<Vec<u64>>, more: &Rc<Vec<u64>>) {
    if Rc::ptr_eq(into, more) || into.iter().zip(more.iter()).all(|(a, b)| b & !a == 0) {
        return;
    }
    if into.iter().zip(more.iter()).all(|(a, b)| a & !b == 0) {
        *into = more.clone();
        return;
    }
    let bits = Rc::make_mut(into);
    bits.iter_mut().zip(more.iter()).for_each(|(a, b)| *a |= b);
}

/// The places of the nodes that start after `first` has ended and end before `last` starts, in every order.
#[must_use]
pub fn between(nodes: &[Node], first: usize, last: usize) -> Vec<usize> {
    let needs: Vec<Vec<usize>> = edges(nodes).take(last + 1).collect();
    let (mut after, mut before) = (vec![false; last + 1], vec![false; last + 1]);
    for i in first + 1..=last {
        after[i] = needs[i].iter().any(|n| *n == first || after[*n]);
    }
    before[last] = true;
    for i in (first..=last).rev() {
        if before[i] {
            needs[i].iter().for_each(|n| before[*n] = true);
        }
    }
    (first + 1..last).filter(|i| after[*i] && before[*i]).collect()
}
