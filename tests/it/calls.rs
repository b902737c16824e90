//! A runbook that calls another, over the practice fleet: triage looks, the remedy is `recover-master` as it is shipped.

use std::fs;
use std::path::PathBuf;

use runbook::lab::{Balance, Incident, Variant};

use crate::site::{Site, project};

const BROKEN: Incident = Incident::OomMaster {
    variant: Variant::Runtime,
    balance: Balance::Source,
    shallow_health: false,
};

/// It has no `run_as` and other names than what it calls; its second `page` must not be taken for the called one.
const TRIAGE: &str = "\
runbook: triage
language: 1
description: Look at a slow server and start the remedy that fits.
params:
  server: { type: host, from: webservers, default: web-01 }
hosts: '{{params.server.name}}'
steps:
  - { id: machine, facts: [memory] }
  - id: remedy
    when: steps.machine.memory.available_percent < 50
    call: { runbook: parts/recover-master.yaml, params: { master: '{{params.server.name}}' }MODE }
  - { id: free_memory, facts: [memory], that: result.memory.available_percent > 50 }
on_failure:
  - { id: page, file.write: { path: PAGED, content: the caller } }
outputs:
  before: steps.machine.memory.available_percent < 50
  now: steps.free_memory.memory.available_percent
";

/// The caller, and its remedy in a folder below.
fn triage(site: &Site, mode: &str) -> (String, PathBuf) {
    let remedy = site.work.join("parts/recover-master.yaml");
    fs::create_dir_all(remedy.parent().unwrap()).unwrap();
    fs::copy(project("runbooks/recover-master.yaml"), &remedy).unwrap();
    let paged = site.work.join("paged").display().to_string();
    let text = TRIAGE.replace("MODE", mode).replace("PAGED", &paged);
    (site.text("triage.yaml", &text), remedy)
}

#[test]
fn triage_recovers_the_master_by_calling() {
    let site = Site::broken("call", BROKEN);
    let (triage, remedy) = triage(&site, "");
    let anna = site.person("anna");
    let plan = anna.run(&["plan", &triage]).exits(0);
    plan.says("calls recover-master with").says("end of recover-master");

    anna.run(&["apply", "--yes", "-o", "ndjson", &triage])
        .exits(0)
        .says(r#""outputs":{"before":true,"now":"#);
    site.assert_recovered("by a call");
    anna.run(&["show", "1"])
        .exits(0)
        .says("remedy.drain_master")
        .says("OUTPUTS")
        .says("before   true");
    anna.run(&["apply", "--yes", &triage])
        .exits(0)
        .says("will not run")
        .never_says("remedy.drain_master");

    fs::remove_file(&remedy).unwrap();
    anna.run(&["validate", &triage])
        .exits(3)
        .says("RB0150")
        .says("there is no runbook `parts/recover-master.yaml`");
}

#[test]
fn a_no_to_the_call_leaves_the_fleet_alone() {
    let site = Site::broken("call-no", BROKEN);
    let (triage, _) = triage(&site, ", mode: approve");
    let anna = site.person("anna");
    let mut run = anna.start(&["apply", "--yes", &triage]);
    run.says("runbook approve 1 remedy");
    assert!(run.so_far().contains("Call recover-master with"), "{}", run.so_far());
    assert_eq!(site.admin_state("web-01"), 0);
    anna.colleague("bert").run(&["deny", "1", "remedy"]).exits(0);
    run.finish().exits(7).never_says("step remedy.drain_master");
    assert_eq!((site.starts("web-01"), site.held()), (0, Vec::new()));
    assert!(site.work.join("paged").exists(), "the caller's own `on_failure` runs");
}

/// Killed right after the drain inside the call is on record; the called file is gone when somebody takes the run up.
#[test]
fn a_run_is_taken_up_without_the_called_file() {
    let mut site = Site::broken("call-kill", BROKEN);
    let (triage, remedy) = triage(&site, "");
    let told = site.person("reference").run(&["apply", "--yes", "-o", "ndjson", &triage]).exits(0);
    let drained = |line: &serde_json::Value| line["event"]["type"] == "change_intended" && line["event"]["node"] == "remedy.drain_master";
    let lines = told.out.lines().map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap());
    let at = lines.filter(drained).map(|l| l["sequence"].as_u64().unwrap()).next().unwrap();

    site.break_it(BROKEN);
    let starts = site.starts("web-01");
    let anna = site.person("anna");
    let mut command = anna.command(&["apply", "--yes", &triage]);
    command.env("RUNBOOK_KILL_AT", format!("after:{at}"));
    anna.start_command(command).finish().dies_killed();
    anna.run(&["obligations"]).exits(0).says("web-01 is out of pool web");
    fs::remove_file(&remedy).unwrap();
    fs::remove_file(&triage).unwrap();
    anna.run(&["resume", "1"]).exits(0).says("remedy-end");
    site.assert_recovered("after the crash");
    assert_eq!(site.starts("web-01") - starts, 1, "restarted exactly once over crash and resume");
    anna.run(&["obligations"]).exits(0).says("no obligations");
}
