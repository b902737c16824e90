//! `runbook apply`: plan, show, confirm, run, report.

use std::time::Duration;

use super::arguments::{ApplyArguments, Format};
use super::context::Context;
use super::exit::{CliError, Exit};
use super::output::{err, interactive};
use super::plan::{self, Made};
use super::progress;
use crate::approval::terminal;
use crate::base::sanitise::one_line;
use crate::config::Freeze;
use crate::model::event::RunCreated;
use crate::model::plan::Plan;
use crate::report;
use crate::run::supervisor::Supervisor;
use crate::run::system;

/// Applies a runbook.
///
/// # Errors
/// Invalid texts; a plan that is refused; a journal that takes nothing.
pub fn run(context: &Context, arguments: &ApplyArguments) -> Result<Exit, CliError> {
    if arguments.plan.offline {
        return Err(CliError::Usage(String::from(
            "--offline only plans; without looking at the hosts nothing is proved, and nothing is run",
        )));
    }
    let by = system::person();
    if let Some(freeze) = context.config.frozen(&by, context.clock().now()) {
        return Err(CliError::Refused(frozen(freeze, &by)));
    }
    not_too_many(context)?;
    let (made, opened) = plan::make_open(context, &arguments.plan)?;
    let format = arguments.plan.output;
    if format == Format::Text {
        plan::print(context, &made.plan, format);
    }
    if !made.plan.refusals.is_empty() {
        if format != Format::Text {
            plan::print(context, &made.plan, format);
        }
        return Ok(Exit::Refused);
    }
    confirm(context, arguments, &made.plan)?;
    let supervisor = Supervisor {
        opened: Some(opened.connections()),
        vault: Some(opened.vault()),
        ..context.supervisor()?
    };
    let run = supervisor.create(created(arguments, made, by))?;
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

fn created(arguments: &ApplyArguments, made: Made, by: String) -> RunCreated {
    RunCreated {
        uid: system::new_uid(),
        runbook: made.compiled.runbook.name.clone(),
        sources: made.compiled.sources,
        inventory: made.inventory,
        params: made.params,
        plan: made.plan,
        by,
        reason: arguments.reason.clone(),
        gate: arguments.gate.is_some(),
    }
}

/// A person says yes to this very plan: by its digest, by `--yes`, or at the terminal.
fn confirm(context: &Context, arguments: &ApplyArguments, plan: &Plan) -> Result<(), CliError> {
    if let Some(wanted) = &arguments.digest {
        let wanted = wanted.strip_prefix("sha256:").unwrap_or(wanted);
        if wanted.len() < 8 {
            return Err(CliError::Usage(format!(
                "--plan expects at least eight digits of the digest, found `{wanted}`"
            )));
        }
        if plan.digest.starts_with(wanted) {
            return Ok(());
        }
        let words = format!(
            "the plan is no longer the one with digest {wanted}: it is now {}. Nothing was changed; look at the new plan",
            &plan.digest[..12]
        );
        return Err(CliError::Refused(words));
    }
    if arguments.yes || plan.nothing_to_do() {
        return Ok(());
    }
    if !interactive(context.global.no_input) || arguments.plan.output != Format::Text {
        let short = plan.digest.get(..12).unwrap_or(&plan.digest);
        return Err(CliError::Usage(format!(
            "nobody can be asked here: confirm with --yes, or run exactly this plan with --plan {short}"
        )));
    }
    err(&format!("{}\n", report::plan::total(plan)));
    match terminal::confirm("Run this plan?") {
        Ok(true) => Ok(()),
        Ok(false) => Err(CliError::Refused(String::from("not confirmed; nothing was changed"))),
        Err(error) => Err(CliError::Usage(format!("no answer: {error}"))),
    }
}
