//! `runbook validate`: compiles runbooks, reads the inventory if there is one, and reports every mistake.

use std::path::PathBuf;

use super::arguments::Format;
use super::context::Context;
use super::exit::{CliError, Exit};
use super::output::{err, json, out};
use crate::diagnostic::render;

/// Validates.
///
/// # Errors
/// Never for mistakes in the texts: those are printed, and give exit code 3.
pub fn run(context: &Context, runbooks: &[PathBuf], format: Format) -> Result<Exit, CliError> {
    let mut exit = Exit::Done;
    let mut documents = Vec::new();
    for path in runbooks {
        match context.compile(path) {
            Ok(compiled) => {
                if format == Format::Text {
                    out(&format!("{}: ok, {} steps\n", path.display(), compiled.runbook.all_steps().len()));
                }
            }
            Err(CliError::Texts(diagnostics, sources)) => {
                exit = Exit::Invalid;
                match format {
                    Format::Text => err(&render::render(&diagnostics, &sources, context.colors.err)),
                    Format::Github => out(&render::to_github(&diagnostics, &sources)),
                    Format::Json | Format::Ndjson => documents.push(render::to_json(&diagnostics, &sources)),
                }
            }
            Err(other) => return Err(other),
        }
    }
    match format {
        Format::Json => json(&serde_json::json!({ "schema": "runbook.validate/1", "ok": exit == Exit::Done, "files": documents })),
        Format::Ndjson => documents.iter().for_each(|d| out(&format!("{d}\n"))),
        Format::Text | Format::Github => {}
    }
    Ok(exit)
}
