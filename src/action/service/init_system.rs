//! The service managers and the command lines they understand.

/// What starts and stops services on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manager {
    /// `systemctl`
    Systemd,
    /// `service NAME …`
    Sysv,
    /// `sv`
    Runit,
}

/// One thing to do to a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    Start,
    Stop,
    Restart,
    Reload,
    Enable,
    Disable,
}

/// A service and where its manager keeps it.
#[derive(Clone, Debug)]
pub struct Unit {
    /// Its name.
    pub name: String,
    /// runit's directory of services, if the inventory names one.
    pub directory: Option<String>,
}

/// Seconds that `sv` waits for a service to be up or down.
const SV_WAIT: &str = "30";

/// `enable` only turns links round that are there, `defaults` makes them where there are none and else leaves them.
const SYSV_ENABLE: &str = "update-rc.d \"$1\" defaults && update-rc.d \"$1\" enable";

impl Manager {
    /// The manager that the inventory or a probe names.
    pub fn named(word: &str) -> Option<Manager> {
        match word {
            "systemd" => Some(Manager::Systemd),
            "sysv" => Some(Manager::Sysv),
            "runit" => Some(Manager::Runit),
            _ => None,
        }
    }

    /// As the inventory names it.
    pub fn word(self) -> &'static str {
        match self {
            Manager::Systemd => "systemd",
            Manager::Sysv => "sysv",
            Manager::Runit => "runit",
        }
    }

    /// The program that does it.
    pub fn argv(self, deed: Deed, unit: &Unit) -> Vec<String> {
        let name = unit.name.as_str();
        let directory = unit.directory.as_deref().unwrap_or("/etc/service");
        // The whole path rather than SVDIR: sudo drops variables.
        let path = format!("{}/{name}", directory.trim_end_matches('/'));
        let down = format!("{path}/down");
        let words: Vec<&str> = match (self, deed) {
            (Manager::Systemd, deed) => vec!["systemctl", deed.verb(), "--", name],
            (Manager::Sysv, Deed::Enable) => vec!["sh", "-c", SYSV_ENABLE, "runbook", name],
            (Manager::Sysv, Deed::Disable) => vec!["update-rc.d", name, "disable"],
            (Manager::Sysv, deed) => vec!["service", name, deed.verb()],
            (Manager::Runit, Deed::Enable) => vec!["rm", "-f", "--", &down],
            (Manager::Runit, Deed::Disable) => vec!["touch", "--", &down],
            (Manager::Runit, deed) => vec!["sv", "-w", SV_WAIT, deed.verb(), &path],
        };
        words.into_iter().map(str::to_owned).collect()
    }
}

impl Deed {
    fn verb(self) -> &'static str {
        match self {
            Deed::Start => "start",
            Deed::Stop => "stop",
            Deed::Restart => "restart",
            Deed::Reload => "reload",
            Deed::Enable => "enable",
            Deed::Disable => "disable",
        }
    }
}
