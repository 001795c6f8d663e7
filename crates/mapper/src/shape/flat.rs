//! Flat rows: the row alone, with parts of the envelope as further fields, as Debezium's `ExtractNewRecordState` makes
//! it.

use std::sync::Arc;

use crate::config::EnvelopePart;
use crate::config::{FlatDeletes, FlatForm};
use crate::connect::{ConnectSchema, Field, Kind};
use crate::encode::Scratch;
use crate::envelope::{Envelope, nanos_to_micros, nanos_to_millis};
use crate::event_context::EventContext;
use crate::format::{Format, HeaderText, Nullability};
use crate::op::Op;
use crate::record_buffer::RecordBuffer;
use crate::row::RowError;
use crate::row_event::RowEvent;
use crate::snapshot_marker::SnapshotMarker;
use crate::source::SourceValue;
use crate::source_field::SourceField;

/// Encoding of flat rows.
#[derive(Debug)]
pub(crate) struct FlatPlan {
    pub(crate) deletes: FlatDeletes,
    fields: Vec<(String, EnvelopePart)>,
    headers: Vec<(Arc<str>, EnvelopePart)>,
}

/// Field that distinguishes deleted rows from others where both are written.
const DELETED: &str = "__deleted";

impl FlatPlan {
    pub(crate) fn new(form: &FlatForm) -> Self {
        let fields = form.fields.iter();
        let headers = form.headers.iter();
        Self {
            deletes: form.deletes,
            fields: fields
                .map(|field| (field.name(&form.fields_prefix), field.part))
                .collect(),
            headers: headers
                .map(|field| (field.name(&form.headers_prefix).into(), field.part))
                .collect(),
        }
    }

    pub(crate) fn schema(&self, namespace: &str, columns: Vec<Field>) -> ConnectSchema {
        let mut fields = columns;
        if self.deletes.adds_deleted_field() {
            fields.push(ConnectSchema::plain(Kind::String).optional().named(DELETED));
        }
        fields.extend(
            self.fields
                .iter()
                .map(|(name, part)| part.schema().optional().named(name)),
        );
        ConnectSchema::record(format!("{namespace}.Value"), fields)
    }

    pub(crate) fn put<F: Format>(
        &self,
        envelope: &Envelope,
        event: &RowEvent<'_, '_>,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<(), RowError> {
        F::begin_record(out);
        if let Some(row) = event.after.or(event.before) {
            envelope.put_columns::<F>(row, scratch, out)?;
        }
        if self.deletes.adds_deleted_field() {
            F::field(DELETED, out);
            F::present(Nullability::NullFirst, out);
            let deleted = matches!(event.op, Op::Delete);
            F::string(if deleted { b"true" } else { b"false" }, out);
        }
        for (name, part) in &self.fields {
            F::field(name, out);
            match part.value(envelope, event.op, event.context) {
                PartValue::Source(SourceValue::Nothing) => F::absent(Nullability::NullFirst, out),
                present => {
                    F::present(Nullability::NullFirst, out);
                    present.put::<F>(scratch, out);
                }
            }
        }
        F::end_record(out);
        Ok(())
    }

    /// Adds the configured headers to the next record.
    pub(crate) fn push_headers(
        &self,
        envelope: &Envelope,
        op: Op,
        context: &EventContext<'_>,
        scratch: &mut Scratch,
        buffer: &mut RecordBuffer,
    ) {
        for (name, part) in &self.headers {
            match part.value(envelope, op, context) {
                PartValue::Source(SourceValue::Nothing) => buffer.push_null_header(Arc::clone(name)),
                present => buffer.push_header(Arc::clone(name), |out| present.put_as_header(scratch, out)),
            }
        }
    }

    /// Adds the configured headers to a tombstone, of which only the operation is known. Debezium adds the headers of
    /// a tombstone after a rewritten row twice.
    pub(crate) fn push_tombstone_headers(&self, buffer: &mut RecordBuffer) {
        for (name, part) in self.headers.iter().chain(&self.headers) {
            if *part == EnvelopePart::Op {
                buffer.push_header(Arc::clone(name), |out| out.extend_from_slice(Op::Delete.letter()));
            }
        }
    }
}

/// Value of a part of the envelope.
enum PartValue<'e> {
    Letter(&'static [u8]),
    Number(i64),
    Source(SourceValue<'e>),
}

impl EnvelopePart {
    fn schema(self) -> ConnectSchema {
        match self {
            EnvelopePart::Op => Kind::String.into(),
            EnvelopePart::TsMs | EnvelopePart::TsUs | EnvelopePart::TsNs => Kind::Int64.into(),
            EnvelopePart::Source(field) => field.schema(),
        }
    }

    fn value<'e>(self, envelope: &'e Envelope, op: Op, context: &EventContext<'e>) -> PartValue<'e> {
        let nanos = context.processed_at_unix_nanos;
        match self {
            EnvelopePart::Op => PartValue::Letter(op.letter()),
            EnvelopePart::TsMs => PartValue::Number(nanos_to_millis(nanos)),
            EnvelopePart::TsUs => PartValue::Number(nanos_to_micros(nanos)),
            EnvelopePart::TsNs => PartValue::Number(nanos),
            // Debezium omits the marker of changes; in the envelope the schema's default replaces it.
            EnvelopePart::Source(SourceField::Snapshot)
                if context.origin.snapshot == SnapshotMarker::None =>
            {
                PartValue::Source(SourceValue::Nothing)
            }
            EnvelopePart::Source(field) => PartValue::Source(envelope.source.value(field, &context.origin)),
        }
    }
}

impl PartValue<'_> {
    fn put<F: Format>(&self, scratch: &mut Scratch, out: &mut Vec<u8>) {
        match self {
            PartValue::Letter(letter) => F::string(letter, out),
            PartValue::Number(number) => F::integer(*number, out),
            PartValue::Source(value) => value.put::<F>(scratch, out),
        }
    }

    /// Appends the value as Connect's header converter prints it: text without quotes.
    fn put_as_header(&self, scratch: &mut Scratch, out: &mut Vec<u8>) {
        match self {
            PartValue::Letter(letter) => out.extend_from_slice(letter),
            PartValue::Number(number) => HeaderText::integer(*number, out),
            PartValue::Source(value) => value.put_as_text(scratch, out),
        }
    }
}
