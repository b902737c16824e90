//! Floor 2: the nouns. Data that every floor above passes around; no behaviour beyond reading itself.

pub mod action;
pub mod approval;
pub mod convert;
pub mod event;
pub mod inventory;
pub mod obligation;
pub mod operation;
pub mod pattern;
pub mod plan;
pub mod pool_record;
mod rows;
pub mod run;
pub mod runbook;
pub mod schedule;
pub mod secret;
pub mod text;
pub mod types;

/// Values and shares, as every floor knows them.
pub use crate::base::value;
