//! Runs this very program as a person would: its own process, its own arguments, the demo's inventory, journal and configuration.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::interrupt::{Halt, Interrupt};
use crate::cli::exit::CliError;
use crate::cli::output::out;

/// More than any of these commands prints.
const MOST_OUTPUT: u64 = 1 << 20;
/// For a run that was asked to stop: it gives back what it has taken.
const GRACE: Duration = Duration::from_secs(20);
/// Pause between two looks at a child.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How commands of the demo are started.
#[derive(Clone, Debug)]
pub(super) struct Program {
    /// This program.
    pub path: PathBuf,
    /// Environment of every command.
    pub environment: Vec<(&'static str, PathBuf)>,
    /// Whether commands may colour.
    pub color: bool,
}

/// A command under way; dropping it ends it.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    stdout: Option<JoinHandle<String>>,
    shown: String,
}

/// What a command left.
#[derive(Debug)]
pub(super) struct Done {
    /// Its exit code; -1 when a signal ended it.
    pub code: i32,
    /// What it wrote to standard output.
    pub stdout: String,
}

impl Program {
    /// Starts a command; at a terminal it may ask.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start(&self, arguments: &[&str], may_ask: bool) -> Result<Running, CliError> {
        let shown = crate::base::quote::show(std::iter::once("runbook").chain(arguments.iter().copied()));
        out(&format!("$ {shown}\n"));
        let mut child = Command::new(&self.path)
            .args(arguments)
            .args(["--color", if self.color { "always" } else { "never" }])
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(if may_ask { Stdio::inherit() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().map(|pipe| std::thread::spawn(move || read(pipe)));
        Ok(Running { child, stdout, shown })
    }

    /// Runs a command to its end.
    ///
    /// # Errors
    /// It cannot be started, does not end in time, or somebody interrupts.
    pub fn run(&self, arguments: &[&str], interrupt: &Interrupt) -> Result<Done, Halt> {
        let running = self.start(arguments, false)?;
        running.finish(Instant::now() + Duration::from_secs(60), interrupt, || Ok(()))
    }
}

impl Running {
    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the end; does something between two looks.
    ///
    /// # Errors
    /// The deadline passed, somebody interrupted, `between` failed: the command is ended then.
    pub fn finish(mut self, deadline: Instant, interrupt: &Interrupt, mut between: impl FnMut() -> Result<(), Halt>) -> Result<Done, Halt> {
        loop {
            if let Some(status) = self.child.try_wait()? {
                let stdout = self.stdout.take().and_then(|reader| reader.join().ok()).unwrap_or_default();
                let code = status.code().unwrap_or(-1);
                return Ok(Done { code, stdout });
            }
            interrupt.check()?;
            if Instant::now() >= deadline {
                return Err(Halt::Failed(format!("`{}` did not end in time", self.shown)));
            }
            between()?;
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
            let end = Instant::now() + GRACE;
            while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < end {
                std::thread::sleep(LOOK_EVERY);
            }
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Reads to the end, so that the child never blocks; keeps the beginning.
fn read(mut pipe: ChildStdout) -> String {
    let mut bytes = Vec::new();
    let _ = pipe.by_ref().take(MOST_OUTPUT).read_to_end(&mut bytes);
    let _ = std::io::copy(&mut pipe, &mut std::io::sink());
    String::from_utf8_lossy(&bytes).into_owned()
}
