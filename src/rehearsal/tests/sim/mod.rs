//! The whole program below its command line in simulated lives: planner, supervisor, dispatcher, attempts, actions, leases and journal are
//! the real ones; hosts, people and clocks are simulated and have bad weather ([`hosts`]). The engine alone lives a hundred thousand lives
//! in `engine::tests::sim`; these are fewer, since one of them takes as long as thirty of those. Seeds whose runbook no plan may carry out
//! on this fleet have no life.
//!
//! `SEEDS=1000000` lives ten thousand of them, `SEED=4711` one alone with its trace. Promises that are proved elsewhere, because they are not about
//! the life of a run: secrets (23) by `tests/it/secrets.rs`, bounds (24) by `transport::tests`, the chain of the audit (25) by
//! `journal::chain`. Nothing listens for triggers yet, so nothing is promised of them (17, 18).

mod hosts;
mod life;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use self::life::{Lived, Stage, owed};
use crate::action::CATALOG;
use crate::base::id::NodeId;
use crate::engine::tests::generate::{self, Dice};
use crate::engine::tests::sim::promises::time;
use crate::engine::tests::sim::weather::{Fault, Weather};
use crate::model::action::Catalog;
use crate::model::event::{Event, FailureKind, RunOutcome};
use crate::rehearsal::sweep;

/// The identity of the run that is watched.
const UID: &str = "rehearsal";
const SEEDS: u64 = 1000;
/// With `SEEDS` for the lives of the engine, one in so many of these.
const OF_THOSE: u64 = 100;
/// Lives of one runbook: planning takes longer than living.
const EACH: u64 = 15;

/// What is wrong with the world around the program; planted to prove that it would be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spoiled {
    Sound,
    /// Hosts carry out the same command twice.
    HostsForget,
    /// Looking at a host changes it.
    LooksChange,
    /// A balancer shows its members as they stood when it was first looked at.
    OldLooks,
    /// A yes to another plan is believed.
    AnyPlan,
}

fn check(stage: &Stage, lived: &Lived, plain: &Lived) -> Result<(), String> {
    let (life, storm) = (&lived.life, lived.shared.lock());
    stage.dry.clone()?;
    if let Some(breach) = storm.breaches.first() {
        return Err(breach.clone());
    }
    once(life, &storm)?;
    time(&life.records)?;
    right_plan(stage, life)?;
    if let Some(missing) = life.unanswered.first() {
        return Err(format!("the fleet has no answer: {missing}"));
    }
    if let Some(why) = life.error.as_ref().or(life.breaches.first()) {
        return Err(why.clone());
    }
    // What others take, and owe in a journal of their own, is not ours to name.
    let alone = [Fault::TwoRuns, Fault::Shrinks]
        .iter()
        .all(|f| storm.strikes.counts[*f as usize].0 == 0);
    let wrong = || sweep::still_taken(life, &plain.life).or_else(|| sweep::false_word(life, &plain.life));
    if let Some(why) = alone.then(wrong).flatten() {
        return Err(why);
    }
    let finished = life.records.iter().any(|r| matches!(r.event, Event::RunFinished { .. }));
    match (finished, life.outcome) {
        (true, _) | (false, Some(RunOutcome::Refused)) => after_the_cancel(life),
        (false, other) => Err(format!("it is {other:?} and not finished")),
    }
}

/// What must not be repeated is executed again only when it is known how it ended before.
fn once(life: &crate::rehearsal::life::Life, storm: &hosts::Storm) -> Result<(), String> {
    let mut before: BTreeMap<&NodeId, u32> = BTreeMap::new();
    for (node, name) in &storm.executed {
        let mut parts = name.split('.').skip(2);
        let (attempt, plan) = (parts.next().and_then(|a| a.parse().ok()), life.plan.as_ref());
        let (Some(attempt), Some(action)) = (attempt, plan.and_then(|p| p.node(node)).map(|n| &n.action)) else {
            continue;
        };
        let earlier = before.insert(node, attempt);
        let lost = |a: u32| {
            let told = |r: &crate::model::event::Record| matches!(&r.event, Event::StepLost { node: of, attempt, .. } if of == node && *attempt == a);
            life.records.iter().any(told)
        };
        let repeatable = CATALOG.get(action).is_some_and(|k| k.signature().repeatable);
        if !repeatable && earlier.is_some_and(|a| a != attempt && lost(a)) {
            return Err(format!(
                "{node} was executed again in attempt {attempt}, and nobody knew how the one before ended"
            ));
        }
    }
    Ok(())
}

/// No answer counts that is about another plan, and what ran is what was planned.
fn right_plan(stage: &Stage, life: &crate::rehearsal::life::Life) -> Result<(), String> {
    let other = life.records.iter().find_map(|r| match &r.event {
        Event::ApprovalAnswered { gate, answer } if answer.digest != stage.plan.digest => Some(gate),
        _ => None,
    });
    match other {
        Some(gate) => Err(format!("an answer at {gate} counts, and is about another plan")),
        None => Ok(()),
    }
}

/// Nothing of the work starts once a cancel is durable, but what gives back.
fn after_the_cancel(life: &crate::rehearsal::life::Life) -> Result<(), String> {
    let plan = life.plan.as_ref().expect("it was planned");
    let mut cancelled = false;
    for record in &life.records {
        match &record.event {
            Event::CancelRequested { .. } => cancelled = true,
            Event::StepStarted { node, .. } if cancelled => {
                let work = plan.node(node).is_some_and(|n| n.section.is_work());
                let gives = plan.nodes.iter().any(|n| n.owes.as_ref() == Some(node));
                let verified = life
                    .records
                    .iter()
                    .any(|r| matches!(&r.event, Event::StepFailed { failure, .. } if failure.kind == FailureKind::Cancelled));
                if work && !gives && !verified {
                    return Err(format!("record {}: {node} starts after the cancel", record.sequence));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn trace(lived: &Lived) -> String {
    let storm = lived.shared.lock();
    let mut lines = vec![format!("weather: {:?}", storm.weather)];
    lines.extend(
        lived
            .life
            .records
            .iter()
            .skip(1)
            .map(|r| format!("{:>4} {} {:?}", r.sequence, r.at.time_of_day(), r.event)),
    );
    lines.push(format!(
        "outcome {:?}, error {:?}, owed {:?}",
        lived.life.outcome,
        lived.life.error,
        owed(&lived.life)
    ));
    lines.push(String::from("what struck:"));
    lines.extend(storm.log.iter().cloned());
    lines.push(String::from("what was done:"));
    lines.extend(
        lived
            .life
            .deeds
            .iter()
            .map(|d| format!("{} {:?} {} done: {}", d.at.time_of_day(), d.node, d.what, d.done)),
    );
    lines.extend(storm.executed.iter().map(|(_, name)| name.clone()));
    lines.join("\n")
}

fn failed(seed: u64, why: &str, lived: &Lived) -> String {
    format!(
        "seed {seed}: {why}\n{}\n{}\nrepeat: SEED={seed} cargo test --lib rehearsal::tests::sim::whole -- --nocapture",
        generate::runbook(seed / EACH),
        trace(lived)
    )
}

/// The lives of one runbook, each handed on with its judgement.
fn lives(seeds: std::ops::Range<u64>, spoiled: Spoiled, mut each: impl FnMut(u64, &Lived, Result<(), String>)) {
    let Some(stage) = Stage::of(seeds.start / EACH, spoiled) else {
        return;
    };
    let plain = stage.live(Dice::new(0), Weather::calm(), Spoiled::Sound);
    for seed in seeds {
        let mut dice = Dice::new(seed ^ 0x00c0_ffee);
        let weather = Weather::of(&mut dice, &Fault::OF_THE_WHOLE);
        let lived = stage.live(dice, weather, spoiled);
        let judged = check(&stage, &lived, &plain);
        each(seed, &lived, judged);
    }
}

#[derive(Default)]
struct Figures {
    lives: u64,
    deaths: u64,
    deeds: u64,
    records: u64,
    lasted: Duration,
    faults: BTreeMap<Fault, (u64, u64)>,
    outcomes: BTreeMap<String, u64>,
    broken: BTreeMap<u64, (String, String)>,
}

impl Figures {
    fn add(&mut self, lived: &Lived) {
        let (life, storm) = (&lived.life, lived.shared.lock());
        self.lives += 1;
        self.deaths += life.deaths as u64;
        self.deeds += life.deeds.iter().filter(|d| d.done).count() as u64;
        self.records += life.records.len() as u64;
        let (first, last) = (life.records.first(), life.records.last());
        self.lasted += last.zip(first).map_or(Duration::ZERO, |(l, f)| l.at.since(f.at));
        for fault in Fault::OF_THE_WHOLE {
            let (all, busy) = storm.strikes.counts[fault as usize];
            let slot = self.faults.entry(fault).or_default();
            *slot = (slot.0 + u64::from(all > 0), slot.1 + u64::from(busy > 0));
        }
        *self.outcomes.entry(format!("{:?}", life.outcome)).or_default() += 1;
    }

    fn print(&self, took: Duration) {
        eprintln!(
            "{} lives of the whole in {:.1} s: {:.0} lives per second; {} records, {} changes done, {} deaths of controllers, {} days lived",
            self.lives,
            took.as_secs_f64(),
            self.lives as f64 / took.as_secs_f64(),
            self.records,
            self.deeds,
            self.deaths,
            self.lasted.as_secs() / 86_400
        );
        for (fault, (all, busy)) in &self.faults {
            let percent = |n: u64| n as f64 * 100.0 / self.lives as f64;
            eprintln!(
                "  {:<18} struck in {:5.1} % of the lives, {:5.1} % with work under way",
                format!("{fault:?}"),
                percent(*all),
                percent(*busy)
            );
        }
        eprintln!("  outcomes: {:?}", self.outcomes);
    }
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, found `{text}`")))
}

#[test]
fn whole_lives_keep_every_promise() {
    if let Some(seed) = number("SEED") {
        return lives(seed / EACH * EACH..seed + 1, Spoiled::Sound, |of, lived, judged| {
            if of == seed {
                eprintln!("{}", failed(seed, &format!("{judged:?}"), lived));
                judged.unwrap();
            }
        });
    }
    let (seeds, began) = (number("SEEDS").map_or(SEEDS, |all| all / OF_THOSE), Instant::now());
    let (next, total) = (AtomicU64::new(0), Mutex::new(Figures::default()));
    let one_thread = || loop {
        let start = next.fetch_add(EACH, Ordering::Relaxed);
        if start >= seeds || total.lock().unwrap().broken.len() > 5 {
            return;
        }
        lives(start..seeds.min(start + EACH), Spoiled::Sound, |seed, lived, judged| {
            let mut total = total.lock().unwrap();
            total.add(lived);
            if let Err(why) = judged {
                total.broken.insert(seed, (why.clone(), failed(seed, &why, lived)));
            }
        });
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..threads).for_each(|_| _ = scope.spawn(one_thread)));
    let figures = total.into_inner().unwrap();
    figures.print(began.elapsed());
    if let Some((_, told)) = figures.broken.values().next() {
        let all: Vec<String> = figures
            .broken
            .iter()
            .map(|(seed, (why, _))| format!("seed {seed}: {why}"))
            .collect();
        panic!("{told}\n{}", all.join("\n"));
    }
    let rare: Vec<_> = figures.faults.iter().filter(|(_, (_, busy))| *busy * 100 < figures.lives).collect();
    assert!(rare.is_empty(), "faults that hardly ever strike: {rare:?}");
    assert!(figures.outcomes.len() >= 6, "{:?}", figures.outcomes);
}

#[test]
fn the_same_seed_gives_the_same_whole_life() {
    let told = || {
        let mut all = Vec::new();
        lives(30..45, Spoiled::Sound, |_, lived, _| {
            // Who the controller is stands in the records, and is this process.
            all.push((
                lived.life.records.clone(),
                lived.life.deeds.clone(),
                lived.shared.lock().log.clone(),
            ));
        });
        all
    };
    assert_eq!(told(), told());
}

#[test]
fn a_spoiled_world_is_seen_within_a_thousand_lives() {
    let bugs = [
        (2, Spoiled::HostsForget, "was executed twice"),
        (8, Spoiled::LooksChange, "planning changed something"),
        (9, Spoiled::OldLooks, "in service, minimum"),
        (14, Spoiled::AnyPlan, "is about another plan"),
    ];
    for (promise, spoiled, words) in bugs {
        let caught = (0..1000 / EACH).find_map(|round| {
            let mut found = None;
            lives(round * EACH..(round + 1) * EACH, spoiled, |seed, _, judged| {
                if judged.is_err_and(|why| why.contains(words)) {
                    found.get_or_insert(seed);
                }
            });
            found
        });
        let seed = caught.unwrap_or_else(|| panic!("no life of 1000 ends with `{words}`"));
        eprintln!("promise {promise:>2}: {spoiled:?} is seen in life {}", seed + 1);
    }
}
