//! Generated plans of few and of many hosts: what is folded, what is named, what stays apart.

use std::time::Instant;

use super::general;
use crate::base::id::HostName;
use crate::model::action::{Class, Undo};
use crate::model::plan::{Forecast, Node, Plan, Section};
use crate::report::style::Style;
use crate::report::{plan, plan_json, plan_markdown, sample};

fn host(n: usize) -> String {
    format!("web-{n:03}")
}

/// One step on so many hosts: each third needs it, the fourth is not known, the others are as wanted.
fn plan_of(hosts: usize) -> Plan {
    let mut plan = sample::plan();
    plan.pools.clear();
    plan.nodes = (1..=hosts).map(|n| limits(n, n % 3 == 2)).collect();
    if hosts >= 4 {
        plan.nodes[3].forecast = Forecast::AtRunTime {
            why: format!("{} does not answer", host(4)),
        };
        plan.nodes[3].diff = None;
    }
    plan
}

fn limits(n: usize, needs: bool) -> Node {
    let mut node = sample::node("limits", Section::Steps, None);
    node.class = Class::Reversible;
    node.undo = Undo::Keep;
    node.forecast = if needs {
        Forecast::WillChange {
            summary: format!("{}: write /etc/limits", host(n)),
        }
    } else {
        Forecast::NothingToDo {
            summary: String::from("already so"),
        }
    };
    node.diff = needs.then(|| String::from("-nofile 1024\n+nofile 4096\n"));
    node.on(HostName::from(host(n).as_str()))
}

fn steps(text: &str) -> &str {
    let from = text.find("     step").expect("it is there");
    &text[from..text.find("\nPlan:").expect("it is there")]
}

#[test]
fn six_hosts_of_which_some_need_it_are_one_row() {
    let shown = plan::text(&plan_of(6), Style::PLAIN);
    let expected = r"     step    on                    what it does                    if it fails
  ~  limits  6 hosts, 2 need it,   will change: write /etc/limits  stays
             1 may
        need it: web-002 web-005
        on web-004: might change, known at run time: web-004 does not answer
        on web-001 web-003 and 1 more: nothing to do: already so
        on web-002 web-005:
        -nofile 1024
        +nofile 4096

warning: no watcher: nobody is told if this machine dies
Way back: from any step to the start. What limits does stays.";
    assert_eq!(steps(&shown), expected);
}

#[test]
fn two_hundred_hosts_are_one_row_that_names_those_that_change() {
    let shown = plan::text(&plan_of(200), Style::PLAIN);
    let steps = steps(&shown);
    assert!(steps.contains("200 hosts, 67 need"), "{steps}");
    assert!(steps.contains("will change: write /etc/limits"), "the words name no host: {steps}");
    assert!(steps.contains("need it: web-002 web-005 web-008"), "{steps}");
    assert!(steps.contains("and 55 more"), "{steps}");
    assert_eq!(steps.matches("+nofile 4096").count(), 1, "{steps}");
    assert!(
        steps.contains("        on web-002 web-005 and 65 more:\n        -nofile 1024\n"),
        "{steps}"
    );
    assert!(steps.lines().count() < 15, "{steps}");
    assert!(steps.lines().all(|l| l.chars().count() <= 100), "{steps}");

    let markdown = plan_markdown::text(&plan_of(200));
    let rows: Vec<&str> = markdown.lines().filter(|l| l.starts_with("| limits")).collect();
    assert_eq!(rows.len(), 1, "{markdown}");
    assert!(
        rows[0].starts_with("| limits | 200 hosts, 67 need it, 1 may | will change: write /etc/limits<br>need it: web-002"),
        "{markdown}"
    );
    assert_eq!(markdown.matches("+nofile 4096").count(), 1, "{markdown}");
    assert!(markdown.contains("`limits` on web-002 web-005 and 65 more:\n"), "{markdown}");

    let json = plan_json::json(&plan_of(200));
    assert_eq!(json["nodes"].as_array().expect("it is there").len(), 200);
}

#[test]
fn few_hosts_keep_a_row_for_each_outcome() {
    let shown = plan::text(&plan_of(3), Style::PLAIN);
    let steps = steps(&shown);
    assert!(steps.contains("  =  limits  web-001 web-003  nothing to do: already so"), "{steps}");
    assert!(
        steps.contains("  ~  limits  web-002          will change: web-002: write /etc/limits"),
        "{steps}"
    );
}

#[test]
fn hosts_that_each_say_something_else_are_counted_after_a_few() {
    let mut plan = plan_of(40);
    for (n, node) in plan.nodes.iter_mut().enumerate() {
        node.class = Class::Probe;
        node.diff = None;
        node.forecast = Forecast::Reads {
            summary: format!("{n} % used"),
        };
    }
    let shown = plan::text(&plan, Style::PLAIN);
    let steps = steps(&shown);
    assert!(steps.contains("40 hosts"), "{steps}");
    assert!(!steps.contains("need"), "{steps}");
    assert!(steps.contains("        on web-004: looks: 3 % used\n"), "{steps}");
    assert!(
        steps.contains("        on 36 more, each in its own words: looks; `-o json` has them all\n"),
        "{steps}"
    );
}

#[test]
fn different_diffs_are_all_shown_each_with_its_hosts() {
    let mut plan = plan_of(8);
    for node in plan.nodes.iter_mut().filter(|n| n.diff.is_some()) {
        let which = node.host.clone().expect("it is there");
        node.diff = Some(format!("+host {which}\n"));
    }
    let shown = plan::text(&plan, Style::PLAIN);
    assert!(
        shown.contains("        on web-002:\n        +host web-002\n        on web-005:\n        +host web-005\n"),
        "{shown}"
    );
}

#[test]
fn the_order_of_rows_is_that_of_the_plan() {
    let mut plan = plan_of(6);
    let mut others = Vec::new();
    for n in 1..=6 {
        others.push(sample::node("after", Section::Steps, None).on(HostName::from(host(n).as_str())));
    }
    plan.nodes.extend(others);
    let shown = plan::text(&plan, Style::PLAIN);
    let at = |text: &str| shown.find(text).expect("it is there");
    assert!(at("limits  6 hosts") < at("after   web-001 web-002"), "{shown}");
    assert!(shown.contains("Plan: 2 steps, "), "{shown}");
}

#[test]
fn a_step_on_many_hosts_counts_once() {
    let mut plan = plan_of(30);
    for node in &mut plan.nodes {
        node.undo = Undo::Impossible;
    }
    assert!(
        plan::total(&plan).contains("1 irreversible step, 1 known at run time"),
        "{}",
        plan::total(&plan)
    );
}

#[test]
fn a_name_is_left_out_only_where_it_is_the_hosts_own() {
    for (text, expected) in [
        ("will change: web-1: run x", "will change: run x"),
        ("app on web-1: restart", "app on each: restart"),
        ("run on web-1.", "run on each."),
        ("web-1 does not answer", "the host does not answer"),
        (
            "copy web-10 to web-1-old, xweb-1, web-1.example",
            "copy web-10 to web-1-old, xweb-1, web-1.example",
        ),
    ] {
        assert_eq!(general(text, "web-1"), expected);
    }
}

#[test]
fn words_that_name_one_host_on_all_hosts_keep_it() {
    let mut plan = plan_of(6);
    for node in &mut plan.nodes {
        node.diff = None;
        node.forecast = Forecast::WillChange {
            summary: String::from("copy the file from web-001"),
        };
    }
    let shown = plan::text(&plan, Style::PLAIN);
    assert!(shown.contains("will change: copy the file from web-001"), "{shown}");
}

#[test]
fn a_host_that_is_meant_by_its_name_is_not_taken_for_each_host_itself() {
    for froms in [[1, 2, 1, 1], [1, 1, 2, 3], [2, 1, 1, 2]] {
        let mut plan = plan_of(4);
        for (node, from) in plan.nodes.iter_mut().zip(froms) {
            node.diff = None;
            // Something else between them, so that none is its neighbour's like.
            node.owes = Some(node.id.clone());
            node.forecast = Forecast::NothingToDo {
                summary: format!("copied from {}", host(from)),
            };
        }
        let shown = plan::text(&plan, Style::PLAIN);
        for (n, from) in froms.into_iter().enumerate().map(|(n, from)| (n + 1, from)) {
            if n != from {
                let named = format!("copied from {}", host(from));
                assert!(shown.contains(&named), "{froms:?}: {shown}");
            }
        }
    }
}

#[test]
fn notes_stand_once_and_are_counted_after_a_few() {
    let mut plan = plan_of(30);
    for (n, node) in plan.nodes.iter_mut().enumerate() {
        node.notes = vec![String::from("only if params.now"), format!("round {n}")];
    }
    let shown = plan::text(&plan, Style::PLAIN);
    assert_eq!(shown.matches("        only if params.now\n").count(), 1, "{shown}");
    assert!(
        shown.contains("        note: 25 more on single hosts; `-o json` has them all\n"),
        "{shown}"
    );
}

/// Each of two thousand hosts in its own words: it must not grow with the square of the hosts.
#[test]
fn many_hosts_in_their_own_words_are_drawn_at_once() {
    let mut plan = plan_of(2000);
    for (n, node) in plan.nodes.iter_mut().enumerate() {
        node.forecast = Forecast::AtRunTime { why: format!("load {n}") };
    }
    let start = Instant::now();
    let shown = plan::text(&plan, Style::PLAIN);
    assert!(shown.contains("2000 hosts, all may"), "{}", steps(&shown));
    assert!(start.elapsed().as_secs() < 3, "{:?}", start.elapsed());
}
