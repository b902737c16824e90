//! The fixpoint of planning: plan, look at what is missing, plan again.

use super::observe::Observer;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::model::plan::Plan;
use crate::plan::{PlanInput, Planning, Seen, plan};

/// Rounds of looking. Each resolves at least one step that earlier results lead to; real runbooks need two or three.
const MOST_ROUNDS: usize = 64;

/// Makes a plan, looking at hosts through an observer, which cannot change anything.
///
/// # Errors
/// As [`plan`].
pub async fn make(input: PlanInput<'_>, observer: &Observer) -> Result<Plan, Diagnostics> {
    let mut seen = Seen::new();
    for _ in 0..MOST_ROUNDS {
        match plan(input, &seen)? {
            Planning::Done(plan) => return Ok(*plan),
            Planning::Needs(operations) => {
                let outputs = observer.observe(&operations).await;
                for (operation, output) in operations.iter().zip(outputs) {
                    seen.record(operation, output);
                }
            }
        }
    }
    Err(Diagnostic::nowhere(
        "RB0720",
        format!("the plan is not complete after looking {MOST_ROUNDS} times; its steps keep asking for more"),
    )
    .into())
}
