//! Names and their addresses: looked up once a minute at most, and filtered by policy whenever they are used, so that the addresses that
//! were checked are those connected to, wherever they came from.

use std::collections::HashMap;
use std::future::Future;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::OnceCell;

use super::address::{Forbidden, Policy, Unresolved};

/// The system does not say how long an answer holds; no publisher expects a move to be seen sooner.
const ANSWER_HOLDS: Duration = Duration::from_secs(60);

/// A name that could not be resolved is not asked for again for so long: many feeds of one host shall not ask one by one.
const FAILURE_HOLDS: Duration = Duration::from_secs(10);

/// Names remembered.
const MOST_NAMES: usize = 20_000;

/// Names that the system knows without asking, for the names that have an end.
const HOSTS: &str = "/etc/hosts";

/// The addresses of a name, or why there are none.
pub(crate) type Found = Result<Vec<IpAddr>, String>;
pub(crate) type Pending = Pin<Box<dyn Future<Output = Found> + Send>>;

/// When a name was asked for, and what was found. Empty while it is being looked up: others wait for it.
type Cell = OnceCell<(Instant, Found)>;

/// Looks names up, each once at a time, and remembers.
pub struct Names {
    look_up: Box<dyn Fn(String) -> Pending + Send + Sync>,
    known: Mutex<Known>,
}

/// The newest names and those before them, which are dropped together: when half as many as fit are new, or after a minute.
struct Known {
    newer: HashMap<String, Arc<Cell>>,
    older: HashMap<String, Arc<Cell>>,
    turned: Instant,
}

impl Names {
    /// For names that others wrote: what has a dot in it is taken as it stands, and no search domain of ours is tried behind it. Names in
    /// the hosts file, and those without a dot, which are of the local network in any case, mean what they mean to other programs.
    #[must_use]
    pub fn of_the_world() -> Arc<Self> {
        Self::new(|name| on_a_thread(move || ask(&spelling(&name, &std::fs::read_to_string(HOSTS).unwrap_or_default()))))
    }

    /// For names that the operator wrote: they mean what they mean to other programs.
    #[must_use]
    pub fn of_the_system() -> Arc<Self> {
        Self::new(|name| on_a_thread(move || ask(&name)))
    }

    /// For names that are looked up like this.
    pub(crate) fn new(look_up: impl Fn(String) -> Pending + Send + Sync + 'static) -> Arc<Self> {
        let known = Known { newer: HashMap::new(), older: HashMap::new(), turned: Instant::now() };
        Arc::new(Self { look_up: Box::new(look_up), known: Mutex::new(known) })
    }

    /// The addresses of a name. Cancel safe: whoever waits for the same name then looks it up.
    async fn find(&self, name: &str, now: Instant) -> Found {
        let cell = self.cell(name, now);
        let (_, found) = cell.get_or_init(|| async { (now, (self.look_up)(name.to_owned()).await) }).await;
        found.clone()
    }

    fn cell(&self, name: &str, now: Instant) -> Arc<Cell> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let held = known.newer.get(name).or_else(|| known.older.get(name));
        if let Some(cell) = held.filter(|cell| holds(cell, now)) {
            return cell.clone();
        }
        if known.newer.len() >= MOST_NAMES / 2 || now.saturating_duration_since(known.turned) > ANSWER_HOLDS {
            known.older = std::mem::take(&mut known.newer);
            known.turned = now;
        }
        let cell = Arc::<Cell>::default();
        known.newer.insert(name.to_owned(), cell.clone());
        cell
    }
}

fn holds(cell: &Cell, now: Instant) -> bool {
    cell.get().is_none_or(|(asked, found)| now.saturating_duration_since(*asked) < if found.is_ok() { ANSWER_HOLDS } else { FAILURE_HOLDS })
}

fn on_a_thread(work: impl FnOnce() -> Found + Send + 'static) -> Pending {
    let work = tokio::task::spawn_blocking(work);
    Box::pin(async { work.await.unwrap_or_else(|_| Err("the look-up was given up".into())) })
}

fn ask(name: &str) -> Found {
    (name, 0).to_socket_addrs().map(|found| found.map(|address| address.ip()).collect()).map_err(|e| e.to_string())
}

/// How the system has to be asked for a name: with a dot at the end it tries no search domain, but does not find it in its hosts file.
fn spelling(name: &str, hosts: &str) -> String {
    let bare = name.strip_suffix('.').unwrap_or(name);
    let mut listed = hosts.lines().flat_map(|line| line.split('#').next().unwrap_or_default().split_whitespace().skip(1));
    if !name.contains('.') || listed.any(|host| host.eq_ignore_ascii_case(bare)) { bare.to_owned() } else { format!("{bare}.") }
}

/// Resolves names and leaves only the addresses that a policy admits.
#[derive(Clone)]
pub struct Guard {
    /// Who may be connected to.
    pub policy: Arc<Policy>,
    /// May be shared with other guards.
    pub names: Arc<Names>,
}

impl Guard {
    /// The addresses of a name that may be connected to, with port 0.
    pub(crate) async fn addresses(&self, name: &str, now: Instant) -> Result<Vec<SocketAddr>, Box<dyn std::error::Error + Send + Sync>> {
        let found = self.names.find(name, now).await.map_err(Unresolved)?;
        let (good, bad): (Vec<_>, Vec<_>) = found.into_iter().partition(|address| self.policy.admits(*address));
        match (good.is_empty(), bad.first()) {
            (false, _) => Ok(good.into_iter().map(|address| SocketAddr::new(address, 0)).collect()),
            (true, Some(address)) => Err(Forbidden(format!("{name} ({address})")).into()),
            (true, None) => Err(Unresolved(format!("{name} has no address")).into()),
        }
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let addresses = guard.addresses(name.as_str(), Instant::now()).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Names that have these answers, one after the other and the last one for ever, and how often they were asked for.
    fn scripted(answers: &[Result<&[&str], &str>]) -> (Arc<Names>, Arc<AtomicUsize>) {
        let parse = |addresses: &[&str]| addresses.iter().map(|address| address.parse().unwrap()).collect();
        let answers: Vec<Found> = answers.iter().map(|answer| answer.map(parse).map_err(str::to_owned)).collect();
        let asked = Arc::<AtomicUsize>::default();
        let count = asked.clone();
        let names = Names::new(move |_| {
            let n = count.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
            let answer = answers[n].clone();
            Box::pin(async move {
                tokio::task::yield_now().await;
                answer
            })
        });
        (names, asked)
    }

    fn public(names: &Arc<Names>) -> Guard {
        Guard { policy: Arc::new(Policy::Public(vec![])), names: names.clone() }
    }

    /// What may be connected to, or why nothing.
    async fn found(guard: &Guard, now: Instant) -> String {
        match guard.addresses("a.example", now).await {
            Ok(addresses) => addresses.iter().map(|a| a.ip().to_string()).collect::<Vec<_>>().join(" "),
            Err(e) => e.to_string(),
        }
    }

    #[tokio::test]
    async fn p79_private_answers_are_left_out_and_a_name_with_no_other_is_refused() {
        let now = Instant::now();
        let (mixed, _) = scripted(&[Ok(&["10.0.0.1", "1.1.1.1", "::1", "2606:4700::1111"])]);
        assert_eq!(found(&public(&mixed), now).await, "1.1.1.1 2606:4700::1111");
        let (private, _) = scripted(&[Ok(&["192.168.1.1", "::ffff:127.0.0.1"])]);
        assert_eq!(found(&public(&private), now).await, "a.example (192.168.1.1) is not allowed");
        let (nothing, _) = scripted(&[Ok(&[])]);
        assert_eq!(found(&public(&nothing), now).await, "a.example has no address");
    }

    /// Rebinding: whatever a name had before, each answer is filtered, and again when it comes from memory.
    #[tokio::test]
    async fn p80_a_name_that_turns_private_is_refused() {
        let (names, asked) = scripted(&[Ok(&["1.1.1.1"]), Ok(&["127.0.0.1"])]);
        let (guard, start) = (public(&names), Instant::now());
        assert_eq!(found(&guard, start).await, "1.1.1.1");
        assert_eq!(found(&guard, start + Duration::from_secs(59)).await, "1.1.1.1");
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        for later in [61, 62] {
            assert_eq!(found(&guard, start + Duration::from_secs(later)).await, "a.example (127.0.0.1) is not allowed");
        }
        assert_eq!(asked.load(Ordering::SeqCst), 2);
        // Policies that share a memory do not share what they admit.
        let opened = Guard { policy: Arc::new(Policy::Public(vec!["127.0.0.0/8".parse().unwrap()])), names };
        assert_eq!(found(&opened, start + Duration::from_secs(63)).await, "127.0.0.1");
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_failure_is_remembered_for_ten_seconds() {
        let (names, asked) = scripted(&[Err("no such name"), Ok(&["1.1.1.1"])]);
        let (guard, start) = (public(&names), Instant::now());
        assert_eq!(found(&guard, start).await, "no such name");
        assert_eq!(found(&guard, start + Duration::from_millis(9_999)).await, "no such name");
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        assert_eq!(found(&guard, start + Duration::from_secs(10)).await, "1.1.1.1");
    }

    #[tokio::test]
    async fn a_name_is_looked_up_once_at_a_time_and_goes_on_when_the_first_gives_up() {
        let (names, asked) = scripted(&[Ok(&["1.1.1.1"])]);
        let (guard, now) = (public(&names), Instant::now());
        let both = tokio::join!(found(&guard, now), found(&guard, now), found(&guard, now));
        assert_eq!(both.0, both.1);
        assert_eq!(asked.load(Ordering::SeqCst), 1);

        let (names, asked) = scripted(&[Ok(&["1.1.1.1"])]);
        let guard = public(&names);
        tokio::select! {
            biased;
            _ = found(&guard, now) => panic!("it had to wait"),
            () = std::future::ready(()) => {}
        }
        assert_eq!(found(&guard, now).await, "1.1.1.1");
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn the_memory_is_bounded_by_number_and_by_time() {
        let (names, asked) = scripted(&[Ok(&["1.1.1.1"])]);
        let size = || {
            let known = names.known.lock().unwrap();
            known.newer.len() + known.older.len()
        };
        let start = Instant::now();
        for n in 0..2 * MOST_NAMES {
            names.find(&n.to_string(), start).await.unwrap();
            assert!(size() <= MOST_NAMES);
        }
        // The newest half at least is there, the oldest names are not.
        names.find(&(3 * MOST_NAMES / 2).to_string(), start).await.unwrap();
        assert_eq!(asked.load(Ordering::SeqCst), 2 * MOST_NAMES);
        names.find("0", start).await.unwrap();
        assert_eq!(asked.load(Ordering::SeqCst), 2 * MOST_NAMES + 1);
        for minute in [2, 4] {
            names.find("x", start + Duration::from_secs(minute * 60)).await.unwrap();
        }
        assert!(size() <= 2, "{} names are kept for nothing", size());
    }

    /// With a dot at the end no search domain is tried; the hosts file and the local network are asked as other programs ask them.
    #[test]
    fn p83_a_name_stands_for_itself() {
        let hosts = "127.0.0.1 localhost # loopback\n10.0.0.5\tfeeds.internal.example  Feeds2.example\n# 10.0.0.6 off.example\n10.0.0.7";
        for (name, asked) in [
            ("example.com", "example.com."),
            ("example.com.", "example.com."),
            ("nas", "nas"),
            ("com.", "com."),
            ("localhost", "localhost"),
            ("localhost.", "localhost"),
            ("feeds.internal.example", "feeds.internal.example"),
            ("feeds2.example.", "feeds2.example"),
            ("off.example", "off.example."),
            ("internal.example", "internal.example."),
        ] {
            assert_eq!(spelling(name, hosts), asked, "{name}");
        }
    }

    #[tokio::test]
    async fn the_system_is_asked() {
        let names = Names::of_the_system();
        assert!(names.find("localhost", Instant::now()).await.unwrap().iter().all(IpAddr::is_loopback));
        let unknown = Names::of_the_world().find("no-such-host.invalid", Instant::now()).await;
        assert!(unknown.is_err(), "{unknown:?}");
    }
}
