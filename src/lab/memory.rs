//! What "available memory" of a service means, read from `/proc`.
//!
//! For an inventory host with `memory_from: { service: NAME }`, with PID the service's main process:
//!
//! - pair 1: limit = soft "Max data size" of `/proc/PID/limits` (bytes), used = `VmData` of `/proc/PID/status` (KiB x 1024);
//! - pair 2: limit = soft "Max address space", used = `VmSize`;
//! - a pair whose limit is `unlimited` does not count; of the others the one with the least `limit - used` does;
//! - total = limit, available = max(0, limit - used), available_percent = 100 x available / total.
//!
//! `VmData` is exactly what the kernel compares with RLIMIT_DATA, and `VmSize` with RLIMIT_AS, so available = 0 is the point
//! at which an allocation fails. The product's `facts` action implements the same formula on its own.

use std::fs;

use serde::Serialize;

/// Memory of one limited process.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Memory {
    /// The limit, in bytes.
    pub total_bytes: u64,
    /// Until the limit, in bytes.
    pub available_bytes: u64,
}

impl Memory {
    /// Memory of a process with a limit; `None` without a limit or without the process.
    #[must_use]
    pub fn of(pid: u32) -> Option<Memory> {
        let limits = fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        Memory::from_text(&limits, &status)
    }

    /// 100 when nothing is used, 0 when the next allocation fails.
    #[must_use]
    pub fn available_percent(&self) -> f64 {
        #[allow(clippy::cast_precision_loss)]
        let percent = 100.0 * self.available_bytes as f64 / self.total_bytes.max(1) as f64;
        percent
    }

    fn from_text(limits: &str, status: &str) -> Option<Memory> {
        [("Max data size", "VmData:"), ("Max address space", "VmSize:")]
            .into_iter()
            .filter_map(|(limit, used)| {
                let soft = limits.lines().find_map(|l| l.strip_prefix(limit))?.split_whitespace().next()?;
                let total: u64 = soft.parse().ok()?;
                let used: u64 = status
                    .lines()
                    .find_map(|l| l.strip_prefix(used))?
                    .split_whitespace()
                    .next()?
                    .parse()
                    .ok()?;
                Some(Memory {
                    total_bytes: total,
                    available_bytes: total.saturating_sub(used * 1024),
                })
            })
            .min_by_key(|m| m.available_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tightest_limit_counts() {
        let limits = "Limit Soft Hard Units\nMax data size             1048576              2097152  bytes\nMax address space         unlimited            unlimited            bytes\n";
        let status = "VmSize:\t  900000 kB\nVmData:\t     768 kB\n";
        let memory = Memory::from_text(limits, status);
        assert_eq!(
            memory,
            Some(Memory {
                total_bytes: 1_048_576,
                available_bytes: 262_144
            })
        );
        assert_eq!(memory.map(|m| m.available_percent()), Some(25.0));
        assert_eq!(Memory::from_text(&limits.replace("1048576 ", "unlimited "), status), None);
    }
}
