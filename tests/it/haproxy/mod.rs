//! The pool actions against a real HAProxy: what they decide is performed, and HAProxy itself shows what came of it.

mod rig;

use std::time::Duration;

use rig::{Outcome, Rig};
use runbook::action::pool::observe;
use runbook::base::value::Value;
use runbook::model::action::{Decision, Undo};
use runbook::model::operation::Act;
use serde_json::Value as Json;

const THREE: &str = "    option httpchk GET /health\n    server web-01 {1} check weight 100 # the master\n    server web-02 {2} check \
                     weight 50\n    # server web-03 {3} check weight 50\n\nbackend other\n    server o1 {1}\n    server o2 {2}\n";

fn member<'a>(status: &'a Json, name: &str) -> &'a Json {
    status["members"].as_array().unwrap().iter().find(|m| m["name"] == name).unwrap()
}

fn both_up(rig: &Rig) {
    rig.until("both servers are up", || rig.status()["serving"] == 2);
}

#[test]
fn status_shows_what_the_inventory_and_the_balancer_know() {
    let rig = Rig::start(THREE);
    both_up(&rig);
    let status = rig.status();
    assert_eq!(
        (&status["algorithm"], &status["enabled"], &status["min_in_service"]),
        (&Json::from("leastconn"), &Json::from(2), &Json::from(1))
    );
    let third = member(&status, "web-03");
    assert_eq!(
        (&third["state"], &third["configured"], &third["up"]),
        (&Json::from("absent"), &Json::from(false), &Json::from(false))
    );
    assert_eq!(member(&status, "web-01")["weight"], 100);
    assert_eq!(
        status["members"].as_array().unwrap().len(),
        3,
        "another backend's servers are not members"
    );
}

#[test]
fn a_drain_waits_for_connections_and_undo_returns_the_server() {
    let rig = Rig::start(THREE);
    both_up(&rig);
    rig.ask("set server web/web-02 state maint\n");
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| rig.get("/slow"));
        rig.until("a connection is open", || member(&rig.status(), "web-01")["sessions"] == 1);
        let short = [("wait_drained", Value::Duration(Duration::from_secs(1)))];
        let why = rig.member("web-01", "drain", &short).failed();
        assert!(why.contains("web-01 still has 1 connections"), "{why}");
        rig.webs[0].release.store(true, std::sync::atomic::Ordering::SeqCst);
        assert_eq!(slow.join().unwrap(), Some(200), "the request was let finish");
    });
    assert!(matches!(rig.member("web-01", "drain", &[]), Outcome::Nothing));
    rig.ask("set server web/web-01 state ready\n");
    let (change, _) = rig.member("web-01", "drain", &[]).done();
    let Undo::Call { action, arguments } = change.undo else {
        panic!("{:?}", change.undo)
    };
    rig.apply(rig.bind_arguments(&action, &arguments).as_ref()).done();
    assert_eq!(member(&rig.status(), "web-01")["state"], "ready");
}

#[test]
fn connections_are_ended_only_when_told_so() {
    let rig = Rig::start(THREE);
    both_up(&rig);
    rig.ask("set server web/web-02 state maint\n");
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| rig.get("/slow"));
        rig.until("a connection is open", || member(&rig.status(), "web-01")["sessions"] == 1);
        let kill = [
            ("wait_drained", Value::Duration(Duration::from_millis(300))),
            ("kill_connections", Value::Bool(true)),
        ];
        rig.member("web-01", "drain", &kill).done();
        assert_ne!(slow.join().unwrap(), Some(200), "the request was cut off");
    });
}

#[test]
fn a_server_killed_in_maintenance_does_not_return() {
    let mut rig = Rig::start(THREE);
    both_up(&rig);
    rig.member("web-01", "maint", &[]).done();
    rig.webs[0].kill();
    let why = rig.member("web-01", "ready", &[]).failed();
    assert!(why.contains("no connection to"), "the direct request stops it: {why}");
    assert_eq!(member(&rig.status(), "web-01")["state"], "maint", "nothing was changed");
    // Without a health address only the balancer's check is left. HAProxy says UP at first.
    rig.inventory.pools.values_mut().for_each(|pool| pool.health = None);
    let why = rig.member("web-01", "ready", &[]).failed();
    assert!(why.contains("is down (L4CON"), "{why}");
}

#[test]
fn a_server_killed_while_drained_does_not_count_as_returned() {
    let mut rig = Rig::start(&THREE.replace("check weight 100", "check inter 1s fall 5 weight 100"));
    both_up(&rig);
    rig.inventory.pools.values_mut().for_each(|pool| pool.health = None);
    rig.member("web-01", "drain", &[]).done();
    rig.webs[0].kill();
    let why = rig.member("web-01", "ready", &[]).failed();
    assert!(why.contains("is down") || why.contains("not healthy"), "{why}");
}

#[test]
fn a_sick_server_is_not_returned_even_if_it_answers() {
    let rig = Rig::start(THREE);
    both_up(&rig);
    rig.member("web-02", "drain", &[]).done();
    rig.webs[1].status.store(500, std::sync::atomic::Ordering::SeqCst);
    let why = rig.member("web-02", "ready", &[]).failed();
    assert!(why.contains("status 500"), "{why}");
    assert_eq!(member(&rig.status(), "web-02")["state"], "drain");
    rig.webs[1].status.store(204, std::sync::atomic::Ordering::SeqCst);
    rig.until("the balancer sees it healthy", || member(&rig.status(), "web-02")["up"] == true);
    rig.member("web-02", "ready", &[]).done();
    assert!(matches!(rig.member("web-02", "ready", &[]), Outcome::Nothing));
}

#[test]
fn a_commented_out_server_returns_and_nothing_else_changes() {
    let rig = Rig::start(THREE);
    both_up(&rig);
    rig.ask("set server web/web-02 state drain;set server web/web-01 weight 30;set server other/o2 state maint\n");
    let before = rig.config();
    let (change, _) = rig.member("web-03", "ready", &[]).done();
    assert!(change.diff.unwrap().contains("\n+    server web-03"));
    assert_eq!(rig.config(), before.replace("# server web-03", "server web-03"));
    let status = rig.status();
    let shown = |name: &str| (member(&status, name)["state"].clone(), member(&status, name)["weight"].clone());
    assert_eq!(shown("web-01"), (Json::from("ready"), Json::from(30)));
    assert_eq!(shown("web-02"), (Json::from("drain"), Json::from(50)));
    assert_eq!(shown("web-03"), (Json::from("ready"), Json::from(50)));
    assert!(
        rig.ask("show servers state other\n").contains(" other 2 o2 127.0.0.1 0 1 "),
        "carried over too"
    );
    assert!(matches!(rig.member("web-03", "ready", &[]), Outcome::Nothing));
}

#[test]
fn round_robin_is_loaded_states_stay_and_undo_restores_the_file() {
    let rig = Rig::start(THREE);
    both_up(&rig);
    rig.ask("set server web/web-02 state maint;set server other/o1 state drain\n");
    let before = rig.config();
    let arguments = [
        ("pool", Value::text("web")),
        ("algorithm", Value::text("roundrobin")),
        ("weights", Value::text("equal")),
    ];
    let balance = rig.bind("pool.balance", &arguments);
    let (change, _) = rig.apply(balance.as_ref()).done();
    let status = rig.status();
    assert_eq!(status["algorithm"], "roundrobin");
    assert_eq!(
        (&member(&status, "web-01")["weight"], &member(&status, "web-02")["weight"]),
        (&Json::from(100), &Json::from(100))
    );
    assert_eq!(
        (&member(&status, "web-01")["up"], &member(&status, "web-02")["state"]),
        (&Json::from(true), &Json::from("maint"))
    );
    assert!(
        rig.ask("show servers state other\n").contains(" other 1 o1 127.0.0.1 2 8 "),
        "carried over too"
    );
    assert!(matches!(rig.apply(balance.as_ref()), Outcome::Nothing));
    let Undo::Call { action, arguments } = change.undo else {
        panic!("{:?}", change.undo)
    };
    rig.apply(rig.bind_arguments(&action, &arguments).as_ref()).done();
    assert_eq!(rig.config(), before);
    assert_eq!(rig.status()["algorithm"], "leastconn");
}

#[test]
fn a_file_that_haproxy_refuses_is_never_put_in_place() {
    let rig = Rig::start(THREE);
    both_up(&rig);
    let broken = rig.config().replace("    option httpchk", "    optoin httpchk");
    std::fs::write(rig.dir.join("haproxy.cfg"), &broken).unwrap();
    let pid = rig
        .ask("show info\n")
        .lines()
        .find(|line| line.starts_with("Pid"))
        .map(str::to_owned);
    let why = rig.member("web-03", "ready", &[]).failed();
    assert!(why.contains("unknown keyword 'optoin'"), "{why}");
    assert_eq!(rig.config(), broken);
    assert!(
        rig.ask("show info\n").lines().any(|line| Some(line.to_owned()) == pid),
        "not reloaded"
    );
}

#[test]
fn what_a_reload_would_lose_for_good_is_not_reloaded() {
    let rig = Rig::start(THREE);
    both_up(&rig);
    let balance = || {
        rig.apply(
            rig.bind(
                "pool.balance",
                &[("pool", Value::text("web")), ("algorithm", Value::text("source"))],
            )
            .as_ref(),
        )
    };
    rig.ask("set server web/web-01 weight 30\n");
    let refused = |outcome: Outcome, words: &str| assert!(matches!(&outcome, Outcome::Refused(why) if why.contains(words)), "{outcome:?}");
    refused(balance(), "web-01 has weight 30 at run time, which `source` cannot take");
    rig.ask("set server web/web-01 weight 100;set server other/o1 addr 127.0.0.2\n");
    refused(balance(), "other/o1 was moved to 127.0.0.2");
    rig.ask("set server other/o1 addr 127.0.0.1;disable health web/web-02\n");
    refused(balance(), "check of web/web-02 was switched off");
    rig.ask("enable health web/web-02;disable frontend www\n");
    refused(balance(), "frontend www was paused");
}

#[test]
fn traffic_is_counted_per_member() {
    let rig = Rig::start(THREE);
    both_up(&rig);
    let arguments = [("pool", Value::text("web")), ("over", Value::Duration(Duration::from_millis(700)))];
    let traffic = rig.bind("pool.traffic", &arguments);
    let count = || {
        std::thread::scope(|scope| {
            scope.spawn(|| (0..30).for_each(|_| assert_eq!(rig.get("/"), Some(200))));
            rig.look(traffic.as_ref(), &traffic.probe())
        })
    };
    let result = traffic.result(&count(), &[]).to_json();
    assert_eq!(member(&result, "web-03")["requests"], 0);
    let requests = result["requests"].as_i64().unwrap();
    assert!((1..=30).contains(&requests), "{result}");
    assert!(member(&result, "web-01")["share_percent"].as_f64().unwrap() > 40.0, "{result}");
}

#[test]
fn a_later_step_is_planned_against_what_an_earlier_one_predicts() {
    let rig = Rig::start(THREE);
    both_up(&rig);
    let bind = |action, more: &[(&str, Value)]| {
        let mut arguments = vec![("pool", Value::text("web"))];
        arguments.extend(more.iter().cloned());
        rig.bind(action, &arguments)
    };
    let drain = bind("pool.member", &[("member", Value::text("web-01")), ("state", Value::text("drain"))]);
    let add = bind("pool.member", &[("member", Value::text("web-03")), ("state", Value::text("ready"))]);
    let balance = bind("pool.balance", &[("algorithm", Value::text("roundrobin"))]);
    let mut facts = rig.look(drain.as_ref(), &drain.probe());
    let mut last = Vec::new();
    for action in [&drain, &add, &balance] {
        let Decision::Change(change) = action.decide(&facts) else {
            panic!("{:?}", action.decide(&facts))
        };
        change.predicted.into_iter().for_each(|(key, value)| facts.set(key, value));
        last = change.operations;
    }
    let Act::PutFile(put) = &last[0].act else { panic!("{last:?}") };
    assert!(put.content.contains("\n    server web-03") && put.content.contains("\n    balance roundrobin"));
    let kept = |operation: &Act| matches!(operation, Act::Socket { request, .. } if request.contains("web/web-01 state drain"));
    assert!(
        last.iter().any(|operation| kept(&operation.act)),
        "the reload keeps the drain: {last:?}"
    );
    let status = bind("pool.status", &[]).result(&facts, &[]).to_json();
    assert_eq!(
        (&status["algorithm"], &status["serving"]),
        (&Json::from("roundrobin"), &Json::from(2))
    );
}

#[test]
fn who_took_a_member_out_is_asked_first_unless_it_was_this_run() {
    let rig = Rig::start(THREE);
    both_up(&rig);
    rig.member("web-02", "maint", &[]).done();
    let folder = rig.dir.join(".local/state/runbook/pools/web");
    std::fs::create_dir_all(&folder).unwrap();
    let record = r#"{"owner":"anna","run":"r-7","what":"a test","since_ms":1,"until_ms":2,"fence":1}"#;
    std::fs::write(folder.join("taken.web-02"), record).unwrap();
    assert_eq!(member(&rig.status(), "web-02")["owner"], "anna: a test");
    let refused = rig.member("web-02", "ready", &[]);
    assert!(
        matches!(&refused, Outcome::Refused(why) if why.contains("anna: a test")),
        "{refused:?}"
    );
    let arguments = [
        ("pool", Value::text("web")),
        ("member", Value::text("web-02")),
        ("state", Value::text("ready")),
    ];
    let action = rig.bind("pool.member", &arguments);
    let mut seen = rig.look(action.as_ref(), &action.probe());
    observe::forget_own(&mut seen, "r-8");
    assert!(matches!(action.decide(&seen), Decision::Refused(_)));
    observe::forget_own(&mut seen, "r-7");
    assert!(matches!(action.decide(&seen), Decision::Change(_)));
}
