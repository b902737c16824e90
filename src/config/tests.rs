//! Tests of the configuration as a whole.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::diagnostic::{Diagnostic, Diagnostics, Severity, Sources};
use crate::yaml::examples;

fn parse_all(texts: &[&str]) -> (Option<Config>, Vec<Diagnostic>) {
    let mut sources = Sources::new();
    let ids: Vec<_> = texts.iter().map(|t| sources.add("etc/config.yaml", *t)).collect();
    let (config, diagnostics) = parse(&sources, &ids);
    (config, diagnostics.sorted())
}

fn good(texts: &[&str]) -> Config {
    let (config, diagnostics) = parse_all(texts);
    let idle = |d: &&Diagnostic| d.code == "RB0602" && d.severity == Severity::Warning;
    assert!(diagnostics.iter().all(|d| idle(&d)), "{diagnostics:#?}");
    config.unwrap()
}

fn found(text: &str) -> Vec<(&'static str, String)> {
    let (config, diagnostics) = parse_all(&[text]);
    assert!(config.is_none(), "{text}");
    let place = |d: &Diagnostic| d.span.map_or("", |s| &text[s.start as usize..s.end as usize]).to_owned();
    let errors = diagnostics.iter().filter(|d| d.severity == Severity::Error);
    errors.map(|d| (d.code, place(d))).collect()
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
        url: Address::Kept(SecretSource::File("etc/ops_chat_url".into())),
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
        ("limits: { max_hosts: 0 }\n", &[("RB0023", "0")]),
        ("limits: { max_host: 1 }\n", &[("RB0020", "max_host")]),
        (
            "people: { jo: {} }\ngroups: { g: { members: [jo], escalate_after: 5m } }\n",
            &[("RB0605", "g")],
        ),
        ("ssh: { key_exchange: quick }\n", &[("RB0023", "quick")]),
        (
            "ssh: { key_exchange: fast, options: { KexAlgorithms: x } }\n",
            &[("RB0605", "fast")],
        ),
        ("limits: { runs_per_hour: 0 }\n", &[("RB0023", "0")]),
        ("limits: { pool_member_minutes_per_day: { web: x } }\n", &[("RB0022", "x")]),
        ("retention: { runs: 5 }\n", &[("RB0023", "5")]),
        ("retention: { runs: 1d, output: 2d }\n", &[("RB0605", "2d")]),
        (
            "freeze: [{ from: \"2026-12-24\", until: \"2026-12-27T00:00Z\", reason: x }]\n",
            &[("RB0023", "2026-12-24")],
        ),
        (
            "freeze: [{ from: \"2026-12-27T00:00Z\", until: \"2026-12-24T00:00Z\", reason: x }]\n",
            &[("RB0605", "2026-12-24T00:00Z")],
        ),
        (
            "freeze: [{ from: \"2026-12-24T00:00Z\", until: \"2026-12-27T00:00Z\" }]\n",
            &[("RB0021", "{ from: \"2026-12-24T00:00Z\", until: \"2026-12-27T00:00Z\" }")],
        ),
        (
            "freeze: [{ from: \"2026-12-24T00:00Z\", until: \"2026-12-27T00:00Z\", reason: x, except: [nobody] }]\n",
            &[("RB0601", "nobody")],
        ),
        (
            "people: { jo: {} }\ngroups: { a: { members: [b] }, b: { members: [jo, a] } }\n",
            &[("RB0611", "a")],
        ),
        (
            "people: { jo: {} }\ngroups: { g: { members: [jo], escalate_after: 5m, then: [jo] } }\n",
            &[("RB0612", "jo")],
        ),
        ("secret_sources: { db: hunter2 }\n", &[("RB0610", "hunter2")]),
        (
            "secret_sources: { db: \"secret:secret_sources.x\" }\n",
            &[("RB0605", "secret:secret_sources.x")],
        ),
        (
            "sources: { a: { kind: alertmanager, runbooks: [x] } }\n",
            &[("RB0021", "{ kind: alertmanager, runbooks: [x] }")],
        ),
        (
            "sources: { a: { kind: alertmanager, auth: { hmac: \"secret:env:A\" }, runbooks: [x] } }\n",
            &[("RB0606", "hmac")],
        ),
        (
            "sources: { a: { kind: grafana, auth: { hmac: [a, b, c] }, runbooks: [x] } }\n",
            &[("RB0605", "[a, b, c]")],
        ),
        (
            "sources: { a: { kind: webhook, auth: {}, runbooks: [] } }\n",
            &[("RB0606", "{}"), ("RB0605", "[]")],
        ),
        ("serve: { listen: \"7780\" }\n", &[("RB0605", "7780")]),
        (
            "serve: { tokens: { ci: { secret: abcdef, role: viewer } } }\n",
            &[("RB0610", "abcdef")],
        ),
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

const PLANNED: &str = r#"
people: { mira: { approve: [break_glass], notify: [here] }, jo: { notify: [here] } }
groups:
  web: { members: [jo], escalate_after: 15m, then: [all] }
  all: { members: [mira, web] }
channels: { here: { terminal: {} } }
sources:
  am: { kind: alertmanager, auth: { bearer: ["secret:file:new", "secret:env:OLD"] }, runbooks: [x], max_mode: approve, source_url: "http://127.0.0.1:9093" }
  pd: { kind: pagerduty, auth: { hmac: "secret:secret_sources.pd" }, runbooks: [x] }
  basic: { kind: grafana, auth: { basic: { user: u, password: "secret:command:/bin/p a" } }, runbooks: [x] }
limits: { runs_per_hour: 20, pool_member_minutes_per_day: { web: 60 } }
freeze: [{ from: "2026-12-24T00:00Z", until: "2026-12-27T00:00+01:00", reason: holidays, except: [break_glass] }]
ssh: { key_exchange: fast }
retention: { runs: 400d, output: 30d }
serve: { listen: "127.0.0.1:7780", hosts: [runbook.example.org], tokens: { ci: { secret: "secret:file:/etc/ci", role: operator, runbooks: [x] } } }
secret_sources: { pd: "secret:file:pd.key" }
"#;

#[test]
fn what_nothing_acts_on_yet_is_read_all_the_same_and_warned_of() {
    let (config, found) = parse_all(&[PLANNED]);
    let config = config.unwrap();
    assert!(
        found.iter().all(|d| d.code == "RB0602" && d.severity == Severity::Warning),
        "{found:#?}"
    );
    let keys: Vec<String> = found.iter().map(|d| d.message.split('`').nth(1).unwrap().to_owned()).collect();
    let idle = [
        "escalate_after",
        "then",
        "sources",
        "pool_member_minutes_per_day",
        "retention",
        "serve",
    ];
    assert_eq!(keys, idle);
    let file = |path: &str| SecretSource::File(path.into());
    assert_eq!(
        config.sources["am"].auth,
        Auth::Bearer(vec![file("etc/new"), SecretSource::Env("OLD".into())])
    );
    assert_eq!((config.sources["am"].max_mode, config.sources["pd"].max_mode), ("approve", "plan"));
    assert_eq!(config.secret_sources["pd"], file("etc/pd.key"));
    assert_eq!(config.serve.tokens["ci"].secret, file("/etc/ci"));
    assert_eq!(config.retention.runs, Some(Duration::from_secs(400 * 86_400)));
    assert!(
        config
            .ssh_options()
            .contains(&("KexAlgorithms".into(), "curve25519-sha256,curve25519-sha256@libssh.org".into()))
    );
}

#[test]
fn groups_have_the_members_of_their_groups() {
    let (config, _) = parse_all(&[PLANNED]);
    let config = config.unwrap();
    assert_eq!(config.members("all"), ["mira", "jo"]);
    assert!(config.may_approve("jo", &["all".into()]));
    assert!(!config.may_approve("mira", &["web".into()]));
    assert_eq!(config.recipients("all").unwrap().channels.len(), 1);
}

#[test]
fn a_freeze_of_any_file_holds_for_all_but_the_excepted() {
    let soon = "freeze: [{ from: \"2026-12-24T00:00Z\", until: \"2026-12-25T00:00Z\", reason: a }]\n";
    let later = "freeze: [{ from: \"2026-12-31T00:00Z\", until: \"2027-01-01T00:00Z\", reason: b, except: [jo] }]\npeople: { jo: {} }\n";
    let config = good(&[soon, later]);
    let at = |text: &str| crate::base::clock::parse_time(text).unwrap();
    let why = |who: &str, text: &str| config.frozen(who, at(text)).map(|f| f.reason.as_str());
    assert_eq!(why("jo", "2026-12-24T00:00Z"), Some("a"));
    assert_eq!(why("jo", "2026-12-25T00:00Z"), None);
    assert_eq!(why("mira", "2026-12-31T12:00Z"), Some("b"));
    assert_eq!(why("jo", "2026-12-31T12:00Z"), None);
}

#[test]
fn the_schema_knows_every_key_that_is_read() {
    let schema = schema();
    let known = |definition: &str, key: &str| schema["definitions"][definition]["properties"].get(key).is_some();
    for text in [FULL, PLANNED] {
        let mut sources = Sources::new();
        let id = sources.add("x", text);
        let (node, _) = crate::yaml::read(&sources, id);
        for entry in node.unwrap().as_map().unwrap() {
            assert!(known("configuration", &entry.key.value), "{}", entry.key.value);
        }
    }
    assert!(known("auth", "standard_webhooks") && known("freeze", "except") && known("basic", "password"));
    assert_eq!(
        schema["definitions"]["source"]["required"],
        serde_json::json!(["kind", "auth", "runbooks"])
    );
    let text = schema.to_string();
    assert!(text.contains("not used yet") && !text.contains("null"), "{text}");
}

#[test]
fn pages_are_true() {
    examples::check("RB06", |sources, id| {
        let (_, found) = parse(sources, &[id]);
        let mut meant = Diagnostics::new();
        // Beside an error, the warning that nothing acts on a key yet is not what the page is about.
        let beside = |d: &&Diagnostic| found.has_errors() && d.severity == Severity::Warning;
        found.iter().filter(|d| !beside(d)).for_each(|d| meant.push(d.clone()));
        meant
    });
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
