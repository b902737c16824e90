//! What must hold for a node to happen, where only the run can tell: the proof about pools counts on no return behind it.

use super::forecast::{Site, may_fail};
use super::judge::{self, Truth};
use crate::base::id::StepId;
use crate::diagnostic::Diagnostic;
use crate::lang::expression;
use crate::model::plan::{Node, turn_path};
use crate::model::text::Expression;

/// Conditions that are not known yet, that the node does not fail where others go on without it, and that its turn does not where the
/// loop does. Equal words hold together: they are judged on the same results, in the same turn, for the same host.
pub(super) fn conditions(site: &Site<'_>, node: &Node, forgiving: &[StepId]) -> Result<Vec<String>, Diagnostic> {
    let call = node.call.as_ref().map(StepId::as_str).unwrap_or_default();
    let turn = format!("{call} {}", turn_path(&node.turns));
    let host = node.host.as_ref().map(|h| h.as_str()).unwrap_or_default();
    let mut all: Vec<String> = site.place.perhaps.iter().map(|text| format!("{text} (call {turn})")).collect();
    for condition in site.place.conditions.iter().chain(&site.step.when) {
        if judge::condition(condition, site.scope)? == Truth::Unknown {
            let at = if changes(condition) { node.id.as_str() } else { host };
            all.push(format!("{} ({turn} {at})", condition.source));
        }
    }
    if may_fail(site) {
        all.push(format!("{} does not fail", node.id));
    }
    for depth in 1..=node.turns.len() {
        if forgiving.contains(&node.turns[depth - 1].step) {
            all.push(format!("turn {} does not fail", turn_path(&node.turns[..depth])));
        }
    }
    Ok(all)
}

/// It may be judged differently a moment later.
fn changes(condition: &Expression) -> bool {
    let of_the_run = |path: &Vec<String>| path.first().is_some_and(|name| name == "run");
    condition.source.contains("now(") || expression::paths(&condition.root).iter().any(of_the_run)
}
