//! `walcast`: change data capture from Postgres to Kafka, exactly once, in commit order.
//!
//! The binary reads the configuration, connects source, sink and delivery loop, and reports their state: logs on stderr,
//! metrics and status over HTTP, results on stdout. It decides nothing about delivery.

mod admin;
mod answers;
mod background_read;
mod bookmark_report;
mod bookmarking;
mod cli;
mod config;
mod connector_handle;
mod consumer_metrics;
mod consumer_report;
mod debezium;
mod descriptors;
mod exit;
#[doc(hidden)]
pub mod fuzzing;
mod last_verification;
mod log;
mod memory;
mod printable;
mod reload;
mod remedy;
mod replay_extent;
mod samples;
mod selection;
mod service_manager;
mod signal_topic;
mod signals;
mod stdout;
mod stream_snapshots;
mod wiring;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use crate::cli::Cli;
use crate::exit::Exit;
use crate::printable::printable;
use crate::remedy::describe;

/// Executes the command line; the exit code reports the outcome.
#[must_use]
pub fn main() -> ExitCode {
    match Cli::parse().execute() {
        Ok(exit) => exit.into(),
        Err(error) => {
            let printed = writeln!(io::stderr(), "error: {}", printable(&describe(error.as_ref())));
            // Without stderr the exit code is the only report.
            drop(printed);
            Exit::of(&error).into()
        }
    }
}
