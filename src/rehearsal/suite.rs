//! A whole test file: reads it, lives its cases and sweeps, and says which steps no case has ever reached.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::judge::judge;
use super::life::{Life, Script, stage};
use super::read::{self, Known};
use super::sweep;
use super::syntax::{Case, Suite};
use crate::action::CATALOG;
use crate::diagnostic::{Diagnostic, Diagnostics, SourceId, Sources};
use crate::lang;
use crate::model::event::Event;
use crate::model::runbook::Runbook;
use crate::plan::invariants::covers;
use crate::report::{self, Style};

/// Broken repetitions of a sweep that are shown in full.
const SHOWN: usize = 3;

/// What came of a test file.
pub struct Tested {
    /// Its name as given.
    pub file: String,
    /// The runbook's name.
    pub runbook: String,
    /// Its cases, those that were left out not among them.
    pub cases: Vec<TestedCase>,
    /// Steps that no case has reached; empty when cases were left out.
    pub unreached: Vec<String>,
    /// Its text and the runbook's, for drawing.
    pub sources: Sources,
}

/// What came of a case.
pub struct TestedCase {
    /// Its name.
    pub name: String,
    /// Expectations that do not hold.
    pub broken: Diagnostics,
    /// What happened, where something does not hold: the plan that was refused or the timeline.
    pub story: String,
    /// Runs, sweeps included.
    pub runs: usize,
    /// How long that took, in real time.
    pub took: Duration,
}

impl Tested {
    /// Whether everything holds.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.cases.iter().all(|c| !c.broken.has_errors())
    }
}

/// Tests a runbook: `script` is its text and those that it calls, `test` a name and a text; only cases whose name holds `filter`.
///
/// # Errors
/// Mistakes in one of the texts, and the texts to draw them with.
pub fn test(script: Sources, test: (&str, &str), stem: &str, filter: &str) -> Result<Tested, (Diagnostics, Sources)> {
    let (runbook, mistakes) = lang::compile(&script, SourceId(0), Some(stem), &CATALOG);
    let (alone, text) = (script.clone(), script.whole());
    let mut sources = script;
    let test_id = sources.add(test.0, test.1);
    let Some(runbook) = runbook.filter(|_| !mistakes.has_errors()) else {
        return Err((mistakes, sources));
    };
    let (suite, mistakes) = read::read(&sources, test_id, &known(&runbook));
    let Some(suite) = suite else { return Err((mistakes, sources)) };
    let script = Script {
        runbook: &runbook,
        sources: &alone,
        text: &text,
    };
    let mut reached = BTreeSet::new();
    let chosen: Vec<&Case> = suite.cases.iter().filter(|c| c.name.value.contains(filter)).collect();
    let whole = chosen.len() == suite.cases.len();
    let cases = chosen.into_iter().map(|case| one(&script, &suite, case, &mut reached)).collect();
    let steps = runbook.all_steps();
    let real = steps.iter().filter(|s| !matches!(s.body, crate::model::runbook::Body::Loop(..)));
    // A step's own checks are part of it; invariants are judged around every change and leave no record while they hold.
    let unreached = real
        .map(|s| s.id.0.clone())
        .filter(|s| whole && !reached.contains(s) && !s.contains(".verify.") && !s.starts_with("invariants."))
        .collect();
    Ok(Tested {
        file: test.0.to_owned(),
        runbook: runbook.name.clone(),
        cases,
        unreached,
        sources,
    })
}

fn known(runbook: &Runbook) -> Known {
    Known {
        runbook: runbook.name.clone(),
        steps: runbook.all_steps().iter().map(|s| s.id.0.clone()).collect(),
        params: runbook.params.iter().map(|p| p.name.clone()).collect(),
    }
}

fn one(script: &Script<'_>, suite: &Suite, case: &Case, reached: &mut BTreeSet<String>) -> TestedCase {
    let began = Instant::now();
    let staged = stage(script, suite, case);
    let life = staged.as_ref().map(|s| s.live(&[], None)).unwrap_or_else(|error| Life {
        error: Some(error.clone()),
        ..Life::default()
    });
    let mut broken = judge(&life, &case.expect, case.name.span);
    let mut story = if broken.has_errors() { story(&life) } else { String::new() };
    reached.extend(steps_of(&life));
    let mut runs = 1;
    // A case that is wrong by itself says nothing when it is repeated.
    let sweeps = if broken.has_errors() { &[][..] } else { &case.sweep };
    for (sweep, staged) in sweeps.iter().flat_map(|sweep| Some((sweep, staged.as_ref().ok()?))) {
        let scenes = sweep::scenes(sweep.value, &life);
        runs += scenes.len();
        let failed = sweep::play(staged, &life, &scenes);
        let total = failed.len();
        for (number, (scene, why, other)) in failed.into_iter().take(SHOWN).enumerate() {
            let mut d = Diagnostic::error("RB0811", sweep.span, format!("{}: {why}", scene.name));
            if number + 1 == total.min(SHOWN) && total > SHOWN {
                d = d.help(format!(
                    "{total} of {} repetitions break a promise; these are the first",
                    scenes.len()
                ));
            }
            broken.push(d);
            story.push_str(&format!("--- {}\n{}", scene.name, self::story(&other)));
        }
    }
    TestedCase {
        name: case.name.value.clone(),
        broken,
        story,
        runs,
        took: began.elapsed(),
    }
}

/// The steps that began.
fn steps_of(life: &Life) -> BTreeSet<String> {
    let of = |event: &Event| match event {
        // A decision is made at once, without a start.
        Event::StepStarted { node, .. } | Event::StepSucceeded { node, .. } => Some(node.clone()),
        Event::ApprovalRequested { request } => Some(request.gate.clone()),
        _ => None,
    };
    let Some(plan) = &life.plan else { return BTreeSet::new() };
    let nodes = life.records.iter().filter_map(|r| of(&r.event));
    let steps = nodes.filter_map(|id| plan.node(&id)).map(|n| n.step.0.clone());
    // An invariant is judged around every change that it covers.
    let changed = life.records.iter().filter_map(|r| match &r.event {
        Event::ChangeIntended { node, .. } => Some(node),
        _ => None,
    });
    let judged = changed.flat_map(|node| plan.invariants.iter().filter(|w| covers(&plan.nodes, w, node)));
    steps.chain(judged.map(|w| w.id.0.clone())).collect()
}

/// What happened, for one who wonders why.
fn story(life: &Life) -> String {
    if life.records.is_empty() {
        return life
            .plan
            .as_ref()
            .map_or_else(String::new, |p| report::plan::text(p, Style { color: false }));
    }
    report::timeline::text(&life.records, Style { color: false })
}
