//! (being built)

pub mod expression;
pub mod template;
pub mod types;
