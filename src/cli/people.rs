//! From the configuration to what the run floor takes: channels by name, their secrets read.

use std::collections::BTreeMap;

use super::exit::CliError;
use secrecy::ExposeSecret;

use crate::config::{self, Address, Config, Template};
use crate::notify::{Channel, WebhookStyle};
use crate::secrets::{self, Configured};

/// The channels of every name that a runbook may notify: channels, people, groups.
///
/// # Errors
/// A secret that cannot be read.
pub fn channels(config: &Config) -> Result<BTreeMap<String, Vec<Channel>>, CliError> {
    let mut by_name = BTreeMap::new();
    for name in config.recipient_names() {
        let Some(recipient) = config.recipients(name) else { continue };
        let channels: Result<Vec<Channel>, CliError> = recipient
            .channels
            .iter()
            .map(|(name, c)| channel(name, c, &config.secret_sources))
            .collect();
        by_name.insert(name.to_owned(), channels?);
    }
    Ok(by_name)
}

fn channel(name: &str, channel: &config::Channel, configured: &Configured) -> Result<Channel, CliError> {
    Ok(match channel {
        config::Channel::Command { argv } => Channel::Command { argv: argv.clone() },
        config::Channel::Terminal => Channel::Terminal,
        config::Channel::Webhook { url, template } => {
            let style = match template {
                Template::Slack => WebhookStyle::Slack,
                Template::Plain => WebhookStyle::Plain,
            };
            Channel::Webhook {
                url: address(name, url, configured)?,
                style,
            }
        }
    })
}

fn address(channel: &str, address: &Address, configured: &Configured) -> Result<String, CliError> {
    match address {
        Address::Plain(url) => Ok(url.clone()),
        Address::Kept(source) => secrets::read(source, configured)
            .map(|url| url.expose_secret().to_owned())
            .map_err(|problem| CliError::Internal(format!("the URL of channel `{channel}` cannot be read: {problem}"))),
    }
}
