//! A tolerant reader of `OrderPlaced` in two versions of its schema.
//!
//! The connector upcasts what it sends, so that a consumer that follows the topic sees version 2 alone. Records of before the upcaster have
//! version 1, and a reader from the beginning of the topic meets both.

use std::future::Future;

use anyhow::{Context, bail};
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::message::Message;
use serde::Deserialize;
use serde_json::Value;

use crate::Source;

/// An order that was placed, as this program needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderPlaced {
    /// Number of the order.
    pub order: i64,
    /// Name of the customer.
    pub customer: String,
    /// Currency of the order.
    pub currency: String,
}

/// Payload in either version: `customer` in version 1, both names and the currency in version 2. Other members are ignored.
#[derive(Deserialize)]
struct Payload {
    order: i64,
    customer: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    /// Orders of version 1 were in euros.
    #[serde(default = "euros")]
    currency: String,
}

fn euros() -> String {
    "EUR".to_owned()
}

impl OrderPlaced {
    /// Reads the payload of an event.
    ///
    /// # Errors
    /// The payload is of neither version.
    pub fn read(payload: &str) -> anyhow::Result<Self> {
        let payload: Payload = serde_json::from_str(payload).context("the payload is no OrderPlaced")?;
        let customer = match (payload.customer, payload.first_name, payload.last_name) {
            (_, Some(first), Some(last)) => format!("{first} {last}"),
            (Some(customer), _, _) => customer,
            (None, _, _) => bail!("the payload has no customer"),
        };
        Ok(Self {
            order: payload.order,
            customer,
            currency: payload.currency,
        })
    }
}

/// Passes each event of the topic to `read` until `stop` ends.
///
/// # Errors
/// Kafka or the registry fails, or a payload lacks what the program cannot do without.
pub async fn run(
    source: &Source,
    group: &str,
    mut read: impl FnMut(OrderPlaced),
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
        // The payload is a text with JSON.
        if let Value::String(payload) = decoder.json(record.payload()).await? {
            read(OrderPlaced::read(&payload)?);
        }
        consumer
            .commit_message(&record, CommitMode::Async)
            .context("the offset was not committed")?;
    }
}

#[cfg(test)]
mod tests {
    use super::OrderPlaced;

    #[test]
    fn both_versions_are_read() {
        let ada = OrderPlaced {
            order: 1,
            customer: "Ada Lovelace".to_owned(),
            currency: "EUR".to_owned(),
        };
        let first = OrderPlaced::read(r#"{"order": 1, "customer": "Ada Lovelace", "note": "call back"}"#);
        assert_eq!(first.unwrap(), ada);
        let second = r#"{"order": 1, "first_name": "Ada", "last_name": "Lovelace", "currency": "EUR"}"#;
        assert_eq!(OrderPlaced::read(second).unwrap(), ada);
        assert!(OrderPlaced::read(r#"{"order": 1, "first_name": "Ada"}"#).is_err());
    }
}
