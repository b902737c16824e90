//! The rows of a plan as they are read: hosts on which a step says the same are named together, and where what becomes of many hosts
//! differs, one row counts them and names those that change.

use std::collections::{HashMap, HashSet};

use super::describe::{self, count, name, sentence};
use super::node::{certainty, does, if_it_fails, note, place};
use crate::base::id::HostName;
use crate::model::plan::{Forecast, Node, Plan};

/// So many hosts of a step are shown a row for each outcome.
const FEW: usize = 3;
/// Names shown of the hosts that need it.
const NAMES: usize = 12;
/// Different words shown of one outcome.
const WORDS: usize = 4;

/// What is said of a node.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Words {
    outcome: Outcome,
    does: String,
    fails: String,
    notes: Vec<String>,
}

/// What becomes of a host, the weightiest first.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Outcome {
    Changes,
    Perhaps,
    Other,
    Nothing,
    WillNotRun,
}

fn outcome(node: &Node) -> Outcome {
    match &node.forecast {
        Forecast::WillChange { .. } => Outcome::Changes,
        Forecast::NothingToDo { .. } => Outcome::Nothing,
        Forecast::Skipped { .. } => Outcome::WillNotRun,
        Forecast::AtRunTime { .. } if node.may_change() => Outcome::Perhaps,
        Forecast::AtRunTime { .. } | Forecast::Reads { .. } | Forecast::Asks { .. } | Forecast::Calls { .. } | Forecast::Decides { .. } => {
            Outcome::Other
        }
    }
}

/// Hosts of which the same is said.
struct Part<'a> {
    first: &'a Node,
    nodes: Vec<&'a Node>,
    words: Words,
    /// A host that it names is that one for all of them.
    literal: bool,
}

impl Part<'_> {
    fn hosts(&self) -> Vec<HostName> {
        self.nodes.iter().filter_map(|n| n.host.clone()).collect()
    }
}

/// What is read as one row.
pub(super) struct Row<'a> {
    /// The node that speaks for all, of the weightiest outcome.
    pub(super) first: &'a Node,
    parts: Vec<Part<'a>>,
}

/// The plan's rows, in its order.
pub(super) fn rows(plan: &Plan) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    for step in plan.nodes.chunk_by(|a, b| a.host.is_some() && b.host.is_some() && a.row == b.row) {
        // Where members of a pool come and go from node to node, the order tells something.
        let steady = step.iter().all(|n| n.after == step[0].after);
        let mut parts = if steady { parts(step) } else { Vec::new() };
        if !steady {
            parts.extend(step.chunk_by(Node::is_like).flat_map(self::parts));
        }
        if steady && step.len() > FEW {
            parts.sort_by_key(|part| part.words.outcome);
            rows.push(Row {
                first: parts[0].first,
                parts,
            });
        } else {
            rows.extend(parts.into_iter().map(|part| Row {
                first: part.first,
                parts: vec![part],
            }));
        }
    }
    rows
}

/// Nodes of one step by what is said of them, in the order in which it is first said.
fn parts(step: &[Node]) -> Vec<Part<'_>> {
    let mut parts: Vec<Part<'_>> = Vec::new();
    let (mut literally, mut generally): (HashMap<Words, usize>, HashMap<Words, usize>) = Default::default();
    for like in step.chunk_by(Node::is_like) {
        let words = Words {
            outcome: outcome(&like[0]),
            does: does(&like[0]),
            fails: if_it_fails(&like[0]),
            notes: like[0].notes.clone(),
        };
        // What is said of several hosts in the same words names none of them as its own.
        let general = match (like, &like[0].host) {
            ([_], Some(host)) => words.without(host),
            _ => words.clone(),
        };
        if let Some(part) = literally.get(&words).map(|at| &mut parts[*at]).filter(|p| p.words == words) {
            part.literal = words != general || part.literal || part.first.host.as_ref().is_some_and(|host| words.without(host) != words);
            part.nodes.extend(like);
        } else if let Some(part) = generally.get(&general).map(|at| &mut parts[*at]).filter(|p| !p.literal) {
            part.words = general;
            part.nodes.extend(like);
        } else {
            literally.insert(words.clone(), parts.len());
            generally.insert(general, parts.len());
            parts.push(Part {
                first: &like[0],
                nodes: like.iter().collect(),
                words,
                literal: false,
            });
        }
    }
    parts
}

impl Words {
    /// The same where the host's own name means "the host that this is about".
    fn without(&self, host: &HostName) -> Words {
        Words {
            outcome: self.outcome,
            does: general(&self.does, host.as_str()),
            fails: general(&self.fails, host.as_str()),
            notes: self.notes.iter().map(|note| general(note, host.as_str())).collect(),
        }
    }
}

/// `web-01: run x` is `run x`, and `app on web-01: restart` is `app on each: restart`.
fn general(text: &str, host: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(host) {
        let (before, after) = (&rest[..at], &rest[at + host.len()..]);
        out.push_str(before);
        let within = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
        let mut next = after.chars();
        let goes_on = match next.next() {
            Some('.') => next.next().is_some_and(within),
            other => other.is_some_and(within),
        };
        let begins = out.is_empty() || out.ends_with(": ");
        rest = after;
        if out.ends_with(|c: char| within(c) || c == '.') || goes_on {
            out.push_str(host);
        } else if let Some(said) = after.strip_prefix(": ").filter(|_| begins) {
            rest = said;
        } else {
            out.push_str(if begins { "the host" } else { "each" });
        }
    }
    out + rest
}

impl Row<'_> {
    /// What happens to many hosts differs.
    pub(super) fn is_folded(&self) -> bool {
        self.parts.len() > 1
    }

    /// Its name: with the host, if there is but one.
    pub(super) fn name(&self) -> String {
        match self.parts.as_slice() {
            [one] if one.nodes.len() == 1 => name(&self.first.id),
            _ => name(&self.first.row),
        }
    }

    fn lead(&self) -> &[Part<'_>] {
        let outcome = self.parts[0].words.outcome;
        let end = self.parts.iter().position(|p| p.words.outcome != outcome);
        &self.parts[..end.unwrap_or(self.parts.len())]
    }

    fn number(&self, outcome: Outcome) -> usize {
        let of = self.parts.iter().filter(|p| p.words.outcome == outcome);
        of.map(|p| p.nodes.len()).sum()
    }

    /// `web-01 web-02`, `6 hosts, 2 need it`.
    pub(super) fn on(&self) -> String {
        if !self.is_folded() {
            let hosts = self.parts[0].hosts();
            return if hosts.len() > 1 {
                describe::hosts(&hosts, 2)
            } else {
                place(self.first)
            };
        }
        let all: usize = self.parts.iter().map(|p| p.nodes.len()).sum();
        let (need, may) = (self.number(Outcome::Changes), self.number(Outcome::Perhaps));
        let said = |number: usize, one: &str, more: &str| match number {
            0 => String::new(),
            1 => format!(", 1 {one}"),
            n if n == all => format!(", all {more}"),
            n => format!(", {n} {more}"),
        };
        let may = if need > 0 {
            said(may, "may", "may")
        } else {
            said(may, "may need it", "may need it")
        };
        format!("{}{}{may}", count(all, "host"), said(need, "needs it", "need it"))
    }

    /// What it does, on those that speak for the row.
    pub(super) fn does(&self) -> String {
        match self.lead() {
            [one] => one.words.does.clone(),
            several => {
                let first = several[0].first;
                sentence(&format!("{}: {}", certainty(first), name(&first.name)))
            }
        }
    }

    /// What becomes of it when the run fails later.
    pub(super) fn if_it_fails(&self) -> String {
        self.parts[0].words.fails.clone()
    }

    /// Who is meant, where hosts differ: those that need it by name, the others by what is said of them.
    pub(super) fn who(&self) -> Vec<String> {
        if !self.is_folded() {
            return Vec::new();
        }
        let mut lines = Vec::new();
        let lead = self.lead();
        let hosts: Vec<HostName> = lead.iter().flat_map(Part::hosts).collect();
        let label = match lead[0].words.outcome {
            Outcome::Changes => Some("need it"),
            Outcome::Perhaps => Some("may need it"),
            Outcome::Other | Outcome::Nothing | Outcome::WillNotRun => (lead.len() == 1).then_some("said of"),
        };
        if let Some(label) = label {
            lines.push(format!("{label}: {}", describe::hosts(&hosts, NAMES)));
        }
        let told = if lead.len() == 1 { &self.parts[1..] } else { &self.parts[..] };
        for same in told.chunk_by(|a, b| a.words.outcome == b.words.outcome) {
            for part in same.iter().take(WORDS) {
                lines.push(format!("on {}: {}", describe::hosts(&part.hosts(), 2), part.words.does));
            }
            let left: usize = same.iter().skip(WORDS).map(|part| part.nodes.len()).sum();
            if left > 0 {
                let word = certainty(same[0].first);
                lines.push(format!("on {left} more, each in its own words: {word}; `-o json` has them all"));
            }
        }
        lines
    }

    /// What must be known beside it, each once.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut seen: HashSet<&str> = HashSet::new();
        let all = self.parts.iter().flat_map(|part| &part.words.notes);
        let mut notes: Vec<String> = all.filter(|n| seen.insert(n.as_str())).map(|text| sentence(&note(text))).collect();
        let most = self.parts[0].words.notes.len() + WORDS;
        if notes.len() > most {
            let left = notes.split_off(most).len();
            notes.push(format!("note: {left} more on single hosts; `-o json` has them all"));
        }
        notes
    }

    /// Every different diff, with the hosts it is meant for where that is not the whole row.
    pub(super) fn diffs(&self) -> Vec<(Option<String>, &str)> {
        let mut diffs: Vec<(&str, Vec<HostName>)> = Vec::new();
        let mut known: HashMap<&str, usize> = HashMap::new();
        let mut all = 0;
        for node in self.parts.iter().flat_map(|part| &part.nodes) {
            all += 1;
            let Some(diff) = node.diff.as_deref() else { continue };
            let at = *known.entry(diff).or_insert(diffs.len());
            if at == diffs.len() {
                diffs.push((diff, Vec::new()));
            }
            diffs[at].1.extend(node.host.clone());
        }
        let named = |hosts: &[HostName]| (all > 1 && hosts.len() < all).then(|| format!("on {}:", describe::hosts(hosts, 2)));
        diffs.into_iter().map(|(diff, hosts)| (named(&hosts), diff)).collect()
    }
}

#[cfg(test)]
mod tests;
