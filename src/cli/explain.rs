//! `runbook explain`: the page of a code, an action, the language, or the exit codes; without a topic the list of codes.

use super::exit::{CliError, Exit, TABLE};
use super::output::out;
use crate::action::{CATALOG, reference};
use crate::diagnostic::{code, nearest};
use crate::lang;
use crate::model::action::Catalog;

/// Topics that are neither a code nor an action.
const TOPICS: &[&str] = &["action", "language", "expression", "text", "pattern", "exit-codes"];

/// Prints a page.
///
/// # Errors
/// An unknown topic.
pub fn run(topic: Option<&str>, name: Option<&str>) -> Result<Exit, CliError> {
    let page = match (topic, name) {
        (None, _) => codes(),
        (Some("action"), None) => actions(),
        (Some("action"), Some(name)) => action(name)?,
        (Some("language"), key) => language(key)?,
        (Some("expression"), None) => lang::reference::expressions(),
        (Some("text"), None) => lang::reference::texts(),
        (Some("pattern"), None) => lang::reference::PATTERNS.to_owned(),
        (Some("exit-codes"), None) => TABLE.to_owned(),
        (Some(topic), None) => code_or_action(topic)?,
        (Some(other), Some(_)) => {
            return Err(CliError::Usage(format!(
                "`runbook explain {other} …` is not known; try `runbook explain action NAME` or `runbook explain language KEY`"
            )));
        }
    };
    out(&page);
    Ok(Exit::Done)
}

/// `RB0102  unknown step`
fn codes() -> String {
    let title = |page: &str| {
        page.lines()
            .next()
            .and_then(|l| l.split_once(": "))
            .map_or("", |(_, t)| t)
            .to_owned()
    };
    let lines: String = code::pages()
        .iter()
        .map(|(code, page)| format!("{code}  {}\n", title(page)))
        .collect();
    format!("{lines}\n`runbook explain CODE` explains one. Also: {}.\n", TOPICS.join(", "))
}

fn actions() -> String {
    let line = |name: &&str| format!("{name:<16} {}\n", CATALOG.get(name).map_or("", |k| k.signature().summary));
    CATALOG.names().iter().map(line).collect()
}

fn code_or_action(topic: &str) -> Result<String, CliError> {
    if let Some(page) = code::page(topic) {
        return Ok(page.to_owned());
    }
    if CATALOG.get(topic).is_some() {
        return action(topic);
    }
    let codes: Vec<&str> = code::pages().iter().map(|(c, _)| *c).collect();
    let near = did_you_mean(topic, codes.iter().chain(TOPICS).copied().chain(CATALOG.names()));
    Err(CliError::Usage(format!(
        "there is no page for `{topic}`{near} (a code such as RB0102, or one of {})",
        TOPICS.join(", ")
    )))
}

fn action(name: &str) -> Result<String, CliError> {
    let found = CATALOG.get(name).map(|kind| reference::reference(kind.signature()));
    found.ok_or_else(|| {
        let near = did_you_mean(name, CATALOG.names());
        CliError::Usage(format!("there is no action `{name}`{near} (`runbook explain action` lists them)"))
    })
}

fn language(key: Option<&str>) -> Result<String, CliError> {
    lang::reference::language(key).ok_or_else(|| {
        let near = did_you_mean(key.unwrap_or_default(), lang::reference::key_names());
        let key = key.unwrap_or_default();
        CliError::Usage(format!("there is no key `{key}`{near} (`runbook explain language` lists them)"))
    })
}

fn did_you_mean<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(found, known).map(|n| format!("; did you mean `{n}`?")).unwrap_or_default()
}
