//! What a pool action is bound to: the pool, and how to reach each of its balancers.

use std::time::Duration;

use super::haproxy;
use crate::base::id::HostName;
use crate::model::action::{Arguments, BindError, Context, ResourceKey};
use crate::model::inventory::{Inventory, Member, Pool};
use crate::model::operation::{Act, Identity, Operation, Target as Place};

/// A pool and its balancers.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// As the inventory has it.
    pub pool: Pool,
    /// In the inventory's order; the first one keeps the pool's records.
    pub balancers: Vec<BalancerHost>,
    /// For each operation.
    pub timeout: Duration,
}

/// A balancer and how its service is managed.
#[derive(Clone, Debug, PartialEq)]
pub struct BalancerHost {
    /// Its name.
    pub host: HostName,
    /// Whose rights the runtime socket, the file and the reload need.
    pub run_as: Identity,
    /// `systemd`, `sysv`, `runit`; `None`: found out on the host.
    pub service_manager: Option<String>,
    /// Where runit's services are, from `vars.service_dir`.
    pub service_dir: Option<String>,
}

impl BalancerHost {
    /// An operation on this balancer.
    #[must_use]
    pub fn operation(&self, act: Act, timeout: Duration) -> Operation {
        Operation {
            target: Place::Host(self.host.clone()),
            run_as: self.run_as.clone(),
            act,
            timeout,
        }
    }
}

impl Target {
    /// Binds parameter `pool`.
    ///
    /// # Errors
    /// A pool that is not there, of another kind, or with a name that no request to HAProxy can hold.
    pub fn bind(arguments: &Arguments, context: &Context<'_>) -> Result<Target, BindError> {
        let name = arguments
            .text("pool")
            .ok_or_else(|| BindError::new("pool", "the pool's name is missing or not known yet"))?;
        let pool = context.pool(name)?.clone();
        if pool.kind != "haproxy" {
            return Err(BindError::new(
                "pool",
                format!("pool `{name}` is of kind `{}`, expected `haproxy`", pool.kind),
            ));
        }
        let names = std::iter::once(&pool.backend).chain(pool.members.iter().map(|member| &member.server));
        if let Some(bad) = names.into_iter().find(|name| !haproxy::is_name(name)) {
            return Err(BindError::new(
                "pool",
                format!("`{}` cannot be a name in HAProxy", bad.escape_default()),
            ));
        }
        if pool.balancers.is_empty() {
            return Err(BindError::new("pool", format!("pool `{name}` has no balancer")));
        }
        let balancers = pool.balancers.iter().map(|host| balancer(host, context)).collect();
        Ok(Target {
            pool,
            balancers,
            timeout: context.timeout,
        })
    }

    /// A fact of this pool.
    #[must_use]
    pub fn key(&self, path: impl Into<String>) -> ResourceKey {
        ResourceKey::pool(&self.pool.name, path)
    }

    /// A request to the runtime socket of a balancer.
    #[must_use]
    pub fn socket(&self, balancer: &BalancerHost, request: &str, read_only: bool) -> Operation {
        let act = Act::Socket {
            path: self.pool.socket.clone(),
            request: format!("{}\n", request.trim_end()),
            read_only,
        };
        balancer.operation(act, self.timeout)
    }

    /// A pause between two operations.
    #[must_use]
    pub fn pause(&self, span: Duration) -> Operation {
        Operation {
            target: Place::Controller,
            run_as: Identity::Login,
            act: Act::Pause { span },
            timeout: span + self.timeout,
        }
    }

    /// The pool's health address for a member, its placeholders filled in.
    ///
    /// # Errors
    /// A placeholder that the member's host has no value for.
    pub fn health_url(&self, member: &Member, inventory: &Inventory) -> Result<Option<String>, BindError> {
        let Some(pattern) = &self.pool.health else {
            return Ok(None);
        };
        let mut url = String::new();
        let mut rest = pattern.as_str();
        while let Some((before, after)) = rest.split_once("{{") {
            let (name, tail) = after.split_once("}}").ok_or_else(|| unfilled(pattern, after))?;
            url.push_str(before);
            let value = match name.trim() {
                "address" => Some(member.address.clone()),
                "name" => Some(member.host.to_string()),
                name => name
                    .strip_prefix("vars.")
                    .and_then(|variable| inventory.hosts.get(&member.host)?.vars.get(variable))
                    .map(ToString::to_string),
            };
            url.push_str(&value.ok_or_else(|| unfilled(pattern, name))?);
            rest = tail;
        }
        url.push_str(rest);
        Ok(Some(url))
    }
}

fn unfilled(pattern: &str, name: &str) -> BindError {
    BindError::new(
        "member",
        format!("the pool's health address `{pattern}` has no value for `{{{{{name}}}}}` on this member"),
    )
    .help("the placeholders are {{address}}, {{name}} and {{vars.NAME}} of the member's host")
}

fn balancer(host: &HostName, context: &Context<'_>) -> BalancerHost {
    let known = context.inventory.hosts.get(host);
    BalancerHost {
        host: host.clone(),
        run_as: context.run_as_on(host),
        service_manager: known.and_then(|h| h.service_manager.clone()),
        service_dir: known.and_then(|h| h.setting("service_dir")).map(str::to_owned),
    }
}
