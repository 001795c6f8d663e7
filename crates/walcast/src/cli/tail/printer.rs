//! From the replication stream to JSON lines.

use std::collections::HashMap;

use walcast_mapper::{ChangeContext, MapError, Ordinal, RowChange, json};
use walcast_pgoutput::{Begin, DecodeError, Decoder, Frame, FrameBlock, Lsn, Message, Oid, Relation};

/// Prints every change of committed transactions into a buffer, one line each.
#[derive(Debug, Default)]
pub(super) struct Printer {
    decoder: Decoder,
    relations: HashMap<Oid, Relation>,
    transaction: Option<Transaction>,
    previous_commit_end: Option<Lsn>,
    completed: Option<Lsn>,
    lines: Vec<u8>,
}

/// The transaction whose changes are coming.
#[derive(Clone, Copy, Debug)]
struct Transaction {
    begin: Begin,
    next: Ordinal,
}

/// The stream cannot be printed.
#[derive(Debug, thiserror::Error)]
pub(super) enum PrintError {
    /// A message is not of the protocol.
    #[error("the replication stream cannot be read")]
    Decode(#[from] DecodeError),
    /// A change has no transaction or no table.
    #[error("the replication stream is out of order: a change came {0}")]
    OutOfOrder(&'static str),
    /// A row does not fit its table.
    #[error("the change at {lsn} cannot be printed")]
    Map {
        /// Where it lies.
        lsn: Lsn,
        /// Why not.
        #[source]
        source: Box<MapError>,
    },
}

impl Printer {
    /// Prints the changes of a block; `lines` has them.
    pub(super) fn print(&mut self, block: &FrameBlock) -> Result<(), PrintError> {
        for frame in block.frames() {
            match frame? {
                Frame::XLogData {
                    wal_start, message, ..
                } => self.message(wal_start, message)?,
                // All that was committed before has been sent; with no transaction open there is nothing to wait for.
                Frame::Keepalive { wal_end, .. } if self.transaction.is_none() => {
                    self.completed = self.completed.max(Some(wal_end));
                }
                Frame::Keepalive { .. } => {}
            }
        }
        Ok(())
    }

    /// What was printed since the last call.
    pub(super) fn lines(&self) -> &[u8] {
        &self.lines
    }

    /// Forgets the lines; returns how far the log is printed whole, if it went on.
    pub(super) fn written(&mut self) -> Option<Lsn> {
        self.lines.clear();
        self.completed.take()
    }

    fn message(&mut self, lsn: Lsn, message: &[u8]) -> Result<(), PrintError> {
        match self.decoder.decode(message)? {
            Message::Begin(begin) => {
                self.transaction = Some(Transaction {
                    begin,
                    next: Ordinal::default(),
                })
            }
            Message::Commit(commit) => {
                self.transaction = None;
                self.previous_commit_end = Some(commit.end_lsn);
                self.completed = Some(commit.end_lsn);
            }
            Message::Relation(relation) => {
                self.relations.insert(relation.oid, relation);
            }
            Message::Insert(insert) => {
                self.row(lsn, insert.relation, RowChange::Insert { new: insert.new })?
            }
            Message::Update(update) => {
                self.row(
                    lsn,
                    update.relation,
                    RowChange::Update {
                        old: update.old,
                        new: update.new,
                    },
                )?;
            }
            Message::Delete(delete) => {
                self.row(lsn, delete.relation, RowChange::Delete { old: delete.old })?
            }
            Message::Truncate(truncate) => {
                let context = self.context(lsn)?;
                for oid in truncate.relations {
                    json::write_truncate(relation(&self.relations, oid)?, &context, &mut self.lines);
                }
            }
            // Not printed, but it counts.
            Message::Logical(message) if message.transactional => drop(self.context(lsn)?),
            // Types and origins tell nothing that is printed, and version 1 sends nothing else.
            Message::Origin(_)
            | Message::Type(_)
            | Message::Logical(_)
            | Message::StreamStart(_)
            | Message::StreamStop
            | Message::StreamCommit { .. }
            | Message::StreamAbort(_)
            | Message::BeginPrepare(_)
            | Message::Prepare(_)
            | Message::CommitPrepared(_)
            | Message::RollbackPrepared(_)
            | Message::StreamPrepare(_) => {}
        }
        Ok(())
    }

    fn row(&mut self, lsn: Lsn, oid: Oid, change: RowChange<'_>) -> Result<(), PrintError> {
        let context = self.context(lsn)?;
        json::write_change(
            relation(&self.relations, oid)?,
            &change,
            &context,
            &mut self.lines,
        )
        .map_err(|source| PrintError::Map {
            lsn,
            source: Box::new(source),
        })
    }

    /// Where the next change stands; counts it.
    fn context(&mut self, lsn: Lsn) -> Result<ChangeContext, PrintError> {
        let transaction = self
            .transaction
            .as_mut()
            .ok_or(PrintError::OutOfOrder("outside of a transaction"))?;
        let ordinal = transaction.next;
        transaction.next = ordinal.next();
        Ok(ChangeContext {
            xid: transaction.begin.xid,
            commit_lsn: transaction.begin.commit_lsn,
            commit_time: transaction.begin.commit_time,
            lsn,
            ordinal,
            previous_commit_end: self.previous_commit_end,
            // Not printed: the same change is the same line whenever it is read.
            processed_at_unix_nanos: 0,
        })
    }
}

fn relation(relations: &HashMap<Oid, Relation>, oid: Oid) -> Result<&Relation, PrintError> {
    relations
        .get(&oid)
        .ok_or(PrintError::OutOfOrder("before its table was described"))
}
