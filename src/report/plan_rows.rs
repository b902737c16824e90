//! The rows of a plan on a terminal: each step with what it does, and beneath it for whom, what is left of the pools, notes, the diff.

use std::fmt::Write;

use super::describe::{self, name};
use super::fold::{self, Row};
use super::node::sign;
use super::plan::WIDTH;
use super::style::{Style, Tint};
use super::table::{Cell, block, widths, wrap};
use crate::base::sanitise::for_terminal;
use crate::model::plan::{Capacity, Plan, Section};

/// What stands beneath a row begins here.
const MARGIN: usize = 8;

/// All rows, under the names of their parts of the runbook.
pub(super) fn text(plan: &Plan, style: Style) -> String {
    let folded = fold::rows(plan);
    let mut rows = vec![
        ["", "step", "on", "what it does", "if it fails"]
            .map(|h| Cell::tinted(h, Tint::Strong))
            .to_vec(),
    ];
    for row in &folded {
        // Loops are named on a line of their own.
        let id = row.first.row.as_str().rsplit("].").next().unwrap_or_default();
        rows.push(vec![
            sign(row.first).cell(),
            name(id).into(),
            row.on().into(),
            row.does().into(),
            row.if_it_fails().into(),
        ]);
    }
    let widths = column_widths(&rows, folded.iter().any(Row::is_folded));
    let mut text = indented(&block(&rows[0], &widths, style), 2);
    let (mut section, mut turns) = (Section::Steps, &[][..]);
    let mut last: Vec<Capacity> = plan.pools.iter().map(|p| p.now.clone()).collect();
    for (row, cells) in folded.iter().zip(&rows[1..]) {
        let node = row.first;
        if node.section != section || node.turns != turns {
            (section, turns) = (node.section, &node.turns);
            let mut line = heading(section).to_owned();
            for turn in turns {
                let _ = write!(line, " {} {}", name(&turn.step), name(&turn.key));
            }
            let _ = writeln!(text, "  {}", style.paint(Tint::Faint, &(line + ":")));
        }
        text.push_str(&indented(&block(cells, &widths, style), 2));
        text.push_str(&beneath(row, &mut last, style));
    }
    text
}

fn heading(section: Section) -> &'static str {
    match section {
        Section::Require => "before anything",
        Section::Steps => "then",
        Section::Verify => "to reach the goal",
        Section::OnFailure => "only if the run fails",
        Section::Finally => "always last",
    }
}

/// The middle columns share what the outer ones leave of the line.
fn column_widths(rows: &[Vec<Cell>], counts: bool) -> Vec<usize> {
    let mut most = widths(rows);
    let caps = [2, 28, if counts { 20 } else { 15 }, usize::MAX, 20];
    for (column, cap) in most.iter_mut().zip(caps) {
        *column = (*column).min(cap);
    }
    // Two blanks before the first column and between all of them.
    let others = 2 + most[0] + most[1] + most[2] + most[4] + 2 * 4;
    most[3] = most[3].min(WIDTH.saturating_sub(others).max(24));
    most
}

/// For whom, where hosts differ; capacity after the step; notes; the diff.
fn beneath(row: &Row<'_>, last: &mut Vec<Capacity>, style: Style) -> String {
    let node = row.first;
    let mut text = String::new();
    for line in row.who() {
        text.push_str(&wrapped(&line));
    }
    for after in &node.after {
        let before = last.iter_mut().find(|c| c.pool == after.pool);
        if before.as_ref().is_none_or(|b| **b != *after) || node.pool_effects.iter().any(|e| e.pool == after.pool) {
            let tint = if after.serving < after.minimum { Tint::Bad } else { Tint::Faint };
            let line = format!("then {}", describe::capacity(after));
            let _ = writeln!(text, "{:MARGIN$}{}", "", style.paint(tint, &line));
        }
        match before {
            Some(before) => before.clone_from(after),
            None => last.push(after.clone()),
        }
    }
    for note in row.notes() {
        text.push_str(&wrapped(&note));
    }
    for (hosts, diff) in row.diffs() {
        if let Some(hosts) = hosts {
            text.push_str(&wrapped(&hosts));
        }
        for line in for_terminal(diff).lines() {
            let tint = match line.chars().next() {
                Some('+') => Tint::Good,
                Some('-') => Tint::Bad,
                _ => Tint::Faint,
            };
            let _ = writeln!(text, "{:MARGIN$}{}", "", style.paint(tint, line));
        }
    }
    text
}

/// One harmless sentence, the lines after its first a little further in.
fn wrapped(said: &str) -> String {
    let lines = wrap(said, WIDTH - MARGIN - 2);
    let indent = |first: bool| " ".repeat(if first { MARGIN } else { MARGIN + 2 });
    lines
        .iter()
        .enumerate()
        .map(|(i, line)| format!("{}{line}\n", indent(i == 0)))
        .collect()
}

fn indented(text: &str, by: usize) -> String {
    text.lines().map(|line| format!("{}{line}\n", " ".repeat(by))).collect()
}
