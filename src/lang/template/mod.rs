//! Texts: strings with `{{placeholders}}`. Handlebars parses; we walk what it parsed, refuse most of it, and render the rest ourselves,
//! so that a value keeps its type, is quoted for its destination, and is never read as a template again.

mod braces;
mod check;
mod danger;
mod functions;
mod json;
#[cfg(test)]
mod pages;
mod parse;
mod render;
mod shell;
#[cfg(test)]
mod shell_cases;
#[cfg(test)]
mod shell_oracle;

pub use check::text_type;
pub(super) use functions::usages;
pub use render::{RenderError, render, render_for_people};

use crate::diagnostic::{Diagnostics, Span};
use crate::lang::expression::Place;
use crate::lang::types::TypeEnv;
use crate::model::text::{Destination, Operand, Part, Text};

use parse::Node;

/// Reads and checks a text whose content stands at `at`.
///
/// `blocks_allowed`: whether `{{#if}}` and `{{#each}}` can be used (messages and template files). The text is `None` exactly when
/// there are errors.
pub fn compile_text(source: &str, at: Span, destination: Destination, env: &TypeEnv, blocks_allowed: bool) -> (Option<Text>, Diagnostics) {
    let mut text = Text::literal(source, at);
    text.destination = destination;
    if !source.contains("{{") {
        return (Some(text), Diagnostics::new());
    }
    let place = Place::new(source, at);
    let mut problems = Diagnostics::new();
    let nodes = parse::parse(source, place, &mut problems);
    if let Some(nodes) = &nodes {
        let blocks_allowed = blocks_allowed && destination == Destination::Plain;
        check::check(nodes, destination, env, blocks_allowed, &mut problems);
    }
    let problems = place.settle(problems);
    match nodes {
        Some(nodes) if !problems.has_errors() => {
            text.blocks = nodes.iter().any(|n| matches!(n, Node::If { .. } | Node::Each { .. }));
            text.parts = if text.blocks {
                Vec::new()
            } else {
                nodes.into_iter().filter_map(part).collect()
            };
            (Some(text), problems)
        }
        _ => (None, problems),
    }
}

/// Every path the text reads, in the order written; names bound by `{{#each}}` do not count.
#[must_use]
pub fn text_paths(text: &Text) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut add = |path: &Vec<String>| {
        if !found.contains(path) {
            found.push(path.clone());
        }
    };
    if text.blocks {
        parse::reparse(text).iter().for_each(|n| n.paths(&mut Vec::new(), &mut add));
    }
    for part in &text.parts {
        if let Part::Placeholder(placeholder) = part {
            for argument in &placeholder.arguments {
                if let Operand::Path(path) = argument {
                    add(path);
                }
            }
        }
    }
    found
}

fn part(node: Node) -> Option<Part> {
    match node {
        Node::Literal(text) => Some(Part::Literal(text)),
        Node::Placeholder(tag) => Some(Part::Placeholder(tag.placeholder())),
        Node::If { .. } | Node::Each { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::base::value::Value;
    use crate::diagnostic::SourceId;
    use crate::lang::types::Refusal;
    use crate::model::text::Scope;
    use crate::model::types::Type;
    use proptest::prelude::*;

    fn env() -> TypeEnv {
        let member = Type::record([("name", Type::Text), ("up", Type::Bool)]);
        let mut env = TypeEnv::new();
        env.set(
            "params",
            Type::record([
                ("name", Type::Text),
                ("forced", Type::Bool),
                ("age", Type::Duration),
                ("bytes", Type::Int),
                ("list", Type::list(Type::Text)),
                ("master", Type::host()),
            ]),
        );
        env.set(
            "steps",
            Type::record([(
                "who",
                Type::record([
                    ("by", Type::Text),
                    ("ok", Type::Bool),
                    ("members", Type::list(member)),
                    ("json", Type::Dynamic),
                ]),
            )]),
        );
        env
    }

    fn scope() -> Scope {
        let member = |name: &str| Value::map([("name", Value::text(name)), ("up", Value::Bool(true))]);
        let mut scope = Scope::new();
        scope.set(
            "params",
            Value::map([
                ("name", Value::text("it's; rm -rf / {{params.bytes}}")),
                ("forced", Value::Bool(true)),
                ("age", Value::Duration(std::time::Duration::from_secs(90))),
                ("bytes", Value::Int(1536)),
                ("list", Value::List(vec![Value::text("a"), Value::text("b c")])),
                (
                    "master",
                    Value::map([
                        ("name", Value::text("web-01")),
                        ("address", Value::text("192.0.2.11")),
                        ("vars", Value::Map(Default::default())),
                    ]),
                ),
            ]),
        );
        scope.set(
            "steps",
            Value::map([(
                "who",
                Value::map([
                    ("by", Value::Unknown),
                    ("ok", Value::Bool(true)),
                    ("members", Value::List(vec![member("m1"), member("m2")])),
                    ("json", Value::Null),
                ]),
            )]),
        );
        scope
    }

    fn at(source: &str) -> Span {
        Span::new(SourceId(0), 50, 50 + source.len())
    }

    fn codes(source: &str, destination: Destination, blocks: bool) -> Vec<&'static str> {
        let (text, problems) = compile_text(source, at(source), destination, &env(), blocks);
        assert_eq!(text.is_none(), problems.has_errors(), "{source}");
        problems.sorted().iter().map(|d| d.code).collect()
    }

    fn compiled(source: &str, destination: Destination) -> Text {
        let (text, problems) = compile_text(source, at(source), destination, &env(), true);
        text.unwrap_or_else(|| panic!("{source}: {problems:?}"))
    }

    fn shown(source: &str, destination: Destination) -> Value {
        render(&compiled(source, destination), &scope()).unwrap()
    }

    #[test]
    fn each_mistake_has_its_code() {
        for (source, code) in [
            ("{{params.name", "RB0301"),
            ("a {{ params..name }}", "RB0301"),
            ("{{#if params.forced}}x", "RB0301"),
            ("{{#if params.forced}}x{{/each}}", "RB0301"),
            ("docker ps --format '{{.Names}}'", "RB0302"),
            ("kubectl get -o go-template='{{range .items}}{{end}}'", "RB0302"),
            ("{{{params.name}}}", "RB0303"),
            ("{{&params.name}}", "RB0303"),
            ("{{> header}}", "RB0304"),
            ("{{* decorator x}}", "RB0304"),
            ("{{upper (lower params.name)}}", "RB0304"),
            ("{{join params.list sep=', '}}", "RB0304"),
            ("{{../params.name}}", "RB0304"),
            ("{{uper params.name}}", "RB0305"),
            ("{{shellquote params.name}}", "RB0305"),
            ("{{#unless params.forced}}x{{/unless}}", "RB0305"),
            ("{{{{raw}}}} x {{{{/raw}}}}", "RB0305"),
            ("{{upper params.bytes}}", "RB0306"),
            ("{{default params.name}}", "RB0306"),
            ("{{params.master}}", "RB0307"),
            ("x {{steps.who.members}}", "RB0307"),
            ("{{#if params.name}}x{{/if}}", "RB0309"),
            ("{{#each params.name}}x{{/each}}", "RB0309"),
            ("{{params.nmae}}", "RB0203"),
            ("{{upper}}", "RB0203"),
            ("{{#each steps.who.members as |m|}}{{m.nam}}{{/each}}", "RB0203"),
            ("{{#each steps.who.members}}{{name}}{{/each}}", "RB0203"),
        ] {
            assert_eq!(codes(source, Destination::Plain, true), [code], "{source}");
        }
        assert_eq!(codes("{{#if params.forced}}x{{/if}}", Destination::Plain, false), ["RB0308"]);
        assert_eq!(codes("{{#if params.forced}}x{{/if}}", Destination::Shell, true), ["RB0308"]);
        assert_eq!(codes("{\"a\": \"{{params.name}}\"}", Destination::Json, false), ["RB0314"]);
    }

    #[test]
    fn mistakes_are_underlined_where_they_stand() {
        let source = "é {{params.name}} and {{params.nmae}}";
        let (_, problems) = compile_text(source, at(source), Destination::Plain, &env(), false);
        let problem = problems.iter().next().unwrap().clone();
        let span = problem.span.unwrap();
        assert_eq!(&source[span.start as usize - 50..span.end as usize - 50], "nmae");
        assert_eq!(problem.replacement.as_deref(), Some("name"));
        let source = "{{params.name}}\n  ls '{{ params.name }}'";
        let (_, problems) = compile_text(source, at(source), Destination::Shell, &env(), false);
        let span = problems.iter().next().unwrap().span.unwrap();
        assert_eq!(&source[span.start as usize - 50..span.end as usize - 50], "{{ params.name }}");
    }

    #[test]
    fn a_sole_path_keeps_its_type_and_a_mixed_text_does_not() {
        assert_eq!(shown("{{params.bytes}}", Destination::Plain), Value::Int(1536));
        assert_eq!(
            shown("{{params.list}}", Destination::Plain),
            Value::List(vec![Value::text("a"), Value::text("b c")])
        );
        assert_eq!(shown("n={{params.bytes}}", Destination::Plain), Value::text("n=1536"));
        assert_eq!(shown("{{params.list}}.", Destination::Plain), Value::text("a, b c."));
        assert_eq!(
            shown("{{params.age}} {{params.age.seconds}}", Destination::Plain),
            Value::text("1m30s 90")
        );
        assert_eq!(text_type(&compiled("{{params.bytes}}", Destination::Plain), &env()), Type::Int);
        assert_eq!(text_type(&compiled("{{params.bytes}}", Destination::Shell), &env()), Type::Text);
        assert_eq!(text_type(&compiled("x{{params.bytes}}", Destination::Plain), &env()), Type::Text);
    }

    #[test]
    fn values_are_quoted_for_their_destination_and_never_read_again() {
        let name = "it's; rm -rf / {{params.bytes}}";
        assert_eq!(shown("{{params.name}}", Destination::Plain), Value::text(name));
        let Value::Text(script) = shown("ls -- {{params.name}} > {{params.bytes}}", Destination::Shell) else {
            panic!()
        };
        assert_eq!(shlex::split(&script).unwrap(), ["ls", "--", name, ">", "1536"]);
        assert_eq!(shown("echo {{params.bytes}}>f", Destination::Shell), Value::text("echo '1536'>f"));
        let Value::Text(json) = shown(
            "{\"n\": {{params.name}}, \"l\": {{params.list}}, \"b\": {{params.bytes}}, \"m\": {{steps.who.members}}}",
            Destination::Json,
        ) else {
            panic!()
        };
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["n"], name);
        assert_eq!(json["l"][1], "b c");
        assert_eq!(json["b"], 1536);
        assert_eq!(
            shown("\\{{params.name}} {{params.bytes}}", Destination::Plain),
            Value::text("{{params.name}} 1536")
        );
    }

    #[test]
    fn helpers_do_what_their_names_say() {
        for (source, expected) in [
            ("{{default steps.who.json 'nobody'}}", "nobody"),
            ("{{default params.bytes 7}}", "1536"),
            ("{{join params.list '; '}}", "a; b c"),
            ("{{json params.list}}", "[\"a\",\"b c\"]"),
            ("{{duration params.age}} {{duration params.bytes}}", "1m30s 25m36s"),
            ("{{size params.bytes}}", "1.5 KiB"),
            ("{{upper params.master.name}} {{lower params.master.name}}", "WEB-01 web-01"),
            ("{{basename '/srv/app/'}}", "app"),
        ] {
            assert_eq!(shown(source, Destination::Plain), Value::text(expected), "{source}");
        }
    }

    #[test]
    fn blocks_render_with_locals_and_outer_names() {
        let source = "{{#if params.forced}}forced{{else}}calm{{/if}}:{{#each steps.who.members as |m|}} {{m.name}}@{{params.bytes}}{{#if @last}}.{{else}},{{/if}}{{/each}}";
        assert_eq!(shown(source, Destination::Plain), Value::text("forced: m1@1536, m2@1536."));
        let text = compiled(source, Destination::Plain);
        let paths: Vec<String> = text_paths(&text).iter().map(|p| p.join(".")).collect();
        assert_eq!(paths, ["params.forced", "steps.who.members", "params.bytes"]);
        assert_eq!(
            shown("{{#each params.list}}{{@index}}={{this}} {{/each}}", Destination::Plain),
            Value::text("0=a 1=b c ")
        );
        assert_eq!(
            shown(
                "{{#if params.forced}}\nyes\n{{else if steps.who.ok}}\nmaybe\n{{/if}}\n",
                Destination::Plain
            ),
            Value::text("yes\n")
        );
    }

    #[test]
    fn the_unknown_makes_the_text_unknown_but_people_see_it() {
        assert_eq!(shown("{{steps.who.by}}", Destination::Plain), Value::Unknown);
        assert_eq!(shown("by {{steps.who.by}}", Destination::Plain), Value::Unknown);
        assert_eq!(shown("{{default steps.who.by 'x'}}", Destination::Plain), Value::Unknown);
        assert_eq!(
            render_for_people(&compiled("by {{steps.who.by}}, {{steps.who.json}}", Destination::Plain), &scope()),
            "by (known at run time), (none)"
        );
        let error = render(&compiled("x {{steps.who.json}}", Destination::Plain), &scope()).unwrap_err();
        assert!(error.message.contains("no value"), "{error}");
    }

    #[test]
    fn what_may_be_absent_needs_a_default_or_a_block() {
        let mut env = env();
        env.refuse(
            Refusal::new(&["steps", "who"], "may be skipped")
                .except(&["ok"])
                .unless(&["steps", "who", "ok"], true),
        );
        let codes = |source: &str| -> Vec<&str> {
            compile_text(source, at(source), Destination::Plain, &env, true)
                .1
                .sorted()
                .iter()
                .map(|d| d.code)
                .collect()
        };
        assert_eq!(codes("{{steps.who.by}}"), ["RB0208"]);
        assert_eq!(codes("{{default steps.who.by 'x'}}"), Vec::<&str>::new());
        assert_eq!(codes("{{#if steps.who.ok}}{{steps.who.by}}{{else}}-{{/if}}"), Vec::<&str>::new());
        assert_eq!(codes("{{#if steps.who.ok}}-{{else}}{{steps.who.by}}{{/if}}"), ["RB0208"]);
    }

    #[test]
    fn nesting_is_bounded() {
        assert_eq!(codes(&"{{#if params.forced}}".repeat(5000), Destination::Plain, true), ["RB0301"]);
        assert_eq!(
            codes(&format!("{{{{upper {}", "(".repeat(50_000)), Destination::Plain, true),
            ["RB0301"]
        );
        assert_eq!(
            codes(&format!("{{{{upper {}", "[".repeat(50_000)), Destination::Plain, true),
            ["RB0301"]
        );
        assert_eq!(
            codes(
                &format!("{} {{{{params.name}}}} {}", "[({".repeat(5000), "})]".repeat(5000)),
                Destination::Plain,
                true
            ),
            Vec::<&str>::new()
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: std::env::var("RUNBOOK_FUZZ_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(3000), failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn no_text_panics(source in "(\\{\\{|\\}\\}|\\{|#if |#each |/if|/each|else|params\\.name|steps| as |\\||\\(|\\)|\\[|'|\"|~|&|>|\\*|!|--|\\\\|\\.\\.|/|@|this|é|\n| |=|x){0,24}", wide in any::<bool>()) {
            for destination in [Destination::Plain, Destination::Shell, Destination::Json] {
                let span = Span::new(SourceId(0), 0, source.len() + usize::from(wide));
                if let (Some(text), _) = compile_text(&source, span, destination, &env(), true) {
                    let _ = render(&text, &scope());
                    let _ = render_for_people(&text, &scope());
                    let _ = text_paths(&text);
                }
            }
        }
    }
}
