//! The `service` action with SysV scripts, on a machine without systemd.

use runbook::model::action::Undo;
use runbook::model::value::Value;

use super::drive::on_each;
use super::drive::{Driver, Outcome, STABLE};
use super::machine::{Init, Machine, cannot};
use super::units;

fn on_sysv(test: impl Fn(&Machine, &Driver<'_>) + Sync) {
    if !cannot("sysv") {
        on_each(Init::Bare, &units::sysv(), [Some("sysv"), None], test);
    }
}

fn pid_file(machine: &Machine) -> i64 {
    machine.run(&["cat", "/run/app.pid"]).parse().unwrap()
}

#[test]
fn a_script_is_started_restarted_reloaded_and_stopped() {
    on_sysv(|machine, driver| {
        assert_eq!(driver.look("app"), Ok((String::from("stopped"), Value::Bool(false), Value::Null)));
        driver.state("app", "started").done();
        let first = pid_file(machine);
        assert!(machine.process(first).unwrap().1 >= STABLE);
        driver.state("app", "started").nothing();
        let (_, result) = driver.state("app", "restarted").done();
        let second = pid_file(machine);
        assert!(second != first && machine.process(first).is_none());
        assert!(machine.process(second).unwrap().1 >= STABLE);
        assert_eq!(result.field("main_pid"), Some(Value::Int(second)));
        machine.run(&["rm", "-f", "/run/reloads"]);
        driver.state("app", "reloaded").done();
        assert_eq!(
            (machine.run(&["cat", "/run/reloads"]).as_str(), pid_file(machine)),
            ("reloaded", second)
        );
        let (change, _) = driver.state("app", "stopped").done();
        assert!(machine.process(second).is_none());
        driver.undo(&change);
        assert!(machine.process(pid_file(machine)).is_some());
        machine.run(&["service", "app", "stop"]);
    });
}

#[test]
fn a_script_that_fails_is_not_believed() {
    on_sysv(|machine, driver| {
        machine.run(&["touch", "/run/app.refuse"]);
        for state in ["started", "restarted"] {
            let why = driver.state("app", state).failed();
            assert!(why.contains("ended with 6: app: its configuration is bad"), "{why}");
        }
        machine.run(&["rm", "/run/app.refuse"]);
        let crashes = [("name", Value::text("crashes")), ("state", Value::text("started"))];
        let outcome = driver.within(&crashes, Some(std::time::Duration::from_secs(2)));
        let Outcome::NotYet(why) = outcome else { panic!("{outcome:?}") };
        assert!(why.contains("crashes is stopped (dead, but its pid file is still there)"), "{why}");
        let outcome = driver.state("absent", "started");
        let Outcome::Unreadable(why) = outcome else { panic!("{outcome:?}") };
        assert!(
            why.contains("no service absent") || why.contains("/etc/init.d has no such script"),
            "{why}"
        );
    });
}

#[test]
fn a_script_is_enabled_for_boot_and_that_is_taken_back() {
    on_sysv(|machine, driver| {
        let links = || machine.run(&["sh", "-c", "ls -d /etc/rc[2-5].d/S*app 2>/dev/null | wc -l"]);
        let (change, _) = driver.enabled("app", true).done();
        assert_eq!(links(), "4");
        driver.enabled("app", true).nothing();
        assert!(matches!(change.undo, Undo::Call { .. }));
        driver.undo(&change);
        assert_eq!(links(), "0");
    });
}
