//! What becomes of the pools of a drawn plan in every order: brute force that shares nothing with the proof.
//!
//! A walk goes through every set of nodes that can have started and ended, several at once, in every world: each condition true or
//! false, each member that nobody knows in or out. A taken member is out from the start of its node, a returned one in from the end, a
//! disturbed one out between the two; the last word counts.

use std::collections::{BTreeSet, HashSet};

use super::worlds::{Drawn, Sketch};
use crate::model::plan::EffectKind::{Disturbs, Returns, Takes};
use crate::model::plan::{Happening, Moment};

/// Conditions that hold, and members, by pool and number, that are in although nobody knows it.
#[derive(Clone, Debug)]
struct World {
    holds: Vec<bool>,
    in_after_all: Vec<(usize, usize)>,
}

/// Nodes by bit, and the last word about each member by pool and number: 0 as observed, 1 taken, 2 returned.
#[derive(Clone, Copy, Debug, Default)]
struct Now {
    under_way: u16,
    over: u16,
    words: [[u8; 4]; 2],
}

impl Now {
    /// All of it in one number.
    fn number(&self) -> u64 {
        let words = self.words.iter().flatten().fold(0, |all, word| all << 2 | u64::from(*word));
        words << 32 | u64::from(self.under_way) << 16 | u64::from(self.over)
    }
}

fn worlds(drawn: &Drawn) -> Vec<World> {
    let keys = drawn.sketches.iter().flat_map(|s| &s.keys).max().map_or(0, |k| k + 1);
    let members = drawn
        .pools
        .iter()
        .enumerate()
        .flat_map(|(p, pool)| (0..pool.members.len()).map(move |m| (p, m)));
    let unknown: Vec<(usize, usize)> = members.filter(|(p, m)| !drawn.pools[*p].members[*m].known).collect();
    let split = |bits: usize| World {
        holds: (0..keys).map(|k| bits >> k & 1 == 1).collect(),
        in_after_all: (0..unknown.len())
            .filter(|u| bits >> (keys + u) & 1 == 1)
            .map(|u| unknown[u])
            .collect(),
    };
    (0..1 << (keys + unknown.len())).map(split).collect()
}

/// A plan, with what is asked at every moment of the walk as bits of nodes.
struct Walk<'d> {
    drawn: &'d Drawn,
    needs: Vec<u16>,
    /// Who disturbs a member, by pool and number.
    disturbs: [[u16; 4]; 2],
}

impl<'d> Walk<'d> {
    fn new(drawn: &'d Drawn) -> Walk<'d> {
        let bits = |sketch: &Sketch| sketch.needs.iter().fold(0, |all, n| all | 1 << n);
        let mut disturbs = [[0; 4]; 2];
        for (i, sketch) in drawn.sketches.iter().enumerate() {
            for (p, m, _) in sketch.effects.iter().filter(|(.., kind)| *kind == Disturbs) {
                disturbs[*p][*m] |= 1 << i;
            }
        }
        Walk {
            drawn,
            needs: drawn.sketches.iter().map(bits).collect(),
            disturbs,
        }
    }

    fn ready(&self, now: &Now, i: usize) -> bool {
        (now.under_way | now.over) >> i & 1 == 0 && self.needs[i] & !now.over == 0
    }

    fn happens(&self, world: &World, i: usize) -> bool {
        self.drawn.sketches[i].keys.iter().all(|k| world.holds[*k])
    }

    /// Enabled and serving.
    fn state(&self, world: &World, now: &Now, pool: usize, member: usize) -> (bool, bool) {
        if now.under_way & self.disturbs[pool][member] != 0 {
            return (false, false);
        }
        let seen = &self.drawn.pools[pool].members[member];
        match now.words[pool][member] {
            0 if world.in_after_all.contains(&(pool, member)) => (true, true),
            0 => (seen.enabled, seen.serving),
            word => (word == 2, word == 2),
        }
    }

    /// The rule in the words of its prose: at or above the minimum whatever; below it nothing that lowers the number serving, and the
    /// number enabled only where it stays at the minimum.
    fn refused(&self, world: &World, now: &Now, i: usize, only: Option<usize>) -> bool {
        self.drawn.sketches[i]
            .effects
            .iter()
            .filter(|(p, ..)| only.is_none_or(|o| o == *p))
            .any(|(p, m, kind)| {
                let mine = self.state(world, now, *p, *m);
                let others = (0..self.drawn.pools[*p].members.len())
                    .filter(|x| x != m)
                    .map(|x| self.state(world, now, *p, x));
                let (enabled, serving) = others.fold((0, 0), |(e, s), (is_e, is_s)| (e + usize::from(is_e), s + usize::from(is_s)));
                let minimum = self.drawn.pools[*p].minimum;
                let below = serving < minimum || enabled < minimum;
                *kind != Returns && below && (mine.1 || (mine.0 && enabled < minimum))
            })
    }

    fn start(&self, now: &Now, i: usize) -> Now {
        let mut now = *now;
        now.under_way |= 1 << i;
        for (p, m, kind) in &self.drawn.sketches[i].effects {
            if *kind == Takes {
                now.words[*p][*m] = 1;
            }
        }
        now
    }

    fn end(&self, now: &Now, i: usize) -> Now {
        let mut now = self.skip(now, i);
        for (p, m, kind) in &self.drawn.sketches[i].effects {
            if *kind == Returns {
                now.words[*p][*m] = 2;
            }
        }
        now
    }

    fn skip(&self, now: &Now, i: usize) -> Now {
        let mut now = *now;
        now.under_way &= !(1 << i);
        now.over |= 1 << i;
        now
    }

    /// The nodes that some order in some world makes take a pool below its minimum.
    fn bad(&self) -> BTreeSet<usize> {
        let mut bad = BTreeSet::new();
        for world in worlds(self.drawn) {
            let (mut seen, mut waiting) = (HashSet::from([Now::default().number()]), vec![Now::default()]);
            while let Some(now) = waiting.pop() {
                for i in 0..self.drawn.sketches.len() {
                    let next = match () {
                        () if now.under_way >> i & 1 == 1 => self.end(&now, i),
                        () if !self.ready(&now, i) => continue,
                        () if !self.happens(&world, i) => self.skip(&now, i),
                        () => {
                            if !bad.contains(&i) && self.refused(&world, &now, i, None) {
                                bad.insert(i);
                            }
                            self.start(&now, i)
                        }
                    };
                    if seen.insert(next.number()) {
                        waiting.push(next);
                    }
                }
            }
        }
        bad
    }

    /// Carries an order out, step by step, in some world; what does not touch the pool happens by itself as soon as it may. True when
    /// each step may happen and the last one breaks the rule.
    fn breaks(&self, pool: usize, order: &[Moment]) -> bool {
        let number = |m: &Moment| m.node.as_str()[1..].parse::<usize>().unwrap();
        let idle = |s: &usize| self.drawn.sketches[*s].effects.iter().all(|(p, ..)| *p != pool);
        worlds(self.drawn).iter().any(|world| {
            let mut now = Now::default();
            for (at, moment) in order.iter().enumerate() {
                let i = number(moment);
                for other in (0..self.drawn.sketches.len()).filter(idle) {
                    if self.ready(&now, other) {
                        now = self.skip(&now, other);
                    }
                }
                let may = match moment.what {
                    Happening::Starts => self.ready(&now, i) && self.happens(world, i),
                    Happening::Skipped => self.ready(&now, i) && !self.happens(world, i),
                    Happening::Ends => now.under_way >> i & 1 == 1,
                };
                if !may {
                    return false;
                }
                if at + 1 == order.len() {
                    return moment.what == Happening::Starts && self.refused(world, &now, i, Some(pool));
                }
                now = match moment.what {
                    Happening::Starts => self.start(&now, i),
                    Happening::Ends => self.end(&now, i),
                    Happening::Skipped => self.skip(&now, i),
                };
            }
            false
        })
    }
}

impl Drawn {
    /// The nodes that some order in some world makes take a pool below its minimum.
    pub(super) fn by_brute_force(&self) -> BTreeSet<usize> {
        Walk::new(self).bad()
    }

    /// True when this order may happen in some world, and its last step breaks the rule of that pool.
    pub(super) fn really_breaks(&self, pool: usize, order: &[Moment]) -> bool {
        Walk::new(self).breaks(pool, order)
    }
}
