//! How long a large plan takes to be drawn for a terminal, in this process.

use std::time::Instant;

use runbook::base::id::HostName;
use runbook::base::value::Value;
use runbook::model::action::{Arguments, Class, Undo};
use runbook::model::plan::{Forecast, Node, Plan, Section, Shared};
use runbook::report::plan::text;
use runbook::report::style::Style;

/// Steps of the plan.
const STEPS: usize = 10;
/// Hosts of each step.
const HOSTS: usize = 1000;
/// Times that it is drawn; the best counts, for other programs only ever slow it down.
const ROUNDS: usize = 5;

/// Milliseconds for ten thousand pairs of a step and a host: neighbours differ in what becomes of them, and each third host has words and
/// a diff of its own, so that little of it can be shared.
pub fn milliseconds() -> f64 {
    let plan = Plan {
        runbook: String::from("large"),
        nodes: (0..STEPS).flat_map(|step| (0..HOSTS).map(move |host| node(step, host))).collect(),
        ..Plan::default()
    };
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let drawn = text(&plan, Style { color: true });
        best = best.min(start.elapsed().as_secs_f64() * 1e3);
        assert!(drawn.contains("step_9"), "the last step is drawn");
    }
    best
}

fn node(step: usize, host: usize) -> Node {
    let name = format!("web-{host:04}");
    let (forecast, diff) = match host % 3 {
        0 => (
            Forecast::WillChange {
                summary: format!("{name}: write /etc/app-{step}.conf"),
            },
            Some(format!("@@ -1 +1 @@\n-listen old\n+listen {name}\n")),
        ),
        1 => (
            Forecast::NothingToDo {
                summary: format!("{name} has it since {host} s"),
            },
            None,
        ),
        _ => (
            Forecast::AtRunTime {
                why: String::from("its arguments depend on what the run finds"),
            },
            None,
        ),
    };
    let shared = Shared {
        row: format!("step_{step}").as_str().into(),
        step: format!("step_{step}").as_str().into(),
        section: Section::Steps,
        turns: Vec::new(),
        call: None,
        bindings: Default::default(),
        reaches: Vec::new(),
        needs: Vec::new(),
        name: format!("Write file {step}"),
        action: String::from("file.write"),
        arguments: Arguments::from_pairs([("path", Value::text(format!("/etc/app-{step}.conf")))]),
        pause: None,
        class: Class::Reversible,
        forecast,
        diff,
        notes: vec![format!("then checks: It answers (within {step} m)")],
        undo: Undo::Keep,
        owes: None,
        pool_effects: Vec::new(),
        after: Vec::new(),
    };
    Node::new(Some(HostName::from(name.as_str())), shared)
}
