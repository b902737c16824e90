//! The one way to wait in the lab: ask again until it is so, or until the deadline.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::LabError;

/// Pause between two looks; short against everything that is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Asks `look` until it says `Ok(())`; its last `Err` text becomes part of the error at the deadline.
///
/// # Errors
/// [`LabError::TooLate`] at the deadline.
pub(super) fn until(what: &str, within: Duration, mut look: impl FnMut() -> Result<(), String>) -> Result<(), LabError> {
    let end = Instant::now() + within;
    loop {
        let Err(seen) = look() else { return Ok(()) };
        if Instant::now() >= end {
            return Err(LabError::TooLate {
                what: what.to_owned(),
                seconds: within.as_secs(),
                look: seen,
            });
        }
        sleep(LOOK_EVERY);
    }
}
