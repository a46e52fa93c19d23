//! The portable export: every row of every table in one compressed file that no engine has to understand.
//!
//! zstd over lines of JSON. The first names the format, the version of the rows, the instance and how far the store was; then comes a line for each
//! row, in the order of tables and keys; the last counts them. Each line ends with a checksum that continues the one of the line before: a line
//! that was changed, moved, left out or put in is found at its number, and a file that was cut has no last line.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::StoreError;
use super::key::{TABLES, Table};
use super::row::{self, MetaRow};

/// The version of the file's own layout.
const FORMAT: u32 = 1;

/// Fast, and within a tenth of what higher levels reach: events are compressed already.
const LEVEL: i32 = 3;

/// The longest line that is read: a value of 4 KiB in base64 and its key are far below.
const LONGEST_LINE: u64 = 64 * 1024;

/// Between the body of a line and its checksum of 16 hexadecimal digits.
const MARK: &str = ",\"x\":\"";

/// What a file says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    /// See [`FORMAT`].
    format: u32,
    /// The version of every row.
    rows: u8,
    pub(super) instance: String,
    /// RFC 3339.
    pub(super) made: String,
    /// How many groups had been committed.
    pub(super) group: u64,
    /// The sequence of the newest event.
    pub(super) sequence: u64,
}

impl Head {
    pub(super) fn new(instance: &str, made: String, meta: &MetaRow) -> Self {
        Self { format: FORMAT, rows: row::VERSION, instance: instance.to_owned(), made, group: meta.group, sequence: meta.sequence }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line {
    Feedwire(Head),
    /// Table, key and value.
    Row(String, String, String),
    /// How many rows.
    End(u64),
}

/// An export in the making, under a name of its own until it is whole; removed when it is given up.
pub(super) struct Export {
    path: PathBuf,
    part: PathBuf,
    out: Option<zstd::Encoder<'static, BufWriter<File>>>,
    sum: u64,
    rows: u64,
}

impl Export {
    /// Begins a file that its owner alone may read.
    pub(super) fn create(path: &Path, head: Head) -> Result<Self, StoreError> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".part");
        let part = path.with_file_name(name);
        let open = || {
            let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
            let mut out = zstd::Encoder::new(BufWriter::new(file), LEVEL)?;
            out.include_checksum(true)?;
            Ok(out)
        };
        let out = open().map_err(|e| StoreError::io("create", &part, e))?;
        let mut export = Self { path: path.to_owned(), part, out: Some(out), sum: 0, rows: 0 };
        export.line(&Line::Feedwire(head))?;
        Ok(export)
    }

    pub(super) fn row(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        // It would not be restored, and the last good backup would be gone.
        if row::unseal(value).is_err() {
            return Err(StoreError::damaged(
                &self.path,
                format!("a row of the {} table has a wrong checksum, so no backup was made", table.name()),
            ));
        }
        self.rows += 1;
        self.line(&Line::Row(table.name().to_owned(), BASE64.encode(key), BASE64.encode(value)))
    }

    fn line(&mut self, line: &Line) -> Result<(), StoreError> {
        let mut text = serde_json::to_string(line).unwrap_or_default();
        text.pop();
        self.sum = xxh3_64_with_seed(text.as_bytes(), self.sum);
        let sum = self.sum;
        let written = self.out.as_mut().map_or(Ok(()), |out| writeln!(out, "{text}{MARK}{sum:016x}\"}}"));
        written.map_err(|e| StoreError::io("write", &self.part, e))
    }

    /// Ends the file, and gives it its name when it is on the disk. Returns how many rows it has and how many bytes.
    pub(super) fn finish(mut self) -> Result<(u64, u64), StoreError> {
        self.line(&Line::End(self.rows))?;
        let Some(out) = self.out.take() else { return Err(StoreError::Closed) };
        let end = || {
            let file = out.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.sync_all()?;
            fs::rename(&self.part, &self.path)?;
            let dir = self.path.parent().filter(|dir| *dir != Path::new("")).unwrap_or(Path::new("."));
            File::open(dir)?.sync_all()?;
            Ok(file.metadata()?.len())
        };
        let bytes = end().map_err(|e| StoreError::io("write", &self.path, e))?;
        Ok((self.rows, bytes))
    }
}

impl Drop for Export {
    fn drop(&mut self) {
        if self.out.is_some() {
            // It is of no use to anybody; a rest that cannot be removed does no harm either.
            drop(fs::remove_file(&self.part));
        }
    }
}

/// Reads a whole file, a row at a time. Whoever has to do nothing by halves reads it twice.
///
/// # Errors
/// [`StoreError::Backup`] with the line at which it is wrong.
pub(super) fn read(path: &Path, mut each: impl FnMut(Table, Vec<u8>, Vec<u8>) -> Result<(), StoreError>) -> Result<Head, StoreError> {
    let opened = File::open(path).and_then(zstd::Decoder::new).map_err(|e| StoreError::io("read", path, e))?;
    let mut lines = Lines { path, from: BufReader::new(opened), number: 0, sum: 0 };
    let Line::Feedwire(head) = lines.next()? else { return Err(lines.wrong("it does not begin as a backup does")) };
    if head.format != FORMAT {
        return Err(lines.wrong(format!("it is of format {}, and this feedwire reads {FORMAT}", head.format)));
    }
    if head.rows != row::VERSION {
        return Err(lines.wrong(format!("its rows are of version {}, and this feedwire reads {}", head.rows, row::VERSION)));
    }
    let (mut rows, mut last) = (0, None);
    loop {
        match lines.next()? {
            Line::Row(table, key, value) => {
                let Some(table) = TABLES.into_iter().find(|t| t.name() == table) else {
                    return Err(lines.wrong("it names an unknown table"));
                };
                let (Ok(key), Ok(value)) = (BASE64.decode(key), BASE64.decode(value)) else { return Err(lines.wrong("it is not base64")) };
                let this = Some((table, key.clone()));
                if this <= last {
                    return Err(lines.wrong("it is out of order"));
                }
                if value.len() > row::LARGEST || row::unseal(&value).is_err() {
                    return Err(lines.wrong("the value has a wrong checksum"));
                }
                (last, rows) = (this, rows + 1);
                each(table, key, value)?;
            }
            Line::End(counted) if counted == rows => break,
            Line::End(counted) => return Err(lines.wrong(format!("{counted} rows were written, {rows} are left"))),
            Line::Feedwire(_) => return Err(lines.wrong("a second backup begins")),
        }
    }
    if lines.from.fill_buf().map_or(true, |rest| !rest.is_empty()) {
        return Err(lines.wrong("something follows the end"));
    }
    Ok(head)
}

struct Lines<'a> {
    path: &'a Path,
    from: BufReader<zstd::Decoder<'static, BufReader<File>>>,
    number: u64,
    sum: u64,
}

impl Lines<'_> {
    fn next(&mut self) -> Result<Line, StoreError> {
        self.number += 1;
        let mut text = vec![];
        let read = (&mut self.from).take(LONGEST_LINE).read_until(b'\n', &mut text);
        read.map_err(|e| self.wrong(format!("it cannot be unpacked: {e}")))?;
        if text.is_empty() {
            return Err(self.wrong("the file ends before its last line"));
        }
        let text = String::from_utf8(text).map_err(|_| self.wrong("it is no text"))?;
        let parts = text.strip_suffix("\"}\n").and_then(|text| text.rsplit_once(MARK));
        let (body, sum) = parts.ok_or_else(|| self.wrong("it has no checksum"))?;
        self.sum = xxh3_64_with_seed(body.as_bytes(), self.sum);
        if sum != format!("{:016x}", self.sum) {
            return Err(self.wrong("its checksum is wrong, or a line before it is missing"));
        }
        serde_json::from_str(&format!("{body}}}")).map_err(|e| self.wrong(format!("it cannot be understood: {e}")))
    }

    fn wrong(&self, reason: impl Into<String>) -> StoreError {
        StoreError::Backup { path: self.path.to_owned(), line: self.number, reason: reason.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Row = (Table, Vec<u8>, Vec<u8>);

    fn rows() -> Vec<Row> {
        let row = |n: u8| (if n < 20 { Table::Seen } else { Table::Meta }, vec![n, 0], row::seal(&[n; 50]));
        (0..40).map(row).collect()
    }

    fn write(path: &Path) {
        let meta = MetaRow { group: 3, sequence: 9, ..MetaRow::default() };
        let mut export = Export::create(path, Head::new("main", "now".into(), &meta)).unwrap();
        rows().iter().for_each(|(table, key, value)| export.row(*table, key, value).unwrap());
        assert_eq!(export.finish().unwrap().0, 40);
    }

    fn read_all(path: &Path) -> Result<Vec<Row>, StoreError> {
        let mut found = vec![];
        read(path, |table, key, value| {
            found.push((table, key, value));
            Ok(())
        })?;
        Ok(found)
    }

    #[test]
    fn what_was_written_is_read_and_an_export_given_up_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        write(&path);
        assert_eq!(read_all(&path).unwrap(), rows());
        assert_eq!(read(&path, |_, _, _| Ok(())).unwrap().sequence, 9);
        let given_up = Export::create(&dir.path().join("b"), Head::new("main", "now".into(), &MetaRow::default())).unwrap();
        assert!(dir.path().join("b.part").exists());
        drop(given_up);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_flipped_bit_or_a_cut_anywhere_in_the_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        write(&path);
        let good = fs::read(&path).unwrap();
        let mut harmless = 0;
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            fs::write(&path, &bad).unwrap();
            match read_all(&path) {
                // A bit of the frame's head that changes nothing of what is unpacked.
                Ok(found) => (assert_eq!(found, rows()), harmless += 1).1,
                Err(e) => assert!(matches!(e, StoreError::Backup { .. }), "{e}"),
            }
            fs::write(&path, &good[..at]).unwrap();
            assert!(read_all(&path).is_err(), "cut at {at}");
        }
        assert!(harmless < 8, "{harmless}");
        fs::write(&path, [&good[..], b"x"].concat()).unwrap();
        assert!(read_all(&path).is_err());
        fs::write(&path, [&good[..], &good[..]].concat()).unwrap();
        assert!(read_all(&path).is_err());
    }

    /// What compression would not notice: somebody has unpacked it, changed lines, and packed it again.
    #[test]
    fn a_line_changed_swapped_doubled_or_left_out_is_refused_at_its_number() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        write(&path);
        let text = String::from_utf8(zstd::decode_all(File::open(&path).unwrap()).unwrap()).unwrap();
        let good: Vec<_> = text.lines().map(str::to_owned).collect();
        let refused = |change: &dyn Fn(&mut Vec<String>)| {
            let mut lines = good.clone();
            change(&mut lines);
            let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
            fs::write(&path, zstd::encode_all(text.as_bytes(), 1).unwrap()).unwrap();
            match read_all(&path) {
                Err(StoreError::Backup { line, .. }) => line,
                other => panic!("{:?} rows", other.map(|rows| rows.len())),
            }
        };
        assert_eq!(refused(&|lines| lines[4] = lines[4].replacen('A', "B", 1)), 5);
        assert_eq!(refused(&|lines| lines.swap(4, 5)), 5);
        assert_eq!(refused(&|lines| drop(lines.remove(4))), 5);
        assert_eq!(refused(&|lines| lines.insert(4, lines[4].clone())), 6);
        assert_eq!(refused(&|lines| lines.truncate(41)), 42);
        assert_eq!(refused(&|lines| lines.push(lines[41].clone())), 42);
        assert_eq!(refused(&|lines| lines[0] = lines[0].replace("main", "mine")), 1);
        assert_eq!(refused(&|lines| drop(lines.remove(0))), 1);
    }
}
