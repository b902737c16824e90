//! Another machine: an `ssh` master that this process owns and that ends with it. Its own channel is the first shell; further
//! shells and byte streams come through its control socket. Assumes OpenSSH's client; honours the user's configuration.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::time::timeout as within;

use crate::base::bound;

use super::classify::classify;
use super::connect::unfit;
use super::lane::{Hello, HelloError, Lane};
use super::link::{Channel, Endpoint, Link, StreamError};
use super::runtime_dir::RuntimeDir;
use super::{BoxFuture, BoxStream, ConnectError, ConnectErrorKind, LinkError, SshDestination, mux, protocol};

/// Time for one more shell on a connection that stands.
const OPEN: Duration = Duration::from_secs(10);
/// Time for a master to end by itself.
const FAREWELL: Duration = Duration::from_secs(1);
/// Bytes of the log that are read when something failed.
const LOG_BYTES: usize = 16 * 1024;

/// A connection through a master.
pub(super) struct SshLink {
    multiplexed: Arc<openssh::Session>,
    master: Master,
}

/// Connects once. The hello, not the socket, is the proof that it stands.
pub(super) async fn connect(
    runtime: &RuntimeDir,
    destination: &SshDestination,
    accept_new: bool,
) -> Result<(SshLink, Lane, Hello), ConnectError> {
    let local = |e: std::io::Error| ConnectError::new(ConnectErrorKind::LocalResource, e.to_string());
    let socket = runtime.fresh();
    let log_path = socket.with_extension("log");
    let mut command = command(destination, accept_new, &socket, &log_path)?;
    let log = OpenOptions::new()
        .create_new(true)
        .read(true)
        .append(true)
        .mode(0o600)
        .open(&log_path)
        .map_err(local)?;
    let spawned = command.spawn().map_err(|e| {
        let _ = std::fs::remove_file(&log_path);
        ConnectError::new(ConnectErrorKind::LocalResource, format!("ssh: {e}"))
    });
    let mut child = spawned?;
    let piped = "the child was started with pipes";
    let channel = Channel {
        stdin: Box::new(child.stdin.take().expect(piped)),
        stdout: Box::new(child.stdout.take().expect(piped)),
        stderr: Box::new(child.stderr.take().expect(piped)),
        guard: Box::new(()),
    };
    let master = Master {
        child: Mutex::new(Some(child)),
        socket: socket.clone(),
        log_path,
        log,
    };
    match Lane::start(channel, Duration::from_secs(bound::CONNECT_TIMEOUT_S * 2)).await {
        Ok((lane, hello)) => {
            // Our descriptor still reads it, and nothing is left behind whatever happens to this process.
            let _ = std::fs::remove_file(&master.log_path);
            let multiplexed = Arc::new(openssh::Session::resume_mux(socket.into_boxed_path(), None));
            Ok((SshLink { multiplexed, master }, lane, hello))
        }
        Err(HelloError::Ended(words)) => {
            let exit = master.ended().await;
            Err(classify(&master.log_since(0), exit, &words))
        }
        Err(HelloError::Timeout) => match classify(&master.log_since(0), None, "") {
            error if error.kind == ConnectErrorKind::Other => Err(unfit(HelloError::Timeout, ConnectErrorKind::Timeout)),
            error => Err(error),
        },
        Err(error) => Err(unfit(error, ConnectErrorKind::NoShell)),
    }
}

fn command(destination: &SshDestination, accept_new: bool, socket: &Path, log: &Path) -> Result<Command, ConnectError> {
    let bad = |what: &str| Err(ConnectError::new(ConnectErrorKind::Dns, format!("{what} is not an address")));
    let address = &destination.address;
    if address.is_empty() || address.starts_with('-') || address.contains(|c: char| c.is_control() || c.is_whitespace()) {
        return bad(address);
    }
    let mut command = Command::new("ssh");
    command.args(["-T", "-M", "-e", "none", "-S"]).arg(socket).arg("-E").arg(log);
    // ssh takes the first value of an option: what the configuration says comes before our defaults.
    for (name, value) in &destination.options {
        command.arg("-o").arg(format!("{name}={value}"));
    }
    let seconds = bound::CONNECT_TIMEOUT_S;
    let checking = if accept_new { "accept-new" } else { "yes" };
    for option in [
        "ControlPersist=no",
        "BatchMode=yes",
        &format!("ConnectTimeout={seconds}"),
        "ServerAliveInterval=5",
        "ServerAliveCountMax=3",
        "RemoteCommand=none",
        "RequestTTY=no",
        "ForwardAgent=no",
        "ForwardX11=no",
        "ClearAllForwardings=yes",
        "PermitLocalCommand=no",
        "LogLevel=INFO",
        &format!("StrictHostKeyChecking={checking}"),
    ] {
        command.arg("-o").arg(option);
    }
    if let Some(file) = &destination.known_hosts {
        command
            .arg("-o")
            .arg(quoted_option("UserKnownHostsFile", file))
            .arg("-o")
            .arg("GlobalKnownHostsFile=none");
    }
    if let Some(file) = &destination.identity_file {
        command.arg("-o").arg("IdentitiesOnly=yes").arg("-i").arg(file);
    }
    for (flag, value) in [
        ("-p", destination.port.map(|p| p.to_string())),
        ("-l", destination.user.clone()),
        ("-J", destination.jump.clone()),
    ] {
        if let Some(value) = value {
            command.arg(flag).arg(value);
        }
    }
    command.arg("--").arg(address).arg(protocol::BOOTSTRAP);
    // The messages are classified, and no locale may travel to the host on one of its channels only.
    for (name, _) in std::env::vars_os().filter(|(n, _)| n.to_string_lossy().starts_with("LC_") || n == "LANG" || n == "LANGUAGE") {
        command.env_remove(name);
    }
    // A group of its own, so that an interrupt at the terminal reaches only `runbook`.
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    Ok(command)
}

/// A path may hold spaces, which separate files in this option.
fn quoted_option(name: &str, file: &Path) -> std::ffi::OsString {
    let mut option = std::ffi::OsString::from(format!("{name}=\""));
    option.push(file);
    option.push("\"");
    option
}

impl Link for SshLink {
    fn open(&self) -> BoxFuture<'_, Result<Channel, LinkError>> {
        Box::pin(async {
            let mut command = Arc::clone(&self.multiplexed).arc_raw_command(protocol::BOOTSTRAP);
            command
                .stdin(openssh::Stdio::piped())
                .stdout(openssh::Stdio::piped())
                .stderr(openssh::Stdio::piped());
            let spawned = within(OPEN, command.spawn())
                .await
                .map_err(|_| LinkError::Timeout(String::from("10s")))?;
            let mut child = spawned.map_err(|error| {
                let words = format!("{error:?}");
                if words.contains("refused by peer") {
                    LinkError::NoChannel
                } else {
                    LinkError::Lost(self.master.last_words(&words))
                }
            })?;
            let piped = "the channel was opened with pipes";
            Ok(Channel {
                stdin: Box::new(child.stdin().take().expect(piped)),
                stdout: Box::new(child.stdout().take().expect(piped)),
                stderr: Box::new(child.stderr().take().expect(piped)),
                guard: Box::new(child),
            })
        })
    }

    fn stream<'a>(&'a self, to: Endpoint<'a>, timeout: Duration) -> BoxFuture<'a, Result<BoxStream, StreamError>> {
        Box::pin(async move {
            let (host, port) = match to {
                Endpoint::Unix(path) => return self.unix_stream(path, timeout).await,
                Endpoint::Tcp(address, port) => (address, port),
            };
            let from = self.moment();
            let opened = within(timeout + FAREWELL, mux::stream(&self.master.socket, host, port, timeout)).await;
            let error = match opened {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => error,
                Err(_) => return Err(StreamError::Timeout),
            };
            match error.kind() {
                std::io::ErrorKind::TimedOut => Err(StreamError::Timeout),
                std::io::ErrorKind::ConnectionRefused => Err(self.refusal(from).unwrap_or_else(|| StreamError::Refused(error.to_string()))),
                _ => Err(StreamError::Link(LinkError::Lost(self.master.last_words(&error.to_string())))),
            }
        })
    }

    fn moment(&self) -> u64 {
        self.master.log_length()
    }

    fn refusal(&self, since: u64) -> Option<StreamError> {
        let log = self.master.log_since(since);
        let words = log.lines().rev().find(|l| l.contains("open failed"))?.trim().to_owned();
        Some(if words.contains("administratively prohibited") {
            StreamError::Prohibited
        } else {
            StreamError::Refused(words)
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            if self.master.ended().await.is_none() {
                self.master.kill();
            }
        })
    }
}

impl SshLink {
    /// A listening socket here that the master forwards to the socket there. Old clients can forward unix sockets only so.
    async fn unix_stream(&self, path: &str, timeout: Duration) -> Result<BoxStream, StreamError> {
        let lost = |words: String| StreamError::Link(LinkError::Lost(self.master.last_words(&words)));
        let name = protocol::nonce();
        let listen = self.master.socket.with_file_name(&name[..12]);
        let forward = Forward {
            multiplexed: Arc::clone(&self.multiplexed),
            listen,
            connect: PathBuf::from(path),
        };
        let opened = within(timeout, async {
            let (from, to) = forward.ends();
            let requested = self.multiplexed.request_port_forward(openssh::ForwardType::Local, from, to).await;
            requested.map_err(|e| lost(format!("{e:?}")))?;
            let stream = UnixStream::connect(&forward.listen).await.map_err(|e| lost(e.to_string()))?;
            // The name has served: nothing is left behind whatever happens to this process.
            let _ = std::fs::remove_file(&forward.listen);
            Ok(stream)
        });
        let (read, write) = opened.await.map_err(|_| StreamError::Timeout)??.into_split();
        Ok(Box::new(tokio::io::join(
            mux::Held {
                inner: read,
                _guard: forward,
            },
            write,
        )))
    }
}

/// A forwarding that ends when it is dropped.
struct Forward {
    multiplexed: Arc<openssh::Session>,
    listen: PathBuf,
    connect: PathBuf,
}

impl Forward {
    fn ends(&self) -> (openssh::Socket<'static>, openssh::Socket<'static>) {
        let socket = |path: &Path| openssh::Socket::UnixSocket {
            path: path.to_owned().into(),
        };
        (socket(&self.listen), socket(&self.connect))
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.listen);
        let (from, to) = self.ends();
        let multiplexed = Arc::clone(&self.multiplexed);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { within(OPEN, multiplexed.close_port_forward(openssh::ForwardType::Local, from, to)).await });
        }
    }
}

/// The process that holds the connection, and the two files it knows.
struct Master {
    child: Mutex<Option<Child>>,
    socket: PathBuf,
    log_path: PathBuf,
    log: File,
}

impl Master {
    /// Waits a little for it to end by itself.
    async fn ended(&self) -> Option<i32> {
        let mut child = self.take()?;
        match within(FAREWELL, child.wait()).await {
            Ok(status) => Some(status.ok().and_then(|s| s.code()).unwrap_or(255)),
            Err(_) => {
                *self.child.lock().expect("nobody panics while holding the master") = Some(child);
                None
            }
        }
    }

    fn take(&self) -> Option<Child> {
        self.child.lock().expect("nobody panics while holding the master").take()
    }

    /// Ends it and whatever it started, such as the `ssh -W` of a jump.
    fn kill(&self) {
        let Some(mut child) = self.take() else { return };
        let group = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(rustix::process::Pid::from_raw);
        if let Some(group) = group {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::TERM);
        }
        let _ = child.start_kill();
    }

    fn log_length(&self) -> u64 {
        self.log.metadata().map_or(0, |m| m.len())
    }

    fn log_since(&self, from: u64) -> String {
        let mut buffer = vec![0; LOG_BYTES];
        let read = self.log.read_at(&mut buffer, from).unwrap_or(0);
        String::from_utf8_lossy(&buffer[..read]).into_owned()
    }

    fn last_words(&self, otherwise: &str) -> String {
        let from = self.log_length().saturating_sub(LOG_BYTES as u64);
        let log = self.log_since(from);
        log.lines().map(str::trim).rfind(|l| !l.is_empty()).unwrap_or(otherwise).to_owned()
    }
}

impl Drop for Master {
    fn drop(&mut self) {
        self.kill();
        for path in [&self.socket, &self.log_path] {
            let _ = std::fs::remove_file(path);
        }
    }
}
