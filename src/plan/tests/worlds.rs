//! Plans drawn from a seed, with the pools they work on.

use super::capacity::{made, member};
use crate::model::plan::EffectKind::{self, Disturbs, Returns, Takes};
use crate::model::plan::{Node, NodeEffect};
use crate::plan::capacity::PoolNow;

/// A node before it is one.
#[derive(Clone, Debug, Default)]
pub(super) struct Sketch {
    pub(super) needs: Vec<usize>,
    /// Pool, member, kind; at most one a pool.
    pub(super) effects: Vec<(usize, usize, EffectKind)>,
    /// Happens if all these conditions hold.
    pub(super) keys: Vec<usize>,
}

/// A plan and its pools.
#[derive(Clone, Debug)]
pub(super) struct Drawn {
    pub(super) sketches: Vec<Sketch>,
    pub(super) pools: Vec<PoolNow>,
}

pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, n: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % n
    }

    pub(super) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

impl Drawn {
    pub(super) fn nodes(&self) -> Vec<Node> {
        let effect = |sketch: &Sketch, (pool, member, kind): &(usize, usize, EffectKind)| NodeEffect {
            pool: self.pools[*pool].pool.clone(),
            member: self.pools[*pool].members[*member].host.clone(),
            kind: *kind,
            perhaps: sketch.keys.iter().map(|k| format!("condition {k}")).collect(),
        };
        let of = |(i, sketch): (usize, &Sketch)| {
            let needs: Vec<String> = sketch.needs.iter().map(|n| format!("n{n}")).collect();
            made(&format!("n{i}"), &needs, sketch.effects.iter().map(|e| effect(sketch, e)).collect())
        };
        self.sketches.iter().enumerate().map(of).collect()
    }

    /// For people, when a test fails.
    pub(super) fn told(&self) -> String {
        let nodes = self.nodes().into_iter().map(|n| {
            let effects: Vec<String> = n
                .pool_effects
                .iter()
                .map(|e| format!("{:?} {}/{}", e.kind, e.pool, e.member))
                .collect();
            let needs: Vec<&str> = n.needs.iter().map(|n| n.as_str()).collect();
            let perhaps = n.pool_effects.first().map(|e| e.perhaps.join(", ")).unwrap_or_default();
            format!("{} needs {needs:?}: {} if [{perhaps}]\n", n.id, effects.join(", "))
        });
        let pools = self.pools.iter().map(|p| {
            let members = p
                .members
                .iter()
                .map(|m| format!(" {}: enabled {} serving {} known {};", m.host, m.enabled, m.serving, m.known));
            format!("{} minimum {}:{}\n", p.pool, p.minimum, members.collect::<String>())
        });
        pools.chain(nodes).collect()
    }
}

/// One of four kinds of plans: what runbooks do, rolling loops, several takers of one member, and anything at all.
pub(super) fn drawn(seed: u64) -> Drawn {
    let dice = &mut Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let pools = pools(dice);
    let mut sketches = match dice.below(4) {
        0 => chains(dice, &pools, false),
        1 => rolling(dice, &pools),
        2 => chains(dice, &pools, true),
        _ => anything(dice, &pools),
    };
    sketches.truncate(9);
    for sketch in &mut sketches {
        let left = sketch.effects.clone();
        sketch
            .effects
            .retain(|(pool, ..)| left.iter().filter(|(p, ..)| p == pool).count() == 1);
    }
    Drawn { sketches, pools }
}

fn pools(dice: &mut Dice) -> Vec<PoolNow> {
    let mut pools = Vec::new();
    for name in ["web", "db"].into_iter().take(if dice.one_in(3) { 2 } else { 1 }) {
        let members = 1 + dice.below(4);
        let state = |dice: &mut Dice, host: &str| match dice.below(10) {
            0 => member(host, true, false, false),
            1 => member(host, true, true, false),
            2 => member(host, false, false, false),
            _ => member(host, true, true, true),
        };
        let list: Vec<_> = ["a", "b", "c", "d"][..members].iter().map(|h| state(dice, h)).collect();
        // A percentage is rounded up.
        let minimum = match dice.below(3) {
            0 => (members * [0, 1, 25, 50, 67, 100][dice.below(6)]).div_ceil(100),
            _ => dice.below(members.max(2)),
        };
        pools.push(PoolNow {
            pool: name.into(),
            minimum,
            members: list,
        });
    }
    pools
}

/// What touches a host touches it in every pool that it is in, or in one.
fn on(dice: &mut Dice, pools: &[PoolNow], member: usize, kind: EffectKind) -> Vec<(usize, usize, EffectKind)> {
    let one = dice.below(pools.len());
    let all = dice.one_in(2);
    let within = (0..pools.len()).filter(|p| (all || *p == one) && member < pools[*p].members.len());
    within.map(|p| (p, member, kind)).collect()
}

/// A condition for all nodes of a chain, for the first, for the last, or for none.
fn conditions(dice: &mut Dice, length: usize, key: usize) -> Vec<Vec<usize>> {
    let kind = dice.below(8);
    let has = |i: usize| kind == 0 || (kind == 1 && i == 0) || (kind == 2 && i + 1 == length);
    (0..length).map(|i| if has(i) { vec![key] } else { Vec::new() }).collect()
}

fn chain(dice: &mut Dice, pools: &[PoolNow], member: usize, key: usize) -> Vec<Sketch> {
    let mut kinds = match dice.below(8) {
        0 => vec![Returns],
        1 => vec![Disturbs],
        2 => vec![Takes],
        3 | 4 => vec![Takes, Disturbs, Returns],
        _ => vec![Takes, Returns],
    };
    if dice.one_in(12) {
        kinds.reverse();
    }
    let keys = conditions(dice, kinds.len(), key);
    let mut sketches: Vec<Sketch> = Vec::new();
    let pool = dice.below(pools.len());
    for (i, (kind, keys)) in kinds.into_iter().zip(keys).enumerate() {
        let effects = if pools.len() > 1 && kind == Disturbs {
            on(dice, pools, member, kind)
        } else {
            vec![(pool, member.min(pools[pool].members.len() - 1), kind)]
        };
        sketches.push(Sketch {
            needs: (0..i).rev().take(1).collect(),
            effects,
            keys,
        });
    }
    sketches
}

/// Chains, one a member or several, merged in any order, with some that wait for others.
fn chains(dice: &mut Dice, pools: &[PoolNow], same: bool) -> Vec<Sketch> {
    let members = pools[0].members.len();
    let mut left: Vec<Vec<Sketch>> = Vec::new();
    for i in 0..if same { 3 } else { members } {
        let member = if same { i / 2 % members } else { i };
        left.push(chain(dice, pools, member, i % 3));
    }
    let sparse = 1 + dice.below(5);
    let (mut all, mut last): (Vec<Sketch>, Vec<Option<usize>>) = (Vec::new(), vec![None; left.len()]);
    while left.iter().any(|c| !c.is_empty()) && all.len() < 8 {
        let c = dice.below(left.len());
        if left[c].is_empty() {
            continue;
        }
        let mut next = left[c].remove(0);
        // A return that does not wait for its taker is none to count on.
        next.needs = last[c].into_iter().filter(|_| !dice.one_in(10)).collect();
        let more = (0..all.len()).filter(|_| dice.one_in(sparse * 2)).collect::<Vec<_>>();
        next.needs.extend(more);
        last[c] = Some(all.len());
        all.push(next);
        if dice.one_in(12) {
            // It touches no pool, but others may wait for it.
            let needs = (0..all.len()).filter(|_| dice.one_in(3)).collect();
            all.push(Sketch {
                needs,
                ..Sketch::default()
            });
        }
    }
    all
}

/// Turns over the members with a window or in batches, after the return of whoever is out.
fn rolling(dice: &mut Dice, pools: &[PoolNow]) -> Vec<Sketch> {
    let members = pools[0].members.len();
    let mut all: Vec<Sketch> = Vec::new();
    for m in 0..members {
        if !pools[0].members[m].enabled && dice.one_in(2) {
            let keys = if dice.one_in(4) { vec![0] } else { Vec::new() };
            let effects = vec![(0, m, Returns)];
            let needs = Vec::new();
            all.push(Sketch { needs, effects, keys });
        }
    }
    let before: Vec<usize> = (0..all.len()).filter(|_| !dice.one_in(6)).collect();
    let (window, batches, middle) = (1 + dice.below(3), dice.one_in(2), dice.one_in(2));
    let mut turns: Vec<Vec<usize>> = Vec::new();
    for m in 0..members {
        let waits = match (batches, m / window) {
            (false, _) if m >= window => vec![m - window],
            (true, batch) if batch > 0 => ((batch - 1) * window..batch * window).collect(),
            _ => Vec::new(),
        };
        let kinds: &[EffectKind] = if middle { &[Takes, Disturbs, Returns] } else { &[Takes, Returns] };
        let keys = conditions(dice, kinds.len(), m % 3);
        let mut turn = Vec::new();
        for (kind, keys) in kinds.iter().zip(keys) {
            let mut needs: Vec<usize> = waits.iter().flat_map(|t| turns[*t].iter().copied()).chain(before.clone()).collect();
            needs.extend(turn.last());
            let effects = vec![(0, m, *kind)];
            turn.push(all.len());
            all.push(Sketch { needs, effects, keys });
        }
        turns.push(turn);
    }
    all
}

fn anything(dice: &mut Dice, pools: &[PoolNow]) -> Vec<Sketch> {
    let sparse = 1 + dice.below(4);
    let node = |i: usize| {
        let kind = [Takes, Returns, Disturbs, Returns][dice.below(4)];
        let member = dice.below(4);
        Sketch {
            needs: (0..i).filter(|_| dice.one_in(sparse)).collect(),
            effects: on(dice, pools, member, kind),
            keys: if dice.one_in(4) { vec![dice.below(3)] } else { Vec::new() },
        }
    };
    (0..7).map(node).collect()
}
