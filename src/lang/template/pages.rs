//! The examples on the pages of the RB02 and RB03 codes are compiled: a wrong one gives exactly its page's code, a right one nothing.
#![allow(clippy::unwrap_used)]

use super::compile_text;
use crate::diagnostic::code::pages;
use crate::diagnostic::{Diagnostics, SourceId, Span};
use crate::lang::expression::compile;
use crate::lang::types::{Refusal, TypeEnv};
use crate::model::text::Destination;
use crate::model::types::Type;

/// The names that examples on pages can use.
fn env() -> TypeEnv {
    let state = Type::Enum(["ready", "drain", "maint"].map(String::from).to_vec());
    let member = Type::record([("name", Type::Text), ("up", Type::Bool), ("state", state.clone())]);
    let step = |more: Vec<(&str, Type)>| {
        let fields = [("ok", Type::Bool), ("count", Type::Int), ("name", Type::Text)];
        Type::Record(fields.into_iter().chain(more).map(|(n, t)| (n.to_owned(), t)).collect())
    };
    let mut env = TypeEnv::new();
    let params = [
        ("forced", Type::Bool),
        ("age", Type::Duration),
        ("limit", Type::Size),
        ("enough", Type::Percent),
        ("name", Type::Text),
        ("token", Type::Secret),
        ("list", Type::list(Type::Text)),
        ("master", Type::host()),
    ];
    env.set("params", Type::record(params));
    let check = step(vec![("state", state), ("json", Type::Dynamic), ("members", Type::list(member))]);
    env.set("steps", Type::record([("check", check), ("maybe", step(Vec::new()))]));
    env.refuse(
        Refusal::new(&["steps", "maybe"], "may be skipped")
            .except(&["ok"])
            .unless(&["steps", "maybe", "ok"], true),
    );
    env
}

fn problems(tag: &str, source: &str) -> Diagnostics {
    let at = Span::new(SourceId(0), 0, source.len());
    let text = |destination, blocks| compile_text(source, at, destination, &env(), blocks).1;
    match tag {
        "" => compile(source, at, &env(), Some(&Type::Bool)).1,
        "text" => text(Destination::Plain, false),
        "message" => text(Destination::Plain, true),
        "shell" => text(Destination::Shell, false),
        "json" => text(Destination::Json, false),
        other => panic!("unknown kind of example: {other}"),
    }
}

#[test]
fn every_page_has_examples_and_they_do_what_it_says() {
    let ours: Vec<_> = pages()
        .into_iter()
        .filter(|(code, _)| code.starts_with("RB02") || code.starts_with("RB03"))
        .collect();
    assert!(ours.len() >= 25);
    for (code, page) in ours {
        assert!(page.starts_with(&format!("# {code}: ")), "{code}");
        let (mut wrong, mut right) = (0, 0);
        for block in page.split("\n```").skip(1).step_by(2) {
            let (head, source) = block.split_once('\n').unwrap();
            let (verdict, tag) = head.split_once(' ').unwrap_or((head, ""));
            let found: Vec<&str> = problems(tag, source).sorted().iter().map(|d| d.code).collect();
            match verdict {
                "wrong" => {
                    assert_eq!(found, [code], "{source}");
                    wrong += 1;
                }
                "right" => {
                    assert_eq!(found, Vec::<&str>::new(), "{code}: {source}");
                    right += 1;
                }
                other => panic!("{code}: unknown example {other}"),
            }
        }
        assert!(wrong > 0 && right > 0, "{code} needs a wrong and a right example");
    }
}

/// A code without a page could not be explained.
#[test]
fn every_code_in_the_source_has_a_page() {
    let sources = [
        include_str!("../types.rs"),
        include_str!("../expression/lex.rs"),
        include_str!("../expression/parse.rs"),
        include_str!("../expression/check.rs"),
        include_str!("../expression/functions.rs"),
        include_str!("../expression/relations.rs"),
        include_str!("danger.rs"),
        include_str!("parse.rs"),
        include_str!("check.rs"),
    ];
    let mut seen = 0;
    for source in sources {
        for (at, _) in source.match_indices("\"RB0") {
            let code = &source[at + 1..at + 7];
            assert!(crate::diagnostic::code::page(code).is_some(), "{code} has no page");
            seen += 1;
        }
    }
    assert!(seen > 40);
}
