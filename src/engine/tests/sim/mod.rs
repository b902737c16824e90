//! The engine alone in simulated lives, a hundred thousand of them: every kind of fault from a seed, every promise held against what the
//! world really executed, and planted bugs that must be found.
//!
//! A seed gives a runbook, a weather and the luck in it; the same seed gives the same life. `SEEDS=1000000` lives more of them,
//! `SEED=4711` one alone with its trace. What is real here: compiler, planner, engine, replay. The dispatcher, the journal and the hosts
//! are those of [`life`] and [`hosts`]; the whole program lives in `rehearsal::tests::sim`.
//!
//! Here are proved, each with a planted bug ([`bugs`]): 1 order, 2 at most once, 3 done means executed, 4 intent before the deed, 5 no false
//! ok, 6 a crash changes nothing, 7 replay is pure, 10 the pace of loops, 11 what is out is owed, 12 what is owed is tried to be given back,
//! 13 the debt before the deed, 15 enough people, 16 late answers, 20 clocks, 21 an end, 22 cancel, 26 a journal that refuses. There: 2, 8 a
//! dry run changes nothing, 9 minimums, 14 the approved plan. 19 (two controllers) strikes there, and `tests/it/controllers.rs` and
//! `journal::conformance` prove its parts.

mod bugs;
mod hosts;
mod life;
pub mod promises;
pub mod weather;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use self::bugs::{Bugs, NONE};
pub use self::life::Stage;
use self::life::{Death, Sim};
use self::weather::{Fault, Strikes, Weather};
use super::generate::{self, Dice};
use super::sample::Sample;
use crate::engine::step::{StepState, node_of};
use crate::model::event::{Event, RunOutcome};

const SEEDS: u64 = 100_000;
/// Lives of one runbook: compiling takes longer than living.
const EACH: u64 = 40;
/// One life in so many is looked at after every record.
const WATCHED: u64 = 400;
/// Broken lives that are told of; the first one in full.
const SHOWN: usize = 6;

/// The runbook of a seed.
fn stage(seed: u64) -> Stage {
    let round = seed / EACH;
    let sample = Sample::good(&generate::runbook(round));
    Stage::of(if round.is_multiple_of(7) { sample.gated() } else { sample })
}

/// A life from its seed, judged.
fn life<'a>(stage: &'a Stage, seed: u64, bugs: Bugs, watched: bool) -> (Sim<'a>, Result<(), String>) {
    let mut dice = Dice::new(seed ^ 0x0051_0000);
    let weather = Weather::of(&mut dice, &Fault::OF_THE_ENGINE);
    let (sim, ended) = Sim::live(stage, weather, dice, bugs, None, watched);
    // Even a life without an end must not have broken anything else.
    let judged = match ended {
        Ok(()) => promises::check(&sim),
        Err(why) => Err(why),
    };
    (sim, judged)
}

/// Lives one life and holds every promise against it; for runbooks of other tests.
pub fn live(stage: &Stage, seed: u64) -> Result<RunOutcome, String> {
    let (sim, judged) = life(stage, seed, NONE, seed.is_multiple_of(5));
    judged.map_err(|why| format!("{why}\n{}", trace(&sim)))?;
    outcome(&sim).ok_or_else(|| String::from("the run is not finished"))
}

fn outcome(sim: &Sim<'_>) -> Option<RunOutcome> {
    sim.journal.iter().rev().find_map(|r| match &r.event {
        Event::RunFinished { outcome, .. } => Some(*outcome),
        _ => None,
    })
}

fn trace(sim: &Sim<'_>) -> String {
    let mut lines = vec![format!("weather: {:?}", sim.weather)];
    lines.extend(
        sim.journal
            .iter()
            .skip(1)
            .map(|r| format!("{:>4} {:>9} ms {:?}", r.sequence, r.at.0, r.event)),
    );
    lines.push(String::from("what struck:"));
    lines.extend(sim.log.iter().cloned());
    lines.push(String::from("what was executed:"));
    lines.extend(
        sim.world
            .executed
            .iter()
            .map(|(node, attempt, _)| format!("{node} {attempt} {:?}", sim.deed(node, *attempt))),
    );
    lines.join("\n")
}

fn failed(seed: u64, why: &str, sim: &Sim<'_>) -> String {
    format!(
        "seed {seed}: {why}\n{}\n{}\nrepeat: SEED={seed} cargo test --lib engine::tests::sim::lives -- --nocapture",
        generate::runbook(seed / EACH),
        trace(sim)
    )
}

/// What many lives come to.
#[derive(Default)]
struct Figures {
    lives: u64,
    deaths: u64,
    records: u64,
    executed: u64,
    lasted: Duration,
    /// Lives in which a fault struck, and in which it struck while something was under way.
    faults: BTreeMap<Fault, (u64, u64)>,
    outcomes: BTreeMap<String, u64>,
    /// States of steps that were reached, in the lives that were looked at.
    states: BTreeMap<&'static str, u64>,
}

impl Figures {
    fn add(&mut self, sim: &Sim<'_>, closely: bool) {
        self.lives += 1;
        self.deaths += u64::from(sim.deaths);
        self.records += sim.journal.len() as u64;
        self.executed += sim.world.executed.len() as u64;
        self.lasted += promises::lasted(sim);
        self.strikes(&sim.strikes);
        *self.outcomes.entry(format!("{:?}", outcome(sim))).or_default() += 1;
        if closely {
            self.states(sim);
        }
    }

    fn strikes(&mut self, strikes: &Strikes) {
        for fault in Fault::OF_THE_ENGINE {
            let (all, busy) = strikes.counts[fault as usize];
            let slot = self.faults.entry(fault).or_default();
            slot.0 += u64::from(all > 0);
            slot.1 += u64::from(busy > 0);
        }
    }

    fn states(&mut self, sim: &Sim<'_>) {
        let mut steps = BTreeMap::new();
        for record in &sim.journal {
            let Some(node) = node_of(&record.event) else { continue };
            let step = steps.entry(node).or_insert(StepState::Blocked);
            if let Ok(next) = step.next(&record.event, record.at) {
                *self.states.entry(next.word()).or_default() += 1;
                *step = next;
            }
        }
    }

    fn merge(&mut self, other: Figures) {
        self.lives += other.lives;
        self.deaths += other.deaths;
        self.records += other.records;
        self.executed += other.executed;
        self.lasted += other.lasted;
        for (fault, (all, busy)) in other.faults {
            let slot = self.faults.entry(fault).or_default();
            *slot = (slot.0 + all, slot.1 + busy);
        }
        other
            .outcomes
            .into_iter()
            .for_each(|(k, n)| *self.outcomes.entry(k).or_default() += n);
        other.states.into_iter().for_each(|(k, n)| *self.states.entry(k).or_default() += n);
    }

    fn print(&self, took: Duration) {
        let per_second = self.lives as f64 / took.as_secs_f64();
        eprintln!(
            "{} lives of the engine in {:.1} s: {per_second:.0} lives per second; {} records, {} changes executed, {} deaths of controllers, {} days lived",
            self.lives,
            took.as_secs_f64(),
            self.records,
            self.executed,
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
        eprintln!("  states of steps reached: {:?}", self.states);
    }
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, found `{text}`")))
}

/// Lives all seeds on all processors; what broke, if anything did.
fn all(seeds: u64) -> (Figures, Option<String>) {
    let (next, total, broken) = (AtomicU64::new(0), Mutex::new(Figures::default()), Mutex::new(BTreeMap::new()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let one_thread = || {
        let mut figures = Figures::default();
        loop {
            let round = next.fetch_add(1, Ordering::Relaxed);
            if round * EACH >= seeds || broken.lock().unwrap().len() >= SHOWN {
                break;
            }
            let stage = stage(round * EACH);
            for seed in round * EACH..seeds.min((round + 1) * EACH) {
                let closely = seed.is_multiple_of(WATCHED);
                let (sim, judged) = life(&stage, seed, NONE, closely);
                figures.add(&sim, closely);
                if let Err(why) = judged {
                    broken.lock().unwrap().insert(seed, (why.clone(), failed(seed, &why, &sim)));
                }
            }
        }
        total.lock().unwrap().merge(figures);
    };
    std::thread::scope(|scope| (0..threads).for_each(|_| _ = scope.spawn(one_thread)));
    let mut broken = broken.into_inner().unwrap().into_iter();
    let first = broken.next().map(|(_, (_, told))| told);
    let others = broken.map(|(seed, (why, _))| format!("\nseed {seed}: {why}"));
    let told = first.map(|first| first + &others.collect::<String>());
    (total.into_inner().unwrap(), told)
}

#[test]
fn lives_keep_every_promise() {
    if let Some(seed) = number("SEED") {
        let stage = stage(seed);
        let (sim, judged) = life(&stage, seed, NONE, true);
        eprintln!("{}", failed(seed, &format!("{judged:?}"), &sim));
        return judged.unwrap();
    }
    let began = Instant::now();
    let (figures, broken) = all(number("SEEDS").unwrap_or(SEEDS));
    figures.print(began.elapsed());
    if let Some(broken) = broken {
        panic!("{broken}");
    }
    // What hardly ever happens is not tested.
    let rare: Vec<_> = figures.faults.iter().filter(|(_, (_, busy))| *busy < figures.lives / 100).collect();
    assert!(
        rare.is_empty() && figures.faults.len() == Fault::OF_THE_ENGINE.len(),
        "faults that hardly ever strike: {rare:?}"
    );
    assert_eq!(figures.outcomes.len(), 7, "{:?}", figures.outcomes);
    assert!(
        figures.outcomes.values().all(|n| *n >= figures.lives / 100),
        "{:?}",
        figures.outcomes
    );
    // Blocked is where every step begins.
    assert_eq!(figures.states.len(), 12, "{:?}", figures.states);
}

#[test]
fn the_same_seed_gives_the_same_life() {
    for seed in (0..40_000).step_by(199) {
        let stage = stage(seed);
        let told = || {
            let (sim, _) = life(&stage, seed, NONE, false);
            (sim.journal, sim.log)
        };
        assert_eq!(told(), told(), "seed {seed}");
    }
}

#[test]
fn planted_bugs_are_caught_within_a_thousand_lives() {
    let mut missed = Vec::new();
    for planted in bugs::all() {
        // Each is caught by the promise that is about it, not by chance.
        let caught = (0..1000 / EACH).find_map(|round| {
            let stage = stage(round * EACH);
            let breaks = |seed: &u64| {
                let (_, judged) = life(&stage, *seed, planted.bugs, true);
                judged.is_err_and(|why| why.contains(planted.words))
            };
            (round * EACH..(round + 1) * EACH).find(breaks)
        });
        match caught {
            Some(seed) => eprintln!("promise {:>2}: `{}` is caught in life {}", planted.promise, planted.name, seed + 1),
            None => missed.push(format!("{}: {}", planted.promise, planted.words)),
        }
    }
    assert!(missed.is_empty(), "no life of 1000 ends so: {missed:?}");
}

/// The life of a runbook in which nothing goes wrong, again with a death at every append; the number of deaths.
fn deaths(round: u64, bugs: Bugs) -> Result<usize, String> {
    let stage = stage(round * EACH);
    let calm = |bugs, death: Option<Death>| {
        let (sim, ended) = Sim::live(&stage, Weather::calm(), Dice::new(round), bugs, death, false);
        match ended.and_then(|()| promises::check(&sim)) {
            Ok(()) => Ok(sim),
            Err(why) => Err(format!("round {round}, {death:?}: {why}\n{}", trace(&sim))),
        }
    };
    let whole = calm(NONE, None)?;
    let appends = (1..=whole.appends).flat_map(|append| [false, true].map(|kept| Death { append, kept }));
    for death in appends {
        let resumed = calm(bugs, Some(death))?;
        let found = (promises::world(&resumed), outcome(&resumed));
        if found != (promises::world(&whole), outcome(&whole)) {
            return Err(format!("round {round}, {death:?}: it comes to {found:?}\n{}", trace(&resumed)));
        }
    }
    Ok(2 * whole.appends)
}

/// A crash anywhere and a resume come to what a life without a crash comes to.
#[test]
fn a_death_at_every_append_changes_nothing() {
    let rounds = number("SEEDS").unwrap_or(SEEDS) / 500;
    let all: usize = (0..rounds)
        .map(|round| deaths(round, NONE).unwrap_or_else(|why| panic!("{why}")))
        .sum();
    eprintln!("{all} deaths, one at every append of {rounds} runbooks, changed nothing");
    let caught = (0..20).find_map(|round| deaths(round, bugs::HOPEFUL).err());
    assert!(caught.is_some(), "promise 6: nobody sees what was never done");
    eprintln!("promise  6: `takes what was sent for done` is caught by the deaths of the lives of one runbook");
}
