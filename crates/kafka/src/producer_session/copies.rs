//! Copies of records that lie in a topic already: key, value, headers, partition and timestamp stay as they are.

use std::time::{Duration, Instant};

use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::BaseRecord;

use super::{IsCancelled, ProducerSession, RECORDS_PER_CHECK};
use crate::error::KafkaError;
use crate::replay_copy::RecordCopy;

impl ProducerSession {
    /// Passes every copy to librdkafka.
    pub(crate) fn write_copies(
        &mut self,
        copies: &[RecordCopy],
        is_cancelled: IsCancelled<'_>,
    ) -> Result<(), KafkaError> {
        self.begin()?;
        for (number, copy) in copies.iter().enumerate() {
            if number % RECORDS_PER_CHECK == 0 {
                self.producer.poll(Duration::ZERO);
                self.check_records()?;
            }
            if !self.window.admits_bytes(copy.bytes(), Instant::now()) {
                self.settle(is_cancelled)?;
                self.window.admits_bytes(copy.bytes(), Instant::now());
            }
            self.send(to_kafka(copy), is_cancelled)?;
        }
        Ok(())
    }
}

fn to_kafka(copy: &RecordCopy) -> BaseRecord<'_, [u8], [u8]> {
    let record = &copy.record;
    let mut kafka = BaseRecord::to(&copy.target).partition(record.partition);
    kafka.key = record.key.as_deref();
    kafka.payload = record.value.as_deref();
    kafka.timestamp = record.timestamp;
    let headers = OwnedHeaders::new_with_capacity(record.headers.len());
    let headers = record.headers.iter().fold(headers, |headers, (name, value)| {
        headers.insert(Header {
            key: name,
            value: value.as_deref(),
        })
    });
    kafka.headers = Some(headers);
    kafka
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rdkafka::message::Headers;

    use super::to_kafka;
    use crate::replay_copy::{REPLAY_HEADER, RecordCopy};
    use crate::topic_record::TopicRecord;

    #[test]
    fn a_copy_differs_from_its_original_in_one_header_only() {
        let record = TopicRecord {
            partition: 3,
            offset: 7,
            timestamp: Some(1_796_119_200_000),
            key: Some(b"k".to_vec()),
            value: None,
            headers: vec![
                ("walcast.id".to_owned(), Some(b"0/16B3748/5".to_vec())),
                ("empty".to_owned(), None),
            ],
        };
        let copy = RecordCopy::new(record, Arc::from("fix.shop.public.orders"), "fix");
        let kafka = to_kafka(&copy);
        assert_eq!(
            (kafka.topic, kafka.partition, kafka.timestamp),
            ("fix.shop.public.orders", Some(3), Some(1_796_119_200_000))
        );
        assert_eq!((kafka.key, kafka.payload), (Some(&b"k"[..]), None));
        let headers: Vec<_> = kafka
            .headers
            .iter()
            .flat_map(|headers| headers.iter())
            .map(|header| (header.key, header.value))
            .collect();
        assert_eq!(
            headers,
            [
                ("walcast.id", Some(&b"0/16B3748/5"[..])),
                ("empty", None),
                (REPLAY_HEADER, Some(&b"fix"[..])),
            ]
        );
    }
}
