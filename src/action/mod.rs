//! Floor 3: the catalogue of actions. One file each: declaration, operations, reading, decision, verdict.
//!
//! An action is pure: it hands out operations and never performs one. This file holds the catalogue and nothing else.

pub mod command;
pub mod db;
pub mod declare;
pub mod disk;
pub mod escalate;
pub mod facts;
pub mod file;
pub mod history;
pub mod http;
pub mod notify;
pub mod outcome;
pub mod package;
pub mod place;
pub mod pool;
pub mod process;
pub mod program;
pub mod reboot;
pub mod reclaim;
pub mod reference;
pub mod service;
pub mod shell;
pub mod silence;
pub mod tcp;
pub mod tell;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use crate::model::action::{ActionKind, Catalog};

/// Every action of the product.
pub static CATALOG: Actions = Actions(&[OWN, db::ALL, package::ALL, pool::ALL]);

/// The actions of this folder, sorted by name.
const OWN: &[&dyn ActionKind] = &[
    &command::Command,
    &disk::clean::Clean,
    &disk::usage::Usage,
    &escalate::Escalate,
    &facts::Facts,
    &file::line::Line,
    &file::replace::Replace,
    &file::search::Search,
    &file::stand::File,
    &file::stat::Stat,
    &file::write::Write,
    &history::History,
    &http::Http,
    &reboot::Reboot,
    &reclaim::Reclaim,
    &notify::Notify,
    &process::Kill,
    &service::Service,
    &shell::Shell,
    &silence::Silence,
    &tcp::Tcp,
];

/// The one catalogue; see [`CATALOG`].
pub struct Actions(&'static [&'static [&'static dyn ActionKind]]);

impl Actions {
    /// Every action, sorted by name.
    #[must_use]
    pub fn all(&self) -> Vec<&'static dyn ActionKind> {
        let mut all: Vec<&'static dyn ActionKind> = self.0.iter().flat_map(|list| list.iter().copied()).collect();
        all.sort_by_key(|kind| kind.signature().name);
        all
    }
}

impl Catalog for Actions {
    fn get(&self, name: &str) -> Option<&dyn ActionKind> {
        self.0
            .iter()
            .flat_map(|list| list.iter().copied())
            .find(|kind| kind.signature().name == name)
    }

    fn names(&self) -> Vec<&'static str> {
        self.all().iter().map(|kind| kind.signature().name).collect()
    }
}
