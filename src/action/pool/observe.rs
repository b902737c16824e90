//! Looks at a pool: which operations, and what their outputs say. The same for every pool action, so one look serves all.

use super::haproxy::config::Config;
use super::haproxy::runtime::{self, Look};
use super::state::{Balancer, Elsewhere, File, Health, Member, Pool, Process, State};
use super::target::{BalancerHost, Target};
use crate::base::id::HostName;
use crate::base::value::Value;
use crate::model::action::{Observation, ReadError};
use crate::model::operation::{Act, Identity, Operation, Output, Target as Place};
use crate::model::pool_record::{self, PoolRecords};

/// Per balancer its runtime socket and its file; then the records of the first balancer.
#[must_use]
pub fn operations(target: &Target) -> Vec<Operation> {
    let mut operations = Vec::new();
    for balancer in &target.balancers {
        operations.push(target.socket(balancer, runtime::LOOK, true));
        let path = target.pool.config.clone();
        operations.push(balancer.operation(Act::ReadFile { path }, target.timeout));
    }
    let pool = target.pool.name.as_str();
    let argv = ["sh", "-c", &pool_record::read_script(pool), "runbook", "records", pool];
    operations.push(Operation {
        target: Place::Host(target.balancers[0].host.clone()),
        run_as: Identity::Login,
        act: Act::Probe {
            argv: argv.map(str::to_owned).to_vec(),
            stdin: Default::default(),
            env: Default::default(),
        },
        timeout: target.timeout,
    });
    operations
}

/// Facts from the outputs of [`operations`].
///
/// # Errors
/// A balancer that does not answer, or not in words that are understood.
pub fn read(target: &Target, outputs: &[Output]) -> Result<Observation, ReadError> {
    let expected = target.balancers.len() * 2 + 1;
    if outputs.len() != expected {
        return Err(ReadError::new(format!("expected {expected} outputs, found {}", outputs.len())));
    }
    let records = read_records(target, &outputs[expected - 1])?;
    let balancers = target.balancers.iter().zip(outputs.chunks(2));
    let pool = Pool {
        balancers: balancers
            .map(|(balancer, outputs)| read_balancer(target, balancer, outputs, &records))
            .collect::<Result<_, _>>()?,
    };
    let mut facts = pool.facts(target);
    let lease = records.lease.map_or(Value::Null, |lease| {
        Value::from_json(&serde_json::to_value(lease).expect("a record becomes JSON"))
    });
    facts.set(target.key("lease"), lease);
    Ok(facts)
}

/// Clears `owned` of members that this run itself took out: `owned` means that somebody else wants it out.
pub fn forget_own(facts: &mut Observation, run: &str) {
    for (key, value) in &mut facts.0 {
        let Value::Map(fields) = value else { continue };
        if key.path.contains("member/") && fields.get("owner_run").and_then(Value::as_text) == Some(run) {
            fields.insert(String::from("owned"), Value::Bool(false));
            fields.insert(String::from("owner"), Value::text(""));
            fields.insert(String::from("owner_run"), Value::text(""));
        }
    }
}

fn read_records(target: &Target, output: &Output) -> Result<PoolRecords, ReadError> {
    let host = &target.balancers[0].host;
    match output {
        Output::Exited { code: 0, stdout, .. } => pool_record::parse_records(stdout).map_err(|e| ReadError::new(format!("{host}: {e}"))),
        Output::Exited { stderr, .. } => Err(ReadError::new(format!(
            "{host}: cannot read the records of pool `{}`: {}",
            target.pool.name,
            crate::base::sanitise::one_line(stderr, 200)
        ))),
        other => Err(unexpected(host, "the pool's records", other)),
    }
}

fn read_balancer(target: &Target, balancer: &BalancerHost, outputs: &[Output], records: &PoolRecords) -> Result<Balancer, ReadError> {
    let host = &balancer.host;
    let look = match &outputs[0] {
        Output::Answer { text } => runtime::read_look(text).map_err(|e| ReadError::new(format!("{host}: {e}")))?,
        other => return Err(unexpected(host, &format!("an answer from {}", target.pool.socket), other)),
    };
    let file = match &outputs[1] {
        Output::File { content, utf8, .. } => File {
            present: true,
            utf8: *utf8,
            content: content.clone(),
        },
        Output::NoFile => File::default(),
        other => return Err(unexpected(host, &target.pool.config, other)),
    };
    let backend = &target.pool.backend;
    let config = Config::parse(&file.content);
    let Some(running) = look.algorithms.get(backend) else {
        return Err(ReadError::new(format!(
            "{host}: HAProxy has no backend `{backend}` (it has {})",
            look.algorithms.keys().cloned().collect::<Vec<_>>().join(", ")
        )));
    };
    Ok(Balancer {
        host: host.clone(),
        algorithm: algorithm(running, &config, backend),
        members: members(target, &look, &config, records),
        elsewhere: look.servers.iter().filter(|s| s.backend != *backend).map(elsewhere).collect(),
        process: Process {
            pid: Some(look.pid),
            uptime_s: Some(look.uptime_s),
            paused: look.paused,
        },
        file,
    })
}

/// HAProxy shows `unknown` for `random`.
fn algorithm(running: &str, config: &Config, backend: &str) -> String {
    let file = config.balance(backend).unwrap_or_default();
    if running == "unknown" && file.starts_with("random") {
        return String::from("random");
    }
    running.to_owned()
}

fn members(target: &Target, look: &Look, config: &Config, records: &PoolRecords) -> std::collections::BTreeMap<String, Member> {
    let backend = &target.pool.backend;
    let inventory = target
        .pool
        .members
        .iter()
        .map(|m| (m.host.to_string(), m.server.clone(), m.address.clone()));
    let mut wanted: Vec<(String, String, String)> = inventory.collect();
    let active = config
        .servers(backend)
        .into_iter()
        .filter(|s| s.active)
        .map(|s| (s.name, s.address));
    let running = look
        .servers
        .iter()
        .filter(|s| s.backend == *backend)
        .map(|s| (s.name.clone(), s.address.clone()));
    for (server, address) in running.chain(active) {
        if !wanted.iter().any(|(_, known, _)| *known == server) {
            let taken = wanted.iter().any(|(name, _, _)| *name == server);
            let name = if taken { format!("{server} (balancer)") } else { server.clone() };
            wanted.push((name, server, address));
        }
    }
    let build = |(name, server, address): (String, String, String)| {
        let member = member(&name, server, address, (look, config, backend), records);
        (name, member)
    };
    wanted.into_iter().map(build).collect()
}

fn member(name: &str, server: String, address: String, seen: (&Look, &Config, &String), records: &PoolRecords) -> Member {
    let (look, config, backend) = seen;
    let configured = config.server(backend, &server).is_some_and(|line| line.active) || config.from_template(backend, &server);
    let record = records.taken.iter().find(|(taken, _)| *taken == server).map(|(_, record)| record);
    let mut member = Member {
        name: name.to_owned(),
        address,
        configured,
        state: State::Absent,
        sessions: Some(0),
        seconds_in_state: Some(0),
        check: Some(String::new()),
        health: Some(Health::default()),
        owned: record.is_some(),
        owner: record.map(|r| format!("{}: {}", r.owner, r.what)).unwrap_or_default(),
        owner_run: record.map(|r| r.run.clone()).unwrap_or_default(),
        server,
        ..Member::default()
    };
    if let Some(running) = look.servers.iter().find(|s| s.backend == *backend && s.name == member.server) {
        fill(&mut member, running);
    }
    member
}

fn fill(member: &mut Member, running: &runtime::Server) {
    member.up = running.running;
    member.state = state(running);
    member.weight = running.weight;
    member.initial_weight = running.initial_weight;
    member.sessions = Some(running.sessions);
    member.seconds_in_state = Some(running.seconds_in_state);
    let code = if running.check_code.is_empty() { "" } else { "/" };
    member.check = Some(format!("{}{code}{}", running.check, running.check_code));
    member.checked = running.is_checked();
    member.check_off = running.check_switched_off();
    member.health = Some(Health {
        value: running.health,
        rise: running.rise,
        fall: running.fall,
        checking: running.check_in_progress(),
    });
    member.endpoint = endpoint(running);
    member.resolved = running.fqdn != "-";
}

fn elsewhere(running: &runtime::Server) -> Elsewhere {
    Elsewhere {
        backend: running.backend.clone(),
        server: running.name.clone(),
        state: state(running),
        weight: running.weight,
        initial_weight: running.initial_weight,
        check_off: running.check_switched_off(),
        endpoint: endpoint(running),
        resolved: running.fqdn != "-",
    }
}

fn endpoint(running: &runtime::Server) -> String {
    format!("{}:{}", running.address, running.port)
}

fn state(running: &runtime::Server) -> State {
    match running {
        s if s.in_maintenance() => State::Maint,
        s if s.draining() => State::Drain,
        _ => State::Ready,
    }
}

fn unexpected(host: &HostName, what: &str, output: &Output) -> ReadError {
    match output {
        Output::Failed(trouble) => ReadError {
            message: format!("{host}: {}", trouble.message),
            trouble: Some(trouble.kind),
        },
        _ => ReadError::new(format!("{host}: expected {what}, found another kind of output")),
    }
}
