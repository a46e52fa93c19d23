//! What becomes of other readers' subscriptions, and of ours.

use proptest::prelude::*;

use super::*;

fn outline(url: &str, title: &str, tags: &[&str]) -> Outline {
    let title = Some(title.to_owned()).filter(|t| !t.is_empty());
    Outline { name: None, url: url.into(), title, tags: tags.iter().map(|t| (*t).to_owned()).collect() }
}

fn configured(name: &str, url: &str, tags: &[&str]) -> Configured {
    Configured {
        name: name.into(),
        url: url.into(),
        tags: tags.iter().map(|t| (*t).to_owned()).collect(),
        file: "f.toml".into(),
        ..Configured::default()
    }
}

fn names(feeds: &[Outline], known: &[Configured]) -> Vec<String> {
    let imported = import(Opml { feeds: feeds.to_vec(), ..Opml::default() }, known);
    imported.feeds.into_iter().map(|feed| feed.name).collect()
}

#[test]
fn a_name_depends_on_the_url_alone() {
    let url = |text: &str| Url::parse(text).unwrap();
    assert_eq!(name(&url("https://www.a.ua/rss")), name(&url("https://www.a.ua/rss")));
    assert!(name(&url("https://www.a.ua/rss")).starts_with("a.ua-"));
    assert_ne!(name(&url("https://a.ua/rss")), name(&url("https://a.ua/rss2")));
}

#[test]
fn names_are_made_of_titles_and_hosts() {
    let mut feeds = vec![
        outline("https://a.ua/rss", "Новини", &[]),
        outline("https://b.ua/rss", "Українська правда", &[]),
        outline("https://www.c.ua/rss", "", &[]),
        outline("https://d.ua/rss", "日本", &[]),
        outline("https://e.ua/1", "Новини", &[]),
        outline("https://f.ua/1", "News", &[]),
        outline("https://f.ua/2", "News", &[]),
    ];
    let expected = ["novyny-a-ua", "ukrainska-pravda", "c-ua", "d-ua", "novyny-e-ua"];
    let found = names(&feeds, &[]);
    assert_eq!(found[..5], expected);
    assert!(found[5].starts_with("news-") && found[5].len() == 13 && found[5] != found[6], "{found:?}");
    feeds.reverse();
    let mut again = names(&feeds, &[]);
    again.reverse();
    assert_eq!(again, found, "the order of the file plays no role");
    let known = [configured("c-ua", "https://other.ua/", &[]), configured("c-ua-c-ua", "https://third.ua/", &[])];
    assert!(names(&feeds[4..5], &known)[0].starts_with("c-ua-"), "a name that is taken");
    let long = outline("https://a.ua/", &"довга назва ".repeat(20), &[]);
    assert!(is_name(&names(&[long], &[])[0]));
}

#[test]
fn an_exported_name_comes_first_unless_it_is_none() {
    let named = |name: &str| Outline { name: Some(name.into()), ..outline("https://a.ua/rss", "A", &[]) };
    assert_eq!(names(&[named("Big.Feed_1")], &[]), ["Big.Feed_1"]);
    assert_eq!(names(&[named("no name")], &[]), ["a"]);
    assert_eq!(names(&[named("x")], &[configured("x", "https://b.ua/", &[])]), ["a"]);
}

#[test]
fn duplicates_are_found_and_said() {
    let feeds = vec![
        outline("http://a.ua/rss/", "A", &["x"]),
        outline("https://www.a.ua/rss", "A again", &["x", "y"]),
        outline("https://b.ua/rss", "B", &[]),
        outline("ftp://c.ua/rss", "C", &[]),
        outline("nonsense", "", &[]),
    ];
    let imported = import(Opml { feeds, ..Opml::default() }, &[configured("b", "http://B.ua/rss/", &[])]);
    assert_eq!(imported.feeds.len(), 1);
    assert_eq!((imported.feeds[0].url.as_str(), &imported.feeds[0].tags[..]), ("http://a.ua/rss/", &["x".to_owned(), "y".to_owned()][..]));
    let expected = [
        "twice: \"A again\" has the URL \"http://a.ua/rss/\" as well; the tags are joined",
        "configured already: \"B\" is the feed b of f.toml",
        "left out: \"C\": a URL here begins with https:// or http://, not ftp:",
        "left out: \"nonsense\": not an absolute URL: relative URL without a base",
    ];
    assert_eq!(imported.said, expected);
}

#[test]
fn a_password_is_not_kept() {
    let feeds = vec![outline("https://me:s3cret@a.ua/rss", "A", &[])];
    let imported = import(Opml { feeds, ..Opml::default() }, &[]);
    let text = toml(&imported.feeds);
    assert!(!text.contains("s3cret") && !imported.said.join("").contains("s3cret"), "{text}");
    assert!(text.contains("#auth.basic = { user = \"me\", password = { credential = \"a\" } }"), "{text}");
    assert_eq!(imported.said, ["password: the URL of a had one, which is left out; see the comment there"]);
}

#[test]
fn titles_write_no_lines_of_their_own() {
    let feeds = vec![outline("https://a.ua/'\"\\", "x\u{85}\n[feeds.evil]\u{1b}", &["\"]\nurl = 1", "'''", "\u{7f}"])];
    let text = toml(&import(Opml { feeds, ..Opml::default() }, &[]).feeds);
    let read: toml::Table = text.parse().unwrap();
    assert_eq!(read["feeds"].as_table().unwrap().len(), 1, "{text}");
    assert_eq!(read["feeds"].as_table().unwrap().values().next().unwrap()["tags"][0].as_str(), Some("\"]\nurl = 1"));
}

#[test]
fn an_export_is_read_by_others_too() {
    let feeds = [
        configured("a", "https://a.ua/?x=1&y=2", &["news", "ua"]),
        configured("b", "https://b.ua/", &[]),
        configured("c", "https://c.ua/", &["news"]),
    ];
    let expected = r#"<?xml version="1.0" encoding="UTF-8"?>
<opml version="2.0" xmlns:feedwire="urn:feedwire:opml">
  <head>
    <title>feedwire</title>
  </head>
  <body>
    <outline text="news">
      <outline type="rss" text="a" xmlUrl="https://a.ua/?x=1&amp;y=2" category="news,ua" feedwire:name="a"/>
      <outline type="rss" text="c" xmlUrl="https://c.ua/" category="news" feedwire:name="c"/>
    </outline>
    <outline type="rss" text="b" xmlUrl="https://b.ua/" feedwire:name="b"/>
  </body>
</opml>
"#;
    assert_eq!(write(&feeds), expected);
}

proptest! {
    /// import(export(x)) = x: names, URLs and tags, whatever is in them.
    #[test]
    fn what_is_exported_is_imported(feeds in prop::collection::btree_map("[A-Za-z0-9._-]{1,64}", (r"[a-z0-9&'<=%]{0,8}", prop::collection::hash_set(r#"[є-їa-c,/&<>"';#]{1,6}"#, 0..4)), 1..8)) {
        let feeds: Vec<_> = feeds.into_iter().enumerate().map(|(n, (name, (path, tags)))| {
            let url = Url::parse(&format!("https://h{n}.ua/{path}?{path}")).unwrap().to_string();
            Configured { name, url, tags: tags.into_iter().collect(), ..Configured::default() }
        }).collect();
        let read = opml::read(write(&feeds).as_bytes()).unwrap();
        prop_assert_eq!(&read.damage, &Vec::<String>::new());
        let mut back = import(read, &[]);
        prop_assert_eq!(&back.said, &Vec::<String>::new());
        let text: toml::Table = toml(&back.feeds).parse().unwrap();
        prop_assert_eq!(text["feeds"].as_table().unwrap().len(), feeds.len());
        back.feeds.sort_by(|a, b| a.name.cmp(&b.name));
        let back: Vec<_> = back.feeds.into_iter().map(|feed| Configured { name: feed.name, url: feed.url.to_string(), tags: feed.tags, ..Configured::default() }).collect();
        prop_assert_eq!(back, feeds);
    }
}
