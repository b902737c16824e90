//! A picture of a fleet, taken without the product, to prove that a dry run changed nothing.
//!
//! It holds every file under the hosts' directories (content, mode, kind, and when it was written) without logs, sockets, process-number files, the
//! supervisor's own records and the product's own records, every process that the fleet itself runs, HAProxy's worker, and what HAProxy holds of
//! its servers. It leaves out what changes by itself: counters, times, sessions over SSH.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::fleet::Fleet;
use super::layout::OWN_RECORDS;
use super::{LabError, balancer, process};

/// One picture; two are equal when nothing was changed in between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    parts: BTreeMap<String, String>,
}

impl Fingerprint {
    pub(super) fn take(fleet: &Fleet) -> Result<Fingerprint, LabError> {
        let mut parts = BTreeMap::new();
        for host in &fleet.state.hosts {
            files(&fleet.layout.host(&host.name), &mut parts)?;
        }
        for (process, name) in process::own_members(&fleet.state.signs()) {
            parts.insert(format!("process {name} {}", process.pid), process.start.to_string());
        }
        let info = fleet.haproxy("show info").ok().and_then(|info| balancer::worker(&info));
        parts.insert(
            String::from("haproxy worker"),
            info.map_or_else(|| String::from("unreachable"), |pid| pid.to_string()),
        );
        for line in fleet
            .haproxy("show servers state")
            .unwrap_or_default()
            .lines()
            .filter(|l| !l.starts_with('#'))
        {
            let columns: Vec<&str> = line.split_whitespace().collect();
            // Name, address, operational and administrative state, weights; behind them stand times and check counters.
            if let Some(stable) = columns.get(4..9) {
                parts.insert(format!("haproxy server {}", columns[3]), stable.join(" "));
            }
        }
        Ok(Fingerprint { parts })
    }

    /// The whole picture as one SHA-256.
    #[must_use]
    pub fn digest(&self) -> String {
        let text: String = self.parts.iter().map(|(k, v)| format!("{k}\0{v}\n")).collect();
        hex(&Sha256::digest(text.as_bytes()))
    }

    /// What differs, for a test's message; empty when equal.
    #[must_use]
    pub fn differences(&self, later: &Fingerprint) -> Vec<String> {
        let keys: std::collections::BTreeSet<&String> = self.parts.keys().chain(later.parts.keys()).collect();
        let show = |value: Option<&String>| value.map_or_else(|| String::from("(absent)"), Clone::clone);
        keys.into_iter()
            .filter(|key| self.parts.get(*key) != later.parts.get(*key))
            .map(|key| format!("{key}: {} -> {}", show(self.parts.get(key)), show(later.parts.get(key))))
            .collect()
    }
}

fn files(path: &Path, parts: &mut BTreeMap<String, String>) -> Result<(), LabError> {
    let meta = fs::symlink_metadata(path).map_err(LabError::file("read", path))?;
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("");
    let kind = meta.file_type();
    if matches!(name, "log" | "supervise" | "sshd.pid" | "server-state")
        || kind.is_socket()
        || kind.is_fifo()
        || path.ends_with(OWN_RECORDS)
    {
        return Ok(());
    }
    let content = if kind.is_symlink() {
        format!("link to {}", fs::read_link(path).map_err(LabError::file("read", path))?.display())
    } else if kind.is_dir() {
        // A directory that an incident closed counts by its mode alone.
        if let Ok(entries) = fs::read_dir(path) {
            for entry in entries {
                files(&entry.map_err(LabError::file("read", path))?.path(), parts)?;
            }
        }
        String::from("directory")
    } else {
        // A file that is written anew with the same content has been written all the same.
        let digest = hex(&Sha256::digest(fs::read(path).map_err(LabError::file("read", path))?));
        format!("{digest} {} {}.{:09}", meta.ino(), meta.mtime(), meta.mtime_nsec())
    };
    parts.insert(format!("file {}", path.display()), format!("{:o} {content}", meta.mode()));
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
