//! A runbook as written: every key at its place, nothing resolved. What `parse` yields and `check` reads.
//!
//! Texts and expressions are still source; durations, identifiers and words are already what they should be.

use std::rc::Rc;
use std::time::Duration;

use crate::diagnostic::{Span, Spanned};
use crate::model::inventory::Share;
use crate::model::runbook::{CallMode, Runbook as RunbookModel};
use crate::model::schedule::Schedule;
use crate::yaml::Node;

/// A scalar's content and its place.
pub(super) type Written = Spanned<String>;

/// A file.
#[derive(Debug)]
pub(super) struct Runbook {
    pub name: Written,
    pub description: String,
    pub params: Vec<Param>,
    pub triggers: Vec<Trigger>,
    pub hosts: Option<Written>,
    pub run_as: Option<Written>,
    /// Keys that were given, unknown ones included.
    pub given: Vec<String>,
    pub lock: Vec<Written>,
    pub deadline: Duration,
    pub require: Vec<Step>,
    pub invariants: Vec<Invariant>,
    pub steps: Vec<Step>,
    pub verify: Vec<Step>,
    pub on_failure: Vec<Step>,
    pub finally: Vec<Step>,
    pub notify: Option<Notify>,
    pub outputs: Vec<(Written, Written)>,
}

/// An entry of `params`.
#[derive(Debug)]
pub(super) struct Param {
    pub name: Written,
    pub kind: Option<Written>,
    pub default: Option<Node>,
    pub description: String,
    pub choices: Option<Vec<Written>>,
    pub pattern: Option<Written>,
    pub min: Option<Node>,
    pub max: Option<Node>,
    pub from: Option<Written>,
}

/// A step or a check.
#[derive(Debug)]
pub(super) struct Step {
    /// Of a check: made from its place.
    pub id: Written,
    /// Where it begins.
    pub span: Span,
    pub is_check: bool,
    pub name: Option<Written>,
    pub body: Body,
    pub hosts: Option<Written>,
    pub run_as: Option<Written>,
    pub needs: Option<Vec<Written>>,
    pub when: Option<Written>,
    pub that: Option<Written>,
    pub within: Option<Spanned<Duration>>,
    pub every: Option<Spanned<Duration>>,
    pub retry: Option<Retry>,
    pub timeout: Option<Duration>,
    pub verify: Vec<Step>,
    pub owes: Option<Owes>,
    pub leave: Option<Leave>,
    pub undo: Option<Spanned<Undo>>,
    pub allow_failure: Option<Written>,
    pub allow_empty: bool,
    /// `pool_effect: none`
    pub pool_effect_none: Option<Span>,
    /// `template: off`
    pub template_off: Option<Span>,
    /// Keys that were given, unknown ones included.
    pub given: Vec<String>,
}

/// A check that holds around every change, from a step on.
#[derive(Debug)]
pub(super) struct Invariant {
    pub check: Step,
    pub from: Option<Written>,
}

/// What a step does.
#[derive(Debug)]
pub(super) enum Body {
    Action {
        name: Written,
        argument: Node,
    },
    Loop {
        for_each: ForEach,
        steps: Vec<Step>,
    },
    Approve(Approve),
    Call(Box<Call>),
    Manual(Box<Manual>),
    Decide(Decide),
    /// Refused already; nothing more is to be said about it.
    Broken,
}

#[derive(Debug)]
pub(super) struct ForEach {
    pub variable: Written,
    pub over: Over,
    pub pace: Pace,
    pub max_failures: Share,
    pub pause: Duration,
    pub undo_finished: bool,
}

#[derive(Debug)]
pub(super) enum Over {
    Hosts(Written),
    Items(Written),
    Broken,
}

#[derive(Debug)]
pub(super) enum Pace {
    Parallel(u32),
    Batches(Vec<Batch>),
}

#[derive(Debug)]
pub(super) enum Batch {
    Share(Share),
    Text(Written),
}

#[derive(Debug)]
pub(super) struct Retry {
    pub attempts: u32,
    pub delay: Duration,
    pub backoff: f64,
    pub when: Option<Written>,
}

#[derive(Debug)]
pub(super) struct Owes {
    pub step: Written,
    pub guard: Option<Vec<Step>>,
}

#[derive(Debug)]
pub(super) struct Leave {
    pub span: Span,
    pub until: Duration,
    pub reason: Written,
}

#[derive(Debug)]
pub(super) enum Undo {
    Auto,
    Keep,
    None,
    Steps(Vec<Step>),
}

#[derive(Debug)]
pub(super) struct Approve {
    pub ask: Written,
    pub from: Vec<Written>,
    pub quorum: u32,
    pub show_plan: bool,
    pub within: Within,
    /// The word at `on_timeout: escalate`.
    pub escalate_on_timeout: Option<Span>,
    pub then_escalate_to: Vec<Written>,
}

#[derive(Debug)]
pub(super) struct Manual {
    pub ask: Written,
    pub to: Vec<Written>,
    pub fields: Vec<Param>,
    pub within: Within,
    pub then_escalate_to: Vec<Written>,
    pub blocking: bool,
}

/// How long people are waited for.
#[derive(Debug)]
pub(super) enum Within {
    Fixed(Duration),
    Text(Written),
}

#[derive(Debug)]
pub(super) struct Decide {
    /// The word `decide`.
    pub span: Span,
    pub branches: Vec<Branch>,
    /// A line was refused, so their order says nothing.
    pub broken: bool,
}

#[derive(Debug)]
pub(super) struct Branch {
    pub is: Written,
    pub when: Option<Written>,
}

#[derive(Debug)]
pub(super) struct Call {
    pub runbook: Written,
    pub params: Vec<(Written, Node)>,
    pub mode: CallMode,
    /// The file, once it has been found and compiled; `None`: it could not be, which has been said.
    pub target: Option<Rc<CalledFile>>,
}

/// A file that is called, compiled by itself.
#[derive(Debug)]
pub(super) struct CalledFile {
    pub runbook: RunbookModel,
    /// A destructive step that no person is asked about before it starts.
    pub unasked: bool,
    /// Calls in it, those inside the called ones included.
    pub calls: usize,
    /// Calls inside calls inside it.
    pub depth: usize,
}

#[derive(Debug)]
pub(super) struct Notify {
    pub to: Written,
    pub events: Vec<String>,
    pub message: Option<Written>,
}

#[derive(Debug)]
pub(super) struct Trigger {
    pub span: Span,
    /// What starts it; refused already if there is none.
    pub event: Option<Event>,
    pub params: Vec<(Written, Written)>,
    pub mode: Spanned<&'static str>,
    pub dedupe: Option<(Vec<Written>, Duration)>,
}

/// What starts a runbook.
#[derive(Debug)]
pub(super) enum Event {
    /// Something that is sent: its kind, and what must be in it.
    Sent(&'static str, Vec<(Written, Written)>),
    /// A time.
    Due(Schedule),
}

impl Step {
    /// Whether this key was given, perhaps misspelt or with a value that was refused: then its absence is no further mistake.
    pub fn may_mean(&self, key: &str) -> bool {
        may_mean(&self.given, key)
    }

    /// The steps of `undo:`.
    pub fn undo_steps(&self) -> &[Step] {
        match &self.undo {
            Some(Spanned {
                value: Undo::Steps(steps), ..
            }) => steps,
            _ => &[],
        }
    }

    /// The checks of `owes: { guard }`.
    pub fn guard(&self) -> &[Step] {
        self.owes.as_ref().and_then(|o| o.guard.as_deref()).unwrap_or_default()
    }
}

/// Whether one of these keys is `key`, perhaps misspelt.
pub(super) fn may_mean(given: &[String], key: &str) -> bool {
    given.iter().any(|m| crate::diagnostic::nearest(m, [key]).is_some())
}
