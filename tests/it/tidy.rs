//! House rules that no compiler checks: headers, leftovers, pages of codes, forgotten files, reasons, names, and what may stand at the top.

use std::collections::BTreeSet;

use crate::source::{self, Kind, Token, spells};

/// Fails with one line for each thing found.
fn none(what: &str, found: Vec<String>) {
    assert!(found.is_empty(), "{what}:\n{}", found.join("\n"));
}

fn rust(folder: &str) -> Vec<String> {
    source::files(folder).into_iter().filter(|f| f.ends_with(".rs")).collect()
}

/// Files that are text and written by hand.
fn written() -> Vec<String> {
    let by_hand = |f: &String| f != "Cargo.lock" && !f.contains("/testdata/");
    source::files("").into_iter().filter(by_hand).collect()
}

#[test]
fn every_file_says_what_it_is_for() {
    let bare = ["src", "tests"]
        .into_iter()
        .flat_map(rust)
        .filter(|f| !source::text(f).starts_with("//! "));
    none("files without a header", bare.collect());
}

/// Whole words only: a template of `mktemp` is none.
fn leftovers(text: &str) -> Vec<&'static str> {
    const WORDS: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX")];
    let words: BTreeSet<&str> = text.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    WORDS.into_iter().filter(|w| words.contains(w)).collect()
}

#[test]
fn nothing_is_left_for_later() {
    assert_eq!(leftovers(concat!("// TO", "DO: x")), [concat!("TO", "DO")]);
    assert!(leftovers(concat!("mktemp .rbk.XX", "XXXXXX")).is_empty());
    let found = written()
        .into_iter()
        .flat_map(|f| leftovers(&source::text(&f)).into_iter().map(move |w| format!("{f}: {w}")));
    none("words that put something off", found.collect());
}

/// Macros and attributes that do not belong into the tree; `.unwrap()` only into tests.
fn shortcuts(tokens: &[Token], tests: bool) -> Vec<String> {
    let mut found = Vec::new();
    for (i, token) in tokens.iter().enumerate() {
        let rest = &tokens[i..];
        let stub = ["todo", "unimplemented", "dbg"].iter().any(|m| spells(rest, &[m, "!"]));
        let skipped = spells(rest, &["#", "[", "ignore"]);
        let unwrap = !tests && !token.test && spells(rest, &[".", "unwrap", "(", ")"]);
        if stub || skipped || unwrap {
            let words: String = rest.iter().take(3).map(|t| t.text.as_str()).collect();
            found.push(format!("{}: {words}", token.line));
        }
    }
    found
}

#[test]
fn no_stub_no_skipped_test_no_unwrap() {
    assert_eq!(
        shortcuts(&source::tokens("fn f() { a.unwrap(); todo!(); dbg!(x) }"), false).len(),
        3
    );
    assert_eq!(
        shortcuts(&source::tokens("#[cfg(test)] mod t { #[ignore] fn f() { a.unwrap() } }"), false).len(),
        1
    );
    let mut found = Vec::new();
    for s in source::reachable() {
        found.extend(shortcuts(&s.tokens, s.test).into_iter().map(|l| format!("{}:{l}", s.file)));
    }
    for file in rust("tests").into_iter().filter(|f| f != "tests/it/tidy.rs") {
        found.extend(
            shortcuts(&source::tokens(&source::text(&file)), true)
                .into_iter()
                .map(|l| format!("{file}:{l}")),
        );
    }
    none("shortcuts", found);
}

fn is_code(text: &str) -> bool {
    text.len() == 6 && text.starts_with("RB") && text[2..].bytes().all(|b| b.is_ascii_digit())
}

#[test]
fn every_code_has_a_page_and_every_page_a_use() {
    let used: BTreeSet<String> = source::reachable()
        .iter()
        .filter(|s| !s.test && !s.file.starts_with("src/diagnostic/code"))
        .flat_map(|s| &s.tokens)
        .filter(|t| t.kind == Kind::Text && !t.test && is_code(&t.text))
        .map(|t| t.text.clone())
        .collect();
    let pages = runbook::diagnostic::code::pages();
    let listed: BTreeSet<String> = pages.iter().map(|(code, _)| (*code).to_owned()).collect();
    assert!(
        used.len() > 100 && pages.len() == listed.len(),
        "{} codes, {} pages",
        used.len(),
        pages.len()
    );
    none("codes without a page", used.difference(&listed).cloned().collect());
    none("pages of codes that nothing uses", listed.difference(&used).cloned().collect());
    let files: BTreeSet<String> = source::files("src/diagnostic/codes")
        .into_iter()
        .filter_map(|f| Some(f.strip_suffix(".md")?.rsplit_once('/')?.1.to_owned()))
        .collect();
    none("pages in no list", files.difference(&listed).cloned().collect());
    let untitled = pages.iter().filter(|(code, page)| !page.starts_with(&format!("# {code}: ")));
    none(
        "pages without their code as title",
        untitled.map(|(code, _)| (*code).to_owned()).collect(),
    );
}

#[test]
fn every_file_is_compiled() {
    let reached: BTreeSet<String> = source::reachable().iter().map(|s| s.file.clone()).collect();
    none(
        "files that no `mod` line leads to",
        rust("src").into_iter().filter(|f| !reached.contains(f)).collect(),
    );
}

/// Dependencies that stand neither under a comment nor beside the one they belong to (`serde_json` below `serde`).
fn without_reason(manifest: &str) -> Vec<String> {
    let (mut found, mut before, mut inside) = (Vec::new(), "", false);
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.ends_with("dependencies]");
        } else if let (true, Some((name, _))) = (inside, line.split_once(" = ")) {
            let sibling = before.split_once(" = ").is_some_and(|(other, _)| name.starts_with(other));
            if !before.starts_with("# ") && !sibling {
                found.push(name.to_owned());
            }
        }
        before = line;
    }
    found
}

#[test]
fn every_dependency_has_a_reason() {
    assert_eq!(
        without_reason("[dependencies]\n# why\na = 1\na_b = 1\nb = 2\n[lints]\nc = 1\n"),
        ["b"]
    );
    none("dependencies without a reason", without_reason(&source::text("Cargo.toml")));
}

#[test]
fn names_say_what_a_file_is_about() {
    const VAGUE: [&str; 7] = ["util", "utils", "helper", "helpers", "common", "manager", "misc"];
    let vague = ["src", "tests"].into_iter().flat_map(source::files);
    let vague = vague.filter(|f| f.split('/').any(|part| VAGUE.contains(&part.split('.').next().unwrap_or(part))));
    none("vague names", vague.collect());
}

#[test]
fn nothing_of_one_machine_is_in_the_tree() {
    let paths = [
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("/tmp", "/w/"),
        concat!("/home", "/"),
    ];
    let registries = [
        concat!("[sou", "rce."),
        concat!("regis", "try = "),
        concat!("regis", "tries."),
        concat!("--index", "-url"),
    ];
    let mut found = Vec::new();
    for file in written() {
        let text = source::text(&file);
        let hits = paths.iter().chain(&registries).filter(|p| text.contains(**p));
        found.extend(hits.map(|p| format!("{file}: {p}")));
    }
    let public = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";
    let lock = source::text("Cargo.lock");
    found.extend(
        lock.lines()
            .filter(|l| l.starts_with("source = ") && *l != public)
            .map(|l| format!("Cargo.lock: {l}")),
    );
    none("paths or registries of one machine", found);
}

#[test]
fn only_what_belongs_there_stands_at_the_top() {
    const TOP: [&str; 11] = [
        "Cargo.toml",
        "Cargo.lock",
        "src",
        "runbooks",
        "inventory",
        "tests",
        "benches",
        "README.md",
        "Makefile",
        "clippy.toml",
        "rustfmt.toml",
    ];
    let entries = std::fs::read_dir(source::root())
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap());
    // Build output is not part of the tree.
    none(
        "strangers at the top",
        entries
            .filter(|n| !n.starts_with('.') && n != "target" && !TOP.contains(&n.as_str()))
            .collect(),
    );
}
