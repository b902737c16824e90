//! Breaks a fleet in the ways that the shipped runbooks repair.
//!
//! Every incident ends in a state that was seen, not assumed: the site is really down, the process is really at its limit.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::app::{SESSION_BYTES, SESSIONS};
use super::fleet::Fleet;
use super::layout::{LB, MASTER, POOL, write_private};
use super::lock::lock;
use super::memory::Memory;
use super::{LabError, balancer, deadline, http, service, sshd};

const PATIENCE: Duration = Duration::from_secs(2);
/// Requests in a row that must fail before the site counts as down.
const FAILURES: u32 = 20;

/// An incident to practise on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::Subcommand)]
pub enum Incident {
    /// All servers but web-01 are out of the pool, web-01 is out of memory, users get errors
    OomMaster {
        /// How the other servers are out of the pool
        #[arg(long, value_enum, default_value_t = Variant::Runtime)]
        variant: Variant,
        /// The algorithm that the configuration holds instead of round-robin
        #[arg(long, value_enum, default_value_t = Balance::Source)]
        balance: Balance,
        /// The balancer's check passes although users get 500
        #[arg(long)]
        shallow_health: bool,
    },
    /// A file name is misspelt in the web application's configuration on all web servers
    MisspeltConfig,
    /// Nearly all requests go to web-01 (algorithm and weights)
    Imbalance,
    /// HAProxy is stopped
    HaproxyDown,
    /// HAProxy's runtime socket cannot be used
    SocketDenied,
    /// HAProxy's configuration file is invalid while the old process still runs
    BadConfigOnDisk,
    /// web-01 has another host key than the known one
    HostKeyChanged,
    /// web-01 cannot be reached over SSH
    HostDown,
    /// web-02 was taken out of the pool and forgotten; users notice nothing
    ForgottenDrain,
}

/// How a server is out of the pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Variant {
    /// Set to maintenance over the runtime socket
    #[default]
    Runtime,
    /// Its line in the configuration file is commented out
    Config,
}

/// Algorithms that do not share load by turns, or that the runtime cannot weigh.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Balance {
    /// By the client's address
    #[default]
    Source,
    /// Round-robin with weights that only the file can change
    StaticRr,
    /// The first server until it is full
    First,
}

impl Balance {
    /// HAProxy's word for it.
    #[must_use]
    pub fn keyword(self) -> &'static str {
        match self {
            Balance::Source => "source",
            Balance::StaticRr => "static-rr",
            Balance::First => "first",
        }
    }
}

impl Fleet {
    /// Breaks the fleet and says in sentences what is broken now.
    ///
    /// # Errors
    /// The fleet cannot be brought into that state, for instance because another incident already holds.
    pub fn break_it(&mut self, incident: Incident) -> Result<Vec<String>, LabError> {
        let _lock = lock(&self.layout)?;
        match incident {
            Incident::OomMaster {
                variant,
                balance,
                shallow_health,
            } => self.out_of_memory(variant, balance, shallow_health),
            Incident::MisspeltConfig => self.misspelt_config(),
            Incident::Imbalance => self.imbalance(),
            Incident::HaproxyDown => self.haproxy_down(),
            Incident::SocketDenied => self.socket_denied(),
            Incident::BadConfigOnDisk => self.bad_config_on_disk(),
            Incident::HostKeyChanged => self.host_key_changed(),
            Incident::HostDown => self.host_down(),
            Incident::ForgottenDrain => self.forgotten_drain(),
        }
    }

    fn out_of_memory(&mut self, variant: Variant, balance: Balance, shallow: bool) -> Result<Vec<String>, LabError> {
        let others = self.others()?;
        self.edit_config(|text| {
            let mut text = balancer::set_balance(text, balance.keyword());
            if shallow {
                text = balancer::set_check(&text, "/alive");
            }
            if variant == Variant::Config {
                text = others.iter().fold(text, |text, other| balancer::comment_out(&text, other));
            }
            text
        })?;
        self.reload()?;
        if variant == Variant::Runtime {
            for other in &others {
                self.set_state(other, "maint")?;
            }
        }
        let requests = self.fill_memory()?;
        self.wait_down(if shallow { "UP" } else { "DOWN" })?;
        let available = self
            .service_process(MASTER, "app")
            .and_then(|p| Memory::of(p.pid))
            .map_or(0.0, |m| m.available_percent());
        let out = match variant {
            Variant::Runtime => "in maintenance at run time",
            Variant::Config => "commented out in haproxy.cfg",
        };
        let check = if shallow { "still passes" } else { "fails" };
        Ok(vec![
            format!("{} out of the pool: {out}", others.join(", ")),
            format!("{MASTER} took all traffic and ran out of memory after {requests} log-ins: {available:.1} % available"),
            format!(
                "the balancer uses `balance {}`, its health check of {MASTER} {check}",
                balance.keyword()
            ),
            format!("every request to {}/ fails", self.balancer_url()),
        ])
    }

    /// Users log in through the balancer until the master cannot keep another session.
    fn fill_memory(&self) -> Result<u64, LabError> {
        let most = (service::APP_LIMIT_BYTES / SESSION_BYTES as u64 * 4).min(SESSIONS as u64);
        let (sent, site) = (AtomicU64::new(0), self.site());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    // The first failed answer means that memory is full; a lost connection too is a reason to look.
                    while sent.fetch_add(1, Ordering::SeqCst) < most && http::get(site, "/login", PATIENCE).is_ok_and(|a| a.status == 200) {
                    }
                });
            }
        });
        deadline::until(&format!("memory exhaustion of {MASTER}"), Duration::from_secs(5), || {
            match self.ask(MASTER, "/stats") {
                Ok(answer) if answer.body.contains("\"exhausted\":true") => Ok(()),
                Ok(answer) => Err(format!("it says {}", answer.body.trim())),
                Err(e) => Err(e.to_string()),
            }
        })?;
        Ok(sent.load(Ordering::SeqCst).min(most))
    }

    fn wait_down(&self, status: &str) -> Result<(), LabError> {
        deadline::until(&format!("status {status} of {MASTER} in HAProxy"), Duration::from_secs(10), || {
            let members = self.members().map_err(|e| e.to_string())?;
            // A check under way shows as `UP 1/2`, which is not settled.
            match members.iter().find(|m| m.name == MASTER) {
                Some(member) if member.status == status => Ok(()),
                other => Err(format!("HAProxy says {other:?}")),
            }
        })?;
        deadline::until("the failure of every request", Duration::from_secs(10), || {
            for n in 0..FAILURES {
                if http::get(self.site(), "/", PATIENCE).is_ok_and(|a| a.status == 200) {
                    return Err(format!("request {n} succeeded"));
                }
            }
            Ok(())
        })
    }

    fn misspelt_config(&mut self) -> Result<Vec<String>, LabError> {
        let names: Vec<String> = self.state.web().map(|h| h.name.clone()).collect();
        for name in &names {
            let path = self.layout.app_config(name);
            let text = fs::read_to_string(&path).map_err(LabError::file("read", &path))?;
            write_private(&path, &text.replace("welcome.txt", "welcom.txt"), 0o600)?;
            service::sv(&self.layout, name, &["hup", "app"])?;
            deadline::until(&format!("an error of {name}"), Duration::from_secs(5), || {
                match self.ask(name, "/") {
                    Ok(answer) if answer.status == 500 => Ok(()),
                    Ok(answer) => Err(format!("it answers {}", answer.status)),
                    Err(e) => Err(e.to_string()),
                }
            })?;
        }
        Ok(vec![
            format!("app.conf says `page = welcom.txt` instead of `welcome.txt` on {}", names.join(", ")),
            String::from("every web server answers 500"),
        ])
    }

    fn imbalance(&mut self) -> Result<Vec<String>, LabError> {
        let others = self.others()?;
        self.edit_config(|text| {
            let text = balancer::set_weight(&balancer::set_balance(text, "static-rr"), MASTER, 200);
            others.iter().fold(text, |text, other| balancer::set_weight(&text, other, 10))
        })?;
        self.reload()?;
        Ok(vec![format!(
            "haproxy.cfg says `balance static-rr`, weight 200 for {MASTER} and 10 for {}",
            others.join(", ")
        )])
    }

    fn haproxy_down(&mut self) -> Result<Vec<String>, LabError> {
        service::sv(&self.layout, LB, &["-w", "10", "down", "haproxy"])?;
        deadline::until("the end of HAProxy", Duration::from_secs(10), || {
            match self.service_process(LB, "haproxy") {
                Some(process) => Err(format!("process {} still runs", process.pid)),
                None => Ok(()),
            }
        })?;
        Ok(vec![format!(
            "HAProxy on {LB} is stopped; nobody answers on {}",
            self.balancer_url()
        )])
    }

    /// Closing the directory stops every user but root; for root a socket that nobody listens on takes its place.
    fn socket_denied(&mut self) -> Result<Vec<String>, LabError> {
        let socket = self.layout.haproxy_socket(&self.state);
        if rustix::process::getuid().is_root() {
            let aside = socket.with_extension("moved");
            fs::rename(&socket, &aside).map_err(LabError::file("move", &socket))?;
            UnixListener::bind(&socket).map(drop).map_err(LabError::file("replace", &socket))?;
            return Ok(vec![format!(
                "nobody listens on {} (root cannot be denied by permissions)",
                socket.display()
            )]);
        }
        let dir = &self.state.sockets;
        fs::set_permissions(dir, fs::Permissions::from_mode(0o000)).map_err(LabError::file("close", dir))?;
        Ok(vec![format!("{} is closed to everybody (mode 000)", dir.display())])
    }

    fn bad_config_on_disk(&mut self) -> Result<Vec<String>, LabError> {
        self.edit_config(|text| text.replace("    balance ", "    balanec "))?;
        Ok(vec![String::from(
            "haproxy.cfg says `balanec` and would not load; the old process still serves",
        )])
    }

    fn host_key_changed(&mut self) -> Result<Vec<String>, LabError> {
        let host = self.state.host(MASTER)?.clone();
        self.stop_sshd(MASTER)?;
        sshd::make_key(&self.layout.host(MASTER).join("host_key"), MASTER)?;
        self.start_sshd(&host)?;
        sshd::wait_ready(&self.layout, &self.state, &host)?;
        Ok(vec![format!("{MASTER} shows another host key than known_hosts holds")])
    }

    fn host_down(&mut self) -> Result<Vec<String>, LabError> {
        self.stop_sshd(MASTER)?;
        Ok(vec![format!("sshd of {MASTER} is stopped; its web application still serves")])
    }

    fn forgotten_drain(&mut self) -> Result<Vec<String>, LabError> {
        let others = self.others()?;
        let other = &others[0];
        self.set_state(other, "maint")?;
        Ok(vec![format!("{other} is in maintenance at run time; the site still answers")])
    }

    /// Sets a server's administrative state and reads it back.
    fn set_state(&self, server: &str, state: &str) -> Result<(), LabError> {
        let command = format!("set server {POOL}/{server} state {state}");
        let mut said = self.haproxy(&command)?;
        // Right after a reload the old process may still answer, and its proxies are switched off.
        for _ in 0..50 {
            if !said.contains("Proxy is disabled") {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
            said = self.haproxy(&command)?;
        }
        if !said.trim().is_empty() {
            return Err(LabError::Refused(format!(
                "HAProxy refused to set {server} to {state}: {}; reset with `runbook lab up`",
                said.trim()
            )));
        }
        deadline::until(&format!("state {state} of {server}"), Duration::from_secs(5), || {
            let members = self.members().map_err(|e| e.to_string())?;
            let found = members.iter().find(|m| m.name == server).map(|m| m.status.clone());
            if found.as_deref().is_some_and(|s| s.eq_ignore_ascii_case(state)) {
                Ok(())
            } else {
                Err(format!("HAProxy says {found:?}"))
            }
        })
    }

    /// All web servers but the master; most incidents need one.
    fn others(&self) -> Result<Vec<String>, LabError> {
        let others: Vec<String> = self.state.web().map(|h| h.name.clone()).filter(|n| n != MASTER).collect();
        if others.is_empty() {
            return Err(LabError::Refused(String::from(
                "this incident needs two web servers; start the fleet with `--web 2`",
            )));
        }
        Ok(others)
    }
}
