//! Reads one secret: from the environment, a file or a program of this machine.

use std::fmt;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use secrecy::SecretString;

use super::Configured;
use crate::base::bound;
use crate::base::redact::SHORTEST;
use crate::model::secret::SecretSource;

/// A program may take so long to give a secret: a person may have to touch a key.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(60);

/// Why a secret is not to be had; never with a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Lower case, no full stop.
    pub message: String,
    /// What to do.
    pub help: String,
}

impl Problem {
    /// A problem that explains itself.
    #[must_use]
    pub fn new(message: String) -> Problem {
        Problem {
            message,
            help: String::new(),
        }
    }

    fn help(mut self, help: impl Into<String>) -> Problem {
        self.help = help.into();
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.help.as_str() {
            "" => f.write_str(&self.message),
            help => write!(f, "{}; {help}", self.message),
        }
    }
}

/// Reads a secret. One new line at its end, which editors and programs add, does not belong to it.
///
/// # Errors
/// It is not there, others can read it, or it is too short to be kept out of output.
pub fn read(source: &SecretSource, configured: &Configured) -> Result<SecretString, Problem> {
    let (value, place) = match source {
        SecretSource::Env(name) => (variable(name)?, format!("the environment variable {name}")),
        SecretSource::File(path) => (file(path)?, path.clone()),
        SecretSource::Command(argv) => (command(argv)?, format!("the output of {}", argv.first().map_or("", String::as_str))),
        SecretSource::Configured(name) => match configured.get(name) {
            Some(SecretSource::Configured(_)) | None => {
                let problem = Problem::new(format!("the configuration declares no `secret_sources.{name}`"));
                return Err(problem.help(format!("add `secret_sources: {{ {name}: \"secret:file:…\" }}` to it")));
            }
            Some(source) => return read(source, configured),
        },
    };
    let text = String::from_utf8(value).map_err(|_| Problem::new(format!("{place} is no text: a secret must be UTF-8")))?;
    let value = text.strip_suffix('\n').map_or(text.as_str(), |t| t.strip_suffix('\r').unwrap_or(t));
    if value.contains('\0') {
        return Err(Problem::new(format!("{place} holds a NUL byte, which no program can receive")));
    }
    if value.trim().len() < SHORTEST {
        let problem = Problem::new(match value.trim().len() {
            0 => format!("{place} is empty"),
            n => format!("{place} has only {n} bytes"),
        });
        return Err(problem.help(format!(
            "a secret needs at least {SHORTEST} bytes: a shorter one stands in every output by chance and cannot be masked"
        )));
    }
    Ok(SecretString::from(value))
}

fn variable(name: &str) -> Result<Vec<u8>, Problem> {
    use std::os::unix::ffi::OsStringExt;
    match std::env::var_os(name) {
        Some(value) => Ok(value.into_vec()),
        None => Err(Problem::new(format!("the environment variable {name} is not set"))
            .help("set it where `runbook` is started, from a file or a password store, not by typing it")),
    }
}

fn file(path: &str) -> Result<Vec<u8>, Problem> {
    let unreadable = |e: std::io::Error| Problem::new(format!("{path}: {e}"));
    let mut file = std::fs::File::open(path).map_err(unreadable)?;
    // Of what was opened, so that nobody can put another file there in between.
    let about = file.metadata().map_err(unreadable)?;
    if !about.is_file() {
        return Err(Problem::new(format!("{path} is no regular file")));
    }
    let mode = about.permissions().mode() & 0o777;
    if mode & 0o007 != 0 || mode & 0o020 != 0 {
        let who = if mode & 0o007 != 0 { "everybody" } else { "its group" };
        let problem = Problem::new(format!("{path} has mode {mode:04o}: {who} on this machine can read or change it"));
        return Err(problem.help(format!("chmod 600 {}", crate::base::quote::show([path]))));
    }
    let us = rustix::process::geteuid().as_raw();
    if about.uid() != us && about.uid() != 0 && us != 0 {
        return Err(Problem::new(format!("{path} belongs to user {}, who can change it", about.uid())).help("it must be ours or root's"));
    }
    let mut bytes = Vec::new();
    let most = bound::SECRET_BYTES as u64 + 1;
    Read::by_ref(&mut file).take(most).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > bound::SECRET_BYTES {
        return Err(Problem::new(format!("{path} is longer than {} bytes", bound::SECRET_BYTES)));
    }
    Ok(bytes)
}

/// What the program writes to its standard output. Its errors go to ours, where a person may have to answer it.
fn command(argv: &[String]) -> Result<Vec<u8>, Problem> {
    let (program, arguments) = argv
        .split_first()
        .ok_or_else(|| Problem::new(String::from("the command names no program")))?;
    let failed = |e: std::io::Error| Problem::new(format!("{program}: {e}"));
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let mut pipe = child.stdout.take().expect("its output was asked for");
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = Read::by_ref(&mut pipe).take(bound::SECRET_BYTES as u64 + 1).read_to_end(&mut bytes);
        let _ = sender.send(read.map(|_| bytes));
    });
    let deadline = Instant::now() + COMMAND_TIMEOUT;
    let written = receiver.recv_timeout(COMMAND_TIMEOUT);
    let ended = match &written {
        Ok(Ok(bytes)) if bytes.len() <= bound::SECRET_BYTES => wait(&mut child, deadline),
        _ => None,
    };
    let Some(status) = ended else {
        let _ = child.kill();
        let _ = child.wait();
        return Err(match written {
            Ok(Ok(bytes)) if bytes.len() > bound::SECRET_BYTES => {
                Problem::new(format!("{program} wrote more than {} bytes", bound::SECRET_BYTES))
            }
            Ok(Err(e)) => failed(e),
            _ => Problem::new(format!("{program} did not end within {} s", COMMAND_TIMEOUT.as_secs())),
        });
    };
    if !status.success() {
        return Err(Problem::new(format!("{program} ended with {status}")));
    }
    match written {
        Ok(Ok(bytes)) => Ok(bytes),
        _ => Err(Problem::new(format!("{program} gave nothing"))),
    }
}

/// Its end, if it comes in time; it has closed its output, so this is soon.
fn wait(child: &mut std::process::Child, deadline: Instant) -> Option<std::process::ExitStatus> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(5)),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use secrecy::ExposeSecret;

    struct Scratch(std::path::PathBuf);

    impl Scratch {
        fn new() -> Scratch {
            let dir = std::env::temp_dir().join(format!("rbk-secret-{}", uuid::Uuid::new_v4().simple()));
            std::fs::create_dir(&dir).unwrap();
            Scratch(dir)
        }

        fn file(&self, content: &str, mode: u32) -> SecretSource {
            let path = self.0.join(format!("{mode:o}-{}", content.len()));
            std::fs::write(&path, content).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            SecretSource::File(path.to_string_lossy().into_owned())
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn told(source: &SecretSource) -> String {
        read(source, &Configured::new()).unwrap_err().to_string()
    }

    fn sh(script: &str) -> SecretSource {
        SecretSource::Command(["/bin/sh", "-c", script].map(str::to_owned).to_vec())
    }

    #[test]
    fn a_file_that_others_can_read_is_refused_with_the_cure() {
        let scratch = Scratch::new();
        assert_eq!(
            read(&scratch.file("hunter2\n", 0o600), &Configured::new()).unwrap().expose_secret(),
            "hunter2"
        );
        assert!(read(&scratch.file("hunter2\n", 0o640), &Configured::new()).is_ok());
        for open in [0o644, 0o604, 0o602, 0o660] {
            let told = told(&scratch.file("hunter2\n", open));
            assert!(told.contains("chmod 600") && !told.contains("hunter2"), "{told}");
        }
    }

    #[test]
    fn what_cannot_be_masked_or_sent_is_refused() {
        let scratch = Scratch::new();
        assert!(told(&scratch.file("\n", 0o600)).contains("is empty"));
        assert!(told(&scratch.file("abc\n", 0o600)).contains("only 3 bytes"));
        assert!(told(&scratch.file("a\0bcde", 0o600)).contains("NUL"));
        assert!(told(&SecretSource::File("/nonexistent/x".into())).contains("/nonexistent/x"));
        assert!(told(&SecretSource::Env("RBK_NO_SUCH_SECRET".into())).contains("RBK_NO_SUCH_SECRET is not set"));
    }

    #[test]
    fn a_program_gives_a_secret_and_its_failure_is_told_without_its_output() {
        assert_eq!(
            read(&sh("printf 'a b\\n'; printf 'second\\r\\n'"), &Configured::new())
                .unwrap()
                .expose_secret(),
            "a b\nsecond"
        );
        let told_of = told(&sh("echo hunter2; exit 3"));
        assert!(told_of.contains("exit status: 3") && !told_of.contains("hunter2"), "{told_of}");
        assert!(told(&sh("head -c 100000 /dev/zero")).contains("more than"));
        assert!(told(&SecretSource::Command(vec!["/nonexistent/x".into()])).contains("/nonexistent/x"));
    }

    #[test]
    fn a_configured_source_is_looked_up_once() {
        let scratch = Scratch::new();
        let name = || SecretSource::Configured("db".into());
        let configured = Configured::from([(String::from("db"), scratch.file("hunter2", 0o600))]);
        assert_eq!(read(&name(), &configured).unwrap().expose_secret(), "hunter2");
        let circular = Configured::from([(String::from("db"), name())]);
        assert!(read(&name(), &circular).is_err());
        assert!(told(&name()).contains("secret_sources"));
    }
}
