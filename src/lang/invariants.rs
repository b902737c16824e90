//! `invariants:`: checks that see parameters only, and the step from which on each of them holds.

use super::check::Checker;
use super::check_step::Around;
use super::outline::{Outline, Section};
use super::scope::View;
use super::syntax::Written;
use crate::base::id::StepId;
use crate::diagnostic::{Diagnostic, Diagnostics, nearest};
use crate::model::runbook::Invariant;

/// The invariants of a file.
pub(super) fn invariants(checker: &Checker<'_>, d: &mut Diagnostics) -> Vec<Invariant> {
    let mut compiled = Vec::new();
    for written in &checker.file.invariants {
        let check = checker.checks(std::slice::from_ref(&written.check), View::Throughout, &Around::default(), d);
        let from = written.from.as_ref().and_then(|from| start(&checker.outline, from, d));
        compiled.extend(check.into_iter().map(|check| Invariant { check, from: from.clone() }));
    }
    compiled
}

/// The step of `from`: one of `steps`, or of a loop in it.
fn start(outline: &Outline<'_>, from: &Written, d: &mut Diagnostics) -> Option<StepId> {
    let id = &from.value;
    let found = outline.find(id);
    if found.is_some_and(|at| outline.lists[at.list].section == Section::Main) {
        return Some(StepId::from(id.as_str()));
    }
    let (message, label) = match found {
        Some(_) => (
            format!("an invariant holds from step `{id}` on, which is no step of `steps`"),
            "in another part",
        ),
        None => (
            format!("an invariant holds from unknown step `{id}` on"),
            "not a step in this runbook",
        ),
    };
    let mut diagnostic = Diagnostic::error("RB0130", from.span, message).label(label);
    if let Some(at) = found {
        diagnostic = diagnostic.also(outline.entry(at).step.id.span, "it is here");
    }
    let main = outline.ids().filter(|(_, at)| outline.lists[at.list].section == Section::Main);
    d.push(match nearest(id, main.map(|(id, _)| id)) {
        Some(meant) if found.is_none() => diagnostic.help(format!("did you mean `{meant}`?")).replacement(meant),
        _ => diagnostic.help("name the step of `steps` from which on it must hold, or remove `from`: then it holds from the beginning"),
    });
    None
}
