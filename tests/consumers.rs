//! Consumers that are stuck, slow, hostile or gone for a while, and a disk that is full: what is theirs waits, and nobody else does.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::support::{Gate, Home, Origin, Publisher, Receiver, Reply};

fn feed(name: &str, publisher: &Publisher) -> String {
    format!("[feeds.{name}]\nurl = {:?}\ninterval = \"100ms\"\nbacklog = \"all\"\n", publisher.url())
}

fn hook(receiver: &Receiver) -> String {
    format!("[sinks.hook.webhook]\nurl = {:?}\n", receiver.url("/"))
}

/// Promise 6, within one sink.
#[tokio::test]
async fn d13_a_lane_that_is_stuck_holds_up_no_other_of_its_sink() {
    let (origin, receiver) = (Origin::start().await, Receiver::start().await);
    let (a, b) = (Publisher::new(&origin, "/a"), Publisher::new(&origin, "/b"));
    b.publish(1);
    let home = Home::new(&(feed("a", &a) + &feed("b", &b) + &hook(&receiver)));
    let _daemon = home.start().await;
    // A sink begins with one attempt at a time; it has shown itself now.
    receiver.acknowledged(1).await;
    let gate = Gate::shut();
    receiver.answer_when(|arrival| arrival.event.feed() == "a", Reply::status(204).held(&gate));
    a.publish(3);
    b.publish(4);
    let of = |feed: &'static str| move |all: &[crate::support::Arrival]| all.iter().filter(|arrival| arrival.event.feed() == feed).count();
    let seen = receiver.until("all of the other lane, and the one that is stuck", |all| of("b")(all) == 5 && of("a")(all) > 0).await;
    assert_eq!(of("a")(&seen), 1);
    gate.open();
    receiver.acknowledged(8).await;
}

/// A wrong token, a moved path, a proxy in trouble: whatever a consumer says of itself, nothing is given up.
#[tokio::test]
async fn d28_whatever_a_consumer_answers_of_itself_nothing_is_given_up() {
    let (origin, receiver) = (Origin::start().await, Receiver::start().await);
    let publisher = Publisher::new(&origin, "/feed");
    publisher.publish(3);
    let answers = [301, 304, 401, 402, 403, 404, 405, 407, 408, 409, 421, 423, 425, 429, 451, 500, 501, 502, 503, 504, 599];
    // Three times: so often a refused message would be tried.
    for status in answers.iter().flat_map(|status| [*status; 3]) {
        receiver.answer_once(Reply::status(status));
    }
    let home = Home::new(&(feed("a", &publisher) + &hook(&receiver))).retry("1ms");
    let daemon = home.start().await;
    receiver.acknowledged(3).await;
    let order: Vec<_> = receiver.accepted().iter().map(|arrival| arrival.event.entry_id().to_owned()).collect();
    assert_eq!((order, receiver.arrivals().len()), (publisher.published(), answers.len() * 3 + 3));
    assert!(!daemon.stderr.all().iter().any(|line| line.contains("dead letter")));
}

/// What a hostile consumer does to one request, by its number; says how many bytes went out before the other side had enough.
async fn hostile(mut socket: TcpStream, n: usize) -> usize {
    let mut request = [0; 1 << 16];
    assert!(socket.read(&mut request).await.unwrap() > 0);
    let (head, rest, pause): (&[u8], &[u8], _) = match n {
        0 => (b"HTTP/1.1 204 No Content\r\n", b"x-more: y\r\n", Duration::ZERO),
        1 => (b"HTTP/1.1 204 No Content\r\nx-slow: ", b"y", Duration::from_millis(20)),
        2 => (b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 1073741824\r\n\r\n", &[b'x'; 1 << 16], Duration::ZERO),
        3 => (b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 1073741824\r\n\r\n", b"x", Duration::from_millis(20)),
        _ => (b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n", b"", Duration::ZERO),
    };
    if rest.is_empty() {
        drop(socket.write_all(head).await);
        return 0;
    }
    let (mut sent, mut piece) = (0, head);
    while socket.write_all(piece).await.is_ok() && sent < 1 << 30 {
        sent += piece.len();
        piece = rest;
        tokio::time::sleep(pause).await;
    }
    sent
}

#[tokio::test]
async fn d29_an_answer_without_end_is_cut_and_tried_again() {
    let origin = Origin::start().await;
    let publisher = Publisher::new(&origin, "/feed");
    publisher.publish(1);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let sink = format!("[sinks.hook.webhook]\nurl = \"http://{}/\"\ntimeout = \"500ms\"\n", listener.local_addr().unwrap());
    let home = Home::new(&(feed("a", &publisher) + &sink)).retry("1ms");
    let _daemon = home.start().await;
    let (ended, mut visits) = mpsc::channel(8);
    tokio::spawn(async move {
        for n in 0..5 {
            let (socket, _) = listener.accept().await.unwrap();
            let ended = ended.clone();
            tokio::spawn(async move { ended.send((n, hostile(socket, n).await)).await });
        }
    });
    let from = Instant::now();
    let mut seen = vec![];
    for _ in 0..5 {
        let visit = tokio::time::timeout(Duration::from_secs(20), visits.recv()).await;
        let (n, sent) = visit.unwrap_or_else(|_| panic!("an answer goes on and on; ended have {seen:?}")).unwrap();
        // Megabytes lie in the sockets between the two.
        assert!(sent < 64 << 20, "{sent} bytes of answer {n}");
        seen.push(n);
    }
    seen.sort_unstable();
    assert_eq!(seen, [0, 1, 2, 3, 4]);
    assert!(from.elapsed() < Duration::from_secs(20), "{:?}", from.elapsed());
}

/// A sink's name is its identity: what waits for it waits for its return.
#[tokio::test]
async fn d37_a_sink_that_is_removed_and_comes_back_gets_what_waited() {
    let (origin, receiver) = (Origin::start().await, Receiver::start().await);
    let publisher = Publisher::new(&origin, "/feed");
    publisher.publish(3);
    receiver.down().await;
    let without = feed("a", &publisher) + "[sinks.out.stdout]\n";
    let with = without.clone() + &hook(&receiver);
    let home = Home::new(&with).retry("1ms");
    let mut daemon = home.start().await;
    daemon.printed(3).await;

    home.configure(&without);
    daemon.hup();
    daemon.ready(2).await;
    receiver.up().await;
    publisher.publish(1);
    daemon.printed(4).await;
    publisher.read().await;
    daemon.terminate().await;
    let daemon = home.start().await;
    publisher.read().await;
    assert_eq!(receiver.arrivals().len(), 0);

    home.configure(&with);
    daemon.hup();
    daemon.ready(2).await;
    receiver.acknowledged(3).await;
    publisher.publish(1);
    receiver.acknowledged(4).await;
    let came: Vec<_> = receiver.arrivals().iter().map(|arrival| arrival.event.entry_id().to_owned()).collect();
    let mut expected = publisher.published();
    // Published while nobody wanted it.
    expected.remove(3);
    assert_eq!(came, expected);
}

/// A file that may not grow fails as a full disk does, and can be let grow again.
#[tokio::test]
async fn d7_a_full_disk_loses_nothing_and_is_got_over_without_a_restart() {
    let (origin, receiver) = (Origin::start().await, Receiver::start().await);
    let publishers: Vec<_> = (0..4).map(|n| Publisher::new(&origin, &format!("/{n}")).window(100_000)).collect();
    let feeds: String = publishers.iter().enumerate().map(|(n, publisher)| feed(&format!("f{n}"), publisher)).collect();
    let home = Home::new(&(feeds + &hook(&receiver))).retry("1ms").ulimit("-Sf 3000 && trap '' XFSZ");
    let daemon = home.start().await;
    let client = feedwire::http::over_socket(&home.path("state/control.sock"), Duration::from_secs(5)).unwrap();
    let ready = async || client.get("http://feedwire/readyz").send().await.unwrap().status().as_u16();
    let full = daemon.stderr.until("polling to wait", |all| all.iter().find(|line| line.contains("Polling waits")).cloned());
    tokio::pin!(full);
    loop {
        for publisher in &publishers {
            publisher.publish(10);
        }
        tokio::select! {
            _ = &mut full => break,
            () = publishers[0].read() => {}
        }
    }
    // Nothing is polled now: that of these nothing has arrived says that the disk is full.
    publishers.iter().for_each(|publisher| publisher.publish(1));
    let published: usize = publishers.iter().map(|publisher| publisher.published().len()).sum();
    assert!(receiver.accepted().len() < published, "the disk was never full");
    assert_eq!(ready().await, 503);

    let unlimited = Rlimit { current: None, maximum: None };
    prlimit(Pid::from_raw(i32::try_from(daemon.pid()).unwrap()), Resource::Fsize, unlimited).unwrap();
    receiver.acknowledged(published).await;
    assert_eq!(ready().await, 200);
    for (n, publisher) in publishers.iter().enumerate() {
        let lane: Vec<_> = receiver.by_lane()[&format!("f{n}")].iter().map(|arrival| arrival.event.entry_id().to_owned()).collect();
        let mut different = lane.clone();
        different.dedup();
        assert_eq!(different, publisher.published());
    }
}
