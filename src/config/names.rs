//! Whether the people whom a runbook names exist.

use std::collections::BTreeSet;

use super::Config;
use crate::base::sanitise::one_line;
use crate::diagnostic::{Diagnostic, Diagnostics, nearest};
use crate::model::runbook::{Duty, Named, Runbook};

/// Names that stay unchecked, since no configuration names anybody: one line, however many runbooks name them.
#[must_use]
pub fn unchecked(config: &Config, people: &[Named]) -> Option<Diagnostic> {
    const MOST: usize = 4;
    let mut names: Vec<String> = people.iter().map(|n| format!("`{}`", one_line(&n.name.value, 40))).collect();
    let mut known = BTreeSet::new();
    names.retain(|n| known.insert(n.clone()));
    if names.is_empty() || !names_nobody(config) {
        return None;
    }
    let more = match names.len().saturating_sub(MOST) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    names.truncate(MOST);
    let message = format!(
        "who is meant by {}{more} is not checked: no configuration names people or channels (runbook.config.yaml here, or ~/.config/runbook/config.yaml)",
        names.join(", ")
    );
    Some(Diagnostic::nowhere("RB0741", message).warning())
}

fn names_nobody(config: &Config) -> bool {
    config.people.is_empty() && config.groups.is_empty() && config.channels.is_empty()
}

/// Checks a runbook's names, where there are people, groups and channels to compare with.
#[must_use]
pub fn check_names(config: &Config, runbook: &Runbook) -> Diagnostics {
    let mut d = Diagnostics::new();
    if names_nobody(config) {
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
