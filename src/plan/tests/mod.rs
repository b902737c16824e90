//! Tests of planning as a whole: runbooks compiled with the real catalogue, planned against a small inventory.

mod alike;
mod brute;
mod calls;
mod canonical;
mod capacity;
mod control;
mod digest;
mod graph;
mod invariants;
mod names;
mod order;
mod pages;
mod params;
mod perhaps;
mod proof;
mod worlds;

use std::collections::BTreeMap;

use super::{PlanInput, Planning, Seen, params as parameters, plan};
use crate::action::CATALOG;
use crate::base::clock::Timestamp;
use crate::base::id::HostName;
use crate::diagnostic::{Diagnostics, Sources};
use crate::model::inventory::Inventory;
use crate::model::operation::{Operation, Output, Trouble, TroubleKind};
use crate::model::plan::{Node, Plan};
use crate::model::runbook::Runbook;
use crate::{inventory, lang};

const HOSTS: &str = "\
hosts:
  lb-01: { address: 192.0.2.10 }
  web-01: { address: 192.0.2.11 }
  web-02: { address: 192.0.2.12 }
  web-03: { address: 192.0.2.13 }
  web-04: { address: 192.0.2.14 }
  web-05: { address: 192.0.2.15 }
groups:
  webservers: { hosts: [web-01, web-02], vars: { http_port: 8080, role: web } }
  all_web: { hosts: ['web-[01:05]'] }
  balancers: { hosts: [lb-01] }
pools:
  web: { kind: haproxy, balancers: balancers, members: all_web, min_in_service: 1 }
";

/// Lines before the steps of every runbook here.
const HEAD: &str = "runbook: example\nlanguage: 1\ndescription: An example\n";

fn hosts() -> Inventory {
    let mut sources = Sources::new();
    let id = sources.add("hosts.yaml", HOSTS);
    let (found, mistakes) = inventory::parse(&sources, &[(id, String::from("/"))]);
    found.unwrap_or_else(|| panic!("{mistakes:#?}"))
}

fn compiled(text: &str, others: &[(&str, &str)]) -> Runbook {
    let mut sources = Sources::new();
    let id = sources.add("example.yaml", text);
    for (name, text) in others {
        sources.add(*name, *text);
    }
    let (found, mistakes) = lang::compile(&sources, id, None, &CATALOG);
    found.unwrap_or_else(|| panic!("{text}\n{mistakes:#?}"))
}

/// Plans a text; nobody answers, so whatever looks finds its host unreachable.
fn planned(text: &str, given: &[(&str, &str)], offline: bool) -> Result<Plan, Diagnostics> {
    planned_with(text, &[], given, offline)
}

/// As [`planned`], with files that the runbook calls.
fn planned_with(text: &str, others: &[(&str, &str)], given: &[(&str, &str)], offline: bool) -> Result<Plan, Diagnostics> {
    planned_on((text, others), given, offline, &|_| None)
}

/// As [`planned`], with answers to some looks.
fn planned_seeing(
    text: &str,
    given: &[(&str, &str)],
    offline: bool,
    answer: &dyn Fn(&Operation) -> Option<Output>,
) -> Result<Plan, Diagnostics> {
    planned_on((text, &[]), given, offline, answer)
}

fn planned_on(
    (text, others): (&str, &[(&str, &str)]),
    given: &[(&str, &str)],
    offline: bool,
    answer: &dyn Fn(&Operation) -> Option<Output>,
) -> Result<Plan, Diagnostics> {
    let (runbook, inventory) = (compiled(text, others), hosts());
    let mut all = Sources::new();
    all.add("example.yaml", text);
    others.iter().for_each(|(name, text)| {
        all.add(*name, *text);
    });
    let whole = all.whole();
    let given: BTreeMap<String, String> = given.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let (params, mistakes) = parameters::resolve(&runbook, &inventory, &given);
    if mistakes.has_errors() {
        return Err(mistakes);
    }
    let input = PlanInput {
        runbook: &runbook,
        text: &whole,
        inventory: &inventory,
        params: &params,
        catalog: &CATALOG,
        limit: None,
        max_hosts: None,
        offline,
        now: Timestamp(0),
    };
    let mut seen = Seen::new();
    for _ in 0..16 {
        match plan(input, &seen)? {
            Planning::Done(plan) => return Ok(*plan),
            Planning::Needs(operations) => {
                for operation in operations {
                    assert!(operation.act.reads(), "a plan only looks: {operation:?}");
                    let unreachable = Trouble {
                        kind: TroubleKind::Unreachable,
                        message: String::from("nobody answers"),
                        may_have_happened: false,
                    };
                    let output = answer(&operation).unwrap_or(Output::Failed(unreachable));
                    seen.record(&operation, output);
                }
            }
        }
    }
    panic!("the plan does not come to an end")
}

fn offline(text: &str) -> Plan {
    planned(&format!("{HEAD}{text}"), &[], true).unwrap_or_else(|d| panic!("{text}\n{d:#?}"))
}

fn node<'p>(plan: &'p Plan, id: &str) -> &'p Node {
    let known: Vec<&str> = plan.nodes.iter().map(|n| n.id.as_str()).collect();
    plan.node(&id.into()).unwrap_or_else(|| panic!("no {id} among {known:?}"))
}

fn names(hosts: &[HostName]) -> Vec<&str> {
    hosts.iter().map(HostName::as_str).collect()
}
