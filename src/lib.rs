//! feedwire turns feeds into a durable stream of events.
//!
//! It polls RSS, Atom, RDF and JSON feeds politely, decides which entries are new, commits them to an embedded sled store, and delivers
//! each to every sink (webhooks, programs, sockets, files, stdout) until the sink says that it has it. The README is the manual for its
//! users; this page is the map for those who change it.
//!
//! # The path of one entry
//!
//! ```text
//! poll.tick     store.feed_state → fetch → parse → plan → store.record   (one atomic write, durable) → nudge
//! deliver.tick  store.head → sink.deliver → retry.settle → store.settle  (delete | later | dead)
//! ```
//!
//! Each tick is *read, act, decide, write*: every decision is a pure function in [`domain`] between two I/O calls. Queues are tables in the
//! store, never channels: the one between the two loops carries `()`, a nudge without data, so a crash at any point is a restart. Waits may be
//! cancelled anywhere, and there is no shutdown protocol to get wrong: kill -9 is a legitimate stop.
//!
//! Walkthrough of a new article: [`poll::Poller`] finds its feed due in the [agenda](domain::agenda), reads the feed's row, and has
//! [`fetch`] make one conditional GET. [`parse`] decodes the body, finds where each entry begins and ends, and parses those whose
//! fingerprint is not known. [`domain::plan`] compares them with what is remembered and writes down *everything* that changes: the feed's
//! row with its validators, the entries of the document, the events, and which sinks want them. [`store`] commits that as one transaction
//! and syncs it. A [`deliver::Deliverer`] takes the head of a lane, [`sink`] renders and sends it, [`domain::retry`] decides whether it
//! is acknowledged, postponed or buried, and the store writes that down before the next of the lane is tried.
//!
//! # Who may import whom
//!
//! A module imports only from the paragraphs above its own, here and in [`domain`]. `tests/layers.rs` holds it.

pub mod log;
pub mod metrics;
pub mod secret;

pub mod domain;

pub mod clock;
pub mod http;
pub mod parse;

pub mod fetch;
pub mod sink;
pub mod store;

pub mod config;
pub mod deliver;
pub mod poll;

pub mod admin;
pub mod notify;

pub mod daemon;

pub mod cli;
