//! Processes of a fleet: started detached, recognised again, ended exactly.
//!
//! May assume Linux's `/proc`. A process is ours when it was recorded with its start time, carries the fleet's marker in
//! its environment, owns a TCP socket on one of the fleet's addresses and ports (sshd overwrites its environment with its
//! title), or descends from such a process. It must also belong to our user. Knows nothing about what the processes do.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

use super::LabError;

/// Marks what the fleet itself runs.
pub const MARKER: &str = "RUNBOOK_LAB";
/// Marks what somebody runs over SSH on a host of the fleet.
pub const SESSION_MARKER: &str = "RUNBOOK_LAB_SESSION";
/// Where system programs live; sbin is not in everybody's own PATH.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A process that cannot be confused with a later one of the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Process {
    /// Process number.
    pub pid: u32,
    /// Start time in clock ticks since boot (field 22 of `/proc/PID/stat`).
    pub start: u64,
}

impl Process {
    /// The process with this number, unless it has ended (a zombie has).
    #[must_use]
    pub fn of(pid: u32) -> Option<Process> {
        stat(pid).map(|stat| Process { pid, start: stat.start })
    }

    /// Is exactly this process still running?
    #[must_use]
    pub fn is_alive(&self) -> bool {
        Process::of(self.pid) == Some(*self)
    }

    /// Ends exactly this process at once; nothing happens when it has ended.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Sends a signal to exactly this process; nothing happens when it has ended.
    pub(super) fn signal(&self, signal: Signal) {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else {
            return;
        };
        // The descriptor pins the process, so the number cannot be reused between the check and the signal.
        let Ok(pinned) = pidfd_open(pid, PidfdFlags::empty()) else { return };
        if self.is_alive() {
            // An error here means that it ended in between, which is what the caller wants anyway.
            let _ = pidfd_send_signal(&pinned, signal);
        }
    }
}

/// What tells a fleet's processes from all others.
pub(super) struct Signs<'a> {
    /// The fleet's identity, the value of the markers.
    pub id: &'a str,
    /// Everything that was started and recorded.
    pub recorded: Vec<Process>,
    /// The fleet's listening addresses.
    pub sockets: BTreeSet<SocketAddrV4>,
}

/// All living processes that belong to the fleet, with their names, without ourselves and our ancestors.
pub(super) fn members(signs: &Signs<'_>) -> BTreeMap<Process, String> {
    let everyone = everyone();
    let owners = owners(&signs.sockets, &everyone);
    let mut ours: BTreeSet<u32> = everyone
        .iter()
        .filter(|(pid, stat)| {
            let process = Process {
                pid: **pid,
                start: stat.start,
            };
            signs.recorded.contains(&process)
                || owners.contains(pid)
                || carries(**pid, MARKER, signs.id)
                || carries(**pid, SESSION_MARKER, signs.id)
        })
        .map(|(pid, _)| *pid)
        .collect();
    loop {
        let before = ours.len();
        let children: Vec<u32> = everyone
            .iter()
            .filter(|(_, s)| ours.contains(&s.parent))
            .map(|(pid, _)| *pid)
            .collect();
        ours.extend(children);
        if ours.len() == before {
            break;
        }
    }
    // `lab down` typed in a session on a host of the fleet must not end itself.
    let mut own = std::process::id();
    while ours.remove(&own) || everyone.contains_key(&own) {
        own = everyone.get(&own).map_or(0, |s| s.parent);
    }
    ours.into_iter()
        .filter_map(|pid| everyone.get(&pid).map(|s| (Process { pid, start: s.start }, s.name.clone())))
        .collect()
}

/// The processes that the fleet itself runs: recorded or marked, but not what came in over SSH.
pub(super) fn own_members(signs: &Signs<'_>) -> BTreeMap<Process, String> {
    everyone()
        .into_iter()
        .map(|(pid, stat)| (Process { pid, start: stat.start }, stat.name))
        .filter(|(process, _)| signs.recorded.contains(process) || carries(process.pid, MARKER, signs.id))
        .collect()
}

/// Which of these addresses somebody listens on.
pub(super) fn listening(sockets: &BTreeSet<SocketAddrV4>) -> BTreeSet<SocketAddrV4> {
    tcp_table()
        .into_iter()
        .filter(|row| row.listens && sockets.contains(&row.local))
        .map(|row| row.local)
        .collect()
}

/// Starts a program in its own session with a clean environment, so that it outlives this command.
pub(super) fn start_detached(marker: &str, log: &Path, program: &str, args: &[&OsStr]) -> Result<Child, LabError> {
    let out = OpenOptions::new()
        .create(true)
        .append(true)
        .open(log)
        .map_err(LabError::file("write", log))?;
    let err = out.try_clone().map_err(LabError::file("write", log))?;
    // A child is never a group leader, hence setsid(1) does not fork and the child's number stays the program's.
    Command::new("setsid")
        .arg(program)
        .args(args)
        .env_clear()
        .env("PATH", PATH)
        .env(MARKER, marker)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err)
        .spawn()
        .map_err(|e| LabError::Command {
            command: format!("setsid {program}"),
            said: e.to_string(),
        })
}

/// Full path of a system program.
///
/// # Errors
/// [`LabError::Missing`].
pub(super) fn program(name: &str) -> Result<String, LabError> {
    PATH.split(':')
        .map(|dir| format!("{dir}/{name}"))
        .find(|path| Path::new(path).is_file())
        .ok_or_else(|| LabError::Missing { program: name.to_owned() })
}

struct Stat {
    name: String,
    parent: u32,
    start: u64,
}

/// `None` for processes that do not exist or are zombies.
fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold anything, even parentheses and spaces; what follows the last one is regular.
    let (head, tail) = text.rsplit_once(')')?;
    let fields: Vec<&str> = tail.split_whitespace().collect();
    if matches!(*fields.first()?, "Z" | "X") {
        return None;
    }
    Some(Stat {
        name: head.split_once('(')?.1.to_owned(),
        parent: fields.get(1)?.parse().ok()?,
        start: fields.get(19)?.parse().ok()?,
    })
}

/// Every living process of our user.
fn everyone() -> BTreeMap<u32, Stat> {
    let me = rustix::process::getuid().as_raw();
    let Ok(entries) = fs::read_dir("/proc") else {
        return BTreeMap::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| fs::metadata(format!("/proc/{pid}")).is_ok_and(|m| m.uid() == me))
        .filter_map(|pid| Some((pid, stat(pid)?)))
        .collect()
}

fn carries(pid: u32, name: &str, value: &str) -> bool {
    let wanted = format!("{name}={value}");
    fs::read(format!("/proc/{pid}/environ")).is_ok_and(|env| env.split(|b| *b == 0).any(|entry| entry == wanted.as_bytes()))
}

struct TcpRow {
    local: SocketAddrV4,
    listens: bool,
    inode: u64,
}

fn tcp_table() -> Vec<TcpRow> {
    let text = fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    text.lines().skip(1).filter_map(tcp_row).collect()
}

fn tcp_row(line: &str) -> Option<TcpRow> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (address, port) = fields.get(1)?.split_once(':')?;
    // The kernel prints the address as a number in the machine's own byte order.
    let address = Ipv4Addr::from(u32::from_str_radix(address, 16).ok()?.to_ne_bytes());
    Some(TcpRow {
        local: SocketAddrV4::new(address, u16::from_str_radix(port, 16).ok()?),
        listens: *fields.get(3)? == "0A",
        inode: fields.get(9)?.parse().ok()?,
    })
}

fn owners(sockets: &BTreeSet<SocketAddrV4>, among: &BTreeMap<u32, Stat>) -> BTreeSet<u32> {
    let wanted: BTreeSet<String> = tcp_table()
        .iter()
        .filter(|row| row.inode != 0 && sockets.contains(&row.local))
        .map(|row| format!("socket:[{}]", row.inode))
        .collect();
    if wanted.is_empty() {
        return BTreeSet::new();
    }
    let holds = |pid: u32| {
        fs::read_dir(format!("/proc/{pid}/fd")).is_ok_and(|fds| {
            fds.flatten()
                .any(|fd| fs::read_link(fd.path()).is_ok_and(|link| link.to_str().is_some_and(|l| wanted.contains(l))))
        })
    };
    among.keys().copied().filter(|pid| holds(*pid)).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_the_tcp_table() {
        let row =
            tcp_row("   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0 100 0 0 10 0")
                .unwrap();
        assert_eq!((row.local.port(), row.listens, row.inode), (8080, true, 4711));
        assert!(tcp_row("garbage").is_none());
    }

    #[test]
    fn a_process_is_its_number_and_its_start() {
        let me = Process::of(std::process::id()).unwrap();
        assert!(me.is_alive());
        assert!(!Process { start: me.start + 1, ..me }.is_alive());
        let mut child = Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        assert!(Process::of(child.id()).is_none());
    }
}
