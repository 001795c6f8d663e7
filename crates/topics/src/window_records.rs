//! The records of a window, chosen from those of a partition in their order.

use std::sync::Arc;

use walcast_kafka::{TopicRecord, is_replayed};
use walcast_pgoutput::Lsn;

use crate::decoder::Decoder;
use crate::error::TopicsError;
use crate::replay_plan::LsnWindow;
use crate::walcast_id::{WALCAST_ID, WalcastId};

/// Chooses the records of a window from those of a partition. Records of replays, and records without a position, do not belong to it.
#[derive(Debug)]
pub struct WindowRecords {
    window: LsnWindow,
    /// Key of the record before, and whether it belongs to the window: a tombstone that Debezium wrote has no position.
    before: Option<(Vec<u8>, bool)>,
}

impl WindowRecords {
    /// Begins at a record of a partition; where the record before it was read, that one has to be passed first.
    #[must_use]
    pub const fn new(window: LsnWindow) -> Self {
        Self { window, before: None }
    }

    /// Whether the next record of the partition belongs to the window. Only records without the header `walcast.id` are decoded.
    ///
    /// # Errors
    /// The registry does not answer or denies access.
    pub async fn contain(
        &mut self,
        decoder: &mut Decoder,
        topic: &Arc<str>,
        record: &TopicRecord,
    ) -> Result<bool, TopicsError> {
        if is_replayed(record) {
            return Ok(false);
        }
        let is_contained = match id(record) {
            Some(id) => self.window.contains(id),
            None if record.value.is_none() => self.is_of_record_before(record),
            None => {
                let decoded = decoder.decode(topic, record.clone()).await?;
                decoded.lsn().is_some_and(|lsn| self.window.contains(lsn))
            }
        };
        self.before = record.key.clone().map(|key| (key, is_contained));
        Ok(is_contained)
    }

    fn is_of_record_before(&self, tombstone: &TopicRecord) -> bool {
        let before = self.before.as_ref();
        before.is_some_and(|(key, is_contained)| *is_contained && Some(key) == tombstone.key.as_ref())
    }
}

fn id(record: &TopicRecord) -> Option<Lsn> {
    let (_, value) = record.headers.iter().find(|(name, _)| name == WALCAST_ID)?;
    let id: WalcastId = std::str::from_utf8(value.as_deref()?).ok()?.parse().ok()?;
    Some(id.lsn())
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use walcast_kafka::REPLAY_HEADER;

    use super::*;
    use crate::settings::Settings;

    fn record(key: &str, value: Option<&str>, headers: &[(&str, &str)]) -> TopicRecord {
        TopicRecord {
            partition: 0,
            offset: 0,
            timestamp: None,
            key: Some(key.as_bytes().to_vec()),
            value: value.map(|value| value.as_bytes().to_vec()),
            headers: headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), Some(value.as_bytes().to_vec())))
                .collect(),
        }
    }

    /// Result of a future that waits for nothing.
    fn ready<T>(future: impl Future<Output = T>) -> T {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => result,
            Poll::Pending => panic!("the future waits"),
        }
    }

    #[test]
    fn records_are_chosen_by_their_positions_and_tombstones_without_one_by_the_record_before() {
        let window = LsnWindow {
            from: Lsn::new(0x10),
            to: Some(Lsn::new(0x20)),
        };
        let mut decoder = Decoder::new(None, Settings::default());
        let topic = Arc::from("shop.public.orders");
        let mut records = WindowRecords::new(window);
        let id = |lsn: &'static str| [("walcast.id", lsn)];
        for (record, expected) in [
            (record("a", Some("{}"), &id("0/F/0")), false),
            (record("a", None, &[]), false),
            (record("a", Some("{}"), &id("0/10/0")), true),
            (record("a", None, &[]), true),
            (record("b", None, &[]), false),
            (record("a", None, &id("0/20/3")), true),
            (record("a", Some("{}"), &id("0/21/0")), false),
            // No record of a connector.
            (record("a", Some("{}"), &[]), false),
            (
                record(
                    "a",
                    Some("{}"),
                    &[("walcast.id", "0/10/0"), (REPLAY_HEADER, "fix")],
                ),
                false,
            ),
            // A snapshot's row.
            (record("a", Some("{}"), &id("0/18/16384(0,1)")), true),
        ] {
            let is_contained = ready(records.contain(&mut decoder, &topic, &record)).unwrap();
            assert_eq!(is_contained, expected, "{record:?}");
        }
    }
}
