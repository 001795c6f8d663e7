//! The server's log is recognised before anything new of it is believed: what was delivered last is asked for again, and must
//! be what lies there.
//!
//! Positions alone do not tell one history from another. A data directory that is set back stays on its timeline and writes
//! over the positions that were delivered; two servers that are recovered apart can come to timelines of one number.
//! Whatever precedes the checkpoint is sent again from the commit delivered last on, where the slot still has it. That
//! commit is there with its transaction and its time, or the log is another one; and nothing that changes a table can follow it
//! before the checkpoint, because that was passed without such a thing.

use walcast_pgoutput::{Begin, Lsn, Message};

use crate::{Checkpoint, CommitMark, Halt};

/// A stream that was begun before the checkpoint, as long as it has not come to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recognition {
    last: CommitMark,
    confirmed: Lsn,
    from: Lsn,
    /// Whether the commit delivered last is still to come.
    is_awaited: bool,
    /// The commit record of the transaction that is being read.
    reads: Option<Lsn>,
}

/// What a message shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// It lies before the checkpoint, as it may.
    Delivered,
    /// It lies behind the checkpoint, and everything before was right.
    Recognised,
}

impl Recognition {
    /// Of a stream that is to go on behind `checkpoint` and was begun at `begins_at`, from a slot that was told `confirmed`.
    /// `None`: nothing was asked for again.
    pub(crate) fn new(checkpoint: &Checkpoint, confirmed: Lsn, begins_at: Lsn) -> Option<Self> {
        let (last, from) = (checkpoint.last_commit?, checkpoint.end_lsn);
        (begins_at < from).then_some(Self {
            last,
            confirmed,
            from,
            is_awaited: begins_at <= last.commit_lsn,
            reads: None,
        })
    }

    /// Looks at the next message.
    ///
    /// # Errors
    /// It is not what was delivered.
    pub(crate) fn see(&mut self, message: &Message<'_>) -> Result<Shown, Halt> {
        match (message, self.reads) {
            (Message::Begin(begin), _) => self.see_transaction(begin),
            (Message::Commit(_), _) => {
                self.reads = None;
                Ok(Shown::Delivered)
            }
            (
                Message::Insert(_) | Message::Update(_) | Message::Delete(_) | Message::Truncate(_),
                Some(commit_lsn),
            ) if commit_lsn != self.last.commit_lsn => Err(self.other(format!(
                "the transaction with its commit record at {commit_lsn} changes tables there, and was never delivered"
            ))),
            (Message::Logical(message), _) if !message.transactional => self.come_to(message.lsn),
            _ => Ok(Shown::Delivered),
        }
    }

    /// Looks at a keepalive: the server has come to `wal_end`.
    ///
    /// # Errors
    /// What was delivered last is not there.
    pub(crate) fn see_keepalive(&self, wal_end: Lsn) -> Result<Shown, Halt> {
        match self.reads {
            // Its position lies before the end of the transaction, and says nothing.
            Some(_) => Ok(Shown::Delivered),
            None => self.come_to(wal_end),
        }
    }

    /// The end of what is known to be delivered.
    pub(crate) fn delivered_until(&self) -> Lsn {
        self.last.end_lsn
    }

    fn see_transaction(&mut self, begin: &Begin) -> Result<Shown, Halt> {
        let Begin {
            commit_lsn,
            commit_time,
            xid,
        } = *begin;
        self.reads = Some(commit_lsn);
        if self.is_awaited && commit_lsn == self.last.commit_lsn {
            let (expected, at) = (self.last.xid, self.last.commit_time_unix_micros);
            if (xid.as_u32(), commit_time.unix_micros()) != (expected, at) {
                let which = if xid.as_u32() == expected {
                    format!("transaction {xid} of another time lies")
                } else {
                    format!("transaction {xid} lies")
                };
                return Err(self.other(format!(
                    "{which} at {commit_lsn}, where transaction {expected} was delivered from"
                )));
            }
            self.is_awaited = false;
        } else if self.is_awaited && commit_lsn > self.last.commit_lsn {
            return Err(self.missing());
        }
        self.come_to(commit_lsn)
    }

    fn come_to(&self, lsn: Lsn) -> Result<Shown, Halt> {
        if lsn < self.from {
            return Ok(Shown::Delivered);
        }
        if self.is_awaited {
            return Err(self.missing());
        }
        Ok(Shown::Recognised)
    }

    fn missing(&self) -> Halt {
        self.other(format!(
            "transaction {} (commit {}), which was delivered last, is not there",
            self.last.xid, self.last.commit_lsn
        ))
    }

    fn other(&self, finding: String) -> Halt {
        Halt::OtherHistory {
            finding,
            after: self.confirmed,
            until: self.from,
        }
    }
}

#[cfg(test)]
mod tests;
