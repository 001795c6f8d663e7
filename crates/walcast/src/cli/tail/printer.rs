//! Conversion of the replication stream to JSON lines.

use std::collections::HashMap;

use walcast_delivery::{ChangePlace, Delivered, DeliveryError, Event, TransactionReader};
use walcast_mapper::{MapError, RowChange, json};
use walcast_pgoutput::{FrameBlock, Lsn, Oid, Relation};

/// Printer of the changes of committed transactions into a buffer, one line each.
#[derive(Debug)]
pub(super) struct Printer {
    reader: TransactionReader,
    relations: HashMap<Oid, Relation>,
    completed: Option<Lsn>,
    lines: Vec<u8>,
}

/// Reason for which the stream cannot be printed.
#[derive(Debug, thiserror::Error)]
pub(super) enum PrintError {
    /// A message cannot be decoded, or must not follow the previous message.
    #[error("{0}")]
    Stream(#[from] DeliveryError),
    /// A row does not fit its table.
    #[error("the change at {lsn} cannot be printed")]
    Map {
        /// Position of the change.
        lsn: Lsn,
        /// Cause.
        #[source]
        source: Box<MapError>,
    },
}

impl Default for Printer {
    fn default() -> Self {
        Self {
            reader: TransactionReader::new(Delivered::until(Lsn::INVALID)),
            relations: HashMap::new(),
            completed: None,
            lines: Vec::new(),
        }
    }
}

impl Printer {
    /// Prints the changes of a block into [`Printer::lines`].
    pub(super) fn print(&mut self, block: &FrameBlock) -> Result<(), PrintError> {
        for frame in block.frames() {
            // The clock is not printed: a change has the same line at every read.
            match self.reader.read(frame, 0)? {
                Some(Event::Relation(relation)) => {
                    self.relations.insert(relation.oid, relation);
                }
                Some(Event::Row {
                    place,
                    relation,
                    change,
                }) => self.row(&place, relation, &change)?,
                Some(Event::Truncate { place, relations }) => self.truncate(&place, &relations)?,
                Some(Event::Commit { position, .. }) => self.completed = Some(position.end_lsn),
                // Everything committed before has been sent.
                Some(Event::Idle(wal_end)) => self.completed = self.completed.max(Some(wal_end)),
                Some(Event::Type(_) | Event::Begin { .. } | Event::Message { .. }) | None => {}
            }
        }
        Ok(())
    }

    /// Lines that were printed since [`Printer::written`].
    pub(super) fn lines(&self) -> &[u8] {
        &self.lines
    }

    /// Drops the lines; returns the position up to which whole transactions are printed, if it has advanced.
    pub(super) fn written(&mut self) -> Option<Lsn> {
        self.lines.clear();
        self.completed.take()
    }

    fn row(&mut self, place: &ChangePlace, oid: Oid, change: &RowChange<'_>) -> Result<(), PrintError> {
        let relation = self.relations.get(&oid).ok_or_else(|| self.undescribed())?;
        json::write_change(relation, change, &place.context, &mut self.lines).map_err(|source| {
            PrintError::Map {
                lsn: place.context.lsn,
                source: Box::new(source),
            }
        })
    }

    fn truncate(&mut self, place: &ChangePlace, oids: &[Oid]) -> Result<(), PrintError> {
        for oid in oids {
            let relation = self.relations.get(oid).ok_or_else(|| self.undescribed())?;
            json::write_truncate(relation, &place.context, &mut self.lines);
        }
        Ok(())
    }

    fn undescribed(&self) -> DeliveryError {
        self.reader
            .out_of_order("a change of a relation that was never described")
    }
}
