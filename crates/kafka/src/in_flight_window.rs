//! Window of the records in flight: how much is passed to librdkafka before an acknowledgement is awaited.
//!
//! An idempotent producer of librdkafka has one request in flight for each partition. While records older than `linger.ms`
//! wait behind that request, librdkafka's broker thread polls without a pause whether the next request may be sent: the thread
//! occupies a core, which the broker lacks where they share a machine. So no more records are passed than one request holds, and
//! then the acknowledgement is awaited. Meanwhile the next records are encoded.

use std::time::{Duration, Instant};

use walcast_mapper::RecordView;

use crate::clients::{BATCH_BYTES, batch_bytes, linger_ms};
use crate::config::KafkaConfig;
use crate::properties::KafkaProperties;

/// Overhead that librdkafka counts for a record beside key, value and headers: lengths, timestamp and offset.
const RECORD_OVERHEAD_BYTES: usize = 40;

/// Overhead of a header: the lengths of its name and value.
const HEADER_OVERHEAD_BYTES: usize = 10;

/// Overhead of a request beside its records.
const REQUEST_OVERHEAD_BYTES: usize = 1024;

/// Share of `linger.ms` in which a request is filled: a record that comes after the request was sent would wait behind it.
const LINGER_SHARE: f64 = 0.7;

/// Least time in which a request is filled, however short `linger.ms` is: with one record in each request the producer would
/// only wait.
const FILL_MIN: Duration = Duration::from_micros(350);

/// Acknowledgement time above which a broker counts as distant. For a distant broker full requests are worth more than the CPU
/// time of the polling broker thread.
const DISTANT: Duration = Duration::from_millis(5);

/// Records passed to librdkafka since none was in flight.
#[derive(Debug)]
pub(crate) struct InFlightWindow {
    /// Time in which the window is filled.
    fill: Duration,
    bytes_max: usize,
    bytes: usize,
    /// Time at which the first record was passed; its request is sent after `linger.ms`.
    opened: Option<Instant>,
    /// Whether the last acknowledgement took longer than [`DISTANT`].
    is_distant: bool,
}

impl InFlightWindow {
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

    /// Adds a record to the window. False when the records in flight have to be acknowledged first.
    pub(crate) fn admits(&mut self, record: &RecordView<'_>, now: Instant) -> bool {
        self.admits_bytes(wire_bytes(record), now)
    }

    /// As [`InFlightWindow::admits`], for a record of this size.
    pub(crate) fn admits_bytes(&mut self, bytes: usize, now: Instant) -> bool {
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

    /// Empties the window once no record is in flight, after waiting for `waited`.
    pub(crate) fn reset(&mut self, waited: Duration) {
        if self.opened.take().is_some() {
            self.is_distant = waited >= DISTANT;
        }
    }
}

/// Size of a request of one partition, which all partitions share here. A smaller configured size does not make the producer
/// wait more often.
fn request_bytes(properties: &KafkaProperties) -> usize {
    batch_bytes(properties).max(BATCH_BYTES)
}

fn wire_bytes(record: &RecordView<'_>) -> usize {
    let headers = record.headers();
    let headers = headers.map(|header| {
        let value = header.value.map_or(0, <[u8]>::len);
        header.name.len() + value + HEADER_OVERHEAD_BYTES
    });
    let body = record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len);
    body + headers.sum::<usize>() + RECORD_OVERHEAD_BYTES
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use walcast_mapper::RecordBuffer;

    use super::InFlightWindow;
    use crate::config::KafkaConfig;
    use crate::properties::KafkaProperties;

    fn window(properties: &[(&str, &str)]) -> InFlightWindow {
        let owned = properties
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        InFlightWindow::new(&KafkaConfig {
            properties: KafkaProperties::new(owned.collect()).unwrap(),
            ..KafkaConfig::of_no_broker()
        })
    }

    /// Checks how many records of 100,000 bytes are admitted, one each `pause`.
    fn check(properties: &[(&str, &str)], pause: Duration, expected: usize) {
        let mut batch = RecordBuffer::new();
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
    fn window_holds_the_records_of_one_request() {
        check(&[], Duration::ZERO, 9);
        check(&[("batch.size", "3000000")], Duration::ZERO, 29);
        check(&[("batch.size", "16384")], Duration::ZERO, 9);
    }

    #[test]
    fn distant_broker_receives_full_requests() {
        let mut batch = RecordBuffer::new();
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
    fn window_closes_before_its_first_record_has_lingered() {
        let pause = Duration::from_micros(200);
        check(&[], pause, 4);
        check(&[("linger.ms", "1.5")], pause, 6);
        check(&[("queue.buffering.max.ms", "0")], pause, 2);
    }
}
