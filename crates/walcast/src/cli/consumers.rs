//! `walcast consumers`: the consumer groups of the topics, with their lag.

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;
use walcast_delivery::CheckpointStore;
use walcast_kafka::consumer_groups;
use walcast_mapper::names;

use super::config_args::ConfigArgs;
use super::delivered::delivered_tables;
use crate::config::Config;
use crate::consumer_report::{ConsumerLag, ConsumersReport, GroupReport, consumed_topics};
use crate::exit::{Exit, help_end};
use crate::stdout::stdout;
use crate::wiring;

/// Show the consumer groups of the topics: lag in records, in seconds and as an LSN
///
/// The LSN is that before which the group has every transaction. Committed offsets are read from Kafka; no group is
/// joined or disturbed. Topics are those that begin with the topic prefix, those of the delivered tables, and those of --topic.
#[derive(Debug, Args)]
#[command(after_help = help_end!(
    "  walcast consumers\n\
     \x20 walcast consumers --topic outbox.event.orders\n\
     \x20 walcast consumers --json | jq '.groups[] | select(.lag_records > 1000) | .group'"
))]
pub(crate) struct ConsumersArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,

    #[command(flatten)]
    pub(crate) request: ConsumersRequest,
}

/// What is shown.
#[derive(Debug, Args)]
pub(crate) struct ConsumersRequest {
    /// Further topic, such as one that rows of an outbox name; can be given several times
    #[arg(long = "topic", value_name = "TOPIC")]
    topics: Vec<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Consumer groups, as printed with `--json`.
#[derive(Serialize)]
struct Printed<'a> {
    connector: &'a str,
    /// Position of the checkpoint, which groups that have consumed everything have.
    checkpointed: Option<String>,
    #[serde(flatten)]
    report: &'a ConsumersReport,
}

pub(crate) async fn consumers(config: Config, request: ConsumersRequest) -> anyhow::Result<Exit> {
    // The checkpoint is read first: what it covers is in the topics when their ends are asked for.
    let log = wiring::checkpoints(&config).peek().await?;
    let checkpointed = log.current.as_ref().map(|current| current.end_lsn);
    let tables = delivered_tables(&config, &log, &[]).into_iter();
    let topics = tables.map(|table| names::topic(&config.mapper, &table));
    let topics = consumed_topics(&config.mapper, topics.chain(request.topics));
    let groups = consumer_groups(config.kafka.clone(), topics).await?;
    let report = ConsumersReport::of(&groups, checkpointed, Timestamp::now().as_millisecond());
    let mut output = stdout();
    if request.json {
        output.json(&Printed {
            connector: &config.name,
            checkpointed: checkpointed.map(|lsn| lsn.to_string()),
            report: &report,
        })?;
    } else {
        output.lines(lines(&config.name, &report))?;
    }
    output.flush()?;
    Ok(Exit::Done)
}

/// Table of the groups, each with its topics.
fn lines(connector: &str, report: &ConsumersReport) -> Vec<String> {
    let mut lines = Vec::new();
    if report.groups.is_empty() {
        lines.push(format!(
            "no consumer group has committed an offset on a topic of {connector}"
        ));
    } else {
        let topics = report.groups.iter().flat_map(|group| &group.topics);
        let names = report.groups.iter().map(|group| group.group.chars().count());
        let width = names.chain(topics.map(|topic| topic.topic.chars().count() + 2));
        let width = width.max().unwrap_or_default().max("GROUP".len());
        lines.push(format!(
            "{:<width$}  {:<20}  {:>7}  {:>12}  {:>10}  COMPLETE TO",
            "GROUP", "STATE", "MEMBERS", "RECORDS", "SECONDS"
        ));
        lines.extend(report.groups.iter().flat_map(|group| rows(group, width)));
    }
    for unreadable in &report.unreadable {
        lines.push(format!(
            "{} cannot be read: {}",
            unreadable.group, unreadable.error
        ));
    }
    if report.omitted > 0 {
        lines.push(format!(
            "{} further groups of the cluster were not read",
            report.omitted
        ));
    }
    lines
}

/// Row of a group, and one of each of its topics.
fn rows(group: &GroupReport, width: usize) -> Vec<String> {
    let mut rows = vec![(
        group.group.clone(),
        group.state.as_str(),
        group.members.to_string(),
        &group.lag,
    )];
    let topics = group.topics.iter();
    rows.extend(topics.map(|topic| (format!("  {}", topic.topic), "", String::new(), &topic.lag)));
    let row = |(name, state, members, lag): (String, &str, String, &ConsumerLag)| {
        let seconds = lag
            .seconds
            .map_or_else(|| "?".to_owned(), |seconds| format!("{seconds:.1}"));
        let position = lag
            .complete_to
            .map_or_else(|| "?".to_owned(), |lsn| lsn.to_string());
        format!(
            "{name:<width$}  {state:<20}  {members:>7}  {:>12}  {seconds:>10}  {position}",
            lag.records
        )
    };
    rows.into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use walcast_kafka::{ConsumerGroup, ConsumerGroups, GroupPartition, NextRecord};
    use walcast_pgoutput::Lsn;

    use super::*;

    #[test]
    fn each_group_is_shown_with_its_topics() {
        let partition = |topic: &str, next| GroupPartition {
            topic: topic.to_owned(),
            partition: 0,
            committed: Some(12),
            first: 0,
            end: 20,
            next,
        };
        let record = NextRecord::Record {
            timestamp: Some(8_500),
            id: Some("0/700/3".to_owned()),
        };
        let group = |group: &str, state: &str, members, partitions| ConsumerGroup {
            group: group.to_owned(),
            state: state.to_owned(),
            members,
            partitions,
        };
        let groups = ConsumerGroups {
            groups: vec![
                group(
                    "billing",
                    "Stable",
                    2,
                    vec![
                        partition("shop.public.items", NextRecord::None),
                        partition("shop.public.orders", record),
                    ],
                ),
                group(
                    "search",
                    "Empty",
                    0,
                    vec![partition("shop.public.items", NextRecord::Unknown)],
                ),
            ],
            unreadable: vec![("secret".to_owned(), "not allowed".to_owned())],
            omitted: 3,
        };
        let report = ConsumersReport::of(&groups, Some(Lsn::new(0x900)), 10_000);
        expect![[r#"
            GROUP                 STATE                 MEMBERS       RECORDS     SECONDS  COMPLETE TO
            billing               Stable                      2             8         1.5  0/700
              shop.public.items                                             0         0.0  0/900
              shop.public.orders                                            8         1.5  0/700
            search                Empty                       0             8           ?  ?
              shop.public.items                                             8           ?  ?
            secret cannot be read: not allowed
            3 further groups of the cluster were not read"#]]
        .assert_eq(&lines("shop", &report).join("\n"));
        let none = ConsumersReport::of(&ConsumerGroups::default(), None, 0);
        assert_eq!(
            lines("shop", &none),
            ["no consumer group has committed an offset on a topic of shop"]
        );
    }
}
