//! `walcast tail`: prints changes as JSON lines, from any database, without Kafka or configuration.

mod printer;
#[cfg(test)]
mod tests;

use anyhow::Context;
use clap::Args;
use tracing::warn;
use walcast_delivery::{Feedback, one_line};
use walcast_mapper::pattern::{PatternError, TablePattern};
use walcast_postgres::tail::{self, Selection, Tail};
use walcast_postgres::{ConnectConfig, Environment};

use self::printer::Printer;
use crate::exit::{Exit, UsageError, help_end};
use crate::remedy::describe;
use crate::signals::Signals;
use crate::stdout::{Reader, stdout};

/// Print changes as JSON lines, from any database URL, without Kafka or configuration
///
/// Uses a temporary slot, which the server drops when the command ends, and a publication of its own unless one is named.
/// Parameters missing in the URL are taken from the PG* variables and ~/.pgpass. Ctrl-C stops it.
#[derive(Debug, Args)]
#[command(after_help = help_end!(
    "  walcast tail postgres://me@localhost/shop\n\
     \x20 walcast tail postgres://me@localhost/shop --table public.orders --table 'sales.*'\n\
     \x20 walcast tail postgres://me@localhost/shop --publication shop_changes | jq -c .after"
))]
pub(crate) struct TailArgs {
    /// The database, as postgres://user@host:port/database or as libpq's key=value pairs
    #[arg(default_value = "", hide_default_value = true)]
    url: String,

    /// Tables to show, as schema.table, where * matches any characters; can be given several times
    #[arg(long = "table", value_name = "PATTERN", default_value = "*.*")]
    tables: Vec<String>,

    /// Stream this publication instead of selected tables
    #[arg(long, value_name = "NAME", conflicts_with = "tables")]
    publication: Option<String>,
}

impl TailArgs {
    fn connect(&self) -> Result<ConnectConfig, UsageError> {
        ConnectConfig::parse(&self.url, &Environment::of_process())
            .map_err(|error| UsageError(describe(&error)))
    }

    fn selection(&self) -> Result<Selection, UsageError> {
        if let Some(publication) = &self.publication {
            return Ok(Selection::Publication(publication.clone()));
        }
        let parse = |text: &String| {
            text.parse()
                .map_err(|error: PatternError| UsageError(one_line(&error)))
        };
        self.tables
            .iter()
            .map(parse)
            .collect::<Result<Vec<TablePattern>, _>>()
            .map(Selection::Tables)
    }
}

pub(crate) async fn tail(args: TailArgs) -> anyhow::Result<Exit> {
    let (connect, selection) = (args.connect()?, args.selection()?);
    if connect.has_password_in_text() {
        warn!(
            "all users of this machine can see the password on the command line; use PGPASSWORD, PGPASSFILE or ~/.pgpass"
        );
    }
    let mut signals = Signals::listen().context("cannot install signal handlers")?;
    let mut tail = tokio::select! {
        opened = tail::open(&connect, selection) => opened?,
        _ = signals.next() => return Ok(Exit::Done),
    };
    let printed = print(&mut tail, &mut signals).await;
    let closed = tail.close().await;
    // The cause of the end of the stream takes precedence over a failure to close it cleanly.
    printed?;
    closed?;
    Ok(Exit::Done)
}

/// Prints until a signal arrives or the reader of stdout is gone.
async fn print(tail: &mut Tail, signals: &mut Signals) -> anyhow::Result<()> {
    let feedback = tail.feedback();
    let mut printer = Printer::default();
    let mut output = stdout();
    loop {
        // Both futures are cancel-safe.
        let block = tokio::select! {
            biased;
            _ = signals.next() => return Ok(()),
            block = tail.next_block() => block?,
        };
        printer.print(&block)?;
        if output.json_lines(printer.lines())? == Reader::Gone {
            return Ok(());
        }
        if let Some(end) = printer.written() {
            if output.flush()? == Reader::Gone {
                return Ok(());
            }
            feedback.confirm(end);
        }
    }
}
