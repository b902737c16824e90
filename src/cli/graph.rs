//! `runbook graph`: the plan's graph, made offline.

use std::path::Path;

use super::arguments::{Format, GraphFormat, PlanArguments};
use super::context::Context;
use super::exit::{CliError, Exit};
use super::output::out;
use super::plan;
use crate::report::diagram;

/// Prints the graph.
///
/// # Errors
/// Invalid texts.
pub fn run(context: &Context, runbook: &Path, params: &[String], format: GraphFormat) -> Result<Exit, CliError> {
    let arguments = PlanArguments {
        runbook: runbook.to_owned(),
        params: params.to_vec(),
        limit: None,
        offline: true,
        detailed_exitcode: false,
        output: Format::Text,
    };
    let made = plan::make(context, &arguments)?;
    out(&match format {
        GraphFormat::Dot => diagram::plan_dot(&made.plan),
        GraphFormat::Mermaid => diagram::plan_mermaid(&made.plan),
    });
    Ok(Exit::Done)
}
