//! Structured CloudEvents in JSON, as Debezium's `CloudEventsConverter` makes them.
//!
//! See <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md>.

use std::io::Write as _;

use crate::config::Encoding;
use crate::connect::{self, ConnectSchema, Field};
use crate::encode::{Moment, Scratch};
use crate::envelope::Envelope;
use crate::event_context::EventContext;
use crate::format::{Format, Nullability, written};
use crate::row::RowError;
use crate::row_event::RowEvent;
use crate::schema;
use crate::source::{CONNECTOR, SourceValue};
use crate::source_field::SourceField;
use crate::transaction_block::{self, signed};

/// Encoding of CloudEvents.
#[derive(Debug)]
pub(crate) struct CloudEventsPlan {
    topic_prefix: String,
    /// The bytes before data with a schema.
    data_head: Option<Vec<u8>>,
}

/// Precision of an event's time: milliseconds, as in Debezium.
const TIME_DIGITS: u32 = 3;

/// Schema of an event's data: both images of the row.
pub(crate) fn data_schema(namespace: &str, columns: Vec<Field>) -> ConnectSchema {
    let name = format!("io.debezium.connector.{CONNECTOR}.Data");
    ConnectSchema::record(name, schema::images(namespace, columns))
}

impl CloudEventsPlan {
    pub(crate) fn new(topic_prefix: &str, encoding: Encoding, data: &ConnectSchema) -> Self {
        let with_schema = match encoding {
            Encoding::JsonSchema => true,
            Encoding::Json | Encoding::Avro => false,
        };
        Self {
            topic_prefix: topic_prefix.to_owned(),
            data_head: with_schema
                .then(|| format!("{{\"schema\":{},\"payload\":", connect::to_json(data)).into_bytes()),
        }
    }

    pub(crate) fn put<F: Format>(
        &self,
        envelope: &Envelope,
        event: &RowEvent<'_, '_>,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<(), RowError> {
        F::begin_record(out);
        let id = self.id(envelope, event, scratch);
        put_text::<F>("id", &id, out);
        let source = format!("/debezium/{CONNECTOR}/{}", self.topic_prefix);
        put_text::<F>("source", source.as_bytes(), out);
        put_text::<F>("specversion", b"1.0", out);
        let kind = format!("io.debezium.connector.{CONNECTOR}.DataChangeEvent");
        put_text::<F>("type", kind.as_bytes(), out);
        put_text::<F>("time", time(event.context).as_slice(), out);
        put_text::<F>("datacontenttype", b"application/json", out);
        put_text::<F>("iodebeziumop", event.op.letter(), out);
        for field in envelope.source.fields() {
            F::field(&attribute(field.name()), out);
            match envelope.source.value(field, &event.context.origin) {
                SourceValue::Nothing => F::absent(Nullability::NullFirst, out),
                // CloudEvents have no numbers of 64 bits.
                present => {
                    let mut text = Vec::new();
                    present.put_as_text(scratch, &mut text);
                    F::string(&text, out);
                }
            }
        }
        put_transaction::<F>(event, out);
        F::field("data", out);
        out.extend_from_slice(self.data_head.as_deref().unwrap_or_default());
        F::begin_record(out);
        envelope.put_images::<F>(event, scratch, out)?;
        F::end_record(out);
        if self.data_head.is_some() {
            out.push(b'}');
        }
        F::end_record(out);
        Ok(())
    }

    fn id(&self, envelope: &Envelope, event: &RowEvent<'_, '_>, scratch: &mut Scratch) -> Vec<u8> {
        let source = &envelope.source;
        let mut id = format!("name:{}", self.topic_prefix).into_bytes();
        for (name, field) in [
            ("lsn", SourceField::Lsn),
            ("txId", SourceField::TxId),
            ("sequence", SourceField::Sequence),
        ] {
            write!(id, ";{name}:").expect("writing to memory cannot fail");
            source
                .value(field, &event.context.origin)
                .put_as_text(scratch, &mut id);
        }
        id
    }
}

/// Appends the attributes of the transaction; they are null without transaction metadata.
fn put_transaction<F: Format>(event: &RowEvent<'_, '_>, out: &mut Vec<u8>) {
    let place = event.transaction();
    let id = place.map(|(xid, lsn, _)| written(|out| transaction_block::put_id(xid, lsn, out)));
    let number = |count: u64| signed(count).to_string().into_bytes();
    for (name, text) in [
        ("iodebeziumtxid", id),
        (
            "iodebeziumtxtotalorder",
            place.map(|(_, _, order)| number(order.total)),
        ),
        (
            "iodebeziumtxdatacollectionorder",
            place.map(|(_, _, order)| number(order.in_collection)),
        ),
    ] {
        F::field(name, out);
        match text {
            None => F::absent(Nullability::NullFirst, out),
            Some(text) => F::string(&text, out),
        }
    }
}

fn put_text<F: Format>(name: &str, text: &[u8], out: &mut Vec<u8>) {
    F::field(name, out);
    F::string(text, out);
}

fn time(context: &EventContext<'_>) -> Moment {
    Moment::of_unix_micros(context.origin.commit_time.unix_micros(), TIME_DIGITS)
}

/// Name of an attribute: letters and digits only; Debezium does not convert capital letters.
fn attribute(field: &str) -> String {
    let letters = field.chars().filter(char::is_ascii_alphanumeric);
    "iodebezium".chars().chain(letters).collect()
}
