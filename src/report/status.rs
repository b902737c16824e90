//! Pools: who is in, who is out, since when, owned by whom.

use std::fmt::Write;

use super::describe::name;
use super::member;
use super::style::{Style, Tint};
use super::table::Table;
use crate::base::clock::Timestamp;
use crate::base::id::PoolName;
use crate::base::sanitise::one_line;
use crate::base::value::Value;
use crate::model::obligation::Obligation;

/// A pool as looked at just now.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolStatus {
    /// Which.
    pub pool: PoolName,
    /// The result of `pool.status`, or why there is none.
    pub seen: Result<Value, String>,
}

/// All pools, with the debts that are open.
#[must_use]
pub fn text(pools: &[PoolStatus], debts: &[Obligation], now: Timestamp, style: Style) -> String {
    if pools.is_empty() {
        return String::from("the inventory has no pools\n");
    }
    let parts: Vec<String> = pools.iter().map(|p| one(p, debts, now, style)).collect();
    parts.join("\n")
}

fn one(pool: &PoolStatus, debts: &[Obligation], now: Timestamp, style: Style) -> String {
    let label = style.paint(Tint::Strong, &name(&pool.pool));
    let status = match &pool.seen {
        Ok(status) => status,
        Err(why) => return format!("{label}  {}: {}\n", style.paint(Tint::Bad, "UNKNOWN"), one_line(why, 300)),
    };
    let number = |field: &str| status.field(field).and_then(|v| v.as_int());
    let (serving, least) = (number("serving"), number("min_in_service"));
    let members = status.field("members").unwrap_or_default();
    let members = members.as_list().unwrap_or(&[]);
    let (word, tint) = match (serving, least) {
        (Some(serving), Some(least)) if serving < least => ("BELOW MINIMUM", Tint::Bad),
        (Some(_), Some(_)) if members.iter().all(member::in_service) => ("ok", Tint::Good),
        (Some(_), Some(_)) => ("REDUCED", Tint::Notice),
        _ => ("UNKNOWN", Tint::Bad),
    };
    let shown = |n: Option<i64>| n.map_or_else(|| String::from("?"), |n| n.to_string());
    let mut text = format!(
        "{label}  {}  {} of {} serving, {} enabled, minimum {}",
        style.paint(tint, word),
        shown(serving),
        members.len(),
        shown(number("enabled")),
        shown(least)
    );
    if let Some(Value::Text(algorithm)) = status.field("algorithm") {
        let _ = write!(text, ", {}", name(algorithm));
    }
    text.push('\n');
    let mut table = Table::new(&member::HEADINGS);
    for record in members {
        table.row(member::row(&pool.pool, record, now, debts));
    }
    for line in table.render(style).lines() {
        let _ = writeln!(text, "  {line}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::{self, at, member};

    #[test]
    fn members_in_and_out_and_whose() {
        let seen = Value::map([
            ("algorithm", Value::text("leastconn")),
            ("serving", Value::Int(0)),
            ("enabled", Value::Int(0)),
            ("min_in_service", Value::Int(1)),
            (
                "members",
                Value::List(vec![
                    member("web-01", "drain", true, 600),
                    member("web-02", "maint", false, 97_200),
                    Value::map([("name", Value::text("web\u{1b}[2J-03"))]),
                ]),
            ),
        ]);
        let pools = [
            PoolStatus {
                pool: "web".into(),
                seen: Ok(seen),
            },
            PoolStatus {
                pool: "db".into(),
                seen: Err(String::from("lb-02 does not answer")),
            },
        ];
        let shown = text(&pools, &[sample::obligation()], at(602_000), Style::PLAIN);
        let expected = r"web  BELOW MINIMUM  0 of 3 serving, 0 enabled, minimum 1, leastconn
  MEMBER           STATE    UP       SINCE                        OWNED BY
  web-01           drain    up       2026-11-21T03:14:09Z (10m)   run #3 (mira), obligation 3.1
  web-02           maint    DOWN     2026-11-20T00:24:09Z (1d3h)  nobody
  web\u{1b}[2J-03  unknown  unknown

db  UNKNOWN: lb-02 does not answer
";
        assert_eq!(shown, expected);
    }
}
