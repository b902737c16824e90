//! Which variable counts for a host, by Ansible's own order: inventory files before files of variables, groups before hosts, outer
//! groups before inner ones; among groups of one depth `ansible_group_priority`, then the alphabet.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::base::value::Value;
use crate::diagnostic::{Diagnostics, Sources, Span, Spanned};
use crate::inventory::ansible::files::Folder;
use crate::inventory::ansible::world::{ALL, Vars, World};

/// Files of variables beside one inventory.
#[derive(Default)]
pub(super) struct Unit {
    pub groups: Folder,
    pub hosts: Folder,
}

/// A variable that counts.
pub(super) struct Effective {
    pub value: Rc<Spanned<Value>>,
    /// Another group of the same rank says something else; the alphabet decided.
    pub rival: Option<Span>,
    rank: Option<(usize, usize, i64)>,
}

/// The order of groups, worked out once.
pub(super) struct Order {
    parents: Vec<Vec<usize>>,
    depths: Vec<usize>,
    /// Of each host.
    direct: Vec<Vec<usize>>,
}

impl Order {
    /// `None` when groups contain each other.
    pub fn of(world: &World) -> Option<Order> {
        let count = world.groups.len();
        let mut parents = vec![Vec::new(); count];
        let mut direct = vec![Vec::new(); world.hosts.len()];
        for (number, group) in world.groups.iter().enumerate() {
            group.children.iter().for_each(|c| parents[*c].push(number));
            group.hosts.iter().for_each(|h| direct[*h].push(number));
        }
        let mut waiting: Vec<usize> = parents.iter().map(Vec::len).collect();
        let mut depths: Vec<usize> = (0..count).map(|g| usize::from(g != ALL)).collect();
        let mut ready: Vec<usize> = (0..count).filter(|g| waiting[*g] == 0).collect();
        let mut next = 0;
        while let Some(group) = ready.get(next).copied() {
            for child in &world.groups[group].children {
                depths[*child] = depths[*child].max(depths[group] + 1);
                waiting[*child] -= 1;
                if waiting[*child] == 0 {
                    ready.push(*child);
                }
            }
            next += 1;
        }
        (ready.len() == count).then_some(Order { parents, depths, direct })
    }

    /// All groups of a host but `all`, in the order in which later ones count.
    fn groups(&self, world: &World, host: usize, seen: &mut [usize]) -> Vec<usize> {
        let mut found: Vec<usize> = Vec::new();
        let mut waiting = self.direct[host].clone();
        while let Some(group) = waiting.pop() {
            if group != ALL && std::mem::replace(&mut seen[group], host + 1) != host + 1 {
                found.push(group);
                waiting.extend(&self.parents[group]);
            }
        }
        let key = |g: &usize| (self.depths[*g], world.groups[*g].priority, &world.groups[*g].name.value);
        found.sort_by(|a, b| key(a).cmp(&key(b)));
        found
    }
}

/// The variables that count for each host, handed to `with` one host at a time.
pub(super) fn each(
    world: &mut World,
    order: &Order,
    units: &mut [Unit],
    sources: &Sources,
    diagnostics: &mut Diagnostics,
    mut with: impl FnMut(&World, usize, &BTreeMap<String, Effective>, &mut Diagnostics),
) {
    let mut seen = vec![0; world.groups.len()];
    for host in 0..world.hosts.len() {
        let groups = order.groups(world, host, &mut seen);
        let mut found = BTreeMap::new();
        lay(&mut found, &world.groups[ALL].vars, None);
        for group in &groups {
            lay(
                &mut found,
                &world.groups[*group].vars,
                Some((0, order.depths[*group], world.groups[*group].priority)),
            );
        }
        for unit in units.iter_mut() {
            lay(&mut found, &unit.groups.vars("all", sources, diagnostics), None);
        }
        for (number, unit) in units.iter_mut().enumerate() {
            for group in &groups {
                let rank = (number + 1, order.depths[*group], world.groups[*group].priority);
                lay(
                    &mut found,
                    &unit.groups.vars(&world.groups[*group].name.value, sources, diagnostics),
                    Some(rank),
                );
            }
        }
        lay(&mut found, &world.hosts[host].vars, None);
        for unit in units.iter_mut() {
            lay(
                &mut found,
                &unit.hosts.vars(&world.hosts[host].name.value, sources, diagnostics),
                None,
            );
        }
        let span = world.hosts[host].name.span;
        let cost = groups.len() * 16 + found.iter().map(|(k, v)| 64 + k.len() + size(&v.value.value)).sum::<usize>();
        if !world.charge(cost, span, diagnostics) {
            return;
        }
        with(world, host, &found, diagnostics);
    }
}

fn lay(found: &mut BTreeMap<String, Effective>, vars: &Vars, rank: Option<(usize, usize, i64)>) {
    for (key, value) in vars {
        let before = found.get(key);
        let rival = before
            .filter(|b| rank.is_some() && b.rank == rank && b.value.value != value.value)
            .map(|b| b.value.span);
        let value = Rc::clone(value);
        found.insert(key.clone(), Effective { value, rival, rank });
    }
}

/// About how many bytes a value takes.
fn size(value: &Value) -> usize {
    32 + match value {
        Value::Text(text) => text.len(),
        Value::List(list) => list.iter().map(size).sum(),
        Value::Map(map) => map.iter().map(|(k, v)| k.len() + size(v)).sum(),
        _ => 0,
    }
}
