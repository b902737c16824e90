//! Nearly all requests went to one server; afterwards the counters, not the configuration, say that they are shared.

use runbook::lab::Incident;

use crate::forecast::Converging;
use crate::site::{Site, project};

#[test]
fn load_is_shared_again_and_measured() {
    let site = Site::broken("rebalance", Incident::Imbalance);
    site.settle();
    let rebalance = project("runbooks/rebalance-pool.yaml");
    let before = site.users(500, 60);
    assert!(before.share_percent("web-01") > 85.0, "{:?}", before.by_server);
    let anna = site.person("anna");
    let plan = ["plan", "-o", "json", "--param", "over=3s", &rebalance];
    Converging::of(&anna.run(&plan).exits(0)).are_known("rebalance-pool");
    let users = site.start_users(120_000, 30);
    anna.run(&["apply", "--yes", "--param", "over=3s", &rebalance]).exits(0);
    let report = users.stop();
    assert_eq!(report.failed(), 0, "nobody notices: {:?}", report.failures);
    assert_eq!(site.algorithms(), (String::from("roundrobin"), String::from("roundrobin")));
    site.settle();
    site.assert_shared("after the run");
    site.fleet.reload().unwrap();
    site.settle();
    site.assert_shared("after a reload by hand");
    assert_eq!(site.held(), Vec::<String>::new());
    Converging::of(&anna.run(&plan).exits(0))
        .are_known("rebalance-pool again")
        .have_nothing_left("rebalance-pool");
    let again = anna.run(&["plan", "--offline", &rebalance]);
    assert_eq!(again.code(), 0, "{}", again.all());
}

#[test]
fn without_traffic_nothing_is_proved() {
    let site = Site::broken("idle", Incident::Imbalance);
    site.settle();
    let text = std::fs::read_to_string(project("runbooks/rebalance-pool.yaml")).unwrap();
    let impatient = site.text("rebalance-pool.yaml", &text.replace("within: 5m", "within: 3s"));
    let told = site.person("anna").run(&["apply", "--yes", "--param", "over=1s", &impatient]);
    let told = told.exits(4);
    assert!(told.all().contains("verify.1"), "{}", told.all());
    // What was changed is taken back: the former algorithm and weights.
    assert_eq!(site.algorithms(), (String::from("static-rr"), String::from("static-rr")));
}
