//! The order of the records of a topic, whatever their rows are: identities rise within a partition.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::entry::RecordPlace;
use crate::place::{Follows, Place};

/// Check of the order of a topic's records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    newest: BTreeMap<i32, (Place, RecordPlace)>,
    /// Number of records that repeat the one before.
    pub repeated: u64,
    /// Number of records that follow a later one.
    pub out_of_order: u64,
    /// The first of both.
    pub faults: Vec<HistoryFault>,
}

/// Record that does not follow the records before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryFault {
    /// How it follows them.
    pub kind: FaultKind,
    /// The record.
    pub record: RecordPlace,
    /// The record with the highest identity before it.
    pub after: RecordPlace,
}

/// How a record follows those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// It has the identity of the record before.
    Repeated,
    /// It has a lower identity: the record is old, or was written twice.
    OutOfOrder,
}

impl History {
    /// Adds the next record of a partition. At most `limit` faults are kept.
    pub fn add(&mut self, record: RecordPlace, place: Place, limit: usize) {
        let Some((newest, after)) = self.newest.get_mut(&record.partition) else {
            self.newest.insert(record.partition, (place, record));
            return;
        };
        let kind = match place.follows(newest) {
            Follows::Later => {
                (*newest, *after) = (place, record);
                return;
            }
            Follows::Repeated => FaultKind::Repeated,
            Follows::Earlier => FaultKind::OutOfOrder,
        };
        let fault = HistoryFault {
            kind,
            record,
            after: *after,
        };
        match kind {
            FaultKind::Repeated => self.repeated += 1,
            FaultKind::OutOfOrder => self.out_of_order += 1,
        }
        if self.faults.len() < limit {
            self.faults.push(fault);
        }
    }

    /// Number of faults.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.repeated + self.out_of_order
    }
}

#[cfg(test)]
mod tests {
    use walcast_pgoutput::Lsn;

    use super::*;

    #[test]
    fn each_record_that_does_not_rise_is_a_fault_and_the_next_ones_are_not() {
        let mut history = History::default();
        let lsns = [10_u64, 20, 20, 15, 30, 10];
        for (offset, lsn) in (0..).zip(lsns) {
            let record = RecordPlace { partition: 0, offset };
            history.add(record, Place::of_change(Lsn::new(lsn), 0), 2);
        }
        // Another partition has an order of its own.
        let other = RecordPlace {
            partition: 1,
            offset: 0,
        };
        history.add(other, Place::of_change(Lsn::new(1), 0), 2);
        assert_eq!(
            (history.repeated, history.out_of_order, history.count()),
            (1, 2, 3)
        );
        let found: Vec<(i64, i64)> = history
            .faults
            .iter()
            .map(|fault| (fault.record.offset, fault.after.offset))
            .collect();
        assert_eq!(found, [(2, 1), (3, 1)]);
    }
}
