//! What is too much, and what takes too long.

use super::*;

#[tokio::test]
async fn p87_a_body_is_bounded_as_sent_and_as_decompressed() {
    assert_eq!(body_of(ok("", &vec![b'x'; 100_001])).await, Err(PollError::TooLarge(100_000)));
    let endless = [b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b'x'; 200_000]].concat();
    assert_eq!(body_of(endless).await, Err(PollError::TooLarge(100_000)));
    assert_eq!(body_of(ok("", &vec![b'x'; 100_000])).await.map(|body| body.len()), Ok(100_000));
    // 2 GB in 2 MB.
    let bomb = gzip(&vec![0; 10 << 20]).repeat(200);
    let server = Canned::serving(vec![ok("content-encoding: gzip\r\n", &bomb)]).await;
    let settings = Settings { allow_private: vec!["127.0.0.0/8".parse().unwrap()], ..Settings::default() };
    let result = Fetcher::new(&settings).unwrap().fetch(&server.url("/"), &Arc::default()).await;
    assert_eq!(result, Err(PollError::TooLarge(10 << 20)));
}

/// A server on which nothing is heard of what is asked; it sends `first` and then `again` for as long as somebody listens.
async fn sending(first: &'static [u8], again: Vec<u8>, pause: Duration) -> (String, tokio::task::JoinHandle<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let sent = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        // What was not read would reset the connection.
        let mut request = vec![];
        while !request.ends_with(b"\r\n\r\n") {
            request.push(socket.read_u8().await.unwrap());
        }
        socket.write_all(first).await.unwrap();
        let mut sent = 0;
        while socket.write_all(&again).await.is_ok() {
            sent += again.len();
            tokio::time::sleep(pause).await;
        }
        sent
    });
    (url, sent)
}

/// A byte now and then keeps every read alive, and so do interim answers: only the deadline for the whole ends them.
#[tokio::test]
async fn p89_p91_what_never_ends_is_ended_by_the_deadline() {
    let drip: (&[u8], &[u8], _) = (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"1\r\nx\r\n", Duration::from_millis(20));
    let hints: (&[u8], &[u8], _) = (b"", b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n", Duration::ZERO);
    let silence: (&[u8], &[u8], _) = (b"", b"", Duration::from_millis(20));
    for (first, again, pause) in [drip, hints, silence] {
        let (url, _server) = sending(first, again.to_vec(), pause).await;
        let from = Instant::now();
        let error = fetcher(200, &["127.0.0.0/8"]).fetch(&url, &Arc::default()).await.unwrap_err();
        assert_eq!(error, PollError::Timeout(Duration::from_millis(200)));
        assert!(from.elapsed() < Duration::from_secs(5));
    }
}

#[tokio::test]
async fn p90_headers_are_bounded_in_number_and_size() {
    let with = |n: usize| body_of(ok(&"a: b\r\n".repeat(n), b"x"));
    assert_eq!(with(97).await, Ok("x".into()), "100 with those of every answer");
    let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(2_000_000)).into_bytes();
    for result in [with(98).await, body_of(long).await] {
        assert!(matches!(result, Err(PollError::Lost(_))), "{result:?}");
    }
    let lines = b"name: value\r\n".repeat(1000);
    let (url, sent) = sending(b"HTTP/1.1 200 OK\r\n", lines, Duration::ZERO).await;
    let error = fetcher(5000, &["127.0.0.0/8"]).fetch(&url, &Arc::default()).await.unwrap_err();
    assert!(matches!(error, PollError::Lost(_)), "at once, not at the deadline: {error:?}");
    assert!(sent.await.unwrap() < 16 << 20, "what the buffers of the sockets hold");
}
