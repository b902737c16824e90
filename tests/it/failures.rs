//! Things go wrong in the middle: what was taken is given back, or somebody is told, and web-02 stays in whatever happens.

use std::fs;
use std::path::Path;
use std::time::Duration;

use runbook::lab::{Balance, Incident, Variant};

use crate::site::{Site, project, signal};

const BROKEN: Incident = Incident::OomMaster {
    variant: Variant::Runtime,
    balance: Balance::Source,
    shallow_health: false,
};

fn recover() -> String {
    project("runbooks/recover-master.yaml")
}

/// The same runbook with less patience for a server that stays sick.
fn impatient(site: &Site) -> String {
    let text = fs::read_to_string(recover()).unwrap();
    site.text(
        "recover-master.yaml",
        &text.replace("within: 2m", "within: 4s").replace("within: 3m", "within: 4s"),
    )
}

/// web-02 serves; nobody is refused.
fn the_site_serves(site: &Site) {
    assert_eq!((site.status("web-02").as_str(), site.admin_state("web-02")), ("UP", 0));
    let report = site.users(500, 60);
    assert_eq!(report.failed(), 0, "{:?}", report.failures);
}

#[test]
fn a_restart_that_fails_on_a_healthy_server_gives_it_back() {
    let site = Site::broken("gives-back", Incident::ForgottenDrain);
    let anna = site.person("anna");
    let told = anna.run(&["apply", "--yes", "--param", "service=nosuch", &recover()]);
    println!("{}", told.all());
    let code = told.code();
    assert!([3, 4, 10].contains(&code), "{}", told.all());
    told.says("nosuch");
    assert_eq!(site.admin_state("web-01"), 0, "web-01 is in");
    if code == 4 {
        the_site_serves(&site);
    }
    assert_eq!((site.starts("web-01"), site.held()), (0, Vec::new()));
    anna.run(&["obligations"]).exits(0).says("no obligations");
}

#[test]
fn a_service_that_does_not_come_back_leaves_a_debt_that_a_person_pays_later() {
    let site = Site::broken("debt", BROKEN);
    let anna = site.person("anna");
    let run = site.fleet.layout().services("web-01").join("app/run");
    let good = fs::read_to_string(&run).unwrap();
    fs::write(&run, "#!/bin/sh\nexit 1\n").unwrap();
    let told = anna
        .run(&["apply", "--yes", &impatient(&site)])
        .exits(5)
        .says("FIRST FAILURE  free_memory on web-01")
        .says("OBLIGATIONS    1.1  web-01 is out of pool web")
        .says("not given back:")
        .says("runbook obligations discharge 1.1")
        .says("NEXT");
    assert!(!told.all().contains("web-02: ready → maint"), "{}", told.all());
    assert_ne!(site.admin_state("web-01"), 0, "a sick server is not put back");
    the_site_serves(&site);
    anna.run(&["status"]).exits(0).says("1 obligation open").says("1.1");
    anna.run(&["resume", "1"]).exits(5);

    fs::write(&run, good).unwrap();
    site.ssh(
        "web-01",
        &format!("SVDIR={} sv restart app", site.fleet.layout().services("web-01").display()),
    );
    anna.run(&["obligations", "discharge", "1.1"]).exits(4);
    anna.run(&["obligations"]).exits(0).says("no obligations");
    assert_eq!((site.admin_state("web-01"), site.held()), (0, Vec::new()));
    the_site_serves(&site);
    // The failed run is over; the incident is not, and a new run ends it.
    anna.run(&["apply", "--yes", &recover()]).exits(0);
    site.assert_recovered("by a second run");
}

/// Processes below one process, itself included.
fn family(root: u32) -> Vec<u32> {
    let parent = |pid: u32| -> Option<u32> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
    };
    let pids: Vec<u32> = fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|e| e.file_name().to_str()?.parse().ok())
        .collect();
    let mut family = vec![root];
    let mut at = 0;
    while at < family.len() {
        let above = family[at];
        family.extend(pids.iter().filter(|p| parent(**p) == Some(above)));
        at += 1;
    }
    family
}

fn name(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm"))
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// sshd of a host: the listener and what serves its connections.
fn sshd(site: &Site, host: &str) -> Vec<u32> {
    let wanted = format!("{host} sshd");
    let listener = site.fleet.state().processes.iter().find(|p| p.name == wanted).unwrap().process.pid;
    family(listener).into_iter().filter(|p| name(*p).starts_with("sshd")).collect()
}

#[test]
fn a_host_that_freezes_during_the_restart_is_found_again() {
    let site = Site::broken("frozen", BROKEN);
    let anna = site.person("anna");
    let mut run = anna.start(&["apply", "--yes", &recover()]);
    run.says("free_memory host web-01 state changing");
    let frozen = sshd(&site, "web-01");
    frozen.iter().for_each(|p| signal(*p, "STOP"));
    // Longer than three unanswered keep-alives; there is nothing to poll for while nobody answers.
    std::thread::sleep(Duration::from_secs(17));
    frozen
        .iter()
        .filter(|p| Path::new(&format!("/proc/{p}")).exists())
        .for_each(|p| signal(*p, "CONT"));
    run.finish().exits(0);
    assert_eq!(site.starts("web-01"), 1, "restarted once");
    site.assert_recovered("after the freeze");
}

#[test]
fn a_host_that_is_frozen_before_the_restart_stays_out_and_is_owed() {
    let site = Site::broken("unreachable", BROKEN);
    let anna = site.person("anna");
    let mut run = anna.start(&["apply", "--yes", &impatient(&site)]);
    run.says("drain_master host lb-01 state changing");
    let frozen = sshd(&site, "web-01");
    frozen.iter().for_each(|p| signal(*p, "STOP"));
    let told = run.finish().exits(5).says("OBLIGATIONS    1.1");
    frozen
        .iter()
        .filter(|p| Path::new(&format!("/proc/{p}")).exists())
        .for_each(|p| signal(*p, "CONT"));
    assert!(told.all().contains("unreachable"), "{}", told.all());
    assert_ne!(site.admin_state("web-01"), 0);
    the_site_serves(&site);
    assert_eq!(site.starts("web-01"), 0);
}

#[test]
fn a_cut_connection_during_the_restart_is_made_again() {
    let site = Site::broken("cut", BROKEN);
    let anna = site.person("anna");
    let address = site.fleet.state().host("web-01").unwrap().address.to_string();
    let mut run = anna.start(&["apply", "--yes", &recover()]);
    run.says("free_memory host web-01 state changing");
    let masters: Vec<u32> = family(run.pid())
        .into_iter()
        .filter(|p| name(*p) == "ssh")
        .filter(|p| fs::read_to_string(format!("/proc/{p}/cmdline")).is_ok_and(|c| c.split('\0').any(|w| w.contains(&address))))
        .collect();
    assert!(!masters.is_empty());
    masters.iter().for_each(|p| signal(*p, "KILL"));
    run.finish().exits(0);
    assert_eq!(site.starts("web-01"), 1, "restarted once");
    site.assert_recovered("after the cut");
}

/// Stops a run in the middle of its drain, in one of two ways.
fn stopped_in_the_drain(moment: &str, stop: impl Fn(&crate::site::Person, &crate::site::Running)) {
    let site = Site::broken("stopped", Incident::ForgottenDrain);
    let anna = site.person("anna");
    let mut run = anna.start(&["apply", "--yes", &recover()]);
    run.says(moment);
    stop(&anna, &run);
    let told = run.finish().exits(8);
    assert!(told.all().contains("CANCELLED"), "{}", told.all());
    assert_eq!((site.admin_state("web-01"), site.held()), (0, Vec::new()), "{}", told.all());
    // Whether the restart had begun when the wish was heard is a race; that everything is given back is not.
    the_site_serves(&site);
    anna.run(&["obligations"]).exits(0).says("no obligations");
}

#[test]
fn an_interrupt_before_the_drain_is_sent_takes_nothing() {
    stopped_in_the_drain("drain_master host lb-01 state running", |_, run| run.signal("INT"));
}

#[test]
fn an_interrupt_in_the_drain_gives_everything_back() {
    stopped_in_the_drain("drain_master host lb-01 state changing", |_, run| run.signal("INT"));
}

#[test]
fn a_cancel_from_elsewhere_gives_everything_back() {
    stopped_in_the_drain("drain_master host lb-01 state changing", |anna, _| {
        anna.run(&["cancel", "1"]).exits(0);
    });
}
