//! What names mean while a text or an expression is checked: their types, and the results that cannot be read at this place.
//!
//! The caller fills a [`TypeEnv`]; `expression` and `template` ask it. It knows nothing of steps: a result that may be missing is
//! a [`Refusal`] with the caller's own words.

use std::collections::BTreeMap;

use crate::base::value::Value;
use crate::diagnostic::{Diagnostic, Span, nearest};
use crate::model::text::{Expr, ExprKind};
use crate::model::types::Type;

/// A path that is known but cannot be read here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// The path it speaks of and everything below, `steps.x`.
    pub path: Vec<String>,
    /// Why, to follow the path in a sentence: ``may be skipped``, ``is not done yet``.
    pub reason: String,
    /// What to write instead.
    pub help: Option<String>,
    /// Fields directly below that can be read all the same: `ok`, `skipped`, `hosts`.
    pub except: Vec<String>,
    /// So many names stand between the path and those fields: the host of `steps.x.hosts['web-01'].ok`.
    pub between: usize,
    /// Paths that lift the refusal where they are known to be so: `steps.x.ok` when true. A refusal with guards means "may be
    /// absent", so `has()` and the helper `default` lift it too.
    pub guards: Vec<(Vec<String>, bool)>,
}

impl Refusal {
    /// A refusal that nothing lifts.
    #[must_use]
    pub fn new(path: &[&str], reason: impl Into<String>) -> Refusal {
        Refusal {
            path: path.iter().map(|s| (*s).to_owned()).collect(),
            reason: reason.into(),
            ..Refusal::default()
        }
    }

    /// Says what to write instead.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Refusal {
        self.help = Some(help.into());
        self
    }

    /// Lets these fields through.
    #[must_use]
    pub fn except(mut self, fields: &[&str]) -> Refusal {
        self.except = fields.iter().map(|s| (*s).to_owned()).collect();
        self
    }

    /// Is lifted where `path` is known to be `truth`.
    #[must_use]
    pub fn unless(mut self, path: &[&str], truth: bool) -> Refusal {
        self.guards.push((path.iter().map(|s| (*s).to_owned()).collect(), truth));
        self
    }
}

/// Something known to hold where the text stands: a path of type bool and its value.
pub type Fact = (Vec<String>, bool);

/// The names that can be seen at one place of a runbook.
#[derive(Clone, Debug, Default)]
pub struct TypeEnv {
    names: BTreeMap<String, Type>,
    refusals: Vec<Refusal>,
    facts: Vec<Fact>,
    secrets: bool,
}

/// One name of a path, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// `steps`, `free_percent`, or the text of `['web-01']`.
    pub name: String,
    /// Its place.
    pub span: Span,
}

impl TypeEnv {
    /// Nothing visible yet.
    #[must_use]
    pub fn new() -> TypeEnv {
        TypeEnv::default()
    }

    /// Makes `name` visible; replaces an earlier meaning.
    pub fn set(&mut self, name: impl Into<String>, kind: Type) {
        self.names.insert(name.into(), kind);
    }

    /// The same names and one more.
    #[must_use]
    pub fn with(&self, name: impl Into<String>, kind: Type) -> TypeEnv {
        let mut wider = self.clone();
        wider.set(name, kind);
        wider
    }

    /// The type of a top name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Type> {
        self.names.get(name)
    }

    /// A secret may stand here: what is written goes to where nobody reads along.
    pub fn let_secrets(&mut self, may: bool) {
        self.secrets = may;
    }

    /// Forbids a path here.
    pub fn refuse(&mut self, refusal: Refusal) {
        self.refusals.push(refusal);
    }

    /// From here on `condition` is known to be `truth`: what stands under a `when`, say.
    pub fn assume(&mut self, condition: &Expr, truth: bool) {
        self.facts.extend(facts(condition, truth));
    }

    /// The type of a path; `locals` (loop variables of the expression itself) hide the names outside.
    ///
    /// # Errors
    /// An unknown name or field, or a path that cannot be read here.
    pub fn resolve(&self, path: &[Segment], locals: &[(String, Type)], facts: &[Fact]) -> Result<Type, Box<Diagnostic>> {
        let (first, rest) = path.split_first().expect("a path has a first name");
        let local = locals.iter().rev().find(|(name, _)| *name == first.name);
        if local.is_none()
            && let Some(refusal) = self.refused(path, facts)
        {
            return Err(Box::new(refusal_diagnostic(refusal, path)));
        }
        let mut kind = match local {
            Some((_, kind)) => kind.clone(),
            None => self
                .names
                .get(&first.name)
                .cloned()
                .ok_or_else(|| Box::new(self.unknown_name(first, locals)))?,
        };
        for (i, segment) in rest.iter().enumerate() {
            let owner = join(&path[..=i]);
            kind = field(&kind, segment, &owner)?;
        }
        if kind.holds_secret() && !(self.secrets && kind == Type::Secret) {
            return Err(Box::new(secret_diagnostic(path)));
        }
        Ok(kind)
    }

    /// True when the path may be absent here, and `default` or `has()` is the way to say so.
    #[must_use]
    pub fn may_be_absent(&self, path: &[Segment]) -> bool {
        self.refused(path, &[]).is_some_and(|r| !r.guards.is_empty())
    }

    /// The same names, without the refusals that mean "may be absent".
    #[must_use]
    pub fn where_absent_is_fine(&self) -> TypeEnv {
        let mut wider = self.clone();
        wider.refusals.retain(|r| r.guards.is_empty());
        wider
    }

    fn refused(&self, path: &[Segment], facts: &[Fact]) -> Option<&Refusal> {
        self.refusals.iter().find(|r| {
            let covers = r.path.len() <= path.len() && r.path.iter().zip(path).all(|(a, b)| *a == b.name);
            let excepted = path.get(r.path.len() + r.between).is_some_and(|next| r.except.contains(&next.name));
            let lifted = r.guards.iter().any(|g| facts.contains(g) || self.facts.contains(g));
            covers && !excepted && !lifted
        })
    }

    fn unknown_name(&self, found: &Segment, locals: &[(String, Type)]) -> Diagnostic {
        let mut known: Vec<&str> = locals
            .iter()
            .map(|(n, _)| n.as_str())
            .chain(self.names.keys().map(String::as_str))
            .collect();
        known.sort_unstable();
        known.dedup();
        let problem = Diagnostic::error("RB0203", found.span, format!("unknown name `{}`", found.name)).label("not known here");
        let words = known.iter().copied().chain(["true", "false", "null"]);
        match nearest(&found.name, words) {
            Some(near) => problem.replacement(near),
            None if known.is_empty() => problem.help("no names can be used here"),
            None => problem.help(format!(
                "names that can be used here: {}; a text stands in quotes: `'{}'`",
                list(&known),
                found.name
            )),
        }
    }
}

/// What follows for single paths when `condition` is `truth`.
#[must_use]
pub fn facts(condition: &Expr, truth: bool) -> Vec<Fact> {
    match &condition.kind {
        ExprKind::Name(_) | ExprKind::Field(..) | ExprKind::Index(..) => static_path(condition).map(|p| (p, truth)).into_iter().collect(),
        ExprKind::Unary("!", inner) => facts(inner, !truth),
        ExprKind::Binary("&&", a, b) if truth => [facts(a, true), facts(b, true)].concat(),
        ExprKind::Binary("||", a, b) if !truth => [facts(a, false), facts(b, false)].concat(),
        ExprKind::Binary(operator @ ("==" | "!="), a, b) => match (&a.kind, &b.kind) {
            (_, ExprKind::Literal(Value::Bool(word))) => facts(a, (*operator == "==") == (*word == truth)),
            (ExprKind::Literal(Value::Bool(word)), _) => facts(b, (*operator == "==") == (*word == truth)),
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// The names of `a.b['c']`, when all of them stand in the text.
#[must_use]
pub fn static_path(expr: &Expr) -> Option<Vec<String>> {
    segments(expr).map(|path| path.into_iter().map(|s| s.name).collect())
}

/// As [`static_path`], with the places.
pub(super) fn segments(expr: &Expr) -> Option<Vec<Segment>> {
    let last = |name: &str, outer: Span, base: &Expr| {
        let whole = outer == base.span;
        let span = if whole {
            outer
        } else {
            Span {
                start: base.span.end.min(outer.end),
                ..outer
            }
        };
        Segment {
            name: name.to_owned(),
            span,
        }
    };
    match &expr.kind {
        ExprKind::Name(name) => Some(vec![Segment {
            name: name.clone(),
            span: expr.span,
        }]),
        ExprKind::Field(base, name) => {
            let mut path = segments(base)?;
            let mut segment = last(name, expr.span, base);
            // The name alone, without the dot and the blanks before it.
            if segment.span != expr.span {
                segment.span.start = segment.span.end.saturating_sub(u32::try_from(name.len()).unwrap_or(0));
            }
            path.push(segment);
            Some(path)
        }
        ExprKind::Index(base, key) => match &key.kind {
            ExprKind::Literal(Value::Text(name)) => {
                let mut path = segments(base)?;
                path.push(Segment {
                    name: name.clone(),
                    span: key.span,
                });
                Some(path)
            }
            _ => None,
        },
        _ => None,
    }
}

/// The type of a field of a value of type `kind`.
pub(super) fn field(kind: &Type, segment: &Segment, owner: &str) -> Result<Type, Box<Diagnostic>> {
    let known: Vec<&str> = match kind {
        Type::Dynamic => return Ok(Type::Dynamic),
        Type::Map(item) => return Ok((**item).clone()),
        Type::Record(fields) => match fields.get(&segment.name) {
            Some(found) => return Ok(found.clone()),
            None => fields.keys().map(String::as_str).collect(),
        },
        Type::Duration => vec!["seconds"],
        Type::Size => vec!["bytes"],
        Type::Percent => vec!["percent", "ratio"],
        _ => Vec::new(),
    };
    match (kind, segment.name.as_str()) {
        (Type::Duration, "seconds") | (Type::Size, "bytes") => return Ok(Type::Int),
        (Type::Percent, "percent" | "ratio") => return Ok(Type::Float),
        _ => {}
    }
    let problem = Diagnostic::error("RB0203", segment.span, format!("`{owner}` has no field `{}`", segment.name));
    let problem = problem.label(format!("`{owner}` is a {}", short(kind)));
    Err(Box::new(match nearest(&segment.name, known.iter().copied()) {
        Some(near) => problem.replacement(near),
        None if known.is_empty() => problem.help(no_fields(kind, owner)),
        None => problem.help(format!("fields of `{owner}`: {}", list(&known))),
    }))
}

fn no_fields(kind: &Type, owner: &str) -> String {
    match kind {
        Type::List(_) => format!("a list has items, not fields: `{owner}.exists(x, …)`, `{owner}[0]`, `{owner}.size()`"),
        _ => format!("`{owner}` is a plain {}: use it without a field", short(kind)),
    }
}

fn secret_diagnostic(path: &[Segment]) -> Diagnostic {
    let (first, last) = (&path[0], &path[path.len() - 1]);
    let span = Span {
        end: last.span.end.max(first.span.end),
        ..first.span
    };
    let message = format!("`{}` holds a secret, which cannot stand here", join(path));
    Diagnostic::error("RB0320", span, message)
        .label("would be shown or recorded")
        .help("a secret may reach `env`, `stdin`, `headers` and `password` of an action, and nothing else")
}

fn refusal_diagnostic(refusal: &Refusal, path: &[Segment]) -> Diagnostic {
    let (first, last) = (&path[0], &path[path.len() - 1]);
    let span = Span {
        end: last.span.end.max(first.span.end),
        ..first.span
    };
    let problem = Diagnostic::error("RB0208", span, format!("`{}` {}", refusal.path.join("."), refusal.reason));
    let problem = problem.label("cannot be read here");
    match &refusal.help {
        Some(help) => problem.help(help.clone()),
        None => problem,
    }
}

/// A type in few words; a record's fields are named elsewhere.
#[must_use]
pub fn short(kind: &Type) -> String {
    match kind {
        Type::Record(_) => String::from("record"),
        Type::List(item) => format!("list of {}", short(item)),
        Type::Map(item) => format!("map of {}", short(item)),
        other => other.to_string(),
    }
}

/// True for a type that stands for itself in a text.
#[must_use]
pub fn is_scalar(kind: &Type) -> bool {
    !matches!(kind, Type::Record(_) | Type::Map(_) | Type::List(_))
}

fn join(path: &[Segment]) -> String {
    path.iter().map(|s| s.name.as_str()).collect::<Vec<_>>().join(".")
}

/// At most a dozen names; a person reads no more.
fn list(names: &[&str]) -> String {
    let shown: Vec<String> = names.iter().take(12).map(|n| format!("`{n}`")).collect();
    let more = names.len().saturating_sub(12);
    if more == 0 {
        shown.join(", ")
    } else {
        format!("{} and {more} more", shown.join(", "))
    }
}
