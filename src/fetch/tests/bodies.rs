//! Bodies as servers send them: compressed, cut, or empty.

use super::*;

#[tokio::test]
async fn p70_p71_p72_p88_compressed_bodies() {
    let body = |headers: &str, bytes: &[u8]| body_of(ok(headers, bytes));
    let brotli = [0x0b, 0x02, 0x80, b'h', b'e', b'l', b'l', b'o', 0x03];
    assert_eq!(body("content-encoding: gzip\r\n", &gzip(b"hello")).await, Ok("hello".into()));
    assert_eq!(body("content-encoding: gzip\r\n", &[gzip(b"hel"), gzip(b"lo")].concat()).await, Ok("hello".into()));
    for label in ["X-GZIP", "x-gzip", "GZIP", "gzip, identity"] {
        assert_eq!(body(&format!("content-encoding: {label}\r\n"), &gzip(b"hello")).await, Ok("hello".into()), "{label}");
    }
    assert_eq!(body("content-encoding: gzip, gzip\r\n", &gzip(&gzip(b"hello"))).await, Ok("hello".into()));
    assert_eq!(body("content-encoding: gzip\r\n", &gzip(&gzip(b"hello"))).await, Ok("hello".into()));
    assert_eq!(body("", &gzip(b"hello")).await, Ok("hello".into()));
    assert_eq!(body("content-encoding: gzip\r\n", b"hello").await, Ok("hello".into()));
    assert_eq!(body("content-encoding: br\r\n", &brotli).await, Ok("hello".into()));
    let large_window = [0x11, 0x1e, 0x02, 0x80, b'h', b'e', b'l', b'l', b'o', 0x03];
    assert_eq!(body("content-encoding: br\r\n", &large_window).await, Err(PollError::Broken("brotli with a large window".into())));
    for label in ["zstd", "deflate", "gzip, gzip, gzip"] {
        let refused = body(&format!("content-encoding: {label}\r\n"), b"x").await;
        assert!(matches!(refused, Err(PollError::Broken(_))), "{label}: {refused:?}");
    }
}

/// A bomb in a bomb in a bomb: what is left after two layers is no feed.
#[tokio::test]
async fn p71_no_more_than_two_layers_are_undone() {
    let server = Canned::serving(vec![ok("", &gzip(&gzip(&gzip(b"hello"))))]).await;
    let Content::Body { bytes, .. } = get(&server, "/").await.unwrap().content else { panic!("304") };
    assert_eq!(bytes, gzip(b"hello"));
}

#[tokio::test]
async fn p71_what_cannot_be_decompressed_is_a_failure_of_its_own() {
    let mut damaged = gzip(&b"hello ".repeat(100));
    let checksum = damaged.len() - 8;
    damaged[checksum] ^= 1;
    for (label, bytes) in [("gzip", damaged.as_slice()), ("br", b"\xff\xff\xff\xff no brotli"), ("", &damaged)] {
        let error = body_of(ok(&format!("content-encoding: {label}\r\n"), bytes)).await.unwrap_err();
        assert!(matches!(error, PollError::Undecodable(_)), "{label}: {error:?}");
    }
}

#[tokio::test]
async fn p68_p73_a_body_that_ends_early_or_is_empty_is_a_failure() {
    let whole = gzip(&b"hello ".repeat(100));
    let cut = ok("content-encoding: gzip\r\n", &whole[..whole.len() - 9]);
    let short = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\nconnection: close\r\n\r\nhalf".to_vec();
    let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n4\r\nhalf\r\n".to_vec();
    for response in [cut, short, chunked, ok("", b""), ok("content-encoding: gzip\r\n", &gzip(b""))] {
        let result = body_of(response).await;
        assert!(matches!(result, Err(PollError::Lost(_) | PollError::Broken(_))), "{result:?}");
    }
}

/// Nothing in HTTP tells it; the document does (`domain::plan`).
#[tokio::test]
async fn p69_a_body_of_http_1_0_ends_where_the_connection_does() {
    assert_eq!(body_of(b"HTTP/1.0 200 OK\r\n\r\n<rss><chan".to_vec()).await, Ok("<rss><chan".into()));
}
