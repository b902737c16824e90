//! Reads a test file. Every mistake is reported at its place; nothing is read from a file with mistakes.

use std::collections::BTreeMap;
use std::time::Duration;

use super::keys::{self, Table};
use super::matching::bare;
use super::read_expect;
use super::read_state::{Reader, unknown, unreadable};
use super::syntax::{Answer, Case, Fault, Meanwhile, State, Suite, Sweep, Trouble, Which};
use crate::base::clock::parse_duration;
use crate::diagnostic::{Diagnostic, Diagnostics, SourceId, Sources, Spanned};
use crate::inventory;
use crate::model::inventory::Inventory;
use crate::yaml::fields::{Fields, text, wrong_type};
use crate::yaml::{self, Node};

/// What a test file may speak of.
pub struct Known {
    /// The runbook's name.
    pub runbook: String,
    /// Its steps' ids, checks included.
    pub steps: Vec<String>,
    /// Its parameters.
    pub params: Vec<String>,
}

/// Reads a test file of the known runbook.
#[must_use]
pub fn read(sources: &Sources, id: SourceId, known: &Known) -> (Option<Suite>, Diagnostics) {
    let (node, mut d) = yaml::read(sources, id);
    let suite = node.filter(|_| !d.has_errors()).and_then(|node| suite(&node, known, &mut d));
    (suite.filter(|_| !d.has_errors()), d)
}

/// The runbook that a test file names, whatever else is wrong with it.
#[must_use]
pub fn named(sources: &Sources, id: SourceId) -> Option<String> {
    let (node, _) = yaml::read(sources, id);
    node?.get("tests")?.as_scalar().map(|s| s.text.clone())
}

/// The fields of a map, its missing ones reported.
pub(super) fn fields<'n>(node: &'n Node, table: &Table, d: &mut Diagnostics) -> Fields<'n> {
    let fields = Fields::of(node, &table.names(), table.of, d);
    for key in table.keys.iter().filter(|k| k.required) {
        fields.required(key.name, d);
    }
    fields
}

fn suite(node: &Node, known: &Known, d: &mut Diagnostics) -> Option<Suite> {
    let top = fields(node, &keys::SUITE, d);
    let runbook = top.text("tests", d)?;
    if runbook.value != known.runbook {
        let message = format!(
            "the file beside this one holds runbook `{}`, not `{}`",
            known.runbook, runbook.value
        );
        d.push(Diagnostic::error("RB0803", runbook.span, message).help("NAME.test.yaml tests the runbook of NAME.yaml"));
    }
    let fleet = fields(top.get("fleet")?, &keys::FLEET, d);
    let (inventory, mistakes) = inventory::inside(fleet.get("inventory")?, "");
    d.extend(mistakes);
    let inventory = inventory?;
    let state = fleet.get("state").map(|n| reader(&inventory, d).state(n)).unwrap_or_default();
    let mut cases: Vec<Case> = Vec::new();
    for node in top.list("cases", d)? {
        let case = case(node, &inventory, known, d);
        if let Some(other) = cases
            .iter()
            .find(|c| c.name.value == case.name.value && !case.name.value.is_empty())
        {
            let message = format!("two cases are named `{}`", case.name.value);
            d.push(Diagnostic::error("RB0804", case.name.span, message).also(other.name.span, "the first"));
        }
        cases.push(case);
    }
    if cases.is_empty() {
        let at = top.key_span("cases").unwrap_or(node.span);
        d.push(Diagnostic::error("RB0804", at, "there is no case, so nothing is tested").help("add `- name: …` and `expect: …`"));
    }
    Some(Suite {
        runbook,
        inventory,
        state,
        cases,
    })
}

fn reader<'r>(inventory: &'r Inventory, d: &'r mut Diagnostics) -> Reader<'r> {
    Reader { inventory, d }
}

fn case(node: &Node, inventory: &Inventory, known: &Known, d: &mut Diagnostics) -> Case {
    let top = fields(node, &keys::CASE, d);
    let state = |node: Option<&Node>, d: &mut Diagnostics| node.map_or_else(State::default, |n| reader(inventory, d).state(n));
    let mut faults = Vec::new();
    for node in top.list("faults", d).unwrap_or_default() {
        faults.extend(fault(node, known, d));
    }
    let mut meanwhile = Vec::new();
    for node in top.list("meanwhile", d).unwrap_or_default() {
        let inner = fields(node, &keys::MEANWHILE, d);
        let Some(at) = inner.text("at", d) else { continue };
        which(&at, known, false, d);
        let state = state(inner.get("state"), d);
        meanwhile.push(Meanwhile { at, state });
    }
    Case {
        name: top.text("name", d).unwrap_or_else(|| Spanned::new(String::new(), node.span)),
        params: params(&top, known, d),
        state: state(top.get("state"), d),
        answers: answers(&top, known, d),
        faults,
        meanwhile,
        expect: top
            .get("expect")
            .map(|n| read_expect::read(n, inventory, known, d))
            .unwrap_or_default(),
        sweep: sweeps(&top, d),
    }
}

fn params(top: &Fields<'_>, known: &Known, d: &mut Diagnostics) -> BTreeMap<String, String> {
    let mut params = BTreeMap::new();
    for entry in top.map("params", d).unwrap_or_default() {
        if !known.params.contains(&entry.key.value) {
            d.push(unknown("parameter", &entry.key, known.params.iter().map(String::as_str)));
        }
        if let Some(text) = text(&entry.value, &entry.key.value, d) {
            params.insert(entry.key.value.clone(), text.value);
        }
    }
    params
}

/// Checks that the step of a `drain`, `drain@web-01`, `others[web-02].ready`, and where allowed `undo drain`, is there.
pub(super) fn which(at: &Which, known: &Known, undo: bool, d: &mut Diagnostics) {
    let name = match at.value.strip_prefix("undo ") {
        Some(rest) if undo => rest,
        _ => &at.value,
    };
    let step = bare(name);
    if !known.steps.iter().any(|s| s == step) {
        let short = Spanned::new(step.to_owned(), at.span);
        let mut d2 = unknown("step of the runbook", &short, known.steps.iter().map(String::as_str));
        if step != at.value {
            d2.replacement = None;
        }
        d.push(d2);
    }
}

/// A list of steps.
pub(super) fn steps(fields: &Fields<'_>, key: &str, known: &Known, undo: bool, d: &mut Diagnostics) -> Vec<Which> {
    let list = fields.texts(key, d).unwrap_or_default();
    for at in &list {
        which(at, known, undo, d);
    }
    list
}

fn answers(top: &Fields<'_>, known: &Known, d: &mut Diagnostics) -> Vec<(Spanned<String>, Vec<Answer>)> {
    let mut all = Vec::new();
    for entry in top.map("answers", d).unwrap_or_default() {
        which(&entry.key, known, false, d);
        let one = [entry.value.clone()];
        let list = entry.value.as_list().unwrap_or(&one);
        let given = list.iter().filter_map(|n| answer(n, d)).collect();
        all.push((entry.key.clone(), given));
    }
    all
}

/// The words of answers, and whether they mean yes.
const ANSWERS: [(&str, bool); 4] = [("yes", true), ("no", false), ("done", true), ("failed", false)];

fn answer(node: &Node, d: &mut Diagnostics) -> Option<Answer> {
    if node.as_map().is_some() {
        return full_answer(node, d);
    }
    let written = text(node, "an answer", d)?;
    if written.value == "nobody" {
        return None;
    }
    let short = short_answer(&written.value);
    if short.is_none() {
        d.push(unreadable(
            &written,
            "`yes by NAME`, `no by NAME`, `done by NAME after 10m` or `nobody`",
        ));
    }
    short
}

/// `yes by mira after 10m`
fn short_answer(text: &str) -> Option<Answer> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let granted = ANSWERS
        .iter()
        .find(|(word, _)| Some(word) == words.first())
        .map(|(_, granted)| *granted)?;
    let after = match &words[1..] {
        ["by", _] => THOUGHT,
        ["by", _, "after", span] => parse_duration(span).ok()?,
        _ => return None,
    };
    Some(Answer {
        granted,
        by: words[2].to_owned(),
        fields: BTreeMap::new(),
        because: None,
        after,
    })
}

/// How long people think unless the test says otherwise.
const THOUGHT: Duration = Duration::from_secs(60);

fn full_answer(node: &Node, d: &mut Diagnostics) -> Option<Answer> {
    let top = fields(node, &keys::ANSWER, d);
    let given: Vec<(Spanned<String>, bool)> = ANSWERS
        .iter()
        .filter_map(|(word, granted)| Some((top.text(word, d)?, *granted)))
        .collect();
    let [(by, granted)] = given.as_slice() else {
        d.push(wrong_type(node, "an answer", "a map with one of `yes`, `no`, `done` and `failed`"));
        return None;
    };
    let mut told = BTreeMap::new();
    for entry in top.map("fields", d).unwrap_or_default() {
        if let Some(text) = text(&entry.value, &entry.key.value, d) {
            told.insert(entry.key.value.clone(), text.value);
        }
    }
    Some(Answer {
        granted: *granted,
        by: by.value.clone(),
        fields: told,
        because: top.text("because", d).map(|t| t.value),
        after: top.duration("after", d).map_or(THOUGHT, |t| t.value),
    })
}

fn fault(node: &Node, known: &Known, d: &mut Diagnostics) -> Option<Fault> {
    let top = fields(node, &keys::FAULT, d);
    let at = top.text("at", d)?;
    which(&at, known, false, d);
    let words: Vec<&'static str> = Trouble::WORDS.iter().map(|(word, _)| *word).collect();
    let word = top.choice("what", &words, d)?;
    let what = Trouble::WORDS.iter().find(|(w, _)| *w == word.value).map(|(_, t)| *t)?;
    let number = |key: &str, d: &mut Diagnostics| top.int(key, 1..=1000, d).and_then(|n| u32::try_from(n.value).ok());
    Some(Fault {
        at,
        what,
        operation: number("operation", d),
        attempt: number("attempt", d),
        undo: top.choice("during", &["undo"], d).is_some(),
        lasts: top.duration("lasts", d).map(|t| t.value),
    })
}

fn sweeps(top: &Fields<'_>, d: &mut Diagnostics) -> Vec<Spanned<Sweep>> {
    if top.get("sweep").is_some_and(|n| n.as_list().is_none()) {
        if let Some(node) = top.get("sweep") {
            d.push(wrong_type(node, "sweep", "a list").help("write `sweep: [failures, crashes]`"));
        }
        return Vec::new();
    }
    let words = top.texts("sweep", d).unwrap_or_default();
    let mut sweeps = Vec::new();
    for word in words {
        match word.value.as_str() {
            "failures" => sweeps.push(Spanned::new(Sweep::Failures, word.span)),
            "crashes" => sweeps.push(Spanned::new(Sweep::Crashes, word.span)),
            _ => d.push(unreadable(&word, "`failures` or `crashes`")),
        }
    }
    sweeps
}
