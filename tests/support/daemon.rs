//! The program, run as its users run it.

use std::fs;
use std::future::Future;
use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};
use tempfile::TempDir;
use tokio::net::UnixDatagram;
use tokio::task::JoinHandle;

use super::event::Event;
use super::record::Record;

/// What [`Home::new`] adds unless the test has a `[polling]` of its own: everything at once, and loopback is no secret place.
const POLLING: &str = r#"
[polling]
mean_interval = "100ms"
min_interval = "100ms"
host_gap = "0s"
allow_private = ["127.0.0.0/8"]
"#;

/// A directory with a configuration, credentials and the state: what stays when the daemon does not. Removed when dropped.
pub struct Home {
    directory: TempDir,
    retry: String,
    variables: Vec<(String, String)>,
    /// What the shell is told before it becomes the program, if there has to be one.
    ulimit: Option<&'static str>,
    /// Whether standard input is the test's.
    input: bool,
    started: AtomicUsize,
}

impl Home {
    /// Writes a configuration. `state_dir` and, unless the text has its own, `[polling]` for impatient tests are added.
    pub fn new(config: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory for the test");
        let new = Self {
            directory,
            retry: "50ms,100ms,200ms".into(),
            variables: Vec::new(),
            ulimit: None,
            input: false,
            started: AtomicUsize::new(0),
        };
        fs::create_dir(new.path("credentials")).unwrap();
        new.configure(config);
        new
    }

    /// Retries failed deliveries after these waits, the last one again and again: `"50ms,1s"`.
    pub fn retry(self, schedule: &str) -> Self {
        Self { retry: schedule.into(), ..self }
    }

    /// Starts the program under limits: `"-Sn 64"`.
    pub fn ulimit(self, limit: &'static str) -> Self {
        Self { ulimit: Some(limit), ..self }
    }

    /// Lets the test write to the program's standard input, which is empty otherwise.
    pub fn input(self) -> Self {
        Self { input: true, ..self }
    }

    /// Sets an environment variable. Of the test's own, only `PATH` gets through.
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// Puts a secret where `{ credential = "NAME" }` finds it.
    pub fn credential(self, name: &str, value: &str) -> Self {
        fs::write(self.path("credentials").join(name), value).unwrap();
        self
    }

    /// Replaces the configuration as [`Home::new`] wrote it.
    pub fn configure(&self, config: &str) {
        let polling = if config.contains("[polling]") { "" } else { POLLING };
        // In front, where no table has begun yet; behind, where it can take no key of the text.
        let text = format!("state_dir = {:?}\n{config}\n{polling}", self.path("state"));
        fs::write(self.config(), text).unwrap();
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.path("feedwire.toml")
    }

    /// A path in the directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Starts `feedwire run` and waits until it says that it is ready.
    pub async fn start(&self) -> Daemon {
        let daemon = self.launch(&["run"]);
        daemon.ready(1).await;
        daemon
    }

    /// Asks the daemon: the exit code, and all that is said.
    pub async fn ctl(&self, arguments: &[&str]) -> (i32, String) {
        let socket = self.path("state").join("control.sock");
        let mut ctl = self.launch(&[&["ctl", "--socket", socket.to_str().unwrap()], arguments].concat());
        let code = ctl.exit().await;
        (code, [ctl.stdout.all(), ctl.stderr.all()].concat().join("\n"))
    }

    /// Starts a command with `--config` and does not wait.
    pub fn launch(&self, arguments: &[&str]) -> Daemon {
        let socket = self.path(&format!("notify-{}", self.started.fetch_add(1, Ordering::Relaxed)));
        let (notified, listener) = listen(&socket);
        let program = env!("CARGO_BIN_EXE_feedwire");
        let mut command = match self.ulimit {
            Some(limit) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", &format!("ulimit {limit} && exec \"$0\" \"$@\""), program]);
                shell
            }
            None => Command::new(program),
        };
        let mut child = command
            .args(arguments)
            .arg("--config")
            .arg(self.config())
            .current_dir(self.directory.path())
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("HOME", self.directory.path())
            .env("NOTIFY_SOCKET", socket)
            .env("CREDENTIALS_DIRECTORY", self.path("credentials"))
            .env("FEEDWIRE_TEST_RETRY", &self.retry)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(if self.input { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let closed = Record::default();
        let stdout = lines(child.stdout.take().unwrap(), "stdout", &closed);
        let stderr = lines(child.stderr.take().unwrap(), "stderr", &closed);
        Daemon { stdin: child.stdin.take(), child, stdout, stderr, notified, closed, listener }
    }
}

/// The running program. Killed when dropped; a test that is failing then shows the end of its log.
pub struct Daemon {
    child: Child,
    /// Its standard input, if the test wanted it.
    pub stdin: Option<ChildStdin>,
    /// The lines of standard output so far.
    pub stdout: Record<String>,
    /// The lines of standard error so far.
    pub stderr: Record<String>,
    /// The datagrams it sent to the service manager so far.
    pub notified: Record<String>,
    /// The outputs that have ended.
    closed: Record<&'static str>,
    listener: JoinHandle<()>,
}

impl Daemon {
    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has said `READY=1` for the `n`-th time, counted from 1, and returns that datagram.
    pub async fn ready(&self, n: usize) -> String {
        let is_ready = |message: &&String| message.lines().any(|line| line == "READY=1");
        let ready = self.notified.until(format!("READY=1 number {n}"), |all| all.iter().filter(is_ready).nth(n - 1).cloned());
        tokio::select! {
            biased;
            message = ready => message,
            () = self.ended() => panic!("it ended before it was ready: {}", self.stderr.tail()),
        }
    }

    /// The events on standard output so far.
    pub fn events(&self) -> Vec<Event> {
        self.stdout.all().iter().map(|line| Event::parse(line.as_bytes())).collect()
    }

    /// Waits for `n` events on standard output; returns all that are there.
    #[track_caller]
    pub fn printed(&self, n: usize) -> impl Future<Output = Vec<Event>> {
        let enough = self.stdout.until(format!("{n} lines on standard output"), move |all| (all.len() >= n).then_some(()));
        async move {
            enough.await;
            self.events()
        }
    }

    /// SIGKILL; gone when this returns.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM; waits for the end and returns the exit code.
    pub async fn terminate(&mut self) -> i32 {
        self.signal(Signal::TERM);
        self.exit().await
    }

    /// SIGHUP.
    pub fn hup(&self) {
        self.signal(Signal::HUP);
    }

    /// Any signal.
    pub fn signal(&self, signal: Signal) {
        // Not waited for yet, so the number is still this process's own, whether it runs or not.
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the end and returns the exit code; all lines of both outputs are there then.
    pub async fn exit(&mut self) -> i32 {
        self.ended().await;
        let status = self.child.wait().unwrap();
        status.code().unwrap_or_else(|| panic!("ended by signal {:?}: {}", status.signal(), self.stderr.tail()))
    }

    async fn ended(&self) {
        self.closed.nth("the end of the process", 2).await;
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.listener.abort();
        // Both fail when it has ended already, which is what is wanted.
        drop(self.child.kill());
        drop(self.child.wait());
        if thread::panicking() {
            eprintln!("the log of the daemon, {}", self.stderr.tail());
        }
    }
}

/// The lines of an output, read by a thread of its own until the output ends.
fn lines(output: impl Read + Send + 'static, name: &'static str, closed: &Record<&'static str>) -> Record<String> {
    let (record, closed) = (Record::default(), closed.clone());
    let read = record.clone();
    thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n') {
            // What is no UTF-8 shows as U+FFFD, which no test expects.
            read.push(String::from_utf8_lossy(&line.expect("a pipe can be read")).into_owned());
        }
        closed.push(name);
    });
    record
}

/// What arrives at a service manager's socket.
fn listen(path: &Path) -> (Record<String>, JoinHandle<()>) {
    let socket = UnixDatagram::bind(path).expect("a notify socket");
    let record = Record::default();
    let heard = record.clone();
    let task = tokio::spawn(async move {
        let mut datagram = vec![0; 65536];
        while let Ok(length) = socket.recv(&mut datagram).await {
            heard.push(String::from_utf8_lossy(&datagram[..length]).into_owned());
        }
    });
    (record, task)
}
