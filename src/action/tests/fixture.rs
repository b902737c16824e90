//! Reads cases (`src/action/cases/ACTION/KIND*.json`) and the hosts, arguments and outputs they speak of.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value as Json};

use crate::action::CATALOG;
use crate::base::id::{GroupName, HostName, PoolName};
use crate::base::value::Value;
use crate::model::action::{Action, Arguments, BindError, Catalog, Context, ParameterKind, Signature};
use crate::model::convert;
use crate::model::inventory::{Host, Inventory, Member, MemoryFrom, Pool, Share};
use crate::model::operation::{Act, Identity, Operation, Output, PutFile, Target, Trouble, TroubleKind};

/// One data file.
pub struct Case {
    pub file: String,
    pub json: Json,
}

/// The folder with an action's cases.
pub fn folder(action: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "src", "action", "cases", action].iter().collect()
}

/// An action's cases, sorted by file name.
pub fn cases(action: &str) -> Vec<Case> {
    let Ok(entries) = std::fs::read_dir(folder(action)) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).collect();
    paths.sort();
    let read = |path: PathBuf| {
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let json = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{action}/{file}: {e}"));
        Case { file, json }
    };
    paths.into_iter().map(read).collect()
}

/// The world of a case: one host `web-01` unless it says otherwise.
pub struct World {
    pub inventory: Inventory,
    pub host: Option<HostName>,
    pub run_as: Identity,
}

impl World {
    pub fn of(case: &Json) -> World {
        let mut inventory = Inventory::default();
        let default = serde_json::json!({ "web-01": {} });
        for (name, json) in case.get("hosts").unwrap_or(&default).as_object().unwrap() {
            inventory.order.push(HostName::from(name.as_str()));
            inventory.hosts.insert(HostName::from(name.as_str()), host(name, json));
        }
        for (name, json) in case.get("groups").and_then(Json::as_object).unwrap_or(&Map::new()) {
            inventory.groups.insert(
                GroupName::from(name.as_str()),
                names(json).into_iter().map(HostName::from).collect(),
            );
        }
        for (name, json) in case.get("pools").and_then(Json::as_object).unwrap_or(&Map::new()) {
            let pool = pool(name, json, &inventory);
            inventory.pools.insert(PoolName::from(name.as_str()), pool);
        }
        let first = inventory.order[0].clone();
        World {
            host: match case.get("host") {
                None => Some(first),
                Some(Json::Null) => None,
                Some(name) => Some(HostName::from(name.as_str().unwrap())),
            },
            run_as: case
                .get("run_as")
                .map_or(Identity::Login, |user| Identity::User(user.as_str().unwrap().to_owned())),
            inventory,
        }
    }

    pub fn bind(&self, action: &str, arguments: &Arguments) -> Result<Box<dyn Action>, BindError> {
        let context = Context {
            host: self.host.as_ref().map(|name| &self.inventory.hosts[name]),
            run_as: &self.run_as,
            inventory: &self.inventory,
            timeout: Duration::from_secs(300),
        };
        CATALOG
            .get(action)
            .unwrap_or_else(|| panic!("no action {action}"))
            .bind(arguments, &context)
    }
}

fn text(json: &Json, name: &str) -> Option<String> {
    json.get(name).and_then(Json::as_str).map(str::to_owned)
}

fn names(json: &Json) -> Vec<String> {
    json.as_array().unwrap().iter().map(|n| n.as_str().unwrap().to_owned()).collect()
}

fn host(name: &str, json: &Json) -> Host {
    let memory_from = match json.get("memory_from") {
        None => MemoryFrom::Host,
        Some(of) => match (text(of, "cgroup"), text(of, "service")) {
            (Some(path), _) => MemoryFrom::Cgroup(path),
            (_, Some(service)) => MemoryFrom::Service(service),
            _ => MemoryFrom::Host,
        },
    };
    let vars = json.get("vars").map_or(Value::map([]), Value::from_json);
    let Value::Map(vars) = vars else { panic!("vars is a map") };
    Host {
        name: HostName::from(name),
        address: text(json, "address"),
        login_is_enough: json.get("login_is_enough") == Some(&Json::Bool(true)),
        service_manager: text(json, "service_manager"),
        memory_from,
        vars,
        ..Host::default()
    }
}

fn pool(name: &str, json: &Json, inventory: &Inventory) -> Pool {
    let member = |name: String| {
        let host = &inventory.hosts[name.as_str()];
        Member {
            server: host.var_text("pool_name").unwrap_or(&name).to_owned(),
            address: host.address().to_owned(),
            host: HostName::from(name),
        }
    };
    Pool {
        name: PoolName::from(name),
        kind: text(json, "kind").unwrap_or_else(|| String::from("haproxy")),
        balancers: names(&json["balancers"]).into_iter().map(HostName::from).collect(),
        backend: text(json, "backend").unwrap_or_else(|| name.to_owned()),
        members: names(&json["members"]).into_iter().map(member).collect(),
        min_in_service: Share::Count(u32::try_from(json.get("min_in_service").and_then(Json::as_u64).unwrap_or(1)).unwrap()),
        config: text(json, "config").unwrap_or_else(|| String::from("/etc/haproxy/haproxy.cfg")),
        socket: text(json, "socket").unwrap_or_else(|| String::from("/run/haproxy/admin.sock")),
        service: text(json, "service").unwrap_or_else(|| String::from("haproxy")),
        health: text(json, "health"),
    }
}

/// Arguments from plain JSON; texts become durations, sizes and percentages where the parameter is of that kind.
pub fn arguments(signature: &Signature, json: Option<&Json>) -> Arguments {
    let mut all = BTreeMap::new();
    for (name, json) in json.and_then(Json::as_object).unwrap_or(&Map::new()) {
        let parameter = signature.parameters.iter().find(|p| p.name == name);
        let kind = parameter
            .unwrap_or_else(|| panic!("{} has no parameter {name}", signature.name))
            .kind;
        all.insert(name.clone(), argument(kind, json));
    }
    Arguments(all)
}

/// As the compiler does it: a text where the parameter is of another kind is read as people write that kind.
fn argument(kind: ParameterKind, json: &Json) -> Value {
    convert::argument(kind, Value::from_json(json)).unwrap_or_else(|e| panic!("{e}"))
}

/// Outputs of operations. `{"exited": {"code": 1, "stderr": "…"}}` with what is absent empty; a list of texts is lines.
pub fn outputs(json: Option<&Json>) -> Vec<Output> {
    json.and_then(Json::as_array)
        .map_or(Vec::new(), |list| list.iter().map(output).collect())
}

fn output(json: &Json) -> Output {
    if let Some(word) = json.as_str() {
        return match word {
            "no_file" => Output::NoFile,
            "paused" => Output::Paused,
            "put" => Output::Put {
                written: true,
                backup: None,
            },
            other => panic!("unknown output {other}"),
        };
    }
    let (kind, body) = json.as_object().unwrap().iter().next().unwrap();
    let said = |name: &str| lines(body.get(name));
    match kind.as_str() {
        "exited" => Output::Exited {
            code: i32::try_from(body.get("code").and_then(Json::as_i64).unwrap_or(0)).unwrap(),
            stdout: said("stdout"),
            stderr: said("stderr"),
            truncated: false,
        },
        "file" => file(body),
        "answer" => Output::Answer { text: lines(Some(body)) },
        "http" => Output::Http {
            status: u16::try_from(body["status"].as_u64().unwrap()).unwrap(),
            headers: serde_json::from_value(body.get("headers").cloned().unwrap_or_else(|| Json::Array(Vec::new()))).unwrap(),
            body: said("body"),
        },
        "failed" => Output::Failed(Trouble {
            kind: serde_json::from_value::<TroubleKind>(body["kind"].clone()).unwrap(),
            message: text(body, "message").unwrap_or_default(),
            may_have_happened: false,
        }),
        _ => serde_json::from_value(json.clone()).unwrap_or_else(|e| panic!("output {kind}: {e}")),
    }
}

fn file(body: &Json) -> Output {
    let content = lines(body.get("content"));
    Output::File {
        sha256: crate::action::file::sha256(&content),
        utf8: body.get("utf8") != Some(&Json::Bool(false)),
        mode: text(body, "mode").unwrap_or_else(|| String::from("0644")),
        owner: text(body, "owner").unwrap_or_else(|| String::from("root")),
        group: text(body, "group").unwrap_or_else(|| String::from("root")),
        content,
    }
}

fn lines(json: Option<&Json>) -> String {
    match json {
        None => String::new(),
        Some(Json::String(text)) => text.clone(),
        Some(Json::Array(lines)) => lines.iter().map(|l| format!("{}\n", l.as_str().unwrap())).collect(),
        Some(other) => panic!("expected text or lines, found {other}"),
    }
}

/// An operation on one line, as cases write it: `web-01 as root: run systemctl restart app`.
pub fn describe(operation: &Operation) -> String {
    let place = match &operation.target {
        Target::Controller => "controller",
        Target::Host(host) => host.as_str(),
    };
    let user = match &operation.run_as {
        Identity::Login => String::new(),
        Identity::User(user) => format!(" as {user}"),
    };
    format!("{place}{user}: {}", act(&operation.act))
}

fn act(act: &Act) -> String {
    let show = |argv: &[String]| crate::base::quote::show(argv.iter().map(String::as_str));
    match act {
        // The text of our own scripts is not what a case is about; what it is given is.
        Act::Probe { argv, .. } if argv.get(3).is_some_and(|a| a == "runbook") => {
            format!("probe script {}", show(&argv[4..])).trim_end().to_owned()
        }
        Act::Probe { argv, stdin, env } => {
            let env: String = env.iter().map(|(k, v)| format!(" with {k}={v}")).collect();
            format!("probe {}{env}{}", show(argv), input(&stdin.to_string()))
        }
        Act::Run { argv, stdin, env, cwd } => {
            let place: String = cwd.iter().map(|dir| format!(" in {dir}")).collect();
            let env: String = env.iter().map(|(k, v)| format!(" with {k}={v}")).collect();
            format!("run {}{env}{place}{}", show(argv), input(&stdin.to_string()))
        }
        Act::ReadFile { path } => format!("read {path}"),
        Act::PutFile(file) => put(file),
        Act::Socket { path, request, read_only } => format!("{} {path} {request:?}", if *read_only { "ask" } else { "tell" }),
        Act::Http {
            method,
            url,
            headers,
            body,
            read_only,
        } => {
            let headers: String = headers.iter().map(|(k, v)| format!(" {k}={v}")).collect();
            format!(
                "http{} {method} {url}{headers}{}",
                if *read_only { "" } else { " (changes)" },
                input(body)
            )
        }
        Act::Tcp { address, port } => format!("tcp {address} {port}"),
        Act::Notify {
            to,
            message,
            severity,
            attach,
        } => format!("notify {to} {severity} {message:?} {} attached", attach.len()),
        Act::History { resource, last } => format!("history of {resource}, last {last}"),
        Act::Pause { span } => format!("pause {}", crate::base::clock::friendly(*span)),
    }
}

fn put(file: &PutFile) -> String {
    let parts = [
        ("mode", &file.mode),
        ("owner", &file.owner),
        ("group", &file.group),
        ("expect", &file.expect),
    ];
    let parts: String = parts.iter().filter_map(|(k, v)| v.as_ref().map(|v| format!(" {k}={v}"))).collect();
    let validate = file.validate.as_ref().map_or(String::new(), |argv| {
        format!(" validate={}", crate::base::quote::show(argv.iter().map(String::as_str)))
    });
    let backup = if file.backup { " backup" } else { "" };
    format!("put {} {:?}{parts}{backup}{validate}", file.path, file.content)
}

fn input(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(" < {text:?}") }
}
