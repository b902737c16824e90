//! The only place that quotes text for a POSIX shell.

/// Quotes one word for `sh`.
///
/// # Errors
/// A NUL byte cannot be passed to any program.
pub fn word(text: &str) -> Result<String, String> {
    shlex::try_quote(text)
        .map(|quoted| quoted.into_owned())
        .map_err(|_| String::from("the text holds a NUL byte, which no program can receive"))
}

/// Quotes and joins words into one command line for `sh`.
///
/// # Errors
/// As [`word`].
pub fn line<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<String, String> {
    let quoted: Result<Vec<String>, String> = words.into_iter().map(word).collect();
    Ok(quoted?.join(" "))
}

/// The words of a command line that was made with [`line`]; `None` when a quote is not closed.
#[must_use]
pub fn words(line: &str) -> Option<Vec<String>> {
    shlex::split(line)
}

/// Shows a command line to a person; never to a shell.
#[must_use]
pub fn show<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words
        .into_iter()
        .map(|w| word(w).unwrap_or_else(|_| String::from("<NUL>")))
        .collect::<Vec<_>>()
        .join(" ")
}
