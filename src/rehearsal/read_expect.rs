//! Reads what must come of a case.

use super::keys;
use super::matching::{bare, step_and_field};
use super::read::{Known, fields, steps};
use super::read_state::{hosts, unknown, unreadable};
use super::syntax::{Expect, ExpectPlan, FilePromise, PoolPromise};
use crate::diagnostic::{Diagnostics, Spanned};
use crate::model::inventory::{Inventory, Pool};
use crate::yaml::fields::{Fields, text, wrong_type};
use crate::yaml::{Entry, Node};

/// Reads `expect`.
pub(super) fn read(node: &Node, inventory: &Inventory, known: &Known, d: &mut Diagnostics) -> Expect {
    let top = fields(node, &keys::EXPECT, d);
    let outcomes = ["succeeded", "failed", "stuck", "denied", "cancelled", "lost", "refused"];
    Expect {
        span: node.span,
        plan: top.get("plan").map(|n| plan(n, known, d)),
        outcome: top
            .choice("outcome", &outcomes, d)
            .map(|o| Spanned::new(o.value.to_owned(), o.span)),
        failure: top.text("failure", d),
        order: steps(&top, "order", known, true, d),
        happens: steps(&top, "happens", known, true, d),
        never: steps(&top, "never", known, true, d),
        obligations: top
            .texts("obligations", d)
            .map(|list| Spanned::new(list, top.key_span("obligations").unwrap_or(node.span))),
        messages: messages(&top, d),
        pools: pools(&top, inventory, d),
        files: files(&top, inventory, d),
        services: services(&top, inventory, d),
        packages: packages(&top, inventory, d),
        silences: top
            .texts("silences", d)
            .map(|list| Spanned::new(list, top.key_span("silences").unwrap_or(node.span))),
        results: results(&top, known, d),
        within: top.duration("within", d),
    }
}

fn plan(node: &Node, known: &Known, d: &mut Diagnostics) -> ExpectPlan {
    let top = fields(node, &keys::EXPECT_PLAN, d);
    let span = top.key_span("will_change");
    ExpectPlan {
        will_change: span.map(|span| Spanned::new(steps(&top, "will_change", known, false, d), span)),
        nothing_to_do: steps(&top, "nothing_to_do", known, false, d),
        at_run_time: steps(&top, "at_run_time", known, false, d),
        skipped: steps(&top, "skipped", known, false, d),
        refused: top.text("refused", d),
        instead: top.text("instead", d),
    }
}

fn results(top: &Fields<'_>, known: &Known, d: &mut Diagnostics) -> Vec<(Spanned<String>, Spanned<String>)> {
    let mut all = Vec::new();
    for entry in top.map("results", d).unwrap_or_default() {
        let is_known = |step: &str| known.steps.iter().any(|s| s == bare(step));
        let plain = || entry.key.value.split_once('.').unwrap_or((&entry.key.value, ""));
        let (step, field) = step_and_field(&entry.key.value, is_known).unwrap_or_else(plain);
        super::read::which(&Spanned::new(step.to_owned(), entry.key.span), known, false, d);
        if field.is_empty() {
            d.push(unreadable(&entry.key, "a step and a field of its result, such as `cause.is`"));
        }
        if let Some(wanted) = text(&entry.value, "a result", d) {
            all.push((entry.key.clone(), wanted));
        }
    }
    all
}

fn messages(top: &Fields<'_>, d: &mut Diagnostics) -> Vec<(Option<String>, Spanned<String>)> {
    let mut all = Vec::new();
    for node in top.list("messages", d).unwrap_or_default() {
        if node.as_map().is_some() {
            let inner = Fields::of(node, &["to", "has"], "a message", d);
            let to = inner.text("to", d).map(|t| t.value);
            if let Some(has) = inner.required_text("has", d) {
                all.push((to, has));
            }
        } else if let Some(has) = text(node, "a message", d) {
            all.push((None, has));
        }
    }
    all
}

fn pools(top: &Fields<'_>, inventory: &Inventory, d: &mut Diagnostics) -> Vec<(Spanned<String>, Vec<Spanned<PoolPromise>>)> {
    let mut all = Vec::new();
    for entry in top.map("pools", d).unwrap_or_default() {
        let Some(pool) = inventory.pools.get(entry.key.value.as_str()) else {
            d.push(unknown("pool", &entry.key, inventory.pools.keys().map(|p| p.as_str())));
            continue;
        };
        let Some(entries) = entry.value.as_map() else {
            d.push(wrong_type(&entry.value, "a pool's promises", "a map"));
            continue;
        };
        let promises = entries.iter().filter_map(|e| promise(e, pool, d)).collect();
        all.push((entry.key.clone(), promises));
    }
    all
}

fn promise(entry: &Entry, pool: &Pool, d: &mut Diagnostics) -> Option<Spanned<PoolPromise>> {
    let word = text(&entry.value, &entry.key.value, d)?;
    let at = |p| Some(Spanned::new(p, word.span));
    match entry.key.value.as_str() {
        "algorithm" => at(PoolPromise::Algorithm(word.value)),
        "never_below" => match word.value.parse() {
            Ok(n) => at(PoolPromise::NeverBelow(n)),
            Err(_) => {
                d.push(unreadable(&word, "a number of members"));
                None
            }
        },
        name if pool.member(name).is_some() => {
            let states = ["ready", "drain", "maint", "absent"];
            let state = states.into_iter().find(|s| *s == word.value);
            if state.is_none() {
                d.push(unreadable(&word, "`ready`, `drain`, `maint` or `absent`"));
            }
            at(PoolPromise::Member(name.to_owned(), state?))
        }
        _ => {
            let known = pool.members.iter().map(|m| m.host.as_str()).chain(["algorithm", "never_below"]);
            d.push(unknown("member of this pool", &entry.key, known));
            None
        }
    }
}

/// By host or pattern: each host it means, with what is said of it.
fn by_host<'n>(top: &Fields<'n>, key: &str, inventory: &Inventory, d: &mut Diagnostics) -> Vec<(String, &'n [Entry])> {
    let mut all = Vec::new();
    for entry in top.map(key, d).unwrap_or_default() {
        let names = hosts(&entry.key, inventory, d);
        match entry.value.as_map() {
            Some(inner) => all.extend(names.into_iter().map(|name| (name, inner))),
            None => d.push(wrong_type(&entry.value, key, "a map")),
        }
    }
    all
}

fn files(top: &Fields<'_>, inventory: &Inventory, d: &mut Diagnostics) -> Vec<FilePromise> {
    let mut all = Vec::new();
    for (host, entries) in by_host(top, "files", inventory, d) {
        for entry in entries {
            let (has, lacks) = if entry.value.as_map().is_some() {
                let inner = Fields::of(&entry.value, &["has", "lacks"], "a file's promise", d);
                (inner.text("has", d), inner.text("lacks", d))
            } else {
                (text(&entry.value, "a file's promise", d), None)
            };
            all.push(FilePromise {
                host: host.clone(),
                path: entry.key.clone(),
                has,
                lacks,
            });
        }
    }
    all
}

fn services(top: &Fields<'_>, inventory: &Inventory, d: &mut Diagnostics) -> Vec<(String, Spanned<String>, Spanned<&'static str>)> {
    let mut all = Vec::new();
    for (host, entries) in by_host(top, "services", inventory, d) {
        for entry in entries {
            let Some(word) = text(&entry.value, "a service", d) else { continue };
            match ["started", "stopped", "failed"].into_iter().find(|s| *s == word.value) {
                Some(state) => all.push((host.clone(), entry.key.clone(), Spanned::new(state, word.span))),
                None => d.push(unreadable(&word, "`started`, `stopped` or `failed`")),
            }
        }
    }
    all
}

fn packages(top: &Fields<'_>, inventory: &Inventory, d: &mut Diagnostics) -> Vec<(String, Spanned<String>, Spanned<String>)> {
    let mut all = Vec::new();
    for (host, entries) in by_host(top, "packages", inventory, d) {
        let wanted = entries
            .iter()
            .filter_map(|e| Some((e.key.clone(), text(&e.value, "a package", d)?)));
        all.extend(wanted.map(|(name, version)| (host.clone(), name, version)));
    }
    all
}
