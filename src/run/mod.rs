//! Floor 7: the edge. Performs what the engine decides, through the transport, after the journal has it.
//!
//! A run is driven by one [`supervisor::Supervisor`]; its [`dispatcher`] alone owns the state; each attempt is a task of its own that
//! only looks, performs and reports.

pub mod attempt;
pub mod channels;
pub mod checks;
pub mod connections;
pub mod crash_point;
pub mod dispatcher;
mod exchange;
pub mod history;
pub mod invariants;
pub mod observe;
mod on_journal;
mod people;
pub mod perform;
pub mod planning;
pub mod pools;
pub mod sight;
mod steady;
pub mod supervisor;
pub mod system;
pub mod take_back;
mod taking;
