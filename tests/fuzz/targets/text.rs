//! Any text as a text with placeholders, for every destination; what is accepted is rendered.
#![no_main]

use libfuzzer_sys::fuzz_target;
use runbook::base::value::Value;
use runbook::diagnostic::{SourceId, Span};
use runbook::lang::template;
use runbook::lang::types::TypeEnv;
use runbook::model::text::{Destination, Scope};
use runbook::model::types::Type;

fuzz_target!(|source: &str| {
    let mut env = TypeEnv::new();
    env.set("params", Type::record([("a", Type::Text), ("n", Type::Int), ("l", Type::list(Type::Text))]));
    let mut scope = Scope::new();
    let hostile = Value::text("'; touch /tmp/x; \" $(id) `id` \u{1b}[2J {{params.a}}");
    let list = Value::List(vec![hostile.clone(), Value::text("")]);
    scope.set("params", Value::map([("a", hostile), ("n", Value::Int(-7)), ("l", list)]));
    for destination in [Destination::Plain, Destination::Shell, Destination::Json] {
        let (text, mistakes) = template::compile_text(source, Span::new(SourceId(0), 0, source.len()), destination, &env, true);
        assert_eq!(text.is_none(), mistakes.has_errors());
        if let Some(text) = text {
            let _ = template::render(&text, &scope);
            let _ = template::render_for_people(&text, &scope);
        }
    }
});
