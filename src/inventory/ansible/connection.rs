//! What Ansible's variables mean for us: how a host is reached, who works there, and which variables runbooks may read.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::sanitise::one_line;
use crate::base::value::Value;
use crate::diagnostic::{Diagnostic, Diagnostics, SourceId, Span, Spanned};
use crate::inventory::ansible::effective::Effective;
use crate::inventory::ansible::ssh_args;
use crate::inventory::names::{Purpose, vetted};
use crate::inventory::secret::looks_secret;
use crate::inventory::settings::{Settings, from_folder};

/// The variables of a host that count.
pub(super) type Found = BTreeMap<String, Effective>;

// Of several names for one thing the last one that is set counts, as in Ansible's ssh connection.
const ADDRESS: &[&str] = &["ansible_host", "ansible_ssh_host"];
const PORT: &[&str] = &["ansible_port", "ansible_ssh_port"];
const USER: &[&str] = &["ansible_user", "ansible_ssh_user"];
const KEY: &[&str] = &["ansible_private_key_file", "ansible_ssh_private_key_file"];
const ARGS: &[&str] = &["ansible_ssh_args", "ansible_ssh_common_args", "ansible_ssh_extra_args"];
const BECOME: &[&str] = &["ansible_become"];
const BECOME_USER: &[&str] = &["ansible_become_user", "ansible_sudo_user"];
const BECOME_METHOD: &[&str] = &["ansible_become_method"];
const CONNECTION: &[&str] = &["ansible_connection"];
/// Start programs on this machine.
const RUNS: &[&str] = &["ansible_ssh_executable", "ansible_ssh_pkcs11_provider"];
/// Everything above: not a variable for runbooks.
const ALL: &[&[&str]] = &[ADDRESS, PORT, USER, KEY, ARGS, BECOME, BECOME_USER, BECOME_METHOD, CONNECTION, RUNS];

/// Turns variables into settings and remembers what was said already.
pub(super) struct Reading<'r> {
    /// The folder that relative paths start from, as they do for Ansible: where the command runs.
    pub here: &'r str,
    said: BTreeSet<(Option<Span>, String)>,
    /// Of each text: variables that are kept as text only, or not at all, and the place of the first one.
    opaque: BTreeMap<SourceId, (Span, BTreeSet<String>)>,
    secret: BTreeMap<SourceId, (Span, BTreeSet<String>)>,
    said_now: Diagnostics,
}

impl<'r> Reading<'r> {
    pub fn new(here: &'r str) -> Reading<'r> {
        Reading {
            here,
            said: BTreeSet::new(),
            opaque: BTreeMap::new(),
            secret: BTreeMap::new(),
            said_now: Diagnostics::new(),
        }
    }

    fn say(&mut self, diagnostic: Diagnostic) {
        if self.said.insert((diagnostic.span, diagnostic.message.clone())) {
            self.said_now.push(diagnostic);
        }
    }

    fn vet(&mut self, value: Spanned<String>, key: &str, purpose: Purpose) -> Option<Spanned<String>> {
        let mut mistakes = Diagnostics::new();
        let good = vetted(value, key, purpose, &mut mistakes);
        for mistake in mistakes.iter() {
            self.say(mistake.clone());
        }
        good
    }

    /// The settings of one host.
    pub fn settings(&mut self, host: &str, found: &Found, diagnostics: &mut Diagnostics) -> Settings {
        let mut settings = Settings::new();
        let text = |t: Spanned<String>| Spanned::new(Value::Text(t.value), t.span);
        for (key, names, purpose) in [("address", ADDRESS, Purpose::Address), ("user", USER, Purpose::User)] {
            let value = self.text(names, found).and_then(|(name, value)| self.vet(value, name, purpose));
            settings.extend(value.map(|v| (key.to_owned(), text(v))));
        }
        settings.extend(self.port(found).map(|p| ("port".to_owned(), p)));
        self.args(found, &mut settings);
        if let Some(path) = self
            .text(KEY, found)
            .and_then(|(name, value)| self.vet(value, name, Purpose::LocalPath))
        {
            settings.insert(
                "identity_file".into(),
                Spanned::new(Value::Text(from_folder(self.here, &path.value)), path.span),
            );
        }
        self.connection(host, found, &mut settings);
        self.rights(found, &mut settings);
        self.vars(found, &mut settings);
        diagnostics.extend(std::mem::take(&mut self.said_now));
        settings
    }

    /// Of several names for one thing the last that is set.
    fn get<'f>(&mut self, names: &[&'static str], found: &'f Found) -> Option<(&'static str, &'f Spanned<Value>)> {
        let (name, winner) = names
            .iter()
            .rev()
            .find_map(|n| found.get(*n).filter(|e| e.value.value != Value::Null).map(|e| (*n, e)))?;
        if let Some(rival) = winner.rival {
            let message = format!("groups of the same depth disagree about `{name}`; the last in the alphabet counts, as in Ansible");
            let warning = Diagnostic::error("RB0525", winner.value.span, message)
                .label("this counts")
                .warning();
            self.say(
                warning
                    .also(rival, "not this")
                    .help("say it at the host, or set `ansible_group_priority` in the inventory file"),
            );
        }
        if let Some(why) = opaque(&winner.value.value) {
            let message = format!("`{name}` is {why}, so nobody can be reached with it");
            let mistake = Diagnostic::error("RB0524", winner.value.span, message);
            self.say(mistake.help("write the value itself: runbook renders no templates of Ansible's and opens no vault"));
            return None;
        }
        // `ansible_user=` says that there is none.
        (winner.value.value.as_text() != Some("")).then_some((name, &winner.value))
    }

    fn text(&mut self, names: &[&'static str], found: &Found) -> Option<(&'static str, Spanned<String>)> {
        let (name, value) = self.get(names, found)?;
        match &value.value {
            Value::Text(text) => Some((name, Spanned::new(text.clone(), value.span))),
            Value::Int(n) => Some((name, Spanned::new(n.to_string(), value.span))),
            _ => {
                let message = format!("`{name}` must be text, found `{}`", one_line(&value.value.to_string(), 40));
                self.say(Diagnostic::error("RB0516", value.span, message));
                None
            }
        }
    }

    fn port(&mut self, found: &Found) -> Option<Spanned<Value>> {
        let (name, text) = self.text(PORT, found)?;
        match text.value.trim().parse::<u16>() {
            Ok(port) if port > 0 => Some(Spanned::new(Value::Int(i64::from(port)), text.span)),
            _ => {
                let message = format!("`{name}` must be a port from 1 to 65535, found `{}`", one_line(&text.value, 40));
                self.say(Diagnostic::error("RB0516", text.span, message));
                None
            }
        }
    }

    fn args(&mut self, found: &Found, settings: &mut Settings) {
        for name in RUNS {
            if let Some((name, value)) = self.get(&[name], found)
                && !matches!(value.value.as_text(), Some("ssh" | "/usr/bin/ssh"))
            {
                self.say(runs_something(name, value.span, None));
            }
        }
        for name in ARGS {
            let Some((name, value)) = self.text(&[name], found) else { continue };
            let args = ssh_args::read(&value.value);
            for (what, instead) in &args.refused {
                let instead = instead.as_ref().map(|i| {
                    if i.starts_with('-') {
                        format!("ansible_ssh_common_args='{i}'")
                    } else {
                        i.clone()
                    }
                });
                self.say(runs_something(&one_line(what, 60), value.span, instead.as_deref()));
            }
            if !args.unused.is_empty() {
                let message = format!("not used by runbook: {}", one_line(&args.unused.join(", "), 120));
                let help = "host keys are always checked; other options belong into your own ssh configuration";
                self.say(Diagnostic::error("RB0523", value.span, message).warning().help(help));
            }
            let taken = [
                ("jump", args.jump, Purpose::Jump),
                ("identity_file", args.identity_file, Purpose::LocalPath),
                ("known_hosts", args.known_hosts, Purpose::LocalPath),
            ];
            for (key, taken, purpose) in taken {
                let Some(taken) = taken.and_then(|t| self.vet(Spanned::new(t, value.span), name, purpose)) else {
                    continue;
                };
                let text = if purpose == Purpose::LocalPath {
                    from_folder(self.here, &taken.value)
                } else {
                    taken.value
                };
                settings.insert(key.into(), Spanned::new(Value::Text(text), value.span));
            }
        }
    }

    fn connection(&mut self, host: &str, found: &Found, settings: &mut Settings) {
        let Some((_, how)) = self.text(CONNECTION, found) else { return };
        match how.value.strip_prefix("ansible.builtin.").unwrap_or(&how.value) {
            "ssh" | "smart" | "paramiko" | "paramiko_ssh" => {}
            "local" => {
                settings.insert("local".into(), Spanned::new(Value::Bool(true), how.span));
            }
            other => {
                let reason = format!("Ansible reaches it by `{}`, runbook by ssh only", one_line(other, 40));
                let message = format!("`{host}` is passed over: {reason}");
                let help = "runbook reaches hosts by `ssh`, and this machine as `local`";
                self.say(Diagnostic::error("RB0523", how.span, message).warning().help(help));
                settings.insert("maintenance".into(), Spanned::new(Value::Text(reason), how.span));
            }
        }
    }

    /// `ansible_become: false` means that the login user is enough; `true`, as whom steps work that name nobody.
    fn rights(&mut self, found: &Found, settings: &mut Settings) {
        let Some((name, value)) = self.get(BECOME, found) else { return };
        match truth(&value.value) {
            Some(false) => {
                settings.insert("run_as".into(), Spanned::new(Value::Bool(true), value.span));
            }
            Some(true) => {
                let (name, user) = self
                    .text(BECOME_USER, found)
                    .unwrap_or_else(|| ("ansible_become_user", Spanned::new(String::from("root"), value.span)));
                if let Some(user) = self.vet(user, name, Purpose::User) {
                    settings.insert("become".into(), Spanned::new(Value::Text(user.value), user.span));
                }
                if let Some((_, method)) = self.text(BECOME_METHOD, found)
                    && method.value.strip_prefix("ansible.builtin.").unwrap_or(&method.value) != "sudo"
                {
                    let message = format!("runbook gets rights with `sudo -n`, not with `{}`", one_line(&method.value, 40));
                    let help = "allow `sudo -n` there, or log in as a user who has the rights";
                    self.say(Diagnostic::error("RB0523", method.span, message).warning().help(help));
                }
            }
            None => {
                let message = format!("`{name}` must be true or false, found `{}`", one_line(&value.value.to_string(), 40));
                self.say(Diagnostic::error("RB0516", value.span, message));
            }
        }
    }

    fn vars(&mut self, found: &Found, settings: &mut Settings) {
        for (key, effective) in found {
            let value = &effective.value;
            if looks_secret(key) {
                let (_, names) = self
                    .secret
                    .entry(value.span.source)
                    .or_insert_with(|| (value.span, BTreeSet::new()));
                names.insert(key.clone());
                continue;
            }
            if ALL.iter().any(|names| names.contains(&key.as_str())) {
                continue;
            }
            if opaque(&value.value).is_some() {
                let (_, names) = self
                    .opaque
                    .entry(value.span.source)
                    .or_insert_with(|| (value.span, BTreeSet::new()));
                names.insert(key.clone());
            }
            let kept = match &value.value {
                Value::Text(name) if key == "pool_name" => self
                    .vet(Spanned::new(name.clone(), value.span), key, Purpose::Balancer)
                    .map(|n| Spanned::new(Value::Text(n.value), n.span)),
                _ => Some(Spanned::clone(value)),
            };
            settings.extend(kept.map(|k| (format!("vars.{key}"), k)));
        }
    }

    /// One sentence for each text and reason.
    pub fn close(self, diagnostics: &mut Diagnostics) {
        let reasons = [
            (
                self.opaque,
                "kept as text: templates and encrypted values",
                "runbook renders no templates of Ansible's and opens no vault",
            ),
            (
                self.secret,
                "not kept: variables that look like passwords",
                "runbook uses keys and `sudo -n`; secrets do not belong into its records",
            ),
        ];
        for (found, what, help) in reasons {
            for (span, names) in found.into_values() {
                let list: Vec<&str> = names.iter().map(String::as_str).collect();
                let message = format!("{what}: {}", one_line(&list.join(", "), 160));
                diagnostics.push(Diagnostic::error("RB0523", span, message).warning().help(help));
            }
        }
    }
}

fn runs_something(what: &str, span: Span, instead: Option<&str>) -> Diagnostic {
    match instead {
        Some(name) if name.starts_with("ansible_") && !name.contains('=') => {
            let message = format!("`{what}` among the options for ssh is not read");
            Diagnostic::error("RB0516", span, message).help(format!("write `{name}`"))
        }
        _ => {
            let message = format!("`{what}` could run a program on this machine: an inventory must not");
            Diagnostic::error("RB0515", span, message).help(match instead {
                Some(text) => format!("for a way through another host write `{text}`"),
                None => String::from("put it into your own ssh configuration; for a way through another host write `-J user@host`"),
            })
        }
    }
}

/// Why a value cannot be used as it stands.
fn opaque(value: &Value) -> Option<&'static str> {
    match value {
        Value::Text(text) if text.starts_with("$ANSIBLE_VAULT;") || text.starts_with("!vault") => Some("encrypted"),
        Value::Text(text) if text.contains("{{") || text.contains("{%") => Some("a template"),
        Value::List(list) => list.iter().find_map(opaque),
        Value::Map(map) => map.values().find_map(opaque),
        _ => None,
    }
}

/// As Ansible reads switches.
fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(b) => Some(*b),
        Value::Int(n @ (0 | 1)) => Some(*n == 1),
        Value::Text(text) => match text.to_ascii_lowercase().as_str() {
            "y" | "yes" | "on" | "1" | "true" | "t" => Some(true),
            "n" | "no" | "off" | "0" | "false" | "f" => Some(false),
            _ => None,
        },
        _ => None,
    }
}
