//! A simulated apt and dpkg: packages by name, the versions on offer, and what is different on the host once a version is installed.

use std::fmt::Write as _;

use super::host::Host;
use super::programs::Reply;
use super::{Inner, MOMENT};
use crate::action::package;
use crate::base::id::HostName;
use crate::rehearsal::syntax::PackageState;

impl Inner {
    /// The version of a package that is installed on a host.
    #[must_use]
    pub fn package(&self, host: &str, name: &str) -> Option<String> {
        self.hosts.get(host)?.packages.get(name)?.version.clone().flatten()
    }

    /// What apt or dpkg answers; `None`: it is another program.
    pub(super) fn apt(&mut self, host: Option<&HostName>, words: &[&str]) -> Option<Reply> {
        match words {
            ["sh", "-c", script, "runbook", name, wish, version] if *script == package::PROBE => {
                Some(Reply::ok(look(self.host_mut(host), name, wish, version)))
            }
            ["sh", "-c", script, "runbook", ..] if *script == package::REFRESH => Some(Reply::ok("")),
            ["apt-get", options @ .., "--", subject] => Some(match options.last() {
                Some(&"install") => self.install(host, subject),
                Some(&"remove") => self.put_package(host, subject, None),
                _ => Reply::ended(100, "E: Invalid operation"),
            }),
            ["apt-mark", verb @ ("hold" | "unhold"), "--", name] => {
                let package = self.host_mut(host).packages.entry((*name).to_owned()).or_default();
                package.held = Some(*verb == "hold");
                Some(Reply::ok(""))
            }
            _ => None,
        }
    }

    fn install(&mut self, host: Option<&HostName>, subject: &str) -> Reply {
        let (name, version) = subject.split_once('=').map_or((subject, None), |(n, v)| (n, Some(v)));
        let package = self.host_mut(host).packages.get(name).cloned().unwrap_or_default();
        match package.choice(version) {
            Ok(version) => self.put_package(host, name, Some(version)),
            Err(why) => Reply::ended(100, format!("E: {why}")),
        }
    }

    /// That version is there now; what the package runs is down for a moment.
    fn put_package(&mut self, host: Option<&HostName>, name: &str, version: Option<String>) -> Reply {
        if let Some(host) = host {
            self.disturb(host, &format!("apt-get with {name} on {host}"));
        }
        let now = self.now();
        let state = self.host_mut(host);
        let package = state.packages.entry(name.to_owned()).or_default();
        let then = version.as_ref().and_then(|v| package.after_install.get(v)).cloned();
        package.version = Some(version);
        if let Some(then) = then {
            state.overlay(&then, now);
        }
        Reply {
            takes: MOMENT * 500,
            ..Reply::ok("")
        }
    }
}

impl PackageState {
    fn installed(&self) -> Option<&str> {
        self.version.as_ref()?.as_deref()
    }

    /// The versions on offer, newest first; what is installed came from somewhere.
    fn offers(&self) -> Vec<&str> {
        match &self.offered {
            Some(offered) => offered.iter().map(String::as_str).collect(),
            None => self.installed().into_iter().collect(),
        }
    }

    /// The version that apt would install.
    fn choice(&self, wanted: Option<&str>) -> Result<String, String> {
        let offers = self.offers();
        let found = match wanted {
            Some(version) => offers.iter().find(|o| **o == version),
            None => offers.first(),
        };
        found.map(|v| (*v).to_owned()).ok_or_else(|| match wanted {
            Some(version) => format!("Version '{version}' was not found"),
            None => String::from("Unable to locate package"),
        })
    }
}

/// What `package/probe.sh` prints.
fn look(host: &Host, name: &str, wish: &str, version: &str) -> String {
    let package = host.packages.get(name).cloned().unwrap_or_default();
    let mut text = String::from("manager=apt\n");
    // Writing into a String cannot fail.
    if let Some(version) = package.installed() {
        let want = if package.held == Some(true) { "hold" } else { "install" };
        let _ = write!(text, "status=installed\nwant={want}\nversion={version}\n");
    }
    let offers = package.offers();
    let candidate = offers.first().copied().or(package.installed()).unwrap_or("(none)");
    let _ = writeln!(text, "candidate={candidate}");
    for offer in &offers {
        let _ = writeln!(text, "offer={offer}");
    }
    text.push_str("lists_age=0\n");
    let old = package.installed().map(|v| format!(" [{v}]")).unwrap_or_default();
    let _ = match wish {
        "install" => match package.choice(Some(version).filter(|v| !v.is_empty())) {
            Ok(new) if package.installed() == Some(new.as_str()) => Ok(()),
            Ok(new) => writeln!(text, "sim=Inst {name}{old} ({new} Simulated [all])"),
            Err(why) => writeln!(text, "sim=E: {why}"),
        },
        "remove" if package.installed().is_some() => writeln!(text, "sim=Remv {name}{old}"),
        _ => Ok(()),
    };
    text
}
