//! Schemas and records equal those of Debezium 3.3.1 for the same stream: property by property, byte by byte.
//!
//! Three things are masked: the connector's version, the processing time, and the header `walcast.id`, which is ours.
//! Tables whose names begin with `x_` have deliberate deviations; `testdata/debezium-3.3.1/README.md` gives the
//! reasons.

use crate::golden::{Golden, Record};
use crate::shown;

fn is_deviation(topic: &str) -> bool {
    topic.starts_with("p.public.x_")
}

#[test]
fn schemas_equal_debeziums() {
    let golden = Golden::load();
    let ours = golden.replay();
    let mut compared = 0;
    for (topic, records) in golden.records.iter().filter(|(topic, _)| !is_deviation(topic)) {
        let ids = golden.ids(topic);
        let (key, value) = &ours.schemas[topic];
        assert_eq!(
            value,
            &golden.schemas[&ids.value.unwrap().as_u32()],
            "value schema of {topic}"
        );
        let theirs = records.iter().any(|record| record.key.is_some());
        assert_eq!(key.is_some(), theirs, "whether {topic} has a key");
        if let Some(key) = key {
            assert_eq!(
                key,
                &golden.schemas[&ids.key.unwrap().as_u32()],
                "key schema of {topic}"
            );
        }
        compared += 1;
    }
    assert!(compared >= 14, "only {compared} topics were captured");
}

#[test]
fn records_equal_debeziums() {
    let golden = Golden::load();
    let ours = golden.replay();
    let mut compared = 0;
    let mut different = Vec::new();
    for (topic, theirs) in golden.records.iter().filter(|(topic, _)| !is_deviation(topic)) {
        let ours = &ours.records[topic];
        for (number, (our, their)) in ours.iter().zip(theirs).enumerate() {
            let theirs = masked(their, "3.3.1.Final");
            let ours = masked(our, env!("CARGO_PKG_VERSION"));
            if ours != theirs {
                different.push(format!(
                    "{topic} {number}\n ours   {}\n theirs {}",
                    show(&ours),
                    show(&theirs)
                ));
            }
            compared += 1;
        }
        assert_eq!(ours.len(), theirs.len(), "records of {topic}");
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
    assert!(compared >= 90, "only {compared} records were captured");
}

fn show(record: &Record) -> String {
    let hex = |bytes: &Option<Vec<u8>>| -> Option<String> {
        bytes
            .as_ref()
            .map(|bytes| bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    };
    format!(
        "key {:?} value {:?} headers {:?}",
        hex(&record.key),
        hex(&record.value),
        record.headers
    )
}

fn masked(record: &Record, version: &str) -> Record {
    let mut record = record.clone();
    record.headers.retain(|(name, _)| name != "walcast.id");
    record.value = record.value.map(|value| {
        let version = [&[u8::try_from(version.len() * 2).unwrap()], version.as_bytes()].concat();
        let body = without_times(&value);
        // The last occurrence: a row may have the same text before it.
        let at = (0..body.len() - version.len())
            .rev()
            .find(|at| body[*at..].starts_with(&version))
            .unwrap();
        [&body[..at], &body[at + version.len()..]].concat()
    });
    record
}

/// Removes the last three fields, each a branch and a `long`.
fn without_times(value: &[u8]) -> &[u8] {
    let mut end = value.len();
    for _ in 0..3 {
        // A `long` ends with its only byte whose first bit is not set.
        end -= 1;
        while value[end - 1] & 0x80 != 0 {
            end -= 1;
        }
        end -= 1;
        assert_eq!(value[end], 0x02, "the branch of a time");
    }
    &value[..end]
}

/// Two tables have defaults that are not finite, which apache-avro cannot write in JSON.
const WITHOUT_FINITE_DEFAULTS: [&str; 2] = ["p.public.t_default_nullable", "p.public.t_default_more"];

#[test]
fn an_independent_decoder_reads_every_record() {
    let ours = Golden::load().replay();
    let parse = |schema: &serde_json::Value| apache_avro::Schema::parse_str(&schema.to_string());
    let mut read = 0;
    for (topic, (key_schema, value_schema)) in &ours.schemas {
        let value_schema = match parse(value_schema) {
            Ok(schema) => schema,
            Err(_) if WITHOUT_FINITE_DEFAULTS.contains(&topic.as_str()) => continue,
            Err(error) => panic!("{topic}: {error}"),
        };
        let key_schema = key_schema.as_ref().map(|schema| parse(schema).unwrap());
        for record in ours.records.get(topic).into_iter().flatten() {
            if let Some(value) = &record.value {
                shown::decode(&value_schema, value);
                read += 1;
            }
            if let Some(key) = &record.key {
                shown::decode(key_schema.as_ref().unwrap(), key);
            }
        }
    }
    assert!(read >= 70, "only {read} values were read");
}
