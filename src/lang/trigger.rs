//! Alerts that may start a runbook: what they match, which parameters they give, what they may do.

use std::collections::{BTreeMap, BTreeSet};

use super::convert;
use super::outline::Outline;
use super::owes::unasked_destruction;
use super::params;
use super::scope::trigger_names;
use super::site::Site;
use super::syntax::{Event, Runbook, Trigger as Written, Written as Text};
use crate::diagnostic::{Diagnostic, Diagnostics, nearest};
use crate::model::runbook::{ParamKind, Trigger};

/// Checks all triggers.
pub(super) fn triggers(file: &Runbook, outline: &Outline<'_>, d: &mut Diagnostics) -> Vec<Trigger> {
    file.triggers.iter().map(|t| trigger(t, file, outline, d)).collect()
}

fn trigger(written: &Written, file: &Runbook, outline: &Outline<'_>, d: &mut Diagnostics) -> Trigger {
    let (source, matches): (&str, &[(Text, Text)]) = match &written.event {
        Some(Event::Sent(kind, matches)) => (kind, matches),
        _ => ("schedule", &[]),
    };
    if matches!(written.event, Some(Event::Sent(..))) {
        conditions(source, matches, written, d);
    }
    let params = parameters(written, source, file, d);
    let given: BTreeSet<&str> = written.params.iter().map(|(name, _)| name.value.as_str()).collect();
    let secret = |p: &super::syntax::Param| params::kind(p) == Some(ParamKind::Secret);
    let missing = |p: &&super::syntax::Param| p.default.is_none() && !secret(p) && !given.contains(p.name.value.as_str());
    for param in file.params.iter().filter(missing) {
        let message = format!(
            "this trigger gives no value for parameter `{}`, which has no default",
            param.name.value
        );
        let help = format!(
            "add `params: {{ {}: {} }}` to the trigger, or a default to the parameter",
            param.name.value,
            example(source)
        );
        d.push(
            Diagnostic::error("RB0117", written.span, message)
                .label("not given here")
                .also(param.name.span, "required")
                .help(help),
        );
    }
    if let Some((by, _)) = &written.dedupe {
        if by.is_empty() {
            let message = "`dedupe` names no parameter: all alerts would count as one";
            d.push(Diagnostic::error("RB0117", written.span, message).help("add `by: [NAME]`"));
        }
        for name in by {
            known_parameter(name, file, d);
        }
    }
    automatic(written, outline, d);
    Trigger {
        source: source.into(),
        labels: matches.iter().map(|(k, v)| (k.value.clone(), v.value.clone())).collect(),
        schedule: match &written.event {
            Some(Event::Due(schedule)) => Some(schedule.clone()),
            _ => None,
        },
        params,
        mode: written.mode.value.to_owned(),
        dedupe: written
            .dedupe
            .as_ref()
            .map(|(by, window)| (by.iter().map(|w| w.value.clone()).collect(), *window)),
    }
}

/// What must be in the thing that is sent: a name that can stand there, and a text or a regular expression.
fn conditions(source: &str, matches: &[(Text, Text)], written: &Written, d: &mut Diagnostics) {
    if matches.is_empty() {
        let message = "`match` is empty: whatever is sent would start this runbook";
        d.push(
            Diagnostic::error("RB0117", written.span, message)
                .label("no condition")
                .help("name at least one label or path"),
        );
    }
    let labels = matches!(source, "alertmanager" | "grafana");
    for (name, value) in matches {
        let fits = if labels { is_label(&name.value) } else { is_path(&name.value) };
        if !fits {
            let message = match labels {
                true => format!("`{}` is no name of a label, so this never matches", name.value),
                false => format!("`{}` is no path, so this never matches", name.value),
            };
            let help = match labels {
                true => "labels are letters, digits and `_`, the first no digit",
                false => "a path is names and numbers with dots between them: `repository.name`, `commits.0.id`",
            };
            d.push(Diagnostic::error("RB0117", name.span, message).label("not possible").help(help));
        }
        if value.value.contains("{{") {
            let message = "no placeholder is possible here: `match` compares with what is sent";
            d.push(Diagnostic::error("RB0117", value.span, message).label("a fixed text or `~regex`"));
        } else if let Some(Err(e)) = value
            .value
            .strip_prefix('~')
            .map(|r| crate::base::regex::compile(&format!("^(?:{r})$")))
        {
            let message = format!("`{}` is no regular expression: {e}", value.value);
            d.push(Diagnostic::error("RB0117", value.span, message).label("after `~` stands a regular expression"));
        }
    }
}

fn is_label(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn is_path(path: &str) -> bool {
    let fits = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    path.split('.').all(fits)
}

/// How a parameter is taken from what is sent.
fn example(source: &str) -> &'static str {
    match source {
        "pagerduty" => "\"{{event.data.…}}\"",
        "webhook" => "\"{{body.…}}\"",
        "schedule" => "…",
        _ => "\"{{alert.labels.…}}\"",
    }
}

fn parameters(written: &Written, source: &str, file: &Runbook, d: &mut Diagnostics) -> BTreeMap<String, crate::model::text::Text> {
    let mut texts = BTreeMap::new();
    for (name, value) in &written.params {
        if !known_parameter(name, file, d) {
            continue;
        }
        let param = file.params.iter().find(|p| p.name.value == name.value);
        if param.and_then(params::kind) == Some(ParamKind::Secret) {
            let message = format!("secret `{}` comes from where its `from` says, never from an alert", name.value);
            d.push(Diagnostic::error("RB0117", name.span, message).label("a secret").help("remove it"));
            continue;
        }
        let text = Site::new(trigger_names(source), d).text(value);
        let fixed = text.as_ref().and_then(|t| t.as_literal());
        if let (Some(kind), Some(fixed)) = (param.and_then(params::kind), fixed)
            && let Err(message) = convert::param(&kind, fixed)
        {
            d.push(Diagnostic::error(
                "RB0117",
                value.span,
                format!("parameter `{}`: {message}", name.value),
            ));
        }
        texts.extend(text.map(|t| (name.value.clone(), t)));
    }
    texts
}

fn known_parameter(name: &super::syntax::Written, file: &Runbook, d: &mut Diagnostics) -> bool {
    let known: Vec<&str> = file.params.iter().map(|p| p.name.value.as_str()).collect();
    if known.contains(&name.value.as_str()) {
        return true;
    }
    let message = format!("the runbook has no parameter `{}`", name.value);
    let diagnostic = Diagnostic::error("RB0117", name.span, message).label("unknown parameter");
    d.push(match nearest(&name.value, known.iter().copied()) {
        Some(meant) => diagnostic.help(format!("did you mean `{meant}`?")).replacement(meant),
        None => diagnostic.help("declare it under `params`"),
    });
    false
}

/// Nothing that cannot be taken back happens without a person.
fn automatic(written: &Written, outline: &Outline<'_>, d: &mut Diagnostics) {
    if written.mode.value != "auto" {
        return;
    }
    if let Some(entry) = unasked_destruction(outline) {
        let id = &entry.step.id.value;
        let message = format!("`mode: auto` would run step `{id}`, which cannot be taken back, without asking anybody");
        let help = format!("use `mode: approve`, or put a step with `approve` before `{id}`");
        d.push(
            Diagnostic::error("RB0407", written.mode.span, message)
                .label("nobody is asked")
                .also(entry.step.id.span, "destructive")
                .help(help),
        );
    }
}
