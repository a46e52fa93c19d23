//! A scripted webhook consumer.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::future::Future;
use std::net::Ipv4Addr;
use std::panic::Location;
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, Request, Response, StatusCode};
use serde_json::Value;

use super::event::Event;
use super::record::{Gate, Record};
use super::server::{Script, Server};

/// A webhook consumer inside the test. It records every POST in the order of arrival and answers 204, or what it was told to. It
/// checks what every consumer may rely on (a POST of JSON, `webhook-id` equal to the event's id, one request at a time in a lane, a
/// valid signature if it has a secret); whoever waits on it panics at the first breach.
pub struct Receiver {
    desk: Arc<Desk>,
    server: Server,
}

struct Desk {
    secret: Option<String>,
    arrivals: Record<Arrived>,
    standing: Mutex<Reply>,
    queued: Mutex<VecDeque<Reply>>,
    rules: Mutex<Vec<(Predicate, Reply)>>,
    busy: Mutex<BTreeSet<String>>,
}

type Predicate = Box<dyn Fn(&Arrival) -> bool + Send>;

/// An arrival, or what was wrong with it.
type Arrived = Result<Arrival, String>;

/// One POST.
#[derive(Clone)]
pub struct Arrival {
    /// The path it came to.
    pub path: String,
    /// All headers.
    pub headers: HeaderMap,
    /// The body, byte for byte.
    pub body: Bytes,
    /// The body, read.
    pub event: Event,
    /// When it was complete, on the clock that only goes forward.
    pub at: Instant,
    /// When it was complete, on the clock on the wall.
    pub received: SystemTime,
    /// What it was answered with, or will be once a gate opens.
    pub status: u16,
}

impl Arrival {
    /// `webhook-id`.
    pub fn id(&self) -> &str {
        self.header("webhook-id")
    }

    /// `webhook-timestamp`, in seconds since the Unix epoch.
    pub fn timestamp(&self) -> u64 {
        self.header("webhook-timestamp").parse().expect("whole seconds")
    }

    /// A header that has to be there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name} in {:?}", self.headers)).to_str().unwrap()
    }

    /// The same; nothing if it was not sent.
    pub fn header_or_empty(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Whether it was answered 2xx.
    pub fn accepted(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

impl fmt::Debug for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let title = self.event.0.pointer("/data/entry/title").unwrap_or(&Value::Null);
        write!(f, "{} {} of {}: {title} -> {}", self.id(), self.event.kind(), self.event.lane(), self.status)
    }
}

/// What is answered to a POST.
#[derive(Clone, Debug)]
pub struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    held: Option<Gate>,
}

impl Reply {
    /// A status.
    pub fn status(status: u16) -> Self {
        Self { status: StatusCode::from_u16(status).expect("a status code"), headers: HeaderMap::new(), held: None }
    }

    /// With a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
        self
    }

    /// Not before the gate opens.
    pub fn held(self, gate: &Gate) -> Self {
        Self { held: Some(gate.clone()), ..self }
    }
}

impl Receiver {
    /// Listens on a free port.
    pub async fn start() -> Self {
        Self::open(None).await
    }

    /// Listens on a free port and verifies every delivery with this `whsec_…`.
    pub async fn verifying(secret: &str) -> Self {
        Self::open(Some(secret.into())).await
    }

    async fn open(secret: Option<String>) -> Self {
        let desk = Arc::new(Desk {
            secret,
            arrivals: Record::default(),
            standing: Mutex::new(Reply::status(204)),
            queued: Mutex::default(),
            rules: Mutex::default(),
            busy: Mutex::default(),
        });
        let server = Server::start(Ipv4Addr::LOCALHOST, {
            let desk = Arc::clone(&desk);
            move |request| Arc::clone(&desk).handle(request)
        });
        Self { server: server.await, desk }
    }

    /// The absolute URL of a path; all paths are answered alike.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address)
    }

    /// Answers like this from now on, unless something below says otherwise.
    pub fn answer(&self, reply: Reply) {
        *self.desk.standing.lock().unwrap() = reply;
    }

    /// Answers the next POST that no rule takes like this, after those queued before.
    pub fn answer_once(&self, reply: Reply) {
        self.desk.queued.lock().unwrap().push_back(reply);
    }

    /// Answers every POST that the predicate holds for like this; the first such rule wins, before queue and standing answer.
    pub fn answer_when(&self, rule: impl Fn(&Arrival) -> bool + Send + 'static, reply: Reply) {
        self.desk.rules.lock().unwrap().push((Box::new(rule), reply));
    }

    /// Forgets the rules.
    pub fn clear_rules(&self) {
        self.desk.rules.lock().unwrap().clear();
    }

    /// Closes the port.
    pub async fn down(&self) {
        self.server.down().await;
    }

    /// Listens on the same port again.
    pub async fn up(&self) {
        self.server.up().await;
    }

    /// All POSTs so far, in the order of arrival.
    #[track_caller]
    pub fn arrivals(&self) -> Vec<Arrival> {
        let caller = Location::caller();
        let sound = |arrived: Arrived| arrived.unwrap_or_else(|breach| panic!("{caller}: {breach}"));
        self.desk.arrivals.all().into_iter().map(sound).collect()
    }

    /// Those that were answered 2xx.
    #[track_caller]
    pub fn accepted(&self) -> Vec<Arrival> {
        self.arrivals().into_iter().filter(Arrival::accepted).collect()
    }

    /// The `webhook-id` of all POSTs, in the order of arrival.
    #[track_caller]
    pub fn ids(&self) -> Vec<String> {
        self.arrivals().iter().map(|arrival| arrival.id().into()).collect()
    }

    /// All POSTs by `data.feed.id`, each lane in the order of arrival.
    #[track_caller]
    pub fn by_lane(&self) -> BTreeMap<String, Vec<Arrival>> {
        let mut lanes = BTreeMap::<_, Vec<_>>::new();
        for arrival in self.arrivals() {
            lanes.entry(arrival.event.lane().to_owned()).or_default().push(arrival);
        }
        lanes
    }

    /// Waits for `n` POSTs, however answered; returns all that are there.
    #[track_caller]
    pub fn received(&self, n: usize) -> impl Future<Output = Vec<Arrival>> {
        self.until(format!("{n} deliveries"), move |all| all.len() >= n)
    }

    /// Waits for `n` POSTs that were answered 2xx; returns all of those that are there.
    #[track_caller]
    pub fn acknowledged(&self, n: usize) -> impl Future<Output = Vec<Arrival>> {
        let enough = self.until(format!("{n} acknowledged deliveries"), move |all| all.iter().filter(|a| a.accepted()).count() >= n);
        async { enough.await.into_iter().filter(Arrival::accepted).collect() }
    }

    /// Waits until the predicate holds for all POSTs so far; returns them.
    #[track_caller]
    pub fn until(&self, what: impl Into<String>, enough: impl Fn(&[Arrival]) -> bool) -> impl Future<Output = Vec<Arrival>> {
        let caller = Location::caller();
        let found = self.desk.arrivals.until(what, move |all| match all.iter().cloned().collect::<Result<Vec<_>, _>>() {
            Ok(sound) if enough(&sound) => Some(Ok(sound)),
            Ok(_) => None,
            Err(breach) => Some(Err(breach)),
        });
        async move { found.await.unwrap_or_else(|breach| panic!("{caller}: {breach}")) }
    }
}

impl Desk {
    async fn handle(self: Arc<Self>, request: Request<Bytes>) -> Response<Script> {
        let mut arrival = match self.check(request) {
            Ok(arrival) => arrival,
            Err(breach) => {
                self.arrivals.push(Err(breach));
                return respond(&Reply::status(400));
            }
        };
        let lane = Busy::enter(&self, arrival.event.lane());
        if lane.is_none() {
            self.arrivals.push(Err(format!("two requests at once in one lane: {arrival:?}")));
        }
        let reply = self.reply(&arrival);
        arrival.status = reply.status.as_u16();
        self.arrivals.push(Ok(arrival));
        if let Some(gate) = &reply.held {
            gate.passed().await;
        }
        // Before the answer goes out: the next request of the lane may come as soon as it has.
        drop(lane);
        respond(&reply)
    }

    fn check(&self, request: Request<Bytes>) -> Arrived {
        let (head, body) = request.into_parts();
        let breach = |what: &str| format!("{what}: {} {} {:?} {}", head.method, head.uri, head.headers, String::from_utf8_lossy(&body));
        if head.method != "POST" {
            return Err(breach("not a POST"));
        }
        let Ok(event) = serde_json::from_slice(&body).map(Event) else { return Err(breach("not JSON")) };
        let id = head.headers.get("webhook-id").and_then(|id| id.to_str().ok());
        if id.is_none() || id != event.0.pointer("/id").and_then(Value::as_str) {
            return Err(breach("webhook-id is not the event's id"));
        }
        if let Some(secret) = &self.secret {
            let webhook = standardwebhooks::Webhook::new(secret).expect("a whsec_ secret");
            webhook.verify(&body, &head.headers).map_err(|error| breach(&error.to_string()))?;
        }
        let path = head.uri.path().to_owned();
        Ok(Arrival { path, event, headers: head.headers, body, at: Instant::now(), received: SystemTime::now(), status: 0 })
    }

    fn reply(&self, arrival: &Arrival) -> Reply {
        let rules = self.rules.lock().unwrap();
        let ruled = rules.iter().find(|(rule, _)| rule(arrival)).map(|(_, reply)| reply.clone());
        let queued = || self.queued.lock().unwrap().pop_front();
        ruled.or_else(queued).unwrap_or_else(|| self.standing.lock().unwrap().clone())
    }
}

fn respond(reply: &Reply) -> Response<Script> {
    let mut response = Response::new(Script::whole(Bytes::new()));
    *response.status_mut() = reply.status;
    *response.headers_mut() = reply.headers.clone();
    response
}

/// A lane while a request of it is being answered, or until its client has hung up.
struct Busy {
    desk: Arc<Desk>,
    lane: String,
}

impl Busy {
    fn enter(desk: &Arc<Desk>, lane: &str) -> Option<Self> {
        let free = desk.busy.lock().unwrap().insert(lane.into());
        free.then(|| Self { desk: Arc::clone(desk), lane: lane.into() })
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.desk.busy.lock().unwrap().remove(&self.lane);
    }
}

mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

    /// Posts an event of a feed, signed; returns the status line, or nothing when the port is closed.
    async fn post(receiver: &Receiver, id: &str, feed: &str, secret: &str) -> Option<String> {
        let body = format!(r#"{{"id":"{id}","type":"entry.created","data":{{"feed":{{"id":"{feed}"}},"entry":{{"title":"t"}}}}}}"#);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let signature = standardwebhooks::Webhook::new(secret).unwrap().sign(id, now.cast_signed(), body.as_bytes()).unwrap();
        let request = format!(
            "POST /hook HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\nwebhook-id: {id}\r\n\
             webhook-timestamp: {now}\r\nwebhook-signature: v1,AAAA {signature}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = tokio::net::TcpStream::connect(receiver.server.address).await.ok()?;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer.split("\r\n").next().map(str::to_owned)
    }

    #[tokio::test]
    async fn rules_come_before_the_queue_and_the_queue_before_the_rest() {
        let receiver = Receiver::verifying(SECRET).await;
        receiver.answer(Reply::status(200));
        receiver.answer_once(Reply::status(503).header("Retry-After", "1"));
        receiver.answer_when(|arrival| arrival.event.lane() == "b", Reply::status(400));
        let mut statuses = Vec::new();
        for (id, feed) in [("evt_1", "b"), ("evt_2", "a"), ("evt_3", "a")] {
            statuses.push(post(&receiver, id, feed, SECRET).await.unwrap());
        }
        assert_eq!(statuses, ["HTTP/1.1 400 Bad Request", "HTTP/1.1 503 Service Unavailable", "HTTP/1.1 200 OK"]);
        assert_eq!(receiver.received(3).await.len(), 3);
        assert_eq!(receiver.ids(), ["evt_1", "evt_2", "evt_3"]);
        assert_eq!(receiver.acknowledged(1).await[0].id(), "evt_3");
        assert_eq!(receiver.by_lane()["a"].len(), 2);
        receiver.clear_rules();
        assert_eq!(post(&receiver, "evt_1", "b", SECRET).await.unwrap(), "HTTP/1.1 200 OK");
    }

    #[tokio::test]
    #[should_panic(expected = "signature invalid")]
    async fn a_wrong_signature_fails_the_test() {
        let receiver = Receiver::verifying(SECRET).await;
        post(&receiver, "evt_1", "a", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").await;
        receiver.received(2).await;
    }

    #[tokio::test]
    #[should_panic(expected = "two requests at once in one lane")]
    async fn an_overlap_in_a_lane_fails_the_test() {
        let receiver = Receiver::start().await;
        let gate = Gate::shut();
        receiver.answer(Reply::status(200).held(&gate));
        let (_, _, _) = tokio::join!(post(&receiver, "evt_1", "a", SECRET), post(&receiver, "evt_2", "a", SECRET), async {
            receiver.received(2).await;
        });
    }

    #[tokio::test]
    async fn it_can_go_and_come_back() {
        let receiver = Receiver::start().await;
        receiver.down().await;
        assert_eq!(post(&receiver, "evt_1", "a", SECRET).await, None);
        receiver.up().await;
        assert_eq!(post(&receiver, "evt_1", "a", SECRET).await.unwrap(), "HTTP/1.1 204 No Content");
        assert_eq!(receiver.accepted().len(), 1);
    }
}
