//! What `feedwire ctl` can be asked.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::ConfigArg;

/// `feedwire ctl`.
#[derive(Debug, Args)]
pub struct CtlArgs {
    /// The daemon's control socket [default: $RUNTIME_DIRECTORY/control.sock, /run/feedwire/control.sock, or in the state directory of the configuration]
    #[arg(long, global = true, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// Where the configuration is.
    #[command(flatten)]
    pub config: ConfigArg,
    /// What to ask.
    #[command(subcommand)]
    pub command: CtlCommand,
}

/// What the daemon can be asked.
#[derive(Debug, Subcommand)]
pub enum CtlCommand {
    /// How the daemon, its feeds and its sinks are doing.
    Status {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// How the feeds are doing: what had to be mended to read them, what is held back, when the next poll is.
    Feeds {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// How the sinks are doing: what waits, what was given up, the last error.
    Sinks {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Tell the story of one entry: what it is recognised by, since when, which events there were, and where they went.
    Why {
        /// The entry's link.
        #[arg(value_name = "URL")]
        url: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Decide about entries of a feed that are held back because they looked new though they are old.
    Flood {
        /// What becomes of them.
        decision: FloodDecision,
        /// The feed's name.
        #[arg(value_name = "FEED")]
        feed: String,
    },
    /// Poll a feed as soon as the limits of its host allow, unless its server has asked not to be asked yet.
    Poll {
        /// The feed's name.
        #[arg(value_name = "FEED")]
        feed: String,
        /// Ask whatever the server has said.
        #[arg(long)]
        force: bool,
    },
    /// Poll a feed, or deliver to a sink, no longer, across restarts, until it is resumed. What waits for a sink is kept.
    Pause(SubjectArgs),
    /// Go on with a feed or a sink: one that was paused, or one that has said that it is gone.
    Resume(SubjectArgs),
    /// Send a sink all events of the past that it would want, as far as they are kept, once more: same ids, in order, behind its news.
    Replay {
        /// The sink's name.
        #[arg(value_name = "SINK")]
        sink: String,
        /// Those committed from this time on: 2026-11-24T08:00:00Z, or how long ago, such as 2d.
        #[arg(long, value_name = "TIME", required_unless_present = "after", conflicts_with = "after")]
        since: Option<String>,
        /// Those behind the event with this sequence.
        #[arg(long, value_name = "SEQ")]
        after: Option<u64>,
    },
    /// Dead letters: events that were given up for a sink.
    Dead {
        /// What about them.
        #[command(subcommand)]
        command: DeadCommand,
    },
    /// Drop all that waits for a sink that is not configured any more, and its dead letters.
    Forget {
        /// The sink's name.
        #[arg(value_name = "SINK")]
        sink: String,
    },
    /// Send a sink a feedwire.ping at once, and say what came of it.
    Test {
        /// The sink's name.
        #[arg(value_name = "SINK")]
        sink: String,
    },
    /// Have the daemon write all of its state, as it is now, into one file. It may write where its user and its service unit allow.
    Backup {
        /// The file.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Have the daemon write its database anew, which makes it small: the files do not shrink by themselves. It does so by itself when they have
    /// grown to four times what is in them.
    Compact,
    /// Read the configuration anew. A bad one is refused, and the old one stays.
    Reload {
        /// Return when it is done, with exit code 1 if it was refused (this is always so; the flag says it).
        #[arg(long)]
        wait: bool,
    },
}

/// A feed or a sink.
#[derive(Debug, Args)]
pub struct SubjectArgs {
    /// Its name.
    #[arg(value_name = "FEED|SINK")]
    pub name: String,
    /// The feed of that name, should there be a sink too.
    #[arg(long, conflicts_with = "sink")]
    pub feed: bool,
    /// The sink of that name, should there be a feed too.
    #[arg(long)]
    pub sink: bool,
}

/// What about dead letters.
#[derive(Debug, Subcommand)]
pub enum DeadCommand {
    /// List them.
    List {
        /// Of this sink alone.
        #[arg(value_name = "SINK")]
        sink: Option<String>,
        /// Print JSON, one object a line.
        #[arg(long)]
        json: bool,
    },
    /// Try them again, behind the sink's news.
    Retry(DeadArgs),
    /// Forget them for good.
    Drop(DeadArgs),
}

/// Which dead letters.
#[derive(Debug, Args)]
pub struct DeadArgs {
    /// The sink's name.
    #[arg(value_name = "SINK")]
    pub sink: String,
    /// Ids of events, or sequences.
    #[arg(value_name = "EVENT", required_unless_present = "all", conflicts_with = "all")]
    pub events: Vec<String>,
    /// All of the sink's.
    #[arg(long)]
    pub all: bool,
}

/// What becomes of entries that are held back.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum FloodDecision {
    /// They are news: the next poll tells those that the document still has.
    Release,
    /// They are old: they stay marked as seen.
    Drop,
}
