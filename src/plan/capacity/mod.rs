//! The proof that no order of the plan's steps takes a pool below its minimum.
//!
//! An order is any sequence in which nodes start and end, several at once, that the plan's `needs` allow; nodes behind a condition that
//! only the run can judge happen or not. What a node takes is out from its start, what it returns is in from its end, what it disturbs is
//! out between the two. At each start of a node that takes, the same rule is asked that the run asks right before it takes: [`allowed`].
//!
//! Three parts, each in its file: `proof` bounds the members that can be out at one moment, fast and never too low; `order` makes of a
//! bound that is too high an order that really breaks the rule, or shows that there is none; `words` explains it and looks for a way
//! out, which it tries with the same proof before it says a word.

mod order;
mod proof;
mod story;
mod words;

use crate::base::id::{HostName, PoolName};
use crate::model::plan::{Capacity, EffectKind, Node, Refusal};
use crate::plan::graph::Reach;
use story::Story;
pub use words::Fix;

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

/// A member as observed before the plan. One that is not known counts as out where others are taken, and as in where it is taken itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberNow {
    /// The inventory's name.
    pub host: HostName,
    /// The balancers know it; else the next two are false.
    pub known: bool,
    /// Another run took it and still owes its return.
    pub owned: bool,
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

/// Every node that some order of the plan would make take a pool below its minimum; of a pool with very many, the first ones.
#[must_use]
pub fn refusals(nodes: &[Node], pools: &[PoolNow]) -> Vec<Refusal> {
    judged(nodes, pools, MOST_LOOKED_AT)
        .into_iter()
        .map(|(refusal, _)| refusal)
        .collect()
}

/// Situations that are looked at for one node where the bound alone does not decide.
const MOST_LOOKED_AT: usize = 20_000;

/// As [`refusals`], each with what would work.
pub(super) fn judged(nodes: &[Node], pools: &[PoolNow], limit: usize) -> Vec<(Refusal, Vec<Fix>)> {
    // Of pools that nobody looked at nothing can be said.
    if pools.is_empty() {
        return Vec::new();
    }
    let touching: Vec<usize> = (0..nodes.len()).filter(|n| !nodes[*n].pool_effects.is_empty()).collect();
    let reach = Reach::among(nodes, &touching);
    let of = |pool| words::refusals(nodes, &Story::new(nodes, &touching, &reach, pool), limit);
    pools.iter().flat_map(of).collect()
}
