//! What stands in the place of an action, compiled: people are asked (`approve`), people do it (`manual`), a word is chosen (`decide`).

use std::collections::BTreeMap;

use super::params;
use super::scope::BASE_FIELDS;
use super::site::Site;
use super::syntax::{self, Written};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::model::runbook::{Approve, Body, Branch, Manual, Within};
use crate::model::text::Part;
use crate::model::types::Type;

/// What a person's answer has beside the fields, and what every result has beside its own.
const TAKEN: &[&str] = &["by", "at", "hosts", "all"];

/// `approve:`
pub(super) fn approve(written: &syntax::Approve, site: &mut Site<'_>) -> Option<Body> {
    let next = &written.then_escalate_to;
    if let (Some(escalate), []) = (written.escalate_on_timeout, next.as_slice()) {
        site.d.push(
            Diagnostic::error(
                "RB0134",
                escalate,
                "`on_timeout: escalate` needs `then_escalate_to`: who is asked next",
            )
            .label("to whom?")
            .help("add `then_escalate_to: [who]`, or say `on_timeout: deny`"),
        );
    }
    if let (None, Some(first)) = (written.escalate_on_timeout, next.first()) {
        site.d.push(
            Diagnostic::error(
                "RB0134",
                first.span,
                "`then_escalate_to` means nothing without `on_timeout: escalate`",
            )
            .label("would never be asked")
            .help("add `on_timeout: escalate`; without it nobody's answer in time is a no"),
        );
    }
    let within = within(&written.within, site);
    Some(Body::Approve(Box::new(Approve {
        ask: site.message(&written.ask)?,
        from: names(&written.from),
        quorum: written.quorum,
        show_plan: written.show_plan,
        within: within?,
        then_escalate_to: names(next),
    })))
}

/// `manual:`
pub(super) fn manual(written: &syntax::Manual, site: &mut Site<'_>) -> Option<Body> {
    for field in &written.fields {
        let name = field.name.value.as_str();
        if TAKEN.contains(&name) || BASE_FIELDS.contains(&name) {
            let message = format!("a field cannot be called `{name}`: every such step has that already");
            site.d
                .push(Diagnostic::error("RB0136", field.name.span, message).label("choose another name"));
        }
        if field.kind.as_ref().is_some_and(|k| k.value == "secret") {
            let message = format!("field `{name}` cannot be a secret: answers are recorded and shown");
            let help = "declare it under `params` with `from`, where nobody has to type it";
            site.d.push(
                Diagnostic::error("RB0139", field.name.span, message)
                    .label("would be kept")
                    .help(help),
            );
        }
    }
    if !written.blocking {
        does_not_wait(written, site.d);
    }
    let told = |f: &syntax::Param| f.kind.as_ref().is_some_and(|k| k.value == "secret");
    let fields: Vec<_> = written
        .fields
        .iter()
        .map(|f| if told(f) { None } else { params::param(f, site.d) })
        .collect();
    let within = within(&written.within, site);
    Some(Body::Manual(Box::new(Manual {
        ask: site.message(&written.ask)?,
        to: names(&written.to),
        fields: fields.into_iter().collect::<Option<_>>()?,
        within: within?,
        then_escalate_to: names(&written.then_escalate_to),
        blocking: written.blocking,
    })))
}

/// The run goes on and may end before anybody answers: no step can read a field, and nobody watches the clock.
fn does_not_wait(written: &syntax::Manual, d: &mut Diagnostics) {
    let fields = written.fields.first().map(|f| ("fields", f.name.span, "no step could read it"));
    let next = written
        .then_escalate_to
        .first()
        .map(|w| ("then_escalate_to", w.span, "nobody would be asked"));
    for (key, span, label) in fields.into_iter().chain(next) {
        let message = format!("`{key}` means nothing with `blocking: false`: the run goes on without an answer");
        d.push(
            Diagnostic::error("RB0135", span, message)
                .label(label)
                .help("remove it, or `blocking: false`"),
        );
    }
}

/// `decide:`
pub(super) fn decide(written: &syntax::Decide, site: &mut Site<'_>) -> Option<Body> {
    if !written.broken {
        order(written, site.d);
    }
    let outside = site.env.clone();
    let mut branches = Vec::new();
    let mut whole = !written.broken;
    for branch in &written.branches {
        let when = branch.when.as_ref().map(|w| site.expression(w, Some(&Type::Bool)));
        whole &= !matches!(when, Some(None));
        let when = when.flatten();
        if let Some(when) = &when {
            // A later line is looked at only if this one is not true.
            site.env.assume(&when.root, false);
        }
        branches.push(Branch {
            is: branch.is.value.clone(),
            when,
        });
    }
    site.env = outside;
    whole.then_some(Body::Decide(branches))
}

/// Exactly the last line has no condition, and every word stands once.
fn order(written: &syntax::Decide, d: &mut Diagnostics) {
    let branches = written.branches.as_slice();
    for (i, branch) in branches.iter().enumerate() {
        if let Some(first) = branches[..i].iter().find(|b| b.is.value == branch.is.value) {
            let message = format!("`{}` stands twice in this `decide`", branch.is.value);
            d.push(
                Diagnostic::error("RB0133", branch.is.span, message)
                    .label("the second")
                    .also(first.is.span, "the first")
                    .help("join the two conditions with `||`, or choose another word"),
            );
        }
    }
    match branches.iter().position(|b| b.when.is_none()) {
        Some(rest) if rest + 1 < branches.len() => {
            let (always, never) = (&branches[rest].is, &branches[rest + 1].is);
            let message = format!(
                "`{}` can never be decided: `{}` above it holds in any case",
                never.value, always.value
            );
            d.push(
                Diagnostic::error("RB0132", never.span, message)
                    .label("never reached")
                    .also(always.span, "has no `when`")
                    .help("the line without `when` stands last"),
            );
        }
        Some(_) => {}
        None => {
            let (span, label) = branches
                .last()
                .map_or((written.span, "no lines"), |last| (last.is.span, "the last line has a `when`"));
            d.push(
                Diagnostic::error(
                    "RB0131",
                    span,
                    "`decide` needs a last line without `when`: what it is in any other case",
                )
                .label(label)
                .help("add a line: `- is: unknown`"),
            );
        }
    }
}

/// The words that a `decide` can give.
pub(super) fn words(written: &syntax::Decide) -> Type {
    match written.broken {
        true => Type::Dynamic,
        false => Type::Enum(written.branches.iter().map(|b| b.is.value.clone()).collect()),
    }
}

/// What later steps can read of a person's answer.
pub(super) fn manual_fields(written: &syntax::Manual) -> BTreeMap<String, Type> {
    if !written.blocking {
        return BTreeMap::new();
    }
    let declared = written.fields.iter().map(|f| (f.name.value.clone(), params::declared(f)));
    let of_every_answer = [("by", Type::Text), ("at", Type::Text)].map(|(name, kind)| (name.to_owned(), kind));
    declared.chain(of_every_answer).collect()
}

fn names(written: &[Written]) -> Vec<String> {
    written.iter().map(|w| w.value.clone()).collect()
}

/// A duration, or exactly one placeholder of one.
fn within(written: &syntax::Within, site: &mut Site<'_>) -> Option<Within> {
    let text = match written {
        syntax::Within::Fixed(span) => return Some(Within::Fixed(*span)),
        syntax::Within::Text(text) => text,
    };
    let compiled = site.text(text)?;
    let fits = matches!(site.sole_type(&compiled), Some(Type::Duration | Type::Dynamic));
    if !fits || !matches!(compiled.parts.as_slice(), [Part::Placeholder(_)]) {
        let message = format!("expected a duration such as `90s`, found `{}`", text.value);
        let help = "a parameter of type `duration` can stand here: `\"{{params.answer_within}}\"`";
        site.d.push(Diagnostic::error("RB0023", text.span, message).help(help));
        return None;
    }
    Some(Within::Text(compiled))
}
