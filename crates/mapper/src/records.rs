//! The records that one change becomes.

use std::ops::Range;
use std::sync::Arc;

use walcast_pgoutput::{OldTuple, Tuple};

use crate::encode::Scratch;
use crate::envelope::{Envelope, Op, Row, RowFault, put_schema_id};
use crate::events::Operations;
use crate::format::Avro;
use crate::{Batch, ChangeContext, RecordId, SchemaIds, Tally};
use crate::{header, key};

/// Writes the records of one change.
pub(crate) struct Records<'p> {
    pub(crate) topic: &'p Arc<str>,
    /// The table, as transactions count it.
    pub(crate) collection: &'p str,
    pub(crate) topic_prefix: &'p str,
    pub(crate) envelope: &'p Envelope,
    pub(crate) ids: SchemaIds,
    pub(crate) tombstones_on_delete: bool,
    pub(crate) operations: Operations,
    pub(crate) context: &'p ChangeContext,
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

impl Records<'_> {
    pub(crate) fn insert(&mut self, new: Tuple<'_>) -> Result<(), RowFault> {
        let new = Row::new(new, None);
        self.event(Op::Create, None, Some(&new), None)
    }

    pub(crate) fn update(&mut self, old: Option<OldTuple<'_>>, new: Tuple<'_>) -> Result<(), RowFault> {
        let after = Row::new(new, old);
        let Some(old) = old else {
            return self.event(Op::Update, None, Some(&after), None);
        };
        let before = Row::old(old);
        if self.operations.skip_unchanged && is_whole(old) && before.texts_equal(&after) {
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

    /// The table was emptied. That has no key.
    pub(crate) fn truncate(&mut self) -> Result<(), RowFault> {
        self.event(Op::Truncate, None, None, None)
    }

    fn gone(&mut self, before: &Row<'_>, other: Option<OtherKey<'_, '_>>) -> Result<(), RowFault> {
        self.event(Op::Delete, Some(before), None, other)?;
        if self.tombstones_on_delete && self.operations.contain(Op::Delete) {
            let key = self.key(before)?;
            self.finish(key, None, other)?;
        }
        Ok(())
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
        let order = self.tally.as_deref_mut().map(|tally| {
            self.counted += 1;
            tally.count(self.collection)
        });
        let Self {
            envelope,
            context,
            scratch,
            ids,
            ..
        } = self;
        let value = self.batch.part(|out| {
            put_schema_id(ids.value, out);
            envelope.put::<Avro>(op, [before, after], context, order, scratch, out)
        })?;
        self.finish(key, Some(value), other)
    }

    fn key(&mut self, row: &Row<'_>) -> Result<Option<Range<usize>>, RowFault> {
        let Some(id) = self.ids.key.filter(|_| !self.envelope.key.is_empty()) else {
            return Ok(None);
        };
        let Self {
            envelope, scratch, ..
        } = self;
        let key = self.batch.part(|out| {
            put_schema_id(id, out);
            envelope.put_key::<Avro>(row, scratch, out)
        })?;
        Ok(Some(key))
    }

    fn finish(
        &mut self,
        key: Option<Range<usize>>,
        value: Option<Range<usize>>,
        other: Option<OtherKey<'_, '_>>,
    ) -> Result<(), RowFault> {
        if let Some(OtherKey { header, row }) = other {
            let Self {
                envelope, scratch, ..
            } = self;
            let text = self
                .batch
                .part(|out| header::put_key(envelope, row, scratch, out))?;
            self.batch.push_written_header(header, text);
        }
        let id = RecordId {
            commit_lsn: self.context.commit_lsn,
            ordinal: self.context.ordinal,
            part: self.part,
        };
        header::push_context(self.batch, self.topic_prefix, &id);
        self.batch.finish(self.topic, key, value);
        self.part += 1;
        Ok(())
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
