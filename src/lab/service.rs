//! Services under runit: one `runsvdir` per host, which needs no root.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::LabError;
use super::layout::{HostState, LB, Layout, State, make_dir, write_private};
use super::process::{self, PATH, Process};
use super::sshd::last_lines;
use crate::base::quote;

/// Data limit of a web application: large against what it needs to live, small enough to fill in a second.
pub const APP_LIMIT_BYTES: u64 = 64 * 1024 * 1024;

/// Writes the services of a host: `haproxy` on the balancer, `app` on a web server.
pub(super) fn configure(layout: &Layout, state: &State, host: &HostState) -> Result<(), LabError> {
    if host.name == LB {
        let config = layout.haproxy_config();
        let run = line(&[&process::program("haproxy")?, "-W", "-f", &config.to_string_lossy()])?;
        write_service(layout, &host.name, "haproxy", &run)?;
        return if state.server_state_file {
            write_reload_hook(layout, state)
        } else {
            Ok(())
        };
    }
    let site = layout.host(&host.name).join("site");
    make_dir(&site)?;
    write_private(&site.join("welcome.txt"), "welcome\n", 0o600)?;
    let config = layout.app_config(&host.name);
    write_private(
        &config,
        &format!(
            "# web application of {}\nroot = {}\npage = welcome.txt\n",
            host.name,
            site.display()
        ),
        0o600,
    )?;
    let program = state.program.to_string_lossy();
    let config = config.to_string_lossy();
    let listen = state.app(host).to_string();
    let limit = APP_LIMIT_BYTES.to_string();
    let chpst = process::program("chpst")?;
    let app: &[&str] = &[
        &chpst, "-d", &limit, &program, "lab", "app", "--name", &host.name, "--listen", &listen, "--config", &config,
    ];
    write_service(layout, &host.name, "app", &line(app)?)?;
    let check = layout.host(&host.name).join("check-config");
    let command = line(&[&program, "lab", "app", "--check", "--config"])?;
    write_private(
        &check,
        &format!("#!/bin/sh\n# validates a configuration file of the web application\nexec {command} \"$1\"\n"),
        0o700,
    )
}

/// Starts the supervisor of a host's services.
pub(super) fn start(layout: &Layout, state: &State, host: &HostState) -> Result<Child, LabError> {
    let services = layout.services(&host.name);
    let args: [&OsStr; 2] = ["-P".as_ref(), services.as_ref()];
    process::start_detached(
        &state.id,
        &layout.log(&host.name, "services.log"),
        &process::program("runsvdir")?,
        &args,
    )
}

/// Runs `sv` for a host on this machine, without SSH.
pub(super) fn sv(layout: &Layout, host: &str, args: &[&str]) -> Result<String, LabError> {
    let output = Command::new(process::program("sv")?)
        .args(args)
        .env("PATH", PATH)
        .env("SVDIR", layout.services(host))
        .stdin(Stdio::null())
        .output()
        .map_err(|e| LabError::Command {
            command: format!("sv {}", args.join(" ")),
            said: e.to_string(),
        })?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if output.status.success() {
        Ok(said)
    } else {
        Err(LabError::Command {
            command: format!("sv {}", args.join(" ")),
            said: last_lines(&said),
        })
    }
}

/// The main process of a service, while it runs.
#[must_use]
pub(super) fn main_process(layout: &Layout, host: &str, service: &str) -> Option<Process> {
    let pid = fs::read_to_string(layout.services(host).join(service).join("supervise/pid")).ok()?;
    Process::of(pid.trim().parse().ok()?)
}

/// runsv runs `control/h` before it passes SIGHUP on; only with an exit status other than 0 it does pass it on.
fn write_reload_hook(layout: &Layout, state: &State) -> Result<(), LabError> {
    let control = layout.services(LB).join("haproxy/control");
    make_dir(&control)?;
    let (socket, file) = (layout.haproxy_socket(state), layout.haproxy_states());
    let save = line(&[
        &state.program.to_string_lossy(),
        "lab",
        "save-states",
        &socket.to_string_lossy(),
        &file.to_string_lossy(),
    ])?;
    write_private(
        &control.join("h"),
        &format!("#!/bin/sh\n# keeps the servers' states over a reload\n{save}\nexit 1\n"),
        0o700,
    )
}

fn write_service(layout: &Layout, host: &str, name: &str, command: &str) -> Result<(), LabError> {
    let dir = layout.services(host).join(name);
    make_dir(&dir)?;
    write_run(&dir.join("run"), command)
}

fn write_run(path: &Path, command: &str) -> Result<(), LabError> {
    write_private(path, &format!("#!/bin/sh\nexec 2>&1\nexec {command}\n"), 0o700)
}

fn line(words: &[&str]) -> Result<String, LabError> {
    quote::line(words.iter().copied()).map_err(LabError::Refused)
}
