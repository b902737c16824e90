//! Examples in the pages of codes: the fenced blocks tagged `wrong` and `right`, fed to the readers by tests of each area.

use crate::diagnostic::code::pages;
use crate::diagnostic::{Diagnostics, SourceId, Sources};

/// Feeds every example of every page whose code starts with `area`; `wrong` must give exactly that code, `right` nothing.
/// Examples that are commands are for the tests of the whole program.
pub(crate) fn check(area: &str, read: impl Fn(&Sources, SourceId) -> Diagnostics) {
    let area_pages: Vec<_> = pages().into_iter().filter(|(code, _)| code.starts_with(area)).collect();
    assert!(!area_pages.is_empty(), "no page of {area}");
    for (code, page) in area_pages {
        assert!(
            page.starts_with(&format!("# {code}: ")),
            "{code}: the page starts with its code and title"
        );
        let (wrong, right) = (blocks(page, "wrong"), blocks(page, "right"));
        if page.contains("```wrong sh\n") {
            continue;
        }
        assert!(
            !wrong.is_empty() && !right.is_empty(),
            "{code}: the page needs a wrong and a right example"
        );
        for (texts, expected) in [(wrong, vec![code]), (right, vec![])] {
            for text in texts {
                let mut sources = Sources::new();
                let id = sources.add("example.yaml", text.as_str());
                let mut found: Vec<_> = read(&sources, id).iter().map(|d| d.code).collect();
                found.dedup();
                assert_eq!(found, expected, "{code}:\n{text}\n{:#?}", read(&sources, id));
            }
        }
    }
}

/// The fenced blocks with that tag.
pub(crate) fn blocks(page: &str, tag: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Option<(bool, String)> = None;
    for line in page.lines() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(info), None) => open = Some((info == tag, String::new())),
            (Some(_), Some((meant, text))) => {
                if *meant {
                    found.push(std::mem::take(text));
                }
                open = None;
            }
            (None, Some((_, text))) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    found
}
