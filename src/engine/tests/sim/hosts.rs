//! The hosts of a simulated life, and the attempts that talk to them. They know what was really done; they never read the journal.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::bugs::Shell;
use super::life::{Key, Sim};
use super::weather::Fault;
use crate::base::clock::Timestamp;
use crate::base::id::NodeId;
use crate::engine::effects::{Effect, effects};
use crate::engine::invariants::Doing;
use crate::engine::{Ending, Input, Intent, TakenBack};
use crate::model::action::{Arguments, Class, Undo};
use crate::model::event::{Failure, FailureKind};
use crate::model::obligation::ObligationId;
use crate::model::plan::{EffectKind, Node};
use crate::model::runbook::UndoRule;
use crate::model::value::Value;

const MOMENT: Duration = Duration::from_millis(20);
const SECOND: Duration = Duration::from_secs(1);
/// A connection that nobody answers is given up.
const GIVEN_UP: Duration = Duration::from_secs(30);
/// A command that hangs is killed.
const KILLED: Duration = Duration::from_secs(120);
/// What comes when nobody waits any more.
const LATE: Duration = Duration::from_secs(900);

/// How a command ends on its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Well,
    Badly(FailureKind),
    /// The host went down under it.
    Gone,
}

/// What a host knows of an attempt.
#[derive(Clone, Debug)]
pub struct Deed {
    pub ends: Timestamp,
    pub end: End,
    /// What a controller was told when it ended; `None`: nobody was.
    pub told: Option<End>,
}

/// The hosts.
#[derive(Default)]
pub struct Hosts {
    /// Attempts that hosts know.
    pub deeds: BTreeMap<(NodeId, u32), Deed>,
    /// Attempts that never started and never will.
    pub fenced: BTreeSet<(NodeId, u32)>,
    /// Found to be as it should, without a change.
    pub was_so: BTreeSet<(NodeId, u32)>,
    /// Ways back that were carried out.
    pub undone: BTreeSet<(NodeId, usize)>,
}

fn failure(kind: FailureKind) -> Failure {
    Failure {
        kind,
        message: format!("simulated: {kind:?}"),
    }
}

fn succeeded(changed: bool) -> Ending {
    Ending::Succeeded {
        changed,
        result: Value::Null,
        summary: String::from("done"),
    }
}

impl<'a> Sim<'a> {
    fn node(&self, id: &NodeId) -> &'a Node {
        self.stage
            .sample
            .created
            .plan
            .node(id)
            .expect("effects are about nodes of the plan")
    }

    /// What should be going on and is not is started.
    pub fn start_effects(&mut self) {
        let mut wanted: BTreeSet<Key> = BTreeSet::new();
        for effect in effects(&self.state) {
            match effect {
                Effect::Attempt {
                    node,
                    attempt,
                    intended,
                    pays,
                } => {
                    let key = (node.clone(), attempt, false);
                    let fresh = self.tasks.insert(key.clone());
                    wanted.insert(key);
                    match (intended, fresh) {
                        (true, true) => self.take_up(&node, attempt, pays),
                        (true, false) => self.perform(&node, attempt),
                        (false, true) => self.look(node, attempt, pays),
                        (false, false) => {}
                    }
                }
                Effect::Undo { node, step, .. } => {
                    let key = (node.clone(), u32::try_from(step).expect("few"), true);
                    if self.tasks.insert(key.clone()) {
                        self.take_back(node, step);
                    }
                    wanted.insert(key);
                }
            }
        }
        self.tasks.retain(|key| wanted.contains(key));
    }

    fn end(&mut self, within: Duration, node: &NodeId, attempt: u32, ending: Ending) {
        let node = node.clone();
        self.send(within, Input::Ended { node, attempt, ending });
    }

    fn fails(&mut self, within: Duration, node: &NodeId, attempt: u32, kind: FailureKind) {
        self.end(within, node, attempt, Ending::Failed(failure(kind)));
    }

    fn guard_stops(&mut self, node: &NodeId, pays: Option<ObligationId>) -> bool {
        let Some(id) = pays else { return false };
        let stops = self.struck(Fault::GuardFails);
        if stops {
            let (node, why) = (node.clone(), String::from("the guard does not hold"));
            self.send(SECOND, Input::ReturnRefused { id, node, why });
        }
        stops
    }

    /// The first half of an attempt: look, and ask for leave if there is something to change.
    fn look(&mut self, node: NodeId, attempt: u32, pays: Option<ObligationId>) {
        if self.guard_stops(&node, pays) {
            return;
        }
        let plan = self.node(&node);
        let reads = plan.class == Class::Probe;
        let troubles = [
            (Fault::Refused, FailureKind::Unreachable, SECOND),
            (Fault::Blackhole, FailureKind::Unreachable, GIVEN_UP),
            (Fault::Hung, FailureKind::Timeout, KILLED),
            (Fault::CheckFails, FailureKind::Check, SECOND),
            (Fault::Forbidden, FailureKind::Refused, SECOND),
        ];
        for (fault, kind, takes) in troubles {
            if self.struck(fault) {
                return self.fails(takes, &node, attempt, kind);
            }
        }
        // Whoever looks sees that the member is out.
        let back = |e: &crate::model::plan::NodeEffect| e.kind == EffectKind::Returns && self.world.out.contains(&e.member);
        let must = plan.pool_effects.iter().any(back);
        if reads || (!must && self.struck(Fault::AlreadySo)) {
            self.hosts.was_so.insert((node.clone(), attempt));
            return self.end(SECOND, &node, attempt, succeeded(false));
        }
        if self.world.broken {
            let around = (self.bugs.around)(&self.state, self.now(), &node, Doing::Attempt);
            if around.strict && !around.invariants.is_empty() {
                return self.fails(SECOND, &node, attempt, FailureKind::Invariant);
            }
            self.world.went_on.insert((node.clone(), attempt));
        }
        let intent = self.intent(&node, attempt);
        self.send(SECOND, Input::Prepared { intent, node, attempt });
    }

    fn intent(&self, id: &NodeId, attempt: u32) -> Intent {
        let node = self.node(id);
        let undo = match &self.now().knowledge.step(node).undo {
            UndoRule::Keep => Undo::Keep,
            UndoRule::None => Undo::Impossible,
            UndoRule::Steps(_) => Undo::Steps,
            UndoRule::Auto if node.class == Class::Passing => Undo::Nothing,
            UndoRule::Auto => Undo::Call {
                action: node.action.clone(),
                arguments: Arguments::from_pairs([("observed_by", Value::Int(i64::from(attempt)))]),
            },
        };
        Intent {
            summary: format!("changes {id}"),
            undo,
            before: Vec::new(),
        }
    }

    /// The second half, with leave: it is sent, once.
    fn perform(&mut self, id: &NodeId, attempt: u32) {
        if !self.hosts.deeds.contains_key(&(id.clone(), attempt)) && !self.hosts.fenced.contains(&(id.clone(), attempt)) {
            self.start(id, attempt);
        }
    }

    fn start(&mut self, id: &NodeId, attempt: u32) {
        use FailureKind::{Exit, Timeout, Unreachable};
        // Nothing reaches the host.
        for (fault, takes) in [(Fault::Refused, SECOND), (Fault::Blackhole, GIVEN_UP), (Fault::ResetBefore, SECOND)] {
            if self.struck(fault) {
                self.hosts.fenced.insert((id.clone(), attempt));
                return match fault == Fault::ResetBefore && self.dice.one_in(2) {
                    // The host stays away: nobody can say that nothing happened.
                    true => self.end(GIVEN_UP, id, attempt, Ending::Lost(failure(Unreachable))),
                    false => self.fails(takes, id, attempt, Unreachable),
                };
            }
        }
        if self.struck(Fault::DiskFull) {
            return self.deed_ends(id, attempt, false, SECOND, End::Badly(Exit));
        }
        if self.struck(Fault::SaidFailed) {
            return self.deed_ends(id, attempt, true, SECOND, End::Badly(Exit));
        }
        if self.struck(Fault::Hung) {
            let half = self.dice.one_in(2);
            return self.deed_ends(id, attempt, half, KILLED, End::Badly(Timeout));
        }
        if self.struck(Fault::Reboot) {
            let half = self.dice.one_in(2);
            return self.deed_ends(id, attempt, half, GIVEN_UP, End::Gone);
        }
        if self.struck(Fault::ToldLate) {
            self.does(id, attempt, true, SECOND, End::Well);
            self.end(GIVEN_UP, id, attempt, Ending::Lost(failure(Unreachable)));
            return self.end(LATE, id, attempt, succeeded(true));
        }
        if self.struck(Fault::ResetAfter) {
            self.does(id, attempt, true, GIVEN_UP, End::Well);
            return match self.dice.one_in(2) {
                true => self.end(GIVEN_UP, id, attempt, Ending::Lost(failure(Unreachable))),
                false => self.tell(id, attempt),
            };
        }
        self.deed_ends(id, attempt, true, SECOND, End::Well);
    }

    fn deed_ends(&mut self, id: &NodeId, attempt: u32, done: bool, takes: Duration, end: End) {
        self.does(id, attempt, done, takes, end);
        self.tell(id, attempt);
    }

    /// The host carries it out, or a part of it.
    fn does(&mut self, id: &NodeId, attempt: u32, done: bool, takes: Duration, end: End) {
        if done {
            self.world.executed.push((id.clone(), attempt, self.journal.len()));
            for effect in &self.node(id).pool_effects {
                match effect.kind {
                    EffectKind::Takes => self.world.out.insert(effect.member.clone()),
                    EffectKind::Returns => self.world.out.remove(&effect.member),
                    EffectKind::Disturbs => false,
                };
            }
        }
        let deed = Deed {
            ends: self.at.after(takes),
            end,
            told: None,
        };
        self.hosts.deeds.insert((id.clone(), attempt), deed);
    }

    /// The controller waits until it ends, and hears how.
    fn tell(&mut self, id: &NodeId, attempt: u32) {
        let deed = self.hosts.deeds.get_mut(&(id.clone(), attempt)).expect("it has begun");
        deed.told = Some(deed.end);
        let (end, left) = (deed.end, deed.ends.since(self.at));
        let ending = match end {
            End::Gone => Ending::Lost(failure(FailureKind::Unreachable)),
            End::Badly(kind) => Ending::Failed(failure(kind)),
            End::Well => self.afterwards(id, attempt),
        };
        self.end(left + MOMENT, id, attempt, ending);
    }

    /// What an invariant demanded must still be so.
    fn afterwards(&self, id: &NodeId, attempt: u32) -> Ending {
        let held = !self.world.went_on.contains(&(id.clone(), attempt));
        if self.world.broken && held {
            let around = (self.bugs.around)(&self.state, self.now(), id, Doing::Attempt);
            if !around.invariants.is_empty() {
                return Ending::Failed(failure(FailureKind::Invariant));
            }
        }
        succeeded(true)
    }

    /// Another controller had the leave: what became of it is asked, and what never started never will.
    fn take_up(&mut self, id: &NodeId, attempt: u32, pays: Option<ObligationId>) {
        if self.guard_stops(id, pays) {
            return;
        }
        let name = (id.clone(), attempt);
        if self.bugs.shell == Shell::StartsAnewOnResume {
            return self.start(id, attempt);
        }
        // What is written through a socket or into a file leaves no trace of its own.
        let traceless = self.node(id).action != "command" && self.node(id).action != "service";
        if traceless || self.struck(Fault::Blackhole) {
            return self.end(GIVEN_UP, id, attempt, Ending::Lost(failure(FailureKind::Unexpected)));
        }
        if self.hosts.deeds.contains_key(&name) {
            return self.tell(id, attempt);
        }
        self.hosts.fenced.insert(name.clone());
        self.world.never.insert(name);
        self.end(SECOND, id, attempt, Ending::NotStarted(failure(FailureKind::Unexpected)));
    }

    fn take_back(&mut self, node: NodeId, step: usize) {
        let result = if self.struck(Fault::UndoFails) {
            Err(failure(FailureKind::Check))
        } else {
            let told = !self.struck(Fault::UndoSaidFailed);
            if self.hosts.undone.insert((node.clone(), step)) {
                for effect in self.node(&node).pool_effects.iter().filter(|e| e.kind == EffectKind::Takes) {
                    self.world.out.remove(&effect.member);
                }
                self.world.undone.push(node.clone());
            }
            told.then(|| TakenBack {
                summary: String::from("as before"),
                results: vec![(None, TakenBack::done(true, Value::Null))],
            })
            .ok_or_else(|| failure(FailureKind::Exit))
        };
        self.send(SECOND, Input::UndoEnded { node, step, result });
    }
}
