//! A scripted chat service.

use std::collections::VecDeque;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::Bytes;
use hyper::{HeaderMap, Request, Response};
use serde_json::Value;

use super::record::Record;
use super::server::{Script, Server};

/// A chat service inside the test. It records every request in the order of arrival and answers with 200 and what it was opened with,
/// unless it was told to answer once with something else.
pub struct Service {
    requests: Record<Call>,
    queued: Arc<Mutex<VecDeque<Reply>>>,
    server: Server,
}

/// Status and body; nothing hangs up.
type Reply = Option<(u16, String)>;

/// One request.
#[derive(Clone, Debug)]
pub struct Call {
    /// Its method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// All headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// When it was complete.
    pub at: Instant,
}

impl Call {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("not JSON: {e}: {self:?}"))
    }
}

impl Service {
    /// Listens on a free port and answers like this.
    pub async fn start(answer: &str) -> Self {
        let (requests, queued, standing) = (Record::default(), Arc::new(Mutex::<VecDeque<_>>::default()), answer.to_owned());
        let server = Server::start(Ipv4Addr::LOCALHOST, {
            let (requests, queued) = (requests.clone(), Arc::clone(&queued));
            move |request: Request<Bytes>| {
                let (head, body) = request.into_parts();
                let (method, target) = (head.method.to_string(), head.uri.to_string());
                let next = queued.lock().unwrap().pop_front().unwrap_or_else(|| Some((200, standing.clone())));
                requests.push(Call { method, target, headers: head.headers, body, at: Instant::now() });
                async { respond(next) }
            }
        });
        Self { server: server.await, requests, queued }
    }

    /// Answers the next request like this, after those queued before.
    pub fn answer_once(&self, status: u16, body: &str) {
        self.queued.lock().unwrap().push_back(Some((status, body.into())));
    }

    /// Takes the next request, after those queued before, and hangs up instead of an answer.
    pub fn lose_once(&self) {
        self.queued.lock().unwrap().push_back(None);
    }

    /// The absolute URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address)
    }

    /// Waits for `n` requests; returns all that are there.
    pub async fn received(&self, n: usize) -> Vec<Call> {
        self.requests.until(format!("{n} requests"), move |all| (all.len() >= n).then(|| all.to_vec())).await
    }

    /// How many requests there were so far.
    pub fn count(&self) -> usize {
        self.requests.all().len()
    }
}

fn respond(next: Reply) -> Response<Script> {
    let Some((status, body)) = next else {
        let (sender, script) = Script::new();
        sender.try_send(Err(io::Error::other("hung up"))).expect("room for one");
        return Response::builder().header("content-length", "1000").body(script).unwrap();
    };
    Response::builder().status(status).body(Script::whole(body.into())).unwrap()
}
