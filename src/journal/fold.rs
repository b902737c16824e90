//! What follows from a run's events: its summary, its debts and its questions. One function for every kind of journal. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::base::id::{HostName, NodeId};
use crate::model::approval::{ApprovalAnswer, ApprovalRequest};
use crate::model::event::{Event, Record, RunCreated};
use crate::model::obligation::{Obligation, ObligationId, ObligationState};
use crate::model::run::{RunState, RunSummary};

/// Everything that is folded from one run's events.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fold {
    /// For lists.
    pub summary: RunSummary,
    /// Debts, also closed ones.
    pub obligations: BTreeMap<ObligationId, Obligation>,
    /// Questions, by gate; the last one that was asked there.
    pub questions: BTreeMap<NodeId, Question>,
    /// Where a node's operations go to, from the plan; shared, since it never changes and copies of the rest are made per append.
    touches: Arc<BTreeMap<NodeId, Vec<HostName>>>,
}

/// A question and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Question {
    /// As asked.
    pub request: ApprovalRequest,
    /// Where it stands.
    pub state: QuestionState,
    /// As far as they are events.
    pub answers: Vec<ApprovalAnswer>,
}

/// Where a question stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum QuestionState {
    /// Not decided.
    Waiting,
    /// Enough said yes.
    Granted,
    /// Somebody said no.
    Denied,
    /// Nobody answered in time.
    Expired,
    /// The run stops or has ended.
    Obsolete,
}

impl Fold {
    /// From a run's first record; `None` when that is not the creation of a run.
    pub(super) fn begin(record: &Record) -> Option<Fold> {
        let Event::RunCreated(created) = &record.event else {
            return None;
        };
        Some(Fold {
            summary: summary(record, created),
            obligations: BTreeMap::new(),
            questions: BTreeMap::new(),
            touches: Arc::new(created.plan.nodes.iter().map(|n| (n.id.clone(), n.touches().to_vec())).collect()),
        })
    }

    /// Takes the next record in.
    pub(super) fn apply(&mut self, record: &Record) {
        self.summary.sequence = record.sequence;
        self.summary.last_at = record.at;
        match &record.event {
            Event::StepStarted { node, .. } => self.summary.step = Some(node.clone()),
            Event::ChangeIntended { node, .. } => note(&self.touches, node, &mut self.summary.changed),
            Event::StepFailed { node, .. } | Event::StepLost { node, .. } => {
                self.summary.first_failure.get_or_insert_with(|| node.clone());
                note(&self.touches, node, &mut self.summary.failed);
            }
            Event::UndoFailed { node, .. } => note(&self.touches, node, &mut self.summary.failed),
            Event::RunStarted { .. } | Event::UnwindStarted { .. } | Event::CancelRequested { .. } | Event::RunFinished { .. } => {
                self.apply_to_run(record);
            }
            Event::ObligationOpened { .. } | Event::ObligationDischarged { .. } | Event::ObligationWaived { .. } => {
                self.apply_to_debts(record);
            }
            Event::ApprovalRequested { .. }
            | Event::ApprovalAnswered { .. }
            | Event::ApprovalEscalated { .. }
            | Event::ApprovalExpired { .. } => self.apply_to_questions(record),
            Event::RunCreated(_)
            | Event::LeaseTaken { .. }
            | Event::LeaseReleased { .. }
            | Event::StepSucceeded { .. }
            | Event::StepRetryScheduled { .. }
            | Event::StepSkipped { .. }
            | Event::StepCancelled { .. }
            | Event::UndoStarted { .. }
            | Event::UndoStepDone { .. }
            | Event::UndoSucceeded { .. }
            | Event::TurnFailed { .. }
            | Event::TurnTakenBack { .. }
            | Event::ReturnRefused { .. } => {}
        }
    }

    fn apply_to_run(&mut self, record: &Record) {
        let run = &mut self.summary;
        match &record.event {
            Event::RunStarted { .. } => {
                run.started_at.get_or_insert(record.at);
                if run.state == RunState::Created {
                    run.state = RunState::Running;
                }
            }
            Event::UnwindStarted { .. } => {
                run.state = RunState::Unwinding;
                self.end_questions();
            }
            Event::CancelRequested { by } => {
                run.cancel_by.get_or_insert_with(|| by.clone());
            }
            Event::RunFinished { outcome, .. } => {
                run.state = RunState::Finished { outcome: *outcome };
                run.ended_at = Some(record.at);
                self.end_questions();
            }
            _ => {}
        }
    }

    fn apply_to_debts(&mut self, record: &Record) {
        let (id, state) = match &record.event {
            Event::ObligationOpened { obligation } => {
                self.obligations.insert(obligation.id.clone(), obligation.clone());
                (&obligation.id, obligation.state.clone())
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
        let open = self.obligations.values().filter(|o| o.is_open()).count();
        self.summary.open_obligations = u32::try_from(open).unwrap_or(u32::MAX);
    }

    fn apply_to_questions(&mut self, record: &Record) {
        match &record.event {
            Event::ApprovalRequested { request } => {
                let question = Question {
                    request: request.clone(),
                    state: QuestionState::Waiting,
                    answers: Vec::new(),
                };
                self.questions.insert(request.gate.clone(), question);
            }
            Event::ApprovalAnswered { gate, answer } => {
                if let Some(question) = self.questions.get_mut(gate) {
                    question.take(answer);
                }
            }
            Event::ApprovalEscalated { request, .. } => {
                if let Some(question) = self.questions.get_mut(&request.gate) {
                    question.request = request.clone();
                }
            }
            Event::ApprovalExpired { gate } => {
                if let Some(question) = self.questions.get_mut(gate) {
                    question.state = QuestionState::Expired;
                }
            }
            _ => {}
        }
        self.follow_questions();
    }

    fn end_questions(&mut self) {
        for question in self.questions.values_mut().filter(|q| q.state == QuestionState::Waiting) {
            question.state = QuestionState::Obsolete;
        }
        self.follow_questions();
    }

    /// A run waits as long as one of its questions does.
    fn follow_questions(&mut self) {
        let waiting = self.questions.values().find(|q| q.state == QuestionState::Waiting);
        self.summary.waiting_for = waiting.map(|q| q.request.gate.to_string());
        match (self.summary.state, waiting.is_some()) {
            (RunState::Created | RunState::Running, true) => self.summary.state = RunState::WaitingApproval,
            (RunState::WaitingApproval, false) => self.summary.state = RunState::Running,
            _ => {}
        }
    }
}

impl Question {
    fn take(&mut self, answer: &ApprovalAnswer) {
        self.answers.push(answer.clone());
        if !answer.granted {
            self.state = QuestionState::Denied;
            return;
        }
        let mut people: Vec<&str> = self.answers.iter().map(|a| a.by.as_str()).collect();
        people.sort_unstable();
        people.dedup();
        if self.state == QuestionState::Waiting && people.len() >= self.request.quorum as usize {
            self.state = QuestionState::Granted;
        }
    }
}

fn summary(record: &Record, created: &RunCreated) -> RunSummary {
    RunSummary {
        id: record.run,
        uid: created.uid.clone(),
        runbook: created.runbook.clone(),
        by: created.by.clone(),
        reason: created.reason.clone(),
        digest: created.plan.digest.clone(),
        created_at: record.at,
        started_at: None,
        ended_at: None,
        state: RunState::Created,
        waiting_for: None,
        step: None,
        first_failure: None,
        hosts: created.plan.changed_hosts(),
        changed: Vec::new(),
        failed: Vec::new(),
        open_obligations: 0,
        cancel_by: None,
        sequence: record.sequence,
        last_at: record.at,
        claim: None,
    }
}

fn note(touches: &BTreeMap<NodeId, Vec<HostName>>, node: &NodeId, list: &mut Vec<HostName>) {
    for host in touches.get(node).into_iter().flatten() {
        if !list.contains(host) {
            list.push(host.clone());
        }
    }
}
