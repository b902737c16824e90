//! The proof that no order of the plan's steps takes a pool below its minimum.
//!
//! A member is out during an *interval*: from the node that takes it (or from before the plan) to the node that returns it (or for
//! ever). One interval precedes another when its end surely comes before the other's start. The most members that can be out at one
//! moment is the largest set of intervals of which none precedes another, the largest antichain (Dilworth), found by matching.

use std::collections::BTreeSet;

use crate::base::id::{HostName, PoolName};
use crate::model::plan::{Capacity, EffectKind, Node, Refusal};
use crate::plan::graph::Reach;

/// A pool as observed before the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolNow {
    /// Its name.
    pub pool: PoolName,
    /// The least number of members in service.
    pub minimum: usize,
    /// All members of the inventory.
    pub members: Vec<MemberNow>,
}

/// A member as observed before the plan; what is unknown counts as false.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberNow {
    /// The inventory's name.
    pub host: HostName,
    /// Nobody has taken it out.
    pub enabled: bool,
    /// Enabled, and the balancer's check passes.
    pub serving: bool,
    /// For people: `maint for 23h, owned by nobody`.
    pub detail: String,
}

impl PoolNow {
    /// Its numbers.
    #[must_use]
    pub fn capacity(&self) -> Capacity {
        Capacity {
            pool: self.pool.clone(),
            serving: self.members.iter().filter(|m| m.serving).count(),
            enabled: self.members.iter().filter(|m| m.enabled).count(),
            total: self.members.len(),
            minimum: self.minimum,
        }
    }
}

/// Whether a member may be taken when the pool then has so many serving and enabled.
///
/// At or above the minimum: yes. Below it: never when the step itself lowers the number serving; else only when it leaves the number
/// enabled at the minimum, or does not lower that either. So a server that is down may be drained for repair while enough others are
/// enabled, and never the last one that anybody could reach.
#[must_use]
pub fn allowed(minimum: usize, serving_after: usize, enabled_after: usize, lowers_serving: bool, lowers_enabled: bool) -> bool {
    if serving_after >= minimum && enabled_after >= minimum {
        return true;
    }
    !lowers_serving && (enabled_after >= minimum || !lowers_enabled)
}

/// Members in service after each node, along the plan's own order, if every step does what it says.
#[must_use]
pub fn timeline(nodes: &[Node], pools: &[PoolNow]) -> Vec<Vec<Capacity>> {
    let mut now: Vec<PoolNow> = pools.to_vec();
    let mut lines = Vec::with_capacity(nodes.len());
    for node in nodes {
        let mut touched = Vec::new();
        for effect in &node.pool_effects {
            let Some(pool) = now.iter_mut().find(|p| p.pool == effect.pool) else {
                continue;
            };
            if let Some(member) = pool.members.iter_mut().find(|m| m.host == effect.member) {
                match effect.kind {
                    EffectKind::Takes => (member.enabled, member.serving) = (false, false),
                    EffectKind::Returns => (member.enabled, member.serving) = (true, true),
                    EffectKind::Disturbs => {}
                }
            }
            let capacity = pool.capacity();
            touched.retain(|c: &Capacity| c.pool != capacity.pool);
            touched.push(capacity);
        }
        lines.push(touched);
    }
    lines
}

/// Every node that some order of the plan would make take a pool below its minimum.
#[must_use]
pub fn refusals(nodes: &[Node], pools: &[PoolNow]) -> Vec<Refusal> {
    // The order of all nodes is large; where nothing touches a pool, or no pool was looked at, nobody needs it.
    if pools.is_empty() || nodes.iter().all(|n| n.pool_effects.is_empty()) {
        return Vec::new();
    }
    let reach = Reach::of(nodes);
    pools.iter().flat_map(|pool| Proof::new(nodes, &reach, pool).refusals()).collect()
}

#[derive(Clone, Debug)]
struct Interval {
    member: usize,
    start: Option<usize>,
    end: Option<usize>,
}

/// The most members that can be out at one moment, and which ones, for people.
struct Out {
    count: usize,
    members: BTreeSet<usize>,
}

struct Proof<'a> {
    nodes: &'a [Node],
    reach: &'a Reach,
    pool: &'a PoolNow,
    not_serving: Vec<Interval>,
    not_enabled: Vec<Interval>,
}

impl<'a> Proof<'a> {
    fn new(nodes: &'a [Node], reach: &'a Reach, pool: &'a PoolNow) -> Proof<'a> {
        let mut proof = Proof {
            nodes,
            reach,
            pool,
            not_serving: Vec::new(),
            not_enabled: Vec::new(),
        };
        for (m, member) in pool.members.iter().enumerate() {
            let returned = proof.first_return(m, None);
            if !member.serving {
                proof.not_serving.push(Interval {
                    member: m,
                    start: None,
                    end: returned,
                });
            }
            if !member.enabled {
                proof.not_enabled.push(Interval {
                    member: m,
                    start: None,
                    end: returned,
                });
            }
        }
        for (n, m, kind) in proof.takes() {
            let end = if kind == EffectKind::Disturbs {
                Some(n)
            } else {
                proof.first_return(m, Some(n))
            };
            let interval = Interval {
                member: m,
                start: Some(n),
                end,
            };
            proof.not_serving.push(interval.clone());
            proof.not_enabled.push(interval);
        }
        proof
    }

    /// Node, member and kind of everything that takes; a disturbance of a member that this run has drained is none.
    fn takes(&self) -> Vec<(usize, usize, EffectKind)> {
        let mut takes = Vec::new();
        for (n, node) in self.nodes.iter().enumerate() {
            for effect in node
                .pool_effects
                .iter()
                .filter(|e| e.pool == self.pool.pool && e.kind != EffectKind::Returns)
            {
                let member = self.pool.members.iter().position(|m| m.host == effect.member);
                if let Some(m) = member.filter(|m| effect.kind == EffectKind::Takes || !self.drained_around(*m, n)) {
                    takes.push((n, m, effect.kind));
                }
            }
        }
        takes
    }

    fn effects_on(&self, member: usize, kind: EffectKind) -> impl Iterator<Item = usize> + '_ {
        let host = &self.pool.members[member].host;
        self.nodes.iter().enumerate().filter_map(move |(n, node)| {
            node.pool_effects
                .iter()
                .any(|e| e.pool == self.pool.pool && &e.member == host && e.kind == kind)
                .then_some(n)
        })
    }

    fn first_return(&self, member: usize, after: Option<usize>) -> Option<usize> {
        self.effects_on(member, EffectKind::Returns)
            .find(|r| after.is_none_or(|t| self.reach.precedes(t, *r)))
    }

    /// This run took the member before node `n` and gives it back only after it.
    fn drained_around(&self, member: usize, n: usize) -> bool {
        self.effects_on(member, EffectKind::Takes).any(|t| {
            self.reach.precedes(t, n)
                && self
                    .effects_on(member, EffectKind::Returns)
                    .all(|r| self.reach.precedes(r, t) || self.reach.precedes(n, r))
        })
    }

    fn refusals(&self) -> Vec<Refusal> {
        self.takes()
            .into_iter()
            .filter_map(|(n, m, kind)| self.judge(n, m, kind, None))
            .collect()
    }

    /// The refusal of node `n` taking member `m`, pretending that member `returned` is in service from the beginning.
    fn judge(&self, n: usize, m: usize, kind: EffectKind, returned: Option<usize>) -> Option<Refusal> {
        let out_serving = self.most_out(&self.not_serving, n, m, returned);
        let out_enabled = self.most_out(&self.not_enabled, n, m, returned);
        let total = self.pool.members.len();
        let (serving, enabled) = (total - 1 - out_serving.count, total - 1 - out_enabled.count);
        let lowers_serving = !self.surely_out(&self.not_serving, m, n);
        let lowers_enabled = !self.surely_out(&self.not_enabled, m, n);
        if allowed(self.pool.minimum, serving, enabled, lowers_serving, lowers_enabled) {
            return None;
        }
        if returned.is_some() {
            return Some(Refusal {
                node: None,
                message: String::new(),
                counterexample: Vec::new(),
                instead: None,
            });
        }
        Some(self.explain(n, m, kind, &out_serving.members, (serving, enabled)))
    }

    fn surely_out(&self, intervals: &[Interval], member: usize, n: usize) -> bool {
        intervals
            .iter()
            .filter(|i| i.member == member && i.start != Some(n))
            .any(|i| i.start.is_none_or(|s| self.reach.precedes(s, n)) && i.end.is_none_or(|e| self.reach.precedes(n, e)))
    }

    /// Other members that can be out at the moment after node `n`: the largest antichain among their intervals.
    ///
    /// Two intervals of one member count once: one inside another adds nothing and would only stand in the way of another member's.
    /// Where they merely overlap (two branches take the same member) the antichain's size is an upper bound, so it errs on the safe side.
    fn most_out(&self, intervals: &[Interval], n: usize, m: usize, returned: Option<usize>) -> Out {
        let open: Vec<&Interval> = intervals
            .iter()
            .filter(|i| i.member != m && !(i.start.is_none() && Some(i.member) == returned))
            .filter(|i| i.end.is_none_or(|e| !self.reach.precedes(e, n)) && i.start.is_none_or(|s| !self.reach.precedes(n, s)))
            .collect();
        let open: Vec<&Interval> = open.iter().filter(|i| !open.iter().any(|o| self.inside(i, o))).copied().collect();
        let before = |a: &Interval, b: &Interval| matches!((a.end, b.start), (Some(e), Some(s)) if self.reach.precedes(e, s));
        let chosen = largest_antichain(open.len(), &|a, b| before(open[a], open[b]));
        let most = open.iter().map(|i| i.member).collect::<BTreeSet<_>>().len();
        Out {
            count: chosen.len().min(most),
            members: chosen.into_iter().map(|i| open[i].member).collect(),
        }
    }

    /// Whenever the first is out, so is the second, of the same member; never both ways.
    fn inside(&self, inner: &Interval, outer: &Interval) -> bool {
        let starts = match (inner.start, outer.start) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(i), Some(o)) => i == o || self.reach.precedes(o, i),
        };
        let ends = match (inner.end, outer.end) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(i), Some(o)) => i == o || self.reach.precedes(i, o),
        };
        inner.member == outer.member && starts && ends && (inner.start, inner.end) != (outer.start, outer.end)
    }

    fn explain(&self, n: usize, m: usize, kind: EffectKind, out: &BTreeSet<usize>, (serving, enabled): (usize, usize)) -> Refusal {
        let (pool, member) = (&self.pool.pool, &self.pool.members[m]);
        let node = &self.nodes[n];
        let (total, minimum) = (self.pool.members.len(), self.pool.minimum);
        let verb = if kind == EffectKind::Takes { "takes" } else { "disturbs" };
        let message = format!(
            "`{}` {verb} {} of pool `{pool}`, which then has {serving} of {total} in service ({enabled} enabled), minimum {minimum}",
            node.id, member.host
        );
        let now = self.pool.capacity();
        let mut lines = vec![format!(
            "now: pool `{pool}` has {} of {total} in service, {} enabled, minimum {minimum}",
            now.serving, now.enabled
        )];
        for other in out {
            let other = &self.pool.members[*other];
            let why = if other.serving {
                String::from("taken by this plan, and not surely returned before")
            } else {
                other.detail.clone()
            };
            lines.push(format!("{} is out: {why}", other.host));
        }
        if !member.serving {
            lines.push(format!("{} itself: {}", member.host, member.detail));
        }
        lines.push(format!("after `{}`: {serving} of {total} in service, {enabled} enabled", node.id));
        let cure = out
            .iter()
            .copied()
            .find(|o| !self.pool.members[*o].serving && self.judge(n, m, kind, Some(*o)).is_none());
        let instead = cure.map(|o| {
            let host = &self.pool.members[o].host;
            format!(
                "return {host} first: put `pool.member: {{ pool: {pool}, member: {host}, state: ready }}` before `{}`",
                node.step
            )
        });
        Refusal {
            node: Some(node.id.clone()),
            message,
            counterexample: lines,
            instead,
        }
    }
}

/// The largest set of `0..n` of which none is `before` another; `before` must be transitive.
///
/// Dilworth's theorem through König's: a maximum matching in the bipartite graph (a, b) with a before b; the elements that no minimum
/// vertex cover touches on either side form a largest antichain.
pub(super) fn largest_antichain(n: usize, before: &dyn Fn(usize, usize) -> bool) -> Vec<usize> {
    let later: Vec<Vec<usize>> = (0..n).map(|a| (0..n).filter(|b| before(a, *b)).collect()).collect();
    let mut partner: Vec<Option<usize>> = vec![None; n];
    for a in 0..n {
        augment(a, &later, &mut partner, &mut vec![false; n]);
    }
    let matched: BTreeSet<usize> = partner.iter().flatten().copied().collect();
    let (mut left, mut right) = (vec![false; n], vec![false; n]);
    let mut stack: Vec<usize> = (0..n).filter(|a| !matched.contains(a)).collect();
    while let Some(a) = stack.pop() {
        if std::mem::replace(&mut left[a], true) {
            continue;
        }
        for b in &later[a] {
            if !std::mem::replace(&mut right[*b], true) {
                stack.extend(partner[*b]);
            }
        }
    }
    (0..n).filter(|i| left[*i] && !right[*i]).collect()
}

fn augment(a: usize, later: &[Vec<usize>], partner: &mut [Option<usize>], tried: &mut [bool]) -> bool {
    for b in &later[a] {
        if !std::mem::replace(&mut tried[*b], true) && partner[*b].is_none_or(|other| augment(other, later, partner, tried)) {
            partner[*b] = Some(a);
            return true;
        }
    }
    false
}
