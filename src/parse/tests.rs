//! Documents in, entries out.

use super::*;
use crate::domain::entry::{Entry, Markup};
use crate::domain::feed::{Body, Fingerprint};

fn read(text: &str) -> Document {
    let source = Source { bytes: text.as_bytes(), content_type: None, url: Some("https://glavcom.ua/xml/rss.xml"), max_entries: 2000 };
    parse(&source, &Known::new()).unwrap()
}

fn entries(text: &str) -> Vec<Entry> {
    let body = |e: crate::domain::feed::Scanned| match e.body {
        Body::Parsed(entry) => *entry,
        other => panic!("{other:?}"),
    };
    read(text).entries.into_iter().map(body).collect()
}

fn one(text: &str) -> Entry {
    let mut entries = entries(text);
    assert_eq!(entries.len(), 1, "{entries:?}");
    entries.remove(0)
}

fn item(inside: &str) -> Entry {
    one(&format!("<rss version=\"2.0\"><channel><title>t</title><item>{inside}</item></channel></rss>"))
}

const TITLE: &str = "Умєров під час зустрічі розповів президенту Південної Кореї про співпрацю Росії та КНДР";

#[test]
fn an_rss_entry_as_glavcom_writes_it() {
    let entry = item(&format!(
        "<title>{TITLE}</title><link>https://glavcom.ua/news/1030001.html</link><guid isPermaLink=\"true\">https://glavcom.ua/news/1030001.html</guid>
         <pubDate>Wed, 27 Nov 2024 18:45:00 +0200</pubDate><dc:creator>Іван Ґудзь</dc:creator><category>Політика</category><category>Світ</category>
         <enclosure url=\"/img/1.jpg\" type=\"image/jpeg\" length=\"12345\"/>
         <description><![CDATA[<p>Є і ї ґ, об’єкт і обʼєкт.</p>]]></description>"
    ));
    assert_eq!(entry.title.as_deref(), Some(TITLE));
    assert_eq!(entry.id, entry.url);
    assert_eq!(entry.published.unwrap().to_string(), "2024-11-27T18:45:00+02:00");
    assert_eq!(entry.authors.first().unwrap().name, "Іван Ґудзь");
    assert_eq!(entry.categories, ["Політика", "Світ"]);
    assert_eq!(entry.summary, Some(Markup::Html("<p>Є і ї ґ, об’єкт і обʼєкт.</p>".into())));
    let enclosure = entry.enclosures.first().unwrap();
    assert_eq!((enclosure.url.as_str(), enclosure.length), ("https://glavcom.ua/img/1.jpg", Some(12345)));
    assert_eq!(entry.image.as_deref(), Some("https://glavcom.ua/img/1.jpg"));
}

#[test]
fn an_atom_entry() {
    let entry = one(
        "<feed xmlns=\"http://www.w3.org/2005/Atom\" xml:lang=\"uk\"><title>t</title><author><name>Редакція</name></author>
         <entry><id>tag:a,1</id><title type=\"html\">A &amp;amp; &lt;b&gt;B&lt;/b&gt;</title><link rel=\"self\" href=\"/s\"/><link href=\"/1\"/>
         <published>2024-11-27T18:45:00+02:00</published><updated>2024-11-28T00:00:00Z</updated>
         <content type=\"xhtml\"><div xmlns=\"http://www.w3.org/1999/xhtml\"><p>x<br/>y</p></div></content><category term=\"z\"/></entry></feed>",
    );
    assert_eq!((entry.id.as_deref(), entry.url.as_deref()), (Some("tag:a,1"), Some("https://glavcom.ua/1")));
    assert_eq!(entry.title.as_deref(), Some("A & B"));
    assert!(matches!(&entry.content, Some(Markup::Html(html)) if html.contains("<p>x<br/>y</p>")), "{:?}", entry.content);
    assert_eq!((entry.authors.first().unwrap().name.as_str(), entry.language.as_deref()), ("Редакція", Some("uk")));
    assert_eq!(entry.updated.unwrap().to_string(), "2024-11-28T00:00:00Z");
    assert_eq!(entry.categories, ["z"]);
}

#[test]
fn dialects_and_sloppy_roots() {
    let expect = |text: &str| {
        let entry = one(text);
        assert_eq!((entry.title.as_deref(), entry.url.as_deref()), (Some("A"), Some("https://a.ua/1")), "{text}");
    };
    let item = "<item><title>A</title><link>https://a.ua/1</link></item>";
    for root in ["rss", "rss version='0.91'", "rss version='0.93'", "rss version='2.00'", "rss xmlns='https://backend.userland.com/rss2'"] {
        expect(&format!("<{root}><channel>{item}</channel></rss>"));
        expect(&format!("<{root}>{item}</rss>"));
    }
    expect(&format!("<channel>{item}</channel>"));
    expect("<RSS><CHANNEL><ITEM><TITLE>A</TITLE><LINK>https://a.ua/1</LINK></ITEM></CHANNEL></RSS>");
    expect(&format!("<rdf:RDF xmlns:rdf='x' xmlns='http://my.netscape.com/rdf/simple/0.9/'><channel/>{item}</rdf:RDF>"));
    expect("<rdf:RDF><item rdf:about='https://a.ua/1'><title>A</title></item></rdf:RDF>");
    expect(
        "<feed version='0.3' xmlns='http://purl.org/atom/ns#'><entry><title mode='escaped'>A</title><link href='https://a.ua/1' rel='alternate'/><issued>2004-01-01T00:00:00Z</issued></entry></feed>",
    );
    expect(
        "<feed xmlns='https://www.w3.org/2005/Atom/'><entry><title type='application/xhtml+xml'>A</title><link href='https://a.ua/1'/></entry></feed>",
    );
    expect("<a:feed xmlns:a='http://www.w3.org/2005/Atom'><a:entry><a:title>A</a:title><a:link href='https://a.ua/1'/></a:entry></a:feed>");
    expect("<rss><item><title>A</title><guid>https://a.ua/1</guid></item></rss>");
    expect("<feed><entry><title>A</title><id>https://a.ua/1</id></entry></feed>");
    expect("<feed version='0.3'><entry><title mode='base64'>QQ==</title><link href='https://a.ua/1'/></entry></feed>");
    expect("<feed xmlns:dc='http://purl.org/dc/elements/1.0/'><entry><dc:title>A</dc:title><link href='https://a.ua/1'/></entry></feed>");
    expect(
        "<r:rss xmlns:r='http://backend.userland.com/rss2'><r:item><r:title>A</r:title><r:link>https://a.ua/1</r:link></r:item></r:rss>",
    );
    expect("<CHANNEL><ITEM HREF='https://a.ua/1'><TITLE>A</TITLE></ITEM></CHANNEL>");
    let cdf = one("<CHANNEL><ITEM LASTMOD='2004-04-06T23:05:43-05:00'><ABSTRACT>b</ABSTRACT></ITEM></CHANNEL>");
    assert_eq!(cdf.updated.unwrap().to_string(), "2004-04-06T23:05:43-05:00");
    expect("<rss xmlns:atom='http://www.w3.org/2005/Atom'><item><title>A</title><atom:link href='https://a.ua/1'/></item></rss>");
}

#[test]
fn people_and_dates_are_taken_where_they_can_be_read() {
    let person = |written: &str| item(&format!("<author>{written}</author>")).authors.first().map(|p| p.name.clone());
    assert_eq!(person("ivan@example.com (Іван Ґудзь)").as_deref(), Some("Іван Ґудзь"));
    assert_eq!(person("Іван Ґудзь &lt;ivan@example.com&gt;").as_deref(), Some("Іван Ґудзь"));
    assert_eq!(person("&lt;p&gt;Іван&lt;/p&gt;").as_deref(), Some("Іван"));
    assert_eq!(person("Іван (Київ)").as_deref(), Some("Іван (Київ)"));
    let dated = item("<pubDate>soon</pubDate><dc:date>2024-11-27T18:45:00+02:00</dc:date>");
    assert_eq!((dated.published.unwrap().to_string().as_str(), dated.published_raw), ("2024-11-27T18:45:00+02:00", None));
    let zoned = |head: &str| {
        let text = format!("<rss><channel>{head}<item><pubDate>27.11.2024 18:45</pubDate></item></channel></rss>");
        one(&text).published.unwrap().to_string()
    };
    assert_eq!(zoned("<pubDate>soon</pubDate><lastBuildDate>Wed, 27 Nov 2024 19:00:00 +0200</lastBuildDate>"), "2024-11-27T18:45:00+02:00");
    assert_eq!(zoned("<lastBuildDate>27.11.2024 19:00</lastBuildDate>"), "2024-11-27T18:45:00Z");
    let twice = item("<title>РЈРєСЂР°С—РЅР° С– С—С—</title><description>donâ€™t</description>");
    assert_eq!((twice.title.as_deref(), twice.summary), (Some("Україна і її"), Some(Markup::Html("don’t".into()))));
    let named = item("<category>РЎРµР»Рѕ С–</category><dc:creator>Р†РІР°РЅ Р†</dc:creator><category term='РЎРІС–С‚'/>");
    assert_eq!((named.categories, named.authors.first().unwrap().name.as_str()), (vec!["Село і".to_owned(), "Світ".into()], "Іван І"));
    // In Latin-1, the second byte of с is a control character, those of х and Р are white space.
    let latin = item(
        "<title>Ñ\u{81}ÐµÐ»Ð¾ Ð² Ð»Ñ–Ñ\u{81}Ð°Ñ\u{85}</title><category term='Ð\u{a0}Ð\u{a0}Ð\u{a0}'/>".replace('–', "\u{96}").as_str(),
    );
    assert_eq!((latin.title.as_deref(), latin.categories), (Some("село в лісах"), vec!["РРР".to_owned()]));
}

#[test]
fn links_wherever_they_stand() {
    let link = |inside: &str, expected: &str| {
        assert_eq!(item(inside).url.as_deref(), Some(expected).filter(|e| !e.is_empty()), "{inside}");
    };
    link("<link href='/feed' rel='self'/><link>https://a.ua/1</link><link href='/hub' rel='hub'/>", "https://a.ua/1");
    link("<guid isPermaLink='true'>/1</guid>", "https://glavcom.ua/1");
    link("<guid isPermaLink='false'>https://a.ua/1</guid>", "");
    link("<guid>1</guid>", "");
    link("<guid>HTTPS://a.ua/1</guid>", "HTTPS://a.ua/1");
    link("<atom:link href='/1'/><atom:link type='text/html' href='/1.html'/><atom:link href='/1.pdf'/>", "https://glavcom.ua/1.html");
    link("<atom:link type='application/pdf' href='/1.pdf'/><atom:link href='/1'/>", "https://glavcom.ua/1");
    link("<link xml:base='https://a.ua/x/'>1</link>", "https://a.ua/x/1");
    link("<link rel='http://www.iana.org/assignments/relation/alternate' href='https://a.ua/1'/>", "https://a.ua/1");
    link("<link rel='enclosure'>https://a.ua/1.mp3</link><link rel='alternate'>https://a.ua/1</link>", "https://a.ua/1");
    assert_eq!(item("<link rel='enclosure'>https://a.ua/1.mp3</link>").enclosures.first().unwrap().url, "https://a.ua/1.mp3");
    assert_eq!(item("<media:content xml:base='https://a.ua/x/' url='1.jpg'/>").enclosures.first().unwrap().url, "https://a.ua/x/1.jpg");
}

#[test]
fn titles_and_texts_wherever_they_stand() {
    let nested = item("<media:group><media:content url='/1.mp4'><media:title>A</media:title></media:content></media:group>");
    assert_eq!(nested.title.as_deref(), Some("A"));
    let own = item("<title>A</title><media:content url='/1.jpg'><media:title>B</media:title></media:content>");
    assert_eq!(own.title.as_deref(), Some("A"));
    assert_eq!(item("<title type='text'></title><dc:title>A</dc:title>").title.as_deref(), Some("A"));
    assert_eq!(item("<dc:author>A</dc:author>").authors.first().unwrap().name, "A");
    let about = one(
        "<rdf:RDF xmlns:rdf='x'><item><rdf:Description rdf:about='y'><x/></rdf:Description><description>A</description></item></rdf:RDF>",
    );
    assert_eq!(about.summary.unwrap().source(), "A");
    let atom = |inside: &str| one(&format!("<feed xmlns='http://www.w3.org/2005/Atom'><entry>{inside}</entry></feed>"));
    assert_eq!(atom("<content type='application/html'>PGI+eDwvYj4=</content>").content.unwrap().source(), "<b>x</b>");
    assert_eq!(atom("<content type='application/html'>no</content>").content.unwrap().source(), "no");
    let strict = atom("<title type='xhtml'><div xmlns='http://www.w3.org/1999/xhtml'><![CDATA[a &amp; <b>b</b>]]></div></title>");
    assert_eq!(strict.title.as_deref(), Some("a &amp; <b>b</b>"));
}

#[test]
fn podcasts_and_pictures() {
    let episode = item(
        "<title>A <b>b</b></title><itunes:title>no</itunes:title><itunes:author>Студія</itunes:author><itunes:image href='/i.jpg'/>
         <itunes:summary>Про що</itunes:summary><enclosure url='/1.mp3' type='audio/mpeg' length='0'/><dc:language>uk</dc:language>",
    );
    assert_eq!((episode.title.as_deref(), episode.language.as_deref()), (Some("A b"), Some("uk")));
    assert_eq!(episode.authors.first().unwrap().name, "Студія");
    assert_eq!(episode.image.as_deref(), Some("https://glavcom.ua/i.jpg"));
    assert_eq!(episode.summary.as_ref().map(Markup::source), Some("Про що"));
    assert_eq!(episode.enclosures.first().map(|e| (e.media_type.as_deref(), e.length)), Some((Some("audio/mpeg"), None)));
    let image = |inside: &str, expected: &str| assert_eq!(item(inside).image.as_deref(), Some(expected), "{inside}");
    image("<media:content url='https://a.ua/1.mp4'/><media:thumbnail url='https://a.ua/1.jpg'/>", "https://a.ua/1.jpg");
    image("<media:group><media:content url='https://a.ua/1.jpg' medium='image'/></media:group>", "https://a.ua/1.jpg");
    image("<media:content url='https://a.ua/1.mp4'><media:thumbnail url='https://a.ua/1.jpg'/></media:content>", "https://a.ua/1.jpg");
    let group = item(
        "<media:group><media:title>A</media:title><media:description>B</media:description><media:content url='https://a.ua/1.mp4' type='video/mp4' fileSize='9'/>
         <media:content url='https://a.ua/2.mp4'/></media:group>",
    );
    assert_eq!((group.title.as_deref(), group.summary.as_ref().map(Markup::source)), (Some("A"), Some("B")));
    assert_eq!((group.enclosures.len(), group.enclosures.first().unwrap().length), (2, Some(9)));
}

#[test]
fn the_head_says_where_and_when() {
    let head = read(
        "<rss><channel><atom:link rel='self' href='/rss.xml'/><link href='/feed' rel='self'/><link>/</link><title>Т &amp;amp; т</title>
         <language>uk</language><ttl>30</ttl><sy:updatePeriod>daily</sy:updatePeriod><item><title>x</title></item></channel></rss>",
    )
    .head;
    assert_eq!((head.title.as_deref(), head.site_url.as_deref()), (Some("Т & т"), Some("https://glavcom.ua/")));
    assert_eq!((head.language.as_deref(), head.hints.ttl), (Some("uk"), Some(30)));
    assert_eq!(head.hints.self_url.as_deref(), Some("https://glavcom.ua/rss.xml"));
    assert_eq!(head.hints.update_every.map(|d| d.as_secs()), Some(86_400));
    let atom =
        read("<feed xml:base='https://a.ua/x/'><link rel='hub' href='hub'/><link href='page'/><entry><id>1</id></entry></feed>").head;
    assert_eq!((atom.site_url.as_deref(), atom.hints.hubs), (Some("https://a.ua/x/page"), vec!["https://a.ua/x/hub".to_owned()]));
    let json = read(
        r#"{"version":"https://jsonfeed.org/version/1","title":"t","feed_url":"/feed.json","next_url":"?p=2","expired":true,
        "hubs":[{"type":"WebSub","url":"https://hub.ua/"},{"type":"rssCloud"},5],"items":[{"id":"1","external_url":"/e","banner_image":"b.jpg",
        "summary":"s","content_text":"c","author":{"name":"A"}}]}"#,
    );
    let hints = json.head.hints;
    assert_eq!((hints.hubs, hints.expired), (vec!["https://hub.ua/".to_owned()], true));
    assert_eq!(hints.self_url.as_deref(), Some("https://glavcom.ua/feed.json"));
    assert_eq!(hints.next_url.as_deref(), Some("https://glavcom.ua/xml/rss.xml?p=2"));
}

#[test]
fn broken_markup_costs_itself() {
    let title = |inside: &str, expected: &str| assert_eq!(item(inside).title.as_deref(), Some(expected), "{inside}");
    title("<title>R&D &nbsp; &foo; &#0; &#55357;&#56832;</title>", "R&D \u{a0} &foo; \u{fffd} 😀");
    title("<title>a < b</title>", "a < b");
    title("<title>lost <link>https://a.ua/</link>", "lost");
    title("<title>br<br>eak</title>", "break");
    title("<title>mis</Title><guid>1</guid>", "mis");
    title("<title>c\u{b}o\0ntrol</title>", "control");
    title("<title lang=uk lang=en>x</title>", "x");
    title("<media:title/><title>x</title>", "x");
    title("<title>x</title><media:title>other</media:title>", "x");
    let cut = read("<rss><channel><item><title>1</title></item><item><title>2</ti");
    assert_eq!((cut.entries.len(), cut.complete), (1, false));
}

#[test]
fn p93_what_makes_feed_rs_panic_or_overflow_is_harmless() {
    for bad in [
        "<author>Іван Петренко ivan@example.com</author>",
        "<dc:creator>Редакція «news@example.com»</dc:creator>",
        "<itunes:author>Студія —info@example.com</itunes:author>",
        "<itunes:duration>999999999999999999999999</itunes:duration>",
        "<itunes:duration>١٢٣</itunes:duration>",
        "<media:text start='99999999999999999999999:1'>x</media:text>",
    ] {
        assert_eq!(item(&format!("<title>t</title>{bad}")).title.as_deref(), Some("t"), "{bad}");
    }
    for nested in ["itunes:category", "media:group", "media:content", "a"] {
        let deep = format!("<title>t</title>{}{}", format!("<{nested}>").repeat(20_000), format!("</{nested}>").repeat(20_000));
        assert_eq!(item(&deep).title.as_deref(), Some("t"), "{nested}");
        let head = format!("<rss><channel>{}<item><title>t</title></item></channel></rss>", format!("<{nested}>").repeat(20_000));
        assert_eq!(one(&head).title.as_deref(), Some("t"), "{nested}");
    }
    let late = format!("<!-- {} --><?xml version='1.0' encoding='windows-1251'?><rss><item><title>t</title></item></rss>", "x".repeat(100));
    assert_eq!(one(&late).title.as_deref(), Some("t"));
    let utf16: Vec<u8> = "<?xml version='1.0' encoding='utf-16'?><rss><item><title>Є</title></item></rss>"
        .encode_utf16()
        .flat_map(u16::to_be_bytes)
        .collect();
    let source = Source { bytes: &utf16, content_type: None, url: None, max_entries: 10 };
    assert_eq!(parse(&source, &Known::new()).unwrap().entries.len(), 1);
}

#[test]
fn p92_p94_p95_large_documents_are_bounded() {
    let many = format!("<rss><channel>{}</channel></rss>", "<item><title>x</title></item>".repeat(100_000));
    let document = read(&many);
    assert_eq!((document.entries.len(), document.dropped), (2000, 98_000));
    let entry = item(&format!("<title>t</title><guid>1</guid><description>{}</description>", "x".repeat(20_000_000)));
    assert_eq!((entry.title.as_deref(), entry.id.as_deref()), (Some("t"), Some("1")));
    let entry = item(&format!("<description><![CDATA[{}]]></description><guid>1</guid>", "є".repeat(2_000_000)));
    assert_eq!(entry.id.as_deref(), Some("1"), "what comes after a long text is read");
    let tags: String = (0..200_000).map(|n| format!("\"{n}\",")).collect();
    assert_eq!(one(&format!("{{\"items\":[{{\"id\":1,\"tags\":[{tags}0]}}]}}")).categories.len(), fields::MOST);
    let bomb = "<!DOCTYPE x [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;\">]><rss><item><title>&b;</title></item></rss>";
    assert_eq!(one(bomb).title.as_deref(), Some("&b;"));
}

/// Each of these would take minutes if anything were looked for again and again.
#[test]
fn hostile_markup_costs_no_more_than_its_length() {
    for piece in [
        "<a b=\"",
        "<a b='x",
        "<!a>",
        "<!a[",
        "<!--",
        "<![CDATA[",
        "<?",
        "</",
        "<a ",
        "<",
        "&",
        "&#",
        "<title>",
        "<link><title>",
        "<media:group>",
    ] {
        let flood = piece.repeat(1_000_000 / piece.len());
        for text in [
            format!("<rss><channel>{flood}<item><title>x</title></item></channel></rss>"),
            format!("<rss><channel><item><title>x</title>{flood}</item></channel></rss>"),
            format!("<rss><channel><item><title>x</title><description>{flood}</description></item></channel></rss>"),
        ] {
            let source = Source { bytes: text.as_bytes(), content_type: None, url: None, max_entries: 10 };
            let entries = parse(&source, &Known::new()).map_or(0, |document| document.entries.len());
            assert!(entries <= 10, "{piece}");
        }
    }
    for flood in ["<b>".repeat(200_000), "<b></i>".repeat(100_000), "&lt;".repeat(200_000), "<a href='".repeat(100_000)] {
        assert!(plain::text(&html::clean(&flood, None)).len() <= 5_000_000);
    }
}

#[test]
fn known_entries_are_not_parsed() {
    let text = "<rss><item><title>1</title></item><item><title>2</title></item></rss>";
    let all = read(text);
    let known: Known = all.entries.iter().take(1).map(|e| e.fingerprint).collect();
    let source = Source { bytes: text.as_bytes(), content_type: None, url: Some("https://glavcom.ua/xml/rss.xml"), max_entries: 10 };
    let again = parse(&source, &known).unwrap();
    assert_eq!(again.entries.first().unwrap().body, Body::Known);
    assert_eq!(again.entries.get(1), all.entries.get(1));
    assert_ne!(all.entries.first().map(|e| e.fingerprint), Some(Fingerprint(0)));
}

#[test]
fn what_json_says_has_its_limits_too() {
    let long = "є".repeat(5000);
    let json = format!(
        r#"{{"items":[{{"id":"{long}","title":"{long}","content_text":"a\u0000b\u0007\nc","authors":[{{"name":"{long}"}}],"tags":["{long}"]}}]}}"#
    );
    let entry = one(&json);
    assert_eq!((entry.id, entry.content), (None, Some(Markup::Text("ab\nc".into()))));
    assert_eq!(
        (entry.title.unwrap().chars().count(), entry.authors[0].name.chars().count(), entry.categories[0].chars().count()),
        (2000, 300, 300)
    );
}

#[test]
fn json_feeds_with_wrong_types() {
    let entries = entries(
        r#"{"version":"https://jsonfeed.org/version/1.1","title":5,"authors":[{"name":"A"}],"items":[
        {"id":7,"url":"/1","title":"Є","content_html":"<p>x</p>","date_published":"2024-11-27T18:45:00+02:00","tags":["a",3],
         "attachments":[{"url":"a.mp3","mime_type":"audio/mpeg","size_in_bytes":9},{"nourl":1}]},
        {"id":"2","content_text":"t","date_published":"whenever"}]}"#,
    );
    let first = entries.first().unwrap();
    assert_eq!((first.id.as_deref(), first.url.as_deref()), (Some("7"), Some("https://glavcom.ua/1")));
    assert_eq!((first.categories.len(), first.enclosures.len(), first.authors.len()), (2, 1, 1));
    let second = entries.get(1).unwrap();
    assert_eq!((second.published, second.published_raw.as_deref()), (None, Some("whenever")));
    assert_eq!(second.content, Some(Markup::Text("t".into())));
    let document = read(r#"{"items":[5,{"id":"1"}]}"#);
    assert!(matches!(document.entries.first().unwrap().body, Body::Broken(_)));
    assert!(matches!(document.entries.get(1).unwrap().body, Body::Parsed(_)));
}

#[test]
fn what_is_no_feed_is_refused() {
    let refuse = |text: &str| {
        let source = Source { bytes: text.as_bytes(), content_type: Some("text/xml"), url: None, max_entries: 10 };
        parse(&source, &Known::new()).unwrap_err()
    };
    assert_eq!(refuse("<!DOCTYPE html><html><head><title>Just a moment...</title></head></html>"), ParseError::Html);
    assert_eq!(refuse(""), ParseError::NoMarkup);
    assert_eq!(refuse("<opml><body/></opml>"), ParseError::NoFeed);
    assert!(matches!(refuse("{\"error\":\"no\"}"), ParseError::Json(_)));
    assert!(matches!(refuse("{\"items\":"), ParseError::Json(_)));
}
