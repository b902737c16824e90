//! Which files a command line means: files as given, names in `runbooks/`, every YAML file of a folder; and how a file is replaced.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::context::find_runbook;
use super::exit::CliError;

/// The files that `paths` mean, in that order, those of a folder sorted; hidden files and folders are passed over. `-` stays.
///
/// # Errors
/// A path that is not there; a folder without a YAML file.
pub fn yaml_files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, CliError> {
    let mut files: Vec<PathBuf> = Vec::new();
    for path in paths {
        let mut found = Vec::new();
        if path == Path::new("-") {
            found.push(path.clone());
        } else if path.is_dir() {
            below(path, &mut found)?;
            found.sort();
            if found.is_empty() {
                return Err(CliError::Usage(format!(
                    "the folder `{}` holds no file that ends in .yaml or .yml",
                    path.display()
                )));
            }
        } else {
            found.push(find_runbook(path)?);
        }
        found.retain(|f| !files.contains(f));
        files.extend(found);
    }
    Ok(files)
}

fn below(folder: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        let (path, kind) = (entry.path(), entry.file_type()?);
        // A link to a folder could lead in a circle.
        if kind.is_dir() {
            below(&path, found)?;
        } else if path.is_file() && path.extension().is_some_and(|e| e == "yaml" || e == "yml") {
            found.push(path);
        }
    }
    Ok(())
}

/// Replaces a file in one go, so that a crash leaves the old or the new one; mode and owner stay, a link keeps pointing to it.
///
/// # Errors
/// What the system says; the file is as it was then.
pub fn replace(path: &Path, text: &str) -> io::Result<()> {
    let path = path.canonicalize()?;
    let before = fs::metadata(&path)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.{}.new", std::process::id()));
    let written = write_as(&beside, text, &before).and_then(|()| fs::rename(&beside, &path));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

fn write_as(path: &Path, text: &str, like: &fs::Metadata) -> io::Result<()> {
    let mut file: File = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(text.as_bytes())?;
    let made = file.metadata()?;
    if (made.uid(), made.gid()) != (like.uid(), like.gid()) {
        std::os::unix::fs::fchown(&file, Some(like.uid()), Some(like.gid()))?;
    }
    // After the owner: a change of owner may clear bits of the mode.
    file.set_permissions(like.permissions())?;
    file.sync_all()
}
