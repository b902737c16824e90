//! Invariants and failed turns over the practice fleet: somebody else takes a server out in mid-run, and one server of three is not as it
//! should be.

use std::fs;
use std::time::{Duration, Instant};

use crate::site::{Site, until};

/// Drains the first server, waits for a file, restarts the first server, puts it back; two servers must be ready all the while.
fn guarded(site: &Site, least: u32, from: &str) -> String {
    let text = format!(
        "runbook: guarded\nlanguage: 1\ndescription: Restart the first server.\nrun_as: root\n\
         invariants:\n  - name: Enough servers are ready\n{from}    pool.status: {{ pool: web }}\n    \
         that: result.members.filter(m, m.up && m.state == 'ready').size() >= {least}\n\
         steps:\n  - id: drain\n    pool.member: {{ pool: web, member: web-01, state: drain }}\n    owes: ready\n  \
         - id: hold\n    hosts: web-01\n    file.search: {{ path: {}, text: go }}\n    that: result.found\n    within: 1m\n    every: 3s\n  \
         - id: restart\n    hosts: web-01\n    service: {{ name: app, state: restarted }}\n  \
         - id: ready\n    pool.member: {{ pool: web, member: web-01, state: ready }}\n",
        signal_file(site)
    );
    site.text("guarded.yaml", &text)
}

fn signal_file(site: &Site) -> String {
    site.work.join("signal").display().to_string()
}

fn all_ready(site: &Site) {
    let states = ["web-01", "web-02", "web-03"].map(|m| site.admin_state(m));
    assert_eq!(states, [0, 0, 0]);
}

#[test]
fn what_somebody_else_breaks_stops_the_next_change_but_not_the_return() {
    let site = Site::up_with("invariant", 3);
    let anna = site.person("anna");

    // What this run itself would break is refused before anything happens, with the step that breaks it.
    let before = site.fleet.fingerprint().unwrap();
    for command in [vec!["plan"], vec!["apply", "--yes"]] {
        let three = guarded(&site, 3, "");
        anna.run(&[command, vec![three.as_str()]].concat())
            .exits(10)
            .says("`drain` breaks the invariant \"Enough servers are ready\"")
            .says("Enough servers are ready: BROKEN by this plan");
    }
    assert_eq!(before.differences(&site.fleet.fingerprint().unwrap()), Vec::<String>::new());

    let two = guarded(&site, 2, "");
    anna.run(&["plan", &two])
        .exits(0)
        .says("Enough servers are ready: holds now and after each step");
    let mut run = anna.start(&["apply", "--yes", &two]);
    run.says("step hold host web-01 state running");
    // Somebody at the balancer, while the first server is out.
    site.fleet.haproxy("set server web/web-02 state maint").unwrap();
    // What was seen right after the drain is believed for two seconds.
    let broken = Instant::now();
    until("the last look to be too old", || {
        (broken.elapsed() > Duration::from_secs(2)).then_some(())
    });
    fs::write(signal_file(&site), "go\n").unwrap();
    run.finish()
        .exits(4)
        .says("FIRST FAILURE  restart on web-01")
        .says("invariant violated")
        .says("the invariant \"Enough servers are ready\" does not hold before this step, so nothing was changed")
        .says("given back   ok");
    assert_eq!(site.starts("web-01"), 0, "the step was refused");
    assert_eq!(
        site.admin_state("web-01"),
        0,
        "what was taken is given back, broken invariant or not"
    );
    assert_ne!(site.admin_state("web-02"), 0, "what somebody else took is left alone");
    assert_eq!(site.held(), Vec::<String>::new());
    anna.run(&["obligations"]).exits(0).says("no obligations");
    anna.run(&["show", "1"]).exits(0).says("invariant violated");

    // A plan made now is refused at its first change; once the server is back, it runs.
    anna.run(&["plan", &two]).exits(10).says("breaks the invariant");
    site.fleet.haproxy("set server web/web-02 state ready").unwrap();
    site.settle();
    anna.run(&["apply", "--yes", &guarded(&site, 2, "    from: restart\n")]).exits(0);
    assert_eq!(site.starts("web-01"), 1);
    all_ready(&site);
}

/// Writes a file for each server, one first and then the rest, and looks at another; one server of three may be bad.
fn rolling(site: &Site, max_failures: u32) -> String {
    let work = site.work.display();
    let text = format!(
        "runbook: rolling\nlanguage: 1\ndescription: Write a file for each server.\n\
         params:\n  batch: {{ type: count_or_percent, default: 67% }}\n\
         steps:\n  - id: roll\n    for_each: {{ as: web, hosts: webservers, max_unavailable: [1, \"{{{{params.batch}}}}\"], max_failures: {max_failures} }}\n    steps:\n      \
         - id: drain\n        pool.member: {{ pool: web, member: \"{{{{web.name}}}}\", state: drain }}\n        owes: ready\n      \
         - id: write\n        file.write: {{ path: \"{work}/{{{{web.name}}}}.conf\", content: \"new\\n\" }}\n      \
         - id: look\n        file.search: {{ path: \"{work}/{{{{web.name}}}}.state\", text: good }}\n        that: result.found\n      \
         - id: ready\n        pool.member: {{ pool: web, member: \"{{{{web.name}}}}\", state: ready }}\n  \
         - id: after\n    hosts: web-01\n    when: \"steps.roll.all.exists(t, t.key == 'web-02' && t.failed)\"\n    file.write: {{ path: \"{work}/after\", content: \"x\\n\" }}\n"
    );
    site.text("rolling.yaml", &text.replace("        owes: ready\n", "        owes: { step: ready, guard: [{ name: It answers, hosts: control, http: { url: \"http://{{web.address}}:{{web.vars.http_port}}/health\" }, that: result.status == 200 }] }\n"))
}

#[test]
fn a_bad_server_is_taken_back_by_itself_and_the_others_go_on() {
    let site = Site::up_with("turns", 3);
    let anna = site.person("anna");
    let file = |name: &str| site.work.join(name);
    let servers = ["web-01", "web-02", "web-03"];
    for server in servers {
        fs::write(file(&format!("{server}.conf")), "old\n").unwrap();
        fs::write(file(&format!("{server}.state")), "good\n").unwrap();
    }
    fs::write(file("web-02.state"), "bad\n").unwrap();
    let contents = || servers.map(|s| fs::read_to_string(file(&format!("{s}.conf"))).unwrap().trim().to_owned());

    anna.run(&["apply", "--yes", &rolling(&site, 1)])
        .exits(4)
        .says("turn roll[web-02] FAILED, taking it back")
        .says("turn roll[web-02] taken back")
        .says("everything else done and verified; turn roll[web-02] failed and was taken back");
    assert_eq!(contents(), ["new", "old", "new"]);
    assert!(file("after").exists(), "the steps after the loop run");
    all_ready(&site);
    assert_eq!(site.held(), Vec::<String>::new());
    anna.run(&["obligations"]).exits(0).says("no obligations");

    // Without leave for failures: the turn under way beside it finishes, and nothing after the loop runs.
    for server in servers {
        fs::write(file(&format!("{server}.conf")), "old\n").unwrap();
    }
    fs::remove_file(file("after")).unwrap();
    let told = anna.run(&["apply", "--yes", &rolling(&site, 0)]).exits(4);
    assert_eq!(contents(), ["new", "old", "new"], "{}", told.all());
    assert!(!file("after").exists());
    all_ready(&site);
}
