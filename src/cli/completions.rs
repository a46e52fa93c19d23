//! `feedwire completions`: what a shell needs to complete commands and flags.

use std::io::Write;

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Cli, Failure, print};

/// Prints the script for a shell.
///
/// # Errors
/// When it cannot be printed.
pub fn run(shell: Shell, out: &mut impl Write) -> Result<(), Failure> {
    let mut script = vec![];
    clap_complete::generate(shell, &mut Cli::command(), "feedwire", &mut script);
    print(out, &script)
}
