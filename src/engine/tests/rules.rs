//! What must hold in every life: rules over its records, held against what the world really executed.
//!
//! Written without the engine's own judgement: the rules keep their own account of every node.

use std::collections::{BTreeMap, BTreeSet};

use super::life::{Life, World};
use super::sample::Sample;
use crate::action::CATALOG;
use crate::base::clock::Timestamp;
use crate::base::id::{HostName, NodeId, StepId};
use crate::model::action::{Catalog, Class, Undo};
use crate::model::event::{Event, FailureKind, Record, RunOutcome};
use crate::model::inventory::Share;
use crate::model::obligation::{Obligation, ObligationId};
use crate::model::plan::{EffectKind, Node, NodeEffect, Section, Turn};
use crate::model::runbook::{Body, Loop, Step};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Fresh,
    Running,
    Done,
    Failed(FailureKind),
    Lost,
    Cancelled,
    Undone,
    UndoFailed,
}

/// What is judged: the records of a life, and what was really done in it.
#[derive(Clone, Copy)]
pub struct Tale<'l> {
    pub sample: &'l Sample,
    pub records: &'l [Record],
    pub world: &'l World,
    /// Time passes in it, so that it may reach the deadline.
    pub timed: bool,
}

/// The account of a life, record by record.
struct Account<'l> {
    tale: Tale<'l>,
    started_at: Option<Timestamp>,
    status: BTreeMap<NodeId, Status>,
    open: BTreeMap<ObligationId, Obligation>,
    /// Changes of the way out, oldest first.
    changes: Vec<(NodeId, u32, Undo)>,
    on_the_way_back: BTreeSet<NodeId>,
    not_before: BTreeMap<NodeId, Timestamp>,
    unwinding: bool,
    /// `finally` had begun before it did.
    work_stays: bool,
    cancelled: bool,
    refused_by_people: bool,
    gate_open: bool,
    first_failure: Option<FailureKind>,
    /// How each node failed last.
    failures: BTreeMap<NodeId, FailureKind>,
    /// Failed turns, and whether they are back.
    turns: BTreeMap<Vec<Turn>, bool>,
    /// Members that this run ever took.
    taken: BTreeSet<HostName>,
}

/// The first rule that a life breaks.
pub fn check(life: &Life<'_>) -> Result<(), String> {
    judge(Tale {
        sample: life.sample,
        records: &life.records,
        world: &life.world,
        timed: false,
    })
}

/// As [`check`], of any life.
pub fn judge(tale: Tale<'_>) -> Result<(), String> {
    let mut account = Account {
        tale,
        started_at: None,
        status: tale
            .sample
            .created
            .plan
            .nodes
            .iter()
            .map(|n| (n.id.clone(), Status::Fresh))
            .collect(),
        open: BTreeMap::new(),
        changes: Vec::new(),
        on_the_way_back: BTreeSet::new(),
        not_before: BTreeMap::new(),
        unwinding: false,
        work_stays: false,
        cancelled: false,
        refused_by_people: false,
        gate_open: !tale.sample.created.gate,
        first_failure: None,
        failures: BTreeMap::new(),
        turns: BTreeMap::new(),
        taken: BTreeSet::new(),
    };
    for record in tale.records {
        account
            .judge(&record.event, record.at)
            .map_err(|why| format!("record {}: {why}", record.sequence))?;
        account.note(&record.event, record.at);
    }
    account.executed()?;
    account.end()
}

impl<'l> Account<'l> {
    /// All nodes that a node waits for.
    fn needed(&self, node: &'l Node) -> impl Iterator<Item = &'l NodeId> + use<'l> {
        let all = self.tale.sample.created.plan.nodes.iter();
        all.filter(|n| node.needs.contains(&n.row)).map(|n| &n.id)
    }

    fn node(&self, id: &NodeId) -> &'l Node {
        self.tale.sample.created.plan.node(id).expect("events are about nodes of the plan")
    }

    fn step(&self, id: &NodeId) -> &'l Step {
        self.tale.sample.runbook.step(&self.node(id).step).expect("nodes come from steps")
    }

    fn is_task(&self, id: &NodeId) -> bool {
        self.tale.sample.created.plan.node(id).is_some_and(Node::is_task)
    }

    fn done(&self, id: &NodeId) -> bool {
        let pays = self.open.values().any(|o| o.return_node.as_ref() == Some(id));
        match self.status[id] {
            Status::Done => true,
            _ if self.left_behind(id) => true,
            Status::Failed(FailureKind::Refused | FailureKind::NotApproved | FailureKind::Invariant) => false,
            Status::Failed(_) | Status::Lost => self.step(id).allow_failure.is_some() && !pays,
            _ => false,
        }
    }

    /// The failed turn that the node belongs to.
    fn failed_turn(&self, id: &NodeId) -> Option<&Vec<Turn>> {
        let node = self.node(id);
        self.turns
            .keys()
            .find(|turns| node.section.is_work() && node.turns.starts_with(turns))
    }

    fn left_behind(&self, id: &NodeId) -> bool {
        self.failed_turn(id).is_some_and(|turns| self.turns[turns] && !self.too_many(turns))
    }

    /// More turns of this turn's loop have failed than it allows.
    fn too_many(&self, turns: &[Turn]) -> bool {
        let (own, outer) = turns.split_last().expect("a turn");
        let of_loop = |other: &[Turn]| other.len() == turns.len() && other.starts_with(outer) && other[outer.len()].step == own.step;
        let failed = self.turns.keys().filter(|t| of_loop(t)).count();
        let nodes = self.tale.sample.created.plan.nodes.iter().filter(|n| n.turns.len() >= turns.len());
        let all: BTreeSet<&[Turn]> = nodes.map(|n| &n.turns[..turns.len()]).filter(|t| of_loop(t)).collect();
        let most = match self.looped(turns).max_failures {
            Share::Count(n) => n as usize,
            Share::Percent(p) => (0..=all.len())
                .rev()
                .find(|n| *n as f64 * 100.0 <= p * all.len() as f64)
                .unwrap_or(0),
        };
        failed > most
    }

    fn looped(&self, turns: &[Turn]) -> &'l Loop {
        let step = self.tale.sample.runbook.step(&turns.last().expect("a turn").step);
        match step.map(|s| &s.body) {
            Some(Body::Loop(l)) => l,
            other => panic!("a turn of {other:?}"),
        }
    }

    /// An invariant speaks of this node, and it changes something.
    fn is_watched(&self, id: &NodeId) -> bool {
        let nodes = &self.tale.sample.created.plan.nodes;
        let own = nodes.iter().position(|n| &n.id == id);
        let begins = |from: &StepId| {
            nodes
                .iter()
                .position(|n| &n.step == from || n.turns.iter().any(|t| &t.step == from))
        };
        let mut all = self.tale.sample.runbook.invariants.iter();
        let acts = self.node(id).class != Class::Probe && self.node(id).action != "approve";
        acts && all.any(|i| i.from.as_ref().is_none_or(|from| begins(from) <= own))
    }

    fn kept(&self, id: &NodeId) -> bool {
        let turns = &self.node(id).turns;
        let nodes = &self.tale.sample.created.plan.nodes;
        let stays = !turns.is_empty() && !self.looped(turns).undo_finished;
        let mut work = nodes.iter().filter(|n| n.section.is_work() && n.turns.starts_with(turns));
        stays && work.all(|n| self.done(&n.id))
    }

    fn judge(&self, event: &Event, at: Timestamp) -> Result<(), String> {
        match event {
            Event::StepStarted { node, .. } => self.start(node, at),
            Event::ChangeIntended { node, .. } => self.intent(node),
            Event::UndoStarted { node, .. } => self.way_back(node),
            Event::StepRetryScheduled { node, attempt, until, .. } => {
                let retry = &self.step(node).retry;
                let factor = retry.backoff.powi(i32::try_from(*attempt).expect("few attempts") - 1);
                if self.tale.world.never.contains(&(node.clone(), *attempt)) {
                    return rule(*until == at, || format!("{node} has never started, and waits"));
                }
                let expected = at.after(retry.delay.mul_f64(factor));
                rule(*until == expected, || format!("{node} waits until {until:?}, not {expected:?}"))?;
                rule(*attempt < retry.attempts, || {
                    format!("{node} is tried more than {} times", retry.attempts)
                })
            }
            Event::StepFailed { node, failure, .. } => {
                let returning = self.on_the_way_back.contains(node) && self.open.values().any(|o| o.return_node.as_ref() == Some(node));
                rule(!(returning && failure.kind == FailureKind::Invariant), || {
                    format!("{node} gives back, and an invariant stops it")
                })
            }
            // Where nothing takes so long, what waits for ever ends so.
            Event::UnwindStarted { reason, .. } => {
                let deadline = self.tale.sample.runbook.deadline;
                let over = self.tale.timed && self.started_at.is_some_and(|start| at.since(start) > deadline);
                rule(over || !reason.contains("deadline"), || String::from("it waits until its deadline"))
            }
            Event::TurnFailed { turns, node, .. } => {
                let kind = self.status[node];
                let counts = matches!(kind, Status::Failed(k) if !matches!(k, FailureKind::Refused | FailureKind::NotApproved | FailureKind::Invariant));
                // An inner loop that fails is a failure of the turn around it, whatever has become of its step.
                let inner = self.turns.keys().any(|t| t.len() > turns.len() && t.starts_with(turns));
                rule((counts || inner) && self.node(node).turns.starts_with(turns), || {
                    format!("the turn of {node} failed, which is {kind:?}")
                })
            }
            Event::TurnTakenBack { turns } => {
                let within = |id: &NodeId| self.node(id).turns.starts_with(turns);
                let owed = self.open.values().find(|o| o.return_node.is_some() && within(&o.taker));
                rule(owed.is_none(), || format!("{turns:?} is back, and {owed:?} is open"))
            }
            Event::RunFinished { outcome, .. } => {
                let expected = self.outcome();
                rule(*outcome == expected, || format!("the outcome is {outcome:?}, not {expected:?}"))
            }
            _ => Ok(()),
        }
    }

    fn start(&self, id: &NodeId, at: Timestamp) -> Result<(), String> {
        let node = self.node(id);
        let failed_turn = self.failed_turn(id).is_some();
        let back = self.unwinding || failed_turn;
        let debt = self.open.values().find(|o| o.return_node.as_ref() == Some(id));
        let of_last_steps = debt.is_some_and(|o| !self.node(&o.taker).section.is_work());
        if let Some(debt) = debt.filter(|_| back && !of_last_steps) {
            return self.way_back(&debt.taker);
        }
        rule(!failed_turn, || format!("{id} starts although its turn goes back"))?;
        let fresh = |turns: &[Turn]| {
            let mut nodes = self.tale.sample.created.plan.nodes.iter().filter(|n| n.turns.starts_with(turns));
            nodes.all(|n| self.status[&n.id] == Status::Fresh)
        };
        let barred = (1..=node.turns.len()).any(|k| self.too_many(&node.turns[..k]) && fresh(&node.turns[..k]));
        rule(!barred, || format!("{id} starts although its loop has too many failed turns"))?;
        let stopped = self.unwinding || (self.cancelled && node.section.is_work());
        rule(!(stopped && node.section.is_work()), || {
            format!("{id} starts although the run goes back")
        })?;
        rule(
            node.section != Section::OnFailure || self.unwinding || !self.turns.is_empty(),
            || format!("{id} starts without a failure"),
        )?;
        // What is made again had everything when it began.
        let missing = self.needed(node).find(|n| self.status[id] == Status::Fresh && !self.done(n));
        // What the last steps took is given back once nothing of them goes on, whatever has become of those between.
        let owed = of_last_steps && self.unwinding && !self.status.values().any(|s| *s == Status::Running);
        rule(missing.is_none() || owed, || format!("{id} starts before {missing:?} is done"))?;
        let early = self.not_before.get(id).is_some_and(|until| at < *until);
        rule(!early, || format!("{id} is repeated too early"))?;
        let repeatable = CATALOG.get(&node.action).is_some_and(|k| k.signature().repeatable);
        rule(self.status[id] != Status::Lost || repeatable, || {
            format!("{id} is repeated although it may have happened")
        })?;
        let free = self.gate_open || node.class == Class::Probe || !node.section.is_work();
        rule(free, || format!("{id} starts before the gate is open"))
    }

    fn intent(&self, id: &NodeId) -> Result<(), String> {
        let late = (self.unwinding || self.failed_turn(id).is_some()) && !self.on_the_way_back.contains(id);
        rule(!late, || format!("{id} changes something although the run goes back"))?;
        rule(self.status[id] == Status::Running, || {
            format!("{id} changes something without an attempt")
        })?;
        let step = self.step(id);
        let owes = step.owes.is_some() || step.leave.is_some();
        let opened = self.open.values().any(|o| &o.taker == id);
        rule(!owes || opened, || format!("{id} changes something before its debt is on record"))
    }

    /// Newest first, nothing behind a point of no return, no finished turn.
    fn way_back(&self, id: &NodeId) -> Result<(), String> {
        let turn = self.failed_turn(id).filter(|_| !self.unwinding);
        rule(self.unwinding || turn.is_some(), || {
            format!("{id} is taken back while the run goes on")
        })?;
        rule(!self.work_stays, || format!("{id} is taken back although all work was done"))?;
        rule(!self.kept(id), || format!("{id} is taken back although its turn is finished"))?;
        let last = |id: &NodeId| self.changes.iter().rposition(|(node, ..)| node == id);
        let own = last(id).ok_or_else(|| format!("{id} is taken back, but never changed anything"))?;
        for (place, (other, _, undo)) in self.changes.iter().enumerate() {
            let elsewhere = turn.is_some_and(|turn| !self.node(other).turns.starts_with(turn));
            if place <= own || other == id || self.kept(other) || elsewhere {
                continue;
            }
            let returned = self.node(other).owes.is_some() && self.node(other).pool_effects.iter().any(|e| e.kind == EffectKind::Takes);
            let over = matches!(self.status[other], Status::Undone | Status::UndoFailed);
            match undo {
                Undo::Impossible => return Err(format!("{id} is taken back, but {other} after it has no way back")),
                Undo::Call { .. } | Undo::Steps if !over && !returned => return Err(format!("{id} is taken back before {other}")),
                _ => {}
            }
        }
        Ok(())
    }

    fn note(&mut self, event: &Event, at: Timestamp) {
        let back = |node: &NodeId| self.unwinding || self.failed_turn(node).is_some();
        let goes_back = matches!(event, Event::StepStarted { node, .. } if back(node));
        let mut set = |node: &NodeId, status| {
            self.status.insert(node.clone(), status);
        };
        match event {
            Event::StepStarted { node, .. } => {
                set(node, Status::Running);
                if goes_back {
                    self.on_the_way_back.insert(node.clone());
                }
            }
            Event::ChangeIntended { node, attempt, undo, .. } if !self.on_the_way_back.contains(node) => {
                self.changes.push((node.clone(), *attempt, undo.clone()));
            }
            Event::StepSucceeded { node, .. } | Event::StepSkipped { node, .. } => set(node, Status::Done),
            Event::StepFailed { node, failure, .. } => {
                set(node, Status::Failed(failure.kind));
                self.failures.insert(node.clone(), failure.kind);
                self.first_failure.get_or_insert(failure.kind);
            }
            Event::StepLost { node, failure, .. } => {
                set(node, Status::Lost);
                self.failures.insert(node.clone(), failure.kind);
                self.first_failure.get_or_insert(failure.kind);
            }
            Event::StepRetryScheduled { node, until, .. } => {
                self.not_before.insert(node.clone(), *until);
            }
            Event::StepCancelled { node, .. } => set(node, Status::Cancelled),
            Event::UndoSucceeded { node, .. } => set(node, Status::Undone),
            Event::UndoFailed { node, .. } => set(node, Status::UndoFailed),
            Event::TurnFailed { turns, .. } => {
                self.turns.insert(turns.clone(), false);
            }
            Event::TurnTakenBack { turns } => {
                self.turns.insert(turns.clone(), true);
            }
            Event::RunStarted { .. } => _ = self.started_at.get_or_insert(at),
            Event::UnwindStarted { step, .. } => {
                self.unwinding = true;
                // What `allow_failure` allows for does not count.
                let counts = step.as_ref().and_then(|id| self.failures.get(id));
                self.first_failure = counts.copied().or(self.first_failure);
                let mut last = self.tale.sample.created.plan.nodes.iter().filter(|n| n.section == Section::Finally);
                self.work_stays = last.any(|n| self.status[&n.id] != Status::Fresh);
            }
            Event::CancelRequested { .. } => self.cancelled = true,
            Event::ApprovalAnswered { gate, answer } => {
                self.refused_by_people |= !answer.granted && !self.is_task(gate);
                self.gate_open |= answer.granted && gate.as_str() == "@start";
            }
            Event::ApprovalExpired { gate } => self.refused_by_people |= !self.is_task(gate),
            Event::ObligationOpened { obligation } => {
                self.taken.extend(obligation.member.clone());
                self.open.insert(obligation.id.clone(), obligation.clone());
            }
            Event::ObligationDischarged { id, .. } => {
                self.open.remove(id);
            }
            Event::ReturnRefused { id, .. } => {
                if let Some(node) = self.open.get(id).and_then(|o| o.return_node.clone()) {
                    self.status.insert(node, Status::Failed(FailureKind::Refused));
                }
            }
            _ => {}
        }
    }

    /// As `cli/exit.rs` documents it: lost before owed before cancelled before denied before failed.
    fn outcome(&self) -> RunOutcome {
        let any = |status| self.status.values().any(|s| *s == status);
        if !self.unwinding {
            let finally = self.tale.sample.created.plan.nodes.iter().filter(|n| n.section == Section::Finally);
            return match finally.into_iter().all(|n| self.done(&n.id)) && self.turns.is_empty() {
                true => RunOutcome::Succeeded,
                false => RunOutcome::Failed,
            };
        }
        let changed = self.tale.records.iter().any(|r| matches!(r.event, Event::ChangeIntended { .. }));
        match () {
            () if any(Status::Lost) => RunOutcome::Lost,
            () if self.open.values().any(|o| o.return_node.is_some()) || any(Status::UndoFailed) => RunOutcome::Stuck,
            () if self.cancelled => RunOutcome::Cancelled,
            () if self.refused_by_people => RunOutcome::Denied,
            () if matches!(self.first_failure, Some(FailureKind::Refused | FailureKind::Invariant)) && !changed => RunOutcome::Refused,
            () => RunOutcome::Failed,
        }
    }

    /// Nothing was executed without an intent on record, and nothing twice under one name.
    fn executed(&self) -> Result<(), String> {
        for (i, (node, attempt, records)) in self.tale.world.executed.iter().enumerate() {
            let intended = self.tale.records[..*records]
                .iter()
                .any(|r| matches!(&r.event, Event::ChangeIntended { node: of, attempt: number, .. } if of == node && number == attempt));
            rule(intended, || format!("{node} was executed without an intent on record"))?;
            let again = self.tale.world.executed[..i]
                .iter()
                .any(|(other, number, _)| other == node && number == attempt);
            rule(!again, || format!("attempt {attempt} of {node} was executed twice"))?;
            let went_on = self.tale.world.went_on.contains(&(node.clone(), *attempt));
            rule(!(went_on && self.is_watched(node) && !self.may_go_on(node)), || {
                format!("{node} was executed although an invariant did not hold")
            })?;
        }
        Ok(())
    }

    /// What gives back is never stopped by an invariant; what comes last only where it takes somebody else's member.
    fn may_go_on(&self, id: &NodeId) -> bool {
        let node = self.node(id);
        if node.section.is_work() {
            return self.on_the_way_back.contains(id);
        }
        let takes = |e: &NodeEffect| e.kind != EffectKind::Returns && !self.taken.contains(&e.member);
        !node.pool_effects.iter().any(takes)
    }

    fn end(&self) -> Result<(), String> {
        let finished = self
            .tale
            .records
            .iter()
            .filter(|r| matches!(r.event, Event::RunFinished { .. }))
            .count();
        rule(finished == 1, || format!("the run finishes {finished} times"))?;
        for member in &self.tale.world.out {
            let listed = self.open.values().any(|o| o.member.as_ref() == Some(member));
            rule(listed, || format!("{member} is out of its pool and no debt says so"))?;
        }
        for node in &self.tale.sample.created.plan.nodes {
            let last = match node.section {
                Section::OnFailure => (self.unwinding && !self.work_stays) || !self.turns.is_empty(),
                section => section == Section::Finally,
            };
            let status = self.status[&node.id];
            let hopeless = self.needed(node).any(|n| !self.done(n));
            rule(!last || hopeless || !matches!(status, Status::Fresh | Status::Running), || {
                format!("{} never ran", node.id)
            })?;
            rule(status != Status::Running, || format!("{} is under way at the end", node.id))?;
        }
        Ok(())
    }
}

fn rule(holds: bool, words: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(words()) }
}
