//! The digest of a plan: what people approve and what the executor enforces.
//!
//! It covers everything that decides what will be done, and nothing that changes by itself (ages, counters, free memory). What it
//! covers is told fact by fact, so that two plans with different digests can be held against each other in words.

use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use crate::base::id::HostName;
use crate::base::value::Value;
use crate::model::action::Class;
use crate::model::inventory::Inventory;
use crate::model::plan::{Forecast, Node, Plan, PoolForecast, Watch, rows_of};

/// Which canonical form; grows when the same plan gets another digest.
pub const VERSION: u32 = 3;

/// Fields of a pool's member that move while nobody does anything.
const MOVING: [&str; 3] = ["check", "seconds_in_state", "sessions"];

/// SHA-256 (hex) over the canonical form of the plan, the runbook's text and the inventory it uses.
#[must_use]
pub fn digest(plan: &Plan, runbook_text: &str, inventory: &Inventory) -> String {
    let Inventory {
        hosts,
        order,
        groups,
        inside,
        pools,
    } = inventory;
    let mut hash = Hash(Sha256::new());
    hash.add(&json!(["version", VERSION]));
    hash.add(&json!(["text", hex(&Sha256::digest(runbook_text.as_bytes()))]));
    hash.add(&json!(["inventory", order, groups, inside, pools]));
    hosts.iter().for_each(|host| hash.add(&json!(host)));
    hash.add(&json!(["plan", of_plan(plan)]));
    rows(&plan.nodes)
        .iter()
        .for_each(|row| hash.add(&json!(["row", row.hosts, row.facts])));
    plan.pools.iter().for_each(|pool| hash.add(&json!(["pool", of_pool(pool)])));
    hex(&hash.0.finalize())
}

/// A step in its turn on the hosts where it does the same.
struct Row {
    /// Digest of their list.
    hosts: String,
    facts: Vec<Fact>,
}

/// Neighbours that differ in nothing that counts stand together, whatever else tells them apart.
fn rows(nodes: &[Node]) -> Vec<Row> {
    let mut rows: Vec<(Vec<Fact>, Vec<&Option<HostName>>)> = Vec::new();
    for like in rows_of(nodes) {
        let (facts, hosts) = (of_node(&like[0]), like.iter().map(|n| &n.host));
        match rows.last_mut().filter(|(known, _)| *known == facts) {
            Some((_, on)) => on.extend(hosts),
            None => rows.push((facts, hosts.collect())),
        }
    }
    // Most steps run on the same hosts as the one before them.
    let mut last: (Vec<&Option<HostName>>, String) = Default::default();
    let mut finished = Vec::with_capacity(rows.len());
    for (facts, hosts) in rows {
        if last.0 != hosts {
            let mut hash = Hash(Sha256::new());
            hash.add(&json!(hosts));
            last = (hosts, hex(&hash.0.finalize()));
        }
        finished.push(Row {
            hosts: last.1.clone(),
            facts,
        });
    }
    finished
}

/// Hashed piece by piece, so that the text of a large plan never stands in memory.
struct Hash(Sha256);

impl Hash {
    /// Each piece is a document, so that no two lists of pieces are the same text.
    fn add(&mut self, piece: &Json) {
        let mut text = String::new();
        canonical(piece, &mut text);
        self.0.update(text.as_bytes());
    }
}

/// A fact that counts, by the name under which people are told of it.
pub type Fact = (&'static str, Json);

/// What counts of the plan as a whole. Its words (`description`, `warnings`) follow from the text and the rest.
#[must_use]
pub fn of_plan(plan: &Plan) -> Vec<Fact> {
    vec![
        ("runbook", json!(plan.runbook)),
        ("params", json!(plan.params)),
        ("offline", json!(plan.offline)),
        // Which step is refused; the words count seconds, and what is refused never runs.
        ("refusals", plan.refusals.iter().map(|r| json!([r.node])).collect()),
        ("invariants", plan.invariants.iter().map(of_invariant).collect()),
        ("loops without turns", json!(plan.empty_loops)),
    ]
}

/// Which check covers what; how it stood is judged again before and after every change.
fn of_invariant(watch: &Watch) -> Json {
    json!([watch.id, watch.from, watch.since])
}

/// What counts of a pool: its numbers, and its members but for what moves by itself.
#[must_use]
pub fn of_pool(pool: &PoolForecast) -> Vec<Fact> {
    let member = |member: &Value| match member {
        Value::Map(fields) => json!(
            fields
                .iter()
                .filter(|(name, _)| !MOVING.contains(&name.as_str()))
                .collect::<Vec<_>>()
        ),
        other => json!(other),
    };
    vec![
        ("capacity", json!(pool.now)),
        ("members", pool.members.iter().map(member).collect()),
    ]
}

/// What counts of a node, but for its host: the same for all nodes of a row. Its bindings do not: what of them reaches a host stands in the arguments, which item it is in the turn.
#[must_use]
pub fn of_node(node: &Node) -> Vec<Fact> {
    let told = |name: &str| name == "message" && is_message(node);
    let arguments = match node.forecast {
        // What a probe was told, e.g. a rendered text with a measured number, is not part of what will be done.
        Forecast::Reads { .. } => Json::Null,
        _ => node
            .arguments
            .0
            .iter()
            .filter(|(name, _)| !told(name))
            .map(|pair| json!(pair))
            .collect(),
    };
    vec![
        ("id", json!([node.row, node.step, node.section, node.turns, node.call])),
        ("goes to", json!(node.reaches)),
        ("waits for", json!(node.needs)),
        ("pause before it", json!(node.pause)),
        ("action", json!([node.action, node.class])),
        ("arguments", arguments),
        ("what it does", of_forecast(node)),
        ("diff", json!(node.diff)),
        ("way back", json!(node.undo)),
        ("owes", json!(node.owes)),
        ("takes from pools", json!(node.pool_effects)),
    ]
}

/// Words to people, with numbers that were measured a moment ago; the text that they were made from is in the runbook's.
fn is_message(node: &Node) -> bool {
    node.class == Class::Passing && node.host.is_none() && node.reaches.is_empty()
}

fn of_forecast(node: &Node) -> Json {
    match &node.forecast {
        Forecast::WillChange { .. } if is_message(node) => json!(["will change"]),
        Forecast::WillChange { summary } => json!(["will change", summary]),
        Forecast::NothingToDo { .. } => json!(["nothing to do"]),
        Forecast::AtRunTime { .. } => json!(["at run time"]),
        // A probe's words change from second to second; that it is a probe does not.
        Forecast::Reads { .. } => json!(["reads"]),
        // The reason may hold numbers that change from second to second, as does what people are asked.
        Forecast::Skipped { .. } => json!(["skipped"]),
        Forecast::Asks { .. } => json!(["asks"]),
        Forecast::Calls { summary } => json!(["calls", summary]),
        Forecast::Decides { is, .. } => json!(["decides", is]),
    }
}

/// One text for one document, whatever order its maps were made in.
fn canonical(document: &Json, text: &mut String) {
    match document {
        Json::Array(list) => {
            text.push('[');
            for item in list {
                canonical(item, text);
                text.push(',');
            }
            text.push(']');
        }
        Json::Object(map) => {
            let mut entries: Vec<(&String, &Json)> = map.iter().collect();
            entries.sort_by_key(|(name, _)| *name);
            text.push('{');
            for (name, value) in entries {
                text.push_str(&Json::from(name.as_str()).to_string());
                text.push(':');
                canonical(value, text);
                text.push(',');
            }
            text.push('}');
        }
        scalar => text.push_str(&scalar.to_string()),
    }
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
