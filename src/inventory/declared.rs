//! What the files say, before anything is looked up: hosts, groups and pools with their places.

use std::collections::BTreeMap;

use crate::base::sanitise::one_line;
use crate::diagnostic::{Diagnostic, Diagnostics, Span, Spanned};
use crate::inventory::names::check_name;
use crate::inventory::pools::{self, DeclaredPool};
use crate::inventory::settings::{self, Settings};
use crate::model::pattern::expand;
use crate::yaml::fields::Fields;
use crate::yaml::{Entry, Node};

/// More hosts than this in one inventory are a mistake in a range.
pub(super) const MOST_HOSTS: usize = 20_000;

/// Everything the files say.
#[derive(Debug, Default)]
pub(super) struct Declared {
    pub hosts: Vec<DeclaredHost>,
    pub groups: Vec<DeclaredGroup>,
    pub pools: Vec<DeclaredPool>,
    /// Names of hosts and groups, and where each was declared.
    pub names: BTreeMap<String, (Kind, Span)>,
    pool_names: BTreeMap<String, Span>,
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Host,
    Group,
}

#[derive(Debug)]
pub(super) struct DeclaredHost {
    pub name: Spanned<String>,
    pub settings: Settings,
    /// From an inventory of Ansible's: its groups have been taken into account.
    pub ansible: bool,
}

#[derive(Debug)]
pub(super) struct DeclaredGroup {
    pub name: Spanned<String>,
    /// Names, ranges, globs, `~expressions` of hosts.
    pub hosts: Vec<Spanned<String>>,
    /// Names of groups inside.
    pub groups: Vec<Spanned<String>>,
    pub settings: Settings,
}

impl Declared {
    /// Adds what one file says.
    pub fn read(&mut self, node: &Node, folder: &str, diagnostics: &mut Diagnostics) {
        let top = Fields::of(node, &["hosts", "groups", "pools"], "an inventory", diagnostics);
        for entry in section(&top, "hosts", diagnostics) {
            self.host(entry, folder, diagnostics);
        }
        for entry in section(&top, "groups", diagnostics) {
            self.group(entry, folder, diagnostics);
        }
        for entry in section(&top, "pools", diagnostics) {
            let name = &entry.key;
            if !check_name(&name.value, "pool", name.span, diagnostics) {
                continue;
            }
            match self.pool_names.get(&name.value) {
                Some(first) => diagnostics.push(twice("pool", name, *first)),
                None => {
                    self.pool_names.insert(name.value.clone(), name.span);
                    self.pools.extend(pools::read(entry, diagnostics));
                }
            }
        }
    }

    fn host(&mut self, entry: &Entry, folder: &str, diagnostics: &mut Diagnostics) {
        let key = &entry.key;
        let names = match expand(&key.value) {
            Ok(names) => names,
            Err(why) => {
                diagnostics.push(Diagnostic::error("RB0519", key.span, why));
                return;
            }
        };
        let settings = if entry.value.is_null() {
            Settings::new()
        } else {
            let fields = settings::fields(&entry.value, &[], &format!("host `{}`", one_line(&key.value, 60)), diagnostics);
            settings::read(&fields, folder, diagnostics)
        };
        if let Some(address) = settings.get("address").filter(|_| names.len() > 1) {
            let message = format!("one address for the {} hosts of `{}`", names.len(), one_line(&key.value, 60));
            let help = "give each host its own address, or leave it out if the names can be resolved";
            diagnostics.push(Diagnostic::error("RB0516", address.span, message).help(help));
        }
        for name in names {
            let name = Spanned::new(name, key.span);
            if !self.add_name(&name, Kind::Host, diagnostics) {
                continue;
            }
            if self.hosts.len() >= MOST_HOSTS {
                let message = format!("more than {MOST_HOSTS} hosts in one inventory");
                diagnostics.push(Diagnostic::error("RB0518", key.span, message));
                return;
            }
            let settings = settings.clone();
            self.hosts.push(DeclaredHost {
                name,
                settings,
                ansible: false,
            });
        }
    }

    fn group(&mut self, entry: &Entry, folder: &str, diagnostics: &mut Diagnostics) {
        let name = entry.key.clone();
        let what = format!("group `{}`", one_line(&name.value, 60));
        let fields = settings::fields(&entry.value, &["hosts", "groups"], &what, diagnostics);
        let hosts = fields.texts("hosts", diagnostics).unwrap_or_default();
        let groups = fields.texts("groups", diagnostics).unwrap_or_default();
        let settings = settings::read(&fields, folder, diagnostics);
        if self.add_name(&name, Kind::Group, diagnostics) {
            self.groups.push(DeclaredGroup {
                name,
                hosts,
                groups,
                settings,
            });
        }
    }

    fn add_name(&mut self, name: &Spanned<String>, kind: Kind, diagnostics: &mut Diagnostics) -> bool {
        let what = match kind {
            Kind::Host => "host",
            Kind::Group => "group",
        };
        if !check_name(&name.value, what, name.span, diagnostics) {
            return false;
        }
        if self.clashes(name, kind, diagnostics) {
            return false;
        }
        self.names.insert(name.value.clone(), (kind, name.span));
        true
    }

    /// Says if the name is taken.
    pub fn clashes(&self, name: &Spanned<String>, kind: Kind, diagnostics: &mut Diagnostics) -> bool {
        match self.names.get(&name.value) {
            None => return false,
            Some((other, first)) if *other == kind => {
                let what = if kind == Kind::Host { "host" } else { "group" };
                diagnostics.push(twice(what, name, *first));
            }
            Some((_, first)) => {
                let message = format!("`{}` is both a host and a group", name.value);
                let mistake = Diagnostic::error("RB0504", name.span, message).also(*first, "the other one");
                diagnostics.push(mistake.help("a pattern could mean either: rename one of them"));
            }
        }
        true
    }
}

fn section<'n>(top: &Fields<'n>, key: &str, diagnostics: &mut Diagnostics) -> &'n [Entry] {
    // `pools:` with nothing below is a section that is still empty
    if top.get(key).is_none() {
        return &[];
    }
    top.map(key, diagnostics).unwrap_or_default()
}

fn twice(what: &str, name: &Spanned<String>, first: Span) -> Diagnostic {
    let message = format!("{what} `{}` is declared twice", name.value);
    let mistake = Diagnostic::error("RB0511", name.span, message).also(first, "first here");
    mistake.help("several inventories are merged: remove one declaration, or rename it")
}
