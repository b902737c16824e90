//! Simulated database servers and the proxies before them: what `psql` answers there, and what it changes.

use std::collections::BTreeMap;

use super::Inner;
use super::host::Host;
use super::programs::Reply;
use crate::action::db::ini::Entry;
use crate::action::db::{PSQL, promote, proxy, status};
use crate::base::clock::Timestamp;
use crate::base::id::HostName;
use crate::rehearsal::stores::{PostgresState, ProxiedState, Stores};
use crate::rehearsal::syntax::FileState;
use crate::transport::Exec;

/// The service of a server that names none.
const SERVICE: &str = "postgresql";

/// A PostgreSQL server.
#[derive(Clone, Debug, Default)]
pub struct Postgres(PostgresState);

/// A database as the process of PgBouncer has it.
#[derive(Clone, Debug, Default)]
pub struct Proxied {
    host: String,
    port: String,
    paused: bool,
    busy: bool,
}

impl Postgres {
    fn service(&self) -> &str {
        self.0.service.as_deref().unwrap_or(SERVICE)
    }

    fn is_primary(&self) -> bool {
        self.0.role != Some("replica")
    }
}

impl Proxied {
    fn overlay(&mut self, new: &ProxiedState) {
        if let Some(server) = &new.server {
            let (host, port) = server.rsplit_once(':').unwrap_or((server, "5432"));
            (self.host, self.port) = (host.to_owned(), port.to_owned());
        }
        self.paused = new.paused.unwrap_or(self.paused);
        self.busy = new.busy.unwrap_or(self.busy);
    }
}

impl Host {
    /// Changes what a state names.
    pub(super) fn overlay_databases(&mut self, new: &Stores, now: Timestamp) {
        if let Some(new) = &new.postgres {
            let server = self.postgres.get_or_insert_default();
            server.0.overlay(new);
            let service = server.service().to_owned();
            self.service(&service, now);
        }
        for (database, new) in &new.pgbouncer {
            self.pgbouncer.entry(database.clone()).or_default().overlay(new);
        }
        if new.pgbouncer.values().any(|p| p.server.is_some()) {
            let line = |(name, p): (&String, &Proxied)| format!("{name} = host={} port={} dbname={name}\n", p.host, p.port);
            let lines: String = self.pgbouncer.iter().map(line).collect();
            let file = FileState {
                content: format!("[databases]\n{lines}\n[pgbouncer]\nlisten_port = 6432\n"),
                mode: 0o640,
                owner: String::from("postgres"),
                group: String::from("postgres"),
            };
            self.files.insert(self.proxy_file(), file);
        }
    }

    fn proxy_file(&self) -> String {
        let told = self.listed.as_ref().and_then(|l| l.var_text("pgbouncer_config"));
        told.unwrap_or(proxy::CONFIG).to_owned()
    }

    /// The server, while it runs.
    fn running(&self) -> Option<&Postgres> {
        let server = self.postgres.as_ref()?;
        let runs = self.services.get(server.service()).is_some_and(|s| s.state == "started");
        runs.then_some(server)
    }

    fn console(&mut self, argv: &[&str], script: &str) -> Option<Reply> {
        if self.pgbouncer.is_empty() {
            return None;
        }
        if let ["sh", "-c", proxy::PAUSE, "runbook", _, name, seconds] = argv {
            return Some(self.pause(name.trim_matches('"'), seconds));
        }
        if script == proxy::LOOK {
            return Some(Reply::ok(shown(&self.pgbouncer)));
        }
        if let Some(name) = script.strip_prefix("RESUME \"").and_then(|rest| rest.split('"').next()) {
            if let Some(database) = self.pgbouncer.get_mut(name) {
                database.paused = false;
            }
            return Some(Reply::ok(""));
        }
        if script.starts_with("RELOAD") {
            let text = self.files.get(&self.proxy_file()).map(|f| f.content.clone()).unwrap_or_default();
            for (name, database) in &mut self.pgbouncer {
                let Ok(entry) = Entry::find(&text, name) else { continue };
                entry.get("host").unwrap_or_default().clone_into(&mut database.host);
                entry.get("port").unwrap_or("5432").clone_into(&mut database.port);
            }
            return Some(Reply::ok(""));
        }
        None
    }

    fn pause(&mut self, name: &str, seconds: &str) -> Reply {
        match self.pgbouncer.get_mut(name) {
            Some(database) if database.busy => Reply {
                takes: std::time::Duration::from_secs(seconds.parse().unwrap_or(0)),
                ..Reply::ended(1, format!("queries were still under way after {seconds} s; the database goes on"))
            },
            Some(database) => {
                database.paused = true;
                Reply::ok("")
            }
            None => Reply::ended(1, format!("ERROR: no such database: {name}")),
        }
    }
}

fn shown(databases: &BTreeMap<String, Proxied>) -> String {
    let row = |(name, p): (&String, &Proxied)| format!("{name},{},{},{}\n", p.host, p.port, i32::from(p.paused));
    let pool = |(name, p): (&String, &Proxied)| format!("{name},{}\n", i32::from(p.busy));
    let (rows, pools): (String, String) = (databases.iter().map(row).collect(), databases.iter().map(pool).collect());
    format!("name,host,port,paused\n{rows}@@\ndatabase,sv_active\n{pools}")
}

impl Inner {
    /// What `psql` answers, where the test file tells of a server or a proxy.
    pub(super) fn psql(&mut self, host: Option<&HostName>, argv: &[&str], exec: &Exec) -> Option<Reply> {
        let name = host?;
        let given = String::from_utf8_lossy(&exec.stdin);
        let script = given.split_once('\n').map_or("", |(_, script)| script);
        let state = self.hosts.get_mut(name)?;
        if let Some(reply) = state.console(argv, script) {
            return Some(reply);
        }
        let ["sh", "-c", PSQL, "runbook", _] = argv else { return None };
        state.postgres.as_ref()?;
        let promotes = script.starts_with(promote::CALL);
        if !promotes && script != status::QUERY {
            return None;
        }
        if state.running().is_none() {
            return Some(Reply::ended(2, "psql: error: connection to server failed: Connection refused"));
        }
        if !promotes {
            return Some(Reply::ok(self.status(name)));
        }
        if let Some(server) = self.hosts.get_mut(name).and_then(|h| h.postgres.as_mut()) {
            server.0 = PostgresState {
                role: Some("primary"),
                service: server.0.service.take(),
                ..PostgresState::default()
            };
        }
        Some(Reply::ok("promoted\nt\n"))
    }

    /// What the query of `db.status` gives.
    fn status(&self, name: &HostName) -> String {
        let Some(server) = self.hosts.get(name).and_then(Host::running) else {
            return String::new();
        };
        let replicas = self
            .hosts
            .iter()
            .filter(|(_, h)| h.running().is_some_and(|s| s.0.follows.as_deref() == Some(name.as_str())));
        let replica = |(host, state): (&HostName, &Host)| {
            let lag = state.postgres.as_ref().and_then(|s| s.0.lag).unwrap_or(0);
            let address = state.listed.as_ref().map_or("", |l| l.address());
            serde_json::json!({ "name": host.as_str(), "address": address, "state": "streaming", "sync": "async", "lag": lag })
        };
        let heard = server.0.follows.as_ref().and_then(|f| self.hosts.get(f.as_str()));
        let primary = server.is_primary();
        let status = serde_json::json!({
            "recovery": !primary,
            "read_only": !primary,
            "version": "17.2",
            "streaming": !primary && heard.is_some_and(|h| !h.unreachable && h.running().is_some_and(Postgres::is_primary)),
            "lag": if primary { None } else { Some(server.0.lag.unwrap_or(0)) },
            "replicas": replicas.map(replica).collect::<Vec<_>>(),
        });
        format!("status\n\"{}\"\n", status.to_string().replace('"', "\"\""))
    }

    /// Two servers that take writes are two truths: by our hand there are never more than before, unless there was none.
    pub(super) fn one_primary(&mut self, before: usize, deed: &str) {
        let now = self.primaries();
        if now.len() > before.max(1) {
            let words = format!("{} take writes at once, after: {deed}", now.join(" and "));
            self.breaches.push(words);
        }
    }

    /// The hosts whose servers take writes, reachable or not.
    pub(super) fn primaries(&self) -> Vec<&str> {
        let takes = |h: &Host| h.running().is_some_and(Postgres::is_primary);
        self.hosts.iter().filter(|(_, h)| takes(h)).map(|(name, _)| name.as_str()).collect()
    }
}
