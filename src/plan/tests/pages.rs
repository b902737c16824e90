//! The examples on the pages of the RB07 codes are planned: a wrong one gives exactly its page's code, a right one none.

use super::planned_with;
use crate::diagnostic::code::{further_files, pages};

fn block<'p>(page: &'p str, tag: &str) -> &'p str {
    let start = page
        .find(&format!("```{tag}\n"))
        .unwrap_or_else(|| panic!("no {tag} example:\n{page}"))
        + tag.len()
        + 4;
    page[start..].split("```").next().unwrap()
}

/// The codes that an example gives; its first line may be the command with its parameters.
fn codes(page: &str, text: &str, offline: bool) -> Vec<&'static str> {
    let command = text.lines().next().filter(|l| l.starts_with("# runbook plan"));
    let given: Vec<(&str, &str)> = command
        .map(|c| c.split("--param ").skip(1).filter_map(|p| p.trim().split_once('=')).collect())
        .unwrap_or_default();
    match planned_with(text, &further_files(page), &given, offline) {
        Ok(_) => Vec::new(),
        Err(found) => found.sorted().iter().map(|d| d.code).collect(),
    }
}

#[test]
fn every_page_has_examples_and_they_do_what_it_says() {
    let ours: Vec<_> = pages().into_iter().filter(|(code, _)| code.starts_with("RB07")).collect();
    assert!(ours.len() >= 14);
    for (code, page) in ours {
        // Made outside of planning (`--limit`, files, the rounds of looking): commands, for the tests of the whole program.
        if page.contains("```wrong sh\n") {
            continue;
        }
        let (wrong, right) = (block(page, "wrong"), block(page, "right"));
        // Offline a loop over what a step finds is left out with a warning.
        assert_eq!(codes(page, wrong, !["RB0708", "RB0715"].contains(&code)), [code], "{wrong}");
        assert_eq!(codes(page, right, true), Vec::<&str>::new(), "{right}");
    }
}
