//! The real clock, real identities of runs and controllers, the person behind the keyboard.

use crate::base::clock::{Clock, Timestamp};

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// A new run's identity: unique, sorts by time.
#[must_use]
pub fn new_uid() -> String {
    uuid::Uuid::now_v7().simple().to_string()
}

/// This machine's name.
#[must_use]
pub fn hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Who runs this process: the name of the user, else the number.
#[must_use]
pub fn person() -> String {
    let uid = rustix::process::getuid().as_raw();
    // With sudo, the person is the one who called it; anybody else could only claim to be.
    let caller = if uid == 0 {
        std::env::var("SUDO_USER").ok().filter(|u| !u.is_empty())
    } else {
        None
    };
    caller.or_else(|| user_name(uid)).unwrap_or_else(|| format!("uid {uid}"))
}

fn user_name(uid: u32) -> Option<String> {
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid.to_string()).then(|| name.to_owned())
    })
}

/// This process, as no other process ever was: machine, number, start time.
#[must_use]
pub fn controller() -> String {
    let pid = std::process::id();
    format!("{}:{pid}:{}", hostname(), started(pid).unwrap_or_default())
}

/// True when that controller is a process of this machine that no longer lives; it can be taken over from at once.
#[must_use]
pub fn controller_is_dead(controller: &str) -> bool {
    let mut parts = controller.rsplitn(3, ':');
    let (Some(start), Some(pid), Some(host)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    host == hostname() && pid.parse().is_ok_and(|pid: u32| started(pid).is_none_or(|now| now != start))
}

/// Start time of a process, field 22 of its `stat`; `None` when there is none, or only its remains.
fn started(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after_name = stat.rsplit_once(')')?.1;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    (fields.first() != Some(&"Z")).then(|| fields.get(19).map(|s| (*s).to_owned()))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_lives_and_a_former_one_does_not() {
        assert!(!controller_is_dead(&controller()));
        assert!(controller_is_dead(&format!("{}:{}:1", hostname(), std::process::id())));
        assert!(!controller_is_dead("elsewhere:1:1"));
    }
}
