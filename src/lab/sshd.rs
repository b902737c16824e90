//! A real sshd per host: keys, strict known_hosts, configuration, start.
//!
//! Works as any user, for that user alone. Alters nothing of the system, but as root makes `/run/sshd` when it is missing:
//! sshd refuses to run without it, and a reboot removes it.

use std::ffi::OsStr;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::layout::{HostState, Layout, OWN_RECORDS, State, make_dir, write_private};
use super::process::{self, PATH};
use super::{LabError, deadline};

const PRIVILEGE_SEPARATION_DIR: &str = "/run/sshd";

/// Makes an ed25519 key pair without a passphrase, replacing an older one.
pub(super) fn make_key(path: &Path, comment: &str) -> Result<(), LabError> {
    for old in [path.to_owned(), path.with_extension("pub")] {
        match fs::remove_file(&old) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(LabError::file("remove", &old)(e)),
            _ => {}
        }
    }
    let output = Command::new(process::program("ssh-keygen")?)
        .args(["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f"])
        .arg(path)
        .stdin(Stdio::null())
        .output()
        .map_err(|e| LabError::Command {
            command: String::from("ssh-keygen"),
            said: e.to_string(),
        })?;
    if output.status.success() {
        return Ok(());
    }
    Err(LabError::Command {
        command: String::from("ssh-keygen"),
        said: last_lines(&String::from_utf8_lossy(&output.stderr)),
    })
}

/// Writes the configuration of a host's sshd.
pub(super) fn configure(layout: &Layout, state: &State, host: &HostState) -> Result<(), LabError> {
    let dir = layout.host(&host.name);
    let keys = dir.join("authorized_keys");
    // Real hosts do not share a home, and what the product keeps there (who holds a pool) belongs to one host of one fleet.
    let home = layout.home(&host.name);
    make_dir(&home.join(OWN_RECORDS))?;
    let public = layout.user_key().with_extension("pub");
    let public = fs::read_to_string(&public).map_err(LabError::file("read", &public))?;
    write_private(&keys, &public, 0o600)?;
    let text = format!(
        "# sshd of {name}, written by `runbook lab up`\n\
         Port {port}\nListenAddress {address}\nHostKey {dir}/host_key\nPidFile {dir}/sshd.pid\nAuthorizedKeysFile {dir}/authorized_keys\n\
         AllowUsers {user}\nPermitRootLogin prohibit-password\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
         PubkeyAuthentication yes\nUsePAM {pam}\nStrictModes {strict}\nAllowTcpForwarding yes\nAllowStreamLocalForwarding yes\n\
         X11Forwarding no\nPrintMotd no\nPrintLastLog no\nUseDNS no\nSetEnv {marker}={id} HOME={home}\nSubsystem sftp internal-sftp\n",
        name = host.name,
        port = state.ssh_port,
        address = host.address,
        dir = dir.display(),
        user = state.user,
        pam = if needs_pam(&state.user)? { "yes" } else { "no" },
        strict = if strict_modes(&dir) { "yes" } else { "no" },
        marker = process::SESSION_MARKER,
        home = home.display(),
        id = state.id,
    );
    write_private(&dir.join("sshd_config"), &text, 0o600)
}

/// The line of `known_hosts` for a host.
pub(super) fn known_host(layout: &Layout, state: &State, host: &HostState) -> Result<String, LabError> {
    let path = layout.host(&host.name).join("host_key.pub");
    let public = fs::read_to_string(&path).map_err(LabError::file("read", &path))?;
    let key: Vec<&str> = public.split_whitespace().take(2).collect();
    Ok(format!("[{}]:{} {}\n", host.address, state.ssh_port, key.join(" ")))
}

/// Starts a host's sshd.
pub(super) fn start(layout: &Layout, state: &State, host: &HostState) -> Result<Child, LabError> {
    if rustix::process::getuid().is_root() {
        fs::create_dir_all(PRIVILEGE_SEPARATION_DIR).map_err(LabError::file("make", Path::new(PRIVILEGE_SEPARATION_DIR)))?;
    }
    let config = layout.host(&host.name).join("sshd_config");
    let log = layout.log(&host.name, "sshd.log");
    let args: [&OsStr; 5] = ["-D".as_ref(), "-f".as_ref(), config.as_ref(), "-E".as_ref(), log.as_ref()];
    process::start_detached(&state.id, &log, &process::program("sshd")?, &args)
}

/// Waits until a host's sshd greets.
pub(super) fn wait_ready(layout: &Layout, state: &State, host: &HostState) -> Result<(), LabError> {
    let log = layout.log(&host.name, "sshd.log");
    deadline::until(&format!("the start of sshd on {}", host.name), Duration::from_secs(10), || {
        greets(SocketAddr::from((host.address, state.ssh_port)))
            .map_err(|e| format!("{e}; its log: {}", last_lines(&fs::read_to_string(&log).unwrap_or_default())))
    })
}

/// Does an SSH server greet there?
pub(super) fn greets(at: SocketAddr) -> std::io::Result<()> {
    use std::io::Read;
    let mut stream = std::net::TcpStream::connect_timeout(&at, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    let mut greeting = [0u8; 4];
    stream.read_exact(&mut greeting)?;
    if &greeting == b"SSH-" {
        Ok(())
    } else {
        Err(std::io::Error::other("something else than sshd answers"))
    }
}

/// `ssh` to a host with nothing but what the fleet generated; for checks that must not go through the product.
pub(super) fn command(layout: &Layout, state: &State, host: &HostState) -> Command {
    let mut ssh = Command::new("ssh");
    ssh.args([
        "-F",
        "none",
        "-o",
        "BatchMode=yes",
        "-o",
        "StrictHostKeyChecking=yes",
        "-o",
        "GlobalKnownHostsFile=/dev/null",
    ])
    .args([
        "-o",
        "IdentitiesOnly=yes",
        "-o",
        "IdentityAgent=none",
        "-o",
        "ConnectTimeout=5",
        "-o",
    ])
    .arg(format!("UserKnownHostsFile={}", layout.known_hosts().display()))
    .arg("-i")
    .arg(layout.user_key())
    .args(["-p", &state.ssh_port.to_string(), "-l", &state.user, &host.address.to_string()])
    .stdin(Stdio::null());
    ssh
}

/// The last lines of a log, on one line.
pub(super) fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    let shown = lines[lines.len().saturating_sub(3)..].join(" / ");
    if shown.is_empty() {
        String::from("(nothing)")
    } else {
        crate::base::sanitise::one_line(&shown, 400)
    }
}

/// Without PAM sshd refuses keys of an account whose password is locked with `!`; with PAM it does not. Only root can read
/// that, and only for root's sshd does it matter. (`*`, the usual mark of containers, is no lock to sshd.)
fn needs_pam(user: &str) -> Result<bool, LabError> {
    if !rustix::process::getuid().is_root() {
        return Ok(false);
    }
    let shadow = fs::read_to_string("/etc/shadow").unwrap_or_default();
    if !locked(&shadow, user) {
        return Ok(false);
    }
    if Path::new("/etc/pam.d/sshd").is_file() {
        return Ok(true);
    }
    Err(LabError::Refused(format!(
        "the account `{user}` is locked and sshd would refuse its keys; run the fleet as another user"
    )))
}

fn locked(shadow: &str, user: &str) -> bool {
    shadow
        .lines()
        .filter_map(|l| l.split_once(':'))
        .any(|(name, rest)| name == user && rest.starts_with('!'))
}

/// sshd's own check refuses keys below a directory that others may write to, such as `/tmp`. The fleet's directory itself
/// is closed to others, hence the check may be left out there.
fn strict_modes(dir: &Path) -> bool {
    let me = rustix::process::getuid().as_raw();
    dir.ancestors()
        .all(|d| fs::metadata(d).is_ok_and(|m| m.mode() & 0o022 == 0 && (m.uid() == 0 || m.uid() == me)))
}

/// The name of the user we are.
pub(super) fn current_user() -> Result<String, LabError> {
    let output = Command::new("id").arg("-un").env("PATH", PATH).output();
    match output {
        Ok(output) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        Ok(output) => Err(LabError::Command {
            command: String::from("id -un"),
            said: last_lines(&String::from_utf8_lossy(&output.stderr)),
        }),
        Err(e) => Err(LabError::Command {
            command: String::from("id -un"),
            said: e.to_string(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_exclamation_mark_locks() {
        let shadow = "root:*:20228:0\nops:!$6$x:1\nmira:$6$y:1\n";
        assert!(!locked(shadow, "root"));
        assert!(locked(shadow, "ops"));
        assert!(!locked(shadow, "mira"));
        assert!(!locked(shadow, "op"));
    }

    #[test]
    fn a_log_becomes_one_harmless_line() {
        assert_eq!(last_lines("a\nb\n\nc\nd\u{1b}[0m\n"), "b / c / d\\u{1b}[0m");
        assert_eq!(last_lines(""), "(nothing)");
    }
}
