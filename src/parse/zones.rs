//! Zones by name. A letter code is an offset; a name such as `Europe/Kyiv` is a rule, and which offset it means depends on the date.
//!
//! The rules are the few that the named places go by, not the history of the world: a feed that names its place is rare, its entries are
//! of these years, and a whole time zone database would be the largest dependency for the least of purposes. Dates before 1996 may be an
//! hour off.

use chrono::{Datelike, Days, NaiveDate, NaiveDateTime, TimeDelta, Weekday};

/// Minutes east of UTC, and when the clock is put forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Zone {
    standard: i16,
    summer: Summer,
}

/// Who puts the clock forward, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Summer {
    Never,
    /// From the last Sunday of March to the last of October, at 01:00 UTC everywhere.
    Europe,
    /// As Europe until 2011, then all year until 26 October 2014, and never since.
    Russia,
    /// From the second Sunday of March to the first of November, at 02:00; before 2007 from the first of April to the last of October.
    America,
    /// From the first Sunday of October to the first of April, at 02:00 standard time.
    Australia,
    /// From the last Sunday of September to the first of April, at 02:00 standard time.
    NewZealand,
}

impl Zone {
    /// A zone that is the same all year, in seconds east of UTC.
    pub(super) fn fixed(seconds: i32) -> Self {
        Self { standard: i16::try_from(seconds / 60).unwrap_or_default(), summer: Summer::Never }
    }

    /// The zone of a letter code or a place, in any case; `None` when it is none that is known.
    pub(super) fn named(name: &str) -> Option<Self> {
        if !name.starts_with(char::is_alphabetic) {
            return None;
        }
        if let Some((_, minutes)) = CODES.iter().find(|(code, _)| code.eq_ignore_ascii_case(name)) {
            return Some(Self { standard: *minutes, summer: Summer::Never });
        }
        // Most words of most dates are no zone, and all places have a slash or a digit in their names.
        if !name.contains(|c: char| c == '/' || c.is_ascii_digit()) {
            return None;
        }
        let place = PLACES.iter().find(|(_, _, places)| places.split_ascii_whitespace().any(|place| place.eq_ignore_ascii_case(name)));
        place.map(|(standard, summer, _)| Self { standard: *standard, summer: *summer })
    }

    /// Seconds east of UTC at a local time. The hour that a clock shows twice is the first one.
    pub(super) fn offset(self, local: NaiveDateTime) -> i32 {
        let standard = i32::from(self.standard) * 60;
        let forward = local.checked_sub_signed(TimeDelta::seconds(i64::from(standard) + 3600));
        standard + if forward.is_some_and(|utc| self.is_summer(utc)) { 3600 } else { 0 }
    }

    fn is_summer(self, utc: NaiveDateTime) -> bool {
        let year = utc.year();
        let standard = TimeDelta::minutes(i64::from(self.standard));
        // A moment, as the local standard time of it.
        let at = |date: Option<NaiveDate>, hour: u32| date.and_then(|date| date.and_hms_opt(hour, 0, 0));
        let local = utc + standard;
        let between = |time, from: Option<NaiveDateTime>, to: Option<NaiveDateTime>| from <= Some(time) && Some(time) < to;
        let europe = || between(utc, at(last_sunday(year, 3), 1), at(last_sunday(year, 10), 1));
        match self.summer {
            Summer::Never => false,
            Summer::Europe => europe(),
            Summer::Russia => match utc.date() {
                day if Some(day) < NaiveDate::from_ymd_opt(2011, 3, 27) => europe(),
                day => Some(day) < NaiveDate::from_ymd_opt(2014, 10, 26),
            },
            Summer::America if year < 2007 => between(local, at(sunday(year, 4, 1), 2), at(last_sunday(year, 10), 1)),
            Summer::America => between(local, at(sunday(year, 3, 2), 2), at(sunday(year, 11, 1), 1)),
            Summer::Australia => !between(local, at(sunday(year, 4, 1), 2), at(sunday(year, 10, 1), 2)),
            Summer::NewZealand => !between(local, at(sunday(year, 4, 1), 2), at(last_sunday(year, 9), 2)),
        }
    }
}

/// The first, second, … Sunday of a month.
fn sunday(year: i32, month: u32, nth: u8) -> Option<NaiveDate> {
    NaiveDate::from_weekday_of_month_opt(year, month, Weekday::Sun, nth)
}

/// Of a month of 31 or 30 days.
fn last_sunday(year: i32, month: u32) -> Option<NaiveDate> {
    let last = NaiveDate::from_ymd_opt(year, month, 31).or_else(|| NaiveDate::from_ymd_opt(year, month, 30))?;
    last.checked_sub_days(Days::new(u64::from(last.weekday().num_days_from_sunday())))
}

/// Letter codes, in minutes. Where one means several, the one that feeds mean.
const CODES: [(&str, i16); 72] = [
    ("Z", 0),
    ("UT", 0),
    ("UTC", 0),
    ("GMT", 0),
    ("WET", 0),
    ("WEST", 60),
    ("BST", 60),
    ("CET", 60),
    ("MET", 60),
    ("MEZ", 60),
    ("WAT", 60),
    ("CEST", 120),
    ("MEST", 120),
    ("MESZ", 120),
    ("EET", 120),
    ("SAST", 120),
    ("CAT", 120),
    ("EEST", 180),
    ("EEDT", 180),
    ("IDT", 180),
    ("TRT", 180),
    ("EAT", 180),
    ("MSK", 180),
    ("МСК", 180),
    ("мск", 180),
    ("MSD", 240),
    ("SAMT", 240),
    ("GST", 240),
    ("YEKT", 300),
    ("UZT", 300),
    ("PKT", 300),
    ("IST", 330),
    ("NPT", 345),
    ("OMST", 360),
    ("NOVT", 420),
    ("KRAT", 420),
    ("ICT", 420),
    ("WIB", 420),
    ("IRKT", 480),
    ("SGT", 480),
    ("HKT", 480),
    ("PHT", 480),
    ("AWST", 480),
    ("YAKT", 540),
    ("JST", 540),
    ("KST", 540),
    ("ACST", 570),
    ("ACDT", 630),
    ("VLAT", 600),
    ("AEST", 600),
    ("AEDT", 660),
    ("NZST", 720),
    ("NZDT", 780),
    ("NDT", -150),
    ("BRT", -180),
    ("ART", -180),
    ("ADT", -180),
    ("NST", -210),
    ("AST", -240),
    ("CLT", -240),
    ("COT", -300),
    ("PET", -300),
    ("EST", -300),
    ("EDT", -240),
    ("CST", -360),
    ("CDT", -300),
    ("MST", -420),
    ("MDT", -360),
    ("PST", -480),
    ("PDT", -420),
    ("AKST", -540),
    ("AKDT", -480),
];

/// Places of the IANA database, by minutes and rule.
const PLACES: [(i16, Summer, &str); 36] = [
    (0, Summer::Never, "Etc/UTC Etc/GMT Etc/UCT Atlantic/Reykjavik Africa/Abidjan Africa/Accra Africa/Dakar"),
    (
        0,
        Summer::Europe,
        "Europe/London Europe/Dublin Europe/Lisbon Europe/Belfast Europe/Jersey Europe/Guernsey Europe/Isle_of_Man Atlantic/Canary Atlantic/Madeira Atlantic/Faroe",
    ),
    (
        60,
        Summer::Europe,
        "Europe/Amsterdam Europe/Andorra Europe/Belgrade Europe/Berlin Europe/Bratislava Europe/Brussels Europe/Budapest Europe/Busingen Europe/Copenhagen Europe/Gibraltar Europe/Ljubljana Europe/Luxembourg Europe/Madrid Europe/Malta Europe/Monaco Europe/Oslo Europe/Paris Europe/Podgorica Europe/Prague Europe/Rome Europe/San_Marino Europe/Sarajevo Europe/Skopje Europe/Stockholm Europe/Tirane Europe/Vaduz Europe/Vatican Europe/Vienna Europe/Warsaw Europe/Zagreb Europe/Zurich Arctic/Longyearbyen Africa/Ceuta",
    ),
    (60, Summer::Never, "Africa/Lagos Africa/Algiers Africa/Tunis Africa/Kinshasa Africa/Luanda"),
    (
        120,
        Summer::Europe,
        "Europe/Kyiv Europe/Kiev Europe/Uzhgorod Europe/Zaporozhye Europe/Athens Europe/Bucharest Europe/Chisinau Europe/Helsinki Europe/Mariehamn Europe/Riga Europe/Sofia Europe/Tallinn Europe/Vilnius Asia/Nicosia Europe/Nicosia",
    ),
    (120, Summer::Never, "Europe/Kaliningrad Africa/Johannesburg Africa/Harare Africa/Maputo Africa/Tripoli"),
    (180, Summer::Russia, "Europe/Moscow Europe/Kirov"),
    (
        180,
        Summer::Never,
        "Europe/Istanbul Asia/Istanbul Europe/Minsk Europe/Simferopol Asia/Baghdad Asia/Riyadh Asia/Kuwait Asia/Qatar Africa/Nairobi Africa/Addis_Ababa",
    ),
    (210, Summer::Never, "Asia/Tehran"),
    (240, Summer::Never, "Europe/Samara Europe/Saratov Europe/Ulyanovsk Asia/Baku Asia/Dubai Asia/Tbilisi Asia/Yerevan"),
    (270, Summer::Never, "Asia/Kabul"),
    (300, Summer::Russia, "Asia/Yekaterinburg"),
    (300, Summer::Never, "Asia/Karachi Asia/Tashkent Asia/Samarkand Asia/Ashgabat Asia/Dushanbe Asia/Almaty"),
    (330, Summer::Never, "Asia/Kolkata Asia/Calcutta Asia/Colombo"),
    (345, Summer::Never, "Asia/Kathmandu Asia/Katmandu"),
    (360, Summer::Russia, "Asia/Omsk"),
    (360, Summer::Never, "Asia/Bishkek Asia/Dhaka"),
    (420, Summer::Russia, "Asia/Krasnoyarsk"),
    (420, Summer::Never, "Asia/Novosibirsk Asia/Tomsk Asia/Bangkok Asia/Jakarta Asia/Ho_Chi_Minh Asia/Saigon"),
    (480, Summer::Russia, "Asia/Irkutsk"),
    (
        480,
        Summer::Never,
        "Asia/Shanghai Asia/Hong_Kong Asia/Singapore Asia/Taipei Asia/Manila Asia/Kuala_Lumpur Asia/Makassar Australia/Perth",
    ),
    (540, Summer::Russia, "Asia/Yakutsk"),
    (540, Summer::Never, "Asia/Tokyo Asia/Seoul Asia/Pyongyang"),
    (570, Summer::Never, "Australia/Darwin"),
    (570, Summer::Australia, "Australia/Adelaide"),
    (600, Summer::Russia, "Asia/Vladivostok"),
    (600, Summer::Never, "Australia/Brisbane Pacific/Guam"),
    (600, Summer::Australia, "Australia/Sydney Australia/Melbourne Australia/Hobart Australia/Canberra Australia/ACT Australia/NSW"),
    (720, Summer::NewZealand, "Pacific/Auckland"),
    (-180, Summer::Never, "America/Sao_Paulo America/Argentina/Buenos_Aires America/Buenos_Aires America/Montevideo"),
    (-240, Summer::Never, "America/Caracas America/La_Paz America/Puerto_Rico America/Santo_Domingo America/Manaus"),
    (-300, Summer::America, "America/New_York America/Detroit America/Toronto America/Montreal US/Eastern Canada/Eastern EST5EDT"),
    (-300, Summer::Never, "America/Bogota America/Lima America/Panama America/Jamaica America/Guayaquil"),
    (-360, Summer::America, "America/Chicago America/Winnipeg US/Central Canada/Central CST6CDT"),
    (-420, Summer::America, "America/Denver America/Edmonton America/Boise US/Mountain MST7MDT"),
    (-480, Summer::America, "America/Los_Angeles America/Vancouver America/Tijuana US/Pacific Canada/Pacific PST8PDT"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, local: &str, hours: f32) {
        let local = NaiveDateTime::parse_from_str(local, "%Y-%m-%d %H:%M").unwrap();
        assert_eq!(Zone::named(name).map(|zone| zone.offset(local)), Some((hours * 3600.0) as i32), "{name} {local}");
    }

    #[test]
    fn places_have_winter_and_summer() {
        for (name, winter) in
            [("Europe/Kyiv", 2.0), ("europe/kiev", 2.0), ("Europe/Warsaw", 1.0), ("Europe/Berlin", 1.0), ("Europe/London", 0.0)]
        {
            check(name, "2024-01-15 12:00", winter);
            check(name, "2024-07-15 12:00", winter + 1.0);
        }
        for (name, winter) in [("America/New_York", -5.0), ("America/Los_Angeles", -8.0), ("US/Central", -6.0)] {
            check(name, "2024-01-15 12:00", winter);
            check(name, "2024-07-15 12:00", winter + 1.0);
        }
        for (name, winter) in [("Australia/Sydney", 10.0), ("Pacific/Auckland", 12.0), ("Australia/Adelaide", 9.5)] {
            check(name, "2024-07-15 12:00", winter);
            check(name, "2024-01-15 12:00", winter + 1.0);
        }
        check("Asia/Tokyo", "2024-07-15 12:00", 9.0);
        check("Asia/Kolkata", "2024-07-15 12:00", 5.5);
        assert_eq!(Zone::named("Mars/Olympus_Mons"), None);
    }

    #[test]
    fn the_hour_of_change() {
        check("Europe/Kyiv", "2024-03-31 02:59", 2.0);
        check("Europe/Kyiv", "2024-03-31 04:00", 3.0);
        check("Europe/Kyiv", "2024-10-27 03:59", 3.0);
        check("Europe/Kyiv", "2024-10-27 04:00", 2.0);
        check("America/New_York", "2024-03-10 01:59", -5.0);
        check("America/New_York", "2024-03-10 03:00", -4.0);
        check("America/New_York", "2024-11-03 01:59", -4.0);
        check("America/New_York", "2024-11-03 02:00", -5.0);
        check("America/New_York", "2006-03-20 12:00", -5.0);
        check("Australia/Sydney", "2024-04-07 01:59", 11.0);
        check("Australia/Sydney", "2024-04-07 03:00", 10.0);
        check("Australia/Sydney", "2024-10-06 01:59", 10.0);
        check("Australia/Sydney", "2024-10-06 03:00", 11.0);
    }

    #[test]
    fn moscow_changed_its_mind() {
        for (local, hours) in [("2010-07-01", 4.0), ("2011-01-01", 3.0), ("2012-01-01", 4.0), ("2014-10-27", 3.0), ("2024-07-01", 3.0)] {
            check("Europe/Moscow", &format!("{local} 12:00"), hours);
        }
    }
}
