//! Triage of a slow server during a real incident: the report names the cause, people are asked, and the fleet is as it was.

use std::fs;

use runbook::lab::{Balance, Incident, Variant};

use crate::site::{Site, project};

#[test]
fn the_report_names_the_cause_and_nothing_is_changed() {
    let site = Site::broken(
        "triage",
        Incident::OomMaster {
            variant: Variant::Runtime,
            balance: Balance::Source,
            shallow_health: true,
        },
    );
    let anna = site.person("anna");
    let told = site.work.join("told");
    let everybody =
        ["oncall_web", "sysadmin_oncall", "incident_commander"].map(|group| format!("  {group}: {{ members: [{}] }}\n", anna.known_as()));
    let config = format!(
        "people:\n  {}: {{ notify: [ops_chat] }}\ngroups:\n{}channels:\n  ops_chat: {{ command: {{ argv: [tee, -a, {}] }} }}\n",
        anna.known_as(),
        everybody.concat(),
        told.display()
    );
    let config = site.text("runbook.config.yaml", &config);
    let before = site.fleet.fingerprint().unwrap();
    let triage = project("runbooks/triage-slow-server.yaml");
    let mut run = anna.start(&["--config", &config, "apply", "--yes", "--param", "server=web-01", &triage]);
    run.says("runbook done 1 start_remedy");
    anna.run(&["--config", &config, "done", "1", "start_remedy", "--field", "done=recover-master"])
        .exits(0);
    run.finish().exits(0);

    let report = fs::read_to_string(told).unwrap();
    for part in [
        "web-01 is slow. Most likely cause: alone_in_pool.",
        "In service in pool web: 1.",
        "runbook apply recover-master --param master=web-01",
        // The head of what `ps` lists.
        "%MEM",
        "Memory free: ",
    ] {
        assert!(report.contains(part), "`{part}` is not in:\n{report}");
    }
    assert_eq!(
        before.differences(&site.fleet.fingerprint().unwrap()),
        Vec::<String>::new(),
        "it only reads"
    );
    assert_eq!(site.held(), Vec::<String>::new());
}
