//! Simulated file systems: how full they are, and the files that can be deleted there.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::BEGINNING;
use super::host::{GIB, Host};
use super::programs::Reply;
use crate::action::disk::{clean, usage};
use crate::action::package::cache;
use crate::base::clock::Timestamp;
use crate::model::pattern;
use crate::rehearsal::stores::{DiskFile, DiskState, Stores};
use crate::transport::Exec;

/// Where apt keeps what it has downloaded.
const PACKAGES: &str = "/var/cache/apt/archives";
const BLOCK: u64 = 512;

/// A file system.
#[derive(Clone, Debug)]
pub struct Disk {
    /// Bytes.
    pub size: u64,
    /// Bytes, with the files.
    pub used: u64,
    /// By path.
    files: BTreeMap<String, DiskFile>,
}

impl Default for Disk {
    fn default() -> Disk {
        Disk {
            size: 40 * GIB,
            used: 10 * GIB,
            files: BTreeMap::new(),
        }
    }
}

impl Disk {
    fn overlay(&mut self, new: &DiskState) {
        self.size = new.size.unwrap_or(self.size);
        if let Some(percent) = new.used {
            self.used = crate::rehearsal::read_state::share(self.size, percent);
        }
        self.files.extend(new.files.clone());
    }

    /// A line of `df -P -k`.
    pub fn row(&self, mount: &str) -> String {
        let kib = |bytes: u64| bytes / 1024;
        let percent = (self.used * 100).div_ceil(self.size.max(1));
        let free = self.size.saturating_sub(self.used);
        format!("/dev/sda1 {} {} {} {percent}% {mount}\n", kib(self.size), kib(self.used), kib(free))
    }
}

/// The head of what `df` prints.
pub const DF: &str = "Filesystem 1024-blocks Used Available Capacity Mounted on\n";

fn below(path: &str, folder: &str) -> bool {
    folder == "/" || path == folder || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// `inode size mtime`; no number of another file.
fn identity(path: &str, file: &DiskFile) -> (u64, u64, i64) {
    let inode = path.bytes().fold(7_u64, |sum, b| (sum * 31 + u64::from(b)) % 1_000_000_007);
    let age = i64::try_from(file.age.as_secs()).unwrap_or(i64::MAX);
    (inode, file.size, (BEGINNING.0 / 1000).saturating_sub(age))
}

/// What `find` is given by `disk.clean`: directories, `-mmin +MINUTES`, patterns.
struct Criteria<'w> {
    folders: Vec<&'w str>,
    minutes: i64,
    patterns: Vec<&'w str>,
}

impl<'w> Criteria<'w> {
    fn read(words: &[&'w str]) -> Criteria<'w> {
        let after = |option: &str| words.windows(2).filter(|w| w[0] == option).map(|w| w[1]).collect::<Vec<_>>();
        Criteria {
            folders: words.iter().take_while(|w| **w != "-xdev").copied().collect(),
            minutes: after("-mmin")
                .first()
                .and_then(|m| m.trim_start_matches('+').parse().ok())
                .unwrap_or(0),
            patterns: after("-name"),
        }
    }

    fn fits(&self, path: &str, file: &DiskFile, now: Timestamp) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        let minutes = (now.0 / 1000 - identity(path, file).2) / 60;
        minutes > self.minutes && self.folders.iter().any(|f| below(path, f)) && self.patterns.iter().any(|p| pattern::fits_glob(p, name))
    }
}

impl Host {
    /// Changes what a state names.
    pub(super) fn overlay_disks(&mut self, new: &Stores) {
        for (mount, new) in &new.disks {
            self.disks.entry(mount.clone()).or_default().overlay(new);
        }
        if new.package_cache.is_some() {
            self.package_cache = new.package_cache;
        }
    }

    fn mount_of(&self, path: &str) -> String {
        let all = self.disks.keys().filter(|m| below(path, m));
        all.max_by_key(|m| m.len()).cloned().unwrap_or_else(|| String::from("/"))
    }

    /// What the scripts of `disk.usage`, `disk.clean` and `package.clean_cache` answer.
    pub(super) fn spaces(&mut self, argv: &[&str], exec: &Exec, now: Timestamp) -> Option<Reply> {
        match argv {
            ["sh", "-c", usage::PROBE, "runbook", path, most] => Some(Reply::ok(self.usage(path, most.parse().unwrap_or(0)))),
            ["sh", "-c", clean::LIST, "runbook", dirs, _, only, _, criteria @ ..] => {
                Some(Reply::ok(self.list(dirs.parse().unwrap_or(0), only, criteria, now)))
            }
            ["sh", "-c", clean::DELETE, "runbook", keep, criteria @ ..] => {
                let listed = exec
                    .env
                    .iter()
                    .find(|(name, _)| name == clean::LISTED)
                    .map_or("", |(_, lines)| lines);
                Some(Reply::ok(self.delete(*keep == "yes", &Criteria::read(criteria), listed, now)))
            }
            ["sh", "-c", cache::PROBE, "runbook"] => {
                let bytes = self.package_cache?;
                let files = if bytes > 0 { format!("1 {bytes}\n") } else { String::new() };
                Some(Reply::ok(format!("manager=apt\n{files}")))
            }
            ["apt-get", .., "clean"] => {
                let bytes = self.package_cache.replace(0)?;
                self.free(PACKAGES, bytes);
                Some(Reply::ok(""))
            }
            _ => None,
        }
    }

    fn free(&mut self, path: &str, bytes: u64) {
        let mount = self.mount_of(path);
        if let Some(disk) = self.disks.get_mut(&mount) {
            disk.used = disk.used.saturating_sub(bytes);
        }
    }

    fn usage(&self, path: &str, most: usize) -> String {
        let mount = self.mount_of(path);
        let Some(disk) = self.disks.get(&mount) else {
            return String::from(DF);
        };
        let mut files: Vec<(&String, &DiskFile)> = disk.files.iter().collect();
        files.sort_by_key(|(_, f)| std::cmp::Reverse(f.size));
        let lines: String = files
            .iter()
            .take(most)
            .map(|(path, f)| format!("file={} {path}\n", f.size))
            .collect();
        format!("{DF}{}{lines}", disk.row(&mount))
    }

    fn list(&self, dirs: usize, only: &str, criteria: &[&str], now: Timestamp) -> String {
        let mut text = String::new();
        for (number, folder) in criteria.iter().take(dirs).enumerate() {
            let elsewhere = !only.is_empty() && self.mount_of(only) != self.mount_of(folder);
            let state = if elsewhere { "elsewhere" } else { "ok" };
            // Writing into a String cannot fail.
            let _ = writeln!(text, "dir {} {state}", number + 1);
            if elsewhere {
                return text;
            }
        }
        let criteria = Criteria::read(criteria);
        for (path, file) in self.disks.values().flat_map(|d| &d.files).filter(|(p, f)| criteria.fits(p, f, now)) {
            let (inode, size, time) = identity(path, file);
            let _ = writeln!(text, "file 1 {inode} {size} {time} {} {BLOCK} 1 {path}", size.div_ceil(BLOCK));
            if file.open {
                let _ = writeln!(text, "open 1 {inode}");
            }
        }
        text.push_str("root\n");
        text
    }

    fn delete(&mut self, keep: bool, criteria: &Criteria<'_>, listed: &str, now: Timestamp) -> String {
        let mut text = String::new();
        for disk in self.disks.values_mut() {
            let goes = |path: &String, file: &DiskFile| {
                let (inode, size, time) = identity(path, file);
                criteria.fits(path, file, now) && listed.lines().any(|l| l == format!("{inode} {size} {time}"))
            };
            let gone: Vec<String> = disk.files.iter().filter(|(p, f)| goes(p, f)).map(|(p, _)| p.clone()).collect();
            for path in gone {
                let Some(file) = disk.files.remove(&path) else { continue };
                let word = if keep && file.open { "emptied" } else { "deleted" };
                // What a process holds open and nobody has emptied still takes its space.
                if keep || !file.open {
                    disk.used = disk.used.saturating_sub(file.size);
                }
                let _ = writeln!(text, "{word} {} {BLOCK} 1", file.size.div_ceil(BLOCK));
            }
        }
        text
    }
}
