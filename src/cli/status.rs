//! `runbook status`: the pools as their balancers show them now, with what our journal knows about who took what.

use std::sync::Arc;

use super::arguments::Format;
use super::context::Context;
use super::exit::{CliError, Exit};
use super::output::{json, out};
use crate::action::CATALOG;
use crate::base::value::Value;
use crate::model::operation::Identity;
use crate::plan::forecast::status_of;
use crate::report::status::PoolStatus;
use crate::report::{self, Style};
use crate::run::observe::Observer;

/// Looks at the pools.
///
/// # Errors
/// Invalid inventory; an unknown pool.
pub fn run(context: &Context, only: Option<&str>, format: Format) -> Result<Exit, CliError> {
    let inventory = context.inventory()?;
    if let Some(name) = only.filter(|n| !inventory.pools.contains_key(*n)) {
        let known: Vec<&str> = inventory.pools.keys().map(|p| p.as_str()).collect();
        return Err(CliError::Usage(format!(
            "the inventory has no pool `{name}` (it has: {})",
            known.join(", ")
        )));
    }
    let connections = context.connections(Arc::new(inventory.clone()));
    let observer = Observer::new(connections.clone());
    let obligations = context.journal()?.obligations(true)?;
    let mut pools = Vec::new();
    let mut exit = Exit::Done;
    let runtime = super::runtime()?;
    for pool in inventory.pools.values().filter(|p| only.is_none_or(|n| p.name.as_str() == n)) {
        let Some(action) = status_of(&CATALOG, &inventory, pool, &Identity::User(String::from("root"))) else {
            continue;
        };
        let outputs = runtime.block_on(observer.observe(&action.probe()));
        let seen = action.read(&outputs).map(|seen| action.result(&seen, &[])).map_err(|e| e.message);
        exit = if seen.is_err() { Exit::Internal } else { exit };
        pools.push(PoolStatus {
            pool: pool.name.clone(),
            seen,
        });
    }
    runtime.block_on(connections.close());
    match format {
        Format::Text | Format::Github => out(&report::status::text(
            &pools,
            &obligations,
            context.clock().now(),
            Style { color: context.colors.out },
        )),
        Format::Json | Format::Ndjson => {
            let list: Vec<_> = pools.iter().map(|p| serde_json::json!({ "pool": p.pool, "status": p.seen.as_ref().ok().map(Value::to_json), "trouble": p.seen.as_ref().err() })).collect();
            json(&serde_json::json!({ "schema": "runbook.status/1", "pools": list }));
        }
    }
    Ok(exit)
}
