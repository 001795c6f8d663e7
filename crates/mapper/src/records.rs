//! Records of one change.

use std::ops::Range;

use walcast_pgoutput::reader::Reader;
use walcast_pgoutput::{OldTuple, Tuple};

use crate::config::{FlatDeletes, InvalidUpdate};
use crate::destination::{Destination, Destinations};
use crate::encode::Scratch;
use crate::envelope::{Envelope, Key};
use crate::event_context::EventContext;
use crate::event_counts::{EventCounts, EventOrder};
use crate::events::Operations;
use crate::format::Avro;
use crate::op::Op;
use crate::outbox::OutboxPlan;
use crate::record_buffer::RecordBuffer;
use crate::row::{Row, RowError};
use crate::row_event::RowEvent;
use crate::serialization::Serialization;
use crate::shape::{ShapePlan, Value};
use crate::transaction_context::Trace;
use crate::{header, key};

/// Encoder of the records of one change.
pub(crate) struct Records<'p> {
    pub(crate) destinations: &'p mut Destinations,
    /// Name of the table in the counts of transactions.
    pub(crate) collection: &'p str,
    pub(crate) topic_prefix: &'p str,
    pub(crate) envelope: &'p Envelope,
    pub(crate) shape: &'p ShapePlan,
    /// Plan of an outbox table, whose rows are events; `None` for other tables.
    pub(crate) outbox: Option<&'p mut OutboxPlan>,
    /// Serialization of keys; `None` for a table without key.
    pub(crate) key: Option<&'p Serialization>,
    pub(crate) value: &'p Serialization,
    pub(crate) tombstones_on_delete: bool,
    /// Whether records have Debezium's context headers.
    pub(crate) context_headers: bool,
    pub(crate) operations: Operations,
    pub(crate) context: &'p EventContext<'p>,
    pub(crate) scratch: &'p mut Scratch,
    pub(crate) buffer: &'p mut RecordBuffer,
    /// Counts of the transaction; `None` without transaction metadata.
    pub(crate) counts: Option<&'p mut EventCounts>,
    /// Number of events counted of this change.
    pub(crate) counted: u64,
    /// Number of the next record of the change.
    pub(crate) part: u32,
}

const MICROS_A_MILLI: i64 = 1_000;

/// Header with the other key of a row whose key changed.
#[derive(Clone, Copy)]
struct OtherKey<'r, 'a> {
    header: &'static str,
    row: &'r Row<'a>,
}

/// Records of a deleted row.
#[derive(Clone, Copy)]
struct Remains {
    /// Whether there is an event of the delete.
    event: bool,
    /// Whether there is a tombstone, and whether it replaces the event and has its headers.
    tombstone: Option<bool>,
}

impl Records<'_> {
    pub(crate) fn insert(&mut self, new: Tuple<'_>) -> Result<(), RowError> {
        let new = Row::new(new, None);
        self.event(Op::Create, None, Some(&new), None)
    }

    /// Writes a row that was read.
    pub(crate) fn read(&mut self, row: Tuple<'_>) -> Result<(), RowError> {
        let row = Row::new(row, None);
        self.event(Op::Read, None, Some(&row), None)
    }

    pub(crate) fn update(&mut self, old: Option<OldTuple<'_>>, new: Tuple<'_>) -> Result<(), RowError> {
        let after = Row::new(new, old);
        let Some(old) = old else {
            if self.outbox.is_some() {
                return self.invalid_update();
            }
            return self.event(Op::Update, None, Some(&after), None);
        };
        let before = Row::old(old);
        if self.operations.skip_unchanged && is_complete(old) && self.is_sent_unchanged(&before, &after)? {
            return Ok(());
        }
        if self.outbox.is_some() && !self.key_changed(&before, &after)? {
            return self.invalid_update();
        }
        if !self.key_changed(&before, &after)? {
            return self.event(Op::Update, Some(&before), Some(&after), None);
        }
        // In a compacted topic the record of the old key has to be removed, and the new key's added.
        self.delete_row(
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

    pub(crate) fn delete(&mut self, old: OldTuple<'_>) -> Result<(), RowError> {
        self.delete_row(&Row::old(old), None)
    }

    /// Writes a truncate, which has no key and no row.
    pub(crate) fn truncate(&mut self) -> Result<(), RowError> {
        match self.shape {
            _ if self.outbox.is_some() => Ok(()),
            ShapePlan::Debezium | ShapePlan::CloudEvents(_) => self.event(Op::Truncate, None, None, None),
            ShapePlan::Flat(_) => {
                if self.operations.contain(Op::Truncate) {
                    self.count();
                }
                Ok(())
            }
        }
    }

    fn delete_row(&mut self, before: &Row<'_>, other: Option<OtherKey<'_, '_>>) -> Result<(), RowError> {
        if !self.operations.contain(Op::Delete) {
            return Ok(());
        }
        if self.outbox.is_some() {
            // Rows are deleted after their events were sent.
            self.count();
            return Ok(());
        }
        let remains = self.remains();
        if remains.event {
            self.event(Op::Delete, Some(before), None, other)?;
        } else {
            // A transaction counts events, whether or not they have a record.
            self.count();
        }
        if let Some(in_place_of_event) = remains.tombstone {
            let destination = self.destinations.of_row(before)?;
            let key = self.key(before, &destination)?;
            self.push_key_header(other)?;
            self.push_headers();
            match self.shape {
                ShapePlan::Flat(flat) if in_place_of_event => {
                    flat.push_headers(self.envelope, Op::Delete, self.context, self.scratch, self.buffer);
                }
                ShapePlan::Flat(flat) => flat.push_tombstone_headers(self.buffer),
                ShapePlan::Debezium | ShapePlan::CloudEvents(_) => {}
            }
            self.finish(destination, key, None);
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
    ) -> Result<(), RowError> {
        if !self.operations.contain(op) {
            return Ok(());
        }
        if let (true, Some(row)) = (self.outbox.is_some(), after) {
            return self.outbox_event(row, other);
        }
        let (destination, key) = match after.or(before) {
            Some(row) => {
                let destination = self.destinations.of_row(row)?;
                let key = self.key(row, &destination)?;
                (destination, key)
            }
            None => (self.destinations.of_table.clone(), None),
        };
        let event = RowEvent {
            op,
            before,
            after,
            context: self.context,
            order: self.count(),
        };
        let body = Value {
            shape: self.shape,
            envelope: self.envelope,
            event,
        };
        let Self { value, scratch, .. } = self;
        let value = self
            .buffer
            .part(|out| value.put(&body, destination.ids.value, scratch, out))?;
        self.push_key_header(other)?;
        self.push_headers();
        if let ShapePlan::Flat(flat) = self.shape {
            flat.push_headers(self.envelope, op, self.context, self.scratch, self.buffer);
        }
        self.finish(destination, key, Some(value));
        Ok(())
    }

    /// Writes the event that a row of an outbox table is, in the current version of its schema.
    fn outbox_event(&mut self, row: &Row<'_>, other: Option<OtherKey<'_, '_>>) -> Result<(), RowError> {
        let upcasts = self.outbox.as_mut().and_then(|outbox| outbox.upcasts.as_mut());
        let upcast = match upcasts {
            Some(upcasts) => upcasts.row(row)?,
            None => None,
        };
        let Some(upcast) = upcast else {
            return self.put_outbox_event(row, other);
        };
        let tuple = Tuple::read(&mut Reader::new(&upcast)).expect("the tuple was encoded by this crate");
        self.put_outbox_event(&Row::new(tuple, None), other)
    }

    fn put_outbox_event(&mut self, row: &Row<'_>, other: Option<OtherKey<'_, '_>>) -> Result<(), RowError> {
        let Self {
            outbox: Some(outbox),
            scratch,
            buffer,
            ..
        } = self
        else {
            return Ok(());
        };
        let committed_at = self
            .context
            .origin
            .commit_time
            .unix_micros()
            .div_euclid(MICROS_A_MILLI);
        let event = outbox.event(row, committed_at, scratch, buffer)?;
        let trace = outbox.trace(row, scratch)?;
        self.count();
        self.push_key_header(other)?;
        self.push_headers_beside(trace.as_ref());
        if let Self {
            outbox: Some(outbox),
            scratch,
            buffer,
            ..
        } = self
        {
            outbox.push_headers(row, trace.as_ref(), scratch, buffer)?;
        }
        self.buffer.finish_at(
            event.topic,
            event.partition,
            event.timestamp,
            event.key,
            event.value,
        );
        self.part += 1;
        Ok(())
    }

    /// Handles the update of a row of an outbox table, whose event was sent when the row was inserted.
    fn invalid_update(&mut self) -> Result<(), RowError> {
        if !self.operations.contain(Op::Update) {
            return Ok(());
        }
        if self.outbox.as_ref().map(|outbox| outbox.on_update) == Some(InvalidUpdate::Fatal) {
            return Err(RowError::OutboxUpdate);
        }
        self.count();
        Ok(())
    }

    /// Counts an event of the transaction, with transaction metadata.
    fn count(&mut self) -> Option<EventOrder> {
        let counts = self.counts.as_deref_mut()?;
        self.counted += 1;
        Some(counts.count(self.collection))
    }

    fn key(&mut self, row: &Row<'_>, destination: &Destination) -> Result<Option<Range<usize>>, RowError> {
        let Some(key) = self.key else {
            return Ok(None);
        };
        let body = Key {
            envelope: self.envelope,
            row,
        };
        let scratch = &mut *self.scratch;
        let id = destination.ids.key;
        self.buffer.part(|out| key.put(&body, id, scratch, out)).map(Some)
    }

    fn push_key_header(&mut self, other: Option<OtherKey<'_, '_>>) -> Result<(), RowError> {
        let Some(OtherKey { header, row }) = other else {
            return Ok(());
        };
        let Self {
            envelope, scratch, ..
        } = self;
        let text = self
            .buffer
            .part(|out| header::put_key(envelope, row, scratch, out))?;
        self.buffer.push_written_header(header, text);
        Ok(())
    }

    fn push_headers(&mut self) {
        self.push_headers_beside(None);
    }

    /// Adds the headers of each record. `trace` is that of the row, which replaces that of its transaction.
    fn push_headers_beside(&mut self, trace: Option<&Trace>) {
        let mut identity = self.context.identity;
        identity.set_part(self.part);
        if self.context_headers {
            header::push_context(self.buffer, self.topic_prefix);
        }
        header::push_identity(self.buffer, &identity);
        if let Some(context) = self.context.transaction_context {
            context.push(trace.is_none(), self.buffer);
        }
    }

    fn finish(&mut self, destination: Destination, key: Option<Range<usize>>, value: Option<Range<usize>>) {
        let Destination { topic, partition, .. } = destination;
        self.buffer.finish(topic, partition, key, value);
        self.part += 1;
    }

    /// Whether the update changed none of the values that are sent: columns may be excluded, masked or rounded.
    fn is_sent_unchanged(&mut self, before: &Row<'_>, after: &Row<'_>) -> Result<bool, RowError> {
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

    /// Whether the update changed the row's key.
    fn key_changed(&mut self, before: &Row<'_>, after: &Row<'_>) -> Result<bool, RowError> {
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

/// Whether the old row is complete.
fn is_complete(old: OldTuple<'_>) -> bool {
    matches!(old, OldTuple::Full(_))
}
