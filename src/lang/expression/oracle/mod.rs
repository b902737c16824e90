//! Differential test: whatever we accept and can compute, the `cel` crate computes alike.
//!
//! [`generate`] puts expressions together at random, most of them well typed; [`coverage`] knows which pairs of operator, function
//! and types our checker accepts at all, so that none is left out. `RUNBOOK_CEL_CASES` asks for more than the normal run.
#![allow(clippy::unwrap_used)]

mod coverage;
mod generate;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use self::coverage::{Meetings, Table};
use self::generate::Dice;
use super::{compile, eval};
use crate::base::value::Value;
use crate::diagnostic::{SourceId, Span};
use crate::lang::types::TypeEnv;
use crate::model::text::{Expression, Scope};
use crate::model::types::Type;

/// Generated in a normal run.
const CASES: usize = 100_000;
/// Each thread has its own part, so that a failure is repeated by the same number of cases on any machine.
const PARTS: usize = 4;

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
    let vars = [
        ("a", Value::Int(1)),
        ("site", Value::text("eu")),
        ("half", Value::Float(0.5)),
        ("on", Value::Bool(true)),
        ("list", Value::List(vec![Value::Int(1), Value::Int(2)])),
    ];
    let values = BTreeMap::from([
        ("n", Value::Int(7)),
        ("x", Value::Float(2.5)),
        ("t", Value::text("web-01")),
        ("yes", Value::Bool(true)),
        ("no", Value::Bool(false)),
        ("ints", Value::List(vec![Value::Int(3), Value::Int(-1), Value::Int(7)])),
        ("floats", Value::List(vec![Value::Float(0.5), Value::Float(-2.0)])),
        ("texts", Value::List(vec![Value::text("a"), Value::text("web-01"), Value::text("")])),
        ("bools", Value::List(vec![Value::Bool(true), Value::Bool(false)])),
        ("none", Value::List(Vec::new())),
        ("members", members),
        ("vars", Value::map(vars)),
        ("wait", Value::Duration(Duration::from_secs(90))),
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
        ("floats", Type::list(Type::Float)),
        ("texts", Type::list(Type::Text)),
        ("bools", Type::list(Type::Bool)),
        ("none", Type::list(Type::Int)),
        ("members", Type::list(record)),
        ("vars", Type::Map(Box::new(Type::Dynamic))),
        ("wait", Type::Duration),
    ];
    let mut env = TypeEnv::new();
    kinds.into_iter().for_each(|(name, kind)| env.set(name, kind));
    (values, env)
}

fn accepted(source: &str, env: &TypeEnv) -> Option<Expression> {
    compile(source, Span::new(SourceId(0), 0, source.len()), env, None).0
}

fn to_cel(value: &Value) -> cel::Value {
    match value {
        Value::Null => cel::Value::Null,
        Value::Bool(b) => cel::Value::Bool(*b),
        Value::Int(n) => cel::Value::Int(*n),
        Value::Float(n) => cel::Value::Float(*n),
        Value::Text(t) => cel::Value::String(Arc::new(t.clone())),
        Value::Duration(d) => cel::Value::Duration(chrono::TimeDelta::from_std(*d).unwrap()),
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

/// What became of the generated expressions.
#[derive(Default)]
struct Tally {
    /// Accepted, and both compute the same.
    alike: usize,
    /// Accepted, but not computed by us: a division by zero, an index out of range.
    ours_fails: usize,
    /// Not accepted.
    refused: usize,
    table: Table,
}

fn scope(values: &BTreeMap<&str, Value>) -> Scope {
    let mut scope = Scope::new();
    values.iter().for_each(|(name, value)| scope.set(*name, value.clone()));
    scope
}

fn part(number: usize, cases: usize, possible: &Meetings) -> Tally {
    let (values, env) = world();
    let scope = scope(&values);
    let mut context = cel::Context::default();
    for (name, value) in &values {
        context.add_variable_from_value(*name, to_cel(value));
    }
    let possible: Vec<&Vec<String>> = possible.values().collect();
    let mut dice = Dice::new(number as u64);
    let mut tally = Tally::default();
    for _ in 0..cases {
        let source = generate::expression(&mut dice, &possible);
        let Some(expression) = accepted(&source, &env) else {
            tally.refused += 1;
            continue;
        };
        let program = cel::Program::compile(&source).unwrap_or_else(|e| panic!("CEL cannot read {source}: {e}"));
        match eval(&expression, &scope) {
            Ok(ours) => {
                let theirs = program
                    .execute(&context)
                    .unwrap_or_else(|e| panic!("CEL cannot compute {source}: {e}; ours: {ours:?}"));
                assert!(alike(&ours, &theirs), "{source}: ours {ours:?}, CEL {theirs:?}");
                tally.table.count(&expression.root, &env);
                tally.alike += 1;
            }
            // Ours is stricter about zero, size and types; it may fail where CEL goes on, never the reverse.
            Err(_) => tally.ours_fails += 1,
        }
    }
    tally
}

#[test]
fn what_we_accept_evaluates_as_cel_does() {
    let cases: usize = std::env::var("RUNBOOK_CEL_CASES")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(CASES);
    let (values, env) = world();
    let possible = coverage::possible(&env, |e| eval(e, &scope(&values)).is_ok());
    let mut all = Tally::default();
    let tallies: Vec<Tally> = std::thread::scope(|threads| {
        let run = |n| {
            threads.spawn({
                let possible = &possible;
                move || part(n, cases.div_ceil(PARTS), possible)
            })
        };
        let parts: Vec<_> = (0..PARTS).map(run).collect();
        parts.into_iter().map(|p| p.join().unwrap()).collect()
    });
    for tally in tallies {
        all.alike += tally.alike;
        all.ours_fails += tally.ours_fails;
        all.refused += tally.refused;
        all.table.add(&tally.table);
    }
    let (accepted, generated) = (all.alike + all.ours_fails, all.alike + all.ours_fails + all.refused);
    println!(
        "{generated} generated, {accepted} accepted: {} computed alike, {} not computed by ours",
        all.alike, all.ours_fails
    );
    println!("{}", all.table);
    assert!(generated >= cases && accepted * 2 >= generated);
    let hardly = all.table.hardly_covered(&possible);
    assert!(hardly.is_empty(), "accepted, but hardly ever generated: {hardly:?}");
}
