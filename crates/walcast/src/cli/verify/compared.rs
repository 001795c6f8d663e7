//! Comparison of one topic with the tables whose records it holds.

use std::collections::{BTreeSet, HashMap};

use walcast_delivery::{
    BoxedPortError, ChosenRows, DeliveryError, Detail, Guarantee, OnIncompatible, Snapshot,
};
use walcast_kafka::{
    KafkaError, PartitionRange, ReadFrom, TopicIndex, TopicReader, TopicSelection, is_replayed, topic_setting,
};
use walcast_mapper::TableName;
use walcast_mapper::config::Shape;
use walcast_pgoutput::{Lsn, Tuple};
use walcast_postgres::{PostgresError, PostgresSnapshot};
use walcast_verify::{
    After, ComparedColumns, Comparison, Completeness, Digest, History, Method, Outcome, Pace,
    PartitionOffsets, Place, RecordedChange, SourceRow, SourceTable, Tally, TopicCertificate, Value,
    VerifyError, read_rows, recorded_change, recorded_table,
};

use super::records::{DecodedRecord, RecordDecoder};
use super::transaction_events::{EventsOfTransactions, Oldest};
use crate::config::Config;
use crate::remedy::describe;

/// Description of what the command does with topics, for errors.
pub(super) const DOING: &str = "comparing the source with the topics";

/// Reason for which a topic cannot be compared whose next record is gone before it was read.
pub(super) const RETENTION: &str = "retention removed records of the topic before they were read; run the command again, or raise its retention";

/// A topic, and the tables whose records it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unit {
    pub(super) topic: String,
    pub(super) tables: Vec<TableName>,
    /// Whether existing rows of a table are not read, or only some of them.
    pub(super) omits_existing_rows: bool,
}

/// Both sides, and how they are read.
pub(super) struct Sides<'a> {
    pub(super) config: &'a Config,
    pub(super) snapshot: PostgresSnapshot,
    pub(super) decoder: RecordDecoder,
    pub(super) pace: Pace,
    pub(super) rows: ChosenRows<'a>,
    pub(super) method: Method,
    /// Number of differences of each kind that are listed.
    pub(super) limit: usize,
    /// Events by transaction; `None` if it is not checked whether transactions are whole.
    pub(super) transactions: Option<EventsOfTransactions>,
}

/// Comparison of a topic.
pub(super) struct Compared {
    pub(super) comparison: Comparison,
    pub(super) tally: Tally,
    pub(super) history: History,
    pub(super) sources: Vec<SourceTable>,
    pub(super) certificate: TopicCertificate,
    pub(super) index: TopicIndex,
}

/// Error of the comparison as one of the command.
pub(super) fn failed(error: VerifyError) -> anyhow::Error {
    match error {
        VerifyError::Delivery(error) => error.into(),
        other => other.into(),
    }
}

impl Sides<'_> {
    pub(super) fn lsn(&self) -> Lsn {
        self.snapshot.lsn()
    }

    /// Whether an error of the source concerns one table: it may not be read (also because of its policies), or its rows cannot be.
    /// A condition that the server rejects concerns the request.
    fn is_of_table(&self, error: &BoxedPortError) -> bool {
        let is_unreadable = matches!(
            error.as_error().downcast_ref(),
            Some(PostgresError::RowsUnreadable { .. })
        );
        match error.detail() {
            Some(Detail::RowsDenied) => true,
            Some(Detail::RowsUnreadable) => is_unreadable || self.rows.condition().is_none(),
            _ => false,
        }
    }

    /// Compares a topic with its tables; the inner error is the reason for which that is not possible. `only` contains the keys that
    /// are compared; `None`: all of them.
    pub(super) async fn compare(
        &mut self,
        unit: &Unit,
        only: Option<BTreeSet<Digest>>,
    ) -> anyhow::Result<Result<Compared, String>> {
        if let Some(reason) = self.continued_in(unit).await? {
            return Ok(Err(reason));
        }
        let is_recheck = only.is_some();
        let (mut comparison, sources) = match self.read_source(unit, only.as_ref()).await? {
            Ok(read) => read,
            Err(reason) => return Ok(Err(reason)),
        };
        let kafka = &self.config.kafka;
        let index = TopicIndex::new(kafka.clone(), unit.topic.clone(), DOING);
        let partitions = match index.partitions().await {
            Ok(partitions) => partitions,
            Err(KafkaError::UnknownTopic { .. }) => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        let mut policy = None;
        let mut reading = Reading::default();
        let mut partitions = partitions;
        if !partitions.is_empty() {
            policy = topic_setting(kafka, &unit.topic, "cleanup.policy").await?;
            reading.checks_history = only.is_none() && kafka.guarantee == Guarantee::ExactlyOnce;
            let read = self
                .read_topic(unit, &sources, &mut comparison, &mut reading)
                .await;
            let has_lost = remove_expired(&mut partitions, &index.partitions().await?, &mut comparison);
            match read {
                Err(error) if is_hidden(&error) => return Ok(Err(error.to_string())),
                Err(_) if has_lost => return Ok(Err(RETENTION.to_owned())),
                read => read?,
            }
        }
        if reading.has_shared_truncation {
            return Ok(Err(
                "a table was truncated that shares its topic with others".to_owned()
            ));
        }
        if is_recheck && comparison.is_empty() {
            return Ok(Err(
                "none of the listed keys is in the source or in the topic: the table, or the way of comparing, is another one"
                    .to_owned(),
            ));
        }
        let mut completeness = Completeness {
            is_expired: partitions.iter().any(|partition| partition.first > 0),
            // An unknown policy may compact.
            is_compacted: policy.as_deref().is_none_or(compacts),
            is_read_again: false,
            omits_existing_rows: unit.omits_existing_rows,
            is_selection: self.rows.condition().is_some(),
            has_unreadable: reading.unreadable > 0,
        };
        let compare = |comparison: &mut Comparison, completeness: &Completeness, limit: usize| {
            let tally = comparison.compare(completeness, limit);
            tally.map_err(|error| failed(VerifyError::File(error)))
        };
        let mut tally = compare(&mut comparison, &completeness, self.limit)?;
        if completeness.is_compacted && comparison.has_key() && tally.differences() > 0 {
            let read = self.read_again(unit, &tally, &mut comparison).await;
            let has_lost = remove_expired(&mut partitions, &index.partitions().await?, &mut comparison);
            match read {
                Err(error) if is_hidden(&error) => return Ok(Err(error.to_string())),
                Err(_) if has_lost => return Ok(Err(RETENTION.to_owned())),
                read => read?,
            }
            completeness.is_expired |= has_lost;
            completeness.is_read_again = true;
            tally = compare(&mut comparison, &completeness, self.limit)?;
        }
        if let Some(transactions) = &mut self.transactions {
            let has_all = !completeness.is_expired && !completeness.is_compacted && reading.unreadable == 0;
            if has_all {
                transactions.end_topic(&unit.tables, &reading.oldest);
            }
        }
        let certificate = certificate(unit, &tally, &reading, &sources, &partitions);
        Ok(Ok(Compared {
            comparison,
            tally,
            history: reading.history,
            sources,
            certificate,
            index,
        }))
    }

    /// Reason why a topic does not hold all records of its tables, if that is so: its subject rejected a schema, and the records continue
    /// in another topic.
    async fn continued_in(&self, unit: &Unit) -> anyhow::Result<Option<String>> {
        if self.config.delivery.on_incompatible != OnIncompatible::NewSubject {
            return Ok(None);
        }
        let second = format!("{}.v2", unit.topic);
        let index = TopicIndex::new(self.config.kafka.clone(), second.clone(), DOING);
        match index.partitions().await {
            Ok(_) => Ok(Some(format!(
                "its records continue in {second}, and there is no order between both topics"
            ))),
            Err(KafkaError::UnknownTopic { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn read_source(
        &mut self,
        unit: &Unit,
        only: Option<&BTreeSet<Digest>>,
    ) -> anyhow::Result<Result<(Comparison, Vec<SourceTable>), String>> {
        let lsn = self.lsn();
        let new = |table: &SourceTable| {
            let comparison = Comparison::new(lsn, table.has_key());
            match only {
                Some(only) => comparison.only(only.clone()),
                None => comparison,
            }
        };
        let (mut comparison, mut sources) = (None, Vec::new());
        for table in &unit.tables {
            let each = |table: &SourceTable, row: SourceRow, _: Tuple<'_>| {
                let comparison = comparison.get_or_insert_with(|| new(table));
                Ok(comparison.add_source(row.key.as_ref(), &row.row, table.columns())?)
            };
            let mapper = (&self.config.mapper, self.method);
            let read = read_rows(&mut self.snapshot, table, self.rows, mapper, &mut self.pace, each).await;
            let read = match read {
                // The connector could not send the row either.
                Err(error @ (VerifyError::Map(_) | VerifyError::OwnRecord { .. })) => {
                    return Ok(Err(error.to_string()));
                }
                // Other tables can be read.
                Err(VerifyError::Delivery(DeliveryError::Source(error))) if self.is_of_table(&error) => {
                    return Ok(Err(describe(error.as_error())));
                }
                read => read.map_err(failed)?,
            };
            match read {
                Outcome::Read(source) => sources.push(*source),
                Outcome::Missing => {
                    return Ok(Err(format!(
                        "{table} did not exist yet at the position; run the command again"
                    )));
                }
                Outcome::Altered => {
                    return Ok(Err(format!(
                        "{table} is locked, or was altered or truncated while it was compared; run the command again"
                    )));
                }
            }
        }
        let Some(first) = sources.first() else {
            return Ok(Err("it has no table".to_owned()));
        };
        if sources.iter().any(|source| source.has_key() != first.has_key()) {
            return Ok(Err(
                "tables with a key and tables without one share the topic".to_owned()
            ));
        }
        if !first.has_key() && self.decoder.shape == Shape::Flat {
            return Ok(Err(
                "flat rows without a key do not name the row that a change replaces".to_owned(),
            ));
        }
        if sources.len() > 1 && self.decoder.shape == Shape::Flat {
            return Ok(Err(
                "flat rows do not name their table, and several tables share the topic".to_owned(),
            ));
        }
        let comparison = comparison.unwrap_or_else(|| new(first));
        Ok(Ok((comparison, sources)))
    }

    async fn read_topic(
        &mut self,
        unit: &Unit,
        sources: &[SourceTable],
        comparison: &mut Comparison,
        reading: &mut Reading,
    ) -> anyhow::Result<()> {
        // The end of the checkpoint's transaction may be written to this topic later than to that of the checkpoint.
        let mut records = TopicReader::start(self.config.kafka.clone(), selection(unit));
        while let Some(raw) = records.next().await? {
            // It repeats a record of another place.
            if is_replayed(&raw) {
                continue;
            }
            let Some(record) = self.decoder.decode(&raw).await? else {
                reading.unreadable += 1;
                continue;
            };
            // A record of another program has the position of the one before.
            let last = reading.last.get(&raw.partition).copied();
            let position = record
                .position
                .or(last)
                .unwrap_or_else(|| Place::of_read(Lsn::new(0), 0, 0, 0));
            if record.position.is_some() {
                reading.last.insert(raw.partition, position);
                if reading.checks_history && position.is_in_snapshot(comparison.limit()) {
                    reading.history.add(record.place, position, self.limit);
                }
            }
            if let (Some(transactions), Some(own)) = (&mut self.transactions, record.position) {
                let oldest = &mut reading.oldest;
                let added = transactions.add(record.value.as_ref(), own, comparison.limit(), oldest);
                added.map_err(|error| failed(VerifyError::File(error)))?;
            }
            if sources.len() > 1 && position.is_in_snapshot(comparison.limit()) {
                let change = recorded_change(record.value.clone(), self.decoder.shape);
                reading.has_shared_truncation |= matches!(change, RecordedChange::Truncated);
            }
            let added = add(comparison, sources, record, position, &self.decoder);
            if !added.map_err(|error| failed(VerifyError::File(error)))? {
                reading.unreadable += 1;
            }
        }
        Ok(())
    }
}

/// All records of a topic.
pub(super) fn selection(unit: &Unit) -> TopicSelection {
    TopicSelection {
        topic: unit.topic.clone(),
        partition: None,
        from: ReadFrom::Beginning,
        doing: DOING,
    }
}

/// What is noticed while a topic is read.
#[derive(Default)]
struct Reading {
    /// Records of one that delivers at least once may be repeated.
    checks_history: bool,
    history: History,
    last: HashMap<i32, Place>,
    /// Lowest position of a record, by table.
    oldest: Oldest,
    unreadable: u64,
    /// Whether one of several tables of the topic was truncated: it is not known which records are those of this one.
    has_shared_truncation: bool,
}

/// Takes the first offsets of the partitions as they are once the topic was read, and leaves out what retention has removed meanwhile:
/// between two records that were read, others of the same key may have been removed before they were. True if any was removed.
fn remove_expired(
    before: &mut [PartitionRange],
    after: &[PartitionRange],
    comparison: &mut Comparison,
) -> bool {
    let mut has_lost = false;
    for range in before {
        let now = after.iter().find(|now| now.partition == range.partition);
        if let Some(now) = now.filter(|now| now.first > range.first) {
            comparison.removed_before(range.partition, now.first);
            range.first = now.first;
            has_lost = true;
        }
    }
    has_lost
}

/// Whether the error is a transaction of another producer that stays open.
fn is_hidden(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(KafkaError::EndHidden { .. }))
}

/// Adds a record to a comparison; false if it is not that of a row.
fn add(
    comparison: &mut Comparison,
    sources: &[SourceTable],
    record: DecodedRecord,
    position: Place,
    decoder: &RecordDecoder,
) -> std::io::Result<bool> {
    if record.key.is_none() && record.value.is_none() {
        // The tombstone of a row without key.
        return Ok(true);
    }
    let none = ComparedColumns::default();
    let found = record.value.as_ref().and_then(|value| source_of(sources, value));
    let found = found.map(SourceTable::columns);
    let change = recorded_change(record.value.clone(), decoder.shape);
    // Whatever is behind the position is left out, as that of a table that was created meanwhile.
    let is_compared = position.is_in_snapshot(comparison.limit());
    if found.is_none() && is_compared && matches!(change, RecordedChange::Row { .. }) {
        // Of a table that is not compared: which of its columns count is not known.
        return Ok(false);
    }
    let columns = found.unwrap_or(&none);
    let place = record.place;
    match (record.key, change) {
        (_, RecordedChange::Truncated) => {
            if sources.len() == 1 {
                comparison.truncate(&position);
            }
            Ok(sources.len() == 1 || !is_compared)
        }
        (Some(key), RecordedChange::Row { after, .. }) if comparison.has_key() => {
            comparison.add_record(&key, &After::Row(&after), columns, place, &position)?;
            Ok(true)
        }
        (Some(key), RecordedChange::Deleted { .. }) if comparison.has_key() => {
            comparison.add_record(&key, &After::Nothing, columns, place, &position)?;
            Ok(true)
        }
        (None, RecordedChange::Row { before, after }) if !comparison.has_key() => {
            if let Some(before) = before {
                comparison.add_record_without_key(&before, false, columns, place, &position)?;
            }
            comparison.add_record_without_key(&after, true, columns, place, &position)?;
            Ok(true)
        }
        (None, RecordedChange::Deleted { before: Some(before) }) if !comparison.has_key() => {
            comparison.add_record_without_key(&before, false, columns, place, &position)?;
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// The table that a value names; the only table whatever it names, because a table can be renamed.
pub(super) fn source_of<'s>(sources: &'s [SourceTable], value: &Value) -> Option<&'s SourceTable> {
    if let [only] = sources {
        return Some(only);
    }
    let (namespace, name) = recorded_table(value)?;
    let named = TableName { namespace, name };
    sources.iter().find(|source| source.name == named)
}

fn compacts(policy: &str) -> bool {
    policy.split(',').any(|policy| policy.trim() == "compact")
}

fn certificate(
    unit: &Unit,
    tally: &Tally,
    reading: &Reading,
    sources: &[SourceTable],
    partitions: &[PartitionRange],
) -> TopicCertificate {
    let left_out = sources.iter().flat_map(|source| {
        let columns = source.left_out().iter();
        columns.map(move |column| format!("{}.{column}", source.name))
    });
    let offsets = partitions.iter().map(|range| PartitionOffsets {
        partition: range.partition,
        first: range.first,
        end: range.end,
    });
    TopicCertificate {
        topic: unit.topic.clone(),
        tables: unit.tables.iter().map(ToString::to_string).collect(),
        source: tally.source,
        folded: tally.topic,
        identical: tally.identical,
        differences: tally.counts.clone(),
        unverifiable: tally.unverifiable.clone(),
        repeated: reading.history.repeated,
        out_of_order: reading.history.out_of_order,
        unreadable: reading.unreadable,
        columns_left_out: left_out.collect(),
        partitions: offsets.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_that_retention_removes_meanwhile_are_left_out() {
        let range = |partition, first| PartitionRange {
            partition,
            first,
            end: 100,
        };
        let mut comparison = Comparison::new(Lsn::new(1), true);
        let mut before = [range(0, 0), range(1, 7), range(2, 0)];
        let unchanged = before;
        assert!(!remove_expired(&mut before, &unchanged, &mut comparison));
        let after = [range(0, 0), range(1, 9), range(2, 0), range(3, 5)];
        assert!(remove_expired(&mut before, &after, &mut comparison));
        assert_eq!(before, [range(0, 0), range(1, 9), range(2, 0)]);
    }
}
