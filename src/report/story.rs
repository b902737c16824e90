//! What a run's records tell, gathered for its end and its timeline. Pure; knows the records and nothing else.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::base::clock::Timestamp;
use crate::base::id::{HostName, NodeId, RunId};
use crate::base::value::Value;
use crate::model::action::Undo;
use crate::model::approval::ApprovalRequest;
use crate::model::event::{Event, Failure, Record, RunCreated, RunOutcome};
use crate::model::obligation::{Obligation, ObligationId, ObligationState};
use crate::model::plan::Plan;

/// A run, as told by its records.
#[derive(Clone, Debug)]
pub struct Story<'a> {
    /// Which.
    pub run: RunId,
    /// What it was created from.
    pub created: &'a RunCreated,
    /// When it was created.
    pub began: Timestamp,
    /// The time of the last record.
    pub last: Timestamp,
    /// When it ended; debts may be settled later.
    pub ended: Option<Timestamp>,
    /// How it ended, if it did, and in whose words.
    pub outcome: Option<(RunOutcome, &'a str)>,
    /// What its outputs came to.
    pub outputs: Option<&'a BTreeMap<String, Value>>,
    /// By node, in the order in which they began.
    pub nodes: Vec<(&'a NodeId, NodeStory<'a>)>,
    /// The node that failed first.
    pub first_failure: Option<&'a NodeId>,
    /// Its debts, also closed ones.
    pub obligations: BTreeMap<ObligationId, Obligation>,
    /// Why a debt could not be given back, the last reason.
    pub refusals: BTreeMap<ObligationId, &'a str>,
    /// What people have not answered yet, by gate, the last one that was asked there.
    pub waiting: BTreeMap<&'a NodeId, &'a ApprovalRequest>,
    /// Who asked it to stop.
    pub cancelled_by: Option<&'a str>,
}

/// What became of one node.
#[derive(Clone, Debug, Default)]
pub struct NodeStory<'a> {
    /// When its last attempt began.
    pub started: Option<Timestamp>,
    /// When it last ended.
    pub ended: Option<Timestamp>,
    /// Attempts begun.
    pub attempts: u32,
    /// What was about to be changed, and the way back.
    pub intended: Option<(&'a str, &'a Undo)>,
    /// Its end so far.
    pub end: NodeEnd<'a>,
    /// What became of taking it back.
    pub undo: Option<Result<&'a str, &'a Failure>>,
}

/// How a node ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NodeEnd<'a> {
    /// It did not, or never began.
    #[default]
    None,
    /// Well.
    Succeeded {
        /// Something was changed.
        changed: bool,
    },
    /// It did not do what it says.
    Failed(&'a Failure),
    /// Nobody knows.
    Lost(&'a Failure),
    /// Its condition was false.
    NotNeeded(&'a str),
    /// It will not run any more.
    Cancelled(&'a str),
}

impl<'a> Story<'a> {
    /// Gathers; `None` when the first record does not create a run.
    #[must_use]
    pub fn of(records: &'a [Record]) -> Option<Story<'a>> {
        let first = records.first()?;
        let Event::RunCreated(created) = &first.event else {
            return None;
        };
        let mut story = Story {
            run: first.run,
            created,
            began: first.at,
            last: first.at,
            ended: None,
            outcome: None,
            outputs: None,
            nodes: Vec::new(),
            first_failure: None,
            obligations: BTreeMap::new(),
            refusals: BTreeMap::new(),
            waiting: BTreeMap::new(),
            cancelled_by: None,
        };
        for record in records {
            story.last = record.at;
            story.take_run(record);
            story.take_step(record);
            story.take_debt(record);
            story.take_question(record);
        }
        Some(story)
    }

    /// Its outputs for programs, as plain JSON; `None`: it has none.
    #[must_use]
    pub fn outputs_json(&self) -> Option<serde_json::Value> {
        let plain = |(name, value): (&String, &Value)| (name.clone(), value.to_json());
        self.outputs.map(|o| serde_json::Value::Object(o.iter().map(plain).collect()))
    }

    /// How long it took, or has been going on.
    #[must_use]
    pub fn took(&self) -> Duration {
        self.ended.unwrap_or(self.last).since(self.began)
    }

    /// The plan that was run.
    #[must_use]
    pub fn plan(&self) -> &'a Plan {
        &self.created.plan
    }

    /// Debts that are open.
    #[must_use]
    pub fn open(&self) -> Vec<&Obligation> {
        self.obligations.values().filter(|o| o.is_open()).collect()
    }

    /// Hosts that a node's operations go to.
    #[must_use]
    pub fn hosts_of(&self, node: &NodeId) -> &'a [HostName] {
        self.created.plan.node(node).map_or(&[], |n| n.touches())
    }

    /// What became of a node.
    #[must_use]
    pub fn node(&self, id: &NodeId) -> Option<&NodeStory<'a>> {
        self.nodes.iter().find(|(n, _)| *n == id).map(|(_, story)| story)
    }

    fn entry(&mut self, id: &'a NodeId) -> &mut NodeStory<'a> {
        let found = self.nodes.iter().position(|(n, _)| *n == id);
        let index = found.unwrap_or_else(|| {
            self.nodes.push((id, NodeStory::default()));
            self.nodes.len() - 1
        });
        &mut self.nodes[index].1
    }

    fn take_run(&mut self, record: &'a Record) {
        match &record.event {
            Event::CancelRequested { by } => {
                self.cancelled_by.get_or_insert(by);
            }
            Event::RunFinished { outcome, summary, outputs } => {
                self.outcome = Some((*outcome, summary));
                self.outputs = Some(outputs).filter(|o| !o.is_empty());
                self.ended = Some(record.at);
            }
            _ => {}
        }
    }

    fn take_step(&mut self, record: &'a Record) {
        let at = record.at;
        let (node, end) = match &record.event {
            Event::StepStarted { node, attempt } => {
                let entry = self.entry(node);
                (entry.started, entry.attempts, entry.end) = (Some(at), *attempt, NodeEnd::None);
                return;
            }
            Event::ChangeIntended { node, summary, undo, .. } => {
                self.entry(node).intended = Some((summary, undo));
                return;
            }
            Event::UndoSucceeded { node, summary } => {
                self.entry(node).undo = Some(Ok(summary));
                return;
            }
            Event::UndoFailed { node, failure } => {
                self.entry(node).undo = Some(Err(failure));
                return;
            }
            Event::StepSucceeded { node, changed, .. } => (node, NodeEnd::Succeeded { changed: *changed }),
            Event::StepFailed { node, failure, .. } => (node, NodeEnd::Failed(failure)),
            Event::StepLost { node, failure, .. } => (node, NodeEnd::Lost(failure)),
            Event::StepSkipped { node, why } => (node, NodeEnd::NotNeeded(why)),
            Event::StepCancelled { node, why } => (node, NodeEnd::Cancelled(why)),
            _ => return,
        };
        if matches!(end, NodeEnd::Failed(_) | NodeEnd::Lost(_)) {
            self.first_failure.get_or_insert(node);
        }
        let entry = self.entry(node);
        (entry.ended, entry.end) = (Some(at), end);
    }

    fn take_question(&mut self, record: &'a Record) {
        match &record.event {
            Event::ApprovalRequested { request } | Event::ApprovalEscalated { request, .. } => {
                self.waiting.insert(&request.gate, request);
            }
            Event::ApprovalAnswered { gate, answer } => {
                // Of several who must agree, the others are still waited for.
                self.waiting
                    .retain(|open, request| *open != gate || (answer.granted && request.quorum > 1));
            }
            Event::ApprovalExpired { gate } | Event::StepSucceeded { node: gate, .. } | Event::StepCancelled { node: gate, .. } => {
                self.waiting.remove(gate);
            }
            Event::RunFinished { .. } => self.waiting.clear(),
            _ => {}
        }
    }

    fn take_debt(&mut self, record: &'a Record) {
        let (id, state) = match &record.event {
            Event::ObligationOpened { obligation } => {
                self.obligations.insert(obligation.id.clone(), obligation.clone());
                return;
            }
            Event::ReturnRefused { id, why } => {
                self.refusals.insert(id.clone(), why);
                return;
            }
            Event::ObligationDischarged { id, how } => (
                id,
                ObligationState::Discharged {
                    at: record.at,
                    how: how.clone(),
                },
            ),
            Event::ObligationWaived { id, by, reason } => (
                id,
                ObligationState::Waived {
                    at: record.at,
                    by: by.clone(),
                    reason: reason.clone(),
                },
            ),
            _ => return,
        };
        if let Some(debt) = self.obligations.get_mut(id) {
            debt.state = state;
        }
    }
}
