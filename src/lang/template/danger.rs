//! Placeholders that cannot be quoted where they stand, and what to write instead.

use crate::diagnostic::{Diagnostic, Diagnostics, Span};

use super::json;
use super::parse::Node;
use super::shell::{self, Danger};

/// Reports the placeholders that cannot be quoted where they stand in a script.
pub(super) fn in_shell(nodes: &[Node], problems: &mut Diagnostics) {
    let mut scanner = shell::Scanner::new();
    for node in nodes {
        match node {
            Node::Literal(text) => scanner.literal(text),
            Node::Placeholder(tag) => {
                if let Some(danger) = scanner.placeholder() {
                    problems.push(dangerous(danger, tag.span));
                }
            }
            // Blocks are refused in a script.
            Node::If { .. } | Node::Each { .. } => {}
        }
    }
}

/// Reports the placeholders inside the strings of a JSON text.
pub(super) fn in_json(nodes: &[Node], problems: &mut Diagnostics) {
    let mut scanner = json::Scanner::default();
    for node in nodes {
        match node {
            Node::Literal(text) => scanner.literal(text),
            Node::Placeholder(tag) if scanner.in_string() => {
                let problem = Diagnostic::error("RB0314", tag.span, "placeholder inside a JSON string");
                problems.push(
                    problem
                        .label("runbook writes the quotes itself")
                        .help("make the placeholder the whole value: `{\"host\": {{params.master.name}}}`"),
                );
            }
            _ => {}
        }
    }
}

fn dangerous(danger: Danger, span: Span) -> Diagnostic {
    const OUT: &str = "move the placeholder out of the quotes (`--dir={{path}}/cache` is quoted as a whole), or use `command` with `argv`";
    let (code, message, label, help) = match danger {
        Danger::SingleQuotes | Danger::DoubleQuotes => (
            "RB0310",
            "placeholder inside quotes",
            "runbook quotes the value itself; inside quotes that breaks out",
            OUT,
        ),
        Danger::Backticks => (
            "RB0310",
            "placeholder inside backticks",
            "inside backticks the value would be read twice",
            "write `$(…)`, not in quotes",
        ),
        Danger::QuotedSubstitution => (
            "RB0310",
            "placeholder inside quotes",
            "`\"$(…)\"` stands in quotes",
            "assign it first: `found=$(cmd {{path}})` without quotes, then use `\"$found\"`",
        ),
        Danger::Parameter => (
            "RB0310",
            "placeholder inside `${…}`",
            "quotes mean something else here",
            "assign it first: `value={{path}}`, then use `\"${other:-$value}\"`",
        ),
        Danger::Heredoc => (
            "RB0311",
            "placeholder inside a heredoc",
            "the shell does not read quotes here",
            "use `file.write`, or `stdin:` with the text",
        ),
        Danger::HeredocMark => (
            "RB0311",
            "placeholder as the end mark of a heredoc",
            "a value must not decide where the script goes on",
            "write a fixed word",
        ),
        Danger::Comment => (
            "RB0312",
            "placeholder inside a comment",
            "a value with a new line would end the comment",
            "say it in `name:`, or without the placeholder",
        ),
        Danger::Arithmetic => (
            "RB0313",
            "placeholder inside arithmetic",
            "the shell evaluates what stands here, quoted or not",
            "compute with an expression, or compare with `[ {{path}} -gt 3 ]`",
        ),
        Danger::Evaluated => (
            "RB0313",
            "placeholder that becomes code",
            "`eval` and `let` read the value as a program",
            "leave them out: call the command itself, or compute with an expression",
        ),
        Danger::AfterDollar => (
            "RB0313",
            "placeholder right after `$`",
            "`$` changes what the quotes mean",
            "values are not names of variables; write `{{path}}`",
        ),
        Danger::AfterBackslash => (
            "RB0313",
            "placeholder right after a backslash",
            "it would take the quote's meaning away",
            "leave the backslash out",
        ),
        Danger::Lost => (
            "RB0313",
            "it cannot be told how this place is quoted",
            "the quoting before it differs between shells",
            "assign the value at the top of the script, `value={{path}}`, and use `\"$value\"` here",
        ),
    };
    Diagnostic::error(code, span, message).label(label).help(help)
}
