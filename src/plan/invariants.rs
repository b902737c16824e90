//! Invariants in the plan: judged as things are now, and on the predicted state after each step that changes something.

use super::bind::{self, Hosts};
use super::expand::{Place, Planner};
use super::forecast::Look;
use super::judge::{self, Truth};
use crate::base::clock::friendly;
use crate::base::id::{HostName, NodeId, StepId};
use crate::base::sanitise;
use crate::base::value::Value;
use crate::diagnostic::Diagnostic;
use crate::lang::template;
use crate::model::action::{Action, Catalog, Class, Observation, RunsOn};
use crate::model::plan::{Node, Refusal, Section, Watch};
use crate::model::runbook::{Body, Invariant};
use crate::model::text::Scope;

/// True of what may change something on a host or behind an address; a message changes nothing, and must not be held back.
#[must_use]
pub fn changes_something(catalog: &dyn Catalog, node: &Node) -> bool {
    let message =
        |kind: &dyn crate::model::action::ActionKind| kind.signature().runs_on == RunsOn::Controller && node.class == Class::Passing;
    node.class != Class::Probe && catalog.get(&node.action).is_some_and(|kind| !message(kind))
}

/// The nodes that an invariant covers: the first one and all that stand after it.
#[must_use]
pub fn covers(nodes: &[Node], watch: &Watch, node: &NodeId) -> bool {
    let position = |id: &NodeId| nodes.iter().position(|n| &n.id == id);
    match (watch.since.as_ref().and_then(position), position(node)) {
        (Some(first), Some(own)) => first <= own && watch.until.as_ref().and_then(position).is_none_or(|last| own <= last),
        _ => false,
    }
}

/// An invariant while the plan is made.
pub(super) struct Watching<'a> {
    invariant: &'a Invariant,
    /// From where its texts and expressions see.
    place: Place,
    /// So many nodes stood before it began.
    begun: Option<usize>,
    /// Of a called runbook: so many nodes stood when the call was over.
    ended: Option<usize>,
    /// The first node of the call that it belongs to.
    call: Option<NodeId>,
    name: String,
    looks: Vec<(Box<dyn Action>, Observation)>,
    /// As last judged: what has not changed since need not be judged again.
    last: Option<Vec<Observation>>,
    standing: Standing,
}

/// What the plan knows of an invariant so far.
enum Standing {
    Holds,
    /// It does not hold before the first change that it covers; when that was.
    Broken(String),
    /// Only the run can tell.
    Open(String),
    /// Its own `when` is false.
    Unasked,
    /// The plan was refused for it.
    Refused,
}

impl<'a> Watching<'a> {
    pub(super) fn new(invariant: &'a Invariant) -> Watching<'a> {
        Watching {
            invariant,
            place: Place::at(Section::Steps),
            begun: None,
            ended: None,
            call: None,
            name: String::new(),
            looks: Vec::new(),
            last: None,
            standing: Standing::Holds,
        }
    }

    /// Judges it on these observations, each host by itself or all together.
    fn judge(&self, scope: &Scope, seen: &[Observation]) -> Result<Truth, Diagnostic> {
        let Some(that) = &self.invariant.check.that else {
            return Ok(Truth::True);
        };
        let results: Vec<Value> = self
            .looks
            .iter()
            .zip(seen)
            .map(|((action, _), seen)| action.result(seen, &[]))
            .collect();
        let of = |result: Option<&Value>, results: &[Value]| {
            let mut scope = scope.clone();
            scope.set("result", result.cloned().unwrap_or(Value::Null));
            scope.set("results", Value::List(results.to_vec()));
            judge::condition(&that.expression, &scope)
        };
        if that.over_all {
            return of(None, &results);
        }
        let mut all = Truth::True;
        for result in &results {
            match of(Some(result), &[])? {
                Truth::True => {}
                Truth::Unknown => all = Truth::Unknown,
                no @ Truth::False(_) => return Ok(no),
            }
        }
        Ok(all)
    }

    fn covers_nothing(&self) -> bool {
        self.begun.is_none() || self.begun == self.ended
    }

    fn shown(&self) -> String {
        match &self.standing {
            _ if self.covers_nothing() => String::from("covers nothing in this plan"),
            Standing::Holds if self.invariant.from.is_some() => String::from("will hold from there on"),
            // What a call finds is what the steps before it have made of it.
            Standing::Holds if self.call.is_some() => String::from("will hold before and after each of its steps"),
            Standing::Holds => String::from("holds now and after each step"),
            Standing::Broken(why) => format!("does not hold: {why}"),
            Standing::Open(why) => format!("known at run time: {why}"),
            Standing::Unasked => String::from("not asked for: its `when` is false"),
            Standing::Refused => String::from("BROKEN by this plan"),
        }
    }
}

impl<'a> Planner<'a> {
    /// From here on these invariants hold: those without `from`, or those from this step.
    pub(super) fn watch_from(&mut self, step: Option<&StepId>) {
        let mut all = std::mem::take(&mut self.watching);
        for watching in all
            .iter_mut()
            .filter(|w| w.begun.is_none() && w.ended.is_none() && w.invariant.from.as_ref() == step)
        {
            watching.begun = Some(self.nodes.len());
            if let Err(diagnostic) = self.first_look(watching) {
                watching.standing = Standing::Open(String::new());
                self.diagnostics.push(diagnostic);
            }
        }
        self.watching = all;
    }

    /// Judges what holds after a node that was just planned; the first one that breaks something is named.
    pub(super) fn watch(&mut self, node: &Node) {
        if node.section != Section::Steps || !node.may_change() || !changes_something(self.input.catalog, node) {
            return;
        }
        let mut all = std::mem::take(&mut self.watching);
        for watching in all.iter_mut().filter(|w| w.begun.is_some() && w.ended.is_none()) {
            if let Err(diagnostic) = self.look_again(watching, node) {
                watching.standing = Standing::Open(String::new());
                self.diagnostics.push(diagnostic);
            }
        }
        self.watching = all;
    }

    /// All invariants as the plan shows them.
    pub(super) fn watches(&self) -> Vec<Watch> {
        let since = |w: &Watching<'_>| {
            let begun = w.begun.filter(|_| !w.covers_nothing())?;
            self.nodes.get(begun).map(|n| n.id.clone())
        };
        let until = |w: &Watching<'_>| self.nodes.get(w.ended?.checked_sub(1)?).map(|n| n.id.clone());
        let watch = |w: &Watching<'_>| Watch {
            id: w.invariant.check.id.clone(),
            name: w.name.clone(),
            from: w.invariant.from.clone(),
            since: since(w),
            until: until(w),
            call: w.call.clone(),
            standing: w.shown(),
        };
        self.watching.iter().map(watch).collect()
    }

    /// The invariants of a called runbook hold around its own steps.
    pub(super) fn watch_call(&mut self, call: &StepId, first: &NodeId, inside: &Place) {
        let Some(called) = self.input.runbook.called(call) else { return };
        self.watching.extend(called.runbook.invariants.iter().map(|invariant| Watching {
            place: inside.clone(),
            call: Some(first.clone()),
            ..Watching::new(invariant)
        }));
        self.watch_from(None);
    }

    /// The call is over.
    pub(super) fn unwatch_call(&mut self, first: &NodeId) {
        let nodes = self.nodes.len();
        for watching in self.watching.iter_mut().filter(|w| w.call.as_ref() == Some(first)) {
            watching.ended = Some(nodes);
        }
    }

    fn first_look(&mut self, watching: &mut Watching<'a>) -> Result<(), Diagnostic> {
        let check = &watching.invariant.check;
        let scope = self.scope(&watching.place, None);
        watching.name = template::render_for_people(&check.name, &scope);
        if let Some(when) = &check.when
            && matches!(judge::condition(when, &scope)?, Truth::False(_))
        {
            watching.standing = Standing::Unasked;
            return Ok(());
        }
        let Body::Action(call) = &check.body else { return Ok(()) };
        let signature = bind::kind(self.world, call)?.signature();
        let arguments = bind::arguments(call, signature, &scope)?;
        if arguments.has_unknown() {
            watching.standing = Standing::Open(String::from("what it looks at depends on the run"));
            return Ok(());
        }
        let maintained = |h: &HostName| self.input.inventory.hosts.get(h).is_some_and(|h| h.maintenance.is_some());
        let hosts: Vec<Option<HostName>> = match bind::hosts(self.world, check, signature.runs_on, &scope, None)? {
            Hosts::Once => vec![None],
            Hosts::Each(hosts) => hosts.into_iter().filter(|h| !maintained(h)).map(Some).collect(),
        };
        for host in hosts {
            let action = bind::bind(self.world, check, call, &arguments, host.as_ref(), &scope)?;
            match self.look(action.as_ref()) {
                Look::Seen(seen) => watching.looks.push((action, seen)),
                blind => {
                    watching.standing = self.blind_watch(&watching.name, host.as_ref(), blind);
                    return Ok(());
                }
            }
        }
        let seen: Vec<Observation> = watching.looks.iter().map(|(_, seen)| self.predicted.over(seen.clone())).collect();
        watching.standing = match watching.judge(&scope, &seen)? {
            Truth::True => Standing::Holds,
            Truth::Unknown => Standing::Open(String::from("what it looks at depends on what the run finds")),
            Truth::False(why) => Standing::Broken(why),
        };
        watching.last = Some(seen);
        Ok(())
    }

    /// An invariant that cannot be judged is no proof, and without proof nothing runs.
    fn blind_watch(&mut self, name: &str, host: Option<&HostName>, look: Look) -> Standing {
        let why = match look {
            Look::Trouble(message) => message,
            Look::Offline => return Standing::Open(String::from("planned offline")),
            Look::Measures(span) => return Standing::Open(format!("it measures for {}", friendly(span))),
            Look::Missing | Look::Seen(_) => return Standing::Open(String::new()),
        };
        // What an earlier step will have changed may well be what is missing now.
        if !host.is_some_and(|h| self.predicted.touches(h)) {
            self.refuse(None, format!("the invariant \"{name}\" cannot be judged: {why}"), Vec::new(), None);
        }
        Standing::Open(why)
    }

    fn look_again(&mut self, watching: &mut Watching<'a>, node: &Node) -> Result<(), Diagnostic> {
        if let Standing::Broken(why) = &watching.standing {
            // It may come to hold within the time that it is given.
            if watching.invariant.check.within.is_none() {
                self.refuse_broken(watching, node, &why.clone());
                return Ok(());
            }
        }
        if watching.looks.is_empty() || matches!(watching.standing, Standing::Refused | Standing::Unasked) {
            return Ok(());
        }
        let seen: Vec<Observation> = watching.looks.iter().map(|(_, seen)| self.predicted.over(seen.clone())).collect();
        if watching.last.as_ref() == Some(&seen) {
            return Ok(());
        }
        match watching.judge(&self.scope(&watching.place, None), &seen)? {
            Truth::Unknown if matches!(watching.standing, Standing::Holds) => {
                watching.standing = Standing::Open(format!("after `{}` only the run can tell", node.id));
            }
            Truth::True | Truth::Unknown => {}
            Truth::False(why) => {
                let message = format!("`{}` breaks the invariant \"{}\"", node.id, watching.name);
                let before = match &watching.standing {
                    Standing::Holds => String::from("it holds"),
                    _ => String::from("only the run can tell"),
                };
                let lines = vec![format!("before `{}`: {before}", node.id), format!("after `{}`: {why}", node.id)];
                self.refuse(Some(node.id.clone()), message, lines, None);
                watching.standing = Standing::Refused;
            }
        }
        watching.last = Some(seen);
        Ok(())
    }

    fn refuse_broken(&mut self, watching: &mut Watching<'a>, node: &Node, why: &str) {
        let message = format!(
            "the invariant \"{}\" does not hold before `{}`, which would change something",
            watching.name, node.id
        );
        let lines = vec![format!("before `{}`: {why}", node.id)];
        let instead = match &watching.invariant.from {
            None => "if a step of this runbook is the repair, say `from: STEP` of a later step at the invariant; else repair it first",
            Some(_) => "repair it first, or with a step before the one that `from` names",
        };
        self.refuse(Some(node.id.clone()), message, lines, Some(String::from(instead)));
        watching.standing = Standing::Refused;
    }

    fn refuse(&mut self, node: Option<NodeId>, message: String, counterexample: Vec<String>, instead: Option<String>) {
        self.refusals.push(Refusal {
            node,
            message: sanitise::one_line(&message, 300),
            counterexample,
            order: Vec::new(),
            instead,
        });
    }
}
