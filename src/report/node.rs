//! One step of a plan in a few words: its sign, what it does, where, and what becomes of it when the run fails.

use super::describe::{self, name, sentence};
use super::style::Tint;
use super::table::Cell;
use crate::base::sanitise::one_line;
use crate::base::value::Value;
use crate::model::action::{Class, Undo};
use crate::model::plan::{Forecast, LOOKS, Node, OFFLINE};

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

/// How certain it is what a step does: what a sentence about it begins with.
pub(super) fn certainty(node: &Node) -> String {
    let final_word = if node.undo == Undo::Impossible { ", CANNOT BE UNDONE" } else { "" };
    match &node.forecast {
        Forecast::Reads { .. } => String::from("looks"),
        Forecast::WillChange { .. } => format!("will change{final_word}"),
        Forecast::NothingToDo { .. } => String::from("nothing to do"),
        Forecast::AtRunTime { .. } if node.action == "decide" => String::from("known at run time"),
        Forecast::AtRunTime { .. } if node.class == Class::Probe => String::from("looks at run time"),
        // Without a look at the hosts that is so everywhere, and said once.
        Forecast::AtRunTime { why } if why == OFFLINE => format!("might change{final_word}"),
        Forecast::AtRunTime { .. } => format!("might change{final_word}, known at run time"),
        Forecast::Skipped { .. } => String::from("will not run"),
        Forecast::Calls { .. } => String::from("calls"),
        Forecast::Asks { .. } => String::from("asks"),
        Forecast::Decides { .. } => String::from("decides"),
    }
}

/// What the step does, in a sentence that starts with how certain it is.
pub(super) fn does(node: &Node) -> String {
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
    let certain = certainty(node);
    let text = match &node.forecast {
        Forecast::Reads { summary } if summary == LOOKS => format!("{certain}: {}", aim(node)),
        Forecast::Reads { summary } => format!("{certain}: {check}{summary}"),
        Forecast::AtRunTime { why } if why == OFFLINE => format!("{certain}: {}", aim(node)),
        Forecast::AtRunTime { why } if node.class == Class::Probe && node.action != "decide" => format!("{certain}: {check}{why}"),
        Forecast::WillChange { summary: said }
        | Forecast::NothingToDo { summary: said }
        | Forecast::AtRunTime { why: said }
        | Forecast::Skipped { why: said } => format!("{certain}: {said}"),
        Forecast::Calls { summary } => summary.clone(),
        Forecast::Asks { summary } => format!("{certain} {summary}"),
        Forecast::Decides { is, why } => format!("{certain}: {is}, for {why}"),
    };
    sentence(&text)
}

/// What a step is there for, where nothing was seen yet: what its author calls it, else its action with the arguments that tell.
fn aim(node: &Node) -> String {
    let own = node.step.as_str().rsplit('.').next().unwrap_or_default();
    let given = ["", own, node.step.as_str()]
        .iter()
        .any(|id| node.name == *id || node.name == id.replace('_', " "));
    if !given {
        return one_line(&node.name, 2 * describe::NAME);
    }
    let tells =
        |(key, value): &(&String, &Value)| key.as_str() != "content" && !matches!(value, Value::Map(_) | Value::Null | Value::Bool(_));
    let told: Vec<(&String, String)> = node
        .arguments
        .0
        .iter()
        .filter(tells)
        .map(|(key, value)| match value {
            Value::List(list) => (
                key,
                one_line(&list.iter().map(describe::value).collect::<Vec<_>>().join(" "), describe::NAME),
            ),
            other => (key, describe::value(other)),
        })
        .collect();
    let action = name(&node.action);
    match told.as_slice() {
        [] => action,
        [(_, one)] => format!("{action} {one}"),
        several => {
            let pairs: Vec<String> = several.iter().map(|(key, value)| format!("{} {value}", name(key))).collect();
            format!("{action}: {}", pairs.join(", "))
        }
    }
}

/// A note, as it stands beneath a row: conditions speak for themselves.
pub(super) fn note(text: &str) -> String {
    let condition = ["only if ", "if ", "else if ", "else: "].iter().any(|word| text.starts_with(word));
    if condition { text.to_owned() } else { format!("note: {text}") }
}

/// What happens to the step's change when the run fails later.
pub(super) fn if_it_fails(node: &Node) -> String {
    match (&node.owes, node.may_change()) {
        (Some(owed), true) => format!("owes {}", name(nearby(node, owed.as_str()))),
        // What there will be to restore, only the run can see.
        (None, true) if undone_as_found(node) => String::from("undo: as it was"),
        (None, true) => describe::undo(&node.undo),
        (_, false) => String::new(),
    }
}

/// The name of a node as it is read beside this one: without the turns and the host that both have.
fn nearby<'n>(node: &Node, other: &'n str) -> &'n str {
    let own = node.row.as_str();
    let turns = own.rfind("].").map_or(0, |at| at + 2);
    let other = other.strip_prefix(&own[..turns]).unwrap_or(other);
    match (other.rsplit_once('@'), &node.host) {
        (Some((step, host)), Some(own)) if host == own.as_str() => step,
        _ => other,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::action::Arguments;
    use crate::model::plan::Section;
    use crate::report::sample;

    #[test]
    fn what_nobody_looked_at_says_what_it_is_for() {
        let mut node = sample::node("put_back", Section::Steps, Some("web-01"));
        node.class = Class::Reversible;
        node.action = String::from("pool.member");
        node.forecast = Forecast::AtRunTime {
            why: String::from(OFFLINE),
        };
        node.name = String::from("put back");
        node.arguments = Arguments::from_pairs([("state", Value::text("ready")), ("member", Value::text("web-01"))]);
        assert_eq!(does(&node), "might change: pool.member: member web-01, state ready");
        node.name = String::from("Put it back");
        assert_eq!(does(&node), "might change: Put it back");
        node.class = Class::Probe;
        node.forecast = Forecast::Reads {
            summary: String::from(LOOKS),
        };
        assert_eq!(does(&node), "looks: Put it back");
        node.name = String::from("put_back");
        node.arguments = Arguments::from_pairs([("gather", Value::List(vec![Value::text("cpu"), Value::text("load")]))]);
        assert_eq!(does(&node), "looks: pool.member cpu load");
    }

    #[test]
    fn what_is_owed_in_the_same_turn_and_on_the_same_host_is_called_by_its_step() {
        let mut node = sample::node("return_others[web-02].other_ready", Section::Steps, None);
        node.class = Class::Reversible;
        node.forecast = Forecast::WillChange { summary: String::new() };
        node.owes = Some("return_others[web-02].put_back".into());
        assert_eq!(if_it_fails(&node), "owes put_back");
        node.owes = Some("return_others[web-03].put_back".into());
        assert_eq!(if_it_fails(&node), "owes return_others[web-03].put_back");
        let mut there = sample::node("stop@web-01", Section::Steps, Some("web-01"));
        there.class = Class::Reversible;
        there.forecast = Forecast::WillChange { summary: String::new() };
        there.owes = Some("go_on@web-01".into());
        assert_eq!(if_it_fails(&there), "owes go_on");
    }

    #[test]
    fn conditions_are_no_notes() {
        assert_eq!(note("only if a"), "only if a");
        assert_eq!(note("else: tell"), "else: tell");
        assert_eq!(note("effect unknown"), "note: effect unknown");
    }
}
