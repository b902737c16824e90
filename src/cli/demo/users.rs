//! The users of the demo: requests through the balancer from beginning to end, shown second by second, and judged.
//!
//! Judges by what users got and by nothing else; it must not know the journal or what a run says of itself.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::cli::output::out;
use crate::lab::load::{Bucket, Load, LoadOptions, LoadReport};

/// Requests in a second: enough to see every 100 ms, few enough for two processors that also compile.
const PER_SECOND: u32 = 50;
/// Buckets in a second.
const BUCKETS: usize = 10;
/// An answer that comes later than this is missing from its line, not from the verdict.
const LATE: Duration = Duration::from_millis(300);

/// What the marks of [`Users::show`] mean.
pub(super) const LEGEND: &str = "a mark is 100 ms of users: + all served, - none served, ~ some served\n";

/// Users who ask for the front page until the demo ends.
#[derive(Debug)]
pub(super) struct Users {
    load: Load,
    start: Instant,
    shown: usize,
    failures: BTreeMap<String, u64>,
}

/// A moment, and how often each server had answered until then.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    /// Since the users' start.
    pub at: Duration,
    by_server: BTreeMap<String, u64>,
}

/// What users got between two moments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Got {
    /// Answers with 200.
    pub ok: u64,
    /// Everything else.
    pub failed: u64,
}

impl Users {
    /// Starts to ask; at most for so long.
    pub fn start(site: SocketAddr, lasting: Duration) -> Users {
        let start = Instant::now();
        let load = Load::start(LoadOptions {
            at: site,
            path: String::from("/"),
            per_second: PER_SECOND,
            lasting,
        });
        Users {
            load,
            start,
            shown: 0,
            failures: BTreeMap::new(),
        }
    }

    /// Now.
    pub fn mark(&self) -> Mark {
        Mark {
            at: self.start.elapsed(),
            by_server: self.load.so_far().by_server,
        }
    }

    /// Time since the start.
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Prints every second that is over and was not printed.
    pub fn show(&mut self) {
        let over = usize::try_from(self.start.elapsed().saturating_sub(LATE).as_secs()).unwrap_or(usize::MAX);
        if over <= self.shown {
            return;
        }
        let report = self.load.so_far();
        while self.shown < over {
            let buckets: Vec<Bucket> = report.buckets.iter().skip(self.shown * BUCKETS).take(BUCKETS).copied().collect();
            self.shown += 1;
            let last = self.shown == over;
            let new = if last { self.new_failures(&report) } else { String::new() };
            out(&format!("  users {:>3}s  {}{new}\n", self.shown, line(&buckets)));
        }
    }

    /// Leaves out the seconds before a moment.
    pub fn skip_to(&mut self, at: Duration) {
        self.shown = self.shown.max(usize::try_from(at.as_secs()).unwrap_or(usize::MAX));
        self.failures = self.load.so_far().failures;
    }

    /// Stops asking and gives everything that users got.
    pub fn stop(self) -> LoadReport {
        self.load.stop()
    }

    /// What users got so far between two moments.
    pub fn got(&self, from: Duration, to: Duration) -> Got {
        got(&self.load.so_far(), from, to)
    }

    fn new_failures(&mut self, report: &LoadReport) -> String {
        let before = std::mem::replace(&mut self.failures, report.failures.clone());
        let kinds = report.failures.iter().filter(|(kind, n)| before.get(*kind) != Some(n));
        let kinds: Vec<&str> = kinds.map(|(kind, _)| kind.as_str()).collect();
        if kinds.is_empty() {
            String::new()
        } else {
            format!("  ({})", crate::base::sanitise::one_line(&kinds.join(", "), 60))
        }
    }
}

/// What users got between two moments.
pub(super) fn got(report: &LoadReport, from: Duration, to: Duration) -> Got {
    let within = |b: &&Bucket| u128::from(b.at_ms) >= from.as_millis() && u128::from(b.at_ms) + 100 <= to.as_millis();
    report.buckets.iter().filter(within).fold(Got::default(), |sum, b| Got {
        ok: sum.ok + b.ok,
        failed: sum.failed + b.failed,
    })
}

/// The end of the last 100 ms, from a moment on, in which a user was not served; the moment itself if there is none.
pub(super) fn served_from(report: &LoadReport, from: Duration) -> Duration {
    let after = report.buckets.iter().filter(|b| u128::from(b.at_ms) + 100 > from.as_millis());
    let last = after.filter(|b| b.failed > 0).map(|b| Duration::from_millis(b.at_ms + 100)).max();
    last.unwrap_or(from)
}

/// True when users asked all the time: silence is no success.
pub(super) fn enough(got: Got, span: Duration) -> bool {
    let wanted = u128::from(PER_SECOND) * span.as_millis() / 1000;
    u128::from(got.ok + got.failed) * 10 >= wanted * 8
}

/// How often each server answered between two moments.
pub(super) fn shares(from: &Mark, to: &Mark) -> BTreeMap<String, u64> {
    let before = |name: &str| from.by_server.get(name).copied().unwrap_or(0);
    to.by_server
        .iter()
        .map(|(name, n)| (name.clone(), n.saturating_sub(before(name))))
        .collect()
}

/// True when all of so many servers answered, and the least asked one is within 10 % of the most asked one.
pub(super) fn even(shares: &BTreeMap<String, u64>, servers: usize) -> bool {
    let (Some(least), Some(most)) = (shares.values().min(), shares.values().max()) else {
        return false;
    };
    shares.len() == servers && *least > 0 && least * 10 >= most * 9
}

/// `++++++----   60 % of 50`
fn line(buckets: &[Bucket]) -> String {
    let marks = buckets.iter().map(|b| match (b.ok, b.failed) {
        (0, 0) => ' ',
        (_, 0) => '+',
        (0, _) => '-',
        _ => '~',
    });
    let (ok, failed) = buckets.iter().fold((0, 0), |(ok, failed), b| (ok + b.ok, failed + b.failed));
    let percent = 100 * ok / (ok + failed).max(1);
    format!("{:<10}  {percent:>3} % of {}", marks.collect::<String>(), ok + failed)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn report(buckets: &[(u64, u64)]) -> LoadReport {
        let bucket = |(n, (ok, failed)): (usize, &(u64, u64))| Bucket {
            at_ms: n as u64 * 100,
            ok: *ok,
            failed: *failed,
        };
        LoadReport {
            buckets: buckets.iter().enumerate().map(bucket).collect(),
            ..LoadReport::default()
        }
    }

    #[test]
    fn a_window_counts_whole_buckets_only() {
        let report = report(&[(0, 5), (1, 4), (5, 0), (5, 0)]);
        let window = |from, to| got(&report, Duration::from_millis(from), Duration::from_millis(to));
        assert_eq!(window(0, 200), Got { ok: 1, failed: 9 });
        assert_eq!(window(150, 399), Got { ok: 5, failed: 0 });
        assert!(enough(window(0, 400), Duration::from_millis(400)));
        assert!(!enough(window(0, 400), Duration::from_secs(4)), "silence is no success");
    }

    #[test]
    fn served_again_means_that_no_failure_comes_later() {
        let report = report(&[(0, 5), (5, 0), (4, 1), (5, 0)]);
        assert_eq!(served_from(&report, Duration::ZERO), Duration::from_millis(300));
        assert_eq!(served_from(&report, Duration::from_millis(300)), Duration::from_millis(300));
    }

    #[test]
    fn shares_are_even_within_a_tenth_and_of_all_servers() {
        let shares = |list: &[(&str, u64)]| list.iter().map(|(k, n)| ((*k).to_owned(), *n)).collect::<BTreeMap<_, _>>();
        assert!(even(&shares(&[("a", 100), ("b", 90)]), 2));
        assert!(!even(&shares(&[("a", 100), ("b", 89)]), 2));
        assert!(!even(&shares(&[("a", 100)]), 2));
        assert!(!even(&shares(&[("a", 100), ("b", 0)]), 2));
    }

    #[test]
    fn a_second_is_one_line() {
        let report = report(&[(5, 0), (0, 5), (2, 3)]);
        assert_eq!(line(&report.buckets), "+-~          46 % of 15");
    }
}
