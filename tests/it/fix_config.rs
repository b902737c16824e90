//! A misspelt file name on every server: corrected one by one, and stopped at the first server that does not come back.

use std::fs;

use runbook::lab::Incident;

use crate::site::{Site, project};

fn fix() -> String {
    project("runbooks/fix-config-everywhere.yaml")
}

fn config(site: &Site, host: &str) -> String {
    fs::read_to_string(site.fleet.layout().app_config(host)).unwrap()
}

fn backups(site: &Site, host: &str) -> Vec<String> {
    let names = fs::read_dir(site.fleet.layout().host(host)).unwrap().flatten();
    names
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .filter(|n| n.starts_with("app.conf."))
        .collect()
}

#[test]
fn every_server_is_corrected() {
    let site = Site::broken("fixed", Incident::MisspeltConfig);
    assert_eq!(site.users(300, 40).ok(), 0);
    let anna = site.person("anna");
    anna.run(&["apply", "--yes", &fix()]).exits(0);
    for host in ["web-01", "web-02"] {
        assert!(config(&site, host).contains("page = welcome.txt\n"), "{}", config(&site, host));
        assert_eq!(site.fleet.ask(host, "/").unwrap().status, 200);
        assert_eq!(backups(&site, host).len(), 1, "the former file is kept");
        assert_eq!(site.starts(host), 0, "reloaded, not restarted");
    }
    site.settle();
    site.assert_shared("after the correction");
    anna.run(&["plan", "--detailed-exitcode", &fix()]).exits(2).says("already so");
    let before = site.fleet.fingerprint().unwrap();
    anna.run(&["apply", "--yes", &fix()]).exits(0);
    let edited = before.differences(&site.fleet.fingerprint().unwrap());
    assert_eq!(edited, Vec::<String>::new(), "a second time changes nothing on disk");
}

#[test]
fn a_validator_that_refuses_on_the_second_server_stops_there() {
    let site = Site::broken("refused", Incident::MisspeltConfig);
    fs::write(
        site.fleet.layout().host("web-02").join("check-config"),
        "#!/bin/sh\necho this host is special >&2\nexit 1\n",
    )
    .unwrap();
    let before = config(&site, "web-02");
    let told = site.person("anna").run(&["apply", "--yes", &fix()]).exits(4);
    assert!(told.all().contains("this host is special"), "{}", told.all());
    assert!(told.all().contains("FIRST FAILURE  fix[web-02].edit on web-02"), "{}", told.all());
    assert!(config(&site, "web-01").contains("welcome.txt"), "the first one keeps its cure");
    let untrue = |line: &&str| line.contains("fix[web-01].edit") && line.contains("given back");
    assert_eq!(
        told.all().lines().find(untrue),
        None,
        "nor is anything else said of it\n{}",
        told.all()
    );
    assert_eq!(config(&site, "web-02"), before);
    assert_eq!(site.fleet.ask("web-01", "/").unwrap().status, 200);
    assert_eq!(site.fleet.ask("web-02", "/").unwrap().status, 500);
}

#[test]
fn a_server_that_does_not_come_back_gets_its_file_back() {
    let site = Site::broken("undone", Incident::MisspeltConfig);
    // The validator is content, the page is missing all the same.
    let host = site.fleet.layout().host("web-02");
    fs::write(host.join("check-config"), "#!/bin/sh\nexit 0\n").unwrap();
    fs::remove_file(host.join("site/welcome.txt")).unwrap();
    let before = config(&site, "web-02");
    let told = site.person("anna").run(&["apply", "--yes", &fix()]).exits(4);
    assert!(
        told.all().contains("FIRST FAILURE  fix[web-02].answers") && told.all().contains("UNDONE"),
        "{}",
        told.all()
    );
    assert!(config(&site, "web-01").contains("welcome.txt"));
    assert_eq!(config(&site, "web-02"), before, "the former content is back");
    // Its service has read the former content again, which the page's name in its answer shows.
    let answer = site.fleet.ask("web-02", "/").unwrap();
    assert!(answer.body.contains("welcom.txt"), "{answer:?}");
    assert_eq!(site.fleet.ask("web-01", "/").unwrap().status, 200);
}
