//! What "available memory" means on a host, and how it is computed from what the kernel says.

use std::collections::BTreeMap;

use crate::base::value::Value;
use crate::model::inventory::{Host, MemoryFrom};
use crate::model::types::Type;

/// Where memory is measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The machine.
    Host,
    /// A control group (version 2), by its path below `/sys/fs/cgroup`.
    Cgroup(String),
    /// The main process of a service.
    Service {
        /// Its name.
        name: String,
        /// Its manager; empty: found out.
        manager: String,
        /// runit's directory of services; empty: the usual one.
        directory: String,
    },
}

impl Source {
    /// As the inventory says.
    #[must_use]
    pub fn of(host: &Host) -> Source {
        match &host.memory_from {
            MemoryFrom::Host => Source::Host,
            MemoryFrom::Cgroup(path) => Source::Cgroup(path.clone()),
            MemoryFrom::Service(name) => Source::Service {
                name: name.clone(),
                manager: host.service_manager.clone().unwrap_or_default(),
                directory: host.setting("service_dir").unwrap_or_default().to_owned(),
            },
        }
    }

    /// The first arguments of the probe.
    #[must_use]
    pub fn words(&self) -> [&str; 4] {
        match self {
            Source::Host => ["host", "", "", ""],
            Source::Cgroup(path) => ["cgroup", path, "", ""],
            Source::Service { name, manager, directory } => ["service", name, manager, directory],
        }
    }
}

/// Memory, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// All there is, or the limit.
    pub total: u64,
    /// Until nothing is left.
    pub available: u64,
}

impl Memory {
    /// 100 when all of it is available.
    #[must_use]
    pub fn available_percent(&self) -> f64 {
        #[allow(clippy::cast_precision_loss)]
        let percent = 100.0 * self.available as f64 / self.total.max(1) as f64;
        percent
    }

    /// As results show it.
    #[must_use]
    pub fn to_value(self) -> Value {
        let bytes = |n: u64| Value::Int(i64::try_from(n).unwrap_or(i64::MAX));
        Value::map([
            ("total_bytes", bytes(self.total)),
            ("available_bytes", bytes(self.available)),
            ("available_percent", Value::Float((self.available_percent() * 10.0).round() / 10.0)),
        ])
    }

    fn under(total: u64, used: u64) -> Memory {
        Memory {
            total,
            available: total.saturating_sub(used),
        }
    }
}

/// The type of [`Memory::to_value`].
#[must_use]
pub fn record() -> Type {
    Type::record([
        ("total_bytes", Type::Int),
        ("available_bytes", Type::Int),
        ("available_percent", Type::Float),
    ])
}

/// Computes memory from the parts that the probe printed.
///
/// # Errors
/// What cannot be read, in words.
pub fn read(source: &Source, parts: &BTreeMap<&str, &str>) -> Result<Memory, String> {
    let part = |name: &str| parts.get(name).copied().unwrap_or("");
    let machine = machine(part("meminfo"))?;
    match source {
        Source::Host => Ok(machine),
        Source::Cgroup(path) => group(part("memory.max"), part("memory.current"), part("memory.stat"), machine)
            .ok_or_else(|| format!("control group {path} tells no `memory.max` and `memory.current`; see `memory_from` in the inventory")),
        Source::Service { name, .. } => {
            if matches!(part("pid").trim(), "" | "0") {
                return Err(format!("service {name} has no main process, so its memory cannot be told"));
            }
            if part("limits").is_empty() || part("status").is_empty() {
                return Err(format!("the main process of service {name} has ended, or may not be looked at"));
            }
            Ok(process(part("limits"), part("status")).unwrap_or(machine))
        }
    }
}

/// `/proc/meminfo`, in KiB.
fn machine(meminfo: &str) -> Result<Memory, String> {
    let line = |name: &str| kib(meminfo, name);
    let total = line("MemTotal:").ok_or("the kernel tells no `MemTotal`")?;
    // Kernels before 3.14 have no MemAvailable.
    let estimate = || Some(line("MemFree:")? + line("Buffers:").unwrap_or(0) + line("Cached:").unwrap_or(0));
    let available = line("MemAvailable:")
        .or_else(estimate)
        .ok_or("the kernel tells no `MemAvailable`")?;
    Ok(Memory { total, available })
}

/// Limit and use of a control group; without a limit the machine counts. File pages not used lately are given back on demand.
fn group(max: &str, current: &str, stat: &str, machine: Memory) -> Option<Memory> {
    let current: u64 = current.trim().parse().ok()?;
    if max.trim() == "max" {
        return Some(machine);
    }
    let cache = stat
        .lines()
        .find_map(|l| l.strip_prefix("inactive_file "))
        .and_then(|n| n.trim().parse().ok());
    let memory = Memory::under(max.trim().parse().ok()?, current.saturating_sub(cache.unwrap_or(0)));
    // A generous limit does not make memory that the machine has not got.
    Some(if memory.total > machine.total { machine } else { memory })
}

/// The tighter of a process's limits, with the use that the kernel compares it with; `None`: it has none.
fn process(limits: &str, status: &str) -> Option<Memory> {
    let pairs = [("Max data size", "VmData:"), ("Max address space", "VmSize:")];
    let memory = |(limit, used): (&str, &str)| {
        let soft = limits.lines().find_map(|l| l.strip_prefix(limit))?.split_whitespace().next()?;
        Some(Memory::under(soft.parse().ok()?, kib(status, used)?))
    };
    pairs.into_iter().filter_map(memory).min_by_key(|m| m.available)
}

/// The bytes of a line `NAME   123 kB`.
pub fn kib(text: &str, name: &str) -> Option<u64> {
    let number: u64 = text
        .lines()
        .find_map(|l| l.strip_prefix(name))?
        .split_whitespace()
        .next()?
        .parse()
        .ok()?;
    number.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: &str = "Limit                     Soft Limit           Hard Limit           Units     \n\
                          Max data size             1048576              unlimited            bytes     \n\
                          Max address space         unlimited            unlimited            bytes     \n";
    const STATUS: &str = "Name:\tapp\nVmSize:\t    5000 kB\nVmData:\t     768 kB\n";

    #[test]
    fn the_tighter_limit_of_a_process_counts() {
        let data = Memory::under(1_048_576, 768 * 1024);
        assert_eq!(process(LIMITS, STATUS), Some(data));
        let both = LIMITS.replace("space         unlimited", "space         5120512  ");
        assert_eq!(process(&both, STATUS), Some(Memory::under(5_120_512, 5_120_000)));
        assert_eq!(process(&LIMITS.replace("1048576 ", "unlimited "), STATUS), None);
        assert_eq!(Memory::under(10, 20).available, 0);
    }

    #[test]
    fn a_group_gives_back_its_cache_and_has_no_more_than_the_machine() {
        let machine = Memory {
            total: 1000,
            available: 300,
        };
        let stat = "anon 50\ninactive_file 40\n";
        assert_eq!(group("100\n", "90\n", stat, machine), Some(Memory::under(100, 50)));
        assert_eq!(group("max\n", "90\n", stat, machine), Some(machine));
        assert_eq!(group("5000\n", "90\n", stat, machine), Some(machine));
        assert_eq!(group("", "", "", machine), None);
    }

    #[test]
    fn an_old_kernel_estimates() {
        let old = "MemTotal: 1000 kB\nMemFree: 100 kB\nBuffers: 20 kB\nCached: 30 kB\n";
        assert_eq!(machine(old).map(|m| m.available), Ok(150 * 1024));
        assert!(machine("").is_err());
    }
}
