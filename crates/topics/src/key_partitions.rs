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

/// How the keys of a topic determine its partitions, as far as its records and the registry show.
#[derive(Debug)]
pub struct Partitioning {
    ranges: Vec<PartitionRange>,
    all_because: Option<AllPartitions>,
    /// Keys of records, in whose form JSON keys are encoded.
    samples: Vec<Vec<u8>>,
    /// Versions of the schema of Avro keys.
    schemas: Vec<(u32, AvroSchema)>,
    /// Field that identifies the table in keys, and its value, in a topic that several tables share.
    table_key: Option<(String, String)>,
}

impl Partitioning {
    /// Samples a topic. `partitioner`: the property of that name in the producer's configuration.
    ///
    /// # Errors
    /// The topic or the registry cannot be read.
    pub async fn of(
        topic: &Topic,
        decoder: &mut Decoder,
        partitioner: Option<&str>,
    ) -> Result<Self, TopicsError> {
        let mut partitioning = Self {
            ranges: topic.partitions().to_vec(),
            all_because: None,
            samples: Vec::new(),
            schemas: Vec::new(),
            table_key: decoder.settings().table_key.clone(),
        };
        if let [_only] = topic.partitions() {
            return Ok(partitioning);
        }
        if let Some(name) = partitioner.filter(|name| !MURMUR2.contains(name)) {
            partitioning.all_because = Some(AllPartitions::Configured {
                name: name.to_owned(),
            });
            return Ok(partitioning);
        }
        match sample(topic, decoder).await? {
            Sample::Partitioned(keys) => partitioning.samples = keys,
            Sample::NotPartitioned { place } => {
                partitioning.all_because = Some(AllPartitions::OtherPartitioner { place });
                return Ok(partitioning);
            }
        }
        let versions = decoder.versions(&format!("{}-key", topic.name())).await?;
        let schemas = versions.into_iter().filter_map(|version| {
            let schema = AvroSchema::parse(&version.schema).ok()?;
            Some((version.id.as_u32(), schema))
        });
        partitioning.schemas = schemas.collect();
        Ok(partitioning)
    }

    /// Partitions that may hold records of a key.
    #[must_use]
    pub fn of_key(&self, key: &TypedKey) -> KeyPartitions {
        let all = |all_because| KeyPartitions {
            ranges: self.ranges.clone(),
            all_because,
        };
        if self.all_because.is_some() || self.ranges.len() == 1 {
            return all(self.all_because.clone());
        }
        let mut numbers = self.numbers(key);
        // A text that is no UUID for Postgres may be in upper case, so that both are read.
        if let Some(lowered) = key.with_lower_case_uuids() {
            numbers.extend(self.numbers(&lowered));
        }
        if numbers.is_empty() {
            return all(Some(AllPartitions::KeyNotEncoded));
        }
        let ranges = self.ranges.iter().copied();
        KeyPartitions {
            ranges: ranges
                .filter(|range| numbers.contains(&range.partition))
                .collect(),
            all_because: None,
        }
    }

    /// Numbers of the partitions of a key in each form that it may have.
    fn numbers(&self, key: &TypedKey) -> BTreeSet<i32> {
        let table = self.table_key.as_ref();
        let of_schemas = self.schemas.iter();
        let of_schemas = of_schemas.filter_map(|(id, schema)| key_bytes::of_schema(key, table, *id, schema));
        let of_samples = self.samples.iter();
        let of_samples = of_samples.filter_map(|sample| key_bytes::like_sample(key, table, sample));
        of_schemas
            .chain(of_samples)
            .filter_map(|bytes| partition_of(&bytes, self.ranges.len()))
            .collect()
    }
}

/// Finds the partitions that may hold records of a key: [`Partitioning::of`] and [`Partitioning::of_key`].
///
/// # Errors
/// The topic or the registry cannot be read.
pub async fn key_partitions(
    topic: &Topic,
    decoder: &mut Decoder,
    key: &TypedKey,
    partitioner: Option<&str>,
) -> Result<KeyPartitions, TopicsError> {
    Ok(Partitioning::of(topic, decoder, partitioner).await?.of_key(key))
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
        let end = Bound::Offset(range.end.saturating_sub(length));
        let ends = match range.end - range.first {
            0 => Vec::new(),
            offsets if offsets <= length => vec![Bound::Beginning],
            _ => vec![Bound::Beginning, end],
        };
        for from in ends {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Partitions of a key in a topic of 16 whose JSON keys have this form.
    fn partitions(key: &str, sample: &str) -> Vec<i32> {
        let range = |partition| PartitionRange {
            partition,
            first: 0,
            end: 1,
        };
        let partitioning = Partitioning {
            ranges: (0..16).map(range).collect(),
            all_because: None,
            samples: vec![sample.as_bytes().to_vec()],
            schemas: Vec::new(),
            table_key: None,
        };
        let found = partitioning.of_key(&key.parse().unwrap());
        found.ranges.iter().map(|range| range.partition).collect()
    }

    #[test]
    fn uuids_are_also_looked_for_in_lower_case() {
        let upper = "6F1C2F8E-0C1D-4D3B-9F51-6A2F5A3B0C11";
        let sample = r#"{"id":"x"}"#;
        let partition = |id: &str| partition_of(format!(r#"{{"id":"{id}"}}"#).as_bytes(), 16).unwrap();
        let found = partitions(upper, sample);
        assert!(found.contains(&partition(upper)));
        assert!(found.contains(&partition(&upper.to_lowercase())));
        assert_eq!(partitions("ABC", sample), [partition("ABC")]);
    }

    #[test]
    fn all_partitions_are_read_for_a_key_of_bytes() {
        let sample =
            r#"{"schema":{"type":"struct","fields":[{"type":"bytes","field":"n"}]},"payload":{"n":"IvY="}}"#;
        assert_eq!(partitions("89.50", sample).len(), 16);
    }
}
