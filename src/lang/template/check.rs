//! Checks the nodes of a text: names and types, helpers, blocks, and whether a value can be quoted where it stands.

use crate::diagnostic::{Diagnostic, Diagnostics, Span, nearest};
use crate::lang::types::{Fact, Segment, TypeEnv, is_scalar, short};
use crate::model::text::{Destination, Operand, Part, Text};
use crate::model::types::Type;

use super::danger::{in_json, in_shell};
use super::functions::{HELPERS, Helper};
use super::parse::{Argument, Node, Tag};

/// Reports everything that is wrong with a text.
pub(super) fn check(nodes: &[Node], destination: Destination, env: &TypeEnv, blocks_allowed: bool, problems: &mut Diagnostics) {
    let mut checker = Checker {
        env,
        destination,
        blocks_allowed,
        locals: Vec::new(),
        facts: Vec::new(),
        problems,
    };
    checker.nodes(nodes);
    match destination {
        Destination::Shell => in_shell(nodes, problems),
        Destination::Json => in_json(nodes, problems),
        Destination::Plain => {}
    }
}

/// What a text yields: the type of its only placeholder, else text. The names must be those it was compiled with.
#[must_use]
pub fn text_type(text: &Text, env: &TypeEnv) -> Type {
    let ([Part::Placeholder(placeholder)], Destination::Plain) = (text.parts.as_slice(), text.destination) else {
        return Type::Text;
    };
    match (&placeholder.helper, placeholder.arguments.as_slice()) {
        (None, [Operand::Path(path)]) => {
            let path: Vec<Segment> = path
                .iter()
                .map(|name| Segment {
                    name: name.clone(),
                    span: placeholder.span,
                })
                .collect();
            env.resolve(&path, &[], &[]).unwrap_or(Type::Text)
        }
        _ => Type::Text,
    }
}

struct Checker<'a> {
    env: &'a TypeEnv,
    destination: Destination,
    blocks_allowed: bool,
    locals: Vec<(String, Type)>,
    facts: Vec<Fact>,
    problems: &'a mut Diagnostics,
}

impl Checker<'_> {
    fn nodes(&mut self, nodes: &[Node]) {
        for node in nodes {
            match node {
                Node::Literal(_) => {}
                Node::Placeholder(tag) => self.tag(tag),
                Node::If { condition, span, yes, no } => self.condition(condition, *span, yes, no),
                Node::Each {
                    list,
                    variable,
                    index,
                    span,
                    body,
                    empty,
                } => {
                    self.block(*span);
                    self.each(list, variable.as_deref(), index.as_deref(), body);
                    self.nodes(empty);
                }
            }
        }
    }

    fn tag(&mut self, tag: &Tag) {
        let Some((name, at)) = &tag.helper else {
            if let Some(kind) = self.kind(&tag.arguments[0], false) {
                self.stands_in_text(&kind, tag);
            }
            return;
        };
        let Some(helper) = Helper::named(name) else {
            self.problems.push(unknown_helper(name, *at));
            return;
        };
        let absent_is_fine = helper.name == "default";
        let kinds: Vec<Option<Type>> = tag
            .arguments
            .iter()
            .enumerate()
            .map(|(i, a)| self.kind(a, absent_is_fine && i == 0))
            .collect();
        if !(helper.arguments.0..=helper.arguments.1).contains(&tag.arguments.len()) {
            let problem = Diagnostic::error("RB0306", tag.span, format!("`{name}` is written `{}`", helper.usage));
            self.problems.push(problem.label("not so"));
            return;
        }
        let Some(Some(first)) = kinds.first() else { return };
        if kinds.iter().flatten().any(Type::holds_secret) {
            let problem = Diagnostic::error("RB0320", tag.span, format!("`{name}` cannot take a secret"));
            let problem = problem.label("what it gives would no longer be known as a secret");
            self.problems.push(problem.help("write the secret alone, `{{params.NAME}}`"));
            return;
        }
        if !helper.takes(first) {
            let problem = Diagnostic::error("RB0306", tag.arguments[0].span, format!("`{name}` cannot take a {}", short(first)));
            self.problems.push(
                problem
                    .label(format!("this is a {}", short(first)))
                    .help(format!("it is written `{}`", helper.usage)),
            );
        } else if helper.name == "default" {
            self.stands_in_text(first, tag);
        }
    }

    fn stands_in_text(&mut self, kind: &Type, tag: &Tag) {
        let scalar = match kind {
            Type::List(item) => is_scalar(item),
            other => is_scalar(other),
        };
        if scalar || self.destination == Destination::Json {
            return;
        }
        let problem = Diagnostic::error("RB0307", tag.span, format!("a {} cannot stand in a text", short(kind)));
        let problem = problem.label("which of its fields?");
        let help = match kind {
            Type::Record(fields) => {
                let names: Vec<String> = fields.keys().take(12).map(|n| format!("`{n}`")).collect();
                format!("name one of its fields: {}", names.join(", "))
            }
            Type::List(_) => String::from(
                "in a message, go through it: `{{#each path as |item|}}{{item.name}} {{/each}}`; for machines: `{{json path}}`",
            ),
            _ => String::from("name one of its fields, or write `{{json path}}`"),
        };
        self.problems.push(problem.help(help));
    }

    fn condition(&mut self, condition: &Argument, span: Span, yes: &[Node], no: &[Node]) {
        self.block(span);
        if let Some(kind) = self.kind(condition, false)
            && kind != Type::Bool
        {
            let problem = Diagnostic::error(
                "RB0309",
                condition.span,
                format!("`{{{{#if}}}}` needs a bool, found a {}", short(&kind)),
            );
            self.problems.push(
                problem
                    .label("neither true nor false")
                    .help("only a bool is asked: a text such as 'false' would count as true"),
            );
        }
        let before = self.facts.len();
        for (truth, nodes) in [(true, yes), (false, no)] {
            if let Operand::Path(path) = &condition.operand
                && self.locals.iter().all(|(name, _)| *name != path[0])
            {
                self.facts.push((path.clone(), truth));
            }
            self.nodes(nodes);
            self.facts.truncate(before);
        }
    }

    fn each(&mut self, list: &Argument, variable: Option<&str>, index: Option<&str>, body: &[Node]) {
        let (item, key) = match self.kind(list, false) {
            Some(Type::List(item)) => (*item, Type::Int),
            Some(Type::Dynamic) => (Type::Dynamic, Type::Dynamic),
            Some(Type::Map(item)) => (*item, Type::Text),
            Some(other) => {
                let problem = Diagnostic::error(
                    "RB0309",
                    list.span,
                    format!("`{{{{#each}}}}` needs a list, found a {}", short(&other)),
                );
                self.problems.push(problem.label("not a list"));
                return;
            }
            // Reported already; what stands inside cannot be judged.
            None => return,
        };
        let before = self.locals.len();
        let names = [
            ("this", item.clone()),
            ("@index", Type::Int),
            ("@key", key.clone()),
            ("@first", Type::Bool),
            ("@last", Type::Bool),
        ];
        self.locals.extend(names.map(|(name, kind)| (name.to_owned(), kind)));
        self.locals.extend(variable.map(|name| (name.to_owned(), item)));
        self.locals.extend(index.map(|name| (name.to_owned(), key)));
        self.nodes(body);
        self.locals.truncate(before);
    }

    fn block(&mut self, span: Span) {
        if !self.blocks_allowed {
            let problem = Diagnostic::error("RB0308", span, "a block cannot stand here");
            let problem = problem.label("only in messages and template files");
            self.problems.push(
                problem.help("use a step with `when:` instead of `{{#if}}`, and a list parameter or `for_each` instead of `{{#each}}`"),
            );
        }
    }

    fn kind(&mut self, argument: &Argument, absent_is_fine: bool) -> Option<Type> {
        let path = match &argument.operand {
            Operand::Literal(value) => return Some(literal(value)),
            Operand::Path(path) => path,
        };
        let segments = places(path, argument.span);
        let wider;
        let env = if absent_is_fine {
            wider = self.env.where_absent_is_fine();
            &wider
        } else {
            self.env
        };
        match env.resolve(&segments, &self.locals, &self.facts) {
            Ok(kind) => Some(kind),
            Err(problem) => {
                let may_be_absent = !absent_is_fine && self.env.may_be_absent(&segments);
                let problem = if may_be_absent && problem.help.is_none() {
                    problem.help(format!(
                        "say what to write if it is absent: `{{{{default {} 'unknown'}}}}`",
                        path.join(".")
                    ))
                } else if let Some(helper) = Helper::named(&path[0]).filter(|_| path.len() == 1) {
                    problem.help(format!("`{}` is a helper, written `{}`", path[0], helper.usage))
                } else {
                    *problem
                };
                self.problems.push(problem);
                None
            }
        }
    }
}

/// The places of the names of a path that stands at `span`.
fn places(path: &[String], span: Span) -> Vec<Segment> {
    let length: usize = path.iter().map(|n| n.len() + 1).sum::<usize>() - 1;
    let plain = length == (span.end - span.start) as usize;
    let mut at = 0;
    path.iter()
        .map(|name| {
            let here = if plain { span.within(at, at + name.len()) } else { span };
            at += name.len() + 1;
            Segment {
                name: name.clone(),
                span: here,
            }
        })
        .collect()
}

fn literal(value: &crate::base::value::Value) -> Type {
    use crate::base::value::Value;
    match value {
        Value::Bool(_) => Type::Bool,
        Value::Int(_) => Type::Int,
        Value::Float(_) => Type::Float,
        Value::Text(_) => Type::Text,
        Value::List(_) => Type::list(Type::Dynamic),
        Value::Map(_) => Type::Map(Box::new(Type::Dynamic)),
        _ => Type::Dynamic,
    }
}

fn unknown_helper(name: &str, at: Span) -> Diagnostic {
    let problem = Diagnostic::error("RB0305", at, format!("unknown helper `{name}`"));
    match nearest(name, HELPERS.iter().map(|h| h.name)) {
        Some(near) => problem.replacement(near),
        None => {
            let known: Vec<String> = HELPERS.iter().map(|h| format!("`{}`", h.usage)).collect();
            problem.help(format!("there are: {}", known.join(", ")))
        }
    }
}
