//! `walcast completions`: prints a completion script for a shell.

use clap::{Args, Command};
use clap_complete::Shell;

use crate::exit::{Exit, help_end};
use crate::stdout::stdout;

/// Print a script that completes walcast's command line in a shell
#[derive(Debug, Args)]
#[command(after_help = help_end!(
    "  walcast completions bash > /etc/bash_completion.d/walcast\n\
     \x20 walcast completions zsh > \"${fpath[1]}/_walcast\"\n\
     \x20 walcast completions fish > ~/.config/fish/completions/walcast.fish"
))]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: Shell,
}

pub(crate) fn completions(shell: Shell, mut command: Command) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "walcast", &mut script);
    let mut output = stdout();
    output.write(&script)?;
    output.flush()?;
    Ok(Exit::Done)
}
