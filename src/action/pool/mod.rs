//! The actions on pools of load-balanced servers; a provider per kind of balancer stands behind them.
//!
//! An operation that only reads, standing among the operations of a change, is a guard: a direct request to the server before it returns,
//! `haproxy -c` before a reload. It has failed when it comes to no answer, ends with another status than 0, or answers outside 2xx and 3xx.

mod balance;
pub mod haproxy;
mod judge;
mod member;
mod member_step;
pub mod observe;
mod reload;
pub mod state;
mod status;
pub mod target;
mod traffic;

use crate::model::action::ActionKind;

/// The actions of this folder, sorted by name.
pub const ALL: &[&dyn ActionKind] = &[&balance::Balance, &member::MemberKind, &status::Status, &traffic::Traffic];
