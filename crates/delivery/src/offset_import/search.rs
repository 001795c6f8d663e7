//! Reads one transaction from a slot: its position in the order, and how many of its changes lie before a position.

use std::collections::HashMap;

use walcast_mapper::{MapError, MapperConfig, Plan, RecordBuffer, RowChange, SchemaId, SchemaIds, TableName};
use walcast_pgoutput::{FrameBlock, Lsn, Oid, Relation, Xid};

use crate::error::DeliveryError;
use crate::offset_import::error::ImportError;
use crate::offset_import::offset::OffsetChange;
use crate::offset_import::rejection::ImportRejected;
use crate::ports::catalog::Catalog;
use crate::ports::source::ChangeStream;
use crate::position::checkpoint::CommitPosition;
use crate::stream::transactions::{ChangePlace, Delivered, Event, Transaction, TransactionReader};

/// Transaction that the other connector stopped in.
#[derive(Clone, Copy, Debug)]
pub(super) struct FoundTransaction {
    pub(super) xid: Xid,
    pub(super) commit: CommitPosition,
    /// Number of its changes that were delivered, which are its first ones.
    pub(super) delivered: u64,
    /// Number of its changes.
    pub(super) changes: u64,
}

/// Search for the change that another connector sent last.
pub(super) struct Search<'a, C> {
    catalog: C,
    mapper: &'a MapperConfig,
    slot: &'a str,
    from: Lsn,
    wanted: OffsetChange,
    reader: TransactionReader,
    relations: HashMap<Oid, Relation>,
    counted: Counted,
}

/// Changes of the open transaction.
#[derive(Debug, Default)]
struct Counted {
    changes: u64,
    /// Changes before the position.
    before: u64,
    /// Changes at the position.
    at: Vec<ChangeAtPosition>,
}

/// Change at the position.
#[derive(Debug)]
struct ChangeAtPosition {
    what: &'static str,
    table: String,
    /// Number of its records, here and from the other connector.
    records: usize,
}

impl<'a, C: Catalog> Search<'a, C> {
    pub(super) fn new(
        catalog: C,
        mapper: &'a MapperConfig,
        slot: &'a str,
        from: Lsn,
        wanted: OffsetChange,
    ) -> Self {
        Self {
            catalog,
            mapper,
            slot,
            from,
            wanted,
            reader: TransactionReader::new(Delivered::until(from)),
            relations: HashMap::new(),
            counted: Counted::default(),
        }
    }

    /// Reads until the transaction has ended. `until` was the end of WAL before: if the server has passed it without a
    /// transaction, there is none.
    pub(super) async fn run<S: ChangeStream>(
        mut self,
        stream: &mut S,
        until: Lsn,
    ) -> Result<FoundTransaction, ImportError> {
        loop {
            let block = stream.next().await.map_err(DeliveryError::Source)?;
            if let Some(found) = self.read(&block, until).await? {
                return Ok(found);
            }
        }
    }

    async fn read(
        &mut self,
        block: &FrameBlock,
        until: Lsn,
    ) -> Result<Option<FoundTransaction>, ImportError> {
        for frame in block.frames() {
            let Some(event) = self.reader.read(frame, 0)? else {
                continue;
            };
            match event {
                Event::Relation(relation) => {
                    self.relations.insert(relation.oid, relation);
                }
                // The records are only counted.
                Event::Type(_) => {}
                Event::Begin { transaction, .. } => self.begin(&transaction)?,
                Event::Row {
                    place,
                    relation,
                    change,
                } => self.row(&place, relation, &change).await?,
                Event::Truncate { place, relations } => {
                    // The other connector stores its offset when the record of the last table was sent.
                    let records = if self.wanted.is_last_at_lsn {
                        1
                    } else {
                        relations.len()
                    };
                    self.count(
                        &place,
                        ChangeAtPosition {
                            what: "a truncate",
                            table: "several tables".to_owned(),
                            records,
                        },
                    );
                }
                Event::Message {
                    place: Some(place),
                    message,
                    ..
                } => self.count(
                    &place,
                    ChangeAtPosition {
                        what: "a message",
                        table: message.prefix.to_owned(),
                        records: 1,
                    },
                ),
                Event::Message { place: None, .. } => {}
                Event::Commit {
                    transaction,
                    position,
                    ..
                } => return self.conclude(&transaction, position).map(Some),
                Event::Idle(wal_end) if wal_end >= until => {
                    return Err(ImportRejected::TransactionMissing {
                        slot: self.slot.to_owned(),
                        after: self.from,
                        xid: self.wanted.xid,
                    }
                    .into());
                }
                Event::Idle(_) => {}
            }
        }
        Ok(None)
    }

    fn begin(&mut self, transaction: &Transaction) -> Result<(), ImportError> {
        if transaction.xid != self.wanted.xid {
            return Err(ImportRejected::OtherTransaction {
                slot: self.slot.to_owned(),
                after: self.from,
                expected: self.wanted.xid,
                found: transaction.xid,
            }
            .into());
        }
        self.counted = Counted::default();
        Ok(())
    }

    async fn row(
        &mut self,
        place: &ChangePlace,
        relation: Oid,
        change: &RowChange<'_>,
    ) -> Result<(), ImportError> {
        let what = match change {
            RowChange::Insert { .. } => "an insert",
            RowChange::Update { .. } => "an update that moves the key",
            RowChange::Delete { .. } => "a delete",
        };
        let (table, records) = if place.context.lsn == self.wanted.lsn {
            self.records(place, relation, change).await?
        } else {
            (String::new(), 1)
        };
        self.count(place, ChangeAtPosition { what, table, records });
        Ok(())
    }

    fn count(&mut self, place: &ChangePlace, change: ChangeAtPosition) {
        let counted = &mut self.counted;
        counted.changes = place.context.ordinal.as_u64() + 1;
        if place.context.lsn == self.wanted.lsn {
            counted.at.push(change);
        } else if place.context.lsn < self.wanted.lsn {
            counted.before += 1;
        }
    }

    /// Number of records of the change, as the mapper makes them: none if its table is not captured.
    async fn records(
        &mut self,
        place: &ChangePlace,
        oid: Oid,
        change: &RowChange<'_>,
    ) -> Result<(String, usize), ImportError> {
        let Some(relation) = self.relations.get(&oid) else {
            let error = self
                .reader
                .out_of_order("a change of a relation that was never described");
            return Err(error.into());
        };
        let table = TableName::from(relation);
        if !self.catalog.captures(&table) {
            return Ok((table.to_string(), 0));
        }
        let mut metadata = self
            .catalog
            .table_metadata(relation, None)
            .await
            .map_err(DeliveryError::Source)?;
        // The records are only counted: a row that contradicts the catalog of today is no obstacle.
        for column in &mut metadata.columns {
            column.not_null = false;
        }
        let context = &place.context;
        let unmapped = |source: MapError| DeliveryError::Map {
            after: self.from,
            lsn: context.lsn,
            xid: context.xid,
            commit_lsn: context.commit_lsn,
            source: Box::new(source),
        };
        let mut plan = Plan::compile(relation, &metadata, self.mapper).map_err(unmapped)?;
        let unregistered = SchemaId::new(0);
        let ids = SchemaIds {
            key: plan.key_schema().map(|_| unregistered),
            value: plan.value_schema().map(|_| unregistered),
        };
        plan.bind(ids);
        let mut records = RecordBuffer::new();
        loop {
            match plan.encode(change, context, None, &mut records) {
                Ok(()) => return Ok((table.to_string(), records.record_count())),
                Err(MapError::UnknownTopic { topic }) => plan.bind_topic(&topic, ids),
                Err(error) => return Err(unmapped(error).into()),
            }
        }
    }

    fn conclude(
        &self,
        transaction: &Transaction,
        commit: CommitPosition,
    ) -> Result<FoundTransaction, ImportError> {
        Ok(FoundTransaction {
            xid: transaction.xid,
            commit,
            delivered: self.counted.before + self.sent()?,
            changes: self.counted.changes,
        })
    }

    /// Number of the changes at the position that were sent with all their records.
    fn sent(&self) -> Result<u64, ImportRejected> {
        let (xid, lsn) = (self.wanted.xid, self.wanted.lsn);
        let at = self.counted.at.as_slice();
        let changes = u64::try_from(at.len()).unwrap_or(u64::MAX);
        let table = at.first().map(|change| change.table.clone()).unwrap_or_default();
        if let Some(counted) = self.wanted.counted_at_lsn {
            if counted > changes {
                return Err(ImportRejected::CountTooLarge {
                    xid,
                    lsn,
                    counted,
                    changes,
                });
            }
            return Ok(counted);
        }
        match (at, self.wanted.sent_at_lsn) {
            ([], _) if self.wanted.is_message => Ok(0),
            ([], _) => Err(ImportRejected::ChangeMissing { xid, lsn }),
            ([only], _) if only.records <= 1 => Ok(1),
            ([only], _) => Err(ImportRejected::SeveralRecords {
                xid,
                lsn,
                table,
                what: only.what,
                records: only.records,
            }),
            (several, Some(sent)) if sent <= changes && several.iter().all(|change| change.records <= 1) => {
                Ok(sent)
            }
            _ => Err(ImportRejected::SharedPosition {
                xid,
                lsn,
                table,
                changes,
            }),
        }
    }
}
