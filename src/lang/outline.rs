//! The lists of steps of a file: who stands where, what each does, and what comes before what.
//!
//! Knows ids, order and the actions' declarations; not the types of texts and expressions.

use std::collections::{BTreeMap, BTreeSet};

use super::effects::Facts;
use super::syntax::{Body, Over, Runbook, Step, Written};
use crate::diagnostic::{Diagnostic, Diagnostics, nearest};
use crate::model::action::{Catalog, RunsOn};

/// A step's place: its list and its index there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At {
    pub list: usize,
    pub index: usize,
}

/// Which part of the file a list belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    /// `steps`, and loops in it.
    Main,
    /// `on_failure`, and loops in it.
    OnFailure,
    /// `finally`, and loops in it.
    Finally,
    /// `undo:` of a step.
    Undo,
}

/// One list of steps.
#[derive(Debug)]
pub(super) struct List<'a> {
    pub section: Section,
    /// The loop, or the step whose `undo:` this is.
    pub parent: Option<At>,
    pub entries: Vec<Entry<'a>>,
}

/// One step of a list.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    pub step: &'a Step,
    /// What its action declares; `None`: no action, or an unknown one.
    pub facts: Option<Facts>,
    /// The list of the loop's body.
    pub body: Option<usize>,
    /// The list of its `undo:`.
    pub undo: Option<usize>,
    /// Steps of the same list that it waits for, by index: as written, or the one above.
    pub waits: Vec<usize>,
    /// It certainly happens on at most one host.
    pub single: bool,
}

/// All lists of a file.
#[derive(Debug)]
pub(super) struct Outline<'a> {
    pub lists: Vec<List<'a>>,
    ids: BTreeMap<&'a str, At>,
    /// The lists of `steps`, `on_failure`, `finally`.
    pub main: usize,
    pub on_failure: usize,
    pub finally: usize,
}

impl<'a> Outline<'a> {
    /// Reads the lists; reports duplicate ids and unknown `needs`.
    pub fn of(file: &'a Runbook, catalog: &dyn Catalog, d: &mut Diagnostics) -> Outline<'a> {
        let mut builder = Builder {
            file,
            catalog,
            lists: Vec::new(),
            ids: BTreeMap::new(),
        };
        let main = builder.list(&file.steps, Section::Main, None, &[], d);
        let on_failure = builder.list(&file.on_failure, Section::OnFailure, None, &[], d);
        let finally = builder.list(&file.finally, Section::Finally, None, &[], d);
        let mut outline = Outline {
            lists: builder.lists,
            ids: builder.ids,
            main,
            on_failure,
            finally,
        };
        outline.link(d);
        outline
    }

    /// The step with that id.
    pub fn find(&self, id: &str) -> Option<At> {
        self.ids.get(id).copied()
    }

    /// All ids.
    pub fn ids(&self) -> impl Iterator<Item = (&'a str, At)> {
        self.ids.iter().map(|(id, at)| (*id, *at))
    }

    /// The step there.
    pub fn entry(&self, at: At) -> &Entry<'a> {
        &self.lists[at.list].entries[at.index]
    }

    /// The step itself, then the loops (or the owner of an `undo:`) around it, inner first.
    pub fn chain(&self, at: At) -> Vec<At> {
        let mut chain = vec![at];
        let mut list = at.list;
        while let Some(parent) = self.lists[list].parent {
            chain.push(parent);
            list = parent.list;
        }
        chain
    }

    /// The part of the file that a step belongs to, `undo` lists counted to their step's.
    pub fn section_of(&self, at: At) -> Section {
        let outermost = self.chain(at).last().map_or(at.list, |a| a.list);
        self.lists[outermost].section
    }

    /// The step that a step of `undo:` takes back.
    pub fn undone_by(&self, at: At) -> Option<&Entry<'a>> {
        let list = &self.lists[at.list];
        let parent = list.parent.filter(|_| list.section == Section::Undo)?;
        Some(self.entry(parent))
    }

    /// Indexes of the steps of the same list that are certainly done when this one starts, by `waits`.
    pub fn before(&self, at: At) -> BTreeSet<usize> {
        let entries = &self.lists[at.list].entries;
        let mut done = BTreeSet::new();
        let mut open = entries[at.index].waits.clone();
        while let Some(index) = open.pop() {
            if index != at.index && done.insert(index) {
                open.extend(&entries[index].waits);
            }
        }
        done
    }

    /// Resolves `needs`, by default the step above.
    fn link(&mut self, d: &mut Diagnostics) {
        for list in 0..self.lists.len() {
            for index in 0..self.lists[list].entries.len() {
                let step = self.lists[list].entries[index].step;
                let waits = match &step.needs {
                    None => index.checked_sub(1).into_iter().collect(),
                    Some(needs) => needs.iter().filter_map(|n| self.need(n, At { list, index }, d)).collect(),
                };
                self.lists[list].entries[index].waits = waits;
            }
        }
    }

    fn need(&self, need: &Written, at: At, d: &mut Diagnostics) -> Option<usize> {
        let entries = &self.lists[at.list].entries;
        if let Some(found) = entries.iter().position(|e| e.step.id.value == need.value) {
            return Some(found);
        }
        let id = &entries[at.index].step.id.value;
        let diagnostic = match self.find(&need.value) {
            Some(elsewhere) => {
                let other = self.entry(elsewhere).step.id.span;
                let message = format!("step `{id}` needs `{}`, which stands in another list", need.value);
                let help = match self.chain(elsewhere).iter().find(|a| a.list == at.list) {
                    Some(outer) => format!("wait for the step around it: `{}`", self.entry(*outer).step.id.value),
                    None => String::from("a step waits for steps of its own list; a loop's steps wait with their loop"),
                };
                Diagnostic::error("RB0102", need.span, message)
                    .label("not in this list")
                    .also(other, "it is here")
                    .help(help)
            }
            None => {
                let message = format!("step `{id}` needs unknown step `{}`", need.value);
                let diagnostic = Diagnostic::error("RB0102", need.span, message).label("not a step in this runbook");
                match nearest(&need.value, entries.iter().map(|e| e.step.id.value.as_str())) {
                    Some(meant) => diagnostic.help(format!("did you mean `{meant}`?")).replacement(meant),
                    None => diagnostic,
                }
            }
        };
        d.push(diagnostic);
        None
    }
}

struct Builder<'a, 'c> {
    file: &'a Runbook,
    catalog: &'c dyn Catalog,
    lists: Vec<List<'a>>,
    ids: BTreeMap<&'a str, At>,
}

impl<'a> Builder<'a, '_> {
    /// Reads one list and those inside it; gives its number. `host_loops`: variables of loops over hosts around it.
    fn list(&mut self, steps: &'a [Step], section: Section, parent: Option<At>, host_loops: &[&'a str], d: &mut Diagnostics) -> usize {
        let list = self.lists.len();
        self.lists.push(List {
            section,
            parent,
            entries: Vec::new(),
        });
        for (index, step) in steps.iter().enumerate() {
            let at = At { list, index };
            self.name(step, at, d);
            let facts = super::effects::facts(step, self.catalog);
            let of_one_host = section == Section::Undo && step.hosts.is_none() && parent.is_some_and(|p| self.runs_on_hosts(p));
            let single = of_one_host || self.is_single(step, facts.as_ref(), host_loops);
            let entry = Entry {
                step,
                facts,
                body: None,
                undo: None,
                waits: Vec::new(),
                single,
            };
            self.lists[list].entries.push(entry);
            if let Body::Loop { for_each, steps } = &step.body {
                let mut inside = host_loops.to_vec();
                if matches!(for_each.over, Over::Hosts(_)) {
                    inside.push(&for_each.variable.value);
                }
                let body = self.list(steps, section, Some(at), &inside, d);
                self.lists[list].entries[index].body = Some(body);
            }
            if !step.undo_steps().is_empty() {
                let undo = self.list(step.undo_steps(), Section::Undo, Some(at), host_loops, d);
                self.lists[list].entries[index].undo = Some(undo);
            }
        }
        list
    }

    fn name(&mut self, step: &'a Step, at: At, d: &mut Diagnostics) {
        let id = step.id.value.as_str();
        if id.is_empty() {
            return;
        }
        match self.ids.get(id) {
            None => {
                self.ids.insert(id, at);
            }
            Some(first) => {
                let first = self.lists[first.list].entries[first.index].step.id.span;
                let message = format!("two steps have the id `{id}`");
                d.push(
                    Diagnostic::error("RB0104", step.id.span, message)
                        .label("the second")
                        .also(first, "the first"),
                );
            }
        }
    }

    fn runs_on_hosts(&self, at: At) -> bool {
        super::place::needs_hosts(self.lists[at.list].entries[at.index].facts.as_ref())
    }

    fn is_single(&self, step: &Step, facts: Option<&Facts>, host_loops: &[&str]) -> bool {
        let Some(facts) = facts else { return true };
        if matches!(facts.signature.runs_on, RunsOn::Balancers | RunsOn::Controller) {
            return true;
        }
        match (&step.hosts, &self.file.hosts) {
            (Some(hosts), _) => self.is_one_host(&hosts.value, host_loops),
            (None, _) if !host_loops.is_empty() => true,
            (None, Some(hosts)) => self.is_one_host(&hosts.value, &[]),
            (None, None) => true,
        }
    }

    /// `control`, a loop's host, or `{{params.X.name}}` of a parameter that is a host.
    fn is_one_host(&self, hosts: &str, host_loops: &[&str]) -> bool {
        if hosts == "control" || host_loops.contains(&hosts) {
            return true;
        }
        let Some(path) = sole_path(hosts) else { return false };
        match path.as_slice() {
            ["params", name, "name"] => {
                let is_host = |p: &super::syntax::Param| p.name.value == *name && p.kind.as_ref().is_some_and(|k| k.value == "host");
                self.file.params.iter().any(is_host)
            }
            [variable, "name"] => host_loops.contains(variable),
            _ => false,
        }
    }
}

/// The path of a text that is exactly one `{{path}}`.
pub(super) fn sole_path(text: &str) -> Option<Vec<&str>> {
    let inner = text.trim().strip_prefix("{{")?.strip_suffix("}}")?.trim();
    let plain = !inner.is_empty() && inner.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.');
    plain.then(|| inner.split('.').collect())
}
