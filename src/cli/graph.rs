//! `runbook graph`: the steps as their author wrote them, or the plan's, made offline.

use super::arguments::{GraphArguments, GraphFormat, PlanOptions};
use super::context::Context;
use super::exit::{CliError, Exit};
use super::output::out;
use super::plan;
use crate::report::diagram;

/// Prints the graph.
///
/// # Errors
/// Invalid texts.
pub fn run(context: &Context, arguments: &GraphArguments) -> Result<Exit, CliError> {
    if !arguments.plan && arguments.params.is_empty() {
        let runbook = context.compile(&arguments.runbook)?.runbook;
        out(&match arguments.output {
            GraphFormat::Dot => diagram::runbook_dot(&runbook),
            GraphFormat::Mermaid => diagram::runbook_mermaid(&runbook),
            GraphFormat::Svg => diagram::runbook_svg(&runbook),
        });
        return Ok(Exit::Done);
    }
    let offline = PlanOptions {
        params: arguments.params.clone(),
        offline: true,
        ..PlanOptions::default()
    };
    let made = plan::make(context, context.compile(&arguments.runbook)?, &offline)?;
    out(&match arguments.output {
        GraphFormat::Dot => diagram::plan_dot(&made.plan),
        GraphFormat::Mermaid => diagram::plan_mermaid(&made.plan),
        GraphFormat::Svg => diagram::plan_svg(&made.plan),
    });
    Ok(Exit::Done)
}
