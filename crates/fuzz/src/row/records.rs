//! Records read by decoders that share no code with the mapper.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use serde_json::Value;
use walcast_mapper::config::Encoding;
use walcast_mapper::{MapperConfig, Plan, RecordBuffer, RecordView};

/// What stands before Avro: a zero, and the schema's number.
const PREFIX_BYTES: usize = 5;

/// Schemas are kept up to this many.
const SCHEMAS_MAX: usize = 10_000;

/// Reads keys and values to their ends.
pub(super) fn check<'a>(plan: &Plan, config: &MapperConfig, records: impl Iterator<Item = RecordView<'a>>) {
    for record in records {
        assert_eq!(record.topic, plan.topic());
        if let Some(key) = record.key {
            read(key, config.key, plan.key_schema(), 1);
        }
        if let Some(value) = record.value {
            read(value, config.value, plan.value_schema(), 2);
        }
        for header in record.headers() {
            assert!(!header.name.is_empty());
        }
    }
}

fn read(bytes: &[u8], encoding: Encoding, schema: Option<&str>, id: u8) {
    match encoding {
        Encoding::Avro => {
            let schema = schema.expect("Avro has a schema");
            let (prefix, body) = bytes.split_at(PREFIX_BYTES);
            assert_eq!(prefix, [0, 0, 0, 0, id]);
            read_avro(body, schema);
        }
        Encoding::Json | Encoding::JsonSchema => {
            let parsed = serde_json::from_slice::<Value>(bytes);
            assert!(parsed.is_ok(), "{parsed:?}: {}", String::from_utf8_lossy(bytes));
        }
    }
}

fn read_avro(mut body: &[u8], schema: &str) {
    let parsed = parsed(schema);
    let reader = GenericDatumReader::builder(&parsed).build();
    let reader = reader.unwrap_or_else(|error| panic!("{error}: {schema}"));
    let value = reader.read_value(&mut body);
    assert!(value.is_ok(), "{value:?}: {schema}");
    assert!(body.is_empty(), "{} bytes are left over: {schema}", body.len());
}

/// Parsing one takes longer than everything else.
fn parsed(schema: &str) -> Rc<Schema> {
    thread_local! {
        static SCHEMAS: RefCell<HashMap<String, Rc<Schema>>> = RefCell::new(HashMap::new());
    }
    SCHEMAS.with_borrow_mut(|known| {
        if let Some(parsed) = known.get(schema) {
            return Rc::clone(parsed);
        }
        if known.len() >= SCHEMAS_MAX {
            known.clear();
        }
        let parsed = Schema::parse_str(schema).unwrap_or_else(|error| panic!("{error}: {schema}"));
        let parsed = Rc::new(parsed);
        known.insert(schema.to_owned(), Rc::clone(&parsed));
        parsed
    })
}

/// The same records, byte for byte.
pub(super) fn check_same<'a>(
    records: impl Iterator<Item = RecordView<'a>>,
    others: impl Iterator<Item = RecordView<'a>>,
) {
    let parts = |record: RecordView<'a>| {
        let headers = record.headers().map(|header| (header.name, header.value));
        let headers: Vec<_> = headers.collect();
        (record.topic, record.key, record.value, headers)
    };
    assert!(
        records.map(parts).eq(others.map(parts)),
        "the same row made other records"
    );
}

/// One record that is JSON and no larger than it may be.
pub(super) fn check_letter(batch: &RecordBuffer, bytes_max: usize) {
    let mut records = batch.records();
    let letter = records.next().expect("a letter was written");
    assert!(records.next().is_none(), "a letter is one record");
    let value = letter.value.expect("a letter has a value");
    read(value, Encoding::Json, None, 0);
    assert!(batch.len_bytes() <= bytes_max, "{} bytes", batch.len_bytes());
}
