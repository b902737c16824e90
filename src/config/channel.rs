//! Channels: how a message leaves the program.

use std::fmt;

use crate::base::sanitise::one_line;
use crate::config::read::Merge;
use crate::config::secret::Address;
use crate::config::{keys, secret};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::yaml::Entry;
use crate::yaml::fields::Fields;

/// A way to reach people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Channel {
    /// A program here; the message comes on its stdin.
    Command {
        /// Program and arguments; no shell.
        argv: Vec<String>,
    },
    /// A POST to a URL.
    Webhook {
        /// Where to.
        url: Address,
        /// What the body looks like.
        template: Template,
    },
    /// The terminal of whoever started the run.
    Terminal,
}

/// What the body of a webhook looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Template {
    /// `{"text": "…"}`
    Slack,
    /// The message alone.
    #[default]
    Plain,
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Channel::Command { argv } => write!(f, "command {}", argv.join(" ")),
            Channel::Webhook { url, .. } => write!(f, "webhook {url}"),
            Channel::Terminal => f.write_str("terminal"),
        }
    }
}

/// Reads one channel.
pub(super) fn read(entry: &Entry, merge: &Merge<'_>, diagnostics: &mut Diagnostics) -> Option<Channel> {
    let name = &entry.key;
    let fields = Fields::of(
        &entry.value,
        &keys::CHANNEL.names(),
        &format!("channel `{}`", one_line(&name.value, 60)),
        diagnostics,
    );
    let kinds: Vec<&Entry> = entry
        .value
        .as_map()?
        .iter()
        .filter(|e| keys::CHANNEL.get(&e.key.value).is_some())
        .collect();
    let [kind] = kinds.as_slice() else {
        let message = format!(
            "channel `{}` must be exactly one of command, webhook and terminal",
            one_line(&name.value, 60)
        );
        diagnostics.push(Diagnostic::error("RB0606", name.span, message));
        return None;
    };
    match kind.key.value.as_str() {
        "command" => command(
            &Fields::of(&kind.value, &keys::COMMAND.names(), "command", diagnostics),
            diagnostics,
        ),
        "webhook" => webhook(
            &Fields::of(&kind.value, &keys::WEBHOOK.names(), "webhook", diagnostics),
            merge,
            diagnostics,
        ),
        _ => {
            if let Some(node) = fields.get("terminal") {
                Fields::of(node, &keys::TERMINAL.names(), "terminal", diagnostics);
            }
            Some(Channel::Terminal)
        }
    }
}

fn command(fields: &Fields<'_>, diagnostics: &mut Diagnostics) -> Option<Channel> {
    let node = fields.required("argv", diagnostics)?;
    let argv = fields.texts("argv", diagnostics)?;
    if argv.first().is_none_or(|program| program.value.trim().is_empty()) {
        let message = "`argv` names no program";
        let example = "for example `argv: [/usr/local/bin/page, mira]`; the message comes on its stdin";
        diagnostics.push(Diagnostic::error("RB0605", node.span, message).help(example));
        return None;
    }
    let argv = argv.into_iter().map(|a| a.value).collect();
    Some(Channel::Command { argv })
}

fn webhook(fields: &Fields<'_>, merge: &Merge<'_>, diagnostics: &mut Diagnostics) -> Option<Channel> {
    let template = fields.choice("template", &["slack", "plain"], diagnostics);
    let node = fields.required("url", diagnostics)?;
    let url = secret::address(node, "url", merge, diagnostics)?;
    let template = match template.map(|t| t.value) {
        Some("slack") => Template::Slack,
        _ => Template::Plain,
    };
    Some(Channel::Webhook { url, template })
}
