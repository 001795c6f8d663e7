//! The partitions that may hold records of a key.
//!
//! The partition of a key follows from its bytes, which follow from the schema under which it was produced. So the key is encoded with
//! every version of the key's schema. A sample of records shows whether the topic is partitioned by its keys at all: it is not where
//! the number of partitions was changed, or where a producer chose the partition in another way.

use std::collections::BTreeSet;
use std::fmt;

use walcast_kafka::PartitionRange;

use crate::avro::AvroSchema;
use crate::decoder::Decoder;
use crate::error::TopicsError;
use crate::key_bytes;
use crate::partitioner::partition_of;
use crate::reader::Topic;
use crate::search::Bound;
use crate::typed_key::TypedKey;

/// Partitions that are read for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPartitions {
    /// Partitions to read.
    pub ranges: Vec<PartitionRange>,
    /// Reason for which all partitions are read; `None` where only those of the key are.
    pub all_because: Option<AllPartitions>,
}

/// Reason for which all partitions of a topic are read for one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllPartitions {
    /// The key cannot be encoded.
    KeyNotEncoded,
    /// A record is not in the partition that its key has now.
    OtherPartitioner {
        /// Place of the record.
        place: String,
    },
    /// The configuration sets another partitioner.
    Configured {
        /// Name of the partitioner.
        name: String,
    },
}

impl fmt::Display for AllPartitions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyNotEncoded => f.write_str("the key has no form in the schemas of the topic's keys"),
            Self::OtherPartitioner { place } => write!(
                f,
                "the record at {place} is not in the partition of its key: the number of partitions was changed, or another \
                 partitioner chose it"
            ),
            Self::Configured { name } => write!(f, "the configuration sets the partitioner {name}"),
        }
    }
}

/// Number of records at the beginning and at the end of each partition that are compared with the partitions of their keys.
const SAMPLE: usize = 100;

/// Partitioners of librdkafka that choose the partition that [`partition_of`] returns.
const MURMUR2: [&str; 2] = ["murmur2", "murmur2_random"];

/// Finds the partitions that may hold records of a key. `partitioner`: the property of that name in the producer's configuration.
///
/// # Errors
/// The topic or the registry cannot be read.
pub async fn key_partitions(
    topic: &Topic,
    decoder: &mut Decoder,
    key: &TypedKey,
    partitioner: Option<&str>,
) -> Result<KeyPartitions, TopicsError> {
    let all = |reason| KeyPartitions {
        ranges: topic.partitions().to_vec(),
        all_because: Some(reason),
    };
    let count = topic.partitions().len();
    if count == 1 {
        return Ok(KeyPartitions {
            ranges: topic.partitions().to_vec(),
            all_because: None,
        });
    }
    if let Some(name) = partitioner.filter(|name| !MURMUR2.contains(name)) {
        return Ok(all(AllPartitions::Configured {
            name: name.to_owned(),
        }));
    }
    let sample = match sample(topic, decoder).await? {
        Sample::Partitioned(keys) => keys,
        Sample::NotPartitioned { place } => return Ok(all(AllPartitions::OtherPartitioner { place })),
    };
    let mut encoded = of_subject(topic, decoder, key).await?;
    encoded.extend(sample.iter().filter_map(|sample| key_bytes::like_sample(key, sample)));
    if encoded.is_empty() {
        return Ok(all(AllPartitions::KeyNotEncoded));
    }
    let numbers: BTreeSet<i32> = encoded
        .iter()
        .filter_map(|bytes| partition_of(bytes, count))
        .collect();
    let ranges = topic.partitions().iter().copied();
    Ok(KeyPartitions {
        ranges: ranges
            .filter(|range| numbers.contains(&range.partition))
            .collect(),
        all_because: None,
    })
}

/// The key, encoded with each version of the schema of the topic's keys.
async fn of_subject(
    topic: &Topic,
    decoder: &mut Decoder,
    key: &TypedKey,
) -> Result<Vec<Vec<u8>>, TopicsError> {
    let versions = decoder.versions(&format!("{}-key", topic.name())).await?;
    let encoded = versions.into_iter().filter_map(|version| {
        let schema = AvroSchema::parse(&version.schema).ok()?;
        key_bytes::of_schema(key, version.id.as_u32(), &schema)
    });
    Ok(encoded.collect())
}

enum Sample {
    /// Every record of the sample is in the partition of its key: the first key of each partition.
    Partitioned(Vec<Vec<u8>>),
    NotPartitioned {
        place: String,
    },
}

/// Compares records at both ends of each partition with the partitions of their keys.
async fn sample(topic: &Topic, decoder: &mut Decoder) -> Result<Sample, TopicsError> {
    let count = topic.partitions().len();
    let mut keys = Vec::new();
    for range in topic.partitions() {
        let length = i64::try_from(SAMPLE).unwrap_or(i64::MAX);
        for from in [Bound::Beginning, Bound::Offset(range.end.saturating_sub(length))] {
            let mut reader = topic.read_partition(decoder, *range, from).await?;
            let mut first = true;
            for _ in 0..SAMPLE {
                let Some(record) = reader.next_undecoded().await? else {
                    break;
                };
                let Some(key) = record.key else { continue };
                if partition_of(&key, count) != Some(range.partition) {
                    return Ok(Sample::NotPartitioned {
                        place: format!("{}/{}/{}", topic.name(), range.partition, record.offset),
                    });
                }
                if first {
                    keys.push(key);
                    first = false;
                }
            }
        }
    }
    Ok(Sample::Partitioned(keys))
}
