//! A call of another runbook: the values for its parameters, and its steps under names of their own.
//!
//! The called file has been compiled by itself; here it is put at its place.

use super::convert::{param as literal, param_words, ticked};
use super::reader::describe;
use super::site::Site;
use super::syntax::{Call as Written, Written as Word};
use crate::base::id::StepId;
use crate::base::value::Value;
use crate::diagnostic::{Diagnostic, Span, Spanned, nearest};
use crate::model::runbook::{Argument, ArgumentKind, Body, Called, Param, ParamKind, Runbook, Step, UndoRule};
use crate::model::text::Part;
use crate::model::types::Type;
use crate::yaml::{Node, NodeKind};

/// Checks the values for the parameters and gives the called runbook its place. `id`: the calling step's.
pub(super) fn compile(written: &Written, id: &str, site: &mut Site<'_>) -> Option<Called> {
    let target = written.target.clone()?;
    let runbook = &target.runbook;
    let mut params = std::collections::BTreeMap::new();
    for (name, node) in &written.params {
        let Some(param) = runbook.params.iter().find(|p| p.name == name.value) else {
            site.d.push(unknown(runbook, name));
            continue;
        };
        if let Some(argument) = value(param, &param.kind, node, site) {
            params.insert(name.value.clone(), argument);
        }
    }
    let meant = |p: &Param| written.params.iter().any(|(n, _)| nearest(&n.value, [p.name.as_str()]).is_some());
    for param in runbook.params.iter().filter(|p| p.default.is_none() && !meant(p)) {
        let message = format!(
            "runbook `{}` needs parameter `{}`: {}",
            runbook.name,
            param.name,
            param_words(&param.kind)
        );
        let help = match param.kind {
            ParamKind::Secret => format!(
                "hand on a secret of this runbook: `params: {{ {}: \"{{{{params.NAME}}}}\" }}`; `from` counts only where a runbook is started by itself",
                param.name
            ),
            _ => format!("add `params: {{ {}: … }}` to the call", param.name),
        };
        site.d.push(
            wrong(written.runbook.span, message)
                .label(format!("`{}` is missing", param.name))
                .also(param.span, "required")
                .help(help),
        );
    }
    Some(Called {
        file: written.runbook.clone(),
        runbook: placed(runbook.clone(), id),
        params,
        mode: written.mode,
    })
}

fn value(param: &Param, kind: &ParamKind, node: &Node, site: &mut Site<'_>) -> Option<Argument> {
    let span = node.span;
    let given = match (&node.kind, kind) {
        (_, ParamKind::Secret) => secret(param, node, site)?,
        (NodeKind::List(items), ParamKind::List(item)) => {
            let items: Vec<Option<Argument>> = items.iter().map(|n| value(param, item, n, site)).collect();
            ArgumentKind::List(items.into_iter().collect::<Option<_>>()?)
        }
        (NodeKind::Scalar(scalar), _) if scalar.text.contains("{{") => text(param, kind, node, site)?,
        (NodeKind::Scalar(scalar), _) if !node.is_null() => match literal(kind, &scalar.text) {
            Ok(value) => ArgumentKind::Value(value),
            Err(message) => {
                site.d.push(unfit(param, span, &message));
                return None;
            }
        },
        _ => {
            let message = format!("expected {}, found {}", param_words(kind), describe(node));
            site.d.push(unfit(param, span, &message));
            return None;
        }
    };
    Some(Argument { span, kind: given })
}

/// A secret is handed on as it is: the caller's own, by its name.
fn secret(param: &Param, node: &Node, site: &mut Site<'_>) -> Option<ArgumentKind> {
    let whole = node.as_scalar().filter(|s| super::outline::sole_path(&s.text).is_some());
    let text = whole.and_then(|scalar| {
        site.env.let_secrets(true);
        let text = site.text(&Spanned::new(scalar.text.clone(), node.content_span()));
        site.env.let_secrets(false);
        text
    });
    if whole.is_some() && text.is_none() {
        return None;
    }
    if let Some(text) = text
        && site.sole_type_of_secret(&text)
    {
        return Some(ArgumentKind::Text(text));
    }
    // What was written may be the secret itself, so it is not repeated.
    let message = format!(
        "parameter `{}` is a secret: it is handed on from a secret of this runbook, alone",
        param.name
    );
    site.d.push(
        Diagnostic::error("RB0139", node.span, message)
            .label("no secret of this runbook")
            .also(param.span, "declared here")
            .help(format!(
                "declare a secret under `params` here, and write `{}: \"{{{{params.NAME}}}}\"`",
                param.name
            )),
    );
    None
}

/// A text to be rendered: exactly one `{{path}}` keeps its value's type, which must be the parameter's.
fn text(param: &Param, kind: &ParamKind, node: &Node, site: &mut Site<'_>) -> Option<ArgumentKind> {
    let scalar = node.as_scalar()?;
    let written = Spanned::new(scalar.text.clone(), node.content_span());
    let text = site.text(&written)?;
    if let Some(found) = site.sole_type(&text)
        && !fits(kind, &found)
    {
        let message = format!("expected {}, found a {found}", param_words(kind));
        site.d.push(unfit(param, node.span, &message));
        return None;
    }
    Some(match text.parts.as_slice() {
        [Part::Literal(only)] => ArgumentKind::Value(Value::text(only.as_str())),
        _ => ArgumentKind::Text(text),
    })
}

/// Whether a value of that type can be the parameter's.
fn fits(kind: &ParamKind, found: &Type) -> bool {
    let is_name = |t: &Type| matches!(t, Type::Text | Type::Enum(_));
    match (kind, found) {
        (_, Type::Dynamic) => true,
        (ParamKind::Text, found) => super::types::is_scalar(found),
        (ParamKind::Int, found) => *found == Type::Int,
        (ParamKind::Float, found) => matches!(found, Type::Int | Type::Float),
        (ParamKind::Bool, found) => *found == Type::Bool,
        (ParamKind::Duration, found) => *found == Type::Duration,
        (ParamKind::Size, found) => *found == Type::Size,
        (ParamKind::Percent, found) => *found == Type::Percent,
        (ParamKind::CountOrPercent, found) => matches!(found, Type::Int | Type::Percent),
        (ParamKind::Path | ParamKind::Url | ParamKind::Pool | ParamKind::Host, found) => is_name(found),
        (ParamKind::Hosts, Type::List(item)) => is_name(item),
        (ParamKind::Hosts, found) => is_name(found),
        (ParamKind::Choice(words), Type::Enum(possible)) => possible.iter().all(|p| words.contains(p)),
        (ParamKind::List(item), Type::List(found)) => fits(item, found),
        (ParamKind::Choice(_) | ParamKind::List(_) | ParamKind::Secret, _) => false,
    }
}

fn unknown(runbook: &Runbook, name: &Word) -> Diagnostic {
    let known: Vec<&str> = runbook.params.iter().map(|p| p.name.as_str()).collect();
    let diagnostic = wrong(name.span, format!("runbook `{}` has no parameter `{}`", runbook.name, name.value)).label("unknown parameter");
    match nearest(&name.value, known.iter().copied()) {
        Some(meant) => diagnostic.help(format!("did you mean `{meant}`?")).replacement(meant),
        None if known.is_empty() => diagnostic.help("it has none"),
        None => diagnostic.help(format!("it has {}", ticked(known))),
    }
}

fn unfit(param: &Param, span: Span, message: &str) -> Diagnostic {
    wrong(span, format!("parameter `{}`: {message}", param.name)).also(param.span, "declared here")
}

fn wrong(span: Span, message: String) -> Diagnostic {
    Diagnostic::error("RB0152", span, message)
}

/// The runbook with all ids under `id`, so that a step of it is no other one's namesake.
fn placed(mut runbook: Runbook, id: &str) -> Runbook {
    let lists = [
        &mut runbook.require,
        &mut runbook.steps,
        &mut runbook.verify,
        &mut runbook.on_failure,
        &mut runbook.finally,
    ];
    lists.into_iter().flatten().for_each(|step| place(step, id));
    for invariant in &mut runbook.invariants {
        place(&mut invariant.check, id);
        invariant.from = invariant.from.as_ref().map(|from| StepId(format!("{id}.{from}")));
    }
    runbook
}

fn place(step: &mut Step, around: &str) {
    let under = |id: &StepId| StepId(format!("{around}.{id}"));
    step.id = under(&step.id);
    step.needs = step.needs.iter().map(under).collect();
    step.verify.iter_mut().for_each(|check| place(check, around));
    if let Some(owes) = &mut step.owes {
        owes.step.value = under(&owes.step.value);
        owes.guard.iter_mut().flatten().for_each(|check| place(check, around));
    }
    if let UndoRule::Steps(steps) = &mut step.undo {
        steps.iter_mut().for_each(|s| place(s, around));
    }
    match &mut step.body {
        Body::Loop(l) => l.steps.iter_mut().for_each(|s| place(s, around)),
        Body::Call(called) => called.runbook = placed(called.runbook.clone(), around),
        Body::Action(_) | Body::Approve(_) | Body::Manual(_) | Body::Decide(_) => {}
    }
}
