//! The row alone, with chosen parts of the envelope beside its columns: what Debezium's `ExtractNewRecordState` leaves.

use std::sync::Arc;

use crate::config::EnvelopePart;
use crate::connect::{ConnectSchema, Field, Kind};
use crate::encode::Scratch;
use crate::envelope::{Envelope, Op, RowFault, nanos_to_micros, nanos_to_millis};
use crate::format::{Format, HeaderText, Nullability};
use crate::read::EventContext;
use crate::shape::Value;
use crate::source::SourceValue;
use crate::{Batch, FlatDeletes, FlatForm};

/// How flat rows are written.
#[derive(Debug)]
pub(crate) struct FlatPlan {
    pub(crate) deletes: FlatDeletes,
    fields: Vec<(String, EnvelopePart)>,
    headers: Vec<(Arc<str>, EnvelopePart)>,
}

/// Tells deleted rows from others where both are written.
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
        if self.deletes.marks_rows() {
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
        value: &Value<'_, '_>,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<(), RowFault> {
        F::begin_record(out);
        if let Some(row) = value.after.or(value.before) {
            value.envelope.put_columns::<F>(row, scratch, out)?;
        }
        if self.deletes.marks_rows() {
            F::field(DELETED, out);
            F::present(Nullability::NullFirst, out);
            let deleted = matches!(value.op, Op::Delete);
            F::string(if deleted { b"true" } else { b"false" }, out);
        }
        for (name, part) in &self.fields {
            F::field(name, out);
            match part.value(value.envelope, value.op, value.context) {
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

    /// Adds the configured headers to the record that will be finished next.
    pub(crate) fn push_headers(
        &self,
        envelope: &Envelope,
        op: Op,
        context: &EventContext,
        scratch: &mut Scratch,
        batch: &mut Batch,
    ) {
        for (name, part) in &self.headers {
            let value = part.value(envelope, op, context);
            batch.push_header(Arc::clone(name), |out| value.put_as_header(scratch, out));
        }
    }

    /// The same for a record without value, of which only the operation is known. Debezium adds the headers of a tombstone
    /// that follows a rewritten row twice.
    pub(crate) fn push_tombstone_headers(&self, batch: &mut Batch) {
        for (name, part) in self.headers.iter().chain(&self.headers) {
            if *part == EnvelopePart::Op {
                batch.push_header(Arc::clone(name), |out| out.extend_from_slice(Op::Delete.letter()));
            }
        }
    }
}

/// The value of a part of the envelope.
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

    fn value<'e>(self, envelope: &'e Envelope, op: Op, context: &EventContext) -> PartValue<'e> {
        let nanos = context.processed_at_unix_nanos;
        match self {
            EnvelopePart::Op => PartValue::Letter(op.letter()),
            EnvelopePart::TsMs => PartValue::Number(nanos_to_millis(nanos)),
            EnvelopePart::TsUs => PartValue::Number(nanos_to_micros(nanos)),
            EnvelopePart::TsNs => PartValue::Number(nanos),
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

    /// As Connect's header converter prints it: text without quotes.
    fn put_as_header(&self, scratch: &mut Scratch, out: &mut Vec<u8>) {
        match self {
            PartValue::Letter(letter) => out.extend_from_slice(letter),
            PartValue::Number(number) => HeaderText::integer(*number, out),
            PartValue::Source(value) => value.put_as_text(scratch, out),
        }
    }
}
