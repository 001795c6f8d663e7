//! `walcast man`: writes the manual pages. Packages are built with it, so the help does not list it.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Command};

use crate::exit::{Exit, help_end};

/// Write the manual pages, one for each command, into a directory
#[derive(Debug, Args)]
#[command(after_help = help_end!(
    "  walcast man /usr/local/share/man/man1"
))]
pub(crate) struct ManArgs {
    /// The directory, which must exist
    pub(crate) directory: PathBuf,
}

pub(crate) fn man(args: &ManArgs, command: Command) -> anyhow::Result<Exit> {
    let directory = &args.directory;
    clap_mangen::generate_to(command, directory)
        .with_context(|| format!("cannot write manual pages into {}", directory.display()))?;
    Ok(Exit::Done)
}
