//! Asks at the terminal that drives a run, on a thread of its own: a blocked prompt must not hold the run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::output::err;
use crate::approval::terminal;
use crate::base::clock::{Clock, Timestamp};
use crate::base::sanitise;
use crate::base::value::Value;
use crate::journal::Journal;
use crate::lang::convert::param_words;
use crate::model::approval::{ApprovalAnswer, ApprovalRequest, Task};
use crate::model::inventory::Inventory;
use crate::model::runbook::{Param, ParamKind};
use crate::plan::params::value;
use crate::run::system;

/// One terminal and the person at it.
#[derive(Clone)]
pub(super) struct Asker {
    journal: Arc<dyn Journal>,
    /// The terminal as it was before any question.
    before: terminal::Modes,
    /// A prompt is open, on a thread that nobody can end.
    open: Arc<AtomicBool>,
}

impl Asker {
    pub(super) fn new(journal: Arc<dyn Journal>) -> Asker {
        Asker {
            journal,
            before: terminal::Modes::now(),
            open: Arc::new(AtomicBool::new(false)),
        }
    }

    /// Asks, unless the person is being asked already; false then. An answer goes where those from other shells go.
    pub(super) fn ask(&self, request: &ApprovalRequest, inventory: &Inventory) -> bool {
        if self.open.swap(true, Ordering::SeqCst) {
            return false;
        }
        let (asker, request, inventory) = (self.clone(), request.clone(), inventory.clone());
        std::thread::spawn(move || {
            asker.prompt(&request, &inventory);
            asker.open.store(false, Ordering::SeqCst);
        });
        true
    }

    /// Somebody else may have answered while the prompt still waits for a key with the terminal in its own mode.
    pub(super) fn stop(&self) {
        if self.open.load(Ordering::SeqCst) {
            self.before.restore();
        }
    }

    fn prompt(&self, request: &ApprovalRequest, inventory: &Inventory) {
        let answer = match &request.task {
            None => terminal::approve().map(|granted| (granted, BTreeMap::new(), None)),
            Some(task) => task_answer(task, inventory),
        };
        let Some((granted, fields, reason)) = answer else { return };
        let answer = ApprovalAnswer {
            granted,
            by: system::person(),
            digest: request.digest.clone(),
            at: now(),
            reason,
            fields,
        };
        if let Err(error) = self.journal.answer(request.run, &request.gate, answer) {
            err(&format!("the answer was not taken: {error}\n"));
        }
    }
}

type Answer = (bool, BTreeMap<String, Value>, Option<String>);

/// Done or failed, then what there is to tell. `None`: the person left.
fn task_answer(task: &Task, inventory: &Inventory) -> Option<Answer> {
    if !terminal::done()? {
        return Some((false, BTreeMap::new(), Some(terminal::text("Why").ok()?)));
    }
    let mut fields = BTreeMap::new();
    for declared in &task.fields {
        fields.insert(declared.name.clone(), field(declared, inventory)?);
    }
    Some((true, fields, None))
}

/// Asks for the value of one field until it fits. `None`: the person left.
pub(super) fn field(declared: &Param, inventory: &Inventory) -> Option<Value> {
    let about = match declared.description.as_str() {
        "" => param_words(&declared.kind),
        words => words.to_owned(),
    };
    let prompt = sanitise::one_line(&format!("{} ({about})", declared.name), 120);
    let text = match &declared.kind {
        ParamKind::Choice(words) => terminal::choose(&prompt, words)?,
        ParamKind::Bool => terminal::choose(&prompt, &[String::from("true"), String::from("false")])?,
        _ => {
            let default = declared.default.as_ref().map(ToString::to_string);
            terminal::checked(&prompt, default, |text| value(declared, inventory, text).map(|_| ()))?
        }
    };
    value(declared, inventory, &text).ok()
}

/// What the clock on the wall says.
pub(super) fn now() -> Timestamp {
    system::SystemClock.now()
}
