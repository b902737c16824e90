//! `kill -9` of the controller on both sides of every record of its journal; then whoever comes finds out and finishes.

use std::ops::RangeInclusive;
use std::time::Instant;

use runbook::lab::{Balance, Incident, Variant};

use crate::site::{Person, Site, project};

const BROKEN: Incident = Incident::OomMaster {
    variant: Variant::Runtime,
    balance: Balance::Source,
    shallow_health: false,
};

/// The records of a run without a crash, grouped as they become durable together.
fn appends(site: &Site, recover: &str) -> Vec<RangeInclusive<u64>> {
    let told = site.person("reference").run(&["-vv", "apply", "--yes", recover]).exits(0);
    let number = |line: &str, name: &str| -> Option<u64> {
        let text = line.split(&format!("{name}=")).nth(1)?;
        text.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    let durable = told.err.lines().filter(|l| l.contains("records are durable"));
    let appends: Vec<_> = durable.map(|l| number(l, "first").unwrap()..=number(l, "last").unwrap()).collect();
    let mut next = 1;
    for append in &appends {
        assert_eq!(*append.start(), next, "{appends:?}");
        next = append.end() + 1;
    }
    assert!(next > 25, "a run has more records than {appends:?}");
    site.assert_recovered("without a crash");
    appends
}

/// Dies at one point, then shows that everybody is told and that one more command finishes the work.
fn dies_at(site: &mut Site, recover: &str, point: &str) {
    site.break_it(BROKEN);
    let (starts, began) = (site.starts("web-01"), Instant::now());
    let name = point.replace(':', "-");
    let anna = site.person(&name);
    let mut command = anna.command(&["apply", "--yes", recover]);
    command.env("RUNBOOK_KILL_AT", point);
    let died = anna.start_command(command).finish().dies_killed();

    let runs = anna.run(&["runs", "-o", "json"]).exits(0);
    let runs: serde_json::Value = serde_json::from_str(&runs.out).unwrap();
    let run = &runs["runs"][0];
    if run.is_null() {
        assert_eq!(point, "before:1", "{}", died.all());
        anna.run(&["apply", "--yes", recover]).exits(0);
    } else {
        everybody_is_told(&anna, run);
        anna.run(&["resume", "1"]).exits(0);
    }
    site.assert_recovered(point);
    assert_eq!(
        site.starts("web-01") - starts,
        1,
        "{point}: the service was restarted exactly once over crash and resume"
    );
    anna.run(&["obligations"]).exits(0).says("no obligations").never_says("interrupted");
    println!("{point}: recovered in {:.1} s", began.elapsed().as_secs_f32());
}

/// What is open is named by every command that a person would type next.
fn everybody_is_told(anna: &Person, run: &serde_json::Value) {
    let open = run["open_obligations"].as_u64().unwrap() > 0;
    for command in ["runs", "obligations", "status"] {
        let told = anna.run(&[command]).exits(0);
        if run["ended_at"].is_null() {
            assert!(told.err.contains("resume 1"), "{}", told.all());
            assert_eq!(told.out.contains("INTERRUPTED, resume 1"), command == "runs", "{}", told.all());
        }
        if open {
            assert!(told.err.contains("web-01 is out of pool web"), "{}", told.all());
        }
    }
}

/// All points on one side, on one fleet; two fleets share the work.
fn sweep(side: &str) {
    let mut site = Site::broken("crash", BROKEN);
    let recover = project("runbooks/recover-master.yaml");
    let appends = appends(&site, &recover);
    println!("{} appends: {appends:?}", appends.len());
    for append in &appends {
        dies_at(&mut site, &recover, &format!("{side}:{}", append.start()));
    }
    println!("killed {side} each of {} appends, that is at every record", appends.len());
}

#[test]
fn before_each_record() {
    sweep("before");
}

#[test]
fn after_each_record() {
    sweep("after");
}
