//! Ctrl-C, SIGTERM and SIGHUP as a wish: every wait of the demo looks at it, so that the fleet is taken down in every case.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};

use crate::cli::exit::CliError;
use crate::lab::LabError;

/// Why the demo ends before its end.
#[derive(Debug)]
pub(super) enum Halt {
    /// A person or the system asked it to.
    Interrupted,
    /// Something is not as it must be.
    Failed(String),
    /// Files, processes, the fleet.
    Error(CliError),
}

impl From<CliError> for Halt {
    fn from(error: CliError) -> Halt {
        Halt::Error(error)
    }
}

impl From<LabError> for Halt {
    fn from(error: LabError) -> Halt {
        Halt::Error(error.into())
    }
}

impl From<std::io::Error> for Halt {
    fn from(error: std::io::Error) -> Halt {
        Halt::Error(error.into())
    }
}

/// Whether somebody asked to stop.
#[derive(Debug)]
pub(super) struct Interrupt {
    wished: Arc<AtomicBool>,
    _listener: tokio::runtime::Runtime,
}

impl Interrupt {
    /// Listens from now on.
    ///
    /// # Errors
    /// The system grants no threads or signals.
    pub fn listen() -> Result<Interrupt, CliError> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let wished = Arc::new(AtomicBool::new(false));
        for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
            let mut signals = {
                let _inside = runtime.enter();
                signal(kind)?
            };
            let wished = wished.clone();
            runtime.spawn(async move {
                while signals.recv().await.is_some() {
                    wished.store(true, Ordering::SeqCst);
                }
            });
        }
        Ok(Interrupt {
            wished,
            _listener: runtime,
        })
    }

    /// Fails when somebody asked to stop.
    ///
    /// # Errors
    /// Then.
    pub fn check(&self) -> Result<(), Halt> {
        if self.wished.load(Ordering::SeqCst) {
            Err(Halt::Interrupted)
        } else {
            Ok(())
        }
    }

    /// Lets time pass; does something between two looks.
    ///
    /// # Errors
    /// Somebody asked to stop.
    pub fn pass(&self, span: Duration, mut between: impl FnMut()) -> Result<(), Halt> {
        let end = Instant::now() + span;
        loop {
            self.check()?;
            between();
            let Some(left) = end.checked_duration_since(Instant::now()).filter(|d| !d.is_zero()) else {
                return Ok(());
            };
            std::thread::sleep(left.min(Duration::from_millis(50)));
        }
    }
}
