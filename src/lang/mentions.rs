//! Which steps a step speaks of, found in its source before anything is compiled: a file of a thousand steps must not build a
//! thousand result types for each of them.
//!
//! May find too much (in a literal text); never too little.

use std::collections::BTreeSet;

use super::syntax::{Batch, Body, Over, Pace, Step, Within};
use crate::yaml::{Node, NodeKind};

/// Ids that follow `steps`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Mentions {
    /// As `steps.ID` or `steps['ID']`.
    pub ids: BTreeSet<String>,
    /// `steps` stands in another form: any id can be meant.
    pub any: bool,
}

impl Mentions {
    /// All that a step or check says itself; what stands inside it (checks, loop bodies, undo) speaks for itself.
    pub fn of(step: &Step) -> Mentions {
        let mut mentions = Mentions::default();
        let own = [&step.name, &step.hosts, &step.run_as, &step.when, &step.that, &step.allow_failure];
        own.into_iter().flatten().for_each(|text| mentions.text(&text.value));
        step.retry
            .iter()
            .filter_map(|r| r.when.as_ref())
            .for_each(|t| mentions.text(&t.value));
        step.leave.iter().for_each(|l| mentions.text(&l.reason.value));
        match &step.body {
            Body::Broken => {}
            Body::Action { argument, .. } => mentions.node(argument),
            Body::Approve(approve) => {
                mentions.text(&approve.ask.value);
                mentions.wait(&approve.within);
            }
            Body::Manual(manual) => {
                mentions.text(&manual.ask.value);
                mentions.wait(&manual.within);
            }
            Body::Decide(decide) => {
                let conditions = decide.branches.iter().filter_map(|b| b.when.as_ref());
                conditions.for_each(|when| mentions.text(&when.value));
            }
            Body::Call(call) => call.params.iter().for_each(|(_, value)| mentions.node(value)),
            Body::Loop { for_each, .. } => {
                if let Over::Hosts(text) | Over::Items(text) = &for_each.over {
                    mentions.text(&text.value);
                }
                if let Pace::Batches(batches) = &for_each.pace {
                    let texts = batches.iter().filter_map(|b| if let Batch::Text(t) = b { Some(t) } else { None });
                    texts.for_each(|t| mentions.text(&t.value));
                }
            }
        }
        mentions
    }

    /// All in one text.
    pub fn in_text(text: &str) -> Mentions {
        let mut mentions = Mentions::default();
        mentions.text(text);
        mentions
    }

    fn wait(&mut self, within: &Within) {
        if let Within::Text(text) = within {
            self.text(&text.value);
        }
    }

    fn node(&mut self, node: &Node) {
        match &node.kind {
            NodeKind::Scalar(scalar) => self.text(&scalar.text),
            NodeKind::List(items) => items.iter().for_each(|n| self.node(n)),
            NodeKind::Map(entries) => entries.iter().for_each(|e| self.node(&e.value)),
        }
    }

    fn text(&mut self, text: &str) {
        for (at, word) in text.match_indices("steps") {
            let rest = text[at + word.len()..].trim_start();
            let name = rest.strip_prefix('.').map(str::trim_start).or_else(|| {
                let key = rest.strip_prefix('[')?.trim_start();
                key.strip_prefix(['\'', '"'])
            });
            let id: String = name
                .unwrap_or("")
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                .collect();
            if id.is_empty() {
                self.any = true;
            } else {
                self.ids.insert(id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_mention_is_found() {
        let found = Mentions::in_text("steps.a.ok && steps [ 'b' ].x + steps\n .c || {{default steps.d.e 'x'}}");
        assert_eq!(found.ids.iter().map(String::as_str).collect::<Vec<_>>(), ["a", "b", "c", "d"]);
        assert!(!found.any);
        assert!(Mentions::in_text("steps[params.x]").any);
        assert_eq!(Mentions::in_text("no such word"), Mentions::default());
    }
}
