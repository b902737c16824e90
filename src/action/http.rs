//! `http`: one HTTP request, from a host or from the controller.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::action::declare::{optional, required};
use crate::action::outcome::unexpected;
use crate::action::place::Place;
use crate::base::sanitise::one_line;
use crate::model::action::{
    Action, ActionKind, Arguments, BindError, Change, Class, Context, Decision, Observation, ParameterKind, ReadError, ResourceKey, RunsOn,
    Scope, Settle, Signature, Undo, Verdict,
};
use crate::model::operation::{Act, Operation, Output};
use crate::model::types::Type;
use crate::model::value::Value;

/// See the signature.
pub struct Http;

static SIGNATURE: Signature = Signature {
    name: "http",
    summary: "Makes one HTTP request and shows the answer.",
    docs: "From each host of the step, through its connection, so that `http://127.0.0.1/` is the host itself; or from the controller \
           with `hosts: control`.\n\nGET and HEAD are probes: with `that` they judge the answer, with `within` they wait for it. No \
           answer at all is an answer too: `result.status` is 0 and `result.error` says why, so `that: result.status == 200` is simply \
           false. Redirects are not followed.\n\nAny other method changes something that nobody here can take back, so its step must \
           say `undo:`. It is made once and never repeated by itself; `unless` names a URL that tells whether it is needed at all and, \
           afterwards, whether it worked.",
    parameters: &[
        required("url", ParameterKind::Url, "Where to, `http://HOST[:PORT]/PATH`."),
        optional(
            "method",
            ParameterKind::Choice(&["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]),
            "The method. Default: GET.",
        ),
        optional("headers", ParameterKind::TextMap, "Header names and values."),
        optional(
            "body",
            ParameterKind::Text,
            "The body, sent as it is. Excludes `json`. Default: empty.",
        ),
        optional(
            "json",
            ParameterKind::Json,
            "The body as JSON, sent with `content-type: application/json`. Excludes `body`.",
        ),
        optional(
            "status",
            ParameterKind::IntList,
            "Status codes that are no failure. Default: any for a probe, else 200 to 299.",
        ),
        optional("timeout", ParameterKind::Duration, "How long one request may take. Default: 10s."),
        optional(
            "read_only",
            ParameterKind::Bool,
            "Your word that the request changes nothing, whatever its method (a search by POST). Default: false.",
        ),
        optional(
            "unless",
            ParameterKind::Url,
            "A URL whose GET answers 200 to 299 when there is nothing to do. Only where the request changes something.",
        ),
    ],
    shorthand: Some("url"),
    results,
    class: Class::Probe,
    class_of: Some(class_of),
    runs_on: RunsOn::HostOrControl,
    repeatable: false,
    pool_effect: None,
    example: r#"
id: healthy
name: Wait until the application answers
hosts: control
http: { url: "http://{{params.master.address}}/health" }
that: result.status == 200
within: 2m
"#,
};

fn results() -> Type {
    Type::record([
        ("status", Type::Int),
        ("headers", Type::Map(Box::new(Type::Text))),
        ("body", Type::Text),
        ("json", Type::Dynamic),
        ("error", Type::Text),
    ])
}

fn class_of(literal: &dyn Fn(&str) -> Option<Value>) -> Class {
    let reads = match literal("method") {
        None => true,
        Some(method) => matches!(method.as_text(), Some("GET" | "HEAD")),
    };
    match literal("read_only") {
        Some(Value::Bool(true)) => Class::Probe,
        _ if reads => Class::Probe,
        _ => Class::Destructive,
    }
}

impl ActionKind for Http {
    fn signature(&self) -> &'static Signature {
        &SIGNATURE
    }

    fn bind(&self, arguments: &Arguments, context: &Context<'_>) -> Result<Box<dyn Action>, BindError> {
        let url = arguments
            .text("url")
            .ok_or_else(|| BindError::new("url", "it is missing"))?
            .to_owned();
        let reads = class_of(&|name| arguments.get(name).cloned()) == Class::Probe;
        if arguments.get("body").is_some() && arguments.get("json").is_some() {
            return Err(BindError::new("json", "`body` and `json` exclude each other"));
        }
        if reads && arguments.get("unless").is_some() {
            return Err(BindError::new(
                "unless",
                "the request changes nothing, so there is nothing that `unless` could spare",
            ));
        }
        let mut place = Place::of(context).as_login();
        place.timeout = arguments.duration("timeout").unwrap_or(Duration::from_secs(10));
        let (headers, body) = content(arguments);
        Ok(Box::new(Request {
            keys: keys(context, &place, &url),
            method: arguments.text("method").unwrap_or("GET").to_owned(),
            unless: arguments.text("unless").map(str::to_owned),
            accepted: accepted(arguments, reads),
            place,
            url,
            headers,
            body,
            reads,
        }))
    }
}

/// A bound request.
#[derive(Debug)]
struct Request {
    place: Place,
    /// Under which the answer is known: one per inventory host that may be the one asked, so that a restart there makes it unknown.
    keys: Vec<Scope>,
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: String,
    accepted: Accepted,
    reads: bool,
    unless: Option<String>,
}

/// Status codes that are no failure.
#[derive(Debug)]
enum Accepted {
    Any,
    Success,
    These(Vec<i64>),
}

impl Accepted {
    fn holds(&self, status: i64) -> bool {
        match self {
            Accepted::Any => true,
            Accepted::Success => (200..300).contains(&status),
            Accepted::These(codes) => codes.contains(&status),
        }
    }
}

impl Request {
    fn operation(&self, method: &str, url: &str, read_only: bool) -> Operation {
        let own = url == self.url && method == self.method;
        self.place.operation(Act::Http {
            method: method.to_owned(),
            url: url.to_owned(),
            headers: self.headers.clone(),
            body: if own { self.body.clone() } else { String::new() },
            read_only,
        })
    }

    fn key(&self, scope: &Scope) -> ResourceKey {
        let from = self.place.name();
        let path = match &self.unless {
            _ if self.reads => format!("http/{} {} from {from}", self.method, self.url),
            Some(unless) => format!("http/GET {unless} from {from}"),
            None => format!("http/GET {} from {from}", self.url),
        };
        ResourceKey {
            scope: scope.clone(),
            path,
        }
    }

    /// The answer as far as it is still known: a restart of any host that may have been asked makes it unknown.
    fn answer(&self, seen: &Observation) -> Value {
        let answers: Vec<&Value> = self.keys.iter().filter_map(|scope| seen.get(&self.key(scope))).collect();
        match answers.iter().find(|answer| matches!(answer, Value::Unknown)) {
            Some(_) => Value::Unknown,
            None => answers.first().copied().cloned().unwrap_or(Value::Null),
        }
    }

    fn refuses(&self, answer: &Value) -> Option<String> {
        let status = answer.field("status").and_then(|s| s.as_int()).unwrap_or(0);
        if self.accepted.holds(status) {
            return None;
        }
        let said = |name: &str| answer.field(name).and_then(|v| v.as_text().map(str::to_owned)).unwrap_or_default();
        let answered = match status {
            0 => format!("got no answer: {}", said("error")),
            _ => format!("answered {status}: {}", one_line(&said("body"), 200)),
        };
        Some(format!("{} {} {}", self.method, self.url, answered.trim_end_matches(": ")))
    }
}

impl Action for Request {
    fn probe(&self) -> Vec<Operation> {
        match &self.unless {
            _ if self.reads => vec![self.operation(&self.method, &self.url, true)],
            Some(unless) => vec![self.operation("GET", unless, true)],
            None => Vec::new(),
        }
    }

    fn read(&self, outputs: &[Output]) -> Result<Observation, ReadError> {
        let mut seen = Observation::default();
        if !self.reads && self.unless.is_none() {
            return Ok(seen);
        }
        let answer = answer(outputs.first())?;
        if let (true, Some(why)) = (self.reads, self.refuses(&answer)) {
            return Err(ReadError::new(why));
        }
        for scope in &self.keys {
            seen.set(self.key(scope), answer.clone());
        }
        Ok(seen)
    }

    fn decide(&self, seen: &Observation) -> Decision {
        if self.reads {
            return Decision::InDesiredState;
        }
        let known = self.answer(seen);
        if let Some(unless) = &self.unless {
            match known.field("status") {
                Some(Value::Int(200..300)) => return Decision::InDesiredState,
                Some(Value::Int(_)) => {}
                _ => return Decision::Unknown(format!("what {unless} answers is known at run time")),
            }
        }
        Decision::Change(Change {
            summary: format!("{}: {} {}", self.place.name(), self.method, one_line(&self.url, 200)),
            diff: None,
            notes: vec![String::from("effect unknown")],
            operations: vec![self.operation(&self.method, &self.url, false)],
            predicted: self
                .keys
                .iter()
                .map(|scope| (self.key(scope), if self.unless.is_some() { succeeded() } else { Value::Unknown }))
                .collect(),
            taints: self.keys.clone(),
            undo: Undo::Impossible,
        })
    }

    fn judge(&self, _before: &Observation, performed: &[Output], after: &Observation) -> Verdict {
        match answer(performed.last()).map(|made| self.refuses(&made)) {
            Err(error) => return Verdict::Failed(error.message),
            Ok(Some(why)) => return Verdict::Failed(why),
            Ok(None) => {}
        }
        let Some(unless) = &self.unless else {
            return Verdict::Done;
        };
        match self.answer(after).field("status").and_then(|s| s.as_int()) {
            Some(200..300) => Verdict::Done,
            status => Verdict::NotYet(format!("GET {unless} still answers {}", status.unwrap_or(0))),
        }
    }

    fn settle(&self) -> Settle {
        Settle {
            within: Duration::from_secs(10),
            every: Duration::from_millis(500),
        }
    }

    fn result(&self, seen: &Observation, performed: &[Output]) -> Value {
        let made = match performed.last() {
            Some(output) => answer(Some(output)).unwrap_or(Value::Unknown),
            None if self.reads || self.decide(seen) == Decision::InDesiredState => self.answer(seen),
            None => Value::Unknown,
        };
        let field = |name| (name, made.field(name).unwrap_or_default());
        Value::map(["status", "headers", "body", "json", "error"].map(field))
    }
}

/// What `unless` will answer when the request has worked.
fn succeeded() -> Value {
    Value::map([
        ("status", Value::Int(200)),
        ("headers", Value::Unknown),
        ("body", Value::Unknown),
        ("json", Value::Unknown),
        ("error", Value::text("")),
    ])
}

/// An answer, or why there is none.
fn answer(output: Option<&Output>) -> Result<Value, ReadError> {
    match output {
        Some(Output::Http { status, headers, body }) => {
            let json = serde_json::from_str(body).map_or(Value::Null, |json| Value::from_json(&json));
            let headers: BTreeMap<String, Value> = headers.iter().map(|(k, v)| (k.clone(), Value::text(v))).collect();
            Ok(Value::map([
                ("status", Value::Int(i64::from(*status))),
                ("headers", Value::Map(headers)),
                ("body", Value::text(body)),
                ("json", json),
                ("error", Value::text("")),
            ]))
        }
        Some(Output::Failed(trouble)) => Ok(Value::map([
            ("status", Value::Int(0)),
            ("headers", Value::map([])),
            ("body", Value::text("")),
            ("json", Value::Null),
            ("error", Value::text(&trouble.message)),
        ])),
        other => Err(unexpected(other, "an HTTP answer")),
    }
}

fn accepted(arguments: &Arguments, reads: bool) -> Accepted {
    match arguments.get("status").and_then(Value::as_list) {
        Some(codes) => Accepted::These(codes.iter().filter_map(Value::as_int).collect()),
        None if reads => Accepted::Any,
        None => Accepted::Success,
    }
}

/// Header lines and body.
fn content(arguments: &Arguments) -> (Vec<(String, String)>, String) {
    let mut headers: Vec<(String, String)> = Vec::new();
    if let Some(Value::Map(given)) = arguments.get("headers") {
        headers.extend(given.iter().map(|(name, value)| (name.clone(), value.to_string())));
    }
    let Some(json) = arguments.get("json") else {
        return (headers, arguments.text("body").unwrap_or_default().to_owned());
    };
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
        headers.push((String::from("content-type"), String::from("application/json")));
    }
    // A JSON argument whose placeholders were rendered into it arrives as a text.
    let body = json.as_text().map_or_else(|| json.to_json().to_string(), str::to_owned);
    (headers, body)
}

/// The scopes that an answer belongs to: the asking host for a loopback address, else every inventory host with that address,
/// else the rest of the world.
fn keys(context: &Context<'_>, place: &Place, url: &str) -> Vec<Scope> {
    let asked = authority(url);
    let name = host_part(asked);
    let here = matches!(name, "localhost" | "::1") || name.starts_with("127.");
    let matching = |exact: &str| -> Vec<Scope> {
        let hosts = context.inventory.hosts.values();
        hosts
            .filter(|h| h.address() == exact || h.name.as_str() == exact)
            .map(|h| Scope::Host(h.name.clone()))
            .collect()
    };
    let found = match matching(asked) {
        exact if !exact.is_empty() => exact,
        _ => matching(name),
    };
    let own = context.host.map(|_| place.scope());
    match own {
        // Several hosts may share a loopback address; from a host it means that host.
        Some(own) if here && (found.is_empty() || found.contains(&own)) => vec![own],
        _ if found.is_empty() => vec![Scope::Elsewhere],
        _ => found,
    }
}

/// `HOST:PORT` of a URL.
fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    authority.rsplit('@').next().unwrap_or(authority)
}

/// The host of `HOST:PORT`, without the brackets of an IPv6 address.
fn host_part(authority: &str) -> &str {
    match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => authority.split(':').next().unwrap_or(authority),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_a_url() {
        for (url, host) in [
            ("http://192.0.2.11/health", "192.0.2.11"),
            ("http://web-01:8080?x", "web-01"),
            ("http://user:pw@web-01:80/", "web-01"),
            ("http://[::1]:9000/x", "::1"),
        ] {
            assert_eq!(host_part(authority(url)), host, "{url}");
        }
    }
}
