//! Whom a URL speaks of: the hosts of the inventory that may be the one asked.

use crate::action::place::Place;
use crate::model::action::{Context, Scope};
use crate::model::inventory::Host;

/// The scopes that an answer belongs to: the asking host for a loopback address, else every inventory host with that address,
/// else the rest of the world.
pub fn scopes(context: &Context<'_>, place: &Place, url: &str) -> Vec<Scope> {
    let asked = authority(url);
    let (name, port) = host_and_port(asked);
    let here = matches!(name, "localhost" | "::1") || name.starts_with("127.");
    let of = |wanted: &dyn Fn(&Host) -> bool| -> Vec<Scope> {
        let hosts = context.inventory.hosts.values().filter(|h| wanted(h));
        hosts.map(|h| Scope::Host(h.name.clone())).collect()
    };
    let called = |host: &Host| [asked, name].iter().any(|n| host.address() == *n || host.name.as_str() == *n);
    // Several hosts may share an address (a forwarded port, say); the variable `port` then tells which one serves there.
    let exact = of(&|host| called(host) && port.is_some() && host.vars.get("port").map(ToString::to_string).as_deref() == port);
    let found = if exact.is_empty() { of(&called) } else { exact };
    let own = context.host.map(|_| place.scope());
    match own {
        // Several hosts may share a loopback address; from a host it means that host.
        Some(own) if here && (found.is_empty() || found.contains(&own)) => vec![own],
        _ if found.is_empty() => vec![Scope::Elsewhere],
        _ => found,
    }
}

/// `HOST:PORT` of a URL.
fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    authority.rsplit('@').next().unwrap_or(authority)
}

/// Both parts of `HOST:PORT`, the host without the brackets of an IPv6 address.
fn host_and_port(authority: &str) -> (&str, Option<&str>) {
    match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::value::Value;
    use crate::model::inventory::Inventory;
    use crate::model::operation::Identity;

    #[test]
    fn the_host_of_a_url() {
        for (url, host, port) in [
            ("http://192.0.2.11/health", "192.0.2.11", None),
            ("http://web-01:8080?x", "web-01", Some("8080")),
            ("http://user:pw@web-01:80/", "web-01", Some("80")),
            ("http://[::1]:9000/x", "::1", Some("9000")),
            ("http://[::1]/", "::1", None),
        ] {
            assert_eq!(host_and_port(authority(url)), (host, port), "{url}");
        }
    }

    #[test]
    fn an_answer_belongs_to_whom_it_may_come_from() {
        let mut inventory = Inventory::default();
        for (name, address, port) in [
            ("web-01", "127.0.0.1", 8001),
            ("web-02", "127.0.0.1", 8002),
            ("db-01", "192.0.2.20", 0),
        ] {
            let host = Host {
                name: name.into(),
                address: Some(address.to_owned()),
                vars: [(String::from("port"), Value::Int(port))].into(),
                ..Host::default()
            };
            inventory.hosts.insert(name.into(), host);
        }
        let found = |from: Option<&str>, url: &str| -> Vec<String> {
            let context = Context {
                host: from.map(|name| &inventory.hosts[name]),
                run_as: &Identity::Login,
                inventory: &inventory,
                timeout: Duration::from_secs(1),
            };
            let name = |scope: &Scope| match scope {
                Scope::Host(host) => host.to_string(),
                _ => String::from("elsewhere"),
            };
            scopes(&context, &Place::of(&context), url).iter().map(name).collect()
        };
        assert_eq!(found(None, "http://192.0.2.20/x"), ["db-01"]);
        assert_eq!(found(None, "http://db-01/x"), ["db-01"]);
        assert_eq!(found(None, "http://127.0.0.1:8002/health"), ["web-02"]);
        assert_eq!(found(None, "http://127.0.0.1/health"), ["web-01", "web-02"]);
        assert_eq!(found(Some("db-01"), "http://localhost/"), ["db-01"]);
        assert_eq!(found(Some("web-01"), "http://127.0.0.1/"), ["web-01"]);
        assert_eq!(found(None, "http://example.org/"), ["elsewhere"]);
    }
}
