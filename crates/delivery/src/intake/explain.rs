//! What is said of a fault: which transaction, which table, and up to where everything was read well.

use walcast_mapper::TableName;
use walcast_pgoutput::{DecodeError, Lsn, Tid};

use super::{Intake, IntakeFault};
use crate::DeliveryError;
use crate::edge::{RowsCatalog, SchemaRegistry, Snapshots, Topics};
use crate::relations::EncodeFault;

impl<C: RowsCatalog, T: Topics, R: SchemaRegistry, N: Snapshots> Intake<'_, C, T, R, N> {
    pub(super) fn after(&self) -> Lsn {
        self.last_commit.map_or(self.resume.from, |commit| commit.end_lsn)
    }

    pub(super) fn unreadable(&self, source: DecodeError) -> IntakeFault {
        IntakeFault::Failed(DeliveryError::Decode {
            after: self.after(),
            source,
        })
    }

    pub(super) fn out_of_order(&self, what: &'static str) -> IntakeFault {
        IntakeFault::Failed(DeliveryError::OutOfOrder {
            after: self.after(),
            what,
        })
    }

    pub(super) fn explain(&self, lsn: Lsn, fault: EncodeFault) -> IntakeFault {
        match (fault, &self.transaction) {
            (EncodeFault::Edge(error), _) => IntakeFault::Failed(error),
            // A table is set aside only where its changes are dead letters.
            (EncodeFault::UnknownRelation | EncodeFault::Refused(_), _) => {
                self.out_of_order("a change of a relation that was never described")
            }
            (EncodeFault::Map(source), Some(transaction)) => IntakeFault::Failed(DeliveryError::Map {
                after: self.after(),
                lsn,
                xid: transaction.xid,
                commit_lsn: transaction.commit_lsn,
                source: Box::new(source),
            }),
            (EncodeFault::Map(_), None) => {
                self.out_of_order("a relation is described outside of any transaction")
            }
        }
    }

    pub(super) fn explain_rows(
        &self,
        table: &TableName,
        row: Option<Tid>,
        lsn: Lsn,
        fault: EncodeFault,
    ) -> IntakeFault {
        match fault {
            EncodeFault::Edge(error) => IntakeFault::Failed(error),
            EncodeFault::UnknownRelation | EncodeFault::Refused(_) => {
                self.out_of_order("a change of a relation that was never described")
            }
            EncodeFault::Map(source) => IntakeFault::Failed(DeliveryError::MapRow {
                table: table.clone(),
                row,
                lsn,
                source: Box::new(source),
            }),
        }
    }
}
