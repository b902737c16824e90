//! Dies on purpose at a chosen record of the journal, so that the tests see what a crash right there leaves behind.
//!
//! Exists in debug builds only. May be called from any thread; must not know what the records say.

use std::ops::RangeInclusive;

/// On which side of the durable append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The records are not on disk yet, what led to them has happened.
    Before,
    /// The records are on disk, nothing that follows from them has happened.
    After,
}

/// With `RUNBOOK_KILL_AT=before:N` or `after:N` in the environment and N among `records`: ends this process as `kill -9` does.
#[cfg(debug_assertions)]
pub fn pass(side: Side, records: RangeInclusive<u64>) {
    if side == Side::After {
        tracing::debug!(first = records.start(), last = records.end(), "records are durable");
    }
    let wanted = std::env::var("RUNBOOK_KILL_AT").unwrap_or_default();
    if strikes(&wanted, side, &records) {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
}

/// Does nothing in a release build.
#[cfg(not(debug_assertions))]
pub fn pass(_: Side, _: RangeInclusive<u64>) {}

#[cfg(debug_assertions)]
fn strikes(wanted: &str, side: Side, records: &RangeInclusive<u64>) -> bool {
    let Some((word, number)) = wanted.split_once(':') else {
        return false;
    };
    let same = match side {
        Side::Before => word == "before",
        Side::After => word == "after",
    };
    same && number.parse().is_ok_and(|n| records.contains(&n))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strikes_once_and_on_the_right_side() {
        assert!(strikes("after:3", Side::After, &(2..=4)));
        assert!(!strikes("after:3", Side::Before, &(2..=4)));
        assert!(!strikes("before:5", Side::Before, &(2..=4)));
        for text in ["", "after", "after:", "after:x", "later:3"] {
            assert!(!strikes(text, Side::After, &(1..=9)), "{text}");
        }
    }
}
