//! Anchors, aliases and merge keys, for files of other tools that are full of them; our own texts do without.

use std::collections::{HashMap, HashSet};

use crate::base::bound::TEXT_BYTES;
use crate::diagnostic::{Diagnostic, Span};
use crate::yaml::{Entry, Node, NodeKind};

/// The values that have an anchor, by the library's number for it.
#[derive(Default)]
pub(super) struct Anchors {
    known: HashMap<usize, Node>,
    /// Bytes of text that aliases have copied so far.
    copied: usize,
}

/// A value in place of its alias, and how large it is.
pub(super) struct Resolved {
    pub node: Node,
    pub nodes: usize,
    pub depth: usize,
}

impl Anchors {
    /// Remembers a finished value; the number 0 means that it has no anchor.
    pub fn keep(&mut self, anchor: usize, node: &Node) {
        if anchor > 0 {
            self.known.insert(anchor, node.clone());
        }
    }

    /// What an alias stands for; `None` for one that stands inside its own value. At most `most` values are copied, and no more text
    /// than a file may hold: beyond that the number of values is one that nobody accepts.
    pub fn resolve(&mut self, anchor: usize, most: usize) -> Option<Resolved> {
        let node = self.known.get(&anchor)?;
        let (mut nodes, depth, bytes) = weigh(node);
        self.copied = self.copied.saturating_add(bytes);
        if self.copied > TEXT_BYTES {
            nodes = usize::MAX;
        }
        let copy = if nodes > most {
            Node {
                span: node.span,
                kind: NodeKind::List(Vec::new()),
            }
        } else {
            node.clone()
        };
        Some(Resolved { node: copy, nodes, depth })
    }
}

/// How many values a tree holds, how deep it is, and how much text is in it.
fn weigh(node: &Node) -> (usize, usize, usize) {
    let mut bytes = 0;
    let inside: Vec<&Node> = match &node.kind {
        NodeKind::Scalar(scalar) => return (1, 0, scalar.text.len()),
        NodeKind::List(list) => list.iter().collect(),
        NodeKind::Map(entries) => {
            bytes = entries.iter().map(|e| e.key.value.len()).sum();
            entries.iter().map(|e| &e.value).collect()
        }
    };
    let weights = inside.into_iter().map(weigh);
    weights.fold((1, 1, bytes), |(nodes, depth, bytes), (n, d, b)| {
        (nodes + 1 + n, depth.max(d + 1), bytes + b)
    })
}

/// Puts the entries of `<<` into the map: its own count before them, earlier maps of a list before later ones.
pub(super) fn merge(entries: Vec<Entry>) -> Result<Vec<Entry>, Box<Diagnostic>> {
    if !entries.iter().any(|e| e.key.value == "<<") {
        return Ok(entries);
    }
    let (merged, mut own): (Vec<Entry>, Vec<Entry>) = entries.into_iter().partition(|e| e.key.value == "<<");
    let mut known: HashSet<String> = own.iter().map(|o| o.key.value.clone()).collect();
    for entry in merged {
        let maps = match entry.value.kind {
            NodeKind::List(list) => list,
            _ => vec![entry.value],
        };
        for map in maps {
            let span: Span = map.span;
            let NodeKind::Map(inside) = map.kind else {
                return Err(Box::new(Diagnostic::error(
                    "RB0004",
                    span,
                    "a merge key takes a map, or a list of maps",
                )));
            };
            for one in inside {
                if known.insert(one.key.value.clone()) {
                    own.push(one);
                }
            }
        }
    }
    Ok(own)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use crate::diagnostic::Sources;
    use crate::yaml::{read, read_foreign};

    fn foreign(text: &str) -> Result<String, &'static str> {
        let mut sources = Sources::new();
        let id = sources.add("x.yaml", text);
        let (node, diagnostics) = read_foreign(&sources, id, &["!vault"]);
        match diagnostics.iter().next() {
            Some(mistake) => Err(mistake.code),
            None => Ok(node.unwrap().to_value().to_json().to_string()),
        }
    }

    #[test]
    fn aliases_stand_for_values_and_merges_for_entries() {
        let table = [
            ("a: &x 1\nb: *x\n", r#"{"a":1,"b":1}"#),
            (
                "a: &x { k: [1, 2] }\nb: { <<: *x, l: 3 }\n",
                r#"{"a":{"k":[1,2]},"b":{"k":[1,2],"l":3}}"#,
            ),
            (
                "a: &x { k: 1, l: 1 }\nb:\n  l: 2\n  <<: *x\n",
                r#"{"a":{"k":1,"l":1},"b":{"k":1,"l":2}}"#,
            ),
            (
                "a: &x { k: 1 }\nb: &y { k: 2, l: 2 }\nc: { <<: [*x, *y] }\n",
                r#"{"a":{"k":1},"b":{"k":2,"l":2},"c":{"k":1,"l":2}}"#,
            ),
            ("- &x text\n- *x\n- k: *x\n  l: *x\n", r#"["text","text",{"k":"text","l":"text"}]"#),
            ("a: &x\nb: *x\n", r#"{"a":null,"b":null}"#),
            ("a: &x 1\nb: &x 2\nc: *x\n", r#"{"a":1,"b":2,"c":2}"#),
            ("a: !vault |\n  x\n", r#"{"a":"x\n"}"#),
        ];
        for (text, expected) in table {
            assert_eq!(foreign(text).as_deref(), Ok(expected), "{text}");
        }
        for (text, code) in [
            ("a: &x [*x]\n", "RB0003"),
            ("a: *x\n", "RB0003"),
            ("a: { <<: 1 }\n", "RB0004"),
            ("a: !y 1\n", "RB0005"),
        ] {
            assert_eq!(foreign(text), Err(code), "{text}");
        }
    }

    #[test]
    fn our_own_texts_do_without() {
        let mut sources = Sources::new();
        let id = sources.add("x.yaml", "a: &x { k: 1 }\nb: { <<: *x }\nc: *x\n");
        let codes: Vec<_> = read(&sources, id).1.sorted().iter().map(|d| d.code).collect();
        assert_eq!(codes, ["RB0003", "RB0004", "RB0003", "RB0003"]);
    }

    #[test]
    fn bombs_do_not_go_off() {
        let mut wide = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
        for n in 1..20 {
            let line = vec![format!("*a{}", n - 1); 9].join(", ");
            wide.push_str(&format!("a{n}: &a{n} [{line}]\n"));
        }
        assert_eq!(foreign(&wide), Err("RB0009"));
        let mut deep = String::from("a0: &a0 [x]\n");
        for n in 1..500 {
            deep.push_str(&format!("a{n}: &a{n} [*a{}]\n", n - 1));
        }
        assert_eq!(foreign(&deep), Err("RB0010"));
        let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(1_000_000), vec!["*a"; 10_000].join(", "));
        assert_eq!(foreign(&long), Err("RB0009"));
    }
}
