//! Sources of alerts and the server: who may send, how they prove it, what they may start. Nothing listens yet.

use std::collections::BTreeMap;

use super::keys::{self, ROLES};
use super::read::Merge;
use super::secret::{self, Address};
use crate::base::sanitise::one_line;
use crate::diagnostic::{Diagnostic, Diagnostics, Span, Spanned};
use crate::model::runbook::{TRIGGER_MODES, TRIGGERS_SENT};
use crate::model::secret::SecretSource;
use crate::yaml::fields::Fields;
use crate::yaml::{Entry, Node};

/// Who may send alerts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// alertmanager, grafana, pagerduty, webhook
    pub kind: &'static str,
    /// How the sender proves itself.
    pub auth: Auth,
    /// Runbooks that its alerts may start.
    pub runbooks: Vec<String>,
    /// plan, approve, auto: the most that a trigger of it may do.
    pub max_mode: &'static str,
    /// Where to ask whether an alert still fires.
    pub source_url: Option<Address>,
}

/// How a sender proves itself; several secrets while one replaces the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// A token in a header.
    Bearer(Vec<SecretSource>),
    /// User and password.
    Basic {
        /// The user.
        user: String,
        /// The password.
        password: SecretSource,
    },
    /// A signature as Grafana (source kind `grafana`) or PagerDuty (`pagerduty`) makes it.
    Hmac(Vec<SecretSource>),
    /// A signature as GitHub makes it.
    Github(Vec<SecretSource>),
    /// A signature as Standard Webhooks describes it.
    StandardWebhooks(Vec<SecretSource>),
}

/// The server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Serve {
    /// Where to listen; absent: 127.0.0.1:7780.
    pub listen: Option<String>,
    /// Names that requests may be addressed to.
    pub hosts: Option<Vec<String>>,
    /// Who may ask for what, by name.
    pub tokens: BTreeMap<String, Token>,
}

/// What a bearer of a token may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The token.
    pub secret: SecretSource,
    /// viewer, operator, approver, admin
    pub role: &'static str,
    /// Only with these runbooks; empty: all.
    pub runbooks: Vec<String>,
}

/// The ways in which each kind of source can prove itself: Alertmanager cannot sign.
fn ways(kind: &str) -> &'static [&'static str] {
    match kind {
        "alertmanager" => &["bearer", "basic"],
        "grafana" => &["hmac", "bearer", "basic"],
        "pagerduty" => &["hmac"],
        _ => &["github", "standard_webhooks", "bearer"],
    }
}

/// Reads one entry of `sources`.
pub(super) fn source(entry: &Entry, merge: &Merge<'_>, d: &mut Diagnostics) -> Option<Source> {
    let name = &entry.key.value;
    let fields = Fields::of(&entry.value, &keys::SOURCE.names(), &format!("source `{}`", one_line(name, 60)), d);
    let kind = match fields.required("kind", d) {
        Some(_) => fields.choice("kind", TRIGGERS_SENT, d).map(|k| k.value),
        None => None,
    };
    let auth = fields.required("auth", d).and_then(|node| auth(node, kind, merge, d));
    let runbooks = match fields.required("runbooks", d) {
        Some(node) => {
            let names = fields.texts("runbooks", d)?;
            if names.is_empty() {
                d.push(Diagnostic::error(
                    "RB0605",
                    node.span,
                    "`runbooks` names none, so its alerts could start nothing",
                ));
            }
            names.into_iter().map(|n| n.value).collect()
        }
        None => Vec::new(),
    };
    let max_mode = fields.choice("max_mode", TRIGGER_MODES, d).map_or("plan", |m| m.value);
    let source_url = fields.get("source_url").and_then(|n| secret::address(n, "source_url", merge, d));
    Some(Source {
        kind: kind?,
        auth: auth?,
        runbooks,
        max_mode,
        source_url,
    })
}

fn auth(node: &Node, kind: Option<&str>, merge: &Merge<'_>, d: &mut Diagnostics) -> Option<Auth> {
    let fields = Fields::of(node, &keys::AUTH.names(), "auth", d);
    let entries = node.as_map()?;
    let known: Vec<&Entry> = entries.iter().filter(|e| keys::AUTH.get(&e.key.value).is_some()).collect();
    let [way] = known.as_slice() else {
        if known.len() == entries.len() {
            let message = format!("`auth` must be exactly one of {}", ways(kind.unwrap_or("webhook")).join(", "));
            d.push(Diagnostic::error("RB0606", place(node), message).help("for example `auth: { bearer: \"secret:file:token\" }`"));
        }
        return None;
    };
    let name = way.key.value.as_str();
    if let Some(kind) = kind
        && !ways(kind).contains(&name)
    {
        let message = format!("a source of kind `{kind}` cannot prove itself by `{name}`");
        d.push(Diagnostic::error("RB0606", way.key.span, message).help(format!("it can by {}", ways(kind).join(", "))));
        return None;
    }
    if name == "basic" {
        let inner = Fields::of(&way.value, &keys::BASIC.names(), "basic", d);
        let user = inner.required_text("user", d).map(|u| u.value);
        let password = secret::secret(&inner, "password", merge, d);
        return Some(Auth::Basic {
            user: user?,
            password: password?,
        });
    }
    let node = fields.required(name, d)?;
    let kept = secret::secrets(node, name, merge, d)?;
    Some(match name {
        "bearer" => Auth::Bearer(kept),
        "hmac" => Auth::Hmac(kept),
        "github" => Auth::Github(kept),
        _ => Auth::StandardWebhooks(kept),
    })
}

fn place(node: &Node) -> Span {
    node.as_map().and_then(<[Entry]>::first).map_or(node.span, |e| e.key.span)
}

/// `127.0.0.1:7780`, `[::1]:7780`: numbers, for a name could lead elsewhere tomorrow.
fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let four = host.split('.').count() == 4 && host.split('.').all(|n| n.parse::<u8>().is_ok());
    let six = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let six = six.is_some_and(|h| h.contains(':') && h.chars().all(|c| c.is_ascii_hexdigit() || c == ':'));
    (four || six) && port.parse::<u16>().is_ok_and(|p| p > 0)
}

/// Reads `serve`.
pub(super) fn serve(node: &Node, merge: &mut Merge<'_>, d: &mut Diagnostics) {
    let fields = Fields::of(node, &keys::SERVE.names(), "serve", d);
    let listen = fields.text("listen", d).filter(|l| {
        let fit = is_address(&l.value);
        if !fit {
            let message = format!("`listen` must be an address and a port, found `{}`", one_line(&l.value, 60));
            d.push(Diagnostic::error("RB0605", l.span, message).help("for example `127.0.0.1:7780` or `[::1]:7780`"));
        }
        fit
    });
    merge.value("serve.listen", listen, String::clone, |c| &mut c.serve.listen);
    if let (Some(hosts), Some(span)) = (fields.texts("hosts", d), fields.key_span("hosts")) {
        let hosts: Vec<String> = hosts.into_iter().map(|h| h.value).collect();
        let shown = |h: &Vec<String>| format!("[{}]", h.join(", "));
        merge.value("serve.hosts", Some(Spanned::new(hosts, span)), shown, |c| &mut c.serve.hosts);
    }
    for entry in fields.map("tokens", d).unwrap_or_default() {
        let name = one_line(&entry.key.value, 60);
        let inner = Fields::of(&entry.value, &keys::TOKEN.names(), &format!("token `{name}`"), d);
        let kept = secret::secret(&inner, "secret", merge, d);
        let role = match inner.required("role", d) {
            Some(_) => inner.choice("role", ROLES, d).map(|r| r.value),
            None => None,
        };
        let runbooks = inner
            .texts("runbooks", d)
            .unwrap_or_default()
            .into_iter()
            .map(|r| r.value)
            .collect();
        if let (Some(kept), Some(role)) = (kept, role) {
            let shown = format!("{role} secret:{kept}");
            let token = Token {
                secret: kept,
                role,
                runbooks,
            };
            let token = Spanned::new(token, entry.key.span);
            merge.named(&format!("serve.tokens.{name}"), &entry.key.value, token, shown, |c| {
                &mut c.serve.tokens
            });
        }
    }
}
