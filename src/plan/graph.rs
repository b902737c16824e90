//! The dependency graph of a plan: which node surely ends before which other one starts.
//!
//! A plan may have millions of nodes, of which few matter to whoever asks. So nobody gets the order of all of them: what is kept is one
//! bit for each pair of the nodes asked for, and, on the way through the plan, one set of them for each row that is still needed.

use std::collections::HashMap;
use std::rc::Rc;

use crate::base::id::RowId;
use crate::model::plan::Node;

/// Which of some nodes surely ends before which other one starts. They are named by their place among those asked for.
#[derive(Clone, Debug)]
pub struct Reach {
    words: usize,
    bits: Vec<u64>,
    most_sets: usize,
}

/// The rows of a plan, in the order in which it lists them.
struct Rows {
    /// Of each node.
    of: Vec<usize>,
    /// For each row those that it needs. A plan lists a row after what it needs, so nothing else is an edge.
    needs: Vec<Vec<usize>>,
}

impl Rows {
    fn new(nodes: &[Node]) -> Rows {
        let mut index: HashMap<&RowId, usize> = HashMap::new();
        let mut rows = Rows {
            of: Vec::with_capacity(nodes.len()),
            needs: Vec::new(),
        };
        for node in nodes {
            let new = rows.needs.len();
            let row = *index.entry(&node.row).or_insert(new);
            if row == new {
                let needs = node.needs.iter().filter_map(|id| index.get(id).copied());
                rows.needs.push(needs.filter(|before| *before < new).collect());
            }
            rows.of.push(row);
        }
        rows
    }
}

impl Reach {
    /// The order among the nodes at these places, given in rising order; what stands between them counts.
    #[must_use]
    pub fn among(nodes: &[Node], wanted: &[usize]) -> Reach {
        let (words, rows) = (wanted.len().div_ceil(64), Rows::new(nodes));
        let mut reach = Reach {
            words,
            bits: vec![0; words * wanted.len()],
            most_sets: 0,
        };
        let mut places: Vec<Vec<usize>> = vec![Vec::new(); rows.needs.len()];
        wanted
            .iter()
            .enumerate()
            .for_each(|(place, node)| places[rows.of[*node]].push(place));
        let mut last_use = vec![0; rows.needs.len()];
        for (row, needs) in rows.needs.iter().enumerate() {
            needs.iter().for_each(|before| last_use[*before] = row);
        }
        let nothing = Rc::new(vec![0; words]);
        let mut ended: Vec<Option<Rc<Vec<u64>>>> = vec![None; rows.needs.len()];
        let mut sets = 0usize;
        for (row, needs) in rows.needs.iter().enumerate() {
            let mut before = nothing.clone();
            for other in needs.iter().filter_map(|n| ended[*n].as_ref()) {
                unite(&mut before, other);
            }
            for need in needs.iter().filter(|n| last_use[**n] == row) {
                sets -= usize::from(ended[*need].take().is_some());
            }
            for place in &places[row] {
                reach.bits[place * words..(place + 1) * words].copy_from_slice(&before);
            }
            if last_use[row] > row {
                for place in &places[row] {
                    Rc::make_mut(&mut before)[place / 64] |= 1 << (place % 64);
                }
                ended[row] = Some(before);
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
    pub fn count(&self) -> usize {
        self.bits.len().checked_div(self.words).unwrap_or(0)
    }

    /// One more node, ordered with no other; gives its place.
    pub fn add(&mut self) -> usize {
        let (place, words) = (self.count(), (self.count() + 1).div_ceil(64));
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
        for later in 0..self.count() {
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
    let rows = Rows::new(nodes);
    let (first, last) = (rows.of[first], rows.of[last]);
    let (mut after, mut before) = (vec![false; rows.needs.len()], vec![false; rows.needs.len()]);
    for (row, needs) in rows.needs.iter().enumerate() {
        after[row] = needs.iter().any(|n| *n == first || after[*n]);
    }
    for row in (0..=last).rev() {
        if row == last || before[row] {
            rows.needs[row].iter().for_each(|n| before[*n] = true);
        }
    }
    (0..nodes.len()).filter(|n| after[rows.of[*n]] && before[rows.of[*n]]).collect()
}
