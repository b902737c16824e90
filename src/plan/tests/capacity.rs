//! The proof about pools: the cases that matter, and agreement with brute force over every order of small plans.

use std::collections::HashSet;

use crate::model::action::{Arguments, Class, Undo};
use crate::model::plan::EffectKind::{self, Disturbs, Returns, Takes};
use crate::model::plan::{Forecast, Node, NodeEffect, Section, Shared};
use crate::plan::capacity::{MemberNow, PoolNow, allowed, largest_antichain, refusals};

fn node(id: &str, needs: &[&str], effects: &[(&str, EffectKind)]) -> Node {
    let shared = Shared {
        row: id.into(),
        step: id.into(),
        section: Section::Steps,
        turns: Vec::new(),
        call: None,
        bindings: Default::default(),
        reaches: Vec::new(),
        needs: needs.iter().map(|n| (*n).into()).collect(),
        name: id.to_owned(),
        action: String::from("pool.member"),
        arguments: Arguments::default(),
        pause: None,
        class: Class::Reversible,
        forecast: Forecast::WillChange { summary: String::new() },
        diff: None,
        notes: Vec::new(),
        undo: Undo::Nothing,
        owes: None,
        pool_effects: effects
            .iter()
            .map(|(m, kind)| NodeEffect {
                pool: "web".into(),
                member: (*m).into(),
                kind: *kind,
            })
            .collect(),
        after: Vec::new(),
    };
    Node::new(None, shared)
}

fn pool(minimum: usize, members: &[(&str, bool, bool)]) -> PoolNow {
    let members = members
        .iter()
        .map(|(host, enabled, serving)| MemberNow {
            host: (*host).into(),
            enabled: *enabled,
            serving: *serving,
            detail: String::from("maint"),
        })
        .collect();
    PoolNow {
        pool: "web".into(),
        minimum,
        members,
    }
}

#[test]
fn the_naive_order_is_refused_whether_the_master_is_up_or_down() {
    let naive = [
        node("drain", &[], &[("web-01", Takes)]),
        node("restart", &["drain"], &[("web-01", Disturbs)]),
        node("ready", &["restart"], &[("web-01", Returns)]),
    ];
    for master_up in [true, false] {
        let now = pool(1, &[("web-01", true, master_up), ("web-02", false, false)]);
        let refused = refusals(&naive, &[now]);
        assert_eq!(refused.len(), 1, "{refused:?}");
        assert!(
            refused[0]
                .instead
                .as_ref()
                .is_some_and(|text| text.starts_with("return web-02 first")),
            "{refused:?}"
        );
    }
    let whole = pool(1, &[("web-01", true, true), ("web-02", true, true)]);
    assert_eq!(refusals(&naive, &[whole]), Vec::new());
}

#[test]
fn the_cure_passes() {
    let cure = [
        node("return_other", &[], &[("web-02", Returns)]),
        node("drain", &["return_other"], &[("web-01", Takes)]),
        node("restart", &["drain"], &[("web-01", Disturbs)]),
        node("ready", &["restart"], &[("web-01", Returns)]),
    ];
    for master_up in [true, false] {
        let now = pool(1, &[("web-01", true, master_up), ("web-02", false, false)]);
        assert_eq!(refusals(&cure, &[now]), Vec::new());
    }
}

#[test]
fn branches_that_may_overlap_count_together() {
    let both = |second_needs: &[&str]| {
        [
            node("drain1", &[], &[("web-01", Takes)]),
            node("ready1", &["drain1"], &[("web-01", Returns)]),
            node("drain2", second_needs, &[("web-02", Takes)]),
            node("ready2", &["drain2"], &[("web-02", Returns)]),
        ]
    };
    let now = pool(1, &[("web-01", true, true), ("web-02", true, true)]);
    assert_eq!(refusals(&both(&[]), std::slice::from_ref(&now)).len(), 2);
    assert_eq!(refusals(&both(&["ready1"]), &[now]), Vec::new());
}

#[test]
fn several_restarts_at_once_are_refused() {
    let restarts = [node("a", &[], &[("web-01", Disturbs)]), node("b", &[], &[("web-02", Disturbs)])];
    let now = pool(1, &[("web-01", true, true), ("web-02", true, true)]);
    assert_eq!(refusals(&restarts, &[now]).len(), 2);
}

#[test]
fn a_sick_member_may_be_drained_while_enough_are_enabled() {
    let drain = [node("drain", &[], &[("web-01", Takes)])];
    assert_eq!(
        refusals(&drain, &[pool(1, &[("web-01", true, false), ("web-02", true, false)])]),
        Vec::new()
    );
    // The only one that serves is not taken, however many are enabled.
    assert_eq!(
        refusals(&drain, &[pool(1, &[("web-01", true, true), ("web-02", true, false)])]).len(),
        1
    );
}

#[test]
fn antichains_agree_with_brute_force() {
    // 2,000 random interval orders on up to eight elements.
    let mut seed = 7u64;
    let mut random = move |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    for _ in 0..2000 {
        let n = usize::try_from(random(9)).unwrap_or(0);
        let spans: Vec<(u64, u64)> = (0..n)
            .map(|_| {
                let s = random(12);
                (s, s + random(6))
            })
            .collect();
        let before = |a: usize, b: usize| spans[a].1 < spans[b].0;
        let found = largest_antichain(n, &before);
        let is_antichain = |set: &[usize]| {
            set.iter()
                .all(|a| set.iter().all(|b| a == b || (!before(*a, *b) && !before(*b, *a))))
        };
        assert!(is_antichain(&found));
        let best = (0u32..1 << n)
            .map(|mask| (0..n).filter(|i| mask >> i & 1 == 1).collect::<Vec<_>>())
            .filter(|set| is_antichain(set))
            .map(|set| set.len())
            .max();
        assert_eq!(Some(found.len()), best);
    }
}

/// A plan of one effect per node, drawn from a seed, and the pool it works on.
struct Drawn {
    nodes: Vec<Node>,
    pool: PoolNow,
}

struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % n
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

const NAMES: [&str; 7] = ["n0", "n1", "n2", "n3", "n4", "n5", "n6"];

/// As runbooks are: a member that is taken is returned by a later node or not at all; one that is out may be returned; restarts between.
fn drawn(seed: u64) -> Drawn {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let hosts = ["a", "b", "c", "d"];
    let members = 2 + dice.below(3);
    let state: Vec<(&str, bool, bool)> = hosts[..members]
        .iter()
        .map(|h| match dice.below(5) {
            0 => (*h, false, false),
            1 => (*h, true, false),
            _ => (*h, true, true),
        })
        .collect();
    let mut effects: Vec<(&str, EffectKind, Option<usize>)> = Vec::new();
    for (host, enabled, _) in &state {
        let at = effects.len();
        match dice.below(4) {
            0 if !enabled => effects.push((host, Returns, None)),
            0 | 1 => {
                effects.push((host, Takes, None));
                if dice.one_in(3) {
                    effects.push((host, Disturbs, Some(at)));
                }
                if !dice.one_in(4) {
                    effects.push((host, Returns, Some(effects.len() - 1)));
                }
            }
            2 => effects.push((host, Disturbs, None)),
            _ => {}
        }
    }
    effects.truncate(NAMES.len());
    let sparse = 1 + dice.below(4);
    // The order of the list is not the order of the members, but what is needed stands before.
    let mut order: Vec<usize> = Vec::new();
    while order.len() < effects.len() {
        let i = dice.below(effects.len());
        let ready = effects[i].2.is_none_or(|before| order.contains(&before));
        if ready && !order.contains(&i) {
            order.push(i);
        }
    }
    let nodes: Vec<Node> = order
        .iter()
        .enumerate()
        .map(|(place, i)| {
            let mut needs: Vec<&str> = (0..place).filter(|_| dice.one_in(sparse)).map(|p| NAMES[p]).collect();
            needs.extend(effects[*i].2.map(|before| NAMES[order.iter().position(|o| *o == before).unwrap()]));
            node(NAMES[place], &needs, &[(effects[*i].0, effects[*i].1)])
        })
        .collect();
    Drawn {
        nodes,
        pool: pool(1 + dice.below(members.min(2)), &state),
    }
}

/// How far a node is.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Stage {
    Waits,
    Disturbs,
    Ended,
}

/// The nodes that some order makes take a pool below its minimum, found by walking every order. What a node takes is out from its
/// start, what it returns is in at its end; only a disturbance lasts between the two.
fn by_brute_force(nodes: &[Node], pool: &PoolNow) -> Vec<String> {
    let state: Vec<(bool, bool)> = pool.members.iter().map(|m| (m.enabled, m.serving)).collect();
    let mut bad = vec![false; nodes.len()];
    let (mut seen, mut waiting) = (HashSet::new(), vec![(vec![Stage::Waits; nodes.len()], state)]);
    while let Some((stages, state)) = waiting.pop() {
        if !seen.insert(stages.clone()) {
            continue;
        }
        for (n, node) in nodes.iter().enumerate() {
            let ended = |id| stages[nodes.iter().position(|o| &o.row == id).unwrap()] == Stage::Ended;
            let effect = &node.pool_effects[0];
            let m = pool.members.iter().position(|o| o.host == effect.member).unwrap();
            let (mut stages, mut after) = (stages.clone(), state.clone());
            if stages[n] == Stage::Waits && node.needs.iter().all(ended) {
                after[m] = (effect.kind == Returns, effect.kind == Returns);
                let (enabled, serving) = (after.iter().filter(|s| s.0).count(), after.iter().filter(|s| s.1).count());
                bad[n] |= effect.kind != Returns && !allowed(pool.minimum, serving, enabled, state[m].1, state[m].0);
                stages[n] = if effect.kind == Disturbs { Stage::Disturbs } else { Stage::Ended };
                waiting.push((stages, after));
            } else if stages[n] == Stage::Disturbs {
                let taken = nodes
                    .iter()
                    .zip(&stages)
                    .any(|(o, s)| *s == Stage::Ended && o.pool_effects[0].member == effect.member && o.pool_effects[0].kind == Takes);
                let now = &pool.members[m];
                after[m] = (now.enabled && !taken, now.serving && !taken);
                stages[n] = Stage::Ended;
                waiting.push((stages, after));
            }
        }
    }
    nodes.iter().zip(bad).filter(|(_, bad)| *bad).map(|(n, _)| n.id.0.clone()).collect()
}

#[test]
fn refusals_agree_with_brute_force_over_every_order() {
    let (mut refused, mut passed, mut differ) = (0, 0, Vec::new());
    for seed in 0..4000 {
        let Drawn { nodes, pool } = drawn(seed);
        let expected = by_brute_force(&nodes, &pool);
        let mut found: Vec<String> = refusals(&nodes, std::slice::from_ref(&pool))
            .into_iter()
            .map(|r| r.node.unwrap().0)
            .collect();
        found.dedup();
        match expected.is_empty() {
            true => passed += 1,
            false => refused += 1,
        }
        if found != expected {
            differ.push(seed);
        }
    }
    let first = differ.first().map(|seed| {
        let Drawn { nodes, pool } = drawn(*seed);
        let lines: Vec<String> = nodes
            .iter()
            .map(|n| {
                format!(
                    "{} needs {:?}: {:?} {}",
                    n.id, n.needs, n.pool_effects[0].kind, n.pool_effects[0].member
                )
            })
            .collect();
        let (expected, found) = (by_brute_force(&nodes, &pool), refusals(&nodes, std::slice::from_ref(&pool)));
        format!(
            "seed {seed}: {pool:#?}\n{}\nbrute force: {expected:?}\nfound: {found:#?}",
            lines.join("\n")
        )
    });
    assert!(differ.is_empty(), "{} of 4000 differ\n{}", differ.len(), first.unwrap_or_default());
    assert!(refused >= 1200 && passed >= 1200, "{refused} refused, {passed} passed");
}
