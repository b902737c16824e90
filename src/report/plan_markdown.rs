//! The plan as Markdown: for the summary of a CI job or a review.

use std::fmt::Write;

use super::describe::{capacity, invariant, name, sentence};
use super::fold;
use super::plan::total;
use super::way_back;
use crate::base::sanitise::for_terminal;
use crate::model::plan::Plan;

/// The whole plan.
#[must_use]
pub fn text(plan: &Plan) -> String {
    let mut text = format!("## Plan of `{}`\n\n", plain(&name(&plan.runbook)));
    if !plan.description.is_empty() {
        let _ = writeln!(text, "{}\n", escape(&sentence(&plan.description)));
    }
    for refusal in &plan.refusals {
        let _ = writeln!(text, "> **REFUSED**: {}\n>", escape(&sentence(&refusal.message)));
        for (i, line) in refusal.counterexample.iter().enumerate() {
            let _ = writeln!(text, "> {}. {}", i + 1, escape(&sentence(line)));
        }
        if let Some(instead) = &refusal.instead {
            let _ = writeln!(text, ">\n> What works instead: {}", escape(&sentence(instead)));
        }
        text.push('\n');
    }
    for pool in &plan.pools {
        let _ = writeln!(text, "Pool now: {}\n", escape(&capacity(&pool.now)));
    }
    for watch in &plan.invariants {
        let _ = writeln!(text, "Invariant: {}\n", escape(&invariant(watch)));
    }
    text.push_str("| step | on | what it does | if it fails | then |\n|---|---|---|---|---|\n");
    let rows = fold::rows(plan);
    for row in &rows {
        let after = row.first.after.iter().map(capacity).collect::<Vec<_>>().join(", ");
        // What we put between them is ours; all else is escaped.
        let told = [row.does()].into_iter().chain(row.who()).chain(row.notes());
        let told = told.map(|line| escape(&line)).collect::<Vec<_>>().join("<br>");
        let [id, on, fails, after] = [row.name(), row.on(), row.if_it_fails(), after].map(|c| escape(&c));
        let _ = writeln!(text, "| {id} | {on} | {told} | {fails} | {after} |");
    }
    for row in &rows {
        for (hosts, diff) in row.diffs() {
            let hosts = hosts.map_or_else(String::new, |on| format!(" {}", escape(&on)));
            let _ = writeln!(text, "\n`{}`{hosts}\n\n{}", plain(&row.name()), fenced(diff));
        }
    }
    text.push('\n');
    for warning in &plan.warnings {
        let _ = writeln!(text, "**warning:** {}\n", escape(&sentence(warning)));
    }
    if let Some(way) = way_back::line(plan).filter(|_| plan.refusals.is_empty()) {
        let _ = writeln!(text, "Way back: {}\n", escape(&way));
    }
    let _ = writeln!(text, "**{}**\n\nPlan digest `sha256:{}`", escape(&total(plan)), plain(&plan.digest));
    text
}

/// Text that Markdown shows as it is. HTML is refused too, since many renderers let it through.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '!' | '~' | '@' => {
                safe.push('\\');
                safe.push(c);
            }
            '\n' | '\r' => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

/// For inside back-ticks.
fn plain(text: &str) -> String {
    text.chars().filter(|c| *c != '`' && !c.is_control()).collect()
}

/// A block that its content cannot end: one back-tick longer than any run of them inside.
fn fenced(text: &str) -> String {
    let clean = for_terminal(text);
    let (mut longest, mut current) = (0, 0);
    for c in clean.chars() {
        current = if c == '`' { current + 1 } else { 0 };
        longest = longest.max(current);
    }
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}diff\n{}\n{fence}", clean.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::plan::Forecast;
    use crate::report::sample;

    #[test]
    fn rows_and_totals() {
        let shown = text(&sample::plan());
        assert!(
            shown.contains(
                "| drain\\_master | lb-01 | will change: web-01: ready → drain | owes return\\_master | web 1/2 serving (min 1) |\n"
            ),
            "{shown}"
        );
        assert!(
            shown.contains("```diff\n@@ -12 +12 @@\n-  balance leastconn\n+  balance roundrobin\n```"),
            "{shown}"
        );
        assert!(shown.contains("Way back: to the start until share\\_load is done"), "{shown}");
        assert!(
            shown.contains("**Plan: 9 steps, 2 hosts to change, 1 irreversible step, 1 known at run time.**"),
            "{shown}"
        );
    }

    #[test]
    fn hostile_text_stays_in_its_cell() {
        let mut plan = sample::plan();
        plan.nodes[0].forecast = Forecast::Reads {
            summary: String::from("a | b <script>\n# `x`"),
        };
        plan.nodes[0].diff = Some(String::from("````\nend"));
        let shown = text(&plan);
        assert!(shown.contains("looks: a \\| b &lt;script&gt; \\# \\`x\\` |"), "{shown}");
        assert!(shown.contains("`````diff\n````\nend\n`````"), "{shown}");
    }
}
