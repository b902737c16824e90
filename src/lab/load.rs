//! Users of the site: requests at a steady pace, counted per 100 ms and per server.
//!
//! Every request takes a fresh connection, so that a reload that loses connections is seen. Bounded in requests and time.
//! Knows only an address; it must not know what stands behind it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::http;

/// Width of one bucket.
pub const BUCKET: Duration = Duration::from_millis(100);
/// Longest load.
pub const LONGEST: Duration = Duration::from_secs(3600);
/// Most requests per second.
pub const MOST_PER_SECOND: u32 = 2000;
/// Requests under way at the same time.
const WORKERS: u64 = 24;
/// A user gives up after this.
const PATIENCE: Duration = Duration::from_secs(2);

/// Requests that are being sent in the background.
#[derive(Debug)]
pub struct Load {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

/// What to send.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// Where to.
    pub at: SocketAddr,
    /// Which path.
    pub path: String,
    /// How many in a second; at most [`MOST_PER_SECOND`].
    pub per_second: u32,
    /// For how long, unless stopped before; at most [`LONGEST`].
    pub lasting: Duration,
}

/// What users saw.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LoadReport {
    /// In order of time, without gaps.
    pub buckets: Vec<Bucket>,
    /// Successes by server name.
    pub by_server: BTreeMap<String, u64>,
    /// Failures by kind: the status, or the connection's error.
    pub failures: BTreeMap<String, u64>,
}

/// Requests that were sent within one [`BUCKET`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Bucket {
    /// Start of the bucket, in milliseconds since the load's start.
    pub at_ms: u64,
    /// Requests answered with 200.
    pub ok: u64,
    /// All others.
    pub failed: u64,
}

#[derive(Debug)]
struct Shared {
    options: LoadOptions,
    start: Instant,
    next: AtomicU64,
    stop: AtomicBool,
    report: Mutex<LoadReport>,
}

impl Load {
    /// Starts to send.
    #[must_use]
    pub fn start(options: LoadOptions) -> Load {
        let options = LoadOptions {
            per_second: options.per_second.clamp(1, MOST_PER_SECOND),
            lasting: options.lasting.min(LONGEST),
            ..options
        };
        let shared = Arc::new(Shared {
            options,
            start: Instant::now(),
            next: AtomicU64::new(0),
            stop: AtomicBool::new(false),
            report: Mutex::default(),
        });
        let workers = (0..WORKERS)
            .filter_map(|_| {
                let shared = shared.clone();
                // With fewer threads than wished the pace suffers, nothing else.
                std::thread::Builder::new().stack_size(256 * 1024).spawn(move || shared.work()).ok()
            })
            .collect();
        Load { shared, workers }
    }

    /// What users saw up to now.
    #[must_use]
    pub fn so_far(&self) -> LoadReport {
        self.shared.report.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Has the load lasted as long as it was asked to?
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.workers.iter().all(JoinHandle::is_finished)
    }

    /// Stops sending, waits for the answers under way.
    #[must_use]
    pub fn stop(mut self) -> LoadReport {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.join();
        self.so_far()
    }

    /// Sends to the planned end.
    #[must_use]
    pub fn finish(mut self) -> LoadReport {
        self.join();
        self.so_far()
    }

    fn join(&mut self) {
        for worker in self.workers.drain(..) {
            // A worker that panicked has nothing more to say than what the report lacks.
            let _ = worker.join();
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.join();
    }
}

impl LoadReport {
    /// All successes.
    #[must_use]
    pub fn ok(&self) -> u64 {
        self.buckets.iter().map(|b| b.ok).sum()
    }

    /// All failures.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.buckets.iter().map(|b| b.failed).sum()
    }

    /// Share of the successes that a server gave, in percent.
    #[must_use]
    pub fn share_percent(&self, server: &str) -> f64 {
        #[allow(clippy::cast_precision_loss)]
        let share = 100.0 * self.by_server.get(server).copied().unwrap_or(0) as f64 / self.ok().max(1) as f64;
        share
    }

    fn record(&mut self, at: Duration, outcome: Result<Option<String>, String>) {
        let index = usize::try_from(at.as_millis() / BUCKET.as_millis())
            .unwrap_or(usize::MAX)
            .min(most_buckets());
        while self.buckets.len() <= index {
            let at_ms = self.buckets.len() as u64 * 100;
            self.buckets.push(Bucket { at_ms, ok: 0, failed: 0 });
        }
        match outcome {
            Ok(server) => {
                self.buckets[index].ok += 1;
                *self
                    .by_server
                    .entry(server.unwrap_or_else(|| String::from("(unnamed)")))
                    .or_default() += 1;
            }
            Err(kind) => {
                self.buckets[index].failed += 1;
                *self.failures.entry(kind).or_default() += 1;
            }
        }
    }
}

impl Shared {
    fn work(&self) {
        loop {
            let ticket = self.next.fetch_add(1, Ordering::SeqCst);
            let due = Duration::from_micros(ticket.saturating_mul(1_000_000) / u64::from(self.options.per_second));
            if due >= self.options.lasting || !self.wait_until(due) {
                return;
            }
            let sent = self.start.elapsed();
            // A site that hangs holds the workers back; what is then overdue beyond the end is not sent any more.
            if sent >= self.options.lasting + PATIENCE {
                return;
            }
            let outcome = match http::get(self.options.at, &self.options.path, PATIENCE) {
                Ok(answer) if answer.status == 200 => Ok(answer.served_by),
                Ok(answer) => Err(answer.status.to_string()),
                Err(e) => Err(e.kind().to_string()),
            };
            self.report.lock().unwrap_or_else(PoisonError::into_inner).record(sent, outcome);
        }
    }

    /// Keeps the pace; `false` when the load was stopped.
    fn wait_until(&self, due: Duration) -> bool {
        loop {
            if self.stop.load(Ordering::SeqCst) {
                return false;
            }
            let Some(left) = due.checked_sub(self.start.elapsed()).filter(|d| !d.is_zero()) else {
                return true;
            };
            std::thread::sleep(left.min(BUCKET));
        }
    }
}

fn most_buckets() -> usize {
    usize::try_from((LONGEST + PATIENCE).as_millis() / BUCKET.as_millis()).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_have_no_gaps_and_shares_add_up() {
        let mut report = LoadReport::default();
        report.record(Duration::from_millis(10), Ok(Some(String::from("web-01"))));
        report.record(Duration::from_millis(350), Err(String::from("500")));
        report.record(Duration::from_millis(399), Ok(Some(String::from("web-02"))));
        assert_eq!(report.buckets.len(), 4);
        assert_eq!(
            report.buckets[3],
            Bucket {
                at_ms: 300,
                ok: 1,
                failed: 1
            }
        );
        assert_eq!((report.ok(), report.failed()), (2, 1));
        assert!((report.share_percent("web-01") - 50.0).abs() < f64::EPSILON);
    }
}
