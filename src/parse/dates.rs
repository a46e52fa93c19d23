//! Dates as publishers write them: RFC 822 in its wild forms, ISO 8601 with and without a zone, month names in several languages, zones by
//! name. The offset is kept. What cannot be read is `None`, never a guess.

use chrono::{DateTime, Datelike, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone};

use super::calendar::month;
use super::zones::Zone;
use crate::domain::time::Moment;

/// A longer text is no date.
const LONGEST: usize = 100;

/// The year before is where programs begin to count when a date was never filled in.
const FIRST_YEAR: i32 = 2;

/// The moment a text names. Without a zone it is taken as `zoneless` seconds east of UTC.
pub(super) fn parse(text: &str, zoneless: i32) -> Option<Moment> {
    let (local, zone) = read(text)?;
    let offset = zone.map_or(zoneless, |zone| zone.offset(local));
    let moment: DateTime<FixedOffset> = FixedOffset::east_opt(offset)?.from_local_datetime(&local).single()?;
    Some(Moment::from(moment))
}

/// The offset that a text states, in seconds east of UTC; `None` when it is no date, or leaves the zone open.
pub(super) fn stated(text: &str) -> Option<i32> {
    let (local, zone) = read(text)?;
    Some(zone?.offset(local))
}

/// A local time, and the zone that stands beside it.
fn read(text: &str) -> Option<(NaiveDateTime, Option<Zone>)> {
    let text = text.trim();
    if text.is_empty() || text.len() > LONGEST {
        return None;
    }
    let (local, zone) = epoch(text).or_else(|| iso(text)).or_else(|| tokens(text))?;
    (local.year() >= FIRST_YEAR).then_some((local, zone))
}

type Read = (NaiveDateTime, Option<Zone>);

/// Seconds or milliseconds since 1970.
fn epoch(text: &str) -> Option<Read> {
    if !(9..=13).contains(&text.len()) || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number: i64 = text.parse().ok()?;
    let millis = if text.len() > 10 { number } else { number.checked_mul(1000)? };
    Some((DateTime::from_timestamp_millis(millis)?.naive_utc(), Some(Zone::fixed(0))))
}

/// `2024-11-27T18:45:00.5+02:00` and its shorter forms, also `20241127T184500Z`.
fn iso(text: &str) -> Option<Read> {
    let (date, rest) = text.split_at_checked(text.find(['T', 't', ' ', '_']).unwrap_or(text.len()))?;
    let parts: Vec<&str> = date.split('-').collect();
    let number = |s: &str| s.parse::<u32>().ok().filter(|_| s.bytes().all(|b| b.is_ascii_digit()));
    let (year, month, day) = match *parts.as_slice() {
        [y, m, d] if y.len() == 4 => (number(y)?, number(m)?, number(d)?),
        [y, m] if y.len() == 4 && rest.is_empty() => (number(y)?, number(m)?, 1),
        [y] if y.len() == 4 && rest.is_empty() => (number(y)?, 1, 1),
        [all] if all.len() == 8 => (number(all.get(..4)?)?, number(all.get(4..6)?)?, number(all.get(6..)?)?),
        _ => return None,
    };
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
    let rest = rest.trim_start_matches(['T', 't', ' ', '_']).trim();
    if rest.is_empty() {
        return Some((at(date, Clock::default())?, None));
    }
    let end = rest.find(|c: char| !(c.is_ascii_digit() || matches!(c, ':' | '.' | ','))).unwrap_or(rest.len());
    let (clock, zone) = rest.split_at(end);
    let clock = if clock.contains(':') { clock_of(clock)? } else { compact_clock(clock)? };
    // RFC 9557 says the place too: `+02:00[Europe/Kyiv]`.
    let zone = zone.split('[').next().unwrap_or_default().trim();
    Some((at(date, clock)?, if zone.is_empty() { None } else { Some(zone_of(zone)?) }))
}

/// Hours, minutes, seconds and nanoseconds; 24:00:00 is the next day.
#[derive(Clone, Copy, Debug, Default)]
struct Clock {
    hour: u32,
    minute: u32,
    second: u32,
    nano: u32,
}

fn clock_of(text: &str) -> Option<Clock> {
    let mut parts = text.split(':');
    let hour = parts.next()?.parse().ok()?;
    let minute = parts.next()?.parse().ok()?;
    let (second, fraction) = parts.next().map_or(("0", ""), |s| s.split_once(['.', ',']).unwrap_or((s, "")));
    let nano = format!("{:0<9}", fraction.get(..fraction.len().min(9)).unwrap_or_default()).parse().ok()?;
    let clock = Clock { hour, minute, second: if second.is_empty() { 0 } else { second.parse().ok()? }, nano };
    parts.next().is_none().then_some(clock)
}

/// `1845` and `184500`.
fn compact_clock(text: &str) -> Option<Clock> {
    let two = |from: usize| text.get(from..from + 2)?.parse::<u32>().ok();
    match text.len() {
        4 => Some(Clock { hour: two(0)?, minute: two(2)?, ..Clock::default() }),
        6 => Some(Clock { hour: two(0)?, minute: two(2)?, second: two(4)?, nano: 0 }),
        _ => None,
    }
}

fn at(date: NaiveDate, clock: Clock) -> Option<NaiveDateTime> {
    let midnight = clock.hour == 24 && clock.minute == 0 && clock.second == 0;
    let (clock, days) = if midnight { (Clock { hour: 0, ..clock }, 1) } else { (clock, 0) };
    // A leap second is the first of the next minute, as POSIX counts.
    let (second, leap) = if clock.second == 60 { (59, 1) } else { (clock.second, 0) };
    let time = NaiveTime::from_hms_nano_opt(clock.hour, clock.minute, second, clock.nano)?;
    date.and_time(time).checked_add_signed(TimeDelta::days(days) + TimeDelta::seconds(leap))
}

/// Everything else, word by word: a clock, a month by name or numbers in an order that can be told, a zone.
fn tokens(text: &str) -> Option<Read> {
    let mut found = Found::default();
    let separated = |c: char| c.is_whitespace() || matches!(c, ',' | ';' | '|');
    for word in text.split(separated).filter(|word| !word.is_empty()) {
        // What follows a zone in brackets is its name, or any other remark.
        if word.starts_with('(') && found.zone.is_some() {
            break;
        }
        found.take(word)?;
    }
    found.finish()
}

#[derive(Debug, Default)]
struct Found {
    numbers: Vec<(i32, usize)>,
    month: Option<u32>,
    /// The numbers are a whole date: a name beside it is that of a day.
    whole: bool,
    clock: Option<Clock>,
    afternoon: Option<bool>,
    zone: Option<Zone>,
}

impl Found {
    fn take(&mut self, word: &str) -> Option<()> {
        if word.starts_with(|c: char| c.is_ascii_digit()) {
            if word.contains(':') {
                return self.take_clock(word);
            }
            // 18h45, as the French write.
            if let Some((hour, minute)) = word.split_once('h').filter(|(hour, _)| hour.len() <= 2 && self.clock.is_none()) {
                return self.take_clock(&format!("{hour}:{}", if minute.is_empty() { "00" } else { minute }));
            }
        }
        if let Some(zone) = zone_of(word).filter(|_| self.clock.is_some()) {
            self.zone.get_or_insert(zone);
            return Some(());
        }
        if word.contains(|c: char| c.is_ascii_digit()) && word.trim_end_matches('.').contains(['.', '/', '-']) {
            return self.take_date(word);
        }
        let digits = word.trim_end_matches(|c: char| !c.is_ascii_digit());
        if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
            self.numbers.push((digits.parse().ok()?, digits.len()));
            return Some(());
        }
        self.take_name(word);
        Some(())
    }

    /// `18:45:00`, and what is glued to it: `18:45:00Z`, `18:45+0200`, `6:45pm`. The first one counts.
    fn take_clock(&mut self, word: &str) -> Option<()> {
        let end = word.find(|c: char| !(c.is_ascii_digit() || matches!(c, ':' | '.'))).unwrap_or(word.len());
        let (clock, rest) = word.split_at(end);
        let clock = clock_of(clock.trim_end_matches('.'))?;
        self.clock.get_or_insert(clock);
        if !rest.is_empty() {
            match zone_of(rest) {
                Some(zone) => drop(self.zone.get_or_insert(zone)),
                None => self.take_name(rest),
            }
        }
        Some(())
    }

    /// `27.11.2024`, `27/11/2024`, `2024/11/27`, `27-Nov-24`.
    fn take_date(&mut self, word: &str) -> Option<()> {
        let before = self.numbers.len();
        for part in word.trim_end_matches(['.', '-', '/']).split(['.', '/', '-']) {
            if part.bytes().all(|b| b.is_ascii_digit()) && !part.is_empty() {
                self.numbers.push((part.parse().ok()?, part.len()));
            } else {
                self.take_name(part);
            }
        }
        self.whole |= self.numbers.len() >= before + 3;
        Some(())
    }

    fn take_name(&mut self, word: &str) {
        let lower = word.trim_matches(|c: char| !c.is_alphabetic()).to_lowercase();
        match lower.as_str() {
            "am" | "a.m" => self.afternoon = Some(false),
            "pm" | "p.m" => self.afternoon = Some(true),
            name => {
                // The last one counts: середа and mardi begin like months, and days come before months.
                if let Some(month) = month(name) {
                    self.month = Some(month);
                }
            }
        }
    }

    fn finish(self) -> Option<Read> {
        let (year, month, day) = self.date()?;
        let mut clock = self.clock.unwrap_or_default();
        match self.afternoon {
            Some(true) if clock.hour < 12 => clock.hour += 12,
            Some(false) if clock.hour == 12 => clock.hour = 0,
            _ => {}
        }
        // The 31st of a month with 30 days is the day after the 30th.
        let (date, over) = match NaiveDate::from_ymd_opt(year, month, day) {
            Some(date) => (date, 0),
            None if (29..=31).contains(&day) => (NaiveDate::from_ymd_opt(year, month, day.saturating_sub(3))?, 3),
            None => return None,
        };
        Some((at(date.checked_add_signed(TimeDelta::days(over))?, clock)?, self.zone))
    }

    fn date(&self) -> Option<(i32, u32, u32)> {
        let year = |(n, digits): (i32, usize)| match digits {
            1 | 2 => n + if n < 70 { 2000 } else { 1900 },
            _ => n,
        };
        let unsigned = |n: i32| u32::try_from(n).ok();
        match (self.month.filter(|_| !self.whole), self.numbers.as_slice()) {
            (Some(month), [day, y, ..]) if day.1 <= 2 => Some((year(*y), month, unsigned(day.0)?)),
            (Some(month), [y, day, ..]) => Some((year(*y), month, unsigned(day.0)?)),
            (None, [y, month, day, ..]) if y.1 == 4 => Some((y.0, unsigned(month.0)?, unsigned(day.0)?)),
            // Day first, as most of the world writes; month first where it can be nothing else.
            (None, [first, second, y, ..]) if second.0 > 12 => Some((year(*y), unsigned(first.0)?, unsigned(second.0)?)),
            (None, [day, month, y, ..]) => Some((year(*y), unsigned(month.0)?, unsigned(day.0)?)),
            _ => None,
        }
    }
}

/// A zone: `+0200`, `+02:00`, `GMT+2`, `EET`, `Europe/Kyiv`.
fn zone_of(zone: &str) -> Option<Zone> {
    let zone = zone.trim_matches(|c| matches!(c, '(' | ')'));
    if let Some(zone) = Zone::named(zone) {
        return Some(zone);
    }
    let upper = zone.to_ascii_uppercase();
    let bare = upper.strip_prefix("GMT").or_else(|| upper.strip_prefix("UTC")).unwrap_or(&upper);
    let sign = match bare.chars().next()? {
        '+' => 1,
        '-' | '−' => -1,
        _ => return None,
    };
    let digits: String = bare.chars().skip(1).filter(|c| *c != ':').collect();
    let (hours, minutes) = match digits.len() {
        1 | 2 => (digits.as_str(), "0"),
        3 => digits.split_at_checked(1)?,
        4 | 6 => (digits.get(..2)?, digits.get(2..4)?),
        _ => return None,
    };
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours <= 18 && minutes < 60).then_some(Zone::fixed(sign * (hours * 3600 + minutes * 60)))
}

#[cfg(test)]
#[path = "dates_tests.rs"]
mod tests;
