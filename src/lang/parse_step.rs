//! Steps and checks as written.

use std::time::Duration;

use super::reader::{Map, choice, converted, identifier, mismatch, share, unknown_key, word, written};
use super::syntax::{Batch, Body, Call, ForEach, Invariant, Leave, Over, Owes, Pace, Retry, Step, Undo, Written};
use super::{keys, parse_control};
use crate::base::bound::LOOP_DEPTH;
use crate::diagnostic::{Diagnostic, Diagnostics, Span, Spanned};
use crate::model::inventory::Share;
use crate::model::runbook::CallMode;
use crate::yaml::{Entry, Node, NodeKind};

/// Reads a list of steps; absent is empty. `depth` counts the loops around it.
pub(super) fn steps(node: Option<&Node>, depth: usize, d: &mut Diagnostics) -> Vec<Step> {
    let Some(items) = node.and_then(|n| list(n, "steps", d)) else {
        return Vec::new();
    };
    items.iter().filter_map(|n| step(n, depth, d)).collect()
}

/// Reads a list of checks; absent is empty. Their ids are `PREFIX.1`, `PREFIX.2`, …
pub(super) fn checks(node: Option<&Node>, prefix: &str, d: &mut Diagnostics) -> Vec<Step> {
    let Some(items) = node.and_then(|n| list(n, "checks", d)) else {
        return Vec::new();
    };
    let read = |(i, n): (usize, &Node)| check(n, format!("{prefix}.{}", i + 1), d);
    items.iter().enumerate().filter_map(read).collect()
}

/// Reads `invariants:`; absent is empty. Their ids are `invariants.1`, `invariants.2`, …
pub(super) fn invariants(node: Option<&Node>, d: &mut Diagnostics) -> Vec<Invariant> {
    let Some(items) = node.and_then(|n| list(n, "checks", d)) else {
        return Vec::new();
    };
    let read = |(i, n): (usize, &Node)| {
        let map = Map::open(n, &keys::INVARIANT, d)?;
        Some(Invariant {
            from: map.word("from", d),
            check: check_of(&map, format!("invariants.{}", i + 1), &keys::INVARIANT, d),
        })
    };
    items.iter().enumerate().filter_map(read).collect()
}

fn list<'n>(node: &'n Node, what: &str, d: &mut Diagnostics) -> Option<&'n [Node]> {
    if let NodeKind::List(items) = &node.kind {
        return Some(items);
    }
    d.push(mismatch(node, &format!("{what} stand in a list"), "a list (`- …`)"));
    None
}

fn step(node: &Node, depth: usize, d: &mut Diagnostics) -> Option<Step> {
    let map = Map::open(node, &keys::STEP, d)?;
    let id = map.word("id", d).and_then(|id| identifier(id, '_', "the id of a step", d));
    let id = id.unwrap_or_else(|| Spanned::new(String::new(), first_key(&map)));
    let body = step_body(&map, depth, d);
    let verify = format!("{}.verify", id.value);
    let step = Step {
        span: first_key(&map),
        is_check: false,
        name: map.written("name", d),
        body,
        needs: map.words("needs", d),
        verify: checks(map.get("verify"), &verify, d),
        owes: map.get("owes").and_then(|n| owes(n, &id.value, d)),
        leave: map.get("leave").and_then(|n| leave(n, d)),
        undo: map.get("undo").and_then(|n| undo(n, depth, d)),
        allow_failure: map.written("allow_failure", d),
        pool_effect_none: map.choice("pool_effect", &["none"], d).map(|w| w.span),
        ..shared(&map, id, d)
    };
    Some(step)
}

fn check(node: &Node, id: String, d: &mut Diagnostics) -> Option<Step> {
    let map = Map::open(node, &keys::CHECK, d)?;
    Some(check_of(&map, id, &keys::CHECK, d))
}

fn check_of(map: &Map<'_>, id: String, table: &keys::Table, d: &mut Diagnostics) -> Step {
    let body = match map.others.as_slice() {
        [] => {
            let message = "a check needs a probe: one action that only reads";
            d.push(
                Diagnostic::error("RB0110", first_key(map), message)
                    .label("no action here")
                    .help("add one, such as `facts: [memory]`"),
            );
            Body::Broken
        }
        others => action(others, table, d),
    };
    let id = Spanned::new(id, first_key(map));
    let name = map.written("name", d);
    Step {
        is_check: true,
        name,
        body,
        ..shared(map, id, d)
    }
}

/// What steps and checks have in common.
fn shared(map: &Map<'_>, id: Written, d: &mut Diagnostics) -> Step {
    Step {
        id,
        span: first_key(map),
        is_check: true,
        name: None,
        body: Body::Broken,
        hosts: map.written("hosts", d),
        run_as: map.written("run_as", d),
        needs: None,
        when: map.written("when", d),
        that: map.written("that", d),
        within: map.duration("within", d),
        every: map.duration("every", d),
        retry: map.get("retry").and_then(|n| retry(n, d)),
        timeout: map.duration("timeout", d).map(|s| s.value),
        verify: Vec::new(),
        owes: None,
        leave: None,
        undo: None,
        allow_failure: None,
        allow_empty: map.bool("allow_empty", d).unwrap_or(false),
        pool_effect_none: None,
        template_off: map.choice("template", &["off"], d).map(|w| w.span),
        given: given(map),
    }
}

/// Keys that were refused, or whose value may have been.
fn given(map: &Map<'_>) -> Vec<String> {
    let refused = map.others.iter().filter(|e| is_no_action(e, map.others.len(), &keys::STEP));
    refused.map(|e| e.key.value.clone()).chain(map.names()).collect()
}

/// The step's first line.
fn first_key(map: &Map<'_>) -> Span {
    let id = map.entry("id").or_else(|| map.entry("name")).map(|e| Span {
        end: e.value.span.end,
        ..e.key.span
    });
    id.unwrap_or(Span {
        end: map.span.start.saturating_add(1).min(map.span.end),
        ..map.span
    })
}

/// Keys that stand in the place of an action.
const CONTROL: [&str; 5] = ["for_each", "approve", "manual", "decide", "call"];

/// Exactly one of: an action, `for_each` with `steps`, `approve`, `manual`, `decide`, `call`.
fn step_body(map: &Map<'_>, depth: usize, d: &mut Diagnostics) -> Body {
    let actions: Vec<&Entry> = map.others.clone();
    let control: Vec<&Entry> = CONTROL.iter().filter_map(|key| map.entry(key)).collect();
    if actions.is_empty() && control.is_empty() {
        let message = "a step needs something to do: one action, `for_each` with `steps`, `approve`, `manual`, `decide`, or `call`";
        d.push(Diagnostic::error("RB0110", first_key(map), message).label("nothing to do here"));
        return Body::Broken;
    }
    if let (Some(steps), None) = (map.entry("steps"), map.entry("for_each")) {
        let message = "`steps` in a step goes with `for_each`";
        d.push(Diagnostic::error("RB0110", steps.key.span, message).label("no `for_each` beside it"));
    }
    match control.as_slice() {
        [] => action(&actions, &keys::STEP, d),
        [one] if actions.is_empty() => match one.key.value.as_str() {
            "for_each" => looped(map, one, depth, d),
            "approve" => parse_control::approve(&one.value, d),
            "manual" => parse_control::manual(&one.value, d),
            "call" => call(&one.value, d),
            _ => parse_control::decide(one, d),
        },
        _ => {
            several(&[actions, control].concat(), d);
            Body::Broken
        }
    }
}

/// The one key that is not the language's: the action. A near miss of a key of the language is reported as that by `check`,
/// which knows the actions.
fn action(entries: &[&Entry], table: &keys::Table, d: &mut Diagnostics) -> Body {
    let (wrong, actions): (Vec<&Entry>, Vec<&Entry>) = entries.iter().partition(|e| is_no_action(e, entries.len(), table));
    for entry in wrong {
        d.push(unknown_key(entry, table, &[]));
    }
    match actions.as_slice() {
        [one] => Body::Action {
            name: one.key.clone(),
            argument: one.value.clone(),
        },
        [] => Body::Broken,
        many => {
            several(many, d);
            Body::Broken
        }
    }
}

/// A key of steps in a check, a piece of an expression cut apart by YAML, or, beside others, a misspelt key of the language.
fn is_no_action(entry: &Entry, of: usize, table: &keys::Table) -> bool {
    let name = entry.key.value.as_str();
    let odd = name.contains(|c: char| !c.is_ascii_alphanumeric() && !"_.-".contains(c));
    let near = || crate::diagnostic::nearest(name, table.keys.iter().map(|k| k.name)).is_some();
    odd || keys::STEP.get(name).is_some() || keys::INVARIANT.get(name).is_some() || (of > 1 && near())
}

fn several(entries: &[&Entry], d: &mut Diagnostics) {
    let mut sorted = entries.to_vec();
    sorted.sort_by_key(|e| e.key.span);
    let [first, rest @ ..] = sorted.as_slice() else { return };
    let names = super::convert::ticked(sorted.iter().map(|e| e.key.value.as_str()));
    let message = format!("a step does exactly one thing, this one has {names}");
    let mut diagnostic = Diagnostic::error("RB0110", first.key.span, message).label("one");
    for other in rest {
        diagnostic = diagnostic.also(other.key.span, "and another, or a misspelt key");
    }
    d.push(diagnostic.help("make a step of each; by default it waits for the step above"));
}

fn looped(map: &Map<'_>, entry: &Entry, depth: usize, d: &mut Diagnostics) -> Body {
    if depth >= LOOP_DEPTH {
        let message = format!("loops stand at most {LOOP_DEPTH} deep");
        d.push(Diagnostic::error("RB0116", entry.key.span, message).label("one too deep"));
        return Body::Broken;
    }
    let steps_node = map.get("steps");
    if steps_node.is_none_or(|n| matches!(&n.kind, NodeKind::List(items) if items.is_empty())) {
        let message = "`for_each` needs `steps`: what to do in each turn";
        d.push(Diagnostic::error("RB0110", entry.key.span, message).label("no `steps` beside it"));
    }
    let body = steps(steps_node, depth + 1, d);
    match for_each(entry, d) {
        Some(for_each) => Body::Loop { for_each, steps: body },
        None => Body::Broken,
    }
}

fn for_each(entry: &Entry, d: &mut Diagnostics) -> Option<ForEach> {
    let map = Map::read(&entry.value, &keys::FOR_EACH, d)?;
    let variable = map.word("as", d).and_then(|v| identifier(v, '_', "the name of a loop variable", d));
    let exclude = |a: &str, b: &str, d: &mut Diagnostics| {
        if let (Some(a_entry), Some(b_entry)) = (map.entry(a), map.entry(b)) {
            let message = format!("`{a}` and `{b}` exclude each other");
            d.push(
                Diagnostic::error("RB0116", b_entry.key.span, message)
                    .label("choose one")
                    .also(a_entry.key.span, "the other"),
            );
        }
    };
    exclude("hosts", "items", d);
    exclude("max_parallel", "max_unavailable", d);
    let over = match (map.get("hosts"), map.get("items")) {
        (Some(hosts), _) => written(hosts, d).map_or(Over::Broken, Over::Hosts),
        (None, Some(_)) => map.written("items", d).map_or(Over::Broken, Over::Items),
        (None, None) => {
            d.push(Diagnostic::error("RB0021", entry.key.span, "`for_each` needs `hosts` or `items`").label("over what?"));
            Over::Broken
        }
    };
    let undo = map.choice("undo", &["turn", "all"], d);
    let failures = map.word("max_failures", d).and_then(|w| converted(w, share, d));
    Some(ForEach {
        variable: variable?,
        over,
        pace: pace(&map, d),
        max_failures: failures.map_or(Share::Count(0), |s| s.value),
        pause: map.duration("pause", d).map_or(Duration::ZERO, |s| s.value),
        undo_finished: undo.is_some_and(|u| u.value == "all"),
    })
}

fn pace(map: &Map<'_>, d: &mut Diagnostics) -> Pace {
    let batch = |text: Written, d: &mut Diagnostics| {
        if text.value.contains("{{") {
            return Some(Batch::Text(text));
        }
        let positive = |t: &str| match share(t)? {
            Share::Count(0) => Err(String::from("expected at least 1, found `0`: no turn could ever start")),
            Share::Percent(p) if p <= 0.0 || p > 100.0 => Err(format!("expected a percentage above 0 and up to 100, found `{t}`")),
            share => Ok(share),
        };
        converted(text, positive, d).map(|s| Batch::Share(s.value))
    };
    if map.get("max_unavailable").is_some() {
        let texts = map.texts("max_unavailable", d).unwrap_or_default();
        let batches: Vec<Batch> = texts.into_iter().filter_map(|t| batch(t, d)).collect();
        return Pace::Batches(batches);
    }
    Pace::Parallel(map.count("max_parallel", 1, d).unwrap_or(1))
}

fn retry(node: &Node, d: &mut Diagnostics) -> Option<Retry> {
    let map = Map::read(node, &keys::RETRY, d)?;
    let factor = |t: &str| match t.parse::<f64>() {
        Ok(n) if n.is_finite() && (1.0..=100.0).contains(&n) => Ok(n),
        _ => Err(format!("expected a number from 1 to 100 such as `2`, found `{t}`")),
    };
    Some(Retry {
        attempts: map.count("attempts", 1, d).unwrap_or(1),
        delay: map.duration("delay", d).map_or(Duration::from_secs(5), |s| s.value),
        backoff: map
            .word("backoff", d)
            .and_then(|w| converted(w, factor, d))
            .map_or(1.0, |b| b.value),
        when: map.written("when", d),
    })
}

fn owes(node: &Node, id: &str, d: &mut Diagnostics) -> Option<Owes> {
    let NodeKind::Map(_) = &node.kind else {
        let step = word(node, d)?;
        return Some(Owes { step, guard: None });
    };
    let map = Map::read(node, &keys::OWES, d)?;
    let guard = map.get("guard").map(|list| checks(Some(list), &format!("{id}.guard"), d));
    Some(Owes {
        step: map.word("step", d)?,
        guard,
    })
}

fn leave(node: &Node, d: &mut Diagnostics) -> Option<Leave> {
    let map = Map::read(node, &keys::LEAVE, d)?;
    let until = map.duration("until", d);
    let reason = map.written("reason", d);
    Some(Leave {
        span: node.span,
        until: until?.value,
        reason: reason?,
    })
}

/// What makes no sense on the way back of one change is refused, not passed over.
fn fits_way_back(step: &Step, d: &mut Diagnostics) {
    let (what, help) = match &step.body {
        Body::Loop { .. } => (
            "for_each",
            "name the hosts at the step, as in `hosts: webservers`: it then runs on one after the other",
        ),
        Body::Approve(_) => (
            "approve",
            "if a person must see to it, say what is to be done: `manual: { ask: …, to: … }`; if the change may stay, say `undo: keep` at the step itself",
        ),
        // Calls are refused where they are put in.
        Body::Action { .. } | Body::Manual(_) | Body::Decide(_) | Body::Call(_) | Body::Broken => return,
    };
    let message = format!("`{what}` cannot stand in `undo`");
    d.push(
        Diagnostic::error("RB0119", step.id.span, message)
            .label("not on the way back")
            .help(help),
    );
}

/// Keys that mean nothing in `undo`: its steps are done one after the other, each once.
fn fits_in_undo(step: &Step, d: &mut Diagnostics) {
    let given = [
        ("needs", step.needs.as_ref().map(|n| n.first().map_or(step.id.span, |w| w.span))),
        ("retry", step.retry.as_ref().map(|_| step.id.span)),
        ("allow_failure", step.allow_failure.as_ref().map(|w| w.span)),
        ("owes", step.owes.as_ref().map(|o| o.step.span)),
        ("leave", step.leave.as_ref().map(|l| l.span)),
        (
            "undo",
            step.undo.as_ref().filter(|u| matches!(u.value, Undo::Steps(_))).map(|u| u.span),
        ),
    ];
    for (key, span) in given {
        if let Some(span) = span {
            let message = format!("`{key}` means nothing in `undo`");
            let help = "remove it: the steps of `undo` are done one after the other, each once; what fails there stays visible until a person has seen to it";
            d.push(Diagnostic::error("RB0118", span, message).label("not here").help(help));
        }
    }
}

fn undo(node: &Node, depth: usize, d: &mut Diagnostics) -> Option<Spanned<Undo>> {
    if let NodeKind::List(_) = &node.kind {
        let steps = steps(Some(node), depth, d);
        for step in &steps {
            fits_way_back(step, d);
            fits_in_undo(step, d);
        }
        return Some(Spanned::new(Undo::Steps(steps), node.span));
    }
    let word = choice(word(node, d)?, &["auto", "keep", "none"], d)?;
    let rule = match word.value {
        "auto" => Undo::Auto,
        "keep" => Undo::Keep,
        _ => Undo::None,
    };
    Some(Spanned::new(rule, word.span))
}

fn call(node: &Node, d: &mut Diagnostics) -> Body {
    let Some(map) = Map::read(node, &keys::CALL, d) else {
        return Body::Broken;
    };
    let mode = map.choice("mode", keys::CALL_MODES, d).map_or(CallMode::Run, |m| match m.value {
        "plan" => CallMode::Plan,
        "approve" => CallMode::Approve,
        _ => CallMode::Run,
    });
    let params = match map.get("params").map(|n| (n, &n.kind)) {
        None => Vec::new(),
        Some((_, NodeKind::Map(entries))) => entries.iter().map(|e| (e.key.clone(), e.value.clone())).collect(),
        Some((node, _)) => {
            d.push(mismatch(node, "`params` holds values by name", "a map"));
            return Body::Broken;
        }
    };
    let Some(runbook) = map.word("runbook", d) else {
        return Body::Broken;
    };
    Body::Call(Box::new(Call {
        runbook,
        params,
        mode,
        target: None,
    }))
}
