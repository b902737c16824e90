//! Where everything of a fleet lies, and the state file that remembers what was started.
//!
//! A fleet is one directory; deleting what `fleet.json` names and then the directory leaves nothing behind. Sockets move to
//! a short directory when the path would not fit into a socket address.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::LabError;
use super::process::{Process, Signs};

/// Longest path of HAProxy's socket: the address holds 108 bytes, HAProxy appends `.PID.tmp` while it binds, ssh a suffix.
const SOCKET_PATH_BYTES: usize = 80;

/// The paths of one fleet.
#[derive(Clone, Debug)]
pub struct Layout {
    dir: PathBuf,
}

/// The content of `fleet.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct State {
    /// `runbook.lab/1`.
    pub schema: String,
    /// Identity; the value of the markers in the processes' environments.
    pub id: String,
    /// The user who runs everything.
    pub user: String,
    /// The program that serves as web application.
    pub program: PathBuf,
    /// Directory of HAProxy's runtime socket.
    pub sockets: PathBuf,
    /// Port of every sshd.
    pub ssh_port: u16,
    /// Port of every web application.
    pub http_port: u16,
    /// Port of the site on the balancer.
    pub site_port: u16,
    /// Whether HAProxy keeps server states over a reload by itself.
    pub server_state_file: bool,
    /// The balancer first, then the web servers.
    pub hosts: Vec<HostState>,
    /// Everything that was started, with the name it has in `status`.
    pub processes: Vec<Recorded>,
}

/// One host.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HostState {
    /// `lb-01`, `web-01` …
    pub name: String,
    /// Its own loopback address.
    pub address: Ipv4Addr,
}

/// One process that was started directly.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Recorded {
    /// `web-01 sshd`, `lb-01 runsvdir` …
    pub name: String,
    /// Which process.
    pub process: Process,
}

impl Layout {
    /// The layout of a fleet in `dir`, or in the default directory.
    ///
    /// # Errors
    /// The path cannot stand in configuration files, or there is neither a `dir` nor a home directory.
    pub fn at(dir: Option<&Path>) -> Result<Layout, LabError> {
        let dir = match dir {
            Some(dir) => std::path::absolute(dir).map_err(LabError::file("find", dir))?,
            None => default_dir()?,
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@:,=~".contains(c);
        match dir.to_str() {
            Some(text) if text.chars().all(plain) => Ok(Layout { dir }),
            _ => Err(LabError::AwkwardPath { dir }),
        }
    }

    /// The fleet's directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The inventory in the product's own format.
    #[must_use]
    pub fn inventory(&self) -> PathBuf {
        self.dir.join("inventory.yaml")
    }

    /// The host keys of all hosts.
    #[must_use]
    pub fn known_hosts(&self) -> PathBuf {
        self.dir.join("known_hosts")
    }

    /// The login user's private key.
    #[must_use]
    pub fn user_key(&self) -> PathBuf {
        self.dir.join("keys/user")
    }

    /// Everything of one host.
    #[must_use]
    pub fn host(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The home directory of the login user on a host.
    #[must_use]
    pub fn home(&self, name: &str) -> PathBuf {
        self.host(name).join("home")
    }

    /// The directory in which `sv` finds a host's services (`SVDIR`).
    #[must_use]
    pub fn services(&self, host: &str) -> PathBuf {
        self.host(host).join("service")
    }

    /// Log files of a host.
    #[must_use]
    pub fn log(&self, host: &str, name: &str) -> PathBuf {
        self.host(host).join("log").join(name)
    }

    /// HAProxy's configuration file.
    #[must_use]
    pub fn haproxy_config(&self) -> PathBuf {
        self.host(LB).join("haproxy.cfg")
    }

    /// Where HAProxy keeps server states over a reload, if it was asked to.
    #[must_use]
    pub fn haproxy_states(&self) -> PathBuf {
        self.host(LB).join("server-state")
    }

    /// HAProxy's runtime socket.
    #[must_use]
    pub fn haproxy_socket(&self, state: &State) -> PathBuf {
        state.sockets.join("admin.sock")
    }

    /// The configuration file of a web application.
    #[must_use]
    pub fn app_config(&self, host: &str) -> PathBuf {
        self.host(host).join("app.conf")
    }

    /// Where HAProxy's socket should live: with its host, or under the temporary directory when that path is too long.
    pub(super) fn choose_sockets(&self, id: &str) -> PathBuf {
        let near = self.host(LB).join("run");
        if near.join("admin.sock").as_os_str().len() <= SOCKET_PATH_BYTES {
            return near;
        }
        std::env::temp_dir().join(format!("rb-lab-{id}"))
    }

    /// `None` when there is no fleet.
    pub(super) fn load(&self) -> Result<Option<State>, LabError> {
        let path = self.state_file();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(LabError::file("read", &path)(e)),
        };
        let state: State = serde_json::from_str(&text).map_err(|e| LabError::file("understand", &path)(e.into()))?;
        Ok(Some(state))
    }

    /// Replaces the state file as a whole; a crash leaves the old one or the new one.
    pub(super) fn save(&self, state: &State) -> Result<(), LabError> {
        let path = self.state_file();
        let new = self.dir.join("fleet.json.new");
        let text = serde_json::to_string_pretty(state).expect("a state has only string keys");
        write_private(&new, &text, 0o600)?;
        fs::rename(&new, &path).map_err(LabError::file("write", &path))
    }

    pub(super) fn state_file(&self) -> PathBuf {
        self.dir.join("fleet.json")
    }
}

/// Where the product keeps its own records below a home directory.
pub const OWN_RECORDS: &str = ".local/state/runbook";
/// Name of the balancer's host.
pub const LB: &str = "lb-01";
/// Name of the first web server, the "master" of the incident.
pub const MASTER: &str = "web-01";
/// Name of HAProxy's backend and of the inventory's pool.
pub const POOL: &str = "web";

impl State {
    /// The web servers' names and addresses.
    pub fn web(&self) -> impl Iterator<Item = &HostState> {
        self.hosts.iter().filter(|h| h.name != LB)
    }

    /// Where users find the site.
    #[must_use]
    pub fn site(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.hosts.first().map_or(Ipv4Addr::LOCALHOST, |h| h.address), self.site_port)
    }

    /// Where a web server itself answers.
    #[must_use]
    pub fn app(&self, host: &HostState) -> SocketAddrV4 {
        SocketAddrV4::new(host.address, self.http_port)
    }

    /// A host by name.
    ///
    /// # Errors
    /// There is no such host.
    pub fn host(&self, name: &str) -> Result<&HostState, LabError> {
        self.hosts.iter().find(|h| h.name == name).ok_or_else(|| {
            let names: Vec<&str> = self.hosts.iter().map(|h| h.name.as_str()).collect();
            LabError::Refused(format!("the fleet has no host `{name}`; it has {}", names.join(", ")))
        })
    }

    /// Every address the fleet listens on.
    pub(super) fn listeners(&self) -> BTreeSet<SocketAddrV4> {
        let ssh = self.hosts.iter().map(|h| SocketAddrV4::new(h.address, self.ssh_port));
        ssh.chain(self.web().map(|h| self.app(h))).chain([self.site()]).collect()
    }

    /// How to recognise the fleet's processes.
    pub(super) fn signs(&self) -> Signs<'_> {
        Signs {
            id: &self.id,
            recorded: self.processes.iter().map(|p| p.process).collect(),
            sockets: self.listeners(),
        }
    }
}

/// Writes a file that only our user may read (or also execute).
pub(super) fn write_private(path: &Path, text: &str, mode: u32) -> Result<(), LabError> {
    let write = || {
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(mode)
            .open(path)?;
        file.write_all(text.as_bytes())
    };
    write().map_err(LabError::file("write", path))
}

/// Makes a directory, and those above it, that only our user may enter.
pub(super) fn make_dir(path: &Path) -> Result<(), LabError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(LabError::file("make", path))
}

fn default_dir() -> Result<PathBuf, LabError> {
    let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let state = set("XDG_STATE_HOME")
        .filter(|p| p.is_absolute())
        .or_else(|| set("HOME").map(|home| home.join(".local/state")));
    match state {
        Some(state) => Ok(state.join("runbook/lab")),
        None => Err(LabError::Refused(String::from(
            "neither XDG_STATE_HOME nor HOME is set; choose a directory with `--dir`",
        ))),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_configuration_files_would_misread_are_refused() {
        for bad in ["/tmp/a b", "/tmp/a%h", "/tmp/$HOME", "/tmp/\"x", "/tmp/a#b", "/tmp/ä"] {
            assert!(
                matches!(Layout::at(Some(Path::new(bad))), Err(LabError::AwkwardPath { .. })),
                "{bad}"
            );
        }
        assert_eq!(Layout::at(Some(Path::new("/tmp/lab"))).unwrap().dir(), Path::new("/tmp/lab"));
    }

    #[test]
    fn long_directories_get_short_sockets() {
        let near = Layout::at(Some(Path::new("/tmp/lab"))).unwrap().choose_sockets("x");
        assert_eq!(near, Path::new("/tmp/lab/lb-01/run"));
        let long = format!("/tmp/{}", "d".repeat(90));
        let far = Layout::at(Some(Path::new(&long))).unwrap().choose_sockets("x");
        assert!(far.join("admin.sock").as_os_str().len() <= SOCKET_PATH_BYTES);
    }
}
