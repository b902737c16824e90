//! Floor 4: from a compiled runbook, an inventory and what was observed to a plan. Pure.
//!
//! Planning is a fixpoint: [`plan`] either gives a plan or says what it must see first; the edge looks and calls again with more in
//! [`Seen`]. So no host is touched here, probes of one host fold into one round trip, and the same function serves dry-run, apply and
//! tests.

mod alike;
pub mod bind;
mod branches;
pub mod call;
pub mod capacity;
pub mod control;
pub mod digest;
mod expand;
pub mod forecast;
pub mod graph;
pub mod invariants;
pub mod judge;
pub mod params;
mod perhaps;
mod predicted;
mod races;
pub mod results;
pub mod returns;
pub mod saved;
mod way_back;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

pub use expand::item_keys;

use std::collections::{BTreeMap, HashMap};

use crate::base::clock::Timestamp;
use crate::base::id::HostName;
use crate::base::value::Value;
use crate::diagnostic::Diagnostics;
use crate::model::action::Catalog;
use crate::model::inventory::Inventory;
use crate::model::operation::{Operation, Output};
use crate::model::plan::Plan;
use crate::model::runbook::Runbook;

/// Everything a plan is made from, but for observations.
#[derive(Clone, Copy)]
pub struct PlanInput<'a> {
    /// What to do.
    pub runbook: &'a Runbook,
    /// Its text, with those of the runbooks that it calls; part of the digest.
    pub text: &'a str,
    /// Hosts and pools.
    pub inventory: &'a Inventory,
    /// Parameters, as [`params::resolve`] gave them.
    pub params: &'a BTreeMap<String, Value>,
    /// The actions.
    pub catalog: &'a dyn Catalog,
    /// Only on these hosts.
    pub limit: Option<&'a [HostName]>,
    /// More changed hosts than this are refused.
    pub max_hosts: Option<usize>,
    /// Do not look at any host: what needs a probe is known at run time.
    pub offline: bool,
    /// Now.
    pub now: Timestamp,
}

/// Outputs of read-only operations, by operation.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    outputs: HashMap<String, Output>,
}

impl Seen {
    /// Nothing seen yet.
    #[must_use]
    pub fn new() -> Seen {
        Seen::default()
    }

    /// Records what an operation showed.
    pub fn record(&mut self, operation: &Operation, output: Output) {
        self.outputs.insert(key(operation), output);
    }

    /// What an operation showed.
    #[must_use]
    pub fn get(&self, operation: &Operation) -> Option<&Output> {
        self.outputs.get(&key(operation))
    }
}

fn key(operation: &Operation) -> String {
    serde_json::to_string(operation).expect("an operation is plain data with text keys")
}

/// The answer of [`plan`].
#[derive(Debug)]
pub enum Planning {
    /// Done; it may still hold refusals.
    Done(Box<Plan>),
    /// Look at these first, then ask again. All of them only read.
    Needs(Vec<Operation>),
}

/// Plans, as far as `seen` allows.
///
/// # Errors
/// When a text, a pattern or an argument turns out wrong with these parameters and hosts.
pub fn plan(input: PlanInput<'_>, seen: &Seen) -> Result<Planning, Diagnostics> {
    let mut races = races::Races::new();
    loop {
        match expand::Planner::new(input, seen, &races).run()? {
            expand::Round::Done(plan) => return Ok(Planning::Done(plan)),
            expand::Round::Needs(operations) => return Ok(Planning::Needs(operations)),
            // What is left to the run leaves more to it; each round adds a node, so this ends.
            expand::Round::Races(more) => races.extend(more),
        }
    }
}
