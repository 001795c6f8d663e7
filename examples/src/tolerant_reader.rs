//! A reader that needs three columns of a table, and reads the records of several versions of its schema.
//!
//! Each record is decoded with the schema that it was written with, so that the reader may be older or newer than the record. It takes
//! the columns that it needs by name, has a value for those that earlier versions lack, knows former names, and ignores the rest.

use std::future::Future;

use anyhow::Context;
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::message::Message;
use serde::Deserialize;

use crate::Source;

/// An item as this program needs it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Item {
    /// Its key.
    pub id: i64,
    /// Its text; the column was called `note` before.
    #[serde(alias = "note")]
    pub text: Option<String>,
    /// Its priority; rows from before the column was added have the usual one.
    #[serde(default = "usual_priority")]
    pub priority: i64,
}

const fn usual_priority() -> i64 {
    3
}

/// Passes each new row of the topic to `read` until `stop` ends.
///
/// # Errors
/// Kafka or the registry fails, or a row lacks what the program cannot do without.
pub async fn run(
    source: &Source,
    group: &str,
    mut read: impl FnMut(Item),
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
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
        let mut value = decoder.json(record.payload()).await?;
        let row = value.get_mut("after").map(serde_json::Value::take);
        if let Some(row) = row.filter(|row| !row.is_null()) {
            read(serde_json::from_value(row).context("the row is not an item")?);
        }
        consumer
            .commit_message(&record, CommitMode::Async)
            .context("the offset was not committed")?;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Item;

    #[test]
    fn earlier_and_later_rows_are_items() {
        let item = |text: &str, priority| Item {
            id: 1,
            text: Some(text.to_owned()),
            priority,
        };
        for (row, expected) in [
            (json!({"id": 1, "note": "first"}), item("first", 3)),
            (
                json!({"id": 1, "text": "second", "priority": 5, "color": "red"}),
                item("second", 5),
            ),
        ] {
            assert_eq!(serde_json::from_value::<Item>(row).unwrap(), expected);
        }
        assert!(serde_json::from_value::<Item>(json!({"text": "no id"})).is_err());
    }
}
