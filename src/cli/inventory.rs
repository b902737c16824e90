//! `runbook inventory`: what we know about machines.

use super::arguments::{Format, InventoryCommand};
use super::context::Context;
use super::exit::{CliError, Exit};
use super::output::{json, out};
use crate::diagnostic::Diagnostic;
use crate::model::pattern;
use crate::report::inventory as report;

/// Prints.
///
/// # Errors
/// Invalid texts; a pattern that means nothing.
pub fn run(context: &Context, command: InventoryCommand) -> Result<Exit, CliError> {
    let inventory = context.inventory()?;
    match command {
        InventoryCommand::List { output } => match output {
            Format::Text | Format::Github => out(&report::list(&inventory, context.colors.out)),
            Format::Json | Format::Ndjson => json(&report::list_json(&inventory)),
        },
        InventoryCommand::Graph { output } => match output {
            Format::Text | Format::Github => out(&report::graph(&inventory)),
            Format::Json | Format::Ndjson => json(&report::graph_json(&inventory)),
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
                    json(&serde_json::json!({ "schema": "runbook.hosts/1", "pattern": pattern, "hosts": hosts }));
                }
                Format::Text | Format::Github => hosts.iter().for_each(|h| out(&format!("{h}\n"))),
            }
        }
    }
    Ok(Exit::Done)
}
