//! A scripted consumer of lines, on a unix or TCP socket.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, UnixListener};
use tokio::task::{JoinHandle, JoinSet};

use super::event::Event;
use super::record::{Gate, Record};

/// What a consumer does with the lines it gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Says the id of each, with noise in between.
    Acknowledges,
    /// Reads and says nothing.
    Mute,
    /// Takes the connection and reads nothing.
    Deaf,
    /// Refuses the entry with this id, and acknowledges the others.
    Refuses(String),
    /// Says nothing until it has so many, then says all of them, the last first.
    Gathers(usize),
}

/// Listens inside the test, outlives restarts of the daemon, and records every line in the order of arrival.
pub struct Consumer {
    place: Place,
    /// All events so far, repeated ones too.
    pub events: Record<Event>,
    manner: Arc<Mutex<Manner>>,
    task: Option<JoinHandle<()>>,
}

#[derive(Clone)]
enum Place {
    Unix(PathBuf),
    Tcp(String),
}

impl Consumer {
    /// On a unix socket.
    pub async fn unix(path: &Path) -> Self {
        Self::at(Place::Unix(path.to_owned())).await
    }

    /// On a free port.
    pub async fn tcp() -> Self {
        let place = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        Self::at(Place::Tcp(place.to_string())).await
    }

    async fn at(place: Place) -> Self {
        let mut new = Self { place, events: Record::default(), manner: Arc::new(Mutex::new(Manner::Acknowledges)), task: None };
        new.up().await;
        new
    }

    /// The table of a sink that writes here.
    pub fn table(&self, name: &str) -> String {
        match &self.place {
            Place::Unix(path) => format!("[sinks.{name}.unix]\npath = {path:?}\n"),
            Place::Tcp(address) => format!("[sinks.{name}.tcp]\naddress = {address:?}\n"),
        }
    }

    /// From the next line on; with the next connection, if it has been deaf.
    pub fn behave(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    /// Breaks every connection and takes no more.
    pub async fn down(&mut self) {
        let task = self.task.take().expect("it is up");
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        if let Place::Unix(path) = &self.place {
            std::fs::remove_file(path).unwrap();
        }
    }

    /// Listens again, at the same place.
    pub async fn up(&mut self) {
        let (events, manner) = (self.events.clone(), self.manner.clone());
        self.task = Some(match &self.place {
            Place::Unix(path) => {
                let listener = UnixListener::bind(path).unwrap();
                tokio::spawn(async move {
                    let mut open = JoinSet::new();
                    while let Ok((stream, _)) = listener.accept().await {
                        let (reader, writer) = stream.into_split();
                        open.spawn(serve(reader, writer, events.clone(), manner.clone()));
                    }
                })
            }
            Place::Tcp(address) => {
                let listener = TcpListener::bind(address).await.unwrap();
                tokio::spawn(async move {
                    let mut open = JoinSet::new();
                    while let Ok((stream, _)) = listener.accept().await {
                        let (reader, writer) = stream.into_split();
                        open.spawn(serve(reader, writer, events.clone(), manner.clone()));
                    }
                })
            }
        });
    }

    /// Waits for so many different events; returns all, repeated ones too.
    pub async fn received(&self, n: usize) -> Vec<Event> {
        self.events.until(format!("{n} different events"), move |all| (distinct(all) >= n).then(|| all.to_vec())).await
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// How many different ids there are.
pub fn distinct(events: &[Event]) -> usize {
    events.iter().map(Event::id).collect::<std::collections::BTreeSet<_>>().len()
}

/// The entries of each feed in the order in which they first came.
pub fn by_lane(events: &[Event]) -> BTreeMap<String, Vec<String>> {
    let mut lanes = BTreeMap::<String, Vec<String>>::new();
    for event in events {
        let lane = lanes.entry(event.feed().to_owned()).or_default();
        if !lane.iter().any(|id| id == event.entry_id()) {
            lane.push(event.entry_id().to_owned());
        }
    }
    lanes
}

async fn serve(
    reader: impl AsyncRead + Unpin,
    mut writer: impl AsyncWrite + Unpin,
    events: Record<Event>,
    manner: Arc<Mutex<Manner>>,
) -> io::Result<()> {
    if *manner.lock().unwrap() == Manner::Deaf {
        Gate::shut().passed().await;
    }
    let mut lines = BufReader::new(reader).lines();
    let mut gathered = vec![];
    while let Some(line) = lines.next_line().await? {
        let event = Event::parse(line.as_bytes());
        let id = event.id().to_owned();
        let manner = manner.lock().unwrap().clone();
        let answer = match &manner {
            Manner::Mute | Manner::Deaf => String::new(),
            Manner::Refuses(entry) if entry == event.entry_id() => format!("nack {id} not this one\n"),
            Manner::Acknowledges | Manner::Refuses(_) => format!("got it\nevt_0\nnack evt_1 what?\n{}\n{id}\n", "x".repeat(10_000)),
            Manner::Gathers(n) => {
                gathered.insert(0, id);
                if gathered.len() < *n { String::new() } else { std::mem::take(&mut gathered).join("\n") + "\n" }
            }
        };
        // Recorded before it is acknowledged, as a consumer should.
        events.push(event);
        writer.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}
