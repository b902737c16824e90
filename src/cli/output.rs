//! Words to stdout and stderr. A reader that has gone away is no error.

use std::io::{IsTerminal, Write};

use super::arguments::ColorWhen;

/// Writes a result.
pub fn out(text: &str) {
    let mut stdout = std::io::stdout().lock();
    // `runbook … | head` closes the pipe; what could not be read was not wanted.
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// Writes progress, questions, errors.
pub fn err(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

/// Writes a JSON document.
pub fn json(document: &serde_json::Value) {
    out(&format!("{document:#}\n"));
}

/// Whether to colour stdout and stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colors {
    /// stdout
    pub out: bool,
    /// stderr
    pub err: bool,
}

impl Colors {
    /// As the flag says, else as the terminal and `NO_COLOR`, `CLICOLOR_FORCE`, `TERM` say.
    #[must_use]
    pub fn new(when: ColorWhen) -> Colors {
        match when {
            ColorWhen::Always => Colors { out: true, err: true },
            ColorWhen::Never => Colors { out: false, err: false },
            ColorWhen::Auto => {
                let wanted = |choice| choice != anstream::ColorChoice::Never;
                Colors {
                    out: wanted(anstream::AutoStream::choice(&std::io::stdout())),
                    err: wanted(anstream::AutoStream::choice(&std::io::stderr())),
                }
            }
        }
    }
}

/// True when a person can be asked: stdin and stderr are terminals.
#[must_use]
pub fn interactive(no_input: bool) -> bool {
    !no_input && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}
