//! Changes of a balancer's file, its reload, and what must be carried over a reload: HAProxy forgets every state and weight set at run time,
//! in every backend of the process.
//!
//! May assume that the records were just observed. Nothing is performed here.

use core::net::IpAddr;
use std::time::Duration;

use super::haproxy::config::{Config, Server};
use super::haproxy::is_name;
use super::state::{Balancer, Pool, State};
use super::target::{BalancerHost, Target};
use crate::action::file::sha256;
use crate::model::operation::{Act, Identity, Operation, PutFile};

/// A new process needs a moment until it listens on the runtime socket; the second sending is for a process that needs longer.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(2)];

/// Finds out how services are managed. Reached only where the inventory does not say `service_manager`.
const RELOAD: &str = r#"if [ -d /run/systemd/system ]; then exec systemctl reload "$1"; fi
if command -v sv >/dev/null 2>&1 && [ -e "${SVDIR:-/etc/service}/$1" ]; then exec sv reload "$1"; fi
exec service "$1" reload"#;

/// A login user's PATH often lacks the folder that `haproxy` is in.
const CHECK: &str = r#"PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"; exec haproxy -c -f "$1""#;

/// Puts the new file in place after `haproxy -c` has accepted it, unless somebody changed it in the meantime.
#[must_use]
pub fn put_file(target: &Target, host: &BalancerHost, before: &str, after: &str) -> Operation {
    let put = PutFile {
        path: target.pool.config.clone(),
        content: after.to_owned(),
        validate: Some(check_argv(host, "{{file}}")),
        backup: true,
        expect: Some(sha256(before)),
        ..PutFile::default()
    };
    host.operation(Act::PutFile(put), target.timeout)
}

/// Checks the file that is in place: a guard before a reload that follows no edit.
#[must_use]
pub fn check_file(target: &Target, host: &BalancerHost) -> Operation {
    let argv = check_argv(host, &target.pool.config);
    host.operation(
        Act::Probe {
            argv,
            stdin: Default::default(),
            env: Default::default(),
        },
        target.timeout,
    )
}

/// Reloads the balancer's service, then brings its new process to the states and weights of `after`.
#[must_use]
pub fn reload(target: &Target, host: &BalancerHost, after: &Balancer) -> Vec<Operation> {
    let act = Act::Run {
        argv: reload_argv(host, &target.pool.service),
        stdin: Default::default(),
        env: Default::default(),
        cwd: None,
    };
    let mut operations = vec![host.operation(act, target.timeout)];
    let commands = restore(target, after);
    if !commands.is_empty() {
        for pause in PAUSES {
            operations.push(target.pause(pause));
            operations.push(target.socket(host, &commands.join(";"), false));
        }
    }
    operations
}

/// First every guard, then every file, then reloads and requests: what one balancer refuses must not leave another one changed.
#[must_use]
pub fn in_order(mut operations: Vec<Operation>) -> Vec<Operation> {
    operations.sort_by_key(|operation| match operation.act {
        Act::Probe { .. } | Act::Http { .. } => 0,
        Act::PutFile(_) => 1,
        _ => 2,
    });
    operations
}

/// What the running process has, a reload of this file would lose, and nobody could bring back.
#[must_use]
pub fn obstacles(target: &Target, running: &Balancer, after: &Balancer) -> Vec<String> {
    let file = Config::parse(&after.file.content);
    let own = running.members.values().filter(|m| m.state != State::Absent);
    let own = own.map(|m| {
        (
            target.pool.backend.as_str(),
            m.server.as_str(),
            m.endpoint.as_str(),
            m.resolved,
            m.check_off,
        )
    });
    let others = running.elsewhere.iter();
    let others = others.map(|e| (e.backend.as_str(), e.server.as_str(), e.endpoint.as_str(), e.resolved, e.check_off));
    let mut found = Vec::new();
    for (backend, server, endpoint, resolved, check_off) in own.chain(others) {
        let line = file.server(backend, server).filter(|line| line.active);
        if line.is_none() && !file.from_template(backend, server) {
            found.push(format!("server {backend}/{server} is in the running process and not in the file"));
        }
        if !resolved && line.is_some_and(|line| moved(&line, endpoint)) {
            found.push(format!("server {backend}/{server} was moved to {endpoint} at run time"));
        }
        if check_off {
            found.push(format!("the health check of {backend}/{server} was switched off at run time"));
        }
        if !is_name(backend) || !is_name(server) {
            found.push(format!(
                "server {}/{} has an unusual name",
                backend.escape_default(),
                server.escape_default()
            ));
        }
    }
    found.extend(
        running
            .process
            .paused
            .iter()
            .map(|frontend| format!("frontend {frontend} was paused at run time")),
    );
    let uses = after
        .members
        .values()
        .filter(|m| m.state != State::Absent && !can_weigh(&file, &target.pool.backend, after, &m.server, m.weight));
    found.extend(uses.map(|m| {
        format!(
            "{} has weight {} at run time, which `{}` cannot take",
            m.server, m.weight, after.algorithm
        )
    }));
    found
}

/// Commands that bring a process just started with the file of `after` to the states and weights of `after`.
#[must_use]
pub fn restore(target: &Target, after: &Balancer) -> Vec<String> {
    let file = Config::parse(&after.file.content);
    let own = after.members.values().filter(|m| m.state != State::Absent);
    let own = own.map(|m| (target.pool.backend.as_str(), m.server.as_str(), m.state, m.weight, m.initial_weight));
    let others = after.elsewhere.iter();
    let others = others.map(|e| (e.backend.as_str(), e.server.as_str(), e.state, e.weight, e.initial_weight));
    let mut commands = Vec::new();
    for (backend, server, state, weight, initial) in own.chain(others) {
        let line = file.server(backend, server);
        // From a stored state file, or for a template's servers, the process may start otherwise than the line says.
        let sure = !file.loads_state(backend) && !file.from_template(backend, server);
        let starts = if line.as_ref().is_some_and(|l| l.disabled) {
            State::Maint
        } else {
            State::Ready
        };
        let starts_with = line.map_or(initial, |l| l.weight);
        if weight != starts_with || !sure {
            commands.push(weight_command(backend, server, weight, starts_with));
        }
        if state != starts || !sure {
            commands.push(format!("set server {backend}/{server} state {}", state.word()));
        }
    }
    commands
}

/// Static algorithms take only 0 % and 100 %; the others take them too.
#[must_use]
pub fn weight_command(backend: &str, server: &str, weight: i64, of_file: i64) -> String {
    match weight {
        0 => format!("set server {backend}/{server} weight 0%"),
        same if same == of_file => format!("set server {backend}/{server} weight 100%"),
        other => format!("set server {backend}/{server} weight {other}"),
    }
}

/// Whether a process with this file and the algorithm of `after` can give a server that weight at run time.
#[must_use]
pub fn can_weigh(file: &Config, backend: &str, after: &Balancer, server: &str, weight: i64) -> bool {
    let word = algorithm_word(&after.algorithm);
    let hashes = ["source", "uri", "url_param", "hdr", "rdp-cookie"].contains(&word);
    let fixed = word == "static-rr" || (hashes && !file.hashes_consistently(backend));
    !fixed || weight == 0 || file.server(backend, server).is_none_or(|line| line.weight == weight)
}

/// `hdr(Host)` and `uri depth 2` as the process names them: `hdr`, `uri`.
#[must_use]
pub fn algorithm_word(algorithm: &str) -> &str {
    algorithm.split([' ', '(', '\t']).next().unwrap_or(algorithm)
}

/// What a reload leaves open: the process, and since when its servers have their states.
pub fn expect_new_process(after: &mut Balancer, backend: &str) {
    let file = Config::parse(&after.file.content);
    after.process.pid = None;
    after.process.uptime_s = None;
    for member in after.members.values_mut().filter(|m| m.state != State::Absent) {
        member.seconds_in_state = None;
        member.check = None;
        member.health = None;
        if let Some(line) = file.server(backend, &member.server) {
            member.initial_weight = line.weight;
        }
    }
    for other in &mut after.elsewhere {
        if let Some(line) = file.server(&other.backend, &other.server) {
            other.initial_weight = line.weight;
        }
    }
}

/// What people must know of a reload: servers that are back in service until they are taken out again a moment later.
#[must_use]
pub fn gap(target: &Target, after: &Pool) -> Option<String> {
    let mut out: Vec<String> = Vec::new();
    for balancer in &after.balancers {
        let file = Config::parse(&balancer.file.content);
        if !file.loads_state(&target.pool.backend) {
            let taken = restore(target, balancer)
                .into_iter()
                .filter(|c| c.ends_with(" drain") || c.ends_with(" maint"));
            out.extend(taken.filter_map(|c| Some(c.split(' ').nth(2)?.to_owned())));
        }
    }
    out.sort();
    out.dedup();
    let moment = "for about a second after the reload, until its state is set again";
    (!out.is_empty()).then(|| format!("{} takes traffic {moment}: HAProxy keeps no state file", out.join(", ")))
}

fn moved(line: &Server, endpoint: &str) -> bool {
    let address = line.address.trim_start_matches("ipv4@").trim_start_matches("ipv6@");
    let Some((host, port)) = address.rsplit_once(':') else {
        return false;
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    // A name, a variable or a port taken from the client cannot be compared.
    match (host.parse::<IpAddr>(), port.parse::<u16>()) {
        // Empty: predicted, so it is what the file says.
        (Ok(host), Ok(port)) => !endpoint.is_empty() && endpoint != format!("{host}:{port}"),
        _ => false,
    }
}

fn check_argv(host: &BalancerHost, file: &str) -> Vec<String> {
    let argv: Vec<&str> = match host.run_as {
        Identity::Login => vec!["sh", "-c", CHECK, "runbook", file],
        // Rules for sudo name a program, not a shell.
        Identity::User(_) => vec!["haproxy", "-c", "-f", file],
    };
    argv.into_iter().map(str::to_owned).collect()
}

fn reload_argv(host: &BalancerHost, service: &str) -> Vec<String> {
    let in_dir = host
        .service_dir
        .as_ref()
        .map(|dir| format!("{}/{service}", dir.trim_end_matches('/')));
    let argv: Vec<&str> = match host.service_manager.as_deref() {
        Some("systemd") => vec!["systemctl", "reload", service],
        Some("runit") => vec!["sv", "reload", in_dir.as_deref().unwrap_or(service)],
        Some("sysv") => vec!["service", service, "reload"],
        _ => vec!["sh", "-c", RELOAD, "runbook", service],
    };
    argv.into_iter().map(str::to_owned).collect()
}
