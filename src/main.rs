//! Parses arguments, runs the command, turns the result into an exit code.

use std::process::ExitCode;

use clap::Parser;
use runbook::lab;

#[derive(Parser)]
#[command(name = "runbook", version, about)]
enum Command {
    /// The practice fleet: a real sshd, HAProxy and web servers on loopback
    #[command(subcommand)]
    Lab(lab::LabCommand),
}

fn main() -> ExitCode {
    let Command::Lab(command) = Command::parse();
    match lab::command::run(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            anstream::eprintln!("runbook: {e}");
            ExitCode::FAILURE
        }
    }
}
