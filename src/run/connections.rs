//! One connection for each host and run, opened when first needed, opened again when it was lost.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::base::id::HostName;
use crate::model::inventory::{Host as InventoryHost, Inventory};
use crate::model::operation::{Target, Trouble, TroubleKind};
use crate::transport::{BoxStream, ConnectError, ConnectErrorKind, Destination, Host, HostSpec, SshDestination, Transport};

/// A host that refused is asked again after this: every step of a plan would otherwise wait for the same time-out.
const FORGET_REFUSAL_AFTER: Duration = Duration::from_secs(5);

/// A connection that nobody used for so long is asked whether it still answers: people may have thought for long before they said
/// yes, and a firewall forgets.
const TRUST: Duration = Duration::from_secs(30);

/// Options for `ssh` that the configuration gives, already vetted.
pub type SshOptions = Vec<(String, String)>;

/// Connections to the hosts of one inventory.
pub struct Connections {
    transport: Arc<dyn Transport>,
    inventory: Arc<Inventory>,
    options: SshOptions,
    slots: Mutex<HashMap<Target, Arc<Mutex<Slot>>>>,
}

#[derive(Default)]
enum Slot {
    #[default]
    Empty,
    Open(Arc<dyn Host>, Instant),
    Refused(Instant, Trouble),
}

impl Connections {
    /// None open yet.
    #[must_use]
    pub fn new(transport: Arc<dyn Transport>, inventory: Arc<Inventory>, options: SshOptions) -> Connections {
        Connections {
            transport,
            inventory,
            options,
            slots: Mutex::default(),
        }
    }

    /// The connection to a host, or to this machine.
    ///
    /// # Errors
    /// Why the host cannot be reached and what to do.
    pub async fn to(&self, target: &Target) -> Result<Arc<dyn Host>, Trouble> {
        let slot = self.slots.lock().await.entry(target.clone()).or_default().clone();
        // One attempt at a time for each host; those who wait share its outcome.
        let mut slot = slot.lock().await;
        match &mut *slot {
            Slot::Open(host, used) => {
                if used.elapsed() < TRUST || host.alive().await {
                    *used = Instant::now();
                    return Ok(host.clone());
                }
            }
            Slot::Refused(at, trouble) if at.elapsed() < FORGET_REFUSAL_AFTER => return Err(trouble.clone()),
            Slot::Refused(..) | Slot::Empty => {}
        }
        let spec = self.spec(target)?;
        match self.transport.connect(&spec).await {
            Ok(host) => {
                *slot = Slot::Open(host.clone(), Instant::now());
                Ok(host)
            }
            Err(error) => {
                let trouble = trouble(&spec.name, &error);
                *slot = Slot::Refused(Instant::now(), trouble.clone());
                Err(trouble)
            }
        }
    }

    /// A TCP connection from this machine.
    ///
    /// # Errors
    /// Nothing answers there.
    pub async fn dial(&self, address: &str, port: u16) -> std::io::Result<BoxStream> {
        self.transport.dial(address, port).await
    }

    /// Drops a connection that is no longer any good, so that the next use opens a new one.
    pub async fn lost(&self, target: &Target, host: &Arc<dyn Host>) {
        if host.alive().await {
            return;
        }
        let slot = self.slots.lock().await.get(target).cloned();
        if let Some(slot) = slot {
            let mut slot = slot.lock().await;
            if matches!(&*slot, Slot::Open(open, _) if Arc::ptr_eq(open, host)) {
                *slot = Slot::Empty;
            }
        }
    }

    /// Drops those that no longer answer and forgets refusals: people may have thought for long before they said yes.
    pub async fn forget_silent(&self) {
        let slots: Vec<_> = self.slots.lock().await.values().cloned().collect();
        let mut asked = JoinSet::new();
        for slot in slots {
            asked.spawn(async move {
                let mut slot = slot.lock().await;
                let answers = match &*slot {
                    Slot::Open(host, _) => host.alive().await,
                    Slot::Empty | Slot::Refused(..) => false,
                };
                if !answers {
                    *slot = Slot::Empty;
                }
            });
        }
        while asked.join_next().await.is_some() {}
    }

    /// Closes all; what runs durably on the hosts goes on.
    pub async fn close(&self) {
        let slots: Vec<_> = self.slots.lock().await.drain().map(|(_, slot)| slot).collect();
        // Side by side: each waits for its `ssh` to end.
        let mut closing = JoinSet::new();
        for slot in slots {
            closing.spawn(async move {
                if let Slot::Open(host, _) = std::mem::take(&mut *slot.lock().await) {
                    host.close().await;
                }
            });
        }
        while closing.join_next().await.is_some() {}
    }

    fn spec(&self, target: &Target) -> Result<HostSpec, Trouble> {
        let Target::Host(name) = target else {
            return Ok(HostSpec {
                name: HostName::from("control"),
                destination: Destination::Local,
                accept_new: false,
            });
        };
        let host = self.inventory.hosts.get(name).ok_or_else(|| Trouble {
            kind: TroubleKind::Absent,
            message: format!("the inventory has no host `{name}`"),
            may_have_happened: false,
        })?;
        Ok(spec(host, &self.options))
    }
}

/// How to reach a host of the inventory.
#[must_use]
pub fn spec(host: &InventoryHost, options: &SshOptions) -> HostSpec {
    let destination = SshDestination {
        address: host.address().to_owned(),
        port: host.port,
        user: host.user.clone(),
        identity_file: host.identity_file.as_ref().map(Into::into),
        known_hosts: host.known_hosts.as_ref().map(Into::into),
        jump: host.jump.clone(),
        options: options.clone(),
    };
    HostSpec {
        name: host.name.clone(),
        destination: if host.local {
            Destination::Local
        } else {
            Destination::Ssh(destination)
        },
        accept_new: false,
    }
}

fn trouble(name: &HostName, error: &ConnectError) -> Trouble {
    let kind = match error.kind {
        ConnectErrorKind::AuthDenied | ConnectErrorKind::HostKeyChanged | ConnectErrorKind::HostKeyUnknown => TroubleKind::Denied,
        _ => TroubleKind::Unreachable,
    };
    Trouble {
        kind,
        message: format!("cannot connect to {name}: {error}; {}", error.remedy()),
        may_have_happened: false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::transport::Connector;

    #[tokio::test]
    async fn a_connection_that_answers_is_kept_until_all_are_closed() {
        let connections = Connections::new(Arc::new(Connector::new()), Arc::default(), Vec::new());
        let here = Target::Controller;
        let first = connections.to(&here).await.unwrap();
        connections.forget_silent().await;
        assert!(Arc::ptr_eq(&first, &connections.to(&here).await.unwrap()));
        connections.close().await;
        assert!(!Arc::ptr_eq(&first, &connections.to(&here).await.unwrap()));
        connections.close().await;
    }
}
