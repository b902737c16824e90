//! What stands on a simulated host: its files and the balancer behind its runtime socket.

use std::collections::BTreeMap;

use super::Inner;
use super::balancer::Balancer;
use super::host::Host;
use super::programs::Reply;
use crate::base::clock::Timestamp;
use crate::base::id::HostName;
use crate::rehearsal::syntax::FileState;
use crate::transport::{Put, PutOutcome};

impl Inner {
    pub(super) fn is_host(&self, name: &HostName) -> bool {
        self.hosts.contains_key(name)
    }

    pub(super) fn host_mut(&mut self, host: Option<&HostName>) -> &mut Host {
        match host.and_then(|h| self.hosts.get_mut(h)) {
            Some(host) => host,
            None => &mut self.controller,
        }
    }

    pub(super) fn read(&mut self, host: Option<&HostName>, path: &str) -> Reply {
        let stdout = match self.host_mut(host).files.get(path) {
            None => String::from("A\n"),
            Some(f) => format!("O {:o} {}:0 {}:0 regular file\n{}", f.mode, f.owner, f.group, f.content),
        };
        Reply {
            stdout,
            ..Reply::default()
        }
    }

    pub(super) fn balancer_at(&mut self, host: Option<&HostName>, socket: &str) -> Option<&mut Balancer> {
        self.balancers.iter_mut().find(|b| Some(&b.host) == host && b.socket == socket)
    }

    pub(super) fn show(&mut self, host: Option<&HostName>, socket: &str) -> String {
        let now = self.now();
        let mut up = BTreeMap::new();
        for pool in self.inventory.pools.values() {
            for member in &pool.members {
                up.insert((pool.backend.clone(), member.server.clone()), self.is_up(pool, &member.host));
            }
        }
        let is_up = |backend: &str, server: &str| up.get(&(backend.to_owned(), server.to_owned())).copied().unwrap_or(true);
        self.balancer_at(host, socket).map(|b| b.show(now, &is_up)).unwrap_or_default()
    }

    pub(super) fn validate(&mut self, host: Option<&HostName>, request: &Put, content: &str) -> Option<PutOutcome> {
        let argv = request.validate.as_ref().filter(|argv| !argv.is_empty())?;
        let new = format!("{}.new", request.path);
        let argv: Vec<String> = argv.iter().map(|w| w.replace("{{file}}", &new)).collect();
        let reply = self.program(host, &argv, Some(content));
        (reply.code != 0).then(|| PutOutcome::ValidationFailed {
            code: reply.code,
            output: format!("{}{}", reply.stdout, reply.stderr),
        })
    }

    pub(super) fn write(&mut self, host: Option<&HostName>, request: &Put, content: String, now: Timestamp) -> Option<String> {
        let host = self.host_mut(host);
        let before = host.files.get(&request.path).cloned();
        let kept = before.as_ref().filter(|_| request.backup).map(|old| {
            let path = format!("{}.{}.bak", request.path, now.rfc3339().replace(['-', ':'], ""));
            host.files.insert(path.clone(), old.clone());
            path
        });
        let root = || String::from("root");
        let old = |get: fn(&FileState) -> String| before.as_ref().map(get);
        let file = FileState {
            content,
            mode: request.mode.or(before.as_ref().map(|f| f.mode)).unwrap_or(0o644),
            owner: request.owner.clone().or(old(|f| f.owner.clone())).unwrap_or_else(root),
            group: request.group.clone().or(old(|f| f.group.clone())).unwrap_or_else(root),
        };
        host.files.insert(request.path.clone(), file);
        kept
    }
}
