//! Whether the people whom a runbook names exist.

use std::collections::BTreeSet;

use super::Config;
use crate::base::sanitise::one_line;
use crate::diagnostic::{Diagnostic, Diagnostics, nearest};
use crate::model::runbook::{Duty, Runbook};

/// Checks a runbook's names; without people, groups and channels to compare with, one warning.
#[must_use]
pub fn check_names(config: &Config, runbook: &Runbook) -> Diagnostics {
    let mut d = Diagnostics::new();
    let Some(first) = runbook.people.first() else { return d };
    if config.people.is_empty() && config.groups.is_empty() && config.channels.is_empty() {
        let mut names: Vec<String> = runbook
            .people
            .iter()
            .map(|n| format!("`{}`", one_line(&n.name.value, 60)))
            .collect();
        let mut known = BTreeSet::new();
        names.retain(|n| known.insert(n.clone()));
        let message = format!(
            "the configuration has no people and no channels: who is meant by {} is not checked",
            names.join(", ")
        );
        let help = "messages go to the terminal, and nobody but `*` may approve; `runbook config show --origin` says which files are read";
        d.push(Diagnostic::error("RB0741", first.name.span, message).help(help).warning());
        return d;
    }
    for named in &runbook.people {
        let name = named.name.value.as_str();
        let (known, what): (Vec<&str>, _) = match named.duty {
            Duty::IsTold => (config.recipient_names().collect(), "channel, person, group or role"),
            Duty::Answers => (
                config
                    .people
                    .keys()
                    .chain(config.groups.keys())
                    .map(String::as_str)
                    .chain(config.roles())
                    .collect(),
                "person, group or role",
            ),
        };
        if known.contains(&name) {
            continue;
        }
        let message = format!("the configuration knows no {what} `{}`", one_line(name, 60));
        let mistake = Diagnostic::error("RB0740", named.name.span, message).label(match named.duty {
            Duty::IsTold => "nobody would be told",
            Duty::Answers => "nobody could answer",
        });
        d.push(match nearest(name, known.iter().copied()) {
            Some(near) => mistake.help(format!("did you mean `{near}`?")).replacement(near),
            None => mistake.help("declare it in the configuration (`runbook config show --origin` says which files are read)"),
        });
    }
    d
}
