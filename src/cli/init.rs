//! `runbook init`: a start that works: a runbook, an inventory and a configuration, each explained where it stands.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::exit::{CliError, Exit};
use super::output::out;

/// The files; all of them validate as they are, and plan without touching a host.
const FILES: &[(&str, &str)] = &[
    ("runbooks/first.yaml", include_str!("init/first.yaml")),
    ("inventory/hosts.yaml", include_str!("init/hosts.yaml")),
    ("runbook.config.yaml", include_str!("init/config.yaml")),
];

/// Makes the files in `folder`, all or none.
///
/// # Errors
/// When one of them is already there; a folder that cannot be written.
pub fn run(folder: &Path) -> Result<Exit, CliError> {
    let place = |name: &str| -> PathBuf {
        if folder == Path::new(".") {
            PathBuf::from(name)
        } else {
            folder.join(name)
        }
    };
    // A link that leads nowhere is there, too.
    let there = FILES
        .iter()
        .map(|(name, _)| place(name))
        .filter(|path| path.symlink_metadata().is_ok());
    let there: Vec<String> = there.map(|path| path.display().to_string()).collect();
    if !there.is_empty() {
        return Err(CliError::Usage(format!(
            "already there, nothing was written: {}; choose another folder, or move them away",
            there.join(", ")
        )));
    }
    let mut said = String::new();
    for (name, text) in FILES {
        let path = place(name);
        if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
            fs::create_dir_all(parent).map_err(|e| CliError::Internal(format!("{}: {e}", parent.display())))?;
        }
        let made = fs::OpenOptions::new().write(true).create_new(true).open(&path);
        made.and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|e| CliError::Internal(format!("{}: {e}", path.display())))?;
        said.push_str(&format!("made {}\n", path.display()));
    }
    if folder != Path::new(".") {
        said.push_str(&format!("\nNext, in {}:\n", folder.display()));
    } else {
        said.push_str("\nNext:\n");
    }
    said.push_str(
        "  runbook validate first            check it; mistakes are shown at their places\n\
         \x20 runbook plan first --offline      what it would do, without touching a host\n\
         \x20 runbook explain action            what else a step can do\n\n\
         Put your own hosts into inventory/hosts.yaml; then `runbook doctor` checks that they can be reached.\n",
    );
    out(&said);
    Ok(Exit::Done)
}
