//! Short phrases that several reports share: hosts, outcomes, capacities, ways back.

use std::time::Duration;

use crate::base::clock::{Timestamp, friendly};
use crate::base::id::HostName;
use crate::base::sanitise::one_line;
use crate::base::value::Value;
use crate::model::action::Undo;
use crate::model::event::{FailureKind, RunOutcome};
use crate::model::plan::{Capacity, Watch};

use super::style::Tint;

/// Names are shown whole up to here; a name is a word, not an essay.
pub(super) const NAME: usize = 60;
/// A sentence on one line.
pub(super) const SENTENCE: usize = 300;

/// Harmless and short: a name.
pub(super) fn name(text: impl std::fmt::Display) -> String {
    one_line(&text.to_string(), NAME)
}

/// Harmless, on one line.
pub(super) fn sentence(text: &str) -> String {
    one_line(text, SENTENCE)
}

/// A value in a word or a few, sizes and durations as people write them: of a host its name, other structures are left out: the JSON output holds them.
pub(super) fn value(value: &Value) -> String {
    match value {
        Value::Map(map) => match map.get("name") {
            Some(Value::Text(host)) if map.contains_key("address") => name(host),
            _ => String::from("{…}"),
        },
        Value::List(list) if list.len() <= 12 => sentence(&list.iter().map(self::value).collect::<Vec<_>>().join(",")),
        Value::List(_) => String::from("[…]"),
        scalar => name(scalar.written()),
    }
}

/// `web-01 web-02`; more than `most` are counted: `web-01 web-02 and 4 more`.
pub(super) fn hosts(list: &[HostName], most: usize) -> String {
    let shown = list.iter().take(most).map(name).collect::<Vec<_>>().join(" ");
    match list.len().saturating_sub(most) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// `1 step`, `3 steps`.
pub(super) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// `web 1/2 serving (min 1)`.
pub(super) fn capacity(capacity: &Capacity) -> String {
    format!(
        "{} {}/{} serving (min {})",
        name(&capacity.pool),
        capacity.serving,
        capacity.total,
        capacity.minimum
    )
}

/// `At least half takes traffic (from drain on): holds now and after each step`.
pub(super) fn invariant(watch: &Watch) -> String {
    let call = watch.call.as_ref().map(|call| format!("during {}", name(call)));
    let from = watch.from.as_ref().map(|step| format!("from {} on", name(step)));
    let when: Vec<String> = call.into_iter().chain(from).collect();
    let when = if when.is_empty() {
        String::new()
    } else {
        format!(" ({})", when.join(", "))
    };
    sentence(&format!("{}{when}: {}", watch.name, watch.standing))
}

/// `undo: back to state ready`; without the arguments that only say which thing is meant, or that are too long to say.
pub(super) fn undo(undo: &Undo) -> String {
    match undo {
        Undo::Nothing => String::from("nothing to undo"),
        Undo::Keep => String::from("stays"),
        Undo::Impossible => String::from("point of no return"),
        Undo::Steps => String::from("undo: its own steps"),
        Undo::Call { arguments, .. } if arguments.0.contains_key("content") => String::from("undo: as it was"),
        Undo::Call { arguments, .. } => {
            let which = ["pool", "member", "name", "path"];
            let long = |value: &Value| matches!(value, Value::Map(_) | Value::List(_) | Value::Null);
            let shown = arguments
                .0
                .iter()
                .filter(|(key, value)| !which.contains(&key.as_str()) && !long(value));
            let list: Vec<String> = shown.map(|(key, value)| format!("{} {}", name(key), self::value(value))).collect();
            match list.is_empty() {
                true => String::from("undo: as it was"),
                false => format!("undo: back to {}", list.join(", ")),
            }
        }
    }
}

/// One word in capitals for how a run ended; debts are counted beside it.
pub(super) fn outcome(outcome: RunOutcome, open: usize) -> (String, Tint) {
    let (word, tint) = match outcome {
        RunOutcome::Succeeded => ("DONE", Tint::Good),
        RunOutcome::Failed => ("FAILED", Tint::Bad),
        RunOutcome::Stuck => ("STUCK", Tint::Bad),
        RunOutcome::Denied => ("DENIED", Tint::Notice),
        RunOutcome::Cancelled => ("CANCELLED", Tint::Notice),
        RunOutcome::Lost => ("LOST", Tint::Bad),
        RunOutcome::Refused => ("REFUSED", Tint::Notice),
    };
    if open == 0 {
        (word.to_owned(), tint)
    } else {
        (format!("{word}, {open} to do"), Tint::Bad)
    }
}

/// One word for why a step failed.
pub(super) fn failure(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Check => "check failed",
        FailureKind::Exit => "program failed",
        FailureKind::Unreachable => "unreachable",
        FailureKind::Denied => "permission denied",
        FailureKind::Timeout => "timed out",
        FailureKind::Refused => "refused",
        FailureKind::Invariant => "invariant violated",
        FailureKind::NotApproved => "not approved",
        FailureKind::ByHand => "failed by hand",
        FailureKind::Cancelled => "cancelled",
        FailureKind::Unexpected => "unexpected",
    }
}

/// `2026-11-20T14:02:00Z (1d3h ago)`.
pub(super) fn ago(at: Timestamp, now: Timestamp) -> String {
    format!("{at} ({} ago)", coarse(now.since(at)))
}

/// `in 45m`, or `12m ago` when it has passed.
pub(super) fn until(at: Timestamp, now: Timestamp) -> String {
    if at > now {
        format!("in {}", coarse(at.since(now)))
    } else {
        format!("{} ago", coarse(now.since(at)))
    }
}

/// Whole seconds from one second on: tables need no tenths.
pub(super) fn coarse(span: Duration) -> String {
    if span >= Duration::from_secs(1) {
        friendly(Duration::from_secs(span.as_secs()))
    } else {
        friendly(span)
    }
}

/// `12` and `12.1` as commands take them, without the `#`.
pub(super) fn bare(run: crate::base::id::RunId) -> String {
    run.0.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_shown_by_its_name_and_other_structures_are_left_out() {
        let map = |pairs: &[(&str, &str)]| Value::Map(pairs.iter().map(|(k, v)| ((*k).to_owned(), Value::text(*v))).collect());
        let host = map(&[("name", "web-01"), ("address", "192.0.2.1"), ("vars", "")]);
        assert_eq!(value(&host), "web-01");
        assert_eq!(value(&Value::List(vec![host, Value::text("web-02")])), "web-01,web-02");
        assert_eq!(value(&map(&[("web-01", "100")])), "{…}");
    }
}
