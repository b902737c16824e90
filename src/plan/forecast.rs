//! What one node will do, judged on what was seen and on what the nodes before it will have changed.

use super::bind;
use super::capacity::{MemberNow, PoolNow};
use super::expand::{Place, Planner};
use super::judge::{self, Truth};
use super::perhaps;
use super::predicted;
use super::races::Touch;
use super::results::{self, Ending};
use crate::base::clock::friendly;
use crate::base::id::{HostName, PoolName};
use crate::base::value::Value;
use crate::diagnostic::Diagnostic;
use crate::lang::{expression, template};
use crate::model::action::{
    Action, Arguments, Change, Class, Context, Decision, Observation, PoolEffect, ResourceKey, RunsOn, Scope as Around, Signature, Undo,
    Verdict,
};
use crate::model::inventory::{Inventory, Pool};
use crate::model::operation::{Act, Identity, Output};
use crate::model::plan::{EffectKind, Forecast, LOOKS, Node, NodeEffect, OFFLINE, PoolForecast, Refusal, Section};
use crate::model::runbook::{Call, Runbook, Step, UndoRule};
use crate::model::text::Scope;

/// A step at a place, ready to be forecast.
pub(super) struct Site<'s> {
    pub(super) step: &'s Step,
    pub(super) call: &'s Call,
    pub(super) place: &'s Place,
    pub(super) scope: &'s Scope,
}

pub(super) enum Look {
    Seen(Observation),
    Missing,
    Offline,
    /// It measures over a span of time, which a plan does not take.
    Measures(std::time::Duration),
    Trouble(String),
}

impl Planner<'_> {
    /// Fills in what the node will do and gives the result that later nodes see.
    pub(super) fn forecast(&mut self, site: &Site<'_>, node: &mut Node) -> Result<Value, Diagnostic> {
        node.name = template::render_for_people(&site.step.name, site.scope);
        node.notes = site.step.verify.iter().map(|check| check_note(check, site.scope)).collect();
        let certain = match conditions(site.place, site.step, site.scope)? {
            Truth::True => site.place.perhaps.is_empty(),
            Truth::Unknown => false,
            Truth::False(why) => {
                node.forecast = Forecast::Skipped { why };
                return Ok(Ending {
                    skipped: true,
                    changed: Some(false),
                    ..Ending::default()
                }
                .onto(Value::Null));
            }
        };
        let kind = bind::kind(self.world, site.call)?;
        let signature = kind.signature();
        node.arguments = bind::arguments(site.call, signature, site.scope)?;
        // A message is sent whatever the run puts into it.
        if signature.runs_on == RunsOn::Controller && node.arguments.has_unknown() {
            let mut scope = site.scope.clone();
            scope.set("run", results::run_in_a_preview(&self.planned.so_far(&self.nodes)));
            node.arguments = bind::arguments(site.call, signature, &scope)?;
        }
        if signature.runs_on == RunsOn::Balancers {
            node.reaches = self.pool_of(&node.arguments).map(|p| p.balancers.clone()).unwrap_or_default();
        }
        let ending = Ending {
            ok: true,
            changed: Some(false),
            attempts: 1,
            ..Ending::default()
        };
        let fields = if node.arguments.has_unknown() {
            node.forecast = Forecast::AtRunTime {
                why: String::from("its arguments depend on what the run finds"),
            };
            self.must_be_known(signature, node);
            if node.class != Class::Probe {
                self.may_do_anything(node);
            }
            unknown_fields(&(signature.results)())
        } else {
            match self.look_and_decide(site, node, certain)? {
                // The fields are there, their values are not: what depends on them is known at run time, not wrong.
                Value::Unknown => unknown_fields(&(signature.results)()),
                known => known,
            }
        };
        // A change that may happen says so itself.
        if !certain && !matches!(&node.forecast, Forecast::AtRunTime { why } if why.starts_with("if ")) {
            node.notes.insert(0, format!("only if {}", conditions_of(site)));
        }
        // What the runbook says of the way back holds whatever the run finds.
        if node.may_change()
            && let Some(written) = undo_as_written(site.step)
        {
            node.undo = written;
        }
        let mut effects = self.effects(site.step, signature, node);
        if !effects.is_empty() {
            let perhaps = perhaps::conditions(site, node, &self.forgiving_loops)?;
            effects.iter_mut().for_each(|e| e.perhaps.clone_from(&perhaps));
        }
        node.pool_effects = effects;
        for effect in node.pool_effects.iter().filter(|e| certain && e.kind == EffectKind::Returns) {
            self.predicted.returned(&effect.pool, &effect.member);
        }
        self.within_limit(node);
        let changed = match node.forecast {
            Forecast::WillChange { .. } => Some(true),
            Forecast::AtRunTime { .. } if node.class != Class::Probe => None,
            _ => Some(false),
        };
        let result = Ending { changed, ..ending }.onto(fields);
        let unknown: &[&str] = match (certain, may_fail(site)) {
            (false, _) => &["ok", "failed", "skipped"],
            (true, true) => &["ok", "failed"],
            (true, false) => &[],
        };
        Ok(with_unknown(result, unknown))
    }

    fn look_and_decide(&mut self, site: &Site<'_>, node: &mut Node, certain: bool) -> Result<Value, Diagnostic> {
        let over_all = site.step.that.as_ref().is_some_and(|t| t.over_all);
        let hosts: Vec<Option<HostName>> = if over_all {
            node.touches().iter().cloned().map(Some).collect()
        } else {
            vec![node.host.clone()]
        };
        let mut results = Vec::new();
        let mut foretold = false;
        for host in hosts {
            let action = bind::bind(self.world, site.step, site.call, &node.arguments, host.as_ref(), site.scope)?;
            let (now, seen) = match self.look(action.as_ref()) {
                Look::Seen(now) => {
                    let then = self.predicted.over(now.clone());
                    foretold |= then != now;
                    (now, then)
                }
                blind => {
                    let may_change = site.step.class != Class::Probe && !matches!(blind, Look::Missing);
                    self.blind(site, node, blind);
                    if may_change {
                        self.may_do_anything(node);
                    }
                    return Ok(Value::Unknown);
                }
            };
            let result = self.decide(site, node, action.as_ref(), &seen, certain);
            self.say_what_is_awaited(site, node, action.as_ref(), (&now, &seen))?;
            results.push(result);
        }
        if let Some(other) = self.races.get(&node.id)
            && !matches!(node.forecast, Forecast::AtRunTime { .. })
        {
            // The run does whatever it finds to be needed, so no difference is promised.
            node.diff = None;
            let what = match &node.forecast {
                Forecast::WillChange { summary } => format!(": {summary}"),
                _ => String::new(),
            };
            node.forecast = Forecast::AtRunTime {
                why: format!("does not wait for `{other}`, which changes what it finds{what}"),
            };
            return Ok(Value::Unknown);
        }
        let result = results.first().cloned().unwrap_or(Value::Null);
        if site.step.class == Class::Probe {
            self.judge_probe(site, node, &result, results, foretold)?;
        }
        Ok(result)
    }

    /// Looks through what was seen; asks for what is missing.
    pub(super) fn look(&mut self, action: &dyn Action) -> Look {
        let operations = action.probe();
        if self.input.offline && !operations.is_empty() {
            return Look::Offline;
        }
        let pauses = operations.iter().filter_map(|o| match o.act {
            Act::Pause { span } => Some(span),
            _ => None,
        });
        if let Some(span) = pauses.max() {
            return Look::Measures(span);
        }
        let outputs: Vec<Option<&Output>> = operations.iter().map(|o| self.seen.get(o)).collect();
        let missing: Vec<_> = operations
            .iter()
            .zip(&outputs)
            .filter(|(_, out)| out.is_none())
            .map(|(o, _)| o.clone())
            .collect();
        if !missing.is_empty() {
            self.needs
                .extend(missing.into_iter().filter(|o| !self.needs.contains(o)).collect::<Vec<_>>());
            return Look::Missing;
        }
        let outputs: Vec<Output> = outputs.into_iter().flatten().cloned().collect();
        match action.read(&outputs) {
            Ok(seen) => Look::Seen(seen),
            Err(error) => Look::Trouble(error.message),
        }
    }

    fn blind(&mut self, site: &Site<'_>, node: &mut Node, look: Look) {
        let why = match look {
            Look::Trouble(message) => message,
            Look::Offline => String::from(OFFLINE),
            Look::Measures(span) => {
                node.forecast = Forecast::AtRunTime {
                    why: format!("measures for {}", friendly(span)),
                };
                return;
            }
            Look::Missing | Look::Seen(_) => String::new(),
        };
        // What an earlier step will have changed may well be what is missing now.
        let changed_before = node.host.as_ref().is_some_and(|h| self.predicted.touches(h));
        let trouble = !why.is_empty() && !self.input.offline && !changed_before;
        if trouble && site.place.section.is_work() && !may_fail(site) {
            self.refusals.push(Refusal {
                node: Some(node.id.clone()),
                message: format!("cannot look: {why}"),
                counterexample: Vec::new(),
                order: Vec::new(),
                instead: None,
            });
        }
        node.forecast = Forecast::AtRunTime { why };
    }

    /// What a run counts on is verified even where there is nothing to do: a member that is ready must be up as well.
    fn say_what_is_awaited(
        &self,
        site: &Site<'_>,
        node: &mut Node,
        action: &dyn Action,
        (now, then): (&Observation, &Observation),
    ) -> Result<(), Diagnostic> {
        if !matches!(node.forecast, Forecast::NothingToDo { .. }) {
            return Ok(());
        }
        let signature = bind::kind(self.world, site.call)?.signature();
        let effects = effects_of(
            signature,
            &node.arguments,
            self.input.inventory,
            node.host.as_ref(),
            site.step.pool_effect_none,
        );
        let Some(returned) = effects.iter().find(|e| e.kind == EffectKind::Returns) else {
            return Ok(());
        };
        let key = ResourceKey::member(&returned.pool, &returned.member);
        let within = friendly(action.settle().within);
        let up = then.get(&key).and_then(|fact| fact.field("up")) == Some(Value::Bool(true));
        // What an earlier step has returned was seen up; of what it has disturbed nobody knows.
        let awaited = match (now.get(&key) == then.get(&key), up) {
            (false, true) => None,
            (false, false) => Some(format!("waits up to {within} until it is up")),
            (true, _) => match action.judge(then, &[], then) {
                Verdict::NotYet(what) => Some(format!("waits up to {within}: {what}")),
                Verdict::Failed(what) => Some(format!("it will fail: {what}")),
                Verdict::Done => None,
            },
        };
        if let Some(awaited) = awaited {
            node.forecast = Forecast::NothingToDo {
                summary: format!("already so; {awaited}"),
            };
        }
        Ok(())
    }

    fn decide(&mut self, site: &Site<'_>, node: &mut Node, action: &dyn Action, seen: &Observation, certain: bool) -> Value {
        let decision = action.decide(seen);
        let raced = self.races.contains_key(&node.id);
        let mut touch = Touch {
            node: node.id.clone(),
            reads: gone_by(node, seen),
            ..Touch::default()
        };
        if raced && node.class != Class::Probe {
            touch.writes.clone_from(&touch.reads);
            self.predicted.blur(&touch.reads);
        }
        if let Decision::Change(change) = &decision {
            touch.writes.extend(predicted::written(change, self.input.inventory));
            touch.clouds = predicted::clouds(&change.taints, self.input.inventory);
        }
        self.touches.push(touch);
        let certain = certain && !raced;
        match decision {
            Decision::InDesiredState => {
                node.forecast = Forecast::NothingToDo {
                    summary: String::from("already so"),
                };
                action.result(seen, &[])
            }
            Decision::Change(change) => {
                if site.place.section.is_work() {
                    self.predicted.change(&change, certain, self.input.inventory);
                }
                node.undo = undo_of(site.step, &change);
                node.diff = change.diff.clone();
                node.notes.splice(0..0, change.notes.iter().cloned());
                node.forecast = if certain {
                    Forecast::WillChange {
                        summary: change.summary.clone(),
                    }
                } else {
                    Forecast::AtRunTime {
                        why: format!("if {}: {}", conditions_of(site), change.summary),
                    }
                };
                let after = self.predicted.over(with_predictions(seen.clone(), &change));
                action.result(&after, &[])
            }
            Decision::Unknown(why) => {
                if node.class != Class::Probe {
                    self.may_do_anything(node);
                }
                node.forecast = Forecast::AtRunTime { why };
                Value::Unknown
            }
            Decision::Refused(why) => {
                if site.place.section.is_work() && certain {
                    self.refusals.push(Refusal {
                        node: Some(node.id.clone()),
                        message: format!("`{}`: {why}", node.id),
                        counterexample: Vec::new(),
                        order: Vec::new(),
                        instead: None,
                    });
                }
                node.forecast = Forecast::AtRunTime { why };
                Value::Unknown
            }
        }
    }

    /// `foretold`: what the probe sees is not what is there now, but what the steps before it will have made of it.
    fn judge_probe(
        &mut self,
        site: &Site<'_>,
        node: &mut Node,
        result: &Value,
        results: Vec<Value>,
        foretold: bool,
    ) -> Result<(), Diagnostic> {
        let Some(that) = &site.step.that else {
            node.forecast = Forecast::Reads {
                summary: String::from(LOOKS),
            };
            return Ok(());
        };
        let mut scope = site.scope.clone();
        scope.set("result", result.clone());
        scope.set("results", Value::List(results));
        let wait = site
            .step
            .within
            .map(|w| format!("; waits up to {}", friendly(w)))
            .unwrap_or_default();
        node.forecast = match judge::condition(&that.expression, &scope)? {
            Truth::True => Forecast::Reads {
                summary: String::from(if foretold { "will be ok after these changes" } else { "ok now" }),
            },
            Truth::Unknown => Forecast::AtRunTime {
                why: format!("checks that {}{wait}", that.expression.source),
            },
            Truth::False(why) if self.must_hold_now(site.place) && site.step.within.is_none() => {
                let message = format!("required: {} — {why}", node.name);
                self.refusals.push(Refusal {
                    node: Some(node.id.clone()),
                    message,
                    counterexample: Vec::new(),
                    order: Vec::new(),
                    instead: None,
                });
                Forecast::Reads {
                    summary: format!("not so now: {why}"),
                }
            }
            Truth::False(why) => Forecast::Reads {
                summary: format!(
                    "{}: {why}{wait}",
                    if foretold { "not so after these changes" } else { "not so now" }
                ),
            },
        };
        Ok(())
    }

    /// What is required before anything. In a called runbook, what comes before it may yet make it so.
    fn must_hold_now(&self, place: &Place) -> bool {
        let untouched = || !self.nodes.iter().any(|n| n.section.is_work() && n.may_change());
        place.section == Section::Require || (place.require && place.perhaps.is_empty() && untouched())
    }

    fn pool_of(&self, arguments: &Arguments) -> Option<&Pool> {
        self.input.inventory.pools.get(arguments.text("pool")?)
    }

    fn effects(&self, step: &Step, signature: &Signature, node: &Node) -> Vec<NodeEffect> {
        let effects = effects_of(
            signature,
            &node.arguments,
            self.input.inventory,
            node.host.as_ref(),
            step.pool_effect_none,
        );
        // Who is already out is not taken; who is already in is returned all the same, for the step verifies it.
        effects
            .into_iter()
            .filter(|e| e.kind == EffectKind::Returns || node.may_change())
            .collect()
    }

    /// What cannot be said of a change taints everything it might touch.
    fn may_do_anything(&mut self, node: &Node) {
        let scopes = around(node);
        self.predicted.taint(&scopes, self.input.inventory);
        self.touches.push(Touch {
            node: node.id.clone(),
            clouds: predicted::clouds(&scopes, self.input.inventory),
            ..Touch::default()
        });
    }

    /// Which member a step takes must be known before the run, or nothing about the pool can be proved.
    fn must_be_known(&mut self, signature: &Signature, node: &Node) {
        let decides = ["pool", "member", "state", "weight"];
        let unknown = decides.iter().find(|name| node.arguments.get(name).is_some_and(Value::has_unknown));
        if let (Some(name), true, RunsOn::Balancers) = (unknown, signature.pool_effect.is_some(), signature.runs_on) {
            let message = format!(
                "`{}`: `{name}` is not known before the run, so nothing about the pool's minimum can be proved",
                node.id
            );
            self.refusals.push(Refusal {
                node: Some(node.id.clone()),
                message,
                counterexample: Vec::new(),
                order: Vec::new(),
                instead: None,
            });
        }
    }

    /// `--limit` holds for the members a step takes, too.
    fn within_limit(&mut self, node: &Node) {
        let Some(limit) = self.input.limit else { return };
        for effect in node.pool_effects.iter().filter(|e| !limit.contains(&e.member)) {
            let message = format!(
                "`{}` changes {} of pool `{}`, which --limit leaves out",
                node.id, effect.member, effect.pool
            );
            let instead = Some(String::from("widen --limit, or leave it out"));
            self.refusals.push(Refusal {
                node: Some(node.id.clone()),
                message,
                counterexample: Vec::new(),
                order: Vec::new(),
                instead,
            });
        }
    }

    /// The pools that some node takes from or returns to, as they are now.
    pub(super) fn pools_now(&mut self) -> Vec<PoolNow> {
        let mut names: Vec<PoolName> = self
            .nodes
            .iter()
            .filter(|n| n.section.is_work())
            .flat_map(|n| n.pool_effects.iter().map(|e| e.pool.clone()))
            .collect();
        names.sort();
        names.dedup();
        if self.input.offline && !names.is_empty() {
            self.warnings
                .insert(String::from("planned offline: that pools keep their minimum is not proved"));
            return Vec::new();
        }
        names.into_iter().filter_map(|name| self.pool_now(&name)).collect()
    }

    fn pool_now(&mut self, name: &PoolName) -> Option<PoolNow> {
        let pool = self.input.inventory.pools.get(name)?;
        let action = status_action(self, pool)?;
        let seen = match self.look(action.as_ref()) {
            Look::Seen(seen) => seen,
            Look::Trouble(message) => {
                let message = format!("pool `{name}` cannot be looked at, so nothing may be taken from it: {message}");
                self.refusals.push(Refusal {
                    node: None,
                    message,
                    counterexample: Vec::new(),
                    order: Vec::new(),
                    instead: None,
                });
                return None;
            }
            Look::Missing | Look::Offline | Look::Measures(_) => return None,
        };
        Some(PoolNow {
            pool: name.clone(),
            minimum: pool.minimum(),
            members: pool.members.iter().map(|m| member_now(name, &m.host, &seen)).collect(),
        })
    }

    pub(super) fn pool_forecasts(&mut self, pools: &[PoolNow]) -> Vec<PoolForecast> {
        let mut list = Vec::new();
        for now in pools {
            let Some(pool) = self.input.inventory.pools.get(&now.pool) else {
                continue;
            };
            let Some(action) = status_action(self, pool) else { continue };
            if let Look::Seen(seen) = self.look(action.as_ref()) {
                let members = action
                    .result(&seen, &[])
                    .field("members")
                    .and_then(|m| m.as_list().map(<[Value]>::to_vec))
                    .unwrap_or_default();
                list.push(PoolForecast {
                    now: now.capacity(),
                    members,
                });
            }
        }
        list
    }
}

/// What must be true for it to happen.
fn conditions_of(site: &Site<'_>) -> String {
    let own = site.place.conditions.iter().chain(&site.step.when).map(|w| w.source.as_str());
    let all: Vec<&str> = site.place.perhaps.iter().map(String::as_str).chain(own).collect();
    all.join(" and ")
}

/// Everything that a node might touch.
fn around(node: &Node) -> Vec<Around> {
    let mut scopes: Vec<Around> = node.host.iter().map(|h| Around::Host(h.clone())).collect();
    scopes.extend(node.arguments.text("pool").map(|p| Around::Pool(p.into())));
    if scopes.is_empty() {
        scopes.push(Around::Elsewhere);
    }
    scopes
}

/// The facts that decide about a node: of a pool with many members, those of the one that it is about.
fn gone_by(node: &Node, seen: &Observation) -> Vec<ResourceKey> {
    let member = node.arguments.text("pool").and(node.arguments.text("member"));
    let decides = |key: &&ResourceKey| {
        let of_member = key.path.split_once("member/").map(|(_, name)| name);
        member.is_none() || of_member.is_none() || of_member == member
    };
    seen.0.keys().filter(decides).cloned().collect()
}

/// Others go on whether it fails or not.
pub(super) fn may_fail(site: &Site<'_>) -> bool {
    let rule = site.step.allow_failure.as_ref();
    rule.is_some_and(|rule| !matches!(expression::eval(rule, site.scope), Ok(Value::Bool(false))))
}

fn with_unknown(result: Value, fields: &[&str]) -> Value {
    let Value::Map(mut map) = result else { return result };
    map.extend(fields.iter().map(|name| ((*name).to_owned(), Value::Unknown)));
    Value::Map(map)
}

/// The conditions of the loops around a step, and its own.
pub(super) fn conditions(place: &Place, step: &Step, scope: &Scope) -> Result<Truth, Diagnostic> {
    let mut all = Truth::True;
    for condition in place.conditions.iter().chain(&step.when) {
        match judge::condition(condition, scope)? {
            Truth::True => {}
            Truth::Unknown => all = Truth::Unknown,
            no @ Truth::False(_) => return Ok(no),
        }
    }
    Ok(all)
}

fn status_action(planner: &Planner<'_>, pool: &Pool) -> Option<Box<dyn Action>> {
    // Whoever changes the pool may look at it.
    let user = planner.nodes.iter().find(|n| n.pool_effects.iter().any(|e| e.pool == pool.name));
    let run_as = identity_of(planner.input.runbook, user);
    status_of(planner.input.catalog, planner.input.inventory, pool, &run_as)
}

/// As whom a pool is looked at for a node: as its runbook's user, if that one is known without looking.
#[must_use]
pub fn identity_of(runbook: &Runbook, node: Option<&Node>) -> Identity {
    let home = node.map_or(runbook, |n| runbook.home_of(&n.step));
    let user = home.run_as.as_ref().and_then(|t| t.as_literal());
    user.map_or(Identity::Login, |u| Identity::User(u.to_owned()))
}

/// The probe that shows a pool's members; `None` when the catalogue has none.
#[must_use]
pub fn status_of(
    catalog: &dyn crate::model::action::Catalog,
    inventory: &crate::model::inventory::Inventory,
    pool: &Pool,
    run_as: &Identity,
) -> Option<Box<dyn Action>> {
    let context = Context {
        host: None,
        run_as,
        inventory,
        timeout: std::time::Duration::from_secs(30),
    };
    let arguments = Arguments::from_pairs([("pool", Value::text(pool.name.as_str()))]);
    catalog.get("pool.status")?.bind(&arguments, &context).ok()
}

/// A member as the balancers show it; what is unknown counts as out.
#[must_use]
pub fn member_now(pool: &PoolName, host: &HostName, seen: &Observation) -> MemberNow {
    let facts = seen.get(&ResourceKey::member(pool, host)).cloned().unwrap_or(Value::Null);
    let is = |name: &str| facts.field(name).and_then(|v| v.as_bool()).unwrap_or(false);
    let text = |name: &str| facts.field(name).and_then(|v| v.as_text().map(str::to_owned)).unwrap_or_default();
    let state = text("state");
    let weightless = facts.field("weight").and_then(|w| w.as_int()) == Some(0);
    let enabled = is("configured") && state == "ready" && !weightless;
    let serving = enabled && is("up");
    let since = facts
        .field("seconds_in_state")
        .and_then(|v| v.as_int())
        .and_then(|s| u64::try_from(s).ok());
    let since = since
        .map(|s| format!(" for {}", friendly(std::time::Duration::from_secs(s))))
        .unwrap_or_default();
    let owner = if is("owned") {
        format!("owned by {}", text("owner"))
    } else {
        String::from("nobody owns that")
    };
    let detail = match () {
        () if facts == Value::Null => String::from("not known to the balancer"),
        () if !is("configured") => format!("not active in the balancer's configuration, {owner}"),
        () if !enabled => format!("{}{since}, {owner}", if weightless { "weight 0" } else { state.as_str() }),
        () if !serving => format!("down{since} ({})", text("check")),
        () => String::from("in service"),
    };
    MemberNow {
        host: host.clone(),
        known: facts.field("configured").and_then(|v| v.as_bool()).is_some(),
        owned: is("owned"),
        enabled,
        serving,
        detail,
    }
}

fn with_predictions(mut seen: Observation, change: &Change) -> Observation {
    for (key, value) in &change.predicted {
        seen.set(key.clone(), value.clone());
    }
    seen
}

/// What an action with these arguments does to pools.
#[must_use]
pub fn effects_of(
    signature: &Signature,
    arguments: &Arguments,
    inventory: &Inventory,
    host: Option<&HostName>,
    declared_none: bool,
) -> Vec<NodeEffect> {
    let Some(effect) = signature.pool_effect else { return Vec::new() };
    let member = |kind| match (arguments.text("pool"), arguments.text("member")) {
        (Some(pool), Some(member)) => vec![NodeEffect {
            pool: pool.into(),
            member: member.into(),
            kind,
            perhaps: Vec::new(),
        }],
        _ => Vec::new(),
    };
    let on_host = |kind| {
        let Some(host) = host.filter(|_| !declared_none) else {
            return Vec::new();
        };
        let pools = inventory.pools.values().filter(|p| p.member(host.as_str()).is_some());
        pools
            .map(|p| NodeEffect {
                pool: p.name.clone(),
                member: host.clone(),
                kind,
                perhaps: Vec::new(),
            })
            .collect()
    };
    match effect(&|name| arguments.get(name).cloned()) {
        PoolEffect::None => Vec::new(),
        PoolEffect::ReturnsMember => member(EffectKind::Returns),
        PoolEffect::TakesMember => member(EffectKind::Takes),
        PoolEffect::TakesHost => on_host(EffectKind::Takes),
        PoolEffect::DisturbsHost => on_host(EffectKind::Disturbs),
    }
}

/// How a change of this step would be taken back, the runbook's word before the action's.
#[must_use]
pub fn undo_of(step: &Step, change: &Change) -> Undo {
    undo_as_written(step).unwrap_or_else(|| change.undo.clone())
}

/// `None`: the action knows.
fn undo_as_written(step: &Step) -> Option<Undo> {
    match &step.undo {
        UndoRule::Auto => None,
        UndoRule::Keep => Some(Undo::Keep),
        UndoRule::None => Some(Undo::Impossible),
        UndoRule::Steps(_) => Some(Undo::Steps),
    }
}

fn check_note(check: &Step, scope: &Scope) -> String {
    let within = check.within.map(|w| format!(" (within {})", friendly(w))).unwrap_or_default();
    format!("then checks: {}{within}", template::render_for_people(&check.name, scope))
}

/// Every declared field, unknown.
fn unknown_fields(kind: &crate::model::types::Type) -> Value {
    match kind {
        crate::model::types::Type::Record(fields) => Value::Map(fields.keys().map(|k| (k.clone(), Value::Unknown)).collect()),
        _ => Value::Unknown,
    }
}
