//! The scripts that keep a pool's lease on its balancer, run by a real `sh` in a home of their own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use runbook::model::pool_record::{
    Answer, PoolRecord, REFUSED, clear_taken_script, mark_taken_script, parse_answer, parse_records, read_script, release_script,
    renew_script, take_script,
};

/// A folder that goes when the test ends.
struct Home(PathBuf);

impl Home {
    fn new(name: &str) -> Home {
        let path = std::env::temp_dir().join(format!("runbook-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Home(path)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn start(home: &Path, script: &str) -> std::process::Child {
    Command::new("sh")
        .args(["-c", script])
        .env("HOME", home)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn answer(output: &Output) -> Answer {
    let stdout = String::from_utf8_lossy(&output.stdout);
    let answer = parse_answer(&stdout).unwrap_or_else(|e| panic!("{e}; {}", String::from_utf8_lossy(&output.stderr)));
    let refused = !matches!(answer, Answer::Done(_));
    assert_eq!(output.status.code(), Some(if refused { REFUSED } else { 0 }));
    answer
}

fn run(home: &Home, script: &str) -> Answer {
    answer(&start(&home.0, script).wait_with_output().unwrap())
}

fn records(home: &Home) -> runbook::model::pool_record::PoolRecords {
    let output = start(&home.0, &read_script("web")).wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    parse_records(&String::from_utf8_lossy(&output.stdout)).unwrap()
}

fn record(run: &str, ttl_ms: i64) -> PoolRecord {
    PoolRecord {
        owner: String::from("anna"),
        run: run.to_owned(),
        what: String::from("test"),
        until_ms: ttl_ms,
        ..PoolRecord::default()
    }
}

fn done(answer: Answer) -> PoolRecord {
    match answer {
        Answer::Done(record) => record,
        other => panic!("expected done, found {other:?}"),
    }
}

#[test]
fn of_twenty_takers_exactly_one_wins_and_an_expired_lease_goes_to_one_again() {
    let home = Home::new("race");
    for round in 1..=6u64 {
        let takers: Vec<_> = (0..20)
            .map(|n| start(&home.0, &take_script("web", &record(&format!("r{round}-{n}"), 60_000), 0)))
            .collect();
        let answers: Vec<Answer> = takers.into_iter().map(|t| answer(&t.wait_with_output().unwrap())).collect();
        let winners: Vec<&PoolRecord> = answers
            .iter()
            .filter_map(|a| if let Answer::Done(r) = a { Some(r) } else { None })
            .collect();
        assert_eq!(winners.len(), 1, "round {round}: {answers:?}");
        assert_eq!(winners[0].fence, round);
        assert_eq!(records(&home).lease.as_ref(), Some(winners[0]));
        expire(&home, round);
    }
}

/// Makes the lease end in the past, as time would.
fn expire(home: &Home, fence: u64) {
    let file = home.0.join(format!(".local/state/runbook/pools/web/lease.{fence}"));
    let mut old: PoolRecord = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    old.until_ms = 1;
    std::fs::write(&file, serde_json::to_string(&old).unwrap()).unwrap();
}

#[test]
fn a_lease_is_renewed_and_released_only_by_its_holder() {
    let home = Home::new("lease");
    let first = done(run(&home, &take_script("web", &record("a", 60_000), 0)));
    assert!(matches!(run(&home, &take_script("web", &record("b", 60_000), 0)), Answer::Held(r) if r.run == "a"));
    let renewed = done(run(
        &home,
        &renew_script(
            "web",
            &PoolRecord {
                until_ms: 120_000,
                ..first.clone()
            },
            0,
        ),
    ));
    assert!(renewed.until_ms > first.until_ms && renewed.fence == first.fence);
    expire(&home, first.fence);
    let second = done(run(&home, &take_script("web", &record("b", 60_000), 0)));
    assert_eq!(second.fence, 2);
    assert_eq!(run(&home, &renew_script("web", &first, 0)), Answer::Lost);
    assert_eq!(run(&home, &release_script("web", first.fence)), Answer::Lost);
    done(run(&home, &release_script("web", second.fence)));
    assert_eq!(records(&home).lease, None);
    assert_eq!(done(run(&home, &take_script("web", &record("c", 60_000), 0))).fence, 3);
}

#[test]
fn a_taken_member_belongs_to_its_run_until_adopted() {
    let home = Home::new("taken");
    let hostile = PoolRecord {
        what: String::from("x\",\"run\":\"b\",'; touch \"$HOME/pwned\"; $(id) `id` \\ \n \u{0} ü"),
        ..record("a", 1000)
    };
    done(run(&home, &mark_taken_script("web", "web-02", &hostile, 0, false)));
    done(run(&home, &mark_taken_script("web", "../x y", &record("a", 1000), 0, false)));
    let taken = records(&home).taken;
    assert_eq!(
        taken.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
        ["../x y", "web-02"]
    );
    assert_eq!(taken[1].1.what, runbook::base::sanitise::one_line(&hostile.what, 200));
    for script in [
        mark_taken_script("web", "web-02", &record("b", 1000), 0, false),
        clear_taken_script("web", "web-02", "b"),
    ] {
        assert!(matches!(run(&home, &script), Answer::Held(r) if r.run == "a"));
    }
    done(run(&home, &mark_taken_script("web", "web-02", &record("a", 2000), 0, false)));
    done(run(&home, &mark_taken_script("web", "web-02", &record("b", 1000), 0, true)));
    done(run(&home, &clear_taken_script("web", "web-02", "b")));
    done(run(&home, &clear_taken_script("web", "web-02", "b")));
    assert_eq!(records(&home).taken.len(), 1);
    assert!(!home.0.join("pwned").exists());
}

#[test]
fn nothing_written_reads_as_nothing_and_makes_nothing() {
    let home = Home::new("empty");
    assert_eq!(records(&home), runbook::model::pool_record::PoolRecords::default());
    assert!(std::fs::read_dir(&home.0).unwrap().next().is_none());
}
