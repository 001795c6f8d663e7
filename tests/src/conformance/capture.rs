//! What one connector has written, topic by topic, with the mask applied.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use walcast_testbed::{RawRecord, SubjectVersion, TreeDecoder, read_topic, topic_names};

use super::mask;
use super::pair::END_TABLE;
use super::servers::Servers;

/// A topic as it is compared.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Topic {
    /// The schemas of its key and value, versions by number from 1.
    pub(super) schemas: Value,
    /// Its records: key, value, headers, and the versions they were written with.
    pub(super) records: Vec<Value>,
}

/// Topics by their names without the prefix.
pub(super) type Topics = BTreeMap<String, Topic>;

/// Reads all topics of a connector but those of the table of the end.
pub(super) async fn topics(servers: &Servers, prefix: &str) -> Topics {
    let brokers = servers.kafka.brokers();
    let mut decoder = TreeDecoder::new(&servers.registry.url()).unwrap();
    let mut topics = Topics::new();
    for name in topic_names(&brokers).await.unwrap() {
        let Some(rest) = without_prefix(&name, prefix) else {
            continue;
        };
        if mask::hides_topic(&name) || name.contains(END_TABLE) {
            continue;
        }
        let records = read_topic(&brokers, &name).await.unwrap();
        let topic = topic(&mut decoder, &name, prefix, &records).await;
        topics.insert(rest.trim_start_matches('.').to_owned(), topic);
    }
    topics
}

/// A topic's name without the prefix, which routing may have put anywhere; `None` for another connector's topic.
fn without_prefix(name: &str, prefix: &str) -> Option<String> {
    let (before, after) = name.split_once(prefix)?;
    // The prefix of one group is the beginning of another's: `dbz1` of `dbz12`.
    let another = after.starts_with(|next: char| next.is_ascii_digit());
    (!another).then(|| format!("{before}{after}"))
}

async fn topic(decoder: &mut TreeDecoder, name: &str, prefix: &str, records: &[RawRecord]) -> Topic {
    let keys = decoder.versions(&format!("{name}-key")).await.unwrap();
    let values = decoder.versions(&format!("{name}-value")).await.unwrap();
    let mut topic = Topic {
        schemas: json!({ "key schema": by_number(&keys), "value schema": by_number(&values) }),
        records: Vec::new(),
    };
    mask::prefix(&mut topic.schemas, prefix);
    for record in records {
        let mut key = part(decoder, &keys, record.key.as_deref()).await;
        mask::notification(name, &mut key.0);
        let (mut value, version) = part(decoder, &values, record.value.as_deref()).await;
        mask::envelope(&mut value);
        mask::notification(name, &mut value);
        let mut record = json!({
            "key": key.0,
            "key version": key.1,
            "value": value,
            "value version": version,
            "headers": headers(record),
        });
        mask::prefix(&mut record, prefix);
        topic.records.push(record);
    }
    topic
}

/// A key or value, and the version of its subject that it was written with: null where it is none of them.
async fn part(
    decoder: &mut TreeDecoder,
    versions: &[SubjectVersion],
    bytes: Option<&[u8]>,
) -> (Value, Value) {
    let Some(bytes) = bytes else {
        return (Value::Null, Value::Null);
    };
    let tree = decoder
        .decode(bytes)
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let position = versions
        .iter()
        .position(|version| Some(version.id) == tree.schema);
    let version = position.map_or(Value::Null, |position| json!(position + 1));
    (tree.value, version)
}

fn by_number(versions: &[SubjectVersion]) -> Value {
    let versions = versions.iter().enumerate();
    versions
        .map(|(index, version)| ((index + 1).to_string(), version.schema.clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn headers(record: &RawRecord) -> Value {
    let kept = record
        .headers
        .iter()
        .filter(|(name, _)| !mask::hides_header(name));
    kept.map(|(name, value)| {
        let text = value.as_deref().map(String::from_utf8_lossy);
        json!({ "name": name, "value": text })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_belongs_to_one_connector() {
        assert_eq!(without_prefix("dbz1.s.t", "dbz1").as_deref(), Some(".s.t"));
        assert_eq!(without_prefix("all_dbz1_s", "dbz1").as_deref(), Some("all__s"));
        assert_eq!(without_prefix("dbz12.s.t", "dbz1"), None);
        assert_eq!(without_prefix("wal1.s.t", "dbz1"), None);
    }
}
