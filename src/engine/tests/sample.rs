//! A compiled runbook with its plan, ready to be lived.

use std::collections::BTreeMap;

use crate::action::CATALOG;
use crate::base::clock::Timestamp;
use crate::base::id::{HostName, PoolName};
use crate::diagnostic::Sources;
use crate::lang;
use crate::model::event::RunCreated;
use crate::model::inventory::{Host, Inventory, Member, Pool, Share};
use crate::model::runbook::Runbook;
use crate::plan::{PlanInput, Planning, Seen, params, plan};

/// What a life needs to know.
pub struct Sample {
    pub runbook: Runbook,
    pub created: RunCreated,
}

pub const HEAD: &str = "runbook: example\nlanguage: 1\ndescription: An example\n";

/// `web-01` to `web-04` in pool `web` behind `lb-01`, and `db-01` beside them.
fn inventory() -> Inventory {
    let mut inventory = Inventory::default();
    for name in ["lb-01", "web-01", "web-02", "web-03", "web-04", "db-01"] {
        let name = HostName::from(name);
        let host = Host {
            name: name.clone(),
            ..Host::default()
        };
        inventory.order.push(name.clone());
        inventory.hosts.insert(name, host);
    }
    let members: Vec<HostName> = inventory.order[1..5].to_vec();
    inventory.groups.insert("webservers".into(), members.clone());
    let pool = Pool {
        name: PoolName::from("web"),
        kind: String::from("haproxy"),
        balancers: vec!["lb-01".into()],
        backend: String::from("web"),
        members: members
            .into_iter()
            .map(|host| Member {
                server: host.to_string(),
                address: host.to_string(),
                host,
            })
            .collect(),
        min_in_service: Share::Count(1),
        config: String::from("/etc/haproxy/haproxy.cfg"),
        socket: String::from("/run/haproxy/admin.sock"),
        service: String::from("haproxy"),
        health: None,
    };
    inventory.pools.insert("web".into(), pool);
    inventory
}

impl Sample {
    /// Compiles and plans a text (without its head), offline: what nodes do is the plot's business.
    pub fn of(steps: &str) -> Result<Sample, String> {
        Sample::among(steps, &[])
    }

    /// As [`Sample::of`], with files that it calls.
    pub fn among(steps: &str, files: &[(&str, &str)]) -> Result<Sample, String> {
        let text = format!("{HEAD}{steps}");
        let mut sources = Sources::new();
        let id = sources.add("example.yaml", text.as_str());
        for (name, text) in files {
            sources.add(*name, *text);
        }
        let (runbook, mistakes) = lang::compile(&sources, id, None, &CATALOG);
        let runbook = runbook.ok_or_else(|| format!("{text}\n{mistakes:#?}"))?;
        let inventory = inventory();
        let (params, _) = params::resolve(&runbook, &inventory, &BTreeMap::new());
        let input = PlanInput {
            runbook: &runbook,
            text: &text,
            inventory: &inventory,
            params: &params,
            catalog: &CATALOG,
            limit: None,
            max_hosts: None,
            offline: true,
            now: Timestamp(0),
        };
        let Planning::Done(plan) = plan(input, &Seen::new()).map_err(|d| format!("{text}\n{d:#?}"))? else {
            return Err(String::from("an offline plan needs nothing"));
        };
        let created = RunCreated {
            uid: String::from("u"),
            runbook: runbook.name.clone(),
            sources: Sources::new(),
            inventory,
            params,
            plan: *plan,
            by: String::from("op"),
            reason: None,
            gate: false,
            used_plan: None,
        };
        Ok(Sample { runbook, created })
    }

    /// One that must compile.
    pub fn good(steps: &str) -> Sample {
        Sample::of(steps).unwrap_or_else(|why| panic!("{why}"))
    }

    /// With `--gate approve`.
    pub fn gated(mut self) -> Sample {
        self.created.gate = true;
        self
    }
}
