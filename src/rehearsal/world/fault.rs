//! What goes wrong, and when: the plot of a life. It follows the journal, so that it knows which step an operation belongs to.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::host::Host;
use super::{Deed, Inner};
use crate::base::clock::Timestamp;
use crate::base::id::{HostName, NodeId};
use crate::model::event::{Event, Record};
use crate::model::plan::{Node, Plan};
use crate::rehearsal::matching::means;
use crate::rehearsal::syntax::{Fault, Meanwhile, Trouble};
use crate::transport::AttemptId;

/// How long a lost host stays away: long enough for an outcome to count as unknown.
const AWAY: Duration = Duration::from_secs(30);

/// The controller dies at a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Death {
    /// Which record.
    pub sequence: u64,
    /// It is on disk already; else it never comes there.
    pub after: bool,
}

/// What becomes of a changing operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blow {
    /// It works.
    None,
    /// It is kept from being done.
    Before(Trouble),
    /// It is done, and nobody is told so.
    After(Trouble),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Looks,
    Changes,
    Undoes,
}

#[derive(Clone, Copy, Debug)]
struct Active {
    attempt: u32,
    stage: Stage,
    operations: u32,
}

/// The plot.
#[derive(Clone, Default)]
pub struct Plot {
    /// Everything that was recorded, the run's creation aside.
    pub records: Vec<Record>,
    /// The first record of each write; what is written together is on disk together or not at all.
    pub writes: Vec<u64>,
    faults: Vec<Fault>,
    struck: BTreeSet<usize>,
    meanwhile: Vec<Option<Meanwhile>>,
    nodes: BTreeMap<NodeId, Node>,
    /// Which node an attempt's name on a host stands for.
    names: BTreeMap<String, NodeId>,
    active: BTreeMap<NodeId, Active>,
    /// The controller's own network is gone until then, or as long as that step goes on.
    mute_until: Option<Timestamp>,
    mute_with: BTreeSet<NodeId>,
    death: Option<Death>,
    /// The controller is dead; whatever it still does has no effect.
    pub dead: bool,
    /// People who want the run to stop.
    pub cancels: Vec<String>,
    /// When the last record was written.
    pub now: Timestamp,
}

impl Plot {
    /// Nothing goes wrong; this changes meanwhile.
    #[must_use]
    pub fn new(meanwhile: Vec<Meanwhile>) -> Plot {
        Plot {
            meanwhile: meanwhile.into_iter().map(Some).collect(),
            ..Plot::default()
        }
    }

    /// This goes wrong, and there the controller dies.
    pub fn destine(&mut self, faults: Vec<Fault>, death: Option<Death>) {
        (self.faults, self.death) = (faults, death);
    }

    /// A controller begins, with this plan.
    pub fn begin(&mut self, plan: Option<&Plan>) {
        self.dead = false;
        self.active.clear();
        self.cancels.clear();
        if let Some(plan) = plan {
            self.nodes = plan.nodes.iter().map(|n| (n.id.clone(), n.clone())).collect();
            self.names = plan
                .nodes
                .iter()
                .map(|n| (crate::run::attempt::short_name(&n.id), n.id.clone()))
                .collect();
        }
    }

    /// Whether nobody answers the controller, or on that host.
    #[must_use]
    pub fn silent(&self, host: Option<&HostName>) -> bool {
        if host.is_none() && self.mute_until.is_some_and(|until| self.now < until) {
            return true;
        }
        self.mute_with.iter().any(|id| match (self.nodes.get(id), host) {
            (Some(node), Some(host)) => node.touches().contains(host),
            (Some(node), None) => node.touches().is_empty(),
            (None, _) => false,
        })
    }

    /// The step that changes something on a host right now.
    fn changing(&self, host: Option<&HostName>, attempt: Option<&AttemptId>, what: &str) -> Option<NodeId> {
        if let Some(name) = attempt.and_then(|a| a.as_str().split('.').nth(1)) {
            return self.names.get(name).cloned();
        }
        let touches = |id: &&NodeId| match (self.nodes.get(*id), host) {
            (Some(node), Some(host)) => node.touches().contains(host),
            (Some(_), None) => true,
            (None, _) => false,
        };
        let busy = |a: &Active| a.stage != Stage::Looks;
        let all: Vec<&NodeId> = self
            .active
            .iter()
            .filter(|(_, a)| busy(a))
            .map(|(id, _)| id)
            .filter(touches)
            .collect();
        // Of several on one balancer, the one whose member the request names.
        let named = |id: &&&NodeId| {
            self.nodes
                .get(**id)
                .is_some_and(|n| n.pool_effects.iter().any(|e| what.contains(e.member.as_str())))
        };
        all.iter().find(named).or_else(|| all.first()).map(|id| (*id).clone())
    }

    /// What becomes of a changing operation of that step, and how long a lost host stays away.
    fn strikes(&mut self, id: &NodeId) -> (u32, bool, Option<(Trouble, Duration)>) {
        let Some(active) = self.active.get_mut(id) else {
            return (0, false, None);
        };
        active.operations += 1;
        let (number, undo, attempt) = (active.operations, active.stage == Stage::Undoes, active.attempt);
        let fits = |f: &&Fault| {
            let operation = !matches!(f.what, Trouble::Unreachable | Trouble::Crash | Trouble::Cancel);
            let at = self.nodes.get(id).is_some_and(|n| means(&f.at.value, n));
            operation && at && f.undo == undo && f.operation.unwrap_or(1) == number && f.attempt.is_none_or(|a| a == attempt)
        };
        let fault = self.faults.iter().find(fits);
        (number, undo, fault.map(|f| (f.what, f.lasts.unwrap_or(AWAY))))
    }
}

impl Inner {
    /// A record is about to be written (`kept` false) or has been. `false`: the controller is dead now.
    pub fn hear_of(&mut self, records: &[Record], kept: bool) -> bool {
        self.plot.now = self.now();
        if self.plot.dead {
            return false;
        }
        let strikes = |d: Death| d.after == kept && records.iter().any(|r| r.sequence == d.sequence);
        if self.plot.death.is_some_and(strikes) {
            self.plot.dead = true;
            self.plot.death = None;
        }
        if kept {
            records.iter().for_each(|r| self.note(&r.event));
            self.plot.writes.extend(records.first().map(|r| r.sequence));
            self.plot.records.extend_from_slice(records);
        }
        !self.plot.dead
    }

    fn note(&mut self, event: &Event) {
        match event {
            Event::StepStarted { node, attempt } => {
                self.plot.active.insert(node.clone(), active(*attempt, Stage::Looks));
                self.begins(node, *attempt);
            }
            Event::ApprovalRequested { request } => self.begins(&request.gate, 1),
            Event::ChangeIntended { node, attempt, .. } => {
                self.plot.active.insert(node.clone(), active(*attempt, Stage::Changes));
                self.crashes(node, *attempt, false);
            }
            Event::UndoStarted { node, attempt, .. } => {
                self.plot.active.insert(node.clone(), active(*attempt, Stage::Undoes));
                self.crashes(node, *attempt, true);
            }
            Event::StepSucceeded { node, .. }
            | Event::StepFailed { node, .. }
            | Event::StepLost { node, .. }
            | Event::StepRetryScheduled { node, .. }
            | Event::StepCancelled { node, .. }
            | Event::UndoSucceeded { node, .. }
            | Event::UndoFailed { node, .. } => {
                self.plot.active.remove(node);
                self.plot.mute_with.remove(node);
            }
            _ => {}
        }
    }

    fn begins(&mut self, id: &NodeId, attempt: u32) {
        let Some(node) = self.plot.nodes.get(id).cloned() else { return };
        let mut due = Vec::new();
        for slot in &mut self.plot.meanwhile {
            if slot.as_ref().is_some_and(|m| means(&m.at.value, &node)) {
                due.extend(slot.take());
            }
        }
        for change in due {
            self.overlay(&change.state);
        }
        let now = self.now();
        for fault in self.plot.faults.clone() {
            let fits = means(&fault.at.value, &node) && fault.attempt.is_none_or(|a| a == attempt);
            match fault.what {
                Trouble::Unreachable if fits => {
                    self.plot.mute_with.insert(id.clone());
                    let span = fault.lasts.unwrap_or(Duration::from_secs(30 * 86_400));
                    for host in node.touches() {
                        if let Some(host) = self.hosts.get_mut(host) {
                            host.goes_away(now, span);
                        }
                    }
                    if node.touches().is_empty() {
                        self.plot.mute_until = Some(now.after(span));
                    }
                }
                Trouble::Cancel if fits => self.plot.cancels.push(String::from("mira")),
                _ => {}
            }
        }
    }

    /// The controller dies with the intent on disk and nothing sent; once for each such fault.
    fn crashes(&mut self, id: &NodeId, attempt: u32, undo: bool) {
        let Some(node) = self.plot.nodes.get(id) else { return };
        let fits =
            |f: &Fault| f.what == Trouble::Crash && f.undo == undo && means(&f.at.value, node) && f.attempt.is_none_or(|a| a == attempt);
        let hit = self
            .plot
            .faults
            .iter()
            .enumerate()
            .find(|(i, f)| fits(f) && !self.plot.struck.contains(i));
        if let Some(i) = hit.map(|(i, _)| i) {
            self.plot.struck.insert(i);
            self.plot.dead = true;
        }
    }

    /// A changing operation arrives: what becomes of it. Notes the deed.
    pub(super) fn blow(&mut self, host: Option<&HostName>, attempt: Option<&AttemptId>, what: &str) -> Blow {
        let node = self.plot.changing(host, attempt, what);
        let (operation, undo, strike) = node.as_ref().map_or((0, false, None), |id| self.plot.strikes(id));
        let blow = match strike.map(|(trouble, _)| trouble) {
            None => Blow::None,
            Some(t @ (Trouble::FailsButDone | Trouble::LostButDone)) => Blow::After(t),
            Some(t) => Blow::Before(t),
        };
        let now = self.now();
        if let Some((Trouble::Lost | Trouble::LostButDone, span)) = strike
            && let Some(host) = host.and_then(|h| self.hosts.get_mut(h))
        {
            Host::goes_away(host, now, span);
        }
        let place = host.map_or_else(String::new, |h| format!("{h}: "));
        self.deeds.push(Deed {
            at: now,
            node,
            operation,
            undo,
            what: format!("{place}{}", crate::base::sanitise::one_line(what, 120)),
            done: !matches!(blow, Blow::Before(_)),
        });
        blow
    }
}

fn active(attempt: u32, stage: Stage) -> Active {
    Active {
        attempt,
        stage,
        operations: 0,
    }
}
