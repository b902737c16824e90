//! Invariants during a run: judged before and after a change, and not looked at again for a moment.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use super::attempt::Shared;
use super::checks;
use crate::base::sanitise;
use crate::engine::invariants::{Around, Watched};
use crate::lang::template;
use crate::model::event::{Failure, FailureKind};
use crate::model::runbook::Step;
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
    held: HashMap<Watched, Instant>,
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

    fn holds(&self, id: &Watched) -> bool {
        let known = self.known.lock().expect("no holder of this lock panics");
        known.held.get(id).is_some_and(|since| since.elapsed() < BELIEVED)
    }

    fn seen_to_hold(&self, id: &Watched, since: Instant) {
        let mut known = self.known.lock().expect("no holder of this lock panics");
        // Another step may have changed something while we looked.
        if known.changed.is_none_or(|changed| changed < since) {
            known.held.insert(id.clone(), since);
        }
    }
}

/// The invariants around one change.
pub struct Guarded {
    /// Each with what it sees.
    all: Vec<(Watched, Scope)>,
    /// One that is broken before stops the change.
    strict: bool,
    /// Those that held before.
    held: Vec<Watched>,
    /// Those that did not, and stopped nothing.
    broken: Vec<String>,
}

impl Guarded {
    /// Nothing judged yet. `sees`: the scope of an invariant.
    #[must_use]
    pub fn new(around: Around, sees: impl Fn(&Watched) -> Scope) -> Guarded {
        // A change that another process began was let through by it.
        let held = if around.strict { around.invariants.clone() } else { Vec::new() };
        let all = around.invariants.into_iter().map(|w| {
            let scope = sees(&w);
            (w, scope)
        });
        Guarded {
            all: all.collect(),
            strict: around.strict,
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
        for (watched, scope) in &self.all {
            let Some(check) = shared.runbook.step(&watched.check) else {
                continue;
            };
            let name = || name(check, scope);
            match judge(shared, watched, check, scope).await {
                Ok(()) => self.held.push(watched.clone()),
                Err(why) if self.strict => {
                    return Err(violated(format!(
                        "the invariant \"{}\" does not hold before this step, so nothing was changed: {why}",
                        name()
                    )));
                }
                Err(why) => self
                    .broken
                    .push(format!("the invariant \"{}\" did not hold even before: {why}", name())),
            }
        }
        Ok(())
    }

    /// After the change was made and verified.
    ///
    /// # Errors
    /// The first invariant that held before and no longer does.
    pub(super) async fn after(&self, shared: &Shared) -> Result<(), Failure> {
        for (watched, scope) in self.all.iter().filter(|(w, _)| self.held.contains(w)) {
            let Some(check) = shared.runbook.step(&watched.check) else {
                continue;
            };
            if let Err(why) = judge(shared, watched, check, scope).await {
                let name = name(check, scope);
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
}

fn name(check: &Step, scope: &Scope) -> String {
    sanitise::one_line(&template::render_for_people(&check.name, scope), 120)
}

async fn judge(shared: &Shared, watched: &Watched, check: &Step, scope: &Scope) -> Result<(), String> {
    if shared.invariants.holds(watched) {
        return Ok(());
    }
    let began = Instant::now();
    checks::judged(shared, check, scope).await.map_err(|f| f.message)?;
    shared.invariants.seen_to_hold(watched, began);
    Ok(())
}

fn violated(message: String) -> Failure {
    Failure {
        kind: FailureKind::Invariant,
        message: sanitise::for_terminal(&message),
    }
}
