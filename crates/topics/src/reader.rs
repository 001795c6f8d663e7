//! Reading a partition, or all of a topic, up to the end that exists when reading begins.

use std::ops::Range;
use std::sync::Arc;

use walcast_kafka::{KafkaConfig, PartitionRange, ReadFrom, TopicIndex, TopicReader, TopicSelection};
use walcast_pgoutput::Lsn;

use crate::decoder::Decoder;
use crate::error::TopicsError;
use crate::record::Record;
use crate::search::{Bound, end_offset, first_offset, first_position};

/// Description of what the crate does with topics, for errors.
const DOING: &str = "reading what was delivered";

/// Topic with the offsets of its partitions at one moment, and random access to its records.
#[derive(Clone, Debug)]
pub struct Topic {
    name: Arc<str>,
    kafka: KafkaConfig,
    index: TopicIndex,
    partitions: Vec<PartitionRange>,
}

/// Reader of decoded records. Dropping the reader ends it; memory is bounded.
#[derive(Debug)]
pub struct RecordReader {
    topic: Arc<str>,
    records: TopicReader,
    /// Offset at which a partition ends for this reader; `None` reads to the ends that exist when reading begins.
    end: Option<i64>,
}

impl Topic {
    /// Connects to a topic and takes the offsets of its partitions: the ends up to which a `read_committed` consumer sees records
    /// now.
    ///
    /// # Errors
    /// No broker answers, access is denied, or the topic does not exist.
    pub async fn open(kafka: &KafkaConfig, name: &str) -> Result<Self, TopicsError> {
        let index = TopicIndex::new(kafka.clone(), name.to_owned(), DOING);
        let partitions = index.partitions().await?;
        Ok(Self {
            name: Arc::from(name),
            kafka: kafka.clone(),
            index,
            partitions,
        })
    }

    /// Name of the topic.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Offsets of the partitions, in the order of their numbers, as of [`Topic::open`].
    #[must_use]
    pub fn partitions(&self) -> &[PartitionRange] {
        &self.partitions
    }

    /// Offsets of one partition; `None` if the topic does not have it.
    #[must_use]
    pub fn partition(&self, number: i32) -> Option<PartitionRange> {
        self.partitions
            .iter()
            .copied()
            .find(|range| range.partition == number)
    }

    /// Offset at which reading of a partition begins: [`first_offset`].
    ///
    /// # Errors
    /// The topic or the registry cannot be read.
    pub async fn offset_of(
        &self,
        decoder: &mut Decoder,
        range: PartitionRange,
        bound: Bound,
    ) -> Result<i64, TopicsError> {
        first_offset(&self.index, decoder, &self.name, range, bound).await
    }

    /// Offset at which reading of a window ends that begins at the offset `from` and whose last position is `last`.
    pub(crate) async fn end_of(
        &self,
        decoder: &mut Decoder,
        range: PartitionRange,
        from: i64,
        last: Lsn,
    ) -> Result<i64, TopicsError> {
        end_offset(&self.index, decoder, &self.name, range, from, last).await
    }

    /// Position of the first record of a partition that is left; `None` if none of the first records has one.
    pub(crate) async fn first_position(
        &self,
        decoder: &mut Decoder,
        range: PartitionRange,
    ) -> Result<Option<Lsn>, TopicsError> {
        first_position(&self.index, decoder, &self.name, range).await
    }

    /// First record of a partition at `offset` or after it, before the end of the partition.
    ///
    /// # Errors
    /// The topic or the registry cannot be read.
    pub async fn record_at(
        &self,
        decoder: &mut Decoder,
        partition: i32,
        offset: i64,
    ) -> Result<Option<Record>, TopicsError> {
        match self.index.record_at(partition, offset).await? {
            Some(raw) => Ok(Some(decoder.decode(&self.name, raw).await?)),
            None => Ok(None),
        }
    }

    /// First record in a range of offsets of a partition that no replay has sent.
    pub(crate) async fn original_in(
        &self,
        decoder: &mut Decoder,
        partition: i32,
        offsets: Range<i64>,
    ) -> Result<Option<Record>, TopicsError> {
        match self.index.original_in(partition, offsets).await? {
            Some(raw) => Ok(Some(decoder.decode(&self.name, raw).await?)),
            None => Ok(None),
        }
    }

    /// Reads one partition from a bound to its end as of [`Topic::open`].
    ///
    /// # Errors
    /// The topic or the registry cannot be read while the bound is searched for.
    pub async fn read_partition(
        &self,
        decoder: &mut Decoder,
        range: PartitionRange,
        from: Bound,
    ) -> Result<RecordReader, TopicsError> {
        let offset = self.offset_of(decoder, range, from).await?;
        let selection = TopicSelection {
            topic: self.name.to_string(),
            partition: Some(range.partition),
            from: ReadFrom::Offset(offset),
            doing: DOING,
        };
        Ok(RecordReader {
            topic: Arc::clone(&self.name),
            records: TopicReader::of_committed(self.kafka.clone(), selection),
            end: Some(range.end),
        })
    }

    /// Reads all partitions from the beginning, in the order of each partition, up to the ends that exist when reading begins.
    #[must_use]
    pub fn read_all(&self) -> RecordReader {
        let selection = TopicSelection {
            topic: self.name.to_string(),
            partition: None,
            from: ReadFrom::Beginning,
            doing: DOING,
        };
        RecordReader {
            topic: Arc::clone(&self.name),
            records: TopicReader::of_committed(self.kafka.clone(), selection),
            end: None,
        }
    }
}

impl RecordReader {
    /// Next record; `None` at the end.
    ///
    /// # Errors
    /// The topic or the registry cannot be read.
    pub async fn next(&mut self, decoder: &mut Decoder) -> Result<Option<Record>, TopicsError> {
        match self.next_undecoded().await? {
            Some(raw) => Ok(Some(decoder.decode(&self.topic, raw).await?)),
            None => Ok(None),
        }
    }

    /// Next record as Kafka has it, for readers that decode few of the records; `None` at the end.
    ///
    /// # Errors
    /// The topic cannot be read.
    pub async fn next_undecoded(&mut self) -> Result<Option<walcast_kafka::TopicRecord>, TopicsError> {
        let next = self.records.next().await?;
        Ok(next.filter(|record| self.end.is_none_or(|end| record.offset < end)))
    }

    /// Name of the topic.
    #[must_use]
    pub fn topic(&self) -> &Arc<str> {
        &self.topic
    }
}
