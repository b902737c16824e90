//! What a plan does to one pool: its nodes that touch the pool, their order, and the members as they are now.

use std::collections::{BTreeSet, HashMap};

use super::PoolNow;
use super::proof::Course;
use crate::base::id::HostName;
use crate::model::plan::{EffectKind, Node};
use crate::plan::graph::Reach;

/// Conditions that only the run can judge, by number.
pub(super) type Keys = BTreeSet<usize>;

/// A way to count members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layer {
    Serving,
    Enabled,
}

/// A node that touches the pool.
#[derive(Clone, Debug)]
pub(super) struct Act {
    /// Its place in the order.
    pub(super) place: usize,
    /// Its place in the plan; `None`: it is only imagined.
    pub(super) node: Option<usize>,
    /// Members by number.
    pub(super) effects: Vec<(usize, EffectKind)>,
    /// It happens when all of these hold.
    pub(super) keys: Keys,
}

/// Everything that happens to one pool.
#[derive(Clone, Debug)]
pub(super) struct Story {
    pub(super) pool: PoolNow,
    /// Each after those that surely end before it starts.
    pub(super) acts: Vec<Act>,
    /// For each member the acts that touch it, in that order.
    pub(super) by_member: Vec<Vec<usize>>,
    /// For each member what happens to it where none of its conditions is known to hold.
    pub(super) courses: Vec<Courses>,
    pub(super) reach: Reach,
}

/// What happens to a member, by the way it is counted.
#[derive(Clone, Debug)]
pub(super) struct Courses {
    serving: Course,
    enabled: Course,
    /// The conditions of all that happens to it.
    pub(super) keys: Keys,
}

impl Courses {
    pub(super) fn of(&self, layer: Layer) -> &Course {
        match layer {
            Layer::Serving => &self.serving,
            Layer::Enabled => &self.enabled,
        }
    }
}

impl Story {
    pub(super) fn new(nodes: &[Node], touching: &[usize], reach: &Reach, pool: &PoolNow) -> Story {
        let members: HashMap<&HostName, usize> = pool.members.iter().enumerate().map(|(m, member)| (&member.host, m)).collect();
        let mut numbers: HashMap<&str, usize> = HashMap::new();
        let mut acts = Vec::new();
        for (place, node) in touching.iter().enumerate() {
            let (mut effects, mut keys) = (Vec::new(), Keys::new());
            for effect in nodes[*node].pool_effects.iter().filter(|e| e.pool == pool.pool) {
                let Some(member) = members.get(&effect.member) else { continue };
                effects.push((*member, effect.kind));
                for key in &effect.perhaps {
                    let next = numbers.len();
                    keys.insert(*numbers.entry(key.as_str()).or_insert(next));
                }
            }
            if !effects.is_empty() {
                acts.push(Act {
                    place,
                    node: Some(*node),
                    effects,
                    keys,
                });
            }
        }
        let mut story = Story {
            pool: pool.clone(),
            acts,
            by_member: Vec::new(),
            courses: Vec::new(),
            reach: reach.clone(),
        };
        story.list();
        story
    }

    /// Lists who touches whom, after the acts, their order or the members have changed.
    fn list(&mut self) {
        self.by_member = vec![Vec::new(); self.pool.members.len()];
        for (a, act) in self.acts.iter().enumerate() {
            for (member, _) in &act.effects {
                if self.by_member[*member].last() != Some(&a) {
                    self.by_member[*member].push(a);
                }
            }
        }
        let of = |x: usize| Courses {
            serving: self.course(Layer::Serving, x, &Keys::new()),
            enabled: self.course(Layer::Enabled, x, &Keys::new()),
            keys: self.by_member[x].iter().flat_map(|a| self.acts[*a].keys.iter().copied()).collect(),
        };
        self.courses = (0..self.by_member.len()).map(of).collect();
    }

    /// True when the first act surely ends before the second starts.
    pub(super) fn precedes(&self, first: usize, second: usize) -> bool {
        self.reach.precedes(self.acts[first].place, self.acts[second].place)
    }

    /// What an act does to a member; at most one thing, since a later effect of one node has the last word.
    pub(super) fn effect(&self, act: usize, member: usize) -> Option<EffectKind> {
        self.acts[act]
            .effects
            .iter()
            .rev()
            .find(|(m, _)| *m == member)
            .map(|(_, kind)| *kind)
    }

    /// The act of a node, and the member, for everything that takes or disturbs.
    pub(super) fn takes(&self) -> Vec<(usize, usize, EffectKind)> {
        let of = |(a, act): (usize, &Act)| {
            let taken = act.effects.iter().filter(|(_, kind)| *kind != EffectKind::Returns);
            taken.map(|(m, kind)| (a, *m, *kind)).collect::<Vec<_>>()
        };
        self.acts.iter().enumerate().flat_map(of).collect()
    }

    /// Counted as in service before the plan.
    pub(super) fn in_now(&self, layer: Layer, member: usize) -> bool {
        match layer {
            Layer::Serving => self.pool.members[member].serving,
            Layer::Enabled => self.pool.members[member].enabled,
        }
    }

    /// The same with a step more, which returns a member before act `n` starts.
    pub(super) fn with_return(mut self, member: usize, n: usize) -> Story {
        let place = self.reach.add();
        self.reach.demand(place, self.acts[n].place);
        self.acts.insert(
            0,
            Act {
                place,
                node: None,
                effects: vec![(member, EffectKind::Returns)],
                keys: Keys::new(),
            },
        );
        self.list();
        self
    }

    /// The same where `first` ends before `second` starts; gives the acts in their new order.
    pub(super) fn with_order(mut self, first: usize, second: usize) -> Story {
        self.reach.demand(self.acts[first].place, self.acts[second].place);
        let places: Vec<usize> = self.acts.iter().map(|a| a.place).collect();
        let before = |act: &Act| places.iter().filter(|p| self.reach.precedes(**p, act.place)).count();
        // Whoever follows another one has more before it.
        let mut acts: Vec<(usize, Act)> = self.acts.iter().map(|a| (before(a), a.clone())).collect();
        acts.sort_by_key(|(count, _)| *count);
        self.acts = acts.into_iter().map(|(_, a)| a).collect();
        self.list();
        self
    }

    /// The same with a member that is in service from the beginning.
    pub(super) fn with_repaired(mut self, member: usize) -> Story {
        let member = &mut self.pool.members[member];
        (member.known, member.enabled, member.serving) = (true, true, true);
        self.list();
        self
    }
}
