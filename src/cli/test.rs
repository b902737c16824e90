//! `runbook test`: tests runbooks against simulated fleets. Touches no host, no journal, no configuration.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::arguments::TestFormat;
use super::exit::{CliError, Exit};
use super::output::{Colors, err, json, out};
use crate::diagnostic::{Diagnostic, Sources, render};
use crate::rehearsal::{report, suite};
use crate::yaml;

/// Where runbooks are looked for when none is named.
const HOME: &str = "runbooks";
/// The end of a test file's name.
const TEST: &str = ".test.yaml";

/// Tests.
///
/// # Errors
/// No such file; never for mistakes in the texts or tests that fail: those are printed.
pub fn run(files: &[PathBuf], filter: &str, format: TestFormat, colors: Colors) -> Result<Exit, CliError> {
    let began = Instant::now();
    let home = [PathBuf::from(HOME)];
    let named = if files.is_empty() { &home[..] } else { files };
    let mut tests = Vec::new();
    let mut untested = Vec::new();
    for path in named {
        find(path, &mut tests, &mut untested)?;
    }
    let (mut tested, mut refused) = (Vec::new(), Vec::new());
    for path in tests {
        match one(&path, filter) {
            Ok(one) => tested.push(one),
            Err(CliError::Texts(mistakes, sources)) => {
                err(&render::render(&mistakes, &sources, colors.err));
                let file = path.display().to_string();
                refused.push(report::Refused { file, mistakes, sources });
            }
            Err(other) => return Err(other),
        }
    }
    if !filter.is_empty() {
        tested.retain(|t| !t.cases.is_empty());
    }
    if tested.is_empty() && refused.is_empty() {
        return Err(nothing(filter));
    }
    let took = began.elapsed();
    match format {
        TestFormat::Text => out(&report::text(&tested, &refused, took, colors.out)),
        TestFormat::Json => json(&report::json(&tested, &refused, took)),
        TestFormat::Junit => out(&report::junit(&tested, &refused, took)),
    }
    for path in &untested {
        err(&format!(
            "no tests: {} (write {}{TEST})\n",
            path.display(),
            path.with_extension("").display()
        ));
    }
    Ok(match (!refused.is_empty(), tested.iter().all(suite::Tested::passed)) {
        (true, _) => Exit::Invalid,
        (false, false) => Exit::Internal,
        (false, true) => Exit::Done,
    })
}

/// A run that tests nothing must not look like one that passes.
fn nothing(filter: &str) -> CliError {
    let why = if filter.is_empty() {
        String::from("there is no test file")
    } else {
        format!("no case's name holds `{filter}`")
    };
    CliError::Usage(format!("nothing was tested: {why}"))
}

fn is_test(path: &Path) -> bool {
    path.to_string_lossy().ends_with(TEST)
}

/// The test files that a path means: itself, the one beside a runbook, those of a folder.
fn find(path: &Path, tests: &mut Vec<PathBuf>, untested: &mut Vec<PathBuf>) -> Result<(), CliError> {
    if path.is_dir() {
        let entries = std::fs::read_dir(path)?.filter_map(|e| e.ok().map(|e| e.path()));
        let mut inside: Vec<PathBuf> = entries.filter(|p| p.extension().is_some_and(|e| e == "yaml")).collect();
        inside.sort();
        for file in inside.iter().filter(|p| !is_test(p)) {
            find(file, tests, untested)?;
        }
        return Ok(());
    }
    if is_test(path) {
        tests.push(path.to_owned());
        return Ok(());
    }
    let tries = [
        path.to_owned(),
        path.with_extension("yaml"),
        Path::new(HOME).join(path).with_extension("yaml"),
    ];
    let Some(runbook) = tries.iter().find(|p| p.is_file()) else {
        let d = Diagnostic::nowhere("RB0714", format!("there is no runbook `{}`", path.display()));
        return Err(CliError::Texts(d.into(), Box::default()));
    };
    let test = PathBuf::from(format!("{}{TEST}", runbook.with_extension("").display()));
    match test.is_file() {
        true => tests.push(test),
        false => untested.push(runbook.clone()),
    }
    Ok(())
}

fn one(path: &Path, filter: &str) -> Result<suite::Tested, CliError> {
    let name = path.to_string_lossy().into_owned();
    let base = name.strip_suffix(TEST).unwrap_or(&name).to_owned();
    let stem = Path::new(&base)
        .file_name()
        .map(|s| s.to_string_lossy().into_owned())
        .unwrap_or_default();
    let runbook = format!("{base}.yaml");
    let texts = (read(Path::new(&runbook))?, read(path)?);
    let mut script = Sources::new();
    script.add(runbook, texts.0);
    super::context::read_called(&mut script)?;
    suite::test(script, (&name, &texts.1), &stem, filter).map_err(|(d, sources)| CliError::Texts(d, Box::new(sources)))
}

fn read(path: &Path) -> Result<String, CliError> {
    let bytes = std::fs::read(path).map_err(|e| {
        let d = Diagnostic::nowhere("RB0714", format!("there is no readable file `{}`", path.display()));
        CliError::Texts(d.help(e.to_string()).into(), Box::default())
    })?;
    yaml::decode(&bytes).map_err(|d| {
        let mut sources = Sources::new();
        sources.add(path.display().to_string(), String::new());
        CliError::Texts(d, Box::new(sources))
    })
}
