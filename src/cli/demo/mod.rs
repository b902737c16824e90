//! `runbook demo`: the incident and the recovery on the practice fleet, judged by requests through the balancer.
//!
//! Every command is this program in a process of its own, as a person would type it. The verdict comes from what users got,
//! never from what a run says of itself.

mod child;
mod interrupt;
mod place;
mod scenes;
mod users;
mod verdict;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::exit::{CliError, Exit};
use super::output::{Colors, err, out};
use crate::lab::{Fleet, Incident, Options, Variant};
use child::Program;
use interrupt::{Halt, Interrupt};
use place::Place;

/// Flags of the demo.
#[derive(Debug, clap::Args)]
pub struct DemoArguments {
    /// How the other server is out of the pool
    #[arg(long, value_enum, default_value_t = Variant::Runtime)]
    variant: Variant,
    /// The balancer's health check passes although users get 500, as a check of the wrong page does
    #[arg(long)]
    shallow_health: bool,
    /// Leave the fleet up
    #[arg(long)]
    keep: bool,
}

/// The runbook as it was when this program was built, for a demo outside of the repository.
const RUNBOOK: &str = include_str!("../../../runbooks/recover-master.yaml");
/// The cure that comes to mind first.
const OBVIOUS: &str = include_str!("obvious-cure.yaml");
/// Nothing of the user's own configuration counts here.
const CONFIG: &str = "# The demo's configuration: everything comes from the environment.\n";

/// Runs the demo.
///
/// # Errors
/// The fleet cannot be brought up or taken down.
pub fn run(arguments: &DemoArguments, colors: Colors) -> Result<Exit, CliError> {
    let started = Instant::now();
    let interrupt = Interrupt::listen()?;
    let place = Place::make()?;
    let mut fleet = None;
    let verdict = play(arguments, colors, &place, &interrupt, &mut fleet);
    let left = take_down(arguments.keep, fleet, place);
    let took = started.elapsed().as_secs();
    match (verdict, left) {
        (Err(Halt::Error(error)), _) | (_, Err(error)) => Err(error),
        (Err(Halt::Interrupted), Ok(())) => {
            err("demo: interrupted; nothing of it is left\n");
            Ok(Exit::Cancelled)
        }
        (Err(Halt::Failed(why)), Ok(())) => {
            out(&format!("\ndemo: FAILED after {took} s: {why}\n"));
            Ok(Exit::Failed)
        }
        (Ok(verdict), Ok(())) => {
            out(&format!("\n{verdict}demo: OK, {took} s\n"));
            Ok(Exit::Done)
        }
    }
}

/// Whatever happens, whoever called takes the fleet down.
fn play(
    arguments: &DemoArguments,
    colors: Colors,
    place: &Place,
    interrupt: &Interrupt,
    started: &mut Option<Fleet>,
) -> Result<String, Halt> {
    out("A practice fleet on loopback: a balancer and two web servers, with a real HAProxy, sshd and application each.\n");
    let options = Options {
        dir: Some(place.path("fleet")),
        ..Options::default()
    };
    let fleet = started.insert(Fleet::up(options)?);
    let stage = prepare(place, fleet, colors)?;
    let incident = Incident::OomMaster {
        variant: arguments.variant,
        balance: crate::lab::Balance::Source,
        shallow_health: arguments.shallow_health,
    };
    scenes::play(&stage, fleet, incident, place, interrupt)
}

/// What the scenes need beside the fleet.
#[derive(Debug)]
struct Stage {
    program: Program,
    journal: PathBuf,
    runbook: String,
    obvious: String,
}

fn prepare(place: &Place, fleet: &Fleet, colors: Colors) -> Result<Stage, CliError> {
    let write = |name: &str, text: &str| -> Result<PathBuf, CliError> {
        let path = place.path(name);
        std::fs::write(&path, text)?;
        Ok(path)
    };
    let journal = place.path("journal.sqlite3");
    let runbook = match shipped_runbook() {
        Some(path) => path,
        None => write("recover-master.yaml", RUNBOOK)?,
    };
    Ok(Stage {
        program: Program {
            path: std::env::current_exe()?,
            environment: vec![
                ("RUNBOOK_INVENTORY", fleet.inventory()),
                ("RUNBOOK_JOURNAL", journal.clone()),
                ("RUNBOOK_CONFIG", write("runbook.config.yaml", CONFIG)?),
            ],
            color: colors.out,
        },
        journal,
        runbook: runbook.display().to_string(),
        obvious: write("obvious-cure.yaml", OBVIOUS)?.display().to_string(),
    })
}

/// The runbook of the repository that this was started in, shown by the shortest name.
fn shipped_runbook() -> Option<PathBuf> {
    let name = Path::new("runbooks/recover-master.yaml");
    if name.is_file() {
        return Some(name.to_owned());
    }
    let here = std::env::current_dir().ok()?;
    let root = here.ancestors().find(|dir| dir.join(".git").exists())?;
    Some(root.join(name)).filter(|path| path.is_file())
}

fn take_down(keep: bool, fleet: Option<Fleet>, place: Place) -> Result<(), CliError> {
    let Some(fleet) = fleet else { return place.remove() };
    if keep {
        let exports = [
            ("RUNBOOK_INVENTORY", fleet.inventory()),
            ("RUNBOOK_JOURNAL", place.path("journal.sqlite3")),
        ];
        let exports = exports.map(|(name, path)| format!("  export {name}={}\n", path.display())).concat();
        let dir = fleet.keep();
        out(&format!(
            "\nThe fleet stays up. To use it:\n{exports}To end it:\n  runbook lab down --dir {}\n",
            dir.display()
        ));
        return place.keep();
    }
    fleet.down()?;
    place.remove()
}

/// How long the users ask at most: a person may think about the approval.
const LONGEST: Duration = Duration::from_secs(30 * 60);
