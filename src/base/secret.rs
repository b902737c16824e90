//! Texts that speak of secrets without holding them.
//!
//! Everything above the edge knows a secret by its name only. [`Sensitive`] keeps the name apart from the text around it, so no text
//! of anybody else can be mistaken for it. What a secret is worth is known to `secrets` and put in at the last moment before sending.

use std::fmt;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// What stands for a secret wherever a text is shown.
pub const MASK: &str = "***";

/// A text that may hold secrets, by name. Shown and written out it never tells one.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sensitive {
    /// No two texts in a row, none of them empty.
    pieces: Vec<Piece>,
}

/// A piece of a [`Sensitive`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Piece {
    /// Stands for itself.
    Text(String),
    /// The secret with that name.
    Secret(String),
}

impl Sensitive {
    /// Nothing but a secret.
    #[must_use]
    pub fn secret(name: impl Into<String>) -> Sensitive {
        Sensitive {
            pieces: vec![Piece::Secret(name.into())],
        }
    }

    /// Adds text at the end.
    pub fn push_text(&mut self, more: &str) {
        match self.pieces.last_mut() {
            _ if more.is_empty() => {}
            Some(Piece::Text(text)) => text.push_str(more),
            _ => self.pieces.push(Piece::Text(more.to_owned())),
        }
    }

    /// Adds all of another at the end.
    pub fn push(&mut self, other: &Sensitive) {
        for piece in &other.pieces {
            match piece {
                Piece::Text(text) => self.push_text(text),
                secret @ Piece::Secret(_) => self.pieces.push(secret.clone()),
            }
        }
    }

    /// Its pieces, in order.
    #[must_use]
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// The names of its secrets.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|p| match p {
            Piece::Secret(name) => Some(name.as_str()),
            Piece::Text(_) => None,
        })
    }

    /// The text, if it holds no secret.
    #[must_use]
    pub fn as_plain(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [] => Some(""),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// True when there is nothing in it, not even a secret.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }
}

impl From<String> for Sensitive {
    fn from(text: String) -> Sensitive {
        Sensitive {
            pieces: if text.is_empty() { Vec::new() } else { vec![Piece::Text(text)] },
        }
    }
}

impl From<&str> for Sensitive {
    fn from(text: &str) -> Sensitive {
        Sensitive::from(text.to_owned())
    }
}

/// For people: each secret as `***`.
impl fmt::Display for Sensitive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pieces.iter().try_for_each(|piece| match piece {
            Piece::Text(text) => f.write_str(text),
            Piece::Secret(_) => f.write_str(MASK),
        })
    }
}

/// A text as a string; with secrets in it a list of pieces.
impl Serialize for Sensitive {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.as_plain() {
            Some(text) => serializer.serialize_str(text),
            None => self.pieces.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Sensitive {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Sensitive, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Sensitive;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, or a list of texts and names of secrets")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Sensitive, E> {
                Ok(Sensitive::from(text))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Sensitive, A::Error> {
                let mut pieces = Vec::new();
                while let Some(piece) = list.next_element()? {
                    pieces.push(piece);
                }
                Ok(Sensitive { pieces })
            }
        }
        deserializer.deserialize_any(Either)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn bearer() -> Sensitive {
        let mut text = Sensitive::from("Bearer ");
        text.push(&Sensitive::secret("token"));
        text
    }

    #[test]
    fn a_secret_is_known_by_its_name_and_shown_as_a_mask() {
        assert_eq!(bearer().to_string(), "Bearer ***");
        assert_eq!(bearer().secrets().collect::<Vec<_>>(), ["token"]);
        assert_eq!(bearer().as_plain(), None);
        assert_eq!(
            serde_json::to_string(&bearer()).unwrap(),
            r#"[{"text":"Bearer "},{"secret":"token"}]"#
        );
    }

    #[test]
    fn what_is_written_is_read_again_and_plain_text_stays_a_string() {
        for text in [bearer(), Sensitive::default(), Sensitive::from("a"), Sensitive::secret("x")] {
            let json = serde_json::to_string(&text).unwrap();
            assert_eq!(serde_json::from_str::<Sensitive>(&json).unwrap(), text, "{json}");
        }
        assert_eq!(serde_json::to_string(&Sensitive::from("a")).unwrap(), "\"a\"");
    }

    #[test]
    fn text_that_looks_like_the_written_form_stays_text() {
        let hostile = Sensitive::from(r#"[{"secret":"token"}]"#);
        let back: Sensitive = serde_json::from_str(&serde_json::to_string(&hostile).unwrap()).unwrap();
        assert_eq!(back.secrets().count(), 0);
        assert_eq!(back, hostile);
    }
}
