//! The verdict: was the site really down, is it really well, is the load really shared, and does it stay so.

use std::time::Duration;

use super::interrupt::Halt;
use super::scenes::{LOOK, RECOVERY};
use super::users::{Got, Mark, enough, even, got, served_from, shares};
use crate::base::clock::friendly;
use crate::lab::load::LoadReport;

/// Everything the verdict is made from.
#[derive(Debug)]
pub(super) struct Seen<'a> {
    /// What users got from beginning to end.
    pub report: &'a LoadReport,
    /// When the run was approved.
    pub approved: Duration,
    /// A look after the run.
    pub after: (Mark, Mark),
    /// A look after the reload.
    pub reloaded: (Mark, Mark),
    /// How many web servers there are.
    pub servers: usize,
}

/// The site must be down before anything is cured.
///
/// # Errors
/// It was not.
pub(super) fn down(got: Got) -> Result<(), Halt> {
    if got.ok == 0 && enough(got, LOOK) {
        return Ok(());
    }
    Err(Halt::Failed(format!(
        "the site was not really down: {} of {} requests were served",
        got.ok,
        got.ok + got.failed
    )))
}

/// The verdict, one line a finding.
///
/// # Errors
/// A finding is not as it must be.
pub(super) fn judge(seen: &Seen<'_>) -> Result<String, Halt> {
    let report = seen.report;
    let before = got(report, Duration::ZERO, LOOK);
    down(before)?;
    let well_from = seen.approved + RECOVERY;
    let well = got(report, well_from, seen.reloaded.1.at);
    if well.failed > 0 || !enough(well, seen.reloaded.1.at.saturating_sub(well_from)) {
        return Err(Halt::Failed(format!(
            "{} requests failed and {} were served from {} after the approval on",
            well.failed,
            well.ok,
            friendly(RECOVERY)
        )));
    }
    let mut text = format!("  down before     0 of {} requests were served\n", before.failed);
    let served = served_from(report, seen.approved).saturating_sub(seen.approved);
    text.push_str(&format!("  served again    {} after the approval\n", friendly(served)));
    text.push_str(&format!(
        "  well since      {} of {} requests, from {} after the approval to the end\n",
        well.ok,
        well.ok,
        friendly(RECOVERY)
    ));
    for (what, (from, to)) in [("load shared     ", &seen.after), ("after a reload  ", &seen.reloaded)] {
        let shares = shares(from, to);
        let list: Vec<String> = shares.iter().map(|(name, n)| format!("{name} {n}")).collect();
        let list = list.join(", ");
        if !even(&shares, seen.servers) {
            return Err(Halt::Failed(format!("the load is not shared within 10 %: {list}")));
        }
        text.push_str(&format!("  {what}{list}\n"));
    }
    Ok(text)
}
