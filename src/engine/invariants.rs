//! Which invariants are judged around a change, and what a broken one may stop.
//!
//! On the way out a broken invariant stops every change. What goes back must not be stopped by what it may repair: a return never is,
//! and an undo, `on_failure` and `finally` only where they would take or disturb a member that is in service.

use std::collections::BTreeMap;

use super::run::RunState;
use super::{Now, schedule, unwind, way_back};
use crate::base::id::{HostName, NodeId, StepId};
use crate::model::action::{ActionKind, Arguments, Undo};
use crate::model::plan::{EffectKind, Node, NodeEffect, Section};
use crate::model::runbook::Body;
use crate::model::text::Scope;
use crate::plan::bind::{self, Hosts, World};
use crate::plan::forecast::effects_of;
use crate::plan::invariants::{changes_something, covers};
use crate::plan::results::{self, Viewpoint};

/// What is done to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// An attempt.
    Attempt,
    /// Its change is taken back.
    Undo,
}

/// An invariant of the run, or of one of its calls.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Watched {
    /// The check.
    pub check: StepId,
    /// The first node of the call.
    pub call: Option<NodeId>,
}

/// Invariants around one change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Around {
    /// Which.
    pub invariants: Vec<Watched>,
    /// One that is broken before stops the change. Else only one that held before must hold afterwards.
    pub strict: bool,
}

/// What must be judged before and after something is done to a node.
#[must_use]
pub fn around(state: &RunState, now: Now<'_>, node: &NodeId, doing: Doing) -> Around {
    let plan = &state.created.plan;
    let Some(node) = state.node(node).filter(|_| !plan.invariants.is_empty()) else {
        return Around::default();
    };
    let returns = doing == Doing::Attempt && state.started_unwinding.contains(&node.id) && node.section.is_work();
    if returns || !changes_something(now.knowledge.catalog, node) {
        return Around::default();
    }
    let covering = plan.invariants.iter().filter(|w| covers(&plan.nodes, w, &node.id));
    Around {
        invariants: covering
            .map(|w| Watched {
                check: w.id.clone(),
                call: w.call.clone(),
            })
            .collect(),
        strict: match doing {
            Doing::Undo => takes(state, &undo_effects(state, now, node)),
            Doing::Attempt => node.section == Section::Steps || takes(state, &node.pool_effects),
        },
    }
}

/// What an invariant's texts and expressions see: its runbook's parameters and the run, no steps.
#[must_use]
pub fn scope(state: &RunState, of: &Watched) -> Scope {
    let of_call = of.call.as_ref().and_then(|first| state.node(first)).map(|first| &first.arguments.0);
    let ground = of_call.map_or_else(|| state.ground.clone(), |params| state.ground.with(params));
    let nothing = results::Results::default();
    results::scope(&ground, &nothing, &state.facts(), Viewpoint::default(), &BTreeMap::new())
}

/// Takes a member, or disturbs one that this run has not taken.
fn takes(state: &RunState, effects: &[NodeEffect]) -> bool {
    let ours = |e: &NodeEffect| {
        state
            .open_obligations()
            .any(|o| o.pool.as_ref() == Some(&e.pool) && o.member.as_ref() == Some(&e.member))
    };
    effects.iter().any(|e| match e.kind {
        EffectKind::Takes => true,
        EffectKind::Disturbs => !ours(e),
        EffectKind::Returns => false,
    })
}

fn undo_effects(state: &RunState, now: Now<'_>, node: &Node) -> Vec<NodeEffect> {
    let step = now.knowledge.step(node);
    let of = |action: &str, arguments: &Arguments, host: Option<&HostName>, none: bool| {
        let signature = now.knowledge.catalog.get(action).map(ActionKind::signature);
        let inventory = &state.created.inventory;
        signature.map_or_else(Vec::new, |s| effects_of(s, arguments, inventory, host, none))
    };
    match unwind::change_of(state, &node.id).map(|i| &i.undo) {
        Some(Undo::Call { action, arguments }) => of(action, arguments, node.host.as_ref(), step.pool_effect_none),
        Some(Undo::Steps) => {
            let Some(back) = way_back::step(step, state.undo_progress(&node.id)) else {
                return Vec::new();
            };
            let Body::Action(call) = &back.body else { return Vec::new() };
            let world = World {
                runbook: now.knowledge.runbook,
                inventory: &state.created.inventory,
                catalog: now.knowledge.catalog,
            };
            let scope = schedule::scope(state, node);
            let bound = bind::kind(world, call).and_then(|kind| {
                let arguments = bind::arguments(call, kind.signature(), &scope)?;
                let hosts = bind::hosts(world, back, kind.signature().runs_on, &scope, node.host.as_ref())?;
                Ok((arguments, hosts))
            });
            let of_each = |(arguments, hosts): (Arguments, Hosts)| {
                let each = hosts.each().into_iter();
                let effects = each.flat_map(|host| of(&call.action.value, &arguments, host.as_ref(), back.pool_effect_none));
                effects.collect()
            };
            bound.map(of_each).unwrap_or_default()
        }
        _ => Vec::new(),
    }
}
