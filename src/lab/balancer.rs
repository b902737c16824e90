//! The real HAProxy of a fleet: its configuration file and a few lines over its runtime socket.
//!
//! Independent of the product's own HAProxy code, because the lab judges it.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::LabError;
use super::layout::{LB, Layout, POOL, State, write_private};

/// Bytes of an answer of the runtime socket.
const ANSWER_BYTES: u64 = 1024 * 1024;
const PATIENCE: Duration = Duration::from_secs(2);

/// The healthy configuration: every server in, round-robin, equal weights.
pub(super) fn config(layout: &Layout, state: &State) -> String {
    use std::fmt::Write as _;
    let socket = layout.haproxy_socket(state);
    let mut text = format!(
        "# HAProxy of {LB}, written by `runbook lab up`\n\
         global\n    stats socket {socket} mode 600 level admin expose-fd listeners\n    maxconn 1000\n    nbthread 1\n    hard-stop-after 10s\n",
        socket = socket.display()
    );
    if state.server_state_file {
        let _ = writeln!(text, "    server-state-file {}", layout.haproxy_states().display());
    }
    text.push_str(
        "\ndefaults\n    mode http\n    timeout connect 2s\n    timeout client 15s\n    timeout server 15s\n    timeout http-request 5s\n",
    );
    if state.server_state_file {
        text.push_str("    load-server-state-from-file global\n");
    }
    let _ = write!(
        text,
        "\nfrontend site\n    bind {site}\n    default_backend {POOL}\n\n\
         backend {POOL}\n    balance roundrobin\n    option httpchk GET /health\n    http-check expect status 200\n\
         \x20   default-server inter 500ms fall 2 rise 2\n",
        site = state.site()
    );
    for host in state.web() {
        let _ = writeln!(text, "    server {} {} check weight 100", host.name, state.app(host));
    }
    text
}

/// Comments out the line of a server.
pub(super) fn comment_out(text: &str, server: &str) -> String {
    let wanted = format!("server {server} ");
    edit_lines(text, |line| {
        let bare = line.trim_start();
        bare.starts_with(&wanted).then(|| format!("    # {bare}"))
    })
}

/// Sets the algorithm.
pub(super) fn set_balance(text: &str, algorithm: &str) -> String {
    edit_lines(text, |line| {
        line.trim_start()
            .starts_with("balance ")
            .then(|| format!("    balance {algorithm}"))
    })
}

/// Sets the weight of a server.
pub(super) fn set_weight(text: &str, server: &str, weight: u16) -> String {
    let wanted = format!("server {server} ");
    edit_lines(text, |line| {
        let (before, _) = line.trim_start().starts_with(&wanted).then(|| line.split_once(" weight "))??;
        Some(format!("{before} weight {weight}"))
    })
}

/// Sets the path that health checks ask for.
pub(super) fn set_check(text: &str, path: &str) -> String {
    edit_lines(text, |line| {
        line.trim_start()
            .starts_with("option httpchk ")
            .then(|| format!("    option httpchk GET {path}"))
    })
}

/// One command over the runtime socket.
///
/// # Errors
/// [`LabError::Socket`] when nothing answers there.
pub(super) fn runtime(socket: &Path, command: &str) -> Result<String, LabError> {
    let ask = || {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.write_all(format!("{command}\n").as_bytes())?;
        let mut answer = String::new();
        stream.take(ANSWER_BYTES).read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().map_err(|source| LabError::Socket {
        path: socket.to_owned(),
        source,
    })
}

/// Writes the servers' states where HAProxy looks for them when it is reloaded.
///
/// # Errors
/// Nothing answers on the socket, or the file cannot be written.
pub(super) fn save_states(socket: &Path, file: &Path) -> Result<(), LabError> {
    write_private(file, &runtime(socket, "show servers state")?, 0o600)
}

/// What HAProxy says of one server.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Member {
    /// Its name in the backend.
    pub name: String,
    /// `UP`, `DOWN`, `MAINT`, `DRAIN`, as HAProxy words it.
    pub status: String,
    /// Its weight.
    pub weight: String,
    /// Requests since HAProxy's start.
    pub requests: u64,
}

/// The pool's servers by HAProxy's `show stat`.
pub(super) fn members(stat: &str) -> Vec<Member> {
    let mut lines = stat.lines();
    let header: Vec<&str> = lines.next().unwrap_or("").trim_start_matches("# ").split(',').collect();
    let column = |name: &str| header.iter().position(|h| *h == name).unwrap_or(usize::MAX);
    let (proxy, server, status, weight, requests) = (
        column("pxname"),
        column("svname"),
        column("status"),
        column("weight"),
        column("stot"),
    );
    lines
        .map(|line| line.split(',').collect::<Vec<_>>())
        .filter(|row| row.get(proxy) == Some(&POOL) && !matches!(row.get(server), None | Some(&"BACKEND" | &"FRONTEND")))
        .map(|row| {
            let text = |at: usize| row.get(at).copied().unwrap_or("").to_owned();
            Member {
                name: text(server),
                status: text(status),
                weight: text(weight),
                requests: text(requests).parse().unwrap_or(0),
            }
        })
        .collect()
}

/// `Pid` of `show info`: the worker that answers; it changes with every reload.
pub(super) fn worker(info: &str) -> Option<u32> {
    info.lines().find_map(|l| l.strip_prefix("Pid: "))?.trim().parse().ok()
}

fn edit_lines(text: &str, edit: impl Fn(&str) -> Option<String>) -> String {
    let mut edited: String = text
        .lines()
        .map(|line| edit(line).unwrap_or_else(|| line.to_owned()) + "\n")
        .collect();
    if !text.ends_with('\n') {
        edited.pop();
    }
    edited
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "backend web\n    balance roundrobin\n    option httpchk GET /health\n    server web-01 127.1.1.11:8080 check weight 100\n    server web-02 127.1.1.12:8080 check weight 100\n";

    #[test]
    fn edits_touch_one_line_each() {
        let out = comment_out(TEXT, "web-02");
        assert!(out.contains("\n    # server web-02 127.1.1.12:8080 check weight 100\n"));
        assert!(out.contains("\n    server web-01 "));
        assert_eq!(comment_out(&out, "web-02"), out, "commenting out twice changes nothing");
        assert!(set_balance(TEXT, "source").contains("\n    balance source\n"));
        assert!(set_weight(TEXT, "web-01", 200).contains("server web-01 127.1.1.11:8080 check weight 200\n"));
        assert!(set_check(TEXT, "/alive").contains("option httpchk GET /alive\n"));
    }

    #[test]
    fn reads_statistics_by_column_name() {
        let stat = "# pxname,svname,stot,status,weight,\nsite,FRONTEND,9,OPEN,,\nweb,web-01,7,UP,100,\nweb,web-02,0,MAINT,100,\nweb,BACKEND,7,UP,100,\n";
        let members = members(stat);
        assert_eq!(members.len(), 2);
        assert_eq!(
            (members[1].name.as_str(), members[1].status.as_str(), members[0].requests),
            ("web-02", "MAINT", 7)
        );
        assert_eq!(worker("Name: HAProxy\nPid: 4711\n"), Some(4711));
    }
}
