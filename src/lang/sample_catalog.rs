//! Declarations of the actions that the sample runbooks use, for tests of the language alone.

use crate::base::value::Value;
use crate::model::action::{
    Action, ActionKind, Arguments, BindError, Catalog, Class, Context, Parameter, ParameterKind, PoolEffect, RunsOn, Signature,
};
use crate::model::types::Type;

/// The catalogue.
pub(super) static SAMPLE: Sample = Sample;

pub(super) struct Sample;

struct Entry(Signature);

impl ActionKind for Entry {
    fn signature(&self) -> &'static Signature {
        let name = self.0.name;
        ENTRIES
            .iter()
            .map(|e| &e.0)
            .find(|s| s.name == name)
            .expect("every entry stands in the list")
    }

    fn bind(&self, _: &Arguments, _: &Context<'_>) -> Result<Box<dyn Action>, BindError> {
        Err(BindError::new("", "the sample catalogue has declarations only"))
    }
}

impl Catalog for Sample {
    fn get(&self, name: &str) -> Option<&dyn ActionKind> {
        ENTRIES.iter().find(|e| e.0.name == name).map(|e| e as &dyn ActionKind)
    }

    fn names(&self) -> Vec<&'static str> {
        let mut names: Vec<&'static str> = ENTRIES.iter().map(|e| e.0.name).collect();
        names.sort_unstable();
        names
    }
}

type Get<'a> = &'a dyn Fn(&str) -> Option<Value>;

const fn must(name: &'static str, kind: ParameterKind) -> Parameter {
    Parameter {
        name,
        kind,
        required: true,
        docs: "required",
        secret: false,
    }
}

const fn may(name: &'static str, kind: ParameterKind) -> Parameter {
    Parameter {
        name,
        kind,
        required: false,
        docs: "optional",
        secret: false,
    }
}

const fn secret(name: &'static str, kind: ParameterKind) -> Parameter {
    Parameter {
        secret: true,
        ..may(name, kind)
    }
}

const fn action(name: &'static str, class: Class, runs_on: RunsOn, parameters: &'static [Parameter], results: fn() -> Type) -> Entry {
    Entry(Signature {
        name,
        summary: "An action of the sample catalogue.",
        docs: "",
        parameters,
        shorthand: None,
        results,
        class,
        class_of: None,
        runs_on,
        repeatable: true,
        pool_effect: None,
        example: "",
    })
}

static ENTRIES: &[Entry] = &[
    Entry(Signature {
        class_of: Some(reads_only),
        pool_effect: Some(disturbs),
        ..action("command", Class::Destructive, RunsOn::HostOrControl, COMMAND, command_results).0
    }),
    Entry(Signature {
        shorthand: Some("gather"),
        ..action(
            "facts",
            Class::Probe,
            RunsOn::Host,
            &[must("gather", ParameterKind::ChoiceList(FACTS))],
            facts_results,
        )
        .0
    }),
    Entry(Signature {
        example: "file.replace: { path: /etc/app.conf, find: old, replace: new }",
        ..action("file.replace", Class::Reversible, RunsOn::Host, REPLACE, nothing).0
    }),
    action(
        "file.search",
        Class::Probe,
        RunsOn::Host,
        &[must("path", ParameterKind::Path), must("text", ParameterKind::Text)],
        search_results,
    ),
    Entry(Signature {
        class_of: Some(method),
        ..action("http", Class::Destructive, RunsOn::HostOrControl, HTTP, http_results).0
    }),
    action("notify", Class::Passing, RunsOn::Controller, MESSAGE, nothing),
    action("escalate", Class::Passing, RunsOn::Controller, ESCALATE, nothing),
    action("pool.balance", Class::Reversible, RunsOn::Balancers, BALANCE, nothing),
    Entry(Signature {
        pool_effect: Some(member_effect),
        example: "pool.member: { pool: web, member: web-01, state: drain }",
        ..action("pool.member", Class::Reversible, RunsOn::Balancers, MEMBER, member_results).0
    }),
    action(
        "pool.status",
        Class::Probe,
        RunsOn::Balancers,
        &[must("pool", ParameterKind::Pool)],
        status_results,
    ),
    action(
        "pool.traffic",
        Class::Probe,
        RunsOn::Balancers,
        &[must("pool", ParameterKind::Pool), must("over", ParameterKind::Duration)],
        traffic_results,
    ),
    Entry(Signature {
        pool_effect: Some(service_effect),
        class_of: Some(service_class),
        example: "service: { name: app, state: restarted }",
        ..action("service", Class::Reversible, RunsOn::Host, SERVICE, service_results).0
    }),
    Entry(Signature {
        class_of: Some(reads_only),
        pool_effect: Some(disturbs),
        ..action("shell", Class::Destructive, RunsOn::HostOrControl, SHELL, command_results).0
    }),
];

const FACTS: &[&str] = &["cpu", "memory", "disk", "load"];
const STATES: &[&str] = &["started", "stopped", "restarted", "reloaded"];

const COMMAND: &[Parameter] = &[
    must("argv", ParameterKind::TextList),
    secret("env", ParameterKind::TextMap),
    secret("stdin", ParameterKind::Text),
    may("cwd", ParameterKind::Path),
    may("read_only", ParameterKind::Bool),
    may("ok_exit_codes", ParameterKind::IntList),
    may("changed", ParameterKind::Expression),
];

const SHELL: &[Parameter] = &[
    must("script", ParameterKind::Script),
    may("read_only", ParameterKind::Bool),
    may("changed", ParameterKind::Expression),
];

const REPLACE: &[Parameter] = &[
    must("path", ParameterKind::Path),
    must("find", ParameterKind::Text),
    must("replace", ParameterKind::Text),
    may("validate", ParameterKind::TextList),
    may("backup", ParameterKind::Bool),
    may("mode", ParameterKind::Mode),
];

const HTTP: &[Parameter] = &[
    must("url", ParameterKind::Url),
    may("method", ParameterKind::Choice(&["GET", "HEAD", "POST"])),
    may("json", ParameterKind::Json),
];

const MESSAGE: &[Parameter] = &[must("to", ParameterKind::Text), must("message", ParameterKind::Text)];

const ESCALATE: &[Parameter] = &[
    must("to", ParameterKind::Text),
    must("message", ParameterKind::Text),
    may("severity", ParameterKind::Choice(&["warning", "critical"])),
];

const BALANCE: &[Parameter] = &[
    must("pool", ParameterKind::Pool),
    must("algorithm", ParameterKind::Choice(&["roundrobin", "leastconn", "source"])),
    may("weights", ParameterKind::Choice(&["equal", "keep"])),
];

const MEMBER: &[Parameter] = &[
    must("pool", ParameterKind::Pool),
    must("member", ParameterKind::Host),
    may("state", ParameterKind::Choice(&["ready", "drain", "maint"])),
    may("weight", ParameterKind::Int),
    may("wait_drained", ParameterKind::Duration),
];

const SERVICE: &[Parameter] = &[
    must("name", ParameterKind::Text),
    must("state", ParameterKind::Choice(STATES)),
    may("enabled", ParameterKind::Bool),
];

fn is(get: Get<'_>, name: &str, word: &str) -> bool {
    get(name).is_some_and(|v| v.as_text() == Some(word))
}

fn reads_only(get: Get<'_>) -> Class {
    if get("read_only") == Some(Value::Bool(true)) {
        Class::Probe
    } else {
        Class::Destructive
    }
}

fn disturbs(get: Get<'_>) -> PoolEffect {
    if get("read_only") == Some(Value::Bool(true)) {
        PoolEffect::None
    } else {
        PoolEffect::DisturbsHost
    }
}

fn method(get: Get<'_>) -> Class {
    if is(get, "method", "POST") {
        Class::Destructive
    } else {
        Class::Probe
    }
}

fn member_effect(get: Get<'_>) -> PoolEffect {
    match is(get, "state", "drain") || is(get, "state", "maint") || get("weight") == Some(Value::Int(0)) {
        true => PoolEffect::TakesMember,
        false => PoolEffect::ReturnsMember,
    }
}

fn service_class(get: Get<'_>) -> Class {
    if is(get, "state", "restarted") || is(get, "state", "reloaded") {
        Class::Passing
    } else {
        Class::Reversible
    }
}

fn service_effect(get: Get<'_>) -> PoolEffect {
    match get("state").as_ref().and_then(Value::as_text) {
        Some("stopped") => PoolEffect::TakesHost,
        Some("restarted") => PoolEffect::DisturbsHost,
        _ => PoolEffect::None,
    }
}

fn nothing() -> Type {
    Type::record([])
}

fn command_results() -> Type {
    Type::record([
        ("exit_code", Type::Int),
        ("stdout", Type::Text),
        ("stderr", Type::Text),
        ("stdout_lines", Type::list(Type::Text)),
    ])
}

fn facts_results() -> Type {
    let memory = Type::record([
        ("total_bytes", Type::Int),
        ("available_bytes", Type::Int),
        ("available_percent", Type::Float),
    ]);
    let disk = Type::record([("mount", Type::Text), ("used_percent", Type::Float), ("free_bytes", Type::Int)]);
    let load = Type::record([("one", Type::Float), ("five", Type::Float), ("fifteen", Type::Float)]);
    let cpu = Type::record([("count", Type::Int)]);
    Type::record([("memory", memory), ("cpu", cpu), ("load", load), ("disk", Type::list(disk))])
}

fn search_results() -> Type {
    Type::record([("found", Type::Bool), ("matches", Type::Int)])
}

fn http_results() -> Type {
    let headers = Type::Map(Box::new(Type::Text));
    Type::record([
        ("status", Type::Int),
        ("headers", headers),
        ("body", Type::Text),
        ("json", Type::Dynamic),
    ])
}

fn member_type() -> Type {
    Type::record([
        ("name", Type::Text),
        ("address", Type::Text),
        ("configured", Type::Bool),
        ("up", Type::Bool),
        (
            "state",
            Type::Enum(["ready", "drain", "maint", "absent"].map(str::to_owned).to_vec()),
        ),
        ("weight", Type::Int),
        ("sessions", Type::Int),
        ("seconds_in_state", Type::Int),
        ("owned", Type::Bool),
        ("owner", Type::Text),
    ])
}

fn member_results() -> Type {
    Type::record([("state", Type::Text), ("weight", Type::Int)])
}

fn status_results() -> Type {
    Type::record([
        ("algorithm", Type::Text),
        ("serving", Type::Int),
        ("enabled", Type::Int),
        ("min_in_service", Type::Int),
        ("members", Type::list(member_type())),
    ])
}

fn traffic_results() -> Type {
    let member = Type::record([("name", Type::Text), ("share_percent", Type::Float), ("requests", Type::Int)]);
    Type::record([("fair_share_percent", Type::Float), ("members", Type::list(member))])
}

fn service_results() -> Type {
    Type::record([("state", Type::Text), ("enabled", Type::Bool), ("main_pid", Type::Int)])
}
