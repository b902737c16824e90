//! Differential test: whatever we accept and can compute, the `cel` crate computes alike.
//!
//! Expressions are put together at random so that most are well typed; what our checker refuses is not counted.
//! `RUNBOOK_CEL_CASES` asks for more than the normal run.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::{compile, eval};
use crate::base::value::Value;
use crate::diagnostic::{SourceId, Span};
use crate::lang::types::TypeEnv;
use crate::model::text::{Expr, ExprKind, Scope};
use crate::model::types::Type;

fn member(name: &str, up: bool, state: &str, weight: i64, share: f64) -> Value {
    Value::map([
        ("name", Value::text(name)),
        ("up", Value::Bool(up)),
        ("state", Value::text(state)),
        ("weight", Value::Int(weight)),
        ("share", Value::Float(share)),
    ])
}

/// What both sides see, and its types.
fn world() -> (BTreeMap<&'static str, Value>, TypeEnv) {
    let members = Value::List(vec![
        member("web-01", true, "ready", 100, 0.5),
        member("web-02", false, "drain", 0, 1.25),
        member("db-é", true, "maint", 7, -3.0),
    ]);
    let values = BTreeMap::from([
        ("n", Value::Int(7)),
        ("x", Value::Float(2.5)),
        ("t", Value::text("web-01")),
        ("yes", Value::Bool(true)),
        ("no", Value::Bool(false)),
        ("ints", Value::List(vec![Value::Int(3), Value::Int(-1), Value::Int(7)])),
        ("texts", Value::List(vec![Value::text("a"), Value::text("web-01"), Value::text("")])),
        ("none", Value::List(Vec::new())),
        ("members", members),
        ("vars", Value::map([("a", Value::Int(1)), ("site", Value::text("eu"))])),
    ]);
    let states = Type::Enum(vec!["ready".into(), "drain".into(), "maint".into()]);
    let record = Type::record([
        ("name", Type::Text),
        ("up", Type::Bool),
        ("state", states),
        ("weight", Type::Int),
        ("share", Type::Float),
    ]);
    let kinds = [
        ("n", Type::Int),
        ("x", Type::Float),
        ("t", Type::Text),
        ("yes", Type::Bool),
        ("no", Type::Bool),
        ("ints", Type::list(Type::Int)),
        ("texts", Type::list(Type::Text)),
        ("none", Type::list(Type::Int)),
        ("members", Type::list(record)),
        ("vars", Type::Map(Box::new(Type::Dynamic))),
    ];
    let mut env = TypeEnv::new();
    kinds.into_iter().for_each(|(name, kind)| env.set(name, kind));
    (values, env)
}

/// Text of an expression of one kind, from the texts of smaller ones.
fn grown(kind: &'static str, depth: u32) -> BoxedStrategy<String> {
    let leaf = match kind {
        "bool" => prop::sample::select(vec![
            "true",
            "false",
            "yes",
            "no",
            "members[0].up",
            "'site' in vars",
            "has(vars.site)",
            "has(vars.gone)",
        ]),
        "int" => prop::sample::select(vec![
            "0",
            "1",
            "-1",
            "7",
            "n",
            "9223372036854775807",
            "-9223372036854775808",
            "members[1].weight",
            "vars.a",
            "ints[0]",
            "ints[9]",
        ]),
        "float" => prop::sample::select(vec!["0.0", "1.5", "x", "-2.25", "1e3", "members[2].share"]),
        "text" => prop::sample::select(vec![
            "''",
            "'web-01'",
            "\"é\\n\"",
            "'it\\'s'",
            "t",
            "members[0].name",
            "vars.site",
            "vars['site']",
            "members[1].state",
            "'12'",
            "'1.5'",
            "'ready'",
        ]),
        "ints" => prop::sample::select(vec!["ints", "none", "[1, 2, 3]", "[]", "[n]"]),
        "texts" => prop::sample::select(vec!["texts", "['a', t]", "members.map(m, m.name)"]),
        _ => prop::sample::select(vec!["members", "members.filter(m, m.up)"]),
    }
    .prop_map(String::from);
    if depth == 0 {
        return leaf.boxed();
    }
    let g = |kind| grown(kind, depth - 1);
    let compare = prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">="]);
    let equal = prop::sample::select(vec!["==", "!="]);
    let test = prop::sample::select(vec!["exists", "all", "exists_one"]);
    let body = prop::sample::select(vec!["v > 1", "v == n", "v % 2 == 0", "v / v == 1", "v != 3 && yes", "v in ints"]);
    let on = prop::sample::select(vec![
        "m.up",
        "m.state == 'ready'",
        "m.state in ['drain', 'maint']",
        "m.weight > n",
        "m.name.startsWith('web')",
        "m.share * 2.0 > x && m.up",
        "!m.up",
    ]);
    let arithmetic = prop::sample::select(vec!["+", "-", "*", "/", "%"]);
    let choice = move |kind| {
        (g("bool"), g(kind), g(kind))
            .prop_map(|(a, b, c)| format!("{a} ? {b} : {c}"))
            .prop_flat_map(bracketed)
    };
    let grown: BoxedStrategy<String> = match kind {
        "bool" => prop_oneof![
            (g("bool"), prop::sample::select(vec!["&&", "||", "==", "!="]), g("bool"))
                .prop_flat_map(|(a, o, b)| bracketed(format!("{a} {o} {b}"))),
            (g("int"), compare.clone(), g("int")).prop_map(|(a, o, b)| format!("{a} {o} {b}")),
            (g("int"), compare.clone(), g("float")).prop_map(|(a, o, b)| format!("{a} {o} {b}")),
            (g("float"), compare.clone(), g("float")).prop_map(|(a, o, b)| format!("{a} {o} {b}")),
            (g("text"), compare, g("text")).prop_map(|(a, o, b)| format!("{a} {o} {b}")),
            (g("ints"), equal, g("ints")).prop_map(|(a, o, b)| format!("{a} {o} {b}")),
            g("bool").prop_map(|a| format!("!({a})")),
            (g("int"), g("ints")).prop_map(|(a, b)| format!("{a} in {b}")),
            (g("text"), g("texts")).prop_map(|(a, b)| format!("{a} in {b}")),
            (g("ints"), test.clone(), body).prop_map(|(a, f, b)| format!("{a}.{f}(v, {b})")),
            (g("members"), test, on.clone()).prop_map(|(a, f, b)| format!("{a}.{f}(m, {b})")),
            (
                g("text"),
                prop::sample::select(vec!["contains", "startsWith", "endsWith"]),
                g("text")
            )
                .prop_map(|(a, f, b)| format!("({a}).{f}({b})")),
            choice("bool"),
        ]
        .boxed(),
        "int" => prop_oneof![
            (g("int"), arithmetic, g("int")).prop_flat_map(|(a, o, b)| bracketed(format!("{a} {o} {b}"))),
            g("int").prop_map(|a| format!("-({a})")),
            prop_oneof![g("text"), g("ints"), g("texts"), g("members")].prop_map(|a| format!("size({a})")),
            prop_oneof![g("ints"), g("texts"), g("members")].prop_map(|a| format!("({a}).size()")),
            prop_oneof![g("float"), g("int"), g("text")].prop_map(|a| format!("int({a})")),
            (g("ints"), g("int")).prop_map(|(a, b)| format!("{a}[{b}]")),
            choice("int"),
        ]
        .boxed(),
        "float" => prop_oneof![
            (g("float"), prop::sample::select(vec!["+", "-", "*", "/"]), g("float"))
                .prop_flat_map(|(a, o, b)| bracketed(format!("{a} {o} {b}"))),
            prop_oneof![g("float"), g("int"), g("text")].prop_map(|a| format!("double({a})")),
            g("float").prop_map(|a| format!("-({a})")),
            choice("float"),
        ]
        .boxed(),
        "text" => prop_oneof![
            (g("text"), g("text")).prop_map(|(a, b)| format!("({a} + {b})")),
            prop_oneof![g("int"), g("float"), g("text"), g("bool")].prop_map(|a| format!("string({a})")),
            choice("text"),
        ]
        .boxed(),
        "ints" => prop_oneof![
            (g("ints"), g("ints")).prop_map(|(a, b)| format!("({a} + {b})")),
            g("ints").prop_map(|a| format!("{a}.map(v, v * 2 - 1)")),
            (g("ints"), prop::sample::select(vec!["v > 0", "v != n"])).prop_map(|(a, b)| format!("{a}.filter(v, {b})")),
            (g("members")).prop_map(|a| format!("{a}.map(m, m.weight)")),
            choice("ints"),
        ]
        .boxed(),
        "texts" => prop_oneof![
            (g("texts"), g("texts")).prop_map(|(a, b)| format!("({a} + {b})")),
            g("members").prop_map(|a| format!("{a}.map(m, m.state)"))
        ]
        .boxed(),
        _ => (g("members"), on).prop_map(|(a, b)| format!("{a}.filter(m, {b})")).boxed(),
    };
    prop_oneof![1 => leaf, 4 => grown].boxed()
}

/// With brackets and without: precedence is tested too.
fn bracketed(text: String) -> impl Strategy<Value = String> {
    any::<bool>().prop_map(move |brackets| if brackets { format!("({text})") } else { text.clone() })
}

fn to_cel(value: &Value) -> cel::Value {
    match value {
        Value::Bool(b) => cel::Value::Bool(*b),
        Value::Int(n) => cel::Value::Int(*n),
        Value::Float(n) => cel::Value::Float(*n),
        Value::Text(t) => cel::Value::String(Arc::new(t.clone())),
        Value::List(items) => cel::Value::List(Arc::new(items.iter().map(to_cel).collect())),
        Value::Map(map) => {
            let map: HashMap<String, cel::Value> = map.iter().map(|(k, v)| (k.clone(), to_cel(v))).collect();
            cel::Value::from(map)
        }
        other => panic!("no such value in this test: {other:?}"),
    }
}

fn alike(ours: &Value, theirs: &cel::Value) -> bool {
    match (ours, theirs) {
        (Value::Float(a), cel::Value::Float(b)) => a == b,
        (Value::List(a), cel::Value::List(b)) => a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| alike(a, b)),
        (ours, theirs) => to_cel(ours) == *theirs && std::mem::discriminant(&to_cel(ours)) == std::mem::discriminant(theirs),
    }
}

fn count(expr: &Expr, counts: &mut BTreeMap<String, usize>) {
    let mut add = |name: &str| *counts.entry(name.to_owned()).or_default() += 1;
    let inner: Vec<&Expr> = match &expr.kind {
        ExprKind::Literal(_) | ExprKind::Name(_) => Vec::new(),
        ExprKind::List(items) => {
            add("[…]");
            items.iter().collect()
        }
        ExprKind::Field(base, _) => {
            add(".field");
            vec![base]
        }
        ExprKind::Index(a, b) => {
            add("[index]");
            vec![a, b]
        }
        ExprKind::Call { function, arguments, .. } => {
            add(function);
            arguments.iter().collect()
        }
        ExprKind::Comprehension { function, list, body, .. } => {
            add(function);
            vec![list, body]
        }
        ExprKind::Unary(operator, a) => {
            add(&format!("unary {operator}"));
            vec![a]
        }
        ExprKind::Binary(operator, a, b) => {
            add(operator);
            vec![a, b]
        }
        ExprKind::Conditional(a, b, c) => {
            add("?:");
            vec![a, b, c]
        }
    };
    inner.into_iter().for_each(|e| count(e, counts));
}

#[test]
fn what_we_accept_evaluates_as_cel_does() {
    let (values, env) = world();
    let mut scope = Scope::new();
    let mut context = cel::Context::default();
    for (name, value) in &values {
        scope.set(*name, value.clone());
        context.add_variable_from_value(*name, to_cel(value));
    }
    let wanted: usize = std::env::var("RUNBOOK_CEL_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(2000);
    let kinds = ["bool", "int", "float", "text", "ints"].map(|kind| grown(kind, 3));
    let mut runner = TestRunner::deterministic();
    let mut counts = BTreeMap::new();
    let (mut same, mut refused, mut failed) = (0, 0, 0);
    for turn in 0.. {
        if same >= wanted {
            break;
        }
        let source = kinds[turn % kinds.len()].new_tree(&mut runner).unwrap().current();
        let (Some(expression), _) = compile(&source, Span::new(SourceId(0), 0, source.len()), &env, None) else {
            refused += 1;
            continue;
        };
        let program = cel::Program::compile(&source).unwrap_or_else(|e| panic!("CEL cannot read {source}: {e}"));
        match eval(&expression, &scope) {
            Ok(ours) => {
                let theirs = program
                    .execute(&context)
                    .unwrap_or_else(|e| panic!("CEL cannot compute {source}: {e}; ours: {ours:?}"));
                assert!(alike(&ours, &theirs), "{source}: ours {ours:?}, CEL {theirs:?}");
                count(&expression.root, &mut counts);
                same += 1;
            }
            // Ours is stricter about zero, size and types; it may fail where CEL goes on, never the reverse.
            Err(_) => failed += 1,
        }
    }
    println!("{same} alike, {failed} that ours does not compute, {refused} refused; covered: {counts:?}");
    for name in [
        "==",
        "!=",
        "<",
        "<=",
        ">",
        ">=",
        "&&",
        "||",
        "+",
        "-",
        "*",
        "/",
        "%",
        "in",
        "?:",
        "unary !",
        "unary -",
        ".field",
        "[index]",
        "[…]",
        "size",
        "contains",
        "startsWith",
        "endsWith",
        "has",
        "int",
        "double",
        "string",
        "exists",
        "all",
        "exists_one",
        "filter",
        "map",
    ] {
        assert!(counts.get(name).is_some_and(|n| *n > 10), "`{name}` is hardly covered");
    }
}
