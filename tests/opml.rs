//! Subscriptions in and out, by the program itself: files in the shape in which other readers write them, and what it does to files of its own.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::support::{Answer, Home, Origin};

/// What was printed, what was said, and the exit code, with the directory's name left out.
fn feedwire(directory: &Path, arguments: &[&str], input: &[u8]) -> (String, String, i32) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_feedwire"));
    command.args(arguments).current_dir(directory).env_clear().env("HOME", directory);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap(), output.status.code().unwrap())
}

fn home(config: &str) -> TempDir {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("config")).unwrap();
    fs::write(home.path().join("config/feedwire.toml"), config).unwrap();
    home
}

/// Name, URL and tags of each feed, sorted by name; the whole must be a configuration that `check` finds good.
fn feeds(text: &str) -> Vec<String> {
    let home = home(&format!("{text}\n[sinks.out.stdout]\n"));
    let (_, said, code) = feedwire(home.path(), &["check"], b"");
    assert_eq!(code, 0, "{said}\n{text}");
    let table: toml::Table = text.parse().unwrap();
    let feed = |(name, feed): (&String, &toml::Value)| {
        let tags = feed.get("tags").map(|tags| tags.as_array().unwrap().iter().map(|tag| tag.as_str().unwrap()).collect::<Vec<_>>());
        format!("{name} {} {}", feed["url"].as_str().unwrap(), tags.unwrap_or_default().join("|"))
    };
    let mut feeds: Vec<_> = table["feeds"].as_table().unwrap().iter().map(feed).collect();
    feeds.sort();
    feeds
}

fn sample(name: &str, expected: &[&str], said: &[&str]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/opml").join(name);
    let nowhere = home("[sinks.out.stdout]\n");
    let (text, complaints, code) = feedwire(nowhere.path(), &["opml", "import", path.to_str().unwrap()], b"");
    assert_eq!(code, 0, "{complaints}");
    assert_eq!(feeds(&text), expected, "{name}");
    let complaints: Vec<_> =
        complaints.lines().map(|line| line.trim_start_matches("feedwire: ")).filter(|line| !line.contains(" to add")).collect();
    assert_eq!(complaints, said, "{name}");
}

#[test]
fn files_of_other_readers() {
    sample(
        "miniflux.opml",
        &[
            "hlavkom https://glavcom.ua/xml/rss.xml Новини",
            "rust-blog https://blog.rust-lang.org/feed.xml Tech & code",
            "ukrainska-pravda https://www.pravda.com.ua/rss/ Новини",
        ],
        &[],
    );
    sample(
        "freshrss.opml",
        &[
            "freshrss-releases https://github.com/FreshRSS/FreshRSS/releases.atom Uncategorized",
            "khmarochos https://hmarochos.kiev.ua/feed/ Київ",
        ],
        &["left out: \"Сторінка без стрічки\": it is a page that its reader takes apart, not a feed"],
    );
    sample(
        "feedly.opml",
        &["rust-blog https://blog.rust-lang.org/feed.xml Programming", "xkcd-com https://xkcd.com/rss.xml Programming|Fun"],
        &["twice: \"xkcd.com\" has the URL \"https://xkcd.com/rss.xml\" as well; the tags are joined"],
    );
    sample(
        "netnewswire.opml",
        &["bens-blog http://example.org/ben.xml Mac & iOS", "daring-fireball https://daringfireball.net/feeds/json "],
        &[],
    );
    sample(
        "inoreader.opml",
        &[
            "2ality https://2ality.com/feeds/posts.atom ",
            "spektrum-sohne https://www.spektrum.de/alias/rss/spektrum-de-rss-feed/996406 Wissenschaft",
        ],
        &[],
    );
    sample("thunderbird.opml", &["lb-ua https://lb.ua/export/rss_news.xml Новини|Україна|LB.ua"], &[]);
    sample(
        "newsboat.opml",
        &["lwn-net https://lwn.net/headlines/rss linux|news", "suckless-org https://suckless.org/atom.xml "],
        &[
            "left out: \"Mail\": it is the output of a program of its reader, not a feed",
            "left out: \"Unread\": it is a search in its reader, not a feed",
        ],
    );
    sample("tiny-tiny-rss.opml", &["hromadske https://hromadske.ua/feed Медіа", "tyzhden https://tyzhden.ua/feed/ Медіа|Аналітика"], &[]);
    sample(
        "by-hand.opml",
        &["atom-single-quotes https://single.example/atom Старе", "r-d-na-zavodi http://zavod.example/rss?a=1&b=2 Старе"],
        &["damaged: line 9: an outline cannot be read: its tag does not end", "damaged: it ends before </opml>: the rest was cut off"],
    );
}

#[test]
fn what_is_no_opml_exits_65() {
    let home = home("");
    let (out, said, code) = feedwire(home.path(), &["opml", "import"], b"<rss/>");
    assert_eq!((out.as_str(), said.as_str(), code), ("", "feedwire: - is no OPML: it has no <opml> element\n", 65));
    let (_, said, code) = feedwire(home.path(), &["opml", "import", "-"], b"<opml><outline text='x'/></opml>");
    assert_eq!((said.as_str(), code), ("feedwire: - has no feed: no outline has an xmlUrl that could be polled\n", 65));
    let (_, said, code) = feedwire(home.path(), &["opml", "import", "none.opml"], b"");
    assert!(code == 65 && said.contains("cannot read none.opml"), "{said}");
}

const TWO: &str = "<opml><outline text='A' xmlUrl='https://a.ua/rss/'/><outline text='B' xmlUrl='https://b.ua/rss'/></opml>";

#[test]
fn what_is_configured_already_is_left_out() {
    let home = home("[feeds.mine]\nurl = \"http://a.ua/rss\"\nheaders = { X = { credential = \"nobody-has-it\" } }\n");
    let (out, said, code) = feedwire(home.path(), &["opml", "import"], TWO.as_bytes());
    assert_eq!((feeds(&out), code), (vec!["b https://b.ua/rss ".to_owned()], 0));
    assert_eq!(said, "feedwire: configured already: \"A\" is the feed mine of config/feedwire.toml\nfeedwire: 1 feed to add\n");
    fs::write(home.path().join("config/feedwire.toml"), "[feeds.mine\n").unwrap();
    let (out, said, code) = feedwire(home.path(), &["opml", "import"], TWO.as_bytes());
    assert!(code == 0 && feeds(&out).len() == 2 && said.contains("what is configured already is not known"), "{said}");
    let (_, said, code) = feedwire(home.path(), &["opml", "import", "--config", "config/feedwire.toml"], TWO.as_bytes());
    assert!(code == 78 && said.contains("feedwire.toml:1"), "{said}");
}

#[test]
fn a_file_is_written_whole_and_never_over_another() {
    let home = home("include = [\"feeds.d/*.toml\"]\n[sinks.out.stdout]\n");
    let import = |output: &str, force: &[&str]| {
        let arguments = [&["opml", "import", "--output", output][..], force].concat();
        feedwire(home.path(), &arguments, TWO.as_bytes())
    };
    let (out, said, code) = import("config/feeds.d/x.toml", &[]);
    assert_eq!((out.as_str(), said.as_str(), code), ("", "feedwire: wrote 2 feeds to config/feeds.d/x.toml\n", 0));
    let written = home.path().join("config/feeds.d/x.toml");
    let first = fs::read_to_string(&written).unwrap();
    assert_eq!(feeds(&first).len(), 2);
    assert_ne!(fs::metadata(&written).unwrap().permissions().mode() & 0o044, 0, "the service must be able to read it");
    let (_, said, code) = import("config/feeds.d/x.toml", &[]);
    assert!(code == 64 && said.contains("exists already") && said.contains("--force"), "{said}");
    let (_, said, code) = import("config/feeds.d/x.toml", &["--force"]);
    assert_eq!((code, fs::read_to_string(&written).unwrap()), (0, first), "what the file had itself is not configured already: {said}");
    assert_eq!(said, "feedwire: wrote 2 feeds to config/feeds.d/x.toml\n");
    let (_, said, code) = import("config/feeds.d/y.toml", &[]);
    assert!(code == 0 && said.ends_with("there is nothing to add\n") && !home.path().join("config/feeds.d/y.toml").exists(), "{said}");
    fs::write(home.path().join("config/feedwire.toml"), "[sinks.out.stdout]\n").unwrap();
    let (_, said, _) = import("config/feeds.d/z.toml", &[]);
    assert!(said.contains("config/feedwire.toml does not read config/feeds.d/z.toml yet"), "{said}");
}

#[test]
fn what_is_exported_is_imported() {
    let text = "[feeds.\"A.b_C\"]\nurl = \"https://a.ua/rss?x=1&y=2\"\ntags = [\"новини\", \"ua\"]\n[feeds.b]\nurl = \"https://b.ua/\"\ntags = [\"a/b\", \"c, d\"]\n\
                [feeds.c]\nurl = \"https://c.ua/\"\n";
    let here = home(text);
    let (opml, said, code) = feedwire(here.path(), &["opml", "export"], b"");
    assert_eq!((said.as_str(), code), ("", 0));
    let elsewhere = home("");
    let (back, _, code) = feedwire(elsewhere.path(), &["opml", "import"], opml.as_bytes());
    assert_eq!((feeds(&back), code), (feeds(text), 0), "{opml}");
    let (_, said, code) = feedwire(here.path(), &["opml", "export", "--config", "none.toml"], b"");
    assert!(code == 78 && said.contains("cannot read none.toml"), "{said}");
}

/// What feeds call themselves is known to the daemon alone; what they call themselves cannot end the attribute that it stands in.
#[tokio::test]
async fn titles_are_asked_of_the_daemon() {
    let origin = Origin::start().await;
    let item = "<item><guid>1</guid><title>A</title></item>";
    let head = "<title>Новини \u{202e}&amp; \"їжа\"</title><link>https://a.ua/?x=1&amp;y</link>";
    origin.set("/a", Answer::ok("text/xml", format!("<rss version=\"2.0\"><channel>{head}{item}</channel></rss>")));
    let url = origin.url("/a");
    let text = format!("[feeds.a]\nurl = {url:?}\nbacklog = \"all\"\n[feeds.b]\nurl = \"https://b.invalid/\"\n[sinks.out.stdout]\n");
    let home = Home::new(&text);
    let daemon = home.start().await;
    daemon.stdout.until("the entry", |all| (!all.is_empty()).then_some(())).await;
    let export = async || {
        let mut export = home.launch(&["opml", "export"]);
        (export.exit().await, export.stdout.all().join("\n"))
    };
    let (code, opml) = export().await;
    let a = format!(
        r#"<outline type="rss" text="Новини &amp; &quot;їжа&quot;" title="Новини &amp; &quot;їжа&quot;" htmlUrl="https://a.ua/?x=1&amp;y" xmlUrl="{url}" feedwire:name="a"/>"#
    );
    assert!(code == 0 && opml.contains(&a), "{opml}");
    assert!(opml.contains(r#"<outline type="rss" text="b" xmlUrl="https://b.invalid/" feedwire:name="b"/>"#), "{opml}");
    // What has the name of another feed does not have its title.
    home.configure(&text.replace("/a\"", "/other\""));
    assert!(export().await.1.contains(r#"text="a" xmlUrl"#));
    home.configure(&text);
    drop(daemon);
    let (code, opml) = export().await;
    assert!(code == 0 && opml.contains(&format!(r#"text="a" xmlUrl="{url}""#)), "{opml}");
}

/// What other readers are not told: settings, but not those that say what would be without them. No secret is looked for.
#[test]
fn what_opml_cannot_carry_is_said() {
    let text = "[feeds.a]\nurl = \"https://a.ua/\"\ninterval = \"5m\"\nheaders = { X = { env = \"NONE\" } }\n\
                [feeds.b]\nurl = \"https://b.ua/\"\nbacklog = \"none\"\ninsecure = false\ncontent = \"feed\"\n\
                [feeds.c]\nurl = \"https://c.ua/\"\nauth.bearer = { credential = \"none\" }\nbacklog = 3\n";
    let (opml, said, code) = feedwire(home(text).path(), &["opml", "export"], b"");
    assert_eq!(said, "feedwire: OPML has no place for the settings of 2 feeds: a (interval, headers), c (backlog, auth)\n");
    assert_eq!((opml.matches("xmlUrl").count(), code), (3, 0));
    let many: String = (0..10).map(|n| format!("[feeds.f{n}]\nurl = \"https://a.ua/{n}\"\ninterval = \"5m\"\n")).collect();
    let (_, said, _) = feedwire(home(&many).path(), &["opml", "export"], b"");
    assert!(said.contains(" 10 feeds: f0 (interval), ") && said.ends_with("f7 (interval) and 2 more\n"), "{said}");
}

#[test]
fn ten_thousand_outlines() {
    let outline =
        |n: usize| format!("<outline text='Стрічка {n}'><outline text='Новини' xmlUrl='https://h{}.ua/rss/{n}'/></outline>", n % 100);
    let text: String = (0..10_000).map(outline).collect();
    let home = home("");
    let (out, _, code) = feedwire(home.path(), &["opml", "import"], format!("<opml>{text}</opml>").as_bytes());
    assert_eq!((out.matches("[feeds.").count(), code), (10_000, 0));
}
