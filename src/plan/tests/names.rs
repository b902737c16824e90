//! People and channels that a runbook names, compared with a configuration.

use super::compiled;
use crate::config::{Config, check_names, parse, unchecked};
use crate::diagnostic::{Diagnostic, Sources};

const CONFIG: &str = "\
people: { mira: { approve: [break_glass], notify: [here] } }
groups: { all: { members: [mira] } }
channels: { here: { terminal: {} } }
";

const RUNBOOK: &str = "\
runbook: t
language: 1
description: d
notify: { to: her, events: [failure] }
steps:
  - id: a
    approve: { ask: \"?\", from: [mira, break_glas, \"*\"], on_timeout: escalate, then_escalate_to: [all] }
  - id: b
    notify: { to: nowhere, message: hi }
    needs: [a]
";

fn found(config: &Config) -> Vec<(&'static str, String, String)> {
    let place = |d: &Diagnostic| d.span.map_or("", |s| &RUNBOOK[s.start as usize..s.end as usize]).to_owned();
    let found = check_names(config, &compiled(RUNBOOK, &[])).sorted();
    found
        .iter()
        .map(|d| (d.code, place(d), d.replacement.clone().unwrap_or_default()))
        .collect()
}

#[test]
fn unknown_names_are_found_at_their_places() {
    let mut sources = Sources::new();
    let id = sources.add("config.yaml", CONFIG);
    let (config, mistakes) = parse(&sources, &[id]);
    let mistake = |place: &str, meant: &str| ("RB0740", place.to_owned(), meant.to_owned());
    assert_eq!(
        found(&config.unwrap_or_else(|| panic!("{mistakes:#?}"))),
        [mistake("her", "here"), mistake("break_glas", "break_glass"), mistake("nowhere", "")]
    );
}

#[test]
fn without_anybody_to_compare_with_there_is_one_warning() {
    let runbook = compiled(RUNBOOK, &[]);
    assert!(check_names(&Config::default(), &runbook).is_empty());
    let found = unchecked(&Config::default(), &[runbook.people.clone(), runbook.people.clone()].concat()).unwrap();
    assert_eq!((found.code, found.span), ("RB0741", None));
    assert!(
        found.message.contains("`her`, `mira`, `break_glas`, `all` and 1 more") && found.message.contains("runbook.config.yaml"),
        "{}",
        found.message
    );
    let mut all = crate::diagnostic::Diagnostics::new();
    all.push(found);
    let shown = crate::diagnostic::render::render(&all, &Sources::new(), false);
    assert_eq!(shown.lines().count(), 1, "{shown}");
}
