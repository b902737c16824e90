//! A pool's member in one row, from the record that `pool.status` gives.

use std::time::Duration;

use super::describe::{self, coarse, name};
use super::style::Tint;
use super::table::Cell;
use crate::base::clock::Timestamp;
use crate::base::id::PoolName;
use crate::base::value::Value;
use crate::model::obligation::Obligation;

/// Up and enabled: nothing to say about it.
pub(super) fn in_service(member: &Value) -> bool {
    is_up(member) == Some(true) && text(member, "state") == "ready"
}

/// `MEMBER STATE UP SINCE OWNED BY`: for headings.
pub(super) const HEADINGS: [&str; 5] = ["MEMBER", "STATE", "UP", "SINCE", "OWNED BY"];

/// The cells below [`HEADINGS`]. `seen_at` is when the record was made; `debts` are open obligations.
pub(super) fn row(pool: &PoolName, member: &Value, seen_at: Timestamp, debts: &[Obligation]) -> Vec<Cell> {
    let state = text(member, "state");
    let tint = if state == "ready" { Tint::Good } else { Tint::Notice };
    let up = match is_up(member) {
        Some(true) => Cell::tinted("up", Tint::Good),
        Some(false) => Cell::tinted("DOWN", Tint::Bad),
        None => Cell::tinted("unknown", Tint::Notice),
    };
    let since = member
        .field("seconds_in_state")
        .and_then(|v| v.as_int())
        .and_then(|s| u64::try_from(s).ok());
    let since = since.map_or_else(String::new, |seconds| {
        let span = Duration::from_secs(seconds);
        let at = Timestamp(seen_at.0.saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)));
        format!("{at} ({})", coarse(span))
    });
    let state = if state.is_empty() { String::from("unknown") } else { state };
    vec![
        text(member, "name").into(),
        Cell::tinted(state, tint),
        up,
        since.into(),
        owner(pool, member, debts),
    ]
}

/// Who took it out: a debt of ours, else what the balancer says, else nobody.
fn owner(pool: &PoolName, member: &Value, debts: &[Obligation]) -> Cell {
    let which = text(member, "name");
    let ours = debts
        .iter()
        .find(|o| o.is_open() && o.pool.as_ref() == Some(pool) && o.member.as_ref().is_some_and(|m| m.as_str() == which));
    if let Some(debt) = ours {
        return format!("run {} ({}), obligation {}", debt.run, name(&debt.owner), name(&debt.id)).into();
    }
    let said = text(member, "owner");
    if !said.is_empty() {
        return said.into();
    }
    if ["ready", ""].contains(&text(member, "state").as_str()) {
        return Cell::default();
    }
    Cell::tinted("nobody", Tint::Notice)
}

fn is_up(member: &Value) -> Option<bool> {
    member.field("up").and_then(|v| v.as_bool())
}

fn text(member: &Value, field: &str) -> String {
    match member.field(field) {
        Some(Value::Text(text)) => describe::name(text),
        _ => String::new(),
    }
}
