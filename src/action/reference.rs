//! The reference page of an action, made from its declaration: Markdown for people, on a terminal or a page.

use std::fmt::Write as _;

use crate::base::value::Value;
use crate::model::action::{Class, Parameter, ParameterKind, PoolEffect, RunsOn, Signature};
use crate::model::types::Type;

/// The page: what it is, an example, parameters, results, and what the compiler knows about it.
#[must_use]
pub fn reference(signature: &Signature) -> String {
    let mut page = format!("# {}\n\n{}\n\n{}\n\n", signature.name, signature.summary, signature.docs);
    let example = signature.example.trim().replace('\n', "\n  ");
    section(&mut page, "Example", &format!("```yaml\n- {example}\n```\n"));
    section(&mut page, "Parameters", &parameters(signature));
    section(&mut page, "Results", &results(signature));
    section(&mut page, "Behaviour", &behaviour(signature));
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

fn section(page: &mut String, title: &str, text: &str) {
    // Writing into a String cannot fail.
    let _ = write!(page, "## {title}\n\n{text}\n");
}

fn parameters(signature: &Signature) -> String {
    if signature.parameters.is_empty() {
        return String::from("None; it is written with an empty map, `{}`.\n");
    }
    let mut text = String::new();
    for parameter in signature.parameters {
        let need = if parameter.required { ", required" } else { "" };
        let _ = writeln!(text, "- `{}` ({}{need}): {}", parameter.name, kind(parameter.kind), parameter.docs);
    }
    if let Some(short) = signature.shorthand {
        let _ = writeln!(
            text,
            "\n`{}: …` without a map is short for its parameter `{short}`.",
            signature.name
        );
    }
    text
}

fn kind(kind: ParameterKind) -> String {
    let word = match kind {
        ParameterKind::Text => "text",
        ParameterKind::Script => "script for `sh`",
        ParameterKind::Sql => "SQL without placeholders",
        ParameterKind::Bool => "true or false",
        ParameterKind::Int => "whole number",
        ParameterKind::Duration => "duration such as `30s`",
        ParameterKind::Size => "size such as `500MiB`",
        ParameterKind::Percent => "percentage such as `20%`",
        ParameterKind::Path => "absolute path",
        ParameterKind::Url => "URL",
        ParameterKind::Choice(words) => return format!("one of {}", quoted(words)),
        ParameterKind::Pool => "a pool of the inventory",
        ParameterKind::Host => "a host of the inventory",
        ParameterKind::Mode => "octal mode in quotes such as `\"0644\"`",
        ParameterKind::TextList => "list of texts",
        ParameterKind::ChoiceList(words) => return format!("some of {}", quoted(words)),
        ParameterKind::IntList => "list of whole numbers",
        ParameterKind::TextMap => "map of names and texts",
        ParameterKind::Json => "any JSON",
        ParameterKind::Expression => "expression over `result`",
    };
    word.to_owned()
}

fn quoted(words: &[&str]) -> String {
    words.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", ")
}

fn results(signature: &Signature) -> String {
    let mut text = String::from("As `result` in `that`, and as `steps.ID` in later steps:\n\n");
    fields(&mut text, &(signature.results)(), 0);
    text
}

fn fields(text: &mut String, shape: &Type, depth: usize) {
    let Type::Record(record) = shape else { return };
    for (name, field) in record {
        let indent = "  ".repeat(depth);
        let (word, inner) = match field {
            Type::Record(_) => (String::from("record"), field),
            Type::List(item) if matches!(**item, Type::Record(_)) => (String::from("list of records"), &**item),
            other => (other.to_string(), field),
        };
        let _ = writeln!(text, "{indent}- `{name}`: {word}");
        fields(text, inner, depth + 1);
    }
}

fn behaviour(signature: &Signature) -> String {
    let place = match signature.runs_on {
        RunsOn::Host => "on the step's `hosts`, each by itself",
        RunsOn::HostOrControl => "on the step's `hosts`, each by itself, or on the controller with `hosts: control`",
        RunsOn::Balancers => "once, on the balancers of its pool; the step names no `hosts`",
        RunsOn::Controller => "once, on the controller; the step names no `hosts` and no `run_as`",
    };
    let mut text = format!("- Runs {place}.\n- {}.\n", class(signature.class));
    for (parameter, word, value) in literals(signature) {
        let literal = |name: &str| (name == parameter.name).then(|| value.clone());
        let own = signature.class_of.map(|of| of(&literal));
        if let Some(own) = own.filter(|own| *own != signature.class) {
            let _ = writeln!(text, "- With `{}: {word}`: {}.", parameter.name, class(own));
        }
        let effect = signature.pool_effect.map_or(PoolEffect::None, |of| of(&literal));
        if let Some(effect) = taking(effect) {
            let _ = writeln!(text, "- With `{}: {word}`: {effect}.", parameter.name);
        }
    }
    if let Some(effect) = signature.pool_effect.and_then(|of| taking(of(&|_| None))) {
        let _ = writeln!(text, "- {effect}.");
    }
    if signature.class != Class::Probe {
        let again = if signature.repeatable {
            "may be repeated when its outcome is lost: done twice it changes nothing more"
        } else {
            "is never repeated by itself when its outcome is lost"
        };
        let _ = writeln!(text, "- It {again}.");
    }
    text
}

/// Every word of every choice, and `true` of every switch.
fn literals(signature: &Signature) -> impl Iterator<Item = (&'static Parameter, &'static str, Value)> {
    signature.parameters.iter().flat_map(|parameter| {
        let words: Vec<(&'static str, Value)> = match parameter.kind {
            ParameterKind::Choice(words) => words.iter().map(|w| (*w, Value::text(*w))).collect(),
            ParameterKind::Bool => vec![("true", Value::Bool(true))],
            _ => Vec::new(),
        };
        words.into_iter().map(move |(word, value)| (parameter, word, value))
    })
}

fn class(class: Class) -> &'static str {
    match class {
        Class::Probe => "A probe: only looks, and does so also when a plan is made",
        Class::Passing => "Passing: leaves nothing that would have to be taken back",
        Class::Reversible => "Reversible: records what was before and can restore it",
        Class::Destructive => "Destructive: cannot take itself back, so the step must say `undo:`",
    }
}

fn taking(effect: PoolEffect) -> Option<&'static str> {
    match effect {
        PoolEffect::None => None,
        PoolEffect::TakesMember => Some("Takes `member` out of `pool` until a step returns it, so it needs `owes:`"),
        PoolEffect::ReturnsMember => Some("Returns `member` to `pool`"),
        PoolEffect::TakesHost => Some("Takes the host out of its pools until a step returns it, so it needs `owes:`"),
        PoolEffect::DisturbsHost => Some("Counts against the minimum of the host's pools while it lasts"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::CATALOG;
    use crate::model::action::Catalog;

    #[test]
    fn every_page_shows_everything_declared() {
        for kind in CATALOG.all() {
            let s = kind.signature();
            let page = reference(s);
            for part in [s.name, s.summary, s.docs] {
                assert!(page.contains(part), "{}: {part}", s.name);
            }
            for p in s.parameters {
                assert!(page.contains(&format!("- `{}` (", p.name)), "{}: {}", s.name, p.name);
            }
            assert!(!page.contains("\n\n\n"), "{page}");
        }
    }

    #[test]
    fn a_page_reads_well() {
        let page = CATALOG.get("service").map(|kind| reference(kind.signature())).unwrap_or_default();
        for line in [
            "# service\n",
            "```yaml\n- id: free_memory\n  name: Restart the service that holds the memory\n",
            "- `name` (text, required): The service: ",
            "- `state`: one of started|stopped|failed|changing\n",
            "- With `state: restarted`: Passing: leaves nothing",
            "- With `state: restarted`: Counts against the minimum",
            "- With `state: stopped`: Takes the host out",
        ] {
            assert!(page.contains(line), "{line}\n{page}");
        }
    }
}
