//! Runs a program that prints an inventory: `PROGRAM --list`, without a shell, with a deadline and bounds on what it may print.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::context::decode;
use super::exit::CliError;
use crate::base::bound::TEXT_BYTES;
use crate::base::sanitise::one_line;
use crate::diagnostic::Diagnostic;

/// Inventories come from other machines' databases; what takes longer will not come.
const DEADLINE: Duration = Duration::from_secs(30);
/// Bytes of its complaints that are kept.
const COMPLAINT_BYTES: usize = 8 * 1024;

enum News {
    Output(Vec<u8>),
    Complaint(Vec<u8>),
    Ended(std::io::Result<ExitStatus>),
}

/// What `--list` prints.
///
/// # Errors
/// A program that cannot be started, fails, prints too much, or takes too long; then it and what it started are killed.
pub fn list(path: &Path) -> Result<String, CliError> {
    list_within(path, DEADLINE)
}

fn list_within(path: &Path, deadline: Duration) -> Result<String, CliError> {
    // A bare name would be looked up in PATH.
    let program = if path.is_absolute() {
        path.to_owned()
    } else {
        Path::new(".").join(path)
    };
    let mut child = Command::new(program)
        .arg("--list")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|e| failed(path, &format!("cannot be started: {e}"), ""))?;
    let group = rustix::process::Pid::from_child(&child);
    let (news, heard) = mpsc::channel();
    if let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) {
        let (to_out, to_err) = (news.clone(), news.clone());
        std::thread::spawn(move || to_out.send(News::Output(up_to(out, TEXT_BYTES + 1))));
        std::thread::spawn(move || to_err.send(News::Complaint(up_to(err, COMPLAINT_BYTES))));
    }
    std::thread::spawn(move || news.send(News::Ended(child.wait())));
    let end = Instant::now() + deadline;
    let (mut output, mut complaint, mut status) = (None, None, None);
    while output.is_none() || complaint.is_none() || status.is_none() {
        match heard.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(News::Output(bytes)) if bytes.len() > TEXT_BYTES => {
                let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
                return Err(failed(path, "prints more than 4 MiB", ""));
            }
            Ok(News::Output(bytes)) => output = Some(bytes),
            Ok(News::Complaint(bytes)) => complaint = Some(bytes),
            Ok(News::Ended(result)) => status = Some(result?),
            Err(_) => {
                let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
                return Err(failed(path, &format!("has not ended after {} s", deadline.as_secs()), ""));
            }
        }
    }
    let complaint = String::from_utf8_lossy(&complaint.unwrap_or_default()).into_owned();
    match status {
        Some(status) if status.success() => decode(&output.unwrap_or_default(), path),
        Some(status) => Err(failed(path, &format!("failed: {status}"), &complaint)),
        None => Err(failed(path, "failed", &complaint)),
    }
}

/// At most that many bytes; the rest is read and dropped unless it is the answer itself that is too long.
fn up_to(from: impl Read, most: usize) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut from = from.take(64 * 1024 * 1024);
    // An error is the end: what counts is how the program ends.
    let _ = from.by_ref().take(most as u64).read_to_end(&mut kept);
    if kept.len() < most || most == COMPLAINT_BYTES {
        let _ = std::io::copy(&mut from, &mut std::io::sink());
    }
    kept
}

fn failed(path: &Path, what: &str, complaint: &str) -> CliError {
    let d = Diagnostic::nowhere("RB0526", format!("`{} --list` {what}", path.display()));
    let last = complaint.lines().rfind(|l| !l.trim().is_empty()).unwrap_or("");
    let d = match last {
        "" => d.help(format!("run `{} --list` yourself and see", path.display())),
        last => d.help(format!("it says: {}", one_line(last, 200))),
    };
    CliError::Texts(d.into(), Box::default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::diagnostic::Diagnostics;

    fn program(name: &str, script: &str) -> std::path::PathBuf {
        let folder = std::env::temp_dir().join(format!("rb-program-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn said(result: Result<String, CliError>) -> String {
        match result {
            Ok(text) => text,
            Err(CliError::Texts(diagnostics, _)) => words(&diagnostics),
            Err(other) => other.words(false),
        }
    }

    fn words(diagnostics: &Diagnostics) -> String {
        let one = diagnostics.iter().next().unwrap();
        format!("{}: {} ({})", one.code, one.message, one.help.clone().unwrap_or_default())
    }

    #[test]
    fn the_program_gets_one_argument_and_no_shell() {
        let path = program("ok; touch x", "echo \"{\\\"args\\\": \\\"$*\\\"}\"; echo noise >&2");
        assert_eq!(list(&path).unwrap().trim(), "{\"args\": \"--list\"}");
    }

    #[test]
    fn failures_are_told_in_its_own_words() {
        let told = said(list(&program(
            "fails",
            "echo 'first' >&2; printf 'no \\033[31mtoken\\n' >&2; exit 3",
        )));
        assert!(
            told.contains("RB0526") && told.contains("exit status: 3") && told.contains("no \\u{1b}[31mtoken"),
            "{told}"
        );
        assert!(said(list(Path::new("/nonexistent/x"))).contains("cannot be started"));
    }

    #[test]
    fn it_may_not_print_for_ever_nor_take_for_ever() {
        let told = said(list(&program(
            "floods",
            "while :; do echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; done",
        )));
        assert!(told.contains("more than 4 MiB"), "{told}");
        let pid = std::env::temp_dir().join(format!("rb-program-{}/pid", std::process::id()));
        let hangs = program("hangs", &format!("sleep 600 & echo $! > '{}'; wait", pid.display()));
        let told = said(list_within(&hangs, Duration::from_secs(2)));
        assert!(told.contains("has not ended"), "{told}");
        // What it started is gone as well.
        let child: i32 = std::fs::read_to_string(&pid).unwrap().trim().parse().unwrap();
        let gone = || std::fs::read_to_string(format!("/proc/{child}/stat")).map_or(true, |s| s.contains(") Z "));
        let end = Instant::now() + Duration::from_secs(10);
        while !gone() {
            assert!(Instant::now() < end, "{child} still runs");
            std::thread::yield_now();
        }
    }
}
