//! Consumer groups of the topics, as `walcast consumers` and `/api/v1/consumers` show them.

use std::collections::BTreeSet;

use serde::Serialize;
use walcast_kafka::{ConsumedTopics, ConsumerGroup, ConsumerGroups, GroupPartition, NextRecord};
use walcast_mapper::MapperConfig;
use walcast_pgoutput::Lsn;
use walcast_topics::WalcastId;

/// Lag of a group, of one of its topics, or in a partition.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct ConsumerLag {
    /// Offsets between the committed offset and the end.
    #[serde(rename = "lag_records")]
    pub(crate) records: u64,
    /// Age of the oldest record that is not consumed; `None`: unknown.
    #[serde(rename = "lag_seconds")]
    pub(crate) seconds: Option<f64>,
    /// Every change of a transaction whose commit LSN is lower was consumed; `None`: unknown.
    #[serde(rename = "complete_to_lsn", serialize_with = "as_text")]
    pub(crate) complete_to: Option<Lsn>,
}

/// Consumer groups.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct ConsumersReport {
    pub(crate) groups: Vec<GroupReport>,
    /// Groups whose offsets could not be read.
    pub(crate) unreadable: Vec<UnreadableGroup>,
    /// Number of groups that were not read.
    pub(crate) omitted: usize,
}

/// Group whose offsets could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct UnreadableGroup {
    pub(crate) group: String,
    pub(crate) error: String,
}

/// Consumer group.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct GroupReport {
    pub(crate) group: String,
    pub(crate) state: String,
    pub(crate) members: usize,
    #[serde(flatten)]
    pub(crate) lag: ConsumerLag,
    pub(crate) topics: Vec<ConsumedTopic>,
}

/// Topic that a group consumes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct ConsumedTopic {
    pub(crate) topic: String,
    #[serde(flatten)]
    pub(crate) lag: ConsumerLag,
    partitions: Vec<ConsumedPartition>,
}

/// Partition that a group consumes.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct ConsumedPartition {
    partition: i32,
    committed_offset: Option<i64>,
    end_offset: i64,
    #[serde(flatten)]
    lag: ConsumerLag,
}

fn as_text<S: serde::Serializer>(lsn: &Option<Lsn>, serializer: S) -> Result<S::Ok, S::Error> {
    match lsn {
        Some(lsn) => serializer.collect_str(lsn),
        None => serializer.serialize_none(),
    }
}

/// Topics of a connector: those with its prefix, and those of its events. Its internal topics are left out.
pub(crate) fn consumed_topics(
    mapper: &MapperConfig,
    further: impl IntoIterator<Item = String>,
) -> ConsumedTopics {
    let reserved = mapper.reserved_topics.iter();
    ConsumedTopics {
        prefix: format!("{}{}", mapper.topic_prefix, mapper.names.delimiter),
        further: further.into_iter().collect(),
        excluded: reserved
            .map(|reserved| reserved.topic.clone())
            .collect::<BTreeSet<_>>(),
    }
}

impl ConsumerLag {
    /// Lag over several places: all records, the oldest of them, and the position that every place has.
    fn over<'l>(places: impl Iterator<Item = &'l Self>) -> Self {
        let nothing = Self {
            records: 0,
            seconds: Some(0.0),
            complete_to: Some(Lsn::new(u64::MAX)),
        };
        places.fold(nothing, |all, one| Self {
            records: all.records.saturating_add(one.records),
            seconds: all.seconds.zip(one.seconds).map(|(all, one)| all.max(one)),
            complete_to: all
                .complete_to
                .zip(one.complete_to)
                .map(|(all, one)| all.min(one)),
        })
    }

    fn of(partition: &GroupPartition, checkpointed: Option<Lsn>, now_unix_millis: i64) -> Self {
        let (seconds, complete_to) = match &partition.next {
            NextRecord::None => (Some(0.0), checkpointed),
            NextRecord::Hidden => (Some(0.0), None),
            NextRecord::Unknown => (None, None),
            NextRecord::Record { timestamp, id } => {
                let age = timestamp.map(|at| now_unix_millis.saturating_sub(at).max(0) as f64 / 1000.0);
                let id = id.as_deref().and_then(|id| id.parse::<WalcastId>().ok());
                (age, id.map(|id| id.lsn()))
            }
        };
        Self {
            records: partition.lag(),
            seconds,
            complete_to,
        }
    }
}

impl ConsumersReport {
    /// Report of groups that were read after `checkpointed` was the position of the checkpoint.
    pub(crate) fn of(groups: &ConsumerGroups, checkpointed: Option<Lsn>, now_unix_millis: i64) -> Self {
        let report = |group| GroupReport::of(group, checkpointed, now_unix_millis);
        let unreadable = groups.unreadable.iter();
        Self {
            groups: groups.groups.iter().map(report).collect(),
            unreadable: unreadable
                .map(|(group, error)| UnreadableGroup {
                    group: group.clone(),
                    error: error.clone(),
                })
                .collect(),
            omitted: groups.omitted,
        }
    }
}

impl GroupReport {
    fn of(group: &ConsumerGroup, checkpointed: Option<Lsn>, now_unix_millis: i64) -> Self {
        let of_topics = group.partitions.chunk_by(|one, next| one.topic == next.topic);
        let topics: Vec<ConsumedTopic> = of_topics
            .map(|partitions| ConsumedTopic::of(partitions, checkpointed, now_unix_millis))
            .collect();
        Self {
            group: group.group.clone(),
            state: group.state.clone(),
            members: group.members,
            lag: ConsumerLag::over(topics.iter().map(|topic| &topic.lag)),
            topics,
        }
    }
}

impl ConsumedTopic {
    fn of(partitions: &[GroupPartition], checkpointed: Option<Lsn>, now_unix_millis: i64) -> Self {
        let consumed: Vec<ConsumedPartition> = partitions
            .iter()
            .map(|partition| ConsumedPartition {
                partition: partition.partition,
                committed_offset: partition.committed,
                end_offset: partition.end,
                lag: ConsumerLag::of(partition, checkpointed, now_unix_millis),
            })
            .collect();
        Self {
            topic: partitions
                .first()
                .map(|first| first.topic.clone())
                .unwrap_or_default(),
            lag: ConsumerLag::over(consumed.iter().map(|partition| &partition.lag)),
            partitions: consumed,
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn partition(topic: &str, partition: i32, committed: i64, next: NextRecord) -> GroupPartition {
        GroupPartition {
            topic: topic.to_owned(),
            partition,
            committed: Some(committed),
            first: 0,
            end: 20,
            next,
        }
    }

    fn record(timestamp: i64, id: &str) -> NextRecord {
        NextRecord::Record {
            timestamp: Some(timestamp),
            id: Some(id.to_owned()),
        }
    }

    fn report(partitions: Vec<GroupPartition>) -> GroupReport {
        let group = ConsumerGroup {
            group: "billing".to_owned(),
            state: "Stable".to_owned(),
            members: 2,
            partitions,
        };
        let groups = ConsumerGroups {
            groups: vec![group],
            ..ConsumerGroups::default()
        };
        let mut report = ConsumersReport::of(&groups, Some(Lsn::new(0x900)), 10_000);
        report.groups.remove(0)
    }

    #[test]
    fn a_group_has_everything_before_the_first_record_that_it_has_not_consumed() {
        let report = report(vec![
            partition("shop.public.items", 0, 20, NextRecord::None),
            partition("shop.public.orders", 0, 12, record(8_500, "0/700/3")),
            partition("shop.public.orders", 1, 18, record(9_000, "0/600/16384(0,1)")),
        ]);
        let json = serde_json::to_string_pretty(&report).unwrap();
        expect![[r#"
            {
              "group": "billing",
              "state": "Stable",
              "members": 2,
              "lag_records": 10,
              "lag_seconds": 1.5,
              "complete_to_lsn": "0/600",
              "topics": [
                {
                  "topic": "shop.public.items",
                  "lag_records": 0,
                  "lag_seconds": 0.0,
                  "complete_to_lsn": "0/900",
                  "partitions": [
                    {
                      "partition": 0,
                      "committed_offset": 20,
                      "end_offset": 20,
                      "lag_records": 0,
                      "lag_seconds": 0.0,
                      "complete_to_lsn": "0/900"
                    }
                  ]
                },
                {
                  "topic": "shop.public.orders",
                  "lag_records": 10,
                  "lag_seconds": 1.5,
                  "complete_to_lsn": "0/600",
                  "partitions": [
                    {
                      "partition": 0,
                      "committed_offset": 12,
                      "end_offset": 20,
                      "lag_records": 8,
                      "lag_seconds": 1.5,
                      "complete_to_lsn": "0/700"
                    },
                    {
                      "partition": 1,
                      "committed_offset": 18,
                      "end_offset": 20,
                      "lag_records": 2,
                      "lag_seconds": 1.0,
                      "complete_to_lsn": "0/600"
                    }
                  ]
                }
              ]
            }"#]]
        .assert_eq(&json);
    }

    #[test]
    fn a_position_that_is_not_known_is_not_guessed() {
        for next in [
            NextRecord::Hidden,
            NextRecord::Unknown,
            record(9_000, "no position"),
            NextRecord::Record {
                timestamp: None,
                id: None,
            },
        ] {
            let report = report(vec![
                partition("shop.public.items", 0, 20, NextRecord::None),
                partition("shop.public.orders", 0, 12, next.clone()),
            ]);
            assert_eq!(report.lag.complete_to, None, "{next:?}");
        }
    }

    #[test]
    fn internal_topics_are_not_looked_at() {
        let mut mapper = MapperConfig::new("shop", "shop");
        mapper.reserved_topics = vec![walcast_mapper::config::ReservedTopic {
            topic: "shop.walcast-checkpoints".to_owned(),
            purpose: walcast_mapper::config::TopicPurpose::Checkpoints,
        }];
        let topics = consumed_topics(&mapper, ["outbox.event.orders".to_owned()]);
        assert_eq!(topics.prefix, "shop.");
        assert!(topics.excluded.contains("shop.walcast-checkpoints"));
        assert!(topics.further.contains("outbox.event.orders"));
    }
}
