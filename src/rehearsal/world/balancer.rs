//! A simulated HAProxy: a process that was started with a file, its servers, and the requests of its runtime socket that the pool actions send.
//!
//! Answers look as version 2.6 gives them, reduced to the columns that are read. Health checks: `rise 2`, `fall 3`, as HAProxy's own defaults.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::host::Host;
use crate::action::pool::haproxy::config::Config;
use crate::base::clock::Timestamp;
use crate::base::id::HostName;
use crate::base::value::Value;
use crate::model::inventory::{Inventory, Pool};
use crate::rehearsal::syntax::{FileState, MemberState, PoolState, State};

const RISE: i64 = 2;
const FALL: i64 = 3;
/// New connections a minute of a backend whose test says nothing.
const REQUESTS: u64 = 600;

/// One process on one host.
#[derive(Clone, Debug)]
pub struct Balancer {
    /// Where it runs.
    pub host: HostName,
    /// Its runtime socket.
    pub socket: String,
    /// Its file.
    pub config: String,
    /// Its service.
    pub service: String,
    /// `haproxy -c` refuses every file.
    pub refuses_files: bool,
    pid: u32,
    started: Timestamp,
    backends: Vec<Backend>,
}

#[derive(Clone, Debug)]
struct Backend {
    name: String,
    algorithm: String,
    servers: Vec<Server>,
}

#[derive(Clone, Debug)]
struct Server {
    name: String,
    address: String,
    port: u16,
    /// ready, drain, maint
    state: &'static str,
    /// The file said `disabled`.
    disabled: bool,
    weight: i64,
    initial_weight: i64,
    interval: Duration,
    /// Since its state last changed.
    since: Timestamp,
    /// Since when its health is checked anew.
    checked_since: Timestamp,
    /// Connections while it takes traffic, and how long they last afterwards.
    sessions: i64,
    drains_in: Option<Duration>,
    killed: bool,
    /// Requests a minute while it takes traffic; `None`: an equal share.
    requests: Option<u64>,
    total: f64,
    counted: Timestamp,
}

/// All balancers of an inventory, started with files made from the states, unless a state gives the file.
pub fn all(inventory: &Inventory, states: &[&State], hosts: &mut BTreeMap<HostName, Host>, now: Timestamp) -> Vec<Balancer> {
    let mut balancers: Vec<Balancer> = Vec::new();
    for pool in inventory.pools.values().filter(|p| p.kind == "haproxy") {
        for name in &pool.balancers {
            let Some(host) = hosts.get_mut(name) else { continue };
            if balancers.iter().any(|b| b.host == *name && b.socket == pool.socket) {
                continue;
            }
            let shared = |p: &&Pool| p.balancers.contains(name) && p.socket == pool.socket;
            let file = || FileState {
                content: file(inventory, inventory.pools.values().filter(shared), states),
                mode: 0o644,
                owner: String::from("root"),
                group: String::from("root"),
            };
            let content = host.files.entry(pool.config.clone()).or_insert_with(file).content.clone();
            host.service(&pool.service, now);
            let mut balancer = Balancer {
                host: name.clone(),
                socket: pool.socket.clone(),
                config: pool.config.clone(),
                service: pool.service.clone(),
                refuses_files: false,
                pid: host.next_pid(),
                started: Timestamp(now.0 - 3_600_000),
                backends: Vec::new(),
            };
            balancer.load(&content, Timestamp(now.0 - 3_600_000));
            balancers.push(balancer);
        }
    }
    balancers
}

fn last<T>(states: &[&State], pool: &Pool, get: impl Fn(&PoolState) -> Option<T>) -> Option<T> {
    states.iter().rev().find_map(|s| get(s.pools.get(pool.name.as_str())?))
}

/// A file as a person would write it.
fn file<'p>(inventory: &Inventory, pools: impl Iterator<Item = &'p Pool>, states: &[&State]) -> String {
    let mut text = String::from("global\n  maxconn 2000\n\ndefaults\n  mode http\n\n");
    for pool in pools {
        let algorithm = last(states, pool, |p| p.algorithm.clone()).unwrap_or_else(|| String::from("roundrobin"));
        let (backend, name) = (&pool.backend, &pool.name);
        // Writing into a String cannot fail.
        let _ = write!(
            text,
            "frontend {name}-in\n  bind :80\n  default_backend {backend}\n\nbackend {backend}\n  balance {algorithm}\n  option httpchk\n"
        );
        for member in &pool.members {
            let of = |get: fn(&MemberState) -> Option<Value>| last(states, pool, |p| get(p.members.get(member.host.as_str())?));
            let state = of(|m| m.state.map(Value::text));
            let mark = if state == Some(Value::text("absent")) { "# " } else { "" };
            let weight = of(|m| m.weight.map(Value::Int)).map_or_else(String::new, |w| format!(" weight {w}"));
            let port = inventory
                .hosts
                .get(&member.host)
                .and_then(|h| h.vars.get("http_port")?.as_int())
                .unwrap_or(80);
            let _ = writeln!(text, "  {mark}server {} {}:{port} check{weight}", member.server, member.address);
        }
        text.push('\n');
    }
    text
}

impl Balancer {
    /// Starts a new process with this file: whatever was set at run time is gone.
    fn load(&mut self, content: &str, now: Timestamp) {
        let file = Config::parse(content);
        let names = content.lines().filter_map(|l| {
            let mut words = l.split_whitespace();
            matches!(words.next(), Some("backend" | "listen")).then(|| words.next().map(str::to_owned))?
        });
        let former = std::mem::take(&mut self.backends);
        let known = |backend: &str, server: &str| former.iter().find(|b| b.name == backend)?.servers.iter().find(|s| s.name == server);
        self.backends = names
            .map(|name| {
                let lines = file.servers(&name).into_iter().filter(|l| l.active);
                let servers = lines.map(|line| {
                    let (address, port) = line.address.rsplit_once(':').unwrap_or((&line.address, "80"));
                    let before = known(&name, &line.name);
                    Server {
                        address: address.trim_matches(['[', ']']).to_owned(),
                        port: port.parse().unwrap_or(80),
                        state: if line.disabled { "maint" } else { "ready" },
                        disabled: line.disabled,
                        weight: line.weight,
                        initial_weight: line.weight,
                        interval: line.interval,
                        since: now,
                        checked_since: now,
                        sessions: before.map_or(2, |s| s.sessions),
                        drains_in: before.map_or(Some(Duration::from_secs(3)), |s| s.drains_in),
                        killed: false,
                        requests: before.and_then(|s| s.requests),
                        total: 0.0,
                        counted: now,
                        name: line.name,
                    }
                });
                Backend {
                    algorithm: file.balance(&name).unwrap_or_default(),
                    servers: servers.collect(),
                    name,
                }
            })
            .collect();
        self.started = now;
    }

    /// The service was reloaded or restarted.
    pub fn reload(&mut self, content: &str, pid: u32, now: Timestamp) {
        self.pid = pid;
        self.load(content, now);
    }

    /// The algorithm of a backend, in one word.
    #[must_use]
    pub fn algorithm(&self, backend: &str) -> String {
        let algorithm = self.backends.iter().find(|b| b.name == backend).map_or("", |b| &b.algorithm);
        algorithm.split([' ', '(']).next().unwrap_or_default().to_owned()
    }

    /// State and weight of a server.
    #[must_use]
    pub fn member(&self, backend: &str, server: &str) -> (&'static str, i64) {
        let found = self.backends.iter().find(|b| b.name == backend);
        let found = found.and_then(|b| b.servers.iter().find(|s| s.name == server));
        found.map_or(("absent", 0), |s| (s.state, s.weight))
    }

    fn server(&mut self, backend: &str, server: &str) -> Option<&mut Server> {
        let backend = self.backends.iter_mut().find(|b| b.name == backend)?;
        backend.servers.iter_mut().find(|s| s.name == server)
    }

    /// A server stands as the test says; nobody did that.
    pub fn set(&mut self, backend: &str, server: &str, new: &MemberState, now: Timestamp) {
        self.count(now);
        let long_ago = Timestamp(now.0 - 3_600_000);
        let Some(server) = self.server(backend, server) else { return };
        if let Some(state) = new.state.filter(|s| *s != "absent") {
            (server.state, server.since, server.checked_since) = (state, long_ago, long_ago);
        }
        server.weight = new.weight.unwrap_or(server.weight);
        server.sessions = new.sessions.unwrap_or(server.sessions);
        server.drains_in = new.drains_in.unwrap_or(server.drains_in);
        server.requests = new.requests.or(server.requests);
    }

    /// Adds up what came in since.
    fn count(&mut self, now: Timestamp) {
        for backend in &mut self.backends {
            let serving = backend.servers.iter().filter(|s| s.state == "ready").count().max(1);
            for server in &mut backend.servers {
                let minutes = now.since(server.counted).as_secs_f64() / 60.0;
                if server.state == "ready" {
                    #[allow(clippy::cast_precision_loss)]
                    let rate = server.requests.unwrap_or(REQUESTS / serving as u64) as f64;
                    server.total += rate * minutes;
                }
                server.counted = now;
            }
        }
    }

    /// Changing requests; each answer ends with an empty line.
    pub fn command(&mut self, request: &str, now: Timestamp) -> String {
        self.count(now);
        let commands = request.trim().split(';').map(str::trim).filter(|c| !c.is_empty());
        commands.map(|c| format!("{}\n", self.one(c, now))).collect()
    }

    fn one(&mut self, command: &str, now: Timestamp) -> String {
        let words: Vec<&str> = command.split_whitespace().collect();
        let (path, rest) = match words.as_slice() {
            ["set", "server", path, rest @ ..] => (*path, rest.to_vec()),
            ["shutdown", "sessions", "server", path] => (*path, vec!["kill"]),
            _ => return format!("Unknown command: '{command}'."),
        };
        let (backend, name) = path.split_once('/').unwrap_or((path, ""));
        let Some(server) = self.server(backend, name) else {
            return String::from("No such server.");
        };
        match rest.as_slice() {
            ["state", state] => {
                let Some(state) = ["ready", "drain", "maint"].into_iter().find(|s| s == state) else {
                    return String::from("'set server <srv> state' expects 'ready', 'drain' and 'maint'.");
                };
                if server.state != state {
                    if server.state == "maint" {
                        server.checked_since = now;
                    }
                    (server.state, server.since, server.killed) = (state, now, false);
                }
                String::new()
            }
            ["weight", weight] => {
                let number = match weight.strip_suffix('%') {
                    Some(percent) => percent.parse::<i64>().map(|p| server.initial_weight * p / 100),
                    None => weight.parse(),
                };
                match number {
                    Ok(n) if (0..=256).contains(&n) => server.weight = n,
                    _ => return String::from("Absolute weight can only be between 0 and 256 inclusive."),
                }
                String::new()
            }
            ["kill"] => {
                server.killed = true;
                String::new()
            }
            _ => format!("Unknown command: '{command}'."),
        }
    }

    /// Everything about every server; `up` says whose checks succeed.
    pub fn show(&mut self, now: Timestamp, up: &dyn Fn(&str, &str) -> bool) -> String {
        self.count(now);
        let mut states = String::from(
            "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_time_since_last_change srv_check_state srv_fqdn srv_port\n",
        );
        let mut stats = String::from("# pxname,svname,scur,stot,status,check_status,check_code,check_rise,check_fall,check_health,algo,\n");
        for (b, backend) in self.backends.iter().enumerate() {
            for (i, server) in backend.servers.iter().enumerate() {
                let seen = server.seen(now, up(&backend.name, &server.name));
                let _ = writeln!(
                    states,
                    "{} {} {} {} {} {} {} {} {} {} {} - {}",
                    b + 1,
                    backend.name,
                    i + 1,
                    server.name,
                    server.address,
                    if seen.running { 2 } else { 0 },
                    seen.admin,
                    server.weight,
                    server.initial_weight,
                    now.since(server.since).as_secs(),
                    if server.state == "maint" { 14 } else { 6 },
                    server.port
                );
                #[allow(clippy::cast_possible_truncation)]
                let total = server.total as i64;
                let _ = writeln!(
                    stats,
                    "{},{},{},{total},{},{},{},{RISE},{FALL},{},,",
                    backend.name,
                    server.name,
                    server.sessions(now),
                    seen.status,
                    seen.check,
                    seen.code,
                    seen.health
                );
            }
            let word = backend.algorithm.split([' ', '(']).next().unwrap_or_default();
            let word = if word == "random" { "unknown" } else { word };
            let _ = writeln!(stats, "{},BACKEND,0,0,UP,,,,,,{word},", backend.name);
        }
        let uptime = now.since(self.started).as_secs();
        format!(
            "{states}\n{stats}\nName: HAProxy\nVersion: 2.6.12\nPid: {}\nUptime_sec: {uptime}\n\n",
            self.pid
        )
    }
}

/// A server as the process sees it at a moment.
struct Seen {
    running: bool,
    admin: u32,
    status: &'static str,
    check: &'static str,
    code: &'static str,
    health: i64,
}

impl Server {
    fn sessions(&self, now: Timestamp) -> i64 {
        if self.state == "ready" {
            return self.sessions;
        }
        let over = self.drains_in.is_some_and(|span| now.since(self.since) >= span);
        if over || self.killed { 0 } else { self.sessions }
    }

    fn seen(&self, now: Timestamp, up: bool) -> Seen {
        let remembered = if self.disabled { 4 } else { 0 };
        // Right after a start or maintenance a server counts as up until its first check has been made.
        let checked = now.since(self.checked_since) >= self.interval;
        let (status, admin) = match self.state {
            "maint" => ("MAINT", 1 | remembered),
            "drain" => ("DRAIN", 8 | remembered),
            _ if checked && !up => ("DOWN", remembered),
            _ => ("UP", remembered),
        };
        let (check, code, health) = match (self.state, checked, up) {
            ("maint", ..) => ("", "", 0),
            (_, false, _) => ("INI", "", RISE),
            (_, true, true) => ("L7OK", "200", RISE + FALL - 1),
            (_, true, false) => ("L7STS", "500", 0),
        };
        Seen {
            running: self.state != "maint" && (!checked || up),
            admin,
            status,
            check,
            code,
            health,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::action::pool::haproxy::runtime::{complaints, read_look};

    fn balancer() -> Balancer {
        let mut balancer = Balancer {
            host: HostName::from("lb-01"),
            socket: String::new(),
            config: String::new(),
            service: String::from("haproxy"),
            refuses_files: false,
            pid: 7,
            started: Timestamp(0),
            backends: Vec::new(),
        };
        let file = "backend web\n  balance leastconn\n  server a 10.0.0.1:80 check\n  server b 10.0.0.2:80 check weight 5 disabled\n  # server c 10.0.0.3:80 check\n";
        balancer.load(file, Timestamp(0));
        balancer
    }

    #[test]
    fn its_answers_are_read_as_the_real_ones_are() {
        let mut balancer = balancer();
        let look = read_look(&balancer.show(Timestamp(60_000), &|_, server| server == "a")).unwrap();
        assert_eq!((look.pid, look.uptime_s, look.algorithms["web"].as_str()), (7, 60, "leastconn"));
        let [a, b] = look.servers.as_slice() else { panic!("{look:?}") };
        assert!(a.running && !a.in_maintenance() && a.is_checked() && a.health == a.rise + a.fall - 1);
        assert_eq!((a.sessions, a.total, a.seconds_in_state), (2, 600, 60));
        assert!(b.in_maintenance() && !b.running && b.weight == 5);
    }

    #[test]
    fn requests_change_it_and_a_reload_forgets() {
        let mut balancer = balancer();
        let now = Timestamp(10_000);
        assert_eq!(
            complaints(&balancer.command("set server web/a state drain;set server web/b weight 100%\n", now)),
            None
        );
        assert_eq!((balancer.member("web", "a"), balancer.member("web", "b").1), (("drain", 1), 5));
        let sessions = |b: &mut Balancer, at| read_look(&b.show(Timestamp(at), &|_, _| true)).unwrap().servers[0].sessions;
        assert_eq!((sessions(&mut balancer, 12_000), sessions(&mut balancer, 13_000)), (2, 0));
        assert_eq!(
            complaints(&balancer.command("set server web/z state drain", now)).unwrap(),
            "No such server."
        );
        balancer.reload("backend web\n  balance source\n  server a 10.0.0.1:80 check\n", 8, now);
        assert_eq!((balancer.member("web", "a").0, balancer.member("web", "b").0), ("ready", "absent"));
        assert_eq!(balancer.algorithm("web"), "source");
    }
}
