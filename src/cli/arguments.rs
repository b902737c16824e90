//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use super::plan_output::PlanOutput;
use crate::lab::LabCommand;

/// Remediation runbooks: checked, previewed, approved, recorded and reversible changes over plain SSH
#[derive(Debug, Parser)]
#[command(
    name = "runbook",
    version,
    about,
    max_term_width = 110,
    after_help = "Exit codes: `runbook explain exit-codes`."
)]
pub struct Arguments {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Flags of every command.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// Inventory file or folder; may be repeated [default: from the configuration, else inventory/]
    #[arg(short, long, global = true, env = "RUNBOOK_INVENTORY", value_delimiter = ':', value_name = "PATH")]
    pub inventory: Vec<PathBuf>,
    /// Configuration file [default: runbook.config.yaml here or above, else the user's, else /etc/runbook/config.yaml]
    #[arg(long, global = true, env = "RUNBOOK_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Journal file [default: runbook/journal.sqlite3 in the user's state directory]
    #[arg(long, global = true, env = "RUNBOOK_JOURNAL", value_name = "FILE")]
    pub journal: Option<PathBuf>,
    /// When to use colour
    #[arg(long, global = true, default_value = "auto", value_name = "WHEN")]
    pub color: ColorWhen,
    /// Never ask
    #[arg(long, global = true)]
    pub no_input: bool,
    /// Log what the program itself does to stderr; twice for more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Shapes of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// One JSON document
    Json,
    /// One JSON object a line, as things happen
    Ndjson,
    /// Annotations and Markdown for a pull request
    Github,
}

/// Shapes of what `test` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TestFormat {
    /// For people
    Text,
    /// One JSON document
    Json,
    /// XML for build servers
    Junit,
}

/// Kinds of files that have a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SchemaOf {
    /// NAME.yaml
    Runbook,
    /// NAME.test.yaml
    Test,
    /// runbook.config.yaml
    Config,
    /// Inventories
    Inventory,
    /// What `plan -o json` prints
    Plan,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a first runbook, an inventory and a configuration; asks nothing, overwrites nothing
    Init {
        /// Where
        #[arg(default_value = ".")]
        folder: PathBuf,
    },
    /// Check runbooks, inventories and configurations; touches no host
    Validate(super::validate::ValidateArguments),
    /// Bring runbooks and inventories into the canonical layout; changes nothing of what they say
    Fmt(super::fmt::FmtArguments),
    /// Preview: what would be done, on which hosts, and what that means for the pools
    Plan(PlanArguments),
    /// Do it: plan, confirm, run
    Apply(ApplyArguments),
    /// Take up a run that was interrupted, or that still owes something
    Resume {
        /// Run number; may be left out when just one run was interrupted
        run: Option<crate::base::id::RunId>,
        /// Take it from a controller that seems to be alive
        #[arg(long)]
        force: bool,
        #[arg(short, long, default_value = "text")]
        output: Format,
    },
    /// Say yes to a run that asks
    Approve(AnswerArguments),
    /// Say no to a run that asks
    Deny(AnswerArguments),
    /// Say that what a run asked a person to do is done
    Done(DoneArguments),
    /// Say that what a run asked a person to do cannot be done, or has failed
    Failed {
        /// Run number
        run: crate::base::id::RunId,
        /// The step, if the run waits at several
        step: Option<String>,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// Ask a run to stop: it gives back what it has taken
    Cancel {
        /// Run number
        run: crate::base::id::RunId,
    },
    /// List runs
    Runs {
        /// At most so many
        #[arg(long, default_value_t = 20)]
        limit: usize,
        #[arg(short, long, default_value = "text")]
        output: Format,
    },
    /// Show a run: how it ended and its timeline
    Show {
        /// Run number
        run: crate::base::id::RunId,
        #[arg(short, long, default_value = "text")]
        output: Format,
    },
    /// Show what the steps of a run wrote
    Logs {
        /// Run number
        run: crate::base::id::RunId,
        /// Only this step
        #[arg(long)]
        step: Option<String>,
        /// Only steps that failed
        #[arg(long)]
        failed: bool,
        #[arg(short, long, default_value = "text")]
        output: Format,
    },
    /// Show the pools: who is in, who is out, since when, owned by whom
    Status {
        /// Only this pool
        pool: Option<String>,
        #[arg(short, long, default_value = "text")]
        output: Format,
    },
    /// What was taken and not given back
    Obligations {
        #[command(subcommand)]
        command: Option<ObligationCommand>,
        #[arg(short, long, default_value = "text")]
        output: Format,
    },
    /// Hosts, groups and pools
    Inventory {
        #[command(subcommand)]
        command: InventoryCommand,
    },
    /// Draw a runbook: its steps, what each waits for, loops, gates and what is owed
    Graph(GraphArguments),
    /// Explain a code, an action, the language; without a topic, list the codes
    Explain {
        /// RB0102, action [NAME], language [KEY], expression, text, pattern, exit-codes
        topic: Option<String>,
        /// The action's or the key's name
        name: Option<String>,
    },
    /// Test runbooks against simulated fleets; touches no host
    Test {
        /// Runbooks, their NAME.test.yaml, or folders [default: runbooks/]
        files: Vec<PathBuf>,
        /// Only cases whose name holds this
        #[arg(long, default_value = "", hide_default_value = true, value_name = "NAME")]
        filter: String,
        #[arg(short, long, default_value = "text")]
        output: TestFormat,
    },
    /// Print a JSON Schema (draft-07), for editors
    Schema {
        /// Of what
        #[arg(default_value = "runbook")]
        of: SchemaOf,
    },
    /// The configuration that counts
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Check this machine: ssh, journal, configuration, and every host of the inventory
    Doctor {
        #[arg(short, long, default_value = "text")]
        output: Format,
    },
    /// The practice fleet: a real sshd, HAProxy and web servers on loopback
    #[command(subcommand)]
    Lab(LabCommand),
    /// Show the incident and the recovery on the practice fleet
    Demo(super::demo::DemoArguments),
    /// Print completions for a shell
    Completions {
        /// bash, zsh, fish, …
        shell: clap_complete::Shell,
    },
}

/// Which plan.
#[derive(Clone, Debug, Args)]
pub struct PlanArguments {
    /// Runbook: a file, `-`, or a name in runbooks/; or a saved plan, to look at it again
    pub runbook: PathBuf,
    #[command(flatten)]
    pub options: PlanOptions,
}

/// What a plan is made of, beside the runbook.
#[derive(Clone, Debug, Default, Args)]
pub struct PlanOptions {
    /// Set a parameter; may be repeated
    #[arg(short, long = "param", value_name = "NAME=VALUE")]
    pub params: Vec<String>,
    /// Only these hosts (a pattern)
    #[arg(long, value_name = "PATTERN")]
    pub limit: Option<String>,
    /// Do not touch any host: what needs a look is known at run time
    #[arg(long)]
    pub offline: bool,
    /// Exit with 2 when there is something to do
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// text, json, ndjson, markdown (or github); anything else is a file, in which the plan is saved for `apply --plan`. One of
    /// each may be given [default: text]
    #[arg(short, long, value_name = "FORMAT|FILE")]
    pub output: Vec<PlanOutput>,
}

/// What a run is made of.
#[derive(Clone, Debug, Args)]
pub struct ApplyArguments {
    /// Runbook: a file, `-`, or a name in runbooks/; a saved plan needs none
    #[arg(required_unless_present = "plan")]
    pub runbook: Option<PathBuf>,
    #[command(flatten)]
    pub options: PlanOptions,
    /// Only preview (same as `runbook plan`)
    #[arg(long)]
    pub dry_run: bool,
    /// Confirm without asking; answers no approval and no guard
    #[arg(short, long)]
    pub yes: bool,
    /// Run exactly this plan, once: a file that `plan -o FILE` has saved, or the digest (eight digits of it or more) of RUNBOOK's
    /// plan as it was printed
    #[arg(long, value_name = "FILE|DIGEST")]
    pub plan: Option<String>,
    /// Ask for approval before the first change
    #[arg(long, value_name = "KIND")]
    pub gate: Option<Gate>,
    /// Exit with 6 when an approval is asked for; `resume` goes on after the answer
    #[arg(long)]
    pub detach: bool,
    /// Why; goes into the record
    #[arg(long)]
    pub reason: Option<String>,
}

/// Gates before a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Gate {
    /// A person approves before the first change
    Approve,
}

/// An answer to a question.
#[derive(Clone, Debug, Args)]
pub struct AnswerArguments {
    /// Run number
    pub run: crate::base::id::RunId,
    /// The question, if the run asks several
    pub gate: Option<String>,
    /// The digest of the plan you have seen; refused if the run asks about another
    #[arg(long)]
    pub digest: Option<String>,
    /// Why
    #[arg(long)]
    pub reason: Option<String>,
}

/// What a person has done.
#[derive(Clone, Debug, Args)]
pub struct DoneArguments {
    /// Run number
    pub run: crate::base::id::RunId,
    /// The step, if the run waits at several
    pub step: Option<String>,
    /// What you found out, by the fields that the step declares; may be repeated
    #[arg(long = "field", value_name = "NAME=VALUE")]
    pub fields: Vec<String>,
    /// What else there is to say
    #[arg(long)]
    pub reason: Option<String>,
}

/// What to do about obligations.
#[derive(Clone, Debug, Subcommand)]
pub enum ObligationCommand {
    /// List open obligations, or all
    List {
        /// Closed ones too
        #[arg(long)]
        all: bool,
    },
    /// Show one
    Show {
        /// 12.1
        id: String,
    },
    /// Give back now: run the guard, then the step that returns
    Discharge {
        /// 12.1
        id: String,
    },
    /// Declare that it need not be given back
    Waive {
        /// 12.1
        id: String,
        /// Why; goes into the record
        #[arg(long)]
        reason: String,
    },
}

/// Parts of the inventory.
#[derive(Clone, Debug, Subcommand)]
pub enum InventoryCommand {
    /// Hosts, groups and pools
    List {
        #[arg(short, long, default_value = "text")]
        output: Format,
    },
    /// Groups as a tree
    Graph {
        #[arg(short, long, default_value = "text")]
        output: Format,
    },
    /// The hosts a pattern means
    Hosts {
        /// webservers:!web-01
        pattern: String,
        #[arg(short, long, default_value = "text")]
        output: Format,
    },
}

/// Parts of the configuration.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum ConfigCommand {
    /// Every setting that counts; secrets are named, never shown
    Show {
        /// Also where each comes from: a flag, the environment, a file and its line, or the default
        #[arg(long)]
        origin: bool,
        #[arg(short, long, default_value = "text")]
        output: Format,
    },
}

/// What is drawn.
#[derive(Clone, Debug, Args)]
pub struct GraphArguments {
    /// Runbook: a file, `-`, or a name in runbooks/
    pub runbook: PathBuf,
    /// Draw the plan: every step on every host, in every turn; made offline
    #[arg(long)]
    pub plan: bool,
    /// Set a parameter of the plan
    #[arg(short, long = "param", value_name = "NAME=VALUE")]
    pub params: Vec<String>,
    #[arg(short, long, default_value = "dot")]
    pub output: GraphFormat,
}

/// Graph languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GraphFormat {
    /// A picture, for light and dark pages
    Svg,
    /// Graphviz
    Dot,
    /// Mermaid
    Mermaid,
}
