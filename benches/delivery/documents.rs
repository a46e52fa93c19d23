//! What the feeds publish: articles of about 2 KB, whose words are drawn, so that they compress as writing does.

use std::fmt::Write;

use chrono::DateTime;

const WORDS: [&str; 48] = [
    "президент",
    "співпраця",
    "об’єкт",
    "ґрунтовний",
    "висновок",
    "її",
    "країна",
    "новини",
    "сьогодні",
    "вчора",
    "міністр",
    "заявив",
    "про",
    "що",
    "та",
    "і",
    "не",
    "на",
    "у",
    "з",
    "для",
    "після",
    "зустріч",
    "угода",
    "економіка",
    "енергетика",
    "оборона",
    "місто",
    "область",
    "громада",
    "рішення",
    "закон",
    "суд",
    "парламент",
    "партнери",
    "підтримка",
    "безпека",
    "літо",
    "зима",
    "дорога",
    "школа",
    "лікарня",
    "музей",
    "театр",
    "книга",
    "фільм",
    "спорт",
    "команда",
];

/// A document of a feed with the articles of these numbers, the newest first.
pub fn document(prefix: &str, feed: u32, numbers: std::ops::Range<u64>) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?><rss version=\"2.0\"><channel><title>Новини</title>\n");
    for number in numbers.rev() {
        let minutes = i64::try_from(number).expect("a small number") * 60;
        let date = DateTime::from_timestamp(1_732_700_000 + minutes, 0).expect("a date").to_rfc2822();
        let _ = write!(
            out,
            "<item><title>Стаття {number} стрічки {feed}</title><link>https://news.example/{prefix}/{feed}/{number}.html</link>\
             <guid isPermaLink=\"false\">{prefix}-{feed}-{number}</guid><pubDate>{date}</pubDate><description>&lt;p&gt;"
        );
        let mut state = (u64::from(feed) << 32 | number).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        for _ in 0..150 {
            // xorshift64
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let _ = write!(out, "{} ", WORDS[(state >> 32) as usize % WORDS.len()]);
        }
        out.push_str("&lt;/p&gt;</description></item>\n");
    }
    out.push_str("</channel></rss>\n");
    out
}
