//! Floor 0: the words every other floor uses. Pure: no files, network, clock or printing.

pub mod bound;
pub mod clock;
pub mod id;
pub mod quote;
pub mod redact;
pub mod regex;
pub mod sanitise;
pub mod secret;
pub mod size;
pub mod value;
