//! Records as lines of JSON, each bound to the one before by a hash. Pure.
//!
//! What is hashed is the line as it is stored, so that a later program that writes fields differently still verifies old lines.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use super::JournalError;
use crate::base::clock::Timestamp;
use crate::base::id::RunId;
use crate::model::event::{Event, Record, SCHEMA_VERSION};

/// What the first record follows.
pub(super) const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The end of a run's chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Of the last record.
    pub sequence: u64,
    /// SHA-256 (hex) over the hash before and the last line.
    pub hash: String,
}

impl Head {
    /// The end of an empty chain.
    pub(super) fn genesis() -> Head {
        Head {
            sequence: 0,
            hash: GENESIS.to_owned(),
        }
    }
}

/// A record as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// JSON.
    pub body: String,
    /// SHA-256 (hex) over the hash before and `body`.
    pub hash: String,
}

#[derive(Serialize)]
struct Written<'a> {
    schema: u32,
    run: RunId,
    sequence: u64,
    at: Timestamp,
    event: &'a Event,
}

#[derive(Deserialize)]
struct Read {
    schema: u32,
    run: RunId,
    sequence: u64,
    at: Timestamp,
    event: Event,
}

#[derive(Deserialize)]
struct Version {
    schema: u64,
}

/// Makes the line that follows `head`, and moves `head` on.
///
/// # Errors
/// A record that could not be read again.
pub(super) fn write(head: &mut Head, record: &Record) -> Result<Line, JournalError> {
    let written = Written {
        schema: SCHEMA_VERSION,
        run: record.run,
        sequence: record.sequence,
        at: record.at,
        event: &record.event,
    };
    let damaged = |what: String| JournalError::Damaged {
        run: record.run,
        sequence: record.sequence,
        what,
    };
    let mut body = serde_json::to_string(&written).map_err(|e| damaged(format!("cannot be written as JSON: {e}")))?;
    // A record that cannot be read again would make the run impossible to resume; JSON has no word for a number that is not one.
    if serde_json::from_str::<Read>(&body).is_err() {
        let mut json: Json = serde_json::from_str(&body).map_err(|e| damaged(e.to_string()))?;
        forget_impossible_numbers(&mut json);
        body = json.to_string();
        serde_json::from_str::<Read>(&body).map_err(|e| damaged(format!("could not be read again: {e}")))?;
    }
    let hash = follow(&head.hash, &body);
    *head = Head {
        sequence: record.sequence,
        hash: hash.clone(),
    };
    Ok(Line { body, hash })
}

/// Checks that `line` follows `head`, moves `head` on and gives the record.
///
/// # Errors
/// A hash that does not fit, a text that is no record, a newer version.
pub(super) fn read(run: RunId, head: &mut Head, line: &Line) -> Result<Record, JournalError> {
    let sequence = head.sequence + 1;
    let damaged = |what: String| JournalError::Damaged { run, sequence, what };
    if follow(&head.hash, &line.body) != line.hash {
        return Err(damaged(String::from("its hash does not fit its content and the record before it")));
    }
    let newer = |found: u64| JournalError::Newer {
        what: format!("run {run}, event {sequence}"),
        found,
        known: u64::from(SCHEMA_VERSION),
    };
    let read: Read = serde_json::from_str(&line.body).map_err(|error| match serde_json::from_str::<Version>(&line.body) {
        Ok(version) if version.schema > u64::from(SCHEMA_VERSION) => newer(version.schema),
        _ => damaged(format!("is not a record: {error}")),
    })?;
    if read.schema > SCHEMA_VERSION {
        return Err(newer(u64::from(read.schema)));
    }
    if read.run != run || read.sequence != sequence {
        return Err(damaged(format!(
            "stands at the wrong place: it says run {}, event {}",
            read.run, read.sequence
        )));
    }
    head.sequence = sequence;
    head.hash.clone_from(&line.hash);
    Ok(Record {
        run,
        sequence,
        at: read.at,
        event: read.event,
    })
}

/// Reads exported lines, `HASH JSON` each, from the first record of one run on, and checks their hashes.
///
/// # Errors
/// The first line that is damaged or newer.
pub fn verify_lines(run: RunId, text: &str) -> Result<(Vec<Record>, Head), JournalError> {
    let mut head = Head::genesis();
    let mut records = Vec::new();
    for written in text.lines() {
        let (hash, body) = written.split_once(' ').unwrap_or(("", written));
        let line = Line {
            body: body.to_owned(),
            hash: hash.to_owned(),
        };
        records.push(read(run, &mut head, &line)?);
    }
    Ok((records, head))
}

fn follow(before: &str, body: &str) -> String {
    let digest = Sha256::new().chain_update(before).chain_update(body).finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A value that is not a number or infinite becomes unknown: `{"float":null}` can mean nothing else.
fn forget_impossible_numbers(json: &mut Json) {
    match json {
        Json::Object(map) => {
            let lone_null = map.len() == 1 && (map.get("float") == Some(&Json::Null) || map.get("percent") == Some(&Json::Null));
            if lone_null {
                *json = Json::from("unknown");
            } else {
                map.values_mut().for_each(forget_impossible_numbers);
            }
        }
        Json::Array(list) => list.iter_mut().for_each(forget_impossible_numbers),
        _ => {}
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::base::value::Value;

    fn record(sequence: u64, event: Event) -> Record {
        Record {
            run: RunId(7),
            sequence,
            at: Timestamp(1000),
            event,
        }
    }

    fn started(controller: &str) -> Event {
        Event::RunStarted {
            controller: controller.to_owned(),
        }
    }

    #[test]
    fn a_changed_byte_breaks_the_chain_at_its_place() {
        let mut head = Head::genesis();
        let mut lines: Vec<Line> = (1..=3).map(|n| write(&mut head, &record(n, started("a"))).unwrap()).collect();
        let check = |lines: &[Line]| {
            let mut head = Head::genesis();
            lines.iter().map(|l| read(RunId(7), &mut head, l)).collect::<Result<Vec<_>, _>>()
        };
        assert_eq!(check(&lines).unwrap().len(), 3);
        lines[1].body = lines[1].body.replace("\"a\"", "\"b\"");
        assert!(matches!(check(&lines), Err(JournalError::Damaged { sequence: 2, .. })));
        lines.remove(1);
        assert!(matches!(check(&lines), Err(JournalError::Damaged { sequence: 2, .. })));
    }

    #[test]
    fn a_newer_record_is_refused_with_words() {
        let body = String::from(r#"{"schema":3,"run":7,"sequence":1,"at":0,"event":{"type":"host_teleported"}}"#);
        let hash = follow(GENESIS, &body);
        let error = read(RunId(7), &mut Head::genesis(), &Line { body, hash }).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the journal is newer than this program (run #7, event 1 has version 3, version 2 is known here); use the newer `runbook`"
        );
    }

    #[test]
    fn what_is_not_a_number_becomes_unknown_instead_of_unreadable() {
        let event = Event::StepSucceeded {
            node: "a".into(),
            attempt: 1,
            changed: false,
            result: Value::map([("x", Value::Float(f64::NAN)), ("y", Value::Int(1))]),
            summary: String::new(),
        };
        let line = write(&mut Head::genesis(), &record(1, event)).unwrap();
        let Event::StepSucceeded { result, .. } = read(RunId(7), &mut Head::genesis(), &line).unwrap().event else {
            unreachable!("what was written")
        };
        assert_eq!(result, Value::map([("x", Value::Unknown), ("y", Value::Int(1))]));
    }
}
