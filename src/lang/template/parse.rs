//! Handlebars' parse of a text, turned into our few nodes with their places. Everything the language does not have is refused here.

use handlebars::template::{BlockParam, HelperTemplate, Parameter, Template, TemplateElement};
use handlebars::{Path as HandlebarsPath, TemplateErrorReason};

use crate::base::value::Value;
use crate::diagnostic::{Diagnostic, Diagnostics, Span};
use crate::lang::expression::Place;
use crate::model::text::{Operand, Placeholder, Text};

use super::braces::{NESTING, go_template, split, tag_end, too_deep};

/// A piece of a text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Literal(String),
    Placeholder(Tag),
    If {
        condition: Argument,
        span: Span,
        yes: Vec<Node>,
        no: Vec<Node>,
    },
    Each {
        list: Argument,
        variable: Option<String>,
        index: Option<String>,
        span: Span,
        body: Vec<Node>,
        empty: Vec<Node>,
    },
}

/// `{{helper argument …}}`
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tag {
    pub helper: Option<(String, Span)>,
    pub arguments: Vec<Argument>,
    pub span: Span,
}

/// A path or a literal, with its place.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Argument {
    pub operand: Operand,
    pub span: Span,
}

impl Tag {
    pub(super) fn placeholder(self) -> Placeholder {
        Placeholder {
            helper: self.helper.map(|(name, _)| name),
            arguments: self.arguments.into_iter().map(|a| a.operand).collect(),
            span: self.span,
        }
    }
}

impl Node {
    /// Every path read, but for the names bound by the blocks around.
    pub(super) fn paths(&self, bound: &mut Vec<String>, add: &mut dyn FnMut(&Vec<String>)) {
        let mut one = |argument: &Argument, bound: &[String]| {
            if let Operand::Path(path) = &argument.operand
                && !bound.contains(&path[0])
                && !is_local(&path[0])
            {
                add(path);
            }
        };
        match self {
            Node::Literal(_) => {}
            Node::Placeholder(tag) => tag.arguments.iter().for_each(|a| one(a, bound)),
            Node::If { condition, yes, no, .. } => {
                one(condition, bound);
                yes.iter().chain(no).for_each(|n| n.paths(bound, add));
            }
            Node::Each {
                list,
                variable,
                index,
                body,
                empty,
                ..
            } => {
                one(list, bound);
                empty.iter().for_each(|n| n.paths(bound, add));
                let before = bound.len();
                bound.extend(variable.iter().chain(index).cloned());
                body.iter().for_each(|n| n.paths(bound, add));
                bound.truncate(before);
            }
        }
    }
}

/// `this`, `@index`: names that `{{#each}}` gives.
pub(super) fn is_local(name: &str) -> bool {
    name == "this" || name.starts_with('@')
}

/// The nodes of a text; `None` when it cannot be read at all.
pub(super) fn parse(source: &str, place: Place, problems: &mut Diagnostics) -> Option<Vec<Node>> {
    let mut reader = Reader { source, place, problems };
    if let Some(at) = too_deep(source) {
        let span = reader.tag_span(at);
        let problem = Diagnostic::error(
            "RB0301",
            span,
            format!("blocks and brackets in a text are nested at most {NESTING} deep"),
        );
        reader.problems.push(problem.label("here it gets too deep"));
        return None;
    }
    match Template::compile(source) {
        Ok(template) => Some(reader.nodes(&template)),
        Err(error) => {
            let problem = reader.unreadable(&error);
            reader.problems.push(problem);
            None
        }
    }
}

/// The nodes of a text that was compiled before.
pub(super) fn reparse(text: &Text) -> Vec<Node> {
    parse(&text.source, Place::new(&text.source, text.span), &mut Diagnostics::new()).unwrap_or_default()
}

struct Reader<'a> {
    source: &'a str,
    place: Place,
    problems: &'a mut Diagnostics,
}

impl Reader<'_> {
    fn nodes(&mut self, template: &Template) -> Vec<Node> {
        let mut nodes: Vec<Node> = Vec::new();
        for (i, element) in template.elements.iter().enumerate() {
            let start = template.mapping.get(i).map_or(0, |at| self.offset(at.0, at.1));
            let node = match element {
                TemplateElement::RawString(text) => match nodes.last_mut() {
                    Some(Node::Literal(before)) => {
                        before.push_str(text);
                        None
                    }
                    _ => Some(Node::Literal(text.clone())),
                },
                TemplateElement::Comment(_) => None,
                TemplateElement::Expression(tag) => self.tag(tag, start).map(Node::Placeholder),
                TemplateElement::HelperBlock(block) => self.block(block, start),
                TemplateElement::HtmlExpression(_) => self.raw(start),
                TemplateElement::PartialExpression(_) | TemplateElement::PartialBlock(_) => {
                    self.foreign(start, "partials are not part of a text")
                }
                // Decorators, and whatever a later version of the parser knows.
                _ => self.foreign(start, "this form is not part of a text"),
            };
            nodes.extend(node);
        }
        nodes
    }

    fn raw(&mut self, start: usize) -> Option<Node> {
        let span = self.tag_span(start);
        let problem = Diagnostic::error("RB0303", span, "a placeholder has two braces");
        self.problems
            .push(problem.label("this form would switch off quoting").help("write `{{path}}`"));
        None
    }

    fn foreign(&mut self, start: usize, message: &str) -> Option<Node> {
        let span = self.tag_span(start);
        let problem = Diagnostic::error("RB0304", span, message).label("not in this language");
        self.problems.push(
            problem.help("a text knows `{{path}}`, `{{helper path}}`, and in messages `{{#if path}}` and `{{#each path as |item|}}`"),
        );
        None
    }

    fn tag(&mut self, tag: &HelperTemplate, start: usize) -> Option<Tag> {
        let span = self.tag_span(start);
        if !tag.hash.is_empty() {
            self.foreign(start, "a placeholder takes no `name=value`");
            return None;
        }
        if tag.params.is_empty() {
            let argument = self.argument(&tag.name, start)?;
            return Some(Tag {
                helper: None,
                arguments: vec![argument],
                span,
            });
        }
        let name = tag.name.as_name()?.to_owned();
        let at = self.find(&name, start);
        let arguments: Vec<Option<Argument>> = tag.params.iter().map(|p| self.argument(p, start)).collect();
        Some(Tag {
            helper: Some((name, at)),
            arguments: arguments.into_iter().collect::<Option<_>>()?,
            span,
        })
    }

    fn block(&mut self, block: &HelperTemplate, start: usize) -> Option<Node> {
        let span = self.tag_span(start);
        let name = block.name.as_name().unwrap_or_default().to_owned();
        let yes = block.template.as_ref().map(|t| self.nodes(t)).unwrap_or_default();
        let no = block.inverse.as_ref().map(|t| self.nodes(t)).unwrap_or_default();
        if !matches!(name.as_str(), "if" | "each") {
            let problem = Diagnostic::error("RB0305", self.find(&name, start), format!("unknown block `{name}`"));
            let help = match name.as_str() {
                "unless" => "write `{{#if path}}{{else}}…{{/if}}`",
                _ => "there are `{{#if path}}…{{else}}…{{/if}}` and `{{#each path as |item|}}…{{/each}}`",
            };
            self.problems.push(problem.help(help));
            return None;
        }
        let [parameter] = block.params.as_slice() else {
            self.problems.push(Diagnostic::error(
                "RB0309",
                span,
                format!("`{{{{#{name}}}}}` takes exactly one path"),
            ));
            return None;
        };
        let subject = self.argument(parameter, start)?;
        if !block.hash.is_empty() {
            self.foreign(start, "a block takes no `name=value`");
            return None;
        }
        if name == "if" {
            return Some(Node::If {
                condition: subject,
                span,
                yes,
                no,
            });
        }
        let word = |p: &Parameter| p.as_name().map(str::to_owned);
        let (variable, index) = match &block.block_param {
            None => (None, None),
            Some(BlockParam::Single(item)) => (word(item), None),
            Some(BlockParam::Pair((item, index))) => (word(item), word(index)),
            Some(_) => (None, None),
        };
        Some(Node::Each {
            list: subject,
            variable,
            index,
            span,
            body: yes,
            empty: no,
        })
    }

    fn argument(&mut self, parameter: &Parameter, start: usize) -> Option<Argument> {
        match parameter {
            Parameter::Literal(json) => Some(Argument {
                operand: Operand::Literal(Value::from_json(json)),
                span: self.tag_span(start),
            }),
            Parameter::Path(HandlebarsPath::Relative((_, raw)) | HandlebarsPath::Local((_, _, raw))) | Parameter::Name(raw) => {
                let span = self.find(raw, start);
                match split(raw) {
                    Ok(path) => Some(Argument {
                        operand: Operand::Path(path),
                        span,
                    }),
                    Err(help) => {
                        let problem = Diagnostic::error("RB0304", span, format!("`{raw}` is not a path of names"));
                        self.problems.push(problem.help(help));
                        None
                    }
                }
            }
            _ => {
                self.foreign(start, "a helper inside a helper is not part of a text");
                None
            }
        }
    }

    fn unreadable(&self, error: &handlebars::TemplateError) -> Diagnostic {
        let at = error.pos().map_or(0, |(line, column)| self.offset(line, column));
        if let Some(go) = go_template(self.source) {
            let problem = Diagnostic::error("RB0302", self.tag_span(go), "this looks like a template of another program");
            return problem
                .label("names here do not begin with a dot")
                .help("if the braces are meant for the command itself, say `template: off` at the step, or write a backslash before every two of them: `\\{{`");
        }
        if let TemplateErrorReason::MismatchingClosedHelper(open, close) = error.reason() {
            let problem = Diagnostic::error(
                "RB0301",
                self.tag_span(at),
                format!("`{{{{#{open}}}}}` is open here, not `{{{{#{close}}}}}`"),
            );
            return problem.label(format!("expected `{{{{/{open}}}}}`"));
        }
        let mut before = at.min(self.source.len());
        while !self.source.is_char_boundary(before) {
            before -= 1;
        }
        let from = self.source[..before].rfind("{{").or_else(|| self.source.find("{{")).unwrap_or(0);
        let closed = self.source[from..].contains("}}");
        let problem = Diagnostic::error("RB0301", self.tag_span(from), "this placeholder cannot be read");
        if !closed {
            return problem
                .label("no closing `}}`")
                .help("two braces begin a placeholder; to mean the characters, write `\\{{`");
        }
        let opened = self.source[from..].starts_with("{{#");
        problem
            .label(if opened { "is this block closed?" } else { "not a path" })
            .help("write `{{path}}` or `{{helper path}}`, a block as `{{#if path}}…{{/if}}`; to mean the characters, write `\\{{`")
    }

    /// Byte offset of a line and column (from 1, in characters).
    fn offset(&self, line: usize, column: usize) -> usize {
        let start = if line <= 1 {
            0
        } else {
            self.source
                .match_indices('\n')
                .nth(line - 2)
                .map_or(self.source.len(), |(i, _)| i + 1)
        };
        let rest = &self.source[start..];
        start + rest.char_indices().nth(column.saturating_sub(1)).map_or(rest.len(), |(i, _)| i)
    }

    fn tag_span(&self, start: usize) -> Span {
        self.place.span(start, tag_end(self.source, start))
    }

    /// Where `word` stands in the tag that begins at `start`.
    fn find(&self, word: &str, start: usize) -> Span {
        let end = tag_end(self.source, start);
        match self.source.get(start..end).and_then(|tag| tag.find(word)) {
            Some(at) if !word.is_empty() => self.place.span(start + at, start + at + word.len()),
            _ => self.place.span(start, end),
        }
    }
}
