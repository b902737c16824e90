//! Somebody must say yes: from another shell, at the terminal, about exactly this plan; a no changes nothing.

use std::io::Write;
use std::process::{Command, Stdio};

use runbook::lab::{Balance, Incident, Variant};

use crate::site::{RUNBOOK, Site, project};

const BROKEN: Incident = Incident::OomMaster {
    variant: Variant::Runtime,
    balance: Balance::Source,
    shallow_health: false,
};

fn recover() -> String {
    project("runbooks/recover-master.yaml")
}

#[test]
fn a_yes_from_another_shell_about_this_plan_and_no_other() {
    let site = Site::broken("yes", BROKEN);
    let anna = site.person("anna");
    let bert = anna.colleague("bert");
    let before = site.fleet.fingerprint().unwrap();
    let mut run = anna.start(&["apply", "--yes", "--gate", "approve", &recover()]);
    run.says("runbook approve 1");
    let runs = bert.run(&["runs", "-o", "json"]).exits(0);
    let runs: serde_json::Value = serde_json::from_str(&runs.out).unwrap();
    let digest = runs["runs"][0]["digest"].as_str().unwrap().to_owned();

    bert.run(&["approve", "1", "--digest", "0123456789ab"])
        .exits(10)
        .says("asks about plan")
        .says(&digest[..12]);
    bert.run(&["approve", "2"]).exits(10);
    assert!(!run.is_over(), "`--yes` and a refused answer approve nothing");
    // Thinking takes its time, and a network that forgets connections does not wait.
    run.cut_connections();
    assert_eq!(before.differences(&site.fleet.fingerprint().unwrap()), Vec::<String>::new());
    bert.run(&["approve", "1", "--digest", &digest[..12]])
        .exits(0)
        .says(&format!("approved by {}", bert.known_as()));
    run.finish().exits(0).says(&format!("granted by {}", bert.known_as()));
    site.assert_recovered("after the approval");
    bert.run(&["approve", "1"]).exits(10);
}

#[test]
fn a_no_changes_nothing() {
    let site = Site::broken("no", BROKEN);
    let anna = site.person("anna");
    let before = site.fleet.fingerprint().unwrap();
    let mut run = anna.start(&["apply", "--yes", "--gate", "approve", &recover()]);
    run.says("runbook approve 1");
    anna.colleague("bert")
        .run(&["deny", "1", "--reason", "not during the sale"])
        .exits(0);
    run.finish()
        .exits(7)
        .says("not during the sale")
        // The people called by `on_failure` read why, too.
        .says("recover-master failed on web-01: ")
        .never_says("recover-master failed on web-01: \n");
    assert_eq!(before.differences(&site.fleet.fingerprint().unwrap()), Vec::<String>::new());
    assert_eq!((site.starts("web-01"), site.held()), (0, Vec::new()));
    anna.run(&["obligations"]).exits(0).says("no obligations");
}

#[test]
fn detached_until_somebody_has_answered() {
    let site = Site::broken("detached", BROKEN);
    let anna = site.person("anna");
    anna.run(&["apply", "--yes", "--gate", "approve", "--detach", &recover()])
        .exits(6)
        .says("runbook approve 1");
    anna.run(&["runs"]).exits(0).says("WAITING");
    anna.colleague("bert").run(&["approve", "1"]).exits(0);
    anna.run(&["resume", "1"]).exits(0);
    site.assert_recovered("after the approval");
}

#[test]
fn nobody_confirms_without_a_terminal() {
    let site = Site::broken("confirm", BROKEN);
    let anna = site.person("anna");
    let before = site.fleet.fingerprint().unwrap();
    anna.run(&["apply", &recover()]).exits(64).says("--yes");
    anna.run(&["apply", "--plan", "0123456789ab", &recover()])
        .exits(10)
        .says("no longer");
    assert_eq!(before.differences(&site.fleet.fingerprint().unwrap()), Vec::<String>::new());
    let plan = anna.run(&["plan", "-o", "json", &recover()]).exits(0);
    let plan: serde_json::Value = serde_json::from_str(&plan.out).unwrap();
    let digest = plan["digest"].as_str().unwrap();
    anna.run(&["apply", "--plan", digest, &recover()]).exits(0);
    site.assert_recovered("after exactly this plan");
}

#[test]
fn a_person_at_a_terminal_confirms_and_approves() {
    let site = Site::broken("terminal", BROKEN);
    let anna = site.person("anna");
    let words = format!("{RUNBOOK} apply --gate approve {}", recover());
    let mut script = Command::new("script");
    anna.prepare(&mut script);
    script
        .args(["-qec", &words, "/dev/null"])
        .env("TERM", "xterm")
        .stdin(Stdio::piped());
    let mut run = anna.start_command(script);
    let mut keys = run.keyboard();
    run.says("Run this plan?");
    keys.write_all(b"y").unwrap();
    run.says("Your answer");
    // The first choice is no; one up is yes.
    keys.write_all(b"\x1b[A\r").unwrap();
    run.finish().exits(0).says(&format!("granted by {}", anna.known_as()));
    site.assert_recovered("after the keyboard's yes");
}
