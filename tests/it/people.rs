//! A person does it: asked through a channel, called again on the clock, answers from another shell or the keyboard, over a crash.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use crate::site::{Person, RUNBOOK, Site};

/// Nobody is in `away`; everybody is in `here`. What either is told goes to a file.
fn configuration(site: &Site, anna: &Person, bert: &Person) -> (String, String) {
    let told = site.work.join("told").display().to_string();
    let text = format!(
        "people:\n  ghost: {{ notify: [book] }}\n  {}: {{ notify: [book] }}\n{}groups:\n  away: {{ members: [ghost] }}\n  here: {{ members: [{}, {}] }}\n  later: {{ members: [ghost] }}\n\
         channels:\n  book: {{ command: {{ argv: [tee, -a, {told}] }} }}\n",
        anna.known_as(),
        if anna.known_as() == bert.known_as() {
            String::new()
        } else {
            format!("  {}: {{}}\n", bert.known_as())
        },
        anna.known_as(),
        bert.known_as(),
    );
    (site.text("config.yaml", &text), told)
}

/// What the person found, as the run wrote it down.
fn found(site: &Site) -> Option<String> {
    let text = fs::read_to_string(site.work.join("finding")).ok()?;
    Some(text.trim().to_owned())
}

fn runbook(site: &Site, within: &str, then: &str) -> String {
    let finding = site.work.join("finding").display().to_string();
    format!(
        r#"runbook: by-hand
language: 1
description: Look, say what it is, let a person do the rest.
params:
  server: {{ type: host, default: web-01 }}
  patience: {{ type: duration, default: {within} }}
hosts: "{{{{params.server.name}}}}"
steps:
  - id: rebuild
    manual: {{ ask: "Replace the {{{{params.server.name}}}} cable.", to: here, within: 24h, blocking: false }}
  - id: machine
    facts: [memory]
  - id: cause
    decide:
      - is: memory
        when: steps.machine.memory.available_percent < 0.0
      - is: unknown
  - id: ack
    when: steps.cause.is == 'unknown'
    manual:
      ask: "No known cause fits {{{{params.server.name}}}}. What is it?"
      to: away
      fields:
        finding: {{ type: choice, choices: [disk, cable], description: What you found }}
        disks: {{ type: int, min: 1, default: 1 }}
      within: "{{{{params.patience}}}}"
      {then}
  - id: write
    when: steps.cause.is == 'unknown'
    file.write: {{ path: {finding}, content: "{{{{steps.ack.finding}}}} {{{{steps.ack.disks}}}} by {{{{steps.ack.by}}}}" }}
"#
    )
}

#[test]
fn who_is_called_second_answers_and_the_run_goes_on_with_it() {
    let site = Site::up("byhand");
    let anna = site.person("anna");
    let bert = anna.colleague("bert");
    let (config, told) = configuration(&site, &anna, &bert);
    let text = site.text("by-hand.yaml", &runbook(&site, "10s", "then_escalate_to: [here, later]"));
    let plan = anna.run(&["--config", &config, "plan", &text]).exits(0);
    let plan = plan
        .says("decides: unknown, for nothing else is true")
        .says("asks away to do: No known cause fits web-01. What is it?")
        .says("waits 10s, then 10s for here, then 10s for later; then it has failed");
    assert!(plan.out.contains("2 manual steps"), "{}", plan.all());

    let mut run = anna.start(&["--config", &config, "apply", "--yes", "-o", "ndjson", &text]);
    run.says("approval_requested");
    // Only those who are asked may answer.
    let bert_says = |arguments: &[&str]| bert.run(&[&["--config", &config], arguments].concat());
    bert_says(&["done", "1", "ack", "--field", "finding=disk"])
        .exits(10)
        .says("it is for away");
    run.says("approval_escalated");
    bert_says(&["done", "1", "--field", "finding=disk"])
        .exits(64)
        .says("name the step: ack, rebuild");
    bert_says(&["done", "1", "ack", "--field", "finding=dsik"])
        .exits(64)
        .says("expected one of disk, cable, found `dsik`");
    bert_says(&["done", "1", "ack", "--field", "disks=2"])
        .exits(64)
        .says("what is `finding`?");
    bert_says(&["approve", "1"]).exits(10).says("waits for something to be done");
    bert_says(&[
        "done",
        "1",
        "ack",
        "--field",
        "finding=disk",
        "--field",
        "disks=2",
        "--reason",
        "swapped",
    ])
    .exits(0)
    .says("done by");
    let end = run.finish().exits(0);
    let words = format!("disk 2 by {}", bert.known_as());
    assert_eq!(found(&site), Some(words));
    let escalated = end.out.lines().find(|l| l.contains("approval_escalated")).unwrap();
    let escalated: serde_json::Value = serde_json::from_str(escalated).unwrap();
    assert_eq!(escalated["event"]["to"], "here");

    // Told what is theirs for later; then called, one after the other.
    let told = fs::read_to_string(told).unwrap();
    let calls: Vec<&str> = told.lines().filter(|l| l.starts_with("[")).collect();
    assert!(calls[0].contains("[warning]") && calls[0].contains("to here"), "{told}");
    assert!(calls[1].contains("[warning]") && calls[1].contains("to away"), "{told}");
    assert!(calls[2].contains("[critical]") && calls[2].contains("to here"), "{told}");
    assert!(
        told.contains("nobody has answered") && told.contains("leaves you something to do"),
        "{told}"
    );

    // What the run did not wait for is owed by people until one of them says that it is done.
    anna.run(&["obligations"]).exits(0).says("Replace the web-01 cable.").says("here");
    anna.run(&["--config", &config, "failed", "1", "--reason", "no spare"])
        .exits(10)
        .says("obligations waive 1.1");
    anna.run(&["obligations", "discharge", "1.1"])
        .exits(64)
        .says("runbook done 1 rebuild");
    anna.run(&["--config", &config, "done", "1", "rebuild", "--reason", "new cable"])
        .exits(0)
        .says("new cable");
    anna.run(&["obligations"]).exits(0).says("no obligations");
    anna.run(&["--config", &config, "done", "1", "rebuild"]).exits(10);
    anna.run(&["show", "1"])
        .exits(0)
        .says("ack: nobody answered in time, here is asked too")
        .says("ack done by hand");
}

#[test]
fn killed_while_a_person_is_waited_for() {
    let site = Site::up("byhandkill");
    let anna = site.person("anna");
    let (config, _) = configuration(&site, &anna, &anna);
    let text = site.text("by-hand.yaml", &runbook(&site, "10m", "").replace("to: away", "to: here"));
    let mut run = anna.start(&["--config", &config, "apply", "--yes", &text]);
    run.says("runbook done 1 ack");
    anna.run(&["show", "1"])
        .exits(0)
        .says("NEXT           runbook done 1 ack --field finding=…");
    // What the run does not wait for can be done while it goes on.
    anna.run(&["--config", &config, "done", "1", "rebuild"]).exits(0);
    run.says("obligation 1.1 discharged: done by");
    run.signal("KILL");
    run.finish().dies_killed();
    // The answer is given to nobody in particular; whoever takes the run up finds it.
    anna.run(&["--config", &config, "done", "1", "--field", "finding=cable"]).exits(0);
    anna.run(&["--config", &config, "done", "1", "--field", "finding=disk"])
        .exits(10)
        .says("has answered `ack` already");
    anna.run(&["--config", &config, "resume", "1"]).exits(0).says("task ack done by");
    assert_eq!(found(&site), Some(format!("cable 1 by {}", anna.known_as())));
}

#[test]
fn taken_up_again_it_asks_again_and_hears_that_it_failed() {
    let site = Site::up("byhandagain");
    let anna = site.person("anna");
    let (config, told) = configuration(&site, &anna, &anna);
    let text = site.text(
        "by-hand.yaml",
        &runbook(&site, "10m", "then_escalate_to: [here]").replace("to: away", "to: here"),
    );
    let mut run = anna.start(&["--config", &config, "apply", "--yes", &text]);
    run.says("runbook done 1 ack");
    run.signal("KILL");
    run.finish().dies_killed();
    let mut again = anna.start(&["--config", &config, "resume", "1"]);
    again.says("runbook done 1 ack");
    anna.run(&["--config", &config, "failed", "1", "ack", "--reason", "no spare"])
        .exits(0)
        .says("no spare");
    again
        .finish()
        .exits(4)
        .says("task ack FAILED by")
        .says("says that it failed: no spare");
    let told = fs::read_to_string(told).unwrap();
    assert_eq!(told.matches("needs you").count(), 2, "called again: {told}");
    anna.run(&["--config", &config, "done", "1", "ack"]).exits(10);
    assert_eq!(found(&site), None);
}

#[test]
fn a_person_at_the_terminal_tells_what_was_found() {
    let site = Site::up("byhandterm");
    let anna = site.person("anna");
    let (config, _) = configuration(&site, &anna, &anna);
    let text = site.text("by-hand.yaml", &runbook(&site, "10m", "").replace("to: away", "to: here"));
    let words = format!("{RUNBOOK} --config {config} apply --yes {text}");
    let mut script = Command::new("script");
    anna.prepare(&mut script);
    script
        .args(["-qec", &words, "/dev/null"])
        .env("TERM", "xterm")
        .stdin(Stdio::piped());
    let mut run = anna.start_command(script);
    let mut keys = run.keyboard();
    run.says("When you are through");
    keys.write_all(b"\r").unwrap();
    run.says("finding (What you found)");
    // The second word.
    keys.write_all(b"\x1b[B\r").unwrap();
    run.says("disks (");
    keys.write_all(b"many\r").unwrap();
    run.says("expected a whole number, found `many`");
    keys.write_all(b"\x15\x7f\x7f\x7f\x7f3\r").unwrap();
    run.finish().exits(0);
    assert_eq!(found(&site), Some(format!("cable 3 by {}", anna.known_as())));
}
