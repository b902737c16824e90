//! The tables: one function per question or change, each on a connection or inside the caller's transaction.

use rusqlite::{Connection, OptionalExtension, Params, Row, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::base::clock::Timestamp;
use crate::base::id::{NodeId, RunId};
use crate::journal::answer::Asked;
use crate::journal::chain::{self, Head, Line};
use crate::journal::fold::{Fold, Question, QuestionState};
use crate::journal::{JournalError, StoredOutput, Stream};
use crate::model::approval::ApprovalAnswer;
use crate::model::event::Record;
use crate::model::obligation::{Obligation, ObligationId};
use crate::model::run::{Claim, RunSummary};

/// Either of the two things that go wrong here; `sqlite.rs` adds the file's name to the first.
pub(super) enum Trouble {
    /// SQLite's.
    Storage(rusqlite::Error),
    /// Ours.
    Journal(JournalError),
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Trouble {
        Trouble::Storage(error)
    }
}

impl From<JournalError> for Trouble {
    fn from(error: JournalError) -> Trouble {
        Trouble::Journal(error)
    }
}

pub(super) type Answer<T> = Result<T, Trouble>;

/// SQLite's integers are signed; ours stay far below the limit.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// The end of a run's chain.
pub(super) fn head(connection: &Connection, run: RunId) -> Answer<Head> {
    let mut statement = connection.prepare_cached("SELECT sequence, hash FROM runs WHERE id = ?1")?;
    let head = statement.query_row([signed(run.0)], |row| {
        Ok(Head {
            sequence: unsigned(row.get(0)?),
            hash: row.get(1)?,
        })
    });
    head.optional()?.ok_or(Trouble::Journal(JournalError::NoSuchRun(run)))
}

/// The run that has used a plan.
pub(super) fn run_of_plan(connection: &Connection, plan: &str) -> Answer<Option<RunId>> {
    let mut statement = connection.prepare_cached("SELECT run FROM used_plans WHERE plan = ?1")?;
    let run = statement.query_row([plan], |row| row.get::<_, i64>(0)).optional()?;
    Ok(run.map(|run| RunId(unsigned(run))))
}

/// Records after `sequence`, hashes checked, up to the run's head.
pub(super) fn records(connection: &Connection, run: RunId, sequence: u64) -> Answer<Vec<Record>> {
    let end = head(connection, run)?;
    let mut place = if sequence == 0 {
        Head::genesis()
    } else {
        place_of(connection, run, sequence)?
    };
    let mut statement =
        connection.prepare_cached("SELECT body, hash FROM events WHERE run = ?1 AND sequence > ?2 AND sequence <= ?3 ORDER BY sequence")?;
    let lines = statement.query_map([signed(run.0), signed(sequence), signed(end.sequence)], |row| {
        Ok(Line {
            body: row.get(0)?,
            hash: row.get(1)?,
        })
    })?;
    let mut list = Vec::new();
    for line in lines {
        list.push(chain::read(run, &mut place, &line?)?);
    }
    if place != end && sequence < end.sequence {
        return Err(Trouble::Journal(JournalError::Damaged {
            run,
            sequence: (place.sequence + 1).min(end.sequence),
            what: format!(
                "the run's end (event {}) is missing or is not the one that was written",
                end.sequence
            ),
        }));
    }
    Ok(list)
}

fn place_of(connection: &Connection, run: RunId, sequence: u64) -> Answer<Head> {
    let mut statement = connection.prepare_cached("SELECT hash FROM events WHERE run = ?1 AND sequence = ?2")?;
    let hash = statement
        .query_row([signed(run.0), signed(sequence)], |row| row.get(0))
        .optional()?;
    Ok(Head {
        sequence,
        hash: hash.unwrap_or_default(),
    })
}

/// Adds one line of the chain.
pub(super) fn insert_line(connection: &Connection, run: RunId, sequence: u64, line: &Line) -> Answer<()> {
    let mut statement = connection.prepare_cached("INSERT INTO events (run, sequence, body, hash) VALUES (?1, ?2, ?3, ?4)")?;
    statement.execute(params![signed(run.0), signed(sequence), line.body, line.hash])?;
    Ok(())
}

/// Writes the run's row, and those of its debts and questions that differ from `before`.
pub(super) fn write_fold(connection: &Connection, run: RunId, head: &Head, before: Option<&Fold>, after: &Fold) -> Answer<()> {
    let mut statement = connection.prepare_cached("UPDATE runs SET sequence = ?2, hash = ?3, summary = ?4 WHERE id = ?1")?;
    statement.execute(params![signed(run.0), signed(head.sequence), head.hash, json(&after.summary)])?;
    for (id, debt) in &after.obligations {
        if before.is_none_or(|b| b.obligations.get(id) != Some(debt)) {
            let mut statement = connection.prepare_cached(
                "INSERT INTO obligations (run, id, opened_at, open, pool, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
                 ON CONFLICT (run, id) DO UPDATE SET opened_at = ?3, open = ?4, pool = ?5, body = ?6",
            )?;
            let ObligationId(id) = id;
            let pool = debt.pool.as_ref().map(|p| p.as_str());
            statement.execute(params![signed(run.0), id, debt.opened_at.0, debt.is_open(), pool, json(debt)])?;
        }
    }
    for (gate, question) in &after.questions {
        if before.is_none_or(|b| b.questions.get(gate) != Some(question)) {
            let mut statement = connection.prepare_cached(
                "INSERT INTO questions (run, gate, asked_at, waiting, body) VALUES (?1, ?2, ?3, ?4, ?5) \
                 ON CONFLICT (run, gate) DO UPDATE SET asked_at = ?3, waiting = ?4, body = ?5",
            )?;
            let waiting = question.state == QuestionState::Waiting;
            statement.execute(params![
                signed(run.0),
                gate.as_str(),
                question.request.asked_at.0,
                waiting,
                json(question)
            ])?;
        }
    }
    Ok(())
}

/// Summaries with their claims, by a condition on `runs`.
pub(super) fn summaries(connection: &Connection, condition: &str, parameters: impl Params) -> Answer<Vec<RunSummary>> {
    let text = format!(
        "SELECT runs.id, summary, controller, token, since, expires_at FROM runs \
         LEFT JOIN claims ON claims.run = runs.id AND claims.held = 1 {condition}"
    );
    let mut statement = connection.prepare_cached(&text)?;
    let rows = statement.query_map(parameters, |row| {
        let run = RunId(unsigned(row.get(0)?));
        let claim = match row.get::<_, Option<String>>(2)? {
            Some(controller) => Some(claim_of(run, controller, row, 3)?),
            None => None,
        };
        Ok((run, row.get::<_, String>(1)?, claim))
    })?;
    let mut list = Vec::new();
    for row in rows {
        let (run, body, claim) = row?;
        let summary: RunSummary = parse(run, "summary", &body)?;
        list.push(RunSummary { claim, ..summary });
    }
    Ok(list)
}

fn claim_of(run: RunId, controller: String, row: &Row<'_>, first: usize) -> rusqlite::Result<Claim> {
    Ok(Claim {
        run,
        controller,
        token: unsigned(row.get(first)?),
        since: Timestamp(row.get(first + 1)?),
        expires_at: Timestamp(row.get(first + 2)?),
    })
}

/// The claim on a run, and whether it is still held.
pub(super) fn claim(connection: &Connection, run: RunId) -> Answer<Option<(Claim, bool)>> {
    let mut statement = connection.prepare_cached("SELECT controller, token, since, expires_at, held FROM claims WHERE run = ?1")?;
    let claim = statement.query_row([signed(run.0)], |row| Ok((claim_of(run, row.get(0)?, row, 1)?, row.get(4)?)));
    Ok(claim.optional()?)
}

/// Writes the claim on a run.
pub(super) fn write_claim(connection: &Connection, claim: &Claim, held: bool) -> Answer<()> {
    let mut statement = connection.prepare_cached(
        "INSERT OR REPLACE INTO claims (run, controller, token, since, expires_at, held) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    statement.execute(params![
        signed(claim.run.0),
        claim.controller,
        signed(claim.token),
        claim.since.0,
        claim.expires_at.0,
        held
    ])?;
    Ok(())
}

/// Bodies of obligations or questions; `query` gives the run and the body.
pub(super) fn bodies<T: DeserializeOwned>(connection: &Connection, query: &str, parameters: impl Params) -> Answer<Vec<T>> {
    let mut statement = connection.prepare_cached(query)?;
    let rows = statement.query_map(parameters, |row| Ok((RunId(unsigned(row.get(0)?)), row.get::<_, String>(1)?)))?;
    let mut list = Vec::new();
    for row in rows {
        let (run, body) = row?;
        list.push(parse(run, "row", &body)?);
    }
    Ok(list)
}

/// What a gate waits for.
pub(super) fn asked(connection: &Connection, run: RunId, gate: &NodeId) -> Answer<Asked> {
    let query = "SELECT run, body FROM questions WHERE run = ?1 AND gate = ?2";
    let question: Option<Question> = bodies(connection, query, params![signed(run.0), gate.as_str()])?.pop();
    let query = "SELECT run, body FROM obligations WHERE run = ?1 AND open = 1";
    let open: Vec<Obligation> = bodies(connection, query, [signed(run.0)])?;
    Ok(Asked::of(question, open.into_iter().find(|o| o.waits_for_people(gate))))
}

/// Answers left for a run, oldest first.
pub(super) fn answers(connection: &Connection, run: RunId) -> Answer<Vec<(NodeId, ApprovalAnswer)>> {
    let mut statement = connection.prepare_cached("SELECT gate, body FROM answers WHERE run = ?1 ORDER BY number")?;
    let rows = statement.query_map([signed(run.0)], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    let mut list = Vec::new();
    for row in rows {
        let (gate, body) = row?;
        list.push((NodeId(gate), parse(run, "answer", &body)?));
    }
    Ok(list)
}

/// Leaves an answer.
pub(super) fn insert_answer(connection: &Connection, run: RunId, gate: &NodeId, answer: &ApprovalAnswer) -> Answer<()> {
    let mut statement = connection.prepare_cached("INSERT INTO answers (run, gate, body) VALUES (?1, ?2, ?3)")?;
    statement.execute(params![signed(run.0), gate.as_str(), json(answer)])?;
    Ok(())
}

/// Up to where an attempt's stream is stored.
pub(super) fn output_end(connection: &Connection, key: (RunId, &NodeId, u32, Stream)) -> Answer<u64> {
    let (run, node, attempt, stream) = key;
    let mut statement = connection
        .prepare_cached("SELECT max(start + length(bytes)) FROM outputs WHERE run = ?1 AND node = ?2 AND attempt = ?3 AND stream = ?4")?;
    let end: Option<i64> = statement.query_row(params![signed(run.0), node.as_str(), attempt, stream.number()], |row| row.get(0))?;
    Ok(end.map_or(0, unsigned))
}

/// What the attempts of a node wrote.
pub(super) fn outputs(connection: &Connection, run: RunId, node: &NodeId) -> Answer<Vec<StoredOutput>> {
    let mut statement = connection
        .prepare_cached("SELECT attempt, stream, bytes, lossy FROM outputs WHERE run = ?1 AND node = ?2 ORDER BY attempt, stream, start")?;
    let rows = statement.query_map(params![signed(run.0), node.as_str()], |row| {
        Ok(StoredOutput {
            attempt: row.get(0)?,
            stream: Stream::from_number(row.get(1)?),
            bytes: row.get(2)?,
            truncated: row.get(3)?,
        })
    })?;
    let mut list: Vec<StoredOutput> = Vec::new();
    for row in rows {
        let piece = row?;
        match list.last_mut() {
            Some(last) if (last.attempt, last.stream) == (piece.attempt, piece.stream) => {
                last.bytes.extend_from_slice(&piece.bytes);
                last.truncated |= piece.truncated;
            }
            _ => list.push(piece),
        }
    }
    Ok(list)
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("rows hold only maps with text keys and finite numbers")
}

fn parse<T: DeserializeOwned>(run: RunId, what: &str, body: &str) -> Answer<T> {
    serde_json::from_str(body).map_err(|error| {
        Trouble::Journal(JournalError::Damaged {
            run,
            sequence: 0,
            what: format!("its {what} cannot be read: {error}"),
        })
    })
}
