//! Pools during a run: the lease on the balancer, the minimum right before anything is taken, the marks on what is out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::attempt::Shared;
use super::checks;
use super::observe::Observer;
use super::on_journal::on_journal;
use super::taking::{Taking, Takings};
use crate::base::clock::{Clock, Timestamp};
use crate::base::id::{HostName, PoolName};
use crate::model::action::{Observation, ResourceKey};
use crate::model::event::{Failure, FailureKind};
use crate::model::inventory::{Inventory, Pool};
use crate::model::operation::Target;
use crate::model::plan::{EffectKind, Node, NodeEffect, Plan};
use crate::model::pool_record::{self, Answer, PoolRecord};
use crate::plan::capacity::{self, MemberNow};
use crate::plan::forecast::{identity_of, member_now, status_of};
use crate::transport::Exec;

/// A controller that dies holds a pool for at most so long.
pub const LEASE: Duration = Duration::from_secs(60);
/// Renewed so often: three chances before it runs out.
pub const RENEW_EVERY: Duration = Duration::from_secs(15);

/// The pools of a run.
#[derive(Clone)]
pub struct Pools {
    observer: Observer,
    inventory: Arc<Inventory>,
    clock: Arc<dyn Clock>,
    /// Who started the run, the run's identity, and what to call it: `run #12 recover-master on laptop`.
    owner: String,
    run: String,
    what: String,
    held: Arc<Mutex<BTreeMap<PoolName, u64>>>,
    takings: Takings,
}

/// Why a pool is not ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotOurs(pub String);

impl Pools {
    /// Of a run that holds nothing yet.
    #[must_use]
    pub fn new(observer: Observer, inventory: Arc<Inventory>, clock: Arc<dyn Clock>, owner: &str, run: &str, what: &str) -> Pools {
        let (owner, run, what) = (owner.to_owned(), run.to_owned(), what.to_owned());
        Pools {
            observer,
            inventory,
            clock,
            owner,
            run,
            what,
            held: Arc::default(),
            takings: Takings::default(),
        }
    }

    /// Takes the lease of a pool, or renews the one that this run already had.
    ///
    /// # Errors
    /// Who holds it, or why the balancer cannot be asked.
    pub async fn take(&self, pool: &PoolName, had: Option<u64>) -> Result<u64, NotOurs> {
        let now = self.clock.now();
        if let Some(fence) = had {
            let record = self.record(now, LEASE, fence, &self.what);
            if let Answer::Done(record) = self.script(pool, pool_record::renew_script(pool.as_str(), &record, now.0)).await? {
                return Ok(self.hold(pool, record.fence));
            }
        }
        let record = self.record(now, LEASE, 0, &self.what);
        match self.script(pool, pool_record::take_script(pool.as_str(), &record, now.0)).await? {
            Answer::Done(record) => Ok(self.hold(pool, record.fence)),
            // We took it, and ended before that was recorded.
            Answer::Held(other) if other.run == self.run => {
                let record = self.record(now, LEASE, other.fence, &self.what);
                match self.script(pool, pool_record::renew_script(pool.as_str(), &record, now.0)).await? {
                    Answer::Done(record) => Ok(self.hold(pool, record.fence)),
                    Answer::Held(_) | Answer::Lost => Err(NotOurs(format!("the lease of pool `{pool}` was lost while it was taken"))),
                }
            }
            Answer::Held(other) => Err(NotOurs(format!(
                "pool `{pool}` is held by {} ({}), since {}; wait for it to end, or ask {}",
                other.what,
                other.owner,
                Timestamp(other.since_ms),
                other.owner
            ))),
            Answer::Lost => Err(NotOurs(format!("the lease of pool `{pool}` was lost while it was taken"))),
        }
    }

    fn hold(&self, pool: &PoolName, fence: u64) -> u64 {
        self.held.lock().expect("no holder of this lock panics").insert(pool.clone(), fence);
        fence
    }

    /// Renews all leases.
    pub async fn renew(&self) {
        let held: Vec<PoolName> = self.held.lock().expect("no holder of this lock panics").keys().cloned().collect();
        for pool in held {
            if let Err(error) = self.still_ours(&pool).await {
                tracing::warn!(%pool, %error, "the lease was not renewed");
            }
        }
    }

    /// Renews a lease; one that is no longer ours is forgotten, and nothing more is taken from its pool.
    async fn still_ours(&self, pool: &PoolName) -> Result<(), NotOurs> {
        let gone = || NotOurs(format!("the lease of pool `{pool}` is not ours any more; nothing is taken from it"));
        let fence = self
            .held
            .lock()
            .expect("no holder of this lock panics")
            .get(pool)
            .copied()
            .ok_or_else(gone)?;
        let now = self.clock.now();
        let record = self.record(now, LEASE, fence, &self.what);
        match self.script(pool, pool_record::renew_script(pool.as_str(), &record, now.0)).await? {
            Answer::Done(_) => Ok(()),
            Answer::Lost | Answer::Held(_) => {
                self.held.lock().expect("no holder of this lock panics").remove(pool);
                Err(gone())
            }
        }
    }

    /// Gives a lease back. One that cannot be given back runs out by itself.
    pub async fn release(&self, pool: &PoolName, fence: u64) {
        self.held.lock().expect("no holder of this lock panics").remove(pool);
        if let Err(error) = self.script(pool, pool_record::release_script(pool.as_str(), fence)).await {
            tracing::warn!(%pool, %error, "the lease was not given back; it runs out by itself");
        }
    }

    /// Right before a node takes something: the pool is ours, nobody else owes to it, and its minimum is kept, as observed now. While
    /// the answer is kept, what it takes counts as out for whatever else of this run is about to take.
    ///
    /// # Errors
    /// Why it must not be taken.
    pub(super) async fn may_take(&self, shared: &Shared, node: &Node) -> Result<Vec<Taking>, Failure> {
        let mut takings = Vec::new();
        for effect in node.pool_effects.iter().filter(|e| e.kind != EffectKind::Returns) {
            let refused = |message: String| Failure {
                kind: FailureKind::Refused,
                message,
            };
            // Believing is not enough: a machine that slept may have lost it since.
            self.still_ours(&effect.pool).await.map_err(|NotOurs(message)| refused(message))?;
            let (journal, pool) = (shared.journal.clone(), effect.pool.clone());
            let open = on_journal(&journal, move |journal| journal.open_obligations_of_pool(&pool)).await;
            let open = open
                .ok()
                .and_then(Result::ok)
                .ok_or_else(|| refused(String::from("the journal cannot be read")))?;
            if let Some(other) = open.iter().find(|o| o.run != shared.run) {
                let words = format!(
                    "obligation {} is open: {} (run {}, {}); discharge or waive it first (`runbook obligations`)",
                    other.id, other.what, other.run, other.owner
                );
                return Err(refused(words));
            }
            self.nobody_else_owes(effect).await.map_err(refused)?;
            takings.push(self.minimum(shared, node, effect).await?);
        }
        Ok(takings)
    }

    /// Another controller's journal is not ours to read, but what it took is written on the balancer, and outlives its lease.
    async fn nobody_else_owes(&self, effect: &NodeEffect) -> Result<(), String> {
        let first = self.inventory.pools.get(&effect.pool).and_then(|p| p.balancers.first());
        let balancer = first.ok_or_else(|| format!("pool `{}` has no balancer", effect.pool))?;
        let host = self
            .observer
            .connections
            .to(&Target::Host(balancer.clone()))
            .await
            .map_err(|t| t.message)?;
        let script = pool_record::read_script(effect.pool.as_str());
        let unread = |why: String| format!("{balancer} cannot read the record of pool `{}`: {why}", effect.pool);
        let done = host.exec(Exec::script(script)).await.map_err(|e| unread(e.to_string()))?;
        let records = pool_record::parse_records(&String::from_utf8_lossy(&done.stdout.bytes)).map_err(unread)?;
        match records.taken.iter().find(|(_, record)| record.run != self.run) {
            None => Ok(()),
            Some((_, other)) => Err(format!(
                "{}, since {}; nothing more is taken from the pool until {} gives it back (`runbook resume` there)",
                other.what,
                Timestamp(other.since_ms),
                other.owner
            )),
        }
    }

    async fn minimum(&self, shared: &Shared, node: &Node, effect: &NodeEffect) -> Result<Taking, Failure> {
        let unseen = || Failure {
            kind: FailureKind::Refused,
            message: format!("pool `{}` cannot be looked at", effect.pool),
        };
        let pool = self.inventory.pools.get(&effect.pool).ok_or_else(unseen)?;
        let run_as = identity_of(&shared.runbook, Some(node));
        let action = status_of(shared.catalog, &self.inventory, pool, &run_as).ok_or_else(unseen)?;
        // Said before looking: of two that look at the same time, at least one knows of the other.
        let taking = self.takings.begin(&effect.pool, &effect.member);
        let mut leaving = taking.others();
        let seen = checks::look(shared, action.as_ref()).await?;
        leaving.extend(taking.others());
        let members: Vec<_> = pool.members.iter().map(|m| member_now(&pool.name, &m.host, &seen)).collect();
        let Some(member) = members.iter().find(|m| m.host == effect.member) else {
            return Ok(taking);
        };
        if effect.kind == EffectKind::Takes
            && let Some(owner) = owner_of(&seen, pool, effect)
        {
            let message = format!(
                "{} was taken out by somebody else, who still owes its return ({owner})",
                effect.member
            );
            return Err(Failure {
                kind: FailureKind::Refused,
                message,
            });
        }
        let stays = |m: &&MemberNow| m.host != effect.member && !leaving.contains(&m.host);
        let serving = members.iter().filter(stays).filter(|m| m.serving).count();
        let enabled = members.iter().filter(stays).filter(|m| m.enabled).count();
        // One that the balancers do not know may be in service all the same.
        let (lowers_serving, lowers_enabled) = (member.serving || !member.known, member.enabled || !member.known);
        if capacity::allowed(pool.minimum(), serving, enabled, lowers_serving, lowers_enabled) {
            return Ok(taking);
        }
        let others: Vec<String> = members
            .iter()
            .filter(|m| m.host != effect.member && (!m.serving || leaving.contains(&m.host)))
            .map(|m| match m.serving {
                true => format!("{}: another step of this run is taking it", m.host),
                false => format!("{}: {}", m.host, m.detail),
            })
            .collect();
        let message = format!(
            "taking {} would leave pool `{}` with {serving} of {} in service, minimum {} ({})",
            effect.member,
            pool.name,
            members.len(),
            pool.minimum(),
            others.join("; ")
        );
        Err(Failure {
            kind: FailureKind::Refused,
            message,
        })
    }

    /// Writes on the balancer who takes a member, before it is taken.
    pub(super) async fn mark_taken(&self, shared: &Shared, node: &Node) -> Result<(), Failure> {
        for (pool, effect) in self.effects(node, EffectKind::Takes) {
            let Some(member) = pool.member(effect.member.as_str()) else {
                continue;
            };
            let now = self.clock.now();
            let fence = self
                .held
                .lock()
                .expect("no holder of this lock panics")
                .get(&pool.name)
                .copied()
                .unwrap_or(0);
            let record = self.record(
                now,
                shared.runbook.deadline,
                fence,
                &format!("{} is out of pool {} by {}", effect.member, pool.name, self.what),
            );
            let script = pool_record::mark_taken_script(pool.name.as_str(), &member.server, &record, now.0, false);
            match self.script(&pool.name, script).await {
                Ok(Answer::Done(_)) => {}
                Ok(Answer::Held(other)) => {
                    return Err(Failure {
                        kind: FailureKind::Refused,
                        message: format!("{} (owner {})", other.what, other.owner),
                    });
                }
                Ok(Answer::Lost) => {
                    return Err(Failure {
                        kind: FailureKind::Refused,
                        message: String::from("the lease was lost"),
                    });
                }
                Err(NotOurs(message)) => {
                    return Err(Failure {
                        kind: FailureKind::Unreachable,
                        message,
                    });
                }
            }
        }
        Ok(())
    }

    /// Removes the marks of what a node gives back: the member it returns, and whatever a node that owes this one had taken. A mark that
    /// cannot be removed keeps others from the member until somebody waives the debt, so it is said aloud.
    pub(super) async fn clear_taken(&self, shared: &Shared, node: &Node) {
        for (pool, member) in given_back(&shared.created.plan, node) {
            self.clear(&pool, member.as_str()).await;
        }
    }

    /// Removes the marks of what a node itself had taken, after its change was taken back.
    pub(super) async fn clear_own(&self, node: &Node) {
        for (pool, member) in taken_by(node).collect::<Vec<_>>() {
            self.clear(&pool, member.as_str()).await;
        }
    }

    /// Removes the mark of one member, if it is this run's.
    pub async fn clear(&self, pool: &PoolName, member: &str) {
        let Some(member) = self.inventory.pools.get(pool).and_then(|p| p.member(member)) else {
            return;
        };
        let script = pool_record::clear_taken_script(pool.as_str(), &member.server, &self.run);
        if let Err(error) = self.script(pool, script).await {
            tracing::error!(%pool, member = %member.host, %error, "the mark on the balancer that this member is taken was not removed");
        }
    }

    fn effects<'a>(&'a self, node: &'a Node, kind: EffectKind) -> impl Iterator<Item = (&'a Pool, &'a NodeEffect)> {
        node.pool_effects
            .iter()
            .filter(move |e| e.kind == kind)
            .filter_map(|e| Some((self.inventory.pools.get(&e.pool)?, e)))
    }

    fn record(&self, now: Timestamp, ttl: Duration, fence: u64, what: &str) -> PoolRecord {
        PoolRecord {
            owner: self.owner.clone(),
            run: self.run.clone(),
            what: what.to_owned(),
            since_ms: now.0,
            until_ms: now.after(ttl).0,
            fence,
        }
    }

    async fn script(&self, pool: &PoolName, script: String) -> Result<Answer, NotOurs> {
        let first = self.inventory.pools.get(pool).and_then(|p| p.balancers.first());
        let balancer = first.ok_or_else(|| NotOurs(format!("pool `{pool}` has no balancer")))?;
        let target = Target::Host(balancer.clone());
        let mut last = NotOurs(String::new());
        for _ in 0..2 {
            let host = self.observer.connections.to(&target).await.map_err(|t| NotOurs(t.message))?;
            match host.exec(Exec::script(script.clone())).await {
                Ok(done) if done.code == 0 || done.code == pool_record::REFUSED => {
                    return pool_record::parse_answer(&String::from_utf8_lossy(&done.stdout.bytes)).map_err(NotOurs);
                }
                Ok(done) => {
                    return Err(NotOurs(format!(
                        "{balancer} cannot keep the record of pool `{pool}`: {}",
                        String::from_utf8_lossy(&done.stderr.bytes).trim()
                    )));
                }
                Err(error) => {
                    last = NotOurs(format!("{balancer}: {error}"));
                    self.observer.connections.lost(&target, &host).await;
                }
            }
        }
        Err(last)
    }
}

fn owner_of(seen: &Observation, pool: &Pool, effect: &NodeEffect) -> Option<String> {
    let facts = seen.get(&ResourceKey::member(&pool.name, &effect.member))?;
    let owned = facts.field("owned").and_then(|o| o.as_bool()) == Some(true);
    owned.then(|| facts.field("owner").map(|o| o.to_string()).unwrap_or_default())
}

/// The member a node returns, and whatever nodes that owe it had taken.
fn given_back(plan: &Plan, node: &Node) -> BTreeSet<(PoolName, HostName)> {
    let takers = plan.nodes.iter().filter(|n| n.owes.as_ref() == Some(&node.id));
    let taken = takers.flat_map(taken_by);
    let returned = node.pool_effects.iter().filter(|e| e.kind == EffectKind::Returns);
    returned.map(|e| (e.pool.clone(), e.member.clone())).chain(taken).collect()
}

fn taken_by(node: &Node) -> impl Iterator<Item = (PoolName, HostName)> {
    let takes = node.pool_effects.iter().filter(|e| e.kind == EffectKind::Takes);
    takes.map(|e| (e.pool.clone(), e.member.clone()))
}
