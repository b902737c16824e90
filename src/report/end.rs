//! The end of a run on one screen: what failed first, what was taken back, what is owed, what to do now. From records only.

use std::fmt::Write;

use super::approval::answer_with;
use super::describe::{self, NAME, bare, coarse, count, name, sentence};
use super::story::{NodeEnd, NodeStory, Story};
use super::style::{Style, Tint};
use crate::base::id::{HostName, NodeId};
use crate::base::sanitise::{for_terminal, one_line};
use crate::base::value::Value;
use crate::model::action::Undo;
use crate::model::event::{Failure, RunOutcome};
use crate::model::obligation::Obligation;
use crate::model::plan::{CALL_END, EffectKind};

/// Width of the rule above.
const WIDTH: usize = 80;
/// Lines of a failure that are shown; the rest is in `runbook logs`.
const FAILURE_LINES: usize = 12;
/// Characters of one output; `runbook show -o json` has all of it.
const OUTPUT: usize = 160;
/// Lines of one list; a run over a hundred hosts must still fit a screen.
const LINES: usize = 12;

/// The summary; says that the run has not ended when it has not.
#[must_use]
pub fn text(story: &Story<'_>, style: Style) -> String {
    let mut text = heading(story, style);
    if let Some((_, summary)) = story.outcome
        && !summary.is_empty()
    {
        let _ = writeln!(text, "{}: {}", name(&story.created.runbook), sentence(summary));
    }
    let mut section = |label: &str, tint: Tint, lines: Vec<String>| text.push_str(&labelled(label, tint, &lines, style));
    let succeeded = matches!(story.outcome, Some((RunOutcome::Succeeded, _)));
    section("FIRST FAILURE", Tint::Bad, first_failure(story));
    section("ALSO FAILED", Tint::Bad, other_failures(story));
    if succeeded {
        section("CHANGED", Tint::Good, changed(story));
        section("OUTPUTS", Tint::Plain, outputs(story));
    } else {
        section("UNDONE", Tint::Good, undone(story));
        section("NOT UNDONE", Tint::Notice, not_undone(story));
        section("STATE UNKNOWN", Tint::Bad, unknown(story));
    }
    section("OBLIGATIONS", Tint::Bad, obligations(story));
    if !succeeded {
        section("UNTOUCHED", Tint::Plain, untouched(story));
    }
    section("NEXT", Tint::Strong, next(story));
    text
}

fn heading(story: &Story<'_>, style: Style) -> String {
    let took = coarse(story.took());
    let (words, tint) = match story.outcome {
        Some((RunOutcome::Succeeded, _)) => (format!("DONE in {took}"), Tint::Good),
        Some((outcome, _)) => {
            let (word, tint) = describe::outcome(outcome, story.open().len());
            (format!("{word} after {took}"), tint)
        }
        None => (format!("NOT ENDED after {took}"), Tint::Notice),
    };
    let plain = format!("── run {} {words} ", story.run);
    let rule = "─".repeat(WIDTH.saturating_sub(plain.chars().count()));
    format!("── run {} {} {rule}\n", story.run, style.paint(tint, &words))
}

fn labelled(label: &str, tint: Tint, lines: &[String], style: Style) -> String {
    let mut text = String::new();
    for (i, line) in lines.iter().take(LINES).enumerate() {
        let label = if i == 0 { label } else { "" };
        let _ = writeln!(text, "{}{}{line}", style.paint(tint, label), " ".repeat(15 - label.len()));
    }
    if lines.len() > LINES {
        let _ = writeln!(text, "{}and {} more lines", " ".repeat(15), lines.len() - LINES);
    }
    text
}

/// What is said of each step, below each other.
fn aligned(pairs: Vec<(String, String)>) -> Vec<String> {
    let widest = pairs.iter().map(|(left, _)| left.chars().count()).max().unwrap_or(0).min(NAME);
    let line = |(left, right): (String, String)| format!("{left:widest$}   {right}").trim_end().to_owned();
    pairs.into_iter().map(line).collect()
}

/// `free_memory on web-01`; a node's own `@host` is not said twice.
fn where_it_was(story: &Story<'_>, node: &NodeId) -> String {
    let step = node.as_str().split('@').next().unwrap_or_default();
    match story.hosts_of(node) {
        [] => name(step),
        hosts => format!("{} on {}", name(step), describe::hosts(hosts, 4)),
    }
}

fn first_failure(story: &Story<'_>) -> Vec<String> {
    let Some((id, node)) = story.first_failure.and_then(|id| Some((id, story.node(id)?))) else {
        return Vec::new();
    };
    let (NodeEnd::Failed(failure) | NodeEnd::Lost(failure)) = node.end else {
        return Vec::new();
    };
    let number = |test: &dyn Fn(&NodeStory<'_>) -> bool| story.nodes.iter().filter(|(_, n)| test(n)).count();
    let ok = number(&|n| matches!(n.end, NodeEnd::Succeeded { .. }));
    let failed = number(&|n| matches!(n.end, NodeEnd::Failed(_) | NodeEnd::Lost(_)));
    let begun = number(&|n| n.started.is_some());
    let waiting = story
        .plan()
        .nodes
        .iter()
        .filter(|n| n.section.is_work())
        .count()
        .saturating_sub(begun);
    let at = node.ended.unwrap_or(story.last).time_of_day();
    let attempts = if node.attempts > 1 {
        format!(", {} attempts", node.attempts)
    } else {
        String::new()
    };
    let mut lines = vec![format!(
        "{}   {}   {at}   ({} ok, {failed} failed, {waiting} not started{attempts})",
        where_it_was(story, id),
        describe::failure(failure.kind),
        count(ok, "step"),
    )];
    lines.extend(message(failure));
    lines
}

/// A failure's message, line by line, set off so that it cannot pass for ours.
fn message(failure: &Failure) -> Vec<String> {
    let clean = for_terminal(&failure.message);
    let mut lines: Vec<String> = clean
        .lines()
        .take(FAILURE_LINES)
        .map(|l| format!("│ {}", one_line(l, 200)))
        .collect();
    let more = clean.lines().count().saturating_sub(FAILURE_LINES);
    if more > 0 {
        lines.push(format!("│ … {more} more lines"));
    }
    lines
}

fn other_failures(story: &Story<'_>) -> Vec<String> {
    let mut pairs = Vec::new();
    for (id, node) in story.nodes.iter().filter(|(id, _)| Some(*id) != story.first_failure) {
        if let NodeEnd::Failed(failure) = node.end {
            let why = format!("{}: {}", describe::failure(failure.kind), one_line(&failure.message, NAME));
            pairs.push((where_it_was(story, id), why));
        }
    }
    aligned(pairs)
}

fn changed(story: &Story<'_>) -> Vec<String> {
    let mut pairs = Vec::new();
    // That something was changed in a called runbook is told at its steps.
    let told = |id: &NodeId| story.plan().node(id).is_some_and(|n| n.action == CALL_END);
    for (id, node) in story.nodes.iter().filter(|(id, _)| !told(id)) {
        if node.end == (NodeEnd::Succeeded { changed: true }) {
            let what = node.intended.map_or_else(String::new, |(summary, _)| sentence(summary));
            pairs.push((where_it_was(story, id), what));
        }
    }
    if pairs.is_empty() {
        return vec![String::from("nothing")];
    }
    aligned(pairs)
}

/// One line each; other people's text, so set off and cut.
fn outputs(story: &Story<'_>) -> Vec<String> {
    let pair = |(key, value): (&String, &Value)| (name(key), one_line(&describe::value(value), OUTPUT));
    aligned(story.outputs.into_iter().flatten().map(pair).collect())
}

fn undone(story: &Story<'_>) -> Vec<String> {
    let mut pairs = Vec::new();
    for (id, node) in &story.nodes {
        // What can be taken back by itself and was not, is still so, whatever it owed: a new version, and the restart after it.
        let takes = story
            .plan()
            .node(id)
            .is_some_and(|n| n.pool_effects.iter().any(|e| e.kind == EffectKind::Takes));
        let returns = takes || matches!(node.intended, Some((_, Undo::Nothing | Undo::Keep)) | None);
        let given_back = returns && story.obligations.values().any(|o| &o.taker == *id && !o.is_open());
        match node.undo {
            Some(Ok(summary)) => pairs.push((where_it_was(story, id), format!("{}   ok", sentence(summary)))),
            None if given_back => pairs.push((where_it_was(story, id), String::from("given back   ok"))),
            _ => {}
        }
    }
    aligned(pairs)
}

fn not_undone(story: &Story<'_>) -> Vec<String> {
    let mut pairs = Vec::new();
    for (id, node) in &story.nodes {
        let task = story.plan().node(id).is_some_and(crate::model::plan::Node::is_task);
        let handed_over = story.obligations.values().any(|o| &o.taker == *id);
        if task && !handed_over && matches!(node.end, NodeEnd::Succeeded { .. }) {
            pairs.push((
                where_it_was(story, id),
                String::from("done by hand, and only a person can take it back"),
            ));
        }
        let Some((_, undo)) = node.intended else { continue };
        // A debt, open or closed, is told elsewhere.
        let owed = story.obligations.values().any(|o| &o.taker == *id);
        let why = match (node.undo, undo) {
            (Some(Ok(_)), _) | (None, Undo::Nothing) => continue,
            (Some(Err(failure)), _) => {
                let message = one_line(&failure.message, NAME * 2);
                format!("UNDO FAILED: {}: {message}", describe::failure(failure.kind))
            }
            (None, _) if owed => continue,
            (None, Undo::Keep) => String::from("meant to stay, as planned"),
            (None, Undo::Impossible) => String::from("irreversible, as planned"),
            (None, Undo::Call { .. } | Undo::Steps) => format!("not taken back; {}", describe::undo(undo)),
        };
        pairs.push((where_it_was(story, id), why));
    }
    aligned(pairs)
}

fn unknown(story: &Story<'_>) -> Vec<String> {
    let lost = story.nodes.iter().filter(|(_, n)| matches!(n.end, NodeEnd::Lost(_)));
    let pair = |(id, _): &(&NodeId, NodeStory<'_>)| (where_it_was(story, id), String::from("it may still be running there"));
    aligned(lost.map(pair).collect())
}

fn obligations(story: &Story<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    for debt in story.open() {
        lines.push(format!("{}  {}", name(&debt.id), sentence(&debt.what)));
        if let Some(why) = story.refusals.get(&debt.id) {
            lines.push(format!("  not given back: {}", sentence(why)));
        }
        lines.push(format!("  → close: {}", close(debt)));
    }
    lines
}

/// The commands that end a debt.
pub(super) fn close(debt: &Obligation) -> String {
    let id = name(&debt.id);
    if !debt.people.is_empty() {
        let (run, step) = (bare(debt.run), name(&debt.taker));
        return format!("runbook done {run} {step}   (or: runbook obligations waive {id})");
    }
    format!("runbook obligations discharge {id}   (or: waive {id})")
}

fn untouched(story: &Story<'_>) -> Vec<String> {
    let touched: Vec<&HostName> = story
        .nodes
        .iter()
        .filter(|(_, n)| n.intended.is_some())
        .flat_map(|(id, _)| story.hosts_of(id))
        .collect();
    let planned = story.plan().changed_hosts();
    let rest: Vec<HostName> = planned.into_iter().filter(|h| !touched.contains(&h)).collect();
    if rest.is_empty() {
        Vec::new()
    } else {
        vec![describe::hosts(&rest, 12)]
    }
}

fn next(story: &Story<'_>) -> Vec<String> {
    let run = bare(story.run);
    let look = format!("runbook show {run}");
    let logs = format!("runbook logs {run} --failed");
    match story.outcome {
        Some((RunOutcome::Succeeded | RunOutcome::Refused | RunOutcome::Denied, _)) => vec![look],
        None if !story.waiting.is_empty() => {
            let answers = story.waiting.values().map(|request| sentence(&answer_with(request)));
            answers.chain([look]).collect()
        }
        Some((RunOutcome::Lost, _)) | None => vec![format!("runbook resume {run}"), look],
        Some((RunOutcome::Failed | RunOutcome::Stuck | RunOutcome::Cancelled, _)) => vec![logs, look],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn shown(records: &[crate::model::event::Record]) -> String {
        text(&Story::of(records).expect("the first record creates the run"), Style::PLAIN)
    }

    #[test]
    fn a_success_says_what_changed() {
        let s = shown(&sample::success());
        let expected = r"── run #3 DONE in 41s ──────────────────────────────────────────────────────────
recover-master: web-01 and web-02 serve
CHANGED        return_others[web-02].other_ready on lb-01   web-02: maint → ready
               drain_master on lb-01                        web-01: ready → drain
               free_memory on web-01                        restart app
               return_master on lb-01                       web-01: drain → ready
NEXT           runbook show 3
";
        assert_eq!(s, expected);
    }

    #[test]
    fn a_failure_says_what_is_owed_and_what_to_do() {
        let s = shown(&sample::stuck());
        let expected = r"── run #3 STUCK, 1 to do after 1m58s ───────────────────────────────────────────
recover-master: web-01 is still out of pool web
FIRST FAILURE  free_memory on web-01   program failed   03:15:16   (2 steps ok, 1 failed, 7 not started)
               │ exit status 5
               │ Unit app.service \u{1b}[31mnot found.
UNDONE         return_others[web-02].other_ready on lb-01   web-02: ready → maint   ok
NOT UNDONE     free_memory on web-01   irreversible, as planned
OBLIGATIONS    3.1  web-01 out of pool web (drain)
                 not given back: web-01 answers 503, expected 200
                 → close: runbook obligations discharge 3.1   (or: waive 3.1)
NEXT           runbook logs 3 --failed
               runbook show 3
";
        assert_eq!(s, expected);
    }
    #[test]
    fn what_people_have_done_is_not_passed_over_in_silence() {
        let mut records = sample::stuck();
        if let crate::model::event::Event::RunCreated(created) = &mut records[0].event {
            let mut task = sample::node("swap_disk", crate::model::plan::Section::Steps, None);
            task.action = String::from("manual");
            created.plan.nodes.push(task);
        }
        records[3].event = sample::succeeded("swap_disk", false, "done by noor");
        let shown = shown(&records);
        assert!(
            shown.contains("NOT UNDONE     swap_disk               done by hand, and only a person can take it back\n"),
            "{shown}"
        );
    }
}
