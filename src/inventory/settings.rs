//! Connection keys and variables of hosts and groups: reading them, and which one counts for a host.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::id::HostName;
use crate::base::value::Value;
use crate::diagnostic::{Diagnostic, Diagnostics, Span, Spanned};
use crate::inventory::declared::{DeclaredGroup, DeclaredHost};
use crate::inventory::names::{Purpose, vetted};
use crate::model::inventory::{Host, MemoryFrom};
use crate::yaml::fields::{Fields, unknown_key, wrong_type};
use crate::yaml::{Entry, Node, NodeKind};

/// Settings by key (`port`, `vars.role`), each with the place of its value.
pub(super) type Settings = BTreeMap<String, Spanned<Value>>;

/// The keys a host or a group may set.
pub(super) const KEYS: &[&str] = &[
    "address",
    "port",
    "user",
    "identity_file",
    "known_hosts",
    "jump",
    "run_as",
    "service_manager",
    "memory_from",
    "maintenance",
    "vars",
];

/// Options of ssh (and other tools' keys for them) that run a program on this machine, in small letters without `_` and `-`.
const RUNS_SOMETHING: &[&str] = &[
    "proxycommand",
    "localcommand",
    "permitlocalcommand",
    "knownhostscommand",
    "proxyusefdpass",
    "sshargs",
    "sshcommonargs",
    "sshextraargs",
    "sshoptions",
    "options",
    "pkcs11provider",
    "securitykeyprovider",
    "xauthlocation",
    "ansiblesshargs",
    "ansiblesshcommonargs",
    "ansiblesshextraargs",
    "ansiblesshexecutable",
];

/// Keys of another tool and ours for the same.
const FOREIGN: &[(&str, &str)] = &[
    ("ansible_host", "address"),
    ("ansible_port", "port"),
    ("ansible_user", "user"),
    ("ansible_ssh_private_key_file", "identity_file"),
];

/// The fields of a host or group. Keys that would run something here, and another tool's keys, are refused in their own words.
pub(super) fn fields<'n>(node: &'n Node, more: &[&str], what: &str, diagnostics: &mut Diagnostics) -> Fields<'n> {
    let known: Vec<&str> = KEYS.iter().chain(more).copied().collect();
    for entry in node.as_map().unwrap_or_default() {
        if let Some(refused) = refused_key(entry) {
            diagnostics.push(refused);
        } else if !known.contains(&entry.key.value.as_str()) {
            diagnostics.push(unknown_key(entry, &known, what));
        }
    }
    Fields::any(node, what, diagnostics)
}

fn refused_key(entry: &Entry) -> Option<Diagnostic> {
    let key = &entry.key;
    let plain = key.value.to_ascii_lowercase().replace(['_', '-'], "");
    if RUNS_SOMETHING.contains(&plain.as_str()) {
        let message = format!("`{}` could run a program on this machine: an inventory must not", key.value);
        let help = "put it into your own ssh configuration; for a way through another host use `jump`";
        return Some(Diagnostic::error("RB0515", key.span, message).help(help));
    }
    let ours = FOREIGN.iter().find(|(theirs, _)| *theirs == key.value)?.1;
    let message = format!("`{}` is Ansible's key and has another name here", key.value);
    Some(
        Diagnostic::error("RB0514", key.span, message)
            .help(format!("write `{ours}`; in an inventory of Ansible's it can stay"))
            .replacement(ours),
    )
}

/// Reads the settings of a host or a group.
pub(super) fn read(fields: &Fields<'_>, folder: &str, diagnostics: &mut Diagnostics) -> Settings {
    let d = diagnostics;
    let mut settings = Settings::new();
    let mut keep = |key: &str, value: Option<Spanned<Value>>| {
        if let Some(value) = value {
            settings.insert(key.to_owned(), value);
        }
    };
    for (key, purpose) in [("address", Purpose::Address), ("user", Purpose::User), ("jump", Purpose::Jump)] {
        keep(key, fields.text(key, d).and_then(|t| vetted(t, key, purpose, d)).map(text));
    }
    for key in ["identity_file", "known_hosts"] {
        let path = fields.text(key, d).and_then(|t| vetted(t, key, Purpose::LocalPath, d));
        keep(key, path.map(|p| Spanned::new(Value::Text(from_folder(folder, &p.value)), p.span)));
    }
    keep(
        "port",
        fields.int("port", 1..=65_535, d).map(|p| Spanned::new(Value::Int(p.value), p.span)),
    );
    let manager = fields.choice("service_manager", &["systemd", "sysv", "runit"], d);
    keep("service_manager", manager.map(|m| Spanned::new(Value::text(m.value), m.span)));
    let login = fields.choice("run_as", &["login"], d);
    keep("run_as", login.map(|l| Spanned::new(Value::Bool(true), l.span)));
    keep("memory_from", memory_from(fields, d));
    keep("maintenance", maintenance(fields, d));
    for entry in fields.map("vars", d).unwrap_or_default() {
        warn_about_numbers(&entry.value, d);
        let value = if entry.key.value == "pool_name" {
            let name = crate::yaml::fields::text(&entry.value, "pool_name", d);
            name.and_then(|n| vetted(n, "pool_name", Purpose::Balancer, d)).map(text)
        } else {
            Some(Spanned::new(entry.value.to_value(), entry.value.span))
        };
        keep(&format!("vars.{}", entry.key.value), value);
    }
    settings
}

fn text(text: Spanned<String>) -> Spanned<Value> {
    Spanned::new(Value::Text(text.value), text.span)
}

/// Relative paths start from the inventory's folder; absolute ones and those from `~` stay.
pub(super) fn from_folder(folder: &str, path: &str) -> String {
    let path = path.strip_prefix("./").unwrap_or(path);
    if path.starts_with('/') || path == "~" || path.starts_with("~/") || matches!(folder, "" | ".") {
        return path.to_owned();
    }
    format!("{}/{path}", folder.trim_end_matches('/'))
}

/// A reason, not a switch: the plan prints it.
fn maintenance(fields: &Fields<'_>, diagnostics: &mut Diagnostics) -> Option<Spanned<Value>> {
    let node = fields.get("maintenance")?;
    match node.to_value() {
        Value::Text(reason) if !reason.trim().is_empty() => Some(Spanned::new(Value::Text(reason), node.span)),
        _ => {
            let help = "say why: `maintenance: disk is being replaced`; remove the key when it is over";
            diagnostics.push(wrong_type(node, "maintenance", "a reason").help(help));
            None
        }
    }
}

/// `host`, `{ cgroup: PATH }` or `{ service: NAME }`; kept as text or as a map of one entry.
fn memory_from(fields: &Fields<'_>, diagnostics: &mut Diagnostics) -> Option<Spanned<Value>> {
    let node = fields.get("memory_from")?;
    if node.as_scalar().is_some_and(|s| s.text == "host") {
        return Some(Spanned::new(Value::text("host"), node.span));
    }
    let expected = "`host`, `{ cgroup: PATH }` or `{ service: NAME }`";
    if node.as_map().is_none_or(|entries| entries.len() != 1) {
        diagnostics.push(wrong_type(node, "memory_from", expected));
        return None;
    }
    let inner = Fields::of(node, &["cgroup", "service"], "memory_from", diagnostics);
    if let Some(path) = inner.text("cgroup", diagnostics) {
        let below = path.value.strip_prefix("/sys/fs/cgroup").unwrap_or(&path.value).trim_matches('/');
        let plain = !below.is_empty() && !below.split('/').any(|p| matches!(p, "" | "." | "..")) && !below.chars().any(char::is_control);
        if !plain {
            let message = "`cgroup` must be a path below `/sys/fs/cgroup`, without `..`";
            diagnostics.push(Diagnostic::error("RB0516", path.span, message));
            return None;
        }
        return Some(Spanned::new(Value::map([("cgroup", Value::text(below))]), node.span));
    }
    let service = inner.text("service", diagnostics)?;
    let service = vetted(service, "service", Purpose::Service, diagnostics)?;
    Some(Spanned::new(Value::map([("service", Value::Text(service.value))]), node.span))
}

/// `1.10` is the number 1.1.
fn warn_about_numbers(node: &Node, diagnostics: &mut Diagnostics) {
    match &node.kind {
        NodeKind::Scalar(scalar) if scalar.changes_shape() => {
            let message = format!("`{}` is read as the number {}", scalar.text, scalar.value());
            let quoted = format!("\"{}\"", scalar.text);
            let warning = Diagnostic::error("RB0520", node.span, message).warning();
            diagnostics.push(warning.help(format!("write `{quoted}` if it is text")).replacement(quoted));
        }
        NodeKind::Scalar(_) => {}
        NodeKind::List(list) => list.iter().for_each(|n| warn_about_numbers(n, diagnostics)),
        NodeKind::Map(entries) => entries.iter().for_each(|e| warn_about_numbers(&e.value, diagnostics)),
    }
}

/// What counts for a host: its own value, else that of the nearest group that has one. Nearest groups that disagree are reported,
/// once for each pair of places.
pub(super) fn effective<'d>(
    host: &'d DeclaredHost,
    groups: impl Iterator<Item = (usize, &'d DeclaredGroup)>,
    reported: &mut BTreeSet<(Span, Span)>,
    diagnostics: &mut Diagnostics,
) -> BTreeMap<&'d str, &'d Value> {
    let mut nearest: BTreeMap<&str, (usize, &DeclaredGroup, &Spanned<Value>)> = BTreeMap::new();
    for (distance, group) in groups {
        for (key, value) in &group.settings {
            if let Some(own) = host.settings.get(key) {
                contradicts(host, own, group, (key, value), reported, diagnostics);
                continue;
            }
            let Some((known, other, first)) = nearest.get(key.as_str()).copied() else {
                nearest.insert(key, (distance, group, value));
                continue;
            };
            if distance < known {
                nearest.insert(key, (distance, group, value));
            } else if distance == known && first.value != value.value && reported.insert((first.span, value.span)) {
                let message = format!(
                    "groups `{}` and `{}` disagree about `{key}` of host `{}`",
                    other.name.value, group.name.value, host.name.value
                );
                let mistake =
                    Diagnostic::error("RB0512", value.span, message).also(first.span, format!("`{}` says this", other.name.value));
                diagnostics.push(mistake.help("say it at the host, or in one of the groups only"));
            }
        }
    }
    let inherited = nearest.into_iter().map(|(key, (_, _, value))| (key, &value.value));
    let own = host.settings.iter().map(|(key, value)| (key.as_str(), &value.value));
    inherited.chain(own).collect()
}

/// A host of Ansible's has one value from all of Ansible's groups; what a group of ours says must not get lost behind it.
fn contradicts(
    host: &DeclaredHost,
    own: &Spanned<Value>,
    group: &DeclaredGroup,
    (key, value): (&str, &Spanned<Value>),
    reported: &mut BTreeSet<(Span, Span)>,
    diagnostics: &mut Diagnostics,
) {
    if host.ansible && own.value != value.value && reported.insert((own.span, value.span)) {
        let message = format!(
            "group `{}` and Ansible's inventory disagree about `{key}` of host `{}`",
            group.name.value, host.name.value
        );
        let mistake = Diagnostic::error("RB0512", value.span, message).also(own.span, "Ansible's inventory says this");
        diagnostics.push(mistake.help("say it in one of them only"));
    }
}

/// The host with its effective settings.
pub(super) fn host(name: &str, settings: BTreeMap<&str, &Value>) -> Host {
    let text = |key: &str| settings.get(key).and_then(|v| v.as_text()).map(str::to_owned);
    let memory = |key: &str| settings.get("memory_from").and_then(|v| v.field(key));
    let memory_from = match (memory("cgroup"), memory("service")) {
        (Some(Value::Text(path)), _) => MemoryFrom::Cgroup(path),
        (_, Some(Value::Text(service))) => MemoryFrom::Service(service),
        _ => MemoryFrom::Host,
    };
    let vars = settings
        .iter()
        .filter_map(|(key, value)| Some((key.strip_prefix("vars.")?.to_owned(), (*value).clone())));
    Host {
        name: HostName::from(name),
        address: text("address"),
        port: settings.get("port").and_then(|v| v.as_int()).and_then(|n| u16::try_from(n).ok()),
        user: text("user"),
        identity_file: text("identity_file"),
        known_hosts: text("known_hosts"),
        jump: text("jump"),
        login_is_enough: settings.contains_key("run_as"),
        local: settings.contains_key("local"),
        run_as: text("become"),
        service_manager: text("service_manager"),
        memory_from,
        maintenance: text("maintenance"),
        vars: vars.collect(),
    }
}
