//! The obvious order with the other server out is refused, by `plan` and by `apply`, and nothing changes.

use runbook::lab::{Balance, Incident, Variant};

use crate::site::{Site, project};

const UP: Incident = Incident::ForgottenDrain;
const DOWN: Incident = Incident::OomMaster {
    variant: Variant::Runtime,
    balance: Balance::Source,
    shallow_health: false,
};

fn refused(incident: Incident) {
    let site = Site::broken("refusal", incident);
    let naive = project("tests/cases/naive-owes.yaml");
    let anna = site.person("anna");
    let before = site.fleet.fingerprint().unwrap();
    for command in [vec!["plan"], vec!["apply", "--yes"], vec!["apply", "--dry-run"]] {
        let words = [command, vec![naive.as_str()]].concat();
        let told = anna.run(&words).exits(10).says("return web-02 first").says("minimum 1");
        assert!(told.all().contains("web-02"), "{}", told.all());
    }
    let differences = before.differences(&site.fleet.fingerprint().unwrap());
    assert_eq!(differences, Vec::<String>::new());
    assert_eq!((site.starts("web-01"), site.admin_state("web-01"), site.held()), (0, 0, Vec::new()));

    // Without the promise to give back it does not even compile.
    let told = anna.run(&["plan", &project("tests/cases/naive.yaml")]).exits(3);
    assert!(told.all().contains("RB0401"), "{}", told.all());
}

#[test]
fn draining_a_server_that_is_up_while_the_other_is_out() {
    refused(UP);
}

#[test]
fn draining_a_server_that_is_down_while_the_other_is_out() {
    refused(DOWN);
}

#[test]
fn the_same_runbook_with_the_other_server_in_passes() {
    let site = Site::up("naive");
    let users = site.start_users(60_000, 40);
    site.person("anna")
        .run(&["apply", "--yes", &project("tests/cases/naive-owes.yaml")])
        .exits(0);
    let report = users.stop();
    assert_eq!(report.failed(), 0, "nobody notices: {:?}", report.failures);
    assert_eq!(site.starts("web-01"), 1);
    site.assert_recovered("after the naive order");
}
