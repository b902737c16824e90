//! The demo's own folder: made private, held by a lock that ends with the process, swept by the next demo.
//!
//! A demo that was killed leaves its folder unlocked; whoever comes next ends what runs in it. A demo that was asked to keep
//! its fleet marks the folder, and then only a folder whose fleet has been ended is removed.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::cli::exit::CliError;
use crate::cli::output::err;
use crate::lab::process::Process;
use crate::lab::{Fleet, LabError, Layout};

const KEPT: &str = "kept";
const LOCK: &str = "lock";
const CHILD: &str = "child.json";

/// A folder of this demo alone.
#[derive(Debug)]
pub(super) struct Place {
    dir: PathBuf,
    _held: File,
}

impl Place {
    /// Cleans up after demos that were killed, and makes a new folder.
    ///
    /// # Errors
    /// The place for temporary files cannot be used, or another user has taken the name.
    pub fn make() -> Result<Place, CliError> {
        let base = base()?;
        let _one_at_a_time = hold(&base.join(LOCK), Duration::from_secs(30))?
            .ok_or_else(|| CliError::Internal(format!("another demo has been cleaning {} for 30 s", base.display())))?;
        for entry in fs::read_dir(&base)?.flatten().filter(|e| e.path().is_dir()) {
            if let Err(error) = sweep(&entry.path()) {
                err(&format!(
                    "a former demo in {} cannot be cleaned up: {}",
                    entry.path().display(),
                    error.words(false)
                ));
            }
        }
        let id = uuid::Uuid::new_v4().simple().to_string();
        let dir = base.join(&id[..8]);
        private(&dir)?;
        let held =
            hold(&dir.join(LOCK), Duration::ZERO)?.ok_or_else(|| CliError::Internal(String::from("the demo's new folder is taken")))?;
        Ok(Place { dir, _held: held })
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Remembers a process that must not outlive a killed demo.
    ///
    /// # Errors
    /// The folder is full or gone.
    pub fn remember(&self, pid: u32) -> Result<(), CliError> {
        let Some(process) = Process::of(pid) else { return Ok(()) };
        fs::write(self.path(CHILD), serde_json::to_string(&process).unwrap_or_default())?;
        Ok(())
    }

    /// Leaves everything as it is.
    ///
    /// # Errors
    /// As [`Place::remember`].
    pub fn keep(self) -> Result<(), CliError> {
        fs::write(self.path(KEPT), "")?;
        Ok(())
    }

    /// Removes the folder; the fleet in it must have been ended.
    ///
    /// # Errors
    /// Something in it cannot be removed.
    pub fn remove(self) -> Result<(), CliError> {
        Ok(fs::remove_dir_all(&self.dir)?)
    }
}

/// Where all demos of this user are.
fn base() -> Result<PathBuf, CliError> {
    let user = rustix::process::getuid().as_raw();
    let name = format!("runbook-demo-{user}");
    let mut base = std::env::temp_dir().join(&name);
    // The fleet cannot stand under a path with blanks or quotes in it.
    if Layout::at(Some(&base)).is_err() {
        base = Path::new("/tmp").join(name);
    }
    if fs::symlink_metadata(&base).is_err() {
        private(&base)?;
    }
    let found = fs::symlink_metadata(&base)?;
    if !found.is_dir() || found.uid() != user || found.mode() & 0o077 != 0 {
        return Err(CliError::Internal(format!(
            "{} is not a private folder of this user; set TMPDIR to another place",
            base.display()
        )));
    }
    Ok(base)
}

fn private(dir: &Path) -> Result<(), CliError> {
    Ok(DirBuilder::new().mode(0o700).create(dir)?)
}

/// A lock that ends with this process; `None` when somebody else holds it to the deadline.
fn hold(path: &Path, within: Duration) -> Result<Option<File>, CliError> {
    let file = File::options().create(true).append(true).open(path)?;
    let end = Instant::now() + within;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::WouldBlock) if Instant::now() >= end => return Ok(None),
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(20)),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
    }
}

/// Ends and removes what a demo left, unless it lives or was asked to keep its fleet.
fn sweep(dir: &Path) -> Result<(), CliError> {
    let Some(_held) = hold(&dir.join(LOCK), Duration::ZERO)? else {
        return Ok(());
    };
    let fleet = Fleet::open(Some(dir.join("fleet")));
    match fleet {
        Ok(_) if dir.join(KEPT).exists() => return Ok(()),
        Ok(fleet) => {
            let child = fs::read_to_string(dir.join(CHILD)).ok();
            if let Some(process) = child.and_then(|text| serde_json::from_str::<Process>(&text).ok()) {
                process.kill();
            }
            fleet.down()?;
        }
        Err(LabError::NoFleet { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(fs::remove_dir_all(dir)?)
}
