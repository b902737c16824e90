//! Any text as an expression; what is accepted is evaluated.
#![no_main]

use libfuzzer_sys::fuzz_target;
use runbook::base::value::Value;
use runbook::diagnostic::{SourceId, Span};
use runbook::lang::expression;
use runbook::lang::types::TypeEnv;
use runbook::model::text::Scope;
use runbook::model::types::Type;

fuzz_target!(|source: &str| {
    let mut env = TypeEnv::new();
    let member = Type::record([("name", Type::Text), ("up", Type::Bool), ("weight", Type::Int)]);
    for (name, kind) in [
        ("n", Type::Int),
        ("x", Type::Float),
        ("t", Type::Text),
        ("d", Type::Duration),
        ("members", Type::list(member)),
        ("vars", Type::Map(Box::new(Type::Dynamic))),
    ] {
        env.set(name, kind);
    }
    let (expression, mistakes) = expression::compile(source, Span::new(SourceId(0), 0, source.len()), &env, None);
    assert_eq!(expression.is_none(), mistakes.has_errors());
    let Some(expression) = expression else { return };
    let member = Value::map([("name", Value::text("é")), ("up", Value::Bool(true)), ("weight", Value::Int(i64::MIN))]);
    let mut scope = Scope::new();
    for (name, value) in [
        ("n", Value::Int(i64::MIN)),
        ("x", Value::Float(-0.0)),
        ("t", Value::text("a\u{0}é")),
        ("d", Value::Duration(std::time::Duration::from_secs(u64::MAX))),
        ("members", Value::List(vec![member; 3])),
        ("vars", Value::map([("a", Value::Int(1)), ("b", Value::Unknown)])),
    ] {
        scope.set(name, value);
    }
    let _ = expression::eval(&expression, &scope);
});
