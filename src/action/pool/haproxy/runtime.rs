//! HAProxy's runtime socket: requests, and what its answers say. Answers of version 2.6 are kept in `testdata/`.
//!
//! Answers are hostile text: anything that is not understood is an error, never a guess.

use std::collections::BTreeMap;

use crate::base::sanitise;

/// Asks for every server, its counters and the process in one request; each answer ends with an empty line.
pub const LOOK: &str = "show servers state;show stat -1 7 -1;show info\n";

/// What the process says about itself and its servers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Its process number: another one after a reload.
    pub pid: i64,
    /// Whole seconds since this process started.
    pub uptime_s: i64,
    /// Per server, in the order of the file.
    pub servers: Vec<Server>,
    /// Per backend, the algorithm in use; `unknown` stands for `random`.
    pub algorithms: BTreeMap<String, String>,
    /// Frontends that somebody paused.
    pub paused: Vec<String>,
}

/// A server as the process sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Server {
    /// Its backend.
    pub backend: String,
    /// Its name.
    pub name: String,
    /// Address and port in use.
    pub address: String,
    /// Its port in use.
    pub port: String,
    /// Resolved from this host name; `-`: none.
    pub fqdn: String,
    /// `srv_op_state` is starting or running.
    pub running: bool,
    /// `srv_admin_state`, a set of bits.
    pub admin: u32,
    /// The weight in use.
    pub weight: i64,
    /// The weight of the file that the process was started with.
    pub initial_weight: i64,
    /// Since its state last changed.
    pub seconds_in_state: i64,
    /// `srv_check_state`, a set of bits.
    pub check_state: u32,
    /// Sessions now.
    pub sessions: i64,
    /// Sessions since the process started.
    pub total: i64,
    /// `UP`, `UP 1/3`, `DOWN`, `MAINT`, `DRAIN`, `no check`, …
    pub status: String,
    /// `L7OK`, `INI`, `L4CON`, …; empty in maintenance and without checks.
    pub check: String,
    /// HTTP status or similar of the last check.
    pub check_code: String,
    /// Successes that make a server up.
    pub rise: i64,
    /// Failures that make a server down.
    pub fall: i64,
    /// From 0; up from `rise` on, and `rise + fall - 1` after a success of a server that is up.
    pub health: i64,
}

impl Server {
    /// In maintenance: by a person, through a tracked server, or for its name could not be resolved. Bit 4 only remembers that the file said
    /// `disabled` and stays set after the server was made ready.
    #[must_use]
    pub fn in_maintenance(&self) -> bool {
        self.admin & 0x63 != 0
    }

    /// Draining: by a person or through a tracked server.
    #[must_use]
    pub fn draining(&self) -> bool {
        self.admin & 0x18 != 0
    }

    /// Has a health check of its own.
    #[must_use]
    pub fn is_checked(&self) -> bool {
        self.check_state & 2 != 0
    }

    /// Somebody switched its health check off at run time.
    #[must_use]
    pub fn check_switched_off(&self) -> bool {
        self.check_state & 6 == 2
    }

    /// A check is under way.
    #[must_use]
    pub fn check_in_progress(&self) -> bool {
        self.check_state & 1 != 0
    }
}

/// Reads the answer to [`LOOK`].
///
/// # Errors
/// What HAProxy said instead, or which part is missing.
pub fn read_look(answer: &str) -> Result<Look, String> {
    let answer = answer.replace('\r', "");
    let (mut states, mut stats, mut info) = (None, None, None);
    for part in answer
        .split("\n\n")
        .map(|part| part.trim_matches('\n'))
        .filter(|part| !part.is_empty())
    {
        match part {
            part if part.starts_with("1\n# be_id ") => states = Some(part),
            part if part.starts_with("# pxname,") => stats = Some(part),
            part if part.starts_with("Name: ") => info = Some(part),
            other => return Err(format!("expected HAProxy's answers, found `{}`", sanitise::one_line(other, 160))),
        }
    }
    let missing = |what: &str| format!("HAProxy's answer is incomplete: `{what}` is missing");
    let mut look = Look::default();
    read_info(info.ok_or_else(|| missing("show info"))?, &mut look)?;
    look.servers = read_states(states.ok_or_else(|| missing("show servers state"))?)?;
    read_stats(stats.ok_or_else(|| missing("show stat"))?, &mut look)?;
    Ok(look)
}

/// What HAProxy complained about in the answer to changing requests; each success is an empty line.
#[must_use]
pub fn complaints(answer: &str) -> Option<String> {
    let lines: Vec<&str> = answer.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    (!lines.is_empty()).then(|| sanitise::one_line(&lines.join(" "), 300))
}

fn read_info(text: &str, look: &mut Look) -> Result<(), String> {
    let number = |key: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(": ")?.trim().parse().ok())
            .ok_or_else(|| format!("`show info` does not tell {key}"))
    };
    look.pid = number("Pid")?;
    look.uptime_s = number("Uptime_sec")?;
    Ok(())
}

fn read_states(text: &str) -> Result<Vec<Server>, String> {
    let mut lines = text.lines().skip(1);
    let header: Vec<&str> = lines.next().unwrap_or_default().split_whitespace().skip(1).collect();
    let mut servers = Vec::new();
    for line in lines {
        let fields: BTreeMap<&str, &str> = header.iter().copied().zip(line.split_whitespace()).collect();
        let text = |key: &str| fields.get(key).copied().ok_or_else(|| format!("`show servers state` lacks {key}"));
        let number = |key: &str| {
            let value = text(key)?;
            value
                .parse::<i64>()
                .map_err(|_| format!("`show servers state` has {key} `{}`", sanitise::one_line(value, 40)))
        };
        let bits = |key: &str| number(key).map(|bits| u32::try_from(bits).unwrap_or_default());
        servers.push(Server {
            backend: text("be_name")?.to_owned(),
            name: text("srv_name")?.to_owned(),
            address: text("srv_addr")?.to_owned(),
            port: text("srv_port")?.to_owned(),
            fqdn: text("srv_fqdn")?.to_owned(),
            running: matches!(number("srv_op_state")?, 1 | 2),
            admin: bits("srv_admin_state")?,
            weight: number("srv_uweight")?,
            initial_weight: number("srv_iweight")?,
            seconds_in_state: number("srv_time_since_last_change")?,
            check_state: bits("srv_check_state")?,
            ..Server::default()
        });
    }
    Ok(servers)
}

fn read_stats(text: &str, look: &mut Look) -> Result<(), String> {
    let mut lines = text.trim_start_matches("# ").lines().map(csv);
    let header = lines.next().unwrap_or_default();
    for row in lines {
        let field = |key: &str| {
            let at = header.iter().position(|name| name == key);
            at.and_then(|at| row.get(at)).map_or("", String::as_str)
        };
        let number = |key: &str| field(key).parse::<i64>().unwrap_or(0);
        match field("svname") {
            "FRONTEND" if field("status") == "PAUSED" => look.paused.push(field("pxname").to_owned()),
            "FRONTEND" => {}
            "BACKEND" => {
                look.algorithms.insert(field("pxname").to_owned(), field("algo").to_owned());
            }
            name => {
                let Some(server) = look.servers.iter_mut().find(|s| s.name == name && s.backend == field("pxname")) else {
                    return Err(format!(
                        "`show stat` tells of `{}`, `show servers state` does not",
                        sanitise::one_line(name, 80)
                    ));
                };
                server.sessions = number("scur");
                server.total = number("stot");
                server.status = field("status").to_owned();
                server.check = field("check_status").trim_start_matches("* ").to_owned();
                server.check_code = field("check_code").to_owned();
                server.rise = number("check_rise");
                server.fall = number("check_fall");
                server.health = number("check_health");
            }
        }
    }
    Ok(())
}

/// The fields of a CSV line; a quoted field may hold commas and doubled quotes.
fn csv(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => fields.last_mut().into_iter().for_each(|f| f.extend(chars.next())),
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            c => fields.last_mut().into_iter().for_each(|f| f.push(c)),
        }
    }
    fields
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn server<'a>(look: &'a Look, name: &str) -> &'a Server {
        look.servers.iter().find(|s| s.name == name && s.backend == "web").unwrap()
    }

    #[test]
    fn a_whole_look() {
        let look = read_look(include_str!("../testdata/look.maint.txt")).unwrap();
        assert_eq!(look.algorithms["web"], "leastconn");
        assert_eq!(look.algorithms["other"], "source");
        assert!(look.pid > 1 && look.paused.is_empty());
        let (first, second) = (server(&look, "web-01"), server(&look, "web-02"));
        assert!(first.running && !first.in_maintenance() && first.is_checked());
        assert_eq!(
            (first.weight, first.check.as_str(), first.health, first.rise + first.fall - 1),
            (100, "L7OK", 4, 4)
        );
        assert!(second.in_maintenance() && !second.running);
        assert!(!look.servers.iter().find(|s| s.backend == "other").unwrap().is_checked());
    }

    #[test]
    fn a_server_that_the_file_disabled_and_somebody_made_ready_is_not_in_maintenance() {
        let look = read_look(include_str!("../testdata/look.ready_after_disabled.txt")).unwrap();
        let second = server(&look, "web-02");
        assert_eq!(second.admin, 4);
        assert!(!second.in_maintenance() && second.running);
    }

    #[test]
    fn a_killed_server_looks_up_right_after_maintenance_but_not_healthy() {
        let look = read_look(include_str!("../testdata/look.killed_then_ready.txt")).unwrap();
        let first = server(&look, "web-01");
        assert_eq!((first.status.as_str(), first.check.as_str()), ("UP 1/3", "L7OK"));
        assert!(first.health < first.rise + first.fall - 1);
    }

    #[test]
    fn errors_are_told() {
        for (answer, word) in [
            ("", "show info"),
            ("Unknown command: `show`\n", "Unknown command"),
            ("Permission denied\n\nPermission denied\n", "Permission denied"),
            (
                "1\n# be_id be_name\n3 web\n\n# pxname,svname\n\nName: HAProxy\nPid: 3\nUptime_sec: 1\n",
                "srv_name",
            ),
        ] {
            assert!(read_look(answer).unwrap_err().contains(word), "{answer}");
        }
        assert_eq!(complaints("\n\n"), None);
        assert_eq!(complaints("\nNo such server.\n\n").unwrap(), "No such server.");
    }

    #[test]
    fn csv_with_quotes() {
        assert_eq!(csv(r#"a,"b, ""c""",,d"#), ["a", "b, \"c\"", "", "d"]);
    }
}
