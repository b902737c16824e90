//! A journal that lives as long as the process: for tests, simulations and runs that must leave no file.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::answer::Asked;
use super::chain::{self, Line};
use super::fold::{Fold, QuestionState};
use super::output::{self, StoredOutput, Stream};
use super::{ChainReport, Head, Journal, JournalError, answer};
use crate::base::clock::Timestamp;
use crate::base::id::{NodeId, PoolName, RunId};
use crate::model::approval::{ApprovalAnswer, ApprovalRequest};
use crate::model::event::{Event, Record, RunCreated};
use crate::model::obligation::Obligation;
use crate::model::run::{Claim, RunSummary};

/// Sees every append: first with `false`, before anything is kept, then with `true`. An error is given to the caller, who must take it
/// for the journal's end: nothing was kept in the first case, everything in the second.
pub type Witness = Box<dyn Fn(bool, &[Record]) -> Result<(), JournalError> + Send + Sync>;

/// See the file's header.
#[derive(Default)]
pub struct MemoryJournal {
    runs: Mutex<BTreeMap<RunId, Kept>>,
    witness: Option<Witness>,
}

#[derive(Debug)]
struct Kept {
    lines: Vec<Line>,
    head: Head,
    fold: Fold,
    claim: Option<Claim>,
    tokens: u64,
    mailbox: Vec<(NodeId, ApprovalAnswer)>,
    cancel_by: Option<String>,
    used_plan: Option<String>,
    outputs: BTreeMap<(NodeId, u32, Stream), (u64, StoredOutput)>,
}

impl MemoryJournal {
    /// An empty one.
    #[must_use]
    pub fn new() -> MemoryJournal {
        MemoryJournal::default()
    }

    /// An empty one whose appends are watched, and refused, by `witness`.
    #[must_use]
    pub fn watched(witness: Witness) -> MemoryJournal {
        MemoryJournal {
            witness: Some(witness),
            ..MemoryJournal::default()
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<RunId, Kept>> {
        // Every change below is prepared before it is made, so that a panic elsewhere leaves nothing half done.
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn read_after(&self, run: RunId, sequence: u64) -> Result<Vec<Record>, JournalError> {
        let mut head = Head::genesis();
        let all: Result<Vec<Record>, JournalError> = self.lines.iter().map(|l| chain::read(run, &mut head, l)).collect();
        Ok(all?.into_iter().filter(|r| r.sequence > sequence).collect())
    }

    fn asked(&self, gate: &NodeId) -> Asked {
        let task = self.fold.obligations.values().find(|o| o.waits_for_people(gate));
        Asked::of(self.fold.questions.get(gate).cloned(), task.cloned())
    }

    fn summary(&self) -> RunSummary {
        RunSummary {
            claim: self.claim.clone(),
            ..self.fold.summary.clone()
        }
    }
}

fn kept(runs: &BTreeMap<RunId, Kept>, run: RunId) -> Result<&Kept, JournalError> {
    runs.get(&run).ok_or(JournalError::NoSuchRun(run))
}

fn user_of(runs: &BTreeMap<RunId, Kept>, plan: &str) -> Option<RunId> {
    let used = runs.iter().find(|(_, kept)| kept.used_plan.as_deref() == Some(plan));
    used.map(|(run, _)| *run)
}

fn kept_mut(runs: &mut BTreeMap<RunId, Kept>, run: RunId) -> Result<&mut Kept, JournalError> {
    runs.get_mut(&run).ok_or(JournalError::NoSuchRun(run))
}

impl Journal for MemoryJournal {
    fn is_shared(&self) -> bool {
        false
    }

    fn create_run(&self, created: RunCreated, at: Timestamp) -> Result<RunId, JournalError> {
        let mut runs = self.lock();
        if runs.values().any(|k| k.fold.summary.uid == created.uid) {
            return Err(JournalError::Refused(format!(
                "a run with the identity {} is there already",
                created.uid
            )));
        }
        let used_plan = created.used_plan.clone();
        if let Some(run) = used_plan.as_deref().and_then(|plan| user_of(&runs, plan)) {
            return Err(JournalError::PlanUsed(run));
        }
        let run = RunId(runs.keys().next_back().map_or(1, |last| last.0 + 1));
        let record = Record {
            run,
            sequence: 1,
            at,
            event: Event::RunCreated(Box::new(created)),
        };
        let mut head = Head::genesis();
        let line = chain::write(&mut head, &record)?;
        let fold = Fold::begin(&record).expect("the record is the creation of a run");
        let kept = Kept {
            lines: vec![line],
            head,
            fold,
            claim: None,
            tokens: 0,
            mailbox: Vec::new(),
            cancel_by: None,
            used_plan,
            outputs: BTreeMap::new(),
        };
        runs.insert(run, kept);
        Ok(run)
    }

    fn run_of_plan(&self, used: &str) -> Result<Option<RunId>, JournalError> {
        Ok(user_of(&self.lock(), used))
    }

    fn append(&self, run: RunId, expected_sequence: u64, events: &[Event], at: Timestamp) -> Result<u64, JournalError> {
        let mut runs = self.lock();
        let kept = kept_mut(&mut runs, run)?;
        if kept.head.sequence != expected_sequence {
            return Err(JournalError::Conflict {
                run,
                expected: expected_sequence,
                found: kept.head.sequence,
            });
        }
        let (mut head, mut lines, mut records) = (kept.head.clone(), Vec::new(), Vec::new());
        for event in events {
            let record = Record {
                run,
                sequence: head.sequence + 1,
                at,
                event: event.clone(),
            };
            lines.push(chain::write(&mut head, &record)?);
            records.push(record);
        }
        if let Some(witness) = &self.witness {
            witness(false, &records)?;
        }
        kept.lines.extend(lines);
        records.iter().for_each(|r| kept.fold.apply(r));
        kept.head = head;
        if let Some(witness) = &self.witness {
            witness(true, &records)?;
        }
        Ok(kept.head.sequence)
    }

    fn events_after(&self, run: RunId, sequence: u64) -> Result<Vec<Record>, JournalError> {
        kept(&self.lock(), run)?.read_after(run, sequence)
    }

    fn claim(&self, run: RunId, controller: &str, at: Timestamp, lease: Duration, force: bool) -> Result<Claim, JournalError> {
        let mut runs = self.lock();
        let kept = kept_mut(&mut runs, run)?;
        if let Some(old) = &kept.claim
            && old.expires_at > at
            && old.controller != controller
            && !force
        {
            return Err(JournalError::Claimed {
                run,
                controller: old.controller.clone(),
                until: old.expires_at,
            });
        }
        kept.tokens += 1;
        let claim = Claim {
            run,
            controller: controller.to_owned(),
            token: kept.tokens,
            since: at,
            expires_at: at.after(lease),
        };
        kept.claim = Some(claim.clone());
        Ok(claim)
    }

    fn renew(&self, claim: &Claim, at: Timestamp, lease: Duration) -> Result<Claim, JournalError> {
        let mut runs = self.lock();
        let kept = kept_mut(&mut runs, claim.run)?;
        match &mut kept.claim {
            Some(held) if held.token == claim.token => {
                held.expires_at = at.after(lease);
                Ok(held.clone())
            }
            other => Err(JournalError::ClaimLost {
                run: claim.run,
                by: other.as_ref().map(|c| c.controller.clone()),
            }),
        }
    }

    fn release(&self, claim: &Claim) -> Result<(), JournalError> {
        let mut runs = self.lock();
        let kept = kept_mut(&mut runs, claim.run)?;
        if kept.claim.as_ref().is_some_and(|held| held.token == claim.token) {
            kept.claim = None;
        }
        Ok(())
    }

    fn runs(&self, limit: usize) -> Result<Vec<RunSummary>, JournalError> {
        Ok(self.lock().values().rev().take(limit).map(Kept::summary).collect())
    }

    fn run(&self, run: RunId) -> Result<RunSummary, JournalError> {
        kept(&self.lock(), run).map(Kept::summary)
    }

    fn obligations(&self, open_only: bool) -> Result<Vec<Obligation>, JournalError> {
        let runs = self.lock();
        let all = runs.values().flat_map(|k| k.fold.obligations.values());
        let mut list: Vec<Obligation> = all.filter(|o| !open_only || o.is_open()).cloned().collect();
        list.sort_by(|a, b| (a.opened_at, a.run, &a.id).cmp(&(b.opened_at, b.run, &b.id)));
        Ok(list)
    }

    fn open_obligations_of_pool(&self, pool: &PoolName) -> Result<Vec<Obligation>, JournalError> {
        let open = self.obligations(true)?;
        Ok(open.into_iter().filter(|o| o.pool.as_ref() == Some(pool)).collect())
    }

    fn approvals_waiting(&self) -> Result<Vec<ApprovalRequest>, JournalError> {
        let runs = self.lock();
        let all = runs.values().flat_map(|k| k.fold.questions.values());
        let waiting = all.filter(|q| q.state == QuestionState::Waiting);
        let mut list: Vec<ApprovalRequest> = waiting.map(|q| q.request.clone()).collect();
        list.sort_by(|a, b| (a.asked_at, a.run, &a.gate).cmp(&(b.asked_at, b.run, &b.gate)));
        Ok(list)
    }

    fn answer(&self, run: RunId, gate: &NodeId, given: ApprovalAnswer) -> Result<(), JournalError> {
        let mut runs = self.lock();
        let kept = kept_mut(&mut runs, run)?;
        let earlier: Vec<ApprovalAnswer> = kept.mailbox.iter().filter(|(g, _)| g == gate).map(|(_, a)| a.clone()).collect();
        answer::judge(&kept.asked(gate), &earlier, &given).map_err(JournalError::Refused)?;
        kept.mailbox.push((gate.clone(), given));
        Ok(())
    }

    fn answers(&self, run: RunId) -> Result<Vec<(NodeId, ApprovalAnswer)>, JournalError> {
        let runs = self.lock();
        let kept = kept(&runs, run)?;
        let new = |gate: &NodeId, given: &ApprovalAnswer| answer::is_new(&kept.asked(gate), given);
        Ok(kept.mailbox.iter().filter(|(g, a)| new(g, a)).cloned().collect())
    }

    fn request_cancel(&self, run: RunId, by: &str, _at: Timestamp) -> Result<(), JournalError> {
        let mut runs = self.lock();
        let kept = kept_mut(&mut runs, run)?;
        if kept.fold.summary.outcome().is_some() {
            return Err(JournalError::Refused(format!("run {run} has ended already")));
        }
        kept.cancel_by.get_or_insert_with(|| by.to_owned());
        Ok(())
    }

    fn cancel_requested(&self, run: RunId) -> Result<Option<String>, JournalError> {
        kept(&self.lock(), run).map(|k| k.cancel_by.clone())
    }

    fn store_output(&self, run: RunId, node: &NodeId, attempt: u32, stream: Stream, offset: u64, bytes: &[u8]) -> Result<(), JournalError> {
        let mut runs = self.lock();
        let kept = kept_mut(&mut runs, run)?;
        let empty = StoredOutput {
            attempt,
            stream,
            bytes: Vec::new(),
            truncated: false,
        };
        let (end, stored) = kept.outputs.entry((node.clone(), attempt, stream)).or_insert((0, empty));
        if let Some(piece) = output::piece(*end, offset, bytes) {
            stored.bytes.extend_from_slice(piece.bytes);
            stored.truncated |= piece.lossy;
            *end = piece.offset + piece.bytes.len() as u64;
        }
        Ok(())
    }

    fn output(&self, run: RunId, node: &NodeId) -> Result<Vec<StoredOutput>, JournalError> {
        let runs = self.lock();
        let of_node = kept(&runs, run)?.outputs.iter().filter(|((n, _, _), _)| n == node);
        Ok(of_node.map(|(_, (_, stored))| stored.clone()).collect())
    }

    fn head(&self, run: RunId) -> Result<Head, JournalError> {
        kept(&self.lock(), run).map(|k| k.head.clone())
    }

    fn verify_chain(&self) -> Result<ChainReport, JournalError> {
        let mut report = ChainReport::default();
        for (run, kept) in self.lock().iter() {
            report.records += kept.read_after(*run, 0)?.len() as u64;
            report.runs += 1;
        }
        Ok(report)
    }
}
