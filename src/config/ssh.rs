//! The `ssh` section. Options are let through by a closed list: whatever is not on it could run a program or drop a check.

use std::time::Duration;

use crate::base::clock::friendly;
use crate::base::sanitise::one_line;
use crate::config::keys;
use crate::config::read::{Merge, count};
use crate::diagnostic::{Diagnostic, Diagnostics, Spanned};
use crate::yaml::fields::{Fields, suggest, text};
use crate::yaml::{Entry, Node};

/// Options that only tune a connection.
const ALLOWED: &[&str] = &[
    "AddressFamily",
    "BindAddress",
    "BindInterface",
    "CertificateFile",
    "CheckHostIP",
    "Ciphers",
    "Compression",
    "ConnectionAttempts",
    "GSSAPIAuthentication",
    "GlobalKnownHostsFile",
    "HashKnownHosts",
    "HostKeyAlgorithms",
    "HostKeyAlias",
    "IPQoS",
    "IdentitiesOnly",
    "IdentityAgent",
    "IdentityFile",
    "KexAlgorithms",
    "LogLevel",
    "MACs",
    "Port",
    "PreferredAuthentications",
    "ProxyJump",
    "PubkeyAcceptedAlgorithms",
    "PubkeyAuthentication",
    "RekeyLimit",
    "RequiredRSASize",
    "ServerAliveCountMax",
    "ServerAliveInterval",
    "StrictHostKeyChecking",
    "TCPKeepAlive",
    "UpdateHostKeys",
    "User",
    "UserKnownHostsFile",
    "VerifyHostKeyDNS",
];

/// Reads the section.
pub(super) fn read(node: &Node, merge: &mut Merge<'_>, diagnostics: &mut Diagnostics) {
    let d = diagnostics;
    let fields = Fields::of(node, &keys::SSH.names(), "ssh", d);
    let timeout = fields.duration("connect_timeout", d);
    if let Some(zero) = timeout.as_ref().filter(|t| t.value.is_zero()) {
        d.push(Diagnostic::error(
            "RB0605",
            zero.span,
            "`connect_timeout` must be longer than nothing",
        ));
    }
    let shown = |t: &Duration| friendly(*t);
    merge.value("ssh.connect_timeout", timeout, shown, |config| &mut config.ssh.connect_timeout);
    let most = fields.int("max_connects", 1..=1024, d).map(count);
    merge.value("ssh.max_connects", most, usize::to_string, |config| &mut config.ssh.max_connects);
    let exchange = fields.choice("key_exchange", &["default", "fast"], d);
    if let Some(fast) = &exchange
        && fields.get("options").and_then(|o| o.get("KexAlgorithms")).is_some()
    {
        let message = "`key_exchange` and the option `KexAlgorithms` say the same thing";
        d.push(Diagnostic::error("RB0605", fast.span, message).help("remove one of them"));
    }
    merge.value(
        "ssh.key_exchange",
        exchange,
        |e| String::from(*e),
        |config| &mut config.ssh.key_exchange,
    );
    for entry in fields.map("options", d).unwrap_or_default() {
        if let Some((name, value)) = option(entry, d) {
            let (key, shown) = (format!("ssh.options.{name}"), value.value.clone());
            merge.named(&key, name, value, shown, |config| &mut config.ssh.options);
        }
    }
}

fn option(entry: &Entry, diagnostics: &mut Diagnostics) -> Option<(&'static str, Spanned<String>)> {
    let key = &entry.key;
    let Some(name) = ALLOWED.iter().find(|a| a.eq_ignore_ascii_case(&key.value)) else {
        let message = format!("the ssh option `{}` is not allowed here", one_line(&key.value, 60));
        let mistake = Diagnostic::error("RB0604", key.span, message);
        let help = "only options that neither run a program nor weaken a check; others belong into your own ssh configuration";
        let mistake = suggest(mistake.help(help), &key.value, ALLOWED);
        diagnostics.push(mistake);
        return None;
    };
    let value = text(&entry.value, name, diagnostics)?;
    let plain = !value.value.trim().is_empty() && !value.value.chars().any(char::is_control);
    if !plain {
        diagnostics.push(Diagnostic::error(
            "RB0605",
            value.span,
            format!("`{name}` needs a value on one line"),
        ));
        return None;
    }
    if *name == "StrictHostKeyChecking" && !matches!(value.value.as_str(), "yes" | "accept-new") {
        let message = format!("`{name}` may be `yes` or `accept-new`, found `{}`", one_line(&value.value, 20));
        diagnostics.push(Diagnostic::error("RB0604", value.span, message).help("a host whose key changed must never be trusted"));
        return None;
    }
    Some((name, value))
}
