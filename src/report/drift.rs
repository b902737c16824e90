//! Two plans of the same runbook held against each other: what was so when one was saved, and is now.
//!
//! Compares the facts that the digest covers, so that plans with different digests differ in words, too.

use std::collections::HashMap;

use serde_json::Value as Json;

use super::describe::{self, count, name, sentence};
use super::node::{does, place};
use super::style::{Style, Tint};
use crate::base::id::NodeId;
use crate::base::sanitise::one_line;
use crate::model::plan::{Node, Plan, PoolForecast};
use crate::plan::digest::{self, Fact};

/// Places that are shown; those that are left are counted.
const PLACES: usize = 20;
/// A value in a line.
const VALUE: usize = 60;
/// Lines of a diff that are shown as gone, and as new.
const LINES: usize = 4;

/// A place where the plans differ.
struct Difference {
    place: String,
    lines: Vec<Line>,
}

enum Line {
    Was(String),
    Now(String),
    Other(String),
}

/// What differs, a few lines for each place; empty when nothing does that counts.
#[must_use]
pub fn text(was: &Plan, now: &Plan, style: Style) -> String {
    let mut all = pools(was, now);
    all.extend(nodes(was, now));
    let facts = |plan: &Plan| {
        digest::of_plan(plan)
            .into_iter()
            .filter(|fact| fact.0 != "refusals")
            .collect::<Vec<_>>()
    };
    let mut lines = of_facts(&facts(was), &facts(now));
    let refused = now.refusals.iter().map(|r| Line::Now(format!("REFUSED: {}", r.message)));
    lines.extend(refused.filter(|_| was.refusals.is_empty()));
    if !lines.is_empty() {
        all.push(Difference {
            place: String::from("the plan"),
            lines,
        });
    }
    let left = all.len().saturating_sub(PLACES);
    let mut text: String = all.iter().take(PLACES).map(|d| d.text(style)).collect();
    if left > 0 {
        text.push_str(&format!("  and at {} more\n", count(left, "place")));
    }
    text
}

impl Difference {
    fn text(&self, style: Style) -> String {
        let mut text = format!("  {}\n", style.paint(Tint::Strong, &self.place));
        for line in &self.lines {
            let (word, said) = match line {
                Line::Was(said) => (style.paint(Tint::Bad, "was   "), said),
                Line::Now(said) => (style.paint(Tint::Good, "is now"), said),
                Line::Other(said) => (String::new(), said),
            };
            let gap = if word.is_empty() { "" } else { "  " };
            text.push_str(&format!("    {word}{gap}{}\n", sentence(said)));
        }
        text
    }
}

fn pools(was: &Plan, now: &Plan) -> Vec<Difference> {
    let find = |plan: &Plan, pool: &PoolForecast| plan.pools.iter().find(|p| p.now.pool == pool.now.pool).cloned();
    let mut all = Vec::new();
    for pool in &was.pools {
        let lines = match find(now, pool) {
            Some(other) => of_pool(pool, &other),
            None => vec![Line::Other(String::from("not touched any more"))],
        };
        all.push((pool, lines));
    }
    let new = now.pools.iter().filter(|p| find(was, p).is_none());
    all.extend(new.map(|p| (p, vec![Line::Other(String::from("touched as well"))])));
    let told = all.into_iter().filter(|(_, lines)| !lines.is_empty());
    told.map(|(pool, lines)| Difference {
        place: format!("pool {}", name(&pool.now.pool)),
        lines,
    })
    .collect()
}

fn of_pool(was: &PoolForecast, now: &PoolForecast) -> Vec<Line> {
    let numbers = |p: &PoolForecast| {
        let c = &p.now;
        format!("{} of {} serving, {} enabled, minimum {}", c.serving, c.total, c.enabled, c.minimum)
    };
    let mut lines = Vec::new();
    if was.now != now.now {
        lines.extend([Line::Was(numbers(was)), Line::Now(numbers(now))]);
    }
    let members = |pool: &PoolForecast| digest::of_pool(pool).into_iter().find(|(label, _)| *label == "members");
    let (Some((_, Json::Array(was))), Some((_, Json::Array(now)))) = (members(was), members(now)) else {
        return lines;
    };
    // A member is a list of named fields.
    let who = |member: &Json| field(member, "name").map(|n| value(&n)).unwrap_or_default();
    for member in &was {
        match now.iter().find(|m| who(m) == who(member)) {
            Some(other) => lines.extend(of_member(&who(member), member, other)),
            None => lines.push(Line::Other(format!("{} is no member any more", who(member)))),
        }
    }
    let new = now.iter().filter(|m| !was.iter().any(|o| who(o) == who(m)));
    lines.extend(new.map(|m| Line::Other(format!("{} is a member, too", who(m)))));
    lines
}

fn of_member(who: &str, was: &Json, now: &Json) -> Option<Line> {
    let names = was.as_array().into_iter().flatten().filter_map(|pair| pair[0].as_str());
    let changed = names.filter_map(|key| {
        let (old, new) = (field(was, key)?, field(now, key).unwrap_or_default());
        (old != new).then(|| format!("{key} was {}, is now {}", value(&old), value(&new)))
    });
    let changed: Vec<String> = changed.collect();
    (!changed.is_empty()).then(|| Line::Other(format!("{who}: {}", changed.join("; "))))
}

/// The value of a name in a list of pairs.
fn field(pairs: &Json, key: &str) -> Option<Json> {
    let found = pairs.as_array()?.iter().find(|pair| pair[0] == key)?;
    Some(found[1].clone())
}

fn nodes(was: &Plan, now: &Plan) -> Vec<Difference> {
    let mut all = Vec::new();
    let index = |plan: &'_ Plan| {
        plan.nodes
            .iter()
            .enumerate()
            .map(|(i, n)| (n.id.clone(), i))
            .collect::<HashMap<NodeId, usize>>()
    };
    let (known, planned) = (index(was), index(now));
    for node in &was.nodes {
        let lines = match planned.get(&node.id).map(|i| &now.nodes[*i]) {
            Some(other) => of_node(node, other),
            None => vec![Line::Was(does(node)), Line::Now(String::from("not in the plan"))],
        };
        if !lines.is_empty() {
            all.push(difference(node, lines));
        }
    }
    let new = now.nodes.iter().filter(|n| !known.contains_key(&n.id));
    all.extend(new.map(|n| difference(n, vec![Line::Was(String::from("not in the plan")), Line::Now(does(n))])));
    all
}

fn difference(node: &Node, lines: Vec<Line>) -> Difference {
    Difference {
        place: format!("{} on {}", name(&node.id), place(node)),
        lines,
    }
}

fn of_node(was: &Node, now: &Node) -> Vec<Line> {
    let mut lines = Vec::new();
    let (mut old, mut new) = (digest::of_node(was), digest::of_node(now));
    if label(&old, "what it does") != label(&new, "what it does") {
        lines.extend([Line::Was(does(was)), Line::Now(does(now))]);
        // A step that has nothing to do any more has no diff and no way back either; that goes without saying.
        let apart = was.may_change() && now.may_change();
        let told =
            |fact: &Fact| fact.0 == "what it does" || (!apart && ["diff", "way back", "arguments", "takes from pools"].contains(&fact.0));
        old.retain(|fact| !told(fact));
        new.retain(|fact| !told(fact));
    }
    lines.extend(of_diffs(was, now));
    let back = (label(&old, "way back"), label(&new, "way back"));
    if back.0 != back.1 && back.0.is_some() {
        let told = |node: &Node| format!("if a later step fails: {}", describe::undo(&node.undo));
        let (before, after) = (told(was), told(now));
        // What differs may be too deep for words; that something does must be said all the same.
        let after = if before == after {
            format!("{after}, to something else")
        } else {
            after
        };
        lines.extend([Line::Was(before), Line::Now(after)]);
    }
    old.retain(|fact| !["diff", "way back"].contains(&fact.0));
    new.retain(|fact| !["diff", "way back"].contains(&fact.0));
    lines.extend(of_facts(&old, &new));
    lines
}

fn label<'f>(facts: &'f [Fact], wanted: &str) -> Option<&'f Json> {
    facts.iter().find(|(label, _)| *label == wanted).map(|(_, fact)| fact)
}

/// Lines of the change that are not in the other one.
fn of_diffs(was: &Node, now: &Node) -> Vec<Line> {
    let (Some(old), Some(new)) = (&was.diff, &now.diff) else {
        return Vec::new();
    };
    let only = |these: &str, those: &str| -> Vec<String> {
        let apart = these.lines().filter(|line| !those.lines().any(|other| other == *line));
        apart.take(LINES).map(|line| one_line(line, VALUE)).collect()
    };
    let quoted = |lines: Vec<String>| lines.join(" | ");
    let (gone, come) = (only(old, new), only(new, old));
    let mut lines = Vec::new();
    if !gone.is_empty() {
        lines.push(Line::Was(format!("in its diff: {}", quoted(gone))));
    }
    if !come.is_empty() {
        lines.push(Line::Now(format!("in its diff: {}", quoted(come))));
    }
    if lines.is_empty() && old != new {
        lines.push(Line::Other(String::from("its diff has the same lines in another order")));
    }
    lines
}

fn of_facts(was: &[Fact], now: &[Fact]) -> Vec<Line> {
    let apart = was.iter().filter_map(|(label, old)| {
        let new = self::label(now, label).filter(|new| *new != old)?;
        Some((*label, old, new))
    });
    apart.flat_map(|(label, old, new)| pairs(label, old, new)).collect()
}

/// Named values (arguments, parameters) one by one, everything else as a whole.
fn pairs(label: &str, was: &Json, now: &Json) -> Vec<Line> {
    let named = |facts: &Json| -> Option<Vec<(String, Json)>> {
        match facts {
            Json::Object(map) => Some(map.iter().map(|(k, v)| (k.clone(), v.clone())).collect()),
            Json::Array(list) if label == "arguments" => list.iter().map(|p| Some((p[0].as_str()?.to_owned(), p[1].clone()))).collect(),
            _ => None,
        }
    };
    let said = |what: &str, was: &Json, now: &Json| Line::Other(format!("{what}: was {}, is now {}", value(was), value(now)));
    let (Some(old), Some(new)) = (named(was), named(now)) else {
        return vec![said(label, was, now)];
    };
    let of = |list: &[(String, Json)], key: &str| list.iter().find(|(k, _)| k == key).map(|(_, v)| v.clone());
    let mut keys: Vec<&String> = old.iter().chain(&new).map(|(k, _)| k).collect();
    keys.sort();
    keys.dedup();
    let apart = keys.into_iter().filter_map(|key| {
        let (was, now) = (of(&old, key).unwrap_or_default(), of(&new, key).unwrap_or_default());
        (was != now).then(|| said(&format!("{label} {key}"), &was, &now))
    });
    apart.collect()
}

/// A value without the name of its kind: `{"text":"x"}` is x.
fn value(json: &Json) -> String {
    const KINDS: [&str; 8] = ["text", "int", "float", "bool", "list", "map", "size", "percent"];
    let text = match json {
        Json::Null => String::from("nothing"),
        Json::String(text) => text.clone(),
        Json::Object(map) if map.len() == 1 && map.keys().all(|k| KINDS.contains(&k.as_str())) => {
            return map.values().map(value).collect();
        }
        Json::Array(list) => list.iter().map(value).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    };
    match one_line(&text, VALUE).as_str() {
        "" => String::from("empty"),
        shown => shown.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::value::Value;
    use crate::model::plan::{Forecast, Refusal};
    use crate::report::sample;

    #[test]
    fn the_same_plan_differs_nowhere() {
        let mut later = sample::plan();
        later.made_at = sample::at(99_000);
        later.pools[0].members[0] = sample::member("web-01", "ready", true, 7);
        assert_eq!(text(&sample::plan(), &later, Style::PLAIN), "");
    }

    #[test]
    fn pools_and_steps_are_told_as_they_were_and_are() {
        let (was, mut now) = (sample::plan(), sample::plan());
        now.pools[0].now.enabled = 2;
        now.pools[0].members[1] = sample::member("web-02", "drain", false, 1);
        now.nodes[2].forecast = Forecast::NothingToDo {
            summary: String::from("already\u{1b}[2J so"),
        };
        now.nodes[7].diff = Some(String::from("@@ -12 +12 @@\n-  balance source\n+  balance roundrobin\n"));
        now.nodes[3].arguments.0.insert(String::from("state"), Value::text("maint"));
        now.nodes.pop();
        now.refusals.push(Refusal {
            order: Vec::new(),
            node: None,
            message: String::from("no"),
            counterexample: Vec::new(),
            instead: None,
        });
        let expected = "  pool web
    was     1 of 2 serving, 1 enabled, minimum 1
    is now  1 of 2 serving, 2 enabled, minimum 1
    web-02: state was maint, is now drain
  return_others[web-02].other_ready on lb-01
    was     will change: web-02: maint → ready
    is now  nothing to do: already\\u{1b}[2J so
  drain_master on lb-01
    arguments state: was nothing, is now maint
  share_load on lb-01
    was     in its diff: -  balance leastconn
    is now  in its diff: -  balance source
  page on control
    was     will change: tell oncall_web
    is now  not in the plan
  the plan
    is now  REFUSED: no
";
        assert_eq!(text(&was, &now, Style::PLAIN), expected);
    }
}
