//! The functions: one table for names and shapes, then what each does. All but `now` are CEL's.

use crate::base::clock::parse_duration;
use crate::base::value::Value;
use crate::diagnostic::{Diagnostic, nearest};
use crate::lang::types::short;
use crate::model::text::{Expr, ExprKind};
use crate::model::types::Type;

use super::check::{Checker, undecided};
use super::operators::kind_of;
use super::parse::COMPREHENSIONS;

/// How a function is written and what it takes.
struct Function {
    name: &'static str,
    /// `x.f(…)`
    method: bool,
    /// `f(x, …)`
    plain: bool,
    arguments: usize,
    usage: &'static str,
}

const FUNCTIONS: &[Function] = &[
    Function {
        name: "size",
        method: true,
        plain: true,
        arguments: 1,
        usage: "`list.size()` or `size(text)`",
    },
    Function {
        name: "contains",
        method: true,
        plain: false,
        arguments: 2,
        usage: "`text.contains('part')`",
    },
    Function {
        name: "startsWith",
        method: true,
        plain: false,
        arguments: 2,
        usage: "`text.startsWith('part')`",
    },
    Function {
        name: "endsWith",
        method: true,
        plain: false,
        arguments: 2,
        usage: "`text.endsWith('part')`",
    },
    Function {
        name: "matches",
        method: true,
        plain: true,
        arguments: 2,
        usage: "`text.matches('^web-[0-9]+$')`",
    },
    Function {
        name: "has",
        method: false,
        plain: true,
        arguments: 1,
        usage: "`has(steps.check.json.field)`",
    },
    Function {
        name: "int",
        method: false,
        plain: true,
        arguments: 1,
        usage: "`int(x)`",
    },
    Function {
        name: "double",
        method: false,
        plain: true,
        arguments: 1,
        usage: "`double(x)`",
    },
    Function {
        name: "string",
        method: false,
        plain: true,
        arguments: 1,
        usage: "`string(x)`",
    },
    Function {
        name: "duration",
        method: false,
        plain: true,
        arguments: 1,
        usage: "`duration('5m')`",
    },
    Function {
        name: "now",
        method: false,
        plain: true,
        arguments: 0,
        usage: "`now()`: seconds since 1970",
    },
];

/// How each function is written.
pub(in crate::lang) fn usages() -> impl Iterator<Item = String> {
    let own = FUNCTIONS.iter().map(|f| f.usage.to_owned());
    own.chain(
        COMPREHENSIONS
            .iter()
            .map(|name| format!("`list.{name}(x, …)`: `x` is each item in turn")),
    )
}

/// What people write who come from another language.
const FOREIGN: &[(&str, &str)] = &[
    ("len", "size"),
    ("length", "size"),
    ("count", "size"),
    ("float", "double"),
    ("str", "string"),
    ("any", "exists"),
    ("some", "exists"),
    ("every", "all"),
    ("includes", "contains"),
    ("starts_with", "startsWith"),
    ("startswith", "startsWith"),
    ("ends_with", "endsWith"),
    ("endswith", "endsWith"),
    ("match", "matches"),
    ("regex", "matches"),
    ("defined", "has"),
];

/// The type of a call.
pub(super) fn check(checker: &mut Checker<'_>, whole: &Expr, name: &str, arguments: &[Expr], method: bool) -> Option<Type> {
    let Some(function) = FUNCTIONS.iter().find(|f| f.name == name) else {
        return checker.report(unknown(whole, name));
    };
    let written_right = if method { function.method } else { function.plain };
    if !written_right || arguments.len() != function.arguments {
        let problem = Diagnostic::error("RB0207", whole.span, format!("`{name}` is written {}", function.usage));
        return checker.report(problem.label("not so"));
    }
    if name == "has" {
        return has(checker, &arguments[0]);
    }
    let mut kinds = Vec::new();
    for argument in arguments {
        kinds.push(checker.kind(argument));
    }
    let kinds: Vec<Type> = kinds.into_iter().collect::<Option<_>>()?;
    for (at, (kind, argument)) in kinds.iter().zip(arguments).enumerate() {
        if !takes(name, at, kind) {
            return checker.report(refuse(function, kind, argument));
        }
        literal(checker, name, at, argument)?;
    }
    Some(match name {
        "size" | "int" | "now" => Type::Int,
        "double" => Type::Float,
        "string" => Type::Text,
        "duration" => Type::Duration,
        _ => Type::Bool,
    })
}

/// What a call yields. `Err` is a sentence.
pub(super) fn call(name: &str, arguments: &[&Value]) -> Result<Value, String> {
    let texts = || match arguments {
        [Value::Text(a), Value::Text(b)] => Ok((a, b)),
        _ => Err(format!(
            "`{name}` needs texts, found {}",
            arguments.iter().map(|a| kind_of(a)).collect::<Vec<_>>().join(" and ")
        )),
    };
    match (name, arguments) {
        ("size", [value]) => size(value),
        ("contains", _) => texts().map(|(a, b)| Value::Bool(a.contains(b.as_str()))),
        ("startsWith", _) => texts().map(|(a, b)| Value::Bool(a.starts_with(b.as_str()))),
        ("endsWith", _) => texts().map(|(a, b)| Value::Bool(a.ends_with(b.as_str()))),
        ("matches", _) => texts().and_then(|(a, b)| Ok(Value::Bool(pattern(b)?.is_match(a)))),
        ("int", [value]) => int(value),
        ("double", [value]) => double(value),
        ("string", [value]) => string(value),
        ("duration", [Value::Text(text)]) => parse_duration(text).map(Value::Duration),
        _ => Err(format!(
            "`{name}` cannot take {}",
            arguments.iter().map(|a| kind_of(a)).collect::<Vec<_>>().join(" and ")
        )),
    }
}

fn has(checker: &mut Checker<'_>, argument: &Expr) -> Option<Type> {
    if !matches!(argument.kind, ExprKind::Field(..)) {
        let problem = Diagnostic::error("RB0207", argument.span, "`has` asks for a field");
        return checker.report(problem.help("write `has(steps.check.json.field)`; for a key in quotes: `'key' in map`"));
    }
    checker.kind_if_present(argument).map(|_| Type::Bool)
}

fn takes(name: &str, at: usize, kind: &Type) -> bool {
    let text = matches!(kind, Type::Text | Type::Enum(_));
    let fits = match name {
        "size" => text || matches!(kind, Type::List(_) | Type::Map(_)),
        "int" | "double" => text || matches!(kind, Type::Int | Type::Float),
        "string" => text || matches!(kind, Type::Int | Type::Float | Type::Bool),
        _ => text,
    };
    // A pattern or a duration that only a run can tell could not be checked at all.
    fits || (*kind == Type::Dynamic && !(name == "duration" || (name == "matches" && at == 1)))
}

fn refuse(function: &Function, kind: &Type, argument: &Expr) -> Diagnostic {
    if *kind == Type::Dynamic {
        return undecided(argument.span, "say the type: `string(…)`");
    }
    let problem = Diagnostic::error(
        "RB0207",
        argument.span,
        format!("`{}` cannot take a {}", function.name, short(kind)),
    );
    let problem = problem.label(format!("this is a {}", short(kind)));
    match (function.name, kind) {
        ("contains", Type::List(_)) => problem.help("for an item of a list: `item in list`"),
        (_, Type::Duration) => problem.help("use `.seconds`"),
        (_, Type::Size) => problem.help("use `.bytes`"),
        (_, Type::Percent) => problem.help("use `.percent` or `.ratio`"),
        _ => problem.help(format!("write {}", function.usage)),
    }
}

/// Literals are tried when compiling.
fn literal(checker: &mut Checker<'_>, name: &str, at: usize, argument: &Expr) -> Option<()> {
    let ExprKind::Literal(value @ Value::Text(text)) = &argument.kind else {
        return Some(());
    };
    let verdict = match (name, at) {
        ("matches", 1) => pattern(text).map(|_| ()),
        ("duration", 0) => parse_duration(text).map(|_| ()),
        ("int", 0) => int(value).map(|_| ()),
        ("double", 0) => double(value).map(|_| ()),
        _ => Ok(()),
    };
    match verdict {
        Ok(()) => Some(()),
        Err(sentence) => {
            checker.report(Diagnostic::error("RB0210", argument.span, sentence).label("cannot be used"));
            None
        }
    }
}

fn unknown(whole: &Expr, name: &str) -> Diagnostic {
    let problem = Diagnostic::error("RB0207", whole.span, format!("unknown function `{name}`"));
    if COMPREHENSIONS.contains(&name) {
        let result = if name == "map" { "x.name" } else { "x.up" };
        return Diagnostic::error("RB0207", whole.span, format!("`{name}` is written `list.{name}(x, {result})`")).label("not so");
    }
    if let Some((_, right)) = FOREIGN.iter().find(|(found, _)| *found == name) {
        return problem.help(format!("did you mean `{right}`?"));
    }
    let known: Vec<&str> = FUNCTIONS.iter().map(|f| f.name).chain(COMPREHENSIONS.iter().copied()).collect();
    match nearest(name, known.iter().copied()) {
        Some(near) => problem.help(format!("did you mean `{near}`?")),
        None => problem.help(format!("known functions: {}", known.join(", "))),
    }
}

fn size(value: &Value) -> Result<Value, String> {
    let count = match value {
        Value::Text(text) => text.chars().count(),
        Value::List(list) => list.len(),
        Value::Map(map) => map.len(),
        other => return Err(format!("`size` needs a text, a list or a map, found {}", kind_of(other))),
    };
    Ok(Value::Int(i64::try_from(count).unwrap_or(i64::MAX)))
}

fn int(value: &Value) -> Result<Value, String> {
    match value {
        Value::Int(n) => Ok(Value::Int(*n)),
        // Strictly between -2^63 and 2^63, as CEL has it; inside, the cast cannot go wrong.
        #[allow(clippy::cast_possible_truncation)]
        Value::Float(n) if *n > -9_223_372_036_854_775_808.0 && *n < 9_223_372_036_854_775_808.0 => Ok(Value::Int(*n as i64)),
        Value::Float(n) => Err(format!("{n} does not fit into a whole number")),
        Value::Text(text) => text
            .parse()
            .map(Value::Int)
            .map_err(|_| format!("`{}` is not a whole number", excerpt(text))),
        other => Err(format!("`int` needs a number or a text, found {}", kind_of(other))),
    }
}

fn double(value: &Value) -> Result<Value, String> {
    let number = match value {
        #[allow(clippy::cast_precision_loss)]
        Value::Int(n) => Some(*n as f64),
        Value::Float(n) => Some(*n),
        Value::Text(text) => text.parse().ok(),
        other => return Err(format!("`double` needs a number or a text, found {}", kind_of(other))),
    };
    match number {
        Some(n) if n.is_finite() => Ok(Value::Float(n)),
        _ => Err(format!("`{}` is not a number", excerpt(&value.to_string()))),
    }
}

fn string(value: &Value) -> Result<Value, String> {
    match value {
        Value::Text(_) | Value::Int(_) | Value::Float(_) | Value::Bool(_) => Ok(Value::Text(value.to_string())),
        other => Err(format!("`string` needs a text, a number or a bool, found {}", kind_of(other))),
    }
}

/// A pattern, small enough that compiling it costs nothing worth speaking of.
fn pattern(text: &str) -> Result<regex_lite::Regex, String> {
    regex_lite::RegexBuilder::new(text)
        .size_limit(1 << 20)
        .nest_limit(50)
        .build()
        .map_err(|e| format!("`{}` is not a regular expression: {e}", excerpt(text)))
}

fn excerpt(text: &str) -> String {
    crate::base::sanitise::one_line(text, 60)
}
