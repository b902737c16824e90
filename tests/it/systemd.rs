//! The `service` action against a real systemd, PID 1 of a machine of its own, and against SysV scripts.
//!
//! What is true is asked of systemd (`systemctl show`) and of the kernel (`/proc`), never of the action.

#[path = "systemd/drive.rs"]
mod drive;
#[path = "systemd/machine.rs"]
mod machine;
#[path = "systemd/sysv.rs"]
mod sysv;
#[path = "systemd/units.rs"]
mod units;

use std::time::Duration;

use drive::{Driver, Outcome, STABLE, stable};
use machine::{Init, Machine, until};
use runbook::model::action::Undo;
use runbook::model::value::Value;

/// What the inventory may say about the host; the outcome must be the same.
const MANAGERS: [Option<&str>; 2] = [Some("systemd"), None];

/// Runs a test for each of [`MANAGERS`], each on a machine of its own, unless there can be no machine.
fn on_systemd(test: impl Fn(&Machine, &Driver<'_>) + Sync) {
    if !machine::cannot("systemd") {
        drive::on_each(Init::Systemd, &units::systemd(), MANAGERS, test);
    }
}

fn main_pid(machine: &Machine, unit: &str) -> i64 {
    machine.show(unit, "MainPID").parse().unwrap()
}

fn active(machine: &Machine, unit: &str) -> String {
    machine.show(unit, "ActiveState")
}

/// Starts a unit behind the action's back; how that ends is the unit's matter.
fn start(machine: &Machine, unit: &str) {
    machine.try_run(&["systemctl", "start", unit]);
}

#[test]
fn the_state_is_what_systemd_shows() {
    on_systemd(|machine, driver| {
        let read = |unit: &str| driver.look(unit).unwrap();
        assert_eq!(read("steady"), (String::from("stopped"), Value::Bool(false), Value::Null));
        start(machine, "steady");
        let pid = main_pid(machine, "steady");
        assert!(machine.process(pid).is_some(), "{pid}");
        assert_eq!(read("steady"), (String::from("started"), Value::Bool(false), Value::Int(pid)));
        assert_eq!(read("steady.service").2, Value::Int(pid), "the whole name is the same unit");
        start(machine, "crashes");
        until("crashes has failed", || (active(machine, "crashes") == "failed").then_some(()));
        assert_eq!(read("crashes"), (String::from("failed"), Value::Bool(false), Value::Null));
        start(machine, "flaps");
        until("flaps waits for its next start", || {
            machine.show("flaps", "SubState").contains("auto-restart").then_some(())
        });
        until("a flapping unit is read as changing", || {
            (read("flaps").0 == "changing").then_some(())
        });
        start(machine, "once");
        assert_eq!(active(machine, "once"), "active");
        assert_eq!(read("once"), (String::from("started"), Value::Bool(false), Value::Null));
        machine.run(&["systemctl", "stop", "steady", "flaps", "once"]);
        machine.run(&["systemctl", "reset-failed"]);
    });
}

#[test]
fn a_restart_is_believed_when_another_main_process_has_lasted() {
    on_systemd(|machine, driver| {
        start(machine, "steady");
        let before = main_pid(machine, "steady");
        let was = machine.process(before).unwrap().0;
        let (change, result) = driver.state("steady", "restarted").done();
        assert_eq!(change.undo, Undo::Nothing);
        let now = main_pid(machine, "steady");
        let (started, age) = machine.process(now).unwrap();
        assert_ne!((before, was), (now, started), "another process");
        assert!(machine.process(before).is_none(), "the old one is gone");
        assert!(age >= STABLE, "it has run for {age:?} only");
        assert_eq!(result.field("main_pid"), Some(Value::Int(now)));
        machine.run(&["systemctl", "stop", "steady"]);
        let (change, _) = driver.state("steady", "restarted").done();
        assert_eq!(change.notes, ["steady is not running now; the restart starts it"]);
        assert_eq!(active(machine, "steady"), "active");
        driver.state("once", "restarted").done();
        assert_eq!(active(machine, "once"), "active");
        machine.run(&["systemctl", "stop", "steady", "once"]);
    });
}

#[test]
fn a_service_that_does_not_stay_up_is_not_believed() {
    on_systemd(|machine, driver| {
        for (unit, words) in [
            ("crashes", "crashes has failed (failed, result exit-code, exit status 3)"),
            ("no-program", "no-program has failed (failed, result exit-code, exit status 203)"),
            ("check-refuses", "the control process exited with error code"),
            ("no-command", "bad unit file setting"),
            ("never-ready", "because a timeout was exceeded"),
            ("ends", "ends has ended by itself"),
            (
                "limited",
                "limited has failed (failed, result exit-code, exit status 1, restarted 5 times by systemd)",
            ),
        ] {
            for state in ["started", "restarted"] {
                let why = driver.state(unit, state).failed();
                assert!(why.contains(words), "{unit} {state}: {why}");
                machine.try_run(&["systemctl", "reset-failed", unit]);
            }
            assert_ne!(active(machine, unit), "active");
        }
        let flaps = [
            ("name", Value::text("flaps")),
            ("state", Value::text("restarted")),
            stable(5 * STABLE),
        ];
        let Outcome::NotYet(why) = driver.within(&flaps, Some(Duration::from_secs(3))) else {
            panic!("a flapping service is neither up nor given up by systemd")
        };
        assert!(why.contains("flaps is changing") || why.contains("has been running for"), "{why}");
        assert_ne!(machine.show("flaps", "NRestarts"), "0");
        machine.run(&["systemctl", "stop", "flaps"]);
    });
}

#[test]
fn a_start_and_a_stop_do_no_more_than_needed_and_a_stop_is_taken_back() {
    on_systemd(|machine, driver| {
        let (change, _) = driver.state("steady", "started").done();
        assert_eq!(change.undo, Undo::Keep);
        let pid = main_pid(machine, "steady");
        assert!(machine.process(pid).unwrap().1 >= STABLE);
        driver.state("steady", "started").nothing();
        assert_eq!(main_pid(machine, "steady"), pid);
        let (change, result) = driver.state("steady", "stopped").done();
        assert_eq!((active(machine, "steady").as_str(), main_pid(machine, "steady")), ("inactive", 0));
        assert!(machine.process(pid).is_none());
        assert_eq!(result.field("main_pid"), Some(Value::Null));
        driver.state("steady", "stopped").nothing();
        driver.undo(&change);
        assert_eq!(active(machine, "steady"), "active");
        machine.run(&["systemctl", "stop", "steady"]);

        start(machine, "stubborn");
        let pid = main_pid(machine, "stubborn");
        driver.state("stubborn", "stopped").done();
        assert_eq!(active(machine, "stubborn"), "failed", "systemd had to kill it");
        assert!(machine.process(pid).is_none());
        driver.state("stubborn", "stopped").nothing();
        machine.run(&["systemctl", "reset-failed"]);
    });
}

#[test]
fn what_starts_at_boot_is_set_and_taken_back() {
    const LINK: &str = "/etc/systemd/system/multi-user.target.wants/steady.service";
    on_systemd(|machine, driver| {
        let linked = || machine.try_run(&["test", "-L", LINK]).0 == 0;
        driver.enabled("steady", false).nothing();
        let (change, result) = driver.enabled("steady", true).done();
        assert_eq!((machine.show("steady", "UnitFileState").as_str(), linked()), ("enabled", true));
        assert_eq!(result.field("enabled"), Some(Value::Bool(true)));
        assert_eq!(active(machine, "steady"), "inactive", "a setting for boot starts nothing now");
        driver.enabled("steady", true).nothing();
        driver.undo(&change);
        assert_eq!((machine.show("steady", "UnitFileState").as_str(), linked()), ("disabled", false));

        machine.run(&["systemctl", "enable", "--now", "steady"]);
        let off = [
            ("name", Value::text("steady")),
            ("state", Value::text("stopped")),
            ("enabled", Value::Bool(false)),
        ];
        let (change, _) = driver.step(&off).done();
        assert_eq!((active(machine, "steady").as_str(), linked()), ("inactive", false));
        driver.undo(&change);
        assert_eq!((active(machine, "steady").as_str(), linked()), ("active", true));
        machine.run(&["systemctl", "disable", "--now", "steady"]);

        machine.run(&["systemctl", "enable", "--runtime", "steady"]);
        assert_eq!(machine.show("steady", "UnitFileState"), "enabled-runtime");
        driver.enabled("steady", false).nothing();
        driver.enabled("steady", true).done();
        assert!(linked(), "what is enabled until the next boot only does not start at boot");
        machine.run(&["systemctl", "disable", "steady"]);
        machine.run(&["systemctl", "disable", "--runtime", "steady"]);

        driver.enabled("worker@a", true).done();
        assert_eq!(machine.show("worker@a", "UnitFileState"), "enabled");
        assert_eq!(machine.show("worker@b", "UnitFileState"), "disabled");
        machine.run(&["systemctl", "disable", "worker@a"]);
        let why = driver.enabled("static", true).refused();
        assert!(why.contains("has no setting for starting at boot (dead, static)"), "{why}");
    });
}

#[test]
fn a_reload_keeps_the_main_process_and_a_failed_one_is_told() {
    on_systemd(|machine, driver| {
        machine.run(&["rm", "-f", "/run/reloads"]);
        start(machine, "steady");
        let before = main_pid(machine, "steady");
        let (change, result) = driver.state("steady", "reloaded").done();
        assert_eq!(change.undo, Undo::Nothing);
        assert_eq!(machine.run(&["cat", "/run/reloads"]), "reloaded", "once, by the process itself");
        assert_eq!(main_pid(machine, "steady"), before);
        assert_eq!(result.field("main_pid"), Some(Value::Int(before)));
        machine.run(&["systemctl", "stop", "steady"]);
        let why = driver.state("steady", "reloaded").refused();
        assert!(why.contains("steady on web-01 is stopped"), "{why}");

        for (unit, words) in [
            ("no-reload", "Job type reload is not applicable for unit no-reload.service"),
            ("reload-refused", "Job for reload-refused.service failed"),
            ("reload-dies", "reload-dies has ended by itself (dead)"),
        ] {
            start(machine, unit);
            let why = driver.state(unit, "reloaded").failed();
            assert!(why.contains(words), "{unit}: {why}");
            machine.run(&["systemctl", "stop", unit]);
        }
        start(machine, "reload-replaces");
        let before = main_pid(machine, "reload-replaces");
        driver.state("reload-replaces", "reloaded").done();
        let now = main_pid(machine, "reload-replaces");
        assert_ne!(now, before);
        assert!(
            machine.process(now).unwrap().1 >= STABLE,
            "a replacement must last as after a restart"
        );
        machine.run(&["systemctl", "stop", "reload-replaces"]);
    });
}

#[test]
fn what_is_not_there_or_not_allowed_is_said() {
    on_systemd(|machine, driver| {
        for state in ["started", "stopped", "restarted", "reloaded"] {
            let outcome = driver.state("absent", state);
            let Outcome::Unreadable(why) = outcome else {
                panic!("{state}: {outcome:?}")
            };
            assert_eq!(why, "web-01: service absent: systemd has no such unit");
        }
        machine.run(&["mv", "/etc/systemd/system/masked.service", "/run/"]);
        machine.run(&["systemctl", "mask", "masked"]);
        for state in ["started", "restarted"] {
            let why = driver.state("masked", state).refused();
            assert!(why.contains("masked on web-01 is masked; `systemctl unmask` it first"), "{why}");
        }
        driver.state("masked", "stopped").nothing();
        machine.run(&["systemctl", "unmask", "masked"]);
        machine.run(&["mv", "/run/masked.service", "/etc/systemd/system/"]);

        start(machine, "no-reload");
        let pid = main_pid(machine, "no-reload");
        machine.run(&["mv", "/etc/systemd/system/no-reload.service", "/run/"]);
        machine.run(&["systemctl", "daemon-reload"]);
        assert_eq!(machine.show("no-reload", "LoadState"), "not-found");
        let why = driver.look("no-reload").unwrap_err();
        assert!(
            why.contains("service no-reload: its unit file is gone while it still runs"),
            "{why}"
        );
        assert!(machine.process(pid).is_some());
        machine.run(&["mv", "/run/no-reload.service", "/etc/systemd/system/"]);
        machine.run(&["systemctl", "daemon-reload"]);
        driver.state("no-reload", "stopped").done();
        assert!(machine.process(pid).is_none());
    });
}
