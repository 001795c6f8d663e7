//! Reads one transaction from a slot: its place in the order, and how many of its changes come up to a position.

use std::collections::HashMap;

use walcast_mapper::{
    Batch, ChangeContext, MapError, MapperConfig, Ordinal, Plan, RowChange, SchemaId, SchemaIds, TableName,
};
use walcast_pgoutput::{Begin, Commit, Decoder, Frame, FrameBlock, Lsn, Message, Oid, Relation, Xid};

use super::{ForeignChange, TakeOverError, TakeOverRefused};
use crate::edge::{Catalog, ChangeStream};
use crate::{CommitMark, DeliveryError};

/// What was found of the transaction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Delivered {
    pub(super) xid: Xid,
    pub(super) commit: CommitMark,
    /// Its changes that were delivered, which are its first ones.
    pub(super) delivered: u64,
    /// Its changes, counted as [`Ordinal`] counts them.
    pub(super) changes: u64,
}

/// The search for the change that another connector sent last.
pub(super) struct Search<'a, C> {
    catalog: C,
    mapper: &'a MapperConfig,
    slot: &'a str,
    from: Lsn,
    wanted: ForeignChange,
    decoder: Decoder,
    relations: HashMap<Oid, Relation>,
    open: Option<Open>,
}

/// The transaction that is being read.
#[derive(Debug)]
struct Open {
    begin: Begin,
    /// Whether it ended before the position where the search began: the server may send it all the same.
    is_past: bool,
    changes: u64,
    before: u64,
    at: Vec<Here>,
}

/// A change at the position.
#[derive(Debug)]
struct Here {
    what: &'static str,
    table: String,
    /// How many records it makes here, and made there.
    records: usize,
}

impl<'a, C: Catalog> Search<'a, C> {
    pub(super) fn new(
        catalog: C,
        mapper: &'a MapperConfig,
        slot: &'a str,
        from: Lsn,
        wanted: ForeignChange,
    ) -> Self {
        Self {
            catalog,
            mapper,
            slot,
            from,
            wanted,
            decoder: Decoder::new(),
            relations: HashMap::new(),
            open: None,
        }
    }

    /// Reads until the transaction has ended. `until` was the end of the log before: once the server has passed it
    /// without a transaction, there is none.
    pub(super) async fn run<S: ChangeStream>(
        mut self,
        stream: &mut S,
        until: Lsn,
    ) -> Result<Delivered, TakeOverError> {
        loop {
            let block = stream.next().await.map_err(DeliveryError::Source)?;
            if let Some(delivered) = self.take(&block, until).await? {
                return Ok(delivered);
            }
        }
    }

    async fn take(&mut self, block: &FrameBlock, until: Lsn) -> Result<Option<Delivered>, TakeOverError> {
        let unreadable = |after| move |source| DeliveryError::Decode { after, source };
        for frame in block.frames() {
            match frame.map_err(unreadable(self.from))? {
                Frame::XLogData {
                    wal_start, message, ..
                } => {
                    let message = self.decoder.decode(message).map_err(unreadable(self.from))?;
                    if let Some(commit) = self.follow(wal_start, message).await?
                        && let Some(open) = self.open.take().filter(|open| !open.is_past)
                    {
                        return self.conclude(&open, &commit).map(Some);
                    }
                }
                Frame::Keepalive { wal_end, .. } if self.open.is_none() && wal_end >= until => {
                    return Err(TakeOverRefused::TransactionMissing {
                        slot: self.slot.to_owned(),
                        after: self.from,
                        xid: self.wanted.xid,
                    }
                    .into());
                }
                Frame::Keepalive { .. } => {}
            }
        }
        Ok(None)
    }

    /// Counts as the intake does ([`crate::intake`]): the ordinal found here must mean the same change there.
    async fn follow(&mut self, lsn: Lsn, message: Message<'_>) -> Result<Option<Commit>, TakeOverError> {
        match message {
            Message::Begin(begin) => self.begin(begin)?,
            Message::Commit(commit) => return Ok(Some(commit)),
            Message::Relation(relation) => {
                self.relations.insert(relation.oid, relation);
            }
            Message::Insert(insert) => {
                self.change(
                    lsn,
                    "an insert",
                    insert.relation,
                    &RowChange::Insert { new: insert.new },
                )
                .await?;
            }
            Message::Update(update) => {
                let change = RowChange::Update {
                    old: update.old,
                    new: update.new,
                };
                self.change(lsn, "an update that moves the key", update.relation, &change)
                    .await?;
            }
            Message::Delete(delete) => {
                self.change(
                    lsn,
                    "a delete",
                    delete.relation,
                    &RowChange::Delete { old: delete.old },
                )
                .await?;
            }
            Message::Truncate(truncate) => {
                // The other connector notes when the last table's record was sent.
                let records = if self.wanted.is_last_at_lsn {
                    1
                } else {
                    truncate.relations.len()
                };
                self.count(
                    lsn,
                    Here {
                        what: "a truncate",
                        table: "several tables".to_owned(),
                        records,
                    },
                );
            }
            Message::Logical(logical) if logical.transactional => {
                self.count(
                    lsn,
                    Here {
                        what: "a message",
                        table: logical.prefix.to_owned(),
                        records: 1,
                    },
                );
            }
            _ => {}
        }
        Ok(None)
    }

    fn begin(&mut self, begin: Begin) -> Result<(), TakeOverError> {
        let is_past = begin.commit_lsn < self.from;
        if !is_past && begin.xid != self.wanted.xid {
            return Err(TakeOverRefused::OtherTransaction {
                slot: self.slot.to_owned(),
                after: self.from,
                expected: self.wanted.xid,
                found: begin.xid,
            }
            .into());
        }
        self.open = Some(Open {
            begin,
            is_past,
            changes: 0,
            before: 0,
            at: Vec::new(),
        });
        Ok(())
    }

    async fn change(
        &mut self,
        lsn: Lsn,
        what: &'static str,
        relation: Oid,
        change: &RowChange<'_>,
    ) -> Result<(), TakeOverError> {
        let here = if lsn == self.wanted.lsn {
            let (table, records) = self.records(relation, change).await?;
            Here { what, table, records }
        } else {
            Here {
                what,
                table: String::new(),
                records: 1,
            }
        };
        self.count(lsn, here);
        Ok(())
    }

    fn count(&mut self, lsn: Lsn, here: Here) {
        let Some(open) = &mut self.open else { return };
        open.changes += 1;
        if lsn == self.wanted.lsn {
            open.at.push(here);
        } else if lsn < self.wanted.lsn {
            open.before += 1;
        }
    }

    /// How many records the change makes, as the mapper makes them: none when its table is not captured.
    async fn records(&mut self, oid: Oid, change: &RowChange<'_>) -> Result<(String, usize), TakeOverError> {
        let (Some(relation), Some(open)) = (self.relations.get(&oid), &self.open) else {
            let what = "a change of a relation that was never described";
            return Err(DeliveryError::OutOfOrder {
                after: self.from,
                what,
            }
            .into());
        };
        let table = TableName::from(relation);
        if !self.catalog.captures(&table) {
            return Ok((table.to_string(), 0));
        }
        let mut facts = self
            .catalog
            .table_facts(oid, None)
            .await
            .map_err(DeliveryError::Source)?;
        // Only the records are counted: a row that the catalog contradicts by now is no obstacle.
        for column in &mut facts.columns {
            column.not_null = false;
        }
        let Begin {
            xid,
            commit_lsn,
            commit_time,
        } = open.begin;
        let lsn = self.wanted.lsn;
        let unmapped = |source: MapError| DeliveryError::Map {
            after: self.from,
            lsn,
            xid,
            commit_lsn,
            source: Box::new(source),
        };
        let mut plan = Plan::compile(relation, &facts, self.mapper).map_err(unmapped)?;
        let unregistered = SchemaId::new(0);
        plan.bind(SchemaIds {
            key: plan.key_schema().map(|_| unregistered),
            value: plan.value_schema().map(|_| unregistered),
        });
        let context = ChangeContext {
            xid,
            commit_lsn,
            commit_time,
            lsn,
            ordinal: Ordinal::new(open.changes),
            previous_commit_end: None,
            processed_at_unix_nanos: 0,
        };
        let mut batch = Batch::new();
        plan.encode(change, &context, None, &mut batch)
            .map_err(unmapped)?;
        Ok((table.to_string(), batch.record_count()))
    }

    fn conclude(&self, open: &Open, commit: &Commit) -> Result<Delivered, TakeOverError> {
        let Begin {
            xid,
            commit_lsn,
            commit_time,
        } = open.begin;
        Ok(Delivered {
            xid,
            commit: CommitMark::new(commit_lsn, commit.end_lsn, commit_time, xid),
            delivered: open.before + self.sent(open)?,
            changes: open.changes,
        })
    }

    /// How many of the changes at the position were sent with all of their records.
    fn sent(&self, open: &Open) -> Result<u64, TakeOverRefused> {
        let (xid, lsn) = (self.wanted.xid, self.wanted.lsn);
        let changes = u64::try_from(open.at.len()).unwrap_or(u64::MAX);
        let table = open.at.first().map(|here| here.table.clone()).unwrap_or_default();
        if let Some(counted) = self.wanted.counted_at_lsn {
            if counted > changes {
                return Err(TakeOverRefused::CountTooLarge {
                    xid,
                    lsn,
                    counted,
                    changes,
                });
            }
            return Ok(counted);
        }
        match (open.at.as_slice(), self.wanted.sent_at_lsn) {
            ([], _) if self.wanted.is_message => Ok(0),
            ([], _) => Err(TakeOverRefused::ChangeMissing { xid, lsn }),
            ([only], _) if only.records <= 1 => Ok(1),
            ([only], _) => Err(TakeOverRefused::SeveralRecords {
                xid,
                lsn,
                table,
                what: only.what,
                records: only.records,
            }),
            (several, Some(sent)) if sent <= changes && several.iter().all(|here| here.records <= 1) => {
                Ok(sent)
            }
            _ => Err(TakeOverRefused::SharedPosition {
                xid,
                lsn,
                table,
                changes,
            }),
        }
    }
}
