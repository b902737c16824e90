//! One place of the file where texts and expressions are compiled: the names visible there, and what was read.

use std::collections::BTreeSet;

use super::syntax::Written;
use super::types::TypeEnv;
use super::{expression, template};
use crate::diagnostic::Diagnostics;
use crate::model::text::{Destination, Expression, Part, Text};
use crate::model::types::Type;

/// Compiles what stands at one place.
pub(super) struct Site<'d> {
    /// The names visible here.
    pub env: TypeEnv,
    /// Ids of steps whose results are read here.
    pub reads: BTreeSet<String>,
    /// `template: off`: braces in the arguments of the action are ordinary characters.
    pub template_off: bool,
    /// Where mistakes go.
    pub d: &'d mut Diagnostics,
}

impl<'d> Site<'d> {
    /// A place with these names.
    pub fn new(env: TypeEnv, d: &'d mut Diagnostics) -> Site<'d> {
        Site {
            env,
            reads: BTreeSet::new(),
            template_off: false,
            d,
        }
    }

    /// A text without `{{#if}}`.
    pub fn text(&mut self, text: &Written) -> Option<Text> {
        self.text_for(text, Destination::Plain, false)
    }

    /// A message: `{{#if}}` and `{{#each}}` are possible.
    pub fn message(&mut self, text: &Written) -> Option<Text> {
        self.text_for(text, Destination::Plain, true)
    }

    /// A text for some destination.
    pub fn text_for(&mut self, text: &Written, destination: Destination, blocks: bool) -> Option<Text> {
        let (compiled, problems) = template::compile_text(&text.value, text.span, destination, &self.env, blocks);
        self.d.extend(problems);
        if let Some(compiled) = &compiled {
            self.note(template::text_paths(compiled));
        }
        compiled
    }

    /// An expression of a wanted type.
    pub fn expression(&mut self, text: &Written, want: Option<&Type>) -> Option<Expression> {
        let (compiled, problems) = expression::compile(&text.value, text.span, &self.env, want);
        self.d.extend(problems);
        if let Some(compiled) = &compiled {
            self.note(expression::paths(&compiled.root));
        }
        compiled
    }

    /// An expression of a wanted type, with more names.
    pub fn expression_with(&mut self, text: &Written, names: &[(&str, Type)], want: Option<&Type>) -> Option<Expression> {
        let outer = self.env.clone();
        for (name, kind) in names {
            self.env.set(*name, kind.clone());
        }
        let compiled = self.expression(text, want);
        self.env = outer;
        compiled
    }

    /// The type of a text that is exactly one `{{path}}`; such a text keeps its value's type.
    pub fn sole_type(&self, text: &Text) -> Option<Type> {
        matches!(text.parts.as_slice(), [Part::Placeholder(_)]).then(|| template::text_type(text, &self.env))
    }

    /// The text is exactly one placeholder, of a secret.
    pub fn sole_type_of_secret(&mut self, text: &Text) -> bool {
        self.env.let_secrets(true);
        let kind = self.sole_type(text);
        self.env.let_secrets(false);
        kind == Some(Type::Secret)
    }

    fn note(&mut self, paths: Vec<Vec<String>>) {
        let step = |path: Vec<String>| (path.first()? == "steps").then(|| path.get(1).cloned()).flatten();
        self.reads.extend(paths.into_iter().filter_map(step));
    }
}
