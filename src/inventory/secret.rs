//! Which variables look like passwords by their names, and texts with what stands behind such names blotted out: a diagnostic shows
//! the line it is about.

use crate::diagnostic::Sources;

/// True for names such as `ansible_password`, `db_pass`, `api_token`; not for paths to keys.
#[must_use]
pub fn looks_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('-', "_");
    let inside = [
        "password",
        "passwd",
        "passphrase",
        "become_pass",
        "ssh_pass",
        "sudo_pass",
        "secret",
        "private_key",
        "api_key",
        "apikey",
    ];
    let at_the_end = ["_pass", "_pw", "_pwd", "token"];
    let path = ["_file", "_path", "_dir"].iter().any(|e| name.ends_with(e));
    !path && (name == "pass" || inside.iter().any(|w| name.contains(w)) || at_the_end.iter().any(|w| name.ends_with(w)))
}

/// The same texts for showing: behind a name that looks secret the rest of the line is stars. Places stay where they are.
#[must_use]
pub fn masked(sources: &Sources) -> Sources {
    let mut shown = Sources::new();
    let mut number = 0;
    while let Some(source) = sources.get(crate::diagnostic::SourceId(number)) {
        let lines: Vec<String> = source.text.split_inclusive('\n').map(mask_line).collect();
        shown.add(source.name.clone(), lines.concat());
        number += 1;
    }
    shown
}

/// Where the value behind the first secret name of a line starts.
pub(super) fn secret_from(line: &str) -> Option<usize> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let mut from = 0;
    for (sign, _) in line.match_indices([':', '=']) {
        let before = line[from..sign].trim_end_matches([' ', '\t', '"', '\'']);
        let name = &before[before
            .rfind(|c| !is_name(c))
            .map_or(0, |n| n + before[n..].chars().next().map_or(1, char::len_utf8))..];
        if looks_secret(name) {
            return Some(sign + 1);
        }
        from = sign + 1;
    }
    None
}

fn mask_line(line: &str) -> String {
    let Some(from) = secret_from(line) else { return line.to_owned() };
    let end = line.trim_end_matches(['\n', '\r']).len();
    let start = from + line[from..].len() - line[from..].trim_start_matches(' ').len();
    if start >= end {
        return line.to_owned();
    }
    // One star a byte, so that places behind it stay true.
    format!("{}{}{}", &line[..start], "*".repeat(end - start), &line[end..])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn names_that_look_like_passwords() {
        for name in [
            "ansible_password",
            "ansible_become_pass",
            "ansible_ssh_pass",
            "ansible_become_password",
            "db_pass",
            "API-Token",
            "vault_secret_x",
            "ansible_ssh_private_key_passphrase",
            "ansible_ssh_private_key",
            "pass",
        ] {
            assert!(looks_secret(name), "{name}");
        }
        for name in [
            "ansible_ssh_private_key_file",
            "ansible_user",
            "compass",
            "bypass_checks",
            "passenger",
            "tokens_per_second",
            "secret_file",
        ] {
            assert!(!looks_secret(name), "{name}");
        }
    }

    #[test]
    fn lines_are_blotted_out_from_the_secret_on() {
        let mut sources = Sources::new();
        sources.add(
            "x",
            "web ansible_host=a ansible_password=s3cret b=1\r\nansible_become_pass = x y\n\"db_password\": \"é\",\nplain: 1\npassword: |\n",
        );
        let shown = masked(&sources);
        let text = &shown.get(crate::diagnostic::SourceId(0)).unwrap().text;
        assert_eq!(
            text.as_str(),
            "web ansible_host=a ansible_password=**********\r\nansible_become_pass = ***\n\"db_password\": *****\nplain: 1\npassword: *\n"
        );
    }
}
