//! `feedwire ctl`: asks the running daemon over its unix socket.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::tables::{FeedLine, letter_line, part, table, table_of_feeds, table_of_sinks, told};
use super::{CtlArgs, CtlCommand, DeadArgs, DeadCommand, Failure, FloodDecision, SubjectArgs};
use crate::config::{self, Env};
use crate::{admin, http, log};

/// A reload waits for what it replaces, and a replay looks through all that is kept.
const PATIENCE: Duration = Duration::from_secs(600);

/// The exit code when there is nobody to ask (EX_UNAVAILABLE).
const NO_DAEMON: u8 = 69;

/// Asks, and prints the answer.
///
/// # Errors
/// When the daemon does not run, or refuses.
pub async fn run(args: &CtlArgs, out: &mut impl Write) -> Result<(), Failure> {
    let client = match &args.socket {
        Some(socket) => Client::new(socket.clone(), PATIENCE)?,
        None => Client::new(socket(args.config.config.as_deref(), &|name| std::env::var_os(name))?, PATIENCE)?,
    };
    let printed = match &args.command {
        CtlCommand::Status { json } => {
            let (status, sinks) = (client.get("/v1/status").await?, client.get("/v1/sinks").await?);
            if *json {
                let feeds = client.all_feeds(|feed| feed.to_string()).await?.join(",");
                writeln!(out, "{{\"daemon\":{status},\"feeds\":[{feeds}],\"sinks\":{}}}", part(&sinks, "sinks"))
            } else {
                let feeds = client.all_feeds(|feed| FeedLine::of(&feed)).await?;
                out.write_all(table(&status, feeds, &sinks).as_bytes())
            }
        }
        CtlCommand::Feeds { json: true } => writeln!(out, "[{}]", client.all_feeds(|feed| feed.to_string()).await?.join(",")),
        CtlCommand::Feeds { json: false } => out.write_all(table_of_feeds(client.all_feeds(|feed| FeedLine::of(&feed)).await?).as_bytes()),
        CtlCommand::Sinks { json } => {
            let sinks = client.get("/v1/sinks").await?;
            if *json { writeln!(out, "{}", part(&sinks, "sinks")) } else { out.write_all(table_of_sinks(&sinks).as_bytes()) }
        }
        CtlCommand::Pause(subject) => out.write_all(client.order_about("/v1/pause", subject).await?.as_bytes()),
        CtlCommand::Resume(subject) => out.write_all(client.order_about("/v1/resume", subject).await?.as_bytes()),
        CtlCommand::Replay { sink, since, after } => {
            let after = after.map(|after| after.to_string());
            let from = since.as_deref().map(|since| ("since", since)).or(after.as_deref().map(|after| ("after", after)));
            let query: Vec<_> = [("sink", sink.as_str())].into_iter().chain(from).collect();
            out.write_all(client.post("/v1/replay", &query).await?.as_bytes())
        }
        CtlCommand::Dead { command: DeadCommand::List { sink, json } } => {
            let letters = client.dead_letters(sink.as_deref()).await?;
            let lines = letters.iter().map(|letter| if *json { format!("{letter}\n") } else { letter_line(letter) });
            out.write_all(lines.collect::<String>().as_bytes())
        }
        CtlCommand::Dead { command: DeadCommand::Retry(which) } => out.write_all(client.redeem("retry", which).await?.as_bytes()),
        CtlCommand::Dead { command: DeadCommand::Drop(which) } => out.write_all(client.redeem("drop", which).await?.as_bytes()),
        CtlCommand::Forget { sink } => out.write_all(client.post("/v1/forget", &[("sink", sink)]).await?.as_bytes()),
        CtlCommand::Test { sink } => out.write_all(client.post("/v1/test", &[("sink", sink)]).await?.as_bytes()),
        CtlCommand::Why { url, json } => {
            let story = client.get_with("/v1/why", &[("url", url)]).await?;
            if *json { writeln!(out, "{story}") } else { out.write_all(told(&story).as_bytes()) }
        }
        CtlCommand::Flood { decision, feed } => {
            let decision = match decision {
                FloodDecision::Release => "release",
                FloodDecision::Drop => "drop",
            };
            out.write_all(client.post("/v1/flood", &[("feed", feed), ("decision", decision)]).await?.as_bytes())
        }
        CtlCommand::Poll { feed, force } => {
            let force = if *force { "true" } else { "false" };
            out.write_all(client.post("/v1/poll", &[("feed", feed), ("force", force)]).await?.as_bytes())
        }
        CtlCommand::Backup { file } => {
            // The daemon's working directory is another.
            let file = std::path::absolute(file).map_err(|e| Failure::runtime(format!("cannot tell where {} is: {e}", file.display())))?;
            let file = file.to_str().ok_or_else(|| Failure::new(64, "the path of a backup has to be UTF-8"))?;
            out.write_all(client.post("/v1/backup", &[("file", file)]).await?.as_bytes())
        }
        CtlCommand::Compact => out.write_all(client.post("/v1/compact", &[]).await?.as_bytes()),
        CtlCommand::Reload { .. } => out.write_all(client.post("/v1/reload", &[]).await?.as_bytes()),
    };
    printed.map_err(|e| Failure::runtime(format!("cannot print: {e}")))
}

/// What the daemon of a configuration says of its feeds; nothing when it does not run, or does not answer in time.
pub(super) async fn feeds(named: Option<&Path>, env: Env<'_>, patience: Duration) -> Vec<Value> {
    let client = socket(named, env).and_then(|socket| Client::new(socket, patience));
    match client {
        Ok(client) => client.all_feeds(|feed| feed).await.unwrap_or_default(),
        Err(_) => vec![],
    }
}

/// The first that exists of those places where a daemon puts it.
fn socket(named: Option<&Path>, env: Env<'_>) -> Result<PathBuf, Failure> {
    let mut places: Vec<_> = env("RUNTIME_DIRECTORY").map(PathBuf::from).into_iter().collect();
    places.push("/run/feedwire".into());
    let state = config::find(named, env).and_then(|path| config::load(&path, env)).map(|c| c.state_dir);
    places.extend(state.ok());
    let sockets: Vec<_> = places.into_iter().map(|dir| admin::socket_path(Some(dir), Path::new(""))).collect();
    sockets.iter().find(|socket| socket.exists()).cloned().ok_or_else(|| {
        let tried: Vec<_> = sockets.iter().map(|s| s.display().to_string()).collect();
        Failure::new(NO_DAEMON, format!("no feedwire is running here (no socket at {}); --socket can name another", tried.join(", ")))
    })
}

struct Client {
    http: reqwest::Client,
    socket: PathBuf,
}

impl Client {
    fn new(socket: PathBuf, patience: Duration) -> Result<Self, Failure> {
        let http = http::over_socket(&socket, patience).map_err(|e| Failure::runtime(log::chain(&e)))?;
        Ok(Self { http, socket })
    }

    async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.get_with(path, &[]).await
    }

    async fn get_with(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, Failure> {
        let text = self.ask(self.http.get(url(path, query))).await?;
        serde_json::from_str(&text).map_err(|e| Failure::runtime(format!("the daemon's answer is not JSON: {e}")))
    }

    async fn post(&self, path: &str, query: &[(&str, &str)]) -> Result<String, Failure> {
        self.ask(self.http.post(url(path, query))).await
    }

    async fn ask(&self, request: reqwest::RequestBuilder) -> Result<String, Failure> {
        let dead = |e: reqwest::Error| {
            let why = log::chain(&e.without_url());
            Failure::new(NO_DAEMON, format!("the daemon does not answer on {}: {why}", self.socket.display()))
        };
        let answer = request.send().await.map_err(dead)?;
        let status = answer.status();
        let text = answer.text().await.map_err(dead)?;
        if status.is_success() { Ok(text) } else { Err(Failure::new(exit_code(status.as_u16()), text.trim_end())) }
    }

    async fn order_about(&self, path: &str, subject: &SubjectArgs) -> Result<String, Failure> {
        let kind = if subject.feed { Some("feed") } else { subject.sink.then_some("sink") };
        let query: Vec<_> = [("name", subject.name.as_str())].into_iter().chain(kind.map(|kind| ("kind", kind))).collect();
        self.post(path, &query).await
    }

    async fn redeem(&self, decision: &str, which: &DeadArgs) -> Result<String, Failure> {
        let events = which.events.join(",");
        let which_ones = (!which.all).then_some(("which", events.as_str()));
        let query: Vec<_> = [("sink", which.sink.as_str()), ("decision", decision)].into_iter().chain(which_ones).collect();
        self.post("/v1/dead", &query).await
    }

    /// The dead letters of a sink, or of every sink.
    async fn dead_letters(&self, sink: Option<&str>) -> Result<Vec<Value>, Failure> {
        let sinks = match sink {
            Some(sink) => vec![sink.to_owned()],
            None => {
                let sinks = self.get("/v1/sinks").await?;
                let names = part(&sinks, "sinks").as_array().into_iter().flatten().filter_map(|sink| part(sink, "id").as_str());
                names.map(str::to_owned).collect()
            }
        };
        let mut letters = vec![];
        for sink in &sinks {
            let mut after = "0".to_owned();
            loop {
                let mut page = self.get_with("/v1/dead", &[("sink", sink), ("after", &after)]).await?;
                if let Some(lines) = page.get_mut("dead").and_then(Value::as_array_mut) {
                    letters.append(lines);
                }
                match letters.last().and_then(|last| part(last, "sequence").as_str()) {
                    Some(last) if part(&page, "more") == true => after = last.to_owned(),
                    _ => break,
                }
            }
        }
        Ok(letters)
    }

    /// What is to be kept of the feeds on every page of `/v1/feeds`.
    async fn all_feeds<T>(&self, keep: impl Fn(Value) -> T) -> Result<Vec<T>, Failure> {
        let (mut feeds, mut after) = (vec![], String::new());
        loop {
            let mut page = self.get_with("/v1/feeds", &[("after", &after)]).await?;
            if let Some(Value::Array(lines)) = page.get_mut("feeds").map(Value::take) {
                feeds.extend(lines.into_iter().map(&keep));
            }
            match part(&page, "next").as_str() {
                Some(next) => after = next.to_owned(),
                None => return Ok(feeds),
            }
        }
    }
}

/// What a refusal is to a script: 64 what was asked makes no sense, 65 what it names is not there, 75 not now, 78 the configuration is bad.
fn exit_code(status: u16) -> u8 {
    match status {
        400 => 64,
        404 => 65,
        409 => 75,
        422 => 78,
        _ => 1,
    }
}

/// An address on the socket.
fn url(path: &str, query: &[(&str, &str)]) -> String {
    let query: String = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
    format!("http://feedwire{path}?{query}")
}
