//! The README is true: its runbooks compile, its commands parse, its files and targets exist, its tables are those of the program.

use std::path::Path;

use clap::Parser;
use runbook::action::CATALOG;
use runbook::cli::arguments::Arguments;
use runbook::cli::exit;
use runbook::diagnostic::{Diagnostics, Sources, render};
use runbook::model::action::Catalog;
use runbook::{config, inventory, lang};

const README: &str = include_str!("../../README.md");
const MAKEFILE: &str = include_str!("../../Makefile");

/// Fenced blocks of a language, with the number of their first line.
fn blocks(language: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut open: Option<(usize, bool, String)> = None;
    for (number, line) in README.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(name)) => open = Some((number + 2, name == language, String::new())),
            (Some(_), Some(_)) => found.extend(open.take().filter(|o| o.1).map(|(at, _, text)| (at, text))),
            (Some((.., text)), None) => *text += &format!("{line}\n"),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block of the README has no end");
    found
}

fn clean(at: usize, diagnostics: &Diagnostics, sources: &Sources) {
    let text = render::render(diagnostics, sources, false);
    assert!(diagnostics.is_empty(), "the block at line {at} of the README:\n{text}");
}

#[test]
fn every_yaml_block_is_valid() {
    let blocks = blocks("yaml");
    let (mut runbooks, mut inventories, mut configurations) = (0, 0, 0);
    for (at, text) in blocks {
        let mut sources = Sources::new();
        let id = sources.add("README.md", text.clone());
        if text.starts_with("runbook:") {
            runbooks += 1;
            clean(at, &lang::compile(&sources, id, None, &CATALOG).1, &sources);
        } else if text.starts_with("hosts:") {
            inventories += 1;
            clean(at, &inventory::parse(&sources, &[(id, String::from("/"))]).1, &sources);
        } else {
            configurations += 1;
            clean(at, &config::parse(&sources, &[id]).1, &sources);
        }
    }
    assert_eq!((runbooks, inventories, configurations), (1, 1, 1));
}

#[test]
fn every_command_is_one() {
    let blocks = blocks("console");
    let mut commands = 0;
    for (at, line) in blocks
        .iter()
        .flat_map(|(at, text)| text.lines().enumerate().map(move |(n, line)| (at + n, line)))
    {
        let Some(command) = line.strip_prefix("$ ") else { continue };
        let words = shlex::split(command).unwrap();
        match words[0].as_str() {
            "runbook" => {
                commands += 1;
                if let Err(error) = Arguments::try_parse_from(&words) {
                    panic!("line {at} of the README: {error}");
                }
            }
            "make" => assert!(
                MAKEFILE.contains(&format!("\n{}:", words[1])),
                "line {at}: make knows no {}",
                words[1]
            ),
            "export" | "cargo" => {}
            other => panic!("line {at} of the README: `{other}` is no command of ours"),
        }
    }
    assert!(commands > 20, "only {commands} commands found");
}

#[test]
fn files_that_are_named_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let named = README.split('`').skip(1).step_by(2);
    let files = ["runbooks/", "inventory/", "src/", "tests/", "benches/"];
    for name in named.filter(|n| files.iter().any(|f| n.starts_with(f)) && !n.contains(' ')) {
        assert!(root.join(name).exists(), "the README names `{name}`");
    }
}

#[test]
fn the_tables_are_those_of_the_program() {
    for line in exit::TABLE.lines() {
        let (code, meaning) = line.split_once(' ').unwrap();
        let row = format!("| {code} | {} |", meaning.trim());
        assert!(README.contains(&row), "the README lacks {row}");
    }
    for name in CATALOG.names() {
        assert!(README.contains(&format!("`{name}`")), "the README lacks the action {name}");
    }
}
