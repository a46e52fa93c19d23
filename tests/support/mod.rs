//! What tests are written with.
//!
//! [`Origin`] serves feeds and records the requests, [`Publisher`] writes a feed for it entry by entry, [`Receiver`] takes webhooks and
//! records them, [`Consumer`] takes lines, [`Home`] is a directory with a configuration in it, [`Daemon`] the program running there. All of them live inside the
//! test, outlive restarts of the daemon, and stop when they are dropped. Nothing sleeps: a test waits on a [`Record`] until it holds
//! what the test is about.

mod browser;
mod consumer;
mod daemon;
mod dice;
mod event;
mod follower;
mod origin;
pub mod pages;
mod publisher;
mod receiver;
mod record;
mod server;
mod service;

pub use browser::Browser;
pub use consumer::{Consumer, Manner, by_lane, distinct};
pub use daemon::{Daemon, Home};
pub use dice::Dice;
pub use event::Event;
pub use follower::Follower;
pub use origin::{Answer, Origin};
pub use publisher::{Article, Format, Publisher};
pub use receiver::{Arrival, Receiver, Reply};
pub use record::{Gate, Record};
pub use service::Service;
