//! What only a file can do: privacy, two processes, a full disk, damage, other versions.

#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt;
use std::sync::Barrier;

use super::*;
use crate::journal::conformance::{Folder, play};
use crate::journal::sample::{self, at};

fn open(folder: &Folder) -> SqliteJournal {
    SqliteJournal::open(&folder.file()).unwrap()
}

fn started(controller: usize) -> Event {
    Event::RunStarted {
        controller: controller.to_string(),
    }
}

#[test]
fn the_file_is_private() {
    let folder = Folder::new();
    let journal = open(&folder);
    play(&journal, "u1", true);
    let mode = |name: &str| std::fs::metadata(folder.0.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("state"), 0o700);
    for file in ["state/journal.db", "state/journal.db-wal", "state/journal.db-shm"] {
        assert_eq!(mode(file), 0o600, "{file}");
    }
    drop(journal);
    std::fs::set_permissions(folder.file(), std::fs::Permissions::from_mode(0o644)).unwrap();
    let _journal = open(&folder);
    assert_eq!(mode("state/journal.db"), 0o600, "tightened");
}

#[test]
fn what_was_written_is_there_after_opening_again() {
    let folder = Folder::new();
    let run = play(&open(&folder), "u1", false);
    let journal = open(&folder);
    let last = journal.head(run).unwrap().sequence;
    // This journal has no fold of the run and must make it from the events.
    journal.append(run, last, &sample::last_group(), at(118)).unwrap();
    assert_eq!(journal.run(run).unwrap().open_obligations, 0);
    assert_eq!(journal.events(run).unwrap().len() as u64, journal.head(run).unwrap().sequence);
}

#[test]
fn two_controllers_cannot_both_write_the_next_event() {
    let folder = Folder::new();
    let run = open(&folder).create_run(sample::created("u1"), at(0)).unwrap();
    let journals: Vec<SqliteJournal> = (0..4).map(|_| open(&folder)).collect();
    for turn in 1..=20 {
        let barrier = Barrier::new(journals.len());
        let write = |(i, journal): (usize, &SqliteJournal)| {
            barrier.wait();
            journal.append(run, turn, &[started(i), started(i)], at(turn))
        };
        let write = &write;
        let results: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = journals.iter().enumerate().map(|pair| scope.spawn(move || write(pair))).collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        // Two events per append: the next turn starts one behind the end, so that everybody must fail once.
        let won = results.iter().filter(|r| r.is_ok()).count();
        assert_eq!(won as u64, turn % 2, "turn {turn}: {results:?}");
        let others = results.iter().filter(|r| matches!(r, Err(JournalError::Conflict { .. }))).count();
        assert_eq!(won + others, journals.len(), "turn {turn}: {results:?}");
    }
    let records = journals[0].events(run).unwrap();
    assert_eq!(records.len(), 21);
    for pair in records[1..].chunks(2) {
        assert_eq!(pair[0].event, pair[1].event, "a group is written as a whole");
    }
}

#[test]
fn many_connections_open_and_create_at_once() {
    let folder = Folder::new();
    let barrier = Barrier::new(8);
    let create = |i: usize| {
        barrier.wait();
        let journal = open(&folder);
        journal.create_run(sample::created(&format!("u{i}")), at(0)).unwrap().0
    };
    let create = &create;
    let mut runs: Vec<u64> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|i| scope.spawn(move || create(i))).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    runs.sort_unstable();
    assert_eq!(runs, (1..=8).collect::<Vec<_>>());
}

#[test]
fn a_full_disk_is_an_error_with_a_remedy_and_leaves_the_journal_whole() {
    let folder = Folder::new();
    let journal = open(&folder);
    let run = play(&journal, "u1", false);
    let last = journal.head(run).unwrap();
    journal.ledger().connection.pragma_update(None, "max_page_count", 1).unwrap();
    let big = Event::CancelRequested { by: "x".repeat(1_000_000) };
    let error = journal.append(run, last.sequence, &[big], at(20)).unwrap_err();
    assert!(
        error.to_string().contains("full; make room on that disk, then `runbook resume`"),
        "{error}"
    );
    assert!(!error.is_transient());
    assert_eq!(journal.head(run), Ok(last.clone()));
    journal.ledger().connection.pragma_update(None, "max_page_count", 100_000).unwrap();
    assert_eq!(journal.append(run, last.sequence, &[started(1)], at(21)), Ok(last.sequence + 1));
    assert!(journal.verify_chain().is_ok());
}

#[test]
fn a_read_only_file_and_a_place_that_is_no_folder_are_named() {
    let folder = Folder::new();
    let journal = open(&folder);
    journal.ledger().connection.pragma_update(None, "query_only", true).unwrap();
    let error = journal.create_run(sample::created("u1"), at(0)).unwrap_err().to_string();
    assert!(
        error.contains("journal.db") && error.contains("make the file and its folder writable"),
        "{error}"
    );
    let error = SqliteJournal::open(&folder.file().join("below/journal.db"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("name a place that this user may write to"), "{error}");
}

#[test]
fn a_long_wait_for_another_process_ends_and_may_be_repeated() {
    let folder = Folder::new();
    let (journal, other) = (open(&folder), open(&folder));
    journal.ledger().connection.busy_timeout(Duration::from_millis(1)).unwrap();
    let holder = other.ledger();
    holder.connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = journal.create_run(sample::created("u1"), at(0)).unwrap_err();
    assert!(error.is_transient(), "{error}");
    holder.connection.execute_batch("ROLLBACK").unwrap();
    assert!(journal.create_run(sample::created("u1"), at(0)).is_ok());
}

#[test]
fn damage_is_named_by_run_and_event() {
    let damage = |sql: &str| {
        let folder = Folder::new();
        let run = play(&open(&folder), "u1", true);
        let journal = open(&folder);
        journal.ledger().connection.execute_batch(sql).unwrap();
        let error = journal.verify_chain().unwrap_err();
        assert_eq!(journal.events(run).unwrap_err(), error);
        match error {
            JournalError::Damaged {
                run: RunId(1), sequence, ..
            } => sequence,
            other => panic!("{other}"),
        }
    };
    assert_eq!(
        damage("UPDATE events SET body = replace(body, 'mira', 'eve') WHERE sequence = 4"),
        4
    );
    assert_eq!(damage("DELETE FROM events WHERE sequence = 5"), 5);
    assert_eq!(damage("DELETE FROM events WHERE sequence > 20"), 21);
    assert_eq!(damage("UPDATE runs SET hash = 'beef'"), 29);
}

#[test]
fn a_damaged_run_is_not_continued() {
    let folder = Folder::new();
    let run = play(&open(&folder), "u1", false);
    let journal = open(&folder);
    journal
        .ledger()
        .connection
        .execute_batch("UPDATE events SET body = '{}' WHERE sequence = 3")
        .unwrap();
    let last = journal.head(run).unwrap().sequence;
    let error = journal.append(run, last, &[started(1)], at(20)).unwrap_err();
    assert!(
        error.to_string().starts_with("the journal is damaged: run #1, event 3: "),
        "{error}"
    );
}

#[test]
fn other_versions_and_other_files_are_refused() {
    let folder = Folder::new();
    drop(open(&folder));
    let change = |sql: &str| Connection::open(folder.file()).unwrap().execute_batch(sql).unwrap();
    change("PRAGMA user_version = 99");
    let newer = SqliteJournal::open(&folder.file()).unwrap_err();
    assert!(matches!(newer, JournalError::Newer { found: 99, .. }), "{newer}");
    change("PRAGMA user_version = 3; PRAGMA application_id = 7");
    let foreign = SqliteJournal::open(&folder.file()).unwrap_err().to_string();
    assert!(foreign.contains("another program's database"), "{foreign}");
    std::fs::write(
        folder.0.join("notes.txt"),
        "not a database at all, but long enough to look like a header".repeat(40),
    )
    .unwrap();
    let text = SqliteJournal::open(&folder.0.join("notes.txt")).unwrap_err().to_string();
    assert!(text.contains("it is damaged or no journal"), "{text}");
}
