//! `runbook demo`: the incident and the recovery on the practice fleet, judged by requests through the balancer.

use super::exit::{CliError, Exit};

/// Flags of the demo.
#[derive(Debug, clap::Args)]
pub struct DemoArguments {}

/// Runs the demo.
///
/// # Errors
/// When the fleet cannot be brought up.
pub fn run(_arguments: DemoArguments) -> Result<Exit, CliError> {
    Err(CliError::Usage(String::from("being built")))
}
