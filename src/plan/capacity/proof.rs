//! The bound: how many members can be out at the moment a node takes one more.
//!
//! What has happened before a moment is a set of starts and ends that holds with each of them all that surely come before. Along the acts
//! on one member its state changes from in to out and back, so the number of members that are out is a sum over that set: +1 for each
//! change to out, -1 for each change to in. The largest such sum is found by matching: a change to out that has a change to in before it
//! costs that one, and the most that is left over is what no matching covers (Hall, König).
//!
//! It is exact while the acts on each member are ordered among themselves and no condition helps one member and harms another. Else it
//! errs on the safe side, and `order` decides.

use std::borrow::Cow;

use super::order::{self, Found};
use super::story::{Keys, Layer, Story};
use crate::model::plan::EffectKind;

/// A start (or an end) of an act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Edge {
    pub(super) act: usize,
    pub(super) start: bool,
}

/// A change of a member's state, with the conditions under which it is out from there on.
#[derive(Clone, Debug)]
pub(super) struct Change {
    edge: Edge,
    out: Option<Keys>,
}

/// What happens to a member: whether it is out before the plan, and its changes in their order.
pub(super) type Course = (Option<Keys>, Vec<Change>);

/// The most members that can be out, and how it comes to that.
#[derive(Clone, Debug, Default)]
pub(super) struct Worst {
    pub(super) count: usize,
    /// Starts and ends that must have happened, beside what surely comes before.
    pub(super) happened: Vec<Edge>,
    /// Conditions that must hold.
    pub(super) holds: Keys,
}

/// What the proof says about one take.
#[derive(Clone, Debug)]
pub(super) enum Verdict {
    /// No order breaks the rule.
    Proved,
    /// This one does.
    Broken(Vec<order::Step>),
    /// It could not be proved, and looking for an order that breaks the rule took too long.
    Unclear,
}

impl Story {
    /// Judges act `n` taking member `m`; at most `limit` situations are looked at where the bound alone does not decide.
    pub(super) fn judge(&self, n: usize, m: usize, limit: usize) -> Verdict {
        let in_doubt = self.in_doubt(n, m);
        if in_doubt.is_empty() {
            return Verdict::Proved;
        }
        for worst in &in_doubt {
            if let Some(steps) = order::of_bound(self, n, m, worst) {
                return Verdict::Broken(steps);
            }
        }
        match order::search(self, n, m, limit) {
            Found::Order(steps) => Verdict::Broken(steps),
            Found::None => Verdict::Proved,
            Found::TooMany => Verdict::Unclear,
        }
    }

    /// The bounds that are too high; none: proved.
    ///
    /// The rule asks for both counts and both losses at once. Whoever serves is enabled, so it is broken exactly when a serving member
    /// leaves too few serving, or an enabled one too few enabled: two questions of the same form.
    pub(super) fn in_doubt(&self, n: usize, m: usize) -> Vec<Worst> {
        if self.pool.minimum == 0 {
            return Vec::new();
        }
        let layers = [Layer::Serving, Layer::Enabled].into_iter();
        let taken_in = layers.filter(|layer| !self.surely_out(*layer, m, n));
        let worst = taken_in.map(|layer| self.most_out(layer, Some((n, m))));
        worst.filter(|w| !self.is_enough(w.count)).collect()
    }

    /// In every order, member `m` is out when act `n` starts.
    fn surely_out(&self, layer: Layer, m: usize, n: usize) -> bool {
        let acts = &self.by_member[m];
        let is = |a: usize, kind| self.effect(a, m) == Some(kind);
        let never_in_since = |since: Option<usize>| {
            let mut returns = acts.iter().filter(|r| is(**r, EffectKind::Returns));
            returns.all(|r| *r == n || self.precedes(n, *r) || since.is_some_and(|t| self.precedes(*r, t)))
        };
        let from_the_beginning = self.pool.members[m].known && !self.in_now(layer, m) && never_in_since(None);
        let takes = acts.iter().filter(|t| is(**t, EffectKind::Takes) && self.precedes(**t, n));
        let mut sure = takes.filter(|t| self.acts[**t].keys.is_subset(&self.acts[n].keys));
        from_the_beginning || sure.any(|t| never_in_since(Some(*t)))
    }

    /// However the plan goes, the pool has its minimum at every moment: nothing has to be judged one by one.
    pub(super) fn is_never_short(&self) -> bool {
        // Whoever serves is enabled.
        self.pool.members.len() >= self.most_out(Layer::Serving, None).count + self.pool.minimum
    }

    /// The most members that can be out; right after act `n` has started, beside the member that it takes.
    fn most_out(&self, layer: Layer, at: Option<(usize, usize)>) -> Worst {
        let (mut worst, mut to_out, mut to_in) = (Worst::default(), Vec::new(), Vec::new());
        worst.holds = at.map(|(n, _)| self.acts[n].keys.clone()).unwrap_or_default();
        let sure = worst.holds.clone();
        for x in (0..self.by_member.len()).filter(|x| at.is_none_or(|(_, m)| *x != m)) {
            let known = Some(&self.courses[x]).filter(|c| sure.is_disjoint(&c.keys)).map(|c| c.of(layer));
            let course = known.map_or_else(|| Cow::Owned(self.course(layer, x, &sure)), Cow::Borrowed);
            let mut now = course.0.as_ref();
            let mut is_out = None;
            for change in &course.1 {
                match at.and_then(|(n, _)| self.happens(change.edge, n)) {
                    Some(true) => now = change.out.as_ref(),
                    Some(false) => break,
                    None if change.out.is_some() == is_out.unwrap_or(now.is_some()) => {}
                    None if change.out.is_some() => {
                        is_out = Some(true);
                        to_out.push(change.clone());
                    }
                    None => {
                        is_out = Some(false);
                        to_in.push(change.edge);
                    }
                }
            }
            worst.count += usize::from(now.is_some());
            worst.holds.extend(now.into_iter().flatten());
        }
        if self.is_enough(worst.count + to_out.len()) {
            worst.count += to_out.len();
            return worst;
        }
        let price = |o: &Change| (0..to_in.len()).filter(|i| self.edge_precedes(to_in[*i], o.edge)).collect();
        let (kept, paid) = best(&to_out.iter().map(price).collect::<Vec<_>>(), to_in.len());
        worst.count += kept.len() - paid.len();
        worst.happened.extend(paid.iter().map(|i| to_in[*i]));
        for o in kept {
            worst.happened.push(to_out[o].edge);
            worst.holds.extend(to_out[o].out.iter().flatten());
        }
        worst
    }

    /// With so many others out, and one more taken, the pool still has its minimum.
    fn is_enough(&self, out: usize) -> bool {
        self.pool.members.len() > out + self.pool.minimum
    }

    /// It has surely happened when act `n` has just started (or surely not yet).
    fn happens(&self, edge: Edge, n: usize) -> Option<bool> {
        match () {
            () if edge.act == n => Some(edge.start),
            () if self.precedes(edge.act, n) => Some(true),
            () if self.precedes(n, edge.act) => Some(false),
            () => None,
        }
    }

    fn edge_precedes(&self, first: Edge, second: Edge) -> bool {
        if first.act == second.act {
            return first.start && !second.start;
        }
        self.precedes(first.act, second.act)
    }

    /// The course of member `x` where these conditions hold.
    pub(super) fn course(&self, layer: Layer, x: usize, sure: &Keys) -> Course {
        let acts = &self.by_member[x];
        let ordered = |a: usize| acts.iter().all(|b| *b == a || self.precedes(a, *b) || self.precedes(*b, a));
        // Why it may be out: each reason with the conditions that it holds under. None: it is in.
        let mut reasons: Vec<Keys> = if self.in_now(layer, x) { Vec::new() } else { vec![Keys::new()] };
        let mut first = reasons.first().cloned();
        let mut changes: Vec<Change> = Vec::new();
        let change = |act, start, out: Option<&Keys>| Change {
            edge: Edge { act, start },
            out: out.cloned(),
        };
        for a in acts.iter().copied() {
            let (kind, keys) = (self.effect(a, x), &self.acts[a].keys);
            // What is not ordered among itself may take it as soon as it may begin, and returns nothing for sure.
            if !ordered(a) {
                if kind != Some(EffectKind::Returns) {
                    let before = changes.last_mut().map_or(&mut first, |change| &mut change.out);
                    before.get_or_insert_with(|| keys.clone());
                }
                if kind == Some(EffectKind::Takes) {
                    reasons.push(keys.clone());
                }
                continue;
            }
            match kind {
                Some(EffectKind::Takes) => {
                    if keys.is_subset(sure) {
                        reasons.clear();
                    }
                    reasons.push(keys.clone());
                    changes.push(change(a, true, reasons.first()));
                }
                Some(EffectKind::Returns) => {
                    reasons.retain(|why| keys.iter().any(|k| !why.contains(k) && !sure.contains(k)));
                    changes.push(change(a, false, reasons.first()));
                }
                _ => {
                    changes.push(change(a, true, Some(reasons.first().unwrap_or(keys))));
                    changes.push(change(a, false, reasons.first()));
                }
            }
        }
        (first, changes)
    }
}

/// The subset of things to have that leaves most over, when each costs all on its list and what is paid is paid once: what is had, and
/// what is paid.
pub(super) fn best(costs: &[Vec<usize>], prices: usize) -> (Vec<usize>, Vec<usize>) {
    let mut payer: Vec<Option<usize>> = vec![None; prices];
    let mut free = Vec::new();
    for thing in 0..costs.len() {
        if !augment(thing, costs, &mut payer, &mut vec![false; prices]) {
            free.push(thing);
        }
    }
    let (mut had, mut paid) = (vec![false; costs.len()], vec![false; prices]);
    while let Some(thing) = free.pop() {
        if !std::mem::replace(&mut had[thing], true) {
            for price in &costs[thing] {
                if !std::mem::replace(&mut paid[*price], true) {
                    free.extend(payer[*price]);
                }
            }
        }
    }
    let those = |list: &[bool]| (0..list.len()).filter(|i| list[*i]).collect();
    (those(&had), those(&paid))
}

fn augment(thing: usize, costs: &[Vec<usize>], payer: &mut [Option<usize>], tried: &mut [bool]) -> bool {
    for price in &costs[thing] {
        if !std::mem::replace(&mut tried[*price], true) && payer[*price].is_none_or(|other| augment(other, costs, payer, tried)) {
            payer[*price] = Some(thing);
            return true;
        }
    }
    false
}
