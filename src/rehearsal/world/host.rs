//! A simulated host: services, memory, files, what its web server answers, and which durable commands it has seen.

use std::collections::BTreeMap;
use std::time::Duration;

use super::database::{Postgres, Proxied};
use super::disk::Disk;
use crate::base::clock::Timestamp;
use crate::model::inventory::{Host as Listed, MemoryFrom};
use crate::model::pool_record::PoolRecord;
use crate::rehearsal::syntax::{Command, FileState, HostState, PackageState, Page};
use crate::transport::{AttemptId, Captured};

/// Bytes.
pub const GIB: u64 = 1024 * 1024 * 1024;

/// A host.
#[derive(Clone, Debug)]
pub struct Host {
    /// As the inventory has it; `None`: the controller.
    pub listed: Option<Listed>,
    /// Nobody can connect.
    pub unreachable: bool,
    /// Until then nobody can connect.
    pub away_until: Timestamp,
    /// By name.
    pub services: BTreeMap<String, Service>,
    /// By name.
    pub packages: BTreeMap<String, PackageState>,
    /// Bytes.
    pub memory_total: u64,
    /// Bytes.
    pub memory_available: u64,
    /// By path.
    pub files: BTreeMap<String, FileState>,
    /// Answers of programs, and how often each was given.
    pub commands: Vec<(Command, u32)>,
    /// By `/path` or `:8080/path`.
    pub http: BTreeMap<String, Page>,
    /// Further ports.
    pub ports: Vec<u16>,
    /// By mount.
    pub disks: BTreeMap<String, Disk>,
    /// What apt keeps, bytes; `None`: the test file says nothing of it.
    pub package_cache: Option<u64>,
    /// The database server.
    pub postgres: Option<Postgres>,
    /// Databases of its PgBouncer.
    pub pgbouncer: BTreeMap<String, Proxied>,
    /// Over one minute.
    pub load: f64,
    /// Processors.
    pub cpus: u64,
    /// Records of the pools that it keeps.
    pub records: BTreeMap<String, Records>,
    /// Durable commands: never to start, or how they ended and when.
    pub attempts: BTreeMap<AttemptId, Option<(Timestamp, Captured)>>,
    next_pid: u32,
}

/// What a balancer keeps of a pool.
#[derive(Clone, Debug, Default)]
pub struct Records {
    /// The last lease.
    pub lease: Option<PoolRecord>,
    /// By the balancer's name of the member, as in a file's name.
    pub taken: BTreeMap<String, PoolRecord>,
}

/// A service.
#[derive(Clone, Debug)]
pub struct Service {
    /// started, stopped, failed
    pub state: &'static str,
    /// Starts at boot.
    pub enabled: bool,
    /// works, fails, flaps
    pub start: &'static str,
    /// Its main process.
    pub pid: u32,
    /// Since when.
    pub since: Timestamp,
    /// What is different after each start.
    pub after_start: Option<Box<HostState>>,
    /// What is different after each reload.
    pub after_reload: Option<Box<HostState>>,
}

impl Host {
    /// A host that has nothing but itself.
    #[must_use]
    pub fn new(listed: &Listed, now: Timestamp) -> Host {
        let mut host = Host::controller(now);
        // A host whose memory is that of a service has that service.
        if let MemoryFrom::Service(name) = &listed.memory_from {
            host.service(name, now);
        }
        host.listed = Some(listed.clone());
        host
    }

    /// The machine that runs `runbook`.
    #[must_use]
    pub fn controller(_now: Timestamp) -> Host {
        Host {
            listed: None,
            unreachable: false,
            away_until: Timestamp(0),
            services: BTreeMap::new(),
            packages: BTreeMap::new(),
            memory_total: 4 * GIB,
            memory_available: 2 * GIB,
            files: BTreeMap::new(),
            commands: Vec::new(),
            http: BTreeMap::new(),
            ports: Vec::new(),
            disks: BTreeMap::from([(String::from("/"), Disk::default())]),
            package_cache: None,
            postgres: None,
            pgbouncer: BTreeMap::new(),
            load: 0.5,
            cpus: 2,
            records: BTreeMap::new(),
            attempts: BTreeMap::new(),
            next_pid: 1000,
        }
    }

    /// Changes what a state names.
    pub fn overlay(&mut self, new: &HostState, now: Timestamp) {
        self.unreachable = new.unreachable.unwrap_or(self.unreachable);
        self.memory_total = new.memory_total.unwrap_or(self.memory_total);
        self.memory_available = new.memory_available.unwrap_or(self.memory_available);
        self.load = new.load.unwrap_or(self.load);
        self.cpus = new.cpus.unwrap_or(self.cpus);
        if let Some(ports) = &new.ports {
            self.ports.clone_from(ports);
        }
        for (name, new) in &new.services {
            let service = self.service(name, now);
            service.state = new.state.unwrap_or(service.state);
            service.enabled = new.enabled.unwrap_or(service.enabled);
            service.start = new.start.unwrap_or(service.start);
            if new.after_start.is_some() {
                service.after_start.clone_from(&new.after_start);
            }
            if new.after_reload.is_some() {
                service.after_reload.clone_from(&new.after_reload);
            }
        }
        for (name, new) in &new.packages {
            self.packages.entry(name.clone()).or_default().overlay(new);
        }
        for (path, file) in &new.files {
            match file {
                Some(file) => self.files.insert(path.clone(), file.clone()),
                None => self.files.remove(path),
            };
        }
        self.http.extend(new.http.clone());
        self.overlay_disks(&new.stores);
        self.overlay_databases(&new.stores, now);
        // The newer answer is asked first.
        self.commands.splice(0..0, new.commands.iter().map(|c| (c.clone(), 0)));
    }

    /// The service of that name; made if it is not there, as one that has been running for an hour.
    pub fn service(&mut self, name: &str, now: Timestamp) -> &mut Service {
        let pid = self.next_pid();
        self.services.entry(name.to_owned()).or_insert_with(|| Service {
            state: "started",
            enabled: true,
            start: "works",
            pid,
            since: Timestamp(now.0 - 3_600_000),
            after_start: None,
            after_reload: None,
        })
    }

    /// A process number that no process had.
    pub fn next_pid(&mut self) -> u32 {
        self.next_pid += 1;
        self.next_pid
    }

    /// Whether anybody can connect now.
    #[must_use]
    pub fn reachable(&self, now: Timestamp) -> bool {
        !self.unreachable && now >= self.away_until
    }

    /// Nobody can connect for so long.
    pub fn goes_away(&mut self, now: Timestamp, span: Duration) {
        self.away_until = self.away_until.max(now.after(span));
    }

    /// What the web server answers there; `None`: no such page.
    #[must_use]
    pub fn page(&self, port: u16, path: &str) -> Option<&Page> {
        let path = path.split('?').next().unwrap_or(path);
        self.http.get(&format!(":{port}{path}")).or_else(|| self.http.get(path))
    }

    /// Whether something listens on a port.
    #[must_use]
    pub fn listens(&self, port: u16) -> bool {
        let on_port = |key: &String| match key.strip_prefix(':').and_then(|k| k.split('/').next()) {
            Some(number) => number.parse() == Ok(port),
            // A page without a port is on whatever port the runbook asks.
            None => true,
        };
        self.ports.contains(&port) || self.http.keys().any(on_port)
    }

    /// Starts, stops, restarts or reloads a service; `Err`: what its manager says.
    pub fn drive(&mut self, name: &str, verb: &str, now: Timestamp) -> Result<(), String> {
        if !self.services.contains_key(name) {
            return Err(format!("Unit {name}.service not found."));
        }
        let pid = self.next_pid();
        let service = self.service(name, now);
        let after = match verb {
            "stop" => {
                service.state = "stopped";
                None
            }
            "start" if service.state == "started" => None,
            "start" | "restart" => {
                (service.pid, service.since) = (pid, now);
                service.state = if service.start == "fails" { "failed" } else { "started" };
                if service.start == "fails" {
                    return Err(format!(
                        "Job for {name}.service failed because the control process exited with error code."
                    ));
                }
                // What dies over and over never gets as far as to serve.
                service.after_start.clone().filter(|_| service.start != "flaps")
            }
            "reload" if service.state == "started" => service.after_reload.clone(),
            "reload" => return Err(format!("{name}.service is not active, cannot reload.")),
            "enable" | "disable" => {
                service.enabled = verb == "enable";
                None
            }
            _ => return Err(format!("Unknown command verb {verb}.")),
        };
        if let Some(after) = after {
            self.overlay(&after, now);
        }
        Ok(())
    }
}
