//! `tcp`: tries to open a TCP connection.

use std::time::Duration;

use crate::action::declare::{optional, required};
use crate::action::outcome::unexpected;
use crate::action::place::Place;
use crate::base::id::HostName;
use crate::base::value::Value;
use crate::model::action::{
    Action, ActionKind, Arguments, BindError, Class, Context, Decision, Observation, ParameterKind, ReadError, ResourceKey, RunsOn, Scope,
    Signature, Verdict,
};
use crate::model::operation::{Act, Operation, Output, Trouble, TroubleKind};
use crate::model::types::Type;

/// See the signature.
pub struct Tcp;

static SIGNATURE: Signature = Signature {
    name: "tcp",
    summary: "Tries to open a TCP connection.",
    docs: "From each host of the step, or from the controller with `hosts: control`. The connection is closed at once; nothing is sent. \
           With `that` and `within` it waits for a port to open or to close. Without `state` it only tells what it found.",
    parameters: &[
        required(
            "host",
            ParameterKind::Text,
            "Whom to connect to: a host of the inventory, a name or an address.",
        ),
        required("port", ParameterKind::Int, "The port, 1 to 65535."),
        optional(
            "state",
            ParameterKind::Choice(&["open", "closed"]),
            "What must be so; anything else is a failure. Default: either.",
        ),
        optional("timeout", ParameterKind::Duration, "How long the connection may take. Default: 5s."),
    ],
    shorthand: None,
    results,
    class: Class::Probe,
    class_of: None,
    runs_on: RunsOn::HostOrControl,
    repeatable: true,
    pool_effect: None,
    example: r#"
id: database_port
name: The web servers reach the database
hosts: webservers
tcp: { host: db-01, port: 5432 }
that: result.open
"#,
};

fn results() -> Type {
    Type::record([("open", Type::Bool)])
}

impl ActionKind for Tcp {
    fn signature(&self) -> &'static Signature {
        &SIGNATURE
    }

    fn bind(&self, arguments: &Arguments, context: &Context<'_>) -> Result<Box<dyn Action>, BindError> {
        let port = arguments.int("port").unwrap_or(0);
        let number = u16::try_from(port).ok().filter(|p| *p > 0);
        let port = number.ok_or_else(|| BindError::new("port", format!("expected a port from 1 to 65535, found {port}")))?;
        let host = arguments.text("host").unwrap_or_default();
        if host.is_empty() {
            return Err(BindError::new("host", "it is empty"));
        }
        let known = context
            .inventory
            .hosts
            .get(host)
            .or_else(|| context.inventory.hosts.values().find(|h| h.address() == host));
        let mut place = Place::of(context).as_login();
        place.timeout = arguments.duration("timeout").unwrap_or(Duration::from_secs(5));
        Ok(Box::new(Connection {
            scope: known.map_or(Scope::Elsewhere, |h| Scope::Host(HostName::from(h.name.as_str()))),
            address: known.map_or(host, |h| h.address()).to_owned(),
            wanted: arguments.text("state").map(|state| state == "open"),
            place,
            port,
        }))
    }
}

#[derive(Debug)]
struct Connection {
    place: Place,
    scope: Scope,
    address: String,
    port: u16,
    wanted: Option<bool>,
}

impl Connection {
    fn key(&self) -> ResourceKey {
        ResourceKey {
            scope: self.scope.clone(),
            path: format!("tcp/{} {} from {}", self.address, self.port, self.place.name()),
        }
    }
}

impl Action for Connection {
    fn probe(&self) -> Vec<Operation> {
        vec![self.place.operation(Act::Tcp {
            address: self.address.clone(),
            port: self.port,
        })]
    }

    fn read(&self, outputs: &[Output]) -> Result<Observation, ReadError> {
        let open = match outputs.first() {
            Some(Output::Tcp { open }) => *open,
            // A packet filter that drops is as closed as a port that refuses.
            Some(Output::Failed(Trouble {
                kind: TroubleKind::Timeout | TroubleKind::Absent,
                ..
            })) => false,
            other => return Err(unexpected(other, "whether a port is open")),
        };
        if self.wanted.is_some_and(|wanted| wanted != open) {
            let word = |open: bool| if open { "open" } else { "closed" };
            let (is, wanted) = (word(open), word(!open));
            return Err(ReadError::new(format!(
                "port {} of {} is {is} as seen from {}, expected {wanted}",
                self.port,
                self.address,
                self.place.name()
            )));
        }
        let mut seen = Observation::default();
        seen.set(self.key(), Value::map([("open", Value::Bool(open))]));
        Ok(seen)
    }

    fn decide(&self, _seen: &Observation) -> Decision {
        Decision::InDesiredState
    }

    fn judge(&self, _before: &Observation, _performed: &[Output], _after: &Observation) -> Verdict {
        Verdict::Done
    }

    fn result(&self, seen: &Observation, _performed: &[Output]) -> Value {
        let open = seen.get(&self.key()).and_then(|v| v.field("open"));
        Value::map([("open", open.unwrap_or_default())])
    }
}
