//! Where redirects lead, and where not.

use super::*;

#[tokio::test]
async fn p55_p56_redirects_that_cannot_be_followed() {
    let refuse = |location: &'static str| async move {
        let hop = answer(&format!("302 Found\r\n{location}x: y"), b"");
        get(&Canned::serving(vec![hop; 10]).await, "/").await.unwrap_err().to_string()
    };
    assert_eq!(refuse("").await, "bad redirect: 302 without a Location");
    assert_eq!(refuse("location: file:///etc/passwd\r\n").await, "bad redirect: 302 to a file URL");
    assert_eq!(refuse("location: http://[bad\r\n").await, "bad redirect: 302 to no URL");
    assert_eq!(refuse("location: /\r\n").await, "bad redirect: 302 in a circle");
    assert_eq!(refuse("location: http://10.0.0.1/\r\n").await, "10.0.0.1 is not a public address; allow_private can permit it");
    let server = Canned::serving((0..10).map(|n| answer(&format!("302 Found\r\nlocation: /{n}"), b"")).collect()).await;
    assert_eq!(get(&server, "/x").await.unwrap_err().to_string(), "bad redirect: 302 after 5 others");
    assert_eq!(server.asked().await.len(), 6);
}

#[tokio::test]
async fn p58_p59_user_info_and_fragments_of_a_location_go_nowhere() {
    let there = Canned::serving(vec![ok("etag: e\r\n", b"x")]).await;
    let location = there.url("/x?a=1#part").replace("://", "://me:pw@");
    let server = Canned::serving(vec![answer(&format!("302 Found\r\nlocation: {location}"), b"")]).await;
    let answer = get(&server, "/feed#fragment").await.unwrap();
    assert_eq!(answer.validators.url, there.url("/x?a=1"));
    let asked = there.asked().await;
    assert!(asked[0].starts_with("get /x?a=1 http/1.1\r\n") && !asked[0].contains("authorization"), "{asked:?}");
}
