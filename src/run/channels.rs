//! Delivers messages to people: to the terminal, to a command's standard input, to a webhook.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;

use super::connections::Connections;
use super::exchange;
use super::observe::{Observer, failed};
use crate::base::id::RunId;
use crate::base::sanitise;
use crate::model::operation::{Act, Operation, Output, Target, TroubleKind};
use crate::notify::{Channel, Delivery, Message, Severity, deliveries};
use crate::secrets::Vault;

/// A channel's command may take so long.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(20);

/// The name under which the channels of all other names are kept, if there are any; no name of the configuration is like it.
pub const EVERYBODY_ELSE: &str = "*";

/// Where each name of the configuration leads.
#[derive(Clone)]
pub struct Channels {
    by_name: Arc<BTreeMap<String, Vec<Channel>>>,
    connections: Arc<Connections>,
    vault: Arc<Vault>,
    runbook: Arc<str>,
    run: Option<RunId>,
}

impl Channels {
    /// Channels of a run of that runbook. A name that is not configured goes to the terminal. What they tell holds no secret that the
    /// observer knows.
    #[must_use]
    pub fn new(
        by_name: Arc<BTreeMap<String, Vec<Channel>>>,
        (connections, observer): (Arc<Connections>, &Observer),
        runbook: &str,
        run: Option<RunId>,
    ) -> Channels {
        Channels {
            by_name,
            connections,
            vault: observer.vault.clone(),
            runbook: Arc::from(runbook),
            run,
        }
    }

    /// True when a message to that name reaches somebody through a channel.
    pub(super) fn reach(&self, name: &str) -> bool {
        self.by_name
            .get(name)
            .or_else(|| self.by_name.get(EVERYBODY_ELSE))
            .is_some_and(|channels| !channels.is_empty())
    }

    /// Performs a notification.
    pub(super) async fn tell(&self, operation: &Operation) -> Output {
        let Act::Notify {
            to,
            message,
            severity,
            attach,
        } = &operation.act
        else {
            return failed(TroubleKind::Other, "not a message", false);
        };
        let message = Message {
            to: to.clone(),
            severity: Severity::from_word(severity),
            text: message.clone(),
            run: self.run,
            runbook: self.runbook.to_string(),
            attach: attach.clone(),
        };
        let terminal = vec![Channel::Terminal];
        let channels = self
            .by_name
            .get(to)
            .or_else(|| self.by_name.get(EVERYBODY_ELSE))
            .unwrap_or(&terminal);
        let mut receipts = Vec::new();
        for channel in channels {
            match self.deliver(deliveries(channel, &message)).await {
                Ok(receipt) => receipts.push(receipt),
                Err(why) => return failed(TroubleKind::Other, &format!("{to} was not told: {why}"), true),
            }
        }
        Output::Notified {
            receipt: receipts.join("; "),
        }
    }

    async fn deliver(&self, delivery: Delivery) -> Result<String, String> {
        match delivery {
            Delivery::Terminal { line } => {
                // The terminal's owner may be drawing; a whole line at once does not tear.
                let line = format!("{}\n", sanitise::for_terminal(&line));
                let mut stderr = tokio::io::stderr();
                stderr.write_all(line.as_bytes()).await.map_err(|e| e.to_string())?;
                stderr.flush().await.map_err(|e| e.to_string())?;
                Ok(String::from("shown at the terminal"))
            }
            Delivery::Command { argv, stdin } => command(&argv, &stdin).await,
            Delivery::Http {
                method,
                url,
                headers,
                body,
            } => {
                let act = Act::Http {
                    method: method.to_owned(),
                    url,
                    headers: headers.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect(),
                    body,
                    read_only: false,
                };
                let operation = Operation {
                    target: Target::Controller,
                    run_as: Default::default(),
                    act,
                    timeout: Duration::from_secs(15),
                };
                match exchange::send(&self.connections, &self.vault, &operation).await {
                    Output::Http { status, .. } if (200..300).contains(&status) => Ok(format!("webhook answered {status}")),
                    Output::Http { status, .. } => Err(format!("webhook answered {status}")),
                    // The address may hold a token, so the transport's words, which name it, stay here.
                    Output::Failed(trouble) => Err(format!("the webhook gave no answer ({:?})", trouble.kind).to_lowercase()),
                    _ => Err(String::from("the webhook gave no answer")),
                }
            }
        }
    }
}

async fn command(argv: &[String], stdin: &str) -> Result<String, String> {
    let (program, arguments) = argv.split_first().ok_or("the channel's command is empty")?;
    let mut child = tokio::process::Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| format!("{program}: {e}"))?;
    if let Some(mut pipe) = child.stdin.take() {
        // A command that does not read its input may still have done its work.
        let _ = pipe.write_all(stdin.as_bytes()).await;
    }
    match tokio::time::timeout(COMMAND_TIMEOUT, child.wait()).await {
        Ok(Ok(status)) if status.success() => Ok(format!("{program} ended with {status}")),
        Ok(Ok(status)) => Err(format!("{program} ended with {status}")),
        Ok(Err(error)) => Err(format!("{program}: {error}")),
        Err(_) => Err(format!("{program} did not end within {} s", COMMAND_TIMEOUT.as_secs())),
    }
}
