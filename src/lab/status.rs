//! How a fleet is, seen without the product.

use std::fmt;
use std::net::SocketAddr;

use serde::Serialize;

use super::balancer::Member;
use super::fleet::Fleet;
use super::layout::LB;
use super::memory::Memory;
use super::sshd;

/// State of a whole fleet.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// `runbook.lab-status/1`.
    pub schema: &'static str,
    /// The fleet's directory.
    pub dir: String,
    /// The inventory to give to `runbook -i`.
    pub inventory: String,
    /// Where users find the site.
    pub site: String,
    /// What the site answers: a status code or an error.
    pub site_answers: String,
    /// Every host.
    pub hosts: Vec<HostStatus>,
    /// What HAProxy says of the pool; absent when its socket does not answer.
    pub pool: Option<Vec<Member>>,
}

/// State of one host.
#[derive(Clone, Debug, Serialize)]
pub struct HostStatus {
    /// Its name.
    pub name: String,
    /// Address and port of sshd.
    pub ssh: String,
    /// `up` or `down`.
    pub sshd: &'static str,
    /// `app` or `haproxy`.
    pub service: &'static str,
    /// The service's main process, absent when it does not run.
    pub service_pid: Option<u32>,
    /// What `/health` answers, for a web server.
    pub health: Option<String>,
    /// Memory of the service, where it is limited.
    pub memory: Option<Memory>,
}

impl Fleet {
    /// Looks at everything.
    #[must_use]
    pub fn status(&self) -> Status {
        let hosts = self.state.hosts.iter().map(|host| {
            let service = if host.name == LB { "haproxy" } else { "app" };
            let process = self.service_process(&host.name, service);
            let at = SocketAddr::from((host.address, self.state.ssh_port));
            HostStatus {
                name: host.name.clone(),
                ssh: at.to_string(),
                sshd: if sshd::greets(at).is_ok() { "up" } else { "down" },
                service,
                service_pid: process.map(|p| p.pid),
                health: (host.name != LB).then(|| {
                    self.ask(&host.name, "/health")
                        .map_or_else(|_| String::from("no answer"), |a| a.status.to_string())
                }),
                memory: process.filter(|_| host.name != LB).and_then(|p| Memory::of(p.pid)),
            }
        });
        let answers = super::http::get(self.site(), "/", std::time::Duration::from_secs(2));
        Status {
            schema: "runbook.lab-status/1",
            dir: self.layout.dir().display().to_string(),
            inventory: self.inventory().display().to_string(),
            site: self.balancer_url(),
            site_answers: answers.map_or_else(|e| e.to_string(), |a| a.status.to_string()),
            hosts: hosts.collect(),
            pool: self.members().ok(),
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "fleet      {}", self.dir)?;
        writeln!(f, "inventory  {}", self.inventory)?;
        writeln!(f, "site       {}/  answers {}", self.site, self.site_answers)?;
        writeln!(
            f,
            "\n{:<8} {:<22} {:<6} {:<14} {:<10} MEMORY FREE",
            "HOST", "SSH", "SSHD", "SERVICE", "HEALTH"
        )?;
        for host in &self.hosts {
            let service = host
                .service_pid
                .map_or_else(|| format!("{} down", host.service), |pid| format!("{} {pid}", host.service));
            let memory = host.memory.map_or_else(
                || String::from("-"),
                |m| format!("{:.0} % of {} MiB", m.available_percent(), m.total_bytes / 1024 / 1024),
            );
            let health = host.health.as_deref().unwrap_or("-");
            writeln!(
                f,
                "{:<8} {:<22} {:<6} {service:<14} {health:<10} {memory}",
                host.name, host.ssh, host.sshd
            )?;
        }
        let Some(pool) = &self.pool else {
            return writeln!(f, "\nHAProxy's runtime socket does not answer");
        };
        writeln!(f, "\n{:<8} {:<10} {:<8} REQUESTS", "MEMBER", "STATUS", "WEIGHT")?;
        for member in pool {
            writeln!(
                f,
                "{:<8} {:<10} {:<8} {}",
                member.name, member.status, member.weight, member.requests
            )?;
        }
        Ok(())
    }
}
