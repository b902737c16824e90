//! From the records of a run back to its state.

use super::run::{ReplayError, RunState};
use crate::base::id::RunId;
use crate::model::event::{Event, Record};

/// Folds the records of one run, oldest first.
///
/// # Errors
/// When the first record is not `run_created`, or a later one cannot happen where it stands.
pub fn replay(run: RunId, records: &[Record]) -> Result<RunState, ReplayError> {
    let (first, rest) = records.split_first().ok_or(ReplayError::Empty(run))?;
    let Event::RunCreated(created) = &first.event else {
        return Err(ReplayError::Illegal {
            run,
            sequence: first.sequence,
            what: String::from("the first event is not `run_created`"),
        });
    };
    let mut state = RunState::new(run, (**created).clone());
    state.sequence = first.sequence;
    state.last_at = first.at;
    for record in rest {
        state.apply(record)?;
    }
    Ok(state)
}
