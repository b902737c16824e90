//! What a plan says comes true: thousands of random runbooks on random fleets are planned, applied by the real dispatcher in the simulated
//! world, and each forecast is held against what the world says happened. A planted bug in what an action predicts turns it red.
//!
//! One of them again, with its texts, plan and story: `PREVIEW_SEED=17 cargo test --lib preview_again -- --nocapture`.

mod generate;
mod judge;
mod spy;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use judge::{Courses, Shares, lies};
use spy::{BUGS, Bug, Spy};

use crate::action::CATALOG;
use crate::diagnostic::{Diagnostics, SourceId, Sources};
use crate::lang;
use crate::model::event::RunOutcome;
use crate::rehearsal::life::{Life, Script, stage_with};
use crate::rehearsal::read::{self, Known};
use crate::report::{self, Style};

/// Lives that are lived on every change.
const SEEDS: u64 = 1_200;
/// A planted bug is found within so many.
const FOUND_WITHIN: u64 = 1_000;

/// What came of a seed.
#[derive(Default)]
struct Tried {
    lies: Vec<String>,
    shares: Shares,
    refusals: Vec<String>,
    /// `refused`, `mistaken`, or the outcome of the run.
    word: &'static str,
    story: String,
}

fn word(life: &Life) -> &'static str {
    match life.outcome {
        _ if life.mistakes.has_errors() => "mistaken",
        Some(RunOutcome::Succeeded) => "succeeded",
        Some(RunOutcome::Refused) => "refused",
        Some(_) => "failed",
        None => "without an end",
    }
}

/// The dice have made a text that is none.
fn wrong(mistakes: &Diagnostics, text: &str) -> Tried {
    Tried {
        lies: vec![said(mistakes)],
        story: text.to_owned(),
        ..Tried::default()
    }
}

fn said(mistakes: &Diagnostics) -> String {
    let lines: Vec<String> = mistakes
        .iter()
        .map(|d| format!("{}: {} ({})", d.code, d.message, d.label))
        .collect();
    lines.join("; ")
}

fn lived(seed: u64, bug: Option<Bug>) -> Tried {
    let texts = generate::texts(seed);
    let mut sources = Sources::new();
    let id: SourceId = sources.add("generated.yaml", &texts.runbook);
    let (runbook, mistakes) = lang::compile(&sources, id, Some("generated"), &CATALOG);
    let Some(runbook) = runbook else {
        return wrong(&mistakes, &texts.runbook);
    };
    let mut all = sources.clone();
    let test = all.add("generated.test.yaml", &texts.tests);
    let known = Known {
        runbook: runbook.name.clone(),
        steps: runbook.all_steps().iter().map(|s| s.id.0.clone()).collect(),
        params: Vec::new(),
    };
    let (suite, mistakes) = read::read(&all, test, &known);
    let Some(suite) = suite else {
        return wrong(&mistakes, &texts.tests);
    };
    let script = Script {
        runbook: &runbook,
        sources: &sources,
        text: &texts.runbook,
    };
    let spy = Spy::new(bug);
    let staged = stage_with(&script, &suite, &suite.cases[0], &spy).unwrap();
    let notes = spy.notes();
    let courses = Courses::default();
    staged.witnessed(courses.witness());
    let life = staged.live(&[], None);
    let mut tried = Tried {
        word: word(&life),
        ..Tried::default()
    };
    if life.mistakes.has_errors() {
        tried.lies.push(said(&life.mistakes));
    }
    if let Some(plan) = &life.plan {
        tried.refusals = plan.refusals.iter().map(|r| r.message.clone()).collect();
        (tried.lies, tried.shares) = lies(plan, &notes, &life, &courses);
        tried.lies.extend(life.unanswered.iter().map(|u| format!("no answer for {u}")));
        if let Some(error) = &life.error {
            tried.lies.push(format!("no end: {error}"));
        }
    }
    if !tried.lies.is_empty() || tried.word == "mistaken" || std::env::var_os("PREVIEW_SEED").is_some() {
        let style = Style { color: false };
        let plan = life
            .plan
            .as_ref()
            .map_or_else(|| said(&life.mistakes), |p| report::plan::text(p, style));
        let timeline = report::timeline::text(&life.records, style);
        tried.story = format!("{}\n{}\n{plan}\n{timeline}", texts.runbook, texts.tests);
    }
    tried
}

/// Lives them on two threads, in no order.
fn all(seeds: u64, bug: Option<Bug>, enough: usize) -> BTreeMap<u64, Tried> {
    let (next, found) = (AtomicU64::new(0), AtomicU64::new(0));
    let work = || {
        let mut tried = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds || found.load(Ordering::Relaxed) >= enough as u64 {
                return tried;
            }
            let one = lived(seed, bug);
            if !one.lies.is_empty() {
                found.fetch_add(1, Ordering::Relaxed);
            }
            tried.push((seed, one));
        }
    };
    std::thread::scope(|scope| {
        let threads = [scope.spawn(work), scope.spawn(work)];
        threads.into_iter().flat_map(|t| t.join().unwrap()).collect()
    })
}

#[test]
fn what_a_plan_says_comes_true() {
    let began = std::time::Instant::now();
    let seeds = std::env::var("PREVIEW_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(SEEDS);
    let tried = all(seeds, None, 20);
    let mut shares = Shares::default();
    let mut words: BTreeMap<&str, usize> = BTreeMap::new();
    for one in tried.values() {
        shares.add(one.shares);
        *words.entry(one.word).or_default() += 1;
    }
    eprintln!("{} lives in {:?}: {words:?}, {shares:?}", tried.len(), began.elapsed());
    if std::env::var_os("PREVIEW_REFUSALS").is_some() {
        tried
            .values()
            .flat_map(|t| t.refusals.first())
            .for_each(|r| eprintln!("refused: {r}"));
    }
    let lied: Vec<(&u64, &Tried)> = tried.iter().filter(|(_, t)| !t.lies.is_empty()).collect();
    for (seed, one) in &lied {
        eprintln!("PREVIEW_SEED={seed}: {}", one.lies.join("\n    "));
    }
    let first = lied.first().map_or("", |(_, t)| t.story.as_str());
    assert!(lied.is_empty(), "{} plans lied\n{first}", lied.len());
}

#[test]
fn a_planted_bug_is_found() {
    for bug in BUGS {
        let tried = all(FOUND_WITHIN, Some(bug), 1);
        let lied = tried.iter().find(|(_, t)| !t.lies.is_empty());
        let (seed, _) = lied.unwrap_or_else(|| panic!("{bug:?} is not found within {FOUND_WITHIN} lives"));
        eprintln!("{bug:?}: seed {seed}");
    }
}

#[test]
fn preview_again() {
    let Some(seed) = std::env::var("PREVIEW_SEED").ok().and_then(|n| n.parse().ok()) else {
        return;
    };
    let tried = lived(seed, None);
    eprintln!("{}\n{}\n{:#?}", tried.story, tried.word, tried.lies);
    assert!(tried.lies.is_empty());
}
