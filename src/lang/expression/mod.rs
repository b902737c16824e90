//! Expressions: a typed subset of CEL. Whatever is accepted here evaluates as CEL does.
//!
//! Source → tokens → tree with byte spans in the file → checked against a [`TypeEnv`] → [`eval`] over a `Scope`. Nothing here may
//! recurse deeper than `base::bound::EXPRESSION_DEPTH`, so no input can exhaust the stack.

mod check;
mod eval;
mod functions;
mod lex;
mod operators;
#[cfg(test)]
mod oracle;
mod parse;
mod paths;
mod relations;

pub use eval::{EvalError, NOW, eval};
pub(super) use functions::usages;
pub use paths::paths;

use crate::diagnostic::{Diagnostics, Span};
use crate::lang::types::TypeEnv;
use crate::model::text::Expression;
use crate::model::types::Type;

/// Reads and checks an expression whose content stands at `at`.
///
/// `want`: the type the place needs; `None` takes any. The expression is `None` exactly when there are errors.
pub fn compile(source: &str, at: Span, env: &TypeEnv, want: Option<&Type>) -> (Option<Expression>, Diagnostics) {
    let place = Place::new(source, at);
    let mut problems = Diagnostics::new();
    let root = match parse::parse(source, place) {
        Ok(root) => root,
        Err(problem) => {
            problems.push(*problem);
            return (None, place.settle(problems));
        }
    };
    let kind = check::check(&root, env, want, &mut problems);
    let problems = place.settle(problems);
    match kind {
        Some(kind) if !problems.has_errors() => {
            let expression = Expression {
                source: source.to_owned(),
                span: at,
                root,
                kind,
            };
            (Some(expression), problems)
        }
        _ => (None, problems),
    }
}

/// Where the content of a text stands in its file.
#[derive(Clone, Copy, Debug)]
pub(in crate::lang) struct Place {
    at: Span,
    exact: bool,
}

impl Place {
    /// `source` is what the file holds at `at`, unless escapes or folding made the lengths differ.
    pub(in crate::lang) fn new(source: &str, at: Span) -> Place {
        let length = at.end.saturating_sub(at.start) as usize;
        Place {
            at,
            exact: length == source.len(),
        }
    }

    /// Bytes `start..end` of the content, as a place in the file; the whole text where that cannot be told.
    pub(in crate::lang) fn span(self, start: usize, end: usize) -> Span {
        if self.exact { self.at.within(start, end) } else { self.at }
    }

    /// Where places are not exact, a replacement would replace too much: it becomes a sentence.
    pub(in crate::lang) fn settle(self, problems: Diagnostics) -> Diagnostics {
        if self.exact {
            return problems;
        }
        let mut settled = Diagnostics::new();
        for problem in problems.iter() {
            let mut problem = problem.clone();
            if let Some(text) = problem.replacement.take() {
                problem.help = problem.help.or_else(|| Some(format!("did you mean `{text}`?")));
            }
            settled.push(problem);
        }
        settled
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
    use proptest::prelude::*;

    fn at(source: &str) -> Span {
        Span::new(SourceId(0), 100, 100 + source.len())
    }

    /// The names the examples of this file may use.
    fn env() -> TypeEnv {
        let member = Type::record([
            ("name", Type::Text),
            ("up", Type::Bool),
            ("state", Type::Enum(vec!["ready".into(), "drain".into()])),
            ("weight", Type::Int),
        ]);
        let mut env = TypeEnv::new();
        env.set(
            "params",
            Type::record([
                ("forced", Type::Bool),
                ("age", Type::Duration),
                ("limit", Type::Size),
                ("enough", Type::Percent),
                ("master", Type::host()),
            ]),
        );
        env.set(
            "steps",
            Type::record([(
                "check",
                Type::record([
                    ("ok", Type::Bool),
                    ("free_percent", Type::Float),
                    ("members", Type::list(member)),
                    ("json", Type::Dynamic),
                    ("count", Type::Int),
                ]),
            )]),
        );
        env
    }

    fn codes(source: &str, want: Option<&Type>) -> Vec<&'static str> {
        let (expression, problems) = compile(source, at(source), &env(), want);
        assert_eq!(expression.is_none(), problems.has_errors(), "{source}");
        problems.sorted().iter().map(|d| d.code).collect()
    }

    #[test]
    fn real_conditions_compile() {
        for source in [
            "steps.check.members.filter(s, s.up && s.state == 'ready').size() < 2",
            "steps.check.members.all(s, s.up && s.state in ['ready', 'drain'])",
            "steps.check.members.filter(s, s.up).size() * 2 >= steps.check.members.size()",
            "steps.check.free_percent < params.enough.percent && !params.forced",
            "double(steps.check.count) * 2.0 > steps.check.free_percent * (1.0 - params.enough.ratio)",
            "steps.check.json.status == 'ok' || has(steps.check.json.error)",
            "params.master.name != \"web-01\"",
            "params.age.seconds > 300 && params.age > duration('5m')",
            "params.limit.bytes >= 1024",
            "params.forced ? steps.check.count > 3 : false",
            "steps.check.members[0].name.startsWith('web-') && 'x' in params.master.vars",
            "now() > 0 && -3 < 4 && null == steps.check.json.x",
            "steps.check.members.map(m, m.name) == ['a', 'b']",
            "params.master.vars['site'] == 'eu'",
        ] {
            assert_eq!(codes(source, Some(&Type::Bool)), Vec::<&str>::new(), "{source}");
        }
    }

    #[test]
    fn each_mistake_has_its_code() {
        for (source, code) in [
            ("1 +", "RB0201"),
            ("'open", "RB0201"),
            ("", "RB0201"),
            ("{{params.forced}}", "RB0201"),
            ("5m > 3", "RB0201"),
            ("parms.forced", "RB0203"),
            ("params.force", "RB0203"),
            ("steps.check.members.up", "RB0203"),
            ("steps.check.count == '3'", "RB0204"),
            ("steps.check.count * 2.0 > 1.0", "RB0204"),
            ("params.master == params.master", "RB0204"),
            ("params.age > 300", "RB0204"),
            ("steps.check.members.exists(m, m.state == 'redy')", "RB0205"),
            ("steps.check.members.exists(m, m.state in ['ready', 'dran'])", "RB0205"),
            ("steps.check.json.a == steps.check.json.b", "RB0206"),
            ("steps.check.json.ok && true", "RB0206"),
            ("steps.check.json.ok", "RB0206"),
            ("len(steps.check.members) > 1", "RB0207"),
            ("steps.check.members.contains('a')", "RB0207"),
            ("steps.check.count", "RB0209"),
            ("params.master.name.matches('(')", "RB0210"),
            ("params.age > duration('5 minutes')", "RB0210"),
            ("params.forced and true", "RB0211"),
            ("not params.forced", "RB0211"),
            ("steps.check.count = 3", "RB0211"),
            ("params.forced or true", "RB0211"),
        ] {
            assert_eq!(codes(source, Some(&Type::Bool)), [code], "{source}");
        }
    }

    #[test]
    fn all_mistakes_come_in_one_go_without_echoes() {
        assert_eq!(
            codes("parms.a == 1 && steps.check.cout > 2 && params.forced", None),
            ["RB0203", "RB0203"]
        );
    }

    #[test]
    fn places_are_those_in_the_file_or_the_whole_text() {
        let source = "params.forced && stes.check.ok";
        let (_, problems) = compile(source, at(source), &env(), None);
        let problem = problems.iter().next().unwrap().clone();
        assert_eq!((problem.span.unwrap().start, problem.span.unwrap().end), (117, 121));
        assert_eq!(problem.replacement.as_deref(), Some("steps"));
        let folded = Span::new(SourceId(0), 100, 100 + source.len() + 7);
        let (_, problems) = compile(source, folded, &env(), None);
        let problem = problems.iter().next().unwrap().clone();
        assert_eq!((problem.span, problem.replacement), (Some(folded), None));
        assert_eq!(problem.help.as_deref(), Some("did you mean `steps`?"));
    }

    #[test]
    fn refusals_are_lifted_by_their_guard_only_where_it_holds() {
        let mut env = env();
        env.refuse(
            Refusal::new(&["steps", "check"], "may be skipped")
                .except(&["ok", "skipped"])
                .unless(&["steps", "check", "ok"], true),
        );
        let codes = |source: &str| -> Vec<&str> { compile(source, at(source), &env, None).1.sorted().iter().map(|d| d.code).collect() };
        for good in [
            "steps.check.ok",
            "steps.check.ok && steps.check.count > 1",
            "steps.check.ok == true && (params.forced || steps.check.count > 1)",
            "!steps.check.ok || steps.check.count > 1",
            "steps.check.ok ? steps.check.count : 0",
            "has(steps.check.count)",
        ] {
            assert_eq!(codes(good), Vec::<&str>::new(), "{good}");
        }
        for bad in [
            "steps.check.count > 1",
            "steps.check.ok || steps.check.count > 1",
            "steps.check.ok ? 0 : steps.check.count",
            "steps.check.count > 1 && steps.check.ok",
        ] {
            assert_eq!(codes(bad), ["RB0208"], "{bad}");
        }
    }

    #[test]
    fn an_assumption_lifts_a_refusal_too() {
        let mut env = env();
        env.refuse(
            Refusal::new(&["steps", "check"], "may be skipped")
                .except(&["ok"])
                .unless(&["steps", "check", "ok"], true),
        );
        let when = "params.forced && steps.check.ok";
        let when = compile(when, at(when), &env, None).0.unwrap();
        env.assume(&when.root, true);
        let source = "steps.check.count > 1";
        assert!(compile(source, at(source), &env, None).1.is_empty());
    }

    #[test]
    fn depth_and_length_are_bounded_and_long_rows_of_conditions_are_not_deep() {
        for source in [
            "(".repeat(1000),
            format!("{}1{}", "(".repeat(1000), ")".repeat(1000)),
            "!".repeat(2000),
            format!("{}1", "- ".repeat(1000)),
            "[".repeat(1500),
            vec!["1"; 900].join("+"),
            format!("a{}", ".b".repeat(900)),
            "true ? true : ".repeat(140),
            "f(".repeat(900),
            format!("true{}", "[0]".repeat(500)),
        ] {
            let found = codes(&source, None);
            assert_eq!(found, ["RB0202"], "{}", &source[..20]);
        }
        assert_eq!(codes(&"x".repeat(3000), None), ["RB0202"]);
        assert_eq!(codes(&vec!["params.forced"; 120].join(" || "), None), Vec::<&str>::new());
    }

    fn value(source: &str, scope: &Scope) -> Result<Value, String> {
        let (expression, problems) = compile(source, at(source), &env(), None);
        eval(&expression.unwrap_or_else(|| panic!("{source}: {problems:?}")), scope).map_err(|e| e.message)
    }

    fn scope(free: Value, forced: Value) -> Scope {
        let mut scope = Scope::new();
        scope.set(
            "params",
            Value::map([("forced", forced), ("age", Value::Duration(std::time::Duration::from_secs(600)))]),
        );
        let members = Value::List(vec![
            Value::map([
                ("name", Value::text("web-01")),
                ("up", Value::Bool(true)),
                ("weight", Value::Int(1)),
            ]),
            Value::map([("name", Value::text("web-02")), ("up", Value::Unknown), ("weight", Value::Int(2))]),
        ]);
        scope.set(
            "steps",
            Value::map([(
                "check",
                Value::map([
                    ("free_percent", free),
                    ("members", members),
                    ("json", Value::map([("n", Value::text("0"))])),
                    ("count", Value::Int(i64::MAX)),
                ]),
            )]),
        );
        scope
    }

    #[test]
    fn the_unknown_stays_unknown_unless_the_other_side_decides() {
        let scope = scope(Value::Unknown, Value::Bool(true));
        for (source, expected) in [
            ("steps.check.free_percent > 3.0", Value::Unknown),
            ("steps.check.free_percent > 3.0 && false", Value::Bool(false)),
            ("steps.check.free_percent > 3.0 || params.forced", Value::Bool(true)),
            ("steps.check.free_percent > 3.0 || !params.forced", Value::Unknown),
            ("steps.check.members.exists(m, m.up)", Value::Bool(true)),
            ("steps.check.members.all(m, m.up)", Value::Unknown),
            ("steps.check.members.all(m, m.up && m.weight > 5)", Value::Bool(false)),
            ("steps.check.members.filter(m, m.up)", Value::Unknown),
            ("steps.check.members.filter(m, m.up).size() < 2", Value::Unknown),
            ("steps.check.members.filter(m, m.weight > 1).size()", Value::Int(1)),
            ("steps.check.members.exists_one(m, m.up)", Value::Unknown),
            ("steps.check.free_percent > 3.0 ? 1 : 2", Value::Unknown),
            ("params.forced ? 1 : 2", Value::Int(1)),
            ("params.age > duration('5m') && params.age.seconds == 600", Value::Bool(true)),
            ("steps.check.json.gone == 1 && false", Value::Bool(false)),
            ("steps.check.json.gone == 1 && steps.check.free_percent > 1.0", Value::Unknown),
        ] {
            assert_eq!(value(source, &scope), Ok(expected), "{source}");
        }
    }

    #[test]
    fn what_cannot_be_computed_is_an_error_never_a_panic() {
        let scope = scope(Value::Float(1.0), Value::Bool(true));
        for (source, words) in [
            ("steps.check.count + 1", "out of range"),
            ("-(-steps.check.count - 1)", "out of range"),
            ("(-steps.check.count - 1) / -1", "out of range"),
            ("1 / (steps.check.count - steps.check.count)", "division by zero"),
            ("1 % 0", "division by zero"),
            ("1.0 / 0.0", "division by zero"),
            ("1e308 * 1e308", "out of range"),
            ("steps.check.members[5].name", "there is no item 5"),
            ("steps.check.members[-1].name", "there is no item -1"),
            ("steps.check.json.missing", "no `missing`"),
            ("steps.check.json.n == 0", "cannot compare"),
            ("steps.check.json.n > 0", "cannot compare"),
            ("params.master.name", "no `master`"),
            ("int(steps.check.json.missing2)", "missing2"),
            ("int(1e300)", "whole number"),
        ] {
            let message = value(source, &scope).unwrap_err();
            assert!(message.contains(words), "{source}: {message}");
        }
    }

    #[test]
    fn work_is_bounded() {
        let mut scope = Scope::new();
        scope.set("params", Value::map([("list", Value::List(vec![Value::Int(1); 3000]))]));
        let env = TypeEnv::new().with("params", Type::record([("list", Type::list(Type::Int))]));
        let source = "params.list.all(a, params.list.all(b, params.list.all(c, a == b && b == c)))";
        let expression = compile(source, at(source), &env, None).0.unwrap();
        assert!(eval(&expression, &scope).unwrap_err().message.contains("too much work"));
    }

    #[test]
    fn paths_are_the_longest_forms_without_bound_names() {
        let source = "steps.check.members.exists(m, m.name == params.master.name) && steps.check.hosts['web-01'].ok";
        let tree = parse::parse(source, Place::new(source, at(source))).unwrap();
        let found: Vec<String> = paths(&tree).iter().map(|p| p.join("/")).collect();
        assert_eq!(found, ["steps/check/members", "params/master/name", "steps/check/hosts/web-01/ok"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: cases(2000), failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn no_expression_panics(
            pieces in prop::collection::vec(prop::sample::select(PIECES), 0..16),
            noise in "\\PC{0,4}",
            wide in any::<bool>(),
        ) {
            let source = pieces.concat() + &noise;
            let span = Span::new(SourceId(0), 0, source.len() + usize::from(wide));
            if let (Some(expression), _) = compile(&source, span, &env(), None) {
                let _ = eval(&expression, &scope(Value::Unknown, Value::Null));
                let _ = eval(&expression, &scope(Value::Int(0), Value::Unknown));
                let _ = eval(&expression, &Scope::new());
                let _ = paths(&expression.root);
            }
        }
    }

    const PIECES: &[&str] = &[
        "steps.check",
        ".members",
        ".json",
        ".count",
        ".free_percent",
        "params",
        ".age",
        ".seconds",
        ".forced",
        ".x",
        "[",
        "]",
        "(",
        ")",
        "'a'",
        "\"",
        "'",
        "\\",
        "0",
        "1",
        "9223372036854775808",
        "1.5",
        "1e400",
        "-",
        "!",
        "==",
        "<",
        " in ",
        "&&",
        "||",
        "+",
        "*",
        "/",
        "%",
        "?",
        ":",
        ",",
        ".exists(m, ",
        ".map(m, ",
        ".filter(m, ",
        "m",
        "size(",
        "has(",
        "int(",
        "string(",
        "now()",
        "true",
        "null",
        "é",
        " ",
        "duration(",
        ".matches(",
    ];

    fn cases(normal: u32) -> u32 {
        std::env::var("RUNBOOK_FUZZ_CASES")
            .ok()
            .and_then(|n| n.parse().ok())
            .unwrap_or(normal)
    }
}
