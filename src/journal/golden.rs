//! Journals of released versions stay readable: each is a file here, with one of every kind of event.

use super::conformance::{Folder, play};
use super::{Journal, MemoryJournal, SqliteJournal, chain, verify_lines};
use crate::base::id::RunId;

const VERSION_1: &str = include_str!("golden/version_1.lines");

#[test]
fn version_1_is_read_and_holds_every_event() {
    let (records, head) = verify_lines(RunId(1), VERSION_1).expect("a journal of version 1 stays readable");
    let kinds: std::collections::BTreeSet<String> = records
        .iter()
        .map(|r| serde_json::to_value(&r.event).expect("an event is JSON")["type"].to_string())
        .collect();
    assert_eq!(kinds.len(), 26, "a new kind of event needs a new golden journal: {kinds:?}");
    // The program of today writes the same bytes, so that records of several versions can stand in one chain.
    let mut again = chain::Head::genesis();
    let lines: Vec<String> = records
        .iter()
        .map(|r| chain::write(&mut again, r).expect("writable"))
        .map(|l| format!("{} {}\n", l.hash, l.body))
        .collect();
    assert_eq!(lines.concat(), VERSION_1);
    assert_eq!(again, head);
}

#[test]
fn every_kind_of_journal_makes_the_same_chain() {
    let (_, golden) = verify_lines(RunId(1), VERSION_1).expect("readable");
    let memory = MemoryJournal::new();
    let folder = Folder::new();
    let sqlite = SqliteJournal::open(&folder.file()).expect("opens");
    for journal in [&memory as &dyn Journal, &sqlite] {
        let run = play(journal, "0199aaaa-0000-7000-8000-000000000001", true);
        assert_eq!(journal.head(run), Ok(golden.clone()));
    }
}
