//! The branches of a `decide` that only the run can settle: what each hangs on, and which steps follow from it.

use std::collections::BTreeMap;

use super::judge::{self, Truth};
use super::results::Ending;
use crate::base::sanitise::one_line;
use crate::base::value::Value;
use crate::lang::expression;
use crate::model::runbook::{Branch, Step};
use crate::model::text::{Expression, Scope};

/// Branches told; more are counted.
const MOST: usize = 6;
/// Characters told of a condition.
const CONDITION: usize = 100;
/// Steps named after a branch.
const STEPS: usize = 4;

/// Those that it may still come to: neither those that are known to be false, nor what stands after one that is known to be true.
pub(super) fn left<'b>(branches: &'b [Branch], scope: &Scope) -> Vec<&'b Branch> {
    let mut left = Vec::new();
    for branch in branches {
        match branch.when.as_ref().map(|when| judge::condition(when, scope)) {
            Some(Ok(Truth::False(_))) => {}
            Some(Ok(Truth::Unknown) | Err(_)) => left.push(branch),
            None | Some(Ok(Truth::True)) => {
                left.push(branch);
                break;
            }
        }
    }
    left
}

/// A line each: `if steps.x.load > 3: busy, then drain, restart`.
pub(super) fn lines(step: &Step, branches: &[Branch], list: &[Step], scope: &Scope) -> Vec<String> {
    let name = step.id.as_str().rsplit('.').next().unwrap_or_default();
    let asking: Vec<(&Step, &Expression)> = list
        .iter()
        .filter_map(|s| Some((s, s.when.as_ref()?)))
        .filter(|(_, when)| asks(when, name))
        .collect();
    let left = left(branches, scope);
    let mut lines: Vec<String> = Vec::new();
    for (i, branch) in left.iter().take(MOST).enumerate() {
        let last = i + 1 == left.len();
        let when = branch.when.as_ref().filter(|_| !last).map(|w| one_line(&w.source, CONDITION));
        let told = match (when, i) {
            (Some(when), 0) => format!("if {when}: {}", branch.is),
            (Some(when), _) => format!("else if {when}: {}", branch.is),
            (None, _) => format!("else: {}", branch.is),
        };
        lines.push(told + &following(&asking, name, &branch.is, scope));
    }
    if left.len() > MOST {
        lines.push(format!("else: one of {} more", left.len() - MOST));
    }
    lines
}

/// Its truth hangs on what the `decide` of that name comes to.
fn asks(when: &Expression, name: &str) -> bool {
    let of_it = |path: &Vec<String>| path.first().is_some_and(|root| root == "steps") && path.get(1).is_some_and(|step| step == name);
    expression::paths(&when.root).iter().any(of_it)
}

/// `, then drain, restart`: the steps that wait for a word and are not ruled out by this one.
fn following(asking: &[(&Step, &Expression)], name: &str, word: &str, scope: &Scope) -> String {
    if asking.is_empty() {
        return String::new();
    }
    let mut scope = scope.clone();
    let mut steps = match scope.get("steps") {
        Some(Value::Map(map)) => map.clone(),
        _ => BTreeMap::new(),
    };
    let ended = Ending {
        ok: true,
        changed: Some(false),
        attempts: 1,
        ..Ending::default()
    };
    steps.insert(name.to_owned(), ended.onto(Value::map([("is", Value::text(word))])));
    scope.set("steps", Value::Map(steps));
    let follow: Vec<&str> = asking
        .iter()
        .filter(|(_, when)| !matches!(judge::condition(when, &scope), Ok(Truth::False(_))))
        .map(|(step, _)| step.id.as_str().rsplit('.').next().unwrap_or_default())
        .collect();
    match follow.len() {
        0 => String::new(),
        n if n <= STEPS => format!(", then {}", follow.join(", ")),
        n => format!(", then {} and {} more", follow[..STEPS].join(", "), n - STEPS),
    }
}
