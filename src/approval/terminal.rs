//! The prompts. They block: a run asks from a thread of its own.

use dialoguer::{Confirm, Input, Select};

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
