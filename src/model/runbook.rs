//! A compiled runbook: names resolved, texts and expressions parsed and typed. What `plan` expands.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::id::StepId;
use crate::base::value::Value;
use crate::diagnostic::{Span, Spanned};
use crate::model::action::Class;
use crate::model::inventory::Share;
use crate::model::schedule::Schedule;
use crate::model::text::{Expression, Text};

/// A runbook that compiled.
#[derive(Clone, Debug, PartialEq)]
pub struct Runbook {
    /// Equals the file name.
    pub name: String,
    /// One sentence.
    pub description: String,
    /// In the order written.
    pub params: Vec<Param>,
    /// Hosts of a step that names none.
    pub hosts: Option<Text>,
    /// Default identity of steps.
    pub run_as: Option<Text>,
    /// Resources this run owns beside its pools.
    pub lock: Vec<Text>,
    /// Of the whole run.
    pub deadline: Duration,
    /// Before anything; also in the plan.
    pub require: Vec<Step>,
    /// Before and after every step that changes something.
    pub invariants: Vec<Invariant>,
    /// The work.
    pub steps: Vec<Step>,
    /// The goal.
    pub verify: Vec<Step>,
    /// After undo.
    pub on_failure: Vec<Step>,
    /// Always last.
    pub finally: Vec<Step>,
    /// Who hears of start and end.
    pub notify: Option<NotifyRule>,
    /// What a caller reads as fields of its `call` step; shown at the end of a run.
    pub outputs: BTreeMap<String, Expression>,
    /// Alerts that may start it; parsed and checked, used by the server.
    pub triggers: Vec<Trigger>,
    /// People, groups and channels that the text names, in its order.
    pub people: Vec<Named>,
}

/// Somebody of the configuration, as a runbook names him.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    /// The name, at its place.
    pub name: Spanned<String>,
    /// What for.
    pub duty: Duty,
}

/// What somebody is named for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// Gets a message.
    IsTold,
    /// May answer a question.
    Answers,
}

impl Runbook {
    /// Every step and check, outer before inner, in file order.
    #[must_use]
    pub fn all_steps(&self) -> Vec<&Step> {
        let mut all = Vec::new();
        for list in [&self.require, &self.steps, &self.verify, &self.on_failure, &self.finally] {
            for step in list {
                step.walk(&mut all);
            }
        }
        all.extend(self.invariants.iter().map(|i| &i.check));
        all
    }

    /// The step or check with that id.
    #[must_use]
    pub fn step(&self, id: &StepId) -> Option<&Step> {
        self.all_steps().into_iter().find(|s| &s.id == id)
    }

    /// The runbook that the step with that id calls.
    #[must_use]
    pub fn called(&self, id: &StepId) -> Option<&Called> {
        match &self.step(id)?.body {
            Body::Call(called) => Some(called),
            _ => None,
        }
    }

    /// The runbook that a step or check stands in, whose `hosts` and `run_as` are its defaults: this one, or a called one.
    #[must_use]
    pub fn home_of(&self, id: &StepId) -> &Runbook {
        let around = id.0.match_indices('.').map(|(at, _)| StepId::from(&id.0[..at]));
        let called = around.filter_map(|call| self.called(&call)).next_back();
        called.map_or(self, |called| &called.runbook)
    }
}

/// A declared parameter of a runbook, or a field that a person fills in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Param {
    /// Its name.
    pub name: String,
    /// Where it is declared.
    #[serde(skip)]
    pub span: Span,
    /// What it may be.
    pub kind: ParamKind,
    /// `None`: required. Not yet resolved against the inventory (a host is still its name).
    pub default: Option<Value>,
    /// For people.
    pub description: String,
    /// Regular expression the text must match as a whole.
    pub pattern: Option<String>,
    /// Least value, in the type's unit (seconds, bytes, percent).
    pub min: Option<f64>,
    /// Greatest value.
    pub max: Option<f64>,
    /// A `host` must be in this group (pattern); a `secret` comes from here.
    pub from: Option<String>,
}

/// Types of runbook parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParamKind {
    /// text
    Text,
    /// whole number
    Int,
    /// number
    Float,
    /// true/false
    Bool,
    /// `90s`
    Duration,
    /// `500MiB`
    Size,
    /// `20%`
    Percent,
    /// `2` or `25%`
    CountOrPercent,
    /// path
    Path,
    /// url
    Url,
    /// a host of the inventory
    Host,
    /// hosts, as a pattern
    Hosts,
    /// a pool of the inventory
    Pool,
    /// one of the choices
    Choice(Vec<String>),
    /// a text that is never shown nor recorded
    Secret,
    /// several of one type
    List(Box<ParamKind>),
}

/// A check that holds around every step that changes something.
#[derive(Clone, Debug, PartialEq)]
pub struct Invariant {
    /// What is looked at and must be true; its id is `invariants.1`, `invariants.2`, …
    pub check: Step,
    /// From this step on; `None`: from the beginning.
    pub from: Option<StepId>,
}

/// A step, or a check (a probe with `that` and a name).
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// As written; of a check made: `require.1`, `free_memory.verify.1`, `verify.1` (counted from 1).
    pub id: StepId,
    /// For people.
    pub name: Text,
    /// The step's first line.
    pub span: Span,
    /// What it does.
    pub body: Body,
    /// Where; `None`: the loop's host, else the runbook's `hosts`, or nowhere (balancers, controller).
    pub hosts: Option<Place>,
    /// As whom; `None`: the runbook's.
    pub run_as: Option<Text>,
    /// Ids of steps of the same list (same loop body) that come before: explicit, or the step above, plus references.
    pub needs: Vec<StepId>,
    /// Run only if true.
    pub when: Option<Expression>,
    /// Fail unless true; only on probes.
    pub that: Option<That>,
    /// Poll until `that`, at most so long.
    pub within: Option<Duration>,
    /// Poll so often.
    pub every: Duration,
    /// Repeat after failure.
    pub retry: Retry,
    /// Per attempt and host.
    pub timeout: Duration,
    /// Checks afterwards.
    pub verify: Vec<Step>,
    /// What must be given back later.
    pub owes: Option<Owes>,
    /// A lasting change that nobody gives back in this run.
    pub leave: Option<Leave>,
    /// How to take it back.
    pub undo: UndoRule,
    /// Go on after failure if true.
    pub allow_failure: Option<Expression>,
    /// `hosts` may be empty.
    pub allow_empty: bool,
    /// `pool_effect: none`: the author says that this takes nothing from a pool.
    pub pool_effect_none: bool,
    /// `changed:` of `command` and `shell`.
    pub changed: Option<Expression>,
    /// Its class, given its literal arguments.
    pub class: Class,
}

impl Step {
    fn walk<'a>(&'a self, all: &mut Vec<&'a Step>) {
        all.push(self);
        if let Body::Loop(l) = &self.body {
            l.steps.iter().for_each(|s| s.walk(all));
        }
        if let Body::Call(called) = &self.body {
            all.extend(called.runbook.all_steps());
        }
        self.verify.iter().for_each(|s| s.walk(all));
        if let UndoRule::Steps(steps) = &self.undo {
            steps.iter().for_each(|s| s.walk(all));
        }
    }
}

/// What a step does.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// One action of the catalogue.
    Action(Call),
    /// `for_each` + `steps`.
    Loop(Box<Loop>),
    /// Ask a person.
    Approve(Box<Approve>),
    /// A person does it.
    Manual(Box<Manual>),
    /// The first branch that is true; the last one has no condition.
    Decide(Vec<Branch>),
    /// The steps of another runbook.
    Call(Box<Called>),
}

/// Another runbook, written out at the place where it is called.
#[derive(Clone, Debug, PartialEq)]
pub struct Called {
    /// Its file, as written.
    pub file: Spanned<String>,
    /// What the file holds. The ids of its steps begin with the calling step's: `remedy.drain`.
    pub runbook: Runbook,
    /// Values for its parameters, still to be rendered.
    pub params: BTreeMap<String, Argument>,
    /// What it may do.
    pub mode: CallMode,
}

/// What a call may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallMode {
    /// It is shown in the plan; nothing of it is run.
    Plan,
    /// People are asked before its first step.
    Approve,
    /// It is run.
    Run,
}

/// An action with its arguments, as written.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Its name in the catalogue.
    pub action: Spanned<String>,
    /// By parameter.
    pub arguments: BTreeMap<String, Argument>,
}

/// An argument, its texts still to be rendered.
#[derive(Clone, Debug, PartialEq)]
pub struct Argument {
    /// Where it stands.
    pub span: Span,
    /// What stands there.
    pub kind: ArgumentKind,
}

/// Shapes of arguments.
#[derive(Clone, Debug, PartialEq)]
pub enum ArgumentKind {
    /// Already of its type.
    Value(Value),
    /// To be rendered, then converted to the parameter's kind.
    Text(Text),
    /// Several.
    List(Vec<Argument>),
    /// Named.
    Map(BTreeMap<String, Argument>),
}

/// Where a step runs.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// A host pattern, or the name of a loop variable (then `{{web.name}}` is meant).
    Pattern(Text),
    /// `control`
    Control,
}

/// A condition on results.
#[derive(Clone, Debug, PartialEq)]
pub struct That {
    /// The condition.
    pub expression: Expression,
    /// It speaks of `results` (all hosts at once), not of `result` (each host).
    pub over_all: bool,
}

/// Repeating a failed attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct Retry {
    /// At least 1.
    pub attempts: u32,
    /// Before the second attempt.
    pub delay: Duration,
    /// Each further delay is so many times the one before.
    pub backoff: f64,
    /// Only if true of `result` (or always).
    pub when: Option<Expression>,
}

/// A loop over hosts or values.
#[derive(Clone, Debug, PartialEq)]
pub struct Loop {
    /// The name of the turn's host or value.
    pub variable: String,
    /// Over what.
    pub over: LoopOver,
    /// How many turns at once.
    pub pace: Pace,
    /// More failed turns than this stop new turns; absolute count or part.
    pub max_failures: Share,
    /// Between batches.
    pub pause: Duration,
    /// `undo: all`: finished turns are taken back too.
    pub undo_finished: bool,
    /// The body.
    pub steps: Vec<Step>,
}

/// What a loop goes over.
#[derive(Clone, Debug, PartialEq)]
pub enum LoopOver {
    /// A host pattern.
    Hosts(Text),
    /// A list.
    Items(Expression),
}

/// How many turns of a loop go on at once.
#[derive(Clone, Debug, PartialEq)]
pub enum Pace {
    /// `max_parallel`
    Parallel(u32),
    /// `max_unavailable`: the size of each batch; the last one repeats.
    Batches(Vec<Batch>),
}

/// One batch size: fixed, or from a parameter of type `count_or_percent`.
#[derive(Clone, Debug, PartialEq)]
pub enum Batch {
    /// As written.
    Share(Share),
    /// Still to be rendered.
    Text(Text),
}

/// A debt.
#[derive(Clone, Debug, PartialEq)]
pub struct Owes {
    /// The step that gives back.
    pub step: Spanned<StepId>,
    /// When it is safe to give back; `None`: what stands between the two steps says so; an empty list: always.
    pub guard: Option<Vec<Step>>,
}

/// A lasting change left on purpose.
#[derive(Clone, Debug, PartialEq)]
pub struct Leave {
    /// How long.
    pub until: Duration,
    /// Why.
    pub reason: Text,
}

/// How a step is taken back.
#[derive(Clone, Debug, PartialEq)]
pub enum UndoRule {
    /// As the action knows.
    Auto,
    /// Not at all: it is meant to stay.
    Keep,
    /// There is no way back.
    None,
    /// By these steps.
    Steps(Vec<Step>),
}

/// Asks people.
#[derive(Clone, Debug, PartialEq)]
pub struct Approve {
    /// The question.
    pub ask: Text,
    /// Groups or names that may answer; empty means nobody.
    pub from: Vec<String>,
    /// How many.
    pub quorum: u32,
    /// Show the plan with the question.
    pub show_plan: bool,
    /// How long.
    pub within: Within,
    /// Who is asked too when nobody answers in time, one after the other; empty: it is a no then.
    pub then_escalate_to: Vec<String>,
}

/// What a person does.
#[derive(Clone, Debug, PartialEq)]
pub struct Manual {
    /// What is to be done.
    pub ask: Text,
    /// Groups or names that may do it; empty means nobody.
    pub to: Vec<String>,
    /// What they say beside done.
    pub fields: Vec<Param>,
    /// How long.
    pub within: Within,
    /// Who is asked too when nobody answers in time, one after the other.
    pub then_escalate_to: Vec<String>,
    /// The run waits for it; else it is an obligation of theirs.
    pub blocking: bool,
}

/// How long people are waited for.
#[derive(Clone, Debug, PartialEq)]
pub enum Within {
    /// As written.
    Fixed(Duration),
    /// A placeholder of a duration.
    Text(Text),
}

/// A line of `decide`.
#[derive(Clone, Debug, PartialEq)]
pub struct Branch {
    /// The word that it decides for.
    pub is: String,
    /// When; `None`: in any other case.
    pub when: Option<Expression>,
}

/// `notify:` of a runbook.
#[derive(Clone, Debug, PartialEq)]
pub struct NotifyRule {
    /// A channel or group of the configuration.
    pub to: String,
    /// start, approval, success, failure, obligation
    pub events: Vec<String>,
    /// Said beside what happened.
    pub message: Option<Text>,
}

/// What a trigger may do, from the most careful.
pub const TRIGGER_MODES: &[&str] = &["plan", "approve", "auto"];

/// Kinds of triggers that are sent by somebody.
pub const TRIGGERS_SENT: &[&str] = &["alertmanager", "grafana", "pagerduty", "webhook"];

/// An alert that may start the runbook.
#[derive(Clone, Debug, PartialEq)]
pub struct Trigger {
    /// alertmanager, grafana, pagerduty, webhook, schedule
    pub source: String,
    /// Labels (of a webhook and PagerDuty: paths) that must be equal (or match as a whole, written `~regex`).
    pub labels: BTreeMap<String, String>,
    /// When, of a `schedule`.
    pub schedule: Option<Schedule>,
    /// Parameters from the alert.
    pub params: BTreeMap<String, Text>,
    /// plan, approve, auto
    pub mode: String,
    /// Parameters that make two alerts the same, and for how long.
    pub dedupe: Option<(Vec<String>, Duration)>,
}
