//! Tests of the configuration as a whole.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::diagnostic::{Diagnostic, Sources};
use crate::yaml::examples;

fn parse_all(texts: &[&str]) -> (Option<Config>, Vec<Diagnostic>) {
    let mut sources = Sources::new();
    let ids: Vec<_> = texts.iter().map(|t| sources.add("etc/config.yaml", *t)).collect();
    let (config, diagnostics) = parse(&sources, &ids);
    (config, diagnostics.sorted())
}

fn good(texts: &[&str]) -> Config {
    let (config, diagnostics) = parse_all(texts);
    assert!(diagnostics.is_empty(), "{diagnostics:#?}");
    config.unwrap()
}

fn found(text: &str) -> Vec<(&'static str, String)> {
    let (config, diagnostics) = parse_all(&[text]);
    assert!(config.is_none(), "{text}");
    let place = |d: &Diagnostic| d.span.map_or("", |s| &text[s.start as usize..s.end as usize]).to_owned();
    diagnostics.iter().map(|d| (d.code, place(d))).collect()
}

const FULL: &str = r#"
inventory: [inventory/, extra.yaml]
identity: mira
journal: /var/lib/runbook/journal.db
people:
  mira: { name: Mira, approve: [web_owners, dba], notify: [chat_mira, ops_chat] }
  jo: { notify: [ops_chat] }
groups:
  oncall: { members: [mira, jo] }
channels:
  ops_chat: { webhook: { url: "secret:file:ops_chat_url", template: slack } }
  chat_mira: { command: { argv: [/usr/local/bin/page, mira] } }
  here: { terminal: {} }
  hook: { webhook: { url: "https://user:pw@chat.example.org/T0/secret?x" } }
limits: { max_hosts: 50 }
ssh: { connect_timeout: 10s, max_connects: 8, options: { serveraliveinterval: 15, StrictHostKeyChecking: yes } }
"#;

#[test]
fn every_section_is_read() {
    let config = good(&[FULL]);
    assert_eq!(config.inventory, ["etc/inventory/", "etc/extra.yaml"]);
    assert_eq!(config.identity.as_deref().unwrap(), "mira");
    assert_eq!(config.journal.as_deref().unwrap(), "/var/lib/runbook/journal.db");
    assert_eq!(config.people["mira"].name.as_deref(), Some("Mira"));
    assert_eq!(config.limits.max_hosts, Some(50));
    assert_eq!(config.ssh.connect_timeout, Some(Duration::from_secs(10)));
    assert_eq!(config.ssh.max_connects, Some(8));
    assert_eq!(config.ssh.options["ServerAliveInterval"], "15");
    let options = config.ssh_options();
    let options: Vec<_> = options.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    assert_eq!(
        options,
        [
            ("ConnectTimeout", "10"),
            ("ServerAliveInterval", "15"),
            ("StrictHostKeyChecking", "yes")
        ]
    );
    let webhook = Channel::Webhook {
        url: Secret::File("etc/ops_chat_url".into()),
        template: Template::Slack,
    };
    assert_eq!(config.channels["ops_chat"], webhook);
    assert_eq!(config.channels["here"], Channel::Terminal);
    assert_eq!(good(&[]), Config::default());
    assert_eq!(good(&["# nothing yet\n", "people:\n"]), Config::default());
}

#[test]
fn a_recipient_is_a_channel_a_person_or_a_group() {
    let config = good(&[FULL]);
    let names = |name: &str| {
        config
            .recipients(name)
            .map(|r| (r.kind, r.channels.iter().map(|(n, _)| *n).collect::<Vec<_>>()))
    };
    assert_eq!(names("here"), Some((RecipientKind::Channel, vec!["here"])));
    assert_eq!(names("jo"), Some((RecipientKind::Person, vec!["ops_chat"])));
    assert_eq!(names("oncall"), Some((RecipientKind::Group, vec!["chat_mira", "ops_chat"])));
    // Who may approve as `dba` is reached as `dba`.
    assert_eq!(names("dba"), names("mira").map(|(_, channels)| (RecipientKind::Group, channels)));
    assert_eq!(names("nobody"), None);
    assert!(config.recipient_names().all(|n| config.recipients(n).is_some()));
}

#[test]
fn who_may_approve() {
    let config = good(&[FULL]);
    for (person, from, may) in [
        ("mira", "mira", true),
        ("mira", "dba", true),
        ("mira", "oncall", true),
        ("jo", "oncall", true),
        ("jo", "dba", false),
        ("jo", "mira", false),
        ("stranger", "oncall", false),
        ("stranger", "*", true),
    ] {
        assert_eq!(config.may_approve(person, &[from.to_owned()]), may, "{person} {from}");
    }
    assert!(!config.may_approve("mira", &[]));
}

#[test]
fn the_first_file_counts_and_named_things_merge() {
    let near = "inventory: [near]\nchannels: { a: { terminal: {} } }\nssh: { options: { LogLevel: QUIET } }\n";
    let far = "inventory: [far]\nidentity: far\npeople: { jo: { notify: [a, b] } }\nchannels: { a: { command: { argv: [x] } }, b: { terminal: {} } }\nssh: { max_connects: 2, options: { LogLevel: DEBUG, Port: 22 } }\n";
    let config = good(&[near, far]);
    assert_eq!(config.inventory, ["etc/near"]);
    assert_eq!(config.channels["a"], Channel::Terminal);
    assert_eq!(config.ssh.options["LogLevel"], "QUIET");
    assert_eq!(config.ssh.options["Port"], "22");
    let origins: Vec<_> = config.origins.iter().map(|o| (o.key.clone(), o.span.source.0)).collect();
    for (key, source) in [
        ("inventory", 0),
        ("identity", 1),
        ("channels.a", 0),
        ("channels.b", 1),
        ("ssh.options.LogLevel", 0),
        ("ssh.max_connects", 1),
    ] {
        assert!(origins.contains(&(key.to_owned(), source)), "{key} {origins:?}");
    }
}

#[test]
fn a_url_does_not_tell_its_secret() {
    let config = good(&[FULL]);
    let shown = format!("{config:?}");
    assert!(shown.contains("https://chat.example.org/…") && !shown.contains("pw@") && !shown.contains("T0"));
}

#[test]
fn mistakes_are_found_at_their_places() {
    let table: &[(&str, &[(&str, &str)])] = &[
        ("inventry: [x]\n", &[("RB0020", "inventry")]),
        ("inventory: x\n", &[("RB0022", "x")]),
        (
            "serve: {}\nfreeze: []\nsources: {}\nretention: {}\nsecret_sources:\n",
            &[
                ("RB0602", "serve"),
                ("RB0602", "freeze"),
                ("RB0602", "sources"),
                ("RB0602", "retention"),
                ("RB0602", "secret_sources"),
            ],
        ),
        ("limits: { runs_per_hour: 2 }\n", &[("RB0602", "runs_per_hour")]),
        ("limits: { max_hosts: 0 }\n", &[("RB0023", "0")]),
        ("limits: { max_host: 1 }\n", &[("RB0020", "max_host")]),
        (
            "people: { jo: {} }\ngroups: { g: { members: [jo], escalate_after: 5m } }\n",
            &[("RB0602", "escalate_after")],
        ),
        ("ssh: { key_exchange: default }\n", &[("RB0602", "key_exchange")]),
        ("journal: sqlite\n", &[("RB0602", "sqlite")]),
        ("journal: \"postgres://x/y\"\n", &[("RB0602", "postgres://x/y")]),
        ("journal: \"\"\n", &[("RB0605", "")]),
        ("identity: \"a\\nb\"\n", &[("RB0605", "a\\nb")]),
        ("people: { jo: { notify: [chat] } }\n", &[("RB0601", "chat")]),
        ("groups: { g: { members: [jo] } }\n", &[("RB0601", "jo")]),
        ("groups: { g: {} }\n", &[("RB0021", "{}")]),
        ("people: { \"a b\": {} }\n", &[("RB0603", "\"a b\"")]),
        ("people: { a: {} }\ngroups: { a: { members: [a] } }\n", &[("RB0603", "a")]),
        ("channels: { c: {} }\n", &[("RB0606", "c")]),
        ("channels: { c: { mail: {} } }\n", &[("RB0606", "c"), ("RB0020", "mail")]),
        ("channels: { c: { command: { argv: [] } } }\n", &[("RB0605", "[]")]),
        ("channels: { c: { command: { argv: page } } }\n", &[("RB0022", "page")]),
        (
            "channels: { c: { webhook: { template: slack } } }\n",
            &[("RB0021", "{ template: slack }")],
        ),
        ("channels: { c: { webhook: { url: \"ftp://x\" } } }\n", &[("RB0605", "ftp://x")]),
        ("channels: { c: { webhook: { url: \"http:///x\" } } }\n", &[("RB0605", "http:///x")]),
        (
            "channels: { c: { webhook: { url: \"secret:env:A B\" } } }\n",
            &[("RB0605", "secret:env:A B")],
        ),
        (
            "channels: { c: { webhook: { url: \"http://x\", template: slak } } }\n",
            &[("RB0023", "slak")],
        ),
        ("ssh: { connect_timeout: 5 }\n", &[("RB0023", "5")]),
        ("ssh: { connect_timeout: 0s }\n", &[("RB0605", "0s")]),
        ("ssh: { max_connects: 0 }\n", &[("RB0023", "0")]),
        (
            "ssh: { options: { LogLevel: \"a\\nProxyCommand x\" } }\n",
            &[("RB0605", "a\\nProxyCommand x")],
        ),
        ("ssh: { options: { StrictHostKeyChecking: no } }\n", &[("RB0604", "no")]),
    ];
    for (text, expected) in table {
        let expected: Vec<_> = expected.iter().map(|(c, p)| (*c, (*p).to_owned())).collect();
        assert_eq!(found(text), expected, "{text}");
    }
}

#[test]
fn ssh_options_that_run_something_are_refused() {
    for option in [
        "ProxyCommand",
        "proxycommand",
        "LocalCommand",
        "PermitLocalCommand",
        "KnownHostsCommand",
        "ProxyUseFdpass",
        "PKCS11Provider",
        "SecurityKeyProvider",
        "XAuthLocation",
        "Include",
        "Match",
        "RemoteCommand",
        "ControlPath",
        "ForwardAgent",
        "SendEnv",
        "LocalForward",
        "LogLevel=DEBUG ProxyCommand",
    ] {
        assert_eq!(
            found(&format!("ssh: {{ options: {{ \"{option}\": x }} }}\n"))[0].0,
            "RB0604",
            "{option}"
        );
    }
}

#[test]
fn pages_are_true() {
    examples::check("RB06", |sources, id| parse(sources, &[id]).1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_text_makes_it_panic(at in 0usize..1000, length in 0usize..30, piece in proptest::sample::select(PIECES)) {
        let at = at.min(FULL.len());
        let mutated = format!("{}{piece}{}", &FULL[..at], &FULL[(at + length).min(FULL.len())..]);
        let (config, diagnostics) = parse_all(&[&mutated]);
        prop_assert!(config.is_some() || !diagnostics.is_empty());
    }
}

const PIECES: &[&str] = &[
    "", "[", "]", "{", "}", ":", ": ", "\n", "\n  ", "- ", "'", "\"", "é", "*", "1e9", "\t", "secret:",
];
