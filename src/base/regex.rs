//! Regular expressions that people write in runbooks and inventories: compiled within bounds, so that no text can hold the program up.

use regex_lite::{Regex, RegexBuilder};

/// Bytes that a compiled expression may take.
const BYTES: usize = 1 << 20;
/// Brackets inside brackets.
const NESTING: u32 = 50;
/// The most that `{…}` may repeat, all of them multiplied: repeating something that matches nothing takes no bytes, but time.
const REPEATS: u64 = 1_000_000;

/// Compiles an expression.
///
/// # Errors
/// A sentence: what is wrong with it.
pub fn compile(text: &str) -> Result<Regex, String> {
    let times = repeats(text).map(|digits| digits.parse::<u64>().unwrap_or(u64::MAX).max(1));
    if times.fold(1, u64::saturating_mul) > REPEATS {
        return Err(format!("its `{{…}}` repeat more than {REPEATS} times in all"));
    }
    RegexBuilder::new(text)
        .size_limit(BYTES)
        .nest_limit(NESTING)
        .build()
        .map_err(|e| e.to_string())
}

/// The greater number of each `{n}`, `{n,}` and `{n,m}`, wherever something like them stands.
fn repeats(text: &str) -> impl Iterator<Item = &str> {
    let insides = text.split('{').skip(1).map(|rest| rest.split('}').next().unwrap_or(""));
    let number = |d: &&str| !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit());
    insides.filter_map(move |inside| inside.split(',').map(str::trim).rfind(number))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn usual_expressions_compile() {
        for good in [
            "^web-[0-9]+$",
            "a{3}",
            "a{0,1000}",
            "([0-9]{1,3}[.]){3}[0-9]{1,3}",
            "(a|b)*",
            "\\d{2,}",
            "{}",
            "x{y}",
        ] {
            let compiled = compile(good);
            assert!(compiled.is_ok() || regex_lite::Regex::new(good).is_err(), "{good}: {compiled:?}");
        }
        assert!(compile("^web-[0-9]{2}$").unwrap().is_match("web-01"));
    }

    #[test]
    fn what_would_never_end_is_refused() {
        for bad in [
            "|{1000001}",
            "(){00000002082290219}",
            "a{1,5747005}",
            "a{99999999999999999999}",
            "(((){1000}){1000}){1000}",
        ] {
            assert!(compile(bad).is_err(), "{bad}");
        }
        // Found by fuzzing: it held the program up for more than five seconds.
        assert!(compile(" *| *~* | **{00000002082290219}28f,").is_err());
        let deep = format!("{}a{}", "(".repeat(60), ")".repeat(60));
        assert!(compile(&deep).is_err());
    }
}
