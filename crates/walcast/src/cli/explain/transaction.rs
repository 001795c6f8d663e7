//! Records of one transaction in the topics of the connector.

use walcast_pgoutput::Lsn;
use walcast_topics::{Bound, Decoder, Record, Topic, WalcastId};

/// Largest number of records of one transaction that are kept, so that memory is bounded.
const RECORDS_MAX: usize = 1_000;

/// Number of records without a position, one after the other, that are read in search of one that has it.
const UNPLACED_MAX: usize = 1_000;

/// Records of one transaction, as far as they are read.
pub(super) struct Transaction {
    wanted: Option<WalcastId>,
    /// The record with the wanted id.
    found: Option<Record>,
    /// Other records, in the order of the topics.
    others: Vec<Record>,
    has_more: bool,
}

/// Whether reading of a partition continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Read,
    Done,
}

impl Transaction {
    /// `wanted`: id of a record that is read also where the transaction has more records than are kept. Without it the first record is.
    pub(super) fn new(wanted: Option<WalcastId>) -> Self {
        Self {
            wanted,
            found: None,
            others: Vec::new(),
            has_more: false,
        }
    }

    /// Reads the records of a topic that commit at a position. `progress` is called for each record that is read.
    pub(super) async fn read(
        &mut self,
        topic: &Topic,
        decoder: &mut Decoder,
        lsn: Lsn,
        progress: &mut dyn FnMut(),
    ) -> anyhow::Result<()> {
        for range in topic.partitions() {
            if self.is_done() {
                return Ok(());
            }
            let offset = topic.offset_of(decoder, *range, Bound::Lsn(lsn)).await?;
            if offset >= range.end {
                continue;
            }
            let mut reader = topic
                .read_partition(decoder, *range, Bound::Offset(offset))
                .await?;
            let mut unplaced = 0;
            let mut is_found = false;
            while let Some(record) = reader.next(decoder).await? {
                progress();
                // It repeats a record of another place.
                if record.is_replayed() {
                    continue;
                }
                match record.lsn() {
                    Some(found) if found == lsn => {
                        (unplaced, is_found) = (0, true);
                        if self.add(record) == Next::Done {
                            return Ok(());
                        }
                    }
                    // Reading may begin before the transaction, around records without a position.
                    Some(found) if found < lsn && !is_found => unplaced = 0,
                    Some(_) => break,
                    // A record of another program.
                    None if unplaced < UNPLACED_MAX => unplaced += 1,
                    None => break,
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, record: Record) -> Next {
        if self.wanted.is_some() && record.id == self.wanted && self.found.is_none() {
            self.found = Some(record);
        } else if self.others.len() < RECORDS_MAX {
            self.others.push(record);
        } else {
            self.has_more = true;
        }
        match self.is_done() {
            true => Next::Done,
            false => Next::Read,
        }
    }

    /// Whether further records change nothing.
    fn is_done(&self) -> bool {
        self.has_more && (self.wanted.is_none() || self.found.is_some())
    }

    /// The wanted record; without a wanted id the first.
    pub(super) fn record(&self) -> Option<&Record> {
        match self.wanted {
            Some(_) => self.found.as_ref(),
            None => self.others.first(),
        }
    }

    /// Records except the one with the wanted id.
    pub(super) fn others(&self) -> &[Record] {
        &self.others
    }

    /// Whether there are more records than are kept.
    pub(super) fn has_more(&self) -> bool {
        self.has_more
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use walcast_topics::{Content, RecordSchemas};

    use super::*;

    fn id(ordinal: usize) -> WalcastId {
        format!("0/100/{ordinal}").parse().unwrap()
    }

    /// The transaction after this number of its records was read, unless reading ended before, and the number that was read.
    fn read(wanted: Option<WalcastId>, records: usize) -> (Transaction, usize) {
        let mut transaction = Transaction::new(wanted);
        for ordinal in 0..records {
            let record = Record {
                topic: Arc::from("t"),
                partition: 0,
                offset: i64::try_from(ordinal).unwrap(),
                timestamp: None,
                headers: Vec::new(),
                id: Some(id(ordinal)),
                key: None,
                schemas: RecordSchemas::default(),
                content: Content::Tombstone,
            };
            if transaction.add(record) == Next::Done {
                return (transaction, ordinal + 1);
            }
        }
        (transaction, records)
    }

    #[test]
    fn a_wanted_record_is_found_after_those_that_are_kept() {
        let (transaction, count) = read(Some(id(2_500)), 5_000);
        assert_eq!(transaction.record().unwrap().id, Some(id(2_500)));
        assert_eq!((transaction.others().len(), count), (RECORDS_MAX, 2_501));
        assert!(transaction.has_more());
        let (transaction, count) = read(Some(id(9_000)), 5_000);
        assert_eq!((transaction.record(), count), (None, 5_000));
    }

    #[test]
    fn the_first_record_is_that_of_a_position() {
        let (transaction, count) = read(None, 5_000);
        assert_eq!(transaction.record().unwrap().id, Some(id(0)));
        assert_eq!(count, RECORDS_MAX + 1);
        let (transaction, _) = read(None, RECORDS_MAX);
        assert!(!transaction.has_more());
        assert!(read(None, 0).0.record().is_none());
    }
}
