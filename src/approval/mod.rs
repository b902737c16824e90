//! Floor 6: people asked at a terminal. An answer means nothing until the journal has taken it; that is the caller's business, as is
//! who may answer.

pub mod terminal;
