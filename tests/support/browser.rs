//! A browser without a window, told what to do over a pipe (the DevTools protocol).

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// How long a page may take to become what it ought to be.
const PATIENCE: Duration = Duration::from_secs(30);

/// The names under which it is installed.
const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// A browser with one page. Killed when dropped.
pub struct Browser {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    session: Option<String>,
    last: u64,
    _profile: TempDir,
}

impl Browser {
    /// Starts one; panics with what to install when there is none.
    pub fn start() -> Self {
        let profile = tempfile::tempdir().unwrap();
        // Shells can give a program the files 3 and 4, which is where it listens and speaks; sandboxes need rights that tests rarely have.
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1"])
            .arg(program())
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .env("HOME", profile.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut new = Self { child, input, output, session: None, last: 0, _profile: profile };
        let target = new.order("Target.createTarget", json!({"url": "about:blank"}))["targetId"].clone();
        let session = new.order("Target.attachToTarget", json!({"targetId": target, "flatten": true}))["sessionId"].clone();
        new.session = session.as_str().map(str::to_owned);
        new
    }

    /// Goes to an address.
    pub fn open(&mut self, address: &str) {
        self.order("Page.navigate", json!({"url": address}));
    }

    /// Makes the window so many pixels wide, as on a phone.
    pub fn narrow(&mut self, width: u32) {
        let metrics = json!({"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": true});
        self.order("Emulation.setDeviceMetricsOverride", metrics);
    }

    /// What an expression is worth on the page.
    pub fn value(&mut self, expression: &str) -> Value {
        self.order("Runtime.evaluate", json!({"expression": expression, "returnByValue": true}))["result"]["value"].clone()
    }

    /// Waits until an expression is true on the page.
    #[track_caller]
    pub fn until(&mut self, expression: &str) {
        let end = Instant::now() + PATIENCE;
        while self.value(expression) != true {
            if Instant::now() > end {
                panic!("it never came true that {expression}; the page is\n{}", self.value("document.documentElement.outerHTML"));
            }
            let wait = "new Promise(done => setTimeout(done, 50))";
            self.order("Runtime.evaluate", json!({"expression": wait, "awaitPromise": true}));
        }
    }

    fn order(&mut self, method: &str, params: Value) -> Value {
        self.last += 1;
        let mut order = json!({"id": self.last, "method": method, "params": params});
        if let Some(session) = &self.session {
            order["sessionId"] = session.as_str().into();
        }
        self.input.write_all(format!("{order}\0").as_bytes()).expect("the browser listens");
        loop {
            let mut answer = Vec::new();
            self.output.read_until(0, &mut answer).unwrap();
            assert!(answer.pop().is_some(), "the browser has ended; {method} was not answered");
            let mut answer: Value = serde_json::from_slice(&answer).unwrap();
            if answer["id"] == self.last {
                assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                return answer["result"].take();
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn program() -> PathBuf {
    let places: Vec<_> = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect();
    let found = NAMES.iter().flat_map(|name| places.iter().map(move |place| place.join(name))).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("this test needs a browser, none of {}: apt-get install chromium", NAMES.join(", ")))
}
