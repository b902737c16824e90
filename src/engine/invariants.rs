//! Which invariants are judged around a change, and what a broken one may stop.
//!
//! On the way out a broken invariant stops every change. What goes back must not be stopped by what it may repair: a return never is,
//! and an undo, `on_failure` and `finally` only where they would take or disturb a member that is in service.

use std::collections::BTreeMap;

use super::run::RunState;
use super::{Now, schedule, unwind};
use crate::base::id::{NodeId, StepId};
use crate::model::action::Undo;
use crate::model::plan::{EffectKind, Node, NodeEffect, Section};
use crate::model::runbook::{Body, UndoRule};
use crate::model::text::Scope;
use crate::plan::bind;
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

/// Invariants around one change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Around {
    /// Which: ids of checks.
    pub invariants: Vec<StepId>,
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
        invariants: covering.map(|w| w.id.clone()).collect(),
        strict: match doing {
            Doing::Undo => takes(state, &undo_effects(state, now, node)),
            Doing::Attempt => node.section == Section::Steps || takes(state, &node.pool_effects),
        },
    }
}

/// What an invariant's texts and expressions see: parameters and the run, no steps.
#[must_use]
pub fn scope(state: &RunState) -> Scope {
    let nothing = results::Results::default();
    results::scope(&state.ground, &nothing, &state.facts(), Viewpoint::default(), &BTreeMap::new())
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
    let of = |action: &str, arguments: &crate::model::action::Arguments| {
        let signature = now.knowledge.catalog.get(action).map(crate::model::action::ActionKind::signature);
        let inventory = &state.created.inventory;
        signature.map_or_else(Vec::new, |s| {
            effects_of(s, arguments, inventory, node.host.as_ref(), step.pool_effect_none)
        })
    };
    match (unwind::change_of(state, &node.id).map(|i| &i.undo), &step.undo) {
        (Some(Undo::Call { action, arguments }), _) => of(action, arguments),
        (Some(Undo::Steps), UndoRule::Steps(steps)) => {
            let scope = schedule::scope(state, node);
            let calls = steps.iter().filter_map(|s| match &s.body {
                Body::Action(call) => Some(call),
                _ => None,
            });
            let each = calls.flat_map(|call| {
                let signature = now
                    .knowledge
                    .catalog
                    .get(&call.action.value)
                    .map(crate::model::action::ActionKind::signature);
                let arguments = signature.and_then(|s| bind::arguments(call, s, &scope).ok());
                arguments.map(|a| of(&call.action.value, &a)).unwrap_or_default()
            });
            each.collect()
        }
        _ => Vec::new(),
    }
}
