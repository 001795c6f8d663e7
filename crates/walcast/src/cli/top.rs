//! `walcast top`: state, positions, lag and rates of a running connector, in a terminal or once for a script.
//!
//! ```text
//! admin port ──/status, /metrics──▶ Sample ──two of them──▶ View ──▶ JSON, lines of text, or the screen
//! ```
//!
//! The connector is only read. The terminal is restored when the command ends, also by a signal or a panic.

mod figures;
mod lines;
mod sample;
mod screen;
#[cfg(test)]
mod tests;
mod view;

use std::io::IsTerminal;
use std::time::Duration;

use anyhow::Context;
use clap::Args;

use self::sample::Sample;
use self::view::View;
use super::config_args::ConfigArgs;
use super::snapshot::ask::Admin;
use crate::config::{Config, ConfigDuration};
use crate::exit::{Exit, UsageError, help_end};
use crate::signals::Signals;
use crate::stdout::stdout;

/// Show state, positions, lag and rates of a running connector, updated in place
///
/// Asks the connector at its admin.listen address. Keys: q quits, p pauses, n, r, c and d sort the tables by name, rate, changes and
/// dead letters.
#[derive(Debug, Args)]
#[command(after_help = help_end!(
    "  walcast top\n\
     \x20 walcast top --once                                          text, for a terminal without a screen\n\
     \x20 walcast top --once --json | jq .lag_seconds                 for scripts"
))]
pub(crate) struct TopArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,

    /// Time between two samples
    #[arg(long, value_name = "TIME", default_value = "1s")]
    interval: ConfigDuration,

    /// Print the state once and end; rates are those of one interval
    #[arg(long)]
    once: bool,

    /// Print JSON
    #[arg(long, requires = "once")]
    json: bool,

    /// Address of the admin port [default: admin.url, or the address in admin.listen]
    #[arg(long, value_name = "URL")]
    url: Option<String>,

    /// End when the connector does not answer any more, instead of waiting for it
    #[arg(long)]
    no_reconnect: bool,
}

/// A shorter interval would show noise, and load the connector.
const INTERVAL_MIN: ConfigDuration = ConfigDuration::from_millis(100);

pub(crate) async fn top(mut config: Config, args: TopArgs) -> anyhow::Result<Exit> {
    if args.interval.get() < INTERVAL_MIN.get() {
        return Err(UsageError("--interval must be at least 100ms".to_owned()).into());
    }
    if !(args.once || std::io::stdout().is_terminal()) {
        return Err(
            UsageError("stdout is no terminal; use --once, with --json for scripts".to_owned()).into(),
        );
    }
    if let Some(url) = args.url {
        config.admin.url = Some(url.trim_end_matches('/').to_owned());
    }
    let admin = Admin::new(&config)?;
    let mut signals = Signals::listen().context("cannot install signal handlers")?;
    let interval = args.interval.get();
    if !args.once {
        Box::pin(screen::show(&admin, &mut signals, interval, args.no_reconnect)).await?;
        return Ok(Exit::Done);
    }
    let view = tokio::select! {
        view = view_of_interval(&admin, interval) => view?,
        _ = signals.next() => return Ok(Exit::Done),
    };
    let mut output = stdout();
    if args.json {
        output.json(&view)?;
    } else {
        output.lines(lines::head(&view))?;
        output.lines(lines::tables(&view, lines::Order::Rate))?;
    }
    output.flush()?;
    Ok(Exit::Done)
}

/// State of the connector, with the rates of one interval.
async fn view_of_interval(admin: &Admin, interval: Duration) -> anyhow::Result<View> {
    let first = Sample::take(admin).await?;
    tokio::time::sleep(interval).await;
    Ok(View::of(&Sample::take(admin).await?, Some(&first)))
}
