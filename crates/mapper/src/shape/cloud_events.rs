//! Structured CloudEvents in JSON, as Debezium's `CloudEventsConverter` makes them.
//!
//! See <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md>.

use std::io::Write as _;

use crate::connect::{self, ConnectSchema, Field};
use crate::encode::{Moment, Scratch};
use crate::envelope::RowFault;
use crate::events::{put_transaction_id, signed};
use crate::format::{Format, Nullability, written};
use crate::read::EventContext;
use crate::shape::Value;
use crate::source::{CONNECTOR, SourceValue};
use crate::{Encoding, SourceField, schema};

/// How events are written.
#[derive(Debug)]
pub(crate) struct CloudEventsPlan {
    topic_prefix: String,
    /// What stands before the data when it carries its schema.
    data_head: Option<Vec<u8>>,
}

/// Milliseconds, as Debezium prints an event's time.
const TIME_DIGITS: u32 = 3;

/// The schema of an event's data: both images of the row.
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
        value: &Value<'_, '_>,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<(), RowFault> {
        F::begin_record(out);
        let id = self.id(value, scratch);
        put_text::<F>("id", &id, out);
        let source = format!("/debezium/{CONNECTOR}/{}", self.topic_prefix);
        put_text::<F>("source", source.as_bytes(), out);
        put_text::<F>("specversion", b"1.0", out);
        let kind = format!("io.debezium.connector.{CONNECTOR}.DataChangeEvent");
        put_text::<F>("type", kind.as_bytes(), out);
        put_text::<F>("time", time(value.context).as_slice(), out);
        put_text::<F>("datacontenttype", b"application/json", out);
        put_text::<F>("iodebeziumop", value.op.letter(), out);
        for field in SourceField::ALL {
            F::field(&attribute(field.name()), out);
            match value.envelope.source.value(field, &value.context.origin) {
                SourceValue::Nothing => F::absent(Nullability::NullFirst, out),
                // A CloudEvent has no numbers of 64 bits.
                present => {
                    let mut text = Vec::new();
                    present.put_as_text(scratch, &mut text);
                    F::string(&text, out);
                }
            }
        }
        put_transaction::<F>(value, out);
        F::field("data", out);
        out.extend_from_slice(self.data_head.as_deref().unwrap_or_default());
        F::begin_record(out);
        value.envelope.put_images::<F>(value, scratch, out)?;
        F::end_record(out);
        if self.data_head.is_some() {
            out.push(b'}');
        }
        F::end_record(out);
        Ok(())
    }

    fn id(&self, value: &Value<'_, '_>, scratch: &mut Scratch) -> Vec<u8> {
        let source = &value.envelope.source;
        let mut id = format!("name:{}", self.topic_prefix).into_bytes();
        for (name, field) in [
            ("lsn", SourceField::Lsn),
            ("txId", SourceField::TxId),
            ("sequence", SourceField::Sequence),
        ] {
            write!(id, ";{name}:").expect("writing to memory cannot fail");
            source
                .value(field, &value.context.origin)
                .put_as_text(scratch, &mut id);
        }
        id
    }
}

/// Appends the attributes of the transaction, which are there also when transactions are not told.
fn put_transaction<F: Format>(value: &Value<'_, '_>, out: &mut Vec<u8>) {
    let place = value.place_in_transaction();
    let id = place.map(|(xid, lsn, _)| written(|out| put_transaction_id(xid, lsn, out)));
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

fn time(context: &EventContext) -> Moment {
    Moment::of_unix_micros(context.origin.commit_time.unix_micros(), TIME_DIGITS)
}

/// A name of letters and digits only, as attributes must have; Debezium leaves capital letters standing.
fn attribute(field: &str) -> String {
    let letters = field.chars().filter(char::is_ascii_alphanumeric);
    "iodebezium".chars().chain(letters).collect()
}
