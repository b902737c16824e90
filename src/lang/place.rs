//! Where a step runs: on hosts, on the controller, on a pool's balancers.

use super::effects::Facts;
use super::scope::Variable;
use super::site::Site;
use super::syntax::{Body, Step, Written};
use crate::diagnostic::{Diagnostic, Diagnostics, Span};
use crate::model::action::RunsOn;
use crate::model::runbook::Place;
use crate::model::text::{Destination, Operand, Part, Placeholder, Text};

/// Whether the action runs on the step's hosts; an unknown one may.
pub(super) fn needs_hosts(facts: Option<&Facts>) -> bool {
    facts.is_none_or(|f| matches!(f.signature.runs_on, RunsOn::Host | RunsOn::HostOrControl))
}

/// Whether `run_as` means something for the action.
pub(super) fn has_identity(facts: Option<&Facts>) -> bool {
    facts.is_none_or(|f| f.signature.runs_on != RunsOn::Controller)
}

/// `hosts` and `run_as` where the action allows them, and hosts where it needs them. `has_default`: a loop's host, or the runbook's.
pub(super) fn check(step: &Step, facts: &Facts, inherited: Option<&Written>, has_default: bool, d: &mut Diagnostics) {
    let name = facts.signature.name;
    let mut wrong = |span: Span, message: String, label: &str, help: &str| {
        d.push(Diagnostic::error("RB0112", span, message).label(label).help(help));
    };
    let hosts = step.hosts.as_ref().or(inherited);
    match (facts.signature.runs_on, &step.hosts, hosts) {
        (RunsOn::Balancers, Some(hosts), _) => {
            let help = "remove `hosts`; the pool is named by the action's parameter `pool`";
            wrong(
                hosts.span,
                format!("`{name}` runs on the balancers of its pool and takes no `hosts`"),
                "not here",
                help,
            );
        }
        // `control` says what is so anyhow, and keeps a reader inside a loop from wondering.
        (RunsOn::Controller, Some(hosts), _) if hosts.value != "control" => {
            wrong(
                hosts.span,
                format!("`{name}` runs on the controller and takes no `hosts`"),
                "not here",
                "remove `hosts`",
            );
        }
        (RunsOn::Host, _, Some(hosts)) if hosts.value == "control" => {
            let place = step.hosts.as_ref().map_or(step.span, |h| h.span);
            wrong(
                place,
                format!("`{name}` runs on hosts, not on the controller"),
                "`control` is not possible here",
                "name the hosts: `hosts: webservers`",
            );
        }
        (RunsOn::Host | RunsOn::HostOrControl, None, None) if !has_default && !step.may_mean("hosts") => {
            let place = match &step.body {
                Body::Action { name, .. } => name.span,
                _ => step.span,
            };
            let help = match facts.signature.runs_on {
                RunsOn::HostOrControl => "say `hosts: webservers`, or `hosts: control` for this machine",
                _ => "say `hosts:` at the step, or at the top of the runbook for all steps",
            };
            wrong(
                place,
                format!("`{name}` runs on hosts, and none are named"),
                "on which hosts?",
                help,
            );
        }
        _ => {}
    }
    if let (RunsOn::Controller, Some(run_as)) = (facts.signature.runs_on, &step.run_as) {
        wrong(
            run_as.span,
            format!("`{name}` runs on the controller and takes no `run_as`"),
            "not here",
            "remove `run_as`",
        );
    }
}

/// `control`, a loop's host, or a pattern.
pub(super) fn place(written: &Written, variables: &[Variable<'_>], site: &mut Site<'_>) -> Option<Place> {
    if written.value == "control" {
        return Some(Place::Control);
    }
    let Some(variable) = variables.iter().find(|v| v.name == written.value) else {
        return site.text(written).map(Place::Pattern);
    };
    if !variable.over_hosts {
        let message = format!("`{}` is an item, not a host: the loop goes over `items`", variable.name);
        let help = format!("name the host by a field of the item: `\"{{{{{}.name}}}}\"`", variable.name);
        site.d
            .push(Diagnostic::error("RB0112", written.span, message).label("not a host").help(help));
        return None;
    }
    let placeholder = Placeholder {
        helper: None,
        arguments: vec![Operand::Path(vec![variable.name.to_owned(), "name".into()])],
        span: written.span,
    };
    Some(Place::Pattern(Text {
        source: written.value.clone(),
        span: written.span,
        parts: vec![Part::Placeholder(placeholder)],
        blocks: false,
        destination: Destination::Plain,
    }))
}
