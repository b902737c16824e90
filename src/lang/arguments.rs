//! The arguments of actions, checked against the declared parameters.
//!
//! Knows kinds of parameters; not single actions.

use std::collections::BTreeMap;

use super::convert::{expected, scalar, ticked};
use super::reader::describe;
use super::site::Site;
use super::syntax::Written;
use crate::base::value::Value;
use crate::diagnostic::{Diagnostic, Span, Spanned, nearest};
use crate::model::action::{Parameter, ParameterKind, Signature};
use crate::model::runbook::{Argument, ArgumentKind};
use crate::model::text::{Destination, Expression, Part, Text};
use crate::model::types::Type;
use crate::yaml::{Node, NodeKind, Style};

/// The arguments of a call, and its `changed:`.
#[derive(Debug, Default)]
pub(super) struct Compiled {
    pub arguments: BTreeMap<String, Argument>,
    pub changed: Option<Expression>,
}

/// Names and values as given; the short form (`facts: [memory]`) under its parameter's name.
pub(super) fn entries_of<'n>(signature: &Signature, node: &'n Node) -> Vec<(Written, &'n Node)> {
    match (&node.kind, signature.shorthand) {
        (NodeKind::Map(entries), _) => entries.iter().map(|e| (e.key.clone(), &e.value)).collect(),
        (_, Some(name)) if !node.is_null() => vec![(Spanned::new(name.to_owned(), node.span), node)],
        _ => Vec::new(),
    }
}

/// A value that needs no rendering and is right. `off`: by `template: off` nothing needs rendering.
pub(super) fn literal(kind: ParameterKind, node: &Node, off: bool) -> Option<Value> {
    let is_plain = |text: &str| off || !text.contains("{{");
    match (&node.kind, kind) {
        (_, ParameterKind::Expression) => None,
        (_, ParameterKind::Json) => (off || !holds_placeholder(node)).then(|| node.to_value()),
        (NodeKind::Scalar(scalar), _) if is_plain(&scalar.text) && !node.is_null() && style_fits(kind, scalar.style) => {
            literal_scalar(kind, &scalar.text).ok()
        }
        (NodeKind::List(items), _) => {
            let item = item_kind(kind)?;
            items.iter().map(|n| literal(item, n, off)).collect::<Option<_>>().map(Value::List)
        }
        (NodeKind::Map(entries), ParameterKind::TextMap) => {
            let pair = |e: &crate::yaml::Entry| literal(ParameterKind::Text, &e.value, off).map(|v| (e.key.value.clone(), v));
            entries.iter().map(pair).collect::<Option<_>>().map(Value::Map)
        }
        _ => None,
    }
}

/// Checks and compiles the arguments of `action`.
pub(super) fn compile(signature: &'static Signature, action: &Written, node: &Node, site: &mut Site<'_>) -> Compiled {
    let mut compiled = Compiled::default();
    let given = entries_of(signature, node);
    if !matches!(node.kind, NodeKind::Map(_)) && signature.shorthand.is_none() && !node.is_null() {
        let message = format!(
            "`{}` takes parameters by name: expected a map, found {}",
            action.value,
            describe(node)
        );
        site.d
            .push(with_example(Diagnostic::error("RB0109", node.span, message), signature));
        return compiled;
    }
    for (name, value) in &given {
        let Some(parameter) = signature.parameters.iter().find(|p| p.name == name.value) else {
            site.d.push(unknown_parameter(signature, name));
            continue;
        };
        if parameter.kind == ParameterKind::Expression {
            compiled.changed = changed(signature, value, site);
        } else if let Some(argument) = value_of(signature, parameter, parameter.kind, value, site) {
            compiled.arguments.insert(name.value.clone(), argument);
        }
    }
    let is_given = |p: &Parameter| {
        given
            .iter()
            .any(|(n, _)| n.value == p.name || nearest(&n.value, [p.name]).is_some())
    };
    for parameter in signature.parameters.iter().filter(|p| p.required && !is_given(p)) {
        let message = format!(
            "`{}` needs parameter `{}`: {}",
            action.value,
            parameter.name,
            expected(parameter.kind)
        );
        let diagnostic = Diagnostic::error("RB0108", action.span, message).label(format!("`{}` is missing", parameter.name));
        site.d.push(with_example(diagnostic, signature));
    }
    compiled
}

/// The only expressions among parameters are about whether the step changed something; the catalog's tests see to it.
fn changed(signature: &Signature, node: &Node, site: &mut Site<'_>) -> Option<Expression> {
    let written = super::reader::written(node, site.d)?;
    site.expression_with(&written, &[("result", (signature.results)())], Some(&Type::Bool))
}

fn value_of(signature: &Signature, parameter: &Parameter, kind: ParameterKind, node: &Node, site: &mut Site<'_>) -> Option<Argument> {
    if let Some(value) = literal(kind, node, site.template_off) {
        return Some(Argument {
            span: node.span,
            kind: ArgumentKind::Value(value),
        });
    }
    let kind = match &node.kind {
        NodeKind::Scalar(scalar) if !node.is_null() => {
            let written = Spanned::new(scalar.text.clone(), node.content_span());
            return scalar_of(signature, parameter, kind, &written, site).map(|kind| Argument { span: node.span, kind });
        }
        NodeKind::List(items) if item_kind(kind).is_some() => {
            let item = item_kind(kind).unwrap_or(ParameterKind::Text);
            let one = |n: &Node, site: &mut Site<'_>| value_of(signature, parameter, leaf(item, n), n, site);
            let compiled: Vec<Option<Argument>> = items.iter().map(|n| one(n, site)).collect();
            ArgumentKind::List(compiled.into_iter().collect::<Option<_>>()?)
        }
        NodeKind::Map(entries) if matches!(kind, ParameterKind::TextMap | ParameterKind::Json) => {
            let inner = if kind == ParameterKind::Json { kind } else { ParameterKind::Text };
            let mut map = BTreeMap::new();
            for entry in entries {
                let value = value_of(signature, parameter, leaf(inner, &entry.value), &entry.value, site);
                map.insert(entry.key.value.clone(), value);
            }
            ArgumentKind::Map(map.into_iter().map(|(k, v)| v.map(|v| (k, v))).collect::<Option<_>>()?)
        }
        _ => {
            let message = format!("expected {}, found {}", expected(kind), describe(node));
            site.d.push(wrong(signature, parameter, node.span, &message));
            return None;
        }
    };
    Some(Argument { span: node.span, kind })
}

/// A scalar that is no right literal: a text to be rendered, or a mistake.
fn scalar_of(
    signature: &Signature,
    parameter: &Parameter,
    kind: ParameterKind,
    written: &Written,
    site: &mut Site<'_>,
) -> Option<ArgumentKind> {
    if site.template_off || !written.value.contains("{{") {
        let message = match literal_scalar(kind, &written.value) {
            Err(message) => message,
            Ok(_) => format!(
                "expected {}, found a bare number: put it in quotes, `\"{}\"`",
                expected(kind),
                written.value
            ),
        };
        site.d.push(wrong(signature, parameter, written.span, &message));
        return None;
    }
    if kind == ParameterKind::Bool {
        let message = "expected `true` or `false`: no placeholder is possible here";
        site.d
            .push(wrong(signature, parameter, written.span, message).help("make two steps with `when:`"));
        return None;
    }
    if kind == ParameterKind::Sql {
        let message = "no placeholder is possible in SQL: what it stands for would become a part of the statement";
        let help = "give the value a name under `params:` and write `:'name'` in the statement";
        site.d.push(wrong(signature, parameter, written.span, message).help(help));
        return None;
    }
    let text = rendered(parameter, kind, written, site)?;
    if let Err(message) = fits(kind, &text, site) {
        site.d.push(wrong(signature, parameter, written.span, &message));
        return None;
    }
    let is_list = matches!(site.sole_type(&text), Some(Type::List(_) | Type::Dynamic));
    let rendered = match text.as_literal() {
        Some(literal) => ArgumentKind::Value(Value::text(literal)),
        None => ArgumentKind::Text(text),
    };
    Some(match item_kind(kind) {
        Some(_) if kind != ParameterKind::Json && !is_list => ArgumentKind::List(vec![Argument {
            span: written.span,
            kind: rendered,
        }]),
        _ => rendered,
    })
}

/// Compiles a text for its parameter. In `validate`, `{{file}}` is the action's own: the file before it is put in place.
fn rendered(parameter: &Parameter, kind: ParameterKind, written: &Written, site: &mut Site<'_>) -> Option<Text> {
    let (destination, blocks) = match kind {
        ParameterKind::Script => (Destination::Shell, false),
        ParameterKind::Json => (Destination::Json, false),
        _ => (Destination::Plain, parameter.name == "message"),
    };
    if parameter.secret {
        site.env.let_secrets(true);
        let text = site.text_for(written, destination, blocks);
        site.env.let_secrets(false);
        return text;
    }
    if parameter.name != "validate" {
        return site.text_for(written, destination, blocks);
    }
    let outer = site.env.clone();
    site.env.set("file", Type::Text);
    let text = site.text_for(written, destination, blocks);
    site.env = outer;
    text.map(keep_file)
}

/// Turns `{{file}}` back into characters, for the action to fill in.
fn keep_file(mut text: Text) -> Text {
    let mut parts: Vec<Part> = Vec::new();
    for part in std::mem::take(&mut text.parts) {
        let part = match part {
            Part::Placeholder(p) if p.helper.is_none() && p.arguments == [crate::model::text::Operand::Path(vec!["file".into()])] => {
                Part::Literal("{{file}}".into())
            }
            part => part,
        };
        match (parts.last_mut(), part) {
            (Some(Part::Literal(before)), Part::Literal(more)) => before.push_str(&more),
            (_, part) => parts.push(part),
        }
    }
    Text { parts, ..text }
}

/// Whether what a text will yield can be of the parameter's kind.
fn fits(kind: ParameterKind, text: &Text, site: &Site<'_>) -> Result<(), String> {
    if let Some(found) = site.sole_type(text) {
        return if agrees(kind, &found) {
            Ok(())
        } else {
            Err(format!("expected {}, found a {found}", expected(kind)))
        };
    }
    let start = match text.parts.first() {
        Some(Part::Literal(start)) => start.as_str(),
        _ => return Ok(()),
    };
    match kind {
        ParameterKind::Path if !start.starts_with('/') => Err(format!("expected {}, found `{}`", expected(kind), text.source)),
        ParameterKind::Url if !["http://", "https://"].iter().any(|s| start.starts_with(s)) => {
            Err(format!("expected {}, found `{}`", expected(kind), text.source))
        }
        _ => Ok(()),
    }
}

/// Whether a value of type `found` can be an argument of that kind.
fn agrees(kind: ParameterKind, found: &Type) -> bool {
    let words_fit = |words: &[&str], found: &Type| match found {
        Type::Enum(possible) => possible.iter().all(|p| words.contains(&p.as_str())),
        Type::Dynamic => true,
        _ => false,
    };
    match (kind, found) {
        (_, Type::Dynamic) | (ParameterKind::Json, _) => true,
        (ParameterKind::Text | ParameterKind::Script, found) => !matches!(found, Type::Record(_) | Type::Map(_)),
        (ParameterKind::Int, found) => *found == Type::Int,
        (ParameterKind::Duration, found) => *found == Type::Duration,
        (ParameterKind::Size, found) => *found == Type::Size,
        (ParameterKind::Percent, found) => *found == Type::Percent,
        (ParameterKind::Host, Type::Record(fields)) => fields.contains_key("name"),
        (ParameterKind::Path | ParameterKind::Url | ParameterKind::Pool | ParameterKind::Host | ParameterKind::Mode, found) => {
            matches!(found, Type::Text | Type::Enum(_))
        }
        (ParameterKind::Choice(words), found) => words_fit(words, found),
        (ParameterKind::ChoiceList(words), Type::List(item)) => words_fit(words, item),
        (ParameterKind::ChoiceList(words), found) => words_fit(words, found),
        (ParameterKind::TextList, Type::List(item)) => !matches!(**item, Type::Record(_) | Type::Map(_) | Type::List(_)),
        (ParameterKind::TextList, found) => !matches!(found, Type::Record(_) | Type::Map(_)),
        (ParameterKind::IntList, Type::List(item)) => **item == Type::Int,
        (ParameterKind::IntList, found) => *found == Type::Int,
        (ParameterKind::TextMap, found) => matches!(found, Type::Map(_)),
        (ParameterKind::Bool | ParameterKind::Sql | ParameterKind::Expression, _) => false,
    }
}

/// A scalar; where several are wanted, it is the only one.
fn literal_scalar(kind: ParameterKind, text: &str) -> Result<Value, String> {
    match item_kind(kind) {
        Some(item) if kind != ParameterKind::Json => scalar(item, text).map(|v| Value::List(vec![v])),
        _ => scalar(kind, text),
    }
}

fn item_kind(kind: ParameterKind) -> Option<ParameterKind> {
    match kind {
        ParameterKind::TextList => Some(ParameterKind::Text),
        ParameterKind::ChoiceList(words) => Some(ParameterKind::Choice(words)),
        ParameterKind::IntList => Some(ParameterKind::Int),
        ParameterKind::Json => Some(ParameterKind::Json),
        _ => None,
    }
}

/// A text inside a JSON structure is quoted when the structure is written out, so its placeholders are not.
fn leaf(kind: ParameterKind, node: &Node) -> ParameterKind {
    match (kind, &node.kind) {
        (ParameterKind::Json, NodeKind::Scalar(scalar)) if scalar.text.contains("{{") => ParameterKind::Text,
        _ => kind,
    }
}

/// YAML readers disagree about `0644`; in quotes it is what it looks like.
fn style_fits(kind: ParameterKind, style: Style) -> bool {
    kind != ParameterKind::Mode || style != Style::Plain
}

/// Whether something in it is still to be rendered.
pub(super) fn holds_placeholder(node: &Node) -> bool {
    match &node.kind {
        NodeKind::Scalar(scalar) => scalar.text.contains("{{"),
        NodeKind::List(items) => items.iter().any(holds_placeholder),
        NodeKind::Map(entries) => entries.iter().any(|e| holds_placeholder(&e.value)),
    }
}

fn unknown_parameter(signature: &Signature, name: &Written) -> Diagnostic {
    let names: Vec<&str> = signature.parameters.iter().map(|p| p.name).collect();
    let message = format!("`{}` has no parameter `{}`", signature.name, name.value);
    let diagnostic = Diagnostic::error("RB0107", name.span, message).label("unknown parameter");
    match nearest(&name.value, names.iter().copied()) {
        Some(meant) => diagnostic.help(format!("did you mean `{meant}`?")).replacement(meant),
        None => diagnostic.help(format!("parameters of `{}`: {}", signature.name, ticked(names))),
    }
}

fn wrong(signature: &Signature, parameter: &Parameter, span: Span, message: &str) -> Diagnostic {
    let message = format!("parameter `{}` of `{}`: {message}", parameter.name, signature.name);
    let label = format!("not possible for `{}`", parameter.name);
    with_example(Diagnostic::error("RB0109", span, message).label(label), signature)
}

fn with_example(diagnostic: Diagnostic, signature: &Signature) -> Diagnostic {
    match signature.example.trim() {
        "" => diagnostic,
        example => diagnostic.help(format!("for example:\n{example}")),
    }
}
