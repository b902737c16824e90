//! What keeps data on a simulated host, as a test file tells it: file systems and what fills them, database servers, proxies before them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::keys::{Key, Shape, Table, may, must};
use super::read_state::Reader;
use super::syntax::{HostState, put};
use crate::yaml::fields::Fields;
use crate::yaml::{Entry, Node};

/// A file system.
pub static DISK: Table = Table {
    of: "a file system",
    definition: "disk",
    keys: &[
        may("size", Shape::Text, "All of it. Default: 40GiB."),
        may("used", Shape::Text, "How full, with what `files` take: `93%`. Default: a quarter."),
        may(
            "files",
            Shape::EachOr(&DISK_FILE),
            "What `disk.usage` and `disk.clean` find there, by path: a size, or a map.",
        ),
    ],
};

/// A file that takes space.
pub static DISK_FILE: Table = Table {
    of: "a file that takes space",
    definition: "disk_file",
    keys: &[
        must("size", Shape::Text, "`3GiB`"),
        may("age", Shape::Duration, "Since its content changed. Default: 30d."),
        may("open", Shape::Bool, "Some process holds it open. Default: false."),
    ],
};

/// A database server.
pub static POSTGRES: Table = Table {
    of: "a database server",
    definition: "postgres",
    keys: &[
        may("role", Shape::Choice(ROLES), "Default: primary."),
        may(
            "follows",
            Shape::Text,
            "The host whose write-ahead log a replica hears of. Default: nobody's.",
        ),
        may("lag", Shape::Text, "What a replica has heard of and not yet replayed. Default: 0."),
        may("service", Shape::Text, "It answers while this service runs. Default: postgresql."),
    ],
};

/// A database as PgBouncer has it.
pub static PROXIED: Table = Table {
    of: "a database in PgBouncer",
    definition: "proxied",
    keys: &[
        may(
            "server",
            Shape::Text,
            "Where it is, in the file and in the process: `192.0.2.21`, or with a port.",
        ),
        may("paused", Shape::Bool, "Clients wait. Default: false."),
        may("busy", Shape::Bool, "Queries are under way that do not end. Default: false."),
    ],
};

const ROLES: &[&str] = &["primary", "replica"];

/// The keys of a host that stand here.
pub const DISKS: Key = may("disks", Shape::Each(&DISK), "By mount. Default: `/` with 40GiB, a quarter used.");
/// As [`DISKS`].
pub const PACKAGE_CACHE: Key = may(
    "package_cache",
    Shape::Text,
    "What apt has downloaded and keeps in `/var/cache/apt`: `500MiB`.",
);
/// As [`DISKS`].
pub const DATABASE: Key = may(
    "postgres",
    Shape::Map(&POSTGRES),
    "Its PostgreSQL server, as `db.status` and `db.promote` find it.",
);
/// As [`DISKS`].
pub const PROXY: Key = may(
    "pgbouncer",
    Shape::EachOr(&PROXIED),
    "Its PgBouncer, as `db.proxy` finds it: by database, the server, or a map.",
);

/// What a test file says of them; what is not named stays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stores {
    /// By mount.
    pub disks: BTreeMap<String, DiskState>,
    /// Bytes.
    pub package_cache: Option<u64>,
    /// The database server.
    pub postgres: Option<PostgresState>,
    /// By database.
    pub pgbouncer: BTreeMap<String, ProxiedState>,
}

/// A file system.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DiskState {
    /// Bytes.
    pub size: Option<u64>,
    /// Percent.
    pub used: Option<f64>,
    /// By path.
    pub files: BTreeMap<String, DiskFile>,
}

/// A file that takes space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskFile {
    /// Bytes.
    pub size: u64,
    /// Since its content changed, when the case begins.
    pub age: Duration,
    /// Some process holds it open.
    pub open: bool,
}

/// A database server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PostgresState {
    /// primary, replica
    pub role: Option<&'static str>,
    /// The host that a replica hears of.
    pub follows: Option<String>,
    /// Bytes.
    pub lag: Option<u64>,
    /// It answers while this runs.
    pub service: Option<String>,
}

/// A database in PgBouncer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxiedState {
    /// `HOST` or `HOST:PORT`
    pub server: Option<String>,
    /// Clients wait.
    pub paused: Option<bool>,
    /// Queries are under way that do not end.
    pub busy: Option<bool>,
}

impl Stores {
    /// Overlays another state: what it names counts.
    pub fn overlay(&mut self, other: &Stores) {
        for (mount, new) in &other.disks {
            let disk = self.disks.entry(mount.clone()).or_default();
            put(&mut disk.size, &new.size);
            put(&mut disk.used, &new.used);
            disk.files.extend(new.files.clone());
        }
        put(&mut self.package_cache, &other.package_cache);
        if let Some(new) = &other.postgres {
            self.postgres.get_or_insert_default().overlay(new);
        }
        for (database, new) in &other.pgbouncer {
            let proxied = self.pgbouncer.entry(database.clone()).or_default();
            put(&mut proxied.server, &new.server);
            put(&mut proxied.paused, &new.paused);
            put(&mut proxied.busy, &new.busy);
        }
    }
}

impl PostgresState {
    /// Overlays another state: what it names counts.
    pub fn overlay(&mut self, new: &PostgresState) {
        put(&mut self.role, &new.role);
        put(&mut self.follows, &new.follows);
        put(&mut self.lag, &new.lag);
        put(&mut self.service, &new.service);
    }
}

impl Reader<'_> {
    /// Reads what a host's map says of them.
    pub(super) fn stores(&mut self, fields: &Fields<'_>, host: &mut HostState) {
        for entry in fields.map("disks", self.d).unwrap_or_default() {
            let disk = self.disk(&entry.value);
            host.stores.disks.insert(entry.key.value.clone(), disk);
        }
        host.stores.package_cache = fields.text("package_cache", self.d).and_then(|t| self.size(&t));
        host.stores.postgres = fields.get("postgres").map(|node| self.postgres(node));
        for entry in fields.map("pgbouncer", self.d).unwrap_or_default() {
            let proxied = self.proxied(entry);
            host.stores.pgbouncer.insert(entry.key.value.clone(), proxied);
        }
    }

    fn disk(&mut self, node: &Node) -> DiskState {
        let fields = self.fields(node, &DISK);
        let mut disk = DiskState {
            size: fields.text("size", self.d).and_then(|t| self.size(&t)),
            used: fields.text("used", self.d).and_then(|t| self.percent(&t)),
            ..DiskState::default()
        };
        for entry in fields.map("files", self.d).unwrap_or_default() {
            if let Some(file) = self.disk_file(&entry.value) {
                disk.files.insert(entry.key.value.clone(), file);
            }
        }
        disk
    }

    fn disk_file(&mut self, node: &Node) -> Option<DiskFile> {
        const MONTH: Duration = Duration::from_secs(30 * 86_400);
        if node.as_scalar().is_some() {
            let size = crate::yaml::fields::text(node, "a file that takes space", self.d)?;
            let size = self.size(&size)?;
            return Some(DiskFile {
                size,
                age: MONTH,
                open: false,
            });
        }
        let fields = self.fields(node, &DISK_FILE);
        let size = fields.required_text("size", self.d)?;
        Some(DiskFile {
            size: self.size(&size)?,
            age: fields.duration("age", self.d).map_or(MONTH, |a| a.value),
            open: fields.bool("open", self.d).is_some_and(|b| b.value),
        })
    }

    fn postgres(&mut self, node: &Node) -> PostgresState {
        let fields = self.fields(node, &POSTGRES);
        let follows = fields.text("follows", self.d);
        if let Some(name) = follows.as_ref().filter(|n| !self.inventory.hosts.contains_key(n.value.as_str())) {
            let known = self.inventory.hosts.keys().map(|h| h.as_str());
            self.d.push(super::read_state::unknown("host", name, known));
        }
        PostgresState {
            role: fields.choice("role", ROLES, self.d).map(|r| r.value),
            follows: follows.map(|t| t.value),
            lag: fields.text("lag", self.d).and_then(|t| self.size(&t)),
            service: fields.text("service", self.d).map(|t| t.value),
        }
    }

    fn proxied(&mut self, entry: &Entry) -> ProxiedState {
        if entry.value.as_scalar().is_some() {
            let server = crate::yaml::fields::text(&entry.value, "a database in PgBouncer", self.d);
            return ProxiedState {
                server: server.map(|t| t.value),
                ..ProxiedState::default()
            };
        }
        let fields = self.fields(&entry.value, &PROXIED);
        ProxiedState {
            server: fields.text("server", self.d).map(|t| t.value),
            paused: fields.bool("paused", self.d).map(|b| b.value),
            busy: fields.bool("busy", self.d).map(|b| b.value),
        }
    }
}
