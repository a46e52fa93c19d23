//! What this process uses of the machine.

use std::fs;
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

/// What this process uses. What the system does not tell is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Time on a processor, user and system.
    pub cpu: Duration,
    /// Bytes of memory.
    pub resident: u64,
    /// Descriptors.
    pub open_files: u64,
    /// Descriptors that it may have.
    pub max_files: u64,
}

impl Usage {
    /// As it is now, from the kernel; blocks for as long as `/proc` takes.
    #[must_use]
    pub fn now() -> Self {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        let pages = fs::read_to_string("/proc/self/statm").ok().and_then(|text| text.split_whitespace().nth(1)?.parse::<u64>().ok());
        Self {
            cpu: Duration::new(u64::try_from(cpu.tv_sec).unwrap_or(0), u32::try_from(cpu.tv_nsec).unwrap_or(0)),
            resident: pages.unwrap_or(0) * rustix::param::page_size() as u64,
            // The one that reads the directory is not counted.
            open_files: fs::read_dir("/proc/self/fd").map_or(0, |all| (all.count() as u64).saturating_sub(1)),
            max_files: getrlimit(Resource::Nofile).current.unwrap_or(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_knows_itself() {
        let usage = Usage::now();
        assert!(usage.resident > 1 << 20 && usage.open_files >= 3 && usage.max_files >= usage.open_files, "{usage:?}");
        assert!(usage.cpu > Duration::ZERO && Usage::now().cpu >= usage.cpu, "{usage:?}");
    }
}
