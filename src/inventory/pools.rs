//! Pools: servers behind balancers, checked against the hosts and groups they name.

use std::collections::BTreeMap;

use crate::base::id::{HostName, PoolName};
use crate::base::sanitise::one_line;
use crate::diagnostic::{Diagnostic, Diagnostics, Spanned};
use crate::inventory::names::{Purpose, vetted};
use crate::model::inventory::{Inventory, Member, Pool, Share};
use crate::model::pattern;
use crate::yaml::Entry;
use crate::yaml::fields::Fields;

/// The keys of a pool.
pub(super) const KEYS: &[&str] = &[
    "kind",
    "balancers",
    "backend",
    "members",
    "min_in_service",
    "config",
    "socket",
    "service",
    "health",
];

/// A pool as written, its patterns not looked up yet.
#[derive(Debug)]
pub(super) struct DeclaredPool {
    name: Spanned<String>,
    balancers: Spanned<String>,
    members: Spanned<String>,
    minimum: Spanned<Share>,
    kind: String,
    backend: String,
    config: String,
    socket: String,
    service: String,
    health: Option<String>,
}

/// Reads one pool; `None` if something that is needed is missing or wrong.
pub(super) fn read(entry: &Entry, diagnostics: &mut Diagnostics) -> Option<DeclaredPool> {
    let name = entry.key.clone();
    let fields = Fields::of(&entry.value, KEYS, &format!("pool `{}`", name.value), diagnostics);
    let d = diagnostics;
    let kind = fields.required_text("kind", d);
    if let Some(kind) = kind.as_ref().filter(|k| k.value != "haproxy") {
        let message = format!("pools of kind `{}` are not supported yet", one_line(&kind.value, 40));
        d.push(Diagnostic::error("RB0514", kind.span, message).help("the kind that is supported is `haproxy`"));
    }
    let mut or = |key: &str, purpose: Purpose, default: &str| {
        let given = fields.text(key, d).and_then(|t| vetted(t, key, purpose, d));
        given.map_or_else(|| default.to_owned(), |t| t.value)
    };
    let backend = or("backend", Purpose::Balancer, &name.value);
    let config = or("config", Purpose::RemotePath, "/etc/haproxy/haproxy.cfg");
    let socket = or("socket", Purpose::RemotePath, "/run/haproxy/admin.sock");
    let service = or("service", Purpose::Service, "haproxy");
    let health = health(&fields, d);
    let balancers = fields.required_text("balancers", d);
    let members = fields.required_text("members", d);
    let minimum = fields.required("min_in_service", d).and_then(|_| fields.share("min_in_service", d));
    Some(DeclaredPool {
        name,
        balancers: balancers?,
        members: members?,
        minimum: minimum?,
        kind: kind?.value,
        backend,
        config,
        socket,
        service,
        health,
    })
}

/// A URL in which only `{{address}}`, `{{name}}` and `{{vars.X}}` are still open.
fn health(fields: &Fields<'_>, diagnostics: &mut Diagnostics) -> Option<String> {
    let url = fields.text("health", diagnostics)?;
    let mut refuse = |message: String| {
        diagnostics.push(Diagnostic::error("RB0516", url.span, message).help("for example `http://{{address}}/health`"));
        None
    };
    let scheme = url.value.starts_with("http://") || url.value.starts_with("https://");
    if !scheme || url.value.chars().any(char::is_control) {
        return refuse(String::from("`health` must be an http or https URL"));
    }
    let mut rest = url.value.as_str();
    while let Some(open) = rest.find("{{") {
        let Some(length) = rest[open..].find("}}") else {
            return refuse(String::from("`{{` without `}}` in `health`"));
        };
        let path = rest[open + 2..open + length].trim();
        let variable = path
            .strip_prefix("vars.")
            .is_some_and(|v| !v.is_empty() && v.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'));
        if !matches!(path, "address" | "name") && !variable {
            return refuse(format!(
                "`{}` is unknown here: `address`, `name` and `vars.X` of the member are known",
                one_line(path, 40)
            ));
        }
        rest = &rest[open + length + 2..];
    }
    Some(url.value)
}

/// Looks the patterns of a pool up and checks that the pool can work.
pub(super) fn resolve(declared: &DeclaredPool, inventory: &Inventory, diagnostics: &mut Diagnostics) -> Option<Pool> {
    let balancers = select(&declared.balancers, inventory, diagnostics);
    let members = select(&declared.members, inventory, diagnostics);
    let (balancers, members) = (balancers?, members?);
    let members: Vec<Member> = members.iter().filter_map(|name| member(name, inventory)).collect();
    let mut servers: BTreeMap<&str, &HostName> = BTreeMap::new();
    for member in &members {
        if let Some(other) = servers.insert(&member.server, &member.host) {
            let message = format!(
                "`{other}` and `{}` are both server `{}` of the balancer",
                member.host, member.server
            );
            let help = "`vars.pool_name` must differ between the members of a pool";
            diagnostics.push(Diagnostic::error("RB0517", declared.members.span, message).help(help));
        }
    }
    if let Share::Count(least) = declared.minimum.value
        && least as usize > members.len()
    {
        let message = format!("`min_in_service` is {least}, but the pool has {} members", members.len());
        let mistake = Diagnostic::error("RB0517", declared.minimum.span, message);
        diagnostics.push(mistake.also(declared.members.span, "the members"));
    }
    Some(Pool {
        name: PoolName(declared.name.value.clone()),
        kind: declared.kind.clone(),
        balancers,
        backend: declared.backend.clone(),
        members,
        min_in_service: declared.minimum.value,
        config: declared.config.clone(),
        socket: declared.socket.clone(),
        service: declared.service.clone(),
        health: declared.health.clone(),
    })
}

fn member(name: &HostName, inventory: &Inventory) -> Option<Member> {
    let host = inventory.hosts.get(name)?;
    Some(Member {
        host: name.clone(),
        server: host.var_text("pool_name").unwrap_or(name.as_str()).to_owned(),
        address: host.address().to_owned(),
    })
}

fn select(text: &Spanned<String>, inventory: &Inventory, diagnostics: &mut Diagnostics) -> Option<Vec<HostName>> {
    let (pattern, mistakes) = pattern::parse(&text.value, text.span);
    diagnostics.extend(mistakes);
    match pattern::resolve(&pattern?, inventory) {
        Ok(hosts) => Some(hosts),
        Err(why) => {
            diagnostics.push(why.diagnostic());
            None
        }
    }
}
