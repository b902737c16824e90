//! Taking a change back: what its action knows, or one of the steps that its runbook gives.

use std::sync::Arc;

use super::attempt::{Shared, attempt_name, settle};
use super::checks::{self, Site, unexpected};
use super::invariants::Guarded;
use super::perform::{Identity, Recovery};
use crate::base::id::HostName;
use crate::base::value::Value;
use crate::diagnostic::Spanned;
use crate::engine::{TakenBack, way_back};
use crate::model::action::{Arguments, Class, Decision, Undo};
use crate::model::event::{Failure, FailureKind};
use crate::model::operation::Output;
use crate::model::plan::Node;
use crate::model::runbook::{Body, Call, Step};
use crate::model::text::Scope;
use crate::plan::bind;
use crate::plan::forecast::effects_of;
use crate::plan::judge::{self, Truth};

/// One step back, once.
pub struct TakeBack {
    /// What it shares with the attempts.
    pub shared: Arc<Shared>,
    /// Whose change.
    pub node: Node,
    /// How.
    pub undo: Undo,
    /// Which step of `undo:`.
    pub step: usize,
    /// What its texts see.
    pub scope: Scope,
    /// From 1.
    pub attempt: u32,
    /// Another process began it.
    pub recovering: bool,
    /// What must hold before and after.
    pub guarded: Guarded,
}

/// What one action came to on one host.
struct Done {
    summary: String,
    changed: bool,
    result: Value,
}

impl TakeBack {
    /// Runs to its end.
    ///
    /// # Errors
    /// Why the change could not be taken back.
    pub async fn go(mut self) -> Result<TakenBack, Failure> {
        let shared = self.shared.clone();
        let own = shared.step(&self.node);
        let back = match self.undo.clone() {
            Undo::Call { action, arguments } => {
                let call = Call {
                    action: Spanned::new(action, own.span),
                    arguments: Default::default(),
                };
                let host = self.node.host.clone();
                let done = self.act(own, &call, &arguments, host.as_ref()).await?;
                TakenBack {
                    summary: done.summary,
                    results: Vec::new(),
                }
            }
            Undo::Steps => match way_back::step(own, self.step) {
                Some(step) => self.one(step).await?,
                None => TakenBack::default(),
            },
            Undo::Nothing | Undo::Keep | Undo::Impossible => TakenBack::default(),
        };
        Ok(TakenBack {
            summary: self.guarded.with_notes(back.summary),
            ..back
        })
    }

    /// A step of `undo:`, on its hosts one after the other: those that it names, else the host of the change.
    async fn one(&mut self, step: &Step) -> Result<TakenBack, Failure> {
        let fail = |message: &str| Failure {
            kind: FailureKind::Unexpected,
            message: message.to_owned(),
        };
        match step
            .when
            .as_ref()
            .map(|w| judge::condition(w, &self.scope))
            .transpose()
            .map_err(unexpected)?
        {
            None | Some(Truth::True) => {}
            Some(Truth::False(why)) => return Ok(TakenBack::skipped(&why)),
            Some(Truth::Unknown) => return Err(fail("its condition depends on a value that no step has given")),
        }
        let Body::Action(call) = &step.body else {
            return Err(fail("this step has no action"));
        };
        let shared = self.shared.clone();
        let kind = bind::kind(shared.world(), call).map_err(unexpected)?;
        let arguments = bind::arguments(call, kind.signature(), &self.scope).map_err(unexpected)?;
        if arguments.has_unknown() {
            return Err(fail("an argument depends on a value that no step has given"));
        }
        let hosts = bind::hosts(shared.world(), step, kind.signature().runs_on, &self.scope, self.node.host.as_ref());
        let hosts = hosts.map_err(unexpected)?.each();
        if step.class == Class::Probe {
            return self.look(step, call, &arguments, hosts).await;
        }
        let mut back = TakenBack::default();
        let mut said = Vec::new();
        for host in hosts {
            let done = self.act(step, call, &arguments, host.as_ref()).await?;
            self.afterwards(step, host.as_ref()).await?;
            if !said.contains(&done.summary) {
                said.push(done.summary);
            }
            back.results.push((host, TakenBack::done(done.changed, done.result)));
        }
        back.summary = said.join("; ");
        Ok(back)
    }

    /// A probe, polled until its condition holds.
    async fn look(&self, step: &Step, call: &Call, arguments: &Arguments, hosts: Vec<Option<HostName>>) -> Result<TakenBack, Failure> {
        let site = Site {
            shared: &self.shared,
            step,
            call,
            arguments,
            scope: &self.scope,
        };
        let mut results = Vec::new();
        if step.that.as_ref().is_some_and(|t| t.over_all) {
            results.push((None, TakenBack::done(false, checks::poll(&site, &hosts).await?)));
        } else {
            for host in hosts {
                let seen = checks::poll(&site, std::slice::from_ref(&host)).await?;
                self.afterwards(step, host.as_ref()).await?;
                results.push((host, TakenBack::done(false, seen)));
            }
        }
        Ok(TakenBack {
            summary: String::from("looked"),
            results,
        })
    }

    async fn afterwards(&self, step: &Step, host: Option<&HostName>) -> Result<(), Failure> {
        for check in &step.verify {
            checks::check(&self.shared, check, host, &self.scope).await?;
        }
        Ok(())
    }

    async fn act(&mut self, step: &Step, call: &Call, arguments: &Arguments, host: Option<&HostName>) -> Result<Done, Failure> {
        let shared = &self.shared.clone();
        let bound = bind::bind(shared.world(), step, call, arguments, host, &self.scope).map_err(unexpected)?;
        let kind = bind::kind(shared.world(), call).map_err(unexpected)?;
        let before = checks::look(shared, bound.as_ref()).await?;
        match bound.decide(&before) {
            Decision::InDesiredState => {
                shared.pools.clear_own(&self.node).await;
                Ok(Done {
                    summary: String::from("already as before"),
                    changed: false,
                    result: bound.result(&before, &[]),
                })
            }
            Decision::Change(change) => {
                // Restoring what was there may take a member out; the minimum holds for the way back too.
                let effects = effects_of(kind.signature(), arguments, &shared.created.inventory, host, step.pool_effect_none);
                let mut taking = self.node.clone();
                taking.pool_effects = effects;
                let _taking = shared.pools.may_take(shared, &taking).await?;
                self.guarded.before(shared).await?;
                let recovery = if self.recovering { Recovery::Continue } else { Recovery::None };
                let prefix = attempt_name(shared, &self.node.id, self.attempt, &format!("u{}", self.step));
                let outputs = shared.performer.perform(&change.operations, &Identity { prefix, recovery }).await;
                shared.invariants.changed();
                if let Some(Output::Failed(trouble)) = outputs.last() {
                    return Err(Failure {
                        kind: trouble.kind.into(),
                        message: trouble.message.clone(),
                    });
                }
                let after = settle(shared, bound.as_ref(), &before, &outputs).await?;
                shared.invariants.changed();
                shared.pools.clear_own(&self.node).await;
                self.guarded.after(shared).await?;
                Ok(Done {
                    summary: change.summary,
                    changed: true,
                    result: bound.result(&after, &outputs),
                })
            }
            Decision::Unknown(message) => Err(Failure {
                kind: FailureKind::Unexpected,
                message,
            }),
            Decision::Refused(message) => Err(Failure {
                kind: FailureKind::Refused,
                message,
            }),
        }
    }
}
