//! An audit trail: a table to which each change is appended with the context of its transaction, and from which nothing is removed.
//!
//! The offset is committed to Kafka after the row is in the table. A record that comes again after a crash, or after a replay, has the
//! same `walcast.id`, which is the key of the table.

use std::future::Future;

use anyhow::Context;
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::message::{BorrowedMessage, Message};
use serde_json::Value as Json;
use tokio_postgres::Client;

use crate::postgres::connect;
use crate::{Decoder, ID_HEADER, Source, header};

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS audit_trail (
        topic text, id text, committed_at timestamptz NOT NULL, operation text NOT NULL, key text NOT NULL,
        before text, after text, context json, traceparent text,
        recorded_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (topic, id));
    CREATE OR REPLACE FUNCTION audit_trail_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'the audit trail is append-only'; END $$;
    DROP TRIGGER IF EXISTS append_only ON audit_trail;
    CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_trail
        FOR EACH STATEMENT EXECUTE FUNCTION audit_trail_is_append_only();";

/// Appends the changes of the topic until `stop` ends.
///
/// # Errors
/// Kafka, the registry or the database fails. A later run continues at the first record that is not in the table.
pub async fn run(
    source: &Source,
    group: &str,
    database: &str,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let client = connect(database, TABLES).await?;
    let consumer = source.consumer(group)?;
    consumer
        .subscribe(&[&source.topic])
        .context("cannot subscribe to the topic")?;
    let decoder = source.decoder();
    let mut stop = std::pin::pin!(stop);
    loop {
        let record = tokio::select! {
            record = consumer.recv() => record.context("no record could be read")?,
            () = &mut stop => return Ok(()),
        };
        append(&client, &decoder, &record).await?;
        consumer
            .commit_message(&record, CommitMode::Async)
            .context("the offset was not committed")?;
    }
}

async fn append(client: &Client, decoder: &Decoder, record: &BorrowedMessage<'_>) -> anyhow::Result<()> {
    let value = decoder.json(record.payload()).await?;
    // The event of the delete before the tombstone says the same.
    if value.is_null() {
        return Ok(());
    }
    let key = decoder.json(record.key()).await?.to_string();
    let text = |name: &str| header(record, name).map(|value| String::from_utf8_lossy(value).into_owned());
    let id = text(ID_HEADER).context("the record has no walcast.id")?;
    let row = |name: &str| {
        Some(&value[name])
            .filter(|row| !row.is_null())
            .map(Json::to_string)
    };
    let operation = value["op"].as_str().unwrap_or("?");
    let committed_ms = value["source"]["ts_ms"]
        .as_f64()
        .context("the record has no time")?;
    // The context is JSON: the connector sends no other.
    let sql = "INSERT INTO audit_trail
        (topic, id, committed_at, operation, key, before, after, context, traceparent)
        VALUES ($1, $2, to_timestamp($3::float8 / 1000), $4, $5, $6, $7, $8::text::json, $9)
        ON CONFLICT DO NOTHING";
    client
        .execute(
            sql,
            &[
                &record.topic(),
                &id,
                &committed_ms,
                &operation,
                &key,
                &row("before"),
                &row("after"),
                &text("walcast.context"),
                &text("traceparent"),
            ],
        )
        .await
        .context("the change was not appended")?;
    Ok(())
}
