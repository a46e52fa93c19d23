//! What is remembered of a feed's entries, packed: a key and a node of the database for each would cost more than the entries themselves.

use super::row::{Damaged, LARGEST, seal, unseal};
use crate::domain::feed::Fingerprint;
use crate::domain::identity::{Alias, Key, Kind};
use crate::domain::memory::{Cold, Hot, Item, Mark, Minute};
use crate::domain::story::Claim;
use crate::domain::text::{Gist, Sketch, Spread};

/// Version, checksum and some room.
const OVERHEAD: usize = 16;

/// Packs rows of differing lengths into sealed chunks, each within [`LARGEST`].
fn chunks<T>(rows: &[T], write: impl Fn(&T, &mut Vec<u8>)) -> Vec<Vec<u8>> {
    let (mut chunks, mut payload, mut row) = (vec![], vec![], vec![]);
    for entry in rows {
        row.clear();
        write(entry, &mut row);
        if payload.len() + row.len() > LARGEST - OVERHEAD {
            chunks.push(seal(&payload));
            payload.clear();
        }
        payload.extend(&row);
    }
    if !payload.is_empty() {
        chunks.push(seal(&payload));
    }
    chunks
}

/// Reads the rows of a sealed chunk.
fn rows<T>(value: &[u8], read: impl Fn(&mut Cursor<'_>) -> Option<T>) -> Result<Vec<T>, Damaged> {
    let (mut cursor, mut rows) = (Cursor(unseal(value)?), vec![]);
    while !cursor.0.is_empty() {
        rows.push(read(&mut cursor).ok_or(Damaged)?);
    }
    Ok(rows)
}

/// About 150 bytes an entry.
pub(super) fn encode_hot(entries: &[Hot]) -> Vec<Vec<u8>> {
    chunks(entries, |hot, out| {
        out.extend(hot.fingerprint.0.to_be_bytes());
        out.extend(hot.gist.words.to_be_bytes());
        out.extend(hot.gist.title.to_be_bytes());
        out.extend(hot.gist.numbers.to_be_bytes());
        out.extend(hot.gist.length.to_be_bytes());
        out.extend(hot.gist.spread.0);
        out.extend(hot.told.0.to_be_bytes());
        out.extend([hot.streak, u8::from(hot.held)]);
        write_item(&hot.item, out);
    })
}

/// See [`encode_hot`].
pub(super) fn decode_hot(value: &[u8]) -> Result<Vec<Hot>, Damaged> {
    rows(value, |from| {
        let fingerprint = Fingerprint(u128::from_be_bytes(from.take()?));
        let gist = Gist {
            words: u64::from_be_bytes(from.take()?),
            title: u32::from_be_bytes(from.take()?),
            numbers: u32::from_be_bytes(from.take()?),
            length: u16::from_be_bytes(from.take()?),
            spread: Spread(from.take()?),
        };
        let told = Minute(u32::from_be_bytes(from.take()?));
        let [streak, held] = from.take()?;
        Some(Hot { fingerprint, gist, told, streak, held: held != 0, item: read_item(from)? })
    })
}

/// About 100 bytes an entry.
pub(super) fn encode_cold(entries: &[Cold]) -> Vec<Vec<u8>> {
    chunks(entries, |cold, out| {
        out.extend(cold.day.to_be_bytes());
        write_item(&cold.item, out);
    })
}

/// See [`encode_cold`].
pub(super) fn decode_cold(value: &[u8]) -> Result<Vec<Cold>, Damaged> {
    rows(value, |from| Some(Cold { day: u16::from_be_bytes(from.take()?), item: read_item(from)? }))
}

/// 10 bytes a mark.
pub(super) fn encode_marks(marks: &[Mark]) -> Vec<Vec<u8>> {
    chunks(marks, |mark, out| {
        out.extend(mark.alias.0.to_be_bytes());
        out.extend(mark.day.to_be_bytes());
    })
}

/// See [`encode_marks`].
pub(super) fn decode_marks(value: &[u8]) -> Result<Vec<Mark>, Damaged> {
    rows(value, |from| Some(Mark { alias: Alias(u64::from_be_bytes(from.take()?)), day: u16::from_be_bytes(from.take()?) }))
}

/// The newest chunk with `claims` behind what it holds, and as many more as it takes.
pub(super) fn append_claims(newest: Option<&[u8]>, claims: &[Claim]) -> Result<Vec<Vec<u8>>, Damaged> {
    let mut chunks = chunks(claims, |claim, out| out.extend(postcard::to_stdvec(claim).unwrap_or_default()));
    let Some(newest) = newest else { return Ok(chunks) };
    let first = match chunks.first() {
        Some(first) => unseal(first)?.to_vec(),
        None => vec![],
    };
    let joined = [unseal(newest)?, &first].concat();
    if joined.len() <= LARGEST - OVERHEAD {
        chunks.splice(..1, [seal(&joined)]);
    } else {
        chunks.insert(0, newest.to_vec());
    }
    Ok(chunks)
}

/// See [`append_claims`].
pub(super) fn decode_claims(value: &[u8]) -> Result<Vec<Claim>, Damaged> {
    rows(value, |from| {
        let (claim, rest) = postcard::take_from_bytes(from.0).ok()?;
        from.0 = rest;
        Some(claim)
    })
}

fn write_item(item: &Item, out: &mut Vec<u8>) {
    out.extend(item.id.as_bytes());
    out.extend(item.date.0.to_be_bytes());
    out.extend(item.first.0.to_be_bytes());
    item.sketch.title.iter().chain(&item.sketch.body).for_each(|word| out.extend(word.to_be_bytes()));
    out.extend(item.revision.to_be_bytes());
    out.push(item.by.map_or(0, |kind| kind as u8));
    out.push(u8::try_from(item.aliases.len()).unwrap_or(u8::MAX));
    item.aliases.iter().take(usize::from(u8::MAX)).for_each(|alias| out.extend(alias.0.to_be_bytes()));
}

fn read_item(from: &mut Cursor<'_>) -> Option<Item> {
    let id = Key::from_bytes(from.take()?);
    let (date, first) = (Minute(u32::from_be_bytes(from.take()?)), Minute(u32::from_be_bytes(from.take()?)));
    let mut sketch = Sketch::default();
    for word in sketch.title.iter_mut().chain(&mut sketch.body) {
        *word = u16::from_be_bytes(from.take()?);
    }
    let revision = u16::from_be_bytes(from.take()?);
    let [by, count] = from.take()?;
    let by = Kind::ALL.into_iter().find(|kind| *kind as u8 == by);
    let aliases = (0..count).map(|_| from.take().map(|bytes| Alias(u64::from_be_bytes(bytes)))).collect::<Option<_>>()?;
    Some(Item { id, aliases, date, first, sketch, revision, by })
}

/// What is left to read.
struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn items() -> impl Strategy<Value = Item> {
        let key = any::<[u8; 16]>().prop_map(Key::from_bytes);
        let aliases = prop::collection::vec(any::<u64>().prop_map(Alias), 0..24);
        let by = prop::sample::select([None].into_iter().chain(Kind::ALL.map(Some)).collect::<Vec<_>>());
        (key, aliases, any::<(u32, u32, u16, [u16; 4], [u16; 8])>(), by).prop_map(
            |(id, aliases, (date, first, revision, title, body), by)| Item {
                id,
                aliases,
                date: Minute(date),
                first: Minute(first),
                sketch: Sketch { title, body },
                revision,
                by,
            },
        )
    }

    fn back<T: Clone>(chunks: &[Vec<u8>], decode: impl Fn(&[u8]) -> Result<Vec<T>, Damaged>) -> Vec<T> {
        assert!(chunks.iter().all(|chunk| chunk.len() <= LARGEST));
        chunks.iter().flat_map(|chunk| decode(chunk).unwrap()).collect()
    }

    proptest! {
        #[test]
        fn rows_come_back(rows in prop::collection::vec((items(), any::<(u128, u64, u32, u32, u16, [u8; 16], u32)>(), any::<(u8, bool, u16)>()), 0..96)) {
            let hot: Vec<_> = rows.iter().map(|(item, (fingerprint, words, title, numbers, length, spread, told), (streak, held, _))| Hot {
                fingerprint: Fingerprint(*fingerprint),
                item: item.clone(),
                gist: Gist { words: *words, title: *title, numbers: *numbers, length: *length, spread: Spread(*spread) },
                told: Minute(*told),
                streak: *streak,
                held: *held,
            }).collect();
            prop_assert_eq!(back(&encode_hot(&hot), decode_hot), hot);
            let cold: Vec<_> = rows.iter().map(|(item, _, (.., day))| Cold { item: item.clone(), day: *day }).collect();
            prop_assert_eq!(back(&encode_cold(&cold), decode_cold), cold);
            let marks: Vec<_> = rows.iter().map(|(_, (_, alias, ..), (.., day))| Mark { alias: Alias(*alias), day: *day }).collect();
            prop_assert_eq!(back(&encode_marks(&marks), decode_marks), marks);
        }

        #[test]
        fn claims_come_back(groups in prop::collection::vec(prop::collection::vec(any::<(u64, u128, u32)>(), 1..200), 1..4)) {
            let (mut stored, mut all): (Vec<Vec<u8>>, Vec<Claim>) = (vec![], vec![]);
            for group in groups {
                let claims = group.iter().map(|(key, event, sink)| {
                    Claim { keys: vec![*key, 1], event: *event, feed: *key, sinks: vec![*sink; 3], at: i64::from(*sink) }
                });
                let claims: Vec<_> = claims.collect();
                let written = append_claims(stored.pop().as_deref(), &claims).unwrap();
                stored.extend(written);
                all.extend(claims);
            }
            prop_assert_eq!(back(&stored, decode_claims), all);
        }

        #[test]
        fn bytes_of_no_row_are_damage(bytes in prop::collection::vec(any::<u8>(), 1..50)) {
            prop_assert_eq!(decode_hot(&seal(&bytes)), Err(Damaged));
            prop_assert_eq!(decode_hot(&bytes), Err(Damaged));
        }
    }
}
