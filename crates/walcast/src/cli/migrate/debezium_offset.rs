//! `walcast migrate debezium-offset`: writes the first checkpoint at the position where a Debezium connector stopped.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::{ArgGroup, Args};
use jiff::Timestamp;
use serde_json::json;
use tracing::warn;
use walcast_delivery::{ImportedOffset, OffsetImport, Place, import_offset};
use walcast_kafka::last_values;
use walcast_mapper::config::DebeziumVersion;
use walcast_pgoutput::PgTimestamp;

use crate::cli::checkpoint::{acquire_leadership, describe};
use crate::cli::config_args::ConfigArgs;
use crate::config::Config;
use crate::debezium::{Offset, Stored, check_stopped, in_file, in_records, release};
use crate::exit::{Exit, UsageError, help_end};
use crate::stdout::stdout;
use crate::wiring;

/// Resume where a stopped Debezium connector ended, on its slot
///
/// Reads the offset that Kafka Connect has stored for the connector, finds its last change in the WAL that the slot retains,
/// and writes the first checkpoint right behind it: the next `walcast run` loses no change and repeats none. Slot,
/// publication and topic prefix of the configuration must be those of the connector, as `walcast migrate debezium-config`
/// writes them. The connector must have been stopped cleanly: changes that a killed connector sent after its last stored
/// offset are repeated, as with Debezium itself.
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("from").required(true),
    after_help = help_end!(
        "  walcast migrate debezium-offset --offsets-topic connect-offsets --connect-url http://connect:8083 --dry-run\n\
         \x20 walcast migrate debezium-offset --offsets-topic connect-offsets --connector shop-source\n\
         \x20 walcast migrate debezium-offset --offset-file /tmp/connect.offsets          a standalone worker\n\
         \x20 walcast migrate debezium-offset --offset '{\"lsn_commit\": 23832392}'         by hand, between two transactions"
    )
)]
pub(in crate::cli) struct DebeziumOffsetArgs {
    #[command(flatten)]
    pub(in crate::cli) config: ConfigArgs,

    /// The topic in which the Connect workers keep offsets (offset.storage.topic), on the brokers of the configuration
    #[arg(long, value_name = "TOPIC", group = "from")]
    offsets_topic: Option<String>,

    /// The file in which a standalone worker keeps offsets (offset.storage.file.filename)
    #[arg(long, value_name = "FILE", group = "from")]
    offset_file: Option<PathBuf>,

    /// The offset itself, as GET /connectors/NAME/offsets shows it
    #[arg(long, value_name = "JSON", group = "from")]
    offset: Option<String>,

    /// The connector's name, where several have written under the same topic prefix
    #[arg(long, value_name = "NAME")]
    connector: Option<String>,

    /// Ask this Connect worker whether the connector is stopped or deleted
    #[arg(long, value_name = "URL")]
    connect_url: Option<String>,

    /// Number of changes at the offset's position whose records are all in Kafka; only if an error message requests it
    #[arg(long, value_name = "COUNT")]
    sent_at_lsn: Option<u64>,

    /// Accept that the slot no longer has some changes after the offset
    #[arg(long)]
    accept_gap: bool,

    /// Find the position and print it, write nothing
    #[arg(long)]
    dry_run: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(in crate::cli) async fn run(config: Config, args: DebeziumOffsetArgs) -> anyhow::Result<Exit> {
    let (connector, offset) = offset(&config, &args).await?;
    let position = offset.position(args.sent_at_lsn)?;
    if let Some(url) = &args.connect_url {
        let name = connector.as_deref().or(args.connector.as_deref());
        let name =
            name.ok_or_else(|| UsageError("--connect-url needs --connector with --offset".to_owned()))?;
        check_stopped(url, name).await?;
        warn_of_other_fields(&config, url, name).await;
    }
    let (mut source, mut sink) = (wiring::source(&config)?, wiring::sink(&config)?);
    let checkpoints = wiring::checkpoints(&config);
    acquire_leadership(&config.name, &mut source).await?;
    let import = OffsetImport {
        position,
        slot: &config.postgres.slot,
        publication: &config.postgres.publication,
        mapper: &config.mapper,
        accept_gap: args.accept_gap,
        only_look: args.dry_run,
        now: PgTimestamp::from_unix_micros(Timestamp::now().as_microsecond()),
    };
    let taken = Box::pin(import_offset(&mut source, &checkpoints, &mut sink, &import)).await?;
    let repeats = offset.repeats();
    let mut output = stdout();
    if args.json {
        output.json(&json!({
            "checkpoint": taken.checkpoint,
            "connector": connector,
            "place": place(&taken),
            "repeats": repeats,
            "written": !args.dry_run,
        }))?;
    } else {
        output.lines(describe(&config.name, &taken.checkpoint))?;
        output.line(&format!("{:<13} {}", "position", place(&taken)))?;
        if let Some(repeats) = repeats {
            output.line(&format!("{:<13} {repeats}", "repeated"))?;
        }
        output.line(&format!("{:<13} {}", "next", next(&args)))?;
    }
    output.flush()?;
    Ok(Exit::Done)
}

/// Warns if records of walcast would have other fields than those of the connector.
async fn warn_of_other_fields(config: &Config, url: &str, connector: &str) {
    // The import does not depend on the release.
    let Ok(Some(release)) = release(url, Some(connector)).await else {
        return;
    };
    let ours = config.mapper.debezium_version;
    if let Some(wanted) = DebeziumVersion::of_release(&release).filter(|theirs| *theirs != ours) {
        warn!(
            connector,
            release,
            debezium_version = %ours,
            %wanted,
            "the source block of records has other fields than the connector's: see [format] debezium_version"
        );
    }
}

fn next(args: &DebeziumOffsetArgs) -> &'static str {
    if args.dry_run {
        "nothing was written; run the command without --dry-run"
    } else {
        "walcast run; delete the connector from Connect, so that it never streams from this slot again"
    }
}

/// Number of attempts to read a file that cannot be parsed: a running worker may be writing the file.
const FILE_ATTEMPTS: u32 = 10;
/// Pause between two attempts.
const FILE_PAUSE: Duration = Duration::from_millis(100);

async fn stored_in(path: &Path) -> anyhow::Result<Vec<Stored>> {
    let mut attempt = 1;
    loop {
        let bytes = std::fs::read(path).map_err(|error| {
            UsageError(format!(
                "cannot read {}: {error}; give the offset file of the worker (offset.storage.file.filename) with --offset-file",
                path.display()
            ))
        })?;
        match in_file(&bytes) {
            Err(_) if attempt < FILE_ATTEMPTS => {
                attempt += 1;
                tokio::time::sleep(FILE_PAUSE).await;
            }
            stored => return stored.with_context(|| path.display().to_string()),
        }
    }
}

/// Stored offset, with the name of its connector if known.
async fn offset(config: &Config, args: &DebeziumOffsetArgs) -> anyhow::Result<(Option<String>, Offset)> {
    if let Some(json) = &args.offset {
        return Ok((args.connector.clone(), Offset::read(json.as_bytes())?));
    }
    let stored = match (&args.offset_file, &args.offsets_topic) {
        (Some(path), _) => stored_in(path).await?,
        (None, Some(topic)) => in_records(last_values(config.kafka.clone(), topic.clone()).await?),
        (None, None) => return Err(UsageError("an offset is needed".to_owned()).into()),
    };
    let chosen = Stored::choose(stored, &config.kafka.topic_prefix, args.connector.as_deref())?;
    let offset = chosen.offset()?;
    Ok((Some(chosen.connector), offset))
}

fn place(taken: &ImportedOffset) -> String {
    let last = taken.checkpoint.end_lsn;
    match taken.place {
        Place::Between => format!("between two transactions, after {last}"),
        Place::Behind { xid } => format!("after transaction {xid}, which was sent completely"),
        Place::Inside {
            xid,
            delivered,
            changes,
        } => {
            format!("inside transaction {xid}: {delivered} of its {changes} changes were sent")
        }
    }
}
