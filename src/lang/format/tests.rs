//! Layout: what it looks like, that it settles at once, and that nothing is lost, whatever is thrown at it.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::{FormatError, format};
use crate::base::value::Value;
use crate::diagnostic::Sources;

/// Texts as people wrote them: the shipped ones, and examples of all that the language is to have.
const TEXTS: &[(&str, &str)] = &[
    ("recover-master", include_str!("../../../runbooks/recover-master.yaml")),
    ("rebalance-pool", include_str!("../../../runbooks/rebalance-pool.yaml")),
    (
        "fix-config-everywhere",
        include_str!("../../../runbooks/fix-config-everywhere.yaml"),
    ),
    (
        "rolling-upgrade",
        include_str!("../../../runbooks/rolling-upgrade-behind-haproxy.yaml"),
    ),
    ("triage-shipped", include_str!("../../../runbooks/triage-slow-server.yaml")),
    ("inventory", include_str!("../../../inventory/example.yaml")),
    ("rules", include_str!("../../../tests/cases/format/from.yaml")),
    ("failover", include_str!("../../../tests/cases/design/database-failover.yaml")),
    ("disk-full", include_str!("../../../tests/cases/design/disk-full-cleanup.yaml")),
    ("forgotten", include_str!("../../../tests/cases/design/find-forgotten-drains.yaml")),
    ("fix-config", include_str!("../../../tests/cases/design/fix-config-everywhere.yaml")),
    ("recover", include_str!("../../../tests/cases/design/recover-master.yaml")),
    (
        "upgrade",
        include_str!("../../../tests/cases/design/rolling-upgrade-behind-haproxy.yaml"),
    ),
    ("triage", include_str!("../../../tests/cases/design/triage-slow-server.yaml")),
];

fn formatted(text: &str) -> Result<String, FormatError> {
    let mut sources = Sources::new();
    let id = sources.add("t.yaml", text);
    format(&sources, id)
}

/// What a text says; `None` if it is not our YAML.
fn said(text: &str) -> Option<Value> {
    let mut sources = Sources::new();
    let id = sources.add("t.yaml", text);
    let (node, problems) = crate::yaml::read(&sources, id);
    node.filter(|_| !problems.has_errors()).map(|n| n.to_value())
}

/// Formats, and again: the second time nothing changes, and both say what the text said.
fn settled(text: &str) -> String {
    let once = formatted(text).unwrap_or_else(|e| panic!("{e:?}\n{text}"));
    let twice = formatted(&once).unwrap_or_else(|e| panic!("{e:?}\n{once}"));
    assert_eq!(once, twice, "from\n{text}");
    assert_eq!(said(text), said(&once), "{text}\n{once}");
    once
}

#[test]
fn every_rule_is_in_the_example() {
    let from = include_str!("../../../tests/cases/format/from.yaml");
    let to = include_str!("../../../tests/cases/format/to.yaml");
    assert_eq!(settled(from), to, "\n{}", settled(from));
}

#[test]
fn shipped_texts_are_in_canonical_layout() {
    for (name, text) in &TEXTS[..6] {
        assert_eq!(settled(text), *text, "{name}: run `runbook fmt runbooks inventory`");
    }
}

#[test]
fn every_text_settles() {
    for (name, text) in TEXTS {
        let lines = settled(text).lines().map(|l| l.trim_end().len() == l.len()).collect::<Vec<_>>();
        assert!(lines.iter().all(|clean| *clean), "{name}: blanks at the end of a line");
    }
}

#[test]
fn what_is_not_yaml_is_refused() {
    for text in ["a: [", "a: {x: f(1, 2)}\n", "a: {{x}}\n", "a: 1\na: 2\n", "a: &x 1\nb: *x\n", ""] {
        assert!(matches!(formatted(text), Err(FormatError::Text(_))), "{text}");
    }
    // The one among the examples of the design that YAML cuts apart.
    let cut = include_str!("../../../tests/cases/design/rebalance-pool.yaml");
    assert!(matches!(formatted(cut), Err(FormatError::Text(_))));
}

#[test]
fn corners() {
    for (from, to) in [
        ("{a: 1, b: [x, 'y z']}", "{ a: 1, b: [x, y z] }\n"),
        ("a: |+\n  x\n\nb: 1\n", "a: |+\n  x\n\nb: 1\n"),
        (
            "a:\n  - |\n    x\n    y\n  - >+\n    z\n\n\n\n# end\n",
            "a:\n  - |\n    x\n    y\n  - >+\n    z\n\n\n\n# end\n",
        ),
        ("a: |2-\n    x\n   y", "a: |2-\n    x\n   y\n"),
        ("a: >2\n    x\n  y\n", "a: \"  x\\ny\\n\"\n"),
        ("a: \"x\\\n   y \\u0041\"\n", "a: xy A\n"),
        ("a: 'x\n\n   y'\n", "a: 'x\n\n  y'\n"),
        ("a: x\n  - y\n", "a: x\n  - y\n"),
        ("? a\n: - - 1\n    - 2\n  - - 3\n", "a:\n  - - 1\n    - 2\n  - - 3\n"),
        ("a: # one\n  # two\n  3 # four\n", "# one\n# two\na: 3  # four\n"),
        ("a: [ # one\n  # two\n ]\n# three", "# one\na: []  # two\n# three\n"),
        (
            "a: [1, # one\n  # two\n  2\n  # three\n ] # four\n",
            "a:     # four\n  - 1  # one\n  # two\n  - 2\n  # three\n",
        ),
        ("--- # one\na: ~\n... # two\n", "# one\na: ~\n# two\n"),
        ("\u{feff}a: 1\r\nb:\r\n- 2\r\n", "a: 1\n\nb:\n  - 2\n"),
        ("a: {b: , c: 1}\n", "a:\n  b:\n  c: 1\n"),
        ("a: [b: 1]\n", "a: [{ b: 1 }]\n"),
        (
            "a:\n  b:\n     # deep\n    # less\n  # shallow\n# none\nc: 1\n",
            "a:\n  b:\n    # deep\n    # less\n  # shallow\n\n# none\nc: 1\n",
        ),
        (
            "a: 0755\nb: '0755'\nc: 'null'\nd: '1e3'\ne: 'inf'\n",
            "a: 0755\nb: \"0755\"\nc: \"null\"\nd: \"1e3\"\ne: \"inf\"\n",
        ),
        (
            "a: ''\nb: ' x'\nc: '\"'\nd: 'x: y'\ne: 'x #y'\n",
            "a: \"\"\nb: \" x\"\nc: '\"'\nd: \"x: y\"\ne: \"x #y\"\n",
        ),
        ("'a b': 1\n'c: d': 2\n\"e\\n\": 3\n", "a b: 1\n'c: d': 2\n\"e\\n\": 3\n"),
    ] {
        assert_eq!(settled(from), to, "from\n{from}");
    }
}

/// Numbers from a tape; zeros when it has run out.
struct Tape<'t>(std::slice::Iter<'t, u16>);

impl Tape<'_> {
    fn below(&mut self, limit: usize) -> usize {
        usize::from(*self.0.next().unwrap_or(&0)) % limit
    }
}

/// Puts comments with numbers, empty lines and breaks into a text; gives how many comments.
fn meddled(text: &str, tape: &mut Tape<'_>) -> (String, usize) {
    let (mut out, mut comments) = (String::new(), 0);
    let mut comment = |out: &mut String| {
        out.push_str(&format!("#c{comments}#"));
        comments += 1;
    };
    for line in text.lines() {
        match tape.below(12) {
            0 => {
                out.push_str(&" ".repeat(tape.below(14)));
                comment(&mut out);
                out.push('\n');
            }
            1 => out.push_str(&"\n".repeat(tape.below(4))),
            _ => {}
        }
        let indent = line.len() - line.trim_start().len();
        match tape.below(12) {
            // a list or map in brackets over several lines
            0 | 1 if line.contains(['[', '{']) && !line.contains("{{") => {
                for (i, c) in line.char_indices() {
                    out.push(c);
                    if i > indent && "[{,".contains(c) && tape.below(2) == 0 {
                        if tape.below(2) == 0 {
                            out.push_str("  ");
                            comment(&mut out);
                        }
                        out.push('\n');
                        out.push_str(&" ".repeat(indent + 1 + tape.below(5)));
                    }
                }
            }
            2 => out.push_str(&line.replacen(": ", ":    ", 1)),
            // a value on the line below its key
            3 if line.ends_with(|c: char| c.is_alphanumeric()) && !line.contains('#') => match line.split_once(": ") {
                Some((key, value)) => {
                    out.push_str(&format!("{key}:"));
                    if tape.below(2) == 0 {
                        out.push_str("   ");
                        comment(&mut out);
                    }
                    out.push_str(&format!("\n{:width$}{value}", "", width = indent + 3 + tape.below(3)));
                }
                None => out.push_str(line),
            },
            4 => out.push_str(&line.replace('"', "'")),
            _ => out.push_str(line),
        }
        if tape.below(8) == 0 {
            out.push_str(&" ".repeat(1 + tape.below(3)));
            comment(&mut out);
        }
        out.push('\n');
    }
    (out, comments)
}

/// A random value, written in a random way, at `indent`; `flow`: inside of brackets.
fn written(tape: &mut Tape<'_>, indent: usize, flow: bool, depth: usize, out: &mut String) {
    const SCALARS: &[&str] = &[
        "a",
        "web-01",
        "'it''s'",
        "\"x\\ty\"",
        "true",
        "'true'",
        "12",
        "\"12\"",
        "~",
        "x y",
        "'x, y'",
        "\"{{a}}\"",
        "'- x'",
        "\"!x\"",
        "'a: b'",
        "http://x/y",
        "'[1]'",
        "\"'\"",
        "'\"'",
        "'#x'",
        "x#y",
        "é",
        "\"é: ü\"",
        "0644",
        "\"0644\"",
        "'yes'",
        "-1",
        "1.50",
        "'~'",
        "a'b",
    ];
    const BLOCKS: &[&str] = &["|", "|-", "|+", ">", ">-", ">+"];
    let kind = if depth == 0 { 4 } else { tape.below(8) };
    let pad = " ".repeat(indent);
    match kind {
        0 | 1 if !flow => {
            for n in 0..1 + tape.below(4) {
                out.push_str(&format!("\n{pad}"));
                odd(tape, indent, out);
                if kind == 0 {
                    out.push_str(&format!("k{n}: "));
                } else {
                    out.push_str("- ");
                }
                let deeper = indent + 1 + tape.below(3);
                written(tape, deeper, false, depth - 1, out);
            }
        }
        2 | 3 => {
            out.push(if kind == 2 { '{' } else { '[' });
            for n in 0..tape.below(4) {
                out.push_str(if n > 0 { ", " } else { " " });
                if tape.below(6) == 0 {
                    out.push_str(&format!("#f{n}\n{pad} "));
                }
                if kind == 2 {
                    out.push_str(&format!("k{n}: "));
                }
                written(tape, indent + 1, true, depth - 1, out);
            }
            out.push_str(if kind == 2 { " }" } else { " ]" });
        }
        5 if !flow => {
            out.push_str(BLOCKS[tape.below(BLOCKS.len())]);
            for _ in 0..tape.below(5) {
                let line = ["", "x", "  y", "# z", "x: 1", "- q"][tape.below(6)];
                out.push_str(&format!(
                    "\n{}",
                    if line.is_empty() { String::new() } else { format!("{pad}{line}") }
                ));
            }
        }
        6 if !flow => out.push_str(&format!("plain\n{pad}and more")),
        7 if !flow => out.push_str(["", "\"a\n \n   b\"", "'a\n\n b'"][tape.below(3)]),
        _ => out.push_str(SCALARS[tape.below(SCALARS.len())]),
    }
}

/// Comments and empty lines in front of an entry, now and then.
fn odd(tape: &mut Tape<'_>, indent: usize, out: &mut String) {
    match tape.below(6) {
        0 => out.push_str(&format!("# o\n{:indent$}", "")),
        1 => out.push_str(&format!("\n{:width$}# p\n\n{:indent$}", "", "", width = tape.below(9))),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: std::env::var("RUNBOOK_FUZZ_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(400), failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is put between the lines of real texts: it settles, says the same, and every comment is there once.
    #[test]
    fn comments_in_odd_places_survive(which in 0..TEXTS.len(), tape in prop::collection::vec(any::<u16>(), 0..600)) {
        let (text, comments) = meddled(TEXTS[which].1, &mut Tape(tape.iter()));
        if said(&text).is_some() {
            let shown = settled(&text);
            for n in 0..comments {
                prop_assert_eq!(shown.matches(&format!("#c{n}#")).count(), 1, "comment {} of\n{}\n{}", n, text, shown);
            }
        }
    }

    /// Random values in random ways of writing.
    #[test]
    fn random_texts_settle(tape in prop::collection::vec(any::<u16>(), 0..200)) {
        let mut text = String::new();
        let mut tape = Tape(tape.iter());
        for n in 0..1 + tape.below(3) {
            odd(&mut tape, 0, &mut text);
            text.push_str(&format!("top{n}: "));
            written(&mut tape, 1, false, 4, &mut text);
            text.push('\n');
        }
        if said(&text).is_some() {
            settled(&text);
        }
    }
}

/// The generators would prove nothing if most of what they make were refused.
#[test]
fn generated_texts_are_mostly_yaml() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut meddled_good, mut written_good) = (0, 0);
    for _ in 0..200 {
        let strategy = prop::collection::vec(any::<u16>(), 200..600);
        let tape = proptest::strategy::ValueTree::current(&strategy.new_tree(&mut runner).unwrap());
        let mut at = Tape(tape.iter());
        meddled_good += usize::from(said(&meddled(TEXTS[at.below(TEXTS.len())].1, &mut at).0).is_some());
        let mut text = String::from("top: ");
        written(&mut Tape(tape.iter()), 1, false, 4, &mut text);
        written_good += usize::from(said(&text).is_some());
    }
    assert!(meddled_good > 60 && written_good > 100, "{meddled_good}, {written_good}");
}
