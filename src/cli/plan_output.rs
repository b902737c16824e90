//! `-o` of `plan`: a shape for what is printed, or the file that the plan is saved in.

use std::path::PathBuf;
use std::str::FromStr;

use clap::ValueEnum;

use super::arguments::{Format, PlanOptions};
use super::exit::CliError;
use crate::diagnostic::nearest;

/// One `-o`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlanOutput {
    /// Print it so.
    Format(Format),
    /// Save it there.
    File(PathBuf),
}

/// Names of shapes; one of them is what a review calls it.
const MARKDOWN: &str = "markdown";

impl FromStr for PlanOutput {
    type Err = String;

    fn from_str(text: &str) -> Result<PlanOutput, String> {
        match (text, Format::from_str(text, false)) {
            ("", _) => Err(String::from("expected text, json, ndjson, markdown, or the name of a file")),
            (MARKDOWN, _) => Ok(PlanOutput::Format(Format::Github)),
            (_, Ok(format)) => Ok(PlanOutput::Format(format)),
            (file, Err(_)) => Ok(PlanOutput::File(PathBuf::from(file))),
        }
    }
}

impl PlanOptions {
    /// What is printed.
    ///
    /// # Errors
    /// Several shapes.
    pub fn format(&self) -> Result<Format, CliError> {
        let mut formats = self.output.iter().filter_map(|output| match output {
            PlanOutput::Format(format) => Some(*format),
            PlanOutput::File(_) => None,
        });
        match (formats.next(), formats.next()) {
            (first, None) => Ok(first.unwrap_or(Format::Text)),
            _ => Err(CliError::Usage(String::from("-o names several formats; one is printed"))),
        }
    }

    /// Where it is saved.
    ///
    /// # Errors
    /// Several files.
    pub fn file(&self) -> Result<Option<&PathBuf>, CliError> {
        let mut files = self.output.iter().filter_map(|output| match output {
            PlanOutput::File(file) => Some(file),
            PlanOutput::Format(_) => None,
        });
        match (files.next(), files.next()) {
            (first, None) => Ok(first),
            _ => Err(CliError::Usage(String::from(
                "-o names several files; a plan is saved once, since it can be used once",
            ))),
        }
    }
}

/// A file's name that was perhaps meant as a format: `jsno`.
#[must_use]
pub fn meant(file: &str) -> Option<&'static str> {
    if file.contains(['.', '/']) {
        return None;
    }
    nearest(file, ["text", "json", "ndjson", MARKDOWN, "github"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_known_by_name_and_everything_else_is_a_file() {
        for (text, format) in [
            ("text", Format::Text),
            ("json", Format::Json),
            ("markdown", Format::Github),
            ("github", Format::Github),
        ] {
            assert_eq!(text.parse(), Ok(PlanOutput::Format(format)));
        }
        for file in ["p", "jsno", "json.plan", "a/json", "Json"] {
            assert_eq!(file.parse(), Ok(PlanOutput::File(PathBuf::from(file))));
        }
        assert!("".parse::<PlanOutput>().is_err());
        assert_eq!(
            (meant("jsno"), meant("markdwon"), meant("p"), meant("jsno.plan")),
            (Some("json"), Some("markdown"), None, None)
        );
    }
}
