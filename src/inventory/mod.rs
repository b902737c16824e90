//! Floor 3: inventories, from texts to resolved hosts, groups and pools.
//!
//! runbook's own YAML and Ansible's inventories, in any mixture. Every connection key and variable gets its effective value here:
//! a host's own, else that of its nearest group; in Ansible's inventories by Ansible's order. Assumes that the caller has read the
//! files and run the programs; knows nothing of runbooks.

mod ansible;
mod declared;
mod membership;
mod names;
mod pools;
mod schema;
mod secret;
mod settings;

#[cfg(test)]
mod tests;

pub use schema::schema;

use std::collections::{BTreeMap, BTreeSet};

use crate::base::id::{GroupName, HostName};
use crate::diagnostic::{Diagnostics, SourceId, Sources};
use crate::inventory::ansible::{Ansible, Kind};
use crate::inventory::declared::Declared;
use crate::inventory::membership::Membership;
use crate::model::inventory::Inventory;
use crate::yaml::Node;
pub use secret::{looks_secret, masked};

/// One text of an inventory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// The text.
    pub id: SourceId,
    /// The folder that relative paths in it start from.
    pub folder: String,
    /// What it is.
    pub role: Role,
}

/// What a text of an inventory is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// Hosts and groups, in any of the formats.
    Inventory,
    /// Variables of a group: the number of the inventory it lies beside, and its path below `group_vars`.
    GroupVars(usize, String),
    /// Variables of a host, likewise below `host_vars`.
    HostVars(usize, String),
}

/// Reads one inventory out of several files; with each comes the folder that its relative paths start from. The inventory is there
/// only without errors.
#[must_use]
pub fn parse(sources: &Sources, files: &[(SourceId, String)]) -> (Option<Inventory>, Diagnostics) {
    let texts: Vec<Text> = files
        .iter()
        .map(|(id, folder)| Text {
            id: *id,
            folder: folder.clone(),
            role: Role::Inventory,
        })
        .collect();
    read(sources, &texts, "")
}

/// As [`parse`], with files of variables beside the inventories; `here` is the folder the command runs in, from which Ansible's
/// relative paths start.
#[must_use]
pub fn read(sources: &Sources, texts: &[Text], here: &str) -> (Option<Inventory>, Diagnostics) {
    let mut diagnostics = Diagnostics::new();
    let mut declared = Declared::default();
    let mut ansible = Ansible::new();
    for text in texts {
        match &text.role {
            Role::GroupVars(unit, path) => ansible.file(*unit, true, path, text.id),
            Role::HostVars(unit, path) => ansible.file(*unit, false, path, text.id),
            Role::Inventory => match ansible::kind(sources, text.id, &mut diagnostics) {
                Kind::Own(Some(node)) => declared.read(&node, &text.folder, &mut diagnostics),
                Kind::Own(None) | Kind::Refused => {}
                kind => ansible.read(&kind, sources, text.id, &mut diagnostics),
            },
        }
    }
    ansible.finish(here, sources, &mut declared, &mut diagnostics);
    let inventory = resolve(&declared, &mut diagnostics);
    (inventory.filter(|_| !diagnostics.has_errors()), diagnostics)
}

/// Reads an inventory that stands inside another text.
#[must_use]
pub fn inside(node: &Node, folder: &str) -> (Option<Inventory>, Diagnostics) {
    let mut diagnostics = Diagnostics::new();
    let mut declared = Declared::default();
    declared.read(node, folder, &mut diagnostics);
    let inventory = resolve(&declared, &mut diagnostics);
    (inventory.filter(|_| !diagnostics.has_errors()), diagnostics)
}

/// True for a text in one of Ansible's formats: the files of variables beside it count.
#[must_use]
pub fn is_ansible(sources: &Sources, id: SourceId) -> bool {
    matches!(
        ansible::kind(sources, id, &mut Diagnostics::new()),
        Kind::Ini | Kind::Yaml(_) | Kind::Json(_)
    )
}

fn resolve(declared: &Declared, diagnostics: &mut Diagnostics) -> Option<Inventory> {
    let order: Vec<HostName> = declared.hosts.iter().map(|h| HostName::from(h.name.value.clone())).collect();
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
    let inside = declared.groups.iter().filter(|g| !g.groups.is_empty()).map(|group| {
        let names = group.groups.iter().map(|g| GroupName(g.value.clone())).collect();
        (GroupName(group.name.value.clone()), names)
    });
    let mut inventory = Inventory {
        inside: inside.collect(),
        groups: groups.collect(),
        hosts,
        order,
        pools: BTreeMap::new(),
    };
    let pools = declared.pools.iter().filter_map(|p| pools::resolve(p, &inventory, diagnostics));
    inventory.pools = pools.map(|p| (p.name.clone(), p)).collect();
    Some(inventory)
}
