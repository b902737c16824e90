//! Whom a runbook names: recipients of messages and those who may answer. Whether they exist only the configuration knows.

use super::arguments::entries_of;
use super::outline::Outline;
use super::syntax::{Body, Runbook, Step};
use crate::diagnostic::Spanned;
use crate::model::action::RunsOn;
use crate::model::runbook::{Duty, Named};

/// Every name that stands in the text, in its order; what is only rendered later is not among them.
pub(super) fn named(file: &Runbook, outline: &Outline<'_>) -> Vec<Named> {
    let mut names: Vec<Named> = Vec::new();
    if let Some(notify) = &file.notify {
        names.push(recipient(&notify.to));
    }
    let entries = outline.lists.iter().flat_map(|list| &list.entries);
    for entry in entries {
        match &entry.step.body {
            Body::Approve(approve) => {
                names.extend(approve.from.iter().chain(&approve.then_escalate_to).filter_map(answerer));
            }
            Body::Manual(manual) => names.extend(manual.to.iter().chain(&manual.then_escalate_to).filter_map(answerer)),
            Body::Action { .. } => names.extend(told(entry.step, entry.facts.as_ref())),
            Body::Call(call) => names.extend(call.target.iter().flat_map(|t| t.runbook.people.iter().cloned())),
            _ => {}
        }
    }
    names.sort_by_key(|n| (n.name.span.source.0, n.name.span.start));
    names
}

/// `to` of an action that speaks to people; it runs on the controller alone.
fn told(step: &Step, facts: Option<&super::effects::Facts>) -> Option<Named> {
    let Body::Action { argument, .. } = &step.body else { return None };
    let signature = facts.map(|f| f.signature).filter(|s| s.runs_on == RunsOn::Controller)?;
    let given = entries_of(signature, argument);
    let (_, node) = given.into_iter().find(|(name, _)| name.value == "to")?;
    let text = node.as_scalar().map(|s| s.text.clone()).filter(|t| !t.contains("{{"))?;
    Some(recipient(&Spanned::new(text, node.content_span())))
}

fn answerer(name: &Spanned<String>) -> Option<Named> {
    // `*` is anybody.
    (name.value != "*").then(|| Named {
        name: name.clone(),
        duty: Duty::Answers,
    })
}

fn recipient(name: &Spanned<String>) -> Named {
    Named {
        name: name.clone(),
        duty: Duty::IsTold,
    }
}
