//! `runbook validate`: reads runbooks, inventories and configurations, and reports every mistake.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use super::arguments::{Format, Global};
use super::context::{Context, read_called};
use super::exit::{CliError, Exit};
use super::files::yaml_files;
use super::output::{self, Colors, err, out};
use crate::action::CATALOG;
use crate::config::Config;
use crate::diagnostic::{Diagnostic, Diagnostics, Severity, SourceId, Sources, Span, render};
use crate::model::runbook::Named;
use crate::{config, inventory, lang, yaml};

/// What is validated and how it is said.
#[derive(Clone, Debug, clap::Args)]
pub struct ValidateArguments {
    /// Files, folders, names in runbooks/, or `-` for standard input; of several, tests of runbooks (NAME.test.yaml) are passed over
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// `json`: {"schema":"runbook.validate/1","ok","errors","warnings","files":[{"file","kind","ok","diagnostics"}]}, each diagnostic
    /// with code, severity, message, place (file, line, column, end_line, end_column, start, end), label, others, help, replacement.
    /// `github`: one `::error` or `::warning` each, at most ten of both, as that is what is shown
    #[arg(short, long, default_value = "text")]
    pub output: Format,
}

/// One file and what it is.
struct Checked {
    id: SourceId,
    name: String,
    kind: &'static str,
    /// `9 steps`; empty for what has none.
    size: String,
}

/// Everything that was read.
#[derive(Default)]
struct Report {
    /// Whom runbooks may name.
    config: Option<Config>,
    sources: Sources,
    found: Diagnostics,
    files: Vec<Checked>,
    /// Whom runbooks name.
    named: Vec<Named>,
    /// Inventories: together they are one.
    inventories: Vec<(SourceId, String)>,
}

/// Validates.
///
/// # Errors
/// Never for mistakes in the texts: those are printed, and give exit code 3.
pub fn run(arguments: &ValidateArguments, global: Global) -> Result<Exit, CliError> {
    let colors = Colors::new(global.color);
    let mut report = Report {
        // A configuration with mistakes is told of when it is among the files; runbooks are checked all the same.
        config: Context::new(global).ok().map(|context| context.config),
        ..Report::default()
    };
    for path in &arguments.files {
        match yaml_files(std::slice::from_ref(path)) {
            Ok(files) => {
                // Tests of runbooks are read by `runbook test`, beside the runbook that they test. A shell's `runbooks/*.yaml` names them, too.
                let several = path.is_dir() || arguments.files.len() > 1;
                let tests = |file: &&PathBuf| several && file.to_string_lossy().ends_with(".test.yaml");
                files.iter().filter(|f| !tests(f)).try_for_each(|file| report.read(file))?;
            }
            Err(CliError::Texts(missing, _)) => report.found.extend(missing),
            Err(other) => return Err(other),
        }
    }
    let unchecked = report.config.as_ref().and_then(|config| config::unchecked(config, &report.named));
    if let Some(unchecked) = unchecked {
        report.found.push(unchecked);
    }
    let inventories = std::mem::take(&mut report.inventories);
    if !inventories.is_empty() {
        report.found.extend(inventory::parse(&report.sources, &inventories).1);
    }
    match arguments.output {
        Format::Text => report.to_people(colors),
        Format::Github => out(&render::to_github(&report.found, &report.sources)),
        Format::Json => output::json(&report.to_json()),
        Format::Ndjson => report.files.iter().for_each(|file| out(&format!("{}\n", report.file_json(file)))),
    }
    Ok(if report.found.has_errors() { Exit::Invalid } else { Exit::Done })
}

impl Report {
    fn read(&mut self, path: &Path) -> Result<(), CliError> {
        let stdin = path == Path::new("-");
        let name = if stdin {
            String::from("<stdin>")
        } else {
            path.display().to_string()
        };
        if self.files.iter().any(|file| file.name == name) {
            return Ok(());
        }
        let mut bytes = Vec::new();
        if stdin {
            std::io::stdin().lock().read_to_end(&mut bytes)?;
        } else {
            bytes = std::fs::read(path).map_err(|e| CliError::Internal(format!("{name}: {e}")))?;
        }
        let decoded = yaml::decode(&bytes);
        let id = self.source(&name, decoded.as_ref().map_or("", String::as_str));
        if let Err(unreadable) = &decoded {
            let here = |d: &Diagnostic| Diagnostic {
                span: Some(Span::new(id, 0, 0)),
                ..d.clone()
            };
            unreadable.iter().for_each(|d| self.found.push(here(d)));
        }
        let kind = kind(path, &self.sources, id);
        let mut size = String::new();
        match kind {
            _ if decoded.is_err() => {}
            "inventory" => {
                let folder = path.parent().and_then(|p| p.canonicalize().ok()).unwrap_or_default();
                self.inventories.push((id, folder.to_string_lossy().into_owned()));
            }
            "configuration" => self.found.extend(config::parse(&self.sources, &[id]).1),
            _ => {
                let stem = path.file_stem().filter(|_| !stdin).map(|s| s.to_string_lossy().into_owned());
                let mut own = Sources::new();
                let first = own.add(name.clone(), decoded.unwrap_or_default());
                read_called(&mut own)?;
                let (runbook, found) = lang::compile(&own, first, stem.as_deref(), &CATALOG);
                found.iter().for_each(|d| self.adopt(d, &own));
                if let (Some(config), Some(runbook)) = (self.config.as_ref(), &runbook) {
                    config::check_names(config, runbook).iter().for_each(|d| self.adopt(d, &own));
                    self.named.extend(runbook.people.iter().cloned());
                }
                size = runbook.map_or_else(String::new, |r| steps(r.all_steps().len()));
            }
        }
        self.files.push(Checked { id, name, kind, size });
        Ok(())
    }

    /// The text with that name; added if it is new.
    fn source(&mut self, name: &str, text: &str) -> SourceId {
        let known = (0..).map(SourceId).map_while(|id| self.sources.get(id).map(|s| (id, s)));
        let known = known.into_iter().find(|(_, s)| s.name == name).map(|(id, _)| id);
        known.unwrap_or_else(|| self.sources.add(name, text))
    }

    /// Takes over what was found in a runbook or in those that it calls.
    fn adopt(&mut self, found: &Diagnostic, own: &Sources) {
        let mut found = found.clone();
        let labels = found.others.iter_mut().map(|label| &mut label.span);
        for span in found.span.iter_mut().chain(labels) {
            if let Some(source) = own.get(span.source) {
                span.source = self.source(&source.name, &source.text);
            }
        }
        self.found.push(found);
    }

    fn of(&self, id: SourceId) -> Diagnostics {
        let mut own = Diagnostics::new();
        let here = |d: &&Diagnostic| d.span.is_some_and(|s| s.source == id);
        self.found.iter().filter(here).for_each(|d| own.push(d.clone()));
        own
    }

    fn to_people(&self, colors: Colors) {
        err(&render::render(&self.found, &self.sources, colors.err));
        for file in self.files.iter().filter(|f| !self.of(f.id).has_errors()) {
            out(&format!("{}: ok{}\n", file.name, file.size));
        }
        let number = self.files.len();
        let files = format!("{number} file{}", if number == 1 { "" } else { "s" });
        let wrong = self.files.iter().filter(|f| self.of(f.id).has_errors()).count();
        match (wrong, self.found.has_errors()) {
            (0, false) => out(&format!("{files}, no mistakes\n")),
            (0, true) => {}
            _ => out(&format!("{files}, {wrong} with mistakes\n")),
        }
    }

    fn file_json(&self, file: &Checked) -> Json {
        let own = self.of(file.id);
        let document = render::to_json(&own, &self.sources);
        json!({ "file": file.name, "kind": file.kind, "ok": !own.has_errors(), "diagnostics": document["diagnostics"] })
    }

    /// Mistakes without a place (a file that is not there) stand beside the files.
    fn to_json(&self) -> Json {
        let sorted = self.found.sorted();
        let errors = sorted.iter().filter(|d| d.severity == Severity::Error).count();
        let mut elsewhere = Diagnostics::new();
        sorted.iter().filter(|d| d.span.is_none()).for_each(|d| elsewhere.push(d.clone()));
        json!({
            "schema": "runbook.validate/1",
            "ok": errors == 0,
            "errors": errors,
            "warnings": sorted.len() - errors,
            "files": self.files.iter().map(|file| self.file_json(file)).collect::<Vec<_>>(),
            "diagnostics": render::to_json(&elsewhere, &self.sources)["diagnostics"],
        })
    }
}

fn steps(number: usize) -> String {
    format!(", {number} step{}", if number == 1 { "" } else { "s" })
}

/// What a file is: by its name a configuration, by its keys an inventory, else a runbook.
fn kind(path: &Path, sources: &Sources, id: SourceId) -> &'static str {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if name == "config.yaml" || name.ends_with(".config.yaml") {
        return "configuration";
    }
    let (node, _) = yaml::read(sources, id);
    let has = |key: &str| node.as_ref().is_some_and(|n| n.get(key).is_some());
    let inventory = ["hosts", "groups", "pools"].into_iter().any(has);
    let runbook = ["runbook", "steps", "language"].into_iter().any(has);
    if inventory && !runbook { "inventory" } else { "runbook" }
}
