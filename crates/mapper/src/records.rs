//! The records that one change becomes.

use std::ops::Range;
use std::sync::Arc;

use walcast_pgoutput::{OldTuple, Tuple};

use crate::encode::Scratch;
use crate::envelope::{Envelope, Key, Op, Row, RowFault};
use crate::events::{EventOrder, Operations};
use crate::format::Avro;
use crate::read::EventContext;
use crate::serialization::Serialization;
use crate::shape::{ShapePlan, Value};
use crate::{Batch, FlatDeletes, Tally};
use crate::{header, key};

/// Writes the records of one change.
pub(crate) struct Records<'p> {
    pub(crate) topic: &'p Arc<str>,
    /// The table, as transactions count it.
    pub(crate) collection: &'p str,
    pub(crate) topic_prefix: &'p str,
    pub(crate) envelope: &'p Envelope,
    pub(crate) shape: &'p ShapePlan,
    /// How keys are laid out; `None` for a table without key.
    pub(crate) key: Option<&'p Serialization>,
    pub(crate) value: &'p Serialization,
    pub(crate) tombstones_on_delete: bool,
    pub(crate) operations: Operations,
    pub(crate) context: &'p EventContext,
    pub(crate) scratch: &'p mut Scratch,
    pub(crate) batch: &'p mut Batch,
    /// What the transaction has counted, where transactions are told.
    pub(crate) tally: Option<&'p mut Tally>,
    /// Events counted of this change.
    pub(crate) counted: u64,
    /// The number of the next record of the change.
    pub(crate) part: u32,
}

/// A header that names the other key of a row that moved.
#[derive(Clone, Copy)]
struct OtherKey<'r, 'a> {
    header: &'static str,
    row: &'r Row<'a>,
}

/// What a deleted row leaves.
#[derive(Clone, Copy)]
struct Remains {
    /// A record that tells it.
    event: bool,
    /// A record without value; whether it stands for the event and carries what the event would have.
    tombstone: Option<bool>,
}

impl Records<'_> {
    pub(crate) fn insert(&mut self, new: Tuple<'_>) -> Result<(), RowFault> {
        let new = Row::new(new, None);
        self.event(Op::Create, None, Some(&new), None)
    }

    /// The row was there.
    pub(crate) fn read(&mut self, row: Tuple<'_>) -> Result<(), RowFault> {
        let row = Row::new(row, None);
        self.event(Op::Read, None, Some(&row), None)
    }

    pub(crate) fn update(&mut self, old: Option<OldTuple<'_>>, new: Tuple<'_>) -> Result<(), RowFault> {
        let after = Row::new(new, old);
        let Some(old) = old else {
            return self.event(Op::Update, None, Some(&after), None);
        };
        let before = Row::old(old);
        if self.operations.skip_unchanged && is_whole(old) && self.sent_alike(&before, &after)? {
            return Ok(());
        }
        if !self.moved(&before, &after)? {
            return self.event(Op::Update, Some(&before), Some(&after), None);
        }
        // In a compacted topic the old key's row must go, and the new key's must come.
        self.gone(
            &before,
            Some(OtherKey {
                header: header::NEW_KEY,
                row: &after,
            }),
        )?;
        self.event(
            Op::Create,
            None,
            Some(&after),
            Some(OtherKey {
                header: header::OLD_KEY,
                row: &before,
            }),
        )
    }

    pub(crate) fn delete(&mut self, old: OldTuple<'_>) -> Result<(), RowFault> {
        self.gone(&Row::old(old), None)
    }

    /// The table was emptied. That has no key, and no row.
    pub(crate) fn truncate(&mut self) -> Result<(), RowFault> {
        match self.shape {
            ShapePlan::Debezium | ShapePlan::CloudEvents(_) => self.event(Op::Truncate, None, None, None),
            ShapePlan::Flat(_) => {
                if self.operations.contain(Op::Truncate) {
                    self.count();
                }
                Ok(())
            }
        }
    }

    fn gone(&mut self, before: &Row<'_>, other: Option<OtherKey<'_, '_>>) -> Result<(), RowFault> {
        if !self.operations.contain(Op::Delete) {
            return Ok(());
        }
        let remains = self.remains();
        if remains.event {
            self.event(Op::Delete, Some(before), None, other)?;
        } else {
            // A transaction counts what happened, not what is left of it.
            self.count();
        }
        if let Some(in_place_of_event) = remains.tombstone {
            let key = self.key(before)?;
            self.push_key_header(other)?;
            self.push_context();
            match self.shape {
                ShapePlan::Flat(flat) if in_place_of_event => {
                    flat.push_headers(self.envelope, Op::Delete, self.context, self.scratch, self.batch);
                }
                ShapePlan::Flat(flat) => flat.push_tombstone_headers(self.batch),
                ShapePlan::Debezium | ShapePlan::CloudEvents(_) => {}
            }
            self.finish(key, None);
        }
        Ok(())
    }

    fn remains(&self) -> Remains {
        let further = self.tombstones_on_delete.then_some(false);
        let (event, tombstone) = match self.shape {
            ShapePlan::Debezium | ShapePlan::CloudEvents(_) => (true, further),
            ShapePlan::Flat(flat) => match flat.deletes {
                FlatDeletes::Drop => (false, None),
                FlatDeletes::Tombstone | FlatDeletes::DeleteToTombstone => (false, Some(true)),
                FlatDeletes::Rewrite => (true, None),
                FlatDeletes::RewriteWithTombstone => (true, further),
            },
        };
        Remains { event, tombstone }
    }

    fn event(
        &mut self,
        op: Op,
        before: Option<&Row<'_>>,
        after: Option<&Row<'_>>,
        other: Option<OtherKey<'_, '_>>,
    ) -> Result<(), RowFault> {
        if !self.operations.contain(op) {
            return Ok(());
        }
        let key = match after.or(before) {
            Some(row) => self.key(row)?,
            None => None,
        };
        let body = Value {
            shape: self.shape,
            envelope: self.envelope,
            op,
            before,
            after,
            context: self.context,
            order: self.count(),
        };
        let Self { value, scratch, .. } = self;
        let value = self.batch.part(|out| value.put(&body, scratch, out))?;
        self.push_key_header(other)?;
        self.push_context();
        if let ShapePlan::Flat(flat) = self.shape {
            flat.push_headers(self.envelope, op, self.context, self.scratch, self.batch);
        }
        self.finish(key, Some(value));
        Ok(())
    }

    /// Counts one more event of the transaction, where transactions are told.
    fn count(&mut self) -> Option<EventOrder> {
        let tally = self.tally.as_deref_mut()?;
        self.counted += 1;
        Some(tally.count(self.collection))
    }

    fn key(&mut self, row: &Row<'_>) -> Result<Option<Range<usize>>, RowFault> {
        let Some(key) = self.key else {
            return Ok(None);
        };
        let body = Key {
            envelope: self.envelope,
            row,
        };
        let scratch = &mut *self.scratch;
        self.batch.part(|out| key.put(&body, scratch, out)).map(Some)
    }

    fn push_key_header(&mut self, other: Option<OtherKey<'_, '_>>) -> Result<(), RowFault> {
        let Some(OtherKey { header, row }) = other else {
            return Ok(());
        };
        let Self {
            envelope, scratch, ..
        } = self;
        let text = self
            .batch
            .part(|out| header::put_key(envelope, row, scratch, out))?;
        self.batch.push_written_header(header, text);
        Ok(())
    }

    fn push_context(&mut self) {
        let mut identity = self.context.identity;
        identity.set_part(self.part);
        header::push_context(self.batch, self.topic_prefix, &identity);
    }

    fn finish(&mut self, key: Option<Range<usize>>, value: Option<Range<usize>>) {
        self.batch.finish(self.topic, key, value);
        self.part += 1;
    }

    /// Whether the update changed nothing of what values have: columns may be left out, hidden or rounded.
    fn sent_alike(&mut self, before: &Row<'_>, after: &Row<'_>) -> Result<bool, RowFault> {
        if before.texts_equal(after) {
            return Ok(true);
        }
        let Self {
            envelope, scratch, ..
        } = self;
        let (mut old, mut new) = (Vec::new(), Vec::new());
        envelope.put_columns::<Avro>(before, scratch, &mut old)?;
        envelope.put_columns::<Avro>(after, scratch, &mut new)?;
        Ok(old == new)
    }

    /// Whether the update gave the row another key.
    fn moved(&mut self, before: &Row<'_>, after: &Row<'_>) -> Result<bool, RowFault> {
        let Self {
            envelope, scratch, ..
        } = self;
        if !key::texts_differ(&envelope.key, before.tuple(), after.tuple()) {
            return Ok(false);
        }
        let (mut old_key, mut new_key) = (Vec::new(), Vec::new());
        envelope.put_key::<Avro>(before, scratch, &mut old_key)?;
        envelope.put_key::<Avro>(after, scratch, &mut new_key)?;
        Ok(old_key != new_key)
    }
}

/// Whether the log tells every value of a former row.
fn is_whole(old: OldTuple<'_>) -> bool {
    matches!(old, OldTuple::Full(_))
}
