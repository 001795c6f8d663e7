//! From a load to a verdict, with a stand-in for the connector that sends the journal itself.

use std::time::Duration;

use apache_avro::Schema;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::json;
use walcast_testbed::journal::{self, JournalEntry, Operation, Row};
use walcast_testbed::{Audit, CHANGE_ID_HEADER, LoadOptions, Shop, Testbed, TestbedOptions, wait_until};

const LIMIT: Duration = Duration::from_secs(60);

/// Sends journal entries as a connector would send changes, all columns as texts.
struct StandIn {
    producer: BaseProducer,
    registry: String,
}

impl StandIn {
    async fn start(testbed: &Testbed) -> StandIn {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", testbed.kafka.brokers())
            .set("transactional.id", "stand-in");
        let producer: BaseProducer = config.create().unwrap();
        producer.init_transactions(LIMIT).unwrap();
        StandIn {
            producer,
            registry: testbed.registry.url(),
        }
    }

    async fn send(&self, entries: &[JournalEntry], commit: bool) {
        self.producer.begin_transaction().unwrap();
        for entry in entries {
            let mut part = 0;
            if let Some(old_key) = &entry.old_key {
                self.record(entry, 0, old_key, Some(("d", None))).await;
                self.record(entry, 1, old_key, None).await;
                part = 2;
            }
            let op = match entry.operation {
                Operation::Create => "c",
                Operation::Update if part > 0 => "c",
                Operation::Update => "u",
                Operation::Delete => "d",
            };
            self.record(entry, part, &entry.key, Some((op, entry.new.as_ref())))
                .await;
            if op == "d" {
                self.record(entry, 1, &entry.key, None).await;
            }
        }
        self.producer.flush(LIMIT).unwrap();
        if commit {
            self.producer.commit_transaction(LIMIT).unwrap();
        } else {
            self.producer.abort_transaction(LIMIT).unwrap();
        }
    }

    async fn record(
        &self,
        entry: &JournalEntry,
        part: u32,
        key: &Row,
        envelope: Option<(&str, Option<&Row>)>,
    ) {
        let topic = format!("shop.{}", entry.table);
        let columns = |row: &Row, name: &str| -> serde_json::Value {
            let fields = row
                .keys()
                .map(|name| json!({ "name": name, "type": ["null", "string"] }));
            json!({ "type": "record", "name": name, "fields": fields.collect::<Vec<_>>() })
        };
        let key_bytes = self.avro(&topic, &columns(key, "Key"), record_value(key)).await;
        let mut value_bytes = None;
        if let Some((op, after)) = envelope {
            let schema = json!({ "type": "record", "name": "Envelope", "fields": [
                { "name": "after", "type": ["null", columns(after.unwrap_or(&Row::new()), "Value")] },
                { "name": "source", "type": { "type": "record", "name": "Source", "fields": [
                    { "name": "table", "type": "string" }] } },
                { "name": "op", "type": "string" }] });
            let after = after.map_or(Value::Union(0, Value::Null.into()), |row| {
                Value::Union(1, record_value(row).into())
            });
            let source = Value::Record(vec![("table".into(), Value::String(entry.table.clone()))]);
            let fields = [
                ("after", after),
                ("source", source),
                ("op", Value::String(op.into())),
            ];
            let envelope = Value::Record(fields.map(|(name, value)| (name.to_owned(), value)).into());
            value_bytes = Some(self.avro(&topic, &schema, envelope).await);
        }
        let suffix = if part > 0 {
            format!(".{part}")
        } else {
            String::new()
        };
        let id = format!("0/{:X}/0{suffix}", entry.seq);
        let headers = OwnedHeaders::new().insert(Header {
            key: CHANGE_ID_HEADER,
            value: Some(&id),
        });
        let mut record = BaseRecord::to(&topic).key(&key_bytes).headers(headers);
        record.payload = value_bytes.as_ref();
        self.producer.send(record).map_err(|(error, _)| error).unwrap();
    }

    async fn avro(&self, topic: &str, schema: &serde_json::Value, value: Value) -> Vec<u8> {
        let text = schema.to_string();
        let url = format!("{}/subjects/{topic}/versions", self.registry);
        let answer = reqwest::Client::new()
            .post(url)
            .json(&json!({ "schema": text }))
            .send()
            .await
            .unwrap();
        let answer: serde_json::Value = answer.error_for_status().unwrap().json().await.unwrap();
        let id = u32::try_from(answer["id"].as_u64().unwrap()).unwrap();
        let mut bytes = vec![0];
        bytes.extend(id.to_be_bytes());
        let schema = Schema::parse_str(&text).unwrap();
        let writer = GenericDatumWriter::builder(&schema).build().unwrap();
        writer.write_value(&mut bytes, value).unwrap();
        bytes
    }
}

fn record_value(row: &Row) -> Value {
    let cell = |value: &Option<String>| match value {
        None => Value::Union(0, Value::Null.into()),
        Some(text) => Value::Union(1, Value::String(text.clone()).into()),
    };
    Value::Record(
        row.iter()
            .map(|(name, value)| (name.clone(), cell(value)))
            .collect(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn complete_transactions_are_clean_and_incomplete_ones_are_reported() {
    let testbed = Testbed::start(TestbedOptions::default()).await.unwrap();
    let load = Shop::create(&testbed.postgres)
        .await
        .unwrap()
        .run(&testbed.postgres, &LoadOptions::default());
    wait_until("some business", LIMIT, async || Ok(load.progress().writes >= 150))
        .await
        .unwrap();
    load.stop().await.unwrap();
    let entries = journal::read(&testbed.postgres.client().await.unwrap())
        .await
        .unwrap();
    let (last, rest) = entries.split_last().unwrap();

    let stand_in = StandIn::start(&testbed).await;
    let mut audit = Audit::new(&testbed, "shop", &Shop::TABLES).unwrap();
    stand_in.send(rest, true).await;
    // Aborted: a read_committed consumer must not count it.
    stand_in.send(std::slice::from_ref(last), false).await;
    let verdict = audit.verdict(&testbed.postgres).await.unwrap();
    let missing = 1 + usize::from(last.old_key.is_some());
    assert_eq!(
        (verdict.lost.count, verdict.is_clean()),
        (missing, false),
        "{verdict}"
    );

    stand_in.send(std::slice::from_ref(last), true).await;
    audit
        .wait_until_delivered(&testbed.postgres, LIMIT)
        .await
        .unwrap();
    let verdict = audit.verdict(&testbed.postgres).await.unwrap();
    assert!(
        verdict.is_clean() && verdict.expected >= entries.len(),
        "{verdict}"
    );

    stand_in.send(std::slice::from_ref(last), true).await;
    // The broker acknowledges a commit before it has written the end of the transaction to each partition.
    wait_until("the record that is there twice", LIMIT, async || {
        let verdict = audit.verdict(&testbed.postgres).await?;
        Ok(verdict.doubled.count >= 1)
    })
    .await
    .unwrap();
    let verdict = audit.verdict(&testbed.postgres).await.unwrap();
    assert_eq!(verdict.lost.count, 0, "{verdict}");
}
