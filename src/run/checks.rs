//! Looking and judging during a run: probes polled until they hold, checks after a step, guards before a return.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::attempt::Shared;
use crate::base::clock::friendly;
use crate::base::id::HostName;
use crate::base::sanitise;
use crate::base::value::Value;
use crate::diagnostic::Diagnostic;
use crate::lang::template;
use crate::model::action::{Action, Arguments, Observation};
use crate::model::event::{Failure, FailureKind};
use crate::model::operation::Operation;
use crate::model::runbook::{Body, Call, Step};
use crate::model::text::Scope;
use crate::plan::bind::{self, Hosts};
use crate::plan::judge::{self, Truth};

/// A probe step at its place.
pub(super) struct Site<'a> {
    pub(super) shared: &'a Shared,
    pub(super) step: &'a Step,
    pub(super) call: &'a Call,
    pub(super) arguments: &'a Arguments,
    pub(super) scope: &'a Scope,
}

/// A check that says whether it is safe to give back.
#[derive(Clone)]
pub struct Guard {
    /// The check, or the probe step with `that`.
    pub step: Arc<Step>,
    /// The host of the node it stands at.
    pub host: Option<HostName>,
    /// What it sees.
    pub scope: Scope,
    /// Exactly these hosts, where the plan has already chosen; else those that the check names.
    pub on: Option<Vec<HostName>>,
}

pub(super) fn unexpected(d: Diagnostic) -> Failure {
    Failure {
        kind: FailureKind::Unexpected,
        message: d.message,
    }
}

/// Looks once.
pub(super) async fn look(shared: &Shared, action: &dyn Action) -> Result<Observation, Failure> {
    look_with(shared, action, &action.probe()).await
}

pub(super) async fn look_with(shared: &Shared, action: &dyn Action, operations: &[Operation]) -> Result<Observation, Failure> {
    let outputs = shared.performer.observer().observe(operations).await;
    match action.read(&outputs) {
        Ok(mut seen) => {
            // What this run took out itself is no obstacle to this run.
            crate::action::pool::observe::forget_own(&mut seen, &shared.created.uid);
            Ok(seen)
        }
        Err(e) => Err(Failure {
            kind: e.trouble.map_or(FailureKind::Unexpected, FailureKind::from),
            message: sanitise::for_terminal(&e.message),
        }),
    }
}

/// Looks at each host until the condition holds, at most `within`; without a condition, once.
pub(super) async fn poll(site: &Site<'_>, hosts: &[Option<HostName>]) -> Result<Value, Failure> {
    let started = Instant::now();
    let deadline = started + site.step.within.unwrap_or(Duration::ZERO);
    loop {
        let failure = match once(site, hosts).await {
            Ok(result) => return Ok(result),
            Err(failure) => failure,
        };
        // A refused key does not become right by asking again.
        let hopeless = matches!(failure.kind, FailureKind::Denied | FailureKind::Refused);
        let left = deadline.saturating_duration_since(Instant::now());
        if hopeless || left.is_zero() {
            let waited = site
                .step
                .within
                .map(|_| format!(" (waited {})", friendly(started.elapsed())))
                .unwrap_or_default();
            return Err(Failure {
                message: format!("{}{waited}", failure.message),
                ..failure
            });
        }
        // The last look is at the very end, however seldom the step looks.
        tokio::time::sleep(site.step.every.min(left)).await;
    }
}

async fn once(site: &Site<'_>, hosts: &[Option<HostName>]) -> Result<Value, Failure> {
    let mut results = Vec::new();
    for host in hosts {
        let action =
            bind::bind(site.shared.world(), site.step, site.call, site.arguments, host.as_ref(), site.scope).map_err(unexpected)?;
        let seen = look(site.shared, action.as_ref()).await?;
        results.push(action.result(&seen, &[]));
    }
    let result = results.first().cloned().unwrap_or(Value::Null);
    let Some(that) = &site.step.that else { return Ok(result) };
    let mut scope = site.scope.clone();
    scope.set("result", result.clone());
    scope.set("results", Value::List(results));
    match judge::condition(&that.expression, &scope).map_err(unexpected)? {
        Truth::True => Ok(result),
        Truth::False(why) => Err(Failure {
            kind: FailureKind::Check,
            message: why,
        }),
        Truth::Unknown => Err(Failure {
            kind: FailureKind::Check,
            message: format!("`{}` cannot be judged: a value is missing", that.expression.source),
        }),
    }
}

/// Runs one check on its hosts: those it names, else the host of the step it belongs to.
pub(super) async fn check(shared: &Shared, check: &Step, host: Option<&HostName>, scope: &Scope) -> Result<(), Failure> {
    check_on(shared, check, host, None, scope).await
}

async fn check_on(shared: &Shared, check: &Step, host: Option<&HostName>, on: Option<&[HostName]>, scope: &Scope) -> Result<(), Failure> {
    let name = template::render_for_people(&check.name, scope);
    unnamed(shared, check, host, on, scope).await.map_err(|f| Failure {
        message: format!("check \"{name}\": {}", f.message),
        ..f
    })
}

/// Runs a check that belongs to no step; the caller names it.
pub(super) async fn judged(shared: &Shared, check: &Step, scope: &Scope) -> Result<(), Failure> {
    unnamed(shared, check, None, None, scope).await
}

async fn unnamed(shared: &Shared, check: &Step, host: Option<&HostName>, on: Option<&[HostName]>, scope: &Scope) -> Result<(), Failure> {
    let asked = check
        .when
        .as_ref()
        .map(|w| judge::condition(w, scope))
        .transpose()
        .map_err(unexpected)?;
    if matches!(asked, Some(Truth::False(_))) {
        return Ok(());
    }
    let Body::Action(call) = &check.body else { return Ok(()) };
    let kind = bind::kind(shared.world(), call).map_err(unexpected)?;
    let arguments = bind::arguments(call, kind.signature(), scope).map_err(unexpected)?;
    let chosen = match on {
        Some(list) if !list.is_empty() => Hosts::Each(list.to_vec()),
        _ => bind::hosts(shared.world(), check, kind.signature().runs_on, scope, host).map_err(unexpected)?,
    };
    let maintained = |h: &HostName| shared.created.inventory.hosts.get(h).is_some_and(|h| h.maintenance.is_some());
    let hosts = match chosen {
        Hosts::Once => vec![None],
        Hosts::Each(list) => list.into_iter().filter(|h| !maintained(h)).map(Some).collect(),
    };
    let site = Site {
        shared,
        step: check,
        call,
        arguments: &arguments,
        scope,
    };
    if check.that.as_ref().is_some_and(|t| t.over_all) {
        return poll(&site, &hosts).await.map(|_| ());
    }
    for host in hosts {
        poll(&site, &[host]).await?;
    }
    Ok(())
}

/// Judges a guard.
///
/// # Errors
/// Which check failed, and what it saw.
pub(super) async fn guard(shared: &Shared, guard: &Guard) -> Result<(), String> {
    check_on(shared, &guard.step, guard.host.as_ref(), guard.on.as_deref(), &guard.scope)
        .await
        .map_err(|f| f.message)
}
