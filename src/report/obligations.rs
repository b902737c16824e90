//! The table of debts, one debt in full, and the line that every command shows while one is open.

use std::fmt::Write;

use super::describe::{self, ago, count, name, sentence, until};
use super::style::{Style, Tint};
use super::table::{Cell, Table};
use crate::base::clock::Timestamp;
use crate::model::obligation::{Obligation, ObligationState};

/// The table. Without debts, a sentence.
#[must_use]
pub fn text(debts: &[Obligation], now: Timestamp, style: Style) -> String {
    if debts.is_empty() {
        return String::from("no obligations\n");
    }
    let mut table = Table::new(&["ID", "STATE", "WHAT", "SINCE", "DUE", "OWNER"]);
    for debt in debts {
        let (state, tint) = state(debt, now);
        let due = if debt.is_open() { until(debt.deadline, now) } else { String::new() };
        table.row(vec![
            name(&debt.id).into(),
            Cell::tinted(state, tint),
            name(&debt.what).into(),
            ago(debt.opened_at, now).into(),
            due.into(),
            name(&debt.owner).into(),
        ]);
    }
    table.render(style)
}

/// `1 obligation open: 3.1 web-01 out of pool web (drain), OVERDUE by 12m`; `None` when nothing is owed.
#[must_use]
pub fn reminder(debts: &[Obligation], now: Timestamp, style: Style) -> Option<String> {
    let mut open: Vec<&Obligation> = debts.iter().filter(|o| o.is_open()).collect();
    // The one that is due first is the one to name.
    open.sort_by(|a, b| (a.deadline, &a.id).cmp(&(b.deadline, &b.id)));
    let first = open.first()?;
    let due = if first.deadline <= now {
        format!("OVERDUE by {}", describe::coarse(now.since(first.deadline)))
    } else {
        format!("due {}", until(first.deadline, now))
    };
    let more = if open.len() > 1 {
        format!(", and {} more", open.len() - 1)
    } else {
        String::new()
    };
    let head = style.paint(Tint::Bad, &format!("{} open:", count(open.len(), "obligation")));
    Some(format!(
        "{head} {} {}, {due}{more}   (runbook obligations list)",
        name(&first.id),
        sentence(&first.what)
    ))
}

/// One debt in full, with the commands that end it.
#[must_use]
pub fn show(debt: &Obligation, now: Timestamp, style: Style) -> String {
    let (state, tint) = state(debt, now);
    let mut text = format!("Obligation {}  {}\n", name(&debt.id), style.paint(tint, &state));
    let mut line = |label: &str, value: String| {
        let _ = writeln!(text, "  {label:<9} {value}");
    };
    line("what", sentence(&debt.what));
    line("resource", sentence(&debt.resource));
    line("why", sentence(&debt.reason));
    if debt.people.is_empty() {
        line("run", format!("{} by {}, step {}", debt.run, name(&debt.owner), name(&debt.taker)));
    } else {
        line("run", format!("{}, step {}", debt.run, name(&debt.taker)));
        line("owner", sentence(&debt.owner));
    }
    line("since", ago(debt.opened_at, now));
    line("due", format!("{} ({})", debt.deadline, until(debt.deadline, now)));
    if debt.people.is_empty() {
        line("restores", describe::undo(&debt.previous));
    }
    match &debt.state {
        ObligationState::Open => line("close", super::end::close(debt)),
        ObligationState::Discharged { at, how } => line("closed", format!("{at}: {}", sentence(how))),
        ObligationState::Waived { at, by, reason } => line("waived", format!("{at} by {}: {}", name(by), sentence(reason))),
    }
    text
}

fn state(debt: &Obligation, now: Timestamp) -> (String, Tint) {
    match &debt.state {
        ObligationState::Open if debt.deadline <= now => (String::from("OVERDUE"), Tint::Bad),
        ObligationState::Open => (String::from("OPEN"), Tint::Notice),
        ObligationState::Discharged { .. } => (String::from("discharged"), Tint::Good),
        ObligationState::Waived { .. } => (String::from("waived"), Tint::Plain),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::{self, at};

    #[test]
    fn a_table_and_a_reminder() {
        let closed = Obligation {
            state: ObligationState::Discharged {
                at: at(9_000),
                how: String::from("return_master"),
            },
            id: crate::model::obligation::ObligationId(String::from("3.2")),
            ..sample::obligation()
        };
        let debts = [sample::obligation(), closed];
        assert_eq!(
            text(&debts, at(602_000), Style::PLAIN),
            "ID   STATE       WHAT                            SINCE                           DUE     OWNER\n\
             3.1  OPEN        web-01 out of pool web (drain)  2026-11-21T03:14:09Z (10m ago)  in 35m  mira\n\
             3.2  discharged  web-01 out of pool web (drain)  2026-11-21T03:14:09Z (10m ago)          mira\n"
        );
        assert_eq!(
            reminder(&debts, at(602_000), Style::PLAIN).as_deref(),
            Some("1 obligation open: 3.1 web-01 out of pool web (drain), due in 35m   (runbook obligations list)")
        );
        assert_eq!(
            reminder(&debts, at(3_422_000), Style::PLAIN).as_deref(),
            Some("1 obligation open: 3.1 web-01 out of pool web (drain), OVERDUE by 12m   (runbook obligations list)")
        );
        assert_eq!(reminder(&debts[1..], at(0), Style::PLAIN), None);
    }

    #[test]
    fn one_in_full() {
        assert_eq!(
            show(&sample::obligation(), at(602_000), Style::PLAIN),
            "Obligation 3.1  OPEN\n\
             \x20 what      web-01 out of pool web (drain)\n\
             \x20 resource  pool/web/member/web-01\n\
             \x20 why       recover-master\n\
             \x20 run       #3 by mira, step drain_master\n\
             \x20 since     2026-11-21T03:14:09Z (10m ago)\n\
             \x20 due       2026-11-21T03:59:09Z (in 35m)\n\
             \x20 restores  stays\n\
             \x20 close     runbook obligations discharge 3.1   (or: waive 3.1)\n"
        );
    }
}
