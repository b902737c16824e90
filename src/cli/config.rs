//! `runbook config show`: every setting that counts, and with `--origin` where it comes from. Secrets are named, never shown.

use clap::CommandFactory;
use clap::parser::ValueSource;
use serde_json::json;

use super::arguments::{Arguments, ConfigCommand, Format};
use super::context::Context;
use super::exit::{CliError, Exit};
use super::output::{err, json as print, out};
use crate::base::bound;
use crate::base::sanitise::for_terminal;
use crate::config;
use crate::diagnostic::render;

/// Where a setting comes from.
enum Origin {
    Default,
    File { path: String, line: usize },
    Environment(&'static str),
    Flag(&'static str),
}

struct Setting {
    key: String,
    value: String,
    origin: Origin,
}

/// Runs one of the commands.
///
/// # Errors
/// When there is no place for the journal.
pub fn run(context: &Context, command: ConfigCommand) -> Result<Exit, CliError> {
    let ConfigCommand::Show { origin, output } = command;
    let settings = settings(context)?;
    match output {
        Format::Text | Format::Github => {
            settings.iter().for_each(|s| out(&line(s, origin)));
            err(&render::render(
                &context.config_warnings,
                &context.config_sources,
                context.colors.err,
            ));
        }
        Format::Json => {
            let files: Vec<&str> = context.config_sources.iter().map(|s| s.name.as_str()).collect();
            let settings: Vec<_> = settings.iter().map(machine).collect();
            print(&json!({ "schema": "runbook.config/1", "files": files, "settings": settings }));
        }
        Format::Ndjson => settings.iter().for_each(|s| out(&format!("{}\n", machine(s)))),
    }
    Ok(Exit::Done)
}

fn line(setting: &Setting, with_origin: bool) -> String {
    let text = for_terminal(&format!("{}: {}", setting.key, setting.value));
    let idle = (!config::is_used(&setting.key)).then(|| String::from("checked, not used by this version"));
    let origin = with_origin.then(|| for_terminal(&words(&setting.origin)));
    let notes: Vec<String> = origin.into_iter().chain(idle).collect();
    match notes.as_slice() {
        [] => format!("{text}\n"),
        notes => format!("{text}   # {}\n", notes.join("; ")),
    }
}

fn words(origin: &Origin) -> String {
    match origin {
        Origin::Default => String::from("default"),
        Origin::File { path, line } => format!("{path}:{line}"),
        Origin::Environment(name) => format!("environment {name}"),
        Origin::Flag(name) => format!("flag {name}"),
    }
}

fn machine(setting: &Setting) -> serde_json::Value {
    let origin = match &setting.origin {
        Origin::Default => json!({ "kind": "default" }),
        Origin::File { path, line } => json!({ "kind": "file", "path": path, "line": line }),
        Origin::Environment(name) => json!({ "kind": "environment", "name": name }),
        Origin::Flag(name) => json!({ "kind": "flag", "name": name }),
    };
    json!({ "key": setting.key, "value": setting.value, "origin": origin, "used": config::is_used(&setting.key) })
}

/// What counts, in the order of the documentation: flags and the environment before files, files before defaults.
fn settings(context: &Context) -> Result<Vec<Setting>, CliError> {
    let global = &context.global;
    let inventory: Vec<String> = global.inventory.iter().map(|p| p.display().to_string()).collect();
    let journal = context.journal_path()?.display().to_string();
    let config = global.config.as_ref().map(|p| p.display().to_string());
    let color = format!("{:?}", global.color).to_lowercase();
    let given = [
        ("config", config, "RUNBOOK_CONFIG", "--config"),
        ("inventory", Some(inventory.join(", ")), "RUNBOOK_INVENTORY", "--inventory"),
        ("journal", Some(journal.clone()), "RUNBOOK_JOURNAL", "--journal"),
        ("color", Some(color), "", "--color"),
    ];
    let mut settings = Vec::new();
    for (key, value, variable, flag) in given {
        let origin = match source(key) {
            Some(ValueSource::CommandLine) => Origin::Flag(flag),
            Some(ValueSource::EnvVariable) => Origin::Environment(variable),
            _ => continue,
        };
        settings.extend(value.map(|value| setting(key, value, origin)));
    }
    let given: Vec<String> = settings.iter().map(|s| s.key.clone()).collect();
    for origin in context.config.origins.iter().filter(|o| !given.contains(&o.key)) {
        let sources = &context.config_sources;
        let path = sources.get(origin.span.source).map(|s| s.name.clone()).unwrap_or_default();
        let line = sources.position(origin.span).map_or(0, |(line, _)| line);
        settings.push(setting(&origin.key, origin.value.clone(), Origin::File { path, line }));
    }
    let defaults = [
        ("inventory", String::from("inventory")),
        ("journal", journal),
        ("color", String::from("auto")),
        ("ssh.connect_timeout", format!("{}s", bound::CONNECT_TIMEOUT_S)),
        ("ssh.max_connects", bound::CONNECTS.to_string()),
        ("ssh.key_exchange", String::from("default")),
    ];
    for (key, value) in defaults {
        if !settings.iter().any(|s| s.key == key) {
            settings.push(setting(key, value, Origin::Default));
        }
    }
    // What belongs together stands together; entries of one key keep their order.
    settings.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(settings)
}

fn setting(key: &str, value: String, origin: Origin) -> Setting {
    Setting {
        key: key.to_owned(),
        value,
        origin,
    }
}

/// Whether a flag of every command was given, and how.
fn source(name: &str) -> Option<ValueSource> {
    let mut matches = Arguments::command().try_get_matches().ok()?;
    let mut source = matches.value_source(name);
    while let Some((_, inner)) = matches.remove_subcommand() {
        matches = inner;
        source = matches.value_source(name).filter(|s| *s != ValueSource::DefaultValue).or(source);
    }
    source
}
