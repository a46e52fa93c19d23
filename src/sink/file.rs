//! Lines at the end of a file. A line is acknowledged when it is on the disk; lines of different lanes that arrive while others are being
//! synced are synced together. What a crash or a full disk leaves of half a line is cut off, so that every line is a whole event.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::oneshot;
use tracing::warn;

use super::answers::trouble;
use super::{ndjson, payload};
use crate::clock;
use crate::domain::delivery::{Delivery, DeliveryError, SinkId};
use crate::domain::time::Timestamp;

/// Attempts at once: lines of so many lanes can share one sync.
pub(super) const IN_FLIGHT: usize = 64;

/// Who may read a new file, less what the umask takes away.
const MODE: u32 = 0o640;

/// How each of our lines begins.
const BEGINNING: &[u8] = b"{\"specversion\":";

/// Bytes that are read at a time on the way back to the end of a line.
const PIECE: usize = 64 * 1024;

/// A configured file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Its directory exists.
    pub path: PathBuf,
    /// When a new one is begun.
    pub rotation: Rotation,
    /// Which of an entry's content is written.
    pub content: payload::Content,
}

/// When a new file is begun, and what becomes of the old ones: they get the time at the end of their names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotation {
    /// Before it is larger than this, in bytes.
    pub size: Option<u64>,
    /// With the first line of a new period, counted from the epoch in UTC: `1d` is a file a day.
    pub every: Option<Duration>,
    /// Old files that are kept; `None` is all.
    pub keep: Option<usize>,
}

/// The sink.
pub struct LineFile {
    sink: SinkId,
    options: Options,
    writer: Arc<Writer>,
}

/// What all sinks of one path share: a reload opens a new one while the old one still writes.
#[derive(Default)]
struct Writer {
    /// Lines that wait for the file.
    queue: Mutex<Vec<Waiting>>,
    /// Whoever holds it writes what waits.
    open: Arc<tokio::sync::Mutex<Option<Open>>>,
}

struct Waiting {
    line: Vec<u8>,
    answer: oneshot::Sender<Result<(), String>>,
}

static WRITERS: Mutex<BTreeMap<PathBuf, Weak<Writer>>> = Mutex::new(BTreeMap::new());

impl Writer {
    fn of(path: &Path) -> Arc<Self> {
        let mut writers = WRITERS.lock().unwrap_or_else(PoisonError::into_inner);
        writers.retain(|_, writer| writer.strong_count() > 0);
        if let Some(writer) = writers.get(path).and_then(Weak::upgrade) {
            return writer;
        }
        let writer = Arc::<Self>::default();
        writers.insert(path.to_owned(), Arc::downgrade(&writer));
        writer
    }

    fn queue(&self) -> std::sync::MutexGuard<'_, Vec<Waiting>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LineFile {
    /// Opens nothing yet.
    #[must_use]
    pub fn new(sink: SinkId, options: Options) -> Self {
        Self { sink, writer: Writer::of(&options.path), options }
    }

    /// Writes one line; returns when it is on the disk. Not to be cancelled.
    ///
    /// # Errors
    /// [`DeliveryError::Endpoint`] for all that can be wrong with a disk.
    pub async fn deliver(&self, delivery: &Delivery) -> Result<(), DeliveryError> {
        let (answer, mut written) = oneshot::channel();
        self.writer.queue().push(Waiting { line: ndjson::line(&delivery.event, self.options.content), answer });
        let mut open = self.writer.open.clone().lock_owned().await;
        // Whoever had the file before may have written this line too.
        let written = match written.try_recv() {
            Ok(written) => written,
            Err(_) => {
                let (batch, options, sink) = (std::mem::take(&mut *self.writer.queue()), self.options.clone(), self.sink.clone());
                // If that panics the answer is lost, and the event written again.
                drop(tokio::task::spawn_blocking(move || write(&mut open, &options, batch, &sink)).await);
                written.await.unwrap_or_else(|_| Err("the line was not written".into()))
            }
        };
        written.map_err(|e| trouble(format!("{}: {e}", self.options.path.display())))
    }
}

/// Writes what waits and says what became of it: lines that share a file share its sync.
fn write(slot: &mut Option<Open>, options: &Options, mut batch: Vec<Waiting>, sink: &SinkId) {
    while !batch.is_empty() {
        let result = run(slot, options, &batch, clock::now(), sink);
        if result.is_err() {
            // After a failed sync nobody knows what is on the disk; what it holds is seen when it is opened again.
            *slot = None;
        }
        let (count, answer) = result.map_or_else(|e| (batch.len(), Err(e.to_string())), |count| (count, Ok(())));
        for waiting in batch.drain(..count.clamp(1, batch.len())) {
            // Whoever is not waited for any more is delivered again.
            drop(waiting.answer.send(answer.clone()));
        }
    }
}

/// Writes the lines that belong into one file, and says how many they were.
fn run(slot: &mut Option<Open>, options: &Options, batch: &[Waiting], now: Timestamp, sink: &SinkId) -> io::Result<usize> {
    let Options { path, rotation, .. } = options;
    let first = batch.first().map_or(0, |waiting| waiting.line.len());
    if slot.as_ref().is_some_and(|open| !open.is_at(path)) {
        *slot = None;
    }
    let mut open = match slot.take() {
        Some(open) => open,
        None => Open::at(path)?,
    };
    if open.is_full(rotation, first, now) {
        rotate(path, rotation.keep, now, sink)?;
        open = Open::at(path)?;
    }
    let open = slot.insert(open);
    open.refresh()?;
    let base = open.length;
    let written = open.append(rotation, batch, now);
    if written.is_err() {
        // A line that is there and not acknowledged comes twice, half a line is cut off later: so it does no harm if this fails.
        open.file.set_len(base).unwrap_or_default();
    }
    written
}

/// The file as it was opened.
struct Open {
    file: fs::File,
    length: u64,
    /// When it was last written to.
    touched: Timestamp,
}

impl Open {
    /// Opens or creates it, and mends its end.
    fn at(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).append(true).create(true).mode(MODE).open(path)?;
        let meta = file.metadata()?;
        if !meta.is_file() {
            return Err(io::Error::other("this is not a file"));
        }
        let length = mend(&file, meta.len())?;
        // The name of a new file is on the disk before its first line is acknowledged.
        if let Some(dir) = path.parent() {
            fs::File::open(dir)?.sync_all()?;
        }
        Ok(Self { file, length, touched: Timestamp(meta.mtime().saturating_mul(1000)) })
    }

    /// Whether the name still leads here.
    fn is_at(&self, path: &Path) -> bool {
        let here = |meta: fs::Metadata| (meta.dev(), meta.ino());
        self.file.metadata().map(here).ok() == fs::metadata(path).map(here).ok()
    }

    /// Others may have cut it.
    fn refresh(&mut self) -> io::Result<()> {
        self.length = self.file.metadata()?.len();
        Ok(())
    }

    /// Whether a line belongs into the next file.
    fn is_full(&self, rotation: &Rotation, line: usize, now: Timestamp) -> bool {
        let period = |at: Timestamp, every: Duration| at.0.div_euclid(i64::try_from(every.as_millis().max(1)).unwrap_or(i64::MAX));
        let large = rotation.size.is_some_and(|size| self.length.saturating_add(line as u64) > size);
        let old = rotation.every.is_some_and(|every| period(self.touched, every) < period(now, every));
        self.length > 0 && (large || old)
    }

    /// Writes as many lines as belong here, at least one, and waits until they are on the disk.
    fn append(&mut self, rotation: &Rotation, batch: &[Waiting], now: Timestamp) -> io::Result<usize> {
        let mut count = 0;
        for Waiting { line, .. } in batch {
            if count > 0 && self.is_full(rotation, line.len(), now) {
                break;
            }
            self.file.write_all(line)?;
            self.length += line.len() as u64;
            self.touched = now;
            count += 1;
        }
        self.file.sync_data()?;
        Ok(count)
    }
}

/// Has the file end where a line ends: half a line of ours is cut off, for its event was not acknowledged; whatever else is there is given an
/// end. Returns the length.
fn mend(file: &fs::File, length: u64) -> io::Result<u64> {
    let end = end_of_last_line(file, length)?;
    if end == length {
        return Ok(length);
    }
    let mut beginning = [0; BEGINNING.len()];
    let known = usize::try_from(length - end).unwrap_or(usize::MAX).min(BEGINNING.len());
    let beginning = beginning.get_mut(..known).unwrap_or_default();
    file.read_exact_at(beginning, end)?;
    if BEGINNING.starts_with(beginning) {
        file.set_len(end)?;
        return Ok(end);
    }
    (&*file).write_all(b"\n")?;
    Ok(length + 1)
}

/// How many bytes there are up to and with the last line end.
fn end_of_last_line(file: &fs::File, length: u64) -> io::Result<u64> {
    let mut buffer = vec![0; PIECE];
    let mut to = length;
    while to > 0 {
        let from = to.saturating_sub(PIECE as u64);
        let piece = buffer.get_mut(..usize::try_from(to - from).unwrap_or(PIECE)).unwrap_or_default();
        file.read_exact_at(piece, from)?;
        if let Some(at) = memchr::memrchr(b'\n', piece) {
            return Ok(from + at as u64 + 1);
        }
        to = from;
    }
    Ok(0)
}

/// Gives the file the time as the end of its name, and deletes the oldest of its like.
fn rotate(path: &Path, keep: Option<usize>, now: Timestamp, sink: &SinkId) -> io::Result<()> {
    // A rename would overwrite.
    let target = (now.0..).map(|at| old_name(path, Timestamp(at))).find(|target| !target.exists());
    fs::rename(path, target.unwrap_or_else(|| old_name(path, now)))?;
    if let Some(keep) = keep
        && let Err(error) = delete_old(path, keep)
    {
        warn!(%sink, %error, "Old files could not be deleted.");
    }
    Ok(())
}

/// `events.ndjson.20241127T164702.482Z`, which sorts by time.
fn old_name(path: &Path, at: Timestamp) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", at.to_string().replace(['-', ':'], "")));
    PathBuf::from(name)
}

/// Deletes all old files but the newest `keep`; what is called otherwise is not ours.
fn delete_old(path: &Path, keep: usize) -> io::Result<()> {
    let (Some(dir), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else { return Ok(()) };
    let mut old: Vec<_> =
        fs::read_dir(dir)?.flatten().map(|entry| entry.file_name()).filter(|other| is_old(name, other.to_str())).collect();
    old.sort();
    let spare = old.len().saturating_sub(keep);
    old.into_iter().take(spare).try_for_each(|name| fs::remove_file(dir.join(name)))
}

fn is_old(name: &str, other: Option<&str>) -> bool {
    let stamp = other.and_then(|other| other.strip_prefix(name)?.strip_prefix('.'));
    let like = |(byte, pattern): (u8, u8)| if pattern == b'0' { byte.is_ascii_digit() } else { byte == pattern };
    stamp.is_some_and(|stamp| stamp.len() == 20 && stamp.bytes().zip(*b"00000000T000000.000Z").all(like))
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
