//! Tests of inventories as a whole.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::base::id::PoolName;
use crate::base::value::Value;
use crate::diagnostic::Diagnostic;
use crate::model::inventory::{Host, MemoryFrom, Share};
use crate::model::pattern::select;
use crate::yaml::examples;

fn parse_all(texts: &[(&str, &str)]) -> (Option<Inventory>, Vec<Diagnostic>) {
    let mut sources = Sources::new();
    let files: Vec<_> = texts
        .iter()
        .enumerate()
        .map(|(n, (folder, text))| (sources.add(format!("{n}.yaml"), *text), (*folder).to_owned()))
        .collect();
    let (inventory, diagnostics) = parse(&sources, &files);
    (inventory, diagnostics.sorted())
}

fn good(text: &str) -> Inventory {
    let (inventory, diagnostics) = parse_all(&[("inv", text)]);
    assert!(diagnostics.is_empty(), "{text}\n{diagnostics:#?}");
    inventory.unwrap()
}

fn mistakes(text: &str) -> Vec<Diagnostic> {
    let (inventory, diagnostics) = parse_all(&[("inv", text)]);
    assert!(inventory.is_none(), "{text}");
    diagnostics
}

/// Codes with the text at their place.
fn found(text: &str) -> Vec<(&'static str, String)> {
    let place = |d: &Diagnostic| d.span.map_or("", |s| &text[s.start as usize..s.end as usize]).to_owned();
    mistakes(text).iter().map(|d| (d.code, place(d))).collect()
}

fn host<'i>(inventory: &'i Inventory, name: &str) -> &'i Host {
    &inventory.hosts[name]
}

fn names(hosts: &[HostName]) -> Vec<&str> {
    hosts.iter().map(HostName::as_str).collect()
}

#[test]
fn the_example_is_read() {
    let inventory = good(include_str!("../../inventory/example.yaml"));
    assert_eq!(names(&inventory.order), ["lb-01", "web-01", "web-02", "db-01", "db-02", "proxy-01"]);
    assert_eq!(names(&select("webservers", &inventory).unwrap()), ["web-01", "web-02"]);
    let pool = &inventory.pools["web"];
    assert_eq!(pool.name, PoolName::from("web"));
    assert_eq!(
        (pool.backend.as_str(), pool.minimum(), names(&pool.balancers)),
        ("web", 1, vec!["lb-01"])
    );
    assert_eq!(
        (pool.config.as_str(), pool.socket.as_str()),
        ("/etc/haproxy/haproxy.cfg", "/run/haproxy/admin.sock")
    );
    assert_eq!(
        (pool.service.as_str(), pool.health.as_deref()),
        ("haproxy", Some("http://{{address}}/health"))
    );
    assert_eq!(
        (pool.members[1].server.as_str(), pool.members[1].address.as_str()),
        ("web-02", "192.0.2.12")
    );
    assert_eq!(host(&inventory, "web-02").var_text("rack"), Some("r2"));
    assert_eq!(host(&inventory, "web-02").var_text("role"), Some("web"));
}

#[test]
fn every_connection_key_is_read() {
    let text = "hosts:\n  a: { address: 192.0.2.1, port: 2222, user: ops, identity_file: keys/ops, known_hosts: /etc/kh, jump: 'o@b:22', run_as: login,\n       service_manager: runit, memory_from: { cgroup: /sys/fs/cgroup/system.slice/app.service }, maintenance: new disk, vars: { n: 1, l: [x], yes: no } }\n  b: { identity_file: ~/.ssh/id, known_hosts: ./kh, memory_from: { service: app } }\n  c: { memory_from: host }\n  d:\n";
    let inventory = good(text);
    let a = host(&inventory, "a");
    assert_eq!((a.address(), a.port, a.user.as_deref()), ("192.0.2.1", Some(2222), Some("ops")));
    assert_eq!(
        (a.identity_file.as_deref(), a.known_hosts.as_deref()),
        (Some("inv/keys/ops"), Some("/etc/kh"))
    );
    assert_eq!(
        (a.jump.as_deref(), a.login_is_enough, a.service_manager.as_deref()),
        (Some("o@b:22"), true, Some("runit"))
    );
    assert_eq!(a.memory_from, MemoryFrom::Cgroup("system.slice/app.service".into()));
    assert_eq!(a.maintenance.as_deref(), Some("new disk"));
    assert_eq!((&a.vars["n"], &a.vars["yes"]), (&Value::Int(1), &Value::text("no")));
    let b = host(&inventory, "b");
    assert_eq!(
        (b.identity_file.as_deref(), b.known_hosts.as_deref()),
        (Some("~/.ssh/id"), Some("inv/kh"))
    );
    assert_eq!(b.memory_from, MemoryFrom::Service("app".into()));
    assert_eq!(host(&inventory, "c").memory_from, MemoryFrom::Host);
    assert_eq!(
        (host(&inventory, "d").address(), host(&inventory, "d").login_is_enough),
        ("d", false)
    );
}

#[test]
fn the_nearest_counts() {
    let text = "hosts:\n  a: { user: own }\n  b:\n  c:\ngroups:\n  near: { hosts: [a, b], user: near, port: 1, vars: { x: near } }\n  far: { groups: [near], hosts: [c], user: far, port: 2, jump: j, vars: { x: far, y: far } }\n  same: { hosts: [b], user: near }\n";
    let inventory = good(text);
    let (a, b, c) = (host(&inventory, "a"), host(&inventory, "b"), host(&inventory, "c"));
    assert_eq!((a.user.as_deref(), a.port, a.jump.as_deref()), (Some("own"), Some(1), Some("j")));
    assert_eq!(
        (b.user.as_deref(), b.var_text("x"), b.var_text("y")),
        (Some("near"), Some("near"), Some("far"))
    );
    assert_eq!((c.user.as_deref(), c.port, c.var_text("x")), (Some("far"), Some(2), Some("far")));
    assert_eq!(names(&inventory.groups["far"]), ["c", "a", "b"]);
}

#[test]
fn groups_that_disagree_are_reported_once_for_both_places() {
    let text = "hosts: { \"w[1:3]\": {} }\ngroups:\n  a: { hosts: [\"w*\"], user: ops }\n  b: { hosts: [\"w*\"], user: adm }\n";
    let list = mistakes(text);
    assert_eq!(list.len(), 1, "{list:#?}");
    assert_eq!((list[0].code, list[0].others.len()), ("RB0512", 1));
    let distant = "hosts: { w: }\ngroups:\n  a: { hosts: [w] }\n  b: { hosts: [w] }\n  aa: { groups: [a], port: 1 }\n  bb: { groups: [b], port: 2 }\n";
    assert_eq!(found(distant), [("RB0512", "2".to_owned())]);
}

#[test]
fn ranges_and_globs_make_members() {
    let text = "hosts: { \"web-[01:03]\": { user: ops }, \"db-[a:b]\": , x: }\ngroups:\n  g: { hosts: [\"web-[02:03]\", \"db-*\", x] }\n  r: { hosts: [\"~web-0[13]\"] }\n  s: { hosts: [\"web-0[12]\", web-03] }\n";
    let (inventory, list) = parse_all(&[("", text)]);
    assert!(inventory.is_none());
    assert_eq!(list.iter().map(|d| d.code).collect::<Vec<_>>(), ["RB0501"]);
    let inventory = good(&text.replace("\"web-0[12]\"", "\"web-0[1-2]\""));
    assert_eq!(names(&inventory.groups["g"]), ["web-02", "web-03", "db-a", "db-b", "x"]);
    assert_eq!(names(&inventory.groups["r"]), ["web-01", "web-03"]);
    assert_eq!(names(&inventory.groups["s"]), ["web-01", "web-02", "web-03"]);
    assert_eq!(host(&inventory, "web-02").user.as_deref(), Some("ops"));
}

#[test]
fn several_files_merge_and_clashes_name_both_places() {
    let one = "hosts: { a: { identity_file: k } }\ngroups: { g: { hosts: [a, b] } }\n";
    let two = "hosts: { b: { identity_file: k } }\n";
    let (inventory, list) = parse_all(&[("x", one), ("y/", two)]);
    assert!(list.is_empty(), "{list:#?}");
    let inventory = inventory.unwrap();
    assert_eq!(names(&inventory.groups["g"]), ["a", "b"]);
    assert_eq!(host(&inventory, "a").identity_file.as_deref(), Some("x/k"));
    assert_eq!(host(&inventory, "b").identity_file.as_deref(), Some("y/k"));
    for (text, code) in [
        ("hosts: { a: }", "RB0511"),
        ("groups: { g: {} }", "RB0511"),
        ("groups: { a: {} }", "RB0504"),
        ("hosts: { g: }", "RB0504"),
    ] {
        let (inventory, list) = parse_all(&[("x", one), ("y", two), ("z", text)]);
        assert!(inventory.is_none());
        assert_eq!(list[0].code, code, "{text}");
        assert_eq!((list[0].span.unwrap().source.0, list[0].others[0].span.source.0), (2, 0), "{text}");
    }
}

#[test]
fn mistakes_are_found_at_their_places() {
    let table: &[(&str, &[(&str, &str)])] = &[
        ("host: {}\n", &[("RB0020", "host")]),
        ("hosts: [a]\n", &[("RB0022", "[")]),
        ("hosts: { a: { adress: x } }\n", &[("RB0020", "adress")]),
        ("hosts: { a: { port: 0, user: \"-l\" } }\n", &[("RB0023", "0"), ("RB0516", "-l")]),
        ("hosts: { a: { jump: \"-oX\" } }\n", &[("RB0516", "-oX")]),
        ("hosts: { \"-a\": }\n", &[("RB0510", "\"-a\"")]),
        ("hosts: { all: , control: }\n", &[("RB0510", "all"), ("RB0510", "control")]),
        ("hosts: { a: { run_as: root } }\n", &[("RB0023", "root")]),
        ("hosts: { a: { maintenance: true } }\n", &[("RB0022", "true")]),
        ("hosts: { a: { maintenance: \"\" } }\n", &[("RB0022", "\"\"")]),
        ("hosts: { a: { memory_from: swap } }\n", &[("RB0022", "swap")]),
        ("hosts: { a: { memory_from: { cgroup: ../x } } }\n", &[("RB0516", "../x")]),
        ("hosts: { a: { memory_from: { cgrup: x } } }\n", &[("RB0020", "cgrup")]),
        ("hosts: { a: { ansible_host: x } }\n", &[("RB0514", "ansible_host")]),
        ("hosts: { a: { proxy_command: x } }\n", &[("RB0515", "proxy_command")]),
        (
            "groups: { g: { ansible_ssh_common_args: x } }\n",
            &[("RB0515", "ansible_ssh_common_args")],
        ),
        ("hosts: { \"w[1:2]\": { address: x } }\n", &[("RB0516", "x")]),
        ("hosts: { a: { vars: { pool_name: \"x;y\" } } }\n", &[("RB0516", "x;y")]),
        ("hosts: { a: { vars: [x] } }\n", &[("RB0022", "[")]),
        ("hosts: { a: }\ngroups: { g: { hosts: [b] } }\n", &[("RB0503", "b")]),
        ("hosts: { a: }\ngroups: { g: { hosts: a } }\n", &[("RB0022", "a")]),
        ("hosts: { a: }\ngroups: { g: { hosts: [\"a:!b\"] } }\n", &[("RB0501", "a:!b")]),
        ("hosts: { a: }\ngroups: { g: { hosts: [all] } }\n", &[("RB0501", "all")]),
        ("hosts: { a: }\ngroups: { g: { groups: [a] } }\n", &[("RB0503", "a")]),
        ("hosts: { a: }\ngroups: { g: {}, h: { hosts: [g] } }\n", &[("RB0503", "g")]),
        ("groups: { g: { groups: [g] } }\n", &[("RB0513", "g")]),
        (
            "groups: { g: { groups: [h, h] }, h: { groups: [i] }, i: { groups: [h] } }\n",
            &[("RB0513", "h")],
        ),
        ("hosts: { a: }\nhosts: { b: }\n", &[("RB0002", "hosts")]),
    ];
    for (text, expected) in table {
        let expected: Vec<_> = expected.iter().map(|(c, p)| (*c, (*p).to_owned())).collect();
        assert_eq!(found(text), expected, "{text}");
    }
}

fn pool(lines: &str) -> String {
    let mut text = String::from("hosts: { lb: , w1: { vars: { pool_name: s1 } }, w2: { address: 192.0.2.2 } }\npools:\n  web:\n");
    for line in ["kind: haproxy", "balancers: lb", "members: \"w*\"", "min_in_service: 1"]
        .into_iter()
        .filter(|l| !replaced(lines, l))
    {
        text.push_str(&format!("    {line}\n"));
    }
    for line in lines.lines().filter(|l| !l.starts_with("no ")) {
        text.push_str(&format!("    {line}\n"));
    }
    text
}

fn replaced(lines: &str, line: &str) -> bool {
    let key = line.split(':').next().unwrap();
    lines.lines().any(|l| l.trim_start_matches("no ").split(':').next() == Some(key))
}

#[test]
fn pools_are_checked() {
    let pool_of = |lines: &str| good(&pool(lines)).pools["web"].clone();
    let plain = pool_of("");
    let members: Vec<_> = plain.members.iter().map(|m| (m.server.as_str(), m.address.as_str())).collect();
    assert_eq!(members, [("s1", "w1"), ("w2", "192.0.2.2")]);
    let full = pool_of(
        "backend: be_web\nconfig: /c\nsocket: /s\nservice: haproxy@1\nmin_in_service: 50%\nhealth: \"https://{{name}}:{{vars.port}}/x\"",
    );
    assert_eq!(
        (full.backend.as_str(), full.config.as_str(), full.socket.as_str()),
        ("be_web", "/c", "/s")
    );
    assert_eq!(
        (full.min_in_service, full.minimum(), full.service.as_str()),
        (Share::Percent(50.0), 1, "haproxy@1")
    );
    let table: &[(&str, &[(&str, &str)])] = &[
        ("kind: nginx", &[("RB0514", "nginx")]),
        ("no kind", &[("RB0021", "balancers")]),
        ("no balancers", &[("RB0021", "kind")]),
        ("no min_in_service", &[("RB0021", "kind")]),
        ("members: \"x*\"", &[("RB0503", "x*")]),
        ("members: w3", &[("RB0503", "w3")]),
        ("balancers: \"lb:!lb\"", &[("RB0507", "lb:!lb")]),
        ("balancers: []", &[("RB0022", "[]")]),
        ("min_in_service: 3", &[("RB0517", "3")]),
        ("min_in_service: 101%", &[("RB0023", "101%")]),
        ("backend: \"a;b\"", &[("RB0516", "a;b")]),
        ("socket: run/x", &[("RB0516", "run/x")]),
        ("health: ftp://x", &[("RB0516", "ftp://x")]),
        ("health: \"http://{{params.x}}/\"", &[("RB0516", "http://{{params.x}}/")]),
        ("minimum: 1", &[("RB0020", "minimum")]),
    ];
    for (lines, expected) in table {
        let expected: Vec<_> = expected.iter().map(|(c, p)| (*c, (*p).to_owned())).collect();
        assert_eq!(found(&pool(lines)), expected, "{lines}");
    }
    let same = "hosts: { lb: , w1: { vars: { pool_name: w2 } }, w2: }\npools: { web: { kind: haproxy, balancers: lb, members: \"w*\", min_in_service: 1 } }\n";
    assert_eq!(found(same), [("RB0517", "w*".to_owned())]);
}

#[test]
fn sizes_are_bounded() {
    assert_eq!(
        found("hosts: { \"a[1:10000]\": , \"b[1:10000]\": , \"c[1:2]\": }\n"),
        [("RB0518", "\"c[1:2]\"".to_owned())]
    );
    let mut wide = String::from("hosts: { \"a[1:10000]\": }\ngroups:\n");
    for n in 0..150 {
        wide.push_str(&format!("  g{n}: {{ hosts: [\"a*\"] }}\n"));
    }
    assert_eq!(mistakes(&wide)[0].code, "RB0518");
    let mut chain = String::from("hosts: { \"a[1:1000]\": }\ngroups:\n  g0: { hosts: [\"a*\"] }\n");
    for n in 1..20_000 {
        chain.push_str(&format!("  g{n}: {{ groups: [g{}] }}\n", n - 1));
    }
    assert_eq!(mistakes(&chain)[0].code, "RB0518");
}

#[test]
fn pages_are_true() {
    examples::check("RB05", |sources, id| parse(sources, &[(id, String::new())]).1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_text_makes_it_panic(at in 0usize..3000, length in 0usize..40, piece in proptest::sample::select(PIECES)) {
        let text = include_str!("../../inventory/example.yaml").replace("# ", "");
        let whole: Vec<char> = text.chars().collect();
        let at = at.min(whole.len());
        let end = (at + length).min(whole.len());
        let mutated: String = whole[..at].iter().chain(piece.chars().collect::<Vec<_>>().iter()).chain(&whole[end..]).collect();
        let (inventory, diagnostics) = parse_all(&[("", &mutated)]);
        prop_assert!(inventory.is_some() || !diagnostics.is_empty());
    }
}

const PIECES: &[&str] = &[
    "", "[", "]", "{", "}", ":", ": ", "\n", "\n  ", "-", "- ", "'", "\"", "[01:", "~", "!", "*", "é", "web-01", "all", "1e9", "\t",
];
