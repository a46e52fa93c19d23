//! `feedwire ctl`: asks the running daemon over its unix socket.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::{CtlArgs, CtlCommand, DeadArgs, DeadCommand, Failure, FloodDecision, SubjectArgs};
use crate::{admin, config, http, log};

/// A reload waits for what it replaces, and a replay looks through all that is kept.
const PATIENCE: Duration = Duration::from_secs(600);

/// Asks, and prints the answer.
///
/// # Errors
/// When the daemon does not run, or refuses.
pub async fn run(args: &CtlArgs, out: &mut impl Write) -> Result<(), Failure> {
    let socket = socket(args)?;
    let client = Client { http: http::over_socket(&socket, PATIENCE).map_err(|e| Failure::runtime(log::chain(&e)))?, socket };
    let printed = match &args.command {
        CtlCommand::Status { json } => {
            let (status, feeds, sinks) = (client.get("/v1/status").await?, client.all_feeds().await?, client.get("/v1/sinks").await?);
            if *json {
                let all = serde_json::json!({ "daemon": status, "feeds": feeds, "sinks": part(&sinks, "sinks") });
                writeln!(out, "{all}")
            } else {
                out.write_all(table(&status, &feeds, &sinks).as_bytes())
            }
        }
        CtlCommand::Feeds { json } => {
            let feeds = client.all_feeds().await?;
            if *json { writeln!(out, "{}", Value::from(feeds)) } else { out.write_all(table_of_feeds(&feeds).as_bytes()) }
        }
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
        CtlCommand::Reload { .. } => out.write_all(client.post("/v1/reload", &[]).await?.as_bytes()),
    };
    printed.map_err(|e| Failure::runtime(format!("cannot print: {e}")))
}

/// The first that exists of those places where a daemon puts it.
fn socket(args: &CtlArgs) -> Result<PathBuf, Failure> {
    if let Some(socket) = &args.socket {
        return Ok(socket.clone());
    }
    let env = |name: &str| std::env::var_os(name);
    let mut places: Vec<_> = env("RUNTIME_DIRECTORY").map(PathBuf::from).into_iter().collect();
    places.push("/run/feedwire".into());
    let state = config::find(args.config.config.as_deref(), &env).and_then(|path| config::load(&path, &env)).map(|c| c.state_dir);
    places.extend(state.ok());
    let sockets: Vec<_> = places.into_iter().map(|dir| admin::socket_path(Some(dir), Path::new(""))).collect();
    sockets.iter().find(|socket| socket.exists()).cloned().ok_or_else(|| {
        let tried: Vec<_> = sockets.iter().map(|s| s.display().to_string()).collect();
        Failure::runtime(format!("no feedwire is running here (no socket at {}); --socket can name another", tried.join(", ")))
    })
}

struct Client {
    http: reqwest::Client,
    socket: PathBuf,
}

impl Client {
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
            Failure::runtime(format!("the daemon does not answer on {}: {why}", self.socket.display()))
        };
        let answer = request.send().await.map_err(dead)?;
        let good = answer.status().is_success();
        let text = answer.text().await.map_err(dead)?;
        if good { Ok(text) } else { Err(Failure::runtime(text.trim_end())) }
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

    /// Every page of `/v1/feeds`.
    async fn all_feeds(&self) -> Result<Vec<Value>, Failure> {
        let (mut feeds, mut after) = (vec![], String::new());
        loop {
            let mut page = self.get_with("/v1/feeds", &[("after", &after)]).await?;
            if let Some(lines) = page.get_mut("feeds").and_then(Value::as_array_mut) {
                feeds.append(lines);
            }
            match part(&page, "next").as_str() {
                Some(next) => after = next.to_owned(),
                None => return Ok(feeds),
            }
        }
    }
}

/// An address on the socket.
fn url(path: &str, query: &[(&str, &str)]) -> String {
    let query: String = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
    format!("http://feedwire{path}?{query}")
}

/// For people: the daemon in a line, sinks, and the feeds with trouble first.
fn table(status: &Value, feeds: &[Value], sinks: &Value) -> String {
    let mut lines = vec![format!(
        "feedwire {} ({}), up {}, store {}, {} feeds, {} polls, {} events",
        text(part(status, "version")),
        text(part(status, "instance")),
        humantime::format_duration(Duration::from_secs(part(status, "uptime_seconds").as_u64().unwrap_or(0))),
        text(part(status, "store")),
        text(part(status, "feeds")),
        text(part(status, "polls")),
        text(part(status, "sequence")).trim_start_matches('0').parse().unwrap_or(0u64),
    )];
    lines.push(String::new());
    lines.join("\n") + "\n" + &table_of_sinks(sinks) + "\n" + &table_of_feeds(feeds)
}

/// For people: the sinks.
fn table_of_sinks(sinks: &Value) -> String {
    let mut lines = vec![format!("{:<24} {:<8} {:>8} {:>6} {:>9}  LAST ERROR", "SINK", "STATE", "WAITING", "DEAD", "DELIVERED")];
    for sink in part(sinks, "sinks").as_array().into_iter().flatten() {
        let row = ["id", "state", "waiting", "dead", "delivered", "last_error"].map(|key| text(part(sink, key)));
        let [id, state, waiting, dead, delivered, error] = row;
        lines.push(format!("{id:<24} {state:<8} {waiting:>8} {dead:>6} {delivered:>9}  {error}"));
    }
    lines.join("\n") + "\n"
}

/// For people: a dead letter, on two lines.
fn letter_line(letter: &Value) -> String {
    let of = |key: &str| text(part(letter, key));
    let what = if part(letter, "title").is_null() { of("type") } else { of("title") };
    format!("{} {} {} {what}\n  given up at {}: {}\n", of("sink"), of("event"), of("feed"), of("buried"), of("reason"))
}

/// A value for people.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| if value.is_null() { "-".into() } else { value.to_string() }, plain)
}

/// For people: the feeds, those with trouble first.
fn table_of_feeds(feeds: &[Value]) -> String {
    let mut lines = vec![format!("{:<24} {:<8} {:>7} {:<24} REMARKS", "FEED", "STATE", "ENTRIES", "NEXT POLL")];
    let (trouble, fine): (Vec<_>, Vec<_>) =
        feeds.iter().partition(|feed| ["failing", "held", "gone", "stale", "paused"].iter().any(|trouble| part(feed, "state") == trouble));
    for feed in trouble.into_iter().chain(fine) {
        let [id, state, entries, next] = ["id", "state", "entries", "next_poll"].map(|key| text(part(feed, key)));
        let error = part(feed, "last_error").as_str().map(plain);
        let insecure = (part(feed, "insecure") == true).then(|| "insecure".to_owned());
        let held = part(part(feed, "flood"), "held").as_u64().map(|held| format!("{held} entries held back"));
        let repairs =
            part(feed, "repairs").as_object().into_iter().flatten().map(|(fault, count)| format!("mended: {} ×{count}", plain(fault)));
        let moved = part(feed, "moved_to").as_str().map(|to| format!("moved to {}", plain(to)));
        let remarks: Vec<_> = insecure.into_iter().chain(error).chain(moved).chain(held).chain(repairs).collect();
        lines.push(format!("{id:<24} {state:<8} {entries:>7} {next:<24} {}", remarks.join("; ")));
    }
    lines.join("\n") + "\n"
}

/// For people: the story of an entry, a paragraph for each feed that knows it.
fn told(story: &Value) -> String {
    let list = |v: &Value| v.as_array().into_iter().flatten().map(text).collect::<Vec<_>>().join(", ");
    let mut lines = vec![format!("{}\ncompared as {}", text(part(story, "url")), text(part(story, "compared_as")))];
    let ambiguous = list(part(story, "ambiguous_in"));
    if !ambiguous.is_empty() {
        lines.push(format!("tells nothing in {ambiguous}: there it is the link of different entries"));
    }
    let found: Vec<_> = part(story, "found").as_array().into_iter().flatten().collect();
    if found.is_empty() {
        lines.push("no feed remembers an entry with this link".into());
    }
    for chapter in found {
        let of = |key: &str| text(part(chapter, key));
        lines.push(format!(
            "\n{}: first seen {}, published {}, changed {} times",
            of("feed"),
            of("first_seen"),
            of("published"),
            of("revision")
        ));
        lines.push(match part(chapter, "last_seen") {
            Value::Null => "  it is in the last document".to_owned(),
            day => format!("  it left the document on {}", text(day).get(..10).unwrap_or_default()),
        });
        lines.push(match part(chapter, "recognised_by") {
            Value::Null => "  it was new when it was last read".to_owned(),
            name => format!("  it was last recognised by its {}", text(name)),
        });
        lines.push(format!("  it can be recognised by its {}", list(part(chapter, "names"))));
        if part(chapter, "held") == true {
            lines.push("  it is held back (feedwire ctl flood)".into());
        }
        let events: Vec<_> = part(chapter, "events").as_array().into_iter().flatten().collect();
        if events.is_empty() && part(chapter, "held") != true {
            lines.push("  no event of it is kept: it was there at the first poll, or too long ago".into());
        }
        for event in events {
            let of = |key: &str| text(part(event, key));
            lines.push(format!("  {} {} {}", of("time"), of("type"), of("id")));
            for fate in part(event, "to").as_array().into_iter().flatten() {
                let of =
                    |key: &str| part(fate, key).is_null().then(String::new).unwrap_or_else(|| format!(", {key} {}", text(part(fate, key))));
                let more = ["behind", "failed", "at", "reason"].map(of).concat();
                lines.push(format!("    {}: {}{more}", text(part(fate, "sink")), text(part(fate, "state"))));
            }
        }
    }
    lines.join("\n") + "\n"
}

/// A member of an object; null when there is none.
fn part<'v>(value: &'v Value, key: &str) -> &'v Value {
    value.get(key).unwrap_or(&Value::Null)
}

/// Text of a feed or a consumer cannot move the cursor of a terminal.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
