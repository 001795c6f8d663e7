//! `walcast migrate`: the configuration of another connector becomes ours.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};

use crate::debezium::{Given, migrate};
use crate::exit::{Exit, Refusal, help_end};
use crate::stdout::stdout;

/// Write a configuration from that of another connector
#[derive(Debug, Args)]
#[command(after_help = help_end!(
    "  walcast migrate debezium shop-source.json --worker connect-distributed.properties\n\
     \x20 walcast migrate debezium shop-source.json --output walcast.toml"
))]
pub(crate) struct MigrateArgs {
    #[command(subcommand)]
    pub(crate) source: Source,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Source {
    Debezium(DebeziumArgs),
}

/// From Debezium's Postgres connector on Kafka Connect
///
/// Each line of the configuration names the property it came from; what has no counterpart is listed with the reason.
/// Secrets are never copied: the configuration says where they come from. Afterwards, `walcast check` tells whether
/// everything is set up, and `walcast take-over` goes on where the connector stopped.
#[derive(Debug, Args)]
#[command(after_help = help_end!(
    "  walcast migrate debezium shop-source.json\n\
     \x20 walcast migrate debezium shop-source.json --worker connect-distributed.properties --output walcast.toml\n\
     \x20 curl -s http://connect:8083/connectors/shop-source > shop-source.json    where to have it from\n\
     \x20 walcast migrate debezium shop-source.json --json | jq '.findings[] | select(.became == \"not_yet\")'"
))]
pub(crate) struct DebeziumArgs {
    /// The connector's configuration: JSON as Connect takes or gives it, or a .properties file
    #[arg(value_name = "CONNECTOR")]
    connector: PathBuf,

    /// The properties of the Connect worker: brokers, converters, security of the producer
    #[arg(long, value_name = "FILE")]
    worker: Option<PathBuf>,

    /// Write the configuration to this file, and the report to stdout; else the configuration goes to stdout, the report to stderr
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Overwrite the file if it exists
    #[arg(long, requires = "output")]
    force: bool,

    /// Print one JSON object: every property and what became of it, and the configuration unless it goes to a file
    #[arg(long)]
    json: bool,
}

pub(crate) fn debezium(args: &DebeziumArgs) -> anyhow::Result<Exit> {
    let given = Given::read(&args.connector, args.worker.as_deref())?;
    let migration = migrate(&given);
    if let Some(path) = &args.output {
        write(path, &migration.toml, args.force)?;
    }
    let mut output = stdout();
    if args.json {
        let toml = args.output.is_none().then_some(&migration.toml);
        let findings = &migration.findings;
        output.line(&serde_json::to_string_pretty(
            &serde_json::json!({ "findings": findings, "toml": toml }),
        )?)?;
    } else if args.output.is_some() {
        output.line(&migration.report())?;
    } else {
        output.write(migration.toml.as_bytes())?;
        output.flush()?;
        eprint(&migration.report());
    }
    output.flush()?;
    Ok(if migration.is_incomplete() {
        Exit::Incomplete
    } else {
        Exit::Done
    })
}

fn eprint(text: &str) {
    let printed = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("{text}\n"));
    // Without stderr there is nobody to tell.
    drop(printed);
}

fn write(path: &Path, toml: &str, force: bool) -> anyhow::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(!force);
    if force {
        options.create(true).truncate(true);
    }
    let opened = options.open(path);
    if opened
        .as_ref()
        .is_err_and(|error| error.kind() == std::io::ErrorKind::AlreadyExists)
    {
        return Err(Refusal::Exists(path.to_owned()).into());
    }
    let failed = || format!("cannot write {}", path.display());
    let mut file = opened.with_context(failed)?;
    std::io::Write::write_all(&mut file, toml.as_bytes()).with_context(failed)
}
