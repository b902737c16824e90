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

/// Asks whether something is done or has failed. `None`: the person left without an answer.
#[must_use]
pub fn done() -> Option<bool> {
    let choice = Select::new()
        .with_prompt("When you are through")
        .items(["done", "failed"])
        .default(0)
        .interact_opt();
    choice.ok().flatten().map(|answer| answer == 0)
}

/// Asks for one of some words. `None`: the person left without an answer.
#[must_use]
pub fn choose(prompt: &str, words: &[String]) -> Option<String> {
    let choice = Select::new().with_prompt(prompt).items(words).default(0).interact_opt();
    words.get(choice.ok().flatten()?).cloned()
}

/// Asks for a text until it is right. `None`: the person left without an answer.
#[must_use]
pub fn checked(prompt: &str, default: Option<String>, check: impl Fn(&str) -> Result<(), String>) -> Option<String> {
    let input = Input::<String>::new().with_prompt(prompt);
    let input = match default {
        Some(default) => input.default(default),
        None => input,
    };
    input.validate_with(|text: &String| check(text)).interact_text().ok()
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
