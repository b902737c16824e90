//! When a schedule starts a runbook: every so often, or at times as `cron` writes them. Always in UTC, where no hour comes twice.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// That long after the last beginning.
    Every(Duration),
    /// At these times.
    At(Times),
}

/// Five fields of `cron`: minute, hour, day of the month, month, day of the week (0 and 7 are Sunday).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    minutes: BTreeSet<u32>,
    hours: BTreeSet<u32>,
    days: BTreeSet<u32>,
    months: BTreeSet<u32>,
    weekdays: BTreeSet<u32>,
    /// Both days are restricted: then either is enough, as everywhere else.
    either_day: bool,
}

/// A minute of the calendar, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Minute {
    /// 0 to 59
    pub minute: u32,
    /// 0 to 23
    pub hour: u32,
    /// 1 to 31
    pub day: u32,
    /// 1 to 12
    pub month: u32,
    /// 0 to 6, Sunday is 0
    pub weekday: u32,
}

/// Name and range of each field.
const FIELDS: [(&str, u32, u32); 5] = [
    ("minute", 0, 59),
    ("hour", 0, 23),
    ("day", 1, 31),
    ("month", 1, 12),
    ("weekday", 0, 7),
];

impl Times {
    /// Reads `30 3 * * 1-5`, `*/15 * * * *`, or a time of every day, `03:30`.
    ///
    /// # Errors
    /// What was expected, lower case, no full stop.
    pub fn parse(text: &str) -> Result<Times, String> {
        if let Some((hour, minute)) = text.trim().split_once(':') {
            let of_a_day = |t: &str| t.len() == 2 && t.bytes().all(|b| b.is_ascii_digit());
            if !of_a_day(hour) || !of_a_day(minute) {
                return Err(format!("expected a time such as `03:30`, found `{text}`"));
            }
            return Times::parse(&format!("{minute} {hour} * * *")).map_err(|why| format!("`{text}`: {why}"));
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        if words.len() != FIELDS.len() {
            return Err(format!(
                "expected five fields (minute hour day month weekday) such as `30 3 * * 1-5`, or a time such as `03:30`, found `{text}`"
            ));
        }
        let mut sets = Vec::with_capacity(FIELDS.len());
        for (word, (name, least, most)) in words.iter().zip(FIELDS) {
            sets.push(field(word, least, most).map_err(|why| format!("{name}: {why}"))?);
        }
        let mut sets = sets.into_iter();
        let mut next = || sets.next().unwrap_or_default();
        let (minutes, hours, days, months, weekdays) = (next(), next(), next(), next(), next());
        let most_days = months.iter().map(|m| longest(*m)).max().unwrap_or(31);
        let either_day = words[2] != "*" && words[4] != "*";
        if !either_day && days.iter().all(|d| *d > most_days) {
            return Err(format!("`{text}` never comes: none of its months has such a day"));
        }
        Ok(Times {
            minutes,
            hours,
            days,
            months,
            weekdays: weekdays.into_iter().map(|d| d % 7).collect(),
            either_day,
        })
    }

    /// Whether that minute is one of them.
    #[must_use]
    pub fn hold(&self, at: Minute) -> bool {
        let (day, weekday) = (self.days.contains(&at.day), self.weekdays.contains(&at.weekday));
        let today = if self.either_day { day || weekday } else { day && weekday };
        today && self.minutes.contains(&at.minute) && self.hours.contains(&at.hour) && self.months.contains(&at.month)
    }
}

fn longest(month: u32) -> u32 {
    match month {
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// `*`, `3`, `1-5`, `*/15`, `8-18/2`, and several of them with commas.
fn field(word: &str, least: u32, most: u32) -> Result<BTreeSet<u32>, String> {
    let number = |t: &str| match t.parse::<u32>() {
        Ok(n) if (least..=most).contains(&n) && t.bytes().all(|b| b.is_ascii_digit()) => Ok(n),
        _ => Err(format!("expected {least} to {most}, found `{t}`")),
    };
    let mut set = BTreeSet::new();
    for part in word.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => {
                let step = step.parse::<usize>().ok().filter(|s| *s > 0);
                (
                    range,
                    step.ok_or_else(|| format!("expected a step such as `*/15`, found `{part}`"))?,
                )
            }
            None => (part, 1),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (least, most),
            Some((from, to)) => (number(from)?, number(to)?),
            None => (number(range)?, number(range)?),
        };
        if from > to {
            return Err(format!("`{range}` ends before it begins"));
        }
        set.extend((from..=to).step_by(step));
    }
    Ok(set)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Saturday, 21 November.
    const AT: Minute = Minute {
        minute: 30,
        hour: 3,
        day: 21,
        month: 11,
        weekday: 6,
    };

    #[test]
    fn times_hold_as_cron_has_them() {
        for (text, holds) in [
            ("* * * * *", true),
            ("30 3 * * *", true),
            ("03:30", true),
            ("03:31", false),
            ("*/15 * * * *", true),
            ("*/7 * * * *", false),
            ("0-40/10 1,3 * * *", true),
            ("30 3 * * 1-5", false),
            ("30 3 * * 6", true),
            ("30 3 1 * 6", true),
            ("30 3 21 * 1", true),
            ("30 3 1 * 1", false),
            ("30 3 * 12 *", false),
        ] {
            assert_eq!(Times::parse(text).unwrap().hold(AT), holds, "{text}");
        }
        let sunday = Minute { weekday: 0, ..AT };
        assert!(Times::parse("* * * * 7").unwrap().hold(sunday) && Times::parse("* * * * 0").unwrap().hold(sunday));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "3",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "5-1 * * * *",
            "*/0 * * * *",
            "a * * * *",
            "24:00",
            "3:30",
            "* * * * * *",
            "0 0 31 2 *",
            "+1 * * * *",
        ] {
            assert!(Times::parse(text).is_err(), "{text}");
        }
    }
}
