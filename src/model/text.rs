//! Compiled texts (with `{{placeholders}}`) and compiled expressions. Parsing, checking and evaluating are `lang`'s.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use crate::base::value::Value;
use crate::diagnostic::Span;
use crate::model::types::Type;

/// Where a text ends up; decides how a placeholder's value is escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Destination {
    /// An argument, a name, a message: left alone.
    #[default]
    Plain,
    /// A `sh` script: every value is quoted.
    Shell,
    /// A JSON text: every value is JSON-quoted.
    Json,
}

/// A string of the runbook, its placeholders found and checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Text {
    /// As written.
    pub source: String,
    /// Where its content stands.
    pub span: Span,
    /// Literal text and placeholders in order. Empty when `blocks` is set.
    pub parts: Vec<Part>,
    /// It uses `{{#if}}` or `{{#each}}` and is rendered by the template engine.
    pub blocks: bool,
    /// How values are escaped.
    pub destination: Destination,
}

impl Text {
    /// A text without placeholders.
    #[must_use]
    pub fn literal(text: impl Into<String>, span: Span) -> Text {
        let source: String = text.into();
        Text {
            parts: vec![Part::Literal(source.clone())],
            source,
            span,
            blocks: false,
            destination: Destination::Plain,
        }
    }

    /// The text, if it holds no placeholder.
    #[must_use]
    pub fn as_literal(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] if !self.blocks => Some(""),
            [Part::Literal(text)] => Some(text),
            _ => None,
        }
    }
}

/// A piece of a text.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// Stands for itself.
    Literal(String),
    /// `{{path}}` or `{{helper path …}}`.
    Placeholder(Placeholder),
}

/// `{{path}}` or `{{helper argument …}}`.
#[derive(Clone, Debug, PartialEq)]
pub struct Placeholder {
    /// One of the closed list, if given.
    pub helper: Option<String>,
    /// Paths and literals, at least one.
    pub arguments: Vec<Operand>,
    /// Where it stands, braces included.
    pub span: Span,
}

/// An argument in a placeholder.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// `steps.before.free_percent`
    Path(Vec<String>),
    /// `'unknown'`, `3`, `true`
    Literal(Value),
}

/// A compiled expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression {
    /// As written.
    pub source: String,
    /// Where its content stands.
    pub span: Span,
    /// The tree.
    pub root: Expr,
    /// What it yields.
    pub kind: Type,
}

/// A node of an expression, with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Its place in the file.
    pub span: Span,
}

/// Kinds of expression nodes.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// `3`, `'x'`, `true`, `null`
    Literal(Value),
    /// `[a, b]`
    List(Vec<Expr>),
    /// `params`
    Name(String),
    /// `a.b`
    Field(Box<Expr>, String),
    /// `a['b']`, `a[0]`
    Index(Box<Expr>, Box<Expr>),
    /// `size(x)`, `x.contains(y)`: the receiver, if any, is the first argument
    Call {
        /// The function.
        function: String,
        /// The receiver of `a.f(b)`, else the first argument, then the rest.
        arguments: Vec<Expr>,
        /// Written as `a.f(b)`.
        method: bool,
    },
    /// `list.exists(x, body)`
    Comprehension {
        /// exists, all, exists_one, filter, map
        function: String,
        /// The list.
        list: Box<Expr>,
        /// The name bound to each item.
        variable: String,
        /// Evaluated for each item.
        body: Box<Expr>,
    },
    /// `!a`, `-a`
    Unary(&'static str, Box<Expr>),
    /// `a && b`, `a + b`, `a in b`
    Binary(&'static str, Box<Expr>, Box<Expr>),
    /// `a ? b : c`
    Conditional(Box<Expr>, Box<Expr>, Box<Expr>),
}

/// The names a text or an expression can see while it is evaluated: `params`, `steps`, `result`, `run`, loop variables.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    names: BTreeMap<String, Shown>,
    asked: Arc<Mutex<Asked>>,
}

/// What was asked of records that are made in parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// The parts.
    pub parts: BTreeSet<String>,
    /// All of one.
    pub whole: bool,
}

type Maker = Box<dyn FnOnce() -> Value + Send>;

#[derive(Clone, Debug)]
enum Shown {
    Now(Arc<Value>),
    WhenAsked(Arc<LazyLock<Value, Maker>>),
    InParts(Arc<LazyLock<Value, Maker>>, Arc<dyn Parts>),
}

/// A record so large that it is made piece by piece, as it is asked for.
pub trait Parts: fmt::Debug + Send + Sync {
    /// One of its fields, or a field of that field; `None`: the whole must be asked.
    fn part(&self, name: &str, field: Option<&str>) -> Option<Value>;

    /// All of it.
    fn whole(&self) -> Value;
}

impl Scope {
    /// Nothing visible yet.
    #[must_use]
    pub fn new() -> Scope {
        Scope::default()
    }

    /// Makes `name` visible; replaces an earlier value.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<Arc<Value>>) {
        self.names.insert(name.into(), Shown::Now(value.into()));
    }

    /// As [`Scope::set`], for a large value that most texts never ask for: it is made once, when first asked for.
    pub fn set_when_asked(&mut self, name: impl Into<String>, make: impl FnOnce() -> Value + Send + 'static) {
        let maker: Maker = Box::new(make);
        self.names.insert(name.into(), Shown::WhenAsked(Arc::new(LazyLock::new(maker))));
    }

    /// As [`Scope::set_when_asked`], for a record of which most texts ask for one field.
    pub fn set_in_parts(&mut self, name: impl Into<String>, parts: Arc<dyn Parts>) {
        let all = parts.clone();
        let maker: Maker = Box::new(move || all.whole());
        self.names
            .insert(name.into(), Shown::InParts(Arc::new(LazyLock::new(maker)), parts));
    }

    /// The value of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        Some(match self.names.get(name)? {
            Shown::Now(value) => value,
            Shown::WhenAsked(value) => value,
            Shown::InParts(value, _) => {
                self.noted().whole = true;
                value
            }
        })
    }

    /// `name.part` or `name.part.field` of a record that is made in parts; `None`: ask for the whole.
    #[must_use]
    pub fn part(&self, name: &str, part: &str, field: Option<&str>) -> Option<Value> {
        match self.names.get(name)? {
            Shown::InParts(_, parts) => {
                self.noted().parts.insert(part.to_owned());
                parts.part(part, field)
            }
            Shown::Now(_) | Shown::WhenAsked(_) => None,
        }
    }

    /// What was asked so far, also of copies, of the records that are made in parts.
    #[must_use]
    pub fn asked(&self) -> Asked {
        self.noted().clone()
    }

    fn noted(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value at a path such as `steps.before.memory`; `None`: something of it is not there.
    #[must_use]
    pub fn at(&self, path: &[String]) -> Option<Value> {
        let (first, rest) = path.split_first()?;
        let made = rest.first().and_then(|part| {
            let field = rest.get(1).map(String::as_str);
            self.part(first, part, field)
        });
        let (start, rest) = match made {
            Some(value) => (value, rest.get(2..).unwrap_or_default()),
            None => (self.get(first)?.clone(), rest),
        };
        rest.iter().try_fold(start, |value, name| value.field(name))
    }
}
