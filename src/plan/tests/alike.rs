//! Without a look, hosts that are alike share what one of them came to; the plan must be the same as if each had been judged.

use std::collections::BTreeMap;

use crate::action::CATALOG;
use crate::base::clock::Timestamp;
use crate::diagnostic::Sources;
use crate::model::inventory::Inventory;
use crate::model::plan::{Plan, rows_of};
use crate::plan::alike::Kinds;
use crate::plan::expand::Planner;
use crate::plan::{PlanInput, Planning, Seen};

use super::{HEAD, compiled};

/// Forty hosts: some in a pool, some with other rights, some with another place for their services, one under maintenance.
fn fleet() -> Inventory {
    let mut text = String::from("hosts:\n  lb-01: { address: 192.0.2.9 }\n");
    for n in 1..=40 {
        let more = match n {
            7 => ", user: deploy",
            10 => ", run_as: login",
            11 => ", vars: { service_dir: /elsewhere }",
            12 => ", maintenance: a new disk",
            13 => ", vars: { rack: r1 }",
            _ => "",
        };
        text.push_str(&format!("  web-{n:02}: {{ address: 192.0.2.{}{more} }}\n", n + 100));
    }
    text.push_str(
        "groups:\n  all_web: { hosts: ['web-[01:40]'] }\n  few: { hosts: ['web-[20:22]'] }\n  lbs: { hosts: [lb-01] }\npools:\n  \
         web: { kind: haproxy, balancers: lbs, members: few, min_in_service: 1 }\n",
    );
    let mut sources = Sources::new();
    let id = sources.add("hosts.yaml", text);
    let (found, mistakes) = crate::inventory::parse(&sources, &[(id, String::from("/"))]);
    found.unwrap_or_else(|| panic!("{mistakes:#?}"))
}

fn planned(text: &str, inventory: &Inventory, share: bool) -> Plan {
    let runbook = compiled(text, &[]);
    let input = PlanInput {
        runbook: &runbook,
        text,
        inventory,
        params: &BTreeMap::new(),
        catalog: &CATALOG,
        limit: None,
        max_hosts: None,
        offline: true,
        now: Timestamp(0),
    };
    let seen = Seen::new();
    let mut planner = Planner::new(input, &seen);
    if !share {
        planner.kinds = Kinds::default();
    }
    match planner.run() {
        Ok(Planning::Done(plan)) => *plan,
        other => panic!("{other:#?}"),
    }
}

/// Everything that makes hosts differ for a step: rights, pools, results of steps on some hosts only, conditions on them, loops.
const STEPS: [&str; 6] = [
    "  - { id: look, facts: [memory] }\n  - { id: act, when: steps.look.memory.available_percent < 20, undo: none, command: { argv: [clean] } }\n",
    "  - { id: some, hosts: few, facts: [memory] }\n  - { id: act, when: steps.some.ok, undo: none, command: { argv: [clean] } }\n",
    "  - { id: one, hosts: web-03, undo: none, command: { argv: [look] } }\n  - { id: act, when: steps.one.changed, undo: none, command: { argv: [clean] } }\n",
    "  - { id: restart, service: { name: app, state: restarted } }\n  - { id: say, when: steps.restart.changed, undo: none, shell: { script: echo hello } }\n",
    "  - { id: look, facts: [memory] }\n  - { id: count, when: size(steps.look.all) > 3, undo: none, command: { argv: [clean] } }\n",
    "  - id: roll\n    for_each: { as: it, items: [a, b] }\n    steps:\n      - { id: inner, undo: none, command: { argv: [clean, '{{it}}'] } }\n      - { id: after, when: steps.inner.ok, service: { name: '{{it}}', state: started } }\n  - { id: end, undo: none, command: { argv: [end] } }\n",
];

#[test]
fn a_plan_with_shared_forecasts_is_the_plan_without() {
    let inventory = fleet();
    let mut shared = 0;
    for steps in STEPS {
        let text = format!("{HEAD}hosts: all_web\nsteps:\n{steps}");
        let (with, without) = (planned(&text, &inventory, true), planned(&text, &inventory, false));
        assert_eq!(
            serde_json::to_value(&with).unwrap(),
            serde_json::to_value(&without).unwrap(),
            "{steps}"
        );
        shared += rows_of(&with.nodes).filter(|like| like.len() > 10).count();
    }
    assert!(shared >= STEPS.len(), "hardly anything was shared, so nothing was proved: {shared}");
}

#[test]
fn rights_and_pools_are_judged_on_each_host() {
    let inventory = fleet();
    let text = format!("{HEAD}hosts: all_web\nsteps:\n  - {{ id: restart, service: {{ name: app, state: restarted }} }}\n");
    let plan = planned(&text, &inventory, true);
    let effects: Vec<&str> = plan.nodes.iter().flat_map(|n| &n.pool_effects).map(|e| e.member.as_str()).collect();
    assert_eq!(effects, ["web-20", "web-21", "web-22"]);
    assert_eq!(plan.nodes.len(), 39, "web-12 is left out");
}
