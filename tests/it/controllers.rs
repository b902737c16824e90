//! Two people at two machines, one pool: what one of them holds or owes keeps the other from taking.

use std::fs;

use runbook::lab::{Balance, Incident, OWN_RECORDS, Variant};

use crate::site::{Site, project};

const BROKEN: Incident = Incident::OomMaster {
    variant: Variant::Runtime,
    balance: Balance::Source,
    shallow_health: false,
};

/// Changes the pool without taking anybody out.
const BALANCE: &str = "runbook: balance\nlanguage: 1\ndescription: Send requests to the least busy server.\nrun_as: root\nsteps:\n\
    \x20 - id: least\n    pool.balance: { pool: web, algorithm: leastconn, weights: equal }\n";
/// Takes the second server out; with three servers the minimum alone allows that.
const TAKE: &str = "runbook: take\nlanguage: 1\ndescription: Restart the second server.\nrun_as: root\nsteps:\n\
    \x20 - id: drain\n    pool.member: { pool: web, member: web-02, state: drain }\n    owes: ready\n\
    \x20 - id: ready\n    pool.member: { pool: web, member: web-02, state: ready }\n";

#[test]
fn a_second_controller_waits_for_the_first() {
    let site = Site::broken("second", BROKEN);
    let (anna, bert) = (site.person("anna"), site.person("bert"));
    let (recover, balance) = (project("runbooks/recover-master.yaml"), site.text("balance.yaml", BALANCE));
    let mut first = anna.start(&["apply", "--yes", &recover]);
    first.says("free_memory host web-01 state changing");
    first.signal("STOP");

    let before = site.admin_state("web-01");
    let told = bert.run(&["apply", "--yes", &balance]).exits(10);
    assert!(
        told.all().contains("run #1 recover-master") && told.all().contains(&anna.known_as()),
        "{}",
        told.all()
    );
    bert.run(&["apply", "--yes", &project("tests/cases/naive-owes.yaml")])
        .exits(10)
        .says(&anna.known_as());
    assert_eq!((site.admin_state("web-01"), site.admin_state("web-02")), (before, 0));
    assert_eq!(site.algorithms(), (String::from("source"), String::from("source")));

    first.signal("CONT");
    first.finish().exits(0);
    site.assert_recovered("after the first controller went on");
    bert.run(&["apply", "--yes", &balance]).exits(0);
    assert_eq!(site.algorithms(), (String::from("leastconn"), String::from("leastconn")));
}

/// Makes the lease of the pool end in the past, as a minute of waiting would.
fn let_the_lease_run_out(site: &Site) {
    let folder = site.fleet.layout().home("lb-01").join(OWN_RECORDS).join("pools/web");
    for entry in fs::read_dir(folder).unwrap().flatten() {
        if entry.file_name().to_string_lossy().starts_with("lease.") {
            let mut record: serde_json::Value = serde_json::from_str(&fs::read_to_string(entry.path()).unwrap()).unwrap();
            record["until_ms"] = 1.into();
            // The record's own shape: the shell on the balancer reads it by pattern.
            let text = record.to_string();
            fs::write(entry.path(), format!("{text}\n")).unwrap();
        }
    }
}

#[test]
fn what_a_dead_controller_owes_keeps_others_from_taking() {
    let mut site = Site::up_with("owed", 3);
    site.break_it(BROKEN);
    let (anna, bert) = (site.person("anna"), site.person("bert"));
    let (recover, take) = (project("runbooks/recover-master.yaml"), site.text("take.yaml", TAKE));
    let mut first = anna.start(&["apply", "--yes", &recover]);
    first.says("free_memory host web-01 state changing");
    first.signal("KILL");
    first.finish().dies_killed();

    anna.run(&["obligations"])
        .exits(0)
        .says("1.1")
        .says("web-01 is out of pool web")
        .says("resume 1");
    let servers_before = (site.admin_state("web-01"), site.admin_state("web-02"), site.admin_state("web-03"));
    for round in ["while the lease lasts", "when the lease has run out"] {
        for person in [&anna, &bert] {
            let told = person.run(&["apply", "--yes", &take]).exits(10);
            assert!(told.all().contains(&anna.known_as()), "{round}: {}", told.all());
        }
        let_the_lease_run_out(&site);
    }
    let servers = (site.admin_state("web-01"), site.admin_state("web-02"), site.admin_state("web-03"));
    assert_eq!(servers, servers_before, "nobody was taken out");

    anna.run(&["resume", "1"]).exits(0);
    anna.run(&["obligations"]).exits(0).says("no obligations");
    assert_eq!(site.starts("web-01"), 1);
    let report = site.users(1000, 90);
    assert_eq!((report.ok(), report.by_server.len()), (90, 3), "{report:?}");
    bert.run(&["apply", "--yes", &take]).exits(0);
}
