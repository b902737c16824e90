//! Telling people: from a channel and a message to what has to be sent. Pure; the run floor sends it.
//!
//! Message texts may hold remote output and are data: they go to standard input or into JSON, never into arguments or URLs.

use serde_json::{Value as Json, json};

use crate::base::id::RunId;
use crate::base::sanitise::{for_terminal, one_line};

/// Where a channel leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Channel {
    /// A local program; the text comes on its standard input.
    Command {
        /// Program and arguments, from the configuration as they are.
        argv: Vec<String>,
    },
    /// An HTTP POST of JSON.
    Webhook {
        /// Where; a secret for many services, so never shown.
        url: String,
        /// What the receiver understands.
        style: WebhookStyle,
    },
    /// The terminal of the person who runs us.
    Terminal,
}

/// What a webhook's receiver understands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WebhookStyle {
    /// Our own fields, `"schema": "runbook.message/1"`.
    #[default]
    Plain,
    /// `{"text": …}` as Slack, Mattermost and Rocket.Chat take it.
    Slack,
}

/// How urgent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// For the record.
    #[default]
    Info,
    /// Somebody should look.
    Warning,
    /// Somebody must act now.
    Critical,
}

impl Severity {
    /// The word of the notify action; anything else counts as critical, since too loud is the safe side.
    #[must_use]
    pub fn from_word(word: &str) -> Severity {
        match word {
            "info" => Severity::Info,
            "warning" => Severity::Warning,
            _ => Severity::Critical,
        }
    }

    /// `info`, `warning`, `critical`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
    }
}

/// What is to be told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The person or group, as the runbook names it.
    pub to: String,
    /// How urgent.
    pub severity: Severity,
    /// The text; may hold remote output.
    pub text: String,
    /// The run that tells it.
    pub run: Option<RunId>,
    /// Its runbook.
    pub runbook: String,
    /// Evidence: named longer texts.
    pub attach: Vec<(String, String)>,
}

/// What has to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Start a program on the controller, without a shell.
    Command {
        /// Program and arguments.
        argv: Vec<String>,
        /// Its standard input.
        stdin: String,
    },
    /// Make an HTTP request from the controller; any 2xx is success.
    Http {
        /// In capitals.
        method: &'static str,
        /// Where; never shown.
        url: String,
        /// Header lines.
        headers: Vec<(&'static str, String)>,
        /// JSON.
        body: String,
    },
    /// Write to standard error, with a newline.
    Terminal {
        /// Harmless.
        line: String,
    },
}

/// Characters of a message's text; chat services refuse much more.
const TEXT: usize = 3_000;
/// Characters of one attachment.
const ATTACHMENT: usize = 8_000;
/// Attachments; the rest is in the journal.
const ATTACHMENTS: usize = 10;

/// What has to be sent so that the message reaches the channel.
#[must_use]
pub fn deliveries(channel: &Channel, message: &Message) -> Delivery {
    match channel {
        Channel::Command { argv } => Delivery::Command {
            argv: argv.clone(),
            stdin: plain_text(message),
        },
        Channel::Webhook { url, style } => {
            let body = match style {
                WebhookStyle::Plain => document(message),
                WebhookStyle::Slack => json!({ "text": slack_text(message) }),
            };
            Delivery::Http {
                method: "POST",
                url: url.clone(),
                headers: vec![("content-type", String::from("application/json"))],
                body: body.to_string(),
            }
        }
        Channel::Terminal => Delivery::Terminal {
            line: format!("{}: {}", headline(message), one_line(&message.text, TEXT)),
        },
    }
}

/// `[critical] recover-master run #3 to oncall_web`.
fn headline(message: &Message) -> String {
    let mut line = format!("[{}]", message.severity.word());
    if !message.runbook.is_empty() {
        line.push_str(&format!(" {}", one_line(&message.runbook, 80)));
    }
    if let Some(run) = message.run {
        line.push_str(&format!(" run {run}"));
    }
    if !message.to.is_empty() {
        line.push_str(&format!(" to {}", one_line(&message.to, 80)));
    }
    line
}

fn plain_text(message: &Message) -> String {
    let mut text = format!("{}\n\n{}\n", headline(message), cut(&message.text, TEXT));
    for (name, content) in message.attach.iter().take(ATTACHMENTS) {
        text.push_str(&format!("\n--- {} ---\n{}\n", one_line(name, 80), cut(content, ATTACHMENT)));
    }
    text
}

fn document(message: &Message) -> Json {
    let attach: Vec<Json> = message
        .attach
        .iter()
        .take(ATTACHMENTS)
        .map(|(name, content)| json!({ "name": one_line(name, 80), "text": cut(content, ATTACHMENT) }))
        .collect();
    json!({
        "schema": "runbook.message/1",
        "to": message.to,
        "severity": message.severity.word(),
        "text": cut(&message.text, TEXT),
        "run": message.run,
        "runbook": message.runbook,
        "attach": attach,
    })
}

fn slack_text(message: &Message) -> String {
    let mut text = format!("*{}*\n{}", mrkdwn(&headline(message)), mrkdwn(&cut(&message.text, TEXT)));
    for (name, content) in message.attach.iter().take(ATTACHMENTS) {
        // A block inside a block would end it: three back-ticks become apostrophes.
        let content = mrkdwn(&cut(content, TEXT)).replace("```", "'''");
        text.push_str(&format!("\n{}\n```\n{content}\n```", mrkdwn(&one_line(name, 80))));
    }
    text
}

/// Slack's own escapes: without them `<!channel>` in a log line would wake everybody.
fn mrkdwn(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn cut(text: &str, most: usize) -> String {
    let clean = for_terminal(text);
    match clean.char_indices().nth(most) {
        None => clean,
        Some((end, _)) => format!("{}\n… (cut after {most} characters)", &clean[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Message {
        Message {
            to: String::from("oncall_web"),
            severity: Severity::Critical,
            text: String::from("web-01 says \"no\" <!channel>\n\u{1b}[2Jtwo"),
            run: Some(RunId(3)),
            runbook: String::from("recover-master"),
            attach: vec![(String::from("log"), String::from("a ``` b"))],
        }
    }

    #[test]
    fn a_program_reads_the_text_and_gets_no_argument_from_it() {
        let argv = vec![String::from("/usr/local/bin/page"), String::from("mira")];
        assert_eq!(
            deliveries(&Channel::Command { argv: argv.clone() }, &message()),
            Delivery::Command {
                argv,
                stdin: String::from(
                    "[critical] recover-master run #3 to oncall_web\n\nweb-01 says \"no\" <!channel>\n\\u{1b}[2Jtwo\n\n--- log ---\na ``` b\n"
                ),
            }
        );
    }

    fn body(style: WebhookStyle, message: &Message) -> Json {
        let url = String::from("http://127.0.0.1:9/hook");
        let Delivery::Http {
            method,
            url,
            headers,
            body,
        } = deliveries(&Channel::Webhook { url, style }, message)
        else {
            unreachable!("a webhook is an HTTP request")
        };
        assert_eq!((method, url.as_str()), ("POST", "http://127.0.0.1:9/hook"));
        assert_eq!(headers, [("content-type", String::from("application/json"))]);
        serde_json::from_str(&body).expect("the body is JSON whatever the message holds")
    }

    #[test]
    fn webhooks_get_escaped_json() {
        let plain = body(WebhookStyle::Plain, &message());
        assert_eq!(plain["schema"], "runbook.message/1");
        assert_eq!(plain["text"], "web-01 says \"no\" <!channel>\n\\u{1b}[2Jtwo");
        assert_eq!((&plain["run"], &plain["severity"]), (&json!(3), &json!("critical")));
        let slack = body(WebhookStyle::Slack, &message());
        assert_eq!(
            slack["text"],
            "*[critical] recover-master run #3 to oncall_web*\nweb-01 says \"no\" &lt;!channel&gt;\n\\u{1b}[2Jtwo\nlog\n```\na ''' b\n```"
        );
    }

    #[test]
    fn a_terminal_gets_one_harmless_line() {
        let line = String::from("[critical] recover-master run #3 to oncall_web: web-01 says \"no\" <!channel> \\u{1b}[2Jtwo");
        assert_eq!(deliveries(&Channel::Terminal, &message()), Delivery::Terminal { line });
    }

    #[test]
    fn long_texts_are_cut_and_marked() {
        let long = Message {
            text: "ä".repeat(TEXT + 1),
            ..Message::default()
        };
        let text = body(WebhookStyle::Plain, &long)["text"].as_str().unwrap_or_default().to_owned();
        assert!(text.ends_with("ä\n… (cut after 3000 characters)"), "{}", &text[text.len() - 60..]);
        assert_eq!(Severity::from_word("catastrophic"), Severity::Critical);
    }
}
