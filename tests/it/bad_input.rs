//! Whatever is wrong with the texts or with the world: the place, the remedy, the documented exit code, and nothing changes.

use std::fs;
use std::process::Command;

use runbook::lab::Incident;

use crate::site::{Person, Site, project};

const HEAD: &str = "runbook: bad\nlanguage: 1\ndescription: Does what it should not.\nrun_as: root\n";
const STEP: &str = "steps:\n  - id: look\n    hosts: web-01\n    facts: [memory]\n";

/// A text that does not compile: what stands behind the head, and what must be said about it.
const TEXTS: &[(&str, &str, &[&str])] = &[
    (
        "an unknown key",
        "stepz: []\nsteps:\n  - id: look\n    hosts: web-01\n    facts: [memory]\n",
        &["bad.yaml:5:1", "stepz", "steps"],
    ),
    (
        "a wrong type",
        "deadline: [1]\nsteps:\n  - id: look\n    hosts: web-01\n    facts: [memory]\n",
        &["bad.yaml:5:11", "deadline"],
    ),
    (
        "a key given twice",
        "deadline: 1h\ndeadline: 2h\nsteps:\n  - id: look\n    hosts: web-01\n    facts: [memory]\n",
        &["bad.yaml:6:1", "deadline"],
    ),
    (
        "a cycle",
        "steps:\n  - id: one\n    needs: [two]\n    hosts: web-01\n    facts: [memory]\n  - id: two\n    needs: [one]\n    hosts: web-01\n    facts: [memory]\n",
        &["bad.yaml:", "one", "two"],
    ),
    (
        "an unknown action",
        "steps:\n  - id: look\n    hosts: web-01\n    fakts: [memory]\n",
        &["bad.yaml:8:5", "fakts", "facts"],
    ),
    (
        "a bomb of aliases",
        "x: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\ny: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]\nz: [*b, *b, *b, *b, *b, *b, *b, *b, *b]\n",
        &["bad.yaml:5:4"],
    ),
    ("broken syntax", "steps: [\n", &["bad.yaml:"]),
    (
        "a placeholder that names nothing",
        "steps:\n  - id: say\n    hosts: web-01\n    command: { argv: [echo, \"{{params.nobody}}\"] }\n",
        &["bad.yaml:8:", "nobody"],
    ),
    (
        "a pattern that matches nothing",
        "steps:\n  - id: look\n    hosts: \"db-*\"\n    facts: [memory]\n",
        &["db-*"],
    ),
    (
        "a member that is not in the pool",
        "steps:\n  - id: ready\n    pool.member: { pool: web, member: lb-01, state: ready }\n",
        &["lb-01", "web"],
    ),
];

#[test]
fn texts_that_cannot_be_meant() {
    let site = Site::up("texts");
    let anna = site.person("anna");
    let before = site.fleet.fingerprint().unwrap();
    for (what, text, words) in TEXTS {
        let path = site.text("bad.yaml", &format!("{HEAD}{text}"));
        for command in [vec!["plan"], vec!["apply", "--yes"]] {
            let told = anna.run(&[command, vec![path.as_str()]].concat());
            assert_eq!(told.code(), 3, "{what}: {}", told.all());
            for word in *words {
                assert!(told.all().contains(word), "{what}: expected `{word}`\n{}", told.all());
            }
            assert!(!told.all().contains("panicked"), "{what}: {}", told.all());
        }
    }
    let good = site.text("bad.yaml", &format!("{HEAD}{STEP}"));
    anna.run(&["plan", &good]).exits(0);
    anna.run(&["plan", "--param", "nobody=1", &good]).exits(3).says("nobody");
    anna.run(&["plan", "--limit", "db-*", &good]).exits(3).says("db-*");
    anna.run(&["plan", &project("runbooks/nobody.yaml")])
        .exits(3)
        .says("there is no runbook");
    anna.run(&["plan", "--param", "master=lb-01", &project("runbooks/recover-master.yaml")])
        .exits(3)
        .says("webservers");
    anna.run(&["plan"]).exits(64);

    let inventory = fs::read_to_string(site.fleet.inventory()).unwrap();
    for (broken, words) in [
        (inventory.replacen("port:", "prot:", 1), "port"),
        (inventory.replacen("members: webservers", "members: webserver", 1), "webservers"),
        (inventory.replacen("min_in_service: 1", "min_in_service: 7", 1), "min_in_service"),
        (format!("{inventory}hosts: {{}}\n"), "hosts"),
    ] {
        let path = site.text("broken-inventory.yaml", &broken);
        let told = anna.run(&["plan", "-i", &path, &good]).exits(3);
        assert!(
            told.all().contains("broken-inventory.yaml:") && told.all().contains(words),
            "{}",
            told.all()
        );
    }
    assert_eq!(before.differences(&site.fleet.fingerprint().unwrap()), Vec::<String>::new());
}

/// `plan` and `apply` refuse, say why and what to do, and change nothing.
fn refuses(site: &Site, anna: &Person, arguments: &[&str], words: &[&str]) {
    let before = site.fleet.fingerprint().unwrap();
    let recover = project("runbooks/recover-master.yaml");
    for command in [vec!["plan"], vec!["apply", "--yes"]] {
        let told = anna.run(&[command.as_slice(), arguments, &[recover.as_str()]].concat()).exits(10);
        for word in words {
            // Long lines are wrapped and indented for the terminal.
            let said = told.all().split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(said.contains(word), "expected `{word}`\n{}", told.all());
        }
    }
    assert_eq!(before.differences(&site.fleet.fingerprint().unwrap()), Vec::<String>::new());
    anna.run(&["obligations"]).exits(0).says("no obligations");
}

#[test]
fn a_host_that_cannot_be_reached_and_then_shows_another_key() {
    let mut site = Site::broken("unreachable", Incident::HostDown);
    refuses(
        &site,
        &site.person("anna"),
        &[],
        &["cannot connect to web-01: connection refused", "check that sshd runs"],
    );
    site.break_it(Incident::HostKeyChanged);
    refuses(
        &site,
        &site.person("anna"),
        &[],
        &[
            "web-01: the host's key has changed",
            "find out why the key changed before anything else",
        ],
    );
}

#[test]
fn a_key_that_no_host_accepts() {
    let site = Site::up("key");
    let key = site.work.join("stranger");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&key)
        .status();
    assert!(made.unwrap().success());
    let text = fs::read_to_string(site.fleet.inventory()).unwrap();
    let folder = site.fleet.layout().dir().display().to_string();
    let text = text
        .replace("keys/user", &key.display().to_string())
        .replace("known_hosts: known_hosts", &format!("known_hosts: {folder}/known_hosts"));
    let path = site.text("stranger.yaml", &text);
    refuses(
        &site,
        &site.person("anna"),
        &["-i", &path],
        &["Permission denied", "check user and key"],
    );
}

#[test]
fn a_balancer_that_cannot_be_asked() {
    let mut site = Site::broken("socket", Incident::SocketDenied);
    let words = ["admin.sock", "check that its service runs"];
    refuses(&site, &site.person("anna"), &[], &words);
    site.person("anna").run(&["status"]).exits(1).says("admin.sock");
    site.break_it(Incident::HaproxyDown);
    refuses(&site, &site.person("anna"), &[], &words);
}

#[test]
fn a_file_that_the_balancer_would_not_load() {
    let site = Site::broken("invalid", Incident::BadConfigOnDisk);
    let anna = site.person("anna");
    let text = "runbook: balance\nlanguage: 1\ndescription: Send requests to the least busy server.\nrun_as: root\nsteps:\n\
        \x20 - id: least\n    pool.balance: { pool: web, algorithm: leastconn, weights: equal }\n";
    let balance = site.text("balance.yaml", text);
    let before = site.fleet.fingerprint().unwrap();
    let told = anna.run(&["apply", "--yes", &balance]);
    assert!([4, 10].contains(&told.code()), "{}", told.all());
    assert!(told.all().contains("balanec"), "HAProxy's own words\n{}", told.all());
    assert_eq!(before.differences(&site.fleet.fingerprint().unwrap()), Vec::<String>::new());
    site.assert_shared("the old process still serves");
    anna.run(&["obligations"]).exits(0).says("no obligations");
}
