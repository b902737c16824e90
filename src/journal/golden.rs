//! Journals of released versions stay readable: each is a file here, with one of every kind of event.

use super::conformance::{Folder, play};
use super::{Journal, MemoryJournal, SqliteJournal, chain, verify_lines};
use crate::base::id::RunId;

/// Its plan names each node that a node waits for.
const VERSION_1: &str = include_str!("golden/version_1.lines");
const VERSION_2: &str = include_str!("golden/version_2.lines");

#[test]
fn version_1_says_the_same_as_version_2() {
    let (former, _) = verify_lines(RunId(1), VERSION_1).expect("a journal of version 1 stays readable");
    let (records, _) = verify_lines(RunId(1), VERSION_2).expect("a journal of version 2 stays readable");
    assert_eq!(former, records);
}

#[test]
fn version_2_is_read_and_holds_every_event() {
    let (records, head) = verify_lines(RunId(1), VERSION_2).expect("a journal of version 2 stays readable");
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
    assert_eq!(lines.concat(), VERSION_2);
    assert_eq!(again, head);
}

#[test]
fn every_kind_of_journal_makes_the_same_chain() {
    let (_, golden) = verify_lines(RunId(1), VERSION_2).expect("readable");
    let memory = MemoryJournal::new();
    let folder = Folder::new();
    let sqlite = SqliteJournal::open(&folder.file()).expect("opens");
    for journal in [&memory as &dyn Journal, &sqlite] {
        let run = play(journal, "0199aaaa-0000-7000-8000-000000000001", true);
        assert_eq!(journal.head(run), Ok(golden.clone()));
    }
}

/// Kinds of events and of failures that are younger than the journal above, in the form in which they stay readable.
#[test]
fn failed_turns_and_broken_invariants_are_written_so() {
    let forms = [
        r#"{"type":"undo_step_done","node":"edit@web-01","step":"look","results":[["web-01",{"map":{"ok":{"bool":true}}}],[null,"null"]],"summary":"looked"}"#,
        r#"{"type":"turn_failed","turns":[{"step":"roll","key":"web-02"}],"node":"roll[web-02].fix","why":"roll[web-02].fix: it does not answer"}"#,
        r#"{"type":"turn_taken_back","turns":[{"step":"roll","key":"web-02"},{"step":"inner","key":"1"}]}"#,
        r#"{"type":"step_failed","node":"drain","attempt":1,"failure":{"kind":"invariant","message":"the invariant \"Half serves\" does not hold"}}"#,
    ];
    for form in forms {
        let event: crate::model::event::Event = serde_json::from_str(form).expect(form);
        assert_eq!(serde_json::to_string(&event).expect("an event is JSON"), form);
    }
}
