//! Tells from what `ssh` wrote why there is no connection. Its exit status is 255 for everything.

use super::{ConnectError, ConnectErrorKind};

/// Phrases of OpenSSH, the most telling first.
const PHRASES: &[(&str, ConnectErrorKind)] = &[
    ("REMOTE HOST IDENTIFICATION HAS CHANGED", ConnectErrorKind::HostKeyChanged),
    ("differs from the key for the IP address", ConnectErrorKind::HostKeyChanged),
    ("host key is known for", ConnectErrorKind::HostKeyUnknown),
    ("Host key verification failed", ConnectErrorKind::HostKeyUnknown),
    ("Permission denied", ConnectErrorKind::AuthDenied),
    ("Too many authentication failures", ConnectErrorKind::AuthDenied),
    ("No supported authentication methods", ConnectErrorKind::AuthDenied),
    ("Could not resolve hostname", ConnectErrorKind::Dns),
    ("Connection refused", ConnectErrorKind::Refused),
    ("No route to host", ConnectErrorKind::Unreachable),
    ("Network is unreachable", ConnectErrorKind::Unreachable),
    ("timed out", ConnectErrorKind::Timeout),
    ("not responding", ConnectErrorKind::Timeout),
    ("Exceeded MaxStartups", ConnectErrorKind::ServerBusy),
    ("kex_exchange_identification", ConnectErrorKind::ServerBusy),
    ("banner exchange", ConnectErrorKind::ServerBusy),
    ("Connection closed by", ConnectErrorKind::ServerBusy),
    ("Connection reset by", ConnectErrorKind::ServerBusy),
    ("too long for Unix domain socket", ConnectErrorKind::LocalResource),
    ("Bad configuration option", ConnectErrorKind::LocalResource),
    ("terminating, ", ConnectErrorKind::LocalResource),
];
/// Lines kept of what was said.
const LINES: usize = 6;

/// The class of a failed connect, and the last lines of what was said. `shell` is what stood where the hello should be.
pub(super) fn classify(log: &str, exit: Option<i32>, shell: &str) -> ConnectError {
    let kind = PHRASES.iter().find(|(phrase, _)| log.contains(phrase)).map(|(_, kind)| *kind);
    // Any status but 255 is the remote command's own: the login worked.
    let kind = kind.unwrap_or(if exit.is_some_and(|code| code != 255) {
        ConnectErrorKind::NoShell
    } else {
        ConnectErrorKind::Other
    });
    let told: Vec<&str> = log
        .lines()
        .chain(shell.lines())
        .map(str::trim)
        .filter(|l| !l.is_empty() && !l.starts_with("@@@"))
        // ssh's own advice is to remove the old key, which is what an attacker hopes for.
        .filter(|l| kind != ConnectErrorKind::HostKeyChanged || l.starts_with("Offending") || l.starts_with("SHA256:"))
        .collect();
    let from = told.len().saturating_sub(LINES);
    ConnectError::new(kind, told[from..].join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_ssh_have_a_class() {
        for (log, kind) in [
            (
                "ssh: connect to host 127.0.0.9 port 22: Connection refused\r\n",
                ConnectErrorKind::Refused,
            ),
            (
                "ssh: Could not resolve hostname nowhere: Name or service not known",
                ConnectErrorKind::Dns,
            ),
            ("joe@h: Permission denied (publickey).", ConnectErrorKind::AuthDenied),
            (
                "No ED25519 host key is known for h and you have requested strict checking.\nHost key verification failed.",
                ConnectErrorKind::HostKeyUnknown,
            ),
            (
                "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.",
                ConnectErrorKind::HostKeyChanged,
            ),
            (
                "kex_exchange_identification: Connection closed by remote host",
                ConnectErrorKind::ServerBusy,
            ),
            ("ssh: connect to host h port 22: Connection timed out", ConnectErrorKind::Timeout),
            ("ssh: connect to host h port 22: No route to host", ConnectErrorKind::Unreachable),
            ("something new", ConnectErrorKind::Other),
        ] {
            assert_eq!(classify(log, Some(255), "").kind, kind, "{log}");
        }
        let changed =
            "WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!\nOffending ED25519 key in /k:2\n  remove with:\n  ssh-keygen -f /k -R h";
        assert!(
            classify(changed, Some(255), "")
                .to_string()
                .ends_with("Offending ED25519 key in /k:2")
        );
        assert_eq!(
            classify("", Some(1), "This account is currently not available.").kind,
            ConnectErrorKind::NoShell
        );
    }
}
