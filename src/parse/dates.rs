//! Dates as publishers write them: RFC 822 in its wild forms, ISO 8601 with and without a zone, month names in several languages, zones by
//! name. The offset is kept. What cannot be read is `None`, never a guess.

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveTime, TimeDelta, TimeZone};

use super::calendar::{MONTHS, ZONES};
use crate::domain::time::Moment;

/// A longer text is no date.
const LONGEST: usize = 100;

/// The moment a text names. Without a zone it is taken as UTC.
pub(super) fn parse(text: &str) -> Option<Moment> {
    let text = text.trim();
    if text.is_empty() || text.len() > LONGEST {
        return None;
    }
    epoch(text).or_else(|| iso(text)).or_else(|| tokens(text)).map(Moment::from)
}

/// Seconds or milliseconds since 1970.
fn epoch(text: &str) -> Option<DateTime<FixedOffset>> {
    if !(9..=13).contains(&text.len()) || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number: i64 = text.parse().ok()?;
    let millis = if text.len() > 10 { number } else { number.checked_mul(1000)? };
    Some(DateTime::from_timestamp_millis(millis)?.fixed_offset())
}

/// `2024-11-27T18:45:00.5+02:00` and its shorter forms, also `20241127T184500Z`.
fn iso(text: &str) -> Option<DateTime<FixedOffset>> {
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
    let rest = rest.get(1..).unwrap_or_default().trim();
    if rest.is_empty() {
        return at(date, Clock::default(), 0);
    }
    let end = rest.find(|c: char| !(c.is_ascii_digit() || matches!(c, ':' | '.' | ','))).unwrap_or(rest.len());
    let (clock, zone) = rest.split_at(end);
    let clock = if clock.contains(':') { clock_of(clock)? } else { compact_clock(clock)? };
    let zone = zone.trim();
    let offset = if zone.is_empty() { 0 } else { zone_of(zone)? };
    at(date, clock, offset)
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

fn at(date: NaiveDate, clock: Clock, offset: i32) -> Option<DateTime<FixedOffset>> {
    let (clock, days) = if clock.hour == 24 && clock.minute == 0 { (Clock { hour: 0, ..clock }, 1) } else { (clock, 0) };
    let time = NaiveTime::from_hms_nano_opt(clock.hour, clock.minute, clock.second.min(59), clock.nano)?;
    let local = date.and_time(time).checked_add_signed(TimeDelta::days(days))?;
    FixedOffset::east_opt(offset)?.from_local_datetime(&local).single()
}

/// Everything else, word by word: a clock, a month by name or numbers in an order that can be told, a zone.
fn tokens(text: &str) -> Option<DateTime<FixedOffset>> {
    let mut found = Found::default();
    let separated = |c: char| c.is_whitespace() || matches!(c, ',' | ';' | '|');
    for word in text.split(separated).filter(|word| !word.is_empty()) {
        found.take(word)?;
    }
    found.finish()
}

#[derive(Debug, Default)]
struct Found {
    numbers: Vec<(i32, usize)>,
    month: Option<u32>,
    /// Numbers that stood before the month's name.
    before_month: usize,
    clock: Option<Clock>,
    afternoon: Option<bool>,
    offset: Option<i32>,
}

impl Found {
    fn take(&mut self, word: &str) -> Option<()> {
        if word.contains(':') && word.starts_with(|c: char| c.is_ascii_digit()) {
            return self.take_clock(word);
        }
        if let Some(offset) = zone_of(word).filter(|_| self.clock.is_some()) {
            self.offset = Some(offset);
            return Some(());
        }
        if word.starts_with(|c: char| c.is_ascii_digit()) && word.contains(['.', '/', '-']) {
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

    /// `18:45:00`, and what is glued to it: `18:45:00Z`, `18:45+0200`, `6:45pm`.
    fn take_clock(&mut self, word: &str) -> Option<()> {
        let end = word.find(|c: char| !(c.is_ascii_digit() || matches!(c, ':' | '.'))).unwrap_or(word.len());
        let (clock, rest) = word.split_at(end);
        self.clock = Some(clock_of(clock)?);
        if !rest.is_empty() {
            match zone_of(rest) {
                Some(offset) => self.offset = Some(offset),
                None => self.take_name(rest),
            }
        }
        Some(())
    }

    /// `27.11.2024`, `27/11/2024`, `2024/11/27`, `27-Nov-24`.
    fn take_date(&mut self, word: &str) -> Option<()> {
        for part in word.trim_end_matches(['.', '-', '/']).split(['.', '/', '-']) {
            if part.bytes().all(|b| b.is_ascii_digit()) && !part.is_empty() {
                self.numbers.push((part.parse().ok()?, part.len()));
            } else {
                self.take_name(part);
            }
        }
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
                    self.before_month = self.numbers.len();
                }
            }
        }
    }

    fn finish(self) -> Option<DateTime<FixedOffset>> {
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
        at(date.checked_add_signed(TimeDelta::days(over))?, clock, self.offset.unwrap_or(0))
    }

    fn date(&self) -> Option<(i32, u32, u32)> {
        let year = |(n, digits): (i32, usize)| match digits {
            1 | 2 => n + if n < 70 { 2000 } else { 1900 },
            _ => n,
        };
        let unsigned = |n: i32| u32::try_from(n).ok();
        match (self.month, self.numbers.as_slice()) {
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

/// Seconds east of UTC of a zone: `+0200`, `+02:00`, `GMT+2`, `EET`.
fn zone_of(zone: &str) -> Option<i32> {
    let zone = zone.trim_matches(|c| matches!(c, '(' | ')'));
    let upper = zone.to_ascii_uppercase();
    if let Some((_, hours)) = ZONES.iter().find(|(name, _)| *name == upper) {
        return Some((hours * 3600.0) as i32);
    }
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
    (hours <= 18 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// A month by its name, or the beginning of it, in English, German, French, Spanish, Ukrainian and Russian.
fn month(name: &str) -> Option<u32> {
    let long_enough = name.chars().count() >= 3;
    let found = MONTHS.iter().find(|(beginning, _)| long_enough && name.starts_with(beginning));
    found.map(|(_, month)| *month)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, seconds: i64, offset_hours: i32) {
        let got = parse(text).map(|m| (m.at.0, m.offset));
        assert_eq!(got, Some((seconds * 1000, offset_hours * 3600)), "{text}");
    }

    #[test]
    fn what_publishers_write() {
        check("Wed, 27 Nov 2024 18:45:00 +0200", 1_732_725_900, 2);
        check("Wed, 27 Nov 2024 18:45:00 EET", 1_732_725_900, 2);
        check("Sat, 27 Jul 2024 18:45:00 EEST", 1_722_095_100, 3);
        check("Ср, 27 лис 2024 18:45:00 +0200", 1_732_725_900, 2);
        check("ср, 27 листопада 2024 18:45:00 +0200", 1_732_725_900, 2);
        check("середа, 27 листопада 2024, 18:45", 1_732_733_100, 0);
        check("27 листопада 2024 18:45", 1_732_733_100, 0);
        check("27 листопада 2024 р. 18:45", 1_732_733_100, 0);
        check("27 листопада, 2024", 1_732_665_600, 0);
        check("Лютий 19, 2023, 12:19", 1_676_809_140, 0);
        check("пн, 1 февр. 2016 12:00:00 +0200", 1_454_320_800, 2);
        check("Пн, 01 янв 2024 10:00:00 +0300", 1_704_092_400, 3);
        check("1 января 2024 г., 10:00", 1_704_103_200, 0);
        check("27.11.2024 18:45", 1_732_733_100, 0);
        check("27.11.2024", 1_732_665_600, 0);
        check("27.11.24 18:45", 1_732_733_100, 0);
        check("2024-11-27 18:45:00", 1_732_733_100, 0);
        check("2024-11-27 18:45", 1_732_733_100, 0);
        check("2024-11-27T18:45:00", 1_732_733_100, 0);
        check("2024-11-27T18:45:00+0200", 1_732_725_900, 2);
        check("2024-11-27T18:45:00+02", 1_732_725_900, 2);
        check("2024-11-27T18:45Z", 1_732_733_100, 0);
        check("20241127T184500Z", 1_732_733_100, 0);
        check("Wed, 27 Nov 2024 18:45 +0200", 1_732_725_900, 2);
        check("Wed, 27 Nov 2024 18:45:00 GMT+2", 1_732_725_900, 2);
        check("Wed, 27 Nov 2024 18:45:00 GMT+0200", 1_732_725_900, 2);
        check("Wed, 27 Nov 2024 18:45:00 UTC+2", 1_732_725_900, 2);
        check("Wed, 27 Nov 2024 18:45:00 +02:00", 1_732_725_900, 2);
        check("Wed, 27 Nov 2024 18:45:00 MSK", 1_732_722_300, 3);
        check("Tue, 18 Sept 2018 15:53:56 +0300", 1_537_275_236, 3);
        check("Mon, May 25 2020 04:45:26 +0000", 1_590_381_926, 0);
        check("Sat, Dec 16 2023 02:02:33 PM", 1_702_735_353, 0);
        check("November 27, 2024 6:45 pm", 1_732_733_100, 0);
        check("Nov 27, 2024", 1_732_665_600, 0);
        check("27 Nov 2024", 1_732_665_600, 0);
        check("Wed Nov 27 18:45:00 2024", 1_732_733_100, 0);
        check("Wed Nov 27 18:45:00 EET 2024", 1_732_725_900, 2);
        check("Wednesday, 27-Nov-24 18:45:00 GMT", 1_732_733_100, 0);
        check("1732725900", 1_732_725_900, 0);
        check("1732725900000", 1_732_725_900, 0);
        check("Wed, 27 Nov 2024 24:00:00 +0200", 1_732_744_800, 2);
        check("Wed, 27 Nov 24 18:45:00 +0200", 1_732_725_900, 2);
        check("Wed,27 Nov 2024 18:45:00 +0200", 1_732_725_900, 2);
        check("Wed, 27 November 2024 18:45:00 +0200", 1_732_725_900, 2);
        check("Thu, 27 Nov 2024 18:45:00 +0200", 1_732_725_900, 2);
        check("Fri, 31 Nov 2024 10:00:00 +0000", 1_733_047_200, 0);
        check("Do, 28 März 2024 10:00:00 +0100", 1_711_616_400, 1);
        check("jeu., 28 déc. 2023 10:00:00 +0100", 1_703_754_000, 1);
        check("2024-11", 1_730_419_200, 0);
    }

    #[test]
    fn what_is_no_date() {
        for text in ["", "0000-00-00 00:00:00", "Invalid Date", "soon", "2024-13-45", "99:99", "12", "є і ї"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse(&"1 Jan 2024 ".repeat(50)), None);
    }

    #[test]
    fn a_fraction_is_kept() {
        assert_eq!(parse("2024-11-27T18:45:00.123456+02:00").map(|m| m.at.0), Some(1_732_725_900_123));
    }

    proptest! {
        #[test]
        fn no_text_is_a_danger(text in r"[0-9A-Za-zа-яії:+\-., /TZ]{0,40}") {
            let _: Option<Moment> = parse(&text);
        }
    }
}
