//! A file as a fact.

use crate::action::file::sha256;
use crate::action::outcome::unexpected;
use crate::base::value::Value;
use crate::model::action::ReadError;
use crate::model::operation::Output;

/// What is known of a file; a field that is `None` is unknown, or the file does not exist.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FileFact {
    /// Whether it exists.
    pub exists: Option<bool>,
    /// Its content, if it is text.
    pub content: Option<String>,
    /// Whether it is text.
    pub utf8: Option<bool>,
    /// Octal mode.
    pub mode: Option<String>,
    /// Owner's name.
    pub owner: Option<String>,
    /// Group's name.
    pub group: Option<String>,
}

impl FileFact {
    /// Reads the answer of a look at a file.
    ///
    /// # Errors
    /// The trouble, in its own words.
    pub fn read(output: Option<&Output>) -> Result<FileFact, ReadError> {
        match output {
            Some(Output::NoFile) => Ok(FileFact::absent()),
            Some(Output::File {
                content,
                utf8,
                mode,
                owner,
                group,
                ..
            }) => Ok(FileFact {
                exists: Some(true),
                content: Some(content.clone()),
                utf8: Some(*utf8),
                mode: Some(mode.clone()),
                owner: Some(owner.clone()),
                group: Some(group.clone()),
            }),
            other => Err(unexpected(other, "a file")),
        }
    }

    /// No such file.
    #[must_use]
    pub fn absent() -> FileFact {
        FileFact {
            exists: Some(false),
            ..FileFact::default()
        }
    }

    /// From a fact, observed or predicted.
    #[must_use]
    pub fn of(fact: Option<&Value>) -> FileFact {
        let field = |name: &str| fact.and_then(|f| f.field(name)).unwrap_or_default();
        let text = |name: &str| field(name).as_text().map(str::to_owned);
        FileFact {
            exists: field("exists").as_bool(),
            content: text("content"),
            utf8: field("utf8").as_bool(),
            mode: text("mode"),
            owner: text("owner"),
            group: text("group"),
        }
    }

    /// As a fact.
    #[must_use]
    pub fn to_value(&self) -> Value {
        // Of a file that does not exist there is nothing more to know.
        let missing = if self.exists == Some(false) { Value::Null } else { Value::Unknown };
        let text = |field: &Option<String>| field.clone().map_or(missing.clone(), Value::Text);
        Value::map([
            ("exists", self.exists.map_or(Value::Unknown, Value::Bool)),
            ("content", text(&self.content)),
            ("utf8", self.utf8.map_or(missing.clone(), Value::Bool)),
            ("sha256", text(&self.content.as_deref().map(sha256))),
            ("mode", text(&self.mode)),
            ("owner", text(&self.owner)),
            ("group", text(&self.group)),
        ])
    }

    /// Its text, where it is one that can be written back byte for byte.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.content.as_deref().filter(|_| self.utf8 == Some(true))
    }
}
