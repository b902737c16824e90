//! The digest of a plan: what people approve and what the executor enforces.
//!
//! It covers everything that decides what will be done, and nothing that changes by itself (ages, counters, free memory).

use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use crate::model::plan::{Forecast, Node, Plan};

/// SHA-256 (hex) over the canonical form of the plan, the runbook's text and the inventory it uses.
#[must_use]
pub fn digest(plan: &Plan, runbook_text: &str, inventory: &crate::model::inventory::Inventory) -> String {
    let nodes: Vec<Json> = plan.nodes.iter().map(node).collect();
    let pools: Vec<Json> = plan
        .pools
        .iter()
        .map(|p| json!([p.now.pool, p.now.serving, p.now.enabled, p.now.total, p.now.minimum]))
        .collect();
    let canonical = json!({
        "version": 1,
        "runbook": plan.runbook,
        "text": hex(&Sha256::digest(runbook_text.as_bytes())),
        "inventory": inventory,
        "params": plan.params,
        "nodes": nodes,
        "pools": pools,
        "refusals": plan.refusals,
    });
    hex(&Sha256::digest(canonical.to_string().as_bytes()))
}

fn node(node: &Node) -> Json {
    let what = match &node.forecast {
        Forecast::WillChange { summary } => json!(["will change", summary]),
        Forecast::NothingToDo { .. } => json!(["nothing to do"]),
        Forecast::AtRunTime { .. } => json!(["at run time"]),
        // A probe's words change from second to second; that it is a probe does not.
        Forecast::Reads { .. } => json!(["reads"]),
        Forecast::Skipped { why } => json!(["skipped", why]),
        // What is told to who does it may hold numbers that change from second to second; the text itself is in the runbook's.
        Forecast::Asks { .. } if node.is_task() => json!(["asks"]),
        Forecast::Asks { summary } => json!(["asks", summary]),
        Forecast::Calls { summary } => json!(["calls", summary]),
        Forecast::Decides { is, .. } => json!(["decides", is]),
    };
    // What a probe was told, e.g. a rendered message with a measured number, is not part of what will be done.
    let arguments = if matches!(node.forecast, Forecast::Reads { .. }) {
        Json::Null
    } else {
        json!(node.arguments)
    };
    json!([
        node.id,
        node.step,
        node.section,
        node.host,
        node.touches,
        node.needs,
        node.action,
        arguments,
        what,
        node.diff,
        node.undo,
        node.owes,
        node.pool_effects
    ])
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
