//! One simulated life: the dispatcher's turn over the real engine, a journal that may refuse or lie, controllers that die, people, and time.
//! [`super::hosts`] has the hosts.
//!
//! The turn is the dispatcher's: decide, append durably, apply, start effects. What was appended is the journal; everything else is lost
//! with its controller, but what hosts do and what people have said.

use std::collections::BTreeSet;
use std::time::Duration;

use super::bugs::{Bugs, Shell};
use super::hosts::{Deed, Hosts};
use super::weather::{Fault, Strikes, Weather};
use crate::action::CATALOG;
use crate::base::clock::Timestamp;
use crate::base::id::{NodeId, RunId};
use crate::engine::effects::wake_at;
use crate::engine::replay::replay;
use crate::engine::run::{Phase, RunState};
use crate::engine::tests::generate::Dice;
use crate::engine::tests::life::{World, fingerprint};
use crate::engine::tests::sample::Sample;
use crate::engine::{Input, Knowledge, Now};
use crate::model::approval::{ApprovalAnswer, ApprovalRequest};
use crate::model::event::{Event, Record};
use crate::model::value::Value;

pub const RUN: RunId = RunId(7);
/// Turns after which a life counts as endless.
const MOST_TURNS: usize = 3000;
/// Deaths after which controllers live on: what dies for ever never ends.
const MOST_DEATHS: u32 = 8;
const DAY: Duration = Duration::from_secs(86_400);

/// An attempt, or a way back, of a node.
pub type Key = (NodeId, u32, bool);

/// The controller dies at that append, before or after it is kept.
#[derive(Clone, Copy, Debug)]
pub struct Death {
    pub append: usize,
    pub kept: bool,
}

/// A runbook with its plan, and its run as it has just been created.
pub struct Stage {
    pub sample: Sample,
    pub newborn: RunState,
}

impl Stage {
    pub fn of(sample: Sample) -> Stage {
        let created = Record {
            run: RUN,
            sequence: 1,
            at: Timestamp(0),
            event: Event::RunCreated(Box::new(sample.created.clone())),
        };
        let newborn = replay(RUN, &[created]).expect("a creation is a beginning");
        Stage { sample, newborn }
    }
}

/// A life.
pub struct Sim<'a> {
    pub stage: &'a Stage,
    pub weather: Weather,
    pub bugs: Bugs,
    pub dice: Dice,
    pub at: Timestamp,
    /// What is durable, the creation aside.
    pub journal: Vec<Record>,
    pub state: RunState,
    pub world: World,
    pub hosts: Hosts,
    pub strikes: Strikes,
    /// What struck, for people.
    pub log: Vec<String>,
    /// Attempts that this controller has started.
    pub tasks: BTreeSet<Key>,
    /// Messages on their way to this controller.
    pub letters: Vec<(Timestamp, Input)>,
    /// How far the journal was when a controller was refused, and lived on.
    pub appends: usize,
    pub deaths: u32,
    /// What the state looked like after each durable record, if it was watched.
    pub marks: Option<Vec<String>>,
    /// What people have said; it outlives controllers.
    mailbox: Vec<(Timestamp, NodeId, ApprovalAnswer)>,
    /// What this controller has heard of it and not yet written down.
    unwritten: Vec<(Timestamp, NodeId, ApprovalAnswer)>,
    asked: BTreeSet<(NodeId, Timestamp)>,
    death: Option<Death>,
    cancels: bool,
}

/// Why a controller is no more.
struct Dead;

impl<'a> Sim<'a> {
    /// Lives to the end; `Err`: there is none.
    pub fn live(
        stage: &'a Stage,
        weather: Weather,
        dice: Dice,
        bugs: Bugs,
        death: Option<Death>,
        watched: bool,
    ) -> (Sim<'a>, Result<(), String>) {
        let mut sim = Sim {
            stage,
            weather,
            bugs,
            dice,
            at: Timestamp(0),
            state: stage.newborn.clone(),
            journal: Vec::new(),
            world: World::default(),
            hosts: Hosts::default(),
            strikes: Strikes::default(),
            log: Vec::new(),
            tasks: BTreeSet::new(),
            letters: Vec::new(),
            appends: 0,
            deaths: 0,
            marks: watched.then(Vec::new),
            mailbox: Vec::new(),
            unwritten: Vec::new(),
            asked: BTreeSet::new(),
            death,
            cancels: false,
        };
        let ended = sim.controllers();
        (sim, ended)
    }

    pub fn now(&self) -> Now<'a> {
        let knowledge = Knowledge {
            runbook: &self.stage.sample.runbook,
            catalog: &CATALOG,
        };
        Now { knowledge, at: self.at }
    }

    /// Whether it strikes now; noted.
    pub fn struck(&mut self, fault: Fault) -> bool {
        let strikes = self.weather.strikes(fault, &mut self.dice);
        if strikes {
            self.note(fault);
        }
        strikes
    }

    fn note(&mut self, fault: Fault) {
        let busy = !self.tasks.is_empty() || self.state.questions.values().any(|q| q.open());
        self.strikes.note(fault, busy);
        self.log
            .push(format!("{:>9} ms, after record {}: {fault:?}", self.at.0, self.journal.len() + 1));
    }

    /// One controller after the other, until the run is finished.
    fn controllers(&mut self) -> Result<(), String> {
        loop {
            match self.controller()? {
                Ok(()) => return Ok(()),
                Err(Dead) => self.another()?,
            }
            if matches!(self.state.phase, Phase::Finished(_)) {
                return Ok(());
            }
        }
    }

    fn controller(&mut self) -> Result<Result<(), Dead>, String> {
        let controller = format!("controller {}", self.deaths);
        let mut batch = self.apply(vec![Event::RunStarted { controller }])?;
        // What people said meanwhile comes first.
        while let Some(input) = self.heard() {
            let events = (self.bugs.decide)(&self.state, self.now(), input);
            batch.extend(self.apply(events)?);
        }
        let mut input = Input::Tick;
        for _ in 0..MOST_TURNS {
            batch.extend(self.turn(input)?);
            if self.bugs.shell == Shell::SendsFirst {
                self.start_effects();
            }
            if self.append(std::mem::take(&mut batch)).is_err() {
                return Ok(Err(Dead));
            }
            if matches!(self.state.phase, Phase::Finished(_)) {
                return Ok(Ok(()));
            }
            if self.struck(Fault::Shake) {
                self.world.broken = !self.world.broken;
            }
            self.start_effects();
            input = self.next()?;
        }
        Err(format!("no end after {MOST_TURNS} turns"))
    }

    /// Everything that follows from an input, applied, not yet durable.
    fn turn(&mut self, input: Input) -> Result<Vec<Record>, String> {
        let mut records = Vec::new();
        let mut events = (self.bugs.decide)(&self.state, self.now(), input);
        for _ in 0..MOST_TURNS {
            if events.is_empty() {
                return Ok(records);
            }
            records.extend(self.apply(events)?);
            events = (self.bugs.decide)(&self.state, self.now(), Input::Tick);
        }
        Err(String::from("facts follow from facts without end"))
    }

    fn apply(&mut self, events: Vec<Event>) -> Result<Vec<Record>, String> {
        let mut records = Vec::with_capacity(events.len());
        for event in events {
            let record = Record {
                run: RUN,
                sequence: self.state.sequence + 1,
                at: self.at,
                event,
            };
            self.state.apply(&record).map_err(|e| e.to_string())?;
            if let Some(marks) = &mut self.marks {
                marks.push(fingerprint(&self.state));
            }
            records.push(record);
        }
        Ok(records)
    }

    /// Makes it durable; `Err`: this controller acts no more.
    fn append(&mut self, batch: Vec<Record>) -> Result<(), Dead> {
        if batch.is_empty() {
            return Ok(());
        }
        self.appends += 1;
        let planned = self.death.filter(|d| d.append == self.appends);
        if planned.is_some_and(|d| !d.kept) || self.struck(Fault::CrashBefore) {
            return Err(Dead);
        }
        if self.struck(Fault::JournalRefuses) {
            return match self.bugs.shell {
                Shell::GoesOnAfterRefusal => Ok(()),
                _ => Err(Dead),
            };
        }
        self.journal.extend(batch);
        self.unwritten.clear();
        if planned.is_some() || self.struck(Fault::JournalAmbiguous) || self.struck(Fault::CrashAfter) {
            return Err(Dead);
        }
        Ok(())
    }

    /// The controller is dead; after a while another one takes the run up from what is durable.
    fn another(&mut self) -> Result<(), String> {
        self.deaths += 1;
        let most = if self.death.is_some() { 1 } else { 300 };
        let mut wall = self.at.after(Duration::from_secs(20 + self.dice.below(most) as u64));
        if self.struck(Fault::ClockJump) {
            let back = self.dice.one_in(2);
            wall = if back { Timestamp(wall.0 - 86_400_000) } else { wall.after(DAY) };
        }
        if self.deaths >= MOST_DEATHS {
            use Fault::{CrashAfter, CrashBefore, JournalAmbiguous, JournalRefuses};
            self.weather.clears(&[CrashAfter, CrashBefore, JournalAmbiguous, JournalRefuses]);
        }
        self.tasks.clear();
        for (_, letter) in std::mem::take(&mut self.letters) {
            if let Input::Ended { node, attempt, .. } = letter
                && let Some(deed) = self.hosts.deeds.get_mut(&(node, attempt))
            {
                deed.told = None;
            }
        }
        self.mailbox.append(&mut self.unwritten);
        self.state = (self.bugs.replay)(&self.stage.newborn, &self.journal)?;
        if let Some(marks) = &mut self.marks {
            // What was applied and never written has not happened.
            marks.truncate(self.journal.len());
        }
        // The run's time never goes back behind its records.
        let last = self.state.last_at;
        self.at = match self.bugs.shell {
            Shell::FollowsTheWall => wall,
            _ => wall.max(last),
        };
        Ok(())
    }

    /// What people have said by now, oldest first.
    fn heard(&mut self) -> Option<Input> {
        let due = self.mailbox.iter().position(|(due, ..)| *due <= self.at)?;
        let word = self.mailbox.remove(due);
        self.unwritten.push(word.clone());
        let (_, gate, answer) = word;
        Some(Input::Answered { gate, answer })
    }

    /// A cancel, an answer, a message, or time.
    fn next(&mut self) -> Result<Input, String> {
        self.ask();
        if self.state.cancelled_by.is_none() && (self.cancels || self.struck(Fault::Cancel)) {
            self.cancels = true;
            return Ok(Input::CancelRequested { by: String::from("op") });
        }
        let letters = self.letters.iter().map(|(due, _)| *due);
        let words = self.mailbox.iter().map(|(due, ..)| *due);
        let wake = wake_at(&self.state, self.now());
        let next = letters.chain(words).chain(wake).min().ok_or_else(|| self.idle())?;
        self.at = self.at.max(next);
        if let Some(input) = self.heard() {
            return Ok(input);
        }
        let due: Vec<usize> = (0..self.letters.len()).filter(|i| self.letters[*i].0 <= self.at).collect();
        if due.is_empty() {
            return Ok(Input::Tick);
        }
        let chosen = due[self.dice.below(due.len())];
        Ok(self.letters.remove(chosen).1)
    }

    fn idle(&self) -> String {
        format!("nothing is under way, yet the run is {:?}", self.state.phase)
    }

    /// People who are newly asked make up their minds.
    fn ask(&mut self) {
        let open = self.state.questions.values().filter(|q| q.open()).map(|q| q.request.clone());
        let handed = self.state.open_obligations().filter(|o| !o.people.is_empty());
        let task = |o: &crate::model::obligation::Obligation| ApprovalRequest {
            run: RUN,
            gate: o.taker.clone(),
            bare: false,
            ask: String::new(),
            digest: String::new(),
            from: o.people.clone(),
            quorum: 1,
            asked_at: o.opened_at,
            expires_at: o.deadline,
            then: Vec::new(),
            task: Some(crate::model::approval::Task::default()),
        };
        let requests: Vec<ApprovalRequest> = open.chain(handed.map(task)).collect();
        for request in requests {
            if self.asked.insert((request.gate.clone(), request.expires_at)) {
                self.make_up_minds(&request);
            }
        }
    }

    fn make_up_minds(&mut self, request: &ApprovalRequest) {
        if self.struck(Fault::ApproverLeaves) {
            return;
        }
        let mut due = self.at;
        // Who started the run says yes first: where several must agree, that is not one of them.
        for by in ["op", "lead", "boss"]
            .into_iter()
            .skip(usize::from(request.quorum < 2))
            .take(1 + request.quorum as usize)
        {
            if request.quorum < 2 && by == "boss" {
                break;
            }
            due = due.after(Duration::from_secs(1 + self.dice.below(90) as u64));
            let granted = !self.struck(Fault::Denial);
            if self.struck(Fault::LateAnswer) {
                due = due.max(request.expires_at.after(Duration::from_secs(self.dice.below(60) as u64)));
            }
            self.say(request, by, granted, due);
        }
        if self.struck(Fault::SecondAnswer) {
            let (by, granted) = ([("boss", false), ("lead", false), ("boss", true)])[self.dice.below(3)];
            self.say(request, by, granted, due.after(Duration::from_secs(5)));
        }
    }

    fn say(&mut self, request: &ApprovalRequest, by: &str, granted: bool, at: Timestamp) {
        let fields = request.task.iter().flat_map(|t| &t.fields);
        let answer = ApprovalAnswer {
            granted,
            by: by.to_owned(),
            digest: self.stage.sample.created.plan.digest.clone(),
            at,
            reason: None,
            fields: fields.map(|f| (f.name.clone(), Value::text("told"))).collect(),
        };
        self.mailbox.push((at, request.gate.clone(), answer));
    }

    /// A message will reach this controller.
    pub fn send(&mut self, within: Duration, input: Input) {
        let millis = u64::try_from(within.as_millis()).expect("short");
        let takes = Duration::from_millis(millis / 2 + self.dice.below(usize::try_from(millis / 2 + 1).expect("short")) as u64);
        self.letters.push((self.at.after(takes), input));
    }

    /// What hosts did, and whether who asked was told so.
    pub fn deed(&self, node: &NodeId, attempt: u32) -> Option<&Deed> {
        self.hosts.deeds.get(&(node.clone(), attempt))
    }
}
