//! Channels: how a message leaves the program.

use std::fmt;

use crate::base::sanitise::one_line;
use crate::diagnostic::{Diagnostic, Diagnostics, Span, Spanned};
use crate::yaml::Entry;
use crate::yaml::fields::{Fields, text};

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
        url: Secret,
        /// What the body looks like.
        template: Template,
    },
    /// The terminal of whoever started the run.
    Terminal,
}

/// A text that may have to stay secret.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// Written in the configuration.
    Plain(String),
    /// `secret:file:PATH`: the content of a file.
    File(String),
    /// `secret:env:NAME`: an environment variable.
    Env(String),
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

/// The parts of a URL before its path are enough to recognise it; a path may hold a token.
impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Secret::Plain(url) => {
                let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
                let authority = rest.split(['/', '?', '#']).next().unwrap_or("");
                let place = authority.rsplit('@').next().unwrap_or("");
                let hidden = if place.len() < rest.len() { "/…" } else { "" };
                write!(f, "{scheme}://{place}{hidden}")
            }
            Secret::File(name) => write!(f, "secret:file:{name}"),
            Secret::Env(name) => write!(f, "secret:env:{name}"),
        }
    }
}

/// As shown: a value that is logged by accident must not tell.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({self})")
    }
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

const KINDS: &[&str] = &["command", "webhook", "terminal"];

/// Reads one channel.
pub(super) fn read(entry: &Entry, diagnostics: &mut Diagnostics) -> Option<Channel> {
    let name = &entry.key;
    let fields = Fields::of(
        &entry.value,
        KINDS,
        &format!("channel `{}`", one_line(&name.value, 60)),
        diagnostics,
    );
    let kinds: Vec<&Entry> = entry
        .value
        .as_map()?
        .iter()
        .filter(|e| KINDS.contains(&e.key.value.as_str()))
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
        "command" => command(&Fields::of(&kind.value, &["argv"], "command", diagnostics), diagnostics),
        "webhook" => webhook(&Fields::of(&kind.value, &["url", "template"], "webhook", diagnostics), diagnostics),
        _ => {
            if let Some(node) = fields.get("terminal") {
                Fields::of(node, &[], "terminal", diagnostics);
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

fn webhook(fields: &Fields<'_>, diagnostics: &mut Diagnostics) -> Option<Channel> {
    let template = fields.choice("template", &["slack", "plain"], diagnostics);
    let node = fields.required("url", diagnostics)?;
    let url = secret(&text(node, "url", diagnostics)?, diagnostics)?;
    let template = match template.map(|t| t.value) {
        Some("slack") => Template::Slack,
        _ => Template::Plain,
    };
    Some(Channel::Webhook { url, template })
}

fn secret(written: &Spanned<String>, diagnostics: &mut Diagnostics) -> Option<Secret> {
    let mut refuse = |span: Span, message: &str| {
        let help = "write a URL, `secret:file:NAME` or `secret:env:NAME`";
        diagnostics.push(Diagnostic::error("RB0605", span, message).help(help));
        None
    };
    let value = written.value.as_str();
    if let Some(reference) = value.strip_prefix("secret:") {
        return match reference.split_once(':') {
            Some(("file", name)) if !name.is_empty() => Some(Secret::File(name.to_owned())),
            Some(("env", name)) if is_variable(name) => Some(Secret::Env(name.to_owned())),
            _ => refuse(written.span, "not a reference to a secret"),
        };
    }
    let rest = value
        .strip_prefix("http://")
        .or_else(|| value.strip_prefix("https://"))
        .unwrap_or("");
    if rest.is_empty() || rest.starts_with('/') || value.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return refuse(written.span, "`url` must be an http or https URL");
    }
    Some(Secret::Plain(value.to_owned()))
}

fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
