//! A question to people, or a task for one of them, and the answers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::clock::Timestamp;
use crate::base::id::{NodeId, RunId};
use crate::base::value::Value;
use crate::diagnostic::Span;
use crate::model::runbook::Param;

/// A question that holds a run until it is answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApprovalRequest {
    /// The run that waits.
    pub run: RunId,
    /// The gate: the approve step's node, or `gate` for the one that `--gate approve` puts before the first change.
    pub gate: NodeId,
    /// The question.
    pub ask: String,
    /// Digest of the plan that was shown; the answer must name it.
    pub digest: String,
    /// Who may answer: names or groups; `*` for anybody (only `--gate approve` without `--from`).
    pub from: Vec<String>,
    /// How many must say yes.
    pub quorum: u32,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// When nobody's yes counts any more, unless somebody else is asked then.
    pub expires_at: Timestamp,
    /// Who is asked too when nobody answers in time, one after the other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub then: Vec<String>,
    /// Only the question is shown, not what would be done (`show: none`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bare: bool,
    /// Something to be done rather than to be agreed to: the answer is done or failed, not yes or no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<Task>,
}

impl ApprovalRequest {
    /// As it stands when the next of [`then`](ApprovalRequest::then) may answer too, and who that is; `None`: nobody is left.
    #[must_use]
    pub fn escalated(&self, expires_at: Timestamp) -> Option<(String, ApprovalRequest)> {
        let (to, rest) = self.then.split_first()?;
        let mut request = self.clone();
        request.then = rest.to_vec();
        if !request.from.contains(to) {
            request.from.push(to.clone());
        }
        request.expires_at = expires_at;
        Some((to.clone(), request))
    }
}

/// What a person is to do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// What they are to tell when it is done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Param>,
}

impl Task {
    /// With these fields, whose places in the runbook's text are nobody's business here.
    #[must_use]
    pub fn of(fields: &[Param]) -> Task {
        let placeless = |field: &Param| Param {
            span: Span::default(),
            ..field.clone()
        };
        Task {
            fields: fields.iter().map(placeless).collect(),
        }
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApprovalAnswer {
    /// yes or no; of a task: done or failed
    pub granted: bool,
    /// Who answered, as recorded by the channel it came through.
    pub by: String,
    /// The digest the person saw.
    pub digest: String,
    /// When.
    pub at: Timestamp,
    /// What they said.
    pub reason: Option<String>,
    /// What they found out, by the fields of the task.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, Value>,
}

impl ApprovalAnswer {
    /// `finding=a leak; restarted it by hand`: the fields, then the reason; `None` when there is neither.
    #[must_use]
    pub fn told(&self) -> Option<String> {
        let fields: Vec<String> = self.fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let fields = Some(fields.join(", ")).filter(|f| !f.is_empty());
        let told: Vec<String> = fields.into_iter().chain(self.reason.clone()).collect();
        (!told.is_empty()).then(|| told.join("; "))
    }

    /// `done by mira: finding=a leak`
    #[must_use]
    pub fn done_words(&self) -> String {
        let told = self.told().map_or_else(String::new, |t| format!(": {t}"));
        format!("done by {}{told}", self.by)
    }
}
