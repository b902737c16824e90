//! What names and connection values may look like. They reach command lines of ssh and of balancers, so the lists are closed: no
//! value can be taken for an option or hold a character that a shell or a runtime socket reads.

use crate::base::sanitise::one_line;
use crate::diagnostic::{Diagnostic, Diagnostics, Span, Spanned};
use crate::model::pattern::is_name_char;

/// Words that mean something else where a host or a group is named.
const RESERVED: &[&str] = &["all", "control"];

/// The longest name; a DNS name has at most 253 characters.
const LONGEST: usize = 253;

/// Checks the name of a host, group or pool (`what`).
pub(super) fn check_name(name: &str, what: &str, span: Span, diagnostics: &mut Diagnostics) -> bool {
    let shown = one_line(name, 60);
    let why = if RESERVED.contains(&name) {
        format!("`{shown}` has a meaning of its own and cannot be the name of a {what}")
    } else if name.len() > LONGEST {
        format!("the name of a {what} has at most {LONGEST} characters")
    } else if !name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') || !name.chars().all(is_name_char) {
        format!("`{shown}` is no name for a {what}")
    } else {
        return true;
    };
    let help = "names start with a letter, a digit or `_` and go on with those, `.` and `-`";
    diagnostics.push(Diagnostic::error("RB0510", span, why).help(help));
    false
}

/// What a value is for, and so what it may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A name or an IP address.
    Address,
    /// A login name.
    User,
    /// `[user@]host[:port]`, several separated by `,`.
    Jump,
    /// A file on this machine.
    LocalPath,
    /// An absolute path on a host.
    RemotePath,
    /// A service's name.
    Service,
    /// A name in the balancer's configuration.
    Balancer,
}

impl Purpose {
    fn accepts(self, value: &str) -> bool {
        let begins_well = !value.is_empty() && !value.starts_with('-');
        let of = |extra: &str| begins_well && value.chars().all(|c| c.is_ascii_alphanumeric() || extra.contains(c));
        match self {
            Purpose::Address => of("._-") || is_ipv6(value),
            Purpose::User => of("._-@+"),
            Purpose::Jump => value.split(',').all(is_hop),
            Purpose::LocalPath => begins_well && !value.chars().any(|c| c.is_control() || matches!(c, '"' | '%')),
            Purpose::RemotePath => value.starts_with('/') && !value.chars().any(char::is_control),
            Purpose::Service => of("@._:-"),
            Purpose::Balancer => of("._:-"),
        }
    }

    fn expected(self) -> &'static str {
        match self {
            Purpose::Address => "a host name or an IP address",
            Purpose::User => "a login name",
            Purpose::Jump => "`[user@]host[:port]`, several separated by `,`",
            Purpose::LocalPath => "a path without `%`, `\"` and control characters",
            Purpose::RemotePath => "an absolute path",
            Purpose::Service => "the name of a service",
            Purpose::Balancer => "a name of letters, digits, `.`, `_`, `:` and `-`",
        }
    }
}

/// Gives the value back if it may be used for `purpose`.
pub(super) fn vetted(value: Spanned<String>, key: &str, purpose: Purpose, diagnostics: &mut Diagnostics) -> Option<Spanned<String>> {
    if purpose.accepts(&value.value) {
        return Some(value);
    }
    let message = format!("`{key}` must be {}, found `{}`", purpose.expected(), one_line(&value.value, 60));
    let mistake = Diagnostic::error("RB0516", value.span, message);
    let option = value.value.split(['@', ',']).any(|part| part.starts_with('-'));
    diagnostics.push(if option {
        mistake.help("what starts with `-` would be read as an option")
    } else {
        mistake
    });
    None
}

fn is_ipv6(value: &str) -> bool {
    let (address, zone) = value.split_once('%').unwrap_or((value, "lo"));
    let zone_fits = !zone.is_empty() && zone.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_'));
    zone_fits && address.parse::<core::net::Ipv6Addr>().is_ok()
}

fn is_hop(hop: &str) -> bool {
    let (user, place) = match hop.rsplit_once('@') {
        Some((user, place)) => (Some(user), place),
        None => (None, hop),
    };
    let (host, port) = match place.strip_prefix('[').and_then(|p| p.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, rest)) => (host, Some(rest.strip_prefix(':').unwrap_or(""))),
        None => match place.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (place, None),
        },
    };
    let port_fits = port.is_none_or(|p| p.bytes().all(|b| b.is_ascii_digit()) && p.parse::<u16>().is_ok_and(|n| n > 0));
    port_fits && Purpose::Address.accepts(host) && user.is_none_or(|u| Purpose::User.accepts(u))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_can_be_taken_for_an_option_or_a_command() {
        use Purpose::{Address, Balancer, Jump, LocalPath, RemotePath, Service, User};
        let good = [
            (Address, "192.0.2.1"),
            (Address, "web-01.example.org"),
            (Address, "2001:db8::1"),
            (Address, "fe80::1%eth0"),
            (User, "ops"),
            (User, "ops@example.org"),
            (Jump, "bastion"),
            (Jump, "ops@bastion:2222,[2001:db8::1]:22"),
            (LocalPath, "keys/ops key"),
            (RemotePath, "/run/haproxy/admin.sock"),
            (Service, "app@1.service"),
            (Balancer, "be_web.1"),
        ];
        for (purpose, value) in good {
            assert!(purpose.accepts(value), "{purpose:?} {value}");
        }
        let bad = [
            (Address, "-oProxyCommand=id"),
            (Address, ""),
            (Address, "a b"),
            (Address, "a;b"),
            (Address, "$(id)"),
            (Address, "a/b"),
            (Address, "user@host"),
            (Address, "192.0.2.1:22"),
            (Address, "fe80::1%"),
            (User, "-l"),
            (User, "a`b"),
            (User, "a b"),
            (Jump, "-J"),
            (Jump, "ops@-oX"),
            (Jump, "a,,b"),
            (Jump, "a:0"),
            (Jump, "a:x"),
            (Jump, "a:70000"),
            (Jump, "a;id"),
            (Jump, "`id`"),
            (LocalPath, "-x"),
            (LocalPath, "%h"),
            (LocalPath, "a\nb"),
            (RemotePath, "run/x"),
            (RemotePath, "/run/\nx"),
            (Service, "-x"),
            (Service, "a b"),
            (Balancer, "a;show info"),
            (Balancer, "a/b"),
            (Balancer, "a\nb"),
        ];
        for (purpose, value) in bad {
            assert!(!purpose.accepts(value), "{purpose:?} {value}");
        }
    }

    #[test]
    fn names_are_plain() {
        for (name, good) in [
            ("web-01", true),
            ("192.0.2.1", true),
            ("_x", true),
            ("-x", false),
            (".x", false),
            ("a b", false),
            ("a:b", false),
            ("é", false),
            ("", false),
            ("all", false),
            ("control", false),
        ] {
            assert_eq!(check_name(name, "host", Span::default(), &mut Diagnostics::new()), good, "{name}");
        }
    }
}
