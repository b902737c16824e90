//! What a host says about a service: one probe for every manager, read into one record.

use std::collections::BTreeMap;
use std::time::Duration;

use super::init_system::Manager;
use crate::action::outcome::exited;
use crate::base::sanitise::one_line;
use crate::base::value::Value;
use crate::model::action::ReadError;
use crate::model::operation::Output;

/// The words for a service's state. `changing`: on its way up or down, also when its manager starts it over and over.
pub const STATES: [&str; 4] = ["started", "stopped", "failed", "changing"];

/// Asks the service's manager, and the kernel since when its main process runs.
pub const SCRIPT: &str = include_str!("status.sh");

/// The state of a service; `None`: unknown, or there is no such thing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Status {
    /// What manages it.
    pub manager: Option<Manager>,
    /// One of [`STATES`].
    pub state: Option<String>,
    /// Whether it starts at boot.
    pub enabled: Option<bool>,
    /// Whether `enabled` is known; if so, `None` means that there is no such setting.
    pub enabled_known: bool,
    /// Its main process.
    pub main_pid: Option<i64>,
    /// When that started, in the kernel's ticks since boot: with the pid it identifies the process.
    pub started_at: Option<i64>,
    /// How long that has been running.
    pub running_for: Option<Duration>,
    /// More about it in the manager's words.
    pub detail: String,
}

impl Status {
    /// Reads the probe's output.
    ///
    /// # Errors
    /// No such service, no known manager, or a manager that does not answer.
    pub fn read(output: Option<&Output>, name: &str, host: &str) -> Result<Status, ReadError> {
        let ended = exited(output)?;
        let lines: BTreeMap<&str, &str> = ended.stdout.lines().filter_map(|l| l.split_once('=')).collect();
        let line = |key: &str| lines.get(key).copied().unwrap_or("");
        if ended.code != 0 {
            return Err(ReadError::new(format!("asking about service {name} on {host} {}", ended.ending())));
        }
        let manager = Manager::named(line("manager")).ok_or_else(|| {
            ReadError::new(format!(
                "{host} has no service {name} that systemd, runit or a SysV script knows; set `service_manager` or `service_dir` in the inventory if it has"
            ))
        })?;
        let mut status = match manager {
            Manager::Systemd => systemd(&line),
            Manager::Sysv => sysv(&line),
            Manager::Runit => runit(&line),
        }
        .map_err(|why| ReadError::new(format!("{host}: service {name}: {why}")))?;
        status.manager = Some(manager);
        status.enabled_known = true;
        status.main_pid = line("pid").parse().ok();
        (status.started_at, status.running_for) = age(line("stat"), line("uptime"), line("ticks"));
        Ok(status)
    }

    /// From a fact, observed or predicted.
    pub fn of(fact: &Value) -> Status {
        let field = |name: &str| fact.field(name).unwrap_or_default();
        Status {
            manager: field("manager").as_text().and_then(Manager::named),
            state: field("state").as_text().map(str::to_owned),
            enabled: field("enabled").as_bool(),
            enabled_known: field("enabled") != Value::Unknown,
            main_pid: field("main_pid").as_int(),
            started_at: field("started_at").as_int(),
            running_for: match field("running_for") {
                Value::Duration(span) => Some(span),
                _ => None,
            },
            detail: field("detail").as_text().unwrap_or_default().to_owned(),
        }
    }

    /// As a fact.
    pub fn to_value(&self) -> Value {
        let unknown = |value: Option<Value>| value.unwrap_or(Value::Unknown);
        let absent = |value: Option<Value>| value.unwrap_or(Value::Null);
        let enabled = self.enabled.map(Value::Bool);
        Value::map([
            ("manager", unknown(self.manager.map(|m| Value::text(m.word())))),
            ("state", unknown(self.state.clone().map(Value::Text))),
            ("enabled", if self.enabled_known { absent(enabled) } else { Value::Unknown }),
            ("main_pid", absent(self.main_pid.map(Value::Int))),
            ("started_at", absent(self.started_at.map(Value::Int))),
            ("running_for", absent(self.running_for.map(Value::Duration))),
            ("detail", Value::text(&self.detail)),
        ])
    }

    /// The fact after a change that leads to `state`: of the process only its absence can be foretold.
    pub fn predicted(&self, state: &str) -> Value {
        let Value::Map(mut fact) = self.to_value() else {
            return Value::Unknown;
        };
        let process = if state == "stopped" { Value::Null } else { Value::Unknown };
        fact.insert(String::from("state"), Value::text(state));
        fact.insert(String::from("detail"), Value::Unknown);
        for name in ["main_pid", "started_at", "running_for"] {
            fact.insert(name.to_owned(), process.clone());
        }
        Value::Map(fact)
    }

    /// Whether systemd refuses every start of it.
    pub fn masked(&self) -> bool {
        self.detail.contains("masked")
    }

    /// The manager's words in brackets, for the end of a sentence.
    pub fn aside(&self) -> String {
        if self.detail.is_empty() {
            String::new()
        } else {
            format!(" ({})", self.detail)
        }
    }
}

fn systemd<'a>(line: &dyn Fn(&str) -> &'a str) -> Result<Status, String> {
    if line("LoadState") == "not-found" {
        return Err(String::from("systemd has no such unit"));
    }
    let state = match line("ActiveState") {
        "active" => "started",
        "inactive" => "stopped",
        "failed" => "failed",
        "activating" | "deactivating" | "reloading" => "changing",
        other => {
            return Err(format!(
                "systemd calls its state `{}`, which is not known here",
                one_line(other, 40)
            ));
        }
    };
    let enabled = match line("UnitFileState") {
        "enabled" | "enabled-runtime" => Some(true),
        "disabled" => Some(false),
        _ => None,
    };
    let mut detail = vec![line("SubState").to_owned()];
    if enabled.is_none() && !line("UnitFileState").is_empty() {
        detail.push(line("UnitFileState").to_owned());
    }
    if !matches!(line("Result"), "" | "success") {
        detail.push(format!("result {}", line("Result")));
    }
    if !matches!(line("NRestarts"), "" | "0") {
        detail.push(format!("restarted {} times by systemd", line("NRestarts")));
    }
    Ok(Status {
        state: Some(state.to_owned()),
        enabled,
        detail: one_line(&detail.join(", "), 200),
        ..Status::default()
    })
}

fn sysv<'a>(line: &dyn Fn(&str) -> &'a str) -> Result<Status, String> {
    if line("missing") == "yes" {
        return Err(String::from("/etc/init.d has no such script"));
    }
    // The Linux Standard Base's exit codes of `status`.
    let (state, detail) = match line("status") {
        "0" => ("started", ""),
        "1" => ("stopped", "dead, but its pid file is still there"),
        "2" => ("stopped", "dead, but its lock file is still there"),
        "3" => ("stopped", ""),
        other => {
            return Err(format!(
                "its script answers `status` with {}, which tells nothing",
                one_line(other, 20)
            ));
        }
    };
    Ok(Status {
        state: Some(state.to_owned()),
        enabled: Some(line("enabled") == "yes"),
        detail: detail.to_owned(),
        ..Status::default()
    })
}

fn runit<'a>(line: &dyn Fn(&str) -> &'a str) -> Result<Status, String> {
    let said = line("sv");
    let state = match said.split(':').next().unwrap_or("") {
        "run" if said.contains(", want down") => "changing",
        "run" => "started",
        "down" if said.contains(", want up") => "changing",
        "down" => "stopped",
        "finish" => "changing",
        _ if said.is_empty() => return Err(String::from("`sv status` says nothing")),
        _ => return Err(one_line(said, 200)),
    };
    Ok(Status {
        state: Some(state.to_owned()),
        enabled: Some(line("enabled") == "yes"),
        detail: one_line(said, 200),
        ..Status::default()
    })
}

/// When a process started and how long ago that is. `stat` begins with the third field of `/proc/PID/stat`.
fn age(stat: &str, uptime: &str, ticks: &str) -> (Option<i64>, Option<Duration>) {
    /// Field 22 of proc(5), counted from field 3.
    const START_TIME: usize = 19;
    let started: Option<u32> = stat.split_whitespace().nth(START_TIME).and_then(|s| s.parse().ok());
    let ticks: Option<u32> = ticks.parse().ok().filter(|t| *t > 0);
    let uptime: Option<f64> = uptime.parse().ok().filter(|s: &f64| s.is_finite());
    let running = match (started, ticks, uptime) {
        (Some(started), Some(ticks), Some(uptime)) => {
            let seconds = uptime - f64::from(started) / f64::from(ticks);
            Duration::try_from_secs_f64(seconds.max(0.0)).ok()
        }
        _ => None,
    };
    (started.map(i64::from), running)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(stdout: &str) -> Result<Status, String> {
        let output = Output::Exited {
            code: 0,
            stdout: stdout.to_owned(),
            stderr: String::new(),
            truncated: false,
        };
        Status::read(Some(&output), "app", "web-01").map_err(|e| e.message)
    }

    #[test]
    fn a_fact_reads_back_as_it_was() {
        let stat = format!("stat=S {}123400 0\n", "1 ".repeat(18));
        let status = read(&format!(
            "manager=runit\nsv=run: /s/app: (pid 77) 6s\nenabled=yes\npid=77\n{stat}uptime=1240.50\nticks=100\n"
        ))
        .unwrap();
        assert_eq!(status.running_for, Some(Duration::from_millis(6500)));
        assert_eq!(status.started_at, Some(123_400));
        assert_eq!(Status::of(&status.to_value()), status);
    }

    #[test]
    fn every_manager_has_its_words() {
        let state = |text: &str| read(text).map(|s| s.state.unwrap());
        let flapping = "manager=runit\nsv=down: /s/app: 0s, normally up, want up\nenabled=yes\n";
        assert_eq!(state(flapping), Ok(String::from("changing")));
        assert_eq!(
            state("manager=runit\nsv=down: /s/app: 3s\nenabled=no\n"),
            Ok(String::from("stopped"))
        );
        assert_eq!(state("manager=sysv\nstatus=1\nenabled=no\n"), Ok(String::from("stopped")));
        let restarting =
            "manager=systemd\nLoadState=loaded\nActiveState=activating\nSubState=auto-restart\nResult=exit-code\nNRestarts=4\n";
        let status = read(restarting).unwrap();
        assert_eq!(status.state.as_deref(), Some("changing"));
        assert_eq!(status.detail, "auto-restart, result exit-code, restarted 4 times by systemd");
    }

    #[test]
    fn what_is_not_there_is_said() {
        let fails = |text: &str| read(text).unwrap_err();
        assert!(fails("manager=\n").contains("has no service app"));
        assert!(fails("manager=systemd\nLoadState=not-found\nActiveState=inactive\n").contains("systemd has no such unit"));
        assert!(fails("manager=runit\nsv=fail: /s/app: unable to change to service directory\n").contains("unable to change"));
        assert!(fails("manager=sysv\nmissing=yes\nstatus=127\n").contains("no such script"));
    }
}
