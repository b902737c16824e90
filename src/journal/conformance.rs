//! What every kind of journal must do, run on each of them; and that two kinds say the same.

use std::collections::BTreeMap;
use std::time::Duration;

use super::fold::Fold;
use super::sample::{self, at};
use super::{Journal, JournalError, MemoryJournal, SqliteJournal, Stream};
use crate::base::bound::OUTPUT_BYTES;
use crate::base::id::RunId;
use crate::base::value::Value;
use crate::model::approval::ApprovalAnswer;
use crate::model::event::{Event, RunOutcome};
use crate::model::obligation::Obligation;
use crate::model::run::RunState;

/// A folder that goes away with the test.
pub(super) struct Folder(pub std::path::PathBuf);

impl Folder {
    pub fn new() -> Folder {
        let path = std::env::temp_dir().join(format!("runbook-journal-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir(&path).expect("the temporary folder is writable");
        Folder(path)
    }

    pub fn file(&self) -> std::path::PathBuf {
        self.0.join("state/journal.db")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn each(test: impl Fn(&dyn Journal)) {
    test(&MemoryJournal::new());
    let folder = Folder::new();
    test(&SqliteJournal::open(&folder.file()).expect("a new journal opens"));
}

/// Writes the sample run up to (`end`: and with) its end.
pub(super) fn play(journal: &dyn Journal, uid: &str, end: bool) -> RunId {
    let run = journal.create_run(sample::created(uid), at(0)).expect("created");
    let mut sequence = 1;
    for (i, group) in sample::groups(run).iter().enumerate() {
        sequence = journal.append(run, sequence, group, at(i as u64 + 1)).expect("appended");
    }
    if end {
        journal.append(run, sequence, &sample::last_group(), at(118)).expect("appended");
    }
    run
}

#[test]
fn a_plan_that_may_be_used_once_is_used_once() {
    each(|journal| {
        let using = |uid: &str, plan: Option<&str>| {
            let mut created = sample::created(uid);
            created.used_plan = plan.map(str::to_owned);
            journal.create_run(created, at(0))
        };
        let first = using("u1", Some("plan a")).expect("created");
        assert_eq!(using("u2", Some("plan a")), Err(JournalError::PlanUsed(first)));
        assert_eq!(journal.runs(9).map(|r| r.len()), Ok(1), "nothing is written of the second");
        assert_eq!(journal.run_of_plan("plan a"), Ok(Some(first)));
        assert_eq!(journal.run_of_plan("plan b"), Ok(None));
        for (uid, plan) in [("u3", Some("plan b")), ("u4", None), ("u5", None)] {
            using(uid, plan).expect("created");
        }
    });
}

#[test]
fn of_two_who_use_one_plan_at_the_same_time_one_begins() {
    let folder = Folder::new();
    let start = std::sync::Barrier::new(4);
    let begun = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..4)
            .map(|i| {
                let (file, start) = (folder.file(), &start);
                scope.spawn(move || {
                    // Each with a connection of its own, as processes have.
                    let journal = SqliteJournal::open(&file).expect("opens");
                    let mut created = sample::created(&format!("u{i}"));
                    created.used_plan = Some(String::from("plan a"));
                    start.wait();
                    journal.create_run(created, at(0)).is_ok()
                })
            })
            .collect();
        tries
            .into_iter()
            .map(|t| t.join().expect("no panic"))
            .filter(|begun| *begun)
            .count()
    });
    assert_eq!(begun, 1);
}

#[test]
fn numbers_ascend_and_events_come_back_as_written() {
    each(|journal| {
        let first = play(journal, "u1", true);
        let second = journal.create_run(sample::created("u2"), at(200)).expect("created");
        assert_eq!((first, second), (RunId(1), RunId(2)));
        let written: Vec<Event> = std::iter::once(Event::RunCreated(Box::new(sample::created("u1"))))
            .chain(sample::groups(first).concat())
            .chain(sample::last_group())
            .collect();
        let records = journal.events(first).expect("readable");
        assert_eq!(records.iter().map(|r| r.event.clone()).collect::<Vec<_>>(), written);
        assert_eq!(
            records.iter().map(|r| r.sequence).collect::<Vec<_>>(),
            (1..=written.len() as u64).collect::<Vec<_>>()
        );
        assert_eq!(journal.events_after(first, 5).expect("readable"), records[5..]);
        assert_eq!(journal.events_after(first, 999).expect("readable"), []);
        assert_eq!(journal.head(first).expect("known").sequence, written.len() as u64);
        assert_eq!(journal.verify_chain().expect("whole").records, written.len() as u64 + 1);
        assert!(matches!(
            journal.create_run(sample::created("u1"), at(0)),
            Err(JournalError::Refused(_))
        ));
        assert_eq!(journal.events(RunId(9)), Err(JournalError::NoSuchRun(RunId(9))));
    });
}

#[test]
fn a_second_writer_is_told_that_it_is_second() {
    each(|journal| {
        let run = play(journal, "u1", false);
        let last = journal.head(run).expect("known").sequence;
        let event = [Event::CancelRequested { by: String::from("a") }];
        assert_eq!(journal.append(run, last, &event, at(20)), Ok(last + 1));
        let conflict = JournalError::Conflict {
            run,
            expected: last,
            found: last + 1,
        };
        assert_eq!(journal.append(run, last, &event, at(21)), Err(conflict));
        assert_eq!(journal.head(run).expect("known").sequence, last + 1, "nothing was written");
    });
}

#[test]
fn a_live_controller_keeps_its_run() {
    each(|journal| {
        let run = play(journal, "u1", false);
        let lease = Duration::from_secs(30);
        let first = journal.claim(run, "ops-1/10", at(0), lease, false).expect("free");
        let refused = journal.claim(run, "ops-2/20", at(29), lease, false);
        assert!(matches!(refused, Err(JournalError::Claimed { ref controller, until, .. }) if controller == "ops-1/10" && until == at(30)));
        let first = journal.renew(&first, at(29), lease).expect("ours");
        assert_eq!(first.expires_at, at(59));
        assert!(!journal.run(run).expect("known").is_interrupted(at(58)));
        assert!(journal.run(run).expect("known").is_interrupted(at(59)));
        let second = journal.claim(run, "ops-2/20", at(59), lease, false).expect("run out");
        let lost = JournalError::ClaimLost {
            run,
            by: Some(String::from("ops-2/20")),
        };
        assert_eq!(journal.renew(&first, at(60), lease), Err(lost));
        journal.release(&first).expect("nothing happens");
        assert!(journal.claim(run, "ops-3/30", at(60), lease, false).is_err());
        let third = journal.claim(run, "ops-3/30", at(60), lease, true).expect("by force");
        assert!(third.token > second.token);
        journal.release(&third).expect("ours");
        assert_eq!(journal.run(run).expect("known").claim, None);
        let fourth = journal.claim(run, "ops-4/40", at(61), lease, false).expect("given up");
        assert!(fourth.token > third.token, "an old holder must not be mistaken for the new one");
    });
}

#[test]
fn summaries_debts_and_questions_follow_the_events() {
    each(|journal| {
        let run = play(journal, "u1", false);
        let summary = journal.run(run).expect("known");
        assert_eq!((summary.state, summary.open_obligations), (RunState::Running, 2));
        assert_eq!(summary.changed, ["web-01".into()]);
        assert_eq!(summary.failed, ["web-02".into()]);
        assert_eq!(summary.hosts, ["web-01".into(), "web-02".into()]);
        assert_eq!(summary.first_failure, Some("free@web-02".into()));
        assert_eq!(journal.open_obligations_of_pool(&"web".into()).expect("readable").len(), 2);
        assert_eq!(journal.open_obligations_of_pool(&"db".into()).expect("readable").len(), 0);
        journal
            .append(run, summary.sequence, &sample::last_group(), at(118))
            .expect("appended");
        let summary = journal.run(run).expect("known");
        assert_eq!(summary.outcome(), Some(RunOutcome::Stuck));
        assert_eq!((summary.open_obligations, summary.ended_at), (0, Some(at(118))));
        assert_eq!(journal.obligations(true).expect("readable"), []);
        assert_eq!(journal.obligations(false).expect("readable").len(), 2);
        let other = journal.create_run(sample::created("u2"), at(200)).expect("created");
        let listed: Vec<RunId> = journal.runs(9).expect("readable").iter().map(|r| r.id).collect();
        assert_eq!(listed, [other, run], "newest first");
        assert_eq!(journal.runs(1).expect("readable").len(), 1);
    });
}

#[test]
fn rows_rebuilt_from_the_events_are_the_rows_there_are() {
    each(|journal| {
        let run = play(journal, "u1", true);
        let records = journal.events(run).expect("readable");
        let mut fold = Fold::begin(&records[0]).expect("the first record creates the run");
        records[1..].iter().for_each(|r| fold.apply(r));
        assert_eq!(journal.run(run).expect("known"), fold.summary);
        assert_eq!(
            journal.obligations(false).expect("readable"),
            fold.obligations.into_values().collect::<Vec<_>>()
        );
    });
}

#[test]
fn answers_wait_for_the_controller() {
    each(|journal| {
        let run = journal.create_run(sample::created("u1"), at(0)).expect("created");
        let gate = "approve".into();
        let request = Event::ApprovalRequested {
            request: sample::request(run, 2),
        };
        assert!(matches!(
            journal.answer(run, &gate, sample::answer("mira", true)),
            Err(JournalError::Refused(_))
        ));
        journal.append(run, 1, &[request], at(1)).expect("appended");
        assert_eq!(journal.approvals_waiting().expect("readable"), [sample::request(run, 2)]);
        assert_eq!(journal.run(run).expect("known").state, RunState::WaitingApproval);
        assert_eq!(journal.run(run).expect("known").waiting_for.as_deref(), Some("approve"));
        journal.answer(run, &gate, sample::answer("mira", true)).expect("taken");
        assert!(
            journal.answer(run, &gate, sample::answer("mira", true)).is_err(),
            "one person is one answer"
        );
        journal.answer(run, &gate, sample::answer("noor", true)).expect("taken");
        let left = journal.answers(run).expect("readable");
        assert_eq!(left.iter().map(|(_, a)| a.by.as_str()).collect::<Vec<_>>(), ["mira", "noor"]);
        let took = |answer: &str| Event::ApprovalAnswered {
            gate: "approve".into(),
            answer: sample::answer(answer, true),
        };
        journal.append(run, 2, &[took("mira")], at(61)).expect("appended");
        assert_eq!(
            journal.answers(run).expect("readable").len(),
            1,
            "what is an event is not left any more"
        );
        assert_eq!(journal.approvals_waiting().expect("readable").len(), 1, "a quorum of two");
        journal.append(run, 3, &[took("noor")], at(62)).expect("appended");
        assert_eq!(journal.answers(run).expect("readable"), []);
        assert_eq!(journal.approvals_waiting().expect("readable"), []);
        assert_eq!(journal.run(run).expect("known").state, RunState::Running);
        let late = journal.answer(run, &gate, sample::answer("ann", true)).expect_err("decided");
        assert_eq!(late.to_string(), "`approve` is approved already");
    });
}

#[test]
fn who_is_asked_too_is_in_time_for_what_the_first_missed() {
    each(|journal| {
        let run = journal.create_run(sample::created("u1"), at(0)).expect("created");
        let request = sample::task(run);
        let gate = request.gate.clone();
        let (to, escalated) = request.escalated(at(3601)).expect("somebody is next");
        journal
            .append(run, 1, &[Event::ApprovalRequested { request }], at(1))
            .expect("appended");
        let late = || ApprovalAnswer {
            at: at(1900),
            fields: BTreeMap::from([(String::from("finding"), Value::text("disk"))]),
            ..sample::answer("mira", true)
        };
        let refused = journal.answer(run, &gate, late()).expect_err("late");
        assert!(refused.to_string().contains("`look` has expired"), "{refused}");
        let event = Event::ApprovalEscalated {
            to,
            request: escalated.clone(),
        };
        journal.append(run, 2, &[event], at(1801)).expect("appended");
        assert_eq!(journal.approvals_waiting().expect("readable"), [escalated]);
        assert_eq!(journal.run(run).expect("known").state, RunState::WaitingApproval);
        journal.answer(run, &gate, late()).expect("in time for the second");
        assert_eq!(journal.answers(run).expect("readable"), [(gate.clone(), late())]);
        let answer = late();
        journal
            .append(
                run,
                3,
                &[Event::ApprovalAnswered {
                    gate: gate.clone(),
                    answer,
                }],
                at(1901),
            )
            .expect("appended");
        assert_eq!(journal.run(run).expect("known").state, RunState::Running);
        let again = journal.answer(run, &gate, late()).expect_err("decided");
        assert_eq!(again.to_string(), "`look` is done already");
    });
}

#[test]
fn what_the_run_did_not_wait_for_is_answered_however_late() {
    each(|journal| {
        let run = journal.create_run(sample::created("u1"), at(0)).expect("created");
        let debt = Obligation {
            taker: "rebuild".into(),
            return_node: None,
            pool: None,
            people: vec![String::from("dba")],
            ..sample::obligation(run, 1)
        };
        let (gate, id) = (debt.taker.clone(), debt.id.clone());
        let overdue = || ApprovalAnswer {
            at: debt.deadline.after(Duration::from_secs(9)),
            ..sample::answer("mira", true)
        };
        journal.answer(run, &gate, overdue()).expect_err("nothing is to be done yet");
        journal
            .append(run, 1, &[Event::ObligationOpened { obligation: debt.clone() }], at(1))
            .expect("appended");
        assert_eq!(journal.run(run).expect("known").state, RunState::Created, "it waits for nobody");
        let failed = journal
            .answer(run, &gate, sample::answer("mira", false))
            .expect_err("it stays to do");
        assert!(failed.to_string().contains("waive 1.1"), "{failed}");
        journal.answer(run, &gate, overdue()).expect("done");
        assert_eq!(journal.answers(run).expect("readable"), [(gate.clone(), overdue())]);
        journal.answer(run, &gate, overdue()).expect_err("done already");
        let how = String::from("done by mira");
        journal
            .append(run, 2, &[Event::ObligationDischarged { id, how }], at(9000))
            .expect("appended");
        assert_eq!(journal.answers(run).expect("readable"), []);
    });
}

#[test]
fn a_wish_to_stop_is_kept_until_the_end() {
    each(|journal| {
        let run = play(journal, "u1", false);
        assert_eq!(journal.cancel_requested(run), Ok(None));
        journal.request_cancel(run, "mira", at(9)).expect("under way");
        journal.request_cancel(run, "noor", at(10)).expect("again is fine");
        assert_eq!(journal.cancel_requested(run), Ok(Some(String::from("mira"))));
        let last = journal.head(run).expect("known").sequence;
        journal.append(run, last, &sample::last_group(), at(118)).expect("appended");
        assert!(matches!(
            journal.request_cancel(run, "mira", at(119)),
            Err(JournalError::Refused(_))
        ));
    });
}

#[test]
fn outputs_are_stored_once_and_bounded() {
    each(|journal| {
        let run = play(journal, "u1", false);
        let node = "free@web-02".into();
        let store = |stream, offset, bytes: &[u8]| journal.store_output(run, &node, 1, stream, offset, bytes).expect("stored");
        store(Stream::Stdout, 0, b"one ");
        store(Stream::Stderr, 0, b"oops");
        store(Stream::Stdout, 0, b"one two");
        store(Stream::Stdout, 7, &vec![b'x'; OUTPUT_BYTES]);
        store(Stream::Stdout, 7 + OUTPUT_BYTES as u64, b"more");
        journal.store_output(run, &node, 2, Stream::Stdout, 0, b"again").expect("stored");
        let stored = journal.output(run, &node).expect("readable");
        let kinds: Vec<_> = stored.iter().map(|o| (o.attempt, o.stream, o.bytes.len(), o.truncated)).collect();
        assert_eq!(
            kinds,
            [
                (1, Stream::Stdout, OUTPUT_BYTES, true),
                (1, Stream::Stderr, 4, false),
                (2, Stream::Stdout, 5, false)
            ]
        );
        assert!(stored[0].bytes.starts_with(b"one twoxx"));
        assert_eq!(journal.output(run, &"drain@web-01".into()), Ok(vec![]));
    });
}
