//! Floor 8: tests of runbooks (`runbook test`). A simulated world stands in for hosts, network, clock and people; everything else is the
//! product itself: compiler, planner, engine, dispatcher, attempts, actions, pool leases.
//!
//! A test file `NAME.test.yaml` stands beside `NAME.yaml`: a fleet and its state, and cases with what happens and what must come of it
//! ([`keys`] is the whole format). [`world`] answers operations as hosts would and is the oracle: it knows what was really done, and when a
//! pool was below its minimum. [`life`] lives a case, [`judge`] holds it against its expectations, [`sweep`] repeats it with every failure
//! and every death of the controller. Time is tokio's paused clock: hours of waiting take milliseconds.

pub mod judge;
pub mod keys;
pub mod life;
mod matching;
pub mod read;
mod read_expect;
mod read_state;
pub mod report;
mod schema;
pub mod stores;
pub mod suite;
pub mod sweep;
pub mod syntax;
pub mod world;

pub use schema::schema;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
