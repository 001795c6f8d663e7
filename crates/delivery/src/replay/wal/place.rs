//! Place of a replay in its window.

use serde::{Deserialize, Serialize};
use walcast_mapper::Ordinal;
use walcast_pgoutput::Lsn;

use crate::position::checkpoint::{CommitPosition, Partial};
use crate::stream::transactions::Delivered;

/// Place in a window of WAL, as it is stored: everything before it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplayPlace {
    /// Transactions whose commit record begins before this position were read.
    #[serde(with = "crate::serde_text::as_text")]
    pub until: Lsn,
    /// Transaction that was read last, for `source.sequence`; `None` if it is not known.
    pub last_commit: Option<CommitPosition>,
    /// Last message outside a transaction that was read after that transaction.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "crate::serde_text::as_optional_text"
    )]
    pub last_message: Option<Lsn>,
    /// Part of the transaction after `until` that was sent.
    pub partial: Option<Partial>,
}

impl ReplayPlace {
    /// Place at the position of a slot, from which a stream begins.
    #[must_use]
    pub fn at(position: Lsn) -> Self {
        Self {
            until: position,
            last_commit: None,
            last_message: None,
            partial: None,
        }
    }

    /// What a reader that continues here passes over.
    pub(crate) fn delivered(&self) -> Delivered {
        Delivered {
            until: self.until,
            last_commit: self.last_commit,
            last_message: self.last_message,
            partial: self.partial,
        }
    }

    /// Moves behind a change of the open transaction.
    pub(crate) fn pass_change(&mut self, commit_lsn: Lsn, ordinal: Ordinal) {
        let next_ordinal = ordinal.as_u64() + 1;
        // A part that was sent before is read again first.
        if self
            .partial
            .is_none_or(|partial| partial.commit_lsn != commit_lsn || partial.next_ordinal < next_ordinal)
        {
            self.partial = Some(Partial {
                commit_lsn,
                next_ordinal,
            });
        }
    }

    /// Moves behind a transaction.
    pub(crate) fn pass_transaction(&mut self, position: CommitPosition) {
        *self = Self {
            until: position.end_lsn,
            last_commit: Some(position),
            last_message: None,
            partial: None,
        };
    }

    /// Moves behind a message outside a transaction.
    pub(crate) fn pass_message(&mut self, lsn: Lsn) {
        self.last_message = Some(lsn);
    }

    /// Moves to a position before which the server has sent everything; no transaction is open.
    pub(crate) fn reach(&mut self, lsn: Lsn) {
        self.until = self.until.max(lsn);
    }
}

#[cfg(test)]
mod tests {
    use walcast_pgoutput::{PgTimestamp, Xid};

    use super::*;

    #[test]
    fn a_place_moves_forward_only() {
        let (commit, end) = (Lsn::new(0x110), Lsn::new(0x140));
        let mut place = ReplayPlace::at(Lsn::new(0x100));
        place.pass_change(commit, Ordinal::new(4));
        let part = place.partial;
        assert_eq!(part.map(|part| part.next_ordinal), Some(5));
        // Changes that were sent before the replay was resumed come again.
        place.pass_change(commit, Ordinal::new(2));
        assert_eq!(place.partial, part);
        place.pass_message(Lsn::new(0x10C));
        place.pass_transaction(CommitPosition::new(
            commit,
            end,
            PgTimestamp::from_unix_micros(0),
            Xid::new(7),
        ));
        assert_eq!(
            (place.until, place.partial, place.last_message),
            (end, None, None)
        );
        place.reach(Lsn::new(0x120));
        assert_eq!(place.until, end);
        place.reach(Lsn::new(0x200));
        assert_eq!(place.until, Lsn::new(0x200));
        assert_eq!(place.delivered().last_commit, place.last_commit);
    }
}
