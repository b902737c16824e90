//! `pool.traffic`: who really gets the traffic, by two looks at the balancers' counters.

use std::collections::BTreeMap;
use std::time::Duration;

use super::haproxy::runtime::{self, Look};
use super::target::Target;
use crate::base::value::Value;
use crate::model::action::{
    Action, ActionKind, Arguments, BindError, Class, Context, Decision, Observation, Parameter, ParameterKind, ReadError, RunsOn,
    Signature, Verdict,
};
use crate::model::operation::{Operation, Output};
use crate::model::types::Type;

/// The catalogue's entry.
pub struct Traffic;

const OVER: Duration = Duration::from_secs(60);

static SIGNATURE: Signature = Signature {
    name: "pool.traffic",
    summary: "Counts the requests that each member of a pool gets.",
    docs: "Reads the counters of every balancer twice, `over` apart, and adds the balancers up. `share_percent` is a member's part of all \
           requests in between, 0 when there were none at all; `fair_share_percent` is 100 divided by the number of members, out of service \
           or not. A reload in between sets the counters to zero, so it is an error.",
    parameters: &[
        super::status::POOL,
        Parameter {
            name: "over",
            kind: ParameterKind::Duration,
            required: false,
            docs: "How long to count. Default: 1m.",
            secret: false,
        },
    ],
    shorthand: Some("pool"),
    results,
    class: Class::Probe,
    class_of: None,
    runs_on: RunsOn::Balancers,
    repeatable: true,
    pool_effect: None,
    example: "pool.traffic: { pool: web, over: 30s }\nthat: result.members.all(m, m.share_percent > 0.5 * result.fair_share_percent)\n",
};

fn results() -> Type {
    let member = Type::record([("name", Type::Text), ("share_percent", Type::Float), ("requests", Type::Int)]);
    Type::record([
        ("fair_share_percent", Type::Float),
        ("requests", Type::Int),
        ("members", Type::list(member)),
    ])
}

impl ActionKind for Traffic {
    fn signature(&self) -> &'static Signature {
        &SIGNATURE
    }

    fn bind(&self, arguments: &Arguments, context: &Context<'_>) -> Result<Box<dyn Action>, BindError> {
        Ok(Box::new(Bound {
            target: Target::bind(arguments, context)?,
            over: arguments.duration("over").unwrap_or(OVER),
        }))
    }
}

struct Bound {
    target: Target,
    over: Duration,
}

impl Action for Bound {
    fn probe(&self) -> Vec<Operation> {
        let look = || {
            self.target
                .balancers
                .iter()
                .map(|host| self.target.socket(host, runtime::LOOK, true))
        };
        look().chain(std::iter::once(self.target.pause(self.over))).chain(look()).collect()
    }

    fn read(&self, outputs: &[Output]) -> Result<Observation, ReadError> {
        let count = self.target.balancers.len();
        if outputs.len() != 2 * count + 1 {
            return Err(ReadError::new(format!(
                "expected {} outputs, found {}",
                2 * count + 1,
                outputs.len()
            )));
        }
        let mut requests: BTreeMap<String, i64> = BTreeMap::new();
        for (at, balancer) in self.target.balancers.iter().enumerate() {
            let host = balancer.host.as_str();
            let first = self.look(host, &outputs[at])?;
            let second = self.look(host, &outputs[count + 1 + at])?;
            self.count(host, &first, &second, &mut requests)?;
        }
        let mut facts = Observation::default();
        let members = requests.into_iter().map(|(name, n)| (name, Value::Int(n))).collect();
        facts.set(self.target.key("traffic"), Value::Map(members));
        Ok(facts)
    }

    fn decide(&self, _: &Observation) -> Decision {
        Decision::InDesiredState
    }

    fn judge(&self, _: &Observation, _: &[Output], _: &Observation) -> Verdict {
        Verdict::Done
    }

    fn result(&self, seen: &Observation, _: &[Output]) -> Value {
        let Some(Value::Map(requests)) = seen.get(&self.target.key("traffic")) else {
            return Value::map([
                ("fair_share_percent", Value::Unknown),
                ("requests", Value::Unknown),
                ("members", Value::Unknown),
            ]);
        };
        let number = |value: &Value| value.as_int().unwrap_or(0);
        let total: i64 = requests.values().map(number).sum();
        let members = requests.iter().map(|(name, value)| {
            Value::map([
                ("name", Value::text(name.as_str())),
                ("share_percent", Value::Float(percent(number(value), total))),
                ("requests", Value::Int(number(value))),
            ])
        });
        let fair = percent(1, i64::try_from(requests.len()).unwrap_or(i64::MAX));
        Value::map([
            ("fair_share_percent", Value::Float(fair)),
            ("requests", Value::Int(total)),
            ("members", Value::List(members.collect())),
        ])
    }
}

impl Bound {
    fn look(&self, host: &str, output: &Output) -> Result<Look, ReadError> {
        match output {
            Output::Answer { text } => runtime::read_look(text).map_err(|e| ReadError::new(format!("{host}: {e}"))),
            Output::Failed(trouble) => Err(ReadError {
                message: format!("{host}: {}", trouble.message),
                trouble: Some(trouble.kind),
            }),
            _ => Err(ReadError::new(format!(
                "{host}: expected an answer from {}",
                self.target.pool.socket
            ))),
        }
    }

    fn count(&self, host: &str, first: &Look, second: &Look, requests: &mut BTreeMap<String, i64>) -> Result<(), ReadError> {
        if first.pid != second.pid {
            return Err(ReadError::new(format!(
                "{host}: HAProxy was reloaded while its requests were counted; count again"
            )));
        }
        let backend = &self.target.pool.backend;
        if !second.algorithms.contains_key(backend) {
            return Err(ReadError::new(format!("{host}: HAProxy has no backend `{backend}`")));
        }
        for member in &self.target.pool.members {
            requests.entry(member.host.to_string()).or_default();
        }
        for server in second.servers.iter().filter(|s| s.backend == *backend) {
            let listed = self.target.pool.members.iter().find(|m| m.server == server.name);
            let name = listed.map_or(server.name.clone(), |m| m.host.to_string());
            let earlier = first.servers.iter().find(|s| s.backend == *backend && s.name == server.name);
            let more = server.total - earlier.map_or(0, |s| s.total);
            if more < 0 {
                let what = "the counters were cleared while requests were counted; count again";
                return Err(ReadError::new(format!("{host}: {what}")));
            }
            *requests.entry(name).or_default() += more;
        }
        Ok(())
    }
}

#[allow(clippy::cast_precision_loss)]
fn percent(part: i64, whole: i64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 }
}
