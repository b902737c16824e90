//! The architecture as a test: a folder imports only from lower floors, folders of one floor do not know each other, floors 0 to 5 are pure.
//! There is no list of exceptions.

use std::path::Path;

use crate::source::{self, Source};

const FLOORS: [&[&str]; 10] = [
    &["base"],
    &["diagnostic"],
    &["model", "yaml"],
    &["lang", "inventory", "config", "action", "trigger"],
    &["plan"],
    &["engine"],
    &["transport", "secrets", "journal", "approval", "report", "notify"],
    &["run"],
    &["serve", "lab", "rehearsal"],
    &["cli"],
];
const PURE: usize = 5;
/// Beginnings of paths that reach out of a pure function.
const IMPURE: [&str; 14] = [
    "tokio",
    "std::fs",
    "std::net",
    "std::process",
    "std::env",
    "std::thread",
    "std::os",
    "std::io::stdin",
    "std::io::stdout",
    "std::io::stderr",
    "rand",
    "openssh",
    "rusqlite",
    "hyper",
];
/// Names that read a clock or draw a number, wherever they come from.
const CLOCKS: [&str; 5] = ["Instant", "SystemTime", "now_v7", "new_v4", "thread_rng"];
const PRINTING: [&str; 4] = ["println", "eprintln", "print", "eprint"];

fn floor(folder: &str) -> Option<usize> {
    FLOORS.iter().position(|names| names.contains(&folder))
}

/// What is wrong with a file, one line each.
fn violations(source: &Source) -> Vec<String> {
    let from_src = source.file.strip_prefix("src/").unwrap();
    let Some((folder, _)) = from_src.split_once('/') else {
        return top(source);
    };
    let Some(own) = floor(folder) else {
        return vec![format!("{}: `{folder}` stands on no floor", source.file)];
    };
    let mut found = Vec::new();
    for named in source::named(&source.tokens) {
        let tests = source.test || named.test;
        let path = named.path.join("::");
        let mut complain = |why: String| found.push(format!("{}:{}: `{path}`: {why}", source.file, named.line));
        // An inline module of tests stands one deeper than its file.
        let to_root = source.depth + usize::from(named.test && !source.test);
        let supers = named.path.iter().take_while(|p| *p == "super").count();
        let other = match named.path[0].as_str() {
            "crate" => named.path.get(1),
            "super" if supers >= to_root => named.path.get(supers),
            _ => None,
        };
        if named.path[0] == "crate" && other.is_none() && named.path.len() == 1 {
            // `pub(crate)` names nothing.
        } else if let Some(other) = other.filter(|o| *o != folder) {
            match floor(other) {
                None => complain(format!("`{other}` stands on no floor")),
                Some(theirs) if theirs >= own => complain(format!("floor {own} knows nothing of floor {theirs}")),
                Some(_) => {}
            }
        }
        if own > PURE || tests {
            continue;
        }
        let outside = IMPURE.iter().any(|p| path == *p || path.starts_with(&format!("{p}::")));
        let clock =
            named.path.iter().any(|p| CLOCKS.contains(&p.as_str())) || (named.path.len() > 1 && named.path.last().unwrap() == "now");
        let prints = named.called && PRINTING.contains(&named.path.last().unwrap().as_str());
        if outside || clock || prints {
            complain(format!("floor {own} is pure"));
        }
    }
    found
}

/// `lib.rs` only lists the folders; `main.rs` knows `cli` and nothing else.
fn top(source: &Source) -> Vec<String> {
    let allowed = |path: &[String]| match source.file.as_str() {
        "src/lib.rs" => false,
        "src/main.rs" => path[0] == "std" || (path[0] == "runbook" && path.get(1).is_some_and(|p| p == "cli")),
        _ => false,
    };
    let paths = source::named(&source.tokens)
        .into_iter()
        .filter(|n| n.path.len() > 1 && !allowed(&n.path));
    paths
        .map(|n| {
            format!(
                "{}:{}: `{}`: only `cli` is called from here",
                source.file,
                n.line,
                n.path.join("::")
            )
        })
        .collect()
}

#[test]
fn every_folder_knows_only_lower_floors() {
    let sources = source::reachable();
    assert!(sources.len() > 100, "{} files found", sources.len());
    let mut found: Vec<String> = sources.iter().flat_map(violations).collect();
    for folder in std::fs::read_dir(source::root().join("src"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.is_dir())
    {
        let name = folder.file_name().and_then(|n| n.to_str()).unwrap();
        if floor(name).is_none() {
            found.push(format!("src/{name}: stands on no floor"));
        }
    }
    assert!(found.is_empty(), "{} violations:\n{}", found.len(), found.join("\n"));
}

#[test]
fn planted_violations_are_found() {
    let judged = |file: &str, text: &str| {
        let depth = Path::new(file).components().count() - 1 - usize::from(file.ends_with("mod.rs"));
        violations(&Source {
            file: file.to_owned(),
            tokens: source::tokens(text),
            depth,
            test: false,
        })
        .len()
    };
    for (file, text) in [
        ("src/plan/a.rs", "use crate::engine::run;"),
        ("src/plan/a.rs", "use crate::{model::plan, run::attempt};"),
        ("src/plan/a.rs", "fn f() { let x = crate::run::x(); }"),
        ("src/plan/a.rs", "fn f() -> super::super::engine::Now {}"),
        ("src/plan/mod.rs", "use super::engine;"),
        ("src/lang/a.rs", "use crate::action::CATALOG;"),
        ("src/lang/a.rs", "#[cfg(test)] mod tests { use crate::action::CATALOG; }"),
        ("src/report/a.rs", "use crate::journal::Journal;"),
        ("src/base/a.rs", "use crate::stuff::x;"),
        ("src/stuff/a.rs", ""),
        ("src/model/a.rs", "use std::{fmt, fs};"),
        ("src/model/a.rs", "use std::time::{Duration, Instant};"),
        ("src/model/a.rs", "use std::time; fn f() { time::SystemTime::now(); }"),
        ("src/engine/a.rs", "fn f() { tokio::spawn(x); }"),
        ("src/engine/a.rs", "fn f() { jiff::Timestamp::now(); }"),
        ("src/engine/a.rs", "fn f() { std::println!(\"x\"); }"),
        ("src/engine/a.rs", "fn f() { uuid::Uuid::now_v7(); }"),
        ("src/main.rs", "fn main() { runbook::run::start(); }"),
        ("src/lib.rs", "pub use crate::model::plan;"),
    ] {
        assert!(judged(file, text) > 0, "{file}: {text}");
    }
    for (file, text) in [
        (
            "src/plan/a.rs",
            "use crate::model::plan; use super::graph; pub(crate) fn f(now: Now) {}",
        ),
        (
            "src/plan/a.rs",
            "// crate::engine\n/// [`crate::run`]\nfn f() { \"crate::run::x std::fs\"; }",
        ),
        ("src/plan/a.rs", "#[cfg(test)] mod tests { use super::super::graph; use std::fs; }"),
        ("src/run/a.rs", "use tokio::sync::mpsc; use crate::{engine::run, transport};"),
        (
            "src/main.rs",
            "use std::process::ExitCode; fn main() -> ExitCode { runbook::cli::run() }",
        ),
    ] {
        assert_eq!(judged(file, text), 0, "{file}: {text}");
    }
}
