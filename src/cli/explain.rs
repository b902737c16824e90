//! `runbook explain`: the page of a code, an action, or the exit codes.

use super::exit::{CliError, Exit, TABLE};
use super::output::out;
use crate::action::{CATALOG, reference};
use crate::diagnostic::{code, nearest};
use crate::model::action::Catalog;

/// Prints a page.
///
/// # Errors
/// An unknown topic.
pub fn run(topic: &str, name: Option<&str>) -> Result<Exit, CliError> {
    match (topic, name) {
        ("exit-codes", None) => out(TABLE),
        ("action", Some(name)) => out(&action(name)?),
        ("action", None) => {
            for name in CATALOG.names() {
                let summary = CATALOG.get(name).map_or("", |k| k.signature().summary);
                out(&format!("{name:<16} {summary}\n"));
            }
        }
        (code_or_action, None) => match code::page(code_or_action) {
            Some(page) => out(page),
            None if CATALOG.get(code_or_action).is_some() => out(&action(code_or_action)?),
            None => {
                let codes: Vec<&str> = code::pages().iter().map(|(c, _)| *c).collect();
                let near = nearest(code_or_action, codes.iter().copied())
                    .map(|n| format!("; did you mean {n}?"))
                    .unwrap_or_default();
                return Err(CliError::Usage(format!(
                    "there is no page for `{code_or_action}`{near} (a code such as RB0102, `action NAME`, or `exit-codes`)"
                )));
            }
        },
        (other, Some(_)) => {
            return Err(CliError::Usage(format!(
                "`runbook explain {other} …` is not known; try `runbook explain action NAME`"
            )));
        }
    }
    Ok(Exit::Done)
}

fn action(name: &str) -> Result<String, CliError> {
    match CATALOG.get(name) {
        Some(kind) => Ok(reference::reference(kind.signature())),
        None => {
            let near = nearest(name, CATALOG.names())
                .map(|n| format!("; did you mean `{n}`?"))
                .unwrap_or_default();
            Err(CliError::Usage(format!(
                "there is no action `{name}`{near} (`runbook explain action` lists them)"
            )))
        }
    }
}
