//! Tests of the reader as a whole.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::base::bound::{TEXT_BYTES, YAML_DEPTH};
use crate::diagnostic::{Diagnostic, Diagnostics, Sources, Span};

fn tree(text: &str) -> (Option<Node>, Diagnostics, Sources) {
    let mut sources = Sources::new();
    let id = sources.add("test.yaml", text);
    let (node, diagnostics) = read(&sources, id);
    (node, diagnostics, sources)
}

fn good(text: &str) -> Node {
    let (node, diagnostics, _) = tree(text);
    assert!(diagnostics.is_empty(), "{text}\n{diagnostics:#?}");
    node.unwrap()
}

fn slice(text: &str, span: Span) -> &str {
    &text[span.start as usize..span.end as usize]
}

fn mistakes(text: &str) -> Vec<Diagnostic> {
    tree(text).1.sorted()
}

/// Every scalar's place holds the scalar; every node lies inside its parent.
fn check_places(text: &str, node: &Node) {
    let inside = |child: &Node| {
        assert!(
            node.span.start <= child.span.start && child.span.end <= node.span.end,
            "{text:?} {node:?}"
        );
        check_places(text, child);
    };
    match &node.kind {
        NodeKind::List(list) => list.iter().for_each(inside),
        NodeKind::Map(entries) => entries.iter().for_each(|e| inside(&e.value)),
        NodeKind::Scalar(scalar) => {
            let _ = slice(text, node.span);
            let content = slice(text, node.content_span());
            let quote = match scalar.style {
                Style::Single => "'",
                Style::Double => "\"",
                _ => "",
            };
            assert!(
                slice(text, node.span).starts_with(quote) && slice(text, node.span).ends_with(quote),
                "{text:?} {node:?}"
            );
            if scalar.style == Style::Plain && !scalar.text.contains(' ') && !content.contains('\n') {
                assert_eq!(content, scalar.text, "{text:?}");
            }
        }
    }
}

#[test]
fn places_are_exact_in_bytes() {
    let text = "é: ü # ö\nb:\n  - \"q\\n\"\n  - 'it''s'\n\n# c\nc: {a: b, \"d\" : [é, \"f\"   ]   }\ne: |\n\n  x y\n\n   z\n# c\nf: >-\n  z\ng:\nh:  \n  -\n  - k\nlast: 'ü'";
    let root = good(text);
    let at = |key: &str| slice(text, root.get(key).unwrap().span);
    assert_eq!(at("é"), "ü");
    assert_eq!(at("b"), "- \"q\\n\"\n  - 'it''s'");
    let b = root.get("b").unwrap().as_list().unwrap();
    assert_eq!((slice(text, b[0].span), slice(text, b[0].content_span())), ("\"q\\n\"", "q\\n"));
    assert_eq!((slice(text, b[1].span), slice(text, b[1].content_span())), ("'it''s'", "it''s"));
    assert_eq!(at("c"), "{a: b, \"d\" : [é, \"f\"   ]   }");
    assert_eq!(slice(text, root.get("c").unwrap().entry("d").unwrap().key.span), "\"d\"");
    assert_eq!(slice(text, root.get("c").unwrap().get("d").unwrap().span), "[é, \"f\"   ]");
    assert_eq!(at("e"), "|\n\n  x y\n\n   z");
    assert_eq!(slice(text, root.get("e").unwrap().content_span()), "x y\n\n   z");
    assert_eq!(at("f"), ">-\n  z");
    assert_eq!(
        (at("g"), root.get("g").unwrap().span.start as usize),
        ("", text.find("g:").unwrap() + 2)
    );
    let h = root.get("h").unwrap().as_list().unwrap();
    assert_eq!(
        (h[0].span.start, h[0].span.end, slice(text, h[1].span)),
        (h[0].span.end, h[0].span.start, "k")
    );
    assert_eq!(slice(text, root.get("last").unwrap().content_span()), "ü");
    assert_eq!(slice(text, root.span), text);
    check_places(text, &root);
}

#[test]
fn values_left_out_and_lists_without_indentation_have_places() {
    let text = "a:\n-\n# - c\n-   # x\n- - -1\n-\n  -\nb: # c\n- k: v\n  l:\n- {m: , n: []}\nc:\n- |\n  x\n";
    let root = good(text);
    let a = root.get("a").unwrap();
    let start = |n: &Node| n.span.start as usize;
    let dashes: Vec<usize> = a.as_list().unwrap().iter().map(start).collect();
    assert_eq!(dashes, [4, 12, text.find("- -1").unwrap(), text.find("-\n  -").unwrap() + 4]);
    assert_eq!(slice(text, a.span), &text[3..text.find("\nb:").unwrap()]);
    assert_eq!(slice(text, a.as_list().unwrap()[2].span), "- -1");
    assert_eq!(slice(text, root.get("b").unwrap().span), "- k: v\n  l:\n- {m: , n: []}");
    let b = root.get("b").unwrap().as_list().unwrap();
    assert_eq!(start(b[0].get("l").unwrap()), text.find("l:").unwrap() + 2);
    assert_eq!(start(b[1].get("m").unwrap()), text.find("m:").unwrap() + 2);
    assert_eq!(slice(text, root.get("c").unwrap().span), "- |\n  x");
    check_places(text, &root);
}

#[test]
fn byte_order_mark_and_carriage_returns_are_accepted() {
    let text = "\u{feff}a: 'x'\r\nb:\r\n  - é\r\nc: |\r\n  l1\r\n  l2\r\n";
    let root = good(text);
    assert_eq!(slice(text, root.get("a").unwrap().content_span()), "x");
    assert_eq!(slice(text, root.get("b").unwrap().as_list().unwrap()[0].span), "é");
    assert_eq!(root.get("c").unwrap().as_scalar().unwrap().text, "l1\nl2\n");
    check_places(text, &root);
}

#[test]
fn a_place_inside_a_scalar() {
    let text = "a: \"é {{x}} y\"\nb: |\n\n    one\n      two {{x}}\n\n    three\nc: plain {{x}}\nd: \"a\\tb\"\n";
    let (node, _, sources) = tree(text);
    let root = node.unwrap();
    for key in ["a", "b", "c"] {
        let node = root.get(key).unwrap();
        let offset = node.as_scalar().unwrap().text.find("{{x}}").unwrap();
        let place = node.place(&sources, offset, offset + 5);
        assert_eq!(slice(text, place), "{{x}}", "{key}");
    }
    let b = root.get("b").unwrap();
    let offset = b.as_scalar().unwrap().text.find("three").unwrap();
    assert_eq!(slice(text, b.place(&sources, offset, offset + 5)), "three");
    assert_eq!(slice(text, root.get("d").unwrap().place(&sources, 2, 3)), "a\\tb");
}

#[test]
fn what_is_refused_is_refused_at_its_place() {
    let table: &[(&str, &str, &str)] = &[
        ("a: 1\nb: 2\na: 3\n", "RB0002", "a"),
        ("a: 1\n'a': 3\n", "RB0002", "'a'"),
        ("é: {a: 1, a: 2}\n", "RB0002", "a"),
        ("a: &x 1\n", "RB0003", "&x"),
        ("a: *x\n", "RB0003", "*x"),
        ("hosts: *\n", "RB0003", "*"),
        ("a: [1]\n<<: {b: 1}\n", "RB0004", "<<"),
        ("that: !result.active\n", "RB0005", "!result.active"),
        ("that: !result.active && result.x\n", "RB0005", "!result.active"),
        ("that: !(a == b)\n", "RB0005", "!(a"),
        ("a: !!str 5\n", "RB0005", "!!str"),
        ("a: !x {b: 1}\n", "RB0005", "!x"),
        ("that: !steps['a'].ok\n", "RB0005", "!steps['a'].ok"),
        ("a:\n\tb: 1\n", "RB0006", "\t"),
        ("a:\n  b: 1\n \tc: 1\n", "RB0006", "\t"),
        ("a: [\n\tb\n]\n", "RB0006", "\t"),
        ("a:\t1\n", "RB0006", "\t"),
        ("a: 1\n---\nb: 1\n", "RB0007", "---"),
        ("that: { x: size(a, b) > 2 }\n", "RB0011", "b) > 2"),
        ("{a: 1, b}\n", "RB0011", "b"),
        ("a: {{x}}\n", "RB0012", "{{x}}"),
        ("a: {{x}}/y:80 z\n", "RB0012", "{{x}}/y:80"),
        ("a:\n  - {{x}}\n", "RB0012", "{{x}}"),
        ("é: {a: {{x.y}}, b: 1}\n", "RB0012", "{{x.y}}"),
        ("5: 1\n", "RB0014", "5"),
        ("true: 1\n", "RB0014", "true"),
        ("[a]: 1\n", "RB0014", "[a]"),
        ("{a: 1}: 1\n", "RB0014", "{a: 1}"),
        ("? - a\n: 1\n", "RB0014", "- a"),
        ("a: \u{7}\n", "RB0016", "\u{7}"),
        ("a: x\u{202e}y\n", "RB0016", "\u{202e}"),
        ("a: x\0y\n", "RB0016", "\0"),
        ("a: x\u{feff}y\n", "RB0016", "\u{feff}"),
        ("a: x\ry\n", "RB0016", "\r"),
        ("", "RB0017", ""),
        ("# only a comment\n", "RB0017", ""),
    ];
    for (text, code, place) in table {
        let found = mistakes(text);
        assert_eq!(found.iter().map(|d| d.code).collect::<Vec<_>>(), [*code], "{text:?} {found:#?}");
        assert_eq!(slice(text, found[0].span.unwrap()), *place, "{text:?}");
    }
}

#[test]
fn a_duplicate_key_points_at_the_first_and_the_first_stays() {
    let text = "a: 1\nb: 2\na: 3\n";
    let (node, diagnostics, _) = tree(text);
    let duplicate = diagnostics.iter().next().unwrap();
    assert_eq!((duplicate.others[0].span.start, duplicate.span.unwrap().start), (0, 10));
    assert_eq!(node.unwrap().get("a").unwrap().as_scalar().unwrap().text, "1");
}

#[test]
fn all_mistakes_are_found_in_one_go_and_the_tree_stays() {
    let text = "a: !x\nb: &y 1\nc: *y\nd: {e: f(g, h)}\nd: 1\n5: {i: &z 1}\nlast: ok\n";
    let (node, diagnostics, _) = tree(text);
    let codes: Vec<_> = diagnostics.sorted().iter().map(|d| d.code).collect();
    assert_eq!(codes, ["RB0005", "RB0003", "RB0003", "RB0011", "RB0002", "RB0014", "RB0003"]);
    let root = node.unwrap();
    assert_eq!(root.get("a").unwrap().as_scalar().unwrap().text, "!x");
    assert_eq!(root.get("last").unwrap().to_value(), crate::base::value::Value::text("ok"));
}

#[test]
fn syntax_errors_say_what_to_do() {
    let table: &[(&str, &str, &str)] = &[
        ("a: b: c\n", "`: ` must be quoted", ""),
        ("a: x ? y : z\n", "`: ` must be quoted", ""),
        ("a: x\n  b: 1\n", "does not belong here", "indent"),
        ("a:\n  b: 1\n c: 2\n", "indentation", "indent"),
        ("a: 'x\nb: 1\n", "never closed", ""),
        ("a: \"x\" y\n", "after the closing quote", "quote the whole value"),
        ("a: \"\\q\"\n", "unknown escape", "single quotes"),
        ("a: @x\n", "cannot start with `@`", "quotes"),
        ("a: [b] == c\n", "after the end of a value", "quote"),
        ("hosts: [web-[01:02]]\n", "bracket", "must be quoted"),
        ("a: {x: 1\n", "not closed", "closed"),
        ("a: [x\nb: c\n", "", ""),
        ("a: ]\n", "", ""),
        ("%FOO\n", "", ""),
    ];
    for (text, message, help) in table {
        let found = mistakes(text);
        assert_eq!(found.len(), 1, "{text:?} {found:#?}");
        assert_eq!(found[0].code, "RB0001", "{text:?} {found:#?}");
        assert!(found[0].message.contains(message), "{text:?} {found:#?}");
        assert!(found[0].help.as_deref().unwrap_or("").contains(help), "{text:?} {found:#?}");
    }
}

#[test]
fn tabs_inside_values_are_fine() {
    for text in [
        "a: |\n  make:\n  \t@echo\n\n\t\n# x\nb: 1\n",
        "a: \"x\ty\"\n",
        "a: 1 \t# c\n",
        "a: 'x\n  \ty'\nb: c\n",
    ] {
        let _ = good(text);
    }
}

#[test]
fn depth_is_bounded_for_every_style() {
    for (open, close) in [("[", "]"), ("{a: ", "}"), ("- ", ""), ("- - ", "")] {
        let nested = |n: usize| format!("{}x{}", open.repeat(n), close.repeat(n));
        let levels = open.matches(['[', '{', '-']).count();
        let _ = good(&nested(YAML_DEPTH / levels));
        for deep in [YAML_DEPTH / levels + 1, 5_000, 200_000] {
            let (node, diagnostics, _) = tree(&nested(deep));
            assert!(node.is_none());
            assert_eq!(diagnostics.iter().map(|d| d.code).collect::<Vec<_>>(), ["RB0010"], "{open} {deep}");
        }
    }
    let block: String = (0..5_000).map(|n| format!("{}a:\n", " ".repeat(n))).take(700).collect();
    assert_eq!(mistakes(&block)[0].code, "RB0010");
}

#[test]
fn size_and_number_of_nodes_are_bounded() {
    let most = format!("a: \"{}\"\n", "x".repeat(TEXT_BYTES - 6));
    assert_eq!(most.len(), TEXT_BYTES);
    let _ = good(&most);
    assert_eq!(mistakes(&format!("{most}\n"))[0].code, "RB0008");
    assert_eq!(mistakes(&"- a\n".repeat(200_000))[0].code, "RB0009");
    let _ = good(&"- a\n".repeat(199_999));
}

/// The work must grow with the text, not with its square; the deadline is far above the one and far below the other.
#[test]
fn hostile_shapes_cost_no_more_than_others() {
    let shapes = [
        "[],", "a,", "{},", "{{x}},", "\"a\",", "a: b,", "[a],\n ", "'',", "{a: b},", "&a b,", "!a b,",
    ];
    let start = std::time::Instant::now();
    for shape in shapes {
        let most = 20_000;
        for text in [format!("[{}]", shape.repeat(most)), format!("k: [{}", shape.repeat(most))] {
            let (node, diagnostics, _) = tree(&text);
            assert!(node.is_some() || diagnostics.has_errors(), "{shape}");
        }
    }
    assert!(start.elapsed() < std::time::Duration::from_secs(100), "{:?}", start.elapsed());
}

#[test]
fn an_alias_bomb_is_refused_and_not_expanded() {
    let mut text = String::from("a0: &a0 [x, x]\n");
    for n in 1..60 {
        text.push_str(&format!("a{n}: &a{n} [*a{m}, *a{m}, *a{m}]\n", m = n - 1));
    }
    let (node, diagnostics, _) = tree(&text);
    assert!(diagnostics.iter().all(|d| d.code == "RB0003"));
    assert_eq!(node.unwrap().get("a59").unwrap().as_list().unwrap().len(), 3);
}

#[test]
fn bytes_that_are_not_utf8_name_their_line() {
    assert_eq!(decode("é".as_bytes()).unwrap(), "é");
    let refused = decode(b"a: 1\nb: \xff\n").unwrap_err().sorted().remove(0);
    assert_eq!((refused.code, refused.message.as_str()), ("RB0015", "not UTF-8: byte 9 on line 2"));
}

#[test]
fn pages_are_true() {
    // too large, too many, not UTF-8, invisible: nothing that can be shown
    examples::check("RB00", fields::tests::read_host);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_text_makes_it_panic(pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..40)) {
        let text = pieces.concat();
        let (node, diagnostics, _) = tree(&text);
        prop_assert!(node.is_some() || diagnostics.has_errors());
        for d in diagnostics.iter() {
            let span = d.span.unwrap();
            prop_assert!(text.get(span.start as usize..span.end as usize).is_some(), "{:?}", d);
        }
        if let Some(node) = node.filter(|_| !diagnostics.has_errors()) {
            check_places(&text, &node);
        }
    }
}

const PIECES: &[&str] = &[
    "a", "b: ", "é", "\n", "\n  ", "\n    ", "- ", "[", "]", "{", "}", ", ", ": ", ":", "|", ">-", "|2", "'", "\"", "#", " # c", "&x ",
    "*x", "!t ", "\t", "\r\n", "\u{feff}", "---\n", "...\n", "? ", "<<: ", "%", "{{x}}", "\\", "\u{0}", "\u{85}", "\u{2028}", "𝄞", "5",
    "~", "@", "`", "  ",
];

#[test]
fn a_quoted_text_ends_with_its_quote_and_an_empty_block_with_its_mark() {
    let text = "a: \"x \\\" y\"   # one\nb: 'it''s'  # two\nc: |\nd: >\n  z\n";
    let mut sources = crate::diagnostic::Sources::new();
    let id = sources.add("t.yaml", text);
    let (node, problems) = crate::yaml::read(&sources, id);
    assert!(problems.is_empty());
    let node = node.unwrap();
    let written = |key: &str| {
        let span = node.get(key).unwrap().span;
        &text[span.start as usize..span.end as usize]
    };
    assert_eq!(["a", "b", "c", "d"].map(written), ["\"x \\\" y\"", "'it''s'", "|", ">\n  z"]);
}
