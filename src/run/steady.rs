//! The time of a run.

use tokio::time::Instant;

use crate::base::clock::{Clock, Timestamp};

/// Goes on from where a run's records end as time passes on this machine, whatever is done to the clock on the wall meanwhile: setting it
/// makes no deadline pass and no retry wait. A controller whose wall shows an earlier time than the records goes on from the records.
#[derive(Clone, Copy, Debug)]
pub struct Steady {
    base: Timestamp,
    since: Instant,
}

impl Steady {
    /// From now on, and not before `last`.
    #[must_use]
    pub fn after(last: Timestamp, wall: &dyn Clock) -> Steady {
        Steady {
            base: wall.now().max(last),
            since: Instant::now(),
        }
    }
}

impl Clock for Steady {
    fn now(&self) -> Timestamp {
        self.base.after(self.since.elapsed())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::clock::ManualClock;

    #[tokio::test(start_paused = true)]
    async fn it_goes_on_from_the_records_wherever_the_wall_jumps() {
        let wall = ManualClock::at(Timestamp(5_000));
        let steady = Steady::after(Timestamp(9_000), &wall);
        wall.advance(Duration::from_secs(86_400));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(steady.now(), Timestamp(11_000));
        assert_eq!(Steady::after(Timestamp(9_000), &wall).now(), Timestamp(86_405_000));
    }
}
