//! Durable commands: exactly once, whatever happens to the link.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::super::{Attached, Certainty, EndReason, Exec, KillReport, LostReason, Run, StartErrorKind, Stream};
use super::{Bed, eventually, id, nap, on_both_links, pids, run, running, sink};

on_both_links!(
    status_streams_and_input,
    a_flood_is_cut_and_marked,
    pieces_come_while_it_runs,
    a_deadline_kills_the_tree_on_the_host,
    cancel_kills_what_ignores_term_and_what_escaped,
    cancel_before_start_and_after_end,
    the_fence_stops_a_late_start,
    one_identity_runs_once,
    a_detached_run_goes_on,
    another_users_processes_are_killed_too,
    a_dead_supervisor_is_seen,
    a_script_that_was_cut_short_does_not_run,
);

async fn status_streams_and_input(bed: &Bed) {
    let request = run(Exec {
        stdin: vec![0xff, 0, b'\n', 0xfe],
        env: vec![("V".into(), "a b".into())],
        ..Exec::script("cat; echo \"$V\" >&2; exit 5")
    });
    let got = bed.host.run(request.clone(), sink()).await.unwrap();
    assert_eq!((got.code, got.why), (5, EndReason::Exited));
    assert_eq!(
        (got.stdout.bytes.clone(), &got.stderr.bytes[..]),
        (vec![0xff, 0, b'\n', 0xfe], &b"a b\n"[..])
    );
    assert_eq!(bed.host.attach(&request.id, Duration::ZERO).await, Ok(Attached::Done(got)));
    let killed = bed.host.run(run(Exec::script("kill -s KILL $$")), sink()).await.unwrap();
    assert_eq!((killed.code, killed.stderr.bytes.len()), (137, 0));
    assert_eq!(bed.host.run(run(Exec::argv(["no-such-program"])), sink()).await.unwrap().code, 127);
    let plain = bed
        .host
        .run(run(Exec::argv(["sh", "-c", "trap 'exit 3' INT; kill -s INT $$; exit 4"])), sink())
        .await
        .unwrap();
    assert_eq!(plain.code, 3, "signals have their default meaning");
}

async fn a_flood_is_cut_and_marked(bed: &Bed) {
    let got = bed
        .host
        .run(run(Exec::script("head -c 2000000 /dev/zero; echo e >&2; sleep 0.5")), sink())
        .await
        .unwrap();
    assert_eq!(
        (got.stdout.bytes.len(), got.stdout.truncated),
        (crate::base::bound::OUTPUT_BYTES, true)
    );
    assert_eq!((&got.stderr.bytes[..], got.stderr.truncated), (&b"e\n"[..], false));
}

async fn pieces_come_while_it_runs(bed: &Bed) {
    let go = bed.path("go");
    let (sender, mut pieces) = mpsc::channel(8);
    let request = run(Exec::script(format!(
        "echo first; while [ ! -e {go} ]; do sleep 0.05; done; echo second; echo e >&2"
    )));
    let host = Arc::clone(&bed.host);
    let task = tokio::spawn(async move { host.run(request, sender).await });
    let first = pieces.recv().await.unwrap();
    assert_eq!((first.stream, &first.bytes[..]), (Stream::Stdout, &b"first\n"[..]));
    std::fs::write(&go, "").unwrap();
    let (mut out, mut err) = (first.bytes, Vec::new());
    while let Some(piece) = pieces.recv().await {
        if piece.stream == Stream::Stdout {
            out.extend(piece.bytes)
        } else {
            err.extend(piece.bytes)
        }
    }
    let got = task.await.unwrap().unwrap();
    assert_eq!((out, err), (got.stdout.bytes, got.stderr.bytes));
}

async fn a_deadline_kills_the_tree_on_the_host(bed: &Bed) {
    let nap = nap();
    let script = format!("trap '' TERM; setsid sleep {nap} & sleep {nap} & echo begun; while :; do sleep {nap}; done");
    let got = bed
        .host
        .run(
            run(Exec {
                timeout: Duration::from_secs(1),
                ..Exec::script(script)
            }),
            sink(),
        )
        .await
        .unwrap();
    assert_eq!((got.why, &got.stdout.bytes[..]), (EndReason::Timeout, &b"begun\n"[..]));
    assert!(!running(&nap), "nothing lives when the end is told");
}

fn detached(bed: &Bed, request: &Run) -> tokio::task::JoinHandle<Result<super::super::Outcome, super::super::StartError>> {
    let (host, request) = (Arc::clone(&bed.host), request.clone());
    tokio::spawn(async move { host.run(request, sink()).await })
}

async fn cancel_kills_what_ignores_term_and_what_escaped(bed: &Bed) {
    let nap = nap();
    let script = format!("trap '' TERM; setsid sleep {nap} & sleep {nap} & while :; do sleep {nap}; done");
    let request = run(Exec::script(script));
    let task = detached(bed, &request);
    eventually("it runs", || pids(&format!("sleep {nap}")).len() >= 3);
    assert_eq!(bed.host.attach(&request.id, Duration::ZERO).await, Ok(Attached::Running));
    assert_eq!(bed.host.cancel(&request.id, Duration::from_millis(300)).await, Ok(KillReport::Dead));
    assert!(!running(&nap));
    let got = task.await.unwrap().unwrap();
    assert_eq!((got.why, got.code), (EndReason::Cancelled, 137));
    assert!(matches!(bed.host.attach(&request.id, Duration::ZERO).await, Ok(Attached::Done(o)) if o.why == EndReason::Cancelled));
}

async fn another_users_processes_are_killed_too(bed: &Bed) {
    let nap = nap();
    let program = super::super::Program::Argv(vec!["sleep".into(), nap.clone()]);
    let nobody = || super::super::RunAs::User("nobody".into());
    let probe = bed
        .host
        .exec(Exec {
            run_as: nobody(),
            ..Exec::argv(["true"])
        })
        .await;
    let request = run(Exec {
        program,
        run_as: nobody(),
        ..Exec::argv(["true"])
    });
    if !probe.is_ok_and(|p| p.code == 0) {
        // Where sudo does not let us, the command fails at once and says so.
        assert_ne!(bed.host.run(request, sink()).await.unwrap().code, 0);
        return;
    }
    let task = detached(bed, &request);
    eventually("it runs", || running(&format!("sleep {nap}")));
    assert_eq!(bed.host.cancel(&request.id, Duration::from_secs(2)).await, Ok(KillReport::Dead));
    assert!(!running(&nap));
    assert_eq!(task.await.unwrap().unwrap().why, EndReason::Cancelled);
}

async fn cancel_before_start_and_after_end(bed: &Bed) {
    let request = run(Exec::argv(["true"]));
    assert_eq!(bed.host.cancel(&request.id, Duration::ZERO).await, Ok(KillReport::NeverStarted));
    assert_eq!(bed.host.run(request, sink()).await.map_err(|e| e.kind), Err(StartErrorKind::Fenced));
    let ended = run(Exec::script("exit 6"));
    bed.host.run(ended.clone(), sink()).await.unwrap();
    assert_eq!(
        bed.host.cancel(&ended.id, Duration::ZERO).await,
        Ok(KillReport::AlreadyEnded { code: 6 })
    );
}

async fn the_fence_stops_a_late_start(bed: &Bed) {
    let trace = bed.path("trace");
    let request = run(Exec::argv(["touch", &trace]));
    assert_eq!(bed.host.attach(&request.id, Duration::ZERO).await, Ok(Attached::Never));
    assert_eq!(bed.host.attach(&request.id, Duration::ZERO).await, Ok(Attached::Never));
    let error = bed.host.run(request, sink()).await.unwrap_err();
    assert_eq!((error.kind, error.certainty), (StartErrorKind::Fenced, Certainty::NotStarted));
    assert!(!std::path::Path::new(&trace).exists());
}

async fn one_identity_runs_once(bed: &Bed) {
    let other = bed.again().await;
    for _ in 0..5 {
        let trace = bed.path("once");
        let request = run(Exec::script(format!("echo x >>{trace}")));
        let mut tasks = Vec::new();
        for n in 0..20 {
            let host = Arc::clone(if n % 2 == 0 { &bed.host } else { &other });
            let request = request.clone();
            tasks.push(tokio::spawn(async move {
                if n % 5 == 4 {
                    return usize::from(host.attach(&request.id, Duration::ZERO).await == Ok(Attached::Never)) * 100;
                }
                usize::from(host.run(request, sink()).await.is_ok())
            }));
        }
        let mut sum = 0;
        for task in tasks {
            sum += task.await.unwrap();
        }
        let executed = std::fs::read_to_string(&trace).unwrap_or_default().lines().count();
        let _ = std::fs::remove_file(&trace);
        assert!(
            (executed == 1 && sum == 1) || (executed == 0 && sum >= 100 && sum.is_multiple_of(100)),
            "{executed} {sum}"
        );
    }
}

async fn a_detached_run_goes_on(bed: &Bed) {
    let go = bed.path("go");
    let request = run(Exec::script(format!(
        "echo half; while [ ! -e {go} ]; do sleep 0.05; done; echo whole; exit 9"
    )));
    let task = detached(bed, &request);
    eventually("it runs", || running(&format!("{}.cmd", request.id.as_str())));
    task.abort();
    let second = bed.again().await;
    assert_eq!(second.attach(&request.id, Duration::from_millis(50)).await, Ok(Attached::Running));
    std::fs::write(&go, "").unwrap();
    let Ok(Attached::Done(got)) = second.attach(&request.id, Duration::from_secs(10)).await else {
        panic!("it has ended")
    };
    assert_eq!((got.code, &got.stdout.bytes[..]), (9, &b"half\nwhole\n"[..]));
}

async fn a_dead_supervisor_is_seen(bed: &Bed) {
    let nap = nap();
    let request = run(Exec::argv(["sleep", &nap]));
    let task = detached(bed, &request);
    eventually("it runs", || running(&format!("sleep {nap}")));
    let second = bed.again().await;
    // The first number of the claim is the supervisor.
    let script = format!("cut -d' ' -f2 \"$RBK_S\"/{}.j | head -n1", request.id.as_str());
    let supervisor = String::from_utf8(second.exec(Exec::script(script)).await.unwrap().stdout.bytes).unwrap();
    second.exec(Exec::argv(["kill", "-s", "KILL", supervisor.trim()])).await.unwrap();
    let error = task.await.unwrap().unwrap_err();
    assert_eq!(error.certainty, Certainty::Started);
    // A killed process stays in the table for a moment after its link is closed.
    let until = std::time::Instant::now() + Duration::from_secs(10);
    let mut state = second.attach(&request.id, Duration::ZERO).await;
    while state == Ok(Attached::Running) && std::time::Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(20)).await;
        state = second.attach(&request.id, Duration::ZERO).await;
    }
    let Ok(Attached::Orphan { pids: left }) = state else {
        panic!("it is an orphan: {state:?}")
    };
    assert_eq!(left.len(), 1);
    assert_eq!(second.cancel(&request.id, Duration::from_secs(5)).await, Ok(KillReport::Dead));
    assert_eq!(
        second.attach(&request.id, Duration::ZERO).await,
        Ok(Attached::Lost(LostReason::SupervisorDied))
    );
    let reboot = id();
    let claim = format!("echo 'C 1 1 other run' >\"$RBK_S\"/{0}.j; : >\"$RBK_S\"/{0}x.j", reboot.as_str());
    second.exec(Exec::script(claim)).await.unwrap();
    assert_eq!(second.attach(&reboot, Duration::ZERO).await, Ok(Attached::Lost(LostReason::Reboot)));
    let torn = super::AttemptId::new(format!("{}x", reboot.as_str())).unwrap();
    assert_eq!(
        second.attach(&torn, Duration::ZERO).await,
        Ok(Attached::Lost(LostReason::TornClaim))
    );
}

async fn a_script_that_was_cut_short_does_not_run(bed: &Bed) {
    use super::super::protocol;
    use std::io::Write;
    let trace = bed.path("trace");
    for script in [format!("touch {trace}\n"), format!("touch {trace}\n# {}\n", "x".repeat(5000))] {
        let request = run(Exec {
            stdin: b"input".to_vec(),
            ..Exec::script(&script)
        });
        let bytes = protocol::run(&request, bed.host.user(), "N", 10).unwrap();
        for part in [1, 2] {
            let whole = protocol::greeting("N");
            let mut shell = std::process::Command::new("/bin/sh")
                .args(["-c", protocol::BOOTSTRAP])
                .stdin(std::process::Stdio::piped())
                .stdout(std::process::Stdio::null())
                .stderr(std::process::Stdio::null())
                .spawn()
                .unwrap();
            let mut stdin = shell.stdin.take().unwrap();
            stdin.write_all(&whole).unwrap();
            stdin.write_all(&bytes[..bytes.len() - part]).unwrap();
            drop(stdin);
            shell.wait().unwrap();
            assert!(!std::path::Path::new(&trace).exists());
            assert!(bed.host.attach(&request.id, Duration::ZERO).await == Ok(Attached::Never));
        }
    }
}
