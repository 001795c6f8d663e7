//! Ranges and progress of a replay.

use serde::{Deserialize, Serialize};

use crate::replay::wal::place::ReplayPlace;

/// Topic of a replay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayTopic {
    /// Topic that is read.
    pub topic: String,
    /// Topic that is written.
    pub target: String,
    /// Partitions, in the order in which they are copied; none if the source is WAL.
    pub partitions: Vec<ReplayRange>,
}

/// Range of offsets of one partition in which the window lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayRange {
    /// Number of the partition.
    pub partition: i32,
    /// First offset that is read.
    pub from: i64,
    /// Offset before which reading ends.
    pub to: i64,
}

/// State of a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplayState {
    /// Records are left to be sent: by a process that runs, or by the next start.
    Unfinished,
    /// Every record of the window was sent.
    Complete,
    /// The replay was cancelled, and cannot be resumed.
    Cancelled,
}

/// Progress of a replay: everything before its place was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayProgress {
    /// State of the replay.
    pub state: ReplayState,
    /// Index of the topic that is copied.
    pub topic: usize,
    /// Index of its partition that is copied.
    pub partition: usize,
    /// Offset of the last record of the partition that was read; `None` if none was.
    pub last: Option<i64>,
    /// Place in WAL; `None` before the first commit, or if the source is the topics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<ReplayPlace>,
    /// Number of records that were sent, by topic.
    pub records: Vec<u64>,
    /// Bytes that were sent.
    pub bytes: u64,
    /// Time in microseconds since the Unix epoch.
    pub updated_at_unix_micros: i64,
}

/// Offsets of a partition that are left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeftOffsets {
    /// Offset of the first record.
    pub first: i64,
    /// Offset behind the last record that a `read_committed` consumer sees.
    pub end: i64,
}

/// What a partition lacks of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingRecords {
    /// Retention has removed records that were not read.
    Expired,
    /// The partition ends at this offset, before the end of the range.
    Truncated {
        /// End of the partition.
        end: i64,
    },
}

impl ReplayState {
    /// Word for the state.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unfinished => "unfinished",
            Self::Complete => "complete",
            Self::Cancelled => "cancelled",
        }
    }
}

impl ReplayProgress {
    /// Progress of a replay of so many topics of which nothing was sent.
    #[must_use]
    pub fn begun(topics: usize, now_unix_micros: i64) -> Self {
        Self {
            state: ReplayState::Unfinished,
            topic: 0,
            partition: 0,
            last: None,
            place: None,
            records: vec![0; topics],
            bytes: 0,
            updated_at_unix_micros: now_unix_micros,
        }
    }

    /// Number of records that were sent.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.records.iter().sum()
    }
}

impl ReplayRange {
    /// What is missing of the range: `last` is the offset that was read last. Records before the offsets that are left are reported
    /// first.
    pub(crate) fn missing(self, last: Option<i64>, left: LeftOffsets) -> Vec<MissingRecords> {
        let next = last.map_or(self.from, |last| last + 1);
        let expired = (next < left.first.min(self.to)).then_some(MissingRecords::Expired);
        // The end was behind the range when the replay was planned, and no end moves back by itself.
        let truncated = (left.end < self.to).then_some(MissingRecords::Truncated { end: left.end });
        expired.into_iter().chain(truncated).collect()
    }

    /// The part of the range that is left to be read; `None` if nothing is: a broker rejects an offset before the first record or behind
    /// the end.
    pub(crate) fn left(self, last: Option<i64>, left: LeftOffsets) -> Option<Self> {
        // The record that was read last is read again: the next one may be its tombstone.
        let from = last.unwrap_or(self.from).max(left.first);
        (from < self.to.min(left.end)).then_some(Self { from, ..self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_as_far_as_it_is_left() {
        let range = ReplayRange {
            partition: 0,
            from: 5,
            to: 10,
        };
        let begin = |last, first, end| {
            let left = range.left(last, LeftOffsets { first, end });
            left.map(|left| {
                assert_eq!((left.partition, left.to), (0, 10));
                left.from
            })
        };
        let expired = [MissingRecords::Expired];
        for (last, first, lacks, from) in [
            (None, 0, false, Some(5)),
            (None, 5, false, Some(5)),
            (None, 6, true, Some(6)),
            (Some(7), 0, false, Some(7)),
            (Some(7), 8, false, Some(8)),
            (Some(7), 9, true, Some(9)),
            // Nothing is left.
            (None, 10, true, None),
            (Some(7), 12, true, None),
            // All of it was read.
            (Some(9), 0, false, Some(9)),
            (Some(9), 12, false, None),
        ] {
            let missing = range.missing(last, LeftOffsets { first, end: 20 });
            let wanted = if lacks { &expired[..] } else { &[] };
            assert_eq!(missing, wanted, "{last:?} {first}");
            assert_eq!(begin(last, first, 20), from, "{last:?} {first}");
        }
        // The topic was created again.
        let left = LeftOffsets { first: 0, end: 7 };
        assert_eq!(
            range.missing(Some(7), left),
            [MissingRecords::Truncated { end: 7 }]
        );
        assert_eq!(begin(Some(7), 0, 7), None);
        assert_eq!(begin(Some(7), 0, 8), Some(7));
    }
}
