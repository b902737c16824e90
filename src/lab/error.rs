//! What can go wrong in the practice fleet, each as a sentence for a person, with the remedy in it.
//! Knows nothing about how errors are printed or turned into exit codes.

use std::io;
use std::path::{Path, PathBuf};

/// Why a command on the practice fleet failed.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// A system program is not installed.
    #[error("`{program}` is not installed; install what the practice fleet needs with `make packages`")]
    Missing {
        /// The program that was looked for.
        program: String,
    },
    /// A file or directory could not be read, written or removed.
    #[error("cannot {doing} {}: {source}", path.display())]
    File {
        /// The verb: `read`, `write`, `remove` …
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The chosen directory holds something else.
    #[error("{} holds files that are not a practice fleet; choose an empty directory with `--dir`", dir.display())]
    NotAFleet {
        /// The directory.
        dir: PathBuf,
    },
    /// No fleet was started in this directory.
    #[error("there is no practice fleet in {}; start one with `runbook lab up`", dir.display())]
    NoFleet {
        /// The directory.
        dir: PathBuf,
    },
    /// Another command works on the same fleet.
    #[error("another command is working on the fleet in {}; wait for it, or choose another directory with `--dir`", dir.display())]
    Busy {
        /// The directory.
        dir: PathBuf,
    },
    /// The directory's path cannot stand in the configuration files of the programs we start.
    #[error("the path {} holds characters that sshd or haproxy would misread; choose a plain one with `--dir`", dir.display())]
    AwkwardPath {
        /// The directory.
        dir: PathBuf,
    },
    /// A program that was run to its end failed.
    #[error("`{command}` failed: {said}")]
    Command {
        /// The command as a person would type it.
        command: String,
        /// Its last words, or why it could not start.
        said: String,
    },
    /// A wait ended at its deadline.
    #[error("{what} did not happen within {seconds} s; {look}")]
    TooLate {
        /// What was waited for.
        what: String,
        /// The deadline.
        seconds: u64,
        /// What was seen last, or where to look.
        look: String,
    },
    /// No free loopback addresses were found.
    #[error("found no free loopback addresses for {hosts} hosts; end other fleets with `runbook lab down`, or use fewer hosts (`--web`)")]
    NoAddress {
        /// How many were needed.
        hosts: usize,
    },
    /// HAProxy's runtime socket did not answer.
    #[error("the balancer's socket {} does not answer: {source}; see `runbook lab status`", path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Something survived the end of the fleet.
    #[error("still there after ending the fleet: {0}; run `runbook lab down` again")]
    Left(String),
    /// The request makes no sense, or the system cannot do it; the text says which and what to do.
    #[error("{0}")]
    Refused(String),
}

impl LabError {
    /// For `map_err` on operations on files.
    pub(super) fn file(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LabError {
        let path = path.to_owned();
        move |source| LabError::File { doing, path, source }
    }
}
