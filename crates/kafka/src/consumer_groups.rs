//! Consumer groups of topics: committed offsets, and the first record that each group has not consumed.
//!
//! No group is disturbed: a client with the id of a group asks for the offsets and never subscribes, so that it is no member, and no
//! offset is committed.

mod client;
mod next_records;
pub(crate) mod report;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError as ClientError;
use rdkafka::groups::GroupInfo;
use rdkafka::metadata::Metadata;
use rdkafka::{Offset, TopicPartitionList};

use self::client::{DOING, REQUEST_TIMEOUT, client};
use self::next_records::NextRecords;
use self::report::{ConsumedTopics, ConsumerGroup, ConsumerGroups, GroupPartition, NextRecord};
use crate::clients::{self, Isolation};
use crate::config::KafkaConfig;
use crate::error::KafkaError;
use crate::events::Events;
use crate::explain::{Attempt, Explain};

/// Time after which no further group is read.
const TIME_MAX: Duration = Duration::from_secs(60);

/// Maximum number of groups whose offsets are read.
const GROUPS_MAX: usize = 500;

/// Protocol type of groups of consumers.
const CONSUMERS: &str = "consumer";

/// Groups with committed offsets on topics.
///
/// # Errors
/// No broker answers, or access is denied.
pub async fn consumer_groups(
    config: KafkaConfig,
    topics: ConsumedTopics,
) -> Result<ConsumerGroups, KafkaError> {
    let reading = tokio::task::spawn_blocking(move || Reader::new(Arc::new(config))?.read(&topics));
    reading.await.map_err(|_ended| KafkaError::Stopped)?
}

/// Group as the cluster lists it.
#[derive(Debug, PartialEq, Eq)]
struct Listed {
    group: String,
    state: String,
    members: usize,
}

/// Partition by topic and number.
type Place = (String, i32);

/// Blocking reader of consumer groups.
struct Reader {
    config: Arc<KafkaConfig>,
    lookup: BaseConsumer<Events>,
    explain: Explain,
}

impl Reader {
    fn new(config: Arc<KafkaConfig>) -> Result<Self, KafkaError> {
        let events = Events::default();
        let lookup = client(
            &config,
            clients::bounded_reader(&config, Isolation::Committed),
            &events,
        )?;
        Ok(Self {
            explain: Explain::new(Arc::clone(&config), events, Arc::default()),
            config,
            lookup,
        })
    }

    fn read(&self, topics: &ConsumedTopics) -> Result<ConsumerGroups, KafkaError> {
        let deadline = Instant::now() + TIME_MAX;
        let metadata = self.lookup.fetch_metadata(None, REQUEST_TIMEOUT);
        let metadata = metadata.map_err(|error| self.failed("Describe", "cluster", "metadata", &error))?;
        let places = places(&metadata, topics);
        let mut found = ConsumerGroups::default();
        if places.is_empty() {
            return Ok(found);
        }
        let listed = self.list()?;
        let mut records = NextRecords::new(&self.config)?;
        for (number, one) in listed.iter().enumerate() {
            if number >= GROUPS_MAX || Instant::now() >= deadline {
                found.omitted = listed.len() - number;
                break;
            }
            match self.group(one, &places, &mut records, deadline) {
                Ok(Some(group)) => found.groups.push(group),
                Ok(None) => {}
                Err(error) => found.unreadable.push((one.group.clone(), error.to_string())),
            }
        }
        Ok(found)
    }

    /// Groups of consumers, by name. Groups of other protocols, such as the workers of Kafka Connect, commit no offsets.
    fn list(&self) -> Result<Vec<Listed>, KafkaError> {
        let list = self.lookup.client().fetch_group_list(None, REQUEST_TIMEOUT);
        let list = list.map_err(|error| self.failed("Describe", "cluster", "consumer groups", &error))?;
        let mut listed: Vec<Listed> = list.groups().iter().filter_map(readable).collect();
        listed.sort_unstable_by(|one, other| one.group.cmp(&other.group));
        listed.dedup_by(|one, other| one.group == other.group);
        Ok(listed)
    }

    /// Offsets of a group; `None` if it has committed none on these partitions.
    fn group(
        &self,
        listed: &Listed,
        places: &[Place],
        records: &mut NextRecords,
        deadline: Instant,
    ) -> Result<Option<ConsumerGroup>, KafkaError> {
        let failed = |error: &ClientError| self.failed("Describe", "group", &listed.group, error);
        let settings = clients::of_group(&self.config, &listed.group);
        let consumer = client(&self.config, settings, &Events::default())?;
        let mut wanted = TopicPartitionList::new();
        for (topic, partition) in places {
            wanted.add_partition(topic, *partition);
        }
        let offsets = consumer.committed_offsets(wanted, REQUEST_TIMEOUT);
        let committed = committed(&offsets.map_err(|error| failed(&error))?);
        if committed.is_empty() {
            return Ok(None);
        }
        let topics: BTreeSet<&str> = committed.keys().map(|(topic, _)| topic.as_str()).collect();
        let consumed = places.iter().filter(|(topic, _)| topics.contains(topic.as_str()));
        let mut partitions = Vec::new();
        for place in consumed {
            let (topic, partition) = place;
            let watermarks = self.lookup.fetch_watermarks(topic, *partition, REQUEST_TIMEOUT);
            let (first, end) = watermarks.map_err(|error| self.failed("Read", "topic", topic, &error))?;
            partitions.push(GroupPartition {
                topic: topic.clone(),
                partition: *partition,
                committed: committed.get(place).copied(),
                first,
                end,
                next: NextRecord::Unknown,
            });
        }
        records.find(&mut partitions, deadline)?;
        Ok(Some(ConsumerGroup {
            group: listed.group.clone(),
            state: listed.state.clone(),
            members: listed.members,
            partitions,
        }))
    }

    fn failed(
        &self,
        operation: &'static str,
        resource: &'static str,
        name: &str,
        error: &ClientError,
    ) -> KafkaError {
        let attempt = Attempt {
            doing: DOING,
            operation,
            resource,
            name,
        };
        self.explain.client(attempt, error)
    }
}

/// Partitions of the topics in the metadata, by topic and number. A topic whose name is no text is none of a connector's.
fn places(metadata: &Metadata, topics: &ConsumedTopics) -> Vec<Place> {
    let mut places = Vec::new();
    for topic in metadata.topics() {
        let name = catch_unwind(AssertUnwindSafe(|| topic.name().to_owned()));
        let Ok(name) = name else { continue };
        if topics.contains(&name) {
            let partitions = topic.partitions().iter();
            places.extend(partitions.map(|partition| (name.clone(), partition.id())));
        }
    }
    places.sort_unstable();
    places
}

/// Group of consumers; `None` for one of another protocol, and for one whose texts the client library cannot read: it panics.
fn readable(group: &GroupInfo) -> Option<Listed> {
    let read = catch_unwind(AssertUnwindSafe(|| {
        let is_of_consumers = matches!(group.protocol_type(), "" | CONSUMERS);
        is_of_consumers.then(|| Listed {
            group: group.name().to_owned(),
            state: group.state().to_owned(),
            members: group.members().len(),
        })
    }));
    read.unwrap_or_default()
}

/// Offsets that a group has committed.
fn committed(offsets: &TopicPartitionList) -> BTreeMap<Place, i64> {
    let elements = offsets.elements();
    let known = elements.iter().filter_map(|element| match element.offset() {
        Offset::Offset(offset) => Some(((element.topic().to_owned(), element.partition()), offset)),
        _ => None,
    });
    known.collect()
}
