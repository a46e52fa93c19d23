//! `feedwire man`: the commands as manual pages, from the same definitions as `--help`.

use std::collections::HashSet;
use std::io::{self, Write};
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_mangen::Man;

use super::{Cli, Failure, print};

const FILES: &str = ".SH FILES
.TP
.I /etc/feedwire/feedwire.toml
The configuration of the service.
.TP
.I /etc/feedwire/secrets/NAME
The secret that the configuration calls { credential = \"NAME\" }.
.TP
.I /var/lib/feedwire
The state of the service.
.TP
.I /usr/share/doc/feedwire
The manual (README.md), the sample that shows every option (feedwire.toml), and the schema for editors.
";

/// Prints one page about all commands, or writes a page for each into a directory.
///
/// # Errors
/// When they cannot be printed or written.
pub fn run(directory: Option<&Path>, out: &mut impl Write) -> Result<(), Failure> {
    if let Some(directory) = directory {
        let written = clap_mangen::generate_to(Cli::command(), directory);
        return written.map_err(|e| Failure::runtime(format!("cannot write the pages into {}: {e}", directory.display())));
    }
    let page = page().map_err(|e| Failure::runtime(format!("cannot write the page: {e}")))?;
    print(out, &page)
}

fn page() -> io::Result<Vec<u8>> {
    let mut all = Cli::command().disable_help_subcommand(true);
    all.build();
    let (mut page, man) = (vec![], Man::new(all.clone()));
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    page.extend_from_slice(b".SH COMMANDS\n");
    let told = all.get_arguments().map(|argument| argument.get_id().to_string()).collect();
    commands(&all, &told, &mut page)?;
    let mut notes = vec![];
    man.render_extra_section(&mut notes)?;
    page.extend_from_slice(b".SH NOTES\n");
    page.extend_from_slice(without_heading(&notes));
    page.extend_from_slice(FILES.as_bytes());
    Ok(page)
}

/// What stands under a heading, which is the first line but for comments and macros.
fn without_heading(section: &[u8]) -> &[u8] {
    let heading = section.windows(4).position(|window| window == b".SH ").unwrap_or_default();
    let rest = section.get(heading..).unwrap_or_default();
    let end = rest.iter().position(|b| *b == b'\n').map_or(rest.len(), |end| end + 1);
    rest.get(end..).unwrap_or_default()
}

/// The commands of a command, each with what it takes that has not been told of.
fn commands(of: &Command, told: &HashSet<String>, page: &mut Vec<u8>) -> io::Result<()> {
    for command in of.get_subcommands().filter(|command| !command.is_hide_set()) {
        let is_told = |id: &str| told.contains(id) || matches!(id, "help" | "version");
        let shown = command.clone().mut_args(|argument| if is_told(argument.get_id().as_str()) { argument.hide(true) } else { argument });
        let has_options = shown.get_arguments().any(|argument| !argument.is_hide_set());
        let mut section = vec![];
        let man = Man::new(shown);
        writeln!(page, ".SS \"{}\"", command.get_bin_name().unwrap_or(command.get_name()))?;
        man.render_description_section(&mut section)?;
        page.extend_from_slice(without_heading(&section));
        if has_options {
            section.clear();
            man.render_options_section(&mut section)?;
            page.extend_from_slice(without_heading(&section));
        }
        let mut told = told.clone();
        told.extend(command.get_arguments().map(|argument| argument.get_id().to_string()));
        commands(command, &told, page)?;
    }
    Ok(())
}
