//! All integration tests in one binary, a module per subject. They run the real program over real sockets and a real store, on ports
//! the system picks, without a network. [`support`] holds the feed server, the webhook receiver and the daemon they are written with.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    unreachable_pub,
    reason = "tests stop at the first surprise and say so"
)]

mod support;

mod care;
mod consumers;
mod crash;
mod delivery;
mod guest;
mod identity;
mod isolation;
mod layers;
mod logs;
mod manual;
mod metrics;
mod network;
mod opml;
mod outbox;
mod packages;
mod page;
mod path;
mod presets;
mod process;
mod pull;
mod river;
mod sinks;
mod tls;
