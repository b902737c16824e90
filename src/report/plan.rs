//! The plan for a terminal: what every step will do, what it means for the pools, why it is refused.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::describe::{self, count, name, sentence};
use super::member;
use super::node::{Sign, sign};
use super::plan_rows;
use super::style::{Style, Tint};
use super::table::{Table, wrap};
use super::way_back;
use crate::base::id::RowId;
use crate::model::plan::{Forecast, Node, Plan, PoolForecast, Refusal, hosts_of};

/// Columns that a plan is laid out for.
pub(super) const WIDTH: usize = 100;
/// Members shown of a pool that has more; those that are out come first.
const MEMBERS: usize = 12;

/// The whole plan.
#[must_use]
pub fn text(plan: &Plan, style: Style) -> String {
    let mut text = header(plan, style);
    for pool in &plan.pools {
        text.push('\n');
        text.push_str(&pool_lines(plan, pool, style));
    }
    text.push_str(&invariants(plan, style));
    text.push('\n');
    text.push_str(&plan_rows::text(plan, style));
    for refusal in &plan.refusals {
        text.push('\n');
        text.push_str(&refusal_block(refusal, style));
    }
    text.push('\n');
    for warning in &plan.warnings {
        let _ = writeln!(text, "{} {}", style.paint(Tint::Notice, "warning:"), sentence(warning));
    }
    if let Some(way) = way_back::line(plan).filter(|_| plan.refusals.is_empty()) {
        for (i, line) in wrap(&way, WIDTH - 10).iter().enumerate() {
            let _ = writeln!(text, "{}{line}", if i == 0 { "Way back: " } else { "          " });
        }
    }
    let _ = writeln!(text, "{}", total(plan));
    let _ = writeln!(text, "Plan digest  sha256:{}", name_of_digest(&plan.digest));
    text
}

/// `Plan: 9 steps, 2 hosts to change, …`: the last line but one.
#[must_use]
pub fn total(plan: &Plan) -> String {
    if !plan.refusals.is_empty() {
        return format!("Plan: REFUSED for {}; nothing will be done.", count(plan.refusals.len(), "reason"));
    }
    // A step counts once, on however many hosts it does the same.
    let work: Vec<&Node> = plan.nodes.iter().filter(|n| n.section.is_work()).collect();
    let steps: BTreeSet<&str> = work.iter().map(|n| n.step.as_str()).collect();
    let mut parts = vec![count(steps.len(), "step")];
    if plan.nothing_to_do() {
        parts.push(String::from("nothing to do"));
    } else {
        parts.push(format!("{} to change", count(plan.changed_hosts().len(), "host")));
    }
    let number = |test: &dyn Fn(&Node) -> bool| {
        let rows: BTreeSet<&RowId> = work.iter().filter(|n| test(n)).map(|n| &n.row).collect();
        rows.len()
    };
    let irreversible = number(&|n| sign(n) == Sign::NoWayBack);
    let asks = |n: &Node| matches!(n.forecast, Forecast::Asks { .. });
    let questions = number(&|n| asks(n) && !n.is_task());
    let tasks = number(&|n| asks(n) && n.is_task());
    let open = number(&|n| matches!(n.forecast, Forecast::AtRunTime { .. }));
    if irreversible > 0 {
        parts.push(count(irreversible, "irreversible step"));
    }
    if questions > 0 {
        parts.push(count(questions, "approval"));
    }
    if tasks > 0 {
        parts.push(count(tasks, "manual step"));
    }
    if open > 0 {
        parts.push(format!("{open} known at run time"));
    }
    format!("Plan: {}.", parts.join(", "))
}

fn header(plan: &Plan, style: Style) -> String {
    let mut text = format!("{}  {}", style.paint(Tint::Strong, "Runbook"), name(&plan.runbook));
    if plan.offline {
        text.push_str("   (offline: no host was looked at)");
    }
    text.push('\n');
    let mut lines = |label: &str, value: String| {
        for (i, part) in wrap(&value, WIDTH - 9).iter().enumerate() {
            let label = if i == 0 { label } else { "" };
            let _ = writeln!(text, "{}{}  {part}", style.paint(Tint::Strong, label), " ".repeat(7 - label.len()));
        }
    };
    if !plan.description.is_empty() {
        lines("", sentence(&plan.description));
    }
    if !plan.params.is_empty() {
        let shown = plan
            .params
            .iter()
            .map(|(key, value)| format!("{}={}", name(key), describe::value(value)));
        lines("Params", shown.collect::<Vec<_>>().join(" "));
    }
    let hosts = hosts_of(&plan.nodes);
    let changed = plan.changed_hosts();
    let changes = if changed.is_empty() {
        String::from("none to change")
    } else {
        format!("to change: {}", describe::hosts(&changed, 12))
    };
    lines("Hosts", format!("{}, {changes}", hosts.len()));
    text
}

fn pool_lines(plan: &Plan, pool: &PoolForecast, style: Style) -> String {
    let now = &pool.now;
    let mut text = format!(
        "{}     {}: {} of {} serving, {} enabled, minimum {}\n",
        style.paint(Tint::Strong, "Pool"),
        name(&now.pool),
        now.serving,
        now.total,
        now.enabled,
        now.minimum
    );
    let mut members: Vec<_> = pool.members.iter().collect();
    let left = members.len().saturating_sub(MEMBERS);
    if left > 0 {
        members.sort_by_key(|m| member::in_service(m));
        members.truncate(MEMBERS);
    }
    if !members.is_empty() {
        let mut table = Table::new(&member::HEADINGS);
        for one in members {
            table.row(member::row(&now.pool, one, plan.made_at, &[]));
        }
        for line in table.render(style).lines() {
            let _ = writeln!(text, "         {line}");
        }
    }
    if left > 0 {
        let _ = writeln!(text, "         and {left} more, all in service or shown by `runbook status`");
    }
    text
}

/// What is judged before and after every change, a line each.
fn invariants(plan: &Plan, style: Style) -> String {
    if plan.invariants.is_empty() {
        return String::new();
    }
    let mut text = format!("\n{}\n", style.paint(Tint::Strong, "Invariants"));
    for watch in &plan.invariants {
        let _ = writeln!(text, "         {}", describe::invariant(watch));
    }
    text
}

fn refusal_block(refusal: &Refusal, style: Style) -> String {
    let word = style.paint(Tint::Bad, "REFUSED");
    let mut text = String::new();
    for (i, line) in wrap(&sentence(&refusal.message), WIDTH - 9).iter().enumerate() {
        let _ = writeln!(text, "{}  {line}", if i == 0 { word.as_str() } else { "       " });
    }
    for (i, line) in refusal.counterexample.iter().enumerate() {
        let _ = writeln!(text, "         {}. {}", i + 1, sentence(line));
    }
    if let Some(instead) = &refusal.instead {
        let _ = writeln!(text, "         what works instead: {}", sentence(instead));
    }
    text
}

fn name_of_digest(digest: &str) -> String {
    // A digest is 64 characters; a name is cut before that.
    crate::base::sanitise::one_line(digest, 64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn a_plan_reads_at_a_hundred_columns() {
        let shown = text(&sample::plan(), Style::PLAIN);
        let expected = r"Runbook  recover-master
         Take the overloaded web server out of the pool, free its memory, put it back, share load.
Params   master=web-01 pool=web
Hosts    3, to change: lb-01 web-01

Pool     web: 1 of 2 serving, 1 enabled, minimum 1
         MEMBER  STATE  UP    SINCE                        OWNED BY
         web-01  ready  up    2026-11-11T03:14:07Z (10d)
         web-02  maint  DOWN  2026-11-20T00:14:07Z (1d3h)  nobody

     step                  on             what it does                            if it fails
  before anything:
  ?  require.1             control        looks: 200 OK
  then return_others web-02:
  ?  other_healthy         control        looks: 200 OK
  ~  other_ready           lb-01          will change: web-02: maint → ready      stays
        then web 2/2 serving (min 1)
  then:
  ~  drain_master          lb-01          will change: web-01: ready → drain      owes return_master
        then web 1/2 serving (min 1)
  ~  free_memory           web-01         will change: restart app                nothing to undo
  ?  free_memory.verify.1  web-01         looks: 200 OK
  ~  return_master         lb-01          will change: web-01: drain → ready      stays
        then web 2/2 serving (min 1)
  !  share_load            lb-01          might change, CANNOT BE UNDONE, known   point of no return
                                          at run time: the file differs when its
                                          members do
        note: the balancer is reloaded; member states are kept
        @@ -12 +12 @@
        -  balance leastconn
        +  balance roundrobin
  to reach the goal:
  ?  verify.1              web-01 web-02  looks: it takes traffic: 200 OK
  only if the run fails:
  ~  page                  control        will change: tell oncall_web            nothing to undo

warning: no watcher: nobody is told if this machine dies
Way back: to the start until share_load is done, then only as far as share_load. What other_ready
          does stays.
Plan: 9 steps, 2 hosts to change, 1 irreversible step, 1 known at run time.
Plan digest  sha256:9c1eb07d4f0a52a3c1b2e97d61f0c4d2a9b8e7f6a5c4d3b2e1f0a9b8c7d6e5b0
";
        assert_eq!(shown, expected);
        assert!(shown.lines().all(|l| l.chars().count() <= WIDTH), "{shown}");
    }

    #[test]
    fn invariants_are_a_line_each() {
        let mut plan = sample::plan();
        for (name, from, standing) in [
            ("Half of the pool serves", None, "holds now and after each step"),
            ("Never two primaries", Some("promote".into()), "known at run time: planned offline"),
        ] {
            plan.invariants.push(crate::model::plan::Watch {
                id: "invariants.1".into(),
                name: name.to_owned(),
                from,
                since: None,
                until: None,
                call: None,
                standing: standing.to_owned(),
            });
        }
        let lines = "\nInvariants\n         Half of the pool serves: holds now and after each step\n         \
            Never two primaries (from promote on): known at run time: planned offline\n\n     step ";
        let shown = text(&plan, Style::PLAIN);
        assert!(shown.contains(lines), "{shown}");
        let markdown = crate::report::plan_markdown::text(&plan);
        assert!(
            markdown.contains("Invariant: Half of the pool serves: holds now and after each step\n"),
            "{markdown}"
        );
        let document = crate::report::plan_json::json(&plan);
        assert_eq!(document["invariants"][1]["from"], "promote");
    }

    #[test]
    fn a_refusal_shows_how_it_goes_wrong_and_what_works() {
        let mut plan = sample::plan();
        plan.refusals.push(Refusal {
            node: Some("drain_master".into()),
            message: String::from("after drain_master pool `web` has 0 of 2 in service, minimum 1"),
            counterexample: vec![
                String::from("web-02 has been in MAINT since 2026-11-20T00:14:07Z; nobody owns that"),
                String::from("drain_master takes web-01 out: 0 of 2 in service"),
            ],
            order: Vec::new(),
            instead: Some(String::from("return web-02 first")),
        });
        let shown = text(&plan, Style::PLAIN);
        let shown = &shown[shown.find("REFUSED").unwrap_or(0)..];
        let expected = r"REFUSED  after drain_master pool `web` has 0 of 2 in service, minimum 1
         1. web-02 has been in MAINT since 2026-11-20T00:14:07Z; nobody owns that
         2. drain_master takes web-01 out: 0 of 2 in service
         what works instead: return web-02 first

warning: no watcher: nobody is told if this machine dies
Plan: REFUSED for 1 reason; nothing will be done.
Plan digest  sha256:9c1eb07d4f0a52a3c1b2e97d61f0c4d2a9b8e7f6a5c4d3b2e1f0a9b8c7d6e5b0
";
        assert_eq!(shown, expected);
    }
}
