//! The plan for programs: one document, `"schema": "runbook.plan/1"`.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::node::undone_as_found;
use super::way_back;
use crate::base::value::Value;
use crate::model::action::Undo;
use crate::model::plan::{Node, Plan, PoolForecast};

/// Which document this is; grows when a field changes its meaning.
pub const SCHEMA: &str = "runbook.plan/1";

/// The document.
#[must_use]
pub fn json(plan: &Plan) -> Json {
    json!({
        "schema": SCHEMA,
        "runbook": plan.runbook,
        "description": plan.description,
        "digest": format!("sha256:{}", plan.digest),
        "made_at": plan.made_at.rfc3339(),
        "offline": plan.offline,
        "params": values(&plan.params),
        "allowed": plan.refusals.is_empty(),
        "nothing_to_do": plan.nothing_to_do(),
        "changed_hosts": plan.changed_hosts(),
        "nodes": plan.nodes.iter().map(node).collect::<Vec<_>>(),
        "pools": plan.pools.iter().map(pool).collect::<Vec<_>>(),
        "invariants": plan.invariants,
        "way_back": way_back::json(plan),
        "refusals": plan.refusals,
        "warnings": plan.warnings,
    })
}

/// The document, indented, with a newline at its end.
#[must_use]
pub fn text(plan: &Plan) -> String {
    format!("{:#}\n", json(plan))
}

fn node(node: &Node) -> Json {
    json!({
        "id": node.id,
        "row": node.row,
        "step": node.step,
        "section": node.section,
        "call": node.call,
        "turns": node.turns,
        "bindings": values(&node.bindings),
        "host": node.host,
        "pause_seconds": node.pause.map(|p| p.as_secs_f64()),
        "touches": node.touches(),
        "needs": node.needs,
        "name": node.name,
        "action": node.action,
        "arguments": values(&node.arguments.0),
        "class": node.class,
        "may_change": node.may_change(),
        "forecast": node.forecast,
        "diff": node.diff,
        "notes": node.notes,
        "undo": undo(node),
        "owes": node.owes,
        "pool_effects": node.pool_effects,
        "after": node.after,
    })
}

fn undo(node: &Node) -> Json {
    match &node.undo {
        _ if undone_as_found(node) => json!({ "kind": "at_run_time" }),
        Undo::Nothing => json!({ "kind": "nothing" }),
        Undo::Keep => json!({ "kind": "keep" }),
        Undo::Impossible => json!({ "kind": "impossible" }),
        Undo::Steps => json!({ "kind": "steps" }),
        Undo::Call { action, arguments } => json!({ "kind": "call", "action": action, "arguments": values(&arguments.0) }),
    }
}

fn pool(pool: &PoolForecast) -> Json {
    let members: Vec<Json> = pool.members.iter().map(Value::to_json).collect();
    json!({ "now": pool.now, "members": members })
}

fn values(map: &BTreeMap<String, Value>) -> Json {
    Json::Object(map.iter().map(|(k, v)| (k.clone(), v.to_json())).collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn values_are_plain_and_the_schema_is_named() {
        let document = json(&sample::plan());
        assert_eq!(document["schema"], "runbook.plan/1");
        assert_eq!(document["params"]["master"], "web-01");
        assert_eq!(document["allowed"], true);
        assert_eq!(document["pools"][0]["members"][1]["state"], "maint");
        let drain = &document["nodes"][3];
        assert_eq!(
            drain["forecast"],
            json!({ "certainty": "will_change", "summary": "web-01: ready → drain" })
        );
        assert_eq!(drain["undo"]["arguments"]["state"], "ready");
        assert_eq!(
            drain["after"],
            json!([{ "pool": "web", "serving": 1, "enabled": 1, "total": 2, "minimum": 1 }])
        );
        assert!(text(&sample::plan()).ends_with("}\n"));
    }
}
