//! `feedwire check`: says all that is wrong with a configuration.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::Failure;
use crate::config::{self, Config, Env, Polling};
use crate::domain::feed::FeedId;
use crate::fetch::{Answer, Content, Fetcher, Subscription};
use crate::log::{self, counted};
use crate::parse;
use crate::sink::ndjson::Ack;
use crate::sink::{Options, Sink, Target};

/// Hosts that `--online` asks at the same time.
const AT_ONCE: usize = 16;

/// Prints what the configuration means, and with `online` what each feed answers.
///
/// # Errors
/// 78 with everything that is wrong, 1 when a feed does not answer as one.
pub async fn run(path: &Path, env: Env<'_>, online: bool, out: &mut impl Write) -> Result<(), Failure> {
    let config = config::load(path, env).map_err(|e| Failure::new(78, e.to_string()))?;
    for options in config.sinks.iter() {
        Sink::open(options).map_err(|e| Failure::new(78, format!("sink {}: {e}", options.id)))?;
    }
    let printed = out.write_all(summary(path, &config).as_bytes());
    printed.map_err(|e| Failure::runtime(format!("cannot print: {e}")))?;
    if online { ask(&config, out).await } else { Ok(()) }
}

fn summary(path: &Path, config: &Config) -> String {
    let sinks: Vec<_> = config.sinks.iter().map(describe).collect();
    let warnings: String = config.warnings.iter().map(|w| format!("warning: {w}\n")).collect();
    format!(
        "{warnings}{} is good: {}, {} ({}); state in {}\n",
        path.display(),
        counted(config.feeds.len(), "feed"),
        counted(config.sinks.len(), "sink"),
        sinks.join(", "),
        config.state_dir.display()
    )
}

fn describe(options: &Options) -> String {
    let unsure = |ack| if ack == Ack::Written { ", acknowledged when written" } else { "" };
    let kind = match &options.target {
        Target::Stdout(stdout) if stdout.ack.is_some() => "stdout, acknowledged on stdin".into(),
        Target::Stdout(_) => "stdout".into(),
        Target::Webhook(webhook) => match &webhook.preset {
            Some(preset) => preset.name().into(),
            None if webhook.secrets.is_empty() => "webhook, unsigned".into(),
            None => "webhook".into(),
        },
        Target::Exec(exec) => format!("exec {}{}", exec.program.display(), unsure(exec.terms.ack)),
        Target::Socket(socket) => format!("{}{}", socket.address, unsure(socket.terms.ack)),
        Target::File(file) => format!("file {}", file.path.display()),
    };
    format!("{}: {kind}", options.id)
}

/// Asks every feed once: many hosts at the same time, each host one feed after the other. Nothing is stored or delivered.
async fn ask(config: &Config, out: &mut impl Write) -> Result<(), Failure> {
    let fetcher = Arc::new(Fetcher::new(&config.fetch).map_err(|e| Failure::runtime(log::chain(&e)))?);
    let mut hosts = BTreeMap::<_, Vec<Subscription>>::new();
    for subscription in config.feeds.iter() {
        let host = url::Url::parse(&subscription.feed.url).ok().and_then(|url| url.host_str().map(str::to_owned));
        hosts.entry(host).or_default().push(subscription.clone());
    }
    let (sender, mut answers) = mpsc::channel(AT_ONCE);
    let mut asking = JoinSet::new();
    let mut hosts = hosts.into_values();
    let mut failures = 0;
    loop {
        while asking.len() < AT_ONCE
            && let Some(feeds) = hosts.next()
        {
            asking.spawn(ask_host(fetcher.clone(), feeds, config.polling, sender.clone()));
        }
        tokio::select! {
            biased;
            Some((feed, answer)) = answers.recv() => {
                let answer: Result<String, String> = answer;
                failures += u32::from(answer.is_err());
                let (mark, text) = answer.map_or_else(|e| ("FAILED", e), |text| ("ok", text));
                writeln!(out, "{feed}: {mark}: {text}").map_err(|e| Failure::runtime(format!("cannot print: {e}")))?;
            }
            ended = asking.join_next() => if ended.is_none() { break },
        }
    }
    if failures == 0 { Ok(()) } else { Err(Failure::runtime(format!("{failures} of {} failed", counted(config.feeds.len(), "feed")))) }
}

async fn ask_host(
    fetcher: Arc<Fetcher>,
    feeds: Vec<Subscription>,
    limits: Polling,
    answers: mpsc::Sender<(FeedId, Result<String, String>)>,
) {
    for (n, subscription) in feeds.into_iter().enumerate() {
        if n > 0 {
            tokio::time::sleep(limits.host_gap).await;
        }
        let answer = match fetcher.fetch(&subscription.feed.url, &subscription.options).await {
            Ok(answer) => read(answer, limits.max_entries),
            Err(e) => Err(e.to_string()),
        };
        if answers.send((subscription.feed.id, answer)).await.is_err() {
            return;
        }
    }
}

fn read(answer: Answer, max_entries: usize) -> Result<String, String> {
    let Content::Body { bytes, content_type } = answer.content else { return Ok("nothing changed".into()) };
    let url = Some(&*answer.validators.url);
    let source = parse::Source { bytes: &bytes, content_type: content_type.as_deref(), url, max_entries };
    let document = parse::parse(&source, &Default::default()).map_err(|e| source.explain(&e))?;
    Ok(format!("{}, {:?}", counted(document.entries.len(), "entry"), document.head.title.unwrap_or_default()))
}
