//! `walcast migrate debezium-config`: writes a configuration from that of a Debezium connector.

use std::path::PathBuf;

use clap::Args;

use crate::cli::written_file::write;
use crate::debezium::{Given, migrate, release};
use crate::exit::{Exit, help_end};
use crate::printable::printable;
use crate::stdout::stdout;

/// Write a configuration from that of Debezium's Postgres connector on Kafka Connect
///
/// Each line of the configuration names the property it came from; properties without a counterpart are listed with the
/// reason. Properties that withhold data and are not completely translated are listed in `unresolved`: the configuration is
/// rejected until they are resolved. Secrets are never copied: the configuration says where they come from. Afterwards,
/// `walcast check` reports whether everything is set up, and `walcast migrate debezium-offset` resumes where the connector
/// stopped.
#[derive(Debug, Args)]
#[command(after_help = help_end!(
    "  walcast migrate debezium-config shop-source.json\n\
     \x20 walcast migrate debezium-config shop-source.json --worker connect-distributed.properties --output walcast.toml\n\
     \x20 walcast migrate debezium-config shop-source.json --connect-url http://connect:8083\n\
     \x20 curl -s http://connect:8083/connectors/shop-source > shop-source.json    the running connector's\n\
     \x20 walcast migrate debezium-config shop-source.json --json | jq '.findings[] | select(.became == \"not_yet\")'"
))]
pub(in crate::cli) struct DebeziumConfigArgs {
    /// The connector's configuration: JSON as Connect accepts or returns it, or a .properties file
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The connector, where the file is the response of `GET /connectors?expand=info` and lists several
    #[arg(long, value_name = "NAME")]
    connector: Option<String>,

    /// The properties of the Connect worker: brokers, converters, security of the producer
    #[arg(long, value_name = "FILE")]
    worker: Option<PathBuf>,

    /// Ask this Connect worker which release of Debezium runs, which determines [format] debezium_version
    #[arg(long, value_name = "URL")]
    connect_url: Option<String>,

    /// Write the configuration to this file, and the report to stdout; default: configuration to stdout, report to stderr
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Overwrite the file if it exists
    #[arg(long, requires = "output")]
    force: bool,

    /// Print one JSON object: every property with its result, and the configuration unless it is written to a file
    #[arg(long)]
    json: bool,
}

pub(in crate::cli) async fn run(args: DebeziumConfigArgs) -> anyhow::Result<Exit> {
    let mut given = Given::read(&args.file, args.connector.as_deref(), args.worker.as_deref())?;
    if let Some(url) = &args.connect_url
        && let Some(release) = release(url, given.connector("name")).await?
    {
        given.set_release(release);
    }
    let migration = migrate(&given);
    if let Some(path) = &args.output {
        write(path, &migration.toml, args.force)?;
    }
    let mut output = stdout();
    if args.json {
        let toml = args.output.is_none().then_some(&migration.toml);
        let findings = &migration.findings;
        output.json(&serde_json::json!({ "findings": findings, "toml": toml }))?;
    } else if args.output.is_some() {
        output.lines(migration.report())?;
    } else {
        output.write(migration.toml.as_bytes())?;
        output.flush()?;
        for line in migration.report() {
            eprint(&line);
        }
    }
    output.flush()?;
    Ok(if migration.is_incomplete() {
        Exit::Incomplete
    } else {
        Exit::Done
    })
}

fn eprint(line: &str) {
    let line = printable(line);
    let printed = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("{line}\n"));
    // Without stderr, the report has no destination.
    drop(printed);
}
