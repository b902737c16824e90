//! Floor 3: the runbook language. From a text to a [`Runbook`] in which every name is resolved, every text and expression is
//! parsed and typed, and every obligation has a step that discharges it.
//!
//! `parse` (YAML → as written) → `check` (as written → compiled). Every mistake of a file is reported in one go, at its place.
//! Actions are known by their declarations only ([`Catalog`]); hosts, groups and pools not at all: they are the plan's.

pub mod convert;
pub mod expression;
pub mod format;
pub mod reference;
pub mod template;
pub mod types;

mod arguments;
mod call;
mod check;
mod check_control;
mod check_step;
mod effects;
mod invariants;
mod keys;
mod link;
mod mentions;
mod needs;
mod outline;
mod owes;
mod params;
mod parse;
mod parse_control;
mod parse_step;
mod people;
mod place;
mod reader;
mod schema;
mod scope;
mod site;
mod syntax;
mod trigger;

#[cfg(test)]
mod sample_catalog;
#[cfg(test)]
mod tests;

pub use link::missing_files;
pub use schema::schema;

use crate::diagnostic::{Diagnostic, Diagnostics, SourceId, Sources};
use crate::model::action::Catalog;
use crate::model::runbook::Runbook;

/// Compiles one runbook, with those it calls: their texts are found among `sources` by name ([`missing_files`]). `file_stem`: the
/// file's name without `.yaml`, which the runbook must carry; `None` for standard input.
///
/// The runbook is there exactly when there are no errors.
#[must_use]
pub fn compile(sources: &Sources, id: SourceId, file_stem: Option<&str>, catalog: &dyn Catalog) -> (Option<Runbook>, Diagnostics) {
    let mut compiler = link::Compiler::new(sources, catalog);
    let file = compiler.file(id, file_stem).filter(|_| !compiler.found.has_errors());
    (file.map(|f| f.runbook), compiler.found)
}

/// Drops what only follows from another mistake: a text cut apart by YAML (RB0011) leaves half a text and a senseless key on its
/// line; an unknown action or a wrong declaration leaves results and parameters of unknown type (RB0206).
fn without_echoes(sources: &Sources, found: &Diagnostics) -> Diagnostics {
    let line = |d: &Diagnostic| d.span.and_then(|s| sources.position(s)).map(|(line, _)| line);
    let cuts: Vec<_> = found.iter().filter(|d| d.code == "RB0011").map(line).collect();
    let breaks = |d: &Diagnostic| ["RB0106", "RB0110", "RB0114"].contains(&d.code) || d.label == check_step::NO_ACTION;
    let untyped = found.iter().any(breaks);
    let echoes = |d: &&Diagnostic| (d.code != "RB0011" && cuts.contains(&line(d))) || (untyped && d.code == "RB0206");
    let mut rest = Diagnostics::new();
    found.iter().filter(|d| !echoes(d)).for_each(|d| rest.push(d.clone()));
    rest
}

fn named_as_file(file: &syntax::Runbook, file_stem: Option<&str>, d: &mut Diagnostics) {
    let Some(stem) = file_stem else { return };
    let name = &file.name;
    if !name.value.is_empty() && name.value != stem {
        let message = format!("the runbook is called `{}`, its file `{stem}.yaml`", name.value);
        d.push(
            Diagnostic::error("RB0103", name.span, message)
                .label("not the file's name")
                .replacement(stem),
        );
    }
}
