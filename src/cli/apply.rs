//! `runbook apply`: plan, show, confirm, run, report.

use std::path::Path;
use std::time::Duration;

use super::arguments::{ApplyArguments, Format, PlanArguments};
use super::context::{Context, no_text};
use super::exit::{CliError, Exit};
use super::output::{err, interactive};
use super::plan::{self, Made};
use super::plan_output::meant;
use super::progress;
use super::saved::FromFile;
use crate::approval::terminal;
use crate::base::bound::UNCOUNTED_HOSTS;
use crate::base::sanitise::one_line;
use crate::config::Freeze;
use crate::model::action::Undo;
use crate::model::event::RunCreated;
use crate::model::plan::Plan;
use crate::report;
use crate::run::supervisor::Supervisor;
use crate::run::system;

/// What was said about the plan before it was made.
enum Said {
    /// Nothing: somebody is to confirm it.
    Nothing,
    /// It has this digest, or one that begins so.
    Digest(String),
    /// It is the one in this file.
    Plan(Box<FromFile>),
}

/// Applies a runbook.
///
/// # Errors
/// Invalid texts; a plan that is refused; a journal that takes nothing.
pub fn run(context: &Context, arguments: &ApplyArguments) -> Result<Exit, CliError> {
    let (said, options) = (said(context, arguments)?, &arguments.options);
    if let (true, Said::Nothing | Said::Digest(_), Some(runbook)) = (arguments.dry_run, &said, &arguments.runbook) {
        let arguments = PlanArguments {
            runbook: runbook.clone(),
            options: options.clone(),
        };
        return plan::run(context, &arguments);
    }
    let format = may_run(context, arguments)?;
    let wanted = match &said {
        Said::Plan(file) => file.wanted(context)?,
        _ => {
            let runbook = arguments.runbook.as_deref().unwrap_or(Path::new("-"));
            plan::wanted(context, context.compile(runbook)?, options)?
        }
    };
    let (made, opened) = plan::make_open(context, wanted)?;
    let drift = match &said {
        Said::Plan(file) => file.drift(context, &made),
        _ => None,
    };
    let asks = interactive(context.global.no_input) && format == Format::Text && !arguments.dry_run;
    if let (Said::Plan(file), Some(drift), false) = (&said, &drift, asks) {
        return Err(CliError::Refused(format!(
            "{drift}nothing was changed; plan again: {}",
            file.again(context)
        )));
    }
    if format == Format::Text || !made.plan.refusals.is_empty() || arguments.dry_run {
        plan::print(context, &made.plan, format);
    }
    if let Some(drift) = &drift {
        err(&format!("DRIFT: {drift}"));
    }
    if !made.plan.refusals.is_empty() {
        return Ok(Exit::Refused);
    }
    if arguments.dry_run {
        return Ok(Exit::Done);
    }
    let used = approved(context, (arguments.yes, format), &said, drift.is_some(), &made.plan)?;
    let supervisor = Supervisor {
        opened: Some(opened.connections()),
        vault: Some(opened.vault()),
        ..context.supervisor()?
    };
    let run = supervisor.create(created(arguments, made, used))?;
    progress::drive_on(
        opened.runtime(),
        context,
        &supervisor,
        run,
        progress::Options {
            force: false,
            detach: arguments.detach,
            format,
        },
    )
}

/// Somebody has said yes to this very plan, before or now; gives what the run is recorded to have used, where that counts once.
fn approved(context: &Context, (yes, format): (bool, Format), said: &Said, drifted: bool, plan: &Plan) -> Result<Option<String>, CliError> {
    match said {
        Said::Plan(file) => {
            // A new plan, and a new yes to it; the old one is spent with it.
            if drifted {
                confirm(plan)?;
            }
            Ok(Some(file.used_as()))
        }
        Said::Digest(wanted) => with_digest(context, wanted, plan).map(Some),
        Said::Nothing => {
            if !yes && !plan.nothing_to_do() {
                ask(context, format, plan)?;
            }
            Ok(None)
        }
    }
}

/// What stands between a command line and any run; gives the shape of what is printed.
fn may_run(context: &Context, arguments: &ApplyArguments) -> Result<Format, CliError> {
    let options = &arguments.options;
    let format = options.format()?;
    if let Some(file) = options.file()? {
        let name = one_line(&file.display().to_string(), 60);
        let hint = match file.to_str().and_then(meant) {
            Some(near) => format!("; did you mean `-o {near}`?"),
            None => format!("; `runbook plan -o {name}` saves one"),
        };
        return Err(CliError::Usage(format!("-o {name}: `apply` saves no plan{hint}")));
    }
    if options.offline {
        return Err(CliError::Usage(String::from(
            "--offline only plans; without looking at the hosts nothing is proved, and nothing is run",
        )));
    }
    if arguments.dry_run {
        return Ok(format);
    }
    let by = system::person();
    if let Some(freeze) = context.config.frozen(&by, context.clock().now()) {
        return Err(CliError::Refused(frozen(freeze, &by)));
    }
    not_too_many(context)?;
    Ok(format)
}

/// A file if there is one of that name, else a digest.
fn said(context: &Context, arguments: &ApplyArguments) -> Result<Said, CliError> {
    let Some(text) = &arguments.plan else { return Ok(Said::Nothing) };
    let (path, options) = (Path::new(text), &arguments.options);
    let shown = one_line(text, 80);
    if path.is_file() {
        if arguments.runbook.is_some() || !options.params.is_empty() || options.limit.is_some() {
            return Err(CliError::Usage(format!(
                "`{shown}` holds the whole plan: leave out the runbook, --param and --limit"
            )));
        }
        return Ok(Said::Plan(Box::new(FromFile::read(context, path)?)));
    }
    let digits = text.strip_prefix("sha256:").unwrap_or(text);
    if !digits.bytes().all(|b| b.is_ascii_hexdigit()) || digits.len() > 64 {
        return Err(no_text(
            "saved plan",
            path,
            "`runbook plan -o FILE RUNBOOK` saves one; a digest is hexadecimal",
        ));
    }
    if digits.len() < 8 {
        return Err(CliError::Usage(format!(
            "--plan expects a file, or at least eight digits of the digest, found `{shown}`"
        )));
    }
    if arguments.runbook.is_none() {
        return Err(CliError::Usage(format!(
            "there is no file `{shown}`, and a digest alone does not say of which runbook: runbook apply --plan {shown} RUNBOOK"
        )));
    }
    Ok(Said::Digest(digits.to_ascii_lowercase()))
}

fn frozen(freeze: &Freeze, by: &str) -> String {
    let except = match freeze.except.as_slice() {
        [] => String::from("nobody is excepted"),
        names => format!("excepted are {}, and {by} is none of them", names.join(", ")),
    };
    format!(
        "nothing is applied until {}: {} (`freeze` of the configuration; {except}); `plan` and `resume` work",
        freeze.until,
        one_line(&freeze.reason, 200)
    )
}

/// A storm of alerts, or a script gone wild, ends here.
fn not_too_many(context: &Context) -> Result<(), CliError> {
    const HOUR: Duration = Duration::from_secs(3600);
    let Some(most) = context.config.limits.runs_per_hour else {
        return Ok(());
    };
    let now = context.clock().now();
    let latest = context.journal()?.runs(most)?;
    match latest.get(most - 1) {
        Some(run) if now.since(run.created_at) < HOUR => Err(CliError::Refused(format!(
            "{most} runs were started within the last hour, and `limits.runs_per_hour` allows no more; the next may start at {}",
            run.created_at.after(HOUR)
        ))),
        _ => Ok(()),
    }
}

fn created(arguments: &ApplyArguments, made: Made, used_plan: Option<String>) -> RunCreated {
    RunCreated {
        uid: system::new_uid(),
        runbook: made.compiled.runbook.name.clone(),
        sources: made.compiled.sources,
        inventory: made.inventory,
        params: made.params,
        plan: made.plan,
        by: system::person(),
        reason: arguments.reason.clone(),
        gate: arguments.gate.is_some(),
        used_plan,
    }
}

/// The plan is the one with that digest, and nobody has used it; gives what its use is recorded as.
fn with_digest(context: &Context, wanted: &str, plan: &Plan) -> Result<String, CliError> {
    if !plan.digest.starts_with(wanted) {
        return Err(CliError::Refused(format!(
            "the plan is no longer the one with digest {wanted}: it is now {}. Nothing was changed; look at the new plan \
             (`runbook plan -o FILE` saves one, and `apply --plan FILE` then says what differs)",
            &plan.digest[..12]
        )));
    }
    let used = format!("digest {}", plan.digest);
    let journal = context.journal_so_far()?;
    match journal.map(|j| j.run_of_plan(&used)).transpose()?.flatten() {
        Some(run) => Err(CliError::Refused(format!(
            "the digest {wanted} was used already, by run {run} (runbook show {}), and it is used once. Nothing was changed; to do the \
             same again, confirm it anew: at the terminal, with --yes, or as a new plan with `runbook plan -o FILE`",
            run.0
        ))),
        None => Ok(used),
    }
}

/// A person says yes to this very plan at the terminal.
fn ask(context: &Context, format: Format, plan: &Plan) -> Result<(), CliError> {
    if interactive(context.global.no_input) && format == Format::Text {
        return confirm(plan);
    }
    let short = plan.digest.get(..12).unwrap_or(&plan.digest);
    Err(CliError::Usage(format!(
        "nobody can be asked here: confirm with --yes, or run exactly this plan with --plan {short}"
    )))
}

/// What cannot be undone, or reaches many hosts, is not confirmed by the habit of a single key.
fn confirm(plan: &Plan) -> Result<(), CliError> {
    let hosts = plan.changed_hosts().len();
    let no_return = plan
        .nodes
        .iter()
        .any(|n| n.section.is_work() && n.may_change() && n.undo == Undo::Impossible);
    err(&format!("{}\n", report::plan::total(plan)));
    let answer = if hosts > 0 && (no_return || hosts > UNCOUNTED_HOSTS) {
        let why = if no_return {
            "This cannot all be undone"
        } else {
            "This reaches many hosts"
        };
        terminal::text(&format!("{why}. To run this plan, type the number of hosts to change"))
            .map(|typed| typed.trim() == hosts.to_string())
    } else {
        terminal::confirm("Run this plan?")
    };
    match answer {
        Ok(true) => Ok(()),
        Ok(false) => Err(CliError::Refused(String::from("not confirmed; nothing was changed"))),
        Err(error) => Err(CliError::Usage(format!("no answer: {error}"))),
    }
}
