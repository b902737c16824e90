//! What will be so by the time a later step looks: the facts that changes foretell, and what else in the inventory hangs on them.
//!
//! A balancer's file is one thing with several names, since the pools that share it and its host each see it as their own fact. Whatever
//! may have become of a balancer's host may have become of its pools; and when a member's host is disturbed, nobody knows whether the
//! balancer will find it healthy.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::id::{HostName, PoolName};
use crate::base::value::Value;
use crate::model::action::{Change, Observation, ResourceKey, Scope};
use crate::model::inventory::Inventory;

/// What a balancer finds out about a member by looking at it.
const FOUND_OUT: [&str; 4] = ["up", "check", "health", "sessions"];

/// Facts that will be so by the time a later node looks.
#[derive(Clone, Debug, Default)]
pub(super) struct Predicted {
    facts: BTreeMap<ResourceKey, Value>,
    tainted: BTreeSet<Scope>,
    /// Members whose host was disturbed since a step has seen them in service.
    unsure: BTreeSet<ResourceKey>,
    /// A person will have done something: it may be anything, anywhere.
    by_hand: bool,
}

impl Predicted {
    /// What a later node would see in place of what is there now.
    pub(super) fn over(&self, seen: Observation) -> Observation {
        let facts = seen.0.into_iter().map(|(key, now)| {
            let mut value = match self.facts.get(&key) {
                Some(predicted) => predicted.clone(),
                None if self.by_hand || self.tainted.contains(&key.scope) => Value::Unknown,
                None => now,
            };
            if let (Value::Map(fields), true) = (&mut value, self.unsure.contains(&key)) {
                fields.extend(FOUND_OUT.map(|name| (name.to_owned(), Value::Unknown)));
            }
            (key, value)
        });
        Observation(facts.collect())
    }

    /// Something on that host will have changed.
    pub(super) fn touches(&self, host: &HostName) -> bool {
        let around = Scope::Host(host.clone());
        self.by_hand || self.tainted.contains(&around) || self.facts.keys().any(|key| key.scope == around)
    }

    /// From here on nothing that was seen need be so.
    pub(super) fn taint_all(&mut self) {
        self.facts.clear();
        self.by_hand = true;
    }

    /// Of these scopes nothing is known any more.
    pub(super) fn taint(&mut self, scopes: &[Scope], inventory: &Inventory) {
        for scope in clouds(scopes, inventory) {
            self.facts.retain(|key, _| key.scope != scope);
            self.tainted.insert(scope);
        }
        for scope in scopes {
            self.unsure.extend(members_on(scope, inventory));
        }
    }

    /// Of these facts nothing is known any more.
    pub(super) fn blur(&mut self, keys: &[ResourceKey]) {
        self.facts.extend(keys.iter().map(|key| (key.clone(), Value::Unknown)));
    }

    /// What a change will have made so; `certain`: nothing can keep it from being made.
    pub(super) fn change(&mut self, change: &Change, certain: bool, inventory: &Inventory) {
        self.taint(&change.taints, inventory);
        for (key, value) in &change.predicted {
            let value = if certain { value.clone() } else { Value::Unknown };
            self.facts.extend(other_names(key, &value, inventory));
            self.facts.insert(key.clone(), value);
        }
    }

    /// A step returns that member, and waits until the balancer has found it healthy.
    pub(super) fn returned(&mut self, pool: &PoolName, member: &HostName) {
        self.unsure.remove(&ResourceKey::member(pool, member));
    }
}

/// These scopes, and those that hang on them: the pools of a balancer.
pub(super) fn clouds(scopes: &[Scope], inventory: &Inventory) -> Vec<Scope> {
    let pools = |scope: &Scope| match scope {
        Scope::Host(host) => inventory
            .pools
            .values()
            .filter(|p| p.balancers.contains(host))
            .map(|p| Scope::Pool(p.name.clone()))
            .collect(),
        _ => Vec::new(),
    };
    scopes
        .iter()
        .flat_map(|scope| std::iter::once(scope.clone()).chain(pools(scope)))
        .collect()
}

/// The members that stand there.
pub(super) fn members_on(scope: &Scope, inventory: &Inventory) -> Vec<ResourceKey> {
    let Scope::Host(host) = scope else { return Vec::new() };
    let pools = inventory.pools.values().filter(|p| p.member(host.as_str()).is_some());
    pools.map(|p| ResourceKey::member(&p.name, host)).collect()
}

/// The facts that a change makes so, by all their names.
pub(super) fn written(change: &Change, inventory: &Inventory) -> Vec<ResourceKey> {
    let others = |(key, value): &(ResourceKey, Value)| {
        other_names(key, value, inventory)
            .into_iter()
            .map(|(key, _)| key)
            .collect::<Vec<_>>()
    };
    let named = change.predicted.iter().map(|(key, _)| key.clone());
    let on_members = change.taints.iter().flat_map(|scope| members_on(scope, inventory));
    named.chain(change.predicted.iter().flat_map(others)).chain(on_members).collect()
}

/// The same file as others see it.
fn other_names(key: &ResourceKey, value: &Value, inventory: &Inventory) -> Vec<(ResourceKey, Value)> {
    let mut names = Vec::new();
    for pool in inventory.pools.values() {
        for balancer in &pool.balancers {
            let of_host = ResourceKey::host(balancer, format!("file/{}", pool.config));
            let of_pool = ResourceKey::balancer_file(&pool.name, balancer);
            if *key == of_host {
                names.push((of_pool, as_a_pool_sees_it(value)));
            } else if *key == of_pool {
                let host = as_its_host_sees_it(value);
                let sharing = inventory.pools.values().filter(|p| p.name != pool.name && p.config == pool.config);
                let sharing = sharing.filter(|p| p.balancers.contains(balancer));
                names.extend(sharing.map(|p| (ResourceKey::balancer_file(&p.name, balancer), value.clone())));
                names.push((of_host, host));
            }
        }
    }
    names
}

fn as_a_pool_sees_it(file: &Value) -> Value {
    match (file.field("exists"), file.field("utf8"), file.field("content")) {
        (Some(Value::Bool(true)), Some(utf8 @ Value::Bool(_)), Some(content @ Value::Text(_))) => {
            Value::map([("present", Value::Bool(true)), ("utf8", utf8), ("content", content)])
        }
        _ => Value::Unknown,
    }
}

fn as_its_host_sees_it(file: &Value) -> Value {
    match (file.field("present"), file.field("utf8"), file.field("content")) {
        (Some(Value::Bool(true)), Some(utf8), Some(content)) => Value::map([
            ("exists", Value::Bool(true)),
            ("utf8", utf8),
            ("content", content),
            ("sha256", Value::Unknown),
            ("mode", Value::Unknown),
            ("owner", Value::Unknown),
            ("group", Value::Unknown),
        ]),
        _ => Value::Unknown,
    }
}
