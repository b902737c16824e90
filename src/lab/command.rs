//! `runbook lab …`: arguments and what is printed.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use super::app::{self, AppArgs};
use super::fleet::{Fleet, Options};
use super::incident::Incident;
use super::layout::{Layout, MASTER};
use super::load::{Load, LoadOptions, LoadReport, MOST_PER_SECOND};
use super::lock::lock;
use super::{LabError, balancer, deadline, end};

/// The practice fleet: a real sshd, HAProxy and web servers on loopback, without root
#[derive(Clone, Debug, clap::Subcommand)]
pub enum LabCommand {
    /// Start a healthy fleet, or reset the one that runs
    Up {
        #[command(flatten)]
        place: Place,
        /// Number of web servers
        #[arg(long, default_value_t = 2, value_name = "N")]
        web: usize,
        /// Let HAProxy keep server states over a reload by itself
        #[arg(long)]
        server_state_file: bool,
    },
    /// Break the fleet as in an incident
    Break {
        #[command(flatten)]
        place: Place,
        #[command(subcommand)]
        incident: Incident,
    },
    /// Send requests through the balancer and count what users see
    Load {
        #[command(flatten)]
        place: Place,
        /// How long
        #[arg(long = "for", default_value = "10s", value_parser = crate::base::clock::parse_duration, value_name = "DURATION")]
        lasting: Duration,
        /// Requests per second
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_PER_SECOND)), value_name = "N")]
        per_second: u32,
        /// Path to ask for; `/login` costs the server memory
        #[arg(long, default_value = "/", value_parser = plain_path)]
        path: String,
        #[command(flatten)]
        format: Format,
    },
    /// Show hosts, services, memory and what HAProxy says
    Status {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        format: Format,
    },
    /// End everything and remove the fleet's directory
    Down {
        #[command(flatten)]
        place: Place,
    },
    /// The web application of the fleet
    #[command(hide = true)]
    App(AppArgs),
    /// Write HAProxy's server states to a file, before a reload
    #[command(hide = true)]
    SaveStates {
        /// HAProxy's runtime socket
        socket: PathBuf,
        /// Where to write
        file: PathBuf,
    },
}

/// Which fleet.
#[derive(Clone, Debug, clap::Args)]
pub struct Place {
    /// The fleet's directory [default: runbook/lab in the user's state directory]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// How to print.
#[derive(Clone, Debug, clap::Args)]
pub struct Format {
    /// Output for people or for programs
    #[arg(short, long, value_enum, default_value_t = Output::Text, value_name = "FORMAT")]
    output: Output,
}

/// Output formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// Lines for people
    Text,
    /// One JSON document
    Json,
}

/// Carries out one command. Blocks; the hidden `app` never returns while it serves.
///
/// # Errors
/// A sentence for a person, with the remedy.
pub fn run(command: LabCommand) -> Result<(), LabError> {
    match command {
        LabCommand::Up {
            place,
            web,
            server_state_file,
        } => up(Options {
            dir: place.dir,
            web,
            server_state_file,
            program: None,
        }),
        LabCommand::Break { place, incident } => {
            let told = Fleet::open(place.dir)?.break_it(incident)?;
            print(&told.into_iter().map(|line| format!("broken: {line}\n")).collect::<String>())
        }
        LabCommand::Load {
            place,
            lasting,
            per_second,
            path,
            format,
        } => {
            let at = Fleet::open(place.dir)?.site();
            load(
                LoadOptions {
                    at,
                    path,
                    per_second,
                    lasting,
                },
                format.output,
            )
        }
        LabCommand::Status { place, format } => {
            let status = Fleet::open(place.dir)?.status();
            print(&match format.output {
                Output::Text => status.to_string(),
                Output::Json => json(&status),
            })
        }
        LabCommand::Down { place } => down(place.dir),
        LabCommand::App(args) => app::run(args),
        LabCommand::SaveStates { socket, file } => balancer::save_states(&socket, &file),
    }
}

fn up(options: Options) -> Result<(), LabError> {
    let dir = options.dir.as_ref().map(|d| format!(" --dir {}", d.display())).unwrap_or_default();
    let fleet = Fleet::up(options)?;
    let text = format!(
        "{status}\nnext:\n  runbook lab break{dir} oom-master      break it as in the incident ({MASTER} out of memory)\n  \
         runbook lab load{dir} --for 10s       see what users see\n  runbook plan -i {inventory} runbooks/recover-master.yaml\n  \
         runbook apply -i {inventory} runbooks/recover-master.yaml\n  runbook lab up{dir}                    reset to healthy\n  \
         runbook lab down{dir}                  end it and remove everything\n",
        status = fleet.status(),
        inventory = fleet.inventory().display(),
    );
    fleet.keep();
    print(&text)
}

fn down(dir: Option<PathBuf>) -> Result<(), LabError> {
    match Fleet::open(dir.clone()) {
        Ok(fleet) => {
            let place = fleet.layout().dir().display().to_string();
            fleet.down()?;
            print(&format!("ended; nothing of the fleet in {place} is left\n"))
        }
        // A command killed at its very beginning leaves a directory without a state file.
        Err(LabError::NoFleet { dir: absent }) => {
            let layout = Layout::at(dir.as_deref())?;
            if !layout.dir().exists() {
                return Err(LabError::NoFleet { dir: absent });
            }
            let _lock = lock(&layout)?;
            end::clear(&layout)?;
            print(&format!("there was no fleet in {}\n", layout.dir().display()))
        }
        Err(e) => Err(e),
    }
}

fn load(options: LoadOptions, output: Output) -> Result<(), LabError> {
    let seconds = options.lasting.as_secs();
    let load = Load::start(options);
    if output == Output::Json {
        let report = load.finish();
        let document =
            serde_json::json!({ "schema": "runbook.lab-load/1", "ok": report.ok(), "failed": report.failed(), "report": report });
        return print(&json(&document));
    }
    for second in 1..=seconds {
        // One line when a second has passed and its answers had time to come in.
        let passed = || {
            if load.is_over() || load.so_far().buckets.len() as u64 > second * 10 {
                Ok(())
            } else {
                Err(String::new())
            }
        };
        if deadline::until("a second of load", Duration::from_secs(5), passed).is_err() && load.is_over() {
            break;
        }
        print(&second_line(&load.so_far(), second))?;
    }
    print(&summary(&load.finish()))
}

fn second_line(report: &LoadReport, second: u64) -> String {
    let within = report.buckets.iter().filter(|b| b.at_ms / 1000 == second - 1);
    let (ok, failed) = within.fold((0, 0), |(ok, failed), b| (ok + b.ok, failed + b.failed));
    format!("{second:>4}s  {ok:>5} ok  {failed:>5} failed\n")
}

fn summary(report: &LoadReport) -> String {
    let (ok, failed) = (report.ok(), report.failed());
    #[allow(clippy::cast_precision_loss)]
    let percent = 100.0 * ok as f64 / (ok + failed).max(1) as f64;
    let mut text = format!("success {percent:.1} %: {ok} ok, {failed} failed\n");
    for (server, count) in &report.by_server {
        text.push_str(&format!("  {server}  {count} answers, {:.0} %\n", report.share_percent(server)));
    }
    for (kind, count) in &report.failures {
        text.push_str(&format!("  failed with {kind}: {count}\n"));
    }
    text
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(value).expect("the lab's reports have only string keys") + "\n"
}

/// The path goes into a request as it is.
fn plain_path(text: &str) -> Result<String, String> {
    if text.starts_with('/') && text.chars().all(|c| c.is_ascii_graphic()) {
        return Ok(text.to_owned());
    }
    Err(String::from("expected a path such as `/` or `/login`, without spaces"))
}

fn print(text: &str) -> Result<(), LabError> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // The reader has seen enough.
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(LabError::file("write to", "standard output".as_ref())),
    }
}
