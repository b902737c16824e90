//! The scanner against real shells: no script it accepts may run what a value says.
//!
//! Scripts are put together at random from the pieces that quoting is made of. `RUNBOOK_SHELL_CASES` asks for more than the normal run.
#![allow(clippy::unwrap_used)]

use std::process::{Command, Stdio};

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::{compile_text, render};
use crate::base::value::Value;
use crate::diagnostic::{SourceId, Span};
use crate::lang::types::TypeEnv;
use crate::model::text::{Destination, Scope};
use crate::model::types::Type;

/// Runs by every way out of quotes that a shell has, and writes a word that stands nowhere in it.
const HOSTILE: &[&str] = &[
    "'; printf %s%s CAN ARY; '",
    "\"; printf %s%s CAN ARY; \"",
    "$(printf %s%s CAN ARY >&2)",
    "`printf %s%s CAN ARY >&2`",
    "\nprintf %s%s CAN ARY\n",
    ") ; printf %s%s CAN ARY; (",
    "} ; printf %s%s CAN ARY",
    "\nE\nprintf %s%s CAN ARY\n",
    "a'\"$(printf %s%s CAN ARY >&2)\"'`printf %s%s CAN ARY >&2`\nprintf %s%s CAN ARY #",
    "x[$(printf %s%s CAN ARY >&2)]",
    "\\'; printf %s%s CAN ARY; #\\",
];

const PIECES: &[&str] = &[
    "{{v}}",
    "{{v}}",
    "{{v}}",
    " ",
    " ",
    "'",
    "'",
    "\"",
    "\"",
    "`",
    "$(",
    ")",
    "((",
    "))",
    "$((",
    "(",
    "${x:-",
    "${x#",
    "}",
    "$",
    "\\\\",
    "\n",
    "\n",
    "#",
    " #",
    "<<E\n",
    "<<-E\n",
    "<<'E'\n",
    "<<\"E\" ",
    "E\n",
    "\nE\n",
    "\tE\n",
    "<<<",
    "<<",
    ";",
    "&&",
    "|",
    "echo ",
    "cat ",
    "case x in x) ",
    "esac",
    ";;",
    "a",
    "E",
    "=",
    "$'",
    "\\'",
    "\\\"",
    ">/dev/null ",
    "if :; then ",
    " fi\n",
    "[ ",
    "[[ ",
    " -gt 3 ]]",
    "eval ",
    "let ",
    " ]",
    "{ ",
    "; }",
];

/// The heart of the matter, tried more often than the rest.
const QUOTES: &[&str] = &[
    "{{v}}", "{{v}}", "'", "'", "\"", "\"", "`", "$(", ")", " ", "echo ", "\n", "\\\\", "a",
];

/// True when some shell can read the script with a harmless value: nobody runs the others.
fn is_script(shells: &[&str], script: &str) -> bool {
    shells.iter().any(|shell| {
        Command::new(shell)
            .args(["-n", "-c", script])
            .env_clear()
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|s| s.success())
    })
}

fn runs(shell: &str, script: &str) -> bool {
    let child = Command::new(shell)
        .arg("-c")
        .arg(script)
        .env_clear()
        .env("PATH", "/nonexistent")
        .stdin(Stdio::null())
        .output();
    let out = child.unwrap();
    let said = [out.stdout, out.stderr].concat();
    String::from_utf8_lossy(&said).contains("CANARY")
}

#[test]
fn no_accepted_script_runs_a_value() {
    let shells: Vec<&str> = ["/bin/sh", "/bin/bash", "/bin/dash"]
        .into_iter()
        .filter(|s| std::path::Path::new(s).exists())
        .collect();
    assert!(!shells.is_empty(), "this test needs a shell");
    let wanted: usize = std::env::var("RUNBOOK_SHELL_CASES")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(150);
    let env = TypeEnv::new().with("v", Type::Text);
    let script = prop_oneof![
        prop::collection::vec(prop::sample::select(PIECES), 2..14),
        prop::collection::vec(prop::sample::select(QUOTES), 2..9),
    ];
    let mut runner = TestRunner::deterministic();
    let (mut accepted, mut refused, mut broken) = (0, 0, 0);
    while accepted < wanted {
        let source: String = script.new_tree(&mut runner).unwrap().current().concat();
        if !source.contains("{{v}}") {
            continue;
        }
        let span = Span::new(SourceId(0), 0, source.len());
        let (Some(text), _) = compile_text(&source, span, Destination::Shell, &env, false) else {
            refused += 1;
            continue;
        };
        let mut scope = Scope::new();
        scope.set("v", Value::text("harmless"));
        let Ok(Value::Text(rendered)) = render(&text, &scope) else {
            panic!("{source}")
        };
        if !is_script(&shells, &rendered) {
            broken += 1;
            continue;
        }
        accepted += 1;
        for hostile in HOSTILE {
            let mut scope = Scope::new();
            scope.set("v", Value::text(*hostile));
            let Ok(Value::Text(rendered)) = render(&text, &scope) else {
                panic!("{source}")
            };
            for shell in &shells {
                assert!(!runs(shell, &rendered), "{shell} ran the value {hostile:?} in {source:?}");
            }
        }
    }
    println!(
        "{accepted} scripts accepted and run with {} values in {shells:?}, {refused} refused, {broken} that no shell reads",
        HOSTILE.len()
    );
}

#[test]
fn the_test_above_can_fail() {
    assert!(runs("/bin/sh", "ls ''; printf %s%s CAN ARY; ''"));
}
