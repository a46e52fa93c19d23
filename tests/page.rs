//! The status page, as it comes over the wire and as a browser shows it.

use std::time::{Duration, Instant};

use crate::support::pages::{address, ask, client, page};
use crate::support::{Article, Browser, Home, Origin, Publisher, Receiver, Reply};

const ADMIN: &str = "[sinks.out.stdout]\n[admin]\nlisten = \"127.0.0.1:0\"\n";

/// What a publisher may try.
const HOSTILE: &str = "<script>document.title='owned'</script>\"><img src=x onerror=\"document.title='owned'\">\u{202e}їжа";

/// The same as RSS, where a title is HTML: what is to be seen as markup is escaped.
fn written(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn feed(name: &str, publisher: &Publisher) -> String {
    format!("[feeds.{name}]\nurl = {:?}\ninterval = \"100ms\"\nbacklog = \"all\"\n", publisher.url())
}

fn failing(name: &str, origin: &Origin) -> String {
    format!("[feeds.{name}]\nurl = \"{}?key=S3CRET\"\ntags = [\"odd\"]\n", origin.url("/nothing"))
}

#[tokio::test]
async fn the_page_shows_feeds_sinks_and_entries() {
    let origin = Origin::start().await;
    let publisher = Publisher::new(&origin, "/feed");
    publisher.publish(2);
    publisher.publish_article(Article { title: written(HOSTILE), url: "javascript:alert(1)".into(), ..Article::number(3) });
    let receiver = Receiver::start().await;
    receiver.answer(Reply::status(500));
    let sink = format!("[sinks.partner.webhook]\nurl = {:?}\nsignature = \"none\"\n", receiver.url("/hook"));
    let home = Home::new(&(feed("a", &publisher) + &failing("broken", &origin) + &sink + ADMIN));
    let daemon = home.start().await;
    let address = address(&daemon).await;
    daemon.printed(3).await;
    origin.more_requests("/nothing", 2).await;
    let (status, html) = ask(&address, "/").await;
    assert_eq!(status, 200);
    for words in [
        "Стаття 1",
        "Стаття 2",
        "Новини",
        "&lt;script&gt;",
        "їжа",
        "<bdi class=\"name\">partner</bdi>",
        "state failing",
        "3 posts in 14 days",
    ] {
        assert!(html.contains(words), "{words}: {html}");
    }
    for words in ["<script>", "<img", "javascript:", "\u{202e}", "S3CRET"] {
        assert!(!html.contains(words), "{words}: {html}");
    }
    let (_, odd) = ask(&address, "/?tag=odd&state=failing").await;
    assert!(odd.contains("broken") && !odd.contains("Новини</bdi></a><p"), "{odd}");
    assert!(ask(&address, "/?q=nobody").await.1.contains("No feed is like that."));
    assert_eq!(ask(&address, "/?page=x").await, (400, "page=\"x\" is no number from 1 on\n".into()));
    let sinks = page(&address, "/v1/sinks").await;
    let partner = sinks["sinks"].as_array().unwrap().iter().find(|sink| sink["id"] == "partner").unwrap();
    assert_eq!((&partner["state"], &partner["kind"], &partner["waiting"]), (&"failing".into(), &"webhook".into(), &3.into()));
    for field in ["oldest_waiting", "failing_since", "next_attempt"] {
        assert!(partner[field].as_str().is_some_and(|at| at.ends_with('Z')), "{field}: {partner}");
    }
    let feeds = page(&address, "/v1/feeds?posts=true").await;
    let posts: Vec<_> = feeds["feeds"][0]["posts"].as_array().unwrap().iter().map(|posts| posts.as_u64().unwrap()).collect();
    assert_eq!((posts.len(), posts.iter().sum::<u64>()), (14, 3), "{feeds}");
}

#[tokio::test]
async fn a_browser_may_do_with_the_page_what_it_needs_and_no_more() {
    let home = Home::new(&format!("[feeds.a]\nurl = \"https://feed.invalid/rss\"\n{ADMIN}"));
    let daemon = home.start().await;
    let address = address(&daemon).await;
    for (path, kind) in
        [("/", "text/html; charset=utf-8"), ("/page.css", "text/css; charset=utf-8"), ("/page.js", "text/javascript; charset=utf-8")]
    {
        let answer = client().get(format!("http://{address}{path}")).send().await.unwrap();
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        assert_eq!((answer.status().as_u16(), header("content-type")), (200, kind.into()));
        let policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; \
                      form-action 'self'; frame-ancestors 'none'";
        assert_eq!(header("content-security-policy"), policy, "{path}");
        assert_eq!((header("x-content-type-options"), header("referrer-policy")), ("nosniff".into(), "no-referrer".into()), "{path}");
        assert_eq!(header("cache-control"), "no-store", "{path}");
        let stranger = client().get(format!("http://{address}{path}")).header("host", "evil.example").send().await.unwrap();
        assert_eq!(stranger.status().as_u16(), 421, "{path}");
    }
    let socket = feedwire::http::over_socket(&home.path("state/control.sock"), Duration::from_secs(30)).unwrap();
    assert_eq!(socket.get("http://feedwire/").send().await.unwrap().status().as_u16(), 200);
}

/// A few, of which all is read for every page, and so many that what they are called is kept for a while.
#[tokio::test]
async fn many_feeds_come_a_hundred_at_a_time() {
    for (many, pages) in [(250, 3), (1250, 13)] {
        let feed = |n: u32| format!("[feeds.feed-{n:04}]\nurl = \"https://feed.invalid/{n}\"\ninterval = \"1d\"\n");
        let home = Home::new(&((0..many).map(feed).collect::<String>() + ADMIN));
        let daemon = home.start().await;
        let address = address(&daemon).await;
        let (_, html) = ask(&address, &format!("/?page={pages}&q=feed-")).await;
        let rows = html.matches("<bdi class=\"name\">feed-").count();
        let has = |n: u32| html.contains(&format!("feed-{n:04}"));
        let found = html.contains(&format!("feeds, page {pages} of {pages}"));
        assert_eq!((rows, found, has(many - 1), has(many - 51)), (50, true, true, false), "{many}");
        let previous = format!("<a rel=\"prev\" href=\"&#x2f;?q=feed-&amp;page={}\">", pages - 1);
        assert!(html.contains(&previous), "{html}");
        // How they fare is seen at once all the same.
        assert_eq!(home.ctl(&["pause", "feed-0007"]).await.0, 0);
        let (_, html) = ask(&address, "/?state=paused").await;
        assert_eq!(html.matches("<bdi class=\"name\">feed-0007").count(), 1, "{many}");
        assert_eq!(html.matches("<bdi class=\"name\">feed-").count(), 1, "{many}");
        // So is another set of feeds.
        home.configure(&((0..many - 1).map(feed).collect::<String>() + "[feeds.other]\nurl = \"https://feed.invalid/\"\n" + ADMIN));
        assert_eq!(home.ctl(&["reload"]).await.0, 0);
        let (_, html) = ask(&address, "/?q=other").await;
        assert_eq!(html.matches("<bdi class=\"name\">other").count(), 1, "{many}");
        let (_, html) = ask(&address, &format!("/?q=feed-{:04}", many - 1)).await;
        assert_eq!(html.matches("<bdi class=\"name\">feed-").count(), 0, "{many}");
    }
}

/// Scripts have run; what a publisher wrote is still text; what comes is seen without a reload.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs chromium: apt-get install chromium; run with --ignored"]
async fn a_browser_shows_what_comes_and_runs_nothing_of_it() {
    let origin = Origin::start().await;
    let publisher = Publisher::new(&origin, "/feed");
    publisher.publish_article(Article { title: written(HOSTILE), ..Article::number(1) });
    let home = Home::new(&(feed("a", &publisher) + ADMIN));
    let daemon = home.start().await;
    let address = address(&daemon).await;
    daemon.printed(1).await;
    let task = tokio::task::spawn_blocking(move || {
        let mut browser = Browser::start();
        browser.open(&format!("http://{address}/"));
        browser.until("document.querySelector('#live')?.textContent === 'Live'");
        // It is another document that says so later, should the page be loaded anew.
        browser.value("window.sameDocument = true");
        let title = "document.querySelector('#entries li a').textContent";
        assert_eq!(browser.value(title), HOSTILE.replace('\u{202e}', "").as_str());
        let begun = Instant::now();
        publisher.publish_article(Article { title: format!("Ґрунт {}", written(HOSTILE)), ..Article::number(2) });
        browser.until("document.querySelectorAll('#entries li').length === 2");
        // The stream has told of it: without, it would have been the 15 seconds after the first time.
        assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
        assert_eq!(browser.value(title), format!("Ґрунт {}", HOSTILE.replace('\u{202e}', "")).as_str());
        assert_eq!(browser.value("document.querySelector('#entries li').className"), "fresh");
        assert_eq!(browser.value("window.sameDocument && document.title"), "main · feedwire");
        assert_eq!(browser.value("document.querySelectorAll('main script, main img, [onerror]').length"), 0);
        // On a phone nothing is wider than the screen.
        browser.narrow(390);
        assert_eq!(browser.value("innerWidth"), 390);
        assert_eq!(browser.value("document.documentElement.scrollWidth <= innerWidth"), true);
        // Whoever injects a script after all is refused by the policy.
        browser.value("const s = document.createElement('script'); s.textContent = 'document.title = 1'; document.body.append(s)");
        assert_eq!(browser.value("document.title"), "main · feedwire");
    });
    task.await.unwrap();
}
