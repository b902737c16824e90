//! The prompts. They block: a run asks from a thread of its own.

use std::io::Write;

use dialoguer::{Confirm, Input, Select};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

/// How the terminal was before a question. A prompt that is overtaken, because somebody answered elsewhere, would leave it
/// without echo and without a cursor.
#[derive(Clone, Debug)]
pub struct Modes(Option<Termios>);

impl Modes {
    /// As it is now.
    #[must_use]
    pub fn now() -> Modes {
        Modes(tcgetattr(std::io::stdin()).ok())
    }

    /// Makes it so again.
    pub fn restore(&self) {
        let Some(modes) = &self.0 else { return };
        // A terminal that has gone away needs nothing.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, modes);
        let _ = std::io::stderr().write_all(b"\x1b[?25h");
    }
}

/// Asks for approval; no is the default. `None`: the person left without an answer.
#[must_use]
pub fn approve() -> Option<bool> {
    let choice = Select::new()
        .with_prompt("Your answer")
        .items(["approve", "deny"])
        .default(1)
        .interact_opt();
    match choice {
        Ok(Some(answer)) => Some(answer == 0),
        Ok(None) | Err(_) => None,
    }
}

/// Asks yes or no; no is the default.
///
/// # Errors
/// Why there is no answer.
pub fn confirm(question: &str) -> Result<bool, String> {
    Confirm::new()
        .with_prompt(question)
        .default(false)
        .interact()
        .map_err(|e| e.to_string())
}

/// Asks for a text.
///
/// # Errors
/// Why there is no answer.
pub fn text(prompt: &str) -> Result<String, String> {
    Input::new().with_prompt(prompt).interact_text().map_err(|e| e.to_string())
}
