//! Obligations and the way back: what takes must be given back, what cannot be undone must say so.

use super::arguments::entries_of;
use super::effects::Facts;
use super::outline::{At, Entry, Outline, Section};
use super::syntax::{Body, Owes, Step, Undo};
use crate::diagnostic::{Diagnostic, Diagnostics, nearest};
use crate::model::action::{Class, PoolEffect};
use crate::model::runbook::CallMode;
use crate::yaml::Node;

/// Checks every step of every list.
pub(super) fn obligations(outline: &Outline<'_>, d: &mut Diagnostics) {
    for (list, steps) in outline.lists.iter().enumerate() {
        for (index, entry) in steps.entries.iter().enumerate() {
            let at = At { list, index };
            // Where an argument is wrong, what the action would do is not known.
            let Some(facts) = entry.facts.as_ref().filter(|f| f.sound) else {
                continue;
            };
            if facts.class == Class::Probe {
                probe(entry.step, facts, d);
                continue;
            }
            // What takes back is itself never taken back, and owes nothing.
            if steps.section == Section::Undo {
                continue;
            }
            way_back(entry.step, facts, d);
            taking(outline, at, entry, facts, d);
            if let Some(owes) = &entry.step.owes {
                debt(outline, at, owes, facts, d);
            }
        }
    }
}

/// The first destructive step that no person is asked about before it starts.
pub(super) fn unasked_destruction<'o, 'a>(outline: &'o Outline<'a>) -> Option<&'o Entry<'a>> {
    let all = outline.lists.iter().enumerate();
    let mut places = all.flat_map(|(list, l)| (0..l.entries.len()).map(move |index| At { list, index }));
    places
        .find(|at| is_destructive(outline.entry(*at)) && !is_asked(outline, *at))
        .map(|at| outline.entry(at))
}

fn is_destructive(entry: &Entry<'_>) -> bool {
    if let Body::Call(call) = &entry.step.body {
        return call.mode == CallMode::Run && call.target.as_ref().is_some_and(|t| t.unasked);
    }
    entry.facts.as_ref().is_some_and(|f| f.class == Class::Destructive)
}

/// An `approve` comes before it in any case: in its list, or in that of a loop around it.
fn is_asked(outline: &Outline<'_>, at: At) -> bool {
    outline.chain(at).into_iter().any(|level| {
        let condition = outline.entry(level).step.when.as_ref().map(|w| w.value.as_str());
        outline.before(level).into_iter().any(|index| {
            let step = outline.lists[level.list].entries[index].step;
            let asked_when = step.when.as_ref().map(|w| w.value.as_str());
            matches!(step.body, Body::Approve(_)) && (asked_when.is_none() || asked_when == condition)
        })
    })
}

/// What only reads has nothing to give back.
fn probe(step: &Step, facts: &Facts, d: &mut Diagnostics) {
    let given = [
        ("owes", step.owes.as_ref().map(|o| o.step.span)),
        ("leave", step.leave.as_ref().map(|l| l.span)),
        ("undo", step.undo.as_ref().map(|u| u.span)),
    ];
    for (key, span) in given {
        if let Some(span) = span {
            let message = format!("`{key}` on a step that only reads: `{}` is a probe here", facts.signature.name);
            d.push(
                Diagnostic::error("RB0406", span, message)
                    .label("nothing to give back")
                    .help(format!("remove `{key}`")),
            );
        }
    }
}

fn way_back(step: &Step, facts: &Facts, d: &mut Diagnostics) {
    if facts.class != Class::Destructive {
        return;
    }
    let name = facts.signature.name;
    let Body::Action { name: action, .. } = &step.body else { return };
    match &step.undo {
        None if step.may_mean("undo") => {}
        None => {
            let reads = facts.signature.parameters.iter().any(|p| p.name == "read_only");
            let other = if reads { ", or `read_only: true` if it only reads" } else { "" };
            let help = format!(
                "add `undo: none` if there is no way back, `undo: keep` if it is meant to stay, or the steps that take it back{other}"
            );
            let message = format!(
                "`{name}` cannot be taken back by itself: step `{}` must say what `undo` means",
                step.id.value
            );
            d.push(
                Diagnostic::error("RB0405", action.span, message)
                    .label("no `undo` at this step")
                    .help(help),
            );
        }
        Some(undo) if matches!(undo.value, Undo::Auto) => {
            let message = format!("`undo: auto` is impossible: `{name}` does not know how to take itself back");
            let help = "say `none`, `keep`, or the steps that take it back";
            d.push(Diagnostic::error("RB0408", undo.span, message).label("nobody knows how").help(help));
        }
        Some(_) => {}
    }
}

/// A lasting taking step owes, or says why it leaves things so.
fn taking(outline: &Outline<'_>, at: At, entry: &Entry<'_>, facts: &Facts, d: &mut Diagnostics) {
    let step = entry.step;
    let takes_member = facts.effect == PoolEffect::TakesMember;
    let takes = takes_member || facts.effect == PoolEffect::TakesHost;
    if let (Some(owes), Some(leave)) = (&step.owes, &step.leave) {
        let message = "`owes` and `leave` exclude each other: either this run gives it back, or it leaves it";
        d.push(
            Diagnostic::error("RB0410", leave.span, message)
                .label("leaves it")
                .also(owes.step.span, "gives it back"),
        );
    }
    if let (Some(none), true) = (step.pool_effect_none, takes_member) {
        let message = format!(
            "`pool_effect: none` is untrue: `{}` takes a member out of a pool",
            facts.signature.name
        );
        d.push(
            Diagnostic::error("RB0410", none, message)
                .label("it is what this action is for")
                .help("remove it"),
        );
    }
    if let (Some(leave), false) = (&step.leave, takes) {
        let message = format!("`leave` on a step that takes nothing: `{}` here", facts.signature.name);
        d.push(
            Diagnostic::error("RB0410", leave.span, message)
                .label("nothing is left out of service")
                .help("remove `leave`"),
        );
    }
    let declared_harmless = step.pool_effect_none.is_some() && !takes_member;
    let answered = ["owes", "leave"].iter().any(|key| step.may_mean(key));
    if takes && !declared_harmless && !answered {
        d.push(nobody_gives_back(outline, at, step, facts));
    }
}

fn nobody_gives_back(outline: &Outline<'_>, at: At, step: &Step, facts: &Facts) -> Diagnostic {
    let id = &step.id.value;
    let what = match facts.effect {
        PoolEffect::TakesMember => "takes a server out of its pool",
        _ => "takes its host out of service",
    };
    let message = format!("step `{id}` {what}, and nothing says who puts it back");
    let place = match &step.body {
        Body::Action { name, .. } => name.span,
        _ => step.id.span,
    };
    // A stopped service takes nothing where no pool has the host; only the inventory knows.
    let harmless = match facts.effect {
        PoolEffect::TakesMember => "",
        _ => "\n  # or, if no pool needs the host:\n    pool_effect: none",
    };
    let leave = format!("leave: {{ until: 24h, reason: \"…\" }}{harmless}");
    let escape = "  # or, if it is meant to stay out after this run:";
    let diagnostic = Diagnostic::error("RB0401", place, message).label("takes, and owes nothing");
    let returning = returning_step(outline, at);
    match returning {
        Some(back) => {
            let back_id = &back.id.value;
            let why = format!("if anything fails between `{id}` and `{back_id}`, the server stays out and nobody is told");
            diagnostic
                .also(back.id.span, "this step puts something back, but only if the run comes so far")
                .help(format!("{why}; add to step `{id}`:\n    owes: {back_id}\n{escape}\n    {leave}"))
        }
        None => {
            let then = match facts.effect {
                PoolEffect::TakesMember => taken_back(step, facts),
                _ => format!("  - id: return_{id}\n    service: {{ name: …, state: started }}"),
            };
            diagnostic.help(format!(
                "add to step `{id}`:\n    owes: return_{id}\nand, after it, the step that gives back:\n{then}\n{escape}\n    {leave}"
            ))
        }
    }
}

/// The step to paste: the same pool and member, `ready`.
fn taken_back(step: &Step, facts: &Facts) -> String {
    let argument = |name: &str| argument_source(step, facts, name).map_or_else(|| "…".to_owned(), |s| quoted(&s));
    let (action, pool, member) = (facts.signature.name, argument("pool"), argument("member"));
    format!(
        "  - id: return_{}\n    {action}: {{ pool: {pool}, member: {member}, state: ready }}",
        step.id.value
    )
}

fn quoted(text: &str) -> String {
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if plain { text.to_owned() } else { format!("\"{text}\"") }
}

/// A later step of the same list that returns a member.
fn returning_step<'a>(outline: &Outline<'a>, at: At) -> Option<&'a Step> {
    let later = outline.lists[at.list].entries.iter().skip(at.index + 1);
    let mut returning = later.filter(|e| e.facts.as_ref().is_some_and(|f| f.effect == PoolEffect::ReturnsMember));
    returning.next().map(|e| e.step)
}

/// The step that gives back: it exists, in the same list, later, in every case where this one happens.
fn debt(outline: &Outline<'_>, at: At, owes: &Owes, facts: &Facts, d: &mut Diagnostics) {
    let entry = outline.entry(at);
    let (id, target) = (&entry.step.id.value, &owes.step.value);
    let Some(found) = outline.find(target) else {
        let message = format!("step `{id}` owes unknown step `{target}`");
        let diagnostic = Diagnostic::error("RB0402", owes.step.span, message).label("not a step in this runbook");
        let known = outline.lists[at.list].entries.iter().map(|e| e.step.id.value.as_str());
        d.push(match nearest(target, known) {
            Some(meant) => diagnostic.help(format!("did you mean `{meant}`?")).replacement(meant),
            None => diagnostic.help("name the later step that gives back what this one takes"),
        });
        return;
    };
    let back = outline.entry(found);
    let there = back.step.id.span;
    if found.list != at.list {
        let message = format!("step `{id}` owes `{target}`, which stands in another list");
        let help = "what is taken in a turn of a loop is given back in the same turn; what is taken outside, outside";
        d.push(
            Diagnostic::error("RB0403", owes.step.span, message)
                .label("another loop or section")
                .also(there, "it is here")
                .help(help),
        );
        return;
    }
    if found.index <= at.index || !outline.before(found).contains(&at.index) {
        let message = match found.index <= at.index {
            true => format!("step `{id}` owes `{target}`, which does not come later"),
            false => format!("step `{id}` owes `{target}`, which does not wait for it"),
        };
        let help = format!("the step that gives back stands below and waits, directly or not, for `{id}`");
        d.push(
            Diagnostic::error("RB0403", owes.step.span, message)
                .label("would not follow")
                .also(there, "it is here")
                .help(help),
        );
        return;
    }
    same_condition(entry.step, back.step, owes, d);
    gives_back(entry.step, facts, back, owes, d);
}

fn same_condition(taker: &Step, back: &Step, owes: &Owes, d: &mut Diagnostics) {
    let Some(condition) = &back.when else { return };
    if taker.when.as_ref().is_some_and(|w| w.value == condition.value) {
        return;
    }
    let message = format!("step `{}` owes `{}`, which may be skipped", taker.id.value, back.id.value);
    let help = format!("remove its `when`, or give `{}` the same one", taker.id.value);
    d.push(
        Diagnostic::error("RB0404", condition.span, message)
            .label("under another condition than what it gives back")
            .also(owes.step.span, "owed here")
            .help(help),
    );
}

/// What gives back must act, and a member must be given back to the pool it was taken from.
fn gives_back(taker: &Step, facts: &Facts, back: &Entry<'_>, owes: &Owes, d: &mut Diagnostics) {
    let Some(back_facts) = &back.facts else { return };
    let wrong = |message: String, label: &str| {
        Diagnostic::error("RB0409", owes.step.span, message)
            .label(label)
            .also(back.step.id.span, "it is here")
    };
    if back_facts.class == Class::Probe {
        let message = format!(
            "step `{}` owes `{}`, which only reads and gives nothing back",
            taker.id.value, back.step.id.value
        );
        d.push(wrong(message, "a probe"));
        return;
    }
    if (facts.effect, back_facts.effect) != (PoolEffect::TakesMember, PoolEffect::ReturnsMember) {
        return;
    }
    for name in ["pool", "member"] {
        let taken = argument_source(taker, facts, name).map(|s| s.replace(' ', ""));
        let given = argument_source(back.step, back_facts, name).map(|s| s.replace(' ', ""));
        if let (Some(taken), Some(given)) = (taken, given)
            && taken != given
        {
            let message = format!(
                "step `{}` takes {name} `{taken}`, but `{}` gives back `{given}`",
                taker.id.value, back.step.id.value
            );
            d.push(wrong(message, "gives back something else"));
        }
    }
}

/// An argument as written.
fn argument_source(step: &Step, facts: &Facts, name: &str) -> Option<String> {
    let Body::Action { argument, .. } = &step.body else { return None };
    let given = entries_of(facts.signature, argument);
    let node: &Node = given.iter().find(|(n, _)| n.value == name).map(|(_, node)| *node)?;
    node.as_scalar().map(|s| s.text.clone())
}
