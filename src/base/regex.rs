//! Regular expressions that people write in runbooks and inventories: compiled within bounds, so that no text can hold the program up.

use regex_lite::{Regex, RegexBuilder};

/// Bytes that a compiled expression may take; it bounds the time to compile it, too.
const BYTES: usize = 1 << 20;
/// Brackets inside brackets.
const NESTING: u32 = 50;

/// Compiles an expression.
///
/// # Errors
/// A sentence: what is wrong with it.
pub fn compile(text: &str) -> Result<Regex, String> {
    RegexBuilder::new(text)
        .size_limit(BYTES)
        .nest_limit(NESTING)
        .build()
        .map_err(|e| e.to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn usual_expressions_compile() {
        assert!(compile("^web-[0-9]{2}$").unwrap().is_match("web-01"));
        assert!(compile("([0-9]{1,3}[.]){3}[0-9]{1,3}").unwrap().is_match("192.0.2.1"));
    }

    #[test]
    fn what_would_take_too_much_is_refused() {
        for bad in ["(){2000000000}", "(((a{1000}){1000}){1000}){1000}", "|{5000000}"] {
            assert!(compile(bad).is_err(), "{bad}");
        }
        let deep = format!("{}a{}", "(".repeat(60), ")".repeat(60));
        assert!(compile(&deep).is_err());
    }
}
