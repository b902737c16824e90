//! Takes secrets out of texts: each value in every form that programs usually give it.
//!
//! What it cannot find: a value that a program has reversed, split by other characters, encrypted or hashed.

use std::collections::BTreeSet;

use aho_corasick::{AhoCorasick, MatchKind};

use super::quote;
use super::secret::MASK;

/// Forms shorter than this are not looked for: they would stand in every text. A value must be at least so long.
pub const SHORTEST: usize = 4;

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const FOR_URLS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Knows how some secrets may look. It holds their values, so it is neither shown nor written out.
#[derive(Clone, Default)]
pub struct Redactor {
    forms: Vec<String>,
    finder: Option<AhoCorasick>,
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Redactor of {} forms", self.forms.len())
    }
}

impl Redactor {
    /// Looks for these values.
    #[must_use]
    pub fn new<'a>(values: impl IntoIterator<Item = &'a str>) -> Redactor {
        let mut forms = BTreeSet::new();
        for value in values {
            add_forms(value, &mut forms);
        }
        let forms: Vec<String> = forms.into_iter().filter(|f| f.len() >= SHORTEST).collect();
        let finder = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&forms).ok();
        Redactor {
            finder: finder.filter(|_| !forms.is_empty()),
            forms,
        }
    }

    /// True when a secret stands in the text.
    #[must_use]
    pub fn finds(&self, text: &str) -> bool {
        self.finder.as_ref().is_some_and(|f| f.is_match(text))
    }

    /// The text with `***` in place of every secret.
    #[must_use]
    pub fn mask(&self, text: String) -> String {
        match &self.finder {
            Some(finder) if finder.is_match(&text) => finder.replace_all(&text, &vec![MASK; self.forms.len()]),
            _ => text,
        }
    }

    /// As [`Redactor::mask`], of a text that was cut off: the beginning of a secret at the cut goes as well.
    #[must_use]
    pub fn mask_cut(&self, text: String) -> String {
        let mut masked = self.mask(text);
        if self.finder.is_none() {
            return masked;
        }
        // Half a character at the cut has become a replacement character.
        let whole = masked.trim_end_matches('\u{fffd}').len();
        let longest = self.forms.iter().filter_map(|form| begun(&masked[..whole], form)).max();
        if let Some(length) = longest {
            masked.truncate(whole - length);
            masked.push_str(MASK);
        }
        masked
    }
}

/// How many bytes of `form` stand at the end of the text, if it is more than one or two by chance.
fn begun(text: &str, form: &str) -> Option<usize> {
    let most = form.len().min(text.len());
    (SHORTEST - 1..most.max(SHORTEST - 1) + 1)
        .rev()
        .find(|n| form.is_char_boundary(*n) && text.len() >= *n && text.ends_with(&form[..*n]))
}

fn add_forms(value: &str, forms: &mut BTreeSet<String>) {
    let bytes = value.as_bytes();
    forms.insert(value.to_owned());
    // A program that reads lines shows them one by one.
    let lines: Vec<&str> = value.lines().map(str::trim).filter(|l| l.len() >= 2 * SHORTEST).collect();
    if value.contains('\n') {
        forms.extend(lines.into_iter().map(str::to_owned));
        forms.insert(value.trim_end().to_owned());
        forms.insert(value.replace('\n', "\r\n"));
    }
    let json = serde_json::Value::from(value).to_string();
    forms.insert(json[1..json.len() - 1].to_owned());
    forms.insert(json[1..json.len() - 1].replace('/', "\\/"));
    forms.extend(quote::word(value));
    // What `quote` above does not do, other tools do: every odd character behind a backslash.
    forms.insert(behind_backslashes(value));
    for keep in ["-._~", "-._~!*'()", "-._~/", "-_.!~*'();/?:@&=+$,#"] {
        let percent = percent_encoded(value, keep);
        forms.insert(percent.to_lowercase_hex());
        forms.insert(percent.replace("%20", "+"));
        forms.insert(percent);
    }
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    forms.insert(hex.to_uppercase());
    forms.insert(hex);
    for alphabet in [STANDARD, FOR_URLS] {
        for before in 0..3 {
            forms.insert(base64_inside(bytes, before, alphabet));
        }
    }
}

/// Percent encoding has two spellings of its digits.
trait Percent {
    fn to_lowercase_hex(&self) -> String;
}

impl Percent for String {
    fn to_lowercase_hex(&self) -> String {
        let mut out = String::with_capacity(self.len());
        let mut digits = 0;
        for c in self.chars() {
            let in_code = digits > 0;
            digits = if c == '%' { 2 } else { usize::max(digits, 1) - 1 };
            out.push(if in_code { c.to_ascii_lowercase() } else { c });
        }
        out
    }
}

fn percent_encoded(value: &str, keep: &str) -> String {
    let mut out = String::with_capacity(value.len() * 3);
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || keep.as_bytes().contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn behind_backslashes(value: &str) -> String {
    let mut out = String::with_capacity(value.len() * 2);
    for c in value.chars() {
        if !c.is_alphanumeric() && !"_@%+=:,./-".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// The characters of base64 that depend on `bytes` alone, when `before` bytes (modulo 3) stand before them and anything behind.
fn base64_inside(bytes: &[u8], before: usize, alphabet: &[u8; 64]) -> String {
    let bit = |i: usize| (bytes[i / 8] >> (7 - i % 8)) & 1;
    // The first whole group of six bits that lies within.
    let first = (6 - before * 8 % 6) % 6;
    let groups = (bytes.len() * 8).saturating_sub(first) / 6;
    (0..groups)
        .map(|g| (0..6).fold(0_usize, |n, i| n << 1 | usize::from(bit(first + g * 6 + i))))
        .map(|n| char::from(alphabet[n]))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    const VALUE: &str = "hunter2/ü pass'w\"rd";

    fn base64(bytes: &[u8], alphabet: &[u8; 64]) -> String {
        let mut padded = bytes.to_vec();
        padded.extend([0, 0]);
        let mut out = base64_inside(&padded, 0, alphabet);
        out.truncate((bytes.len() * 8).div_ceil(6));
        out
    }

    /// Every form in which a value was ever seen in output, made by other means than the product's.
    fn shown(value: &str) -> Vec<String> {
        let json = serde_json::Value::from(value).to_string();
        let mut shown = vec![
            value.to_owned(),
            format!("x{value}y"),
            json.clone(),
            serde_json::json!({ "a": [value, 1] }).to_string(),
            format!("curl -d {}", quote::word(value).unwrap()),
            value.bytes().map(|b| format!("%{b:02x}")).collect::<String>() + "%20",
            value.bytes().map(|b| format!("{b:02X}")).collect(),
            value.bytes().map(|b| format!("{b:02x}")).collect(),
        ];
        // A URL as `curl` and browsers write it.
        let url: String = value
            .bytes()
            .map(|b| {
                if b.is_ascii_alphanumeric() || b"-._~".contains(&b) {
                    char::from(b).to_string()
                } else {
                    format!("%{b:02X}")
                }
            })
            .collect();
        shown[5] = format!("http://h/?q={url}");
        for before in ["", "a", "ab", "user:", "admin:x"] {
            for after in ["", "\n", "zz"] {
                for alphabet in [STANDARD, FOR_URLS] {
                    shown.push(base64(format!("{before}{value}{after}").as_bytes(), alphabet));
                }
            }
        }
        shown
    }

    #[test]
    fn every_usual_form_is_found() {
        let redactor = Redactor::new([VALUE]);
        for text in shown(VALUE) {
            let masked = redactor.mask(text.clone());
            assert!(masked.contains(MASK), "{text} -> {masked}");
        }
    }

    #[test]
    fn other_text_is_left_alone() {
        let redactor = Redactor::new([VALUE]);
        let text = "hunter 2, and a page of other things: aHVudGVy";
        assert_eq!(redactor.mask(text.to_owned()), text);
        assert_eq!(Redactor::default().mask_cut(text.to_owned()), text);
    }

    #[test]
    fn the_beginning_of_a_secret_at_a_cut_is_taken_out() {
        let redactor = Redactor::new(["s3cr3t-token-value"]);
        assert_eq!(redactor.mask_cut("log: s3cr3t-tok".into()), "log: ***");
        assert_eq!(redactor.mask_cut("log: s3cr3t-token-valu\u{fffd}".into()), "log: ***");
        assert_eq!(redactor.mask_cut("log: s3cr3t-token-value and more".into()), "log: *** and more");
        assert_eq!(redactor.mask("log: s3cr3t-tok".into()), "log: s3cr3t-tok");
        assert_eq!(redactor.mask_cut("yes".into()), "yes");
    }

    #[test]
    fn each_line_of_a_key_is_a_secret() {
        let key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEF\nAASCBKcwggSjAgEAAoIBAQC7\n-----END KEY-----\n";
        let masked = Redactor::new([key]).mask(String::from("line 2: AASCBKcwggSjAgEAAoIBAQC7!"));
        assert_eq!(masked, "line 2: ***!");
    }

    #[test]
    fn debug_tells_nothing() {
        let shown = format!("{:?}", Redactor::new(["s3cr3t-token-value"]));
        assert!(shown.starts_with("Redactor of") && !shown.contains("s3cr3t"), "{shown}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn no_form_survives(value in "[ -~äé]{6,24}", around in "[a-z =:]{0,7}") {
            let redactor = Redactor::new([value.as_str()]);
            for form in shown(&value) {
                let masked = redactor.mask(format!("{around}{form}{around}"));
                prop_assert!(!masked.contains(&value), "{masked}");
                prop_assert!(masked.contains(MASK), "{form} -> {masked}");
            }
        }
    }
}
