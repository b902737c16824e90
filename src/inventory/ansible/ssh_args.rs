//! Options for ssh that stand in an inventory: a jump host, keys and known hosts are taken over; what could run a program here is
//! refused; what runbook decides itself is named.

use crate::inventory::ansible::words;

/// What the options mean for us.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Args {
    pub jump: Option<String>,
    pub identity_file: Option<String>,
    pub known_hosts: Option<String>,
    /// Options that have no effect here.
    pub unused: Vec<String>,
    /// Options that are refused, with text to use instead where there is one.
    pub refused: Vec<(String, Option<String>)>,
}

/// Options that are without danger and without effect: runbook says them itself, or needs nothing of the kind.
const SILENT: &[&str] = &[
    "controlmaster",
    "controlpersist",
    "controlpath",
    "batchmode",
    "connecttimeout",
    "connectionattempts",
    "serveraliveinterval",
    "serveralivecountmax",
    "tcpkeepalive",
    "compression",
    "loglevel",
    "identitiesonly",
    "preferredauthentications",
    "passwordauthentication",
    "kbdinteractiveauthentication",
    "pubkeyauthentication",
    "forwardagent",
    "forwardx11",
    "requesttty",
    "globalknownhostsfile",
    "gssapiauthentication",
];

/// Options of ssh that run a program on this machine, or read others that may.
const DANGEROUS: &[&str] = &[
    "proxycommand",
    "localcommand",
    "permitlocalcommand",
    "knownhostscommand",
    "proxyusefdpass",
    "pkcs11provider",
    "securitykeyprovider",
    "xauthlocation",
    "include",
    "match",
    "remotecommand",
];

/// Reads the value of `ansible_ssh_common_args` and its kin.
pub(super) fn read(text: &str) -> Args {
    let mut args = Args::default();
    let Ok(words) = words::split(text, false) else {
        args.refused.push((text.to_owned(), None));
        return args;
    };
    let mut words = words.into_iter().map(|w| w.text);
    while let Some(word) = words.next() {
        let Some(flag) = word
            .strip_prefix('-')
            .and_then(|w| w.chars().next())
            .filter(char::is_ascii_alphanumeric)
        else {
            args.refused.push((word, None));
            continue;
        };
        let takes_value = "BbcDEeFIiJLlmOopQRSWw".contains(flag);
        if !takes_value {
            args.flags(&word);
            continue;
        }
        let value = match &word[2..] {
            "" => words.next().unwrap_or_default(),
            glued => glued.to_owned(),
        };
        match flag {
            'o' => args.option(&value),
            'J' => args.jump = Some(value),
            'i' => args.identity_file = Some(value),
            _ => args.refused.push((format!("-{flag}"), instead(flag))),
        }
    }
    args
}

fn instead(flag: char) -> Option<String> {
    match flag {
        'p' => Some(String::from("ansible_port")),
        'l' => Some(String::from("ansible_user")),
        _ => None,
    }
}

impl Args {
    /// Flags without a value: `-C`, `-4`, `-tt`.
    fn flags(&mut self, word: &str) {
        for flag in word[1..].chars() {
            match flag {
                'C' | 'q' | 'T' | 't' | 'v' | 'x' | 'a' | 'n' | 'k' => {}
                '4' | '6' | 'A' | 'X' | 'Y' | 'K' => self.unused.push(format!("-{flag}")),
                _ => self.refused.push((format!("-{flag}"), None)),
            }
        }
    }

    fn option(&mut self, option: &str) {
        let (name, value) = option.split_once(['=', ' ']).unwrap_or((option, ""));
        let value = value.trim().trim_matches('"');
        let lower = name.trim().to_ascii_lowercase();
        match lower.as_str() {
            "proxyjump" if value == "none" => {}
            "proxyjump" => self.jump = Some(value.to_owned()),
            "identityfile" => self.identity_file = Some(value.to_owned()),
            "userknownhostsfile" if value == "/dev/null" || value.contains(' ') => self.unused.push(name.to_owned()),
            "userknownhostsfile" => self.known_hosts = Some(value.to_owned()),
            "proxycommand" => self
                .refused
                .push((name.to_owned(), jump_of(value).map(|jump| format!("-J {jump}")))),
            "port" => self.refused.push((name.to_owned(), instead('p'))),
            "user" => self.refused.push((name.to_owned(), instead('l'))),
            l if DANGEROUS.contains(&l) => self.refused.push((name.to_owned(), None)),
            l if SILENT.contains(&l) => {}
            _ => self.unused.push(name.to_owned()),
        }
    }
}

/// The jump host of `ssh -W %h:%p [-q] [-p PORT] [user@]host`, the usual way before `-J` existed.
fn jump_of(command: &str) -> Option<String> {
    let words = words::split(command, false).ok()?;
    let mut words = words.iter().map(|w| w.text.as_str());
    if words.next()? != "ssh" {
        return None;
    }
    let (mut through, mut port, mut user, mut host) = (false, None, None, None);
    while let Some(word) = words.next() {
        match word {
            "-W" => through = words.next()? == "%h:%p",
            "-q" => {}
            "-p" => port = Some(words.next()?),
            "-l" => user = Some(words.next()?),
            word if word.starts_with('-') || host.is_some() => return None,
            word => host = Some(word),
        }
    }
    let host = host.filter(|h| through && h.chars().all(|c| c.is_ascii_alphanumeric() || "._-@".contains(c)))?;
    let user = user.map(|u| format!("{u}@")).unwrap_or_default();
    let port = port.map(|p| format!(":{p}")).unwrap_or_default();
    Some(format!("{user}{host}{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jumps_keys_and_known_hosts_are_taken_over() {
        for text in [
            "-J ops@gate:22",
            "-Jops@gate:22",
            "-o ProxyJump=ops@gate:22",
            "-oProxyJump=ops@gate:22",
            "-C -o 'ProxyJump ops@gate:22'",
        ] {
            assert_eq!(read(text).jump.as_deref(), Some("ops@gate:22"), "{text}");
            assert!(read(text).refused.is_empty() && read(text).unused.is_empty(), "{text}");
        }
        let args = read("-i ~/k -o UserKnownHostsFile=known -o ControlMaster=auto -o ControlPersist=60s");
        assert_eq!(
            (args.identity_file.as_deref(), args.known_hosts.as_deref()),
            (Some("~/k"), Some("known"))
        );
        assert_eq!(args.unused.len() + args.refused.len(), 0);
        let args = read("-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null");
        assert_eq!(args.unused, ["StrictHostKeyChecking", "UserKnownHostsFile"]);
    }

    #[test]
    fn what_runs_something_is_refused_with_what_to_write() {
        let refused = |text: &str| read(text).refused;
        assert_eq!(
            refused("-o ProxyCommand=\"ssh -W %h:%p -q ops@gate\""),
            [("ProxyCommand".to_owned(), Some("-J ops@gate".to_owned()))]
        );
        assert_eq!(
            refused("-oProxyCommand='ssh -p 2222 -l ops gate -W %h:%p'")[0].1.as_deref(),
            Some("-J ops@gate:2222")
        );
        for text in [
            "-o ProxyCommand='nc %h %p'",
            "-o ProxyCommand='ssh -W %h:%p $(id)'",
            "-o ProxyCommand='ssh gate nc %h %p'",
            "-o LocalCommand=id",
            "-oproxycommand=id",
            "-F /x",
            "-S /x",
            "-I /x.so",
            "-o KnownHostsCommand=id",
            "-o 'Include x'",
            "-o \"ProxyCommand id\"",
            "id",
            "-",
            "--",
            "'x",
            "-fN",
        ] {
            assert_eq!(refused(text).first().map(|r| r.1.clone()), Some(None), "{text}");
        }
        assert_eq!(refused("-p 2222")[0].1.as_deref(), Some("ansible_port"));
    }
}
