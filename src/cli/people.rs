//! From the configuration to what the run floor takes: channels by name, their secrets read.

use std::collections::BTreeMap;

use super::exit::CliError;
use crate::config::{self, Config, Secret, Template};
use crate::notify::{Channel, WebhookStyle};

/// The channels of every name that a runbook may notify: channels, people, groups.
///
/// # Errors
/// A secret that cannot be read.
pub fn channels(config: &Config) -> Result<BTreeMap<String, Vec<Channel>>, CliError> {
    let mut by_name = BTreeMap::new();
    for name in config.recipient_names() {
        let Some(recipient) = config.recipients(name) else { continue };
        let channels: Result<Vec<Channel>, CliError> = recipient.channels.iter().map(|(name, c)| channel(name, c)).collect();
        by_name.insert(name.to_owned(), channels?);
    }
    Ok(by_name)
}

fn channel(name: &str, channel: &config::Channel) -> Result<Channel, CliError> {
    Ok(match channel {
        config::Channel::Command { argv } => Channel::Command { argv: argv.clone() },
        config::Channel::Terminal => Channel::Terminal,
        config::Channel::Webhook { url, template } => {
            let style = match template {
                Template::Slack => WebhookStyle::Slack,
                Template::Plain => WebhookStyle::Plain,
            };
            Channel::Webhook {
                url: secret(name, url)?,
                style,
            }
        }
    })
}

fn secret(channel: &str, secret: &Secret) -> Result<String, CliError> {
    let missing = |what: String| CliError::Internal(format!("the URL of channel `{channel}` cannot be read: {what}"));
    match secret {
        Secret::Plain(text) => Ok(text.clone()),
        Secret::File(path) => std::fs::read_to_string(path)
            .map(|t| t.trim().to_owned())
            .map_err(|e| missing(format!("{path}: {e}"))),
        Secret::Env(name) => std::env::var(name).map_err(|_| missing(format!("the environment variable {name} is not set"))),
    }
}
