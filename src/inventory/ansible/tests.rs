//! Tests of inventories of Ansible's: what they mean is compared with the real one in `tests/it`; here are places, refusals, bounds.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use crate::base::id::HostName;
use crate::base::value::Value;
use crate::diagnostic::{Diagnostic, Severity, Sources};
use crate::inventory::{Role, Text, read};
use crate::model::inventory::{Host, Inventory};

/// Texts by name; `group_vars/…` and `host_vars/…` are files of variables beside them.
fn read_all(texts: &[(&str, &str)]) -> (Option<Inventory>, Vec<Diagnostic>, Sources) {
    let mut sources = Sources::new();
    let mut list = Vec::new();
    for (name, text) in texts {
        let id = sources.add(*name, *text);
        let role = match name.split_once('/') {
            Some(("group_vars", path)) => Role::GroupVars(0, path.to_owned()),
            Some(("host_vars", path)) => Role::HostVars(0, path.to_owned()),
            _ => Role::Inventory,
        };
        let folder = String::from("inv");
        list.push(Text { id, folder, role });
    }
    let (inventory, diagnostics) = read(&sources, &list, "/here");
    (inventory, diagnostics.sorted(), sources)
}

fn good(texts: &[(&str, &str)]) -> Inventory {
    let (inventory, diagnostics, _) = read_all(texts);
    assert!(diagnostics.is_empty(), "{texts:?}\n{diagnostics:#?}");
    inventory.unwrap()
}

fn ini(text: &str) -> Inventory {
    good(&[("hosts", text)])
}

/// Codes with the text at their place.
type Expected = &'static [(&'static str, &'static str)];

/// Codes with the text at their place; `~` marks a warning.
fn found(texts: &[(&str, &str)]) -> Vec<(String, String)> {
    let (inventory, list, sources) = read_all(texts);
    assert_eq!(inventory.is_none(), list.iter().any(|d| d.severity == Severity::Error), "{texts:?}");
    let place = |d: &Diagnostic| {
        let span = d.span.unwrap();
        sources.get(span.source).unwrap().text[span.start as usize..span.end as usize].to_owned()
    };
    let code = |d: &Diagnostic| format!("{}{}", if d.severity == Severity::Warning { "~" } else { "" }, d.code);
    list.iter().map(|d| (code(d), place(d))).collect()
}

fn host<'i>(inventory: &'i Inventory, name: &str) -> &'i Host {
    &inventory.hosts[name]
}

fn names(hosts: &[HostName]) -> Vec<&str> {
    hosts.iter().map(HostName::as_str).collect()
}

#[test]
fn ini_mistakes_are_found_at_their_places() {
    let table: &[(&str, &[(&str, &str)])] = &[
        ("[web]\na b c=1\n", &[("RB0521", "b")]),
        ("[web]\nα b\n", &[("RB0510", "α"), ("RB0521", "b")]),
        ("[web\na\n", &[("RB0521", "[web")]),
        ("[web:hots]\na\n", &[("RB0521", "[web:hots]")]),
        ("[web] ; x\na\n", &[("RB0521", "; x")]),
        ("[web]\na x='1\n", &[("RB0521", "'1")]),
        ("[web]\na\n[web:vars]\nx\n  y = 1\n", &[("RB0521", "x")]),
        ("[s:children]\nweb x=1\n[web]\n", &[("RB0521", "web x=1")]),
        ("[s:children]\nwbe\n[web]\na\n", &[("RB0503", "wbe")]),
        ("[s:children]\na\n[web]\na\n", &[("RB0503", "a")]),
        ("[web]\na\n[wbe:vars]\nx=1\n", &[("RB0503", "wbe")]),
        ("[a:children]\nb\n[b:children]\na\n", &[("RB0513", "a")]),
        ("[web]\nweb-[3:1]\n", &[("RB0519", "web-[3:1]")]),
        ("[web]\nweb-[1:10000]\ndb-[1:10000]\nx-[1:9]\n", &[("RB0518", "x-[1:9]")]),
        ("[web]\na:99999\n", &[("RB0516", "a:99999")]),
        ("[web]\na\n[db]\na:22\n", &[("RB0522", "a:22")]),
        ("[web]\ncontrol\nx;y\n", &[("RB0510", "control"), ("RB0510", "x;y")]),
        ("[we/b]\na\n", &[("RB0510", "we/b")]),
        ("a\u{7}\n", &[("RB0016", "\u{7}")]),
        ("[web]\na ansible_port=x\n", &[("RB0516", "x")]),
        ("[web]\na ansible_host=-oX\n", &[("RB0516", "-oX")]),
        ("[web]\na ansible_host='x;id'\n", &[("RB0516", "'x;id'")]),
        ("[web]\na ansible_become=perhaps\n", &[("RB0516", "perhaps")]),
        ("[web]\na ansible_host='{{ x }}'\n", &[("RB0524", "'{{ x }}'")]),
        ("[web]\na pool_name='x;y'\n", &[("RB0516", "'x;y'")]),
        ("[web]\na ansible_ssh_executable=/tmp/x\n", &[("RB0515", "/tmp/x")]),
        (
            "[web]\na\n[web:vars]\nansible_ssh_common_args=-o ProxyCommand=id\n",
            &[("RB0515", "-o ProxyCommand=id")],
        ),
        (
            "[web]\na[1:3] ansible_ssh_extra_args='-o LocalCommand=id'\n",
            &[("RB0515", "'-o LocalCommand=id'")],
        ),
        ("[web]\na ansible_connection=winrm\n", &[("~RB0523", "winrm")]),
        ("[web]\na ansible_become=1 ansible_become_method=su\n", &[("~RB0523", "su")]),
        (
            "[web]\na ansible_ssh_common_args='-o StrictHostKeyChecking=no'\n",
            &[("~RB0523", "'-o StrictHostKeyChecking=no'")],
        ),
        (
            "[a]\nx\n[b]\nx\n[a:vars]\nansible_user=1\n[b:vars]\nansible_user=2\n",
            &[("~RB0525", "2")],
        ),
        ("[x]\ny\n[y]\nx\n", &[("~RB0504", "x"), ("~RB0504", "y")]),
        ("#!/bin/sh\necho\n", &[("RB0514", "#!/bin/sh")]),
        ("$ANSIBLE_VAULT;1.1;AES256\n36\n", &[("RB0514", "$ANSIBLE_VAULT;1.1;AES256")]),
    ];
    for (text, expected) in table {
        let expected: Vec<_> = expected.iter().map(|(c, p)| ((*c).to_owned(), (*p).to_owned())).collect();
        assert_eq!(found(&[("hosts", text)]), expected, "{text}");
    }
}

#[test]
fn yaml_and_json_mistakes_are_found_at_their_places() {
    let table: &[(&str, &str, Expected)] = &[
        ("h.yaml", "all:\n  hosts: [a]\n", &[("RB0522", "[")]),
        ("h.yaml", "all:\n  hosts:\n    a: 1\n", &[("RB0522", "1")]),
        ("h.yaml", "all:\n  hots:\n    a:\n", &[("RB0522", "hots")]),
        ("h.yaml", "all:\n  children:\n    web: a\n", &[("RB0522", "a")]),
        (
            "h.yaml",
            "web:\n  hosts:\n    a: { ansible_host: !vault x }\n",
            &[("RB0524", "!vault x")],
        ),
        ("h.yaml", "web:\n  hosts: { a: }\n  vars: &v { x: *v }\n", &[("RB0003", "*v")]),
        ("h.yaml", "web:\n  hosts: { a: }\n  vars: { x: 1, <<: 3 }\n", &[("RB0004", "3")]),
        ("h.yaml", "web:\n  hosts: { a: }\n  vars: { x: !mine 1 }\n", &[("RB0005", "!mine")]),
        ("h.yaml", "plugin: aws_ec2\n", &[("RB0514", "plugin")]),
        ("h.toml", "[web.hosts]\na = {}\n", &[("RB0514", "[web.hosts]")]),
        (
            "h",
            "{\"web\": {\"hosts\": [\"a\"]}}",
            &[("RB0522", "{\"web\": {\"hosts\": [\"a\"]}}")],
        ),
        (
            "h",
            "{\"web\": {\"host\": [\"a\"], \"vars\": {}}, \"_meta\": {\"hostvars\": {}}}",
            &[("RB0522", "\"host\"")],
        ),
        (
            "h",
            "{\"web\": [\"a[1:2]\", 1], \"_meta\": {\"hostvars\": {}}}",
            &[("RB0510", "a[1:2]"), ("RB0522", "1")],
        ),
        (
            "h",
            "{\"web\": [\"a\"], \"_meta\": {\"hostvars\": {\"b\": {}}}}",
            &[("~RB0522", "\"b\"")],
        ),
        ("h", "{\"web\": [\"a\"], \"_meta\": {\"hostvars\": {\"a\": 1}}}", &[("RB0522", "1")]),
        ("h", "{\"web\": [\"a\"], \"_meta\": {,}}", &[("RB0001", ",")]),
    ];
    for (name, text, expected) in table {
        let expected: Vec<_> = expected.iter().map(|(c, p)| ((*c).to_owned(), (*p).to_owned())).collect();
        assert_eq!(found(&[(name, text)]), expected, "{text}");
    }
}

#[test]
fn every_connection_variable_is_understood() {
    let text = "[web]\nw ansible_host=192.0.2.1 ansible_port=2222 ansible_user=ops ansible_ssh_private_key_file=keys/ops ansible_become=false \
                ansible_ssh_common_args='-J gate -o UserKnownHostsFile=~/.ssh/known' rack=r1\nl ansible_connection=local\n\
                r ansible_become=yes\nu ansible_become=true ansible_become_user=app\n";
    let inventory = ini(text);
    let w = host(&inventory, "w");
    assert_eq!((w.address(), w.port, w.user.as_deref()), ("192.0.2.1", Some(2222), Some("ops")));
    assert_eq!(
        (w.identity_file.as_deref(), w.known_hosts.as_deref()),
        (Some("/here/keys/ops"), Some("~/.ssh/known"))
    );
    assert_eq!((w.jump.as_deref(), w.login_is_enough, w.local), (Some("gate"), true, false));
    assert_eq!(w.vars.keys().collect::<Vec<_>>(), ["rack"]);
    assert!(host(&inventory, "l").local);
    assert_eq!(host(&inventory, "r").run_as.as_deref(), Some("root"));
    assert_eq!(host(&inventory, "u").run_as.as_deref(), Some("app"));
}

#[test]
fn pools_and_settings_of_our_own_join_in() {
    let hosts = ("hosts", "[lb]\nlb-01\n[web]\nweb-01 pool_name=s1\nweb-02\n");
    let ours = "groups:\n  broken: { hosts: [web-02], maintenance: new disk }\npools:\n  web: { kind: haproxy, balancers: lb, members: web, min_in_service: 1 }\n";
    for order in [vec![hosts, ("pools.yaml", ours)], vec![("pools.yaml", ours), hosts]] {
        let inventory = good(&order);
        let members: Vec<_> = inventory.pools["web"].members.iter().map(|m| m.server.as_str()).collect();
        assert_eq!(members, ["s1", "web-02"]);
        assert_eq!(host(&inventory, "web-02").maintenance.as_deref(), Some("new disk"));
        assert_eq!(names(&inventory.order), ["lb-01", "web-01", "web-02"]);
        assert!(inventory.groups["ungrouped"].is_empty());
    }
    let clash = |ours: &str| found(&[hosts, ("o.yaml", ours)]);
    assert_eq!(clash("hosts: { web-01: }\n")[0].0, "RB0511");
    assert_eq!(clash("hosts: { web: }\n")[0].0, "RB0504");
    assert_eq!(clash("groups: { web: {} }\n")[0].0, "RB0511");
    let theirs = ("hosts", "[web]\na ansible_user=ops\n");
    assert_eq!(
        found(&[theirs, ("o.yaml", "groups: { g: { hosts: [a], user: adm } }\n")]),
        [("RB0512".to_owned(), "adm".to_owned())]
    );
    good(&[theirs, ("o.yaml", "groups: { g: { hosts: [a], user: ops, port: 22 } }\n")]);
}

#[test]
fn passwords_are_neither_kept_nor_shown() {
    let text = "[web]\nw ansible_password=hunter2 ansible_become_pass='hunter2' db_password=hunter2 rack=1\n[web:vars]\nansible_ssh_pass = hunter2\n";
    let (inventory, list, sources) = read_all(&[("hosts", text), ("host_vars/w.yml", "api_token: hunter2\n")]);
    let inventory = inventory.unwrap();
    assert!(!format!("{inventory:?}").contains("hunter2"));
    assert_eq!(host(&inventory, "w").vars.keys().collect::<Vec<_>>(), ["rack"]);
    assert_eq!(list.iter().map(|d| d.code).collect::<Vec<_>>(), ["RB0523", "RB0523"]);
    assert!(
        list[0]
            .message
            .contains("ansible_become_pass, ansible_password, ansible_ssh_pass, db_password"),
        "{}",
        list[0].message
    );
    let mut all = crate::diagnostic::Diagnostics::new();
    list.into_iter().for_each(|d| all.push(d));
    let drawn = crate::diagnostic::render::render(&all, &crate::inventory::masked(&sources), false);
    assert!(drawn.contains("ansible_password=****") && !drawn.contains("hunter2"), "{drawn}");
    let (_, list, _) = read_all(&[("hosts", "[web]\nw ansible_password=hunter2 hunter3\n")]);
    assert!(list.len() == 2 && !list.iter().any(|d| d.message.contains("hunter3")), "{list:#?}");
}

#[test]
fn what_is_encrypted_or_a_template_stays_text_unless_it_is_needed() {
    let vault = "secret_note: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6162\nnote: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6162\nplain: !unsafe \"{% x\"\n";
    let hosts = ("hosts", "[web]\nw greeting='hi {{ x }}'\n");
    let (inventory, list, _) = read_all(&[
        hosts,
        ("group_vars/web.yml", vault),
        ("group_vars/all/vault.yml", "$ANSIBLE_VAULT;1.1;AES256\n61\n"),
    ]);
    let inventory = inventory.unwrap();
    let w = host(&inventory, "w");
    assert_eq!(w.vars["greeting"], Value::text("hi {{ x }}"));
    assert!(w.var_text("note").unwrap().starts_with("$ANSIBLE_VAULT;"));
    assert_eq!(list.len(), 4, "{list:#?}");
    assert!(list.iter().all(|d| d.code == "RB0523" && d.severity == Severity::Warning));
    assert_eq!(
        found(&[
            hosts,
            ("host_vars/w", "ansible_user: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6162\n")
        ])[1]
            .0,
        "RB0524"
    );
}

#[test]
fn files_of_variables_are_chosen_as_ansible_does() {
    let hosts = ("hosts", "[web]\nw\n");
    let user = |texts: &[(&str, &str)]| host(&good(&[&[hosts], texts].concat()), "w").user.clone();
    assert_eq!(user(&[("group_vars/web", "ansible_user: a\n")]).as_deref(), Some("a"));
    assert_eq!(
        user(&[
            ("group_vars/web/1.yml", "ansible_user: a\n"),
            ("group_vars/web/2", "ansible_user: b\n")
        ])
        .as_deref(),
        Some("b")
    );
    assert_eq!(
        user(&[("group_vars/web/sub/1.json", "{\"ansible_user\": \"a\"}\n")]).as_deref(),
        Some("a")
    );
    assert_eq!(
        user(&[
            ("group_vars/web/.x.yml", "ansible_user: a\n"),
            ("group_vars/web/x.txt", "ansible_user: a\n")
        ]),
        None
    );
    assert_eq!(
        user(&[
            ("group_vars/all.yaml", "ansible_user: a\n"),
            ("host_vars/w.yml", "ansible_user: h\n")
        ])
        .as_deref(),
        Some("h")
    );
    assert_eq!(user(&[("group_vars/web.yml", ""), ("host_vars/w.yml", "# nothing\n---\n")]), None);
    assert_eq!(
        found(&[hosts, ("group_vars/web.yml", "x: 1\n"), ("group_vars/web.yaml", "y: 1\n")]),
        [("~RB0522".to_owned(), String::new())]
    );
    assert_eq!(found(&[hosts, ("group_vars/web.yml", "- x\n")])[0].0, "RB0522");
    // Files of groups that this inventory does not have are of another one.
    assert_eq!(user(&[("group_vars/db.yml", "[")]), None);
}

#[test]
fn one_mistake_of_a_group_is_said_once() {
    assert_eq!(found(&[("hosts", "[web]\nw[1:500]\n[web:vars]\nansible_port=x\n")]).len(), 1);
}

#[test]
fn wide_ranges_with_long_lines_do_not_fill_the_memory() {
    let long = format!("[web]\nw[1:10000] a={}\n", "x".repeat(1_000_000));
    assert_eq!(found(&[("hosts", &long)])[0].0, "RB0518");
    let mut many = String::from("[web]\nw[1:10000]");
    (0..5_000).for_each(|n| many.push_str(&format!(" a{n}=1")));
    assert_eq!(found(&[("hosts", &many)])[0].0, "RB0518");
    let group = format!("[web]\nw[1:10000]\n[web:vars]\na={}\n", "x".repeat(1_000_000));
    assert_eq!(found(&[("hosts", &group)])[0].0, "RB0518");
}

const INI: &str = "web-[01:03]:22 ansible_host=192.0.2.1 x='a b' # c\n[web]\nweb-0[1:2] y=[1,2]\n[web:vars]\nansible_port = 22\n[site:children]\nweb\n[all:vars]\nz=1\n";
const YAML: &str = "all:\n  hosts:\n    a[1:3]: { ansible_host: x }\n  children:\n    web:\n      hosts:\n        b:\n      vars:\n        y: !vault |\n          $ANSIBLE\n";
const JSON: &str = "{\"web\": {\"hosts\": [\"a\", \"b\"], \"vars\": {\"x\": 1}, \"children\": [\"c\"]}, \"_meta\": {\"hostvars\": {\"a\": {\"ansible_port\": 22}}}}";
const PIECES: &[&str] = &[
    "", "[", "]", "{", "}", ":", ": ", "\n", "\n  ", "=", "'", "\"", "[01:", "#", ";", "\\", "é", "\u{2028}", "all", "1e9", "\t", ":vars]",
    "{{", "!vault ", ",", "\0",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_mutation_makes_it_panic(
        which in 0usize..3, changes in proptest::collection::vec((0usize..300, 0usize..20, proptest::sample::select(PIECES)), 1..4),
    ) {
        let mut text: Vec<char> = [INI, YAML, JSON][which].chars().collect();
        for (at, length, piece) in changes {
            let at = at.min(text.len());
            let end = (at + length).min(text.len());
            text.splice(at..end, piece.chars());
        }
        let text: String = text.into_iter().collect();
        let (inventory, list, _) = read_all(&[("hosts", &text), ("group_vars/all", &text), ("host_vars/a.json", &text)]);
        prop_assert!(inventory.is_some() || list.iter().any(|d| d.severity == Severity::Error));
    }

    #[test]
    fn random_text_makes_nothing_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), head in proptest::sample::select(PIECES)) {
        let text = format!("{head}{}", String::from_utf8_lossy(&bytes));
        for name in ["hosts", "h.yaml", "h.json"] {
            let (inventory, list, _) = read_all(&[(name, &text)]);
            prop_assert!(inventory.is_some() || list.iter().any(|d| d.severity == Severity::Error));
        }
    }
}
