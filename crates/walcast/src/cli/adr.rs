//! `walcast adr`: an architecture decision record, filled in from the configuration and from what the servers report.

mod asked;
mod delivery;
mod document;
mod markdown;
mod operation;
mod polled;
mod stores;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use clap::Args;

use self::asked::Asked;
use super::config_args::ConfigArgs;
use super::written_file::write;
use crate::config::Config;
use crate::exit::{Exit, help_end};
use crate::stdout::stdout;

/// Write an architecture decision record about the connector, in Markdown
///
/// The record names the stores and which of them is primary, the derived topics, the guarantees of delivery, and the settings of
/// schemas, snapshots, lag, verification and replay. The checkpoint, the running connector and the schema registry are asked for
/// tables, states and compatibility levels; the record says which of them gave no answer. It contains no secrets, and is the same
/// as long as configuration and answers are the same. Texts in square brackets are left to the authors.
#[derive(Debug, Args)]
#[command(after_help = help_end!(
    "  walcast adr\n\
     \x20 walcast adr --output docs/adr/0007-changes-of-orders.md\n\
     \x20 walcast adr --offline                         from the configuration alone"
))]
pub(crate) struct AdrArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,

    /// Ask no server
    #[arg(long)]
    offline: bool,

    /// Write to this file instead of stdout
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Overwrite the file if it exists
    #[arg(long, requires = "output")]
    force: bool,
}

pub(crate) async fn adr(config: Config, args: AdrArgs) -> anyhow::Result<Exit> {
    let asked = match args.offline {
        true => Asked::offline(),
        false => Asked::servers(&config).await,
    };
    let text = document::document(&config, &asked);
    if let Some(path) = &args.output {
        write(path, &text, args.force)?;
    } else {
        let mut output = stdout();
        output.write(text.as_bytes())?;
        output.flush()?;
    }
    Ok(Exit::Done)
}
