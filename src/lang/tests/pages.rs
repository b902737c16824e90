//! The pages of our codes: the wrong example gives that code and no other, the right one nothing.

use super::compiled_with;
use crate::diagnostic::code::{further_files, pages};

fn block<'p>(page: &'p str, tag: &str) -> Option<&'p str> {
    let start = page.find(&format!("```{tag}\n"))? + tag.len() + 4;
    page[start..].find("```").map(|end| &page[start..start + end])
}

#[test]
fn examples_of_pages_are_true() {
    let ours: Vec<_> = pages()
        .into_iter()
        .filter(|(c, _)| c.starts_with("RB01") || c.starts_with("RB04"))
        .collect();
    assert!(ours.len() > 20, "{}", ours.len());
    for (code, page) in ours {
        assert!(page.starts_with(&format!("# {code}: ")), "{code}");
        let compiled = |text| compiled_with(Some("example"), "example.yaml", text, &further_files(page));
        let (_, wrong) = compiled(block(page, "wrong").unwrap_or_else(|| panic!("{code}: no wrong example")));
        assert!(!wrong.is_empty() && wrong.iter().all(|p| p.starts_with(code)), "{code}: {wrong:#?}");
        let (_, right) = compiled(block(page, "right").unwrap_or_else(|| panic!("{code}: no right example")));
        assert_eq!(right, Vec::<String>::new(), "{code}");
    }
}

#[test]
fn every_code_has_a_page() {
    let sources = [
        include_str!("../arguments.rs"),
        include_str!("../call.rs"),
        include_str!("../check.rs"),
        include_str!("../check_control.rs"),
        include_str!("../check_step.rs"),
        include_str!("../link.rs"),
        include_str!("../mod.rs"),
        include_str!("../needs.rs"),
        include_str!("../outline.rs"),
        include_str!("../owes.rs"),
        include_str!("../params.rs"),
        include_str!("../parse.rs"),
        include_str!("../parse_control.rs"),
        include_str!("../parse_step.rs"),
        include_str!("../place.rs"),
        include_str!("../reader.rs"),
        include_str!("../trigger.rs"),
    ];
    let used = sources.iter().flat_map(|s| s.match_indices("\"RB0").map(|(i, _)| &s[i + 1..i + 7]));
    // Codes of texts and expressions have their pages tested where they are made.
    for code in used.filter(|c| !c.starts_with("RB02")) {
        assert!(crate::diagnostic::code::page(code).is_some(), "{code} has no page");
    }
}
