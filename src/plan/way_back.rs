//! What a plan can already tell of `undo: [steps]`: hosts that do not exist, and what people would have to do.

use super::bind;
use super::control;
use super::expand::Planner;
use crate::lang::template;
use crate::model::plan::Node;
use crate::model::runbook::{Body, Step, UndoRule};
use crate::model::text::Scope;

/// A text that only the way back can fill in.
const LATER: [&str; 2] = ["RB0702", "RB0703"];

impl Planner<'_> {
    /// Looks at the steps that would take this node's change back: when they are needed it is too late to find a mistake.
    pub(super) fn way_back(&mut self, step: &Step, node: &mut Node, scope: &Scope) {
        let UndoRule::Steps(steps) = &step.undo else { return };
        for back in steps {
            match &back.body {
                Body::Action(call) => {
                    let hosts = bind::kind(self.world, call)
                        .and_then(|kind| bind::hosts(self.world, back, kind.signature().runs_on, scope, node.host.as_ref()));
                    if let Err(diagnostic) = hosts
                        && !LATER.contains(&diagnostic.code)
                    {
                        self.diagnostics.push(diagnostic);
                    }
                }
                Body::Manual(manual) if node.may_change() => {
                    let ask = template::render_for_people(&manual.ask, scope);
                    node.notes
                        .push(format!("to take it back, {} may have to do: {ask}", control::people(&manual.to)));
                }
                _ => {}
            }
        }
    }
}
