//! Ends a fleet exactly: its processes, its sockets, its files; and proves that nothing is left.
//!
//! May be called on what a killed command left behind, at any point of its start.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;

use super::layout::{LB, Layout, State};
use super::process::{self, Process};
use super::{LabError, deadline};

/// Ends what runs and empties the directory, which stays; does nothing in an empty directory.
///
/// # Errors
/// The directory holds something else than a fleet, or something of the fleet cannot be ended.
pub(super) fn clear(layout: &Layout) -> Result<(), LabError> {
    let Some(state) = layout.load()? else {
        let mut entries = fs::read_dir(layout.dir()).map_err(LabError::file("read", layout.dir()))?;
        // A command killed before its first complete state file leaves only the incomplete one.
        let foreign = entries.any(|e| e.is_ok_and(|e| e.file_name() != "fleet.json.new"));
        return if foreign {
            Err(LabError::NotAFleet {
                dir: layout.dir().to_owned(),
            })
        } else {
            Ok(())
        };
    };
    end_processes(&state)?;
    remove_files(layout, &state)
}

/// Ends every process of the fleet: supervisors first, or they would start the services again.
fn end_processes(state: &State) -> Result<(), LabError> {
    let supervisors = || {
        living(state)
            .into_iter()
            .filter(|(_, name)| name == "runsvdir")
            .map(|(p, _)| p)
            .collect::<Vec<_>>()
    };
    // SIGHUP tells runsvdir to end its services too.
    supervisors().iter().for_each(|p| p.signal(Signal::HUP));
    if deadline::until("the end of the supervisors", Duration::from_secs(3), || gone(&supervisors())).is_err() {
        supervisors().iter().for_each(|p| p.signal(Signal::KILL));
    }
    let all = || living(state).into_iter().map(|(p, _)| p).collect::<Vec<_>>();
    all().iter().for_each(|p| p.signal(Signal::TERM));
    if deadline::until("the end of the processes", Duration::from_secs(3), || gone(&all())).is_err() {
        deadline::until("the end of the processes", Duration::from_secs(5), || {
            let left = all();
            left.iter().for_each(|p| p.signal(Signal::KILL));
            gone(&left)
        })
        .map_err(|_| {
            LabError::Left(
                living(state)
                    .iter()
                    .map(|(p, name)| format!("process {} ({name})", p.pid))
                    .collect::<Vec<_>>()
                    .join(", "),
            )
        })?;
    }
    let listening = process::listening(&state.listeners());
    if listening.is_empty() {
        return Ok(());
    }
    Err(LabError::Left(
        listening
            .iter()
            .map(|at| format!("a listener on {at}"))
            .collect::<Vec<_>>()
            .join(", "),
    ))
}

fn living(state: &State) -> Vec<(Process, String)> {
    process::members(&state.signs()).into_iter().collect()
}

fn gone(processes: &[Process]) -> Result<(), String> {
    let left: Vec<String> = processes.iter().filter(|p| p.is_alive()).map(|p| p.pid.to_string()).collect();
    if left.is_empty() {
        Ok(())
    } else {
        Err(format!("still running: {}", left.join(" ")))
    }
}

/// Removes all files; the state file last, so that a command killed in between is still recognised.
fn remove_files(layout: &Layout, state: &State) -> Result<(), LabError> {
    // An incident may have closed it to everybody, even to us.
    let run = layout.host(LB).join("run");
    if run.is_dir() {
        fs::set_permissions(&run, fs::Permissions::from_mode(0o700)).map_err(LabError::file("open", &run))?;
    }
    // Only a directory that this program itself would have chosen is removed.
    if state.sockets != run && state.sockets == layout.choose_sockets(&state.id) {
        let _ = fs::set_permissions(&state.sockets, fs::Permissions::from_mode(0o700));
        remove(&state.sockets)?;
    }
    for entry in fs::read_dir(layout.dir()).map_err(LabError::file("read", layout.dir()))? {
        let path = entry.map_err(LabError::file("read", layout.dir()))?.path();
        if path != layout.state_file() {
            remove(&path)?;
        }
    }
    remove(&layout.state_file())
}

fn remove(path: &Path) -> Result<(), LabError> {
    let outcome = if path.is_dir() && !path.is_symlink() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    match outcome {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(LabError::file("remove", path)(e)),
        _ => Ok(()),
    }
}
