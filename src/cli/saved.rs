//! Saved plans: how one gets into its file, and what must be so for it to come out again.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::context::{Context, no_text};
use super::exit::CliError;
use super::output::err;
use super::plan::{Made, Wanted};
use super::plan_output::meant;
use crate::base::bound::SAVED_PLAN_BYTES;
use crate::base::clock::friendly;
use crate::base::quote;
use crate::base::sanitise::one_line;
use crate::diagnostic::SourceId;
use crate::plan::saved::{InventoryIdentity, SavedError, SavedPlan};
use crate::report::{self, Style};
use crate::run::system;

/// How much of a file is read to see whether it is a plan.
const BEGINNING: u64 = 200;

/// Before the hosts are looked at: the plan could be saved there.
///
/// # Errors
/// A folder that is not there; another file that would be lost; a plan that could never be applied.
pub fn may_be_written(file: &Path, offline: bool) -> Result<(), CliError> {
    let shown = file.display();
    if offline {
        return Err(CliError::Usage(format!(
            "a plan made --offline is not saved in `{shown}`: it says nothing about the hosts, so nothing could be held against them"
        )));
    }
    let folder = folder_of(file);
    if !folder.is_dir() {
        return Err(CliError::Usage(format!(
            "the plan cannot be saved in `{shown}`: there is no folder `{}`",
            folder.display()
        )));
    }
    match fs::symlink_metadata(file) {
        Ok(there) if !there.is_file() || !is_plan(file) => Err(CliError::Usage(format!(
            "`{shown}` is there and is no saved plan; it is not overwritten"
        ))),
        _ => Ok(()),
    }
}

/// True for a file that says it is one.
#[must_use]
pub fn is_plan(file: &Path) -> bool {
    let mut beginning = String::new();
    let read = File::open(file).and_then(|f| f.take(BEGINNING).read_to_string(&mut beginning));
    read.is_ok() && beginning.contains("\"runbook.saved-plan/")
}

/// A saved plan to look at, also one that cannot be applied any more; no host is looked at.
///
/// # Errors
/// A file that is no plan, was changed, is of another version.
pub fn shown(context: &Context, path: &Path) -> Result<SavedPlan, CliError> {
    let saved = SavedPlan::read(&read_whole(path)?).map_err(|e| not_this(path, &e))?;
    let until = if saved.expired(context.clock().now()) {
        "expired at"
    } else {
        "good until"
    };
    err(&format!(
        "Saved    by {} at {}, {until} {}; no host was looked at now\n",
        one_line(&saved.made_by, 60),
        saved.made_at,
        saved.expires_at
    ));
    Ok(saved)
}

fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Saves a plan and says how to apply it.
///
/// # Errors
/// What the system says.
pub fn write(context: &Context, file: &Path, made: &Made) -> Result<(), CliError> {
    let hint = file.to_str().and_then(meant);
    if let Some(format) = hint {
        err(&format!(
            "`{}` was taken for the name of a file; did you mean `-o {format}`?\n",
            one_line(&file.display().to_string(), 60)
        ));
    }
    if !made.plan.refusals.is_empty() {
        err("Not saved: the plan is refused, so there is nothing to apply\n");
        return Ok(());
    }
    let mut plan = SavedPlan::new(
        system::new_uid(),
        system::person(),
        made.plan.clone(),
        made.compiled.sources.clone(),
        &made.inventory,
    );
    plan.params.clone_from(&made.given);
    plan.limit.clone_from(&made.limit);
    put(file, &plan.text()).map_err(|e| CliError::Internal(format!("the plan cannot be saved in `{}`: {e}", file.display())))?;
    let name = file.display().to_string();
    let mut words = vec![String::from("apply")];
    words.extend(globals(context));
    words.extend([String::from("--plan"), name.clone()]);
    err(&format!(
        "Saved    {}: plan sha256:{}…, good for one run until {}\n         {}\n",
        one_line(&name, 200),
        plan.plan.digest.get(..12).unwrap_or_default(),
        plan.expires_at,
        command(&words)
    ));
    Ok(())
}

fn command(words: &[String]) -> String {
    one_line(&format!("runbook {}", quote::show(words.iter().map(String::as_str))), 1000)
}

/// The flags of every command that say which hosts and which journal.
fn globals(context: &Context) -> Vec<String> {
    let global = &context.global;
    let mut words = Vec::new();
    let mut flag = |name: &str, path: &Path| words.extend([name.to_owned(), path.display().to_string()]);
    global.inventory.iter().for_each(|path| flag("-i", path));
    global.config.iter().for_each(|path| flag("--config", path));
    global.journal.iter().for_each(|path| flag("--journal", path));
    words
}

/// Written beside it and then moved: there is the old file, or the new one, whole, and nobody else reads it.
fn put(file: &Path, text: &str) -> io::Result<()> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let beside = file.with_file_name(format!(".{name}.{}.new", std::process::id()));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)
        .and_then(|mut new| new.write_all(text.as_bytes()).and_then(|()| new.sync_all()))
        .and_then(|()| fs::rename(&beside, file))
        .and_then(|()| File::open(folder_of(file))?.sync_all());
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

/// A saved plan and where it is.
#[derive(Debug)]
pub struct FromFile {
    path: PathBuf,
    /// What was saved.
    pub saved: SavedPlan,
}

impl FromFile {
    /// Reads a plan that may still be applied.
    ///
    /// # Errors
    /// A file that is no plan, was changed, is of another version; a plan that is expired or used.
    pub fn read(context: &Context, path: &Path) -> Result<FromFile, CliError> {
        let text = read_whole(path)?;
        let saved = SavedPlan::read(&text).map_err(|e| not_this(path, &e))?;
        let found = FromFile {
            path: path.to_owned(),
            saved,
        };
        let now = context.clock().now();
        if found.saved.expired(now) {
            let ago = friendly(std::time::Duration::from_secs(now.since(found.saved.expires_at).as_secs()));
            return Err(found.refused(context, &format!("expired {ago} ago, at {}", found.saved.expires_at)));
        }
        found.unused(context)?;
        Ok(found)
    }

    /// What its use is recorded as, with the run.
    #[must_use]
    pub fn used_as(&self) -> String {
        format!("plan {}", self.saved.id)
    }

    fn unused(&self, context: &Context) -> Result<(), CliError> {
        let Some(journal) = context.journal_so_far()? else { return Ok(()) };
        let Some(run) = journal.run_of_plan(&self.used_as())? else {
            return Ok(());
        };
        let run = journal.run(run)?;
        let why = format!(
            "was used already, and a plan is used once: run {} of {} began at {} (runbook show {})",
            run.id,
            one_line(&run.by, 60),
            run.created_at,
            run.id.0
        );
        Err(self.refused(context, &why))
    }

    /// What it was made from, with the hosts of today's inventory.
    ///
    /// # Errors
    /// Another inventory; texts that this program does not accept.
    pub fn wanted(&self, context: &Context) -> Result<Wanted, CliError> {
        let inventory = context.inventory()?;
        let apart = self.saved.inventory.differences(&InventoryIdentity::of(&inventory));
        if !apart.is_empty() {
            let why = format!("was made for another inventory: {}", some(&apart));
            return Err(self.refused(context, &why));
        }
        let sources = self.saved.sources.clone();
        let name = sources.get(SourceId(0)).map(|s| PathBuf::from(&s.name)).unwrap_or_default();
        let stem = name.file_stem().map(|s| s.to_string_lossy().into_owned());
        let stem = stem.filter(|s| s != "<stdin>");
        Ok(Wanted {
            compiled: context.compile_texts(sources, SourceId(0), stem.as_deref())?,
            inventory,
            given: self.saved.params.clone(),
            limit: self.saved.limit.clone(),
            offline: false,
        })
    }

    /// What the plan of now does otherwise, in words; `None`: it is the same.
    #[must_use]
    pub fn drift(&self, context: &Context, now: &Made) -> Option<String> {
        let was = &self.saved.plan;
        if was.digest == now.plan.digest {
            return None;
        }
        let ago = friendly(std::time::Duration::from_secs(now.plan.made_at.since(self.saved.made_at).as_secs()));
        let style = Style { color: context.colors.err };
        Some(format!(
            "the plan in {} is no longer what would be done. Since {} ({ago} ago):\n{}",
            self.shown(),
            self.saved.made_at,
            report::drift::text(was, &now.plan, style)
        ))
    }

    /// Refuses it for this reason, and says how to make another.
    #[must_use]
    pub fn refused(&self, context: &Context, why: &str) -> CliError {
        CliError::Refused(format!(
            "the plan in {} {why}\nnothing was changed; plan again: {}",
            self.shown(),
            self.again(context)
        ))
    }

    /// The command that makes such a plan.
    #[must_use]
    pub fn again(&self, context: &Context) -> String {
        let mut words = vec![String::from("plan")];
        words.extend(globals(context));
        for (name, value) in &self.saved.params {
            words.extend([String::from("--param"), format!("{name}={value}")]);
        }
        if let Some(limit) = &self.saved.limit {
            words.extend([String::from("--limit"), limit.clone()]);
        }
        let source = self.saved.sources.get(SourceId(0)).map_or("-", |s| s.name.as_str());
        let source = if source == "<stdin>" { "-" } else { source };
        words.extend([String::from("-o"), self.path.display().to_string(), source.to_owned()]);
        command(&words)
    }

    fn shown(&self) -> String {
        format!("`{}`", one_line(&self.path.display().to_string(), 200))
    }
}

fn some(list: &[String]) -> String {
    const MOST: usize = 6;
    let shown = list.iter().take(MOST).map(String::as_str).collect::<Vec<_>>().join(", ");
    match list.len().saturating_sub(MOST) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn read_whole(path: &Path) -> Result<String, CliError> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|f| f.take(SAVED_PLAN_BYTES + 1).read_to_end(&mut bytes));
    read.map_err(|e| no_text("saved plan", path, &e.to_string()))?;
    if bytes.len() as u64 > SAVED_PLAN_BYTES {
        return Err(not_this(path, &SavedError::TooLarge));
    }
    String::from_utf8(bytes).map_err(|_| not_this(path, &SavedError::NotAPlan))
}

fn not_this(path: &Path, error: &SavedError) -> CliError {
    let name = one_line(&path.display().to_string(), 200);
    CliError::Refused(format!(
        "`{name}` {error}\nnothing was changed; plan again: runbook plan -o FILE RUNBOOK"
    ))
}
