//! How much is handed to librdkafka before what is under way is waited for.
//!
//! For each partition an idempotent producer of librdkafka has one request under way at a time. While records wait behind it
//! that are older than `linger.ms`, the broker's thread looks again and again, without a pause, whether it may send the next
//! request: that takes a processor, from the broker too where they share one. So no more is handed over than leaves in
//! one request, and then the acknowledgement is waited for. Meanwhile the next records are being encoded.

use std::time::{Duration, Instant};

use walcast_mapper::RecordView;

use crate::clients::{BATCH_BYTES, batch_bytes, linger_ms};
use crate::{KafkaConfig, Properties};

/// What librdkafka reckons for a record beside its key, value and headers: lengths, times and offset.
const RECORD_OVERHEAD_BYTES: usize = 40;

/// The lengths of a header's name and value.
const HEADER_OVERHEAD_BYTES: usize = 10;

/// What a request holds beside its records.
const REQUEST_OVERHEAD_BYTES: usize = 1024;

/// The share of `linger.ms` in which a request is filled: what comes after it has left would wait behind it.
const LINGER_SHARE: f64 = 0.7;

/// A request is filled at least this long, however short `linger.ms` is: with a record in each there would be nothing else
/// to do but to wait.
const FILL_MIN: Duration = Duration::from_micros(350);

/// A broker that takes longer to acknowledge is a distant one: there, filling requests is worth more than the pauses in which
/// the broker's thread looks too often.
const DISTANT: Duration = Duration::from_millis(5);

/// What has been handed over since nothing was under way.
#[derive(Debug)]
pub(crate) struct Window {
    /// How long it is filled.
    fill: Duration,
    bytes_max: usize,
    bytes: usize,
    /// When the first record was handed over; its request leaves when it has lingered.
    opened: Option<Instant>,
    /// Whether the last acknowledgement took long.
    is_distant: bool,
}

impl Window {
    pub(crate) fn new(config: &KafkaConfig) -> Self {
        let linger_ms = linger_ms(config).trim().parse().unwrap_or(0.0);
        let linger = Duration::try_from_secs_f64(linger_ms / 1000.0).unwrap_or_default();
        Self {
            fill: linger.mul_f64(LINGER_SHARE).max(FILL_MIN),
            bytes_max: request_bytes(&config.properties).saturating_sub(REQUEST_OVERHEAD_BYTES),
            bytes: 0,
            opened: None,
            is_distant: false,
        }
    }

    /// Takes note of a record that is about to be handed over. False when what is under way has to be waited for before.
    pub(crate) fn admits(&mut self, record: &RecordView<'_>, now: Instant) -> bool {
        let bytes = wire_bytes(record);
        let Some(opened) = self.opened else {
            self.opened = Some(now);
            self.bytes = bytes;
            return true;
        };
        let is_late = !self.is_distant && now.duration_since(opened) >= self.fill;
        if is_late || self.bytes + bytes > self.bytes_max {
            return false;
        }
        self.bytes += bytes;
        true
    }

    /// Nothing is under way any more, after it was waited for so long.
    pub(crate) fn reset(&mut self, waited: Duration) {
        if self.opened.take().is_some() {
            self.is_distant = waited >= DISTANT;
        }
    }
}

/// What a request of one partition holds. Several partitions share it; smaller requests are no reason to wait more often.
fn request_bytes(properties: &Properties) -> usize {
    batch_bytes(properties).max(BATCH_BYTES)
}

fn wire_bytes(record: &RecordView<'_>) -> usize {
    let headers = record.headers();
    let headers = headers.map(|header| header.name.len() + header.value.len() + HEADER_OVERHEAD_BYTES);
    let body = record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len);
    body + headers.sum::<usize>() + RECORD_OVERHEAD_BYTES
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use walcast_delivery::Guarantee;
    use walcast_mapper::Batch;

    use super::Window;
    use crate::{KafkaConfig, Properties, TopicConfig};

    fn window(properties: &[(&str, &str)]) -> Window {
        let owned = properties
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Window::new(&KafkaConfig {
            name: "shop".to_owned(),
            brokers: "127.0.0.1:1".to_owned(),
            topic_prefix: "shop".to_owned(),
            guarantee: Guarantee::ExactlyOnce,
            transaction_timeout: Duration::from_secs(60),
            properties: Properties::new(owned.collect()).unwrap(),
            topics: TopicConfig::default(),
        })
    }

    /// How many records of 100,000 bytes go in, one each `pause`.
    fn check(properties: &[(&str, &str)], pause: Duration, expected: usize) {
        let mut batch = Batch::new();
        batch.push(&Arc::from("t"), None, Some(&[0; 100_000]), []);
        let record = batch.records().next().unwrap();
        let mut window = window(properties);
        let begun = Instant::now();
        for round in 0..2 {
            let mut now = begun + Duration::from_secs(round);
            let mut count = 0;
            while window.admits(&record, now) {
                count += 1;
                now += pause;
            }
            assert_eq!(count, expected, "{properties:?}");
            window.reset(Duration::ZERO);
        }
    }

    #[test]
    fn a_window_is_what_leaves_in_one_request() {
        check(&[], Duration::ZERO, 9);
        check(&[("batch.size", "3000000")], Duration::ZERO, 29);
        check(&[("batch.size", "16384")], Duration::ZERO, 9);
    }

    #[test]
    fn a_distant_broker_gets_full_requests() {
        let mut batch = Batch::new();
        batch.push(&Arc::from("t"), None, Some(&[0; 100_000]), []);
        let record = batch.records().next().unwrap();
        let mut window = window(&[]);
        let begun = Instant::now();
        for (waited, late) in [(20, true), (1, false)] {
            assert!(window.admits(&record, begun));
            window.reset(Duration::from_millis(waited));
            assert!(window.admits(&record, begun));
            assert_eq!(window.admits(&record, begun + Duration::from_secs(1)), late);
            window.reset(Duration::ZERO);
        }
    }

    #[test]
    fn a_window_ends_before_its_first_record_has_lingered() {
        let pause = Duration::from_micros(200);
        check(&[], pause, 4);
        check(&[("linger.ms", "1.5")], pause, 6);
        check(&[("queue.buffering.max.ms", "0")], pause, 2);
    }
}
