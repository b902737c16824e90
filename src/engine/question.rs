//! A question to people, and what their answers so far mean.

use std::time::Duration;

use crate::base::clock::Timestamp;
use crate::model::approval::{ApprovalAnswer, ApprovalRequest};

/// A question and its answers.
#[derive(Clone, Debug)]
pub struct Question {
    /// As asked.
    pub request: ApprovalRequest,
    /// So far, at most one for each person.
    pub answers: Vec<ApprovalAnswer>,
    /// How long each of those who are asked has.
    pub within: Duration,
    /// Nobody's answer counts any more.
    pub expired: bool,
    /// Whose yes does not count: where several must agree, the one who started the run is not one of them.
    pub not_counted: Option<String>,
}

impl Question {
    /// Enough people said yes and nobody no.
    #[must_use]
    pub fn granted(&self) -> bool {
        !self.denied() && self.yes() >= self.request.quorum as usize && self.request.quorum > 0
    }

    fn yes(&self) -> usize {
        let counts = |a: &&ApprovalAnswer| a.granted && self.not_counted.as_ref() != Some(&a.by);
        self.answers.iter().filter(counts).count()
    }

    /// Somebody said no.
    #[must_use]
    pub fn denied(&self) -> bool {
        self.answers.iter().any(|a| !a.granted)
    }

    /// Still to be answered.
    #[must_use]
    pub fn open(&self) -> bool {
        !self.expired && !self.granted() && !self.denied()
    }

    /// Until when it has been waited for.
    pub(super) fn until(&self, now: Timestamp) -> Timestamp {
        match self.open() {
            true => now,
            false => self.answers.last().map_or(self.request.expires_at, |a| a.at).min(now),
        }
    }
}
