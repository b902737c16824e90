//! Time as data: a timestamp, and the trait through which the edge tells the core what time it is.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The moment `span` later.
    #[must_use]
    pub fn after(self, span: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Time since `earlier`; zero if `earlier` lies in the future.
    #[must_use]
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// `2026-11-21T03:14:07Z`.
    #[must_use]
    pub fn rfc3339(self) -> String {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(t) => t.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            Err(_) => format!("{} ms", self.0),
        }
    }

    /// Reads `2026-11-21T03:14:07.5Z`, any offset.
    #[must_use]
    pub fn parse(text: &str) -> Option<Timestamp> {
        text.parse::<jiff::Timestamp>().ok().map(|t| Timestamp(t.as_millisecond()))
    }

    /// Reads the `date` header of an HTTP answer, `Sat, 21 Nov 2026 03:14:07 GMT`.
    #[must_use]
    pub fn parse_http(text: &str) -> Option<Timestamp> {
        let zoned = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text);
        zoned.ok().map(|t| Timestamp(t.as_millisecond()))
    }

    /// `Sat, 21 Nov 2026 03:14:07 GMT`, as the `date` header of an HTTP answer.
    #[must_use]
    pub fn http(self) -> String {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(t) => t.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string(),
            Err(_) => String::new(),
        }
    }

    /// `03:14:07`, in UTC.
    #[must_use]
    pub fn time_of_day(self) -> String {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(t) => t.strftime("%H:%M:%S").to_string(),
            Err(_) => String::from("--:--:--"),
        }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

/// Tells the time. The real one lives in `run::system`.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// A clock that stands still until it is told otherwise; for tests and replay.
#[derive(Debug, Default)]
pub struct ManualClock(std::sync::atomic::AtomicI64);

impl ManualClock {
    /// A clock that shows `at`.
    #[must_use]
    pub fn at(at: Timestamp) -> ManualClock {
        ManualClock(std::sync::atomic::AtomicI64::new(at.0))
    }

    /// Moves the clock forward.
    pub fn advance(&self, span: Duration) {
        let now = Timestamp(self.0.load(std::sync::atomic::Ordering::SeqCst)).after(span);
        self.0.store(now.0, std::sync::atomic::Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(std::sync::atomic::Ordering::SeqCst))
    }
}

/// Writes a duration as people say it: `45s`, `2m`, `1h30m`, `350ms`.
#[must_use]
pub fn friendly(span: Duration) -> String {
    let ms = span.as_millis();
    if ms == 0 {
        return String::from("0s");
    }
    if ms < 1000 {
        return format!("{ms}ms");
    }
    if ms < 10_000 && !ms.is_multiple_of(1000) {
        return format!("{}.{}s", ms / 1000, ms % 1000 / 100);
    }
    let s = ms / 1000;
    let parts = [(s / 86_400, "d"), (s % 86_400 / 3600, "h"), (s % 3600 / 60, "m"), (s % 60, "s")];
    let first = parts.iter().position(|(n, _)| *n > 0).unwrap_or(3);
    // Two units are enough for a person; `1d3h` needs no seconds.
    parts[first..]
        .iter()
        .take(2)
        .filter(|(n, _)| *n > 0)
        .map(|(n, u)| format!("{n}{u}"))
        .collect()
}

/// As people write it, and exactly so long: `1h30m20s`, where [`friendly`] says `1h30m`.
#[must_use]
pub fn written(span: Duration) -> String {
    let ms = span.as_millis();
    let s = ms / 1000;
    let parts = [
        (s / 86_400, "d"),
        (s % 86_400 / 3600, "h"),
        (s % 3600 / 60, "m"),
        (s % 60, "s"),
        (ms % 1000, "ms"),
    ];
    let text: String = parts.iter().filter(|(n, _)| *n > 0).map(|(n, u)| format!("{n}{u}")).collect();
    if text.is_empty() { String::from("0s") } else { text }
}

/// Reads `90s`, `1h30m`, `500ms`, `2d`; a bare number is an error.
///
/// # Errors
/// A sentence for people: what was expected.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let refuse = || format!("expected a duration such as `90s`, `5m` or `1h30m`, found `{text}`");
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(refuse());
    }
    let mut total_ms = 0u128;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
        let number: f64 = rest[..digits].parse().map_err(|_| refuse())?;
        rest = &rest[digits..];
        let letters = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        let unit_ms = match &rest[..letters] {
            "ms" => 1.0,
            "s" => 1000.0,
            "m" => 60_000.0,
            "h" => 3_600_000.0,
            "d" => 86_400_000.0,
            _ => return Err(refuse()),
        };
        rest = &rest[letters..];
        let ms = number * unit_ms;
        // Ten years: longer than any obligation, short enough for every later sum.
        if !ms.is_finite() || ms > 315_360_000_000.0 {
            return Err(format!("`{text}` is longer than ten years"));
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        {
            total_ms += ms.round() as u128;
        }
    }
    u64::try_from(total_ms).map(Duration::from_millis).map_err(|_| refuse())
}

/// Reads `2026-12-24T00:00Z`, `2026-12-24T00:00:00+01:00`; a time without its zone is an error.
///
/// # Errors
/// A sentence for people: what was expected.
pub fn parse_time(text: &str) -> Result<Timestamp, String> {
    text.trim()
        .parse::<jiff::Timestamp>()
        .map(|t| Timestamp(t.as_millisecond()))
        .map_err(|_| format!("expected a time with its zone such as `2026-12-24T00:00Z`, found `{text}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_duration_is_exact_and_can_be_read() {
        for text in ["0s", "90ms", "1s500ms", "45s", "1h30m20s", "2d", "1d3h20s"] {
            assert_eq!(parse_duration(text).map(written), Ok(text.to_owned()));
        }
        assert_eq!(written(Duration::from_secs(90)), "1m30s");
    }

    #[test]
    fn times_need_their_zone() {
        assert_eq!(parse_time("1970-01-02T00:00Z"), Ok(Timestamp(86_400_000)));
        assert_eq!(parse_time("1970-01-02T01:00:00+01:00"), Ok(Timestamp(86_400_000)));
        for text in ["1970-01-02", "1970-01-02T00:00", "tomorrow", "1970-13-02T00:00Z"] {
            assert!(parse_time(text).is_err(), "{text} must be refused");
        }
    }

    #[test]
    fn times_read_and_write() {
        let at = Timestamp(1_795_230_847_000);
        assert_eq!(at.rfc3339(), "2026-11-21T03:14:07Z");
        for text in ["2026-11-21T03:14:07Z", "2026-11-21T04:14:07.000+01:00"] {
            assert_eq!(Timestamp::parse(text), Some(at), "{text}");
        }
        assert_eq!(Timestamp::parse_http("Sat, 21 Nov 2026 03:14:07 GMT"), Some(at));
        assert_eq!(at.http(), "Sat, 21 Nov 2026 03:14:07 GMT");
        assert_eq!((Timestamp::parse("soon"), Timestamp::parse_http("2026")), (None, None));
    }

    #[test]
    fn durations_read_and_write() {
        for (text, ms) in [
            ("90s", 90_000),
            ("1h30m", 5_400_000),
            ("500ms", 500),
            ("2d", 172_800_000),
            ("1.5h", 5_400_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "90", "5 minutes", "-3s", "1e9d", "s", "..s"] {
            assert!(parse_duration(text).is_err(), "{text} must be refused");
        }
        assert_eq!(friendly(Duration::from_secs(5400)), "1h30m");
        assert_eq!(friendly(Duration::from_millis(350)), "350ms");
        assert_eq!(friendly(Duration::from_secs(97_200)), "1d3h");
    }
}
