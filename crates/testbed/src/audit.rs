//! One call from "the load has stopped" to the verdict.

use std::time::Duration;

use crate::consumer::TopicReader;
use crate::error::Result;
use crate::journal;
use crate::postgres::Postgres;
use crate::record::{Decoder, Payload, Record};
use crate::registry::Registry;
use crate::servers::Testbed;
use crate::verdict::{Verdict, compare};
use crate::wait::wait_until;

/// Follows the topics of one connector and judges them against the source's journal.
#[derive(Debug)]
pub struct Audit {
    topic_prefix: String,
    reader: TopicReader,
    decoder: Decoder,
    records: Vec<Record>,
}

impl Audit {
    /// An audit of the topics `<topic_prefix>.<schema>.<table>` from their beginning. They need not exist yet.
    ///
    /// # Errors
    /// When no HTTP client can be set up.
    pub fn new(testbed: &Testbed, topic_prefix: &str, tables: &[&str]) -> Result<Audit> {
        let brokers = testbed.kafka.brokers();
        Audit::between(&brokers, &testbed.registry, topic_prefix, tables)
    }

    /// The same for servers that do not belong to one testbed.
    ///
    /// # Errors
    /// When no HTTP client can be set up.
    pub fn between(brokers: &str, registry: &Registry, topic_prefix: &str, tables: &[&str]) -> Result<Audit> {
        let topics = tables.iter().map(|table| format!("{topic_prefix}.{table}"));
        Ok(Audit {
            topic_prefix: topic_prefix.to_owned(),
            reader: TopicReader::new(brokers, topics),
            decoder: Decoder::new(&registry.url())?,
            records: Vec::new(),
        })
    }

    /// Reads and decodes what has come since the last call; returns these records.
    ///
    /// # Errors
    /// When Kafka or the registry cannot be asked, or a record cannot be decoded.
    pub async fn refresh(&mut self) -> Result<&[Record]> {
        let raw = self.reader.read_new().await?;
        let known = self.records.len();
        self.records.extend(self.decoder.decode_all(&raw).await?);
        Ok(self.records.get(known..).unwrap_or_default())
    }

    /// All records read so far.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Waits until as many changes are in the topics as in the journal. It does not judge them.
    ///
    /// # Errors
    /// When they do not come within the limit, or something cannot be asked.
    pub async fn wait_until_delivered(&mut self, postgres: &Postgres, limit: Duration) -> Result<()> {
        let expected = journal::changes(&postgres.client().await?).await?;
        let what = format!("delivery of {expected} changes to {}.*", self.topic_prefix);
        wait_until(&what, limit, async || {
            self.refresh().await?;
            let changes = self.records.iter().filter(|record| is_change(record)).count();
            Ok(u64::try_from(changes).is_ok_and(|changes| changes >= expected))
        })
        .await
    }

    /// Reads both sides to their end and compares them.
    ///
    /// # Errors
    /// When something cannot be asked or decoded.
    pub async fn verdict(&mut self, postgres: &Postgres) -> Result<Verdict> {
        let journal = journal::read(&postgres.client().await?).await?;
        self.refresh().await?;
        Ok(compare(&journal, &self.records, &self.topic_prefix))
    }
}

fn is_change(record: &Record) -> bool {
    matches!(&record.payload, Payload::Change(change) if change.op != "r")
}
