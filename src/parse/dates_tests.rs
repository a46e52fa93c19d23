//! Texts in, moments out.

use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(text: &str, seconds: i64, offset_hours: i32) {
    let got = parse(text, 0).map(|m| (m.at.0, m.offset));
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
fn zones_by_name_and_place() {
    check("Wed, 27 Nov 2024 18:45:00 Europe/Kyiv", 1_732_725_900, 2);
    check("Sat, 27 Jul 2024 18:45:00 Europe/Kiev", 1_722_095_100, 3);
    check("2024-07-27 18:45:00 Europe/Warsaw", 1_722_098_700, 2);
    check("2024-11-27T18:45:00+02:00[Europe/Kyiv]", 1_732_725_900, 2);
    check("Wed, 27 Nov 2024 18:45:00 America/New_York", 1_732_751_100, -5);
    check("Wed Nov 27 2024 18:45:00 GMT+0200 (Eastern European Standard Time)", 1_732_725_900, 2);
    check("Wed, 27 Nov 2024 18:45:00 +0200 (MSK)", 1_732_725_900, 2);
    check("Wed, 27 Nov 2024 18:45:00 (EET)", 1_732_725_900, 2);
    check("27.11.2024 18:45 мск", 1_732_722_300, 3);
    check("Wed, 27 Nov 2024 18:45:00 MDT", 1_732_754_700, -6);
}

#[test]
fn where_the_clock_stands_and_how_it_is_written() {
    check("2024-11-27 T18:45:00+02:00", 1_732_725_900, 2);
    check("2024-11-27T184500+02:00", 1_732_725_900, 2);
    check("Wed, 27 Nov 2024 18:45:00 GMT 00:00:00 GMT", 1_732_733_100, 0);
    check("mardi 26 novembre 2024 à 18h45", 1_732_646_700, 0);
    check("mar. 26/11/2024 18:45", 1_732_646_700, 0);
    check("середа, 27.11.2024 18:45", 1_732_733_100, 0);
    check("27 de noviembre de 2024 18:45", 1_732_733_100, 0);
    check("Nov-27-2024 18:45", 1_732_733_100, 0);
    check("Wed, 27 Nov 2024 23:59:60 GMT", 1_732_752_000, 0);
    check("Wed Nov 27 18:45:00 +0200 2024", 1_732_725_900, 2);
    check("27 października 2024 18:45", 1_730_054_700, 0);
}

#[test]
fn without_a_zone_that_of_the_feed_serves() {
    let at = |text, zoneless| parse(text, zoneless).map(|m| (m.at.0 / 1000, m.offset));
    assert_eq!(at("27.11.2024 18:45", 7200), Some((1_732_725_900, 7200)));
    assert_eq!(at("27.11.2024 18:45 UTC", 7200), Some((1_732_733_100, 0)));
    assert_eq!(at("1732725900", 7200), Some((1_732_725_900, 0)));
    let offsets = ["Wed, 27 Nov 2024 18:45:00 +0200", "Wed, 27 Nov 2024 18:45:00 GMT", "27.11.2024 18:45", "soon"].map(stated);
    assert_eq!(offsets, [Some(7200), Some(0), None, None]);
}

#[test]
fn what_is_no_date() {
    for text in [
        "",
        "0000-00-00 00:00:00",
        "Invalid Date",
        "soon",
        "2024-13-45",
        "99:99",
        "12",
        "є і ї",
        "0 Jan 2024",
        "32 Jan 2024",
        "27.13.2024",
        "13/13/2024",
        "2024/13/05",
        "2024-00-10",
        "0001-01-01T00:00:00Z",
        "27 Nov 2024 25:00",
        "27 Nov 2024 24:01",
        "27 Nov 2024 10:00:61",
    ] {
        assert_eq!(parse(text, 0), None, "{text}");
    }
    assert_eq!(parse(&"1 Jan 2024 ".repeat(50), 0), None);
}

#[test]
fn a_fraction_is_kept() {
    assert_eq!(parse("2024-11-27T18:45:00.123456+02:00", 0).map(|m| m.at.0), Some(1_732_725_900_123));
}

/// How a moment is written: by chrono, or with the name of the month in its place.
const FORMS: [&str; 14] = [
    "%Y-%m-%dT%H:%M:%S%:z",
    "%Y-%m-%d %H:%M:%S %z",
    "%Y%m%dT%H%M%S%z",
    "%a, %d %b %Y %H:%M:%S %z",
    "%A, %d-%b-%y %H:%M:%S GMT%:z",
    "%a %b %e %H:%M:%S %z %Y",
    "%B %d, %Y %I:%M:%S %p %z",
    "%d.%m.%Y %H:%M:%S %z",
    "%d/%m/%Y %H:%M:%S UTC%:z",
    "%Y/%m/%d %H:%M:%S %z",
    "%d УКР %Y р. %H:%M:%S %z",
    "%d РУС %Y г., %H:%M:%S %z",
    "%d DEU %Y %H:%M:%S %z",
    "%d de ESP de %Y %H:%M:%S %z",
];

const NAMES: [(&str, &str); 4] = [
    ("УКР", "січня лютого березня квітня травня червня липня серпня вересня жовтня листопада грудня"),
    ("РУС", "января февраля марта апреля мая июня июля августа сентября октября ноября декабря"),
    ("DEU", "Januar Februar März April Mai Juni Juli August September Oktober November Dezember"),
    ("ESP", "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre"),
];

proptest! {
    #[test]
    fn what_is_written_is_read_back(seconds in 0i64..3_124_000_000, quarters in -48i32..=56, form in 0..FORMS.len()) {
        let offset = FixedOffset::east_opt(quarters * 900).unwrap();
        let moment = DateTime::from_timestamp(seconds, 0).unwrap().with_timezone(&offset);
        let mut text = moment.format(FORMS[form]).to_string();
        for (place, names) in NAMES {
            text = text.replace(place, names.split(' ').nth(moment.month0() as usize).unwrap());
        }
        prop_assert_eq!(parse(&text, 0), Some(Moment::from(moment)), "{}", text);
    }

    #[test]
    fn a_place_is_read_as_its_offset(seconds in 820_000_000i64..3_124_000_000, place in 0..4usize) {
        let place = ["Europe/Kyiv", "America/New_York", "Europe/Moscow", "Australia/Sydney"][place];
        let local = DateTime::from_timestamp(seconds, 0).unwrap().naive_utc();
        let offset = Zone::named(place).unwrap().offset(local);
        let moment = FixedOffset::east_opt(offset).unwrap().from_local_datetime(&local).unwrap();
        let text = format!("{} {place}", local.format("%a, %d %b %Y %H:%M:%S"));
        prop_assert_eq!(parse(&text, 0), Some(Moment::from(moment)), "{}", text);
    }

    #[test]
    fn no_text_is_a_danger(text in r"[0-9A-Za-zа-яії:+\-., /TZ]{0,40}") {
        let _: Option<Moment> = parse(&text, 7200);
    }
}
