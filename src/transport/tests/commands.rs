//! Plain commands.

use std::time::{Duration, Instant};

use crate::base::bound;

use super::super::{EndReason, Exec, Program, RunAs, StartErrorKind};
use super::{Bed, eventually, nap, on_both_links, running};

on_both_links!(
    status_and_streams,
    any_bytes_in_and_out,
    a_flood_is_cut_and_marked,
    words_reach_the_program_unchanged,
    environment_and_directory,
    a_deadline_kills_the_tree_and_the_connection_goes_on,
    a_dropped_command_dies,
    several_in_one_round_trip,
    many_at_once,
    another_user,
);

async fn status_and_streams(bed: &Bed) {
    let got = bed.host.exec(Exec::script("echo out; echo err >&2; exit 7")).await.unwrap();
    assert_eq!((got.code, got.why), (7, EndReason::Exited));
    assert_eq!((&got.stdout.bytes[..], &got.stderr.bytes[..]), (&b"out\n"[..], &b"err\n"[..]));
    for code in [255, 127, 143] {
        assert_eq!(bed.host.exec(Exec::script(format!("exit {code}"))).await.unwrap().code, code);
    }
    let nap = nap();
    assert_eq!(bed.host.exec(Exec::argv(["no-such-program"])).await.unwrap().code, 127);
    assert_eq!(
        bed.host.exec(Exec::script("if")).await.unwrap().code,
        2,
        "a syntax error ends only its own command"
    );
    assert_eq!(
        bed.out("sleep 44.31 & echo back").await,
        "back\n",
        "a background process does not hold the answer"
    );
    bed.out(&format!("pkill -f '^sleep {nap}'; true")).await;
    assert!(bed.host.alive().await);
    assert_eq!(bed.host.boot_id().len(), 36);
}

async fn any_bytes_in_and_out(bed: &Bed) {
    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let got = bed
        .host
        .exec(Exec {
            stdin: bytes.clone(),
            ..Exec::argv(["cat"])
        })
        .await
        .unwrap();
    assert_eq!((got.code, got.stdout.bytes == bytes), (0, true));
    let unread = bed
        .host
        .exec(Exec {
            stdin: b"exit 9\nrm x\n".repeat(20_000),
            ..Exec::argv(["true"])
        })
        .await
        .unwrap();
    assert_eq!(unread.code, 0, "what a command does not read is never taken for a request");
    assert_eq!(bed.out("cat; echo end").await, "end\n");
}

async fn a_flood_is_cut_and_marked(bed: &Bed) {
    let got = bed.host.exec(Exec::script("head -c 3000000 /dev/zero; echo e >&2")).await.unwrap();
    assert_eq!(
        (got.code, got.stdout.bytes.len(), got.stdout.truncated),
        (0, bound::OUTPUT_BYTES, true)
    );
    assert_eq!((&got.stderr.bytes[..], got.stderr.truncated), (&b"e\n"[..], false));
    let exact = bed
        .host
        .exec(Exec::script(format!("head -c {} /dev/zero", bound::OUTPUT_BYTES)))
        .await
        .unwrap();
    assert!(!exact.stdout.truncated);
}

async fn words_reach_the_program_unchanged(bed: &Bed) {
    let nasty = [
        "",
        " ",
        "a b",
        "it's",
        "$HOME `id` \"x\"",
        "new\nline\n",
        "\\",
        "*",
        "é\u{1b}[31m",
        "-n",
        "--",
        "a=b",
        "\t",
    ];
    let long = "x'y\n".repeat(5000);
    for word in nasty.into_iter().chain([long.as_str()]) {
        let got = bed.host.exec(Exec::argv(["printf", "%s", word])).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&got.stdout.bytes), word);
    }
}

async fn environment_and_directory(bed: &Bed) {
    let exec = Exec {
        env: vec![("A_B".into(), "x'\ny".into())],
        cwd: Some("/usr".into()),
        ..Exec::script("pwd; echo \"$A_B\"")
    };
    assert_eq!(bed.host.exec(exec).await.unwrap().stdout.bytes, b"/usr\nx'\ny\n");
    let nowhere = Exec {
        cwd: Some("/no/such".into()),
        ..Exec::argv(["true"])
    };
    assert_eq!(bed.host.exec(nowhere).await.unwrap().code, 126);
    assert_eq!(bed.out("echo \"[$A_B]\"").await, "[]\n", "nothing leaks into the next command");
}

async fn a_deadline_kills_the_tree_and_the_connection_goes_on(bed: &Bed) {
    let nap = nap();
    let script = format!("trap '' TERM HUP; setsid sleep {nap} & sleep {nap} & echo begun; while :; do sleep {nap}; done");
    let before = Instant::now();
    let got = bed
        .host
        .exec(Exec {
            timeout: Duration::from_millis(400),
            ..Exec::script(script)
        })
        .await
        .unwrap();
    assert_eq!((got.why, &got.stdout.bytes[..]), (EndReason::Timeout, &b"begun\n"[..]));
    assert!(before.elapsed() < Duration::from_secs(5));
    eventually("the tree is dead", || !running(&nap));
    assert_eq!(bed.out("echo on").await, "on\n");
}

async fn a_dropped_command_dies(bed: &Bed) {
    let nap = nap();
    for n in 0..8 {
        let hang = bed.host.exec(Exec::argv(["sleep", &nap]));
        assert!(tokio::time::timeout(Duration::from_millis(n % 4 * 50), hang).await.is_err());
    }
    assert_eq!(bed.out("echo on").await, "on\n");
    eventually("they are dead", || !running(&nap));
}

async fn several_in_one_round_trip(bed: &Bed) {
    let quick = |s: &str| Exec {
        timeout: Duration::from_millis(500),
        ..Exec::script(s)
    };
    let got = bed
        .host
        .exec_many(vec![
            quick("echo 1; exit 3"),
            quick("echo 2 >&2"),
            Exec::argv(["a\0b"]),
            quick("sleep 73.1"),
            quick("echo 5"),
        ])
        .await;
    let short = |n: usize| got[n].as_ref().map(|c| (c.code, c.stdout.bytes.clone(), c.stderr.bytes.clone()));
    assert_eq!(short(0), Ok((3, b"1\n".to_vec(), Vec::new())));
    assert_eq!(short(1), Ok((0, Vec::new(), b"2\n".to_vec())));
    assert_eq!(got[2].as_ref().map_err(|e| e.kind.clone()), Err(StartErrorKind::Invalid));
    assert_eq!(got[3].as_ref().map(|c| c.why), Ok(EndReason::Timeout));
    assert_eq!(
        short(4),
        Ok((0, b"5\n".to_vec(), Vec::new())),
        "a hanging probe does not take the others with it"
    );
}

async fn many_at_once(bed: &Bed) {
    let all: Vec<_> = (0..40)
        .map(|n| {
            let host = std::sync::Arc::clone(&bed.host);
            tokio::spawn(async move { (n, host.exec(Exec::argv(["echo", &n.to_string()])).await.unwrap()) })
        })
        .collect();
    for task in all {
        let (n, got) = task.await.unwrap();
        assert_eq!(got.stdout.bytes, format!("{n}\n").as_bytes());
    }
}

async fn another_user(bed: &Bed) {
    let me = bed.out("id -un").await.trim().to_owned();
    assert_eq!(bed.host.user(), me);
    let as_user = |user: &str, argv: &[&str]| Exec {
        run_as: RunAs::User(user.into()),
        ..Exec::argv(argv.iter().copied())
    };
    assert_eq!(
        bed.host.exec(as_user(&me, &["id", "-un"])).await.unwrap().stdout.bytes,
        format!("{me}\n").as_bytes()
    );
    // Whether sudo lets us depends on the machine; either it did it as that user, or it says that nothing started.
    match bed.host.exec(as_user("nobody", &["id", "-un"])).await {
        Ok(got) if got.code == 0 => assert_eq!(got.stdout.bytes, b"nobody\n"),
        Ok(got) => assert_eq!(got.code, 127, "{}", String::from_utf8_lossy(&got.stderr.bytes)),
        Err(error) => assert_eq!(error.kind, StartErrorKind::RunAsDenied),
    }
    let missing = Exec {
        program: Program::Argv(vec!["true".into()]),
        ..as_user("no-such-user", &["true"])
    };
    assert!(bed.host.exec(missing).await.is_err() || bed.host.exec(as_user("no-such-user", &["true"])).await.unwrap().code == 127);
}
