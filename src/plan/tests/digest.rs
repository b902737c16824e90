//! What people approve: the digest stays while nothing matters, and moves with everything that does.

use super::{HEAD, hosts, offline, planned};
use crate::base::clock::Timestamp;
use crate::model::plan::{Forecast, Plan};
use crate::model::value::Value;
use crate::plan::digest::digest;

const STEPS: &str = "hosts: webservers\nsteps:\n  - { id: look, facts: [memory] }\n  \
                     - { id: write, file.write: { path: /etc/motd, content: hello } }\n";

type Change = fn(&mut Plan);

fn of(plan: &Plan) -> String {
    digest(plan, STEPS, &hosts())
}

#[test]
fn what_changes_by_itself_does_not_count() {
    let plan = offline(STEPS);
    let mut later = plan.clone();
    later.made_at = Timestamp(99_000);
    later.warnings.push(String::from("somebody looks on"));
    later.description.push_str(", told better");
    for node in &mut later.nodes {
        if let Forecast::AtRunTime { why } | Forecast::Reads { summary: why } = &mut node.forecast {
            why.push_str(" (for 23h)");
        }
        node.notes.push(String::from("a note"));
        node.name.push('!');
        node.after.clear();
    }
    assert_eq!(of(&plan), of(&later));
    // What differs between hosts but does not count must not count by telling them apart.
    later.nodes[0].notes.push(String::from("only here"));
    assert_eq!(of(&plan), of(&later));
    let again = planned(&format!("{HEAD}{STEPS}"), &[], true).unwrap();
    assert_eq!(again.digest, plan.digest);
    assert_eq!(plan.digest.len(), 64);
}

#[test]
fn whatever_decides_what_is_done_counts() {
    let plan = offline(STEPS);
    let before = of(&plan);
    let changes: [(&str, Change); 11] = [
        ("an argument", |p| {
            let write = p.nodes.iter_mut().find(|n| n.action == "file.write").unwrap();
            write.arguments.0.insert(String::from("content"), Value::text("HELLO"));
        }),
        ("a host", |p| p.nodes[2].host = Some("web-05".into())),
        ("a touched host", |p| p.nodes[2].reaches.push("web-05".into())),
        ("the order", |p| p.nodes[2].needs.clear()),
        ("a diff", |p| p.nodes[2].diff = Some(String::from("-a\n+b\n"))),
        ("a debt", |p| p.nodes[2].owes = Some("look@web-01".into())),
        ("the way back", |p| p.nodes[2].undo = crate::model::action::Undo::Impossible),
        ("a forecast", |p| {
            p.nodes[2].forecast = Forecast::WillChange {
                summary: String::from("x"),
            }
        }),
        ("a parameter", |p| {
            p.params.insert(String::from("n"), Value::Int(1));
        }),
        ("a node more", |p| p.nodes.push(p.nodes[0].clone())),
        ("a node less", |p| {
            p.nodes.pop();
        }),
    ];
    for (what, change) in changes {
        let mut other = plan.clone();
        change(&mut other);
        assert_ne!(of(&other), before, "{what}");
    }
    assert_ne!(digest(&plan, "another text", &hosts()), before);
    let mut moved = hosts();
    moved.hosts.get_mut("web-01").unwrap().address = Some(String::from("192.0.2.99"));
    assert_ne!(digest(&plan, STEPS, &moved), before);
}
