//! The pages of our codes: the wrong example gives that code and no other, the right one nothing.

use super::{EXAMPLE, broken};
use crate::diagnostic::code::pages;

fn block<'p>(page: &'p str, tag: &str) -> &'p str {
    let start = page.find(&format!("```{tag}\n")).unwrap() + tag.len() + 4;
    page[start..].split("```").next().unwrap()
}

#[test]
fn examples_of_pages_are_true() {
    let ours: Vec<_> = pages().into_iter().filter(|(code, _)| code.starts_with("RB08")).collect();
    assert_eq!(ours.len(), 7);
    for (code, page) in ours {
        assert!(page.starts_with(&format!("# {code}: ")), "{code}");
        let wrong = broken(EXAMPLE, block(page, "wrong"));
        assert!(!wrong.is_empty() && wrong.iter().all(|l| l.starts_with(code)), "{code}: {wrong:#?}");
        assert_eq!(broken(EXAMPLE, block(page, "right")), Vec::<String>::new(), "{code}");
    }
}
