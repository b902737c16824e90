//! The private directory for control sockets: short enough for a socket's name, ours alone, swept of what the dead left.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longest path of a control socket; `ssh` appends a random suffix and the system allows 107 bytes.
const PATH_BYTES: usize = 80;
/// A log without its socket belongs to a connect that is being made, unless it is older than this.
const CONNECTING: Duration = Duration::from_secs(120);

/// A directory of mode 0700.
#[derive(Debug)]
pub(super) struct RuntimeDir {
    path: PathBuf,
}

impl RuntimeDir {
    /// `$XDG_RUNTIME_DIR/runbook`, else `runbook-<uid>` below the system's temporary directory.
    pub(super) fn open() -> Result<RuntimeDir, String> {
        let uid = rustix::process::getuid().as_raw();
        let fallback = std::env::temp_dir().join(format!("runbook-{uid}"));
        let preferred = std::env::var_os("XDG_RUNTIME_DIR").map(|d| PathBuf::from(d).join("runbook"));
        let preferred = preferred.filter(|d| d.is_absolute()).and_then(|d| RuntimeDir::at(d).ok());
        preferred.map_or_else(|| RuntimeDir::at(fallback), Ok)
    }

    /// That very directory; made if need be, refused if anybody else could write there.
    pub(super) fn at(path: PathBuf) -> Result<RuntimeDir, String> {
        let shown = path.display().to_string();
        match fs::DirBuilder::new().mode(0o700).create(&path) {
            Err(e) if e.kind() != ErrorKind::AlreadyExists => return Err(format!("{shown}: {e}")),
            _ => {}
        }
        let there = fs::symlink_metadata(&path).map_err(|e| format!("{shown}: {e}"))?;
        if !there.is_dir() || there.uid() != rustix::process::geteuid().as_raw() || there.mode() & 0o077 != 0 {
            return Err(format!("{shown} is not a directory of ours with mode 0700"));
        }
        if path.as_os_str().len() + 14 > PATH_BYTES {
            return Err(format!("{shown} is too long for the name of a socket"));
        }
        let directory = RuntimeDir { path };
        directory.sweep();
        Ok(directory)
    }

    /// A path that no connection ever had.
    pub(super) fn fresh(&self) -> PathBuf {
        let name = super::protocol::nonce();
        self.path.join(&name[..12])
    }

    /// Removes sockets nobody listens on and logs nobody writes.
    fn sweep(&self) {
        let Ok(entries) = fs::read_dir(&self.path) else { return };
        for entry in entries.flatten() {
            let path = entry.path();
            let Ok(metadata) = entry.metadata() else { continue };
            let dead = if metadata.file_type().is_socket() {
                refused(&path)
            } else {
                let age = metadata.modified().ok().and_then(|m| m.elapsed().ok());
                !path.with_extension("").exists() && age.is_some_and(|a| a > CONNECTING)
            };
            if dead {
                let _ = fs::remove_file(&path);
            }
        }
    }
}

fn refused(path: &Path) -> bool {
    UnixStream::connect(path).is_err_and(|e| e.kind() == ErrorKind::ConnectionRefused)
}
