//! The life of a run: one total function over phase and event.

use super::step::IllegalTransition;
use crate::model::event::{Event, RunOutcome};

/// Which part of its life a run is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not started.
    Created,
    /// On the road to success.
    Running,
    /// Taking back and giving back.
    Unwinding,
    /// Over.
    Finished(RunOutcome),
}

impl Phase {
    /// The phase after an event of the run.
    ///
    /// # Errors
    /// When the event cannot happen in this phase.
    pub fn next(self, event: &Event) -> Result<Phase, IllegalTransition> {
        Ok(match (self, event) {
            (Phase::Created, Event::RunStarted { .. }) => Phase::Running,
            // Another controller has taken it up.
            (Phase::Running | Phase::Unwinding, Event::RunStarted { .. }) => self,
            // It still owes something.
            (Phase::Finished(_), Event::RunStarted { .. }) | (Phase::Running, Event::UnwindStarted { .. }) => Phase::Unwinding,
            // Created: a pool was not to be had.
            (Phase::Created | Phase::Running | Phase::Unwinding, Event::RunFinished { outcome, .. }) => Phase::Finished(*outcome),
            (_, Event::UnwindStarted { .. }) => return Err(IllegalTransition::new(self.word(), "`unwind_started`")),
            (_, Event::RunFinished { .. }) => return Err(IllegalTransition::new(self.word(), "`run_finished`")),
            (_, Event::RunCreated(_)) => return Err(IllegalTransition::new(self.word(), "`run_created`")),
            _ => self,
        })
    }

    /// One word for errors and drawings.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Phase::Created => "created",
            Phase::Running => "running",
            Phase::Unwinding => "unwinding",
            Phase::Finished(_) => "finished",
        }
    }
}
