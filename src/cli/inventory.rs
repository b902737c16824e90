//! `runbook inventory`: what we know about machines.

use super::arguments::{Format, InventoryCommand};
use super::context::Context;
use super::exit::{CliError, Exit};
use super::output::{json, out};
use crate::diagnostic::Diagnostic;
use crate::model::inventory::{Inventory, Share};
use crate::model::pattern;

/// Prints.
///
/// # Errors
/// Invalid texts; a pattern that means nothing.
pub fn run(context: &Context, command: InventoryCommand) -> Result<Exit, CliError> {
    let inventory = context.inventory()?;
    match command {
        InventoryCommand::List { output } => match output {
            Format::Text | Format::Github => out(&list(&inventory)),
            Format::Json | Format::Ndjson => json(&serde_json::json!({
                "schema": "runbook.inventory/1",
                "hosts": inventory.order.iter().filter_map(|n| inventory.hosts.get(n)).collect::<Vec<_>>(),
                "groups": inventory.groups,
                "pools": inventory.pools,
            })),
        },
        InventoryCommand::Hosts { pattern, output } => {
            let hosts = pattern::select(&pattern, &inventory).map_err(|message| {
                CliError::Texts(
                    Diagnostic::nowhere("RB0705", format!("hosts `{pattern}`: {message}")).into(),
                    Box::default(),
                )
            })?;
            match output {
                Format::Json | Format::Ndjson => {
                    json(&serde_json::json!({ "schema": "runbook.hosts/1", "pattern": pattern, "hosts": hosts }))
                }
                Format::Text | Format::Github => hosts.iter().for_each(|h| out(&format!("{h}\n"))),
            }
        }
    }
    Ok(Exit::Done)
}

fn list(inventory: &Inventory) -> String {
    let mut text = String::new();
    text.push_str("HOST             ADDRESS                GROUPS\n");
    for host in inventory.order.iter().filter_map(|n| inventory.hosts.get(n)) {
        let groups: Vec<&str> = inventory
            .groups
            .iter()
            .filter(|(_, hosts)| hosts.contains(&host.name))
            .map(|(g, _)| g.as_str())
            .collect();
        let address = host
            .port
            .map_or_else(|| host.address().to_owned(), |p| format!("{}:{p}", host.address()));
        let maintenance = host
            .maintenance
            .as_ref()
            .map(|why| format!("  MAINTENANCE: {why}"))
            .unwrap_or_default();
        text.push_str(&format!("{:<16} {address:<22} {}{maintenance}\n", host.name, groups.join(", ")));
    }
    for pool in inventory.pools.values() {
        let members: Vec<&str> = pool.members.iter().map(|m| m.host.as_str()).collect();
        let balancers: Vec<&str> = pool.balancers.iter().map(|b| b.as_str()).collect();
        let minimum = match pool.min_in_service {
            Share::Count(n) => n.to_string(),
            Share::Percent(p) => format!("{p}%"),
        };
        let (name, kind) = (&pool.name, &pool.kind);
        text.push_str(&format!(
            "\npool {name} ({kind})\n  balancers       {}\n  members         {}\n  min_in_service  {minimum}\n",
            balancers.join(", "),
            members.join(", ")
        ));
    }
    text
}
