//! Who last changed something: answered from our own journal.

use std::collections::HashMap;

use crate::base::id::NodeId;
use crate::journal::{Journal, JournalError};
use crate::model::action::ResourceKey;
use crate::model::event::{Event, Record, RunCreated};
use crate::model::operation::Changed;
use crate::model::plan::{EffectKind, Node};

/// Runs that are looked through, the newest first; each costs some milliseconds.
const RUNS: usize = 500;

/// The changes of `resource` by runs, the newest first, at most `last`.
///
/// # Errors
/// A journal that cannot be read.
pub fn changes(journal: &dyn Journal, resource: &str, last: usize) -> Result<Vec<Changed>, JournalError> {
    let mut found = Vec::new();
    for run in journal.runs(RUNS)? {
        // A run that began later may have ended earlier; what overlaps is put in order by the time of the change.
        let oldest = found.iter().map(|c: &Changed| c.at).min();
        if found.len() >= last && oldest.is_some_and(|oldest| run.last_at < oldest) {
            continue;
        }
        found.extend(of_run(&journal.events(run.id)?, resource));
        found.sort_by_key(|c: &Changed| std::cmp::Reverse((c.at, c.run)));
        found.truncate(last);
    }
    Ok(found)
}

/// The changes that one run made, and those that it took back, which are changes as well.
fn of_run(records: &[Record], resource: &str) -> Vec<Changed> {
    let Some(created) = records.iter().find_map(|r| match &r.event {
        Event::RunCreated(created) => Some(created),
        _ => None,
    }) else {
        return Vec::new();
    };
    let mut intended: HashMap<&NodeId, &str> = HashMap::new();
    let mut found = Vec::new();
    for record in records {
        let (node, what) = match &record.event {
            Event::ChangeIntended { node, summary, before, .. } => {
                if touches(created, node, before, resource) {
                    intended.insert(node, summary.as_str());
                }
                continue;
            }
            Event::StepSucceeded { node, changed: true, .. } => (node, String::new()),
            // Sent, and its outcome is not known: whoever asks must hear of it.
            Event::StepLost { node, .. } => (node, String::from(" (outcome unknown)")),
            Event::UndoSucceeded { node, summary } => (node, format!(" (taken back: {summary})")),
            _ => continue,
        };
        if let Some(summary) = intended.get(node) {
            found.push(Changed {
                run: record.run,
                runbook: created.runbook.clone(),
                by: created.by.clone(),
                reason: created.reason.clone().unwrap_or_else(|| purpose(created, node)),
                what: format!("{summary}{what}"),
                at: record.at,
            });
        }
    }
    found
}

fn node<'c>(created: &'c RunCreated, id: &NodeId) -> Option<&'c Node> {
    created.plan.nodes.iter().find(|n| n.id == *id)
}

fn purpose(created: &RunCreated, id: &NodeId) -> String {
    node(created, id).map_or_else(String::new, |n| n.name.clone())
}

/// A member of a pool is touched by what takes or returns it; anything else by what looked at it in order to change it.
fn touches(created: &RunCreated, id: &NodeId, before: &[(ResourceKey, crate::base::value::Value)], resource: &str) -> bool {
    let Some(rest) = resource.strip_prefix("pool/") else {
        return before.iter().any(|(key, _)| key.to_string() == resource);
    };
    let (pool, member) = match rest.split_once('/') {
        Some((pool, member)) => (pool, Some(member.strip_prefix("member/").unwrap_or(member))),
        None => (rest, None),
    };
    let Some(node) = node(created, id) else { return false };
    let named = |name: &str, wanted: &str| node.arguments.text(name) == Some(wanted);
    let told = named("pool", pool) && member.is_none_or(|m| named("member", m));
    let effect = node
        .pool_effects
        .iter()
        .any(|e| e.kind != EffectKind::Disturbs && e.pool.as_str() == pool && member.is_none_or(|m| e.member.as_str() == m));
    told || effect
}
