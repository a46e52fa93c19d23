//! The real program with its configuration, seen from outside: what the system counts of it, and what its own pages say.

use std::fmt::Write;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;

use super::books::HOST_GAP;
use super::farm::Farm;
use super::wire;

/// The unit of CPU time in /proc on every architecture that we run on (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

/// A start that takes longer has failed.
const LONGEST_START: Duration = Duration::from_secs(120);

/// How the daemon is set up.
pub struct Setup {
    pub feeds: u32,
    pub hosts: u32,
    pub mean_interval: Duration,
}

impl Setup {
    fn write(&self, dir: &Path, farm: &Farm, admin: u16) {
        let mut toml = format!(
            "state_dir = {:?}\n[polling]\nmean_interval = \"{}ms\"\nmin_interval = \"{}ms\"\nhost_gap = \"{}ms\"\nper_host = 1\n\
             allow_private = [\"127.0.0.0/8\"]\n[admin]\nlisten = \"127.0.0.1:{admin}\"\n[sinks.hook.webhook]\nurl = \"{}\"\n",
            dir.join("state"),
            self.mean_interval.as_millis(),
            self.mean_interval.as_millis() / 5,
            HOST_GAP.as_millis(),
            farm.hook()
        );
        for feed in 0..self.feeds {
            let _ = writeln!(toml, "[feeds.f{feed:06}]\nurl = \"{}\"", farm.url(feed, self.feeds.div_ceil(self.hosts)));
        }
        fs::write(dir.join("feedwire.toml"), toml).expect("configuration");
    }
}

/// What the system says of the process at one moment.
#[derive(Clone, Copy)]
pub struct Sample {
    pub at: Instant,
    /// User and system time so far.
    pub cpu: Duration,
    /// Resident memory now, and the most that it ever was, in megabytes.
    pub resident: u64,
    pub peak: u64,
    /// Descriptors that are sockets.
    pub sockets: usize,
    /// Polls that have ended, by the daemon's own count.
    pub polls: u64,
    /// Bytes sent to the disk.
    pub written: u64,
    /// Connections that nobody took, on the whole machine: nothing else tells of those who knock in vain.
    pub refused: u64,
}

/// A feed, as `/v1/feeds` shows it.
#[derive(Deserialize)]
pub struct FeedLine {
    pub state: String,
    pub failures: u32,
    pub next_poll: Option<String>,
}

#[derive(Deserialize)]
struct FeedsPage {
    feeds: Vec<FeedLine>,
    next: Option<String>,
}

#[derive(Deserialize)]
struct StatusPage {
    polls: u64,
}

/// The running daemon; killed when dropped.
pub struct Daemon {
    child: Child,
    admin: u16,
    log: PathBuf,
    /// From its start to READY=1.
    pub took: Duration,
}

impl Daemon {
    /// Starts it in an empty directory and waits until it is ready.
    pub fn start(dir: &Path, setup: &Setup, farm: &Farm) -> Self {
        let admin = free_port();
        setup.write(dir, farm, admin);
        let socket = UnixDatagram::bind(dir.join("notify")).expect("notify socket");
        socket.set_read_timeout(Some(LONGEST_START)).expect("timeout");
        let log = dir.join("log");
        let from = Instant::now();
        let child = Command::new(env!("CARGO_BIN_EXE_feedwire"))
            .args(["run", "--config"])
            .arg(dir.join("feedwire.toml"))
            .env("NOTIFY_SOCKET", dir.join("notify"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log).expect("log"))
            .spawn()
            .expect("daemon");
        let mut daemon = Self { child, admin, log, took: Duration::ZERO };
        let mut message = [0; 4096];
        loop {
            let length =
                socket.recv(&mut message).unwrap_or_else(|e| panic!("it is not ready ({e}); its log ends:\n{}", daemon.last_words()));
            if String::from_utf8_lossy(&message[..length]).lines().any(|line| line == "READY=1") {
                daemon.took = from.elapsed();
                return daemon;
            }
        }
    }

    /// What the system says of it now.
    pub fn sample(&self) -> Sample {
        let read = |name: &str| fs::read_to_string(format!("/proc/{}/{name}", self.child.id())).expect("a living process");
        let (status, stat, io) = (read("status"), read("stat"), read("io"));
        let written = io.lines().find_map(|line| line.strip_prefix("write_bytes: ")).expect("a line of its I/O");
        let megabytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line of its status");
            line.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<u64>().expect("a number") / 1024
        };
        // Counted from behind the name, which may hold anything.
        let numbers: Vec<_> = stat.rsplit_once(')').expect("a name").1.split_whitespace().collect();
        let ticks = numbers[11].parse::<u32>().expect("utime") + numbers[12].parse::<u32>().expect("stime");
        let descriptors = fs::read_dir(format!("/proc/{}/fd", self.child.id())).expect("descriptors").flatten();
        let sockets =
            descriptors.filter(|fd| fs::read_link(fd.path()).is_ok_and(|to| to.as_os_str().as_encoded_bytes().starts_with(b"socket:")));
        Sample {
            at: Instant::now(),
            cpu: TICK * ticks,
            resident: megabytes("VmRSS"),
            peak: megabytes("VmHWM"),
            sockets: sockets.count(),
            polls: serde_json::from_slice::<StatusPage>(&wire::get(self.admin, "/v1/status")).expect("status").polls,
            written: written.parse().expect("a number"),
            refused: refused(),
        }
    }

    /// Every feed with what the daemon says of it, page by page.
    pub fn feeds(&self) -> Vec<FeedLine> {
        let (mut feeds, mut after) = (vec![], String::new());
        loop {
            let page = wire::get(self.admin, &format!("/v1/feeds?limit=1000&after={after}"));
            let page: FeedsPage = serde_json::from_slice(&page).expect("a page");
            feeds.extend(page.feeds);
            match page.next {
                Some(next) => after = next,
                None => return feeds,
            }
        }
    }

    /// SIGTERM, and how long it took to end.
    pub fn stop(mut self) -> (ExitStatus, Duration) {
        let from = Instant::now();
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("signal");
        let status = self.child.wait().expect("end");
        (status, from.elapsed())
    }

    fn last_words(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        log.lines().rev().take(10).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Both fail when it has ended already, which is what is wanted.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr()).expect("address").port()
}

/// `AttemptFails` of TCP (RFC 4022), by its name in the line above.
fn refused() -> u64 {
    let counters = fs::read_to_string("/proc/net/snmp").expect("counters");
    let mut tcp = counters.lines().filter_map(|line| line.strip_prefix("Tcp: "));
    let (names, values) = (tcp.next().expect("names"), tcp.next().expect("values"));
    let found = names.split(' ').zip(values.split(' ')).find(|(name, _)| *name == "AttemptFails");
    found.and_then(|(_, value)| value.parse().ok()).expect("a number")
}
