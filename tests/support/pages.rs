//! The pages of a running daemon, as their readers see them.

use reqwest::Client;
use serde_json::Value;

use super::daemon::Daemon;

/// Where a daemon serves its pages.
pub async fn address(daemon: &Daemon) -> String {
    daemon.stderr.until("the address", |all| all.iter().find_map(|l| l.split_once("listen=").map(|(_, a)| a.to_owned()))).await
}

/// A client of the kind that the program has.
pub fn client() -> Client {
    feedwire::http::builder(1).build().unwrap()
}

/// Status and text of a page.
pub async fn ask(address: &str, path: &str) -> (u16, String) {
    let answer = client().get(format!("http://{address}{path}")).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// A page that is JSON.
pub async fn page(address: &str, path: &str) -> Value {
    let (status, text) = ask(address, path).await;
    assert_eq!(status, 200, "{path}: {text}");
    serde_json::from_str(&text).unwrap()
}

/// The text at a JSON pointer (RFC 6901).
pub fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no text at {pointer} of {value}"))
}
