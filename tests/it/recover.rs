//! The incident that judges the product: one command repairs it, whatever its variant, and users see it.

use runbook::lab::{Balance, Incident, Variant};

use crate::forecast::Converging;
use crate::site::{Site, project};

/// Breaks, repairs with one command, looks with other eyes, looks again after a reload, and plans again.
fn recovers(variant: Variant, balance: Balance, shallow_health: bool) {
    let site = Site::broken(
        "recover",
        Incident::OomMaster {
            variant,
            balance,
            shallow_health,
        },
    );
    let recover = project("runbooks/recover-master.yaml");
    assert_eq!(site.status("web-01"), if shallow_health { "UP" } else { "DOWN" });
    assert!(site.available("web-01") < 10.0, "{} % available", site.available("web-01"));
    assert_eq!(site.users(500, 40).ok(), 0);
    let anna = site.person("anna");

    let plan = anna
        .run(&["plan", &recover, "--detailed-exitcode", "-o", "json"])
        .exits(2)
        .says("return_others");
    Converging::of(&plan).are_known("recover-master");
    let users = site.start_users(60_000, 40);
    anna.run(&["apply", "--yes", &recover])
        .exits(0)
        .says("everything done and verified");

    site.assert_recovered("after the run");
    let seen = users.stop();
    let first_ok = seen.buckets.iter().position(|b| b.ok > 0).unwrap();
    if variant == Variant::Runtime && !shallow_health {
        // From the moment web-02 is back nobody notices the drain, the restart and the reload.
        let later: Vec<_> = seen.buckets[first_ok + 1..].iter().filter(|b| b.failed > 0).collect();
        assert!(later.is_empty(), "{later:?} {:?}", seen.failures);
    }
    assert_eq!(site.starts("web-01"), 1, "the service is restarted once");
    assert_eq!(site.starts("web-02"), 0);
    anna.run(&["obligations", "-o", "json"]).exits(0).says("\"obligations\": []");

    site.fleet.reload().unwrap();
    site.settle();
    site.assert_recovered("after a reload by hand");

    // What converges has nothing left to do; a restart is done whenever it is asked for.
    let again = anna.run(&["plan", &recover, "-o", "json"]).exits(0);
    Converging::of(&again)
        .are_known("recover-master again")
        .have_nothing_left("recover-master");
}

#[test]
fn maintenance_at_run_time_and_source() {
    recovers(Variant::Runtime, Balance::Source, false);
}

#[test]
fn commented_out_and_source() {
    recovers(Variant::Config, Balance::Source, false);
}

#[test]
fn maintenance_static_weights_and_a_check_that_sees_nothing() {
    recovers(Variant::Runtime, Balance::StaticRr, true);
}

#[test]
fn commented_out_first_and_a_check_that_sees_nothing() {
    recovers(Variant::Config, Balance::First, true);
}
