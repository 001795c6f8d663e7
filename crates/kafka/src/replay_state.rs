//! Stored form of replays: the request with its window, and the progress.
//!
//! The topic of replays is compacted and has one partition. Key `<connector>/<replay>` holds the request, key
//! `<connector>/<replay>/progress` the progress, which is written in the Kafka transaction of the records that it covers. The values are
//! JSON with a version. The checkpoint topic is not touched, so that an open transaction of a replay never delays a connector.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use walcast_delivery::{ReplayProgress, ReplayTopic};

use crate::checkpoint::CheckpointRecord;
use crate::error::KafkaError;
use crate::replay_source::{RequestedSource, WalOrigin};

/// Version of the stored form of a replay from the topics.
const VERSION_OF_TOPICS: u32 = 1;

/// Version of the stored form of a replay from WAL, which earlier releases would continue from the topics.
const VERSION_OF_WAL: u32 = 2;

/// Latest version that this release reads.
const VERSION: u32 = VERSION_OF_WAL;

/// Request of a replay, as it was given. A replay is resumed only by an equal request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayRequest {
    /// Beginning of the window: a position or a time.
    pub from: String,
    /// End of the window: a position, a time, or `now`.
    pub to: String,
    /// Patterns of tables; empty selects all.
    pub tables: Vec<String>,
    /// Prefix of the side topics; `None` appends to the original topics.
    pub into: Option<String>,
    /// Source.
    #[serde(default, skip_serializing_if = "RequestedSource::is_auto")]
    pub source: RequestedSource,
}

/// Replay with its window, which is fixed when it is started first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replay {
    version: u32,
    /// Name of the replay.
    pub name: String,
    /// Request.
    pub request: ReplayRequest,
    /// First position of the window; `None` if no record was at the time or after it.
    pub from_lsn: Option<String>,
    /// Last position of the window; `None` if it was the end of what was delivered.
    pub to_lsn: Option<String>,
    /// Source of the records.
    pub source: String,
    /// Part of WAL that is read; `None` if the source is the topics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wal: Option<WalOrigin>,
    /// Time of the first start in microseconds since the Unix epoch.
    pub created_at_unix_micros: i64,
    /// Topics, in the order in which they are copied.
    pub topics: Vec<ReplayTopic>,
}

/// Replay, as the topic of replays has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredReplay {
    /// Request and window.
    pub replay: Replay,
    /// Progress.
    pub progress: ReplayProgress,
}

impl Replay {
    /// Creates a replay that was not begun.
    #[must_use]
    pub fn new(name: String, request: ReplayRequest, topics: Vec<ReplayTopic>, now_unix_micros: i64) -> Self {
        Self {
            version: VERSION_OF_TOPICS,
            name,
            request,
            from_lsn: None,
            to_lsn: None,
            source: "topics".to_owned(),
            wal: None,
            created_at_unix_micros: now_unix_micros,
            topics,
        }
    }

    /// The same replay with WAL as its source.
    #[must_use]
    pub fn from_wal(self, origin: WalOrigin) -> Self {
        Self {
            version: VERSION_OF_WAL,
            source: "wal".to_owned(),
            wal: Some(origin),
            ..self
        }
    }

    /// Progress of the replay when nothing was sent.
    #[must_use]
    pub fn begun(&self) -> ReplayProgress {
        ReplayProgress::begun(self.topics.len(), self.created_at_unix_micros)
    }
}

/// Progress as it is stored.
#[derive(Serialize)]
struct StoredProgress<'a> {
    version: u32,
    #[serde(flatten)]
    progress: &'a ReplayProgress,
}

fn replay_key(connector: &str, replay: &str) -> String {
    format!("{connector}/{replay}")
}

/// End of the key of a progress.
const PROGRESS: &str = "/progress";

/// Record with the request of a replay.
pub(crate) fn replay_record(connector: &str, replay: &Replay) -> Result<CheckpointRecord, KafkaError> {
    record(replay_key(connector, &replay.name), replay)
}

/// Record with the progress of a replay.
pub(crate) fn progress_record(
    connector: &str,
    replay: &str,
    progress: &ReplayProgress,
) -> Result<CheckpointRecord, KafkaError> {
    let stored = StoredProgress {
        version: match progress.place {
            Some(_) => VERSION_OF_WAL,
            None => VERSION_OF_TOPICS,
        },
        progress,
    };
    record(format!("{}{PROGRESS}", replay_key(connector, replay)), &stored)
}

fn record(key: String, stored: &impl Serialize) -> Result<CheckpointRecord, KafkaError> {
    match serde_json::to_string(stored) {
        Ok(value) => Ok(CheckpointRecord {
            key,
            value: Some(value),
        }),
        Err(source) => Err(KafkaError::CheckpointUnreadable { key, source }),
    }
}

/// Last values of the keys of one connector.
#[derive(Debug)]
pub(crate) struct LastReplays {
    prefix: String,
    values: BTreeMap<String, Vec<u8>>,
}

impl LastReplays {
    pub(crate) fn of(connector: &str) -> Self {
        Self {
            prefix: format!("{connector}/"),
            values: BTreeMap::new(),
        }
    }

    /// Applies the next record of the topic; records of other connectors are ignored.
    pub(crate) fn apply(&mut self, key: &[u8], value: Option<Vec<u8>>) {
        let Some(key) = std::str::from_utf8(key)
            .ok()
            .and_then(|key| key.strip_prefix(&self.prefix))
        else {
            return;
        };
        match value {
            Some(value) => self.values.insert(key.to_owned(), value),
            None => self.values.remove(key),
        };
    }

    /// Decodes the replays, in the order of their names.
    pub(crate) fn into_replays(self) -> Result<Vec<StoredReplay>, KafkaError> {
        let mut replays = Vec::new();
        for (key, value) in &self.values {
            if key.ends_with(PROGRESS) {
                continue;
            }
            let replay: Replay = self.decode(key, value)?;
            let key = format!("{key}{PROGRESS}");
            let progress = match self.values.get(&key) {
                Some(value) => self.decode(&key, value)?,
                None => replay.begun(),
            };
            replays.push(StoredReplay { replay, progress });
        }
        Ok(replays)
    }

    fn decode<D: DeserializeOwned>(&self, key: &str, value: &[u8]) -> Result<D, KafkaError> {
        let unreadable = |source| KafkaError::CheckpointUnreadable {
            key: format!("{}{key}", self.prefix),
            source,
        };
        let Versioned { version } = serde_json::from_slice(value).map_err(unreadable)?;
        if version > VERSION {
            return Err(KafkaError::CheckpointVersion {
                found: version,
                known: VERSION,
            });
        }
        serde_json::from_slice(value).map_err(unreadable)
    }
}

/// Field that every version has.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use walcast_delivery::{ReplayPlace, ReplayRange, ReplayState};

    use super::*;

    fn replay() -> Replay {
        let request = ReplayRequest {
            from: "0/16B3748".to_owned(),
            to: "now".to_owned(),
            tables: vec!["public.orders".to_owned()],
            into: Some("fix".to_owned()),
            source: RequestedSource::Auto,
        };
        let topics = vec![ReplayTopic {
            topic: "shop.public.orders".to_owned(),
            target: "fix.shop.public.orders".to_owned(),
            partitions: vec![ReplayRange {
                partition: 0,
                from: 7,
                to: 20,
            }],
        }];
        let mut replay = Replay::new("fix".to_owned(), request, topics, 1_796_119_200_000_000);
        replay.from_lsn = Some("0/16B3748".to_owned());
        replay
    }

    fn read(records: Vec<CheckpointRecord>) -> Result<Vec<StoredReplay>, KafkaError> {
        let mut last = LastReplays::of("shop");
        for CheckpointRecord { key, value } in records {
            last.apply(key.as_bytes(), value.map(String::into_bytes));
        }
        last.into_replays()
    }

    #[test]
    fn the_stored_form_is_read_back() {
        let replay = replay();
        let mut progress = replay.begun();
        let request = replay_record("shop", &replay).unwrap();
        expect![[r#"{"version":1,"name":"fix","request":{"from":"0/16B3748","to":"now","tables":["public.orders"],"into":"fix"},"from_lsn":"0/16B3748","to_lsn":null,"source":"topics","created_at_unix_micros":1796119200000000,"topics":[{"topic":"shop.public.orders","target":"fix.shop.public.orders","partitions":[{"partition":0,"from":7,"to":20}]}]}"#]]
            .assert_eq(request.value.as_deref().unwrap());
        let stored = StoredReplay {
            replay: replay.clone(),
            progress: progress.clone(),
        };
        assert_eq!(read(vec![request.clone()]).unwrap(), [stored]);

        progress.state = ReplayState::Cancelled;
        progress.last = Some(9);
        progress.records = vec![3];
        let sent = progress_record("shop", "fix", &progress).unwrap();
        expect![[r#"{"version":1,"state":"cancelled","topic":0,"partition":0,"last":9,"records":[3],"bytes":0,"updated_at_unix_micros":1796119200000000}"#]]
            .assert_eq(sent.value.as_deref().unwrap());
        let of_other = CheckpointRecord {
            key: "shop2/fix".to_owned(),
            value: Some("?".to_owned()),
        };
        let stored = StoredReplay { replay, progress };
        assert_eq!(read(vec![request, sent, of_other]).unwrap(), [stored]);
    }

    #[test]
    fn a_replay_from_wal_has_a_version_that_earlier_releases_reject() {
        let origin = WalOrigin {
            slot: "walcast_shop".to_owned(),
            bookmark: None,
            end_lsn: "0/16B4F08".to_owned(),
            previous_commit_end: None,
        };
        let mut replay = replay().from_wal(origin);
        replay.request.source = RequestedSource::Wal;
        let mut progress = replay.begun();
        progress.place = Some(ReplayPlace::at("0/16B3748".parse().unwrap()));
        let request = replay_record("shop", &replay).unwrap();
        expect![[r#"{"version":2,"name":"fix","request":{"from":"0/16B3748","to":"now","tables":["public.orders"],"into":"fix","source":"wal"},"from_lsn":"0/16B3748","to_lsn":null,"source":"wal","wal":{"slot":"walcast_shop","bookmark":null,"end_lsn":"0/16B4F08","previous_commit_end":null},"created_at_unix_micros":1796119200000000,"topics":[{"topic":"shop.public.orders","target":"fix.shop.public.orders","partitions":[{"partition":0,"from":7,"to":20}]}]}"#]]
            .assert_eq(request.value.as_deref().unwrap());
        let sent = progress_record("shop", "fix", &progress).unwrap();
        expect![[r#"{"version":2,"state":"unfinished","topic":0,"partition":0,"last":null,"place":{"until":"0/16B3748","last_commit":null,"partial":null},"records":[0],"bytes":0,"updated_at_unix_micros":1796119200000000}"#]]
            .assert_eq(sent.value.as_deref().unwrap());
        assert_eq!(
            read(vec![request, sent]).unwrap(),
            [StoredReplay { replay, progress }]
        );
    }

    #[test]
    fn a_later_version_is_reported_before_any_unknown_field() {
        let record = CheckpointRecord {
            key: "shop/fix".to_owned(),
            value: Some(r#"{"version":3,"all":"new"}"#.to_owned()),
        };
        let error = read(vec![record]).unwrap_err();
        assert!(
            matches!(
                error,
                KafkaError::CheckpointVersion {
                    found: 3,
                    known: VERSION
                }
            ),
            "{error}"
        );
    }
}
