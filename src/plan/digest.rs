//! The digest of a plan: what people approve and what the executor enforces.
//!
//! It covers everything that decides what will be done, and nothing that changes by itself (ages, counters, free memory).

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use crate::base::id::HostName;
use crate::base::value::Value;
use crate::model::plan::{Forecast, Node, Plan, Refusal, rows_of};

/// SHA-256 (hex) over the canonical form of the plan, the runbook's text and the inventory it uses.
///
/// # Panics
/// Never: a plan is plain data with text keys.
#[must_use]
pub fn digest(plan: &Plan, runbook_text: &str, inventory: &crate::model::inventory::Inventory) -> String {
    let pools: Vec<Json> = plan
        .pools
        .iter()
        .map(|p| json!([p.now.pool, p.now.serving, p.now.enabled, p.now.total, p.now.minimum]))
        .collect();
    let canonical = Canonical {
        version: 2,
        runbook: &plan.runbook,
        text: hex(&Sha256::digest(runbook_text.as_bytes())),
        inventory,
        params: &plan.params,
        rows: rows_of(&plan.nodes).map(Row::of).collect(),
        pools,
        refusals: &plan.refusals,
    };
    let mut hash = Hash(Sha256::new());
    serde_json::to_writer(&mut hash, &canonical).expect("a plan is plain data with text keys");
    hex(&hash.0.finalize())
}

#[derive(Serialize)]
struct Canonical<'p> {
    version: u32,
    runbook: &'p str,
    text: String,
    inventory: &'p crate::model::inventory::Inventory,
    params: &'p BTreeMap<String, Value>,
    rows: Vec<Row<'p>>,
    pools: Vec<Json>,
    refusals: &'p [Refusal],
}

/// A step in its turn on the hosts where it does the same.
#[derive(Serialize)]
struct Row<'p> {
    hosts: Vec<Option<&'p HostName>>,
    shared: Json,
}

impl<'p> Row<'p> {
    fn of(nodes: &'p [Node]) -> Row<'p> {
        Row {
            hosts: nodes.iter().map(|n| n.host.as_ref()).collect(),
            shared: shared(&nodes[0]),
        }
    }
}

fn shared(node: &Node) -> Json {
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
        node.row,
        node.step,
        node.section,
        node.reaches,
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

/// Bytes are hashed as they are written, so that the text of a large plan never stands in memory.
struct Hash(Sha256);

impl std::io::Write for Hash {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
