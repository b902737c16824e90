//! A fleet's life: up, open, reload, down.

use std::fs;
use std::net::{SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Duration;

use super::address::{self, MOST_WEB};
use super::fingerprint::Fingerprint;
use super::layout::{HostState, LB, Layout, POOL, Recorded, State, make_dir, write_private};
use super::lock::lock;
use super::process::{self, Process};
use super::{LabError, balancer, deadline, end, http, inventory, service, sshd};

const ANSWER_WITHIN: Duration = Duration::from_millis(500);

/// What fleet to start.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its directory; the default one when absent.
    pub dir: Option<PathBuf>,
    /// How many web servers.
    pub web: usize,
    /// Whether HAProxy keeps server states over a reload by itself.
    pub server_state_file: bool,
    /// The program to run as `PROGRAM lab app …`; the running one when absent.
    pub program: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            dir: None,
            web: 2,
            server_state_file: false,
            program: None,
        }
    }
}

/// A running fleet. Dropping a fleet that was started by [`Fleet::up`] ends it, unless [`Fleet::keep`] was called.
#[derive(Debug)]
pub struct Fleet {
    pub(super) layout: Layout,
    pub(super) state: State,
    children: Vec<Child>,
    owned: bool,
}

impl Fleet {
    /// Starts a fleet and waits until it serves. What a former fleet left in the directory is ended first.
    ///
    /// # Errors
    /// A program is missing, the directory holds something else, or a process did not become ready; nothing is left then.
    pub fn up(options: Options) -> Result<Fleet, LabError> {
        for name in ["setsid", "sshd", "ssh-keygen", "haproxy", "runsvdir", "runsv", "sv", "chpst"] {
            process::program(name)?;
        }
        if options.web == 0 || options.web > MOST_WEB {
            return Err(LabError::Refused(format!(
                "a fleet has 1 to {MOST_WEB} web servers, not {}; choose with `--web`",
                options.web
            )));
        }
        let layout = Layout::at(options.dir.as_deref())?;
        make_dir(layout.dir())?;
        let lock = lock(&layout)?;
        end::clear(&layout)?;
        let state = new_state(&layout, &options)?;
        layout.save(&state)?;
        let mut fleet = Fleet {
            layout,
            state,
            children: Vec::new(),
            owned: true,
        };
        fleet.configure()?;
        fleet.start()?;
        drop(lock);
        Ok(fleet)
    }

    /// The fleet that runs in a directory; dropping the handle does not end it.
    ///
    /// # Errors
    /// There is none.
    pub fn open(dir: Option<PathBuf>) -> Result<Fleet, LabError> {
        let layout = Layout::at(dir.as_deref())?;
        let Some(state) = layout.load()? else {
            return Err(LabError::NoFleet {
                dir: layout.dir().to_owned(),
            });
        };
        Ok(Fleet {
            layout,
            state,
            children: Vec::new(),
            owned: false,
        })
    }

    /// Lets the fleet outlive this handle and this process.
    pub fn keep(mut self) -> PathBuf {
        self.owned = false;
        self.layout.dir().to_owned()
    }

    /// Ends everything and removes the directory.
    ///
    /// # Errors
    /// Something is still there; the text says what.
    pub fn down(mut self) -> Result<(), LabError> {
        self.owned = false;
        let lock = lock(&self.layout)?;
        self.end()?;
        drop(lock);
        Ok(())
    }

    /// The inventory in the product's own format.
    #[must_use]
    pub fn inventory(&self) -> PathBuf {
        self.layout.inventory()
    }

    /// Where users find the site.
    #[must_use]
    pub fn balancer_url(&self) -> String {
        format!("http://{}", self.state.site())
    }

    /// As [`Fleet::balancer_url`], as an address.
    #[must_use]
    pub fn site(&self) -> SocketAddr {
        SocketAddr::V4(self.state.site())
    }

    /// Paths of the fleet.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Hosts, ports and processes of the fleet.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// One command over HAProxy's runtime socket, without the product.
    ///
    /// # Errors
    /// Nothing answers there.
    pub fn haproxy(&self, command: &str) -> Result<String, LabError> {
        balancer::runtime(&self.layout.haproxy_socket(&self.state), command)
    }

    /// What HAProxy says of the pool's servers.
    ///
    /// # Errors
    /// Nothing answers on its socket.
    pub fn members(&self) -> Result<Vec<balancer::Member>, LabError> {
        Ok(balancer::members(&self.haproxy("show stat")?))
    }

    /// Bare `ssh` to a host, to which a command can be appended; `SVDIR` is not set on the other side.
    ///
    /// # Errors
    /// There is no such host.
    pub fn ssh_command(&self, host: &str) -> Result<Command, LabError> {
        Ok(sshd::command(&self.layout, &self.state, self.state.host(host)?))
    }

    /// The main process of a service of a host, while it runs.
    #[must_use]
    pub fn service_process(&self, host: &str, service: &str) -> Option<Process> {
        service::main_process(&self.layout, host, service)
    }

    /// Asks a web server directly.
    ///
    /// # Errors
    /// There is no such host, or it does not answer.
    pub fn ask(&self, host: &str, path: &str) -> Result<http::Answer, LabError> {
        let at = self.state.app(self.state.host(host)?);
        http::get(at.into(), path, ANSWER_WITHIN).map_err(|e| LabError::Refused(format!("{host} does not answer on {at}: {e}")))
    }

    /// A picture of everything that a dry run must not change.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn fingerprint(&self) -> Result<Fingerprint, LabError> {
        Fingerprint::take(self)
    }

    /// Reloads HAProxy and waits until a new worker answers.
    ///
    /// # Errors
    /// No new worker came; the configuration may be invalid.
    pub fn reload(&self) -> Result<(), LabError> {
        let worker = || self.haproxy("show info").ok().and_then(|info| balancer::worker(&info));
        let before = worker();
        service::sv(&self.layout, LB, &["hup", "haproxy"])?;
        let log = self.layout.log(LB, "services.log");
        deadline::until("a new HAProxy worker", Duration::from_secs(10), || match worker() {
            Some(now) if Some(now) != before => Ok(()),
            _ => Err(format!(
                "its log: {}",
                sshd::last_lines(&fs::read_to_string(&log).unwrap_or_default())
            )),
        })
    }

    /// Changes HAProxy's configuration file as a whole.
    pub(super) fn edit_config(&self, edit: impl FnOnce(&str) -> String) -> Result<(), LabError> {
        let path = self.layout.haproxy_config();
        let text = fs::read_to_string(&path).map_err(LabError::file("read", &path))?;
        write_private(&path, &edit(&text), 0o600)
    }

    /// Ends the sshd of a host.
    pub(super) fn stop_sshd(&mut self, host: &str) -> Result<(), LabError> {
        let Some(recorded) = self.state.processes.iter().find(|p| p.name == format!("{host} sshd")) else {
            return Ok(());
        };
        let process = recorded.process;
        process.signal(rustix::process::Signal::TERM);
        deadline::until(&format!("the end of sshd on {host}"), Duration::from_secs(5), || {
            if process.is_alive() {
                Err(format!("process {} still runs", process.pid))
            } else {
                Ok(())
            }
        })?;
        self.reap();
        Ok(())
    }

    /// Starts the sshd of a host and records it.
    pub(super) fn start_sshd(&mut self, host: &HostState) -> Result<(), LabError> {
        let child = sshd::start(&self.layout, &self.state, host)?;
        self.record(format!("{} sshd", host.name), child)
    }

    fn configure(&self) -> Result<(), LabError> {
        make_dir(&self.layout.dir().join("keys"))?;
        make_dir(&self.state.sockets)?;
        sshd::make_key(&self.layout.user_key(), "practice-fleet")?;
        let mut known = String::new();
        for host in &self.state.hosts {
            let dir = self.layout.host(&host.name);
            make_dir(&dir.join("log"))?;
            sshd::make_key(&dir.join("host_key"), &host.name)?;
            sshd::configure(&self.layout, &self.state, host)?;
            service::configure(&self.layout, &self.state, host)?;
            known.push_str(&sshd::known_host(&self.layout, &self.state, host)?);
        }
        write_private(&self.layout.haproxy_config(), &balancer::config(&self.layout, &self.state), 0o600)?;
        write_private(&self.layout.known_hosts(), &known, 0o600)?;
        write_private(&self.layout.inventory(), &inventory::text(&self.layout, &self.state), 0o600)
    }

    /// Web servers first, so that HAProxy's first checks find them.
    fn start(&mut self) -> Result<(), LabError> {
        let hosts = self.state.hosts.clone();
        for host in hosts.iter().rev() {
            self.start_sshd(host)?;
            if host.name != LB {
                self.start_services(host)?;
            }
        }
        for host in hosts.iter().filter(|h| h.name != LB) {
            self.wait_answers(&host.name, self.state.app(host), "/health")?;
        }
        for host in hosts.iter().filter(|h| h.name == LB) {
            self.start_services(host)?;
            self.wait_answers(&host.name, self.state.site(), "/")?;
        }
        self.wait_settled()?;
        hosts.iter().try_for_each(|host| sshd::wait_ready(&self.layout, &self.state, host))
    }

    fn start_services(&mut self, host: &HostState) -> Result<(), LabError> {
        let child = service::start(&self.layout, &self.state, host)?;
        self.record(format!("{} runsvdir", host.name), child)
    }

    fn wait_answers(&self, host: &str, at: SocketAddrV4, path: &str) -> Result<(), LabError> {
        let log = self.layout.log(host, "services.log");
        deadline::until(
            &format!("an answer of {host} on http://{at}{path}"),
            Duration::from_secs(15),
            || {
                let seen = match http::get(at.into(), path, ANSWER_WITHIN) {
                    Ok(answer) if answer.status == 200 => return Ok(()),
                    Ok(answer) => format!("status {}", answer.status),
                    Err(e) => e.to_string(),
                };
                Err(format!(
                    "last: {seen}; its log: {}",
                    sshd::last_lines(&fs::read_to_string(&log).unwrap_or_default())
                ))
            },
        )
    }

    /// Right after its start HAProxy shows `UP 1/2`: up, but not yet asked.
    fn wait_settled(&self) -> Result<(), LabError> {
        deadline::until("HAProxy's first checks", Duration::from_secs(10), || {
            let members = self.members().map_err(|e| e.to_string())?;
            match members.iter().find(|m| m.status != "UP") {
                None => Ok(()),
                Some(other) => Err(format!("it says {} of {}", other.status, other.name)),
            }
        })
    }

    /// On disk before anything else is started, so that a killed command leaves nothing unknown behind.
    fn record(&mut self, name: String, child: Child) -> Result<(), LabError> {
        let process = Process::of(child.id());
        self.children.push(child);
        let Some(process) = process else {
            return Err(LabError::Command {
                command: name,
                said: String::from("it ended at once; see the log in the fleet's directory"),
            });
        };
        self.state.processes.retain(|p| p.name != name);
        self.state.processes.push(Recorded { name, process });
        self.layout.save(&self.state)
    }

    fn end(&mut self) -> Result<(), LabError> {
        end::clear(&self.layout)?;
        self.reap();
        let dir = self.layout.dir();
        fs::remove_dir(dir).map_err(LabError::file("remove", dir))
    }

    /// Ended children must not stay as zombies while this process lives.
    fn reap(&mut self) {
        self.children.retain_mut(|child| !matches!(child.try_wait(), Ok(Some(_))));
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        if self.owned
            && let Err(e) = self.end()
        {
            tracing::error!("the practice fleet could not be ended: {e}");
        }
    }
}

fn new_state(layout: &Layout, options: &Options) -> Result<State, LabError> {
    let id = uuid::Uuid::new_v4().simple().to_string()[..12].to_owned();
    let addresses = address::choose(options.web)?;
    let program = match &options.program {
        Some(program) => program.clone(),
        None => std::env::current_exe().map_err(LabError::file("find", "/proc/self/exe".as_ref()))?,
    };
    let mut hosts = vec![HostState {
        name: LB.to_owned(),
        address: addresses.balancer,
    }];
    hosts.extend(addresses.web.iter().enumerate().map(|(n, address)| HostState {
        name: format!("{POOL}-{:02}", n + 1),
        address: *address,
    }));
    Ok(State {
        schema: String::from("runbook.lab/1"),
        user: sshd::current_user()?,
        program,
        sockets: layout.choose_sockets(&id),
        id,
        ssh_port: addresses.ssh_port,
        http_port: addresses.http_port,
        site_port: addresses.site_port,
        server_state_file: options.server_state_file,
        hosts,
        processes: Vec::new(),
    })
}
