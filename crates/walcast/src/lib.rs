//! `walcast`: change data capture from Postgres to Kafka, exactly once, in commit order.
//!
//! The binary reads the configuration, wires source, sink and delivery loop together, and shows what goes on: logs on
//! stderr, figures and state over HTTP, results on stdout. It decides nothing about delivery.

mod admin;
mod cli;
mod config;
mod debezium;
mod exit;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod log;
mod signal_topic;
mod signals;
mod stdout;
mod wiring;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use crate::cli::Cli;
use crate::exit::{Exit, one_line};

/// The program: does what its command line says, and tells by its exit code how that went.
#[must_use]
pub fn main() -> ExitCode {
    match Cli::parse().execute() {
        Ok(exit) => exit.into(),
        Err(error) => {
            let printed = writeln!(io::stderr(), "error: {}", one_line(error.as_ref()));
            // Without stderr there is nobody to tell but by the code.
            drop(printed);
            Exit::of(&error).into()
        }
    }
}
