//! What only `ssh` can get wrong: logins, keys, limits, and what a connection leaves behind.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::runtime_dir::RuntimeDir;
use super::super::{
    Attached, Certainty, ConnectErrorKind, Connector, Destination, Exec, HostSpec, RunAs, SocketErrorKind, TcpError, Transport,
};
use super::sshd::{Sshd, keygen};
use super::{Bed, directory, eventually, pids, run, running, sink};

fn spec(sshd: &Sshd) -> HostSpec {
    HostSpec {
        name: "h".into(),
        destination: Destination::Ssh(sshd.destination()),
        accept_new: false,
    }
}

fn at(sshd: &Sshd, change: impl FnOnce(&mut super::super::SshDestination)) -> HostSpec {
    let mut destination = sshd.destination();
    change(&mut destination);
    HostSpec {
        destination: Destination::Ssh(destination),
        ..spec(sshd)
    }
}

async fn failure(runtime: &Path, spec: &HostSpec) -> ConnectErrorKind {
    let connector = Connector::with(RuntimeDir::at(runtime.to_owned()));
    let error = connector.connect(spec).await.err().unwrap();
    assert_eq!(
        std::fs::read_dir(runtime).unwrap().count(),
        0,
        "nothing is left behind after {error}"
    );
    error.kind
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_have_their_class() {
    let sshd = Sshd::start("");
    let runtime = sshd.dir.join("r");
    let closed = at(&sshd, |d| d.port = Some(1));
    assert_eq!(failure(&runtime, &closed).await, ConnectErrorKind::Refused);
    keygen(&sshd.dir.join("other"));
    let stranger = at(&sshd, |d| d.identity_file = Some(sshd.dir.join("other")));
    assert_eq!(failure(&runtime, &stranger).await, ConnectErrorKind::AuthDenied);
    assert_eq!(
        failure(&runtime, &at(&sshd, |d| d.user = Some("no-such-user".into()))).await,
        ConnectErrorKind::AuthDenied
    );
    sshd.trust(&sshd.dir.join("other.pub"));
    assert_eq!(failure(&runtime, &spec(&sshd)).await, ConnectErrorKind::HostKeyChanged);
    let eager = HostSpec {
        accept_new: true,
        ..spec(&sshd)
    };
    assert_eq!(
        failure(&runtime, &eager).await,
        ConnectErrorKind::HostKeyChanged,
        "accepting new keys accepts no changed one"
    );
    std::fs::write(sshd.dir.join("known"), "").unwrap();
    assert_eq!(failure(&runtime, &spec(&sshd)).await, ConnectErrorKind::HostKeyUnknown);
    let connector = Connector::with(RuntimeDir::at(runtime.clone()));
    assert!(connector.connect(&eager).await.is_ok());
    assert!(connector.connect(&spec(&sshd)).await.is_ok(), "the key is known now");
    for address in ["", "-oProxyCommand=touch x", "a b"] {
        assert_eq!(
            failure(&runtime, &at(&sshd, |d| d.address = address.into())).await,
            ConnectErrorKind::Dns,
            "{address}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_without_a_shell_is_no_host() {
    let sshd = Sshd::start("ForceCommand echo go away; exit 1");
    assert_eq!(failure(&sshd.dir.join("r"), &spec(&sshd)).await, ConnectErrorKind::NoShell);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_noisy_login_does_no_harm() {
    let bed = Bed::ssh("ForceCommand echo welcome; echo careful >&2; eval \"$SSH_ORIGINAL_COMMAND\"").await;
    assert_eq!(bed.out("echo clean").await, "clean\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_silent_or_busy() {
    let sshd = Sshd::start("");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let slams = std::thread::spawn(move || (0..3).for_each(|_| drop(listener.accept())));
    let runtime = sshd.dir.join("r");
    let busy = at(&sshd, |d| d.port = Some(port));
    let connector = Connector::with(RuntimeDir::at(runtime));
    let started = Instant::now();
    let kind = connector.connect(&busy).await.err().unwrap().kind;
    // Three closed connections are repeated; then the port itself is closed, which is another answer.
    assert_eq!(kind, ConnectErrorKind::Refused);
    assert!(started.elapsed() < Duration::from_secs(10));
    slams.join().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn few_sessions_are_enough() {
    let bed = Bed::ssh("MaxSessions 2").await;
    let mut tasks = Vec::new();
    for n in 0..12 {
        let host = Arc::clone(&bed.host);
        tasks.push(tokio::spawn(async move {
            host.exec(Exec::script(format!("sleep 0.05; echo {n}"))).await.unwrap().stdout.bytes
        }));
    }
    for (n, task) in tasks.into_iter().enumerate() {
        assert_eq!(task.await.unwrap(), format!("{n}\n").as_bytes());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn forwarding_that_is_forbidden_is_said_to_be() {
    let bed = Bed::ssh("AllowTcpForwarding no\nAllowStreamLocalForwarding no").await;
    let soon = Duration::from_secs(5);
    assert_eq!(
        bed.host.open_tcp("127.0.0.1", 9, soon).await.err(),
        Some(TcpError::ForwardingRefused)
    );
    let _listener = std::os::unix::net::UnixListener::bind(bed.path("s")).unwrap();
    let error = bed.host.socket(&bed.path("s"), b"x", RunAs::Login, soon).await.unwrap_err();
    assert_eq!(error.kind, SocketErrorKind::ForwardingRefused);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_master_loses_nothing() {
    let bed = Bed::ssh("").await;
    let go = bed.path("go");
    let request = run(Exec::script(format!(
        "echo half; while [ ! -e {go} ]; do sleep 0.05; done; echo whole; exit 9"
    )));
    let (host, sent) = (Arc::clone(&bed.host), request.clone());
    let task = tokio::spawn(async move { host.run(sent, sink()).await });
    eventually("it runs", || running(&format!("{}.cmd", request.id.as_str())));
    let runtime = bed.path("r/");
    for pid in pids(&runtime) {
        rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), rustix::process::Signal::KILL).unwrap();
    }
    let error = task.await.unwrap().unwrap_err();
    assert_eq!((error.certainty, error.is_transient()), (Certainty::Started, true));
    assert!(!bed.host.alive().await);
    let lost = bed.host.exec(Exec::argv(["true"])).await.unwrap_err();
    assert!(lost.is_transient());
    let second = bed.again().await;
    assert_eq!(second.attach(&request.id, Duration::from_millis(100)).await, Ok(Attached::Running));
    std::fs::write(&go, "").unwrap();
    let Ok(Attached::Done(got)) = second.attach(&request.id, Duration::from_secs(10)).await else {
        panic!("it has ended")
    };
    assert_eq!((got.code, &got.stdout.bytes[..]), (9, &b"half\nwhole\n"[..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_after_close_and_drop() {
    for close in [true, false] {
        let bed = Bed::ssh("").await;
        let port = format!("-p {}", bed.sshd.as_ref().unwrap().port);
        assert!(running(&port));
        bed.out("true").await;
        let runtime = bed.dir.join("r");
        if close {
            bed.host.close().await;
            assert!(!running(&port));
        }
        let Bed { ref host, .. } = bed;
        assert_eq!(Arc::strong_count(host), 1);
        let dir = std::mem::take(&mut { bed }.dir);
        eventually("the master is gone", || !running(&port));
        eventually("its files are gone", || std::fs::read_dir(&runtime).map_or(0, Iterator::count) == 0);
        let _ = std::fs::remove_dir_all(dir);
    }
}

/// What the next test starts and kills; by itself it does nothing.
#[tokio::test(flavor = "multi_thread")]
async fn controller() {
    let Ok(dir) = std::env::var("RUNBOOK_TEST_CONTROLLER") else {
        return;
    };
    let field = |name: &str| std::fs::read_to_string(Path::new(&dir).join(name)).unwrap();
    let destination = super::super::SshDestination {
        address: "127.0.0.1".into(),
        port: Some(field("port").parse().unwrap()),
        identity_file: Some(field("key").into()),
        known_hosts: Some(field("known").into()),
        ..Default::default()
    };
    let connector = Connector::with(RuntimeDir::at(Path::new(&dir).join("r")));
    let spec = HostSpec {
        name: "h".into(),
        destination: Destination::Ssh(destination),
        accept_new: false,
    };
    let host = connector.connect(&spec).await.unwrap();
    let _ = host.socket("/no/socket", b"x", RunAs::Login, Duration::from_secs(5)).await;
    host.exec(Exec::argv(["true"])).await.unwrap();
    std::fs::write(Path::new(&dir).join("ready"), "").unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_after_a_killed_controller() {
    let sshd = Sshd::start("");
    let dir = directory();
    std::fs::write(dir.join("port"), sshd.port.to_string()).unwrap();
    std::fs::write(dir.join("key"), sshd.dir.join("user").to_str().unwrap()).unwrap();
    std::fs::write(dir.join("known"), sshd.dir.join("known").to_str().unwrap()).unwrap();
    let mut controller = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "transport::tests::connecting::controller"])
        .env("RUNBOOK_TEST_CONTROLLER", &dir)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    eventually("it is connected", || dir.join("ready").exists());
    let port = format!("-p {}", sshd.port);
    assert!(running(&port));
    controller.kill().unwrap();
    controller.wait().unwrap();
    eventually("the master is gone", || !running(&port));
    eventually("its socket is gone", || std::fs::read_dir(dir.join("r")).unwrap().count() == 0);
    std::fs::remove_dir_all(dir).unwrap();
}
