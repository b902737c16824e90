//! Hosts, groups and pools, resolved: every connection key and variable already has its effective value.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::id::{GroupName, HostName, PoolName};
pub use crate::base::value::Share;
use crate::base::value::Value;

/// The machines we know.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Inventory {
    /// By name; iteration order is the order of `order`.
    pub hosts: BTreeMap<HostName, Host>,
    /// Host names in the order they were written; "all hosts" means this order.
    pub order: Vec<HostName>,
    /// Groups with their hosts resolved (members of child groups included), each in the order written.
    pub groups: BTreeMap<GroupName, Vec<HostName>>,
    /// Of groups that hold groups: those, in the order written.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inside: BTreeMap<GroupName, Vec<GroupName>>,
    /// Pools.
    pub pools: BTreeMap<PoolName, Pool>,
}

/// A machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Host {
    /// Its name in the inventory.
    pub name: HostName,
    /// Where ssh connects to and where probes go; `None`: the name, through the user's own ssh configuration.
    pub address: Option<String>,
    /// ssh port.
    pub port: Option<u16>,
    /// Login user.
    pub user: Option<String>,
    /// Private key, absolute or as resolved against the inventory's folder.
    pub identity_file: Option<String>,
    /// Host keys, likewise.
    pub known_hosts: Option<String>,
    /// Jump host, as `ssh -J` takes it.
    pub jump: Option<String>,
    /// `run_as: login`: the login user is privileged enough; `run_as: root` of a step means the login user here.
    pub login_is_enough: bool,
    /// It is this machine: nothing goes through ssh.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub local: bool,
    /// As whom steps work here that name nobody, where that is not the login user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_as: Option<String>,
    /// `systemd`, `sysv`, `runit`; `None`: detected.
    pub service_manager: Option<String>,
    /// What "available memory" means here.
    pub memory_from: MemoryFrom,
    /// Why the host is not to be touched now, if so.
    pub maintenance: Option<String>,
    /// Everything under `vars`, groups' variables included.
    pub vars: BTreeMap<String, Value>,
}

/// What "available memory" means on a host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemoryFrom {
    /// `MemAvailable` of the machine.
    #[default]
    Host,
    /// The limit and use of a control group (path below `/sys/fs/cgroup`).
    Cgroup(String),
    /// The limit and use of a service's main process.
    Service(String),
}

impl Host {
    /// The address if given, else the name.
    #[must_use]
    pub fn address(&self) -> &str {
        self.address.as_deref().unwrap_or(self.name.as_str())
    }

    /// What texts and expressions see: `name`, `address`, `vars`.
    #[must_use]
    pub fn to_value(&self) -> Value {
        Value::map([
            ("name", Value::text(self.name.as_str())),
            ("address", Value::text(self.address())),
            ("vars", Value::Map(self.vars.clone())),
        ])
    }

    /// A variable that actions read, one of [`SETTINGS`].
    #[must_use]
    pub fn setting(&self, name: &str) -> Option<&str> {
        debug_assert!(
            SETTINGS.contains(&name),
            "`{name}` is missing among the variables that actions read"
        );
        self.var_text(name)
    }

    /// A variable that is a text.
    #[must_use]
    pub fn var_text(&self, name: &str) -> Option<&str> {
        self.vars.get(name).and_then(Value::as_text)
    }
}

/// Variables that actions read: hosts on which they differ are not alike.
pub const SETTINGS: [&str; 5] = ["alertmanager", "pgbouncer_config", "pgbouncer_dsn", "postgres_dsn", "service_dir"];

/// Servers behind load balancers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pool {
    /// Its name in the inventory.
    pub name: PoolName,
    /// `haproxy`.
    pub kind: String,
    /// The balancers, resolved; the first one keeps the lease.
    pub balancers: Vec<HostName>,
    /// The balancers' name for it.
    pub backend: String,
    /// The members, resolved, with the balancer's name for each.
    pub members: Vec<Member>,
    /// The least number of members in service.
    pub min_in_service: Share,
    /// The balancer's configuration file.
    pub config: String,
    /// The balancer's runtime socket.
    pub socket: String,
    /// Service to reload on a balancer.
    pub service: String,
    /// Asked directly before a member returns, with `{{address}}`, `{{name}}` and `{{vars.X}}` still to be filled in.
    pub health: Option<String>,
}

impl Pool {
    /// `min_in_service` as a number of members: a percentage is rounded up.
    #[must_use]
    pub fn minimum(&self) -> usize {
        match self.min_in_service {
            Share::Count(n) => n as usize,
            #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            Share::Percent(p) => (self.members.len() as f64 * p / 100.0).ceil() as usize,
        }
    }

    /// The member with that inventory name.
    #[must_use]
    pub fn member(&self, host: &str) -> Option<&Member> {
        self.members.iter().find(|m| m.host.as_str() == host)
    }
}

/// A server of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The inventory's name.
    pub host: HostName,
    /// The balancer's name (`vars.pool_name`, else the inventory's).
    pub server: String,
    /// The host's address.
    pub address: String,
}
