//! What must hold after every simulated life: the rules that hold in any life, and what only these can break, since here hosts lie, people
//! come late, controllers die and clocks jump. Held against the world, which never reads the journal.

use std::collections::{BTreeMap, BTreeSet};

use super::hosts::End;
use super::life::Sim;
use crate::action::CATALOG;
use crate::base::clock::Timestamp;
use crate::base::id::NodeId;
use crate::engine::tests::life::fingerprint;
use crate::engine::tests::rules::{self, Tale};
use crate::model::action::{Catalog, Class, Undo};
use crate::model::approval::ApprovalRequest;
use crate::model::event::{Event, FailureKind, Record};
use crate::model::inventory::Share;
use crate::model::obligation::Obligation;
use crate::model::plan::Turn;
use crate::model::runbook::{Batch, Body, Pace};

/// The first promise that a life breaks.
pub fn check(sim: &Sim<'_>) -> Result<(), String> {
    once(sim)?;
    words_and_deeds(sim)?;
    time(&sim.journal)?;
    people(sim)?;
    pace(sim)?;
    rules::judge(Tale {
        sample: &sim.stage.sample,
        records: &sim.journal,
        world: &sim.world,
        timed: true,
    })?;
    debts(sim)?;
    prefixes(sim)
}

fn repeatable(sim: &Sim<'_>, id: &NodeId) -> bool {
    let node = sim.stage.sample.created.plan.node(id).expect("events are about nodes of the plan");
    CATALOG.get(&node.action).is_some_and(|k| k.signature().repeatable)
}

/// What must not simply be repeated is executed again only when it is known how it ended the time before.
fn once(sim: &Sim<'_>) -> Result<(), String> {
    let mut before: BTreeMap<&NodeId, u32> = BTreeMap::new();
    for (node, attempt, _) in &sim.world.executed {
        let earlier = before.insert(node, *attempt);
        let unknown = |a: u32| sim.deed(node, a).is_none_or(|d| d.told.is_none() || d.end == End::Gone);
        if let Some(earlier) = earlier.filter(|a| unknown(*a) && !repeatable(sim, node)) {
            return Err(format!(
                "{node} was executed again in attempt {attempt}, and nobody knew how attempt {earlier} ended"
            ));
        }
    }
    Ok(())
}

/// No false word about what was done.
fn words_and_deeds(sim: &Sim<'_>) -> Result<(), String> {
    for (place, record) in sim.journal.iter().enumerate() {
        match &record.event {
            Event::StepSucceeded {
                node, attempt, changed, ..
            } if *attempt > 0 => {
                let deed = sim.deed(node, *attempt);
                let so = sim.hosts.was_so.contains(&(node.clone(), *attempt));
                if deed.is_none() && !so {
                    return Err(format!("attempt {attempt} of {node} is reported done and was never executed"));
                }
                if deed.is_some_and(|d| d.end != End::Well) {
                    return Err(format!("attempt {attempt} of {node} is reported done and did not end well"));
                }
                let done = sim.world.executed.iter().any(|(n, _, known)| n == node && *known <= place);
                if done && !changed {
                    return Err(format!("{node} is reported as found so, and was changed by this run"));
                }
            }
            Event::StepFailed { node, attempt, failure }
                if failure.kind == FailureKind::Exit && sim.deed(node, *attempt).is_none_or(|d| d.end == End::Well) =>
            {
                return Err(format!("attempt {attempt} of {node} is reported failed and ended well"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The time of the records never goes back, whatever clocks do.
pub fn time(records: &[Record]) -> Result<(), String> {
    match records.windows(2).find(|w| w[1].at < w[0].at) {
        Some(w) => Err(format!("record {}: the time goes back", w[1].sequence)),
        None => Ok(()),
    }
}

/// A question as its records tell it.
struct Asked<'r> {
    request: &'r ApprovalRequest,
    yes: BTreeSet<&'r str>,
    over: bool,
}

/// Enough different people, in time, and nobody after it is decided.
fn people(sim: &Sim<'_>) -> Result<(), String> {
    let mut asked: BTreeMap<&NodeId, Asked<'_>> = BTreeMap::new();
    let enough = |a: &Asked<'_>| {
        let counted = a
            .yes
            .iter()
            .filter(|by| a.request.quorum < 2 || **by != sim.stage.sample.created.by);
        counted.count() >= a.request.quorum as usize
    };
    for record in &sim.journal {
        match &record.event {
            Event::ApprovalRequested { request } => {
                let new = Asked {
                    request,
                    yes: BTreeSet::new(),
                    over: false,
                };
                asked.insert(&request.gate, new);
            }
            Event::ApprovalEscalated { request, .. } => _ = asked.get_mut(&request.gate).map(|a| a.request = request),
            Event::ApprovalExpired { gate } => _ = asked.get_mut(gate).map(|a| a.over = true),
            Event::ApprovalAnswered { gate, answer } => {
                let question = asked.get_mut(gate).ok_or_else(|| format!("{gate} was answered and not asked"))?;
                if question.over || answer.at >= question.request.expires_at {
                    return Err(format!("{gate} was answered after it was over"));
                }
                if answer.granted {
                    question.yes.insert(&answer.by);
                }
                question.over = !answer.granted || enough(question);
            }
            Event::StepSucceeded { node, attempt: 0, .. } if asked.get(node).is_some_and(|a| !enough(a)) => {
                return Err(format!("{node} goes on before enough people agreed"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// No more turns of a loop at once than it says.
fn pace(sim: &Sim<'_>) -> Result<(), String> {
    let plan = &sim.stage.sample.created.plan;
    if plan.nodes.iter().all(|n| n.turns.is_empty()) {
        return Ok(());
    }
    let mut ended: BTreeSet<&NodeId> = BTreeSet::new();
    let mut begun: Vec<&Turn> = Vec::new();
    let mut back: BTreeMap<&[Turn], bool> = BTreeMap::new();
    for record in &sim.journal {
        match &record.event {
            Event::UnwindStarted { .. } => return Ok(()),
            Event::TurnFailed { turns, .. } => _ = back.insert(turns, false),
            Event::TurnTakenBack { turns } => _ = back.insert(turns, true),
            Event::StepSucceeded { node, .. }
            | Event::StepSkipped { node, .. }
            | Event::StepFailed { node, .. }
            | Event::StepLost { node, .. }
            | Event::StepCancelled { node, .. } => _ = ended.insert(node),
            Event::StepStarted { node, .. } => {
                ended.remove(node);
                // Loops in loops are not generated here.
                let Some(turn) = plan.node(node).and_then(|n| n.turns.first()).filter(|t| !begun.contains(t)) else {
                    continue;
                };
                begun.push(turn);
                let over = |turn: &Turn| match back.get(std::slice::from_ref(turn)) {
                    Some(is_back) => *is_back,
                    None => plan
                        .nodes
                        .iter()
                        .filter(|n| n.turns.first() == Some(turn))
                        .all(|n| ended.contains(&n.id)),
                };
                let of_loop: Vec<&&Turn> = begun.iter().filter(|t| t.step == turn.step).collect();
                let at_once = of_loop.iter().filter(|t| !over(t)).count();
                let most = most_at_once(sim, turn, of_loop.len());
                if at_once > most {
                    return Err(format!(
                        "record {}: {at_once} turns of {} at once, {most} allowed",
                        record.sequence, turn.step
                    ));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// How many turns of this loop may go on when so many have begun.
fn most_at_once(sim: &Sim<'_>, turn: &Turn, begun: usize) -> usize {
    let plan = &sim.stage.sample.created.plan;
    let all: BTreeSet<&Turn> = plan.nodes.iter().flat_map(|n| &n.turns).filter(|t| t.step == turn.step).collect();
    let Some(Body::Loop(l)) = sim.stage.sample.runbook.step(&turn.step).map(|s| &s.body) else {
        panic!("a turn of no loop")
    };
    let sizes = match &l.pace {
        Pace::Parallel(n) => return *n as usize,
        Pace::Batches(sizes) => sizes,
    };
    let size = |b: &Batch| match b {
        Batch::Share(Share::Count(n)) => *n as usize,
        Batch::Share(Share::Percent(p)) => (all.len() as f64 * p / 100.0) as usize,
        Batch::Text(_) => panic!("the sizes of batches are written out here"),
    };
    let mut before = 0;
    for batch in sizes {
        before += size(batch);
        if begun <= before {
            return size(batch);
        }
    }
    size(sizes.last().expect("a loop has a batch"))
}

/// What is owed at the end was tried to be given back, or stands behind a point of no return.
fn debts(sim: &Sim<'_>) -> Result<(), String> {
    let mut open: Vec<(usize, &Obligation)> = Vec::new();
    for (place, record) in sim.journal.iter().enumerate() {
        match &record.event {
            Event::ObligationOpened { obligation } if obligation.return_node.is_some() => open.push((place, obligation)),
            Event::ObligationDischarged { id, .. } => open.retain(|(_, o)| &o.id != id),
            _ => {}
        }
    }
    for (place, debt) in open {
        let since = &sim.journal[place..];
        let tried = since.iter().any(|r| match &r.event {
            Event::StepStarted { node, .. } => Some(node) == debt.return_node.as_ref(),
            Event::ReturnRefused { id, .. } => id == &debt.id,
            // What it would follow is not as before.
            Event::UndoFailed { node, .. } => node == &debt.taker,
            Event::ChangeIntended { node, undo, .. } => *undo == Undo::Impossible && node != &debt.taker,
            _ => false,
        });
        if !tried {
            return Err(format!("{} is owed at the end, and nobody tried to give it back", debt.what));
        }
    }
    Ok(())
}

/// A crash after any record loses nothing: read back from their stored form, the records up to it give the state that lived.
fn prefixes(sim: &Sim<'_>) -> Result<(), String> {
    let Some(marks) = &sim.marks else { return Ok(()) };
    let stored = serde_json::to_string(&sim.journal).map_err(|e| e.to_string())?;
    let records: Vec<Record> = serde_json::from_str(&stored).map_err(|e| e.to_string())?;
    for (known, mark) in (1..=records.len()).zip(marks) {
        let read = (sim.bugs.replay)(&sim.stage.newborn, &records[..known])?;
        if &fingerprint(&read) != mark {
            return Err(format!("after record {} the state read back differs", known + 1));
        }
    }
    Ok(())
}

/// What the life has come to in the world: what was executed, by whom, and what is out.
pub fn world(sim: &Sim<'_>) -> (BTreeSet<NodeId>, BTreeSet<crate::base::id::HostName>) {
    let plan = &sim.stage.sample.created.plan;
    let changes = |id: &NodeId| plan.node(id).is_some_and(|n| n.class != Class::Probe);
    let executed = sim.world.executed.iter().map(|(n, ..)| n.clone()).filter(|n| changes(n));
    (executed.collect(), sim.world.out.clone())
}

/// For the figure of how long simulated lives take.
pub fn lasted(sim: &Sim<'_>) -> std::time::Duration {
    sim.journal.last().map_or(Timestamp(0), |r| r.at).since(Timestamp(0))
}
