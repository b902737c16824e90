//! The JSON Schema (draft-07) of inventories, for editors. The tables below describe the keys; a test keeps them equal to those that
//! are read.

use serde_json::{Map, Value as Json, json};

/// A key, what may stand there, and one sentence for people.
type Key = (&'static str, Look, &'static str);

/// What may stand at a key.
#[derive(Clone, Copy)]
enum Look {
    Text,
    Port,
    Words(&'static [&'static str]),
    Like(&'static str),
    Memory,
    Vars,
    Texts,
    Share,
}

/// Of hosts, and of groups for their hosts.
const HOST: &[Key] = &[
    (
        "address",
        Look::Text,
        "Name or address to connect to; default: the host's name, so that your own ssh configuration counts.",
    ),
    ("port", Look::Port, "Port of sshd; default: what your ssh configuration says."),
    ("user", Look::Text, "User to log in as; default: what your ssh configuration says."),
    ("identity_file", Look::Text, "Private key; relative to this file's folder."),
    (
        "known_hosts",
        Look::Text,
        "File of known host keys; relative to this file's folder.",
    ),
    (
        "jump",
        Look::Text,
        "Way through another host, as `ssh -J` takes it: `ops@bastion-01:22`.",
    ),
    (
        "run_as",
        Look::Words(&["login"]),
        "`login`: the login user is privileged enough, no sudo.",
    ),
    (
        "service_manager",
        Look::Words(&["systemd", "sysv", "runit"]),
        "Found out if absent.",
    ),
    (
        "memory_from",
        Look::Memory,
        "What \"available memory\" means: `host`, `{ service: NAME }` or `{ cgroup: PATH }`.",
    ),
    (
        "maintenance",
        Look::Text,
        "Why runbooks pass this host over; remove the key when it is over.",
    ),
    (
        "vars",
        Look::Vars,
        "Free; runbooks read them as `{{web.vars.rack}}`. `pool_name`: the balancer's name for this host.",
    ),
];

/// Of groups besides.
const GROUP: &[Key] = &[
    (
        "hosts",
        Look::Texts,
        "Hosts in it: names, ranges `web-[01:04]`, globs `web-*`, `~regular expressions`.",
    ),
    ("groups", Look::Texts, "Groups whose hosts are in it, too."),
];

const POOL: &[Key] = &[
    ("kind", Look::Words(&["haproxy"]), "What balances it."),
    (
        "balancers",
        Look::Text,
        "Pattern: the hosts that balance; every one of them is asked and changed.",
    ),
    ("members", Look::Text, "Pattern: the hosts that serve."),
    (
        "min_in_service",
        Look::Share,
        "So many members stay in service, whatever a runbook says: a count or a percentage.",
    ),
    (
        "backend",
        Look::Text,
        "The balancer's name for this pool; default: the pool's own name.",
    ),
    (
        "config",
        Look::Like("^/"),
        "The balancer's configuration file; default /etc/haproxy/haproxy.cfg.",
    ),
    (
        "socket",
        Look::Like("^/"),
        "The balancer's admin socket; default /run/haproxy/admin.sock.",
    ),
    ("service", Look::Text, "The balancer's service; default haproxy."),
    (
        "health",
        Look::Like("^https?://"),
        "Asked at the member itself before it returns; `{{address}}`, `{{name}}` and `{{vars.X}}` are the member's.",
    ),
];

/// The schema of one inventory file.
#[must_use]
pub fn schema() -> Json {
    let named = |definition: &str, docs: &str, left_out: bool| {
        let reference = json!({ "$ref": format!("#/definitions/{definition}") });
        let value = if left_out {
            json!({ "anyOf": [reference, { "type": "null" }] })
        } else {
            reference
        };
        json!({ "description": docs, "type": ["object", "null"], "additionalProperties": value })
    };
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "runbook inventory",
        "description": "Hosts, the groups they form, and the pools they serve in.",
        "type": "object",
        "properties": {
            "hosts": named("host", "Machines, by name; `web-[01:04]` names four.", true),
            "groups": named("group", "Names for several hosts.", false),
            "pools": named("pool", "Servers behind balancers, by name.", false),
        },
        "additionalProperties": false,
        "definitions": {
            "host": object("Keys of a host.", &[HOST], &[]),
            "group": object("Keys of a group; those of hosts count for its hosts that say nothing else.", &[GROUP, HOST], &[]),
            "pool": object("Keys of a pool.", &[POOL], &["kind", "balancers", "members", "min_in_service"]),
        },
    })
}

fn object(docs: &str, tables: &[&[Key]], required: &[&str]) -> Json {
    let keys = tables.iter().flat_map(|table| table.iter());
    let properties: Map<String, Json> = keys
        .map(|(name, look, docs)| ((*name).to_owned(), described(*look, docs)))
        .collect();
    json!({ "description": docs, "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

fn described(look: Look, docs: &str) -> Json {
    let text = json!({ "type": ["string", "number", "boolean"] });
    let mut schema = match look {
        Look::Text => text,
        Look::Port => json!({ "type": "integer", "minimum": 1, "maximum": 65_535 }),
        Look::Words(words) => json!({ "enum": words }),
        Look::Like(pattern) => json!({ "type": "string", "pattern": pattern }),
        Look::Memory => json!({ "anyOf": [
            { "enum": ["host"] },
            { "type": "object", "properties": { "service": text }, "required": ["service"], "additionalProperties": false },
            { "type": "object", "properties": { "cgroup": text }, "required": ["cgroup"], "additionalProperties": false },
        ] }),
        Look::Vars => json!({ "type": "object" }),
        Look::Texts => json!({ "type": "array", "items": text }),
        Look::Share => json!({ "anyOf": [{ "type": "integer", "minimum": 0 }, { "type": "string", "pattern": "^([0-9]+|[0-9.]+%)$" }] }),
    };
    schema["description"] = json!(docs);
    schema
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::inventory::{pools, settings};

    #[test]
    fn the_tables_hold_the_keys_that_are_read() {
        let names = |keys: &[Key]| keys.iter().map(|(name, ..)| *name).collect::<BTreeSet<_>>();
        assert_eq!(names(HOST), settings::KEYS.iter().copied().collect());
        assert_eq!(names(POOL), pools::KEYS.iter().copied().collect());
    }
}
