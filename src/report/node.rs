//! One step of a plan in a few words: its sign, what it does, where, and what becomes of it when the run fails.

use super::describe::{self, name, sentence};
use super::style::Tint;
use super::table::Cell;
use crate::model::action::{Class, Undo};
use crate::model::plan::{Forecast, Node};

/// What stands before a step.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    /// `?`
    Looks,
    /// `~`
    Changes,
    /// `!`
    NoWayBack,
    /// `=`
    Nothing,
    /// `*`
    RunTime,
    /// `||`
    Asks,
    /// `-`
    WillNotRun,
    /// `>`
    Calls,
}

impl Sign {
    pub(super) fn cell(self) -> Cell {
        match self {
            Sign::Looks => Cell::tinted("?", Tint::Faint),
            Sign::Changes => Cell::tinted("~", Tint::Notice),
            Sign::NoWayBack => Cell::tinted("!", Tint::Bad),
            Sign::Nothing => Cell::tinted("=", Tint::Good),
            Sign::RunTime => Cell::tinted("*", Tint::Notice),
            Sign::Asks => Cell::tinted("||", Tint::Strong),
            Sign::WillNotRun => Cell::tinted("-", Tint::Faint),
            Sign::Calls => Cell::tinted(">", Tint::Strong),
        }
    }
}

pub(super) fn sign(node: &Node) -> Sign {
    match &node.forecast {
        Forecast::Asks { .. } => Sign::Asks,
        Forecast::Calls { .. } => Sign::Calls,
        Forecast::Reads { .. } | Forecast::Decides { .. } => Sign::Looks,
        Forecast::NothingToDo { .. } => Sign::Nothing,
        Forecast::Skipped { .. } => Sign::WillNotRun,
        Forecast::AtRunTime { .. } if node.class == Class::Probe => Sign::Looks,
        _ if node.undo == Undo::Impossible => Sign::NoWayBack,
        Forecast::AtRunTime { .. } => Sign::RunTime,
        Forecast::WillChange { .. } => Sign::Changes,
    }
}

/// What the step does, in a sentence that starts with how certain it is.
pub(super) fn does(node: &Node) -> String {
    let final_word = if node.undo == Undo::Impossible { ", CANNOT BE UNDONE" } else { "" };
    // A check made by us is called `verify.1`; what its author called it tells more.
    let numbered = node
        .step
        .as_str()
        .rsplit('.')
        .next()
        .is_some_and(|last| last.parse::<u32>().is_ok());
    let check = if numbered && node.name != node.step.as_str() {
        format!("{}: ", name(&node.name))
    } else {
        String::new()
    };
    let text = match &node.forecast {
        Forecast::Reads { summary } => format!("looks: {check}{summary}"),
        Forecast::WillChange { summary } => format!("will change{final_word}: {summary}"),
        Forecast::NothingToDo { summary } => format!("nothing to do: {summary}"),
        Forecast::AtRunTime { why } if node.action == "decide" => format!("known at run time: {why}"),
        Forecast::AtRunTime { why } if node.class == Class::Probe => format!("looks at run time: {check}{why}"),
        Forecast::AtRunTime { why } => format!("might change{final_word}, known at run time: {why}"),
        Forecast::Skipped { why } => format!("will not run: {why}"),
        Forecast::Calls { summary } => summary.clone(),
        Forecast::Asks { summary } => format!("asks {summary}"),
        Forecast::Decides { is, why } => format!("decides: {is}, for {why}"),
    };
    sentence(&text)
}

/// What happens to the step's change when the run fails later.
pub(super) fn if_it_fails(node: &Node) -> String {
    match (&node.owes, node.may_change()) {
        (Some(owed), true) => format!("owes {}", name(owed)),
        // What there will be to restore, only the run can see.
        (None, true) if undone_as_found(node) => String::from("undo: as it was"),
        (None, true) => describe::undo(&node.undo),
        (_, false) => String::new(),
    }
}

/// Its action restores what it finds, and the plan cannot see yet what that is.
pub(super) fn undone_as_found(node: &Node) -> bool {
    node.class == Class::Reversible && node.undo == Undo::Nothing && matches!(node.forecast, Forecast::AtRunTime { .. })
}

/// Where the step happens.
pub(super) fn place(node: &Node) -> String {
    match (&node.host, node.touches()) {
        (Some(host), _) => name(host),
        (None, []) => String::from("control"),
        (None, touches) => describe::hosts(touches, 2),
    }
}
