//! Which hosts are in which group, groups inside groups included, and how far away.

use std::collections::{BTreeMap, HashMap};

use crate::base::id::HostName;
use crate::base::sanitise::one_line;
use crate::diagnostic::{Diagnostic, Diagnostics, Spanned, nearest};
use crate::inventory::declared::{Declared, Kind};
use crate::model::inventory::{Host, Inventory};
use crate::model::pattern::{self, Atom, Role, expand};

/// Pairs of a host and a group it is in; bounds memory for hostile inventories.
const MOST_PAIRS: usize = 1_000_000;

/// Hosts and groups by their numbers in [`Declared`].
pub(super) struct Membership {
    /// Of each group: hosts in order, with the distance (1: listed in the group itself).
    hosts: Vec<Vec<(usize, usize)>>,
    /// Of each host: distance and group.
    groups: Vec<Vec<(usize, usize)>>,
}

impl Membership {
    /// Looks all groups up. `None` when groups contain each other or there are too many pairs; that was said.
    pub fn of(declared: &Declared, diagnostics: &mut Diagnostics) -> Option<Membership> {
        let group_numbers: HashMap<&str, usize> = declared
            .groups
            .iter()
            .enumerate()
            .map(|(n, g)| (g.name.value.as_str(), n))
            .collect();
        let children: Vec<Vec<usize>> = declared
            .groups
            .iter()
            .map(|g| {
                g.groups
                    .iter()
                    .filter_map(|c| child(c, declared, &group_numbers, diagnostics))
                    .collect()
            })
            .collect();
        let order = children_first(declared, &children, diagnostics)?;
        let direct = direct(declared, diagnostics)?;
        let mut hosts: Vec<Vec<(usize, usize)>> = vec![Vec::new(); declared.groups.len()];
        let mut pairs = 0;
        for group in order {
            let found = collect(&direct[group], children[group].iter().map(|c| hosts[*c].as_slice()));
            pairs += found.len();
            if pairs > MOST_PAIRS {
                too_many(declared, group, diagnostics);
                return None;
            }
            hosts[group] = found;
        }
        let mut groups = vec![Vec::new(); declared.hosts.len()];
        for (group, members) in hosts.iter().enumerate() {
            for (host, distance) in members {
                groups[*host].push((*distance, group));
            }
        }
        Some(Membership { hosts, groups })
    }

    /// The hosts of a group in order.
    pub fn hosts_of(&self, group: usize) -> impl Iterator<Item = usize> + '_ {
        self.hosts[group].iter().map(|(host, _)| *host)
    }

    /// The groups a host is in, each with its distance.
    pub fn groups_of(&self, host: usize) -> &[(usize, usize)] {
        &self.groups[host]
    }
}

fn too_many(declared: &Declared, group: usize, diagnostics: &mut Diagnostics) {
    let message = format!("more than {MOST_PAIRS} memberships of hosts in groups");
    diagnostics.push(Diagnostic::error("RB0518", declared.groups[group].name.span, message));
}

/// Own hosts first, then those of the groups inside, each host once at its shortest distance.
fn collect<'m>(direct: &[usize], children: impl Iterator<Item = &'m [(usize, usize)]>) -> Vec<(usize, usize)> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    let mut places: HashMap<usize, usize> = HashMap::new();
    let own = direct.iter().map(|h| (*h, 1));
    for (host, distance) in own.chain(children.flatten().map(|(h, d)| (*h, d + 1))) {
        match places.get(&host) {
            Some(place) => found[*place].1 = found[*place].1.min(distance),
            None => {
                places.insert(host, found.len());
                found.push((host, distance));
            }
        }
    }
    found
}

fn child(name: &Spanned<String>, declared: &Declared, numbers: &HashMap<&str, usize>, diagnostics: &mut Diagnostics) -> Option<usize> {
    if let Some(number) = numbers.get(name.value.as_str()) {
        return Some(*number);
    }
    let mistake = Diagnostic::error("RB0503", name.span, format!("no group is named `{}`", one_line(&name.value, 60)));
    let known = declared.groups.iter().map(|g| g.name.value.as_str());
    diagnostics.push(match (declared.names.get(&name.value), nearest(&name.value, known)) {
        (Some((Kind::Host, _)), _) => mistake.help("it is a host: list it under `hosts`"),
        (_, Some(near)) => mistake.help(format!("did you mean `{near}`?")).replacement(near),
        _ => mistake,
    });
    None
}

/// Groups in an order in which those inside come first.
fn children_first(declared: &Declared, children: &[Vec<usize>], diagnostics: &mut Diagnostics) -> Option<Vec<usize>> {
    let mut parents: Vec<Vec<usize>> = vec![Vec::new(); children.len()];
    let mut waiting: Vec<usize> = children.iter().map(Vec::len).collect();
    for (parent, inside) in children.iter().enumerate() {
        for child in inside {
            parents[*child].push(parent);
        }
    }
    let mut order: Vec<usize> = (0..children.len()).filter(|g| waiting[*g] == 0).collect();
    let mut next = 0;
    while next < order.len() {
        for parent in &parents[order[next]] {
            waiting[*parent] -= 1;
            if waiting[*parent] == 0 {
                order.push(*parent);
            }
        }
        next += 1;
    }
    if order.len() == children.len() {
        return Some(order);
    }
    report_cycle(declared, children, &waiting, diagnostics);
    None
}

/// Every group that still waits leads into a cycle: follow the first one until a group comes again.
fn report_cycle(declared: &Declared, children: &[Vec<usize>], waiting: &[usize], diagnostics: &mut Diagnostics) {
    let Some(mut at) = waiting.iter().position(|w| *w > 0) else {
        return;
    };
    let mut path: Vec<usize> = Vec::new();
    let mut places: BTreeMap<usize, usize> = BTreeMap::new();
    while !places.contains_key(&at) {
        places.insert(at, path.len());
        path.push(at);
        match children[at].iter().find(|c| waiting[**c] > 0) {
            Some(child) => at = *child,
            None => return,
        }
    }
    let cycle = &path[places[&at]..];
    let name = |g: usize| declared.groups[g].name.value.as_str();
    let shown: Vec<_> = cycle
        .iter()
        .chain(std::iter::once(&at))
        .take(12)
        .map(|g| format!("`{}`", name(*g)))
        .collect();
    let message = format!("groups contain each other: {}", shown.join(" > "));
    diagnostics.push(Diagnostic::error("RB0513", declared.groups[cycle[0]].name.span, message));
}

/// The hosts each group lists itself.
fn direct(declared: &Declared, diagnostics: &mut Diagnostics) -> Option<Vec<Vec<usize>>> {
    let numbers: HashMap<&str, usize> = declared.hosts.iter().enumerate().map(|(n, h)| (h.name.value.as_str(), n)).collect();
    // Patterns here mean hosts only, so they see an inventory without groups.
    let flat = flat(declared);
    let mut all = Vec::with_capacity(declared.groups.len());
    let mut pairs = 0;
    for (number, group) in declared.groups.iter().enumerate() {
        let mut listed = Vec::new();
        for item in &group.hosts {
            let names = match expand(&item.value) {
                Ok(names) => names,
                Err(why) => {
                    diagnostics.push(Diagnostic::error("RB0519", item.span, why));
                    continue;
                }
            };
            for name in names {
                match numbers.get(name.as_str()) {
                    Some(host) => listed.push(*host),
                    None => match matching(&name, item, declared, &flat) {
                        Ok(found) => listed.extend(found.iter().filter_map(|h| numbers.get(h.as_str()))),
                        Err(mistakes) => diagnostics.extend(mistakes),
                    },
                }
            }
            if pairs + listed.len() > MOST_PAIRS {
                too_many(declared, number, diagnostics);
                return None;
            }
        }
        pairs += listed.len();
        all.push(listed);
    }
    Some(all)
}

fn flat(declared: &Declared) -> Inventory {
    let order: Vec<HostName> = declared.hosts.iter().map(|h| HostName::from(h.name.value.as_str())).collect();
    Inventory {
        hosts: order.iter().map(|name| (name.clone(), Host::default())).collect(),
        order,
        ..Inventory::default()
    }
}

/// The hosts of one name of an item that is no host: a glob, an expression, or a mistake.
fn matching(name: &str, item: &Spanned<String>, declared: &Declared, flat: &Inventory) -> Result<Vec<HostName>, Diagnostics> {
    if declared.names.get(name).is_some_and(|(kind, _)| *kind == Kind::Group) {
        let message = format!("`{name}` is a group");
        return Err(Diagnostic::error("RB0503", item.span, message)
            .help("list groups inside a group under `groups`")
            .into());
    }
    let (pattern, mistakes) = pattern::parse(name, item.span);
    let Some(pattern) = pattern else { return Err(mistakes) };
    let single = matches!(pattern.terms.as_slice(), [term] if term.role == Role::Union && term.index.is_none() && term.atom != Atom::All);
    if !single {
        let message = format!("`{}` cannot stand in a group", one_line(name, 60));
        let help = "list hosts by name, range (`web-[01:50]`), glob or `~` expression, one per item";
        return Err(Diagnostic::error("RB0501", item.span, message).help(help).into());
    }
    pattern::resolve(&pattern, flat).map_err(|e| {
        let mistake = e.diagnostic();
        if name == item.value {
            return mistake.into();
        }
        // One name of a range: the whole range is to blame, and no other name mends it.
        Diagnostic {
            span: Some(item.span),
            help: None,
            replacement: None,
            ..mistake
        }
        .into()
    })
}
