//! `http`: one HTTP request, from a host or from the controller.

mod address;
mod request;

use std::time::Duration;

use crate::action::declare::{may_be_secret, optional, required};
use crate::action::place::Place;
use crate::base::secret::Sensitive;
use crate::base::value::Value;
use crate::model::action::{Action, ActionKind, Arguments, BindError, Class, Context, ParameterKind, RunsOn, Signature};
use crate::model::types::Type;

use request::{Accepted, Request};

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
        may_be_secret(optional(
            "headers",
            ParameterKind::TextMap,
            "Header names and values; a `secret` may stand in a value.",
        )),
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
            scopes: address::scopes(context, &place, &url),
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

fn accepted(arguments: &Arguments, reads: bool) -> Accepted {
    match arguments.get("status").and_then(Value::as_list) {
        Some(codes) => Accepted::These(codes.iter().filter_map(Value::as_int).collect()),
        None if reads => Accepted::Any,
        None => Accepted::Success,
    }
}

/// Header lines and body.
fn content(arguments: &Arguments) -> (Vec<(String, Sensitive)>, String) {
    let mut headers: Vec<(String, Sensitive)> = arguments.sensitive_map("headers").into_iter().collect();
    let Some(json) = arguments.get("json") else {
        return (headers, arguments.text("body").unwrap_or_default().to_owned());
    };
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
        headers.push((String::from("content-type"), Sensitive::from("application/json")));
    }
    // A JSON argument whose placeholders were rendered into it arrives as a text.
    let body = json.as_text().map_or_else(|| json.to_json().to_string(), str::to_owned);
    (headers, body)
}
