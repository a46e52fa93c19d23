//! The command line: one file a command. stdout is data, stderr is log.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::LazyLock;

use clap::{Args, Parser, Subcommand};

use crate::metrics::REVISION;

mod asked;
pub mod check;
pub mod completions;
pub mod ctl;
pub mod discover;
pub mod man;
pub mod opml;
pub mod parse;
pub mod run;
pub mod store;
mod tables;
pub mod tail;

pub use asked::{CtlArgs, CtlCommand, DeadArgs, DeadCommand, FloodDecision, SubjectArgs};

/// A failure with the exit code it ends in.
#[derive(Debug)]
pub struct Failure {
    /// 1 runtime, 64 usage, 65 bad input, 69 no daemon, 75 state in use or not now, 78 bad configuration.
    pub code: u8,
    /// What the operator reads.
    pub message: String,
}

impl Failure {
    /// A failure with a code and a message.
    #[must_use]
    pub fn new(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// The runtime failed: exit 1, and systemd starts it again.
    #[must_use]
    pub fn runtime(message: impl Into<String>) -> Self {
        Self::new(1, message)
    }
}

/// The version, and the commit that was built if that is known.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let version = env!("CARGO_PKG_VERSION");
    if REVISION.is_empty() { version.into() } else { format!("{version} ({REVISION})") }
});

/// Turns RSS, Atom, RDF and JSON feeds into a durable stream of events for stdout and webhooks.
#[derive(Debug, Parser)]
#[command(name = "feedwire", version = VERSION.as_str(), propagate_version = true, arg_required_else_help = true)]
#[command(after_help = "First steps: `feedwire tail https://blog.rust-lang.org/feed.xml --backlog 3` shows a feed without any setup;
`feedwire check` reads the configuration and says what is wrong; `feedwire run` starts the daemon.

Exit codes: 0; 1 failure while running; 64 usage; 65 input that cannot be read, or a name that is not there;
69 no feedwire is running; 75 state in use by another feedwire, or not now; 78 configuration.")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// What is logged to stderr: error, warn, info, debug, trace, or a filter such as feedwire::poll=debug [default: info, for tail: warn]
    #[arg(long, global = true, env = "FEEDWIRE_LOG", value_name = "LEVEL")]
    pub log: Option<String>,
    /// How it is logged: text for people, json for machines, journal with priorities for the journal of systemd. Without it journal where
    /// standard error leads there, else text.
    #[arg(long, global = true, value_enum, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
    /// Lines that begin with their priority, without time.
    Journal,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the daemon: poll the feeds, deliver every new entry to every sink until it is acknowledged.
    Run(ConfigArg),
    /// Read the configuration and say all that is wrong with it. Exits 0 or 78.
    Check(CheckArgs),
    /// Print new entries of feeds as they appear. No configuration, no state.
    Tail(TailArgs),
    /// Read one feed document and print its entries, one JSON object a line. Exits 65 if it is no feed.
    Parse(ParseArgs),
    /// Print the feeds that a page offers. Exits 65 if there is none.
    Discover(DiscoverArgs),
    /// Take subscriptions over from other readers, or hand them over.
    Opml(OpmlArgs),
    /// Ask the running daemon.
    Ctl(CtlArgs),
    /// Look after the state while the daemon is down.
    Store(StoreArgs),
    /// Print the manual page.
    Man {
        /// Write a page for each command into this directory instead.
        #[arg(long, value_name = "DIR")]
        directory: Option<PathBuf>,
    },
    /// Print a script that lets a shell complete commands and flags.
    Completions {
        /// Which shell.
        #[arg(value_enum, value_name = "SHELL")]
        shell: clap_complete::Shell,
    },
}

/// Where the configuration is.
#[derive(Debug, Args)]
pub struct ConfigArg {
    /// Configuration file [default: $FEEDWIRE_CONFIG, $CONFIGURATION_DIRECTORY/feedwire.toml, ./config/feedwire.toml, /etc/feedwire/feedwire.toml]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// `feedwire check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Where the configuration is.
    #[command(flatten)]
    pub config: ConfigArg,
    /// Also ask every feed once, and say what each answers. Nothing is stored or delivered.
    #[arg(long)]
    pub online: bool,
}

/// `feedwire tail`.
#[derive(Debug, Args)]
pub struct TailArgs {
    /// Feed URLs.
    #[arg(required = true, value_name = "URL")]
    pub urls: Vec<String>,
    /// Begin with the N newest entries of each feed.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub backlog: u32,
    /// Poll each feed this often.
    #[arg(long, value_name = "TIME", default_value = "5m")]
    pub interval: humantime::Duration,
    /// Print JSON even on a terminal.
    #[arg(long)]
    pub json: bool,
    /// Let feeds live at this address, or network, although it is not public.
    #[arg(long, value_name = "CIDR")]
    pub allow_private: Vec<String>,
}

/// `feedwire parse`.
#[derive(Debug, Args)]
pub struct ParseArgs {
    /// The document; - or nothing for standard input.
    #[arg(value_name = "FILE", default_value = "-")]
    pub file: PathBuf,
    /// Where it came from: what relative links are relative to.
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// The Content-Type it was served with.
    #[arg(long, value_name = "TYPE")]
    pub content_type: Option<String>,
}

/// `feedwire discover`.
#[derive(Debug, Args)]
pub struct DiscoverArgs {
    /// The page, or the feed itself.
    #[arg(value_name = "URL")]
    pub url: String,
    /// Print JSON, one object a line.
    #[arg(long)]
    pub json: bool,
    /// Let pages and feeds live at this address, or network, although it is not public.
    #[arg(long, value_name = "CIDR")]
    pub allow_private: Vec<String>,
}

/// `feedwire opml`.
#[derive(Debug, Args)]
pub struct OpmlArgs {
    /// Where the configuration is.
    #[command(flatten)]
    pub config: ConfigArg,
    /// Which way.
    #[command(subcommand)]
    pub command: OpmlCommand,
}

/// Which way subscriptions go.
#[derive(Debug, Subcommand)]
pub enum OpmlCommand {
    /// Make feeds of the outlines of an OPML file: folders become tags, feeds that are configured already are left out. Exits 65 if it is none.
    Import(ImportArgs),
    /// Print all configured feeds as OPML 2.0: tags become folders. While feedwire runs they are called by their titles, else by their names.
    Export,
}

/// `feedwire opml import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The OPML file; - or nothing for standard input.
    #[arg(value_name = "FILE", default_value = "-")]
    pub file: PathBuf,
    /// Write the feeds into this file, such as feeds.d/imported.toml, rather than to standard output.
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Overwrite the output file.
    #[arg(long, requires = "output")]
    pub force: bool,
}

/// `feedwire store`.
#[derive(Debug, Args)]
pub struct StoreArgs {
    /// Where the configuration is.
    #[command(flatten)]
    pub config: ConfigArg,
    /// What to do.
    #[command(subcommand)]
    pub command: StoreCommand,
}

/// What can be done with the state. Exits 75 while the daemon runs.
#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// Write all of the state into one file, which it replaces when it is whole. While the daemon runs: feedwire ctl backup.
    Backup {
        /// The file.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Make a backup the state. The file is read to its end before anything is touched; exits 65 if it is damaged.
    Restore {
        /// The file.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Also if there is a state already, which is kept aside.
        #[arg(long)]
        force: bool,
    },
    /// Read everything and say all that is wrong with it. Exits 0 or 1.
    Check {
        /// In this very process.
        #[arg(long, hide = true)]
        here: bool,
    },
    /// Keep all that can be read of a damaged state, and make it fit together again. It also makes a database small that has grown.
    Rebuild {
        /// In this very process.
        #[arg(long, hide = true)]
        here: bool,
    },
    /// How much there is: rows and bytes, what waits for each sink, the size on the disk.
    Stats {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Prints all of it. That nobody reads to the end, as in `feedwire man | head`, is no failure.
fn print(out: &mut impl io::Write, text: &[u8]) -> Result<(), Failure> {
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(Failure::runtime(format!("cannot print: {e}"))),
        _ => Ok(()),
    }
}

/// An address or a network.
///
/// # Errors
/// When it is neither.
pub fn network(text: &str) -> Result<ipnet::IpNet, Failure> {
    let parsed = text.parse::<ipnet::IpNet>().or_else(|_| text.parse::<IpAddr>().map(ipnet::IpNet::from));
    parsed.map_err(|_| Failure::new(64, format!("{text:?} is neither an IP address nor a network such as 127.0.0.0/8")))
}
