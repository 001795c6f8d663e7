//! `walcast explain`: where one record comes from, and what else its transaction wrote.

mod report;
mod target;
mod transaction;

use clap::Args;
use walcast_delivery::CheckpointStore;
use walcast_kafka::KafkaError;
use walcast_topics::{Decoder, Record, Topic, TopicsError};

use self::report::Report;
use self::target::Target;
use self::transaction::Transaction;
use super::config_args::ConfigArgs;
use super::delivered;
use super::read_progress::ReadProgress;
use crate::config::Config;
use crate::exit::{Exit, Rejection, help_end};
use crate::stdout::stdout;
use crate::wiring;

/// Explain a record: its position, transaction, schemas and times, and the other records of its transaction
///
/// The record is named by its place in Kafka, by its header walcast.id, or by the LSN of the commit record of its transaction.
/// What neither the record nor the topics contain is left out. A running connector is not disturbed.
#[derive(Debug, Args)]
#[command(after_help = help_end!(
    "  walcast explain shop.public.orders/0/12\n\
     \x20 walcast explain 0/16B3748/5                  by its walcast.id\n\
     \x20 walcast explain 0/16B3748                    every record of the transaction\n\
     \x20 walcast explain shop.public.orders/0/12 --json | jq .checkpoint"
))]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,

    /// TOPIC/PARTITION/OFFSET, an LSN, or a walcast.id
    target: Target,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn explain(config: Config, args: ExplainArgs) -> anyhow::Result<Exit> {
    let log = wiring::checkpoints(&config).peek().await?;
    let mut decoder = delivered::decoder(&config, None)?;
    let tables = delivered::delivered_tables(&config, &log, &[]);
    let topics = delivered::topics_of_all(&config, &tables).await?;
    let named = named(&config, &mut decoder, &args.target).await?;
    let lsn = match (&named, &args.target) {
        (Some(record), _) => record.lsn(),
        (None, target) => target.lsn(),
    };
    let mut transaction = Transaction::new(args.target.id());
    if let Some(lsn) = lsn {
        let mut progress = ReadProgress::new(args.target.to_string())?;
        for topic in &topics {
            transaction
                .read(topic, &mut decoder, lsn, &mut || progress.count())
                .await?;
        }
    }
    let found = named.as_ref().or_else(|| transaction.record());
    let Some(record) = found else {
        return Err(Rejection::NoRecord {
            row: args.target.to_string(),
            topics: topic_names(&topics),
        }
        .into());
    };
    let (others, has_more) = (transaction.others(), transaction.has_more());
    let report = Report::new(record, others, has_more, &log, &decoder).await?;
    let mut output = stdout();
    match args.json {
        true => output.json(&report)?,
        false => output.lines(report.lines())?,
    };
    output.flush()?;
    Ok(Exit::Done)
}

fn topic_names(topics: &[Topic]) -> String {
    let names: Vec<String> = topics.iter().map(|topic| topic.name().to_string()).collect();
    match names.as_slice() {
        [] => "the topics of the connector".to_owned(),
        names => names.join(", "),
    }
}

/// Record that is named by its place; `None` for other targets.
async fn named(config: &Config, decoder: &mut Decoder, target: &Target) -> anyhow::Result<Option<Record>> {
    let Target::Place {
        topic: name,
        partition,
        offset,
    } = target
    else {
        return Ok(None);
    };
    let missing = || Rejection::NoRecord {
        row: format!("offset {offset}"),
        topics: format!("{name}/{partition}"),
    };
    let topic = match Topic::open(&config.kafka, name).await {
        Err(TopicsError::Kafka(KafkaError::UnknownTopic { .. })) => return Err(missing().into()),
        other => other?,
    };
    let range = topic.partition(*partition).ok_or_else(missing)?;
    if !(range.first..range.end).contains(offset) {
        return Err(missing().into());
    }
    let record = topic.record_at(decoder, *partition, *offset).await?;
    // An offset between two records is a marker of a transaction, or its record was compacted.
    let record = record.filter(|record| record.offset == *offset);
    Ok(Some(record.ok_or_else(missing)?))
}
