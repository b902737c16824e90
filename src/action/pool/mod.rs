//! The actions on pools of load-balanced servers; a provider per kind of balancer stands behind them.

pub mod haproxy;

use crate::model::action::ActionKind;

/// The actions of this folder, sorted by name.
pub const ALL: &[&dyn ActionKind] = &[];
