//! Parses arguments, calls `cli::run`, turns the result into an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    runbook::cli::run()
}
