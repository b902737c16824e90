//! Floor 3: inventories, from YAML to resolved hosts, groups and pools.
//!
//! Every connection key and variable gets its effective value here: a host's own, else that of its nearest group. Assumes that the
//! caller has read the files; knows nothing of runbooks.

mod declared;
mod foreign;
mod membership;
mod names;
mod pools;
mod schema;
mod settings;

#[cfg(test)]
mod tests;

pub use schema::schema;

use std::collections::{BTreeMap, BTreeSet};

use crate::base::id::{GroupName, HostName};
use crate::diagnostic::{Diagnostics, SourceId, Sources};
use crate::inventory::declared::Declared;
use crate::inventory::membership::Membership;
use crate::model::inventory::Inventory;
use crate::yaml;

/// Reads one inventory out of several files; with each comes the folder that its relative paths start from. The inventory is there
/// only without errors.
#[must_use]
pub fn parse(sources: &Sources, files: &[(SourceId, String)]) -> (Option<Inventory>, Diagnostics) {
    let mut diagnostics = Diagnostics::new();
    let mut declared = Declared::default();
    for (id, folder) in files {
        if let Some(foreign) = foreign::recognise(sources, *id) {
            diagnostics.push(foreign);
            continue;
        }
        let (node, mistakes) = yaml::read(sources, *id);
        diagnostics.extend(mistakes);
        if let Some(node) = node {
            declared.read(&node, folder, &mut diagnostics);
        }
    }
    let inventory = resolve(&declared, &mut diagnostics);
    (inventory.filter(|_| !diagnostics.has_errors()), diagnostics)
}

fn resolve(declared: &Declared, diagnostics: &mut Diagnostics) -> Option<Inventory> {
    let order: Vec<HostName> = declared.hosts.iter().map(|h| HostName(h.name.value.clone())).collect();
    let membership = Membership::of(declared, diagnostics)?;
    let mut reported = BTreeSet::new();
    let mut hosts = BTreeMap::new();
    for (number, host) in declared.hosts.iter().enumerate() {
        let groups = membership
            .groups_of(number)
            .iter()
            .map(|(distance, g)| (*distance, &declared.groups[*g]));
        let effective = settings::effective(host, groups, &mut reported, diagnostics);
        hosts.insert(order[number].clone(), settings::host(&host.name.value, effective));
    }
    let groups = declared.groups.iter().enumerate().map(|(number, group)| {
        let members = membership.hosts_of(number).map(|h| order[h].clone()).collect();
        (GroupName(group.name.value.clone()), members)
    });
    let mut inventory = Inventory {
        groups: groups.collect(),
        hosts,
        order,
        pools: BTreeMap::new(),
    };
    let pools = declared.pools.iter().filter_map(|p| pools::resolve(p, &inventory, diagnostics));
    inventory.pools = pools.map(|p| (p.name.clone(), p)).collect();
    Some(inventory)
}
