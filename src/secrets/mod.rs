//! Floor 6: what secrets are worth. Reads them where a runbook or the configuration says they are kept, puts them into what is sent,
//! and takes them out of whatever comes back.
//!
//! Values live here and in what is on its way to a host; no record, plan, message or log of the program holds one. A secret that
//! cannot be read is an error with the place to look at, never an empty text.

mod read;

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};

pub use read::{Problem, read};

use crate::base::redact::Redactor;
use crate::base::secret::{Piece, Sensitive};
use crate::model::operation::{Output, Trouble, TroubleKind};
use crate::model::runbook::{ParamKind, Runbook};
use crate::model::secret::SecretSource;

/// The places that the configuration declares under `secret_sources`.
pub type Configured = BTreeMap<String, SecretSource>;

/// The secrets of a run, by the names of their parameters.
#[derive(Debug, Default)]
pub struct Vault {
    values: BTreeMap<String, SecretString>,
    missing: BTreeMap<String, Problem>,
    redactor: Redactor,
    /// Nothing is real: any secret is worth its name.
    rehearsed: bool,
}

impl Vault {
    /// Knows no secret.
    #[must_use]
    pub fn empty() -> Vault {
        Vault::default()
    }

    /// For simulated hosts: any secret is worth its name, so that a rehearsal needs none.
    #[must_use]
    pub fn rehearsed() -> Vault {
        Vault {
            rehearsed: true,
            ..Vault::default()
        }
    }

    /// Reads every secret parameter of a runbook; [`Vault::missing`] tells what could not be read.
    #[must_use]
    pub fn of(runbook: &Runbook, configured: &Configured) -> Vault {
        let mut values = BTreeMap::new();
        let mut missing = BTreeMap::new();
        for param in runbook.params.iter().filter(|p| p.kind == ParamKind::Secret) {
            let source = SecretSource::parse(param.from.as_deref().unwrap_or_default()).map_err(Problem::new);
            match source.and_then(|source| read(&source, configured)) {
                Ok(value) => {
                    values.insert(param.name.clone(), value);
                }
                Err(problem) => {
                    missing.insert(param.name.clone(), problem);
                }
            }
        }
        Vault {
            missing,
            ..Vault::holding(values)
        }
    }

    /// The secrets that could not be read, and why.
    pub fn missing(&self) -> impl Iterator<Item = (&str, &Problem)> {
        self.missing.iter().map(|(name, problem)| (name.as_str(), problem))
    }

    fn holding(values: BTreeMap<String, SecretString>) -> Vault {
        Vault {
            redactor: Redactor::new(values.values().map(ExposeSecret::expose_secret)),
            values,
            missing: BTreeMap::new(),
            rehearsed: false,
        }
    }

    /// The text as it is sent.
    ///
    /// # Errors
    /// A secret that could not be read: nothing may be sent.
    pub fn reveal(&self, text: &Sensitive) -> Result<String, String> {
        let mut whole = String::new();
        for piece in text.pieces() {
            match piece {
                Piece::Text(text) => whole.push_str(text),
                Piece::Secret(name) => match self.values.get(name) {
                    Some(value) => whole.push_str(value.expose_secret()),
                    None if self.rehearsed => whole.push_str(&format!("(secret {name})")),
                    None => {
                        let why = self.missing.get(name).map(|p| format!(": {p}")).unwrap_or_default();
                        return Err(format!("secret `{name}` is not to be had, so nothing was sent{why}"));
                    }
                },
            }
        }
        Ok(whole)
    }

    /// What came back, without secrets.
    ///
    /// A file that holds one is not handed on: an edit would put the mask in place, and the record would keep the rest.
    #[must_use]
    pub fn mask(&self, output: Output) -> Output {
        if self.values.is_empty() {
            return output;
        }
        let mask = |text: String| self.redactor.mask(text);
        match output {
            Output::Exited {
                code,
                stdout,
                stderr,
                truncated,
            } => {
                let mask = |text: String| if truncated { self.redactor.mask_cut(text) } else { mask(text) };
                Output::Exited {
                    code,
                    stdout: mask(stdout),
                    stderr: mask(stderr),
                    truncated,
                }
            }
            Output::File { content, .. } if self.redactor.finds(&content) => Output::Failed(Trouble {
                kind: TroubleKind::Denied,
                message: String::from(
                    "the file holds a secret of this run, and what is read of files is recorded; keep the secret in a file of its own",
                ),
                may_have_happened: false,
            }),
            Output::Answer { text } => Output::Answer { text: mask(text) },
            Output::Http { status, headers, body } => Output::Http {
                status,
                headers: headers.into_iter().map(|(name, value)| (name, mask(value))).collect(),
                // A long body may have been cut off.
                body: match body.len() < crate::base::bound::HTTP_BODY_BYTES {
                    true => mask(body),
                    false => self.redactor.mask_cut(body),
                },
            },
            Output::Notified { receipt } => Output::Notified { receipt: mask(receipt) },
            Output::Failed(trouble) => Output::Failed(Trouble {
                message: mask(trouble.message),
                ..trouble
            }),
            other @ (Output::History { .. }
            | Output::File { .. }
            | Output::NoFile
            | Output::Put { .. }
            | Output::Tcp { .. }
            | Output::Paused) => other,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn vault() -> Vault {
        Vault::holding(BTreeMap::from([(String::from("token"), SecretString::from("s3cr3t-token-value"))]))
    }

    #[test]
    fn a_secret_is_put_in_by_name_and_only_where_the_author_put_it() {
        let mut header = Sensitive::from("Bearer ");
        header.push(&Sensitive::secret("token"));
        assert_eq!(vault().reveal(&header).unwrap(), "Bearer s3cr3t-token-value");
        let hostile = Sensitive::from("[{\"secret\":\"token\"}] {{params.token}} ***");
        assert_eq!(vault().reveal(&hostile).unwrap(), "[{\"secret\":\"token\"}] {{params.token}} ***");
        assert!(vault().reveal(&Sensitive::secret("other")).unwrap_err().contains("`other`"));
    }

    #[test]
    fn what_comes_back_is_masked_on_every_way() {
        let text = || String::from("x s3cr3t-token-value y");
        let outputs = [
            Output::Exited {
                code: 1,
                stdout: text(),
                stderr: text(),
                truncated: false,
            },
            Output::Exited {
                code: 1,
                stdout: String::from("s3cr3t-tok"),
                stderr: String::new(),
                truncated: true,
            },
            Output::Answer { text: text() },
            Output::Http {
                status: 200,
                headers: vec![("x".into(), text())],
                body: text(),
            },
            Output::Notified { receipt: text() },
            Output::Failed(Trouble {
                kind: TroubleKind::Other,
                message: text(),
                may_have_happened: true,
            }),
            Output::File {
                content: text(),
                utf8: true,
                mode: "0600".into(),
                owner: "a".into(),
                group: "a".into(),
                sha256: "0".into(),
            },
        ];
        for output in outputs {
            let masked = serde_json::to_string(&vault().mask(output)).unwrap();
            assert!(!masked.contains("s3cr3t-tok"), "{masked}");
        }
    }

    #[test]
    fn nothing_of_a_vault_is_shown() {
        let shown = format!("{:?}", vault());
        assert!(!shown.contains("s3cr3t"), "{shown}");
    }
}
