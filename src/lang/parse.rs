//! From YAML to the file as written: keys, shapes and identifiers. Names are not resolved, texts not compiled.

use std::time::Duration;

use super::convert::ticked;
use super::keys::{self, EVENTS, PARAM_TYPES};
use super::parse_step::{checks, invariants, steps};
use super::reader::{Map, choice, identifier, mismatch};
use super::syntax::{Event, Notify, Param, Runbook, Trigger, Written};
use crate::base::clock::friendly;
use crate::diagnostic::{Diagnostic, Diagnostics, Spanned};
use crate::model::runbook::{TRIGGER_MODES, TRIGGERS_SENT};
use crate::model::schedule::{Schedule, Times};
use crate::yaml::{Node, NodeKind};

/// Faster than a run takes is no schedule.
const LEAST_PACE: Duration = Duration::from_secs(60);

/// Reads a file. `None` only if it is no map at all.
pub(super) fn runbook(node: &Node, d: &mut Diagnostics) -> Option<Runbook> {
    let map = Map::read(node, &keys::RUNBOOK, d)?;
    language(&map, d);
    let name = map.word("runbook", d).and_then(|n| identifier(n, '-', "the name of a runbook", d));
    Some(Runbook {
        name: name.unwrap_or_default(),
        description: map.word("description", d).map(|w| w.value).unwrap_or_default(),
        params: map.get("params").map(|n| params(n, "params", d)).unwrap_or_default(),
        triggers: triggers(&map, d),
        hosts: map.written("hosts", d),
        run_as: map.written("run_as", d),
        given: map.misspelt.iter().cloned().chain(map.names()).collect(),
        lock: map.texts("lock", d).unwrap_or_default(),
        deadline: map.duration("deadline", d).map_or(Duration::from_secs(3600), |s| s.value),
        require: checks(map.get("require"), "require", d),
        invariants: invariants(map.get("invariants"), d),
        steps: main_steps(&map, d),
        verify: checks(map.get("verify"), "verify", d),
        on_failure: steps(map.get("on_failure"), 0, d),
        finally: steps(map.get("finally"), 0, d),
        notify: notify(&map, d),
        outputs: outputs(&map, d),
    })
}

fn language(map: &Map<'_>, d: &mut Diagnostics) {
    let Some(version) = map.word("language", d) else { return };
    if version.value != "1" {
        let message = format!("language version `{}` is unknown: this program speaks version 1", version.value);
        d.push(
            Diagnostic::error("RB0115", version.span, message)
                .label("expected 1")
                .replacement("1"),
        );
    }
}

fn main_steps(map: &Map<'_>, d: &mut Diagnostics) -> Vec<super::syntax::Step> {
    if let Some(node) = map.get("steps")
        && matches!(&node.kind, NodeKind::List(items) if items.is_empty())
    {
        d.push(Diagnostic::error("RB0021", node.span, "a runbook needs at least one step").label("empty"));
    }
    steps(map.get("steps"), 0, d)
}

/// Reads declarations: `params` of a runbook, `fields` of `manual`.
pub(super) fn params(node: &Node, key: &str, d: &mut Diagnostics) -> Vec<Param> {
    let NodeKind::Map(entries) = &node.kind else {
        d.push(mismatch(node, &format!("`{key}` holds declarations by name"), "a map"));
        return Vec::new();
    };
    let read = |e: &crate::yaml::Entry, d: &mut Diagnostics| {
        let name = identifier(e.key.clone(), '_', "the name of a parameter", d)?;
        let map = Map::read(&e.value, &keys::PARAM, d)?;
        Some(Param {
            name,
            kind: map.word("type", d).and_then(|kind| param_type(kind, d)),
            default: map.get("default").cloned(),
            description: map.word("description", d).map(|w| w.value).unwrap_or_default(),
            choices: map.words("choices", d),
            pattern: map.word("pattern", d),
            min: map.get("min").cloned(),
            max: map.get("max").cloned(),
            from: map.word("from", d),
        })
    };
    entries.iter().filter_map(|e| read(e, d)).collect()
}

/// Refuses unknown types; `list of T` is looked at from the inside.
fn param_type(kind: Written, d: &mut Diagnostics) -> Option<Written> {
    let inner = kind.value.strip_prefix("list of ").unwrap_or(&kind.value);
    if PARAM_TYPES.contains(&inner) {
        return Some(kind);
    }
    let message = format!("unknown type `{}` of a parameter", kind.value);
    let diagnostic = Diagnostic::error("RB0114", kind.span, message).label("not a type");
    d.push(match crate::diagnostic::nearest(inner, PARAM_TYPES.iter().copied()) {
        Some(meant) => diagnostic
            .help(format!("did you mean `{meant}`?"))
            .replacement(kind.value.replace(inner, meant)),
        None => diagnostic.help(format!(
            "types are {} and `list of` one of them",
            ticked(PARAM_TYPES.iter().copied())
        )),
    });
    None
}

fn outputs(map: &Map<'_>, d: &mut Diagnostics) -> Vec<(Written, Written)> {
    let named = |(name, value): (Written, Written), d: &mut Diagnostics| {
        let name = identifier(name, '_', "the name of an output", d)?;
        Some((name, value))
    };
    let written = map.text_map("outputs", d).unwrap_or_default();
    written.into_iter().filter_map(|pair| named(pair, d)).collect()
}

fn notify(map: &Map<'_>, d: &mut Diagnostics) -> Option<Notify> {
    let map = Map::read(map.get("notify")?, &keys::NOTIFY, d)?;
    let events = map.words("events", d).unwrap_or_default();
    Some(Notify {
        to: map.word("to", d)?,
        events: events
            .into_iter()
            .filter_map(|e| choice(e, EVENTS, d))
            .map(|e| e.value.to_owned())
            .collect(),
        message: map.written("message", d),
    })
}

fn triggers(map: &Map<'_>, d: &mut Diagnostics) -> Vec<Trigger> {
    let Some(node) = map.get("triggers") else { return Vec::new() };
    let NodeKind::List(items) = &node.kind else {
        d.push(mismatch(node, "`triggers` holds several", "a list"));
        return Vec::new();
    };
    items.iter().filter_map(|n| trigger(n, d)).collect()
}

fn trigger(node: &Node, d: &mut Diagnostics) -> Option<Trigger> {
    let map = Map::read(node, &keys::TRIGGER, d)?;
    let params = map.text_map("params", d).unwrap_or_default();
    let mode = map.choice("mode", TRIGGER_MODES, d);
    let dedupe = map.get("dedupe").and_then(|n| Map::read(n, &keys::DEDUPE, d)).and_then(|m| {
        let by = m.words("by", d);
        let window = m.duration("window", d);
        Some((by?, window?.value))
    });
    let begins = map.misspelt.is_empty();
    let kinds: Vec<&'static str> = TRIGGERS_SENT
        .iter()
        .chain(&["schedule"])
        .copied()
        .filter(|k| map.entry(k).is_some())
        .collect();
    let [kind] = kinds.as_slice() else {
        if kinds.len() > 1 || begins {
            let message = "a trigger is exactly one of `alertmanager`, `grafana`, `pagerduty`, `webhook` and `schedule`";
            let place = kinds.get(1).and_then(|k| map.entry(k)).map_or(node.span, |e| e.key.span);
            let label = if kinds.is_empty() { "none of them" } else { "the second" };
            d.push(
                Diagnostic::error("RB0117", place, message)
                    .label(label)
                    .help("write one entry of `triggers` for each"),
            );
        }
        return None;
    };
    let entry = map.entry(kind)?;
    let event = match *kind {
        "schedule" => schedule(&entry.value, d).map(Event::Due),
        sent => {
            let table = match sent {
                "pagerduty" => &keys::PAGERDUTY,
                "webhook" => &keys::WEBHOOK,
                _ => &keys::ALERT,
            };
            let labels = Map::read(&entry.value, table, d).and_then(|m| m.text_map("match", d));
            labels.map(|labels| Event::Sent(sent, labels))
        }
    };
    Some(Trigger {
        span: entry.key.span,
        event,
        params,
        mode: mode.unwrap_or(Spanned::new("plan", entry.key.span)),
        dedupe,
    })
}

fn schedule(node: &Node, d: &mut Diagnostics) -> Option<Schedule> {
    let map = Map::read(node, &keys::SCHEDULE, d)?;
    match (map.entry("every"), map.entry("at")) {
        (Some(_), None) => {
            let every = map.duration("every", d)?;
            if every.value < LEAST_PACE {
                let message = format!("a schedule of `{}` is too fast", friendly(every.value));
                d.push(Diagnostic::error("RB0117", every.span, message).help("at least 1m; to react faster, use an alert"));
                return None;
            }
            Some(Schedule::Every(every.value))
        }
        (None, Some(_)) => {
            let at = map.word("at", d)?;
            match Times::parse(&at.value) {
                Ok(times) => Some(Schedule::At(times)),
                Err(why) => {
                    d.push(Diagnostic::error("RB0117", at.span, format!("`at`: {why}")).label("no time"));
                    None
                }
            }
        }
        _ if !map.misspelt.is_empty() => None,
        (_, second) => {
            let message = "`schedule` needs either `every` or `at`";
            let place = second.map_or(node.span, |e| e.key.span);
            d.push(
                Diagnostic::error("RB0117", place, message).help("for example `schedule: { every: 1h }` or `schedule: { at: \"03:30\" }`"),
            );
            None
        }
    }
}
