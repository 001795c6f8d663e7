//! The check that the server's history is the one that was delivered.
//!
//! Positions alone do not distinguish histories. A data directory that was restored from a backup stays on its timeline and
//! overwrites the positions that were delivered; two servers that are recovered apart can reach timelines of one number.
//! So the stream begins, where the slot still retains the WAL, at the commit that was delivered last, and everything before the
//! checkpoint is sent again. That commit must be there with its transaction and its time, and no transaction that changes a
//! table may follow it before the checkpoint, because the checkpoint was written without such a change. Nothing is written
//! or confirmed before the check has ended.

use walcast_pgoutput::{FrameBlock, Lsn, Relation, TypeMessage};

use crate::error::DeliveryError;
use crate::halt::Halt;
use crate::ports::source::ChangeStream;
use crate::position::checkpoint::{Checkpoint, CommitPosition};
use crate::stream::transactions::Delivered;
use crate::stream::transactions::{Event, Transaction, TransactionReader};

/// Check of a stream that begins before its checkpoint.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HistoryCheck {
    last: CommitPosition,
    confirmed: Lsn,
    from: Lsn,
    /// Whether the commit delivered last is still to come.
    is_awaited: bool,
}

/// Finding about an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The event lies before the checkpoint, and may.
    Replayed,
    /// The event lies behind the checkpoint, and everything before it is the history that was delivered.
    Verified,
}

/// Stream whose history is verified.
#[derive(Debug)]
pub(crate) struct VerifiedStream {
    /// Block whose frames, from number `frame` on, lie behind the checkpoint.
    pub(crate) block: FrameBlock,
    /// Number of the first such frame.
    pub(crate) frame: usize,
    /// Tables described before that frame; the server does not describe them again.
    pub(crate) relations: Vec<Relation>,
    /// Types named before that frame.
    pub(crate) types: Vec<TypeMessage>,
}

impl HistoryCheck {
    /// Check of a stream that continues after `checkpoint` and begins at `begins_at`, from a slot confirmed up to `confirmed`.
    /// `None` when the server sends nothing again.
    pub(crate) fn new(checkpoint: &Checkpoint, confirmed: Lsn, begins_at: Lsn) -> Option<Self> {
        let (last, from) = (checkpoint.last_commit?, checkpoint.end_lsn);
        (begins_at < from).then_some(Self {
            last,
            confirmed,
            from,
            is_awaited: begins_at <= last.commit_lsn,
        })
    }

    /// Reads the stream up to the first event behind the checkpoint. Cancel-safe as long as the stream is dropped too.
    ///
    /// # Errors
    /// The stream fails, or its history is not the one that was delivered.
    pub(crate) async fn run<S: ChangeStream>(
        mut self,
        stream: &mut S,
        mut received: impl FnMut(&FrameBlock),
    ) -> Result<VerifiedStream, DeliveryError> {
        let mut reader = self.reader();
        let (mut relations, mut types) = (Vec::new(), Vec::new());
        loop {
            let block = stream.next().await.map_err(DeliveryError::Source)?;
            received(&block);
            for (number, frame) in block.frames().enumerate() {
                let Some(event) = reader.read(frame, 0)? else {
                    continue;
                };
                if self.see(&event)? == Verdict::Verified {
                    return Ok(VerifiedStream {
                        frame: number,
                        block,
                        relations,
                        types,
                    });
                }
                match event {
                    Event::Relation(relation) => relations.push(relation),
                    Event::Type(named) => types.push(named),
                    _ => {}
                }
            }
        }
    }

    /// Reader that skips nothing.
    fn reader(&self) -> TransactionReader {
        TransactionReader::new(Delivered {
            last_commit: Some(self.last),
            ..Delivered::until(Lsn::INVALID)
        })
    }

    /// Compares the next event with what was delivered.
    ///
    /// # Errors
    /// The event is not part of that history.
    fn see(&mut self, event: &Event<'_>) -> Result<Verdict, Halt> {
        match event {
            Event::Begin { transaction, .. } => self.see_transaction(transaction),
            Event::Row { place, .. } | Event::Truncate { place, .. }
                if place.context.commit_lsn != self.last.commit_lsn =>
            {
                Err(self.diverged(format!(
                    "the transaction with its commit record at {} changes tables there, and was never delivered",
                    place.context.commit_lsn
                )))
            }
            Event::Message { place: None, message, .. } => self.reach(message.lsn),
            Event::Idle(wal_end) => self.reach(*wal_end),
            Event::Row { .. }
            | Event::Truncate { .. }
            | Event::Message { .. }
            | Event::Relation(_)
            | Event::Type(_)
            | Event::Commit { .. } => Ok(Verdict::Replayed),
        }
    }

    fn see_transaction(&mut self, transaction: &Transaction) -> Result<Verdict, Halt> {
        let Transaction {
            xid,
            commit_lsn,
            commit_time,
        } = *transaction;
        if self.is_awaited && commit_lsn == self.last.commit_lsn {
            let (expected, at) = (self.last.xid, self.last.commit_time_unix_micros);
            if (xid.as_u32(), commit_time.unix_micros()) != (expected, at) {
                let which = if xid.as_u32() == expected {
                    format!("transaction {xid} of another time lies")
                } else {
                    format!("transaction {xid} lies")
                };
                return Err(self.diverged(format!(
                    "{which} at {commit_lsn}, where transaction {expected} was delivered from"
                )));
            }
            self.is_awaited = false;
        } else if self.is_awaited && commit_lsn > self.last.commit_lsn {
            return Err(self.missing());
        }
        self.reach(commit_lsn)
    }

    fn reach(&self, lsn: Lsn) -> Result<Verdict, Halt> {
        if lsn < self.from {
            return Ok(Verdict::Replayed);
        }
        if self.is_awaited {
            return Err(self.missing());
        }
        Ok(Verdict::Verified)
    }

    fn missing(&self) -> Halt {
        self.diverged(format!(
            "transaction {} (commit {}), which was delivered last, is not there",
            self.last.xid, self.last.commit_lsn
        ))
    }

    fn diverged(&self, finding: String) -> Halt {
        Halt::DivergedHistory {
            finding,
            after: self.confirmed,
            until: self.from,
        }
    }
}

#[cfg(test)]
mod tests;
