//! The value of a text. Values are data: they are quoted for their destination and never read as a template.

use std::borrow::Cow;

use crate::base::bound::{EXPRESSION_STEPS, TEXT_BYTES};
use crate::base::quote;
use crate::base::secret::Sensitive;
use crate::base::value::Value;
use crate::diagnostic::Span;
use crate::model::text::{Destination, Operand, Part, Placeholder, Scope, Text};

use super::functions::{Helper, plain};
use super::parse::{Node, reparse};

/// A text that has no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RenderError {
    /// The placeholder at fault.
    pub span: Span,
    /// One sentence: lower case, no full stop.
    pub message: String,
}

/// The value of a text: of the only placeholder's type if the text is nothing else, otherwise text; unknown if any placeholder is.
///
/// # Errors
/// A value that is missing, that no text can show, or that cannot be quoted.
pub fn render(text: &Text, scope: &Scope) -> Result<Value, RenderError> {
    let mut renderer = Renderer::new(text, scope, false);
    if text.destination == Destination::Plain
        && let [
            Part::Placeholder(Placeholder {
                helper: None,
                arguments,
                span,
            }),
        ] = text.parts.as_slice()
        && let [Operand::Path(path)] = arguments.as_slice()
    {
        return renderer.path(path, *span).map(Cow::into_owned);
    }
    let known = renderer.all()?;
    Ok(match renderer.secret.take() {
        _ if !known => Value::Unknown,
        Some(mut before) => {
            before.push_text(&renderer.out);
            Value::Secret(before)
        }
        None => Value::Text(renderer.out),
    })
}

/// The text for people: what cannot be known yet, or is missing, is said in words.
#[must_use]
pub fn render_for_people(text: &Text, scope: &Scope) -> String {
    let mut renderer = Renderer::new(text, scope, true);
    match renderer.all() {
        Ok(_) => renderer.out,
        // Only the size can be at fault here.
        Err(error) => format!("{} ({})", crate::base::sanitise::one_line(&renderer.out, 200), error.message),
    }
}

struct Renderer<'a> {
    text: &'a Text,
    scope: &'a Scope,
    for_people: bool,
    locals: Vec<(String, Value)>,
    /// What stands before `out`, up to the last secret.
    secret: Option<Sensitive>,
    out: String,
    steps: usize,
}

impl<'a> Renderer<'a> {
    fn new(text: &'a Text, scope: &'a Scope, for_people: bool) -> Renderer<'a> {
        Renderer {
            text,
            scope,
            for_people,
            locals: Vec::new(),
            secret: None,
            out: String::new(),
            steps: 0,
        }
    }

    /// False when something in it is unknown.
    fn all(&mut self) -> Result<bool, RenderError> {
        if self.text.blocks {
            return self.nodes(&reparse(self.text));
        }
        let mut known = true;
        for (i, part) in self.text.parts.iter().enumerate() {
            known &= match part {
                Part::Literal(text) => self.push(text, self.text.span).map(|()| true)?,
                Part::Placeholder(placeholder) => {
                    let next = match self.text.parts.get(i + 1) {
                        Some(Part::Literal(text)) => text.chars().next(),
                        _ => None,
                    };
                    self.placeholder(placeholder, next)?
                }
            };
        }
        Ok(known)
    }

    fn nodes(&mut self, nodes: &[Node]) -> Result<bool, RenderError> {
        let mut known = true;
        for node in nodes {
            known &= match node {
                Node::Literal(text) => self.push(text, self.text.span).map(|()| true)?,
                Node::Placeholder(tag) => self.placeholder(&tag.clone().placeholder(), None)?,
                Node::If { condition, span, yes, no } => match self.operand(&condition.operand, *span).map(Cow::into_owned) {
                    Ok(Value::Bool(truth)) => self.nodes(if truth { yes } else { no })?,
                    Ok(Value::Unknown) => self.unknown(*span)?,
                    // What is absent is not so.
                    Ok(Value::Null) => self.nodes(no)?,
                    Err(_) if self.for_people => self.nodes(no)?,
                    Err(error) => return Err(error),
                    Ok(_) => {
                        return Err(RenderError {
                            span: *span,
                            message: String::from("`{{#if}}` needs a bool"),
                        });
                    }
                },
                Node::Each {
                    list,
                    variable,
                    index,
                    span,
                    body,
                    empty,
                } => match self.operand(&list.operand, *span).map(Cow::into_owned) {
                    Ok(Value::List(items)) => {
                        let keys = (0..).map(Value::Int);
                        self.each(keys.zip(items).collect(), [variable, index], body, empty)?
                    }
                    Ok(Value::Map(map)) => self.each(
                        map.into_iter().map(|(k, v)| (Value::Text(k), v)).collect(),
                        [variable, index],
                        body,
                        empty,
                    )?,
                    Ok(Value::Unknown) => self.unknown(*span)?,
                    Ok(Value::Null) => self.nodes(empty)?,
                    Err(_) if self.for_people => self.nodes(empty)?,
                    Err(error) => return Err(error),
                    Ok(_) => {
                        return Err(RenderError {
                            span: *span,
                            message: String::from("`{{#each}}` needs a list"),
                        });
                    }
                },
            };
        }
        Ok(known)
    }

    fn each(
        &mut self,
        items: Vec<(Value, Value)>,
        names: [&Option<String>; 2],
        body: &[Node],
        empty: &[Node],
    ) -> Result<bool, RenderError> {
        if items.is_empty() {
            return self.nodes(empty);
        }
        let mut known = true;
        let last = items.len() - 1;
        for (i, (key, item)) in items.into_iter().enumerate() {
            let before = self.locals.len();
            let number = Value::Int(i64::try_from(i).unwrap_or(i64::MAX));
            let [variable, index] = names;
            self.locals.extend(variable.iter().map(|name| (name.clone(), item.clone())));
            self.locals.extend(index.iter().map(|name| (name.clone(), key.clone())));
            for (name, value) in [
                ("this", item),
                ("@index", number),
                ("@key", key),
                ("@first", Value::Bool(i == 0)),
                ("@last", Value::Bool(i == last)),
            ] {
                self.locals.push((name.to_owned(), value));
            }
            let result = self.nodes(body);
            self.locals.truncate(before);
            known &= result?;
        }
        Ok(known)
    }

    /// `next`: the character after the placeholder.
    fn placeholder(&mut self, placeholder: &Placeholder, next: Option<char>) -> Result<bool, RenderError> {
        let span = placeholder.span;
        if let Some(secret) = self.secret_of(placeholder) {
            let before = self.secret.get_or_insert_default();
            before.push_text(&std::mem::take(&mut self.out));
            before.push(&secret);
            return Ok(true);
        }
        let shown = match self.shown(placeholder, next) {
            Ok(Some(text)) => text,
            Ok(None) => return self.unknown(span),
            Err(_) if self.for_people => String::from("(none)"),
            Err(error) => return Err(error),
        };
        self.push(&shown, span)?;
        Ok(true)
    }

    /// The secret that a placeholder stands for. For people, and where values are quoted, it is shown as its mask.
    fn secret_of(&self, placeholder: &Placeholder) -> Option<Sensitive> {
        let [Operand::Path(path)] = placeholder.arguments.as_slice() else {
            return None;
        };
        let kept = !self.for_people && placeholder.helper.is_none() && self.text.destination == Destination::Plain;
        match self.path(path, placeholder.span).ok().filter(|_| kept)?.as_ref() {
            Value::Secret(text) => Some(text.clone()),
            _ => None,
        }
    }

    /// The quoted text of a placeholder; `None` if unknown.
    fn shown(&self, placeholder: &Placeholder, next: Option<char>) -> Result<Option<String>, RenderError> {
        let span = placeholder.span;
        let fault = |message: String| RenderError { span, message };
        let helper = placeholder.helper.as_deref().and_then(Helper::named);
        let absent_is_fine = helper.is_some_and(|h| h.name == "default");
        let mut values = Vec::new();
        for (i, argument) in placeholder.arguments.iter().enumerate() {
            values.push(match self.operand(argument, span) {
                Err(_) if absent_is_fine && i == 0 => Value::Null,
                other => other?.into_owned(),
            });
        }
        // A list of things still to come is as unknown as one thing.
        if values.iter().any(Value::has_unknown) {
            return Ok(None);
        }
        let Some(value) = values.first() else {
            return Err(fault(String::from("the placeholder is empty")));
        };
        if self.text.destination == Destination::Json {
            return match helper {
                Some(helper) if helper.name == "json" => helper.apply(&values).map(Some).map_err(fault),
                Some(helper) => Ok(Some(serde_json::Value::String(helper.apply(&values).map_err(fault)?).to_string())),
                None => Ok(Some(value.to_json().to_string())),
            };
        }
        let text = match helper {
            Some(helper) => helper.apply(&values).map_err(fault)?,
            None => plain(value).map_err(fault)?,
        };
        match self.text.destination {
            Destination::Shell => word(&text, next).map(Some).map_err(fault),
            _ => Ok(Some(text)),
        }
    }

    fn operand(&self, operand: &Operand, span: Span) -> Result<Cow<'_, Value>, RenderError> {
        match operand {
            Operand::Literal(value) => Ok(Cow::Owned(value.clone())),
            Operand::Path(path) => self.path(path, span),
        }
    }

    fn path(&self, path: &[String], span: Span) -> Result<Cow<'_, Value>, RenderError> {
        let missing = |upto: usize| RenderError {
            span,
            message: format!("`{}` has no value here", path[..=upto].join(".")),
        };
        let (first, rest) = path.split_first().ok_or_else(|| RenderError {
            span,
            message: String::from("the path is empty"),
        })?;
        let local = self.locals.iter().rev().find(|(name, _)| name == first).map(|(_, value)| value);
        if local.is_none()
            && let Some(value) = rest
                .first()
                .and_then(|part| self.scope.part(first, part, rest.get(1).map(String::as_str)))
        {
            let left = rest.get(2..).unwrap_or_default();
            let found = left.iter().try_fold(value, |value, name| value.field(name));
            return found.map(Cow::Owned).ok_or_else(|| missing(path.len() - 1));
        }
        let mut value = Cow::Borrowed(local.or_else(|| self.scope.get(first)).ok_or_else(|| missing(0))?);
        for (i, name) in rest.iter().enumerate() {
            value = match value {
                Cow::Borrowed(Value::Map(map)) => map.get(name).map(Cow::Borrowed),
                other => other.field(name).map(Cow::Owned),
            }
            .ok_or_else(|| missing(i + 1))?;
        }
        Ok(value)
    }

    fn unknown(&mut self, span: Span) -> Result<bool, RenderError> {
        self.push(&Value::Unknown.to_string(), span)?;
        Ok(false)
    }

    fn push(&mut self, text: &str, span: Span) -> Result<(), RenderError> {
        self.steps += 1;
        if self.out.len() + text.len() > TEXT_BYTES || self.steps > EXPRESSION_STEPS {
            return Err(RenderError {
                span,
                message: String::from("the text gets too long"),
            });
        }
        self.out.push_str(text);
        Ok(())
    }
}

/// One word for `sh`. A word that needs no quotes gets them where the next character would give it a meaning: `2>`, `x=`.
fn word(text: &str, next: Option<char>) -> Result<String, String> {
    let quoted = quote::word(text)?;
    Ok(if quoted == text && matches!(next, Some('<' | '>' | '=' | '(')) {
        format!("'{quoted}'")
    } else {
        quoted
    })
}
