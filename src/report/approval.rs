//! The question to a person, in a box: what is asked, what would be done, what is out already, about which plan, until when.

use std::fmt::Write;

use super::describe::{self, count, name, sentence, until};
use super::member;
use super::node::does;
use super::style::{Style, Tint};
use super::table::wrap;
use crate::base::clock::Timestamp;
use crate::base::sanitise::one_line;
use crate::model::approval::ApprovalRequest;
use crate::model::event::RunCreated;
use crate::model::plan::{self, CALL, Node};

/// Width of the box, borders included.
const WIDTH: usize = 92;
/// Changes that are listed; the whole plan is a command away.
const CHANGES: usize = 8;

/// The box. `so_far` says what happened before, `2 steps ok, 0 failed`; it may be empty.
#[must_use]
pub fn text(request: &ApprovalRequest, created: &RunCreated, so_far: &str, now: Timestamp, style: Style) -> String {
    let plan = &created.plan;
    let title = format!("run {} needs you: {}", request.run, name(&request.gate));
    let expiry = if request.expires_at > now {
        format!(
            "expires {} ({}), then: no",
            request.expires_at.time_of_day(),
            until(request.expires_at, now)
        )
    } else {
        String::from("EXPIRED")
    };
    let mut lines = Vec::new();
    let mut line = |label: &str, value: &str| {
        for (i, part) in wrap(value, WIDTH - 15).into_iter().enumerate() {
            lines.push(format!("{:<10} {part}", if i == 0 { label } else { "" }));
        }
    };
    line("Question", &sentence(&request.ask));
    line("Runbook", &sentence(&format!("{}: {}", plan.runbook, plan.description)));
    // The question before a call is about its steps.
    let call = plan.node(&request.gate).filter(|n| n.action == CALL);
    let asked = |n: &&Node| n.section.is_work() && n.may_change() && call.is_none_or(|c| c.opens(n));
    let changes: Vec<&Node> = plan.nodes.iter().filter(asked).collect();
    for (i, node) in changes.iter().take(CHANGES).enumerate() {
        let step = format!("{}  {}", name(&node.id), does(node));
        line(if i == 0 { "Steps" } else { "" }, &step);
    }
    if changes.len() > CHANGES {
        line("", &format!("and {} more", changes.len() - CHANGES));
    }
    let hosts = call.map_or_else(|| plan.changed_hosts(), |_| plan::hosts_of(&changes));
    line("Hosts", &describe::hosts(&hosts, 12));
    for pool in &plan.pools {
        let out = pool.members.iter().filter(|m| !member::in_service(m)).count();
        line(
            "Pool",
            &format!(
                "{} when planned; {} out already",
                describe::capacity(&pool.now),
                count(out, "member")
            ),
        );
    }
    let because = created.reason.as_deref().map_or_else(String::new, |r| format!(", because {r}"));
    line("Asked by", &sentence(&format!("{}{because}", created.by)));
    if !so_far.is_empty() {
        line("So far", &sentence(so_far));
    }
    let people = if request.from.is_empty() {
        String::from("nobody")
    } else {
        request
            .from
            .iter()
            .map(|who| if who == "*" { "anybody" } else { who.as_str() })
            .collect::<Vec<_>>()
            .join(", ")
    };
    line(
        "Who may",
        &sentence(&format!("{people} ({} needed)", count(request.quorum as usize, "yes"))),
    );
    line("Digest", &format!("sha256:{}", one_line(&request.digest, 64)));
    let run = describe::bare(request.run);
    let gate = name(&request.gate);
    line("Answer", &format!("runbook approve {run} {gate}   or   runbook deny {run} {gate}"));
    boxed(&title, &expiry, &lines, style)
}

fn boxed(title: &str, right: &str, lines: &[String], style: Style) -> String {
    let used = title.chars().count() + right.chars().count() + 8;
    let rule = "─".repeat(WIDTH.saturating_sub(used).max(1));
    let mut text = format!("┌ {} ─{rule} {right} ─┐\n", style.paint(Tint::Notice, title));
    for line in lines {
        let pad = " ".repeat((WIDTH - 4).saturating_sub(line.chars().count()));
        let _ = writeln!(text, "│ {line}{pad} │");
    }
    let _ = writeln!(text, "└{}┘", "─".repeat(WIDTH - 2));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::{self, at};

    #[test]
    fn the_box_says_what_would_be_done_and_nothing_escapes_from_it() {
        let mut request = sample::request();
        request.ask.push_str(" \u{1b}[2J\u{202e}really");
        let shown = text(&request, &sample::created(), "2 steps ok, 0 failed", at(61_000), Style::PLAIN);
        let expected = r"┌ run #3 needs you: approve_restart ───────────────── expires 03:44:08 (in 29m), then: no ─┐
│ Question   Restart app on web-01? \u{1b}[2J\u{202e}really                                │
│ Runbook    recover-master: Take the overloaded web server out of the pool, free its      │
│            memory, put it back, share load.                                              │
│ Steps      return_others[web-02].other_ready  will change: web-02: maint → ready         │
│            drain_master  will change: web-01: ready → drain                              │
│            free_memory@web-01  will change: restart app                                  │
│            return_master  will change: web-01: drain → ready                             │
│            share_load  might change, CANNOT BE UNDONE, known at run time: the file       │
│            differs when its members do                                                   │
│ Hosts      lb-01 web-01                                                                  │
│ Pool       web 1/2 serving (min 1) when planned; 1 member out already                    │
│ Asked by   mira, because HostOutOfMemory                                                 │
│ So far     2 steps ok, 0 failed                                                          │
│ Who may    web_owners (1 yes needed)                                                     │
│ Digest     sha256:9c1eb07d4f0a52a3c1b2e97d61f0c4d2a9b8e7f6a5c4d3b2e1f0a9b8c7d6e5b0       │
│ Answer     runbook approve 3 approve_restart   or   runbook deny 3 approve_restart       │
└──────────────────────────────────────────────────────────────────────────────────────────┘
";
        assert_eq!(shown, expected);
    }
}
