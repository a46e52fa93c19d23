//! A feed that is written entry by entry.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, FixedOffset};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

use super::origin::{Answer, Origin};

/// How a feed is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// RSS 2.0: description and `content:encoded`, dates as in e-mail.
    Rss,
    /// Atom 1.0.
    Atom,
    /// JSON Feed 1.1, always UTF-8.
    Json,
}

/// An entry as its publisher has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Article {
    /// `guid`, `atom:id`.
    pub id: String,
    /// Absolute.
    pub url: String,
    /// Plain text.
    pub title: String,
    /// An HTML fragment.
    pub html: String,
    /// With the publisher's offset.
    pub published: DateTime<FixedOffset>,
}

impl Article {
    /// The `n`-th of an endless supply: each a second later than the one before, all of the last hours, at +02:00.
    pub fn number(n: usize) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let at = i64::try_from((now - Duration::from_secs(7200)).as_secs() + n as u64).unwrap();
        let published = DateTime::from_timestamp(at, 0).unwrap().with_timezone(&FixedOffset::east_opt(7200).unwrap());
        Self {
            id: Self::id(n),
            url: format!("https://news.example/{n}.html"),
            title: format!("Стаття {n}"),
            html: format!("<p>Зміст <b>{n}</b></p>"),
            published,
        }
    }

    /// The id of the `n`-th.
    pub fn id(n: usize) -> String {
        format!("article-{n}")
    }
}

/// A feed at one path of an [`Origin`]: newest entry first, the oldest roll off, and every change gives it new validators. Clones are
/// the same feed.
#[derive(Clone)]
pub struct Publisher {
    origin: Origin,
    path: String,
    format: Format,
    charset: &'static Encoding,
    window: usize,
    desk: Arc<Mutex<Desk>>,
}

#[derive(Default)]
struct Desk {
    /// Oldest first.
    articles: Vec<Article>,
    edition: u64,
}

impl Publisher {
    /// An empty RSS feed in UTF-8 that shows its 30 newest entries.
    pub fn new(origin: &Origin, path: &str) -> Self {
        let (origin, path) = (origin.clone(), path.to_owned());
        let new = Self { origin, path, format: Format::Rss, charset: UTF_8, window: 30, desk: Arc::default() };
        new.change(|_| ());
        new
    }

    /// Written in another format.
    pub fn format(self, format: Format) -> Self {
        let new = Self { format, ..self };
        new.change(|_| ());
        new
    }

    /// Written in another charset, declared in the XML declaration alone; what it lacks is written as character references.
    pub fn charset(self, charset: &'static Encoding) -> Self {
        let new = Self { charset, ..self };
        new.change(|_| ());
        new
    }

    /// Shows its `window` newest entries.
    pub fn window(self, window: usize) -> Self {
        let new = Self { window, ..self };
        new.change(|_| ());
        new
    }

    /// The absolute URL.
    pub fn url(&self) -> String {
        self.origin.url(&self.path)
    }

    /// Publishes the next `n` numbered articles in one edition; the first has number 1.
    pub fn publish(&self, n: usize) {
        self.change(|articles| {
            for _ in 0..n {
                articles.push(Article::number(articles.len() + 1));
            }
        });
    }

    /// Publishes an article.
    pub fn publish_article(&self, article: Article) {
        self.change(|articles| articles.push(article));
    }

    /// Rewrites the published article with this id.
    pub fn edit(&self, id: &str, rewrite: impl FnOnce(&mut Article)) {
        self.change(|articles| rewrite(articles.iter_mut().find(|a| a.id == id).expect("a published article")));
    }

    /// The ids of all that was ever published, oldest first.
    pub fn published(&self) -> Vec<String> {
        self.desk.lock().unwrap().articles.iter().map(|a| a.id.clone()).collect()
    }

    /// Waits until the daemon has read all that is published now: a poll that began after this call is over.
    pub async fn read(&self) {
        self.origin.more_requests(&self.path, 2).await;
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Article>)) {
        let mut desk = self.desk.lock().unwrap();
        change(&mut desk.articles);
        desk.edition += 1;
        let shown: Vec<_> = desk.articles.iter().rev().take(self.window).collect();
        let (content_type, text) = match self.format {
            Format::Rss => ("application/rss+xml", rss(&shown, self.charset)),
            Format::Atom => ("application/atom+xml", atom(&shown, self.charset)),
            Format::Json => ("application/feed+json", json(&shown)),
        };
        let body = if self.format == Format::Json { text.into_bytes() } else { encode(&text, self.charset) };
        let modified = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(1_732_725_900 + desk.edition));
        let answer = Answer::ok(content_type, body).etag(format!("W/\"{}\"", desk.edition)).last_modified(modified);
        // Still under the lock: two editions never overtake each other.
        self.origin.set(&self.path, answer);
    }
}

fn rss(articles: &[&Article], charset: &'static Encoding) -> String {
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"{}\"?>\n<rss version=\"2.0\" xmlns:content=\"http://purl.org/rss/1.0/modules/content/\">\
         <channel><title>Новини</title><link>https://news.example/</link><description>Усе</description><language>uk</language>\n",
        charset.name()
    );
    for a in articles {
        let date = a.published.to_rfc2822();
        let (id, url, title, html) = (escape(&a.id), escape(&a.url), escape(&a.title), escape(&a.html));
        write!(out, "<item><title>{title}</title><link>{url}</link><guid isPermaLink=\"false\">{id}</guid><pubDate>{date}</pubDate>")
            .unwrap();
        writeln!(out, "<description>{title}</description><content:encoded>{html}</content:encoded></item>").unwrap();
    }
    out + "</channel></rss>\n"
}

fn atom(articles: &[&Article], charset: &'static Encoding) -> String {
    let newest = articles.first().map_or_else(|| "2024-11-27T18:45:00+02:00".into(), |a| a.published.to_rfc3339());
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"{}\"?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\" xml:lang=\"uk\"><title>Новини</title>\
         <id>https://news.example/</id><link href=\"https://news.example/\"/><updated>{newest}</updated>\n",
        charset.name()
    );
    for a in articles {
        let date = a.published.to_rfc3339();
        let (id, url, title, html) = (escape(&a.id), escape(&a.url), escape(&a.title), escape(&a.html));
        write!(out, "<entry><title>{title}</title><link href=\"{url}\"/><id>{id}</id><published>{date}</published>").unwrap();
        writeln!(out, "<updated>{date}</updated><summary>{title}</summary><content type=\"html\">{html}</content></entry>").unwrap();
    }
    out + "</feed>\n"
}

fn json(articles: &[&Article]) -> String {
    let items = articles.iter().map(|a| {
        serde_json::json!({
            "id": a.id, "url": a.url, "title": a.title, "summary": a.title, "content_html": a.html,
            "date_published": a.published.to_rfc3339(), "language": "uk",
        })
    });
    serde_json::json!({
        "version": "https://jsonfeed.org/version/1.1", "title": "Новини", "home_page_url": "https://news.example/",
        "items": items.collect::<Vec<_>>(),
    })
    .to_string()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The text in a charset. What the charset lacks becomes character references, which are right anywhere but in CDATA and names.
fn encode(text: &str, charset: &'static Encoding) -> Vec<u8> {
    // encoding_rs, like browsers, reads UTF-16 but does not write it.
    if charset == UTF_16LE {
        return format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    }
    if charset == UTF_16BE {
        return format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_be_bytes).collect();
    }
    charset.encode(text).0.into_owned()
}

mod tests {
    use super::*;

    #[test]
    fn charsets_keep_every_letter() {
        let text = "є і ї ґ ’";
        assert_eq!(encode(text, encoding_rs::WINDOWS_1251), b"\xba \xb3 \xbf \xb4 \x92");
        assert_eq!(encode(text, encoding_rs::KOI8_U), b"\xa4 \xa6 \xa7 \xad &#8217;");
        assert_eq!(encode("ї", UTF_16LE), b"\xff\xfe\x57\x04");
        assert_eq!(encode("ї", UTF_16BE), b"\xfe\xff\x04\x57");
        assert_eq!(encode(text, UTF_8), text.as_bytes());
    }

    #[test]
    fn an_edition_is_newest_first_and_escaped() {
        let articles = [Article { title: "a < b".into(), ..Article::number(2) }, Article::number(1)];
        for text in [rss(&[&articles[0], &articles[1]], UTF_8), atom(&[&articles[0], &articles[1]], UTF_8)] {
            assert!(text.find("article-2").unwrap() < text.find("article-1").unwrap(), "{text}");
            assert!(text.contains("<title>a &lt; b</title>") && text.contains("&lt;b&gt;1&lt;/b&gt;"), "{text}");
            assert_eq!(quick_xml_is_content(&text), Ok(()), "{text}");
        }
        let value: serde_json::Value = serde_json::from_str(&json(&[&articles[0]])).unwrap();
        assert_eq!(value["items"][0]["title"], "a < b");
    }

    fn quick_xml_is_content(text: &str) -> Result<(), String> {
        let mut reader = quick_xml::Reader::from_str(text);
        loop {
            match reader.read_event() {
                Ok(quick_xml::events::Event::Eof) => return Ok(()),
                Ok(_) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    #[tokio::test]
    async fn old_articles_roll_off_and_editions_have_new_validators() {
        let origin = Origin::start().await;
        let feed = Publisher::new(&origin, "/feed.xml").window(2);
        feed.publish(3);
        let before = format!("{:?}", feed.desk.lock().unwrap().edition);
        feed.edit(&Article::id(3), |a| a.title = "Інше".into());
        assert_ne!(before, format!("{:?}", feed.desk.lock().unwrap().edition));
        assert_eq!(feed.published(), ["article-1", "article-2", "article-3"]);
        let mut stream = tokio::net::TcpStream::connect(feed.url().trim_start_matches("http://").split('/').next().unwrap()).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"GET /feed.xml HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut text = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut text).await.unwrap();
        assert!(text.contains("Інше") && text.contains("article-2") && !text.contains("article-1"), "{text}");
    }
}
