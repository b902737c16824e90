//! What the commands share: where texts, the journal and the configuration are, and how the parts are put together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::arguments::Global;
use super::exit::CliError;
use super::inventory_files;
use super::output::Colors;
use super::people;
use crate::action::CATALOG;
use crate::base::bound::CALLS;
use crate::base::clock::Clock;
use crate::config::{self, Config};
use crate::diagnostic::{Diagnostic, Diagnostics, SourceId, Sources};
use crate::inventory;
use crate::journal::{Journal, SqliteJournal};
use crate::lang;
use crate::model::inventory::Inventory;
use crate::model::runbook::Runbook;
use crate::run::connections::Connections;
use crate::run::supervisor::Supervisor;
use crate::run::system::SystemClock;
use crate::transport::{Connector, Transport};
use crate::yaml;

/// One invocation.
pub struct Context {
    /// Flags of every command.
    pub global: Global,
    /// Whether to colour.
    pub colors: Colors,
    /// People, channels, limits.
    pub config: Config,
    /// The files it came from.
    pub config_sources: Sources,
    /// What in them has no effect.
    pub config_warnings: Diagnostics,
}

/// A compiled runbook and the texts it came from (the runbook is source 0, those that it calls follow).
#[derive(Debug)]
pub struct Compiled {
    /// The runbook.
    pub runbook: Runbook,
    /// Its text.
    pub sources: Sources,
}

impl Context {
    /// Reads the configuration.
    ///
    /// # Errors
    /// A configuration that is invalid or cannot be read.
    pub fn new(global: Global) -> Result<Context, CliError> {
        let colors = Colors::new(global.color);
        let mut sources = Sources::new();
        let mut ids = Vec::new();
        for path in config_files(&global)? {
            ids.push(read(&mut sources, &path)?);
        }
        let (config, diagnostics) = config::parse(&sources, &ids);
        match config {
            Some(config) if !diagnostics.has_errors() => Ok(Context {
                global,
                colors,
                config,
                config_sources: sources,
                config_warnings: diagnostics,
            }),
            _ => Err(CliError::Texts(diagnostics, Box::new(sources))),
        }
    }

    /// Reads and compiles a runbook: a path, `-` for standard input, or a name in `runbooks/`.
    ///
    /// # Errors
    /// A file that is not there; mistakes in it.
    pub fn compile(&self, name: &Path) -> Result<Compiled, CliError> {
        let mut sources = Sources::new();
        let (id, stem) = if name == Path::new("-") {
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut std::io::stdin().lock(), &mut bytes)?;
            (sources.add("<stdin>", decode(&bytes, name)?), None)
        } else {
            let path = find_runbook(name)?;
            let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned());
            (read(&mut sources, &path)?, stem)
        };
        read_called(&mut sources)?;
        self.compile_texts(sources, id, stem.as_deref())
    }

    /// Compiles texts that were read before: the runbook, then those that it calls.
    ///
    /// # Errors
    /// Mistakes in them.
    pub fn compile_texts(&self, sources: Sources, id: SourceId, stem: Option<&str>) -> Result<Compiled, CliError> {
        let (runbook, mut diagnostics) = lang::compile(&sources, id, stem, &CATALOG);
        if let Some(runbook) = &runbook {
            diagnostics.extend(config::check_names(&self.config, runbook));
            if let Some(unchecked) = config::unchecked(&self.config, &runbook.people) {
                diagnostics.push(unchecked);
            }
        }
        match runbook {
            Some(runbook) if !diagnostics.has_errors() => {
                if !diagnostics.is_empty() {
                    super::output::err(&crate::diagnostic::render::render(&diagnostics, &sources, self.colors.err));
                }
                Ok(Compiled { runbook, sources })
            }
            _ => Err(CliError::Texts(diagnostics, Box::new(sources))),
        }
    }

    /// Reads the inventory.
    ///
    /// # Errors
    /// Files that are not there; mistakes in them.
    pub fn inventory(&self) -> Result<Inventory, CliError> {
        let configured = self.config.inventory.as_slice();
        let named: Vec<PathBuf> = match (self.global.inventory.as_slice(), configured) {
            ([], []) => vec![PathBuf::from("inventory")],
            ([], configured) => configured.iter().map(PathBuf::from).collect(),
            (flags, _) => flags.to_vec(),
        };
        let (sources, texts) = inventory_files::read(&named, !self.global.inventory.is_empty())?;
        let here = std::env::current_dir()
            .map(|d| d.to_string_lossy().into_owned())
            .unwrap_or_default();
        let (inventory, diagnostics) = inventory::read(&sources, &texts, &here);
        let shown = inventory::masked(&sources);
        match inventory {
            Some(inventory) if !diagnostics.has_errors() => {
                if !diagnostics.is_empty() {
                    super::output::err(&crate::diagnostic::render::render(&diagnostics, &shown, self.colors.err));
                }
                Ok(inventory)
            }
            _ => Err(CliError::Texts(diagnostics, Box::new(shown))),
        }
    }

    /// The file the journal is in.
    ///
    /// # Errors
    /// When there is no place for it.
    pub fn journal_path(&self) -> Result<PathBuf, CliError> {
        if let Some(path) = self
            .global
            .journal
            .clone()
            .or_else(|| self.config.journal.as_ref().map(PathBuf::from))
        {
            return Ok(path);
        }
        let state = std::env::var_os("XDG_STATE_HOME").filter(|v| !v.is_empty()).map(PathBuf::from);
        let home = std::env::var_os("HOME")
            .filter(|v| !v.is_empty())
            .map(|home| PathBuf::from(home).join(".local/state"));
        let folder = state
            .or(home)
            .map_or_else(|| PathBuf::from("/var/lib/runbook"), |base| base.join("runbook"));
        Ok(folder.join("journal.sqlite3"))
    }

    /// Opens the journal, making it if need be.
    ///
    /// # Errors
    /// A place that cannot be used; a damaged journal.
    pub fn journal(&self) -> Result<Arc<dyn Journal>, CliError> {
        Ok(Arc::new(SqliteJournal::open(&self.journal_path()?)?))
    }

    /// The journal if there is one; looking makes none.
    ///
    /// # Errors
    /// As [`Context::journal`].
    pub fn journal_so_far(&self) -> Result<Option<Arc<dyn Journal>>, CliError> {
        // A place that cannot be told holds no journal.
        match self.journal_path() {
            Ok(path) if path.is_file() => self.journal().map(Some),
            _ => Ok(None),
        }
    }

    /// Everything that drives runs.
    ///
    /// # Errors
    /// As [`Context::journal`].
    pub fn supervisor(&self) -> Result<Supervisor, CliError> {
        Ok(Supervisor {
            journal: self.journal()?,
            clock: self.clock(),
            transport: self.transport(),
            catalog: &CATALOG,
            channels: Arc::new(people::channels(&self.config)?),
            ssh_options: self.config.ssh_options(),
            opened: None,
            secret_sources: Arc::new(self.config.secret_sources.clone()),
            vault: None,
        })
    }

    /// Opens connections, no more at once than the configuration allows.
    #[must_use]
    pub fn transport(&self) -> Arc<dyn Transport> {
        Arc::new(match self.config.ssh.max_connects {
            Some(most) => Connector::at_most(most),
            None => Connector::new(),
        })
    }

    /// Connections to the hosts of an inventory; none is open yet.
    #[must_use]
    pub fn connections(&self, inventory: Arc<Inventory>) -> Arc<Connections> {
        Arc::new(Connections::new(self.transport(), inventory, self.config.ssh_options()))
    }

    /// The machine's clock.
    #[must_use]
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(SystemClock)
    }
}

/// Parses `NAME=VALUE` flags.
///
/// # Errors
/// A flag without `=`, a name given twice.
pub fn params(flags: &[String]) -> Result<BTreeMap<String, String>, CliError> {
    let mut given = BTreeMap::new();
    for flag in flags {
        let (name, value) = flag
            .split_once('=')
            .ok_or_else(|| CliError::Usage(format!("--param expects NAME=VALUE, found `{flag}`")))?;
        if given.insert(name.trim().to_owned(), value.to_owned()).is_some() {
            return Err(CliError::Usage(format!("--param {} is given twice", name.trim())));
        }
    }
    Ok(given)
}

/// The file of a runbook.
pub(super) fn find_runbook(name: &Path) -> Result<PathBuf, CliError> {
    let mut tried = vec![name.to_owned(), name.with_extension("yaml")];
    if name.is_relative() {
        tried.push(Path::new("runbooks").join(name));
        tried.push(Path::new("runbooks").join(name).with_extension("yaml"));
    }
    tried.dedup();
    tried.iter().find(|p| p.is_file()).cloned().ok_or_else(|| {
        let places: Vec<String> = tried.iter().map(|p| p.display().to_string()).collect();
        no_text("runbook", name, &format!("looked for {}", places.join(", ")))
    })
}

pub(super) fn no_text(what: &str, path: &Path, why: &str) -> CliError {
    let d = Diagnostic::nowhere("RB0714", format!("there is no {what} `{}`", path.display())).help(why);
    CliError::Texts(d.into(), Box::default())
}

fn read(sources: &mut Sources, path: &Path) -> Result<SourceId, CliError> {
    let bytes = std::fs::read(path).map_err(|e| no_text("readable file", path, &e.to_string()))?;
    let text = decode(&bytes, path)?;
    Ok(sources.add(path.display().to_string(), text))
}

/// Reads the runbooks that are called, and those that they call. One that is not there is the compiler's to tell, at its place.
pub(super) fn read_called(sources: &mut Sources) -> Result<(), CliError> {
    let mut absent = Vec::new();
    loop {
        let missing: Vec<String> = lang::missing_files(sources)
            .into_iter()
            .filter(|name| !absent.contains(name))
            .collect();
        // More than can be called need not be read: the compiler refuses them by their number.
        if missing.is_empty() || sources.iter().count() > CALLS {
            return Ok(());
        }
        for name in missing {
            if Path::new(&name).is_file() {
                read(sources, Path::new(&name))?;
            } else {
                absent.push(name);
            }
        }
    }
}

pub(super) fn decode(bytes: &[u8], path: &Path) -> Result<String, CliError> {
    yaml::decode(bytes).map_err(|d| {
        let mut sources = Sources::new();
        sources.add(path.display().to_string(), String::new());
        CliError::Texts(d, Box::new(sources))
    })
}

/// Configuration files, the most telling first.
fn config_files(global: &Global) -> Result<Vec<PathBuf>, CliError> {
    if let Some(path) = &global.config {
        return if path.is_file() {
            Ok(vec![path.clone()])
        } else {
            Err(no_text("configuration", path, "given by --config or RUNBOOK_CONFIG"))
        };
    }
    let mut files = Vec::new();
    let mut folder = std::env::current_dir().ok();
    while let Some(here) = folder {
        let file = here.join("runbook.config.yaml");
        if file.is_file() {
            files.push(file);
            break;
        }
        // The repository's root ends the search: a file above it belongs to somebody else.
        folder = if here.join(".git").exists() {
            None
        } else {
            here.parent().map(Path::to_owned)
        };
    }
    let user = std::env::var_os("XDG_CONFIG_HOME").filter(|v| !v.is_empty()).map(PathBuf::from);
    let user = user.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config")));
    files.extend(user.map(|base| base.join("runbook/config.yaml")).filter(|p| p.is_file()));
    files.extend(Some(PathBuf::from("/etc/runbook/config.yaml")).filter(|p| p.is_file()));
    Ok(files)
}
