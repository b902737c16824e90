//! `runbook fmt`: brings texts into the canonical layout, or says which are not in it.

use std::io::Read;
use std::path::{Path, PathBuf};

use similar::TextDiff;

use super::exit::{CliError, Exit};
use super::files::{replace, yaml_files};
use super::output::{Colors, err, out};
use crate::diagnostic::{Sources, render};
use crate::lang::format::{self, FormatError};
use crate::yaml;

/// What to do with a text that is not in the canonical layout.
#[derive(Clone, Debug, clap::Args)]
pub struct FmtArguments {
    /// Files, folders, names in runbooks/, or `-` for standard input [default: the folder runbooks/]
    pub files: Vec<PathBuf>,
    /// Write nothing; exit with 1 if something would change
    #[arg(long)]
    pub check: bool,
    /// Write nothing; print what would change
    #[arg(long)]
    pub diff: bool,
}

/// Formats.
///
/// # Errors
/// Files that cannot be read or written. Texts that are not YAML are told, left alone, and give exit code 3.
pub fn run(arguments: &FmtArguments, colors: Colors) -> Result<Exit, CliError> {
    let default = [PathBuf::from("runbooks")];
    let paths = if arguments.files.is_empty() {
        &default[..]
    } else {
        &arguments.files
    };
    let (mut changed, mut invalid) = (0, false);
    let files = yaml_files(paths)?;
    for path in &files {
        let stdin = path == Path::new("-");
        let text = match read(path, stdin)? {
            Ok(text) => text,
            Err(words) => {
                err(&words);
                invalid = true;
                continue;
            }
        };
        let Some(formatted) = formatted(path, &text, colors)? else {
            invalid = true;
            continue;
        };
        if arguments.diff {
            out(&diff(path, &text, &formatted));
        } else if stdin && !arguments.check {
            out(&formatted);
        }
        if text == formatted {
            continue;
        }
        changed += 1;
        if arguments.check {
            err(&format!("{}: not in canonical layout\n", path.display()));
        } else if !arguments.diff && !stdin {
            replace(path, &formatted).map_err(|e| CliError::Internal(format!("{}: {e}", path.display())))?;
            err(&format!("formatted {}\n", path.display()));
        }
    }
    Ok(match (invalid, arguments.check && changed > 0) {
        (true, _) => Exit::Invalid,
        (false, true) => Exit::Internal,
        (false, false) => Exit::Done,
    })
}

/// The text, or why there is none.
fn read(path: &Path, stdin: bool) -> Result<Result<String, String>, CliError> {
    let mut bytes = Vec::new();
    if stdin {
        std::io::stdin().lock().read_to_end(&mut bytes)?;
    } else {
        bytes = std::fs::read(path).map_err(|e| CliError::Internal(format!("{}: {e}", path.display())))?;
    }
    let mut sources = Sources::new();
    sources.add(path.display().to_string(), String::new());
    Ok(yaml::decode(&bytes).map_err(|d| render::render(&d, &sources, false)))
}

/// `None` for a text with mistakes, which have been told.
fn formatted(path: &Path, text: &str, colors: Colors) -> Result<Option<String>, CliError> {
    let mut sources = Sources::new();
    let name = if path == Path::new("-") {
        "<stdin>".into()
    } else {
        path.display().to_string()
    };
    let id = sources.add(name.clone(), text);
    match format::format(&sources, id) {
        Ok(formatted) => Ok(Some(formatted)),
        Err(FormatError::Text(diagnostics)) => {
            err(&render::render(&diagnostics, &sources, colors.err));
            Ok(None)
        }
        Err(FormatError::Changed(why)) => Err(CliError::Internal(format!(
            "{name}: not formatted, and left as it is: {why}; this is a mistake of `runbook fmt`, please report it with the file"
        ))),
    }
}

fn diff(path: &Path, text: &str, formatted: &str) -> String {
    if text == formatted {
        return String::new();
    }
    let name = crate::base::sanitise::one_line(&path.display().to_string(), 400);
    let diff = TextDiff::from_lines(text, formatted);
    let shown = diff.unified_diff().header(&name, &format!("{name} (formatted)")).to_string();
    crate::base::sanitise::for_terminal(&shown)
}
