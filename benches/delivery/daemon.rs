//! The real program, seen from outside.

use std::fmt::Write;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::wire;

/// The unit of CPU time in /proc on every architecture that we run on (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

/// A start or a reload that takes longer has failed.
const LONGEST_START: Duration = Duration::from_secs(60);

/// How the daemon is set up.
pub struct Setup {
    pub feeds: u32,
    pub order: &'static str,
    /// Where feed 0 is, but for its number.
    pub url: String,
    pub interval: Duration,
    pub hook: String,
}

impl Setup {
    fn write(&self, dir: &Path, admin: u16) {
        let mut toml = format!(
            "state_dir = {:?}\n[polling]\nmin_interval = \"100ms\"\nhost_gap = \"0s\"\nper_host = 8\nallow_private = [\"127.0.0.0/8\"]\n\
             [admin]\nlisten = \"127.0.0.1:{admin}\"\n[sinks.hook]\norder = {:?}\n\
             [sinks.hook.webhook]\nurl = {:?}\nsecrets = [{{ env = \"HOOK\" }}]\n",
            dir.join("state"),
            self.order,
            self.hook,
        );
        for feed in 0..self.feeds {
            let (url, interval) = (&self.url, self.interval.as_millis());
            let _ = writeln!(toml, "[feeds.f{feed:06}]\nurl = \"{url}{feed}\"\ninterval = \"{interval}ms\"\nbacklog = \"all\"");
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
    /// The latter alone.
    pub kernel: Duration,
    /// Resident memory now, and the most that it ever was, in megabytes.
    pub resident: u64,
    pub peak: u64,
}

/// The running daemon; killed when dropped.
pub struct Daemon {
    child: Child,
    dir: PathBuf,
    admin: u16,
    notify: UnixDatagram,
}

impl Daemon {
    /// Starts it and waits until it is ready.
    pub fn start(dir: &Path, setup: &Setup) -> Self {
        let admin = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr()).expect("address").port();
        setup.write(dir, admin);
        // That of a daemon before this one, if there was one.
        drop(fs::remove_file(dir.join("notify")));
        let notify = UnixDatagram::bind(dir.join("notify")).expect("notify socket");
        notify.set_read_timeout(Some(LONGEST_START)).expect("timeout");
        let child = Command::new(env!("CARGO_BIN_EXE_feedwire"))
            .args(["run", "--log", "error", "--config"])
            .arg(dir.join("feedwire.toml"))
            .env("NOTIFY_SOCKET", dir.join("notify"))
            .env("HOOK", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")
            .env("FEEDWIRE_TEST_RETRY", "1s")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("daemon");
        let daemon = Self { child, dir: dir.to_owned(), admin, notify };
        daemon.ready();
        daemon
    }

    /// Gives it another configuration.
    pub fn reload(self, setup: &Setup) -> Self {
        setup.write(&self.dir, self.admin);
        kill_process(Pid::from_child(&self.child), Signal::HUP).expect("signal");
        self.ready();
        self
    }

    fn ready(&self) {
        let mut message = [0; 4096];
        loop {
            let length = self.notify.recv(&mut message).expect("READY=1");
            if String::from_utf8_lossy(&message[..length]).lines().any(|line| line == "READY=1") {
                return;
            }
        }
    }

    /// Events that wait for the one sink.
    pub fn waiting(&self) -> u64 {
        let page: Value = serde_json::from_slice(&wire::get(self.admin, "/v1/sinks")).expect("a page");
        page["sinks"][0]["waiting"].as_u64().unwrap_or_else(|| panic!("no number in {page}"))
    }

    /// What the system says of it now.
    pub fn sample(&self) -> Sample {
        let read = |name: &str| fs::read_to_string(format!("/proc/{}/{name}", self.child.id())).expect("a living process");
        let (status, stat) = (read("status"), read("stat"));
        let line = |text: &str, name: &str| text.lines().find_map(|line| line.strip_prefix(name).map(str::to_owned)).expect("a line");
        let megabytes = |name: &str| line(&status, name).trim().trim_end_matches(" kB").parse::<u64>().expect("a number") / 1024;
        // Counted from behind the name, which may hold anything.
        let numbers: Vec<_> = stat.rsplit_once(')').expect("a name").1.split_whitespace().collect();
        let ticks = |n: usize| TICK * numbers[n].parse::<u32>().expect("ticks");
        Sample {
            at: Instant::now(),
            cpu: ticks(11) + ticks(12),
            kernel: ticks(12),
            resident: megabytes("VmRSS:"),
            peak: megabytes("VmHWM:"),
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Both fail when it has ended already, which is what is wanted.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
