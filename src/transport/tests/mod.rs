//! The conformance suite: what every host must do, over pipes and over a real sshd; and what only `ssh` can get wrong.
#![allow(clippy::unwrap_used)]

mod commands;
mod connecting;
mod durable;
mod files;
mod sshd;
mod streams;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::runtime_dir::RuntimeDir;
use super::{AttemptId, Connector, Destination, Exec, Host, HostSpec, Run, Transport};
use sshd::Sshd;

/// Defines each test twice: over pipes and over ssh.
macro_rules! on_both_links {
    ($($name:ident),* $(,)?) => {
        mod local { $(#[tokio::test(flavor = "multi_thread")] async fn $name() { super::$name(&crate::transport::tests::Bed::local().await).await; })* }
        mod ssh { $(#[tokio::test(flavor = "multi_thread")] async fn $name() { super::$name(&crate::transport::tests::Bed::ssh("").await).await; })* }
    };
}
use on_both_links;

/// A connected host and a directory that exist as long as a test.
struct Bed {
    host: Arc<dyn Host>,
    dir: PathBuf,
    sshd: Option<Sshd>,
    spec: HostSpec,
    connector: Connector,
}

impl Bed {
    async fn local() -> Bed {
        Bed::with(None).await
    }

    async fn ssh(options: &str) -> Bed {
        Bed::with(Some(Sshd::start(options))).await
    }

    async fn with(sshd: Option<Sshd>) -> Bed {
        let dir = directory();
        let runtime = RuntimeDir::at(dir.join("r"));
        let destination = sshd.as_ref().map_or(Destination::Local, |s| Destination::Ssh(s.destination()));
        let spec = HostSpec {
            name: "h".into(),
            destination,
            accept_new: false,
        };
        let connector = Connector::with(runtime);
        let host = connector.connect(&spec).await.unwrap();
        Bed {
            host,
            dir,
            sshd,
            spec,
            connector,
        }
    }

    fn path(&self, name: &str) -> String {
        self.dir.join(name).to_str().unwrap().to_owned()
    }

    async fn again(&self) -> Arc<dyn Host> {
        self.connector.connect(&self.spec).await.unwrap()
    }

    async fn out(&self, script: &str) -> String {
        String::from_utf8(self.host.exec(Exec::script(script)).await.unwrap().stdout.bytes).unwrap()
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn directory() -> PathBuf {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let name = format!("rbt{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    let dir = std::env::temp_dir().join(name);
    std::fs::create_dir(&dir).unwrap();
    dir
}

/// A time to sleep that names its test in a list of processes.
fn nap() -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    format!("6{}.{:03}7", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed))
}

fn id() -> AttemptId {
    AttemptId::new(format!("t.{}", uuid::Uuid::new_v4().simple())).unwrap()
}

fn run(exec: Exec) -> Run {
    Run {
        id: id(),
        exec,
        grace: Duration::from_secs(1),
    }
}

fn sink() -> super::OutputSink {
    tokio::sync::mpsc::channel(1).0
}

/// Polls until it holds, at most 10 s.
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < until, "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Is there a process (not a zombie) whose command line holds the text?
fn running(text: &str) -> bool {
    !pids(text).is_empty()
}

fn pids(text: &str) -> Vec<i32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else {
            continue;
        };
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains(text) {
            found.push(pid);
        }
    }
    found
}
