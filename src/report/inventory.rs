//! The inventory for people and for machines: hosts with what counts for them, groups as a tree, pools. What looks like a password by
//! its name is never written.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};

use super::style::Style;
use super::table::Table;
use crate::base::sanitise::one_line;
use crate::base::value::Value;
use crate::inventory::looks_secret;
use crate::model::inventory::{Host, Inventory, MemoryFrom, Share};

/// What stands in place of a secret.
const HIDDEN: &str = "********";
/// Groups inside groups that are drawn; what is deeper is only named.
const DEEPEST: usize = 40;

/// A table of hosts, then the pools.
#[must_use]
pub fn list(inventory: &Inventory, color: bool) -> String {
    let mut table = Table::new(&["HOST", "ADDRESS", "GROUPS", "VARS"]);
    let memberships = memberships(inventory);
    for host in hosts(inventory) {
        let groups: &[&str] = memberships.get(host.name.as_str()).map_or(&[], Vec::as_slice);
        let mut vars = variables(host);
        if let Some(why) = &host.maintenance {
            vars = format!("MAINTENANCE: {}  {vars}", one_line(why, 80));
        }
        table.row(vec![
            host.name.as_str().into(),
            reached(host).into(),
            groups.join(", ").into(),
            vars.trim_end().into(),
        ]);
    }
    let mut text = table.render(Style { color });
    for pool in inventory.pools.values() {
        let members: Vec<&str> = pool.members.iter().map(|m| m.host.as_str()).collect();
        let balancers: Vec<&str> = pool.balancers.iter().map(|b| b.as_str()).collect();
        let minimum = match pool.min_in_service {
            Share::Count(n) => n.to_string(),
            Share::Percent(p) => format!("{p}%"),
        };
        let (name, kind) = (&pool.name, &pool.kind);
        text.push_str(&format!(
            "\npool {name} ({kind})\n  balancers       {}\n  members         {}\n  min_in_service  {minimum}\n",
            balancers.join(", "),
            members.join(", ")
        ));
    }
    text
}

fn hosts(inventory: &Inventory) -> impl Iterator<Item = &Host> {
    inventory.order.iter().filter_map(|n| inventory.hosts.get(n))
}

/// The groups of every host that is in one.
fn memberships(inventory: &Inventory) -> BTreeMap<&str, Vec<&str>> {
    let mut found: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (group, hosts) in &inventory.groups {
        hosts.iter().for_each(|h| found.entry(h.as_str()).or_default().push(group.as_str()));
    }
    found
}

fn reached(host: &Host) -> String {
    if host.local {
        return String::from("this machine");
    }
    let user = host.user.as_ref().map(|u| format!("{u}@")).unwrap_or_default();
    let port = host.port.map(|p| format!(":{p}")).unwrap_or_default();
    format!("{user}{}{port}", host.address())
}

fn variables(host: &Host) -> String {
    let shown = host.vars.iter().map(|(name, value)| {
        let value = if looks_secret(name) {
            HIDDEN.to_owned()
        } else {
            value.to_json().to_string()
        };
        format!("{}={}", one_line(name, 40), one_line(&value, 60))
    });
    one_line(&shown.collect::<Vec<_>>().join(" "), 160)
}

/// Groups as a tree, hosts where they are named; a group that stands in several is drawn once.
#[must_use]
pub fn graph(inventory: &Inventory) -> String {
    let mut drawing = Drawing {
        inventory,
        drawn: BTreeSet::new(),
        text: String::from("all\n"),
    };
    let inside: BTreeSet<&str> = inventory.inside.values().flatten().map(|g| g.as_str()).collect();
    let top = inventory.groups.keys().map(|g| g.as_str()).filter(|g| !inside.contains(g));
    let top: Vec<&str> = top.filter(|g| *g != "ungrouped" || !inventory.groups[*g].is_empty()).collect();
    let grouped: BTreeSet<&str> = inventory.groups.values().flatten().map(|h| h.as_str()).collect();
    let alone: Vec<&Host> = hosts(inventory).filter(|h| !grouped.contains(h.name.as_str())).collect();
    drawing.branches(&top, &alone, "");
    drawing.text
}

struct Drawing<'i> {
    inventory: &'i Inventory,
    drawn: BTreeSet<&'i str>,
    text: String,
}

impl<'i> Drawing<'i> {
    fn branches(&mut self, groups: &[&'i str], hosts: &[&Host], indent: &str) {
        let last = groups.len() + hosts.len();
        for (number, group) in groups.iter().enumerate() {
            let (mark, deeper) = if number + 1 == last {
                ("└── ", "    ")
            } else {
                ("├── ", "│   ")
            };
            let again = !self.drawn.insert(group);
            let note = if again { "  (see above)" } else { "" };
            self.text.push_str(&format!("{indent}{mark}[{group}]{note}\n"));
            if !again && indent.chars().count() < DEEPEST * 4 {
                let (inside, own) = parts(self.inventory, group);
                self.branches(&inside, &own, &format!("{indent}{deeper}"));
            }
        }
        for (number, host) in hosts.iter().enumerate() {
            let mark = if groups.len() + number + 1 == last {
                "└── "
            } else {
                "├── "
            };
            self.text.push_str(&format!("{indent}{mark}{}\n", host.name));
        }
    }
}

/// The groups inside a group, and the hosts that none of them holds.
fn parts<'i>(inventory: &'i Inventory, group: &str) -> (Vec<&'i str>, Vec<&'i Host>) {
    let inside: Vec<&str> = inventory
        .inside
        .get(group)
        .map(|l| l.iter().map(|g| g.as_str()).collect())
        .unwrap_or_default();
    let deeper: BTreeSet<&str> = inside
        .iter()
        .filter_map(|g| inventory.groups.get(*g))
        .flatten()
        .map(|h| h.as_str())
        .collect();
    let own = inventory
        .groups
        .get(group)
        .into_iter()
        .flatten()
        .filter(|h| !deeper.contains(h.as_str()));
    (inside, own.filter_map(|h| inventory.hosts.get(h)).collect())
}

/// Hosts, groups and pools as one document.
#[must_use]
pub fn list_json(inventory: &Inventory) -> Json {
    let memberships = memberships(inventory);
    let hosts: Vec<Json> = hosts(inventory)
        .map(|h| {
            let vars = h.vars.iter().map(|(name, value)| {
                let shown = if looks_secret(name) { Value::text(HIDDEN) } else { value.clone() };
                (name.clone(), shown.to_json())
            });
            let memory = match &h.memory_from {
                MemoryFrom::Host => Json::Null,
                MemoryFrom::Cgroup(path) => json!({ "cgroup": path }),
                MemoryFrom::Service(name) => json!({ "service": name }),
            };
            json!({
                "name": h.name, "address": h.address, "port": h.port, "user": h.user, "identity_file": h.identity_file,
                "known_hosts": h.known_hosts, "jump": h.jump, "local": h.local, "login_is_enough": h.login_is_enough, "run_as": h.run_as,
                "service_manager": h.service_manager, "memory_from": memory, "maintenance": h.maintenance,
                "groups": memberships.get(h.name.as_str()).map_or(&[][..], Vec::as_slice), "vars": vars.collect::<serde_json::Map<_, _>>(),
            })
        })
        .collect();
    json!({ "schema": "runbook.inventory/1", "hosts": hosts, "groups": inventory.groups, "pools": inventory.pools })
}

/// The tree of groups as one document: what each holds itself.
#[must_use]
pub fn graph_json(inventory: &Inventory) -> Json {
    let groups = inventory.groups.keys().map(|group| {
        let (inside, own) = parts(inventory, group.as_str());
        let hosts: Vec<&str> = own.iter().map(|h| h.name.as_str()).collect();
        (group.as_str().to_owned(), json!({ "groups": inside, "hosts": hosts }))
    });
    json!({ "schema": "runbook.inventory-graph/1", "groups": groups.collect::<serde_json::Map<_, _>>() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Sources;

    fn inventory() -> Inventory {
        let mut sources = Sources::new();
        let text = "hosts:\n  lb: { address: 192.0.2.1, port: 2222, user: ops, vars: { db_password: hunter2, rack: \"r\\e[1m\" } }\n  a: { maintenance: new disk }\n  b:\n  c:\n  d:\n\
                    groups:\n  web: { hosts: [a, b] }\n  site: { groups: [web, db], hosts: [lb] }\n  prod: { groups: [web] }\n  db: { hosts: [c] }\n";
        let id = sources.add("x.yaml", text);
        let (inventory, mistakes) = crate::inventory::parse(&sources, &[(id, String::new())]);
        inventory.unwrap_or_else(|| panic!("{mistakes:#?}"))
    }

    #[test]
    fn hosts_are_listed_without_their_secrets() {
        let text = list(&inventory(), false);
        let expected = "HOST  ADDRESS             GROUPS           VARS\n\
                        lb    ops@192.0.2.1:2222  site             db_password=******** rack=\"r\\u001b[1m\"\n\
                        a     a                   prod, site, web  MAINTENANCE: new disk\n\
                        b     b                   prod, site, web\n\
                        c     c                   db, site\n\
                        d     d\n";
        assert_eq!(text, expected);
        let document = list_json(&inventory());
        assert!(!document.to_string().contains("hunter2"));
        assert_eq!(document["hosts"][0]["vars"]["db_password"], HIDDEN);
        assert_eq!(document["hosts"][1]["groups"], json!(["prod", "site", "web"]));
    }

    #[test]
    fn groups_are_a_tree_and_nothing_is_drawn_twice() {
        let expected = "all\n\
                        ├── [prod]\n\
                        │   └── [web]\n\
                        │       ├── a\n\
                        │       └── b\n\
                        ├── [site]\n\
                        │   ├── [web]  (see above)\n\
                        │   ├── [db]\n\
                        │   │   └── c\n\
                        │   └── lb\n\
                        └── d\n";
        assert_eq!(graph(&inventory()), expected);
        assert_eq!(
            graph_json(&inventory())["groups"]["site"],
            json!({ "groups": ["web", "db"], "hosts": ["lb"] })
        );
    }
}
