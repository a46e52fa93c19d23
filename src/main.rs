//! argv, log, exit code. What the commands do is in the library.

use std::io::{IsTerminal, Read, Write};
use std::process::ExitCode;

use clap::Parser;
use feedwire::cli::{self, Cli, Command, Failure, LogFormat};
use feedwire::config;
use feedwire::log::lines::{self, Format};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{Level, error};
use tracing_subscriber::filter::{ParseError, Targets};

/// How long blocking work under way may take when all else has ended.
const LAST_WRITES: std::time::Duration = std::time::Duration::from_secs(1);

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => {
            drop(e.print());
            return ExitCode::from(if e.use_stderr() { 64 } else { 0 });
        }
    };
    let format = format(cli.log_format);
    let failure = match start(cli) {
        Ok(()) => return ExitCode::SUCCESS,
        Err(failure) => failure,
    };
    if !failure.message.is_empty() {
        let message = format!("feedwire: {}", failure.message);
        let begin = if format == Format::Journal { lines::priority(Level::ERROR) } else { "" };
        for line in message.lines() {
            // Nobody reads stderr any more: the exit code is left.
            drop(writeln!(std::io::stderr(), "{begin}{line}"));
        }
    }
    ExitCode::from(failure.code)
}

/// Lets the process open as many files as it may be allowed to: the usual soft limit is for programs that wait by `select`, and every host that
/// is being asked takes a descriptor. Where that is refused, it goes on with what it has.
fn raise_limit_of_files() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap_or_default();
}

/// Sets up what every command needs, and runs one.
fn start(cli: Cli) -> Result<(), Failure> {
    log_to_stderr(&cli)?;
    raise_limit_of_files();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Failure::runtime(format!("cannot start the runtime: {e}")))?;
    let ended = runtime.block_on(command(cli));
    // A write to a pipe that nobody reads would be waited for without end; what it writes is not acknowledged, so nothing is lost.
    runtime.shutdown_timeout(LAST_WRITES);
    ended
}

async fn command(cli: Cli) -> Result<(), Failure> {
    let env = |name: &str| std::env::var_os(name);
    let find = |arg: &cli::ConfigArg| config::find(arg.config.as_deref(), &env).map_err(|e| Failure::new(78, e.to_string()));
    match cli.command {
        Command::Run(args) => cli::run::run(&find(&args)?).await,
        Command::Check(args) => cli::check::run(&find(&args.config)?, &env, args.online, &mut std::io::stdout()).await,
        Command::Tail(args) => cli::tail::run(&args).await,
        Command::Discover(args) => cli::discover::run(&args, &mut std::io::stdout()).await,
        Command::Ctl(args) => cli::ctl::run(&args, &mut std::io::stdout()).await,
        Command::Store(args) => cli::store::run(&args, &find(&args.config)?, &env, &mut std::io::stdout()),
        Command::Opml(args) => opml(&args, &env).await,
        Command::Man { directory } => cli::man::run(directory.as_deref(), &mut std::io::stdout()),
        Command::Completions { shell } => cli::completions::run(shell, &mut std::io::stdout()),
        Command::Parse(args) => {
            let input = read(&args.file).map_err(|e| Failure::new(65, format!("cannot read {}: {e}", args.file.display())))?;
            let (mut out, mut err) = (std::io::BufWriter::new(std::io::stdout().lock()), std::io::stderr());
            cli::parse::run(&input, args.url.as_deref(), args.content_type.as_deref(), &mut out, &mut err)
        }
    }
}

async fn opml(args: &cli::OpmlArgs, env: config::Env<'_>) -> Result<(), Failure> {
    let (named, mut out) = (args.config.config.as_deref(), std::io::stdout());
    let cli::OpmlCommand::Import(import) = &args.command else {
        return cli::opml::export(named, env, &mut out, &mut std::io::stderr()).await;
    };
    let input = read(&import.file).map_err(|e| Failure::new(65, format!("cannot read {}: {e}", import.file.display())))?;
    cli::opml::import(import, named, &input, env, &mut out, &mut std::io::stderr())
}

fn read(file: &std::path::Path) -> std::io::Result<Vec<u8>> {
    if file.as_os_str() != "-" {
        return std::fs::read(file);
    }
    let mut input = vec![];
    std::io::stdin().read_to_end(&mut input)?;
    Ok(input)
}

/// stderr is log.
fn log_to_stderr(cli: &Cli) -> Result<(), Failure> {
    let usual = if matches!(cli.command, Command::Tail(_)) { "warn" } else { "info" };
    let wanted = cli.log.as_deref().unwrap_or(usual);
    let bad = |e: ParseError| Failure::new(64, format!("--log {wanted:?} is not a level or filter: {e}"));
    let filter: Targets = wanted.parse().map_err(bad)?;
    let subscriber = lines::subscriber(filter, format(cli.log_format), std::io::stderr);
    tracing::subscriber::set_global_default(subscriber).map_err(|e| Failure::runtime(format!("cannot log: {e}")))?;
    // What a panic says may quote a feed, and the usual hook would write it as it is.
    std::panic::set_hook(Box::new(|panic| {
        let payload = panic.payload();
        let said = payload.downcast_ref::<String>().map(String::as_str).or(payload.downcast_ref::<&str>().copied());
        let place = panic.location().map(ToString::to_string);
        error!(said, place = place.unwrap_or_default(), "A panic; this is a bug, please report it.");
    }));
    Ok(())
}

fn format(wanted: Option<LogFormat>) -> Format {
    match wanted {
        Some(LogFormat::Json) => Format::Json,
        Some(LogFormat::Journal) => Format::Journal,
        Some(LogFormat::Text) => Format::Text { colours: std::io::stderr().is_terminal() },
        None => Format::of_stderr(),
    }
}
