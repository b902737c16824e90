//! How far back a failure can go: what the steps of a plan say together, before anything is done.

use std::collections::HashSet;

use serde_json::{Value as Json, json};

use super::describe::name;
use crate::base::id::NodeId;
use crate::model::action::Undo;
use crate::model::plan::{Forecast, Node, Plan};

/// Names of steps in a sentence.
const NAMES: usize = 4;

/// What bars the way back.
struct WayBack<'p> {
    /// Steps that cannot be taken back: what failed after one goes back to it and no further.
    no_return: Vec<&'p Node>,
    /// Likewise, but a turn that has come to its end stays and is passed by.
    in_turns: Vec<&'p Node>,
    /// Loops of which finished turns stay although something could be taken back.
    kept: Vec<&'p str>,
    /// Changes that are meant to stay; a return that is owed is none of them.
    stays: Vec<&'p Node>,
    /// People have done something, and only they can take it back.
    by_hand: bool,
}

fn of(plan: &Plan) -> Option<WayBack<'_>> {
    let work = || plan.nodes.iter().filter(|n| n.section.is_work());
    if !work().any(Node::may_change) {
        return None;
    }
    let owed: HashSet<&NodeId> = work().filter_map(|n| n.owes.as_ref()).collect();
    let kept = |n: &Node| n.turns.last().filter(|t| plan.kept_turns.contains(&t.step)).is_some();
    let barred = |n: &&Node| n.may_change() && n.undo == Undo::Impossible;
    let mut loops: Vec<&str> = Vec::new();
    for node in work().filter(|n| kept(n) && n.may_change() && !matches!(n.undo, Undo::Keep)) {
        let own = node.turns.last().map(|t| t.step.as_str()).unwrap_or_default();
        if node.undo != Undo::Nothing && !loops.contains(&own) {
            loops.push(own);
        }
    }
    Some(WayBack {
        no_return: work().filter(|n| barred(n) && !kept(n)).collect(),
        in_turns: work().filter(|n| barred(n) && kept(n)).collect(),
        kept: loops,
        stays: work()
            .filter(|n| n.may_change() && n.undo == Undo::Keep && !owed.contains(&n.id))
            .collect(),
        by_hand: work().any(|n| n.is_task() && matches!(n.forecast, Forecast::Asks { .. })),
    })
}

/// One line, if the plan changes anything: `from any step to the start.`
pub(super) fn line(plan: &Plan) -> Option<String> {
    let way = of(plan)?;
    let mut said = match steps(&way.no_return).as_slice() {
        [] => String::from("from any step to the start."),
        [one] => format!("to the start until {one} is done, then only as far as {one}."),
        several => format!(
            "to the start until one of these is done, then only as far as that: {}.",
            some(several)
        ),
    };
    match steps(&way.stays).as_slice() {
        [] => {}
        [one] => said.push_str(&format!(" What {one} does stays.")),
        several => said.push_str(&format!(" What these do stays: {}.", some(several))),
    }
    if !way.in_turns.is_empty() {
        said.push_str(&format!(" In a turn only as far as {}.", some(&steps(&way.in_turns))));
    }
    if !way.kept.is_empty() {
        let loops: Vec<String> = way.kept.iter().map(name).collect();
        said.push_str(&format!(" Finished turns of {} stay.", some(&loops)));
    }
    if way.by_hand {
        said.push_str(" What is done by hand stays.");
    }
    Some(said)
}

/// For programs.
pub(super) fn json(plan: &Plan) -> Json {
    let way = of(plan);
    let ids = |nodes: Option<&Vec<&Node>>| -> Vec<Json> { nodes.into_iter().flatten().map(|n| json!(n.id)).collect() };
    json!({
        "to_the_start": way.as_ref().is_none_or(|w| w.no_return.is_empty()),
        "points_of_no_return": ids(way.as_ref().map(|w| &w.no_return)),
        "points_of_no_return_in_turns": ids(way.as_ref().map(|w| &w.in_turns)),
        "kept_turns_of": way.as_ref().map(|w| w.kept.clone()).unwrap_or_default(),
        "stays": ids(way.as_ref().map(|w| &w.stays)),
        "by_hand": way.as_ref().is_some_and(|w| w.by_hand),
    })
}

/// Their steps, each once.
fn steps(nodes: &[&Node]) -> Vec<String> {
    let mut known = HashSet::new();
    let first = nodes.iter().filter(|node| known.insert(&node.step));
    first.map(|node| name(&node.step)).collect()
}

fn some(names: &[String]) -> String {
    let shown = names.iter().take(NAMES).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMES) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::plan::Section;
    use crate::report::sample;

    fn of_sample(change: impl Fn(&mut Plan)) -> String {
        let mut plan = sample::plan();
        change(&mut plan);
        line(&plan).unwrap_or_default()
    }

    #[test]
    fn a_line_says_how_far_back() {
        let stays = "What other_ready does stays.";
        assert_eq!(
            of_sample(|_| {}),
            format!("to the start until share_load is done, then only as far as share_load. {stays}")
        );
        assert_eq!(
            of_sample(|p| p.nodes[7].undo = Undo::Nothing),
            format!("from any step to the start. {stays}")
        );
        assert_eq!(
            of_sample(|p| p.nodes[7].undo = Undo::Keep),
            "from any step to the start. What these do stays: other_ready, share_load."
        );
        assert_eq!(of_sample(|p| p.nodes.clear()), "");
        let several = of_sample(|p| p.nodes[4].undo = Undo::Impossible);
        assert!(
            several.contains("then only as far as that: free_memory, share_load. What other_ready does stays."),
            "{several}"
        );
        // What only happens after a failure bars nothing.
        assert_eq!(
            of_sample(|p| p.nodes[7].section = Section::OnFailure),
            format!("from any step to the start. {stays}")
        );
    }

    #[test]
    fn a_finished_turn_stays_and_is_passed_by() {
        let turn = |p: &mut Plan, undo: Undo| {
            p.nodes[7].undo = Undo::Nothing;
            p.nodes[2].undo = undo;
            p.kept_turns = vec!["return_others".into()];
        };
        let steps = of_sample(|p| turn(p, Undo::Steps));
        assert_eq!(steps, "from any step to the start. Finished turns of return_others stay.");
        let barred = of_sample(|p| turn(p, Undo::Impossible));
        assert_eq!(
            barred,
            "from any step to the start. In a turn only as far as other_ready. Finished turns of return_others stay."
        );
        let document = json(&sample::plan());
        assert_eq!(document["points_of_no_return"], json!(["share_load"]));
        assert_eq!(document["to_the_start"], false);
    }
}
