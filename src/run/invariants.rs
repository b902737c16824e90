//! Invariants during a run: judged before and after a change, and not looked at again for a moment.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use super::attempt::Shared;
use super::checks;
use crate::base::id::StepId;
use crate::base::sanitise;
use crate::engine::invariants::Around;
use crate::lang::template;
use crate::model::event::{Failure, FailureKind};
use crate::model::runbook::Invariant;
use crate::model::text::Scope;

/// An invariant that was seen to hold is believed for so long, unless this run has changed something since.
const BELIEVED: Duration = Duration::from_secs(2);

/// What all attempts of a run know of its invariants.
#[derive(Debug, Default)]
pub struct Invariants {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// When the look began that showed it to hold.
    held: HashMap<StepId, Instant>,
    /// When this run last changed something.
    changed: Option<Instant>,
}

impl Invariants {
    /// Something was changed: what was seen before counts no more.
    pub(super) fn changed(&self) {
        let mut known = self.known.lock().expect("no holder of this lock panics");
        known.held.clear();
        known.changed = Some(Instant::now());
    }

    fn holds(&self, id: &StepId) -> bool {
        let known = self.known.lock().expect("no holder of this lock panics");
        known.held.get(id).is_some_and(|since| since.elapsed() < BELIEVED)
    }

    fn seen_to_hold(&self, id: &StepId, since: Instant) {
        let mut known = self.known.lock().expect("no holder of this lock panics");
        // Another step may have changed something while we looked.
        if known.changed.is_none_or(|changed| changed < since) {
            known.held.insert(id.clone(), since);
        }
    }
}

/// The invariants around one change.
pub struct Guarded {
    around: Around,
    scope: Scope,
    /// Those that held before.
    held: Vec<StepId>,
    /// Those that did not, and stopped nothing.
    broken: Vec<String>,
}

impl Guarded {
    /// Nothing judged yet.
    #[must_use]
    pub fn new(around: Around, scope: Scope) -> Guarded {
        // A change that another process began was let through by it.
        let held = if around.strict { around.invariants.clone() } else { Vec::new() };
        Guarded {
            around,
            scope,
            held,
            broken: Vec::new(),
        }
    }

    /// Right before the change is intended.
    ///
    /// # Errors
    /// The first invariant that does not hold, where that stops the change.
    pub(super) async fn before(&mut self, shared: &Shared) -> Result<(), Failure> {
        self.held.clear();
        self.broken.clear();
        for invariant in self.invariants(shared) {
            match self.judge(shared, invariant).await {
                Ok(()) => self.held.push(invariant.check.id.clone()),
                Err(why) if self.around.strict => {
                    let name = self.name(invariant);
                    return Err(violated(format!(
                        "the invariant \"{name}\" does not hold before this step, so nothing was changed: {why}"
                    )));
                }
                Err(why) => self.broken.push(format!(
                    "the invariant \"{}\" did not hold even before: {why}",
                    self.name(invariant)
                )),
            }
        }
        Ok(())
    }

    /// After the change was made and verified.
    ///
    /// # Errors
    /// The first invariant that held before and no longer does.
    pub(super) async fn after(&self, shared: &Shared) -> Result<(), Failure> {
        for invariant in self.invariants(shared).into_iter().filter(|i| self.held.contains(&i.check.id)) {
            if let Err(why) = self.judge(shared, invariant).await {
                let name = self.name(invariant);
                return Err(violated(format!("the invariant \"{name}\" does not hold after this step: {why}")));
            }
        }
        Ok(())
    }

    /// A summary, and what is to be known beside it.
    pub(super) fn with_notes(&self, summary: String) -> String {
        let mut parts = vec![summary];
        parts.extend(self.broken.iter().cloned());
        parts.join("; ")
    }

    fn invariants<'s>(&self, shared: &'s Shared) -> Vec<&'s Invariant> {
        let all = shared.runbook.invariants.iter();
        all.filter(|i| self.around.invariants.contains(&i.check.id)).collect()
    }

    fn name(&self, invariant: &Invariant) -> String {
        sanitise::one_line(&template::render_for_people(&invariant.check.name, &self.scope), 120)
    }

    async fn judge(&self, shared: &Shared, invariant: &Invariant) -> Result<(), String> {
        let id = &invariant.check.id;
        if shared.invariants.holds(id) {
            return Ok(());
        }
        let began = Instant::now();
        checks::judged(shared, &invariant.check, &self.scope).await.map_err(|f| f.message)?;
        shared.invariants.seen_to_hold(id, began);
        Ok(())
    }
}

fn violated(message: String) -> Failure {
    Failure {
        kind: FailureKind::Invariant,
        message: sanitise::for_terminal(&message),
    }
}
