//! Ansible's YAML inventories, what inventory programs print, and files of variables.

use crate::base::sanitise::one_line;
use crate::base::value::Value;
use crate::diagnostic::{Diagnostic, Diagnostics, Severity, SourceId, Sources, Spanned};
use crate::inventory::ansible::scalar;
use crate::inventory::ansible::world::{ALL, Vars, World};
use crate::yaml::fields::{unknown_key, wrong_type};
use crate::yaml::{self, Entry, Node};

/// What may stand in a group.
const SECTIONS: &[&str] = &["hosts", "children", "vars"];

/// Groups inside groups inside groups.
const DEEPEST: usize = 40;

/// Reads YAML as Ansible does: with anchors, and `!vault` and `!unsafe` are no mistakes.
pub(super) fn read_yaml(sources: &Sources, id: SourceId) -> (Option<Node>, Diagnostics) {
    yaml::read_foreign(sources, id, &["!vault", "!vault-encrypted", "!unsafe"])
}

/// A YAML inventory: every top key is a group.
pub(super) fn yaml(node: &Node, world: &mut World, diagnostics: &mut Diagnostics) {
    for entry in node.as_map().unwrap_or_default() {
        group(entry, world, 0, diagnostics);
    }
}

fn group(entry: &Entry, world: &mut World, depth: usize, diagnostics: &mut Diagnostics) -> Option<usize> {
    let number = world.group(&entry.key, diagnostics)?;
    world.declare(number);
    if entry.value.is_null() || depth > DEEPEST {
        return Some(number);
    }
    let what = format!("group `{}`", one_line(&entry.key.value, 60));
    let Some(sections) = entry.value.as_map() else {
        diagnostics.push(refused(wrong_type(&entry.value, &what, "a map of `hosts`, `children` and `vars`")));
        return Some(number);
    };
    for section in sections {
        let key = section.key.value.as_str();
        if !SECTIONS.contains(&key) {
            diagnostics.push(refused(unknown_key(section, SECTIONS, &what)));
            continue;
        }
        if let (Some(one), "hosts") = (section.value.as_scalar().filter(|s| !s.text.is_empty()), key) {
            let name = Spanned::new(one.text.clone(), section.value.content_span());
            world.hosts_of(&name, number, &Vars::new(), diagnostics);
            continue;
        }
        if section.value.is_null() {
            continue;
        }
        let Some(entries) = section.value.as_map() else {
            let help = "Ansible's YAML wants a map here: write `name:` without a dash";
            diagnostics.push(refused(wrong_type(&section.value, key, "a map")).help(help));
            continue;
        };
        for inner in entries {
            match key {
                "vars" => world.group_var(number, &inner.key.value, spanned(&inner.value), diagnostics),
                "children" => {
                    if let Some(child) = group(inner, world, depth + 1, diagnostics) {
                        world.add_child(number, child);
                    }
                }
                _ => host(inner, number, world, diagnostics),
            }
        }
    }
    Some(number)
}

fn host(entry: &Entry, group: usize, world: &mut World, diagnostics: &mut Diagnostics) {
    if !entry.value.is_null() && entry.value.as_map().is_none() {
        let what = format!("host `{}`", one_line(&entry.key.value, 60));
        diagnostics.push(refused(wrong_type(&entry.value, &what, "a map of variables")));
        return;
    }
    let vars = variables(&entry.value);
    world.hosts_of(&entry.key, group, &vars, diagnostics);
}

/// The variables of a map.
pub(super) fn variables(node: &Node) -> Vars {
    let entries = node.as_map().unwrap_or_default();
    entries.iter().map(|e| (e.key.value.clone(), spanned(&e.value).into())).collect()
}

fn spanned(node: &Node) -> Spanned<Value> {
    Spanned::new(scalar::value(node), node.content_span())
}

/// The same sentence under the code for what Ansible would pass over.
fn refused(mistake: Diagnostic) -> Diagnostic {
    Diagnostic { code: "RB0522", ..mistake }
}

/// What `--list` of an inventory program prints.
pub(super) fn json(node: &Node, world: &mut World, diagnostics: &mut Diagnostics) {
    let Some(entries) = node.as_map() else {
        diagnostics.push(refused(wrong_type(node, "the output of `--list`", "a map of groups")));
        return;
    };
    for entry in entries.iter().filter(|e| e.key.value != "_meta") {
        json_group(entry, world, diagnostics);
    }
    let Some(vars) = node.get("_meta").and_then(|m| m.get("hostvars")) else {
        let message = "`_meta.hostvars` is missing, so the variables of the hosts are unknown";
        let help = "print `\"_meta\": {\"hostvars\": {}}` with the variables of every host; `--host` is not asked for each of them";
        diagnostics.push(Diagnostic::error("RB0522", node.span, message).help(help));
        return;
    };
    if vars.as_map().is_none() {
        diagnostics.push(refused(wrong_type(vars, "hostvars", "a map")));
    }
    for entry in vars.as_map().unwrap_or_default() {
        if !world.host_numbers.contains_key(&entry.key.value) {
            let message = format!(
                "`{}` has variables but is in no group: it is no host",
                one_line(&entry.key.value, 60)
            );
            diagnostics.push(Diagnostic::error("RB0522", entry.key.span, message).warning());
        } else if entry.value.as_map().is_none() {
            diagnostics.push(refused(wrong_type(&entry.value, "the variables of a host", "a map")));
        } else {
            world.hosts_of(&entry.key, ALL, &variables(&entry.value), diagnostics);
        }
    }
}

fn json_group(entry: &Entry, world: &mut World, diagnostics: &mut Diagnostics) {
    let Some(group) = world.group(&entry.key, diagnostics) else {
        return;
    };
    world.declare(group);
    if let Some(list) = entry.value.as_list() {
        json_hosts(list, group, world, diagnostics);
        return;
    }
    let what = format!("group `{}`", one_line(&entry.key.value, 60));
    let Some(sections) = entry.value.as_map() else {
        diagnostics.push(refused(wrong_type(&entry.value, &what, "a map of `hosts`, `children` and `vars`")));
        return;
    };
    for section in sections {
        let value = &section.value;
        match (section.key.value.as_str(), value.as_list(), value.as_map()) {
            ("hosts", Some(hosts), _) => json_hosts(hosts, group, world, diagnostics),
            ("children", Some(children), _) => {
                for child in children {
                    let Some(name) = text(child, "a child", diagnostics) else {
                        continue;
                    };
                    let Some(number) = world.group(&name, diagnostics) else { continue };
                    world.declare(number);
                    world.add_child(group, number);
                }
            }
            ("vars", _, Some(vars)) => {
                for var in vars {
                    world.group_var(group, &var.key.value, spanned(&var.value), diagnostics);
                }
            }
            (key @ ("hosts" | "children"), ..) => diagnostics.push(refused(wrong_type(value, key, "a list"))),
            ("vars", ..) => diagnostics.push(refused(wrong_type(value, "vars", "a map"))),
            _ => diagnostics.push(refused(unknown_key(section, SECTIONS, &what))),
        }
    }
}

fn json_hosts(list: &[Node], group: usize, world: &mut World, diagnostics: &mut Diagnostics) {
    for host in list {
        let Some(name) = text(host, "a host", diagnostics) else { continue };
        // Names in JSON are names: no ranges, no ports.
        if name.value.contains(['[', ':']) {
            crate::inventory::names::check_name(&name.value, "host", name.span, diagnostics);
            continue;
        }
        world.hosts_of(&name, group, &Vars::new(), diagnostics);
    }
}

fn text(node: &Node, what: &str, diagnostics: &mut Diagnostics) -> Option<Spanned<String>> {
    match node.to_value() {
        Value::Text(text) => Some(Spanned::new(text, node.content_span())),
        _ => {
            diagnostics.push(refused(wrong_type(node, what, "a name in quotes")));
            None
        }
    }
}

/// A file of variables below `group_vars` or `host_vars`; `None` if it is encrypted as a whole, which is said.
pub(super) fn file(sources: &Sources, id: SourceId, diagnostics: &mut Diagnostics) -> Option<Vars> {
    let text = sources.get(id).map_or("", |s| s.text.as_str());
    if text.trim_start_matches('\u{feff}').starts_with("$ANSIBLE_VAULT;") {
        let span = crate::diagnostic::Span::new(id, 0, text.lines().next().unwrap_or("").len());
        let message = "this file is encrypted: its variables are not known here";
        diagnostics.push(Diagnostic::error("RB0523", span, message).warning());
        return None;
    }
    let json = text
        .trim_start()
        .starts_with(['{', '['])
        .then(|| yaml::read_json(sources, id).0)
        .flatten();
    let (node, mistakes) = match json {
        Some(node) => (Some(node), Diagnostics::new()),
        None => read_yaml(sources, id),
    };
    let empty = mistakes.iter().all(|d| d.code == "RB0017" || d.severity == Severity::Warning);
    if !empty {
        diagnostics.extend(mistakes);
    }
    let node = node.filter(|n| !n.is_null())?;
    if node.as_map().is_none() {
        diagnostics.push(refused(wrong_type(&node, "a file of variables", "a map")));
    }
    Some(variables(&node))
}
