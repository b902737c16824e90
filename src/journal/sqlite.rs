//! The journal in one SQLite file: write-ahead log, every commit on disk before `append` returns, several processes at once.
//!
//! Assumes a local disk. Rows of runs, debts and questions change in the transaction of the events they follow from.

mod open;
mod rows;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use self::open::Promise;
use self::rows::{Answer, Trouble, signed};
use super::fold::{Fold, Question};
use super::output::{self, StoredOutput, Stream};
use super::{ChainReport, Head, Journal, JournalError, answer, chain};
use crate::base::clock::Timestamp;
use crate::base::id::{NodeId, PoolName, RunId};
use crate::model::approval::{ApprovalAnswer, ApprovalRequest};
use crate::model::event::{Event, Record, RunCreated};
use crate::model::obligation::Obligation;
use crate::model::run::{Claim, RunSummary};

/// See the file's header.
pub struct SqliteJournal {
    path: PathBuf,
    ledger: Mutex<Ledger>,
    // Reads and outputs go through a connection of their own: they need not wait for a commit to reach the disk.
    side: Mutex<Connection>,
}

/// The durable connection, and the folds of the runs that are written from here.
struct Ledger {
    connection: Connection,
    folds: BTreeMap<RunId, Fold>,
}

impl std::fmt::Debug for SqliteJournal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteJournal").field("path", &self.path).finish_non_exhaustive()
    }
}

impl SqliteJournal {
    /// Opens a journal and makes it (file 0600, missing folders 0700) if it is not there.
    ///
    /// # Errors
    /// A place that cannot be used, a damaged file, one of a newer program.
    pub fn open(path: &Path) -> Result<SqliteJournal, JournalError> {
        open::prepare(path)?;
        let mut connection = open::connect(path, Promise::Durable)?;
        open::migrate(path, &mut connection)?;
        Ok(SqliteJournal {
            path: path.to_owned(),
            ledger: Mutex::new(Ledger {
                connection,
                folds: BTreeMap::new(),
            }),
            side: Mutex::new(open::connect(path, Promise::Soon)?),
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // A panic drops its transaction, which rolls back, and takes its fold out; what is left is whole.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, trouble: Trouble) -> JournalError {
        match trouble {
            Trouble::Storage(error) => open::storage(&self.path, error),
            Trouble::Journal(error) => error,
        }
    }

    fn read<T>(&self, ask: impl FnOnce(&Connection) -> Answer<T>) -> Result<T, JournalError> {
        let mut side = self.side.lock().unwrap_or_else(PoisonError::into_inner);
        // One snapshot, so that a run's end and its events agree while another process writes.
        let answer = side.transaction().map_err(Trouble::from).and_then(|snapshot| ask(&snapshot));
        answer.map_err(|t| self.tell(t))
    }

    fn write<T>(&self, act: impl FnOnce(&Transaction<'_>) -> Answer<T>) -> Result<T, JournalError> {
        commit(&mut self.ledger().connection, act).map_err(|t| self.tell(t))
    }
}

/// Takes the write lock first, so that what is read cannot change before it is written.
fn commit<T>(connection: &mut Connection, act: impl FnOnce(&Transaction<'_>) -> Answer<T>) -> Answer<T> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let done = act(&transaction)?;
    transaction.commit()?;
    Ok(done)
}

fn write_new_run(transaction: &Transaction<'_>, created: RunCreated, at: Timestamp) -> Answer<(RunId, Fold)> {
    let mut statement = transaction.prepare_cached("SELECT 1 FROM runs WHERE uid = ?1")?;
    if statement.exists([&created.uid])? {
        let text = format!("a run with the identity {} is there already", created.uid);
        return Err(Trouble::Journal(JournalError::Refused(text)));
    }
    let used = created.used_plan.clone();
    if let Some(run) = used
        .as_deref()
        .map(|plan| rows::run_of_plan(transaction, plan))
        .transpose()?
        .flatten()
    {
        return Err(Trouble::Journal(JournalError::PlanUsed(run)));
    }
    transaction.execute(
        "INSERT INTO runs (uid, sequence, hash, summary) VALUES (?1, 0, '', '')",
        [&created.uid],
    )?;
    let run = RunId(u64::try_from(transaction.last_insert_rowid()).unwrap_or(0));
    let record = Record {
        run,
        sequence: 1,
        at,
        event: Event::RunCreated(Box::new(created)),
    };
    let mut head = Head::genesis();
    let line = chain::write(&mut head, &record)?;
    let fold = Fold::begin(&record).expect("the record is the creation of a run");
    rows::insert_line(transaction, run, 1, &line)?;
    rows::write_fold(transaction, run, &head, None, &fold)?;
    if let Some(plan) = used {
        transaction.execute("INSERT INTO used_plans (plan, run) VALUES (?1, ?2)", params![plan, signed(run.0)])?;
    }
    Ok((run, fold))
}

/// Adds events; `known` is the fold of everything before, if this process has it.
fn write_events(
    transaction: &Transaction<'_>,
    run: RunId,
    (expected, events): (u64, &[Event]),
    at: Timestamp,
    known: Option<Fold>,
) -> Answer<(u64, Fold)> {
    let mut head = rows::head(transaction, run)?;
    if head.sequence != expected {
        return Err(Trouble::Journal(JournalError::Conflict {
            run,
            expected,
            found: head.sequence,
        }));
    }
    let before = match known.filter(|f| f.summary.sequence == expected) {
        Some(fold) => fold,
        None => refold(run, &rows::records(transaction, run, 0)?)?,
    };
    let mut after = before.clone();
    for event in events {
        let record = Record {
            run,
            sequence: head.sequence + 1,
            at,
            event: event.clone(),
        };
        let line = chain::write(&mut head, &record)?;
        rows::insert_line(transaction, run, record.sequence, &line)?;
        after.apply(&record);
    }
    rows::write_fold(transaction, run, &head, Some(&before), &after)?;
    Ok((head.sequence, after))
}

fn refold(run: RunId, records: &[Record]) -> Answer<Fold> {
    let first = records.first().and_then(Fold::begin);
    let mut fold = first.ok_or_else(|| {
        Trouble::Journal(JournalError::Damaged {
            run,
            sequence: 1,
            what: String::from("the first event does not create the run"),
        })
    })?;
    records[1..].iter().for_each(|r| fold.apply(r));
    Ok(fold)
}

impl Journal for SqliteJournal {
    fn create_run(&self, created: RunCreated, at: Timestamp) -> Result<RunId, JournalError> {
        let mut ledger = self.ledger();
        let written = commit(&mut ledger.connection, |t| write_new_run(t, created, at));
        let (run, fold) = written.map_err(|t| self.tell(t))?;
        ledger.folds.insert(run, fold);
        Ok(run)
    }

    fn run_of_plan(&self, used: &str) -> Result<Option<RunId>, JournalError> {
        self.read(|c| rows::run_of_plan(c, used))
    }

    fn append(&self, run: RunId, expected_sequence: u64, events: &[Event], at: Timestamp) -> Result<u64, JournalError> {
        let mut ledger = self.ledger();
        // Taken out: whatever fails below, the next append reads the truth again.
        let known = ledger.folds.remove(&run);
        let written = commit(&mut ledger.connection, |t| {
            write_events(t, run, (expected_sequence, events), at, known)
        });
        let (sequence, fold) = written.map_err(|t| self.tell(t))?;
        if fold.summary.outcome().is_none() {
            ledger.folds.insert(run, fold);
        }
        Ok(sequence)
    }

    fn events_after(&self, run: RunId, sequence: u64) -> Result<Vec<Record>, JournalError> {
        self.read(|c| rows::records(c, run, sequence))
    }

    fn claim(&self, run: RunId, controller: &str, at: Timestamp, lease: Duration, force: bool) -> Result<Claim, JournalError> {
        self.write(|t| {
            rows::head(t, run)?;
            let old = rows::claim(t, run)?;
            let token = old.as_ref().map_or(1, |(c, _)| c.token + 1);
            if let Some((held, true)) = old
                && held.expires_at > at
                && held.controller != controller
                && !force
            {
                return Err(Trouble::Journal(JournalError::Claimed {
                    run,
                    controller: held.controller,
                    until: held.expires_at,
                }));
            }
            let claim = Claim {
                run,
                controller: controller.to_owned(),
                token,
                since: at,
                expires_at: at.after(lease),
            };
            rows::write_claim(t, &claim, true)?;
            Ok(claim)
        })
    }

    fn renew(&self, claim: &Claim, at: Timestamp, lease: Duration) -> Result<Claim, JournalError> {
        self.write(|t| match rows::claim(t, claim.run)? {
            Some((held, true)) if held.token == claim.token => {
                let renewed = Claim {
                    expires_at: at.after(lease),
                    ..held
                };
                rows::write_claim(t, &renewed, true)?;
                Ok(renewed)
            }
            other => Err(Trouble::Journal(JournalError::ClaimLost {
                run: claim.run,
                by: other.filter(|(_, held)| *held).map(|(c, _)| c.controller),
            })),
        })
    }

    fn release(&self, claim: &Claim) -> Result<(), JournalError> {
        self.write(|t| match rows::claim(t, claim.run)? {
            Some((held, true)) if held.token == claim.token => rows::write_claim(t, &held, false),
            _ => Ok(()),
        })
    }

    fn runs(&self, limit: usize) -> Result<Vec<RunSummary>, JournalError> {
        self.read(|c| rows::summaries(c, "ORDER BY runs.id DESC LIMIT ?1", [signed(limit as u64)]))
    }

    fn run(&self, run: RunId) -> Result<RunSummary, JournalError> {
        let found = self.read(|c| rows::summaries(c, "WHERE runs.id = ?1", [signed(run.0)]))?;
        found.into_iter().next().ok_or(JournalError::NoSuchRun(run))
    }

    fn obligations(&self, open_only: bool) -> Result<Vec<Obligation>, JournalError> {
        let query = "SELECT run, body FROM obligations WHERE open >= ?1 ORDER BY opened_at, run, id";
        self.read(|c| rows::bodies(c, query, [i64::from(open_only)]))
    }

    fn open_obligations_of_pool(&self, pool: &PoolName) -> Result<Vec<Obligation>, JournalError> {
        let query = "SELECT run, body FROM obligations WHERE open = 1 AND pool = ?1 ORDER BY opened_at, run, id";
        self.read(|c| rows::bodies(c, query, [pool.as_str()]))
    }

    fn approvals_waiting(&self) -> Result<Vec<ApprovalRequest>, JournalError> {
        let query = "SELECT run, body FROM questions WHERE waiting = 1 ORDER BY asked_at, run, gate";
        let questions: Vec<Question> = self.read(|c| rows::bodies(c, query, []))?;
        Ok(questions.into_iter().map(|q| q.request).collect())
    }

    fn answer(&self, run: RunId, gate: &NodeId, given: ApprovalAnswer) -> Result<(), JournalError> {
        self.write(|t| {
            rows::head(t, run)?;
            let left = rows::answers(t, run)?.into_iter().filter(|(g, _)| g == gate);
            let earlier: Vec<ApprovalAnswer> = left.map(|(_, a)| a).collect();
            answer::judge(&rows::asked(t, run, gate)?, &earlier, &given).map_err(JournalError::Refused)?;
            rows::insert_answer(t, run, gate, &given)
        })
    }

    fn answers(&self, run: RunId) -> Result<Vec<(NodeId, ApprovalAnswer)>, JournalError> {
        self.read(|c| {
            rows::head(c, run)?;
            let mut list = Vec::new();
            for (gate, given) in rows::answers(c, run)? {
                if answer::is_new(&rows::asked(c, run, &gate)?, &given) {
                    list.push((gate, given));
                }
            }
            Ok(list)
        })
    }

    fn request_cancel(&self, run: RunId, by: &str, at: Timestamp) -> Result<(), JournalError> {
        self.write(|t| {
            let found = rows::summaries(t, "WHERE runs.id = ?1", [signed(run.0)])?;
            let summary = found.first().ok_or(Trouble::Journal(JournalError::NoSuchRun(run)))?;
            if summary.outcome().is_some() {
                return Err(Trouble::Journal(JournalError::Refused(format!("run {run} has ended already"))));
            }
            let values = params![signed(run.0), by, at.0];
            t.execute("INSERT OR IGNORE INTO cancels (run, requested_by, at) VALUES (?1, ?2, ?3)", values)?;
            Ok(())
        })
    }

    fn cancel_requested(&self, run: RunId) -> Result<Option<String>, JournalError> {
        self.read(|c| {
            rows::head(c, run)?;
            let mut statement = c.prepare_cached("SELECT requested_by FROM cancels WHERE run = ?1")?;
            Ok(statement.query_row([signed(run.0)], |row| row.get(0)).optional()?)
        })
    }

    fn store_output(&self, run: RunId, node: &NodeId, attempt: u32, stream: Stream, offset: u64, bytes: &[u8]) -> Result<(), JournalError> {
        let mut side = self.side.lock().unwrap_or_else(PoisonError::into_inner);
        let stored = commit(&mut side, |t| {
            rows::head(t, run)?;
            let end = rows::output_end(t, (run, node, attempt, stream))?;
            if let Some(piece) = output::piece(end, offset, bytes) {
                // At the bound, only the mark of the loss is written, once.
                let mut statement = t.prepare_cached(
                    "INSERT OR IGNORE INTO outputs (run, node, attempt, stream, start, bytes, lossy) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                )?;
                let (start, number) = (signed(piece.offset), stream.number());
                statement.execute(params![
                    signed(run.0),
                    node.as_str(),
                    attempt,
                    number,
                    start,
                    piece.bytes,
                    piece.lossy
                ])?;
            }
            Ok(())
        });
        stored.map_err(|t| self.tell(t))
    }

    fn output(&self, run: RunId, node: &NodeId) -> Result<Vec<StoredOutput>, JournalError> {
        self.read(|c| {
            rows::head(c, run)?;
            rows::outputs(c, run, node)
        })
    }

    fn head(&self, run: RunId) -> Result<Head, JournalError> {
        self.read(|c| rows::head(c, run))
    }

    fn verify_chain(&self) -> Result<ChainReport, JournalError> {
        self.read(|c| {
            let mut report = ChainReport::default();
            let mut statement = c.prepare_cached("SELECT id FROM runs ORDER BY id")?;
            let runs = statement.query_map([], |row| row.get::<_, i64>(0))?;
            for run in runs {
                let run = RunId(u64::try_from(run?).unwrap_or(0));
                report.records += rows::records(c, run, 0)?.len() as u64;
                report.runs += 1;
            }
            Ok(report)
        })
    }
}
