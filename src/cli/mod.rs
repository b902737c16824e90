//! Floor 9: one file per command; the only place that assembles the parts.

pub mod apply;
pub mod approve;
pub mod arguments;
mod asker;
pub mod config;
pub mod context;
pub mod demo;
pub mod doctor;
pub mod done;
pub mod exit;
pub mod explain;
pub mod files;
pub mod fmt;
pub mod graph;
pub mod init;
pub mod inventory;
pub mod inventory_files;
pub mod inventory_program;
pub mod obligations;
pub mod output;
pub mod people;
pub mod plan;
pub mod plan_output;
pub mod progress;
pub mod resume;
pub mod runs;
pub mod saved;
pub mod status;
pub mod test;
pub mod validate;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use arguments::{Arguments, Command, SchemaOf};
use context::Context;
use exit::{CliError, Exit};
use output::{Colors, err, out};

/// Parses the command line, runs the command, and gives the exit code.
#[must_use]
pub fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            // clap says 2 for usage, which here means "there is something to do".
            return if error.use_stderr() {
                Exit::Usage.into()
            } else {
                Exit::Done.into()
            };
        }
    };
    let colors = Colors::new(arguments.global.color);
    log(arguments.global.verbose, colors);
    let quiet = matches!(
        arguments.command,
        Command::Lab(_)
            | Command::Completions { .. }
            | Command::Explain { .. }
            | Command::Schema { .. }
            | Command::Config { .. }
            | Command::Test { .. }
    );
    let result = dispatch(arguments, quiet);
    match result {
        Ok(exit) => exit.into(),
        Err(error) => {
            err(&error.words(colors.err));
            error.exit().into()
        }
    }
}

fn dispatch(arguments: Arguments, quiet: bool) -> Result<Exit, CliError> {
    let Arguments { global, command } = arguments;
    match command {
        Command::Lab(command) => {
            crate::lab::command::run(command)?;
            return Ok(Exit::Done);
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "runbook", &mut script);
            out(&String::from_utf8_lossy(&script));
            return Ok(Exit::Done);
        }
        Command::Schema { of } => {
            output::json(&match of {
                SchemaOf::Runbook => crate::lang::schema(&crate::action::CATALOG),
                SchemaOf::Config => crate::config::schema(),
                SchemaOf::Inventory => crate::inventory::schema(),
                SchemaOf::Plan => crate::report::plan_schema::schema(),
                SchemaOf::Test => crate::rehearsal::schema(),
            });
            return Ok(Exit::Done);
        }
        Command::Test { files, filter, output } => return test::run(&files, &filter, output, Colors::new(global.color)),
        Command::Explain { topic, name } => return explain::run(topic.as_deref(), name.as_deref()),
        Command::Validate(arguments) => return validate::run(&arguments, global),
        Command::Init { folder } => return init::run(&folder),
        Command::Fmt(arguments) => return fmt::run(&arguments, Colors::new(global.color)),
        Command::Demo(arguments) => return demo::run(&arguments, Colors::new(global.color)),
        _ => {}
    }
    let context = Context::new(global)?;
    let result = with_context(&context, command);
    if !quiet {
        obligations::remind(&context);
    }
    result
}

fn with_context(context: &Context, command: Command) -> Result<Exit, CliError> {
    match command {
        Command::Plan(arguments) => plan::run(context, &arguments),
        Command::Apply(arguments) => apply::run(context, &arguments),
        Command::Resume { run, force, output } => resume::run(context, run, force, output),
        Command::Approve(answer) => approve::run(context, &answer, true),
        Command::Deny(answer) => approve::run(context, &answer, false),
        Command::Done(arguments) => done::done(context, &arguments),
        Command::Failed { run, step, reason } => done::failed(context, run, step.as_deref(), reason),
        Command::Cancel { run } => approve::cancel(context, run),
        Command::Runs { limit, output } => runs::list(context, limit, output),
        Command::Show { run, output } => runs::show(context, run, output),
        Command::Logs { run, step, failed, output } => runs::logs(context, run, step.as_deref(), failed, output),
        Command::Status { pool, output } => status::run(context, pool.as_deref(), output),
        Command::Obligations { command, output } => obligations::run(context, command, output),
        Command::Inventory { command } => inventory::run(context, command),
        Command::Graph(arguments) => graph::run(context, &arguments),
        Command::Config { command } => config::run(context, command),
        Command::Doctor { output } => doctor::run(context, output),
        Command::Lab(_)
        | Command::Completions { .. }
        | Command::Schema { .. }
        | Command::Test { .. }
        | Command::Explain { .. }
        | Command::Fmt(_)
        | Command::Init { .. }
        | Command::Validate(_)
        | Command::Demo(_) => Ok(Exit::Done),
    }
}

/// The asynchronous edge: two threads carry everything, for the work is waiting.
///
/// # Errors
/// When the system grants no threads.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, CliError> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

fn log(verbose: u8, colors: Colors) {
    let level = match verbose {
        0 => tracing::Level::ERROR,
        1 => tracing::Level::INFO,
        _ => tracing::Level::DEBUG,
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(colors.err)
        .init();
}
