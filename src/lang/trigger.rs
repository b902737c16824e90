//! Alerts that may start a runbook: what they match, which parameters they give, what they may do.

use std::collections::{BTreeMap, BTreeSet};

use super::convert;
use super::outline::Outline;
use super::owes::unasked_destruction;
use super::params;
use super::scope::alert_names;
use super::site::Site;
use super::syntax::{Runbook, Trigger as Written};
use crate::diagnostic::{Diagnostic, Diagnostics, nearest};
use crate::model::runbook::{ParamKind, Trigger};

/// Checks all triggers.
pub(super) fn triggers(file: &Runbook, outline: &Outline<'_>, d: &mut Diagnostics) -> Vec<Trigger> {
    file.triggers.iter().map(|t| trigger(t, file, outline, d)).collect()
}

fn trigger(written: &Written, file: &Runbook, outline: &Outline<'_>, d: &mut Diagnostics) -> Trigger {
    for (_, value) in &written.labels {
        if let Some(Err(e)) = value.value.strip_prefix('~').map(regex_lite::Regex::new) {
            let message = format!("`{}` is no regular expression: {e}", value.value);
            d.push(Diagnostic::error("RB0117", value.span, message).label("after `~` stands a regular expression"));
        }
    }
    let params = parameters(written, file, d);
    let given: BTreeSet<&str> = written.params.iter().map(|(name, _)| name.value.as_str()).collect();
    let secret = |p: &super::syntax::Param| params::kind(p) == Some(ParamKind::Secret);
    let missing = |p: &&super::syntax::Param| p.default.is_none() && !secret(p) && !given.contains(p.name.value.as_str());
    for param in file.params.iter().filter(missing) {
        let message = format!(
            "the alert gives no value for parameter `{}`, which has no default",
            param.name.value
        );
        let help = format!(
            "add `params: {{ {}: \"{{{{alert.labels.…}}}}\" }}` to the trigger, or a default to the parameter",
            param.name.value
        );
        d.push(
            Diagnostic::error("RB0117", written.span, message)
                .label("not given here")
                .also(param.name.span, "required")
                .help(help),
        );
    }
    if let Some((by, _)) = &written.dedupe {
        for name in by {
            known_parameter(name, file, d);
        }
    }
    automatic(written, outline, d);
    Trigger {
        source: "alertmanager".into(),
        labels: written.labels.iter().map(|(k, v)| (k.value.clone(), v.value.clone())).collect(),
        params,
        mode: written.mode.value.to_owned(),
        dedupe: written
            .dedupe
            .as_ref()
            .map(|(by, window)| (by.iter().map(|w| w.value.clone()).collect(), *window)),
    }
}

fn parameters(written: &Written, file: &Runbook, d: &mut Diagnostics) -> BTreeMap<String, crate::model::text::Text> {
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
        let text = Site::new(alert_names(), d).text(value);
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
