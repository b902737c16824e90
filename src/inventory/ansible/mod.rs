//! Inventories of Ansible's, read as they are: INI, YAML, what programs print, and files of variables beside them.
//!
//! Hosts, groups and the precedence of variables are Ansible's own, which tests compare with the real one. Everything that Ansible
//! passes over with a warning or in silence is an error here. Hosts come out with the settings that count for them, so that the
//! rest of the product sees no difference.

mod connection;
mod effective;
mod files;
mod ini;
mod literal;
mod recognise;
mod scalar;
mod ssh_args;
mod tree;
mod words;
mod world;

#[cfg(test)]
mod tests;

use crate::diagnostic::{Diagnostic, Diagnostics, SourceId, Sources, Spanned};
use crate::inventory::ansible::connection::Reading;
use crate::inventory::ansible::effective::{Order, Unit};
use crate::inventory::ansible::world::{ALL, World};
use crate::inventory::declared::{Declared, DeclaredGroup, DeclaredHost, Kind as NameKind};
use crate::inventory::settings::Settings;
pub(super) use recognise::{Kind, kind};

/// Everything of Ansible's that was read so far.
pub(super) struct Ansible {
    world: World,
    units: Vec<Unit>,
    used: bool,
}

impl Ansible {
    pub fn new() -> Ansible {
        Ansible {
            world: World::new(),
            units: Vec::new(),
            used: false,
        }
    }

    /// Adds an inventory.
    pub fn read(&mut self, kind: &Kind, sources: &Sources, id: SourceId, diagnostics: &mut Diagnostics) {
        self.used = true;
        match kind {
            Kind::Ini => ini::read(sources, id, &mut self.world, diagnostics),
            Kind::Yaml(node) => tree::yaml(node, &mut self.world, diagnostics),
            Kind::Json(node) => tree::json(node, &mut self.world, diagnostics),
            Kind::Own(_) | Kind::Refused => {}
        }
    }

    /// Adds a file of variables of the inventory number `unit`, with its path below `group_vars` or `host_vars`.
    pub fn file(&mut self, unit: usize, of_groups: bool, path: &str, id: SourceId) {
        // An unsigned number from the caller's own counting; a gap is an inventory without such files.
        while self.units.len() <= unit {
            self.units.push(Unit::default());
        }
        let folder = if of_groups {
            &mut self.units[unit].groups
        } else {
            &mut self.units[unit].hosts
        };
        folder.add(path, id);
    }

    /// Hands hosts and groups over, with what counts for them.
    pub fn finish(mut self, here: &str, sources: &Sources, declared: &mut Declared, diagnostics: &mut Diagnostics) {
        if !self.used {
            return;
        }
        self.world.close(diagnostics);
        let mut taken: Vec<Option<Settings>> = self.world.hosts.iter().map(|_| None).collect();
        // Groups in a circle are reported when all groups are looked up.
        if let Some(order) = Order::of(&self.world) {
            let mut reading = Reading::new(here);
            effective::each(
                &mut self.world,
                &order,
                &mut self.units,
                sources,
                diagnostics,
                |world, host, found, d| {
                    taken[host] = Some(reading.settings(&world.hosts[host].name.value, found, d));
                },
            );
            reading.close(diagnostics);
        }
        self.hand_over(taken, declared, diagnostics);
    }

    fn hand_over(self, settings: Vec<Option<Settings>>, declared: &mut Declared, diagnostics: &mut Diagnostics) {
        let names: Vec<Spanned<String>> = self.world.hosts.iter().map(|h| h.name.clone()).collect();
        let groups: Vec<Spanned<String>> = self.world.groups.iter().map(|g| g.name.clone()).collect();
        let mut ours = declared.hosts.len();
        for (host, settings) in self.world.hosts.into_iter().zip(settings) {
            if declared.clashes(&host.name, NameKind::Host, diagnostics) {
                continue;
            }
            declared.hosts.push(DeclaredHost {
                name: host.name,
                settings: settings.unwrap_or_default(),
                ansible: true,
            });
        }
        for (number, group) in self.world.groups.into_iter().enumerate().filter(|(n, _)| *n != ALL) {
            if declared.clashes(&group.name, NameKind::Group, diagnostics) {
                continue;
            }
            let hosts = group.hosts.iter().map(|h| names[*h].clone()).collect::<Vec<_>>();
            let children = group.children.iter().map(|g| groups[*g].clone()).collect();
            // `[web-01]` with the host `web-01` alone: both mean the same.
            let same = hosts.len() == 1 && hosts[0].value == group.name.value && group.children.is_empty();
            if !same && let Some(host) = names.iter().find(|n| n.value == groups[number].value) {
                let message = format!("`{}` is both a group and a host", group.name.value);
                let warning = Diagnostic::error("RB0504", group.name.span, message).warning();
                diagnostics.push(
                    warning
                        .also(host.span, "the host")
                        .help("no pattern can name either: rename one of them"),
                );
            }
            declared.groups.push(DeclaredGroup {
                name: group.name,
                hosts,
                groups: children,
                settings: Settings::new(),
            });
        }
        for (kind, list) in [(NameKind::Group, &groups[1..]), (NameKind::Host, names.as_slice())] {
            for name in list {
                declared.names.insert(name.value.clone(), (kind, name.span));
            }
        }
        // In the order in which the inventories were given.
        ours = ours.min(declared.hosts.len());
        if ours > 0 {
            declared.hosts.sort_by_key(|h| h.name.span.source);
        }
    }
}
