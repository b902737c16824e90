//! Writes a fleet's `inventory.yaml` in the product's own inventory format.
//!
//! Only writes text; it must not use the product's reader, because tests read this file with it.

use std::fmt::Write as _;

use super::layout::{LB, Layout, POOL, State};

/// The inventory. Paths of keys are relative to it, everything else is absolute; every text is a double-quoted scalar.
pub(super) fn text(layout: &Layout, state: &State) -> String {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let mut yaml = String::from("# The practice fleet; written by `runbook lab up`, ended by `runbook lab down`.\nhosts:\n");
    for host in &state.hosts {
        let _ = write!(
            yaml,
            "  {name}:\n    address: {address}\n    port: {port}\n    user: {user}\n    identity_file: keys/user\n    known_hosts: known_hosts\n    run_as: login\n    service_manager: runit\n",
            name = host.name,
            address = host.address,
            port = state.ssh_port,
            user = quoted(&state.user),
        );
        let services = quoted(&layout.services(&host.name).to_string_lossy());
        if host.name == LB {
            let _ = write!(
                yaml,
                "    vars:\n      service_dir: {services}\n      site_port: {}\n",
                state.site_port
            );
            continue;
        }
        let path = |name: &str| quoted(&layout.host(&host.name).join(name).to_string_lossy());
        let _ = write!(
            yaml,
            "    memory_from: {{ service: app }}\n    vars:\n      service_dir: {services}\n      http_port: {port}\n      app_config: {config}\n      app_check: {check}\n",
            port = state.http_port,
            config = path("app.conf"),
            check = path("check-config"),
        );
    }
    let web: Vec<&str> = state.web().map(|h| h.name.as_str()).collect();
    let _ = write!(
        yaml,
        "groups:\n  webservers: {{ hosts: [{web}] }}\n  lbservers: {{ hosts: [{LB}] }}\n\
         pools:\n  {POOL}:\n    kind: haproxy\n    balancers: lbservers\n    backend: {POOL}\n    members: webservers\n    min_in_service: 1\n    config: {config}\n    socket: {socket}\n    health: \"http://{{{{address}}}}:{port}/health\"\n",
        web = web.join(", "),
        config = quoted(&layout.haproxy_config().to_string_lossy()),
        socket = quoted(&layout.haproxy_socket(state).to_string_lossy()),
        port = state.http_port,
    );
    yaml
}
