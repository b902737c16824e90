//! Programs on simulated hosts: our own probes are recognised and answered from the host's state; what else runs must have an answer in the
//! test file.

use std::fmt::Write as _;
use std::time::Duration;

use super::host::Host;
use super::{Inner, MOMENT, records};
use crate::action::{facts, reclaim, service};
use crate::base::clock::Timestamp;
use crate::base::id::HostName;
use crate::base::quote;
use crate::model::inventory::MemoryFrom;
use crate::transport::Exec;

/// How a program ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// Exit status.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// How long it took.
    pub takes: Duration,
}

impl Reply {
    pub(super) fn ok(stdout: impl Into<String>) -> Reply {
        Reply {
            stdout: stdout.into(),
            takes: MOMENT,
            ..Reply::default()
        }
    }

    pub(super) fn ended(code: i32, stderr: impl Into<String>) -> Reply {
        Reply {
            code,
            stderr: stderr.into(),
            takes: MOMENT,
            ..Reply::default()
        }
    }
}

/// Words of a service's command line: verb and name.
fn service_command(argv: &[&str]) -> Option<(String, String)> {
    let owned = |verb: &str, name: &str| Some((verb.to_owned(), name.rsplit('/').next().unwrap_or(name).to_owned()));
    match argv {
        ["systemctl", verb, "--", name] | ["systemctl", verb, name] => owned(verb, name),
        ["service", name, verb] | ["update-rc.d", name, verb] => owned(verb, name),
        ["sv", "-w", _, verb, path] | ["sv", verb, path] => owned(verb, path),
        ["rm", "-f", "--", path] => owned("enable", path.strip_suffix("/down")?),
        ["touch", "--", path] => owned("disable", path.strip_suffix("/down")?),
        ["sh", "-c", script, "runbook", name] if script.contains("systemctl reload") => owned("reload", name),
        ["sh", "-c", script, "runbook", name] if script.contains("update-rc.d") => owned("enable", name),
        _ => None,
    }
}

impl Inner {
    /// What a program answers that a host is sent as it stands, with what it reads.
    pub(super) fn sent(&mut self, host: Option<&HostName>, argv: &[String], exec: &Exec) -> Reply {
        if let Some(reply) = self.told_answer(host, argv, None) {
            return reply;
        }
        let now = self.now();
        let words: Vec<&str> = argv.iter().map(String::as_str).collect();
        let modelled = self
            .psql(host, &words, exec)
            .or_else(|| self.host_mut(host).spaces(&words, exec, now));
        modelled.unwrap_or_else(|| self.program(host, argv, None))
    }

    /// What a program answers; `given`: the content of a file that its command line names and that is not in place yet.
    pub(super) fn program(&mut self, host: Option<&HostName>, argv: &[String], given: Option<&str>) -> Reply {
        if let Some(reply) = self.told_answer(host, argv, given) {
            return reply;
        }
        let now = self.now();
        let words: Vec<&str> = argv.iter().map(String::as_str).collect();
        if let (Some((verb, name)), Some(host)) = (service_command(&words), host) {
            return self.drive(host, &verb, &name, now);
        }
        if let Some(reply) = self.haproxy_check(host, &words) {
            return reply;
        }
        if let Some(reply) = self.apt(host, &words) {
            return reply;
        }
        let state = match host {
            Some(host) => self.hosts.get_mut(host),
            None => Some(&mut self.controller),
        };
        let reply = state.and_then(|state| built_in(state, &words, now));
        reply.unwrap_or_else(|| {
            let place = host.map_or("the controller", HostName::as_str);
            let short = match words.as_slice() {
                ["sh", "-c", script, _, rest @ ..] => {
                    format!("sh -c '{}' … {}", crate::base::sanitise::one_line(script, 60), rest.join(" "))
                }
                words => crate::base::sanitise::one_line(&quote::show(words.iter().copied()), 160),
            };
            self.unanswered.insert(format!(
                "`{short}` on {place}; add to its state `commands: [{{ run: \"…\", exit: 0 }}]`"
            ));
            Reply::ended(127, "the test gives this program no answer")
        })
    }

    /// The first answer of the test file that fits.
    fn told_answer(&mut self, host: Option<&HostName>, argv: &[String], given: Option<&str>) -> Option<Reply> {
        let state = match host {
            Some(host) => self.hosts.get_mut(host)?,
            None => &mut self.controller,
        };
        if state.commands.is_empty() {
            return None;
        }
        let holds = |text: &str| {
            let named = argv.iter().filter_map(|w| state.files.get(w));
            given.is_some_and(|g| g.contains(text)) || named.clone().any(|f| f.content.contains(text))
        };
        let (shown, plain) = (quote::show(argv.iter().map(String::as_str)), argv.join(" "));
        let at = state.commands.iter().position(|(c, used)| {
            (shown.contains(&c.run) || plain.contains(&c.run))
                && c.times.is_none_or(|times| *used < times)
                && c.when_given.as_ref().is_none_or(|text| holds(text))
        })?;
        let (command, used) = &mut state.commands[at];
        *used += 1;
        let command = command.clone();
        if let Some(then) = &command.then {
            self.overlay(then);
        }
        Some(Reply {
            code: command.exit,
            stdout: command.stdout,
            stderr: command.stderr,
            takes: command.takes.unwrap_or(Duration::from_millis(100)),
        })
    }

    fn drive(&mut self, host: &HostName, verb: &str, name: &str, now: Timestamp) -> Reply {
        if matches!(verb, "stop" | "restart") && !self.balancers.iter().any(|b| b.host == *host && b.service == name) {
            self.disturb(host, &format!("{verb} of {name} on {host}"));
        }
        let refuses = self
            .balancers
            .iter()
            .any(|b| b.host == *host && b.service == name && b.refuses_files);
        let Some(state) = self.hosts.get_mut(host) else {
            return Reply::ended(1, "no such host");
        };
        if refuses && matches!(verb, "reload" | "restart") {
            return Reply::ended(1, "the configuration file is not valid");
        }
        let result = state.drive(name, verb, now);
        let pid = state.next_pid();
        if result.is_ok() && matches!(verb, "reload" | "restart" | "start") {
            for balancer in self.balancers.iter_mut().filter(|b| b.host == *host && b.service == name) {
                let content = state.files.get(&balancer.config).map(|f| f.content.clone()).unwrap_or_default();
                balancer.reload(&content, pid, now);
            }
        }
        match result {
            Ok(()) => Reply {
                takes: Duration::from_millis(200),
                ..Reply::ok("")
            },
            Err(why) => Reply::ended(1, why),
        }
    }

    fn haproxy_check(&self, host: Option<&HostName>, words: &[&str]) -> Option<Reply> {
        let checks = match words {
            ["haproxy", "-c", "-f", _] => true,
            ["sh", "-c", script, "runbook", _] => script.contains("haproxy -c -f"),
            _ => false,
        };
        let refuses = self.balancers.iter().any(|b| Some(&b.host) == host && b.refuses_files);
        checks.then(|| match refuses {
            true => Reply::ended(1, "[ALERT] config : parsing error"),
            false => Reply::ok("Configuration file is valid\n"),
        })
    }
}

fn built_in(host: &mut Host, words: &[&str], now: Timestamp) -> Option<Reply> {
    match words {
        ["sh", "-c", script, "runbook", "records", _] => {
            let (code, stdout) = records::answer(host, script, now)?;
            Some(Reply { code, ..Reply::ok(stdout) })
        }
        ["sh", "-c", script, "runbook", name, manager, _] if *script == service::SCRIPT => Some(status(host, name, manager, now)),
        ["sh", "-c", script, "runbook", source, name, _, _, parts @ ..] if *script == facts::SCRIPT => {
            Some(Reply::ok(facts_of(host, source, name, parts)))
        }
        ["sh", "-c", script, "runbook"] if *script == reclaim::PROCESSES => Some(Reply::ok(processes(host))),
        ["test", "-e", path] => Some(Reply::ended(i32::from(!host.files.contains_key(*path)), "")),
        ["rm", "-f", "--", path] => {
            host.files.remove(*path);
            Some(Reply::ok(""))
        }
        ["sync" | "true"] => Some(Reply::ok("")),
        _ => None,
    }
}

/// What `service/status.sh` prints.
fn status(host: &mut Host, name: &str, manager: &str, now: Timestamp) -> Reply {
    let pid = host.next_pid();
    let Some(service) = host.services.get_mut(name) else {
        let text = match manager {
            "sysv" => String::from("manager=sysv\nmissing=yes\nstatus=127\nenabled=no\n"),
            "runit" => format!("manager=runit\nsv=fail: {name}: unable to change to service directory\nenabled=yes\n"),
            _ => String::from("manager=systemd\nLoadState=not-found\nActiveState=inactive\n"),
        };
        return Reply::ok(text);
    };
    if service.start == "flaps" && service.state == "started" {
        // It dies between two looks, and its manager starts it again.
        (service.pid, service.since) = (pid, now);
    }
    let running = service.state == "started";
    let enabled = if service.enabled { "yes" } else { "no" };
    let mut text = match manager {
        "sysv" => format!("manager=sysv\nstatus={}\nenabled={enabled}\n", if running { 0 } else { 3 }),
        "runit" if running => format!(
            "manager=runit\nsv=run: /etc/service/{name}: (pid {}) 9s\nenabled={enabled}\n",
            service.pid
        ),
        "runit" => format!("manager=runit\nsv=down: /etc/service/{name}: 9s\nenabled={enabled}\n"),
        _ => {
            let active = match service.state {
                "started" => "active\nSubState=running\nResult=success",
                "failed" => "failed\nSubState=failed\nResult=exit-code\nExecMainStatus=1",
                _ => "inactive\nSubState=dead\nResult=success",
            };
            let file = if service.enabled { "enabled" } else { "disabled" };
            format!("manager=systemd\nLoadState=loaded\nActiveState={active}\nUnitFileState={file}\nNRestarts=0\n")
        }
    };
    if running {
        // Field 22 of /proc/PID/stat is the start in hundredths of a second; the host has been up for a day more.
        let seconds = |at: Timestamp| (at.0 - super::BEGINNING.0 + 86_400_000) / 10;
        let start = seconds(service.since);
        let uptime = seconds(now);
        let _ = write!(
            text,
            "uptime={}.{:02}\nticks=100\npid={}\nstat=S {}{start} 0\n",
            uptime / 100,
            uptime % 100,
            service.pid,
            "1 ".repeat(18)
        );
    }
    Reply::ok(text)
}

/// What `facts/probe.sh` prints.
fn facts_of(host: &Host, source: &str, name: &str, parts: &[&str]) -> String {
    let kib = |bytes: u64| bytes / 1024;
    let (total, available) = (host.memory_total, host.memory_available.min(host.memory_total));
    let used = total - available;
    let mut text = String::new();
    // Writing into a String cannot fail.
    if source != "none" {
        let (machine, free) = match source {
            // The machine has enough; the limit is what counts.
            "cgroup" | "service" => (total * 4, total * 3),
            _ => (total, available),
        };
        let _ = write!(
            text,
            "@@ meminfo\nMemTotal: {} kB\nMemFree: {} kB\nMemAvailable: {} kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n",
            kib(machine),
            kib(free),
            kib(free)
        );
    }
    if source == "cgroup" {
        let _ = write!(
            text,
            "@@ memory.max\n{total}\n@@ memory.current\n{used}\n@@ memory.stat\ninactive_file 0\n"
        );
    }
    if source == "service" {
        let pid = host.services.get(name).filter(|s| s.state == "started").map_or(0, |s| s.pid);
        let _ = write!(text, "@@ pid\n{pid}\n");
        if pid > 0 {
            let _ = write!(
                text,
                "@@ limits\nMax data size             {total}   unlimited   bytes\n@@ status\nName: {name}\nVmSize: {} kB\nVmData: {} kB\n",
                kib(used),
                kib(used)
            );
        }
    }
    for part in parts {
        let _ = match *part {
            "cpu" => writeln!(text, "@@ cpu\n{}", host.cpus),
            "load" => writeln!(text, "@@ load\n{0:.2} {0:.2} {0:.2} 1/100 4711", host.load),
            "disk" => {
                let rows: String = host.disks.iter().map(|(mount, disk)| disk.row(mount)).collect();
                write!(text, "@@ disk\n{}{rows}", super::disk::DF)
            }
            other => writeln!(text, "@@ {other}"),
        };
    }
    text
}

fn processes(host: &Host) -> String {
    let kib = (host.memory_total - host.memory_available.min(host.memory_total)) / 1024;
    let of = |(name, s): (&String, &super::host::Service)| format!("{} {kib} {name}\n", s.pid);
    let holder = match host.listed.as_ref().map(|l| &l.memory_from) {
        Some(MemoryFrom::Service(name)) => host.services.get_key_value(name),
        _ => host.services.iter().next(),
    };
    holder.map(of).unwrap_or_default()
}
