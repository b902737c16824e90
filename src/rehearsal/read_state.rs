//! Reads how a fleet stands. Mistakes are collected at their places.

use super::keys::{self, Table};
use super::syntax::{Command, FileState, HostState, MemberState, PackageState, Page, PoolState, ServiceState, State, json};
use crate::base::clock::parse_duration;
use crate::diagnostic::{Diagnostic, Diagnostics, Spanned, nearest};
use crate::model::convert;
use crate::model::inventory::Inventory;
use crate::yaml::fields::{Fields, text, wrong_type};
use crate::yaml::{Entry, Node};

/// What a state may name, and where mistakes go.
pub struct Reader<'r> {
    /// Hosts and pools that there are.
    pub inventory: &'r Inventory,
    /// Collected.
    pub d: &'r mut Diagnostics,
}

/// "no host is named `web-99`", with the nearest known one.
#[must_use]
pub fn unknown<'k>(what: &str, name: &Spanned<String>, known: impl IntoIterator<Item = &'k str>) -> Diagnostic {
    let known: Vec<&str> = known.into_iter().collect();
    let d = Diagnostic::error("RB0801", name.span, format!("no {what} is named `{}`", name.value));
    match nearest(&name.value, known.iter().copied()) {
        Some(near) => d.help(format!("did you mean `{near}`?")).replacement(near),
        None if known.is_empty() => d,
        None => d.help(format!("there are: {}", known.join(", "))),
    }
}

/// The hosts that a name or pattern means.
pub fn hosts(pattern: &Spanned<String>, inventory: &Inventory, d: &mut Diagnostics) -> Vec<String> {
    match crate::model::pattern::select(&pattern.value, inventory) {
        Ok(hosts) => hosts.into_iter().map(|h| h.to_string()).collect(),
        Err(why) => {
            d.push(Diagnostic::error(
                "RB0801",
                pattern.span,
                format!("`{}` means no host: {why}", pattern.value),
            ));
            Vec::new()
        }
    }
}

/// A text that is not of the form it should have.
#[must_use]
pub fn unreadable(at: &Spanned<String>, expected: &str) -> Diagnostic {
    Diagnostic::error("RB0802", at.span, format!("expected {expected}, found `{}`", at.value))
}

impl Reader<'_> {
    pub(super) fn fields<'n>(&mut self, node: &'n Node, table: &Table) -> Fields<'n> {
        Fields::of(node, &table.names(), table.of, self.d)
    }

    /// A state.
    pub fn state(&mut self, node: &Node) -> State {
        let fields = self.fields(node, &keys::STATE);
        let mut state = State::default();
        for entry in fields.map("hosts", self.d).unwrap_or_default() {
            let host = self.host(&entry.value);
            for name in hosts(&entry.key, self.inventory, self.d) {
                // What is said later counts, so that a host may differ from its group.
                state.hosts.entry(name).or_default().overlay(&host);
            }
        }
        for entry in fields.map("pools", self.d).unwrap_or_default() {
            let pool = self.pool(entry);
            state.pools.insert(entry.key.value.clone(), pool);
        }
        for entry in fields.map("http", self.d).unwrap_or_default() {
            let page = self.page(&entry.value);
            state.http.insert(entry.key.value.clone(), page);
        }
        state
    }

    fn host(&mut self, node: &Node) -> HostState {
        let fields = self.fields(node, &keys::HOST);
        let mut host = HostState {
            unreachable: fields.bool("unreachable", self.d).map(|b| b.value),
            load: self.number(&fields, "load"),
            cpus: fields
                .int("cpus", 1..=4096, self.d)
                .map(|n| u64::try_from(n.value).unwrap_or_default()),
            ..HostState::default()
        };
        if let Some(memory) = fields.get("memory") {
            self.memory(memory, &mut host);
        }
        for entry in fields.map("services", self.d).unwrap_or_default() {
            let service = self.service(&entry.value);
            host.services.insert(entry.key.value.clone(), service);
        }
        for entry in fields.map("packages", self.d).unwrap_or_default() {
            let package = self.package(&entry.value);
            host.packages.insert(entry.key.value.clone(), package);
        }
        for entry in fields.map("files", self.d).unwrap_or_default() {
            let file = self.file(&entry.value);
            host.files.insert(entry.key.value.clone(), file);
        }
        for node in fields.list("commands", self.d).unwrap_or_default() {
            let command = self.command(node);
            host.commands.push(command);
        }
        for entry in fields.map("http", self.d).unwrap_or_default() {
            if !entry.key.value.starts_with(['/', ':']) {
                self.d
                    .push(unreadable(&entry.key, "a path such as `/health`, or with a port `:8080/health`"));
            }
            let page = self.page(&entry.value);
            host.http.insert(entry.key.value.clone(), page);
        }
        if let Some(list) = fields.list("ports", self.d) {
            host.ports = Some(list.iter().filter_map(|n| self.port(n)).collect());
        }
        self.stores(&fields, &mut host);
        host
    }

    fn number(&mut self, fields: &Fields<'_>, key: &str) -> Option<f64> {
        let text = fields.text(key, self.d)?;
        let number = text.value.parse::<f64>().ok().filter(|n| n.is_finite());
        if number.is_none() {
            self.d.push(unreadable(&text, "a number"));
        }
        number
    }

    fn port(&mut self, node: &Node) -> Option<u16> {
        let text = text(node, "ports[]", self.d)?;
        let port = text.value.parse().ok();
        if port.is_none() {
            self.d.push(unreadable(&text, "a port"));
        }
        port
    }

    pub(super) fn size(&mut self, text: &Spanned<String>) -> Option<u64> {
        let size = convert::size(&text.value).ok();
        if size.is_none() {
            self.d.push(unreadable(text, "a size such as `500MiB`"));
        }
        size
    }

    pub(super) fn percent(&mut self, text: &Spanned<String>) -> Option<f64> {
        let percent = convert::percent(&text.value).ok();
        if percent.is_none() {
            self.d.push(unreadable(text, "a percentage such as `93%`"));
        }
        percent
    }

    fn memory(&mut self, node: &Node, host: &mut HostState) {
        let fields = self.fields(node, &keys::MEMORY);
        host.memory_total = fields.text("total", self.d).and_then(|t| self.size(&t));
        let Some(available) = fields.text("available", self.d) else {
            return;
        };
        host.memory_available = match (host.memory_total, available.value.ends_with('%')) {
            (Some(total), true) => self.percent(&available).map(|p| share(total, p)),
            (None, true) => {
                let help = "say `total` beside it, or give a size";
                self.d
                    .push(unreadable(&available, "a size, for nobody knows of what this is a share").help(help));
                None
            }
            _ => self.size(&available),
        };
    }

    fn service(&mut self, node: &Node) -> ServiceState {
        const STATES: [&str; 3] = ["started", "stopped", "failed"];
        if node.as_scalar().is_some() {
            let state = self.word(node, "a service", &STATES);
            return ServiceState {
                state,
                ..ServiceState::default()
            };
        }
        let fields = self.fields(node, &keys::SERVICE);
        ServiceState {
            state: fields.choice("state", &STATES, self.d).map(|s| s.value),
            enabled: fields.bool("enabled", self.d).map(|b| b.value),
            start: fields.choice("start", &["works", "fails", "flaps"], self.d).map(|s| s.value),
            after_start: fields.get("after_start").map(|n| Box::new(self.host(n))),
            after_reload: fields.get("after_reload").map(|n| Box::new(self.host(n))),
        }
    }

    fn package(&mut self, node: &Node) -> PackageState {
        let version = |text: String| Some(text).filter(|t| t != "absent");
        if node.as_scalar().is_some() {
            return PackageState {
                version: text(node, "a package", self.d).map(|t| version(t.value)),
                ..PackageState::default()
            };
        }
        let fields = self.fields(node, &keys::PACKAGE);
        let mut package = PackageState {
            version: fields.text("version", self.d).map(|t| version(t.value)),
            offered: fields
                .texts("offered", self.d)
                .map(|list| list.into_iter().map(|t| t.value).collect()),
            held: fields.bool("held", self.d).map(|b| b.value),
            ..PackageState::default()
        };
        for entry in fields.map("after_install", self.d).unwrap_or_default() {
            let then = Box::new(self.host(&entry.value));
            package.after_install.insert(entry.key.value.clone(), then);
        }
        package
    }

    fn word(&mut self, node: &Node, what: &str, words: &[&'static str]) -> Option<&'static str> {
        let found = text(node, what, self.d)?;
        let word = words.iter().find(|w| **w == found.value).copied();
        if word.is_none() {
            let expected = format!("one of `{}`", words.join("`, `"));
            let d = unreadable(&found, &expected);
            self.d.push(crate::yaml::fields::suggest(d, &found.value, words));
        }
        word
    }

    fn file(&mut self, node: &Node) -> Option<FileState> {
        let plain = |content: String| FileState {
            content,
            mode: 0o644,
            owner: String::from("root"),
            group: String::from("root"),
        };
        if node.as_scalar().is_some() {
            return text(node, "a file", self.d).map(|t| plain(t.value));
        }
        let fields = self.fields(node, &keys::FILE);
        if fields.bool("absent", self.d).is_some_and(|b| b.value) {
            return None;
        }
        let mut file = plain(fields.required_text("content", self.d).map(|t| t.value).unwrap_or_default());
        if let Some(mode) = fields.text("mode", self.d) {
            match u32::from_str_radix(&mode.value, 8) {
                Ok(bits) => file.mode = bits,
                Err(_) => self.d.push(unreadable(&mode, "an octal mode such as `0644`")),
            }
        }
        if let Some(owner) = fields.text("owner", self.d) {
            file.owner = owner.value;
        }
        if let Some(group) = fields.text("group", self.d) {
            file.group = group.value;
        }
        Some(file)
    }

    fn command(&mut self, node: &Node) -> Command {
        let fields = self.fields(node, &keys::COMMAND);
        let said = |key: &str, d: &mut Diagnostics| fields.text(key, d).map(|t| t.value);
        Command {
            run: fields.required_text("run", self.d).map(|t| t.value).unwrap_or_default(),
            exit: fields
                .int("exit", 0..=255, self.d)
                .and_then(|n| i32::try_from(n.value).ok())
                .unwrap_or(0),
            stdout: said("stdout", self.d).unwrap_or_default(),
            stderr: said("stderr", self.d).unwrap_or_default(),
            takes: fields.duration("takes", self.d).map(|t| t.value),
            times: fields.int("times", 1..=1_000_000, self.d).and_then(|n| u32::try_from(n.value).ok()),
            when_given: said("when_given", self.d),
            then: fields.get("then").map(|n| Box::new(self.state(n))),
        }
    }

    fn page(&mut self, node: &Node) -> Page {
        if node.as_scalar().is_some() {
            let status = text(node, "an answer", self.d);
            let code = status
                .as_ref()
                .and_then(|t| t.value.parse().ok())
                .filter(|c| (100..=599).contains(c));
            if let (Some(status), None) = (&status, code) {
                self.d.push(unreadable(status, "an HTTP status such as `200`"));
            }
            return Page {
                status: code.unwrap_or(200),
                ..Page::default()
            };
        }
        let fields = self.fields(node, &keys::PAGE);
        let status = fields.int("status", 100..=599, self.d).and_then(|n| u16::try_from(n.value).ok());
        let hangs = fields.bool("hangs", self.d).is_some_and(|b| b.value);
        let body = fields.get("json").map(|n| json(&n.to_value()));
        Page {
            status: if hangs { 0 } else { status.unwrap_or(200) },
            body: body.or_else(|| fields.text("body", self.d).map(|t| t.value)).unwrap_or_default(),
            takes: fields.duration("takes", self.d).map(|t| t.value),
        }
    }

    fn pool(&mut self, entry: &Entry) -> PoolState {
        let known = self.inventory.pools.get(entry.key.value.as_str());
        if known.is_none() {
            let names = self.inventory.pools.keys().map(|p| p.as_str());
            self.d.push(unknown("pool", &entry.key, names));
        }
        let fields = self.fields(&entry.value, &keys::POOL);
        let mut pool = PoolState {
            algorithm: fields.text("algorithm", self.d).map(|t| t.value),
            held_by: fields.text("held_by", self.d).map(|t| t.value),
            invalid_file: fields.bool("invalid_file", self.d).map(|b| b.value),
            ..PoolState::default()
        };
        for member in fields.map("members", self.d).unwrap_or_default() {
            if let Some(known) = known.filter(|p| p.member(&member.key.value).is_none()) {
                let names = known.members.iter().map(|m| m.host.as_str());
                self.d.push(unknown("member of this pool", &member.key, names));
            }
            let state = self.member(&member.value);
            pool.members.insert(member.key.value.clone(), state);
        }
        pool
    }

    fn member(&mut self, node: &Node) -> MemberState {
        const STATES: [&str; 4] = ["ready", "drain", "maint", "absent"];
        if node.as_scalar().is_some() {
            let state = self.word(node, "a member", &STATES);
            return MemberState {
                state,
                ..MemberState::default()
            };
        }
        if node.as_map().is_none() {
            self.d.push(wrong_type(node, "a member", "a state or a map"));
            return MemberState::default();
        }
        let fields = self.fields(node, &keys::MEMBER);
        let drains_in = fields.text("drains_in", self.d).and_then(|t| match t.value.as_str() {
            "never" => Some(None),
            text => match parse_duration(text) {
                Ok(span) => Some(Some(span)),
                Err(_) => {
                    self.d.push(unreadable(&t, "a duration such as `3s`, or `never`"));
                    None
                }
            },
        });
        MemberState {
            state: fields.choice("state", &STATES, self.d).map(|s| s.value),
            weight: fields.int("weight", 0..=256, self.d).map(|n| n.value),
            up: fields.bool("up", self.d).map(|b| b.value),
            sessions: fields.int("sessions", 0..=1_000_000, self.d).map(|n| n.value),
            drains_in,
            requests: fields
                .int("requests", 0..=1_000_000_000, self.d)
                .and_then(|n| u64::try_from(n.value).ok()),
            owner: fields.text("owner", self.d).map(|t| t.value),
        }
    }
}

/// That percentage of all.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
#[must_use]
pub fn share(all: u64, percent: f64) -> u64 {
    (all as f64 * percent / 100.0).round() as u64
}
