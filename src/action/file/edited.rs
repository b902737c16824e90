//! A file of which a part is changed: what `file.line` and `file.replace` have in common, whatever they change in it.

use crate::action::file::fact::FileFact;
use crate::action::file::{difference, put, sha256};
use crate::action::place::Place;
use crate::base::value::Value;
use crate::model::action::{Arguments, BindError, Change, Context, Observation, ReadError, ResourceKey, Undo};
use crate::model::operation::{Operation, Output, PutFile};

/// Where it is, and how its new content is put in place.
#[derive(Debug)]
pub struct EditedFile {
    /// Its host.
    pub place: Place,
    /// Absolute.
    pub path: String,
    validate: Option<Vec<String>>,
    backup: bool,
}

impl EditedFile {
    /// From the parameters `path`, `validate` and `backup`.
    ///
    /// # Errors
    /// As [`put::validate`].
    pub fn bind(arguments: &Arguments, context: &Context<'_>) -> Result<EditedFile, BindError> {
        Ok(EditedFile {
            place: Place::of(context),
            path: arguments.text("path").unwrap_or_default().to_owned(),
            validate: put::validate(arguments)?,
            backup: arguments.bool("backup", false),
        })
    }

    /// The fact that it is.
    #[must_use]
    pub fn key(&self) -> ResourceKey {
        self.place.key(format!("file/{}", self.path))
    }

    /// The file as it was seen.
    #[must_use]
    pub fn of(&self, seen: &Observation) -> FileFact {
        FileFact::of(seen.get(&self.key()))
    }

    /// To look at it.
    #[must_use]
    pub fn probe(&self) -> Vec<Operation> {
        vec![self.place.read_file(&self.path)]
    }

    /// What the look showed.
    ///
    /// # Errors
    /// As [`FileFact::read`].
    pub fn read(&self, outputs: &[Output]) -> Result<Observation, ReadError> {
        let mut seen = Observation::default();
        seen.set(self.key(), FileFact::read(outputs.first())?.to_value());
        Ok(seen)
    }

    /// Puts `new` in the place of `old`, unless somebody has changed the file since; `what` is done to it, in words. Taken back by
    /// writing `old`, unless somebody has changed the file since.
    #[must_use]
    pub fn change(&self, file: &FileFact, old: &str, new: String, what: &str) -> Change {
        let put = PutFile {
            path: self.path.clone(),
            content: new.clone(),
            validate: self.validate.clone(),
            backup: self.backup,
            expect: Some(sha256(old)),
            ..PutFile::default()
        };
        let back = Arguments::from_pairs([
            ("path", Value::text(&self.path)),
            ("content", Value::text(old)),
            ("expect", Value::text(sha256(&new))),
        ]);
        let diff = difference::unified(&self.path, old, &new);
        let predicted = FileFact {
            content: Some(new),
            ..file.clone()
        };
        Change {
            summary: format!("{} on {}: {what}", self.path, self.place.name()),
            diff: Some(diff),
            notes: Vec::new(),
            operations: vec![self.place.put_file(put)],
            predicted: vec![(self.key(), predicted.to_value())],
            taints: Vec::new(),
            undo: Undo::Call {
                action: String::from("file.write"),
                arguments: back,
            },
        }
    }
}
