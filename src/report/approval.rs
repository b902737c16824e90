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
use crate::model::runbook::Param;

/// Width of the box, borders included.
const WIDTH: usize = 92;
/// Changes that are listed; the whole plan is a command away.
const CHANGES: usize = 8;

/// The box. `so_far` says what happened before, `2 steps ok, 0 failed`; it may be empty.
#[must_use]
pub fn text(request: &ApprovalRequest, created: &RunCreated, so_far: &str, now: Timestamp, style: Style) -> String {
    let plan = &created.plan;
    let title = format!("run {} needs you: {}", request.run, name(&request.gate));
    let then = match (request.then.first(), &request.task) {
        (Some(next), _) => name(next),
        (None, None) => String::from("no"),
        (None, Some(_)) => String::from("failed"),
    };
    let expiry = if request.expires_at > now {
        format!(
            "expires {} ({}), then: {then}",
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
    line(if request.task.is_some() { "To do" } else { "Question" }, &sentence(&request.ask));
    line("Runbook", &sentence(&format!("{}: {}", plan.runbook, plan.description)));
    if let Some(task) = &request.task {
        for (i, field) in task.fields.iter().enumerate() {
            line(if i == 0 { "Tell" } else { "" }, &tell(field));
        }
        asker(created, so_far, &mut line);
        line("Who may", &sentence(&people(request)));
        line("When done", &answer_with(request));
        let (run, gate) = (describe::bare(request.run), name(&request.gate));
        line("If not", &format!("runbook failed {run} {gate} --reason …"));
        return boxed(&title, &expiry, &lines, style);
    }
    if !request.bare {
        planned(request, created, &mut line);
    }
    asker(created, so_far, &mut line);
    line(
        "Who may",
        &sentence(&format!("{} ({} needed)", people(request), count(request.quorum as usize, "yes"))),
    );
    line("Digest", &format!("sha256:{}", one_line(&request.digest, 64)));
    let run = describe::bare(request.run);
    let gate = name(&request.gate);
    line("Answer", &format!("runbook approve {run} {gate}   or   runbook deny {run} {gate}"));
    boxed(&title, &expiry, &lines, style)
}

/// What would be done, on which hosts, and the pools as they are.
fn planned(request: &ApprovalRequest, created: &RunCreated, line: &mut dyn FnMut(&str, &str)) {
    let plan = &created.plan;
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
    let hosts = call.map_or_else(|| plan.changed_hosts(), |_| plan::hosts_of(changes.iter().copied()));
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
}

/// The command that answers: `runbook approve 3 ask`, `runbook done 3 look --field finding=…`.
#[must_use]
pub fn answer_with(request: &ApprovalRequest) -> String {
    let (run, gate) = (describe::bare(request.run), name(&request.gate));
    match &request.task {
        None => format!("runbook approve {run} {gate}"),
        Some(task) => {
            let fields: String = task.fields.iter().map(|f| format!(" --field {}=…", name(&f.name))).collect();
            format!("runbook done {run} {gate}{fields}")
        }
    }
}

fn asker(created: &RunCreated, so_far: &str, line: &mut dyn FnMut(&str, &str)) {
    let because = created.reason.as_deref().map_or_else(String::new, |r| format!(", because {r}"));
    line("Asked by", &sentence(&format!("{}{because}", created.by)));
    if !so_far.is_empty() {
        line("So far", &sentence(so_far));
    }
}

/// `finding: what you found (string)`
fn tell(field: &Param) -> String {
    let wanted = crate::lang::convert::param_words(&field.kind);
    let words = match field.description.as_str() {
        "" => wanted,
        description => format!("{description} ({wanted})"),
    };
    let default = field.default.as_ref().map_or_else(String::new, |v| format!(", by default {v}"));
    sentence(&format!("{}: {words}{default}", field.name))
}

fn people(request: &ApprovalRequest) -> String {
    if request.from.is_empty() {
        return String::from("nobody");
    }
    let who = |who: &String| if who == "*" { "anybody".to_owned() } else { who.clone() };
    request.from.iter().map(who).collect::<Vec<_>>().join(", ")
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
    use crate::model::approval::Task;
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

    #[test]
    fn a_bare_question_shows_nothing_of_the_plan() {
        let mut request = sample::request();
        request.bare = true;
        let shown = text(&request, &sample::created(), "", at(61_000), Style::PLAIN);
        assert!(
            shown.contains("Question   Restart app on web-01?") && shown.contains("Digest     sha256:"),
            "{shown}"
        );
        for part in ["Steps", "Hosts", "Pool"] {
            assert!(!shown.contains(part), "{part}\n{shown}");
        }
    }

    #[test]
    fn something_to_do_says_what_to_tell_and_who_is_next() {
        let finding = Param {
            name: String::from("finding"),
            span: Default::default(),
            kind: crate::model::runbook::ParamKind::Text,
            default: None,
            description: String::from("What it was"),
            pattern: None,
            min: None,
            max: None,
            from: None,
        };
        let mut request = sample::request();
        request.then = vec![String::from("lead")];
        request.task = Some(Task::of(&[finding]));
        let shown = text(&request, &sample::created(), "", at(61_000), Style::PLAIN);
        let expected = r"┌ run #3 needs you: approve_restart ─────────────── expires 03:44:08 (in 29m), then: lead ─┐
│ To do      Restart app on web-01?                                                        │
│ Runbook    recover-master: Take the overloaded web server out of the pool, free its      │
│            memory, put it back, share load.                                              │
│ Tell       finding: What it was (a text)                                                 │
│ Asked by   mira, because HostOutOfMemory                                                 │
│ Who may    web_owners                                                                    │
│ When done  runbook done 3 approve_restart --field finding=…                              │
│ If not     runbook failed 3 approve_restart --reason …                                   │
└──────────────────────────────────────────────────────────────────────────────────────────┘
";
        assert_eq!(shown, expected);
        request.then.clear();
        assert!(text(&request, &sample::created(), "", at(61_000), Style::PLAIN).contains("then: failed"));
    }
}
