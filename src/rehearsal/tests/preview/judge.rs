//! Holds the forecast of each node against what the world says: its deeds, and pictures taken when the node began and when it ended. The
//! journal is asked only which node began and ended when.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use super::spy::Note;
use crate::base::id::NodeId;
use crate::base::value::Value;
use crate::model::action::{Change, Decision, Scope};
use crate::model::event::Event;
use crate::model::plan::{Forecast, Node, Plan};
use crate::rehearsal::life::Life;
use crate::rehearsal::world::{Inner, Picture, Witness};

/// What became of a node.
#[derive(Clone, Debug)]
enum End {
    Done(bool),
    Failed(String),
    Skipped(String),
}

/// How a node went, and the world around it.
#[derive(Clone, Default)]
struct Course {
    began: Option<Picture>,
    ended: Option<(End, Picture)>,
    /// Another node was at work meanwhile.
    accompanied: bool,
    result: Value,
}

/// What somebody has seen who looked at the world at each record.
#[derive(Default)]
struct Watch {
    courses: BTreeMap<NodeId, Course>,
    busy: BTreeSet<NodeId>,
    /// Something has failed; from here on the plan is not what happens.
    over: bool,
}

/// Watches a life.
#[derive(Clone, Default)]
pub struct Courses(Arc<Mutex<Watch>>);

impl Courses {
    pub fn witness(&self) -> Witness {
        let watch = self.0.clone();
        Arc::new(move |world: &Inner, event: &Event| watch.lock().unwrap().see(world, event))
    }
}

impl Watch {
    fn see(&mut self, world: &Inner, event: &Event) {
        if self.over {
            return;
        }
        match event {
            Event::UnwindStarted { .. } | Event::TurnFailed { .. } => self.over = true,
            Event::StepStarted { node, .. } => {
                self.busy.insert(node.clone());
                let company = self.busy.len() > 1;
                for id in &self.busy {
                    self.courses.entry(id.clone()).or_default().accompanied |= company;
                }
                self.courses
                    .entry(node.clone())
                    .or_default()
                    .began
                    .get_or_insert_with(|| world.picture());
            }
            Event::StepSucceeded { node, changed, result, .. } => {
                self.end(world, node, End::Done(*changed));
                self.courses.entry(node.clone()).or_default().result = result.clone();
            }
            Event::StepFailed { node, failure, .. } | Event::StepLost { node, failure, .. } => {
                self.end(world, node, End::Failed(failure.message.clone()));
            }
            Event::StepSkipped { node, why } => self.end(world, node, End::Skipped(why.clone())),
            _ => {}
        }
    }

    fn end(&mut self, world: &Inner, node: &NodeId, end: End) {
        self.busy.remove(node);
        self.courses.entry(node.clone()).or_default().ended = Some((end, world.picture()));
    }
}

/// How often each value was forecast, and how many of those were put to the test.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shares {
    pub will_change: usize,
    pub nothing_to_do: usize,
    pub at_run_time: usize,
    pub skipped: usize,
    pub tested: usize,
    /// Predicted facts that were held against the world.
    pub facts: usize,
}

impl Shares {
    pub fn add(&mut self, other: Shares) {
        self.will_change += other.will_change;
        self.nothing_to_do += other.nothing_to_do;
        self.at_run_time += other.at_run_time;
        self.skipped += other.skipped;
        self.tested += other.tested;
        self.facts += other.facts;
    }
}

/// The lies of a plan about a life.
pub fn lies(plan: &Plan, notes: &[Note], life: &Life, courses: &Courses) -> (Vec<String>, Shares) {
    let watch = courses.0.lock().unwrap();
    let mut lies = Vec::new();
    let mut shares = Shares::default();
    let decided = decided(plan, notes);
    for (node, note) in plan.nodes.iter().zip(decided) {
        match &node.forecast {
            Forecast::WillChange { .. } => shares.will_change += 1,
            Forecast::NothingToDo { .. } if node.class != crate::model::action::Class::Probe => shares.nothing_to_do += 1,
            Forecast::AtRunTime { .. } if node.may_change() => shares.at_run_time += 1,
            Forecast::Skipped { .. } => shares.skipped += 1,
            _ => {}
        }
        let course = watch.courses.get(&node.id).cloned().unwrap_or_default();
        if course.ended.is_none() {
            continue;
        }
        shares.tested += 1;
        let deeds: Vec<&str> = life
            .deeds
            .iter()
            .filter(|d| d.node.as_ref() == Some(&node.id) && d.done && !d.undo)
            .map(|d| d.what.as_str())
            .collect();
        let mut found = of_node(node, &course, &deeds);
        if let Some(note) = note {
            found.extend(of_facts(note, &course, &mut shares.facts));
        }
        lies.extend(found.into_iter().map(|lie| format!("`{}` ({:?}): {lie}", node.id, node.forecast)));
    }
    (lies, shares)
}

/// What was decided for each node in the last round of planning, where something was.
fn decided<'n>(plan: &Plan, notes: &'n [Note]) -> Vec<Option<&'n Note>> {
    let mut rest = notes.iter().rev();
    let mut found: Vec<Option<&Note>> = Vec::new();
    for node in plan.nodes.iter().rev() {
        let fits = |n: &&Note| {
            n.action == node.action && n.arguments == node.arguments && n.host.as_deref() == node.host.as_ref().map(|h| h.as_str())
        };
        let decides = matches!(
            node.forecast,
            Forecast::WillChange { .. } | Forecast::NothingToDo { .. } | Forecast::Reads { .. }
        );
        found.push(if decides { rest.by_ref().find(fits) } else { None });
    }
    found.reverse();
    found
}

fn of_node(node: &Node, course: &Course, deeds: &[&str]) -> Vec<String> {
    let mut lies = Vec::new();
    let Some((end, after)) = &course.ended else { return lies };
    let before = course.began.as_ref().unwrap_or(after);
    let alone = !course.accompanied;
    match (&node.forecast, end) {
        (Forecast::WillChange { .. }, End::Skipped(why)) => lies.push(format!("it was skipped: {why}")),
        (Forecast::WillChange { .. }, End::Failed(why)) if deeds.is_empty() && why.contains("plan") => {
            lies.push(format!("it failed: {why}"))
        }
        (Forecast::WillChange { .. }, End::Done(changed)) if deeds.is_empty() || !changed => {
            lies.push(String::from("it ended well and has changed nothing"));
        }
        (Forecast::NothingToDo { summary }, End::Failed(why)) if summary == "already so" => lies.push(format!("it failed: {why}")),
        (Forecast::NothingToDo { .. }, End::Done(changed)) => {
            if *changed || !deeds.is_empty() {
                lies.push(format!("it has changed something: {}", deeds.join("; ")));
            }
            if alone && before != after {
                lies.push(format!("the world is another afterwards: {}", difference(before, after)));
            }
        }
        (Forecast::Skipped { .. }, End::Done(_) | End::Failed(_)) if !node.action.starts_with("call") => {
            lies.push(String::from("it has run"));
        }
        (Forecast::Reads { summary }, End::Failed(why)) if summary.starts_with("ok now") || summary.starts_with("will be ok") => {
            lies.push(format!("it failed: {why}"));
        }
        (Forecast::Reads { .. }, End::Skipped(why)) if !node.notes.iter().any(|n| n.starts_with("only if")) => {
            lies.push(format!("it was skipped: {why}"))
        }
        (Forecast::Decides { is, .. }, End::Done(_)) if course.result.field("is") != Some(Value::text(is)) => {
            lies.push(format!("it is {:?}", course.result.field("is")));
        }
        _ => {}
    }
    lies
}

/// Facts on which it was decided against the world when the node began; predicted ones against the world when it had ended.
fn of_facts(note: &Note, course: &Course, count: &mut usize) -> Vec<String> {
    let mut lies = Vec::new();
    // With others at work, each sees what those have not done yet; what is forecast must be right all the same.
    if let Some(began) = course.began.as_ref().filter(|_| !course.accompanied) {
        for (key, value) in &note.seen.0 {
            lies.extend(differs(began, &key.to_string(), value, count).map(|d| format!("planned on another world: {d}")));
        }
    }
    let (Some((End::Done(_), after)), Decision::Change(change)) = (&course.ended, &note.decision) else {
        return lies;
    };
    for (key, value) in &change.predicted {
        let mut value = value.clone();
        // A record that was seen with an open question is foretold with it, whatever else changes.
        if let (Value::Map(fields), Some(Value::Unknown)) = (&mut value, note.seen.get(key).and_then(|seen| seen.field("up"))) {
            fields.remove("up");
        }
        let value = &value;
        lies.extend(differs(after, &key.to_string(), value, count).map(|d| format!("foretold otherwise: {d}")));
    }
    if let (false, Some(before)) = (course.accompanied, &course.began) {
        let unforetold = before
            .keys()
            .chain(after.keys())
            .filter(|k| before.get(*k) != after.get(*k) && !foretold(change, k));
        lies.extend(unforetold.map(|k| format!("nobody foretold that {k} changes")));
    }
    lies
}

/// What is known of a fact, and is otherwise in the world.
fn differs(world: &Picture, key: &str, value: &Value, count: &mut usize) -> Option<String> {
    let modelled = ["/file/", "/service/", "/member/", "/algorithm"]
        .iter()
        .any(|part| key.contains(part))
        && !key.contains("/balancer/");
    if !modelled {
        return None;
    }
    let Some(is) = world.get(key) else {
        let gone = value.field("exists") == Some(Value::Bool(true));
        return gone.then(|| format!("there is no {key}"));
    };
    let Value::Map(fields) = value else {
        *count += 1;
        return (*value != Value::Unknown && value != is).then(|| format!("{key} is {is}, expected {value}"));
    };
    fields.iter().find_map(|(name, value)| {
        let is = is.field(name)?;
        *count += 1;
        (!value.has_unknown() && *value != is).then(|| format!("{name} of {key} is {is}, expected {value}"))
    })
}

/// A change of that thing was foretold, or that nothing is known of what is around it.
fn foretold(change: &Change, key: &str) -> bool {
    let predicted = |p: &str| key == p || (key.starts_with(p) && key.ends_with(".bak"));
    let around = |scope: &Scope| match scope {
        Scope::Host(host) if host.as_str() == "lb-01" => key.starts_with("lb-01/") || key.starts_with("pool/"),
        Scope::Host(host) => key.starts_with(&format!("{host}/")) || key == format!("pool/web/member/{host}"),
        Scope::Pool(pool) => key.starts_with(&format!("pool/{pool}/")),
        Scope::Elsewhere => false,
    };
    // The balancer's file is the pool's as well.
    let file = key.starts_with("lb-01/file//etc/haproxy/") && change.predicted.iter().any(|(k, _)| k.path.ends_with("balancer/lb-01/file"));
    file || change.predicted.iter().any(|(k, _)| predicted(&k.to_string())) || change.taints.iter().any(around)
}

fn difference(before: &Picture, after: &Picture) -> String {
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let changed = keys.into_iter().filter(|k| before.get(*k) != after.get(*k));
    changed.cloned().collect::<Vec<_>>().join(", ")
}
