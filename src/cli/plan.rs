//! `runbook plan`: looks at the hosts, changes nothing, and says what `apply` would do.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::arguments::{Format, PlanArguments, PlanOptions};
use super::context::{self, Compiled, Context};
use super::exit::{CliError, Exit};
use super::output::{self, interactive, out};
use super::saved;
use crate::action::CATALOG;
use crate::base::id::HostName;
use crate::base::value::Value;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::model::inventory::Inventory;
use crate::model::pattern;
use crate::model::plan::Plan;
use crate::model::runbook::{Param, ParamKind};
use crate::plan::{PlanInput, params};
use crate::report::{self, Style};
use crate::run::connections::Connections;
use crate::run::observe::Observer;
use crate::run::planning;
use crate::secrets::Vault;

/// A plan and everything it was made from.
#[derive(Debug)]
pub struct Made {
    /// The plan.
    pub plan: Plan,
    /// The runbook and its text.
    pub compiled: Compiled,
    /// The hosts.
    pub inventory: Inventory,
    /// The parameters.
    pub params: BTreeMap<String, Value>,
    /// The parameters as they were given.
    pub given: BTreeMap<String, String>,
    /// `--limit`, as it was given.
    pub limit: Option<String>,
}

/// What a plan is to be made from.
#[derive(Debug)]
pub struct Wanted {
    /// The runbook and its text.
    pub compiled: Compiled,
    /// The hosts.
    pub inventory: Inventory,
    /// Parameters as given.
    pub given: BTreeMap<String, String>,
    /// Only these hosts.
    pub limit: Option<String>,
    /// Look at no host.
    pub offline: bool,
}

/// An idle connection is taken to stand for so long: the pace at which `ssh` itself asks.
const TRUSTED: Duration = Duration::from_secs(5);

/// Connections that planning opened, and the threads that carry them. Dropping it closes them.
pub struct Opened {
    runtime: tokio::runtime::Runtime,
    connections: Arc<Connections>,
    vault: Arc<Vault>,
    since: Instant,
}

impl Opened {
    /// What drives the connections; nothing else may.
    #[must_use]
    pub fn runtime(&self) -> &tokio::runtime::Runtime {
        &self.runtime
    }

    /// The run's secrets.
    #[must_use]
    pub fn vault(&self) -> Arc<Vault> {
        self.vault.clone()
    }

    /// The connections; when somebody has thought for long, only those that still answer.
    #[must_use]
    pub fn connections(&self) -> Arc<Connections> {
        if self.since.elapsed() > TRUSTED {
            self.runtime.block_on(self.connections.forget_silent());
        }
        self.connections.clone()
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.runtime.block_on(self.connections.close());
    }
}

/// Makes and prints a plan, and saves it where that is wanted. One that was saved is only printed.
///
/// # Errors
/// Invalid texts; a place where it cannot be saved.
pub fn run(context: &Context, arguments: &PlanArguments) -> Result<Exit, CliError> {
    let options = &arguments.options;
    let (format, file) = (options.format()?, options.file()?);
    if saved::is_plan(&arguments.runbook) {
        if file.is_some() || options.offline || options.limit.is_some() || !options.params.is_empty() {
            return Err(CliError::Usage(format!(
                "`{}` is a saved plan, which is only shown: of the options it takes a format alone",
                arguments.runbook.display()
            )));
        }
        print(context, &saved::shown(context, &arguments.runbook)?.plan, format);
        return Ok(Exit::Done);
    }
    if let Some(file) = file {
        saved::may_be_written(file, options.offline)?;
    }
    let made = make(context, context.compile(&arguments.runbook)?, options)?;
    print(context, &made.plan, format);
    if let Some(file) = file {
        saved::write(context, file, &made)?;
    }
    let exit = match () {
        () if !made.plan.refusals.is_empty() => Exit::Refused,
        () if options.detailed_exitcode && !made.plan.nothing_to_do() => Exit::SomethingToDo,
        () => Exit::Done,
    };
    // The process ends here: giving two million nodes back one by one would only keep people waiting.
    std::mem::forget(made.plan);
    Ok(exit)
}

/// Prints a plan.
pub fn print(context: &Context, plan: &Plan, format: Format) {
    match format {
        Format::Text => out(&report::plan::text(plan, Style { color: context.colors.out })),
        Format::Json => output::json(&report::plan_json::json(plan)),
        Format::Ndjson => out(&format!("{}\n{}\n", report::live::version_line(), report::plan_json::json(plan))),
        Format::Github => out(&report::plan_markdown::text(plan)),
    }
}

/// Makes a plan, looking at hosts unless `--offline`.
///
/// # Errors
/// Invalid texts, a missing parameter.
pub fn make(context: &Context, compiled: Compiled, options: &PlanOptions) -> Result<Made, CliError> {
    make_open(context, wanted(context, compiled, options)?).map(|(made, _)| made)
}

/// What the command line asks for; at a terminal, people are asked for what is missing.
///
/// # Errors
/// An invalid inventory, parameters that make no sense.
pub fn wanted(context: &Context, compiled: Compiled, options: &PlanOptions) -> Result<Wanted, CliError> {
    let inventory = context.inventory()?;
    let mut given = context::params(&options.params)?;
    ask_missing(context, &compiled, &mut given)?;
    Ok(Wanted {
        compiled,
        inventory,
        given,
        limit: options.limit.clone(),
        offline: options.offline,
    })
}

/// Makes a plan and leaves the connections open for the run that follows: a connection costs more than many commands.
///
/// # Errors
/// As [`make`].
pub fn make_open(context: &Context, wanted: Wanted) -> Result<(Made, Opened), CliError> {
    let Wanted {
        compiled,
        inventory,
        given,
        limit: limited,
        offline,
    } = wanted;
    let (values, diagnostics) = params::resolve(&compiled.runbook, &inventory, &given);
    if diagnostics.has_errors() {
        return Err(CliError::Texts(diagnostics, Box::new(compiled.sources)));
    }
    let vault = if offline {
        Arc::new(Vault::empty())
    } else {
        secrets(context, &compiled)?
    };
    let limit = limited.as_deref().map(|text| limit(text, &inventory)).transpose()?;
    let text = compiled.sources.whole();
    let input = PlanInput {
        runbook: &compiled.runbook,
        text: &text,
        inventory: &inventory,
        params: &values,
        catalog: &CATALOG,
        limit: limit.as_deref(),
        max_hosts: context.config.limits.max_hosts,
        offline,
        now: context.clock().now(),
    };
    let mut opened = Opened {
        since: Instant::now(),
        runtime: super::runtime()?,
        connections: context.connections(Arc::new(inventory.clone())),
        vault: vault.clone(),
    };
    // Only a runbook that asks the record needs one; any other is planned also where the journal is damaged.
    let record = if text.contains("history") {
        context.journal_so_far()?
    } else {
        None
    };
    // The planner is given eyes only: an observer has no way to change anything.
    let observer = Observer::new(opened.connections.clone()).knowing(record).with(vault);
    let planned = opened.runtime.block_on(planning::make(input, &observer));
    opened.since = Instant::now();
    match planned {
        Ok(plan) => {
            let made = Made {
                plan,
                compiled,
                inventory,
                params: values,
                given,
                limit: limited,
            };
            Ok((made, opened))
        }
        Err(diagnostics) => Err(CliError::Texts(diagnostics, Box::new(compiled.sources))),
    }
}

/// Reads the runbook's secrets: what is missing is found before anything is done, not at the step that needs it.
fn secrets(context: &Context, compiled: &Compiled) -> Result<Arc<Vault>, CliError> {
    let vault = Vault::of(&compiled.runbook, &context.config.secret_sources);
    let mut diagnostics = Diagnostics::new();
    for (name, problem) in vault.missing() {
        let declared = compiled.runbook.params.iter().find(|p| p.name == name);
        let message = format!("secret `{name}` cannot be read: {}", problem.message);
        let diagnostic = match declared {
            Some(param) => Diagnostic::error("RB0731", param.span, message),
            None => Diagnostic::nowhere("RB0731", message),
        };
        diagnostics.push(diagnostic.help(match problem.help.as_str() {
            "" => String::from("`--offline` plans without secrets, and without looking at any host"),
            help => help.to_owned(),
        }));
    }
    if diagnostics.has_errors() {
        return Err(CliError::Texts(diagnostics, Box::new(compiled.sources.clone())));
    }
    Ok(Arc::new(vault))
}

fn limit(text: &str, inventory: &Inventory) -> Result<Vec<HostName>, CliError> {
    pattern::select(text, inventory).map_err(|message| {
        let d = Diagnostic::nowhere("RB0713", format!("--limit `{text}`: {message}"));
        CliError::Texts(d.into(), Box::default())
    })
}

/// A missing required parameter is asked for at a terminal; elsewhere the planner reports it.
fn ask_missing(context: &Context, compiled: &Compiled, given: &mut BTreeMap<String, String>) -> Result<(), CliError> {
    if !interactive(context.global.no_input) {
        return Ok(());
    }
    let asked = |p: &&Param| p.default.is_none() && p.kind != ParamKind::Secret;
    for param in compiled.runbook.params.iter().filter(asked) {
        if given.contains_key(&param.name) {
            continue;
        }
        let prompt = if param.description.is_empty() {
            param.name.clone()
        } else {
            format!("{} ({})", param.name, param.description)
        };
        let answer = crate::approval::terminal::text(&prompt).map_err(|e| CliError::Usage(format!("no answer: {e}")))?;
        given.insert(param.name.clone(), answer);
    }
    Ok(())
}

/// How to call the runbook again in a message.
#[must_use]
pub fn shown(runbook: &Path) -> String {
    crate::base::quote::show([runbook.to_string_lossy().as_ref()])
}
