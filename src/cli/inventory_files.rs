//! From what a person named as an inventory to texts: files, folders, files of variables beside them, and programs that print one.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::context::{decode, no_text};
use super::exit::CliError;
use super::inventory_program;
use crate::base::bound::TEXT_BYTES;
use crate::diagnostic::{Diagnostic, SourceId, Sources};
use crate::inventory::{Role, Text, is_ansible};

/// Files of one invocation; more are a folder that was not meant.
const MOST_FILES: usize = 20_000;
/// Folders inside folders.
const DEEPEST: usize = 16;

/// What Ansible passes over in a folder of inventories.
const IGNORED: &[&str] = &[
    ".pyc", ".pyo", ".swp", ".bak", "~", ".rpm", ".md", ".txt", ".rst", ".orig", ".cfg", ".retry",
];

/// Reads everything that belongs to the named inventories. Programs are started only if `may_run`: the user has named them.
///
/// # Errors
/// What is not there or cannot be read; a program that fails.
pub fn read(named: &[PathBuf], may_run: bool) -> Result<(Sources, Vec<Text>), CliError> {
    let mut reader = Reader {
        sources: Sources::new(),
        texts: Vec::new(),
        may_run,
        files: 0,
    };
    for (unit, path) in named.iter().enumerate() {
        let first = reader.texts.len();
        let folder = if path.is_dir() {
            reader.folder(path, 0)?;
            path.clone()
        } else {
            reader.named(path)?;
            path.parent().map(Path::to_owned).unwrap_or_default()
        };
        let foreign = reader.texts[first..].iter().any(|t| is_ansible(&reader.sources, t.id));
        // Two inventories in one folder share the files of variables; once is enough.
        if foreign
            && !named[..unit]
                .iter()
                .any(|p| *p == folder || (!p.is_dir() && p.parent() == Some(&folder)))
        {
            reader.variables(unit, &folder.join("group_vars"), Role::GroupVars)?;
            reader.variables(unit, &folder.join("host_vars"), Role::HostVars)?;
        }
    }
    Ok((reader.sources, reader.texts))
}

struct Reader {
    sources: Sources,
    texts: Vec<Text>,
    may_run: bool,
    files: usize,
}

impl Reader {
    fn add(&mut self, path: &Path, text: String, role: Role) -> SourceId {
        let id = self.sources.add(path.display().to_string(), text);
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        let folder = folder.canonicalize().unwrap_or(folder).to_string_lossy().into_owned();
        self.texts.push(Text { id, folder, role });
        id
    }

    fn bytes(&mut self, path: &Path) -> Result<Vec<u8>, CliError> {
        self.files += 1;
        if self.files > MOST_FILES {
            let d = Diagnostic::nowhere("RB0518", format!("more than {MOST_FILES} files in the inventory"));
            return Err(CliError::Texts(d.into(), Box::default()));
        }
        let mut bytes = Vec::new();
        // One byte more than is allowed, so that the reader sees that it is too much.
        let read = std::fs::File::open(path).and_then(|f| f.take(TEXT_BYTES as u64 + 1).read_to_end(&mut bytes));
        read.map_err(|e| no_text("readable file", path, &e.to_string()))?;
        Ok(bytes)
    }

    /// A file that the user named: a program is run, everything else is read.
    fn named(&mut self, path: &Path) -> Result<(), CliError> {
        let bytes = self.bytes(path)?;
        let text = if is_program(path, &bytes) {
            if !self.may_run {
                return Err(refused(
                    path,
                    "it stands in the configuration; programs are started only when you name them: use `-i`",
                ));
            }
            inventory_program::list(path)?
        } else {
            decode(&bytes, path)?
        };
        self.add(path, text, Role::Inventory);
        Ok(())
    }

    /// A folder: of our own YAML only its files, of Ansible's inventories everything below, as Ansible does.
    fn folder(&mut self, path: &Path, depth: usize) -> Result<(), CliError> {
        let first = self.texts.len();
        let mut folders = Vec::new();
        let mut ours = false;
        for entry in entries(path)? {
            let name = entry.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.is_file() && self.is_text(&entry, &name)? {
                let bytes = self.bytes(&entry)?;
                let text = decode(&bytes, &entry)?;
                let id = self.add(&entry, text, Role::Inventory);
                ours |= !is_ansible(&self.sources, id);
            }
        }
        let foreign = self.texts[first..].iter().any(|t| is_ansible(&self.sources, t.id));
        if foreign || !ours {
            if depth >= DEEPEST {
                return Err(no_text("inventory", path, "more than 16 folders inside each other"));
            }
            for folder in folders {
                self.folder(&folder, depth + 1)?;
            }
        }
        if depth == 0 && self.texts.len() == first {
            return Err(no_text("inventory", path, "the folder holds no inventory"));
        }
        Ok(())
    }

    /// What is read of a folder: YAML, JSON and INI by their endings; every other file if it looks like an inventory.
    fn is_text(&mut self, path: &Path, name: &str) -> Result<bool, CliError> {
        let ending = Path::new(name).extension().and_then(|e| e.to_str());
        let bytes = self.bytes(path)?;
        if is_program(path, &bytes) {
            return Err(refused(
                path,
                "programs are started only when you name them: use `-i` with its path",
            ));
        }
        let text = String::from_utf8_lossy(&bytes);
        Ok(matches!(ending, Some("yaml" | "yml" | "json" | "ini" | "toml")) || looks_like_inventory(&text))
    }

    /// All files below `group_vars` or `host_vars`; which of them count is found out later.
    fn variables(&mut self, unit: usize, top: &Path, role: fn(usize, String) -> Role) -> Result<(), CliError> {
        let mut waiting: Vec<(PathBuf, String, usize)> = vec![(top.to_owned(), String::new(), 0)];
        while let Some((folder, prefix, depth)) = waiting.pop() {
            if !folder.is_dir() || depth > DEEPEST {
                continue;
            }
            let inside = std::fs::read_dir(&folder)?.filter_map(|e| e.ok().map(|e| e.path()));
            for path in inside {
                let Some(name) = path.file_name().and_then(|n| n.to_str()) else {
                    continue;
                };
                let below = format!("{prefix}{name}");
                if path.is_dir() {
                    waiting.push((path.clone(), format!("{below}/"), depth + 1));
                } else if path.is_file() && !name.starts_with('.') && !name.ends_with('~') && has_variables(name, &prefix) {
                    let bytes = self.bytes(&path)?;
                    let text = decode(&bytes, &path)?;
                    self.add(&path, text, role(unit, below));
                }
            }
        }
        Ok(())
    }
}

/// A file at the top may be named like a host, dots and all; below, endings are those of YAML and JSON.
fn has_variables(name: &str, prefix: &str) -> bool {
    prefix.is_empty() || [".yml", ".yaml", ".json"].iter().any(|e| name.ends_with(e)) || !name.contains('.')
}

/// What lies in a folder of inventories, in the order of names.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, CliError> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .map_err(|e| no_text("inventory", folder, &e.to_string()))?
        .filter_map(|e| e.ok().map(|e| e.path()))
        .filter(|p| {
            let name = p.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            let special = matches!(name.as_str(), "host_vars" | "group_vars" | "vars_plugins");
            !name.starts_with('.') && !special && !IGNORED.iter().any(|e| name.ends_with(e))
        })
        .collect();
    found.sort();
    Ok(found)
}

/// Only what is marked as executable and says how to run it; a text on a disk where everything is executable stays a text.
fn is_program(path: &Path, bytes: &[u8]) -> bool {
    use std::os::unix::fs::PermissionsExt;
    let executable = path.metadata().is_ok_and(|m| m.permissions().mode() & 0o111 != 0);
    executable && (bytes.starts_with(b"#!") || bytes.starts_with(b"\x7fELF"))
}

/// Keys, lists of known hosts and notes may lie beside an inventory.
fn looks_like_inventory(text: &str) -> bool {
    let mut said = text
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty() && !l.starts_with(['#', ';']) && *l != "---");
    said.any(|line| {
        let section = line.starts_with('[') && line.contains(']') && !line.contains(' ');
        let variable = line
            .split_whitespace()
            .nth(1)
            .is_some_and(|w| w.starts_with("ansible_") && w.contains('='));
        section || variable || matches!(line, "all:" | "ungrouped:" | "hosts:" | "groups:" | "pools:")
    })
}

fn refused(path: &Path, why: &str) -> CliError {
    let d = Diagnostic::nowhere("RB0526", format!("`{}` is a program and was not started", path.display())).help(why);
    CliError::Texts(d.into(), Box::default())
}
