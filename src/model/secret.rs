//! Where the value of a secret comes from, as a runbook or the configuration names it. The value itself is never here.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A place of the controller that holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretSource {
    /// A variable of the environment.
    Env(String),
    /// The content of a file, without the new line at its end.
    File(String),
    /// What a program writes, without the new line at its end; no shell.
    Command(Vec<String>),
    /// One that the configuration declares under `secret_sources`.
    Configured(String),
}

/// The forms of `from:`, for help.
pub const FORMS: &str = "`env.NAME`, `file:/absolute/path`, `command:/absolute/program ARGUMENT…` or `secret_sources.NAME`";

const CONFIGURED: &str = "secret_sources.";

impl SecretSource {
    /// Reads `from:` of a parameter.
    ///
    /// # Errors
    /// What is wrong, lower case, no full stop.
    pub fn parse(text: &str) -> Result<SecretSource, String> {
        if let Some(name) = text.strip_prefix("env.") {
            return variable(name).map(SecretSource::Env);
        }
        if let Some(name) = text.strip_prefix(CONFIGURED) {
            return match name {
                "" => Err(String::from("`secret_sources.` names none")),
                name => Ok(SecretSource::Configured(name.to_owned())),
            };
        }
        match text.split_once(':') {
            Some(("file", path)) if path.starts_with('/') => Ok(SecretSource::File(path.to_owned())),
            Some(("file", path)) => Err(format!("expected an absolute path after `file:`, found `{path}`")),
            Some(("command", words)) => command(words).map(SecretSource::Command),
            // A literal would be the secret itself, so it is not repeated.
            _ => Err(String::from("this does not say where the secret is kept")),
        }
    }

    /// Reads what stands after `secret:` in the configuration: `file:PATH`, `env:NAME`, `command:PROGRAM …`, `secret_sources.NAME`.
    /// A path may be relative there.
    ///
    /// # Errors
    /// As [`SecretSource::parse`].
    pub fn parse_reference(text: &str) -> Result<SecretSource, String> {
        match text.split_once(':') {
            Some(("file", "")) => Err(String::from("`file:` names no path")),
            Some(("file", path)) => Ok(SecretSource::File(path.to_owned())),
            Some(("env", name)) => variable(name).map(SecretSource::Env),
            _ => SecretSource::parse(text),
        }
    }
}

fn variable(name: &str) -> Result<String, String> {
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    if name.starts_with(letter) && name.chars().all(|c| letter(c) || c.is_ascii_digit()) {
        return Ok(name.to_owned());
    }
    Err(format!("`{name}` is no name of an environment variable"))
}

/// Words at spaces: without quotes nobody has to know whose quotes they are.
fn command(words: &str) -> Result<Vec<String>, String> {
    if words.contains(['\'', '"', '\\', '$', '`', '|', ';', '&', '<', '>']) {
        return Err(String::from(
            "no shell reads this command: it is a program and its arguments, separated by spaces, without quotes or `$`",
        ));
    }
    let argv: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
    match argv.first() {
        Some(program) if program.starts_with('/') => Ok(argv),
        Some(program) => Err(format!(
            "expected an absolute path of a program after `command:`, found `{program}`"
        )),
        None => Err(String::from("`command:` names no program")),
    }
}

/// The place, never what it holds.
impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretSource::Env(name) => write!(f, "env:{name}"),
            SecretSource::File(path) => write!(f, "file:{path}"),
            SecretSource::Command(argv) => write!(f, "command:{}", argv.join(" ")),
            SecretSource::Configured(name) => write!(f, "{CONFIGURED}{name}"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_a_source() {
        let command = |words: &[&str]| Ok(SecretSource::Command(words.iter().map(|w| (*w).to_owned()).collect()));
        assert_eq!(SecretSource::parse("env.DB_PW"), Ok(SecretSource::Env("DB_PW".into())));
        assert_eq!(SecretSource::parse("file:/run/s"), Ok(SecretSource::File("/run/s".into())));
        assert_eq!(
            SecretSource::parse("command:/usr/bin/pass show  db"),
            command(&["/usr/bin/pass", "show", "db"])
        );
        assert_eq!(SecretSource::parse("secret_sources.db"), Ok(SecretSource::Configured("db".into())));
        assert_eq!(
            SecretSource::parse_reference("file:tokens/a"),
            Ok(SecretSource::File("tokens/a".into()))
        );
        assert_eq!(SecretSource::parse_reference("env:A"), Ok(SecretSource::Env("A".into())));
    }

    #[test]
    fn what_is_no_source_is_refused_and_a_literal_is_not_repeated() {
        for bad in [
            "env.",
            "env.1A",
            "file:rel",
            "command:",
            "command:pass x",
            "command:/bin/sh -c 'a b'",
            "secret_sources.",
        ] {
            assert!(SecretSource::parse(bad).is_err(), "{bad}");
        }
        let told = SecretSource::parse("hunter2").unwrap_err();
        assert!(!told.contains("hunter2"), "{told}");
    }
}
